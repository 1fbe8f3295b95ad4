/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Recorder load: have reeve-helper load the exit recorder (exit/recorder.h), then open its map.
 *
 * Owner    The run is the caller's, ended with recorder_load_free(), also in its handler. `into` is the caller's and
 *	stays valid until then; it is off until the handler is called.
 * Errors   Negative errno with *err from start, when nothing was started: `into` is off for that reason then, too.
 * Blocks   recorder_load_await() alone.
 * Context  Parent, on the loop's thread.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "container/reaper.h"
#include "event/loop.h"
#include "exit/recorder.h"

struct recorder_load;

struct recorder_load_order {
	const char *dir; /* absolute; made if its parent is there. One of its own for each daemon */
	uint32_t entries; /* of a map that has to be made; 0: as many as usual */
	struct exit_recorder *into;
	/* `into` is open, or off with the reason: exit_recorder_status() has words for both. Called once, from the loop. */
	void (*done)(void *arg);
	void *arg;
};

int recorder_load_start(struct loop *l, const struct reaper *reaper,
	const struct recorder_load_order *o, struct recorder_load **ret, struct err *err);
/* Until the helper has ended, but no longer than this: true, and `into` is open or off already. The handler is called all the same. */
bool recorder_load_await(struct recorder_load *r, int timeout_ms);
void recorder_load_free(struct recorder_load *r); /* accepts NULL; ends a run that is not over */
AUTO_FREE(struct recorder_load, recorder_load)
