/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe: what a process sees of its container, as one JSON object of texts on standard output. It is the program of the
 * containers of tests/differential, static and without a shell, so that nothing but the runtime decides what it sees.
 *
 *   probe [ARGUMENT]...     as the file /probe.d/ask says
 *   probe exec              as /probe.d/ask-exec says
 *   probe hook NAME FILE    add what a hook sees to FILE as one line: standard input, descriptors, directory, environment
 *
 * Lines of an ask file: "path P" (what is there and what may be done with it), "read P" (a file's text), "call NAME" (the
 * errno of a system call that a filter may deny), "exit N", "signal N" (how to end), "wait" (stay until killed).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <termios.h>
#include <unistd.h>

static FILE *out;
static bool comma;

static void quoted(const char *s)
{
	putc('"', out);
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		/* As Latin-1: the reader gets every byte back. */
		if (c < 0x20 || c > 0x7e || c == '"' || c == '\\')
			fprintf(out, "\\u%04x", c);
		else
			putc(c, out);
	}
	putc('"', out);
}

__attribute__((format(printf, 2, 3))) static void say(const char *key, const char *fmt, ...)
{
	static char text[1 << 16];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (comma)
		fputs(",\n", out);
	comma = true;
	quoted(key);
	fputs(": ", out);
	quoted(text);
}

/* "PREFIX.NAME" */
static const char *key2(const char *prefix, const char *name)
{
	static char key[PATH_MAX + 64];

	snprintf(key, sizeof(key), "%s.%s", prefix, name);
	return key;
}

/* The text of a file, or its errno: "!N". */
static const char *text_of(const char *path)
{
	static char text[1 << 16];
	size_t len = 0;
	ssize_t n = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0) {
		while (len < sizeof(text) - 1 &&
			(n = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
			len += (size_t)n;
		close(fd);
	}
	if (fd < 0 || n < 0)
		snprintf(text, sizeof(text), "!%d", errno);
	else
		text[len] = '\0';
	return text;
}

static const char *kind_of(mode_t mode)
{
	return S_ISREG(mode)    ? "file"
	       : S_ISDIR(mode)  ? "dir"
	       : S_ISLNK(mode)  ? "link"
	       : S_ISCHR(mode)  ? "char"
	       : S_ISBLK(mode)  ? "block"
	       : S_ISFIFO(mode) ? "fifo"
				: "socket";
}

/* Type, mode, owner; number of a device, target of a link. */
static void say_inode(const char *key, const char *path)
{
	char target[PATH_MAX] = "";
	struct stat st;
	ssize_t n;

	if (lstat(path, &st) < 0) {
		say(key, "!%d", errno);
		return;
	}
	if (S_ISLNK(st.st_mode) && (n = readlink(path, target, sizeof(target) - 1)) >= 0)
		target[n] = '\0';
	else if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
		snprintf(target, sizeof(target), "%u:%u", major(st.st_rdev), minor(st.st_rdev));
	say(key, "%s %04o %u:%u %s", kind_of(st.st_mode), st.st_mode & 07777u, st.st_uid, st.st_gid,
		target);
}

/* --- descriptors, before anything else is opened ------------------------------------------------------------------ */

static void say_fds(void)
{
	char name[32];
	struct stat st;
	int flags;

	for (int fd = 0; fd < 1024; fd++) {
		flags = fcntl(fd, F_GETFL);
		if (flags < 0)
			continue;
		if (fstat(fd, &st) < 0)
			memset(&st, 0, sizeof(st));
		snprintf(name, sizeof(name), "fd.%d", fd);
		say(name, "%s flags=%o fd=%d rdev=%u:%u", kind_of(st.st_mode),
			(unsigned int)flags & ~(unsigned int)O_LARGEFILE, fcntl(fd, F_GETFD),
			major(st.st_rdev), minor(st.st_rdev));
	}
}

/* --- the process -------------------------------------------------------------------------------------------------- */

static void say_status(void)
{
	static const char *const skip[] = { "Name", "Pid", "Tgid", "PPid", "Ngid", "State",
		"FDSize", "NStgid", "NSpid", "NSpgid", "NSsid", "VmPeak", "VmSize", "VmHWM",
		"VmRSS", "RssAnon", "RssFile", "RssShmem", "VmData", "VmStk", "VmExe", "VmLib",
		"VmPTE", "VmLck", "VmPin", "VmSwap", "SigQ", "voluntary_ctxt_switches",
		"nonvoluntary_ctxt_switches", "Mems_allowed", "untag_mask", "x86_Thread_features",
		"x86_Thread_features_locked" };
	char *text = strdup(text_of("/proc/self/status")), *save = NULL, *value;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		bool known = false;

		value = strchr(line, ':');
		if (!value)
			continue;
		*value++ = '\0';
		for (size_t i = 0; i < sizeof(skip) / sizeof(*skip); i++)
			known |= strcmp(line, skip[i]) == 0;
		if (!known)
			say(key2("status", line), "%s", value + strspn(value, "\t "));
	}
	free(text);
}

