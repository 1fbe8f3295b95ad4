/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Guardian launch: starts the server of a shim, or of reeved: a guardian, which starts the program that runs as its
 * worker, and again when it dies (bare/guardian.h).
 *
 * Owner    The listener stays the caller's; the guardian has a copy.
 * Errors   0 or negative errno with *err: also when the guardian could not be executed.
 * Blocks   Until the guardian has been executed.
 * Context  Parent, single thread.
 */
#include <sys/types.h>

#include "base/err.h"

/*
 * The guardian has the listener and the program, /dev/null as 0, 1 and 2 and no other fd: containerd
 * reads the output of `start` to its end, so nobody may keep it open (spec/shim.md 1.5). It leads a process
 * group of its own; no signal is ignored. The worker has these arguments and environment, is born in our directory, and
 * has the guardian's socket as fd GUARDIAN_FD.
 */
int guardian_launch(
	int listener, char *const *argv, char *const *env, pid_t *ret_pid, struct err *err);

/* End a server that is of no use after all: a worker whose guardian is gone leaves. */
void guardian_launch_undo(pid_t pid);
