/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Order: the archive is taken apart by reeve-helper (helper/archive.h); its files become content, which
 * a lease keeps until images name it; what is to be unpacked is, by our own services (inner.h); then the
 * images get their names. Whatever goes wrong on the way, the lease goes, and with it all that no image
 * names.
 *
 * What surprises: who asked may go away meanwhile. While the archive comes that is the end of it,
 * afterwards it changes nothing.
 */
#include "services/image_import.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/sha256.h"
#include "base/str.h"
#include "manager/identifier.h"
#include "rpc/any.h"
#include "services/blobs.h"
#include "services/chore.h"
#include "services/image_content.h"
#include "services/image_names.h"
#include "services/inner.h"
#include "services/snapshots.h"
#include "services/streams.h"

#define IMPORTS_MAX 16
#define WINDOW_BYTES (256 << 10)
#define LEASE_SECONDS (24 * 3600)
#define TRANSFER "containerd.types.transfer."
#define SNAPSHOTS "containerd.services.snapshots.v1.Snapshots"
#define IMAGES "containerd.services.images.v1.Images"
#define DEFAULT_SNAPSHOTTER "overlayfs"
#define GONE "the client has gone before its archive was there"
#define DOCS_BYTES (8u << 20) /* of all indexes, manifests and configurations of one archive */

/* An image to unpack. */
struct job {
	const char *config, *snapshotter;
	const struct image_child *layers;
	const char **diff_ids;
	size_t n;
};

struct core_import {
	struct core_import *next;
	struct core *core;
	struct rpc_door *door;
	struct rpc_addr addr;
	char *ns;
	char lease[64], dir_name[32];
	int dir;
	struct arena arena;
	const Pb__Transfer__ImageStore *store;
	struct core_stream *stream, *progress;
	/* what comes */
	int pipe;
	struct loop_fd source;
	struct buf queue;
	int64_t granted;
	bool whole, gone, ended; /* the client has said all; it has left; nothing more is written */
	/* what is made of it */
	struct job *jobs;
	size_t n_jobs, cap_jobs, job, layer;
	size_t docs_left; /* bytes of documents that may still be read */
	char chain[DIGEST_SIZE], parent[DIGEST_SIZE], key[128];
	bool prepared;
	struct image_name *images;
	size_t n_images, image;
	/* how it ended */
	enum status_code code;
	char *text;
};

static void import_free(struct core_import *i)
{
	struct core_import **at = &i->core->imports;

	while (*at && *at != i)
		at = &(*at)->next;
	if (*at)
		*at = i->next;
	loop_fd_remove(&i->source);
	fd_close(i->pipe);
	fd_close(i->dir);
	stream_end(i->stream);
	stream_end(i->progress);
	buf_done(&i->queue);
	arena_done(&i->arena);
	free(i->text);
	free(i->ns);
	free(i);
}

/* ---- the end ---- */

static void on_lease_gone(void *arg, const struct inner_answer *a)
{
	struct core_import *i = arg;

	/* Progress ends before the answer comes, as at containerd: clients wait for both. */
	stream_end(take_ptr(i->stream));
	stream_end(take_ptr(i->progress));
	if (i->code == RPC_OK) {
		const Pb__Empty empty = PB__EMPTY__INIT;

		rpc_reply_message(i->door, i->addr, &empty.base);
	} else {
		rpc_reply(i->door, i->addr, i->code, i->text ? i->text : "", NULL, 0);
	}
	import_free(i);
}

static void finish(struct core_import *i)
{
	Pb__Api__DeleteLeaseRequest m = PB__API__DELETE_LEASE_REQUEST__INIT;
	struct err err = { 0 };

	blobs_import_remove(i->core->blobs, i->dir_name);
	m.id = i->lease;
	if (inner_call(i->core, "containerd.services.leases.v1.Leases", "Delete", i->ns, NULL,
		    &m.base, on_lease_gone, i, &err) < 0)
		on_lease_gone(i, NULL);
}

static void on_removed(void *arg, const struct inner_answer *a)
{
	finish(arg);
}

