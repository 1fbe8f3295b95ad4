/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/kernel.h"
#include "event/loop.h"

static char calls[4096];

static void note(const char *what)
{
	strncat(calls, what, sizeof(calls) - strlen(calls) - 1);
}

struct source {
	struct loop_fd fd;
	const char *name;
	struct source *victim; /* removed by the first handler that runs */
	bool drain;
	uint32_t events;
};

static int ready_fd(void)
{
	int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);

	assert_true(fd >= 0);
	return fd;
}

static void on_fd(struct loop_fd *s, uint32_t events)
{
	struct source *me = container_of(s, struct source, fd);
	uint64_t v;

	note(me->name);
	me->events = events;
	if (me->victim)
		loop_fd_remove(&me->victim->fd);
	if (me->drain)
		assert_int_equal(read(s->fd, &v, sizeof(v)), sizeof(v));
}

/* Everything here runs with either kind of loop. */
static bool is_brief(void)
{
	return getenv("LOOP_IS_BRIEF") != NULL;
}

static struct loop *fresh(void)
{
	struct loop *l = NULL;

	calls[0] = '\0';
	assert_ok(is_brief() ? loop_new_brief(&l) : loop_new(&l));
	return l;
}

TEST(a_source_that_is_closed_is_not_served_and_its_number_may_be_taken)
{
	struct source a = { .name = "a" }, b = { .name = "b", .drain = true };
	struct loop *l = fresh();
	int first = ready_fd();

	assert_ok(loop_fd_add(l, &a.fd, first, EPOLLIN, on_fd));
	loop_fd_close(&a.fd);
	loop_fd_close(&a.fd);
	assert_int_equal(fcntl(first, F_GETFD), -1);
	assert_int_equal(ready_fd(), first);
	assert_ok(loop_fd_add(l, &b.fd, first, EPOLLIN, on_fd));
	assert_ok(loop_round(l, 0));
	assert_string_equal(calls, "b");
	loop_fd_close(&b.fd);
	/* Without a source there is nothing to wait for: what is deferred runs all the same. */
	assert_ok(loop_round(l, 0));
	assert_string_equal(calls, "b");
	loop_free(l);
}

TEST(readable_fds_are_served_while_they_are_readable)
{
	auto_freep(loop) struct loop *l = fresh();
	struct source a = { .name = "a" };
	int fd = ready_fd();
	uint64_t v;

	assert_ok(loop_fd_add(l, &a.fd, fd, EPOLLIN, on_fd));
	assert_ok(loop_round(l, 0));
	assert_ok(loop_round(l, 0));
	assert_string_equal(calls, "aa");
	assert_int_equal(a.events, EPOLLIN);
	assert_int_equal(read(fd, &v, sizeof(v)), sizeof(v));
	assert_ok(loop_round(l, 0));
	assert_string_equal(calls, "aa");
	assert_ok(loop_fd_modify(&a.fd, EPOLLIN | EPOLLOUT));
	assert_ok(loop_round(l, 0));
	assert_int_equal(a.events, EPOLLOUT);
	assert_ok(loop_fd_modify(&a.fd, 0));
	assert_ok(loop_round(l, 0));
	assert_string_equal(calls, "aaa");
	loop_fd_remove(&a.fd);
	loop_fd_remove(&a.fd);
	assert_int_equal(loop_fd_modify(&a.fd, EPOLLIN), -EINVAL);
	close(fd);
}

TEST(a_patient_source_waits_by_itself_where_it_is_alone)
{
	auto_freep(loop) struct loop *l = fresh();
	struct source a = { .name = "a" }, b = { .name = "b", .drain = true };
	int ready = ready_fd(), p[2];

	assert_int_equal(loop_is_brief(l), is_brief());
	assert_ok(pipe2(p, O_CLOEXEC));
	assert_ok(loop_fd_add(l, &a.fd, p[0], EPOLLIN, on_fd));
	a.fd.patient = true;
	assert_ok(loop_round(l, 0));
	assert_string_equal(calls, ""); /* a round that must not wait asks */
	if (is_brief()) {               /* epoll is asked in any case */
		assert_ok(loop_round(l, -1));
		assert_string_equal(calls, "a");
		assert_int_equal(a.events, EPOLLIN);
	}
	/* Another one: the kernel says which. */
	calls[0] = '\0';
	assert_ok(loop_fd_add(l, &b.fd, ready, EPOLLIN, on_fd));
	assert_ok(loop_round(l, -1));
	assert_string_equal(calls, "b");
	loop_fd_remove(&b.fd);
	loop_fd_remove(&a.fd);
	close(ready);
	close(p[0]);
	close(p[1]);
}

