/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reload: a supervisor takes up what an earlier one has left: the journal is fed to the core with nothing performed, then
 * containers, streams and processes are taken over, then every connection of the earlier worker has hung up, and the
 * core orders once more what was under way.
 *
 * What surprises: a task that the journal tells in part stays as it was when the journal ended. Nothing is killed for
 * being unknown: the rest of its life comes from its exit.
 */
#include "supervisor/reload.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "supervisor/durable.h"
#include "supervisor/job.h"
#include "supervisor/perform.h"
#include "supervisor/proc.h"
#include "supervisor/recording.h"
#include "supervisor/snapshot.h"
#include "supervisor/supervisor.h"

/* By then the guardian has told all exits that it knows of. */
#define UNKNOWN_NS (3 * NS_PER_SEC)

static void complain(const struct supervisor *sup, const struct err *err)
{
	if (sup->config.log)
		log_write(sup->config.log, LOG_ERROR_, "%s", err->text);
}

/* ---- reading the journal ---- */

static int take_request(struct held_task *t, const struct task_input *in, struct err *err)
{
	struct supervisor *sup = t->sup;
	int r;

	payload_done(&sup->payload);
	if (in->type != IN_EXEC && in->type != IN_UPDATE && in->type != IN_CHECKPOINT)
		return 0;
	r = payload_from_bytes(in->payload, in->payload_size, &sup->payload, err);
	if (r == 0 && in->type == IN_EXEC && sup->payload.request.type != REQ_EXEC)
		r = err_set(err, -EBADMSG, "journal: an exec is malformed");
	return r;
}

/* By what a process that has come or gone is known. */
static void take_news(struct held_task *t, const struct task_input *in)
{
	struct payload_news news;
	struct held_proc *p = NULL;

	if (!in->payload || !payload_news_decode(in->payload, in->payload_size, &news))
		return;
	if (in->type == IN_EXIT || in->type == IN_OOM) {
		t->oom_kills = news.oom_kills;
		return;
	}
	/* The core's table of requests, for an order from before a snapshot has no job here. */
	for (uint32_t i = 0; i < t->core.n_ops && !p; i++)
		if (t->core.ops[i].id == in->op)
			p = held_proc_of(t, t->core.ops[i].exec);
	if (!p)
		return;
	p->who = PIDREF_NULL;
	p->who.inode = news.inode;
	p->who.start_time = news.start_time;
}

static void feed(struct held_task *t, const struct task_input *in)
{
	struct supervisor *sup = t->sup;
	bool outcome = in->type == IN_MADE || in->type == IN_DONE || in->type == IN_FAILED;

	if (in->addr.conn > sup->last_conn)
		sup->last_conn = in->addr.conn;
	if (outcome || in->type == IN_EXIT || in->type == IN_OOM)
		take_news(t, in);
	if (outcome)
		job_noted_outcome(t, in);
	if (input_is_request(in->type))
		held_grow_ops(t);
	if (in->addr.conn != 0 && in->type != IN_CREATE && in->type != IN_HANGUP)
		t->known = true;
	if (in->type == IN_EXEC)
		held_grow_execs(t);
	task_step(&t->core, in, &sup->fx);
	perform_note(t, &sup->fx);
}

static int create(struct supervisor *sup, const struct journal_record *r,
	const struct task_input *in, struct err *err)
{
	struct payload p = { 0 };
	struct held_task *t = NULL;
	int code = payload_from_bytes(in->payload, in->payload_size, &p, err);

	if (code < 0)
		return code;
	if (p.request.type == REQ_CREATE && r->task > sup->last_number)
		t = held_task_new(sup, p.request.ns, p.request.id, r->task);
	if (!t) {
		payload_done(&p);
		return err_set(err, -EBADMSG, "journal: a create is malformed");
	}
	t->init.payload = p;
	feed(t, in);
	return 0;
}

static int take_input(struct supervisor *sup, const struct journal_record *r, struct err *err)
{
	struct held_task *t = held_task_find(sup, r->task);
	struct task_input in;
	int code = input_decode(r->data, r->size, &in, err);

	if (code < 0)
		return code;
	if (!t && in.type == IN_CREATE)
		return create(sup, r, &in, err);
	if (!t)
		return err_set(err, -EBADMSG, "journal: an input of a task that is not there");
	code = take_request(t, &in, err);
	if (code == 0)
		feed(t, &in);
	payload_done(&sup->payload);
	return code;
}

static int take_acked(struct supervisor *sup, const struct journal_record *r, struct err *err)
{
	uint64_t sequence;

	if (r->size != sizeof(sequence))
		return err_set(err, -EBADMSG, "journal: an acknowledgement is malformed");
	memcpy(&sequence, r->data, sizeof(sequence));
	if (sup->config.sink->forget_event)
		sup->config.sink->forget_event(sup->config.sink_arg, r->task, sequence);
	return 0;
}

static int take_away(struct supervisor *sup, const struct journal_record *r, struct err *err)
{
	struct held_task *t = held_task_find(sup, r->task);

	if (!t)
		return err_set(err, -EBADMSG, "journal: a mark of a task that is not there");
	durable_take_away(t);
	return 0;
}

