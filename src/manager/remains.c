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
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/json_read.h"
#include "base/mem.h"
#include "base/pidref.h"
#include "base/str.h"
#include "container/cgroup.h"
#include "container/cgroup_v1.h"

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

/* In v1 what is frozen dies when it is thawed. */
static void thaw(struct cgroup *cg)
{
	for (size_t i = 0; i < cg->n_dirs; i++)
		if (!cg->dirs[i].v2 && cg->dirs[i].controllers & CGROUP_BIT(CGROUP_FREEZER))
			(void)cgroup_v1_thaw_all(&cg->dirs[i]);
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
		thaw(cg);
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

static int remove_child(struct cgroup_walk *w, int parentfd, const char *name)
{
	(void)unlinkat(parentfd, name, AT_REMOVEDIR); /* one that has somebody in it stays */
	return 0;
}

static void sweep(const struct cgroup *cg)
{
	for (size_t i = 0; i < cg->n_dirs; i++) {
		struct cgroup_walk w = { .leave = remove_child };

		if (rmdir(cg->dirs[i].path) == 0 || errno == ENOENT)
			continue;
		(void)cgroup_walk(&w, cg->dirs[i].path);
		(void)rmdir(cg->dirs[i].path);
	}
}

/* ---- by what is noted ---- */

#define CGROUP_NAME "cgroup"
#define INIT_NAME "init"
#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define NOTE_MAX_BYTES 8192

/* Empty where it is left to the runtime. */
int remains_note_cgroup(int work, const void *spec, size_t size)
{
	auto_done(arena) struct arena arena = { 0 };
	const char *path = spec ? path_of(spec, size, &arena) : NULL;

	return file_replace_at(work, CGROUP_NAME, path ? path : "", path ? strlen(path) : 0, 0600);
}

int remains_note_init(int work, pid_t pid)
{
	auto_free char *boot = NULL;
	uint64_t start;
	char text[128];
	int r = fd_read_file_at(AT_FDCWD, BOOT_ID, 64, &boot, NULL);

	if (r == 0)
		r = pidref_read_start_time(pid, &start);
	if (r < 0)
		return r;
	snprintf(text, sizeof(text), "%d %" PRIu64 " %.40s", pid, start, boot);
	return file_replace_at(work, INIT_NAME, text, strlen(text), 0600);
}

bool remains_is_noted(int work)
{
	return faccessat(work, CGROUP_NAME, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int remains_parse_init(const char *text, const char *boot, pid_t *ret_pid, uint64_t *ret_start)
{
	auto_free char *note = strdup(text);
	char *start = note ? strchr(note, ' ') : NULL, *of = start ? strchr(start + 1, ' ') : NULL;
	uint64_t pid, ticks;

	if (!note)
		return -ENOMEM;
	if (!of || !str_eq(of + 1, boot))
		return -EBADMSG;
	*start++ = *of = '\0';
	if (*note == '0' || str_to_u64(note, INT_MAX, &pid) < 0 || (*start == '0' && start[1]) ||
		str_to_u64(start, UINT64_MAX, &ticks) < 0)
		return -EBADMSG;
	*ret_pid = (pid_t)pid;
	*ret_start = ticks;
	return 0;
}

/* 0: it is dead, or of another boot. */
static pid_t living_init(int work)
{
	auto_done(pidref) struct pidref who = PIDREF_NULL;
	auto_free char *text = NULL, *boot = NULL;
	uint64_t start;
	size_t size;
	pid_t pid;

	if (fd_read_regular_at(work, INIT_NAME, NOTE_MAX_BYTES, &text, &size) < 0 ||
		fd_read_file_at(AT_FDCWD, BOOT_ID, 64, &boot, NULL) < 0)
		return 0;
	if (remains_parse_init(text, boot, &pid, &start) < 0 ||
		pidref_reopen(pid, 0, start, &who) < 0 || pidref_exited(&who))
		return 0;
	return pid;
}

static bool is_in(struct cgroup *cg, pid_t pid)
{
	auto_free pid_t *pids = NULL;
	size_t n = 0;
	bool is = false;

	if (cgroup_pids(cg, &pids, &n, NULL) < 0)
		return false;
	for (size_t i = 0; i < n; i++)
		is |= pids[i] == pid;
	return is;
}

/* What its init has left, it may be, is about to die as well. */
static int await_empty(struct cgroup *cg, struct err *err)
{
	auto_free pid_t *pids = NULL;
	size_t n = 0;
	int r = cgroup_pids(cg, &pids, &n, err);

	if (r == 0 && n > 0)
		r = err_set(err, -EAGAIN, "%zu processes that nobody knows are in its cgroup", n);
	return r;
}

/* Without a note there is none. */
static int noted_cgroup(int work, const char *id, struct cgroup_host *host, struct cgroup **ret,
	char **ret_path, struct err *err)
{
	struct cgroup_request req = { .id = id };
	size_t size;
	int r = fd_read_regular_at(work, CGROUP_NAME, NOTE_MAX_BYTES, ret_path, &size);

	if (r < 0)
		return r == -ENOENT ? 0 : err_code(err, r, "read which cgroup '%s' had", id);
	req.path = **ret_path ? *ret_path : NULL;
	r = cgroup_host_read("", host, err);
	return r < 0 ? r : cgroup_resolve(host, &req, ret, err);
}

void remains_thaw_noted(int work, const char *id)
{
	auto_done(cgroup_host) struct cgroup_host host = { 0 };
	auto_freep(cgroup) struct cgroup *cg = NULL;
	auto_free char *path = NULL;
	pid_t init = living_init(work);

	if (init && noted_cgroup(work, id, &host, &cg, &path, NULL) == 0 && cg && is_in(cg, init))
		thaw(cg);
}

int remains_kill_noted(int work, const char *id, bool ours, struct err *err)
{
	auto_done(cgroup_host) struct cgroup_host host = { 0 };
	auto_freep(cgroup) struct cgroup *cg = NULL;
	auto_free char *path = NULL;
	pid_t init = living_init(work);
	int r = noted_cgroup(work, id, &host, &cg, &path, err);

	if (r < 0 || !cg)
		return r;
	r = ours || (init && is_in(cg, init)) ? kill_in(cg, err) : await_empty(cg, err);
	if (r == 0)
		sweep(cg);
	return r;
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

void remains_sweep_on(const struct cgroup_host *host, const char *cgroup, const char *id)
{
	const struct cgroup_request req = { .path = cgroup, .id = id };
	auto_freep(cgroup) struct cgroup *cg = NULL;

	if (*cgroup == '/' && cgroup_resolve(host, &req, &cg, NULL) == 0)
		sweep(cg);
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
