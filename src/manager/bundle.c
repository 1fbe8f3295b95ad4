/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Modes do not depend on the umask: every directory that is made gets its mode once more.
 *
 * What surprises: the work directory is made, and a stale one of before a reboot removed, while the bundle still has
 * its hidden name. That a bundle of this name exists is therefore looked at before, which is enough because the lock
 * keeps other managers away.
 */
#include "manager/bundle.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/json_read.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "container/rootfs_mount.h"
#include "manager/identifier.h"

#define LOCK_NAME ".reeved.lock"
#define PARENT_MODE 0711
#define SPEC_NAME "config.json"
#define CHECKPOINT_NAME "checkpoint"

/* ---- the store ---- */

static int open_store_dir(const char *base, char **ret_path, int *ret_fd, struct err *err)
{
	auto_free char *path = path_join(base, BUNDLE_PLUGIN);
	int r;

	if (!path)
		return err_oom(err);
	if (*base != '/')
		return err_set(err, -EINVAL, "directory '%s' is not absolute", base);
	r = file_mkdirs_at(AT_FDCWD, path, PARENT_MODE);
	if (r == 0 && chmod(path, PARENT_MODE) < 0)
		r = -errno;
	if (r < 0)
		return err_code(err, r, "make '%s'", path);
	*ret_fd = fd_open(path, O_RDONLY | O_DIRECTORY, 0);
	if (*ret_fd < 0)
		return err_code(err, *ret_fd, "open '%s'", path);
	*ret_path = take_ptr(path);
	return 0;
}

