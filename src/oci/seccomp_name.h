/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Words of linux.seccomp: actions, operators, architectures, filter flags.
 *
 * Owner, Errors, Blocks, Context: as word.h.
 */
#include "oci/word.h"

enum spec_seccomp_action {
	SPEC_ACT_ABSENT,
	SPEC_ACT_KILL, /* the thread, as SPEC_ACT_KILL_THREAD */
	SPEC_ACT_KILL_PROCESS,
	SPEC_ACT_KILL_THREAD,
	SPEC_ACT_TRAP,
	SPEC_ACT_ERRNO,
	SPEC_ACT_TRACE,
	SPEC_ACT_ALLOW,
	SPEC_ACT_LOG,
	SPEC_ACT_NOTIFY,
};

enum spec_seccomp_op {
	SPEC_CMP_ABSENT,
	SPEC_CMP_NE,
	SPEC_CMP_LT,
	SPEC_CMP_LE,
	SPEC_CMP_EQ,
	SPEC_CMP_GE,
	SPEC_CMP_GT,
	SPEC_CMP_MASKED_EQ, /* (arg & value) == value_two */
};

extern const struct word seccomp_name_actions[];
extern const struct word seccomp_name_ops[];
/* The value counts from 1 and says nothing: libseccomp knows these by the name behind SCMP_ARCH_.
 */
extern const struct word seccomp_name_archs[];
/* The value is the kernel's SECCOMP_FILTER_FLAG_*. */
extern const struct word seccomp_name_flags[];
