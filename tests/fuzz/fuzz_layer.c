/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers of images: the first byte of the input says whether whiteouts are overlayfs's and whether something is in the
 * directory before, the rest is the layer, plain or compressed. It is unpacked beside a file that must not change.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "helper/layer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_beside(int dir)
{
	struct stat st;
	char byte = 0;
	int fd = openat(dir, "beside", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size != 1 || read(fd, &byte, 1) != 1 ||
		byte != 'b' || (st.st_mode & 07777) != 0600 || st.st_nlink != 1)
		abort();
	close(fd);
}

/* As copied from a layer below: names that tars begin with. */
static void fill(int root)
{
	if (mkdirat(root, "a", 0755) < 0 || mkdirat(root, "dir", 0755) < 0 ||
		file_save_at(root, "file", "x", 1, 0644) < 0 ||
		symlinkat("../..", root, "dir/out") < 0 || symlinkat("dir/out", root, "link") < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[] = "/dev/shm/reeve-fuzz-XXXXXX";
	struct layer l = { .blob = -EBADF, .root = -EBADF };
	struct layer_sum sum;
	struct err err = { 0 };
	int dir, r;

	if (size == 0 || !mkdtemp(path))
		return 0;
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || file_save_at(dir, "beside", "b", 1, 0600) < 0 ||
		mkdirat(dir, "root", 0755) < 0)
		abort();
	l.root = openat(dir, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l.root < 0)
		abort();
	l.blob = fd_memfd("layer", data + 1, size - 1);
	l.overlay = data[0] & 1;
	if (data[0] & 2)
		fill(l.root);
	if (l.blob < 0)
		abort();
	r = layer_apply(&l, &sum, &err);
	if (r < 0 && !err.text[0])
		abort();
	if (r == 0 && strlen(sum.digest) != 7 + 64)
		abort();
	check_beside(dir);
	close(l.root);
	close(l.blob);
	close(dir);
	dir = open("/dev/shm", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (file_remove_tree_at(dir, strrchr(path, '/') + 1) < 0)
		abort();
	close(dir);
	return 0;
}
