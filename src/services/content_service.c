/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content: blobs and who sees them. A write is a dialogue: every message is answered with how far it
 * has come, and may be the one that commits. What was begun and not committed stays, to be gone on
 * with. Order of a commit: the bytes are on the disk and have their name, then the record says that
 * this namespace has them; what comes to lie between is only there too much (gc.c finds it).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "manager/identifier.h"
#include "services/blobs.h"
#include "services/chore.h"
#include "services/content.h"
#include "services/core.h"
#include "services/filter.h"
#include "services/gc.h"
#include "services/services.h"

#include "proto/api.pb-c.h"
#include "proto/image.pb-c.h"

enum { INFO, UPDATE, LIST, DELETE, READ, STATUS, STATUSES, WRITE, ABORT };
enum action { ACTION_STAT, ACTION_WRITE, ACTION_COMMIT };

#define READ_BYTES (128u << 10)
#define UNSENT_BYTES (64u << 10)
#define LATER_BYTES (20u << 20) /* more than one message */
#define SYNC_AT_ONCE (1u << 20)
#define STALE_NS (24 * 3600 * NS_PER_SEC) /* as in containerd */

typedef Pb__Image__Info info;

static int load(struct core_call *c, const char *digest, info **ret)
{
	ProtobufCMessage *m = NULL;
	int r = core_load(c, STORE_CONTENT, c->ns, digest, &pb__image__info__descriptor, &m);

	*ret = (info *)(void *)m;
	return r == -ENOENT ? err_set(c->err, r, "content digest %.100s", digest) : r;
}

static int check_digest(struct core_call *c, const char *digest)
{
	if (identifier_check_digest(digest, NULL) == 0)
		return 0;
	return err_set(c->err, -EINVAL, "%s failed validation", core_quote(c, digest));
}

static int answer(struct core_call *c, info *i)
{
	Pb__Image__InfoAnswer *m = arena_calloc(c->arena, 1, sizeof(*m));

	if (!m)
		return err_oom(c->err);
	pb__image__info_answer__init(m);
	m->info = i;
	c->reply = &m->base;
	return 0;
}

static int get_info(struct core_call *c)
{
	const Pb__Image__Digest *in = (const void *)c->req->message;
	info *i = NULL;
	int r = check_digest(c, in->digest);

	if (r == 0)
		r = load(c, in->digest, &i);
	return r < 0 ? r : answer(c, i);
}

static int update_labels(struct core_call *c, const info *wanted, const Pb__Api__FieldMask *mask,
	struct labels *labels)
{
	const struct labels new = { wanted->labels, wanted->n_labels };
	const char *wrong = "";
	int r;

	r = labels_update(labels, &new, mask ? mask->paths : NULL, mask ? mask->n_paths : 0,
		c->arena, &wrong);
	if (r == -EINVAL)
		return err_set(c->err, -EINVAL, "cannot update %s field on content info \"%s\"",
			core_quote(c, wrong), wanted->digest);
	return r < 0 ? err_oom(c->err) : 0;
}

static int update(struct core_call *c)
{
	const Pb__Image__UpdateInfoRequest *in = (const void *)c->req->message;
	struct labels labels;
	info *i = NULL;
	int r = check_digest(c, in->info ? in->info->digest : "");

	if (r == 0 && in->info)
		r = load(c, in->info->digest, &i);
	if (r < 0 || !i)
		return r;
	labels = (struct labels){ i->labels, i->n_labels };
	r = update_labels(c, in->info, in->update_mask, &labels);
	if (r == 0)
		r = labels_check(&labels, "info.Labels", c->err);
	if (r < 0)
		return r;
	if (labels_clean(&labels, c->arena) < 0)
		return err_oom(c->err);
	i->labels = labels.pairs;
	i->n_labels = labels.n;
	i->updated_at = core_now(c);
	r = core_save(c, STORE_CONTENT, c->ns, i->digest, &i->base);
	return r < 0 ? r : answer(c, i);
}

/* ---- lists ---- */

static const char *content_field(void *object, const char *const *path, size_t n)
{
	const info *i = object;

	if (str_eq(path[0], "digest"))
		return i->digest;
	if (str_eq(path[0], "labels"))
		return labels_at(&(struct labels){ i->labels, i->n_labels }, path + 1, n - 1);
	return NULL;
}

static bool keep(void *filter, ProtobufCMessage *m)
{
	return filter_match(filter, content_field, m);
}

