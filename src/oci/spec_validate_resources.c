/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks of resources, in config.json ("linux.resources.cpu...") or by themselves ("cpu...").
 *
 * A value that only one cgroup version or only some kernels take is not judged here. 0 is let
 * through wherever writers use it for "not set".
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "oci/cpu_list.h"
#include "oci/spec_check.h"

static int check_rules(const struct spec_resources *r, const char *prefix, struct err *err)
{
	for (size_t i = 0; i < r->n_devices; i++) {
		const struct spec_device_rule *d = &r->devices[i];

		if ((d->has_major && (d->major < -1 || d->major > UINT32_MAX)) ||
			(d->has_minor && (d->minor < -1 || d->minor > UINT32_MAX)))
			return spec_check_fail(err, -EINVAL,
				"%sdevices[%zu]: %lld:%lld is no device number", prefix, i,
				(long long)d->major, (long long)d->minor);
		/* Other letters say nothing, as with runc: its own suite has "rwa". */
		if (!str_empty(d->access) && !strpbrk(d->access, "rwm"))
			return spec_check_fail(err, -EINVAL,
				"%sdevices[%zu].access: '%s' has none of r, w, m", prefix, i,
				d->access);
	}
	return 0;
}

static int check_amount(const char *prefix, const char *name, bool has, int64_t v, struct err *err)
{
	if (has && v < -1)
		return spec_check_fail(err, -EINVAL, "%s%s: %lld is no amount (-1 is unlimited)",
			prefix, name, (long long)v);
	return 0;
}

static int check_memory(const struct spec_resources *r, const char *prefix, struct err *err)
{
	const struct spec_memory *m = r->memory;
	int ret;

	if (!m)
		return 0;
	ret = check_amount(prefix, "memory.limit", m->has_limit, m->limit, err);
	if (ret == 0)
		ret = check_amount(
			prefix, "memory.reservation", m->has_reservation, m->reservation, err);
	if (ret == 0)
		ret = check_amount(prefix, "memory.swap", m->has_swap, m->swap, err);
	if (ret == 0)
		ret = check_amount(prefix, "memory.kernel", m->has_kernel, m->kernel, err);
	if (ret == 0)
		ret = check_amount(
			prefix, "memory.kernelTCP", m->has_kernel_tcp, m->kernel_tcp, err);
	if (ret < 0)
		return ret;
	if (m->has_limit && m->has_swap && m->limit > 0 && m->swap > 0 && m->swap < m->limit)
		return spec_check_fail(err, -EINVAL,
			"%smemory.swap: memory plus swap (%lld) is below memory.limit (%lld)",
			prefix, (long long)m->swap, (long long)m->limit);
	/* 2^64-1 is how some writers spell -1, not set */
	if (m->has_swappiness && m->swappiness > 100 && m->swappiness != UINT64_MAX)
		return spec_check_fail(err, -EINVAL, "%smemory.swappiness: %llu is not in 0..100",
			prefix, (unsigned long long)m->swappiness);
	return 0;
}

static int check_list(
	const char *prefix, const char *name, const char *text, unsigned int limit, struct err *err)
{
	struct cpu_list list;
	int r;

	if (!text)
		return 0;
	r = cpu_list_parse(text, limit, &list, err);
	if (r < 0)
		err_in(err, "%scpu.%s", prefix, name);
	return r;
}

static int check_cpu(const struct spec_resources *r, const char *prefix, struct err *err)
{
	const struct spec_cpu *c = r->cpu;
	int ret;

	if (!c)
		return 0;
	if (c->has_idle && c->idle != 0 && c->idle != 1)
		return spec_check_fail(err, -EINVAL, "%scpu.idle: %lld is neither 0 nor 1", prefix,
			(long long)c->idle);
	ret = check_list(prefix, "cpus", c->cpus, CPU_LIST_CPUS, err);
	if (ret == 0)
		ret = check_list(prefix, "mems", c->mems, CPU_LIST_NODES, err);
	return ret;
}

static int check_pids(const struct spec_resources *r, const char *prefix, struct err *err)
{
	if (!r->pids)
		return 0;
	return check_amount(prefix, "pids.limit", r->pids->has_limit, r->pids->limit, err);
}

static int check_weight(
	const char *prefix, const char *name, bool has, uint16_t weight, struct err *err)
{
	if (has && weight != 0 && (weight < 10 || weight > 1000))
		return spec_check_fail(
			err, -EINVAL, "%sblockIO.%s: %u is not in 10..1000", prefix, name, weight);
	return 0;
}

