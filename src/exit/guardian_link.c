/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names and fds are queued and go out in one message for up to eight of them, for each message wakes the guardian.
 *
 * Nothing waits for an answer: a message in the socket's queue is read by the guardian whatever becomes of us. What it
 * could not store it says later, which makes that fd one that does not outlive us, and no more.
 */
#include "exit/guardian_link.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "bare/guardian.h"
#include "base/clock.h"
#include "base/fd.h"

#define WELCOME_MAX_NS (5 * NS_PER_SEC)
#define FLUSH_MAX_NS (2 * NS_PER_SEC)
#define QUEUE_MAX 32

struct named_fd {
	char name[GUARDIAN_NAME_SIZE];
	int fd; /* -EBADF: a drop, or taken */
};

struct guardian_link {
	struct loop *loop;
	int socket;
	struct loop_fd source;
	int eventfd;
	struct guardian_shared *shared;
	struct named_fd *came; /* with the welcome */
	size_t n_came, cap_came;
	struct named_fd queue[QUEUE_MAX];
	size_t n_queued;
	uint64_t seq;
	uint64_t entered; /* the last ENTER */
	struct loop_deferred flush;
	void (*lost)(void *arg);
	void *lost_arg;
	void (*refused)(void *arg, const char *name, int code);
	void *refused_arg;
};

static struct guardian_msg message_of(enum guardian_type type)
{
	return (struct guardian_msg){
		.magic = GUARDIAN_MAGIC, .version = GUARDIAN_VERSION, .type = (uint8_t)type
	};
}

/* ---- sending ---- */

static bool wait_until(int fd, short events, uint64_t deadline_ns)
{
	struct pollfd p = { .fd = fd, .events = events };
	uint64_t now = clock_boot_ns();
	int r;

	if (now >= deadline_ns)
		return false;
	r = poll(&p, 1, (int)((deadline_ns - now) / NS_PER_MS) + 1);
	return r > 0 || (r < 0 && errno == EINTR);
}

static int send_message(struct guardian_link *g, const struct guardian_msg *m, const int *fds,
	size_t n_fds, uint64_t max_ns)
{
	uint64_t deadline = max_ns ? clock_boot_ns() + max_ns : 0;
	char control[CMSG_SPACE(GUARDIAN_BATCH * sizeof(int))] = { 0 };
	struct iovec iov = { (void *)m, sizeof(*m) };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n_fds) {
		h.msg_control = control;
		h.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		*CMSG_FIRSTHDR(&h) = (struct cmsghdr){ .cmsg_len = CMSG_LEN(n_fds * sizeof(int)),
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&h)), fds, n_fds * sizeof(int));
	}
	while (sendmsg(g->socket, &h, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		if (errno == EINTR)
			continue;
		if (errno == EPIPE || errno == ECONNRESET)
			return -ENOTCONN;
		if (errno != EAGAIN && errno != ETOOMANYREFS)
			return -errno;
		/* Too many fds under way is not a thing that one can poll for. */
		if (errno == EAGAIN ? !wait_until(g->socket, POLLOUT, deadline)
				    : clock_boot_ns() >= deadline)
			return -ETIMEDOUT;
		if (errno == ETOOMANYREFS)
			poll(NULL, 0, 1);
	}
	return 0;
}

static void forget_queued(struct guardian_link *g, size_t from, size_t n)
{
	g->n_queued -= n;
	memmove(&g->queue[from], &g->queue[from + n], (g->n_queued - from) * sizeof(*g->queue));
}

static int send_batch(struct guardian_link *g, uint64_t max_ns)
{
	struct guardian_msg m = message_of(GUARDIAN_STORE);
	int fds[GUARDIAN_BATCH];
	size_t n_fds = 0;
	int r;

	for (size_t i = 0; i < g->n_queued && i < GUARDIAN_BATCH; i++) {
		memcpy(m.names[i], g->queue[i].name, GUARDIAN_NAME_SIZE);
		m.n++;
		if (g->queue[i].fd < 0)
			continue;
		m.puts |= 1u << i;
		fds[n_fds++] = g->queue[i].fd;
	}
	m.seq = g->seq + 1;
	r = send_message(g, &m, fds, n_fds, max_ns);
	if (r == -ETIMEDOUT)
		return r;
	g->seq++;
	forget_queued(g, 0, m.n);
	return r;
}

