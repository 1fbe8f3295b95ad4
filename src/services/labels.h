/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Labels: maps of text in messages, which on the wire are lists of pairs: the last of a key counts,
 * and an empty value is no label.
 *
 * Owner    New lists live in the caller's arena; what they hold is not copied.
 * Errors   -ENOMEM; -EINVAL of identifier_check_label().
 * Blocks   Never.
 * Context  Any that allocates.
 */
#include "base/err.h"
#include "base/mem.h"

#include "proto/common.pb-c.h"

struct labels {
	Pb__Pair **pairs;
	size_t n;
};

const char *labels_get(const struct labels *l, const char *key);
/* The value under all of a path, joined by dots: what filters ask for. */
const char *labels_at(const struct labels *l, const char *const *path, size_t n);
/* value "": take it out. */
int labels_set(struct labels *l, const char *key, const char *value, struct arena *arena);
/* Each key once, no empty values, in a list of its own. */
int labels_clean(struct labels *l, struct arena *arena);
/*
 * What an update with a mask asks for: without paths, and with "labels", all of `wanted`; with "labels.KEY" that one.
 * -EINVAL: *ret_wrong is the first path that is neither.
 */
int labels_update(struct labels *l, const struct labels *wanted, char *const *paths, size_t n,
	struct arena *arena, const char **ret_wrong);
/* `what` goes before the reason. */
int labels_check(const struct labels *l, const char *what, struct err *err);
