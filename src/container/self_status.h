/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Self status: what /proc/self/status says of us that a process of ours starts with. Read once: what is so already
 * need not be asked for, or asked for again, by everything that is started.
 *
 * Owner    Plain data.
 * Errors   Negative errno; *ret is then zeroed: nothing is known.
 * Blocks   Reads one file of /proc.
 * Context  Parent. self_status_parse() is pure.
 */
#include <stdbool.h>
#include <stdint.h>

struct self_status {
	bool known;
	bool no_groups;          /* no supplementary ones */
	uint32_t uid[4], gid[4]; /* real, effective, saved, of the file system */
	uint64_t blocked;        /* signals: bit 0 is signal 1 */
	uint64_t ignored;        /* signals: bit 0 is signal 1 */
	uint64_t permitted;      /* capabilities */
	uint64_t bounding;
	/*
	 * CPUs that it may run on: n_cpus from the first on, and no others; 0: some of them, or not known. The line has a
	 * digit for four, so that a mask which fills its first one is of all that the machine can have (all_cpus).
	 */
	unsigned int n_cpus;
	bool all_cpus;
	char mems[32]; /* memory nodes, as a cpuset takes them; "": not known */
};

int self_status_read(struct self_status *ret);
/* The same, with the file still open, for who closes several at once; *ret_fd is written also where it cannot be read. */
int self_status_read_open(struct self_status *ret, int *ret_fd);

/* -EBADMSG: a line that is needed is missing. */
int self_status_parse(const char *text, struct self_status *ret);
