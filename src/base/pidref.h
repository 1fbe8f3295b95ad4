/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Process identity: pid, pidfd, pidfd inode, start time. A bare pid_t is never stored.
 *
 * Owner    The caller; pidref_done() closes the pidfd and accepts zero and done ones.
 * Errors   Negative errno; -ESRCH when the process is gone or is another one.
 * Blocks   Never.
 * Context  Parent.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct pidref {
	pid_t pid; /* host pid; 0 = none */
	int fd;    /* pidfd or -EBADF */
	uint64_t
		inode; /* pidfs inode: unique per boot from Linux 6.9; 0 when the kernel has none */
	uint64_t
		start_time; /* field 22 of /proc/PID/stat, clock ticks after boot; 0 = not read, for
				the inode says it all */
};

#define PIDREF_NULL ((struct pidref){ .pid = 0, .fd = -9, .inode = 0, .start_time = 0 })

/* pidfd_open first, then the identity (spec/oci-runtime.md 4.4 pid reuse). */
int pidref_open(pid_t pid, struct pidref *ret);
/* Takes over a pidfd (from clone3 or SCM_RIGHTS) and fills pid's identity. */
int pidref_take(pid_t pid, int pidfd, struct pidref *ret);
/* Open `pid` only if it still has this identity: inode when both known, else start time. -ESRCH
 * otherwise. */
int pidref_reopen(pid_t pid, uint64_t inode, uint64_t start_time, struct pidref *ret);
/* pidfd_send_signal. */
int pidref_kill(const struct pidref *p, int sig);
/* True once it exited (zombie included): polls the pidfd. */
bool pidref_exited(const struct pidref *p);
/* Field 22, after the last ')' of the stat line. */
int pidref_read_start_time(pid_t pid, uint64_t *ret);
void pidref_done(struct pidref *p);
