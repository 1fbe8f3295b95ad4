/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The document is rewritten as a tree: every member that is not meant stays as it was, also those that we do not know.
 * It is done in the bundle and not on the way to the runtime, so that it holds for every runtime below us and for every
 * reader of the bundle.
 *
 * What surprises: containerd names namespaces by the pid that it was told, and takes the word of the container for
 * which of them it wants. A container that asks for the pid namespace of a sandbox that has none would get the one that
 * the pid happens to be in, which is the host's.
 */
#include "shim/sandbox_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/json_read.h"
#include "base/json_write.h"
#include "base/path.h"
#include "base/str.h"

#define SANDBOX_ANNOTATION "io.kubernetes.cri.sandbox-id"
#define ETC_MAX_BYTES (1u << 20)
#define SHM_OPTIONS "mode=1777,size=67108864" /* as containerd's own sandboxes */

static const struct json_limits limits = {
	.bytes = 4u << 20,
	.nodes = 100000,
	.string = 1u << 20,
	.depth = 64,
};

/* What is in the bundle, and where a container sees it. */
static const struct shared {
	const char *name;
	const char *destination;
	const char *host; /* the host's own */
} shared[] = {
	{ "hostname", "/etc/hostname", "/etc/hostname" },
	{ "hosts", "/etc/hosts", "/etc/hosts" },
	{ "resolv.conf", "/etc/resolv.conf", "/etc/resolv.conf" },
};

#define SHM_NAME "shm"
#define SHM_DESTINATION "/dev/shm"

/* ---- making ---- */

static int write_file(int dir, const char *name, const char *text, size_t size, struct err *err)
{
	int r = file_replace_at(dir, name, text, size, 0644);

	return r < 0 ? err_code(err, r, "write '%s' of the sandbox", name) : 0;
}

static int copy_file(int dir, const struct shared *s, struct err *err)
{
	auto_free char *text = NULL;
	size_t size = 0;
	int r = fd_read_file_at(AT_FDCWD, s->host, ETC_MAX_BYTES, &text, &size);

	/* A host without it has nothing to say there. */
	if (r < 0 && r != -ENOENT)
		return err_code(err, r, "read '%s'", s->host);
	return write_file(dir, s->name, text ? text : "", size, err);
}

static int make_hostname(int dir, const struct sandbox_spec *spec, struct err *err)
{
	char host[80] = "", text[84];

	if (str_empty(spec->hostname) && gethostname(host, sizeof(host) - 1) < 0)
		return err_sys(err, "read the host name");
	snprintf(text, sizeof(text), "%s\n", str_empty(spec->hostname) ? host : spec->hostname);
	return write_file(dir, "hostname", text, strlen(text), err);
}

static int make_shm(const char *bundle, int dir, struct err *err)
{
	auto_free char *path = path_join(bundle, SHM_NAME);

	if (!path)
		return err_oom(err);
	if (mkdirat(dir, SHM_NAME, 0700) < 0 && errno != EEXIST)
		return err_sys(err, "make '%s' of the sandbox", SHM_NAME);
	if (mount("shm", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, SHM_OPTIONS) < 0)
		return err_sys(err, "mount '%s' of the sandbox", SHM_NAME);
	return 0;
}

int sandbox_files_make(const char *bundle, const struct sandbox_spec *spec, struct err *err)
{
	auto_close int dir = fd_open(bundle, O_RDONLY | O_DIRECTORY, 0);
	int r;

	if (dir < 0)
		return err_code(err, dir, "open bundle '%s'", bundle);
	r = make_hostname(dir, spec, err);
	if (r == 0)
		r = copy_file(dir, &shared[1], err);
	if (r == 0 && spec->resolv_conf)
		r = write_file(
			dir, "resolv.conf", spec->resolv_conf, strlen(spec->resolv_conf), err);
	else if (r == 0)
		r = copy_file(dir, &shared[2], err);
	if (r == 0 && spec->ipc == SANDBOX_OWN)
		r = make_shm(bundle, dir, err);
	return r;
}