/* The first failure is the one that is told. */
static void fail_with(struct core_import *i, enum status_code code, const char *text)
{
	Pb__Image__SnapshotKey m = PB__IMAGE__SNAPSHOT_KEY__INIT;
	struct err err = { 0 };

	i->code = code == RPC_OK ? RPC_UNKNOWN : code;
	free(i->text);
	i->text = strdup(text);
	if (!i->prepared)
		return finish(i);
	i->prepared = false;
	m.key = i->key;
	m.snapshotter = (char *)i->jobs[i->job].snapshotter;
	if (inner_call(i->core, SNAPSHOTS, "Remove", i->ns, NULL, &m.base, on_removed, i, &err) < 0)
		finish(i);
}

static void fail(struct core_import *i, int r, const struct err *err)
{
	enum status_code code = status_from_errno(r);
	char text[STATUS_TEXT_SIZE];

	fail_with(i, code, status_text(code, err->text, text, sizeof(text)));
}

/* Go on with done() when a service has answered, or fail. */
static void ask(struct core_import *i, const char *service, const char *method,
	const ProtobufCMessage *m, inner_done_fn *done)
{
	struct err err = { 0 };
	int r = inner_call(i->core, service, method, i->ns, i->lease, m, done, i, &err);

	if (r < 0)
		fail(i, r, &err);
}

static void tell(
	struct core_import *i, const char *event, const char *name, Pb__Image__Descriptor *desc)
{
	Pb__Transfer__Progress m = PB__TRANSFER__PROGRESS__INIT;

	if (!i->progress)
		return;
	m.event = (char *)event;
	m.name = (char *)name;
	m.desc = desc;
	(void)stream_send(i->progress, TRANSFER "Progress", &m.base);
}

/* ---- images ---- */

static void name_next(struct core_import *i);

static void named(struct core_import *i)
{
	struct image_name *n = &i->images[i->image++];

	tell(i, "saved", n->name, &n->target->desc);
	name_next(i);
}

static void on_updated(void *arg, const struct inner_answer *a)
{
	struct core_import *i = arg;

	if (a->code == RPC_NOT_FOUND)
		return name_next(i); /* removed meanwhile: once more */
	if (a->code != RPC_OK)
		return fail_with(i, a->code, a->text);
	named(i);
}

static void image_of(const struct core_import *i, Pb__Image__Image *ret)
{
	pb__image__image__init(ret);
	ret->name = (char *)i->images[i->image].name;
	ret->labels = i->store->labels;
	ret->n_labels = i->store->n_labels;
	ret->target = &i->images[i->image].target->desc;
}

static void on_created(void *arg, const struct inner_answer *a)
{
	struct core_import *i = arg;
	Pb__Image__UpdateImageRequest m = PB__IMAGE__UPDATE_IMAGE_REQUEST__INIT;
	Pb__Image__Image image;

	if (a->code == RPC_OK)
		return named(i);
	if (a->code != RPC_ALREADY_EXISTS)
		return fail_with(i, a->code, a->text);
	image_of(i, &image);
	m.image = &image;
	ask(i, IMAGES, "Update", &m.base, on_updated);
}

static void name_next(struct core_import *i)
{
	Pb__Image__ImageAnswer m = PB__IMAGE__IMAGE_ANSWER__INIT;
	Pb__Image__Image image;

	if (i->image == i->n_images) {
		tell(i, "Completed import", "", NULL);
		return finish(i);
	}
	image_of(i, &image);
	m.image = &image;
	ask(i, IMAGES, "Create", &m.base, on_created);
}

/* ---- unpacking ---- */

static void unpack_next(struct core_import *i);

/* A label of content, in a transaction of its own. */
static int label_content(struct core_import *i, const char *digest, const char *key,
	const char *value, struct err *err)
{
	auto_done(arena) struct arena arena = { 0 };
	struct core_call c = { .core = i->core, .ns = i->ns, .arena = &arena, .err = err };
	Pb__Image__Info *info;
	struct labels labels;
	ProtobufCMessage *m;
	int r = core_load(&c, STORE_CONTENT, i->ns, digest, &pb__image__info__descriptor, &m);

	if (r < 0)
		return r == -ENOENT ? err_set(err, r, "content digest %s", digest) : r;
	info = (Pb__Image__Info *)(void *)m;
	labels = (struct labels){ info->labels, info->n_labels };
	if (labels_set(&labels, key, value, &arena) < 0)
		return err_oom(err);
	info->labels = labels.pairs;
	info->n_labels = labels.n;
	return core_save(&c, STORE_CONTENT, i->ns, digest, &info->base);
}

