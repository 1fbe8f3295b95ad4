/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What surprises: what the client did before its stream was taken is told to the taker from the loop,
 * as if it happened then. Who receives says at once how much he takes, so a little may have come.
 */
#include "services/streams.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "rpc/any.h"
#include "services/services.h"

#include "proto/transfer.pb-c.h"

#define STREAMS_MAX 1000
#define ID_MAX 256
#define EARLY_MAX 8
#define EARLY_BYTES 1024
#define INIT "containerd.services.streaming.v1.StreamInit"

struct core_stream {
	struct core_stream *next;
	struct core *core;
	struct rpc_door *door;
	struct rpc_addr addr;
	char *ns, *id; /* id NULL: it has not said its name yet */
	const struct stream_user *user;
	void *arg;
	struct loop_deferred late;
	struct buf early[EARLY_MAX]; /* messages that nobody has taken yet */
	size_t n_early;
	bool taken, closed, whole, gone;
	bool over; /* its taker has ended it */
	bool telling,
		dead; /* its taker is being told what came early, and it is to be freed then */
};

static size_t count(const struct core *core)
{
	size_t n = 0;

	for (const struct core_stream *s = core->streams; s; s = s->next)
		n++;
	return n;
}

static struct core_stream *find(const struct core *core, const char *ns, const char *id)
{
	for (struct core_stream *s = core->streams; s; s = s->next)
		if (s->id && !s->over && str_eq(s->ns, ns) && str_eq(s->id, id))
			return s;
	return NULL;
}

static void stream_free(struct core_stream *s)
{
	struct core_stream **at = &s->core->streams;

	while (*at && *at != s)
		at = &(*at)->next;
	if (*at)
		*at = s->next;
	loop_defer_cancel(&s->late);
	for (size_t i = 0; i < s->n_early; i++)
		buf_done(&s->early[i]);
	free(s->ns);
	free(s->id);
	free(s);
}

/* ---- the client's side ---- */

static int begin(struct core_stream *s, const Pb__Any *any, struct err *err)
{
	auto_done(arena) struct arena arena = { 0 };
	const Pb__Empty empty = PB__EMPTY__INIT;
	const ProtobufCMessage *m = NULL;
	const char *id;
	int r;

	if (!any_is(any->type_url, INIT))
		return err_set(err, -EINVAL, "a stream begins with its name, not with '%.100s'",
			any->type_url);
	r = message_decode(&pb__transfer__stream_init__descriptor, any->value.data, any->value.len,
		&arena, &m, err);
	if (r < 0)
		return err_set(err, -EINVAL, "the name of a stream cannot be read");
	id = ((const Pb__Transfer__StreamInit *)(const void *)m)->id;
	if (!*id || strlen(id) > ID_MAX)
		return err_set(err, -EINVAL, "the name of a stream has 1 to %d bytes", ID_MAX);
	if (find(s->core, s->ns, id))
		return err_set(err, -EEXIST, "stream already registered");
	s->id = strdup(id);
	if (!s->id)
		return err_oom(err);
	return stream_send(s, "google.protobuf.Empty", &empty.base);
}

static int keep(struct core_stream *s, const ProtobufCMessage *m, struct err *err)
{
	struct buf *early = &s->early[s->n_early];

	if (s->n_early == EARLY_MAX || protobuf_c_message_get_packed_size(m) > EARLY_BYTES)
		return err_set(err, -EBUSY, "nobody reads the stream yet");
	s->n_early++;
	message_encode(m, early);
	return buf_ok(early) < 0 ? err_oom(err) : 0;
}

static void on_message(void *arg, const ProtobufCMessage *m)
{
	struct core_stream *s = arg;
	struct err err = { 0 };
	int r = 0;

	if (!s->id)
		r = begin(s, (const void *)m, &err);
	else if (s->over)
		return;
	else if (!s->taken || s->late.loop)
		r = keep(s, m, &err);
	else if (s->user->message && !s->closed)
		s->user->message(s->arg, (const void *)m);
	if (r < 0)
		rpc_reply_err(s->door, s->addr, r, &err);
}

static void close_now(struct core_stream *s, bool whole)
{
	if (s->closed)
		return;
	s->closed = true;
	s->whole = whole;
	if (s->taken && s->user->closed && !s->late.loop)
		s->user->closed(s->arg, whole);
}

