/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mount is the host's when its device is in the host's table too. What is not: file systems of the container's own
 * (proc, tmpfs, devpts, ...), which criu makes anew, and pieces of its root file system that are mounted once more
 * (read-only paths).
 */
#include "container/criu_mounts.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "base/json_write.h"
#include "base/str.h"
#include "container/cgroup.h"
#include "container/criu_run.h"

#define FILE_DEPTH 8
#define MOUNTS_MAX 65536

struct line {
	char *device, *root, *point, *type;
};

/* "ID PARENT DEVICE ROOT POINT OPTIONS [TAG]... - TYPE SOURCE SUPER"; `text` is cut into pieces. */
static bool next_line(char **text, struct line *ret)
{
	char *line;

	while ((line = strsep(text, "\n"))) {
		char *rest = strstr(line, " - ");
		char **part[] = { NULL, NULL, &ret->device, &ret->root, &ret->point };
		char *word = NULL;

		if (!rest)
			continue;
		*rest = '\0';
		rest += 3;
		ret->type = strsep(&rest, " ");
		for (size_t i = 0; i < ARRAY_LEN(part); i++) {
			word = strsep(&line, " ");
			if (part[i])
				*part[i] = word;
		}
		if (!word)
			continue;
		str_unescape_octal(ret->root);
		str_unescape_octal(ret->point);
		return true;
	}
	return false;
}

static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	if (len == 1 && *dir == '/')
		return *path == '/';
	return strncmp(path, dir, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

static bool has_device(const char *table, const char *device)
{
	char word[64];

	snprintf(word, sizeof(word), " %s ", device);
	return strstr(table, word) != NULL;
}

static bool is_bind(const struct spec_mount *m)
{
	if (str_eq(m->type, "bind"))
		return true;
	for (size_t i = 0; i < m->n_options; i++)
		if (str_eq(m->options[i], "bind") || str_eq(m->options[i], "rbind"))
			return true;
	return false;
}

static const char *destination_of(const struct spec *spec, const char *path,
	bool (*same)(void *arg, const char *path, const char *source), void *arg)
{
	for (size_t i = spec->n_mounts; i-- > 0;)
		if (str_eq(spec->mounts[i].destination, path))
			return path;
	for (size_t i = spec->n_mounts; same && i-- > 0;)
		if (is_bind(&spec->mounts[i]) && same(arg, path, spec->mounts[i].source))
			return spec->mounts[i].destination;
	return NULL;
}

/* The mount that it came with: the nearest one above it. */
static void attach(struct criu_mounts *all, struct criu_mount *m)
{
	size_t best = 0;

	for (size_t i = 0; i < all->n; i++) {
		const struct criu_mount *above = &all->v[i];
		size_t len = strlen(above->path);

		if (!above->destination || len < best || !is_below(m->path, above->path))
			continue;
		best = len;
		m->destination = above->destination;
		m->below = m->path + len;
	}
}

static bool is_hosts(const struct line *l, const struct line *root, const char *host, bool v2)
{
	static const char *const made[] = { "proc", "sysfs", "mqueue", "devpts" };

	if (str_eq(l->point, "/") || !has_device(host, l->device))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(made); i++)
		if (str_eq(l->type, made[i]))
			return false;
	if (v2 && str_eq(l->type, "cgroup2"))
		return false;
	return !(str_eq(l->device, root->device) && is_below(l->root, root->root));
}

int criu_mounts_find(const char *container, const char *host, const struct spec *spec, bool v2,
	bool (*same)(void *arg, const char *path, const char *source), void *arg,
	struct arena *arena, struct criu_mounts *ret, struct err *err)
{
	char *text = arena_strdup(arena, container);
	struct line l, root = { 0 };
	size_t lines = 1;

	if (!text)
		return err_oom(err);
	for (const char *c = text; *c; c++)
		lines += *c == '\n';
	ret->n = 0;
	ret->v = arena_calloc(arena, lines, sizeof(*ret->v));
	if (!ret->v)
		return err_oom(err);
	while (next_line(&text, &l)) {
		struct criu_mount *m = &ret->v[ret->n];

		if (str_eq(l.point, "/"))
			root = l;
		if (!l.point || !root.device || !is_hosts(&l, &root, host, v2))
			continue;
		*m = (struct criu_mount){ .path = l.point, .below = "" };
		m->destination = destination_of(spec, l.point, same, arg);
		if (!m->destination)
			attach(ret, m);
		ret->n++;
	}
	return 0;
}

/* ---- the file ---- */

