/* SPDX-License-Identifier: Apache-2.0 */
/* Images: names of content. What a name leads to is the content's own business (labels, gc.c). */
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "manager/identifier.h"
#include "services/core.h"
#include "services/filter.h"
#include "services/gc.h"
#include "services/services.h"

#include "proto/api.pb-c.h"
#include "proto/image.pb-c.h"

enum { GET, LIST, CREATE, UPDATE, DELETE };

typedef Pb__Image__Image image;

static int load(struct core_call *c, const char *name, image **ret)
{
	ProtobufCMessage *m = NULL;
	int r = core_load(c, STORE_IMAGE, c->ns, name, &pb__image__image__descriptor, &m);

	*ret = (image *)(void *)m;
	return r == -ENOENT ? err_set(c->err, r, "image %s", core_quote(c, name)) : r;
}

static int answer(struct core_call *c, image *i)
{
	Pb__Image__ImageAnswer *m = arena_calloc(c->arena, 1, sizeof(*m));

	if (!m)
		return err_oom(c->err);
	pb__image__image_answer__init(m);
	m->image = i;
	c->reply = &m->base;
	return 0;
}

static int get(struct core_call *c)
{
	const Pb__Image__ImageName *in = (const void *)c->req->message;
	image *i = NULL;
	int r = load(c, in->name, &i);

	return r < 0 ? r : answer(c, i);
}

static const char *image_field(void *object, const char *const *path, size_t n)
{
	const image *i = object;
	const Pb__Image__Descriptor *t = i->target;

	if (str_eq(path[0], "name"))
		return str_empty(i->name) ? NULL : i->name;
	if (str_eq(path[0], "labels"))
		return labels_at(&(struct labels){ i->labels, i->n_labels }, path + 1, n - 1);
	if (!t)
		return NULL;
	if (str_eq(path[0], "annotations"))
		return labels_at(
			&(struct labels){ t->annotations, t->n_annotations }, path + 1, n - 1);
	if (!str_eq(path[0], "target") || n < 2)
		return NULL;
	if (str_eq(path[1], "digest"))
		return str_empty(t->digest) ? NULL : t->digest;
	return str_eq(path[1], "mediatype") && !str_empty(t->media_type) ? t->media_type : NULL;
}

static bool keep(void *filter, ProtobufCMessage *m)
{
	return filter_match(filter, image_field, m);
}

static int list(struct core_call *c)
{
	const Pb__Image__ListImagesRequest *in = (const void *)c->req->message;
	Pb__Image__ListImagesResponse *m = arena_calloc(c->arena, 1, sizeof(*m));
	const struct filter *filter;
	struct core_list all;
	int r = filter_parse(in->filters, in->n_filters, c->arena, &filter, c->err);

	if (r == 0)
		r = core_list(c, STORE_IMAGE, c->ns, &pb__image__image__descriptor, keep,
			(void *)filter, &all);
	if (r < 0)
		return r;
	if (!m)
		return err_oom(c->err);
	pb__image__list_images_response__init(m);
	m->images = (image **)(void *)all.items;
	m->n_images = all.n;
	c->reply = &m->base;
	return 0;
}

/* ---- changes ---- */

static int check(struct core_call *c, const image *i)
{
	const Pb__Image__Descriptor *t = i->target;

	if (!*i->name)
		return err_set(c->err, -EINVAL, "image name must not be empty");
	if (labels_check(&(struct labels){ i->labels, i->n_labels }, "image.Labels", c->err) < 0)
		return c->err->code;
	if (identifier_check_digest(t ? t->digest : "", c->err) < 0)
		return err_in(
			c->err, "Target.Digest %s invalid", core_quote(c, t ? t->digest : ""));
	if (!t || t->size <= 0)
		return err_set(c->err, -EINVAL, "Target.Size must be greater than zero");
	if (!*t->media_type)
		return err_set(c->err, -EINVAL, "Target.MediaType must be set");
	return 0;
}

static int clean(struct core_call *c, image *i)
{
	struct labels labels = { i->labels, i->n_labels };
	struct labels notes = { i->target->annotations, i->target->n_annotations };

	if (labels_clean(&labels, c->arena) < 0 || labels_clean(&notes, c->arena) < 0)
		return err_oom(c->err);
	i->labels = labels.pairs;
	i->n_labels = labels.n;
	i->target->annotations = notes.pairs;
	i->target->n_annotations = notes.n;
	return 0;
}

static int announce(struct core_call *c, const char *topic, const char *type, const image *i)
{
	Pb__Api__ImageCreate *event = arena_calloc(c->arena, 1, sizeof(*event));

	if (!event)
		return err_oom(c->err);
	pb__api__image_create__init(event); /* update's has the same fields, delete's the first */
	event->name = i->name;
	event->labels = i->labels;
	event->n_labels = i->n_labels;
	c->topic = topic;
	c->event_type = type;
	c->event = &event->base;
	return 0;
}

