/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "services/image_doc.h"
#include "services/image_names.h"

#define D1 "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define D2 "sha256:2222222222222222222222222222222222222222222222222222222222222222"
#define MANIFEST "application/vnd.oci.image.manifest.v1+json"

static int read_doc(struct arena *a, enum image_doc_kind kind, const char *text,
	struct image_doc *ret, struct err *err)
{
	return image_doc_read(a, kind, text, strlen(text), ret, err);
}

TEST(an_index_names_manifests)
{
	auto_done(arena) struct arena a = { 0 };
	struct image_doc doc;
	struct err err = { 0 };

	assert_ok(read_doc(&a, IMAGE_DOC_INDEX,
		"{\"manifests\":[{\"mediaType\":\"" MANIFEST "\",\"digest\":\"" D1
		"\",\"size\":5,\"annotations\":{\"k\":\"v\"},\"platform\":{\"os\":\"linux\","
		"\"architecture\":\"arm\","
		"\"variant\":\"v7\"}},{\"digest\":\"" D2 "\",\"size\":0}]}",
		&doc, &err));
	assert_int_equal(doc.n, 2);
	assert_string_equal(doc.children[0].desc.digest, D1);
	assert_int_equal(doc.children[0].desc.size, 5);
	assert_int_equal(image_doc_kind(doc.children[0].desc.media_type), IMAGE_DOC_MANIFEST);
	assert_string_equal(doc.children[0].desc.annotations[0]->value, "v");
	assert_string_equal(doc.children[0].platform->variant, "v7");
	assert_null(doc.children[1].platform);
	assert_ok(read_doc(&a, IMAGE_DOC_INDEX, "{}", &doc, &err));
	assert_int_equal(doc.n, 0);
}

TEST(a_manifest_names_its_configuration_first)
{
	auto_done(arena) struct arena a = { 0 };
	struct image_doc doc;
	struct err err = { 0 };

	assert_ok(read_doc(&a, IMAGE_DOC_MANIFEST,
		"{\"layers\":[{\"digest\":\"" D2 "\",\"size\":7}],\"config\":{\"digest\":\"" D1
		"\",\"size\":3}}",
		&doc, &err));
	assert_int_equal(doc.n, 2);
	assert_string_equal(doc.children[0].desc.digest, D1);
	assert_string_equal(doc.children[1].desc.digest, D2);
	assert_int_equal(read_doc(&a, IMAGE_DOC_MANIFEST, "{\"layers\":[]}", &doc, &err), -EINVAL);
}

TEST(what_is_no_document_is_refused)
{
	static const char *const bad[] = { "", "[]", "1", "{\"manifests\":{}}",
		"{\"manifests\":[1]}", "{\"manifests\":[{}]}",
		"{\"manifests\":[{\"digest\":\"sha256:1\",\"size\":1}]}",
		"{\"manifests\":[{\"digest\":\"../../etc\",\"size\":1}]}",
		"{\"manifests\":[{\"digest\":\"" D1 "\"}]}",
		"{\"manifests\":[{\"digest\":\"" D1 "\",\"size\":-1}]}",
		"{\"manifests\":[{\"digest\":\"" D1 "\",\"size\":1.5}]}",
		"{\"manifests\":[{\"digest\":5,\"size\":1}]}",
		"{\"manifests\":[{\"digest\":\"" D1 "\",\"size\":1,\"annotations\":[]}]}",
		"{\"manifests\":[{\"digest\":\"" D1 "\",\"size\":1,\"annotations\":{\"k\":1}}]}",
		"{\"manifests\":[{\"digest\":\"" D1 "\\u0000\",\"size\":1}]}",
		"{\"manifests\":[{\"digest\":\"" D1 "\",\"size\":1,\"platform\":{\"os\":1}}]}" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		auto_done(arena) struct arena a = { 0 };
		struct image_doc doc;
		struct err err = { 0 };

		assert_int_equal(read_doc(&a, IMAGE_DOC_INDEX, bad[i], &doc, &err), -EINVAL);
		assert_true(err.text[0]);
	}
}

