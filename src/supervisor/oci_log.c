/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An object may take one line or several (crun 1.28), and may follow another without a newline (crun 1.8). What is no JSON
 * is stepped over to the next line: half an object of a runtime that was killed, the middle of one in which our part of a
 * long file begins, what a debugging build prints.
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
#define SCAN_MAX_BYTES \
	(16 * TAIL_MAX_BYTES) /* of one log in all, however often it begins an object */

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

/* -ENOENT: no error. -EINVAL: no object. */
static int object_error(const char *text, size_t size, struct err *err)
{
	auto_done(arena) struct arena arena = { 0 };
	const struct json_node *level, *msg;
	struct json_node *object;

	if (json_read(&arena, text, size, &limits, &object, NULL) < 0)
		return -EINVAL;
	level = json_read_get(object, "level");
	msg = json_read_get(object, "msg");
	if (!level || level->kind != JSON_READ_STRING || !is_error(level->text) || !msg ||
		msg->kind != JSON_READ_STRING)
		return -ENOENT;
	return take_message(msg->text, err);
}

/* Bytes of the string at its opening quote; 0 when it does not end in this line. */
static size_t string_length(const char *text, size_t size)
{
	for (size_t i = 1; i < size && text[i] != '\n'; i++) {
		if (text[i] == '"')
			return i + 1;
		if (text[i] == '\\')
			i++;
	}
	return 0;
}

/* Bytes of the object at its opening brace; 0 when it has no end. *scanned counts what was looked at. */
static size_t object_length(const char *text, size_t size, size_t *scanned)
{
	unsigned int depth = 0;
	size_t i, n;

	for (i = 0; i < size; i += n) {
		n = text[i] == '"' ? string_length(text + i, size - i) : 1;
		if (n == 0)
			break;
		depth += text[i] == '{';
		depth -= text[i] == '}';
		if (depth == 0) {
			*scanned += i;
			return i + 1;
		}
	}
	*scanned += i;
	return 0;
}

int oci_log_error(const char *text, size_t size, struct err *err)
{
	const char *end = text + size;
	size_t scanned = 0;
	int ret = -ENOENT;

	while (text < end && scanned < SCAN_MAX_BYTES) {
		size_t n = *text == '{' ? object_length(text, (size_t)(end - text), &scanned) : 0;
		int r = n > 0 ? object_error(text, n, err) : -EINVAL;
		const char *newline;

		if (r == -EIO)
			ret = r;
		if (r != -EINVAL) {
			text += n;
		} else {
			newline = memchr(text, '\n', (size_t)(end - text));
			text = newline ? newline : end;
		}
		while (text < end && strchr(" \t\r\n", *text))
			text++;
	}
	return ret;
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
