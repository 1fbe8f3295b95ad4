/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the container says is its own word: of a datagram only the line READY= is passed on, never MAINPID or an fd, which
 * would let it speak for other processes of the service. The manager reads asynchronously, and knows whom a message is from
 * only while the sender lives; so a barrier is sent last, whose pipe the manager closes when it has read everything.
 */
#include "container/notify_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

#define BARRIER_NS (30 * NS_PER_SEC)

struct notify_socket {
	int dirfd; /* of the state: ours */
	int sock;
	int barrier; /* our end of its pipe; -EBADF: not sent yet */
	struct sockaddr_un manager;
	socklen_t manager_size;
	const struct pidref *init;
	struct loop *loop;
	struct loop_fd source, end, told;
	struct loop_timer timer;
	struct loop_deferred deferred;
	void (*done)(void *arg);
	void *arg;
};

int notify_socket_make_dir(int state_dirfd, struct err *err)
{
	if (mkdirat(state_dirfd, NOTIFY_SOCKET_DIR, 0755) < 0 && errno != EEXIST)
		return err_sys(err, "make the directory of the notify socket");
	/* whatever the umask: a user of the container must be able to reach the socket */
	if (fchmodat(state_dirfd, NOTIFY_SOCKET_DIR, 0755, 0) < 0)
		return err_sys(err, "make the directory of the notify socket");
	return 0;
}

static int manager_address(const char *name, struct notify_socket *n)
{
	size_t len = strlen(name);

	if (len < 2 || len >= sizeof(n->manager.sun_path) || (name[0] != '/' && name[0] != '@'))
		return -EINVAL;
	n->manager.sun_family = AF_UNIX;
	memcpy(n->manager.sun_path, name, len + 1);
	n->manager_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
	if (name[0] == '@') {
		n->manager.sun_path[0] = '\0';
		n->manager_size--;
	}
	return 0;
}

int notify_socket_open(
	int state_dirfd, const char *manager, struct notify_socket **ret, struct err *err)
{
	struct notify_socket *n = mem_calloc(1, sizeof(*n));
	auto_close int dir = -EBADF;
	int r;

	if (!n)
		return err_oom(err);
	n->sock = n->barrier = -EBADF;
	n->dirfd = dir = fd_open_at(state_dirfd, NOTIFY_SOCKET_DIR, O_PATH | O_DIRECTORY, 0);
	r = dir < 0 ? err_code(err, dir, "open the directory of the notify socket")
		    : manager_address(manager, n);
	if (dir >= 0 && r < 0)
		err_set(err, r, "NOTIFY_SOCKET: '%s' is no address of a socket", manager);
	if (r == 0) {
		unlinkat(dir, "notify.sock", 0); /* of a start that was killed */
		n->sock = fd_unix_listen_at(dir, "notify.sock", SOCK_DGRAM, 0777);
		r = n->sock < 0 ? err_code(err, n->sock, "make the notify socket") : 0;
	}
	take_fd(&dir);
	if (r < 0)
		notify_socket_free(n);
	else
		*ret = n;
	return r;
}

/* ---- telling ---- */

static void tell(const struct notify_socket *n, const char *text, int fd)
{
	struct iovec iov = { .iov_base = (void *)text, .iov_len = strlen(text) };
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct msghdr m = {
		.msg_name = (void *)&n->manager,
		.msg_namelen = n->manager_size,
		.msg_iov = &iov,
		.msg_iovlen = 1,
	};
	auto_close int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0) {
		struct cmsghdr *h;

		m.msg_control = control;
		m.msg_controllen = sizeof(control);
		h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(h), &fd, sizeof(int));
	}
	/* A manager that is gone cannot be told; the program runs all the same. */
	if (sock >= 0)
		(void)!sendmsg(sock, &m, MSG_NOSIGNAL);
}

static void finished(struct loop_deferred *d)
{
	struct notify_socket *n = container_of(d, struct notify_socket, deferred);

	n->done(n->arg);
}

static void finish(struct notify_socket *n)
{
	loop_fd_remove(&n->source);
	loop_fd_remove(&n->end);
	loop_fd_remove(&n->told);
	loop_timer_cancel(&n->timer);
	loop_defer(n->loop, &n->deferred, finished);
}

static void on_told(struct loop_fd *s, uint32_t events)
{
	finish(container_of(s, struct notify_socket, told));
}

static void on_timer(struct loop_timer *t)
{
	finish(container_of(t, struct notify_socket, timer));
}

static void send_barrier(struct notify_socket *n)
{
	int pipe[2];

	if (pipe2(pipe, O_CLOEXEC) < 0) {
		finish(n);
		return;
	}
	tell(n, "BARRIER=1", pipe[1]);
	fd_close(pipe[1]);
	n->barrier = pipe[0];
	/* No data ever comes: only the end, when the manager has closed its copy. */
	if (loop_fd_add(n->loop, &n->told, n->barrier, EPOLLIN, on_told) < 0 ||
		loop_timer_set(n->loop, &n->timer, clock_boot_ns() + BARRIER_NS, on_timer) < 0)
		finish(n);
}

/* The line in it, or NULL. */
static char *ready_line(char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		char *line = text;

		text += len;
		if (*text)
			*text++ = '\0';
		if (str_starts(line, "READY="))
			return line;
	}
	return NULL;
}

static void on_message(struct loop_fd *s, uint32_t events)
{
	struct notify_socket *n = container_of(s, struct notify_socket, source);
	char text[4096], pid[32];
	ssize_t size = recv(n->sock, text, sizeof(text) - 1, MSG_DONTWAIT);
	char *line;

	if (size <= 0)
		return;
	text[size] = '\0';
	line = ready_line(text);
	if (!line)
		return;
	loop_fd_remove(&n->source);
	tell(n, line, -EBADF);
	snprintf(pid, sizeof(pid), "MAINPID=%d", n->init->pid);
	tell(n, pid, -EBADF);
	send_barrier(n);
}

static void on_end(struct loop_fd *s, uint32_t events)
{
	finish(container_of(s, struct notify_socket, end));
}

int notify_socket_wait(struct notify_socket *n, struct loop *l, const struct pidref *init,
	void (*done)(void *arg), void *arg, struct err *err)
{
	int r;

	n->loop = l;
	n->init = init;
	n->done = done;
	n->arg = arg;
	r = loop_fd_add(l, &n->source, n->sock, EPOLLIN, on_message);
	if (r == 0)
		r = loop_fd_add(l, &n->end, init->fd, EPOLLIN, on_end);
	return r < 0 ? err_code(err, r, "wait for the container's READY=1") : 0;
}

void notify_socket_free(struct notify_socket *n)
{
	if (!n)
		return;
	if (n->loop) {
		loop_fd_remove(&n->source);
		loop_fd_remove(&n->end);
		loop_fd_remove(&n->told);
		loop_timer_cancel(&n->timer);
		loop_defer_cancel(&n->deferred);
	}
	if (n->sock >= 0)
		unlinkat(n->dirfd, "notify.sock", 0);
	fd_close(n->sock);
	fd_close(n->barrier);
	fd_close(n->dirfd);
	free(n);
}
