/* SPDX-License-Identifier: Apache-2.0 */
/* The record of events that wait, which a worker leaves to the next: what was read can be written and reads the same. */
#include <stdlib.h>
#include <string.h>

#include "api/event_queue.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* 0: read, and written to `out`. */
static int again(const void *data, size_t size, struct buf *out)
{
	struct event_queue q;
	struct err err = { 0 };
	uint64_t sequence = 0;
	uint32_t stream = 0;
	int r;

	event_queue_init(&q);
	r = event_queue_load(&q, data, size, &sequence, &stream, &err);
	if ((r < 0 && !err.text[0]) || (r == 0 && event_queue_save(&q, sequence, stream, out) < 0))
		abort();
	event_queue_done(&q);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_done(buf) struct buf one = { 0 };
	auto_done(buf) struct buf two = { 0 };

	if (again(data, size, &one) < 0)
		return 0;
	if (again(one.data, one.len, &two) < 0 || one.len != two.len ||
		memcmp(one.data, two.data, one.len) != 0)
		abort();
	return 0;
}
