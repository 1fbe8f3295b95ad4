/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots as a service; what a snapshot is on the disk is in snapshots.c. */
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "services/chore.h"
#include "services/filter.h"
#include "services/gc.h"
#include "services/services.h"
#include "services/snapshots.h"

#include "proto/api.pb-c.h"

enum { PREPARE, VIEW, MOUNTS, COMMIT, REMOVE, STAT, UPDATE, LIST, USAGE, CLEANUP };

typedef Pb__Image__SnapshotRecord record;

static int lease(struct core_call *c, const char *snapshotter, const char *key)
{
	const char *type = arena_printf(c->arena, "snapshots/%s", snapshotter);

	return type ? core_lease(c, c->req->lease, type, key) : err_oom(c->err);
}

static int make(struct core_call *c, enum snapshot_kind kind)
{
	const Pb__Image__PrepareRequest *in = (const void *)c->req->message;
	Pb__Image__MountsAnswer *m = NULL;
	record *s = NULL;
	int r = snapshots_check_name(c, in->snapshotter);

	if (r == 0)
		r = snapshots_make(c, in, kind, &s);
	if (r == 0)
		r = lease(c, in->snapshotter, in->key);
	if (r == 0)
		r = snapshots_mounts(c, in->snapshotter, s, &m);
	if (r == 0)
		c->reply = &m->base;
	return r;
}

static int prepare(struct core_call *c)
{
	const Pb__Image__PrepareRequest *in = (const void *)c->req->message;
	Pb__Api__SnapshotPrepare *event = arena_calloc(c->arena, 1, sizeof(*event));
	int r = make(c, SNAPSHOT_ACTIVE);

	if (r < 0)
		return r;
	if (!event)
		return err_oom(c->err);
	pb__api__snapshot_prepare__init(event);
	event->key = in->key;
	event->parent = in->parent;
	event->snapshotter = in->snapshotter;
	c->topic = "/snapshot/prepare";
	c->event_type = "containerd.events.SnapshotPrepare";
	c->event = &event->base;
	return 0;
}

static int view(struct core_call *c)
{
	return make(c, SNAPSHOT_VIEW);
}

static int mounts(struct core_call *c)
{
	const Pb__Image__SnapshotKey *in = (const void *)c->req->message;
	Pb__Image__MountsAnswer *m = NULL;
	record *s = NULL;
	int r = snapshots_check_name(c, in->snapshotter);

	if (r == 0)
		r = snapshots_load(c, in->snapshotter, in->key, &s);
	if (r == 0)
		r = snapshots_mounts(c, in->snapshotter, s, &m);
	if (r == 0)
		c->reply = &m->base;
	return r;
}

static int announce_commit(struct core_call *c, const Pb__Image__CommitRequest *in)
{
	Pb__Api__SnapshotCommit *event = arena_calloc(c->arena, 1, sizeof(*event));

	if (!event)
		return err_oom(c->err);
	pb__api__snapshot_commit__init(event);
	event->key = in->key;
	event->name = in->name;
	event->snapshotter = in->snapshotter;
	c->topic = "/snapshot/commit";
	c->event_type = "containerd.events.SnapshotCommit";
	c->event = &event->base;
	return 0;
}

static int add_labels(struct core_call *c, record *s, const Pb__Image__CommitRequest *in)
{
	struct labels labels = { in->labels, in->n_labels };

	if (labels_check(&labels, "info.Labels", c->err) < 0)
		return c->err->code;
	if (labels_clean(&labels, c->arena) < 0)
		return err_oom(c->err);
	s->info->labels = labels.pairs;
	s->info->n_labels = labels.n;
	return 0;
}

/* ---- what takes a helper to measure ---- */

/* A call that goes on when its snapshot is measured: once more from its beginning, with the result. */
struct measured {
	struct rpc_request req;
	struct core *core;
	core_fn *fn;
	unsigned int flags;
	char *ns, *lease;
	struct buf message;
	int64_t size, inodes;
};

static void measured_free(struct measured *m)
{
	free(m->ns);
	free(m->lease);
	buf_done(&m->message);
	free(m);
}

static int go_on(struct measured *m, const char *size, const char *inodes, struct err *err)
{
	auto_done(arena) struct arena arena = { 0 };
	uint64_t bytes, files;
	int r;

	if (str_to_u64(size, INT64_MAX, &bytes) < 0 || str_to_u64(inodes, INT64_MAX, &files) < 0)
		return err_set(err, -EPROTO, "reeve-helper's answer is none");
	m->size = (int64_t)bytes;
	m->inodes = (int64_t)files;
	r = message_decode(m->req.method->input, m->message.data, m->message.len, &arena,
		&m->req.message, err);
	if (r == 0)
		core_run(m->core, &m->req, m->fn, m->flags);
	return r;
}

