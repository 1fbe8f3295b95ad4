/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making one is four steps: the task is checkpointed into a directory, a helper packs that into a blob, the blob and
 * the container's spec become content of the namespace in one transaction, and the directory goes. Whatever fails,
 * nothing of it is content, and the directory goes all the same.
 *
 * What surprises: a spec that has not changed is content already when a task is checkpointed once more. containerd
 * fails then; here it is the same content.
 */
#include "services/task_checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "manager/identifier.h"
#include "services/blobs.h"
#include "services/chore.h"
#include "services/content.h"

#include "proto/api.pb-c.h"

#define PLACE "checkpoints"
#define TYPE "application/vnd.containerd.container.criu.checkpoint.criu.tar"
#define SPEC_TYPE "application/vnd.containerd.container.checkpoint.config.v1+proto"

/* ---- directories ---- */

struct place {
	const struct core *core;
	char name[17]; /* "": none */
};

static int place_make(const struct core *core, struct place *ret, int *ret_fd, struct err *err)
{
	struct place p = { .core = core };
	auto_free char *path = NULL;
	uint64_t nonce;
	int fd, r = file_mkdirs_at(core->root, PLACE, 0700);

	if (r < 0 && r != -EEXIST)
		return err_code(err, r, "make the directory '" PLACE "'");
	if (getrandom(&nonce, sizeof(nonce), 0) != sizeof(nonce))
		return err_sys(err, "read random bytes");
	snprintf(p.name, sizeof(p.name), "%016llx", (unsigned long long)nonce);
	if (asprintf(&path, PLACE "/%s", p.name) < 0)
		return err_oom(err);
	if (mkdirat(core->root, path, 0700) < 0)
		return err_sys(err, "make a directory for a checkpoint");
	fd = fd_open_at(core->root, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd < 0) {
		(void)unlinkat(core->root, path, AT_REMOVEDIR);
		return err_code(err, fd, "open the directory of a checkpoint");
	}
	*ret = p;
	*ret_fd = fd;
	return 0;
}

static char *place_path(const struct place *p)
{
	char *path;

	return asprintf(&path, "%s/" PLACE "/%s", p->core->root_path, p->name) < 0 ? NULL : path;
}

