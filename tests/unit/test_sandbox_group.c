/* SPDX-License-Identifier: Apache-2.0 */
/* Who belongs to which sandbox, by annotation. */
#include "test.h"

#include "container/sandbox_group.h"

static struct state_record of(const char *sandbox_id, size_t n, const struct spec_kv *kv)
{
	struct spec_kv copy[4];
	struct spec spec = { .annotations = copy, .n_annotations = n };
	struct state_record rec = { .id = "me" };

	memcpy(copy, kv, n * sizeof(*kv));
	assert_ok(sandbox_group_record(&spec, sandbox_id, &rec));
	return rec;
}

#define OF(sandbox, ...) \
	of(sandbox, sizeof((struct spec_kv[]){ __VA_ARGS__ }) / sizeof(struct spec_kv), \
		(struct spec_kv[]){ __VA_ARGS__ })

#define CRI "io.kubernetes.cri.container-type"
#define CRI_ID "io.kubernetes.cri.sandbox-id"
#define CRIO "io.kubernetes.cri-o.ContainerType"
#define CRIO_ID "io.kubernetes.cri-o.SandboxID"

TEST(annotations_of_both_engines_are_read)
{
	struct state_record r = OF(NULL, { CRI, "sandbox" }, { CRI_ID, "me" });

	assert_int_equal(r.sandbox_type, STATE_SANDBOX_SANDBOX);
	assert_string_equal(r.sandbox_id, "me");
	assert_true(sandbox_group_has(&r, "me"));
	state_record_done(&r);

	r = OF(NULL, { CRI, "container" }, { CRI_ID, "pod" });
	assert_int_equal(r.sandbox_type, STATE_SANDBOX_MEMBER);
	assert_string_equal(r.sandbox_id, "pod");
	assert_true(sandbox_group_has(&r, "pod") && !sandbox_group_has(&r, "me"));
	state_record_done(&r);

	r = OF(NULL, { CRIO_ID, "pod" }, { CRIO, "container" });
	assert_int_equal(r.sandbox_type, STATE_SANDBOX_MEMBER);
	state_record_done(&r);

	r = OF("given", { CRI, "sandbox" });
	assert_string_equal(r.sandbox_id, "given");
	assert_int_equal(r.sandbox_type, STATE_SANDBOX_MEMBER);
	state_record_done(&r);
}

TEST(what_names_no_sandbox_is_a_container_by_itself)
{
	static const struct spec_kv rows[][2] = {
		{ { "a", "b" }, { "c", "d" } },
		{ { CRI, "container" }, { "c", "d" } },
		{ { CRI, "other" }, { CRI_ID, "pod" } },
		{ { CRI, "container" }, { CRI_ID, "" } },
		{ { CRI, "container" }, { CRI_ID, "../pod" } },
		{ { CRI, "container" }, { CRI_ID, "." } },
		{ { CRI, "container" }, { CRIO_ID, "pod" } },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct state_record r = of(NULL, 2, rows[i]);

		assert_int_equal(r.sandbox_type, STATE_SANDBOX_SINGLE);
		assert_null(r.sandbox_id);
		assert_false(sandbox_group_has(&r, "pod"));
		state_record_done(&r);
	}
}

TEST(the_score_is_that_of_the_config)
{
	struct spec_process process = { .has_oom_score_adj = true, .oom_score_adj = -7 };
	struct spec spec = { .process = &process };
	struct state_record r = { .id = "me" };

	assert_ok(sandbox_group_record(&spec, NULL, &r));
	assert_true(r.has_own_oom_score && r.own_oom_score == -7);
	process.has_oom_score_adj = false;
	r = (struct state_record){ .id = "me" };
	assert_ok(sandbox_group_record(&spec, NULL, &r));
	assert_false(r.has_own_oom_score);
}
