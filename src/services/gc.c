/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mark and sweep over the records of one namespace, all of which are few. Nothing is collected while
 * one of them cannot be read: what it leads to would be lost with it.
 *
 * Blobs are shared: the bytes go when no namespace has a record of them.
 *
 * A snapshot of which something is mounted is kept even if nothing leads to it, and so is what it stands on: a container may
 * run without a record. Nobody says when that mount goes, so it is looked at again after a while.
 */
#include "services/gc.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "services/blobs.h"
#include "services/core.h"
#include "services/mounted.h"
#include "services/services.h"
#include "services/snapshots.h"

#include "proto/api.pb-c.h"
#include "proto/image.pb-c.h"

#define ROOT_LABEL "containerd.io/gc.root"
#define CONTENT_LABEL "containerd.io/gc.ref.content"
#define SNAPSHOT_LABEL "containerd.io/gc.ref.snapshot."
#define EXPIRE_LABEL "containerd.io/gc.expire"

#define KEPT_NS (60 * NS_PER_SEC)
#define SLICE_NAMES 512

struct wanted {
	struct wanted *next;
	char ns[];
};

struct gc {
	struct core *core;
	uint64_t delay_ns;
	struct wanted *wanted;
	struct loop_timer timer;
	bool late;  /* the timer is for what was kept */
	DIR *sweep; /* how far the bytes have been looked through; NULL: they are not */
	bool sweep_again;
	struct loop_timer slice;
};

/* A thing that can be collected: content, or a snapshot. */
struct node {
	const char *key; /* as in the store */
	struct labels labels;
	const char *parent; /* of a snapshot: its key in the store; NULL */
	uint64_t number;    /* of a snapshot: its directory's */
	bool marked;
};

struct graph {
	struct core_call *call;
	struct node *content, *snapshots; /* by key, ascending */
	size_t n_content, n_snapshots;
	struct node **todo;
	size_t n_todo;
	bool kept; /* something, for a mount alone */
};

/* ---- reading ---- */

static int list_all(struct graph *g, enum store_bucket bucket,
	const ProtobufCMessageDescriptor *type, struct core_list *ret)
{
	int r = core_list(g->call, bucket, g->call->ns, type, NULL, NULL, ret);

	if (r == 0 && ret->damaged > 0)
		return err_set(g->call->err, -EUCLEAN, "%zu records cannot be read", ret->damaged);
	return r;
}

static int read_content(struct graph *g)
{
	struct core_list all;
	int r = list_all(g, STORE_CONTENT, &pb__image__info__descriptor, &all);

	if (r < 0)
		return r;
	g->content = arena_calloc(g->call->arena, all.n + 1, sizeof(*g->content));
	if (!g->content)
		return err_oom(g->call->err);
	for (size_t i = 0; i < all.n; i++) {
		const Pb__Image__Info *info = (const void *)all.items[i];

		g->content[g->n_content++] = (struct node){ .key = info->digest,
			.labels = { info->labels, info->n_labels } };
	}
	return 0;
}

static int add_snapshot(void *arg, const struct store_item *item)
{
	struct graph *g = arg;
	struct arena *a = g->call->arena;
	const ProtobufCMessage *m = NULL;
	const Pb__Image__SnapshotRecord *s;
	const char *slash = strchr(item->key, '/');
	struct node *n = &g->snapshots[g->n_snapshots];

	if (!item->data || message_decode(&pb__image__snapshot_record__descriptor, item->data,
				   item->size, a, &m, NULL) < 0)
		return err_set(
			g->call->err, -EUCLEAN, "the snapshot '%s' cannot be read", item->key);
	s = (const void *)m;
	n->key = arena_strdup(a, item->key);
	n->number = s->number;
	if (s->info) {
		n->labels = (struct labels){ s->info->labels, s->info->n_labels };
		if (*s->info->parent && slash)
			n->parent = arena_printf(
				a, "%.*s/%s", (int)(slash - item->key), item->key, s->info->parent);
	}
	g->n_snapshots++;
	return n->key ? 0 : err_oom(g->call->err);
}

