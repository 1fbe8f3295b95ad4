/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "container/wait_until.h"

struct probe {
	struct wait_until w;
	int looks, true_at; /* so at the n-th look; 0: never */
	int fails_at;
	int calls, code;
};

static int look(struct wait_until *w, struct err *err)
{
	struct probe *p = container_of(w, struct probe, w);

	if (++p->looks == p->fails_at)
		return err_set(err, -ENODEV, "it has gone");
	return p->true_at && p->looks >= p->true_at;
}

static void done(struct wait_until *w, const struct err *err)
{
	struct probe *p = container_of(w, struct probe, w);

	p->calls++;
	p->code = err ? err->code : 0;
}

static struct probe probe(int true_at, int fd, uint64_t patience_ms)
{
	return (struct probe){ .true_at = true_at,
		.w = { .look = look,
			.done = done,
			.fd = fd,
			.events = EPOLLIN,
			.deadline_ns = clock_boot_ns() + patience_ms * NS_PER_MS,
			.retry_ns = NS_PER_MS,
			.retry_max_ns = 4 * NS_PER_MS } };
}

static struct loop *fresh(void)
{
	struct loop *l = NULL;

	assert_ok(loop_new(&l));
	return l;
}

static void run(struct loop *l, struct probe *p)
{
	struct err err = { 0 };

	assert_ok(wait_until_start(l, &p->w, &err));
	assert_int_equal(p->calls, 0); /* never within the call */
	while (!p->calls)
		assert_ok(loop_round(l, 10000));
	assert_ok(loop_round(l, 0));
	assert_int_equal(p->calls, 1);
}

TEST(what_is_so_already_is_told_from_the_loop)
{
	auto_freep(loop) struct loop *l = fresh();
	struct probe p = probe(1, -EBADF, 1000);

	run(l, &p);
	assert_int_equal(p.code, 0);
	assert_int_equal(p.looks, 1);
}

TEST(without_news_it_looks_again_after_growing_pauses)
{
	auto_freep(loop) struct loop *l = fresh();
	struct probe p = probe(6, -EBADF, 60000);
	uint64_t start = clock_boot_ns();

	run(l, &p);
	assert_int_equal(p.code, 0);
	assert_int_equal(p.looks, 6);
	assert_true(clock_boot_ns() - start >= (1 + 2 + 4 + 4 + 4) * NS_PER_MS);
}

TEST(with_news_it_looks_when_they_come)
{
	auto_freep(loop) struct loop *l = fresh();
	int fd = eventfd(0, EFD_CLOEXEC);
	struct probe p = probe(2, fd, 60000);
	struct err err = { 0 };

	assert_ok(wait_until_start(l, &p.w, &err));
	assert_ok(loop_round(l, 20));
	assert_int_equal(p.looks, 1); /* no timer runs */
	assert_int_equal(eventfd_write(fd, 1), 0);
	while (!p.calls)
		assert_ok(loop_round(l, 10000));
	assert_int_equal(p.looks, 2);
	assert_int_equal(p.code, 0);
	assert_ok(loop_round(l, 0)); /* the fd is still readable, and nobody's */
	assert_int_equal(p.calls, 1);
	close(fd);
}

TEST(it_ends_at_the_deadline)
{
	auto_freep(loop) struct loop *l = fresh();
	int fd = eventfd(0, EFD_CLOEXEC);
	struct probe p = probe(0, -EBADF, 20), late = probe(0, -EBADF, 0), q;

	run(l, &p);
	assert_int_equal(p.code, -ETIMEDOUT);
	q = probe(0, fd, 200);
	run(l, &q);
	assert_int_equal(q.code, -ETIMEDOUT);
	assert_int_equal(q.looks, 2);
	run(l, &late);
	assert_int_equal(late.code, -ETIMEDOUT);
	close(fd);
}

TEST(a_failure_ends_it)
{
	auto_freep(loop) struct loop *l = fresh();
	struct probe p = probe(0, -EBADF, 60000);

	p.fails_at = 3;
	run(l, &p);
	assert_int_equal(p.code, -ENODEV);
}

TEST(who_stops_it_hears_nothing)
{
	auto_freep(loop) struct loop *l = fresh();
	struct probe p = probe(0, -EBADF, 60000), q = probe(1, -EBADF, 60000), zero = { 0 };
	struct err err = { 0 };

	wait_until_stop(&zero.w);
	assert_ok(wait_until_start(l, &p.w, &err));
	assert_ok(wait_until_start(l, &q.w, &err));
	wait_until_stop(&p.w);
	wait_until_stop(&q.w); /* its end was queued */
	wait_until_stop(&q.w);
	assert_ok(loop_round(l, 20));
	assert_int_equal(p.calls + q.calls, 0);
}
