/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts of the spec as plan steps. Bind sources are opened on the host side, before anything of the container
 * exists: with all privileges, in the host's own tree, and whatever the container's root then does to its paths.
 * Sources below the path of the container's root are the exception: they mean that root as the mounts before have made
 * it, as with both peers, and are resolved in it, so that no link in there leads to the host's files.
 * Targets are resolved in the container, below its root. Propagation: a detached copy of a shared mount would stay
 * in the host's peer group, so every copy is made a slave (or what the spec asks) while nobody can see it.
 */
#include <errno.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/path.h"
#include "container/annotation.h"
#include "container/compile.h"
#include "container/compile_idmap.h"
#include "oci/mount_option.h"

#define MS_REC_ 16384ull
#define MS_UNBINDABLE_ (1ull << 17)
#define MS_PRIVATE_ (1ull << 18)
#define MS_SLAVE_ (1ull << 19)
#define MS_SHARED_ (1ull << 20)

/* What "/" of the new mount namespace gets, and copies of trees without a word of their own. 0: stay as they are. */
static uint64_t base_propagation(const struct spec *spec)
{
	switch (spec->linux_ ? spec->linux_->rootfs_propagation : SPEC_PROPAGATION_ABSENT) {
	case SPEC_PROPAGATION_SHARED:
	case SPEC_PROPAGATION_RSHARED:
		return 0;
	case SPEC_PROPAGATION_PRIVATE:
	case SPEC_PROPAGATION_RPRIVATE:
		return MS_PRIVATE_;
	default:
		return MS_SLAVE_;
	}
}

/* When nothing is said the root itself hears nothing of the host's, as with both peers. */
static uint64_t root_propagation(const struct spec *spec)
{
	bool said = spec->linux_ && spec->linux_->rootfs_propagation != SPEC_PROPAGATION_ABSENT;

	return said ? base_propagation(spec) : MS_PRIVATE_;
}

static bool is_bind(const struct spec_mount *m, const struct mount_options *o)
{
	return o->bind != MOUNT_OPTION_NO_BIND || str_eq(m->type, "bind");
}

static bool wants_sys_bind(const struct spec *spec, const struct spec_mount *m)
{
	/* sysfs belongs to a network namespace: who does not own it cannot mount a new instance. */
	return str_eq(m->type, "sysfs") && spec_namespace_is_new(spec, SPEC_NS_USER) &&
	       !spec_namespace_is_new(spec, SPEC_NS_NETWORK);
}

static void merge_super_flags(struct plan *p, uint32_t super)
{
	for (uint32_t bit = 1; bit && bit <= super; bit <<= 1)
		if (super & bit)
			plan_str(p, mount_option_super_name(bit));
}

/* The last word decides, as the kernel would after all of them. */
static uint64_t asked_propagation(const struct mount_options *o)
{
	const struct mount_option_propagation *last;

	if (!o->n_propagation)
		return 0;
	last = &o->propagation[o->n_propagation - 1];
	return last->flag | (last->recursive ? MS_REC_ : 0);
}

static const char *host_path(const struct compile_init *in, struct arena *a, const char *source)
{
	return source[0] == '/' ? source : arena_printf(a, "%s/%s", in->bundle, source);
}

/*
 * The flags of a bind are those that were asked for, whatever its source has; without a word all of the source's are kept.
 * Access times are one field of that, kept when nothing is said of them. Recursive words come last. So it is with runc.
 */
static void add_top_flags(struct plan_step *s, const struct mount_options *o)
{
	const uint64_t restrictions = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
				      MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSYMFOLLOW;
	const uint64_t access_times = MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME;
	const struct mount_option_attrs *below = &o->rec_attrs;
	uint64_t clear = restrictions;

	if (!o->flags_given)
		return;
	if ((o->attrs.clear & MOUNT_ATTR__ATIME) || (o->attrs.set & MOUNT_ATTR_NODIRATIME))
		clear |= access_times;
	s->num[0] = (o->attrs.set & ~below->clear) | below->set;
	s->num[1] = (clear | below->clear) & ~(s->num[0] & ~(uint64_t)MOUNT_ATTR__ATIME);
	s->num[1] |= (o->attrs.clear & restrictions & ~s->num[0]) << 32;
}

