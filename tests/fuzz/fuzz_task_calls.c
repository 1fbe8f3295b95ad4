/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls of the Task service, versions 2 and 3, one after the other: from the message of each method, by way of the
 * service and a supervisor, to a back end without a kernel. What would touch the machine is taken out before the
 * supervisor sees it: streams, mounts, the bundle.
 *
 * The input: { u8 which, u16 size, message }... `which` below 64 is a method of one of the versions; 64 to 127: the
 * process 100 + n exits; 128: operations take time from now on; 129: the oldest ends; 130: a client hangs up; others: a
 * call with a deadline that has passed.
 */
#include "base/fd.h"
#include "base/log.h"
#include "exit/exit.h"
#include "fake_backend.h"
#include "rpc/message.h"
#include "shim/task_service.h"
#include "supervisor/fdtable.h"
#include "supervisor/supervisor.h"

#define STEPS 40 /* fewer than the fake has room for */
#define ANSWER_MAX (64u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
	struct loop *loop;
	struct exit_source *exits;
	struct ttrpc_server *server;
	struct supervisor *supervisor;
	struct task_service service;
	struct fdtable fds;
	struct fake fake;
	unsigned int calls, answers;
};

static void on_reply(void *arg, struct task_addr to, const struct response *r)
{
	struct world *w = arg;

	if (r->code != CODE_OK && (!r->text || !*r->text))
		abort();
	w->answers++;
	task_service_reply(&w->service, to, r);
}

static void on_event(void *arg, const struct event *e)
{
	if (!e->id || !*e->id || e->wall_ns == 0)
		abort();
}

static void on_shutdown(void *arg)
{
}

static const struct supervisor_sink sink = {
	.reply = on_reply,
	.event = on_event,
	.shutdown = on_shutdown,
};

static void submit(void *arg, struct task_addr from, const struct request *q)
{
	struct world *w = arg;
	struct request copy = *q;

	if (q->type == REQ_CREATE) {
		copy.create.bundle = "/proc/self/fdinfo"; /* a directory that takes no files */
		copy.create.stdio = (struct request_stdio){ .in = "", .out = "", .err = "" };
		copy.create.n_rootfs = 0;
	} else if (q->type == REQ_EXEC) {
		copy.exec.stdio = (struct request_stdio){ .in = "", .out = "", .err = "" };
	}
	if (q->type == REQ_UPDATE) { /* the fake takes these only */
		copy.update.resources = "{}";
		copy.update.size = 2;
	}
	w->calls++;
	supervisor_request(w->supervisor, from, &copy);
}

static bool world_init(struct world *w)
{
	const struct ttrpc_server_config server = { .services = task_service_table,
		.n_services = 2 };
	struct ttrpc_server_config config = server;

	if (loop_new(&w->loop) < 0 || exit_source_new(w->loop, &w->exits) < 0)
		return false;
	w->fake.exits = w->exits;
	w->fake.last_pid = 99;
	config.loop = w->loop;
	config.arg = &w->service;
	if (ttrpc_server_new(&config, &w->server, NULL) < 0)
		return false;
	w->service = (struct task_service){ w->server, "k8s.io", w, submit, NULL };
	return supervisor_new(
		       &(struct supervisor_config){
			       .loop = w->loop,
			       .sink = &sink,
			       .sink_arg = w,
			       .backend = &fake_backend,
			       .backend_arg = &w->fake,
			       .exits = w->exits,
			       .fds = &w->fds,
			       .drain_idle_ns = 1,
			       .drain_max_ns = 1,
		       },
		       &w->supervisor, NULL) == 0;
}

static void world_done(struct world *w)
{
	supervisor_free(w->supervisor);
	ttrpc_server_free(w->server);
	if (w->fds.n > 0 || w->fake.containers > 0 || w->fake.processes > 0)
		abort();
	fdtable_done(&w->fds);
	exit_source_free(w->exits);
	loop_free(w->loop);
}

static void call(
	struct world *w, unsigned int which, unsigned int stream, const uint8_t *data, size_t size)
{
	const struct rpc_service *service = &task_service_table[which % 2];
	const struct rpc_method *method = &service->methods[which / 2 % service->n_methods];
	auto_done(arena) struct arena arena = { 0 };
	const ProtobufCMessage *m = NULL;
	struct err err = { 0 };

	if (message_decode(method->input, data, size, &arena, &m, &err) < 0) {
		if (!err.text[0])
			abort();
		return;
	}
	method->handler(&w->service, &(struct rpc_request){
					     .addr = { 1 + which % 3, 2 * stream + 1 },
					     .service = service->name,
					     .method = method,
					     .deadline_boot_ns = which > 130,
					     .message = m,
				     });
}

static void step(
	struct world *w, unsigned int which, unsigned int n, const uint8_t *data, size_t size)
{
	if (which >= 64 && which < 128)
		fake_exit(&w->fake, (pid_t)(100 + which - 64), (int)size & 0xff);
	else if (which == 128)
		w->fake.hold = !w->fake.hold;
	else if (which == 129 && w->fake.calls[0].what)
		fake_finish(&w->fake, w->fake.calls[0].what);
	else if (which == 130)
		supervisor_hangup(w->supervisor, 1 + size % 3);
	else if (which != 129)
		call(w, which, n, data, size);
	loop_round(w->loop, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world *w = calloc(1, sizeof(*w));
	size_t at = 0;

	if (!w || !world_init(w))
		abort();
	for (unsigned int n = 0; n < STEPS && size - at >= 3; n++) {
		size_t length = (size_t)data[at + 1] | (size_t)data[at + 2] << 8;

		if (length > size - at - 3)
			length = size - at - 3;
		step(w, data[at], n, data + at + 3, length);
		at += 3 + length;
	}
	if (w->answers > w->calls)
		abort();
	world_done(w);
	free(w);
	return 0;
}
