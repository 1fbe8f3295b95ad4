/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing a runtime-spec document: the tables of spec_schema.c from top to bottom. What is absent
 * is not written, so that reading the result gives the same document.
 */
#include <string.h>

#include "base/json_write.h"
#include "oci/spec.h"
#include "oci/spec_schema.h"

static void write_object(
	struct json_writer *w, const struct schema *type, const char *base, const char *key);

static int64_t load_signed(const struct schema_field *f, const char *at)
{
	return f->kind == KIND_I32 ? *(const int32_t *)at : *(const int64_t *)at;
}

static uint64_t load_unsigned(const struct schema_field *f, const char *at)
{
	switch (f->kind) {
	case KIND_BOOL:
		return *(const bool *)at;
	case KIND_U16:
		return *(const uint16_t *)at;
	case KIND_U32:
	case KIND_WORD:
		return *(const uint32_t *)at;
	case KIND_I32:
	case KIND_I64:
		return load_signed(f, at) != 0;
	default:
		return *(const uint64_t *)at;
	}
}

static bool is_present(const struct schema_field *f, const char *base)
{
	if (f->flags & (SCHEMA_SHOW | SCHEMA_REQUIRED))
		return true;
	switch (f->kind) {
	case KIND_INSIDE:
		return true;
	case KIND_STRING:
	case KIND_OBJECT:
	case KIND_STRINGS:
	case KIND_U32S:
	case KIND_OBJECTS:
	case KIND_MAP:
	case KIND_OBJECT_MAP:
		return *(void *const *)(base + f->at) != NULL;
	default:
		if (f->aux != SCHEMA_NO_AUX)
			return *(const bool *)(base + f->aux);
		return load_unsigned(f, base + f->at) != 0;
	}
}

static void write_flags(struct json_writer *w, const struct word *words, uint64_t flags)
{
	json_write_open(w, '[');
	for (const struct word *word = words; word->name; word++)
		if (flags & (uint64_t)(unsigned int)word->value)
			json_write_str(w, word->name);
	json_write_close(w, ']');
}

static void write_strings(struct json_writer *w, const char *const *strings, size_t n)
{
	json_write_open(w, '[');
	for (size_t i = 0; i < n; i++)
		json_write_str(w, strings[i]);
	json_write_close(w, ']');
}

static void write_numbers(struct json_writer *w, const uint32_t *numbers, size_t n)
{
	json_write_open(w, '[');
	for (size_t i = 0; i < n; i++)
		json_write_u64(w, numbers[i]);
	json_write_close(w, ']');
}

static void write_map(struct json_writer *w, const struct spec_kv *kv, size_t n)
{
	json_write_open(w, '{');
	for (size_t i = 0; i < n; i++)
		json_write_member_str(w, kv[i].key, kv[i].value);
	json_write_close(w, '}');
}

/* Elements of a map start with a pointer to their key. */
static void write_objects(
	struct json_writer *w, const struct schema_field *f, const char *elements, size_t n)
{
	bool map = f->kind == KIND_OBJECT_MAP;

	json_write_open(w, map ? '{' : '[');
	for (size_t i = 0; i < n; i++, elements += f->type->size)
		write_object(w, f->type, elements, map ? *(const char *const *)elements : NULL);
	json_write_close(w, map ? '}' : ']');
}

static void write_list(struct json_writer *w, const struct schema_field *f, const char *base)
{
	const void *elements = *(void *const *)(base + f->at);
	size_t n = *(const size_t *)(base + f->aux);

	if (f->kind == KIND_STRINGS)
		write_strings(w, elements, n);
	else if (f->kind == KIND_U32S)
		write_numbers(w, elements, n);
	else if (f->kind == KIND_MAP)
		write_map(w, elements, n);
	else
		write_objects(w, f, elements, n);
}

static void write_field(struct json_writer *w, const struct schema_field *f, const char *base)
{
	const char *at = base + f->at;

	switch (f->kind) {
	case KIND_STRING:
		json_write_str(w, *(const char *const *)at);
		break;
	case KIND_BOOL:
		json_write_bool(w, *(const bool *)at);
		break;
	case KIND_I32:
	case KIND_I64:
		json_write_i64(w, load_signed(f, at));
		break;
	case KIND_U16:
	case KIND_U32:
	case KIND_U64:
		json_write_u64(w, load_unsigned(f, at));
		break;
	case KIND_WORD:
		json_write_str(w, word_name(f->words, *(const int *)at));
		break;
	case KIND_FLAGS:
		write_flags(w, f->words, load_unsigned(f, at));
		break;
	case KIND_INSIDE:
		write_object(w, f->type, at, NULL);
		break;
	case KIND_OBJECT:
		write_object(w, f->type, *(const char *const *)at, NULL);
		break;
	default:
		write_list(w, f, base);
	}
}

static void write_object(
	struct json_writer *w, const struct schema *type, const char *base, const char *key)
{
	if (key)
		json_write_key(w, key);
	json_write_open(w, '{');
	for (size_t i = 0; i < type->n_fields; i++) {
		if (!is_present(&type->fields[i], base))
			continue;
		json_write_key(w, type->fields[i].name);
		write_field(w, &type->fields[i], base);
	}
	json_write_close(w, '}');
}

static int write_document(
	const struct schema *type, const void *base, const char *indent, struct buf *out)
{
	struct json_writer w = { .out = out, .indent = indent };

	write_object(&w, type, base, NULL);
	return buf_ok(out);
}

int spec_write(const struct spec *s, struct buf *out)
{
	return write_document(&spec_schema, s, NULL, out);
}

int spec_write_pretty(const struct spec *s, const char *indent, struct buf *out)
{
	return write_document(&spec_schema, s, indent, out);
}

int spec_write_process(const struct spec_process *p, struct buf *out)
{
	return write_document(&spec_schema_process, p, NULL, out);
}

int spec_write_resources(const struct spec_resources *r, struct buf *out)
{
	return write_document(&spec_schema_resources, r, NULL, out);
}
