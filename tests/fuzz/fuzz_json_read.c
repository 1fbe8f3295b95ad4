/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON, against json-c as the second opinion: what we take, it must take, and the tree that we write
 * again must be equal for it to the original text. (It takes more than we do, and reads large
 * numbers and NUL in keys wrongly, so these are left out.)
 */
#include <json-c/json.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_read.h"
#include "base/json_write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct json_limits limits = {
	.bytes = 1 << 16, .nodes = 5000, .string = 1 << 14, .depth = 30, /* below json-c's 32 */
};

/* Write the tree as JSON; numbers as they were. */
static bool write_node(struct json_writer *w, const struct json_node *n)
{
	switch (n->kind) {
	case JSON_READ_NULL:
		json_write_null(w);
		return true;
	case JSON_READ_BOOL:
		json_write_bool(w, n->truth);
		return true;
	case JSON_READ_STRING:
		json_write_str(w, n->text);
		return strlen(n->text) == n->len;
	case JSON_READ_NUMBER: {
		int64_t i;
		uint64_t u;

		if (json_read_i64(n, &i) == 0)
			json_write_i64(w, i);
		else if (json_read_u64(n, &u) == 0)
			json_write_u64(w, u);
		else
			return false;
		/* 1e2 is a double for the other one */
		return n->text[strspn(n->text, "-0123456789")] == '\0';
	}
	default:
		break;
	}
	json_write_open(w, n->kind == JSON_READ_ARRAY ? '[' : '{');
	for (const struct json_node *c = n->first; c; c = c->next) {
		if (c->key)
			json_write_key(w, c->key);
		if (!write_node(w, c))
			return false;
	}
	json_write_close(w, n->kind == JSON_READ_ARRAY ? ']' : '}');
	return true;
}

static json_object *other_opinion(const char *text, size_t size)
{
	json_tokener *tok = json_tokener_new();
	json_object *o = json_tokener_parse_ex(tok, text, (int)size + 1);

	if (json_tokener_get_error(tok) != json_tokener_success)
		abort();
	json_tokener_free(tok);
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = calloc(1, size + 1);
	struct arena arena = { 0 };
	struct buf out = { 0 };
	struct json_writer w = { .out = &out };
	struct json_node *root;
	struct err err = { 0 };
	json_object *one, *two;

	if (!text)
		abort();
	memcpy(text, data, size);
	if (json_read(&arena, text, size, &limits, &root, &err) == 0) {
		one = other_opinion(text, size);
		if (write_node(&w, root)) {
			two = other_opinion(out.data, out.len);
			if (!json_object_equal(one, two))
				abort();
			json_object_put(two);
		}
		json_object_put(one);
	} else if (err.code >= 0 || !err.text[0]) {
		abort();
	}
	buf_done(&out);
	arena_done(&arena);
	free(text);
	return 0;
}