/* ListContentResponse with a list of one: its field has the number of InfoAnswer's. */
static ProtobufCMessage *wrap(void *room, ProtobufCMessage *item)
{
	Pb__Image__InfoAnswer *m = room;

	_Static_assert(sizeof(*m) <= CORE_WRAP_SIZE, "room for a message");
	pb__image__info_answer__init(m);
	m->info = (info *)(void *)item;
	return &m->base;
}

static int list(struct core_call *c)
{
	const Pb__Image__ListContentRequest *in = (const void *)c->req->message;
	const struct filter *filter;
	struct core_list all;
	int r = filter_parse(in->filters, in->n_filters, c->arena, &filter, c->err);

	if (r == 0)
		r = core_list(c, STORE_CONTENT, c->ns, &pb__image__info__descriptor, keep,
			(void *)filter, &all);
	return r < 0 ? r : core_stream(c, &all, wrap);
}

/* The bytes go when nobody has them any more: gc.c. */
static int delete_(struct core_call *c)
{
	const Pb__Image__Digest *in = (const void *)c->req->message;
	Pb__Api__ContentDelete *event = arena_calloc(c->arena, 1, sizeof(*event));
	int r = check_digest(c, in->digest);

	if (r == 0)
		r = store_delete(c->core->store, STORE_CONTENT, c->ns, in->digest, c->err);
	if (r == -ENOENT)
		return err_set(c->err, r, "content digest %s", in->digest);
	if (r == 0)
		r = core_unlease(c, c->req->lease, "content", in->digest);
	if (r < 0)
		return r;
	if (!event)
		return err_oom(c->err);
	pb__api__content_delete__init(event);
	event->digest = in->digest;
	c->topic = "/content/delete";
	c->event_type = "containerd.events.ContentDelete";
	c->event = &event->base;
	gc_want(c->core->gc, c->ns);
	return 0;
}

/* ---- reading ---- */

struct reader {
	struct rpc_door *door;
	struct rpc_addr addr;
	int fd;
	uint64_t from, at, end;
	uint8_t *box;
};

static void reader_go(void *arg)
{
	struct reader *r = arg;
	Pb__Image__ReadContentResponse m = PB__IMAGE__READ_CONTENT_RESPONSE__INIT;

	while (r->at < r->end && rpc_unsent(r->door, r->addr) < UNSENT_BYTES) {
		size_t want = r->end - r->at < READ_BYTES ? r->end - r->at : READ_BYTES;
		ssize_t n = pread(r->fd, r->box, want, (off_t)r->at);

		if (n <= 0)
			return rpc_reply(r->door, r->addr, RPC_UNKNOWN,
				n < 0 ? strerror(errno) : "unexpected EOF", NULL, 0);
		m.offset = (int64_t)(r->at - r->from);
		m.data = (ProtobufCBinaryData){ (size_t)n, r->box };
		r->at += (uint64_t)n;
		if (rpc_send(r->door, r->addr, &m.base) < 0)
			return rpc_reply(r->door, r->addr, RPC_RESOURCE_EXHAUSTED,
				"content is not read: resource exhausted", NULL, 0);
	}
	if (r->at == r->end)
		rpc_reply(r->door, r->addr, RPC_OK, NULL, NULL, 0);
}

static void reader_gone(void *arg)
{
	struct reader *r = arg;

	fd_close(r->fd);
	free(r->box);
	free(r);
}

static const struct rpc_call_ops reader_ops = { .room = reader_go, .gone = reader_gone };

static int start_reader(struct core_call *c, int fd, uint64_t from, uint64_t end)
{
	struct reader *r = mem_calloc(1, sizeof(*r));

	if (!r) {
		fd_close(fd);
		return err_oom(c->err);
	}
	*r = (struct reader){ c->req->door, c->req->addr, fd, from, from, end, malloc(READ_BYTES) };
	if (!r->box || rpc_attach(r->door, r->addr, &reader_ops, r) < 0) {
		reader_gone(r);
		return err_oom(c->err);
	}
	c->answered = true;
	reader_go(r);
	return 0;
}

static int read_(struct core_call *c)
{
	const Pb__Image__ReadContentRequest *in = (const void *)c->req->message;
	uint64_t size = 0, from = in->offset > 0 ? (uint64_t)in->offset : 0, end;
	info *i = NULL;
	int fd = -EBADF, r = check_digest(c, in->digest);

	if (r == 0)
		r = load(c, in->digest, &i);
	if (r == 0)
		r = blobs_read(c->core->blobs, in->digest, &fd, &size, c->err);
	if (r < 0)
		return r;
	if (from > size) {
		fd_close(fd);
		return err_set(c->err, -ERANGE, "read past object length %llu bytes",
			(unsigned long long)size);
	}
	end = in->size > 0 && (uint64_t)in->size < size - from ? from + (uint64_t)in->size : size;
	return start_reader(c, fd, from, end);
}

