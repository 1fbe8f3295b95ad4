/* SPDX-License-Identifier: Apache-2.0 */
/* The record of a sandbox: what was read can be written and reads the same. */
#include <stdlib.h>

#include "shim/sandbox_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_done(arena) struct arena arena = { 0 };
	struct sandbox_record a, b;
	struct buf one = { 0 }, two = { 0 };
	struct err err = { 0 };
	int r = sandbox_record_parse((const char *)data, size, &arena, &a, &err);

	if (r < 0 && !err.text[0])
		abort();
	if (r == 0 && (sandbox_record_write(&a, &one) < 0 ||
			      sandbox_record_parse(one.data, one.len, &arena, &b, NULL) < 0 ||
			      sandbox_record_write(&b, &two) < 0 || !str_eq(one.data, two.data)))
		abort();
	buf_done(&one);
	buf_done(&two);
	return 0;
}
