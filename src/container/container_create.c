/* SPDX-License-Identifier: Apache-2.0 */
/*
 * create: from a spec to an init that waits at its barrier, and back to nothing when that fails.
 *
 * Every resource is on record before it is made (the directory by its own existence, the cgroup by its paths), and
 * undo is armed only for what this very create made: the id belongs to the one whose state_create() succeeded.
 */
#include "container/container_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "container/annotation.h"
#include "container/compile.h"
#include "container/intel_rdt.h"
#include "container/kernel_mounts.h"
#include "container/notify_socket.h"
#include "container/sandbox_group.h"
#include "container/security_label.h"
#include "container/stdio_owner.h"
#include "oci/sysctl_key.h"

#define START_SOCKET "start.sock"
#define FAKE_PID 2147483646
#define FAKE_PID_TEXT "2147483646" /* stands in a state text where the pid goes */

/* ---- checks that look at the machine ---- */

static int check_rootfs(const char *path, struct err *err)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return err_sys(err, "root.path: root file system '%s'", path);
	if (!S_ISDIR(st.st_mode))
		return err_set(
			err, -ENOTDIR, "root.path: root file system '%s' is not a directory", path);
	return 0;
}

static int find_rootfs(const struct container_create *req, char **ret, struct err *err)
{
	const struct spec *spec = req->spec;
	char *path;
	int r;

	if (!spec->root || str_empty(spec->root->path))
		return err_set(err, -EINVAL, "root.path: missing in the configuration");
	path = path_join(req->bundle, spec->root->path);
	if (!path)
		return err_oom(err);
	r = check_rootfs(path, err);
	if (r < 0)
		free(path);
	else
		*ret = path;
	return r;
}

/*
 * A destination that begins with the path of the container's root lies where the rest says, as with runc: old clients
 * give it so. A root that is the host's has no such beginning, and nothing is mounted on the root itself.
 */
static void strip_root(struct spec *spec, const char *rootfs)
{
	size_t len = strlen(rootfs);

	while (len && rootfs[len - 1] == '/')
		len--;
	for (size_t i = 0; len && i < spec->n_mounts; i++) {
		const char **path = &spec->mounts[i].destination;

		if (*path && strncmp(*path, rootfs, len) == 0 && (*path)[len] == '/' &&
			(*path)[len + strspn(*path + len, "/.")])
			*path += len;
	}
}

/* A namespace that is joined may be the one that we are in: its settings would be the host's. */
static bool is_callers_namespace(const struct spec_namespace *ns)
{
	static const char *const files[SPEC_NS_MAX] = {
		[SPEC_NS_NETWORK] = "/proc/self/ns/net",
		[SPEC_NS_IPC] = "/proc/self/ns/ipc",
		[SPEC_NS_UTS] = "/proc/self/ns/uts",
		[SPEC_NS_USER] = "/proc/self/ns/user",
	};
	struct stat theirs, ours;

	return files[ns->type] && stat(ns->path, &theirs) == 0 &&
	       stat(files[ns->type], &ours) == 0 && theirs.st_dev == ours.st_dev &&
	       theirs.st_ino == ours.st_ino;
}

static int check_sysctls(const struct spec *spec, struct err *err)
{
	for (size_t i = 0; spec->linux_ && i < spec->linux_->n_sysctl; i++) {
		const char *key = spec->linux_->sysctl[i].key;
		const struct spec_namespace *ns;
		char path[SYSCTL_KEY_SIZE];

		if (sysctl_key_path(key, path) < 0)
			continue; /* spec_validate() has said so */
		ns = spec_namespace_find(spec, sysctl_key_namespace(path));
		if (ns && !str_empty(ns->path) && is_callers_namespace(ns))
			return err_set(err, -EINVAL,
				"linux.sysctl: '%s' belongs to the host: namespace '%s' is its own",
				key, ns->path);
	}
	return 0;
}

