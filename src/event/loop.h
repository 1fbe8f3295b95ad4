/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The loop: one thread, one epoll (or poll), level-triggered; fd sources, timers, deferred calls, child-exit
 * by pidfd.
 *
 * Owner    A source is embedded in its owner and must stay valid until loop_*_remove() returned AND
 * the round ended: release owners with loop_defer(). Removing a source in its own or another
 * handler is fine: no handler of a removed source runs, also not from the same batch of events.
 * Errors   Negative errno. A handler returns nothing: it deals with its failures.
 * Blocks   loop_run() and loop_round() wait in epoll; nothing else does.
 * Context  Parent, single thread.
 */
#include "base/mem.h"
#include <stdbool.h>
#include <stdint.h>

struct loop;
struct loop_fd;
struct loop_timer;
struct loop_deferred;

typedef void loop_fd_fn(
	struct loop_fd *s, uint32_t events); /* EPOLLIN | EPOLLOUT | EPOLLHUP | EPOLLERR */
typedef void loop_timer_fn(struct loop_timer *t);
typedef void loop_deferred_fn(struct loop_deferred *d);

struct loop_fd {
	struct loop *loop; /* NULL while not added */
	int fd;            /* not owned */
	uint32_t events;
	loop_fd_fn *fn;
	uint32_t generation; /* the loop's: tells a stale event in the same batch */
	uint32_t slot;
	/*
	 * Set after loop_fd_add(): its handler waits by itself for what is not there yet. In a brief loop that has nothing
	 * else to wait for it is called without being asked about, which saves a call.
	 */
	bool patient;
};

struct loop_timer {
	struct loop *loop;
	uint64_t deadline_ns; /* CLOCK_BOOTTIME, absolute */
	loop_timer_fn *fn;
	uint32_t heap_index;
};

struct loop_deferred {
	struct loop *loop;
	struct loop_deferred *next;
	loop_deferred_fn *fn;
};

int loop_new(struct loop **ret);
/*
 * The same for a command that waits for a few fds and leaves: by poll(2), without an epoll of its own and a call for each
 * source, as long as there are few. It has no quiet moments, and a source is all that watches its fd.
 */
int loop_new_brief(struct loop **ret);
bool loop_is_brief(const struct loop *l);
void loop_free(struct loop *l); /* accepts NULL; sources need not be removed before */
AUTO_FREE(struct loop, loop)

int loop_fd_add(struct loop *l, struct loop_fd *s, int fd, uint32_t events, loop_fd_fn *fn);
int loop_fd_modify(struct loop_fd *s, uint32_t events); /* events == 0 keeps only HUP and ERR */
void loop_fd_remove(struct loop_fd *s);                 /* idempotent; call before closing the fd */
/* Remove the source and close its fd: for one that has no copy here or elsewhere, which is all it takes; with a copy its
 * events would come for ever. Idempotent. */
void loop_fd_close(struct loop_fd *s);

int loop_timer_set(
	struct loop *l, struct loop_timer *t, uint64_t deadline_boot_ns, loop_timer_fn *fn);
void loop_timer_cancel(struct loop_timer *t); /* idempotent */

/* Run once at the end of this round, in the order of the calls. Adding one that is already queued
 * is a no-op. */
void loop_defer(struct loop *l, struct loop_deferred *d, loop_deferred_fn *fn);
void loop_defer_cancel(struct loop_deferred *d);

/*
 * Call fn when no fd had anything for `after_ms`, and not again before one had; NULL: no more. What a busy moment has left
 * is tidied up then. It costs no call while there is work. fn may wait as well: `fd` is readable when there is something
 * for the loop, and `timeout_ms` is for a timer (-1: none).
 */
typedef void loop_quiet_fn(void *arg, int fd, int timeout_ms);
void loop_on_quiet(struct loop *l, uint32_t after_ms, loop_quiet_fn *fn, void *arg);

/* One round: wait at most timeout_ms (-1 for ever), run what is due. */
int loop_round(struct loop *l, int timeout_ms);
/* Rounds until loop_stop(); returns the code given there, or a negative errno of epoll. */
int loop_run(struct loop *l);
void loop_stop(struct loop *l, int code);
