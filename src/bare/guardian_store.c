/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stored fds and the messages about them. The table is short and in no order: a name is found by looking at all.
 *
 * What surprises: a worker that died may have left messages in the socket. They count: what it has sent is stored. So they
 * are read to the end before the next worker is started.
 */
#include <asm/errno.h>
#include <linux/fcntl.h>

#include "bare/guardian_impl.h"
#include "bare/lib.h"

/* A socket that holds itself up for ever is not a reason to forget the children. */
#define MESSAGES_AT_ONCE 64

struct rights {
	struct sys_cmsghdr head;
	int fds[GUARDIAN_BATCH];
};

static uint32_t find(const struct guardian *g, const char *name)
{
	uint32_t i = 0;

	while (i < g->n_stored && strcmp(g->stored[i].name, name) != 0)
		i++;
	return i;
}

int guardian_stored(const struct guardian *g, const char *name)
{
	uint32_t i = find(g, name);

	return i < g->n_stored ? g->stored[i].fd : -1;
}

int guardian_store(struct guardian *g, const char *name, int fd)
{
	uint32_t i = find(g, name);

	if (i == GUARDIAN_MAX_FDS) {
		sys_close(fd);
		return -ENOSPC;
	}
	if (i < g->n_stored)
		sys_close(g->stored[i].fd);
	else
		g->n_stored++;
	memcpy(g->stored[i].name, name, strlen(name) + 1);
	g->stored[i].fd = fd;
	g->shared->stored = g->n_stored;
	return 0;
}

static void drop(struct guardian *g, const char *name)
{
	uint32_t i = find(g, name);

	if (i == g->n_stored)
		return;
	sys_close(g->stored[i].fd);
	g->stored[i] = g->stored[--g->n_stored];
	g->shared->stored = g->n_stored;
}

/* ---- to the worker ---- */

static void message(struct guardian_msg *m, unsigned type)
{
	memset(m, 0, sizeof(*m));
	m->magic = GUARDIAN_MAGIC;
	m->version = GUARDIAN_VERSION;
	m->type = (uint8_t)type;
}

static long send(const struct guardian *g, struct guardian_msg *m, const int *fds, uint32_t n_fds)
{
	struct sys_iovec iov = { m, sizeof(*m) };
	struct rights r;
	struct sys_msghdr h = { .iov = &iov, .n_iov = 1 };

	if (n_fds) {
		r.head = (struct sys_cmsghdr){ sizeof(r.head) + n_fds * sizeof(int), SYS_SOL_SOCKET,
			SYS_SCM_RIGHTS };
		memcpy(r.fds, fds, n_fds * sizeof(int));
		h.control = &r;
		h.control_len = sizeof(r.head) + (n_fds * sizeof(int) + 7) / 8 * 8;
	}
	return sys_sendmsg(g->socket, &h, SYS_MSG_DONTWAIT | SYS_MSG_NOSIGNAL);
}

void guardian_welcome(struct guardian *g)
{
	int fds[2] = { g->memory, g->wake };
	struct guardian_msg m;

	message(&m, GUARDIAN_WELCOME);
	m.count = g->n_stored;
	m.seq = g->shared->acked;
	/* Into an empty socket; without it the worker waits in vain, and says so. */
	g->sending = send(g, &m, fds, 2) < 0 ? GUARDIAN_NOT_SENDING : 0;
}

static long send_batch(struct guardian *g)
{
	struct guardian_msg m;
	int fds[GUARDIAN_BATCH];
	long r;

	message(&m, g->sending < g->n_stored ? GUARDIAN_FDS : GUARDIAN_END);
	while (m.n < GUARDIAN_BATCH && g->sending + m.n < g->n_stored) {
		const struct guardian_stored *s = &g->stored[g->sending + m.n];

		memcpy(m.names[m.n], s->name, sizeof(s->name));
		fds[m.n++] = s->fd;
	}
	r = send(g, &m, fds, m.n);
	if (r >= 0)
		g->sending = m.n ? g->sending + m.n : GUARDIAN_NOT_SENDING;
	return r;
}

int guardian_send(struct guardian *g)
{
	long r;

	while (g->sending != GUARDIAN_NOT_SENDING) {
		r = g->socket < 0 ? -EPIPE : send_batch(g);
		/* ETOOMANYREFS: too many fds are under way; it takes them while we wait. */
		if (r == -EAGAIN || r == -ETOOMANYREFS)
			return 1;
		if (r < 0)
			g->sending = GUARDIAN_NOT_SENDING;
	}
	return 0;
}

/* ---- from the worker ---- */

