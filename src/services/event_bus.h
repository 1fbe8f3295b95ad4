/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Event bus: hands events to those who subscribed, through the door of their calls
 * (spec/manager.md 3.4). Nothing is kept: who is not there does not hear of it, and who does not
 * read is cut off, by bytes, by 64k events, or as the last of all when those who wait have four shares
 * together; what he has not read is forgotten.
 *
 * Owner    The caller owns *ret and ends it with event_bus_free() after the doors of all
 *          subscribers.
 * Errors   0 or negative errno with *err.
 * Blocks   Never.
 * Context  Parent, on the loop's thread.
 */
#include "base/err.h"
#include "base/mem.h"
#include "rpc/service.h"

#include "proto/events.pb-c.h"

struct event_bus;

/* A subscriber that has left this many bytes unread is cut off. */
int event_bus_new(size_t unsent_max, struct event_bus **ret, struct err *err);
void event_bus_free(struct event_bus *b);
AUTO_FREE(struct event_bus, event_bus)

/* An event of our own, or of a client. Namespace and topic are good. */
void event_bus_publish(struct event_bus *b, const char *ns, const char *topic, const Pb__Any *event,
	uint64_t wall_ns);
/* One that happened elsewhere. -EINVAL: the envelope is not what containerd takes. */
int event_bus_forward(struct event_bus *b, const Pb__Events__Envelope *envelope, struct err *err);

/* The call hears of all events from now on that one of the filters lets through, until it ends. */
int event_bus_subscribe(struct event_bus *b, const struct rpc_request *req, char *const *filters,
	size_t n, struct err *err);

size_t event_bus_subscribers(const struct event_bus *b);
