/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker: started, started again when it dies, left alone when it leaves.
 *
 * It dies by our own faults or by somebody's hand. The first time it is started again at once, which its clients do not
 * notice; one that goes on dying is given time, but never given up while a container lives: that would be the container's
 * end. Only one that dies at once, again and again, with nothing to look after, is: it cannot do its work here.
 */
#include <asm/errno.h>
#include <asm/signal.h>
#include <linux/fcntl.h>
#include <linux/time.h>

#include "bare/guardian_impl.h"

#define AF_UNIX_ 1
#define SOCK_SEQPACKET_ 5
#define LIVED_LONG_NS (60000 * GUARDIAN_NS_PER_MS)
#define DIED_EARLY_NS (1000 * GUARDIAN_NS_PER_MS)
#define EARLY_DEATHS_MAX 5
#define NO_PROGRAM (127 << 8)

static uint64_t delay_ns(unsigned deaths)
{
	switch (deaths) {
	case 0:
	case 1:
		return 0;
	case 2:
		return 100 * GUARDIAN_NS_PER_MS;
	case 3:
		return 1000 * GUARDIAN_NS_PER_MS;
	default:
		return 5000 * GUARDIAN_NS_PER_MS;
	}
}

/* Our signals stay blocked: one that comes before it has opened its signalfd must not end it. */
__attribute__((noreturn)) static void become_worker(struct guardian *g, int end)
{
	uint64_t limit[2] = { g->files_soft, g->files_hard };

	if (g->files_hard)
		sys_call4(__NR_prlimit64, 0, 7 /* RLIMIT_NOFILE */, limit, NULL);
	if (guardian_go_home(g) < 0)
		guardian_leave(NO_PROGRAM >> 8);
	if ((end == GUARDIAN_FD ? sys_fcntl(end, F_SETFD, 0) : sys_dup3(end, GUARDIAN_FD, 0)) >= 0)
		sys_call5(__NR_execveat, g->program, "", g->argv, g->envp, SYS_AT_EMPTY_PATH);
	guardian_leave(NO_PROGRAM >> 8);
}

/* A copy of ourselves that becomes the worker: we are a few pages. */
static long fork_worker(struct guardian *g)
{
	int pair[2];
	long pid = sys_call4(__NR_socketpair, AF_UNIX_, SOCK_SEQPACKET_ | O_CLOEXEC, 0, pair);

	if (pid < 0)
		return pid;
	g->socket = pair[0];
	guardian_welcome(g);
	guardian_send(g);
	pid = sys_call5(__NR_clone, SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		become_worker(g, pair[1]);
	sys_close(pair[1]);
	if (pid < 0) {
		sys_close(pair[0]);
		g->socket = -1;
		g->sending = GUARDIAN_NOT_SENDING;
	}
	return pid;
}

/* There is no worker that could clean up. */
__attribute__((noreturn)) static void give_up(const struct guardian *g, int status)
{
	guardian_name_remove(g);
	guardian_leave(status);
}

static void died(struct guardian *g, int status)
{
	struct guardian_shared *s = g->shared;
	uint64_t now = guardian_clock_ns(CLOCK_BOOTTIME);
	uint64_t lived = now - g->started_ns;

	s->last_status = status;
	s->died_boot_ns = now;
	g->deaths = lived >= LIVED_LONG_NS ? 1 : g->deaths + 1;
	g->early_deaths = lived < DIED_EARLY_NS ? g->early_deaths + 1 : 0;
	if (g->early_deaths >= EARLY_DEATHS_MAX && !guardian_has_pids(g))
		give_up(g, 1);
	g->start_at_ns = now + delay_ns(g->deaths);
}

void guardian_worker_start(struct guardian *g)
{
	long pid;

	g->started_ns = guardian_clock_ns(CLOCK_BOOTTIME);
	g->shared->workers++;
	pid = fork_worker(g);
	if (pid < 0) {
		died(g, NO_PROGRAM);
		return;
	}
	g->worker = (int)pid;
	/* The first one is born in the bundle, which may be deleted while we live. */
	sys_call1(__NR_chdir, "/");
	g->shared->worker_pid = (int32_t)pid;
}

void guardian_worker_ended(struct guardian *g, int status)
{
	g->worker = 0;
	g->shared->worker_pid = 0;
	g->sending = GUARDIAN_NOT_SENDING;
	if (g->socket >= 0) {
		/* What it has sent counts. */
		while (guardian_receive(g) > 0)
			;
		sys_close(g->socket);
		g->socket = -1;
		g->sending = GUARDIAN_NOT_SENDING;
	}
	if (status == 0)
		guardian_leave(0); /* it has left on purpose: there is nothing more to do */
	if (status == GUARDIAN_STATUS_REST << 8 || status == GUARDIAN_STATUS_AGAIN << 8) {
		g->shared->last_status = status;
		g->shared->died_boot_ns = guardian_clock_ns(CLOCK_BOOTTIME);
		g->deaths = 0; /* it was fit to end on purpose */
		g->early_deaths = 0;
		g->rests = status == GUARDIAN_STATUS_REST << 8;
		g->rested |= g->rests;
		g->start_at_ns = 0;
		return;
	}
	died(g, status);
}

void guardian_worker_wanted(struct guardian *g)
{
	g->rests = 0;
	g->start_at_ns = 0;
}

/* What is meant for the shim comes to us, for ours is the pid that is known. */
void guardian_worker_signal(struct guardian *g, int sig)
{
	if (g->worker)
		sys_call2(__NR_kill, g->worker, sig);
	/* At rest with containers it goes on, also if it is called in this moment. */
	else if (sig != SIGUSR1 && !(g->rested && guardian_has_pids(g)))
		give_up(g, 0);
}
