/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader may be of another version than the writer: it takes what it knows and steps over the rest.
 * A member of the wrong type is damage, though: a guessed exit status would be published as the truth.
 */
#include "supervisor/bundle_record.h"

#include <errno.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/json_read.h"
#include "base/json_write.h"

static const struct json_limits limits = {
	.bytes = 65536, .nodes = 256, .string = 8192, .depth = 8
};

int bundle_record_write(const struct bundle_record *r, struct buf *out)
{
	struct json_writer w = { .out = out };

	json_write_open(&w, '{');
	json_write_member_i64(&w, "v", BUNDLE_RECORD_VERSION);
	json_write_member_str(&w, "root", r->root ? r->root : "");
	if (!str_empty(r->program))
		json_write_member_str(&w, "program", r->program);
	if (r->systemd_cgroup)
		json_write_member_bool(&w, "systemdCgroup", true);
	json_write_member_i64(&w, "pid", r->pid);
	if (r->exited) {
		json_write_member_i64(&w, "exitStatus", r->exit_status);
		json_write_key(&w, "exitedAt");
		json_write_u64(&w, r->exited_wall_ns);
	}
	json_write_close(&w, '}');
	buf_addc(out, '\n');
	return buf_ok(out);
}

static int get_u64(const struct json_node *object, const char *key, uint64_t max, uint64_t *ret,
	struct err *err)
{
	const struct json_node *n = json_read_get(object, key);
	uint64_t v;

	if (!n)
		return 0;
	if (json_read_u64(n, &v) < 0 || v > max)
		return err_set(err, -EBADMSG, "'%s' is not a number that it may be", key);
	*ret = v;
	return 1;
}

static int get_pid(const struct json_node *object, struct bundle_record *out, struct err *err)
{
	uint64_t v = 0;
	int r = get_u64(object, "pid", INT32_MAX, &v, err);

	out->pid = (uint32_t)v;
	return r < 0 ? r : 0;
}

static int get_exit(const struct json_node *object, struct bundle_record *out, struct err *err)
{
	uint64_t status = 0;
	int r, at;

	r = get_u64(object, "exitStatus", UINT32_MAX, &status, err);
	if (r < 0)
		return r;
	at = get_u64(object, "exitedAt", UINT64_MAX, &out->exited_wall_ns, err);
	if (at < 0)
		return at;
	if (at != r)
		return err_set(err, -EBADMSG, "'exitStatus' and 'exitedAt' belong together");
	out->exited = r > 0;
	out->exit_status = (uint32_t)status;
	return 0;
}

/* 0 when it is absent, too. */
static int get_path(const struct json_node *object, const char *key, struct arena *arena,
	const char **ret, struct err *err)
{
	const struct json_node *n = json_read_get(object, key);

	if (!n)
		return 0;
	if (n->kind != JSON_READ_STRING || strlen(n->text) != n->len)
		return err_set(err, -EBADMSG, "'%s' is not a path", key);
	*ret = arena_strdup(arena, n->text);
	return *ret ? 0 : err_oom(err);
}

static int get_members(const struct json_node *object, struct arena *arena,
	struct bundle_record *out, struct err *err)
{
	const struct json_node *systemd = json_read_get(object, "systemdCgroup");
	uint64_t version = 0;
	int r;

	if (object->kind != JSON_READ_OBJECT)
		return err_set(err, -EBADMSG, "it is %s", json_read_kind_name(object->kind));
	r = get_u64(object, "v", UINT32_MAX, &version, err);
	if (r < 0)
		return r;
	if (version == 0 || version > BUNDLE_RECORD_VERSION + 1)
		return err_set(
			err, -EBADMSG, "version %llu is not known", (unsigned long long)version);
	if (systemd && systemd->kind != JSON_READ_BOOL)
		return err_set(err, -EBADMSG, "'systemdCgroup' is not a bool");
	r = get_path(object, "root", arena, &out->root, err);
	if (r == 0 && !out->root)
		r = err_set(err, -EBADMSG, "'root' is not a path");
	if (r == 0)
		r = get_path(object, "program", arena, &out->program, err);
	if (r < 0)
		return r;
	out->systemd_cgroup = systemd && systemd->truth;
	r = get_pid(object, out, err);
	return r < 0 ? r : get_exit(object, out, err);
}

int bundle_record_parse(const char *text, size_t size, struct arena *arena,
	struct bundle_record *ret, struct err *err)
{
	auto_done(arena) struct arena tree = { 0 };
	struct bundle_record out = { 0 };
	struct json_node *object;
	int r;

	r = json_read(&tree, text, size, &limits, &object, err);
	if (r == -ENOMEM)
		return r;
	r = r < 0 ? -EBADMSG : get_members(object, arena, &out, err);
	if (r < 0) {
		err_in(err, "%s", BUNDLE_RECORD_NAME);
		return r;
	}
	*ret = out;
	return 0;
}

int bundle_record_save(int bundle, const struct bundle_record *r, struct err *err)
{
	auto_done(buf) struct buf text = { 0 };
	int code = bundle_record_write(r, &text);

	if (code == 0)
		code = file_replace_at(bundle, BUNDLE_RECORD_NAME, text.data, text.len, 0600);
	return code < 0 ? err_code(err, code, "save %s in the bundle", BUNDLE_RECORD_NAME) : 0;
}

int bundle_record_refresh(int bundle, const struct bundle_record *r, struct err *err)
{
	auto_done(buf) struct buf text = { 0 };
	auto_free char *now = NULL;
	size_t size;

	if (bundle_record_write(r, &text) == 0 &&
		fd_read_regular_at(bundle, BUNDLE_RECORD_NAME, limits.bytes, &now, &size) == 0 &&
		size == text.len && memcmp(now, text.data, size) == 0)
		return 0;
	return bundle_record_save(bundle, r, err);
}

int bundle_record_load(int bundle, struct arena *arena, struct bundle_record *ret, struct err *err)
{
	auto_free char *text = NULL;
	size_t size;
	int r = fd_read_regular_at(bundle, BUNDLE_RECORD_NAME, limits.bytes, &text, &size);

	if (r < 0)
		return err_code(err, r, "read %s of the bundle", BUNDLE_RECORD_NAME);
	return bundle_record_parse(text, size, arena, ret, err);
}
