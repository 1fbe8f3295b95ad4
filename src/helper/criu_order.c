/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One table: the name of a word, and where its value goes. A list element that takes two values is two words, of which
 * the second completes what the first began.
 */
#include "helper/criu_order.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"

#define LOG_LEVEL 4

/* Room for as many elements as there are words. */
struct room {
	Pb__Criu__ExternalMount *mounts;
	Pb__Criu__InheritedFd *fds;
	Pb__Criu__CgroupRoot *roots;
};

#define FLAG(name) \
	{ \
#name, offsetof(Pb__Criu__Options, name), offsetof(Pb__Criu__Options, has_##name) \
	}

static const struct {
	const char *name;
	size_t at, has;
} flags[] = {
	FLAG(leave_running),
	FLAG(ext_unix_sk),
	FLAG(tcp_established),
	FLAG(tcp_skip_in_flight),
	FLAG(tcp_close),
	FLAG(shell_job),
	FLAG(file_locks),
	FLAG(link_remap),
	FLAG(auto_dedup),
	FLAG(track_mem),
	FLAG(lazy_pages),
};

#define TEXT(name) \
	{ \
#name, offsetof(Pb__Criu__Options, name) \
	}

static const struct {
	const char *name;
	size_t at;
} texts[] = {
	TEXT(root),
	TEXT(parent_img),
	TEXT(freeze_cgroup),
	TEXT(lsm_profile),
	TEXT(lsm_mount_context),
};

#define NUMBER(name) \
	{ \
#name, offsetof(Pb__Criu__Options, name), offsetof(Pb__Criu__Options, has_##name) \
	}

static const struct {
	const char *name;
	size_t at, has;
} numbers[] = {
	NUMBER(pid),
	NUMBER(status_fd),
	NUMBER(manage_cgroups_mode),
	NUMBER(network_lock),
	NUMBER(empty_ns),
};

static int take_plain(struct criu_order *o, const char *name, const char *value)
{
	char *base = (char *)&o->opts;
	uint32_t n;

	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		if (!str_eq(name, flags[i].name))
			continue;
		*(protobuf_c_boolean *)(void *)(base + flags[i].at) = 1;
		*(protobuf_c_boolean *)(void *)(base + flags[i].has) = 1;
		return 1;
	}
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (!str_eq(name, texts[i].name))
			continue;
		*(const char **)(void *)(base + texts[i].at) = value;
		return 1;
	}
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		if (!str_eq(name, numbers[i].name))
			continue;
		if (str_to_u32(value, &n) < 0)
			return -EINVAL;
		*(uint32_t *)(void *)(base + numbers[i].at) = n;
		*(protobuf_c_boolean *)(void *)(base + numbers[i].has) = 1;
		if (str_eq(name, "status_fd"))
			o->keep[o->n_keep++] = (int)n;
		return 1;
	}
	return 0;
}

/* The list that the element goes to has room: one slot a word. */
static int take_listed(struct criu_order *o, struct room *room, const char *name, const char *value)
{
	Pb__Criu__Options *m = &o->opts;
	uint32_t n;

	if (str_eq(name, "mount")) {
		pb__criu__external_mount__init(&room->mounts[m->n_ext_mnt]);
		m->ext_mnt[m->n_ext_mnt] = &room->mounts[m->n_ext_mnt];
		m->ext_mnt[m->n_ext_mnt++]->key = (char *)value;
	} else if (str_eq(name, "from") && m->n_ext_mnt) {
		m->ext_mnt[m->n_ext_mnt - 1]->val = (char *)value;
	} else if (str_eq(name, "inherit")) {
		pb__criu__inherited_fd__init(&room->fds[m->n_inherit_fd]);
		m->inherit_fd[m->n_inherit_fd] = &room->fds[m->n_inherit_fd];
		m->inherit_fd[m->n_inherit_fd++]->key = (char *)value;
	} else if (str_eq(name, "fd") && m->n_inherit_fd) {
		if (str_to_u32(value, &n) < 0 || n > INT32_MAX)
			return -EINVAL;
		m->inherit_fd[m->n_inherit_fd - 1]->fd = (int)n;
		o->keep[o->n_keep++] = (int)n;
	} else if (str_eq(name, "root_cgroup")) {
		pb__criu__cgroup_root__init(&room->roots[m->n_cg_root]);
		m->cg_root[m->n_cg_root] = &room->roots[m->n_cg_root];
		m->cg_root[m->n_cg_root++]->path = (char *)value;
	} else if (str_eq(name, "controllers")) {
		pb__criu__cgroup_root__init(&room->roots[m->n_cg_root]);
		m->cg_root[m->n_cg_root] = &room->roots[m->n_cg_root];
		m->cg_root[m->n_cg_root++]->ctrl = (char *)value;
	} else if (str_eq(name, "path") && m->n_cg_root) {
		m->cg_root[m->n_cg_root - 1]->path = (char *)value;
	} else if (str_eq(name, "external")) {
		m->external[m->n_external++] = (char *)value;
	} else if (str_eq(name, "join")) {
		o->join[o->n_join++] = value;
	} else {
		return 0;
	}
	return 1;
}

