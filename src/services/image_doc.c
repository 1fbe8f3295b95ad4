/* SPDX-License-Identifier: Apache-2.0 */
/* What is not understood is left alone; what is named must be a digest, or the document is none. */
#include "services/image_doc.h"

#include <errno.h>
#include <string.h>

#include "base/json_read.h"
#include "base/str.h"
#include "manager/identifier.h"

#define CHILDREN_MAX 4096
#define NOTES_MAX 1000

static const struct json_limits limits = { IMAGE_DOC_BYTES, 100000, 1 << 20, 64 };

enum image_doc_kind image_doc_kind(const char *type)
{
	if (str_eq(type, "application/vnd.oci.image.index.v1+json") ||
		str_eq(type, "application/vnd.docker.distribution.manifest.list.v2+json"))
		return IMAGE_DOC_INDEX;
	if (str_eq(type, "application/vnd.oci.image.manifest.v1+json") ||
		str_eq(type, "application/vnd.docker.distribution.manifest.v2+json"))
		return IMAGE_DOC_MANIFEST;
	if (str_eq(type, "application/vnd.oci.image.config.v1+json") ||
		str_eq(type, "application/vnd.docker.container.image.v1+json"))
		return IMAGE_DOC_CONFIG;
	if (str_starts(type, "application/vnd.oci.image.layer.") ||
		str_starts(type, "application/vnd.docker.image.rootfs."))
		return IMAGE_DOC_LAYER;
	return IMAGE_DOC_OTHER;
}

/* A text member; "" when there is none. One with a NUL is not what it seems. */
static int get_text(const struct json_node *o, const char *key, char **ret, struct err *err)
{
	const struct json_node *n = json_read_get(o, key);

	*ret = (char *)"";
	if (!n)
		return 0;
	if (n->kind != JSON_READ_STRING || strlen(n->text) != n->len)
		return err_set(err, -EINVAL, "'%s' is no text", key);
	*ret = (char *)n->text;
	return 0;
}

static int read_platform(
	struct arena *a, const struct json_node *o, Pb__Api__Platform *ret, struct err *err)
{
	int r;

	pb__api__platform__init(ret);
	r = get_text(o, "os", &ret->os, err);
	if (r == 0)
		r = get_text(o, "architecture", &ret->architecture, err);
	return r == 0 ? get_text(o, "variant", &ret->variant, err) : r;
}

static int read_notes(
	struct arena *a, const struct json_node *o, Pb__Image__Descriptor *ret, struct err *err)
{
	const struct json_node *notes = json_read_get(o, "annotations");

	if (!notes)
		return 0;
	if (notes->kind != JSON_READ_OBJECT || notes->n > NOTES_MAX)
		return err_set(err, -EINVAL, "'annotations' are none");
	ret->annotations = arena_calloc(a, notes->n + 1, sizeof(Pb__Pair *));
	for (const struct json_node *n = notes->first; n && ret->annotations; n = n->next) {
		Pb__Pair *pair = arena_calloc(a, 1, sizeof(*pair));

		if (!pair)
			return err_oom(err);
		if (n->kind != JSON_READ_STRING || strlen(n->text) != n->len)
			return err_set(err, -EINVAL, "the annotation '%.100s' is no text", n->key);
		pb__pair__init(pair);
		pair->key = (char *)n->key;
		pair->value = (char *)n->text;
		ret->annotations[ret->n_annotations++] = pair;
	}
	return ret->annotations ? 0 : err_oom(err);
}

static int read_child(
	struct arena *a, const struct json_node *o, struct image_child *ret, struct err *err)
{
	const struct json_node *platform, *bytes;
	int r;

