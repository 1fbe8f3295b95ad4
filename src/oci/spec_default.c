/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The config.json that `spec` writes: a shell in "rootfs" with a terminal, three capabilities, the
 * usual mounts and masks (spec/oci-runtime.md 2.1). The rootless form maps only the caller's own id
 * to 0, shares the host's network and so cannot mount a sysfs of its own; and its devpts has no
 * gid=, for group 5 is not mapped.
 */
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "oci/spec.h"

#define LIST(...) \
	(const char *[]) \
	{ \
		__VA_ARGS__ \
	}
/* name and n_name of a list of strings */
#define STRINGS(name, ...) .name = LIST(__VA_ARGS__), .n_##name = ARRAY_LEN(LIST(__VA_ARGS__))
#define CAPS "CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"

/* rows of `mounts` that differ */
enum { MOUNT_DEVPTS = 2, MOUNT_SYS = 5 };

int spec_default(bool rootless, bool cgroup2, struct buf *out)
{
	struct spec_rlimit rlimits[] = { { .type = RLIMIT_NOFILE, .soft = 1024, .hard = 1024 } };
	struct spec_capabilities caps = {
		STRINGS(bounding, CAPS),
		STRINGS(effective, CAPS),
		STRINGS(permitted, CAPS),
	};
	struct spec_process process = {
		.terminal = true,
		STRINGS(args, "sh"),
		STRINGS(env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
			"TERM=xterm"),
		.cwd = "/",
		.capabilities = &caps,
		.rlimits = rlimits,
		.n_rlimits = ARRAY_LEN(rlimits),
		.has_no_new_privileges = true,
		.no_new_privileges = true,
	};
	struct spec_mount mounts[] = {
		{ .destination = "/proc", .type = "proc", .source = "proc" },
		{ .destination = "/dev",
			.type = "tmpfs",
			.source = "tmpfs",
			STRINGS(options, "nosuid", "strictatime", "mode=755", "size=65536k") },
		[MOUNT_DEVPTS] = { .destination = "/dev/pts",
			.type = "devpts",
			.source = "devpts",
			STRINGS(options, "nosuid", "noexec", "newinstance", "ptmxmode=0666",
				"mode=0620", "gid=5") },
		{ .destination = "/dev/shm",
			.type = "tmpfs",
			.source = "shm",
			STRINGS(options, "nosuid", "noexec", "nodev", "mode=1777", "size=65536k") },
		{ .destination = "/dev/mqueue",
			.type = "mqueue",
			.source = "mqueue",
			STRINGS(options, "nosuid", "noexec", "nodev") },
		[MOUNT_SYS] = { .destination = "/sys",
			.type = "sysfs",
			.source = "sysfs",
			STRINGS(options, "nosuid", "noexec", "nodev", "ro") },
		{ .destination = "/sys/fs/cgroup",
			.type = "cgroup",
			.source = "cgroup",
			STRINGS(options, "nosuid", "noexec", "nodev", "relatime", "ro") },
	};
	struct spec_device_rule deny_all[] = { { .allow = false, .access = "rwm" } };
	struct spec_resources resources = { .devices = deny_all, .n_devices = 1 };
	struct spec_id_mapping uid_map[] = { { 0, (uint32_t)geteuid(), 1 } };
	struct spec_id_mapping gid_map[] = { { 0, (uint32_t)getegid(), 1 } };
	struct spec_namespace namespaces[SPEC_NS_MAX] = { { .type = SPEC_NS_PID },
		{ .type = SPEC_NS_IPC }, { .type = SPEC_NS_UTS }, { .type = SPEC_NS_MOUNT } };
	struct spec_linux linux_object = {
		.namespaces = namespaces,
		.n_namespaces = 4,
		STRINGS(masked_paths, "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys",
			"/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
			"/proc/sched_debug", "/sys/firmware", "/proc/scsi", "/proc/interrupts",
			"/sys/devices/virtual/powercap"),
		STRINGS(readonly_paths, "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
			"/proc/sysrq-trigger"),
	};
	const struct spec_mount host_sys = {
		.destination = "/sys",
		.type = "none",
		.source = "/sys",
		STRINGS(options, "rbind", "nosuid", "noexec", "nodev", "ro"),
	};
	struct spec_root root = { .path = "rootfs", .readonly = true };
	struct spec s = {
		.oci_version = SPEC_VERSION,
		.root = &root,
		.process = &process,
		.hostname = "reeve",
		.mounts = mounts,
		.n_mounts = ARRAY_LEN(mounts),
		.linux_ = &linux_object,
	};

	if (rootless) {
		mounts[MOUNT_DEVPTS].n_options--; /* gid=5 */
		mounts[MOUNT_SYS] = host_sys;
		namespaces[linux_object.n_namespaces++].type = SPEC_NS_USER;
		linux_object.uid_mappings = uid_map;
		linux_object.n_uid_mappings = 1;
		linux_object.gid_mappings = gid_map;
		linux_object.n_gid_mappings = 1;
	} else {
		namespaces[linux_object.n_namespaces++].type = SPEC_NS_NETWORK;
		linux_object.resources = &resources;
	}
	if (cgroup2)
		namespaces[linux_object.n_namespaces++].type = SPEC_NS_CGROUP;
	return spec_write_pretty(&s, "\t", out);
}
