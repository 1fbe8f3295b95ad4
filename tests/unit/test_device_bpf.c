/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs for the device controller, run by a small interpreter and compared with the rules; as
 * root also loaded, attached to a cgroup below /sys/fs/cgroup and felt by a process in it.
 */
#include "container/device_bpf.h"

#include <sched.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "bpf_interp.h"
#include "cgroup_fixture.h"
#include "test.h"

static uint32_t rng_state = 4711;

static uint32_t rng(uint32_t below)
{
	rng_state = rng_state * 1664525u + 1013904223u;
	return (rng_state >> 8) % below;
}

static uint32_t random_number(uint32_t range)
{
	return rng(4) == 0 ? DEVICE_ANY : rng(range);
}

static void compare_random(uint32_t range, size_t max_rules, int rounds)
{
	struct device_rule *rules = calloc(max_rules + 1, sizeof(*rules));

	assert_non_null(rules);
	for (int round = 0; round < rounds; round++) {
		size_t n = rng((uint32_t)max_rules + 1), n_insns;
		struct device_policy p;
		struct bpf_insn *insns;

		for (size_t i = 0; i < n; i++)
			rules[i] = (struct device_rule){ rng(2), "abc"[rng(3)],
				random_number(range), random_number(range), rng(8) };
		assert_ok(device_policy_build(rules, n, &p, NULL));
		assert_ok(device_bpf_compile(&p, &insns, &n_insns));
		for (int i = 0; i < 200; i++) {
			char type = "bc"[rng(2)];
			uint32_t major = rng(range + 2), minor = rng(range + 2);
			unsigned int access = 1 + rng(7);
			unsigned int granted = device_rules_granted(rules, n, type, major, minor);

			assert_int_equal(bpf_interp_ask(insns, n_insns, type, major, minor, access),
				(access & ~granted) == 0);
		}
		device_policy_done(&p);
		free(insns);
	}
	free(rules);
}

TEST(programs_decide_as_the_rules_do)
{
	compare_random(5, 12, 2000);
}

TEST(large_programs_decide_as_the_rules_do)
{
	compare_random(60, 150, 20);
}

TEST(other_types_of_node_are_denied)
{
	const struct device_rule all = { true, 'a', DEVICE_ANY, DEVICE_ANY, DEVICE_ALL };
	const uint32_t ctx[3] = { DEVICE_READ << 16 | 3, 1, 3 };
	struct device_policy p;
	struct bpf_insn *insns;
	size_t n;

	assert_ok(device_policy_build(&all, 1, &p, NULL));
	assert_ok(device_bpf_compile(&p, &insns, &n));
	assert_int_equal(bpf_interp_run(insns, n, ctx), 0);
	device_policy_done(&p);
	free(insns);
}

TEST(numbers_above_two_billion_are_compared_unsigned)
{
	const struct device_rule rule = { true, 'c', 0xfffffff0u, 0x80000000u, DEVICE_READ };
	struct device_policy p;
	struct bpf_insn *insns;
	size_t n;

	assert_ok(device_policy_build(&rule, 1, &p, NULL));
	assert_ok(device_bpf_compile(&p, &insns, &n));
	assert_int_equal(bpf_interp_ask(insns, n, 'c', 0xfffffff0u, 0x80000000u, DEVICE_READ), 1);
	assert_int_equal(bpf_interp_ask(insns, n, 'c', 0xfffffff0u, 0, DEVICE_READ), 0);
	device_policy_done(&p);
	free(insns);
}

static void default_policy(struct device_policy *ret, bool with_null)
{
	struct device_rule rules[32];
	size_t n;
	const struct device_rule *usual = device_rules_default(&n);

	memcpy(rules, usual, n * sizeof(rules[0]));
	if (!with_null)
		rules[n++] = (struct device_rule){ false, 'c', 1, 3, DEVICE_WRITE };
	assert_ok(device_policy_build(rules, n, ret, NULL));
}

/* What a process in the cgroup can do: bit 0 null writable, 1 null readable, 2 kmsg readable. */
static int feel(int cgroup_fd)
{
	pid_t pid = fixture_clone_into(cgroup_fd);
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		int seen = (open("/dev/null", O_WRONLY | O_CLOEXEC) >= 0 ? 1 : 0) |
			   (open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0 ? 2 : 0) |
			   (open("/dev/kmsg", O_RDONLY | O_CLOEXEC) >= 0 ? 4 : 0);

		_exit(seen);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

TEST(the_kernel_takes_replaces_and_enforces_programs)
{
	struct fixture_cgroup2 cg;
	struct device_policy a, b;
	struct device_bpf_cache cache;
	size_t fds = test_open_fds();
	int fd, again, other;
	struct err err = { 0 };

	if (!fixture_cgroup2_make(&cg, "devices"))
		test_skip("needs root and a cgroup2 mount");
	device_bpf_cache_init(&cache);
	default_policy(&a, true);
	default_policy(&b, false);
	if (device_bpf_program(&a, &cache, &fd, &err) < 0) {
		fixture_cgroup2_remove(&cg);
		device_policy_done(&a);
		device_policy_done(&b);
		test_skip("%s", err.text);
	}
	assert_int_equal(feel(cg.fd), 7);
	assert_int_equal(device_bpf_attach(cg.fd, fd, &err), 0);
	assert_int_equal(feel(cg.fd), 3);
	assert_int_equal(device_bpf_program(&b, &cache, &other, &err), 0);
	assert_int_equal(device_bpf_replace(cg.fd, other, &err), 0);
	assert_int_equal(feel(cg.fd), 2);
	assert_int_equal(device_bpf_program(&a, &cache, &again, &err), 0);
	assert_int_equal(device_bpf_replace(cg.fd, again, &err), 0);
	assert_int_equal(feel(cg.fd), 3);
	close(fd);
	close(other);
	close(again);
	device_bpf_cache_done(&cache);
	device_bpf_cache_done(&cache);
	device_policy_done(&a);
	device_policy_done(&b);
	fixture_cgroup2_remove(&cg);
	assert_int_equal(test_open_fds(), fds);
}

TEST(the_kernel_takes_a_program_of_four_thousand_rules)
{
	struct device_rule *rules = calloc(DEVICE_RULES_MAX, sizeof(*rules));
	struct device_policy p;
	struct err err = { 0 };
	int fd;

	assert_non_null(rules);
	for (uint32_t i = 0; i < DEVICE_RULES_MAX; i++)
		rules[i] = (struct device_rule){ true, i % 2 ? 'b' : 'c', i, i % 7, 1 + i % 7 };
	assert_ok(device_policy_build(rules, DEVICE_RULES_MAX, &p, NULL));
	free(rules);
	if (geteuid() != 0) {
		device_policy_done(&p);
		test_skip("needs root");
	}
	assert_int_equal(device_bpf_program(&p, NULL, &fd, &err), 0);
	close(fd);
	device_policy_done(&p);
}
