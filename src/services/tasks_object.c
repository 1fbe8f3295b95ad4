/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is between the manager, which knows neither clients nor the store, and the services: whose
 * answer it is, which runtime a container has, and what is published when a shim cannot do it
 * any more.
 */
#include "services/tasks_impl.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "rpc/any.h"
#include "services/event_bus.h"
#include "settings/settings.h"

#include "proto/api.pb-c.h"

/* ---- orders ---- */

uint64_t tasks_order(struct tasks *t, struct task_order *o, task_answered_fn *answered)
{
	*o = (struct task_order){ .next = t->orders, .tasks = t, .answered = answered };
	if (o->next)
		o->next->prev = o;
	t->orders = o;
	return (uintptr_t)o;
}

static void unlink_order(struct task_order *o)
{
	if (o->next)
		o->next->prev = o->prev;
	*(o->prev ? &o->prev->next : &o->tasks->orders) = o->next;
}

/* Every order is answered once: its address is good until then. */
static void on_answered(void *arg, uint64_t tag, const struct shim_answer *a)
{
	struct task_order *o = (void *)(uintptr_t)tag; /* NOLINT(performance-no-int-to-ptr) */

	unlink_order(o);
	o->answered(o, a);
}

/* ---- events ---- */

static void publish(struct tasks *t, const char *ns, const char *topic, const char *type,
	const ProtobufCMessage *m)
{
	auto_done(arena) struct arena arena = { 0 };
	Pb__Any any = PB__ANY__INIT;

	any.type_url = (char *)type;
	if (message_to_bytes(m, &arena, &any.value) == 0)
		event_bus_publish(t->config.core->events, ns, topic, &any, clock_wall_ns());
}

static void publish_exit(struct tasks *t, const struct shim_event *e)
{
	Pb__Events__TaskExit m = PB__EVENTS__TASK_EXIT__INIT;
	Pb__Timestamp at;

	message_set_time(&at, e->exit.wall_ns);
	m.container_id = m.id = (char *)e->id;
	m.pid = e->exit.pid;
	m.exit_status = e->exit.status;
	m.exited_at = &at;
	publish(t, e->ns, "/tasks/exit", ANY_EVENT("TaskExit"), &m.base);
}

static void publish_delete(struct tasks *t, const struct shim_event *e)
{
	Pb__Events__TaskDelete m = PB__EVENTS__TASK_DELETE__INIT;
	Pb__Timestamp at;

	message_set_time(&at, e->exit.wall_ns);
	m.container_id = (char *)e->id;
	m.pid = e->exit.pid;
	m.exit_status = e->exit.status;
	m.exited_at = &at;
	publish(t, e->ns, "/tasks/delete", ANY_EVENT("TaskDelete"), &m.base);
}

static void on_event(void *arg, const struct shim_event *e)
{
	if (e->kind == SHIM_EVENT_EXIT)
		publish_exit(arg, e);
	else
		publish_delete(arg, e);
}

void tasks_note(struct tasks *t, const Pb__Events__Envelope *envelope)
{
	auto_done(arena) struct arena arena = { 0 };
	const Pb__Any *any = envelope->event;
	const Pb__Events__TaskExit *m;
	const ProtobufCMessage *base;
	struct shim_exit exit;

	if (!any || !any_is(any->type_url, ANY_EVENT("TaskExit")) ||
		message_decode(&pb__events__task_exit__descriptor, any->value.data, any->value.len,
			&arena, &base, NULL) < 0)
		return;
	m = (const Pb__Events__TaskExit *)(const void *)base;
	if (!str_eq(m->id, m->container_id))
		return; /* of an exec */
	exit = (struct shim_exit){ true, m->pid, m->exit_status, message_get_time(m->exited_at) };
	task_manager_note_exit(t->manager, envelope->namespace_, m->container_id, &exit);
}

/* ---- load ---- */

