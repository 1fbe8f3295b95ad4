/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `reeve update ID`: change limits of a container, by a document or by flags. With a document the flags count for
 * nothing. What is not named stays as it is.
 */
#include <errno.h>

#include "base/mem.h"
#include "cli/commands.h"
#include "cli/session.h"

struct update_options {
	const char *resources;
	const char *blkio_weight;
	const char *cpu_period, *cpu_quota, *cpu_burst, *cpu_share, *cpu_idle;
	const char *cpu_rt_period, *cpu_rt_runtime;
	const char *cpuset_cpus, *cpuset_mems;
	const char *memory, *memory_reservation, *memory_swap;
	const char *pids_limit;
	const char *kernel_memory, *kernel_memory_tcp;
	const char *l3_cache_schema, *mem_bw_schema;
};

#define AT(member) offsetof(struct update_options, member)

// clang-format off
static const struct args_option options[] = {
	{ "resources", 'r', ARGS_STRING, AT(resources), "FILE", "take resources from this document; - is stdin" },
	{ "memory", 0, ARGS_STRING, AT(memory), "BYTES", "memory (100m; -1: no limit)" },
	{ "memory-reservation", 0, ARGS_STRING, AT(memory_reservation), "BYTES", "memory that is spared first" },
	{ "memory-swap", 0, ARGS_STRING, AT(memory_swap), "BYTES", "memory and swap together" },
	{ "cpu-share", 0, ARGS_STRING, AT(cpu_share), "N", "weight of CPU time" },
	{ "cpu-quota", 0, ARGS_STRING, AT(cpu_quota), "US", "CPU time in a period, microseconds" },
	{ "cpu-period", 0, ARGS_STRING, AT(cpu_period), "US", "that period" },
	{ "cpu-burst", 0, ARGS_STRING, AT(cpu_burst), "US", "unused time that may be saved up" },
	{ "cpu-idle", 0, ARGS_STRING, AT(cpu_idle), "0|1", "only when nothing else wants to run" },
	{ "cpu-rt-period", 0, ARGS_STRING, AT(cpu_rt_period), "US", "realtime period" },
	{ "cpu-rt-runtime", 0, ARGS_STRING, AT(cpu_rt_runtime), "US", "realtime CPU time in it" },
	{ "cpuset-cpus", 0, ARGS_STRING, AT(cpuset_cpus), "LIST", "CPUs to use (0-3,7)" },
	{ "cpuset-mems", 0, ARGS_STRING, AT(cpuset_mems), "LIST", "memory nodes to use" },
	{ "pids-limit", 0, ARGS_STRING, AT(pids_limit), "N", "processes and threads (-1: no limit)" },
	{ "blkio-weight", 0, ARGS_STRING, AT(blkio_weight), "N", "weight of disk time, 10 to 1000" },
	{ "kernel-memory", 0, ARGS_STRING, AT(kernel_memory), "BYTES", "ignored: kernels have it no more" },
	{ "kernel-memory-tcp", 0, ARGS_STRING, AT(kernel_memory_tcp), "BYTES", "ignored" },
	{ "l3-cache-schema", 0, ARGS_STRING, AT(l3_cache_schema), "TEXT", NULL },
	{ "mem-bw-schema", 0, ARGS_STRING, AT(mem_bw_schema), "TEXT", NULL },
};
// clang-format on

/* ---- from a document ---- */

static int read_document(const char *path, struct spec_resources_doc **ret, struct err *err)
{
	auto_free char *json = NULL;
	size_t size;
	int r = cli_read_document(path, "resources", &json, &size, err);

	if (r < 0)
		return r;
	r = spec_parse_resources(json, size, ret, err);
	return r < 0 ? err_in(err, "resources '%s'", path) : 0;
}

/* ---- from flags; an empty one is as good as none, as by runc ---- */

static int invalid(const char *flag, const char *value, struct err *err)
{
	return err_set(err, -EINVAL, "invalid value \"%s\" for %s", value, flag);
}

static int take_size(const char *flag, const char *value, bool *has, int64_t *to, struct err *err)
{
	if (str_empty(value))
		return 0;
	*has = true;
	return str_to_size(value, to) < 0 ? invalid(flag, value, err) : 0;
}

static int take_i64(const char *flag, const char *value, bool *has, int64_t *to, struct err *err)
{
	if (str_empty(value))
		return 0;
	*has = true;
	return str_to_i64(value, to) < 0 ? invalid(flag, value, err) : 0;
}

static int take_u64(const char *flag, const char *value, bool *has, uint64_t *to, struct err *err)
{
	if (str_empty(value))
		return 0;
	*has = true;
	return str_to_u64(value, UINT64_MAX, to) < 0 ? invalid(flag, value, err) : 0;
}

static int fill_memory(
	struct spec_resources_doc *d, const struct update_options *o, struct err *err)
{
	struct spec_memory *m;
	int r;

