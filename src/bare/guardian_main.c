/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reeve-guardian: parent of the processes of containers, keeper of the fds that must outlive the worker.
 *
 * It does as little as possible, so that it has no reason to die: it allocates nothing, decides nothing about containers,
 * never waits for the worker, and what it reads are messages of one size. It starts the worker, which is the program that
 * came with it, and starts it again when it dies.
 *
 * What surprises: it is started with the worker's arguments and looks like it in a list of processes. To whoever looks for
 * the shim it is the shim: killing it ends everything.
 */
#include <asm/errno.h>
#include <asm/poll.h>
#include <asm/signal.h>
#include <linux/fcntl.h>
#include <linux/memfd.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/time.h>
#include <linux/time_types.h>

#include "bare/guardian_impl.h"

#define SFD_FLAGS (O_CLOEXEC | O_NONBLOCK)
#define EFD_FLAGS (O_CLOEXEC | O_NONBLOCK)
#define BIT_OF(sig) (1ull << ((sig)-1))
/* A worker that has just begun to read takes its fds at once. */
#define SEND_AGAIN_NS GUARDIAN_NS_PER_MS
/* It says when the ring has room again; this is for one that died before it could. */
#define WAITING_AGAIN_NS (100 * GUARDIAN_NS_PER_MS)

static struct guardian the_guardian; /* zero pages until touched */

void guardian_leave(int status)
{
	for (;;)
		sys_call1(__NR_exit_group, status);
}

uint64_t guardian_clock_ns(int clock)
{
	struct __kernel_timespec t = { 0, 0 };

	sys_call2(__NR_clock_gettime, clock, &t);
	return (uint64_t)t.tv_sec * 1000 * GUARDIAN_NS_PER_MS + (uint64_t)t.tv_nsec;
}

/* ---- beginning ---- */

