/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a runtime-spec document: a JSON tree laid over the tables of spec_schema.c.
 *
 * There is one reader per kind of value and none per property. Where a value stands is a list of
 * struct place on the stack, so the path costs nothing until an error prints it. Two arenas: the
 * tree goes away when the document is made, which owns all that it points to.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/json_read.h"
#include "oci/spec.h"
#include "oci/spec_schema.h"

/* spec/security.md 3 */
static const struct json_limits limits = {
	.bytes = 4u << 20,
	.nodes = 100000,
	.string = 1u << 20,
	.depth = 64,
};

struct place {
	const struct place *up;
	const char *name; /* of a property; NULL: element of an array */
	bool is_key;      /* name is a key of a map */
	size_t index;
};

struct reader {
	struct arena *arena;
	struct err *err;
};

static int read_object(struct reader *r, const struct schema *type, const struct json_node *node,
	const struct place *place, void *base);

static void place_print(const struct place *p, char *out, size_t size)
{
	size_t len;

	if (!p)
		return;
	place_print(p->up, out, size);
	len = strlen(out);
	if (!p->name)
		snprintf(out + len, size - len, "[%zu]", p->index);
	else if (p->is_key)
		snprintf(out + len, size - len, "[\"%s\"]", p->name);
	else
		snprintf(out + len, size - len, "%s%s", len ? "." : "", p->name);
}

/* Names and values come from the document: no line ends or escape sequences for a terminal. */
static void tame(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
}

static int fail(struct reader *r, const struct place *place, int code, const char *what)
{
	char text[480] = "";
	size_t len;

	place_print(place, text, 256);
	len = strlen(text);
	snprintf(text + len, sizeof(text) - len, "%s%s", len ? ": " : "", what);
	tame(text);
	return err_set(r->err, code, "%s", text);
}

/* "expected ..., got VALUE" with the value as it is written, shortened. */
static int fail_value(struct reader *r, const struct place *place, const char *expected,
	const struct json_node *node)
{
	char what[192];

	if (node->kind == JSON_READ_STRING)
		snprintf(what, sizeof(what), "expected %s, got \"%.80s\"", expected, node->text);
	else if (node->kind == JSON_READ_NUMBER)
		snprintf(what, sizeof(what), "expected %s, got %.40s", expected, node->text);
	else if (node->kind == JSON_READ_BOOL)
		snprintf(what, sizeof(what), "expected %s, got %s", expected,
			node->truth ? "true" : "false");
	else
		snprintf(what, sizeof(what), "expected %s, got %s", expected,
			json_read_kind_name(node->kind));
	return fail(r, place, -EINVAL, what);
}

static int expect(struct reader *r, const struct place *place, const struct json_node *node,
	enum json_read_kind kind)
{
	if (node->kind == kind)
		return 0;
	return fail_value(r, place, json_read_kind_name(kind), node);
}

static int read_string(
	struct reader *r, const struct json_node *node, const struct place *place, const char **ret)
{
	char *copy;
	int code;

	code = expect(r, place, node, JSON_READ_STRING);
	if (code < 0)
		return code;
	if (strlen(node->text) != node->len)
		return fail(r, place, -EINVAL, "string holds a NUL");
	copy = arena_alloc(r->arena, node->len + 1);
	if (!copy)
		return err_oom(r->err);
	memcpy(copy, node->text, node->len);
	*ret = copy;
	return 0;
}

static int read_number(struct reader *r, enum schema_kind kind, const struct json_node *node,
	const struct place *place, void *out)
{
	static const struct {
		int64_t min;
		uint64_t max;
	} ranges[] = {
		[KIND_I32] = { INT32_MIN, INT32_MAX },
		[KIND_I64] = { INT64_MIN, INT64_MAX },
		[KIND_U16] = { 0, UINT16_MAX },
		[KIND_U32] = { 0, UINT32_MAX },
		[KIND_U64] = { 0, UINT64_MAX },
	};
	uint64_t v;
	int64_t s;
	int code;

	code = json_read_u64(node, &v);
	if (code == 0 && v > ranges[kind].max)
		code = -ERANGE;
	if (code == -ERANGE && json_read_i64(node, &s) == 0 && s < 0 && s >= ranges[kind].min) {
		v = (uint64_t)s;
		code = 0;
	}
	if (code == -ERANGE) {
		char expected[80];

		snprintf(expected, sizeof(expected), "a number from %lld to %llu",
			(long long)ranges[kind].min, (unsigned long long)ranges[kind].max);
		return fail_value(r, place, expected, node);
	}
	if (code < 0)
		return fail_value(r, place, "an integer", node);
	if (kind == KIND_U16)
		*(uint16_t *)out = (uint16_t)v;
	else if (kind == KIND_I32 || kind == KIND_U32)
		*(uint32_t *)out = (uint32_t)v;
	else
		*(uint64_t *)out = v;
	return 0;
}

