/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases: records that keep what they name. One past the time in its label containerd.io/gc.expire
 * is gone: nobody sees it any more, and the next one that is made sweeps it away.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/str.h"
#include "manager/identifier.h"
#include "services/core.h"
#include "services/filter.h"
#include "services/gc.h"
#include "services/services.h"

#include "proto/api.pb-c.h"

enum { CREATE, DELETE, LIST, ADD, REMOVE, RESOURCES };

#define EXPIRE "containerd.io/gc.expire"

typedef Pb__Api__LeaseRecord record;

static bool is_expired(const record *l)
{
	const struct labels labels = { l->lease ? l->lease->labels : NULL,
		l->lease ? l->lease->n_labels : 0 };
	const char *when = labels_get(&labels, EXPIRE);
	uint64_t ns;

	return when && clock_parse_rfc3339(when, &ns) == 0 && ns <= clock_wall_ns();
}

static int load(struct core_call *c, const char *id, record **ret)
{
	ProtobufCMessage *m = NULL;
	int r = core_load(c, STORE_LEASE, c->ns, id, &pb__api__lease_record__descriptor, &m);

	*ret = (record *)(void *)m;
	if (r == 0 && (!(*ret)->lease || is_expired(*ret)))
		r = -ENOENT;
	return r == -ENOENT ? err_set(c->err, r, "lease %s", core_quote(c, id)) : r;
}

static bool keep_expired(void *arg, ProtobufCMessage *m)
{
	return is_expired((const record *)(const void *)m);
}

static int sweep(struct core_call *c)
{
	struct core_list old;
	int r = core_list(c, STORE_LEASE, c->ns, &pb__api__lease_record__descriptor, keep_expired,
		NULL, &old);

	for (size_t i = 0; i < old.n && r == 0; i++) {
		const record *l = (const void *)old.items[i];

		r = store_delete(c->core->store, STORE_LEASE, c->ns, l->lease->id, c->err);
	}
	return r;
}

/* For who leaves it to us how it is called. NULL: the call has its reason. */
static char *random_id(struct core_call *c)
{
	uint64_t n[2];
	char *id;

	if (getrandom(n, sizeof(n), 0) != sizeof(n)) {
		(void)err_sys(c->err, "read random bytes");
		return NULL;
	}
	id = arena_printf(c->arena, "%" PRIx64 "-%" PRIx64, n[0], n[1]);
	if (!id)
		(void)err_oom(c->err);
	return id;
}

static int create(struct core_call *c)
{
	const Pb__Api__CreateLeaseRequest *in = (const void *)c->req->message;
	struct labels labels = { in->labels, in->n_labels };
	Pb__Api__LeaseAnswer *m = arena_calloc(c->arena, 1, sizeof(*m));
	Pb__Api__Lease *lease = arena_calloc(c->arena, 1, sizeof(*lease));
	Pb__Api__LeaseRecord l = PB__API__LEASE_RECORD__INIT;
	record *old;
	int r;

	if (!m || !lease || labels_clean(&labels, c->arena) < 0)
		return err_oom(c->err);
	pb__api__lease__init(lease);
	lease->id = in->id;
	if (!*in->id && !(lease->id = random_id(c)))
		return c->err->code;
	r = load(c, lease->id, &old);
	if (r == 0)
		return err_set(c->err, -EEXIST, "lease %s", core_quote(c, in->id));
	if (r != -ENOENT)
		return r;
	lease->created_at = core_now(c);
	lease->labels = labels.pairs;
	lease->n_labels = labels.n;
	l.lease = lease;
	r = core_touch_namespace(c);
	if (r == 0)
		r = sweep(c);
	if (r == 0)
		r = core_save(c, STORE_LEASE, c->ns, lease->id, &l.base);
	pb__api__lease_answer__init(m);
	m->lease = lease;
	c->reply = &m->base;
	return r;
}

static int delete_(struct core_call *c)
{
	const Pb__Api__DeleteLeaseRequest *in = (const void *)c->req->message;
	int r = store_delete(c->core->store, STORE_LEASE, c->ns, in->id, c->err);

	gc_want(c->core->gc, c->ns);
	if (in->sync)
		c->after = gc_now;
	return r == -ENOENT ? err_set(c->err, r, "lease %s", core_quote(c, in->id)) : r;
}

static const char *lease_field(void *object, const char *const *path, size_t n)
{
	const Pb__Api__Lease *l = object;

	if (str_eq(path[0], "id"))
		return str_empty(l->id) ? NULL : l->id;
	if (str_eq(path[0], "labels"))
		return labels_at(&(struct labels){ l->labels, l->n_labels }, path + 1, n - 1);
	return NULL;
}

static bool keep(void *filter, ProtobufCMessage *m)
{
	record *l = (void *)m;

	return l->lease && !is_expired(l) && filter_match(filter, lease_field, l->lease);
}

