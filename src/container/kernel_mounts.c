/* SPDX-License-Identifier: Apache-2.0 */
#include "container/kernel_mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"

#define TABLE_MAX_BYTES (64u << 20)
#define POINT 4 /* words before the mount point */

/* The mount point of a line that is about one of these file systems, or NULL. */
static char *point_of(char *line)
{
	const char *type = strstr(line, " - ");
	char *point = NULL;

	if (!type || (!str_starts(type, " - proc ") && !str_starts(type, " - sysfs ")))
		return NULL;
	for (int i = 0; i <= POINT; i++)
		point = strsep(&line, " ");
	if (point)
		str_unescape_octal(point);
	return point;
}

static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && path[len] == '/';
}

int kernel_mounts_of(
	char *table, struct arena *a, const char *rootfs, const char *const **ret, size_t *ret_n)
{
	size_t lines = 0, n = 0;
	const char **list;

	for (const char *p = table; (p = strchr(p, '\n')); p++)
		lines++;
	list = arena_calloc(a, lines + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (char *line; (line = strsep(&table, "\n"));) {
		const char *point = point_of(line);

		if (!point || is_below(point, rootfs))
			continue;
		/* from the end of the list on: what is mounted in another goes first */
		list[lines - n] = arena_strdup(a, point);
		if (!list[lines - n++])
			return -ENOMEM;
	}
	*ret = list + lines + 1 - n;
	*ret_n = n;
	return 0;
}

int kernel_mounts(struct arena *a, const char *rootfs, const char *const **ret, size_t *ret_n,
	struct err *err)
{
	auto_free char *table = NULL;
	int r = fd_read_file_at(AT_FDCWD, "/proc/self/mountinfo", TABLE_MAX_BYTES, &table, NULL);

	if (r == 0)
		r = kernel_mounts_of(table, a, rootfs, ret, ret_n);
	return r < 0 ? err_code(err, r, "read the mount table") : 0;
}
