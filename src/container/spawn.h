/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Spawn: start the executor (or a host program such as a hook) without copying ourselves: vfork and execve, so that
 * the price does not grow with our memory and no copy of it is ever anywhere (spec/performance.md 1, rule 3).
 *
 * Owner    fds stay the caller's. *ret_pidfd is the caller's.
 * Errors   Negative errno, also of the failed execve.
 * Blocks   Until execve has happened (tens of microseconds).
 * Context  Parent, single thread.
 */
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "container/self_status.h"

/* Sealed memfd with the executor that the program carries inside. */
int spawn_open_executor(int *ret_fd, struct err *err);

/* Where the child is born: in new namespaces, and on cgroup2 in this directory. */
struct spawn_into {
	uint64_t namespaces; /* CLONE_NEW* */
	int cgroup;          /* O_PATH; -EBADF: ours */
};

struct spawn {
	int program;      /* fd to execute; or -EBADF and */
	const char *path; /* this path */
	char *const *argv;
	char *const *envp; /* NULL: an empty environment */
	int stdio[3];      /* become 0-2 */
	const int *keep;   /* fds that lose CLOEXEC in the child, at their numbers */
	size_t n_keep;
	unsigned preserve_fds;          /* 3.. that lose CLOEXEC */
	int moved;                      /* this fd becomes */
	int moved_to;                   /* that, which is none of the above; 0: there is none */
	const char *cwd;                /* NULL: ours */
	int new_group;                  /* own process group, and killed when we die: hooks */
	const struct self_status *self; /* NULL: is read */
	const struct spawn_into *into;  /* NULL: where we are */
	int with_parent;                /* CLONE_PARENT: child of our parent (guardian) */
};

/* ret_pidfd may be NULL. */
int spawn_process(const struct spawn *s, pid_t *ret_pid, int *ret_pidfd, struct err *err);