static int check_request(const struct container_create *req, uid_t owner, struct err *err)
{
	const struct spec *spec = req->spec;
	int r = state_id_check(req->id, err);

	if (r < 0)
		return r;
	if (spec->process && !spec->process->n_args)
		return err_set(err, -EINVAL, "process.args: must not be empty");
	if (owner != 0 && !spec_namespace_find(spec, SPEC_NS_USER))
		return err_set(err, -EPERM,
			"linux.namespaces: who is not root needs a namespace of type user");
	r = annotation_check(spec, err);
	if (r == 0 && spec->linux_ && spec->linux_->seccomp &&
		annotation_refuses_unknown_calls(spec))
		r = seccomp_check_names(spec->linux_->seccomp, err);
	if (r == 0)
		r = security_label_check("/sys", spec, err);
	if (r == 0)
		r = check_sysctls(spec, err);
	if (r == 0 && spec->linux_ && spec->linux_->intel_rdt)
		r = intel_rdt_check(INTEL_RDT_ROOT, err);
	return r;
}

/* ---- state ---- */

/* Before the directories are made (a crash leaves nothing unknown), and after: which of them are ours. */
int container_record_cgroup(struct container *c, struct err *err)
{
	struct state_record *rec = &c->state.record;
	int r;

	if (!c->cgroup)
		return 0;
	r = cgroup_to_record(c->cgroup, &rec->arena, &rec->cgroup_dirs, &rec->n_cgroup_dirs);
	return r < 0 ? err_code(err, r, "record the cgroup") : 0;
}

static int fill_record(struct container *c, const struct container_create *req, const char *rootfs,
	struct err *err)
{
	struct state_record *rec = &c->state.record;
	const struct spec_hooks *h = c->spec->hooks;

	rec->id = state_record_string(rec, req->id);
	rec->bundle = state_record_string(rec, req->bundle);
	rec->rootfs = state_record_string(rec, rootfs);
	rec->oci_version = state_record_string(rec, c->spec->oci_version);
	if (!rec->id || !rec->bundle || !rec->rootfs || !rec->oci_version)
		return err_oom(err);
	rec->own_pidns = spec_namespace_is_new(c->spec, SPEC_NS_PID);
	rec->session_keyring = !req->no_new_keyring;
	rec->no_process = !c->spec->process->n_args;
	rec->terminal = c->spec->process->terminal;
	rec->poststart_hooks = h && h->n_poststart;
	rec->poststop_hooks = h && h->n_poststop;
	if (sandbox_group_record(c->spec, req->sandbox_id, rec) < 0)
		return err_oom(err);
	if (!c->host->state->in_memory)
		state_record_set_boot(rec, c->host->spent);
	rec->notify_socket = !str_empty(req->notify_socket);
	if (c->spec->linux_ && c->spec->linux_->intel_rdt) {
		int r = intel_rdt_plan(
			INTEL_RDT_ROOT, c->spec->linux_->intel_rdt, req->id, rec, err);

		if (r < 0)
			return r;
	}
	return container_record_cgroup(c, err);
}

int container_save_init(struct container *c, enum state_status status, struct err *err)
{
	int r = c->state.locked ? 0 : state_relock(&c->state, err);

	if (r == 0)
		r = container_record_cgroup(c, err);
	if (r < 0)
		return r;
	state_record_set_init(&c->state.record, &c->init, !c->host->state->in_memory);
	c->state.record.status = status;
	r = state_save(&c->state, err);
	state_unlock(&c->state);
	return r;
}

/* ---- cgroup ---- */

static int resolve_cgroup(struct container *c, const struct container_create *req, struct err *err)
{
	const struct spec_linux *l = c->spec->linux_;
	struct cgroup_request cr = {
		.path = l ? l->cgroups_path : NULL,
		.id = req->id,
		.spent = c->host->spent,
		.mems = c->host->spent ? c->host->self.mems : NULL, /* as they are now */
		.unprivileged = c->state.record.owner != 0,
	};

	if (c->host->cgroups_disabled || c->host->cgroups->mode == CGROUP_MODE_NONE ||
		container_has_unit(c))
		return 0;
	return cgroup_resolve(c->host->cgroups, &cr, &c->cgroup, err);
}

