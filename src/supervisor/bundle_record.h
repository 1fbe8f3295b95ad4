/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Bundle record: what the file `reeve.json` in a bundle says about the task that was made from it, for
 * the `delete` call that cleans up after a dead shim (spec/shim.md 1.11, INV-21; docs/formats/bundle.md).
 *
 * It is written when the task has been created (by another runtime: before), and again when its init has exited, before anybody is
 * told of the exit.
 *
 * Owner    Strings of a loaded record live in the caller's arena.
 * Errors   Negative errno with *err; -ENOENT: no record; -EBADMSG: not one.
 * Blocks   Reads and writes a local file.
 * Context  Parent. Parsing and writing are pure.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#define BUNDLE_RECORD_NAME "reeve.json"
#define BUNDLE_RECORD_VERSION 1

/*
 * An empty file beside it: `delete` was called for this container while its shim may live. Who called tells how it ended,
 * the shim publishes nothing more of it, frees it, and removes the mark.
 */
#define BUNDLE_MARK_NAME "reeve.deleted"

struct bundle_record {
	const char *
		root; /* state directory of the runtime that has the container (container/state.h) */
	const char *program; /* binary of that runtime; NULL or "": our own, in process */
	bool systemd_cgroup;
	uint32_t pid;            /* of the init; 0: there was none */
	bool exited;             /* the rest counts */
	uint32_t exit_status;    /* containerd's number: 128 + signal */
	uint64_t exited_wall_ns; /* as in the event */
};

/* Replaces the file as a whole; a failure leaves the old one. */
int bundle_record_save(int bundle, const struct bundle_record *r, struct err *err);
/* The same where the file may say so already: then nothing is written. */
int bundle_record_refresh(int bundle, const struct bundle_record *r, struct err *err);
int bundle_record_load(int bundle, struct arena *arena, struct bundle_record *ret, struct err *err);

int bundle_record_write(const struct bundle_record *r, struct buf *out);
int bundle_record_parse(const char *text, size_t size, struct arena *arena,
	struct bundle_record *ret, struct err *err);
