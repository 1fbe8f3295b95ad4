/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * JSON writer: commas, indentation and escapes on top of struct buf.
 *
 *	struct json_writer w = { .out = &buf, .indent = "  " };
 *	json_write_open(&w, '{');
 *	json_write_key(&w, "id");
 *	json_write_str(&w, id);
 *	json_write_close(&w, '}');
 *
 * Owner    The caller's; nothing to end. The bytes go to the caller's buf.
 * Errors   None here: check the buf once with buf_ok().
 * Blocks   Never.
 * Context  Parent (allocates).
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/json_read.h"
#include "base/str.h"

struct json_writer {
	struct buf *out;
	const char *indent; /* per level; NULL: compact */
	unsigned int depth; /* the rest is the writer's own: starts at zero */
	bool comma;
	bool keyed;
};

void json_write_open(struct json_writer *w, char bracket);
void json_write_close(struct json_writer *w, char bracket);
void json_write_key(struct json_writer *w, const char *key);
void json_write_str(struct json_writer *w, const char *s); /* NULL: null */
void json_write_i64(struct json_writer *w, int64_t v);
void json_write_u64(struct json_writer *w, uint64_t v);
void json_write_bool(struct json_writer *w, bool v);
void json_write_null(struct json_writer *w);
void json_write_raw(struct json_writer *w, const char *json); /* one value, as it is */

/* What was read, with all that is in it. A string with a NUL ends before it. */
void json_write_node(struct json_writer *w, const struct json_node *node);

/* A member in one line. */
void json_write_member_str(struct json_writer *w, const char *key, const char *s);
void json_write_member_i64(struct json_writer *w, const char *key, int64_t v);
void json_write_member_bool(struct json_writer *w, const char *key, bool v);
