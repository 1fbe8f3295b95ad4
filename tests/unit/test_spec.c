/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing runtime-spec documents: everything is read, nothing is lost or guessed. */
#include "test.h"

#include <json-c/json.h>
#include <linux/ioprio.h>
#include <linux/mempolicy.h>
#include <linux/sched.h>
#include <stdbool.h>
#include <sys/resource.h>

#include "base/json_read.h"
#include "oci/spec.h"
#include "oci/spec_schema.h"

static char *load(const char *name)
{
	char path[512];
	char *text;
	long size;
	FILE *f;

	snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/%s", SOURCE_ROOT, name);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_ok(fseek(f, 0, SEEK_END));
	size = ftell(f);
	rewind(f);
	text = calloc(1, (size_t)size + 1);
	assert_non_null(text);
	assert_int_equal(fread(text, 1, (size_t)size, f), size);
	fclose(f);
	return text;
}

static struct spec *parse(const char *json)
{
	struct spec *s = NULL;
	struct err err = { 0 };

	if (spec_parse(json, strlen(json), &s, &err) < 0)
		fail_msg("%s", err.text);
	return s;
}

static void assert_same_json(const char *a, const char *b)
{
	json_object *one = json_tokener_parse(a), *two = json_tokener_parse(b);

	assert_non_null(one);
	assert_non_null(two);
	if (!json_object_equal(one, two))
		fail_msg("%s\nis not\n%s", a, b);
	json_object_put(one);
	json_object_put(two);
}

/* Walk schema and document together: each property must be there, in some element of each list. */
static bool covered(const struct schema *type, const struct json_node *const *objects, size_t n,
	const char *path)
{
	bool all = true;

	for (size_t i = 0; i < type->n_fields; i++) {
		const struct schema_field *f = &type->fields[i];
		const struct json_node *found[32];
		size_t n_found = 0;
		char name[256];

		snprintf(name, sizeof(name), "%s.%s", path, f->name);
		for (size_t k = 0; k < n; k++) {
			const struct json_node *m = json_read_get(objects[k], f->name);

			if (m && (f->kind == KIND_OBJECTS || f->kind == KIND_OBJECT_MAP))
				for (m = m->first; m; m = m->next)
					found[n_found++] = m;
			else if (m)
				found[n_found++] = m;
			assert_true(n_found < 30);
		}
		if (n_found == 0) {
			print_message("# %s is not in the document\n", name);
			all = false;
		} else if (f->type) {
			all &= covered(f->type, found, n_found, name);
		}
	}
	return all;
}

TEST(the_document_with_every_field_has_every_field)
{
	static const struct json_limits limits = { 1 << 20, 10000, 1 << 16, 64 };
	char *json = load("spec/every_field.json");
	struct arena arena = { 0 };
	struct json_node *root;
	const struct json_node *list[1];

	assert_ok(json_read(&arena, json, strlen(json), &limits, &root, NULL));
	list[0] = root;
	assert_true(covered(&spec_schema, list, 1, ""));
	arena_done(&arena);
	free(json);
}

static void assert_round_trip(const char *name)
{
	char *json = load(name);
	struct spec *one = parse(json), *two;
	struct buf first = { 0 }, second = { 0 };

	assert_ok(spec_write(one, &first));
	assert_same_json(json, first.data);
	two = parse(first.data);
	assert_ok(spec_write(two, &second));
	assert_string_equal(first.data, second.data);
	spec_free(one);
	spec_free(two);
	buf_done(&first);
	buf_done(&second);
	free(json);
}

TEST(what_is_written_is_what_was_read)
{
	assert_round_trip("spec/every_field.json");
	assert_round_trip("spec/cri.json");
	assert_round_trip("spec/docker.json");
	assert_round_trip("spec/runc.json");
	assert_round_trip("spec/ctr.json");
}

