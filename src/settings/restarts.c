/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Written by the worker that comes after: one that dies writes as little as it can. A guardian's death is written by its worker, or, when
 * that died too, by the first one of the next guardian.
 *
 * What surprises: which guardian it was stands in the line too, for who writes the line may die before `guardian` is removed.
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
#define WORKER "worker"
#define GUARDIAN "guardian"
#define AND_WORKER "was gone, and its worker with it, when reeved was started"

/* A byte of what a crash has left may have become "\ufffd". */
static const struct json_limits limits = {
	.bytes = FILE_MAX_BYTES, .nodes = 64, .string = 6 * CRASH_MAX_BYTES, .depth = 4
};

static void begin_line(struct json_writer *w, const char *part)
{
	char time[CLOCK_RFC3339_SIZE];

	clock_rfc3339(clock_wall_ns(), time);
	json_write_open(w, '{');
	json_write_member_str(w, "time", time);
	json_write_member_str(w, "part", part);
}

static void end_line(struct json_writer *w)
{
	json_write_close(w, '}');
	buf_addc(w->out, '\n');
}

static void add_worker(struct buf *out, uint64_t number, const char *reason, const char *crash)
{
	struct json_writer w = { .out = out };

	begin_line(&w, WORKER);
	json_write_member_i64(&w, "number", (int64_t)number);
	json_write_member_str(&w, "reason", reason);
	json_write_member_str(&w, "crash", crash);
	end_line(&w);
}

static void add_guardian(struct buf *out, const char *process, const char *reason)
{
	struct json_writer w = { .out = out };

	begin_line(&w, GUARDIAN);
	json_write_member_str(&w, "reason", reason);
	json_write_member_str(&w, "process", process);
	end_line(&w);
}

/*
 * What is there already, without the oldest lines when it has become long, and without a last one that has no end: ours
 * would be part of it.
 */
static int add_earlier(int state, struct buf *out, struct err *err)
{
	auto_free char *text = NULL;
	const char *from;
	size_t size = 0;
	int r = fd_read_regular_at(state, RESTARTS_NAME, 2 * FILE_MAX_BYTES, &text, &size);

	if (r == -ENOENT || r == -EFBIG || r == -EINVAL)
		return 0; /* not as we leave it */
	if (r < 0)
		return err_code(err, r, "read '" RESTARTS_NAME "'");
	while (size > 0 && text[size - 1] != '\n')
		size--;
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

static int save(int state, const struct buf *lines, struct err *err)
{
	int r = buf_ok(lines);

	if (r < 0)
		return err_oom(err);
	r = file_save_at(state, RESTARTS_NAME, lines->data, lines->len, 0600);
	return r < 0 ? err_code(err, r, "write '" RESTARTS_NAME "'") : 0;
}

int restarts_note(int state, uint64_t number, const char *reason, struct err *err)
{
	auto_free char *crash = NULL;
	auto_done(buf) struct buf out = { 0 };
	size_t size;
	int r = fd_read_regular_at(state, RESTARTS_CRASH_NAME, CRASH_MAX_BYTES, &crash, &size);

	if (r < 0 && !reason)
		return r == -ENOENT ? 0 : err_code(err, r, "read what a crash has left");
	r = add_earlier(state, &out, err);
	if (r < 0)
		return r;
	add_worker(&out, number, reason ? reason : "crashed", crash ? crash : "");
	r = save(state, &out, err);
	if (r == 0)
		(void)unlinkat(state, RESTARTS_CRASH_NAME, 0);
	return r;
}

/* ---- the guardian ---- */

/* NULL: none is written down. */
static int read_guardian(int state, char **ret, struct err *err)
{
	size_t size;
	int r = fd_read_regular_at(
		state, RESTARTS_GUARDIAN_NAME, RESTARTS_PROCESS_SIZE, ret, &size);

	if (r == -ENOENT || r == -EFBIG || r == -EINVAL) {
		*ret = NULL; /* or not as we leave it */
		return 0;
	}
	return r < 0 ? err_code(err, r, "read '" RESTARTS_GUARDIAN_NAME "'") : 0;
}

/* That a boot has ended ends all that was in it. */
static bool is_same_boot(const char *a, const char *b)
{
	size_t n = strcspn(a, " ");

	return n == strcspn(b, " ") && memcmp(a, b, n) == 0;
}

static int note_guardian(int state, const char *process, const char *reason, struct err *err)
{
	auto_done(buf) struct buf out = { 0 };
	int r = add_earlier(state, &out, err);

	if (r < 0 || (out.len > 0 && strstr(out.data, process)))
		return r;
	add_guardian(&out, process, reason);
	return save(state, &out, err);
}

int restarts_guardian_is(int state, const char *process, bool *ret_gone, struct err *err)
{
	auto_free char *before = NULL;
	bool gone;
	int r = read_guardian(state, &before, err);

	if (r < 0)
		return r;
	*ret_gone = false;
	if (before && str_eq(before, process))
		return 0;
	gone = before && is_same_boot(before, process);
	if (gone)
		r = note_guardian(state, before, AND_WORKER, err);
	if (r < 0)
		return r;
	r = file_replace_at(state, RESTARTS_GUARDIAN_NAME, process, strlen(process), 0600);
	if (r < 0)
		return err_code(err, r, "write '" RESTARTS_GUARDIAN_NAME "'");
	*ret_gone = gone;
	return 0;
}

int restarts_guardian_was(int state, const char *process, const char *reason, struct err *err)
{
	auto_free char *now = NULL;
	int r = read_guardian(state, &now, err);

	if (r < 0 || !now || !str_eq(now, process))
		return r;
	if (reason)
		r = note_guardian(state, process, reason, err);
	if (r == 0 && unlinkat(state, RESTARTS_GUARDIAN_NAME, 0) < 0)
		r = err_sys(err, "remove '" RESTARTS_GUARDIAN_NAME "'");
	return r;
}

/* ---- reading ---- */

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
	*ret = (struct restart){ text_of(o, "time"), text_of(o, "reason"), text_of(o, "crash"), 0,
		str_eq(text_of(o, "part"), GUARDIAN) };
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
	/* A line may have a NUL in it, after a crash of the machine. */
	for (const char *p = text, *end; (end = memchr(p, '\n', size - (size_t)(p - text)));
		p = end + 1)
		n += read_line(arena, p, (size_t)(end - p), &list[n]);
	*ret = list;
	*ret_n = n;
	return 0;
}
