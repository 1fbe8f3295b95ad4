/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call that ended without an answer may have been taken or not; sending it again is safe, for
 * subscribers bear a second exit, while nobody bears a missing one. So everything but an answer
 * leads to the same: close, pause, connect, send the head again.
 *
 * The time limit of a call is long: a containerd that is only slow has the first call still in its
 * socket, and would read it after what came over a second connection. One that dies is noticed at
 * once, by the end of the connection.
 *
 * What surprises: after a while without events the connection is closed. It costs memory on both
 * sides for each of many idle containers, and containerd takes a new one in a moment.
 */
#include "shim/publisher.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/event_message.h"
#include "base/clock.h"
#include "base/rule.h"
#include "base/str.h"
#include "rpc/message.h"
#include "rpc/ttrpc_client.h"

#include "proto/state.pb-c.h"

#define SERVICE "containerd.services.events.ttrpc.v1.Events"
#define TIMEOUT_NS (30 * NS_PER_SEC)
#define PAUSE_MIN_NS (10 * NS_PER_MS)
#define PAUSE_MAX_NS (1 * NS_PER_SEC)
#define IDLE_NS (10 * NS_PER_SEC)
#define RECORD_VERSION 1

struct queued {
	struct queued *next;
	char *oom_of; /* "ns/id" of an OOM event, else NULL */
	bool dropped; /* on its way: it is not tried again */
	uint64_t task, sequence;
	uint8_t *data;
	size_t size;
};

struct publisher {
	struct publisher_config config;
	char *address;
	struct ttrpc_client *client;
	struct queued *head, **tail;
	uint64_t sequence;
	uint32_t stream; /* of the next call */
	uint64_t pause_ns;
	bool in_flight;
	bool stale;              /* the client is of no more use, and goes at the next try */
	bool complained;         /* about this outage */
	struct loop_timer timer; /* the next try, or the end of an idle connection */
	struct loop_deferred work;
	struct loop_deferred told;
};

static void queued_free(struct queued *q)
{
	if (!q)
		return;
	free(q->oom_of);
	free(q->data);
	free(q);
}

static void drop_client(struct publisher *p)
{
	ttrpc_client_free(p->client);
	p->client = NULL;
	p->stale = false;
}

static void publisher_work(struct loop_deferred *d);

static void wake(struct publisher *p)
{
	loop_defer(p->config.loop, &p->work, publisher_work);
}

static void timer_fired(struct loop_timer *t)
{
	struct publisher *p = container_of(t, struct publisher, timer);

	if (p->head)
		wake(p);
	else
		drop_client(p);
}

static void set_timer(struct publisher *p, uint64_t after_ns)
{
	/* Without memory for a timer the next round is the only other moment. */
	if (loop_timer_set(p->config.loop, &p->timer, clock_boot_ns() + after_ns, timer_fired) < 0)
		wake(p);
}

static void publisher_failed(struct publisher *p, const char *why)
{
	log_write(p->config.log, p->complained ? LOG_DEBUG_ : LOG_WARN_,
		"event %llu is not sent: %s; trying again", (unsigned long long)p->sequence + 1,
		why);
	p->complained = true;
	p->in_flight = false;
	p->stale = true;
	p->pause_ns = p->pause_ns ? p->pause_ns * 2 : PAUSE_MIN_NS;
	if (p->pause_ns > PAUSE_MAX_NS)
		p->pause_ns = PAUSE_MAX_NS;
	set_timer(p, p->pause_ns);
}

static void publisher_told(struct loop_deferred *d)
{
	struct publisher *p = container_of(d, struct publisher, told);

	if (!p->head && p->config.drained)
		p->config.drained(p->config.arg);
}

static void publisher_pop(struct publisher *p)
{
	struct queued *done = p->head;

	p->head = done->next;
	if (!p->head)
		p->tail = &p->head;
	queued_free(done);
	p->sequence++;
}

static void publisher_advance(struct publisher *p)
{
	uint64_t task = p->head->task, sequence = p->head->sequence;

	publisher_pop(p);
	if (p->config.acked)
		p->config.acked(p->config.arg, task, sequence);
	p->in_flight = false;
	p->complained = false;
	p->pause_ns = 0;
	if (p->head)
		return wake(p);
	loop_defer(p->config.loop, &p->told, publisher_told);
	set_timer(p, IDLE_NS);
}

