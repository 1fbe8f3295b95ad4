/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * systemd: one order to it, over D-Bus.
 *
 * Owner    What is started outlives the call.
 * Errors   Told through `news`; the return value is the exit status.
 * Blocks   Half a minute at most; then, in a scope that it has started, until the other end of `news` is closed.
 * Context  reeve-helper only.
 */
#include <stddef.h>

/* `news`: a socket, and words: the order, as unit_wire.h says. */
int systemd_main(int news, char *const *words, size_t n);
