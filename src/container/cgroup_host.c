/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cgroup layout of the machine.
 *
 * A machine with cgroup2 at /sys/fs/cgroup is taken as pure v2 after two system calls: reading a
 * mount table of thousands of lines costs more than the rest of a start. (A v1 hierarchy that
 * somebody mounted elsewhere is then not ours to use.) Everywhere else mountinfo decides. A
 * container without a cgroup namespace sees part of a hierarchy mounted; then `root` says which, and
 * paths of /proc/self/cgroup are cut by it.
 */
#include "container/cgroup_host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "container/cgroup_dir.h"

#define STANDARD_MOUNT "/sys/fs/cgroup"
#define COMPONENT_MAX 255
#define RELATIVE_MAX 2048 /* leaves room for mount point and file name in PATH_MAX */

const char *cgroup_mode_name(enum cgroup_mode mode)
{
	static const char *const names[] = { [CGROUP_MODE_NONE] = "none",
		[CGROUP_MODE_V1] = "v1",
		[CGROUP_MODE_HYBRID] = "hybrid",
		[CGROUP_MODE_V2] = "v2" };

	return names[mode];
}

/* ---- mountinfo ---- */

/* The next word; *s is moved behind the blank. NULL at the end. */
static char *word(char **s)
{
	char *start = *s, *end;

	if (!start || !*start)
		return NULL;
	end = strchrnul(start, ' ');
	*s = *end ? end + 1 : end;
	*end = '\0';
	return start;
}

/* "rw,xattr,cpu,cpuacct" -> "cpu,cpuacct", "name=systemd": as /proc/PID/cgroup names it. */
static const char *v1_label(struct cgroup_host *host, const char *options)
{
	struct buf label = { 0 };
	const char *ret;

	while (*options) {
		size_t len = strcspn(options, ",");
		char one[64];

		if (len < sizeof(one)) {
			memcpy(one, options, len);
			one[len] = '\0';
			if (str_starts(one, "name=") || cgroup_controllers_parse(one, "", false) ||
				str_eq(one, "debug"))
				buf_addf(&label, "%s%s", label.len ? "," : "", one);
		}
		options += len;
		options += *options == ',';
	}
	ret = buf_ok(&label) < 0 ? NULL : arena_strdup(&host->arena, label.len ? label.data : "");
	buf_done(&label);
	return ret;
}

/* Of two mounts of one hierarchy the whole one serves, then the one in the usual place. */
static int rank(const struct cgroup_host *host, const struct cgroup_hierarchy *h)
{
	return (str_eq(h->root, "/") ? 2 : 0) +
	       (str_starts(h->mount + strlen(host->prefix), STANDARD_MOUNT) ? 1 : 0);
}

static int add_hierarchy(struct cgroup_host *host, struct cgroup_hierarchy h)
{
	if (!h.mount || !h.root || !h.label)
		return -ENOMEM;
	for (size_t i = 0; i < host->n; i++) {
		if (host->h[i].v2 != h.v2 || !str_eq(host->h[i].label, h.label))
			continue;
		if (rank(host, &h) > rank(host, &host->h[i]))
			host->h[i] = h;
		return 0;
	}
	if (host->n < CGROUP_HIERARCHIES_MAX)
		host->h[host->n++] = h;
	return 0;
}

/* ID PARENT MAJ:MIN ROOT MOUNT OPTIONS [TAG...] - TYPE SOURCE SUPEROPTIONS */
static int read_mount(struct cgroup_host *host, char *line)
{
	char *root = NULL, *mount = NULL, *type, *w;
	struct cgroup_hierarchy h = { 0 };

	for (int i = 0; (w = word(&line)) && !str_eq(w, "-"); i++) {
		if (i == 3)
			root = w;
		else if (i == 4)
			mount = w;
	}
	type = word(&line);
	if (!mount || !type || (!str_eq(type, "cgroup") && !str_eq(type, "cgroup2")))
		return 0;
	str_unescape_octal(root);
	str_unescape_octal(mount);
	word(&line); /* the source says nothing */
	h.v2 = str_eq(type, "cgroup2");
	h.root = arena_strdup(&host->arena, root);
	h.mount = arena_printf(&host->arena, "%s%s", host->prefix, mount);
	h.label = h.v2 ? "" : v1_label(host, line);
	if (h.label && !h.v2) {
		if (!*h.label) /* neither name nor known controller: nothing for us */
			return 0;
		h.controllers = cgroup_controllers_parse(h.label, ",", false);
	}
	return add_hierarchy(host, h);
}

