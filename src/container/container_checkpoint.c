/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint: what criu must be told of a container, and what must lie beside its images for a restore: the names of the
 * standard streams (descriptors.json, as other runtimes write it) and the mounts that are the host's.
 */
#include "container/container_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/json_write.h"
#include "base/mem.h"
#include "base/path.h"
#include "container/container_criu.h"
#include "oci/namespace_name.h"

#define TABLE_MAX (16u << 20)

/* ---- words that dump and restore share ---- */

static int cgroups_mode(const char *word, struct err *err)
{
	static const struct {
		const char *word;
		int mode;
	} modes[] = { { "", 3 }, { "ignore", 0 }, { "soft", 3 }, { "full", 4 }, { "strict", 5 } };

	for (size_t i = 0; i < ARRAY_LEN(modes); i++)
		if (str_eq(word ? word : "", modes[i].word))
			return modes[i].mode;
	return err_set(
		err, -EINVAL, "invalid mode of cgroups '%s': ignore, soft, full or strict", word);
}

/* 0: criu's own choice. */
static int network_lock(const char *word, struct err *err)
{
	static const char *const methods[] = { "", "iptables", "nftables", "skip" };

	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		if (str_eq(word ? word : "", methods[i]))
			return (int)i;
	return err_set(err, -EINVAL,
		"invalid method of the network lock '%s': iptables, nftables or skip", word);
}

static int page_server(const char *value, struct helper_words *w, struct err *err)
{
	const char *colon = value ? strrchr(value, ':') : NULL;
	uint32_t port;

	if (!value)
		return 0;
	if (!colon || colon == value || str_to_u32(colon + 1, &port) < 0 || port == 0 ||
		port > 65535)
		return err_set(err, -EINVAL, "page server '%s': not ADDRESS:PORT", value);
	helper_words_add(w, "page_server", "%.*s", (int)(colon - value), value);
	helper_words_add(w, "port", "%u", port);
	return 0;
}

int container_criu_words(const struct container_criu *o, struct helper_words *w, struct err *err)
{
	int mode = cgroups_mode(o->cgroups_mode, err);
	int lock = mode < 0 ? mode : network_lock(o->network_lock, err);

	if (lock < 0)
		return lock;
	if (!str_empty(o->criu))
		helper_words_add(w, "criu", "%s", o->criu);
	helper_words_add(w, "images", "%s", o->images);
	helper_words_add(w, "work", "%s", str_empty(o->work) ? o->images : o->work);
	if (!str_empty(o->parent))
		helper_words_add(w, "parent_img", "%s", o->parent);
	helper_words_add(w, "manage_cgroups_mode", "%d", mode);
	if (lock > 0)
		helper_words_add(w, "network_lock", "%d", lock);
	helper_words_flag(w, "tcp_established", o->tcp_established);
	helper_words_flag(w, "tcp_skip_in_flight", o->tcp_skip_in_flight);
	helper_words_flag(w, "tcp_close", o->tcp_close);
	helper_words_flag(w, "ext_unix_sk", o->ext_unix_sockets);
	helper_words_flag(w, "shell_job", o->shell_job);
	helper_words_flag(w, "file_locks", o->file_locks);
	helper_words_flag(w, "link_remap", o->link_remap);
	helper_words_flag(w, "auto_dedup", o->auto_dedup);
	helper_words_flag(w, "lazy_pages", o->lazy_pages);
	if (o->status_fd > 0) {
		int fd = fcntl(o->status_fd, F_DUPFD_CLOEXEC, 3);

		if (fd < 0)
			return err_sys(err, "status descriptor %d", o->status_fd);
		helper_words_fd(w, "status_fd", fd);
	}
	return page_server(o->page_server, w, err);
}

int container_criu_empty_ns(const struct container_criu *o, struct helper_words *w, struct err *err)
{
	unsigned int flags = 0;

	for (size_t i = 0; i < o->n_empty_ns; i++) {
		enum spec_ns_type type;

		if (namespace_name_parse(o->empty_ns[i], &type) < 0)
			return err_set(err, -EINVAL, "unknown namespace '%s'", o->empty_ns[i]);
		flags |= (unsigned int)namespace_name_flag(type);
	}
	if (flags)
		helper_words_add(w, "empty_ns", "%u", flags);
	return 0;
}

/* ---- what is the host's ---- */

struct same_arg {
	pid_t pid;
};

static bool same_file(void *arg, const char *path, const char *source)
{
	struct same_arg *a = arg;
	struct stat in, out;
	char inside[4096];

	snprintf(inside, sizeof(inside), "/proc/%d/root%s", a->pid, path);
	return stat(inside, &in) == 0 && stat(source, &out) == 0 && in.st_dev == out.st_dev &&
	       in.st_ino == out.st_ino;
}

static int find_mounts(
	const struct container *c, struct arena *arena, struct criu_mounts *ret, struct err *err)
{
	struct same_arg same = { c->init.pid };
	auto_free char *theirs = NULL;
	auto_free char *ours = NULL;
	bool v2 = c->cgroup && c->cgroup->mode == CGROUP_MODE_V2;
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/proc/%d/mountinfo", c->init.pid);
	r = fd_read_file_at(AT_FDCWD, path, TABLE_MAX, &theirs, NULL);
	if (r == 0)
		r = fd_read_file_at(AT_FDCWD, "/proc/self/mountinfo", TABLE_MAX, &ours, NULL);
	if (r < 0)
		return err_code(err, r, "read the mount table of container '%s'", container_id(c));
	return criu_mounts_find(theirs, ours, c->spec, v2, same_file, &same, arena, ret, err);
}

