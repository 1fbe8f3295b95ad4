/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What surprises: a front that comes while there is another is turned away, but one that comes after the other has gone
 * takes its place, and the worker makes room for one of the new front's program. That is done first of all, before anything is
 * loaded: so a worker that cannot live can be replaced too.
 */
#include "main/reeved_control.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bare/guardian.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "exit/guardian_link.h"

#define FRONT_NAME "front"
#define ARGS_NAME "args"
#define LOG_NAME "log"
#define ARGS_MAX_BYTES (4u << 20) /* with the environment: twice what execve(2) takes */
#define HELLO_MS 10000

/* ---- what a front hands over ---- */

struct hello {
	int front;
	int fds[CONTROL_FDS + CONTROL_PASSED];
	uint32_t passed;
};

static const char *const passed_names[] = { [CONTROL_API] = "api", [CONTROL_EVENTS] = "events" };

static void hello_done(struct hello *h)
{
	fd_close(h->front);
	for (size_t i = 0; i < ARRAY_LEN(h->fds); i++)
		fd_close(h->fds[i]);
}

static size_t count_passed(uint32_t passed)
{
	return (passed >> CONTROL_API & 1) + (passed >> CONTROL_EVENTS & 1);
}

static void send_type(int fd, enum control_type type)
{
	const struct control_msg m = { CONTROL_MAGIC, type, 0 };

	(void)fd_send(fd, &m, sizeof(m), NULL, 0);
}

/* -EAGAIN: nobody is there. */
static int receive(int listener, struct hello *h)
{
	struct control_msg m;
	size_t n = CONTROL_FDS + CONTROL_PASSED;
	struct pollfd p = { .events = POLLIN };

	*h = (struct hello){ -EBADF, { -EBADF, -EBADF, -EBADF, -EBADF, -EBADF }, 0 };
	h->front = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (h->front < 0)
		return -errno;
	p.fd = h->front;
	/* It speaks before we could accept it; whoever is silent is none. */
	if (poll(&p, 1, 100) == 1 &&
		fd_recv(h->front, &m, sizeof(m), h->fds, &n, MSG_DONTWAIT) == sizeof(m) &&
		m.magic == CONTROL_MAGIC && m.type == CONTROL_HELLO &&
		n == CONTROL_FDS + count_passed(m.passed)) {
		h->passed = m.passed;
		return 0;
	}
	hello_done(h);
	return -EPROTO;
}

static bool is_alive(int front)
{
	struct pollfd p = { .fd = front, .events = POLLIN };

	return front >= 0 && (poll(&p, 1, 0) == 0 || !(p.revents & (POLLHUP | POLLERR)));
}

static int keep_passed(struct control *c, const struct hello *h)
{
	const int *fd = &h->fds[CONTROL_FDS];
	int r = 0;

	for (unsigned int i = 0; i < CONTROL_PASSED && r == 0; i++)
		r = h->passed >> i & 1 ? guardian_link_put(c->link, passed_names[i], *fd++)
				       : guardian_link_drop(c->link, passed_names[i]);
	return r;
}

/* Into the guardian, for us and for those after us. */
static int keep(struct control *c, const struct hello *h, struct err *err)
{
	int r = guardian_link_put(c->link, LOG_NAME, h->fds[CONTROL_STDERR]);

	if (r == 0)
		r = guardian_link_put(c->link, ARGS_NAME, h->fds[CONTROL_ARGS]);
	if (r == 0)
		r = guardian_link_put(c->link, FRONT_NAME, h->front);
	if (r == 0)
		r = keep_passed(c, h);
	if (r < 0)
		return err_code(err, r, "keep what reeved was started with");
	return guardian_link_set_program(c->link, h->fds[CONTROL_PROGRAM], err);
}

/* Words that each end with a zero byte: how many arguments there are, those, and the environment. */
static int take_words(struct control *c, int fd, struct err *err)
{
	size_t size = 0, n = 0, i = 0;
	uint64_t argc = 0;
	char **all;
	int r = lseek(fd, 0, SEEK_SET) < 0 ? -errno
					   : fd_read_file(fd, ARGS_MAX_BYTES, &c->words, &size);

	if (r < 0)
		return err_code(err, r, "read the arguments of reeved");
	for (size_t k = 0; k < size; k++)
		n += !c->words[k];
	all = mem_calloc(n + 2, sizeof(*all));
	if (!all)
		return err_oom(err);
	c->argv = all;
	for (char *at = c->words; at < c->words + size; at += strlen(at) + 1, i++)
		if (i > argc) /* NULL ends the arguments */
			all[i] = at;
		else if (i > 0)
			all[i - 1] = at;
		else if (str_to_u64(at, n - 1, &argc) < 0)
			break;
	c->argc = (int)argc;
	c->env = all + argc + 1;
	return argc < 1 ? err_set(err, -EBADMSG, "the arguments of reeved make no sense") : 0;
}

static int log_to(struct control *c, int fd, struct err *err)
{
	if (fd >= 0 && dup2(fd, STDERR_FILENO) < 0)
		return err_sys(err, "log to the standard error of reeved");
	return 0;
}