/* ---- what is being written ---- */

typedef Pb__Image__Status status;

static int load_status(struct core_call *c, const char *ref, status **ret)
{
	ProtobufCMessage *m = NULL;
	int r = core_load(c, STORE_INGEST, c->ns, ref, &pb__image__status__descriptor, &m);

	*ret = (status *)(void *)m;
	return r == -ENOENT ? err_set(c->err, r, "reference %.200s", ref) : r;
}

static void fresh(struct core_call *c, status *s)
{
	uint64_t size, wall;

	if (ingest_stat(c->core->blobs, c->ns, s->ref, &size, &wall, NULL) < 0)
		return;
	s->offset = (int64_t)size;
	s->updated_at = core_time(c, wall);
}

static int get_status(struct core_call *c)
{
	const Pb__Image__Ref *in = (const void *)c->req->message;
	Pb__Image__StatusResponse *m = arena_calloc(c->arena, 1, sizeof(*m));
	status *s = NULL;
	int r = load_status(c, in->ref, &s);

	if (r < 0)
		return err_in(c->err, "could not get status for ref %s", core_quote(c, in->ref));
	if (!m)
		return err_oom(c->err);
	fresh(c, s);
	pb__image__status_response__init(m);
	m->status = s;
	c->reply = &m->base;
	return 0;
}

static const char *status_field(void *object, const char *const *path, size_t n)
{
	return str_eq(path[0], "ref") ? ((const status *)object)->ref : NULL;
}

static bool keep_status(void *filter, ProtobufCMessage *m)
{
	return filter_match(filter, status_field, m);
}

static int list_statuses(struct core_call *c)
{
	const Pb__Image__ListStatusesRequest *in = (const void *)c->req->message;
	Pb__Image__ListStatusesResponse *m = arena_calloc(c->arena, 1, sizeof(*m));
	const struct filter *filter;
	struct core_list all;
	int r = filter_parse(in->filters, in->n_filters, c->arena, &filter, c->err);

	if (r == 0)
		r = core_list(c, STORE_INGEST, c->ns, &pb__image__status__descriptor, keep_status,
			(void *)filter, &all);
	if (r < 0)
		return r;
	if (!m)
		return err_oom(c->err);
	for (size_t i = 0; i < all.n; i++)
		fresh(c, (status *)(void *)all.items[i]);
	pb__image__list_statuses_response__init(m);
	m->statuses = (status **)(void *)all.items;
	m->n_statuses = all.n;
	c->reply = &m->base;
	return 0;
}

/* A message that comes before what was written earlier has been read again. */
struct put_off {
	struct put_off *next;
	size_t size;
	uint8_t data[];
};

struct core_writer {
	struct core *core;
	struct core_writer *next;
	struct rpc_door *door;
	struct rpc_addr addr;
	char *ns, *lease, *ref;
	uint64_t started_ns, total;
	char expected[DIGEST_SIZE]; /* "": none */
	struct ingest ingest;
	bool open;
	bool syncing;           /* a helper waits for the disk */
	bool gone;              /* meanwhile the client has left */
	struct buf pending;     /* the message that commits then */
	struct loop_timer turn; /* set: what was written earlier is being read again */
	struct put_off *later;  /* meanwhile */
	size_t later_bytes;
	bool closed, answered;
};

/* Whose dialogue is over writes nothing more: clients begin the next one before they have heard of the end. */
static bool is_over(const struct core_writer *w)
{
	return (w->closed || w->answered) && !w->syncing && !w->turn.loop;
}

static const struct core_writer *writer_of(const struct core *k, const char *ns, const char *ref)
{
	for (const struct core_writer *w = k->writers; w; w = w->next)
		if (w->open && !is_over(w) && str_eq(w->ns, ns) && str_eq(w->ref, ref))
			return w;
	return NULL;
}

int content_forget_stale(struct core_call *c)
{
	uint64_t size, wall, now = clock_wall_ns();
	struct core_list all;
	int r = core_list(c, STORE_INGEST, c->ns, &pb__image__status__descriptor, NULL, NULL, &all);

	for (size_t i = 0; r == 0 && i < all.n; i++) {
		const char *ref = ((const status *)(const void *)all.items[i])->ref;

		if (writer_of(c->core, c->ns, ref))
			continue;
		/* One without a file has nothing to go on with. */
		if (ingest_stat(c->core->blobs, c->ns, ref, &size, &wall, NULL) == 0 &&
			wall + STALE_NS > now)
			continue;
		r = store_delete(c->core->store, STORE_INGEST, c->ns, ref, c->err);
		if (r == 0)
			r = ingest_remove(c->core->blobs, c->ns, ref, c->err);
	}
	return r;
}

