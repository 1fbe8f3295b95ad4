/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the kernel has and Debian bookworm's headers (6.1) or its glibc (2.36) have not, each with
 * the version that brought it, and thin wrappers of system calls. Newer headers define some of it
 * themselves: every macro is guarded, structures have names of our own.
 *
 * Owner    The caller owns every fd that is returned; all of them are CLOEXEC when the caller asked
 * the kernel so. Errors   Negative errno; a caller falls back on -ENOSYS (old kernel) and -EPERM (a
 * seccomp filter around us). Blocks   As the system call. Context  Parent. The freestanding
 * programs have bare/sys.h.
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

/* System call numbers; from 424 on they are the same on all architectures. */
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452 /* 6.6 */
#endif
#ifndef SYS_statmount
#define SYS_statmount 457 /* 6.8 */
#endif
#ifndef SYS_listmount
#define SYS_listmount 458 /* 6.8 */
#endif
#ifndef SYS_open_tree_attr
#define SYS_open_tree_attr 467 /* 6.15 */
#endif

/* pidfd */
#ifndef PIDFD_NONBLOCK
#define PIDFD_NONBLOCK O_NONBLOCK /* 5.10 */
#endif
#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL /* 6.9 */
#endif
#ifndef PIDFD_SIGNAL_THREAD
#define PIDFD_SIGNAL_THREAD (1u << 0)        /* 6.9 */
#define PIDFD_SIGNAL_THREAD_GROUP (1u << 1)  /* 6.9 */
#define PIDFD_SIGNAL_PROCESS_GROUP (1u << 2) /* 6.9 */
#endif
#ifndef PID_FS_MAGIC
#define PID_FS_MAGIC 0x50494446 /* 6.9: before, pidfds share one anonymous inode */
#endif
#ifndef PIDFD_GET_CGROUP_NAMESPACE /* 6.11 */
#define PIDFD_GET_CGROUP_NAMESPACE _IO(0xff, 1)
#define PIDFD_GET_IPC_NAMESPACE _IO(0xff, 2)
#define PIDFD_GET_MNT_NAMESPACE _IO(0xff, 3)
#define PIDFD_GET_NET_NAMESPACE _IO(0xff, 4)
#define PIDFD_GET_PID_NAMESPACE _IO(0xff, 5)
#define PIDFD_GET_PID_FOR_CHILDREN_NAMESPACE _IO(0xff, 6)
#define PIDFD_GET_TIME_NAMESPACE _IO(0xff, 7)
#define PIDFD_GET_TIME_FOR_CHILDREN_NAMESPACE _IO(0xff, 8)
#define PIDFD_GET_USER_NAMESPACE _IO(0xff, 9)
#define PIDFD_GET_UTS_NAMESPACE _IO(0xff, 10)
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
#define KERNEL_PIDFD_INFO_PID (1ull << 0)
#define KERNEL_PIDFD_INFO_CREDS (1ull << 1)
#define KERNEL_PIDFD_INFO_CGROUPID (1ull << 2)
#define KERNEL_PIDFD_INFO_EXIT (1ull << 3) /* 6.15 */

/* clone3 */
#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000 /* 5.2 */
#endif
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080 /* 5.6 */
#endif
#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ull /* 5.5 */
#endif
#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ull /* 5.7 */
#endif

/* Mounts */
#ifndef MOUNT_ATTR_IDMAP
#define MOUNT_ATTR_IDMAP 0x00100000 /* 5.12 */
#endif
#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000 /* 5.14 */
#endif
#ifndef MOVE_MOUNT_SET_GROUP
#define MOVE_MOUNT_SET_GROUP 0x00000100 /* 5.15 */
#endif
#ifndef MOVE_MOUNT_BENEATH
#define MOVE_MOUNT_BENEATH 0x00000200 /* 6.5 */
#endif
#define KERNEL_FSCONFIG_CMD_CREATE_EXCL 8 /* 6.6; an enumerator in newer headers */

/* Paths and files */
#ifndef RESOLVE_CACHED
#define RESOLVE_CACHED 0x20 /* 5.12 */
#endif
#ifndef STATX_MNT_ID
#define STATX_MNT_ID 0x00001000u /* 5.8 */
#endif
#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x00004000u /* 6.8: not reused, 64 bits */
#endif
#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH 0x1000
#endif
#ifndef F_DUPFD_QUERY
#define F_DUPFD_QUERY 1027 /* 6.10: do two fds share one open file */
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* 6.3 */
#endif
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U /* 6.3 */
#endif

/* Sockets */
#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76 /* 6.5 */
#endif
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* 6.5 */
#endif
#ifndef SCM_PIDFD
#define SCM_PIDFD 0x04 /* 6.5 */
#endif

/* prctl */
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41 /* 5.17 */
#define PR_SET_VMA_ANON_NAME 0
#endif
#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65 /* 6.3 */
#define PR_GET_MDWE 66
#endif
#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE 67 /* 6.4 */
#define PR_GET_MEMORY_MERGE 68
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

static inline int kernel_openat2(int dirfd, const char *path, const struct open_how *how)
{
	return (int)kernel_result(syscall(SYS_openat2, dirfd, path, how, sizeof(*how)));
}

static inline pid_t kernel_clone3(struct clone_args *args)
{
	return (pid_t)kernel_result(syscall(SYS_clone3, args, sizeof(*args)));
}

static inline int kernel_close_range(unsigned int first, unsigned int last, unsigned int flags)
{
	return (int)kernel_result(syscall(SYS_close_range, first, last, flags));
}

static inline int kernel_fchmodat2(int dirfd, const char *path, mode_t mode, int flags)
{
	return (int)kernel_result(syscall(SYS_fchmodat2, dirfd, path, mode, flags));
}

static inline int kernel_open_tree(int dirfd, const char *path, unsigned int flags)
{
	return (int)kernel_result(syscall(SYS_open_tree, dirfd, path, flags));
}

static inline int kernel_open_tree_attr(
	int dirfd, const char *path, unsigned int flags, struct mount_attr *attr)
{
	return (int)kernel_result(
		syscall(SYS_open_tree_attr, dirfd, path, flags, attr, sizeof(*attr)));
}

static inline int kernel_mount_setattr(
	int dirfd, const char *path, unsigned int flags, struct mount_attr *attr)
{
	return (int)kernel_result(
		syscall(SYS_mount_setattr, dirfd, path, flags, attr, sizeof(*attr)));
}

static inline int kernel_move_mount(
	int from_dirfd, const char *from, int to_dirfd, const char *to, unsigned int flags)
{
	return (int)kernel_result(syscall(SYS_move_mount, from_dirfd, from, to_dirfd, to, flags));
}

static inline int kernel_fsopen(const char *fs_name, unsigned int flags)
{
	return (int)kernel_result(syscall(SYS_fsopen, fs_name, flags));
}

static inline int kernel_fsconfig(
	int fd, unsigned int cmd, const char *key, const void *value, int aux)
{
	return (int)kernel_result(syscall(SYS_fsconfig, fd, cmd, key, value, aux));
}

static inline int kernel_fsmount(int fd, unsigned int flags, unsigned int attrs)
{
	return (int)kernel_result(syscall(SYS_fsmount, fd, flags, attrs));
}

static inline int kernel_fspick(int dirfd, const char *path, unsigned int flags)
{
	return (int)kernel_result(syscall(SYS_fspick, dirfd, path, flags));
}
