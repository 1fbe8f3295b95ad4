/* SPDX-License-Identifier: Apache-2.0 */
/* A cpu list: its shortest form stands for the same set, and none goes beyond the limit. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "oci/cpu_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *text, unsigned int limit)
{
	struct cpu_list one, two;
	struct buf out = { 0 };

	if (cpu_list_parse(text, limit, &one, NULL) < 0)
		return;
	cpu_list_write(&one, &out);
	if (cpu_list_end(&one) > limit || cpu_list_count(&one) > cpu_list_end(&one))
		abort();
	if (cpu_list_parse(out.data ? out.data : "", limit, &two, NULL) < 0 ||
		memcmp(&one, &two, sizeof(one)) != 0)
		abort();
	buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = calloc(1, size + 1);

	if (!text)
		abort();
	memcpy(text, data, size);
	check(text, CPU_LIST_CPUS);
	check(text, CPU_LIST_NODES);
	check(text, 3);
	free(text);
	return 0;
}
