/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Event message: an event of a task in the form in which containerd takes it (spec/shim.md 3.4, 6.1).
 *
 * Owner    Appends to the caller's buf.
 * Errors   -ENOMEM; -EINVAL for a topic that has no message.
 * Blocks   Never; pure.
 * Context  Parent.
 */
#include "base/str.h"
#include "supervisor/request.h"

/* Append a ForwardRequest. */
int event_message_encode(const struct event *e, struct buf *out);
