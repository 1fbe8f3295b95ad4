/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Probe: asks a running shim which version of the Task service it has. `start` may promise only what
 * the server does that will be called (spec/shim.md 1.6).
 *
 * Owner    Nothing is kept.
 * Errors   0 or negative errno with *err: -ECONNRESET when the server left meanwhile.
 * Blocks   Until the answer, at most PROBE_TIMEOUT_NS.
 * Context  Parent; `start` only: it runs a loop of its own.
 */
#include "base/err.h"

#define PROBE_TIMEOUT_NS 2000000000ull

/* id: of the container that is to join; a server of ours stays a while for its sake. */
int probe_version(const char *path, const char *id, int *ret_version, struct err *err);
