/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Messages: protobuf bytes to generated structs and back, with the limits that input needs.
 *
 * Owner    A decoded message lives in the caller's arena and ends with it; it is never freed
 *          by itself. Its byte fields and strings are copies.
 * Errors   -EBADMSG: malformed, a string that is not UTF-8 or contains NUL (it would become a
 *          shorter path), or a decoded form out of proportion to its size. -ENOMEM.
 * Blocks   Never.
 * Context  Parent.
 */
#include <protobuf-c/protobuf-c.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include "proto/common.pb-c.h"

/* Decode `size` bytes (0: all defaults) as `type`. *ret may be cast to the type's struct. */
int message_decode(const ProtobufCMessageDescriptor *type, const void *data, size_t size,
	struct arena *arena, const ProtobufCMessage **ret, struct err *err);

/* Append the encoded form; check `out` with buf_ok(). */
void message_encode(const ProtobufCMessage *m, struct buf *out);

/* The encoded form in the arena, as the value of a bytes field (Any). -ENOMEM. */
int message_to_bytes(const ProtobufCMessage *m, struct arena *arena, ProtobufCBinaryData *ret);

/* A moment; 0 has not come and is the year 1, Go's zero. */
void message_set_time(Pb__Timestamp *t, uint64_t wall_ns);
/* The other way; NULL, and what lies before 1970, is 0. */
uint64_t message_get_time(const Pb__Timestamp *t);
