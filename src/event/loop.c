/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop: epoll for fds (poll in a brief one), a binary heap for timers, a list for what is deferred.
 *
 * A round waits, then serves fds, timers that were due when it woke, and deferred calls that were
 * queued by then. A timer that is set or a call that is deferred by one of its own kind comes in
 * the next round, which does not wait; so no round is endless.
 *
 * What surprises: the kernel hands out events in batches, so an event may be for a source that
 * another handler of the batch has removed, whose fd number, slot and memory may already belong to
 * a new one. Each event therefore carries slot and generation, and a slot changes its generation
 * whenever its source leaves.
 *
 * epoll waits on a clock that stands still while the machine is suspended; deadlines are on one that goes
 * on. So a long wait is ended by a timerfd of that clock; a short one is left to epoll, which costs no
 * call and can be late by no more than its own length.
 */
#include "event/loop.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

#define BATCH 64
#define BRIEF_MAX 32 /* slots that poll(2) is given */
#define SHORT_NS (100 * NS_PER_MS)
#define ALARM \
	UINT64_MAX /* stands for the timerfd where events name a slot: there are fewer of these */

struct slot {
	struct loop_fd *source; /* NULL: free */
	uint32_t generation;
	uint32_t next_free; /* of a free slot: index + 1, 0 ends */
};

struct loop {
	int epfd; /* -EBADF: brief */
	struct slot *slots;
	size_t slots_cap;
	uint32_t n_slots, first_free; /* first_free: index + 1 */
	uint32_t n_sources;
	struct loop_timer **heap;
	size_t heap_cap;
	uint32_t n_timers;
	struct loop_deferred *queued,
		**queued_end;          /* for the end of this round, or the next while deferring */
	struct loop_deferred *running; /* those that this round still has to call */
	int alarm;         /* timerfd of CLOCK_BOOTTIME; -EBADF until a long wait needs it */
	uint64_t alarm_ns; /* what it is set to; 0: nothing */
	bool no_alarm;
	bool no_pwait2;
	loop_quiet_fn *quiet;
	void *quiet_arg;
	uint64_t quiet_ns;
	bool quiet_told; /* since the last event */
	bool stopped;
	int stop_code;
};

int loop_new_brief(struct loop **ret)
{
	struct loop *l = mem_calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->queued_end = &l->queued;
	l->alarm = l->epfd = -EBADF;
	*ret = l;
	return 0;
}

bool loop_is_brief(const struct loop *l)
{
	return l->epfd < 0;
}

int loop_new(struct loop **ret)
{
	struct loop *l = NULL;
	int r = loop_new_brief(&l);

	if (r < 0)
		return r;
	l->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epfd < 0) {
		r = -errno;
		free(l);
		return r;
	}
	*ret = l;
	return 0;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	fd_close(l->epfd);
	fd_close(l->alarm);
	free(l->slots);
	free(l->heap);
	free(l);
}

/* fds */

static int take_slot(struct loop *l, uint32_t *ret)
{
	uint32_t i;

	if (l->first_free) {
		i = l->first_free - 1;
		l->first_free = l->slots[i].next_free;
		*ret = i;
		return 0;
	}
	if (l->n_slots == UINT32_MAX - 1)
		return -ENOSPC;
	if (mem_grow(&l->slots, &l->slots_cap, (size_t)l->n_slots + 1, sizeof(*l->slots)) < 0)
		return -ENOMEM;
	i = l->n_slots++;
	l->slots[i] = (struct slot){ 0 };
	*ret = i;
	return 0;
}

static void give_slot(struct loop *l, uint32_t i)
{
	l->slots[i].source = NULL;
	l->slots[i].generation++;
	l->slots[i].next_free = l->first_free;
	l->first_free = i + 1;
}

static int control(const struct loop_fd *s, int op, uint32_t events)
{
	struct epoll_event e = {
		.events = events,
		.data.u64 = (uint64_t)s->generation << 32 | s->slot,
	};

	if (s->loop->epfd < 0) /* poll(2) is told in every round */
		return s->fd < 0 ? -EBADF : 0;
	return epoll_ctl(s->loop->epfd, op, s->fd, &e) < 0 ? -errno : 0;
}

static int watch_alarm(struct loop *l)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u64 = ALARM };

	return l->epfd >= 0 && epoll_ctl(l->epfd, EPOLL_CTL_ADD, l->alarm, &e) < 0 ? -errno : 0;
}

