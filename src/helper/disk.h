/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Disk: what takes as long as the disk does.
 *
 *	reeve-helper disk sync=FD          the bytes of a file are on it; "ok 0 0"
 *	reeve-helper disk usage=FD         of a tree: "ok BYTES FILES"
 *	reeve-helper disk in=FD remove=NAME a tree; "ok 0 0"
 *	reeve-helper disk from=FD copy=FD  of a directory into an empty one, with everything; "ok 0 0"
 *
 * Owner    The fds are the caller's.
 * Errors   Told in the answer on `news`: "error ERRNO TEXT", and a newline.
 * Blocks   All the time.
 * Context  A process of its own.
 */
#include <stddef.h>

int disk_main(int news, char **words, size_t n);
