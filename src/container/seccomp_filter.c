/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks of a profile, and the cache of what seccomp_program.c makes of it.
 *
 * The cache is asked by a hash over everything that the outcome depends on: the profile, libseccomp's
 * version (it has the numbers) and our own (FORMAT and the build). Files are taken only from a directory and
 * of an owner that nobody else can write; one whose hash over question and answer is another is compiled anew.
 */
#include "container/seccomp_filter.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "config.h"
#include "container/seccomp_program.h"

#include <linux/seccomp.h>

#define FORMAT 2u
#define MAGIC 0x62736372u /* "rcsb" */
#define FILES_MAX 64
#define BUILD \
	REEVE_VERSION " " REEVE_COMMIT /* another generator, whose outcome nobody has compared */

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5) /* Linux 5.19 */
#endif

void seccomp_filter_done(struct seccomp_filter *f)
{
	if (!f)
		return;
	free(f->program);
	*f = (struct seccomp_filter){ 0 };
}

/* ---- checks ---- */

static bool takes_errno(enum spec_seccomp_action a)
{
	return a == SPEC_ACT_ERRNO || a == SPEC_ACT_TRACE;
}

static int check_errno(const char *field, size_t index, enum spec_seccomp_action action, bool has,
	uint32_t value, struct err *err)
{
	if (!has)
		return 0;
	if (!takes_errno(action))
		return err_set(err, -EINVAL,
			"linux.seccomp.%s: %zu: the action returns no error number", field, index);
	if (value > SECCOMP_RET_DATA)
		return err_set(err, -EINVAL, "linux.seccomp.%s: %zu: %u is too large", field, index,
			value);
	return 0;
}

static int check_action(
	const char *field, size_t index, enum spec_seccomp_action action, struct err *err)
{
	if (action == SPEC_ACT_ABSENT)
		return err_set(err, -EINVAL, "linux.seccomp.%s: %zu: missing", field, index);
	return 0;
}

static int check_args(const struct spec_seccomp_syscall *call, size_t index, struct err *err)
{
	for (size_t i = 0; i < call->n_args; i++)
		if (call->args[i].index > 5 || call->args[i].op == SPEC_CMP_ABSENT)
			return err_set(err, -EINVAL,
				"linux.seccomp.syscalls[%zu].args[%zu]: not a comparison of one of "
				"six arguments",
				index, i);
	return 0;
}

/* The listener has to come out of the process before its agent can answer: by write (bare/exec_main.c). */
static int check_notify(const struct spec_seccomp *s, struct err *err)
{
	if (s->default_action == SPEC_ACT_NOTIFY)
		return err_set(err, -EINVAL,
			"linux.seccomp.defaultAction: SCMP_ACT_NOTIFY would notify the listener of "
			"the calls that set it up");
	for (size_t i = 0; i < s->n_syscalls; i++)
		for (size_t k = 0;
			s->syscalls[i].action == SPEC_ACT_NOTIFY && k < s->syscalls[i].n_names; k++)
			if (str_eq(s->syscalls[i].names[k], "write"))
				return err_set(err, -EINVAL,
					"linux.seccomp.syscalls[%zu]: SCMP_ACT_NOTIFY cannot be "
					"used for the write syscall",
					i);
	return 0;
}

static int check(const struct spec_seccomp *s, struct err *err)
{
	int r = check_action("defaultAction", 0, s->default_action, err);

	if (r == 0)
		r = check_notify(s, err);
	if (r == 0)
		r = check_errno("defaultErrnoRet", 0, s->default_action, s->has_default_errno_ret,
			s->default_errno_ret, err);
	for (size_t i = 0; i < s->n_syscalls && r == 0; i++) {
		const struct spec_seccomp_syscall *call = &s->syscalls[i];

		r = check_action("syscalls.action", i, call->action, err);
		if (r == 0)
			r = check_errno("syscalls.errnoRet", i, call->action, call->has_errno_ret,
				call->errno_ret, err);
		if (r == 0)
			r = check_args(call, i, err);
	}
	return r;
}

