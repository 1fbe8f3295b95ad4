/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "container/annotation.h"

static int check(const char *key, const char *value, const char *text)
{
	struct spec_kv kv = { key, value };
	struct spec s = { .annotations = &kv, .n_annotations = 1 };
	struct err err = { 0 };
	int r = annotation_check(&s, &err);

	if (text)
		assert_text_has(err.text, text);
	return r;
}

TEST(what_would_be_another_kind_of_container_is_refused_by_name)
{
	assert_int_equal(check("run.oci.handler", "krun",
				 "annotation 'run.oci.handler': there is no handler 'krun'"),
		-ENOTSUP);
	assert_int_equal(check("run.oci.seccomp_bpf_data", "AAAA",
				 "annotation 'run.oci.seccomp_bpf_data': "),
		-ENOTSUP);
	/* no bytes are no filter, in place of the one in linux.seccomp */
	assert_int_equal(check("run.oci.seccomp_bpf_data", "", NULL), -ENOTSUP);
}

TEST(an_empty_handler_and_foreign_annotations_are_nothing)
{
	assert_int_equal(check("run.oci.handler", "", NULL), 0);
	assert_int_equal(check("run.oci.nobody_knows", "krun", NULL), 0);
	assert_int_equal(check("module.wasm.image/variant", "compat", NULL), 0);
}

TEST(the_context_is_one_of_four_words)
{
	static const char *const words[] = { "context", "fscontext", "defcontext", "rootcontext" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		struct spec_kv kv = { ANNOTATION_MOUNT_CONTEXT, words[i] };
		struct spec s = { .annotations = &kv, .n_annotations = 1 };

		assert_int_equal(check(kv.key, kv.value, NULL), 0);
		assert_string_equal(annotation_mount_context(&s), words[i]);
	}
	assert_string_equal(annotation_mount_context(&(struct spec){ 0 }), "context");
	/* it becomes part of an option: no way to write another one */
	assert_int_equal(check(ANNOTATION_MOUNT_CONTEXT, "size=1,context",
				 "'size=1,context' is none of context, fscontext"),
		-EINVAL);
	assert_int_equal(check(ANNOTATION_MOUNT_CONTEXT, "", NULL), -EINVAL);
}

static bool refuses(const char *value)
{
	struct spec_kv kv = { ANNOTATION_UNKNOWN_CALL, value };

	return annotation_refuses_unknown_calls(
		&(struct spec){ .annotations = &kv, .n_annotations = 1 });
}

TEST(unknown_calls_are_refused_unless_the_annotation_is_0_or_absent)
{
	assert_true(refuses("1"));
	assert_true(refuses(""));
	assert_false(refuses("0"));
	assert_false(annotation_refuses_unknown_calls(&(struct spec){ 0 }));
}
