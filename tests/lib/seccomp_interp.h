/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A seccomp filter run in user space, and a profile evaluated rule by rule: what a compiled filter
 * must agree with.
 *
 * Errors   The interpreter returns -1 for what the kernel would refuse: a jump out of the program, an
 *          odd load, an unknown instruction, no end.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "container/seccomp_program.h"
#include "oci/spec.h"

static inline int64_t interp_load(const struct seccomp_data *data, uint32_t offset)
{
	uint32_t v;

	if (offset % 4 || offset > sizeof(*data) - 4)
		return -1;
	memcpy(&v, (const char *)data + offset, sizeof(v));
	return v;
}

static inline bool interp_compare(uint16_t code, uint32_t a, uint32_t k, bool *ret)
{
	switch (BPF_OP(code)) {
	case BPF_JEQ:
		*ret = a == k;
		return true;
	case BPF_JGT:
		*ret = a > k;
		return true;
	case BPF_JGE:
		*ret = a >= k;
		return true;
	case BPF_JSET:
		*ret = (a & k) != 0;
		return true;
	}
	return false;
}

/* SECCOMP_RET_*, or -1. */
static inline int64_t interp_run(
	const struct sock_filter *f, size_t n, const struct seccomp_data *data)
{
	uint32_t a = 0;

	for (size_t pc = 0; pc < n; pc++) {
		const struct sock_filter *i = &f[pc];
		int64_t v;
		bool yes;

		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			v = interp_load(data, i->k);
			if (v < 0)
				return -1;
			a = (uint32_t)v;
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= i->k;
			break;
		case BPF_RET | BPF_K:
			return i->k;
		case BPF_JMP | BPF_JA:
			if (i->k >= n)
				return -1;
			pc += i->k;
			break;
		default:
			if (BPF_CLASS(i->code) != BPF_JMP || BPF_SRC(i->code) != BPF_K ||
				!interp_compare(i->code, a, i->k, &yes))
				return -1;
			pc += yes ? i->jt : i->jf;
		}
	}
	return -1;
}

/* ---- the profile, rule by rule ---- */

static inline bool ref_arg(const struct spec_seccomp_arg *c, const uint64_t args[6], bool wide)
{
	uint64_t a = args[c->index], v = c->value, v2 = c->value_two;

	if (!wide) {
		a = (uint32_t)a;
		v = (uint32_t)v;
		v2 = (uint32_t)v2;
	}
	switch (c->op) {
	case SPEC_CMP_NE:
		return a != v;
	case SPEC_CMP_LT:
		return a < v;
	case SPEC_CMP_LE:
		return a <= v;
	case SPEC_CMP_EQ:
		return a == v;
	case SPEC_CMP_GE:
		return a >= v;
	case SPEC_CMP_GT:
		return a > v;
	case SPEC_CMP_MASKED_EQ:
		return (a & v) == (v2 & v); /* seccomp_rule_add(3): both are masked */
	case SPEC_CMP_ABSENT:
		break;
	}
	return false;
}

static inline bool ref_matches(
	const struct spec_seccomp_syscall *call, const uint64_t args[6], bool wide)
{
	unsigned int seen = 0;
	bool any = call->n_args == 0, all = true, repeats = false;

	for (size_t i = 0; i < call->n_args; i++) {
		bool yes = ref_arg(&call->args[i], args, wide);

		repeats |= seen >> call->args[i].index & 1;
		seen |= 1u << call->args[i].index;
		any |= yes;
		all &= yes;
	}
	return repeats ? any : all;
}

static inline uint32_t ref_action(enum spec_seccomp_action a, bool has, uint32_t errno_ret)
{
	return seccomp_return(a, has ? errno_ret : EPERM);
}

/* Number of a call on an architecture (libseccomp's token), -1 when it has none. */
static inline int64_t ref_number(uint32_t arch, const char *name)
{
	int n = seccomp_syscall_resolve_name_arch(arch, name);

	if (n != __NR_SCMP_ERROR)
		return n < 0 ? -1 : n;
	n = seccomp_newer_call(name);
	return n < 0 ? -1 : (int64_t)n + (arch == SCMP_ARCH_X32 ? 0x40000000 : 0);
}

/* What the profile says of a call on one of its architectures (seccomp_program.h). */
static inline uint32_t ref_evaluate(
	const struct spec_seccomp *s, uint32_t arch, uint32_t nr, const uint64_t args[6])
{
	uint32_t dflt =
		ref_action(s->default_action, s->has_default_errno_ret, s->default_errno_ret);
	bool wide = arch != SCMP_ARCH_X32 && arch != SCMP_ARCH_X86;
	bool refuses = dflt != (SECCOMP_RET_ERRNO | ENOSYS) && dflt != SECCOMP_RET_ALLOW &&
		       dflt != SECCOMP_RET_LOG &&
		       (dflt & SECCOMP_RET_ACTION_FULL) != SECCOMP_RET_TRACE;
	const struct spec_seccomp_syscall *found = NULL;
	int64_t last = -1;

	for (size_t i = 0; i < s->n_syscalls; i++) {
		const struct spec_seccomp_syscall *call = &s->syscalls[i];

		for (size_t k = 0; k < call->n_names; k++) {
			int64_t n = ref_number(arch, call->names[k]);

			if (n > last)
				last = n;
			if (n != (int64_t)nr || !ref_matches(call, args, wide) ||
				ref_action(call->action, call->has_errno_ret, call->errno_ret) ==
					dflt)
				continue;
			if (!found || (found->n_args > 0 && call->n_args == 0))
				found = call;
		}
	}
	if (found)
		return ref_action(found->action, found->has_errno_ret, found->errno_ret);
	return refuses && last >= 0 && (int64_t)nr > last ? SECCOMP_RET_ERRNO | ENOSYS : dflt;
}
