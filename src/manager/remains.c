/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Only a cgroup that the configuration names by an absolute path is taken for the container's: one that is left to the
 * runtime could be anybody's, and so could one that the systemd driver has named. What is found in it is killed by
 * descriptor, so that no number is ever mistaken.
 *
 * A cgroup is removed that was in no hierarchy before the task was made, and only by rmdir(2), which the kernel refuses
 * while there is anybody in it: whatever else somebody has put there, nothing is lost that had a process.
 */
#include "manager/remains.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json_read.h"
#include "base/mem.h"
#include "base/pidref.h"
#include "base/str.h"
#include "container/cgroup.h"

#define SPEC_MAX_BYTES (16u << 20)

static const struct json_limits limits = {
	.bytes = SPEC_MAX_BYTES, .nodes = 1u << 20, .string = 4u << 20, .depth = 128
};

/* In the arena; NULL: none that we take. */
static const char *path_of(const char *spec, size_t size, struct arena *arena)
{
	struct json_node *top = NULL;
	const struct json_node *n;

	if (json_read(arena, spec, size, &limits, &top, NULL) < 0)
		return NULL;
	n = json_read_get(top, "linux");
	n = n ? json_read_get(n, "cgroupsPath") : NULL;
	return n && n->kind == JSON_READ_STRING && *n->text == '/' ? n->text : NULL;
}

static const char *read_path(int bundle, struct arena *arena)
{
	auto_free char *text = NULL;
	size_t size;

	if (fd_read_regular_at(bundle, "config.json", SPEC_MAX_BYTES, &text, &size) < 0)
		return NULL;
	return path_of(text, size, arena);
}

static void kill_all(const pid_t *pids, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		auto_done(pidref) struct pidref p = PIDREF_NULL;

		if (pidref_open(pids[i], &p) == 0)
			pidref_kill(&p, SIGKILL);
	}
}

static int kill_in(struct cgroup *cg, struct err *err)
{
	auto_free pid_t *pids = NULL;
	size_t n = 0;
	int r = cgroup_pids(cg, &pids, &n, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		if (pids[i] == getpid())
			return err_set(err, -EPERM, "the container's cgroup is our own");
	if (n > 0) {
		kill_all(pids, n);
		return err_set(err, -EBUSY, "%zu processes of it are being killed", n);
	}
	for (size_t i = 0; i < cg->n_dirs; i++)
		(void)rmdir(cg->dirs[i].path); /* one that has others in it stays */
	return 0;
}

int remains_kill(int bundle, const char *id, struct err *err)
{
	auto_done(arena) struct arena arena = { 0 };
	auto_done(cgroup_host) struct cgroup_host host = { 0 };
	auto_freep(cgroup) struct cgroup *cg = NULL;
	struct cgroup_request req = { .path = read_path(bundle, &arena), .id = id };
	int r;

	if (!req.path)
		return 0;
	r = cgroup_host_read("", &host, err);
	if (r == 0)
		r = cgroup_resolve(&host, &req, &cg, err);
	return r < 0 || !cg ? r : kill_in(cg, err);
}

/* ---- what nobody is in ---- */

bool remains_is_free(const struct cgroup_host *host, const char *cgroup, const char *id)
{
	const struct cgroup_request req = { .path = cgroup, .id = id };
	auto_freep(cgroup) struct cgroup *cg = NULL;

	if (*cgroup != '/' || cgroup_resolve(host, &req, &cg, NULL) < 0)
		return false;
	for (size_t i = 0; i < cg->n_dirs; i++)
		if (faccessat(AT_FDCWD, cg->dirs[i].path, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
			errno != ENOENT)
			return false;
	return cg->n_dirs > 0;
}

static int remove_child(struct cgroup_walk *w, int parentfd, const char *name)
{
	(void)unlinkat(parentfd, name, AT_REMOVEDIR); /* one that has somebody in it stays */
	return 0;
}

void remains_sweep_on(const struct cgroup_host *host, const char *cgroup, const char *id)
{
	const struct cgroup_request req = { .path = cgroup, .id = id };
	auto_freep(cgroup) struct cgroup *cg = NULL;

	if (*cgroup != '/' || cgroup_resolve(host, &req, &cg, NULL) < 0)
		return;
	for (size_t i = 0; i < cg->n_dirs; i++) {
		struct cgroup_walk w = { .leave = remove_child };

		if (rmdir(cg->dirs[i].path) == 0 || errno == ENOENT)
			continue;
		(void)cgroup_walk(&w, cg->dirs[i].path);
		(void)rmdir(cg->dirs[i].path);
	}
}

void remains_claim(const void *spec, size_t size, const char *id, char **ret)
{
	auto_done(arena) struct arena arena = { 0 };
	auto_done(cgroup_host) struct cgroup_host host = { 0 };
	const char *path = spec ? path_of(spec, size, &arena) : NULL;

	*ret = NULL;
	if (path && cgroup_host_read("", &host, NULL) == 0 && remains_is_free(&host, path, id))
		*ret = strdup(path);
}

void remains_sweep(const char *cgroup, const char *id)
{
	auto_done(cgroup_host) struct cgroup_host host = { 0 };

	if (cgroup_host_read("", &host, NULL) == 0)
		remains_sweep_on(&host, cgroup, id);
}