static void say_limits(void)
{
	static const char *const names[] = { "CPU", "FSIZE", "DATA", "STACK", "CORE", "RSS",
		"NPROC", "NOFILE", "MEMLOCK", "AS", "LOCKS", "SIGPENDING", "MSGQUEUE", "NICE",
		"RTPRIO", "RTTIME" };

	for (int i = 0; i < (int)(sizeof(names) / sizeof(*names)); i++) {
		struct rlimit r;

		if (getrlimit((__rlimit_resource_t)i, &r) == 0)
			say(key2("limit", names[i]), "%lld %lld", (long long)r.rlim_cur,
				(long long)r.rlim_max);
	}
}

static void say_scheduling(void)
{
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
		uint32_t util_min, util_max;
	} attr = { 0 };
	unsigned char mask[128] = { 0 };
	char hex[2 * sizeof(mask) + 1] = "";
	unsigned long nodes[16] = { 0 };
	int mode = 0;
	long n;

	n = syscall(SYS_sched_getattr, 0, &attr, (unsigned int)sizeof(attr), 0);
	say("sched", "%s%u nice=%d prio=%u flags=%llx runtime=%llu deadline=%llu period=%llu",
		n < 0 ? "!" : "", attr.policy, attr.nice, attr.priority,
		(unsigned long long)attr.flags, (unsigned long long)attr.runtime,
		(unsigned long long)attr.deadline, (unsigned long long)attr.period);
	n = syscall(SYS_ioprio_get, 1, 0);
	say("ioprio", "%ld", n < 0 ? -errno : n);
	n = syscall(SYS_sched_getaffinity, 0, sizeof(mask), mask);
	for (long i = 0; i < n; i++)
		snprintf(hex + 2 * i, 3, "%02x", mask[i]);
	say("affinity", "%s", hex);
	n = syscall(SYS_get_mempolicy, &mode, nodes, sizeof(nodes) * 8, NULL, 0);
	say("mempolicy", "%ld mode=%x nodes=%lx", n < 0 ? -errno : n, (unsigned int)mode, nodes[0]);
}