static struct plan_step *add_tree(struct plan *p, int32_t *slot, const char *path, bool recursive,
	const struct mount_options *o, uint64_t base)
{
	uint64_t asked = o ? asked_propagation(o) : 0;
	struct plan_step *s;

	*slot = plan_slot(p, -1);
	s = plan_add(p, PLAN_TREE);
	s->fd[0] = *slot;
	s->str[0] = plan_str(p, path);
	s->flags = recursive ? PLAN_F_RECURSIVE : 0;
	if (o) {
		s->flags |= o->src_nofollow ? PLAN_F_NOFOLLOW : 0;
		s->flags |= o->copy_symlink ? PLAN_F_COPY_LINK : 0;
		s->num[3] = o->rec_attrs.set << 32 | o->rec_attrs.clear;
		add_top_flags(s, o);
	}
	if (asked & MS_SHARED_)
		s->num[2] = 0;
	else if (asked & (MS_PRIVATE_ | MS_SLAVE_))
		s->num[2] = asked & (MS_PRIVATE_ | MS_SLAVE_);
	else
		s->num[2] = base;
	return s;
}

static int parse_options(
	const struct spec_mount *m, struct arena *a, struct mount_options *o, struct err *err)
{
	int r = mount_option_parse(m->options, m->n_options, a, o, err);

	return r < 0 ? err_in(err, "mount '%s'", m->destination) : 0;
}

static bool is_cgroup(const struct spec_mount *m)
{
	return str_eq(m->type, "cgroup") || str_eq(m->type, "cgroup2");
}

/* The container's own /dev gets the default nodes; one that is the host's must stay as it is. */
static bool dev_is_ours(const struct spec *spec)
{
	bool ours = true;

	for (size_t i = 0; i < spec->n_mounts; i++) {
		const struct spec_mount *m = &spec->mounts[i];
		const char *d = m->destination;

		while (*d == '/')
			d++;
		if (strcmp(d, "dev") != 0 && strcmp(d, "dev/") != 0)
			continue;
		ours = !str_eq(m->type, "bind");
		for (size_t k = 0; k < m->n_options; k++)
			if (str_eq(m->options[k], "bind") || str_eq(m->options[k], "rbind"))
				ours = false;
	}
	return ours;
}

static uint64_t device_mode(const struct spec_device *d)
{
	uint64_t type = d->type == 'b' ? 0060000 : d->type == 'p' ? 0010000 : 0020000;

	return type | (d->has_file_mode ? d->file_mode & 07777 : 0666);
}

/* The rest of `path` behind `dir`, or NULL; doubled slashes count as one. */
static const char *below(const char *path, const char *dir)
{
	for (; *dir; dir++) {
		if (*path++ != *dir)
			return NULL;
		if (*dir == '/')
			path += strspn(path, "/");
	}
	return path;
}

/*
 * /dev/ptmx is a link to the container's own devpts, whoever lists it: --privileged.
 * In a /dev that is the host's, or a volume, no node is made: it would outlive the container.
 */
static bool device_is_wanted(const struct spec_device *d, bool own_dev)
{
	const char *name = below(d->path, "/dev/");

	return !name || (own_dev && !str_eq(name, "ptmx"));
}

/* The host's number of an id of the container; of a namespace that is joined it is not known here. */
static uint32_t id_outside(const struct spec_id_mapping *m, size_t n, uint32_t id)
{
	for (size_t i = 0; i < n; i++)
		if (id >= m[i].container_id && id - m[i].container_id < m[i].size)
			return m[i].host_id + (id - m[i].container_id);
	return 0;
}

/* In a user namespace nobody makes nodes: what the host has no name for is made before. */
static int add_device_nodes(
	const struct compile_init *in, struct plan *p, struct compile_trees *t, struct err *err)
{
	const struct spec_linux *l = in->spec->linux_;
	bool own_dev = dev_is_ours(in->spec);

	if (!l || !l->n_devices || in->rootless || !spec_namespace_find(in->spec, SPEC_NS_USER))
		return 0;
	t->devices = arena_calloc(&t->arena, l->n_devices, sizeof(*t->devices));
	if (!t->devices)
		return err_oom(err);
	for (size_t i = 0; i < l->n_devices; i++) {
		const struct spec_device *d = &l->devices[i];
		struct plan_step *s;

		t->devices[i] = PLAN_SLOT_NONE;
		if (!device_is_wanted(d, own_dev))
			continue;
		t->devices[i] = plan_slot(p, -1);
		s = plan_add(p, PLAN_DEVICE_NODE);
		s->str[0] = plan_str(p, d->path);
		s->num[0] = device_mode(d);
		s->num[1] = (uint64_t)d->major << 32 | (uint64_t)(uint32_t)d->minor;
		s->num[2] = (uint64_t)id_outside(
				    l->uid_mappings, l->n_uid_mappings, d->has_uid ? d->uid : 0)
				    << 32 |
			    id_outside(l->gid_mappings, l->n_gid_mappings, d->has_gid ? d->gid : 0);
		s->fd[0] = t->devices[i];
	}
	return 0;
}