static void layer_done(struct core_import *i)
{
	i->prepared = false;
	snprintf(i->parent, sizeof(i->parent), "%s", i->chain);
	i->layer++;
	unpack_next(i);
}

/* One that is there already: nobody may take it away from under what comes on it. */
static void keep_layer(struct core_import *i)
{
	auto_done(arena) struct arena arena = { 0 };
	struct err err = { 0 };
	struct core_call c = { .core = i->core, .ns = i->ns, .arena = &arena, .err = &err };
	const char *type = arena_printf(&arena, "snapshots/%s", i->jobs[i->job].snapshotter);
	int r = type ? core_lease(&c, i->lease, type, i->chain) : err_oom(&err);

	if (r < 0)
		return fail(i, r, &err);
	layer_done(i);
}

/* Of two imports of the same the first one's is kept; the other one's goes with its lease. */
static void on_committed(void *arg, const struct inner_answer *a)
{
	struct core_import *i = arg;

	if (a->code == RPC_ALREADY_EXISTS)
		return keep_layer(i);
	if (a->code != RPC_OK)
		return fail_with(i, a->code, a->text);
	layer_done(i);
}

static void set_ref(struct core_import *i, Pb__Pair *pair)
{
	pb__pair__init(pair);
	pair->key = (char *)"containerd.io/snapshot.ref";
	pair->value = i->chain;
}

static void on_applied(void *arg, const struct inner_answer *a)
{
	auto_done(arena) struct arena arena = { 0 };
	struct core_import *i = arg;
	const struct job *j = &i->jobs[i->job];
	Pb__Image__CommitRequest m = PB__IMAGE__COMMIT_REQUEST__INIT;
	const Pb__Image__ApplyResponse *applied;
	const ProtobufCMessage *answer = NULL;
	struct err err = { 0 };
	Pb__Pair ref, *refs[] = { &ref };
	int r;

	if (a->code != RPC_OK)
		return fail_with(i, a->code, a->text);
	r = message_decode(
		&pb__image__apply_response__descriptor, a->payload, a->size, &arena, &answer, &err);
	applied = (const void *)answer;
	if (r == 0 &&
		(!applied->applied || !str_eq(applied->applied->digest, j->diff_ids[i->layer])))
		r = err_set(&err, -ENOTRECOVERABLE, "wrong diff id calculated on extraction \"%s\"",
			j->diff_ids[i->layer]);
	if (r == 0)
		r = label_content(i, j->layers[i->layer].desc.digest, "containerd.io/uncompressed",
			j->diff_ids[i->layer], &err);
	if (r < 0)
		return fail(i, r, &err);
	set_ref(i, &ref);
	m.snapshotter = (char *)j->snapshotter;
	m.name = i->chain;
	m.key = i->key;
	m.labels = refs;
	m.n_labels = 1;
	ask(i, SNAPSHOTS, "Commit", &m.base, on_committed);
}

static void on_prepared(void *arg, const struct inner_answer *a)
{
	auto_done(arena) struct arena arena = { 0 };
	struct core_import *i = arg;
	Pb__Image__ApplyRequest m = PB__IMAGE__APPLY_REQUEST__INIT;
	const Pb__Image__MountsAnswer *mounts;
	const ProtobufCMessage *answer = NULL;
	struct err err = { 0 };
	int r;

	/* Another import of the same made it since on_looked(). */
	if (a->code == RPC_ALREADY_EXISTS)
		return keep_layer(i);
	if (a->code != RPC_OK)
		return fail_with(i, a->code, a->text);
	i->prepared = true;
	r = message_decode(
		&pb__image__mounts_answer__descriptor, a->payload, a->size, &arena, &answer, &err);
	if (r < 0)
		return fail(i, r, &err);
	mounts = (const void *)answer;
	m.diff = (Pb__Image__Descriptor *)&i->jobs[i->job].layers[i->layer].desc;
	m.mounts = mounts->mounts;
	m.n_mounts = mounts->n_mounts;
	ask(i, "containerd.services.diff.v1.Diff", "Apply", &m.base, on_applied);
}

