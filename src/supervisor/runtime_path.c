/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A name without a slash is looked up as a shell does. One with a slash that is not absolute would depend on the working
 * directory of a daemon, so it is refused.
 */
#include "supervisor/runtime_path.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

#define OUR_NAME "reeve"

int runtime_path_find(const char *name, const char *search, char **ret, struct err *err)
{
	if (*name == '/') {
		struct stat st;

		if (stat(name, &st) < 0)
			return err_sys(err, "exec: \"%s\"", name);
		if (!path_is_program(name))
			return err_set(err, -EACCES, "exec: \"%s\": permission denied", name);
		*ret = strdup(name);
		return *ret ? 0 : err_oom(err);
	}
	if (strchr(name, '/'))
		return err_set(err, -EINVAL,
			"exec: \"%s\": BinaryName is neither absolute nor a name in $PATH", name);
	*ret = path_find_program(name, search);
	if (!*ret)
		return err_set(
			err, -ENOENT, "exec: \"%s\": executable file not found in $PATH", name);
	return 0;
}

static bool same_file(const char *a, const struct stat *b)
{
	struct stat st;

	return stat(a, &st) == 0 && st.st_dev == b->st_dev && st.st_ino == b->st_ino;
}

static bool is_beside_us(const struct stat *st)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - sizeof(OUR_NAME));
	char *slash;

	if (n <= 0)
		return false;
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (!slash)
		return false;
	memcpy(slash + 1, OUR_NAME, sizeof(OUR_NAME));
	return same_file(self, st);
}

bool runtime_path_is_reeve(const char *path, const char *search)
{
	auto_free char *real = realpath(path, NULL);
	auto_free char *ours = path_find_program(OUR_NAME, search);
	struct stat st;

	if (real && str_eq(path_basename(real), OUR_NAME))
		return true;
	if (stat(path, &st) < 0)
		return false;
	if (ours && same_file(ours, &st))
		return true;
	return is_beside_us(&st);
}