static void on_measured(
	void *arg, int r, const char *size, const char *inodes, const struct err *err)
{
	struct measured *m = arg;
	struct err why = { 0 };

	if (r == 0)
		r = go_on(m, size, inodes, &why);
	else
		why = *err;
	if (r < 0)
		rpc_reply_err(m->req.door, m->req.addr, r, &why);
	measured_free(m);
}

static int measured_new(struct core_call *c, core_fn *fn, unsigned int flags, struct measured **ret)
{
	struct measured *m = mem_calloc(1, sizeof(*m));

	if (!m)
		return err_oom(c->err);
	m->core = c->core;
	m->fn = fn;
	m->flags = flags;
	m->req = *c->req;
	m->req.message = NULL;
	m->req.ns = m->ns = strdup(c->ns);
	m->req.lease = m->lease = strdup(c->req->lease ? c->req->lease : "");
	message_encode(c->req->message, &m->message);
	if (!m->ns || !m->lease || buf_ok(&m->message) < 0) {
		measured_free(m);
		return err_oom(c->err);
	}
	*ret = m;
	return 0;
}

static int measure(struct core_call *c, const record *s, core_fn *fn, unsigned int flags)
{
	auto_done(helper_words) struct helper_words words = { 0 };
	struct measured *m = NULL;
	int fd, r = snapshots_open(c, s, &fd, c->err);

	if (r < 0)
		return r;
	helper_words_fd(&words, "usage", fd);
	r = measured_new(c, fn, flags, &m);
	if (r < 0)
		return r;
	r = chore_start(
		c->core, "big trees are measured by", "disk", &words, on_measured, m, c->err);
	if (r < 0)
		measured_free(m);
	c->answered = r == 0;
	return r;
}

/* ---- commit ---- */

static int load_active(struct core_call *c, const Pb__Image__CommitRequest *in, record **ret)
{
	record *s = NULL, *old;
	int r = snapshots_check_name(c, in->snapshotter);

	if (r < 0)
		return r;
	if (!*in->name)
		return err_set(c->err, -EINVAL, "snapshot name must not be empty");
	if (snapshots_load(c, in->snapshotter, in->name, &old) == 0)
		return err_set(c->err, -EEXIST, "snapshot %s", core_quote(c, in->name));
	r = snapshots_load(c, in->snapshotter, in->key, &s);
	if (r < 0)
		return r;
	if (s->info->kind != SNAPSHOT_ACTIVE)
		return err_set(c->err, -EBUSY,
			"failed to commit snapshot: snapshot %s is not active",
			core_quote(c, in->key));
	*ret = s;
	return 0;
}

static int save_committed(struct core_call *c, const Pb__Image__CommitRequest *in, record *s)
{
	int r = add_labels(c, s, in);

	if (r < 0)
		return r;
	s->info->kind = SNAPSHOT_COMMITTED;
	s->info->name = in->name;
	s->info->created_at = s->info->updated_at = core_now(c);
	r = store_delete(c->core->store, STORE_SNAPSHOT, c->ns,
		snapshots_store_key(c, in->snapshotter, in->key), c->err);
	if (r == 0)
		r = core_save(c, STORE_SNAPSHOT, c->ns,
			snapshots_store_key(c, in->snapshotter, in->name), &s->base);
	if (r == 0)
		r = lease(c, in->snapshotter, in->name);
	return r == 0 ? announce_commit(c, in) : r;
}

static int commit_measured(struct core_call *c)
{
	const Pb__Image__CommitRequest *in = (const void *)c->req->message;
	const struct measured *m = container_of(c->req, struct measured, req);
	record *s = NULL;
	int r = load_active(c, in, &s);

	if (r < 0)
		return r;
	s->size = m->size;
	s->inodes = m->inodes;
	return save_committed(c, in, s);
}

static int commit(struct core_call *c)
{
	const Pb__Image__CommitRequest *in = (const void *)c->req->message;
	record *s = NULL;
	int r = load_active(c, in, &s);

	if (r == 0)
		r = snapshots_usage(c, s, &s->size, &s->inodes);
	if (r == -E2BIG)
		return measure(c, s, commit_measured, CORE_WRITES);
	return r == 0 ? save_committed(c, in, s) : r;
}

