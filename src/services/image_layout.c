/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same content gives the same archive, byte by byte: files stand in the order of their names and
 * have no times. What surprises: of an index all that fits the platforms is in it, but docker's
 * manifest names the first such manifest alone.
 */
#include "services/image_layout.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"
#include "manager/identifier.h"
#include "services/image_content.h"

#define FULL_NAME "io.containerd.image.name"
#define TAG "org.opencontainers.image.ref.name"
#define IMAGES_MAX 1000
#define FILES_MAX 100000

/* What docker's manifest says of one. */
struct tagged {
	const char *digest; /* of the manifest */
	struct image_doc doc;
	struct buf names;
};

struct making {
	struct core_call *call;
	struct image_layout *l;
	const Pb__Transfer__ImageExportStream *how;
	struct buf index;
	struct tagged *tagged;
	size_t n_tagged, n_images;
};

/* ---- files ---- */

static int add(struct making *m, struct layout_file f)
{
	size_t cap = m->l->cap ? 2 * m->l->cap : 64;
	struct layout_file *more;

	if (!f.name)
		return err_oom(m->call->err);
	if (m->l->n == FILES_MAX)
		return err_set(m->call->err, -E2BIG, "more than %d files in an archive", FILES_MAX);
	if (m->l->n == m->l->cap) {
		more = arena_calloc(&m->l->arena, cap, sizeof(*more));
		if (!more)
			return err_oom(m->call->err);
		if (m->l->n)
			memcpy(more, m->l->files, m->l->n * sizeof(*more));
		m->l->files = more;
		m->l->cap = cap;
	}
	m->l->files[m->l->n++] = f;
	return 0;
}

static int add_text(
	struct making *m, const char *name, const char *text, size_t len, unsigned int mode)
{
	const char *copy = arena_strndup(&m->l->arena, text, len);

	if (!copy)
		return err_oom(m->call->err);
	return add(
		m, (struct layout_file){ .name = name, .text = copy, .size = len, .mode = mode });
}

static int add_blob(struct making *m, const char *digest)
{
	auto_close int fd = -EBADF;
	struct layout_file f = { .mode = 0444 };
	int r = image_content_open(m->call, digest, &fd, &f.size);

	if (r < 0)
		return r;
	f.digest = arena_strdup(&m->l->arena, digest);
	if (!f.digest)
		return err_oom(m->call->err);
	f.name = arena_printf(&m->l->arena, "blobs/sha256/%s", digest + strlen("sha256:"));
	return add(m, f);
}

/* ---- images ---- */

static bool is_wanted(const struct making *m, const Pb__Api__Platform *p)
{
	for (size_t i = 0; i < m->how->n_platforms && p; i++)
		if (image_platform_match(m->how->platforms[i], p))
			return true;
	return m->how->n_platforms == 0 || !p;
}

/* What may not be handed on is said by its type. */
static bool stays_here(const struct making *m, const char *media_type)
{
	return m->how->skip_non_distributable &&
	       (strstr(media_type, "nondistributable") || strstr(media_type, ".foreign."));
}

static int add_manifest(struct making *m, const char *digest, struct image_doc *ret)
{
	int r = image_content_doc(m->call, &m->l->arena, IMAGE_DOC_MANIFEST, digest, ret);

	if (r == 0)
		r = add_blob(m, digest);
	for (size_t i = 0; r == 0 && i < ret->n; i++)
		if (!stays_here(m, ret->children[i].desc.media_type))
			r = add_blob(m, ret->children[i].desc.digest);
	return r;
}

static int add_index(
	struct making *m, const char *digest, const char **ret_manifest, struct image_doc *ret)
{
	struct image_doc index, doc;
	int r = image_content_doc(m->call, &m->l->arena, IMAGE_DOC_INDEX, digest, &index);

	for (size_t i = 0; r == 0 && i < index.n; i++) {
		const struct image_child *child = &index.children[i];
		bool wanted = is_wanted(m, child->platform);

		if ((!wanted && !m->how->all_platforms) ||
			image_doc_kind(child->desc.media_type) != IMAGE_DOC_MANIFEST)
			continue;
		r = add_manifest(m, child->desc.digest, &doc);
		if (r == 0 && wanted && !*ret_manifest) {
			*ret_manifest = child->desc.digest;
			*ret = doc;
		}
	}
	if (r == 0 && !*ret_manifest && m->how->n_platforms > 0)
		r = err_set(m->call->err, -ENOENT, "no manifest found for platform");
	return r == 0 ? add_blob(m, digest) : r;
}

/* ---- what the archive says of them ---- */

static const char *last_part(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash ? slash : name;
}

/* The part behind the name of the repository. */
static const char *tag_of(const char *name)
{
	const char *at = strchr(name, '/') ? strpbrk(last_part(name), ":@") : NULL;

	if (!strchr(name, '/'))
		return name;
	return !at ? "" : *at == ':' ? at + 1 : at;
}

