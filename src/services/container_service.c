/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers: records of what is to run; nothing of it runs here. Rules, codes and texts are
 * containerd's (spec/manager.md 3.4). What surprises: an update with an empty mask replaces labels,
 * spec, extensions, image and snapshot key, and is refused when it would change more.
 */
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "manager/identifier.h"
#include "services/core.h"
#include "services/filter.h"
#include "services/gc.h"
#include "services/services.h"

#include "proto/api.pb-c.h"

enum { GET, LIST, LIST_STREAM, CREATE, UPDATE, DELETE };

typedef Pb__Api__Container container;

static int load(struct core_call *c, const char *id, container **ret)
{
	ProtobufCMessage *m = NULL;
	int r = core_load(c, STORE_CONTAINER, c->ns, id, &pb__api__container__descriptor, &m);

	*ret = (container *)(void *)m;
	return r;
}

static int answer(struct core_call *c, container *k)
{
	Pb__Api__ContainerAnswer *m = arena_calloc(c->arena, 1, sizeof(*m));

	if (!m)
		return err_oom(c->err);
	pb__api__container_answer__init(m);
	m->container = k;
	c->reply = &m->base;
	return 0;
}

static int get(struct core_call *c)
{
	const Pb__Api__ContainerId *in = (const void *)c->req->message;
	container *k = NULL;
	int r = load(c, in->id, &k);

	if (r == -ENOENT)
		return err_set(c->err, r, "container %s in namespace \"%s\"", core_quote(c, in->id),
			c->ns);
	return r < 0 ? r : answer(c, k);
}

/* ---- lists ---- */

static const char *container_field(void *object, const char *const *path, size_t n)
{
	const container *k = object;
	const char *value = NULL;

	if (str_eq(path[0], "id"))
		value = k->id;
	else if (str_eq(path[0], "image"))
		value = k->image;
	else if (str_eq(path[0], "runtime") && n > 1 && str_eq(path[1], "name"))
		value = k->runtime ? k->runtime->name : NULL;
	else if (str_eq(path[0], "labels"))
		return labels_at(&(struct labels){ k->labels, k->n_labels }, path + 1, n - 1);
	return str_empty(value) ? NULL : value;
}

static bool keep(void *filter, ProtobufCMessage *m)
{
	return filter_match(filter, container_field, m);
}

static int find(struct core_call *c, struct core_list *ret)
{
	const Pb__Api__ListContainersRequest *in = (const void *)c->req->message;
	const struct filter *filter;
	int r = filter_parse(in->filters, in->n_filters, c->arena, &filter, c->err);

	return r < 0 ? r
		     : core_list(c, STORE_CONTAINER, c->ns, &pb__api__container__descriptor, keep,
			       (void *)filter, ret);
}

static int list(struct core_call *c)
{
	Pb__Api__ListContainersResponse *m = arena_calloc(c->arena, 1, sizeof(*m));
	struct core_list all;
	int r = find(c, &all);

	if (r < 0)
		return r;
	if (!m)
		return err_oom(c->err);
	pb__api__list_containers_response__init(m);
	m->containers = (container **)(void *)all.items;
	m->n_containers = all.n;
	c->reply = &m->base;
	return 0;
}

static ProtobufCMessage *wrap(void *room, ProtobufCMessage *item)
{
	Pb__Api__ContainerAnswer *m = room;

	_Static_assert(sizeof(*m) <= CORE_WRAP_SIZE, "room for a message");
	pb__api__container_answer__init(m);
	m->container = (container *)(void *)item;
	return &m->base;
}

static int list_stream(struct core_call *c)
{
	struct core_list all;
	int r = find(c, &all);

	return r < 0 ? r : core_stream(c, &all, wrap);
}

/* ---- changes ---- */

static int check(struct core_call *c, const container *k)
{
	int r = identifier_check(k->id, c->err);

	if (r < 0)
		return err_in(c->err, "container.ID");
	for (size_t i = 0; i < k->n_extensions; i++)
		if (!*k->extensions[i]->key)
			return err_set(c->err, -EINVAL,
				"container.Extension keys must not be zero-length");
	r = labels_check(&(struct labels){ k->labels, k->n_labels }, "containers.Labels", c->err);
	if (r < 0)
		return r;
	if (!k->runtime || !*k->runtime->name)
		return err_set(c->err, -EINVAL, "container.Runtime.Name must be set");
	if (!k->spec)
		return err_set(c->err, -EINVAL, "container.Spec must be set");
	if (*k->snapshot_key && !*k->snapshotter)
		return err_set(c->err, -EINVAL,
			"container.Snapshotter must be set if container.SnapshotKey is set");
	return 0;
}

