/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A task is its core's record, the requests that its processes were made from, by what they are known again, and the
 * requests of orders that are under way. What surprises: the streams are not in it. Their fds have names that follow
 * from the task's number, and what is open tells how far they are.
 */
#include "supervisor/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/wire.h"
#include "supervisor/job.h"

enum { NUMBERS_LAST_TASK = 1, NUMBERS_LAST_CONN = 2 };

enum {
	TASK_NS = 1,
	TASK_CORE = 2,
	TASK_CREATE = 3, /* payload */
	TASK_PROC = 4,   /* repeated */
	TASK_ORDER = 5,  /* repeated */
	TASK_OOM_KILLS = 6,
	TASK_TAKEN_AWAY = 7,
	TASK_KNOWN = 8,
};

enum { PROC_SLOT = 1, PROC_PAYLOAD = 2, PROC_INODE = 3, PROC_START_TIME = 4 };

enum { ORDER_OP = 1, ORDER_PAYLOAD = 2 };

/* ---- writing ---- */

static void put_proc(struct wire_out *w, const struct held_proc *p)
{
	struct wire_out measure = { 0 };

	for (int pass = 0; pass < 2; pass++) {
		struct wire_out *to = pass ? w : &measure;

		if (pass)
			wire_put_head(w, TASK_PROC, measure.len);
		wire_put_int(to, PROC_SLOT, p->slot == TASK_INIT ? 0 : p->slot + 1);
		if (p->slot != TASK_INIT)
			wire_put_bytes(to, PROC_PAYLOAD, p->payload.data, p->payload.size);
		wire_put_int(to, PROC_INODE, p->who.inode);
		wire_put_int(to, PROC_START_TIME, p->who.start_time);
	}
}

static void put_order(struct wire_out *w, const struct held_job *j)
{
	struct wire_out measure = { 0 };

	for (int pass = 0; pass < 2; pass++) {
		struct wire_out *to = pass ? w : &measure;

		if (pass)
			wire_put_head(w, TASK_ORDER, measure.len);
		wire_put_int(to, ORDER_OP, j->op);
		wire_put_bytes(to, ORDER_PAYLOAD, j->payload.data, j->payload.size);
	}
}

static void put_task(
	struct wire_out *w, const struct held_task *t, const void *core, size_t core_size)
{
	wire_put_str(w, TASK_NS, t->ns);
	wire_put_bytes(w, TASK_CORE, core, core_size);
	wire_put_bytes(w, TASK_CREATE, t->init.payload.data, t->init.payload.size);
	put_proc(w, &t->init);
	for (uint32_t i = 0; i < t->core.n_execs; i++)
		if (t->core.execs[i].state != EXEC_FREE)
			put_proc(w, t->execs[i]);
	for (const struct held_job *j = t->jobs; j; j = j->next)
		if (j->payload.size > 0)
			put_order(w, j);
	wire_put_int(w, TASK_OOM_KILLS, t->oom_kills);
	wire_put_int(w, TASK_TAKEN_AWAY, t->taken_away);
	wire_put_int(w, TASK_KNOWN, t->known);
}

static int write_task(const struct held_task *t, struct buf *out, struct err *err)
{
	size_t core_size = task_encode(&t->core, NULL, 0);
	auto_free uint8_t *core = malloc(core_size);
	auto_free uint8_t *bytes = NULL;
	struct wire_out w = { 0 };

	if (!core)
		return err_oom(err);
	task_encode(&t->core, core, core_size);
	put_task(&w, t, core, core_size);
	bytes = malloc(w.len);
	if (!bytes)
		return err_oom(err);
	w = (struct wire_out){ .data = bytes, .cap = w.len };
	put_task(&w, t, core, core_size);
	return journal_gather(out,
		&(struct journal_record){ .type = JOURNAL_TASK,
			.wall_ns = held_wall_ns(t->sup),
			.task = t->number,
			.data = bytes,
			.size = w.len },
		err);
}

