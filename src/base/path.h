/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Path resolution below a root that we do not trust, by openat2(RESOLVE_IN_ROOT |
 * RESOLVE_NO_MAGICLINKS); where a seccomp filter takes openat2 away (ENOSYS, EPERM), by a walk of
 * single components (bare/resolve.h).
 *
 * Owner    The caller owns returned fds (O_PATH | O_CLOEXEC unless said).
 * Errors   Negative errno; -ELOOP after 40 links, -EAGAIN after 128 rename storms.
 * Blocks   No.
 * Context  Parent. The executor has the same functions from bare/resolve.h.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Open `path` as seen by a process chrooted to rootfd; open flags as open(2). */
int path_open_in_root(int rootfd, const char *path, int flags, mode_t mode);

/* Lexical: join with one '/', make absolute against `base`, squeeze "//" and "/./", resolve ".."
 * textually. Heap. */
char *path_join(const char *base, const char *rel);
char *path_clean(const char *path);
/* Absolute form of a path against the current directory, cleaned; NULL when memory or getcwd fails.
 */
char *path_absolute(const char *path);
const char *path_basename(const char *path);

/* For who was given no PATH: podman calls us with next to no environment. */
#define PATH_USUAL "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"

/* A regular file that we may execute. */
bool path_is_program(const char *path);
/* The first program of that name in `search`, as $PATH; directories that are not absolute are no places to look. Heap;
 * NULL: there is none, or no memory. `search` may be NULL. */
char *path_find_program(const char *name, const char *search);
