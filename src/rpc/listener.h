/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Listener: accepts connections on a unix socket, from peers with our own uid and gid only
 * (spec/shim.md 1.7). Others are closed without a word.
 *
 * Owner    The caller owns *ret and ends it with listener_free(), outside of accept(). Takes over
 *          the fd.
 * Errors   0 or negative errno with *err.
 * Blocks   Never. Without fds or memory it looks away, for 1 ms at first and 1 s at most.
 * Context  Parent, on the loop's thread.
 */
#include "base/err.h"
#include "base/log.h"
#include "event/loop.h"

struct listener;

struct listener_config {
	struct loop *loop;
	struct log *log; /* NULL: nowhere */
	/* True while no more connections can be had; asked before each accept. NULL: never. */
	bool (*full)(void *arg);
	/* Takes the connection's fd over in any case. An error makes the listener back off. */
	int (*accepted)(void *arg, uint32_t tag, int fd);
	void *arg;
	uint32_t tag; /* for accepted(): which listener */
};

int listener_new_take_fd(
	const struct listener_config *config, int fd, struct listener **ret, struct err *err);
void listener_free(struct listener *l);
AUTO_FREE(struct listener, listener)
