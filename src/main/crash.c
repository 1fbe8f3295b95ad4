/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What surprises: the stack is unwound by the tables for exceptions, which are in every program, for there are no frame
 * pointers. The handler is reset when it runs: a second fault in it ends the process at once, and what was written
 * before stays. Standard error may be a pipe that nobody reads, which may be why the watchdog came: a timer ends what
 * waits there.
 */
#include "main/crash.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>
#include <unwind.h>

#include "config.h"

#define FRAMES_MAX 64
#define STACK_BYTES (64u << 10)
#define LINES_BYTES 4096
#define WRITE_SECONDS 2

extern const char __executable_start[];

static char file[4096];
static char program[64];

/* Lines that are put together in place. */
struct lines {
	char text[LINES_BYTES];
	size_t len;
	unsigned int frames;
};

static void add(struct lines *l, const char *s)
{
	while (*s && l->len < sizeof(l->text))
		l->text[l->len++] = *s++;
}

static void add_number(struct lines *l, uint64_t n, unsigned int base)
{
	char digits[24];
	size_t i = sizeof(digits) - 1;

	digits[i] = '\0';
	do
		digits[--i] = "0123456789abcdef"[n % base];
	while (n /= base);
	add(l, base == 16 ? "0x" : "");
	add(l, digits + i);
}

static _Unwind_Reason_Code add_frame(struct _Unwind_Context *context, void *arg)
{
	struct lines *l = arg;
	int before = 0;
	uintptr_t ip = _Unwind_GetIPInfo(context, &before);

	if (!ip || l->frames++ >= FRAMES_MAX)
		return _URC_END_OF_STACK;
	/* A return address is behind the call; that of the fault is the fault. */
	ip -= before ? 0 : 1;
	add(l, program);
	add(l, "+");
	add_number(l, ip - (uintptr_t)__executable_start, 16);
	add(l, "\n");
	return _URC_NO_REASON;
}

static void put(int fd, const struct lines *l)
{
	size_t done = 0;

	while (done < l->len) {
		ssize_t n = write(fd, l->text + done, l->len - done);

		if (n <= 0)
			return;
		done += (size_t)n;
	}
}

/* What comes now takes no longer than this, or SIGALRM ends the process. */
static void end_in_time(void)
{
	const struct itimerval when = { .it_value.tv_sec = WRITE_SECONDS };
	const struct sigaction end = { .sa_handler = SIG_DFL };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	(void)sigaction(SIGALRM, &end, NULL);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
	(void)setitimer(ITIMER_REAL, &when, NULL);
}

static void on_crash(int number, siginfo_t *info, void *context)
{
	static struct lines l;
	int fd;

	end_in_time();
	add(&l, program);
	add(&l, " " REEVE_VERSION " " REEVE_COMMIT ": signal ");
	add_number(&l, (uint64_t)number, 10);
	if (info->si_code == SI_TIMER) {
		add(&l, ": it was stuck");
	} else if (info->si_code > 0) {
		add(&l, " at ");
		add_number(&l, (uint64_t)(uintptr_t)info->si_addr, 16);
	}
	add(&l, "\n");
	_Unwind_Backtrace(add_frame, &l);
	fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0) {
		put(fd, &l);
		close(fd);
	}
	put(STDERR_FILENO, &l);
	/* Reset when we came here; it is delivered when this returns. */
	raise(number);
}

int crash_catch(const char *name, const char *path, struct err *err)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
	struct sigaction action = { .sa_sigaction = on_crash,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | (int)SA_RESETHAND };
	stack_t stack = { .ss_size = STACK_BYTES };

	if (strlen(path) >= sizeof(file) || strlen(name) >= sizeof(program))
		return err_set(err, -ENAMETOOLONG, "'%s' is too long", path);
	strncpy(file, path, sizeof(file) - 1);
	strncpy(program, name, sizeof(program) - 1);
	stack.ss_sp = mmap(
		NULL, stack.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (stack.ss_sp == MAP_FAILED || sigaltstack(&stack, NULL) < 0)
		return err_sys(err, "make a stack for crashes");
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		if (sigaction(signals[i], &action, NULL) < 0)
			return err_sys(err, "catch crashes");
	return 0;
}