/* The network and pid namespaces of others are theirs, as for every runtime; the rest is made anew. */
static void add_namespaces(const struct container *c, struct helper_words *w)
{
	static const struct {
		enum spec_ns_type type;
		const char *key;
	} kept[] = { { SPEC_NS_NETWORK, CRIU_NET }, { SPEC_NS_PID, CRIU_PID } };
	struct stat st;
	char path[64];

	for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
		const struct spec_namespace *ns = spec_namespace_find(c->spec, kept[i].type);
		const char *name = namespace_name_proc(kept[i].type);

		snprintf(path, sizeof(path), "/proc/%d/ns/%s", c->init.pid, name);
		if (ns && !str_empty(ns->path) && stat(path, &st) == 0)
			helper_words_add(w, "external", "%s[%lu]:%s", name,
				(unsigned long)st.st_ino, kept[i].key);
	}
}

/* The one by which we pause: criu must find there whether its processes stand still already. */
static void add_freezer(struct container *c, struct helper_words *w)
{
	struct cgroup_dir *d = c->cgroup ? cgroup_v2_dir(c->cgroup) : NULL;

	if (!d && c->cgroup)
		d = cgroup_controller_dir(c->cgroup, CGROUP_FREEZER);
	if (d)
		helper_words_add(w, "freeze_cgroup", "%s", d->path);
}

/* ---- the files beside the images ---- */

static int save(const char *images, const char *name, const struct buf *text, struct err *err)
{
	auto_close int dir = fd_open(images, O_RDONLY | O_DIRECTORY, 0);
	int r = dir < 0 ? dir : buf_ok(text);

	if (r == 0)
		r = file_replace_at(dir, name, text->data, text->len, 0600);
	return r < 0 ? err_code(err, r, "write %s to '%s'", name, images) : 0;
}

static int save_streams(const struct container *c, const char *images, struct err *err)
{
	auto_done(buf) struct buf text = { 0 };
	struct json_writer w = { .out = &text };

	json_write_open(&w, '[');
	for (size_t i = 0; i < 3; i++)
		json_write_str(&w,
			i < c->state.record.n_streams ? c->state.record.streams[i] : "/dev/null");
	json_write_close(&w, ']');
	return save(images, CRIU_STREAMS_FILE, &text, err);
}

static int save_mounts(const struct criu_mounts *m, const char *images, struct err *err)
{
	auto_done(buf) struct buf text = { 0 };

	criu_mounts_write(m, &text);
	return save(images, CRIU_MOUNTS_FILE, &text, err);
}

/* ---- the operation ---- */

static void on_done(void *arg, const struct err *e)
{
	struct container *c = arg;

	criu_run_free(c->criu);
	c->criu = NULL;
	if (e && !c->was_paused) /* a criu that was killed leaves it frozen */
		container_thaw(c);
	container_done(c, e);
}

static int fill_order(struct container *c, const struct container_criu *o, struct helper_words *w,
	struct err *err)
{
	struct criu_mounts mounts;
	int r = container_criu_words(o, w, err);

	if (r == 0)
		r = container_criu_empty_ns(o, w, err);
	if (r == 0)
		r = find_mounts(c, &w->arena, &mounts, err);
	if (r < 0)
		return r;
	helper_words_add(w, "do", o->pre_dump ? "pre-dump" : "dump");
	helper_words_add(w, "pid", "%d", c->init.pid);
	helper_words_add(w, "root", "%s", c->state.record.rootfs);
	helper_words_flag(w, "leave_running", o->leave_running || o->pre_dump);
	helper_words_flag(w, "track_mem", o->pre_dump || !str_empty(o->parent));
	for (size_t i = 0; i < mounts.n; i++) {
		helper_words_add(w, "mount", "%s", mounts.v[i].path);
		helper_words_add(w, "from", "%s", mounts.v[i].path);
	}
	add_namespaces(c, w);
	add_freezer(c, w);
	r = save_streams(c, o->images, err);
	return r < 0 ? r : save_mounts(&mounts, o->images, err);
}

int container_checkpoint(struct container *c, const struct container_criu *o,
	const struct container_handler *handler, struct err *err)
{
	auto_done(helper_words) struct helper_words words = { 0 };
	struct criu_run_handler h = { .arg = c, .done = on_done };
	enum container_status s = container_status(c);
	int r;

	if (s != CONTAINER_RUNNING && s != CONTAINER_PAUSED)
		return err_set(err, -ESRCH, "container not running");
	if (str_empty(o->images))
		return err_set(err, -EINVAL, "no directory for the images of the checkpoint");
	if (c->criu)
		return err_set(
			err, -EBUSY, "container '%s' is being checkpointed", container_id(c));
	r = file_mkdirs_at(AT_FDCWD, o->images, 0700);
	if (r < 0)
		return err_code(err, r, "make image directory '%s'", o->images);
	if (!str_empty(o->work))
		r = file_mkdirs_at(AT_FDCWD, o->work, 0700);
	if (r < 0)
		return err_code(err, r, "make work directory '%s'", o->work);
	r = container_need_spec(c, err);
	if (r == 0)
		r = fill_order(c, o, &words, err);
	if (r == 0)
		r = criu_run_start(c->host, &words, &h, &c->criu, err);
	if (r < 0)
		return r;
	c->handler = *handler;
	c->was_paused = s == CONTAINER_PAUSED;
	return 0;
}
