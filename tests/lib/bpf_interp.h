/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Programs for the device controller run in user space.
 *
 * Errors   Negative where the kernel's verifier would refuse: a jump out of the program or backwards,
 *          an unknown instruction, no end.
 */
#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Only what the compiler uses; anything else, a jump out of the program or no end is an error. */
static inline int bpf_interp_run(const struct bpf_insn *insns, size_t n, const uint32_t ctx[3])
{
	uint64_t reg[16] = { 0 };
	size_t pc = 0;

	for (size_t steps = 0; steps <= n; steps++) {
		struct bpf_insn i;
		uint32_t d;
		bool jump = false;

		if (pc >= n)
			return -1;
		i = insns[pc++];
		d = (uint32_t)reg[i.dst_reg];
		switch (i.code) {
		case BPF_LDX | BPF_MEM | BPF_W:
			if (i.src_reg != 1 || i.off < 0 || i.off > 8 || i.off % 4)
				return -2;
			reg[i.dst_reg] = ctx[i.off / 4];
			break;
		case BPF_ALU | BPF_MOV | BPF_X:
			reg[i.dst_reg] = (uint32_t)reg[i.src_reg];
			break;
		case BPF_ALU | BPF_RSH | BPF_K:
			reg[i.dst_reg] = d >> i.imm;
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			reg[i.dst_reg] = d & (uint32_t)i.imm;
			break;
		case BPF_ALU64 | BPF_MOV | BPF_K:
			reg[i.dst_reg] = (uint64_t)(int64_t)i.imm;
			break;
		case BPF_JMP | BPF_JA:
			jump = true;
			break;
		case BPF_JMP32 | BPF_JEQ | BPF_K:
			jump = d == (uint32_t)i.imm;
			break;
		case BPF_JMP32 | BPF_JNE | BPF_K:
			jump = d != (uint32_t)i.imm;
			break;
		case BPF_JMP32 | BPF_JSET | BPF_K:
			jump = (d & (uint32_t)i.imm) != 0;
			break;
		case BPF_JMP | BPF_EXIT:
			return (int)reg[0];
		default:
			return -3;
		}
		if (jump && i.off < 0)
			return -4;
		if (jump)
			pc += (size_t)i.off;
	}
	return -5;
}

static inline int bpf_interp_ask(const struct bpf_insn *insns, size_t n, char type, uint32_t major,
	uint32_t minor, unsigned int access)
{
	uint32_t kind = type == 'c' ? BPF_DEVCG_DEV_CHAR : BPF_DEVCG_DEV_BLOCK;
	const uint32_t ctx[3] = { access << 16 | kind, major, minor };

	return bpf_interp_run(insns, n, ctx);
}
