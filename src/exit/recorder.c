/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exit recorder: the user of its map; and how a process ended, by all layers below the guardian's ring.
 *
 * A process is known in the map by what names it for ever: the inode of its pidfd, or pid and start.
 * Pid numbers are never compared alone, so whoever has the number now is not taken for it.
 *
 * What surprises: a held pidfd tells the exit only once the process was reaped, the map already when it ended; so
 * a zombie is asked of the map first.
 */
#include "exit/recorder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/kernel.h"
#include "base/mem.h"
#include "base/str.h"
#include "exit/recorder_map.h"

#define LOST_STATUS (255 << 8)
#define BATCH 256
#define WHY_SIZE 260
/* Inodes of the first namespaces. */
#define FIRST_PID_NS 0xeffffffcu
#define FIRST_TIME_NS 0xeffffffau

static uint64_t pointer(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

/* ---- opening ---- */

static void set_off(struct exit_recorder *r, const struct err *err)
{
	*r = EXIT_RECORDER_NULL;
	snprintf(r->off, sizeof(r->off), "%.*s", (int)sizeof(r->off) - 1, err->text);
}

void exit_recorder_set_off(struct exit_recorder *r, const char *reason)
{
	exit_recorder_done(r);
	snprintf(r->off, sizeof(r->off), "%s", reason);
}

uint32_t exit_recorder_link_version(const char *name)
{
	uint32_t version;

	return str_starts(name, RECORDER_LINK_PIN) &&
			       str_to_u32(name + strlen(RECORDER_LINK_PIN), &version) == 0
		       ? version
		       : 0;
}

/* A map that nobody writes to tells nothing. */
static int find_program(int at, const char *dir, uint32_t *ret, struct err *err)
{
	int fd = fd_open_at(at, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	uint32_t newest = 0;

	if (!d) {
		err_sys(err, "read '%s'", dir);
		fd_close(fd);
		return err->code;
	}
	while ((e = readdir(d))) {
		uint32_t version = exit_recorder_link_version(e->d_name);

		newest = version > newest ? version : newest;
	}
	closedir(d);
	if (!newest)
		return err_set(err, -ENOENT, "no program is attached in '%s'", dir);
	*ret = newest;
	return 0;
}

static int open_place(const char *dir, int *ret, struct err *err)
{
	auto_close int at = fd_open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	struct statfs fs;

	if (at < 0)
		return err_code(err, at, "open '%s'", dir);
	if (fstatfs(at, &fs) < 0 || (unsigned long)fs.f_type != BPF_FS_MAGIC)
		return err_set(err, -ENOTSUP, "no bpffs is at '%s'", dir);
	*ret = take_fd(&at);
	return 0;
}

static int get_pin(int at, const char *name)
{
	union bpf_attr attr;
	char path[96];

	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", at, name);
	memset(&attr, 0, sizeof(attr));
	attr.pathname = pointer(path);
	return kernel_bpf(BPF_OBJ_GET, &attr, sizeof(attr));
}

static int open_pin(const char *dir, int *ret, uint32_t *ret_program, struct err *err)
{
	auto_close int at = -EBADF;
	int fd = open_place(dir, &at, err);

	if (fd < 0)
		return fd;
	fd = get_pin(at, RECORDER_MAP_PIN);
	if (fd == -ENOENT)
		return err_set(err, fd, "nothing is loaded in '%s'", dir);
	if (fd < 0)
		return err_code(err, fd, "open the map in '%s'", dir);
	*ret = fd;
	return find_program(at, dir, ret_program, err);
}

static int get_info(int fd, void *info, uint32_t size)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.info.bpf_fd = (uint32_t)fd;
	attr.info.info_len = size;
	attr.info.info = pointer(info);
	return kernel_bpf(BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr));
}

static int check_map(int fd, uint32_t *ret_entries, struct err *err)
{
	struct bpf_map_info info = { 0 };
	int r = get_info(fd, &info, sizeof(info));

	if (r < 0)
		return err_code(err, r, "ask for the map's layout");
	if (info.type != BPF_MAP_TYPE_HASH || info.key_size != sizeof(struct recorder_key) ||
		info.value_size != sizeof(struct recorder_value))
		return err_set(err, -EINVAL, "what is pinned is not the exit recorder's map");
	*ret_entries = info.max_entries;
	return 0;
}

static bool is_first(const char *ns, unsigned int inode)
{
	struct stat st;

	/* No such namespace: then there is only the first. */
	return fstatat(AT_FDCWD, ns, &st, 0) < 0 || st.st_ino == inode;
}

