/* SPDX-License-Identifier: Apache-2.0 */
/* What linux.cgroupsPath names in systemd's words, as runc and crun name it. */
#include "test.h"

#include "base/mem.h"
#include "container/unit_name.h"

static void assert_unit(const char *path, bool unprivileged, const char *unit, const char *slice)
{
	struct arena arena = { 0 };
	struct unit_name n;
	struct err err = { 0 };

	if (unit_name_resolve(path, "reeve", "c-1", unprivileged, &arena, &n, &err) < 0)
		fail_msg("%s: %s", path ? path : "(none)", err.text);
	assert_string_equal(n.unit, unit);
	assert_string_equal(n.slice, slice);
	assert_int_equal(n.is_slice, strstr(unit, ".slice") != NULL);
	arena_done(&arena);
}

TEST(a_path_names_slice_prefix_and_name)
{
	assert_unit("system.slice:cri-containerd:abc", false, "cri-containerd-abc.scope",
		"system.slice");
	assert_unit("machine.slice:libpod:0f", true, "libpod-0f.scope", "machine.slice");
	assert_unit("kubepods-burstable-pod1_2.slice:cri-containerd:x", false,
		"cri-containerd-x.scope", "kubepods-burstable-pod1_2.slice");
	assert_unit("-.slice:p:n", false, "p-n.scope", "-.slice");
	assert_unit("a.slice::n", false, "-n.scope", "a.slice");
}

TEST(what_is_left_out_has_a_default)
{
	assert_unit(":docker:abc", false, "docker-abc.scope", "system.slice");
	assert_unit(":docker:abc", true, "docker-abc.scope", "user.slice");
	assert_unit(NULL, false, "reeve-c-1.scope", "system.slice");
	assert_unit("", true, "reeve-c-1.scope", "user.slice");
}

TEST(a_name_in_slice_is_the_unit_itself)
{
	assert_unit("a.slice:ignored:a-b.slice", false, "a-b.slice", "a.slice");
}

TEST(letters_of_an_id_that_systemd_does_not_know_are_escaped)
{
	struct arena arena = { 0 };
	struct unit_name n;
	struct err err = { 0 };

	assert_ok(unit_name_resolve(NULL, "crun", "a+b", false, &arena, &n, &err));
	assert_string_equal(n.unit, "crun-a\\x2bb.scope");
	assert_ok(unit_name_resolve(NULL, "crun", "x.slice", false, &arena, &n, &err));
	assert_string_equal(n.unit, "crun-x.slice.scope");
	assert_false(n.is_slice);
	arena_done(&arena);
}

TEST(what_is_no_such_path_is_refused)
{
	static const char *const bad[][2] = {
		{ "/default/abc", "expected cgroupsPath to be of format \"slice:prefix:name\"" },
		{ "abc", "\"abc\" instead" },
		{ "a:b", "\"a:b\" instead" },
		{ "a.slice:b:c:d", "\"a.slice:b:c:d\" instead" },
		{ "a.slice:b:", "\"a.slice:b:\" instead" },
		{ "a:b:c", "'a' is not the name of a slice" },
		{ ".slice:b:c", "'.slice' is not the name of a slice" },
		{ "-a.slice:b:c", "'-a.slice' is not" },
		{ "a-.slice:b:c", "'a-.slice' is not" },
		{ "a--b.slice:b:c", "'a--b.slice' is not" },
		{ "a/b.slice:b:c", "'a/b.slice' is not" },
		{ "../../x.slice:b:c", "is not the name of a slice" },
		{ "a.slice:b:c/../d", "'b-c/../d.scope' is not the name of a unit" },
		{ "a.slice:b:c d", "'b-c d.scope' is not the name of a unit" },
		{ "a.slice:b:c\n", "is not the name of a unit" },
		{ "a.slice:b:-c.slice", "'-c.slice' is not the name of a slice" },
		{ "a.slice:b:-.slice", "is the root of all slices" },
	};
	char name[400] = "a.slice:b:";
	struct arena arena = { 0 };
	struct unit_name n;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err err = { 0 };

		assert_int_equal(
			unit_name_resolve(bad[i][0], "p", "id", false, &arena, &n, &err), -EINVAL);
		assert_text_has(err.text, bad[i][1]);
		assert_text_has(err.text, "linux.cgroupsPath: ");
	}
	memset(name + 10, 'x', 248); /* with "b-" and ".scope" one more than systemd takes */
	assert_int_equal(
		unit_name_resolve(name, "p", "id", false, &arena, &n, &(struct err){ 0 }), -EINVAL);
	name[10 + 247] = '\0';
	assert_ok(unit_name_resolve(name, "p", "id", false, &arena, &n, &(struct err){ 0 }));
	arena_done(&arena);
}

TEST(each_dash_of_a_slice_is_a_level)
{
	static const char *const rows[][2] = {
		{ "-.slice", "" },
		{ "system.slice", "/system.slice" },
		{ "a-b.slice", "/a.slice/a-b.slice" },
		{ "a-b-c_d.slice", "/a.slice/a-b.slice/a-b-c_d.slice" },
	};
	struct arena arena = { 0 };
	struct err err = { 0 };
	const char *path;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_ok(unit_slice_path(rows[i][0], &arena, &path, &err));
		assert_string_equal(path, rows[i][1]);
	}
	assert_int_equal(unit_slice_path("", &arena, &path, &err), -EINVAL);
	assert_int_equal(unit_slice_path("a", &arena, &path, &err), -EINVAL);
	arena_done(&arena);
}
