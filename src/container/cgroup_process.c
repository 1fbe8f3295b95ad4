/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes of a cgroup: listing, signals, freezing.
 *
 * A mistake here ends or stops a whole machine, so signals and freezing go only to directories that
 * the record calls ours, that are no root and that this process is not in; and each process found in
 * a list is opened as a pidfd and asked for its cgroup again before it is signalled.
 *
 * Where a v2 directory exists (v2 and hybrid) it is what lists, kills and freezes: cgroup.kill takes
 * forks along, and frozen processes of v2 can be killed and traced. Those frozen by v1 cannot die
 * until they are thawed.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/pidref.h"
#include "base/str.h"
#include "container/cgroup.h"
#include "container/cgroup_v1.h"
#include "container/cgroup_v2.h"

#define KILL_ROUNDS 16
#define RETRY_FIRST_NS (50 * 1000ull)
#define RETRY_MAX_NS (10 * NS_PER_MS)

/* `inner` is `outer` or below it. */
static bool is_below(const char *inner, const char *outer)
{
	size_t len = strlen(outer);

	return strncmp(inner, outer, len) == 0 && (inner[len] == '/' || inner[len] == '\0');
}

/* 1: the text of /proc/PID/cgroup puts it into `d` or below; 0: elsewhere. */
static int is_member(const struct cgroup_dir *d, const char *proc_cgroup)
{
	struct arena arena = { 0 };
	const char *path;
	int r = cgroup_self_path(proc_cgroup, d->label, &arena, &path);

	if (r == 0)
		r = is_below(path, d->name);
	arena_done(&arena);
	return r;
}

/* 0: we may act on it. -ENOENT: it is gone. -EPERM with a text otherwise. */
static int guard(const struct cgroup *cg, struct cgroup_dir *d, const char *what, struct err *err)
{
	auto_free char *self = NULL;
	struct stat st;
	int r;

	/* One that a removal has taken is no longer ours, but neither an obstacle. */
	if (stat(d->path, &st) < 0)
		return errno == ENOENT ? -ENOENT : err_sys(err, "look at cgroup '%s'", d->path);
	if (d->owned != CGROUP_OWNED)
		return err_set(err, -EPERM,
			"refusing to %s cgroup '%s': it was not made for this container", what,
			d->path);
	if (d->depth < 1 || str_eq(d->name, "/") || st.st_ino == 1)
		return err_set(err, -EPERM,
			"refusing to %s cgroup '%s': it is the root of the hierarchy", what,
			d->path);
	r = cgroup_host_self(cg->prefix, &self, err);
	if (r < 0)
		return r;
	r = is_member(d, self);
	if (r < 0)
		return err_set(err, -EPERM,
			"refusing to %s cgroup '%s': the own cgroup of its hierarchy is unknown",
			what, d->path);
	if (r > 0)
		return err_set(err, -EPERM, "refusing to %s cgroup '%s': this process is in it",
			what, d->path);
	return 0;
}

static struct cgroup_dir *v1_dir(struct cgroup *cg, enum cgroup_controller c)
{
	for (size_t i = 0; i < cg->n_dirs; i++)
		if (!cg->dirs[i].v2 && (cg->dirs[i].controllers & CGROUP_BIT(c)))
			return &cg->dirs[i];
	return NULL;
}

/* The v1 directory whose list of processes we trust: any would do, these are always there. */
static struct cgroup_dir *v1_list_dir(struct cgroup *cg)
{
	struct cgroup_dir *d = v1_dir(cg, CGROUP_FREEZER);

	if (!d)
		d = v1_dir(cg, CGROUP_PIDS);
	if (!d)
		d = v1_dir(cg, CGROUP_MEMORY);
	for (size_t i = 0; i < cg->n_dirs && !d; i++)
		if (!cg->dirs[i].v2)
			d = &cg->dirs[i];
	return d;
}

/* ---- lists and signals ---- */

int cgroup_pids(struct cgroup *cg, pid_t **ret, size_t *ret_n, struct err *err)
{
	struct cgroup_dir *d = cgroup_v2_dir(cg);
	struct cgroup_pid_list list = { 0 };
	int r;

	if (!d)
		d = v1_list_dir(cg);
	if (!d)
		return err_set(err, -EOPNOTSUPP, "the container has no cgroup");
	r = cgroup_pids_below(d->path, &list);
	if (r < 0 && r != -ENOENT) {
		free(list.pid);
		return err_code(err, r, "list the processes of cgroup '%s'", d->path);
	}
	*ret = list.pid;
	*ret_n = list.n;
	return 0;
}

