/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One table says what the members are called; a reader takes what it knows and steps over the rest.
 */
#include "shim/sandbox_record.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/json_read.h"
#include "base/json_write.h"

static const struct json_limits limits = {
	.bytes = 65536, .nodes = 256, .string = 8192, .depth = 8
};

enum kind { TEXT, NUMBER32, NUMBER64, BOOL };

#define AT(member) offsetof(struct sandbox_record, member)

// clang-format off
static const struct field {
	const char *key;
	enum kind kind;
	size_t at;
} fields[] = {
	{ "id",          TEXT,     AT(id) },
	{ "cgroup",      TEXT,     AT(cgroup) },
	{ "state",       NUMBER64, AT(state) },
	{ "ownNet",      BOOL,     AT(own_net) },
	{ "ownIpc",      BOOL,     AT(own_ipc) },
	{ "ownPid",      BOOL,     AT(own_pid) },
	{ "hostPid",     BOOL,     AT(host_pid) },
	{ "guardian",    BOOL,     AT(guardian) },
	{ "holder",      NUMBER32, AT(holder) },
	{ "holderStart", NUMBER64, AT(holder_start) },
	{ "holderInode", NUMBER64, AT(holder_inode) },
	{ "createdAt",   NUMBER64, AT(created_wall_ns) },
	{ "exitedAt",    NUMBER64, AT(exited_wall_ns) },
	{ "exitStatus",  NUMBER32, AT(exit_status) },
};
// clang-format on

static void write_field(
	struct json_writer *w, const struct field *f, const struct sandbox_record *r)
{
	const char *at = (const char *)r + f->at;

	json_write_key(w, f->key);
	switch (f->kind) {
	case TEXT:
		json_write_str(w, *(const char *const *)at ? *(const char *const *)at : "");
		break;
	case NUMBER32:
		json_write_u64(w, *(const uint32_t *)at);
		break;
	case NUMBER64:
		json_write_u64(w, *(const uint64_t *)at);
		break;
	case BOOL:
		json_write_bool(w, *(const bool *)at);
		break;
	}
}

int sandbox_record_write(const struct sandbox_record *r, struct buf *out)
{
	struct json_writer w = { .out = out };

	json_write_open(&w, '{');
	json_write_member_i64(&w, "v", SANDBOX_RECORD_VERSION);
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		write_field(&w, &fields[i], r);
	json_write_close(&w, '}');
	buf_addc(out, '\n');
	return buf_ok(out);
}

static int read_number(const struct json_node *n, const struct field *f, uint64_t max,
	uint64_t *ret, struct err *err)
{
	if (json_read_u64(n, ret) < 0 || *ret > max)
		return err_set(err, -EBADMSG, "'%s' is not a number that it may be", f->key);
	return 0;
}

static int read_text(const struct json_node *n, const struct field *f, struct arena *arena,
	const char **ret, struct err *err)
{
	if (n->kind != JSON_READ_STRING || strlen(n->text) != n->len)
		return err_set(err, -EBADMSG, "'%s' is not a text", f->key);
	*ret = arena_strdup(arena, n->text);
	return *ret ? 0 : err_oom(err);
}

static int read_field(const struct json_node *object, const struct field *f, struct arena *arena,
	struct sandbox_record *out, struct err *err)
{
	const struct json_node *n = json_read_get(object, f->key);
	char *at = (char *)out + f->at;
	uint64_t v = 0;
	int r;

	if (!n)
		return 0;
	switch (f->kind) {
	case TEXT:
		return read_text(n, f, arena, (const char **)(void *)at, err);
	case NUMBER32:
		r = read_number(n, f, UINT32_MAX, &v, err);
		*(uint32_t *)(void *)at = (uint32_t)v;
		return r;
	case NUMBER64:
		return read_number(n, f, UINT64_MAX, (uint64_t *)(void *)at, err);
	case BOOL:
		if (n->kind != JSON_READ_BOOL)
			return err_set(err, -EBADMSG, "'%s' is not a bool", f->key);
		*(bool *)at = n->truth;
		return 0;
	}
	return 0;
}

static int read_fields(const struct json_node *object, struct arena *arena,
	struct sandbox_record *out, struct err *err)
{
	const struct json_node *v =
		object->kind == JSON_READ_OBJECT ? json_read_get(object, "v") : NULL;
	uint64_t version = 0;
	int r = 0;

	if (!v || json_read_u64(v, &version) < 0 || version == 0 ||
		version > SANDBOX_RECORD_VERSION + 1)
		return err_set(err, -EBADMSG, "its version is not known");
	for (size_t i = 0; i < ARRAY_LEN(fields) && r == 0; i++)
		r = read_field(object, &fields[i], arena, out, err);
	if (r == 0 && str_empty(out->id))
		r = err_set(err, -EBADMSG, "it has no id");
	if (r == 0 && (out->state > SANDBOX_STOPPED || out->holder > INT32_MAX))
		r = err_set(err, -EBADMSG, "'state' or 'holder' is not a number that it may be");
	return r;
}

int sandbox_record_parse(const char *text, size_t size, struct arena *arena,
	struct sandbox_record *ret, struct err *err)
{
	auto_done(arena) struct arena tree = { 0 };
	struct sandbox_record out = { .cgroup = "" };
	struct json_node *object;
	int r = json_read(&tree, text, size, &limits, &object, err);

	if (r == 0)
		r = read_fields(object, arena, &out, err);
	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		err_in(err, "%s", SANDBOX_RECORD_NAME);
		return -EBADMSG;
	}
	*ret = out;
	return 0;
}

int sandbox_record_save(const char *bundle, const struct sandbox_record *r, struct err *err)
{
	auto_close int dir = fd_open(bundle, O_RDONLY | O_DIRECTORY, 0);
	auto_done(buf) struct buf text = { 0 };
	int code = dir < 0 ? dir : sandbox_record_write(r, &text);

	if (code == 0)
		code = file_replace_at(dir, SANDBOX_RECORD_NAME, text.data, text.len, 0600);
	return code < 0 ? err_code(err, code, "save %s in the bundle", SANDBOX_RECORD_NAME) : 0;
}

int sandbox_record_load(
	const char *bundle, struct arena *arena, struct sandbox_record *ret, struct err *err)
{
	auto_close int dir = fd_open(bundle, O_RDONLY | O_DIRECTORY, 0);
	auto_free char *text = NULL;
	size_t size;
	int r = dir;

	if (dir >= 0)
		r = fd_read_regular_at(dir, SANDBOX_RECORD_NAME, limits.bytes, &text, &size);
	if (r < 0)
		return err_code(err, r, "read %s of the bundle", SANDBOX_RECORD_NAME);
	return sandbox_record_parse(text, size, arena, ret, err);
}
