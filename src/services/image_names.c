/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules are containerd's: an annotation with a whole name is taken or left, one with a tag is put
 * behind the prefix that the client gives; one without either may get a name by its digest.
 */
#include "services/image_names.h"

#include <string.h>

#include "base/str.h"

#define FULL_NAME "io.containerd.image.name"
#define TAG "org.opencontainers.image.ref.name"

struct list {
	struct arena *arena;
	struct image_name *names;
	size_t n, cap;
	struct err *err;
};

static int add(struct list *l, const char *name, struct image_child *target)
{
	struct image_name *more;
	size_t cap = l->cap ? 2 * l->cap : 16;

	if (!name)
		return err_oom(l->err);
	if (l->n == l->cap) {
		more = arena_calloc(l->arena, cap, sizeof(*more));
		if (!more)
			return err_oom(l->err);
		if (l->n)
			memcpy(more, l->names, l->n * sizeof(*more));
		l->names = more;
		l->cap = cap;
	}
	l->names[l->n++] = (struct image_name){ name, target };
	return 0;
}

static const char *note(const struct image_child *child, const char *key)
{
	for (size_t i = 0; i < child->desc.n_annotations; i++)
		if (str_eq(child->desc.annotations[i]->key, key))
			return child->desc.annotations[i]->value;
	return "";
}

static bool has_prefix(const char *name, const char *prefix)
{
	return str_starts(name, prefix) &&
	       (!name[strlen(prefix)] || strchr("/:@", name[strlen(prefix)]));
}

/* "" for none. NULL: no memory. */
static const char *name_by(
	struct list *l, const Pb__Transfer__ImageReference *ref, const struct image_child *child)
{
	const char *full = note(child, FULL_NAME), *tag = note(child, TAG);
	const char *name = *full ? full : tag;

	if (!*name)
		return "";
	if (strpbrk(name, "/:@"))
		return ref->allow_overwrite || has_prefix(name, ref->name) ? name : "";
	return *full ? "" : arena_printf(l->arena, "%s:%s", ref->name, name);
}

static int add_by(
	struct list *l, const Pb__Transfer__ImageReference *ref, struct image_child *child)
{
	const char *name = name_by(l, ref, child);
	int r = 0;

	if (!name)
		return err_oom(l->err);
	if (*name)
		r = add(l, name, child);
	if (r == 0 && ref->add_digest && (!*name || !ref->skip_named_digest))
		r = add(l, arena_printf(l->arena, "%s@%s", ref->name, child->desc.digest), child);
	return r;
}

static int add_top(struct list *l, const Pb__Transfer__ImageStore *store, struct image_child *top)
{
	int r = *store->name ? add(l, store->name, top) : 0;

	for (size_t i = 0; r == 0 && i < store->n_extra_references; i++) {
		const Pb__Transfer__ImageReference *ref = store->extra_references[i];

		if (ref->is_prefix)
			continue;
		r = add(l,
			ref->add_digest
				? arena_printf(l->arena, "%s@%s", ref->name, top->desc.digest)
				: ref->name,
			top);
	}
	return r;
}

int image_names(struct arena *a, const Pb__Transfer__ImageStore *store, struct image_child *top,
	const struct image_doc *doc, struct image_name **ret, size_t *ret_n, struct err *err)
{
	struct list l = { .arena = a, .err = err };
	int r = add_top(&l, store, top);

	for (size_t k = 0; r == 0 && k < doc->n; k++)
		for (size_t i = 0; r == 0 && i < store->n_extra_references; i++)
			if (store->extra_references[i]->is_prefix)
				r = add_by(&l, store->extra_references[i], &doc->children[k]);
	if (r < 0)
		return r;
	*ret = l.names;
	*ret_n = l.n;
	return 0;
}