/* 1: signalled. 0: gone, or no longer in this cgroup. */
static int signal_one(const struct cgroup *cg, const struct cgroup_dir *d, pid_t pid, int sig)
{
	auto_done(pidref) struct pidref p = PIDREF_NULL;
	auto_free char *text = NULL;
	char path[64];
	int r = pidref_open(pid, &p);

	if (r < 0)
		return r == -ESRCH ? 0 : r;
	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	r = fd_read_file_at(AT_FDCWD, path, 1u << 20, &text, NULL);
	if (r == 0)
		r = is_member(d, text);
	if (r <= 0)
		return r == -ENOENT || r == -ESRCH ? 0 : r;
	r = pidref_kill(&p, sig);
	return r == -ESRCH ? 0 : r < 0 ? r : 1;
}

static bool was_signalled(const struct cgroup_pid_list *done, pid_t pid)
{
	for (size_t i = 0; i < done->n; i++)
		if (done->pid[i] == pid)
			return true;
	return false;
}

/* Signal who is in the directory and not yet in `done`; returns how many. */
static int signal_round(struct cgroup *cg, struct cgroup_dir *d, int sig,
	struct cgroup_pid_list *done, struct err *err)
{
	struct cgroup_pid_list list = { 0 };
	size_t before = done->n;
	int r = cgroup_pids_below(d->path, &list), count = 0;

	if (r == -ENOENT)
		return 0;
	for (size_t i = 0; i < list.n && r >= 0; i++) {
		/* Linear over the earlier rounds, which only fork storms fill. */
		struct cgroup_pid_list earlier = { .pid = done->pid, .n = before };

		if (was_signalled(&earlier, list.pid[i]))
			continue;
		if (mem_grow(&done->pid, &done->cap, done->n + 1, sizeof(*done->pid)) < 0) {
			r = -ENOMEM;
			break;
		}
		r = signal_one(cg, d, list.pid[i], sig);
		if (r > 0) {
			done->pid[done->n++] = list.pid[i];
			count++;
		}
	}
	free(list.pid);
	if (r < 0)
		return err_code(err, r, "signal the processes of cgroup '%s'", d->path);
	return count;
}

int cgroup_signal(struct cgroup *cg, int sig, struct err *err)
{
	struct cgroup_dir *d = cgroup_v2_dir(cg);
	struct cgroup_pid_list done = { 0 };
	int r;

	if (!d)
		d = v1_list_dir(cg);
	if (!d)
		return err_set(err, -EOPNOTSUPP, "the container has no cgroup");
	r = guard(cg, d, "signal the processes of", err);
	if (r == 0)
		r = signal_round(cg, d, sig, &done, err);
	free(done.pid);
	return r == -ENOENT || r > 0 ? 0 : r;
}

/* Rounds until nobody new appears: what forks while it is listed is met in the next one. */
static int kill_by_list(
	struct cgroup *cg, struct cgroup_dir *d, struct cgroup_dir *freezer, struct err *err)
{
	struct cgroup_pid_list done = { 0 };
	int r = 1;

	for (int round = 0; round < KILL_ROUNDS && r > 0; round++) {
		if (freezer)
			cgroup_put(freezer, "freezer.state", "FROZEN");
		r = signal_round(cg, d, SIGKILL, &done, err);
		if (freezer)
			cgroup_put(freezer, "freezer.state", "THAWED");
	}
	free(done.pid);
	return r < 0 ? r : 0;
}

/* 1: done. 0: there is no such file (a threaded cgroup has none that works). */
static int kill_v2(struct cgroup_dir *d, struct err *err)
{
	int r = cgroup_put(d, "cgroup.kill", "1");

	if (r == -ENOENT || r == -ENODEV || r == -EOPNOTSUPP)
		return 0;
	return r < 0 ? err_code(err, r, "write 1 to cgroup.kill of cgroup '%s'", d->path) : 1;
}

