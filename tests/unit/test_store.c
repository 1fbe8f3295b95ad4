/* SPDX-License-Identifier: Apache-2.0 */
/* The store: records, transactions, crashes at any moment, damage of every kind. */
#include "test.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "base/str.h"
#include "store/store.h"

struct fixture {
	struct test_tmpdir dir;
	char path[96];
	struct store *s;
};

static struct fixture *setup(void)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err err = { 0 };

	assert_non_null(f);
	f->dir = test_tmpdir_memory();
	snprintf(f->path, sizeof(f->path), "%s/meta.db", f->dir.path);
	if (store_open(f->path, &f->s, &err) < 0)
		fail_msg("%s", err.text);
	return f;
}

static void teardown(struct fixture *f)
{
	store_free(f->s);
	test_tmpdir_remove(&f->dir);
	free(f);
}

static void put(struct fixture *f, const char *ns, const char *key, const char *value)
{
	assert_ok(store_put(f->s, STORE_CONTAINER, ns, key, value, strlen(value), NULL));
}

static int get(struct fixture *f, const char *ns, const char *key, char *out, size_t size)
{
	auto_done(arena) struct arena a = { 0 };
	struct store_item item;
	int r = store_get(f->s, STORE_CONTAINER, ns, key, &a, &item, NULL);

	if (r == 0)
		snprintf(out, size, "%.*s", (int)item.size, (const char *)item.data);
	return r;
}

static int join(void *arg, const struct store_item *item)
{
	struct buf *b = arg;

	buf_addf(b, "%s/%s=%.*s ", item->ns, item->key, (int)item->size, (const char *)item->data);
	return 0;
}

static char *all(struct fixture *f, const char *ns)
{
	struct buf b = { 0 };

	buf_adds(&b, "");
	assert_ok(store_each(f->s, STORE_CONTAINER, ns, join, &b, NULL));
	return buf_take(&b);
}

static void reopen(struct fixture *f)
{
	store_free(f->s);
	f->s = NULL;
	assert_ok(store_open(f->path, &f->s, NULL));
}

TEST(records_are_found_by_namespace_and_key)
{
	struct fixture *f = setup();
	auto_free char *a = NULL, *b = NULL;
	char out[32];

	put(f, "x", "2", "two");
	put(f, "x", "1", "one");
	put(f, "y", "1", "");
	put(f, "x", "1", "uno");
	assert_ok(get(f, "x", "1", out, sizeof(out)));
	assert_string_equal(out, "uno");
	assert_int_equal(get(f, "y", "2", out, sizeof(out)), -ENOENT);
	a = all(f, "x");
	assert_string_equal(a, "x/1=uno x/2=two ");
	b = all(f, NULL);
	assert_string_equal(b, "x/1=uno x/2=two y/1= ");
	assert_int_equal(store_any(f->s, STORE_CONTAINER, "y", NULL), 1);
	assert_int_equal(store_any(f->s, STORE_IMAGE, "y", NULL), 0);
	assert_ok(store_delete(f->s, STORE_CONTAINER, "y", "1", NULL));
	assert_int_equal(store_delete(f->s, STORE_CONTAINER, "y", "1", NULL), -ENOENT);
	assert_ok(store_clear(f->s, STORE_CONTAINER, "x", NULL));
	assert_int_equal(store_any(f->s, STORE_CONTAINER, "x", NULL), 0);
	teardown(f);
}

TEST(what_was_put_outlives_the_process)
{
	struct fixture *f = setup();
	char out[32];

	put(f, "x", "1", "one");
	reopen(f);
	assert_ok(get(f, "x", "1", out, sizeof(out)));
	assert_string_equal(out, "one");
	teardown(f);
}

