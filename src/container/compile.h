/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Compile: from a checked spec to the executor's plan. Pure: it looks at nothing but its arguments, so every decision
 * about a container can be tested as any user.
 *
 * Owner    The caller owns inputs and the plan (plan_done()); strings are copied into the plan.
 * Errors   -ENOTSUP or -EINVAL naming the field; -ENOMEM; what the kernel will say is the executor's to report.
 * Blocks   Never.
 * Context  Parent.
 *
 * Order of steps: spec/oci-runtime.md 3.1; which side of PLAN_CLONE: 3.2 and bare/plan.h.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "container/cgroup.h"
#include "container/cgroup_entry.h"
#include "container/net_device.h"
#include "container/plan_builder.h"
#include "container/self_status.h"
#include "oci/spec.h"

/* How the process gets into its cgroup (container/cgroup.h makes it). */
struct compile_cgroup {
	const char *clone_dir; /* cgroup2 directory for CLONE_INTO_CGROUP, or NULL */
	/* One below it, entered when the cgroup namespace has its root; NULL: none. */
	const char *payload_dir;
	const char *const *tasks_dirs; /* v1 directories whose `tasks` the child writes 0 to */
	size_t n_tasks_dirs;
	unsigned int n_cpus; /* that it has, from the first on; 0: not known */
	/* What of these is open already; the executor opens the rest. NULL: nothing is. */
	const struct cgroup_entry *entry;
};

/* Compiled seccomp filter; size 0: none. */
struct compile_filter {
	const void *program; /* struct sock_filter[] */
	size_t size;         /* bytes */
	uint64_t flags;      /* SECCOMP_FILTER_FLAG_* */
};

struct compile_init {
	const struct spec *spec;
	const char *id;
	const char *rootfs; /* absolute, on the host */
	const char *bundle; /* absolute: relative bind sources are below it */
	struct compile_cgroup cgroup;
	const struct cgroup_mount *cgroup_mounts; /* what a mount of type cgroup comes to */
	size_t n_cgroup_mounts;
	bool cgroup_is_hosts; /* those are not the container's own: to be looked at, not written */
	struct compile_filter filter;
	/* State for the hooks in the container: JSON up to the pid, and after it. */
	const char *state_creating_head;
	const char *state_creating_tail;
	const char *state_created_head;
	const char *state_created_tail;
	const struct net_device *net_devices; /* linux.netDevices, as they are on the host */
	size_t n_net_devices;
	bool no_pivot;
	const char *const *kernel_mounts; /* of the host: to be left behind by who does not pivot */
	size_t n_kernel_mounts;
	bool no_new_keyring;
	bool setgroups_denied; /* a user namespace without the right to set groups */
	bool rootless; /* we are not root: only inside of the user namespace may mounts be made */
	bool start_by_socket;
	int listen_fd; /* of start_by_socket */
	unsigned preserve_fds;
	unsigned null_stdio;            /* num[0] of PLAN_NULL_STDIO */
	const struct self_status *self; /* of who starts the executor, or NULL */
	const char *listen_fds_env;     /* "LISTEN_FDS=2" or NULL */
};

/*
 * The plan of a container's init. *p is initialised here. `p` keeps slot PLAN_SLOT_SYNC for the launcher's
 * socket.
 */
int compile_init(const struct compile_init *in, struct plan *p, struct err *err);

struct compile_exec {
	const struct spec *spec; /* of the container: its namespaces and propagated settings */
	const struct spec_process *process;
	const char *id;
	bool keyring;   /* as init has one: not the caller's, whose keys are the host's */
	int init_pidfd; /* namespaces are joined through it */
	struct compile_cgroup cgroup;
	struct compile_filter filter;
	unsigned preserve_fds;
	bool setgroups_denied;
	const struct self_status *self; /* as in compile_init */
};

int compile_exec(const struct compile_exec *in, struct plan *p, struct err *err);

/* Mounts for a container that runs. */
struct compile_change {
	const struct spec *spec;         /* of the container */
	const struct spec_mount *mounts; /* checked as those of a spec */
	size_t n_mounts;
	bool remove;        /* by their destinations alone */
	const char *bundle; /* relative bind sources are below it */
	int init_pidfd;
};

/* The plan ends with READY: all is done by then. -ENOTSUP naming the mount that only a new container can have. */
int compile_change(const struct compile_change *in, struct plan *p, struct err *err);

/* ---- parts that both share (compile_process.c) ---- */

/* Terminal, user, limits on what is executed: from after the mounts to before READY. */
int compile_identity(struct plan *p, const struct spec *spec, const struct spec_process *process,
	const struct compile_filter *filter, bool setgroups_denied, const struct self_status *self,
	struct err *err);
