/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What surprises: a blob gets its name only when all of it is on the disk, by a rename, so that what
 * has the name of a digest has its bytes, whenever the machine stops. And the digest goes along with
 * the writing; only who goes on with another process's beginning reads that again, part by part.
 */
#include "services/blobs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"

#define BOX_BYTES (64u << 10)
#define CATCH_UP_BYTES (512u << 10)
#define PLACE "io.containerd.content.v1.content"
#define IMPORT "import-"
#define SWEEPS 10

static int open_dir(int root, const char *path, int *ret, struct err *err)
{
	int r = file_mkdirs_at(root, path, 0700);

	if (r < 0 && r != -EEXIST)
		return err_code(err, r, "make directory '%s'", path);
	*ret = fd_open_at(root, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	return *ret < 0 ? err_code(err, *ret, "open directory '%s'", path) : 0;
}

/* Of a worker that is no more; its helper may still be at work there, until it notices that nothing comes any more. */
static void sweep_imports(int ingest)
{
	DIR *d = fdopendir(fd_open_at(ingest, ".", O_RDONLY | O_DIRECTORY, 0));
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		if (strncmp(e->d_name, IMPORT, strlen(IMPORT)) != 0)
			continue;
		for (int i = 0; i < SWEEPS && file_remove_tree_at(ingest, e->d_name) < 0; i++)
			;
	}
	if (d)
		closedir(d);
}

int blobs_open(int root, struct blobs *ret, struct err *err)
{
	struct blobs b = { -EBADF, -EBADF };
	int r = open_dir(root, PLACE "/blobs/sha256", &b.blobs, err);

	if (r == 0)
		r = open_dir(root, PLACE "/ingest", &b.ingest, err);
	if (r < 0) {
		blobs_close(&b);
		return r;
	}
	sweep_imports(b.ingest);
	*ret = b;
	return 0;
}

void blobs_close(struct blobs *b)
{
	b->blobs = fd_close(b->blobs);
	b->ingest = fd_close(b->ingest);
}

static const char *hex_of(const char *digest)
{
	return digest + strlen("sha256:");
}

int blobs_read(
	const struct blobs *b, const char *digest, int *ret_fd, uint64_t *ret_size, struct err *err)
{
	auto_close int fd = fd_open_at(b->blobs, hex_of(digest), O_RDONLY | O_NOFOLLOW, 0);
	struct stat st;

	if (fd == -ENOENT)
		return err_set(err, fd, "content %s", digest);
	if (fd < 0)
		return err_code(err, fd, "open content %s", digest);
	if (fstat(fd, &st) < 0)
		return err_sys(err, "stat content %s", digest);
	*ret_size = (uint64_t)st.st_size;
	*ret_fd = take_fd(&fd);
	return 0;
}

static int open_sweep(const struct blobs *b, DIR **ret, struct err *err)
{
	int fd = fd_open_at(b->blobs, ".", O_RDONLY | O_DIRECTORY, 0);

	*ret = fd < 0 ? NULL : fdopendir(fd);
	if (*ret)
		return 0;
	if (fd < 0)
		return err_code(err, fd, "read the directory of content");
	fd_close(fd);
	return err_sys(err, "read the directory of content");
}

int blobs_sweep(const struct blobs *b, DIR **at, size_t max,
	bool (*unwanted)(void *arg, const char *digest), void *arg, struct err *err)
{
	char digest[DIGEST_SIZE];
	struct dirent *e = NULL;
	int r = *at ? 0 : open_sweep(b, at, err);

	for (size_t n = 0; r == 0 && n < max; n++) {
		e = readdir(*at);
		if (!e)
			break;
		if (strlen(e->d_name) != SHA256_HEX_SIZE - 1)
			continue;
		snprintf(digest, sizeof(digest), "sha256:%.64s", e->d_name);
		if (unwanted(arg, digest) && unlinkat(b->blobs, e->d_name, 0) < 0 &&
			errno != ENOENT)
			r = err_sys(err, "remove content %s", digest);
	}
	if (*at && (r < 0 || !e)) {
		closedir(*at);
		*at = NULL;
	}
	return r;
}

/* ---- what is being written ---- */

static void name_of(const char *ns, const char *ref, char out[SHA256_HEX_SIZE])
{
	uint8_t sum[SHA256_SIZE];
	struct sha256 h;

	sha256_init(&h);
	sha256_add(&h, ns, strlen(ns) + 1); /* the NUL parts them */
	sha256_add(&h, ref, strlen(ref));
	sha256_final(&h, sum);
	for (size_t i = 0; i < SHA256_SIZE; i++)
		snprintf(out + 2 * i, 3, "%02x", sum[i]);
}

bool ingest_is_behind(const struct ingest *g)
{
	return g->size < g->there;
}

int ingest_catch_up(struct ingest *g, struct err *err)
{
	auto_free char *box = malloc(BOX_BYTES);

	if (!box)
		return err_oom(err);
	for (size_t i = 0; i < CATCH_UP_BYTES / BOX_BYTES; i++) {
		ssize_t n = read(g->fd, box, BOX_BYTES);

		if (n < 0)
			return err_sys(err, "read what was written before");
		if (n == 0) {
			g->there = g->size;
			return 0;
		}
		sha256_add(&g->sum, box, (size_t)n);
		g->size += (uint64_t)n;
	}
	return 0;
}

/* By our clock: the kernel's time of a file is that of its last tick, and a client compares it with his own. */
static void touch(struct ingest *g)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };

	g->updated_ns = clock_wall_ns();
	times[1].tv_sec = (time_t)(g->updated_ns / NS_PER_SEC);
	times[1].tv_nsec = (long)(g->updated_ns % NS_PER_SEC);
	(void)futimens(g->fd, times);
}