	if (!o || o->kind != JSON_READ_OBJECT)
		return err_set(err, -EINVAL, "a descriptor is missing");
	platform = json_read_get(o, "platform");
	bytes = json_read_get(o, "size");
	pb__image__descriptor__init(&ret->desc);
	r = get_text(o, "mediaType", &ret->desc.media_type, err);
	if (r == 0)
		r = get_text(o, "digest", &ret->desc.digest, err);
	if (r == 0)
		r = identifier_check_digest(ret->desc.digest, err);
	if (r == 0 && (!bytes || json_read_i64(bytes, &ret->desc.size) < 0 || ret->desc.size < 0))
		r = err_set(err, -EINVAL, "%s has no size", ret->desc.digest);
	if (r == 0)
		r = read_notes(a, o, &ret->desc, err);
	if (r < 0 || !platform)
		return r;
	ret->platform = arena_calloc(a, 1, sizeof(*ret->platform));
	return ret->platform ? read_platform(a, platform, ret->platform, err) : err_oom(err);
}

static int read_list(
	struct arena *a, const struct json_node *list, struct image_doc *ret, struct err *err)
{
	int r = 0;

	if (list && list->kind != JSON_READ_ARRAY)
		return err_set(err, -EINVAL, "it has no list of what it is made of");
	for (const struct json_node *n = list ? list->first : NULL; n && r == 0; n = n->next)
		r = read_child(a, n, &ret->children[ret->n++], err);
	return r;
}

int image_doc_read(struct arena *a, enum image_doc_kind kind, const char *text, size_t len,
	struct image_doc *ret, struct err *err)
{
	const struct json_node *list;
	struct json_node *root;
	int r = json_read(a, text, len, &limits, &root, err);

	if (r < 0)
		return r;
	if (root->kind != JSON_READ_OBJECT)
		return err_set(err, -EINVAL, "it is no object");
	list = json_read_get(root, kind == IMAGE_DOC_INDEX ? "manifests" : "layers");
	if (list && list->n > CHILDREN_MAX)
		return err_set(err, -E2BIG, "it names more than %d others", CHILDREN_MAX);
	*ret = (struct image_doc){
		arena_calloc(a, (list ? list->n : 0) + 1, sizeof(struct image_child)), 0
	};
	if (!ret->children)
		return err_oom(err);
	if (kind == IMAGE_DOC_MANIFEST)
		r = read_child(a, json_read_get(root, "config"), &ret->children[ret->n++], err);
	return r == 0 ? read_list(a, list, ret, err) : r;
}

int image_config_read(
	struct arena *a, const char *text, size_t len, struct image_config *ret, struct err *err)
{
	const struct json_node *ids;
	struct json_node *root;
	int r = json_read(a, text, len, &limits, &root, err);

	if (r < 0)
		return r;
	if (root->kind != JSON_READ_OBJECT)
		return err_set(err, -EINVAL, "it is no object");
	*ret = (struct image_config){ 0 };
	ids = json_read_get(root, "rootfs");
	ids = ids && ids->kind == JSON_READ_OBJECT ? json_read_get(ids, "diff_ids") : NULL;
	if (ids && (ids->kind != JSON_READ_ARRAY || ids->n > CHILDREN_MAX))
		return err_set(err, -EINVAL, "it has no list of layers");
	ret->diff_ids = arena_calloc(a, (ids ? ids->n : 0) + 1, sizeof(char *));
	if (!ret->diff_ids)
		return err_oom(err);
	for (const struct json_node *n = ids ? ids->first : NULL; n; n = n->next) {
		r = n->kind == JSON_READ_STRING && strlen(n->text) == n->len
			    ? identifier_check_digest(n->text, err)
			    : err_set(err, -EINVAL, "the name of a layer is no text");
		if (r < 0)
			return r;
		ret->diff_ids[ret->n++] = n->text;
	}
	return read_platform(a, root, &ret->platform, err);
}

/* arm64 is its version 8. */
static const char *variant_of(const Pb__Api__Platform *p)
{
	return str_eq(p->architecture, "arm64") && str_eq(p->variant, "v8") ? "" : p->variant;
}

bool image_platform_match(const Pb__Api__Platform *wanted, const Pb__Api__Platform *is)
{
	const char *variant = variant_of(wanted);

	return str_eq(wanted->os, is->os) && str_eq(wanted->architecture, is->architecture) &&
	       (!*variant || str_eq(variant, variant_of(is)));
}
