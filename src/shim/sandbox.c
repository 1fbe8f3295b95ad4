/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record in the bundle is written before anybody hears of what it says, so a shim that dies leaves nothing that
 * the call which cleans up could not find.
 *
 * The guardian holds the namespaces by being in them: it has a pid, lives as long as the shim, and does nothing that
 * they could change. Only a pid namespace needs a process of its own, its first; without a guardian the others have
 * that, too.
 *
 * What surprises: the namespaces live as long as something is in them or holds them. When the sandbox stops its holder
 * goes, and the network with its interfaces ends with the last container, as it does with a pause container.
 */
#include "shim/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/path.h"
#include "container/cgroup_host.h"
#include "exit/guardian_link.h"
#include "shim/sandbox_files.h"
#include "supervisor/bundle_record.h"
#include "supervisor/fdtable.h"

#define FD_NAME "sandbox" /* of the bundle, in the fd table */
#define UNKNOWN_NS (3 * NS_PER_SEC)
#define UNKNOWN_STATUS 255

struct sandbox {
	struct sandbox_config config;
	struct arena arena; /* of what is told at create */
	struct sandbox_spec spec;
	struct sandbox_record record;
	const char *bundle;
	const char *netns;
	struct pidref holder;
	struct exit_watch watch;
	bool interrupted;          /* taken up before it was started */
	struct loop_timer unknown; /* the exit of a holder that has ended while nobody looked */
};

static int save(const struct sandbox *s, struct err *err)
{
	return sandbox_record_save(s->bundle, &s->record, err);
}

/* ---- create ---- */

static int take_request(struct sandbox *s, const char *id, const char *bundle, const char *netns,
	const Pb__Any *options, struct err *err)
{
	int r = sandbox_spec_decode(options, !str_empty(netns), &s->arena, &s->spec, err);

	if (r < 0)
		return r;
	s->record.id = arena_strdup(&s->arena, id);
	s->record.cgroup = s->spec.cgroup_parent ? s->spec.cgroup_parent : "";
	s->bundle = arena_strdup(&s->arena, bundle);
	s->netns = arena_strdup(&s->arena, netns);
	if (!s->record.id || !s->bundle || !s->netns)
		return err_oom(err);
	s->record.own_net = s->spec.net == SANDBOX_OWN;
	s->record.own_ipc = s->spec.ipc == SANDBOX_OWN;
	s->record.own_pid = s->spec.pid == SANDBOX_OWN;
	s->record.host_pid = s->spec.pid == SANDBOX_HOST;
	return save(s, err);
}

/* Where the next worker finds it. */
static int keep(const struct sandbox *s, struct err *err)
{
	int fd, r;

	if (!s->config.fds)
		return 0;
	fd = fd_open(s->bundle, O_PATH | O_DIRECTORY, 0);
	if (fd < 0)
		return err_code(err, fd, "open bundle '%s'", s->bundle);
	r = fdtable_replace(s->config.fds, FD_NAME, fd);
	if (r < 0)
		return err_code(err, r, "keep sandbox '%s'", s->record.id);
	return fdtable_flush(s->config.fds, err);
}

int sandbox_create(const struct sandbox_config *config, const char *id, const char *bundle,
	const char *netns, const Pb__Any *options, struct sandbox **ret, struct err *err)
{
	auto_freep(sandbox) struct sandbox *s = mem_calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_oom(err);
	s->config = *config;
	s->holder = PIDREF_NULL;
	if (*bundle != '/')
		return err_set(err, -EINVAL, "bundle '%s' is not an absolute path", bundle);
	r = take_request(s, id, bundle, netns, options, err);
	if (r == 0)
		r = keep(s, err);
	if (r == 0)
		*ret = take_ptr(s);
	return r;
}

void sandbox_free(struct sandbox *s)
{
	if (!s)
		return;
	exit_watch_remove(&s->watch);
	loop_timer_cancel(&s->unknown);
	pidref_done(&s->holder);
	arena_done(&s->arena);
	free(s);
}

/* ---- stop ---- */

static void release_guardian(struct sandbox *s)
{
	struct err err;

	if (s->record.guardian && guardian_link_enter(s->config.guardian, NULL, 0, &err) < 0)
		log_write(s->config.log, LOG_WARN_, "sandbox '%s': %s", s->record.id, err.text);
	s->record.guardian = false;
}

static void finish(struct sandbox *s, uint32_t status, uint64_t wall_ns)
{
	struct err err;

	loop_timer_cancel(&s->unknown);
	release_guardian(s);
	s->record.state = SANDBOX_STOPPED;
	s->record.exit_status = status;
	s->record.exited_wall_ns = wall_ns;
	s->record.holder = 0;
	pidref_done(&s->holder);
	if (save(s, &err) < 0)
		log_write(s->config.log, LOG_ERROR_, "sandbox '%s': %s", s->record.id, err.text);
	s->config.stopped(s->config.arg);
}

static uint32_t status_of(int wait_status)
{
	return WIFSIGNALED(wait_status) ? 128 + (uint32_t)WTERMSIG(wait_status)
					: (uint32_t)WEXITSTATUS(wait_status);
}

