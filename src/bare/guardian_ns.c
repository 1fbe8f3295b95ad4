/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The namespaces of a sandbox: the guardian is in them, so they last as long as it does, and its pid is one that names
 * them. A worker is none of their business: it begins where the guardian began.
 */
#include <asm/errno.h>
#include <linux/fcntl.h>

#include "bare/guardian_impl.h"

static long remember_home(struct guardian *g)
{
	static const char *const paths[] = { "/proc/self/ns/net", "/proc/self/ns/ipc",
		"/proc/self/ns/uts" };
	long fd;

	for (int i = 0; i < 3 && !g->has_home; i++) {
		fd = sys_openat(SYS_AT_FDCWD, paths[i], O_RDONLY | O_CLOEXEC, 0);
		if (fd < 0) {
			while (i-- > 0)
				sys_close(g->home[i]);
			return fd;
		}
		g->home[i] = (int)fd;
	}
	g->has_home = 1;
	return 0;
}

int guardian_go_home(const struct guardian *g)
{
	long r = 0;

	for (int i = 0; i < 3 && g->has_home && r == 0; i++)
		r = sys_call2(__NR_setns, g->home[i], 0);
	return (int)r;
}

int guardian_enter(struct guardian *g, const int *fds, uint32_t n)
{
	long r = remember_home(g);

	if (r == 0)
		r = guardian_go_home(g);
	for (uint32_t i = 0; i < n && r == 0; i++)
		r = sys_call2(__NR_setns, fds[i], 0);
	if (r < 0 && g->has_home)
		guardian_go_home(g);
	return (int)r;
}