TEST(hang_up_comes_even_without_interest)
{
	auto_freep(loop) struct loop *l = fresh();
	struct source a = { .name = "a" };
	int p[2];

	assert_ok(pipe2(p, O_CLOEXEC));
	assert_ok(loop_fd_add(l, &a.fd, p[0], 0, on_fd));
	close(p[1]);
	assert_ok(loop_round(l, 1000));
	assert_int_equal(a.events, EPOLLHUP);
	loop_fd_remove(&a.fd);
	close(p[0]);
}

TEST(a_failed_add_leaves_nothing)
{
	auto_freep(loop) struct loop *l = fresh();
	struct source a = { .name = "a" }, b = { .name = "b" };
	int fd = ready_fd(), regular = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	assert_int_equal(loop_fd_add(l, &a.fd, -1, EPOLLIN, on_fd), -EBADF);
	if (!is_brief())
		assert_int_equal(loop_fd_add(l, &a.fd, regular, EPOLLIN, on_fd), -EPERM);
	assert_null(a.fd.loop);
	assert_ok(loop_fd_add(l, &a.fd, fd, EPOLLIN, on_fd));
	if (!is_brief())
		assert_int_equal(loop_fd_add(l, &b.fd, fd, EPOLLIN, on_fd), -EEXIST);
	assert_ok(loop_round(l, 0));
	assert_string_equal(calls, "a");
	close(regular);
	loop_fd_remove(&a.fd);
	close(fd);
}

/* Both are ready in one batch; whichever comes first removes the other. */
TEST(a_removed_source_is_not_served_from_the_same_batch)
{
	auto_freep(loop) struct loop *l = fresh();
	struct source a = { .name = "x" }, b = { .name = "x" };
	int fa = ready_fd(), fb = ready_fd();

	a.victim = &b;
	b.victim = &a;
	assert_ok(loop_fd_add(l, &a.fd, fa, EPOLLIN, on_fd));
	assert_ok(loop_fd_add(l, &b.fd, fb, EPOLLIN, on_fd));
	assert_ok(loop_round(l, 0));
	assert_string_equal(calls, "x");
	loop_fd_remove(&a.fd);
	loop_fd_remove(&b.fd);
	close(fa);
	close(fb);
}

/* The worst case: fd number, slot and memory of the removed source go to a new one within the
 * batch. */
struct reuse {
	struct source a, b;
	struct loop *l;
	int fresh_calls;
};
static struct reuse *reuse;

static void on_fresh(struct loop_fd *s, uint32_t events)
{
	(void)s, (void)events;
	reuse->fresh_calls++;
}

static void on_reuse(struct loop_fd *s, uint32_t events)
{
	struct source *other = s == &reuse->a.fd ? &reuse->b : &reuse->a;
	uint32_t slot = other->fd.slot;
	int fd = other->fd.fd, made;

	(void)events;
	note("x");
	if (other->fd.fn == on_fresh)
		return;
	loop_fd_remove(&other->fd);
	close(fd);
	made = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_int_equal(made, fd);
	assert_ok(loop_fd_add(reuse->l, &other->fd, made, EPOLLIN, on_fresh));
	assert_int_equal(other->fd.slot, slot);
}

TEST(a_stale_event_does_not_reach_the_new_owner)
{
	auto_freep(loop) struct loop *l = fresh();
	struct reuse r = { .l = l };
	uint64_t one = 1;

	reuse = &r;
	assert_ok(loop_fd_add(l, &r.a.fd, ready_fd(), EPOLLIN, on_reuse));
	assert_ok(loop_fd_add(l, &r.b.fd, ready_fd(), EPOLLIN, on_reuse));
	assert_ok(loop_round(l, 0));
	assert_string_equal(calls, "x");
	assert_int_equal(r.fresh_calls, 0);
	/* The new owner hears of its own events. */
	assert_int_equal(write(r.a.fd.fn == on_fresh ? r.a.fd.fd : r.b.fd.fd, &one, sizeof(one)),
		sizeof(one));
	assert_ok(loop_round(l, 0));
	assert_int_equal(r.fresh_calls, 1);
	close(r.a.fd.fd);
	close(r.b.fd.fd);
}

