/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON writer: knows when a comma, a line break or nothing stands before the next value.
 *
 * It does not check that brackets match: callers are loops over tables, and their tests read the
 * result back.
 */
#include "base/json_write.h"

#include <inttypes.h>

static void new_line(struct json_writer *w)
{
	if (!w->indent)
		return;
	buf_addc(w->out, '\n');
	for (unsigned int i = 0; i < w->depth; i++)
		buf_adds(w->out, w->indent);
}

/* Before a key, or before a value that has none. */
static void separate(struct json_writer *w)
{
	if (w->keyed) {
		w->keyed = false;
		return;
	}
	if (w->comma)
		buf_addc(w->out, ',');
	if (w->depth > 0)
		new_line(w);
	w->comma = true;
}

void json_write_open(struct json_writer *w, char bracket)
{
	separate(w);
	buf_addc(w->out, bracket);
	w->depth++;
	w->comma = false;
}

void json_write_close(struct json_writer *w, char bracket)
{
	w->depth--;
	if (w->comma) /* it was not empty */
		new_line(w);
	buf_addc(w->out, bracket);
	w->comma = true;
}

void json_write_key(struct json_writer *w, const char *key)
{
	separate(w);
	buf_add_json(w->out, key);
	buf_adds(w->out, w->indent ? ": " : ":");
	w->keyed = true;
}

void json_write_str(struct json_writer *w, const char *s)
{
	if (!s) {
		json_write_null(w);
		return;
	}
	separate(w);
	buf_add_json(w->out, s);
}

void json_write_i64(struct json_writer *w, int64_t v)
{
	separate(w);
	buf_addf(w->out, "%" PRId64, v);
}

void json_write_u64(struct json_writer *w, uint64_t v)
{
	separate(w);
	buf_addf(w->out, "%" PRIu64, v);
}

void json_write_bool(struct json_writer *w, bool v)
{
	separate(w);
	buf_adds(w->out, v ? "true" : "false");
}

void json_write_raw(struct json_writer *w, const char *json)
{
	separate(w);
	buf_adds(w->out, json);
}

void json_write_null(struct json_writer *w)
{
	separate(w);
	buf_adds(w->out, "null");
}

/* As deep as the reader went, which has a limit. */
void json_write_node(struct json_writer *w, const struct json_node *node)
{
	switch (node->kind) {
	case JSON_READ_NULL:
		json_write_null(w);
		break;
	case JSON_READ_BOOL:
		json_write_bool(w, node->truth);
		break;
	case JSON_READ_NUMBER:
		json_write_raw(w, node->text);
		break;
	case JSON_READ_STRING:
		json_write_str(w, node->text);
		break;
	case JSON_READ_ARRAY:
	case JSON_READ_OBJECT:
		json_write_open(w, node->kind == JSON_READ_ARRAY ? '[' : '{');
		for (const struct json_node *n = node->first; n; n = n->next) {
			if (node->kind == JSON_READ_OBJECT)
				json_write_key(w, n->key);
			json_write_node(w, n);
		}
		json_write_close(w, node->kind == JSON_READ_ARRAY ? ']' : '}');
		break;
	}
}

void json_write_member_str(struct json_writer *w, const char *key, const char *s)
{
	json_write_key(w, key);
	json_write_str(w, s);
}

void json_write_member_i64(struct json_writer *w, const char *key, int64_t v)
{
	json_write_key(w, key);
	json_write_i64(w, v);
}

void json_write_member_bool(struct json_writer *w, const char *key, bool v)
{
	json_write_key(w, key);
	json_write_bool(w, v);
}
