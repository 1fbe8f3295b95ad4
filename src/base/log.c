/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log: one record, one line, one write.
 *
 * The line is put together first and written by a single call, so that records of several processes
 * that append to one file do not mix. Messages contain what containers chose (paths, arguments):
 * control characters are escaped in every format. JSON objects have exactly the keys level, msg and
 * time, because clients decode them strictly.
 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

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

void log_write(struct log *log, enum log_level level, const char *fmt, ...)
{
	auto_done(buf) struct buf line = { 0 };
	auto_free char *msg = NULL;
	int saved = errno;
	va_list ap;
	ssize_t n;

	if (!log || log->fd < 0 || level < log->level || level > LOG_FATAL_)
		return;
	va_start(ap, fmt);
	if (vasprintf(&msg, fmt, ap) < 0)
		msg = NULL;
	va_end(ap);
	if (log->priorities)
		buf_addf(&line, "<%d>", priorities[level]);
	if (msg)
		add_record(&line, log, level, msg);
	if (!msg || buf_ok(&line) < 0) {
		log->dropped++;
		errno = saved;
		return;
	}
	do
		n = write(log->fd, line.data, line.len);
	while (n < 0 && errno == EINTR);
	if (n < 0 || (size_t)n != line.len)
		log->dropped++;
	errno = saved;
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
