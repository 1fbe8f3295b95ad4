/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Process I/O: the standard streams of one process: which kind a client asked for, the fds that the
 * process gets, the relays between them and the client's fifos (spec/shim.md section 5).
 *
 * The order of a life: process_io_open() (ready at once, or later when a logging binary has to come up),
 * the process is made with `child`, process_io_console() if it has a terminal, process_io_made(),
 * process_io_await_reading(), process_io_exited(), process_io_drain(), process_io_close().
 *
 * Owner    The struct is embedded in its owner; process_io_close() ends it and accepts zero and closed
 *          ones. Our ends of all streams are in the fd table under the prefix; `child` are owned
 *          until process_io_made() or process_io_close().
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

struct process_io;

struct process_io_env {
	struct loop *loop;
	struct fdtable *fds;
	struct logger_list *loggers;
};

struct process_io_open {
	const struct process_io_env *env;
	const char *ns;
	const char *id;     /* of the process: container id or exec id */
	const char *prefix; /* of the names in the fd table, "7/i/" */
	const struct request_stdio *paths;
	uint32_t uid, gid; /* owner of the process's ends of its pipes */
	bool stdin_closed; /* CloseIO came before */
	bool direct;       /* a client's fifo for output goes to the process itself */
	/* Called once when process_io_open() returned 1. NULL: go on. */
	void (*ready)(struct process_io *s, const struct err *err);
};

enum { STREAM_IN, STREAM_OUT, STREAM_ERR, STREAM_COUNT };

struct process_io {
	const struct process_io_env *env;
	char *prefix; /* NULL: not open */
	int child[STREAM_COUNT];
	bool terminal;
	bool in_wanted;
	bool in_closed; /* CloseIO */
	struct relay relay[STREAM_COUNT];
	struct loop_timer in_timer;
	int hold[2];   /* of out and err: both ends of the fifo while its relay runs; ours alone */
	bool settling; /* the guardian still has such a one */
	struct loop_timer reader_timer; /* output that nobody has come for yet */
	uint64_t reader_wait_ns, reader_until_ns;
	struct logger *logger;
	void (*ready)(struct process_io *s, const struct err *err);
	uint16_t width, height; /* asked for before the terminal came */

	void (*read)(
		struct process_io *s); /* not NULL: somebody waits for readers to take the output */
	struct loop_timer read_timer;
	int64_t read_target[2]; /* bytes out of the relays of out and err by then */
	uint64_t unread;        /* at the last look */
	uint64_t read_wait_ns, read_until_ns, read_deadline_ns;

	void (*drained)(struct process_io *s); /* not NULL: somebody waits for the output */
	struct loop_timer drain_timer;
	struct loop_deferred drain_deferred;
	uint64_t drain_idle_ns;
	uint64_t drain_deadline_ns;
};

/*
 * Go on with the streams that an earlier worker has opened under this prefix: its fds are in the table. A stream that
 * had ended stays so. `ready` is not used.
 */
int process_io_restore(struct process_io *s, const struct process_io_open *o, struct err *err);

/* 0: `child` is there. 1: it will be when `ready` is called. */
int process_io_open(struct process_io *s, const struct process_io_open *o, struct err *err);

/* The process has been made (or not): our copies of its ends are closed. */
void process_io_made(struct process_io *s);

/* The master of its terminal; taken over. */
int process_io_console(struct process_io *s, int master, struct err *err);

void process_io_close_stdin(struct process_io *s);
void process_io_resize(struct process_io *s, uint32_t width, uint32_t height);

/* Move what readers take right now. */
void process_io_flush(struct process_io *s);

/*
 * The process has exited. True: not all that it wrote has been read by those who read its output, and `read` is called
 * when it has: from the loop, or from process_io_close(). That is bounded, for there may be nobody, or somebody who has
 * stopped. Some clients close their ends without another look when they hear of the exit (containerd 1.6.20).
 */
bool process_io_await_reading(struct process_io *s, void (*read)(struct process_io *s));

/* The process has exited: a terminal ends with what is in it. */
void process_io_exited(struct process_io *s);

/* Call `drained` from the loop when all output has been moved, or nothing has moved for
 * `idle_ns`, or after `max_ns`. */
void process_io_drain(struct process_io *s, uint64_t idle_ns, uint64_t max_ns,
	void (*drained)(struct process_io *s));

/* Close everything: whoever still writes gets EPIPE or a hang-up. */
void process_io_close(struct process_io *s);
