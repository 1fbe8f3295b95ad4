/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Payload: one flat list of fields for all requests; a request writes the ones that it has. A
 * request is copied by writing and reading it, so there is no second way in which a copy could
 * differ from what is logged.
 */
#include "supervisor/payload.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "base/wire.h"

/* Part of docs/formats/payload.md: never used for something else. */
enum {
	FIELD_TYPE = 1,
	FIELD_NS = 2,
	FIELD_ID = 3,
	FIELD_EXEC_ID = 4,
	FIELD_BUNDLE = 5,
	FIELD_ROOTFS = 6,
	FIELD_STDIN = 7,
	FIELD_STDOUT = 8,
	FIELD_STDERR = 9,
	FIELD_TERMINAL = 10,
	FIELD_CHECKPOINT = 11,
	FIELD_PARENT_CHECKPOINT = 12,
	FIELD_OPTION_FLAGS = 13,
	FIELD_IO_UID = 14,
	FIELD_IO_GID = 15,
	FIELD_BINARY_NAME = 16,
	FIELD_ROOT = 17,
	FIELD_CRIU_PATH = 18,
	FIELD_CRIU_IMAGE_PATH = 19,
	FIELD_CRIU_WORK_PATH = 20,
	FIELD_SPEC = 21,
	FIELD_RESOURCES = 22,
	FIELD_PATH = 23,
	FIELD_WORK_PATH = 24,
	FIELD_PARENT_PATH = 25,
	FIELD_CHECKPOINT_FLAGS = 26,
	FIELD_EMPTY_NAMESPACE = 27,
	FIELD_IO_DRAIN_MS = 28,
	FIELD_LAST = FIELD_IO_DRAIN_MS,
};

enum { MOUNT_TYPE = 1, MOUNT_SOURCE = 2, MOUNT_TARGET = 3, MOUNT_OPTION = 4 };

enum {
	OPTION_NO_PIVOT = 1,
	OPTION_NO_KEYRING = 2,
	OPTION_SYSTEMD_CGROUP = 4,
	OPTION_IO_DIRECT = 8
};

enum {
	CHECKPOINT_EXIT = 1,
	CHECKPOINT_TCP = 2,
	CHECKPOINT_UNIX = 4,
	CHECKPOINT_TERMINAL = 8,
	CHECKPOINT_LOCKS = 16,
};

/* ---- writing ---- */

/* An empty entry of a list is an entry: with its NUL, where wire_put_str() writes nothing. */
static void put_entry(struct wire_out *w, uint32_t field, const char *s)
{
	wire_put_bytes(w, field, s ? s : "", s ? strlen(s) + 1 : 1);
}

static void put_mount(struct wire_out *w, const struct request_mount *m)
{
	wire_put_str(w, MOUNT_TYPE, m->type);
	wire_put_str(w, MOUNT_SOURCE, m->source);
	wire_put_str(w, MOUNT_TARGET, m->target);
	for (size_t i = 0; i < m->n_options; i++)
		put_entry(w, MOUNT_OPTION, m->options[i]);
}

static void put_stdio(struct wire_out *w, const struct request_stdio *s)
{
	wire_put_str(w, FIELD_STDIN, s->in);
	wire_put_str(w, FIELD_STDOUT, s->out);
	wire_put_str(w, FIELD_STDERR, s->err);
	wire_put_int(w, FIELD_TERMINAL, s->terminal);
}

static void put_options(struct wire_out *w, const struct request_options *o)
{
	wire_put_int(w, FIELD_OPTION_FLAGS,
		(o->no_pivot_root ? OPTION_NO_PIVOT : 0u) |
			(o->no_new_keyring ? OPTION_NO_KEYRING : 0u) |
			(o->systemd_cgroup ? OPTION_SYSTEMD_CGROUP : 0u) |
			(o->io_direct ? OPTION_IO_DIRECT : 0u));
	wire_put_int(w, FIELD_IO_UID, o->io_uid);
	wire_put_int(w, FIELD_IO_GID, o->io_gid);
	wire_put_int(w, FIELD_IO_DRAIN_MS, o->io_drain_ms);
	wire_put_str(w, FIELD_BINARY_NAME, o->binary_name);
	wire_put_str(w, FIELD_ROOT, o->root);
	wire_put_str(w, FIELD_CRIU_PATH, o->criu_path);
	wire_put_str(w, FIELD_CRIU_IMAGE_PATH, o->criu_image_path);
	wire_put_str(w, FIELD_CRIU_WORK_PATH, o->criu_work_path);
}