static int abort_(struct core_call *c)
{
	const Pb__Image__Ref *in = (const void *)c->req->message;
	int r;

	if (writer_of(c->core, c->ns, in->ref))
		return err_set(c->err, -EAGAIN, "ref %.200s locked", in->ref);
	r = store_delete(c->core->store, STORE_INGEST, c->ns, in->ref, c->err);
	if (r == -ENOENT)
		return err_set(c->err, r, "reference %.200s", in->ref);
	if (r == 0)
		r = core_unlease(c, c->req->lease, "ingests", in->ref);
	return r == 0 ? ingest_remove(c->core->blobs, c->ns, in->ref, c->err) : r;
}

/* One step of a write, as a call of its own: the dialogue's messages come one by one. */
struct step {
	struct core_writer *w;
	const Pb__Image__WriteContentRequest *in;
	struct core_call call;
};

static int has(struct core_call *c, const char *digest)
{
	struct store_item item;
	int r = store_get(c->core->store, STORE_CONTENT, c->ns, digest, c->arena, &item, c->err);

	return r == 0 ? 1 : r == -ENOENT ? 0 : r;
}

static int remember(struct core_call *c, const struct core_writer *w)
{
	Pb__Image__Status s = PB__IMAGE__STATUS__INIT;
	int r = core_touch_namespace(c);

	s.started_at = core_time(c, w->started_ns);
	s.ref = w->ref;
	s.total = (int64_t)w->total;
	s.expected = (char *)w->expected;
	if (r == 0)
		r = core_save(c, STORE_INGEST, c->ns, w->ref, &s.base);
	return r == 0 ? core_lease(c, w->lease, "ingests", w->ref) : r;
}

/* Who goes on with a write knows since when it is under way. */
static int recall(struct core_call *c, struct core_writer *w)
{
	status *s = NULL;
	int r = load_status(c, w->ref, &s);

	if (r == -ENOENT)
		return 0;
	if (r == 0 && s->started_at)
		w->started_ns = (uint64_t)s->started_at->seconds * NS_PER_SEC +
				(uint64_t)s->started_at->nanos;
	if (r == 0 && s->total > 0 && w->total == 0)
		w->total = (uint64_t)s->total;
	return r;
}

static int take_expected(struct core_call *c, struct core_writer *w, const char *expected)
{
	if (!*expected)
		return 0;
	if (check_digest(c, expected) < 0)
		return c->err->code;
	snprintf(w->expected, sizeof(w->expected), "%s", expected);
	return 0;
}

static int open_writer(
	struct core_call *c, struct core_writer *w, const Pb__Image__WriteContentRequest *in)
{
	int r;

	if (!*in->ref)
		return err_set(c->err, -EINVAL, "first message must have a reference");
	if (writer_of(w->core, w->ns, in->ref))
		return err_set(c->err, -EAGAIN, "ref %.200s locked", in->ref);
	r = take_expected(c, w, in->expected);
	if (r < 0)
		return r;
	r = *w->expected ? has(c, w->expected) : 0;
	if (r > 0)
		r = core_lease(c, w->lease, "content", w->expected);
	if (r < 0)
		return r;
	if (*w->expected && has(c, w->expected) > 0)
		return err_set(c->err, -EEXIST, "content %s", w->expected);
	w->ref = strdup(in->ref);
	if (!w->ref)
		return err_oom(c->err);
	w->total = in->total > 0 ? (uint64_t)in->total : 0;
	w->started_ns = clock_wall_ns();
	r = recall(c, w);
	if (r == 0)
		r = ingest_open(w->core->blobs, w->ns, w->ref, &w->ingest, c->err);
	if (r < 0)
		return r;
	w->open = true;
	return remember(c, w);
}

/* What is there already is the writer's too, as long as his lease is; what he wrote of it goes. */
static int have_already(struct core_call *c, struct core_writer *w, const char *digest)
{
	int r = core_lease(c, w->lease, "content", digest);

	if (r < 0)
		return r;
	(void)store_delete(c->core->store, STORE_INGEST, c->ns, w->ref, NULL);
	(void)ingest_remove(c->core->blobs, c->ns, w->ref, NULL);
	return 0;
}

