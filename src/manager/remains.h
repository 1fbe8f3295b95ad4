/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Remains: the processes of a container whose shim is dead and whose shim's program is gone, so that nobody knows how to
 * end them: found by the cgroup that its config.json names (spec/manager.md 1.9).
 *
 * Owner    Nothing.
 * Errors   -EBUSY: they were killed and are not gone yet; -EPERM: the cgroup is one that we are in ourselves.
 * Blocks   Reads and writes cgroupfs.
 * Context  Parent.
 */
#include "base/err.h"

/* Kill them, and remove the cgroup when it is empty. No config.json, or no cgroup in it: success. */
int remains_kill(int bundle, const char *id, struct err *err);
