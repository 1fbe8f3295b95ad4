/* SPDX-License-Identifier: Apache-2.0 OR BSD-2-Clause OR GPL-2.0-only */
#pragma once
/*
 * What the exit recorder's program in the kernel, reeve-helper and the users of its map agree on (docs/formats/recorder.md).
 *
 * Owner    Plain data. An entry is user space's but for what is written when its process ends.
 * Errors   None.
 * Blocks   Never.
 * Context  Any, the BPF program included.
 */
#include <stdint.h>

/* Of the map: another number is another pin, and a map beside the old one. */
#define RECORDER_MAP_VERSION 1
/* Of the program: it grows with every change of what the program does. The highest of all helpers that ran is attached. */
#define RECORDER_PROGRAM_VERSION 2

#define RECORDER_MAP_NAME "reeve_exits"
#define RECORDER_MAP_PIN "map_1"
#define RECORDER_LINK_PIN "link_" /* and the program's version in decimal */
#define RECORDER_ENTRIES 16384    /* if the order does not say */
/* Names of the programs, of which one is attached: at a function, where none is left out, or at a tracepoint. */
#define RECORDER_AT_FUNCTION "reeve_end"
#define RECORDER_AT_TRACEPOINT "reeve_exit"

/* With Linux 6.9 the inode of the process' pidfd and 0; before, its pid in the first pid namespace and its start. */
struct recorder_key {
	uint64_t id;
	uint64_t start; /* field 22 of /proc/PID/stat: clock ticks after boot */
};

enum recorder_state {
	RECORDER_ARMED = 1, /* by user space; nothing else is written by it */
	RECORDER_ENDED = 2, /* by the program, when the last thread ended */
};

#define RECORDER_OOM 1u /* killed by the kernel for want of memory */

struct recorder_value {
	uint32_t state;
	int32_t wait_status; /* as from wait(2) */
	uint64_t boot_ns;
	uint64_t cookie; /* the armer's own */
	uint32_t tgid;   /* in the first pid namespace */
	uint32_t flags;
	uint64_t start_boot_ns;
};
_Static_assert(sizeof(struct recorder_key) == 16, "laid out");
_Static_assert(sizeof(struct recorder_value) == 40, "laid out");

/*
 * reeve-helper's answer to `reeve-helper recorder dir=PATH [entries=N] [key=start] [at=tracepoint]`, through the SOCK_SEQPACKET
 * socket that is its standard input. key=start: as before Linux 6.9; at=tracepoint: as where no function can be traced. Both
 * are built together, so this has no version.
 */
struct recorder_news {
	int32_t code;  /* 0, or a negative errno with text */
	uint32_t done; /* enum recorder_done */
	char text[400];
};

enum recorder_done {
	RECORDER_WAS_ON = 1,
	RECORDER_ATTACHED,
	RECORDER_REPLACED, /* an older program, on the same map */
};
