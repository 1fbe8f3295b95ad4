/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What surprises: the event goes out before the reply, so that a client which has its answer and then
 * looks at what its subscription brought finds it there, as with containerd.
 */
#include "services/core.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "manager/identifier.h"
#include "services/event_bus.h"

#include "proto/api.pb-c.h"

#define QUOTE_MAX 120
#define STREAM_BYTES (64u << 10)

int core_namespace(const struct rpc_request *req, struct err *err)
{
	if (str_empty(req->ns))
		return err_set(err, -EBUSY, "namespace is required");
	return identifier_check(req->ns, err) < 0 ? err_in(err, "namespace validation") : 0;
}

static int publish(struct core_call *c)
{
	const char *ns = c->event_ns ? c->event_ns : c->ns;
	Pb__Any any = PB__ANY__INIT;

	if (!c->topic)
		return 0;
	any.type_url = (char *)c->event_type;
	if (message_to_bytes(c->event, c->arena, &any.value) < 0)
		return err_oom(c->err);
	event_bus_publish(c->core->events, ns, c->topic, &any, clock_wall_ns());
	return 0;
}

static int carry_out(struct core_call *c, core_fn *fn, unsigned int flags)
{
	int r;

	if (!(flags & CORE_NO_NS)) {
		r = core_namespace(c->req, c->err);
		if (r < 0)
			return r;
		c->ns = c->req->ns;
	}
	r = flags & CORE_WRITES ? store_begin(c->core->store, c->err) : 0;
	if (r == 0)
		r = fn(c);
	if (r == 0 && (flags & CORE_WRITES))
		r = store_commit(c->core->store, c->err);
	else if (r < 0 && (flags & CORE_WRITES))
		store_rollback(c->core->store);
	if (r == 0 && c->after)
		c->after(c->core);
	return r == 0 ? publish(c) : r;
}

void core_run(struct core *core, const struct rpc_request *req, core_fn *fn, unsigned int flags)
{
	auto_done(arena) struct arena arena = { 0 };
	const Pb__Empty empty = PB__EMPTY__INIT;
	struct err err = { 0 };
	struct core_call c = { .core = core, .req = req, .arena = &arena, .err = &err };
	int r = carry_out(&c, fn, flags);

	if (r < 0)
		rpc_reply_err(req->door, req->addr, r, &err);
	else if (!c.answered)
		rpc_reply_message(req->door, req->addr, c.reply ? c.reply : &empty.base);
}

/* ---- records ---- */

int core_load(struct core_call *c, enum store_bucket bucket, const char *ns, const char *key,
	const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret)
{
	const ProtobufCMessage *m = NULL;
	struct store_item item;
	int r = store_get(c->core->store, bucket, ns, key, c->arena, &item, c->err);

	if (r == 0)
		r = message_decode(type, item.data, item.size, c->arena, &m, c->err);
	if (r == -EBADMSG)
		return err_set(c->err, -EUCLEAN, "the record of '%.100s' cannot be read", key);
	if (r == 0)
		*ret = (ProtobufCMessage *)m; /* the arena's */
	return r;
}

int core_save(struct core_call *c, enum store_bucket bucket, const char *ns, const char *key,
	const ProtobufCMessage *m)
{
	auto_done(buf) struct buf bytes = { 0 };

	message_encode(m, &bytes);
	if (buf_ok(&bytes) < 0)
		return err_oom(c->err);
	return store_put(c->core->store, bucket, ns, key, bytes.data, bytes.len, c->err);
}

int core_touch_namespace(struct core_call *c)
{
	Pb__Api__Namespace made = PB__API__NAMESPACE__INIT;
	struct store_item item;
	int r = store_get(c->core->store, STORE_NAMESPACE, "", c->ns, c->arena, &item, c->err);

	if (r != -ENOENT)
		return r;
	made.name = (char *)c->ns;
	return core_save(c, STORE_NAMESPACE, "", c->ns, &made.base);
}

static bool is_leased(const Pb__Api__LeaseRecord *l, size_t n, const char *type, const char *id)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(l->resources[i]->id, id) && str_eq(l->resources[i]->type, type))
			return true;
	return false;
}

int core_lease_all(
	struct core_call *c, const char *lease, const char *type, const char *const *ids, size_t n)
{
	Pb__Api__Resource *new, **more;
	Pb__Api__LeaseRecord *l;
	ProtobufCMessage *m;
	size_t old;
	int r;

	if (str_empty(lease))
		return 0;
	r = core_load(c, STORE_LEASE, c->ns, lease, &pb__api__lease_record__descriptor, &m);
	if (r == -ENOENT)
		return err_set(c->err, r, "lease does not exist");
	if (r < 0)
		return r;
	l = (Pb__Api__LeaseRecord *)(void *)m;
	old = l->n_resources;
	new = arena_calloc(c->arena, n + 1, sizeof(*new));
	more = arena_calloc(c->arena, old + n + 1, sizeof(Pb__Api__Resource *));
	if (!new || !more)
		return err_oom(c->err);
	if (old)
		memcpy(more, l->resources, old * sizeof(Pb__Api__Resource *));
	l->resources = more;
	for (size_t i = 0; i < n; i++) {
		if (is_leased(l, old, type, ids[i]))
			continue;
		pb__api__resource__init(&new[i]);
		new[i].type = (char *)type;
		new[i].id = (char *)ids[i];
		more[l->n_resources++] = &new[i];
	}
	return l->n_resources == old ? 0 : core_save(c, STORE_LEASE, c->ns, lease, &l->base);
}

int core_lease(struct core_call *c, const char *lease, const char *type, const char *id)
{
	return core_lease_all(c, lease, type, &id, 1);
}

