/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Publisher: sends events to containerd, each one once it is taken the next (spec/shim.md 6.1, 6.2).
 *
 * Order is strict: one call is outstanding at a time, the head of the queue is tried again, on a new
 * connection and with growing pauses, for as long as the publisher lives. An event may arrive twice
 * (its answer was lost), never out of order and never not at all, but for one that containerd calls
 * invalid: that is logged and dropped.
 *
 * Owner    The caller owns *ret and ends it with publisher_free(); what is queued is then lost.
 *          Events are copied.
 * Errors   0 or negative errno.
 * Blocks   Never.
 * Context  Parent, on the loop's thread.
 */
#include "base/err.h"
#include "base/log.h"
#include "base/str.h"
#include "event/loop.h"
#include "supervisor/request.h"

struct publisher;

struct publisher_config {
	struct loop *loop;
	struct log *log;     /* NULL: nowhere */
	const char *address; /* of containerd's ttrpc socket; NULL or "": events go nowhere */
	uint64_t timeout_ns; /* of a call; 0: 30 s */
	void *arg;
	/* The queue has become empty. NULL: do not tell. Not called from within publisher_send(). */
	void (*drained)(void *arg);
	/* This event is done with: sent, or dropped as invalid. NULL: do not tell. */
	void (*acked)(void *arg, uint64_t task, uint64_t sequence);
};

int publisher_new(const struct publisher_config *config, struct publisher **ret, struct err *err);
void publisher_free(struct publisher *p);
AUTO_FREE(struct publisher, publisher)

/*
 * Queue an event. An OOM event is dropped when one of the same container waits already: it is the
 * only kind that can come in any number while containerd is away. -ENOMEM, -EINVAL: not queued, and
 * logged.
 */
int publisher_send(struct publisher *p, const struct event *e);

/*
 * Containerd has shown that it is there, by a request: an event that waits for the end of a pause is
 * tried at once. Only so does the exit of an old life come before what its clients do next: Docker
 * takes one that comes after a restart for the exit of the new life.
 */
void publisher_retry(struct publisher *p);

/* One that an earlier publisher is known to have sent: if it heads the queue, it is done with. */
void publisher_forget(struct publisher *p, uint64_t task, uint64_t sequence);

/*
 * The end of this task is told by another one: what waits of it would come too late. True: one is on its way; when that is
 * done with, acked() is called.
 */
bool publisher_drop(struct publisher *p, uint64_t task);

bool publisher_is_empty(const struct publisher *p);
/* Events that were sent, or dropped as invalid, since the first publisher of this shim. */
uint64_t publisher_sequence(const struct publisher *p);

/* Append what a successor needs: {sequence, stream id, queue}. Its first event may be on its way. */
int publisher_save(const struct publisher *p, struct buf *out);
/* Take over a record into a fresh publisher. -EBADMSG. */
int publisher_restore(struct publisher *p, const void *data, size_t size, struct err *err);