int seccomp_check_names(const struct spec_seccomp *s, struct err *err)
{
	for (size_t i = 0; i < s->n_syscalls; i++)
		for (size_t k = 0; k < s->syscalls[i].n_names; k++)
			if (!seccomp_is_call(s->syscalls[i].names[k]))
				return err_set(err, -EINVAL,
					"linux.seccomp.syscalls[%zu].names[%zu]: there is no "
					"system call '%.120s'",
					i, k, s->syscalls[i].names[k]);
	return 0;
}

static int compile(const struct spec_seccomp *s, struct seccomp_filter *ret, struct err *err)
{
	struct seccomp_program p = { 0 };
	int r = seccomp_program_build(s, &p, err);

	if (r < 0)
		return r;
	ret->program = p.insns;
	ret->size = p.n * sizeof(*p.insns);
	return 0;
}

/* ---- the key ---- */

static void hash_number(struct sha256 *h, uint64_t v)
{
	uint8_t data[8];

	for (int i = 0; i < 8; i++)
		data[i] = (uint8_t)(v >> 8 * i);
	sha256_add(h, data, sizeof(data));
}

static void hash_names(struct sha256 *h, const char *const *names, size_t n)
{
	hash_number(h, n);
	for (size_t i = 0; i < n; i++)
		sha256_add(h, names[i], strlen(names[i]) + 1);
}

static void hash_call(struct sha256 *h, const struct spec_seccomp_syscall *call)
{
	hash_number(h, seccomp_return(call->action, call->has_errno_ret ? call->errno_ret : EPERM));
	hash_names(h, (const char *const *)call->names, call->n_names);
	hash_number(h, call->n_args);
	for (size_t i = 0; i < call->n_args; i++) {
		const struct spec_seccomp_arg *a = &call->args[i];

		hash_number(h, (uint64_t)a->index << 32 | (uint64_t)a->op);
		hash_number(h, a->value);
		hash_number(h, a->value_two);
	}
}

/* Every value has a length or a fixed size, so different profiles are different texts. */
static void profile_key(const struct spec_seccomp *s, uint8_t key[SHA256_SIZE])
{
	const struct scmp_version *v = seccomp_version();
	struct sha256 h;

	sha256_init(&h);
	hash_number(&h, FORMAT);
	sha256_add(&h, BUILD, sizeof(BUILD));
	hash_number(&h, v ? (uint64_t)v->major << 32 | v->minor << 16 | v->micro : 0);
	hash_number(&h, seccomp_arch_native());
	hash_number(&h, seccomp_return(s->default_action,
				s->has_default_errno_ret ? s->default_errno_ret : EPERM));
	hash_names(&h, (const char *const *)s->architectures, s->n_architectures);
	hash_number(&h, s->n_syscalls);
	for (size_t i = 0; i < s->n_syscalls; i++)
		hash_call(&h, &s->syscalls[i]);
	sha256_final(&h, key);
}

/* ---- the cache ---- */

void seccomp_cache_init_below(struct seccomp_cache *cache, int parentfd, size_t in_memory)
{
	*cache = (struct seccomp_cache){ .dirfd = -EBADF,
		.parentfd = parentfd,
		.in_memory = in_memory < SECCOMP_CACHE_SLOTS ? in_memory : SECCOMP_CACHE_SLOTS };
}

static int check_dir(int dirfd, struct err *err)
{
	struct stat st;

	if (fstat(dirfd, &st) < 0)
		return err_sys(err, "look at the seccomp cache");
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077))
		return err_set(
			err, -EPERM, "the seccomp cache is not a directory that only we can use");
	return 0;
}

int seccomp_cache_init(struct seccomp_cache *cache, int dirfd, size_t in_memory, struct err *err)
{
	int r = dirfd < 0 ? 0 : check_dir(dirfd, err);

	seccomp_cache_init_below(cache, -EBADF, in_memory);
	if (r == 0 && dirfd >= 0)
		cache->dirfd = dirfd;
	return r;
}

/* For one question; -EBADF: none. */
static int open_below(int parentfd)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
	struct err ignored = { 0 };
	int fd;

	if (parentfd < 0)
		return -EBADF;
	fd = fd_open_at(parentfd, SECCOMP_CACHE_DIR, flags, 0);
	if (fd == -ENOENT && mkdirat(parentfd, SECCOMP_CACHE_DIR, 0700) == 0)
		fd = fd_open_at(parentfd, SECCOMP_CACHE_DIR, flags, 0);
	return fd >= 0 && check_dir(fd, &ignored) < 0 ? fd_close(fd) : fd;
}

