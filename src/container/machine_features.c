/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What engines may ask this build for, on this machine. Engines cache the answer by the time stamp of the program, so
 * what depends on the machine is kept to what does not change while it runs.
 */
#include "container/machine_features.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "config.h"

#include "base/mem.h"
#include "container/annotation.h"
#include "oci/features.h"
#include "oci/seccomp_name.h"

/* Asking for a filter without giving one: EFAULT says that the flag was understood. */
static bool has_seccomp_flag(uint64_t flag)
{
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flag, NULL) < 0 && errno == EFAULT;
}

static uint64_t seccomp_flags(void)
{
	uint64_t flags = 0;

	for (const struct word *w = seccomp_name_flags; w->name; w++) {
		uint64_t asked = (uint64_t)w->value;

#ifdef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
		/* Means something only together with a listener. */
		if (asked == SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)
			asked |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
#endif
		if (has_seccomp_flag(asked))
			flags |= (uint64_t)w->value;
	}
	return flags;
}

/* libseccomp knows architectures by lower-case names. */
static bool has_arch(const char *name)
{
	char lower[32];
	size_t n = 0;

	if (!str_starts(name, "SCMP_ARCH_"))
		return false;
	for (const char *p = name + strlen("SCMP_ARCH_"); *p && n < sizeof(lower) - 1; p++)
		lower[n++] = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
	lower[n] = '\0';
	return seccomp_arch_resolve_name(lower) != 0;
}

static size_t list_archs(const char **archs, size_t max)
{
	size_t n = 0;

	for (const struct word *w = seccomp_name_archs; w->name && n < max; w++)
		if (has_arch(w->name))
			archs[n++] = w->name;
	return n;
}

int machine_features_write(const char *alias, const char *alias_version, struct buf *out)
{
	/*
	 * They tell of which sandbox a container is, whose OOM score follows from it; whose groups it has; which cgroup it runs in; how its file
	 * systems are labelled; who gets a pidfd of it; what its filter may name; and what its systemd unit is like.
	 */
	static const char *const unsafe[] = { "io.kubernetes.cri.container-type",
		"io.kubernetes.cri.sandbox-id", "io.kubernetes.cri-o.ContainerType",
		"io.kubernetes.cri-o.SandboxID", ANNOTATION_KEEP_GROUPS, ANNOTATION_DELEGATE,
		ANNOTATION_MOUNT_CONTEXT, ANNOTATION_PIDFD_RECEIVER, ANNOTATION_UNKNOWN_CALL,
		"org.systemd.property.", "run.oci.systemd.subgroup" };
	const struct scmp_version *v = seccomp_version();
	const char *archs[64];
	char version[32] = "";
	struct features f = {
		.version = REEVE_VERSION,
		.commit = REEVE_COMMIT,
		.alias = alias,
		.alias_version = alias_version,
		.cgroup_v1 = true,
		.cgroup_v2 = true,
		.seccomp = true,
		.seccomp_version = version,
		.archs = archs,
		.n_archs = list_archs(archs, ARRAY_LEN(archs)),
		.seccomp_flags = seccomp_flags(),
		.cgroup_systemd = true,
		.cgroup_systemd_user = true,
		.cgroup_rdma = true,
		.apparmor = true,
		.selinux = true,
		.idmap = true,
		.net_devices = true,
		.memory_policy = true,
		.checkpoint = true,
		.unsafe_annotations = unsafe,
		.n_unsafe_annotations = ARRAY_LEN(unsafe),
	};

	if (v)
		snprintf(version, sizeof(version), "%u.%u.%u", v->major, v->minor, v->micro);
	return features_write(&f, out);
}
