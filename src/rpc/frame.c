/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A frame that announces more than the limit is no reason to drop the connection: peers answer it
 * with a status and go on, so its data is counted away here, without being kept, and told when it
 * has passed.
 */
#include "rpc/frame.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

struct frame frame_header(const uint8_t *data)
{
	uint32_t size, stream;

	memcpy(&size, data, sizeof(size));
	memcpy(&stream, data + 4, sizeof(stream));
	return (struct frame){
		.size = be32toh(size), .stream = be32toh(stream), .type = data[8], .flags = data[9]
	};
}

static enum frame_result skip_some(
	struct frame_skip *skip, size_t size, size_t *used, struct frame *ret)
{
	uint32_t n = size < skip->left ? (uint32_t)size : skip->left;

	*used += n;
	skip->left -= n;
	if (skip->left > 0)
		return FRAME_PARTIAL;
	*ret = (struct frame){ .stream = skip->stream, .size = skip->size };
	*skip = (struct frame_skip){ 0 };
	return FRAME_TOO_LONG;
}

enum frame_result frame_read(
	struct frame_skip *skip, const void *data, size_t size, size_t *ret_used, struct frame *ret)
{
	struct frame f;

	*ret_used = 0;
	if (skip->size > 0)
		return skip_some(skip, size, ret_used, ret);
	if (size < FRAME_HEADER_BYTES)
		return FRAME_PARTIAL;
	f = frame_header(data);
	if (f.size > FRAME_DATA_MAX) {
		*skip = (struct frame_skip){ .left = f.size, .size = f.size, .stream = f.stream };
		*ret_used = FRAME_HEADER_BYTES;
		return skip_some(skip, size - FRAME_HEADER_BYTES, ret_used, ret);
	}
	if (size - FRAME_HEADER_BYTES < f.size)
		return FRAME_PARTIAL;
	f.data = (const uint8_t *)data + FRAME_HEADER_BYTES;
	*ret_used = FRAME_HEADER_BYTES + f.size;
	*ret = f;
	return FRAME_WHOLE;
}

size_t frame_begin(struct buf *out)
{
	static const uint8_t room[FRAME_HEADER_BYTES];
	size_t at = out->len;

	buf_add(out, room, sizeof(room));
	return at;
}

static void cut(struct buf *out, size_t at)
{
	if (out->data)
		out->data[at] = '\0';
	out->len = at;
	out->failed = false;
}

int frame_end(struct buf *out, size_t at, uint32_t stream, enum frame_type type, uint8_t flags)
{
	uint32_t size, id = htobe32(stream);
	size_t data;

	if (buf_ok(out) < 0) {
		cut(out, at);
		return -ENOMEM;
	}
	data = out->len - at - FRAME_HEADER_BYTES;
	if (data > FRAME_DATA_MAX) {
		cut(out, at);
		return -EMSGSIZE;
	}
	size = htobe32((uint32_t)data);
	memcpy(out->data + at, &size, sizeof(size));
	memcpy(out->data + at + 4, &id, sizeof(id));
	out->data[at + 8] = (char)type;
	out->data[at + 9] = (char)flags;
	return 0;
}
