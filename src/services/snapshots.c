/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What surprises: a directory is made before its record is on the disk and removed after its record
 * is gone, so a crash leaves only directories too many; snapshots_sweep() takes those away. Numbers
 * grow for ever: one that was given back could meet a mount that is still there.
 */
#include "services/snapshots.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "base/tree.h"
#include "services/chore.h"

#define CHAIN_MAX 500 /* what overlayfs takes */
#define NUMBER_KEY "snapshot.number"
#define TARGET "containerd.io/snapshot.ref"
#define FILES_AT_ONCE 1000 /* that are looked at while others wait */

typedef Pb__Image__SnapshotRecord record;

/* A snapshotter: where its directories are, and whether each is only what is different from the one below. */
struct kind {
	const char *name, *place;
	bool overlay;
};

// clang-format off
static const struct kind kinds[] = {
	{ "overlayfs", "io.containerd.snapshotter.v1.overlayfs/snapshots", true },
	{ "native",    "io.containerd.snapshotter.v1.native/snapshots",    false },
};
// clang-format on

static const struct kind *kind_named(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (str_eq(kinds[i].name, name))
			return &kinds[i];
	return NULL;
}

static const struct kind *kind_of(const record *s)
{
	const struct kind *k = kind_named(s->snapshotter);

	return k ? k : &kinds[0]; /* of a store from before there were two */
}

const char *snapshots_snapshotter(const record *s)
{
	return kind_of(s)->name;
}

int snapshots_check_name(struct core_call *c, const char *snapshotter)
{
	if (!*snapshotter)
		return err_set(c->err, -EINVAL, "snapshotter argument missing");
	if (!kind_named(snapshotter))
		return err_set(c->err, -EINVAL, "snapshotter not loaded: %.100s", snapshotter);
	return 0;
}

const char *snapshots_store_key(struct core_call *c, const char *snapshotter, const char *key)
{
	const char *full = arena_printf(c->arena, "%s/%s", snapshotter, key);

	return full ? full : "";
}

int snapshots_load(struct core_call *c, const char *snapshotter, const char *key, record **ret)
{
	ProtobufCMessage *m = NULL;
	int r = core_load(c, STORE_SNAPSHOT, c->ns, snapshots_store_key(c, snapshotter, key),
		&pb__image__snapshot_record__descriptor, &m);

	*ret = (record *)(void *)m;
	if (r == 0 && !(*ret)->info)
		return err_set(c->err, -EUCLEAN, "the record of snapshot '%.200s' is empty", key);
	return r == -ENOENT ? err_set(c->err, r, "snapshot %.200s does not exist", key) : r;
}

/* ---- directories ---- */

static int open_dir(struct core_call *c, const struct kind *k, int *ret)
{
	int r = file_mkdirs_at(c->core->root, k->place, 0700);

	if (r < 0 && r != -EEXIST)
		return err_code(c->err, r, "make directory '%s'", k->place);
	*ret = fd_open_at(c->core->root, k->place, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	return *ret < 0 ? err_code(c->err, *ret, "open directory '%s'", k->place) : 0;
}

static const char *dir_path(struct core_call *c, const record *s, const char *below)
{
	return arena_printf(c->arena, "%s/%s/%llu%s", c->core->root_path, kind_of(s)->place,
		(unsigned long long)s->number, below);
}

/* Where its files are. */
static const char *layer_path(struct core_call *c, const record *s)
{
	return dir_path(c, s, kind_of(s)->overlay ? "/fs" : "");
}

static bool is_filled(const struct core *core, uint64_t number)
{
	for (const struct core_copy *copy = core->copies; copy; copy = copy->next)
		if (copy->number == number)
			return true;
	return false;
}

static int next_number(struct core_call *c, uint64_t *ret)
{
	struct store_item item;
	char text[24];
	int r = store_get(c->core->store, STORE_SETTING, "", NUMBER_KEY, c->arena, &item, c->err);

	*ret = 1;
	if (r == 0) {
		snprintf(text, sizeof(text), "%.*s", (int)item.size, (const char *)item.data);
		if (str_to_u64(text, UINT64_MAX - 1, ret) < 0)
			return err_set(c->err, -EUCLEAN, "the number of snapshots is unreadable");
		++*ret;
	} else if (r != -ENOENT) {
		return r;
	}
	while (is_filled(c->core, *ret)) /* by a call whose number could not be kept */
		++*ret;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)*ret);
	return store_put(c->core->store, STORE_SETTING, "", NUMBER_KEY, text, strlen(text), c->err);
}

