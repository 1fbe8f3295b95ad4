/* SPDX-License-Identifier: Apache-2.0 */
/* The Task service between a ttrpc client and a supervisor that notes what it is asked. */
#include "test.h"

#include <sys/socket.h>

#include "base/clock.h"
#include "container/stats.h"
#include "rpc/any.h"
#include "rpc/ttrpc_client.h"
#include "shim/task_service.h"

#include "proto/options.pb-c.h"
#include "proto/task.pb-c.h"

#define V2 "containerd.task.v2.Task"
#define V3 "containerd.task.v3.Task"

struct fixture {
	struct loop *loop;
	struct ttrpc_server *server;
	struct ttrpc_client *client;
	struct task_service service;
	char asked[1024]; /* the last request, as a line */
	struct task_addr from;
	struct response answer; /* to give at once */
	unsigned int sought;
	/* the last answer that the client had */
	enum status_code code;
	char text[512];
	uint8_t payload[65536];
	size_t size;
	struct arena arena;
};

static const char *s_(const char *s)
{
	return s ? s : "-";
}

static void note_create(struct fixture *f, const struct request *q)
{
	const struct request_create *c = &q->create;
	int n = snprintf(f->asked, sizeof(f->asked), "Create %s %s %s,%s,%s,%d ck=%s,%s", q->id,
		c->bundle, s_(c->stdio.in), s_(c->stdio.out), s_(c->stdio.err), c->stdio.terminal,
		s_(c->checkpoint), s_(c->parent_checkpoint));

	for (size_t i = 0; i < c->n_rootfs; i++)
		n += snprintf(f->asked + n, sizeof(f->asked) - (size_t)n, " %s:%s:%s:%zu:%s",
			c->rootfs[i].type, c->rootfs[i].source, c->rootfs[i].target,
			c->rootfs[i].n_options,
			c->rootfs[i].n_options ? c->rootfs[i].options[0] : "-");
	snprintf(f->asked + n, sizeof(f->asked) - (size_t)n, " bin=%s root=%s systemd=%d uid=%u",
		s_(c->options.binary_name), s_(c->options.root), c->options.systemd_cgroup,
		c->options.io_uid);
}

static void submit(void *arg, struct task_addr from, const struct request *q)
{
	struct fixture *f = arg;
	const char *name = request_type_name(q->type);

	assert_string_equal(q->ns, "default");
	f->from = from;
	switch (q->type) {
	case REQ_CREATE:
		note_create(f, q);
		break;
	case REQ_EXEC:
		snprintf(f->asked, sizeof(f->asked), "%s %s %s %s,%s,%s,%d %.*s", name, q->id,
			q->exec_id, s_(q->exec.stdio.in), s_(q->exec.stdio.out),
			s_(q->exec.stdio.err), q->exec.stdio.terminal, (int)q->exec.spec_size,
			q->exec.spec);
		break;
	case REQ_KILL:
		snprintf(f->asked, sizeof(f->asked), "%s %s %s %u %d", name, q->id, q->exec_id,
			q->kill.signal, q->kill.all);
		break;
	case REQ_RESIZE_PTY:
		snprintf(f->asked, sizeof(f->asked), "%s %s %s %ux%u", name, q->id, q->exec_id,
			q->resize.width, q->resize.height);
		break;
	case REQ_UPDATE:
		snprintf(f->asked, sizeof(f->asked), "%s %s %.*s", name, q->id, (int)q->update.size,
			q->update.resources);
		break;
	default:
		snprintf(f->asked, sizeof(f->asked), "%s %s %s", name, q->id, s_(q->exec_id));
	}
	snprintf(f->asked + strlen(f->asked), sizeof(f->asked) - strlen(f->asked), "%s",
		q->deadline_boot_ns ? " in time" : "");
	f->answer.type = q->type;
	task_service_reply(&f->service, from, &f->answer);
}

static void sought(void *arg)
{
	((struct fixture *)arg)->sought++;
}

