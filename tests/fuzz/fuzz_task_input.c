/* SPDX-License-Identifier: Apache-2.0 */
/* A logged input: what is taken is written the same again, and a task in any early state survives it. */
#include <stdlib.h>
#include <string.h>

#include "task/task.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void feed(const struct task_input *in)
{
	static struct task_exec execs[2];
	static struct task_op ops[8];
	static struct effect list[64];
	struct effects fx = { .v = list, .cap = 64 };
	struct task t;
	struct task_input first = { .type = IN_CREATE },
			  done = { .type = IN_DONE, .op = 1, .pid = 7 };

	task_init(&t, "c");
	t.execs = execs;
	t.cap_execs = 2;
	t.ops = ops;
	t.cap_ops = 8;
	task_step(&t, in, &fx);
	task_step(&t, &first, &fx);
	task_step(&t, in, &fx);
	task_step(&t, &done, &fx);
	task_step(&t, in, &fx);
	task_step(&t, in, &fx);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct task_input a, b;
	struct err err = { 0 };
	uint8_t *one, *two;
	size_t n;

	if (input_decode(data, size, &a, &err) < 0) {
		if (!err.text[0])
			abort();
		return 0;
	}
	n = input_encode(&a, NULL, 0);
	one = malloc(n);
	two = malloc(n);
	if (!one || !two || input_encode(&a, one, n) != n || input_decode(one, n, &b, NULL) < 0 ||
		input_encode(&b, two, n) != n || memcmp(one, two, n) != 0)
		abort();
	feed(&a);
	free(one);
	free(two);
	return 0;
}
