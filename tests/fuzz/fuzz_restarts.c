/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is there of restarts, and what a worker has written while it crashed, with a NUL and a NUL between them: whatever it is, a
 * restart that is noted after it is the last one that is read.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "settings/restarts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int dir)
{
	auto_done(arena) struct arena arena = { 0 };
	struct restart *list;
	struct err err = { 0 };
	size_t n, before;

	if (restarts_read(dir, &arena, &list, &before, &err) < 0 && !err.text[0])
		abort();
	if (restarts_note(dir, 7, "was killed", &err) < 0 ||
		restarts_read(dir, &arena, &list, &n, &err) < 0)
		abort();
	if (n == 0 || n > before + 1 || list[n - 1].number != 7 ||
		!str_eq(list[n - 1].reason, "was killed"))
		abort();
	if (faccessat(dir, RESTARTS_CRASH_NAME, F_OK, 0) == 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char between[2];
	const uint8_t *cut = size ? memmem(data, size, between, sizeof(between)) : NULL;
	char path[] = "/dev/shm/reeve-fuzz-XXXXXX";
	auto_close int dir = -EBADF, above = fd_open("/dev/shm", O_RDONLY | O_DIRECTORY, 0);

	if (!mkdtemp(path))
		return 0;
	dir = fd_open(path, O_RDONLY | O_DIRECTORY, 0);
	if (dir < 0 ||
		file_save_at(dir, RESTARTS_NAME, data, cut ? (size_t)(cut - data) : size, 0600) < 0)
		abort();
	if (cut && file_save_at(dir, RESTARTS_CRASH_NAME, cut + 2, size - (size_t)(cut + 2 - data),
			   0600) < 0)
		abort();
	check(dir);
	if (file_remove_tree_at(above, strrchr(path, '/') + 1) < 0)
		abort();
	return 0;
}