static void on_answer(void *arg, uint64_t tag, const struct ttrpc_answer *a)
{
	struct fixture *f = arg;

	f->code = a->code;
	snprintf(f->text, sizeof(f->text), "%s", a->text);
	assert_true(a->size <= sizeof(f->payload));
	if (a->size)
		memcpy(f->payload, a->payload, a->size);
	f->size = a->size;
}

static void on_closed(void *arg)
{
}

static const struct ttrpc_client_ops ops = { on_answer, on_closed };

static struct fixture *setup(void)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct ttrpc_server_config config = { .services = task_service_table, .n_services = 2 };
	uint64_t conn;
	int fds[2];

	assert_non_null(f);
	assert_ok(loop_new(&f->loop));
	config.loop = f->loop;
	config.arg = &f->service;
	assert_ok(ttrpc_server_new(&config, &f->server, NULL));
	f->service = (struct task_service){ f->server, "default", f, submit, sought };
	assert_ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	assert_ok(ttrpc_server_adopt_take_fd(f->server, fds[0], 0, NULL, 0, &conn, NULL));
	assert_ok(ttrpc_client_new_take_fd(f->loop, fds[1], 0, &ops, f, &f->client, NULL));
	return f;
}

static void teardown(struct fixture *f)
{
	arena_done(&f->arena);
	ttrpc_client_free(f->client);
	ttrpc_server_free(f->server);
	loop_free(f->loop);
	free(f);
}

static void call(struct fixture *f, const char *service, const char *method,
	const ProtobufCMessage *m, uint64_t deadline)
{
	f->asked[0] = '\0';
	f->code = (enum status_code)99;
	f->size = 0;
	assert_ok(ttrpc_client_call(f->client, 1, service, method, m, deadline, NULL));
	for (int i = 0; i < 6; i++)
		assert_ok(loop_round(f->loop, 0));
	assert_int_not_equal(f->code, 99);
}

static const void *answer(struct fixture *f, const ProtobufCMessageDescriptor *type)
{
	const ProtobufCMessage *m = NULL;

	assert_int_equal(f->code, RPC_OK);
	assert_ok(message_decode(type, f->payload, f->size, &f->arena, &m, NULL));
	return m;
}

TEST(create_carries_everything)
{
	struct fixture *f = setup();
	Pb__Task__CreateRequest m = PB__TASK__CREATE_REQUEST__INIT;
	Pb__Mount mount = PB__MOUNT__INIT, bind = PB__MOUNT__INIT, *mounts[] = { &mount, &bind };
	Pb__Options__Runc options = PB__OPTIONS__RUNC__INIT;
	Pb__Any any = PB__ANY__INIT;
	char *words[] = { (char *)"lowerdir=/l", (char *)"ro" };

	mount.type = mount.source = (char *)"overlay";
	mount.options = words;
	mount.n_options = 2;
	bind.type = (char *)"bind";
	bind.source = (char *)"/src";
	bind.target = (char *)"sub";
	options.binary_name = (char *)"crun";
	options.root = (char *)"/run/r";
	options.systemd_cgroup = true;
	options.io_uid = 77;
	assert_ok(message_to_bytes(&options.base, &f->arena, &any.value));
	any.type_url = (char *)ANY_RUNC_OPTIONS;
	m.id = (char *)"c1";
	m.bundle = (char *)"/b";
	m.rootfs = mounts;
	m.n_rootfs = 2;
	m.terminal = true;
	m.stdin = (char *)"/i";
	m.stdout = (char *)"/o";
	m.checkpoint = (char *)"/ck";
	m.options = &any;
	f->answer.pid = 4711;
	call(f, V2, "Create", &m.base, clock_boot_ns() + NS_PER_SEC);
	assert_string_equal(f->asked,
		"Create c1 /b /i,/o,,1 ck=/ck, overlay:overlay::2:lowerdir=/l bind:/src:sub:0:- "
		"bin=crun root=/run/r systemd=1 uid=77 in time");
	assert_int_equal(((const Pb__Task__CreateResponse *)answer(
				  f, &pb__task__create_response__descriptor))
				 ->pid,
		4711);
	teardown(f);
}