static void add_bind(const struct compile_init *in, struct plan *p, struct compile_trees *t,
	size_t i, const struct mount_options *o)
{
	const struct compile_source *source = &t->sources[i];
	struct plan_step *s =
		add_tree(p, &t->slots[i], source->in_root ? source->in_root : source->path,
			o->bind == MOUNT_OPTION_RBIND, o, base_propagation(in->spec));

	if (source->in_root) {
		s->flags |= PLAN_F_INSIDE;
		s->str[1] = plan_str(p, source->path);
	} else if (spec_namespace_find(in->spec, SPEC_NS_USER)) {
		s->flags |= PLAN_F_LOCKED;
	}
	if (source->userns != PLAN_SLOT_NONE)
		compile_idmap(p, o, t->slots[i], source->userns, source->path);
}

static bool has_dotdot(const char *path)
{
	for (const char *at = path; (at = strstr(at, "..")); at += 2)
		if ((at == path || at[-1] == '/') && (!at[2] || at[2] == '/'))
			return true;
	return false;
}

/*
 * The path of a source in the container's root, NULL when it is not there. A root that is the host's lies below
 * itself; and a tree that maps ids must be made by who rules over the file system, which no user namespace does.
 */
static const char *path_in_root(const struct compile_init *in, const struct spec_mount *m,
	const struct mount_options *o, const char *path)
{
	const char *rest;

	if (!in->rootfs || str_eq(in->rootfs, "/") || o->src_nofollow || o->copy_symlink ||
		!spec_namespace_find(in->spec, SPEC_NS_MOUNT))
		return NULL;
	if (compile_idmap_wanted(m, o) && spec_namespace_find(in->spec, SPEC_NS_USER))
		return NULL;
	rest = below(path, in->rootfs);
	if (!rest || (*rest && *rest != '/') || has_dotdot(rest))
		return NULL;
	return *rest ? rest : "/";
}

static int add_source(const struct compile_init *in, struct plan *p, struct compile_trees *t,
	size_t i, uint64_t base, struct err *err)
{
	struct compile_source *source = &t->sources[i];
	const struct spec_mount *m = &in->spec->mounts[i];
	struct mount_options o;
	const char *path;
	int r = parse_options(m, &t->arena, &o, err);

	if (r < 0 || o.remount)
		return r;
	if (is_cgroup(m) && !is_bind(m, &o))
		return 0;
	if (wants_sys_bind(in->spec, m)) {
		o.rec_attrs.set |= MOUNT_ATTR_RDONLY;
		add_tree(p, &t->slots[i], "/sys", true, &o, base);
		return 0;
	}
	if (!is_bind(m, &o))
		return 0;
	if (str_empty(m->source))
		return err_set(
			err, -EINVAL, "mount '%s': a bind mount needs a source", m->destination);
	path = host_path(in, &t->arena, m->source);
	if (!path)
		return err_oom(err);
	source->path = path;
	source->in_root = path_in_root(in, m, &o, path);
	source->userns = PLAN_SLOT_NONE;
	if (compile_idmap_wanted(m, &o))
		r = compile_idmap_userns(in->spec, m, &o, p, t, &source->userns, err);
	if (r == 0 && !source->in_root)
		add_bind(in, p, t, i, &o);
	return r;
}

int compile_mount_sources(
	const struct compile_init *in, struct plan *p, struct compile_trees *t, struct err *err)
{
	size_t n = in->spec->n_mounts;
	int r = 0;

	t->slots = arena_calloc(&t->arena, n + 1, sizeof(int32_t));
	t->late = arena_calloc(&t->arena, n + 1, sizeof(int32_t));
	t->sources = arena_calloc(&t->arena, n + 1, sizeof(*t->sources));
	if (!t->slots || !t->late || !t->sources)
		return err_oom(err);
	for (size_t i = 0; i < n; i++)
		t->slots[i] = t->late[i] = PLAN_SLOT_NONE;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = add_source(in, p, t, i, base_propagation(in->spec), err);
	return r;
}

