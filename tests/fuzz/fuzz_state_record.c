/* SPDX-License-Identifier: Apache-2.0 */
/* The record of a container: the bytes as they are, and as a JSON line with its right CRC. */
#include <stdio.h>
#include <stdlib.h>

#include "base/crc32.h"
#include "container/state_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read can be written, and what was written reads the same. */
static void round_trip(const char *data, size_t size)
{
	struct state_record a = { 0 }, b = { 0 };
	struct buf one = { 0 }, two = { 0 };
	struct err err;

	if (state_record_parse(data, size, &a, &err) == 0) {
		if (state_record_write(&a, &one) < 0 || one.len > STATE_RECORD_MAX ||
			state_record_parse(one.data, one.len, &b, &err) < 0 ||
			state_record_write(&b, &two) < 0 || !str_eq(one.data, two.data))
			abort();
	}
	buf_done(&one);
	buf_done(&two);
	state_record_done(&a);
	state_record_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf framed = { 0 };

	round_trip((const char *)data, size);
	buf_add(&framed, data, size);
	buf_addf(&framed, "\ncrc32 %08x\n", crc32_add(0, data, size));
	if (buf_ok(&framed) == 0 && size < STATE_RECORD_MAX / 8)
		round_trip(framed.data, framed.len);
	buf_done(&framed);
	return 0;
}
