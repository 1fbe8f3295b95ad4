/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Guardian link: the worker's end of the socket to its guardian: fds stored by name, and fds that a
 * worker before this one has stored.
 *
 * Owner    guardian_link_open() takes the socket over, also on failure. Fds that came with the
 *          welcome are the link's until guardian_link_take(); an fd that is put stays the caller's and
 *          must be open until the flush.
 * Errors   0 or negative errno; -ENOTCONN: the guardian is gone.
 * Blocks   open: until all stored fds have come, 5 s at most. flush: while the socket is full, 2 s at
 *          most. enter: 2 s at most.
 * Context  Parent, on the loop's thread.
 *
 * What flush has sent is durable: it is in the guardian's hands whatever happens to the worker. What is queued is sent
 * by itself at the end of the loop's round.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "event/loop.h"

struct guardian_link;
struct guardian_shared;

int guardian_link_open(struct loop *l, int fd, struct guardian_link **ret, struct err *err);
void guardian_link_free(struct guardian_link *g); /* accepts NULL */
AUTO_FREE(struct guardian_link, guardian_link)

pid_t guardian_link_pid(const struct guardian_link *g);
/* 0: this is the first worker. */
uint32_t guardian_link_restarts(const struct guardian_link *g);
/* Wait status of the worker before, and when it was reaped; 0 for the first one. */
int guardian_link_last_status(const struct guardian_link *g);
uint64_t guardian_link_last_boot_ns(const struct guardian_link *g);

/* -ENAMETOOLONG; the name must fit GUARDIAN_NAME_SIZE with its NUL. A name that is stored is replaced. */
int guardian_link_put(struct guardian_link *g, const char *name, int fd);
/* In order with puts; unknown names are fine. A put of that name that is still queued is taken back. */
int guardian_link_drop(struct guardian_link *g, const char *name);
int guardian_link_flush(struct guardian_link *g, struct err *err);
/* It has dealt with all puts and drops so far. */
bool guardian_link_is_settled(const struct guardian_link *g);

/*
 * Let the guardian be in these namespaces (n 0: in those it began in), so that /proc/PID/ns of its pid are they. A worker
 * that it starts later is not in them. Waits for its answer, 2 s at most.
 */
int guardian_link_enter(struct guardian_link *g, const int *fds, size_t n, struct err *err);

/* Workers after us run this program. Durable when it returns. */
int guardian_link_set_program(struct guardian_link *g, int fd, struct err *err);

/* One of the fds that came with the welcome: now the caller's. -ENOENT. */
int guardian_link_take(struct guardian_link *g, const char *name);
/* Names that came with the welcome and were not taken, in the guardian's order; NULL at the end. Valid until the next take. */
const char *guardian_link_untaken(const struct guardian_link *g, size_t i);
/* Close and drop those that nobody has taken. */
void guardian_link_drop_untaken(struct guardian_link *g);

/* The guardian is gone: called once, from the loop. */
void guardian_link_on_lost(struct guardian_link *g, void (*fn)(void *arg), void *arg);
/* It could not store this one (code): then it does not outlive us. */
void guardian_link_on_refused(
	struct guardian_link *g, void (*fn)(void *arg, const char *name, int code), void *arg);

/* For ring.h: the memory that both share, the eventfd, and how the guardian is told that there is room again. */
struct guardian_shared *guardian_link_shared(struct guardian_link *g);
int guardian_link_eventfd(const struct guardian_link *g);
void guardian_link_tell_room(struct guardian_link *g);
