/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long the lists of a document may be (spec/security.md 3). Looked at before anything that walks them: what comes
 * after may take time that grows with their square, and a plan that is larger than the executor's memory.
 */
#include <errno.h>

#include "oci/spec_check.h"

struct count {
	const char *field;
	size_t n;
	size_t max;
};

static int check(const struct count *rows, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i].n > rows[i].max)
			return spec_check_fail(err, -E2BIG,
				"%s: %zu entries, at most %zu are taken", rows[i].field, rows[i].n,
				rows[i].max);
	return 0;
}

static int check_hooks(const struct spec_hooks *h, struct err *err)
{
	const struct count rows[] = {
		{ "hooks.prestart", h->n_prestart, 256 },
		{ "hooks.createRuntime", h->n_create_runtime, 256 },
		{ "hooks.createContainer", h->n_create_container, 256 },
		{ "hooks.startContainer", h->n_start_container, 256 },
		{ "hooks.poststart", h->n_poststart, 256 },
		{ "hooks.poststop", h->n_poststop, 256 },
	};

	return check(rows, ARRAY_LEN(rows), err);
}

static int check_resources(const struct spec_resources *r, struct err *err)
{
	const struct count rows[] = {
		{ "linux.resources.devices", r->n_devices, 4096 },
		{ "linux.resources.hugepageLimits", r->n_hugepage_limits, 16 },
		{ "linux.resources.rdma", r->n_rdma, 64 },
	};

	return check(rows, ARRAY_LEN(rows), err);
}

static int check_linux(const struct spec_linux *l, struct err *err)
{
	const struct count rows[] = {
		{ "linux.namespaces", l->n_namespaces, 8 },
		{ "linux.uidMappings", l->n_uid_mappings, 340 },
		{ "linux.gidMappings", l->n_gid_mappings, 340 },
		{ "linux.devices", l->n_devices, 4096 },
		{ "linux.netDevices", l->n_net_devices, 256 },
		{ "linux.sysctl", l->n_sysctl, 1024 },
		{ "linux.seccomp.syscalls", l->seccomp ? l->seccomp->n_syscalls : 0, 4096 },
	};
	int r = check(rows, ARRAY_LEN(rows), err);

	return r == 0 && l->resources ? check_resources(l->resources, err) : r;
}

static int check_process(const struct spec_process *p, struct err *err)
{
	const struct count rows[] = {
		{ "process.rlimits", p->n_rlimits, 32 },
		{ "process.user.additionalGids", p->user.n_additional_gids, 65536 },
	};

	return check(rows, ARRAY_LEN(rows), err);
}

int spec_check_counts(const struct spec *s, struct err *err)
{
	const struct count mounts = { "mounts", s->n_mounts, 4096 };
	int r = check(&mounts, 1, err);

	for (size_t i = 0; r == 0 && i < s->n_mounts; i++) {
		const struct count rows[] = {
			{ "mounts[].uidMappings", s->mounts[i].n_uid_mappings, 340 },
			{ "mounts[].gidMappings", s->mounts[i].n_gid_mappings, 340 },
		};

		r = check(rows, ARRAY_LEN(rows), err);
	}
	if (r == 0 && s->hooks)
		r = check_hooks(s->hooks, err);
	if (r == 0 && s->process)
		r = check_process(s->process, err);
	if (r == 0 && s->linux_)
		r = check_linux(s->linux_, err);
	return r;
}
