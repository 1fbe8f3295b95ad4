/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Embedded: the tasks that have no shim: the supervisor in this process, behind the same orders as those of a shim
 * (task_manager.h), with the same bundles.
 *
 * Owner    The caller owns *ret and ends it with embedded_free(), outside of the loop's round; what a config points to
 *          must live as long.
 * Errors   0 or negative errno with *err; orders are answered by answered(), exactly once.
 * Blocks   Local file systems; never for another process.
 * Context  Parent, on the loop's thread.
 */
#include "manager/shim_task.h"

#include "proto/events.pb-c.h"

struct backend;
struct embedded;
struct exit_recorder;
struct exit_source;
struct fdtable;
struct host;

struct embedded_config {
	struct loop *loop;
	struct log *log;
	const struct backend *backend;
	void *backend_arg;
	struct exit_source *exits;
	const struct exit_recorder *recorder; /* as in supervisor_config.h */
	struct fdtable *fds;
	const struct host *host;
	pid_t shim_pid;  /* of the guardian: what Connect says */
	int journal_dir; /* supervisor_config.h */
	const char *journal_name;
	/* Runtimes whose tasks are embedded, up to a NULL; NULL: those that this project and containerd have by default. */
	const char *const *runtimes;
};

struct embedded_host {
	void *arg;
	void (*answered)(void *arg, uint64_t tag, const struct shim_answer *a);
	/* In the order of the state machine, one task's with another's. May be told twice, across our own death. */
	void (*published)(void *arg, const Pb__Events__Envelope *e);
};

int embedded_new(const struct embedded_config *config, const struct embedded_host *host,
	const struct bundle_store *store, struct embedded **ret, struct err *err);
void embedded_free(struct embedded *e);
AUTO_FREE(struct embedded, embedded)

/* Whether a container with this runtime has its task here. */
bool embedded_wants(const struct embedded *e, const char *runtime);

/* Take up what an earlier worker has left: once, before everything else. */
int embedded_load(struct embedded *e, struct err *err);
/*
 * A bundle that says that its task is embedded, and of which nothing is known: what is left of it is removed. -EBUSY: something of it
 * was killed and is about to end; it is tried again.
 */
void embedded_clear(struct embedded *e, const char *ns, const char *id);
/* A work directory without a bundle, of a task that nobody knows: true when it is one of ours and is dealt with, as above. */
bool embedded_clear_lost(struct embedded *e, const char *ns, const char *id);
/* What the bundle says of whose it is. */
bool embedded_is_bundle(int bundle);

void embedded_create(struct embedded *e, uint64_t tag, const struct shim_create *req);
void embedded_delete(struct embedded *e, uint64_t tag, const char *ns, const char *id);
void embedded_call(struct embedded *e, uint64_t tag, const char *ns, const char *id,
	const char *method, const ProtobufCMessage *request, uint64_t deadline_boot_ns);

/* Created, and not deleted. */
bool embedded_has(const struct embedded *e, const char *ns, const char *id);
/* Also one that is being made or removed: its id is in use. */
bool embedded_knows(const struct embedded *e, const char *ns, const char *id);
void embedded_each(const struct embedded *e, const char *ns,
	void (*fn)(void *arg, const char *ns, const char *id), void *arg);
size_t embedded_count(const struct embedded *e);
