/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Codec: a task as bytes, and back. Nothing derived is written: counts are made again, and the
 * result must pass task_check_all(), so bytes that no task could have produced are refused instead
 * of trusted.
 */
#include <errno.h>
#include <string.h>

#include "base/wire.h"
#include "task/machine.h"
#include "task/task.h"

#define RECORD_VERSION 1

enum {
	TASK_FIELD_VERSION = 1,
	TASK_FIELD_STATE = 2,
	TASK_FIELD_ID = 3,
	TASK_FIELD_INIT = 4,
	TASK_FIELD_FLAGS = 5,
	TASK_FIELD_LAST_OP = 6,
	TASK_FIELD_LAST_TOKEN = 7,
	TASK_FIELD_EVENTS = 8,
	TASK_FIELD_EXEC = 9,
	TASK_FIELD_OP = 10,
};

enum { FLAG_RESTORE = 1, FLAG_SHARED_PIDNS = 2, FLAG_KILLED = 4, FLAG_OOM = 8 };

enum {
	PROC_FIELD_TOKEN = 1,
	PROC_FIELD_PID = 2,
	PROC_FIELD_EXITED = 3,
	PROC_FIELD_STDIN_CLOSED = 4,
	PROC_FIELD_WAIT_STATUS = 5,
	PROC_FIELD_EXIT_BOOT_NS = 6,
	PROC_FIELD_EXIT_WALL_NS = 7,
};

enum { EXEC_FIELD_STATE = 1, EXEC_FIELD_ID = 2, EXEC_FIELD_PROC = 3 };

enum {
	OP_FIELD_ID = 1,
	OP_FIELD_REQUEST = 2,
	OP_FIELD_SLOT = 3, /* absent: the init; else 1 + slot */
	OP_FIELD_PHASE = 4,
	OP_FIELD_ISSUED = 5,
	OP_FIELD_CANCELLED = 6,
	OP_FIELD_ALL = 7,
	OP_FIELD_SIGNAL = 8,
	OP_FIELD_CONN = 9,
	OP_FIELD_STREAM = 10,
};

static void put_proc(struct wire_out *w, const void *item)
{
	const struct task_proc *p = item;

	wire_put_int(w, PROC_FIELD_TOKEN, p->token);
	wire_put_int(w, PROC_FIELD_PID, p->pid);
	wire_put_int(w, PROC_FIELD_EXITED, p->exited);
	wire_put_int(w, PROC_FIELD_STDIN_CLOSED, p->stdin_closed);
	wire_put_int(w, PROC_FIELD_WAIT_STATUS, (uint32_t)p->wait_status);
	wire_put_int(w, PROC_FIELD_EXIT_BOOT_NS, p->exit_boot_ns);
	wire_put_int(w, PROC_FIELD_EXIT_WALL_NS, p->exit_wall_ns);
}

/* A record inside a record: measured first, for its size stands before it. */
static void put_nested(struct wire_out *w, uint32_t field, const void *item,
	void (*put)(struct wire_out *w, const void *item))
{
	struct wire_out measure = { 0 };

	put(&measure, item);
	wire_put_head(w, field, measure.len);
	put(w, item);
}

static void put_exec(struct wire_out *w, const void *item)
{
	const struct task_exec *x = item;

	wire_put_int(w, EXEC_FIELD_STATE, x->state);
	wire_put_str(w, EXEC_FIELD_ID, x->id);
	put_nested(w, EXEC_FIELD_PROC, &x->proc, put_proc);
}

static void put_op(struct wire_out *w, const void *item)
{
	const struct task_op *op = item;

	wire_put_int(w, OP_FIELD_ID, op->id);
	wire_put_int(w, OP_FIELD_REQUEST, op->request);
	wire_put_int(w, OP_FIELD_SLOT, op->exec == TASK_INIT ? 0 : (uint64_t)op->exec + 1);
	wire_put_int(w, OP_FIELD_PHASE, op->phase);
	wire_put_int(w, OP_FIELD_ISSUED, op->issued);
	wire_put_int(w, OP_FIELD_CANCELLED, op->cancelled);
	wire_put_int(w, OP_FIELD_ALL, op->all);
	wire_put_int(w, OP_FIELD_SIGNAL, op->signal);
	wire_put_int(w, OP_FIELD_CONN, op->addr.conn);
	wire_put_int(w, OP_FIELD_STREAM, op->addr.stream);
}