TEST(requests_that_make_no_sense_are_answered_here)
{
	struct fixture *f = setup();
	Pb__Task__CreateRequest c = PB__TASK__CREATE_REQUEST__INIT;
	Pb__Task__ExecRequest e = PB__TASK__EXEC_REQUEST__INIT;
	Pb__Task__UpdateRequest u = PB__TASK__UPDATE_REQUEST__INIT;
	Pb__Task__CheckpointRequest k = PB__TASK__CHECKPOINT_REQUEST__INIT;
	Pb__Any bad = PB__ANY__INIT;

	c.id = (char *)"../x";
	c.bundle = (char *)"/b";
	call(f, V3, "Create", &c.base, 0);
	assert_int_equal(f->code, RPC_INVALID_ARGUMENT);
	assert_text_has(f->text, "id '../x' has an invalid character at 0: invalid argument");
	c.id = (char *)"x";
	c.bundle = (char *)"b";
	call(f, V3, "Create", &c.base, 0);
	assert_int_equal(f->code, RPC_INVALID_ARGUMENT);
	assert_text_has(f->text, "bundle 'b'");
	c.bundle = (char *)"/b";
	c.options = &bad;
	bad.type_url = (char *)ANY_RUNC_OPTIONS;
	bad.value = (ProtobufCBinaryData){ 1, (uint8_t *)"\xff" };
	call(f, V3, "Create", &c.base, 0);
	assert_int_equal(f->code, RPC_INVALID_ARGUMENT);
	e.id = (char *)"x";
	e.exec_id = (char *)"a/b";
	e.spec = &bad;
	call(f, V3, "Exec", &e.base, 0);
	assert_int_equal(f->code, RPC_INVALID_ARGUMENT);
	e.exec_id = (char *)"e";
	e.spec = NULL;
	call(f, V3, "Exec", &e.base, 0);
	assert_int_equal(f->code, RPC_INVALID_ARGUMENT);
	call(f, V3, "Update", &u.base, 0);
	assert_int_equal(f->code, RPC_INVALID_ARGUMENT);
	call(f, V3, "Checkpoint", &k.base, 0);
	assert_int_equal(f->code, RPC_INVALID_ARGUMENT);
	k.path = (char *)"relative";
	call(f, V3, "Checkpoint", &k.base, 0);
	assert_int_equal(f->code, RPC_INVALID_ARGUMENT);
	call(f, V3, "Reincarnate", &u.base, 0);
	assert_int_equal(f->code, RPC_UNIMPLEMENTED);
	assert_string_equal(f->text, "method Reincarnate");
	call(f, "containerd.runtime.sandbox.v1.Sandbox", "CreateSandbox", &u.base, 0);
	assert_int_equal(f->code, RPC_UNIMPLEMENTED);
	assert_string_equal(f->text, "service containerd.runtime.sandbox.v1.Sandbox");
	assert_string_equal(f->asked, "");
	teardown(f);
}

/* Requests that name a task or a process and no more, in both versions. */
TEST(every_method_arrives)
{
	static const struct {
		const char *method, *asked;
		const ProtobufCMessageDescriptor *type;
	} rows[] = {
		{ "State", "State c1 e1", &pb__task__state_request__descriptor },
		{ "Start", "Start c1 e1", &pb__task__start_request__descriptor },
		{ "Delete", "Delete c1 e1", &pb__task__delete_request__descriptor },
		{ "Wait", "Wait c1 e1", &pb__task__wait_request__descriptor },
		{ "CloseIO", "CloseIO c1 e1", &pb__task__close_iorequest__descriptor },
		{ "Kill", "Kill c1 e1 0 0", &pb__task__kill_request__descriptor },
		{ "ResizePty", "ResizePty c1 e1 0x0", &pb__task__resize_pty_request__descriptor },
		{ "Pids", "Pids c1 -", &pb__task__pids_request__descriptor },
		{ "Pause", "Pause c1 -", &pb__task__pause_request__descriptor },
		{ "Resume", "Resume c1 -", &pb__task__resume_request__descriptor },
		{ "Connect", "Connect c1 -", &pb__task__connect_request__descriptor },
		{ "Shutdown", "Shutdown c1 -", &pb__task__shutdown_request__descriptor },
	};
	struct fixture *f = setup();

	for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++) {
		const ProtobufCMessage *m;

		assert_ok(message_decode(rows[i / 2].type,
			"\x0a\x02"
			"c1\x12\x02"
			"e1",
			strstr(rows[i / 2].asked, "e1") ? 8 : 4, &f->arena, &m, NULL));
		call(f, i % 2 ? V2 : V3, rows[i / 2].method, m, 0);
		assert_int_equal(f->code, RPC_OK);
		assert_string_equal(f->asked, rows[i / 2].asked);
	}
	teardown(f);
}