static int clean(struct core_call *c, container *k)
{
	struct labels labels = { k->labels, k->n_labels };
	size_t n = 0;

	if (labels_clean(&labels, c->arena) < 0)
		return err_oom(c->err);
	k->labels = labels.pairs;
	k->n_labels = labels.n;
	for (size_t i = 0; i < k->n_extensions; i++) {
		size_t j = i + 1;

		while (j < k->n_extensions && !str_eq(k->extensions[i]->key, k->extensions[j]->key))
			j++;
		if (j == k->n_extensions)
			k->extensions[n++] = k->extensions[i];
	}
	k->n_extensions = n;
	return 0;
}

static int save(struct core_call *c, container *k)
{
	k->updated_at = core_now(c);
	if (!k->updated_at)
		return err_oom(c->err);
	if (!k->created_at)
		k->created_at = k->updated_at;
	return core_save(c, STORE_CONTAINER, c->ns, k->id, &k->base);
}

static int announce_create(struct core_call *c, const container *k)
{
	Pb__Api__ContainerCreate *event = arena_calloc(c->arena, 1, sizeof(*event));

	if (!event)
		return err_oom(c->err);
	pb__api__container_create__init(event);
	event->id = k->id;
	event->image = k->image;
	event->runtime = k->runtime;
	c->topic = "/containers/create";
	c->event_type = "containerd.events.ContainerCreate";
	c->event = &event->base;
	return 0;
}

static int create(struct core_call *c)
{
	const Pb__Api__CreateContainerRequest *in = (const void *)c->req->message;
	Pb__Api__Container none = PB__API__CONTAINER__INIT;
	container *k = in->container ? in->container : &none, *old;
	int r = check(c, k);

	if (r < 0)
		return err_in(c->err, "create container failed validation");
	r = load(c, k->id, &old);
	if (r == 0)
		return err_set(c->err, -EEXIST, "container \"%s\"", k->id);
	if (r != -ENOENT)
		return r;
	k->created_at = NULL;
	r = clean(c, k);
	if (r == 0)
		r = core_touch_namespace(c);
	if (r == 0)
		r = save(c, k);
	if (r == 0)
		r = announce_create(c, k);
	return r < 0 ? r : answer(c, k);
}

static Pb__Api__AnyPair **extension(const container *k, const char *key)
{
	for (size_t i = k->n_extensions; i > 0; i--)
		if (str_eq(k->extensions[i - 1]->key, key))
			return &k->extensions[i - 1];
	return NULL;
}

/* As in Go: what the request has not is set to nothing, not taken out. */
static int update_extension(
	struct core_call *c, container *k, const container *wanted, const char *key)
{
	Pb__Api__AnyPair **from = extension(wanted, key), **to = extension(k, key), **more;
	Pb__Api__AnyPair *pair;

	if (from && to) {
		*to = *from;
		return 0;
	}
	pair = arena_calloc(c->arena, 1, sizeof(*pair));
	more = arena_calloc(c->arena, k->n_extensions + 1, sizeof(Pb__Api__AnyPair *));
	if (!pair || !more)
		return err_oom(c->err);
	pb__api__any_pair__init(pair);
	pair->key = (char *)key;
	if (from)
		pair = *from;
	if (to) {
		*to = pair;
		return 0;
	}
	if (k->n_extensions)
		memcpy(more, k->extensions, k->n_extensions * sizeof(Pb__Api__AnyPair *));
	more[k->n_extensions++] = pair;
	k->extensions = more;
	return 0;
}

static int update_label(struct core_call *c, container *k, const container *wanted, const char *key)
{
	const char *value = labels_get(&(struct labels){ wanted->labels, wanted->n_labels }, key);
	struct labels labels = { k->labels, k->n_labels };

	if (labels_set(&labels, key, value ? value : "", c->arena) < 0)
		return err_oom(c->err);
	k->labels = labels.pairs;
	k->n_labels = labels.n;
	return 0;
}

static int update_field(
	struct core_call *c, container *k, const container *wanted, const char *path)
{
	if (str_starts(path, "labels."))
		return update_label(c, k, wanted, path + 7);
	if (str_starts(path, "extensions."))
		return update_extension(c, k, wanted, path + 11);
	if (str_eq(path, "labels")) {
		k->labels = wanted->labels;
		k->n_labels = wanted->n_labels;
	} else if (str_eq(path, "spec")) {
		k->spec = wanted->spec;
	} else if (str_eq(path, "extensions")) {
		k->extensions = wanted->extensions;
		k->n_extensions = wanted->n_extensions;
	} else if (str_eq(path, "image")) {
		k->image = wanted->image;
	} else if (str_eq(path, "snapshotkey")) {
		k->snapshot_key = wanted->snapshot_key;
	} else {
		return err_set(c->err, -EINVAL, "cannot update %s field on \"%s\"",
			core_quote(c, path), k->id);
	}
	return 0;
}

