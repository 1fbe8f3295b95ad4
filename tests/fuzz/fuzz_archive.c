/* SPDX-License-Identifier: Apache-2.0 */
/* Archives of images. What comes of one is files that are named by their sum, and nothing beside. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/str.h"
#include "helper/archive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_files(int dir)
{
	DIR *d = fdopendir(dup(dir));
	const struct dirent *e;

	if (!d)
		abort();
	while ((e = readdir(d))) {
		char hex[SHA256_HEX_SIZE], *text;
		size_t len;

		if (strlen(e->d_name) != SHA256_HEX_SIZE - 1)
			continue; /* ".", "..", what is not whole */
		if (fd_read_regular_at(dir, e->d_name, 64 << 20, &text, &len) < 0)
			continue;
		if (!str_eq(sha256_hex(text, len, hex), e->d_name))
			abort();
		free(text);
	}
	closedir(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[] = "/dev/shm/reeve-fuzz-XXXXXX";
	struct archive_sum sum = { 0 };
	struct err err = { 0 };
	int dir, in, r;

	if (!mkdtemp(path))
		return 0;
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	in = fd_memfd("archive", data, size);
	if (dir < 0 || in < 0)
		abort();
	r = archive_take(in, dir, &sum, &err);
	if ((r < 0 && !err.text[0]) || (r == 0 && strlen(sum.index) != 7 + 64))
		abort();
	check_files(dir);
	close(in);
	close(dir);
	dir = open("/dev/shm", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (file_remove_tree_at(dir, strrchr(path, '/') + 1) < 0)
		abort();
	close(dir);
	return 0;
}