static void on_holder_exit(struct exit_watch *w, const struct exit_info *info)
{
	struct sandbox *s = container_of(w, struct sandbox, watch);

	finish(s, status_of(info->wait_status), info->wall_ns);
}

void sandbox_stop(struct sandbox *s)
{
	if (s->record.state == SANDBOX_STOPPED)
		return;
	if (s->holder.pid == 0)
		finish(s, 0, clock_wall_ns());
	else
		pidref_kill(&s->holder, SIGKILL); /* that it has gone already, its exit will tell */
}

/* ---- reload ---- */

/* The ring has told what it knows. */
static void on_unknown(struct loop_timer *t)
{
	struct sandbox *s = container_of(t, struct sandbox, unknown);

	if (!s->watch.source || s->watch.early)
		return;
	log_write(s->config.log, LOG_WARN_,
		"sandbox '%s': process %d has ended while nobody looked: its status is not known",
		s->record.id, s->holder.pid);
	exit_watch_remove(&s->watch);
	finish(s, UNKNOWN_STATUS, clock_wall_ns());
}

static int find_holder(struct sandbox *s, struct err *err)
{
	const struct sandbox_record *r = &s->record;
	int code = 0;

	if (r->state != SANDBOX_READY || r->holder == 0)
		return 0;
	if (pidref_reopen((pid_t)r->holder, r->holder_inode, r->holder_start, &s->holder) < 0) {
		s->holder = (struct pidref){
			.pid = (pid_t)r->holder,
			.fd = -EBADF,
			.inode = r->holder_inode,
			.start_time = r->holder_start,
		};
		code = loop_timer_set(
			s->config.loop, &s->unknown, clock_boot_ns() + UNKNOWN_NS, on_unknown);
	}
	exit_watch_add(s->config.exits, &s->watch, &s->holder, on_holder_exit);
	return code < 0 ? err_code(err, code, "wait for the first process") : 0;
}

static int read_back(struct sandbox *s, int bundle, struct err *err)
{
	char link[48], path[PATH_MAX];
	ssize_t n;
	int r;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", bundle);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return err_sys(err, "find the bundle of the sandbox");
	path[n] = '\0';
	s->bundle = arena_strdup(&s->arena, path);
	s->netns = "";
	if (!s->bundle)
		return err_oom(err);
	r = sandbox_record_load(s->bundle, &s->arena, &s->record, err);
	if (r < 0)
		return r;
	s->interrupted = s->record.state == SANDBOX_CREATED;
	/* it may have come so far, and not into the record */
	s->record.guardian |= s->interrupted && s->config.guardian;
	return find_holder(s, err);
}

int sandbox_reload(const struct sandbox_config *config, struct sandbox **ret, struct err *err)
{
	int bundle = config->fds ? fdtable_get(config->fds, FD_NAME) : -ENOENT;
	auto_freep(sandbox) struct sandbox *s = NULL;
	int r;

	if (bundle < 0)
		return err_code(err, bundle, "no sandbox was left");
	s = mem_calloc(1, sizeof(*s));
	if (!s)
		return err_oom(err);
	s->config = *config;
	s->holder = PIDREF_NULL;
	r = read_back(s, bundle, err);
	if (r < 0)
		fdtable_close(config->fds, FD_NAME);
	else
		*ret = take_ptr(s);
	return r;
}

bool sandbox_is_deserted(const struct sandbox *s)
{
	auto_close int bundle = fd_open(s->bundle, O_PATH | O_DIRECTORY, 0);

	return bundle == -ENOENT ||
	       (bundle >= 0 && faccessat(bundle, BUNDLE_MARK_NAME, F_OK, AT_SYMLINK_NOFOLLOW) == 0);
}

void sandbox_remove_mark(const struct sandbox *s)
{
	auto_close int bundle = fd_open(s->bundle, O_PATH | O_DIRECTORY, 0);

	if (bundle >= 0)
		unlinkat(bundle, BUNDLE_MARK_NAME, 0);
}

/* ---- start ---- */

static int enter_guardian(struct sandbox *s, const struct sandbox_ns *ns, struct err *err)
{
	int fds[3], r;
	size_t n = 0;

	if (ns->net >= 0)
		fds[n++] = ns->net;
	if (ns->ipc >= 0)
		fds[n++] = ns->ipc;
	if (ns->uts >= 0)
		fds[n++] = ns->uts;
	/* With none of its own it is at home in those of the host. */
	r = n ? guardian_link_enter(s->config.guardian, fds, n, err) : 0;
	s->record.guardian = r == 0;
	return r;
}

static int hold(struct sandbox *s, const struct sandbox_ns *ns, struct err *err)
{
	int r;

	if (s->config.guardian && !s->record.own_pid)
		return enter_guardian(s, ns, err);
	r = sandbox_ns_hold(ns, s->record.own_pid, s->config.guardian, &s->holder, err);
	if (r < 0)
		return r;
	exit_watch_add(s->config.exits, &s->watch, &s->holder, on_holder_exit);
	s->record.holder = (uint32_t)s->holder.pid;
	s->record.holder_start = s->holder.start_time;
	s->record.holder_inode = s->holder.inode;
	return 0;
}