int criu_mounts_write(const struct criu_mounts *m, struct buf *out)
{
	struct json_writer w = { .out = out };

	json_write_open(&w, '[');
	for (size_t i = 0; i < m->n; i++) {
		json_write_open(&w, '{');
		json_write_member_str(&w, "path", m->v[i].path);
		json_write_member_str(&w, "destination", m->v[i].destination);
		json_write_member_str(&w, "below", m->v[i].below);
		json_write_close(&w, '}');
	}
	json_write_close(&w, ']');
	return buf_ok(out);
}

static const char *text_of(struct json_object *o, const char *key, struct arena *arena)
{
	struct json_object *v = json_object_object_get(o, key);

	return v && json_object_is_type(v, json_type_string)
		       ? arena_strdup(arena, json_object_get_string(v))
		       : NULL;
}

int criu_mounts_read(const char *json, size_t size, struct arena *arena, struct criu_mounts *ret,
	struct err *err)
{
	struct json_tokener *t = json_tokener_new_ex(FILE_DEPTH);
	struct json_object *doc = t ? json_tokener_parse_ex(t, json, (int)size) : NULL;
	size_t n = json_object_is_type(doc, json_type_array) ? json_object_array_length(doc) : 0;
	int r = json_object_is_type(doc, json_type_array) && n <= MOUNTS_MAX ? 0 : -EBADMSG;

	ret->n = 0;
	ret->v = arena_calloc(arena, n + 1, sizeof(*ret->v));
	for (size_t i = 0; r == 0 && ret->v && i < n; i++) {
		struct json_object *o = json_object_array_get_idx(doc, i);
		struct criu_mount *m = &ret->v[ret->n++];

		m->path = text_of(o, "path", arena);
		m->destination = text_of(o, "destination", arena);
		m->below = text_of(o, "below", arena);
		if (!m->below)
			m->below = "";
		r = m->path ? 0 : -EBADMSG;
	}
	json_object_put(doc);
	json_tokener_free(t);
	if (r < 0)
		return err_set(err, r, "the list of mounts beside the images is damaged");
	return ret->v ? 0 : err_oom(err);
}

/* ---- a restore ---- */

static void order(struct helper_words *out, const char *path, const char *source, const char *below)
{
	helper_words_add(out, "mount", "%s", path);
	helper_words_add(out, "from", "%s%s", source, below);
}

static int order_cgroups(const struct spec_mount *m, bool own_namespace,
	const struct cgroup_host *host, const struct cgroup *cg, struct helper_words *out)
{
	struct cgroup_mount rows[CGROUP_MOUNTS_MAX];
	size_t n = 0;
	int r = cgroup_mounts(host, cg, own_namespace, false, &out->arena, rows, &n);

	for (size_t i = 0; r == 0 && i < n; i++) {
		if (rows[i].kind != CGROUP_MOUNT_BIND)
			continue;
		helper_words_add(out, "mount", "%s%s%s", m->destination, *rows[i].dest ? "/" : "",
			rows[i].dest);
		helper_words_add(out, "from", "%s", rows[i].source);
	}
	return r;
}

static const char *source_of(const struct spec *spec, const char *destination)
{
	for (size_t i = spec->n_mounts; destination && i-- > 0;)
		if (str_eq(spec->mounts[i].destination, destination) && is_bind(&spec->mounts[i]))
			return spec->mounts[i].source;
	return NULL;
}

int criu_mounts_order(const struct criu_mounts *saved, const struct spec *spec,
	const struct cgroup_host *host, const struct cgroup *cg, struct helper_words *out,
	struct err *err)
{
	bool own = spec_namespace_find(spec, SPEC_NS_CGROUP) != NULL;
	int r = 0;

	for (size_t i = 0; i < spec->n_mounts && r == 0; i++) {
		const struct spec_mount *m = &spec->mounts[i];

		if (str_eq(m->type, "cgroup"))
			r = order_cgroups(m, own, host, cg, out);
		else if (is_bind(m))
			order(out, m->destination, m->source, "");
	}
	for (size_t i = 0; spec->linux_ && i < spec->linux_->n_masked_paths; i++)
		order(out, spec->linux_->masked_paths[i], "/dev/null", "");
	for (size_t i = 0; i < saved->n; i++) {
		const struct criu_mount *m = &saved->v[i];
		const char *source = source_of(spec, m->destination);

		if (source && (*m->below || !str_eq(m->path, m->destination)))
			order(out, m->path, source, m->below);
	}
	return r < 0 ? err_code(err, r, "lay out the cgroup mount") : 0;
}