static int list(struct core_call *c)
{
	const Pb__Api__ListLeasesRequest *in = (const void *)c->req->message;
	Pb__Api__ListLeasesResponse *m = arena_calloc(c->arena, 1, sizeof(*m));
	const struct filter *filter;
	struct core_list all;
	int r = filter_parse(in->filters, in->n_filters, c->arena, &filter, c->err);

	if (r == 0)
		r = core_list(c, STORE_LEASE, c->ns, &pb__api__lease_record__descriptor, keep,
			(void *)filter, &all);
	if (r < 0)
		return r;
	if (!m)
		return err_oom(c->err);
	pb__api__list_leases_response__init(m);
	m->leases = arena_calloc(c->arena, all.n + 1, sizeof(Pb__Api__Lease *));
	if (!m->leases)
		return err_oom(c->err);
	for (size_t i = 0; i < all.n; i++)
		m->leases[m->n_leases++] = ((record *)(void *)all.items[i])->lease;
	c->reply = &m->base;
	return 0;
}

/* ---- resources ---- */

/* "snapshots/NAME" */
static bool is_snapshot_type(const char *type)
{
	const char *slash = strchr(type, '/');

	return slash && str_starts(type, "snapshots/") && slash[1] && !strchr(slash + 1, '/');
}

static int check_resource(struct core_call *c, const Pb__Api__Resource *r)
{
	const char *type;

	if (!r)
		return err_set(c->err, -EINVAL, "a resource must be named");
	type = r->type;
	if (str_eq(type, "content"))
		return identifier_check_digest(r->id, c->err) < 0
			       ? err_set(c->err, -EINVAL,
					 "invalid content resource id %.100s: invalid checksum "
					 "digest format",
					 r->id)
			       : 0;
	if (str_eq(type, "ingests") || is_snapshot_type(type))
		return 0;
	if (str_eq(type, "snapshots") || str_starts(type, "snapshots/"))
		return err_set(c->err, -EINVAL, "invalid snapshot resource type %.100s", type);
	return err_set(c->err, -ENOSYS, "resource type %.100s not supported yet", type);
}

static size_t find(const record *l, const Pb__Api__Resource *r)
{
	size_t i = 0;

	while (i < l->n_resources &&
		(!str_eq(l->resources[i]->id, r->id) || !str_eq(l->resources[i]->type, r->type)))
		i++;
	return i;
}

static int take(struct core_call *c, const Pb__Api__LeaseResourceRequest *in, record **ret)
{
	int r = load(c, in->id, ret);

	return r == 0 ? check_resource(c, in->resource) : r;
}

static int add(struct core_call *c)
{
	const Pb__Api__LeaseResourceRequest *in = (const void *)c->req->message;
	Pb__Api__Resource **more;
	record *l = NULL;
	int r = take(c, in, &l);

	if (r < 0 || find(l, in->resource) < l->n_resources)
		return r;
	more = arena_calloc(c->arena, l->n_resources + 1, sizeof(Pb__Api__Resource *));
	if (!more)
		return err_oom(c->err);
	if (l->n_resources)
		memcpy(more, l->resources, l->n_resources * sizeof(Pb__Api__Resource *));
	more[l->n_resources++] = in->resource;
	l->resources = more;
	return core_save(c, STORE_LEASE, c->ns, in->id, &l->base);
}

static int remove_(struct core_call *c)
{
	const Pb__Api__LeaseResourceRequest *in = (const void *)c->req->message;
	record *l = NULL;
	size_t i;
	int r = take(c, in, &l);

	if (r < 0)
		return r;
	i = find(l, in->resource);
	if (i == l->n_resources)
		return 0;
	memmove(l->resources + i, l->resources + i + 1,
		(l->n_resources - i - 1) * sizeof(Pb__Api__Resource *));
	l->n_resources--;
	return core_save(c, STORE_LEASE, c->ns, in->id, &l->base);
}

static int resources(struct core_call *c)
{
	const Pb__Api__ListResourcesRequest *in = (const void *)c->req->message;
	Pb__Api__ListResourcesResponse *m = arena_calloc(c->arena, 1, sizeof(*m));
	record *l = NULL;
	int r = load(c, in->id, &l);

	if (r < 0)
		return r;
	if (!m)
		return err_oom(c->err);
	pb__api__list_resources_response__init(m);
	m->resources = l->resources;
	m->n_resources = l->n_resources;
	c->reply = &m->base;
	return 0;
}

static const struct core_method methods[] = {
	[CREATE] = { create, CORE_WRITES },
	[DELETE] = { delete_, CORE_WRITES },
	[LIST] = { list, 0 },
	[ADD] = { add, CORE_WRITES },
	[REMOVE] = { remove_, CORE_WRITES },
	[RESOURCES] = { resources, 0 },
};

static void handle(void *arg, const struct rpc_request *req)
{
	core_run(arg, req, methods[req->method->kind].fn, methods[req->method->kind].flags);
}

static const struct rpc_method rows[] = {
	{ "Create", &pb__api__create_lease_request__descriptor, CREATE, handle },
	{ "Delete", &pb__api__delete_lease_request__descriptor, DELETE, handle },
	{ "List", &pb__api__list_leases_request__descriptor, LIST, handle },
	{ "AddResource", &pb__api__lease_resource_request__descriptor, ADD, handle },
	{ "DeleteResource", &pb__api__lease_resource_request__descriptor, REMOVE, handle },
	{ "ListResources", &pb__api__list_resources_request__descriptor, RESOURCES, handle },
};

const struct rpc_service lease_service = { "containerd.services.leases.v1.Leases", rows,
	ARRAY_LEN(rows) };