static void on_closed(void *arg)
{
	struct core_stream *s = arg;

	if (!s->id) {
		rpc_reply(s->door, s->addr, RPC_OK, NULL, NULL, 0);
		return;
	}
	close_now(s, true);
}

static void on_room(void *arg)
{
	struct core_stream *s = arg;

	if (s->taken && s->user->room)
		s->user->room(s->arg);
}

static void on_gone(void *arg)
{
	struct core_stream *s = arg;

	s->gone = true;
	if (!s->taken)
		stream_free(s);
	else
		close_now(s, false);
}

static const struct rpc_call_ops ops = {
	.message = on_message,
	.closed = on_closed,
	.room = on_room,
	.gone = on_gone,
};

static int open_stream(struct core_call *c)
{
	struct core_stream *s;

	if (count(c->core) >= STREAMS_MAX)
		return err_set(c->err, -ENOBUFS, "more than %d streams", STREAMS_MAX);
	s = mem_calloc(1, sizeof(*s));
	if (!s)
		return err_oom(c->err);
	*s = (struct core_stream){ .next = c->core->streams,
		.core = c->core,
		.door = c->req->door,
		.addr = c->req->addr,
		.ns = strdup(c->ns) };
	c->core->streams = s;
	if (!s->ns || rpc_attach(s->door, s->addr, &ops, s) < 0) {
		stream_free(s);
		return err_oom(c->err);
	}
	c->answered = true;
	return 0;
}

/* ---- the other side ---- */

static void on_late(struct loop_deferred *d)
{
	struct core_stream *s = container_of(d, struct core_stream, late);

	s->telling = true;
	for (size_t i = 0; i < s->n_early && s->taken; i++) {
		auto_done(arena) struct arena arena = { 0 };
		const ProtobufCMessage *m = NULL;

		if (message_decode(&pb__any__descriptor, s->early[i].data, s->early[i].len, &arena,
			    &m, NULL) == 0 &&
			s->user->message)
			s->user->message(s->arg, (const void *)m);
	}
	if (s->taken && s->closed && s->user->closed)
		s->user->closed(s->arg, s->whole);
	s->telling = false;
	if (s->dead)
		stream_free(s);
}

int stream_take(struct core *core, const char *ns, const char *id, const struct stream_user *user,
	void *arg, struct core_stream **ret, struct err *err)
{
	struct core_stream *s = find(core, ns, id);

	if (!s || s->taken)
		return err_set(err, -ENOENT, "stream %.100s", id);
	s->taken = true;
	s->user = user;
	s->arg = arg;
	if (s->closed || s->n_early)
		loop_defer(core->loop, &s->late, on_late);
	*ret = s;
	return 0;
}

int stream_send(struct core_stream *s, const char *type, const ProtobufCMessage *m)
{
	auto_done(buf) struct buf bytes = { 0 };
	Pb__Any any = PB__ANY__INIT;

	if (s->gone)
		return -ENOENT;
	message_encode(m, &bytes);
	if (buf_ok(&bytes) < 0)
		return -ENOMEM;
	any.type_url = (char *)type;
	any.value = (ProtobufCBinaryData){ bytes.len, (uint8_t *)bytes.data };
	return rpc_send(s->door, s->addr, &any.base);
}

size_t stream_unsent(const struct core_stream *s)
{
	return rpc_unsent(s->door, s->addr);
}

/* The answer is the end of the call: gone() comes yet, and finds nobody who has it. */
void stream_end(struct core_stream *s)
{
	if (!s)
		return;
	s->taken = false;
	s->closed = s->over = true;
	loop_defer_cancel(&s->late);
	if (!s->gone)
		return rpc_reply(s->door, s->addr, RPC_OK, NULL, NULL, 0);
	s->dead = s->telling;
	if (!s->telling)
		stream_free(s);
}

void streams_end(struct core *core)
{
	while (core->streams)
		stream_free(core->streams);
}

static void handle(void *arg, const struct rpc_request *req)
{
	core_run(arg, req, open_stream, 0);
}

static const struct rpc_method rows[] = {
	{ "Stream", &pb__any__descriptor, 0, handle, RPC_DIALOGUE },
};

const struct rpc_service streaming_service = { "containerd.services.streaming.v1.Streaming", rows,
	ARRAY_LEN(rows) };
