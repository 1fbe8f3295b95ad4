/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts made for a manager. The old mount(2) serves here: an overlay's lowerdir can be longer than the 255 bytes
 * that fsconfig(2) takes. When even a page is too small, the lower directories are named relative to what they have
 * in common, by a child that stands there (containerd's users run into this with some sixty layers).
 */
#include "container/rootfs_mount.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "container/loop_device.h"
#include "container/rootfs_idmap.h"
#include "container/spawn.h"

#define DATA_MAX 4095 /* what mount(2) copies, less the NUL */
#define STACK_SIZE (32 * 1024)

struct flag_word {
	const char *word;
	unsigned long set;
	unsigned long clear;
};

static const struct flag_word flag_words[] = {
	{ "async", 0, MS_SYNCHRONOUS },
	{ "atime", 0, MS_NOATIME },
	{ "bind", MS_BIND, 0 },
	{ "defaults", 0, 0 },
	{ "dev", 0, MS_NODEV },
	{ "diratime", 0, MS_NODIRATIME },
	{ "dirsync", MS_DIRSYNC, 0 },
	{ "exec", 0, MS_NOEXEC },
	{ "mand", MS_MANDLOCK, 0 },
	{ "noatime", MS_NOATIME, 0 },
	{ "nodev", MS_NODEV, 0 },
	{ "nodiratime", MS_NODIRATIME, 0 },
	{ "noexec", MS_NOEXEC, 0 },
	{ "nomand", 0, MS_MANDLOCK },
	{ "norelatime", 0, MS_RELATIME },
	{ "nostrictatime", 0, MS_STRICTATIME },
	{ "nosuid", MS_NOSUID, 0 },
	{ "rbind", MS_BIND | MS_REC, 0 },
	{ "relatime", MS_RELATIME, 0 },
	{ "remount", MS_REMOUNT, 0 },
	{ "ro", MS_RDONLY, 0 },
	{ "rw", 0, MS_RDONLY },
	{ "strictatime", MS_STRICTATIME, 0 },
	{ "suid", 0, MS_NOSUID },
	{ "sync", MS_SYNCHRONOUS, 0 },
};

static const struct flag_word propagation_words[] = {
	{ "private", MS_PRIVATE, 0 },
	{ "rprivate", MS_PRIVATE | MS_REC, 0 },
	{ "rshared", MS_SHARED | MS_REC, 0 },
	{ "rslave", MS_SLAVE | MS_REC, 0 },
	{ "runbindable", MS_UNBINDABLE | MS_REC, 0 },
	{ "shared", MS_SHARED, 0 },
	{ "slave", MS_SLAVE, 0 },
	{ "unbindable", MS_UNBINDABLE, 0 },
};

struct options {
	unsigned long flags;
	unsigned long propagation;
	struct buf data;
	struct rootfs_idmap map;
	bool loop, direct_io; /* the source is a file that a loop device is to have, and how */
};

static const struct flag_word *find_word(const struct flag_word *words, size_t n, const char *word)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(words[i].word, word))
			return &words[i];
	return NULL;
}

static void add_data(struct buf *data, const char *key, const char *value)
{
	buf_addf(data, "%s%s%s", data->len ? "," : "", key, value);
}

static bool is_mapped(const struct options *o)
{
	return o->map.uids || o->map.gids;
}