static int commit(
	struct core_call *c, struct core_writer *w, const Pb__Image__WriteContentRequest *in)
{
	struct labels labels = { in->labels, in->n_labels };
	Pb__Image__Info i = PB__IMAGE__INFO__INIT;
	char digest[DIGEST_SIZE];
	int r;

	ingest_digest(&w->ingest, digest);
	if (w->total > 0 && w->total != w->ingest.size)
		return err_set(c->err, -EBUSY, "%s failed size validation: %llu != %llu",
			core_quote(c, w->ref), (unsigned long long)w->ingest.size,
			(unsigned long long)w->total);
	if (*w->expected && !str_eq(digest, w->expected))
		return err_set(c->err, -EBUSY, "unexpected commit digest %s, expected %s", digest,
			w->expected);
	r = labels_check(&labels, "info.Labels", c->err);
	if (r < 0)
		return r;
	if (labels_clean(&labels, c->arena) < 0)
		return err_oom(c->err);
	r = has(c, digest);
	if (r > 0) {
		r = have_already(c, w, digest);
		return r < 0 ? r : err_set(c->err, -EEXIST, "content %s", digest);
	}
	if (r == 0)
		r = ingest_commit(w->core->blobs, &w->ingest, c->err);
	if (r < 0)
		return r;
	i.digest = digest;
	i.size = (int64_t)w->ingest.size;
	i.created_at = i.updated_at = core_now(c);
	i.labels = labels.pairs;
	i.n_labels = labels.n;
	r = core_save(c, STORE_CONTENT, c->ns, digest, &i.base);
	if (r == 0)
		r = store_delete(c->core->store, STORE_INGEST, c->ns, w->ref, c->err);
	if (r == 0 || r == -ENOENT)
		r = core_unlease(c, w->lease, "ingests", w->ref);
	return r == 0 ? core_lease(c, w->lease, "content", digest) : r;
}

static int put(struct core_call *c, struct core_writer *w, const Pb__Image__WriteContentRequest *in)
{
	int r = 0;

	if (in->offset > 0 && (uint64_t)in->offset != w->ingest.size)
		return err_set(c->err, -ERANGE, "write @%lld must occur at current offset %llu",
			(long long)in->offset, (unsigned long long)w->ingest.size);
	if (in->offset < 0)
		return err_set(c->err, -ERANGE, "write at a negative offset");
	if (in->offset == 0 && w->ingest.size > 0)
		r = ingest_empty(&w->ingest, c->err);
	if (r == 0 && in->data.len > 0)
		r = ingest_write(&w->ingest, in->data.data, in->data.len, c->err);
	return r;
}

static int step(
	struct core_call *c, struct core_writer *w, const Pb__Image__WriteContentRequest *in)
{
	int r = w->open ? 0 : open_writer(c, w, in);

	if (r == 0 && ingest_is_behind(&w->ingest))
		return 0; /* the rest later */
	if (r == 0)
		r = take_expected(c, w, in->expected);
	if (r < 0)
		return r;
	if (in->total > 0)
		w->total = (uint64_t)in->total;
	if (*in->expected && has(c, in->expected) > 0) {
		r = have_already(c, w, in->expected);
		return r < 0 ? r
			     : err_set(c->err, -EEXIST, "blob with expected digest %s exists",
				       in->expected);
	}
	if (in->action == ACTION_STAT)
		return 0;
	if (in->action != ACTION_WRITE && in->action != ACTION_COMMIT)
		return err_set(c->err, -EINVAL, "unknown action %u", in->action);
	r = put(c, w, in);
	if (r < 0 || in->action != ACTION_COMMIT)
		return r;
	/* Small ones are written before a helper could have begun. */
	w->syncing = w->ingest.size > SYNC_AT_ONCE;
	return w->syncing ? 0 : commit(c, w, in);
}

/* Most steps change nothing in the store, and a transaction costs little then; but one that fails
 * inside may have left a record. */
static int step_in_transaction(
	struct core_call *c, struct core_writer *w, const Pb__Image__WriteContentRequest *in)
{
	bool changes = !w->open || in->action == ACTION_COMMIT || *in->expected;
	int r = changes ? store_begin(c->core->store, c->err) : 0;

	if (r < 0)
		return r;
	r = step(c, w, in);
	if (changes && (r == 0 || r == -EEXIST)) {
		int committed = store_commit(c->core->store, r == 0 ? c->err : NULL);

		r = r == 0 ? committed : r;
	} else if (changes) {
		store_rollback(c->core->store);
	}
	return r;
}

