/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Names of namespaces: the spec's type, the kernel's flag, the file in /proc/PID/ns.
 *
 * Owner, Errors, Blocks, Context: as word.h.
 */
#include "oci/word.h"

enum spec_ns_type {
	SPEC_NS_ABSENT,
	SPEC_NS_CGROUP,
	SPEC_NS_IPC,
	SPEC_NS_MOUNT,
	SPEC_NS_NETWORK,
	SPEC_NS_PID,
	SPEC_NS_TIME,
	SPEC_NS_USER,
	SPEC_NS_UTS,
	SPEC_NS_MAX, /* array size */
};

extern const struct word namespace_name_words[]; /* sorted by name */

int namespace_name_parse(const char *name, enum spec_ns_type *ret);
/* "network"; NULL for SPEC_NS_ABSENT and numbers outside. */
const char *namespace_name(enum spec_ns_type type);
/* CLONE_NEW*; 0 likewise. */
int namespace_name_flag(enum spec_ns_type type);
/* "net": the file in /proc/PID/ns; NULL likewise. */
const char *namespace_name_proc(enum spec_ns_type type);
