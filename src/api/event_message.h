/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Event message: an event of a task in the form in which containerd takes it (spec/shim.md 3.4, 6.1).
 *
 * Owner    Appends to the caller's buf, or lives in the caller's arena, where it borrows from the event.
 * Errors   -ENOMEM; -EINVAL for a topic that has no message.
 * Blocks   Never; pure.
 * Context  Parent.
 */
#include "base/mem.h"
#include "base/str.h"
#include "supervisor/request.h"

#include "proto/events.pb-c.h"

int event_message_make(const struct event *e, struct arena *arena, Pb__Events__Envelope **ret);
/* Append a ForwardRequest. */
int event_message_encode(const struct event *e, struct buf *out);
