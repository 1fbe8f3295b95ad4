/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Salvage. Without a record it is not known which process and which cgroup are the container's. The private copy of its
 * configuration names the cgroup, but not who made it, so what lives there is named and not killed.
 */
#include "container/salvage.h"

#include <errno.h>

#include "base/fd.h"
#include "base/mem.h"
#include "container/cgroup.h"
#include "container/state.h"
#include "oci/spec.h"

#define CONFIG_MAX (4u << 20)

static int check_cgroup(const struct host *h, const struct state *s, struct err *err)
{
	auto_freep(cgroup) struct cgroup *cg = NULL;
	auto_freep(spec) struct spec *spec = NULL;
	auto_free char *json = NULL;
	auto_free pid_t *pids = NULL;
	struct cgroup_request req = { .id = s->record.id, .unprivileged = true };
	size_t size, n = 0;

	if (fd_read_file_at(s->dirfd, "config.json", CONFIG_MAX, &json, &size) < 0 ||
		spec_parse(json, size, &spec, NULL) < 0)
		return 0;
	req.path = spec->linux_ ? spec->linux_->cgroups_path : NULL;
	if (cgroup_resolve(h->cgroups, &req, &cg, NULL) < 0 ||
		cgroup_pids(cg, &pids, &n, NULL) < 0 || n == 0)
		return 0;
	return err_set(err, -EBUSY,
		"state of container '%s' is damaged, and %zu processes are left in its cgroup (%d "
		"is one): end them first",
		s->record.id, n, pids[0]);
}

int container_salvage(const struct host *h, const char *id, struct err *err)
{
	auto_done(state) struct state s = STATE_NULL;
	int r;

	r = state_open(h->state, id, STATE_SALVAGE, &s, err);
	if (r == 0)
		r = check_cgroup(h, &s, err);
	if (r < 0)
		return r;
	log_write(h->log, LOG_WARN_,
		"state of container '%s' was damaged: only its directory is removed", id);
	return state_remove(&s, err);
}
