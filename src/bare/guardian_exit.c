/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From zombie to record. A zombie is looked at before it is reaped: as long as it is one, its pid and its pidfd are its
 * own. Then it is reaped, and only then the record is published, for the pidfd tells the exit to others from then on.
 *
 * What surprises: of a process that is not registered the record does not wake the worker. While something is being
 * started everything is recorded, also the executor's first half, whose end means nothing; the worker looks by itself
 * when it registers a pid.
 */
#include <asm/errno.h>
#include <asm/statfs.h>
#include <linux/stat.h>
#include <linux/time.h>

#include "bare/guardian_impl.h"

#define P_ALL_ 0
#define P_PID_ 1
#define WNOHANG_ 1
#define WEXITED_ 4
#define WNOWAIT_ 0x01000000
#define PID_FS_MAGIC 0x50494446

struct child_info {
	int signo, err, code, pad;
	int pid, uid, status;
	char rest[100];
};

enum outcome { NOTHING, REAPED, RECORDED, MUST_WAIT };

static int is_registered(const struct guardian_shared *s, uint32_t pid)
{
	uint32_t n = __atomic_load_n(&s->n_pids, __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; i < n && i < GUARDIAN_PIDS; i++)
		if (__atomic_load_n(&s->pids[i], __ATOMIC_RELAXED) == pid)
			return 1;
	return 0;
}

int guardian_has_pids(const struct guardian *g)
{
	for (uint32_t i = 0; i < g->shared->n_pids && i < GUARDIAN_PIDS; i++)
		if (g->shared->pids[i])
			return 1;
	return 0;
}

static int zombie(int type, int id)
{
	struct child_info info;

	info.pid = 0;
	return sys_call5(__NR_waitid, type, id, &info, WEXITED_ | WNOHANG_ | WNOWAIT_, NULL) < 0
		       ? 0
		       : info.pid;
}

/* Unique for the life of the machine from Linux 6.9 on; before, all pidfds share one. */
static uint64_t inode_of(struct guardian *g, int pid)
{
	struct statfs fs;
	struct statx st;
	long fd;

	if (g->pidfds_have_inodes == 0)
		return 0;
	fd = sys_call2(__NR_pidfd_open, pid, 0);
	if (fd < 0)
		return 0;
	if (g->pidfds_have_inodes < 0)
		g->pidfds_have_inodes = sys_call2(__NR_fstatfs, fd, &fs) == 0 &&
					(unsigned long)fs.f_type == PID_FS_MAGIC;
	st.stx_ino = 0;
	if (g->pidfds_have_inodes)
		sys_call5(__NR_statx, fd, "", SYS_AT_EMPTY_PATH, STATX_INO, &st);
	sys_close((int)fd);
	return st.stx_ino;
}

static int reap(int pid)
{
	int status = 0;

	sys_call4(__NR_wait4, pid, &status, WNOHANG_, NULL);
	return status;
}

static uint64_t unread(const struct guardian_shared *s)
{
	return s->head - __atomic_load_n(&s->tail, __ATOMIC_ACQUIRE);
}

static void record(struct guardian *g, int pid)
{
	struct guardian_shared *s = g->shared;
	struct guardian_record *r;

	if (unread(s) == 0)
		s->base = s->head;
	r = &s->ring[(s->head - s->base) % GUARDIAN_RING];
	r->seq = s->head;
	r->pid = pid;
	r->inode = inode_of(g, pid);
	r->status = reap(pid);
	r->boot_ns = guardian_clock_ns(CLOCK_BOOTTIME);
	r->wall_ns = guardian_clock_ns(CLOCK_REALTIME);
	__atomic_store_n(&s->head, s->head + 1, __ATOMIC_RELEASE);
}

/* The ring is full: say so, then look once more, lest the worker has made room without having seen it. */
static int has_room(struct guardian_shared *s)
{
	if (unread(s) < GUARDIAN_RING_FULL)
		return 1;
	__atomic_store_n(&s->waiting, 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return unread(s) < GUARDIAN_RING_FULL;
}

static enum outcome reap_next(struct guardian *g, int *wake)
{
	struct guardian_shared *s = g->shared;
	int pid = zombie(P_ALL_, 0);
	uint32_t expects;
	int known;

	if (!pid)
		return NOTHING;
	if (pid == g->worker) {
		guardian_worker_ended(g, reap(pid));
		return REAPED;
	}
	/* In this order: the worker registers what it has expected before it stops expecting. */
	expects = __atomic_load_n(&s->expects, __ATOMIC_ACQUIRE);
	known = is_registered(s, (uint32_t)pid);
	if (!known && !expects) {
		reap(pid);
		s->foreign++;
		return REAPED;
	}
	if (!has_room(s))
		return MUST_WAIT;
	record(g, pid);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	*wake |= known || __atomic_load_n(&s->unplaced, __ATOMIC_RELAXED) ||
		 is_registered(s, (uint32_t)pid) || unread(s) >= GUARDIAN_RING_HALF;
	return RECORDED;
}

void guardian_reap(struct guardian *g)
{
	uint64_t one = 1;
	enum outcome o;
	int wake = 0;

	g->shared->waiting = 0;
	do
		o = reap_next(g, &wake);
	while (o == REAPED || o == RECORDED);
	/* The worker's end may stand behind those that must wait. */
	if (o == MUST_WAIT && g->worker && zombie(P_PID_, g->worker))
		guardian_worker_ended(g, reap(g->worker));
	if (wake || o == MUST_WAIT)
		sys_write(g->wake, &one, sizeof(one));
}