struct timer {
	struct loop_timer timer;
	const char *name;
	uint64_t *order;
	size_t *n;
};

static void on_timer(struct loop_timer *t)
{
	struct timer *me = container_of(t, struct timer, timer);

	if (me->name)
		note(me->name);
	if (me->order)
		me->order[(*me->n)++] = t->deadline_ns;
}

TEST(timers_run_in_order_of_their_deadlines)
{
	auto_freep(loop) struct loop *l = fresh();
	static struct timer timers[500];
	static uint64_t order[500];
	unsigned int seed = 7;
	size_t n = 0, cancelled = 0;
	uint64_t now = clock_boot_ns();

	for (size_t i = 0; i < 500; i++) {
		seed = seed * 1103515245u + 12345u;
		timers[i] = (struct timer){ .order = order, .n = &n };
		assert_ok(loop_timer_set(
			l, &timers[i].timer, now - 1000000 + (seed >> 16) % 5000, on_timer));
	}
	/* Move a third, cancel a third, some twice. */
	for (size_t i = 0; i < 500; i++) {
		seed = seed * 1103515245u + 12345u;
		if (i % 3 == 0)
			assert_ok(loop_timer_set(l, &timers[i].timer,
				now - 1000000 + (seed >> 16) % 5000, on_timer));
		if (i % 3 == 1) {
			loop_timer_cancel(&timers[i].timer);
			loop_timer_cancel(&timers[i].timer);
			cancelled++;
		}
	}
	assert_ok(loop_round(l, 0));
	assert_int_equal(n, 500 - cancelled);
	for (size_t i = 1; i < n; i++)
		assert_true(order[i - 1] <= order[i]);
	assert_ok(loop_round(l, 0));
	assert_int_equal(n, 500 - cancelled);
}

TEST(a_round_waits_for_the_next_timer_and_not_longer)
{
	auto_freep(loop) struct loop *l = fresh();
	struct timer a = { .name = "a" };
	uint64_t start = clock_boot_ns(), took;

	assert_ok(loop_timer_set(l, &a.timer, start + 20 * NS_PER_MS, on_timer));
	while (!*calls)
		assert_ok(loop_round(l, 10000));
	took = clock_boot_ns() - start;
	assert_true(took >= 20 * NS_PER_MS && took < 5000 * NS_PER_MS);
	start = clock_boot_ns();
	assert_ok(loop_round(l, 15));
	assert_true(clock_boot_ns() - start >= 14 * NS_PER_MS);
}

/* Milliseconds until a timerfd of CLOCK_BOOTTIME among our fds rings; -1: there is none, 0: it is not set. */
static long alarm_ms(void)
{
	for (int fd = 0; fd < 64; fd++) {
		char path[64], text[512];
		unsigned long long s, ns;
		const char *at;
		ssize_t n;
		int info;

		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
		info = open(path, O_RDONLY | O_CLOEXEC);
		n = info < 0 ? 0 : read(info, text, sizeof(text) - 1);
		close(info);
		text[n > 0 ? n : 0] = '\0';
		if (!strstr(text, "clockid: 7\n"))
			continue;
		at = strstr(text, "it_value: (");
		assert_non_null(at);
		assert_int_equal(sscanf(at, "it_value: (%llu, %llu)", &s, &ns), 2);
		return (long)(s * 1000 + ns / NS_PER_MS);
	}
	return -1;
}

TEST(a_long_wait_is_ended_by_the_clock_that_goes_on_in_a_suspend)
{
	auto_freep(loop) struct loop *l = fresh();
	struct timer a = { .name = "a" }, b = { .name = "b" }, c = { .name = "c" };
	uint64_t start = clock_boot_ns();

	assert_ok(loop_timer_set(l, &a.timer, start + 20 * NS_PER_MS, on_timer));
	while (!*calls)
		assert_ok(loop_round(l, 10000));
	assert_int_equal(alarm_ms(), -1); /* a short wait needs none */

	assert_ok(loop_timer_set(l, &b.timer, start + 3600 * NS_PER_SEC, on_timer));
	assert_ok(loop_round(l, 1));
	assert_int_equal(alarm_ms(), -1); /* nor does one that its caller bounds */
	start = clock_boot_ns();
	assert_ok(loop_timer_set(l, &c.timer, start + 2000 * NS_PER_MS, on_timer));
	while (strlen(calls) < 2) {
		assert_ok(loop_round(l, -1));
		assert_true(alarm_ms() >= 0 && alarm_ms() <= 2000);
	}
	assert_string_equal(calls, "ac");
	assert_true(clock_boot_ns() - start >= 2000 * NS_PER_MS);
}