static void parse_options(const struct rootfs_mount *m, struct options *o)
{
	for (size_t i = 0; i < m->n_options; i++) {
		const char *word = m->options[i];
		const struct flag_word *f = find_word(flag_words, ARRAY_LEN(flag_words), word);
		const struct flag_word *p =
			find_word(propagation_words, ARRAY_LEN(propagation_words), word);

		if (f) {
			o->flags |= f->set;
			o->flags &= ~f->clear;
		} else if (p) {
			o->propagation |= p->set;
		} else if (str_starts(word, "uidmap=")) {
			o->map.uids = word + strlen("uidmap=");
		} else if (str_starts(word, "gidmap=")) {
			o->map.gids = word + strlen("gidmap=");
		} else if (str_starts(word, "lowerdir=")) {
			o->map.lower = word + strlen("lowerdir=");
		} else if (str_eq(word, "loop")) {
			o->loop = true;
		} else if (str_eq(word, "direct-io")) {
			o->direct_io = true;
		} else if (!str_starts(word, "X-containerd.")) {
			add_data(&o->data, "", word);
		}
	}
	if (o->map.lower && !is_mapped(o))
		add_data(&o->data, "lowerdir=", o->map.lower);
	if (o->direct_io && !o->loop)
		add_data(&o->data, "", "direct-io");
	if (str_eq(m->type, "bind") && !(o->flags & MS_BIND))
		o->flags |= MS_BIND;
}

/* ---- overlays that do not fit ---- */

/* Length of the directory that all entries of a ':' separated list begin with, its '/' included. */
static size_t common_length(const char *list)
{
	const char *end = strchr(list, ':');
	size_t n = end ? (size_t)(end - list) : strlen(list);

	for (const char *p = end; p && *p; p = strchr(p + 1, ':')) {
		size_t k = 0;

		while (k < n && p[1 + k] == list[k])
			k++;
		n = k;
	}
	while (n && list[n - 1] != '/')
		n--;
	return n;
}

/* The same options with lowerdir relative to *ret_dir (heap); false when that does not apply. */
static bool shorten(const struct rootfs_mount *m, struct buf *data, char **ret_dir)
{
	bool found = false;

	for (size_t i = 0; i < m->n_options; i++) {
		const char *word = m->options[i];
		const char *list = word + strlen("lowerdir=");
		size_t n;

		if (find_word(flag_words, ARRAY_LEN(flag_words), word) ||
			find_word(propagation_words, ARRAY_LEN(propagation_words), word) ||
			str_starts(word, "X-containerd."))
			continue;
		if (data->len)
			buf_addc(data, ',');
		if (found || !str_starts(word, "lowerdir=") || (n = common_length(list)) < 2) {
			buf_adds(data, word);
			continue;
		}
		found = true;
		*ret_dir = strndup(list, n);
		buf_adds(data, "lowerdir=");
		for (const char *p = list;;) {
			const char *colon = strchr(p, ':');

			if (colon)
				buf_add(data, p + n, (size_t)(colon - p) - n);
			else
				buf_adds(data, p + n);
			if (!colon)
				break;
			buf_addc(data, ':');
			p = colon + 1;
		}
	}
	return found && *ret_dir;
}

struct child_args {
	const char *dir;
	const struct rootfs_mount *m;
	const char *target;
	unsigned long flags;
	const char *data;
	int error;
};

static int mount_from_dir(void *arg)
{
	struct child_args *a = arg;

	a->error = 0;
	if (syscall(SYS_chdir, a->dir) < 0 ||
		mount(a->m->source, a->target, a->m->type, a->flags, a->data) < 0)
		a->error = errno;
	return 0;
}

/* The child shares our memory but not our working directory. */
static int mount_in_child(struct child_args *a)
{
	char stack[STACK_SIZE] __attribute__((aligned(16)));
	siginfo_t info;
	pid_t pid;

	a->error = EAGAIN;
	/* no SIGCHLD: whoever reaps all children must not meet this one, and it is waited for here */
	pid = clone(mount_from_dir, stack + sizeof(stack), CLONE_VM | CLONE_VFORK, a);
	if (pid < 0)
		return -errno;
	waitid(P_PID, (id_t)pid, &info, WEXITED | __WCLONE);
	return -a->error;
}

static int mount_long(
	const struct rootfs_mount *m, const char *target, const struct options *o, struct err *err)
{
	struct buf data = { 0 };
	auto_free char *dir = NULL;
	struct child_args a = { .m = m, .target = target, .flags = o->flags };
	int r = -E2BIG;

	if (shorten(m, &data, &dir) && buf_ok(&data) == 0 && data.len <= DATA_MAX) {
		a.dir = dir;
		a.data = data.data;
		r = mount_in_child(&a);
	}
	buf_done(&data);
	return r < 0 ? err_code(err, r, "mount %s at '%s' with options of %zu bytes", m->type,
			       target, o->data.len)
		     : 0;
}

