/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks of the `linux` object: above all what needs which namespace. A namespace that is joined
 * counts as the container's own: whether it is really another one than the host's only the machine
 * can tell.
 */
#include <errno.h>
#include <limits.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <string.h>

#include "oci/cpu_list.h"
#include "oci/spec_check.h"
#include "oci/sysctl_key.h"

static int need_namespace(
	const struct spec *s, enum spec_ns_type type, const char *field, struct err *err)
{
	if (spec_namespace_find(s, type))
		return 0;
	return spec_check_fail(
		err, -EINVAL, "%s: needs a namespace of type %s", field, namespace_name(type));
}

static int check_namespaces(const struct spec *s, struct err *err)
{
	bool seen[SPEC_NS_MAX] = { false };

	for (size_t i = 0; i < s->linux_->n_namespaces; i++) {
		const struct spec_namespace *ns = &s->linux_->namespaces[i];

		if (seen[ns->type])
			return spec_check_fail(err, -EINVAL,
				"linux.namespaces[%zu]: second entry of type %s", i,
				namespace_name(ns->type));
		seen[ns->type] = true;
		if (!str_empty(ns->path) && ns->path[0] != '/')
			return spec_check_fail(err, -EINVAL,
				"linux.namespaces[%zu].path: '%s' is not an absolute path", i,
				ns->path);
	}
	return 0;
}

static bool overlap(uint32_t a, uint32_t b, uint32_t a_size, uint32_t b_size)
{
	return a < (uint64_t)b + b_size && b < (uint64_t)a + a_size;
}

static int check_map(const char *field, const struct spec_id_mapping *m, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		if (m[i].size == 0)
			return spec_check_fail(err, -EINVAL, "%s[%zu].size: is 0", field, i);
		if ((uint64_t)m[i].container_id + m[i].size > UINT32_MAX ||
			(uint64_t)m[i].host_id + m[i].size > UINT32_MAX)
			return spec_check_fail(
				err, -EINVAL, "%s[%zu]: goes beyond 4294967294", field, i);
		for (size_t k = 0; k < i; k++)
			if (overlap(m[i].container_id, m[k].container_id, m[i].size, m[k].size) ||
				overlap(m[i].host_id, m[k].host_id, m[i].size, m[k].size))
				return spec_check_fail(
					err, -EINVAL, "%s[%zu]: overlaps [%zu]", field, i, k);
	}
	return 0;
}

static int check_id_maps(const struct spec *s, struct err *err)
{
	const struct spec_linux *l = s->linux_;
	int r = 0;

	/* Without either it is the caller's own ids that are mapped. */
	if (spec_namespace_is_new(s, SPEC_NS_USER) && !l->n_uid_mappings != !l->n_gid_mappings)
		r = spec_check_fail(err, -EINVAL, "linux.%s: missing for a user namespace",
			l->n_gid_mappings ? "uidMappings" : "gidMappings");
	if (r == 0)
		r = check_map("linux.uidMappings", l->uid_mappings, l->n_uid_mappings, err);
	if (r == 0)
		r = check_map("linux.gidMappings", l->gid_mappings, l->n_gid_mappings, err);
	for (size_t i = 0; r == 0 && i < s->n_mounts; i++) {
		const struct spec_mount *m = &s->mounts[i];
		char field[48];

		snprintf(field, sizeof(field), "mounts[%zu].uidMappings", i);
		r = check_map(field, m->uid_mappings, m->n_uid_mappings, err);
		snprintf(field, sizeof(field), "mounts[%zu].gidMappings", i);
		if (r == 0)
			r = check_map(field, m->gid_mappings, m->n_gid_mappings, err);
	}
	return r;
}

static int check_time_offsets(const struct spec *s, struct err *err)
{
	const struct spec_linux *l = s->linux_;

	for (size_t i = 0; i < l->n_time_offsets; i++) {
		const struct spec_time_offset *t = &l->time_offsets[i];

		if (strcmp(t->key, "monotonic") != 0 && strcmp(t->key, "boottime") != 0)
			return spec_check_fail(err, -EINVAL,
				"linux.timeOffsets: '%s' is neither monotonic nor boottime",
				t->key);
		if (t->nanosecs >= 1000000000)
			return spec_check_fail(err, -EINVAL,
				"linux.timeOffsets.%s.nanosecs: %u is a second or more", t->key,
				t->nanosecs);
	}
	if (l->n_time_offsets > 0 && !spec_namespace_is_new(s, SPEC_NS_TIME))
		return spec_check_fail(err, -EINVAL,
			"linux.timeOffsets: time namespace offsets specified, but no new namespace "
			"of type time");
	return 0;
}