static int take_record(struct supervisor *sup, const struct journal_record *r, struct err *err)
{
	switch (r->type) {
	case JOURNAL_INPUT:
		return take_input(sup, r, err);
	case JOURNAL_ACKED:
		return take_acked(sup, r, err);
	case JOURNAL_TAKEN_AWAY:
		return take_away(sup, r, err);
	default:
		return snapshot_take(sup, r, err);
	}
}

void reload_read(struct supervisor *sup, const void *data, size_t size)
{
	struct journal_record record;
	size_t at = JOURNAL_HEAD;
	int r;

	sup->busy = true; /* nothing comes of what is fed */
	while ((r = journal_next(data, size, &at, &record)) > 0) {
		struct err bad;

		sup->wall_ns = record.wall_ns;
		if (take_record(sup, &record, &bad) < 0)
			complain(sup, &bad);
	}
	sup->busy = false;
	sup->wall_ns = 0;
	if (r < 0 && sup->config.log)
		log_write(sup->config.log, LOG_WARN_,
			"the journal ends in a torn record: %zu of %zu bytes are read", at, size);
}

static int read_journal(struct supervisor *sup, int fd, struct err *err)
{
	auto_free void *data = NULL;
	size_t size;
	int r = journal_read_file(fd, &data, &size, err);

	if (r == 0)
		reload_read(sup, data, size);
	return r;
}

/* ---- taking over ---- */

static bool has_process(const struct held_task *t)
{
	return t->core.state != TASK_NEW && t->core.state != TASK_CREATING;
}

static void adopt(struct held_task *t)
{
	if (!has_process(t))
		return;
	job_adopt(t);
	durable_adopt_bundle(t);
}

static void hang_up(struct held_task *t)
{
	struct task_input in = { .type = IN_HANGUP };
	bool more;

	do {
		more = false;
		for (uint32_t i = 0; i < t->core.n_ops && !more; i++) {
			in.addr.conn = t->core.ops[i].addr.conn;
			more = in.addr.conn != 0;
		}
		if (more)
			held_feed(t, NULL, &in);
	} while (more);
}

/* One that was deleted from outside ends now, if it has not. */
static void end_deserted(struct held_task *t)
{
	struct task_input in = { .type = IN_KILL, .signal = SIGKILL, .all = true };

	if (!t->taken_away)
		return;
	durable_answer_mark(t);
	held_grow_ops(t);
	if (t->core.state == TASK_CREATED || t->core.state == TASK_RESTORABLE ||
		t->core.state == TASK_STOPPED)
		in = (struct task_input){ .type = IN_DELETE };
	else if (t->core.init.exited)
		return;
	held_feed(t, NULL, &in);
}

static void go_on(struct held_task *t)
{
	struct task_input in = { .type = IN_RELOAD };

	hang_up(t);
	held_feed(t, NULL, &in);
}

static void for_each_task(struct supervisor *sup, void (*fn)(struct held_task *t))
{
	struct held_task *t;

	for (uint64_t at = 0; (t = held_task_next(sup, at)) != NULL;) {
		at = t->number;
		fn(t);
	}
}

static void end_unknown(struct held_task *t)
{
	proc_end_unknown(&t->init);
	for (uint32_t i = 0; i < t->core.cap_execs; i++)
		proc_end_unknown(t->execs[i]);
}

static void on_unknown(struct loop_timer *timer)
{
	struct supervisor *sup = container_of(timer, struct supervisor, unknown);

	for_each_task(sup, end_unknown);
	recording_tidy(sup);
}

/* What the worker before us had; else, when whoever kept it is gone too, the file. */
static bool find_journal(struct supervisor *sup)
{
	int fd = fdtable_get(sup->config.fds, JOURNAL_NAME);
	auto_close int file = -EBADF;
	struct err bad;

	if (fd < 0 && !str_empty(sup->config.journal_name)) {
		file = fd_open_at(sup->config.journal_dir, sup->config.journal_name,
			O_RDONLY | O_NOFOLLOW, 0);
		fd = file;
		sup->orphaned = true;
	}
	if (fd >= 0 && read_journal(sup, fd, &bad) < 0)
		complain(sup, &bad);
	return fd >= 0;
}

static void take_over(struct supervisor *sup)
{
	for_each_task(sup, adopt);
	for_each_task(sup, go_on);
	for_each_task(sup, end_deserted);
	fdtable_drop_unclaimed(sup->config.fds);
}

int supervisor_load(struct supervisor *sup, struct err *err)
{
	bool found = find_journal(sup);
	int r = durable_begin(sup, err);

	if (found)
		take_over(sup);
	if ((found || sup->config.recorder) &&
		loop_timer_set(sup->config.loop, &sup->unknown, clock_boot_ns() + UNKNOWN_NS,
			on_unknown) < 0)
		log_write(sup->config.log, LOG_ERROR_, "out of memory for a timer");
	return r;
}
