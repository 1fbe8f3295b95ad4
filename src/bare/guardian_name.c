/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The name of the listener in the file system. A worker that leaves takes it away; when there is none to do so, whoever
 * comes later would find a socket behind which nobody is.
 *
 * What surprises: no lock is needed. While we hold the listener whoever looks finds somebody there, and leaves the name
 * alone; and one that is another server's by now is told by its inode.
 */
#include <linux/fcntl.h>
#include <linux/stat.h>

#include "bare/guardian_impl.h"
#include "bare/lib.h"

#define AF_UNIX_ 1

struct address {
	uint16_t family;
	char path[109]; /* one more than the kernel fills */
};

static int name_of(int listener, struct address *a, struct statx *st)
{
	int size = (int)sizeof(*a) - 1;

	memset(a, 0, sizeof(*a));
	if (sys_call3(__NR_getsockname, listener, a, &size) < 0 || a->family != AF_UNIX_ ||
		a->path[0] != '/')
		return -1;
	return (int)sys_call5(
		__NR_statx, SYS_AT_FDCWD, a->path, AT_SYMLINK_NOFOLLOW, STATX_INO | STATX_TYPE, st);
}

void guardian_name_learn(struct guardian *g)
{
	struct address a;
	struct statx st;

	if (name_of(GUARDIAN_LISTENER_FD, &a, &st) == 0)
		g->name_inode = st.stx_ino;
}

void guardian_name_remove(const struct guardian *g)
{
	int listener = guardian_stored(g, GUARDIAN_LISTENER_NAME);
	struct address a;
	struct statx st;

	if (listener >= 0 && g->name_inode && name_of(listener, &a, &st) == 0 &&
		st.stx_ino == g->name_inode)
		sys_call3(__NR_unlinkat, SYS_AT_FDCWD, a.path, 0);
}
