/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * OCI: the back end that drives the binary of an OCI runtime (runc, crun, runsc, ...) by its command line. Which one, and
 * where it keeps its state, are options of each container.
 *
 * Every call is a process of its own with a limit in time; none is waited for. Processes of containers fall to us, or to
 * the guardian, when the runtime that made them has ended: their exits come from the exit source, which must be expecting
 * some while a create, a restore or an exec is under way.
 *
 * What differs from the runtime in process: an exec runs at once and not after exec_release(), for no runtime waits.
 *
 * Owner    oci_new() gives the `arg` of all operations; ended with oci_free() after every container is freed, one round
 *          of the loop before the loop.
 * Errors   As backend.h; what the runtime says, without a prefix of ours.
 * Blocks   As backend.h.
 * Context  Parent, on the loop's thread.
 */
#include "base/err.h"
#include "base/log.h"
#include "container/reaper.h"
#include "event/loop.h"
#include "exit/exit.h"
#include "supervisor/backend.h"

struct oci;

struct oci_config {
	struct loop *loop;
	struct log *log;
	struct reaper reaper; /* who reaps the runtimes themselves */
	struct exit_source *exits;
	pid_t orphans_to;   /* who becomes parent of what a runtime has made; 0: we do */
	const char *search; /* as $PATH, for names; NULL: nowhere */
	uint64_t limit_ns;  /* of every call; 0: by its kind, one minute and more */
};

#define OCI_STATE_ROOT "/run/containerd/runc"

extern const struct backend oci_backend;

int oci_new(const struct oci_config *config, struct oci **ret, struct err *err);
void oci_free(struct oci *o);