static void say_process(void)
{
	char cwd[PATH_MAX], description[256] = "";
	struct utsname u;
	mode_t mask = umask(0);
	long n;

	umask(mask);
	say("umask", "%04o", mask);
	say("cwd", "%s", getcwd(cwd, sizeof(cwd)) ? cwd : "!");
	if (uname(&u) == 0) {
		say("hostname", "%s", u.nodename);
		say("domainname", "%s", u.domainname);
		say("machine", "%s", u.machine);
	}
	say("personality", "%x", (unsigned int)personality(0xffffffff));
	say("ids", "pid1=%d leader=%d group=%d", getpid() == 1, getsid(0) == getpid(),
		getpgrp() == getpid());
	say("dumpable", "%d", prctl(PR_GET_DUMPABLE));
	n = 0;
	prctl(PR_GET_PDEATHSIG, &n);
	say("pdeathsig", "%d", (int)n);
	n = 0;
	prctl(PR_GET_CHILD_SUBREAPER, &n);
	say("subreaper", "%d", (int)n);
	say("securebits", "%x", (unsigned int)prctl(PR_GET_SECUREBITS));
	say("timerslack", "%d", prctl(PR_GET_TIMERSLACK));
	say("thp", "%d", prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
	n = syscall(SYS_keyctl, KEYCTL_DESCRIBE, KEY_SPEC_SESSION_KEYRING, description,
		sizeof(description) - 1);
	say("keyring", "%s", n < 0 ? "!" : description);
}

static void say_files_of_proc(void)
{
	static const char *const files[] = { "oom_score_adj", "cgroup", "uid_map", "gid_map",
		"setgroups", "timens_offsets", "coredump_filter", "loginuid", "comm",
		"attr/current" };
	char path[64];

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		snprintf(path, sizeof(path), "/proc/self/%s", files[i]);
		say(key2("proc", files[i]), "%s", text_of(path));
	}
	say("mountinfo", "%s", text_of("/proc/self/mountinfo"));
}

static void say_namespaces(void)
{
	static const char *const names[] = { "cgroup", "ipc", "mnt", "net", "pid", "time", "user",
		"uts" };
	char path[64], target[64];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		n = readlink(path, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = '\0';
		say(key2("ns", names[i]), "%s", n < 0 ? "!" : target);
	}
}

static void say_environment(int argc, char **argv)
{
	char name[32];

	say("argc", "%d", argc);
	for (int i = 0; i < argc; i++) {
		snprintf(name, sizeof(name), "argv.%d", i);
		say(name, "%s", argv[i]);
	}
	for (int i = 0; environ[i]; i++) {
		snprintf(name, sizeof(name), "env.%d", i);
		say(name, "%s", environ[i]);
	}
}

static void say_terminal(void)
{
	struct winsize ws = { 0 };
	struct termios t;
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

	say("tty.controlling", "%d", fd >= 0 ? 0 : -errno);
	if (fd >= 0)
		close(fd);
	say("tty.0", "%d", isatty(0));
	if (!isatty(0))
		return;
	say("tty.group", "%d", tcgetpgrp(0) == getpgrp());
	if (tcgetattr(0, &t) == 0)
		say("tty.settings", "%x %x %x %x", t.c_iflag, t.c_oflag, t.c_cflag, t.c_lflag);
	if (ioctl(0, TIOCGWINSZ, &ws) == 0)
		say("tty.size", "%ux%u", ws.ws_col, ws.ws_row);
	say("tty.name", "%s", ttyname(0) ? ttyname(0) : "!");
	say_inode("tty.inode", ttyname(0) ? ttyname(0) : "/nothing");
}

