/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Diff: a layer is unpacked by reeve-helper (helper/layer.c), and made by it (helper/diff.c), for that reads what
 * others wrote, takes its time, and needs libraries. The helper gets descriptors and no names: the blob, the directory
 * that the layer goes to, and those below it. The mounts say which these are; none is made where others see it.
 *
 * Who gives up waiting does not stop it: half a layer would be no better than a whole one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "manager/identifier.h"
#include "services/blobs.h"
#include "services/chore.h"
#include "services/content.h"
#include "services/core.h"
#include "services/services.h"

#include "proto/image.pb-c.h"

enum { APPLY, DIFF };

#define LOWER_MAX 500
#define LAYER_TYPE "application/vnd.oci.image.layer.v1.tar"
#define UNCOMPRESSED "containerd.io/uncompressed"

/* Who asked, and is told in the end. */
struct apply {
	struct rpc_door *door;
	struct rpc_addr addr;
};

/* ---- the end ---- */

static int reply_layer(
	const struct apply *a, const char *digest, const char *number, struct err *err)
{
	Pb__Image__ApplyResponse m = PB__IMAGE__APPLY_RESPONSE__INIT;
	Pb__Image__Descriptor d = PB__IMAGE__DESCRIPTOR__INIT;
	uint64_t size;

	if (identifier_check_digest(digest, NULL) < 0 || str_to_u64(number, INT64_MAX, &size) < 0)
		return err_set(err, -EPROTO, "reeve-helper's answer is none");
	d.media_type = (char *)LAYER_TYPE;
	d.digest = (char *)digest;
	d.size = (int64_t)size;
	m.applied = &d;
	rpc_reply_message(a->door, a->addr, &m.base);
	return 0;
}

static void on_applied(
	void *arg, int r, const char *digest, const char *number, const struct err *err)
{
	auto_free struct apply *a = arg;
	struct err why = { 0 };

	if (r == 0)
		r = reply_layer(a, digest, number, &why);
	else
		err_set(&why, r, "failed to extract layer: %s", err->text);
	if (r < 0)
		rpc_reply_err(a->door, a->addr, r, &why);
}

/* ---- the beginning ---- */

