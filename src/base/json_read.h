/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * JSON reader: text to a tree in an arena; strict (RFC 8259) and bounded.
 *
 * Nothing is lost or guessed on the way: numbers stay as they were written until somebody asks for
 * an integer, strings carry their length (they may hold NUL), duplicate keys stay in the tree and
 * the last is the one that is found.
 *
 * Owner    The tree lives in the caller's arena; the text may go away afterwards.
 * Errors   -EINVAL with line and column for text that is no JSON or not UTF-8, -E2BIG beyond a
 *          limit, -ENOMEM.
 * Blocks   Never.
 * Context  Parent (allocates).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"

enum json_read_kind {
	JSON_READ_NULL,
	JSON_READ_BOOL,
	JSON_READ_NUMBER,
	JSON_READ_STRING,
	JSON_READ_ARRAY,
	JSON_READ_OBJECT,
};

struct json_node {
	enum json_read_kind kind;
	bool truth;       /* BOOL */
	const char *text; /* STRING: decoded; NUMBER: as written; both with a NUL behind */
	size_t len;
	const char *key;         /* of a member; decoded, holds no NUL */
	struct json_node *first; /* child of ARRAY and OBJECT */
	struct json_node *next;
	size_t n; /* children */
};

struct json_limits {
	size_t bytes;
	size_t nodes;
	size_t string; /* bytes of one string or key */
	unsigned int depth;
};

int json_read(struct arena *a, const char *text, size_t len, const struct json_limits *limits,
	struct json_node **ret, struct err *err);

/* The member of that name (the last of duplicates), or NULL; NULL too when it is null. */
const struct json_node *json_read_get(const struct json_node *object, const char *key);
/* The same; where there is none, a member whose name has other capitals, as programs in Go read documents. */
const struct json_node *json_read_get_any_case(const struct json_node *object, const char *key);

/*
 * The exact integer that a number stands for: 1e3, 10.0 and -0 are integers, 1.5 is not.
 * -EINVAL: no number or no integer; -ERANGE: does not fit.
 */
int json_read_i64(const struct json_node *number, int64_t *ret);
int json_read_u64(const struct json_node *number, uint64_t *ret);

/* "a string", "an object"...: for error texts. */
const char *json_read_kind_name(enum json_read_kind kind);