int cgroup_kill(struct cgroup *cg, struct err *err)
{
	struct cgroup_dir *v2 = cgroup_v2_dir(cg), *v1 = v1_list_dir(cg);
	struct cgroup_dir *freezer = v1_dir(cg, CGROUP_FREEZER);
	int r, killed = 0;

	if (!v2 && !v1)
		return err_set(err, -EOPNOTSUPP, "the container has no cgroup");
	if (v2) {
		r = guard(cg, v2, "kill", err);
		if (r == -ENOENT)
			v2 = NULL;
		else if (r < 0)
			return r;
	}
	if (v1) {
		r = guard(cg, v1, "kill", err);
		if (r == -ENOENT)
			v1 = NULL;
		else if (r < 0)
			return r;
	}
	if (freezer && guard(cg, freezer, "thaw", NULL) < 0)
		freezer = NULL;
	if (v2) {
		killed = kill_v2(v2, err);
		r = killed == 0 ? kill_by_list(cg, v2, NULL, err) : killed;
		if (r < 0)
			return r;
	}
	/* After cgroup.kill this finds who left the v2 directory: nobody, usually. */
	r = v1 ? kill_by_list(cg, v1, killed ? NULL : freezer, err) : 0;
	if (freezer)
		cgroup_v1_thaw_all(freezer);
	return r;
}

int cgroup_verify(const struct cgroup *cg, pid_t pid, struct err *err)
{
	auto_free char *text = NULL;
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	r = fd_read_file_at(AT_FDCWD, path, 1u << 20, &text, NULL);
	if (r < 0)
		return err_code(err, r, "read '%s'", path);
	for (size_t i = 0; i < cg->n_dirs; i++)
		if (is_member(&cg->dirs[i], text) != 1)
			return err_set(err, -EBADMSG, "process %d is not in cgroup '%s'", (int)pid,
				cg->dirs[i].path);
	return 0;
}

/* ---- freezing ---- */

int cgroup_frozen(struct cgroup *cg, bool *ret, struct err *err)
{
	struct cgroup_dir *v2 = cgroup_v2_dir(cg), *v1 = v1_dir(cg, CGROUP_FREEZER);
	bool populated, frozen = false;
	int r = 0;

	if (v2)
		r = cgroup_v2_events(v2, &populated, &frozen);
	if (v1 && !frozen && (r == 0 || r == -ENOENT))
		r = cgroup_v1_frozen(v1, &frozen);
	if (r < 0 && r != -ENOENT && r != -ENODEV)
		return err_code(err, r, "ask whether the container is frozen");
	*ret = frozen;
	return 0;
}

static int start_v2(struct cgroup_dir *d, bool freeze, int *ret_events)
{
	auto_close int events = cgroup_file_open(d, 0, "cgroup.events", O_RDONLY);
	int r = events < 0 ? events : cgroup_put(d, "cgroup.freeze", freeze ? "1" : "0");

	if (r < 0)
		return r;
	*ret_events = take_fd(&events);
	return 0;
}

int cgroup_freeze_start(
	struct cgroup *cg, bool freeze, struct cgroup_freezing *ret, struct err *err)
{
	struct cgroup_dir *v2 = cgroup_v2_dir(cg), *v1 = v1_dir(cg, CGROUP_FREEZER);
	struct cgroup_dir *d = v2 ? v2 : v1;
	const char *what = freeze ? "freeze" : "thaw";
	int events = -EBADF, r;

	if (!d)
		return err_set(err, -EOPNOTSUPP, "%s: the container has no freezer", what);
	r = guard(cg, d, what, err);
	if (r < 0 && r != -ENOENT)
		return r;
	if (r == 0 && v1 && (!v2 || !freeze)) { /* hybrid: undo also what others froze by v1 */
		r = cgroup_put(v1, "freezer.state", freeze ? "FROZEN" : "THAWED");
		if (v2 && r == -ENOENT)
			r = 0;
	}
	if (r == 0 && v2)
		r = start_v2(v2, freeze, &events);
	if (r < 0)
		return err_code(err, r, "%s cgroup '%s'", what, d->path);
	*ret = (struct cgroup_freezing){
		.dir = d, .freeze = freeze, .fd = events, .retry_ns = RETRY_FIRST_NS
	};
	return 0;
}

static int check_v2(struct cgroup_freezing *f)
{
	char text[CGROUP_VALUE_SIZE];
	uint64_t frozen;
	ssize_t n;
	int r;

	n = pread(f->fd, text, sizeof(text) - 1, 0);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	r = cgroup_keyed(text, "frozen", &frozen);
	return r < 0 ? r : (frozen != 0) == f->freeze;
}

