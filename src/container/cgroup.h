/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * cgroup: the place of one container in every hierarchy of the machine, v1, v2 or both, driven by
 * files. Made before the executor is started; the executor enters by itself (v2: CLONE_INTO_CGROUP;
 * v1: "0" into `tasks`): a pid is never written to cgroup.procs, which waits for an RCU grace
 * period.
 *
 * Life: resolve (pure but for the own cgroup) -> [record saved] -> make -> apply -> executor enters
 * -> record saved -> ... -> from_record -> freeze, kill, pids, apply, remove in any process.
 *
 * Owner    cgroup_free() ends the struct and its fds and leaves the cgroup alone. What was made is
 *          undone by cgroup_undo() (this create only) or cgroup_remove() (delete); both idempotent.
 * Errors   0 or negative errno with *err filled.
 * Blocks   Functions that take a deadline (CLOCK_BOOTTIME) wait until then at most; no other waits.
 * Context  Parent.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/mem.h"
#include "container/cgroup_dir.h"
#include "container/cgroup_host.h"
#include "container/cgroup_journal.h"
#include "container/device_bpf.h"
#include "oci/spec.h"

struct cgroup_request {
	const char *path; /* linux.cgroupsPath; NULL or "": `id` below our own cgroup */
	const char *id;
	const char *mems;       /* memory nodes of our own cgroup; NULL: not known */
	struct fd_spent *spent; /* where its files go that are done with; NULL: they are closed */
	bool unprivileged; /* hierarchies that we may not write are left out without an error, as in a user namespace */
};

struct cgroup {
	struct arena arena;
	enum cgroup_mode mode;
	/*
	 * v2: one directory. v1: one per hierarchy, name=systemd too. hybrid: both. To enter: the v2
	 * one (cgroup_v2_dir(), if any) by CLONE_INTO_CGROUP, each of the others by writing "0" to
	 * PATH/tasks. Without privileges there may be none at all.
	 */
	struct cgroup_dir *dirs; /* behind the struct, as many as cgroup_new() was asked for */
	size_t n_dirs;
	const char *prefix;  /* of /proc; "" on a real machine */
	bool unprivileged;   /* as in the request; a record keeps it */
	bool unit;           /* systemd has made it just now, and its starter is in there */
	const char *devices; /* hash of the device rules in force; NULL: none were set by us */
};

/* Without directories, with room for `n`; NULL: no memory. For those that fill one. */
struct cgroup *cgroup_new(size_t n);

/* ---- making ---- */

/* Names only; nothing is touched. The record of it lets remove clean up after a crash in make. */
int cgroup_resolve(const struct cgroup_host *host, const struct cgroup_request *req,
	struct cgroup **ret, struct err *err);

/* Files of it that are done with go there from now on: it outlives this struct. */
void cgroup_spend_to(struct cgroup *cg, struct fd_spent *spent);

/*
 * Make what is missing of every directory, fill cpusets (v1), enable controllers (v2). What exists
 * must hold no process ("container's cgroup is not empty") and nothing may be frozen ("container's
 * cgroup is frozen"): entering would hang. On failure nothing that it made is left.
 */
int cgroup_make(struct cgroup *cg, struct err *err);

/*
 * The cgroup of a systemd unit that has just been started, `path` as systemd says it: all of it is ours. cgroup_make() then
 * makes what systemd leaves out (hierarchies that it does not manage).
 */
int cgroup_of_unit(const struct cgroup_host *host, const char *path, bool unprivileged,
	struct cgroup **ret, struct err *err);

/* resolve and make. */
int cgroup_create(const struct cgroup_host *host, const struct cgroup_request *req,
	struct cgroup **ret, struct err *err);

/* Part of it was only named when its record was written: whether it is ours to kill is not known. */
bool cgroup_is_intended(const struct cgroup *cg);

/* Remove the directories that this struct's make made, as far as they are empty. */
void cgroup_undo(struct cgroup *cg);
void cgroup_free(struct cgroup *cg);
AUTO_FREE(struct cgroup, cgroup)

/* The v2 directory, or NULL. */
struct cgroup_dir *cgroup_v2_dir(struct cgroup *cg);
/* The directory that serves a controller on v1 or v2 (enabled if it can be), or NULL. */
struct cgroup_dir *cgroup_controller_dir(struct cgroup *cg, enum cgroup_controller c);

/*
 * A cgroup below this one for `exec --cgroup SUB`: the same struct for the existing directories
 * PATH/SUB, owned by nobody. SUB is cleaned and may not climb ("..").
 *
 * More than one, or with "CONTROLLER[,CONTROLLER]...:" in front: each for the hierarchies of its controllers, as v1 has
 * them; the others stay at PATH.
 */
int cgroup_below(
	struct cgroup *cg, const char *const *subs, size_t n, struct cgroup **ret, struct err *err);

/*
 * v2 alone: the cgroup PATH/SUB, made with those between, for processes that are to rule over what is below PATH, but not over
 * PATH's limits. SUB as above. They enter it by themselves; once none is left in PATH, cgroup_give_controllers() lets `below`
 * have PATH's controllers, as far as they can be had.
 */
int cgroup_make_below(struct cgroup *cg, const char *sub, struct cgroup **ret, struct err *err);
void cgroup_give_controllers(struct cgroup *cg, struct cgroup *below);

/* ---- limits ---- */

/*
 * Write the limits of linux.resources (NULL: none); absent fields leave everything as it is. update:
 * the container runs. A limit whose controller is missing is an error, as is a field that this
 * version of cgroup cannot say.
 */
int cgroup_apply(struct cgroup *cg, const struct spec_resources *res, bool update, struct err *err);

