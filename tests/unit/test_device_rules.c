/* SPDX-License-Identifier: Apache-2.0 */
#include "container/device_rules.h"

#include "oci/spec.h"
#include "test.h"

static uint32_t rng_state = 12345;

static uint32_t rng(uint32_t below)
{
	rng_state = rng_state * 1664525u + 1013904223u;
	return (rng_state >> 8) % below;
}

/* Few numbers, so that rules overlap; 0 to 4 and "any". */
static uint32_t random_number(void)
{
	uint32_t n = rng(7);

	return n > 4 ? DEVICE_ANY : n;
}

static size_t random_rules(struct device_rule *rules, size_t max)
{
	size_t n = rng((uint32_t)max + 1);

	for (size_t i = 0; i < n; i++)
		rules[i] = (struct device_rule){ .allow = rng(2),
			.type = "abc"[rng(3)],
			.major = random_number(),
			.minor = random_number(),
			.access = rng(8) };
	return n;
}

#define ALL_DEVICES(type, major, minor) \
	for (const char *type = "bc"; *type; type++) \
		for (uint32_t major = 0; major < 7; major++) \
			for (uint32_t minor = 0; minor < 7; minor++)

TEST(a_policy_grants_what_its_rules_grant)
{
	for (int round = 0; round < 3000; round++) {
		struct device_rule rules[12];
		size_t n = random_rules(rules, 12);
		struct device_policy p;

		assert_ok(device_policy_build(rules, n, &p, NULL));
		ALL_DEVICES(type, major, minor)
		assert_int_equal(device_policy_granted(&p, *type, major, minor),
			device_rules_granted(rules, n, *type, major, minor));
		device_policy_done(&p);
	}
}

TEST(equal_behaviour_gives_equal_texts_and_only_that)
{
	for (int round = 0; round < 3000; round++) {
		struct device_rule a[4], b[4];
		size_t na = random_rules(a, 4), nb = random_rules(b, 4);
		struct device_policy pa, pb;
		struct buf ta = { 0 }, tb = { 0 };
		bool equal = true;

		assert_ok(device_policy_build(a, na, &pa, NULL));
		assert_ok(device_policy_build(b, nb, &pb, NULL));
		ALL_DEVICES(type, major, minor)
		if (device_rules_granted(a, na, *type, major, minor) !=
			device_rules_granted(b, nb, *type, major, minor))
			equal = false;
		device_policy_text(&pa, &ta);
		device_policy_text(&pb, &tb);
		assert_int_equal(strcmp(ta.data, tb.data) == 0, equal);
		buf_done(&ta);
		buf_done(&tb);
		device_policy_done(&pa);
		device_policy_done(&pb);
	}
}

TEST(of_each_access_the_last_rule_decides)
{
	const struct device_rule rules[] = {
		{ false, 'a', DEVICE_ANY, DEVICE_ANY, DEVICE_ALL },
		{ true, 'c', 1, DEVICE_ANY, DEVICE_ALL },
		{ false, 'c', 1, 3, DEVICE_WRITE },
		{ true, 'c', 5, 0, DEVICE_READ },
		{ true, 'c', 5, 0, DEVICE_WRITE },
	};

	assert_int_equal(device_rules_granted(rules, 5, 'c', 1, 5), DEVICE_ALL);
	assert_int_equal(device_rules_granted(rules, 5, 'c', 1, 3), DEVICE_READ | DEVICE_MKNOD);
	assert_int_equal(device_rules_granted(rules, 5, 'b', 1, 5), 0);
	assert_int_equal(device_rules_granted(rules, 5, 'c', 5, 0), DEVICE_READ | DEVICE_WRITE);
}

static void complete(struct spec_device_rule *spec, size_t n, struct device_policy *ret)
{
	struct spec_resources res = { .devices = spec, .n_devices = n };
	struct device_rule *rules;
	struct err err = { 0 };
	size_t n_rules;

	assert_ok(device_rules_complete(&res, &rules, &n_rules, &err));
	assert_ok(device_policy_build(rules, n_rules, ret, &err));
	free(rules);
}

