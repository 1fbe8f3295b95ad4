/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Filter: which objects a list shows and which events a subscriber gets, in containerd's words:
 * "labels.\"a/b\"==x,id~=^web" (spec/manager.md 3.4). Commas join conditions that must all hold;
 * of several filters one must.
 *
 *	condition := path [ "==" | "!=" | "~=" value ]
 *	path      := field { "." field }       field: letters, digits, '_', or a quoted string
 *	value     := quoted string, or anything up to a comma or blank; behind "~=" also /.../ and |...|
 *
 * Owner    A filter lives in the caller's arena.
 * Errors   -EINVAL with the text that containerd has for it; -ENOMEM.
 * Blocks   Never; pure.
 * Context  Any that allocates.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/mem.h"

struct filter;

/* The value at a path of an object, NULL when it has none. */
typedef const char *filter_field_fn(void *object, const char *const *path, size_t n);

/* No texts, or an empty one: everything matches. */
int filter_parse(char *const *texts, size_t n, struct arena *arena, const struct filter **ret,
	struct err *err);
bool filter_match(const struct filter *f, filter_field_fn *field, void *object);
