/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the kernel has and Debian bookworm's headers (6.1) or its glibc (2.36) have not, each with
 * the version that brought it, and thin wrappers of system calls. Newer headers define some of it
 * themselves: every macro is guarded, structures have names of our own.
 *
 * Owner    The caller owns every fd that is returned; all of them are CLOEXEC when the caller asked the kernel so.
 * Errors   Negative errno; a caller falls back on -ENOSYS (old kernel) and -EPERM (a seccomp filter around us).
 * Blocks   As the system call.
 * Context  Parent. The freestanding programs have bare/sys.h.
 *
 * <sys/mount.h> and <linux/mount.h> cannot be included together with glibc 2.36; this header
 * includes the latter.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#ifndef PID_FS_MAGIC
#define PID_FS_MAGIC 0x50494446 /* 6.9: before, pidfds share one anonymous inode */
#endif

/* struct pidfd_info of 6.13 in its first size; the kernel takes every size from this one on. */
struct kernel_pidfd_info {
	uint64_t mask; /* in: wanted; out: filled */
	uint64_t cgroupid;
	uint32_t pid, tgid, ppid;
	uint32_t ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
	int32_t exit_code; /* a wait status; 6.15, with KERNEL_PIDFD_INFO_EXIT */
};
_Static_assert(sizeof(struct kernel_pidfd_info) == 64, "first published size");
#define KERNEL_PIDFD_GET_INFO _IOWR(0xff, 11, struct kernel_pidfd_info) /* 6.13 */
#define KERNEL_PIDFD_INFO_PID (1ull << 0)                               /* not of a reaped one */
#define KERNEL_PIDFD_INFO_EXIT (1ull << 3)                              /* 6.15 */

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* 6.3 */
#endif
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U /* 6.3 */
#endif

static inline long kernel_result(long r)
{
	return r < 0 ? -errno : r;
}

static inline int kernel_pidfd_open(pid_t pid, unsigned int flags)
{
	return (int)kernel_result(syscall(SYS_pidfd_open, pid, flags));
}

static inline int kernel_pidfd_send_signal(int pidfd, int sig, siginfo_t *info, unsigned int flags)
{
	return (int)kernel_result(syscall(SYS_pidfd_send_signal, pidfd, sig, info, flags));
}

static inline int kernel_pidfd_getfd(int pidfd, int fd)
{
	return (int)kernel_result(syscall(SYS_pidfd_getfd, pidfd, fd, 0));
}

/* mask: what is wanted. -ENOTTY before 6.13; -ESRCH when it was reaped (unless EXIT is
 * wanted, 6.15). */
static inline int kernel_pidfd_info(int pidfd, uint64_t mask, struct kernel_pidfd_info *ret)
{
	*ret = (struct kernel_pidfd_info){ .mask = mask };
	return (int)kernel_result(ioctl(pidfd, KERNEL_PIDFD_GET_INFO, ret));
}

union bpf_attr;
static inline int kernel_bpf(int cmd, union bpf_attr *attr, size_t size)
{
	return (int)kernel_result(syscall(SYS_bpf, cmd, attr, size));
}

static inline int kernel_openat2(int dirfd, const char *path, const struct open_how *how)
{
	return (int)kernel_result(syscall(SYS_openat2, dirfd, path, how, sizeof(*how)));
}
