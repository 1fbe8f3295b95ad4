/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Address: the unix socket on which the shim of a group is found (spec/shim.md 1.7), and the race of
 * several starts for it.
 *
 * Owner    The caller's.
 * Errors   0 or negative errno with *err.
 * Blocks   address_bind() and address_unlink() wait for another process of ours that is at the same
 *          point; neither does anything there that waits in turn.
 * Context  Parent.
 */
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/sha256.h"

#define ADDRESS_PATH_SIZE 108 /* of sockaddr_un, with the NUL: clients connect by path */

/*
 * The directory of sockets: `wanted` if given, else the first of the usual ones that can be had.
 * runtime_dir: $XDG_RUNTIME_DIR, NULL where there is none. It is made when it is missing, and must
 * be ours and not writable for others.
 */
int address_dir(const char *wanted, const char *runtime_dir, char ret_dir[ADDRESS_PATH_SIZE],
	struct err *err);

/*
 * Listen at dir/name. *ret_fd is -EBADF when a living server listens there already. A name that
 * nobody listens behind is taken over. The mode of the socket is 0600.
 */
int address_bind(const char *dir, const char *name, int *ret_fd, char ret_path[ADDRESS_PATH_SIZE],
	struct err *err);

/* A name in the file system that leads to a socket of ours. */
struct address_own {
	char path[ADDRESS_PATH_SIZE];
	dev_t dev;
	ino_t ino;
};

/* Where a listening socket is bound. -ENOENT: to no path, or to one that is gone. */
int address_of_fd(int fd, struct address_own *ret);

/* Take the name away. Gone, or another's by now: nothing is done. */
int address_unlink(const struct address_own *own, struct err *err);

/* Take a name away that nobody listens behind; in use or gone: nothing is done. */
int address_remove_stale(const char *path, struct err *err);
