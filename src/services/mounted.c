/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An overlay names the directories of snapshots among its options, with the paths that it was given; a bind mount tells
 * its own from the top of the file system, which may begin anywhere below ours. So a path is taken for one of ours when
 * what stands in front of the snapshotter's directory is the end of ours.
 */
#include "services/mounted.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

#define TABLE_MAX_BYTES (64u << 20)
#define PLACE "/io.containerd.snapshotter.v1."
#define BELOW "/snapshots/"
#define ENDS " \t\n,:=" /* of a path in the table */

/* What stands in front of `at`, back to where its path begins, is the end of `root`. */
static bool is_ours(const char *text, const char *at, const char *root)
{
	size_t n = strlen(root), len = 0;

	while (at - len > text && !strchr(ENDS, at[-1 - (ptrdiff_t)len]))
		len++;
	return len <= n && memcmp(at - len, root + n - len, len) == 0;
}

/* As the table has it: blanks and backslashes as "\040". Heap. */
static char *escape(const char *path)
{
	auto_done(buf) struct buf out = { 0 };

	for (; *path; path++) {
		if (strchr(" \t\n\\", *path))
			buf_addf(&out, "\\%03o", (unsigned char)*path);
		else
			buf_addc(&out, *path);
	}
	buf_addc(&out, '\0');
	return buf_ok(&out) < 0 ? NULL : buf_take(&out);
}

static int add(struct mounted *m, uint64_t number)
{
	if (mounted_has(m, number))
		return 0;
	if (mem_grow(&m->numbers, &m->cap, m->n + 1, sizeof(*m->numbers)) < 0)
		return -ENOMEM;
	m->numbers[m->n++] = number;
	return 0;
}

int mounted_find(const char *text, const char *root, struct mounted *ret)
{
	auto_free char *ours = escape(root);
	const char *at = text;
	int r = ours ? 0 : -ENOMEM;

	while (r == 0 && (at = strstr(at, PLACE))) {
		const char *name = at + strlen(PLACE), *number;
		bool mine = is_ours(text, at, ours);
		char digits[24];
		uint64_t value;
		size_t n;

		at = name + strcspn(name, "/" ENDS);
		if (!mine || !str_starts(at, BELOW))
			continue;
		number = at + strlen(BELOW);
		n = strspn(number, "0123456789");
		if (n == 0 || n >= sizeof(digits))
			continue;
		memcpy(digits, number, n);
		digits[n] = '\0';
		if (str_to_u64(digits, UINT64_MAX, &value) == 0)
			r = add(ret, value);
	}
	return r;
}

int mounted_read(const char *root, struct mounted *ret, struct err *err)
{
	auto_free char *text = NULL;
	int r = fd_read_file_at(AT_FDCWD, "/proc/self/mountinfo", TABLE_MAX_BYTES, &text, NULL);

	if (r < 0)
		return err_code(err, r, "read the table of mounts");
	return mounted_find(text, root, ret) < 0 ? err_oom(err) : 0;
}

bool mounted_has(const struct mounted *m, uint64_t number)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->numbers[i] == number)
			return true;
	return false;
}

void mounted_done(struct mounted *m)
{
	free(m->numbers);
	*m = (struct mounted){ 0 };
}