static bool is_cgroup_mount(const struct spec_mount *m)
{
	return str_eq(m->type, "cgroup") || str_eq(m->type, "cgroup2");
}

static bool cgroup_mount_is_readonly(const struct spec *spec)
{
	for (size_t i = 0; i < spec->n_mounts; i++) {
		const struct spec_mount *m = &spec->mounts[i];

		for (size_t k = 0; is_cgroup_mount(m) && k < m->n_options; k++)
			if (str_eq(m->options[k], "ro"))
				return true;
	}
	return false;
}

static bool mounts_cgroup(const struct spec *spec)
{
	for (size_t i = 0; i < spec->n_mounts; i++)
		if (is_cgroup_mount(&spec->mounts[i]))
			return true;
	return false;
}

/* Whom the user of the container's process is outside. False: nobody. */
static bool host_uid(const struct spec *spec, uid_t *ret)
{
	const struct spec_linux *l = spec->linux_;
	uint32_t uid = spec->process->user.uid;

	*ret = uid;
	if (!spec_namespace_is_new(spec, SPEC_NS_USER))
		return !spec_namespace_find(spec, SPEC_NS_USER);
	for (size_t i = 0; l && i < l->n_uid_mappings; i++) {
		const struct spec_id_mapping *m = &l->uid_mappings[i];

		if (uid < m->container_id || uid - m->container_id >= m->size)
			continue;
		*ret = m->host_id + (uid - m->container_id);
		return true;
	}
	return false;
}

/* To make groups in there and to spread his processes, but not to change the limits. */
static int give_cgroup(struct container *c, struct cgroup *cg, struct err *err)
{
	uid_t uid;
	int r;

	if (!host_uid(c->spec, &uid) || uid == geteuid())
		return 0;
	r = cgroup_delegate(cg, uid, (gid_t)-1, err);
	return r == -EPERM && (c->cgroup->unprivileged || cgroup_in_user_namespace()) ? 0 : r;
}

/* Who sees a cgroup2 file system of his own that he may write gets the cgroup that is its root, as the runtime-spec has it. */
static int delegate_cgroup(struct container *c, struct err *err)
{
	if (c->cgroup->mode != CGROUP_MODE_V2 || !cgroup_v2_dir(c->cgroup) ||
		!spec_namespace_is_new(c->spec, SPEC_NS_CGROUP) || !mounts_cgroup(c->spec) ||
		cgroup_mount_is_readonly(c->spec))
		return 0;
	return give_cgroup(c, c->cgroup, err);
}

static int make_payload(struct container *c, struct err *err)
{
	const char *sub = annotation_delegate(c->spec);
	int r;

	if (!sub)
		return 0;
	if (!c->cgroup)
		return err_set(err, -EOPNOTSUPP,
			"annotation '" ANNOTATION_DELEGATE
			"': the container has no cgroup of its own");
	r = cgroup_make_below(c->cgroup, sub, &c->payload, err);
	return r < 0 ? err_in(err, "annotation '" ANNOTATION_DELEGATE "'") : 0;
}

/* Its processes are in there, none is in the cgroup above: from now on that may have controllers for it. */
static int give_payload(struct container *c, struct err *err)
{
	auto_freep(cgroup) struct cgroup *payload = take_ptr(c->payload);

	if (!payload)
		return 0;
	cgroup_give_controllers(c->cgroup, payload);
	return give_cgroup(c, payload, err);
}

