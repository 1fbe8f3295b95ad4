/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Features. Lists of words come from the tables that read documents, so what is announced is what
 * is understood. Null and empty differ here: null says "unknown", so a list that we know to be
 * empty is written as one.
 */
#include "oci/features.h"

#include "base/json_write.h"
#include "base/mem.h"
#include "oci/cap_name.h"
#include "oci/mount_option.h"
#include "oci/namespace_name.h"
#include "oci/seccomp_name.h"
#include "oci/spec.h"

static void write_list(struct json_writer *w, const char *key, const char *const *strings, size_t n)
{
	json_write_key(w, key);
	json_write_open(w, '[');
	for (size_t i = 0; i < n; i++)
		json_write_str(w, strings[i]);
	json_write_close(w, ']');
}

/* The words that share a bit with `mask`: flags of a set, or with all bits every word. */
static void write_words(
	struct json_writer *w, const char *key, const struct word *words, uint64_t mask)
{
	json_write_key(w, key);
	json_write_open(w, '[');
	for (; words->name; words++)
		if (mask & (uint64_t)(unsigned int)words->value)
			json_write_str(w, words->name);
	json_write_close(w, ']');
}

static void open_object(struct json_writer *w, const char *key)
{
	json_write_key(w, key);
	json_write_open(w, '{');
}

static void write_enabled(struct json_writer *w, const char *key, bool enabled)
{
	open_object(w, key);
	json_write_member_bool(w, "enabled", enabled);
	json_write_close(w, '}');
}

static void write_mount_options(struct json_writer *w)
{
	json_write_key(w, "mountOptions");
	json_write_open(w, '[');
	for (size_t i = 0; i < mount_option_count(); i++)
		json_write_str(w, mount_option_word(i));
	json_write_close(w, ']');
}

static void write_capabilities(struct json_writer *w)
{
	json_write_key(w, "capabilities");
	json_write_open(w, '[');
	for (unsigned int i = 0; i < CAP_NAME_COUNT; i++)
		json_write_str(w, cap_name(i));
	json_write_close(w, ']');
}

static void write_cgroup(struct json_writer *w, const struct features *f)
{
	open_object(w, "cgroup");
	json_write_member_bool(w, "v1", f->cgroup_v1);
	json_write_member_bool(w, "v2", f->cgroup_v2);
	json_write_member_bool(w, "systemd", f->cgroup_systemd);
	json_write_member_bool(w, "systemdUser", f->cgroup_systemd_user);
	json_write_member_bool(w, "rdma", f->cgroup_rdma);
	json_write_close(w, '}');
}

static void write_seccomp(struct json_writer *w, const struct features *f)
{
	open_object(w, "seccomp");
	json_write_member_bool(w, "enabled", f->seccomp);
	if (f->seccomp) {
		write_words(w, "actions", seccomp_name_actions, UINT64_MAX);
		write_words(w, "operators", seccomp_name_ops, UINT64_MAX);
		write_list(w, "archs", f->archs, f->n_archs);
		write_words(w, "knownFlags", seccomp_name_flags, UINT64_MAX);
		write_words(w, "supportedFlags", seccomp_name_flags, f->seccomp_flags);
	}
	json_write_close(w, '}');
}

static void write_memory_policy(struct json_writer *w, const struct features *f)
{
	static const char *const modes[] = { "MPOL_BIND", "MPOL_DEFAULT", "MPOL_INTERLEAVE",
		"MPOL_LOCAL", "MPOL_PREFERRED", "MPOL_PREFERRED_MANY", "MPOL_WEIGHTED_INTERLEAVE" };
	static const char *const flags[] = { "MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES",
		"MPOL_F_STATIC_NODES" };

	open_object(w, "memoryPolicy");
	write_list(w, "modes", modes, f->memory_policy ? ARRAY_LEN(modes) : 0);
	write_list(w, "flags", flags, f->memory_policy ? ARRAY_LEN(flags) : 0);
	json_write_close(w, '}');
}

static void write_intel_rdt(struct json_writer *w, const struct features *f)
{
	open_object(w, "intelRdt");
	json_write_member_bool(w, "enabled", f->intel_rdt);
	json_write_member_bool(w, "schemata", f->intel_rdt_schemata);
	json_write_member_bool(w, "monitoring", f->intel_rdt_monitoring);
	json_write_close(w, '}');
}

static void write_linux(struct json_writer *w, const struct features *f)
{
	open_object(w, "linux");
	write_words(w, "namespaces", namespace_name_words, UINT64_MAX);
	write_capabilities(w);
	write_cgroup(w, f);
	write_seccomp(w, f);
	write_enabled(w, "apparmor", f->apparmor);
	write_enabled(w, "selinux", f->selinux);
	write_memory_policy(w, f);
	write_intel_rdt(w, f);
	open_object(w, "mountExtensions");
	write_enabled(w, "idmap", f->idmap);
	json_write_close(w, '}');
	write_enabled(w, "netDevices", f->net_devices);
	json_write_close(w, '}');
}

static void write_annotations(struct json_writer *w, const struct features *f)
{
	open_object(w, "annotations");
	json_write_member_str(w, "org.reeve.version", f->version);
	if (!str_empty(f->commit))
		json_write_member_str(w, "org.reeve.commit", f->commit);
	if (f->alias)
		json_write_member_str(w, f->alias, f->alias_version);
	json_write_member_str(
		w, "org.opencontainers.runc.checkpoint.enabled", f->checkpoint ? "true" : "false");
	if (f->seccomp && f->seccomp_version)
		json_write_member_str(
			w, "io.github.seccomp.libseccomp.version", f->seccomp_version);
	json_write_close(w, '}');
}

int features_write(const struct features *f, struct buf *out)
{
	static const char *const hooks[] = { "prestart", "createRuntime", "createContainer",
		"startContainer", "poststart", "poststop" };
	struct json_writer w = { .out = out, .indent = "  " };

	json_write_open(&w, '{');
	json_write_member_str(&w, "ociVersionMin", "1.0.0");
	json_write_member_str(&w, "ociVersionMax", SPEC_VERSION);
	write_list(&w, "hooks", hooks, ARRAY_LEN(hooks));
	write_mount_options(&w);
	write_linux(&w, f);
	write_annotations(&w, f);
	write_list(&w, "potentiallyUnsafeConfigAnnotations", f->unsafe_annotations,
		f->n_unsafe_annotations);
	json_write_close(&w, '}');
	buf_addc(out, '\n');
	return buf_ok(out);
}
