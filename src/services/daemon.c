/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What surprises: a store that is damaged does not keep the daemon from starting. What can be read
 * of it is kept, what is lost is logged line by line, and the damaged file stays beside the new one.
 * Containers that have a bundle get a record anew (rebuild.h).
 */
#include "services/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "event/log_room.h"
#include "rpc/grpc_server.h"
#include "rpc/ttrpc_server.h"
#include "services/blobs.h"
#include "services/chore.h"
#include "services/core.h"
#include "services/event_bus.h"
#include "services/gc.h"
#include "services/image_export.h"
#include "services/image_import.h"
#include "services/inner.h"
#include "services/rebuild.h"
#include "services/services.h"
#include "services/snapshots.h"
#include "services/streams.h"
#include "services/task_checkpoint.h"
#include "services/tasks.h"
#include "services/transfer_echo.h"
#include "settings/settings.h"
#include "supervisor/fdtable.h"

#define STORE_NAME "meta.db"
#define LOCK_NS (2 * NS_PER_SEC)

/* A socket of ours in the file system. */
struct socket {
	int dir;
	const char *name; /* in the address; NULL: it is not there */
};

struct daemon {
	struct daemon_config config;
	const struct settings *settings;
	struct core core;
	struct blobs blobs;
	int root, lock;
	struct socket api, events;
	struct rpc_service *services;
	size_t n_services;
	struct grpc_server *grpc;
	struct ttrpc_server *ttrpc;
	struct log_room log_room;
	int waiting; /* the listening socket of gRPC, until the tasks are loaded */
};

/* ---- directories ---- */

static int open_dir(const char *path, mode_t mode, int *ret, struct err *err)
{
	int r = file_mkdirs_at(AT_FDCWD, path, mode);

	if (r < 0 && r != -EEXIST)
		return err_code(err, r, "make directory '%s'", path);
	r = fd_open(path, O_RDONLY | O_DIRECTORY, 0);
	if (r < 0)
		return err_code(err, r, "open directory '%s'", path);
	*ret = r;
	return 0;
}

/* One that was killed may have left a child that has its descriptors until it becomes another program. */
static int lock_patiently(int fd)
{
	const struct timespec pause = { .tv_nsec = 20 * NS_PER_MS };
	uint64_t end = clock_boot_ns() + LOCK_NS;
	int r;

	while ((r = file_lock(fd, true, false)) == -EWOULDBLOCK && clock_boot_ns() < end)
		nanosleep(&pause, NULL);
	return r;
}

