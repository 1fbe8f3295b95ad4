/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Inside the executor: its context, and the steps by subject.
 *
 * Owner    One context in static memory; there is no heap. Slots are closed by the step that uses them up.
 * Errors   A step returns >= 0 or a negative errno; `detail` (when set) says which object.
 * Blocks   Barriers, LISTEN and hooks wait; all others do not.
 * Context  Freestanding: raw system calls only (bare/sys.h), before the container's program.
 */
#include "bare/lib.h"
#include "bare/plan.h"
#include "bare/sys.h"

#define EXEC_PATH_MAX 4096
#define EXEC_FRESH_MAX 8
#define EXEC_POINTERS 512 /* arguments and environment; more are mapped */
#define EXEC_LAZY_FDS \
	256 /* fds below this are not closed one by one, but all at once by exec_close_rest() */

/* The root of a file system that we mounted ourselves: nobody else has touched it, it holds no link of the image's. */
struct exec_fresh {
	const char *path; /* where, as the plan says it */
	int fd;
	unsigned
		from; /* what of `path` and of names below it `fd` stands for: the length of that */
};

struct exec {
	const char *base; /* the plan */
	const struct plan_header *plan;
	uint32_t step;     /* number of the step that runs */
	int sync;          /* launcher, or `start` after LISTEN; -1 when gone */
	int rootfd;        /* the container's root once ROOTFS has run */
	int host_null;     /* not used as a mask before it is verified; -1 */
	int listen_fd;     /* of the LISTEN step; -1 */
	unsigned preserve; /* fds after 2 that the program gets */
	int hooks;         /* the plan has some */
	int born;       /* CLONE was the launcher's: we are in the new namespaces and the cgroup */
	int clone_slot; /* the cgroup of CLONE, or none */
	int procs_slot; /* and its cgroup.procs, or 0 */
	int live;       /* the root is one that others use: PLAN_F_LIVE */
	int added[PLAN_LIVE_MAX]; /* what was mounted there */
	unsigned n_added;
	int at_root; /* PIVOT has been, or a mount namespace was joined: the working directory is "/" */
	int empty_dir; /* first directory that was masked: its tmpfs is cloned for the others; -1 */
	struct exec_fresh fresh[EXEC_FRESH_MAX];
	unsigned n_fresh;
	int contained; /* no mount of ours is seen outside: "/" is recursively slave or private */
	int sys;  /* sysfs as we made it, nothing mounted below it by a name of the image's; -1 */
	int proc; /* procfs as we made it, with a twin at PROC_TWIN and nothing mounted below it but by READONLY and MASK; -1 */
	int twin_readonly;      /* that one is so by now */
	unsigned n_below_proc;  /* READONLY steps there, where a twin is worth it: else 0 */
	uint64_t cgroup2_attrs; /* of a cgroup2 that mount(2) has put in its place; 0: it has not */
	int null_dir; /* a file system of ours in which DEFAULT_DEVS has made `null`; -1 */
	const char *detail;
	const struct plan_caps *caps; /* of the CAPS step: hooks in the container run with them */
	int tree_attr_missing;        /* open_tree_attr(2) is not there (before Linux 6.15) */
	const char *cwd_again;        /* CWD was refused to root: USER tries again as the user */
	char **argv;
	char **envp;
	char *pointers[EXEC_POINTERS]; /* of lists */
	size_t n_pointers;
	char program[EXEC_PATH_MAX];
	char text[EXEC_PATH_MAX]; /* scratch for details and paths */
	int slots[PLAN_MAX_SLOTS];
	_Alignas(8) char message[PLAN_MESSAGE_MAX]; /* the plan, unless it came in a memfd */
};

static inline const char *exec_str(const struct exec *x, uint32_t offset)
{
	return offset ? x->base + offset : NULL;
}

static inline const void *exec_blob(const struct exec *x, const struct plan_step *s)
{
	return s->blob ? x->base + s->blob : NULL;
}

/* exec_lib.c */
int exec_starts(const char *s, const char *prefix);
char *exec_utoa(uint64_t v, char out[24]);
/* "a" + "b" into out; -ENAMETOOLONG. b may be NULL. */
int exec_join(char *out, size_t size, const char *a, const char *b);

/* exec_main.c */
__attribute__((noreturn)) void exec_exit(int status);
/* 0, or negative errno: the launcher has not heard it. What it waits for must then not be waited for here. */
long exec_send(struct exec *x, unsigned type, int code, int value, const char *text, int fd);
void exec_wait_go(struct exec *x, uint32_t id);

