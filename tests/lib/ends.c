/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ends HOW NUMBER: a process that ends in one of the ways there are: what its parent is told of it is compared with what a
 * parent of ours is told. The leader of a process is its first thread; without it the process lives on.
 */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static int number;

static void die_by(int sig)
{
	struct sigaction usual = { .sa_handler = SIG_DFL };
	sigset_t all;

	sigaction(sig, &usual, NULL);
	sigfillset(&all);
	sigprocmask(SIG_UNBLOCK, &all, NULL);
	kill(getpid(), sig);
	/* Another thread may be the one that takes it. */
	for (;;)
		pause();
}

static void exits(void)
{
	_exit(number);
}

static void signals(void)
{
	die_by(number);
}

static void dumps(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_CORE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_CORE, &limit);
	die_by(number);
}

static void faults(void)
{
	*(volatile int *)(uintptr_t)number = 1;
}

/* ---- with a second thread ---- */

static void await_leaders_end(void)
{
	char path[64], text[256] = "", *state;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", getpid());
	do {
		f = fopen(path, "re");
		if (f && !fgets(text, sizeof(text), f))
			text[0] = '\0';
		if (f)
			fclose(f);
		state = strrchr(text, ')');
	} while (!state || strncmp(state, ") Z", 3) != 0);
}

static void *group_ends(void *arg)
{
	await_leaders_end();
	_exit(number);
	return arg;
}

static void *thread_ends(void *arg)
{
	await_leaders_end();
	syscall(SYS_exit, number);
	return arg;
}

static void *thread_signals(void *arg)
{
	await_leaders_end();
	die_by(number);
	return arg;
}

static void *thread_executes(void *arg)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", number);
	execl("/proc/self/exe", "ends", "exit", text, NULL);
	_exit(255);
	return arg;
}

static void begin(void *(*fn)(void *))
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, fn, NULL) != 0)
		_exit(255);
}

static void leader_then_group(void)
{
	begin(group_ends);
	syscall(SYS_exit, 99);
}

static void leader_then_thread(void)
{
	begin(thread_ends);
	syscall(SYS_exit, 99);
}

static void leader_then_signal(void)
{
	begin(thread_signals);
	syscall(SYS_exit, 99);
}

static void thread_becomes(void)
{
	begin(thread_executes);
	for (;;)
		pause();
}

static const struct {
	const char *name;
	void (*fn)(void);
} ways[] = {
	{ "exit", exits },
	{ "signal", signals },
	{ "core", dumps },
	{ "fault", faults },
	{ "leader-then-group", leader_then_group },
	{ "leader-then-thread", leader_then_thread },
	{ "leader-then-signal", leader_then_signal },
	{ "thread-executes", thread_becomes },
};

int main(int argc, char **argv)
{
	if (argc == 3) {
		number = (int)strtol(argv[2], NULL, 10);
		for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
			if (strcmp(argv[1], ways[i].name) == 0)
				ways[i].fn();
	}
	fprintf(stderr, "usage: ends HOW NUMBER\n");
	return 254;
}
