/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Log: one line per record, as text or as one JSON object (spec/oci-runtime.md 1.2).
 *
 * Owner    A struct log is owned by main() and handed down; there is no global.
 * Errors   Logging never fails the caller: what cannot be written is dropped and counted.
 * Blocks   Never on a fifo that is opened non-blocking.
 * Context  Parent.
 */
#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG_, LOG_INFO_, LOG_WARN_, LOG_ERROR_, LOG_FATAL_ };
enum log_format {
	LOG_TEXT,
	LOG_JSON,
	LOG_LOGRUS,  /* time="..." level=info msg="..." as containerd's shims */
	LOG_PLAIN,   /* level and message alone: for a terminal */
	LOG_JOURNAL, /* fields of a datagram to systemd's journal */
	LOG_SYSLOG,  /* a datagram to syslog: priority, name, message */
};

struct log {
	int fd;               /* -EBADF: nowhere */
	enum log_level level; /* records below are dropped */
	enum log_format format;
	const char *name; /* of the program, for LOG_JOURNAL and LOG_SYSLOG; not owned */
	bool priorities;  /* "<6>" in front of each line, which a journal reads (sd-daemon(3)) */
	uint64_t dropped;
};

void log_write(struct log *log, enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* "debug" "info" "warning" "warn" "error" "fatal"; -EINVAL otherwise. */
int log_level_parse(const char *s, enum log_level *ret);
const char *log_level_name(enum log_level l);

struct buf;
/* Append a message as one line for people: control characters are escaped. */
void log_add_plain(struct buf *line, const char *msg);