/* Close, or leave it to exec_close_rest(): a container start closes some 150 fds. */
void exec_drop(int fd);
/* Everything but 0-2, what must be kept for the container, and what the remaining steps need. */
void exec_close_rest(struct exec *x);

/* exec_path.c: below the container's root, never out of it */
int exec_open_in_root(struct exec *x, const char *path, int flags, unsigned mode);
int exec_in_procfs(int fd);
/*
 * When `path` lies directly in a file system of ours: the fd of that, and the last component in *ret_name. -ENOENT
 * otherwise. A single name in such a directory, not followed, cannot lead out.
 */
int exec_fresh_parent(const struct exec *x, const char *path, const char **ret_name);
/* "/proc/self/fd/FD/NAME": mount(2) takes names only. The host's procfs is meant, so only before PIVOT. */
const char *exec_fd_path(int fd, const char *name, char out[300]);
/* Make missing directories of `path`, links followed inside the root; returns an O_PATH fd of the directory. */
int exec_mkdirs_in_root(struct exec *x, const char *path, unsigned mode);
/* Directory that holds the last component of `path` (made when missing) and that component. */
int exec_parent_in_root(struct exec *x, const char *path, char name[256]);
/* O_PATH fd of `path`; made as directory or empty file when it is missing. */
int exec_target_in_root(struct exec *x, const char *path, int directory);

/* exec_net.c */
long exec_op_link_up(struct exec *x, const struct plan_step *s);
long exec_op_link_free(struct exec *x, const struct plan_step *s);
long exec_op_address(struct exec *x, const struct plan_step *s);

/* exec_userns.c */
long exec_op_userns(struct exec *x, const struct plan_step *s);

/* exec_mount.c */
long exec_op_tree(struct exec *x, const struct plan_step *s);
long exec_op_idmap(struct exec *x, const struct plan_step *s);
long exec_op_propagation(struct exec *x, const struct plan_step *s);
long exec_op_umount(struct exec *x, const struct plan_step *s);
/* Of a plan that failed: what it has mounted among others goes. */
void exec_undo_mounts(struct exec *x);
long exec_op_rootfs(struct exec *x, const struct plan_step *s);
long exec_op_mount_tree(struct exec *x, const struct plan_step *s);
long exec_op_mount_fs(struct exec *x, const struct plan_step *s);
long exec_op_bind_dir(struct exec *x, const struct plan_step *s);
long exec_op_remount(struct exec *x, const struct plan_step *s);
long exec_op_mask(struct exec *x, const struct plan_step *s);
long exec_op_readonly(struct exec *x, const struct plan_step *s);
long exec_op_pivot(struct exec *x, const struct plan_step *s);
long exec_op_root_attr(struct exec *x, const struct plan_step *s);
/* Detached copy of the mount at dirfd/path with attributes set; one call where the kernel has it. */
int exec_clone_tree(struct exec *x, int dirfd, const char *path, unsigned at_flags, uint64_t set,
	uint64_t clr, uint64_t propagation);
int exec_attach(struct exec *x, int tree, int target);

/* exec_copyup.c */
long exec_copy_up(struct exec *x, int from, int to);

/* exec_dev.c */
long exec_op_mknod(struct exec *x, const struct plan_step *s);
long exec_op_device_node(struct exec *x, const struct plan_step *s);
long exec_op_device_bind(struct exec *x, const struct plan_step *s);
long exec_op_symlink(struct exec *x, const struct plan_step *s);
long exec_op_default_devs(struct exec *x, const struct plan_step *s);
long exec_op_console(struct exec *x, const struct plan_step *s);
long exec_op_console_ctty(struct exec *x, const struct plan_step *s);
long exec_op_null_stdio(struct exec *x, const struct plan_step *s);

/* exec_process.c */
long exec_op_root_ids(struct exec *x, const struct plan_step *s);
long exec_op_cwd(struct exec *x, const struct plan_step *s);
long exec_op_user(struct exec *x, const struct plan_step *s);
long exec_op_caps(struct exec *x, const struct plan_step *s);
long exec_apply_caps(const struct plan_caps *c);
long exec_op_lookup(struct exec *x, const struct plan_step *s);
long exec_op_exec(struct exec *x, const struct plan_step *s);

/* exec_hook.c */
long exec_op_hook(struct exec *x, const struct plan_step *s);

/* Pointers to the n strings of a list, NULL at the end; memory that is never given back. */
char **exec_list(struct exec *x, uint32_t offset, uint64_t n, size_t spare);
