/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The places in the guardian's list of pids are dealt out here, the lowest first, so that the guardian looks at few.
 *
 * What surprises: until exit_ring_begin() everything is expected. What happened between a worker's death and our watches is
 * in the ring, or will be. And a record may be there before its pid is registered: the guardian does not wake us for it,
 * so whoever registers looks. A record that was reported and is only kept, for a process whose pid is not known yet, is
 * not durable: the tail stays before it.
 */
#include "exit/ring.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bare/guardian.h"
#include "exit/guardian_link.h"

#define NO_PLACE UINT32_MAX

struct exit_ring {
	struct loop *loop;
	struct exit_source *exits;
	struct guardian_link *link;
	struct guardian_shared *shared;
	struct loop_fd wake;
	struct loop_deferred look;
	struct exit_room room;
	uint64_t read;     /* records before this one have been reported; the tail follows */
	uint32_t first;    /* places below belong to the worker before us */
	uint32_t hint;     /* none below is free */
	uint32_t unplaced; /* watches for which there was no place */
	bool expecting;
	bool begun;
};

/* ---- what the guardian is told ---- */

static void publish_expects(struct exit_ring *r)
{
	uint32_t n = r->unplaced + (r->expecting ? 1 : 0) + (r->begun ? 0 : 1);

	__atomic_store_n(&r->shared->unplaced, r->unplaced, __ATOMIC_RELAXED);
	__atomic_store_n(&r->shared->expects, n, __ATOMIC_RELEASE);
}

static void on_look(struct loop_deferred *d);

static void look_soon(struct exit_ring *r)
{
	if (r->begun)
		loop_defer(r->loop, &r->look, on_look);
}

static uint32_t find_place(struct exit_ring *r)
{
	uint32_t i = r->hint;

	while (i < GUARDIAN_PIDS && r->shared->pids[i])
		i++;
	r->hint = i;
	return i < GUARDIAN_PIDS ? i : NO_PLACE;
}

static uint32_t add(void *arg, pid_t pid)
{
	struct exit_ring *r = arg;
	struct guardian_shared *s = r->shared;
	uint32_t at = find_place(r);

	if (at == NO_PLACE) {
		r->unplaced++;
		publish_expects(r);
	} else {
		__atomic_store_n(&s->pids[at], (uint32_t)pid, __ATOMIC_RELEASE);
		if (at >= s->n_pids)
			__atomic_store_n(&s->n_pids, at + 1, __ATOMIC_RELEASE);
	}
	/* The other half is the guardian's: it looks for the pid after it has bumped the head. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&s->head, __ATOMIC_ACQUIRE) != r->read)
		look_soon(r);
	return at;
}

static void free_place(struct exit_ring *r, uint32_t at)
{
	struct guardian_shared *s = r->shared;
	uint32_t n = s->n_pids;

	__atomic_store_n(&s->pids[at], 0, __ATOMIC_RELEASE);
	if (at < r->hint && at >= r->first)
		r->hint = at;
	while (n > 0 && !s->pids[n - 1])
		n--;
	__atomic_store_n(&s->n_pids, n, __ATOMIC_RELEASE);
}

static void drop(void *arg, uint32_t at)
{
	struct exit_ring *r = arg;

	if (at == NO_PLACE) {
		r->unplaced--;
		publish_expects(r);
	} else {
		free_place(r, at);
	}
}

static void expect(void *arg, bool anything)
{
	struct exit_ring *r = arg;

	r->expecting = anything;
	publish_expects(r);
	/* What was recorded for its sake is in nobody's way any more. */
	if (!anything && __atomic_load_n(&r->shared->head, __ATOMIC_ACQUIRE) != r->shared->tail)
		look_soon(r);
}

/* While something is expected we are not woken for what nobody has registered. */
static void look(void *arg)
{
	look_soon(arg);
}

/* ---- records ---- */

static bool may_report(const struct exit_ring *r, pid_t pid)
{
	return exit_has_room(r->exits) || exit_is_watched(r->exits, pid) ||
	       !exit_is_expected(r->exits);
}

