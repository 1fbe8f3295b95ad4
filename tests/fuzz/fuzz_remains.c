/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The note of a task's init, which says whom to kill: what is taken for one is what is written of it, to the last byte, so that
 * a part of one is none.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "manager/remains.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char boot[] = "b4d0a1f2-0000-4000-8000-123456789abc\n";
	auto_free char *text = strndup((const char *)data, size);
	char written[128];
	uint64_t start = 0;
	pid_t pid = 0;
	int r;

	if (!text)
		abort();
	r = remains_parse_init(text, boot, &pid, &start);
	if (r < 0)
		return 0;
	snprintf(written, sizeof(written), "%d %" PRIu64 " %s", pid, start, boot);
	if (pid <= 0 || !str_eq(text, written))
		abort();
	return 0;
}
