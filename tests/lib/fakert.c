/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fakert: an OCI runtime without containers, that fails as it is told to. Processes are plain ones, left to whoever is
 * subreaper, as runc leaves its own.
 *
 *   FAKERT_CALLS            file to which each call adds its subcommand and arguments as a line
 *   FAKERT_CGROUP           directory of the cgroup that processes are put into; default: the caller's
 *   FAKERT_INIT             shell text of inits; default: sleep 100
 *   FAKERT_<SUBCOMMAND>     how that subcommand behaves, one or several of:
 *     fail                  writes an error to the log, exit status 1
 *     half                  the same, and then half a line
 *     mute                  says it on stderr alone, exit status 3
 *     hang                  never ends, nor does a child of its group
 *     taken                 fails because the id is in use
 *     gone                  fails because there is no such container
 *     finished              fails because the process has finished
 *     garbage nopid nobody foreign
 *                           the pid file says something else, is missing, names no process, or one that is not ours
 *     init                  of an exec: the pid file names the container's init
 *     dead                  the process is dead and reaped when the runtime ends
 *     noterm notty nosocket closes the console socket, sends a file, does not connect
 *     hangafter             the process is made, its pid file is not; then it hangs
 */
#define _XOPEN_SOURCE 600
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *root, *log_file, *pid_file, *console, *process_file, *id, *arguments[4];
static int n_arguments;
static const char *mode = "";

static int is(const char *word)
{
	size_t len = strlen(word);

	for (const char *p = mode; (p = strstr(p, word)); p += len)
		if ((p == mode || p[-1] == ' ') && (p[len] == ' ' || p[len] == '\0'))
			return 1;
	return 0;
}

static void nap(long ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

__attribute__((format(printf, 3, 4))) static void write_file(
	const char *path, const char *flags, const char *fmt, ...)
{
	FILE *f = fopen(path, flags);
	va_list ap;

	if (!f) {
		perror(path);
		exit(9);
	}
	va_start(ap, fmt);
	vfprintf(f, fmt, ap);
	va_end(ap);
	fclose(f);
}

static void state_path(char path[4096])
{
	snprintf(path, 4096, "%s-%s", root, id);
}

static pid_t state_pid(void)
{
	char path[4096];
	long pid = 0;
	FILE *f;

	state_path(path);
	f = fopen(path, "r");
	if (!f)
		return 0;
	if (fscanf(f, "%ld", &pid) != 1)
		pid = 0;
	fclose(f);
	return (pid_t)pid;
}

static void fail(const char *msg)
{
	write_file(log_file, "a", "{\"level\":\"error\",\"msg\":\"earlier\",\"time\":\"x\"}\n");
	write_file(log_file, "a", "{\"level\":\"error\",\"msg\":\"%s\",\"time\":\"x\"}\n", msg);
	write_file(log_file, "a", "{\"level\":\"info\",\"msg\":\"not that\"}\n");
	if (is("half"))
		write_file(log_file, "a", "{\"level\":\"error\",\"msg\":\"cut o");
	exit(1);
}

static void misbehave(const char *subcommand)
{
	char msg[128];

	if (is("mute")) {
		fprintf(stderr, "%s said\nso\n", subcommand);
		exit(3);
	}
	if (is("taken"))
		fail("container with given ID already exists");
	if (is("gone"))
		fail("container does not exist");
	if (is("finished"))
		fail("container not running");
	snprintf(msg, sizeof(msg), "%s refused", subcommand);
	if (is("fail") || is("half"))
		fail(msg);
	if (is("hang")) {
		fork();
		for (;;)
			pause();
	}
}

static void run_text(const char *text)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execl("/bin/sh", "sh", "-c", text, (char *)NULL);
	_exit(127);
}

static void send_terminal(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char name[] = "pty", control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { name, sizeof(name) };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	int s, fd;

	if (!console || is("nosocket"))
		return;
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", console);
	s = socket(AF_UNIX, SOCK_STREAM, 0);
	if (connect(s, (struct sockaddr *)&a, sizeof(a)) < 0)
		fail("no console socket");
	if (is("noterm")) {
		close(s);
		return;
	}
	fd = is("notty") ? open("/dev/null", O_RDWR) : posix_openpt(O_RDWR | O_NOCTTY);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	if (sendmsg(s, &msg, 0) < 0)
		fail("send the terminal");
	close(s);
	if (!is("notty")) { /* the process has it */
		grantpt(fd);
		unlockpt(fd);
		s = open(ptsname(fd), O_RDWR | O_NOCTTY);
		dup2(s, 0);
		dup2(s, 1);
		dup2(s, 2);
	}
	close(fd);
}

static void tell_pid(pid_t pid)
{
	if (is("nopid"))
		return;
	if (is("garbage"))
		write_file(pid_file, "w", "12x4\n");
	else if (is("nobody"))
		write_file(pid_file, "w", "%d", 0x3ffffe);
	else if (is("init"))
		write_file(pid_file, "w", "%d", (int)state_pid());
	else if (is("foreign"))
		write_file(pid_file, "w", "%d", (int)getppid());
	else
		write_file(pid_file, "w", "%d", (int)pid);
}

/* A process that nobody here waits for: its parent ends at once, so it is the subreaper's already. */
static pid_t leave_process(const char *text)
{
	pid_t pid = 0, middle;
	int p[2];

	if (pipe(p) < 0)
		exit(9);
	middle = fork();
	if (middle == 0) {
		pid = fork();
		if (pid == 0) {
			setsid();
			close(p[0]);
			close(p[1]);
			run_text(text);
		}
		_exit(write(p[1], &pid, sizeof(pid)) != sizeof(pid));
	}
	waitpid(middle, NULL, 0);
	if (read(p[0], &pid, sizeof(pid)) != sizeof(pid))
		exit(9);
	close(p[0]);
	close(p[1]);
	return pid;
}