int compile_mount_trees(
	const struct compile_init *in, struct plan *p, struct compile_trees *t, struct err *err)
{
	int r;

	*t = (struct compile_trees){ .rootfs = PLAN_SLOT_NONE };
	if (spec_namespace_find(in->spec, SPEC_NS_MOUNT))
		add_tree(p, &t->rootfs, in->rootfs, true, NULL, root_propagation(in->spec));
	r = compile_mount_sources(in, p, t, err);
	return r < 0 ? r : add_device_nodes(in, p, t, err);
}

void compile_trees_done(struct compile_trees *t)
{
	arena_done(&t->arena);
}

static bool gid_is_mapped(const struct spec_linux *l, uint64_t gid)
{
	for (size_t i = 0; i < l->n_gid_mappings; i++)
		if (gid >= l->gid_mappings[i].container_id &&
			gid - l->gid_mappings[i].container_id < l->gid_mappings[i].size)
			return true;
	return false;
}

/* devpts refuses a gid that the user namespace does not map; without the option the group is root's. */
static bool drop_option(const struct spec *spec, const struct spec_mount *m, const char *word)
{
	uint64_t gid;

	return str_eq(m->type, "devpts") && str_starts(word, "gid=") &&
	       spec_namespace_find(spec, SPEC_NS_USER) &&
	       str_to_u64(word + 4, UINT32_MAX, &gid) == 0 && !gid_is_mapped(spec->linux_, gid);
}

/* The kernel has mounted the message queues already, without a label, and refuses the option for another mount of them. */
enum label_way { LABEL_NONE, LABEL_OPTION, LABEL_ROOT };

static enum label_way label_by(const struct spec *spec, const struct spec_mount *m)
{
	if (!spec->linux_ || str_empty(spec->linux_->mount_label) || str_eq(m->type, "proc") ||
		str_eq(m->type, "sysfs"))
		return LABEL_NONE;
	return str_eq(m->type, "mqueue") ? LABEL_ROOT : LABEL_OPTION;
}

/* Options for fsconfig, one string each, as a step's blob: what plan_str() adds between these two. */
static size_t begin_options(struct plan *p)
{
	static const char align[8];

	if (p->data.len % 8)
		buf_add(&p->data, align, 8 - p->data.len % 8);
	return p->data.len;
}

static void end_options(const struct plan *p, struct plan_step *s, size_t start)
{
	if (p->data.len == start)
		return;
	s->blob = (uint32_t)start + 1;
	s->blob_len = (uint32_t)(p->data.len - start);
}

static void add_label(struct plan *p, const struct spec *spec)
{
	buf_adds(&p->data, annotation_mount_context(spec));
	buf_adds(&p->data, "=");
	plan_str(p, spec->linux_->mount_label);
}

static void add_fs_options(struct plan *p, struct plan_step *s, const struct spec *spec,
	const struct spec_mount *m, const struct mount_options *o)
{
	size_t start = begin_options(p);

	merge_super_flags(p, o->super);
	for (size_t i = 0; i < o->n_data; i++)
		if (!drop_option(spec, m, o->data[i]))
			plan_str(p, o->data[i]);
	if (label_by(spec, m) == LABEL_OPTION)
		add_label(p, spec);
	end_options(p, s, start);
}

void compile_masks(struct plan *p, const struct spec *spec)
{
	const struct spec_linux *l = spec->linux_;
	struct plan_step fs = { 0 };
	size_t start;

	if (!l || !l->n_masked_paths)
		return;
	fs.str[2] = plan_str(p, "tmpfs");
	start = begin_options(p);
	plan_str(p, "nr_inodes=1");
	plan_str(p, "mode=755");
	if (!str_empty(l->mount_label))
		add_label(p, spec);
	end_options(p, &fs, start);
	for (size_t i = 0; i < l->n_masked_paths; i++) {
		struct plan_step *s = plan_add(p, PLAN_MASK);

		s->str[0] = plan_str(p, l->masked_paths[i]);
		s->str[2] = fs.str[2];
		s->blob = fs.blob;
		s->blob_len = fs.blob_len;
	}
}

static bool has_mode(const struct mount_options *o)
{
	for (size_t i = 0; i < o->n_data; i++)
		if (str_starts(o->data[i], "mode="))
			return true;
	return false;
}

/*
 * A tmpfs is empty: who asks for a read-only one, /dev above all, wants to find in it what is mounted and made there.
 * Both peers write first. The mount itself is remembered, for its path may have another meaning by then.
 */
