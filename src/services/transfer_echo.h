/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Transfer echo: what comes through a stream for archives goes back through another one, unread. Clients try
 * their streams by it.
 *
 * Owner    An echo is the core's until it has answered; the messages may go when it has begun.
 * Errors   Negative errno with the call's err: it has not begun, and the call is not answered.
 * Blocks   Never.
 * Context  Parent, on the loop's thread.
 */
#include "services/core.h"

#include "proto/transfer.pb-c.h"

/* progress "": nobody wants to hear of it. */
int transfer_echo_start(
	struct core_call *c, const Pb__Any *from, const Pb__Any *to, const char *progress);
/* Of a core that ends. */
void transfer_echoes_end(struct core *core);