static int make_cgroup(struct container *c, struct err *err)
{
	const struct spec_resources *res = c->spec->linux_ ? c->spec->linux_->resources : NULL;
	int r;

	if (c->spec->linux_ && c->state.record.resctrl_dir) {
		r = intel_rdt_make(c->spec->linux_->intel_rdt, &c->state.record, err);
		if (r < 0)
			return r;
	}
	if (!c->cgroup)
		return make_payload(c, err);
	r = cgroup_make(c->cgroup, err);
	if (r == 0)
		r = cgroup_apply(c->cgroup, res, false, err);
	if (r == 0)
		r = cgroup_apply_devices(c->cgroup, res, false, c->host->devices, err);
	if (r == 0)
		r = delegate_cgroup(c, err);
	if (r == 0 && c->cgroup->n_dirs == 0) {
		/* None may be made: as if cgroups were disabled. */
		cgroup_free(c->cgroup);
		c->cgroup = NULL;
		c->state.record.n_cgroup_dirs = 0;
	}
	return r == 0 ? make_payload(c, err) : r;
}

struct compile_cgroup container_cgroup_entry(struct cgroup *cg, const char **dirs)
{
	struct compile_cgroup out = { .tasks_dirs = dirs };

	for (size_t i = 0; cg && i < cg->n_dirs; i++) {
		if (cg->dirs[i].v2)
			out.clone_dir = cg->dirs[i].path;
		else
			dirs[out.n_tasks_dirs++] = cg->dirs[i].path;
		if (cg->dirs[i].n_cpus)
			out.n_cpus = cg->dirs[i].n_cpus;
	}
	return out;
}

/* ---- failure ---- */

void container_forget(struct container *c)
{
	struct err ignored = { 0 };

	/* Unless somebody has deleted it meanwhile, and perhaps made another one of that id. */
	if (c->state.locked || state_relock(&c->state, &ignored) == 0)
		state_remove(&c->state, &ignored);
}

/* Of a create that got nowhere: only what it made; hardly ever a process has entered it. */
void container_undo(struct container *c)
{
	struct err ignored = { 0 };

	intel_rdt_remove(&c->state.record);
	if (c->cgroup) {
		cgroup_kill(c->cgroup, &ignored);
		cgroup_remove(c->cgroup, clock_boot_ns() + NS_PER_SEC, &ignored);
	}
	container_forget(c);
}

static void undone(struct container *c, const struct err *e)
{
	container_forget(c);
	container_done(c, &c->failure);
}

static void run_poststop(struct container *c);

void container_create_failed(struct container *c, const struct err *e)
{
	c->failure = *e;
	container_plan_free(take_ptr(c->plan));
	c->unit_left = NULL;
	launch_free(c->launch);
	c->launch = NULL;
	/* No operation runs: it died while it waited for its start. It is a container that has
	 * stopped, to be deleted as any other. */
	if (!c->handler.done)
		return;
	run_poststop(c);
}

static void failed(void *arg, const struct err *e)
{
	container_create_failed(arg, e);
}

static void poststop_done(void *arg, const struct err *err)
{
	struct container *c = arg;

	c->hooks = NULL;
	container_destroy(c, NS_PER_SEC, undone);
}

/* A container whose create got as far as the runtime's hooks is destroyed as any other: with its poststop hooks. */
static void run_poststop(struct container *c)
{
	const struct spec_hooks *h = c->spec->hooks;
	struct hook_request req = { .best_effort = true, .cwd = "/", .kind = "poststop" };
	struct err ignored = { 0 };

	free(c->hook_state);
	c->hook_state = container_hook_state(c, "stopped", 0);
	if (!h || !h->n_poststop || !c->init.pid || !c->hook_state) {
		poststop_done(c, NULL);
		return;
	}
	req.hooks = h->poststop;
	req.n_hooks = h->n_poststop;
	req.state = c->hook_state;
	req.cwd = c->state.record.bundle;
	if (hook_start(c->host, &req, poststop_done, c, &c->hooks, &ignored) < 0)
		poststop_done(c, NULL);
}

/* ---- the launch ---- */