static int remove_(struct core_call *c)
{
	const Pb__Image__SnapshotKey *in = (const void *)c->req->message;
	Pb__Api__SnapshotRemove *event = arena_calloc(c->arena, 1, sizeof(*event));
	record *s = NULL;
	int r = snapshots_check_name(c, in->snapshotter);

	if (r == 0)
		r = snapshots_load(c, in->snapshotter, in->key, &s);
	if (r == 0)
		r = snapshots_has_child(c, in->snapshotter, in->key);
	if (r > 0)
		return err_set(c->err, -EBUSY, "cannot remove snapshot with child");
	if (r == 0)
		r = snapshots_drop(c, snapshots_store_key(c, in->snapshotter, in->key));
	if (r < 0)
		return r;
	if (!event)
		return err_oom(c->err);
	pb__api__snapshot_remove__init(event);
	event->key = in->key;
	event->snapshotter = in->snapshotter;
	c->topic = "/snapshot/remove";
	c->event_type = "containerd.events.SnapshotRemove";
	c->event = &event->base;
	gc_want(c->core->gc, c->ns);
	return 0;
}

static int answer(struct core_call *c, record *s)
{
	Pb__Image__SnapshotAnswer *m = arena_calloc(c->arena, 1, sizeof(*m));

	if (!m)
		return err_oom(c->err);
	pb__image__snapshot_answer__init(m);
	m->info = s->info;
	c->reply = &m->base;
	return 0;
}

static int stat_(struct core_call *c)
{
	const Pb__Image__SnapshotKey *in = (const void *)c->req->message;
	record *s = NULL;
	int r = snapshots_check_name(c, in->snapshotter);

	if (r == 0)
		r = snapshots_load(c, in->snapshotter, in->key, &s);
	return r == 0 ? answer(c, s) : r;
}

static int update_labels(
	struct core_call *c, const Pb__Image__UpdateSnapshotRequest *in, struct labels *labels)
{
	const Pb__Api__FieldMask *mask = in->update_mask;
	const char *wrong = "";
	struct labels new;
	int r;

	if (!in->info)
		return err_set(c->err, -EINVAL, "snapshot info must not be empty");
	new = (struct labels){ in->info->labels, in->info->n_labels };
	r = labels_update(labels, &new, mask ? mask->paths : NULL, mask ? mask->n_paths : 0,
		c->arena, &wrong);
	if (r == -EINVAL)
		return err_set(c->err, -EINVAL, "cannot update %s field on snapshot %s",
			core_quote(c, wrong), core_quote(c, in->info->name));
	return r < 0 ? err_oom(c->err) : 0;
}

static int update(struct core_call *c)
{
	const Pb__Image__UpdateSnapshotRequest *in = (const void *)c->req->message;
	struct labels labels;
	record *s = NULL;
	int r = snapshots_check_name(c, in->snapshotter);

	if (r == 0)
		r = snapshots_load(c, in->snapshotter, in->info ? in->info->name : "", &s);
	if (r < 0 || !s)
		return r;
	labels = (struct labels){ s->info->labels, s->info->n_labels };
	r = update_labels(c, in, &labels);
	if (r == 0)
		r = labels_check(&labels, "info.Labels", c->err);
	if (r < 0)
		return r;
	if (labels_clean(&labels, c->arena) < 0)
		return err_oom(c->err);
	s->info->labels = labels.pairs;
	s->info->n_labels = labels.n;
	s->info->updated_at = core_now(c);
	r = core_save(c, STORE_SNAPSHOT, c->ns,
		snapshots_store_key(c, in->snapshotter, in->info->name), &s->base);
	return r == 0 ? answer(c, s) : r;
}

/* ---- lists ---- */

static const char *snapshot_field(void *object, const char *const *path, size_t n)
{
	static const char *const kinds[] = { NULL, "view", "active", "committed" };
	const Pb__Image__SnapshotInfo *i = object;

	if (str_eq(path[0], "kind"))
		return i->kind < ARRAY_LEN(kinds) ? kinds[i->kind] : NULL;
	if (str_eq(path[0], "name"))
		return i->name;
	if (str_eq(path[0], "parent"))
		return i->parent;
	if (str_eq(path[0], "labels"))
		return labels_at(&(struct labels){ i->labels, i->n_labels }, path + 1, n - 1);
	return NULL;
}

