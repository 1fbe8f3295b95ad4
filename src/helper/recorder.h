/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Recorder: load the exit recorder's program, attach and pin it. Nothing happens where it is on already.
 *
 *	reeve-helper recorder dir=PATH [entries=N] [key=start]
 *
 * Owner    What is pinned below the directory outlives the call: "map_1", and "link_N" of the attached program.
 *	Where a bpffs is mounted for it, and when that goes: exit/recorder_place.h.
 * Errors   Told through `news` (exit/recorder_map.h); the exit status is 0 or 1 with it.
 * Blocks   Some milliseconds, and while another run works in the same directory.
 * Context  reeve-helper only.
 */
#include <stddef.h>

int recorder_main(int news, char *const *words, size_t n);