static int by_key(const void *a, const void *b)
{
	return strcmp((*(Pb__Pair *const *)a)->key, (*(Pb__Pair *const *)b)->key);
}

static int add_to_index(struct making *m, const char *name, const Pb__Image__Descriptor *d)
{
	struct labels notes = { d->annotations, d->n_annotations };
	const char *tag = tag_of(name);

	if (labels_set(&notes, FULL_NAME, name, m->call->arena) < 0 ||
		labels_set(&notes, TAG, tag, m->call->arena) < 0)
		return err_oom(m->call->err);
	qsort(notes.pairs, notes.n, sizeof(Pb__Pair *), by_key);
	buf_adds(&m->index, m->n_images++ ? ",{\"mediaType\":" : "{\"mediaType\":");
	buf_add_json(&m->index, d->media_type);
	buf_adds(&m->index, ",\"digest\":");
	buf_add_json(&m->index, d->digest);
	buf_addf(&m->index, ",\"size\":%lld,\"annotations\":{", (long long)d->size);
	for (size_t i = 0; i < notes.n; i++) {
		if (i > 0)
			buf_addc(&m->index, ',');
		buf_add_json(&m->index, notes.pairs[i]->key);
		buf_addc(&m->index, ':');
		buf_add_json(&m->index, notes.pairs[i]->value);
	}
	buf_adds(&m->index, "}}");
	return 0;
}

/* As docker writes a name: without what every one of its own has. */
static int add_name(struct making *m, struct tagged *t, const char *name)
{
	auto_done(buf) struct buf full = { 0 };

	if (str_starts(name, "docker.io/library/"))
		name += strlen("docker.io/library/");
	else if (str_starts(name, "docker.io/"))
		name += strlen("docker.io/");
	buf_addf(&full, "%s%s", name, strpbrk(last_part(name), ":@") ? "" : ":latest");
	if (t->names.len)
		buf_addc(&t->names, ',');
	buf_add_json(&t->names, full.data ? full.data : "");
	return buf_ok(&full) < 0 || buf_ok(&t->names) < 0 ? err_oom(m->call->err) : 0;
}

static int add_tag(
	struct making *m, const char *digest, const struct image_doc *doc, const char *name)
{
	struct tagged *t;

	for (size_t i = 0; i < m->n_tagged; i++)
		if (str_eq(m->tagged[i].digest, digest))
			return add_name(m, &m->tagged[i], name);
	t = &m->tagged[m->n_tagged++];
	t->digest = digest;
	t->doc = *doc;
	return add_name(m, t, name);
}

static int load_image(struct core_call *c, const char *name, const Pb__Image__Image **ret)
{
	ProtobufCMessage *m = NULL;
	int r = core_load(c, STORE_IMAGE, c->ns, name, &pb__image__image__descriptor, &m);

	*ret = (const void *)m;
	if (r == -ENOENT)
		return err_set(c->err, r, "image %s", core_quote(c, name));
	if (r == 0 &&
		(!(*ret)->target || identifier_check_digest((*ret)->target->digest, NULL) < 0))
		return err_set(c->err, -EUCLEAN, "the record of image '%.200s' is empty", name);
	return r;
}

static int add_image(struct making *m, const char *name)
{
	const Pb__Image__Image *image = NULL;
	const char *manifest = NULL;
	struct image_doc doc = { 0 };
	enum image_doc_kind kind;
	int r = load_image(m->call, name, &image);

	if (r < 0 || !image)
		return r;
	kind = image_doc_kind(image->target->media_type);
	if (kind == IMAGE_DOC_INDEX) {
		r = add_index(m, image->target->digest, &manifest, &doc);
	} else if (kind == IMAGE_DOC_MANIFEST) {
		manifest = image->target->digest;
		r = add_manifest(m, manifest, &doc);
	} else {
		r = err_set(m->call->err, -EINVAL, "only manifests may be exported");
	}
	if (r == 0)
		r = add_to_index(m, name, image->target);
	return r == 0 && manifest ? add_tag(m, manifest, &doc, name) : r;
}

static void add_docker(const struct tagged *t, struct buf *out)
{
	size_t skip = strlen("sha256:");

	buf_addf(out, "{\"Config\":\"blobs/sha256/%s\",\"RepoTags\":[%s],\"Layers\":[",
		t->doc.children[0].desc.digest + skip, t->names.data);
	for (size_t i = 1; i < t->doc.n; i++)
		buf_addf(out, "%s\"blobs/sha256/%s\"", i > 1 ? "," : "",
			t->doc.children[i].desc.digest + skip);
	buf_adds(out, "]}");
}

