/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes in over a ttrpc connection. The first byte of the input chooses: 0 the record of a
 * connection, else a stream of frames that arrives in pieces of that many bytes. Requests in it are
 * decoded, and their payloads as every request of the Task service.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "rpc/conn_record.h"
#include "rpc/message.h"
#include "shim/task_service.h"

#include "proto/state.pb-c.h"
#include "proto/ttrpc.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Decode; what was decoded must encode, and decode again to what encodes to the same. */
static const ProtobufCMessage *decode(
	const ProtobufCMessageDescriptor *type, const void *data, size_t size, struct arena *arena)
{
	const ProtobufCMessage *m = NULL, *again = NULL;
	struct buf one = { 0 }, two = { 0 };
	struct err err = { 0 };
	int r = message_decode(type, data, size, arena, &m, &err);

	if (r < 0 && !err.text[0])
		abort();
	if (r < 0)
		return NULL;
	message_encode(m, &one);
	if (message_decode(type, one.data, one.len, arena, &again, NULL) < 0)
		abort();
	message_encode(again, &two);
	if (one.len != two.len || (one.len && memcmp(one.data, two.data, one.len) != 0))
		abort();
	buf_done(&one);
	buf_done(&two);
	return m;
}

static void request(const struct frame *f)
{
	auto_done(arena) struct arena arena = { 0 };
	const Pb__Ttrpc__Request *req =
		(const void *)decode(&pb__ttrpc__request__descriptor, f->data, f->size, &arena);

	for (size_t i = 0; req && i < task_service_table->n_methods; i++)
		decode(task_service_table->methods[i].input, req->payload.data, req->payload.len,
			&arena);
}

static void stream(const uint8_t *data, size_t size, size_t step)
{
	struct frame_skip skip = { 0 };
	struct buf box = { 0 };

	for (size_t pos = 0; pos < size; pos += step) {
		enum frame_result r;

		buf_add(&box, data + pos, size - pos < step ? size - pos : step);
		do {
			struct frame f = { 0 };
			size_t used;

			r = frame_read(&skip, box.data, box.len, &used, &f);
			if (used > box.len)
				abort();
			if (r == FRAME_WHOLE)
				request(&f);
			buf_consume(&box, used);
		} while (r != FRAME_PARTIAL);
	}
	buf_done(&box);
}

static void record(const uint8_t *data, size_t size)
{
	auto_done(arena) struct arena arena = { 0 };
	struct conn io = { .fd = -EBADF };
	struct conn_record r;
	struct buf out = { 0 };

	if (conn_record_decode(data, size, &arena, &r, &io, NULL) == 0 &&
		(conn_record_encode(&r, &io, &out) < 0 || conn_unsent(&io) > io.out.len))
		abort();
	buf_done(&out);
	conn_done(&io);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 0 && data[0] == 0)
		record(data + 1, size - 1);
	else if (size > 0)
		stream(data + 1, size - 1, data[0]);
	return 0;
}
