/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call is over when its process has ended and its outputs are at their end. containerd waits for the second for ever,
 * so that a shim which leaves its output to a child holds it up; here that is an error after a moment, and what is left
 * in the process group is killed.
 *
 * What surprises: the process dies with us. A `start` in the middle of it is then no longer there to go on with a launch
 * that the next manager undoes; the server that it may have forked is found by what it has left in the bundle.
 */
#include "manager/shim_call.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"

#define OUTPUT_MAX 65536
#define LINGER_NS (2 * NS_PER_SEC) /* from its exit to the end of its output */
#define READS_MAX 64
#define INFO "-info"

/* ---- words and variables ---- */

#define WORDS_MAX 16

char **shim_call_argv(
	const struct shim_call_env *env, const struct shim_call_request *req, struct arena *arena)
{
	const char *const pairs[][2] = {
		{ "-namespace", req->ns },
		{ "-address", env->grpc_address },
		{ "-publish-binary", env->publish_binary },
		{ "-id", req->id },
		{ "-bundle", str_eq(req->action, "delete") ? req->bundle : NULL },
	};
	const char **w = arena_calloc(arena, WORDS_MAX, sizeof(*w));
	size_t n = 0;

	if (!w)
		return NULL;
	w[n++] = req->binary;
	if (str_eq(req->action, INFO)) {
		w[n] = INFO;
		return (char **)(void *)w;
	}
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		if (!pairs[i][1])
			continue;
		w[n++] = pairs[i][0];
		w[n++] = pairs[i][1];
	}
	if (env->debug)
		w[n++] = "-debug";
	w[n] = req->action;
	return (char **)(void *)w;
}

/* Ours to say, or of the service that started us alone. */
static bool is_replaced(const char *variable)
{
	static const char *const names[] = { "GOMAXPROCS=", "TTRPC_ADDRESS=", "GRPC_ADDRESS=",
		"NAMESPACE=", "MAX_SHIM_VERSION=", "NOTIFY_SOCKET=", "WATCHDOG_USEC=",
		"WATCHDOG_PID=", "LISTEN_FDS=", "LISTEN_PID=", "LISTEN_FDNAMES=" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_starts(variable, names[i]))
			return true;
	return false;
}

static bool put_variable(struct arena *arena, char **at, const char *name, const char *value)
{
	*at = arena_printf(arena, "%s=%s", name, value ? value : "");
	return *at;
}

char **shim_call_environ(const struct shim_call_env *env, const struct shim_call_request *req,
	char *const *base, struct arena *arena)
{
	size_t n = 0, given = 0;
	char **list;

	while (base && base[given])
		given++;
	list = arena_calloc(arena, given + WORDS_MAX, sizeof(*list));
	if (!list)
		return NULL;
	for (size_t i = 0; i < given; i++)
		if (!is_replaced(base[i]))
			list[n++] = base[i];
	/* the version is 2 from every containerd, whatever it can do */
	if (!put_variable(arena, &list[n++], "GOMAXPROCS", "2") ||
		!put_variable(arena, &list[n++], "MAX_SHIM_VERSION", "2") ||
		!put_variable(arena, &list[n++], "TTRPC_ADDRESS", env->ttrpc_address) ||
		!put_variable(arena, &list[n++], "GRPC_ADDRESS", env->grpc_address) ||
		!put_variable(arena, &list[n++], "NAMESPACE", req->ns))
		return NULL;
	return list;
}

/* ---- its end ---- */

static void stream_done(struct shim_call_stream *s)
{
	if (!s->open)
		return;
	loop_fd_remove(&s->source);
	s->fd = fd_close(s->fd);
	s->open = false;
}

static void close_streams(struct shim_call *c)
{
	loop_timer_cancel(&c->timer);
	stream_done(&c->out);
	stream_done(&c->errors);
}

/* One line of what it said, for people; info: as containerd has it. */
static void add_said(struct err *e, const struct buf *said, bool info)
{
	struct err what = *e;
	char line[241];
	size_t n = 0;

	for (size_t at = 0, len; at < said->len && n < sizeof(line) - 4; at += len ? len : 1) {
		const char *c = said->data + at;

		len = (unsigned char)*c < ' ' ? 0 : str_utf8_len(c, said->len - at);
		memcpy(line + n, len ? c : " ", len ? len : 1);
		n += len ? len : 1;
	}
	while (n > 0 && line[n - 1] == ' ')
		n--;
	line[n] = '\0';
	if (info)
		err_set(e, what.code, "%s (stderr: \"%s\")", what.text, line);
	else if (n > 0)
		err_set(e, what.code, "%s: %s", what.text, line);
}

static void judge(struct shim_call *c, struct err *e)
{
	struct command_result r = c->result;

	r.output = "";
	command_failed(&r, c->action, e);
	if (e->code == 0 && c->too_much)
		err_set(e, -EMSGSIZE, "'%s' says more than an answer may have", c->action);
	else if (e->code == 0 && (c->out.open || c->errors.open))
		err_set(e, -ETIMEDOUT, "'%s' has ended, but left its output open", c->action);
}

