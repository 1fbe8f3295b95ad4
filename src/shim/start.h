/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Start: the action by which containerd has a shim for a container: finds the server of its group,
 * or starts one, and says where it listens (spec/shim.md 1.5-1.9).
 *
 * Owner    Nothing is kept.
 * Errors   0 or negative errno with *err. Then nothing was printed and nothing is left: no process,
 *          socket or file.
 * Blocks   Reads the input to its end; waits for another start that is at the same socket, and for
 *          the server of the group, 2 s at most.
 * Context  The action's own process: sets the OOM score, the cgroup and the scheduling cookie that
 *          the server is to have on itself and lets the server inherit them.
 */
#include <sys/types.h>

#include "base/err.h"
#include "base/log.h"
#include "shim/args.h"

struct start {
	const struct shim_args *args;
	const char *program; /* argv[0] of the server */
	char *const *env;
	int input;
	int output;
	int containerd_score;   /* start_read_score() */
	int bundle;             /* a directory, or AT_FDCWD */
	const char *socket_dir; /* where containerd names none; NULL: the usual one */
	struct log *log;
};

/* oom_score_adj of a process: containerd's, which calls us. */
int start_read_score(pid_t pid, int *ret, struct err *err);

int start_run(const struct start *s, struct err *err);
