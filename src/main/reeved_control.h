/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Control: the seam between reeved's front (reeved_front.h) and its worker: a socket in the root directory that the
 * guardian keeps, by which a front connects, and the worker's end of it.
 *
 * A front says HELLO with three fds: its standard error, the program, and a file with its arguments. Then the worker says READY,
 * and at its end LEFT or FAILED; a connection that ends without either has lost the daemon. The front says STOP, once or more.
 *
 * Owner    The caller's struct, zero at first; ended with control_done(), which leaves to the guardian what it keeps.
 * Errors   0 or negative errno with *err.
 * Blocks   control_begin(): for the first HELLO, 10 s at most.
 * Context  Parent, on the loop's thread.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "event/loop.h"

struct guardian_link;

#define CONTROL_NAME "control" /* in the root directory; a link to it in the state directory */
#define CONTROL_MAGIC 0x64767265u

enum control_type {
	/* front -> worker */
	CONTROL_HELLO = 1,
	CONTROL_STOP,
	/* worker -> front */
	CONTROL_READY,
	CONTROL_LEFT,
	CONTROL_FAILED, /* said on its standard error */
	CONTROL_BUSY,   /* another front has the daemon */
	CONTROL_ALIVE,  /* for whoever watches over the front */
};

enum control_fd { CONTROL_STDERR, CONTROL_PROGRAM, CONTROL_ARGS, CONTROL_FDS };

/* Sockets that were passed to the front: behind those fds, where their bit is set. */
enum control_passed { CONTROL_API, CONTROL_EVENTS, CONTROL_PASSED };

struct control_msg {
	uint32_t magic;
	uint32_t type;
	uint32_t passed;
};

struct control {
	struct log *log;
	struct loop *loop;
	struct guardian_link *link;
	int listener;
	int front; /* -EBADF: there is none */
	struct loop_fd listening, fronting;
	int argc; /* of the front */
	char **argv, **env;
	char *words;
	int passed[CONTROL_PASSED]; /* -EBADF: was not */
	void *arg;
	void (*stop)(void *arg);     /* asked for, once or more */
	void (*deserted)(void *arg); /* the front is gone without a word */
	void (*replace)(void *arg);  /* another front has come: make room for the next worker */
};

/* Meet the front, or what there was of it: from here on standard error is its, and argc, argv and env are. */
int control_begin(struct control *c, struct err *err);
/* From here on functions are called. */
int control_watch(struct control *c, struct err *err);
void control_say(struct control *c, enum control_type type);
/* Say the last word: the front leaves, and not before the guardian when that ends with this worker. */
void control_end(struct control *c, enum control_type type, bool guardian_ends);
void control_done(struct control *c);
