/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Container: the OCI operations on one container. The command line and the shim's native back end are its callers.
 *
 * Everything that waits for another process (set-up of init and execs, hooks, freezing) is started here and ends in
 * a call of the handler from the loop, never inside the call that started it. A command line runs the loop until
 * then; a shim goes on with other work.
 *
 * Owner    A struct container belongs to its caller, ended by container_free(), which leaves the container itself
 *          alone. Handlers get it back as an argument. container_free() in a handler is fine (released later).
 * Errors   Negative errno with *err; texts are those that clients match (spec/oci-runtime.md 1.6), without the
 *          prefix of the command. A failed create leaves nothing behind; a failed exec no process.
 * Blocks   Never, but for short waits of the kernel.
 * Context  Parent, single thread.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/pidref.h"
#include "container/host.h"
#include "container/state.h"
#include "oci/spec.h"

struct cgroup;
struct container;

enum container_status {
	CONTAINER_CREATING,
	CONTAINER_CREATED,
	CONTAINER_RUNNING,
	CONTAINER_PAUSED,
	CONTAINER_STOPPED,
};

const char *container_status_name(enum container_status s); /* the words of `state` */

struct container_handler {
	void *arg;
	/* A pty master arrived (terminal was asked for); the handler owns the fd. Before `done`. */
	void (*console)(void *arg, int master);
	/* The operation ended: err is NULL on success. `pid` of create/exec: container_init() / the exec's. */
	void (*done)(void *arg, const struct err *err);
};

/* ---- bundle ---- */

/*
 * Read DIR/config.json (or `config`, an absolute path), parse, validate. *ret_json is the document as it was read
 * (heap). Bundles that vanish, missing files and bad documents are one clear error.
 */
int container_load_bundle(const char *dir, const char *config, struct spec **ret_spec,
	char **ret_json, size_t *ret_size, struct err *err);

/* ---- create, start ---- */

struct container_create {
	const char *id;     /* checked here first */
	const char *bundle; /* absolute */
	struct spec *spec;  /* taken over on success and on failure */
	const char *json;   /* the document, for the private copy */
	size_t json_size;
	int stdio[3];          /* become 0-2 of init unless terminal; -EBADF: /dev/null */
	unsigned preserve_fds; /* 3.. stay open in the container at the same numbers */
	/* NOTIFY_SOCKET of our caller: the program gets one of its own; NULL: none. */
	const char *notify_socket;
	unsigned listen_fds; /* LISTEN_FDS: the first of them are these */
	bool start_by_socket; /* init waits on ROOT/ID/start.sock for another process (command line) */
	bool starts_at_once; /* container_start() follows by itself: it is on record as running already */
	bool no_pivot;
	bool no_new_keyring;
	/* The cgroup is a systemd unit. What the request points to is then needed until the operation has ended. */
	bool systemd_cgroup;
	const char *unit_prefix; /* of a scope that the document does not name; NULL: "reeve" */
	const char *
		subgroup; /* below the unit's cgroup on v2, for the container, where no annotation says; NULL: none */
	const char *sandbox_id; /* NULL: from the annotations */
};

/*
 * Bring a container to `created`. In the handler's done: state is saved, init waits. With start_by_socket init waits
 * on its own and the caller may leave; else container_start() releases it, and closing the container ends it.
 */
int container_create(const struct host *h, const struct container_create *req,
	const struct container_handler *handler, struct container **ret, struct err *err);

/*
 * Let the program run: done after execve succeeded (or failed: then init is gone). Checks the status first
 * ("cannot start an already running container", "cannot start a container that has stopped"). poststart hooks run
 * before done; if one fails the container is killed and deleted.
 */
int container_start(struct container *c, const struct container_handler *handler, struct err *err);

/*
 * Before container_start(): it ends only when the program has said READY=1, and then tells the socket `manager`
 * (NOTIFY_SOCKET). No effect unless the container was created with a notify socket. -ENOMEM.
 */
int container_notify(struct container *c, const char *manager, struct err *err);

/* ---- checkpoint, restore ---- */

struct container_criu {
	const char *criu;         /* program; NULL: `criu`, found in PATH */
	const char *images;       /* directory of the images */
	const char *work;         /* directory for criu's log; NULL: that of the images */
	const char *parent;       /* of an incremental one: relative to `images` */
	const char *cgroups_mode; /* ignore, soft, full, strict; NULL: soft */
	const char *page_server;  /* ADDRESS:PORT */
	const char *network_lock; /* iptables, nftables, skip; NULL: criu's own */
	const char *lsm_profile, *lsm_mount_context; /* restore */
	const char *const *empty_ns;                 /* namespaces that are made, but not filled */
	size_t n_empty_ns;
	int status_fd; /* 0: none */
	bool leave_running;
	bool pre_dump;
	bool tcp_established, tcp_skip_in_flight, tcp_close;
	bool ext_unix_sockets;
	bool shell_job;
	bool file_locks;
	bool link_remap;
	bool auto_dedup;
	bool lazy_pages;
};

/* Running or paused. Unless left running its processes are gone when it is done; the container is there until deleted. */
int container_checkpoint(struct container *c, const struct container_criu *o,
	const struct container_handler *handler, struct err *err);