size_t task_encode(const struct task *t, void *out, size_t cap)
{
	struct wire_out w = { .data = out, .cap = cap };

	wire_put_int(&w, TASK_FIELD_VERSION, RECORD_VERSION);
	wire_put_int(&w, TASK_FIELD_STATE, t->state);
	wire_put_str(&w, TASK_FIELD_ID, t->id);
	put_nested(&w, TASK_FIELD_INIT, &t->init, put_proc);
	wire_put_int(&w, TASK_FIELD_FLAGS,
		(t->restore ? FLAG_RESTORE : 0u) | (t->shared_pidns ? FLAG_SHARED_PIDNS : 0u) |
			(t->killed ? FLAG_KILLED : 0u) | (t->oom ? FLAG_OOM : 0u));
	wire_put_int(&w, TASK_FIELD_LAST_OP, t->last_op);
	wire_put_int(&w, TASK_FIELD_LAST_TOKEN, t->last_token);
	wire_put_int(&w, TASK_FIELD_EVENTS, t->events);
	for (uint32_t i = 0; i < t->n_execs; i++)
		put_nested(&w, TASK_FIELD_EXEC, &t->execs[i], put_exec);
	for (uint32_t i = 0; i < t->n_ops; i++)
		put_nested(&w, TASK_FIELD_OP, &t->ops[i], put_op);
	return w.len;
}

static bool take_id(char id[TASK_ID_MAX + 1], const struct wire_field *f)
{
	const char *s = wire_str(f);

	if (!s || f->size > TASK_ID_MAX + 1)
		return false;
	memcpy(id, s, f->size);
	return true;
}

static bool take_proc(const struct wire_field *nested, struct task_proc *p)
{
	struct wire_in w = wire_nested(nested);
	struct wire_field f;

	while (wire_next(&w, &f)) {
		switch (f.number) {
		case PROC_FIELD_TOKEN:
			p->token = f.value;
			break;
		case PROC_FIELD_PID:
			p->pid = (uint32_t)f.value;
			break;
		case PROC_FIELD_EXITED:
			p->exited = f.value;
			break;
		case PROC_FIELD_STDIN_CLOSED:
			p->stdin_closed = f.value;
			break;
		case PROC_FIELD_WAIT_STATUS:
			p->wait_status = (int32_t)(uint32_t)f.value;
			break;
		case PROC_FIELD_EXIT_BOOT_NS:
			p->exit_boot_ns = f.value;
			break;
		case PROC_FIELD_EXIT_WALL_NS:
			p->exit_wall_ns = f.value;
			break;
		default:
			continue;
		}
		if (f.is_bytes)
			return false;
	}
	return !w.bad;
}

static bool take_exec(const struct wire_field *nested, struct task_exec *x)
{
	struct wire_in w = wire_nested(nested);
	struct wire_field f;
	bool ok = true;

	while (ok && wire_next(&w, &f)) {
		if (f.number == EXEC_FIELD_STATE) {
			ok = !f.is_bytes && f.value < EXEC_STATES_;
			x->state = ok ? (enum exec_state)f.value : EXEC_FREE;
		} else if (f.number == EXEC_FIELD_ID) {
			ok = take_id(x->id, &f);
		} else if (f.number == EXEC_FIELD_PROC) {
			ok = f.is_bytes && take_proc(&f, &x->proc);
		}
	}
	return ok && !w.bad;
}

static bool take_op(const struct wire_field *nested, struct task_op *op)
{
	struct wire_in w = wire_nested(nested);
	struct wire_field f;

	op->exec = TASK_INIT;
	while (wire_next(&w, &f)) {
		if (f.number <= OP_FIELD_STREAM && f.is_bytes)
			return false;
		switch (f.number) {
		case OP_FIELD_ID:
			op->id = (uint32_t)f.value;
			break;
		case OP_FIELD_REQUEST:
			if (f.value > IN_CONNECT)
				return false;
			op->request = (enum input_type)f.value;
			break;
		case OP_FIELD_SLOT:
			if (f.value > TASK_EXECS_MAX)
				return false;
			op->exec = (uint32_t)f.value - 1;
			break;
		case OP_FIELD_PHASE:
			if (f.value > PHASE_MADE)
				return false;
			op->phase = (enum op_phase)f.value;
			break;
		case OP_FIELD_ISSUED:
			op->issued = f.value;
			break;
		case OP_FIELD_CANCELLED:
			op->cancelled = f.value;
			break;
		case OP_FIELD_ALL:
			op->all = f.value;
			break;
		case OP_FIELD_SIGNAL:
			op->signal = (uint32_t)f.value;
			break;
		case OP_FIELD_CONN:
			op->addr.conn = f.value;
			break;
		case OP_FIELD_STREAM:
			op->addr.stream = f.value;
			break;
		default:
			break;
		}
	}
	return !w.bad;
}