static int count_one(void *arg, const struct store_item *item)
{
	++*(size_t *)arg;
	return 0;
}

static int read_snapshots(struct graph *g)
{
	struct store *s = g->call->core->store;
	size_t n = 0;
	int r = store_each(s, STORE_SNAPSHOT, g->call->ns, count_one, &n, g->call->err);

	if (r < 0)
		return r;
	g->snapshots = arena_calloc(g->call->arena, n + 1, sizeof(*g->snapshots));
	if (!g->snapshots)
		return err_oom(g->call->err);
	return store_each(s, STORE_SNAPSHOT, g->call->ns, add_snapshot, g, g->call->err);
}

/* ---- marking ---- */

static struct node *find(struct node *nodes, size_t n, const char *key)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int order = strcmp(nodes[mid].key, key);

		if (order == 0)
			return &nodes[mid];
		if (order < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static void mark(struct graph *g, struct node *n)
{
	if (!n || n->marked)
		return;
	n->marked = true;
	g->todo[g->n_todo++] = n;
}

static void mark_content(struct graph *g, const char *digest)
{
	mark(g, find(g->content, g->n_content, digest));
}

static void mark_snapshot(struct graph *g, const char *snapshotter, size_t len, const char *key)
{
	auto_free char *full = NULL;

	if (asprintf(&full, "%.*s/%s", (int)len, snapshotter, key) >= 0)
		mark(g, find(g->snapshots, g->n_snapshots, full));
}

static void mark_labels(struct graph *g, const struct labels *l)
{
	for (size_t i = 0; i < l->n; i++) {
		const char *key = l->pairs[i]->key, *value = l->pairs[i]->value;
		size_t n = strlen(CONTENT_LABEL);

		/* "gc.ref.content", "gc.ref.content.config", "gc.ref.content/0" */
		if (str_starts(key, CONTENT_LABEL) && (!key[n] || strchr("./", key[n])))
			mark_content(g, value);
		n = strlen(SNAPSHOT_LABEL);
		if (str_starts(key, SNAPSHOT_LABEL))
			mark_snapshot(g, key + n, strcspn(key + n, "./"), value);
	}
}

static void mark_lease(struct graph *g, const Pb__Api__LeaseRecord *l)
{
	const struct labels labels = { l->lease ? l->lease->labels : NULL,
		l->lease ? l->lease->n_labels : 0 };
	const char *expire = labels_get(&labels, EXPIRE_LABEL);
	uint64_t ns;

	if (expire && clock_parse_rfc3339(expire, &ns) == 0 && ns <= clock_wall_ns())
		return;
	mark_labels(g, &labels);
	for (size_t i = 0; i < l->n_resources; i++) {
		const char *type = l->resources[i]->type, *id = l->resources[i]->id;

		if (str_eq(type, "content"))
			mark_content(g, id);
		else if (str_starts(type, "snapshots/"))
			mark_snapshot(g, type + 10, strlen(type + 10), id);
	}
}

static int mark_leases(struct graph *g)
{
	struct core_list all;
	int r = list_all(g, STORE_LEASE, &pb__api__lease_record__descriptor, &all);

	for (size_t i = 0; r == 0 && i < all.n; i++)
		mark_lease(g, (const void *)all.items[i]);
	return r;
}

static int mark_images(struct graph *g)
{
	struct core_list all;
	int r = list_all(g, STORE_IMAGE, &pb__image__image__descriptor, &all);

	for (size_t i = 0; r == 0 && i < all.n; i++) {
		const Pb__Image__Image *image = (const void *)all.items[i];

		if (image->target)
			mark_content(g, image->target->digest);
		mark_labels(g, &(struct labels){ image->labels, image->n_labels });
	}
	return r;
}

static int mark_containers(struct graph *g)
{
	struct core_list all;
	int r = list_all(g, STORE_CONTAINER, &pb__api__container__descriptor, &all);

	for (size_t i = 0; r == 0 && i < all.n; i++) {
		const Pb__Api__Container *k = (const void *)all.items[i];

		if (*k->snapshot_key)
			mark_snapshot(g, k->snapshotter, strlen(k->snapshotter), k->snapshot_key);
		mark_labels(g, &(struct labels){ k->labels, k->n_labels });
	}
	return r;
}

static void mark_roots(struct graph *g, struct node *nodes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (labels_get(&nodes[i].labels, ROOT_LABEL))
			mark(g, &nodes[i]);
}

static void follow(struct graph *g)
{
	while (g->n_todo > 0) {
		struct node *n = g->todo[--g->n_todo];

		mark_labels(g, &n->labels);
		if (n->parent)
			mark(g, find(g->snapshots, g->n_snapshots, n->parent));
	}
}

static bool all_marked(const struct graph *g)
{
	for (size_t i = 0; i < g->n_snapshots; i++)
		if (!g->snapshots[i].marked)
			return false;
	return true;
}

static int mark_mounted(struct graph *g)
{
	struct mounted m = { 0 };
	int r = all_marked(g) ? 0 : mounted_read(g->call->core->root_path, &m, g->call->err);

	for (size_t i = 0; r == 0 && m.n > 0 && i < g->n_snapshots; i++) {
		struct node *n = &g->snapshots[i];

		if (n->marked || !mounted_has(&m, n->number))
			continue;
		g->kept = true;
		mark(g, n);
	}
	mounted_done(&m);
	follow(g);
	return r;
}

static int mark_all(struct graph *g)
{
	int r;

	g->todo = arena_calloc(
		g->call->arena, g->n_content + g->n_snapshots + 1, sizeof(struct node *));
	if (!g->todo)
		return err_oom(g->call->err);
	mark_roots(g, g->content, g->n_content);
	mark_roots(g, g->snapshots, g->n_snapshots);
	r = mark_leases(g);
	if (r == 0)
		r = mark_images(g);
	if (r == 0)
		r = mark_containers(g);
	follow(g);
	return r == 0 ? mark_mounted(g) : r;
}

/* ---- sweeping ---- */

struct known {
	char **digests; /* ascending */
	size_t n, cap;
	struct arena arena;
};

static int know(void *arg, const struct store_item *item)
{
	struct known *k = arg;
	char *copy = arena_strdup(&k->arena, item->key);

	if (!copy || mem_grow(&k->digests, &k->cap, k->n + 1, sizeof(char *)) < 0)
		return -ENOMEM;
	k->digests[k->n++] = copy;
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_unknown(void *arg, const char *digest)
{
	const struct known *k = arg;

	return !k->n || !bsearch(&digest, k->digests, k->n, sizeof(char *), by_text);
}

/* What has a record now: between two slices some may have got one, and others lost it. */
static int sweep_slice(struct gc *g, struct err *err)
{
	struct known k = { 0 };
	int r = store_each(g->core->store, STORE_CONTENT, NULL, know, &k, err);

	if (r == 0 && k.n)
		qsort(k.digests, k.n, sizeof(char *), by_text);
	if (r == 0)
		r = blobs_sweep(g->core->blobs, &g->sweep, SLICE_NAMES, is_unknown, &k, err);
	free(k.digests);
	arena_done(&k.arena);
	return r;
}

static void on_slice(struct loop_timer *t);

static void go_on(struct gc *g)
{
	struct err err = { 0 };

	if (sweep_slice(g, &err) < 0 && g->core->log)
		log_write(g->core->log, LOG_WARN_, "remove content that nobody has: %s", err.text);
	if (!g->sweep && !g->sweep_again)
		return;
	if (!g->sweep)
		g->sweep_again = false;
	/* Others are served in between. Without a timer the next collection goes on. */
	(void)loop_timer_set(g->core->loop, &g->slice, clock_boot_ns(), on_slice);
}

static void on_slice(struct loop_timer *t)
{
	go_on(container_of(t, struct gc, slice));
}

void gc_sweep_blobs(struct core *core)
{
	struct gc *g = core->gc;

	/* What has been passed by already may have become unwanted. */
	if (g->slice.loop)
		g->sweep_again = g->sweep != NULL;
	else
		go_on(g);
}

static int drop_content(struct graph *g, const char *digest)
{
	int r = store_delete(
		g->call->core->store, STORE_CONTENT, g->call->ns, digest, g->call->err);

	return r == -ENOENT ? 0 : r;
}

static bool has_child(const struct graph *g, const struct node *n)
{
	for (size_t i = 0; i < g->n_snapshots; i++)
		if (g->snapshots[i].key && str_eq(g->snapshots[i].parent, n->key))
			return true;
	return false;
}

/* Children before their parents. Those that are gone have no key any more. */
static int sweep_snapshots(struct graph *g)
{
	bool again = true;

	while (again) {
		again = false;
		for (size_t i = 0; i < g->n_snapshots; i++) {
			struct node *n = &g->snapshots[i];
			int r;

			if (n->marked || !n->key || has_child(g, n))
				continue;
			r = snapshots_drop(g->call, n->key);
			if (r < 0)
				return r;
			n->key = NULL;
			n->parent = NULL;
			again = true;
		}
	}
	return 0;
}

static int collect(struct graph *g)
{
	int r = read_content(g);

	if (r == 0)
		r = read_snapshots(g);
	if (r == 0)
		r = mark_all(g);
	for (size_t i = 0; r == 0 && i < g->n_content; i++)
		if (!g->content[i].marked)
			r = drop_content(g, g->content[i].key);
	if (r == 0)
		r = sweep_snapshots(g);
	return r == 0 ? content_forget_stale(g->call) : r;
}

/* True: something was kept that may go later. */
static bool collect_namespace(struct core *core, const char *ns)
{
	auto_done(arena) struct arena arena = { 0 };
	struct err err = { 0 };
	struct core_call call = { .core = core, .ns = ns, .arena = &arena, .err = &err };
	struct graph g = { .call = &call };
	int r = collect(&g);

	if (r < 0 && core->log)
		log_write(core->log, LOG_WARN_, "collect what namespace '%s' does not need: %s", ns,
			err.text);
	return g.kept;
}

/* ---- when ---- */

static void on_time(struct loop_timer *t);

void gc_now(struct core *core)
{
	struct wanted *again = NULL;
	struct gc *g = core->gc;

	loop_timer_cancel(&g->timer);
	while (g->wanted) {
		struct wanted *w = g->wanted;

		g->wanted = w->next;
		if (collect_namespace(core, w->ns)) {
			w->next = again;
			again = w;
		} else {
			free(w);
		}
	}
	g->wanted = again;
	g->late = again &&
		  loop_timer_set(core->loop, &g->timer, clock_boot_ns() + KEPT_NS, on_time) == 0;
	gc_sweep_blobs(core);
}

static void on_time(struct loop_timer *t)
{
	gc_now(container_of(t, struct gc, timer)->core);
}

void gc_want(struct gc *g, const char *ns)
{
	size_t size = strlen(ns) + 1;
	struct wanted *w;

	if (!g->timer.loop || g->late)
		(void)loop_timer_set(
			g->core->loop, &g->timer, clock_boot_ns() + g->delay_ns, on_time);
	g->late = false;
	for (w = g->wanted; w; w = w->next)
		if (str_eq(w->ns, ns))
			return;
	w = malloc(sizeof(*w) + size);
	if (!w)
		return; /* the next one asks again */
	memcpy(w->ns, ns, size);
	w->next = g->wanted;
	g->wanted = w;
}

int gc_new(struct core *core, uint64_t delay_ns, struct gc **ret, struct err *err)
{
	struct gc *g = mem_calloc(1, sizeof(*g));

	if (!g)
		return err_oom(err);
	g->core = core;
	g->delay_ns = delay_ns;
	*ret = g;
	return 0;
}

void gc_free(struct gc *g)
{
	if (!g)
		return;
	loop_timer_cancel(&g->timer);
	loop_timer_cancel(&g->slice);
	if (g->sweep)
		closedir(g->sweep);
	while (g->wanted) {
		struct wanted *w = g->wanted;

		g->wanted = w->next;
		free(w);
	}
	free(g);
}