/* A layer has the owner of the one below it: a remapped root stays one. */
static int like_parent(struct core_call *c, int dir, const char *fs, const record *parent)
{
	auto_free char *below = NULL;
	struct stat st;

	if (!parent)
		return 0;
	if (asprintf(&below, "%llu/fs", (unsigned long long)parent->number) < 0)
		return err_oom(c->err);
	if (fstatat(dir, below, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(c->err, "failed to stat parent");
	if (fchownat(dir, fs, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(c->err, "failed to chown");
	return 0;
}

static int make_layer(
	struct core_call *c, int dir, const char *name, const record *s, const record *parent)
{
	char fs[32], work[32];

	snprintf(fs, sizeof(fs), "%s/fs", name);
	snprintf(work, sizeof(work), "%s/work", name);
	if (mkdirat(dir, name, 0700) < 0 || mkdirat(dir, fs, 0755) < 0 ||
		(s->info->kind == SNAPSHOT_ACTIVE && mkdirat(dir, work, 0711) < 0))
		return err_sys(c->err, "make the directory of a snapshot");
	return like_parent(c, dir, fs, parent);
}

static int make_dir(struct core_call *c, const record *s, const record *parent)
{
	auto_close int dir = -EBADF;
	char name[24];
	int r = open_dir(c, kind_of(s), &dir);

	if (r < 0)
		return r;
	snprintf(name, sizeof(name), "%llu", (unsigned long long)s->number);
	/* Of a transaction that did not come to its end. */
	r = file_remove_tree_at(dir, name);
	if (r < 0)
		return err_code(c->err, r, "remove directory '%s'", name);
	if (kind_of(s)->overlay)
		r = make_layer(c, dir, name, s, parent);
	else if (mkdirat(dir, name, 0755) < 0)
		r = err_sys(c->err, "make the directory of a snapshot");
	if (r < 0)
		(void)file_remove_tree_at(dir, name);
	return r;
}

/* ---- making ---- */

static int load_parent(struct core_call *c, const Pb__Image__PrepareRequest *in, record **ret)
{
	int r;

	*ret = NULL;
	if (!*in->parent)
		return 0;
	r = snapshots_load(c, in->snapshotter, in->parent, ret);
	if (r == -ENOENT)
		return err_set(c->err, r, "parent snapshot %.200s does not exist", in->parent);
	if (r == 0 && (*ret)->info->kind != SNAPSHOT_COMMITTED)
		return err_set(c->err, -EINVAL,
			"failed to create snapshot: parent %s is not committed snapshot",
			core_quote(c, in->parent));
	return r;
}

static int new_record(struct core_call *c, const Pb__Image__PrepareRequest *in,
	enum snapshot_kind kind, record **ret)
{
	record *s = arena_calloc(c->arena, 1, sizeof(*s));
	Pb__Image__SnapshotInfo *info = arena_calloc(c->arena, 1, sizeof(*info));
	struct labels labels = { in->labels, in->n_labels };

	if (!s || !info || labels_clean(&labels, c->arena) < 0)
		return err_oom(c->err);
	pb__image__snapshot_record__init(s);
	pb__image__snapshot_info__init(info);
	info->name = in->key;
	info->parent = in->parent;
	info->kind = kind;
	info->created_at = info->updated_at = core_now(c);
	info->labels = labels.pairs;
	info->n_labels = labels.n;
	s->info = info;
	s->snapshotter = in->snapshotter;
	*ret = s;
	return labels_check(&labels, "info.Labels", c->err);
}

/* All but its number and its directory. */
static int begin(struct core_call *c, const Pb__Image__PrepareRequest *in, enum snapshot_kind kind,
	record **ret, record **ret_parent)
{
	const char *target = labels_get(&(struct labels){ in->labels, in->n_labels }, TARGET);
	record *old;
	int r;

	if (!*in->key)
		return err_set(c->err, -EINVAL, "snapshot key must not be empty");
	/* Who unpacks a layer says under which name it is to be committed: when it is there, nothing is to be done. */
	if (!str_empty(target) && snapshots_load(c, in->snapshotter, target, &old) == 0)
		return err_set(c->err, -EEXIST, "target snapshot %s", core_quote(c, target));
	r = snapshots_load(c, in->snapshotter, in->key, &old);
	if (r == 0)
		return err_set(c->err, -EEXIST, "snapshot %s", core_quote(c, in->key));
	if (r != -ENOENT)
		return r;
	r = load_parent(c, in, ret_parent);
	return r == 0 ? new_record(c, in, kind, ret) : r;
}

int snapshots_make(struct core_call *c, const Pb__Image__PrepareRequest *in,
	enum snapshot_kind kind, record **ret, record **ret_source)
{
	record *s = NULL, *parent = NULL;
	int r = begin(c, in, kind, &s, &parent);

	if (r < 0 || !s)
		return r;
	r = core_touch_namespace(c);
	if (r == 0)
		r = next_number(c, &s->number);
	if (r == 0)
		r = make_dir(c, s, parent);
	if (r < 0)
		return r;
	*ret = s;
	/* A view is its parent's own directory. */
	*ret_source = kind_of(s)->overlay || kind == SNAPSHOT_VIEW ? NULL : parent;
	return 0;
}

int snapshots_made(struct core_call *c, const Pb__Image__PrepareRequest *in,
	enum snapshot_kind kind, uint64_t number, uint64_t source, record **ret)
{
	record *s = NULL, *parent = NULL;
	int r = begin(c, in, kind, &s, &parent);

	if (r < 0 || !s)
		return r;
	if (!parent || parent->number != source)
		return err_set(
			c->err, -ENOENT, "parent snapshot %.200s does not exist", in->parent);
	s->number = number;
	*ret = s;
	return 0;
}

int snapshots_save(struct core_call *c, const Pb__Image__PrepareRequest *in, const record *s)
{
	return core_save(c, STORE_SNAPSHOT, c->ns, snapshots_store_key(c, in->snapshotter, in->key),
		&s->base);
}

/* ---- mounts ---- */

static Pb__Mount *mount_new(struct core_call *c, const char *type, const char *source, size_t n)
{
	Pb__Mount *m = arena_calloc(c->arena, 1, sizeof(*m));

	if (!m)
		return NULL;
	pb__mount__init(m);
	m->type = (char *)type;
	m->source = (char *)source;
	m->options = arena_calloc(c->arena, n, sizeof(char *));
	return m->options && source ? m : NULL;
}

static Pb__Mount *bind_mount(struct core_call *c, const record *s, bool writable)
{
	Pb__Mount *m = mount_new(c, "bind", layer_path(c, s), 2);
	size_t overlay = kind_of(s)->overlay;

	if (!m)
		return NULL;
	/* In the order in which containerd has them. */
	m->options[!overlay] = (char *)(writable ? "rw" : "ro");
	m->options[overlay] = (char *)"rbind";
	m->n_options = 2;
	return m;
}

static Pb__Mount *overlay_mount(
	struct core_call *c, const record *s, record *const *below, size_t n)
{
	Pb__Mount *m = mount_new(c, "overlay", "overlay", 4);
	auto_done(buf) struct buf lower = { 0 };

	if (!m)
		return NULL;
	if (access("/sys/module/overlay/parameters/index", F_OK) == 0)
		m->options[m->n_options++] = (char *)"index=off";
	if (s->info->kind == SNAPSHOT_ACTIVE) {
		m->options[m->n_options++] =
			arena_printf(c->arena, "workdir=%s", dir_path(c, s, "/work"));
		m->options[m->n_options++] =
			arena_printf(c->arena, "upperdir=%s", layer_path(c, s));
	}
	for (size_t i = 0; i < n; i++)
		buf_addf(&lower, "%s%s", i ? ":" : "lowerdir=", layer_path(c, below[i]));
	if (buf_ok(&lower) < 0)
		return NULL;
	m->options[m->n_options++] = arena_strdup(c->arena, lower.data);
	for (size_t i = 0; i < m->n_options; i++)
		if (!m->options[i])
			return NULL;
	return m;
}

static int chain(struct core_call *c, const char *snapshotter, const record *s, record **below,
	size_t *ret_n)
{
	size_t n = 0;

	while (*s->info->parent) {
		record *parent;
		int r = snapshots_load(c, snapshotter, s->info->parent, &parent);

		if (r < 0)
			return r;
		if (n == CHAIN_MAX)
			return err_set(c->err, -E2BIG, "more than %d snapshots above each other",
				CHAIN_MAX);
		below[n++] = parent;
		s = parent;
	}
	*ret_n = n;
	return 0;
}

int snapshots_mounts(struct core_call *c, const char *snapshotter, const record *s,
	Pb__Image__MountsAnswer **ret)
{
	Pb__Image__MountsAnswer *m = arena_calloc(c->arena, 1, sizeof(*m));
	record **below = arena_calloc(c->arena, CHAIN_MAX, sizeof(record *));
	bool active = s->info->kind == SNAPSHOT_ACTIVE;
	Pb__Mount *one;
	size_t n = 0;
	int r;

	if (!m || !below)
		return err_oom(c->err);
	if (s->info->kind == SNAPSHOT_COMMITTED)
		return err_set(c->err, -EBUSY,
			"failed to get %s mount: requested snapshot %.200s not active or view",
			kind_of(s)->overlay ? "active" : "snapshot", s->info->name);
	r = chain(c, snapshotter, s, below, &n);
	if (r < 0)
		return r;
	if (n == 0 || (active && !kind_of(s)->overlay))
		one = bind_mount(c, s, active);
	else if (!active && (n == 1 || !kind_of(s)->overlay))
		one = bind_mount(c, below[0], false);
	else
		one = overlay_mount(c, s, below, n);
	pb__image__mounts_answer__init(m);
	m->mounts = arena_calloc(c->arena, 1, sizeof(Pb__Mount *));
	if (!one || !m->mounts)
		return err_oom(c->err);
	m->mounts[m->n_mounts++] = one;
	*ret = m;
	return 0;
}

/* ---- measuring and removing ---- */

int snapshots_open(struct core_call *c, const record *s, int *ret, struct err *err)
{
	const char *path = layer_path(c, s);
	int fd = path ? fd_open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0) : -ENOMEM;

	if (fd < 0)
		return err_code(err, fd, "open the directory of a snapshot");
	*ret = fd;
	return 0;
}

int snapshots_usage(struct core_call *c, const record *s, int64_t *ret_size, int64_t *ret_inodes)
{
	auto_close int fd = -EBADF;
	int r = snapshots_open(c, s, &fd, c->err);

	if (r == 0)
		r = tree_usage(fd, FILES_AT_ONCE, ret_size, ret_inodes);
	return r < 0 && r != -E2BIG ? err_code(c->err, r, "measure a snapshot") : r;
}

struct child_search {
	const char *prefix, *parent;
};

static int is_child(void *arg, const struct store_item *item)
{
	auto_done(arena) struct arena arena = { 0 };
	const struct child_search *s = arg;
	const ProtobufCMessage *m = NULL;
	const record *r;

	if (!str_starts(item->key, s->prefix) || !item->data)
		return 0;
	if (message_decode(&pb__image__snapshot_record__descriptor, item->data, item->size, &arena,
		    &m, NULL) < 0)
		return 0;
	r = (const void *)m;
	return r->info && str_eq(r->info->parent, s->parent);
}

int snapshots_has_child(struct core_call *c, const char *snapshotter, const char *key)
{
	struct child_search s = { snapshots_store_key(c, snapshotter, ""), key };

	return store_each(c->core->store, STORE_SNAPSHOT, c->ns, is_child, &s, c->err);
}

/* A few files are removed here, many by a helper. What stays, for it is mounted somewhere, say, is tried again by the sweep
 * of the next start. */
static void remove_dir(struct core_call *c, const record *s)
{
	auto_done(helper_words) struct helper_words words = { 0 };
	struct err err = { 0 };
	int64_t size, inodes;
	char name[24];
	int dir, r = open_dir(c, kind_of(s), &dir);

	if (r < 0)
		return;
	snprintf(name, sizeof(name), "%llu", (unsigned long long)s->number);
	r = snapshots_usage(c, s, &size, &inodes);
	if (r == -E2BIG) {
		helper_words_fd(&words, "in", dir);
		helper_words_add(&words, "remove", "%s", name);
		r = chore_start(
			c->core, "big trees are removed by", "disk", &words, NULL, NULL, &err);
	} else {
		r = file_remove_tree_at(dir, name);
		fd_close(dir);
	}
	if (r < 0 && c->core->log)
		log_write(c->core->log, LOG_WARN_,
			"the directory %s of a snapshot stays until the next start", name);
}

void snapshots_forget(struct core_call *c, const record *s)
{
	struct err err = { 0 };
	struct core_call call = { .core = c->core, .ns = c->ns, .arena = c->arena, .err = &err };

	remove_dir(&call, s);
}

int snapshots_drop(struct core_call *c, const char *store_key)
{
	ProtobufCMessage *m;
	const record *s;
	int r = core_load(
		c, STORE_SNAPSHOT, c->ns, store_key, &pb__image__snapshot_record__descriptor, &m);

	if (r < 0)
		return r;
	s = (const void *)m;
	r = store_delete(c->core->store, STORE_SNAPSHOT, c->ns, store_key, c->err);
	if (r < 0)
		return r;
	remove_dir(c, s);
	return 0;
}

/* ---- leftovers ---- */

struct known {
	uint64_t *numbers;
	size_t n, cap;
};

static int know(void *arg, const struct store_item *item)
{
	auto_done(arena) struct arena arena = { 0 };
	struct known *k = arg;
	const ProtobufCMessage *m = NULL;

	/* One whose record is damaged may still be wanted by a person. */
	if (!item->data || message_decode(&pb__image__snapshot_record__descriptor, item->data,
				   item->size, &arena, &m, NULL) < 0)
		return -EUCLEAN;
	if (mem_grow(&k->numbers, &k->cap, k->n + 1, sizeof(*k->numbers)) < 0)
		return -ENOMEM;
	k->numbers[k->n++] = ((const record *)(const void *)m)->number;
	return 0;
}

static bool is_known(const struct core *core, const struct known *k, uint64_t number)
{
	if (is_filled(core, number))
		return true;
	for (size_t i = 0; i < k->n; i++)
		if (k->numbers[i] == number)
			return true;
	return false;
}

static int sweep(struct core_call *c, const struct kind *k, const struct known *known)
{
	auto_close int dir = -EBADF;
	DIR *list;
	struct dirent *e;
	uint64_t number;
	int r = open_dir(c, k, &dir);

	list = r == 0 ? fdopendir(fd_open_at(dir, ".", O_RDONLY | O_DIRECTORY, 0)) : NULL;
	while (list && (e = readdir(list)))
		if (str_to_u64(e->d_name, UINT64_MAX, &number) == 0 &&
			!is_known(c->core, known, number))
			(void)file_remove_tree_at(dir, e->d_name);
	if (list)
		closedir(list);
	return r;
}

int snapshots_sweep(struct core_call *c)
{
	struct known known = { 0 };
	int r = store_each(c->core->store, STORE_SNAPSHOT, NULL, know, &known, c->err);

	for (size_t i = 0; i < ARRAY_LEN(kinds) && r == 0; i++)
		r = sweep(c, &kinds[i], &known);
	free(known.numbers);
	return r;
}
