/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Order is everything here: fds first, then the record that counts on them; the exit into the bundle, then the look for
 * the mark. `delete` marks first and reads the exit then, so at least one of the two sees the other: an exit is never
 * told by nobody. That there was a mark stands in the journal before the exit: whoever reads it publishes no more than we
 * did, though the mark is gone by then.
 */
#include "supervisor/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "base/wire.h"
#include "supervisor/bundle_record.h"
#include "supervisor/snapshot.h"

#define JOURNAL_MAX (64u << 10)
#define JOURNAL_GROWTH 4

static void complain(const struct supervisor *sup, const struct err *err)
{
	if (sup->config.log)
		log_write(sup->config.log, LOG_ERROR_, "%s", err->text);
}

/* ---- the bundle ---- */

static int open_bundle(const struct held_task *t)
{
	return fd_open(t->init.payload.request.create.bundle, O_PATH | O_DIRECTORY, 0);
}

/* `bundle` is what opening it gave. */
static void save_in(struct held_task *t, int bundle,
	int (*save)(int bundle, const struct bundle_record *r, struct err *err))
{
	const struct task_proc *init = &t->core.init;
	const struct backend *b = t->sup->config.backend;
	struct bundle_record r = {
		.root = t->container ? b->state_root(t->container) : NULL,
		.program = t->container && b->program ? b->program(t->container) : NULL,
		.systemd_cgroup = t->init.payload.request.create.options.systemd_cgroup,
		.pid = init->pid,
		.exited = init->exited,
		.exit_status = init->exited ? task_exit_status(init) : 0,
		.exited_wall_ns = init->exited ? init->exit_wall_ns : 0,
	};
	struct err err = { 0 };

	if (bundle < 0)
		err_code(&err, bundle, "open bundle '%s'", t->init.payload.request.create.bundle);
	else
		save(bundle, &r, &err);
	if (err.code)
		held_warn(t, &err);
}

void durable_save_bundle(struct held_task *t)
{
	auto_close int bundle = open_bundle(t);

	save_in(t, bundle, bundle_record_save);
}

static void append(struct supervisor *sup, const struct journal_record *r);

bool durable_is_told_elsewhere(const struct held_task *t)
{
	return t->taken_away && t->known;
}

void durable_take_away(struct held_task *t)
{
	struct supervisor *sup = t->sup;
	const struct journal_record r = {
		.type = JOURNAL_TAKEN_AWAY,
		.wall_ns = held_wall_ns(sup),
		.task = t->number,
	};

	if (t->taken_away)
		return;
	t->taken_away = true;
	if (sup->journal.fd >= 0)
		append(sup, &r);
	if (!sup->config.sink->drop_events || !durable_is_told_elsewhere(t) ||
		!sup->config.sink->drop_events(sup->config.sink_arg, t->number))
		durable_answer_mark(t);
}

void durable_answer_mark(struct held_task *t)
{
	auto_close int bundle = -EBADF;
	auto_close int mark = -EBADF;

	if (t->sup->wall_ns == 0) /* else it may be another one's */
		bundle = open_bundle(t);
	if (bundle >= 0)
		mark = fd_open_at(bundle, BUNDLE_MARK_NAME, O_WRONLY | O_NOFOLLOW, 0);
	if (mark >= 0)
		(void)fd_write_full(
			mark, "1", 1); /* without it whoever waits loses some patience */
}

static void look_for_mark_in(struct held_task *t, int bundle)
{
	/* The bundle goes with the task, and not before; a shim's `delete` removes it. */
	if ((bundle == -ENOENT && !t->sup->config.own_bundles) ||
		(bundle >= 0 &&
			faccessat(bundle, BUNDLE_MARK_NAME, F_OK, AT_SYMLINK_NOFOLLOW) == 0))
		durable_take_away(t);
}

void durable_look_for_mark(struct held_task *t)
{
	auto_close int bundle = open_bundle(t);

	look_for_mark_in(t, bundle);
}

void durable_adopt_bundle(struct held_task *t)
{
	auto_close int bundle = open_bundle(t);

	if (t->core.init.pid != 0) {
		save_in(t, bundle, bundle_record_refresh);
		t->exit_saved = t->core.init.exited;
	}
	look_for_mark_in(t, bundle);
}

void durable_remove_mark(struct held_task *t)
{
	auto_close int bundle = -EBADF;

	/* One that a journal tells of may have had the bundle of another one that is there now. */
	if (t->sup->wall_ns == 0)
		bundle = open_bundle(t);
	if (bundle >= 0)
		unlinkat(bundle, BUNDLE_MARK_NAME, 0);
}