	if (str_empty(o->memory) && str_empty(o->memory_reservation) && str_empty(o->memory_swap))
		return 0;
	m = d->resources.memory = arena_alloc(&d->arena, sizeof(*m));
	if (!m)
		return err_oom(err);
	r = take_size("--memory", o->memory, &m->has_limit, &m->limit, err);
	if (r == 0)
		r = take_size("--memory-reservation", o->memory_reservation, &m->has_reservation,
			&m->reservation, err);
	if (r == 0)
		r = take_size("--memory-swap", o->memory_swap, &m->has_swap, &m->swap, err);
	/* Memory without a limit below one for memory and swap together cannot be. */
	if (r == 0 && m->has_limit && m->limit == -1 && !m->has_swap) {
		m->has_swap = true;
		m->swap = -1;
	}
	return r;
}

static int fill_cpu(struct spec_resources_doc *d, const struct update_options *o, struct err *err)
{
	struct spec_cpu *c = arena_alloc(&d->arena, sizeof(*c));
	int r;

	if (!c)
		return err_oom(err);
	c->cpus = o->cpuset_cpus;
	c->mems = o->cpuset_mems;
	r = take_u64("--cpu-share", o->cpu_share, &c->has_shares, &c->shares, err);
	if (r == 0)
		r = take_i64("--cpu-quota", o->cpu_quota, &c->has_quota, &c->quota, err);
	if (r == 0)
		r = take_u64("--cpu-period", o->cpu_period, &c->has_period, &c->period, err);
	if (r == 0)
		r = take_u64("--cpu-burst", o->cpu_burst, &c->has_burst, &c->burst, err);
	if (r == 0)
		r = take_i64("--cpu-rt-runtime", o->cpu_rt_runtime, &c->has_realtime_runtime,
			&c->realtime_runtime, err);
	if (r == 0)
		r = take_u64("--cpu-rt-period", o->cpu_rt_period, &c->has_realtime_period,
			&c->realtime_period, err);
	if (r == 0)
		r = take_i64("--cpu-idle", o->cpu_idle, &c->has_idle, &c->idle, err);
	d->resources.cpu = c;
	return r;
}

static int fill_rest(struct spec_resources_doc *d, const struct update_options *o, struct err *err)
{
	struct spec_pids *p = arena_alloc(&d->arena, sizeof(*p));
	struct spec_block_io *b = arena_alloc(&d->arena, sizeof(*b));
	uint64_t weight;
	int r;

	if (!p || !b)
		return err_oom(err);
	r = take_i64("--pids-limit", o->pids_limit, &p->has_limit, &p->limit, err);
	if (r < 0)
		return r;
	if (!str_empty(o->blkio_weight) && str_to_u64(o->blkio_weight, UINT16_MAX, &weight) < 0)
		return invalid("--blkio-weight", o->blkio_weight, err);
	if (!str_empty(o->blkio_weight)) {
		b->has_weight = true;
		b->weight = (uint16_t)weight;
		d->resources.block_io = b;
	}
	if (p->has_limit)
		d->resources.pids = p;
	return 0;
}

static int from_flags(
	const struct update_options *o, struct spec_resources_doc **ret, struct err *err)
{
	auto_freep(spec_resources_doc) struct spec_resources_doc *d = mem_calloc(1, sizeof(*d));
	int r;

	if (!d)
		return err_oom(err);
	if (o->l3_cache_schema || o->mem_bw_schema)
		return err_set(err, -ENOTSUP, "linux.intelRdt: not supported by this version");
	r = fill_memory(d, o, err);
	if (r == 0)
		r = fill_cpu(d, o, err);
	if (r == 0)
		r = fill_rest(d, o, err);
	if (r < 0)
		return r;
	*ret = take_ptr(d);
	return 0;
}

static int update(
	struct cli *cli, const char *id, const struct spec_resources *res, struct err *err)
{
	struct container_handler h;
	struct container *c = NULL;
	struct session s = { 0 };
	int r;

	r = session_look(&s, cli, id, false, &c, err);
	if (r == 0) {
		r = container_update(c, res, session_handler(&s, &h), err);
		if (r == 0)
			r = session_wait(&s, err);
		container_free(c);
	}
	session_done(&s);
	return r;
}

static int run(struct cli *cli, const void *target, const struct args_list *args, struct err *err)
{
	auto_freep(spec_resources_doc) struct spec_resources_doc *d = NULL;
	const struct update_options *o = target;
	int r;

	if (o->resources)
		r = read_document(o->resources, &d, err);
	else
		r = from_flags(o, &d, err);
	if (r == 0)
		r = spec_validate_resources(&d->resources, err);
	if (r < 0)
		return r;
	if (!o->resources && (o->kernel_memory || o->kernel_memory_tcp))
		log_write(&cli->log, LOG_WARN_, "limits of kernel memory are ignored");
	return update(cli, args->items[0], &d->resources, err);
}

const struct cli_command update_command = {
	.name = "update",
	.usage = "[OPTIONS] ID",
	.summary = "change the limits of a container",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.target_size = sizeof(struct update_options),
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
