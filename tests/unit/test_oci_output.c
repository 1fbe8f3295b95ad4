/* SPDX-License-Identifier: Apache-2.0 */
/* Documents that we write: state and features. */
#include "test.h"

#include <json-c/json.h>
#include <linux/seccomp.h>

#include "oci/features.h"
#include "oci/state_doc.h"

static struct spec_kv annotations[] = { { "a/b", "c\"d" }, { "e", "" } };

static const struct state_doc running = {
	.oci_version = "1.2.0",
	.id = "c1",
	.pid = 42,
	.status = "running",
	.bundle = "/b",
	.rootfs = "/b/rootfs",
	.created_wall_ns = 1700000000123456789,
	.annotations = annotations,
	.n_annotations = 2,
	.owner = "root",
};

TEST(a_hook_reads_the_state_of_the_spec)
{
	struct state_doc s = running;
	struct buf b = { 0 };

	assert_ok(state_doc_write_hook(&s, &b));
	assert_string_equal(b.data,
		"{\"ociVersion\":\"1.2.0\",\"id\":\"c1\",\"status\":\"running\",\"pid\":42,"
		"\"bundle\":\"/b\",\"annotations\":{\"a/b\":\"c\\\"d\",\"e\":\"\"}}");
	buf_done(&b);

	s.pid = 0;
	s.status = "stopped";
	s.n_annotations = 0;
	assert_ok(state_doc_write_hook(&s, &b));
	assert_string_equal(b.data, "{\"ociVersion\":\"1.2.0\",\"id\":\"c1\","
				    "\"status\":\"stopped\",\"bundle\":\"/b\"}");
	buf_done(&b);
}

TEST(state_is_indented_and_complete)
{
	struct state_doc s = running;
	struct buf b = { 0 };

	s.owner = NULL;
	s.pid = 0;
	assert_ok(state_doc_write(&s, &b));
	assert_string_equal(b.data, "{\n"
				    "  \"ociVersion\": \"1.2.0\",\n"
				    "  \"id\": \"c1\",\n"
				    "  \"pid\": 0,\n"
				    "  \"status\": \"running\",\n"
				    "  \"bundle\": \"/b\",\n"
				    "  \"rootfs\": \"/b/rootfs\",\n"
				    "  \"created\": \"2023-11-14T22:13:20.123456789Z\",\n"
				    "  \"annotations\": {\n"
				    "    \"a/b\": \"c\\\"d\",\n"
				    "    \"e\": \"\"\n"
				    "  },\n"
				    "  \"owner\": \"\"\n"
				    "}");
	buf_done(&b);
}

TEST(a_list_is_an_array_or_null)
{
	struct state_doc list[2] = { running, running };
	struct buf b = { 0 };
	json_object *o, *member;

	assert_ok(state_doc_write_list(NULL, 0, "null", &b));
	assert_string_equal(b.data, "null\n");
	buf_done(&b);
	assert_ok(state_doc_write_list(NULL, 0, "[]", &b));
	assert_string_equal(b.data, "[]\n");
	buf_done(&b);

	list[1].id = "c2";
	assert_ok(state_doc_write_list(list, 2, "null", &b));
	assert_int_equal(b.data[b.len - 1], '\n');
	assert_null(memchr(b.data, '\n', b.len - 1));
	o = json_tokener_parse(b.data);
	assert_int_equal(json_object_array_length(o), 2);
	assert_true(json_object_object_get_ex(json_object_array_get_idx(o, 1), "id", &member));
	assert_string_equal(json_object_get_string(member), "c2");
	assert_true(json_object_object_get_ex(json_object_array_get_idx(o, 1), "owner", &member));
	assert_string_equal(json_object_get_string(member), "root");
	json_object_put(o);
	buf_done(&b);
}

/* "linux.cgroup.v1": the value at a path, or NULL. */
static json_object *at(json_object *o, const char *path)
{
	char name[64];

	while (*path && o) {
		size_t len = strcspn(path, ".");

		snprintf(name, sizeof(name), "%.*s", (int)len, path);
		if (!json_object_object_get_ex(o, name, &o))
			return NULL;
		path += len + (path[len] == '.');
	}
	return o;
}

static void assert_flag(json_object *o, const char *path, int value)
{
	json_object *v = at(o, path);

	if (!v || json_object_get_type(v) != json_type_boolean ||
		json_object_get_boolean(v) != value)
		fail_msg("%s is %s", path, v ? json_object_to_json_string(v) : "missing");
}

static void assert_value(json_object *o, const char *path, const char *json)
{
	json_object *v = at(o, path);

	if (!v || strcmp(json_object_to_json_string_ext(v, JSON_C_TO_STRING_PLAIN), json) != 0)
		fail_msg("%s is %s", path, v ? json_object_to_json_string(v) : "missing");
}