/*
 * A container from images: when done its program runs, its init a child of ours (or of the guardian). Of `req` the id,
 * bundle, document and stdio count. The console comes before done.
 */
int container_restore(const struct host *h, const struct container_create *req,
	const struct container_criu *o, const struct container_handler *handler,
	struct container **ret, struct err *err);

/* ---- an existing container ---- */

/* Open by id; unknown: -ENOENT "container does not exist" in the text. The spec is the private copy's. */
int container_open(const struct host *h, const char *id, struct container **ret, struct err *err);
/*
 * The socket behind which init waits for container_start(): with a copy of it open, init outlives this process, and
 * another one that has opened the container goes on with container_adopt() (takes `sync` over), then container_start(),
 * which may be repeated. Borrowed; -EBADF: init waits for nothing.
 */
int container_sync(const struct container *c);
int container_adopt(struct container *c, int sync, struct err *err);
void container_free(struct container *c);
AUTO_FREE(struct container, container)

const char *container_id(const struct container *c);
/* The private copy of the configuration is read when it is first needed; until then container_spec() is NULL. */
int container_need_spec(struct container *c, struct err *err);
const struct spec *container_spec(const struct container *c);
/* For who keeps a container that runs: what is needed of the configuration later is read again. Within no operation. */
void container_forget_spec(struct container *c);
const struct state_record *container_record(const struct container *c);
/* Init; pid 0 when it is gone or never was. Valid as long as the container. */
const struct pidref *container_init(const struct container *c);
/* The caller has seen init's end, and reaped it where it is the parent: nothing asks for it again. */
void container_exited(struct container *c);
/* Computed: alive, frozen, started. */
enum container_status container_status(struct container *c);
/* Its cgroup, the container's; NULL: it has none. */
struct cgroup *container_cgroup(struct container *c);
/* True when the pid namespace is the container's own: the kernel ends everything with init. */
bool container_owns_pidns(const struct container *c);

struct container_exec {
	const struct spec_process
		*process; /* complete: args, env, cwd, user, ... (see container_exec_defaults) */
	int stdio[3];
	unsigned preserve_fds;
	const char *const
		*cgroups; /* below the container's cgroup (cgroup_below()); none: the container's */
	size_t n_cgroups;
	bool ignore_paused;
};

struct container_process; /* an exec that is on its way or runs */

/*
 * Start a further process. done(NULL) when it is at its barrier and container_exec_process() is known: record it, then
 * container_exec_release(); the second handler's done tells whether execve succeeded. On failure the process is
 * reaped (own reaper) or left to the exit source (shim).
 */
int container_exec(struct container *c, const struct container_exec *req,
	const struct container_handler *handler, struct container_process **ret, struct err *err);
const struct pidref *container_exec_process(const struct container_process *p);
int container_exec_release(
	struct container_process *p, const struct container_handler *handler, struct err *err);
/* As container_sync() and container_adopt(), for an exec between container_exec()'s done and its release. */
int container_exec_sync(const struct container_process *p);
int container_exec_adopt(struct container *c, const struct pidref *process, int sync,
	struct container_process **ret, struct err *err);
void container_exec_free(struct container_process *p);

/*
 * Fill what process.json leaves out from the container's own process: capabilities, labels, scheduler, priority and
 * processors. Not rlimits and noNewPrivileges: clients in Go leave out what is empty or false, and mean just that; runc and
 * crun take both from the document alone. Memory comes from `arena`.
 */
int container_exec_defaults(const struct container *c, struct spec_process *p, struct arena *arena);

/*
 * kill: init only, or all processes of its cgroup. SIGKILL without an own pid namespace reaches all. "container not
 * running" when it is stopped (all: success). A frozen container is thawed for SIGKILL.
 */
int container_kill(struct container *c, int sig, bool all, struct err *err);
/* Freeze and thaw, in at most two seconds. "container not running", "container not paused". */
int container_pause(struct container *c, const struct container_handler *handler, struct err *err);
int container_resume(struct container *c, const struct container_handler *handler, struct err *err);
/* Thaw at once, best effort, whoever froze it. A pause under way fails. */
void container_thaw(struct container *c);
/* All host pids of the cgroup subtree; heap array. */
int container_pids(struct container *c, pid_t **ret, size_t *ret_n, struct err *err);
/*
 * Absent fields stay as they are; devices are not touched; the result is saved. done may come within the call; where the
 * cgroup is a systemd unit it comes from the loop.
 */
int container_update(struct container *c, const struct spec_resources *r,
	const struct container_handler *handler, struct err *err);

/*
 * Mount what the document's `mounts` list into the container, all or none (directories and files made for it stay), or
 * (remove) unmount what is mounted last at their destinations, one after the other. Kept by nothing: a checkpoint does
 * not know of them. "container not running". Ends before the container is freed.
 */
int container_change_mounts(struct container *c, const struct spec *mounts, bool remove,
	const struct container_handler *handler, struct err *err);

/*
 * Delete: stopped: resources, state, poststop hooks. created: killed first. running or paused: error without force.
 * force: kills everything of the container and waits, at most ten seconds. Idempotent: every step may be repeated after a crash. done
 * comes after the poststop hooks, whose failures are only logged.
 */
int container_delete(
	struct container *c, bool force, const struct container_handler *handler, struct err *err);
