/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * State record: what is remembered of a container between two calls of the runtime (docs/formats/state.md).
 *
 * Owner    The caller ends a record with state_record_done(), which accepts zero and done ones. Strings live in its arena.
 * Errors   Negative errno with *err; -EBADMSG: the bytes are no record.
 * Blocks   Never.
 * Context  Parent. Parsing and writing are pure.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/pidref.h"
#include "base/str.h"

struct fd_spent;

#define STATE_RECORD_MAX (1u << 20)
#define STATE_VERSION 1

struct json_object;

/* What was last intended; what is true now is computed from the processes and the freezer. */
enum state_status {
	STATE_CREATING,
	STATE_CREATED,
	STATE_RUNNING,
	STATE_PAUSED,
	STATE_STOPPED,
	STATE_DELETING,
};

enum state_cgroup_layout {
	STATE_CGROUP_NONE,
	STATE_CGROUP_V1,
	STATE_CGROUP_V2,
	STATE_CGROUP_HYBRID,
};

enum state_sandbox_type {
	STATE_SANDBOX_SINGLE,  /* no annotation: a container by itself */
	STATE_SANDBOX_SANDBOX, /* the root container of its sandbox */
	STATE_SANDBOX_MEMBER,
};

struct state_record {
	struct arena arena;
	struct json_object *document; /* as it was read: what we do not know is written back */

	uint64_t version;    /* 0: STATE_VERSION; a record keeps the version that it had */
	uint64_t generation; /* counts saves */
	const char *id;
	const char *bundle;      /* absolute */
	const char *rootfs;      /* absolute */
	uint64_t created_ns;     /* wall clock */
	uint64_t owner;          /* uid */
	const char *oci_version; /* of the config */
	uint64_t status;         /* enum state_status */

	uint64_t init_pid; /* 0: none; see state_record_init() */
	uint64_t init_start_time;
	uint64_t init_inode;
	const char *boot_id; /* in which the pid counted; NULL: the record ends with the boot */

	uint64_t cgroup_layout;             /* enum state_cgroup_layout */
	const char *cgroup_path;            /* below the mount of each hierarchy */
	const char *cgroup_unit;            /* systemd unit; NULL: files */
	const char *cgroup_unit_invocation; /* its 32 hex digits; NULL: not known to have started */
	const char **cgroup_dirs; /* lines of cgroup_to_record(); before anything of it is made */
	size_t n_cgroup_dirs;
	const char **
		streams; /* "pipe:[4711]": what 0-2 of init were when it was made; "/dev/null": nothing of note */
	size_t n_streams;
	const char *resctrl_dir; /* resctrl group of the container, NULL: none */
	const char *resctrl_monitor_dir;

	const char *sandbox_id;
	uint64_t sandbox_type; /* enum state_sandbox_type */

	bool own_pidns; /* the kernel ends everything with init */
	bool terminal;
	bool poststart_hooks;
	bool poststop_hooks;
	bool notify_socket;
	bool no_process;      /* the config has none: it cannot be started */
	bool session_keyring; /* init has one of its own */
	bool rootless;
	bool resctrl_made;  /* resctrl_dir is ours to remove */
	bool has_exit;      /* exit_status and exited_ns count */
	bool has_oom_score; /* oom_score counts */
	uint64_t exit_status;
	uint64_t exited_ns; /* wall clock */
	int64_t oom_score;  /* of a sandbox's first process before it followed the members */
	bool has_own_oom_score;
	int64_t own_oom_score; /* process.oomScoreAdj of the config */
};

void state_record_done(struct state_record *r);
/* A copy of `s` in the record's arena; NULL for NULL or when memory is gone. */
const char *state_record_string(struct state_record *r, const char *s);
/* Append to cgroup_dirs: before the directory is made, so that a crash leaves nothing unknown. -ENOMEM. */
int state_record_add_cgroup_dir(struct state_record *r, const char *path);
/* outlives_boot: the record may be read in a later boot of the machine, and then says which one it was. */
void state_record_set_init(struct state_record *r, const struct pidref *init, bool outlives_boot);
/* The boot that is, for state_record_set_init() to find it done: where it can be read beside other files. */
void state_record_set_boot(struct state_record *r, struct fd_spent *spent);
/* Open init if it still is the process of the record; -ESRCH when it is gone, reused or of another boot. */
int state_record_init(const struct state_record *r, struct fd_spent *spent, struct pidref *ret);

/* The file's bytes; pure. Versions 1 and 2 are read, the CRC and the type of every known field are checked. */
int state_record_parse(const char *data, size_t size, struct state_record *ret, struct err *err);
int state_record_write(const struct state_record *r, struct buf *out);
const char *state_status_name(enum state_status s);
