/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Salvage: forget a container whose record cannot be read.
 *
 * Owner    Nothing.
 * Errors   -EBUSY while its cgroup, as far as its configuration tells it, holds processes; -ENOENT; others.
 * Blocks   Waits for the lock as state_open().
 * Context  Parent.
 */
#include "base/err.h"
#include "container/host.h"

int container_salvage(const struct host *h, const char *id, struct err *err);
