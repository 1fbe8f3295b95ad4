/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents go through as trees: what we do not know stays in them. `terminal` is replaced rather than added once more,
 * for readers differ in which of two members of one name they take.
 */
#include "supervisor/oci_spec.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/json_read.h"
#include "base/json_write.h"
#include "base/mem.h"

#define CONFIG_MAX_BYTES (16u << 20)

static const struct json_limits limits = {
	.bytes = CONFIG_MAX_BYTES, .nodes = 1u << 20, .string = 4u << 20, .depth = 64
};

static bool is_own_pidns(const struct json_node *ns)
{
	const struct json_node *type = json_read_get(ns, "type"), *path = json_read_get(ns, "path");

	return type && type->kind == JSON_READ_STRING && str_eq(type->text, "pid") &&
	       (!path || (path->kind == JSON_READ_STRING && path->len == 0));
}

static const struct json_node *member(const struct json_node *object, const char *key)
{
	return object && object->kind == JSON_READ_OBJECT ? json_read_get(object, key) : NULL;
}

bool oci_spec_text_shares_pidns(const char *text, size_t size)
{
	auto_done(arena) struct arena arena = { 0 };
	const struct json_node *list;
	struct json_node *root;

	if (json_read(&arena, text, size, &limits, &root, NULL) < 0)
		return true;
	list = member(member(root, "linux"), "namespaces");
	if (!list || list->kind != JSON_READ_ARRAY)
		return true;
	for (const struct json_node *ns = list->first; ns; ns = ns->next)
		if (ns->kind == JSON_READ_OBJECT && is_own_pidns(ns))
			return false;
	return true;
}

bool oci_spec_shares_pidns(const char *bundle)
{
	auto_close int dir = fd_open(bundle, O_PATH | O_DIRECTORY, 0);
	auto_free char *text = NULL;
	size_t size;

	if (dir < 0 || fd_read_file_at(dir, "config.json", CONFIG_MAX_BYTES, &text, &size) < 0)
		return true;
	return oci_spec_text_shares_pidns(text, size);
}

/* ---- writing a tree ---- */

static int write_node(struct json_writer *w, const struct json_node *n, struct err *err);

static int write_children(struct json_writer *w, const struct json_node *n, struct err *err)
{
	int r = 0;

	for (const struct json_node *c = n->first; c && r == 0; c = c->next) {
		if (n->kind == JSON_READ_OBJECT)
			json_write_key(w, c->key);
		r = write_node(w, c, err);
	}
	return r;
}

/* As deep as the reader's limit. */
static int write_node(struct json_writer *w, const struct json_node *n, struct err *err)
{
	bool object = n->kind == JSON_READ_OBJECT;
	int r = 0;

	switch (n->kind) {
	case JSON_READ_NULL:
		json_write_null(w);
		break;
	case JSON_READ_BOOL:
		json_write_bool(w, n->truth);
		break;
	case JSON_READ_NUMBER:
		json_write_raw(w, n->text);
		break;
	case JSON_READ_STRING:
		if (strlen(n->text) != n->len)
			return err_set(err, -EINVAL, "process: a string has a NUL byte");
		json_write_str(w, n->text);
		break;
	case JSON_READ_ARRAY:
	case JSON_READ_OBJECT:
		json_write_open(w, object ? '{' : '[');
		r = write_children(w, n, err);
		json_write_close(w, object ? '}' : ']');
		break;
	}
	return r;
}

int oci_spec_process(const char *json, size_t size, bool terminal, struct buf *out, struct err *err)
{
	auto_done(arena) struct arena arena = { 0 };
	struct json_writer w = { .out = out };
	struct json_node *root;
	int r = json_read(&arena, json, size, &limits, &root, err);

	if (r < 0)
		return err_in(err, "process");
	if (root->kind != JSON_READ_OBJECT)
		return err_set(err, -EINVAL, "process: an object is expected, not %s",
			json_read_kind_name(root->kind));
	json_write_open(&w, '{');
	json_write_member_bool(&w, "terminal", terminal);
	for (const struct json_node *c = root->first; c && r == 0; c = c->next) {
		if (str_eq(c->key, "terminal"))
			continue;
		json_write_key(&w, c->key);
		r = write_node(&w, c, err);
	}
	json_write_close(&w, '}');
	if (r == 0 && buf_ok(out) < 0)
		r = err_oom(err);
	return r;
}
