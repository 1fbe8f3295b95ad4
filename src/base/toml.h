/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * TOML: what people write in configuration, entry by entry. No C library for it is in Debian 12.
 *
 * Read are tables, dotted and quoted keys, all four kinds of strings, whole numbers in every base,
 * booleans, and lists of strings. Refused by name is what no configuration of ours has: fractions,
 * dates, inline tables, arrays of tables.
 *
 * Owner    Strings live in the caller's arena; an entry itself lives as long as the call of `fn`.
 * Errors   -EINVAL with "WHAT, line N: why"; what `fn` returned, with its text.
 * Blocks   Never.
 * Context  Parent; pure.
 *
 * Source: TOML 1.0.0.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"

enum toml_type { TOML_BOOL, TOML_INTEGER, TOML_STRING, TOML_STRINGS };

struct toml_value {
	enum toml_type type;
	bool boolean;
	int64_t integer;
	const char *string;
	const char **strings;
	size_t n_strings;
};

struct toml_entry {
	const char *what;  /* as given: for texts of errors */
	const char *table; /* "" at the top, "a.b" */
	const char *key;   /* NULL: the header of the table */
	unsigned int line;
	struct toml_value value;
};

typedef int toml_fn(void *arg, const struct toml_entry *e, struct err *err);

/* `what` is read, for texts of errors: "configuration 'PATH'". fn ends it with a negative errno. */
int toml_read(const char *text, const char *what, struct arena *arena, toml_fn *fn, void *arg,
	struct err *err);

/* -EINVAL with where the entry is and why it will not do. */
int toml_refuse(const struct toml_entry *e, struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
