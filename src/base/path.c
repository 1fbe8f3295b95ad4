/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths: resolution below a root that we do not trust, and lexical operations on names that we do.
 *
 * The resolver is bare/resolve.c, which the executor shares. The lexical functions are for names of
 * our own callers (a bundle, a root): they know nothing of links and must not be used on what a
 * container can change.
 */
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bare/resolve.h"
#include "base/mem.h"
#include "base/str.h"

int path_open_in_root(int rootfd, const char *path, int flags, mode_t mode)
{
	/* The kernel refuses openat2's mode without use and O_PATH with most flags, so nothing is
	 * added but CLOEXEC. */
	return resolve_in_root(rootfd, path, flags | O_CLOEXEC, mode);
}

/* Append the components of `path` to the absolute path in b; ".." takes one away, "/.." is "/". */
static void add_components(struct buf *b, const char *path)
{
	while (*path) {
		size_t len;

		path += strspn(path, "/");
		len = strcspn(path, "/");
		if (len == 2 && path[0] == '.' && path[1] == '.') {
			while (b->len > 0 && b->data[b->len - 1] != '/')
				b->data[--b->len] = '\0';
			if (b->len > 0)
				b->data[--b->len] = '\0';
		} else if (len > 0 && !(len == 1 && path[0] == '.')) {
			buf_addc(b, '/');
			buf_add(b, path, len);
		}
		path += len;
	}
}

char *path_join(const char *base, const char *rel)
{
	auto_done(buf) struct buf b = { 0 };

	if (*rel != '/')
		add_components(&b, base);
	add_components(&b, rel);
	if (b.len == 0)
		buf_addc(&b, '/');
	return buf_take(&b);
}

/* A relative path stays relative: leading ".." are kept, nothing left is ".". */
static char *clean_relative(const char *path)
{
	auto_done(buf) struct buf b = { 0 };
	size_t kept = 0; /* length of the leading ".." */

	while (*path) {
		size_t len;

		path += strspn(path, "/");
		len = strcspn(path, "/");
		if (len == 2 && path[0] == '.' && path[1] == '.' && b.len > kept) {
			while (b.len > kept && b.data[b.len - 1] != '/')
				b.data[--b.len] = '\0';
			if (b.len > 0)
				b.data[--b.len] = '\0';
		} else if (len > 0 && !(len == 1 && path[0] == '.')) {
			bool up = len == 2 && path[0] == '.' && path[1] == '.';

			if (b.len > 0)
				buf_addc(&b, '/');
			buf_add(&b, path, len);
			if (up)
				kept = b.len;
		}
		path += len;
	}
	if (b.len == 0)
		buf_addc(&b, '.');
	return buf_take(&b);
}

char *path_clean(const char *path)
{
	return *path == '/' ? path_join("/", path) : clean_relative(path);
}

char *path_absolute(const char *path)
{
	auto_free char *cwd = NULL;

	if (*path == '/')
		return path_clean(path);
	cwd = getcwd(NULL, 0);
	return cwd ? path_join(cwd, path) : NULL;
}

const char *path_basename(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

bool path_is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

char *path_find_program(const char *name, const char *search)
{
	while (search) {
		const char *colon = strchrnul(search, ':');
		auto_free char *dir = strndup(search, (size_t)(colon - search));
		auto_free char *path = dir && *dir == '/' ? path_join(dir, name) : NULL;

		if (path && path_is_program(path))
			return take_ptr(path);
		search = *colon ? colon + 1 : NULL;
	}
	return NULL;
}
