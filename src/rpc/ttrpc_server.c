/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decides what a frame is answered with when no handler sees it; texts and codes are those of the
 * Go server, because containerd finds out what a shim can do from them. Leaves to handlers what a
 * call means, and to conn.c the bytes.
 *
 * What surprises: a connection whose client does not read is stopped at a mark of unsent bytes, yet
 * calls that are in progress may still answer. Beyond a second, much higher mark an answer shrinks
 * to a status, so that the memory of one connection has a bound.
 *
 * A connection ends in two steps: at once it stops being found and its socket being watched, at the
 * end of the round it is closed, told and released. Handlers may thus answer, and be told that an
 * answer could not be sent, in the middle of reading frames.
 */
#include "rpc/ttrpc_server.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "rpc/conn.h"
#include "rpc/conn_record.h"
#include "rpc/listener.h"

#include "proto/ttrpc.pb-c.h"

#define UNSENT_PAUSE_BYTES (256u << 10)
#define UNSENT_MAX_BYTES (32u << 20)
#define CONNECTIONS_MAX 4096
#define NAMESPACE_KEY "containerd-namespace-ttrpc"

struct client {
	struct conn io;
	struct loop_fd source;
	struct loop_deferred wake; /* after adoption */
	struct loop_deferred end;
	struct ttrpc_server *server;
	uint64_t id;
	uint32_t listener;
	uint32_t last_stream;
	uint32_t *open; /* ascending */
	size_t n_open, cap_open;
	bool broken;
};

struct ttrpc_server {
	struct rpc_door door;
	struct ttrpc_server_config config;
	struct listener **listeners;
	size_t n_listeners, cap_listeners;
	struct client **clients; /* ascending id */
	size_t n_clients, cap_clients;
	uint64_t next_conn;
};