static void put_into_cgroup(pid_t pid)
{
	const char *cgroup = getenv("FAKERT_CGROUP");
	char path[4096];

	if (!cgroup)
		return;
	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	write_file(path, "w", "%d", (int)pid);
}

static void make_process(const char *text)
{
	pid_t pid;

	send_terminal();
	if (is("dead")) {
		char path[64];

		pid = leave_process(text);
		snprintf(path, sizeof(path), "/proc/%d", (int)pid);
		while (access(path, F_OK) == 0)
			nap(1);
	} else {
		pid = fork();
		if (pid == 0) {
			setsid();
			run_text(text);
		}
		put_into_cgroup(pid);
	}
	if (!process_file) {
		char path[4096];

		state_path(path);
		write_file(path, "w", "%d", (int)pid);
	}
	if (is("hangafter"))
		for (;;)
			pause();
	tell_pid(pid);
}

/* The shell text of an exec is the last argument of its process. */
static char *exec_text(void)
{
	static char doc[65536];
	char *end, *begin;
	FILE *f = fopen(process_file, "r");
	size_t n = f ? fread(doc, 1, sizeof(doc) - 1, f) : 0;

	if (!f || n == 0)
		fail("no process");
	fclose(f);
	doc[n] = '\0';
	end = strrchr(doc, ']');
	while (end > doc && *end != '"')
		end--;
	*end = '\0';
	begin = strrchr(doc, '"');
	return begin ? begin + 1 : doc;
}

static void kill_process(void)
{
	pid_t pid = state_pid();
	int all = n_arguments > 0 && strcmp(arguments[0], "--all") == 0;

	if (pid == 0)
		fail("container does not exist");
	if (kill(pid, atoi(arguments[n_arguments - 1])) < 0 && !all)
		fail("container not running");
}

static void delete_container(void)
{
	pid_t pid = state_pid();
	char path[4096];

	if (pid > 0)
		kill(pid, SIGKILL);
	state_path(path);
	unlink(path);
}

static void note_call(const char *subcommand, int argc, char **argv)
{
	const char *calls = getenv("FAKERT_CALLS");

	if (!calls)
		return;
	write_file(calls, "a", "%s", subcommand);
	for (int i = 0; i < argc; i++)
		write_file(calls, "a", " %s", argv[i]);
	if (argc > 0 && strcmp(argv[0], "--resources=-") == 0) {
		char text[4096];
		size_t n = fread(text, 1, sizeof(text) - 1, stdin);

		text[n] = '\0';
		write_file(calls, "a", " <%s>", text);
	}
	write_file(calls, "a", "\n");
}

static const char *value_of(char **argv, int *i, const char *option)
{
	return strcmp(argv[*i], option) == 0 ? argv[++*i] : NULL;
}

/* Options that the fake looks at; others are part of the call's line. */
static void parse(int argc, char **argv)
{
	static const char *const with_value[] = { "--bundle", "--image-path", "--work-path",
		"--parent-path", "--empty-ns" };

	for (int i = 0; i < argc; i++) {
		const char *v;
		int skip = 0;

		if ((v = value_of(argv, &i, "--pid-file")))
			pid_file = v;
		else if ((v = value_of(argv, &i, "--console-socket")))
			console = v;
		else if ((v = value_of(argv, &i, "--process")))
			process_file = v;
		else
			skip = 1;
		for (size_t k = 0; skip && k < sizeof(with_value) / sizeof(*with_value); k++)
			if (strcmp(argv[i], with_value[k]) == 0) {
				i++;
				skip = 0;
			}
		if (!skip)
			continue;
		if (argv[i][0] == '-') {
			if (strcmp(argv[i], "--all") == 0 && n_arguments < 4)
				arguments[n_arguments++] = argv[i];
		} else if (!id) {
			id = argv[i];
		} else if (n_arguments < 4) {
			arguments[n_arguments++] = argv[i];
		}
	}
}

int main(int argc, char **argv)
{
	const char *subcommand, *init = getenv("FAKERT_INIT");
	char variable[64] = "FAKERT_";
	int i = 1;

	for (; i < argc && argv[i][0] == '-'; i++) {
		const char *v;

		if ((v = value_of(argv, &i, "--root")))
			root = v;
		else if ((v = value_of(argv, &i, "--log")))
			log_file = v;
		else if (strcmp(argv[i], "--log-format") == 0 || strcmp(argv[i], "--criu") == 0)
			i++;
	}
	if (i >= argc || !root || !log_file)
		return 8;
	subcommand = argv[i++];
	note_call(subcommand, argc - i, argv + i);
	parse(argc - i, argv + i);
	for (size_t k = 0; subcommand[k]; k++)
		variable[7 + k] = (char)(subcommand[k] - 'a' + 'A');
	if (getenv(variable))
		mode = getenv(variable);
	misbehave(subcommand);
	if (strcmp(subcommand, "create") == 0 || strcmp(subcommand, "restore") == 0)
		make_process(init ? init : "exec sleep 100");
	else if (strcmp(subcommand, "exec") == 0)
		make_process(exec_text());
	else if (strcmp(subcommand, "kill") == 0)
		kill_process();
	else if (strcmp(subcommand, "delete") == 0)
		delete_container();
	return 0;
}