static void on_looked(void *arg, const struct inner_answer *a)
{
	struct core_import *i = arg;
	Pb__Image__PrepareRequest m = PB__IMAGE__PREPARE_REQUEST__INIT;
	Pb__Pair ref, *refs[] = { &ref };

	if (a->code == RPC_OK)
		return keep_layer(i);
	if (a->code != RPC_NOT_FOUND)
		return fail_with(i, a->code, a->text);
	set_ref(i, &ref);
	snprintf(i->key, sizeof(i->key), "extract-%s %s", i->dir_name, i->chain);
	m.snapshotter = (char *)i->jobs[i->job].snapshotter;
	m.key = i->key;
	m.parent = i->parent;
	m.labels = refs;
	m.n_labels = 1;
	ask(i, SNAPSHOTS, "Prepare", &m.base, on_prepared);
}

/* The sum of the names of a layer and all below it. */
static void next_chain(struct core_import *i)
{
	const char *diff_id = i->jobs[i->job].diff_ids[i->layer];
	char text[2 * DIGEST_SIZE];
	int n;

	if (i->layer == 0) {
		snprintf(i->chain, sizeof(i->chain), "%s", diff_id);
		return;
	}
	n = snprintf(text, sizeof(text), "%s %s", i->parent, diff_id);
	snprintf(i->chain, sizeof(i->chain), "sha256:");
	sha256_hex(text, (size_t)n, i->chain + 7);
}

static int image_unpacked(struct core_import *i, struct err *err)
{
	const struct job *j = &i->jobs[i->job];
	char *key = arena_printf(&i->arena, "containerd.io/gc.ref.snapshot.%s", j->snapshotter);

	if (!key)
		return err_oom(err);
	return j->n ? label_content(i, j->config, key, i->parent, err) : 0;
}

static void unpack_next(struct core_import *i)
{
	Pb__Image__SnapshotKey m = PB__IMAGE__SNAPSHOT_KEY__INIT;
	struct err err = { 0 };

	while (i->job < i->n_jobs && i->layer == i->jobs[i->job].n) {
		int r = image_unpacked(i, &err);

		if (r < 0)
			return fail(i, r, &err);
		i->job++;
		i->layer = 0;
		i->parent[0] = '\0';
	}
	if (i->job == i->n_jobs)
		return name_next(i);
	next_chain(i);
	m.snapshotter = (char *)i->jobs[i->job].snapshotter;
	m.key = i->chain;
	ask(i, SNAPSHOTS, "Stat", &m.base, on_looked);
}

/* ---- what the archive says ---- */

static const char *label_prefix(const char *media_type)
{
	switch (image_doc_kind(media_type)) {
	case IMAGE_DOC_INDEX:
	case IMAGE_DOC_MANIFEST:
		return "m.";
	case IMAGE_DOC_LAYER:
		return "l.";
	case IMAGE_DOC_CONFIG:
		return "config";
	default:
		return "";
	}
}

static Pb__Pair *child_label(struct arena *a, const struct image_child *child, size_t seen[])
{
	static const char *const prefixes[] = { "m.", "l.", "config", "" };
	const char *prefix = label_prefix(child->desc.media_type);
	Pb__Pair *pair = arena_calloc(a, 1, sizeof(*pair));
	size_t s = 0;

	if (!pair)
		return NULL;
	while (!str_eq(prefixes[s], prefix))
		s++;
	pb__pair__init(pair);
	pair->value = child->desc.digest;
	pair->key =
		str_eq(prefix, "config") && seen[s] == 0
			? arena_strdup(a, "containerd.io/gc.ref.content.config")
			: arena_printf(a, "containerd.io/gc.ref.content.%s%zu", prefix, seen[s]);
	seen[s]++;
	return pair->key ? pair : NULL;
}

/* Those that are there and one for each child, of which there may be thousands; the later of two with one key counts. */
static int add_child_labels(struct arena *a, const struct image_doc *doc, Pb__Image__Info *info)
{
	struct labels all = { arena_calloc(a, info->n_labels + doc->n + 1, sizeof(Pb__Pair *)),
		info->n_labels };
	size_t seen[4] = { 0 };

	if (!all.pairs)
		return -ENOMEM;
	if (all.n)
		memcpy(all.pairs, info->labels, all.n * sizeof(Pb__Pair *));
	for (size_t k = 0; k < doc->n; k++) {
		all.pairs[all.n] = child_label(a, &doc->children[k], seen);
		if (!all.pairs[all.n++])
			return -ENOMEM;
	}
	if (labels_clean(&all, a) < 0)
		return -ENOMEM;
	info->labels = all.pairs;
	info->n_labels = all.n;
	return 0;
}

