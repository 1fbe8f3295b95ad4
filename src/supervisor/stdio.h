/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Stdio: the standard streams of one process: which kind a client asked for, the fds that the
 * process gets, the relays between them and the client's fifos (spec/shim.md section 5).
 *
 * The order of a life: stdio_open() (ready at once, or later when a logging binary has to come up),
 * the process is made with `child`, stdio_console() if it has a terminal, stdio_made(),
 * stdio_exited(), stdio_drain(), stdio_close().
 *
 * Owner    The struct is embedded in its owner; stdio_close() ends it and accepts zero and closed
 *          ones. Our ends of all streams are in the fd table under the prefix; `child` are owned
 *          until stdio_made() or stdio_close().
 * Errors   Negative errno with *err filled; what was opened is closed then.
 * Blocks   Never: a fifo is opened for reading and writing, so nobody has to be at its other end.
 * Context  Parent, on the loop's thread. Functions of the caller are called from the loop only.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "event/loop.h"
#include "supervisor/fdtable.h"
#include "supervisor/logger.h"
#include "supervisor/relay.h"
#include "supervisor/request.h"

struct stdio;

struct stdio_env {
	struct loop *loop;
	struct fdtable *fds;
	struct logger_list *loggers;
};

struct stdio_open {
	const struct stdio_env *env;
	const char *ns;
	const char *id;     /* of the process: container id or exec id */
	const char *prefix; /* of the names in the fd table, "t/NS/ID/" */
	const struct request_stdio *paths;
	uint32_t uid, gid; /* owner of the process's ends of its pipes */
	bool stdin_closed; /* CloseIO came before */
	/* Called once when stdio_open() returned 1. NULL: go on. */
	void (*ready)(struct stdio *s, const struct err *err);
};

enum { STDIO_IN, STDIO_OUT, STDIO_ERR, STDIO_STREAMS };

struct stdio {
	const struct stdio_env *env;
	char *prefix; /* NULL: not open */
	int child[STDIO_STREAMS];
	bool terminal;
	bool in_wanted;
	bool in_closed; /* CloseIO */
	struct relay relay[STDIO_STREAMS];
	struct loop_timer in_timer;
	struct logger *logger;
	void (*ready)(struct stdio *s, const struct err *err);
	uint16_t width, height; /* asked for before the terminal came */

	void (*drained)(struct stdio *s); /* not NULL: somebody waits for the output */
	struct loop_timer drain_timer;
	struct loop_deferred drain_deferred;
	uint64_t drain_idle_ns;
	uint64_t drain_deadline_ns;
};

/* 0: `child` is there. 1: it will be when `ready` is called. */
int stdio_open(struct stdio *s, const struct stdio_open *o, struct err *err);

/* The process has been made (or not): our copies of its ends are closed. */
void stdio_made(struct stdio *s);

/* The master of its terminal; taken over. */
int stdio_console(struct stdio *s, int master, struct err *err);

void stdio_close_stdin(struct stdio *s);
void stdio_resize(struct stdio *s, uint32_t width, uint32_t height);

/* Move what readers take right now. */
void stdio_flush(struct stdio *s);

/* The process has exited: a terminal ends with what is in it. */
void stdio_exited(struct stdio *s);

/* Call `drained` from the loop when all output has been moved, or nothing has moved for
 * `idle_ns`, or after `max_ns`. */
void stdio_drain(
	struct stdio *s, uint64_t idle_ns, uint64_t max_ns, void (*drained)(struct stdio *s));

/* Close everything: whoever still writes gets EPIPE or a hang-up. */
void stdio_close(struct stdio *s);