static int take_own(struct criu_order *o, const char *name, const char *value)
{
	if (str_eq(name, "do"))
		o->type = str_eq(value, "restore")    ? PB__CRIU__REQUEST_TYPE__RESTORE
			  : str_eq(value, "pre-dump") ? PB__CRIU__REQUEST_TYPE__PRE_DUMP
						      : PB__CRIU__REQUEST_TYPE__DUMP;
	else if (str_eq(name, "criu"))
		o->criu = value;
	else if (str_eq(name, "images"))
		o->images = value;
	else if (str_eq(name, "work"))
		o->work = value;
	else
		return 0;
	return 1;
}

static int take_page_server(struct criu_order *o, const char *name, const char *value)
{
	uint32_t n;

	if (str_eq(name, "page_server")) {
		pb__criu__page_server__init(&o->page_server);
		o->page_server.address = (char *)value;
		o->opts.ps = &o->page_server;
		return 1;
	}
	if (!str_eq(name, "port") || !o->opts.ps || str_to_u32(value, &n) < 0)
		return 0;
	o->page_server.port = (int)n;
	o->page_server.has_port = true;
	return 1;
}

static int make_room(struct criu_order *o, struct room *room, size_t n, struct err *err)
{
	Pb__Criu__Options *m = &o->opts;

	room->mounts = arena_calloc(&o->arena, n, sizeof(*room->mounts));
	room->fds = arena_calloc(&o->arena, n, sizeof(*room->fds));
	room->roots = arena_calloc(&o->arena, n, sizeof(*room->roots));
	m->ext_mnt = arena_calloc(&o->arena, n, sizeof(void *));
	m->inherit_fd = arena_calloc(&o->arena, n, sizeof(void *));
	m->cg_root = arena_calloc(&o->arena, n, sizeof(void *));
	m->external = arena_calloc(&o->arena, n, sizeof(void *));
	o->join = arena_calloc(&o->arena, n, sizeof(void *));
	o->keep = arena_calloc(&o->arena, n, sizeof(int));
	return room->mounts && room->fds && room->roots && m->ext_mnt && m->inherit_fd &&
			       m->cg_root && m->external && o->join && o->keep
		       ? 0
		       : err_oom(err);
}

static int open_dir(const char *what, const char *path, int *ret, struct err *err)
{
	if (str_empty(path))
		return err_set(err, -EINVAL, "no %s directory", what);
	*ret = fd_open(path, O_RDONLY | O_DIRECTORY, 0);
	return *ret < 0 ? err_code(err, *ret, "open %s directory '%s'", what, path) : 0;
}

int criu_order_open(struct criu_order *o, struct err *err)
{
	Pb__Criu__Options *m = &o->opts;
	int r = open_dir("image", o->images, &m->images_dir_fd, err);

	if (r == 0)
		r = open_dir("work", o->work ? o->work : o->images, &m->work_dir_fd, err);
	if (r < 0)
		return r;
	m->has_work_dir_fd = true;
	m->log_level = LOG_LEVEL;
	m->has_log_level = true;
	m->log_file = o->type == PB__CRIU__REQUEST_TYPE__RESTORE ? (char *)"restore.log"
								 : (char *)"dump.log";
	m->notify_scripts = m->has_notify_scripts = true;
	m->evasive_devices = m->has_evasive_devices = true;
	m->orphan_pts_master = m->has_orphan_pts_master = true;
	m->manage_cgroups = m->has_manage_cgroups = true;
	m->rst_sibling = m->has_rst_sibling = o->type == PB__CRIU__REQUEST_TYPE__RESTORE;
	return 0;
}

int criu_order_read(struct criu_order *o, char *const *words, size_t n, struct err *err)
{
	struct room room;
	int r;

	*o = (struct criu_order){ .type = PB__CRIU__REQUEST_TYPE__DUMP, .criu = "criu" };
	pb__criu__options__init(&o->opts);
	r = make_room(o, &room, n + 1, err);
	for (size_t i = 0; r == 0 && i < n; i++) {
		size_t len = strcspn(words[i], "=");
		char *name = arena_strndup(&o->arena, words[i], len);
		const char *value = words[i][len] ? words[i] + len + 1 : "";

		r = name ? take_own(o, name, value) : -ENOMEM;
		if (r == 0)
			r = take_plain(o, name, value);
		if (r == 0)
			r = take_listed(o, &room, name, value);
		if (r == 0)
			r = take_page_server(o, name, value);
		r = r > 0 ? 0 : err_set(err, -EINVAL, "unknown word '%s'", words[i]);
	}
	return r;
}
