/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container object: opening one by id, what it is and how it is doing. The operations have files of their own
 * (container_create.c, _start.c, _exec.c, _delete.c); they share container_impl.h.
 *
 * What surprises: "created" is not only what the record says. A `start` that is killed after init took its go leaves
 * the record behind, so a created container whose init is no longer our executor counts as running.
 */
#include "container/container_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "container/id_map.h"
#include "container/notify_socket.h"
#include "container/seccomp_agent.h"
#include "oci/cap_name.h"
#include "oci/state_doc.h"

#define CONFIG_MAX (4u << 20)

const char *container_status_name(enum container_status s)
{
	static const char *const names[] = {
		[CONTAINER_CREATING] = "creating",
		[CONTAINER_CREATED] = "created",
		[CONTAINER_RUNNING] = "running",
		[CONTAINER_PAUSED] = "paused",
		[CONTAINER_STOPPED] = "stopped",
	};

	return names[s];
}

/* Without a user namespace nothing is mapped, whatever a document says of it: peers take it, too. */
static void forget_idle_maps(struct spec *s)
{
	if (s->linux_ && !spec_namespace_find(s, SPEC_NS_USER))
		s->linux_->n_uid_mappings = s->linux_->n_gid_mappings = 0;
}

/* A new user namespace of which no maps are told, as by crun: the user of the container is the caller. */
static int map_caller(struct spec *s, struct err *err)
{
	struct spec_linux *l = s->linux_;
	struct spec_id_mapping *maps;

	if (!spec_namespace_is_new(s, SPEC_NS_USER) || l->n_uid_mappings)
		return 0;
	maps = arena_calloc(&s->arena, 2, sizeof(*maps));
	if (!maps)
		return err_oom(err);
	maps[0] = (struct spec_id_mapping){ .host_id = geteuid(), .size = 1 };
	maps[1] = (struct spec_id_mapping){ .host_id = getegid(), .size = 1 };
	if (s->process) {
		maps[0].container_id = s->process->user.uid;
		maps[1].container_id = s->process->user.gid;
	}
	l->uid_mappings = &maps[0];
	l->gid_mappings = &maps[1];
	l->n_uid_mappings = l->n_gid_mappings = 1;
	return 0;
}

int container_load_bundle(const char *dir, const char *config, struct spec **ret_spec,
	char **ret_json, size_t *ret_size, struct err *err)
{
	auto_freep(spec) struct spec *spec = NULL;
	auto_free char *path = config ? NULL : path_join(dir, "config.json");
	auto_free char *json = NULL;
	const char *name = config ? config : "config.json";
	struct stat st;
	size_t size;
	int r;

	if (!config && !path)
		return err_oom(err);
	r = config ? fd_read_file_at(AT_FDCWD, config, CONFIG_MAX, &json, &size)
		   : fd_read_regular_at(AT_FDCWD, path, CONFIG_MAX, &json, &size);
	if (r < 0 && stat(dir, &st) < 0)
		return err_sys(err, "open bundle '%s'", dir);
	if (r < 0 && !S_ISDIR(st.st_mode))
		return err_code(err, -ENOTDIR, "open bundle '%s'", dir);
	if (r == -ENOENT)
		return err_set(
			err, r, "JSON specification file %s not found in bundle '%s'", name, dir);
	if (r < 0)
		return err_code(err, r, "read '%s' of bundle '%s'", name, dir);
	r = spec_parse(json, size, &spec, err);
	if (r == 0)
		r = spec_validate(spec, err);
	if (r < 0)
		return err_in(err, "%s", name);
	forget_idle_maps(spec);
	r = map_caller(spec, err);
	if (r < 0)
		return r;
	*ret_spec = take_ptr(spec);
	*ret_json = take_ptr(json);
	*ret_size = size;
	return 0;
}

void container_done(struct container *c, const struct err *err)
{
	struct container_handler h = c->handler;
	struct err copy;

	if (err)
		copy = *err;
	c->handler = (struct container_handler){ 0 };
	if (h.done)
		h.done(h.arg, err ? &copy : NULL);
}

void container_trace(const struct container *c, const char *what)
{
	log_write(c->host->log, LOG_DEBUG_, "container '%s': %s", c->state.record.id, what);
}