/* Before Linux 6.9 the program knows pids and times as the first namespaces show them. */
static int choose_key(bool *ret_by_inode, struct err *err)
{
	auto_done(pidref) struct pidref self = PIDREF_NULL;
	int r = pidref_open(getpid(), &self);

	if (r < 0)
		return err_code(err, r, "open a pidfd");
	*ret_by_inode = self.inode != 0;
	if (self.inode || (is_first("/proc/self/ns/pid", FIRST_PID_NS) &&
				  is_first("/proc/self/ns/time", FIRST_TIME_NS)))
		return 0;
	return err_set(err, -ENOTSUP,
		"before Linux 6.9 it needs the first pid and time namespaces, and this is in "
		"others");
}

void exit_recorder_open(struct exit_recorder *r, const char *dir)
{
	auto_close int fd = -EBADF;
	struct err err = { 0 };
	uint32_t entries = 0, program = 0;
	bool by_inode = false;
	int code = open_pin(dir, &fd, &program, &err);

	if (code == 0)
		code = check_map(fd, &entries, &err);
	if (code == 0)
		code = choose_key(&by_inode, &err);
	if (code < 0) {
		set_off(r, &err);
		return;
	}
	*r = (struct exit_recorder){ .by_inode = by_inode, .entries = entries, .program = program };
	r->map = take_fd(&fd);
}

void exit_recorder_done(struct exit_recorder *r)
{
	if (exit_recorder_is_on(r))
		fd_close(r->map);
	*r = EXIT_RECORDER_NULL;
}

/* A zeroed one has no entries. */
bool exit_recorder_is_on(const struct exit_recorder *r)
{
	return r && r->map >= 0 && r->entries > 0;
}

bool exit_recorder_is_current(const struct exit_recorder *r)
{
	return exit_recorder_is_on(r) && r->program >= RECORDER_PROGRAM_VERSION;
}

/* The program that is attached; an fd or a negative errno. */
static int open_program(int at, uint32_t version)
{
	struct bpf_link_info info = { 0 };
	union bpf_attr attr;
	auto_close int link = -EBADF;
	char name[48];
	int r;

	snprintf(name, sizeof(name), RECORDER_LINK_PIN "%" PRIu32, version);
	link = get_pin(at, name);
	r = link < 0 ? link : get_info(link, &info, sizeof(info));
	if (r < 0)
		return r;
	memset(&attr, 0, sizeof(attr));
	attr.prog_id = info.prog_id;
	return kernel_bpf(BPF_PROG_GET_FD_BY_ID, &attr, sizeof(attr));
}

int exit_recorder_missed(const char *dir, uint64_t *ret, struct err *err)
{
	auto_close int at = -EBADF, program = -EBADF;
	struct bpf_prog_info info = { 0 };
	uint32_t version = 0;
	int r = open_place(dir, &at, err);

	if (r == 0)
		r = find_program(at, dir, &version, err);
	if (r < 0)
		return r;
	program = open_program(at, version);
	r = program < 0 ? program : get_info(program, &info, sizeof(info));
	if (r < 0)
		return err_code(err, r, "ask for the program that is attached in '%s'", dir);
	*ret = info.recursion_misses;
	return 0;
}

/* ---- entries ---- */

/* False: nothing names it but its number. */
static bool key_of(
	const struct exit_recorder *r, const struct pidref *who, struct recorder_key *ret)
{
	*ret = r->by_inode ? (struct recorder_key){ .id = who->inode }
			   : (struct recorder_key){ .id = (uint32_t)who->pid,
				     .start = who->start_time };
	return r->by_inode ? who->inode != 0 : who->pid > 0 && who->start_time != 0;
}

static int on_entry(const struct exit_recorder *r, int cmd, const struct recorder_key *key,
	struct recorder_value *value, uint64_t flags)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_fd = (uint32_t)r->map;
	attr.key = pointer(key);
	attr.value = pointer(value);
	attr.flags = flags;
	return kernel_bpf(cmd, &attr, sizeof(attr));
}

int exit_recorder_arm(
	const struct exit_recorder *r, const struct pidref *who, uint64_t cookie, struct err *err)
{
	struct recorder_value v = { .state = RECORDER_ARMED, .cookie = cookie };
	struct recorder_key key;
	int code;

	if (!exit_recorder_is_on(r))
		return 0;
	if (!key_of(r, who, &key))
		return err_set(err, -EINVAL,
			"arm the exit recorder for process %d: nothing but its number is known",
			who->pid);
	code = on_entry(r, BPF_MAP_UPDATE_ELEM, &key, &v, BPF_NOEXIST);
	if (code == 0 || code == -EEXIST)
		return 0;
	if (code == -E2BIG)
		return err_set(err, code,
			"arm the exit recorder for process %d: its map is full (%u entries)",
			who->pid, r->entries);
	return err_code(err, code, "arm the exit recorder for process %d", who->pid);
}