/* Memory that nobody can make shorter under the other's feet. */
static long share_memory(struct guardian *g)
{
	long fd = sys_call2(__NR_memfd_create, "reeve-guardian", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	long r;

	if (fd < 0)
		return fd;
	r = sys_call2(__NR_ftruncate, fd, sizeof(*g->shared));
	if (r < 0)
		return r;
	r = sys_fcntl((int)fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	if (r < 0)
		return r;
	r = sys_call6(__NR_mmap, 0, sizeof(*g->shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (r < 0)
		return r;
	g->memory = (int)fd;
	g->shared = (struct guardian_shared *)r;
	g->shared->magic = GUARDIAN_MAGIC;
	g->shared->version = GUARDIAN_VERSION;
	g->shared->guardian_pid = (int32_t)sys_call0(__NR_getpid);
	return 0;
}

static long watch_signals(struct guardian *g)
{
	uint64_t set = BIT_OF(SIGCHLD) | BIT_OF(SIGTERM) | BIT_OF(SIGINT) | BIT_OF(SIGUSR1);
	long r = sys_call4(__NR_rt_sigprocmask, SIG_SETMASK, &set, NULL, sizeof(set));

	if (r < 0)
		return r;
	r = sys_call4(__NR_signalfd4, -1, &set, sizeof(set), SFD_FLAGS);
	g->signals = (int)r;
	return r;
}

/* Every stored fd is one of ours; the worker is to have the limit that we were given. */
static void raise_file_limit(struct guardian *g)
{
	uint64_t limit[2] = { 0, 0 };

	if (sys_call4(__NR_prlimit64, 0, 7 /* RLIMIT_NOFILE */, NULL, limit) < 0)
		return;
	g->files_soft = limit[0];
	g->files_hard = limit[1];
	limit[0] = limit[1];
	sys_call4(__NR_prlimit64, 0, 7, limit, NULL);
}

static long begin(struct guardian *g)
{
	long r;

	g->socket = -1;
	g->sending = GUARDIAN_NOT_SENDING;
	g->pidfds_have_inodes = -1;
	g->program = GUARDIAN_PROGRAM_FD;
	guardian_name_learn(g);
	sys_call2(__NR_prctl, PR_SET_NAME, "reeve-guardian");
	r = sys_fcntl(GUARDIAN_PROGRAM_FD, F_SETFD, FD_CLOEXEC);
	if (r == 0)
		r = sys_fcntl(GUARDIAN_LISTENER_FD, F_SETFD, FD_CLOEXEC);
	if (r == 0)
		r = sys_call5(__NR_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	if (r == 0)
		r = share_memory(g);
	if (r == 0)
		r = guardian_store(g, GUARDIAN_LISTENER_NAME, GUARDIAN_LISTENER_FD);
	if (r < 0)
		return r;
	r = sys_call2(__NR_eventfd2, 0, EFD_FLAGS);
	if (r < 0)
		return r;
	g->wake = (int)r;
	raise_file_limit(g);
	return watch_signals(g);
}

/* ---- the loop ---- */

struct signal_info {
	uint32_t signo;
	uint8_t rest[124];
};

/* True when children may have ended. */
static int take_signals(struct guardian *g)
{
	struct signal_info s;
	int children = 0;

	while (sys_read(g->signals, &s, sizeof(s)) == sizeof(s)) {
		if (s.signo == SIGCHLD)
			children = 1;
		else
			guardian_worker_signal(g, (int)s.signo);
	}
	return children;
}

/* How long the loop may sleep; < 0: until something happens. */
static int64_t sleep_ns(const struct guardian *g, int full)
{
	uint64_t now;

	if (!g->worker && !g->rests) {
		now = guardian_clock_ns(CLOCK_BOOTTIME);
		return g->start_at_ns > now ? (int64_t)(g->start_at_ns - now) : 0;
	}
	if (full)
		return SEND_AGAIN_NS;
	return g->shared->waiting ? (int64_t)WAITING_AGAIN_NS : -1;
}

static void sleep(struct guardian *g, int full, struct pollfd p[3])
{
	int64_t ns = sleep_ns(g, full);
	struct __kernel_timespec t = { ns / 1000000000, ns % 1000000000 };

	p[0] = (struct pollfd){ g->signals, POLLIN, 0 };
	/* While it is being greeted it has nothing to say that could not wait. */
	p[1] = (struct pollfd){ full ? -1 : g->socket, POLLIN, 0 };
	p[2] = (struct pollfd){ g->rests ? guardian_stored(g, GUARDIAN_LISTENER_NAME) : -1, POLLIN,
		0 };
	sys_call5(__NR_ppoll, p, 3, ns < 0 ? NULL : &t, NULL, 0);
}

__attribute__((noreturn)) static void run(struct guardian *g)
{
	struct pollfd p[3];
	int children = 0;
	int full;

	for (;;) {
		if (children || g->shared->waiting)
			guardian_reap(g);
		if (!g->worker && !g->rests && guardian_clock_ns(CLOCK_BOOTTIME) >= g->start_at_ns)
			guardian_worker_start(g);
		full = guardian_send(g);
		sleep(g, full, p);
		if (p[1].revents && g->socket >= 0 && guardian_receive(g) < 0) {
			/* Closed by a worker that lives on, or dies in this moment: nothing more comes. */
			sys_close(g->socket);
			g->socket = -1;
		}
		if (p[2].revents)
			guardian_worker_wanted(g);
		children = take_signals(g);
	}
}

__attribute__((noreturn, used)) void guardian_begin(long *stack);

__attribute__((noreturn, used)) void guardian_begin(long *stack)
{
	struct guardian *g = &the_guardian;

	g->argv = (char **)(stack + 1);
	g->envp = g->argv + stack[0] + 1;
	if (begin(g) < 0)
		guardian_leave(1);
	run(g);
}

#if defined(__x86_64__)
__asm__(".globl _start\n"
	"_start:\n"
	"	xor %ebp, %ebp\n"
	"	mov %rsp, %rdi\n"
	"	and $-16, %rsp\n"
	"	call guardian_begin\n"
	"	ud2\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n"
	"_start:\n"
	"	mov x29, #0\n"
	"	mov x0, sp\n"
	"	and sp, x0, #-16\n"
	"	bl guardian_begin\n"
	"	brk #0\n");
#endif