TEST(documents_of_real_engines_are_valid_and_supported)
{
	static const char *const names[] = { "runc", "runc_rootless", "crun", "ctr", "docker",
		"cri", "podman", "podman_options" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char path[64];
		struct err err = { 0 };
		struct spec *s;
		char *json;

		snprintf(path, sizeof(path), "spec/%s.json", names[i]);
		json = load(path);
		s = parse(json);
		if (spec_validate(s, &err) < 0)
			fail_msg("%s: %s", names[i], err.text);
		spec_free(s);
		free(json);
	}
}

TEST(the_document_with_every_field_is_valid)
{
	char *json = load("spec/every_field.json");
	struct spec *s = parse(json);
	struct err err = { 0 };

	if (spec_validate(s, &err) < 0)
		fail_msg("%s", err.text);
	spec_free(s);
	free(json);
}

TEST(values_arrive_in_their_fields)
{
	char *json = load("spec/every_field.json");
	struct spec *s = parse(json);
	const struct spec_process *p = s->process;
	const struct spec_linux *l = s->linux_;

	assert_string_equal(s->oci_version, "1.3.0");
	assert_true(p->terminal);
	assert_int_equal(p->console_size->height, 25);
	assert_int_equal(p->console_size->width, 80);
	assert_true(p->user.has_umask);
	assert_int_equal(p->user.umask, 077);
	assert_int_equal(p->user.additional_gids[2], 4294967294u);
	assert_string_equal(p->args[2], "echo \"\xc3\xa9\\\" / \xf0\x9f\x98\x80");
	assert_int_equal(p->n_env, 3);
	assert_non_null(p->capabilities->inheritable);
	assert_int_equal(p->capabilities->n_inheritable, 0);
	assert_int_equal(p->rlimits[0].type, RLIMIT_CORE);
	assert_true(p->rlimits[0].hard == UINT64_MAX && p->rlimits[0].soft == 0);
	assert_int_equal(p->rlimits[2].type, RLIMIT_CPU);
	assert_true(p->has_no_new_privileges && !p->no_new_privileges);
	assert_int_equal(p->oom_score_adj, -500);
	assert_int_equal(p->scheduler->policy, SCHED_DEADLINE);
	assert_int_equal(p->scheduler->nice, -20);
	assert_int_equal(p->scheduler->flags, 0x7f);
	assert_int_equal(p->io_priority->class, IOPRIO_CLASS_IDLE);
	assert_string_equal(p->exec_cpu_affinity->final, "0-3,7");
	assert_null(s->hooks->create_container[1].env);
	assert_non_null(s->hooks->poststop[0].env);
	assert_int_equal(s->hooks->prestart[0].timeout, 5);
	assert_string_equal(spec_annotation(s, "s/l\\a\"sh"), "\t\x01");
	assert_null(spec_annotation(s, "none"));
	assert_int_equal(l->uid_mappings[1].size, 65535);
	assert_int_equal(l->namespaces[0].type, SPEC_NS_PID);
	assert_false(spec_namespace_is_new(s, SPEC_NS_PID));
	assert_true(spec_namespace_is_new(s, SPEC_NS_TIME));
	assert_int_equal(l->devices[1].type, 'b');
	assert_int_equal(l->devices[0].file_mode, 0666);
	assert_false(l->devices[2].has_major);
	assert_int_equal(l->resources->devices[0].type, 0);
	assert_int_equal(l->resources->devices[1].minor, -1);
	assert_int_equal(l->resources->memory->kernel, -1);
	assert_true(l->resources->memory->has_swappiness);
	assert_true(l->resources->pids->has_limit && l->resources->pids->limit == 0);
	assert_true(l->resources->block_io->throttle_write_bps_device[0].rate == UINT64_MAX);
	assert_string_equal(l->resources->rdma[0].key, "mlx5_1");
	assert_false(l->resources->rdma[1].has_hca_handles);
	assert_string_equal(spec_kv_get(l->resources->unified, l->resources->n_unified, "io.max"),
		"8:0 rbps=1\n8:16 wbps=2");
	assert_int_equal(l->rootfs_propagation, SPEC_PROPAGATION_RSLAVE);
	assert_int_equal(l->seccomp->syscalls[1].action, SPEC_ACT_NOTIFY);
	assert_int_equal(l->seccomp->syscalls[2].args[0].op, SPEC_CMP_MASKED_EQ);
	assert_true(l->seccomp->has_flags && l->seccomp->flags == 0x27);
	assert_int_equal(l->memory_policy->mode, MPOL_INTERLEAVE);
	assert_int_equal(l->memory_policy->flags, MPOL_F_STATIC_NODES);
	assert_int_equal(l->personality->domain, SPEC_PERSONALITY_LINUX32);
	assert_int_equal(l->time_offsets[1].secs, -604800);
	assert_string_equal(l->net_devices[0].name, "container_eth7");
	spec_free(s);
	free(json);
}