/* What a document names is kept as long as it is: labels as containerd's. */
static int label_children(struct core_call *call, const char *digest, const struct image_doc *doc)
{
	auto_done(arena) struct arena arena = { 0 };
	struct core_call c = *call;
	Pb__Image__Info *info;
	ProtobufCMessage *m;
	int r;

	c.arena = &arena;
	r = core_load(&c, STORE_CONTENT, c.ns, digest, &pb__image__info__descriptor, &m);
	if (r < 0)
		return r;
	info = (Pb__Image__Info *)(void *)m;
	if (add_child_labels(&arena, doc, info) < 0)
		return err_oom(c.err);
	return core_save(&c, STORE_CONTENT, c.ns, digest, &info->base);
}

static bool is_wanted(const struct core_import *i, const Pb__Api__Platform *p)
{
	for (size_t k = 0; k < i->store->n_platforms && p; k++)
		if (image_platform_match(i->store->platforms[k], p))
			return true;
	return i->store->n_platforms == 0 || !p;
}

static int content_size(struct core_call *c, const char *digest, int64_t *ret)
{
	auto_close int fd = -EBADF;
	uint64_t size = 0;
	int r = image_content_open(c, digest, &fd, &size);

	*ret = (int64_t)size;
	return r;
}

/* Documents are kept in memory until the import is over, and what is read of one is many times its size. */
static int may_read(struct core_call *c, struct core_import *i, const char *digest)
{
	int64_t size = 0;
	int r = content_size(c, digest, &size);

	if (r < 0)
		return r;
	if ((size_t)size > i->docs_left)
		return err_set(c->err, -E2BIG,
			"the documents of the archive have more than %u bytes", DOCS_BYTES);
	i->docs_left -= (size_t)size;
	return 0;
}

static int read_doc(struct core_call *c, struct core_import *i, enum image_doc_kind kind,
	const char *digest, struct image_doc *ret)
{
	int r = may_read(c, i, digest);

	if (r == 0)
		r = image_content_doc(c, &i->arena, kind, digest, ret);
	return r == 0 ? label_children(c, digest, ret) : r;
}

static int add_job(struct core_call *c, struct core_import *i, const struct image_doc *manifest,
	const struct image_config *config, const char *snapshotter)
{
	size_t cap = i->cap_jobs ? 2 * i->cap_jobs : 8;
	struct job *j, *more;

	if (config->n != manifest->n - 1)
		return err_set(c->err, -EINVAL,
			"number of layers and diffIDs don't match: %zu != %zu", manifest->n - 1,
			config->n);
	if (i->n_jobs == i->cap_jobs) {
		more = arena_calloc(&i->arena, cap, sizeof(*more));
		if (!more)
			return err_oom(c->err);
		if (i->n_jobs)
			memcpy(more, i->jobs, i->n_jobs * sizeof(*more));
		i->jobs = more;
		i->cap_jobs = cap;
	}
	j = &i->jobs[i->n_jobs++];
	*j = (struct job){ manifest->children[0].desc.digest,
		*snapshotter ? snapshotter : DEFAULT_SNAPSHOTTER, manifest->children + 1,
		config->diff_ids, config->n };
	return snapshots_check_name(c, j->snapshotter);
}

static int read_manifest(struct core_call *c, struct core_import *i, const char *digest)
{
	struct image_config config;
	struct image_doc doc;
	int r = read_doc(c, i, IMAGE_DOC_MANIFEST, digest, &doc);

	if (r < 0 || i->store->n_unpacks == 0)
		return r;
	digest = doc.children[0].desc.digest;
	r = may_read(c, i, digest);
	if (r == 0)
		r = image_content_config(c, &i->arena, digest, &config);
	for (size_t k = 0; r == 0 && k < i->store->n_unpacks; k++) {
		const Pb__Transfer__UnpackConfiguration *u = i->store->unpacks[k];

		if (!u->platform || image_platform_match(u->platform, &config.platform))
			r = add_job(c, i, &doc, &config, u->snapshotter);
	}
	return r;
}