int sandbox_files_remove(const char *bundle, struct err *err)
{
	auto_close int dir = fd_open(bundle, O_RDONLY | O_DIRECTORY, 0);
	auto_free char *path = path_join(bundle, SHM_NAME);

	if (dir == -ENOENT)
		return 0;
	if (dir < 0)
		return err_code(err, dir, "open bundle '%s'", bundle);
	if (!path)
		return err_oom(err);
	/* Containers may still have it; what they mounted is their own. */
	if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL && errno != ENOENT)
		return err_sys(err, "unmount '%s'", path);
	unlinkat(dir, SHM_NAME, AT_REMOVEDIR);
	(void)file_remove_tree_at(dir, SANDBOX_MEMBERS_NAME);
	for (size_t i = 0; i < ARRAY_LEN(shared); i++)
		unlinkat(dir, shared[i].name, 0);
	return 0;
}

/* ---- joining ---- */

static const char *text_of(const struct json_node *object, const char *key)
{
	const struct json_node *n =
		object && object->kind == JSON_READ_OBJECT ? json_read_get(object, key) : NULL;

	return n && n->kind == JSON_READ_STRING ? n->text : "";
}

static bool is_member(const struct json_node *doc, const struct sandbox_member *m)
{
	return str_eq(text_of(json_read_get(doc, "annotations"), SANDBOX_ANNOTATION), m->id);
}

static int check_namespaces(
	const struct json_node *doc, const struct sandbox_member *m, struct err *err)
{
	const struct json_node *l = json_read_get(doc, "linux");
	const struct json_node *list =
		l && l->kind == JSON_READ_OBJECT ? json_read_get(l, "namespaces") : NULL;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/pid", m->pid);
	for (const struct json_node *n = list ? list->first : NULL; n; n = n->next)
		if (!m->shares_pid && str_eq(text_of(n, "path"), path))
			return err_set(
				err, -EPERM, "sandbox '%s' has no pid namespace to share", m->id);
	return 0;
}

static const struct json_node *find_mount(const struct json_node *mounts, const char *destination)
{
	for (const struct json_node *n = mounts ? mounts->first : NULL; n; n = n->next)
		if (str_eq(text_of(n, "destination"), destination))
			return n;
	return NULL;
}

static void write_bind(struct json_writer *w, const struct sandbox_member *m, const char *name,
	const char *destination, bool readonly)
{
	auto_free char *source = path_join(m->bundle, name);

	if (!source) {
		w->out->failed = true;
		return;
	}
	json_write_open(w, '{');
	json_write_member_str(w, "destination", destination);
	json_write_member_str(w, "type", "bind");
	json_write_member_str(w, "source", source);
	json_write_key(w, "options");
	json_write_open(w, '[');
	json_write_str(w, "rbind");
	json_write_str(w, "rprivate");
	json_write_str(w, readonly ? "ro" : "rw");
	json_write_close(w, ']');
	json_write_close(w, '}');
}

/* The one that each container gets by default; a bind mount is the client's word. */
static bool is_default_shm(const struct json_node *n)
{
	return str_eq(text_of(n, "destination"), SHM_DESTINATION) &&
	       str_eq(text_of(n, "type"), "tmpfs");
}

static bool has_shm(const struct sandbox_member *m)
{
	auto_free char *path = path_join(m->bundle, SHM_NAME);

	return path && access(path, F_OK) == 0;
}

static void write_mounts(struct json_writer *w, const struct json_node *doc,
	const struct json_node *mounts, const struct sandbox_member *m)
{
	const struct json_node *root = json_read_get(doc, "root");
	const struct json_node *ro =
		root && root->kind == JSON_READ_OBJECT ? json_read_get(root, "readonly") : NULL;
	bool readonly = ro && ro->kind == JSON_READ_BOOL && ro->truth, shm = has_shm(m);

	json_write_open(w, '[');
	for (const struct json_node *n = mounts ? mounts->first : NULL; n; n = n->next) {
		if (shm && is_default_shm(n))
			write_bind(w, m, SHM_NAME, SHM_DESTINATION, false);
		else
			json_write_node(w, n);
	}
	for (size_t i = 0; i < ARRAY_LEN(shared); i++)
		if (!find_mount(mounts, shared[i].destination))
			write_bind(w, m, shared[i].name, shared[i].destination, readonly);
	json_write_close(w, ']');
}

