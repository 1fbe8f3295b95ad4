/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log: one record, one line, one write.
 *
 * The line is put together first and written by a single call, so that records of several processes
 * that append to one file do not mix. Messages contain what containers chose (paths, arguments):
 * control characters are escaped in every format. JSON objects have exactly the keys level, msg and
 * time, because clients decode them strictly.
 *
 * A daemon that waits for whoever reads its log stands still with it. O_NONBLOCK is of the open file, which a terminal or
 * a pipe shares with all who write to it: they would lose what they print. So it is set on an open file of our own.
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

#define LAST_WORDS_NS NS_PER_SEC
#define LAST_WORDS_SIZE 1024

static const char *const level_names[] = {
	[LOG_DEBUG_] = "debug",
	[LOG_INFO_] = "info",
	[LOG_WARN_] = "warning",
	[LOG_ERROR_] = "error",
	[LOG_FATAL_] = "fatal",
};

/* syslog's numbers. */
static const int priorities[] = {
	[LOG_DEBUG_] = 7,
	[LOG_INFO_] = 6,
	[LOG_WARN_] = 4,
	[LOG_ERROR_] = 3,
	[LOG_FATAL_] = 2,
};

void log_add_plain(struct buf *line, const char *msg)
{
	for (const char *p = msg; *p; p++) {
		unsigned char c = (unsigned char)*p;

		if (c == '\n')
			buf_adds(line, "\\n");
		else if (c < 0x20 || c == 0x7f)
			buf_addf(line, "\\x%02x", c);
		else
			buf_addc(line, *p);
	}
}

static void add_record(
	struct buf *line, const struct log *log, enum log_level level, const char *msg)
{
	char time[CLOCK_RFC3339_SIZE];

	clock_rfc3339(clock_wall_ns(), time);
	switch (log->format) {
	case LOG_JSON:
		buf_addf(line, "{\"level\":\"%s\",\"msg\":", level_names[level]);
		buf_add_json(line, msg);
		buf_addf(line, ",\"time\":\"%s\"}", time);
		break;
	case LOG_LOGRUS:
		buf_addf(line, "time=\"%s\" level=%s msg=", time, level_names[level]);
		buf_add_json(line, msg);
		break;
	case LOG_TEXT:
		buf_addf(line, "%s %s: ", time, level_names[level]);
		log_add_plain(line, msg);
		break;
	case LOG_PLAIN:
		buf_addf(line, "%s: ", level_names[level]);
		log_add_plain(line, msg);
		break;
	case LOG_JOURNAL:
		buf_addf(line, "PRIORITY=%d\nSYSLOG_IDENTIFIER=%s\nMESSAGE=", priorities[level],
			log->name ? log->name : "");
		log_add_plain(line, msg);
		break;
	case LOG_SYSLOG: /* of a daemon */
		buf_addf(line, "<%d>%s: ", 3 << 3 | priorities[level], log->name ? log->name : "");
		log_add_plain(line, msg);
		break;
	}
	buf_addc(line, '\n');
}

/* A pipe that is not full has room for PIPE_BUF bytes at least. */
static ssize_t write_polled(int fd, const char *data, size_t n)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	if (poll(&p, 1, 0) == 0) {
		errno = EAGAIN;
		return -1;
	}
	return write(fd, data, n < PIPE_BUF ? n : PIPE_BUF);
}

static ssize_t write_some(const struct log *log, const char *data, size_t n)
{
	switch (log->waits) {
	case LOG_POLLED:
		return write_polled(log->fd, data, n);
	case LOG_SOCKET:
		return send(log->fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	case LOG_AS_FD:
		break;
	}
	return write(log->fd, data, n);
}

static int write_all(struct log *log, const char *data, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t now = write_some(log, data + done, n - done);

		if (now < 0 && errno == EINTR)
			continue;
		if (now < 0 && done > 0)
			log->torn = true;
		if (now < 0)
			return -errno;
		done += (size_t)now;
	}
	return 0;
}

static int write_record(struct log *log, enum log_level level, const char *msg)
{
	auto_done(buf) struct buf line = { 0 };
	int r;

	if (log->priorities)
		buf_addf(&line, "<%d>", priorities[level]);
	add_record(&line, log, level, msg);
	r = buf_ok(&line);
	if (r == 0 && log->torn)
		r = write_all(log, "\n", 1);
	if (r < 0)
		return r;
	log->torn = false;
	return write_all(log, line.data, line.len);
}

int log_say_lost(struct log *log)
{
	char msg[64];
	int r;

	if (log->unsaid == 0)
		return 0;
	snprintf(msg, sizeof(msg), "%llu lines lost: there was no room for them",
		(unsigned long long)log->unsaid);
	r = write_record(log, LOG_WARN_, msg);
	if (r == 0)
		log->unsaid = 0;
	return r;
}

void log_write(struct log *log, enum log_level level, const char *fmt, ...)
{
	auto_free char *msg = NULL;
	int saved = errno;
	va_list ap;

	if (!log || log->fd < 0 || level < log->level || level > LOG_FATAL_)
		return;
	va_start(ap, fmt);
	if (vasprintf(&msg, fmt, ap) < 0)
		msg = NULL;
	va_end(ap);
	if (!msg || log_say_lost(log) < 0 || write_record(log, level, msg) < 0) {
		log->dropped++;
		log->unsaid++;
		if (log->lost)
			log->lost(log->lost_arg);
	}
	errno = saved;
}

static int open_own(int fd)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return fd_open(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY, 0);
}

void log_no_wait(struct log *log)
{
	struct stat st;
	int fd;

	if (log->fd < 0 || fstat(log->fd, &st) < 0)
		return;
	if (S_ISSOCK(st.st_mode)) {
		log->waits = LOG_SOCKET;
		return;
	}
	if (!S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode))
		return;
	log->waits = LOG_POLLED;
	fd = open_own(log->fd);
	if (fd < 0)
		return;
	log->waits = LOG_AS_FD;
	log->fd = fd;
}

static bool has_room(int fd, uint64_t until_ns)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	uint64_t now = clock_boot_ns();

	return now < until_ns && poll(&p, 1, (int)((until_ns - now) / NS_PER_MS) + 1) != 0;
}

static void write_in_time(const struct log *log, const char *data, size_t n)
{
	uint64_t until = clock_boot_ns() + LAST_WORDS_NS;

	while (n > 0) {
		ssize_t now = write_some(log, data, n);

		if (now > 0) {
			data += now;
			n -= (size_t)now;
		} else if (now == 0 || (errno != EAGAIN && errno != EINTR) ||
			   !has_room(log->fd, until)) {
			return;
		}
	}
}

void log_last_words(int fd, const char *fmt, ...)
{
	struct log log = { .fd = fd };
	char line[LAST_WORDS_SIZE]; /* there may be no memory */
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	if ((size_t)n >= sizeof(line))
		n = (int)sizeof(line) - 1;
	line[n] = '\n';
	log_no_wait(&log);
	write_in_time(&log, line, (size_t)n + 1);
	if (log.fd != fd)
		fd_close(log.fd);
}

int log_level_parse(const char *s, enum log_level *ret)
{
	if (str_eq(s, "warn")) {
		*ret = LOG_WARN_;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
		if (str_eq(s, level_names[i])) {
			*ret = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *log_level_name(enum log_level l)
{
	return (size_t)l < ARRAY_LEN(level_names) ? level_names[l] : "unknown";
}