static void on_started(void *arg, const struct pidref *process)
{
	struct container *c = arg;

	struct err e = { 0 };

	c->init = launch_give_process(c->launch);
	container_trace(c, "process exists");
	if (intel_rdt_enter(&c->state.record, c->init.pid, &e) < 0)
		failed(c, &e);
	else if (c->cgroup && c->cgroup->mode == CGROUP_MODE_V2) /* born in there */
		container_unit_leave(c, NULL);
}

static void on_console(void *arg, int master)
{
	struct container *c = arg;

	if (c->handler.console)
		c->handler.console(c->handler.arg, master);
	else
		fd_close(master);
}

static void ready(struct container *c)
{
	struct err e = { 0 };

	container_trace(c, "process set up");
	/* One that starts at once is released next: with an end of file at its barrier it would end, not wait. */
	if (give_payload(c, &e) < 0 ||
		container_save_init(c, c->starts_at_once ? STATE_RUNNING : STATE_CREATED, &e) < 0) {
		failed(c, &e);
		return;
	}
	if (!c->start_by_socket) {
		container_done(c, NULL);
		return;
	}
	if (launch_release(c->launch, &e) < 0)
		failed(c, &e);
}

static void on_ready(void *arg)
{
	if (!container_unit_leave(arg, ready))
		ready(arg);
}

/* start_by_socket: init has let go of us and waits for `start`. */
static void on_running(void *arg)
{
	container_done(arg, NULL);
}

static int runtime_hooks(void *arg, const struct pidref *process, struct hook_request ret[2],
	size_t *ret_n, struct err *err)
{
	struct container *c = arg;
	const struct spec_hooks *h = c->spec->hooks;
	int r;

	/* Hooks may call the runtime for this very container: it is unlocked, and has its process on record. */
	r = container_save_init(c, STATE_CREATING, err);
	if (r < 0)
		return r;
	free(c->hook_state);
	c->hook_state = container_hook_state(c, "creating", process->pid);
	if (!c->hook_state)
		return err_oom(err);
	ret[0] = (struct hook_request){ .hooks = h->prestart,
		.n_hooks = h->n_prestart,
		.state = c->hook_state,
		.cwd = c->state.record.bundle,
		.kind = "prestart" };
	ret[1] = ret[0];
	ret[1].hooks = h->create_runtime;
	ret[1].n_hooks = h->n_create_runtime;
	ret[1].kind = "createRuntime";
	*ret_n = 2;
	return 0;
}

/* JSON around the pid, which only the process itself knows in its own namespace. */
static int split_state(
	const struct container *c, const char *status, char **ret_head, char **ret_tail)
{
	char *text = container_hook_state(c, status, FAKE_PID);
	char *pid = text ? strstr(text, FAKE_PID_TEXT) : NULL;

	if (!pid) {
		free(text);
		return -ENOMEM;
	}
	*pid = 0;
	*ret_head = text;
	*ret_tail = pid + strlen(FAKE_PID_TEXT);
	return 0;
}

static int start_launch(struct container *c, const struct container_create *req, struct plan *plan,
	int listen_fd, struct err *err)
{
	const struct spec_linux *l = c->spec->linux_;
	struct cgroup_dir *v2 = c->cgroup ? cgroup_v2_dir(c->cgroup) : NULL;
	struct launch_request lr = {
		.plan = plan,
		.stdio = { req->stdio[0], req->stdio[1], req->stdio[2] },
		.keep = &listen_fd,
		.n_keep = listen_fd >= 0,
		.preserve_fds = req->preserve_fds,
		.rlimits = c->spec->process->rlimits,
		.n_rlimits = c->spec->process->n_rlimits,
		.hooks = runtime_hooks,
	};
	struct launch_handler h = {
		.arg = c,
		.started = on_started,
		.console = on_console,
		.ready = on_ready,
		.running = on_running,
		.failed = failed,
	};

	if (l) {
		lr.net_devices = c->net_devices;
		lr.n_net_devices = l->n_net_devices;
		lr.uid_maps = l->uid_mappings;
		lr.n_uid_maps = l->n_uid_mappings;
		lr.gid_maps = l->gid_mappings;
		lr.n_gid_maps = l->n_gid_mappings;
	}
	stdio_owner_map(req->stdio, l);
	if (v2)
		lr.cgroup_dir = take_fd(&v2->fd);
	return launch_start(c->host, &lr, &h, &c->launch, err);
}