static void put_create(struct wire_out *w, const struct request_create *c)
{
	wire_put_str(w, FIELD_BUNDLE, c->bundle);
	for (size_t i = 0; i < c->n_rootfs; i++) {
		struct wire_out measure = { 0 };

		put_mount(&measure, &c->rootfs[i]);
		wire_put_head(w, FIELD_ROOTFS, measure.len);
		put_mount(w, &c->rootfs[i]);
	}
	put_stdio(w, &c->stdio);
	wire_put_str(w, FIELD_CHECKPOINT, c->checkpoint);
	wire_put_str(w, FIELD_PARENT_CHECKPOINT, c->parent_checkpoint);
	put_options(w, &c->options);
}

static void put_checkpoint(struct wire_out *w, const struct request_checkpoint *c)
{
	wire_put_str(w, FIELD_PATH, c->path);
	wire_put_str(w, FIELD_WORK_PATH, c->work_path);
	wire_put_str(w, FIELD_PARENT_PATH, c->parent_path);
	wire_put_int(w, FIELD_CHECKPOINT_FLAGS,
		(c->exit ? CHECKPOINT_EXIT : 0u) | (c->open_tcp ? CHECKPOINT_TCP : 0u) |
			(c->external_unix_sockets ? CHECKPOINT_UNIX : 0u) |
			(c->terminal ? CHECKPOINT_TERMINAL : 0u) |
			(c->file_locks ? CHECKPOINT_LOCKS : 0u));
	for (size_t i = 0; i < c->n_empty_namespaces; i++)
		put_entry(w, FIELD_EMPTY_NAMESPACE, c->empty_namespaces[i]);
}

size_t payload_encode(const struct request *req, void *out, size_t cap)
{
	struct wire_out w = { .data = out, .cap = cap };

	wire_put_int(&w, FIELD_TYPE, (uint64_t)req->type + 1);
	wire_put_str(&w, FIELD_NS, req->ns);
	wire_put_str(&w, FIELD_ID, req->id);
	wire_put_str(&w, FIELD_EXEC_ID, req->exec_id);
	switch (req->type) {
	case REQ_CREATE:
		put_create(&w, &req->create);
		break;
	case REQ_EXEC:
		put_stdio(&w, &req->exec.stdio);
		wire_put_bytes(&w, FIELD_SPEC, req->exec.spec, req->exec.spec_size);
		break;
	case REQ_UPDATE:
		wire_put_bytes(&w, FIELD_RESOURCES, req->update.resources, req->update.size);
		break;
	case REQ_CHECKPOINT:
		put_checkpoint(&w, &req->checkpoint);
		break;
	default:
		break;
	}
	return w.len;
}

/* ---- reading ---- */

/* Arrays are counted first and filled then. */
struct counts {
	size_t mounts, namespaces;
};

static bool take_mount(struct arena *a, const struct wire_field *nested, struct request_mount *m)
{
	struct wire_in w = wire_nested(nested);
	const char **options;
	struct wire_field f;
	size_t n = 0;

	while (wire_next(&w, &f))
		n += f.number == MOUNT_OPTION;
	options = arena_calloc(a, n, sizeof(*options));
	if (w.bad || (n > 0 && !options))
		return false;
	m->options = options;
	w = wire_nested(nested);
	while (wire_next(&w, &f)) {
		const char *s = wire_str(&f);

		if (!s && f.number <= MOUNT_OPTION)
			return false;
		if (f.number == MOUNT_TYPE)
			m->type = s;
		else if (f.number == MOUNT_SOURCE)
			m->source = s;
		else if (f.number == MOUNT_TARGET)
			m->target = s;
		else if (f.number == MOUNT_OPTION)
			options[m->n_options++] = s;
	}
	return true;
}

