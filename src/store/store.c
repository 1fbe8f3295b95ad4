/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One table holds every bucket: records are found by (bucket, namespace, key) alone, and what is in
 * a value is the business of who wrote it.
 *
 * What surprises: the write-ahead log and its index are files beside the store; all three belong
 * together, also when the store is put aside.
 */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32.h"
#include "base/fd.h"
#include "base/str.h"

#define FORMAT 1
#define BUSY_MS 2000

enum statement {
	GET,
	PUT,
	DELETE,
	CLEAR,
	EACH,
	EACH_NS,
	ANY,
	BEGIN,
	COMMIT,
	ROLLBACK,
	N_STATEMENTS
};

// clang-format off
static const char *const texts[N_STATEMENTS] = {
	[GET] = "SELECT value, sum FROM record WHERE bucket = ?1 AND ns = ?2 AND key = ?3",
	[PUT] = "INSERT OR REPLACE INTO record (bucket, ns, key, value, sum) VALUES (?1, ?2, ?3, ?4, ?5)",
	[DELETE] = "DELETE FROM record WHERE bucket = ?1 AND ns = ?2 AND key = ?3",
	[CLEAR] = "DELETE FROM record WHERE bucket = ?1 AND ns = ?2",
	[EACH] = "SELECT ns, key, value, sum FROM record WHERE bucket = ?1 ORDER BY ns, key",
	[EACH_NS] = "SELECT ns, key, value, sum FROM record WHERE bucket = ?1 AND ns = ?2 ORDER BY key",
	[ANY] = "SELECT 1 FROM record WHERE bucket = ?1 AND ns = ?2 LIMIT 1",
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
};
// clang-format on

struct store {
	sqlite3 *db;
	sqlite3_stmt *statements[N_STATEMENTS];
};

// clang-format off
static const struct {
	int theirs, ours;
} codes[] = {
	{ SQLITE_FULL,     -ENOSPC },
	{ SQLITE_NOMEM,    -ENOMEM },
	{ SQLITE_BUSY,     -EAGAIN },
	{ SQLITE_LOCKED,   -EAGAIN },
	{ SQLITE_READONLY, -EROFS },
	{ SQLITE_CORRUPT,  -EUCLEAN },
	{ SQLITE_NOTADB,   -EUCLEAN },
	{ SQLITE_FORMAT,   -EUCLEAN },
	{ SQLITE_TOOBIG,   -E2BIG },
	{ SQLITE_PERM,     -EACCES },
};
// clang-format on

static int fail(struct store *s, int code, const char *what, struct err *err)
{
	int ours = -EIO;

	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		if (codes[i].theirs == (code & 0xff))
			ours = codes[i].ours;
	return err_set(err, ours, "%s: %s", what, s->db ? sqlite3_errmsg(s->db) : "no memory");
}

static int run(struct store *s, const char *text, struct err *err)
{
	int r = sqlite3_exec(s->db, text, NULL, NULL, NULL);

	return r == SQLITE_OK ? 0 : fail(s, r, "prepare the store", err);
}

/* The value is bound, not copied: it must live until the statement is reset. */
static int bind_key(sqlite3_stmt *st, enum store_bucket bucket, const char *ns, const char *key)
{
	int r = sqlite3_bind_int(st, 1, (int)bucket);

	if (r == SQLITE_OK && ns)
		r = sqlite3_bind_text(st, 2, ns, -1, SQLITE_STATIC);
	if (r == SQLITE_OK && key)
		r = sqlite3_bind_text(st, 3, key, -1, SQLITE_STATIC);
	return r;
}

static int statement(struct store *s, enum statement which, sqlite3_stmt **ret, struct err *err)
{
	int r = SQLITE_OK;

	if (!s->statements[which])
		r = sqlite3_prepare_v3(s->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT,
			&s->statements[which], NULL);
	*ret = s->statements[which];
	return r == SQLITE_OK ? 0 : fail(s, r, "prepare a statement", err);
}