int exit_recorder_read(
	const struct exit_recorder *r, const struct pidref *who, struct recorder_value *ret)
{
	struct recorder_key key;

	if (!exit_recorder_is_on(r))
		return -ENOTCONN;
	return key_of(r, who, &key) ? on_entry(r, BPF_MAP_LOOKUP_ELEM, &key, ret, 0) : -ENOENT;
}

static int forget(const struct exit_recorder *r, const struct recorder_key *key)
{
	int code = on_entry(r, BPF_MAP_DELETE_ELEM, key, NULL, 0);

	return code == -ENOENT ? 0 : code;
}

int exit_recorder_forget(const struct exit_recorder *r, const struct pidref *who, struct err *err)
{
	struct recorder_key key;
	int code;

	if (!exit_recorder_is_on(r) || !key_of(r, who, &key))
		return 0;
	code = forget(r, &key);
	return code < 0 ? err_code(err, code, "forget process %d in the exit recorder", who->pid)
			: 0;
}

/* ---- all entries ---- */

struct batch {
	struct recorder_key *keys;
	struct recorder_value *values;
	size_t n, cap_keys, cap_values;
	uint32_t cursor;
	bool begun;
};

/* -ENOENT: that was the last part. */
static int read_part(const struct exit_recorder *r, struct batch *b, uint32_t *room)
{
	union bpf_attr attr;
	uint32_t out = 0;
	int code;

	if (mem_grow(&b->keys, &b->cap_keys, b->n + *room, sizeof(*b->keys)) < 0 ||
		mem_grow(&b->values, &b->cap_values, b->n + *room, sizeof(*b->values)) < 0)
		return -ENOMEM;
	memset(&attr, 0, sizeof(attr));
	attr.batch.in_batch = b->begun ? pointer(&b->cursor) : 0;
	attr.batch.out_batch = pointer(&out);
	attr.batch.keys = pointer(b->keys + b->n);
	attr.batch.values = pointer(b->values + b->n);
	attr.batch.count = *room;
	attr.batch.map_fd = (uint32_t)r->map;
	code = kernel_bpf(BPF_MAP_LOOKUP_BATCH, &attr, sizeof(attr));
	if (code == -ENOSPC) { /* one bucket holds more */
		*room *= 2;
		return *room <= 2 * r->entries + BATCH ? 0 : code;
	}
	if (code == 0 || code == -ENOENT) {
		b->n += attr.batch.count;
		b->cursor = out;
		b->begun = true;
	}
	return code;
}

static int read_all(const struct exit_recorder *r, struct batch *b, struct err *err)
{
	uint32_t room = BATCH;
	int code = 0;

	while (exit_recorder_is_on(r) && code == 0)
		code = read_part(r, b, &room);
	return code == 0 || code == -ENOENT ? 0
					    : err_code(err, code, "read the exit recorder's map");
}

static void batch_done(struct batch *b)
{
	free(b->keys);
	free(b->values);
}

static struct exit_recorder_entry entry_of(const struct exit_recorder *r,
	const struct recorder_key *key, const struct recorder_value *v)
{
	struct exit_recorder_entry e = {
		.who = PIDREF_NULL,
		.ended = v->state == RECORDER_ENDED,
		.oom_killed = v->flags & RECORDER_OOM,
		.wait_status = v->wait_status,
		.boot_ns = v->boot_ns,
		.cookie = v->cookie,
	};

	e.who.inode = r->by_inode ? key->id : 0;
	e.who.pid = r->by_inode ? 0 : (pid_t)key->id;
	e.who.start_time = r->by_inode ? 0 : key->start;
	return e;
}

int exit_recorder_list(const struct exit_recorder *r, struct exit_recorder_entry **ret,
	size_t *ret_n, struct err *err)
{
	auto_done(batch) struct batch b = { 0 };
	struct exit_recorder_entry *list;
	int code = read_all(r, &b, err);

	if (code < 0)
		return code;
	list = mem_calloc(b.n + 1, sizeof(*list));
	if (!list)
		return err_oom(err);
	for (size_t i = 0; i < b.n; i++)
		list[i] = entry_of(r, &b.keys[i], &b.values[i]);
	*ret = list;
	*ret_n = b.n;
	return 0;
}

int exit_recorder_sweep(const struct exit_recorder *r,
	bool (*claimed)(void *arg, const struct exit_recorder_entry *e), void *arg, struct err *err)
{
	auto_done(batch) struct batch b = { 0 };
	int code = read_all(r, &b, err);

	for (size_t i = 0; i < b.n && code == 0; i++) {
		struct exit_recorder_entry e = entry_of(r, &b.keys[i], &b.values[i]);

		if (!claimed(arg, &e) && (code = forget(r, &b.keys[i])) < 0)
			err_code(err, code, "forget what nobody claims in the exit recorder");
	}
	return code;
}

