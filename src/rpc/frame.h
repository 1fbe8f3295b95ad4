/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Frames of ttrpc (spec/shim.md 2.1): ten bytes of header, big-endian, then at most 4 MiB of data.
 *
 * Owner    A frame that was read points into the caller's bytes.
 * Errors   Reading has none: what is too long is skipped and told.
 * Blocks   Never; pure.
 * Context  Parent.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

#define FRAME_HEADER_BYTES 10
#define FRAME_DATA_MAX 4194304u

enum frame_type { FRAME_REQUEST = 1, FRAME_RESPONSE = 2, FRAME_DATA = 3 };
enum frame_flag { FRAME_REMOTE_CLOSED = 1, FRAME_REMOTE_OPEN = 2, FRAME_NO_DATA = 4 };

struct frame {
	uint32_t stream;
	uint8_t type;
	uint8_t flags;
	uint32_t size;       /* of the data */
	const uint8_t *data; /* NULL for one that was too long */
};

/* What is left of a frame that is too long: its data is being thrown away. Zero: none. */
struct frame_skip {
	uint32_t left; /* bytes still to come */
	uint32_t size; /* of the whole data; 0 = not skipping */
	uint32_t stream;
};

enum frame_result {
	FRAME_PARTIAL,  /* nothing whole: come back with more behind what was not used */
	FRAME_WHOLE,    /* *ret is filled */
	FRAME_TOO_LONG, /* *ret is filled but for its data, all of which has gone by */
};

/*
 * Read one frame from the front of `data`. *ret_used bytes are done with in each case, also when
 * the result is FRAME_PARTIAL.
 */
enum frame_result frame_read(struct frame_skip *skip, const void *data, size_t size,
	size_t *ret_used, struct frame *ret);

/* Header alone, for what is at least FRAME_HEADER_BYTES long. */
struct frame frame_header(const uint8_t *data);

/*
 * Write a frame in place: frame_begin() leaves room for the header and returns where it is, the
 * caller appends the data, frame_end() fills the header in. -EMSGSIZE when the data became too
 * long, -ENOMEM: then nothing of the frame is left in `out`.
 */
size_t frame_begin(struct buf *out);
int frame_end(struct buf *out, size_t at, uint32_t stream, enum frame_type type, uint8_t flags);
