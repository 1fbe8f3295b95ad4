/* SPDX-License-Identifier: Apache-2.0 */
/* A task's record: what is taken holds together, is written the same again, and can go on living. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "task/task.h"

#define EXECS 8
#define OPS 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct task_exec execs[EXECS];
static struct task_op ops[OPS];
static struct effect list[128];

static void same_again(const struct task *t)
{
	static uint8_t one[16384], two[16384];
	static struct task_exec execs2[EXECS];
	static struct task_op ops2[OPS];
	struct task copy = { .execs = execs2, .cap_execs = EXECS, .ops = ops2, .cap_ops = OPS };
	size_t n = task_encode(t, one, sizeof(one));

	if (n > sizeof(one) || task_decode(one, n, &copy, NULL) < 0 ||
		task_encode(&copy, two, sizeof(two)) != n || memcmp(one, two, n) != 0)
		abort();
}

/* Every outcome and exit that is due, in turn; task_step() asserts what must hold. */
static void live_on(struct task *t)
{
	struct effects fx = { .v = list, .cap = sizeof(list) / sizeof(list[0]) };
	struct task_input in = { .type = IN_RELOAD };

	task_step(t, &in, &fx);
	for (int n = 0; n < 100 && t->issued > 0; n++) {
		for (uint32_t i = 0; i < t->n_ops; i++)
			if (t->ops[i].issued)
				in = (struct task_input){ .type = n % 3 ? IN_DONE : IN_FAILED,
					.op = t->ops[i].id,
					.pid = 7,
					.error = -EIO,
					.text = "x" };
		task_step(t, &in, &fx);
	}
	in = (struct task_input){ .type = IN_EXIT, .token = t->init.token };
	task_step(t, &in, &fx);
	in = (struct task_input){ .type = IN_HANGUP, .addr = { .conn = 1 } };
	task_step(t, &in, &fx);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct task t = { .execs = execs, .cap_execs = EXECS, .ops = ops, .cap_ops = OPS };
	struct err err = { 0 };
	uint32_t n_execs, n_ops;

	if (task_decode_room(data, size, &n_execs, &n_ops, &err) < 0 || n_execs > EXECS ||
		n_ops > OPS)
		return 0;
	if (task_decode(data, size, &t, &err) < 0) {
		if (!err.text[0])
			abort();
		return 0;
	}
	same_again(&t);
	live_on(&t);
	same_again(&t);
	return 0;
}