void exit_recorder_status(const struct exit_recorder *r, char ret[EXIT_RECORDER_STATUS_SIZE])
{
	auto_done(batch) struct batch b = { 0 };
	struct err err = { 0 };

	if (!exit_recorder_is_on(r))
		snprintf(ret, EXIT_RECORDER_STATUS_SIZE,
			"off: %s; what ends while daemon and guardian are both gone is status 255",
			r && *r->off ? r->off : "it was not opened");
	else if (read_all(r, &b, &err) < 0)
		snprintf(ret, EXIT_RECORDER_STATUS_SIZE, "on (%.300s)", err.text);
	else
		snprintf(ret, EXIT_RECORDER_STATUS_SIZE, "on (%zu armed of %u)", b.n, r->entries);
}

/* ---- how a process ended ---- */

static void fill(struct exit_fate *f, const struct pidref *who, int wait_status, uint64_t boot_ns)
{
	uint64_t now = clock_boot_ns();

	f->info = (struct exit_info){
		.pid = who->pid,
		.inode = who->inode,
		.start_time = who->start_time,
		.wait_status = wait_status,
		.boot_ns = boot_ns ? boot_ns : now,
		.wall_ns = clock_wall_ns(),
	};
	if (boot_ns && boot_ns < now)
		f->info.wall_ns -= now - boot_ns;
}

/* The map's word; why is what it says when it does not know. */
static bool ask_recorder(const struct exit_recorder *r, const struct pidref *who,
	struct exit_fate *f, char why[WHY_SIZE])
{
	struct recorder_value v;
	int code = exit_recorder_read(r, who, &v);

	if (code == 0 && v.state == RECORDER_ENDED) {
		f->kind = EXIT_FATE_ENDED;
		f->layer = EXIT_LAYER_RECORDER;
		f->oom_killed = v.flags & RECORDER_OOM;
		fill(f, who, v.wait_status, v.boot_ns);
		return true;
	}
	if (code == -ENOTCONN)
		snprintf(why, WHY_SIZE, "off: %s", r && *r->off ? r->off : "it was not opened");
	else if (code == 0)
		snprintf(why, WHY_SIZE, "armed for it, and was taken away before it ended");
	else if (code == -ENOENT)
		snprintf(why, WHY_SIZE, "not armed for it");
	else
		snprintf(why, WHY_SIZE, "silent: %s", strerror(-code));
	return false;
}

static bool ask_pidfd(const struct pidref *who, struct exit_fate *f)
{
	struct kernel_pidfd_info info;

	if (kernel_pidfd_info(who->fd, KERNEL_PIDFD_INFO_EXIT, &info) < 0 ||
		!(info.mask & KERNEL_PIDFD_INFO_EXIT))
		return false;
	f->kind = EXIT_FATE_ENDED;
	f->layer = EXIT_LAYER_PIDFD;
	fill(f, who, (int)info.exit_code, 0);
	return true;
}

static void set_lost(struct exit_fate *f, const struct pidref *who, const char *why)
{
	f->kind = EXIT_FATE_LOST;
	fill(f, who, LOST_STATUS, 0);
	snprintf(f->reason, sizeof(f->reason),
		"lost: it ended while nobody looked, and the exit recorder was %s", why);
}

/* Before it was reaped a signal could be sent, if only to nobody. */
static bool is_reaped(const struct pidref *who)
{
	return pidref_kill(who, 0) == -ESRCH;
}

/* The kernel tells nothing of a zombie, but answers if it is one that may tell later. */
static bool will_tell(const struct pidref *who)
{
	struct kernel_pidfd_info info;

	return !is_reaped(who) && kernel_pidfd_info(who->fd, KERNEL_PIDFD_INFO_EXIT, &info) == 0;
}

int exit_fate_of(
	const struct exit_recorder *r, struct pidref *who, struct exit_fate *ret, struct err *err)
{
	struct pidref again;
	char why[WHY_SIZE];
	int code;

	*ret = (struct exit_fate){ 0 };
	if (who->fd < 0) {
		code = pidref_reopen(who->pid, who->inode, who->start_time, &again);
		if (code < 0 && code != -ESRCH)
			return err_code(err, code, "look for process %d", who->pid);
		if (code == 0)
			*who = again;
	}
	if (who->fd >= 0 && !pidref_exited(who)) {
		ret->kind = EXIT_FATE_RUNNING;
		return 0;
	}
	if (who->fd >= 0 && ask_pidfd(who, ret))
		return 0;
	if (ask_recorder(r, who, ret, why))
		return 0;
	if (who->fd >= 0 && will_tell(who))
		ret->kind = EXIT_FATE_ENDING;
	else if (who->fd < 0 || !ask_pidfd(who, ret)) /* reaped just now */
		set_lost(ret, who, why);
	return 0;
}
