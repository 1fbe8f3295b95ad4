/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who sends may send as much as there is room for here, so a reader that is slow holds the sender up and nobody else.
 */
#include "services/transfer_echo.h"

#include <errno.h>

#include "base/str.h"
#include "rpc/any.h"
#include "services/streams.h"

#define ECHOES_MAX 16
#define PIECE_BYTES (32u << 10)
#define UNSENT_BYTES (128u << 10)
#define ROOM_BYTES (256 << 10)
#define WINDOW_MAX (1 << 30)
#define TRANSFER "containerd.types.transfer."

struct core_echo {
	struct core_echo *next;
	struct core *core;
	struct rpc_door *door;
	struct rpc_addr addr;
	struct core_stream *in, *out, *progress;
	struct buf queue;
	int64_t granted, window; /* bytes that may still come, and go */
	bool whole;              /* the client has said all */
};

static void echo_free(struct core_echo *e)
{
	struct core_echo **at = &e->core->echoes;

	while (*at && *at != e)
		at = &(*at)->next;
	if (*at)
		*at = e->next;
	stream_end(e->in);
	stream_end(e->out);
	stream_end(e->progress);
	buf_done(&e->queue);
	free(e);
}

static void echo_end(struct core_echo *e, int r, const struct err *err)
{
	const Pb__Empty empty = PB__EMPTY__INIT;

	stream_end(take_ptr(e->in));
	stream_end(take_ptr(e->out));
	stream_end(take_ptr(e->progress));
	if (r < 0)
		rpc_reply_err(e->door, e->addr, r, err);
	else
		rpc_reply_message(e->door, e->addr, &empty.base);
	echo_free(e);
}

static void fail(struct core_echo *e, int code, const char *text)
{
	struct err err = { 0 };

	echo_end(e, err_set(&err, code, "%s", text), &err);
}

/* ---- bytes ---- */

static int send_piece(struct core_echo *e)
{
	Pb__Transfer__Data m = PB__TRANSFER__DATA__INIT;
	size_t n = e->queue.len < PIECE_BYTES ? e->queue.len : PIECE_BYTES;

	if ((uint64_t)e->window < n)
		n = (size_t)e->window;
	m.data = (ProtobufCBinaryData){ n, (uint8_t *)e->queue.data };
	if (stream_send(e->out, TRANSFER "Data", &m.base) < 0)
		return -ECANCELED;
	buf_consume(&e->queue, n);
	e->window -= (int64_t)n;
	return 0;
}

static void grant(struct core_echo *e)
{
	Pb__Transfer__WindowUpdate m = PB__TRANSFER__WINDOW_UPDATE__INIT;
	int64_t room = ROOM_BYTES - (int64_t)e->queue.len - e->granted;

	if (e->whole || room < ROOM_BYTES / 2)
		return;
	m.update = (int32_t)room;
	e->granted += room;
	(void)stream_send(e->in, TRANSFER "WindowUpdate", &m.base);
}

static void go(struct core_echo *e)
{
	while (e->queue.len > 0 && e->window > 0 && stream_unsent(e->out) < UNSENT_BYTES)
		if (send_piece(e) < 0)
			return fail(e, -ECANCELED, "what is sent back is not read");
	if (e->whole && e->queue.len == 0)
		return echo_end(e, 0, NULL);
	grant(e);
}

/* ---- the client's side ---- */

static void on_data(void *arg, const Pb__Any *any)
{
	auto_done(arena) struct arena arena = { 0 };
	const ProtobufCMessage *m = NULL;
	const Pb__Transfer__Data *data;
	struct core_echo *e = arg;

	if (!any_is(any->type_url, TRANSFER "Data"))
		return;
	if (message_decode(&pb__transfer__data__descriptor, any->value.data, any->value.len, &arena,
		    &m, NULL) < 0)
		return fail(e, -EINVAL, "data of a stream cannot be read");
	data = (const void *)m;
	e->granted -= (int64_t)data->data.len;
	if (e->granted < -ROOM_BYTES)
		return fail(e, -ENOBUFS, "more was sent than was asked for");
	buf_add(&e->queue, data->data.data, data->data.len);
	if (buf_ok(&e->queue) < 0)
		return fail(e, -ENOMEM, "out of memory");
	go(e);
}