static void tell(struct core_writer *w, struct core_call *c, uint32_t action)
{
	Pb__Image__WriteContentResponse m = PB__IMAGE__WRITE_CONTENT_RESPONSE__INIT;
	char digest[DIGEST_SIZE];

	ingest_digest(&w->ingest, digest);
	m.action = action;
	m.offset = (int64_t)w->ingest.size;
	m.digest = digest;
	if (action != ACTION_WRITE)
		m.total = (int64_t)w->total;
	if (action == ACTION_STAT) {
		m.started_at = core_time(c, w->started_ns);
		m.updated_at = core_time(c, w->ingest.updated_ns);
	}
	(void)rpc_send(w->door, w->addr, &m.base);
}

static void writer_free(struct core_writer *w)
{
	struct core_writer **at = &w->core->writers;

	while (*at && *at != w)
		at = &(*at)->next;
	if (*at)
		*at = w->next;
	loop_timer_cancel(&w->turn);
	while (w->later) {
		struct put_off *p = w->later;

		w->later = p->next;
		free(p);
	}
	ingest_close(&w->ingest);
	buf_done(&w->pending);
	free(w->ns);
	free(w->lease);
	free(w->ref);
	free(w);
}

static void refuse(struct core_writer *w, int r, const struct err *err)
{
	w->answered = true;
	rpc_reply_err(w->door, w->addr, r, err);
}

static void committed(struct core_writer *w, struct core_call *c)
{
	tell(w, c, ACTION_COMMIT);
	w->open = false;
	w->answered = true;
	rpc_reply(w->door, w->addr, RPC_OK, NULL, NULL, 0);
}

static int commit_in_transaction(struct core_call *c, struct core_writer *w)
{
	const ProtobufCMessage *in = NULL;
	int r = message_decode(&pb__image__write_content_request__descriptor, w->pending.data,
		w->pending.len, c->arena, &in, c->err);

	if (r == 0)
		r = store_begin(c->core->store, c->err);
	if (r < 0)
		return r;
	r = commit(c, w, (const void *)in);
	if (r == 0)
		return store_commit(c->core->store, c->err);
	if (r == -EEXIST)
		(void)store_commit(c->core->store, NULL);
	else
		store_rollback(c->core->store);
	return r;
}

/* Who has left does not hear of it, and what he wrote waits for him to come back. */
static void on_synced(
	void *arg, int r, const char *first, const char *second, const struct err *why)
{
	auto_done(arena) struct arena arena = { 0 };
	struct core_writer *w = arg;
	struct err err = { 0 };
	struct core_call c = { .core = w->core, .ns = w->ns, .arena = &arena, .err = &err };

	w->syncing = false;
	if (w->gone)
		return writer_free(w);
	w->ingest.synced = r == 0;
	if (r < 0)
		err = *why;
	else
		r = commit_in_transaction(&c, w);
	buf_done(&w->pending);
	if (r < 0)
		refuse(w, r, &err);
	else
		committed(w, &c);
}

static int sync_first(
	struct core_call *c, struct core_writer *w, const Pb__Image__WriteContentRequest *in)
{
	auto_done(helper_words) struct helper_words words = { 0 };
	Pb__Image__WriteContentRequest rest = *in;
	int fd = fcntl(w->ingest.fd, F_DUPFD_CLOEXEC, 3), r;

	w->syncing = false;
	if (fd < 0)
		return err_sys(c->err, "duplicate a descriptor");
	helper_words_fd(&words, "sync", fd);
	rest.data = (ProtobufCBinaryData){ 0 };
	message_encode(&rest.base, &w->pending);
	if (buf_ok(&w->pending) < 0)
		return err_oom(c->err);
	r = chore_start(c->core, "big files are written by", "disk", &words, on_synced, w, c->err);
	w->syncing = r == 0;
	return r;
}

/* ---- going on with what was written earlier ---- */

static void on_turn(struct loop_timer *t);

/* One part of it in each round: others are served in between. */
static int take_turn(struct core_writer *w)
{
	return loop_timer_set(w->core->loop, &w->turn, clock_boot_ns(), on_turn);
}

