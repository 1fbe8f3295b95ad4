/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Request, response, event: what doors (ttrpc, gRPC) and the supervisor say to each other, as plain
 * structs after spec/shim.md 3.1 and 3.4. No wire format is known here.
 *
 * Owner    All pointers are borrowed: of a request until supervisor_request() returned, of a
 *          response or event until the sink's function returned. Strings may be NULL where empty is
 *          meant.
 * Errors   A response has a code (enum task_code), with a text for people.
 * Blocks   Never.
 * Context  Parent.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "task/terms.h"

// clang-format off
#define REQUEST_TYPES(_) \
	_(CREATE,     "Create") \
	_(START,      "Start") \
	_(DELETE,     "Delete") \
	_(EXEC,       "Exec") \
	_(STATE,      "State") \
	_(PIDS,       "Pids") \
	_(PAUSE,      "Pause") \
	_(RESUME,     "Resume") \
	_(CHECKPOINT, "Checkpoint") \
	_(KILL,       "Kill") \
	_(RESIZE_PTY, "ResizePty") \
	_(CLOSE_IO,   "CloseIO") \
	_(UPDATE,     "Update") \
	_(WAIT,       "Wait") \
	_(STATS,      "Stats") \
	_(CONNECT,    "Connect") \
	_(SHUTDOWN,   "Shutdown")
// clang-format on

enum request_type {
#define REQUEST_ENUM(name, text) REQ_##name,
	REQUEST_TYPES(REQUEST_ENUM)
#undef REQUEST_ENUM
		REQ_TYPES_,
};

const char *request_type_name(enum request_type type); /* "Create" */

/* containerd.types.Mount */
struct request_mount {
	const char *type;
	const char *source;
	const char *target; /* below the rootfs; empty = the rootfs itself */
	const char *const *options;
	size_t n_options;
};

/* containerd.runc.v1.Options after decoding (also from runtimeoptions' TOML): spec/shim.md 3.2. */
struct request_options {
	bool no_pivot_root;
	bool no_new_keyring;
	bool systemd_cgroup;
	uint32_t io_uid; /* owner of the container's ends of its pipes */
	uint32_t io_gid;
	uint32_t io_drain_ms;    /* Delete waits at most so long for output; 0: the supervisor's */
	bool io_direct;          /* the init gets the client's output fifos themselves */
	const char *binary_name; /* empty: our own runtime, in process */
	const char *root;        /* runtime state root; empty = /run/containerd/runc */
	const char *criu_path;
	const char *criu_image_path;
	const char *criu_work_path;
};

/* The standard streams as clients name them; a scheme of `out` decides the kind (5.1). */
struct request_stdio {
	const char *in;
	const char *out;
	const char *err;
	bool terminal;
};

struct request_create {
	const char *bundle; /* absolute */
	const struct request_mount *rootfs;
	size_t n_rootfs;
	struct request_stdio stdio;
	const char *checkpoint; /* image directory to restore from; empty = an ordinary create */
	const char *parent_checkpoint;
	struct request_options options;
};

struct request_exec {
	struct request_stdio stdio;
	const char *spec; /* JSON of an OCI process, not NUL-terminated */
	size_t spec_size;
};

struct request_checkpoint {
	const char *path;
	const char *work_path;
	const char *parent_path;
	bool exit;
	bool open_tcp;
	bool external_unix_sockets;
	bool terminal;
	bool file_locks;
	const char *const *empty_namespaces;
	size_t n_empty_namespaces;
};

struct request {
	enum request_type type;
	const char *ns;            /* of the socket that accepted the connection (2.2) */
	const char *id;            /* container */
	const char *exec_id;       /* NULL or "": the init; the new id in REQ_EXEC */
	uint64_t deadline_boot_ns; /* CLOCK_BOOTTIME; 0 = none */
	union {
		struct request_create create;
		struct request_exec exec;
		struct request_checkpoint checkpoint;
		struct {
			uint32_t signal;
			bool all;
		} kill;
		struct {
			uint32_t width;
			uint32_t height;
		} resize;
		struct {
			const char *resources; /* JSON of OCI linux.resources, not NUL-terminated */
			size_t size;
		} update;
	};
};

struct response_pid {
	uint32_t pid;
	const char *exec_id; /* NULL: the init, or a process that no request started */
};

struct response {
	enum request_type type;
	enum task_code code; /* CODE_OK, or why not */
	const char *text;    /* "container not created: not found"; NULL when code is CODE_OK */

	/* Create, Start, Delete, State: 0 where there is no process. */
	uint32_t pid;
	/* Delete, State, Wait. exited_wall_ns == 0: has not exited, sent as the year 1. */
	uint32_t exit_status;
	uint64_t exited_wall_ns;

	union {
		struct {
			const char *id; /* of the process: container id, or exec id for an exec */
			const char *bundle;
			enum task_status status;
			struct request_stdio stdio; /* exactly as given in Create or Exec */
		} state;
		struct {
			const struct response_pid *pids;
			size_t n;
		} pids;
		struct {
			const struct stats *stats; /* container/stats.h */
		} stats;
		struct {
			uint32_t shim_pid;
			uint32_t task_pid;
		} connect;
	};
};

/* One event of a task, spec/shim.md 3.4. Fields that a topic does not have are zero. */
struct event {
	enum task_topic topic;
	uint64_t
		task; /* its number: never used twice in the life of a supervisor and its successors */
	uint64_t sequence; /* of the task, 1, 2, 3, ...: the order that subscribers must see */
	uint64_t wall_ns;  /* Envelope.timestamp: when queued */
	const char *ns;
	const char *id;       /* container_id */
	const char *exec_id;  /* exec-added, exec-started; of an exit: NULL is the init */
	uint32_t pid;         /* create (0 for a checkpoint), start, exec-started, exit, delete */
	uint32_t exit_status; /* exit, delete */
	uint64_t exited_wall_ns; /* exit, delete; 0 = never ran, sent as the year 1 */
	/* create */
	const char *bundle;
	const struct request_mount *rootfs;
	size_t n_rootfs;
	struct request_stdio stdio;
	const char *checkpoint; /* create, checkpointed */
};
