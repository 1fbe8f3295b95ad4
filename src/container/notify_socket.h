/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Notify socket: sd_notify(3) of a container's program. A directory of the container's state is mounted into it; `start`
 * makes the socket there, waits for READY=, and tells the service manager that line, the main process, and no more.
 *
 * Owner    The caller's, ended by notify_socket_free(), which accepts NULL; the directory goes with the state.
 * Errors   Negative errno with *err.
 * Blocks   Never.
 * Context  Parent.
 *
 * Source: sd_notify(3), spec/oci-runtime.md 1.7.
 */
#include "base/err.h"
#include "base/pidref.h"
#include "event/loop.h"

#define NOTIFY_SOCKET_DIR "notify"
#define NOTIFY_SOCKET_INSIDE "/run/notify" /* where that directory is in the container */
#define NOTIFY_SOCKET_ENV "NOTIFY_SOCKET=" NOTIFY_SOCKET_INSIDE "/notify.sock"

struct notify_socket;

/* The directory, below that of the container's state. */
int notify_socket_make_dir(int state_dirfd, struct err *err);

/* Bind the container's socket. `manager` is the service manager's: a path, or abstract ("@..."). -ENOENT: no directory. */
int notify_socket_open(
	int state_dirfd, const char *manager, struct notify_socket **ret, struct err *err);
/* done comes once, from the loop: the manager was told, or the process has ended. `init` must live that long. */
int notify_socket_wait(struct notify_socket *n, struct loop *l, const struct pidref *init,
	void (*done)(void *arg), void *arg, struct err *err);
void notify_socket_free(struct notify_socket *n);