static int32_t read_only_at_end(struct plan *p, const struct spec_mount *m, struct plan_step *s)
{
	if (!str_eq(m->type, "tmpfs") || !(s->num[0] & MOUNT_ATTR_RDONLY))
		return PLAN_SLOT_NONE;
	s->num[0] &= ~(uint64_t)MOUNT_ATTR_RDONLY;
	s->fd[0] = plan_slot(p, -1);
	return s->fd[0];
}

static int add_fs(struct plan *p, const struct spec *spec, const struct spec_mount *m,
	const struct mount_options *o, int32_t *late, struct err *err)
{
	struct plan_step *s;

	if (str_empty(m->type))
		return err_set(err, -EINVAL, "mount '%s': type is missing", m->destination);
	s = plan_add(p, PLAN_MOUNT_FS);
	s->str[0] = plan_str(p, m->type);
	s->str[1] = plan_str(p, m->destination);
	s->str[2] = plan_str(p, str_empty(m->source) ? m->type : m->source);
	if (label_by(spec, m) == LABEL_ROOT)
		s->str[3] = plan_str(p, spec->linux_->mount_label);
	s->num[0] = (o->attrs.set | o->rec_attrs.set) & ~(uint64_t)MOUNT_ATTR_IDMAP;
	s->num[2] = asked_propagation(o);
	*late = read_only_at_end(p, m, s);
	if (str_eq(m->type, "tmpfs")) {
		if (!has_mode(o))
			s->flags |= PLAN_F_INHERIT_MODE;
		if (o->tmpcopyup)
			s->flags |= PLAN_F_COPY_UP;
	}
	add_fs_options(p, s, spec, m, o);
	return 0;
}

static void add_remount(struct plan *p, const struct spec_mount *m, const struct mount_options *o)
{
	struct plan_step *s = plan_add(p, PLAN_REMOUNT);

	s->str[0] = plan_str(p, m->destination);
	s->num[0] = o->attrs.set | o->rec_attrs.set;
	s->num[1] = o->attrs.clear | o->rec_attrs.clear;
	s->num[2] = asked_propagation(o);
	if (o->rec_attrs.set || o->rec_attrs.clear)
		s->flags = PLAN_F_RECURSIVE;
}

static void add_attach(
	struct plan *p, int32_t slot, const char *destination, const struct mount_options *o)
{
	uint64_t asked = asked_propagation(o);
	struct plan_step *s = plan_add(p, PLAN_MOUNT_TREE);

	s->fd[0] = slot;
	s->str[0] = plan_str(p, destination);
	s->flags |= o->dest_nofollow ? PLAN_F_NOFOLLOW : 0;
	s->flags |= o->copy_symlink ? PLAN_F_COPY_LINK : 0;
	/* private and slave came with the copy */
	s->num[2] = asked & (MS_SHARED_ | MS_UNBINDABLE_) ? asked : 0;
}

static bool read_only_later(const struct compile_init *in, const char *dest)
{
	for (size_t i = 0; i < in->n_cgroup_mounts; i++)
		if (in->cgroup_mounts[i].kind == CGROUP_MOUNT_RDONLY &&
			str_eq(in->cgroup_mounts[i].dest, dest))
			return true;
	return false;
}

static void add_cgroup_fs(const struct compile_init *in, struct plan *p,
	const struct cgroup_mount *row, const char *at, const struct mount_options *o)
{
	struct plan_step *s = plan_add(p, PLAN_MOUNT_FS);

	s->str[0] = plan_str(p, row->source);
	s->str[1] = plan_str(p, at);
	s->str[2] = plan_str(p, row->source);
	s->num[0] = o->attrs.set | o->rec_attrs.set;
	if (read_only_later(in, row->dest)) /* directories and links have to be made in it first */
		s->num[0] &= ~(uint64_t)MOUNT_ATTR_RDONLY;
	if (row->data)
		plan_blob(p, s, row->data, strlen(row->data) + 1);
}

