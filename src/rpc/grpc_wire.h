/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * gRPC on top of HTTP/2: the words of its headers, and messages in a stream of bytes
 * (spec/manager.md 3.5).
 *
 * Owner    A struct grpc_reader is the caller's, zero at first, ended with grpc_reader_done(). A
 *          message that was read points into it.
 * Errors   Negative errno where said.
 * Blocks   Never; pure.
 * Context  Any.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

#define GRPC_PREFIX_BYTES 5
#define GRPC_MESSAGE_MAX (16u << 20)
#define GRPC_TEXT_MAX 4096 /* of an encoded grpc-message: peers limit what headers they take */

/* "10S", "250m": at most eight digits and H, M, S, m, u or n. -EINVAL. */
int grpc_timeout_parse(const char *s, uint64_t *ret_ns);

/* application/grpc, alone or followed by "+proto" or parameters. */
bool grpc_content_type_ok(const char *s);

/* Append the text as a grpc-message: what is not printable ASCII becomes %XX,
 * a byte that is no UTF-8 U+FFFD. It is cut at
 * GRPC_TEXT_MAX, never inside of a character. */
void grpc_text_encode(const char *text, struct buf *out);
/* The reverse, for clients; a '%' that begins nothing stands for itself. */
void grpc_text_decode(const char *text, struct buf *out);

void grpc_prefix(uint8_t out[GRPC_PREFIX_BYTES], uint32_t size);
uint32_t grpc_prefix_size(const uint8_t in[GRPC_PREFIX_BYTES]);

enum grpc_read {
	GRPC_PARTIAL,    /* all bytes are taken in, nothing is whole */
	GRPC_WHOLE,      /* *ret is a message, until the next call */
	GRPC_TOO_LONG,   /* announced to be longer than GRPC_MESSAGE_MAX */
	GRPC_COMPRESSED, /* which was not agreed on */
	GRPC_NO_MEMORY,
};

struct grpc_reader {
	uint8_t prefix[GRPC_PREFIX_BYTES];
	size_t n_prefix;
	uint32_t size; /* of the message that comes in */
	bool whole;    /* the one in the box was handed out */
	struct buf box;
};

/* Take bytes from the front of *data. After GRPC_WHOLE there may be more. */
enum grpc_read grpc_read(
	struct grpc_reader *r, const uint8_t **data, size_t *size, struct buf **ret);
/* Bytes that it holds. */
size_t grpc_reader_held(const struct grpc_reader *r);
/* True when the stream may end here. */
bool grpc_reader_between(const struct grpc_reader *r);
void grpc_reader_done(struct grpc_reader *r);
