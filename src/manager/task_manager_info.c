/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a runtime says of itself. A shim's program is run for it as containerd runs it, but in bounded time: who asks
 * waits, and nobody else does.
 *
 * What surprises: whatever fails is UNKNOWN, and not "not found", as with containerd: clients take that for a plugin
 * that is not there.
 */
#include "manager/task_manager_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/runtime_info.h"
#include "base/clock.h"
#include "base/mem.h"
#include "manager/runtime_name.h"
#include "rpc/message.h"

#include "proto/bootstrap.pb-c.h"

#define INFO_NS (10 * NS_PER_SEC)

struct task_manager_info {
	struct task_manager_info *next;
	struct task_manager *manager;
	uint64_t tag;
	char *binary;
	struct shim_call *call;
};

static void info_free(struct task_manager_info *i)
{
	struct task_manager_info **at = &i->manager->infos;

	while (*at && *at != i)
		at = &(*at)->next;
	if (*at)
		*at = i->next;
	shim_call_free(i->call);
	free(i->binary);
	free(i);
}

void task_manager_infos_free(struct task_manager *m)
{
	while (m->infos)
		info_free(m->infos);
}

static void answer(struct task_manager *m, uint64_t tag, const struct buf *out, const char *failure)
{
	const struct shim_answer a = {
		.code = failure ? RPC_UNKNOWN : RPC_OK,
		.text = failure ? failure : "",
		.payload = failure ? NULL : out->data,
		.size = failure ? 0 : out->len,
	};

	m->config.ops->answered(m->config.arg, tag, &a);
}

static void on_said(void *arg, const struct buf *output, const struct err *e)
{
	struct task_manager_info *i = arg;
	auto_done(arena) struct arena arena = { 0 };
	const ProtobufCMessage *m = NULL;
	struct err err = { 0 };
	int r = 0;

	if (e)
		r = err_set(&err, -ENOEXEC, "failed to run [%s -info]: %s", i->binary, e->text);
	else if (message_decode(&pb__bootstrap__runtime_info__descriptor, output->data, output->len,
			 &arena, &m, NULL) < 0)
		r = err_set(&err, -ENOEXEC,
			"failed to unmarshal stdout from [%s -info] into *types.RuntimeInfo: "
			"proto: cannot parse invalid wire-format data",
			i->binary);
	answer(i->manager, i->tag, output, r < 0 ? err.text : NULL);
	info_free(i);
}

static int ask(struct task_manager_info *i, const Pb__Any *options, struct err *err)
{
	auto_done(buf) struct buf input = { 0 };
	struct shim_call_request req = { .action = "-info", .limit_ns = INFO_NS };

	if (options)
		message_encode(&options->base, &input);
	if (buf_ok(&input) < 0)
		return err_oom(err);
	req.binary = i->binary;
	req.input = input.data;
	req.input_size = input.len;
	return shim_call_start(&i->manager->host.call, &req, on_said, i, &i->call, err);
}

static int run(struct task_manager *m, uint64_t tag, const char *runtime, const Pb__Any *options,
	struct err *err)
{
	struct task_manager_info *i = mem_calloc(1, sizeof(*i));
	int r;

	if (!i)
		return err_oom(err);
	i->manager = m;
	i->tag = tag;
	i->next = m->infos;
	m->infos = i;
	r = runtime_name_resolve(runtime, m->config.search, m->beside, &i->binary, err);
	if (r < 0)
		err_in(err, "failed to resolve runtime path");
	else
		r = ask(i, options, err);
	if (r < 0)
		info_free(i);
	return r;
}

void task_manager_info(
	struct task_manager *m, uint64_t tag, const char *runtime, const Pb__Any *options)
{
	auto_done(buf) struct buf out = { 0 };
	struct err err = { 0 };

	if (!m->embedded || !embedded_wants(m->embedded, runtime)) {
		if (run(m, tag, runtime, options, &err) < 0)
			answer(m, tag, NULL, err.text);
	} else if (runtime_info_encode(options ? &options->base : NULL, &out) < 0) {
		answer(m, tag, NULL, "out of memory");
	} else {
		answer(m, tag, &out, NULL);
	}
}