static int send_queue(struct guardian_link *g, uint64_t max_ns)
{
	int r = 0;

	while (g->n_queued > 0 && r == 0)
		r = send_batch(g, max_ns);
	return r;
}

int guardian_link_flush(struct guardian_link *g, struct err *err)
{
	int r = send_queue(g, FLUSH_MAX_NS);

	return r < 0 ? err_code(err, r, "store fds with the guardian") : 0;
}

bool guardian_link_is_settled(const struct guardian_link *g)
{
	return g->n_queued == 0 && __atomic_load_n(&g->shared->acked, __ATOMIC_ACQUIRE) >= g->seq;
}

/* What does not fit now goes when there is room: nobody has asked for it yet. */
static void on_flush(struct loop_deferred *d)
{
	struct guardian_link *g = container_of(d, struct guardian_link, flush);

	if (g->source.loop && send_queue(g, 0) == -ETIMEDOUT)
		loop_fd_modify(&g->source, EPOLLIN | EPOLLOUT);
}

/* ---- queueing ---- */

static int enqueue(struct guardian_link *g, const char *name, int fd)
{
	size_t len = strlen(name);
	int r;

	if (len == 0 || len >= GUARDIAN_NAME_SIZE)
		return -ENAMETOOLONG;
	/* The fd of an earlier put may be closed by now. */
	for (size_t i = g->n_queued; i-- > 0;)
		if (strcmp(g->queue[i].name, name) == 0)
			forget_queued(g, i, 1);
	if (g->n_queued == QUEUE_MAX) {
		r = send_queue(g, FLUSH_MAX_NS);
		if (r < 0)
			return r;
	}
	g->queue[g->n_queued] = (struct named_fd){ .fd = fd };
	memcpy(g->queue[g->n_queued++].name, name, len + 1);
	loop_defer(g->loop, &g->flush, on_flush);
	return 0;
}

int guardian_link_put(struct guardian_link *g, const char *name, int fd)
{
	return fd < 0 ? -EBADF : enqueue(g, name, fd);
}

int guardian_link_drop(struct guardian_link *g, const char *name)
{
	return enqueue(g, name, -EBADF);
}

/* ---- what came with the welcome ---- */

static bool is_name(const char name[GUARDIAN_NAME_SIZE])
{
	return name[0] && memchr(name, '\0', GUARDIAN_NAME_SIZE);
}

int guardian_link_take(struct guardian_link *g, const char *name)
{
	for (size_t i = 0; i < g->n_came; i++)
		if (g->came[i].fd >= 0 && strcmp(g->came[i].name, name) == 0)
			return take_fd(&g->came[i].fd);
	return -ENOENT;
}

const char *guardian_link_untaken(const struct guardian_link *g, size_t i)
{
	for (size_t k = 0; k < g->n_came; k++)
		if (g->came[k].fd >= 0 && i-- == 0)
			return g->came[k].name;
	return NULL;
}

static void forget_came(struct guardian_link *g)
{
	for (size_t i = 0; i < g->n_came; i++)
		fd_close(g->came[i].fd);
	free(g->came);
	g->came = NULL;
	g->n_came = g->cap_came = 0;
}

void guardian_link_drop_untaken(struct guardian_link *g)
{
	for (size_t i = 0; i < g->n_came; i++)
		if (g->came[i].fd >= 0)
			guardian_link_drop(g, g->came[i].name);
	forget_came(g);
}

/* ---- welcome ---- */

static int receive(
	struct guardian_link *g, struct guardian_msg *m, int *fds, size_t *n_fds, uint64_t deadline)
{
	size_t room = *n_fds;
	ssize_t n;

