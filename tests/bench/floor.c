/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor [--root DIR] run --bundle DIR ID: what the kernel alone takes for one container of the default configuration.
 *
 * It makes the cgroups, namespaces, mounts and limits that this configuration asks for, by the fewest system calls
 * there are for each, runs its /bin/true and takes the cgroups away. What a runtime adds is left out: no configuration
 * is read, nothing is locked, saved or checked, and no hostile image is thought of; the names in ROOTFS are simply
 * believed. `reeve run` is reported as a ratio to this (docs/benchmarks.md).
 *
 * A v1 hierarchy is entered by the process itself, v2 by CLONE_INTO_CGROUP: everything else waits for the kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define CGROUPS "/sys/fs/cgroup"
#define HIERARCHIES_MAX 16
#define PATH 512
#define RO_ALL (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)

struct hierarchy {
	const char *name; /* of its directory; "" for v2 alone */
	char *dir;        /* of the container */
	char *up;         /* where we are */
	int v2;
};

static struct hierarchy list[HIERARCHIES_MAX];
static int n_list;

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
	_exit(1);
}

#define MUST(call) \
	do { \
		if ((call) < 0) \
			die(#call); \
	} while (0)

/* ---- cgroups ---- */

static void add_hierarchy(const char *name, const char *path, int v2, const char *id)
{
	struct hierarchy *h = &list[n_list];

	if (n_list == HIERARCHIES_MAX)
		return;
	h->name = name;
	MUST(asprintf(&h->up, CGROUPS "%s%s%s", *name ? "/" : "", name,
		strcmp(path, "/") == 0 ? "" : path));
	MUST(asprintf(&h->dir, "%s/%s", h->up, id));
	h->v2 = v2;
	n_list++;
}

/* A line is "NUMBER:CONTROLLERS:PATH"; the directories have their usual names. */
static void find_hierarchies(const char *id)
{
	static char text[8192];
	char *rest = text, *line;
	int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);
	int hybrid;

	MUST(n);
	text[n] = '\0';
	hybrid = strncmp(text, "0::", 3) != 0;
	while ((line = strsep(&rest, "\n")) && *line) {
		char *controllers = strchr(line, ':') + 1, *path = strchr(controllers, ':');

		*path++ = '\0';
		if (!*controllers)
			add_hierarchy(hybrid ? "unified" : "", path, 1, id);
		else
			add_hierarchy(strncmp(controllers, "name=", 5) == 0 ? controllers + 5
									    : controllers,
				path, 0, id);
	}
}

static void copy_value(const struct hierarchy *h, const char *file)
{
	char path[PATH + 64], value[256];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", h->up, file);
	MUST(fd = open(path, O_RDONLY | O_CLOEXEC));
	MUST(n = read(fd, value, sizeof(value)));
	snprintf(path, sizeof(path), "%s/%s", h->dir, file);
	MUST(fd = open(path, O_WRONLY | O_CLOEXEC));
	MUST(write(fd, value, (size_t)n));
}

static void permit_devices(const struct hierarchy *h)
{
	static const char rules[][12] = { "b *:* m", "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm",
		"c 1:8 rwm", "c 1:9 rwm", "c 5:0 rwm", "c 5:2 rwm", "c 136:* rwm", "c *:* m" };
	char path[PATH + 64];
	int fd;

	snprintf(path, sizeof(path), "%s/devices.deny", h->dir);
	MUST(fd = open(path, O_WRONLY | O_CLOEXEC));
	MUST(write(fd, "a", 1));
	snprintf(path, sizeof(path), "%s/devices.allow", h->dir);
	MUST(fd = open(path, O_WRONLY | O_CLOEXEC));
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		MUST(write(fd, rules[i], strlen(rules[i])));
}

static void make_cgroups(void)
{
	for (int i = 0; i < n_list; i++) {
		const struct hierarchy *h = &list[i];

		MUST(mkdir(h->dir, 0755));
		if (strcmp(h->name, "cpuset") == 0) {
			copy_value(h, "cpuset.cpus");
			copy_value(h, "cpuset.mems");
		} else if (strcmp(h->name, "devices") == 0) {
			permit_devices(h);
		}
	}
}

static void remove_cgroups(void)
{
	for (int i = 0; i < n_list; i++)
		MUST(rmdir(list[i].dir));
}

static void enter_cgroups(void)
{
	char path[PATH + 64];
	int fd;

	for (int i = 0; i < n_list; i++) {
		if (list[i].v2)
			continue;
		snprintf(path, sizeof(path), "%s/tasks", list[i].dir);
		MUST(fd = open(path, O_WRONLY | O_CLOEXEC));
		MUST(write(fd, "0", 1));
	}
}

/* ---- the container ---- */

static void make_devices(void)
{
	static const struct {
		const char *path;
		unsigned int major, minor;
	} nodes[] = { { "dev/null", 1, 3 }, { "dev/zero", 1, 5 }, { "dev/full", 1, 7 },
		{ "dev/random", 1, 8 }, { "dev/urandom", 1, 9 }, { "dev/tty", 5, 0 } };
	static const char *const links[][2] = { { "/proc/self/fd", "dev/fd" },
		{ "/proc/self/fd/0", "dev/stdin" }, { "/proc/self/fd/1", "dev/stdout" },
		{ "/proc/self/fd/2", "dev/stderr" }, { "pts/ptmx", "dev/ptmx" } };

	umask(0);
	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++)
		MUST(mknod(nodes[i].path, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)));
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		MUST(symlink(links[i][0], links[i][1]));
	umask(022);
}