TEST(the_usual_deny_all_leaves_the_default_devices)
{
	struct spec_device_rule spec[] = { { .allow = false, .access = "rwm" } };
	struct device_policy p;

	complete(spec, 1, &p);
	assert_int_equal(device_policy_granted(&p, 'c', 1, 3), DEVICE_ALL);
	assert_int_equal(device_policy_granted(&p, 'c', 136, 77), DEVICE_ALL);
	assert_int_equal(device_policy_granted(&p, 'c', 10, 200), DEVICE_ALL);
	assert_int_equal(device_policy_granted(&p, 'b', 8, 0), DEVICE_MKNOD);
	assert_int_equal(device_policy_granted(&p, 'c', 1, 1), DEVICE_MKNOD);
	device_policy_done(&p);
}

TEST(without_rules_only_the_default_devices_are_allowed)
{
	struct device_policy p;

	complete(NULL, 0, &p);
	assert_int_equal(device_policy_granted(&p, 'c', 1, 3), DEVICE_ALL);
	assert_int_equal(device_policy_granted(&p, 'b', 8, 0), DEVICE_MKNOD);
	assert_false(device_policy_allows_all(&p));
	device_policy_done(&p);
}

TEST(a_special_rule_of_the_user_beats_a_default_one)
{
	struct spec_device_rule spec[] = { { .allow = false },
		{ .allow = false,
			.type = 'c',
			.has_major = true,
			.major = 10,
			.has_minor = true,
			.minor = 200 },
		{ .allow = true,
			.type = 'c',
			.has_major = true,
			.major = 10,
			.has_minor = true,
			.minor = 229,
			.access = "rw" } };
	struct device_policy p;

	complete(spec, 3, &p);
	assert_int_equal(device_policy_granted(&p, 'c', 10, 200), DEVICE_MKNOD);
	assert_int_equal(device_policy_granted(&p, 'c', 10, 229), DEVICE_ALL); /* m is a default */
	assert_int_equal(device_policy_granted(&p, 'c', 1, 3), DEVICE_ALL);
	device_policy_done(&p);
}

/* As Docker does for fuse: cgroup v1 has no words for a node that is not to be made while all are. */
TEST(one_device_denied_leaves_the_making_of_nodes_and_v1_can_say_it)
{
	struct spec_device_rule spec[] = { { .allow = false, .access = "rwm" },
		{ .allow = false,
			.type = 'c',
			.has_major = true,
			.major = 10,
			.has_minor = true,
			.minor = 229,
			.access = "rwm" } };
	struct device_v1_plan v1;
	struct device_policy p;

	complete(spec, 2, &p);
	assert_int_equal(device_policy_granted(&p, 'c', 10, 229), DEVICE_MKNOD);
	assert_int_equal(device_policy_granted(&p, 'c', 10, 200), DEVICE_ALL);
	assert_ok(device_v1_plan(&p, &v1, NULL));
	assert_false(v1.allow);
	device_v1_plan_done(&v1);
	device_policy_done(&p);
}

TEST(allow_all_is_recognised)
{
	struct spec_device_rule spec[] = { { .allow = true, .access = "rwm" } };
	struct device_v1_plan v1;
	struct device_policy p;

	complete(spec, 1, &p);
	assert_true(device_policy_allows_all(&p));
	assert_ok(device_v1_plan(&p, &v1, NULL));
	assert_true(v1.allow);
	assert_int_equal(v1.n, 0);
	device_v1_plan_done(&v1);
	device_policy_done(&p);
}

TEST(bad_rules_are_named)
{
	struct spec_device_rule spec = { .type = 'c', .has_major = true, .major = -2 };
	struct spec_resources res = { .devices = &spec, .n_devices = 1 };
	struct device_rule *rules;
	struct err err = { 0 };
	size_t n;

	assert_int_equal(device_rules_complete(&res, &rules, &n, &err), -EINVAL);
	assert_text_has(err.text, "linux.resources.devices[0].major");
	spec.major = UINT32_MAX;
	assert_int_equal(device_rules_complete(&res, &rules, &n, &err), -EINVAL);
	spec.major = 5;
	spec.access = "x";
	assert_int_equal(device_rules_complete(&res, &rules, &n, &err), -EINVAL);
	assert_text_has(err.text, "linux.resources.devices[0].access");
	spec.access = "r";
	spec.type = 'x';
	assert_int_equal(device_rules_complete(&res, &rules, &n, &err), -EINVAL);
	assert_text_has(err.text, "linux.resources.devices[0].type");
	res.n_devices = DEVICE_RULES_MAX + 1;
	assert_int_equal(device_rules_complete(&res, &rules, &n, &err), -E2BIG);
}