TEST(numbers_and_documents_arrive)
{
	struct fixture *f = setup();
	Pb__Task__KillRequest k = PB__TASK__KILL_REQUEST__INIT;
	Pb__Task__ResizePtyRequest z = PB__TASK__RESIZE_PTY_REQUEST__INIT;
	Pb__Task__ExecRequest e = PB__TASK__EXEC_REQUEST__INIT;
	Pb__Task__UpdateRequest u = PB__TASK__UPDATE_REQUEST__INIT;
	Pb__Any any = PB__ANY__INIT;

	k.id = z.id = e.id = u.id = (char *)"c1";
	k.signal = 9;
	k.all = true;
	call(f, V2, "Kill", &k.base, 0);
	assert_string_equal(f->asked, "Kill c1  9 1");
	z.width = 80;
	z.height = 25;
	call(f, V2, "ResizePty", &z.base, 0);
	assert_string_equal(f->asked, "ResizePty c1  80x25");
	any.type_url = (char *)"anything.at/All";
	any.value = (ProtobufCBinaryData){ 13, (uint8_t *)"{\"args\":[1]}\n" };
	e.exec_id = (char *)"e1";
	e.stdout = (char *)"/o";
	e.spec = &any;
	call(f, V2, "Exec", &e.base, 0);
	assert_string_equal(f->asked, "Exec c1 e1 ,/o,,0 {\"args\":[1]}\n");
	assert_int_equal(f->size, 0);
	u.resources = &any;
	call(f, V2, "Update", &u.base, 0);
	assert_string_equal(f->asked, "Update c1 {\"args\":[1]}\n");
	teardown(f);
}

TEST(state_and_exits_are_told)
{
	struct fixture *f = setup();
	Pb__Task__StateRequest m = PB__TASK__STATE_REQUEST__INIT;
	const Pb__Task__StateResponse *s;
	const Pb__Task__WaitResponse *w;
	const Pb__Task__DeleteResponse *d;

	f->answer.pid = 42;
	f->answer.state.id = "e1";
	f->answer.state.bundle = "/b";
	f->answer.state.status = STATUS_RUNNING;
	f->answer.state.stdio = (struct request_stdio){ "/i", "/o", NULL, true };
	call(f, V3, "State", &m.base, 0);
	s = answer(f, &pb__task__state_response__descriptor);
	assert_string_equal(s->id, "e1");
	assert_string_equal(s->bundle, "/b");
	assert_int_equal(s->pid, 42);
	assert_int_equal(s->status, PB__TASK__STATUS__RUNNING);
	assert_string_equal(s->stdin, "/i");
	assert_string_equal(s->stdout, "/o");
	assert_string_equal(s->stderr, "");
	assert_true(s->terminal);
	assert_int_equal(s->exited_at->seconds, -62135596800);
	assert_string_equal(s->exec_id, "");
	f->answer.exit_status = 137;
	f->answer.exited_wall_ns = 1600000000000000005;
	call(f, V3, "Wait", &m.base, 0);
	w = answer(f, &pb__task__wait_response__descriptor);
	assert_int_equal(w->exit_status, 137);
	assert_int_equal(w->exited_at->seconds, 1600000000);
	assert_int_equal(w->exited_at->nanos, 5);
	call(f, V3, "Delete", &m.base, 0);
	d = answer(f, &pb__task__delete_response__descriptor);
	assert_int_equal(d->pid, 42);
	assert_int_equal(d->exit_status, 137);
	teardown(f);
}