static bool keep(void *filter, ProtobufCMessage *m)
{
	record *s = (record *)(void *)m;

	return s->info && filter_match(filter, snapshot_field, s->info);
}

/* ListSnapshotsResponse with a list of one: its field has the number of SnapshotAnswer's. */
static ProtobufCMessage *wrap(void *room, ProtobufCMessage *item)
{
	Pb__Image__SnapshotAnswer *m = room;

	_Static_assert(sizeof(*m) <= CORE_WRAP_SIZE, "room for a message");
	pb__image__snapshot_answer__init(m);
	m->info = ((record *)(void *)item)->info;
	return &m->base;
}

static int list(struct core_call *c)
{
	const Pb__Image__ListSnapshotsRequest *in = (const void *)c->req->message;
	const struct filter *filter;
	struct core_list all;
	int r = snapshots_check_name(c, in->snapshotter);

	if (r == 0)
		r = filter_parse(in->filters, in->n_filters, c->arena, &filter, c->err);
	if (r == 0)
		r = core_list(c, STORE_SNAPSHOT, c->ns, &pb__image__snapshot_record__descriptor,
			keep, (void *)filter, &all);
	return r == 0 ? core_stream(c, &all, wrap) : r;
}

static int answer_usage(struct core_call *c, int64_t size, int64_t inodes)
{
	Pb__Image__UsageResponse *m = arena_calloc(c->arena, 1, sizeof(*m));

	if (!m)
		return err_oom(c->err);
	pb__image__usage_response__init(m);
	m->size = size;
	m->inodes = inodes;
	c->reply = &m->base;
	return 0;
}

static int usage_measured(struct core_call *c)
{
	const struct measured *m = container_of(c->req, struct measured, req);

	return answer_usage(c, m->size, m->inodes);
}

static int usage(struct core_call *c)
{
	const Pb__Image__SnapshotKey *in = (const void *)c->req->message;
	record *s = NULL;
	int r = snapshots_check_name(c, in->snapshotter);

	if (r == 0)
		r = snapshots_load(c, in->snapshotter, in->key, &s);
	if (r == 0 && s->info->kind == SNAPSHOT_ACTIVE)
		r = snapshots_usage(c, s, &s->size, &s->inodes);
	if (r == -E2BIG)
		return measure(c, s, usage_measured, 0);
	return r < 0 || !s ? r : answer_usage(c, s->size, s->inodes);
}

static int cleanup(struct core_call *c)
{
	const Pb__Image__CleanupRequest *in = (const void *)c->req->message;
	int r = snapshots_check_name(c, in->snapshotter);

	return r == 0 ? snapshots_sweep(c) : r;
}

static const struct core_method methods[] = {
	[PREPARE] = { prepare, CORE_WRITES },
	[VIEW] = { view, CORE_WRITES },
	[MOUNTS] = { mounts, 0 },
	[COMMIT] = { commit, CORE_WRITES },
	[REMOVE] = { remove_, 0 }, /* its record is gone for good before its directory is */
	[STAT] = { stat_, 0 },
	[UPDATE] = { update, CORE_WRITES },
	[LIST] = { list, 0 },
	[USAGE] = { usage, 0 },
	[CLEANUP] = { cleanup, 0 },
};

static void handle(void *arg, const struct rpc_request *req)
{
	core_run(arg, req, methods[req->method->kind].fn, methods[req->method->kind].flags);
}

static const struct rpc_method rows[] = {
	{ "Prepare", &pb__image__prepare_request__descriptor, PREPARE, handle },
	{ "View", &pb__image__prepare_request__descriptor, VIEW, handle },
	{ "Mounts", &pb__image__snapshot_key__descriptor, MOUNTS, handle },
	{ "Commit", &pb__image__commit_request__descriptor, COMMIT, handle },
	{ "Remove", &pb__image__snapshot_key__descriptor, REMOVE, handle },
	{ "Stat", &pb__image__snapshot_key__descriptor, STAT, handle },
	{ "Update", &pb__image__update_snapshot_request__descriptor, UPDATE, handle },
	{ "List", &pb__image__list_snapshots_request__descriptor, LIST, handle, RPC_STREAM },
	{ "Usage", &pb__image__snapshot_key__descriptor, USAGE, handle },
	{ "Cleanup", &pb__image__cleanup_request__descriptor, CLEANUP, handle },
};

const struct rpc_service snapshot_service = { "containerd.services.snapshots.v1.Snapshots", rows,
	ARRAY_LEN(rows) };
