/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Stats message: a container's counters as the metrics of containerd (spec/shim.md 3.5, 3.6).
 *
 * Owner    The value lives in the caller's arena.
 * Errors   -ENOMEM.
 * Blocks   Never; pure.
 * Context  Parent.
 */
#include "container/stats.h"

#include "proto/common.pb-c.h"

int stats_message_encode(const struct stats *s, struct arena *arena, Pb__Any *ret);