/* The kernel's v1 controller: one request against the rows. */
static bool v1_permits(const struct device_v1_plan *v1, char type, uint32_t major, uint32_t minor,
	unsigned int request)
{
	for (size_t i = 0; i < v1->n; i++) {
		const struct device_v1_row *row = &v1->rows[i];

		if (row->type != type || (row->major != DEVICE_ANY && row->major != major) ||
			(row->minor != DEVICE_ANY && row->minor != minor))
			continue;
		if (v1->allow && (request & row->access))
			return false;
		if (!v1->allow && !(request & ~row->access))
			return true;
	}
	return v1->allow;
}

TEST(cgroup_v1_is_told_exactly_the_policy_or_it_is_refused)
{
	int said = 0, refused = 0;

	for (int round = 0; round < 4000; round++) {
		struct device_rule rules[6];
		size_t n = random_rules(rules, 6);
		struct device_policy p;
		struct device_v1_plan v1;
		int r;

		assert_ok(device_policy_build(rules, n, &p, NULL));
		r = device_v1_plan(&p, &v1, NULL);
		if (r == 0) {
			said++;
			ALL_DEVICES(type, major, minor)
			for (unsigned int q = 1; q <= DEVICE_ALL; q++)
				assert_int_equal(v1_permits(&v1, *type, major, minor, q),
					!(q & ~device_policy_granted(&p, *type, major, minor)));
			device_v1_plan_done(&v1);
		} else {
			assert_int_equal(r, -EOPNOTSUPP);
			refused++;
		}
		device_policy_done(&p);
	}
	assert_true(said > 1000);
	assert_true(refused > 100);
}

TEST(v1_lists_are_read_back)
{
	struct device_v1_plan p;
	struct device_v1_row row = { 'c', 136, DEVICE_ANY, 0 };
	char text[DEVICE_V1_TEXT_SIZE];

	assert_ok(device_v1_read("a *:* rwm\n", &p));
	assert_true(p.allow);
	assert_int_equal(p.n, 0);
	device_v1_plan_done(&p);
	assert_ok(device_v1_read("c 1:3 rwm\nb *:* m\nc 136:* rw\n", &p));
	assert_false(p.allow);
	assert_int_equal(p.n, 3);
	assert_int_equal(device_v1_row_access(&p, &row), DEVICE_READ | DEVICE_WRITE);
	assert_string_equal(device_v1_text(&p.rows[0], text), "c 1:3 rwm");
	assert_string_equal(device_v1_text(&p.rows[1], text), "b *:* m");
	assert_string_equal(device_v1_text(&p.rows[2], text), "c 136:* rw");
	device_v1_plan_done(&p);
	assert_int_equal(device_v1_read("x 1:3 rwm\n", &p), -EBADMSG);
	assert_int_equal(device_v1_read("c 1 rwm\n", &p), -EBADMSG);
	assert_int_equal(device_v1_read("c 1:99999999999 r\n", &p), -EBADMSG);
	assert_int_equal(device_v1_read("c 1:3 rwx\n", &p), -EBADMSG);
	assert_int_equal(device_v1_read("c", &p), -EBADMSG);
}

TEST(too_many_combinations_are_refused)
{
	struct device_rule *rules = calloc(2000, sizeof(*rules));
	struct device_policy p;
	struct err err = { 0 };

	assert_non_null(rules);
	for (uint32_t i = 0; i < 1000; i++) {
		rules[i] = (struct device_rule){ true, 'c', DEVICE_ANY, i, DEVICE_READ };
		rules[1000 + i] = (struct device_rule){ true, 'c', i, DEVICE_ANY, DEVICE_WRITE };
	}
	assert_int_equal(device_policy_build(rules, 2000, &p, &err), -E2BIG);
	assert_text_has(err.text, "linux.resources.devices");
	free(rules);
}
