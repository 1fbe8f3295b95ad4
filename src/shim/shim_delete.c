/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record that the shim left in the bundle says where the container's state is and how its init
 * ended; with it the answer is what was published before, or would have been. Only a container that
 * we have to kill here gets 137.
 *
 * What surprises: the members of a group have one server. When one of them is deleted the server may
 * live on, so nothing is touched but this container; the group's socket is taken away only when
 * nobody listens behind it. And a sandbox is no container: for those that joined it containerd does not call, so they
 * are ended with it.
 */
#include "shim/shim_delete.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/task_name.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/json_read.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/pidref.h"
#include "container/container.h"
#include "container/rootfs_mount.h"
#include "container/salvage.h"
#include "rpc/message.h"
#include "shim/address.h"
#include "shim/sandbox.h"
#include "shim/sandbox_files.h"
#include "supervisor/bundle_record.h"
#include "supervisor/native.h"
#include "supervisor/oci_run.h"

#include "proto/task.pb-c.h"

#define KILLED_STATUS (128 + SIGKILL)
#define ADDRESS_MAX_BYTES 4096
#define FOREIGN_NS (4 * NS_PER_SEC) /* containerd gives five to all of it */

/*
 * Until a shim that lives has written the exit of a container that we found; of one that was gone, it has probably
 * forgotten it long ago. containerd ends us after five seconds.
 */
#define SHIM_NS (2 * NS_PER_SEC)
#define SHIM_SHORT_NS (300 * NS_PER_MS)
#define UNMOUNT_NS (1 * NS_PER_SEC)

/* ---- the container ---- */

struct removal {
	struct loop *loop;
	struct host host;
	struct state_dir state;
	struct err result;
	bool ended;
};

static void on_done(void *arg, const struct err *e)
{
	struct removal *r = arg;

	r->ended = true;
	r->result = e ? *e : (struct err){ 0 };
}

static void on_console(void *arg, int master)
{
	fd_close(master);
}

static int remove_container(struct removal *m, struct container *c, struct err *err)
{
	const struct container_handler h = { m, on_console, on_done };
	int r = container_delete(c, true, &h, err);

	while (r == 0 && !m->ended) {
		r = loop_round(m->loop, -1);
		if (r < 0)
			return err_code(err, r, "wait for the container's end");
	}
	if (r == 0 && m->result.code) {
		*err = m->result;
		return err->code;
	}
	return r;
}

/* How it ended by itself, or the pid that we kill now. */
static void learn(const struct container *c, struct bundle_record *record)
{
	const struct state_record *s = container_record(c);

	if (record->exited)
		return;
	if (s->init_pid)
		record->pid = (uint32_t)s->init_pid;
	record->exited = s->has_exit;
	record->exit_status = (uint32_t)s->exit_status;
	record->exited_wall_ns = s->exited_ns;
}

static int remove_known(
	struct removal *m, const char *id, struct bundle_record *record, struct err *err)
{
	struct container *c = NULL;
	int r;

	m->host.reaper = reaper_own(m->loop);
	m->host.state = &m->state;
	r = host_open(&m->host, err);
	if (r < 0)
		return r;
	r = container_open(&m->host, id, &c, err);
	if (r == 0) {
		learn(c, record);
		r = remove_container(m, c, err);
	} else if (r == -EBADMSG) {
		r = container_salvage(&m->host, id, err);
	}
	container_free(c);
	(void)loop_round(m->loop, 0); /* releases what was freed meanwhile */
	host_close(&m->host);
	return r == -ENOENT ? 0 : r;
}

static int remove_from_root(
	const struct shim_delete *d, struct bundle_record *record, bool *ret_found, struct err *err)
{
	struct removal m = { .state = STATE_DIR_NULL,
		.host = { .log = d->log, .executor = -EBADF } };
	int r = state_dir_open(record->root, false, &m.state, err);

	/* The usual case: an ordinary delete came before us. Then nothing has to be opened. */
	if (r == -ENOENT ||
		(r == 0 && faccessat(m.state.fd, d->args->id, F_OK, 0) < 0 && errno == ENOENT)) {
		state_dir_done(&m.state);
		return 0;
	}
	*ret_found = true;
	if (r == 0)
		r = loop_new(&m.loop) < 0 ? err_oom(err) : 0;
	m.host.loop = m.loop;
	if (r == 0)
		r = remove_known(&m, d->args->id, record, err);
	loop_free(m.loop);
	state_dir_done(&m.state);
	return r;
}

