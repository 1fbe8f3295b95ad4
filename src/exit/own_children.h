/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Own children: the source of exits where this process is parent and subreaper of what it runs:
 * SIGCHLD by signalfd, then every zombie in turn until none is left, for signals coalesce
 * (RACE-15).
 *
 * Who makes a child and wants its status either watches for it (exit.h) before the loop's round
 * ends, or claims it and waits for it alone. All other zombies are orphans of containers: reaped
 * and dropped.
 *
 * Owner    A claim is embedded in its owner and stays valid until own_children_unclaim(). Free the
 *          source after its claims, before its loop and exit source.
 * Errors   Negative errno.
 * Blocks   Never.
 * Context  Parent. SIGCHLD must be blocked in this process (main's task), so that the signalfd gets
 *          it.
 */
#include <sys/types.h>

#include "event/loop.h"
#include "exit/exit.h"

struct own_children;

struct own_children_claim {
	struct own_children *source; /* NULL while not claimed */
	struct own_children_claim *next;
	pid_t pid;
};

int own_children_new(struct loop *l, struct exit_source *to, struct own_children **ret);
void own_children_free(struct own_children *c); /* accepts NULL */
AUTO_FREE(struct own_children, own_children)

/* This child's status belongs to its owner, who reaps it by waitid(2) and then unclaims it. */
void own_children_claim(struct own_children *c, struct own_children_claim *claim, pid_t pid);
void own_children_unclaim(struct own_children_claim *claim); /* idempotent */
