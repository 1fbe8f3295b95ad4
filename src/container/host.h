/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Host: what a process that runs containers opens or finds out once: loop, cgroup layout, the sealed executor, where
 * state lives. Handed down; there is no global.
 *
 * Owner    host_open() fills it; host_close() ends what it opened. loop, log, state and reaper are the caller's.
 * Errors   Negative errno with *err.
 * Blocks   Reads a few files of /proc.
 * Context  Parent.
 */
#include "base/err.h"
#include "base/log.h"
#include "container/reaper.h"
#include "container/self_status.h"
#include "event/loop.h"

struct cgroup_host;
struct state_dir;
struct seccomp_cache;
struct device_bpf_cache;
struct cgroup_entry;
struct fd_spent;

struct host {
	struct loop *loop;
	struct log *log;
	struct reaper reaper;
	struct state_dir *state;
	struct cgroup_host *cgroups;      /* NULL: of no use to who only joins */
	struct seccomp_cache *seccomp;    /* in memory too; NULL: in the state directory alone */
	struct device_bpf_cache *devices; /* may be NULL: each program is loaded anew */
	struct cgroup_entry *entry; /* of the last container that got a process; NULL: not kept */
	struct fd_spent *spent;     /* of a command; NULL: what is done with is closed at once */
	struct self_status self;    /* as everything that we start begins */
	int executor;               /* sealed memfd of reeve-exec */
	int parent_pid;             /* guardian that becomes the parent (CLONE_PARENT); 0: we do */
	bool cgroups_disabled;      /* --cgroup-manager=disabled */
};

/* Takes loop, log, reaper and state from the caller's *h, opens the rest. */
int host_open(struct host *h, struct err *err);
/* The same for who starts processes in containers that are there, and makes none: it does not ask where cgroups are. */
int host_open_to_join(struct host *h, struct err *err);
void host_close(struct host *h);