/* An index may name indexes, which is where it ends: two levels are what there is in the world. */
static int read_index(struct core_call *c, struct core_import *i, const char *digest, bool inner,
	struct image_doc *ret)
{
	int r = read_doc(c, i, IMAGE_DOC_INDEX, digest, ret);

	for (size_t k = 0; r == 0 && k < ret->n; k++) {
		const struct image_child *child = &ret->children[k];
		enum image_doc_kind kind = image_doc_kind(child->desc.media_type);
		struct image_doc below;

		if (!is_wanted(i, child->platform))
			continue;
		if (kind == IMAGE_DOC_MANIFEST)
			r = read_manifest(c, i, child->desc.digest);
		else if (kind == IMAGE_DOC_INDEX && inner)
			r = err_set(c->err, -EINVAL, "index %s is in more than two others",
				child->desc.digest);
		else if (kind == IMAGE_DOC_INDEX)
			r = read_index(c, i, child->desc.digest, true, &below);
	}
	return r;
}

/* *ret: its digest, in the import's arena. */
static int adopt_one(struct core_call *c, struct core_import *i, const char *hex, const char **ret)
{
	char *digest = arena_printf(&i->arena, "sha256:%.64s", hex);
	Pb__Image__Info info = PB__IMAGE__INFO__INIT;
	struct store_item item;
	uint64_t size = 0;
	int r;

	if (!digest)
		return err_oom(c->err);
	r = blobs_adopt(c->core->blobs, i->dir, hex, &size, c->err);
	if (r == 0)
		r = store_get(
			c->core->store, STORE_CONTENT, c->ns, digest, c->arena, &item, c->err);
	if (r == -ENOENT) {
		info.digest = digest;
		info.size = (int64_t)size;
		info.created_at = info.updated_at = core_now(c);
		r = core_save(c, STORE_CONTENT, c->ns, digest, &info.base);
	}
	*ret = digest;
	return r;
}

static int adopt_all(struct core_call *c, struct core_import *i, DIR *d)
{
	const char **digests = NULL;
	const struct dirent *e;
	size_t n = 0, cap = 0;
	int r = 0;

	while (r == 0 && (e = readdir(d))) {
		if (strlen(e->d_name) != SHA256_HEX_SIZE - 1)
			continue;
		r = mem_grow(&digests, &cap, n + 1, sizeof(char *)) < 0
			    ? err_oom(c->err)
			    : adopt_one(c, i, e->d_name, &digests[n++]);
	}
	if (r == 0)
		r = core_lease_all(c, i->lease, "content", digests, n);
	free(digests);
	return r;
}

static int adopt(struct core_call *c, struct core_import *i)
{
	DIR *d = fdopendir(fd_open_at(i->dir, ".", O_RDONLY | O_DIRECTORY, 0));
	int r = core_touch_namespace(c);

	if (!d)
		return err_sys(c->err, "read the files of an archive");
	if (r == 0)
		r = adopt_all(c, i, d);
	closedir(d);
	return r == 0 ? blobs_adopted(c->core->blobs, c->err) : r;
}

static int take_in(struct core_call *c, struct core_import *i, const char *index)
{
	struct image_doc doc;
	struct image_child *top = arena_calloc(&i->arena, 1, sizeof(*top));
	int r = adopt(c, i);

	if (r == 0)
		r = read_index(c, i, index, false, &doc);
	if (r < 0)
		return r;
	if (!top)
		return err_oom(c->err);
	pb__image__descriptor__init(&top->desc);
	top->desc.media_type = (char *)"application/vnd.oci.image.index.v1+json";
	top->desc.digest = arena_strdup(&i->arena, index);
	r = content_size(c, index, &top->desc.size);
	return r == 0 ? image_names(
				&i->arena, i->store, top, &doc, &i->images, &i->n_images, c->err)
		      : r;
}

static int take_in_transaction(struct core_import *i, const char *index, struct err *err)
{
	auto_done(arena) struct arena arena = { 0 };
	struct core_call c = { .core = i->core, .ns = i->ns, .arena = &arena, .err = err };
	int r = store_begin(i->core->store, err);

	if (r < 0)
		return r;
	r = take_in(&c, i, index);
	if (r == 0)
		return store_commit(i->core->store, err);
	store_rollback(i->core->store);
	return r;
}