/*
 * cgroup_apply() to a container that runs, all or nothing: when a write fails, those before it are undone. `ret`
 * (zeroed, the caller's to end) can undo it also later.
 */
int cgroup_update(struct cgroup *cg, const struct spec_resources *res, struct cgroup_journal *ret,
	struct err *err);

/*
 * Device rules with the default devices; separate because they apply also where the document says
 * nothing. `cache` may be NULL. Without the privilege (user namespace) nothing is done. update: does
 * nothing when the rules are those in force.
 */
int cgroup_apply_devices(struct cgroup *cg, const struct spec_resources *res, bool update,
	struct device_bpf_cache *cache, struct err *err);

/* Not root of the machine: the kernel reserves device rules to that, and systemd's own manager its units. */
bool cgroup_in_user_namespace(void);

/*
 * v2 only: who is not root puts a process only where he may write the cgroup.procs of the lowest cgroup above both that and
 * his own. -EPERM names it.
 */
int cgroup_check_entry(struct cgroup *cg, struct err *err);

/* v2 only: give directory and delegable files to a user (root of the container's user namespace). */
int cgroup_delegate(struct cgroup *cg, uid_t uid, gid_t gid, struct err *err);

/* ---- freezing ---- */

/* True when the container is frozen, also by others or by a parent's state. */
int cgroup_frozen(struct cgroup *cg, bool *ret, struct err *err);

/*
 * For a loop: start; then check when `fd` polls POLLPRI, or where fd is -EBADF (v1) after retry_ns,
 * until it returns 1 (reached) or an error. done ends the fd. Giving up on a freeze means starting a
 * thaw.
 */
struct cgroup_freezing {
	struct cgroup_dir *dir;
	bool freeze;
	int fd;
	uint64_t retry_ns; /* grows with each check, at most 10 ms */
};

int cgroup_freeze_start(
	struct cgroup *cg, bool freeze, struct cgroup_freezing *ret, struct err *err);
int cgroup_freeze_check(struct cgroup_freezing *f, struct err *err);
void cgroup_freezing_done(struct cgroup_freezing *f);

/* The same, waiting. A freeze that is not reached is undone: -ETIMEDOUT. */
int cgroup_freeze(struct cgroup *cg, uint64_t deadline_ns, struct err *err);
int cgroup_thaw(struct cgroup *cg, uint64_t deadline_ns, struct err *err);

/* ---- processes ---- */

/* All host pids in it and below (heap). A cgroup that is gone holds none. */
int cgroup_pids(struct cgroup *cg, pid_t **ret, size_t *ret_n, struct err *err);

/*
 * SIGKILL to everything in it and below, thawed so that it acts. Refuses (-EPERM) what we neither
 * made nor found empty, the root of a hierarchy, and a cgroup that this process is in. A cgroup that
 * is gone is success. Processes may still be dying when it returns.
 */
int cgroup_kill(struct cgroup *cg, struct err *err);
/* Any signal, by the same rules, once to each process; does not thaw. */
int cgroup_signal(struct cgroup *cg, int sig, struct err *err);

/* -EBADMSG unless /proc/PID/cgroup says that the process is where it should be. */
int cgroup_verify(const struct cgroup *cg, pid_t pid, struct err *err);

/* ---- removal ---- */

/*
 * Remove our directories, deepest first, and the parents that we made if they are empty. What is
 * gone is success. -EBUSY names a process that is left. try: once; remove: again until the deadline,
 * for the kernel lets go of a dead process' cgroup a little later.
 */
int cgroup_remove_try(struct cgroup *cg, struct err *err);
int cgroup_remove(struct cgroup *cg, uint64_t deadline_ns, struct err *err);

/* ---- records ---- */

/*
 * Flat lines (format 1) that name everything for another process. to_record takes memory from
 * `arena`; from_record checks each line and refuses what it does not know.
 */
int cgroup_to_record(
	const struct cgroup *cg, struct arena *arena, const char ***ret, size_t *ret_n);
int cgroup_from_record(const char *const *lines, size_t n, struct cgroup **ret, struct err *err);

/* ---- the mount inside ---- */

enum cgroup_mount_kind {
	CGROUP_MOUNT_FS,     /* new file system `source` (its type) with `data` at `dest` */
	CGROUP_MOUNT_BIND,   /* host directory `source` at `dest` */
	CGROUP_MOUNT_LINK,   /* symbolic link at `dest` with the text `source` */
	CGROUP_MOUNT_RDONLY, /* `dest` read-only now, not what is mounted below it */
};

struct cgroup_mount {
	enum cgroup_mount_kind kind;
	const char *source;
	const char *dest; /* below the destination of the document's mount; "" is that itself */
	const char *data; /* file system options, NULL: none */
};

#define CGROUP_MOUNTS_MAX 64

/*
 * What a mount of type "cgroup" comes to, in this order. v1 and hybrid: a tmpfs, the container's own
 * directory of each hierarchy, links for controllers that share one. v2: with own_namespace a
 * cgroup2 file system, else the container's own directory; where the kernel refuses the first
 * (EPERM, EBUSY: user namespaces), ask again without. The mount's flags of the document (`ro` above
 * all) hold for every row but the tmpfs, which CGROUP_MOUNT_RDONLY seals at the end. cg NULL or
 * without directories: what the host has, always to be read-only.
 */
int cgroup_mounts(const struct cgroup_host *host, const struct cgroup *cg, bool own_namespace,
	bool readonly, struct arena *arena, struct cgroup_mount rows[CGROUP_MOUNTS_MAX],
	size_t *ret_n);
