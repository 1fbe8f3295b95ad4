/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Opening paths below a root that is not trusted; for the executor and (through base/path.h) the library.
 *
 * Owner    The caller owns the returned fd. Pass O_CLOEXEC yourself (the walk may set it in any case).
 * Errors   An fd >= 0 or a negative errno; -ELOOP after 40 links; -EAGAIN when 128 tries met a rename each time.
 * Blocks   As open(2): do not open fifos of a container without O_PATH or O_NONBLOCK.
 * Context  Any: no library, no heap.
 *
 * openat2(2) (Linux 5.6) does the work. Where a seccomp filter around us takes it away (ENOSYS, EPERM), single
 * components are walked with O_PATH | O_NOFOLLOW, and ".." never leaves the root.
 */
#include <stdint.h>

/* As seen by a process chrooted to rootfd: links are followed inside, magic links (procfs) are refused. */
int resolve_in_root(int rootfd, const char *path, int flags, unsigned mode);

/* The same without following any link; a link as the last component can be opened with O_PATH | O_NOFOLLOW. */
int resolve_no_links(int rootfd, const char *path, int flags);

/* The walk by itself, for tests. */
int resolve_walk(int rootfd, const char *path, int flags, unsigned mode, int links_allowed);
