/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the files of the back end `oci` share. Private to them.
 *
 * Owner    As oci.h.
 * Errors   As oci.h.
 * Blocks   As oci.h.
 * Context  Parent, on the loop's thread.
 */
#include "container/cgroup.h"
#include "container/oom_watch.h"
#include "container/stats.h"
#include "supervisor/oci.h"
#include "supervisor/oci_console.h"
#include "supervisor/oci_run.h"

struct oci {
	struct oci_config config;
	struct command_env env;
	struct cgroup_host cgroups; /* read when the first container has one */
	bool has_cgroups;
	struct stats stats; /* the last that were asked for */
};

enum oci_make_kind { OCI_CREATE, OCI_RESTORE, OCI_EXEC };

/* A process that is being made: from the runtime's start until its pid is known or all of it is undone. */
struct oci_make {
	struct backend_container *c;
	struct backend_process *p; /* of an exec */
	struct backend_call *call; /* NULL: nothing is under way */
	enum oci_make_kind kind;
	struct oci_run run;
	struct oci_console console;
	struct loop_timer timer; /* for a terminal or a pid that has not come */
	char pid_file[40];       /* in the bundle, as the other two */
	char process_file[40];
	char socket[40];
	uint64_t begun_ns, ended_ns; /* of the runtime */
	uint64_t wait_until_ns;
	bool terminal; /* wanted and not here yet */
	bool cancelled;
	bool made; /* the core knows its pid and has not let it go */
	struct pidref who;
	struct err err; /* the first that failed */
};

/* A call that changes a container or signals it. */
struct oci_order {
	struct oci_order *next; /* of its container */
	struct backend_container *c;
	struct backend_call *call; /* NULL: nobody asks how it went */
	void (*ended)(struct oci_order *o, const struct err *err); /* NULL: the call gets it */
	struct oci_run run;
	const char *what;
	char *files;         /* of a checkpoint: criu's directory */
	bool files_are_ours; /* to be removed */
	struct loop_deferred release;
};

struct backend_container {
	struct oci *oci;
	struct backend_notice *notice;
	struct arena arena; /* of the strings */
	const char *id;
	struct oci_runtime runtime;
	bool no_pivot;
	bool no_new_keyring;
	bool shared_pidns;
	bool adopted; /* made by an earlier worker */
	struct pidref init;
	struct cgroup *cgroup; /* NULL: unknown, or it has none of its own */
	struct oom_watch oom;
	struct oci_make make; /* of its init */
	struct backend_process *processes;
	struct oci_order *orders;
	struct backend_call *parked; /* a delete that waits for orders of ours */

	/* What a restore will need. */
	const char *checkpoint, *parent_checkpoint, *work_path;
	int stdio[3];
	bool terminal;
	struct loop_deferred settle; /* of an adopted one */
	struct loop_deferred release;
};

struct backend_process {
	struct backend_container *c;
	struct backend_process *next;
	struct oci_make make;
	pid_t pid; /* once it is known */
	struct loop_deferred release;
};

uint64_t oci_limit(const struct oci *o, uint64_t usual_ns);

/* oci_make.c. The call gets the outcome. */
int oci_make_create(struct backend_container *c, const int *stdio, bool terminal,
	struct backend_call *call, struct err *err);
int oci_make_restore(struct backend_container *c, struct backend_call *call, struct err *err);
int oci_make_exec(struct backend_process *p, const struct backend_exec *req,
	struct backend_call *call, struct err *err);
void oci_make_release(struct oci_make *m);
void oci_make_cancel(struct oci_make *m);
/*
 * SIGKILL to children of ours in the container's cgroup that began since then and that nobody watches: what a runtime has
 * left that was killed, or that does not tell pids. Where orphans of the container fall to us as well, that would be a
 * guess, and is not made.
 */
void oci_kill_strays(struct backend_container *c, uint64_t since_ns);
/* Forget it: the call hears nothing. */
void oci_make_drop(struct oci_make *m);

/* oci_container.c: what the kernel tells of it. */
void oci_find_cgroup(struct backend_container *c);
int oci_pids(struct backend_container *c, pid_t **ret, size_t *ret_n, struct err *err);
int oci_stats(struct backend_container *c, const struct stats **ret, struct err *err);