/* Where the string of this field goes; NULL when the request has none of that number. */
static const char **string_of(struct request *r, uint32_t field)
{
	struct request_stdio *io = r->type == REQ_EXEC ? &r->exec.stdio : &r->create.stdio;

	switch (field) {
	case FIELD_NS:
		return &r->ns;
	case FIELD_ID:
		return &r->id;
	case FIELD_EXEC_ID:
		return &r->exec_id;
	default:
		break;
	}
	if (r->type == REQ_CREATE || r->type == REQ_EXEC) {
		if (field == FIELD_STDIN)
			return &io->in;
		if (field == FIELD_STDOUT)
			return &io->out;
		if (field == FIELD_STDERR)
			return &io->err;
	}
	if (r->type == REQ_CHECKPOINT) {
		if (field == FIELD_PATH)
			return &r->checkpoint.path;
		if (field == FIELD_WORK_PATH)
			return &r->checkpoint.work_path;
		return field == FIELD_PARENT_PATH ? &r->checkpoint.parent_path : NULL;
	}
	if (r->type != REQ_CREATE)
		return NULL;
	switch (field) {
	case FIELD_BUNDLE:
		return &r->create.bundle;
	case FIELD_CHECKPOINT:
		return &r->create.checkpoint;
	case FIELD_PARENT_CHECKPOINT:
		return &r->create.parent_checkpoint;
	case FIELD_BINARY_NAME:
		return &r->create.options.binary_name;
	case FIELD_ROOT:
		return &r->create.options.root;
	case FIELD_CRIU_PATH:
		return &r->create.options.criu_path;
	case FIELD_CRIU_IMAGE_PATH:
		return &r->create.options.criu_image_path;
	case FIELD_CRIU_WORK_PATH:
		return &r->create.options.criu_work_path;
	default:
		return NULL;
	}
}

static bool take_create_int(struct request_create *c, const struct wire_field *f)
{
	switch (f->number) {
	case FIELD_TERMINAL:
		c->stdio.terminal = f->value;
		return true;
	case FIELD_OPTION_FLAGS:
		c->options.no_pivot_root = f->value & OPTION_NO_PIVOT;
		c->options.no_new_keyring = f->value & OPTION_NO_KEYRING;
		c->options.systemd_cgroup = f->value & OPTION_SYSTEMD_CGROUP;
		c->options.io_direct = f->value & OPTION_IO_DIRECT;
		return true;
	case FIELD_IO_UID:
		c->options.io_uid = (uint32_t)f->value;
		return f->value <= UINT32_MAX;
	case FIELD_IO_GID:
		c->options.io_gid = (uint32_t)f->value;
		return f->value <= UINT32_MAX;
	case FIELD_IO_DRAIN_MS:
		c->options.io_drain_ms = (uint32_t)f->value;
		return f->value <= UINT32_MAX;
	default:
		return false;
	}
}

static bool take_int(struct request *r, const struct wire_field *f)
{
	if (r->type == REQ_CREATE)
		return take_create_int(&r->create, f);
	if (r->type == REQ_EXEC && f->number == FIELD_TERMINAL) {
		r->exec.stdio.terminal = f->value;
		return true;
	}
	if (r->type == REQ_CHECKPOINT && f->number == FIELD_CHECKPOINT_FLAGS) {
		r->checkpoint.exit = f->value & CHECKPOINT_EXIT;
		r->checkpoint.open_tcp = f->value & CHECKPOINT_TCP;
		r->checkpoint.external_unix_sockets = f->value & CHECKPOINT_UNIX;
		r->checkpoint.terminal = f->value & CHECKPOINT_TERMINAL;
		r->checkpoint.file_locks = f->value & CHECKPOINT_LOCKS;
		return true;
	}
	return false;
}

static bool take_list(struct payload *p, const struct wire_field *f)
{
	struct request *r = &p->request;

	if (f->number == FIELD_ROOTFS && r->type == REQ_CREATE)
		return take_mount(&p->arena, f,
			(struct request_mount *)&r->create.rootfs[r->create.n_rootfs++]);
	if (f->number == FIELD_EMPTY_NAMESPACE && r->type == REQ_CHECKPOINT) {
		const char **list = (const char **)r->checkpoint.empty_namespaces;
		const char *s = wire_str(f);

		if (!list)
			return false;
		list[r->checkpoint.n_empty_namespaces++] = s;
		return s != NULL;
	}
	if (f->number == FIELD_SPEC && r->type == REQ_EXEC) {
		r->exec.spec = (const char *)f->data;
		r->exec.spec_size = f->size;
		return true;
	}
	if (f->number == FIELD_RESOURCES && r->type == REQ_UPDATE) {
		r->update.resources = (const char *)f->data;
		r->update.size = f->size;
		return true;
	}
	return false;
}