static int read_word(struct reader *r, const struct schema_field *f, const struct json_node *node,
	const struct place *place, int *ret)
{
	int code;

	code = expect(r, place, node, JSON_READ_STRING);
	if (code < 0)
		return code;
	if (strlen(node->text) == node->len && word_value(f->words, node->text, ret) == 0)
		return 0;
	return fail_value(r, place, f->expected ? f->expected : "a known word", node);
}

static int read_flags(struct reader *r, const struct schema_field *f, const struct json_node *node,
	const struct place *place, uint64_t *ret)
{
	struct place here = { .up = place };

	for (const struct json_node *e = node->first; e; e = e->next, here.index++) {
		int bit;
		int code = read_word(r, f, e, &here, &bit);

		if (code < 0)
			return code;
		*ret |= (uint64_t)(unsigned int)bit;
	}
	return 0;
}

static int read_element(struct reader *r, const struct schema_field *f,
	const struct json_node *node, const struct place *place, void *out)
{
	int word;
	int code;

	switch (f->kind) {
	case KIND_STRINGS:
		code = read_string(r, node, place, out);
		if (code == 0 && f->words)
			code = read_word(r, f, node, place, &word);
		return code;
	case KIND_U32S:
		return read_number(r, KIND_U32, node, place, out);
	case KIND_MAP:
		((struct spec_kv *)out)->key = arena_strdup(r->arena, node->key);
		if (!((struct spec_kv *)out)->key)
			return err_oom(r->err);
		return read_string(r, node, place, &((struct spec_kv *)out)->value);
	case KIND_OBJECT_MAP:
		*(const char **)out = arena_strdup(r->arena, node->key);
		if (!*(const char **)out)
			return err_oom(r->err);
		return read_object(r, f->type, node, place, out);
	default:
		return read_object(r, f->type, node, place, out);
	}
}

static size_t element_size(const struct schema_field *f)
{
	switch (f->kind) {
	case KIND_STRINGS:
		return sizeof(char *);
	case KIND_U32S:
		return sizeof(uint32_t);
	case KIND_MAP:
		return sizeof(struct spec_kv);
	default:
		return f->type->size;
	}
}

/* A map's member counts when no later one has its key and it is not null. */
static bool counts(const struct json_node *map, const struct json_node *member)
{
	return map->kind != JSON_READ_OBJECT || json_read_get(map, member->key) == member;
}

static int read_list(struct reader *r, const struct schema_field *f, const struct json_node *node,
	const struct place *place, char *base)
{
	struct place here = { .up = place };
	size_t size = element_size(f), n = 0;
	char *elements;

	elements = arena_calloc(r->arena, node->n, size);
	if (!elements)
		return err_oom(r->err);
	for (const struct json_node *e = node->first; e; e = e->next, here.index++) {
		int code;

		if (!counts(node, e))
			continue;
		here.name = e->key;
		here.is_key = e->key != NULL;
		code = read_element(r, f, e, &here, elements + n * size);
		if (code < 0)
			return code;
		n++;
	}
	*(char **)(base + f->at) = elements;
	*(size_t *)(base + f->aux) = n;
	return 0;
}

static int check_count(struct reader *r, const struct schema_field *f, const struct json_node *node,
	const struct place *place)
{
	char what[64];

	if (node->n <= f->max)
		return 0;
	snprintf(what, sizeof(what), "%zu entries, at most %u are taken", node->n, f->max);
	return fail(r, place, -E2BIG, what);
}

static enum json_read_kind wanted(enum schema_kind kind)
{
	switch (kind) {
	case KIND_BOOL:
		return JSON_READ_BOOL;
	case KIND_STRING:
	case KIND_WORD:
		return JSON_READ_STRING;
	case KIND_FLAGS:
	case KIND_STRINGS:
	case KIND_U32S:
	case KIND_OBJECTS:
		return JSON_READ_ARRAY;
	case KIND_INSIDE:
	case KIND_OBJECT:
	case KIND_MAP:
	case KIND_OBJECT_MAP:
		return JSON_READ_OBJECT;
	default:
		return JSON_READ_NUMBER;
	}
}