static void finish(struct shim_call *c)
{
	struct buf out = c->out.data, errors = c->errors.data;
	const struct shim_call_env *env = c->env;
	struct err e = { 0 };
	pid_t group = c->command.watch.pid;

	judge(c, &e);
	/* Whoever holds the output is most likely of its group, whose number is then still in use. */
	if (c->out.open || c->errors.open)
		kill(-group, SIGKILL);
	c->out.data = c->errors.data = (struct buf){ 0 };
	close_streams(c);
	/* what `delete` prints is no text */
	if (e.code)
		add_said(&e, str_eq(c->action, "start") ? &out : &errors, str_eq(c->action, INFO));
	else if (errors.len)
		log_write(env->log, LOG_WARN_, "shim's '%s': %.*s", c->action,
			(int)(errors.len > 1000 ? 1000 : errors.len), errors.data);
	c->done(c->arg, &out, e.code ? &e : NULL);
	buf_done(&out);
	buf_done(&errors);
}

static void look_for_end(struct shim_call *c)
{
	if (c->exited && !c->out.open && !c->errors.open)
		finish(c);
}

static void on_linger(struct loop_timer *t)
{
	finish(container_of(t, struct shim_call, timer));
}

static void on_exit_(struct command *command, const struct command_result *r)
{
	struct shim_call *c = container_of(command, struct shim_call, command);

	c->exited = true;
	c->result = *r;
	if (!c->out.open && !c->errors.open)
		return finish(c);
	if (loop_timer_set(
		    c->env->command.loop, &c->timer, clock_boot_ns() + LINGER_NS, on_linger) < 0)
		finish(c);
}

/* ---- its output ---- */

static void read_stream(struct shim_call *c, struct shim_call_stream *s)
{
	char data[1024];
	ssize_t n;

	for (int i = 0; i < READS_MAX; i++) {
		n = read(s->fd, data, sizeof(data));
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0)
			return stream_done(s);
		c->too_much |= s->data.len + (size_t)n > OUTPUT_MAX;
		if (!c->too_much)
			buf_add(&s->data, data, (size_t)n);
	}
}

static void on_out(struct loop_fd *source, uint32_t events)
{
	struct shim_call *c = container_of(source, struct shim_call, out.source);

	(void)events;
	read_stream(c, &c->out);
	look_for_end(c);
}

static void on_errors(struct loop_fd *source, uint32_t events)
{
	struct shim_call *c = container_of(source, struct shim_call, errors.source);

	(void)events;
	read_stream(c, &c->errors);
	look_for_end(c);
}

static int open_stream(struct shim_call *c, struct shim_call_stream *s, loop_fd_fn *fn, int *ret)
{
	int p[2], r;

	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	r = fd_set_nonblock(p[0], true);
	if (r == 0)
		r = loop_fd_add(c->env->command.loop, &s->source, p[0], EPOLLIN, fn);
	if (r < 0) {
		fd_close(p[0]);
		fd_close(p[1]);
		return r;
	}
	s->fd = p[0];
	s->open = true;
	*ret = p[1];
	return 0;
}

/* ---- its beginning ---- */

static int open_streams(
	struct shim_call *c, const struct shim_call_request *req, int stdio[3], int *errors)
{
	int r = open_stream(c, &c->out, on_out, &stdio[1]);

	if (r == 0 && !str_eq(c->action, "start"))
		r = open_stream(c, &c->errors, on_errors, errors);
	stdio[2] = *errors >= 0 ? *errors : stdio[1];
	if (r == 0 && req->input_size > 0) {
		stdio[0] = fd_memfd("options", req->input, req->input_size);
		r = stdio[0] < 0 ? stdio[0] : 0;
	}
	return r;
}

static int launch(
	struct shim_call *c, const struct shim_call_request *req, const int *stdio, struct err *err)
{
	auto_done(arena) struct arena arena = { 0 };
	char **argv = shim_call_argv(c->env, req, &arena);
	char **envp = shim_call_environ(c->env, req, environ, &arena);
	const struct command_request command = {
		.program = req->binary,
		.argv = argv,
		.envp = envp,
		.cwd = req->bundle,
		.stdio = stdio,
		.limit_ns = req->limit_ns,
	};

	if (!argv || !envp)
		return err_oom(err);
	return command_start(&c->command, &c->env->command, &command, on_exit_, err);
}

int shim_call_start(const struct shim_call_env *env, const struct shim_call_request *req,
	shim_call_fn *done, void *arg, struct shim_call **ret, struct err *err)
{
	struct shim_call *c = mem_calloc(1, sizeof(*c));
	auto_close int errors = -EBADF;
	int stdio[3] = { -EBADF, -EBADF, -EBADF };
	int r;

	if (!c)
		return err_oom(err);
	*c = (struct shim_call){ .env = env, .done = done, .arg = arg };
	c->action = str_eq(req->action, "delete") ? "delete"
		    : str_eq(req->action, INFO)   ? INFO
						  : "start";
	r = open_streams(c, req, stdio, &errors);
	r = r < 0 ? err_code(err, r, "open the streams of '%s'", req->binary)
		  : launch(c, req, stdio, err);
	fd_close(stdio[0]);
	fd_close(stdio[1]);
	if (r < 0)
		shim_call_free(c);
	else
		*ret = c;
	return r;
}

static void release(struct loop_deferred *d)
{
	struct shim_call *c = container_of(d, struct shim_call, release);

	buf_done(&c->out.data);
	buf_done(&c->errors.data);
	free(c);
}

void shim_call_free(struct shim_call *c)
{
	if (!c)
		return;
	if (!c->exited)
		command_drop(&c->command); /* accepts one that was not started */
	close_streams(c);
	loop_defer(c->env->command.loop, &c->release, release);
}
