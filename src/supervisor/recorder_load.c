/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The helper's end as a process is what is waited for; its answer is in the socket by then. If the map can be
 * opened the recorder is on, whatever the helper says: one that may not load any more has perhaps loaded it before.
 */
#include "supervisor/recorder_load.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/kernel.h"
#include "container/helper_run.h"
#include "exit/recorder_map.h"

#define PATIENCE_NS (10 * NS_PER_SEC)

struct recorder_load {
	struct loop *loop;
	struct reaper reaper;
	struct recorder_load_order order;
	char *dir;
	int sock, said; /* its standard error */
	struct reaper_watch watch;
	bool watched;
	bool late;
	bool taken; /* its result */
	struct loop_timer patience;
	struct loop_deferred release;
};

static void read_answer(struct recorder_load *r)
{
	struct recorder_news n = { 0 };
	struct err silent;
	ssize_t size = fd_recv(r->sock, &n, sizeof(n), NULL, NULL, MSG_DONTWAIT);

	n.text[sizeof(n.text) - 1] = '\0';
	if (size == (ssize_t)sizeof(n) && n.code < 0)
		exit_recorder_set_off(r->order.into, n.text);
	if (size == (ssize_t)sizeof(n))
		return;
	helper_silent(r->said, &silent);
	exit_recorder_set_off(r->order.into,
		r->late ? "reeve-helper did not load it within 10 seconds" : silent.text);
}

/* Once: the answer can be read only once. */
static void take_result(struct recorder_load *r)
{
	if (r->taken)
		return;
	r->taken = true;
	exit_recorder_open(r->order.into, r->dir);
	if (!exit_recorder_is_on(r->order.into))
		read_answer(r);
}

static void on_exit_(struct reaper_watch *w, int wait_status)
{
	struct recorder_load *r = container_of(w, struct recorder_load, watch);

	(void)wait_status;
	r->watched = false;
	loop_timer_cancel(&r->patience);
	take_result(r);
	r->order.done(r->order.arg);
}

static void on_patience(struct loop_timer *t)
{
	struct recorder_load *r = container_of(t, struct recorder_load, patience);

	r->late = true;
	kernel_pidfd_send_signal(r->watch.pidfd, SIGKILL, NULL, 0);
}

static int spawn(struct recorder_load *r, int sock, struct err *err)
{
	auto_done(helper_words) struct helper_words words = { 0 };
	int code;

	helper_words_add(&words, "dir", "%s", r->dir);
	if (r->order.entries)
		helper_words_add(&words, "entries", "%u", r->order.entries);
	code = helper_spawn("it is loaded by", "recorder", &words, sock, false, &r->watch.pid,
		&r->watch.pidfd, &r->said, err);
	if (code < 0)
		return code;
	r->watch.fn = on_exit_;
	code = r->reaper.watch(r->reaper.arg, &r->watch);
	r->watched = code == 0;
	if (code == 0)
		code = loop_timer_set(
			r->loop, &r->patience, clock_boot_ns() + PATIENCE_NS, on_patience);
	return code < 0 ? err_code(err, code, "watch reeve-helper") : 0;
}

static int start(struct recorder_load *r, struct err *err)
{
	auto_close int theirs = -EBADF;
	int pair[2];

	r->dir = strdup(r->order.dir);
	if (!r->dir)
		return err_oom(err);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, "make a socket for reeve-helper");
	r->sock = pair[0];
	theirs = pair[1];
	return spawn(r, theirs, err);
}

int recorder_load_start(struct loop *l, const struct reaper *reaper,
	const struct recorder_load_order *o, struct recorder_load **ret, struct err *err)
{
	auto_freep(recorder_load) struct recorder_load *r = mem_calloc(1, sizeof(*r));
	struct err e = { 0 };
	int code;

	if (!r)
		return err_oom(err);
	r->loop = l;
	r->reaper = *reaper;
	r->order = *o;
	r->sock = r->said = r->watch.pidfd = -EBADF;
	*o->into = EXIT_RECORDER_NULL;
	code = start(r, &e);
	if (code < 0) {
		exit_recorder_set_off(o->into, e.text);
		return err_set(err, code, "%s", e.text);
	}
	*ret = take_ptr(r);
	return 0;
}

bool recorder_load_await(struct recorder_load *r, int timeout_ms)
{
	struct pollfd p = { .fd = r->watch.pidfd, .events = POLLIN };

	if (poll(&p, 1, timeout_ms) != 1)
		return false;
	take_result(r);
	return true;
}

static void release(struct loop_deferred *d)
{
	struct recorder_load *r = container_of(d, struct recorder_load, release);

	fd_close(r->watch.pidfd);
	fd_close(r->sock);
	fd_close(r->said);
	free(r->dir);
	free(r);
}

void recorder_load_free(struct recorder_load *r)
{
	siginfo_t info;

	if (!r)
		return;
	loop_timer_cancel(&r->patience);
	if (r->watched) {
		r->watched = false;
		kernel_pidfd_send_signal(r->watch.pidfd, SIGKILL, NULL, 0);
		r->reaper.unwatch(r->reaper.arg, &r->watch);
		if (r->reaper.own)
			waitid(P_PID, (id_t)r->watch.pid, &info, WEXITED);
	}
	loop_defer(r->loop, &r->release, release);
}