/* Clients wait for an answer before they go on; one that does not is put off, within bounds. */
static int put_off(struct core_writer *w, const Pb__Image__WriteContentRequest *in, struct err *err)
{
	size_t size = protobuf_c_message_get_packed_size(&in->base);
	struct put_off **at = &w->later, *p;

	if (w->later_bytes + size > LATER_BYTES)
		return err_set(err, -ENOBUFS, "too much is sent before the answer");
	p = malloc(sizeof(*p) + size);
	if (!p)
		return err_oom(err);
	p->next = NULL;
	p->size = protobuf_c_message_pack(&in->base, p->data);
	w->later_bytes += size;
	while (*at)
		at = &(*at)->next;
	*at = p;
	return 0;
}

static void writer_message(void *arg, const ProtobufCMessage *message);

static void go_on(struct core_writer *w)
{
	while (w->later && !w->answered) {
		auto_done(arena) struct arena arena = { 0 };
		auto_free struct put_off *p = w->later;
		const ProtobufCMessage *in = NULL;
		struct err err = { 0 };
		int r;

		w->later = p->next;
		w->later_bytes -= p->size;
		r = message_decode(&pb__image__write_content_request__descriptor, p->data, p->size,
			&arena, &in, &err);
		if (r < 0)
			refuse(w, r, &err);
		else
			writer_message(w, in);
	}
	if (w->closed && !w->syncing && !w->answered)
		rpc_reply(w->door, w->addr, RPC_OK, NULL, NULL, 0);
}

static void on_turn(struct loop_timer *t)
{
	struct core_writer *w = container_of(t, struct core_writer, turn);
	struct err err = { 0 };
	int r = ingest_catch_up(&w->ingest, &err);

	if (r == 0 && ingest_is_behind(&w->ingest))
		r = take_turn(w);
	if (r < 0)
		refuse(w, r, &err);
	else if (!w->turn.loop)
		go_on(w);
}

static void writer_message(void *arg, const ProtobufCMessage *message)
{
	auto_done(arena) struct arena arena = { 0 };
	const Pb__Image__WriteContentRequest *in = (const void *)message;
	struct core_writer *w = arg;
	struct err err = { 0 };
	struct core_call c = { .core = w->core, .ns = w->ns, .arena = &arena, .err = &err };
	int r;

	if (w->answered)
		return;
	if (w->turn.loop)
		r = put_off(w, in, &err);
	else if (w->syncing)
		r = err_set(&err, -EBUSY, "cannot write to what is being committed");
	else if (w->open && w->ingest.fd < 0)
		r = err_set(&err, -EBUSY, "cannot write to a closed writer");
	else
		r = step_in_transaction(&c, w, in);
	if (r == 0 && w->turn.loop)
		return;
	if (r == 0 && ingest_is_behind(&w->ingest)) {
		r = put_off(w, in, &err);
		if (r == 0)
			r = take_turn(w);
		if (r == 0)
			return;
	}
	if (r == 0 && w->syncing) {
		r = sync_first(&c, w, in);
		if (r == 0)
			return;
	}

	if (r < 0)
		return refuse(w, r, &err);
	if (in->action == ACTION_COMMIT)
		committed(w, &c);
	else
		tell(w, &c, in->action);
}

static void writer_closed(void *arg)
{
	struct core_writer *w = arg;

	w->closed = true;
	if (!w->syncing && !w->turn.loop) /* or the answer comes yet */
		rpc_reply(w->door, w->addr, RPC_OK, NULL, NULL, 0);
}

static void writer_gone(void *arg)
{
	struct core_writer *w = arg;

	w->gone = true;
	if (!w->syncing)
		writer_free(w);
}

static const struct rpc_call_ops writer_ops = {
	.message = writer_message,
	.closed = writer_closed,
	.gone = writer_gone,
};

/* ---- content that is made here ---- */

int content_make(struct core_call *c, const char *ref, struct core_writer **ret)
{
	Pb__Image__WriteContentRequest in = PB__IMAGE__WRITE_CONTENT_REQUEST__INIT;
	struct core_writer *w = mem_calloc(1, sizeof(*w));
	int r;

	if (!w)
		return err_oom(c->err);
	w->core = c->core;
	w->ingest.fd = -EBADF;
	w->ns = strdup(c->ns);
	w->lease = strdup(c->req->lease ? c->req->lease : "");
	in.ref = (char *)ref;
	r = w->ns && w->lease ? open_writer(c, w, &in) : err_oom(c->err);
	if (r == 0)
		r = ingest_empty(&w->ingest, c->err);
	if (r < 0) {
		writer_free(w);
		return r;
	}
	w->next = c->core->writers;
	c->core->writers = w;
	*ret = w;
	return 0;
}

int content_make_fd(const struct core_writer *w, struct err *err)
{
	int fd = fcntl(w->ingest.fd, F_DUPFD_CLOEXEC, 3);

	return fd < 0 ? err_sys(err, "duplicate a descriptor") : fd;
}