static int add_cgroup(const struct compile_init *in, struct plan *p, const struct spec_mount *m,
	const struct mount_options *o, struct err *err)
{
	struct mount_options attributes = *o;
	struct arena a = { 0 };

	if (in->n_cgroup_mounts == 0) /* the host has none */
		return 0;
	if (in->cgroup_is_hosts) {
		attributes.rec_attrs.set |= MOUNT_ATTR_RDONLY;
		attributes.rec_attrs.clear &= ~(uint64_t)MOUNT_ATTR_RDONLY;
		o = &attributes;
	}
	for (size_t i = 0; i < in->n_cgroup_mounts; i++) {
		const struct cgroup_mount *row = &in->cgroup_mounts[i];
		const char *at = row->dest[0] ? arena_printf(&a, "%s/%s", m->destination, row->dest)
					      : m->destination;
		struct plan_step *s;

		if (!at) {
			arena_done(&a);
			return err_oom(err);
		}
		switch (row->kind) {
		case CGROUP_MOUNT_FS:
			add_cgroup_fs(in, p, row, at, o);
			break;
		case CGROUP_MOUNT_BIND:
			s = plan_add(p, PLAN_BIND_DIR);
			s->str[0] = plan_str(p, at);
			s->str[1] = plan_str(p, row->source);
			break;
		case CGROUP_MOUNT_LINK:
			s = plan_add(p, PLAN_SYMLINK);
			s->str[0] = plan_str(p, row->source);
			s->str[1] = plan_str(p, at);
			break;
		case CGROUP_MOUNT_RDONLY:
			break; /* with all other attributes, below */
		}
	}
	arena_done(&a);
	/* One call for the whole: nobody has seen it yet. */
	add_remount(p, m, o);
	p->steps[p->n_steps - 1].flags = PLAN_F_RECURSIVE;
	p->steps[p->n_steps - 1].num[2] = MS_PRIVATE_ | MS_REC_;
	return 0;
}

static int add_mount(const struct compile_init *in, struct plan *p, struct compile_trees *t,
	size_t i, struct err *err)
{
	const struct spec_mount *m = &in->spec->mounts[i];
	struct mount_options o;
	int r = parse_options(m, &t->arena, &o, err);

	if (r < 0)
		return r;
	if (o.remount) {
		add_remount(p, m, &o);
		return 0;
	}
	if (t->sources[i].in_root)
		add_bind(in, p, t, i, &o);
	if (t->slots[i] != PLAN_SLOT_NONE) {
		add_attach(p, t->slots[i], m->destination, &o);
		return 0;
	}
	if (is_cgroup(m))
		return add_cgroup(in, p, m, &o, err);
	return add_fs(p, in->spec, m, &o, &t->late[i], err);
}

void compile_late_read_only(
	const struct compile_init *in, struct plan *p, const struct compile_trees *t)
{
	for (size_t i = 0; i < in->spec->n_mounts; i++) {
		struct plan_step *s;

		if (t->late[i] == PLAN_SLOT_NONE)
			continue;
		s = plan_add(p, PLAN_REMOUNT);
		s->fd[0] = t->late[i];
		s->str[0] = plan_str(p, in->spec->mounts[i].destination);
		s->num[0] = MOUNT_ATTR_RDONLY;
	}
}

static void add_device(
	struct plan *p, const struct spec *spec, const struct spec_device *d, int32_t made)
{
	struct plan_step *s;

	if (spec_namespace_find(spec, SPEC_NS_USER)) {
		s = plan_add(p, PLAN_DEVICE_BIND);
		s->str[0] = plan_str(p, d->path);
		s->fd[0] = made;
		return;
	}
	s = plan_add(p, PLAN_MKNOD);
	s->str[0] = plan_str(p, d->path);
	s->num[0] = device_mode(d);
	s->num[1] = (uint64_t)d->major << 32 | (uint64_t)(uint32_t)d->minor;
	s->num[2] = (uint64_t)(d->has_uid ? d->uid : 0) << 32 | (d->has_gid ? d->gid : 0);
}

int compile_mount_list(
	const struct compile_init *in, struct plan *p, struct compile_trees *t, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < in->spec->n_mounts; i++)
		r = add_mount(in, p, t, i, err);
	return r;
}

int compile_mounts(const struct compile_init *in, struct plan *p, const struct compile_trees *t,
	struct err *err)
{
	const struct spec *spec = in->spec;
	struct compile_trees *trees = (struct compile_trees *)t;
	const struct spec_linux *l = spec->linux_;
	bool own_dev = dev_is_ours(spec);
	struct plan_step *s;
	int r = compile_mount_list(in, p, trees, err);

	if (r < 0)
		return r;
	/* Before the default ones, which take what is there: of a device that is both, mode and owner are the config's. */
	for (size_t i = 0; l && i < l->n_devices; i++)
		if (device_is_wanted(&l->devices[i], own_dev))
			add_device(p, spec, &l->devices[i],
				t->devices ? t->devices[i] : PLAN_SLOT_NONE);
	if (own_dev) {
		s = plan_add(p, PLAN_DEFAULT_DEVS);
		s->flags = spec_namespace_find(spec, SPEC_NS_USER) ? PLAN_F_BIND : 0;
	}
	return 0;
}
