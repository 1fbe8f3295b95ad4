/* SPDX-License-Identifier: Apache-2.0 */
/* The journal's file: what is written is read, and what a killed writer left in part is not. */
#include "supervisor/journal.h"

#include "base/mem.h"
#include "test.h"

static void put(struct journal *j, uint16_t type, uint64_t task, const char *text)
{
	assert_ok(journal_append(j,
		&(struct journal_record){ .type = type,
			.wall_ns = 5,
			.task = task,
			.data = text,
			.size = strlen(text) },
		NULL));
}

static struct journal three(void)
{
	struct journal j;

	assert_ok(journal_make(-EBADF, NULL, &j, NULL));
	put(&j, JOURNAL_INPUT, 1, "one");
	put(&j, JOURNAL_ACKED, 2, "");
	put(&j, 99, 3, "of a later version");
	return j;
}

/* Texts of the records that can be read, and whether the end is whole. */
static int read_all(const void *data, size_t size, char *ret, size_t cap)
{
	struct journal_record r;
	size_t at = JOURNAL_HEAD, len = 0;
	int n;

	ret[0] = '\0';
	while ((n = journal_next(data, size, &at, &r)) > 0)
		len += (size_t)snprintf(ret + len, cap - len, "%u:%llu:%.*s ", r.type,
			(unsigned long long)r.task, (int)r.size, (const char *)r.data);
	return n;
}

TEST(what_is_written_is_read)
{
	struct journal j = three();
	auto_free void *data = NULL;
	char text[256];
	size_t size;

	assert_ok(journal_read_file(j.fd, &data, &size, NULL));
	assert_int_equal(size, j.size);
	assert_int_equal(read_all(data, size, text, sizeof(text)), 0);
	assert_string_equal(text, "4:1:one 5:2: 99:3:of a later version ");
	close(j.fd);
}

TEST(a_torn_record_ends_it_wherever_it_is_torn)
{
	struct journal j = three();
	auto_free void *data = NULL;
	char text[256];
	size_t size, last = JOURNAL_RECORD_HEAD + strlen("of a later version");

	assert_ok(journal_read_file(j.fd, &data, &size, NULL));
	for (size_t cut = size - last + 1; cut < size; cut++) {
		assert_int_equal(read_all(data, cut, text, sizeof(text)), -EBADMSG);
		assert_string_equal(text, "4:1:one 5:2: ");
	}
	close(j.fd);
}

TEST(a_changed_byte_is_noticed)
{
	struct journal j = three();
	auto_free unsigned char *data = NULL;
	char text[256];
	size_t size;

	assert_ok(journal_read_file(j.fd, (void **)&data, &size, NULL));
	for (size_t i = JOURNAL_HEAD; i < size; i++) {
		data[i] ^= 0x10;
		assert_int_equal(read_all(data, size, text, sizeof(text)), -EBADMSG);
		data[i] ^= 0x10;
	}
	close(j.fd);
}

TEST(what_is_no_journal_is_refused)
{
	struct journal j = three();
	auto_free void *data = NULL;
	struct err err;
	size_t size;

	assert_int_equal(pwrite(j.fd, "\x07", 1, 8), 1); /* the version */
	assert_int_equal(journal_read_file(j.fd, &data, &size, &err), -EBADMSG);
	assert_text_has(err.text, "version 7");
	assert_int_equal(pwrite(j.fd, "x", 1, 0), 1);
	assert_int_equal(journal_read_file(j.fd, &data, &size, &err), -EBADMSG);
	assert_ok(ftruncate(j.fd, 3));
	assert_int_equal(journal_read_file(j.fd, &data, &size, &err), -EBADMSG);
	close(j.fd);
}

TEST(a_write_that_fails_leaves_no_hole)
{
	struct journal j = three();
	auto_free void *data = NULL;
	uint64_t before = j.size;
	struct err err;
	char text[256];
	size_t size;
	int fd = j.fd;

	j.fd = -EBADF;
	assert_int_equal(journal_append(&j, &(struct journal_record){ .type = 4 }, &err), -EBADF);
	assert_int_equal(j.size, before);
	j.fd = fd;
	put(&j, JOURNAL_INPUT, 4, "on");
	assert_ok(journal_read_file(j.fd, &data, &size, NULL));
	assert_int_equal(read_all(data, size, text, sizeof(text)), 0);
	assert_text_has(text, "4:4:on");
	close(j.fd);
}