static int runtime_of(void *arg, const char *ns, const char *id, char **ret)
{
	struct tasks *t = arg;
	auto_done(arena) struct arena arena = { 0 };
	struct err err = { 0 };
	struct core_call call = { .core = t->config.core, .ns = ns, .arena = &arena, .err = &err };
	const Pb__Api__Container *k;
	ProtobufCMessage *m = NULL;
	int r = core_load(&call, STORE_CONTAINER, ns, id, &pb__api__container__descriptor, &m);

	if (r < 0)
		return r;
	k = (const Pb__Api__Container *)(const void *)m;
	if (!k->runtime)
		return -ENOENT;
	*ret = strdup(k->runtime->name);
	return *ret ? 0 : -ENOMEM;
}

static void on_published(void *arg, const Pb__Events__Envelope *e)
{
	const struct tasks *t = arg;
	struct err err;

	if (event_bus_forward(t->config.core->events, e, &err) < 0)
		log_write(t->config.core->log, LOG_ERROR_, "event '%s' is lost: %s", e->topic,
			err.text);
}

static void on_loaded(void *arg)
{
	struct tasks *t = arg;

	t->config.loaded(t->config.arg);
}

static const struct task_manager_ops manager_ops = {
	.answered = on_answered,
	.event = on_event,
	.loaded = on_loaded,
	.runtime_of = runtime_of,
	.published = on_published,
};

int tasks_load(struct tasks *t, struct err *err)
{
	return task_manager_load(t->manager, err);
}

/* ---- the object ---- */

static int find_program(struct tasks *t, struct err *err)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (n < 0)
		return err_sys(err, "find our own program");
	path[n] = '\0';
	t->program = strdup(path);
	return t->program ? 0 : err_oom(err);
}

static int begin(struct tasks *t, struct err *err)
{
	const struct settings *s = t->config.settings;
	const struct log *log = t->config.core->log;
	struct task_manager_config config = {
		.loop = t->config.core->loop,
		.log = t->config.core->log,
		.reaper = t->config.core->reaper,
		.outside = t->config.core->outside,
		.root = s->root,
		.state = s->state,
		.grpc_address = s->address,
		.ttrpc_address = s->ttrpc_address,
		.search = t->config.search,
		.debug = log && log->level == LOG_DEBUG_,
		.embedded = t->config.embedded,
		.limits = { .load_ns = (uint64_t)s->load_seconds * NS_PER_SEC },
		.ops = &manager_ops,
		.arg = t,
	};
	int r = find_program(t, err);

	if (r < 0)
		return r;
	config.program = t->program;
	return task_manager_new(&config, &t->manager, err);
}

int tasks_new(const struct tasks_config *config, struct tasks **ret, struct err *err)
{
	struct tasks *t = mem_calloc(1, sizeof(*t));
	int r;

	if (!t)
		return err_oom(err);
	t->config = *config;
	r = begin(t, err);
	if (r < 0)
		tasks_free(t);
	else
		*ret = t;
	return r;
}

void tasks_free(struct tasks *t)
{
	if (!t)
		return;
	task_manager_free(t->manager);
	while (t->orders) {
		struct task_order *o = t->orders;

		unlink_order(o);
		o->answered(o, NULL);
	}
	free(t->program);
	free(t);
}

void tasks_leave(struct tasks *t)
{
	task_wait_leave(t);
}

static void count(void *arg, const char *ns, const char *id)
{
	int64_t *n = arg;

	++*n;
}

int tasks_check_room(struct tasks *t, struct err *err)
{
	int64_t max = t->config.settings->tasks_max, n = 0;

	if (max == 0)
		return 0;
	task_manager_each(t->manager, NULL, count, &n);
	return n < max ? 0
		       : err_set(err, -EMFILE, "there are %lld tasks, as many as tasks.max permits",
				 (long long)n);
}

struct task_manager *tasks_manager(struct tasks *t)
{
	return t->manager;
}
