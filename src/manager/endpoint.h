/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Endpoint: where a shim listens and which version of the Task service it speaks, as `start` says it in one of three
 * forms, and as it is kept in the bundle (spec/manager.md 1.2, 1.5).
 *
 * Owner    endpoint_done() ends one; it accepts zero and done ones.
 * Errors   -EBADMSG: no answer of a shim; -EPROTONOSUPPORT: a version or protocol that is not ours; -ENOENT: the
 *          bundle tells of none.
 * Blocks   Reads and writes local files.
 * Context  Parent. Parsing and writing are pure.
 */
#include "base/err.h"
#include "base/str.h"

struct endpoint {
	int version; /* 2 or 3 */
	char *address;
};

/* What `start` has printed. Of a version that is too new *ret tells all the same, so that the shim can be told to leave. */
int endpoint_parse(const char *text, size_t size, struct endpoint *ret, struct err *err);
/* As bootstrap.json. */
int endpoint_write(const struct endpoint *e, struct buf *out);

/* bootstrap.json, else what the shim itself has left: `address`, which says nothing of the version: the newest, which is to
 * be lowered when the shim does not have it. */
int endpoint_load(int bundle, struct endpoint *ret, struct err *err);
int endpoint_save(int bundle, const struct endpoint *e, struct err *err);

/* "containerd.task.v3.Task" */
const char *endpoint_service(const struct endpoint *e);

void endpoint_done(struct endpoint *e);
