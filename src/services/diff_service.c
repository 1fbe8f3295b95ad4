/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Diff: a layer is unpacked by reeve-helper (helper/layer.c), for that reads what others wrote, takes
 * its time, and needs libraries. The helper gets descriptors and no names: the blob, the directory
 * that the layer goes to, and those below it. The mounts say which these are; nothing is mounted.
 *
 * Who gives up waiting does not stop it: half a layer would be no better than a whole one.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"
#include "manager/identifier.h"
#include "services/blobs.h"
#include "services/chore.h"
#include "services/core.h"
#include "services/services.h"

#include "proto/image.pb-c.h"

enum { APPLY };

#define LOWER_MAX 500
#define LAYER_TYPE "application/vnd.oci.image.layer.v1.tar"

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

static const struct core_method methods[] = {
	[APPLY] = { apply, 0 },
};

static void handle(void *arg, const struct rpc_request *req)
{
	core_run(arg, req, methods[req->method->kind].fn, methods[req->method->kind].flags);
}

static const struct rpc_method rows[] = {
	{ "Apply", &pb__image__apply_request__descriptor, APPLY, handle },
};

const struct rpc_service diff_service = { "containerd.services.diff.v1.Diff", rows,
	ARRAY_LEN(rows) };