static void mount_cgroups(void)
{
	char at[PATH];
	int v1 = 0;

	for (int i = 0; i < n_list; i++)
		v1 |= !list[i].v2;
	if (!v1) {
		MUST(mount("cgroup", "sys/fs/cgroup", "cgroup2", RO_ALL, NULL));
		return;
	}
	MUST(mount(
		"tmpfs", "sys/fs/cgroup", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755"));
	for (int i = 0; i < n_list; i++) {
		snprintf(at, sizeof(at), "sys/fs/cgroup/%s", list[i].name);
		MUST(mkdir(at, 0755));
		MUST(mount(list[i].dir, at, NULL, MS_BIND, NULL));
	}
	/* read-only, all of them in one call */
	MUST(syscall(SYS_mount_setattr, AT_FDCWD, "sys/fs/cgroup", 0x8000 /* AT_RECURSIVE */,
		&(uint64_t[4]){ 1 | 2 | 4 | 8 }, 32));
}

static void mount_all(const char *rootfs)
{
	MUST(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL));
	MUST(mount(rootfs, rootfs, NULL, MS_BIND | MS_REC, NULL));
	MUST(chdir(rootfs));
	MUST(mount("proc", "proc", "proc", 0, NULL));
	MUST(mount("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k"));
	MUST(mkdir("dev/pts", 0755));
	MUST(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
		"newinstance,ptmxmode=0666,mode=0620,gid=5"));
	MUST(mkdir("dev/shm", 0755));
	MUST(mount("shm", "dev/shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		"mode=1777,size=65536k"));
	MUST(mkdir("dev/mqueue", 0755));
	MUST(mount("mqueue", "dev/mqueue", "mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL));
	MUST(mount("sysfs", "sys", "sysfs", RO_ALL, NULL));
	mount_cgroups();
	make_devices();
}

static void hide_paths(void)
{
	static const char *const readonly[] = { "proc/bus", "proc/fs", "proc/irq", "proc/sys",
		"proc/sysrq-trigger" };
	static const char *const files[] = { "proc/kcore", "proc/keys", "proc/latency_stats",
		"proc/timer_list", "proc/timer_stats", "proc/sched_debug" };
	static const char *const directories[] = { "proc/acpi", "proc/asound", "proc/scsi",
		"sys/firmware" };

	for (size_t i = 0; i < sizeof(readonly) / sizeof(readonly[0]); i++)
		if (mount(readonly[i], readonly[i], NULL, MS_BIND | MS_REC, NULL) == 0)
			MUST(mount(
				NULL, readonly[i], NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL));
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		mount("dev/null", files[i], NULL, MS_BIND, NULL);
	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
		mount("tmpfs", directories[i], "tmpfs", RO_ALL, "nr_inodes=1,mode=755");
}

static void change_root(void)
{
	MUST(syscall(SYS_pivot_root, ".", "."));
	MUST(umount2(".", MNT_DETACH));
	MUST(mount(NULL, "/", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL));
}

static void raise_loopback(void)
{
	struct ifreq r = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	MUST(ioctl(fd, SIOCSIFFLAGS, &r));
}

static void drop_rights(void)
{
	const uint32_t keep = 1u << CAP_AUDIT_WRITE | 1u << CAP_KILL | 1u << CAP_NET_BIND_SERVICE;
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { keep, keep, 0 } };
	struct rlimit files = { 1024, 1024 };

	for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (cap > 31 || !(keep >> cap & 1))
			prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	MUST(setrlimit(RLIMIT_NOFILE, &files));
	MUST(syscall(SYS_capset, &head, data));
	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

__attribute__((noreturn)) static void become_container(const char *rootfs)
{
	static char *argv[] = { (char *)"/bin/true", NULL };
	static char *envp[] = { (char *)"PATH=/bin", NULL };

	enter_cgroups();
	MUST(setsid());
	raise_loopback();
	mount_all(rootfs);
	MUST(sethostname("floor", 5));
	hide_paths();
	change_root();
	drop_rights();
	execve(argv[0], argv, envp);
	die(argv[0]);
}

static pid_t clone_container(void)
{
	struct clone_args a = {
		.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET,
		.exit_signal = SIGCHLD,
	};
	int v1 = 0;

	for (int i = 0; i < n_list; i++) {
		v1 |= !list[i].v2;
		if (!list[i].v2)
			continue;
		a.flags |= CLONE_INTO_CGROUP;
		a.cgroup = (uint64_t)open(list[i].dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	if (!v1) /* as `runc spec` says where there is v2 alone */
		a.flags |= CLONE_NEWCGROUP;
	return (pid_t)syscall(SYS_clone3, &a, sizeof(a));
}

int main(int argc, char **argv)
{
	char rootfs[PATH];
	const char *bundle = NULL;
	int status;
	pid_t pid;

	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], "--bundle") == 0)
			bundle = argv[i + 1];
	if (!bundle) {
		fputs("usage: floor [--root DIR] run --bundle DIR ID\n", stderr);
		return 2;
	}
	snprintf(rootfs, sizeof(rootfs), "%s/rootfs", bundle);
	find_hierarchies(argv[argc - 1]);
	make_cgroups();
	pid = clone_container();
	MUST(pid);
	if (pid == 0)
		become_container(rootfs);
	MUST(waitpid(pid, &status, 0));
	remove_cgroups();
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