/* ---- another runtime's container ---- */

struct foreign_removal {
	struct oci_run run;
	struct err result;
	bool ended;
};

static void on_foreign(struct oci_run *run, const struct err *e)
{
	struct foreign_removal *m = container_of(run, struct foreign_removal, run);

	m->ended = true;
	m->result = e ? *e : (struct err){ 0 };
}

static int run_foreign(const struct oci_runtime *rt, const char *id, struct err *err)
{
	struct foreign_removal m = { 0 };
	struct oci_args args = { 0 };
	const struct oci_run_request req = { .args = &args, .limit_ns = FOREIGN_NS };
	int r;

	oci_args_add(&args, "delete");
	oci_args_add(&args, "--force");
	oci_args_add(&args, id);
	r = oci_run_start(&m.run, rt, &req, on_foreign, err);
	oci_args_done(&args);
	while (r == 0 && !m.ended) {
		r = loop_round(rt->env->loop, -1);
		if (r < 0)
			return err_code(err, r, "wait for the runtime");
	}
	if (r < 0)
		return r;
	if (m.result.code && !strstr(m.result.text, "does not exist")) {
		*err = m.result;
		return err_in(err, "'%s'", rt->program);
	}
	return 0;
}

static bool init_runs(const struct bundle_record *record)
{
	auto_done(pidref) struct pidref init = PIDREF_NULL;

	return !record->exited && record->pid > 0 && pidref_open((pid_t)record->pid, &init) == 0 &&
	       !pidref_exited(&init);
}

/*
 * Whoever made it knows how to delete it; what is gone already is no failure to any of them. When nothing runs any more,
 * files that it could not remove are no reason to keep the bundle, which nobody would ask us to clean up again.
 */
static int remove_by_program(const struct shim_delete *d, const char *path, int bundle,
	const struct bundle_record *record, struct err *err)
{
	auto_freep(loop) struct loop *loop = NULL;
	struct command_env env;
	const struct oci_runtime rt = {
		.env = &env,
		.program = record->program,
		.root = record->root,
		.bundle = path,
		.bundle_fd = bundle,
		.systemd_cgroup = record->systemd_cgroup,
	};
	int r = loop_new(&loop);

	if (r < 0)
		return err_oom(err);
	env = (struct command_env){ .loop = loop, .reaper = reaper_own(loop) };
	r = run_foreign(&rt, d->args->id, err);
	if (r < 0 && !init_runs(record)) {
		log_write(d->log, LOG_WARN_, "%s", err->text);
		r = 0;
	}
	return r;
}

/* ---- the bundle ---- */

static char *bundle_path(const struct shim_args *a)
{
	auto_free char *here = NULL;

	if (!str_empty(a->bundle))
		return path_absolute(a->bundle);
	here = path_absolute("..");
	return here ? path_join(here, a->id) : NULL;
}

static void load_record(
	const struct shim_delete *d, int bundle, struct arena *arena, struct bundle_record *record)
{
	struct err err;
	int r = bundle < 0 ? -ENOENT : bundle_record_load(bundle, arena, record, &err);

	if (r < 0 && r != -ENOENT)
		log_write(d->log, LOG_WARN_, "%s", err.text);
	if (str_empty(record->root))
		record->root = arena_printf(arena, "%s/%s", NATIVE_STATE_ROOT, d->args->ns);
}

static char *path_of_address(const char *address)
{
	return str_starts(address, "unix:///") ? strdup(address + strlen("unix://")) : NULL;
}

/* containerd 2.x writes where it connects to, also for the containers of a pod that no `start` was run for (1.8). */
static char *socket_of_bootstrap(int bundle)
{
	static const struct json_limits limits = {
		.bytes = ADDRESS_MAX_BYTES, .nodes = 64, .string = ADDRESS_MAX_BYTES, .depth = 4
	};
	auto_done(arena) struct arena arena = { 0 };
	auto_free char *text = NULL;
	struct json_node *top = NULL;
	const struct json_node *address;
	size_t size;

	if (fd_read_regular_at(bundle, "bootstrap.json", ADDRESS_MAX_BYTES, &text, &size) < 0 ||
		json_read(&arena, text, size, &limits, &top, NULL) < 0)
		return NULL;
	address = json_read_get(top, "address");
	return address && address->kind == JSON_READ_STRING ? path_of_address(address->text) : NULL;
}