/* Before they are moved: then their addresses are gone. */
static int read_net_devices(struct container *c, struct err *err)
{
	const struct spec_linux *l = c->spec->linux_;
	int r = 0;

	if (!l || !l->n_net_devices)
		return 0;
	c->net_devices = arena_calloc(&c->devices_arena, l->n_net_devices, sizeof(*c->net_devices));
	if (!c->net_devices)
		return err_oom(err);
	for (size_t i = 0; r == 0 && i < l->n_net_devices; i++)
		r = net_device_read(&l->net_devices[i], &c->devices_arena, &c->net_devices[i], err);
	return r;
}

/* The directory of the program's own socket, as a mount and a variable more. */
static int add_notify_socket(struct container *c, struct err *err)
{
	static const char *const options[] = { "bind", "nosuid", "nodev", "noexec", "ro",
		"rprivate" };
	struct spec *s = c->spec;
	struct spec_process *p = s->process;
	struct spec_mount *mounts = arena_calloc(&s->arena, s->n_mounts + 1, sizeof(*mounts));
	const char **env = arena_calloc(&s->arena, p->n_env + 1, sizeof(*env));
	char *dir = arena_printf(
		&s->arena, "%s/%s/" NOTIFY_SOCKET_DIR, c->host->state->path, c->state.record.id);

	if (!mounts || !env || !dir)
		return err_oom(err);
	if (s->n_mounts)
		memcpy(mounts, s->mounts, s->n_mounts * sizeof(*mounts));
	mounts[s->n_mounts++] = (struct spec_mount){
		.destination = NOTIFY_SOCKET_INSIDE,
		.type = "bind",
		.source = dir,
		.options = (const char **)options,
		.n_options = ARRAY_LEN(options),
	};
	s->mounts = mounts;
	if (p->n_env)
		memcpy(env, p->env, p->n_env * sizeof(*env));
	env[p->n_env++] = NOTIFY_SOCKET_ENV;
	p->env = env;
	return notify_socket_make_dir(c->state.dirfd, err);
}

