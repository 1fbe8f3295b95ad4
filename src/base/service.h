/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Service: what a service manager such as systemd has for the programs that it runs: what it passes to them, and what they tell it.
 *
 * Owner    fds that come back are the caller's.
 * Errors   Negative errno.
 * Blocks   Never.
 * Context  Parent. Values of the environment are arguments: NULL where a variable is not set.
 *
 * Sources: sd_notify(3), sd_listen_fds(3), systemd.exec(5).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Tell it these lines. `manager`: NOTIFY_SOCKET, a path or abstract ("@..."); NULL: nobody is there. */
int service_notify(const char *manager, const char *lines);

/* Does the journal read what this fd is written? `stream`: JOURNAL_STREAM. */
bool service_is_journal(const char *stream, int fd);

/* Every how often the manager wants to hear WATCHDOG=1, in ns; 0: it does not. */
uint64_t service_watchdog_ns(const char *usec, const char *pid);

/*
 * The sockets that were passed, from fd 3 on: LISTEN_FDS, when LISTEN_PID says that they are ours. They are
 * moved away from there and close on exec. *ret_n is set to their number, also when there is no room for all
 * (-E2BIG) and they stay where they are.
 */
int service_take_fds(const char *pid, const char *n, int *fds, size_t room, size_t *ret_n);

/* Is it a listening stream socket with this path for an address? */
bool service_listens_at(int fd, const char *path);