static void on_timer_again(struct loop_timer *t)
{
	note("t");
	assert_ok(loop_timer_set(t->loop ? t->loop : reuse->l, t, 1, on_timer_again));
}

TEST(a_timer_that_sets_itself_again_does_not_hold_the_round)
{
	auto_freep(loop) struct loop *l = fresh();
	struct reuse r = { .l = l };
	struct timer a = { 0 };

	reuse = &r;
	assert_ok(loop_timer_set(l, &a.timer, 1, on_timer_again));
	assert_ok(loop_round(l, 10000));
	assert_string_equal(calls, "t");
	assert_ok(loop_round(l, 10000));
	assert_string_equal(calls, "tt");
}

static struct timer *other_timer;

static void on_timer_cancel_other(struct loop_timer *t)
{
	(void)t;
	note("c");
	loop_timer_cancel(&other_timer->timer);
}

TEST(a_timer_that_is_cancelled_when_due_does_not_run)
{
	auto_freep(loop) struct loop *l = fresh();
	struct timer a = { 0 }, b = { .name = "b" };

	other_timer = &b;
	assert_ok(loop_timer_set(l, &a.timer, 1, on_timer_cancel_other));
	assert_ok(loop_timer_set(l, &b.timer, 2, on_timer));
	assert_ok(loop_round(l, 0));
	assert_string_equal(calls, "c");
}

struct call {
	struct loop_deferred d;
	const char *name;
	struct loop *l;
	struct call *next, *cancel;
	bool release;
};

static void on_deferred(struct loop_deferred *d)
{
	struct call *me = container_of(d, struct call, d);

	note(me->name);
	if (me->next)
		loop_defer(me->l, &me->next->d, on_deferred);
	if (me->cancel)
		loop_defer_cancel(&me->cancel->d);
	if (me->release)
		free(me);
}

TEST(deferred_calls_run_once_and_in_order)
{
	auto_freep(loop) struct loop *l = fresh();
	struct call a = { .name = "a" }, b = { .name = "b" }, c = { .name = "c" },
		    *heap = calloc(1, sizeof(*heap));

	heap->name = "h";
	heap->release = true;
	loop_defer(l, &a.d, on_deferred);
	loop_defer(l, &b.d, on_deferred);
	loop_defer(l, &heap->d, on_deferred);
	loop_defer(l, &a.d, on_deferred);
	loop_defer(l, &c.d, on_deferred);
	loop_defer_cancel(&b.d);
	loop_defer_cancel(&b.d);
	loop_defer_cancel(&c.d);
	loop_defer(l, &b.d, on_deferred);
	assert_ok(loop_round(l, 10000));
	assert_string_equal(calls, "ahb");
	assert_ok(loop_round(l, 0));
	assert_string_equal(calls, "ahb");
}

TEST(what_a_deferred_call_defers_comes_next_round_at_once)
{
	auto_freep(loop) struct loop *l = fresh();
	struct call b = { .name = "b", .l = l }, a = { .name = "a", .l = l, .next = &b };

	b.next = &a;
	loop_defer(l, &a.d, on_deferred);
	assert_ok(loop_round(l, 10000));
	assert_string_equal(calls, "a");
	assert_ok(loop_round(l, 10000));
	assert_string_equal(calls, "ab");
	loop_defer_cancel(&a.d);
	assert_ok(loop_round(l, 0));
	assert_string_equal(calls, "ab");
}

TEST(a_deferred_call_can_cancel_a_later_one)
{
	auto_freep(loop) struct loop *l = fresh();
	struct call b = { .name = "b" }, a = { .name = "a", .cancel = &b }, c = { .name = "c" };

	loop_defer(l, &a.d, on_deferred);
	loop_defer(l, &b.d, on_deferred);
	loop_defer(l, &c.d, on_deferred);
	assert_ok(loop_round(l, 0));
	assert_string_equal(calls, "ac");
	assert_null(b.d.loop);
}

