/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Relay: moves one stream from an fd to another by splice(2), on the loop: pipe to fifo, fifo to
 * pipe, pty to fifo, fifo to pty. The bytes never enter this process, so nothing is lost or
 * repeated when it dies: what has not reached the output is still in the input, or in the spool. Only
 * where the kernel refuses (a file opened for appending; terminals of some old kernels) they pass through
 * a small buffer, and what is in it is lost when we die between a read and its write.
 *
 * Back-pressure is the kernel's: when the output is full nothing is taken from the input, but from a
 * terminal, which holds little: when the output is full, of small writes perhaps, what follows goes into a
 * spool (spool.h). A write that fails for another reason than "full" costs the bytes at hand and nothing
 * else (12462): the stream goes on.
 *
 * Many small writes that follow each other closely are left to gather in the input for half a
 * millisecond at a time: a wake-up for each would cost more than the bytes.
 *
 * Owner    The relay is embedded in its owner and valid until relay_stop() or its `ended`. Both fds
 *          are borrowed (from the fd table) and must be non-blocking; a file may be blocking.
 * Errors   Negative errno from relay_start(); later failures end the relay or are counted in
 *          `lost`.
 * Blocks   Never.
 * Context  Parent, on the loop's thread, with SIGPIPE ignored. `ended` comes from the loop, never
 *          from a call.
 */
#include <stdbool.h>
#include <stdint.h>

#include "event/loop.h"
#include "supervisor/spool.h"

struct relay;
typedef void relay_fn(struct relay *r);

enum relay_flags {
	RELAY_FROM_TTY =
		1, /* input is a pty master: EIO means that nobody has the terminal open now */
};

struct relay_buffer;

struct relay {
	struct loop *loop; /* NULL while not started */
	int in;
	int out;     /* -EBADF: read and dropped */
	int watched; /* another fd of the output, while it is waited for by that; ours */
	unsigned int flags;
	relay_fn *ended;
	struct loop_fd in_source;
	struct loop_fd out_source;
	struct loop_deferred deferred;
	struct relay_buffer *buffer; /* NULL while splice does it */
	struct spool spool;
	relay_fn *
		need_spool; /* sets `spool` to one that outlives us, or leaves it. NULL: there is none to be had */
	struct loop_timer pace;
	uint64_t pace_ns;
	unsigned int hurry; /* wake-ups for little, one right after the other */
	bool paced;         /* the input is looked at by the timer */
	bool in_widened;    /* the pipe holds more than at first */
	bool out_widened;
	bool finishing;         /* nothing will be written any more: empty is the end */
	bool over;              /* `ended` has been or is about to be called */
	uint64_t moved;         /* bytes */
	uint64_t lost;          /* bytes that the output refused */
	uint64_t moved_boot_ns; /* when bytes were moved last; at first: when it was started */
};

/* Start moving; `ended` is called once: at the end of the input, or when the output has no
 * reader any more. `spool`, if there is one from before, and `need_spool` are set right after it. */
int relay_start(
	struct relay *r, struct loop *l, int in, int out, unsigned int flags, relay_fn *ended);

/* Move what can be moved right now, for order: output before the exit that follows it. */
void relay_pump(struct relay *r);

/*
 * Whoever wrote has exited: as relay_pump(), and where the output has no room for the rest it is
 * given more, so that a reader finds all of it there and nothing has to wait for him.
 */
void relay_pump_all(struct relay *r);

/* Whoever wrote has exited: what is there is moved, then the relay ends, also when an fd is
 * still open elsewhere. */
void relay_finish(struct relay *r);

/* Go on with another input; the old fd may be closed afterwards. */
int relay_replace_in(struct relay *r, int in);

/* Leave both fds alone from now on; `ended` is not called. Accepts a zero, stopped or ended
 * relay. */
void relay_stop(struct relay *r);