void container_warn_of_caps(const struct container *c, const struct plan *plan)
{
	auto_done(buf) struct buf lost = { 0 };

	if (plan->unknown_cap)
		log_write(c->host->log, LOG_WARN_, "ignoring unknown capability '%s'",
			plan->unknown_cap);
	for (unsigned cap = 0; cap < CAP_NAME_COUNT; cap++)
		if (plan->lost_ambient >> cap & 1)
			buf_addf(&lost, "%s%s", lost.len ? ", " : "", cap_name(cap));
	if (lost.len && buf_ok(&lost) == 0)
		log_write(c->host->log, LOG_WARN_,
			"can't raise ambient capability %s: not both permitted and inheritable",
			lost.data);
}

char *container_hook_state(const struct container *c, const char *status, pid_t pid)
{
	struct state_doc doc = {
		.oci_version = c->spec->oci_version,
		.id = c->state.record.id,
		.pid = pid,
		.status = status,
		.bundle = c->state.record.bundle,
		.annotations = c->spec->annotations,
		.n_annotations = c->spec->n_annotations,
	};
	struct buf text = { 0 };

	if (state_doc_write_hook(&doc, &text) < 0)
		buf_done(&text);
	return buf_take(&text);
}

int container_filter(const struct container *c, struct seccomp_filter *ret, struct err *err)
{
	const struct spec_seccomp *profile = c->spec->linux_ ? c->spec->linux_->seccomp : NULL;
	struct seccomp_cache once, *cache = c->host->seccomp ? c->host->seccomp : &once;
	int r;

	*ret = (struct seccomp_filter){ 0 };
	if (!profile)
		return 0;
	seccomp_cache_init_below(&once, -EBADF, 0);
	cache->parentfd = c->host->state->fd;
	r = seccomp_compile(profile, cache, ret, err);
	if (r == 0 && ret->program)
		log_write(c->host->log, LOG_DEBUG_, "seccomp filter flags: %llu",
			(unsigned long long)ret->flags);
	return r;
}

bool container_denies_setgroups(const struct spec *s)
{
	const struct spec_linux *l = s->linux_;
	struct id_maps maps = { 0 };

	if (!l || !spec_namespace_is_new(s, SPEC_NS_USER) || geteuid() == 0)
		return false;
	maps = (struct id_maps){ l->uid_mappings, l->gid_mappings, l->n_uid_mappings,
		l->n_gid_mappings };
	return id_maps_are_own(&maps);
}

int container_give_listener(struct container *c, const struct pidref *process, const char *status,
	int fd, struct err *err)
{
	struct seccomp_agent_message m = {
		.process = process->pid ? process : &c->init,
		.listener = fd,
	};
	auto_free char *state = NULL;
	int r = container_need_spec(c, err);

	if (r < 0)
		return r;
	state = container_hook_state(c, status, c->init.pid);
	if (!state)
		return err_oom(err);
	m.spec = c->spec;
	m.state = state;
	return seccomp_agent_send(&m, err);
}

static int load_cgroup(struct container *c, struct err *err)
{
	const struct state_record *rec = &c->state.record;
	int r;

	if (!rec->n_cgroup_dirs)
		return 0;
	r = cgroup_from_record(rec->cgroup_dirs, rec->n_cgroup_dirs, &c->cgroup, err);
	if (r == 0)
		cgroup_spend_to(c->cgroup, c->host->spent);
	return r;
}

static int load_spec(struct container *c, struct err *err)
{
	auto_free char *json = NULL;
	size_t size;
	int r = fd_read_spend_at(
		c->host->spent, c->state.dirfd, "config.json", CONFIG_MAX, &json, &size);

	if (r < 0)
		return err_code(
			err, r, "read the configuration of container '%s'", c->state.record.id);
	r = spec_parse(json, size, &c->spec, err);
	if (r == 0)
		forget_idle_maps(c->spec);
	return r;
}

