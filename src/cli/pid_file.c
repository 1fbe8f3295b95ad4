/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pid file. It is not synced: after a crash of the machine there is no such process.
 */
#include "cli/pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

int pid_file_open(const char *path, struct pid_file *ret, struct err *err)
{
	const char *name = path ? path_basename(path) : NULL;
	auto_free char *dir = NULL;
	int fd;

	if (str_empty(path))
		return 0;
	dir = name == path ? strdup(".") : strndup(path, (size_t)(name - path));
	if (!dir)
		return err_oom(err);
	if (!*name)
		return err_set(err, -EISDIR, "pid file '%s' is a directory", path);
	fd = fd_open(dir, O_PATH | O_DIRECTORY, 0);
	if (fd < 0)
		return err_code(err, fd, "open the directory of pid file '%s'", path);
	*ret = (struct pid_file){ .path = path, .dirfd = fd };
	return 0;
}

int pid_file_write(const struct pid_file *f, pid_t pid, struct err *err)
{
	char text[16];
	int n, r;

	if (!f->path)
		return 0;
	n = snprintf(text, sizeof(text), "%d", pid);
	r = file_replace_at(f->dirfd, path_basename(f->path), text, (size_t)n, 0644);
	return r < 0 ? err_code(err, r, "write pid file '%s'", f->path) : 0;
}

void pid_file_done(struct pid_file *f)
{
	f->dirfd = fd_close(f->dirfd);
	f->path = NULL;
}