static void write_document(
	struct buf *out, const struct json_node *doc, const struct sandbox_member *m)
{
	const struct json_node *mounts = json_read_get(doc, "mounts");
	struct json_writer w = { .out = out };

	json_write_open(&w, '{');
	for (const struct json_node *n = doc->first; n; n = n->next) {
		if (str_eq(n->key, "mounts"))
			continue;
		json_write_key(&w, n->key);
		json_write_node(&w, n);
	}
	json_write_key(&w, "mounts");
	write_mounts(&w, doc, mounts, m);
	json_write_close(&w, '}');
}

/* Those whose bundle has gone are forgotten now: the list is as long as the pod has containers. */
static void forget_gone(int members)
{
	int copy = fcntl(members, F_DUPFD_CLOEXEC, 3);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;

	if (!d) {
		fd_close(copy);
		return;
	}
	rewinddir(d);
	while ((e = readdir(d)))
		if (e->d_name[0] != '.' && faccessat(members, e->d_name, F_OK, 0) < 0)
			unlinkat(members, e->d_name, 0);
	closedir(d);
}

static int note_member(const char *bundle, const struct sandbox_member *m, struct err *err)
{
	auto_free char *path = path_join(m->bundle, SANDBOX_MEMBERS_NAME);
	auto_close int members = -EBADF;

	if (!path)
		return err_oom(err);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_sys(err, "make '%s'", path);
	members = fd_open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (members < 0)
		return err_code(err, members, "open '%s'", path);
	forget_gone(members);
	if (symlinkat(bundle, members, path_basename(bundle)) < 0 && errno != EEXIST)
		return err_sys(err, "note a member of sandbox '%s'", m->id);
	return 0;
}

static int join(int dir, const struct sandbox_member *m, bool *ret, struct err *err)
{
	auto_done(arena) struct arena tree = { 0 };
	auto_done(buf) struct buf out = { 0 };
	auto_free char *text = NULL;
	const struct json_node *mounts;
	struct json_node *doc;
	size_t size;
	int r = fd_read_regular_at(dir, "config.json", limits.bytes, &text, &size);

	if (r < 0)
		return err_code(err, r, "read config.json of the bundle");
	/* Most of those who are no member do not mention it. */
	if (!strstr(text, m->id))
		return 0;
	r = json_read(&tree, text, size, &limits, &doc, err);
	if (r < 0) {
		err_in(err, "config.json");
		return r;
	}
	if (doc->kind != JSON_READ_OBJECT || !is_member(doc, m))
		return 0;
	mounts = json_read_get(doc, "mounts");
	if (mounts && mounts->kind != JSON_READ_ARRAY)
		return err_set(err, -EINVAL, "config.json: 'mounts' is %s",
			json_read_kind_name(mounts->kind));
	r = check_namespaces(doc, m, err);
	if (r < 0)
		return r;
	write_document(&out, doc, m);
	r = buf_ok(&out);
	if (r == 0)
		r = file_replace_at(dir, "config.json", out.data, out.len, 0644);
	if (r < 0)
		return err_code(err, r, "write config.json of the bundle");
	*ret = true;
	return 0;
}

int sandbox_files_join(
	const char *bundle, const struct sandbox_member *m, bool *ret, struct err *err)
{
	auto_close int dir = fd_open(bundle, O_RDONLY | O_DIRECTORY, 0);
	bool member = false;
	int r;

	if (dir < 0)
		return err_code(err, dir, "open bundle '%s'", bundle);
	r = join(dir, m, &member, err);
	if (r == 0 && member)
		r = note_member(bundle, m, err);
	if (r == 0)
		*ret = member;
	return r;
}
