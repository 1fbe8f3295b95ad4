/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Exit reaper: the reaper that src/container wants (hooks, foreign tools), on top of the place
 * where this worker's exits come from.
 *
 * Owner    The caller's struct, which must outlive whoever has the table; exit_reaper_done() drops
 *          what is still watched and accepts a zero one.
 * Errors   Negative errno from watch().
 * Blocks   Never.
 * Context  Parent, on the loop's thread.
 */
#include "container/reaper.h"
#include "exit/exit.h"

struct exit_reaper_entry;

struct exit_reaper {
	struct exit_source *exits;
	struct exit_reaper_entry *entries;
};

struct reaper exit_reaper_table(struct exit_reaper *r);
void exit_reaper_done(struct exit_reaper *r);
