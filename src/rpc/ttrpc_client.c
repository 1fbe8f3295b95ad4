/* SPDX-License-Identifier: Apache-2.0 */
/*
 * There is no cancel in ttrpc: a call whose deadline has passed is only forgotten here, and its
 * late answer finds no call and is dropped. The same holds for answers to streams that nobody
 * opened: a server must not be able to end the client by them.
 *
 * What surprises: the end of the connection is told at the end of the loop's round, so that a
 * caller in the middle of ttrpc_client_call() is never called back about it.
 */
#include "rpc/ttrpc_client.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "rpc/conn.h"
#include "rpc/message.h"

#include "proto/ttrpc.pb-c.h"

#define UNSENT_MAX_BYTES (8u << 20)

struct call {
	uint64_t tag;
	uint64_t deadline_ns; /* 0: none */
	uint32_t stream;
};

struct ttrpc_client {
	struct loop *loop;
	const struct ttrpc_client_ops *ops;
	void *arg;
	struct conn io;
	struct loop_fd source;
	struct loop_timer timer;
	struct loop_deferred end;
	struct call *calls; /* in the order of their streams */
	size_t n_calls, cap_calls;
	uint32_t next_stream;
	bool broken;
};

static int connect_abstract(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = strlen(name);
	auto_close int fd = -EBADF;

	if (len == 0 || len >= sizeof(address.sun_path))
		return -EINVAL;
	memcpy(address.sun_path + 1, name, len);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len)) < 0)
		return -errno;
	return take_fd(&fd);
}

int ttrpc_connect(const char *address, int *ret_fd, struct err *err)
{
	const char *path = address;
	int fd;

	if (str_starts(path, "unix://"))
		path += strlen("unix://");
	if (path == address && strstr(path, "://"))
		return err_set(err, -EPROTONOSUPPORT, "address '%s' is no unix socket", address);
	if (*path == '/')
		fd = fd_unix_connect(path, SOCK_STREAM | SOCK_NONBLOCK);
	else
		fd = connect_abstract(path);
	if (fd < 0)
		return err_code(err, fd, "connect to '%s'", address);
	*ret_fd = fd;
	return 0;
}

/* The call leaves the list before its owner hears of it, for the owner may make new ones. */
static struct call call_remove(struct ttrpc_client *c, size_t i)
{
	struct call call = c->calls[i];

	memmove(c->calls + i, c->calls + i + 1, (c->n_calls - i - 1) * sizeof(*c->calls));
	c->n_calls--;
	return call;
}

static void client_end(struct loop_deferred *d)
{
	struct ttrpc_client *c = container_of(d, struct ttrpc_client, end);
	const struct ttrpc_answer lost = {
		.end = TTRPC_LOST, .code = RPC_UNAVAILABLE, .text = "ttrpc: closed"
	};

	while (c->n_calls > 0)
		c->ops->answer(c->arg, call_remove(c, 0).tag, &lost);
	c->ops->closed(c->arg);
}

static void client_break(struct ttrpc_client *c)
{
	if (c->broken)
		return;
	c->broken = true;
	loop_timer_cancel(&c->timer);
	loop_fd_remove(&c->source);
	loop_defer(c->loop, &c->end, client_end);
}

static void client_watch(struct ttrpc_client *c)
{
	uint32_t events = EPOLLIN | (conn_unsent(&c->io) ? EPOLLOUT : 0);

	if (!c->broken && events != c->source.events && loop_fd_modify(&c->source, events) < 0)
		client_break(c);
}

static void client_expire(struct loop_timer *t);

static void client_set_timer(struct ttrpc_client *c)
{
	uint64_t first = 0;

	for (size_t i = 0; i < c->n_calls; i++)
		if (c->calls[i].deadline_ns && (!first || c->calls[i].deadline_ns < first))
			first = c->calls[i].deadline_ns;
	if (!first || c->broken)
		loop_timer_cancel(&c->timer);
	else if (loop_timer_set(c->loop, &c->timer, first, client_expire) < 0)
		client_break(c); /* a call without its deadline could wait for ever */
}

static void client_expire(struct loop_timer *t)
{
	struct ttrpc_client *c = container_of(t, struct ttrpc_client, timer);
	const struct ttrpc_answer late = {
		.end = TTRPC_TIMEOUT,
		.code = RPC_DEADLINE_EXCEEDED,
		.text = "context deadline exceeded",
	};
	uint64_t now = clock_boot_ns();

	for (size_t i = 0; i < c->n_calls;) {
		if (c->calls[i].deadline_ns && c->calls[i].deadline_ns <= now)
			c->ops->answer(c->arg, call_remove(c, i).tag, &late);
		else
			i++;
	}
	client_set_timer(c);
}

static void client_answer(struct ttrpc_client *c, uint64_t tag, const struct frame *f)
{
	auto_done(arena) struct arena arena = { 0 };
	const ProtobufCMessage *m;
	const Pb__Ttrpc__Response *response;
	struct ttrpc_answer a = { .end = TTRPC_ANSWERED, .text = "" };
	struct err err;

	if (!f->data) {
		a.code = RPC_RESOURCE_EXHAUSTED;
		a.text = "the answer is longer than a message may be";
	} else if (message_decode(&pb__ttrpc__response__descriptor, f->data, f->size, &arena, &m,
			   &err) < 0) {
		a.code = RPC_INTERNAL;
		a.text = err.text;
	} else {
		response = (const Pb__Ttrpc__Response *)(const void *)m;
		a.code = response->status ? (enum status_code)response->status->code : RPC_OK;
		a.text = response->status ? response->status->message : "";
		a.payload = response->payload.data;
		a.size = response->payload.len;
	}
	c->ops->answer(c->arg, tag, &a);
}

