/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Written by the worker that comes after: one that dies writes as little as it can.
 */
#include "settings/restarts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json_read.h"
#include "base/json_write.h"
#include "base/str.h"

#define FILE_MAX_BYTES (64u << 10)
#define CRASH_MAX_BYTES (8u << 10)

static const struct json_limits limits = {
	.bytes = FILE_MAX_BYTES, .nodes = 64, .string = 2 * CRASH_MAX_BYTES, .depth = 4
};

static void add_line(struct buf *out, uint64_t number, const char *reason, const char *crash)
{
	struct json_writer w = { .out = out };
	char time[CLOCK_RFC3339_SIZE];

	clock_rfc3339(clock_wall_ns(), time);
	json_write_open(&w, '{');
	json_write_member_str(&w, "time", time);
	json_write_member_i64(&w, "number", (int64_t)number);
	json_write_member_str(&w, "reason", reason);
	json_write_member_str(&w, "crash", crash);
	json_write_close(&w, '}');
	buf_addc(out, '\n');
}

/* What is there already, without the oldest lines when it has become long. */
static int add_earlier(int state, struct buf *out)
{
	auto_free char *text = NULL;
	const char *from;
	size_t size = 0;
	int r = fd_read_regular_at(state, RESTARTS_NAME, FILE_MAX_BYTES, &text, &size);

	if (r == -ENOENT || r == -EFBIG || r == -EINVAL)
		return 0; /* not as we leave it */
	if (r < 0)
		return r;
	from = text;
	while (size - (size_t)(from - text) > FILE_MAX_BYTES / 2) {
		const char *next = memchr(from, '\n', size - (size_t)(from - text));

		if (!next)
			return 0;
		from = next + 1;
	}
	buf_add(out, from, size - (size_t)(from - text));
	return 0;
}

int restarts_note(int state, uint64_t number, const char *reason, struct err *err)
{
	auto_free char *crash = NULL;
	auto_done(buf) struct buf out = { 0 };
	size_t size;
	int r = fd_read_regular_at(state, RESTARTS_CRASH_NAME, CRASH_MAX_BYTES, &crash, &size);

	if (r < 0 && !reason)
		return r == -ENOENT ? 0 : err_code(err, r, "read what a crash has left");
	r = add_earlier(state, &out);
	if (r < 0)
		return err_code(err, r, "read '" RESTARTS_NAME "'");
	add_line(&out, number, reason ? reason : "crashed", crash ? crash : "");
	if (buf_ok(&out) < 0)
		return err_oom(err);
	r = file_save_at(state, RESTARTS_NAME, out.data, out.len, 0600);
	if (r < 0)
		return err_code(err, r, "write '" RESTARTS_NAME "'");
	(void)unlinkat(state, RESTARTS_CRASH_NAME, 0);
	return 0;
}

static const char *text_of(const struct json_node *o, const char *key)
{
	const struct json_node *n = json_read_get(o, key);

	return n && n->kind == JSON_READ_STRING ? n->text : "";
}

static bool read_line(struct arena *arena, const char *line, size_t len, struct restart *ret)
{
	const struct json_node *number;
	struct json_node *o;

	if (json_read(arena, line, len, &limits, &o, NULL) < 0 || o->kind != JSON_READ_OBJECT)
		return false;
	*ret = (struct restart){ text_of(o, "time"), text_of(o, "reason"), text_of(o, "crash"), 0 };
	number = json_read_get(o, "number");
	if (number)
		(void)json_read_u64(number, &ret->number);
	return true;
}

int restarts_read(
	int state, struct arena *arena, struct restart **ret, size_t *ret_n, struct err *err)
{
	auto_free char *text = NULL;
	struct restart *list;
	size_t size = 0, n = 0, lines = 0;
	int r = fd_read_regular_at(state, RESTARTS_NAME, 2 * FILE_MAX_BYTES, &text, &size);

	*ret = NULL;
	*ret_n = 0;
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return err_code(err, r, "read '" RESTARTS_NAME "'");
	for (size_t i = 0; i < size; i++)
		lines += text[i] == '\n';
	list = arena_calloc(arena, lines + 1, sizeof(*list));
	if (!list)
		return err_oom(err);
	for (const char *p = text, *end; (end = strchr(p, '\n')); p = end + 1)
		n += read_line(arena, p, (size_t)(end - p), &list[n]);
	*ret = list;
	*ret_n = n;
	return 0;
}
