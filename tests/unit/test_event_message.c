/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "api/event_message.h"
#include "base/mem.h"
#include "rpc/message.h"

#include "proto/events.pb-c.h"

static const char *const options[] = { "ro", "lowerdir=/a:/b" };
static const struct request_mount rootfs[] = {
	{ .type = "overlay", .source = "overlay", .options = options, .n_options = 2 },
	{ .type = "bind", .source = "/x", .target = "sub" },
};

/* Everything set, so that what a topic does not send is seen to be missing. */
static const struct event full = {
	.wall_ns = 1500000000123456789,
	.ns = "k8s.io",
	.id = "c1",
	.exec_id = "e1",
	.pid = 42,
	.exit_status = 137,
	.exited_wall_ns = 1600000000000000001,
	.bundle = "/b",
	.rootfs = rootfs,
	.n_rootfs = 2,
	.stdio = { "/i", "/o", "/e", true },
	.checkpoint = "/ck",
};

static const void *event_of(const struct event *e, const char *topic, const char *url,
	const ProtobufCMessageDescriptor *type, struct arena *arena)
{
	struct buf b = { 0 };
	const ProtobufCMessage *m, *inner;
	const Pb__Events__Envelope *envelope;

	assert_ok(event_message_encode(e, &b));
	assert_ok(message_decode(
		&pb__events__forward_request__descriptor, b.data, b.len, arena, &m, NULL));
	buf_done(&b);
	envelope = ((const Pb__Events__ForwardRequest *)(const void *)m)->envelope;
	assert_string_equal(envelope->topic, topic);
	assert_string_equal(envelope->namespace_, "k8s.io");
	assert_int_equal(envelope->timestamp->seconds, 1500000000);
	assert_int_equal(envelope->timestamp->nanos, 123456789);
	assert_string_equal(envelope->event->type_url, url);
	assert_ok(message_decode(type, envelope->event->value.data, envelope->event->value.len,
		arena, &inner, NULL));
	return inner;
}

#define EVENT(topic, url, type) \
	event_of(&e, topic, "containerd.events." url, &pb__events__##type##__descriptor, &arena)

TEST(each_topic_has_its_fields)
{
	auto_done(arena) struct arena arena = { 0 };
	struct event e = full;
	const Pb__Events__TaskCreate *create;
	const Pb__Events__TaskStart *start;
	const Pb__Events__TaskExecAdded *added;
	const Pb__Events__TaskExecStarted *started;
	const Pb__Events__TaskOOM *oom;
	const Pb__Events__TaskPaused *paused;
	const Pb__Events__TaskResumed *resumed;
	const Pb__Events__TaskCheckpointed *checkpointed;
	const Pb__Events__TaskDelete *deleted;

	e.topic = TOPIC_CREATE;
	create = EVENT("/tasks/create", "TaskCreate", task_create);
	assert_string_equal(create->container_id, "c1");
	assert_string_equal(create->bundle, "/b");
	assert_int_equal(create->n_rootfs, 2);
	assert_string_equal(create->rootfs[0]->options[1], "lowerdir=/a:/b");
	assert_string_equal(create->rootfs[1]->target, "sub");
	assert_int_equal(create->rootfs[1]->n_options, 0);
	assert_string_equal(create->io->stdin, "/i");
	assert_string_equal(create->io->stdout, "/o");
	assert_string_equal(create->io->stderr, "/e");
	assert_true(create->io->terminal);
	assert_string_equal(create->checkpoint, "/ck");
	assert_int_equal(create->pid, 42);

	e.topic = TOPIC_START;
	start = EVENT("/tasks/start", "TaskStart", task_start);
	assert_string_equal(start->container_id, "c1");
	assert_int_equal(start->pid, 42);

	e.topic = TOPIC_EXEC_ADDED;
	added = EVENT("/tasks/exec-added", "TaskExecAdded", task_exec_added);
	assert_string_equal(added->container_id, "c1");
	assert_string_equal(added->exec_id, "e1");

	e.topic = TOPIC_EXEC_STARTED;
	started = EVENT("/tasks/exec-started", "TaskExecStarted", task_exec_started);
	assert_string_equal(started->exec_id, "e1");
	assert_int_equal(started->pid, 42);

	e.topic = TOPIC_OOM;
	oom = EVENT("/tasks/oom", "TaskOOM", task_oom);
	assert_string_equal(oom->container_id, "c1");
	e.topic = TOPIC_PAUSED;
	paused = EVENT("/tasks/paused", "TaskPaused", task_paused);
	assert_string_equal(paused->container_id, "c1");
	e.topic = TOPIC_RESUMED;
	resumed = EVENT("/tasks/resumed", "TaskResumed", task_resumed);
	assert_string_equal(resumed->container_id, "c1");
	e.topic = TOPIC_CHECKPOINTED;
	checkpointed = EVENT("/tasks/checkpointed", "TaskCheckpointed", task_checkpointed);
	assert_string_equal(checkpointed->checkpoint, "/ck");

	e.topic = TOPIC_DELETE;
	deleted = EVENT("/tasks/delete", "TaskDelete", task_delete);
	assert_string_equal(deleted->container_id, "c1");
	assert_string_equal(deleted->id, "");
	assert_int_equal(deleted->pid, 42);
	assert_int_equal(deleted->exit_status, 137);
	assert_int_equal(deleted->exited_at->nanos, 1);
}

TEST(the_exit_of_an_init_is_named_after_the_container)
{
	auto_done(arena) struct arena arena = { 0 };
	struct event e = full;
	const Pb__Events__TaskExit *x;

	e.topic = TOPIC_EXIT;
	x = EVENT("/tasks/exit", "TaskExit", task_exit);
	assert_string_equal(x->container_id, "c1");
	assert_string_equal(x->id, "e1");
	assert_int_equal(x->exit_status, 137);
	assert_int_equal(x->exited_at->seconds, 1600000000);
	e.exec_id = NULL;
	x = EVENT("/tasks/exit", "TaskExit", task_exit);
	assert_string_equal(x->id, "c1");
}

TEST(what_never_came_is_the_year_1)
{
	auto_done(arena) struct arena arena = { 0 };
	struct event e = full;
	const Pb__Events__TaskDelete *d;

	e.topic = TOPIC_DELETE;
	e.exited_wall_ns = 0;
	d = EVENT("/tasks/delete", "TaskDelete", task_delete);
	assert_int_equal(d->exited_at->seconds, -62135596800);
	assert_int_equal(d->exited_at->nanos, 0);
}

TEST(absent_strings_are_empty)
{
	struct event e = { .topic = TOPIC_CREATE, .id = "c" };
	struct buf b = { 0 };

	assert_ok(event_message_encode(&e, &b));
	assert_true(b.len > 0);
	buf_done(&b);
}
