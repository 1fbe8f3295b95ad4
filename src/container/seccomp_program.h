/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A seccomp profile as a classic BPF program.
 *
 * What a profile means: a call (by its number on the architecture) has the rules that name it, less
 * those with the action of the default, which say nothing. One without conditions decides alone, the
 * first if there are several; else the first whose conditions hold; else the default. Conditions on
 * different arguments must hold together; where one argument has several they are alternatives.
 * Calls beyond the last that the profile names return ENOSYS where the default would refuse them.
 * Architectures that are not listed are killed; the machine's own is always listed.
 *
 * Owner    The program is the caller's, ended with free(insns).
 * Errors   0 or negative errno with *err filled.
 * Blocks   Never.
 * Context  Parent. Pure but for the names, numbers and tokens, which are libseccomp's.
 */
#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "oci/spec.h"

struct seccomp_program {
	struct sock_filter *insns;
	size_t n;
	size_t cap;
};

/* What the filter returns (SECCOMP_RET_*) for an action with its errno. */
uint32_t seccomp_return(enum spec_seccomp_action action, uint32_t errno_ret);

/* Whether there is such a call, on whatever architecture. */
bool seccomp_is_call(const char *name);

/* The number of a call newer than libseccomp, equal on all architectures but for an offset; -1. */
int seccomp_newer_call(const char *name);

/*
 * `profile` must be sound (seccomp_compile() checks it). -EINVAL: two rules with the same conditions
 * and different actions; -E2BIG: longer than the kernel takes.
 */
int seccomp_program_build(
	const struct spec_seccomp *profile, struct seccomp_program *ret, struct err *err);
