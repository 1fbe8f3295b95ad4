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

/*
 * News: the payload of an outcome that brought a process, and of an exit or OOM kill: by what its process is known
 * again, and how many OOM kills of the container had been counted.
 */
#define PAYLOAD_NEWS_MAX 40

struct payload_news {
	uint64_t inode;
	uint64_t start_time;
	uint64_t oom_kills;
};

/* Bytes written to `out`. */
size_t payload_news_encode(const struct payload_news *n, uint8_t out[PAYLOAD_NEWS_MAX]);
/* False: not news. */
bool payload_news_decode(const void *data, size_t size, struct payload_news *ret);
