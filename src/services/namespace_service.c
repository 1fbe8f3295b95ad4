/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Namespaces. What surprises: one that was never created has no labels and is no error, for the
 * first object in it makes it; and an update makes it too.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "manager/identifier.h"
#include "services/core.h"
#include "services/services.h"

#include "proto/api.pb-c.h"

enum { GET, LIST, CREATE, UPDATE, DELETE };

static int load(struct core_call *c, const char *name, Pb__Api__Namespace **ret)
{
	ProtobufCMessage *m = NULL;
	int r = core_load(c, STORE_NAMESPACE, "", name, &pb__api__namespace__descriptor, &m);

	*ret = (Pb__Api__Namespace *)(void *)m;
	return r;
}

static int make(struct core_call *c, const char *name, Pb__Api__Namespace **ret)
{
	Pb__Api__Namespace *n = arena_calloc(c->arena, 1, sizeof(*n));

	if (!n)
		return err_oom(c->err);
	pb__api__namespace__init(n);
	n->name = (char *)name;
	*ret = n;
	return 0;
}

static int answer(struct core_call *c, Pb__Api__Namespace *n)
{
	Pb__Api__NamespaceAnswer *m = arena_calloc(c->arena, 1, sizeof(*m));

	if (!m)
		return err_oom(c->err);
	pb__api__namespace_answer__init(m);
	m->namespace_ = n;
	c->reply = &m->base;
	return 0;
}

static int get(struct core_call *c)
{
	const Pb__Api__NamespaceName *in = (const void *)c->req->message;
	Pb__Api__Namespace *n = NULL;
	int r = load(c, in->name, &n);

	if (r == -ENOENT)
		r = make(c, in->name, &n);
	return r < 0 ? r : answer(c, n);
}

static int list(struct core_call *c)
{
	Pb__Api__ListNamespacesResponse *m = arena_calloc(c->arena, 1, sizeof(*m));
	struct core_list all;
	int r = core_list(
		c, STORE_NAMESPACE, "", &pb__api__namespace__descriptor, NULL, NULL, &all);

	if (r < 0)
		return r;
	if (!m)
		return err_oom(c->err);
	pb__api__list_namespaces_response__init(m);
	m->namespaces = (Pb__Api__Namespace **)(void *)all.items;
	m->n_namespaces = all.n;
	c->reply = &m->base;
	return 0;
}

/* Labels of the request, as the store and the event have them. */
static int take_labels(struct core_call *c, const Pb__Api__Namespace *n, struct labels *ret)
{
	if (!n)
		return err_set(c->err, -EINVAL, "namespace must not be empty");
	*ret = (struct labels){ n->labels, n->n_labels };
	if (labels_check(ret, "namespace.Labels", c->err) < 0)
		return c->err->code;
	return labels_clean(ret, c->arena) < 0 ? err_oom(c->err) : 0;
}

static int announce(
	struct core_call *c, const char *topic, const char *type, const Pb__Api__Namespace *n)
{
	Pb__Api__NamespaceCreate *event = arena_calloc(c->arena, 1, sizeof(*event));

	if (!event)
		return err_oom(c->err);
	pb__api__namespace_create__init(event); /* update's has the same fields */
	event->name = n->name;
	event->labels = n->labels;
	event->n_labels = n->n_labels;
	c->topic = topic;
	c->event_type = type;
	/* Of the client's namespace, if it has named one. */
	c->event_ns = str_empty(c->req->ns) ? n->name : c->req->ns;
	c->event = &event->base;
	return 0;
}

static int create(struct core_call *c)
{
	const Pb__Api__CreateNamespaceRequest *in = (const void *)c->req->message;
	const char *name = in->namespace_ ? in->namespace_->name : "";
	Pb__Api__Namespace *n = NULL, *old;
	struct labels labels = { 0 };
	int r = identifier_check(name, c->err);

	if (r == 0)
		r = take_labels(c, in->namespace_, &labels);
	if (r == 0)
		r = make(c, name, &n);
	if (r < 0 || !n)
		return r;
	n->labels = labels.pairs;
	n->n_labels = labels.n;
	r = load(c, name, &old);
	if (r == 0)
		return err_set(c->err, -EEXIST, "namespace %s", core_quote(c, name));
	if (r != -ENOENT)
		return r;
	r = core_save(c, STORE_NAMESPACE, "", name, &n->base);
	if (r == 0)
		r = announce(c, "/namespaces/create", "containerd.events.NamespaceCreate", n);
	return r < 0 ? r : answer(c, n);
}

static int apply_mask(struct core_call *c, const Pb__Api__FieldMask *mask,
	const struct labels *wanted, struct labels *labels)
{
	for (size_t i = 0; i < mask->n_paths; i++) {
		const char *path = mask->paths[i], *value;

		if (!str_starts(path, "labels."))
			return err_set(
				c->err, -EINVAL, "cannot update %s field", core_quote(c, path));
		value = labels_get(wanted, path + 7);
		if (labels_set(labels, path + 7, value ? value : "", c->arena) < 0)
			return err_oom(c->err);
	}
	return 0;
}