static int compile_and_start(struct container *c, const struct container_create *req,
	const char *rootfs, struct err *err)
{
	struct cgroup_mount mounts[CGROUP_MOUNTS_MAX];
	const char *dirs[CGROUP_HIERARCHIES_MAX];
	auto_free char *creating = NULL;
	auto_free char *created = NULL;
	auto_close int listen_fd = -EBADF;
	struct seccomp_filter filter = { 0 };
	struct arena arena = { 0 };
	struct plan plan = { 0 };
	char listen_env[32];
	struct compile_init in = {
		.spec = c->spec,
		.id = req->id,
		.rootfs = rootfs,
		.bundle = req->bundle,
		.cgroup = container_cgroup_entry(c->cgroup, dirs),
		.cgroup_mounts = mounts,
		.no_pivot = req->no_pivot,
		.no_new_keyring = req->no_new_keyring,
		.start_by_socket = req->start_by_socket,
		.preserve_fds = req->preserve_fds,
		.rootless = c->state.record.owner != 0,
		.setgroups_denied = container_denies_setgroups(c->spec),
		.null_stdio = c->null_stdio,
		.self = &c->host->self,
	};
	int r;

	if (split_state(c, "creating", &creating, (char **)&in.state_creating_tail) < 0 ||
		split_state(c, "created", &created, (char **)&in.state_created_tail) < 0)
		return err_oom(err);
	in.state_creating_head = creating;
	in.state_created_head = created;
	if (req->listen_fds) {
		snprintf(listen_env, sizeof(listen_env), "LISTEN_FDS=%u", req->listen_fds);
		in.listen_fds_env = listen_env;
	}
	r = read_net_devices(c, err);
	if (r == 0 && c->state.record.notify_socket)
		r = add_notify_socket(c, err);
	if (r == 0)
		r = container_filter(c, &filter, err);
	if (r < 0)
		return r;
	in.net_devices = c->net_devices;
	in.n_net_devices = c->net_devices ? c->spec->linux_->n_net_devices : 0;
	in.filter = (struct compile_filter){ filter.program, filter.size, filter.flags };
	in.cgroup_is_hosts = !c->cgroup;
	in.cgroup.payload_dir = c->payload ? cgroup_v2_dir(c->payload)->path : NULL;
	r = cgroup_mounts(c->host->cgroups, c->cgroup,
		spec_namespace_find(c->spec, SPEC_NS_CGROUP) != NULL,
		!c->cgroup || cgroup_mount_is_readonly(c->spec), &arena, mounts,
		&in.n_cgroup_mounts);
	if (r < 0)
		err_code(err, r, "lay out the cgroup mount");
	if (r == 0 && req->no_pivot)
		r = kernel_mounts(&arena, rootfs, &in.kernel_mounts, &in.n_kernel_mounts, err);
	if (r == 0 && req->start_by_socket) {
		listen_fd = fd_unix_listen_at(c->state.dirfd, START_SOCKET, SOCK_SEQPACKET, 0600);
		in.listen_fd = listen_fd;
		r = listen_fd < 0 ? err_code(err, listen_fd, "make %s", START_SOCKET) : 0;
	}
	if (r == 0)
		r = compile_init(&in, &plan, err);
	container_warn_of_caps(c, &plan);
	if (r == 0)
		container_trace(c, "plan made");
	if (r == 0)
		r = start_launch(c, req, &plan, listen_fd, err);
	if (r == 0)
		container_trace(c, "executor started");
	plan_done(&plan);
	seccomp_filter_done(&filter);
	arena_done(&arena);
	return r;
}

/* The id becomes ours, with everything on record that will be made. */
static int claim(struct container *c, const struct container_create *req, const char *rootfs,
	struct err *err)
{
	const struct state_file config = { "config.json", req->json, req->json_size };
	int r;

	r = container_unit_name(c, req, err);
	if (r == 0)
		r = resolve_cgroup(c, req, err);
	if (r == 0)
		r = fill_record(c, req, rootfs, err);
	return r < 0 ? r : state_create(c->host->state, &c->state, &config, 1, err);
}

/* "pipe:[INODE]" of a pipe, "" of anything else; a fifo in a file system has its path there. */
static void pipe_name(int fd, char *name, size_t size)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, name, size - 1);
	name[n > 0 ? n : 0] = '\0';
}

/* The names that a checkpoint knows the standard streams by, and which need no second look in the container. */
static int record_streams(struct container *c, const struct container_create *req, struct err *err)
{
	struct state_record *rec = &c->state.record;

	rec->streams = arena_calloc(&rec->arena, 3, sizeof(*rec->streams));
	for (size_t i = 0; rec->streams && i < 3; i++) {
		char name[128] = "";
		struct stat st;

		if (req->stdio[i] >= 0 && fstat(req->stdio[i], &st) == 0) {
			/* What a character device is that is not this one, is looked at again. */
			if (!S_ISCHR(st.st_mode))
				c->null_stdio |= 1u << i;
			else if (st.st_rdev == makedev(1, 3))
				c->null_stdio |= 1u << (8 + i);
			if (S_ISFIFO(st.st_mode))
				pipe_name(req->stdio[i], name, sizeof(name));
		}
		rec->streams[i] =
			state_record_string(rec, str_starts(name, "pipe:") ? name : "/dev/null");
		if (!rec->streams[i])
			return err_oom(err);
	}
	rec->n_streams = 3;
	return rec->streams ? 0 : err_oom(err);
}