static int add_docker_manifest(struct making *m)
{
	auto_done(buf) struct buf out = { 0 };

	if (m->how->skip_compatibility_manifest || m->n_tagged == 0)
		return 0;
	for (size_t i = 0; i < m->n_tagged; i++) {
		buf_addc(&out, i ? ',' : '[');
		add_docker(&m->tagged[i], &out);
	}
	buf_addc(&out, ']');
	return buf_ok(&out) < 0 ? err_oom(m->call->err)
				: add_text(m, "manifest.json", out.data, out.len, 0644);
}

/* ---- the whole ---- */

static int by_name(const void *a, const void *b)
{
	const struct layout_file *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* Each once. */
static void order(struct image_layout *l)
{
	size_t n = 0;

	qsort(l->files, l->n, sizeof(*l->files), by_name);
	for (size_t i = 0; i < l->n; i++)
		if (n == 0 || !str_eq(l->files[n - 1].name, l->files[i].name))
			l->files[n++] = l->files[i];
	l->n = n;
}

static int add_rest(struct making *m)
{
	static const char version[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
	int r;

	buf_adds(&m->index, "]}");
	if (buf_ok(&m->index) < 0)
		return err_oom(m->call->err);
	r = add_text(m, "index.json", m->index.data, m->index.len, 0644);
	if (r == 0)
		r = add_docker_manifest(m);
	if (r == 0)
		r = add_text(m, "oci-layout", version, strlen(version), 0444);
	if (r == 0)
		r = add(m, (struct layout_file){ .name = "blobs/", .mode = 0755 });
	return r == 0 ? add(m, (struct layout_file){ .name = "blobs/sha256/", .mode = 0755 }) : r;
}

static int add_images(struct making *m, const Pb__Transfer__ImageStore *store)
{
	int r = *store->name ? add_image(m, store->name) : 0;

	for (size_t i = 0; r == 0 && i < store->n_extra_references; i++) {
		const Pb__Transfer__ImageReference *ref = store->extra_references[i];

		/* containerd's own limit, in its words. */
		r = ref->is_prefix ? err_set(m->call->err, -ENOSYS,
					     "prefix lookup on export not implemented")
				   : add_image(m, ref->name);
	}
	if (r == 0 && m->n_images == 0)
		r = err_set(m->call->err, -EINVAL, "no image to export is named");
	return r;
}

int image_layout_make(struct core_call *c, const Pb__Transfer__ImageStore *store,
	const Pb__Transfer__ImageExportStream *how, struct image_layout *l)
{
	struct making m = { .call = c, .l = l, .how = how };
	int r;

	if (store->n_extra_references > IMAGES_MAX)
		return err_set(c->err, -E2BIG, "more than %d images", IMAGES_MAX);
	m.tagged = arena_calloc(&l->arena, store->n_extra_references + 1, sizeof(*m.tagged));
	if (!m.tagged)
		return err_oom(c->err);
	buf_adds(&m.index, "{\"schemaVersion\":2,\"mediaType\":"
			   "\"application/vnd.oci.image.index.v1+json\",\"manifests\":[");
	r = add_images(&m, store);
	if (r == 0)
		r = add_rest(&m);
	if (r == 0)
		order(l);
	for (size_t i = 0; i < m.n_tagged; i++)
		buf_done(&m.tagged[i].names);
	buf_done(&m.index);
	return r;
}

/* ---- tar ---- */

/* More than eleven digits hold is written in binary, as GNU tar does. */
static void put_size(char *out, uint64_t size)
{
	if (size < 1ULL << 33) {
		snprintf(out, 12, "%011llo", (unsigned long long)size);
		return;
	}
	memset(out, 0, 12);
	out[0] = (char)0x80;
	for (int i = 11; i > 3; i--, size >>= 8)
		out[i] = (char)(size & 0xff);
}

void image_layout_head(const struct layout_file *f, char out[LAYOUT_HEAD_SIZE])
{
	unsigned int sum = 0;

	memset(out, 0, LAYOUT_HEAD_SIZE);
	snprintf(out, 100, "%s", f->name);
	snprintf(out + 100, 8, "%07o", f->mode & 07777);
	snprintf(out + 108, 8, "%07o", 0u);
	snprintf(out + 116, 8, "%07o", 0u);
	put_size(out + 124, f->size);
	snprintf(out + 136, 12, "%011o", 0u);
	memset(out + 148, ' ', 8);
	out[156] = str_ends(f->name, "/") ? '5' : '0';
	snprintf(out + 257, 6, "ustar");
	memset(out + 263, '0', 2);
	snprintf(out + 329, 8, "%07o", 0u);
	snprintf(out + 337, 8, "%07o", 0u);
	for (size_t i = 0; i < LAYOUT_HEAD_SIZE; i++)
		sum += (unsigned char)out[i];
	snprintf(out + 148, 8, "%06o", sum);
}
