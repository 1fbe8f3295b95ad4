/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Intent: what the file `reeve.intent` in a bundle says about the launch of its shim. It is there before the bundle has
 * its name, so that whatever a manager that died has begun can be ended: which program, and how far it came
 * (docs/formats/intent.md).
 *
 * Owner    Strings of a loaded intent live in the caller's arena.
 * Errors   Negative errno with *err; -ENOENT: none (a bundle of containerd's); -EBADMSG: not one.
 * Blocks   Reads and writes a local file.
 * Context  Parent. Parsing and writing are pure.
 */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#define INTENT_NAME "reeve.intent"
#define INTENT_VERSION 1

enum intent_stage {
	INTENT_LAUNCH,  /* the shim has not answered Create, as far as we know */
	INTENT_CREATED, /* it has: this is a task, whatever Pids says */
	INTENT_DELETED, /* it has answered Delete, and told everything */
};

struct intent {
	const char *runtime; /* as the container names it */
	const char *binary;  /* absolute */
	enum intent_stage stage;
	const char *cgroup; /* that is the task's alone (remains.h); NULL: none is known to be */
};

int intent_write(const struct intent *i, struct buf *out);
int intent_parse(
	const char *text, size_t size, struct arena *arena, struct intent *ret, struct err *err);

int intent_save(int bundle, const struct intent *i, struct err *err);
int intent_load(int bundle, struct arena *arena, struct intent *ret, struct err *err);
