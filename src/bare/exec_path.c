/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths below the container's root, which is hostile and may be changed while we work: every step of a walk is
 * resolved anew from the root's fd and never follows a link by itself, so that a swapped component leads to an error
 * or to another place inside, not outside (CVE-2021-30465, CVE-2024-45310, CVE-2026-41579).
 */
#include <asm/errno.h>
#include <asm/fcntl.h>
#include <asm/stat.h>
#include <asm/statfs.h>
#include <linux/magic.h>
#include <linux/stat.h>

#include "bare/exec.h"
#include "bare/resolve.h"

int exec_open_in_root(struct exec *x, const char *path, int flags, unsigned mode)
{
	x->detail = path;
	return resolve_in_root(x->rootfd, path, flags | O_CLOEXEC, mode);
}

int exec_fresh_parent(const struct exec *x, const char *path, const char **ret_name)
{
	for (unsigned i = 0; i < x->n_fresh; i++) {
		size_t n = strlen(x->fresh[i].path);
		const char *name = path + n + 1;
		size_t k = 0;

		if (!exec_starts(path, x->fresh[i].path) || path[n] != '/')
			continue;
		while (name[k] && name[k] != '/')
			k++;
		if (name[k] || !k || k > 255 ||
			(name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]))))
			continue;
		*ret_name = path + x->fresh[i].from + 1;
		return x->fresh[i].fd;
	}
	return -ENOENT;
}

const char *exec_fd_path(int fd, const char *name, char out[300])
{
	char digits[24];

	exec_join(out, 300, "/proc/self/fd/", exec_utoa((uint64_t)fd, digits));
	exec_join(out + strlen(out), 300 - strlen(out), "/", name);
	return out;
}

/* A walk that makes what is missing: `done` is the part that was passed, without links; `rest` is to come. */
struct walk {
	char done[EXEC_PATH_MAX];
	char rest[EXEC_PATH_MAX];
	char name[256];
	int links;
};

static int next_name(struct walk *w)
{
	size_t i = 0;
	size_t n = 0;

	while (w->rest[i] == '/')
		i++;
	while (w->rest[i + n] && w->rest[i + n] != '/')
		n++;
	if (n > 255)
		return -ENAMETOOLONG;
	memcpy(w->name, w->rest + i, n);
	w->name[n] = 0;
	i += n;
	n = strlen(w->rest + i);
	for (size_t k = 0; k <= n; k++)
		w->rest[k] = w->rest[i + k];
	return w->name[0] != 0;
}

static void go_up(struct walk *w)
{
	size_t n = strlen(w->done);

	while (n && w->done[n - 1] != '/')
		n--;
	w->done[n ? n - 1 : 0] = 0;
}

static int append(struct walk *w)
{
	size_t n = strlen(w->done);
	size_t m = strlen(w->name);

	if (n + m + 2 > sizeof(w->done))
		return -ENAMETOOLONG;
	w->done[n] = '/';
	memcpy(w->done + n + 1, w->name, m + 1);
	return 0;
}

static int open_done(struct exec *x, const struct walk *w, int flags)
{
	return resolve_no_links(x->rootfd, w->done[0] ? w->done : "/", flags | O_CLOEXEC);
}

static int follow(struct walk *w, int link)
{
	char target[EXEC_PATH_MAX];
	long n = sys_readlinkat(link, "", target, sizeof(target) - 1);
	size_t m = strlen(w->rest);

	sys_close(link);
	if (n < 0)
		return (int)n;
	if (++w->links > 40)
		return -ELOOP;
	if ((size_t)n + m + 2 > sizeof(w->rest))
		return -ENAMETOOLONG;
	for (size_t k = m + 1; k-- > 0;)
		w->rest[(size_t)n + 1 + k] = w->rest[k];
	memcpy(w->rest, target, (size_t)n);
	w->rest[n] = '/';
	if (target[0] == '/')
		w->done[0] = 0;
	return 0;
}

int exec_in_procfs(int fd)
{
	struct statfs st;

	return sys_call2(__NR_fstatfs, fd, &st) == 0 && st.f_type == PROC_SUPER_MAGIC;
}

/* Make the directory w->name in w->done. procfs makes none: say so rather than "operation not permitted". */
static int make(struct exec *x, const struct walk *w, unsigned mode)
{
	int parent = open_done(x, w, O_PATH | O_DIRECTORY);
	long r;

	if (parent < 0)
		return parent;
	r = exec_in_procfs(parent) ? -ENOENT : sys_mkdirat(parent, w->name, mode);
	sys_close(parent);
	return r == -EEXIST ? 0 : (int)r;
}

