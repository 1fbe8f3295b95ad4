/* SPDX-License-Identifier: Apache-2.0 */
/* linux.resources as properties of a unit, in the words that reeve-helper takes. */
#include "test.h"

#include "base/mem.h"
#include "container/unit_property.h"

static void take(struct helper_words *w, char *out, size_t size)
{
	size_t len = 0;

	assert_false(w->failed);
	*out = '\0';
	for (size_t i = 0; i < w->n; i++)
		len += (size_t)snprintf(out + len, size - len, "%s%s", i ? "\n" : "", w->word[i]);
	helper_words_done(w);
}

static void assert_limits(const char *json, bool v2, const char *wanted)
{
	struct spec_resources_doc *doc = NULL;
	struct helper_words w = { 0 };
	struct err err = { 0 };
	char got[2048];

	if (spec_parse_resources(json, strlen(json), &doc, &err) < 0 ||
		unit_property_limits(&doc->resources, v2, &w, &err) < 0)
		fail_msg("%s: %s", json, err.text);
	take(&w, got, sizeof(got));
	assert_string_equal(got, wanted);
	spec_resources_doc_free(doc);
}

TEST(nothing_asked_is_nothing_said)
{
	struct helper_words w = { 0 };
	struct err err = { 0 };

	assert_ok(unit_property_limits(NULL, true, &w, &err));
	assert_int_equal(w.n, 0);
	assert_limits("{}", true, "");
	assert_limits("{\"memory\":{},\"cpu\":{},\"pids\":{}}", true, "");
}

TEST(memory_on_v2_has_its_swap_apart)
{
	assert_limits("{\"memory\":{\"limit\":100,\"swap\":150,\"reservation\":50}}", true,
		"MemoryMax=t:100\nMemoryLow=t:50\nMemorySwapMax=t:50");
	assert_limits("{\"memory\":{\"limit\":100,\"swap\":-1}}", true,
		"MemoryMax=t:100\nMemorySwapMax=t:18446744073709551615");
	assert_limits("{\"memory\":{\"limit\":-1}}", true,
		"MemoryMax=t:18446744073709551615\nMemorySwapMax=t:18446744073709551615");
	assert_limits("{\"memory\":{\"limit\":100,\"swap\":150,\"reservation\":50}}", false,
		"MemoryLimit=t:100");
}

TEST(cpu_quota_is_kept_in_whole_percents)
{
	assert_limits("{\"cpu\":{\"quota\":50000,\"period\":100000}}", true,
		"CPUQuotaPeriodUSec@242=t:100000\nCPUQuotaPerSecUSec=t:500000");
	assert_limits("{\"cpu\":{\"quota\":33333,\"period\":100000}}", true,
		"CPUQuotaPeriodUSec@242=t:100000\nCPUQuotaPerSecUSec=t:340000");
	assert_limits("{\"cpu\":{\"quota\":1}}", true, "CPUQuotaPerSecUSec=t:10000");
	assert_limits(
		"{\"cpu\":{\"quota\":-1}}", true, "CPUQuotaPerSecUSec=t:18446744073709551615");
	assert_limits("{\"cpu\":{\"period\":20000}}", true,
		"CPUQuotaPeriodUSec@242=t:20000\nCPUQuotaPerSecUSec=t:18446744073709551615");
}

TEST(cpu_weight_is_that_of_the_files)
{
	assert_limits("{\"cpu\":{\"shares\":1024}}", true, "CPUWeight=t:100");
	assert_limits("{\"cpu\":{\"shares\":1024}}", false, "CPUShares=t:1024");
	assert_limits("{\"cpu\":{\"shares\":1024,\"idle\":1}}", true, "CPUWeight@252=t:0");
	assert_limits("{\"cpu\":{\"shares\":1024,\"idle\":0}}", true, "CPUWeight=t:100");
}

TEST(sets_are_bytes_with_the_first_cpu_lowest)
{
	assert_limits("{\"cpu\":{\"cpus\":\"0,9-11\",\"mems\":\"0\"}}", true,
		"AllowedCPUs@244=ay:010e\nAllowedMemoryNodes@244=ay:01");
	assert_limits(
		"{\"cpu\":{\"cpus\":\"63-64\"}}", true, "AllowedCPUs@244=ay:000000000000008001");
	assert_limits("{\"cpu\":{\"cpus\":\"0\"}}", false, "");
}

TEST(tasks_and_weight_of_io)
{
	assert_limits("{\"pids\":{\"limit\":33}}", true, "TasksMax=t:33");
	assert_limits("{\"pids\":{\"limit\":0}}", true, "TasksMax=t:1");
	assert_limits("{\"pids\":{\"limit\":-1}}", true, "TasksMax=t:18446744073709551615");
	assert_limits("{\"blockIO\":{\"weight\":1000}}", true, "IOWeight=t:10000");
	assert_limits("{\"blockIO\":{\"weight\":1000}}", false, "BlockIOWeight=t:1000");
}

