/* SPDX-License-Identifier: Apache-2.0 */
/* What surprises: files that go away meanwhile are left out; somebody may be working in there. */
#include "base/tree.h"

#include <errno.h>
#include <fts.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/inode_names.h"

/* One that another name has brought already. Where there are too many of them each counts. */
static bool is_counted(struct inode_names *names, const struct stat *st)
{
	if (S_ISDIR(st->st_mode) || st->st_nlink < 2)
		return false;
	if (inode_names_find(names, st))
		return true;
	(void)inode_names_add(names, st, "");
	return false;
}

int tree_usage(int dirfd, size_t max, int64_t *ret_size, int64_t *ret_inodes)
{
	char path[40];
	char *const roots[] = { path, NULL };
	struct inode_names names = { 0 };
	int64_t size = 0, inodes = 0;
	size_t seen = 0;
	FTSENT *e;
	FTS *walk;
	int r = 0;

	snprintf(path, sizeof(path), "/proc/self/fd/%d/.", dirfd);
	walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
	if (!walk)
		return -errno;
	while (r == 0 && (e = fts_read(walk))) {
		if (e->fts_info == FTS_NS || e->fts_info == FTS_ERR || e->fts_info == FTS_DNR) {
			r = e->fts_level == 0 ? -e->fts_errno : 0;
			continue;
		}
		if (e->fts_info == FTS_DP)
			continue;
		if (seen++ == max)
			r = -E2BIG;
		if (is_counted(&names, e->fts_statp))
			continue;
		size += e->fts_statp->st_blocks * 512;
		inodes++;
	}
	fts_close(walk);
	inode_names_done(&names);
	if (r == 0) {
		*ret_size = size;
		*ret_inodes = inodes;
	}
	return r;
}
