/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines are read from the last one up to the first that says of an error. What is no JSON is stepped over: half a line of
 * a runtime that was killed, the line in which our part of a long file begins, what a debugging build prints.
 */
#include "supervisor/oci_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json_read.h"
#include "base/str.h"

#define TAIL_MAX_BYTES 65536

static const struct json_limits limits = {
	.bytes = TAIL_MAX_BYTES, .nodes = 256, .string = TAIL_MAX_BYTES, .depth = 8
};

static bool is_error(const char *level)
{
	return str_eq(level, "error") || str_eq(level, "fatal") || str_eq(level, "panic");
}

/* Blanks and newlines at both ends are not what it says. */
static int take_message(const char *msg, struct err *err)
{
	size_t n;

	msg += strspn(msg, " \n\t");
	n = strlen(msg);
	while (n > 0 && strchr(" \n\t", msg[n - 1]))
		n--;
	return n > 0 ? err_set(err, -EIO, "%.*s", (int)n, msg) : -ENOENT;
}

static int line_error(const char *line, size_t size, struct err *err)
{
	auto_done(arena) struct arena arena = { 0 };
	const struct json_node *level, *msg;
	struct json_node *object;

	if (json_read(&arena, line, size, &limits, &object, NULL) < 0 ||
		object->kind != JSON_READ_OBJECT)
		return -ENOENT;
	level = json_read_get(object, "level");
	msg = json_read_get(object, "msg");
	if (!level || level->kind != JSON_READ_STRING || !is_error(level->text) || !msg ||
		msg->kind != JSON_READ_STRING)
		return -ENOENT;
	return take_message(msg->text, err);
}

int oci_log_error(const char *text, size_t size, struct err *err)
{
	while (size > 0) {
		const char *newline = memrchr(text, '\n', size);
		const char *line = newline ? newline + 1 : text;
		int r = line_error(line, size - (size_t)(line - text), err);

		if (r != -ENOENT)
			return r;
		size = newline ? (size_t)(newline - text) : 0;
	}
	return -ENOENT;
}

int oci_log_read_error(int dirfd, const char *name, struct err *err)
{
	auto_close int fd = fd_open_at(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	auto_free char *text = NULL;
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -ENOENT;
	text = malloc(TAIL_MAX_BYTES);
	if (!text)
		return -ENOENT;
	if (st.st_size > TAIL_MAX_BYTES && lseek(fd, -TAIL_MAX_BYTES, SEEK_END) < 0)
		return -ENOENT;
	n = fd_read_full(fd, text, TAIL_MAX_BYTES);
	return n > 0 ? oci_log_error(text, (size_t)n, err) : -ENOENT;
}