/* By a helper, for it may be large; one that a task has taken along is not there. */
static void place_drop(struct core *core, struct place *p)
{
	auto_done(helper_words) struct helper_words words = { 0 };
	auto_close int at = fd_open_at(core->root, PLACE, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	struct err err = { 0 };

	if (!*p->name || at < 0 || faccessat(at, p->name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	helper_words_fd(&words, "in", take_fd(&at));
	helper_words_add(&words, "remove", "%s", p->name);
	if (chore_start(core, "checkpoints are removed by", "disk", &words, NULL, NULL, &err) < 0 &&
		core->log)
		log_write(core->log, LOG_WARN_, "a checkpoint stays behind: %s", err.text);
	*p->name = '\0';
}

void task_checkpoint_sweep(const struct core *core)
{
	int r = file_remove_tree_at(core->root, PLACE);

	if (r < 0 && core->log)
		log_write(core->log, LOG_WARN_, "checkpoints of before stay behind: %s",
			strerror(-r));
}

/* ---- making ---- */

struct making {
	struct task_order order;
	struct rpc_request req; /* of the client: its lease, and where the answer goes */
	struct core *core;
	struct place place;
	int dir;
	char *ns, *lease, *path;
	struct buf spec; /* an Any, encoded */
	struct core_writer *writer;
	bool made;
};

/* The daemon ends: helpers do, too, and the next start takes the directory away. */
static void place_leave(struct place *p)
{
	*p->name = '\0';
}

static void making_free(struct making *m)
{
	content_make_drop(m->writer, m->made);
	place_drop(m->core, &m->place);
	fd_close(m->dir);
	buf_done(&m->spec);
	free(m->ns);
	free(m->lease);
	free(m->path);
	free(m);
}

static struct core_call call_of(struct making *m, struct arena *arena, struct err *err)
{
	return (struct core_call){
		.core = m->core, .req = &m->req, .ns = m->ns, .arena = arena, .err = err
	};
}

static int in_transaction(
	struct core_call *c, struct making *m, int (*fn)(struct core_call *c, struct making *m))
{
	int r = store_begin(c->core->store, c->err);

	if (r < 0)
		return r;
	r = fn(c, m);
	if (r == 0)
		return store_commit(c->core->store, c->err);
	store_rollback(c->core->store);
	return r;
}

static int describe(struct core_call *c, const char *type, const char *digest, uint64_t size,
	Pb__Image__Descriptor *ret)
{
	pb__image__descriptor__init(ret);
	ret->media_type = (char *)type;
	ret->digest = arena_strdup(c->arena, digest);
	ret->size = (int64_t)size;
	return ret->digest ? 0 : err_oom(c->err);
}

static int commit_spec(struct core_call *c, struct making *m, Pb__Image__Descriptor *ret)
{
	const struct labels none = { 0 };
	struct core_writer *w = NULL;
	char digest[DIGEST_SIZE];
	uint64_t size;
	const char *ref = arena_printf(c->arena, "%s/spec", m->path);
	int r = ref ? content_make(c, ref, &w) : err_oom(c->err);

	if (r == 0)
		r = content_make_write(w, m->spec.data, m->spec.len, c->err);
	if (r == 0)
		r = content_make_commit(c, w, &none, digest, &size);
	content_make_drop(w, r == 0);
	return r == 0 ? describe(c, SPEC_TYPE, digest, size, ret) : r;
}

static int commit_all(struct core_call *c, struct making *m)
{
	Pb__Tasks__CheckpointResponse *out = arena_calloc(c->arena, 1, sizeof(*out));
	Pb__Image__Descriptor *d = arena_calloc(c->arena, 2, sizeof(*d));
	const struct labels none = { 0 };
	char digest[DIGEST_SIZE];
	uint64_t size;
	int r;

	if (!out || !d)
		return err_oom(c->err);
	pb__tasks__checkpoint_response__init(out);
	out->descriptors = arena_calloc(c->arena, 2, sizeof(Pb__Image__Descriptor *));
	if (!out->descriptors)
		return err_oom(c->err);
	r = content_make_commit(c, m->writer, &none, digest, &size);
	if (r == 0)
		r = describe(c, TYPE, digest, size, &d[0]);
	if (r == 0)
		r = commit_spec(c, m, &d[1]);
	out->descriptors[out->n_descriptors++] = &d[0];
	out->descriptors[out->n_descriptors++] = &d[1];
	c->reply = &out->base;
	return r;
}

/* "DIGEST", "SIZE DIGEST" of the tar once more. */
static int take_sums(struct making *m, const char *digest, const char *rest, struct err *err)
{
	char number[24];
	uint64_t size;

	snprintf(number, sizeof(number), "%.*s", (int)strcspn(rest, " "), rest);
	if (identifier_check_digest(digest, NULL) < 0 || str_to_u64(number, INT64_MAX, &size) < 0)
		return err_set(err, -EPROTO, "reeve-helper's answer is none");
	content_make_written(m->writer, digest, size);
	return 0;
}

static void on_packed(
	void *arg, int r, const char *first, const char *second, const struct err *why)
{
	auto_done(arena) struct arena arena = { 0 };
	struct making *m = arg;
	struct err err = { 0 };
	struct core_call c = call_of(m, &arena, &err);

	if (r < 0)
		err = *why;
	else
		r = take_sums(m, first, second, &err);
	if (r == 0)
		r = in_transaction(&c, m, commit_all);
	m->made = r == 0;
	if (r == -ECANCELED)
		place_leave(&m->place);
	if (r < 0)
		rpc_reply_err(m->req.door, m->req.addr, r, &err);
	else
		rpc_reply_message(m->req.door, m->req.addr, c.reply);
	making_free(m);
}

static int open_blob(struct core_call *c, struct making *m)
{
	return content_make(c, m->path, &m->writer);
}

static int pack(struct core_call *c, struct making *m)
{
	auto_done(helper_words) struct helper_words words = { 0 };
	int fd, r = in_transaction(c, m, open_blob);

	if (r < 0)
		return r;
	fd = content_make_fd(m->writer, c->err);
	if (fd < 0)
		return fd;
	helper_words_fd(&words, "out", fd);
	helper_words_fd(&words, "right", take_fd(&m->dir));
	return chore_start(
		c->core, "checkpoints are packed by", "diff", &words, on_packed, m, c->err);
}

static void on_dumped(struct task_order *o, const struct shim_answer *a)
{
	auto_done(arena) struct arena arena = { 0 };
	struct making *m = container_of(o, struct making, order);
	struct err err = { 0 };
	struct core_call c = call_of(m, &arena, &err);
	char text[STATUS_TEXT_SIZE];
	int r = 0;

	if (a && a->code == RPC_OK)
		r = pack(&c, m);
	else if (a)
		rpc_reply(m->req.door, m->req.addr, a->code,
			status_text(a->code, a->text, text, sizeof(text)), NULL, 0);
	else
		place_leave(&m->place);
	if (r < 0)
		rpc_reply_err(m->req.door, m->req.addr, r, &err);
	if (r < 0 || !a || a->code != RPC_OK)
		making_free(m);
}

static int making_new(struct core_call *c, const Pb__Api__Container *k, struct making **ret)
{
	const Pb__Any none = PB__ANY__INIT;
	struct making *m = mem_calloc(1, sizeof(*m));
	int r;

	if (!m)
		return err_oom(c->err);
	m->core = c->core;
	m->dir = -EBADF;
	m->req = *c->req;
	m->req.message = NULL;
	m->req.ns = m->ns = strdup(c->ns);
	m->req.lease = m->lease = strdup(c->req->lease ? c->req->lease : "");
	message_encode(k->spec ? &k->spec->base : &none.base, &m->spec);
	r = m->ns && m->lease && buf_ok(&m->spec) == 0
		    ? place_make(c->core, &m->place, &m->dir, c->err)
		    : err_oom(c->err);
	if (r == 0) {
		m->path = place_path(&m->place);
		r = m->path ? 0 : err_oom(c->err);
	}
	if (r < 0)
		making_free(m);
	else
		*ret = m;
	return r;
}

int task_checkpoint_make(struct core_call *c, const Pb__Tasks__CheckpointRequest *in)
{
	Pb__Task__CheckpointRequest out = PB__TASK__CHECKPOINT_REQUEST__INIT;
	Pb__Api__Container *k = NULL;
	struct making *m = NULL;
	int r = task_call_container(c, in->container_id, &k);

	if (r == 0)
		r = making_new(c, k, &m);
	if (!m)
		return r;
	out.id = in->container_id;
	out.path = m->path;
	out.options = in->options;
	c->answered = true;
	task_manager_call(tasks_manager(c->core->tasks),
		tasks_order(c->core->tasks, &m->order, on_dumped), c->ns, in->container_id,
		"Checkpoint", &out.base, c->req->deadline_boot_ns);
	return 0;
}

/* ---- unpacking ---- */

struct unpacking {
	struct rpc_request req;
	struct core *core;
	core_fn *fn;
	struct place place;
	char *ns, *path;
	struct buf message;
};

static void unpacking_free(struct unpacking *u)
{
	place_drop(u->core, &u->place);
	buf_done(&u->message);
	free(u->ns);
	free(u->path);
	free(u);
}

const char *task_checkpoint_unpacked(const struct core_call *c)
{
	const struct unpacking *u = container_of(c->req, struct unpacking, req);

	return u->path;
}

static void on_unpacked(
	void *arg, int r, const char *first, const char *second, const struct err *why)
{
	auto_done(arena) struct arena arena = { 0 };
	struct unpacking *u = arg;
	struct err err = { 0 };

	if (r < 0)
		err = *why;
	else
		r = message_decode(u->req.method->input, u->message.data, u->message.len, &arena,
			&u->req.message, &err);
	if (r == -ECANCELED)
		place_leave(&u->place);
	if (r < 0)
		rpc_reply_err(u->req.door, u->req.addr, r, &err);
	else
		core_run(u->core, &u->req, u->fn, 0);
	unpacking_free(u);
}

static int check_content(struct core_call *c, const Pb__Image__Descriptor *d)
{
	struct store_item item;
	int r;

	if (!str_eq(d->media_type, TYPE))
		return err_set(c->err, -EUCLEAN, "unsupported checkpoint type %s",
			core_quote(c, d->media_type));
	if (identifier_check_digest(d->digest, NULL) < 0)
		return err_set(c->err, -EINVAL, "%s failed validation", core_quote(c, d->digest));
	r = store_get(c->core->store, STORE_CONTENT, c->ns, d->digest, c->arena, &item, c->err);
	return r == -ENOENT ? err_set(c->err, r, "content digest %s", d->digest) : r;
}

static int unpacking_new(struct core_call *c, core_fn *fn, struct unpacking **ret, int *ret_dir)
{
	struct unpacking *u = mem_calloc(1, sizeof(*u));
	int r;

	if (!u)
		return err_oom(c->err);
	u->core = c->core;
	u->fn = fn;
	u->req = *c->req;
	u->req.message = NULL;
	u->req.lease = NULL;
	u->req.ns = u->ns = strdup(c->ns);
	message_encode(c->req->message, &u->message);
	r = u->ns && buf_ok(&u->message) == 0 ? place_make(c->core, &u->place, ret_dir, c->err)
					      : err_oom(c->err);
	if (r == 0) {
		u->path = place_path(&u->place);
		r = u->path ? 0 : err_oom(c->err);
	}
	if (r < 0)
		unpacking_free(u);
	else
		*ret = u;
	return r;
}

int task_checkpoint_unpack(struct core_call *c, const Pb__Image__Descriptor *d, core_fn *fn)
{
	auto_done(helper_words) struct helper_words words = { 0 };
	struct unpacking *u = NULL;
	int blob, dir = -EBADF, r = check_content(c, d);
	uint64_t size;

	if (r == 0)
		r = blobs_read(c->core->blobs, d->digest, &blob, &size, c->err);
	if (r < 0)
		return r;
	helper_words_fd(&words, "blob", blob);
	r = unpacking_new(c, fn, &u, &dir);
	if (r < 0) {
		fd_close(dir);
		return r;
	}
	helper_words_fd(&words, "root", dir);
	r = chore_start(
		c->core, "checkpoints are unpacked by", "layer", &words, on_unpacked, u, c->err);
	if (r < 0)
		unpacking_free(u);
	c->answered = r == 0;
	return r;
}