/* Where the shim of this bundle listens, or did; heap. NULL: not known. */
static char *socket_of(int bundle)
{
	auto_free char *text = NULL;

	if (bundle < 0)
		return NULL;
	if (fd_read_regular_at(bundle, "address", ADDRESS_MAX_BYTES, &text, NULL) < 0)
		return socket_of_bootstrap(bundle);
	return path_of_address(text);
}

static void remove_socket(const struct shim_delete *d, const char *socket)
{
	struct err err;

	if (socket && address_remove_stale(socket, &err) < 0)
		log_write(d->log, LOG_WARN_, "%s", err.text);
}

/* ---- a shim that lives ---- */

/*
 * containerd has lost its connection, but the shim may be there, or about to be there again. It must publish nothing of
 * what we are about to tell, and it knows the true exit. So the bundle is marked before anything is killed; the shim
 * takes the mark away when it has written the exit and forgotten the task.
 */
static bool mark(const struct shim_delete *d, int bundle, const char *socket)
{
	auto_close int listens = socket ? fd_unix_connect(socket, SOCK_STREAM) : -EBADF;
	auto_close int fd = -EBADF;

	if (listens < 0)
		return false;
	fd = fd_open_at(bundle, BUNDLE_MARK_NAME, O_WRONLY | O_CREAT | O_NOFOLLOW, 0600);
	if (fd < 0)
		log_write(d->log, LOG_WARN_, "mark the bundle: %s", strerror(-fd));
	return fd >= 0;
}