/*
 * Scheduling attributes of the process. With a user namespace on the host side, before it is entered: in there nobody has
 * the right to more than the caller has.
 */
int compile_scheduling(struct plan *p, const struct spec *spec, const struct spec_process *process,
	bool host_side);
/* execCPUAffinity: of an exec, before it enters the cgroup and after. */
int compile_initial_affinity(struct plan *p, const struct spec_process *process, struct err *err);
int compile_final_affinity(struct plan *p, const struct spec_process *process, struct err *err);
/* All CPUs of the cgroup that has been entered, of which the first n_cpus are known (0: none), whatever the caller has. */
void compile_all_cpus(struct plan *p, const struct self_status *self, unsigned int n_cpus);
/* Become root of the user namespace; where that has none, the first that it maps: an id it lacks could make no file. */
void compile_root_ids(struct plan *p, const struct spec *spec);

/* linux.memoryPolicy, before the process touches memory of its own. */
int compile_memory_policy(struct plan *p, const struct spec *spec, struct err *err);
/* A session keyring of its own, named after the container. */
void compile_keyring(struct plan *p, const char *id);
/* linux.personality: of every process of the container. */
int compile_personality(struct plan *p, const struct spec *spec, struct err *err);
/* The program and its environment; extra is one more variable or NULL. */
int compile_lookup(struct plan *p, const struct spec_process *process, const char *extra);
/* From the release to the program. */
void compile_final(struct plan *p, const struct spec *spec, const struct spec_process *process,
	const struct compile_filter *filter, const struct self_status *self, unsigned preserve_fds);
/*
 * Steps that put the new process into its cgroup: before and after PLAN_CLONE. `watched`: it is born into a pid
 * namespace in which processes of a container are already.
 */
#define COMPILE_TASKS_MAX 16
struct compile_cgroup_slots {
	int32_t dir;   /* for PLAN_CLONE, or PLAN_SLOT_NONE */
	int32_t procs; /* the same, when watched; else 0 */
	int32_t tasks[COMPILE_TASKS_MAX];
};
void compile_cgroup_open(struct plan *p, const struct compile_cgroup *cg, bool watched,
	struct compile_cgroup_slots *ret);
void compile_cgroup_enter(
	struct plan *p, const struct compile_cgroup *cg, const struct compile_cgroup_slots *slots);
/*
 * Whether the cgroup namespace is entered after the clone. A new one shows the cgroup that its maker is in, and not the
 * one that CLONE_INTO_CGROUP names; and from inside a joined one, where v2 is mounted with nsdelegate (as systemd does),
 * the kernel refuses a clone into a cgroup, for we come from outside (ENOENT). Only a process in a new user namespace
 * could no longer join one that is not its own.
 */
bool compile_cgroupns_is_late(const struct spec *spec);

/* ---- mounts (compile_mount.c) ---- */

/* Where a bind comes from. */
struct compile_source {
	const char *path; /* on the host; NULL: it is no bind */
	const char *
		in_root; /* the same in the container's root, opened when the mounts before are made; or NULL */
	int32_t userns; /* slot of the namespace that it maps ids by, or PLAN_SLOT_NONE */
};

/* Steps before PLAN_CLONE that open bind sources; remembers their slots for compile_mounts(). */
struct compile_trees {
	struct compile_source *sources; /* one per spec mount */
	int32_t *slots;                 /* one per spec mount; PLAN_SLOT_NONE where it is no bind */
	int32_t *late; /* one per spec mount: the slot of one that becomes read-only at the end */
	int32_t *devices; /* one per device: of a node that is made for a user namespace */
	int32_t rootfs;
	struct compile_userns *userns; /* those that id-mapped mounts share */
	struct arena arena;
};
int compile_mount_trees(
	const struct compile_init *in, struct plan *p, struct compile_trees *t, struct err *err);
/* Of the above, the sources of binds; the lists of *t are made here. And the mounts alone, after compile_mount_sources(). */
int compile_mount_sources(
	const struct compile_init *in, struct plan *p, struct compile_trees *t, struct err *err);
int compile_mount_list(
	const struct compile_init *in, struct plan *p, struct compile_trees *t, struct err *err);
int compile_mounts(const struct compile_init *in, struct plan *p, const struct compile_trees *t,
	struct err *err);
/* linux.maskedPaths. */
void compile_masks(struct plan *p, const struct spec *spec);
/* What the spec wants read-only and set-up had to write to: after the last step that does. */
void compile_late_read_only(
	const struct compile_init *in, struct plan *p, const struct compile_trees *t);
void compile_trees_done(struct compile_trees *t);
