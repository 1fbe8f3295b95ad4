/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The watchdog is a timer of the kernel that the loop puts off again and again. A loop that is stuck does not, and
 * SIGABRT finds it where it is stuck: the backtrace shows that place. systemd's own watchdog would end the front,
 * which it takes for the service, and not the worker.
 */
#include "main/reeved_service.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/service.h"
#include "settings/restarts.h"

#define LISTENERS_MAX 8

void reeved_service_log(const struct settings *s, struct log *ret)
{
	bool journal = service_is_journal(getenv("JOURNAL_STREAM"), STDERR_FILENO);

	*ret = (struct log){ .fd = STDERR_FILENO, .format = LOG_LOGRUS, .priorities = journal };
	(void)log_level_parse(s->log_level, &ret->level);
	if (str_eq(s->log_format, "json"))
		ret->format = LOG_JSON;
	else if (journal)
		ret->format = LOG_PLAIN; /* it knows the time */
	log_no_wait(ret);
}

/* ---- sockets ---- */

static int know_socket(const struct settings *s, int fd, int *api, int *events)
{
	if (*api < 0 && service_listens_at(fd, s->address))
		*api = fd;
	else if (*events < 0 && service_listens_at(fd, s->ttrpc_address))
		*events = fd;
	else
		return -EINVAL;
	return 0;
}

int reeved_service_listeners(
	const struct settings *s, int *ret_api, int *ret_events, struct err *err)
{
	int fds[LISTENERS_MAX], api = -EBADF, events = -EBADF;
	size_t n = 0;
	int r = service_take_fds(
		getenv("LISTEN_PID"), getenv("LISTEN_FDS"), fds, LISTENERS_MAX, &n);

	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (r < 0)
		return err_code(err, r, "take the %zu sockets that were passed", n);
	for (size_t i = 0; i < n; i++) {
		if (know_socket(s, fds[i], &api, &events) == 0)
			continue;
		fd_close_all(fds, n);
		return err_set(err, -EINVAL,
			"socket %zu of those that were passed listens neither at '%s' nor at '%s'",
			i + 1, s->address, s->ttrpc_address);
	}
	*ret_api = api;
	*ret_events = events;
	return 0;
}

/* ---- watchdog ---- */

static void put_off(struct reeved_service *v)
{
	struct itimerspec when = { .it_value = { (time_t)(v->stuck_ns / NS_PER_SEC),
					   (long)(v->stuck_ns % NS_PER_SEC) } };

	if (v->has_stuck)
		(void)timer_settime(v->stuck, 0, &when, NULL);
}

static void on_beat(struct loop_timer *t)
{
	struct reeved_service *v = container_of(t, struct reeved_service, beat);

	put_off(v);
	if (v->alive)
		v->alive(v->arg);
	(void)loop_timer_set(v->loop, t, clock_boot_ns() + v->beat_ns, on_beat);
}

/* Of the time while the machine runs: a machine that was suspended is not stuck. */
static int make_stuck_timer(struct reeved_service *v, struct err *err)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGABRT };

	if (timer_create(CLOCK_MONOTONIC, &event, &v->stuck) < 0)
		return err_sys(err, "make a timer for the watchdog");
	v->has_stuck = true;
	put_off(v);
	return 0;
}

int reeved_service_watch(struct reeved_service *v, struct loop *l, const struct settings *s,
	void (*alive)(void *arg), void *arg, struct err *err)
{
	uint64_t theirs = service_watchdog_ns(getenv("WATCHDOG_USEC"), NULL);
	int r = 0;

	*v = (struct reeved_service){ .loop = l,
		.alive = theirs > 0 ? alive : NULL,
		.arg = arg,
		.stuck_ns = (uint64_t)s->watchdog_seconds * NS_PER_SEC };
	v->beat_ns = theirs / 3;
	if (v->stuck_ns > 0 && (v->beat_ns == 0 || v->stuck_ns / 3 < v->beat_ns))
		v->beat_ns = v->stuck_ns / 3;
	if (v->stuck_ns > 0)
		r = make_stuck_timer(v, err);
	if (r == 0 && v->beat_ns > 0)
		r = loop_timer_set(l, &v->beat, clock_boot_ns() + v->beat_ns, on_beat);
	return r;
}

void reeved_service_done(struct reeved_service *v)
{
	if (v->has_stuck)
		(void)timer_delete(v->stuck);
	v->has_stuck = false;
	loop_timer_cancel(&v->beat);
}

/* ---- restarts ---- */

void reeved_service_note_end(int state, struct log *log, uint32_t number, int wait_status)
{
	bool killed = WIFSIGNALED(wait_status);
	struct err err;
	char reason[64];

	if (killed)
		snprintf(reason, sizeof(reason), "was killed by signal %d", WTERMSIG(wait_status));
	else
		snprintf(reason, sizeof(reason), "ended with status %d", WEXITSTATUS(wait_status));
	if (restarts_note(state, number, number > 0 ? reason : NULL, &err) < 0)
		log_write(log, LOG_WARN_, "how the one before ended is not written down: %s",
			err.text);
}

void reeved_service_guardian_is(int state, struct log *log, const char *process)
{
	struct err err;
	bool gone = false;

	if (restarts_guardian_is(state, process, &gone, &err) < 0)
		log_write(log, LOG_WARN_, "which guardian there is is not written down: %s",
			err.text);
	if (gone)
		log_write(log, LOG_WARN_,
			"the guardian before is gone, and its worker with it: what it has left is "
			"taken over");
}

void reeved_service_guardian_was(int state, struct log *log, const char *process, bool ordered)
{
	struct err err;

	if (restarts_guardian_was(state, process, ordered ? NULL : "was killed", &err) < 0)
		log_write(log, LOG_WARN_, "the guardian's end is not written down: %s", err.text);
}
