/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON writer: any bytes as a string, a key, an annotation prefix of `features` become a document that we and
 * json-c take; what was UTF-8 comes back as it was.
 */
#include <json-c/json.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_read.h"
#include "base/json_write.h"
#include "oci/features.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct json_limits limits = {
	.bytes = 1 << 22, .nodes = 5000, .string = 1 << 20, .depth = 30
};

static bool is_utf8(const char *s, size_t len)
{
	for (size_t i = 0; i < len;) {
		size_t n = str_utf8_len(s + i, len - i);

		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

/* Both readers take it; NULL for a document of more than a member. */
static json_object *read_both(
	const struct buf *out, const struct json_node **root, struct arena *arena)
{
	struct json_node *node = NULL;
	json_tokener *tok = json_tokener_new();
	json_object *o = json_tokener_parse_ex(tok, out->data, (int)out->len + 1);

	if (json_tokener_get_error(tok) != json_tokener_success ||
		json_read(arena, out->data, out->len, &limits, &node, NULL) < 0)
		abort();
	json_tokener_free(tok);
	*root = node;
	return o;
}

static void check_member(const char *text, const char *indent)
{
	struct arena arena = { 0 };
	struct buf out = { 0 };
	struct json_writer w = { .out = &out, .indent = indent };
	const struct json_node *root;
	json_object *o, *value;

	json_write_open(&w, '{');
	json_write_member_str(&w, text, text);
	json_write_key(&w, "list");
	json_write_open(&w, '[');
	json_write_str(&w, text);
	json_write_u64(&w, UINT64_MAX);
	json_write_close(&w, ']');
	json_write_close(&w, '}');
	if (buf_ok(&out) < 0)
		abort();
	o = read_both(&out, &root, &arena);
	if (is_utf8(text, strlen(text))) {
		/* A key "list" is there twice. */
		if (strcmp(text, "list") != 0 &&
			(!json_object_object_get_ex(o, text, &value) ||
				strcmp(json_object_get_string(value), text) != 0))
			abort();
		if (strcmp(root->first->key, text) != 0 || strcmp(root->first->text, text) != 0)
			abort();
	}
	json_object_put(o);
	buf_done(&out);
	arena_done(&arena);
}

static void check_features(const char *text, uint8_t bits)
{
	const char *list[] = { text, "b" };
	struct features f = { .version = text,
		.commit = bits & 1 ? text : NULL,
		.cgroup_v1 = bits & 2,
		.cgroup_v2 = bits & 4,
		.seccomp = bits & 8,
		.seccomp_version = text,
		.archs = list,
		.n_archs = bits & 16 ? 2 : 0,
		.seccomp_flags = bits,
		.alias = bits & 32 ? text : NULL,
		.alias_version = text,
		.unsafe_annotations = list,
		.n_unsafe_annotations = bits & 64 ? 2 : 0,
		.intel_rdt = bits & 128 };
	struct arena arena = { 0 };
	struct buf out = { 0 };
	const struct json_node *root;

	if (features_write(&f, &out) < 0)
		abort();
	json_object_put(read_both(&out, &root, &arena));
	buf_done(&out);
	arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size > 1 << 12 || !(text = calloc(1, size + 1)))
		return 0;
	memcpy(text, data, size);
	check_member(text, NULL);
	check_member(text, "\t");
	check_features(text, size ? data[0] : 0);
	free(text);
	return 0;
}
