/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `reeve list`: the containers of one root, as a table, as JSON, or their ids alone.
 *
 * A container that cannot be read is named on stderr and left out. One that vanishes while we read is no failure.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/session.h"
#include "cli/view.h"
#include "container/sandbox_group.h"

struct list_options {
	const char *format;
	const char *sandbox;
	bool quiet;
};

#define PASSWD_MAX (1u << 20)
#define AT(member) offsetof(struct list_options, member)

// clang-format off
static const struct args_option options[] = {
	{ "format", 'f', ARGS_STRING, AT(format), "FORMAT", "table or json" },
	{ "sandbox", 0, ARGS_STRING, AT(sandbox), "ID", "only the containers of this sandbox" },
	{ "quiet", 'q', ARGS_BOOL, AT(quiet), NULL, "only the ids" },
};
// clang-format on

struct listing {
	struct view *views;
	size_t n;
	struct arena owners;
};

static void listing_done(struct listing *l)
{
	for (size_t i = 0; i < l->n; i++)
		view_done(&l->views[i]);
	free(l->views);
	arena_done(&l->owners);
}

/* "name:password:uid:...": the name when the uid is this one. */
static const char *name_in_line(struct arena *a, const char *line, size_t len, uint32_t uid)
{
	const char *colon = memchr(line, ':', len);
	const char *number =
		colon ? memchr(colon + 1, ':', len - (size_t)(colon + 1 - line)) : NULL;
	char text[16];
	uint32_t found;
	size_t digits;

	if (!number++)
		return NULL;
	digits = strspn(number, "0123456789");
	if (digits >= sizeof(text))
		return NULL;
	memcpy(text, number, digits);
	text[digits] = '\0';
	if (str_to_u32(text, &found) < 0 || found != uid)
		return NULL;
	return arena_strndup(a, line, (size_t)(colon - line));
}

/* From the file itself: a static program cannot ask the name service, and an owner is nearly always in it. */
static const char *owner_name(struct arena *a, uint32_t uid)
{
	auto_free char *text = NULL;
	const char *name = NULL;

	if (fd_read_file_at(AT_FDCWD, "/etc/passwd", PASSWD_MAX, &text, NULL) == 0) {
		for (const char *line = text; *line && !name;) {
			size_t len = strcspn(line, "\n");

			name = name_in_line(a, line, len, uid);
			line += len + (line[len] == '\n');
		}
	}
	return name ? name : arena_printf(a, "#%u", uid);
}

static int read_all(
	struct session *s, const struct list_options *o, struct listing *l, struct err *err)
{
	char **ids;
	size_t n;
	int r;

	r = state_list(&s->state, &ids, &n, err);
	if (r < 0)
		return r;
	l->views = mem_calloc(n, sizeof(*l->views));
	for (size_t i = 0; i < n && l->views; i++) {
		r = view_open(&s->host, ids[i], &l->views[l->n], err);
		if (r == -ENOENT)
			continue;
		if (r < 0) {
			struct log to_stderr = {
				.fd = 2, .level = LOG_WARN_, .format = LOG_LOGRUS
			};

			log_write(&to_stderr, LOG_WARN_, "%s", err->text);
			continue;
		}
		if (o->sandbox && !sandbox_group_has(
					  container_record(l->views[l->n].container), o->sandbox)) {
			view_done(&l->views[l->n]);
			continue;
		}
		l->views[l->n].doc.owner = owner_name(
			&l->owners, (uint32_t)container_record(l->views[l->n].container)->owner);
		l->n++;
	}
	state_list_free(ids, n);
	return l->views ? 0 : err_oom(err);
}

enum { COLUMNS = 6 };

static void row_of(const struct state_doc *d, char pid[16], char created[CLOCK_RFC3339_SIZE],
	const char *row[COLUMNS])
{
	snprintf(pid, 16, "%d", d->pid);
	clock_rfc3339(d->created_wall_ns, created);
	row[0] = d->id;
	row[1] = pid;
	row[2] = d->status;
	row[3] = d->bundle;
	row[4] = created;
	row[5] = d->owner ? d->owner : "";
}

static void write_row(struct buf *out, const char *const row[COLUMNS], const size_t width[COLUMNS])
{
	for (int c = 0; c < COLUMNS; c++)
		buf_addf(out, "%-*s", c < COLUMNS - 1 ? (int)width[c] : 0, row[c]);
	buf_addc(out, '\n');
}

/* Columns as wide as their widest cell and three blanks, at least twelve: as runc's. */
static void write_table(const struct dialect *d, const struct listing *l, struct buf *out)
{
	size_t width[COLUMNS] = { 12, 12, 12, 12, 12, 12 };
	char pid[16], created[CLOCK_RFC3339_SIZE];
	const char *row[COLUMNS];

	for (size_t i = 0; i < l->n; i++) {
		row_of(&l->views[i].doc, pid, created, row);
		for (int c = 0; c < COLUMNS; c++)
			if (strlen(row[c]) + 3 > width[c])
				width[c] = strlen(row[c]) + 3;
	}
	write_row(out, d->list_heads, width);
	for (size_t i = 0; i < l->n; i++) {
		row_of(&l->views[i].doc, pid, created, row);
		write_row(out, row, width);
	}
}

static int write_json(const struct dialect *d, const struct listing *l, struct buf *out)
{
	struct state_doc *docs = mem_calloc(l->n, sizeof(*docs));
	int r;

	if (!docs)
		return -ENOMEM;
	for (size_t i = 0; i < l->n; i++)
		docs[i] = l->views[i].doc;
	r = state_doc_write_list(docs, l->n, d->empty_list ? d->empty_list : "null", out);
	free(docs);
	return r;
}

static int print(const struct dialect *d, const struct list_options *o, const struct listing *l,
	struct err *err)
{
	auto_done(buf) struct buf out = { 0 };

	if (o->quiet) {
		for (size_t i = 0; i < l->n; i++)
			buf_addf(&out, "%s\n", l->views[i].doc.id);
	} else if (str_eq(o->format, "json")) {
		if (write_json(d, l, &out) < 0)
			return err_oom(err);
	} else {
		write_table(d, l, &out);
	}
	return cli_print(&out, err);
}

static int run(struct cli *cli, const void *target, const struct args_list *args, struct err *err)
{
	const struct list_options *o = target;
	struct session s = { 0 };
	struct listing l = { 0 };
	int r;

	if (o->format && !str_eq(o->format, "table") && !str_eq(o->format, "json"))
		return err_set(err, -EINVAL, "invalid format option \"%s\"", o->format);
	r = session_browse(&s, cli, err);
	/* Nothing was ever run here; a root that was named must exist. */
	if (r == -ENOENT && !cli->global.root)
		r = 0;
	else if (r == 0)
		r = read_all(&s, o, &l, err);
	if (r == 0)
		r = print(cli->dialect, o, &l, err);
	listing_done(&l);
	session_done(&s);
	return r;
}

const struct cli_command list_command = {
	.name = "list",
	.usage = "[OPTIONS]",
	.summary = "list containers",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.target_size = sizeof(struct list_options),
	.run = run,
};
