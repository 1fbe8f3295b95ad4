/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Restarts: what is written down of each worker and guardian of reeved that did not end on purpose, in the file
 * `restarts` of the state directory, one JSON object a line:
 *
 *	{"time":"2026-...Z","part":"worker","number":3,"reason":"was killed by signal 11","crash":"reeved 0.1.0 ..."}
 *	{"time":"2026-...Z","part":"guardian","reason":"was killed","process":"BOOT-ID PID START-TIME"}
 *
 * `crash` is what the worker wrote itself while it died (main/crash.h), "" when it could not. A line without a part is a
 * worker's. The file is kept short: the oldest lines go.
 *
 * While there is a guardian whose death would be told, the file `guardian` says which: that is how a start knows of one that has died
 * with its worker.
 *
 * Owner    What is read lives in the caller's arena.
 * Errors   Negative errno with *err. A line that is none of ours is stepped over.
 * Blocks   Reads and writes local files.
 * Context  Parent.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"

#define RESTARTS_NAME "restarts"
#define RESTARTS_CRASH_NAME "crash"
#define RESTARTS_GUARDIAN_NAME "guardian"
#define RESTARTS_PROCESS_SIZE 96

struct restart {
	const char *time, *reason, *crash;
	uint64_t number; /* since the guardian's start; 0: without one */
	bool guardian;   /* else a worker */
};

/* The worker before ended so. Takes what it wrote of its crash along, and away. reason NULL: only when there is that. */
int restarts_note(int state, uint64_t number, const char *reason, struct err *err);

/*
 * `process` ("BOOT-ID PID START-TIME") is the guardian from now on. *ret_gone: another one of this boot was it, and nobody has
 * told its end, which is noted now.
 */
int restarts_guardian_is(int state, const char *process, bool *ret_gone, struct err *err);
/* It is no more, which is noted; reason NULL: it may go without a word. Does nothing when it is not the guardian, or was told. */
int restarts_guardian_was(int state, const char *process, const char *reason, struct err *err);

/* Oldest first; there need be none. */
int restarts_read(
	int state, struct arena *arena, struct restart **ret, size_t *ret_n, struct err *err);