/* Which container there is, and how its init ended. */
static void note_in_bundle(struct held_task *t, const struct task_input *in)
{
	const struct task_proc *init = &t->core.init;

	if (init->pid == 0)
		return;
	if (init->exited && !t->exit_saved) {
		t->exit_saved = true;
		durable_save_bundle(t);
		durable_look_for_mark(t);
	} else if (in->type == IN_DONE && in->pid == init->pid) {
		durable_save_bundle(t);
	} else if (in->type == IN_DELETE) {
		durable_look_for_mark(t);
	}
}

/* ---- the journal ---- */

static void append(struct supervisor *sup, const struct journal_record *r)
{
	struct err err;
	int code = fdtable_flush(sup->config.fds, &err);

	if (code < 0)
		complain(sup, &err);
	/* When the guardian is gone the record does not wait for it: the next worker has the file alone. */
	if (code != -ETIMEDOUT && journal_append(&sup->journal, r, &err) < 0)
		complain(sup, &err);
}

static void log_input(struct held_task *t, const struct task_input *in)
{
	uint8_t small[512];
	auto_free uint8_t *large = NULL;
	size_t size = input_encode(in, small, sizeof(small));
	struct journal_record r = {
		.type = JOURNAL_INPUT,
		.wall_ns = held_wall_ns(t->sup),
		.task = t->number,
		.data = small,
		.size = size,
	};
	struct err err;

	if (size > sizeof(small)) {
		large = malloc(size);
		if (!large) {
			err_oom(&err);
			complain(t->sup, &err);
			return;
		}
		input_encode(in, large, size);
		r.data = large;
	}
	append(t->sup, &r);
}

void durable_input(struct held_task *t, const struct task_input *in)
{
	struct supervisor *sup = t->sup;

	if (sup->config.sink->log)
		sup->config.sink->log(sup->config.sink_arg, t->ns, t->core.id, in);
	if (in->addr.conn > sup->last_conn)
		sup->last_conn = in->addr.conn;
	note_in_bundle(t, in);
	if (sup->journal.fd >= 0)
		log_input(t, in);
}

void durable_acked(struct supervisor *sup, uint64_t task, uint64_t sequence)
{
	struct journal_record r = {
		.type = JOURNAL_ACKED,
		.wall_ns = held_wall_ns(sup),
		.task = task,
		.data = &sequence,
		.size = sizeof(sequence),
	};
	struct held_task *t;
	struct err err;

	if (sup->journal.fd >= 0 && journal_append(&sup->journal, &r, &err) < 0)
		complain(sup, &err);
	t = held_task_find(sup, task);
	if (t && t->taken_away)
		durable_answer_mark(t);
}

/* ---- the journal's own life ---- */

#define NEW_NAME "journal.new"

/* It takes the name when it is complete, and when it is what the next worker is given. */
static int give_name(const struct supervisor *sup, struct err *err)
{
	int dir = sup->config.journal_dir;

	if (str_empty(sup->config.journal_name))
		return 0;
	return renameat(dir, NEW_NAME, dir, sup->config.journal_name) < 0
		       ? err_sys(err, "keep the journal")
		       : 0;
}

int durable_begin(struct supervisor *sup, struct err *err)
{
	bool named = !str_empty(sup->config.journal_name);
	struct journal j;
	int r = journal_make(named ? sup->config.journal_dir : -EBADF, NEW_NAME, &j, err);

	if (r < 0)
		return r;
	r = snapshot_write(sup, &j, err);
	if (r < 0) {
		fd_close(j.fd);
		return r;
	}
	j.start = j.size;
	r = fdtable_replace(sup->config.fds, JOURNAL_NAME, j.fd);
	if (r == 0)
		r = fdtable_flush(sup->config.fds, err);
	else
		err_code(err, r, "keep the journal");
	if (r == 0)
		r = give_name(sup, err);
	if (r < 0)
		return r;
	sup->journal = j;
	return 0;
}

void durable_tidy(struct supervisor *sup)
{
	uint64_t max = sup->config.journal_max ? sup->config.journal_max : JOURNAL_MAX;
	struct err err;

	if (sup->journal.fd < 0 || sup->journal.size < max ||
		sup->journal.size < JOURNAL_GROWTH * sup->journal.start)
		return;
	if (durable_begin(sup, &err) < 0) {
		complain(sup, &err);
		sup->journal.start = sup->journal.size; /* not with every input again */
	}
}
