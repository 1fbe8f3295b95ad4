/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moves bytes between sockets and sessions, and decides when: a connection whose client does not
 * read is not read from, so that acknowledgements cannot pile up, and bytes are sent at the end of
 * the round in which they came to be, so that answers made in one round share a system call.
 *
 * A connection ends in two steps, as in ttrpc_server.c: at once it is no longer watched, at the end
 * of the round it is released, for a handler of its own may be running.
 */
#include "rpc/grpc_server.h"

#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/str.h"
#include "rpc/grpc_session.h"
#include "rpc/listener.h"

#define CONNECTIONS_MAX 4096
#define HELD_BYTES_MAX (256u << 20)
#define RECEIVE_BYTES (64u << 10)
#define SEND_BYTES (64u << 10) /* gathered before a send */
#define SENDS_AT_ONCE 16       /* then others have their turn */
#define GIVEN_BACK_BYTES (2u << 20)

struct client {
	struct grpc_server *server;
	struct grpc_session *session;
	uint64_t id;
	int fd;
	struct loop_fd source;
	struct loop_deferred flush, end;
	struct buf out; /* fetched, not sent */
	size_t out_at;
	bool broken;
	bool last_words; /* the session is broken: send what is left, then close */
};

struct grpc_server {
	struct rpc_door door;
	struct grpc_server_config config;
	struct listener **listeners;
	size_t n_listeners, cap_listeners;
	struct client **clients; /* ascending id */
	size_t n_clients, cap_clients;
	uint64_t next_conn;
	struct grpc_budget budget;
	size_t most; /* of what was held, since memory was given back */
	bool draining;
	struct loop_deferred drained;
	uint8_t receive[RECEIVE_BYTES];
};

static size_t lower_bound(const struct grpc_server *s, uint64_t id)
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

static struct client *find(const struct grpc_server *s, uint64_t id)
{
	size_t i = lower_bound(s, id);

	return i < s->n_clients && s->clients[i]->id == id && !s->clients[i]->broken ? s->clients[i]
										     : NULL;
}

static void client_free(struct client *c)
{
	loop_fd_remove(&c->source);
	loop_defer_cancel(&c->flush);
	loop_defer_cancel(&c->end);
	grpc_session_free(c->session);
	/* What its handlers have said to the end may have asked for another flush. */
	loop_defer_cancel(&c->flush);
	fd_close(c->fd);
	buf_done(&c->out);
	free(c);
}

static void on_drained(struct loop_deferred *d)
{
	struct grpc_server *s = container_of(d, struct grpc_server, drained);

	if (s->config.drained)
		s->config.drained(s->config.drained_arg);
}

/* The C library keeps what lies between two blocks that live; a flood must not be seen for ever. */
static void give_back(struct grpc_server *s)
{
	if (s->budget.used > s->most)
		s->most = s->budget.used;
	if (s->most - s->budget.used < GIVEN_BACK_BYTES)
		return;
	malloc_trim(0);
	s->most = s->budget.used;
}

static void client_end(struct loop_deferred *d)
{
	struct client *c = container_of(d, struct client, end);
	struct grpc_server *s = c->server;
	size_t i = lower_bound(s, c->id);

	memmove(s->clients + i, s->clients + i + 1,
		(s->n_clients - i - 1) * sizeof(struct client *));
	s->n_clients--;
	give_back(s);
	client_free(c);
	give_back(s);
	if (s->draining && s->n_clients == 0)
		loop_defer(s->config.loop, &s->drained, on_drained);
}

/* `code` 0: the client left. */
static void client_break(struct client *c, int code)
{
	if (c->broken)
		return;
	c->broken = true;
	if (code < 0 && code != -ECONNRESET && code != -EPIPE && c->server->config.log)
		log_write(c->server->config.log, LOG_WARN_, "gRPC connection %llu closed: %s",
			(unsigned long long)c->id, strerror(-code));
	loop_fd_remove(&c->source);
	loop_defer(c->server->config.loop, &c->end, client_end);
}

