/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine: what programs of ours look for at run time, asked the way they ask it, and what they
 * do without it (docs/kernels.md).
 *
 * What surprises: no version number decides. Old kernels have newer things by their makers, and a
 * seccomp filter around us takes some away.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/kernel.h"
#include "base/str.h"
#include "cli/doctor.h"
#include "container/cgroup_dir.h"
#include "container/cgroup_host.h"
#include "container/self_status.h"
#include "container/spawn.h"

#ifndef __NR_open_tree_attr
#define __NR_open_tree_attr 467
#endif

#define KERNEL "kernel"
#define CGROUPS "cgroups"
#define CAPABILITIES "capabilities"
#define FILE_MAX_BYTES 65536

/* ---- kernel ---- */

/* With arguments that no kernel takes: who does not know the call says so. */
static bool knows_call(long number)
{
	return syscall(number, -1, NULL, ~0ul, NULL, 0ul) >= 0 || errno != ENOSYS;
}

static bool has_openat2(void)
{
	return knows_call(SYS_openat2);
}

static bool has_mount_setattr(void)
{
	return knows_call(SYS_mount_setattr);
}

static bool has_open_tree_attr(void)
{
	return knows_call(__NR_open_tree_attr);
}

static bool has_epoll_pwait2(void)
{
	return knows_call(SYS_epoll_pwait2);
}

static bool has_pidfs(void)
{
	auto_close int fd = kernel_pidfd_open(getpid(), 0);
	struct statfs fs;

	return fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type == PID_FS_MAGIC;
}

/* A process that has been reaped, by the pidfd that we held: ourselves, telling the version to nobody. */
static bool has_exit_info(void)
{
	auto_close int null = fd_open("/dev/null", O_RDWR, 0);
	auto_close int pidfd = -EBADF;
	char name[] = "reeve", word[] = "--version";
	char *argv[] = { name, word, NULL };
	struct kernel_pidfd_info info;
	siginfo_t end;
	pid_t pid;

	if (null < 0 || spawn_process(&(struct spawn){ .program = -EBADF,
					      .path = "/proc/self/exe",
					      .argv = argv,
					      .envp = environ,
					      .stdio = { null, null, null } },
				&pid, &pidfd, NULL) < 0)
		return false;
	(void)waitid(P_PID, (id_t)pid, &end, WEXITED);
	return kernel_pidfd_info(pidfd, KERNEL_PIDFD_INFO_EXIT, &info) == 0 &&
	       info.mask & KERNEL_PIDFD_INFO_EXIT;
}

static bool has_memfd_exec(void)
{
	auto_close int fd = memfd_create("doctor", MFD_CLOEXEC | MFD_EXEC);

	return fd >= 0;
}

static bool has_file_system(const char *name)
{
	auto_free char *text = NULL;
	char line[32];

	snprintf(line, sizeof(line), "\t%s\n", name);
	return fd_read_file_at(AT_FDCWD, "/proc/filesystems", FILE_MAX_BYTES, &text, NULL) == 0 &&
	       strstr(text, line);
}

static bool has_overlay(void)
{
	return has_file_system("overlay");
}

static bool has_btf(void)
{
	return access("/sys/kernel/btf/vmlinux", R_OK) == 0;
}

static bool has_user_namespaces(void)
{
	return access("/proc/self/ns/user", F_OK) == 0;
}

static bool has_seccomp(void)
{
	return access("/proc/sys/kernel/seccomp/actions_avail", F_OK) == 0;
}

// clang-format off
static const struct {
	bool (*has)(void);
	enum doctor_kind without;
	const char *name, *cost;
} features[] = {
	{ has_openat2, DOCTOR_MISSING, "openat2(2) (Linux 5.6)",
		"paths are walked name by name; perhaps a seccomp filter around us hides it" },
	{ has_epoll_pwait2, DOCTOR_MISSING, "epoll_pwait2(2) (Linux 5.11)", "waits are rounded to milliseconds" },
	{ has_mount_setattr, DOCTOR_WRONG, "mount_setattr(2) (Linux 5.12)",
		"containers cannot be made: Linux 5.14 is the oldest that is supported" },
	{ has_memfd_exec, DOCTOR_MISSING, "MFD_EXEC (Linux 6.3)", "memfds of programs are made without it" },
	{ has_pidfs, DOCTOR_MISSING, "pidfs (Linux 6.9)",
		"whom a saved pid meant is told by its start time, which is read anew each time" },
	{ has_exit_info, DOCTOR_MISSING, "exit status by pidfd (Linux 6.15)",
		"of a process that ends while its guardian is killed, the status is told only by the exit recorder;\n"
		"without that as 255 or 137" },
	{ has_open_tree_attr, DOCTOR_MISSING, "open_tree_attr(2) (Linux 6.15)",
		"attributes of a bind mount are set by a second call, before it is attached" },
	{ has_btf, DOCTOR_MISSING, "type information of the kernel (CONFIG_DEBUG_INFO_BTF)",
		"the exit recorder cannot be loaded" },
	{ has_overlay, DOCTOR_MISSING, "overlayfs",
		"snapshots of images are copies (native), unless the module can be loaded when it is needed" },
	{ has_seccomp, DOCTOR_WRONG, "seccomp filters", "containers that ask for one, which is most, are refused" },
	{ has_user_namespaces, DOCTOR_MISSING, "user namespaces", "containers that ask for one are refused" },
};
// clang-format on

