/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * State: the directory ROOT in which containers are known by id, and the record of each.
 *
 *	ROOT/               0700, ours, opened once
 *	ROOT/ID/            one per container, flock: writers; also holds config.json (private copy) and start.sock of create
 *	ROOT/ID/state       the record (docs/formats/state.md): replaced as a whole, so readers take no lock
 *	ROOT/.tmp.RANDOM/   a container that is being made; stale when its lock is free
 *	ROOT/.del.RANDOM/   one that is being removed; may go at any time
 *
 * Owner    The caller ends a struct state_dir and a struct state with _done(), which accept zero and done ones. A
 *          struct state keeps a pointer to its directory. Strings of a record live in its arena.
 * Errors   Negative errno with *err. Unknown id: -ENOENT and a text with "container does not exist". Id in use: -EEXIST and
 *          "container with given ID already exists". Damaged record: -EBADMSG. Locked for more than ten seconds: -EBUSY.
 * Blocks   Waits for a lock at most ten seconds, which others hold only briefly: nobody keeps it while hooks run or while
 *          another process is waited for.
 * Context  Parent.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

#include "base/err.h"
#include "container/state_record.h"

struct fd_spent;

#define STATE_ID_MAX 220 /* NAME_MAX less what cgroup and unit names put around an id */
#define STATE_DEFAULT_ROOT "/run/reeve"

/* ---- the directory ---- */

struct state_dir {
	int fd;
	char *path;             /* absolute */
	bool in_memory;         /* of a file system that ends with the boot */
	struct fd_spent *spent; /* where fds go that are done with; NULL: they are closed */
	bool brief; /* for one command: a record that it saves stays open, which saves calls */
};

#define STATE_DIR_NULL ((struct state_dir){ .fd = -9 })

/*
 * Where containers of this user are known: "/run/reeve", or "$XDG_RUNTIME_DIR/reeve" for others than root and for a
 * root of a user namespace that is not called so. Heap.
 */
int state_default_root(char **ret, struct err *err);

/*
 * Open ROOT; NULL: the default. Refused: "", what is the root directory, a link, a directory of somebody else or writable for
 * all, NFS. create: make it (0700) if missing; else -ENOENT.
 */
int state_dir_open(const char *root, bool create, struct state_dir *ret, struct err *err);
void state_dir_done(struct state_dir *d);

/* Remove what crashes left: .tmp.* without a holder and .del.*. Failures are not told: the next one tries again. */
void state_sweep(struct state_dir *d);

/* All ids, sorted; heap array of heap strings, ended by state_list_free(). Sweeps when it sees that there is something. */
int state_list(struct state_dir *d, char ***ret_ids, size_t *ret_n, struct err *err);
void state_list_free(char **ids, size_t n);

/* ---- one container ---- */

/* Letters, digits, '_', '+', '.', '-'; not first '.'; 1 to STATE_ID_MAX. Call before anything else is done with an id. */
int state_id_check(const char *id, struct err *err);

/*
 * The id that is meant: `id` itself if it exists, else the only one that begins with it, when it has at least `min_prefix`
 * characters (0: never). Several: -EINVAL, naming them.
 */
int state_resolve_id(struct state_dir *d, const char *id, size_t min_prefix,
	char ret[STATE_ID_MAX + 1], struct err *err);

enum state_access {
	STATE_READ,  /* no lock: a consistent snapshot */
	STATE_WRITE, /* locked */
	STATE_SALVAGE, /* locked; a damaged record is no error: `damaged` is set, only the id is known */
};

struct state {
	struct state_dir *dir;
	int dirfd; /* ROOT/ID; the lock is its */
	bool locked;
	bool damaged;
	bool removed; /* by ourselves */
	struct state_record record;
	struct state_seen {
		dev_t dev;
		ino_t ino; /* 0: not known */
		off_t size;
		struct timespec written, changed;
	} seen;   /* the record's file as we saved it */
	int kept; /* or that file itself, in a brief directory; <= 0: not */
};

#define STATE_NULL ((struct state){ .dirfd = -9 })

/* A file that a container's directory has from the beginning. */
struct state_file {
	const char *name;
	const void *data;
	size_t size;
};

/*
 * Claim the id of s->record. `s` is STATE_NULL but for the record, which the caller has filled in as far as it is
 * known, the id at least; time and status (creating) are set here. The directory appears with its lock held, the record
 * and the files in it. Whoever comes second gets -EEXIST and must not clean up.
 */
int state_create(struct state_dir *d, struct state *s, const struct state_file *files,
	size_t n_files, struct err *err);
int state_open(struct state_dir *d, const char *id, enum state_access access, struct state *ret,
	struct err *err);

/* Replace the record on disk. The lock must be held. On failure (-ENOSPC...) the old one stands. */
int state_save(struct state *s, struct err *err);

/* Let others in while hooks run or processes are waited for; the record in memory stays. */
void state_unlock(struct state *s);
/* Another one holds the lock now: whoever creates the container is at work. */
bool state_is_locked(const struct state *s);
/* Lock again; the record is read again if others saved it meanwhile. -ENOENT: deleted meanwhile. */
int state_relock(struct state *s, struct err *err);

/* Forget the container: directory renamed away under the lock, then removed. Ends lock and dirfd; state_done() is still due. */
int state_remove(struct state *s, struct err *err);
void state_done(struct state *s);