/* --- files --------------------------------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void say_tree(const char *prefix, const char *path, int depth)
{
	char *names[512], full[PATH_MAX];
	struct dirent *e;
	size_t n = 0;
	struct stat st;
	DIR *d = opendir(path);

	if (!d)
		return;
	while (n < 512 && (e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			names[n++] = strdup(e->d_name);
	closedir(d);
	qsort(names, n, sizeof(*names), by_name);
	for (size_t i = 0; i < n; i++) {
		snprintf(full, sizeof(full), "%s/%s", path, names[i]);
		say_inode(key2(prefix, full), full);
		if (depth > 0 && lstat(full, &st) == 0 && S_ISDIR(st.st_mode))
			say_tree(prefix, full, depth - 1);
		free(names[i]);
	}
}

static int errno_of_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static int errno_of_node(unsigned int type, unsigned int maj, unsigned int min)
{
	static int n;
	char path[64];
	int e;

	snprintf(path, sizeof(path), "/dev/probe-%d", n++);
	if (mknod(path, type | 0600, makedev(maj, min)) < 0)
		return 1000 + errno;
	e = errno_of_open(path, O_RDONLY);
	unlink(path);
	return e;
}

static void say_devices(void)
{
	static const char *const names[] = { "null", "zero", "full", "random", "urandom", "tty",
		"ptmx", "console", "fuse", "kmsg" };
	char path[64];

	say_inode("dev./dev", "/dev");
	say_tree("dev", "/dev", 2);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(path, sizeof(path), "/dev/%s", names[i]);
		say(key2("open", names[i]), "%d %d", errno_of_open(path, O_RDONLY),
			errno_of_open(path, O_WRONLY));
	}
	/* Who may make nodes, sees what the rules of the device cgroup say of numbers. */
	say("mknod.null", "%d", errno_of_node(S_IFCHR, 1, 3));
	say("mknod.mem", "%d", errno_of_node(S_IFCHR, 1, 1));
	say("mknod.kmsg", "%d", errno_of_node(S_IFCHR, 1, 11));
	say("mknod.fuse", "%d", errno_of_node(S_IFCHR, 10, 229));
	say("mknod.tun", "%d", errno_of_node(S_IFCHR, 10, 200));
	say("mknod.loop", "%d", errno_of_node(S_IFBLK, 7, 0));
	say("mknod.disk", "%d", errno_of_node(S_IFBLK, 254, 0));
}