#define DOC(rest) "{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"r\"}," rest "}"

TEST(null_is_absent_last_key_wins_unknown_is_ignored)
{
	char *json = load("spec/odd.json");
	struct spec *s = parse(json);
	struct err err;

	assert_string_equal(s->root->path, "rootfs");
	assert_null(s->process);
	assert_int_equal(s->n_annotations, 0);
	assert_int_equal(s->linux_->resources->memory->limit, 1000000000);
	assert_true(s->linux_->resources->memory->swap == 9223372036854772000);
	assert_int_equal(s->linux_->n_sysctl, 1);
	assert_string_equal(s->linux_->sysctl[0].value, "2");
	spec_free(s);
	free(json);

	s = parse(DOC("\"hostname\":\"a\",\"hostname\":null,"
		      "\"annotations\":{\"k\":\"v\",\"k\":null,\"x\":\"\"}"));
	assert_null(s->hostname);
	assert_int_equal(s->n_annotations, 1);
	assert_string_equal(spec_annotation(s, "x"), "");
	assert_ok(spec_validate(s, &err));
	spec_free(s);
}

static void assert_refused(const char *json, size_t len, int code, const char *text)
{
	struct spec *s = (struct spec *)1;
	struct err err = { 0 };
	int r = spec_parse(json, len, &s, &err);

	if (r == 0)
		fail_msg("%.200s was taken", json);
	if (r != code)
		fail_msg("%.200s: %d, not %d: %s", json, r, code, err.text);
	assert_ptr_equal(s, (struct spec *)1);
	assert_int_equal(err.code, code);
	assert_text_has(err.text, text);
}

