/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exec process. Capabilities that a flag adds go to the bounding, effective and permitted set, to the ambient set only
 * where there is an inheritable one, and never to that itself: a program of the container that drops its rights must
 * not get them back through a file (CVE-2022-29162).
 */
#include "cli/exec_process.h"

#include <errno.h>
#include <fcntl.h>

#include "base/fd.h"
#include "base/mem.h"
#include "oci/user_spec.h"

#define DOCUMENT_MAX (4u << 20)

int exec_process_read(const char *path, struct spec_process_doc **ret, struct err *err)
{
	auto_free char *json = NULL;
	struct spec_process_doc *doc;
	size_t size;
	int r;

	r = fd_read_file_at(AT_FDCWD, path, DOCUMENT_MAX, &json, &size);
	if (r < 0)
		return err_code(err, r, "read process document '%s'", path);
	r = spec_parse_process(json, size, &doc, err);
	if (r < 0)
		return err_in(err, "process document '%s'", path);
	*ret = doc;
	return 0;
}

/* A list and more behind it, in the document's arena. */
static int append(
	struct arena *a, const char ***list, size_t *n, const char *const *more, size_t n_more)
{
	const char **joined = arena_calloc(a, *n + n_more + 1, sizeof(*joined));

	if (!joined)
		return -ENOMEM;
	for (size_t i = 0; i < *n; i++)
		joined[i] = (*list)[i];
	for (size_t i = 0; i < n_more; i++)
		joined[*n + i] = more[i];
	*list = joined;
	*n += n_more;
	return 0;
}

static int add_caps(
	struct arena *a, struct spec_process *p, const struct args_list *caps, struct err *err)
{
	struct spec_capabilities *c;
	int r;

	if (caps->n == 0)
		return 0;
	c = arena_alloc(a, sizeof(*c));
	if (!c)
		return err_oom(err);
	if (p->capabilities)
		*c = *p->capabilities;
	r = append(a, &c->bounding, &c->n_bounding, caps->items, caps->n);
	if (r == 0)
		r = append(a, &c->effective, &c->n_effective, caps->items, caps->n);
	if (r == 0)
		r = append(a, &c->permitted, &c->n_permitted, caps->items, caps->n);
	if (r == 0 && c->n_inheritable > 0)
		r = append(a, &c->ambient, &c->n_ambient, caps->items, caps->n);
	if (r < 0)
		return err_oom(err);
	p->capabilities = c;
	return 0;
}

static int set_user(struct spec_process *p, const char *text, struct err *err)
{
	struct user_spec u;
	int r;

	if (!text)
		return 0;
	r = user_spec_parse(text, &u, err);
	if (r < 0)
		return r;
	p->user.uid = u.uid;
	if (u.has_gid)
		p->user.gid = u.gid;
	return 0;
}

static int add_gids(
	struct arena *a, struct spec_process *p, const struct args_list *gids, struct err *err)
{
	size_t n = p->user.n_additional_gids;
	uint32_t *list;

	if (gids->n == 0)
		return 0;
	list = arena_calloc(a, n + gids->n, sizeof(*list));
	if (!list)
		return err_oom(err);
	for (size_t i = 0; i < n; i++)
		list[i] = p->user.additional_gids[i];
	for (size_t i = 0; i < gids->n; i++)
		if (str_to_u32(gids->items[i], &list[n + i]) < 0)
			return err_set(err, -EINVAL, "invalid group id \"%s\"", gids->items[i]);
	p->user.additional_gids = list;
	p->user.n_additional_gids = n + gids->n;
	return 0;
}

static int fill(struct spec_process_doc *doc, const struct exec_options *o, const char *const *argv,
	size_t argc, struct err *err)
{
	struct spec_process *p = &doc->process;
	int r;

	p->args = NULL;
	p->n_args = 0;
	p->terminal = o->tty;
	p->console_size = NULL;
	if (o->cwd)
		p->cwd = o->cwd;
	if (o->process_label)
		p->selinux_label = o->process_label;
	if (o->apparmor)
		p->apparmor_profile = o->apparmor;
	if (o->no_new_privs)
		p->has_no_new_privileges = p->no_new_privileges = true;
	/* Those of the container's start are no wish for every exec: the caller's own score is inherited. */
	p->has_oom_score_adj = false;
	if (append(&doc->arena, &p->args, &p->n_args, argv, argc) < 0 ||
		append(&doc->arena, &p->env, &p->n_env, o->env.items, o->env.n) < 0)
		return err_oom(err);
	r = set_user(p, o->user, err);
	if (r == 0)
		r = add_gids(&doc->arena, p, &o->additional_gids, err);
	return r < 0 ? r : add_caps(&doc->arena, p, &o->caps, err);
}

int exec_process_build(const struct spec_process *own, const struct exec_options *o,
	const char *const *argv, size_t argc, struct spec_process_doc **ret, struct err *err)
{
	auto_freep(spec_process_doc) struct spec_process_doc *doc = mem_calloc(1, sizeof(*doc));
	int r;

	if (!doc)
		return err_oom(err);
	doc->process = *own;
	r = fill(doc, o, argv, argc, err);
	if (r < 0)
		return r;
	*ret = take_ptr(doc);
	return 0;
}
