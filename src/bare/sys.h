/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * System calls without a C library, for x86-64 and aarch64.
 *
 * Owner    Nothing is owned; arguments go to the kernel as they are.
 * Errors   Each returns what the kernel returns: a value >= 0 or a negative errno. There is no
 * errno variable. Blocks   As the system call. Context  Any: freestanding programs, between clone
 * and exec, and the library.
 *
 * Only kernel headers are used; numbers come from <asm/unistd.h>. Structures that Debian bookworm's
 * headers (6.1) lack are defined here with the kernel version that brought them.
 */
#include <asm/unistd.h>
#include <linux/types.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
static inline long sys_call6(long n, long a, long b, long c, long d, long e, long f)
{
	long ret;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}
#elif defined(__aarch64__)
static inline long sys_call6(long n, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = n;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory", "cc");
	return x0;
}
#else
#error "x86-64 and aarch64 only"
#endif

#define SYS_ARG(x) ((long)(x))
#define sys_call0(n) sys_call6(n, 0, 0, 0, 0, 0, 0)
#define sys_call1(n, a) sys_call6(n, SYS_ARG(a), 0, 0, 0, 0, 0)
#define sys_call2(n, a, b) sys_call6(n, SYS_ARG(a), SYS_ARG(b), 0, 0, 0, 0)
#define sys_call3(n, a, b, c) sys_call6(n, SYS_ARG(a), SYS_ARG(b), SYS_ARG(c), 0, 0, 0)
#define sys_call4(n, a, b, c, d) sys_call6(n, SYS_ARG(a), SYS_ARG(b), SYS_ARG(c), SYS_ARG(d), 0, 0)
#define sys_call5(n, a, b, c, d, e) \
	sys_call6(n, SYS_ARG(a), SYS_ARG(b), SYS_ARG(c), SYS_ARG(d), SYS_ARG(e), 0)

/* Since Linux 6.15. */
#ifndef __NR_open_tree_attr
#define __NR_open_tree_attr 467
#endif

#define SYS_AT_FDCWD (-100)
#define SYS_AT_EMPTY_PATH 0x1000
#define SYS_AT_SYMLINK_NOFOLLOW 0x100
#define SYS_AT_RECURSIVE 0x8000
#define SYS_RESOLVE_NO_XDEV 0x01
#define SYS_RESOLVE_NO_MAGICLINKS 0x02
#define SYS_RESOLVE_NO_SYMLINKS 0x04
#define SYS_RESOLVE_BENEATH 0x08
#define SYS_RESOLVE_IN_ROOT 0x10

struct sys_open_how {
	uint64_t flags;
	uint64_t mode;
	uint64_t resolve;
};

static inline long sys_openat(int dirfd, const char *path, int flags, unsigned mode)
{
	return sys_call4(__NR_openat, dirfd, path, flags, mode);
}

static inline long sys_openat2(int dirfd, const char *path, const struct sys_open_how *how)
{
	return sys_call4(__NR_openat2, dirfd, path, how, sizeof(*how));
}

static inline long sys_close(int fd)
{
	return sys_call1(__NR_close, fd);
}

static inline long sys_read(int fd, void *data, size_t size)
{
	return sys_call3(__NR_read, fd, data, size);
}

static inline long sys_write(int fd, const void *data, size_t size)
{
	return sys_call3(__NR_write, fd, data, size);
}

static inline long sys_readlinkat(int dirfd, const char *path, char *out, size_t size)
{
	return sys_call4(__NR_readlinkat, dirfd, path, out, size);
}

static inline long sys_mkdirat(int dirfd, const char *path, unsigned mode)
{
	return sys_call3(__NR_mkdirat, dirfd, path, mode);
}

static inline long sys_dup3(int from, int to, int flags)
{
	return sys_call3(__NR_dup3, from, to, flags);
}

static inline long sys_fcntl(int fd, int cmd, long arg)
{
	return sys_call3(__NR_fcntl, fd, cmd, arg);
}

/* ---- messages with fds: the same on both machines, whose headers have them in the C library only ---- */

#define SYS_MSG_DONTWAIT 0x40
#define SYS_MSG_NOSIGNAL 0x4000
#define SYS_MSG_CTRUNC 0x08
#define SYS_MSG_CMSG_CLOEXEC 0x40000000
#define SYS_SOL_SOCKET 1
#define SYS_SCM_RIGHTS 1

struct sys_iovec {
	void *base;
	size_t len;
};

struct sys_msghdr {
	void *name;
	int name_len;
	struct sys_iovec *iov;
	size_t n_iov;
	void *control;
	size_t control_len;
	unsigned flags;
};

struct sys_cmsghdr {
	size_t len;
	int level;
	int type;
};

static inline long sys_sendmsg(int fd, const struct sys_msghdr *m, unsigned flags)
{
	return sys_call3(__NR_sendmsg, fd, m, flags);
}

static inline long sys_recvmsg(int fd, struct sys_msghdr *m, unsigned flags)
{
	return sys_call3(__NR_recvmsg, fd, m, flags);
}
