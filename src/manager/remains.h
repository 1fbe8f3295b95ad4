/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Remains: what is left of a container that nobody knows how to end: the processes of one whose shim is dead and whose
 * shim's program is gone, and the cgroups of one whose runtime was killed while it made them. Both are found by the cgroup
 * that its config.json names (spec/manager.md 1.9).
 *
 * Owner    Nothing.
 * Errors   -EBUSY: they were killed and are not gone yet; -EPERM: the cgroup is one that we are in ourselves.
 * Blocks   Reads and writes cgroupfs.
 * Context  Parent.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* Kill them, and remove the cgroup when it is empty. No config.json, or no cgroup in it: success. */
int remains_kill(int bundle, const char *id, struct err *err);

/*
 * For a task whose bundle may be lost while it runs, in its work directory: the cgroup that its config.json names, and its init,
 * by boot, pid and start.
 */
int remains_note_cgroup(int work, const void *spec, size_t size);
int remains_note_init(int work, pid_t pid);
/* What was noted of the init, in this boot, as the kernel writes its id, with the line's end; -EBADMSG: it is none, or of another boot. */
int remains_parse_init(const char *text, const char *boot, pid_t *ret_pid, uint64_t *ret_start);
bool remains_is_noted(int work);
/*
 * As remains_kill(), by those notes. ours: the caller knows that the task was there until now; else nothing is killed unless that
 * init is alive, for the cgroup of one that is dead may be another's by now: -EAGAIN while there is somebody in it.
 */
int remains_kill_noted(int work, const char *id, bool ours, struct err *err);
/* That its init is in, and is to be killed: in cgroup v1 what is frozen does not die. */
void remains_thaw_noted(int work, const char *id);

/*
 * The cgroup that a config.json names, when it is there in no hierarchy: who asks before a task is made may remove it
 * after that. Else, and where it is left to the runtime, NULL. Heap.
 */
void remains_claim(const void *spec, size_t size, const char *id, char **ret);
/* Remove what is there of such a one, and below it, as far as nobody is in it; its parents stay. */
void remains_sweep(const char *cgroup, const char *id);

/* The same of the hierarchies of `host`. */
struct cgroup_host;
bool remains_is_free(const struct cgroup_host *host, const char *cgroup, const char *id);
void remains_sweep_on(const struct cgroup_host *host, const char *cgroup, const char *id);
