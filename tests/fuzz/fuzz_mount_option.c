/* SPDX-License-Identifier: Apache-2.0 */
/* Mount options, one word per line: no bit is asked for and against, data are words of the input. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "oci/mount_option.h"

#define WORDS 64
#define ATIME 0x70u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_attrs(const struct mount_option_attrs *a)
{
	if (a->set & a->clear & ~(uint64_t)ATIME)
		abort();
	if ((a->set & ATIME) && (a->clear & ATIME) != ATIME)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = calloc(1, size + 1), *rest = text, *word;
	const char *words[WORDS];
	struct arena arena = { 0 };
	struct mount_options o;
	struct err err = { 0 };
	size_t n = 0;

	if (!text)
		abort();
	memcpy(text, data, size);
	while (n < WORDS && (word = strsep(&rest, "\n")))
		words[n++] = word;
	if (mount_option_parse(words, n, &arena, &o, &err) == 0) {
		check_attrs(&o.attrs);
		check_attrs(&o.rec_attrs);
		if (o.n_data > n || (o.super & o.super_clear) ||
			o.n_propagation > MOUNT_OPTION_PROPAGATIONS)
			abort();
		for (size_t i = 0; i < o.n_data; i++)
			if (o.data[i] < text || o.data[i] > text + size)
				abort();
	}
	arena_done(&arena);
	free(text);
	return 0;
}