int content_make_write(struct core_writer *w, const void *data, size_t size, struct err *err)
{
	return ingest_write(&w->ingest, data, size, err);
}

void content_make_written(struct core_writer *w, const char *digest, uint64_t size)
{
	ingest_written(&w->ingest, digest, size);
}

/* What the namespace has of it already keeps its labels, and gets the new ones that it has not. */
static int add_to_existing(struct core_call *c, const char *digest, const struct labels *labels)
{
	bool changed = false;
	info *i = NULL;
	int r = load(c, digest, &i);

	for (size_t k = 0; r == 0 && k < labels->n; k++) {
		struct labels has = { i->labels, i->n_labels };

		if (labels_get(&has, labels->pairs[k]->key))
			continue;
		r = labels_set(&has, labels->pairs[k]->key, labels->pairs[k]->value, c->arena);
		i->labels = has.pairs;
		i->n_labels = has.n;
		changed = true;
	}
	if (r < 0 || !changed)
		return r;
	i->updated_at = core_now(c);
	return core_save(c, STORE_CONTENT, c->ns, digest, &i->base);
}

int content_make_commit(struct core_call *c, struct core_writer *w, const struct labels *labels,
	char ret_digest[DIGEST_SIZE], uint64_t *ret_size)
{
	Pb__Image__WriteContentRequest in = PB__IMAGE__WRITE_CONTENT_REQUEST__INIT;
	int r;

	ingest_digest(&w->ingest, ret_digest);
	*ret_size = w->ingest.size;
	in.labels = labels->pairs;
	in.n_labels = labels->n;
	r = has(c, ret_digest);
	if (r == 0)
		return commit(c, w, &in);
	if (r < 0)
		return r;
	r = add_to_existing(c, ret_digest, labels);
	return r == 0 ? have_already(c, w, ret_digest) : r;
}

void content_make_drop(struct core_writer *w, bool made)
{
	if (!w)
		return;
	if (!made) {
		(void)store_delete(w->core->store, STORE_INGEST, w->ns, w->ref, NULL);
		(void)ingest_remove(w->core->blobs, w->ns, w->ref, NULL);
	}
	writer_free(w);
}

static int write_(struct core_call *c)
{
	struct core_writer *w = mem_calloc(1, sizeof(*w));

	if (!w)
		return err_oom(c->err);
	w->core = c->core;
	w->door = c->req->door;
	w->addr = c->req->addr;
	w->ingest.fd = -EBADF;
	w->ns = strdup(c->ns);
	w->lease = strdup(c->req->lease ? c->req->lease : "");
	if (!w->ns || !w->lease || rpc_attach(w->door, w->addr, &writer_ops, w) < 0) {
		writer_free(w);
		return err_oom(c->err);
	}
	w->next = c->core->writers;
	c->core->writers = w;
	c->answered = true;
	return 0;
}

static const struct core_method methods[] = {
	[INFO] = { get_info, 0 },
	[UPDATE] = { update, CORE_WRITES },
	[LIST] = { list, 0 },
	[DELETE] = { delete_, CORE_WRITES },
	[READ] = { read_, 0 },
	[STATUS] = { get_status, 0 },
	[STATUSES] = { list_statuses, 0 },
	[WRITE] = { write_, 0 },
	[ABORT] = { abort_, CORE_WRITES },
};

static void handle(void *arg, const struct rpc_request *req)
{
	core_run(arg, req, methods[req->method->kind].fn, methods[req->method->kind].flags);
}

static const struct rpc_method rows[] = {
	{ "Info", &pb__image__digest__descriptor, INFO, handle },
	{ "Update", &pb__image__update_info_request__descriptor, UPDATE, handle },
	{ "List", &pb__image__list_content_request__descriptor, LIST, handle, RPC_STREAM },
	{ "Delete", &pb__image__digest__descriptor, DELETE, handle },
	{ "Read", &pb__image__read_content_request__descriptor, READ, handle, RPC_STREAM },
	{ "Status", &pb__image__ref__descriptor, STATUS, handle },
	{ "ListStatuses", &pb__image__list_statuses_request__descriptor, STATUSES, handle },
	{ "Write", &pb__image__write_content_request__descriptor, WRITE, handle, RPC_DIALOGUE },
	{ "Abort", &pb__image__ref__descriptor, ABORT, handle },
};

const struct rpc_service content_service = { "containerd.services.content.v1.Content", rows,
	ARRAY_LEN(rows) };
