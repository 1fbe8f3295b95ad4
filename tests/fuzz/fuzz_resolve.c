/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk that stands in for openat2(2), with the kernel as the second opinion: in a tree of directories, files and
 * links that the input describes, both open the same inode, or both fail alike. The first bytes make the tree, three
 * each (what, where, target), up to a zero; what is left are paths, one a line. Links to "/" and ".." abound.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bare/resolve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ENTRIES_MAX 40

static const char *const places[] = { "a", "b", "c", "a/a", "a/b", "b/a", "a/a/a", "b/b", "a/b/c",
	"c/c" };
static const char *const targets[] = { "a", "b", "..", ".", "/", "../..", "/a", "/a/b", "../b",
	"a/../b", "/..", "b/", "c/.", "./a", "//a//a", "../../../c", "x", "/x/y", "", "a/a/a/a" };

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
	return remove(path);
}

static int by_kernel(int root, const char *path, int flags, uint64_t resolve)
{
	struct open_how how = { .flags = (uint64_t)flags, .resolve = resolve };
	long fd;

	/* A rename anywhere on the machine is a reason to ask again, when the path goes back. */
	do
		fd = syscall(SYS_openat2, root, path, &how, sizeof(how));
	while (fd < 0 && errno == EAGAIN);
	return fd < 0 ? -errno : (int)fd;
}

/* The directory that `place` is in, with its last name in *ret_name. Links of the input lead out of the tree: not followed. */
static int open_parent(int root, const char *place, const char **ret_name)
{
	const char *slash = strrchr(place, '/');
	char dir[16] = ".";

	if (slash)
		snprintf(dir, sizeof(dir), "%.*s", (int)(slash - place), place);
	*ret_name = slash ? slash + 1 : place;
	return by_kernel(
		root, dir, O_PATH | O_DIRECTORY | O_CLOEXEC, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

static void make_entry(int root, uint8_t what, const char *place, const char *target)
{
	const char *name;
	int parent = open_parent(root, place, &name), fd;

	if (parent < 0)
		return;
	switch (what % 3) {
	case 0:
		fd = openat(
			parent, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_WRONLY, 0600);
		if (fd >= 0)
			close(fd);
		break;
	case 1:
		mkdirat(parent, name, 0700);
		break;
	default:
		(void)!symlinkat(target, parent, name); /* something may be there */
	}
	close(parent);
}

static size_t make_tree(int root, const uint8_t *data, size_t size)
{
	size_t used = 0;

	for (int i = 0; i < ENTRIES_MAX && size - used >= 3 && data[used]; i++, used += 3)
		make_entry(root, data[used],
			places[data[used + 1] % (sizeof(places) / sizeof(*places))],
			targets[data[used + 2] % (sizeof(targets) / sizeof(*targets))]);
	return used < size ? used + 1 : used;
}

static void compare(int root, const char *path, int flags, int links)
{
	uint64_t resolve = RESOLVE_IN_ROOT | (links ? RESOLVE_NO_MAGICLINKS : RESOLVE_NO_SYMLINKS);
	int one = by_kernel(root, path, flags, resolve);
	int two = resolve_walk(root, path, flags, 0, links);
	struct stat a, b;

	if (one == -ENOSYS || one == -EPERM) /* no second opinion here */
		goto out;
	if ((one < 0) != (two < 0) || (one < 0 && one != two)) {
		fprintf(stderr, "'%s' flags %o links %d: kernel %d, walk %d\n", path,
			(unsigned int)flags, links, one, two);
		abort();
	}
	if (one >= 0 && (fstat(one, &a) < 0 || fstat(two, &b) < 0 || a.st_ino != b.st_ino ||
				a.st_dev != b.st_dev)) {
		fprintf(stderr, "'%s' flags %o links %d: another inode\n", path,
			(unsigned int)flags, links);
		abort();
	}
out:
	if (one >= 0)
		close(one);
	if (two >= 0)
		close(two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char dir[] = "/tmp/fuzz-resolve-XXXXXX", *text, *rest, *path;
	size_t used;
	int root, n = 0;

	if (size > 1024 || !mkdtemp(dir))
		return 0;
	root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		abort();
	used = make_tree(root, data, size);
	text = rest = calloc(1, size - used + 1);
	if (!text)
		abort();
	memcpy(text, data + used, size - used);
	while (n++ < 8 && (path = strsep(&rest, "\n"))) {
		compare(root, path, O_PATH | O_CLOEXEC, 1);
		compare(root, path, O_PATH | O_CLOEXEC | O_NOFOLLOW, 1);
		compare(root, path, O_PATH | O_CLOEXEC | O_DIRECTORY, 1);
		compare(root, path, O_PATH | O_CLOEXEC, 0);
		compare(root, path, O_RDONLY | O_CLOEXEC, 1);
	}
	free(text);
	close(root);
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return 0;
}