static int check_throttle(const char *prefix, const char *name,
	const struct spec_throttle_device *d, size_t n, struct err *err)
{
	char field[80];
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < n; i++) {
		snprintf(field, sizeof(field), "%sblockIO.%s[%zu]", prefix, name, i);
		ret = spec_check_device_number(field, d[i].major, d[i].minor, err);
	}
	return ret;
}

static int check_weight_devices(const char *prefix, const struct spec_block_io *b, struct err *err)
{
	char name[64];
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < b->n_weight_device; i++) {
		const struct spec_weight_device *d = &b->weight_device[i];
		char field[80];

		snprintf(name, sizeof(name), "weightDevice[%zu]", i);
		snprintf(field, sizeof(field), "%sblockIO.%s", prefix, name);
		ret = spec_check_device_number(field, d->major, d->minor, err);
		if (ret == 0)
			ret = check_weight(prefix, name, d->has_weight, d->weight, err);
		if (ret == 0)
			ret = check_weight(prefix, name, d->has_leaf_weight, d->leaf_weight, err);
	}
	return ret;
}

static int check_block_io(const struct spec_resources *r, const char *prefix, struct err *err)
{
	const struct spec_block_io *b = r->block_io;
	int ret;

	if (!b)
		return 0;
	ret = check_weight(prefix, "weight", b->has_weight, b->weight, err);
	if (ret == 0)
		ret = check_weight(prefix, "leafWeight", b->has_leaf_weight, b->leaf_weight, err);
	if (ret == 0)
		ret = check_weight_devices(prefix, b, err);
	if (ret == 0)
		ret = check_throttle(prefix, "throttleReadBpsDevice", b->throttle_read_bps_device,
			b->n_throttle_read_bps_device, err);
	if (ret == 0)
		ret = check_throttle(prefix, "throttleWriteBpsDevice", b->throttle_write_bps_device,
			b->n_throttle_write_bps_device, err);
	if (ret == 0)
		ret = check_throttle(prefix, "throttleReadIOPSDevice", b->throttle_read_iops_device,
			b->n_throttle_read_iops_device, err);
	if (ret == 0)
		ret = check_throttle(prefix, "throttleWriteIOPSDevice",
			b->throttle_write_iops_device, b->n_throttle_write_iops_device, err);
	return ret;
}

/* "64KB", "2MB", "1GB": becomes part of a file name. */
static bool is_page_size(const char *s)
{
	size_t digits = strspn(s, "0123456789");

	return digits > 0 && digits < 10 && s[0] != '0' && s[digits] && strchr("KMG", s[digits]) &&
	       strcmp(s + digits + 1, "B") == 0;
}

static int check_hugepages(const struct spec_resources *r, const char *prefix, struct err *err)
{
	for (size_t i = 0; i < r->n_hugepage_limits; i++)
		if (!is_page_size(r->hugepage_limits[i].page_size))
			return spec_check_fail(err, -EINVAL,
				"%shugepageLimits[%zu].pageSize: '%s' is no size like 2MB", prefix,
				i, r->hugepage_limits[i].page_size);
	return 0;
}

static int check_network(const struct spec_resources *r, const char *prefix, struct err *err)
{
	for (size_t i = 0; r->network && i < r->network->n_priorities; i++)
		if (!spec_check_interface_name(r->network->priorities[i].name))
			return spec_check_fail(err, -EINVAL,
				"%snetwork.priorities[%zu].name: '%s' is no interface name", prefix,
				i, r->network->priorities[i].name);
	return 0;
}

/* Keys become words of a line and names of files. */
static int check_keys(const struct spec_resources *r, const char *prefix, struct err *err)
{
	for (size_t i = 0; i < r->n_rdma; i++)
		if (!spec_check_plain_name(r->rdma[i].key) || strchr(r->rdma[i].key, ' '))
			return spec_check_fail(err, -EINVAL, "%srdma: '%s' is no device name",
				prefix, r->rdma[i].key);
	for (size_t i = 0; i < r->n_unified; i++)
		if (!spec_check_plain_name(r->unified[i].key))
			return spec_check_fail(err, -EINVAL,
				"%sunified: '%s' is no plain file name", prefix, r->unified[i].key);
	return 0;
}

int spec_check_resources(const struct spec_resources *r, const char *prefix, struct err *err)
{
	static int (*const checks[])(
		const struct spec_resources *r, const char *prefix, struct err *err) = {
		check_rules,
		check_memory,
		check_cpu,
		check_pids,
		check_block_io,
		check_hugepages,
		check_network,
		check_keys,
	};
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < ARRAY_LEN(checks); i++)
		ret = checks[i](r, prefix, err);
	return ret;
}

int spec_validate_resources(const struct spec_resources *r, struct err *err)
{
	return spec_check_resources(r, "", err);
}
