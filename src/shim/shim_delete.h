/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Shim delete: the action by which containerd cleans up after a shim that is gone, and hears how the
 * container ended (spec/shim.md 1.11). It runs after every ordinary delete, too, and then finds
 * nothing.
 *
 * Owner    Nothing is kept.
 * Errors   0 or negative errno with *err: something of the container is left, the call may be made
 *          again. What was gone already is no error.
 * Blocks   Until the container's processes are dead, ten seconds at most.
 * Context  The action's own process, which runs a loop of its own.
 */
#include "base/err.h"
#include "base/log.h"
#include "shim/args.h"

struct shim_delete {
	const struct shim_args
		*args; /* -bundle may be missing: then it is found beside the current one */
	int output;
	struct log *log; /* for what is not as it should be; standard error */
};

int shim_delete_run(const struct shim_delete *d, struct err *err);