	do {
		*n_fds = room;
		n = fd_recv(g->socket, m, sizeof(*m), fds, n_fds, MSG_DONTWAIT);
	} while (n == -EAGAIN && wait_until(g->socket, POLLIN, deadline));
	if (n == -EAGAIN)
		return -ETIMEDOUT;
	if (n == 0)
		return -ENOTCONN;
	if (n == sizeof(*m) && m->magic == GUARDIAN_MAGIC && m->version == GUARDIAN_VERSION &&
		m->n <= GUARDIAN_BATCH)
		return 0;
	for (size_t i = 0; n > 0 && i < *n_fds; i++)
		fd_close(fds[i]);
	return n < 0 ? (int)n : -EBADMSG;
}

static int take_welcome(struct guardian_link *g, const struct guardian_msg *m, int *fds, size_t n)
{
	auto_close int memory = n > 0 ? fds[0] : -EBADF;
	struct stat st;
	void *at;

	if (n > 1)
		g->eventfd = fds[1];
	if (m->type != GUARDIAN_WELCOME || n != 2)
		return -EBADMSG;
	if (fstat(memory, &st) < 0)
		return -errno;
	if (st.st_size < (off_t)sizeof(*g->shared))
		return -EBADMSG;
	at = mmap(NULL, sizeof(*g->shared), PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	if (at == MAP_FAILED)
		return -errno;
	g->shared = at;
	g->seq = m->seq;
	return g->shared->magic == GUARDIAN_MAGIC && g->shared->version == GUARDIAN_VERSION
		       ? 0
		       : -EBADMSG;
}

static int take_fds(struct guardian_link *g, const struct guardian_msg *m, int *fds, size_t n)
{
	int r = m->type == GUARDIAN_FDS && n == m->n ? 0 : -EBADMSG;

	if (r == 0)
		r = mem_grow(&g->came, &g->cap_came, g->n_came + n, sizeof(*g->came));
	for (size_t i = 0; i < n; i++) {
		if (r == 0 && !is_name(m->names[i]))
			r = -EBADMSG;
		if (r < 0) {
			fd_close(fds[i]);
			continue;
		}
		memcpy(g->came[g->n_came].name, m->names[i], GUARDIAN_NAME_SIZE);
		g->came[g->n_came++].fd = fds[i];
	}
	return r;
}

/* It stands in the socket since before we were born, but for fds that had no room. */
static int read_welcome(struct guardian_link *g)
{
	uint64_t deadline = clock_boot_ns() + WELCOME_MAX_NS;
	struct guardian_msg m;
	int fds[GUARDIAN_BATCH];
	size_t n = ARRAY_LEN(fds);
	int r = receive(g, &m, fds, &n, deadline);

	if (r == 0)
		r = take_welcome(g, &m, fds, n);
	while (r == 0) {
		n = ARRAY_LEN(fds);
		r = receive(g, &m, fds, &n, deadline);
		if (r == 0 && m.type == GUARDIAN_END && n == 0)
			return 0;
		if (r == 0)
			r = take_fds(g, &m, fds, n);
	}
	return r;
}

/* ---- the link itself ---- */

static void on_lost(struct guardian_link *g)
{
	loop_fd_remove(&g->source);
	if (g->lost)
		g->lost(g->lost_arg);
}

/* What it says without being asked. */
static void take_error(struct guardian_link *g, const struct guardian_msg *m)
{
	if (m->type == GUARDIAN_ERROR && g->refused)
		for (size_t i = 0; i < m->n; i++)
			if (is_name(m->names[i]))
				g->refused(g->refused_arg, m->names[i], m->code);
}

static void on_socket(struct loop_fd *source, uint32_t events)
{
	struct guardian_link *g = container_of(source, struct guardian_link, source);
	int fds[GUARDIAN_BATCH];
	size_t n = ARRAY_LEN(fds);
	struct guardian_msg m;
	int r = receive(g, &m, fds, &n, 0);

	if (r == -ENOTCONN || r == -ECONNRESET) {
		on_lost(g);
		return;
	}
	for (size_t i = 0; r == 0 && i < n; i++)
		fd_close(fds[i]);
	if (r == 0)
		take_error(g, &m);
	if (events & EPOLLOUT && send_queue(g, 0) != -ETIMEDOUT)
		loop_fd_modify(&g->source, EPOLLIN);
}

/* ---- namespaces ---- */

static int await_entered(struct guardian_link *g, uint64_t seq)
{
	uint64_t deadline = clock_boot_ns() + FLUSH_MAX_NS;
	int fds[GUARDIAN_BATCH];
	struct guardian_msg m;
	int r;

	do {
		size_t n = ARRAY_LEN(fds);

		r = receive(g, &m, fds, &n, deadline);
		for (size_t i = 0; r == 0 && i < n; i++)
			fd_close(fds[i]);
		if (r == 0)
			take_error(g, &m);
	} while (r == 0 && (m.type != GUARDIAN_ENTERED || m.seq != seq));
	return r < 0 ? r : m.code;
}

int guardian_link_enter(struct guardian_link *g, const int *fds, size_t n, struct err *err)
{
	struct guardian_msg m = message_of(GUARDIAN_ENTER);
	int r = guardian_link_flush(g, err);

	if (r < 0)
		return r;
	assert(n <= GUARDIAN_BATCH);
	for (; m.n < n; m.n++) {
		m.puts |= 1u << m.n;
		m.names[m.n][0] = (char)('0' + m.n);
	}
	m.seq = ++g->entered;
	r = send_message(g, &m, fds, n, FLUSH_MAX_NS);
	if (r == 0)
		r = await_entered(g, m.seq);
	return r < 0 ? err_code(err, r, "put the guardian into the namespaces") : 0;
}

int guardian_link_set_program(struct guardian_link *g, int fd, struct err *err)
{
	struct guardian_msg m = message_of(GUARDIAN_PROGRAM);
	int r = guardian_link_flush(g, err);

	if (r < 0)
		return r;
	m.n = 1;
	m.puts = 1;
	memcpy(m.names[0], "program", sizeof("program"));
	r = send_message(g, &m, &fd, 1, FLUSH_MAX_NS);
	return r < 0 ? err_code(err, r, "hand the program to the guardian") : 0;
}

int guardian_link_open(struct loop *l, int fd, struct guardian_link **ret, struct err *err)
{
	auto_close int owned = fd;
	auto_freep(guardian_link) struct guardian_link *g = mem_calloc(1, sizeof(*g));
	int r;

	if (!g)
		return err_oom(err);
	g->loop = l;
	g->eventfd = -EBADF;
	g->socket = take_fd(&owned);
	r = read_welcome(g);
	if (r < 0)
		return err_code(err, r, "hear from the guardian what there is");
	r = loop_fd_add(l, &g->source, g->socket, EPOLLIN, on_socket);
	if (r < 0)
		return err_code(err, r, "watch the guardian");
	*ret = take_ptr(g);
	return 0;
}

void guardian_link_free(struct guardian_link *g)
{
	if (!g)
		return;
	loop_fd_remove(&g->source);
	loop_defer_cancel(&g->flush);
	forget_came(g);
	if (g->shared)
		munmap(g->shared, sizeof(*g->shared));
	fd_close(g->eventfd);
	fd_close(g->socket);
	free(g);
}

pid_t guardian_link_pid(const struct guardian_link *g)
{
	return g->shared->guardian_pid;
}

uint32_t guardian_link_restarts(const struct guardian_link *g)
{
	return g->shared->workers - 1;
}

int guardian_link_last_status(const struct guardian_link *g)
{
	return g->shared->last_status;
}

uint64_t guardian_link_last_boot_ns(const struct guardian_link *g)
{
	return g->shared->died_boot_ns;
}

void guardian_link_on_lost(struct guardian_link *g, void (*fn)(void *arg), void *arg)
{
	g->lost = fn;
	g->lost_arg = arg;
}

void guardian_link_on_refused(
	struct guardian_link *g, void (*fn)(void *arg, const char *name, int code), void *arg)
{
	g->refused = fn;
	g->refused_arg = arg;
}

struct guardian_shared *guardian_link_shared(struct guardian_link *g)
{
	return g->shared;
}

int guardian_link_eventfd(const struct guardian_link *g)
{
	return g->eventfd;
}

/* It looks again by itself, only later, when this does not fit. */
void guardian_link_tell_room(struct guardian_link *g)
{
	struct guardian_msg m = message_of(GUARDIAN_ROOM);

	(void)send_message(g, &m, NULL, 0, 0);
}