static void on_answer(void *arg, uint64_t tag, const struct ttrpc_answer *a)
{
	struct publisher *p = arg;

	if (p->head->dropped)
		return publisher_advance(p);
	if (a->end != TTRPC_ANSWERED || (a->code != RPC_OK && a->code != RPC_INVALID_ARGUMENT))
		return NAIVE(what_failed_is_sent_again, true) ? publisher_advance(p)
							      : publisher_failed(p, a->text);
	if (a->code == RPC_INVALID_ARGUMENT)
		log_write(p->config.log, LOG_ERROR_, "event %llu is dropped: %s",
			(unsigned long long)p->sequence + 1, a->text);
	publisher_advance(p);
}

static void on_closed(void *arg)
{
	drop_client(arg);
}

static const struct ttrpc_client_ops client_ops = { on_answer, on_closed };

static int publisher_connect(struct publisher *p, struct err *err)
{
	int fd, r;

	r = ttrpc_connect(p->address, &fd, err);
	if (r < 0)
		return r;
	return ttrpc_client_new_take_fd(
		p->config.loop, fd, p->stream, &client_ops, p, &p->client, err);
}

static void publisher_work(struct loop_deferred *d)
{
	struct publisher *p = container_of(d, struct publisher, work);
	struct err err;
	int r = 0;

	if ((RULE(one_event_is_under_way) && p->in_flight) || !p->head)
		return;
	if (p->stale)
		drop_client(p);
	if (!p->client)
		r = publisher_connect(p, &err);
	if (r == 0)
		r = ttrpc_client_call_bytes(p->client, p->sequence, SERVICE, "Forward",
			p->head->data, p->head->size, clock_boot_ns() + p->config.timeout_ns, &err);
	if (r < 0)
		return publisher_failed(p, err.text);
	p->stream = ttrpc_client_next_stream(p->client);
	p->in_flight = true;
}

int publisher_new(const struct publisher_config *config, struct publisher **ret, struct err *err)
{
	struct publisher *p = mem_calloc(1, sizeof(*p));

	if (!p)
		return err_oom(err);
	p->config = *config;
	p->tail = &p->head;
	p->stream = 1;
	if (p->config.timeout_ns == 0)
		p->config.timeout_ns = TIMEOUT_NS;
	if (str_empty(config->address)) {
		log_write(config->log, LOG_WARN_, "no address for events: they go nowhere");
	} else {
		p->address = strdup(config->address);
		if (!p->address) {
			publisher_free(p);
			return err_oom(err);
		}
	}
	*ret = p;
	return 0;
}

void publisher_free(struct publisher *p)
{
	if (!p)
		return;
	loop_timer_cancel(&p->timer);
	loop_defer_cancel(&p->work);
	loop_defer_cancel(&p->told);
	ttrpc_client_free(p->client);
	while (p->head) {
		struct queued *q = p->head;

		p->head = q->next;
		queued_free(q);
	}
	free(p->address);
	free(p);
}

static void publisher_push(struct publisher *p, struct queued *q)
{
	bool was_empty = !p->head;

	*p->tail = q;
	p->tail = &q->next;
	if (was_empty || !RULE(one_event_is_under_way))
		wake(p);
}

/* One that is on its way does not count: what comes now is news to whoever hears of that one. */
static bool oom_waits(const struct publisher *p, const char *oom_of)
{
	const struct queued *q = p->in_flight ? p->head->next : p->head;

	for (; q; q = q->next)
		if (str_eq(q->oom_of, oom_of))
			return true;
	return false;
}

static int queued_new(const struct event *e, const char *oom_of, struct queued **ret)
{
	struct queued *q = mem_calloc(1, sizeof(*q));
	auto_done(buf) struct buf bytes = { 0 };
	int r = q ? event_message_encode(e, &bytes) : -ENOMEM;

	if (r == 0 && oom_of) {
		q->oom_of = strdup(oom_of);
		r = q->oom_of ? 0 : -ENOMEM;
	}
	if (r < 0) {
		queued_free(q);
		return r;
	}
	q->task = e->task;
	q->sequence = e->sequence;
	q->size = bytes.len;
	q->data = (uint8_t *)buf_take(&bytes);
	*ret = q;
	return 0;
}

