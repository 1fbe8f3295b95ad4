/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Stdio owner: who owns the pipes that become the standard streams of a process in a user namespace.
 *
 * Owner    The fds stay the caller's.
 * Errors   None: what may not be changed stays as it is.
 * Blocks   Never.
 * Context  Parent.
 */
#include "oci/spec.h"

/*
 * Give pipes and sockets that the namespace of `l` does not know to its root. Negative fds and streams of other kinds are left
 * alone, as is everything when `l` is NULL or maps no root.
 */
void stdio_owner_map(const int stdio[3], const struct spec_linux *l);