TEST(a_configuration_names_its_layers)
{
	auto_done(arena) struct arena a = { 0 };
	const char *good =
		"{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"diff_ids\":[\"" D1
		"\",\"" D2 "\"]}}";
	const char *bad = "{\"rootfs\":{\"diff_ids\":[\"x\"]}}";
	struct image_config config;
	struct err err = { 0 };

	assert_ok(image_config_read(&a, good, strlen(good), &config, &err));
	assert_int_equal(config.n, 2);
	assert_string_equal(config.diff_ids[1], D2);
	assert_string_equal(config.platform.architecture, "amd64");
	assert_int_equal(image_config_read(&a, bad, strlen(bad), &config, &err), -EINVAL);
	assert_ok(image_config_read(&a, "{}", 2, &config, &err));
	assert_int_equal(config.n, 0);
	assert_int_equal(image_config_read(&a, "{\"rootfs\":[]}", 13, &config, &err), 0);
}

static Pb__Api__Platform platform(const char *os, const char *arch, const char *variant)
{
	Pb__Api__Platform p = PB__API__PLATFORM__INIT;

	p.os = (char *)os;
	p.architecture = (char *)arch;
	p.variant = (char *)variant;
	return p;
}

TEST(platforms_match)
{
	Pb__Api__Platform amd = platform("linux", "amd64", ""),
			  arm = platform("linux", "arm64", "");
	Pb__Api__Platform v8 = platform("linux", "arm64", "v8"),
			  v7 = platform("linux", "arm", "v7");
	Pb__Api__Platform v6 = platform("linux", "arm", "v6"), any = platform("linux", "arm", "");

	assert_true(image_platform_match(&amd, &amd));
	assert_false(image_platform_match(&amd, &arm));
	assert_true(image_platform_match(&arm, &v8));
	assert_true(image_platform_match(&v8, &arm));
	assert_false(image_platform_match(&v7, &v6));
	assert_true(image_platform_match(&any, &v6));
}

/* One manifest with these annotations, "" for none, and one reference. */
static const char *name_of(struct arena *a, const char *full, const char *tag,
	Pb__Transfer__ImageReference ref, size_t *ret_n)
{
	Pb__Transfer__ImageStore store = PB__TRANSFER__IMAGE_STORE__INIT;
	Pb__Transfer__ImageReference *refs[] = { &ref };
	Pb__Pair pairs[2] = { PB__PAIR__INIT, PB__PAIR__INIT }, *notes[2] = { NULL };
	struct image_child top = { .desc = PB__IMAGE__DESCRIPTOR__INIT }, child = top;
	struct image_doc doc = { &child, 1 };
	struct image_name *names = NULL;
	struct err err = { 0 };
	size_t n = 0;

	pairs[0].key = (char *)"io.containerd.image.name";
	pairs[0].value = (char *)full;
	pairs[1].key = (char *)"org.opencontainers.image.ref.name";
	pairs[1].value = (char *)tag;
	for (size_t i = 0; i < 2; i++)
		if (*pairs[i].value)
			notes[n++] = &pairs[i];
	child.desc.digest = (char *)D1;
	child.desc.annotations = notes;
	child.desc.n_annotations = n;
	store.extra_references = refs;
	store.n_extra_references = 1;
	assert_ok(image_names(a, &store, &top, &doc, &names, ret_n, &err));
	return *ret_n ? names[*ret_n - 1].name : NULL;
}

TEST(names_come_from_annotations_and_prefixes)
{
	auto_done(arena) struct arena a = { 0 };
	Pb__Transfer__ImageReference free_ = PB__TRANSFER__IMAGE_REFERENCE__INIT, only, digest;
	size_t n;

	free_.name = (char *)"foo/bar";
	free_.is_prefix = free_.allow_overwrite = 1;
	only = free_;
	only.allow_overwrite = 0;
	digest = only;
	digest.add_digest = 1;
	assert_string_equal(name_of(&a, "a/b:1", "1", free_, &n), "a/b:1");
	assert_null(name_of(&a, "a/b:1", "1", only, &n));
	assert_string_equal(name_of(&a, "foo/bar:1", "1", only, &n), "foo/bar:1");
	assert_null(name_of(&a, "foo/barbaz:1", "1", only, &n));
	assert_string_equal(name_of(&a, "", "latest", only, &n), "foo/bar:latest");
	assert_null(name_of(&a, "", "", only, &n));
	assert_null(name_of(&a, "short", "", free_, &n));
	assert_string_equal(name_of(&a, "", "", digest, &n), "foo/bar@" D1);
	assert_string_equal(name_of(&a, "", "x", digest, &n), "foo/bar@" D1);
	assert_int_equal(n, 2);
	digest.skip_named_digest = 1;
	assert_string_equal(name_of(&a, "", "x", digest, &n), "foo/bar:x");
	assert_int_equal(n, 1);
	only.is_prefix = 0;
	assert_string_equal(name_of(&a, "", "x", only, &n), "foo/bar");
}