static int take_lock(struct daemon *m, struct err *err)
{
	int r;

	m->lock = fd_open_at(m->root, "lock", O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
	if (m->lock < 0)
		return err_code(err, m->lock, "open the lock in '%s'", m->settings->root);
	r = lock_patiently(m->lock);
	if (r == -EWOULDBLOCK)
		return err_set(err, -EBUSY, "another daemon has '%s'", m->settings->root);
	return r < 0 ? err_code(err, r, "lock '%s'", m->settings->root) : 0;
}

/* ---- store ---- */

static void log_finding(void *arg, const char *line)
{
	struct daemon *m = arg;

	if (m->config.log)
		log_write(m->config.log, LOG_ERROR_, "store: %s", line);
}

/* What is left behind says to the next start, and to `reeve doctor`, that something was lost. */
static char *damaged_path(const struct daemon *m)
{
	char *path;

	return asprintf(&path, "%s/" STORE_NAME ".damaged", m->settings->root) < 0 ? NULL : path;
}

static int salvage(struct daemon *m, const char *path, struct err *err)
{
	size_t kept = 0;
	int r = store_salvage(path, log_finding, m, &kept, err);

	if (r == 0 && m->config.log)
		log_write(m->config.log, LOG_ERROR_,
			"the store was damaged: %zu records were kept, the old one is '%s.damaged'",
			kept, path);
	return r == 0 ? store_open(path, &m->core.store, err) : r;
}

/* *ret_new: there was none; an empty file is none. */
static int open_store(struct daemon *m, bool *ret_new, bool *ret_damaged, struct err *err)
{
	auto_free char *path = path_join(m->settings->root, STORE_NAME);
	struct err why = { 0 };
	struct stat st;
	int r;

	if (!path)
		return err_oom(err);
	*ret_new = stat(path, &st) < 0 || st.st_size == 0;
	r = store_open(path, &m->core.store, &why);
	*ret_damaged = r == -EUCLEAN;
	if (r == -EUCLEAN) {
		log_finding(m, why.text);
		return salvage(m, path, err);
	}
	if (r < 0)
		*err = why;
	return r;
}

/* There are tasks, so there was a store. */
static int note_missing(struct daemon *m, size_t bundles, struct err *err)
{
	auto_free char *path = damaged_path(m);
	auto_close int fd = path ? fd_open(path, O_WRONLY | O_CREAT | O_NOFOLLOW, 0600) : -ENOMEM;

	if (m->config.log)
		log_write(m->config.log, LOG_ERROR_,
			"the store was missing or empty, and there are %zu bundles: what no bundle "
			"tells is lost",
			bundles);
	return fd < 0 ? err_code(err, fd, "note that the store was lost") : 0;
}

static int make_store(struct daemon *m, struct err *err)
{
	bool is_new = false, damaged = false;
	size_t made = 0, bundles = 0;
	int r = open_store(m, &is_new, &damaged, err);

	if (r == 0)
		r = rebuild_containers(
			&m->core, m->settings, is_new || damaged, &made, &bundles, err);
	if (r == 0 && made > 0 && m->config.log)
		log_write(m->config.log, LOG_ERROR_,
			"%zu records of containers are made anew from %zu bundles", made, bundles);
	return r == 0 && is_new && bundles > 0 ? note_missing(m, bundles, err) : r;
}

static int make_uuid(char out[37], struct err *err)
{
	unsigned char b[16];

	if (getrandom(b, sizeof(b), 0) != sizeof(b))
		return err_sys(err, "read random bytes");
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	snprintf(out, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
		b[13], b[14], b[15]);
	return 0;
}

static int know_uuid(struct daemon *m, struct err *err)
{
	auto_done(arena) struct arena arena = { 0 };
	struct store_item item;
	int r = store_get(m->core.store, STORE_SETTING, "", "uuid", &arena, &item, err);

	if (r == 0 && item.size == 36) {
		memcpy(m->core.uuid, item.data, 36);
		return 0;
	}
	if (r < 0 && r != -ENOENT && r != -EUCLEAN)
		return r;
	r = make_uuid(m->core.uuid, err);
	if (r == 0)
		r = store_put(m->core.store, STORE_SETTING, "", "uuid", m->core.uuid, 36, err);
	return r;
}

/* ---- content and snapshots ---- */

/*
 * A directory to which no record leads is a leftover, unless records were lost: then it may be the root file system of a
 * container that runs, and stays until an operator has removed what was put aside.
 */
static void sweep(struct daemon *m, struct core_call *call)
{
	auto_free char *damaged = damaged_path(m);
	bool keep = !damaged || access(damaged, F_OK) == 0;

	if (keep)
		err_set(call->err, -EUCLEAN, "records were lost; '%s' says so until it is removed",
			damaged ? damaged : "");
	if ((keep || snapshots_sweep(call) < 0) && m->config.log)
		log_write(m->config.log, LOG_WARN_,
			"directories of snapshots that nobody has are left alone: %s",
			call->err->text);
	gc_sweep_blobs(&m->core);
	task_checkpoint_sweep(&m->core);
}

static int open_content(struct daemon *m, struct err *err)
{
	auto_done(arena) struct arena arena = { 0 };
	struct err why = { 0 };
	struct core_call call = { .core = &m->core, .arena = &arena, .err = &why };
	int r = blobs_open(m->root, &m->blobs, err);

	if (r < 0)
		return r;
	m->core.blobs = &m->blobs;
	m->core.root = m->root;
	m->core.root_path = m->settings->root;
	r = gc_new(&m->core, (uint64_t)m->settings->gc_delay_ms * NS_PER_MS, &m->core.gc, err);
	if (r == 0)
		sweep(m, &call);
	return r;
}

/* ---- doors ---- */

static int make_tables(struct daemon *m, struct err *err)
{
	const struct rpc_service *const ours[] = {
		&container_service,
		&content_service,
		&diff_service,
		&event_service,
		&health_service,
		&image_service,
		&introspection_service,
		&lease_service,
		&namespace_service,
		&snapshot_service,
		&streaming_service,
		&tasks_service,
		&transfer_service,
		&version_service,
	};
	size_t n = 0;

	m->services = mem_calloc(ARRAY_LEN(ours) + m->config.n_more, sizeof(*m->services));
	if (!m->services)
		return err_oom(err);
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		m->services[n++] = *ours[i];
	for (size_t i = 0; i < m->config.n_more; i++)
		m->services[n++] = m->config.more[i];
	m->core.services = m->services;
	m->core.n_services = m->n_services = n;
	return 0;
}

static int make_doors(struct daemon *m, struct err *err)
{
	const struct grpc_server_config grpc = {
		.loop = m->config.loop,
		.log = m->config.log,
		.services = m->services,
		.n_services = m->n_services,
		.arg = &m->core,
		.drained = m->config.drained,
		.drained_arg = m->config.arg,
	};
	const struct ttrpc_server_config ttrpc = {
		.loop = m->config.loop,
		.log = m->config.log,
		.services = &event_forward_service,
		.n_services = 1,
		.arg = &m->core,
	};
	int r = grpc_server_new(&grpc, &m->grpc, err);

	return r < 0 ? r : ttrpc_server_new(&ttrpc, &m->ttrpc, err);
}

/* By its address, for the next worker may have been told another one. */
static void name_kept(const char *address, char name[32])
{
	uint32_t h = 2166136261u;

	for (; *address; address++)
		h = (h ^ (unsigned char)*address) * 16777619u;
	snprintf(name, 32, "socket/%08x", h);
}

/* Clients connect to it, and wait, while there is no worker. */
static void keep_socket(struct daemon *m, const char *address, int fd)
{
	int copy = m->config.fds ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : -1;
	char name[32];

	name_kept(address, name);
	if (copy >= 0)
		(void)fdtable_replace(m->config.fds, name, copy);
}

static bool take_kept(struct daemon *m, const char *address, int *ret)
{
	char name[32];
	int fd = -EBADF;

	name_kept(address, name);
	if (m->config.fds)
		fd = fdtable_get(m->config.fds, name);
	if (fd >= 0)
		*ret = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return fd >= 0 && *ret >= 0;
}

static void forget_socket(struct daemon *m, const char *address)
{
	char name[32];

	name_kept(address, name);
	if (m->config.fds)
		fdtable_close(m->config.fds, name);
}

/* The lock says that nobody is behind a socket that is left there. */
static int listen_at(
	struct daemon *m, const char *address, struct socket *socket, int *ret, struct err *err)
{
	auto_free char *path = strdup(address);
	const char *name = strrchr(address, '/') + 1;
	auto_close int fd = -EBADF;
	int r;

	if (!path)
		return err_oom(err);
	if (!*name)
		return err_set(err, -EINVAL, "address '%s' has no name of a socket", address);
	path[name == address + 1 ? 1 : name - address - 1] = '\0';
	r = open_dir(path, 0711, &socket->dir, err);
	if (r < 0)
		return r;
	/* One whose name somebody has removed nobody can connect to. */
	if (faccessat(socket->dir, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		forget_socket(m, address);
	if (take_kept(m, address, ret)) {
		socket->name = name;
		return 0;
	}
	if (unlinkat(socket->dir, name, 0) < 0 && errno != ENOENT)
		return err_sys(err, "remove what is at '%s'", address);
	fd = fd_unix_listen_at(socket->dir, name, SOCK_STREAM, (mode_t)m->settings->socket_mode);
	if (fd < 0)
		return err_code(err, fd, "listen at '%s'", address);
	socket->name = name;
	keep_socket(m, address, fd);
	if (m->settings->socket_gid > 0 &&
		fchownat(socket->dir, name, (uid_t)-1, (gid_t)m->settings->socket_gid,
			AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "give '%s' to group %lld", address,
			(long long)m->settings->socket_gid);
	*ret = take_fd(&fd);
	return 0;
}

/* One that was passed is not ours to take away. */
static int open_socket(struct daemon *m, const char *address, int *passed, struct socket *socket,
	int *ret, struct err *err)
{
	if (*passed < 0)
		return listen_at(m, address, socket, ret, err);
	*ret = take_fd(passed);
	return 0;
}

static int open_sockets(struct daemon *m, struct err *err)
{
	int fd = -EBADF;
	int r = open_socket(
		m, m->settings->ttrpc_address, &m->config.events_listener, &m->events, &fd, err);

	if (r == 0)
		r = ttrpc_server_listen_take_fd(m->ttrpc, fd, 0, err);
	if (r == 0)
		r = open_socket(m, m->settings->address, &m->config.api_listener, &m->api,
			&m->waiting, err);
	return r;
}

static void close_socket(struct daemon *m, const char *address, struct socket *s)
{
	if (s->name) {
		(void)unlinkat(s->dir, s->name, 0);
		forget_socket(m, address);
	}
	s->name = NULL;
	s->dir = fd_close(s->dir);
}

/* ---- tasks ---- */

static void on_loaded(void *arg)
{
	struct daemon *m = arg;
	struct err err = { 0 };

	if (m->waiting < 0)
		return; /* it leaves already */
	if (grpc_server_listen_take_fd(m->grpc, take_fd(&m->waiting), 0, &err) < 0)
		m->config.failed(m->config.arg, &err);
	else if (m->config.serving)
		m->config.serving(m->config.arg);
}

static int make_tasks(struct daemon *m, struct err *err)
{
	const struct tasks_config config = {
		.core = &m->core,
		.settings = m->settings,
		.search = m->config.search,
		.embedded = m->config.embedded,
		.loaded = on_loaded,
		.arg = m,
	};

	return tasks_new(&config, &m->core.tasks, err);
}

/* ---- the whole ---- */

static int begin(struct daemon *m, struct err *err)
{
	int state = -EBADF, r = open_dir(m->settings->root, 0711, &m->root, err);

	if (r == 0)
		r = open_dir(m->settings->state, 0711, &state, err);
	fd_close(state);
	if (r == 0)
		r = take_lock(m, err);
	if (r == 0)
		r = make_store(m, err);
	if (r == 0)
		r = know_uuid(m, err);
	if (r == 0)
		r = event_bus_new((size_t)m->settings->events_unsent_bytes, &m->core.events, err);
	if (r == 0)
		r = open_content(m, err);
	if (r == 0)
		r = make_tasks(m, err);
	if (r == 0)
		r = make_tables(m, err);
	if (r == 0)
		r = make_doors(m, err);
	if (r == 0)
		r = open_sockets(m, err);
	/* Shims tell what happens as soon as they are connected to. */
	return r == 0 ? tasks_load(m->core.tasks, err) : r;
}

int daemon_new(const struct daemon_config *config, struct daemon **ret, struct err *err)
{
	struct daemon *m = mem_calloc(1, sizeof(*m));
	int r;

	if (!m) {
		fd_close_all((int[]){ config->api_listener, config->events_listener }, 2);
		return err_oom(err);
	}
	m->config = *config;
	log_room_begin(&m->log_room, config->loop, config->log);
	m->core.loop = config->loop;
	m->core.log = config->log;
	m->core.reaper = config->reaper.watch ? config->reaper : reaper_own(config->loop);
	m->core.outside = config->outside;
	m->settings = config->settings;
	m->root = m->lock = m->waiting = m->api.dir = m->events.dir = -EBADF;
	m->blobs = (struct blobs){ -EBADF, -EBADF };
	r = begin(m, err);
	if (r < 0) {
		daemon_free(m);
		return r;
	}
	*ret = m;
	return 0;
}

void daemon_free(struct daemon *m)
{
	if (!m)
		return;
	close_socket(m, m->settings->address, &m->api);
	close_socket(m, m->settings->ttrpc_address, &m->events);
	fd_close_all((int[]){ m->config.api_listener, m->config.events_listener }, 2);
	chores_end(&m->core);
	image_exports_end(&m->core);
	transfer_echoes_end(&m->core);
	image_imports_end(&m->core);
	grpc_server_free(m->grpc);
	ttrpc_server_free(m->ttrpc);
	streams_end(&m->core);
	inner_end(&m->core);
	tasks_free(m->core.tasks);
	event_bus_free(m->core.events);
	gc_free(m->core.gc);
	blobs_close(&m->blobs);
	store_free(m->core.store);
	log_room_done(&m->log_room);
	free(m->services);
	fd_close(m->waiting);
	fd_close(m->root);
	fd_close(m->lock); /* last: what it keeps a second daemon from is over */
	free(m);
}

size_t daemon_embedded_tasks(const struct daemon *m)
{
	return m->core.tasks ? task_manager_embedded(tasks_manager(m->core.tasks)) : 0;
}

struct core *daemon_core(struct daemon *m)
{
	return &m->core;
}

void daemon_leave(struct daemon *m)
{
	close_socket(m, m->settings->address, &m->api);
	close_socket(m, m->settings->ttrpc_address, &m->events);
	fd_close(take_fd(&m->waiting));
	tasks_leave(m->core.tasks);
	ttrpc_server_unlisten(m->ttrpc);
	grpc_server_drain(m->grpc);
}
