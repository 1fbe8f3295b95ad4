/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Events that wait for whoever publishes them, in their order, and the record of them that a successor
 * of this process takes over (proto/state.proto, Publisher).
 *
 * Owner    The caller owns the queue: event_queue_init() before anything else, event_queue_done() at
 *          the end. Entries belong to the queue.
 * Errors   0 or negative errno; event_queue_add() that failed has changed nothing.
 * Blocks   Never.
 * Context  Any, one thread.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "supervisor/request.h"

struct queued_event {
	struct queued_event *next;
	uint64_t task, sequence;
	char *oom_of;  /* of an OOM event, if its publisher wants it: "ns/id"; else NULL */
	uint8_t *data; /* an encoded ForwardRequest */
	size_t size;
	bool told;    /* its publisher's: not saved */
	bool dropped; /* its publisher's: not saved */
};

struct event_queue {
	struct queued_event *head, **tail;
};

void event_queue_init(struct event_queue *q);
void event_queue_done(struct event_queue *q);

/* oom_of: NULL, or as above. -ENOMEM, -EINVAL (event_message_encode()). */
int event_queue_add(struct event_queue *q, const struct event *e, const char *oom_of);

/* The head goes. The queue is not empty. */
void event_queue_pop(struct event_queue *q);

/*
 * Is the head this event, as the journal of a predecessor says of one that it had published? A journal may be read
 * more than once up to here: what is not at the head has been forgotten before.
 */
bool event_queue_heads(const struct event_queue *q, uint64_t task, uint64_t sequence);

/* All of a task go; with keep_head the head stays, whosoever it is. */
void event_queue_drop(struct event_queue *q, uint64_t task, bool keep_head);

/* Append the record; sequence and stream are the publisher's own (1 when it has no streams). -ENOMEM. */
int event_queue_save(
	const struct event_queue *q, uint64_t sequence, uint32_t stream, struct buf *out);

/*
 * Entries of a record follow those that are there. -EBADMSG, -ENOMEM: some may have been added; the queue is
 * of no more use.
 */
int event_queue_load(struct event_queue *q, const void *data, size_t size, uint64_t *sequence,
	uint32_t *stream, struct err *err);
