/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Schema: one list of all properties, from which reading, writing and error paths come.
 *
 * Used by spec_parse.c, spec_write.c and tests only.
 *
 * Owner    Constant tables.
 * Errors   None.
 * Blocks   Never.
 * Context  Any.
 */
#include <stddef.h>
#include <stdint.h>

#include "oci/word.h"

enum schema_kind {
	KIND_STRING,
	KIND_BOOL,
	KIND_I32,
	KIND_I64,
	KIND_U16,
	KIND_U32,
	KIND_U64,
	KIND_WORD,       /* int, by `words` */
	KIND_FLAGS,      /* array of words, or-ed into a uint64_t */
	KIND_INSIDE,     /* object, embedded */
	KIND_OBJECT,     /* object behind a pointer */
	KIND_STRINGS,    /* array; with `words`: only of these */
	KIND_U32S,       /* array */
	KIND_OBJECTS,    /* array of `type` */
	KIND_MAP,        /* object of strings: array of struct spec_kv */
	KIND_OBJECT_MAP, /* object of objects: array of `type`, which starts with its key */
};

enum {
	SCHEMA_REQUIRED = 1, /* absence is an error */
	SCHEMA_SHOW = 2,     /* written even when zero */
};

#define SCHEMA_NO_AUX UINT16_MAX

struct schema;

struct schema_field {
	const char *name;
	enum schema_kind kind;
	unsigned int flags;
	uint16_t at;  /* offset of the value */
	uint16_t aux; /* offset of has_NAME or n_NAME, or SCHEMA_NO_AUX */
	uint32_t max; /* elements */
	const struct schema *type;
	const struct word *words;
	const char *expected; /* said of a word that is none of them; NULL: "a known word" */
};

struct schema {
	size_t size;
	const struct schema_field *fields;
	size_t n_fields;
};

extern const struct schema spec_schema;
extern const struct schema spec_schema_process;
extern const struct schema spec_schema_resources;