static void client_frame(struct ttrpc_client *c, const struct frame *f)
{
	if (f->data && f->type != FRAME_RESPONSE)
		return;
	for (size_t i = 0; i < c->n_calls; i++)
		if (c->calls[i].stream == f->stream)
			return client_answer(c, call_remove(c, i).tag, f);
}

static void client_event(struct loop_fd *source, uint32_t events)
{
	struct ttrpc_client *c = container_of(source, struct ttrpc_client, source);
	struct frame f;
	int r = 0;

	if (events & EPOLLOUT)
		r = conn_flush(&c->io);
	if (r == 0 || r == -EAGAIN)
		r = conn_receive(&c->io);
	if (r == 0 || (r < 0 && r != -EAGAIN))
		return client_break(c);
	while (!c->broken && conn_next(&c->io, &f) != FRAME_PARTIAL)
		client_frame(c, &f);
	client_set_timer(c);
	client_watch(c);
}

int ttrpc_client_new_take_fd(struct loop *loop, int fd, uint32_t first_stream,
	const struct ttrpc_client_ops *ops, void *arg, struct ttrpc_client **ret, struct err *err)
{
	struct ttrpc_client *c = mem_calloc(1, sizeof(*c));
	int r;

	if (!c) {
		fd_close(fd);
		return err_oom(err);
	}
	c->loop = loop;
	c->ops = ops;
	c->arg = arg;
	c->next_stream = first_stream ? first_stream : 1;
	r = conn_take_fd(&c->io, fd);
	if (r == 0)
		r = loop_fd_add(loop, &c->source, fd, EPOLLIN, client_event);
	if (r < 0) {
		ttrpc_client_free(c);
		return err_code(err, r, "ttrpc client");
	}
	*ret = c;
	return 0;
}

void ttrpc_client_free(struct ttrpc_client *c)
{
	if (!c)
		return;
	loop_fd_remove(&c->source);
	loop_timer_cancel(&c->timer);
	loop_defer_cancel(&c->end);
	conn_done(&c->io);
	free(c->calls);
	free(c);
}

static int put_request(struct ttrpc_client *c, const char *service, const char *method,
	const void *payload, size_t size, uint64_t deadline_ns)
{
	Pb__Ttrpc__Request request = PB__TTRPC__REQUEST__INIT;
	uint64_t now = clock_boot_ns();
	size_t at = conn_begin(&c->io);

	request.service = (char *)service;
	request.method = (char *)method;
	request.payload = (ProtobufCBinaryData){ size, (uint8_t *)payload };
	if (deadline_ns) /* none left is sent as the least there is: 0 would mean no limit */
		request.timeout_nano = deadline_ns > now ? (int64_t)(deadline_ns - now) : 1;
	message_encode(&request.base, &c->io.out);
	return conn_end(&c->io, at, c->next_stream, FRAME_REQUEST);
}

int ttrpc_client_call_bytes(struct ttrpc_client *c, uint64_t tag, const char *service,
	const char *method, const void *payload, size_t size, uint64_t deadline_ns, struct err *err)
{
	bool was_empty = conn_unsent(&c->io) == 0;
	int r;

	if (c->broken || c->next_stream > UINT32_MAX - 2)
		return err_set(err, -ENOTCONN, "call %s/%s: ttrpc: closed", service, method);
	if (conn_unsent(&c->io) > UNSENT_MAX_BYTES)
		return err_set(
			err, -ENOBUFS, "call %s/%s: the server does not read", service, method);
	if (mem_grow(&c->calls, &c->cap_calls, c->n_calls + 1, sizeof(*c->calls)) < 0)
		return err_oom(err);
	r = put_request(c, service, method, payload, size, deadline_ns);
	if (r < 0)
		return err_code(err, r, "call %s/%s", service, method);
	c->calls[c->n_calls++] = (struct call){ tag, deadline_ns, c->next_stream };
	c->next_stream += 2;
	r = was_empty ? conn_flush(&c->io) : 0;
	if (r < 0 && r != -EAGAIN)
		client_break(c);
	client_set_timer(c);
	client_watch(c);
	return 0;
}

int ttrpc_client_call(struct ttrpc_client *c, uint64_t tag, const char *service, const char *method,
	const ProtobufCMessage *input, uint64_t deadline_ns, struct err *err)
{
	struct buf bytes = { 0 };
	int r;

	message_encode(input, &bytes);
	r = buf_ok(&bytes) < 0 ? err_oom(err)
			       : ttrpc_client_call_bytes(c, tag, service, method, bytes.data,
					 bytes.len, deadline_ns, err);
	buf_done(&bytes);
	return r;
}

uint32_t ttrpc_client_next_stream(const struct ttrpc_client *c)
{
	return c->next_stream;
}
