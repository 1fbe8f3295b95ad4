/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Conn record: the state of a connection of a ttrpc server as bytes, for the process that takes its
 * socket over. The message is pb.state.Connection (docs/formats/handover.md).
 *
 * Owner    The list in a decoded record lives in the caller's arena.
 * Errors   -EBADMSG: not a record that encode writes; -ENOMEM.
 * Blocks   Never; pure.
 * Context  Parent.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "rpc/conn.h"

#define CONN_RECORD_VERSION 1

struct conn_record {
	uint64_t id;
	uint32_t listener;
	uint32_t last_stream;
	uint32_t *open; /* ascending: streams whose answer is owed */
	size_t n_open;
};

/* Append the record and the boxes of `io`. */
int conn_record_encode(const struct conn_record *r, const struct conn *io, struct buf *out);

/* Fill `io` but for its fd; its boxes must be empty, and are the caller's to end in any case. */
int conn_record_decode(const void *data, size_t size, struct arena *arena, struct conn_record *ret,
	struct conn *io, struct err *err);