static void take_flags(struct task *t, uint64_t flags)
{
	t->restore = flags & FLAG_RESTORE;
	t->shared_pidns = flags & FLAG_SHARED_PIDNS;
	t->killed = flags & FLAG_KILLED;
	t->oom = flags & FLAG_OOM;
}

static bool take_int(struct task *t, const struct wire_field *f)
{
	switch (f->number) {
	case TASK_FIELD_VERSION:
		return f->value == RECORD_VERSION;
	case TASK_FIELD_STATE:
		t->state = f->value < TASK_STATES_ ? (enum task_state)f->value : TASK_NEW;
		return f->value < TASK_STATES_;
	case TASK_FIELD_FLAGS:
		take_flags(t, f->value);
		return true;
	case TASK_FIELD_LAST_OP:
		t->last_op = (uint32_t)f->value;
		return true;
	case TASK_FIELD_LAST_TOKEN:
		t->last_token = f->value;
		return true;
	case TASK_FIELD_EVENTS:
		t->events = f->value;
		return true;
	default:
		return f->number > TASK_FIELD_OP; /* a newer version's */
	}
}

static bool take_field(struct task *t, const struct wire_field *f)
{
	if (!f->is_bytes)
		return take_int(t, f);
	switch (f->number) {
	case TASK_FIELD_ID:
		return take_id(t->id, f);
	case TASK_FIELD_INIT:
		return take_proc(f, &t->init);
	case TASK_FIELD_EXEC:
		if (t->n_execs == t->cap_execs)
			return false;
		t->execs[t->n_execs] = (struct task_exec){ 0 };
		return take_exec(f, &t->execs[t->n_execs++]);
	case TASK_FIELD_OP:
		if (t->n_ops == t->cap_ops)
			return false;
		t->ops[t->n_ops] = (struct task_op){ 0 };
		return take_op(f, &t->ops[t->n_ops++]);
	default:
		return f->number > TASK_FIELD_OP;
	}
}

int task_decode_room(
	const void *data, size_t size, uint32_t *ret_execs, uint32_t *ret_ops, struct err *err)
{
	struct wire_in w = { .data = data, .size = size };
	uint32_t execs = 0, ops = 0;
	struct wire_field f;

	while (wire_next(&w, &f)) {
		execs += f.number == TASK_FIELD_EXEC;
		ops += f.number == TASK_FIELD_OP;
	}
	if (w.bad || execs > TASK_EXECS_MAX || ops > TASK_OPS_MAX)
		return err_set(err, -EBADMSG, "task record: malformed after %zu bytes", w.at);
	*ret_execs = execs;
	*ret_ops = ops;
	return 0;
}

int task_decode(const void *data, size_t size, struct task *ret, struct err *err)
{
	struct wire_in w = { .data = data, .size = size };
	struct task t = { .execs = ret->execs,
		.cap_execs = ret->cap_execs,
		.ops = ret->ops,
		.cap_ops = ret->cap_ops };
	struct wire_field f;

	while (wire_next(&w, &f))
		if (!take_field(&t, &f))
			return err_set(
				err, -EBADMSG, "task record: field %u is malformed", f.number);
	if (w.bad)
		return err_set(err, -EBADMSG, "task record: malformed after %zu bytes", w.at);
	for (uint32_t i = 0; i < t.n_execs; i++)
		t.live += exec_is_live(&t.execs[i]);
	for (uint32_t i = 0; i < t.n_ops; i++)
		t.issued += t.ops[i].issued;
	if (task_check_all(&t, err) < 0) {
		err_in(err, "task record");
		return -EBADMSG;
	}
	*ret = t;
	return 0;
}
