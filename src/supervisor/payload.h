/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Payload: a request as bytes: the part of a logged input that the core does not understand, and
 * the one form in which the supervisor keeps a Create or an Exec: docs/formats/payload.md.
 *
 * Owner    A struct payload owns its bytes and the decoded request, which points into them; ended
 *          with payload_done(), which accepts zero and done ones.
 * Errors   Negative errno with *err: -EBADMSG for bytes that no request makes.
 * Blocks   Never.
 * Context  Parent.
 */
#include "base/err.h"
#include "base/mem.h"
#include "supervisor/request.h"

struct payload {
	void *data;
	size_t size;
	struct request request; /* ns, id and exec_id are in it as well */
	struct arena arena;     /* arrays of pointers */
};

/* The bytes of a request, without address and deadline; needed size, written when `cap` is
 * enough. */
size_t payload_encode(const struct request *req, void *out, size_t cap);

/* Copy a request, or read one from bytes (which are copied). */
int payload_from_request(const struct request *req, struct payload *ret, struct err *err);
int payload_from_bytes(const void *data, size_t size, struct payload *ret, struct err *err);
void payload_done(struct payload *p);
