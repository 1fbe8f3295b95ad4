/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Validation of a whole document: everything that can be said without looking at the machine,
 * before anything is made. The parts have files of their own; here is what concerns the document as
 * such.
 *
 * What surprises: a hostname with a joined uts namespace is let through, as all peers do, because
 * engines write it for the members of a pod.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "oci/spec_check.h"

#define ANNOTATIONS_BYTES (1u << 20)

/* "1.2.0", "1.0.0-rc5-dev", "1.1.0+dev", "0.5.0": three numbers and maybe a suffix. */
static bool is_version(const char *v)
{
	for (int i = 0; i < 3; i++) {
		size_t digits = strspn(v, "0123456789");

		if (digits == 0 || digits > 9 || (i < 2 && v[digits] != '.'))
			return false;
		v += digits + (i < 2);
	}
	return *v == '\0' || *v == '-' || *v == '+';
}

static int check_version(const struct spec *s, struct err *err)
{
	const char *v = s->oci_version;

	if (!is_version(v) || (!str_starts(v, "1.") && !str_starts(v, "0.")))
		return spec_check_fail(err, -EINVAL, "ociVersion: '%s' is no version 1.x", v);
	return 0;
}

static int check_root(const struct spec *s, struct err *err)
{
	if (!s->root)
		return spec_check_fail(err, -EINVAL, "root: missing");
	if (str_empty(s->root->path))
		return spec_check_fail(err, -EINVAL, "root.path: is empty");
	return 0;
}

static int check_name(const struct spec *s, const char *field, const char *name, struct err *err)
{
	if (str_empty(name))
		return 0;
	if (strlen(name) > 64)
		return spec_check_fail(err, -EINVAL, "%s: longer than 64 bytes", field);
	if (!spec_namespace_find(s, SPEC_NS_UTS))
		return spec_check_fail(err, -EINVAL, "%s: needs a namespace of type uts", field);
	return 0;
}

static int check_names(const struct spec *s, struct err *err)
{
	int r = check_name(s, "hostname", s->hostname, err);

	return r < 0 ? r : check_name(s, "domainname", s->domainname, err);
}

static int check_hook_list(
	const char *name, const struct spec_hook *hooks, size_t n, struct err *err)
{
	char field[48];

	for (size_t i = 0; i < n; i++) {
		snprintf(field, sizeof(field), "hooks.%s[%zu].path", name, i);
		if (spec_check_absolute(field, hooks[i].path, err) < 0)
			return -EINVAL;
		if (hooks[i].has_timeout && hooks[i].timeout <= 0)
			return spec_check_fail(err, -EINVAL,
				"hooks.%s[%zu].timeout: %d is not above 0", name, i,
				hooks[i].timeout);
	}
	return 0;
}

static int check_hooks(const struct spec *s, struct err *err)
{
	const struct spec_hooks *h = s->hooks;
	int r;

	if (!h)
		return 0;
	r = check_hook_list("prestart", h->prestart, h->n_prestart, err);
	if (r == 0)
		r = check_hook_list("createRuntime", h->create_runtime, h->n_create_runtime, err);
	if (r == 0)
		r = check_hook_list(
			"createContainer", h->create_container, h->n_create_container, err);
	if (r == 0)
		r = check_hook_list(
			"startContainer", h->start_container, h->n_start_container, err);
	if (r == 0)
		r = check_hook_list("poststart", h->poststart, h->n_poststart, err);
	if (r == 0)
		r = check_hook_list("poststop", h->poststop, h->n_poststop, err);
	return r;
}

static int check_annotations(const struct spec *s, struct err *err)
{
	size_t total = 0;

	for (size_t i = 0; i < s->n_annotations; i++) {
		if (str_empty(s->annotations[i].key))
			return spec_check_fail(err, -EINVAL, "annotations: a key is empty");
		total += strlen(s->annotations[i].key) + strlen(s->annotations[i].value);
	}
	if (total > ANNOTATIONS_BYTES)
		return spec_check_fail(
			err, -E2BIG, "annotations: longer than %u bytes", ANNOTATIONS_BYTES);
	return 0;
}

int spec_validate(const struct spec *s, struct err *err)
{
	static int (*const checks[])(const struct spec *s, struct err *err) = {
		spec_check_counts,
		check_version,
		check_root,
		check_names,
		check_hooks,
		check_annotations,
		spec_check_mounts,
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(checks); i++)
		r = checks[i](s, err);
	if (r == 0 && s->process)
		r = spec_check_process(s->process, "process.", err);
	if (r == 0 && s->linux_)
		r = spec_check_linux(s, err);
	return r;
}