void seccomp_cache_done(struct seccomp_cache *cache)
{
	if (!cache)
		return;
	for (size_t i = 0; i < SECCOMP_CACHE_SLOTS; i++)
		free(cache->slot[i].program);
	*cache = (struct seccomp_cache){ .dirfd = -EBADF, .parentfd = -EBADF };
}

static int copy_program(const void *program, size_t size, struct seccomp_filter *ret)
{
	ret->program = malloc(size);
	if (!ret->program)
		return -ENOMEM;
	memcpy(ret->program, program, size);
	ret->size = size;
	return 0;
}

static bool find_in_memory(
	struct seccomp_cache *c, const uint8_t key[SHA256_SIZE], struct seccomp_filter *ret)
{
	for (size_t i = 0; i < c->in_memory; i++) {
		struct seccomp_slot *s = &c->slot[i];

		if (s->program && memcmp(s->key, key, SHA256_SIZE) == 0) {
			s->used = ++c->clock;
			return copy_program(s->program, s->size, ret) == 0;
		}
	}
	return false;
}

static void keep_in_memory(
	struct seccomp_cache *c, const uint8_t key[SHA256_SIZE], const struct seccomp_filter *f)
{
	struct seccomp_slot *oldest = &c->slot[0];
	struct seccomp_filter copy = { 0 };

	for (size_t i = 1; i < c->in_memory; i++)
		if (c->slot[i].used < oldest->used)
			oldest = &c->slot[i];
	if (c->in_memory == 0 || copy_program(f->program, f->size, &copy) < 0)
		return;
	free(oldest->program);
	memcpy(oldest->key, key, SHA256_SIZE);
	oldest->program = copy.program;
	oldest->size = copy.size;
	oldest->used = ++c->clock;
}

struct cache_head {
	uint32_t magic;
	uint32_t format;
	uint32_t size;
	uint32_t pad;
	uint8_t hash[SHA256_SIZE]; /* of the key and the program: nor can it be another profile's */
};

#define NAME_SIZE (SHA256_HEX_SIZE + 4)

static void file_name(const uint8_t key[SHA256_SIZE], char name[NAME_SIZE])
{
	for (int i = 0; i < SHA256_SIZE; i++)
		snprintf(name + 2 * i, NAME_SIZE - 2 * (size_t)i, "%02x", key[i]);
	snprintf(name + 2 * SHA256_SIZE, NAME_SIZE - 2 * SHA256_SIZE, ".bpf");
}

static void seal(
	const uint8_t key[SHA256_SIZE], const void *program, size_t size, uint8_t ret[SHA256_SIZE])
{
	struct sha256 h;

	sha256_init(&h);
	sha256_add(&h, key, SHA256_SIZE);
	sha256_add(&h, program, size);
	sha256_final(&h, ret);
}

static bool is_sound(const uint8_t key[SHA256_SIZE], const struct cache_head *head,
	const void *program, size_t size)
{
	uint8_t hash[SHA256_SIZE];

	seal(key, program, size, hash);
	return head->magic == MAGIC && head->format == FORMAT && head->size == size && size > 0 &&
	       size % sizeof(struct sock_filter) == 0 &&
	       size <= BPF_MAXINSNS * sizeof(struct sock_filter) &&
	       memcmp(head->hash, hash, sizeof(hash)) == 0;
}

static bool find_in_dir(
	int dirfd, const char *name, const uint8_t key[SHA256_SIZE], struct seccomp_filter *ret)
{
	auto_close int fd = fd_open_at(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	const size_t most = sizeof(struct cache_head) + BPF_MAXINSNS * sizeof(struct sock_filter);
	auto_free char *data = NULL;
	struct cache_head head;
	struct stat st;
	size_t size;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
		(st.st_mode & 022) || st.st_size < (off_t)sizeof(head) || st.st_size > (off_t)most)
		return false;
	size = (size_t)st.st_size;
	data = malloc(size);
	if (!data || fd_read_full(fd, data, size) != (ssize_t)size)
		return false;
	memcpy(&head, data, sizeof(head));
	if (!is_sound(key, &head, data + sizeof(head), size - sizeof(head)))
		return false;
	return copy_program(data + sizeof(head), size - sizeof(head), ret) == 0;
}