int container_open(const struct host *h, const char *id, struct container **ret, struct err *err)
{
	auto_freep(container) struct container *c = mem_calloc(1, sizeof(*c));
	int r;

	if (!c)
		return err_oom(err);
	c->host = h;
	c->init = PIDREF_NULL;
	c->state = STATE_NULL;
	r = state_open(h->state, id, STATE_READ, &c->state, err);
	if (r == 0)
		r = load_cgroup(c, err);
	if (r < 0)
		return r;
	r = state_record_init(&c->state.record, h->spent, &c->init);
	if (r < 0 && r != -ESRCH)
		return err_code(err, r, "open the init process of container '%s'", id);
	*ret = take_ptr(c);
	return 0;
}

int container_need_spec(struct container *c, struct err *err)
{
	return c->spec ? 0 : load_spec(c, err);
}

void container_forget_spec(struct container *c)
{
	spec_free(take_ptr(c->spec));
}

static void release(struct loop_deferred *d)
{
	struct container *c = container_of(d, struct container, release);

	if (c->host->entry)
		cgroup_entry_forget(c->host->entry, c->cgroup);
	spec_free(c->spec);
	cgroup_free(c->payload);
	cgroup_free(c->cgroup);
	pidref_done(&c->init);
	state_done(&c->state);
	free(c->hook_state);
	arena_done(&c->devices_arena);
	free((char *)c->manager);
	free(c);
}

void container_free(struct container *c)
{
	if (!c || c->freed)
		return;
	c->freed = true;
	container_freezer_stop(c);
	container_destroyer_stop(c);
	wait_until_stop(&c->ending);
	launch_free(c->launch);
	notify_socket_free(c->notify);
	c->notify = NULL;
	hook_cancel(c->hooks);
	criu_run_free(c->criu);
	c->criu = NULL;
	unit_run_free(take_ptr(c->unit));
	container_plan_free(take_ptr(c->plan));
	container_update_stop(c);
	c->launch = NULL;
	c->hooks = NULL;
	loop_defer(c->host->loop, &c->release, release);
}

const char *container_id(const struct container *c)
{
	return c->state.record.id;
}

const struct spec *container_spec(const struct container *c)
{
	return c->spec;
}

const struct state_record *container_record(const struct container *c)
{
	return &c->state.record;
}

struct cgroup *container_cgroup(struct container *c)
{
	return c->cgroup;
}

const struct pidref *container_init(const struct container *c)
{
	return &c->init;
}

void container_exited(struct container *c)
{
	c->exited = true;
}

bool container_gone(const struct container *c)
{
	return !c->init.pid || c->exited || pidref_exited(&c->init);
}

bool container_owns_pidns(const struct container *c)
{
	return c->state.record.own_pidns;
}

/* Init is still our executor: it has not taken its go. */
static bool is_waiting(const struct container *c)
{
	char path[64];
	char exe[64] = "";

	snprintf(path, sizeof(path), "/proc/%d/exe", c->init.pid);
	if (readlink(path, exe, sizeof(exe) - 1) > 0)
		return str_starts(exe, "/memfd:reeve-exec");
	/* Ours cannot be looked at but by root; whoever has started it has taken its socket away. */
	return errno == EACCES && geteuid() != 0 &&
	       faccessat(c->state.dirfd, "start.sock", F_OK, 0) == 0;
}

static bool is_frozen(struct container *c)
{
	const struct cgroup_entry *open = c->host->entry;
	bool frozen = false;

	if (open && open->of == c->cgroup)
		return cgroup_entry_frozen(open);
	return cgroup_frozen(c->cgroup, &frozen, NULL) == 0 && frozen;
}

enum container_status container_status(struct container *c)
{
	if (!c->init.pid && c->state.record.status == STATE_CREATING && !container_is_abandoned(c))
		return CONTAINER_CREATING;
	if (container_gone(c))
		return CONTAINER_STOPPED;
	if (c->cgroup && is_frozen(c))
		return CONTAINER_PAUSED;
	if (c->state.record.status == STATE_CREATED && is_waiting(c))
		return CONTAINER_CREATED;
	return c->state.record.status == STATE_CREATING ? CONTAINER_CREATING : CONTAINER_RUNNING;
}

/* Its create is gone: nobody holds the lock of a container that is "creating". */
bool container_is_abandoned(struct container *c)
{
	return !state_is_locked(&c->state);
}
