/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directories are named by their descriptors' numbers. What has been written to is but the uppermost of those that are
 * read: it may be in use elsewhere, and a second one to write to would be refused, or worse.
 */
#include "helper/overlay_view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

#define VALUE_MAX 255 /* what fsconfig(2) copies, less the NUL */

/* One by one, since Linux 6.7. */
static int add_each(int fs, const int *dirs, size_t n)
{
	char name[16];

	for (size_t i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%d", dirs[i]);
		if (fsconfig(fs, FSCONFIG_SET_STRING, "lowerdir+", name, 0) < 0)
			return -errno;
	}
	return 0;
}

static int add_list(int fs, const int *dirs, size_t n, struct err *err)
{
	auto_done(buf) struct buf list = { 0 };

	for (size_t i = 0; i < n; i++)
		buf_addf(&list, "%s%d", i ? ":" : "", dirs[i]);
	if (buf_ok(&list) < 0)
		return err_oom(err);
	if (list.len > VALUE_MAX)
		return err_set(err, -E2BIG, "%zu directories over each other are too many", n);
	if (fsconfig(fs, FSCONFIG_SET_STRING, "lowerdir", list.data, 0) < 0)
		return err_sys(err, "overlay %zu directories", n);
	return 0;
}

static int open_fs(bool userxattr, int *ret, struct err *err)
{
	int fs = fsopen("overlay", FSOPEN_CLOEXEC);

	if (fs < 0)
		return err_sys(err, "open overlayfs");
	if (userxattr && fsconfig(fs, FSCONFIG_SET_FLAG, "userxattr", NULL, 0) < 0) {
		int r = err_sys(err, "set userxattr");

		fd_close(fs);
		return r;
	}
	*ret = fs;
	return 0;
}

int overlay_view_open(const int *dirs, size_t n, bool userxattr, int *ret, struct err *err)
{
	auto_close int fs = -EBADF, tree = -EBADF;
	int r = open_fs(userxattr, &fs, err);

	if (r == 0 && add_each(fs, dirs, n) < 0) {
		fs = fd_close(fs);
		r = open_fs(userxattr, &fs, err);
		if (r == 0)
			r = add_list(fs, dirs, n, err);
	}
	if (r < 0)
		return r;
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_sys(err, "overlay %zu directories", n);
	tree = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOATIME);
	if (tree < 0)
		return err_sys(err, "overlay %zu directories", n);
	*ret = fd_open_at(tree, ".", O_RDONLY | O_DIRECTORY, 0);
	return *ret < 0 ? err_code(err, *ret, "open an overlay") : 0;
}