static void on_stop(struct loop_deferred *d)
{
	struct call *me = container_of(d, struct call, d);

	note("s");
	loop_stop(me->l, 42);
}

static void on_quiet(void *arg, int fd, int timeout_ms)
{
	note("quiet ");
	loop_stop(arg, 7);
}

TEST(quiet_is_told_once_after_each_event)
{
	auto_freep(loop) struct loop *l = fresh();
	struct source s = { .name = "fd ", .drain = true };
	auto_close int fd = ready_fd();
	uint64_t one = 1;

	if (is_brief())
		return; /* it has no quiet moments */

	assert_ok(loop_fd_add(l, &s.fd, fd, EPOLLIN, on_fd));
	loop_on_quiet(l, 1, on_quiet, l);
	assert_int_equal(loop_run(l), 7);
	assert_string_equal(calls, "fd quiet ");
	assert_ok(loop_round(l, 3)); /* not again before something came */
	assert_string_equal(calls, "fd quiet ");
	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
	assert_int_equal(loop_run(l), 7);
	assert_string_equal(calls, "fd quiet fd quiet ");
	loop_fd_remove(&s.fd);
}

TEST(a_timer_that_is_due_before_the_quiet_is_served_first)
{
	auto_freep(loop) struct loop *l = fresh();
	struct timer t = { .name = "timer " };

	if (is_brief())
		return; /* it has no quiet moments */

	loop_on_quiet(l, 300, on_quiet, l);
	assert_ok(loop_timer_set(l, &t.timer, clock_boot_ns() + NS_PER_MS, on_timer));
	while (!*calls)
		assert_ok(loop_round(l, -1));
	assert_string_equal(calls, "timer ");
	assert_int_equal(loop_run(l), 7);
	assert_string_equal(calls, "timer quiet ");
}

TEST(run_ends_with_the_code_of_stop)
{
	auto_freep(loop) struct loop *l = fresh();
	struct call a = { .l = l };

	loop_defer(l, &a.d, on_stop);
	assert_int_equal(loop_run(l), 42);
	loop_stop(l, 7);
	assert_int_equal(loop_run(l), 7);
	loop_free(NULL);
}

TEST(the_exit_of_a_child_is_an_event)
{
	auto_freep(loop) struct loop *l = fresh();
	struct source a = { .name = "exit" };
	pid_t pid = fork();
	int fd;

	if (pid == 0)
		_exit(3);
	fd = kernel_pidfd_open(pid, 0);
	assert_ok(loop_fd_add(l, &a.fd, fd, EPOLLIN, on_fd));
	while (!*calls)
		assert_ok(loop_round(l, 10000));
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	loop_fd_remove(&a.fd);
	close(fd);
}

TEST(a_loop_that_grows_keeps_its_sources_and_its_timer)
{
	auto_freep(loop) struct loop *l = fresh();
	static struct source many[50];
	struct timer t = { .name = "timer " };

	/* Long enough for the clock of its own. */
	assert_ok(loop_timer_set(l, &t.timer, clock_boot_ns() + 2000 * NS_PER_MS, on_timer));
	assert_ok(loop_round(l, 0));
	for (size_t i = 0; i < 50; i++) {
		many[i] = (struct source){ .name = "m", .drain = true };
		assert_ok(loop_fd_add(l, &many[i].fd, ready_fd(), EPOLLIN, on_fd));
		if (i == 20)
			assert_ok(loop_round(l, 0));
	}
	assert_ok(loop_round(l, 0));
	assert_int_equal(strlen(calls), 50);
	while (!strstr(calls, "timer"))
		assert_ok(loop_round(l, -1));
	for (size_t i = 0; i < 50; i++)
		loop_fd_close(&many[i].fd);
}

TEST(more_ready_fds_than_a_batch_holds_are_all_served)
{
	auto_freep(loop) struct loop *l = fresh();
	static struct source many[200];

	for (size_t i = 0; i < 200; i++) {
		many[i] = (struct source){ .name = "m", .drain = true };
		assert_ok(loop_fd_add(l, &many[i].fd, ready_fd(), EPOLLIN, on_fd));
	}
	for (int i = 0; i < 4; i++)
		assert_ok(loop_round(l, 0));
	assert_int_equal(strlen(calls), 200);
	for (size_t i = 0; i < 200; i++) {
		int fd = many[i].fd.fd;

		loop_fd_remove(&many[i].fd);
		close(fd);
	}
}
