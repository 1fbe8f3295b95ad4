/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <sys/stat.h>
#include <unistd.h>

#include "container/intel_rdt.h"

static struct test_tmpdir root;

static const char *path(const char *below)
{
	static char p[256];

	snprintf(p, sizeof(p), "%s/%s", root.path, below);
	return p;
}

static void assert_text(const char *file, const char *text)
{
	char have[256] = "";
	FILE *f = fopen(path(file), "r");

	assert_non_null(f);
	assert_true(fread(have, 1, sizeof(have) - 1, f) > 0);
	fclose(f);
	assert_string_equal(have, text);
}

TEST(a_machine_without_resctrl_says_so)
{
	struct err err = { 0 };

	assert_int_equal(intel_rdt_check("/tmp", &err), -ENOTSUP);
	assert_text_has(err.text, "linux.intelRdt: this machine has no resctrl");
}

TEST(a_group_of_the_containers_own_gets_its_schemata_and_tasks)
{
	static const char *schemata[] = { "MB:1=20" };
	const struct spec_intel_rdt t = {
		.l3_cache_schema = "L3:0=f",
		.mem_bw_schema = "MB:0=50",
		.schemata = schemata,
		.n_schemata = 1,
	};
	struct state_record rec = { 0 };
	struct err err = { 0 };

	root = test_tmpdir();
	assert_ok(intel_rdt_plan(root.path, &t, "c1", &rec, &err));
	assert_true(rec.resctrl_made);
	assert_null(rec.resctrl_monitor_dir);
	assert_true(access(path("c1"), F_OK) < 0);
	assert_ok(intel_rdt_make(&t, &rec, &err));
	assert_text("c1/schemata", "L3:0=f\nMB:0=50\nMB:1=20\n");
	assert_ok(intel_rdt_enter(&rec, 4711, &err));
	assert_text("c1/tasks", "4711");
	unlink(path("c1/schemata")); /* the kernel's go with the directory */
	unlink(path("c1/tasks"));
	intel_rdt_remove(&rec);
	assert_true(access(path("c1"), F_OK) < 0);
	intel_rdt_remove(&rec);
	state_record_done(&rec);
	test_tmpdir_remove(&root);
}

TEST(a_group_that_was_there_stays)
{
	const struct spec_intel_rdt t = { .clos_id = "gold", .enable_monitoring = true };
	struct state_record rec = { 0 };
	struct err err = { 0 };

	root = test_tmpdir();
	assert_int_equal(intel_rdt_plan(root.path, &t, "c1", &rec, &err), -EINVAL);
	assert_text_has(err.text, "linux.intelRdt.closID: there is no group 'gold'");
	mkdir(path("gold"), 0755);
	mkdir(path("gold/mon_groups"), 0755);
	assert_ok(intel_rdt_plan(root.path, &t, "c1", &rec, &err));
	assert_false(rec.resctrl_made);
	assert_ok(intel_rdt_make(&t, &rec, &err));
	assert_ok(access(path("gold/mon_groups/c1"), F_OK));
	intel_rdt_remove(&rec);
	assert_true(access(path("gold/mon_groups/c1"), F_OK) < 0);
	assert_ok(access(path("gold"), F_OK));
	state_record_done(&rec);
	test_tmpdir_remove(&root);
}

TEST(the_root_group_is_named_by_a_slash_and_nothing_asked_is_nothing_done)
{
	const struct spec_intel_rdt t = { .clos_id = "/" };
	struct state_record rec = { 0 };
	struct err err = { 0 };

	root = test_tmpdir();
	assert_ok(intel_rdt_plan(root.path, &t, "c1", &rec, &err));
	assert_string_equal(rec.resctrl_dir, root.path);
	assert_false(rec.resctrl_made);
	state_record_done(&rec);
	rec = (struct state_record){ 0 };
	assert_ok(intel_rdt_enter(&rec, 1, &err));
	intel_rdt_remove(&rec);
	test_tmpdir_remove(&root);
}
