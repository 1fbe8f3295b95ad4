/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers that are made of two trees. The first byte of the input says how the second tree is kept and how the layer is
 * packed; then four bytes each are something done (tests/lib/trees.h), to the first tree until a 0xff, after it to the
 * second. The first tree with the layer must be the second one; only times of directories that are touched are none of a
 * layer's, and left out.
 */
#include <fcntl.h>
#include <locale.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/tree_copy.h"
#include "helper/diff.h"
#include "helper/layer.h"
#include "trees.h"

#define OPS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int r, const struct err *err)
{
	if (r >= 0)
		return;
	fprintf(stderr, "%s\n", err->text);
	abort();
}

static int make_dir(int at, const char *name)
{
	int fd = mkdirat(at, name, 0755) < 0 ? -1 : fd_open_at(at, name, O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0)
		abort();
	return fd;
}

/* One name of four, or up to three of them below each other. */
static void path_of(uint8_t byte, char out[32])
{
	static const char *const names[] = { "a", "b", "c\xff", "d e" };

	snprintf(out, 32, "%s%s%s%s%s", names[byte & 3], byte >> 6 ? "/" : "",
		byte >> 6 ? names[byte >> 2 & 3] : "", byte >> 6 > 1 ? "/" : "",
		byte >> 6 > 1 ? names[byte >> 4 & 3] : "");
}

/* What cannot be done is not. */
static void do_one(int at, const uint8_t in[4])
{
	char path[32], other[32], a[16], b[16], none[] = "", user[] = "user.a",
						trusted[] = "trusted.b";
	char op[8];
	char *word[] = { op, path, none, none };
	enum { NONE, PATH, NUMBER, ATTRIBUTE };
	static const struct {
		const char *op;
		int first, second;
	} ops[] = {
		{ "d", NONE, NONE },
		{ "f", NUMBER, NONE },
		{ "l", PATH, NONE },
		{ "h", PATH, NONE },
		{ "p", NONE, NONE },
		{ "c", NUMBER, NUMBER },
		{ "s", NONE, NONE },
		{ "rm", NONE, NONE },
		{ "mv", PATH, NONE },
		{ "chmod", NUMBER, NONE },
		{ "chown", NUMBER, NUMBER },
		{ "x", ATTRIBUTE, NUMBER },
		{ "size", NUMBER, NONE },
		{ "at", NUMBER, NUMBER },
	};
	size_t i = in[0] % (sizeof(ops) / sizeof(ops[0]));

	snprintf(op, sizeof(op), "%s", ops[i].op);
	path_of(in[1], path);
	path_of(in[2], other);
	/* Never the device 0:0, which hides. */
	snprintf(a, sizeof(a), "%u", in[2] * 2u + 1);
	snprintf(b, sizeof(b), "%u", in[3] * 300u);
	if (ops[i].first == PATH)
		word[2] = other;
	if (ops[i].first == NUMBER)
		word[2] = a;
	if (ops[i].first == ATTRIBUTE)
		word[2] = in[2] & 1 ? user : trusted;
	if (ops[i].second == NUMBER)
		word[3] = b;
	(void)tree_do_words(at, word);
}

static size_t do_all(int at, const uint8_t *data, size_t size)
{
	size_t i = 0;

	for (size_t n = 0; i + 4 <= size && data[i] != 0xff && n < OPS_MAX; i += 4, n++)
		do_one(at, data + i);
	return i < size && data[i] == 0xff ? i + 1 : i;
}

/* overlayfs shows names of one file below as files of one name each. */
static void check(int second, int made, bool overlay)
{
	char *is, *must_be;

	tree_age(second);
	tree_age(made);
	is = tree_text_of(made, overlay);
	must_be = tree_text_of(second, overlay);
	if (!str_eq(is, must_be)) {
		fprintf(stderr, "made:\n%smust be:\n%s", is, must_be);
		abort();
	}
	free(is);
	free(must_be);
}

static void try(int dir, bool overlay, enum tar_pack pack, const uint8_t *data, size_t size)
{
	auto_close int base = make_dir(dir, "base"), made = make_dir(dir, "made");
	auto_close int upper = make_dir(dir, overlay ? "upper" : "second"), second = -EBADF;
	auto_close int out = memfd_create("layer", MFD_CLOEXEC);
	const int right[] = { upper, base };
	struct diff d = { out, &base, right, 1, overlay ? 2 : 1, .guide = overlay, .pack = pack };
	struct layer l = { .blob = out, .root = made };
	struct layer_sum sum;
	struct diff_sums sums;
	struct err err;
	size_t n = do_all(base, data, size);

	tree_age(base);
	must(tree_copy(base, made, NULL, NULL, &err), &err);
	if (overlay) {
		fd_close(make_dir(dir, "work"));
		second = tree_overlay(dir, "base", "upper", "work");
	} else {
		must(tree_copy(base, upper, NULL, NULL, &err), &err);
		second = fd_open_at(upper, ".", O_RDONLY | O_DIRECTORY, 0);
	}
	if (second < 0)
		return; /* no overlayfs for this user */
	(void)do_all(second, data + n, size - n);
	must(diff_write(&d, &sums, &err), &err);
	if (lseek(out, 0, SEEK_SET) < 0)
		abort();
	must(layer_apply(&l, &sum, &err), &err);
	if (!str_eq(sum.digest, sums.tar.digest) || sum.size != sums.tar.size)
		abort();
	check(second, made, overlay);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[] = "/dev/shm/reeve-fuzz-XXXXXX";
	int dir, before;

	if (size == 0 || !mkdtemp(path))
		return 0;
	/* As the program has it. */
	umask(0);
	setlocale(LC_CTYPE, "C.UTF-8");
	before = fd_open(".", O_PATH | O_DIRECTORY, 0);
	dir = fd_open(path, O_RDONLY | O_DIRECTORY, 0);
	if (dir < 0 || chdir("/proc/self/fd") < 0)
		abort();
	try(dir, data[0] & 1, (enum tar_pack)((data[0] >> 1) % 3), data + 1, size - 1);
	fd_close(dir);
	dir = fd_open("/dev/shm", O_RDONLY | O_DIRECTORY, 0);
	if (file_remove_tree_at(dir, strrchr(path, '/') + 1) < 0)
		abort();
	fd_close(dir);
	/* Of what libFuzzer writes the names are relative. */
	if (fchdir(before) < 0)
		abort();
	fd_close(before);
	return 0;
}
