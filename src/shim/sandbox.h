/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Sandbox: a pod without a container of its own: its namespaces, its files, and the pid by which containerd names the
 * namespaces to the containers that join (spec/shim.md 3.3).
 *
 *	created --start--> ready --stop, or its holder died--> stopped --destroy--> gone
 *	   `------------------------- stop -----------------------^
 *
 * With an fd table it outlives the worker: the table keeps its bundle, where its record is. Only one that was created and
 * not started cannot be started by the next worker, for what was asked of it is not on record.
 *
 * Owner    The caller owns *ret and ends it with sandbox_free(), which leaves what the kernel holds alone: that is
 *          sandbox_destroy()'s. Everything in the config must outlive it.
 * Errors   Negative errno with *err. -EBUSY: not in this state.
 * Blocks   Local files, and as container/sandbox_ns.h.
 * Context  Parent, on the loop's thread.
 */
#include "base/log.h"
#include "container/stats.h"
#include "exit/exit.h"
#include "shim/sandbox_record.h"
#include "shim/sandbox_spec.h"

struct fdtable;
struct guardian_link;
struct sandbox;

struct sandbox_config {
	struct loop *loop; /* for sandbox_reload() */
	struct log *log;
	struct exit_source *exits;
	struct guardian_link *guardian; /* NULL: we have none */
	struct fdtable *fds;            /* NULL: it ends with us */
	void *arg;
	void (*stopped)(void *arg); /* once; may come from sandbox_stop() */
};

int sandbox_create(const struct sandbox_config *config, const char *id, const char *bundle,
	const char *netns, const Pb__Any *options, struct sandbox **ret, struct err *err);
/* Take up the one that an earlier worker has left in the fd table. -ENOENT: it has left none. */
int sandbox_reload(const struct sandbox_config *config, struct sandbox **ret, struct err *err);
int sandbox_start(struct sandbox *s, struct err *err);
/* Idempotent. Containers that still run are not its business, but where they share its pid namespace they end. */
void sandbox_stop(struct sandbox *s);
/* Take away what is left of a stopped one. Idempotent. */
int sandbox_destroy(struct sandbox *s, struct err *err);
void sandbox_free(struct sandbox *s);

/* `delete` was called for it from outside (bundle_record.h): whoever called tells its end, and wants it gone. */
bool sandbox_is_deserted(const struct sandbox *s);
/* So it is; the caller may know. */
void sandbox_remove_mark(const struct sandbox *s);
AUTO_FREE(struct sandbox, sandbox)

const struct sandbox_record *sandbox_record(const struct sandbox *s);
/* Whose /proc/PID/ns are the sandbox's namespaces; 0 when it is not ready. */
pid_t sandbox_pid(const struct sandbox *s);

/* A container is about to be created from this bundle: see sandbox_files_join(). */
int sandbox_join(struct sandbox *s, const char *bundle, struct err *err);

/* Of the pod's cgroup, in which the containers' are. -ENOENT: it is not there, or was not told. */
int sandbox_stats(const struct sandbox *s, struct stats *ret, struct err *err);

/*
 * For the call that cleans up after a dead shim: end what the sandbox left that is in this bundle. Its containers are
 * another's business.
 */
int sandbox_clean_up(const char *bundle, const struct sandbox_record *record, struct err *err);