static int check_v1(struct cgroup_freezing *f)
{
	char value[CGROUP_VALUE_SIZE];
	int r = cgroup_get(f->dir, "freezer.state", value);

	f->retry_ns = f->retry_ns * 2 < RETRY_MAX_NS ? f->retry_ns * 2 : RETRY_MAX_NS;
	return r < 0 ? r : str_eq(value, f->freeze ? "FROZEN" : "THAWED");
}

int cgroup_freeze_check(struct cgroup_freezing *f, struct err *err)
{
	int r = f->fd >= 0 ? check_v2(f) : check_v1(f);

	return r < 0 ? err_code(err, r, "%s cgroup '%s'", f->freeze ? "freeze" : "thaw",
			       f->dir->path)
		     : r;
}

void cgroup_freezing_done(struct cgroup_freezing *f)
{
	if (f && f->dir)
		f->fd = fd_close(f->fd);
}

static void wait_for_change(const struct cgroup_freezing *f, uint64_t left_ns)
{
	struct pollfd p = { .fd = f->fd, .events = POLLPRI };
	struct timespec t;

	if (f->fd < 0 && f->retry_ns < left_ns)
		left_ns = f->retry_ns; /* v1 tells nobody */
	t.tv_sec = (time_t)(left_ns / NS_PER_SEC);
	t.tv_nsec = (long)(left_ns % NS_PER_SEC);
	ppoll(&p, f->fd >= 0 ? 1 : 0, &t, NULL);
}

static int freeze_and_wait(struct cgroup *cg, bool freeze, uint64_t deadline_ns, struct err *err)
{
	struct cgroup_freezing f = { .fd = -EBADF };
	int r = cgroup_freeze_start(cg, freeze, &f, err);

	if (r < 0)
		return r;
	while ((r = cgroup_freeze_check(&f, err)) == 0) {
		uint64_t now = clock_boot_ns();

		if (now >= deadline_ns)
			break;
		wait_for_change(&f, deadline_ns - now);
	}
	cgroup_freezing_done(&f);
	if (r == 0)
		return err_set(err, -ETIMEDOUT, "cgroup '%s' did not %s in time", f.dir->path,
			freeze ? "freeze" : "thaw");
	return r < 0 ? r : 0;
}

int cgroup_freeze(struct cgroup *cg, uint64_t deadline_ns, struct err *err)
{
	struct cgroup_freezing undo = { .fd = -EBADF };
	int r = freeze_and_wait(cg, true, deadline_ns, err);

	/* Half frozen is the worst: nothing runs and nobody is told. */
	if (r < 0 && r != -EPERM && cgroup_freeze_start(cg, false, &undo, NULL) == 0)
		cgroup_freezing_done(&undo);
	return r;
}

int cgroup_thaw(struct cgroup *cg, uint64_t deadline_ns, struct err *err)
{
	return freeze_and_wait(cg, false, deadline_ns, err);
}

/* ---- entry ---- */

/* How much of both names is the name of a cgroup above both; 0: the root. */
static size_t common_length(const char *a, const char *b)
{
	size_t end = 0, i;

	for (i = 0; a[i] && a[i] == b[i]; i++)
		if (a[i] == '/')
			end = i;
	if ((a[i] == '\0' || a[i] == '/') && (b[i] == '\0' || b[i] == '/'))
		end = i;
	return end;
}

int cgroup_check_entry(struct cgroup *cg, struct err *err)
{
	struct cgroup_dir *d = cgroup_v2_dir(cg);
	auto_free char *text = NULL;
	char path[PATH_MAX];
	const char *own;
	size_t strip;
	int r;

	if (!d)
		return 0;
	r = cgroup_host_self(cg->prefix, &text, err);
	if (r < 0)
		return r;
	r = cgroup_self_path(text, "", &cg->arena, &own);
	if (r < 0)
		return err_code(err, r, "find the own cgroup");
	strip = strlen(d->name) - common_length(d->name, own);
	if (strip > strlen(d->path) ||
		(size_t)snprintf(path, sizeof(path), "%.*s/cgroup.procs",
			(int)(strlen(d->path) - strip), d->path) >= sizeof(path))
		return err_set(err, -ENAMETOOLONG, "cgroup '%s'", d->path);
	if (faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0)
		return 0;
	return err_set(err, -EPERM,
		"cgroup '%s' cannot be entered from '%s': '%s' is not ours to write; call from a "
		"unit of the user's own manager, as `systemd-run --user --scope` makes one",
		d->name, own, path);
}
