/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * State document: the state of a container as hooks, `state` and `list` show it.
 *
 * Sources: runtime-spec "State", spec/oci-runtime.md 1.4 and 3.4.
 *
 * Owner    Borrows all strings; appends to the caller's buf.
 * Errors   -ENOMEM.
 * Blocks   Never.
 * Context  Parent (allocates).
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "oci/spec.h"

struct state_doc {
	const char *oci_version; /* that of the container's config */
	const char *id;
	pid_t pid;          /* 0 when there is no process */
	const char *status; /* creating, created, running, paused, stopped */
	const char *bundle; /* absolute, as rootfs */
	const char *rootfs;
	uint64_t created_wall_ns;
	const struct spec_kv *annotations;
	size_t n_annotations;
	const char *owner; /* name or "#uid"; NULL is written as "" */
};

/* What a hook reads on stdin: the runtime-spec's members alone, compact. A pid of 0 is left out. */
int state_doc_write_hook(const struct state_doc *s, struct buf *out);

/* What `state` prints: two blanks per level, no line end. */
int state_doc_write(const struct state_doc *s, struct buf *out);

/* What `list --format json` prints: one compact array and a line end; `empty` (null, []) when there is none. */
int state_doc_write_list(
	const struct state_doc *states, size_t n, const char *empty, struct buf *out);
