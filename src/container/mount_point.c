/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One component after the other, each found as the container would find it, so that no link of the root file system
 * leads out of it. What is there stays as it is, whatever it is: if it is of the wrong kind, criu says so.
 */
#include "container/mount_point.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

/* What `path`, of which every part above its last is there, names, made when it is missing: O_PATH. */
static int make_one(int root, int parent, const char *path, const char *name, bool directory)
{
	int fd = path_open_in_root(root, path, O_PATH, 0);
	int r;

	if (fd != -ENOENT)
		return fd;
	r = directory ? mkdirat(parent, name, 0755) : mknodat(parent, name, S_IFREG | 0644, 0);
	return r < 0 ? -errno : path_open_in_root(root, path, O_PATH, 0);
}

static int make(int root, char *path, bool directory)
{
	auto_close int parent = path_open_in_root(root, "/", O_PATH | O_DIRECTORY, 0);
	char *name = path + strspn(path, "/");

	while (parent >= 0 && *name) {
		char *end = name + strcspn(name, "/");
		bool last = !*end;
		int fd;

		*end = '\0';
		fd = make_one(root, parent, path, name, !last || directory);
		if (last) {
			fd_close(fd);
			return fd < 0 ? fd : 0;
		}
		*end = '/';
		name = end + 1;
		fd_close(parent);
		parent = fd;
	}
	return parent < 0 ? parent : 0;
}

static bool is_bind(const struct spec_mount *m)
{
	for (size_t i = 0; i < m->n_options; i++)
		if (str_eq(m->options[i], "bind") || str_eq(m->options[i], "rbind"))
			return true;
	return str_eq(m->type, "bind");
}

static bool is_below_another(const struct spec *spec, const struct spec_mount *m)
{
	for (size_t i = 0; i < spec->n_mounts; i++) {
		const char *above = spec->mounts[i].destination;
		size_t len = strlen(above);

		if (&spec->mounts[i] != m && strncmp(m->destination, above, len) == 0 &&
			m->destination[len] == '/')
			return true;
	}
	return false;
}

static int wants_directory(const struct spec_mount *m, const char *bundle, bool *ret)
{
	auto_free char *source = NULL;
	struct stat st;

	*ret = true;
	if (!is_bind(m) || str_empty(m->source))
		return 0;
	source = path_join(bundle, m->source);
	if (!source)
		return -ENOMEM;
	if (stat(source, &st) == 0)
		*ret = S_ISDIR(st.st_mode);
	return 0;
}

int mount_point_make_all(
	const struct spec *spec, const char *bundle, const char *rootfs, struct err *err)
{
	auto_close int root = fd_open(rootfs, O_PATH | O_DIRECTORY, 0);

	if (root < 0)
		return err_code(err, root, "open root file system '%s'", rootfs);
	for (size_t i = 0; i < spec->n_mounts; i++) {
		const struct spec_mount *m = &spec->mounts[i];
		auto_free char *path = NULL;
		bool directory;
		int r;

		if (is_below_another(spec, m))
			continue;
		path = path_join("/", m->destination); /* without doubled or last slashes */
		r = path ? wants_directory(m, bundle, &directory) : -ENOMEM;
		if (r == 0)
			r = make(root, path, directory);
		if (r < 0)
			return err_code(
				err, r, "make mount point '%s' in '%s'", m->destination, rootfs);
	}
	return 0;
}