static void release(sqlite3_stmt *st)
{
	(void)sqlite3_reset(st);
	(void)sqlite3_clear_bindings(st);
}

static int step(struct store *s, enum statement which, const char *what, struct err *err)
{
	sqlite3_stmt *st;
	int r = statement(s, which, &st, err);

	if (r < 0)
		return r;
	r = sqlite3_step(st);
	if (r != SQLITE_DONE && r != SQLITE_ROW)
		r = fail(s, r, what, err);
	else
		r = 0;
	release(st);
	return r;
}

/* ---- transactions ---- */

int store_begin(struct store *s, struct err *err)
{
	return step(s, BEGIN, "begin a change of the store", err);
}

int store_commit(struct store *s, struct err *err)
{
	int r = step(s, COMMIT, "write the store", err);

	if (r < 0)
		store_rollback(s);
	return r;
}

void store_rollback(struct store *s)
{
	/* After some failures SQLite has done it by itself. */
	if (!sqlite3_get_autocommit(s->db))
		(void)step(s, ROLLBACK, "undo a change of the store", NULL);
}

/* ---- records ---- */

static uint32_t sum_of(const void *data, size_t size)
{
	return crc32_add(0, data, size);
}

/* The column's bytes, when they are what was written. */
static bool read_value(sqlite3_stmt *st, int column, const void **ret, size_t *ret_size)
{
	*ret = sqlite3_column_blob(st, column);
	*ret_size = (size_t)sqlite3_column_bytes(st, column);
	if (!*ret)
		*ret = "";
	return sqlite3_column_int64(st, column + 1) == (sqlite3_int64)sum_of(*ret, *ret_size);
}

int store_get(struct store *s, enum store_bucket bucket, const char *ns, const char *key,
	struct arena *arena, struct store_item *ret, struct err *err)
{
	const void *data;
	sqlite3_stmt *st;
	size_t size;
	char *copy;
	int r = statement(s, GET, &st, err);

	if (r < 0)
		return r;
	r = bind_key(st, bucket, ns, key);
	if (r == SQLITE_OK)
		r = sqlite3_step(st);
	if (r == SQLITE_DONE)
		r = err_set(err, -ENOENT, "no such record");
	else if (r != SQLITE_ROW)
		r = fail(s, r, "read the store", err);
	else if (!read_value(st, 0, &data, &size))
		r = err_set(err, -EUCLEAN, "the record of '%s' is damaged", key);
	else if (!(copy = arena_alloc(arena, size + 1)))
		r = err_oom(err);
	else {
		memcpy(copy, data, size);
		*ret = (struct store_item){ ns, key, copy, size };
		r = 0;
	}
	release(st);
	return r;
}

int store_put(struct store *s, enum store_bucket bucket, const char *ns, const char *key,
	const void *data, size_t size, struct err *err)
{
	sqlite3_stmt *st;
	int r = statement(s, PUT, &st, err);

	if (r < 0)
		return r;
	r = bind_key(st, bucket, ns, key);
	if (r == SQLITE_OK)
		r = sqlite3_bind_blob64(st, 4, size ? data : "", size, SQLITE_STATIC);
	if (r == SQLITE_OK)
		r = sqlite3_bind_int64(st, 5, sum_of(data, size));
	if (r == SQLITE_OK)
		r = sqlite3_step(st);
	r = r == SQLITE_DONE ? 0 : fail(s, r, "write the store", err);
	release(st);
	return r;
}

/* 0 or -ENOENT when nothing was there. */
static int take_out(struct store *s, enum statement which, enum store_bucket bucket, const char *ns,
	const char *key, struct err *err)
{
	sqlite3_stmt *st;
	int r = statement(s, which, &st, err);

	if (r < 0)
		return r;
	r = bind_key(st, bucket, ns, key);
	if (r == SQLITE_OK)
		r = sqlite3_step(st);
	if (r != SQLITE_DONE)
		r = fail(s, r, "write the store", err);
	else if (sqlite3_changes(s->db) == 0)
		r = err_set(err, -ENOENT, "no such record");
	else
		r = 0;
	release(st);
	return r;
}

