/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which ids a bind mount shows. A mount's own mappings come first, then ranges in its option, then the map of the
 * container's user namespace. The first number of a mapping is the id in the file system, the second the host's id that
 * it becomes: a mount with the container's own map shows root's files as those of the container's root.
 *
 * A container that joins a user namespace maps by that very namespace, for only the kernel knows what its map is.
 */
#include "container/compile_idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/mem.h"
#include "oci/idmap_words.h"

struct compile_userns {
	struct compile_userns *next;
	const char *uids, *gids; /* lines; NULL: the one that the container joins */
	int32_t slot;
};

bool compile_idmap_wanted(const struct spec_mount *m, const struct mount_options *o)
{
	return o->idmap != MOUNT_OPTION_NO_IDMAP || m->n_uid_mappings || m->n_gid_mappings;
}

static void add_line(struct buf *out, const struct spec_id_mapping *m)
{
	buf_addf(out, "%u %u %u\n", m->container_id, m->host_id, m->size);
}

static const char *lines_of(struct arena *a, const struct spec_id_mapping *maps, size_t n)
{
	auto_done(buf) struct buf text = { 0 };

	for (size_t i = 0; i < n; i++)
		add_line(&text, &maps[i]);
	return buf_ok(&text) < 0 || !n ? NULL : arena_strdup(a, text.data);
}

/* A range of the container's ids, as the host's. It must lie in one mapping. */
static int to_host(
	const struct spec_id_mapping *maps, size_t n, struct spec_id_mapping *m, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t off = m->host_id - maps[i].container_id;

		if (m->host_id < maps[i].container_id || off >= maps[i].size ||
			m->size > maps[i].size - off)
			continue;
		m->host_id = maps[i].host_id + off;
		return 0;
	}
	return err_set(err, -EINVAL,
		"option idmap: the container's ids %u to %llu are not in one of its mappings",
		m->host_id, (unsigned long long)m->host_id + m->size - 1);
}

static int lines_of_ranges(struct arena *a, const struct idmap_range *ranges, size_t n,
	const struct spec_id_mapping *own, size_t n_own, const char **ret, struct err *err)
{
	auto_done(buf) struct buf text = { 0 };

	for (size_t i = 0; i < n; i++) {
		struct spec_id_mapping m = ranges[i].map;
		int r = ranges[i].of_container ? to_host(own, n_own, &m, err) : 0;

		if (r < 0)
			return r;
		add_line(&text, &m);
	}
	*ret = buf_ok(&text) < 0 ? NULL : arena_strdup(a, text.data);
	return *ret ? 0 : err_oom(err);
}

static int from_option(const struct spec *spec, const char *words, struct arena *a,
	struct compile_userns *u, struct err *err)
{
	const struct spec_linux none = { 0 };
	const struct spec_linux *l = spec->linux_ ? spec->linux_ : &none;
	struct idmap_words w;
	int r = idmap_words_parse(words, a, &w, err);

	if (r == 0)
		r = lines_of_ranges(
			a, w.uids, w.n_uids, l->uid_mappings, l->n_uid_mappings, &u->uids, err);
	if (r == 0)
		r = lines_of_ranges(
			a, w.gids, w.n_gids, l->gid_mappings, l->n_gid_mappings, &u->gids, err);
	return r;
}

static int find_map(const struct spec *spec, const struct spec_mount *m,
	const struct mount_options *o, struct arena *a, struct compile_userns *u, struct err *err)
{
	const struct spec_linux *l = spec->linux_;

	if (m->n_uid_mappings) {
		u->uids = lines_of(a, m->uid_mappings, m->n_uid_mappings);
		u->gids = lines_of(a, m->gid_mappings, m->n_gid_mappings);
	} else if (o->idmap_words) {
		return from_option(spec, o->idmap_words, a, u, err);
	} else if (spec_namespace_is_new(spec, SPEC_NS_USER)) {
		u->uids = lines_of(a, l->uid_mappings, l->n_uid_mappings);
		u->gids = lines_of(a, l->gid_mappings, l->n_gid_mappings);
	} else if (spec_namespace_find(spec, SPEC_NS_USER)) {
		return 0;
	} else {
		return err_set(err, -EINVAL,
			"id-mapped mounts must have both uid and gid mappings specified, or a user "
			"namespace of the container");
	}
	return u->uids && u->gids ? 0 : err_oom(err);
}

static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static int32_t add_namespace(
	struct plan *p, const struct spec *spec, const struct compile_userns *u)
{
	int32_t slot = plan_slot(p, -1);
	struct plan_step *s = plan_add(p, u->uids ? PLAN_USERNS : PLAN_OPEN);

	s->fd[0] = slot;
	if (u->uids) {
		s->str[0] = plan_str(p, u->uids);
		s->str[1] = plan_str(p, u->gids);
	} else {
		s->str[0] = plan_str(p, spec_namespace_find(spec, SPEC_NS_USER)->path);
		s->num[0] = O_RDONLY;
	}
	return slot;
}

int compile_idmap_userns(const struct spec *spec, const struct spec_mount *m,
	const struct mount_options *o, struct plan *p, struct compile_trees *t, int32_t *ret,
	struct err *err)
{
	struct compile_userns wanted = { 0 };
	struct compile_userns *u;
	int r = find_map(spec, m, o, &t->arena, &wanted, err);

	if (r < 0)
		return err_in(err, "mount '%s'", m->destination);
	for (u = t->userns; u; u = u->next)
		if (same(u->uids, wanted.uids) && same(u->gids, wanted.gids))
			break;
	if (!u) {
		u = arena_calloc(&t->arena, 1, sizeof(*u));
		if (!u)
			return err_oom(err);
		*u = wanted;
		u->slot = add_namespace(p, spec, u);
		u->next = t->userns;
		t->userns = u;
	}
	*ret = u->slot;
	return 0;
}

void compile_idmap(struct plan *p, const struct mount_options *o, int32_t tree, int32_t userns,
	const char *source)
{
	struct plan_step *s = plan_add(p, PLAN_IDMAP);

	s->fd[0] = tree;
	s->num[0] = (uint64_t)userns;
	s->str[0] = plan_str(p, source);
	s->flags = o->idmap == MOUNT_OPTION_RIDMAP ? PLAN_F_RECURSIVE : 0;
}
