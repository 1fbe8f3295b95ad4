/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Restarts: what is written down of each worker of reeved that did not end on purpose, in the file
 * `restarts` of the state directory, one JSON object a line:
 *
 *	{"time":"2026-...Z","number":3,"reason":"was killed by signal 11","crash":"reeved 0.1.0 ..."}
 *
 * `crash` is what the worker wrote itself while it died (main/crash.h), "" when it could not. The
 * file is kept short: the oldest lines go.
 *
 * Owner    What is read lives in the caller's arena.
 * Errors   Negative errno with *err. A line that is none of ours is stepped over.
 * Blocks   Reads and writes local files.
 * Context  Parent.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"

#define RESTARTS_NAME "restarts"
#define RESTARTS_CRASH_NAME "crash"

struct restart {
	const char *time, *reason, *crash;
	uint64_t number; /* since the guardian's start; 0: without one */
};

/* The worker before ended so. Takes what it wrote of its crash along, and away. reason NULL: only when there is that. */
int restarts_note(int state, uint64_t number, const char *reason, struct err *err);

/* Oldest first; there need be none. */
int restarts_read(
	int state, struct arena *arena, struct restart **ret, size_t *ret_n, struct err *err);