int publisher_send(struct publisher *p, const struct event *e)
{
	auto_free char *oom_of = NULL;
	struct queued *q;
	int r = 0;

	if (!p->address)
		return 0;
	if (e->topic == TOPIC_OOM && asprintf(&oom_of, "%s/%s", e->ns ? e->ns : "", e->id) < 0) {
		oom_of = NULL;
		r = -ENOMEM;
	}
	if (oom_of && oom_waits(p, oom_of))
		return 0;
	if (r == 0)
		r = queued_new(e, oom_of, &q);
	if (r < 0) {
		log_write(p->config.log, LOG_ERROR_, "event %s of '%s' is lost: %s",
			task_topic_name(e->topic), e->id, strerror(-r));
		return r;
	}
	publisher_push(p, q);
	return 0;
}

void publisher_retry(struct publisher *p)
{
	if (p->in_flight || !p->head)
		return;
	p->pause_ns = 0;
	wake(p);
}

void publisher_forget(struct publisher *p, uint64_t task, uint64_t sequence)
{
	/* A journal may be read more than once up to here: what is not at the head has been forgotten before. */
	if (p->head && !p->in_flight && p->head->task == task && p->head->sequence == sequence)
		publisher_pop(p);
}

bool publisher_drop(struct publisher *p, uint64_t task)
{
	bool in_flight = p->head && p->in_flight;
	struct queued **at = in_flight ? &p->head->next : &p->head;

	while (*at) {
		struct queued *q = *at;

		if (q->task != task) {
			at = &q->next;
			continue;
		}
		*at = q->next;
		queued_free(q);
	}
	p->tail = at;
	if (!p->head)
		loop_defer(p->config.loop, &p->told, publisher_told);
	in_flight = in_flight && p->head->task == task;
	if (in_flight)
		p->head->dropped = true;
	return in_flight;
}

bool publisher_is_empty(const struct publisher *p)
{
	return !p->head;
}

uint64_t publisher_sequence(const struct publisher *p)
{
	return p->sequence;
}

int publisher_save(const struct publisher *p, struct buf *out)
{
	auto_done(arena) struct arena arena = { 0 };
	Pb__State__Publisher m = PB__STATE__PUBLISHER__INIT;
	size_t n = 0;

	for (const struct queued *q = p->head; q; q = q->next)
		n++;
	m.version = RECORD_VERSION;
	m.sequence = p->sequence;
	m.stream = p->stream;
	m.queue = arena_calloc(&arena, n + 1, sizeof(void *));
	if (!m.queue)
		return -ENOMEM;
	for (const struct queued *q = p->head; q; q = q->next) {
		Pb__State__QueuedEvent *e = arena_alloc(&arena, sizeof(*e));

		if (!e)
			return -ENOMEM;
		pb__state__queued_event__init(e);
		e->request = (ProtobufCBinaryData){ q->size, q->data };
		if (q->oom_of)
			e->oom_of = q->oom_of;
		e->task = q->task;
		e->sequence = q->sequence;
		m.queue[m.n_queue++] = e;
	}
	message_encode(&m.base, out);
	return buf_ok(out);
}

static int restore_one(struct publisher *p, const Pb__State__QueuedEvent *e)
{
	struct queued *q = mem_calloc(1, sizeof(*q));

	if (!q)
		return -ENOMEM;
	q->task = e->task;
	q->sequence = e->sequence;
	q->size = e->request.len;
	q->data = malloc(q->size ? q->size : 1);
	q->oom_of = *e->oom_of ? strdup(e->oom_of) : NULL;
	if (!q->data || (*e->oom_of && !q->oom_of)) {
		queued_free(q);
		return -ENOMEM;
	}
	if (q->size)
		memcpy(q->data, e->request.data, q->size);
	publisher_push(p, q);
	return 0;
}

int publisher_restore(struct publisher *p, const void *data, size_t size, struct err *err)
{
	auto_done(arena) struct arena arena = { 0 };
	const ProtobufCMessage *base = NULL;
	const Pb__State__Publisher *m;
	int r;

	r = message_decode(&pb__state__publisher__descriptor, data, size, &arena, &base, err);
	if (r < 0) {
		err_in(err, "record of a publisher");
		return r;
	}
	m = (const void *)base;
	if (m->version < 1 || m->version > RECORD_VERSION + 1 || m->stream % 2 == 0)
		return err_set(err, -EBADMSG, "record of a publisher: damaged");
	p->sequence = m->sequence;
	p->stream = m->stream;
	for (size_t i = 0; i < m->n_queue; i++)
		if (restore_one(p, m->queue[i]) < 0)
			return err_oom(err);
	return 0;
}