static int lock_store(struct bundle_store *s, struct err *err)
{
	int r;

	s->lock = fd_open_at(s->state_fd, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
	r = s->lock < 0 ? s->lock : file_lock(s->lock, true, false);
	if (r == -EWOULDBLOCK)
		return err_set(err, -EBUSY, "another manager has '%s'", s->state);
	return r < 0 ? err_code(err, r, "lock '%s'", s->state) : 0;
}

int bundle_store_open(
	const char *root, const char *state, struct bundle_store *ret, struct err *err)
{
	struct bundle_store s = BUNDLE_STORE_NULL;
	int r = open_store_dir(root, &s.root, &s.root_fd, err);

	if (r == 0)
		r = open_store_dir(state, &s.state, &s.state_fd, err);
	if (r == 0)
		r = lock_store(&s, err);
	if (r < 0)
		bundle_store_close(&s);
	else
		*ret = s;
	return r;
}

void bundle_store_close(struct bundle_store *s)
{
	if (s->state) {
		fd_close(s->lock);
		fd_close(s->state_fd);
	}
	if (s->root)
		fd_close(s->root_fd);
	free(s->state);
	free(s->root);
	*s = BUNDLE_STORE_NULL;
}

char *bundle_path(const struct bundle_store *s, const char *ns, const char *id)
{
	char *path;

	return asprintf(&path, "%s/%s/%s", s->state, ns, id) < 0 ? NULL : path;
}

char *bundle_checkpoint_path(const struct bundle_store *s, const char *ns, const char *id)
{
	char *path;

	return asprintf(&path, "%s/%s/%s/" CHECKPOINT_NAME, s->root, ns, id) < 0 ? NULL : path;
}

/* ---- directories ---- */

/* 1: it was made now. */
static int make_dir(int parent, const char *name, mode_t mode, int *ret_fd)
{
	int made = 1, fd, r = 0;

	if (mkdirat(parent, name, mode) < 0) {
		if (errno != EEXIST)
			return -errno;
		made = 0;
	}
	fd = fd_open_at(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd < 0)
		r = fd;
	else if (made && fchmod(fd, mode) < 0)
		r = -errno;
	if (r < 0) {
		fd_close(fd);
		if (made)
			unlinkat(parent, name, AT_REMOVEDIR);
		return r;
	}
	if (ret_fd)
		*ret_fd = fd;
	else
		fd_close(fd);
	return made;
}

static int make_new_dir(int parent, const char *name, mode_t mode, int *ret_fd)
{
	int r = make_dir(parent, name, mode, ret_fd);

	if (r == 0 && ret_fd)
		*ret_fd = fd_close(*ret_fd);
	return r == 0 ? -EEXIST : r < 0 ? r : 0;
}

/* ---- the owner ---- */

static const struct json_limits spec_limits = {
	.bytes = 16u << 20, .nodes = 1u << 20, .string = 4u << 20, .depth = 128
};

static const struct json_node *member(const struct json_node *object, const char *key)
{
	return object ? json_read_get(object, key) : NULL;
}

int bundle_root_gid(const void *spec, size_t size, gid_t *ret, struct err *err)
{
	auto_done(arena) struct arena arena = { 0 };
	struct json_node *top = NULL;
	const struct json_node *maps;
	uint64_t inside, outside;
	int r;

	*ret = 0;
	if (!spec)
		return 0;
	r = json_read(&arena, spec, size, &spec_limits, &top, err);
	if (r < 0)
		return err_in(err, SPEC_NAME);
	maps = member(member(top, "linux"), "gidMappings");
	for (const struct json_node *m = maps ? maps->first : NULL; m; m = m->next) {
		const struct json_node *c = member(m, "containerID"), *h = member(m, "hostID");

		if (!h || json_read_u64(h, &outside) < 0 || outside > UINT32_MAX)
			outside = 0;
		if (!c || json_read_u64(c, &inside) < 0 || inside != 0)
			continue; /* Go writes a zero, too */
		*ret = (gid_t)outside;
		break;
	}
	return 0;
}

/* A remapped root must get through to its rootfs. */
static int give_to(int fd, gid_t gid)
{
	if (gid == 0)
		return 0;
	if (fchown(fd, (uid_t)-1, gid) < 0 || fchmod(fd, 0710) < 0)
		return -errno;
	return 0;
}

/* ---- making ---- */

struct making {
	const struct bundle_store *store;
	const struct bundle_request *req;
	gid_t gid;
	int state, root; /* directories of the namespace */
	bool made_state, made_root, made_hidden, made_work;
	char hidden[128];
};

static int write_spec(int bundle, const struct bundle_request *req)
{
	auto_close int fd = -EBADF;

	if (!req->spec)
		return 0;
	fd = fd_open_at(bundle, SPEC_NAME, O_WRONLY | O_CREAT | O_EXCL, 0644);
	if (fd < 0)
		return fd;
	if (fchmod(fd, 0644) < 0)
		return -errno;
	return fd_write_full(fd, req->spec, req->spec_size);
}

static int link_work(const struct making *m, int bundle)
{
	auto_free char *work = NULL;

	if (asprintf(&work, "%s/%s/%s", m->store->root, m->req->ns, m->req->id) < 0)
		return -ENOMEM;
	return symlinkat(work, bundle, "work") < 0 ? -errno : 0;
}

static int fill(struct making *m, int bundle, struct err *err)
{
	const char *step = "'rootfs'";
	int r = make_new_dir(bundle, "rootfs", PARENT_MODE, NULL);

	if (r == 0) {
		step = "'work'";
		r = link_work(m, bundle);
	}
	if (r == 0) {
		step = "'" SPEC_NAME "'";
		r = write_spec(bundle, m->req);
	}
	if (r == 0) {
		step = "its owner";
		r = give_to(bundle, m->gid);
	}
	if (r < 0)
		return err_code(err, r, "make the bundle of '%s': %s", m->req->id, step);
	return intent_save(bundle, &m->req->intent, err);
}

static int make_hidden(struct making *m, struct err *err)
{
	auto_close int bundle = -EBADF;
	uint32_t nonce;
	int r;

	if (getrandom(&nonce, sizeof(nonce), 0) != sizeof(nonce))
		return err_sys(err, "read random bytes");
	snprintf(m->hidden, sizeof(m->hidden), ".%s.new-%08x", m->req->id, nonce);
	r = make_new_dir(m->state, m->hidden, 0700, &bundle);
	if (r < 0)
		return err_code(err, r, "make the bundle of '%s'", m->req->id);
	m->made_hidden = true;
	return fill(m, bundle, err);
}

/* Remove a directory by way of its hidden name: what is half gone must not be found under its own. */
static int remove_hidden(int parent, const char *name, struct err *err)
{
	char hidden[128];
	int r;

	snprintf(hidden, sizeof(hidden), ".%s", name);
	r = file_remove_tree_at(parent, hidden); /* of a removal that a crash has ended */
	if (r == 0 && renameat(parent, name, parent, hidden) < 0)
		r = errno == ENOENT ? 0 : -errno;
	if (r == 0)
		r = file_remove_tree_at(parent, hidden);
	return r < 0 ? err_code(err, r, "remove the directory '%s'", name) : 0;
}

static int make_work(struct making *m, struct err *err)
{
	const char *id = m->req->id;
	auto_close int work = -EBADF;
	int r = remove_hidden(m->root, id, err);

	if (r < 0)
		return r;
	r = make_new_dir(m->root, id, PARENT_MODE, &work);
	if (r < 0)
		return err_code(err, r, "make the work directory of '%s'", id);
	m->made_work = true;
	if (m->req->take_checkpoint &&
		renameat(AT_FDCWD, m->req->take_checkpoint, work, CHECKPOINT_NAME) < 0)
		return err_sys(err, "take the checkpoint of '%s'", id);
	return 0;
}

static int publish(struct making *m, struct err *err)
{
	if (renameat2(m->state, m->hidden, m->state, m->req->id, RENAME_NOREPLACE) < 0)
		return err_sys(err, "publish the bundle of '%s'", m->req->id);
	m->made_hidden = false;
	return 0;
}

static int open_namespaces(struct making *m, struct err *err)
{
	const char *ns = m->req->ns;
	int r = make_dir(m->store->state_fd, ns, PARENT_MODE, &m->state);

	m->made_state = r > 0;
	if (r >= 0) {
		r = make_dir(m->store->root_fd, ns, PARENT_MODE, &m->root);
		m->made_root = r > 0;
	}
	return r < 0 ? err_code(err, r, "make the directories of namespace '%s'", ns) : 0;
}

static int check_free(const struct making *m, struct err *err)
{
	if (faccessat(m->state, m->req->id, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return err_set(
			err, -EEXIST, "bundle '%s/%s': already exists", m->req->ns, m->req->id);
	return errno == ENOENT ? 0 : err_sys(err, "look for the bundle of '%s'", m->req->id);
}

static void undo(struct making *m)
{
	if (m->made_hidden)
		(void)file_remove_tree_at(m->state, m->hidden);
	if (m->made_work)
		(void)file_remove_tree_at(m->root, m->req->id);
	/* as far as they are empty */
	if (m->made_state)
		unlinkat(m->store->state_fd, m->req->ns, AT_REMOVEDIR);
	if (m->made_root)
		unlinkat(m->store->root_fd, m->req->ns, AT_REMOVEDIR);
}

int bundle_check_names(const char *ns, const char *id, struct err *err)
{
	int r = identifier_check(ns ? ns : "", err);

	return r < 0 ? r : identifier_check(id ? id : "", err);
}

int bundle_make(const struct bundle_store *s, const struct bundle_request *req, struct err *err)
{
	struct making m = { .store = s, .req = req, .state = -EBADF, .root = -EBADF };
	int r = bundle_check_names(req->ns, req->id, err);

	if (r == 0)
		r = bundle_root_gid(req->spec, req->spec_size, &m.gid, err);
	if (r == 0)
		r = open_namespaces(&m, err);
	if (r == 0)
		r = check_free(&m, err);
	if (r == 0)
		r = make_hidden(&m, err);
	if (r == 0)
		r = make_work(&m, err);
	if (r == 0)
		r = publish(&m, err);
	if (r < 0)
		undo(&m);
	fd_close(m.state);
	fd_close(m.root);
	return r;
}

/* ---- removing ---- */

static int open_namespace(int parent, const char *ns)
{
	return fd_open_at(parent, ns, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
}

static int open_in(
	int parent, const char *ns, const char *id, const char *what, int *ret_fd, struct err *err)
{
	auto_close int dir = open_namespace(parent, ns);
	int fd = dir < 0 ? dir : fd_open_at(dir, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);

	if (fd < 0)
		return err_code(err, fd, "open the %s '%s/%s'", what, ns, id);
	*ret_fd = fd;
	return 0;
}

int bundle_open(
	const struct bundle_store *s, const char *ns, const char *id, int *ret_fd, struct err *err)
{
	return open_in(s->state_fd, ns, id, "bundle", ret_fd, err);
}

int bundle_open_work(
	const struct bundle_store *s, const char *ns, const char *id, int *ret_fd, struct err *err)
{
	return open_in(s->root_fd, ns, id, "work directory", ret_fd, err);
}

/*
 * What somebody has put there stays, and the bundle with it. Where nothing was mounted on it, a create that failed has
 * left what it would have mounted on: directories and files with nothing in them.
 */
static int clear_rootfs(
	const struct bundle_store *s, int state, const char *ns, const char *id, struct err *err)
{
	auto_close int bundle = fd_open_at(state, id, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
	auto_free char *path = NULL;
	int r;

	if (asprintf(&path, "%s/%s/%s/rootfs", s->state, ns, id) < 0)
		return err_oom(err);
	r = rootfs_unmount(path, err);
	if (r < 0 || bundle == -ENOENT)
		return r;
	r = bundle < 0 ? bundle : file_remove_empty_at(bundle, "rootfs");
	return r < 0 ? err_code(err, r, "remove '%s'", path) : 0;
}

int bundle_remove(const struct bundle_store *s, const char *ns, const char *id, struct err *err)
{
	auto_close int state = open_namespace(s->state_fd, ns);
	auto_close int root = open_namespace(s->root_fd, ns);
	struct err second = { 0 };
	int r = bundle_check_names(ns, id, err);

	if (r < 0)
		return r;
	if (state < 0 && state != -ENOENT)
		return err_code(err, state, "open namespace '%s'", ns);
	if (state >= 0) {
		r = clear_rootfs(s, state, ns, id, err);
		if (r < 0)
			return r;
		r = remove_hidden(state, id, err);
	}
	/* tried in any case: a bundle that will not go must not keep what lies on the disk */
	if (root >= 0 && remove_hidden(root, id, r < 0 ? &second : err) < 0 && r == 0)
		r = err->code;
	return r;
}

/* ---- finding ---- */

typedef void name_fn(void *arg, int dir, const struct dirent *e);

static int each_name(int parent, const char *name, name_fn *fn, void *arg)
{
	int fd = fd_open_at(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	const struct dirent *e;
	DIR *dir;

	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	if (!dir) {
		fd_close(fd);
		return -ENOMEM;
	}
	while ((e = readdir(dir)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			fn(arg, dirfd(dir), e);
	closedir(dir);
	return 0;
}

/* Some file systems do not say it in the list. */
static bool is_dir(int parent, const struct dirent *e)
{
	struct stat st;

	if (e->d_type != DT_UNKNOWN)
		return e->d_type == DT_DIR;
	return fstatat(parent, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static bool is_name(const char *name)
{
	return identifier_check(name, NULL) == 0;
}

struct finding {
	bundle_fn *fn;
	void *arg;
	const char *ns;
};

static void found_bundle(void *arg, int dir, const struct dirent *e)
{
	const struct finding *f = arg;

	if (is_name(e->d_name) && is_dir(dir, e))
		f->fn(f->arg, f->ns, e->d_name, NULL);
}

static void found_namespace(void *arg, int dir, const struct dirent *e)
{
	struct finding *f = arg;
	const char *name = e->d_name;
	struct err why;
	int r;

	if (!is_name(name) || !is_dir(dir, e))
		return;
	f->ns = name;
	r = each_name(dir, name, found_bundle, f);
	if (r < 0) {
		err_code(&why, r, "read namespace '%s'", name);
		f->fn(f->arg, name, NULL, &why);
	}
}

int bundle_each(const struct bundle_store *s, bundle_fn *fn, void *arg, struct err *err)
{
	struct finding f = { fn, arg, NULL };
	int r = each_name(s->state_fd, ".", found_namespace, &f);

	return r < 0 ? err_code(err, r, "read '%s'", s->state) : 0;
}

/* ---- what a crash has left ---- */

struct sweeping {
	const struct bundle_sweep *sweep;
	const char *ns;
	bool works; /* below ROOT: names that nobody knows go, too */
};

static void sweep_name(void *arg, int dir, const struct dirent *e)
{
	const struct sweeping *s = arg;
	const char *name = e->d_name;
	struct err why;
	int r = 0;

	if (*name == '.')
		r = file_remove_tree_at(dir, name);
	else if (s->works && is_name(name) && !s->sweep->known(s->sweep->arg, s->ns, name))
		r = remove_hidden(dir, name, &why);
	if (r == 0)
		return;
	err_code(&why, r, "remove what is left of '%s/%s'", s->ns, name);
	s->sweep->failed(s->sweep->arg, &why);
}

static void sweep_namespace(void *arg, int dir, const struct dirent *e)
{
	struct sweeping *s = arg;
	const char *name = e->d_name;
	struct err why;
	int r;

	if (!is_name(name) || !is_dir(dir, e))
		return;
	s->ns = name;
	r = each_name(dir, name, sweep_name, s);
	if (r == 0)
		return;
	err_code(&why, r, "read namespace '%s'", name);
	s->sweep->failed(s->sweep->arg, &why);
}

void bundle_sweep(const struct bundle_store *s, const struct bundle_sweep *sweep)
{
	struct sweeping in_state = { sweep, NULL, false }, in_root = { sweep, NULL, true };

	(void)each_name(s->state_fd, ".", sweep_namespace, &in_state);
	(void)each_name(s->root_fd, ".", sweep_namespace, &in_root);
}