static int create(struct core_call *c)
{
	const Pb__Image__ImageAnswer *in = (const void *)c->req->message;
	Pb__Image__Image none = PB__IMAGE__IMAGE__INIT;
	image *i = in->image ? in->image : &none, *old;
	int r = check(c, i);

	if (r < 0)
		return r;
	r = load(c, i->name, &old);
	if (r == 0)
		return err_set(c->err, -EEXIST, "image %s", core_quote(c, i->name));
	if (r != -ENOENT)
		return r;
	i->created_at = i->updated_at = core_now(c);
	r = clean(c, i);
	if (r == 0)
		r = core_touch_namespace(c);
	if (r == 0)
		r = core_save(c, STORE_IMAGE, c->ns, i->name, &i->base);
	if (r == 0)
		r = announce(c, "/images/create", "containerd.services.images.v1.ImageCreate", i);
	return r < 0 ? r : answer(c, i);
}

static int set_one(struct core_call *c, Pb__Pair ***pairs, size_t *n, const struct labels *from,
	const char *key)
{
	struct labels to = { *pairs, *n };
	const char *value = labels_get(from, key);

	if (labels_set(&to, key, value ? value : "", c->arena) < 0)
		return err_oom(c->err);
	*pairs = to.pairs;
	*n = to.n;
	return 0;
}

static int update_field(struct core_call *c, image *i, const image *wanted, const char *path)
{
	const Pb__Image__Descriptor *t = wanted->target;
	const struct labels labels = { wanted->labels, wanted->n_labels };
	const struct labels notes = { t ? t->annotations : NULL, t ? t->n_annotations : 0 };

	if (str_starts(path, "labels."))
		return set_one(c, &i->labels, &i->n_labels, &labels, path + 7);
	if (str_starts(path, "annotations."))
		return set_one(
			c, &i->target->annotations, &i->target->n_annotations, &notes, path + 12);
	if (str_eq(path, "labels")) {
		i->labels = labels.pairs;
		i->n_labels = labels.n;
	} else if (str_eq(path, "target")) {
		i->target = wanted->target;
	} else if (str_eq(path, "annotations")) {
		i->target->annotations = notes.pairs;
		i->target->n_annotations = notes.n;
	} else {
		return err_set(c->err, -EINVAL, "cannot update %s field on image %s",
			core_quote(c, path), core_quote(c, i->name));
	}
	return 0;
}

static int update(struct core_call *c)
{
	static char *const all[] = { (char *)"labels", (char *)"target" };
	const Pb__Image__UpdateImageRequest *in = (const void *)c->req->message;
	const Pb__Api__FieldMask *mask = in->update_mask;
	size_t n = mask && mask->n_paths ? mask->n_paths : ARRAY_LEN(all);
	char *const *paths = mask && mask->n_paths ? mask->paths : all;
	image *i = NULL;
	int r;

	if (!in->image || !*in->image->name)
		return err_set(c->err, -EINVAL, "image name is required for update");
	r = load(c, in->image->name, &i);
	for (size_t k = 0; k < n && r == 0; k++) {
		/* The next path may ask for its annotations. */
		if (!i->target)
			return check(c, i);
		r = update_field(c, i, in->image, paths[k]);
	}
	if (r == 0)
		r = check(c, i);
	if (r == 0)
		r = clean(c, i);
	if (r < 0)
		return r;
	i->updated_at = core_now(c);
	r = core_save(c, STORE_IMAGE, c->ns, i->name, &i->base);
	if (r == 0)
		r = announce(c, "/images/update", "containerd.services.images.v1.ImageUpdate", i);
	gc_want(c->core->gc, c->ns);
	return r < 0 ? r : answer(c, i);
}

static int delete_(struct core_call *c)
{
	const Pb__Image__DeleteImageRequest *in = (const void *)c->req->message;
	Pb__Image__Image gone = PB__IMAGE__IMAGE__INIT;
	int r = store_delete(c->core->store, STORE_IMAGE, c->ns, in->name, c->err);

	if (r == -ENOENT)
		return err_set(c->err, r, "image %s", core_quote(c, in->name));
	if (r < 0)
		return r;
	gone.name = in->name;
	gc_want(c->core->gc, c->ns);
	if (in->sync)
		c->after = gc_now;
	return announce(c, "/images/delete", "containerd.services.images.v1.ImageDelete", &gone);
}

static const struct core_method methods[] = {
	[GET] = { get, 0 },
	[LIST] = { list, 0 },
	[CREATE] = { create, CORE_WRITES },
	[UPDATE] = { update, CORE_WRITES },
	[DELETE] = { delete_, CORE_WRITES },
};

static void handle(void *arg, const struct rpc_request *req)
{
	core_run(arg, req, methods[req->method->kind].fn, methods[req->method->kind].flags);
}

static const struct rpc_method rows[] = {
	{ "Get", &pb__image__image_name__descriptor, GET, handle },
	{ "List", &pb__image__list_images_request__descriptor, LIST, handle },
	{ "Create", &pb__image__image_answer__descriptor, CREATE, handle },
	{ "Update", &pb__image__update_image_request__descriptor, UPDATE, handle },
	{ "Delete", &pb__image__delete_image_request__descriptor, DELETE, handle },
};

const struct rpc_service image_service = { "containerd.services.images.v1.Images", rows,
	ARRAY_LEN(rows) };