/* One component; `last` leaves a missing one alone and stops before it with -ENOENT. */
static int pass(struct exec *x, struct walk *w, unsigned mode, int last)
{
	struct walk *next = w;
	struct stat st;
	size_t n = strlen(w->done);
	int fd;
	int r;

	r = append(next);
	if (r < 0)
		return r;
	fd = resolve_no_links(x->rootfd, next->done, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -ENOENT && !last) {
		w->done[n] = 0;
		r = make(x, w, mode);
		if (r < 0)
			return r;
		append(next);
		fd = resolve_no_links(x->rootfd, next->done, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	}
	if (fd < 0) {
		w->done[n] = 0;
		return fd;
	}
	r = (int)sys_call2(__NR_fstat, fd, &st);
	if (r == 0 && (st.st_mode & S_IFMT) == S_IFLNK) {
		w->done[n] = 0;
		return follow(w, fd);
	}
	sys_close(fd);
	return r;
}

/*
 * Walk `path`. With last = 0 every component is made. With last = 1 a missing last component is left in w->name
 * (return 1), an existing one is passed (return 0).
 */
static int walk(struct exec *x, struct walk *w, const char *path, unsigned mode, int last)
{
	int r;

	w->done[0] = 0;
	w->links = 0;
	r = exec_join(w->rest, sizeof(w->rest), path, NULL);
	if (r < 0)
		return r;
	while ((r = next_name(w)) > 0) {
		int is_last = 1;

		for (const char *p = w->rest; *p; p++)
			if (*p != '/')
				is_last = 0;
		if (strcmp(w->name, ".") == 0)
			continue;
		if (strcmp(w->name, "..") == 0) {
			go_up(w);
			continue;
		}
		r = pass(x, w, mode, last && is_last);
		if (r == -ENOENT && last && is_last)
			return 1;
		if (r < 0)
			return r;
	}
	return r;
}

int exec_mkdirs_in_root(struct exec *x, const char *path, unsigned mode)
{
	struct walk w;
	int fd = exec_open_in_root(x, path, O_PATH | O_DIRECTORY, 0);
	int r;

	if (fd != -ENOENT)
		return fd;
	r = walk(x, &w, path, mode, 0);
	if (r < 0)
		return r;
	return open_done(x, &w, O_PATH | O_DIRECTORY);
}

int exec_parent_in_root(struct exec *x, const char *path, char name[256])
{
	char parent[EXEC_PATH_MAX];
	size_t n = strlen(path);
	size_t cut;

	x->detail = path;
	while (n && path[n - 1] == '/')
		n--;
	cut = n;
	while (cut && path[cut - 1] != '/')
		cut--;
	if (n - cut == 0 || n - cut > 255 || cut >= sizeof(parent))
		return -EINVAL;
	memcpy(name, path + cut, n - cut);
	name[n - cut] = 0;
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return -EINVAL;
	memcpy(parent, path, cut);
	parent[cut] = 0;
	return exec_mkdirs_in_root(x, cut ? parent : "/", 0755);
}

/* Make an empty file for a bind mount and return it; the walk stopped before it. */
static int make_file(struct exec *x, struct walk *w)
{
	int parent = open_done(x, w, O_PATH | O_DIRECTORY);
	long fd;

	if (parent < 0)
		return parent;
	if (exec_in_procfs(parent)) {
		sys_close(parent);
		return -ENOENT;
	}
	fd = sys_openat(parent, w->name, O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_RDONLY, 0);
	sys_close(parent);
	if (fd >= 0)
		sys_close((int)fd);
	if (fd < 0 && fd != -EEXIST)
		return (int)fd;
	if (append(w) < 0)
		return -ENAMETOOLONG;
	return open_done(x, w, O_PATH | O_NOFOLLOW);
}

int exec_target_in_root(struct exec *x, const char *path, int directory)
{
	struct walk w;
	int fd;
	int r;

	if (directory)
		return exec_mkdirs_in_root(x, path, 0755);
	fd = exec_open_in_root(x, path, O_PATH, 0);
	if (fd != -ENOENT)
		return fd;
	r = walk(x, &w, path, 0755, 1);
	if (r < 0)
		return r;
	if (r == 0)
		return open_done(x, &w, O_PATH);
	return make_file(x, &w);
}
