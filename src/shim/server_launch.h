/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Server launch: starts the server of a shim as a process of its own, from the program that runs.
 *
 * Owner    The listener stays the caller's; the server has a copy.
 * Errors   0 or negative errno with *err: also when the program could not be executed.
 * Blocks   Until the program has been executed.
 * Context  Parent, single thread.
 */
#include <sys/types.h>

#include "base/err.h"

#define SERVER_LISTENER_FD 3

/*
 * The server has the listener as fd 3, /dev/null as 0, 1 and 2 and no other fd: containerd reads the
 * output of `start` to its end, so nobody may keep it open (spec/shim.md 1.5). It leads a process
 * group of its own; no signal is blocked, and those that it deals with are at their default.
 */
int server_launch(
	int listener, char *const *argv, char *const *env, pid_t *ret_pid, struct err *err);

/* End a server that is of no use after all. */
void server_launch_undo(pid_t pid);