/* -EAGAIN: the socket takes no more. */
static int send_box(struct client *c)
{
	while (c->out_at < c->out.len) {
		ssize_t n = send(c->fd, c->out.data + c->out_at, c->out.len - c->out_at,
			MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EWOULDBLOCK ? -EAGAIN : -errno;
		c->out_at += (size_t)n;
	}
	c->out.len = c->out_at = 0;
	return 0;
}

/* Gather what the session has; returns false when it has no more. */
static int fetch_box(struct client *c)
{
	const uint8_t *bytes;

	while (c->out.len < SEND_BYTES) {
		ssize_t n = grpc_session_fetch(c->session, &bytes);

		if (n <= 0)
			return (int)n;
		buf_add(&c->out, bytes, (size_t)n);
		if (buf_ok(&c->out) < 0)
			return -ENOMEM;
	}
	return 1;
}

static void client_watch(struct client *c)
{
	bool unsent = c->out_at < c->out.len;
	uint32_t events = unsent ? EPOLLOUT : EPOLLIN;
	int r = 0;

	if (!c->broken && events != c->source.events)
		r = loop_fd_modify(&c->source, events);
	if (r < 0)
		client_break(c, r);
}

static void on_flush(struct loop_deferred *d);

static void client_send(struct client *c)
{
	int more = 1, r = send_box(c);

	give_back(c->server);
	for (int i = 0; i < SENDS_AT_ONCE && r == 0 && more > 0; i++) {
		more = fetch_box(c);
		r = send_box(c);
	}
	if (r < 0 && r != -EAGAIN)
		return client_break(c, r);
	if (r == 0 && more <= 0)
		buf_done(&c->out); /* an idle connection keeps nothing */
	if (r == 0 && (more < 0 || (more == 0 && c->last_words)))
		return client_break(c, more < 0 ? more : -EPROTO);
	if (r == 0 && more == 0 && grpc_session_ended(c->session))
		return client_break(c, 0);
	if (r == 0 && more > 0)
		loop_defer(c->server->config.loop, &c->flush, on_flush);
	client_watch(c);
}

static void on_flush(struct loop_deferred *d)
{
	struct client *c = container_of(d, struct client, flush);

	if (!c->broken)
		client_send(c);
}

static void on_wake(void *arg)
{
	struct client *c = arg;

	if (!c->broken)
		loop_defer(c->server->config.loop, &c->flush, on_flush);
}

static void client_receive(struct client *c)
{
	struct grpc_server *s = c->server;
	ssize_t n = recv(c->fd, s->receive, sizeof(s->receive), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		return client_break(c, n < 0 ? -errno : 0);
	if (grpc_session_feed(c->session, s->receive, (size_t)n) < 0)
		c->last_words = true;
	on_wake(c);
}

static void client_event(struct loop_fd *source, uint32_t events)
{
	struct client *c = container_of(source, struct client, source);

	if (events & EPOLLOUT)
		client_send(c);
	if (c->broken)
		return;
	if ((events & EPOLLIN) && c->out_at == c->out.len && !c->last_words)
		client_receive(c);
	else if (events & (EPOLLHUP | EPOLLERR))
		client_break(c, 0);
}

static int client_new_take_fd(struct grpc_server *s, int fd, uint32_t listener)
{
	struct client *c = mem_calloc(1, sizeof(*c));
	const struct grpc_session_config config = {
		.loop = s->config.loop,
		.services = s->config.services,
		.n_services = s->config.n_services,
		.arg = s->config.arg,
		.door = &s->door,
		.budget = &s->budget,
		.conn = s->next_conn,
		.listener = listener,
		.wake = on_wake,
		.wake_arg = c,
	};
	int r;

	if (!c || mem_grow(&s->clients, &s->cap_clients, s->n_clients + 1,
			  sizeof(struct client *)) < 0) {
		free(c);
		fd_close(fd);
		return -ENOMEM;
	}
	c->server = s;
	c->id = s->next_conn;
	c->fd = fd;
	r = grpc_session_new(&config, &c->session, NULL);
	if (r == 0)
		r = loop_fd_add(s->config.loop, &c->source, fd, EPOLLIN, client_event);
	if (r < 0) {
		client_free(c);
		return r;
	}
	s->next_conn++;
	s->clients[s->n_clients++] = c;
	/* Clients wait for the server's settings before they say anything. */
	on_wake(c);
	return 0;
}

/* ---- the door ---- */

static void door_reply(struct rpc_door *d, struct rpc_addr to, enum status_code code,
	const char *text, const void *payload, size_t size)
{
	struct client *c = find(container_of(d, struct grpc_server, door), to.conn);

	if (c)
		grpc_session_reply(c->session, to.stream, code, text, payload, size);
}

static int door_attach(
	struct rpc_door *d, struct rpc_addr to, const struct rpc_call_ops *ops, void *arg)
{
	struct client *c = find(container_of(d, struct grpc_server, door), to.conn);

	return c ? grpc_session_attach(c->session, to.stream, ops, arg) : -ENOENT;
}

static int door_send(struct rpc_door *d, struct rpc_addr to, const void *payload, size_t size)
{
	struct client *c = find(container_of(d, struct grpc_server, door), to.conn);

	return c ? grpc_session_send(c->session, to.stream, payload, size) : -ENOENT;
}

static size_t door_unsent(struct rpc_door *d, struct rpc_addr to)
{
	struct client *c = find(container_of(d, struct grpc_server, door), to.conn);

	return c ? grpc_session_unsent(c->session, to.stream) : 0;
}

static size_t door_unsent_messages(struct rpc_door *d, struct rpc_addr to)
{
	struct client *c = find(container_of(d, struct grpc_server, door), to.conn);

	return c ? grpc_session_unsent_messages(c->session, to.stream) : 0;
}

/* ---- the server ---- */

static bool server_full(void *arg)
{
	struct grpc_server *s = arg;

	return s->n_clients >= s->config.max_connections;
}

static int server_accepted(void *arg, uint32_t tag, int fd)
{
	return client_new_take_fd(arg, fd, tag);
}

int grpc_server_listen_take_fd(struct grpc_server *s, int fd, uint32_t tag, struct err *err)
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

static void unlisten(struct grpc_server *s)
{
	for (size_t i = 0; i < s->n_listeners; i++)
		listener_free(s->listeners[i]);
	s->n_listeners = 0;
}

int grpc_server_new(
	const struct grpc_server_config *config, struct grpc_server **ret, struct err *err)
{
	struct grpc_server *s = mem_calloc(1, sizeof(*s));

	if (!s)
		return err_oom(err);
	s->config = *config;
	if (s->config.max_connections == 0)
		s->config.max_connections = CONNECTIONS_MAX;
	s->budget.max = config->max_held_bytes ? config->max_held_bytes : HELD_BYTES_MAX;
	s->next_conn = 1;
	s->door = (struct rpc_door){
		.reply = door_reply,
		.attach = door_attach,
		.send = door_send,
		.unsent = door_unsent,
		.unsent_messages = door_unsent_messages,
	};
	*ret = s;
	return 0;
}

void grpc_server_free(struct grpc_server *s)
{
	if (!s)
		return;
	unlisten(s);
	loop_defer_cancel(&s->drained);
	for (size_t i = 0; i < s->n_clients; i++)
		s->clients[i]->broken = true; /* nobody says anything any more */
	for (size_t i = 0; i < s->n_clients; i++)
		client_free(s->clients[i]);
	free(s->listeners);
	free(s->clients);
	free(s);
}

void grpc_server_drain(struct grpc_server *s)
{
	if (s->draining)
		return;
	s->draining = true;
	unlisten(s);
	for (size_t i = 0; i < s->n_clients; i++)
		grpc_session_drain(s->clients[i]->session);
	if (s->n_clients == 0)
		loop_defer(s->config.loop, &s->drained, on_drained);
}

struct rpc_door *grpc_server_door(struct grpc_server *s)
{
	return &s->door;
}

size_t grpc_server_connections(const struct grpc_server *s)
{
	return s->n_clients;
}

size_t grpc_server_held(const struct grpc_server *s)
{
	return s->budget.used;
}