static bool report_next(struct exit_ring *r)
{
	struct guardian_shared *s = r->shared;
	const struct guardian_record *from;
	struct exit_info info;

	if (__atomic_load_n(&s->head, __ATOMIC_ACQUIRE) == r->read)
		return false;
	from = &s->ring[(r->read - s->base) % GUARDIAN_RING];
	if (!may_report(r, from->pid))
		return false;
	info = (struct exit_info){
		.pid = from->pid,
		.inode = from->inode,
		.wait_status = from->status,
		.boot_ns = from->boot_ns,
		.wall_ns = from->wall_ns,
		.record = r->read + 1,
	};
	exit_report(r->exits, &info);
	r->read++;
	return true;
}

/* What is before the tail is gone with us. True: it has moved. */
static bool acknowledge(struct exit_ring *r)
{
	uint64_t oldest = exit_oldest_record(r->exits);
	uint64_t tail = oldest > r->read ? r->read : oldest - 1;

	if (tail == r->shared->tail)
		return false;
	__atomic_store_n(&r->shared->tail, tail, __ATOMIC_RELEASE);
	return true;
}

static void report_all(struct exit_ring *r)
{
	bool moved = false;

	while (report_next(r))
		moved |= acknowledge(r);
	moved |= acknowledge(r);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (moved && __atomic_load_n(&r->shared->waiting, __ATOMIC_RELAXED))
		guardian_link_tell_room(r->link);
}

static void on_look(struct loop_deferred *d)
{
	report_all(container_of(d, struct exit_ring, look));
}

static void on_wake(struct loop_fd *source, uint32_t events)
{
	struct exit_ring *r = container_of(source, struct exit_ring, wake);
	uint64_t n;

	(void)events;
	if (read(source->fd, &n, sizeof(n)) == sizeof(n))
		report_all(r);
}

static void on_room(struct exit_room *room)
{
	look_soon(container_of(room, struct exit_ring, room));
}

/* ---- the source itself ---- */

int exit_ring_new(struct loop *l, struct exit_source *to, struct guardian_link *link,
	struct exit_ring **ret, struct err *err)
{
	struct exit_ring *r = mem_calloc(1, sizeof(*r));
	const struct exit_registry registry = {
		.arg = r, .add = add, .remove = drop, .expect = expect, .look = look
	};
	struct guardian_shared *s;

	if (!r)
		return err_oom(err);
	s = guardian_link_shared(link);
	r->loop = l;
	r->exits = to;
	r->link = link;
	r->shared = s;
	if (s->n_pids > GUARDIAN_PIDS)
		s->n_pids = GUARDIAN_PIDS;
	/* Never by our own hand, but it is memory that outlives us. */
	if (__atomic_load_n(&s->head, __ATOMIC_ACQUIRE) - s->tail > GUARDIAN_RING)
		s->tail = s->head;
	r->read = s->tail;
	r->first = r->hint = s->n_pids;
	publish_expects(r);
	exit_set_registry(to, &registry);
	exit_room_add(to, &r->room, on_room);
	*ret = r;
	return 0;
}

int exit_ring_begin(struct exit_ring *r, struct err *err)
{
	uint32_t old = r->first;
	int code;

	if (r->begun)
		return 0;
	code = loop_fd_add(r->loop, &r->wake, guardian_link_eventfd(r->link), EPOLLIN, on_wake);
	if (code < 0)
		return err_code(err, code, "watch for the guardian's exits");
	r->begun = true;
	r->first = 0;
	for (uint32_t i = 0; i < old; i++)
		free_place(r, i);
	r->hint = 0;
	publish_expects(r);
	look_soon(r);
	return 0;
}

void exit_ring_free(struct exit_ring *r)
{
	if (!r)
		return;
	loop_fd_remove(&r->wake);
	loop_defer_cancel(&r->look);
	exit_room_remove(r->exits, &r->room);
	exit_set_registry(r->exits, NULL);
	free(r);
}