TEST(features_say_what_they_were_told)
{
	static const char *const archs[] = { "SCMP_ARCH_X86_64", "SCMP_ARCH_X86" };
	static const char *const unsafe[] = { "bundle", "org.systemd.property." };
	const struct features f = {
		.version = "0.1.0",
		.cgroup_v1 = true,
		.cgroup_rdma = true,
		.seccomp = true,
		.seccomp_version = "2.5.4",
		.archs = archs,
		.n_archs = 2,
		.seccomp_flags = SECCOMP_FILTER_FLAG_LOG,
		.apparmor = true,
		.unsafe_annotations = unsafe,
		.n_unsafe_annotations = 2,
	};
	struct buf b = { 0 };
	json_object *o;

	assert_ok(features_write(&f, &b));
	o = json_tokener_parse(b.data);
	assert_non_null(o);
	assert_value(o, "ociVersionMin", "\"1.0.0\"");
	assert_value(o, "ociVersionMax", "\"1.3.0\"");
	assert_value(o, "hooks",
		"[\"prestart\",\"createRuntime\",\"createContainer\","
		"\"startContainer\",\"poststart\",\"poststop\"]");
	assert_value(o, "linux.namespaces",
		"[\"cgroup\",\"ipc\",\"mount\",\"network\",\"pid\","
		"\"time\",\"user\",\"uts\"]");
	assert_int_equal(json_object_array_length(at(o, "linux.capabilities")), 41);
	assert_flag(o, "linux.cgroup.v1", 1);
	assert_flag(o, "linux.cgroup.v2", 0);
	assert_flag(o, "linux.cgroup.systemd", 0);
	assert_flag(o, "linux.cgroup.systemdUser", 0);
	assert_flag(o, "linux.cgroup.rdma", 1);
	assert_flag(o, "linux.seccomp.enabled", 1);
	assert_value(o, "linux.seccomp.archs", "[\"SCMP_ARCH_X86_64\",\"SCMP_ARCH_X86\"]");
	assert_int_equal(json_object_array_length(at(o, "linux.seccomp.actions")), 9);
	assert_int_equal(json_object_array_length(at(o, "linux.seccomp.operators")), 7);
	assert_int_equal(json_object_array_length(at(o, "linux.seccomp.knownFlags")), 4);
	assert_value(o, "linux.seccomp.supportedFlags", "[\"SECCOMP_FILTER_FLAG_LOG\"]");
	assert_flag(o, "linux.apparmor.enabled", 1);
	assert_flag(o, "linux.selinux.enabled", 0);
	assert_value(o, "linux.memoryPolicy.modes", "[]");
	assert_flag(o, "linux.intelRdt.enabled", 0);
	assert_flag(o, "linux.intelRdt.schemata", 0);
	assert_flag(o, "linux.intelRdt.monitoring", 0);
	assert_flag(o, "linux.mountExtensions.idmap.enabled", 0);
	assert_flag(o, "linux.netDevices.enabled", 0);
	assert_value(
		o, "potentiallyUnsafeConfigAnnotations", "[\"bundle\",\"org.systemd.property.\"]");
	assert_text_has(b.data, "\n    \"io.github.seccomp.libseccomp.version\": \"2.5.4\"");
	assert_text_has(b.data, "\n    \"org.reeve.version\": \"0.1.0\"");
	assert_null(strstr(b.data, "commit"));
	json_object_put(o);
	buf_done(&b);
}

TEST(features_of_a_build_without_seccomp)
{
	const struct features f = { .version = "0.1.0", .commit = "abc", .memory_policy = true };
	struct buf b = { 0 };
	json_object *o, *annotations_object, *v;

	assert_ok(features_write(&f, &b));
	o = json_tokener_parse(b.data);
	assert_flag(o, "linux.seccomp.enabled", 0);
	assert_null(at(o, "linux.seccomp.actions"));
	assert_int_equal(json_object_array_length(at(o, "linux.memoryPolicy.modes")), 7);
	assert_int_equal(json_object_array_length(at(o, "linux.memoryPolicy.flags")), 3);
	assert_value(o, "potentiallyUnsafeConfigAnnotations", "[]");
	annotations_object = at(o, "annotations");
	assert_true(json_object_object_get_ex(annotations_object, "org.reeve.commit", &v));
	assert_string_equal(json_object_get_string(v), "abc");
	assert_false(json_object_object_get_ex(
		annotations_object, "io.github.seccomp.libseccomp.version", &v));
	json_object_put(o);
	buf_done(&b);
}
