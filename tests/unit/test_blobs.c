/* SPDX-License-Identifier: Apache-2.0 */
#include "services/blobs.h"

#include <fcntl.h>
#include <string.h>

#include "test.h"

struct fixture {
	struct test_tmpdir t;
	struct blobs b;
	size_t asked;
};

static void put(const struct fixture *f, const char *name)
{
	int fd = openat(f->b.blobs, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	close(fd);
}

static void begin(struct fixture *f, unsigned int n)
{
	char name[SHA256_HEX_SIZE];

	*f = (struct fixture){ .t = test_tmpdir() };
	assert_ok(blobs_open(f->t.fd, &f->b, NULL));
	for (unsigned int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%064x", i);
		put(f, name);
	}
}

static void end(struct fixture *f)
{
	blobs_close(&f->b);
	test_tmpdir_remove(&f->t);
}

static size_t count(const struct fixture *f)
{
	DIR *d = fdopendir(openat(f->b.blobs, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	size_t n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

/* Those with an odd number. */
static bool is_odd(void *arg, const char *digest)
{
	struct fixture *f = arg;

	f->asked++;
	return strchr("13579bdf", digest[DIGEST_SIZE - 2]);
}

TEST(a_sweep_looks_at_so_many_at_a_time)
{
	struct fixture f;
	DIR *at = NULL;
	size_t slices = 0;

	begin(&f, 100);
	do {
		size_t before = count(&f), asked = f.asked;

		assert_ok(blobs_sweep(&f.b, &at, 10, is_odd, &f, NULL));
		assert_true(f.asked - asked <= 10);
		assert_true(before - count(&f) <= 10);
		slices++;
	} while (at);
	assert_in_range(slices, 10, 12);
	assert_int_equal(f.asked, 100);
	assert_int_equal(count(&f), 50);
	end(&f);
}

TEST(what_is_no_digest_is_left_alone_and_all_at_once_is_one)
{
	struct fixture f;
	DIR *at = NULL;

	begin(&f, 2);
	put(&f, "a-file-of-somebody-1");
	assert_ok(blobs_sweep(&f.b, &at, 1000, is_odd, &f, NULL));
	assert_null(at);
	assert_int_equal(f.asked, 2);
	assert_int_equal(count(&f), 2);
	end(&f);
}

TEST(what_was_written_earlier_is_read_part_by_part)
{
	static char data[1 << 20];
	struct ingest g = { .fd = -EBADF };
	char whole[DIGEST_SIZE], again[DIGEST_SIZE];
	size_t parts = 0;
	struct fixture f;

	begin(&f, 0);
	memset(data, 'x', sizeof(data));
	assert_ok(ingest_open(&f.b, "ns", "ref", &g, NULL));
	assert_false(ingest_is_behind(&g));
	for (int i = 0; i < 4; i++)
		assert_ok(ingest_write(&g, data, sizeof(data), NULL));
	ingest_digest(&g, whole);
	ingest_close(&g);
	assert_ok(ingest_open(&f.b, "ns", "ref", &g, NULL));
	for (; ingest_is_behind(&g); parts++)
		assert_ok(ingest_catch_up(&g, NULL));
	assert_true(parts >= 4);
	assert_int_equal(g.size, 4 * sizeof(data));
	ingest_digest(&g, again);
	assert_string_equal(again, whole);
	ingest_close(&g);
	end(&f);
}
