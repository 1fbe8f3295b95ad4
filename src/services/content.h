/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Content that is made here: layers of snapshots and checkpoints, written under a reference as clients write theirs, so
 * that it is seen while it is being written, and nobody else has the reference.
 *
 * Owner    The caller owns *ret of content_make() and ends it with content_make_drop(), which accepts NULL. Functions
 *          with a call change the store: who calls sees to a transaction.
 * Errors   0 or negative errno with the call's err: -EAGAIN, the reference is being written to; -EEXIST never.
 * Blocks   On the disk.
 * Context  Parent, on the loop's thread.
 */
#include "services/blobs.h"
#include "services/core.h"

/* From the beginning, whatever is there; under the lease of the call's request. */
int content_make(struct core_call *c, const char *ref, struct core_writer **ret);

/* A descriptor for a helper to write to: the caller's. */
int content_make_fd(const struct core_writer *w, struct err *err);
/* It has written all, and put it on the disk. */
void content_make_written(struct core_writer *w, const char *digest, uint64_t size);
/* Or a few bytes. */
int content_make_write(struct core_writer *w, const void *data, size_t size, struct err *err);

/* The namespace has it now. Where it has it already, that gets the labels that it lacks. */
int content_make_commit(struct core_call *c, struct core_writer *w, const struct labels *labels,
	char ret_digest[DIGEST_SIZE], uint64_t *ret_size);

/* made false: nothing of it is left. */
void content_make_drop(struct core_writer *w, bool made);