/* No longer brief: what poll(2) was told is now epoll's. */
static int outgrow(struct loop *l)
{
	int r = 0;

	l->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epfd < 0)
		return -errno;
	for (uint32_t i = 0; i < l->n_slots && r == 0; i++)
		if (l->slots[i].source)
			r = control(l->slots[i].source, EPOLL_CTL_ADD, l->slots[i].source->events);
	if (r == 0 && l->alarm >= 0)
		r = watch_alarm(l);
	if (r < 0)
		l->epfd = fd_close(l->epfd);
	return r;
}

int loop_fd_add(struct loop *l, struct loop_fd *s, int fd, uint32_t events, loop_fd_fn *fn)
{
	uint32_t slot;
	int r;

	if (l->epfd < 0 && l->n_sources == BRIEF_MAX && (r = outgrow(l)) < 0)
		return r;
	r = take_slot(l, &slot);
	if (r < 0)
		return r;
	*s = (struct loop_fd){
		.loop = l,
		.fd = fd,
		.events = events,
		.fn = fn,
		.generation = l->slots[slot].generation,
		.slot = slot,
	};
	r = control(s, EPOLL_CTL_ADD, events);
	if (r < 0) {
		give_slot(l, slot);
		s->loop = NULL;
		return r;
	}
	l->slots[slot].source = s;
	l->n_sources++;
	return 0;
}

int loop_fd_modify(struct loop_fd *s, uint32_t events)
{
	int r;

	if (!s->loop)
		return -EINVAL;
	if (events == s->events)
		return 0;
	r = control(s, EPOLL_CTL_MOD, events);
	if (r == 0)
		s->events = events;
	return r;
}

static void forget(struct loop_fd *s)
{
	give_slot(s->loop, s->slot);
	s->loop->n_sources--;
	s->loop = NULL;
}

void loop_fd_remove(struct loop_fd *s)
{
	if (!s->loop)
		return;
	/* Fails only when the fd was closed before, against the rule; then epoll has forgotten it
	 * already. */
	control(s, EPOLL_CTL_DEL, 0);
	forget(s);
}

void loop_fd_close(struct loop_fd *s)
{
	if (!s->loop)
		return;
	fd_close(s->fd); /* epoll forgets a file with its last fd */
	forget(s);
}

/* The timers look at the clock themselves: it has only woken us. */
static void alarm_rang(struct loop *l)
{
	uint64_t n;

	if (read(l->alarm, &n, sizeof(n)) >= 0)
		l->alarm_ns = 0;
}

static void serve_fd(struct loop *l, const struct epoll_event *e)
{
	uint32_t slot = (uint32_t)e->data.u64, generation = (uint32_t)(e->data.u64 >> 32);
	struct loop_fd *s;

	if (e->data.u64 == ALARM) {
		alarm_rang(l);
		return;
	}
	s = l->slots[slot].source;
	if (s && l->slots[slot].generation == generation)
		s->fn(s, e->events);
}

/* timers */

static void place(struct loop *l, uint32_t i, struct loop_timer *t)
{
	l->heap[i] = t;
	t->heap_index = i;
}

static void sift_up(struct loop *l, uint32_t i, struct loop_timer *t)
{
	while (i > 0) {
		uint32_t parent = (i - 1) / 2;

		if (l->heap[parent]->deadline_ns <= t->deadline_ns)
			break;
		place(l, i, l->heap[parent]);
		i = parent;
	}
	place(l, i, t);
}

static void sift_down(struct loop *l, uint32_t i, struct loop_timer *t)
{
	for (;;) {
		uint64_t child = 2 * (uint64_t)i + 1;

		if (child >= l->n_timers)
			break;
		if (child + 1 < l->n_timers &&
			l->heap[child + 1]->deadline_ns < l->heap[child]->deadline_ns)
			child++;
		if (t->deadline_ns <= l->heap[child]->deadline_ns)
			break;
		place(l, i, l->heap[child]);
		i = (uint32_t)child;
	}
	place(l, i, t);
}

static void sift(struct loop *l, uint32_t i, struct loop_timer *t)
{
	if (i > 0 && l->heap[(i - 1) / 2]->deadline_ns > t->deadline_ns)
		sift_up(l, i, t);
	else
		sift_down(l, i, t);
}

int loop_timer_set(
	struct loop *l, struct loop_timer *t, uint64_t deadline_boot_ns, loop_timer_fn *fn)
{
	if (!t->loop && mem_grow(&l->heap, &l->heap_cap, (size_t)l->n_timers + 1,
				sizeof(struct loop_timer *)) < 0)
		return -ENOMEM;
	t->deadline_ns = deadline_boot_ns;
	t->fn = fn;
	if (t->loop) {
		sift(l, t->heap_index, t);
		return 0;
	}
	t->loop = l;
	sift_up(l, l->n_timers++, t);
	return 0;
}

