/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks of mounts: what can be told from the words alone. Links in the root file system can make a
 * destination something else than it looks; whoever mounts checks again where it really goes.
 *
 * Nothing may be put over the root or into /proc: the first hides what all later steps rely on, the
 * second has been the way to redirect a runtime's own writes (spec/security.md 1.2). The files
 * below /proc that may be covered are the ones that lxcfs and its like provide.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/path.h"
#include "oci/mount_option.h"
#include "oci/spec_check.h"

static bool may_cover(const char *below_proc)
{
	static const char *const names[] = { "cpuinfo", "diskstats", "loadavg", "meminfo",
		"net/dev", "slabinfo", "stat", "swaps", "sys/crypto/fips_enabled",
		"sys/kernel/ns_last_pid", "uptime" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(names[i], below_proc) == 0)
			return true;
	return false;
}

static int check_destination(const struct spec_mount *m, bool bind, size_t i, struct err *err)
{
	auto_free char *path = NULL;

	if (str_empty(m->destination))
		return spec_check_fail(err, -EINVAL, "mounts[%zu].destination: is empty", i);
	path = path_join("/", m->destination);
	if (!path)
		return err_oom(err);
	if (strlen(path) >= PATH_MAX)
		return spec_check_fail(err, -ENAMETOOLONG, "mounts[%zu].destination: too long", i);
	if (strcmp(path, "/") == 0)
		return spec_check_fail(err, -EINVAL, "mounts[%zu].destination: '%s' is the root", i,
			m->destination);
	if (strcmp(path, "/proc") == 0 && !bind && !str_eq(m->type, "proc"))
		return spec_check_fail(err, -EINVAL,
			"mounts[%zu]: '%s' cannot be mounted on /proc: only procfs can", i,
			m->type ? m->type : "");
	if (str_starts(path, "/proc/") && !may_cover(path + strlen("/proc/")))
		return spec_check_fail(err, -EINVAL,
			"mounts[%zu].destination: '%s' is inside /proc", i, m->destination);
	return 0;
}

static int check_mappings(const struct spec_mount *m, const struct mount_options *o, bool bind,
	size_t i, struct err *err)
{
	if ((m->n_uid_mappings > 0 || o->idmap) && (!bind || o->remount))
		return spec_check_fail(err, -EINVAL,
			"mounts[%zu]: id-mapped mounts are only supported for bind-mounts", i);
	if ((m->n_uid_mappings > 0) != (m->n_gid_mappings > 0))
		return spec_check_fail(err, -EINVAL,
			"mounts[%zu]: id-mapped mounts must have both uid and gid mappings "
			"specified",
			i);
	return 0;
}

static int check_mount(struct arena *arena, const struct spec_mount *m, size_t i, struct err *err)
{
	struct mount_options o;
	bool bind;
	int r;

	r = mount_option_parse(m->options, m->n_options, arena, &o, err);
	if (r < 0) {
		err_in(err, "mounts[%zu].options", i);
		return r;
	}
	bind = o.bind != MOUNT_OPTION_NO_BIND || str_eq(m->type, "bind");
	if (str_empty(m->type) && !bind && !o.remount)
		return spec_check_fail(err, -EINVAL, "mounts[%zu].type: missing", i);
	if (bind && !o.remount && str_empty(m->source))
		return spec_check_fail(
			err, -EINVAL, "mounts[%zu].source: missing for a bind mount", i);
	r = check_destination(m, bind, i, err);
	return r < 0 ? r : check_mappings(m, &o, bind, i, err);
}

int spec_check_mounts(const struct spec *s, struct err *err)
{
	struct arena arena = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->n_mounts; i++)
		r = check_mount(&arena, &s->mounts[i], i, err);
	arena_done(&arena);
	return r;
}

int spec_validate_mounts(const struct spec *s, struct err *err)
{
	return spec_check_mounts(s, err);
}
