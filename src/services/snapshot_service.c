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

static int unlease(struct core_call *c, const char *snapshotter, const char *key)
{
	const char *type = arena_printf(c->arena, "snapshots/%s", snapshotter);

	return type ? core_unlease(c, c->req->lease, type, key) : err_oom(c->err);
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

/* ---- what takes a helper ---- */

/* A call that goes on when a helper is done: once more from its beginning, with the result. */
struct later {
	struct rpc_request req;
	struct core *core;
	core_fn *fn;
	unsigned int flags;
	char *ns, *lease;
	struct buf message;
	int64_t size, inodes;  /* of what was measured */
	struct core_copy copy; /* what was filled */
	uint64_t source;       /* from this one */
};

static void later_free(struct later *l)
{
	struct core_copy **at = &l->core->copies;

	while (*at && *at != &l->copy)
		at = &(*at)->next;
	if (*at)
		*at = l->copy.next;
	free(l->ns);
	free(l->lease);
	buf_done(&l->message);
	free(l);
}

static int read_numbers(struct later *l, const char *size, const char *inodes, struct err *err)
{
	uint64_t bytes, files;

	if (str_to_u64(size, INT64_MAX, &bytes) < 0 || str_to_u64(inodes, INT64_MAX, &files) < 0)
		return err_set(err, -EPROTO, "reeve-helper's answer is none");
	l->size = (int64_t)bytes;
	l->inodes = (int64_t)files;
	return 0;
}

/* It must have the chance to give up what it has. */
static int give_up(struct core_call *c)
{
	struct later *l = container_of(c->req, struct later, req);
	record s = PB__IMAGE__SNAPSHOT_RECORD__INIT;

	if (!l->copy.number)
		return 0;
	s.snapshotter =
		((const Pb__Image__PrepareRequest *)(const void *)c->req->message)->snapshotter;
	s.number = l->copy.number;
	snapshots_forget(c, &s);
	return 0;
}

static void on_done(void *arg, int r, const char *size, const char *inodes, const struct err *err)
{
	auto_done(arena) struct arena arena = { 0 };
	struct later *l = arg;
	struct err why = { 0 };

	if (r < 0)
		why = *err;
	else
		r = read_numbers(l, size, inodes, &why);
	if (message_decode(l->req.method->input, l->message.data, l->message.len, &arena,
		    &l->req.message, &why) < 0) {
		rpc_reply_err(l->req.door, l->req.addr, -EPROTO, &why);
	} else if (r < 0) {
		struct core_call c = {
			.core = l->core, .req = &l->req, .ns = l->ns, .arena = &arena, .err = &why
		};

		rpc_reply_err(l->req.door, l->req.addr, r, &why);
		if (r !=
			-ECANCELED) /* else it is still being filled, and the next start takes it away */
			give_up(&c);
	} else {
		core_run(l->core, &l->req, l->fn, l->flags);
	}
	later_free(l);
}

static int later_new(struct core_call *c, core_fn *fn, unsigned int flags, struct later **ret)
{
	struct later *l = mem_calloc(1, sizeof(*l));

	if (!l)
		return err_oom(c->err);
	l->core = c->core;
	l->fn = fn;
	l->flags = flags;
	l->req = *c->req;
	l->req.message = NULL;
	l->req.ns = l->ns = strdup(c->ns);
	l->req.lease = l->lease = strdup(c->req->lease ? c->req->lease : "");
	message_encode(c->req->message, &l->message);
	if (!l->ns || !l->lease || buf_ok(&l->message) < 0) {
		later_free(l);
		return err_oom(c->err);
	}
	*ret = l;
	return 0;
}

static int measure(struct core_call *c, const record *s, core_fn *fn, unsigned int flags)
{
	auto_done(helper_words) struct helper_words words = { 0 };
	struct later *l = NULL;
	int fd, r = snapshots_open(c, s, &fd, c->err);

	if (r < 0)
		return r;
	helper_words_fd(&words, "usage", fd);
	r = later_new(c, fn, flags, &l);
	if (r < 0)
		return r;
	r = chore_start(c->core, "big trees are measured by", "disk", &words, on_done, l, c->err);
	if (r < 0)
		later_free(l);
	c->answered = r == 0;
	return r;
}

/* ---- making ---- */

static int save_made(struct core_call *c, const record *s)
{
	const Pb__Image__PrepareRequest *in = (const void *)c->req->message;
	Pb__Image__MountsAnswer *m = NULL;
	int r = snapshots_save(c, in, s);

	if (r == 0)
		r = lease(c, in->snapshotter, in->key);
	if (r == 0)
		r = snapshots_mounts(c, in->snapshotter, s, &m);
	if (r == 0)
		c->reply = &m->base;
	return r;
}

/* What is below it goes into it first. The number it has is used up, whatever comes of it. */
static int fill(struct core_call *c, const record *s, const record *source, core_fn *fn)
{
	auto_done(helper_words) struct helper_words words = { 0 };
	struct later *l = NULL;
	int from, to = -EBADF, r = snapshots_open(c, source, &from, c->err);

	if (r < 0)
		return r;
	helper_words_fd(&words, "from", from);
	r = snapshots_open(c, s, &to, c->err);
	if (r < 0)
		return r;
	helper_words_fd(&words, "copy", to);
	r = later_new(c, fn, CORE_WRITES, &l);
	if (r < 0)
		return r;
	l->copy = (struct core_copy){ c->core->copies, s->number };
	l->source = source->number;
	c->core->copies = &l->copy;
	r = chore_start(c->core, "snapshots are copied by", "disk", &words, on_done, l, c->err);
	if (r < 0)
		later_free(l);
	c->answered = r == 0;
	return r;
}

static int make(struct core_call *c, enum snapshot_kind kind, core_fn *filled)
{
	const Pb__Image__PrepareRequest *in = (const void *)c->req->message;
	record *s = NULL, *source = NULL;
	int r = snapshots_check_name(c, in->snapshotter);

	if (r == 0)
		r = snapshots_make(c, in, kind, &s, &source);
	if (r < 0)
		return r;
	r = source ? fill(c, s, source, filled) : save_made(c, s);
	if (r < 0)
		snapshots_forget(c, s);
	return r;
}

static int announce_prepare(struct core_call *c)
{
	const Pb__Image__PrepareRequest *in = (const void *)c->req->message;
	Pb__Api__SnapshotPrepare *event = arena_calloc(c->arena, 1, sizeof(*event));

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

/* Meanwhile another may have taken the name, and the parent may have gone. */
static int prepare_filled(struct core_call *c)
{
	const struct later *l = container_of(c->req, struct later, req);
	const Pb__Image__PrepareRequest *in = (const void *)c->req->message;
	record *s = NULL;
	int r = snapshots_made(c, in, SNAPSHOT_ACTIVE, l->copy.number, l->source, &s);

	if (r == 0)
		r = save_made(c, s);
	if (r < 0)
		give_up(c);
	return r < 0 ? r : announce_prepare(c);
}

static int prepare(struct core_call *c)
{
	int r = make(c, SNAPSHOT_ACTIVE, prepare_filled);

	return r < 0 || c->answered ? r : announce_prepare(c);
}

static int view(struct core_call *c)
{
	return make(c, SNAPSHOT_VIEW, NULL);
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
	if (r == 0)
		r = unlease(c, in->snapshotter, in->key);
	return r == 0 ? announce_commit(c, in) : r;
}

static int commit_measured(struct core_call *c)
{
	const Pb__Image__CommitRequest *in = (const void *)c->req->message;
	const struct later *l = container_of(c->req, struct later, req);
	record *s = NULL;
	int r = load_active(c, in, &s);

	if (r < 0)
		return r;
	s->size = l->size;
	s->inodes = l->inodes;
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
	if (r == 0)
		r = unlease(c, in->snapshotter, in->key);
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

struct wanted {
	const char *snapshotter;
	const struct filter *filter;
};

static bool keep(void *arg, ProtobufCMessage *m)
{
	const struct wanted *w = arg;
	record *s = (record *)(void *)m;

	return s->info && str_eq(snapshots_snapshotter(s), w->snapshotter) &&
	       filter_match(w->filter, snapshot_field, s->info);
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
	struct wanted wanted = { in->snapshotter, NULL };
	struct core_list all;
	int r = snapshots_check_name(c, in->snapshotter);

	if (r == 0)
		r = filter_parse(in->filters, in->n_filters, c->arena, &wanted.filter, c->err);
	if (r == 0)
		r = core_list(c, STORE_SNAPSHOT, c->ns, &pb__image__snapshot_record__descriptor,
			keep, &wanted, &all);
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
	const struct later *l = container_of(c->req, struct later, req);

	return answer_usage(c, l->size, l->inodes);
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
