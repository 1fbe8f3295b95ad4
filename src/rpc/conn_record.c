/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A record that was damaged must not become a connection that sends half frames or answers streams
 * that nobody opened, so everything that the server relies on is checked here, once.
 */
#include "rpc/conn_record.h"

#include <errno.h>
#include <stdbool.h>

#include "rpc/message.h"

#include "proto/state.pb-c.h"

int conn_record_encode(const struct conn_record *r, const struct conn *io, struct buf *out)
{
	Pb__State__Connection m = PB__STATE__CONNECTION__INIT;

	m.version = CONN_RECORD_VERSION;
	m.id = r->id;
	m.listener = r->listener;
	m.last_stream = r->last_stream;
	m.open = r->open;
	m.n_open = r->n_open;
	if (io->in.len > io->in_used)
		m.inbox = (ProtobufCBinaryData){ io->in.len - io->in_used,
			(uint8_t *)io->in.data + io->in_used };
	if (io->out.len > io->out_head)
		m.outbox = (ProtobufCBinaryData){ io->out.len - io->out_head,
			(uint8_t *)io->out.data + io->out_head };
	m.outbox_sent = (uint32_t)io->out_sent;
	m.skip_left = io->skip.left;
	m.skip_size = io->skip.size;
	m.skip_stream = io->skip.stream;
	message_encode(&m.base, out);
	return buf_ok(out);
}

static bool is_outbox_sound(const ProtobufCBinaryData *box, uint32_t sent)
{
	size_t pos = 0;

	if (sent > 0 && (box->len < FRAME_HEADER_BYTES ||
				sent >= FRAME_HEADER_BYTES + (size_t)frame_header(box->data).size))
		return false;
	while (pos < box->len) {
		struct frame_skip skip = { 0 };
		struct frame f;
		size_t used;

		if (frame_read(&skip, box->data + pos, box->len - pos, &used, &f) != FRAME_WHOLE)
			return false;
		pos += used;
	}
	return true;
}

static bool is_skip_sound(const Pb__State__Connection *m)
{
	if (m->skip_size == 0)
		return m->skip_left == 0;
	return m->skip_size > FRAME_DATA_MAX && m->skip_left > 0 && m->skip_left <= m->skip_size;
}

static bool is_sound(const Pb__State__Connection *m)
{
	if (m->version < 1 || m->version > CONN_RECORD_VERSION + 1)
		return false;
	if (m->id == 0 || m->id == UINT64_MAX)
		return false;
	for (size_t i = 0; i < m->n_open; i++)
		if (m->open[i] % 2 == 0 || m->open[i] > m->last_stream ||
			(i > 0 && m->open[i] <= m->open[i - 1]))
			return false;
	return is_skip_sound(m) && is_outbox_sound(&m->outbox, m->outbox_sent);
}

int conn_record_decode(const void *data, size_t size, struct arena *arena, struct conn_record *ret,
	struct conn *io, struct err *err)
{
	const ProtobufCMessage *base = NULL;
	const Pb__State__Connection *m;
	int r;

	r = message_decode(&pb__state__connection__descriptor, data, size, arena, &base, err);
	if (r < 0) {
		err_in(err, "record of a connection");
		return r;
	}
	m = (const Pb__State__Connection *)(const void *)base;
	if (!is_sound(m))
		return err_set(err, -EBADMSG, "record of a connection: damaged");
	buf_add(&io->in, m->inbox.data, m->inbox.len);
	buf_add(&io->out, m->outbox.data, m->outbox.len);
	if (buf_ok(&io->in) < 0 || buf_ok(&io->out) < 0)
		return err_oom(err);
	io->out_sent = m->outbox_sent;
	io->skip = (struct frame_skip){ m->skip_left, m->skip_size, m->skip_stream };
	*ret = (struct conn_record){ .id = m->id,
		.listener = m->listener,
		.last_stream = m->last_stream,
		.open = m->open,
		.n_open = m->n_open };
	return 0;
}
