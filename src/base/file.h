/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Files that survive a crash: lock, atomic save, removal of a tree.
 *
 * Owner    The caller owns returned fds.
 * Errors   Negative errno.
 * Blocks   file_lock() waits when asked to; nothing else.
 * Context  Parent.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Replace `name` in `dirfd` by these bytes: temporary in the same directory (".NAME.new", O_EXCL, a
 * stale one is removed), every write checked, fsync of file and directory unless the file system is
 * tmpfs/ramfs, rename. On failure the old file is as it was and no temporary is left.
 */
int file_save_at(int dirfd, const char *name, const void *data, size_t size, mode_t mode);

/* The same without fsync, for what outlives no reboot anyway (a pid file). */
int file_replace_at(int dirfd, const char *name, const void *data, size_t size, mode_t mode);
/* The same, and the new file stays open: when its name is another's one day, it has no link left. */
int file_replace_keep_at(
	int dirfd, const char *name, const void *data, size_t size, mode_t mode, int *ret_fd);

/* mkdir -p below dirfd; existing directories are fine. */
int file_mkdirs_at(int dirfd, const char *path, mode_t mode);

/* Remove a tree below dirfd without following links or crossing mounts; -ENOENT is success. */
int file_remove_tree_at(int dirfd, const char *name);

/* As that, but only what has nothing in it goes: directories and empty files. Anything else stays, which is -ENOTEMPTY. */
int file_remove_empty_at(int dirfd, const char *name);

/* flock of an open fd: exclusive or shared; wait=false gives -EWOULDBLOCK. Released when the last
 * copy closes. */
int file_lock(int fd, bool exclusive, bool wait);

/* True when the lock file that fd holds is still the one at dirfd/name (spec/oci-runtime.md 4.4).
 */
bool file_same_at(int fd, int dirfd, const char *name);

/* True for tmpfs and ramfs, where nothing outlives the machine and fsync says nothing. */
bool file_is_volatile(int fd);