int store_clear(struct store *s, enum store_bucket bucket, const char *ns, struct err *err)
{
	int r = take_out(s, CLEAR, bucket, ns, NULL, err);

	return r == -ENOENT ? 0 : r;
}

int store_delete(
	struct store *s, enum store_bucket bucket, const char *ns, const char *key, struct err *err)
{
	return take_out(s, DELETE, bucket, ns, key, err);
}

/* `bad` is told of values that are not what was written; NULL: fn is, without the value. */
static int each_row(sqlite3_stmt *st, store_each_fn *fn, store_each_fn *bad, void *arg)
{
	int r = 0;

	while (r == 0 && sqlite3_step(st) == SQLITE_ROW) {
		struct store_item item = {
			.ns = (const char *)sqlite3_column_text(st, 0),
			.key = (const char *)sqlite3_column_text(st, 1),
		};
		bool good = read_value(st, 2, &item.data, &item.size);

		if (!item.ns || !item.key)
			continue;
		if (!good && bad) {
			r = bad(arg, &item);
			continue;
		}
		if (!good)
			item.data = NULL, item.size = 0;
		r = fn(arg, &item);
	}
	return r;
}

int store_each(struct store *s, enum store_bucket bucket, const char *ns, store_each_fn *fn,
	void *arg, struct err *err)
{
	sqlite3_stmt *st = NULL;
	int r, code;

	/* Of its own: fn may ask for other lists. */
	r = sqlite3_prepare_v2(s->db, texts[ns ? EACH_NS : EACH], -1, &st, NULL);
	if (r == SQLITE_OK)
		r = bind_key(st, bucket, ns, NULL);
	if (r == SQLITE_OK) {
		int stopped = each_row(st, fn, NULL, arg);

		code = sqlite3_finalize(st);
		if (stopped != 0)
			return stopped;
		return code == SQLITE_OK ? 0 : fail(s, code, "read the store", err);
	}
	r = fail(s, r, "read the store", err);
	(void)sqlite3_finalize(st);
	return r;
}

int store_any(struct store *s, enum store_bucket bucket, const char *ns, struct err *err)
{
	sqlite3_stmt *st;
	int r = statement(s, ANY, &st, err);

	if (r < 0)
		return r;
	r = bind_key(st, bucket, ns, NULL);
	if (r == SQLITE_OK)
		r = sqlite3_step(st);
	if (r == SQLITE_ROW || r == SQLITE_DONE)
		r = r == SQLITE_ROW;
	else
		r = fail(s, r, "read the store", err);
	release(st);
	return r;
}

/* ---- the file ---- */

static int number_of(struct store *s, const char *text, int *ret, struct err *err)
{
	sqlite3_stmt *st = NULL;
	int r = sqlite3_prepare_v2(s->db, text, -1, &st, NULL);

	if (r == SQLITE_OK)
		r = sqlite3_step(st);
	if (r == SQLITE_ROW) {
		*ret = sqlite3_column_int(st, 0);
		r = 0;
	} else {
		r = fail(s, r, "read the store", err);
	}
	(void)sqlite3_finalize(st);
	return r;
}

struct findings {
	store_report_fn *report;
	void *arg;
	size_t n;
};

static void __attribute__((format(printf, 2, 3))) found(struct findings *f, const char *fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	f->n++;
	if (f->report)
		f->report(f->arg, line);
}

static int structure(struct store *s, const char *pragma, struct findings *f, struct err *err)
{
	sqlite3_stmt *st = NULL;
	int r = sqlite3_prepare_v2(s->db, pragma, -1, &st, NULL), got = r;

	while (r == SQLITE_OK && (got = sqlite3_step(st)) == SQLITE_ROW) {
		const char *line = (const char *)sqlite3_column_text(st, 0);

		if (line && !str_eq(line, "ok"))
			found(f, "%s", line);
	}
	r = got == SQLITE_DONE ? 0 : fail(s, got, "check the store", err);
	(void)sqlite3_finalize(st);
	return r;
}