void loop_timer_cancel(struct loop_timer *t)
{
	struct loop *l = t->loop;
	struct loop_timer *last;

	if (!l)
		return;
	t->loop = NULL;
	last = l->heap[--l->n_timers];
	if (last != t)
		sift(l, t->heap_index, last);
}

static void serve_timers(struct loop *l)
{
	uint64_t now;

	if (l->n_timers == 0)
		return;
	now = clock_boot_ns();
	for (uint32_t n = l->n_timers; n > 0 && l->n_timers > 0; n--) {
		struct loop_timer *t = l->heap[0];

		if (t->deadline_ns > now)
			break;
		loop_timer_cancel(t);
		t->fn(t);
	}
}

/* deferred calls */

void loop_defer(struct loop *l, struct loop_deferred *d, loop_deferred_fn *fn)
{
	if (d->loop)
		return;
	*d = (struct loop_deferred){ .loop = l, .fn = fn };
	*l->queued_end = d;
	l->queued_end = &d->next;
}

static bool unlink_deferred(struct loop_deferred **list, struct loop_deferred *d)
{
	for (; *list; list = &(*list)->next) {
		if (*list == d) {
			*list = d->next;
			return true;
		}
	}
	return false;
}

void loop_defer_cancel(struct loop_deferred *d)
{
	struct loop *l = d->loop;

	if (!l)
		return;
	d->loop = NULL;
	if (unlink_deferred(&l->running, d))
		return;
	unlink_deferred(&l->queued, d);
	for (l->queued_end = &l->queued; *l->queued_end;)
		l->queued_end = &(*l->queued_end)->next;
}

static void serve_deferred(struct loop *l)
{
	l->running = l->queued;
	l->queued = NULL;
	l->queued_end = &l->queued;
	while (l->running) {
		struct loop_deferred *d = l->running;

		/* The call may free d. */
		l->running = d->next;
		d->loop = NULL;
		d->next = NULL;
		d->fn(d);
	}
}

/* rounds */

static bool make_alarm(struct loop *l)
{
	if (l->alarm >= 0 || l->no_alarm)
		return l->alarm >= 0;
	l->alarm = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (l->alarm >= 0 && watch_alarm(l) < 0)
		l->alarm = fd_close(l->alarm);
	l->no_alarm = l->alarm < 0; /* late after a suspend is better than never */
	return !l->no_alarm;
}

/* True when the timerfd rings at the first deadline: epoll need not know it. */
static bool set_alarm(struct loop *l)
{
	uint64_t at = l->heap[0]->deadline_ns;
	struct itimerspec t = {
		.it_value.tv_sec = (time_t)(at / NS_PER_SEC),
		.it_value.tv_nsec = (long)(at % NS_PER_SEC),
	};

	if (!make_alarm(l))
		return false;
	if (l->alarm_ns == at)
		return true;
	if (timerfd_settime(l->alarm, TFD_TIMER_ABSTIME, &t, NULL) < 0)
		return false;
	l->alarm_ns = at;
	return true;
}

/* Nanoseconds to wait at most; UINT64_MAX: for ever. */
static uint64_t patience_ns(struct loop *l, int timeout_ms)
{
	uint64_t wait = timeout_ms < 0 ? UINT64_MAX : (uint64_t)timeout_ms * NS_PER_MS;
	uint64_t now, left;

	if (l->queued || l->stopped || timeout_ms == 0)
		return 0;
	if (l->n_timers == 0)
		return wait;
	now = clock_boot_ns();
	if (l->heap[0]->deadline_ns <= now)
		return 0;
	left = l->heap[0]->deadline_ns - now;
	if (left >= wait)
		return wait;
	return left > SHORT_NS && set_alarm(l) ? wait : left;
}

static int wait_ms(struct loop *l, struct epoll_event *events, uint64_t wait_ns)
{
	uint64_t ms = wait_ns / NS_PER_MS + (wait_ns % NS_PER_MS != 0);

	return epoll_wait(l->epfd, events, BATCH,
		wait_ns == UINT64_MAX ? -1
		: ms > INT_MAX        ? INT_MAX
				      : (int)ms);
}

/* The events of poll(2) have the numbers of epoll's. A closed fd is a mistake of its owner's, who hears of it. */
static struct epoll_event polled(const struct pollfd *p, const struct loop_fd *s)
{
	return (struct epoll_event){
		.events = p->revents & POLLNVAL ? EPOLLERR : (uint32_t)p->revents,
		.data.u64 = s ? (uint64_t)s->generation << 32 | s->slot : ALARM,
	};
}

