/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Group: which containers share one shim: those whose config.json names the same group or sandbox
 * (spec/shim.md 1.8), and the name of its socket, which whoever starts shims can find again by itself (1.7).
 *
 * Owner    The caller owns the heap string.
 * Errors   0 or negative errno with *err. A config.json that is unreadable is an error; a
 *          bundle without one is that of a sandbox, which is a group of its own.
 * Blocks   Reads a local file.
 * Context  Parent.
 */
#include <stddef.h>

#include "base/err.h"
#include "base/sha256.h"

/* Where containerd's shims have their sockets unless they are told otherwise. */
#define GROUP_SOCKET_DIR "/run/containerd/s"

/* The group of the bundle that `dirfd` is open at (AT_FDCWD: here); `id` when it names none. */
int group_read(int dirfd, const char *id, char **ret_group, struct err *err);
/* The same of a config.json that has been read; `text` ends in a NUL. */
int group_parse(const char *text, size_t size, const char *id, char **ret_group, struct err *err);

/* Name of the socket file: what makes the group, hashed. */
int group_socket_name(const char *grpc_address, const char *ns, const char *group,
	char ret_name[SHA256_HEX_SIZE], struct err *err);