static int prepare(struct store *s, struct err *err)
{
	int format = 0, r;

	(void)sqlite3_busy_timeout(s->db, BUSY_MS);
	r = run(s,
		"PRAGMA trusted_schema = OFF; PRAGMA journal_mode = WAL; "
		"PRAGMA synchronous = FULL; PRAGMA cache_size = -256; "
		"PRAGMA journal_size_limit = 1048576;",
		err);
	if (r == 0)
		r = number_of(s, "PRAGMA user_version", &format, err);
	if (r == 0 && format > FORMAT)
		return err_set(err, -EPROTONOSUPPORT,
			"the store has format %d, this program reads up to %d", format, FORMAT);
	if (r == 0 && format == 0)
		r = run(s,
			"BEGIN; CREATE TABLE IF NOT EXISTS record (bucket INTEGER NOT NULL, "
			"ns TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, sum INTEGER NOT "
			"NULL, "
			"PRIMARY KEY (bucket, ns, key)) WITHOUT ROWID; "
			"PRAGMA user_version = 1; COMMIT",
			err);
	return r;
}

static int open_file(const char *path, int flags, struct store **ret, struct err *err)
{
	struct store *s = mem_calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_oom(err);
	r = sqlite3_open_v2(path, &s->db, flags | SQLITE_OPEN_NOMUTEX, NULL);
	if (r != SQLITE_OK) {
		r = fail(s, r, "open the store", err);
		store_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

/* The files beside it get the mode of the store. */
static int make_private(const char *path, struct err *err)
{
	auto_close int fd = fd_open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);

	return fd < 0 ? err_code(err, fd, "open it") : 0;
}

int store_open(const char *path, struct store **ret, struct err *err)
{
	struct findings f = { 0 };
	struct store *s = NULL;
	int r = make_private(path, err);

	if (r == 0)
		r = open_file(path, SQLITE_OPEN_READWRITE, &s, err);
	if (r == 0 && s)
		r = prepare(s, err);
	if (r == 0 && s)
		r = structure(s, "PRAGMA quick_check(1)", &f, err);
	if (r == 0 && f.n > 0)
		r = err_set(err, -EUCLEAN, "it is damaged");
	if (r < 0) {
		err_in(err, "store '%s'", path);
		store_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void store_free(struct store *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < N_STATEMENTS; i++)
		(void)sqlite3_finalize(s->statements[i]);
	(void)sqlite3_close(s->db);
	free(s);
}

static int good_record(void *arg, const struct store_item *item)
{
	return 0;
}

static int bad_record(void *arg, const struct store_item *item)
{
	found(arg, "record '%s' of namespace '%s' is damaged", item->key, item->ns);
	return 0;
}

#define ALL_RECORDS "SELECT ns, key, value, sum, bucket FROM record ORDER BY bucket, ns, key"

static int values(struct store *s, struct findings *f, struct err *err)
{
	sqlite3_stmt *st = NULL;
	int r = sqlite3_prepare_v2(s->db, ALL_RECORDS, -1, &st, NULL);

	if (r == SQLITE_OK)
		(void)each_row(st, good_record, bad_record, f);
	r = sqlite3_finalize(st) == SQLITE_OK && r == SQLITE_OK
		    ? 0
		    : fail(s, sqlite3_errcode(s->db), "check the store", err);
	return r;
}

int store_check(const char *path, store_report_fn *report, void *arg, struct err *err)
{
	struct findings f = { report, arg, 0 };
	auto_freep(store) struct store *s = NULL;
	int r = open_file(path, SQLITE_OPEN_READWRITE, &s, err);

	if (r == 0 && s) {
		(void)sqlite3_busy_timeout(s->db, BUSY_MS);
		r = structure(s, "PRAGMA integrity_check(50)", &f, err);
	}
	if (r == 0 && s && f.n == 0)
		r = values(s, &f, err);
	if (r < 0)
		return err_in(err, "store '%s'", path);
	return f.n ? err_set(err, -EUCLEAN, "store '%s' is damaged", path) : 0;
}

/* ---- salvage ---- */

struct salvage {
	struct findings findings; /* first: bad_record() is given it */
	struct store *to;
	sqlite3_stmt *from;
	size_t kept; /* records */
	struct err *err;
};

static int keep_record(void *arg, const struct store_item *item)
{
	struct salvage *v = arg;
	int r = store_put(v->to, (enum store_bucket)sqlite3_column_int(v->from, 4), item->ns,
		item->key, item->data, item->size, v->err);

	v->kept += r == 0;
	return r;
}

static int copy_records(struct salvage *v, struct store *from)
{
	int r = sqlite3_prepare_v2(from->db, ALL_RECORDS, -1, &v->from, NULL);

	if (r != SQLITE_OK) {
		found(&v->findings, "no record can be read: %s", sqlite3_errmsg(from->db));
		return 0;
	}
	r = store_begin(v->to, v->err);
	if (r == 0)
		r = each_row(v->from, keep_record, bad_record, v);
	if (sqlite3_finalize(v->from) != SQLITE_OK)
		found(&v->findings, "records behind the %zu that were kept: %s", v->kept,
			sqlite3_errmsg(from->db));
	if (r == 0)
		r = store_commit(v->to, v->err);
	else
		store_rollback(v->to);
	return r;
}

static void remove_file(const char *path)
{
	static const char *const beside[] = { "", "-wal", "-shm" };

	for (size_t i = 0; i < ARRAY_LEN(beside); i++) {
		auto_free char *name = NULL;

		if (asprintf(&name, "%s%s", path, beside[i]) >= 0)
			(void)unlink(name);
	}
}

static int move_beside(const char *path, const char *aside, const char *what, struct err *err)
{
	auto_free char *from = NULL, *to = NULL;

	if (asprintf(&from, "%s%s", path, what) < 0 || asprintf(&to, "%s%s", aside, what) < 0)
		return err_oom(err);
	if (rename(from, to) < 0 && errno != ENOENT)
		return err_sys(err, "put '%s' aside", from);
	return 0;
}

/* The log goes first: beside another file it would be played into that. The name of the store
 * always leads to a file. */
static int replace(const char *path, const char *aside, const char *fresh, struct err *err)
{
	int r;

	remove_file(aside);
	r = move_beside(path, aside, "-wal", err);
	if (r == 0)
		r = move_beside(path, aside, "-shm", err);
	if (r < 0)
		return r;
	if (link(path, aside) < 0)
		return err_sys(err, "put '%s' aside", path);
	if (rename(fresh, path) < 0)
		return err_sys(err, "put the new store in place");
	return 0;
}

static int fill(const char *path, const char *fresh, struct salvage *v)
{
	auto_freep(store) struct store *from = NULL;
	auto_freep(store) struct store *to = NULL;
	int r = store_open(fresh, &to, v->err);

	if (r < 0)
		return r;
	v->to = to;
	if (open_file(path, SQLITE_OPEN_READWRITE, &from, NULL) == 0 && from)
		return copy_records(v, from);
	found(&v->findings, "nothing of it can be read");
	return 0;
}

int store_salvage(
	const char *path, store_report_fn *report, void *arg, size_t *ret_kept, struct err *err)
{
	struct salvage v = { .findings = { report, arg, 0 }, .err = err };
	auto_free char *aside = NULL, *fresh = NULL;
	int r;

	if (asprintf(&aside, "%s.damaged", path) < 0 || asprintf(&fresh, "%s.new", path) < 0)
		return err_oom(err);
	remove_file(fresh);
	r = fill(path, fresh, &v);
	if (r == 0)
		r = replace(path, aside, fresh, err);
	if (r == 0)
		*ret_kept = v.kept;
	else
		remove_file(fresh);
	return r;
}