/* ---- the archive comes ---- */

static void on_taken(void *arg, int r, const char *index, const char *files, const struct err *err)
{
	struct core_import *i = arg;
	struct err why = { 0 };

	if (i->gone || (r == 0 && !i->whole))
		r = err_set(&why, -ECANCELED, GONE);
	else if (r < 0)
		why = *err;
	if (r == 0 && identifier_check_digest(index, &why) < 0)
		r = err_set(&why, -EPROTO, "reeve-helper's answer is none");
	if (r == 0)
		r = take_in_transaction(i, index, &why);
	if (r < 0)
		return fail(i, r, &why);
	unpack_next(i);
}

static void stop_feeding(struct core_import *i)
{
	loop_fd_remove(&i->source);
	i->pipe = fd_close(i->pipe);
	buf_done(&i->queue);
	i->ended = true;
}

static void grant(struct core_import *i, size_t bytes)
{
	Pb__Transfer__WindowUpdate m = PB__TRANSFER__WINDOW_UPDATE__INIT;

	m.update = (int32_t)bytes;
	i->granted += (int64_t)bytes;
	(void)stream_send(i->stream, TRANSFER "WindowUpdate", &m.base);
}

static void on_writable(struct loop_fd *source, uint32_t events);

/* What the helper does not take any more, it has said why not; the rest goes nowhere. */
static void feed(struct core_import *i)
{
	ssize_t n = 0;

	if (i->pipe < 0 && !i->ended)
		return; /* the helper is not there yet */
	while (!i->ended && i->queue.len > 0) {
		n = write(i->pipe, i->queue.data, i->queue.len);
		if (n < 0)
			break;
		buf_consume(&i->queue, (size_t)n);
	}
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		stop_feeding(i);
	if (!i->ended && i->queue.len == 0 && i->whole)
		stop_feeding(i);
	if (!i->ended && i->queue.len > 0 && !i->source.loop)
		(void)loop_fd_add(i->core->loop, &i->source, i->pipe, EPOLLOUT, on_writable);
	if (!i->ended && i->queue.len == 0)
		loop_fd_remove(&i->source);
	if (i->stream && !i->whole && i->granted < WINDOW_BYTES / 2 &&
		(i->ended || i->queue.len < WINDOW_BYTES / 2))
		grant(i, WINDOW_BYTES / 2);
}

static void on_writable(struct loop_fd *source, uint32_t events)
{
	feed(container_of(source, struct core_import, source));
}

static void on_data(void *arg, const Pb__Any *any)
{
	auto_done(arena) struct arena arena = { 0 };
	struct core_import *i = arg;
	const Pb__Transfer__Data *m;
	const ProtobufCMessage *message = NULL;

	if (!any_is(any->type_url, TRANSFER "Data"))
		return; /* as containerd: what is not known is not looked at */
	if (message_decode(&pb__transfer__data__descriptor, any->value.data, any->value.len, &arena,
		    &message, NULL) < 0)
		return stop_feeding(i);
	m = (const void *)message;
	i->granted -= (int64_t)m->data.len;
	if (i->granted < -WINDOW_BYTES) /* it sends what it was not told that it may */
		return stop_feeding(i);
	if (!i->ended)
		buf_add(&i->queue, m->data.data, m->data.len);
	if (buf_ok(&i->queue) < 0)
		stop_feeding(i);
	feed(i);
}

static void on_closed(void *arg, bool whole)
{
	struct core_import *i = arg;

	i->whole |= whole && !i->ended;
	i->gone |= !whole;
	if (i->ended)
		return;
	if (!i->whole)
		stop_feeding(i);
	else
		feed(i);
}

static const struct stream_user data_user = { .message = on_data, .closed = on_closed };
static const struct stream_user progress_user = { 0 };

/* ---- the beginning ---- */

static int start_helper(struct core_import *i, struct err *err)
{
	auto_done(helper_words) struct helper_words words = { 0 };
	int ends[2], dir, r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, "make a pipe");
	helper_words_fd(&words, "in", ends[0]);
	i->pipe = ends[1];
	r = fd_set_nonblock(i->pipe, true);
	if (r < 0)
		return err_code(err, r, "make a pipe");
	dir = fcntl(i->dir, F_DUPFD_CLOEXEC, 3);
	if (dir < 0)
		return err_sys(err, "duplicate a descriptor");
	helper_words_fd(&words, "into", dir);
	return chore_start(
		i->core, "archives are taken apart by", "archive", &words, on_taken, i, err);
}

