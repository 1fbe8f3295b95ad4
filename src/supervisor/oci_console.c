/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection, one message with one fd; the text in it (a name of the terminal) says nothing. What comes must be a
 * terminal's master: everything that a client types would go there.
 */
#include "supervisor/oci_console.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

static void end(struct oci_console *c, int master, const struct err *err)
{
	oci_console_fn *fn = c->fn;

	loop_fd_remove(&c->source);
	c->fn = NULL;
	if (fn)
		fn(c, master, err);
	else
		fd_close(master);
}

static bool is_master(int fd)
{
	unsigned int number;

	return ioctl(fd, TIOCGPTN, &number) == 0;
}

static void on_message(struct loop_fd *s, uint32_t events)
{
	struct oci_console *c = container_of(s, struct oci_console, source);
	size_t n_fds = 1;
	int fd = -EBADF;
	struct err err;
	char text[4096];
	ssize_t n;

	(void)events;
	n = fd_recv(c->conn, text, sizeof(text), &fd, &n_fds, MSG_DONTWAIT);
	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n > 0 && n_fds == 1 && is_master(fd)) {
		end(c, fd, NULL);
		return;
	}
	if (n_fds == 1)
		fd_close(fd);
	if (n < 0)
		err_code(&err, (int)n, "receive the terminal from the runtime");
	else if (n == 0)
		err_set(&err, -EIO, "the runtime closed the console socket without a terminal");
	else
		err_set(&err, -EIO, "the runtime sent no terminal over the console socket");
	end(c, -EBADF, &err);
}

static void on_connection(struct loop_fd *s, uint32_t events)
{
	struct oci_console *c = container_of(s, struct oci_console, source);
	struct err err;
	int r;

	(void)events;
	c->conn = accept4(c->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (c->conn < 0) {
		c->conn = -EBADF;
		return;
	}
	loop_fd_remove(&c->source);
	r = loop_fd_add(c->loop, &c->source, c->conn, EPOLLIN, on_message);
	if (r < 0) {
		err_code(&err, r, "watch the console socket");
		end(c, -EBADF, &err);
	}
}

int oci_console_open(struct oci_console *c, struct loop *l, int dirfd, const char *name,
	oci_console_fn *fn, struct err *err)
{
	int r;

	*c = (struct oci_console){
		.loop = l, .fn = fn, .dirfd = dirfd, .listener = -EBADF, .conn = -EBADF
	};
	snprintf(c->name, sizeof(c->name), "%s", name);
	c->listener = fd_unix_listen_at(dirfd, c->name, SOCK_STREAM, 0600);
	r = c->listener;
	if (r >= 0)
		r = fd_set_nonblock(c->listener, true);
	if (r >= 0)
		r = loop_fd_add(l, &c->source, c->listener, EPOLLIN, on_connection);
	if (r < 0) {
		oci_console_close(c);
		return err_code(err, r, "make the console socket");
	}
	return 0;
}

void oci_console_close(struct oci_console *c)
{
	if (!c->loop)
		return;
	loop_fd_remove(&c->source);
	c->listener = fd_close(c->listener);
	c->conn = fd_close(c->conn);
	unlinkat(c->dirfd, c->name, 0);
	c->loop = NULL;
}
