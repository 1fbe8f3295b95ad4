/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containerd looks in its working directory first. We do not: a daemon's working directory is an accident, and what
 * lies there must not become root's program. It also remembers what it found, so that a binary that has moved is not
 * found any more; looking costs microseconds, so nothing is remembered here.
 */
#include "manager/runtime_name.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

int runtime_name_program(const char *name, char **ret, struct err *err)
{
	const char *version = strrchr(name, '.');
	const char *base = version;

	if (*name == '\0')
		return err_set(err, -EINVAL, "no runtime name");
	if (strchr(name, '/'))
		return err_set(err, -EINVAL,
			"invalid runtime name '%s': neither an absolute path nor a name", name);
	while (base && base > name && base[-1] != '.')
		base--;
	if (!version || *name == '.' || base == version || version[1] == '\0')
		return err_set(err, -EINVAL,
			"invalid runtime name %s, correct runtime name should be either format "
			"like "
			"`io.containerd.runc.v2` or a full path to the binary",
			name);
	if (asprintf(ret, "containerd-shim-%.*s-%s", (int)(version - base), base, version + 1) < 0)
		return err_oom(err);
	return 0;
}

static int check_path(const char *path, char **ret, struct err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_sys(err, "invalid custom binary path: stat %s", path);
	if (!path_is_program(path))
		return err_set(err, -EINVAL, "runtime '%s' is not a program", path);
	*ret = strdup(path);
	return *ret ? 0 : err_oom(err);
}

int runtime_name_resolve(
	const char *name, const char *search, const char *beside, char **ret, struct err *err)
{
	auto_free char *program = NULL;
	int r;

	if (name && *name == '/')
		return check_path(name, ret, err);
	r = runtime_name_program(name ? name : "", &program, err);
	if (r < 0)
		return r;
	*ret = path_find_program(program, search);
	if (!*ret && beside)
		*ret = path_find_program(program, beside);
	if (!*ret)
		return err_set(err, -ENOENT,
			"runtime \"%s\" binary not installed \"%s\": file does not exist", name,
			program);
	return 0;
}