static int update(struct core_call *c)
{
	const Pb__Api__UpdateNamespaceRequest *in = (const void *)c->req->message;
	const char *name = in->namespace_ ? in->namespace_->name : "";
	struct labels wanted = { 0 }, labels;
	Pb__Api__Namespace *n = NULL;
	int r = identifier_check(name, c->err);

	if (r == 0)
		r = take_labels(c, in->namespace_, &wanted);
	if (r == 0)
		r = load(c, name, &n);
	if (r == -ENOENT)
		r = make(c, name, &n);
	if (r < 0 || !n || !in->namespace_)
		return r;
	labels = (struct labels){ n->labels, n->n_labels };
	if (in->update_mask && in->update_mask->n_paths > 0)
		r = apply_mask(c, in->update_mask, &wanted, &labels);
	else
		labels = wanted;
	n->labels = labels.pairs;
	n->n_labels = labels.n;
	if (r == 0)
		r = core_save(c, STORE_NAMESPACE, "", name, &n->base);
	if (r == 0)
		/* What was asked, as containerd tells it: not what there was before. */
		r = announce(c, "/namespaces/update", "containerd.events.NamespaceUpdate",
			in->namespace_);
	return r < 0 ? r : answer(c, n);
}

// clang-format off
static const struct {
	enum store_bucket bucket;
	const char *what;
} contents[] = {
	{ STORE_IMAGE,     "images" },
	{ STORE_CONTENT,   "blobs" },
	{ STORE_CONTAINER, "containers" },
};
// clang-format on

struct still {
	char text[256];
	size_t n;
	char snapshotter[64]; /* the one told last */
};

static void add_still(struct still *s, const char *before, const char *what, const char *after)
{
	int n = snprintf(s->text + s->n, sizeof(s->text) - s->n, "%s%s%s%s", s->n ? ", " : "",
		before, what, after);

	s->n += (size_t)n < sizeof(s->text) - s->n ? (size_t)n : 0;
	s->text[s->n] = '\0';
}

/* Snapshots come by key, which their snapshotter begins: each snapshotter once. */
static int add_snapshotter(void *arg, const struct store_item *item)
{
	struct still *s = arg;
	char name[sizeof(s->snapshotter)];

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(item->key, "/"), item->key);
	if (str_eq(name, s->snapshotter))
		return 0;
	memcpy(s->snapshotter, name, sizeof(name));
	add_still(s, "snapshots on \"", name, "\" snapshotter");
	return 0;
}

static int check_empty(struct core_call *c, const char *name)
{
	struct still still = { 0 };
	int r;

	for (size_t i = 0; i < ARRAY_LEN(contents); i++) {
		r = store_any(c->core->store, contents[i].bucket, name, c->err);
		if (r < 0)
			return r;
		if (r > 0)
			add_still(&still, "", contents[i].what, "");
	}
	r = store_each(c->core->store, STORE_SNAPSHOT, name, add_snapshotter, &still, c->err);
	if (r < 0 || still.n == 0)
		return r;
	return err_set(c->err, -EBUSY, "namespace %s must be empty, but it still has %s",
		core_quote(c, name), still.text);
}

static int delete_(struct core_call *c)
{
	const Pb__Api__NamespaceName *in = (const void *)c->req->message;
	Pb__Api__NamespaceDelete *event = arena_calloc(c->arena, 1, sizeof(*event));
	int r = check_empty(c, in->name);

	if (!event)
		return err_oom(c->err);
	if (r == 0)
		r = store_delete(c->core->store, STORE_NAMESPACE, "", in->name, c->err);
	if (r == -ENOENT)
		return err_set(c->err, -ENOENT, "namespace %s", core_quote(c, in->name));
	/* Leases are no contents: they go with it. */
	if (r == 0)
		r = store_clear(c->core->store, STORE_LEASE, in->name, c->err);
	if (r < 0)
		return r;
	pb__api__namespace_delete__init(event);
	event->name = in->name;
	c->topic = "/namespaces/delete";
	c->event_type = "containerd.events.NamespaceDelete";
	c->event_ns = in->name;
	c->event = &event->base;
	return 0;
}

static const struct core_method methods[] = {
	[GET] = { get, CORE_NO_NS },
	[LIST] = { list, CORE_NO_NS },
	[CREATE] = { create, CORE_NO_NS | CORE_WRITES },
	[UPDATE] = { update, CORE_NO_NS | CORE_WRITES },
	[DELETE] = { delete_, CORE_NO_NS | CORE_WRITES },
};

static void handle(void *arg, const struct rpc_request *req)
{
	core_run(arg, req, methods[req->method->kind].fn, methods[req->method->kind].flags);
}

static const struct rpc_method rows[] = {
	{ "Get", &pb__api__namespace_name__descriptor, GET, handle },
	{ "List", &pb__api__list_namespaces_request__descriptor, LIST, handle },
	{ "Create", &pb__api__create_namespace_request__descriptor, CREATE, handle },
	{ "Update", &pb__api__update_namespace_request__descriptor, UPDATE, handle },
	{ "Delete", &pb__api__namespace_name__descriptor, DELETE, handle },
};

const struct rpc_service namespace_service = { "containerd.services.namespaces.v1.Namespaces", rows,
	ARRAY_LEN(rows) };