static int check_device(const struct spec_device *d, size_t i, struct err *err)
{
	char field[48];
	int r;

	snprintf(field, sizeof(field), "linux.devices[%zu].path", i);
	r = spec_check_absolute(field, d->path, err);
	if (r < 0)
		return r;
	snprintf(field, sizeof(field), "linux.devices[%zu]", i);
	if (d->type != 'p') {
		if (!d->has_major || !d->has_minor)
			return spec_check_fail(
				err, -EINVAL, "%s: major and minor are missing", field);
		r = spec_check_device_number(field, d->major, d->minor, err);
	}
	if (r == 0 && d->has_file_mode && d->file_mode > 0177777)
		r = spec_check_fail(
			err, -EINVAL, "%s.fileMode: %u is no mode", field, d->file_mode);
	if (r == 0 && d->has_uid)
		r = spec_check_id(field, d->uid, err);
	if (r == 0 && d->has_gid)
		r = spec_check_id(field, d->gid, err);
	return r;
}

static int check_devices(const struct spec *s, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->linux_->n_devices; i++)
		r = check_device(&s->linux_->devices[i], i, err);
	return r;
}

static int check_net_devices(const struct spec *s, struct err *err)
{
	const struct spec_linux *l = s->linux_;

	for (size_t i = 0; i < l->n_net_devices; i++) {
		const struct spec_net_device *d = &l->net_devices[i];

		if (!spec_check_interface_name(d->key) ||
			(!str_empty(d->name) && !spec_check_interface_name(d->name)))
			return spec_check_fail(err, -EINVAL,
				"linux.netDevices: '%s' (to be '%s') is no interface name", d->key,
				str_empty(d->name) ? d->key : d->name);
		for (size_t k = 0; k < i; k++)
			if (strcmp(str_empty(d->name) ? d->key : d->name,
				    str_empty(l->net_devices[k].name)
					    ? l->net_devices[k].key
					    : l->net_devices[k].name) == 0)
				return spec_check_fail(err, -EINVAL,
					"linux.netDevices: two get the name of '%s'", d->key);
	}
	if (l->n_net_devices > 0 && !spec_namespace_find(s, SPEC_NS_NETWORK))
		return spec_check_fail(err, -EINVAL,
			"linux.netDevices: needs a namespace of type network: unable to move "
			"network devices without a NET namespace");
	return 0;
}

/* The path is cleaned as text before it is used, as the peers do; what is left must not lead above the root. */
static bool leads_above(const char *path)
{
	int depth = 0;

	for (const char *p = path; *p && depth >= 0; p += strspn(p, "/")) {
		size_t len = strcspn(p, "/");

		if (len == 2 && p[0] == '.' && p[1] == '.')
			depth--;
		else if (len > 1 || (len == 1 && *p != '.'))
			depth++;
		p += len;
	}
	return depth < 0;
}

static int check_cgroups_path(const struct spec *s, struct err *err)
{
	const char *path = s->linux_->cgroups_path;

	if (path && (leads_above(path) || strlen(path) >= PATH_MAX))
		return spec_check_fail(
			err, -EINVAL, "linux.cgroupsPath: '%s' is no usable path", path);
	return 0;
}

/* `hostname` is the one way to set it, as in runc and crun; `domainname` is the younger of its two, and both may say the same. */
static bool property_says_else(const struct spec *s, const char *path, const char *value)
{
	if (strcmp(path, "kernel/hostname") == 0)
		return true;
	return strcmp(path, "kernel/domainname") == 0 && !str_empty(s->domainname) &&
	       !str_eq(s->domainname, value);
}

static int check_sysctl(const struct spec *s, const struct spec_kv *kv, struct err *err)
{
	char path[SYSCTL_KEY_SIZE];
	enum spec_ns_type type;

	if (sysctl_key_path(kv->key, path) < 0)
		return spec_check_fail(err, -EINVAL,
			"linux.sysctl: '%s' is no key, or contains an invalid path", kv->key);
	type = sysctl_key_namespace(path);
	if (type == SPEC_NS_ABSENT)
		return spec_check_fail(err, -EINVAL,
			"linux.sysctl: '%s' is not in a namespace of its own, it belongs to the "
			"host",
			kv->key);
	if (!spec_namespace_find(s, type))
		return spec_check_fail(err, -EINVAL,
			"linux.sysctl: '%s' needs a namespace of type %s", kv->key,
			namespace_name(type));
	if (property_says_else(s, path, kv->value))
		return spec_check_fail(err, -EINVAL,
			"linux.sysctl: '%s' conflicts with the property of that name", kv->key);
	return 0;
}

static int check_sysctls(const struct spec *s, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->linux_->n_sysctl; i++)
		r = check_sysctl(s, &s->linux_->sysctl[i], err);
	return r;
}

static int check_paths(const char *field, const char **paths, size_t n, struct err *err)
{
	char name[48];
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		snprintf(name, sizeof(name), "%s[%zu]", field, i);
		r = spec_check_absolute(name, paths[i], err);
	}
	return r;
}

