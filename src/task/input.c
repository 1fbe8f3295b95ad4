/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Input: names, and the form in which inputs are logged. Field numbers are part of
 * docs/formats/task.md: they are never used for something else.
 */
#include "task/input.h"

#include <errno.h>

#include "base/wire.h"

enum {
	FIELD_TYPE = 1,
	FIELD_CONN = 2,
	FIELD_STREAM = 3,
	FIELD_EXEC_ID = 4,
	FIELD_SIGNAL = 5,
	FIELD_ALL = 6,
	FIELD_WIDTH = 7,
	FIELD_HEIGHT = 8,
	FIELD_RESTORE = 9,
	FIELD_OP = 10,
	FIELD_PID = 11,
	FIELD_SHARED_PIDNS = 12,
	FIELD_ERROR = 13,
	FIELD_TEXT = 14,
	FIELD_TOKEN = 15,
	FIELD_WAIT_STATUS = 16,
	FIELD_BOOT_NS = 17,
	FIELD_WALL_NS = 18,
	FIELD_OOM = 19,
	FIELD_PAYLOAD = 20,
};

const char *input_type_name(enum input_type type)
{
	switch (type) {
#define CASE(name, text) \
	case IN_##name: \
		return text;
		INPUT_TYPES(CASE)
#undef CASE
	case INPUTS_:
		break;
	}
	return "";
}

bool input_is_request(enum input_type type)
{
	return type <= IN_CONNECT;
}

size_t input_encode(const struct task_input *in, void *out, size_t cap)
{
	struct wire_out w = { .data = out, .cap = cap };

	wire_put_int(&w, FIELD_TYPE, (uint64_t)in->type + 1); /* never absent */
	wire_put_int(&w, FIELD_CONN, in->addr.conn);
	wire_put_int(&w, FIELD_STREAM, in->addr.stream);
	wire_put_str(&w, FIELD_EXEC_ID, in->exec_id);
	wire_put_int(&w, FIELD_SIGNAL, in->signal);
	wire_put_int(&w, FIELD_ALL, in->all);
	wire_put_int(&w, FIELD_WIDTH, in->width);
	wire_put_int(&w, FIELD_HEIGHT, in->height);
	wire_put_int(&w, FIELD_RESTORE, in->restore);
	wire_put_int(&w, FIELD_OP, in->op);
	wire_put_int(&w, FIELD_PID, in->pid);
	wire_put_int(&w, FIELD_SHARED_PIDNS, in->shared_pidns);
	wire_put_int(&w, FIELD_ERROR, (uint32_t)-in->error);
	wire_put_str(&w, FIELD_TEXT, in->text);
	wire_put_int(&w, FIELD_TOKEN, in->token);
	wire_put_int(&w, FIELD_WAIT_STATUS, (uint32_t)in->wait_status);
	wire_put_int(&w, FIELD_BOOT_NS, in->boot_ns);
	wire_put_int(&w, FIELD_WALL_NS, in->wall_ns);
	wire_put_int(&w, FIELD_OOM, in->oom);
	wire_put_bytes(&w, FIELD_PAYLOAD, in->payload, in->payload_size);
	return w.len;
}

/* False: the field cannot be what its number says. Unknown numbers are stepped over. */
static bool take_field(struct task_input *in, const struct wire_field *f)
{
	switch (f->number) {
	case FIELD_EXEC_ID:
		in->exec_id = wire_str(f);
		return in->exec_id != NULL;
	case FIELD_TEXT:
		in->text = wire_str(f);
		return in->text != NULL;
	case FIELD_PAYLOAD:
		in->payload = f->data;
		in->payload_size = f->size;
		return f->is_bytes;
	default:
		break;
	}
	if (f->is_bytes)
		return f->number > FIELD_PAYLOAD;
	switch (f->number) {
	case FIELD_TYPE:
		in->type = (enum input_type)(f->value - 1);
		return f->value >= 1 && f->value <= INPUTS_;
	case FIELD_CONN:
		in->addr.conn = f->value;
		return true;
	case FIELD_STREAM:
		in->addr.stream = f->value;
		return true;
	case FIELD_TOKEN:
		in->token = f->value;
		return true;
	case FIELD_BOOT_NS:
		in->boot_ns = f->value;
		return true;
	case FIELD_WALL_NS:
		in->wall_ns = f->value;
		return true;
	default:
		break;
	}
	if (f->value > UINT32_MAX)
		return f->number > FIELD_PAYLOAD;
	switch (f->number) {
	case FIELD_SIGNAL:
		in->signal = (uint32_t)f->value;
		break;
	case FIELD_ALL:
		in->all = f->value;
		break;
	case FIELD_WIDTH:
		in->width = (uint32_t)f->value;
		break;
	case FIELD_HEIGHT:
		in->height = (uint32_t)f->value;
		break;
	case FIELD_RESTORE:
		in->restore = f->value;
		break;
	case FIELD_OP:
		in->op = (uint32_t)f->value;
		break;
	case FIELD_PID:
		in->pid = (uint32_t)f->value;
		break;
	case FIELD_SHARED_PIDNS:
		in->shared_pidns = f->value;
		break;
	case FIELD_ERROR:
		in->error = -(int)(f->value & 0xffff);
		break;
	case FIELD_WAIT_STATUS:
		in->wait_status = (int32_t)(uint32_t)f->value;
		break;
	case FIELD_OOM:
		in->oom = f->value;
		break;
	default:
		break;
	}
	return true;
}

int input_decode(const void *data, size_t size, struct task_input *ret, struct err *err)
{
	struct wire_in w = { .data = data, .size = size };
	struct task_input in = { .type = INPUTS_ };
	struct wire_field f;

	while (wire_next(&w, &f))
		if (!take_field(&in, &f))
			return err_set(
				err, -EBADMSG, "logged input: field %u is malformed", f.number);
	if (w.bad)
		return err_set(err, -EBADMSG, "logged input: malformed after %zu bytes", w.at);
	if (in.type == INPUTS_)
		return err_set(err, -EBADMSG, "logged input: no type");
	*ret = in;
	return 0;
}
