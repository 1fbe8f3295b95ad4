/* SPDX-License-Identifier: Apache-2.0 */
#include <sched.h>

#include "test.h"

#include "bare/plan.h"
#include "base/mem.h"
#include "container/plan_builder.h"

static void sample(struct plan *p)
{
	static const char *const args[] = { "/bin/sh", "-c", "true" };
	struct plan_caps caps = { .bounding = 1 };
	struct plan_step *s;

	plan_init(p);
	s = plan_add(p, PLAN_WRITE);
	s->str[0] = plan_str(p, "/proc/self/oom_score_adj");
	plan_blob(p, s, "100", 3);
	s = plan_add(p, PLAN_TREE);
	s->fd[0] = plan_slot(p, -1);
	s->str[0] = plan_str(p, "/srv");
	s = plan_add(p, PLAN_MOUNT_FS);
	s->str[0] = plan_str(p, "proc");
	s->str[1] = plan_str(p, "/proc");
	s = plan_add(p, PLAN_LOOKUP);
	s->str[1] = plan_strs(p, args, 3);
	s->num[0] = 3;
	s = plan_add(p, PLAN_CAPS);
	plan_blob(p, s, &caps, sizeof(caps));
	plan_add(p, PLAN_EXEC);
}

static void *finished(size_t *size)
{
	struct plan p;
	struct err err = { 0 };
	void *block;

	sample(&p);
	assert_ok(plan_finish(&p, &block, size, &err));
	plan_done(&p);
	return block;
}

static struct plan_step *steps_of(void *block)
{
	struct plan_header *h = block;

	return (struct plan_step *)(void *)((char *)block + h->steps);
}

TEST(what_the_builder_writes_the_executor_accepts)
{
	size_t size;
	auto_free void *block = finished(&size);
	struct plan_step *s = steps_of(block);

	assert_int_equal(plan_check(block, size), PLAN_VERSION);
	assert_string_equal((char *)block + s[0].str[0], "/proc/self/oom_score_adj");
	assert_memory_equal((char *)block + s[0].blob, "100", 3);
	assert_string_equal((char *)block + s[3].str[1] + strlen("/bin/sh") + 1, "-c");
	assert_int_equal(s[1].fd[0], 1); /* after the fixed slot */
}

TEST(an_empty_plan_is_whole)
{
	struct plan p;
	struct err err = { 0 };
	auto_free void *block = NULL;
	size_t size;

	plan_init(&p);
	assert_ok(plan_finish(&p, &block, &size, &err));
	assert_int_equal(plan_check(block, size), PLAN_VERSION);
	plan_done(&p);
}

TEST(a_plan_that_lies_is_refused)
{
	size_t size;
	auto_free void *good = finished(&size);
	auto_free char *bad = malloc(size);
	struct plan_header *h = (struct plan_header *)(void *)bad;

	assert_non_null(bad);
#define REFUSED(change) \
	do { \
		struct plan_step *s; \
		memcpy(bad, good, size); \
		s = steps_of(bad); \
		(void)s; \
		change; \
		assert_true(plan_check(bad, size) < 0); \
	} while (0)
	REFUSED(h->magic++);
	REFUSED(h->version++);
	REFUSED(h->size--);
	REFUSED(h->n_steps = 100000);
	REFUSED(h->n_slots = PLAN_MAX_SLOTS + 1);
	REFUSED(h->steps += 4);
	REFUSED(s[0].op = PLAN_N_OPS);
	REFUSED(s[0].op = PLAN_NONE);
	REFUSED(s[0].str[0] = 0);
	REFUSED(s[0].str[0] = (uint32_t)size);
	REFUSED(s[0].str[0] = 8); /* into the tables */
	REFUSED(s[0].blob_len = (uint32_t)size);
	REFUSED(s[0].blob += 1);
	REFUSED(s[0].blob = 0);
	REFUSED(s[1].fd[0] = -1);
	REFUSED(s[1].fd[0] = -2);
	REFUSED(s[1].fd[0] = 3);
	REFUSED(s[3].num[0] = 1000);
	REFUSED(s[4].blob_len = 8);
	REFUSED(bad[size - 1] = 'x');
#undef REFUSED
	assert_true(plan_check(good, size - 8) < 0);
	assert_true(plan_check(good, 3) < 0);
}

TEST(too_large_a_plan_is_one_error)
{
	struct plan p;
	struct err err = { 0 };
	auto_free char *huge = malloc(PLAN_MAX_SIZE);
	void *block;
	size_t size;

	assert_non_null(huge);
	memset(huge, 'x', PLAN_MAX_SIZE - 1);
	huge[PLAN_MAX_SIZE - 1] = 0;
	plan_init(&p);
	plan_add(&p, PLAN_HOSTNAME)->str[0] = plan_str(&p, huge);
	assert_int_equal(plan_finish(&p, &block, &size, &err), -E2BIG);
	plan_done(&p);
	plan_init(&p);
	for (size_t i = 0; i <= PLAN_MAX_STEPS; i++)
		plan_add(&p, PLAN_SETSID);
	assert_int_equal(plan_finish(&p, &block, &size, &err), -E2BIG);
	plan_done(&p);
}

TEST(a_failed_step_is_named_with_its_object)
{
	struct plan p;
	char text[200];

	sample(&p);
	plan_describe(&p, 2, text, sizeof(text));
	assert_string_equal(text, "mount 'proc' at '/proc'");
	plan_describe(&p, 1, text, sizeof(text));
	assert_text_has(text, "/srv");
	plan_describe(&p, 999, text, sizeof(text));
	assert_true(text[0] != 0);
	plan_done(&p);
}

static void label(const char *file, const char *value, char *text, size_t size)
{
	struct plan p;
	struct plan_step *s;

	plan_init(&p);
	s = plan_add(&p, PLAN_LABEL);
	s->str[0] = plan_str(&p, file);
	plan_blob(&p, s, value, strlen(value));
	plan_describe(&p, 0, text, size);
	plan_done(&p);
}

TEST(a_deadline_that_cannot_be_had_says_what_stands_against_it)
{
	struct plan p;
	char text[200];

	plan_init(&p);
	plan_add(&p, PLAN_SCHEDULER)->num[0] = SCHED_DEADLINE;
	plan_describe(&p, 0, text, sizeof(text));
	assert_text_has(text, "process scheduler can't be used together with AllowedCPUs");
	plan_done(&p);
}

TEST(a_label_that_cannot_be_applied_is_named)
{
	char text[200];

	label("apparmor/exec", "exec docker-default", text, sizeof(text));
	assert_string_equal(text,
		"process.apparmorProfile: apparmor profile 'docker-default' could not be applied "
		"(profile not loaded?)");
	label("exec", "a:b:c", text, sizeof(text));
	assert_string_equal(text, "apply SELinux label 'a:b:c'");
}