static int check_hidden_paths(const struct spec *s, struct err *err)
{
	const struct spec_linux *l = s->linux_;
	int r;

	if (l->n_masked_paths + l->n_readonly_paths > 8192)
		return spec_check_fail(
			err, -E2BIG, "linux.maskedPaths and readonlyPaths: at most 8192 are taken");
	r = check_paths("linux.maskedPaths", l->masked_paths, l->n_masked_paths, err);
	if (r == 0)
		r = check_paths("linux.readonlyPaths", l->readonly_paths, l->n_readonly_paths, err);
	if (r == 0 && l->n_masked_paths > 0)
		r = need_namespace(s, SPEC_NS_MOUNT, "linux.maskedPaths", err);
	if (r == 0 && l->n_readonly_paths > 0)
		r = need_namespace(s, SPEC_NS_MOUNT, "linux.readonlyPaths", err);
	return r;
}

/* closID becomes a directory of resctrl; "/" is its root, info and mon_* are the kernel's. */
static int check_intel_rdt(const struct spec *s, struct err *err)
{
	const struct spec_intel_rdt *t = s->linux_->intel_rdt;

	if (!t)
		return 0;
	if (!str_empty(t->clos_id) && strcmp(t->clos_id, "/") != 0 &&
		(!spec_check_plain_name(t->clos_id) || strcmp(t->clos_id, "info") == 0 ||
			str_starts(t->clos_id, "mon_")))
		return spec_check_fail(
			err, -EINVAL, "linux.intelRdt.closID: '%s' is no usable name", t->clos_id);
	for (size_t i = 0; i < t->n_schemata; i++)
		if (strchr(t->schemata[i], '\n'))
			return spec_check_fail(
				err, -EINVAL, "linux.intelRdt.schemata[%zu]: holds a line end", i);
	return 0;
}

static int check_personality(const struct spec *s, struct err *err)
{
	const struct spec_personality *p = s->linux_->personality;

	if (p && p->n_flags > 0)
		return spec_check_fail(err, -EINVAL,
			"linux.personality.flags: '%s' is not known: there are none", p->flags[0]);
	return 0;
}

static int check_policy_nodes(const struct spec_memory_policy *p, struct err *err)
{
	struct cpu_list nodes = { 0 };
	size_t count;
	int r = 0;

	if (!str_empty(p->nodes))
		r = cpu_list_parse(p->nodes, CPU_LIST_NODES, &nodes, err);
	if (r < 0) {
		err_in(err, "linux.memoryPolicy.nodes: invalid memory policy node");
		return r;
	}
	count = cpu_list_count(&nodes);
	switch (p->mode) {
	case MPOL_DEFAULT:
	case MPOL_LOCAL:
		if (count)
			return spec_check_fail(err, -EINVAL,
				"linux.memoryPolicy.nodes: this mode requires 0 nodes but got %zu",
				count);
		return 0;
	case MPOL_PREFERRED:
		return 0;
	default: /* BIND, INTERLEAVE, PREFERRED_MANY, WEIGHTED_INTERLEAVE */
		if (!count)
			return spec_check_fail(
				err, -EINVAL, "linux.memoryPolicy.nodes: missing for this mode");
		return 0;
	}
}

static int check_memory_policy(const struct spec *s, struct err *err)
{
	const struct spec_memory_policy *p = s->linux_->memory_policy;
	const uint64_t fixed = MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES;

	if (!p || spec_memory_policy_is_none(p))
		return 0;
	if (!p->has_mode)
		return spec_check_fail(err, -EINVAL,
			"linux.memoryPolicy.mode: missing (invalid memory policy mode)");
	if ((p->flags & fixed) == fixed)
		return spec_check_fail(err, -EINVAL,
			"linux.memoryPolicy.flags: MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES "
			"exclude each other (set_mempolicy: invalid argument)");
	if ((p->flags & fixed) && str_empty(p->nodes))
		return spec_check_fail(err, -EINVAL, "linux.memoryPolicy.flags: without nodes");
	if ((p->flags & MPOL_F_NUMA_BALANCING) && p->mode != MPOL_BIND &&
		p->mode != MPOL_PREFERRED_MANY)
		return spec_check_fail(err, -EINVAL,
			"linux.memoryPolicy.flags: MPOL_F_NUMA_BALANCING needs MPOL_BIND or "
			"MPOL_PREFERRED_MANY");
	return check_policy_nodes(p, err);
}

int spec_check_linux(const struct spec *s, struct err *err)
{
	static int (*const checks[])(const struct spec *s, struct err *err) = {
		check_namespaces,
		check_id_maps,
		check_time_offsets,
		check_devices,
		check_net_devices,
		check_cgroups_path,
		check_sysctls,
		check_hidden_paths,
		check_intel_rdt,
		check_personality,
		check_memory_policy,
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(checks); i++)
		r = checks[i](s, err);
	if (r == 0 && s->linux_->resources)
		r = spec_check_resources(s->linux_->resources, "linux.resources.", err);
	if (r == 0 && s->linux_->seccomp)
		r = spec_check_seccomp(s->linux_->seccomp, err);
	return r;
}