static int make_namespaces(struct sandbox *s, struct sandbox_ns *ret, struct err *err)
{
	auto_close int net = -EBADF;
	struct sandbox_ns_request req = {
		.own_ipc = s->record.own_ipc,
		.own_uts = s->record.own_net,
		.hostname = s->spec.hostname,
		.sysctls = s->spec.sysctls,
		.n_sysctls = s->spec.n_sysctls,
	};

	if (s->record.own_net) {
		net = fd_open(s->netns, O_RDONLY, 0);
		if (net < 0)
			return err_code(err, net, "open network namespace '%s'", s->netns);
	}
	req.net = net;
	return sandbox_ns_make(&req, ret, err);
}

static int bring_up(struct sandbox *s, struct err *err)
{
	struct sandbox_ns ns = SANDBOX_NS_NULL;
	int r = make_namespaces(s, &ns, err);

	if (r == 0)
		r = sandbox_files_make(s->bundle, &s->spec, err);
	if (r == 0)
		r = hold(s, &ns, err);
	sandbox_ns_done(&ns);
	return r;
}

static void take_down(struct sandbox *s)
{
	struct err err;

	release_guardian(s);
	exit_watch_remove(&s->watch);
	if (s->holder.pid)
		pidref_kill(&s->holder, SIGKILL);
	pidref_done(&s->holder);
	s->record.holder = 0;
	if (sandbox_files_remove(s->bundle, &err) < 0)
		log_write(s->config.log, LOG_WARN_, "sandbox '%s': %s", s->record.id, err.text);
}

int sandbox_start(struct sandbox *s, struct err *err)
{
	int r;

	if (s->interrupted)
		return err_set(err, -ECANCELED,
			"sandbox '%s' was not started before the shim's worker died", s->record.id);
	if (s->record.state != SANDBOX_CREATED)
		return err_set(err, -EBUSY, "sandbox '%s' was started already", s->record.id);
	r = bring_up(s, err);
	if (r == 0) {
		s->record.state = SANDBOX_READY;
		s->record.created_wall_ns = clock_wall_ns();
		r = save(s, err);
	}
	if (r < 0) {
		s->record.state = SANDBOX_CREATED;
		take_down(s);
	}
	return r;
}

/* ---- the rest ---- */

int sandbox_destroy(struct sandbox *s, struct err *err)
{
	auto_free char *path = NULL;
	int r;

	if (s->record.state == SANDBOX_READY)
		return err_set(err, -EBUSY, "sandbox '%s' is not stopped", s->record.id);
	r = sandbox_files_remove(s->bundle, err);
	if (r < 0)
		return r;
	path = path_join(s->bundle, SANDBOX_RECORD_NAME);
	if (!path)
		return err_oom(err);
	if (unlink(path) < 0 && errno != ENOENT)
		return err_sys(err, "remove '%s'", path);
	if (s->config.fds)
		fdtable_close(s->config.fds, FD_NAME);
	return 0;
}

const struct sandbox_record *sandbox_record(const struct sandbox *s)
{
	return &s->record;
}

pid_t sandbox_pid(const struct sandbox *s)
{
	if (s->record.state != SANDBOX_READY)
		return 0;
	return s->record.guardian ? guardian_link_pid(s->config.guardian) : s->holder.pid;
}

int sandbox_join(struct sandbox *s, const char *bundle, struct err *err)
{
	const struct sandbox_member m = {
		.id = s->record.id,
		.bundle = s->bundle,
		.pid = sandbox_pid(s),
		.shares_pid = s->record.own_pid || s->record.host_pid,
	};
	bool member = false;
	int r = sandbox_files_join(bundle, &m, &member, err);

	if (r == 0 && member && s->record.state != SANDBOX_READY)
		return err_set(err, -EBUSY, "sandbox '%s' is not ready", s->record.id);
	return r;
}

int sandbox_stats(const struct sandbox *s, struct stats *ret, struct err *err)
{
	const struct cgroup_request req = { .path = s->record.cgroup, .id = s->record.id };
	auto_freep(cgroup) struct cgroup *cg = NULL;
	struct cgroup_host host = { 0 };
	int r;

	if (str_empty(s->record.cgroup))
		return err_set(
			err, -ENOENT, "the cgroup of sandbox '%s' was not told", s->record.id);
	r = cgroup_host_read("", &host, err);
	if (r == 0)
		r = cgroup_resolve(&host, &req, &cg, err);
	if (r == 0)
		r = stats_read(cg, ret, err);
	cgroup_host_done(&host);
	return r;
}

int sandbox_clean_up(const char *bundle, const struct sandbox_record *record, struct err *err)
{
	struct pidref holder = PIDREF_NULL;

	if (record->holder && pidref_reopen((pid_t)record->holder, record->holder_inode,
				      record->holder_start, &holder) == 0)
		pidref_kill(&holder, SIGKILL);
	pidref_done(&holder);
	return sandbox_files_remove(bundle, err);
}
