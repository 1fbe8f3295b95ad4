/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Console. The relay copies between our streams and the master: reading and writing, because the kernel splices neither
 * end of a person's terminal everywhere.
 *
 * What surprises: our streams are shared with the caller, so they are never made non-blocking; a piece is written only
 * when the sink is ready and is small enough for a pipe to take it whole. A hang-up cannot be masked in epoll, so
 * a source that must rest is taken out of the loop.
 */
#include "cli/console.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

/* By runc's name: suites that its users run look for the whole sentence, whatever the program is called; crun's for the option. */
int console_check(bool terminal, bool detach, const char *socket, struct err *err)
{
	if (terminal && detach && str_empty(socket))
		return err_set(err, -EINVAL,
			"cannot allocate tty if runc will detach without setting console socket: "
			"use --console-socket");
	if (!str_empty(socket) && (!terminal || !detach))
		return err_set(err, -EINVAL,
			"cannot use console socket if runc will not detach or allocate tty");
	return 0;
}

int console_open(struct console *c, const char *socket, struct err *err)
{
	if (str_empty(socket))
		return 0;
	c->socket = fd_unix_connect(socket, SOCK_STREAM);
	return c->socket < 0 ? err_code(err, c->socket, "connect to console socket '%s'", socket)
			     : 0;
}

int console_send_fd(const char *path, const char *word, int fd, struct err *err)
{
	auto_close int sock = fd_unix_connect(path, SOCK_STREAM);
	int r;

	if (sock < 0)
		return err_code(err, sock, "connect to socket '%s'", path);
	r = fd_send(sock, word, strlen(word), &fd, 1);
	return r < 0 ? err_code(err, r, "send to socket '%s'", path) : 0;
}

/*
 * Lines that go to no terminal (a pipe, a file) end as the program ends them, as with runc: nobody there wants the
 * carriage returns. The process is still being set up, so that no line of it is before this.
 */
static void plain_lines(int master)
{
	struct termios t;

	if (isatty(STDOUT_FILENO) || tcgetattr(master, &t) < 0)
		return;
	t.c_oflag &= ~(tcflag_t)ONLCR;
	tcsetattr(master, TCSANOW, &t);
}

void console_take(struct console *c, int master)
{
	static const char name[] = "/dev/ptmx"; /* receivers want a byte and ignore the text */
	int r;

	if (c->socket < 0) {
		fd_close(c->master);
		c->master = master;
		plain_lines(master);
		return;
	}
	r = fd_send(c->socket, name, sizeof(name) - 1, &master, 1);
	if (r < 0)
		err_code(&c->err, r, "send the terminal to the console socket");
	fd_close(master);
	c->socket = fd_close(c->socket);
}

int console_result(const struct console *c, struct err *err)
{
	if (c->err.code)
		*err = c->err;
	else if (c->socket >= 0)
		err_set(err, -EIO, "the terminal did not come");
	else
		return 0;
	return err->code;
}

/* ---- one direction ---- */

static void on_source(struct loop_fd *s, uint32_t events);
static void on_sink(struct loop_fd *s, uint32_t events);
static void on_again(struct loop_deferred *d);

static void rest(struct console_pipe *p)
{
	loop_fd_remove(&p->source);
	loop_defer_cancel(&p->again);
}

/* Wait until there is something to read; what epoll refuses (files, /dev/null) always has. */
static void listen_to(struct console_pipe *p)
{
	int r;

	if (p->ended || p->source.loop)
		return;
	r = loop_fd_add(p->loop, &p->source, p->in, EPOLLIN, on_source);
	if (r == -EPERM)
		loop_defer(p->loop, &p->again, on_again);
	else if (r < 0)
		p->ended = true;
}