/* The shim answers by writing into it, or takes it away: then no event of its own comes after what we tell. */
static bool mark_stands(int bundle)
{
	struct stat st;

	return fstatat(bundle, BUNDLE_MARK_NAME, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size == 0;
}

/* What the shim has written counts more than what we saw. */
static bool learn_from_shim(
	const struct shim_delete *d, int bundle, struct arena *arena, struct bundle_record *record)
{
	struct bundle_record now = { 0 };

	load_record(d, bundle, arena, &now);
	if (now.exited)
		*record = now;
	return now.exited;
}

/* `found`: there was a container, so the shim knows of it; of one that was gone it has probably told all. */
static void wait_for_shim(const struct shim_delete *d, int bundle, const char *socket, bool found,
	struct bundle_record *record)
{
	uint64_t deadline = clock_boot_ns() + (found ? SHIM_NS : SHIM_SHORT_NS);
	bool told = false, over = false;

	/* A connection that closes is a knock: it looks for marks. */
	fd_close(fd_unix_connect(socket, SOCK_STREAM));
	while (!over) {
		auto_done(arena) struct arena arena = { 0 };
		bool gone = faccessat(bundle, BUNDLE_MARK_NAME, F_OK, AT_SYMLINK_NOFOLLOW) < 0;
		bool stands = mark_stands(bundle);

		over = gone || clock_boot_ns() >= deadline;
		told = told || learn_from_shim(d, bundle, &arena, record);
		over |= told && !(found && stands);
		if (!over)
			poll(NULL, 0, 2);
	}
}

/* The worker may do the same at this moment: each of two that look the mount up to unmount it keeps it busy for the other. */
static int unmount_root(const char *rootfs, struct err *err)
{
	uint64_t deadline = clock_boot_ns() + UNMOUNT_NS;
	int r = rootfs_unmount(rootfs, err);

	while (r == -EBUSY && clock_boot_ns() < deadline) {
		poll(NULL, 0, 2);
		r = rootfs_unmount(rootfs, err);
	}
	return r;
}

static int clean_up(const struct shim_delete *d, const char *path, struct bundle_record *record,
	struct err *err)
{
	auto_done(arena) struct arena arena = { 0 };
	auto_close int bundle = fd_open(path, O_RDONLY | O_DIRECTORY, 0);
	auto_free char *rootfs = path_join(path, "rootfs");
	auto_free char *socket = socket_of(bundle);
	bool marked, found = false;
	int r;

	if (!rootfs)
		return err_oom(err);
	marked = mark(d, bundle, socket);
	load_record(d, bundle, &arena, record);
	if (!record->root)
		return err_oom(err);
	if (str_empty(record->program)) {
		r = remove_from_root(d, record, &found, err);
	} else {
		found = init_runs(record);
		r = remove_by_program(d, path, bundle, record, err);
	}
	if (marked)
		wait_for_shim(d, bundle, socket, found, record);
	record->root = record->program = NULL; /* go with the arena */
	if (r == 0)
		r = unmount_root(rootfs, err);
	remove_socket(d, socket);
	return r;
}

static int answer(const struct shim_delete *d, const struct bundle_record *record, struct err *err)
{
	Pb__Task__DeleteResponse m = PB__TASK__DELETE_RESPONSE__INIT;
	auto_done(buf) struct buf out = { 0 };
	Pb__Timestamp at;
	int r;

	message_set_time(&at, record->exited ? record->exited_wall_ns : clock_wall_ns());
	m.pid = record->pid;
	m.exit_status = record->exited ? record->exit_status : KILLED_STATUS;
	m.exited_at = &at;
	message_encode(&m.base, &out);
	r = buf_ok(&out);
	if (r == 0)
		r = fd_write_full(d->output, out.data, out.len);
	return r < 0 ? err_code(err, r, "write the answer") : 0;
}

/* ---- a sandbox ---- */

static int clean_up_member(
	const struct shim_delete *d, const char *members, const char *id, struct err *err)
{
	auto_free char *link = path_join(members, id);
	struct bundle_record record = { 0 };
	struct shim_args args = *d->args;
	struct shim_delete one = *d;
	char path[PATH_MAX];
	ssize_t n;

	if (!link)
		return err_oom(err);
	n = readlink(link, path, sizeof(path) - 1);
	if (n <= 0)
		return 0;
	path[n] = '\0';
	args.id = id;
	args.bundle = path;
	one.args = &args;
	return access(path, F_OK) < 0 ? 0 : clean_up(&one, path, &record, err);
}

/* Each is tried, whatever becomes of the others. */
static int clean_up_members(const struct shim_delete *d, const char *path, struct err *err)
{
	auto_free char *members = path_join(path, SANDBOX_MEMBERS_NAME);
	DIR *dir = members ? opendir(members) : NULL;
	struct dirent *e;
	struct err one;
	int r = 0;

	while (dir && (e = readdir(dir)))
		if (e->d_name[0] != '.' && clean_up_member(d, members, e->d_name, &one) < 0) {
			*err = one;
			r = one.code;
		}
	if (dir)
		closedir(dir);
	return r;
}

/*
 * The members are gone after it, or will be by a second call. While its shim lives it is not called, but after
 * ShutdownSandbox, which leaves nothing to do.
 */
static int clean_up_sandbox(const struct shim_delete *d, const char *path,
	struct bundle_record *record, struct err *err)
{
	auto_done(arena) struct arena arena = { 0 };
	struct sandbox_record sandbox = { 0 };
	int r = sandbox_record_load(path, &arena, &sandbox, err);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	r = clean_up_members(d, path, err);
	if (r == 0)
		r = sandbox_clean_up(path, &sandbox, err);
	record->pid = sandbox.holder;
	record->exited = sandbox.state == SANDBOX_STOPPED;
	record->exit_status = sandbox.exit_status;
	record->exited_wall_ns = sandbox.exited_wall_ns;
	return r;
}

int shim_delete_run(const struct shim_delete *d, struct err *err)
{
	struct bundle_record record = { 0 };
	auto_free char *path = NULL;
	int r;

	r = task_name_check(d->args->ns, "namespace", err);
	if (r == 0)
		r = task_name_check(d->args->id, "id", err);
	if (r < 0)
		return r;
	path = bundle_path(d->args);
	if (!path)
		return err_oom(err);
	r = clean_up_sandbox(d, path, &record, err);
	if (r == 0)
		r = clean_up(d, path, &record, err);
	return r < 0 ? r : answer(d, &record, err);
}
