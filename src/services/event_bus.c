/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What surprises: filters may ask for fields inside of an event ("event.container_id"), so events of
 * known types are decoded, once per event and only when somebody's filter looks; the descriptors
 * that protobuf-c makes tell where a field is.
 */
#include "services/event_bus.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "manager/identifier.h"
#include "services/filter.h"
#include "services/labels.h"

#include "proto/api.pb-c.h"

#define UNSENT_EVENTS_MAX (64u << 10)
#define GO_ZERO_SECONDS \
	(-62135596800) /* a time that was never set, as Go's clients send it: the year 1 */
#define SLOW_MAX 4     /* shares that all who wait may have; the one furthest behind pays for it */

struct subscriber {
	struct event_bus *bus;
	struct subscriber *prev, *next;
	struct rpc_door *door;
	struct rpc_addr addr;
	struct arena arena;
	const struct filter *filter;
};

struct event_bus {
	size_t unsent_max;
	struct subscriber *first;
	size_t n;
};

// clang-format off
static const struct {
	const char *name;
	const ProtobufCMessageDescriptor *type;
} types[] = {
	{ "containerd.events.ContainerCreate",  &pb__api__container_create__descriptor },
	{ "containerd.events.ContainerDelete",  &pb__api__container_delete__descriptor },
	{ "containerd.events.ContainerUpdate",  &pb__api__container_update__descriptor },
	{ "containerd.events.ContentDelete",    &pb__api__content_delete__descriptor },
	{ "containerd.events.NamespaceCreate",  &pb__api__namespace_create__descriptor },
	{ "containerd.events.NamespaceDelete",  &pb__api__namespace_delete__descriptor },
	{ "containerd.events.NamespaceUpdate",  &pb__api__namespace_update__descriptor },
	{ "containerd.events.SnapshotCommit",   &pb__api__snapshot_commit__descriptor },
	{ "containerd.events.SnapshotPrepare",  &pb__api__snapshot_prepare__descriptor },
	{ "containerd.events.SnapshotRemove",   &pb__api__snapshot_remove__descriptor },
	{ "containerd.events.TaskCheckpointed", &pb__events__task_checkpointed__descriptor },
	{ "containerd.events.TaskCreate",       &pb__events__task_create__descriptor },
	{ "containerd.events.TaskDelete",       &pb__events__task_delete__descriptor },
	{ "containerd.events.TaskExecAdded",    &pb__events__task_exec_added__descriptor },
	{ "containerd.events.TaskExecStarted",  &pb__events__task_exec_started__descriptor },
	{ "containerd.events.TaskExit",         &pb__events__task_exit__descriptor },
	{ "containerd.events.TaskOOM",          &pb__events__task_oom__descriptor },
	{ "containerd.events.TaskPaused",       &pb__events__task_paused__descriptor },
	{ "containerd.events.TaskResumed",      &pb__events__task_resumed__descriptor },
	{ "containerd.events.TaskStart",        &pb__events__task_start__descriptor },
	{ "containerd.services.images.v1.ImageCreate", &pb__api__image_create__descriptor },
	{ "containerd.services.images.v1.ImageDelete", &pb__api__image_delete__descriptor },
	{ "containerd.services.images.v1.ImageUpdate", &pb__api__image_update__descriptor },
};
// clang-format on

/* ---- fields ---- */

struct seen {
	const Pb__Events__Envelope *envelope;
	struct arena arena;
	const ProtobufCMessage *event; /* decoded, when somebody asked */
	bool tried;
};

static const void *member(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	return (const char *)m + f->offset;
}

static const char *field_of(const ProtobufCMessage *m, const char *const *path, size_t n)
{
	const ProtobufCFieldDescriptor *f =
		n ? protobuf_c_message_descriptor_get_field_by_name(m->descriptor, path[0]) : NULL;
	const char *text;

	if (!f)
		return NULL;
	if (f->type == PROTOBUF_C_TYPE_STRING && f->label != PROTOBUF_C_LABEL_REPEATED) {
		text = *(const char *const *)member(m, f);
		return n == 1 && !str_empty(text) ? text : NULL;
	}
	if (f->type != PROTOBUF_C_TYPE_MESSAGE)
		return NULL;
	if (f->label != PROTOBUF_C_LABEL_REPEATED) {
		m = *(const ProtobufCMessage *const *)member(m, f);
		return m ? field_of(m, path + 1, n - 1) : NULL;
	}
	if (f->descriptor != &pb__pair__descriptor)
		return NULL;
	return labels_at(
		&(struct labels){ *(Pb__Pair *const *const *)member(m, f)
					  ? *(Pb__Pair ***)(void *)member(m, f)
					  : NULL,
			*(const size_t *)(const void *)((const char *)m + f->quantifier_offset) },
		path + 1, n - 1);
}

static const ProtobufCMessage *decoded(struct seen *s)
{
	const Pb__Any *any = s->envelope->event;

	if (s->tried || !any)
		return s->event;
	s->tried = true;
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (str_eq(any->type_url, types[i].name))
			(void)message_decode(types[i].type, any->value.data, any->value.len,
				&s->arena, &s->event, NULL);
	return s->event;
}