static bool take_field(struct payload *p, const struct wire_field *f)
{
	const char **s;

	if (f->number == FIELD_TYPE)
		return true; /* read before the others */
	if (f->number > FIELD_LAST)
		return true; /* a newer version's */
	if (!f->is_bytes)
		return take_int(&p->request, f);
	s = string_of(&p->request, f->number);
	if (!s)
		return take_list(p, f);
	*s = wire_str(f);
	return *s != NULL;
}

static bool look_ahead(struct payload *p, struct counts *ret)
{
	struct wire_in w = { .data = p->data, .size = p->size };
	uint64_t type = 0;
	struct wire_field f;

	while (wire_next(&w, &f)) {
		if (f.number == FIELD_TYPE && !f.is_bytes)
			type = f.value;
		ret->mounts += f.number == FIELD_ROOTFS;
		ret->namespaces += f.number == FIELD_EMPTY_NAMESPACE;
	}
	if (w.bad || type == 0 || type > REQ_TYPES_)
		return false;
	p->request.type = (enum request_type)(type - 1);
	return true;
}

static int make_arrays(struct payload *p, const struct counts *n)
{
	struct request *r = &p->request;

	if (r->type == REQ_CREATE && n->mounts > 0) {
		r->create.rootfs = arena_calloc(&p->arena, n->mounts, sizeof(*r->create.rootfs));
		return r->create.rootfs ? 0 : -ENOMEM;
	}
	if (r->type == REQ_CHECKPOINT && n->namespaces > 0) {
		r->checkpoint.empty_namespaces = arena_calloc(
			&p->arena, n->namespaces, sizeof(*r->checkpoint.empty_namespaces));
		return r->checkpoint.empty_namespaces ? 0 : -ENOMEM;
	}
	return 0;
}

static int decode(struct payload *p, struct err *err)
{
	struct wire_in w = { .data = p->data, .size = p->size };
	struct counts n = { 0 };
	struct wire_field f;

	if (!look_ahead(p, &n))
		return err_set(err, -EBADMSG, "request: malformed");
	if (make_arrays(p, &n) < 0)
		return err_oom(err);
	while (wire_next(&w, &f))
		if (!take_field(p, &f))
			return err_set(err, -EBADMSG, "request: field %u is malformed", f.number);
	return 0;
}

static int finish(struct payload *p, struct payload *ret, struct err *err)
{
	int r = decode(p, err);

	if (r < 0)
		payload_done(p);
	else
		*ret = *p;
	return r;
}

int payload_from_request(const struct request *req, struct payload *ret, struct err *err)
{
	struct payload p = { .size = payload_encode(req, NULL, 0) };

	p.data = malloc(p.size);
	if (!p.data)
		return err_oom(err);
	payload_encode(req, p.data, p.size);
	return finish(&p, ret, err);
}

int payload_from_bytes(const void *data, size_t size, struct payload *ret, struct err *err)
{
	struct payload p = { .size = size };

	p.data = malloc(size ? size : 1);
	if (!p.data)
		return err_oom(err);
	memcpy(p.data, data, size);
	return finish(&p, ret, err);
}

void payload_done(struct payload *p)
{
	if (!p)
		return;
	free(p->data);
	arena_done(&p->arena);
	*p = (struct payload){ 0 };
}

/* ---- news ---- */

enum { NEWS_INODE = 1, NEWS_START_TIME = 2, NEWS_OOM_KILLS = 3 };

size_t payload_news_encode(const struct payload_news *n, uint8_t out[PAYLOAD_NEWS_MAX])
{
	struct wire_out w = { .data = out, .cap = PAYLOAD_NEWS_MAX };

	wire_put_int(&w, NEWS_INODE, n->inode);
	wire_put_int(&w, NEWS_START_TIME, n->start_time);
	wire_put_int(&w, NEWS_OOM_KILLS, n->oom_kills);
	return w.len;
}

bool payload_news_decode(const void *data, size_t size, struct payload_news *ret)
{
	struct wire_in w = { .data = data, .size = size };
	struct payload_news n = { 0 };
	struct wire_field f;

	while (wire_next(&w, &f)) {
		if (f.is_bytes && f.number <= NEWS_OOM_KILLS)
			return false;
		if (f.number == NEWS_INODE)
			n.inode = f.value;
		else if (f.number == NEWS_START_TIME)
			n.start_time = f.value;
		else if (f.number == NEWS_OOM_KILLS)
			n.oom_kills = f.value;
	}
	if (w.bad)
		return false;
	*ret = n;
	return true;
}
