/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Plan builder: writes the flat block that bare/plan.h describes, step by step.
 *
 * Owner    The builder is the caller's; plan_done() ends it and accepts zero and done ones. Strings are copied.
 * Errors   Running out of memory or of room is remembered and reported once, by plan_finish().
 * Blocks   Never.
 * Context  Parent; pure.
 */
#include <stddef.h>
#include <stdint.h>

#include "bare/plan.h"
#include "base/err.h"
#include "base/str.h"

struct plan {
	struct plan_step *steps;
	size_t n_steps, cap_steps;
	int32_t *slots;
	size_t n_slots, cap_slots;
	struct buf data; /* strings and blobs; offsets are from its start + 1 until plan_finish() */
	struct plan_step lost; /* what plan_add() gives when not even the first one could be had */
	int failed;            /* negative errno of the first failure */
	/* A capability that was asked for and is none, the document's own text; NULL: all are some. */
	const char *unknown_cap;
	/* Asked for as ambient, and not as permitted and inheritable: nobody can have them. */
	uint64_t lost_ambient;
};

/* Empty plan with the two fixed slots: the executor's end of the sync socket and the plan's own fd. */
void plan_init(struct plan *p);
void plan_done(struct plan *p);

/* Append a step. Valid until the next call. Never NULL: after a failure it is a scratch step. */
struct plan_step *plan_add(struct plan *p, enum plan_op op);
/* A string, a list of n strings, 8-byte aligned bytes: what goes into str[] and blob. */
uint32_t plan_str(struct plan *p, const char *s);
uint32_t plan_strs(struct plan *p, const char *const *list, size_t n);
void plan_blob(struct plan *p, struct plan_step *step, const void *data, size_t size);
/* A slot that holds `fd` of the launcher, or -1 for one that a step fills. */
int32_t plan_slot(struct plan *p, int fd);
void plan_slot_set(struct plan *p, int32_t slot, int fd);

/* The finished block in *ret (heap, 8-byte aligned); the builder stays as it is for plan_describe(). */
int plan_finish(struct plan *p, void **ret, size_t *ret_size, struct err *err);

/* What a step does, for the text of its failure: "mount 'proc' at '/proc'". */
void plan_describe(const struct plan *p, uint32_t step, char *out, size_t size);