static int write_numbers(const struct supervisor *sup, struct buf *out, struct err *err)
{
	uint8_t bytes[32];
	struct wire_out w = { .data = bytes, .cap = sizeof(bytes) };

	wire_put_int(&w, NUMBERS_LAST_TASK, sup->last_number);
	wire_put_int(&w, NUMBERS_LAST_CONN, sup->last_conn);
	return journal_gather(out,
		&(struct journal_record){ .type = JOURNAL_NUMBERS,
			.wall_ns = held_wall_ns(sup),
			.data = bytes,
			.size = w.len },
		err);
}

static int write_events(const struct supervisor *sup, struct buf *out, struct err *err)
{
	auto_done(buf) struct buf events = { 0 };
	int r;

	if (!sup->config.sink->save_events)
		return 0;
	r = sup->config.sink->save_events(sup->config.sink_arg, &events);
	if (r == 0)
		r = buf_ok(&events);
	if (r < 0)
		return err_code(err, r, "save the events that wait");
	return journal_gather(out,
		&(struct journal_record){ .type = JOURNAL_EVENTS,
			.wall_ns = held_wall_ns(sup),
			.data = events.data,
			.size = events.len },
		err);
}

int snapshot_write(const struct supervisor *sup, struct journal *j, struct err *err)
{
	auto_done(buf) struct buf all = { 0 };
	int r = write_numbers(sup, &all, err);

	if (r == 0)
		r = write_events(sup, &all, err);
	for (size_t i = 0; i < HOLDER_BUCKETS; i++)
		for (const struct held_task *t = sup->buckets[i]; t && r == 0; t = t->next)
			if (t->core.state != TASK_NEW)
				r = write_task(t, &all, err);
	return r < 0 ? r : journal_append_gathered(j, &all, err);
}

/* ---- reading ---- */

static int bad(struct err *err, const char *what)
{
	return err_set(err, -EBADMSG, "journal: %s is malformed", what);
}

static int take_numbers(struct supervisor *sup, const struct journal_record *r, struct err *err)
{
	struct wire_in w = { .data = r->data, .size = r->size };
	struct wire_field f;

	while (wire_next(&w, &f)) {
		if (!f.is_bytes && f.number == NUMBERS_LAST_TASK)
			sup->last_number = f.value;
		else if (!f.is_bytes && f.number == NUMBERS_LAST_CONN)
			sup->last_conn = f.value;
	}
	return w.bad ? bad(err, "its first record") : 0;
}

static int take_proc(struct held_task *t, const struct wire_field *from, struct err *err)
{
	struct wire_in w = wire_nested(from);
	struct wire_field f, payload = { 0 };
	struct held_proc *p = &t->init;
	struct pidref who = PIDREF_NULL;
	uint64_t slot = 0;

	while (wire_next(&w, &f)) {
		if (f.is_bytes && f.number == PROC_PAYLOAD)
			payload = f;
		else if (!f.is_bytes && f.number == PROC_SLOT)
			slot = f.value;
		else if (!f.is_bytes && f.number == PROC_INODE)
			who.inode = f.value;
		else if (!f.is_bytes && f.number == PROC_START_TIME)
			who.start_time = f.value;
	}
	if (w.bad || slot > t->core.n_execs)
		return bad(err, "a process");
	if (slot > 0)
		p = t->execs[slot - 1];
	p->who = who;
	if (slot == 0)
		return 0;
	if (p->payload.data || !payload.data || t->core.execs[slot - 1].state == EXEC_FREE)
		return bad(err, "an exec");
	if (payload_from_bytes(payload.data, payload.size, &p->payload, err) < 0)
		return err->code;
	return p->payload.request.type == REQ_EXEC ? 0 : bad(err, "an exec");
}

static int take_order(struct held_task *t, const struct wire_field *from, struct err *err)
{
	struct wire_in w = wire_nested(from);
	struct wire_field f, payload = { 0 };
	uint64_t op = 0;

	while (wire_next(&w, &f)) {
		if (f.is_bytes && f.number == ORDER_PAYLOAD)
			payload = f;
		else if (!f.is_bytes && f.number == ORDER_OP)
			op = f.value;
	}
	if (w.bad || op > UINT32_MAX)
		return bad(err, "an order");
	return job_restore(t, (uint32_t)op, payload.data, payload.size, err);
}

