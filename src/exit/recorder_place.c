/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who mounts, makes a directory in the machine's bpffs or unmounts that, holds a lock on what is at /sys/fs/bpf, and looks
 * whether it is still there: two daemons that start at once would else mount one above the other, and the pins of one would be
 * out of sight; and a directory could be made in what is being unmounted.
 *
 * What surprises: the lock is one on two things in turn, the kernel's directory first and what was mounted on it then.
 */
#include "exit/recorder_place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "exit/recorder.h"
#include "exit/recorder_map.h"

#define SOURCE "reeve"
#define TABLE_MAX_BYTES (64u << 20)
#define TRIES 100

static bool is_on(int fd, unsigned long magic)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && (unsigned long)fs.f_type == magic;
}

static int open_dir(const char *dir)
{
	return fd_open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
}

static bool is_same(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

static int mount_on(const char *dir, struct err *err)
{
	if (mount(SOURCE, dir, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") < 0)
		return err_sys(err, "no bpffs is at '%s', and one cannot be mounted", dir);
	return 0;
}

/* ---- the machine's ---- */

/* The name there; NULL: it is elsewhere. */
static const char *name_in_machines(const char *dir)
{
	const char *name =
		str_starts(dir, RECORDER_BPFFS "/") ? dir + strlen(RECORDER_BPFFS "/") : "";

	return *name && !strchr(name, '/') ? name : NULL;
}

/* What is at /sys/fs/bpf now, locked. */
static int lock_machines(int *ret, struct err *err)
{
	for (int i = 0; i < TRIES; i++) {
		auto_close int fd = open_dir(RECORDER_BPFFS), now = -EBADF;

		if (fd < 0)
			return err_code(err, fd, "open '" RECORDER_BPFFS "'");
		if (flock(fd, LOCK_EX) < 0)
			return err_sys(err, "lock '" RECORDER_BPFFS "'");
		now = open_dir(RECORDER_BPFFS);
		if (now >= 0 && is_same(fd, now)) {
			*ret = take_fd(&fd);
			return 0;
		}
	}
	return err_set(err, -EBUSY, "'" RECORDER_BPFFS "' is another one again and again");
}

/* A bpffs, locked. */
static int take_machines(int *ret, struct err *err)
{
	for (int i = 0; i < TRIES; i++) {
		auto_close int fd = -EBADF;
		int r = lock_machines(&fd, err);

		if (r < 0)
			return r;
		if (is_on(fd, BPF_FS_MAGIC)) {
			*ret = take_fd(&fd);
			return 0;
		}
		if (!is_on(fd, SYSFS_MAGIC))
			return err_set(err, -ENOTSUP,
				"at '" RECORDER_BPFFS
				"' is neither a bpffs nor the directory on which one belongs");
		r = mount_on(RECORDER_BPFFS, err);
		if (r < 0)
			return r;
	}
	return err_set(err, -EBUSY, "'" RECORDER_BPFFS "' is unmounted again and again");
}

/* ---- making ---- */

static int make_in_machines(const char *dir, const char *name, int *ret, struct err *err)
{
	auto_close int at = -EBADF;
	int r = take_machines(&at, err);

	if (r < 0)
		return r;
	if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
		return err_sys(err, "make '%s'", dir);
	*ret = fd_open_at(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	return *ret < 0 ? err_code(err, *ret, "open '%s'", dir) : 0;
}

static int make_elsewhere(const char *dir, int *ret, struct err *err)
{
	int fd, r = 0;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return err_sys(err, "make '%s'", dir);
	fd = open_dir(dir);
	if (fd >= 0 && !is_on(fd, BPF_FS_MAGIC)) {
		auto_close int below = fd;

		/* Whoever comes second finds what the first has mounted. */
		if (flock(below, LOCK_EX) < 0)
			return err_sys(err, "lock '%s'", dir);
		fd = open_dir(dir);
		if (fd >= 0 && !is_on(fd, BPF_FS_MAGIC)) {
			fd_close(fd);
			r = mount_on(dir, err);
			fd = r < 0 ? r : open_dir(dir);
		}
	}
	if (r == 0 && fd < 0)
		return err_code(err, fd, "open '%s'", dir);
	*ret = fd;
	return r;
}

int recorder_place_make(const char *dir, int *ret, struct err *err)
{
	const char *name = name_in_machines(dir);

	for (int i = 0; i < TRIES; i++) {
		auto_close int fd = -EBADF, now = -EBADF;
		struct stat st;
		int r = name ? make_in_machines(dir, name, &fd, err)
			     : make_elsewhere(dir, &fd, err);

		if (r < 0)
			return r;
		if (fstat(fd, &st) < 0 || st.st_uid != geteuid() || (st.st_mode & 022))
			return err_set(err, -EPERM, "'%s' may be written to by others", dir);
		if (flock(fd, LOCK_EX) < 0)
			return err_sys(err, "lock '%s'", dir);
		/* It may have been removed while we waited. */
		now = open_dir(dir);
		if (now >= 0 && is_same(fd, now)) {
			*ret = take_fd(&fd);
			return 0;
		}
	}
	return err_set(err, -EBUSY, "'%s' is removed again and again", dir);
}

/* ---- removing ---- */

/* Field 5 of a line of mountinfo, and what follows its " - ". */
static bool is_line_of(char *line, const char *dir, bool *ret_ours)
{
	char *rest = strstr(line, " - "), *at = line, *end;

	for (int i = 0; i < 4 && at; i++) {
		at = strchr(at, ' ');
		at = at ? at + 1 : NULL;
	}
	end = at ? strchr(at, ' ') : NULL;
	if (!rest || !end)
		return false;
	*ret_ours = str_starts(rest, " - bpf " SOURCE " ");
	*end = '\0';
	str_unescape_octal(at);
	return str_eq(at, dir);
}

/* Whether what is mounted on this directory, the last one if several are, is ours. */
static bool is_our_mount(const char *dir)
{
	auto_free char *text = NULL;
	bool ours = false, is = false;
	char *at;

	if (fd_read_file_at(AT_FDCWD, "/proc/self/mountinfo", TABLE_MAX_BYTES, &text, NULL) < 0)
		return false;
	at = text;
	for (char *line; (line = strsep(&at, "\n"));)
		if (is_line_of(line, dir, &ours))
			is = ours;
	return is;
}

/* Of what is ours by its name; *ret_left: something else is there. */
static int remove_pins(int at, const char *dir, bool drop, bool *ret_left, struct err *err)
{
	int fd = fd_open_at(at, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (!d) {
		err_sys(err, "read '%s'", dir);
		fd_close(fd);
		return -EIO;
	}
	*ret_left = false;
	while ((e = readdir(d))) {
		bool pin = str_eq(e->d_name, RECORDER_MAP_PIN) ||
			   exit_recorder_link_version(e->d_name) > 0;

		/* Only the kernel may have dots in a name there: it has files of its own. */
		if (strchr(e->d_name, '.'))
			continue;
		if (!drop || !pin || (unlinkat(at, e->d_name, 0) < 0 && errno != ENOENT))
			*ret_left = true;
	}
	closedir(d);
	return 0;
}

/* Nobody can begin to use it meanwhile who asks for the lock; and it is empty. */
static int unmount(const char *dir, struct err *err)
{
	return umount2(dir, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 ? err_sys(err, "unmount '%s'", dir)
							      : 0;
}

static int leave_machines(const char *name, struct err *err)
{
	auto_close int at = -EBADF;
	bool left = true;
	int r = lock_machines(&at, err);

	if (r < 0)
		return r;
	if (!is_on(at, BPF_FS_MAGIC) || unlinkat(at, name, AT_REMOVEDIR) < 0)
		return 0;
	r = remove_pins(at, RECORDER_BPFFS, false, &left, err);
	return r == 0 && !left && is_our_mount(RECORDER_BPFFS) ? unmount(RECORDER_BPFFS, err) : r;
}

int recorder_place_remove(const char *dir, struct err *err)
{
	const char *name = name_in_machines(dir);
	auto_close int at = open_dir(dir);
	bool left = true;
	int r;

	if (at < 0 || !is_on(at, BPF_FS_MAGIC) || flock(at, LOCK_EX | LOCK_NB) < 0)
		return 0;
	r = remove_pins(at, dir, true, &left, err);
	if (r < 0 || left)
		return r;
	if (name)
		return leave_machines(name, err);
	if (is_our_mount(dir))
		return unmount(dir, err);
	(void)rmdir(dir); /* an administrator's mount stays: EBUSY */
	return 0;
}