static void on_in_closed(void *arg, bool whole)
{
	struct core_echo *e = arg;

	if (!whole)
		return fail(e, -ECANCELED, "the client has gone");
	e->whole = true;
	go(e);
}

static void on_window(void *arg, const Pb__Any *any)
{
	auto_done(arena) struct arena arena = { 0 };
	const ProtobufCMessage *m = NULL;
	struct core_echo *e = arg;
	int32_t more;

	if (!any_is(any->type_url, TRANSFER "WindowUpdate") ||
		message_decode(&pb__transfer__window_update__descriptor, any->value.data,
			any->value.len, &arena, &m, NULL) < 0)
		return;
	more = ((const Pb__Transfer__WindowUpdate *)(const void *)m)->update;
	if (more <= 0)
		return;
	e->window = e->window > WINDOW_MAX - more ? WINDOW_MAX : e->window + more;
	go(e);
}

static void on_out_closed(void *arg, bool whole)
{
	if (!whole)
		fail(arg, -ECANCELED, "the client has gone");
}

static void on_room(void *arg)
{
	go(arg);
}

static const struct stream_user in_user = { .message = on_data, .closed = on_in_closed };
static const struct stream_user out_user = {
	.message = on_window,
	.closed = on_out_closed,
	.room = on_room,
};
static const struct stream_user progress_user = { 0 };

/* ---- the beginning ---- */

static int begin(struct core_call *c, struct core_echo *e, const Pb__Any *from, const Pb__Any *to,
	const char *progress)
{
	const ProtobufCMessage *in = NULL, *out = NULL;
	int r = message_decode(&pb__transfer__image_import_stream__descriptor, from->value.data,
		from->value.len, c->arena, &in, c->err);

	if (r == 0)
		r = message_decode(&pb__transfer__image_export_stream__descriptor, to->value.data,
			to->value.len, c->arena, &out, c->err);
	if (r < 0 || !in || !out)
		return err_set(c->err, -EINVAL, "a stream of an archive cannot be read");
	if (*progress)
		r = stream_take(c->core, c->ns, progress, &progress_user, e, &e->progress, c->err);
	if (r == 0)
		r = stream_take(c->core, c->ns,
			((const Pb__Transfer__ImageImportStream *)(const void *)in)->stream,
			&in_user, e, &e->in, c->err);
	if (r == 0)
		r = stream_take(c->core, c->ns,
			((const Pb__Transfer__ImageExportStream *)(const void *)out)->stream,
			&out_user, e, &e->out, c->err);
	if (r == 0)
		grant(e);
	return r;
}

int transfer_echo_start(
	struct core_call *c, const Pb__Any *from, const Pb__Any *to, const char *progress)
{
	struct core_echo *e;
	size_t n = 0;
	int r;

	for (e = c->core->echoes; e; e = e->next)
		n++;
	if (n >= ECHOES_MAX)
		return err_set(c->err, -ENOBUFS, "more than %d echoes at once", ECHOES_MAX);
	e = mem_calloc(1, sizeof(*e));
	if (!e)
		return err_oom(c->err);
	*e = (struct core_echo){
		.next = c->core->echoes, .core = c->core, .door = c->req->door, .addr = c->req->addr
	};
	c->core->echoes = e;
	r = begin(c, e, from, to, progress);
	if (r < 0)
		echo_free(e);
	c->answered = r == 0;
	return r;
}

void transfer_echoes_end(struct core *core)
{
	while (core->echoes)
		echo_free(core->echoes);
}