TEST(a_transaction_is_all_or_nothing)
{
	struct fixture *f = setup();
	auto_free char *text = NULL;

	put(f, "x", "1", "one");
	assert_ok(store_begin(f->s, NULL));
	put(f, "x", "2", "two");
	assert_ok(store_delete(f->s, STORE_CONTAINER, "x", "1", NULL));
	store_rollback(f->s);
	store_rollback(f->s);
	assert_ok(store_begin(f->s, NULL));
	put(f, "x", "3", "three");
	assert_ok(store_commit(f->s, NULL));
	text = all(f, "x");
	assert_string_equal(text, "x/1=one x/3=three ");
	teardown(f);
}

TEST(nobody_else_can_read_it)
{
	struct fixture *f = setup();
	struct stat st;

	put(f, "x", "1", "one");
	assert_ok(fstatat(f->dir.fd, "meta.db", &st, 0));
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_ok(fstatat(f->dir.fd, "meta.db-wal", &st, 0));
	assert_int_equal(st.st_mode & 07777, 0600);
	teardown(f);
}

/* Two records that change together, by a process that is killed at some moment, many times. */
static void change_for_ever(const char *path)
{
	struct store *s;
	char value[16];

	if (store_open(path, &s, NULL) < 0)
		_exit(1);
	for (int i = 0;; i++) {
		snprintf(value, sizeof(value), "%d", i);
		if (store_begin(s, NULL) < 0 ||
			store_put(s, STORE_CONTAINER, "x", "a", value, strlen(value), NULL) < 0 ||
			store_put(s, STORE_CONTAINER, "x", "b", value, strlen(value), NULL) < 0 ||
			store_commit(s, NULL) < 0)
			_exit(2);
	}
}

TEST(kill_at_any_moment_leaves_whole_transactions)
{
	struct fixture *f = setup();

	store_free(f->s);
	f->s = NULL;
	for (int i = 0; i < 40; i++) {
		const struct timespec wait = { 0, 300000 + i * 700000 };
		char a[32] = "", b[32] = "";
		pid_t pid = fork();
		int status;

		if (pid == 0)
			change_for_ever(f->path);
		assert_true(pid > 0);
		nanosleep(&wait, NULL);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		assert_ok(store_open(f->path, &f->s, NULL));
		if (get(f, "x", "a", a, sizeof(a)) == 0)
			assert_ok(get(f, "x", "b", b, sizeof(b)));
		assert_string_equal(a, b);
		store_free(f->s);
		f->s = NULL;
	}
	assert_ok(store_check(f->path, NULL, NULL, NULL));
	teardown(f);
}

/* ---- damage ---- */

static void fill(struct fixture *f)
{
	char key[16], value[400];

	assert_ok(store_begin(f->s, NULL));
	memset(value, 'v', sizeof(value));
	for (int i = 0; i < 500; i++) {
		snprintf(key, sizeof(key), "key%03d", i);
		assert_ok(store_put(f->s, STORE_CONTAINER, "x", key, value, sizeof(value), NULL));
	}
	assert_ok(store_commit(f->s, NULL));
	reopen(f);
	store_free(f->s);
	f->s = NULL;
}

static void spoil(struct fixture *f, off_t at, const void *bytes, size_t n)
{
	int fd = openat(f->dir.fd, "meta.db", O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, n, at), (ssize_t)n);
	close(fd);
}

static void line(void *arg, const char *text)
{
	buf_addf(arg, "%s\n", text);
}

static off_t find_bytes(struct fixture *f, const char *what)
{
	int fd = openat(f->dir.fd, "meta.db", O_RDONLY | O_CLOEXEC);
	char *data = malloc(1 << 20);
	ssize_t n = read(fd, data, 1 << 20);
	char *at = memmem(data, (size_t)n, what, strlen(what));
	off_t r = at ? at - data : -1;

	close(fd);
	free(data);
	assert_true(r > 0);
	return r;
}