TEST(what_cannot_be_read_is_refused_with_its_place)
{
	static const struct {
		const char *json, *text;
	} rows[] = {
		{ "", "line 1, column 1: unexpected end" },
		{ "[]", "expected an object, got an array" },
		{ "{}", "ociVersion: missing" },
		{ "{\n \"a\": 1,}", "line 2, column 9: expected a string" },
		{ DOC("\"root\":1"), "root: expected an object, got 1" },
		{ DOC("\"root\":{}"), "root.path: missing" },
		{ DOC("\"hostname\":\"a\\u0000b\""), "hostname: string holds a NUL" },
		{ DOC("\"hos\\u0000t\":\"a\""), "NUL in a property name" },
		{ DOC("\"process\":{\"args\":[\"a\",2]}"),
			"process.args[1]: expected a string, got 2" },
		{ DOC("\"process\":{\"args\":[null]}"),
			"process.args[0]: expected a string, got null" },
		{ DOC("\"process\":{\"terminal\":\"yes\"}"),
			"process.terminal: expected a bool, got \"yes\"" },
		{ DOC("\"process\":{\"user\":{\"uid\":-1}}"),
			"process.user.uid: expected a number from 0 to 4294967295, got -1" },
		{ DOC("\"process\":{\"user\":{\"uid\":4294967296}}"),
			"process.user.uid: expected a number from 0 to 4294967295" },
		{ DOC("\"process\":{\"user\":{\"gid\":1.5}}"),
			"process.user.gid: expected an integer, got 1.5" },
		{ DOC("\"process\":{\"user\":{\"gid\":\"0\"}}"),
			"process.user.gid: expected a number, got \"0\"" },
		{ DOC("\"process\":{\"user\":{\"additionalGids\":[1,true]}}"),
			"process.user.additionalGids[1]: expected an integer, got true" },
		{ DOC("\"process\":{\"oomScoreAdj\":2147483648}"),
			"process.oomScoreAdj: expected a number from -2147483648 to 2147483647" },
		{ DOC("\"process\":{\"rlimits\":[{\"type\":\"RLIMIT_FOO\",\"soft\":1,\"hard\":1}]"
		      "}"),
			"process.rlimits[0].type: expected a known word, got \"RLIMIT_FOO\"" },
		{ DOC("\"process\":{\"rlimits\":[{\"type\":\"RLIMIT_CPU\",\"soft\":1}]}"),
			"process.rlimits[0].hard: missing" },
		{ DOC("\"process\":{\"scheduler\":{\"policy\":\"SCHED_OTHER\","
		      "\"flags\":[\"SCHED_FLAG_X\"]}}"),
			"process.scheduler.flags[0]: expected a known word" },
		{ DOC("\"linux\":{\"namespaces\":[{\"type\":\"network\"},{\"type\":\"net\"}]}"),
			"linux.namespaces[1].type: expected a known word, got \"net\"" },
		{ DOC("\"linux\":{\"resources\":{\"memory\":{\"limit\":"
		      "9223372036854775808}}}"),
			"linux.resources.memory.limit: expected a number from "
			"-9223372036854775808 to 9223372036854775807, got 9223372036854775808" },
		{ DOC("\"linux\":{\"resources\":{\"memory\":{\"limit\":true}}}"),
			"linux.resources.memory.limit: expected a number, got true" },
		{ DOC("\"linux\":{\"resources\":{\"cpu\":{\"shares\":-1}}}"),
			"linux.resources.cpu.shares: expected a number from 0" },
		{ DOC("\"linux\":{\"resources\":{\"cpu\":{\"shares\":18446744073709551616}}}"),
			"linux.resources.cpu.shares: expected a number from 0" },
		{ DOC("\"linux\":{\"resources\":{\"blockIO\":{\"weight\":65536}}}"),
			"linux.resources.blockIO.weight: expected a number from 0 to 65535" },
		{ DOC("\"linux\":{\"resources\":{\"rdma\":{\"a\":{\"hcaHandles\":\"x\"}}}}"),
			"linux.resources.rdma[\"a\"].hcaHandles: expected a number" },
		{ DOC("\"linux\":{\"sysctl\":{\"net.x\":1}}"),
			"linux.sysctl[\"net.x\"]: expected a string, got 1" },
		{ DOC("\"linux\":{\"sysctl\":{\"a\\n\\u001b[31m\":1}}"),
			"linux.sysctl[\"a??[31m\"]: expected a string" },
		{ DOC("\"linux\":{\"devices\":[{\"path\":\"/dev/x\",\"type\":\"d\"}]}"),
			"linux.devices[0].type: expected a known word, got \"d\"" },
		{ DOC("\"linux\":{\"seccomp\":{}}"), "linux.seccomp.defaultAction: missing" },
		{ DOC("\"linux\":{\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\","
		      "\"architectures\":[\"SCMP_ARCH_VAX\"]}}"),
			"linux.seccomp.architectures[0]: expected a known word" },
		{ DOC("\"linux\":{\"rootfsPropagation\":\"sharing\"}"),
			"linux.rootfsPropagation: expected a known word, got \"sharing\"" },
		{ DOC("\"hooks\":{\"poststop\":[{\"args\":[]}]}"),
			"hooks.poststop[0].path: missing" },
		{ DOC("\"mounts\":[{\"destination\":\"/x\",\"uidMappings\":[{\"hostID\":0}]}]"),
			"mounts[0].uidMappings[0].containerID: missing" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_refused(rows[i].json, strlen(rows[i].json), -EINVAL, rows[i].text);
	assert_refused("{\"a\":1}\0", 8, -EINVAL, "text after the end");
	assert_refused("{\"a\":\"\xff\"}", 9, -EINVAL, "not UTF-8");
}

TEST(integers_reach_both_ends_of_their_fields)
{
	struct spec *s = parse(DOC("\"process\":{\"oomScoreAdj\":-2147483648,"
				   "\"user\":{\"uid\":4294967295}},\"linux\":{\"resources\":{"
				   "\"memory\":{\"limit\":-9223372036854775808},"
				   "\"cpu\":{\"shares\":18446744073709551615},"
				   "\"blockIO\":{\"weight\":65535}}}"));

	assert_true(s->process->oom_score_adj == INT32_MIN);
	assert_true(s->process->user.uid == UINT32_MAX);
	assert_true(s->linux_->resources->memory->limit == INT64_MIN);
	assert_true(s->linux_->resources->cpu->shares == UINT64_MAX);
	assert_true(s->linux_->resources->block_io->weight == UINT16_MAX);
	spec_free(s);
	assert_refused(DOC("\"process\":{\"oomScoreAdj\":-2147483649}"),
		strlen(DOC("\"process\":{\"oomScoreAdj\":-2147483649}")), -EINVAL,
		"process.oomScoreAdj: expected a number from -2147483648");
}

static void repeat(struct buf *b, const char *item, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		buf_adds(b, i ? "," : "");
		buf_adds(b, item);
	}
}

/* HEAD, n times item, TAIL in a list: taken up to `max`, refused beyond. */
static void assert_limit(
	const char *head, const char *item, const char *tail, size_t max, const char *text)
{
	for (size_t extra = 0; extra < 2; extra++) {
		struct buf b = { 0 };
		struct spec *s;

		buf_addf(&b, "{\"ociVersion\":\"1.0.0\",%s", head);
		repeat(&b, item, max + extra);
		buf_addf(&b, "%s}", tail);
		if (extra) {
			assert_refused(b.data, b.len, -E2BIG, text);
		} else {
			s = parse(b.data);
			spec_free(s);
		}
		buf_done(&b);
	}
}

TEST(limits_hold_at_their_edge)
{
	assert_limit("\"mounts\":[", "{\"destination\":\"/x\"}", "]", 4096,
		"mounts: 4097 entries, at most 4096 are taken");
	assert_limit("\"linux\":{\"devices\":[", "{\"path\":\"/x\",\"type\":\"p\"}", "]}", 4096,
		"linux.devices: 4097");
	assert_limit("\"linux\":{\"resources\":{\"devices\":[", "{}", "]}}", 4096,
		"linux.resources.devices: 4097");
	assert_limit("\"linux\":{\"namespaces\":[", "{\"type\":\"pid\"}", "]}", 8,
		"linux.namespaces: 9");
	assert_limit("\"linux\":{\"uidMappings\":[", "{\"containerID\":0,\"hostID\":0,\"size\":1}",
		"]}", 340, "linux.uidMappings: 341");
	assert_limit("\"linux\":{\"seccomp\":{\"defaultAction\":\"SCMP_ACT_LOG\",\"syscalls\":[",
		"{\"action\":\"SCMP_ACT_LOG\"}", "]}}", 4096, "linux.seccomp.syscalls: 4097");
	assert_limit(
		"\"hooks\":{\"prestart\":[", "{\"path\":\"/x\"}", "]}", 256, "hooks.prestart: 257");
	assert_limit("\"process\":{\"rlimits\":[", "{\"type\":\"RLIMIT_AS\",\"soft\":0,\"hard\":0}",
		"]}", 32, "process.rlimits: 33");
	assert_limit("\"process\":{\"user\":{\"additionalGids\":[", "1", "]}}", 65536,
		"process.user.additionalGids: 65537");
	assert_limit("\"x\":[", "1", "]", 99997, "too many values");
}

static void fill(struct buf *b, char c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_addc(b, c);
}

TEST(size_depth_and_strings_are_bounded)
{
	struct buf b = { 0 };

	buf_adds(&b, "{\"ociVersion\":\"1.0.0\",\"x\":");
	fill(&b, '[', 63);
	fill(&b, ']', 63);
	buf_adds(&b, "}");
	spec_free(parse(b.data));
	buf_done(&b);

	buf_adds(&b, "{\"ociVersion\":\"1.0.0\",\"x\":");
	fill(&b, '[', 64);
	assert_refused(b.data, b.len, -E2BIG, "nested too deeply");
	buf_done(&b);

	buf_adds(&b, "{\"ociVersion\":\"1.0.0\",\"hostname\":\"");
	fill(&b, 'a', 1 << 20);
	buf_adds(&b, "\"}");
	spec_free(parse(b.data));
	buf_done(&b);

	buf_adds(&b, "{\"ociVersion\":\"1.0.0\",\"hostname\":\"");
	fill(&b, 'a', (1 << 20) + 1);
	buf_adds(&b, "\"}");
	assert_refused(b.data, b.len, -E2BIG, "string is too long");
	buf_done(&b);

	buf_adds(&b, "{\"ociVersion\":\"1.0.0\"");
	fill(&b, ' ', 4 << 20);
	assert_refused(b.data, b.len, -E2BIG, "larger than 4194304");
	buf_done(&b);
}

TEST(a_process_and_resources_are_documents_of_their_own)
{
	char *json = load("process/every_field.json");
	struct spec_process_doc *p;
	struct spec_resources_doc *r;
	struct buf out = { 0 };
	struct err err = { 0 };

	assert_ok(spec_parse_process(json, strlen(json), &p, &err));
	assert_ok(spec_validate_process(&p->process, &err));
	assert_ok(spec_write_process(&p->process, &out));
	assert_same_json(json, out.data);
	spec_process_doc_free(p);
	buf_done(&out);
	free(json);

	json = load("resources/every_field.json");
	assert_ok(spec_parse_resources(json, strlen(json), &r, &err));
	assert_ok(spec_validate_resources(&r->resources, &err));
	assert_ok(spec_write_resources(&r->resources, &out));
	assert_same_json(json, out.data);
	spec_resources_doc_free(r);
	buf_done(&out);
	free(json);

	json = load("resources/docker_update.json");
	assert_ok(spec_parse_resources(json, strlen(json), &r, &err));
	assert_ok(spec_validate_resources(&r->resources, &err));
	spec_resources_doc_free(r);
	free(json);

	assert_int_equal(spec_parse_resources("{\"cpu\":1}", 9, &r, &err), -EINVAL);
	assert_string_equal(err.text, "cpu: expected an object, got 1");
}

TEST(the_end_of_a_document_accepts_null)
{
	spec_free(NULL);
	spec_process_doc_free(NULL);
	spec_resources_doc_free(NULL);
}

TEST(default_documents_are_valid_and_look_like_everybodys)
{
	for (int i = 0; i < 4; i++) {
		bool rootless = i & 1, cgroup2 = i & 2;
		struct buf out = { 0 };
		struct err err = { 0 };
		struct spec *s;

		assert_ok(spec_default(rootless, cgroup2, &out));
		assert_text_has(out.data, "\n\t\"process\": {\n\t\t\"terminal\": true,");
		s = parse(out.data);
		assert_ok(spec_validate(s, &err));
		assert_int_equal(spec_namespace_is_new(s, SPEC_NS_USER), rootless);
		assert_int_equal(spec_namespace_is_new(s, SPEC_NS_NETWORK), !rootless);
		assert_int_equal(spec_namespace_is_new(s, SPEC_NS_CGROUP), cgroup2);
		assert_int_equal(s->linux_->resources != NULL, !rootless);
		assert_int_equal(s->mounts[2].n_options, rootless ? 5 : 6);
		assert_string_equal(s->mounts[5].type, rootless ? "none" : "sysfs");
		assert_int_equal(s->linux_->n_masked_paths, 12);
		spec_free(s);
		buf_done(&out);
	}
}
