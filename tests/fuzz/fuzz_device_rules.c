/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of device rules, five bytes each: policy, program and the rows for cgroup v1 grant what the
 * rules grant.
 */
#include <stdint.h>
#include <stdlib.h>

#include "bpf_interp.h"
#include "container/device_bpf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RULES_MAX 64
#define RANGE 6u

static uint32_t number(uint8_t byte)
{
	return byte % (RANGE + 1) == RANGE ? DEVICE_ANY : byte % (RANGE + 1);
}

static bool v1_permits(const struct device_v1_plan *v1, char type, uint32_t major, uint32_t minor,
	unsigned int request)
{
	for (size_t i = 0; i < v1->n; i++) {
		const struct device_v1_row *row = &v1->rows[i];

		if (row->type != type || (row->major != DEVICE_ANY && row->major != major) ||
			(row->minor != DEVICE_ANY && row->minor != minor))
			continue;
		if (v1->allow && (request & row->access))
			return false;
		if (!v1->allow && !(request & ~row->access))
			return true;
	}
	return v1->allow;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct device_rule rules[RULES_MAX];
	struct device_v1_plan v1 = { 0 };
	struct bpf_insn *insns = NULL;
	struct device_policy p;
	size_t n = 0, n_insns;
	int has_v1;

	for (; n < RULES_MAX && size >= 5; data += 5, size -= 5)
		rules[n++] = (struct device_rule){ data[0] & 1, "abc"[data[1] % 3], number(data[2]),
			number(data[3]), data[4] & DEVICE_ALL };
	if (device_policy_build(rules, n, &p, NULL) < 0 ||
		device_bpf_compile(&p, &insns, &n_insns) < 0)
		abort();
	has_v1 = device_v1_plan(&p, &v1, NULL) == 0;
	for (uint32_t i = 0; i < 2 * (RANGE + 2) * (RANGE + 2); i++) {
		char type = i & 1 ? 'b' : 'c';
		uint32_t major = i / 2 % (RANGE + 2), minor = i / 2 / (RANGE + 2);
		unsigned int granted = device_rules_granted(rules, n, type, major, minor);

		if (device_policy_granted(&p, type, major, minor) != granted)
			abort();
		for (unsigned int q = 1; q <= DEVICE_ALL; q++) {
			bool yes = !(q & ~granted);

			if (bpf_interp_ask(insns, n_insns, type, major, minor, q) != yes)
				abort();
			if (has_v1 && v1_permits(&v1, type, major, minor, q) != yes)
				abort();
		}
	}
	device_v1_plan_done(&v1);
	device_policy_done(&p);
	free(insns);
	return 0;
}