TEST(pids_name_the_execs)
{
	static const struct response_pid pids[] = { { 10, NULL }, { 11, "e1" }, { 12, "" } };
	struct fixture *f = setup();
	Pb__Task__PidsRequest m = PB__TASK__PIDS_REQUEST__INIT;
	const Pb__Task__PidsResponse *p;
	const ProtobufCMessage *details;

	f->answer.pids.pids = pids;
	f->answer.pids.n = 3;
	call(f, V2, "Pids", &m.base, 0);
	p = answer(f, &pb__task__pids_response__descriptor);
	assert_int_equal(p->n_processes, 3);
	assert_int_equal(p->processes[0]->pid, 10);
	assert_null(p->processes[0]->info);
	assert_null(p->processes[2]->info);
	assert_string_equal(p->processes[1]->info->type_url, "containerd.runc.v1.ProcessDetails");
	assert_ok(message_decode(&pb__options__process_details__descriptor,
		p->processes[1]->info->value.data, p->processes[1]->info->value.len, &f->arena,
		&details, NULL));
	assert_string_equal(
		((const Pb__Options__ProcessDetails *)(const void *)details)->exec_id, "e1");
	teardown(f);
}

TEST(connect_tells_who_seeks_a_task_that_is_not_there)
{
	struct fixture *f = setup();
	Pb__Task__ConnectRequest m = PB__TASK__CONNECT_REQUEST__INIT;
	const Pb__Task__ConnectResponse *c;

	f->answer.connect.shim_pid = 7;
	f->answer.connect.task_pid = 8;
	call(f, V2, "Connect", &m.base, 0);
	c = answer(f, &pb__task__connect_response__descriptor);
	assert_int_equal(c->shim_pid, 7);
	assert_int_equal(c->task_pid, 8);
	assert_int_equal(f->sought, 0);
	f->answer.connect.task_pid = 0;
	call(f, V2, "Connect", &m.base, 0);
	assert_int_equal(f->sought, 1);
	teardown(f);
}

TEST(stats_are_metrics)
{
	struct fixture *f = setup();
	struct stats stats = { .is_v2 = true };
	Pb__Task__StatsRequest m = PB__TASK__STATS_REQUEST__INIT;
	const Pb__Task__StatsResponse *s;

	f->answer.stats.stats = &stats;
	call(f, V2, "Stats", &m.base, 0);
	s = answer(f, &pb__task__stats_response__descriptor);
	assert_string_equal(s->stats->type_url, ANY_CGROUP2_METRICS);
	teardown(f);
}

TEST(failures_carry_their_code_and_text)
{
	struct fixture *f = setup();
	Pb__Task__StateRequest m = PB__TASK__STATE_REQUEST__INIT;

	f->answer.code = CODE_NOT_FOUND;
	f->answer.text = "container not created: not found";
	call(f, V2, "State", &m.base, 0);
	assert_int_equal(f->code, RPC_NOT_FOUND);
	assert_string_equal(f->text, "container not created: not found");
	assert_int_equal(f->size, 0);
	teardown(f);
}

TEST(calls_for_another_namespace_are_refused)
{
	struct fixture *f = setup();
	struct rpc_method const *state = &task_service_table[0].methods[0];
	Pb__Task__StateRequest m = PB__TASK__STATE_REQUEST__INIT;
	struct rpc_request req = { .method = state, .message = &m.base, .ns = "other" };

	state->handler(&f->service, &req);
	assert_string_equal(f->asked, "");
	req.ns = "default";
	state->handler(&f->service, &req);
	assert_string_equal(f->asked, "State  ");
	teardown(f);
}