static int read_field(struct reader *r, const struct schema_field *f, const struct json_node *node,
	const struct place *place, char *base)
{
	void *out = base + f->at;
	int code;

	code = expect(r, place, node, wanted(f->kind));
	if (code == 0 && f->max > 0)
		code = check_count(r, f, node, place);
	if (code < 0)
		return code;
	switch (f->kind) {
	case KIND_STRING:
		return read_string(r, node, place, out);
	case KIND_BOOL:
		*(bool *)out = node->truth;
		return 0;
	case KIND_WORD:
		return read_word(r, f, node, place, out);
	case KIND_FLAGS:
		return read_flags(r, f, node, place, out);
	case KIND_INSIDE:
		return read_object(r, f->type, node, place, out);
	case KIND_OBJECT: {
		void *object = arena_alloc(r->arena, f->type->size);

		if (!object)
			return err_oom(r->err);
		*(void **)out = object;
		return read_object(r, f->type, node, place, object);
	}
	case KIND_STRINGS:
	case KIND_U32S:
	case KIND_OBJECTS:
	case KIND_MAP:
	case KIND_OBJECT_MAP:
		return read_list(r, f, node, place, base);
	default:
		return read_number(r, f->kind, node, place, out);
	}
}

/* aux of a list is its count, of everything else a has_ flag. */
static bool has_flag(const struct schema_field *f)
{
	return f->aux != SCHEMA_NO_AUX && (f->max == 0 || f->kind == KIND_FLAGS);
}

static int read_object(struct reader *r, const struct schema *type, const struct json_node *node,
	const struct place *place, void *base)
{
	int code;

	code = expect(r, place, node, JSON_READ_OBJECT);
	if (code < 0)
		return code;
	for (size_t i = 0; i < type->n_fields; i++) {
		const struct schema_field *f = &type->fields[i];
		const struct json_node *member = json_read_get_any_case(node, f->name);
		struct place here = { .up = place, .name = f->name };

		if (!member && (f->flags & SCHEMA_REQUIRED))
			return fail(r, &here, -EINVAL, "missing");
		if (!member)
			continue;
		code = read_field(r, f, member, &here, base);
		if (code < 0)
			return code;
		if (has_flag(f))
			*(bool *)((char *)base + f->aux) = true;
	}
	return 0;
}

static int read_document(const char *json, size_t len, const struct schema *type,
	struct arena *arena, void *base, struct err *err)
{
	struct reader r = { .arena = arena, .err = err };
	struct arena tree = { 0 };
	struct json_node *root;
	int code;

	code = json_read(&tree, json, len, &limits, &root, err);
	if (code == 0)
		code = read_object(&r, type, root, NULL, base);
	arena_done(&tree);
	return code;
}

int spec_parse(const char *json, size_t len, struct spec **ret, struct err *err)
{
	auto_freep(spec) struct spec *s = calloc(1, sizeof(*s));
	int code;

	if (!s)
		return err_oom(err);
	code = read_document(json, len, &spec_schema, &s->arena, s, err);
	if (code == 0)
		*ret = take_ptr(s);
	return code;
}

static int read_mounts(struct reader *r, const struct json_node *root, struct spec *s)
{
	const struct json_node *list =
		root->kind == JSON_READ_ARRAY ? root : json_read_get(root, "mounts");
	const struct place place = { .name = "mounts" };

	if (!list)
		return err_set(r->err, -EINVAL, "mounts: missing");
	for (size_t i = 0; i < spec_schema.n_fields; i++)
		if (str_eq(spec_schema.fields[i].name, "mounts"))
			return read_field(r, &spec_schema.fields[i], list, &place, (char *)s);
	return err_set(r->err, -EINVAL, "mounts: unknown");
}

int spec_parse_mounts(const char *json, size_t len, struct spec **ret, struct err *err)
{
	auto_freep(spec) struct spec *s = calloc(1, sizeof(*s));
	struct reader r = { .err = err };
	auto_done(arena) struct arena tree = { 0 };
	struct json_node *root;
	int code;

	if (!s)
		return err_oom(err);
	r.arena = &s->arena;
	code = json_read(&tree, json, len, &limits, &root, err);
	if (code == 0 && root->kind != JSON_READ_ARRAY && root->kind != JSON_READ_OBJECT)
		code = err_set(err, -EINVAL, "mounts: expected an array");
	if (code == 0)
		code = read_mounts(&r, root, s);
	if (code == 0)
		*ret = take_ptr(s);
	return code;
}

int spec_parse_process(const char *json, size_t len, struct spec_process_doc **ret, struct err *err)
{
	auto_freep(spec_process_doc) struct spec_process_doc *d = calloc(1, sizeof(*d));
	int code;

	if (!d)
		return err_oom(err);
	code = read_document(json, len, &spec_schema_process, &d->arena, &d->process, err);
	if (code == 0)
		*ret = take_ptr(d);
	return code;
}

int spec_parse_resources(
	const char *json, size_t len, struct spec_resources_doc **ret, struct err *err)
{
	auto_freep(spec_resources_doc) struct spec_resources_doc *d = calloc(1, sizeof(*d));
	int code;

	if (!d)
		return err_oom(err);
	code = read_document(json, len, &spec_schema_resources, &d->arena, &d->resources, err);
	if (code == 0)
		*ret = take_ptr(d);
	return code;
}