TEST(unified_files_that_are_properties)
{
	assert_limits(
		"{\"unified\":{\"memory.high\":\"7\",\"memory.max\":\"max\",\"memory.min\":\"3\"}}",
		true, "MemoryHigh=t:7\nMemoryMax=t:18446744073709551615\nMemoryMin=t:3");
	assert_limits("{\"unified\":{\"cpu.max\":\"2000 10000\",\"cpu.weight\":\"77\"}}", true,
		"CPUQuotaPeriodUSec@242=t:10000\nCPUQuotaPerSecUSec=t:200000\nCPUWeight=t:77");
	assert_limits("{\"unified\":{\"cpu.max\":\"max\",\"pids.max\":\"9\"}}", true,
		"CPUQuotaPerSecUSec=t:18446744073709551615\nTasksMax=t:9");
	assert_limits("{\"unified\":{\"cpu.idle\":\"1\",\"memory.oom.group\":\"1\"}}", true,
		"CPUWeight@252=t:0\nOOMPolicy@253=s:kill");
	assert_limits("{\"unified\":{\"cpuset.cpus\":\"1\",\"memory.oom.group\":\"0\"}}", true,
		"AllowedCPUs@244=ay:02\nOOMPolicy@253=s:continue");
	/* the file itself says what is wrong with these */
	assert_limits(
		"{\"unified\":{\"cpu.max\":\"x 1\",\"memory.max\":\"1G\",\"rdma.max\":\"y\"}}",
		true, "");
	assert_limits("{\"unified\":{\"memory.max\":\"1\"}}", false, "");
}

TEST(what_each_unit_has)
{
	struct unit_name scope = { "p-n.scope", "a.slice", false };
	struct unit_name slice = { "a-b.slice", "a.slice", true };
	struct helper_words w = { 0 };
	char got[1024];

	unit_property_base(&scope, "what it is", true, &w);
	take(&w, got, sizeof(got));
	assert_string_equal(got, "Description=s:what it is\nSlice=s:a.slice\nDelegate=b:1\n"
				 "MemoryAccounting=b:1\nCPUAccounting=b:1\nIOAccounting=b:1\n"
				 "TasksAccounting=b:1\nDefaultDependencies=b:0");
	unit_property_base(&slice, "what it is", false, &w);
	take(&w, got, sizeof(got));
	assert_string_equal(got, "Description=s:what it is\nWants=as:a.slice\n"
				 "MemoryAccounting=b:1\nCPUAccounting=b:1\nBlockIOAccounting=b:1\n"
				 "TasksAccounting=b:1\nDefaultDependencies=b:0");
}

TEST(annotations_are_words_and_others_are_left_alone)
{
	struct spec_kv good[] = { { "org.systemd.property.TasksMax", "5" },
		{ "org.example", "ExecStart" } };
	struct spec_kv bad[] = { { "org.systemd.property.ExecStartPre", "['x']" } };
	struct helper_words w = { 0 };
	struct err err = { 0 };
	char got[256];

	assert_ok(unit_property_annotations(good, 2, &w, &err));
	take(&w, got, sizeof(got));
	assert_string_equal(got, "TasksMax=t:5");
	assert_int_equal(unit_property_annotations(bad, 1, &w, &err), -EPERM);
	helper_words_done(&w);
}

/* ---- devices ---- */

static const char known[] = "Character devices:\n  1 mem\n  5 /dev/tty\n136 pts\n137 pts\n\n"
			    "Block devices:\n  7 loop\n136 other\n259 blkext\n";

static void assert_devices(const struct device_rule *rules, size_t n, const char *wanted)
{
	struct device_policy policy = { 0 };
	struct helper_words w = { 0 };
	struct err err = { 0 };
	char got[1024];

	assert_ok(device_policy_build(rules, n, &policy, &err));
	assert_ok(unit_property_devices(&policy, known, &w, &err));
	take(&w, got, sizeof(got));
	assert_string_equal(got, wanted);
	device_policy_done(&policy);
}

#define HEAD "DevicePolicy=s:strict\nDeviceAllow=a(ss):"

TEST(devices_have_numbers_groups_or_a_star)
{
	struct device_rule rules[] = {
		{ true, 'c', 1, 3, DEVICE_ALL },
		{ true, 'c', 136, DEVICE_ANY, DEVICE_READ | DEVICE_WRITE },
		{ true, 'b', 7, DEVICE_ANY, DEVICE_READ },
		{ true, 'b', DEVICE_ANY, DEVICE_ANY, DEVICE_MKNOD },
	};

	assert_devices(rules, 1, HEAD "\nDeviceAllow=a(ss):/dev/char/1:3 rwm");
	assert_devices(rules + 1, 1, HEAD "\nDeviceAllow=a(ss):char-pts rw");
	assert_devices(rules + 2, 1, HEAD "\nDeviceAllow=a(ss):block-loop r");
	assert_devices(rules + 3, 1, HEAD "\nDeviceAllow=a(ss):block-* m");
	assert_devices(NULL, 0, HEAD);
}

TEST(what_systemd_cannot_say_is_left_to_the_program)
{
	struct device_rule all = { true, 'a', DEVICE_ANY, DEVICE_ANY, DEVICE_ALL };
	struct device_rule any_major = { true, 'c', DEVICE_ANY, 3, DEVICE_READ };
	struct device_rule unknown = { true, 'c', 77, DEVICE_ANY, DEVICE_READ };
	struct device_rule denial[] = { all, { false, 'c', 1, 11, DEVICE_ALL } };

	assert_devices(&all, 1, "DevicePolicy=s:auto\nDeviceAllow=a(ss):");
	assert_devices(&any_major, 1, "");
	assert_devices(&unknown, 1, "");
	assert_devices(denial, 2, "");
}
