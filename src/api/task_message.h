/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Task messages: containerd's Task service (spec/shim.md 3.1) to the supervisor's plain requests, and plain responses back.
 *
 * Owner    A request borrows from its message and the arena.
 * Errors   Negative errno with *err: a request that makes no sense in itself. -ENOMEM.
 * Blocks   Never, but for a file that the options of Create name.
 * Context  Parent.
 */
#include "base/mem.h"
#include "base/str.h"
#include "rpc/message.h"
#include "supervisor/request.h"

/* ret->type says whose message it is; what the message says is added, all else stays. */
int task_message_decode(
	const ProtobufCMessage *message, struct arena *arena, struct request *ret, struct err *err);

/* Append the answer of a request that has succeeded. */
int task_message_encode(const struct response *r, struct buf *out);
