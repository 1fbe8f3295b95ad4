/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Word: a row of a table that gives the words of a closed set their numbers.
 *
 * Owner    Tables are constant; the last row has a NULL name.
 * Errors   -EINVAL: no such word.
 * Blocks   Never.
 * Context  Any.
 */
#include <stddef.h>

struct word {
	const char *name;
	int value;
};

int word_value(const struct word *table, const char *name, int *ret);
/* The first name with that value, or NULL. */
const char *word_name(const struct word *table, int value);
size_t word_count(const struct word *table);