/* It may be missing until start (runtime-spec, "process"). What waits for the start then has no program. */
static int need_process(struct spec *s, struct err *err)
{
	if (s->process)
		return 0;
	s->process = arena_calloc(&s->arena, 1, sizeof(*s->process));
	if (!s->process)
		return err_oom(err);
	s->process->cwd = "/";
	return 0;
}

/* ---- the plan of what follows ---- */

void container_plan_free(struct container_plan *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < 3; i++)
		fd_close(p->req.stdio[i]);
	free(p);
}

/* The caller of create may close its streams when that returns. */
static int keep_plan(struct container *c, const struct container_plan *plan, struct err *err)
{
	struct container_plan *p = mem_calloc(1, sizeof(*p));

	if (!p)
		return err_oom(err);
	*p = *plan;
	c->plan = p;
	p->req.spec = NULL;
	p->req.json = NULL; /* saved */
	p->req.id = c->state.record.id;
	p->req.bundle = c->state.record.bundle;
	for (size_t i = 0; i < 3; i++)
		p->req.stdio[i] = -EBADF;
	for (size_t i = 0; i < 3; i++) {
		if (plan->req.stdio[i] < 0)
			continue;
		p->req.stdio[i] = fcntl(plan->req.stdio[i], F_DUPFD_CLOEXEC, 3);
		if (p->req.stdio[i] < 0)
			return err_sys(err, "keep the standard streams");
	}
	return 0;
}

static int make_and_go_on(struct container *c, const struct container_plan *plan, struct err *err)
{
	int r = make_cgroup(c, err);

	if (r < 0)
		return r;
	container_trace(c, "cgroup made");
	return plan->next(c, plan, err);
}

int container_go_on(struct container *c, struct err *err)
{
	struct container_plan *plan = take_ptr(c->plan);
	int r = make_and_go_on(c, plan, err);

	container_plan_free(plan);
	return r;
}

static int start_unit(struct container *c, const struct container_plan *plan, struct err *err)
{
	int r = keep_plan(c, plan, err);

	return r < 0 ? r : container_unit_start(c, &plan->req, err);
}

int container_begin(const struct host *h, const struct container_plan *plan,
	const struct container_handler *handler, struct container **ret, struct err *err)
{
	const struct container_create *req = &plan->req;
	struct container *c = mem_calloc(1, sizeof(*c));
	auto_free char *rootfs = NULL;
	int r;

	if (!c) {
		spec_free(req->spec);
		return err_oom(err);
	}
	c->host = h;
	c->spec = req->spec;
	c->init = PIDREF_NULL;
	c->state = STATE_NULL;
	c->state.record.owner = h->self.known ? h->self.uid[1] : geteuid();
	c->handler = *handler;
	c->start_by_socket = req->start_by_socket;
	c->starts_at_once = req->starts_at_once;
	log_write(h->log, LOG_DEBUG_, "container '%s': create", req->id);
	r = check_request(req, c->state.record.owner, err);
	if (r == 0)
		r = need_process(c->spec, err);
	if (r == 0)
		r = find_rootfs(req, &rootfs, err);
	if (r == 0)
		strip_root(c->spec, rootfs);
	if (r == 0)
		r = record_streams(c, req, err);
	if (r == 0)
		r = claim(c, req, rootfs, err);
	if (r == 0) {
		container_trace(c, "record saved");
		r = container_has_unit(c) ? start_unit(c, plan, err) : make_and_go_on(c, plan, err);
		if (r < 0)
			container_undo(c);
	}
	if (r < 0) {
		container_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

static int launch(struct container *c, const struct container_plan *plan, struct err *err)
{
	return compile_and_start(c, &plan->req, c->state.record.rootfs, err);
}

int container_create(const struct host *h, const struct container_create *req,
	const struct container_handler *handler, struct container **ret, struct err *err)
{
	struct container_plan plan = { .req = *req, .next = launch };

	return container_begin(h, &plan, handler, ret, err);
}
