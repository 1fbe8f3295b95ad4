/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Exit: where exits come from. Whoever made a process watches for its exit here; nothing above
 * waits for a process.
 *
 * A source feeds what it learns into exit_report(): our own children (own_children.h), the
 * guardian's ring (ring.h), a held pidfd (pidfd_info.h), later a map in the kernel. Exits are matched by identity. One that comes
 * before anybody can watch for it (RACE-1, 2) is kept while an expectation is open that was opened
 * before it.
 *
 * Owner    Watches and expectations are embedded in their owners and stay valid until removed or
 *          ended. A watch is removed before its function is called.
 * Errors   Negative errno.
 * Blocks   Never.
 * Context  Parent, on the loop's thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/pidref.h"
#include "event/loop.h"

struct exit_info {
	pid_t pid;
	uint64_t inode;      /* of its pidfd; 0 = not known */
	uint64_t start_time; /* 0 = not known */
	int wait_status;     /* as from wait(2) */
	uint64_t boot_ns;
	uint64_t wall_ns;
	/* Whoever reports it keeps it under this number, which grows; 0: does not. */
	uint64_t record;
};

struct exit_watch;
typedef void exit_fn(struct exit_watch *w, const struct exit_info *info);

struct exit_watch {
	struct exit_source *source; /* NULL while not added */
	struct exit_watch *next;    /* in its bucket */
	pid_t pid;
	uint64_t inode;
	uint64_t start_time;
	int pidfd;      /* borrowed of `who` while it is watched; -EBADF */
	uint32_t place; /* the registry's */
	exit_fn *fn;
	/*
	 * May be set right after exit_watch_add(): asked once when the exit is there; true: fn is called after
	 * exit_watch_go_on() only, and until then the exit counts as one that nobody was told.
	 */
	bool (*hold)(struct exit_watch *w);
	bool held;
	bool early; /* the exit below was kept or is held, and is delivered at the end of a round */
	struct exit_info info;
	struct loop_deferred deferred;
};

/* "A process is being made whose pid is not known yet." */
struct exit_expect {
	struct exit_source *source; /* NULL while not open */
	struct exit_expect *next;
	uint64_t since; /* exits up to this number are not its concern */
};

struct exit_source;

int exit_source_new(struct loop *l, struct exit_source **ret);
void exit_source_free(struct exit_source *s); /* accepts NULL */
AUTO_FREE(struct exit_source, exit_source)

/*
 * `fn` is called once from the loop, never from here, also when the process has exited already. who->fd stays open
 * while it is watched.
 */
void exit_watch_add(
	struct exit_source *s, struct exit_watch *w, const struct pidref *who, exit_fn *fn);
void exit_watch_remove(struct exit_watch *w); /* idempotent */
void exit_watch_go_on(struct exit_watch *w);  /* what hold() held up; nothing if it did not */

void exit_expect_begin(struct exit_source *s, struct exit_expect *e);
void exit_expect_end(struct exit_expect *e); /* idempotent */

/*
 * A process of this number has exited while its exit was expected, and nobody has watched for it yet. Ask again when it
 * may only be on its way.
 */
bool exit_is_kept(const struct exit_source *s, pid_t pid);

/*
 * For those that feed it. A process has exited and is reaped: exit_report() is false when nobody
 * watches for it and it was not kept (an orphan). An exit that must be kept may only be reaped
 * while exit_has_room(); those who wait for room are called when there is some again.
 */
bool exit_report(struct exit_source *s, const struct exit_info *info);
/*
 * The lowest record of those that were reported and that no watch has been called for yet, though one may be: they end
 * with us. UINT64_MAX: there is none. registry.look() is called when it may have changed.
 */
uint64_t exit_oldest_record(const struct exit_source *s);
bool exit_is_watched(const struct exit_source *s, pid_t pid);
bool exit_is_expected(const struct exit_source *s);
bool exit_has_room(const struct exit_source *s);
/* The lowest watched pid above this one; 0 when there is none. */
pid_t exit_next_watched(const struct exit_source *s, pid_t after);
/* Its pidfd, or -EBADF. */
int exit_watched_pidfd(const struct exit_source *s, pid_t pid);

/* Embedded in one who feeds; called each time, until it is removed. */
struct exit_room {
	struct exit_room *next;
	void (*fn)(struct exit_room *r);
};
void exit_room_add(struct exit_source *s, struct exit_room *r, void (*fn)(struct exit_room *r));
void exit_room_remove(struct exit_source *s, struct exit_room *r); /* idempotent */

/*
 * For one whose exits another process collects: it is told of every watch, and whether anything is expected. What add()
 * returns comes back with remove().
 */
struct exit_registry {
	void *arg;
	uint32_t (*add)(void *arg, pid_t pid);
	void (*remove)(void *arg, uint32_t place);
	void (*expect)(void *arg, bool anything);
	/* Somebody asks for an exit that has not been reported, or one that was has been dealt with. */
	void (*look)(void *arg);
};
void exit_set_registry(struct exit_source *s, const struct exit_registry *r); /* NULL: none */