/* ---- one mount ---- */

static int attach(const struct rootfs_mount *m, const struct options *o,
	char name[LOOP_DEVICE_NAME_SIZE], int *ret_fd, struct err *err)
{
	const struct loop_device_options options = { .read_only = o->flags & MS_RDONLY,
		.direct = o->direct_io };

	const char *file = m->source ? m->source : "";
	int r = loop_device_attach(file, &options, name, ret_fd, err);

	return r < 0 ? err_in(err, "loop device for '%s'", file) : 0;
}

static int mount_source(const struct rootfs_mount *m, const char *source, const char *target,
	const struct options *o, struct err *err)
{
	const char *type = str_eq(m->type, "bind") ? NULL : m->type;

	if (is_mapped(o))
		return rootfs_idmap_mount(
			&o->map, m->type, source, target, o->flags, o->data.data, err);
	if (o->data.len > DATA_MAX)
		return mount_long(m, target, o, err);
	if (mount(source, target, type, o->flags, o->data.data) < 0)
		return err_sys(err, "mount %s '%s' at '%s'", m->type ? m->type : "",
			m->source ? m->source : "", target);
	return 0;
}

static int mount_one(const struct rootfs_mount *m, const char *target, struct err *err)
{
	char device[LOOP_DEVICE_NAME_SIZE];
	auto_close int held = -EBADF;
	struct options o = { 0 };
	int r;

	parse_options(m, &o);
	r = buf_ok(&o.data) < 0 ? err_oom(err) : 0;
	if (r == 0 && o.loop)
		r = attach(m, &o, device, &held, err);
	if (r == 0)
		r = mount_source(m, o.loop ? device : m->source, target, &o, err);
	/* a bind takes its flags only with a remount */
	if (r == 0 && (o.flags & MS_BIND) && (o.flags & ~(unsigned long)(MS_BIND | MS_REC)) &&
		mount(NULL, target, NULL, o.flags | MS_REMOUNT, NULL) < 0)
		r = err_sys(err, "remount '%s'", target);
	if (r == 0 && o.propagation && mount(NULL, target, NULL, o.propagation, NULL) < 0)
		r = err_sys(err, "set the propagation of '%s'", target);
	buf_done(&o.data);
	return r;
}

static int open_target(const char *rootfs, const char *target, int *ret_fd, struct err *err)
{
	auto_close int root = fd_open(rootfs, O_PATH | O_DIRECTORY, 0);
	int fd;

	if (root < 0)
		return err_code(err, root, "open '%s'", rootfs);
	/* what is mounted there already is an image's: its links must not lead us out */
	fd = str_empty(target) ? take_fd(&root) : path_open_in_root(root, target, O_PATH, 0);
	if (fd < 0)
		return err_code(err, fd, "mount target '%s' in '%s'", target, rootfs);
	*ret_fd = fd;
	return 0;
}

int rootfs_mount(const char *rootfs, const struct rootfs_mount *mounts, size_t n, struct err *err)
{
	struct err ignored = { 0 };
	int r = 0;

	if (mkdir(rootfs, 0711) < 0 && errno != EEXIST)
		return err_sys(err, "make '%s'", rootfs);
	for (size_t i = 0; r == 0 && i < n; i++) {
		auto_close int fd = -EBADF;
		char path[64];

		r = open_target(rootfs, mounts[i].target, &fd, err);
		if (r < 0)
			break;
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		r = mount_one(&mounts[i], str_empty(mounts[i].target) ? rootfs : path, err);
	}
	if (r < 0)
		rootfs_unmount(rootfs, &ignored);
	return r;
}

/* ---- unmount ---- */