static int add_dir(struct core_call *c, struct helper_words *w, const char *name, const char *path)
{
	int fd;

	if (*path != '/')
		return err_set(c->err, -EINVAL, "'%.200s' is no absolute path", path);
	fd = fd_open(path, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return err_code(c->err, fd, "open '%.200s'", path);
	helper_words_fd(w, name, fd);
	return 0;
}

static const char *option_of(const Pb__Mount *m, const char *name)
{
	for (size_t i = 0; i < m->n_options; i++)
		if (str_starts(m->options[i], name))
			return m->options[i] + strlen(name);
	return NULL;
}

static int add_lower(struct core_call *c, struct helper_words *w, const char *list)
{
	size_t n = 0;

	while (list && *list) {
		size_t len = strcspn(list, ":");
		char *path = arena_strndup(c->arena, list, len);
		int r;

		if (!path)
			return err_oom(c->err);
		if (++n > LOWER_MAX)
			return err_set(c->err, -E2BIG, "more than %d lower directories", LOWER_MAX);
		r = add_dir(c, w, "lower", path);
		if (r < 0)
			return r;
		list += len + (list[len] == ':');
	}
	return 0;
}

static int add_mounts(
	struct core_call *c, struct helper_words *w, const Pb__Image__ApplyRequest *in)
{
	const Pb__Mount *m = in->n_mounts == 1 ? in->mounts[0] : NULL;
	const char *upper;
	int r;

	if (!m)
		return err_set(c->err, -EINVAL, "a layer is applied to one mount, not to %zu",
			in->n_mounts);
	if (str_eq(m->type, "bind"))
		return add_dir(c, w, "root", m->source);
	upper = str_eq(m->type, "overlay") ? option_of(m, "upperdir=") : NULL;
	if (!upper)
		return err_set(c->err, -ENOSYS,
			"a layer cannot be applied to a mount of type '%.50s'%s", m->type,
			str_eq(m->type, "overlay") ? " without an upper directory" : "");
	helper_words_flag(w, "overlay", true);
	r = add_dir(c, w, "root", upper);
	return r == 0 ? add_lower(c, w, option_of(m, "lowerdir=")) : r;
}

static int check_layer(struct core_call *c, const Pb__Image__Descriptor *d)
{
	struct store_item item;
	int r;

	if (!d || identifier_check_digest(d->digest, NULL) < 0)
		return err_set(
			c->err, -EINVAL, "%s failed validation", core_quote(c, d ? d->digest : ""));
	if (!str_starts(d->media_type, "application/vnd.docker.image.rootfs.") &&
		!str_starts(d->media_type, "application/vnd.oci.image.layer."))
		return err_set(
			c->err, -ENOSYS, "unsupported diff media type: %.100s", d->media_type);
	if (str_ends(d->media_type, "+encrypted"))
		return err_set(
			c->err, -ENOSYS, "unsupported diff media type: %.100s", d->media_type);
	r = store_get(c->core->store, STORE_CONTENT, c->ns, d->digest, c->arena, &item, c->err);
	return r == -ENOENT ? err_set(c->err, r, "content %s", d->digest) : r;
}

static int apply(struct core_call *c)
{
	const Pb__Image__ApplyRequest *in = (const void *)c->req->message;
	auto_done(helper_words) struct helper_words words = { 0 };
	struct apply *a;
	uint64_t size;
	int fd, r = check_layer(c, in->diff);

	if (r == 0)
		r = blobs_read(c->core->blobs, in->diff->digest, &fd, &size, c->err);
	if (r < 0)
		return r;
	helper_words_fd(&words, "blob", fd);
	r = add_mounts(c, &words, in);
	if (r < 0)
		return r;
	a = mem_calloc(1, sizeof(*a));
	if (!a)
		return err_oom(c->err);
	*a = (struct apply){ c->req->door, c->req->addr };
	r = chore_start(c->core, "layers are unpacked by", "layer", &words, on_applied, a, c->err);
	if (r < 0)
		free(a);
	c->answered = r == 0;
	return r;
}

/* ---- the other way: a layer is made ---- */

struct diff {
	struct core *core;
	struct rpc_door *door;
	struct rpc_addr addr;
	char *ns;
	struct core_writer *writer;
	struct buf request; /* of the client, encoded */
};

static void diff_free(struct diff *d, bool made)
{
	content_make_drop(d->writer, made);
	buf_done(&d->request);
	free(d->ns);
	free(d);
}

static const char *media_type_of(const Pb__Image__DiffRequest *in)
{
	return *in->media_type ? in->media_type : LAYER_TYPE "+gzip";
}

static bool is_packed(const Pb__Image__DiffRequest *in)
{
	return !str_eq(media_type_of(in), LAYER_TYPE);
}

/* "DIGEST", "SIZE DIGEST": of the blob, and of the tar in it. */
static int read_sums(const char *digest, const char *rest, uint64_t *ret_size, const char **ret_tar,
	struct err *err)
{
	char number[24];
	size_t len = strcspn(rest, " ");

	snprintf(number, sizeof(number), "%.*s", (int)len, rest);
	*ret_tar = rest + len + (rest[len] == ' ');
	if (identifier_check_digest(digest, NULL) < 0 ||
		identifier_check_digest(*ret_tar, NULL) < 0 ||
		str_to_u64(number, INT64_MAX, ret_size) < 0)
		return err_set(err, -EPROTO, "reeve-helper's answer is none");
	return 0;
}

static int commit_diff(struct core_call *c, struct core_writer *writer,
	const Pb__Image__DiffRequest *in, const char *tar, Pb__Image__Descriptor *ret)
{
	struct labels labels = { in->labels, in->n_labels };
	auto_free char *digest = malloc(DIGEST_SIZE);
	uint64_t size;
	int r = store_begin(c->core->store, c->err);

	if (r < 0)
		return r;
	if (!digest || (is_packed(in) && labels_set(&labels, UNCOMPRESSED, tar, c->arena) < 0))
		r = err_oom(c->err);
	if (r == 0)
		r = content_make_commit(c, writer, &labels, digest, &size);
	if (r == 0)
		r = store_commit(c->core->store, c->err);
	else
		store_rollback(c->core->store);
	if (r < 0)
		return r;
	ret->media_type = (char *)media_type_of(in);
	ret->digest = arena_strdup(c->arena, digest);
	ret->size = (int64_t)size;
	return ret->digest ? 0 : err_oom(c->err);
}

static int finish_diff(struct core_call *c, struct diff *d, const char *digest, const char *rest)
{
	Pb__Image__DiffResponse m = PB__IMAGE__DIFF_RESPONSE__INIT;
	Pb__Image__Descriptor made = PB__IMAGE__DESCRIPTOR__INIT;
	const ProtobufCMessage *in = NULL;
	const char *tar;
	uint64_t size;
	int r = read_sums(digest, rest, &size, &tar, c->err);

	if (r == 0)
		r = message_decode(&pb__image__diff_request__descriptor, d->request.data,
			d->request.len, c->arena, &in, c->err);
	if (r < 0)
		return r;
	content_make_written(d->writer, digest, size);
	r = commit_diff(c, d->writer, (const void *)in, tar, &made);
	if (r < 0)
		return err_in(c->err, "failed to commit");
	m.diff = &made;
	rpc_reply_message(d->door, d->addr, &m.base);
	return 0;
}

static void on_diff(void *arg, int r, const char *first, const char *second, const struct err *why)
{
	auto_done(arena) struct arena arena = { 0 };
	struct diff *d = arg;
	struct err err = { 0 };
	struct core_call c = { .core = d->core, .ns = d->ns, .arena = &arena, .err = &err };

	if (r == 0)
		r = finish_diff(&c, d, first, second);
	else
		err_set(&err, r, "failed to write diff: %s", why->text);
	if (r < 0)
		rpc_reply_err(d->door, d->addr, r, &err);
	diff_free(d, r == 0);
}

/* Directories over each other, the uppermost first, as mounts have them. */
struct stack {
	const char *path[LOWER_MAX + 1];
	size_t n;
	bool userxattr;
};

static int stack_add(struct core_call *c, struct stack *s, const char *path, size_t len)
{
	if (s->n > LOWER_MAX)
		return err_set(c->err, -E2BIG, "more than %d lower directories", LOWER_MAX);
	s->path[s->n] = arena_strndup(c->arena, path, len);
	return s->path[s->n++] ? 0 : err_oom(c->err);
}

static int stack_overlay(struct core_call *c, struct stack *s, const Pb__Mount *m)
{
	const char *upper = option_of(m, "upperdir="), *list = option_of(m, "lowerdir=");
	int r = upper ? stack_add(c, s, upper, strlen(upper)) : 0;

	while (r == 0 && list && *list) {
		size_t len = strcspn(list, ":");

		r = stack_add(c, s, list, len);
		list += len + (list[len] == ':');
	}
	for (size_t i = 0; i < m->n_options; i++)
		s->userxattr = s->userxattr || str_eq(m->options[i], "userxattr");
	return r;
}

static int stack_of(struct core_call *c, Pb__Mount *const *mounts, size_t n, struct stack *ret)
{
	*ret = (struct stack){ 0 };
	if (n == 0)
		return 0;
	if (n > 1)
		return err_set(c->err, -ENOSYS, "a tree of %zu mounts cannot be compared", n);
	if (str_eq(mounts[0]->type, "bind"))
		return stack_add(c, ret, mounts[0]->source, strlen(mounts[0]->source));
	if (str_eq(mounts[0]->type, "overlay"))
		return stack_overlay(c, ret, mounts[0]);
	return err_set(
		c->err, -ENOSYS, "a mount of type '%.50s' cannot be compared", mounts[0]->type);
}

static bool stands_on(const struct stack *upper, const struct stack *lower)
{
	if (lower->n == 0 || upper->n != lower->n + 1)
		return false;
	for (size_t i = 0; i < lower->n; i++)
		if (!str_eq(upper->path[i + 1], lower->path[i]))
			return false;
	return true;
}

static int add_stack(
	struct core_call *c, struct helper_words *w, const char *name, const struct stack *s)
{
	int r = 0;

	for (size_t i = 0; i < s->n && r == 0; i++)
		r = add_dir(c, w, name, s->path[i]);
	return r;
}

static int add_trees(struct core_call *c, struct helper_words *w, const Pb__Image__DiffRequest *in)
{
	struct stack *left = arena_alloc(c->arena, 2 * sizeof(*left)), *right = left + 1;
	int r;

	if (!left)
		return err_oom(c->err);
	r = stack_of(c, in->left, in->n_left, left);
	if (r == 0)
		r = stack_of(c, in->right, in->n_right, right);
	if (r == 0)
		r = add_stack(c, w, "left", left);
	if (r == 0)
		r = add_stack(c, w, "right", right);
	if (r == 0 && right->n == 0)
		return err_set(c->err, -EINVAL, "there is nothing to compare with");
	helper_words_flag(w, "guide", stands_on(right, left));
	helper_words_flag(w, "userxattr", left->userxattr || right->userxattr);
	return r;
}

static int add_kind(struct core_call *c, struct helper_words *w, const Pb__Image__DiffRequest *in)
{
	const char *type = media_type_of(in);

	if (str_eq(type, LAYER_TYPE "+gzip"))
		helper_words_flag(w, "gzip", true);
	else if (str_eq(type, LAYER_TYPE "+zstd"))
		helper_words_flag(w, "zstd", true);
	else if (!str_eq(type, LAYER_TYPE))
		return err_set(c->err, -ENOSYS, "unsupported diff media type: %.100s", type);
	if (in->source_date_epoch)
		helper_words_add(w, "epoch", "%lld", (long long)in->source_date_epoch->seconds);
	return 0;
}

static int diff_new(struct core_call *c, const char *ref, struct diff **ret)
{
	struct diff *d = mem_calloc(1, sizeof(*d));
	int r;

	if (!d)
		return err_oom(c->err);
	d->core = c->core;
	d->door = c->req->door;
	d->addr = c->req->addr;
	d->ns = strdup(c->ns);
	message_encode(c->req->message, &d->request);
	r = d->ns && buf_ok(&d->request) == 0 ? content_make(c, ref, &d->writer) : err_oom(c->err);
	if (r < 0) {
		diff_free(d, false);
		return err_in(c->err, "failed to open writer");
	}
	*ret = d;
	return 0;
}

/* Of who names none. */
static const char *own_ref(struct core_call *c)
{
	uint32_t nonce = 0;

	(void)!getrandom(&nonce, sizeof(nonce), 0);
	return arena_printf(
		c->arena, "%llu-%08x", (unsigned long long)clock_wall_ns(), (unsigned int)nonce);
}

static int diff_(struct core_call *c)
{
	const Pb__Image__DiffRequest *in = (const void *)c->req->message;
	const struct labels labels = { in->labels, in->n_labels };
	auto_done(helper_words) struct helper_words words = { 0 };
	const char *ref = *in->ref ? in->ref : own_ref(c);
	struct diff *d = NULL;
	int fd, r = add_kind(c, &words, in);

	if (r == 0)
		r = labels_check(&labels, "info.Labels", c->err);
	if (r == 0)
		r = add_trees(c, &words, in);
	if (r == 0)
		r = ref ? diff_new(c, ref, &d) : err_oom(c->err);
	if (!d)
		return r;
	fd = content_make_fd(d->writer, c->err);
	r = fd < 0 ? fd : 0;
	if (r == 0) {
		helper_words_fd(&words, "out", fd);
		r = chore_start(c->core, "layers are made by", "diff", &words, on_diff, d, c->err);
	}
	if (r < 0)
		diff_free(d, false);
	c->answered = r == 0;
	return r;
}

static const struct core_method methods[] = {
	[APPLY] = { apply, 0 },
	[DIFF] = { diff_, CORE_WRITES },
};

static void handle(void *arg, const struct rpc_request *req)
{
	core_run(arg, req, methods[req->method->kind].fn, methods[req->method->kind].flags);
}

static const struct rpc_method rows[] = {
	{ "Apply", &pb__image__apply_request__descriptor, APPLY, handle },
	{ "Diff", &pb__image__diff_request__descriptor, DIFF, handle },
};

const struct rpc_service diff_service = { "containerd.services.diff.v1.Diff", rows,
	ARRAY_LEN(rows) };
