/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Features: the document that `features` prints, so that engines know what they may ask for.
 *
 * Sources: runtime-spec features.md and features-linux.md, spec/oci-runtime.md 1.4.
 *
 * Owner    Borrows all strings; appends to the caller's buf.
 * Errors   -ENOMEM.
 * Blocks   Never.
 * Context  Parent (allocates).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* What this build and this machine can do. What the model knows anyway (mount options, namespaces,
 * capabilities, words of seccomp) is not asked. */
struct features {
	const char *version; /* ours */
	const char *commit;  /* NULL or "": left out */
	const char *
		alias; /* annotation with the version of the runtime that we stand in for; NULL: none */
	const char *alias_version;

	bool cgroup_v1;
	bool cgroup_v2;
	bool cgroup_systemd;
	bool cgroup_systemd_user;
	bool cgroup_rdma;

	bool seccomp;
	const char *seccomp_version; /* of libseccomp: "2.5.4" */
	const char *const *archs;    /* "SCMP_ARCH_X86_64"...: those that libseccomp has */
	size_t n_archs;
	uint64_t seccomp_flags; /* SECCOMP_FILTER_FLAG_* that libseccomp and kernel take */

	bool apparmor;
	bool selinux;
	bool idmap;
	bool net_devices;
	bool memory_policy;
	bool intel_rdt;
	bool intel_rdt_schemata;
	bool intel_rdt_monitoring;
	bool checkpoint;

	/* prefixes or names of annotations that change what the runtime does */
	const char *const *unsafe_annotations;
	size_t n_unsafe_annotations;
};

/* Append the document, two blanks per level, with a line end. */
int features_write(const struct features *f, struct buf *out);