/* Mount points below `rootfs` in /proc/self/mountinfo, the last one first. */
static int unmount_below(const char *rootfs, struct err *err)
{
	auto_free char *text = NULL;
	size_t size;
	size_t len = strlen(rootfs);
	int r = fd_read_file_at(AT_FDCWD, "/proc/self/mountinfo", 64u << 20, &text, &size);

	if (r < 0)
		return err_code(err, r, "read the mount table");
	for (char *line = text + size; line > text;) {
		char path[4096];
		char *p;

		line--;
		while (line > text && line[-1] != '\n')
			line--;
		if (sscanf(line, "%*d %*d %*s %*s %4095s", path) != 1)
			continue;
		str_unescape_octal(path);
		p = path;
		if (strncmp(p, rootfs, len) == 0 && p[len] == '/' &&
			umount2(path, UMOUNT_NOFOLLOW) < 0 && errno != EINVAL && errno != ENOENT)
			return err_sys(err, "unmount '%s'", path);
		if (line > text)
			line--;
	}
	return 0;
}

int rootfs_unmount(const char *rootfs, struct err *err)
{
	int r;

	for (int i = 0; i < 1000; i++) {
		if (umount2(rootfs, UMOUNT_NOFOLLOW) == 0)
			continue;
		if (errno == EINVAL || errno == ENOENT)
			return 0;
		if (errno != EBUSY)
			return err_sys(err, "unmount '%s'", rootfs);
		r = unmount_below(rootfs, err);
		if (r < 0)
			return r;
		if (umount2(rootfs, UMOUNT_NOFOLLOW) < 0 && errno != EINVAL)
			return err_sys(err, "unmount '%s'", rootfs);
	}
	return err_set(err, -EBUSY, "unmount '%s': too many mounts on top of each other", rootfs);
}

/* ---- unmount by a child ---- */

static void forget_child(struct rootfs_unmounting *u)
{
	u->reaper = NULL;
	u->watch.pidfd = fd_close(u->watch.pidfd);
	free(u->rootfs);
	u->rootfs = NULL;
}

static void on_unmounted(struct reaper_watch *w, int wait_status)
{
	struct rootfs_unmounting *u = container_of(w, struct rootfs_unmounting, watch);
	int code = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : EIO;
	struct err e = { 0 };

	if (code == EBUSY) /* mounts below it, which the child knows nothing of */
		rootfs_unmount(u->rootfs, &e);
	else if (code)
		err_code(&e, -code, "unmount '%s'", u->rootfs);
	forget_child(u);
	u->done(u, e.code ? &e : NULL);
}

int rootfs_unmount_start(struct rootfs_unmounting *u, const struct reaper *reaper, int executor,
	const char *rootfs, void (*done)(struct rootfs_unmounting *u, const struct err *err),
	struct err *err)
{
	char name[] = "reeve-exec", option[] = "-u";
	auto_close int null = fd_open("/dev/null", O_RDWR, 0);
	int r;

	*u = (struct rootfs_unmounting){ .reaper = reaper, .done = done };
	u->watch = (struct reaper_watch){ .pidfd = -EBADF, .fn = on_unmounted };
	u->rootfs = strdup(rootfs);
	r = null < 0 ? err_code(err, null, "open /dev/null") : u->rootfs ? 0 : err_oom(err);
	if (r == 0)
		r = spawn_process(&(struct spawn){ .program = executor,
					  .argv = (char *[]){ name, option, u->rootfs, NULL },
					  .stdio = { null, null, null } },
			&u->watch.pid, &u->watch.pidfd, err);
	if (r == 0) {
		r = reaper->watch(reaper->arg, &u->watch);
		if (r < 0)
			err_code(err, r, "watch the unmounting of '%s'", rootfs);
	}
	if (r < 0)
		forget_child(u);
	return r;
}

void rootfs_unmount_stop(struct rootfs_unmounting *u)
{
	if (!u->reaper)
		return;
	u->reaper->unwatch(u->reaper->arg, &u->watch);
	forget_child(u);
}
