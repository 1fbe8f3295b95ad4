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

#include "api/event_queue.h"
#include "base/clock.h"
#include "base/rule.h"
#include "base/str.h"
#include "rpc/ttrpc_client.h"

#define SERVICE "containerd.services.events.ttrpc.v1.Events"
#define TIMEOUT_NS (30 * NS_PER_SEC)
#define PAUSE_MIN_NS (10 * NS_PER_MS)
#define PAUSE_MAX_NS (1 * NS_PER_SEC)
#define IDLE_NS (10 * NS_PER_SEC)

struct publisher {
	struct publisher_config config;
	char *address;
	struct ttrpc_client *client;
	struct event_queue queue; /* what is on its way heads it */
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

	if (p->queue.head)
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

	if (!p->queue.head && p->config.drained)
		p->config.drained(p->config.arg);
}

static void publisher_pop(struct publisher *p)
{
	event_queue_pop(&p->queue);
	p->sequence++;
}

static void publisher_advance(struct publisher *p)
{
	uint64_t task = p->queue.head->task, sequence = p->queue.head->sequence;

	publisher_pop(p);
	if (p->config.acked)
		p->config.acked(p->config.arg, task, sequence);
	p->in_flight = false;
	p->complained = false;
	p->pause_ns = 0;
	if (p->queue.head)
		return wake(p);
	loop_defer(p->config.loop, &p->told, publisher_told);
	set_timer(p, IDLE_NS);
}

static void on_answer(void *arg, uint64_t tag, const struct ttrpc_answer *a)
{
	struct publisher *p = arg;

	if (p->queue.head->dropped)
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

	if ((RULE(one_event_is_under_way) && p->in_flight) || !p->queue.head)
		return;
	if (p->stale)
		drop_client(p);
	if (!p->client)
		r = publisher_connect(p, &err);
	if (r == 0)
		r = ttrpc_client_call_bytes(p->client, p->sequence, SERVICE, "Forward",
			p->queue.head->data, p->queue.head->size,
			clock_boot_ns() + p->config.timeout_ns, &err);
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
	event_queue_init(&p->queue);
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
	event_queue_done(&p->queue);
	free(p->address);
	free(p);
}

/* One that is on its way does not count: what comes now is news to whoever hears of that one. */
static bool oom_waits(const struct publisher *p, const char *oom_of)
{
	const struct queued_event *x = p->queue.head;

	if (x && p->in_flight)
		x = x->next;
	for (; x; x = x->next)
		if (str_eq(x->oom_of, oom_of))
			return true;
	return false;
}

int publisher_send(struct publisher *p, const struct event *e)
{
	auto_free char *oom_of = NULL;
	bool was_empty = !p->queue.head;
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
		r = event_queue_add(&p->queue, e, oom_of);
	if (r < 0) {
		log_write(p->config.log, LOG_ERROR_, "event %s of '%s' is lost: %s",
			task_topic_name(e->topic), e->id, strerror(-r));
		return r;
	}
	if (was_empty || !RULE(one_event_is_under_way))
		wake(p);
	return 0;
}

void publisher_retry(struct publisher *p)
{
	if (p->in_flight || !p->queue.head)
		return;
	p->pause_ns = 0;
	wake(p);
}

void publisher_forget(struct publisher *p, uint64_t task, uint64_t sequence)
{
	if (!p->in_flight && event_queue_heads(&p->queue, task, sequence))
		publisher_pop(p);
}

bool publisher_drop(struct publisher *p, uint64_t task)
{
	bool in_flight = p->queue.head && p->in_flight;

	event_queue_drop(&p->queue, task, in_flight);
	if (!p->queue.head)
		loop_defer(p->config.loop, &p->told, publisher_told);
	in_flight = in_flight && p->queue.head->task == task;
	if (in_flight)
		p->queue.head->dropped = true;
	return in_flight;
}

bool publisher_is_empty(const struct publisher *p)
{
	return !p->queue.head;
}

uint64_t publisher_sequence(const struct publisher *p)
{
	return p->sequence;
}

int publisher_save(const struct publisher *p, struct buf *out)
{
	return event_queue_save(&p->queue, p->sequence, p->stream, out);
}

int publisher_restore(struct publisher *p, const void *data, size_t size, struct err *err)
{
	int r = event_queue_load(&p->queue, data, size, &p->sequence, &p->stream, err);

	if (p->queue.head)
		wake(p);
	return r;
}