TEST(a_changed_bit_in_a_value_is_found_and_named)
{
	struct fixture *f = setup();
	auto_done(buf) struct buf lines = { 0 };
	struct err err = { 0 };
	char out[8];

	fill(f);
	assert_ok(store_check(f->path, line, &lines, NULL));
	spoil(f, find_bytes(f, "key123") + 40, "w", 1);
	assert_int_equal(store_check(f->path, line, &lines, &err), -EUCLEAN);
	assert_text_has(lines.data, "record 'key123' of namespace 'x' is damaged");
	/* The others are as good as before. */
	assert_ok(store_open(f->path, &f->s, NULL));
	assert_int_equal(get(f, "x", "key123", out, sizeof(out)), -EUCLEAN);
	assert_ok(get(f, "x", "key124", out, sizeof(out)));
	teardown(f);
}

static size_t salvage(struct fixture *f, struct buf *lines)
{
	struct err err = { 0 };
	size_t kept = 0;

	if (store_salvage(f->path, line, lines, &kept, &err) < 0)
		fail_msg("%s", err.text);
	assert_ok(store_check(f->path, NULL, NULL, NULL));
	assert_ok(store_open(f->path, &f->s, NULL));
	assert_ok(faccessat(f->dir.fd, "meta.db.damaged", F_OK, 0));
	assert_int_not_equal(faccessat(f->dir.fd, "meta.db.new", F_OK, 0), 0);
	return kept;
}

TEST(a_lost_page_costs_what_was_on_it)
{
	struct fixture *f = setup();
	auto_done(buf) struct buf lines = { 0 };
	struct err err = { 0 };
	char zero[4096] = { 0 };
	size_t kept;

	fill(f);
	spoil(f, find_bytes(f, "key300") / 4096 * 4096, zero, sizeof(zero));
	assert_int_equal(store_open(f->path, &f->s, &err), -EUCLEAN);
	kept = salvage(f, &lines);
	assert_in_range(kept, 200, 499);
	assert_true(lines.len > 0);
	teardown(f);
}

TEST(a_file_that_is_no_store_is_put_aside)
{
	struct fixture *f = setup();
	auto_done(buf) struct buf lines = { 0 };
	struct err err = { 0 };
	char junk[4096];

	fill(f);
	memset(junk, 0x5a, sizeof(junk));
	spoil(f, 0, junk, sizeof(junk));
	assert_int_equal(store_open(f->path, &f->s, &err), -EUCLEAN);
	assert_text_has(err.text, f->path);
	assert_int_equal(salvage(f, &lines), 0);
	assert_text_has(lines.data, "can be read");
	put(f, "x", "1", "one");
	teardown(f);
}

TEST(every_truncation_is_an_error_or_a_store)
{
	struct fixture *f = setup();

	fill(f);
	for (off_t size = 200 << 10; size > 0; size -= 5000) {
		struct err err = { 0 };
		int r;

		assert_ok(truncate(f->path, size));
		r = store_open(f->path, &f->s, &err);
		if (r == 0) {
			free(all(f, "x"));
			store_free(f->s);
			f->s = NULL;
		} else {
			assert_int_equal(r, -EUCLEAN);
		}
	}
	teardown(f);
}

TEST(a_store_of_a_later_version_is_refused)
{
	struct fixture *f = setup();
	struct err err = { 0 };

	fill(f);
	spoil(f, 60, "\0\0\0\x09", 4); /* user_version, in SQLite's header */
	assert_int_equal(store_open(f->path, &f->s, &err), -EPROTONOSUPPORT);
	assert_text_has(err.text, "the store has format 9");
	teardown(f);
}

TEST(a_full_disk_is_an_error_and_undone)
{
	struct fixture *f = setup();
	const struct rlimit limit = { 200 << 10, 200 << 10 };
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		char value[4000], key[16];
		int r = 0;

		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &limit);
		memset(value, 'v', sizeof(value));
		store_begin(f->s, NULL);
		for (int i = 0; i < 1000 && r == 0; i++) {
			snprintf(key, sizeof(key), "%d", i);
			r = store_put(f->s, STORE_CONTAINER, "x", key, value, sizeof(value), NULL);
		}
		if (r == 0)
			r = store_commit(f->s, NULL);
		store_rollback(f->s);
		_exit(r < 0 && store_any(f->s, STORE_CONTAINER, "x", NULL) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	teardown(f);
}
