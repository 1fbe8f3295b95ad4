/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Inner calls: a service that is the client of another one here. The call is carried out as if it
 * had come through a door, events and all.
 *
 * Owner    The message may go when inner_call() returns, and is not written to; `arg` must live until done() has been
 *          called, which it is once, from the loop, or never when inner_end() comes first.
 * Errors   Negative errno with *err: it was not called.
 * Blocks   As the service does.
 * Context  Parent, on the loop's thread.
 */
#include "services/core.h"

struct inner_answer {
	enum status_code code; /* RPC_OK: payload is the encoded answer, else text tells */
	const char *text;
	const void *payload;
	size_t size;
};

typedef void inner_done_fn(void *arg, const struct inner_answer *a);

/* lease NULL: none. */
int inner_call(struct core *core, const char *service, const char *method, const char *ns,
	const char *lease, const ProtobufCMessage *message, inner_done_fn *done, void *arg,
	struct err *err);
/* Of a core that ends. */
void inner_end(struct core *core);