/* True when everything was written or thrown away. */
static bool write_some(struct console_pipe *p)
{
	size_t size = p->end - p->start;
	ssize_t n;

	if (size == 0 || p->broken) {
		p->start = p->end = 0;
		return true;
	}
	n = write(p->out, p->data + p->start, size < PIPE_BUF ? size : PIPE_BUF);
	if (n < 0 && errno != EINTR && errno != EAGAIN)
		p->broken = true;
	if (n > 0)
		p->start += (size_t)n;
	return p->start == p->end || p->broken;
}

/* The piece that was read goes out now or when the sink takes it. */
static void pass_on(struct console_pipe *p)
{
	int r;

	r = loop_fd_add(p->loop, &p->sink, p->out, EPOLLOUT, on_sink);
	if (r == 0) {
		rest(p);
		return;
	}
	/* A file takes everything at once. */
	while (!write_some(p))
		;
	p->start = p->end = 0;
	listen_to(p);
}

static void read_some(struct console_pipe *p)
{
	ssize_t n = read(p->in, p->data, sizeof(p->data));

	if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
		listen_to(p);
		return;
	}
	/* A master whose other side nobody has open says EIO. */
	if (n <= 0) {
		p->ended = true;
		rest(p);
		return;
	}
	p->start = 0;
	p->end = (size_t)n;
	pass_on(p);
}

static void on_source(struct loop_fd *s, uint32_t events)
{
	read_some(container_of(s, struct console_pipe, source));
}

static void on_again(struct loop_deferred *d)
{
	read_some(container_of(d, struct console_pipe, again));
}

static void on_sink(struct loop_fd *s, uint32_t events)
{
	struct console_pipe *p = container_of(s, struct console_pipe, sink);

	if (events & EPOLLERR && !(events & EPOLLOUT))
		p->broken = true;
	if (!write_some(p))
		return;
	p->start = p->end = 0;
	loop_fd_remove(&p->sink);
	listen_to(p);
}

/* ---- both ---- */

static void make_raw(struct console *c)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &c->saved) < 0)
		return;
	raw = c->saved;
	cfmakeraw(&raw);
	if (!isatty(STDOUT_FILENO)) /* what others write to it is theirs */
		raw.c_oflag = c->saved.c_oflag;
	c->raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

void console_resize(const struct console *c)
{
	struct winsize size;

	if (c->master < 0)
		return;
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (ioctl(fd, TIOCGWINSZ, &size) == 0) {
			ioctl(c->master, TIOCSWINSZ, &size);
			return;
		}
	}
}

int console_relay(struct console *c, struct loop *l, struct err *err)
{
	int r;

	if (c->master < 0)
		return 0;
	r = fd_set_nonblock(c->master, true);
	if (r < 0)
		return err_code(err, r, "prepare the terminal");
	console_resize(c);
	make_raw(c);
	c->keys = (struct console_pipe){ .loop = l, .in = STDIN_FILENO, .out = c->master };
	c->screen = (struct console_pipe){ .loop = l, .in = c->master, .out = STDOUT_FILENO };
	c->relayed = true;
	listen_to(&c->keys);
	listen_to(&c->screen);
	return 0;
}

static void stop(struct console_pipe *p)
{
	rest(p);
	loop_fd_remove(&p->sink);
}

void console_drain(struct console *c)
{
	struct console_pipe *p = &c->screen;

	if (!c->relayed)
		return;
	stop(&c->keys);
	stop(p);
	for (;;) {
		ssize_t n;

		if (!p->broken && p->end > p->start)
			p->broken =
				fd_write_full(p->out, p->data + p->start, p->end - p->start) < 0;
		p->start = p->end = 0;
		n = read(p->in, p->data, sizeof(p->data));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		p->end = (size_t)n;
	}
	c->relayed = false;
}

void console_done(struct console *c)
{
	if (c->relayed) {
		stop(&c->keys);
		stop(&c->screen);
		c->relayed = false;
	}
	if (c->raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &c->saved);
	c->raw = false;
	c->socket = fd_close(c->socket);
	c->master = fd_close(c->master);
}
