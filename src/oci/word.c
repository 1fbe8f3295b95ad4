/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Word: look-up in both directions. Tables are short and looked at once per document, so both are
 * linear; where two names share a number the first is the one that is written.
 */
#include "oci/word.h"

#include <errno.h>
#include <string.h>

int word_value(const struct word *table, const char *name, int *ret)
{
	for (const struct word *w = table; w->name; w++) {
		if (strcmp(w->name, name) == 0) {
			*ret = w->value;
			return 0;
		}
	}
	return -EINVAL;
}

const char *word_name(const struct word *table, int value)
{
	for (const struct word *w = table; w->name; w++)
		if (w->value == value)
			return w->name;
	return NULL;
}

size_t word_count(const struct word *table)
{
	size_t n = 0;

	while (table[n].name)
		n++;
	return n;
}