static void look_at_kernel(struct doctor *d)
{
	struct utsname u;

	if (uname(&u) == 0)
		doctor_add(d, DOCTOR_OK, KERNEL, NULL, "%s %s %s", u.sysname, u.release, u.machine);
	for (size_t i = 0; i < ARRAY_LEN(features); i++) {
		if (features[i].has())
			doctor_add(d, DOCTOR_OK, KERNEL, NULL, "%s", features[i].name);
		else
			doctor_add(d, features[i].without, KERNEL, features[i].cost, "%s",
				features[i].name);
	}
}

/* ---- cgroups ---- */

// clang-format off
static const struct {
	enum cgroup_controller id;
	const char *cost;
} controllers[] = {
	{ CGROUP_CPU,     "shares, quotas and periods are refused" },
	{ CGROUP_CPUSET,  "sets of CPUs and memory nodes are refused" },
	{ CGROUP_BLKIO,     "weights and limits of block devices are refused" },
	{ CGROUP_MEMORY,  "limits of memory are refused, and OOM kills are not told" },
	{ CGROUP_PIDS,    "limits of processes are refused" },
};
// clang-format on

static uint32_t controllers_of(const struct cgroup_host *host)
{
	uint32_t all = 0;

	for (size_t i = 0; i < host->n; i++) {
		auto_free char *path = NULL, *list = NULL;

		all |= host->h[i].controllers;
		if (!host->h[i].v2 ||
			asprintf(&path, "%s/cgroup.controllers", host->h[i].mount) < 0)
			continue;
		if (fd_read_file_at(AT_FDCWD, path, FILE_MAX_BYTES, &list, NULL) == 0)
			all |= cgroup_controllers_parse(list, " \n", true);
	}
	return all;
}

/* In the directory of this process, for the root of a hierarchy has no such file. */
static void look_at_kill(struct doctor *d, const struct cgroup_host *host, const char *self)
{
	auto_done(arena) struct arena arena = { 0 };
	const char *path;

	for (size_t i = 0; i < host->n; i++) {
		char file[4096];

		if (!host->h[i].v2 || cgroup_self_path(self, "", &arena, &path) < 0 ||
			str_eq(path, "/"))
			continue;
		snprintf(file, sizeof(file), "%s%s/cgroup.kill", host->h[i].mount, path);
		if (access(file, F_OK) == 0)
			doctor_add(d, DOCTOR_OK, CGROUPS, NULL, "cgroup.kill");
	}
}

static void look_at_cgroups(struct doctor *d)
{
	auto_done(cgroup_host) struct cgroup_host host = { 0 };
	auto_free char *self = NULL;
	struct err err = { 0 };
	uint32_t have;

	if (cgroup_host_read("", &host, &err) < 0) {
		doctor_add(d, DOCTOR_WRONG, CGROUPS, "containers cannot be made", "%s", err.text);
		return;
	}
	if (host.mode == CGROUP_MODE_NONE)
		doctor_add(d, DOCTOR_WRONG, CGROUPS,
			"containers run without limits, and only those that ask for none",
			"none are mounted");
	else
		doctor_add(d, DOCTOR_OK, CGROUPS, NULL, "layout: %s", cgroup_mode_name(host.mode));
	if (host.mode == CGROUP_MODE_V1)
		doctor_add(d, DOCTOR_MISSING, CGROUPS,
			"what is left of a container is found by its v1 hierarchies, and killed "
			"one by one",
			"a v2 hierarchy");
	have = controllers_of(&host);
	for (size_t i = 0; i < ARRAY_LEN(controllers); i++) {
		const char *name =
			cgroup_controller_name(controllers[i].id, host.mode == CGROUP_MODE_V2);

		if (have & CGROUP_BIT(controllers[i].id))
			doctor_add(d, DOCTOR_OK, CGROUPS, NULL, "controller %s", name);
		else
			doctor_add(d, DOCTOR_MISSING, CGROUPS, controllers[i].cost, "controller %s",
				name);
	}
	if (cgroup_host_self("", &self, &err) == 0)
		look_at_kill(d, &host, self);
}

/* ---- capabilities ---- */

#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#endif
#ifndef CAP_BPF
#define CAP_BPF 39
#endif

// clang-format off
static const struct {
	unsigned int number;
	const char *name, *cost;
} capabilities[] = {
	{ CAP_SYS_ADMIN,    "CAP_SYS_ADMIN", "containers need a user namespace of their own (rootless)" },
	{ CAP_SYS_RESOURCE, "CAP_SYS_RESOURCE", "limits cannot be raised above our own, nor an oom_score_adj lowered:\nthe guardian is no safer from the OOM killer than others" },
	{ CAP_MKNOD,        "CAP_MKNOD", "device nodes are bound from the host" },
	{ CAP_BPF,          "CAP_BPF", "the exit recorder is off; devices are not limited on cgroup v2" },
	{ CAP_PERFMON,      "CAP_PERFMON", "the exit recorder is off" },
};
// clang-format on

static void look_at_capabilities(struct doctor *d)
{
	struct self_status self;

	if (self_status_read(&self) < 0) {
		doctor_add(d, DOCTOR_WRONG, CAPABILITIES, NULL, "/proc/self/status cannot be read");
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(capabilities); i++) {
		/* Who administrates may do what was once a part of that. */
		bool by_admin = capabilities[i].number >= CAP_PERFMON &&
				self.permitted & 1ull << CAP_SYS_ADMIN;

		if (by_admin || self.permitted & 1ull << capabilities[i].number)
			doctor_add(d, DOCTOR_OK, CAPABILITIES, NULL, "%s", capabilities[i].name);
		else
			doctor_add(d, DOCTOR_MISSING, CAPABILITIES, capabilities[i].cost, "%s",
				capabilities[i].name);
	}
}

void doctor_look_at_machine(struct doctor *d)
{
	look_at_kernel(d);
	look_at_cgroups(d);
	look_at_capabilities(d);
}