int core_unlease(struct core_call *c, const char *lease, const char *type, const char *id)
{
	Pb__Api__LeaseRecord *l;
	ProtobufCMessage *m;
	size_t i = 0;
	int r;

	if (str_empty(lease))
		return 0;
	r = core_load(c, STORE_LEASE, c->ns, lease, &pb__api__lease_record__descriptor, &m);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	l = (Pb__Api__LeaseRecord *)(void *)m;
	while (i < l->n_resources &&
		!(str_eq(l->resources[i]->id, id) && str_eq(l->resources[i]->type, type)))
		i++;
	if (i == l->n_resources)
		return 0;
	l->n_resources--;
	memmove(l->resources + i, l->resources + i + 1,
		(l->n_resources - i) * sizeof(Pb__Api__Resource *));
	return core_save(c, STORE_LEASE, c->ns, lease, &l->base);
}

struct collect {
	struct core_call *call;
	const ProtobufCMessageDescriptor *type;
	core_keep_fn *keep;
	void *arg;
	struct core_list list;
};

static int grow(struct collect *k)
{
	size_t cap = k->list.cap ? k->list.cap * 2 : 16;
	ProtobufCMessage **more;

	if (k->list.n < k->list.cap)
		return 0;
	more = arena_calloc(k->call->arena, cap, sizeof(ProtobufCMessage *));
	if (!more)
		return err_oom(k->call->err);
	if (k->list.n)
		memcpy(more, k->list.items, k->list.n * sizeof(ProtobufCMessage *));
	k->list.items = more;
	k->list.cap = cap;
	return 0;
}

static int collect_one(void *arg, const struct store_item *item)
{
	struct collect *k = arg;
	const ProtobufCMessage *m = NULL;
	int r = message_decode(k->type, item->data, item->size, k->call->arena, &m, k->call->err);

	if (r == -EBADMSG) /* one that cannot be read does not hide the others */
		return 0;
	if (r < 0)
		return r;
	if (k->keep && !k->keep(k->arg, (ProtobufCMessage *)m))
		return 0;
	r = grow(k);
	if (r == 0)
		k->list.items[k->list.n++] = (ProtobufCMessage *)m;
	return r;
}

int core_list(struct core_call *c, enum store_bucket bucket, const char *ns,
	const ProtobufCMessageDescriptor *type, core_keep_fn *keep, void *arg,
	struct core_list *ret)
{
	struct collect k = { .call = c, .type = type, .keep = keep, .arg = arg };
	int r = store_each(c->core->store, bucket, ns, collect_one, &k, c->err);

	if (r == 0)
		*ret = k.list;
	return r;
}

/* ---- streams ---- */

struct stream {
	struct rpc_door *door;
	struct rpc_addr addr;
	struct arena arena;
	struct core_list list;
	size_t at;
	core_wrap_fn *wrap;
};

static void stream_go(void *arg)
{
	struct stream *s = arg;
	_Alignas(16) char room[CORE_WRAP_SIZE];

	while (s->at < s->list.n) {
		if (rpc_unsent(s->door, s->addr) >= STREAM_BYTES)
			return;
		if (rpc_send(s->door, s->addr, s->wrap(room, s->list.items[s->at++])) < 0)
			return rpc_reply(s->door, s->addr, RPC_RESOURCE_EXHAUSTED,
				"the list is not read: resource exhausted", NULL, 0);
	}
	rpc_reply(s->door, s->addr, RPC_OK, NULL, NULL, 0);
}

static void stream_gone(void *arg)
{
	struct stream *s = arg;

	arena_done(&s->arena);
	free(s);
}

static const struct rpc_call_ops stream_ops = { .room = stream_go, .gone = stream_gone };

int core_stream(struct core_call *c, const struct core_list *list, core_wrap_fn *wrap)
{
	struct stream *s = mem_calloc(1, sizeof(*s));

	if (!s)
		return err_oom(c->err);
	*s = (struct stream){ c->req->door, c->req->addr, *c->arena, *list, 0, wrap };
	if (rpc_attach(s->door, s->addr, &stream_ops, s) < 0) {
		free(s);
		return err_set(c->err, -ECANCELED, "the call has ended");
	}
	*c->arena = (struct arena){ 0 };
	c->answered = true;
	stream_go(s);
	return 0;
}

/* ---- words ---- */

Pb__Timestamp *core_time(struct core_call *c, uint64_t wall_ns)
{
	Pb__Timestamp *t = arena_calloc(c->arena, 1, sizeof(*t));

	if (!t)
		return NULL;
	pb__timestamp__init(t);
	t->seconds = (int64_t)(wall_ns / NS_PER_SEC);
	t->nanos = (int32_t)(wall_ns % NS_PER_SEC);
	return t;
}

Pb__Timestamp *core_now(struct core_call *c)
{
	return core_time(c, clock_wall_ns());
}

const char *core_quote(struct core_call *c, const char *s)
{
	auto_done(buf) struct buf cut = { 0 };
	auto_done(buf) struct buf out = { 0 };
	size_t n = 0, len;

	while (s[n] && n < QUOTE_MAX) {
		len = str_utf8_len(s + n, strnlen(s + n, 4));
		n += len ? len : 1;
	}
	buf_add(&cut, s, n);
	if (buf_ok(&cut) == 0)
		buf_add_json(&out, cut.data ? cut.data : "");
	if (buf_ok(&cut) < 0 || buf_ok(&out) < 0 || !out.data)
		return "?";
	s = arena_strdup(c->arena, out.data);
	return s ? s : "?";
}