static void on_leased(void *arg, const struct inner_answer *a)
{
	struct core_import *i = arg;
	struct err err = { 0 };
	int r;

	if (a->code != RPC_OK)
		return fail_with(i, a->code, a->text);
	r = i->ended ? err_set(&err, -ECANCELED, GONE) : start_helper(i, &err);
	if (r < 0)
		return fail(i, r, &err);
	tell(i, "Importing", "", NULL);
	grant(i, WINDOW_BYTES);
	feed(i);
}

static int lease(struct core_import *i, struct err *err)
{
	Pb__Api__CreateLeaseRequest m = PB__API__CREATE_LEASE_REQUEST__INIT;
	Pb__Pair expire = PB__PAIR__INIT, *labels[] = { &expire };
	char when[CLOCK_RFC3339_SIZE];

	clock_rfc3339(clock_wall_ns() + LEASE_SECONDS * NS_PER_SEC, when);
	expire.key = (char *)"containerd.io/gc.expire";
	expire.value = when;
	m.id = i->lease;
	m.labels = labels;
	m.n_labels = 1;
	return inner_call(i->core, "containerd.services.leases.v1.Leases", "Create", i->ns, NULL,
		&m.base, on_leased, i, err);
}

static int decode(struct core_import *i, const Pb__Any *any, const ProtobufCMessageDescriptor *type,
	const ProtobufCMessage **ret, struct err *err)
{
	return message_decode(type, any->value.data, any->value.len, &i->arena, ret, err) < 0
		       ? err_set(err, -EINVAL, "'%.100s' cannot be read", any->type_url)
		       : 0;
}

static int begin(struct core_call *c, struct core_import *i, const Pb__Any *from, const Pb__Any *to,
	const char *progress)
{
	const ProtobufCMessage *source = NULL, *store = NULL;
	const Pb__Transfer__ImageImportStream *in;
	int r = decode(i, from, &pb__transfer__image_import_stream__descriptor, &source, c->err);

	if (r == 0)
		r = decode(i, to, &pb__transfer__image_store__descriptor, &store, c->err);
	if (r < 0)
		return r;
	in = (const void *)source;
	i->store = (const void *)store;
	r = blobs_import_make(c->core->blobs, i->dir_name, sizeof(i->dir_name), &i->dir, c->err);
	if (r == 0 && *progress)
		r = stream_take(c->core, c->ns, progress, &progress_user, i, &i->progress, c->err);
	if (r == 0)
		r = stream_take(c->core, c->ns, in->stream, &data_user, i, &i->stream, c->err);
	if (r < 0)
		return r;
	snprintf(i->lease, sizeof(i->lease), "transfer-%s-%llu", i->dir_name,
		(unsigned long long)clock_wall_ns());
	return lease(i, c->err);
}

int image_import_start(
	struct core_call *c, const Pb__Any *from, const Pb__Any *to, const char *progress)
{
	struct core_import *i;
	size_t n = 0;
	int r;

	for (i = c->core->imports; i; i = i->next)
		n++;
	if (n >= IMPORTS_MAX)
		return err_set(c->err, -ENOBUFS, "more than %d imports at once", IMPORTS_MAX);
	i = mem_calloc(1, sizeof(*i));
	if (!i)
		return err_oom(c->err);
	*i = (struct core_import){ .next = c->core->imports,
		.core = c->core,
		.door = c->req->door,
		.addr = c->req->addr,
		.ns = strdup(c->ns),
		.docs_left = DOCS_BYTES,
		.dir = -EBADF,
		.pipe = -EBADF };
	c->core->imports = i;
	r = i->ns ? begin(c, i, from, to, progress) : err_oom(c->err);
	if (r < 0) {
		blobs_import_remove(c->core->blobs, i->dir_name);
		import_free(i);
		return r;
	}
	c->answered = true;
	return 0;
}

void image_imports_end(struct core *core)
{
	while (core->imports)
		import_free(core->imports);
}