/* Streamed: a node may have a hundred thousand mounts. Over-long lines are none of ours. */
int cgroup_host_read_mounts(struct cgroup_host *host, int fd)
{
	char data[16384];
	size_t len = 0;
	bool skip = false;

	for (;;) {
		ssize_t n = fd_read_full(fd, data + len, sizeof(data) - len);
		bool at_end = n >= 0 && (size_t)n < sizeof(data) - len;
		char *line = data, *end;

		if (n < 0)
			return (int)n;
		len += (size_t)n;
		while ((end = memchr(line, '\n', len - (size_t)(line - data)))) {
			int r = 0;

			*end = '\0';
			if (!skip)
				r = read_mount(host, line);
			if (r < 0)
				return r;
			skip = false;
			line = end + 1;
		}
		if (at_end)
			return 0;
		len -= (size_t)(line - data);
		memmove(data, line, len);
		if (len == sizeof(data)) {
			skip = true;
			len = 0;
		}
	}
}

/* Pure v2 with the whole hierarchy (inode 1 is its root, never that of a namespace) in its place. */
static bool is_plain_v2(const char *prefix)
{
	struct statfs fs;
	struct stat st;

	return !*prefix && statfs(STANDARD_MOUNT, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC &&
	       stat(STANDARD_MOUNT, &st) == 0 && st.st_ino == 1;
}

static void set_mode(struct cgroup_host *host)
{
	const struct cgroup_hierarchy *v2 = NULL;

	for (size_t i = 0; i < host->n; i++)
		if (host->h[i].v2)
			v2 = &host->h[i];
	if (host->n == 0) {
		host->mode = CGROUP_MODE_NONE;
	} else if (v2 &&
		   (host->n == 1 || str_eq(v2->mount + strlen(host->prefix), STANDARD_MOUNT))) {
		host->mode = CGROUP_MODE_V2;
		host->h[0] = *v2;
		host->n = 1;
	} else {
		host->mode = v2 ? CGROUP_MODE_HYBRID : CGROUP_MODE_V1;
	}
}

int cgroup_host_read(const char *prefix, struct cgroup_host *ret, struct err *err)
{
	auto_close int fd = -EBADF;

	return cgroup_host_read_open(prefix, ret, &fd, err);
}

int cgroup_host_read_open(const char *prefix, struct cgroup_host *ret, int *ret_fd, struct err *err)
{
	struct cgroup_host host = { .fake = *prefix != '\0' };
	auto_close int fd = -EBADF;
	char path[512];
	int r;

	host.prefix = arena_strdup(&host.arena, prefix);
	if (!host.prefix)
		return err_oom(err);
	if (is_plain_v2(prefix)) {
		host.mode = CGROUP_MODE_V2;
		host.whole_v2 = true;
		host.h[host.n++] = (struct cgroup_hierarchy){
			.mount = STANDARD_MOUNT, .root = "/", .label = "", .v2 = true
		};
		*ret = host;
		return 0;
	}
	if ((size_t)snprintf(path, sizeof(path), "%s/proc/self/mountinfo", prefix) >= sizeof(path))
		r = -ENAMETOOLONG;
	else
		r = fd = fd_open(path, O_RDONLY, 0);
	if (r >= 0)
		r = cgroup_host_read_mounts(&host, fd);
	if (r < 0) {
		cgroup_host_done(&host);
		return err_code(err, r, "read the mounts of cgroups");
	}
	set_mode(&host);
	*ret = host;
	*ret_fd = take_fd(&fd);
	return 0;
}

void cgroup_host_done(struct cgroup_host *host)
{
	if (!host)
		return;
	arena_done(&host->arena);
	*host = (struct cgroup_host){ 0 };
}

/* ---- paths ---- */

int cgroup_self_path(
	const char *proc_cgroup, const char *label, struct arena *arena, const char **ret)
{
	size_t len = strlen(label);

	/* NUMBER:LABEL:PATH */
	for (const char *line = proc_cgroup; *line;) {
		const char *end = strchrnul(line, '\n');
		const char *colon = strchr(line, ':');

		if (colon && colon < end && strncmp(colon + 1, label, len) == 0 &&
			colon[1 + len] == ':' && colon[2 + len] == '/') {
			*ret = arena_strndup(
				arena, colon + 2 + len, (size_t)(end - (colon + 2 + len)));
			return *ret ? 0 : -ENOMEM;
		}
		line = *end ? end + 1 : end;
	}
	return -ENOENT;
}

/* Append the components of `path`, cleaned and checked. */
static int append_components(struct buf *out, const char *path)
{
	for (path += strspn(path, "/"); *path; path += strspn(path, "/")) {
		size_t len = strcspn(path, "/");

		if (len == 2 && memcmp(path, "..", 2) == 0)
			return -EINVAL;
		if (len > COMPONENT_MAX)
			return -ENAMETOOLONG;
		for (size_t i = 0; i < len; i++)
			if ((unsigned char)path[i] < 0x20 || path[i] == 0x7f)
				return -EINVAL;
		if (len != 1 || *path != '.') {
			if (out->len)
				buf_addc(out, '/');
			buf_add(out, path, len);
		}
		path += len;
	}
	return out->len > RELATIVE_MAX ? -ENAMETOOLONG : buf_ok(out);
}

int cgroup_path_clean(const char *path, struct arena *arena, const char **ret)
{
	auto_done(buf) struct buf out = { 0 };
	int r = append_components(&out, path);

	if (r < 0)
		return r;
	*ret = arena_strdup(arena, out.len ? out.data : "");
	return *ret ? 0 : -ENOMEM;
}

int cgroup_host_self(const char *prefix, char **ret, struct err *err)
{
	return cgroup_host_self_spend(NULL, prefix, ret, err);
}

int cgroup_host_self_spend(struct fd_spent *spent, const char *prefix, char **ret, struct err *err)
{
	char path[512], text[8192];
	ssize_t n = -1;
	int fd, r;

	snprintf(path, sizeof(path), "%s/proc/self/cgroup", prefix);
	fd = fd_open(path, O_RDONLY, 0);
	if (fd >= 0)
		n = read(fd, text, sizeof(text) - 1);
	fd_spend(spent, fd);
	/* The kernel gives all of it at once, as far as it fits. */
	if (n > 0 && (size_t)n < sizeof(text) - 1) {
		*ret = strndup(text, (size_t)n);
		return *ret ? 0 : err_oom(err);
	}
	r = fd_read_file_at(AT_FDCWD, path, 1u << 20, ret, NULL);
	return r < 0 ? err_code(err, r, "read '%s'", path) : 0;
}

/* The cgroup of this process below the mount point of `h`, "" for the mount point itself. */
static int own_path(
	const struct cgroup_hierarchy *h, const char *self, struct arena *arena, const char **ret)
{
	size_t root = str_eq(h->root, "/") ? 0 : strlen(h->root);
	const char *own;
	int r = cgroup_self_path(self, h->label, arena, &own);

	if (r < 0)
		return r;
	if (strncmp(own, h->root, root) == 0 && (own[root] == '/' || own[root] == '\0'))
		*ret = own + root;
	else
		*ret = ""; /* we live outside of what is mounted */
	return 0;
}

static const char *parent_of(const char *path, struct arena *arena)
{
	const char *slash = strrchr(path, '/');

	return slash ? arena_strndup(arena, path, (size_t)(slash - path)) : "";
}

int cgroup_host_resolve(const struct cgroup_host *host, size_t index, const char *path,
	const char *self, struct arena *arena, const char **ret, struct err *err)
{
	const struct cgroup_hierarchy *h = &host->h[index];
	auto_done(buf) struct buf out = { 0 };
	const char *base = "";
	int r = 0;

	if (*path != '/') {
		r = own_path(h, self, arena, &base);
		if (r < 0)
			return err_code(err, r, "find the own cgroup of hierarchy '%s'",
				h->v2 ? "unified" : h->label);
		if (host->mode == CGROUP_MODE_V2)
			base = parent_of(base, arena);
		if (!base)
			return err_oom(err);
		r = append_components(&out, base);
	}
	if (r == 0) {
		size_t before = out.len;

		r = append_components(&out, path);
		if (r == 0 && out.len == before)
			return err_set(err, -EINVAL,
				"linux.cgroupsPath: '%s' is the root of the hierarchy", path);
	}
	if (r == -ENOMEM)
		return err_oom(err);
	if (r < 0)
		return err_set(err, r, "linux.cgroupsPath: '%s' %s", path,
			r == -EINVAL ? "has '..' or control characters" : "is too long");
	*ret = arena_strndup(arena, out.data, out.len);
	return *ret ? 0 : err_oom(err);
}