static int wait_poll(struct loop *l, struct epoll_event *events, const struct timespec *ts)
{
	const struct loop_fd *source[BRIEF_MAX + 1] = { NULL };
	struct pollfd fds[BRIEF_MAX + 1];
	nfds_t count = 0;
	int n, ready = 0;

	for (uint32_t i = 0; i < l->n_slots; i++) {
		const struct loop_fd *s = l->slots[i].source;

		if (!s)
			continue;
		source[count] = s;
		fds[count++] = (struct pollfd){ .fd = s->fd, .events = (short)s->events };
	}
	if (l->alarm >= 0)
		fds[count++] = (struct pollfd){ .fd = l->alarm, .events = POLLIN };
	n = ppoll(fds, count, ts, NULL);
	/* Memory for so few is had the next time; an operation that waits here cannot be undone half-way. */
	if (n < 0)
		return errno == EINTR || errno == ENOMEM ? 0 : -errno;
	for (nfds_t i = 0; i < count && n > 0; i++)
		if (fds[i].revents)
			events[ready++] = polled(&fds[i], source[i]);
	return ready;
}

/* The only one that there is to wait for, and it can do that better. NULL: ask the kernel. */
static const struct loop_fd *patient_one(const struct loop *l)
{
	if (l->n_sources != 1 || l->alarm >= 0)
		return NULL;
	for (uint32_t i = 0; i < l->n_slots; i++)
		if (l->slots[i].source)
			return l->slots[i].source->patient ? l->slots[i].source : NULL;
	return NULL;
}

static int wait_events(struct loop *l, struct epoll_event *events, uint64_t wait_ns)
{
	const struct loop_fd *one;

	struct timespec ts = {
		.tv_sec = (time_t)(wait_ns / NS_PER_SEC),
		.tv_nsec = (long)(wait_ns % NS_PER_SEC),
	};
	int n = -1;

	if (l->epfd < 0 && wait_ns == UINT64_MAX && (one = patient_one(l))) {
		events[0] = polled(&(struct pollfd){ .revents = (short)one->events }, one);
		return 1;
	}
	if (l->epfd < 0)
		return wait_poll(l, events, wait_ns == UINT64_MAX ? NULL : &ts);
	/* Whole waits need no nanoseconds, and epoll_pwait2 (5.11) may be hidden by a filter around
	 * us. */
	if (wait_ns == 0 || wait_ns == UINT64_MAX || l->no_pwait2)
		n = wait_ms(l, events, wait_ns);
	else
		n = (int)syscall(SYS_epoll_pwait2, l->epfd, events, BATCH, &ts, NULL, 0);
	if (n < 0 && (errno == ENOSYS || errno == EPERM) && !l->no_pwait2) {
		l->no_pwait2 = true;
		n = wait_ms(l, events, wait_ns);
	}
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	return n;
}

void loop_on_quiet(struct loop *l, uint32_t after_ms, loop_quiet_fn *fn, void *arg)
{
	l->quiet = fn;
	l->quiet_arg = arg;
	l->quiet_ns = after_ms * NS_PER_MS;
	l->quiet_told = false;
}

/* The wait of this round is cut to it: a timer would be set anew with every event. */
static bool awaits_quiet(const struct loop *l, uint64_t wait_ns)
{
	return l->quiet && l->epfd >= 0 && !l->quiet_told && wait_ns >= l->quiet_ns;
}

static void tell_quiet(struct loop *l, uint64_t wait_ns)
{
	uint64_t left_ms = (wait_ns - l->quiet_ns + NS_PER_MS - 1) / NS_PER_MS;

	l->quiet_told = true;
	l->quiet(l->quiet_arg, l->epfd,
		wait_ns == UINT64_MAX ? -1
		: left_ms > INT_MAX   ? INT_MAX
				      : (int)left_ms);
}

int loop_round(struct loop *l, int timeout_ms)
{
	struct epoll_event events[BATCH];
	uint64_t wait_ns = patience_ns(l, timeout_ms);
	bool cut = awaits_quiet(l, wait_ns);
	int n = 0;

	if (wait_ns > 0 || l->n_sources > 0)
		n = wait_events(l, events, cut ? l->quiet_ns : wait_ns);
	if (n < 0)
		return n;
	if (n > 0)
		l->quiet_told = false;
	if (n == 0 && cut)
		tell_quiet(l, wait_ns);
	for (int i = 0; i < n; i++)
		serve_fd(l, &events[i]);
	serve_timers(l);
	serve_deferred(l);
	return 0;
}

int loop_run(struct loop *l)
{
	int r = 0;

	do
		r = loop_round(l, -1);
	while (r == 0 && !l->stopped);
	if (r == 0)
		r = l->stop_code;
	l->stopped = false;
	return r;
}

void loop_stop(struct loop *l, int code)
{
	l->stopped = true;
	l->stop_code = code;
}