/* Keep the directory small: the file that was made first goes when there are too many. */
static void make_room(int dirfd)
{
	struct timespec first = { .tv_sec = 0 };
	char name[NAME_SIZE] = "";
	struct dirent *e;
	size_t n = 0;
	DIR *dir;
	int fd = fd_open_at(dirfd, ".", O_RDONLY | O_DIRECTORY, 0);

	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		fd_close(fd);
		return;
	}
	while ((e = readdir(dir))) {
		struct stat st;

		if (!str_ends(e->d_name, ".bpf") || strlen(e->d_name) != NAME_SIZE - 1 ||
			fstatat(dirfd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		n++;
		if (!*name || st.st_mtim.tv_sec < first.tv_sec ||
			(st.st_mtim.tv_sec == first.tv_sec && st.st_mtim.tv_nsec < first.tv_nsec)) {
			memcpy(name, e->d_name, NAME_SIZE);
			first = st.st_mtim;
		}
	}
	closedir(dir);
	if (n >= FILES_MAX)
		unlinkat(dirfd, name, 0);
}

static void keep_in_dir(
	int dirfd, const char *name, const uint8_t key[SHA256_SIZE], const struct seccomp_filter *f)
{
	struct cache_head head = { .magic = MAGIC, .format = FORMAT, .size = (uint32_t)f->size };
	auto_free char *data = malloc(sizeof(head) + f->size);

	if (!data)
		return;
	seal(key, f->program, f->size, head.hash);
	memcpy(data, &head, sizeof(head));
	memcpy(data + sizeof(head), f->program, f->size);
	make_room(dirfd);
	file_save_at(dirfd, name, data, sizeof(head) + f->size, 0600);
}

static int compile_cached(const struct spec_seccomp *s, struct seccomp_cache *c,
	struct seccomp_filter *ret, struct err *err)
{
	auto_close int below = -EBADF;
	uint8_t key[SHA256_SIZE];
	char name[NAME_SIZE];
	bool in_dir;
	int dirfd, r;

	profile_key(s, key);
	if (find_in_memory(c, key, ret))
		return 0;
	if (c->dirfd < 0)
		below = open_below(c->parentfd);
	dirfd = c->dirfd < 0 ? below : c->dirfd;
	file_name(key, name);
	in_dir = dirfd >= 0 && find_in_dir(dirfd, name, key, ret);
	r = in_dir ? 0 : compile(s, ret, err);
	if (r < 0)
		return r;
	keep_in_memory(c, key, ret);
	if (!in_dir && dirfd >= 0)
		keep_in_dir(dirfd, name, key, ret);
	return 0;
}

/* ---- the whole ---- */

static bool allows_everything(const struct spec_seccomp *s)
{
	if (s->default_action != SPEC_ACT_ALLOW)
		return false;
	for (size_t i = 0; i < s->n_syscalls; i++)
		if (s->syscalls[i].action != SPEC_ACT_ALLOW && s->syscalls[i].n_names > 0)
			return false;
	return true;
}

static bool notifies(const struct spec_seccomp *s)
{
	for (size_t i = 0; i < s->n_syscalls; i++)
		if (s->syscalls[i].action == SPEC_ACT_NOTIFY && s->syscalls[i].n_names > 0)
			return true;
	return false;
}

/* TSYNC is for processes with threads, WAIT_KILLABLE_RECV for filters with a listener. */
static uint64_t flags_of(const struct spec_seccomp *s)
{
	uint64_t flags = s->has_flags ? s->flags & ~(uint64_t)SECCOMP_FILTER_FLAG_TSYNC
				      : SECCOMP_FILTER_FLAG_SPEC_ALLOW;

	if (notifies(s))
		return flags | SECCOMP_FILTER_FLAG_NEW_LISTENER;
	return flags & ~(uint64_t)SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
}

int seccomp_compile(const struct spec_seccomp *profile, struct seccomp_cache *cache,
	struct seccomp_filter *ret, struct err *err)
{
	struct seccomp_filter f = { .flags = flags_of(profile) };
	int r = check(profile, err);

	if (r == 0 && !allows_everything(profile))
		r = cache ? compile_cached(profile, cache, &f, err) : compile(profile, &f, err);
	if (r < 0)
		return r;
	*ret = f;
	return 0;
}