static const char *envelope_field(void *object, const char *const *path, size_t n)
{
	struct seen *s = object;
	const ProtobufCMessage *event;

	if (str_eq(path[0], "namespace"))
		return str_empty(s->envelope->namespace_) ? NULL : s->envelope->namespace_;
	if (str_eq(path[0], "topic"))
		return str_empty(s->envelope->topic) ? NULL : s->envelope->topic;
	if (!str_eq(path[0], "event"))
		return NULL;
	event = decoded(s);
	return event ? field_of(event, path + 1, n - 1) : NULL;
}

/* ---- sending ---- */

static void cut_off(struct subscriber *s)
{
	rpc_reply(s->door, s->addr, RPC_UNAVAILABLE, "events are not read fast enough: unavailable",
		NULL, 0);
}

static void send_one(struct subscriber *s, const Pb__Events__Envelope *envelope)
{
	int r = -ENOBUFS;

	if (rpc_unsent(s->door, s->addr) < s->bus->unsent_max &&
		rpc_unsent_messages(s->door, s->addr) < UNSENT_EVENTS_MAX)
		r = rpc_send(s->door, s->addr, &envelope->base);
	if (r < 0 && r != -ENOENT)
		cut_off(s);
}

static void broadcast(struct event_bus *b, const Pb__Events__Envelope *envelope)
{
	struct seen seen = { .envelope = envelope };
	struct subscriber *last = NULL;
	size_t all = 0, most = 0, unsent;

	for (struct subscriber *s = b->first; s; s = s->next) {
		if (filter_match(s->filter, envelope_field, &seen))
			send_one(s, envelope);
		unsent = rpc_unsent(s->door, s->addr);
		all += unsent;
		if (unsent > most) {
			most = unsent;
			last = s;
		}
	}
	if (last && all > SLOW_MAX * b->unsent_max)
		cut_off(last);
	arena_done(&seen.arena);
}

void event_bus_publish(struct event_bus *b, const char *ns, const char *topic, const Pb__Any *event,
	uint64_t wall_ns)
{
	Pb__Events__Envelope envelope = PB__EVENTS__ENVELOPE__INIT;
	Pb__Timestamp time = PB__TIMESTAMP__INIT;

	time.seconds = (int64_t)(wall_ns / NS_PER_SEC);
	time.nanos = (int32_t)(wall_ns % NS_PER_SEC);
	envelope.timestamp = &time;
	envelope.namespace_ = (char *)ns;
	envelope.topic = (char *)topic;
	envelope.event = (Pb__Any *)event;
	broadcast(b, &envelope);
}

int event_bus_forward(struct event_bus *b, const Pb__Events__Envelope *envelope, struct err *err)
{
	const Pb__Timestamp *t = envelope->timestamp;

	if (identifier_check(envelope->namespace_, err) < 0)
		return err_in(err, "event envelope has invalid namespace");
	if (identifier_check_topic(envelope->topic, err) < 0)
		return err->code;
	if (!t || (t->seconds == GO_ZERO_SECONDS && t->nanos == 0) ||
		(t->seconds == 0 && t->nanos == 0))
		return err_set(err, -EINVAL, "timestamp must be set on forwarded event");
	broadcast(b, envelope);
	return 0;
}

/* ---- subscribers ---- */

static void subscriber_gone(void *arg)
{
	struct subscriber *s = arg;

	if (s->next)
		s->next->prev = s->prev;
	*(s->prev ? &s->prev->next : &s->bus->first) = s->next;
	s->bus->n--;
	arena_done(&s->arena);
	free(s);
}

static const struct rpc_call_ops subscriber_ops = { .gone = subscriber_gone };

int event_bus_subscribe(struct event_bus *b, const struct rpc_request *req, char *const *filters,
	size_t n, struct err *err)
{
	struct subscriber *s = mem_calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_oom(err);
	s->bus = b;
	s->door = req->door;
	s->addr = req->addr;
	r = filter_parse(filters, n, &s->arena, &s->filter, err);
	if (r == 0)
		r = rpc_attach(req->door, req->addr, &subscriber_ops, s);
	if (r < 0) {
		arena_done(&s->arena);
		free(s);
		return r;
	}
	s->next = b->first;
	if (s->next)
		s->next->prev = s;
	b->first = s;
	b->n++;
	return 0;
}

int event_bus_new(size_t unsent_max, struct event_bus **ret, struct err *err)
{
	struct event_bus *b = mem_calloc(1, sizeof(*b));

	if (!b)
		return err_oom(err);
	b->unsent_max = unsent_max;
	*ret = b;
	return 0;
}

void event_bus_free(struct event_bus *b)
{
	while (b && b->first)
		subscriber_gone(b->first);
	free(b);
}

size_t event_bus_subscribers(const struct event_bus *b)
{
	return b->n;
}