static int is_name(const char name[GUARDIAN_NAME_SIZE])
{
	uint32_t i = 0;

	while (i < GUARDIAN_NAME_SIZE && name[i])
		i++;
	return i > 0 && i < GUARDIAN_NAME_SIZE;
}

static void change(struct guardian *g, const struct guardian_msg *m, const int *fds, uint32_t n_fds)
{
	struct guardian_msg error;
	uint32_t used = 0;
	int r;

	message(&error, GUARDIAN_ERROR);
	error.seq = m->seq;
	for (uint32_t i = 0; i < m->n; i++) {
		if (!(m->puts >> i & 1)) {
			drop(g, m->names[i]);
			continue;
		}
		/* Those that did not come are the last ones: we may open no more. */
		r = used < n_fds ? guardian_store(g, m->names[i], fds[used++]) : -EMFILE;
		if (r == 0)
			continue;
		error.code = r;
		memcpy(error.names[error.n++], m->names[i], GUARDIAN_NAME_SIZE);
	}
	if (error.n && send(g, &error, NULL, 0) < 0)
		g->shared->refused++;
	__atomic_store_n(&g->shared->acked, m->seq, __ATOMIC_RELEASE);
}

static uint32_t count_puts(const struct guardian_msg *m)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < m->n; i++)
		n += m->puts >> i & 1;
	return n;
}

static int makes_sense(const struct guardian_msg *m, uint32_t n_fds)
{
	if (m->magic != GUARDIAN_MAGIC || m->version != GUARDIAN_VERSION || m->n > GUARDIAN_BATCH)
		return 0;
	for (uint32_t i = 0; i < m->n; i++)
		if (!is_name(m->names[i]))
			return 0;
	return n_fds <= count_puts(m);
}

static void enter(struct guardian *g, const struct guardian_msg *m, const int *fds, uint32_t n_fds)
{
	struct guardian_msg answer;

	message(&answer, GUARDIAN_ENTERED);
	answer.seq = m->seq;
	answer.code = n_fds == m->n ? guardian_enter(g, fds, n_fds) : -EMFILE;
	for (uint32_t i = 0; i < n_fds; i++)
		sys_close(fds[i]);
	if (send(g, &answer, NULL, 0) < 0)
		g->shared->refused++;
}

/* Without the fd, which did not come, the old program goes on: better than none. */
static void change_program(struct guardian *g, const int *fds, uint32_t n_fds)
{
	if (n_fds != 1) {
		g->shared->refused++;
		return;
	}
	sys_close(g->program);
	g->program = fds[0];
}

static void take(struct guardian *g, const struct guardian_msg *m, const int *fds, uint32_t n_fds)
{
	if (makes_sense(m, n_fds)) {
		if (m->type == GUARDIAN_STORE) {
			change(g, m, fds, n_fds);
			return;
		}
		if (m->type == GUARDIAN_ENTER) {
			enter(g, m, fds, n_fds);
			return;
		}
		if (m->type == GUARDIAN_PROGRAM) {
			change_program(g, fds, n_fds);
			return;
		}
		/* The loop looks for zombies that wait in any case. */
		if (m->type == GUARDIAN_ROOM && n_fds == 0)
			return;
	}
	g->shared->refused++;
	for (uint32_t i = 0; i < n_fds; i++)
		sys_close(fds[i]);
}

/* Bytes of the next message; its fds in r. */
static long receive(const struct guardian *g, struct guardian_msg *m, struct rights *r)
{
	struct sys_iovec iov = { m, sizeof(*m) };
	struct sys_msghdr h = { .iov = &iov, .n_iov = 1, .control = r, .control_len = sizeof(*r) };
	long n;

	r->head.len = 0;
	n = sys_recvmsg(g->socket, &h, SYS_MSG_DONTWAIT | SYS_MSG_CMSG_CLOEXEC);
	if (n >= 0 && h.control_len < sizeof(r->head))
		r->head.len = 0;
	return n;
}

int guardian_receive(struct guardian *g)
{
	struct guardian_msg m;
	struct rights r;

	for (int i = 0; i < MESSAGES_AT_ONCE; i++) {
		long n = receive(g, &m, &r);
		uint32_t n_fds = 0;

		if (n == -EINTR)
			continue;
		if (n == -EAGAIN)
			return 0;
		if (n <= 0)
			return -1;
		if (r.head.len > sizeof(r.head))
			n_fds = (uint32_t)((r.head.len - sizeof(r.head)) / sizeof(int));
		if (n != sizeof(m))
			m.magic = 0;
		take(g, &m, r.fds, n_fds);
	}
	return 1;
}
