/* SPDX-License-Identifier: Apache-2.0 */
/* Words of linux.seccomp, exactly as the runtime-spec writes them. */
#include "oci/seccomp_name.h"

#include <linux/seccomp.h>

/* Linux 5.19; older headers do not have it. */
#define WAIT_KILLABLE_RECV (1 << 5)

// clang-format off
const struct word seccomp_name_actions[] = {
	{ "SCMP_ACT_ALLOW",        SPEC_ACT_ALLOW },
	{ "SCMP_ACT_ERRNO",        SPEC_ACT_ERRNO },
	{ "SCMP_ACT_KILL",         SPEC_ACT_KILL },
	{ "SCMP_ACT_KILL_PROCESS", SPEC_ACT_KILL_PROCESS },
	{ "SCMP_ACT_KILL_THREAD",  SPEC_ACT_KILL_THREAD },
	{ "SCMP_ACT_LOG",          SPEC_ACT_LOG },
	{ "SCMP_ACT_NOTIFY",       SPEC_ACT_NOTIFY },
	{ "SCMP_ACT_TRACE",        SPEC_ACT_TRACE },
	{ "SCMP_ACT_TRAP",         SPEC_ACT_TRAP },
	{ NULL, 0 },
};

const struct word seccomp_name_ops[] = {
	{ "SCMP_CMP_EQ",        SPEC_CMP_EQ },
	{ "SCMP_CMP_GE",        SPEC_CMP_GE },
	{ "SCMP_CMP_GT",        SPEC_CMP_GT },
	{ "SCMP_CMP_LE",        SPEC_CMP_LE },
	{ "SCMP_CMP_LT",        SPEC_CMP_LT },
	{ "SCMP_CMP_MASKED_EQ", SPEC_CMP_MASKED_EQ },
	{ "SCMP_CMP_NE",        SPEC_CMP_NE },
	{ NULL, 0 },
};

const struct word seccomp_name_archs[] = {
	{ "SCMP_ARCH_AARCH64",     1 },
	{ "SCMP_ARCH_ARM",         2 },
	{ "SCMP_ARCH_LOONGARCH64", 3 },
	{ "SCMP_ARCH_M68K",        4 },
	{ "SCMP_ARCH_MIPS",        5 },
	{ "SCMP_ARCH_MIPS64",      6 },
	{ "SCMP_ARCH_MIPS64N32",   7 },
	{ "SCMP_ARCH_MIPSEL",      8 },
	{ "SCMP_ARCH_MIPSEL64",    9 },
	{ "SCMP_ARCH_MIPSEL64N32", 10 },
	{ "SCMP_ARCH_PARISC",      11 },
	{ "SCMP_ARCH_PARISC64",    12 },
	{ "SCMP_ARCH_PPC",         13 },
	{ "SCMP_ARCH_PPC64",       14 },
	{ "SCMP_ARCH_PPC64LE",     15 },
	{ "SCMP_ARCH_RISCV64",     16 },
	{ "SCMP_ARCH_S390",        17 },
	{ "SCMP_ARCH_S390X",       18 },
	{ "SCMP_ARCH_SH",          19 },
	{ "SCMP_ARCH_SHEB",        20 },
	{ "SCMP_ARCH_X32",         21 },
	{ "SCMP_ARCH_X86",         22 },
	{ "SCMP_ARCH_X86_64",      23 },
	{ NULL, 0 },
};

const struct word seccomp_name_flags[] = {
	{ "SECCOMP_FILTER_FLAG_LOG",                SECCOMP_FILTER_FLAG_LOG },
	{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW",         SECCOMP_FILTER_FLAG_SPEC_ALLOW },
	{ "SECCOMP_FILTER_FLAG_TSYNC",              SECCOMP_FILTER_FLAG_TSYNC },
	{ "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", WAIT_KILLABLE_RECV },
	{ NULL, 0 },
};
// clang-format on