static size_t lower_bound(const struct ttrpc_server *s, uint64_t id)
{
	size_t lo = 0, hi = s->n_clients;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (s->clients[mid]->id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct client *find(const struct ttrpc_server *s, uint64_t id)
{
	size_t i = lower_bound(s, id);

	return i < s->n_clients && s->clients[i]->id == id ? s->clients[i] : NULL;
}

static size_t find_stream(const struct client *c, uint32_t stream)
{
	size_t lo = 0, hi = c->n_open;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (c->open[mid] < stream)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void client_free(struct client *c)
{
	loop_fd_remove(&c->source);
	loop_defer_cancel(&c->wake);
	loop_defer_cancel(&c->end);
	conn_done(&c->io);
	free(c->open);
	free(c);
}

static void client_remove(struct client *c)
{
	struct ttrpc_server *s = c->server;
	size_t i = lower_bound(s, c->id);

	memmove(s->clients + i, s->clients + i + 1,
		(s->n_clients - i - 1) * sizeof(struct client *));
	s->n_clients--;
	client_free(c);
}

static void client_end(struct loop_deferred *d)
{
	struct client *c = container_of(d, struct client, end);
	struct ttrpc_server *s = c->server;
	uint64_t id = c->id;

	client_remove(c);
	if (s->config.closed)
		s->config.closed(s->config.arg, id);
}

/* `code` 0: the client left. */
static void client_break(struct client *c, int code)
{
	if (c->broken)
		return;
	c->broken = true;
	if (code < 0 && code != -ECONNRESET && code != -EPIPE && c->server->config.log)
		log_write(c->server->config.log, LOG_WARN_, "connection %llu closed: %s",
			(unsigned long long)c->id, strerror(-code));
	loop_fd_remove(&c->source);
	loop_defer(c->server->config.loop, &c->end, client_end);
}

static bool is_paused(const struct client *c)
{
	return conn_unsent(&c->io) >= UNSENT_PAUSE_BYTES;
}

static void client_watch(struct client *c)
{
	uint32_t events = (is_paused(c) ? 0 : EPOLLIN) | (conn_unsent(&c->io) ? EPOLLOUT : 0);
	int r = 0;

	if (!c->broken && events != c->source.events)
		r = loop_fd_modify(&c->source, events);
	if (r < 0)
		client_break(c, r);
}

/* Nothing waits: send now. Else the frame goes behind the others, when the socket takes more. */
static void client_sent(struct client *c, bool was_empty)
{
	int r = was_empty ? conn_flush(&c->io) : 0;

	if (r < 0 && r != -EAGAIN)
		client_break(c, r);
	client_watch(c);
}

static int put_response(struct client *c, uint32_t stream, enum status_code code, const char *text,
	const void *payload, size_t size)
{
	Pb__Ttrpc__Response response = PB__TTRPC__RESPONSE__INIT;
	Pb__Ttrpc__Status status = PB__TTRPC__STATUS__INIT;
	size_t at = conn_begin(&c->io);

	if (code != RPC_OK) {
		status.code = (int32_t)code;
		status.message = (char *)text;
		response.status = &status;
	} else {
		response.payload = (ProtobufCBinaryData){ size, (uint8_t *)payload };
	}
	message_encode(&response.base, &c->io.out);
	return conn_end(&c->io, at, stream, FRAME_RESPONSE);
}

static void client_answer(struct client *c, uint32_t stream, enum status_code code,
	const char *text, const void *payload, size_t size)
{
	size_t unsent = conn_unsent(&c->io), length = code == RPC_OK ? size : strlen(text);
	char refusal[96];
	int r = -ENOBUFS;

	if (unsent + length <= UNSENT_MAX_BYTES)
		r = put_response(c, stream, code, text, payload, size);
	if (r == -EMSGSIZE)
		snprintf(refusal, sizeof(refusal),
			"message length %zu exceed maximum message size of %u", length,
			FRAME_DATA_MAX);
	else if (r == -ENOBUFS)
		snprintf(refusal, sizeof(refusal),
			"%zu bytes of answers are not read: resource exhausted", unsent);
	if (r == -EMSGSIZE || r == -ENOBUFS)
		r = put_response(c, stream, RPC_RESOURCE_EXHAUSTED, refusal, NULL, 0);
	/* Without its answer the call would wait for ever; the end of the connection ends it. */
	if (r < 0)
		client_break(c, r);
	else
		client_sent(c, unsent == 0);
}

static void __attribute__((format(printf, 4, 5)))
client_refuse(struct client *c, uint32_t stream, enum status_code code, const char *fmt, ...)
{
	auto_free char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	client_answer(c, stream, code, text ? text : "out of memory", NULL, 0);
}

static uint64_t deadline(int64_t timeout_ns)
{
	uint64_t now = clock_boot_ns();

	if (timeout_ns == 0)
		return 0;
	/* A negative one has passed on its way here. The sum cannot overflow in 200 years. */
	return timeout_ns < 0 ? now : now + (uint64_t)timeout_ns;
}

static const char *namespace_of(const Pb__Ttrpc__Request *req)
{
	for (size_t i = 0; i < req->n_metadata; i++)
		if (str_eq(req->metadata[i]->key, NAMESPACE_KEY))
			return req->metadata[i]->value;
	return NULL;
}

static int stream_open(struct client *c, uint32_t stream)
{
	if (mem_grow(&c->open, &c->cap_open, c->n_open + 1, sizeof(*c->open)) < 0)
		return -ENOMEM;
	c->open[c->n_open++] = stream;
	return 0;
}

static void client_call(
	struct client *c, uint32_t stream, const Pb__Ttrpc__Request *req, struct arena *arena)
{
	struct ttrpc_server *s = c->server;
	const struct rpc_service *service =
		rpc_find_service(s->config.services, s->config.n_services, req->service);
	const struct rpc_method *method = service ? rpc_find_method(service, req->method) : NULL;
	const ProtobufCMessage *message = NULL;
	struct err err = { 0 };

	if (!service)
		return client_refuse(c, stream, RPC_UNIMPLEMENTED, "service %s", req->service);
	if (!method || method->shape != RPC_UNARY)
		return client_refuse(c, stream, RPC_UNIMPLEMENTED, "method %s", req->method);
	if (c->n_open >= TTRPC_STREAMS_MAX)
		return client_refuse(c, stream, RPC_RESOURCE_EXHAUSTED,
			"%u calls are in progress on this connection: resource exhausted",
			TTRPC_STREAMS_MAX);
	if (message_decode(
		    method->input, req->payload.data, req->payload.len, arena, &message, &err) < 0)
		return client_refuse(c, stream, RPC_INTERNAL,
			"ttrpc: error unmarshalling payload: %s", err.text);
	if (stream_open(c, stream) < 0)
		return client_refuse(c, stream, RPC_RESOURCE_EXHAUSTED, "out of memory");
	method->handler(service->arg ? service->arg : s->config.arg,
		&(struct rpc_request){
			.addr = { c->id, stream },
			.door = &s->door,
			.service = service->name,
			.method = method,
			.listener = c->listener,
			.deadline_boot_ns = deadline(req->timeout_nano),
			.ns = namespace_of(req),
			.message = message,
		});
}

static void client_request(struct client *c, const struct frame *f)
{
	auto_done(arena) struct arena arena = { 0 };
	const ProtobufCMessage *req = NULL;
	struct err err = { 0 };

	if (f->stream <= c->last_stream)
		return client_refuse(c, f->stream, RPC_INVALID_ARGUMENT,
			"StreamID cannot be re-used and must increment");
	c->last_stream = f->stream;
	if (message_decode(&pb__ttrpc__request__descriptor, f->data, f->size, &arena, &req, &err) <
		0)
		return client_refuse(c, f->stream, RPC_INVALID_ARGUMENT,
			"unmarshal request error: %s", err.text);
	client_call(c, f->stream, (const Pb__Ttrpc__Request *)(const void *)req, &arena);
}

static void client_frame(struct client *c, enum frame_result kind, const struct frame *f)
{
	if (kind == FRAME_TOO_LONG)
		client_refuse(c, f->stream, RPC_RESOURCE_EXHAUSTED,
			"message length %u exceed maximum message size of %u", f->size,
			FRAME_DATA_MAX);
	else if (f->stream % 2 == 0)
		client_refuse(c, f->stream, RPC_INVALID_ARGUMENT,
			"StreamID must be odd for client initiated streams");
	else if (f->type == FRAME_DATA)
		client_refuse(c, f->stream, RPC_INVALID_ARGUMENT, "StreamID is no longer active");
	else if (f->type == FRAME_REQUEST)
		client_request(c, f);
	/* Others are left alone, for the sake of versions to come. */
}

static void client_serve(struct client *c)
{
	struct frame f;
	enum frame_result r;

	while (!c->broken && !is_paused(c)) {
		r = conn_next(&c->io, &f);
		if (r == FRAME_PARTIAL)
			break;
		client_frame(c, r, &f);
	}
}

static void client_event(struct loop_fd *source, uint32_t events)
{
	struct client *c = container_of(source, struct client, source);
	int r = 0;

	if (events & EPOLLOUT)
		r = conn_flush(&c->io);
	if (r < 0 && r != -EAGAIN)
		return client_break(c, r);
	/* Frames that came in before a pause wait here, not in the socket. */
	client_serve(c);
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && !c->broken && !is_paused(c)) {
		r = conn_receive(&c->io);
		if (r == 0 || (r < 0 && r != -EAGAIN))
			return client_break(c, r);
		client_serve(c);
	} else if (events & (EPOLLHUP | EPOLLERR)) {
		return client_break(c, 0);
	}
	client_watch(c);
}

static int client_new_take_fd(
	struct ttrpc_server *s, int fd, uint32_t listener, uint64_t id, struct client **ret)
{
	struct client *c = mem_calloc(1, sizeof(*c));
	size_t i = lower_bound(s, id);
	int r;

	if (!c || mem_grow(&s->clients, &s->cap_clients, s->n_clients + 1,
			  sizeof(struct client *)) < 0) {
		free(c);
		fd_close(fd);
		return -ENOMEM;
	}
	c->server = s;
	c->id = id;
	c->listener = listener;
	r = conn_take_fd(&c->io, fd);
	if (r == 0)
		r = loop_fd_add(s->config.loop, &c->source, fd, EPOLLIN, client_event);
	if (r < 0) {
		client_free(c);
		return r;
	}
	memmove(s->clients + i + 1, s->clients + i, (s->n_clients - i) * sizeof(struct client *));
	s->clients[i] = c;
	s->n_clients++;
	if (id >= s->next_conn)
		s->next_conn = id + 1;
	*ret = c;
	return 0;
}

static bool server_full(void *arg)
{
	struct ttrpc_server *s = arg;

	return s->n_clients >= s->config.max_connections;
}

static int server_accepted(void *arg, uint32_t tag, int fd)
{
	struct ttrpc_server *s = arg;
	struct client *c;

	return client_new_take_fd(s, fd, tag, s->next_conn, &c);
}

int ttrpc_server_listen_take_fd(struct ttrpc_server *s, int fd, uint32_t tag, struct err *err)
{
	const struct listener_config config = {
		.loop = s->config.loop,
		.log = s->config.log,
		.full = server_full,
		.accepted = server_accepted,
		.arg = s,
		.tag = tag,
	};
	int r;

	if (mem_grow(&s->listeners, &s->cap_listeners, s->n_listeners + 1,
		    sizeof(struct listener *)) < 0) {
		fd_close(fd);
		return err_oom(err);
	}
	r = listener_new_take_fd(&config, fd, &s->listeners[s->n_listeners], err);
	if (r == 0)
		s->n_listeners++;
	return r;
}

void ttrpc_server_unlisten(struct ttrpc_server *s)
{
	for (size_t i = 0; i < s->n_listeners; i++)
		listener_free(s->listeners[i]);
	s->n_listeners = 0;
}

static void door_reply(struct rpc_door *d, struct rpc_addr to, enum status_code code,
	const char *text, const void *payload, size_t size)
{
	ttrpc_reply(container_of(d, struct ttrpc_server, door), to, code, text, payload, size);
}

struct rpc_door *ttrpc_server_door(struct ttrpc_server *s)
{
	return &s->door;
}

int ttrpc_server_new(
	const struct ttrpc_server_config *config, struct ttrpc_server **ret, struct err *err)
{
	struct ttrpc_server *s = mem_calloc(1, sizeof(*s));

	if (!s)
		return err_oom(err);
	s->config = *config;
	s->door.reply = door_reply;
	if (s->config.max_connections == 0)
		s->config.max_connections = CONNECTIONS_MAX;
	s->next_conn = config->first_conn ? config->first_conn : 1;
	*ret = s;
	return 0;
}

void ttrpc_server_free(struct ttrpc_server *s)
{
	if (!s)
		return;
	ttrpc_server_unlisten(s);
	for (size_t i = 0; i < s->n_clients; i++)
		client_free(s->clients[i]);
	free(s->listeners);
	free(s->clients);
	free(s);
}

uint64_t ttrpc_server_next_conn(const struct ttrpc_server *s)
{
	return s->next_conn;
}

size_t ttrpc_server_connections(const struct ttrpc_server *s)
{
	return s->n_clients;
}

void ttrpc_reply(struct ttrpc_server *s, struct rpc_addr to, enum status_code code,
	const char *text, const void *payload, size_t size)
{
	struct client *c = find(s, to.conn);
	size_t i = c ? find_stream(c, to.stream) : 0;

	if (!c || c->broken || i == c->n_open || c->open[i] != to.stream)
		return;
	memmove(c->open + i, c->open + i + 1, (c->n_open - i - 1) * sizeof(*c->open));
	c->n_open--;
	client_answer(c, to.stream, code, text ? text : "", payload, size);
}

void ttrpc_reply_message(
	struct ttrpc_server *s, struct rpc_addr to, const ProtobufCMessage *payload)
{
	rpc_reply_message(&s->door, to, payload);
}

int ttrpc_server_save(const struct ttrpc_server *s, uint64_t conn, struct buf *out)
{
	const struct client *c = find(s, conn);

	if (!c || c->broken)
		return -ENOENT;
	return conn_record_encode(&(struct conn_record){ .id = c->id,
					  .listener = c->listener,
					  .last_stream = c->last_stream,
					  .open = c->open,
					  .n_open = c->n_open },
		&c->io, out);
}

/* What waits in its boxes must move without another byte from the peer. */
static void client_wake(struct loop_deferred *d)
{
	struct client *c = container_of(d, struct client, wake);

	if (!c->broken)
		client_event(&c->source, conn_unsent(&c->io) ? EPOLLOUT : 0);
}

static int client_restore(struct client *c, struct conn *io, const struct conn_record *record)
{
	for (size_t i = 0; i < record->n_open; i++)
		if (stream_open(c, record->open[i]) < 0)
			return -ENOMEM;
	c->last_stream = record->last_stream;
	io->fd = c->io.fd;
	c->io = *io;
	*io = (struct conn){ .fd = -EBADF };
	return 0;
}

static int adopt_take_fd(struct ttrpc_server *s, int fd, struct conn *io,
	const struct conn_record *record, struct err *err)
{
	struct client *c = NULL;
	int r;

	if (find(s, record->id)) {
		fd_close(fd);
		return err_set(
			err, -EEXIST, "connection %llu exists", (unsigned long long)record->id);
	}
	r = client_new_take_fd(s, fd, record->listener, record->id, &c);
	if (r < 0)
		return err_code(err, r, "adopt connection %llu", (unsigned long long)record->id);
	r = client_restore(c, io, record);
	if (r < 0) {
		client_remove(c);
		return err_oom(err);
	}
	loop_defer(s->config.loop, &c->wake, client_wake);
	return 0;
}

int ttrpc_server_adopt_take_fd(struct ttrpc_server *s, int fd, uint32_t listener, const void *data,
	size_t size, uint64_t *ret_conn, struct err *err)
{
	auto_done(arena) struct arena arena = { 0 };
	struct conn_record record = { .id = s->next_conn, .listener = listener };
	struct conn io = { .fd = -EBADF };
	int r = 0;

	if (size > 0)
		r = conn_record_decode(data, size, &arena, &record, &io, err);
	if (r == 0)
		r = adopt_take_fd(s, fd, &io, &record, err);
	else
		fd_close(fd);
	conn_done(&io);
	if (r == 0)
		*ret_conn = record.id;
	return r;
}