static int apply(
	struct core_call *c, container *k, const container *wanted, const Pb__Api__FieldMask *mask)
{
	static const char *const all[] = { "labels", "spec", "extensions", "image", "snapshotkey" };
	int r = 0;

	if (mask && mask->n_paths > 0) {
		for (size_t i = 0; i < mask->n_paths && r == 0; i++)
			r = update_field(c, k, wanted, mask->paths[i]);
		return r;
	}
	if (!str_eq(k->snapshotter, wanted->snapshotter))
		return err_set(c->err, -EINVAL, "container.Snapshotter field is immutable");
	if (!str_eq(k->runtime ? k->runtime->name : "",
		    wanted->runtime ? wanted->runtime->name : ""))
		return err_set(c->err, -EINVAL, "container.Runtime.Name field is immutable");
	for (size_t i = 0; i < ARRAY_LEN(all) && r == 0; i++)
		r = update_field(c, k, wanted, all[i]);
	return r;
}

static int announce_update(struct core_call *c, const container *k)
{
	Pb__Api__ContainerUpdate *event = arena_calloc(c->arena, 1, sizeof(*event));

	if (!event)
		return err_oom(c->err);
	pb__api__container_update__init(event);
	event->id = k->id;
	event->image = k->image;
	event->labels = k->labels;
	event->n_labels = k->n_labels;
	event->snapshot_key = k->snapshot_key;
	c->topic = "/containers/update";
	c->event_type = "containerd.events.ContainerUpdate";
	c->event = &event->base;
	return 0;
}

static int update(struct core_call *c)
{
	const Pb__Api__UpdateContainerRequest *in = (const void *)c->req->message;
	const container *wanted = in->container;
	container *k = NULL;
	int r;

	if (!wanted || !*wanted->id)
		return err_set(c->err, -EINVAL, "Container.ID required");
	r = load(c, wanted->id, &k);
	if (r == -ENOENT)
		return err_set(c->err, r, "container %s", core_quote(c, wanted->id));
	if (r == 0)
		r = apply(c, k, wanted, in->update_mask);
	if (r < 0)
		return r;
	if (check(c, k) < 0)
		return err_in(c->err, "update failed validation");
	r = clean(c, k);
	if (r == 0)
		r = save(c, k);
	if (r == 0)
		r = announce_update(c, k);
	return r < 0 ? r : answer(c, k);
}

static int delete_(struct core_call *c)
{
	const Pb__Api__ContainerId *in = (const void *)c->req->message;
	Pb__Api__ContainerDelete *event = arena_calloc(c->arena, 1, sizeof(*event));
	int r = store_delete(c->core->store, STORE_CONTAINER, c->ns, in->id, c->err);

	if (r == -ENOENT)
		return err_set(c->err, r, "container %.100s", in->id);
	if (r < 0)
		return r;
	if (!event)
		return err_oom(c->err);
	pb__api__container_delete__init(event);
	event->id = in->id;
	gc_want(c->core->gc, c->ns);
	c->topic = "/containers/delete";
	c->event_type = "containerd.events.ContainerDelete";
	c->event = &event->base;
	return 0;
}

static const struct core_method methods[] = {
	[GET] = { get, 0 },
	[LIST] = { list, 0 },
	[LIST_STREAM] = { list_stream, 0 },
	[CREATE] = { create, CORE_WRITES },
	[UPDATE] = { update, CORE_WRITES },
	[DELETE] = { delete_, CORE_WRITES },
};

static void handle(void *arg, const struct rpc_request *req)
{
	core_run(arg, req, methods[req->method->kind].fn, methods[req->method->kind].flags);
}

static const struct rpc_method rows[] = {
	{ "Get", &pb__api__container_id__descriptor, GET, handle },
	{ "List", &pb__api__list_containers_request__descriptor, LIST, handle },
	{ "ListStream", &pb__api__list_containers_request__descriptor, LIST_STREAM, handle,
		RPC_STREAM },
	{ "Create", &pb__api__create_container_request__descriptor, CREATE, handle },
	{ "Update", &pb__api__update_container_request__descriptor, UPDATE, handle },
	{ "Delete", &pb__api__container_id__descriptor, DELETE, handle },
};

const struct rpc_service container_service = { "containerd.services.containers.v1.Containers", rows,
	ARRAY_LEN(rows) };
