/* SPDX-License-Identifier: Apache-2.0 */
/* The executor's check of a plan: whatever it accepts can be walked without leaving the block. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bare/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t walk_list(const char *base, uint32_t at, uint64_t n)
{
	size_t total = 0;

	for (uint64_t i = 0; i < n; i++) {
		size_t len = strlen(base + at);

		total += len;
		at += (uint32_t)len + 1;
	}
	return total;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *block = aligned_alloc(8, (size + 8) / 8 * 8);
	volatile size_t sink = 0;

	(void)sink; /* clang calls a variable that is only added to unused */
	if (!block)
		return 0;
	memcpy(block, data, size);
	if (plan_check(block, size) > 0) {
		const struct plan_header *h = (const void *)block;
		const struct plan_step *s = (const void *)(block + h->steps);

		for (uint32_t i = 0; i < h->n_steps; i++) {
			for (int k = 0; k < 4; k++)
				if (s[i].str[k])
					sink += strlen(block + s[i].str[k]);
			for (uint32_t k = 0; k < s[i].blob_len; k++)
				sink += (unsigned char)block[s[i].blob + k];
			if (s[i].op == PLAN_HOOK || s[i].op == PLAN_LOOKUP)
				sink += walk_list(block, s[i].str[1], s[i].num[0]) +
					walk_list(block, s[i].str[2], s[i].num[1]);
		}
	}
	free(block);
	return 0;
}
