/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Log: one line per record, as text or as one JSON object (spec/oci-runtime.md 1.2).
 *
 * Owner    A struct log is owned by main() and handed down; there is no global.
 * Errors   Logging never fails the caller: what cannot be written is dropped and counted, and the count is a line of its own as
 *          soon as one can be written again.
 * Blocks   As long as its fd does; never after log_no_wait().
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

enum log_waits {
	LOG_AS_FD,  /* as the fd does by itself */
	LOG_POLLED, /* never: what there is no room for is dropped */
	LOG_SOCKET, /* the same of a socket */
};

struct log {
	int fd;               /* -EBADF: nowhere */
	enum log_level level; /* records below are dropped */
	enum log_format format;
	const char *name; /* of the program, for LOG_JOURNAL and LOG_SYSLOG; not owned */
	bool priorities;  /* "<6>" in front of each line, which a journal reads (sd-daemon(3)) */
	enum log_waits waits;
	bool torn;               /* a part of a record was written: what comes next begins a line */
	uint64_t dropped;        /* records */
	uint64_t unsaid;         /* of them those of which the log itself does not tell yet */
	void (*lost)(void *arg); /* may be NULL: a record was dropped */
	void *lost_arg;
};

void log_write(struct log *log, enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/*
 * From here on a record for which there is no room is dropped. The fd is shared with others, which may want to wait: where
 * that is possible log->fd becomes a new one on the same file, which stays open; else it is asked before each write.
 */
void log_no_wait(struct log *log);
/* Write how many records were dropped. 0: written, or there were none; else there is no room yet. */
int log_say_lost(struct log *log);
/*
 * A line for people, of a program that is about to end: room for it is waited for, but not for ever, for it is shared with a log that
 * perhaps nobody reads. A newline is added.
 */
void log_last_words(int fd, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "debug" "info" "warning" "warn" "error" "fatal"; -EINVAL otherwise. */
int log_level_parse(const char *s, enum log_level *ret);
const char *log_level_name(enum log_level l);

struct buf;
/* Append a message as one line for people: control characters are escaped. */
void log_add_plain(struct buf *line, const char *msg);
