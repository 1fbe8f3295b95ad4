/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store is opened as the daemon does it: what only its write-ahead log has is part of it.
 */
#include "helper/store_report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "store/store.h"

/* One line; what would end it is replaced. */
static void add_line(struct buf *out, const char *word, const char *a, const char *b)
{
	const char *parts[] = { a, b };

	buf_adds(out, word);
	for (size_t i = 0; i < ARRAY_LEN(parts) && parts[i]; i++) {
		buf_addc(out, '\t');
		log_add_plain(out, parts[i]);
	}
	buf_addc(out, '\n');
}

static void add_finding(void *arg, const char *line)
{
	add_line(arg, "bad", line, NULL);
}

static int add_container(void *arg, const struct store_item *item)
{
	add_line(arg, "container", item->ns, item->key);
	return 0;
}

static void list_containers(const char *path, struct buf *out)
{
	auto_freep(store) struct store *s = NULL;
	struct err err = { 0 };

	if (store_open(path, &s, &err) < 0 ||
		store_each(s, STORE_CONTAINER, NULL, add_container, out, &err) < 0)
		add_line(out, "error", err.text, NULL);
	else
		add_line(out, "ok", NULL, NULL);
}

static void report(const char *path, struct buf *out)
{
	struct err err = { 0 };
	int r;

	if (access(path, F_OK) < 0 && errno == ENOENT) {
		add_line(out, "none", NULL, NULL);
		return;
	}
	r = store_check(path, add_finding, out, &err);
	if (r == 0)
		list_containers(path, out);
	else if (r == -EUCLEAN)
		add_line(out, "damaged", err.text, NULL);
	else
		add_line(out, "error", err.text, NULL);
}

int store_report_main(int news, char **words, size_t n)
{
	auto_done(buf) struct buf out = { 0 };

	if (n != 1 || !str_starts(words[0], "path="))
		add_line(&out, "error", "store: path=FILE is expected", NULL);
	else
		report(words[0] + strlen("path="), &out);
	return buf_ok(&out) < 0 || fd_write_full(news, out.data, out.len) < 0;
}
