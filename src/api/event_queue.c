/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list with its end, and its record. What surprises: an entry is kept as it goes over the wire, so that a successor of
 * another version sends what its predecessor said.
 */
#include "api/event_queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/event_message.h"
#include "base/mem.h"
#include "rpc/message.h"

#include "proto/state.pb-c.h"

#define RECORD_VERSION 1

static void queued_event_free(struct queued_event *x)
{
	if (!x)
		return;
	free(x->oom_of);
	free(x->data);
	free(x);
}
AUTO_FREE(struct queued_event, queued_event)

void event_queue_init(struct event_queue *q)
{
	q->head = NULL;
	q->tail = &q->head;
}

void event_queue_done(struct event_queue *q)
{
	while (q->head)
		event_queue_pop(q);
}

static void append(struct event_queue *q, struct queued_event *x)
{
	*q->tail = x;
	q->tail = &x->next;
}

int event_queue_add(struct event_queue *q, const struct event *e, const char *oom_of)
{
	auto_freep(queued_event) struct queued_event *x = mem_calloc(1, sizeof(*x));
	auto_done(buf) struct buf bytes = { 0 };
	int r = x ? event_message_encode(e, &bytes) : -ENOMEM;

	if (r < 0)
		return r;
	if (oom_of) {
		x->oom_of = strdup(oom_of);
		if (!x->oom_of)
			return -ENOMEM;
	}
	x->task = e->task;
	x->sequence = e->sequence;
	x->size = bytes.len;
	x->data = (uint8_t *)buf_take(&bytes);
	append(q, take_ptr(x));
	return 0;
}

void event_queue_pop(struct event_queue *q)
{
	struct queued_event *x = q->head;

	q->head = x->next;
	if (!q->head)
		q->tail = &q->head;
	queued_event_free(x);
}

bool event_queue_heads(const struct event_queue *q, uint64_t task, uint64_t sequence)
{
	return q->head && q->head->task == task && q->head->sequence == sequence;
}

void event_queue_drop(struct event_queue *q, uint64_t task, bool keep_head)
{
	struct queued_event **at = keep_head && q->head ? &q->head->next : &q->head;

	while (*at) {
		struct queued_event *x = *at;

		if (x->task != task) {
			at = &x->next;
			continue;
		}
		*at = x->next;
		queued_event_free(x);
	}
	q->tail = at;
}

/* ---- the record ---- */

static int save_one(const struct queued_event *x, struct arena *arena, Pb__State__QueuedEvent **ret)
{
	Pb__State__QueuedEvent *m = arena_alloc(arena, sizeof(*m));

	if (!m)
		return -ENOMEM;
	pb__state__queued_event__init(m);
	m->request = (ProtobufCBinaryData){ x->size, x->data };
	if (x->oom_of)
		m->oom_of = x->oom_of;
	m->task = x->task;
	m->sequence = x->sequence;
	*ret = m;
	return 0;
}

int event_queue_save(
	const struct event_queue *q, uint64_t sequence, uint32_t stream, struct buf *out)
{
	auto_done(arena) struct arena arena = { 0 };
	Pb__State__Publisher m = PB__STATE__PUBLISHER__INIT;
	size_t n = 0;

	for (const struct queued_event *x = q->head; x; x = x->next)
		n++;
	m.version = RECORD_VERSION;
	m.sequence = sequence;
	m.stream = stream;
	m.queue = arena_calloc(&arena, n + 1, sizeof(void *));
	if (!m.queue)
		return -ENOMEM;
	for (const struct queued_event *x = q->head; x; x = x->next)
		if (save_one(x, &arena, &m.queue[m.n_queue++]) < 0)
			return -ENOMEM;
	message_encode(&m.base, out);
	return buf_ok(out);
}

static int load_one(struct event_queue *q, const Pb__State__QueuedEvent *m)
{
	auto_freep(queued_event) struct queued_event *x = mem_calloc(1, sizeof(*x));

	if (!x)
		return -ENOMEM;
	x->task = m->task;
	x->sequence = m->sequence;
	x->size = m->request.len;
	x->data = malloc(x->size ? x->size : 1);
	x->oom_of = *m->oom_of ? strdup(m->oom_of) : NULL;
	if (!x->data || (*m->oom_of && !x->oom_of))
		return -ENOMEM;
	if (x->size)
		memcpy(x->data, m->request.data, x->size);
	append(q, take_ptr(x));
	return 0;
}

int event_queue_load(struct event_queue *q, const void *data, size_t size, uint64_t *sequence,
	uint32_t *stream, struct err *err)
{
	auto_done(arena) struct arena arena = { 0 };
	const ProtobufCMessage *base = NULL;
	const Pb__State__Publisher *m;
	int r;

	r = message_decode(&pb__state__publisher__descriptor, data, size, &arena, &base, err);
	if (r < 0)
		return err_in(err, "record of a publisher");
	m = (const void *)base;
	/* One version on: its additions are for those who know them. */
	if (m->version < 1 || m->version > RECORD_VERSION + 1 || m->stream % 2 == 0)
		return err_set(err, -EBADMSG, "record of a publisher: damaged");
	for (size_t i = 0; i < m->n_queue; i++)
		if (load_one(q, m->queue[i]) < 0)
			return err_oom(err);
	*sequence = m->sequence;
	*stream = m->stream;
	return 0;
}