static int take_core(struct held_task *t, const struct wire_field *f, struct err *err)
{
	uint32_t execs, ops;
	char id[TASK_ID_MAX + 1];
	int r = task_decode_room(f->data, f->size, &execs, &ops, err);

	if (r == 0 && held_make_room(t, execs, ops) < 0)
		return err_oom(err);
	memcpy(id, t->core.id, sizeof(id));
	if (r == 0)
		r = task_decode(f->data, f->size, &t->core, err);
	if (r < 0)
		return r;
	if (t->core.state != TASK_NEW && t->core.state != TASK_GONE && str_eq(id, t->core.id))
		return 0;
	memcpy(t->core.id, id, sizeof(id)); /* the table has it under this one */
	return bad(err, "a task");
}

static int take_parts(struct held_task *t, const struct journal_record *r, struct err *err)
{
	struct wire_in w = { .data = r->data, .size = r->size };
	struct wire_field f;
	int code = 0;

	while (code == 0 && wire_next(&w, &f)) {
		if (f.is_bytes && f.number == TASK_PROC)
			code = take_proc(t, &f, err);
		else if (f.is_bytes && f.number == TASK_ORDER)
			code = take_order(t, &f, err);
		else if (!f.is_bytes && f.number == TASK_OOM_KILLS)
			t->oom_kills = f.value;
		else if (!f.is_bytes && f.number == TASK_TAKEN_AWAY)
			t->taken_away = f.value != 0;
		else if (!f.is_bytes && f.number == TASK_KNOWN)
			t->known = f.value != 0;
	}
	if (code == 0 && w.bad)
		return bad(err, "a task");
	for (uint32_t i = 0; i < t->core.n_execs && code == 0; i++)
		if (t->core.execs[i].state != EXEC_FREE && !t->execs[i]->payload.data)
			code = bad(err, "an exec without its request");
	return code;
}

/* Namespace, core and request first: the rest hangs on them. */
static int take_task(struct supervisor *sup, const struct journal_record *r, struct err *err)
{
	struct wire_in w = { .data = r->data, .size = r->size };
	struct wire_field f, core = { 0 }, create = { 0 };
	struct payload payload = { 0 };
	const char *ns = NULL;
	struct held_task *t;
	int code;

	while (wire_next(&w, &f)) {
		if (f.is_bytes && f.number == TASK_NS)
			ns = wire_str(&f);
		else if (f.is_bytes && f.number == TASK_CORE)
			core = f;
		else if (f.is_bytes && f.number == TASK_CREATE)
			create = f;
	}
	if (w.bad || !ns || !core.data || !create.data || r->task == 0 ||
		held_task_find(sup, r->task))
		return bad(err, "a task");
	code = payload_from_bytes(create.data, create.size, &payload, err);
	if (code < 0)
		return code;
	t = payload.request.type == REQ_CREATE ? held_task_new(sup, ns, payload.request.id, r->task)
					       : NULL;
	if (!t) {
		payload_done(&payload);
		return bad(err, "a task");
	}
	t->init.payload = payload;
	code = take_core(t, &core, err);
	if (code == 0)
		code = take_parts(t, r, err);
	if (code < 0)
		held_task_leave(t);
	return code;
}

static int take_events(struct supervisor *sup, const struct journal_record *r, struct err *err)
{
	if (!sup->config.sink->load_events)
		return 0;
	return sup->config.sink->load_events(sup->config.sink_arg, r->data, r->size, err);
}

int snapshot_take(struct supervisor *sup, const struct journal_record *r, struct err *err)
{
	switch (r->type) {
	case JOURNAL_NUMBERS:
		return take_numbers(sup, r, err);
	case JOURNAL_TASK:
		return take_task(sup, r, err);
	case JOURNAL_EVENTS:
		return take_events(sup, r, err);
	default:
		return 0;
	}
}
