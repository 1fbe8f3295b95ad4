/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A damaged file is not guessed at: it counts as none, and the bundle is then treated as one of containerd's, which
 * is the careful way: a shim that answers for a process is kept.
 */
#include "manager/intent.h"

#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/json_read.h"
#include "base/json_write.h"

#define SIZE_MAX_BYTES 16384

static const struct json_limits limits = {
	.bytes = SIZE_MAX_BYTES, .nodes = 64, .string = 8192, .depth = 4
};

static const char *const stages[] = {
	[INTENT_LAUNCH] = "launch",
	[INTENT_CREATED] = "created",
	[INTENT_DELETED] = "deleted",
};

int intent_write(const struct intent *i, struct buf *out)
{
	struct json_writer w = { .out = out };

	json_write_open(&w, '{');
	json_write_member_i64(&w, "v", INTENT_VERSION);
	json_write_member_str(&w, "runtime", i->runtime);
	json_write_member_str(&w, "binary", i->binary);
	json_write_member_str(&w, "stage", stages[i->stage]);
	if (i->cgroup)
		json_write_member_str(&w, "cgroup", i->cgroup);
	json_write_close(&w, '}');
	buf_addc(out, '\n');
	return buf_ok(out);
}

static int get_text(const struct json_node *top, const char *key, struct arena *arena,
	const char **ret, struct err *err)
{
	const struct json_node *n = json_read_get(top, key);

	if (!n || n->kind != JSON_READ_STRING || strlen(n->text) != n->len)
		return err_set(err, -EBADMSG, "'%s' is no text", key);
	*ret = arena_strdup(arena, n->text);
	return *ret ? 0 : err_oom(err);
}

static int get_stage(const struct json_node *top, enum intent_stage *ret, struct err *err)
{
	const struct json_node *n = json_read_get(top, "stage");

	for (size_t i = 0; n && n->kind == JSON_READ_STRING && i < ARRAY_LEN(stages); i++)
		if (str_eq(n->text, stages[i])) {
			*ret = (enum intent_stage)i;
			return 0;
		}
	return err_set(err, -EBADMSG, "its stage is not known");
}

int intent_parse(
	const char *text, size_t size, struct arena *arena, struct intent *ret, struct err *err)
{
	struct intent out = { 0 };
	struct json_node *top = NULL;
	const struct json_node *version;
	int64_t v = 0;
	int r = json_read(arena, text, size, &limits, &top, err);

	if (r < 0)
		return r == -ENOMEM ? r : err_set(err, -EBADMSG, "it is no JSON");
	version = json_read_get(top, "v");
	if (!version || json_read_i64(version, &v) < 0 || v < 1 || v > INTENT_VERSION + 1)
		return err_set(err, -EBADMSG, "its version is not known");
	r = get_stage(top, &out.stage, err);
	if (r == 0)
		r = get_text(top, "runtime", arena, &out.runtime, err);
	if (r == 0)
		r = get_text(top, "binary", arena, &out.binary, err);
	if (r == 0 && json_read_get(top, "cgroup"))
		r = get_text(top, "cgroup", arena, &out.cgroup, err);
	if (r == 0)
		*ret = out;
	return r;
}

int intent_save(int bundle, const struct intent *i, struct err *err)
{
	auto_done(buf) struct buf text = { 0 };
	int r = intent_write(i, &text);

	if (r == 0)
		r = file_replace_at(bundle, INTENT_NAME, text.data, text.len, 0600);
	return r < 0 ? err_code(err, r, "write " INTENT_NAME) : 0;
}

int intent_load(int bundle, struct arena *arena, struct intent *ret, struct err *err)
{
	auto_free char *text = NULL;
	size_t size;
	int r = fd_read_regular_at(bundle, INTENT_NAME, SIZE_MAX_BYTES, &text, &size);

	if (r < 0)
		return err_code(err, r, "read " INTENT_NAME);
	r = intent_parse(text, size, arena, ret, err);
	return r < 0 ? err_in(err, INTENT_NAME) : 0;
}