static int meet(struct control *c, struct hello *h, struct err *err)
{
	int r = keep(c, h, err);

	if (r == 0)
		r = log_to(c, h->fds[CONTROL_STDERR], err);
	if (r == 0)
		r = take_words(c, h->fds[CONTROL_ARGS], err);
	if (r < 0)
		return r;
	c->front = take_fd(&h->front);
	for (unsigned int i = 0, at = CONTROL_FDS; i < CONTROL_PASSED; i++)
		if (h->passed >> i & 1)
			c->passed[i] = take_fd(&h->fds[at++]);
	return 0;
}

/* ---- beginning ---- */

static int await_first(struct control *c, struct err *err)
{
	uint64_t until = clock_boot_ns() + HELLO_MS * NS_PER_MS;
	struct pollfd p = { .fd = c->listener, .events = POLLIN };
	struct hello h;
	int r;

	do {
		if (poll(&p, 1, 1000) == 1 && receive(c->listener, &h) == 0) {
			r = meet(c, &h, err);
			hello_done(&h);
			return r;
		}
	} while (clock_boot_ns() < until);
	return err_set(err, -ETIMEDOUT, "nobody says how reeved is to run");
}

/* The rest is for a worker of another front's program. */
static bool turn_away_or_yield(struct control *c, struct hello *h)
{
	struct err err;
	bool yields = false;

	if (is_alive(c->front)) {
		send_type(h->front, CONTROL_BUSY);
	} else if (keep(c, h, &err) < 0) {
		log_write(c->log, LOG_ERROR_, "another reeved cannot take our place: %s", err.text);
		send_type(h->front, CONTROL_FAILED);
	} else {
		yields = true;
	}
	hello_done(h);
	return yields;
}

int control_begin(struct control *c, struct err *err)
{
	int args = guardian_link_take(c->link, ARGS_NAME);
	int log = guardian_link_take(c->link, LOG_NAME);
	struct hello h;
	int r;

	c->front = guardian_link_take(c->link, FRONT_NAME);
	for (unsigned int i = 0; i < CONTROL_PASSED; i++)
		c->passed[i] = guardian_link_take(c->link, passed_names[i]);
	c->listener = guardian_link_take(c->link, GUARDIAN_LISTENER_NAME);
	if (c->listener < 0)
		return err_set(err, -EINVAL, "the socket for control is gone");
	fd_set_nonblock(c->listener, true);
	if (args < 0)
		return await_first(c, err);
	r = log_to(c, log, err);
	if (r == 0)
		r = take_words(c, args, err);
	fd_close(log);
	fd_close(args);
	/* One that waits for a worker may bring a program that has not our fault. */
	while (r == 0 && receive(c->listener, &h) != -EAGAIN)
		if (h.front >= 0 && turn_away_or_yield(c, &h))
			_exit(GUARDIAN_STATUS_AGAIN);
	return r;
}

/* ---- serving ---- */

static void forget_front(struct control *c)
{
	loop_fd_remove(&c->fronting);
	fd_close(c->front);
	c->front = -EBADF;
	(void)guardian_link_drop(c->link, FRONT_NAME);
}

static void on_front(struct loop_fd *source, uint32_t events)
{
	struct control *c = container_of(source, struct control, fronting);
	struct control_msg m;
	size_t n = 0;
	ssize_t r = fd_recv(c->front, &m, sizeof(m), NULL, &n, MSG_DONTWAIT);

	if (r == -EAGAIN)
		return;
	if (r == sizeof(m) && m.magic == CONTROL_MAGIC && m.type == CONTROL_STOP)
		return c->stop(c->arg);
	if (r > 0)
		return;
	forget_front(c);
	c->deserted(c->arg);
}

static void on_listener(struct loop_fd *source, uint32_t events)
{
	struct control *c = container_of(source, struct control, listening);
	struct hello h;

	if (receive(c->listener, &h) == 0 && turn_away_or_yield(c, &h))
		c->replace(c->arg);
}

int control_watch(struct control *c, struct err *err)
{
	int r = loop_fd_add(c->loop, &c->listening, c->listener, EPOLLIN, on_listener);

	if (r == 0 && c->front >= 0)
		r = loop_fd_add(c->loop, &c->fronting, c->front, EPOLLIN, on_front);
	return r < 0 ? err_code(err, r, "watch the socket for control") : 0;
}

/* A front that has been stopped reads nothing, and nobody waits for it. */
static bool is_read(int front)
{
	struct pollfd p = { .fd = front, .events = POLLOUT };

	return poll(&p, 1, 0) == 1 && p.revents & POLLOUT;
}

void control_say(struct control *c, enum control_type type)
{
	if (c->front >= 0 && (type != CONTROL_ALIVE || is_read(c->front)))
		send_type(c->front, type);
}

void control_end(struct control *c, enum control_type type, bool guardian_ends)
{
	control_say(c, type);
	if (guardian_ends) {
		loop_fd_remove(&c->fronting);
		c->front = fd_close(c->front);
	} else {
		forget_front(c);
	}
}

void control_done(struct control *c)
{
	loop_fd_remove(&c->listening);
	loop_fd_remove(&c->fronting);
	fd_close(c->listener);
	fd_close(c->front);
	fd_close_all(c->passed, CONTROL_PASSED);
	free(c->argv);
	free(c->words);
}
