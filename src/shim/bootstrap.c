/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trap: an Any {1: type URL, 2: value} reads as BootstrapParams {1: instance id, 2: namespace}
 * without an error. Only params repeat the -id and -namespace of the arguments, so that decides.
 *
 * Before 2.3 nothing in arguments, environment or input tells 1.7 from 2.x, and 1.7 refuses to hear
 * of version 3. The plain address is right for all of them; version 2 costs 2.x one `start` for each
 * further container of a pod.
 */
#include "shim/bootstrap.h"

#include <errno.h>

#include "proto/bootstrap.pb-c.h"

static const char *or_null(const char *s)
{
	return *s ? s : NULL;
}

/* The options are one of the extensions; the others are not for us. */
static int find_options(const Pb__Bootstrap__Params *p, struct arena *arena,
	struct task_options *ret, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < p->n_extensions && r == 0; i++) {
		const Pb__Any *any = p->extensions[i]->value;

		if (any)
			r = task_options_decode_any(
				any->type_url, any->value.data, any->value.len, arena, ret, err);
	}
	return r < 0 ? r : 0;
}

static int from_params(
	const Pb__Bootstrap__Params *p, struct arena *arena, struct bootstrap *ret, struct err *err)
{
	ret->params = true;
	ret->debug = p->log_level <= PB__BOOTSTRAP__LOG_LEVEL__DEBUG;
	ret->ttrpc_address = or_null(p->containerd_ttrpc_address);
	ret->grpc_address = or_null(p->containerd_grpc_address);
	ret->socket_dir = or_null(p->socket_dir);
	return find_options(p, arena, &ret->options, err);
}

int bootstrap_decode(const void *data, size_t size, const char *id, const char *ns,
	struct arena *arena, struct bootstrap *ret, struct err *err)
{
	struct bootstrap out = { 0 };
	const ProtobufCMessage *m = NULL;
	const Pb__Bootstrap__Params *p;
	int r;

	if (message_decode(&pb__bootstrap__params__descriptor, data, size, arena, &m, NULL) == 0) {
		p = (const void *)m;
		if (str_eq(p->instance_id, id) && str_eq(p->namespace_, ns)) {
			r = from_params(p, arena, &out, err);
			if (r == 0)
				*ret = out;
			return r;
		}
	}
	r = task_options_decode(data, size, arena, &out.options, err);
	if (r < 0) {
		err_in(err, "standard input");
		return r;
	}
	*ret = out;
	return 0;
}

int bootstrap_encode(bool params, int version, const char *address, struct buf *out)
{
	Pb__Bootstrap__Result m = PB__BOOTSTRAP__RESULT__INIT;

	if (!params) {
		buf_adds(out, address);
		return buf_ok(out);
	}
	m.version = version;
	m.address = (char *)address;
	m.protocol = (char *)"ttrpc";
	message_encode(&m.base, out);
	return buf_ok(out);
}