int ingest_open(
	const struct blobs *b, const char *ns, const char *ref, struct ingest *ret, struct err *err)
{
	struct ingest g = { .fd = -EBADF };
	struct stat st;

	name_of(ns, ref, g.name);
	sha256_init(&g.sum);
	g.fd = fd_open_at(b->ingest, g.name, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
	if (g.fd < 0)
		return err_code(err, g.fd, "open the file of a reference");
	if (fstat(g.fd, &st) < 0) {
		int r = err_sys(err, "stat the file of a reference");

		ingest_close(&g);
		return r;
	}
	g.there = (uint64_t)st.st_size;
	g.updated_ns = (uint64_t)st.st_mtim.tv_sec * NS_PER_SEC + (uint64_t)st.st_mtim.tv_nsec;
	if (g.there == 0)
		touch(&g);
	*ret = g;
	return 0;
}

int ingest_write(struct ingest *g, const void *data, size_t size, struct err *err)
{
	int r = fd_write_full(g->fd, data, size);

	if (r < 0) {
		/* What of it has got there is not in the sum. */
		if (ftruncate(g->fd, (off_t)g->size) < 0 ||
			lseek(g->fd, (off_t)g->size, SEEK_SET) < 0)
			g->fd = fd_close(g->fd);
		return err_code(err, r, "write content");
	}
	sha256_add(&g->sum, data, size);
	g->size += size;
	touch(g);
	return 0;
}

int ingest_empty(struct ingest *g, struct err *err)
{
	if (ftruncate(g->fd, 0) < 0 || lseek(g->fd, 0, SEEK_SET) < 0)
		return err_sys(err, "truncate content");
	sha256_init(&g->sum);
	g->size = g->there = 0;
	*g->known = '\0';
	touch(g);
	return 0;
}

void ingest_written(struct ingest *g, const char *digest, uint64_t size)
{
	snprintf(g->known, sizeof(g->known), "%s", digest);
	g->size = g->there = size;
	g->synced = true;
}

void ingest_digest(const struct ingest *g, char out[DIGEST_SIZE])
{
	struct sha256 copy = g->sum;
	uint8_t sum[SHA256_SIZE];

	if (*g->known) {
		snprintf(out, DIGEST_SIZE, "%s", g->known);
		return;
	}
	sha256_final(&copy, sum);
	snprintf(out, 8, "sha256:");
	for (size_t i = 0; i < SHA256_SIZE; i++)
		snprintf(out + 7 + 2 * i, 3, "%02x", sum[i]);
}

int ingest_commit(const struct blobs *b, struct ingest *g, struct err *err)
{
	char digest[DIGEST_SIZE];

	ingest_digest(g, digest);
	if (fchmod(g->fd, 0444) < 0)
		return err_sys(err, "finish content %s", digest);
	if (!g->synced && !file_is_volatile(g->fd) && fdatasync(g->fd) < 0)
		return err_sys(err, "write content %s", digest);
	if (renameat(b->ingest, g->name, b->blobs, hex_of(digest)) < 0)
		return err_sys(err, "name content %s", digest);
	if (!file_is_volatile(b->blobs) && fsync(b->blobs) < 0)
		return err_sys(err, "name content %s", digest);
	return 0;
}

void ingest_close(struct ingest *g)
{
	g->fd = fd_close(g->fd);
}

int ingest_remove(const struct blobs *b, const char *ns, const char *ref, struct err *err)
{
	char name[SHA256_HEX_SIZE];

	name_of(ns, ref, name);
	if (unlinkat(b->ingest, name, 0) < 0 && errno != ENOENT)
		return err_sys(err, "remove the file of a reference");
	return 0;
}

int ingest_stat(const struct blobs *b, const char *ns, const char *ref, uint64_t *ret_size,
	uint64_t *ret_wall_ns, struct err *err)
{
	char name[SHA256_HEX_SIZE];
	struct stat st;

	name_of(ns, ref, name);
	if (fstatat(b->ingest, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "stat the file of a reference");
	*ret_size = (uint64_t)st.st_size;
	*ret_wall_ns = (uint64_t)st.st_mtim.tv_sec * NS_PER_SEC + (uint64_t)st.st_mtim.tv_nsec;
	return 0;
}

/* ---- what an archive has ---- */

int blobs_import_make(
	const struct blobs *b, char *ret_name, size_t size, int *ret_dir, struct err *err)
{
	uint64_t random;
	int fd;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return err_sys(err, "read random bytes");
	snprintf(ret_name, size, IMPORT "%016llx", (unsigned long long)random);
	if (mkdirat(b->ingest, ret_name, 0700) < 0) {
		*ret_name = '\0';
		return err_sys(err, "make a directory for an archive");
	}
	fd = fd_open_at(b->ingest, ret_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd < 0)
		return err_code(err, fd, "open the directory of an archive");
	*ret_dir = fd;
	return 0;
}

void blobs_import_remove(const struct blobs *b, const char *name)
{
	if (*name)
		(void)file_remove_tree_at(b->ingest, name);
}

int blobs_adopt(
	const struct blobs *b, int dir, const char *hex, uint64_t *ret_size, struct err *err)
{
	struct stat st;

	if (fstatat(dir, hex, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "stat content sha256:%s", hex);
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, "content sha256:%s is no file", hex);
	if (renameat(dir, hex, b->blobs, hex) < 0)
		return err_sys(err, "name content sha256:%s", hex);
	*ret_size = (uint64_t)st.st_size;
	return 0;
}

int blobs_adopted(const struct blobs *b, struct err *err)
{
	if (!file_is_volatile(b->blobs) && fsync(b->blobs) < 0)
		return err_sys(err, "name content");
	return 0;
}