/* What is at a path, how much can be read of it, and whether it can be written to. */
static void say_path(const char *path)
{
	char key[PATH_MAX + 16];
	struct statfs fs;
	struct stat st;

	say_inode(key2("path", path), path);
	if (lstat(path, &st) < 0)
		return;
	snprintf(key, sizeof(key), "path.%s.open", path);
	if (S_ISDIR(st.st_mode)) {
		char inner[PATH_MAX];
		int n = 0, fd;
		DIR *d = opendir(path);

		while (d && readdir(d))
			n++;
		snprintf(inner, sizeof(inner), "%s/.probe", path);
		fd = open(inner, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
		say(key, "entries=%s create=%d",
			!d      ? "!"
			: n > 2 ? "some"
				: "none",
			fd >= 0 ? 0 : errno);
		if (fd >= 0)
			close(fd);
		unlink(inner);
		if (d)
			closedir(d);
	} else {
		say(key, "read=%d write=%d text=%s", errno_of_open(path, O_RDONLY),
			errno_of_open(path, O_WRONLY), *text_of(path) ? "some" : "none");
	}
	snprintf(key, sizeof(key), "path.%s.flags", path);
	if (statfs(path, &fs) == 0)
		say(key, "type=%lx flags=%lx", (unsigned long)fs.f_type, (unsigned long)fs.f_flags);
}

/* --- system calls that a filter may deny --------------------------------------------------------------------------- */

static void say_call(const char *name)
{
	static const struct {
		const char *name;
		long nr, args[3];
	} calls[] = {
		{ "getcwd", SYS_getcwd, { 0, 0, 0 } },
		{ "mkdir", SYS_mkdir, { 0, 0, 0 } },
		{ "chmod", SYS_chmod, { 0, 0, 0 } },
		{ "getpriority", SYS_getpriority, { 99, 0, 0 } },
		{ "setpriority", SYS_setpriority, { 99, 0, 0 } },
		{ "kcmp", SYS_kcmp, { -1, -1, 0 } },
		{ "ptrace", SYS_ptrace, { -1, -1, 0 } },
		{ "keyctl", SYS_keyctl, { -1, 0, 0 } },
		{ "add_key", SYS_add_key, { 0, 0, 0 } },
		{ "socket-inet", SYS_socket, { 2, 99, 99 } },
		{ "socket-vsock", SYS_socket, { 40, 99, 99 } },
		{ "socket-netlink", SYS_socket, { 16, 99, 99 } },
		{ "personality-query", SYS_personality, { 0xffffffff, 0, 0 } },
		{ "umount", SYS_umount2, { 0, 0, 0 } },
		{ "unshare-user", SYS_unshare, { 0x10000000 | 1, 0, 0 } },
		{ "clone3", SYS_clone3, { 0, 0, 0 } },
		{ "openat2", SYS_openat2, { 0, 0, 0 } },
		{ "futex_waitv", SYS_futex_waitv, { 0, 0, 0 } },
		{ "unknown-700", 700, { 0, 0, 0 } },
		{ "sysfs", SYS_sysfs, { 99, 0, 0 } },
		{ "uselib", SYS_uselib, { 0, 0, 0 } },
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		if (strcmp(calls[i].name, name) == 0) {
			errno = 0;
			syscall(calls[i].nr, calls[i].args[0], calls[i].args[1], calls[i].args[2]);
			say(key2("call", name), "%d", errno);
			return;
		}
	say(key2("call", name), "?");
}

/* --- what is asked -------------------------------------------------------------------------------------------------- */

struct ending {
	int status, signal;
	bool wait;
};

static void ask(char *line, struct ending *end)
{
	char *value = strchr(line, ' ');

	if (value)
		*value++ = '\0';
	else
		value = line + strlen(line);
	if (strcmp(line, "path") == 0)
		say_path(value);
	else if (strcmp(line, "read") == 0)
		say(key2("read", value), "%s", text_of(value));
	else if (strcmp(line, "call") == 0)
		say_call(value);
	else if (strcmp(line, "exit") == 0)
		end->status = (int)strtol(value, NULL, 10);
	else if (strcmp(line, "signal") == 0)
		end->signal = (int)strtol(value, NULL, 10);
	else if (strcmp(line, "wait") == 0)
		end->wait = true;
}

static void send_all(const char *text, size_t len)
{
	ssize_t n;

	for (; len > 0; text += n, len -= (size_t)n) {
		n = write(STDOUT_FILENO, text, len);
		if (n <= 0)
			_exit(99);
	}
}

static int hook(const char *name, const char *file)
{
	static char input[1 << 16];
	char cwd[PATH_MAX];
	size_t size = 0, len = 0;
	char *text = NULL;
	ssize_t n;
	int fd;

	out = open_memstream(&text, &size);
	if (!out)
		return 1;
	fputs("{", out);
	say("hook", "%s", name);
	say_fds();
	while (len < sizeof(input) - 1 && (n = read(0, input + len, sizeof(input) - 1 - len)) > 0)
		len += (size_t)n;
	say("state", "%s", input);
	say("cwd", "%s", getcwd(cwd, sizeof(cwd)) ? cwd : "!");
	say_environment(0, NULL);
	fputs("}", out);
	fclose(out);
	for (char *p = text; *p; p++)
		if (*p == '\n')
			*p = ' ';
	fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0 || write(fd, text, strlen(text)) < 0 || write(fd, "\n", 1) < 0)
		return 1;
	close(fd);
	free(text);
	return 0;
}

int main(int argc, char **argv)
{
	bool exec = argc > 1 && strcmp(argv[1], "exec") == 0;
	struct ending end = { 0 };
	char *text = NULL, *lines, *save = NULL;
	size_t size = 0;

	if (argc > 3 && strcmp(argv[1], "hook") == 0)
		return hook(argv[2], argv[3]);
	out = open_memstream(&text, &size);
	if (!out)
		return 98;
	fputs("{\n", out);
	say_fds();
	say_environment(argc, argv);
	say_process();
	say_status();
	say_limits();
	say_scheduling();
	say_files_of_proc();
	say_namespaces();
	say_terminal();
	say_devices();
	lines = strdup(text_of(exec ? "/probe.d/ask-exec" : "/probe.d/ask"));
	for (char *l = strtok_r(lines, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		ask(l, &end);
	fputs("\n}\n", out);
	fclose(out);
	send_all(text, size);
	free(text);
	free(lines);
	if (end.wait)
		for (;;)
			pause();
	if (end.signal) {
		signal(end.signal, SIG_DFL);
		raise(end.signal);
	}
	return end.status;
}
