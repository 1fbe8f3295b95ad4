/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measure the command lines of OCI runtimes side by side: every round takes each of them once, in a new random order,
 * so that what the machine does meanwhile, and what one leaves behind for the next, hits all alike.
 *
 *   bench_oci [-b BUNDLE] [-s BUNDLE] [-n ROUNDS] [-w WARM-UP] [-g IDLE-MS] [-k RUNS] [-j JOBS] [-r REGIME]
 *             [-x DIRECTORY] TEST NAME=COMMAND...
 *
 * -b names a bundle that ends at once, -s one that keeps running; -g idles before each sample (after an idle moment
 * the kernel is slower: RCU); -k and -j are the runs of one sample and how many at a time, in the tests seq and par;
 * -x names a directory whose files are removed before each sample, such as a cache.
 * Prints one JSON object a line: a value, or a failure with the words of the runtime. What they mean is for the
 * reader of those lines (summary.jq).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	MAX_PEERS = 8,
	MAX_ARGS = 32,
	SAMPLE_SECONDS = 60, /* a runtime that hangs ends the whole benchmark */
};

struct peer {
	const char *name;
	char *argv[MAX_ARGS];
	int argc;
	char id[64];   /* of the container that execs go to */
	pid_t init;    /* and its init */
	bool unusable; /* could not be prepared */
};

/* What one command took. */
struct cost {
	double wall_ms;
	double cpu_ms;
};

static const char *bundle = "bundle", *sleep_bundle = "sleep", *regime = "", *emptied;
static int rounds = 20, warm_up = 2, idle_ms, runs = 100, jobs = 8;
static struct peer peers[MAX_PEERS];
static int peer_count;
static const char *test_name;
static bool warming;
static int stderr_fd = -1; /* where the runtimes say what went wrong */
static char pid_file[] = "/tmp/bench_oci.XXXXXX";

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double usage_ms(const struct rusage *ru)
{
	return (double)(ru->ru_utime.tv_sec + ru->ru_stime.tv_sec) * 1e3 +
	       (double)(ru->ru_utime.tv_usec + ru->ru_stime.tv_usec) / 1e3;
}

/* ---- output ---- */

static void value(const struct peer *p, const char *metric, const char *unit, double v)
{
	if (warming)
		return;
	printf("{\"test\":\"%s\",\"regime\":\"%s\",\"peer\":\"%s\",\"metric\":\"%s\",\"unit\":\"%"
	       "s\",\"value\":%.4f}\n",
		test_name, regime, p->name, metric, unit, v);
}

/* The last words of the runtime, made harmless for JSON. */
static void failure(const struct peer *p, const char *what)
{
	char text[400] = "";
	off_t size = lseek(stderr_fd, 0, SEEK_END);
	ssize_t n = pread(stderr_fd, text, sizeof(text) - 1, size > 399 ? size - 399 : 0);

	for (ssize_t i = 0; i < n; i++)
		if (text[i] == '"' || text[i] == '\\' || (unsigned char)text[i] < ' ' ||
			(unsigned char)text[i] > '~')
			text[i] = ' ';
	printf("{\"test\":\"%s\",\"regime\":\"%s\",\"peer\":\"%s\",\"failed\":\"%s: %s\"}\n",
		test_name, regime, p->name, what, text);
	if (ftruncate(stderr_fd, 0) < 0)
		perror("bench_oci: truncate");
}

/* ---- one command ---- */

static pid_t spawn(const struct peer *p, const char *const args[])
{
	posix_spawn_file_actions_t actions;
	char *argv[MAX_ARGS * 2];
	int argc = 0;
	pid_t pid;
	int r;

	for (int i = 0; i < p->argc; i++)
		argv[argc++] = p->argv[i];
	for (int i = 0; args[i]; i++)
		argv[argc++] = (char *)args[i];
	argv[argc] = NULL;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, stderr_fd, 2);
	r = posix_spawn(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return r == 0 ? pid : -1;
}

/* Run it to its end; false when it fails. Adds to *c. */
static bool command(const struct peer *p, const char *const args[], struct cost *c)
{
	double start = now_ms();
	struct rusage ru;
	int status;
	pid_t pid = spawn(p, args);

	while (pid > 0 && wait4(pid, &status, 0, &ru) < 0)
		if (errno != EINTR)
			return false;
	if (pid < 0)
		return false;
	c->wall_ms += now_ms() - start;
	c->cpu_ms += usage_ms(&ru);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Containers that a runtime left with us: we are the subreaper. */
static void reap_orphans(void)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static void new_id(const struct peer *p, char id[static 64])
{
	static unsigned serial;

	snprintf(id, 64, "bench-%d-%d-%u", (int)getpid(), (int)(p - peers), serial++);
}

static void force_delete(const struct peer *p, const char *id)
{
	const char *args[] = { "delete", "--force", id, NULL };
	struct cost c = { 0 };

	command(p, args, &c);
	reap_orphans();
	if (ftruncate(stderr_fd, 0) < 0)
		perror("bench_oci: truncate");
}

static pid_t read_pid(void)
{
	FILE *f = fopen(pid_file, "re");
	int pid = -1;

	if (f) {
		if (fscanf(f, "%d", &pid) != 1)
			pid = -1;
		fclose(f);
	}
	return pid;
}

/* create; gives a pidfd of the init, or -1 with the failure said and everything removed. */
static int create(struct peer *p, const char *from, const char *id, struct cost *c)
{
	const char *args[] = { "create", "--bundle", from, "--pid-file", pid_file, id, NULL };
	int fd = -1;

	if (command(p, args, c)) {
		p->init = read_pid();
		fd = (int)syscall(SYS_pidfd_open, p->init, 0);
	}
	if (fd < 0) {
		failure(p, "create");
		force_delete(p, id);
	}
	return fd;
}

/* Wait for the end of the init behind the pidfd, which is closed. */
static bool await_exit(int fd)
{
	struct pollfd q = { .fd = fd, .events = POLLIN };
	int r = poll(&q, 1, 5000);

	close(fd);
	reap_orphans();
	return r == 1;
}

static bool step(struct peer *p, const char *const args[], struct cost *c)
{
	*c = (struct cost){ 0 };
	if (command(p, args, c))
		return true;
	failure(p, args[0]);
	return false;
}

/* ---- the tests: one sample each ---- */

static void test_run(struct peer *p)
{
	char id[64];
	const char *args[] = { "run", "--bundle", bundle, id, NULL };
	struct cost c;

	new_id(p, id);
	if (!step(p, args, &c)) {
		force_delete(p, id);
		return;
	}
	value(p, "total", "ms", c.wall_ms);
	value(p, "cpu", "ms", c.cpu_ms);
}

static void test_life(struct peer *p)
{
	char id[64];
	const char *start_args[] = { "start", id, NULL }, *delete_args[] = { "delete", id, NULL };
	struct cost made = { 0 }, started, deleted;
	int fd;

	new_id(p, id);
	fd = create(p, bundle, id, &made);
	if (fd < 0)
		return;
	if (!step(p, start_args, &started) || !await_exit(fd) || !step(p, delete_args, &deleted)) {
		force_delete(p, id);
		return;
	}
	value(p, "create", "ms", made.wall_ms);
	value(p, "start", "ms", started.wall_ms);
	value(p, "delete", "ms", deleted.wall_ms);
	value(p, "total", "ms", made.wall_ms + started.wall_ms + deleted.wall_ms);
	value(p, "cpu", "ms", made.cpu_ms + started.cpu_ms + deleted.cpu_ms);
}

static void test_control(struct peer *p)
{
	char id[64];
	const char *start_args[] = { "start", id, NULL }, *state_args[] = { "state", id, NULL };
	const char *kill_args[] = { "kill", id, "KILL", NULL },
		   *delete_args[] = { "delete", id, NULL };
	struct cost made = { 0 }, started, state, killed, deleted;
	int fd;

	new_id(p, id);
	fd = create(p, sleep_bundle, id, &made);
	if (fd < 0)
		return;
	if (!step(p, start_args, &started) || !step(p, state_args, &state) ||
		!step(p, kill_args, &killed) || !await_exit(fd) ||
		!step(p, delete_args, &deleted)) {
		force_delete(p, id);
		return;
	}
	value(p, "state", "ms", state.wall_ms);
	value(p, "kill", "ms", killed.wall_ms);
	value(p, "delete killed", "ms", deleted.wall_ms);
}

static void exec_begin(struct peer *p)
{
	const char *args[] = { "start", p->id, NULL };
	struct cost c = { 0 };
	int fd;

	new_id(p, p->id);
	fd = create(p, sleep_bundle, p->id, &c);
	p->unusable = fd < 0 || !step(p, args, &c);
	if (fd >= 0)
		close(fd);
}

static void test_exec(struct peer *p)
{
	const char *args[] = { "exec", p->id, "/bin/true", NULL };
	struct cost c;

	if (!step(p, args, &c))
		return;
	value(p, "total", "ms", c.wall_ms);
	value(p, "cpu", "ms", c.cpu_ms);
}

static void exec_end(struct peer *p)
{
	if (!p->unusable)
		force_delete(p, p->id);
}

/* `runs` runs, at most `at_a_time` of them at once. */
static void many_runs(struct peer *p, int at_a_time)
{
	struct rusage before, after;
	double start = now_ms(), took;
	int begun = 0, running = 0, status;
	char id[64];
	const char *args[] = { "run", "--bundle", bundle, id, NULL };

	getrusage(RUSAGE_CHILDREN, &before);
	while (begun < runs || running > 0) {
		if (begun < runs && running < at_a_time) {
			new_id(p, id);
			if (spawn(p, args) < 0) {
				failure(p, "run");
				return;
			}
			begun++, running++;
			continue;
		}
		/* Only runs are children: a runtime that left its container to us would fail the other tests. */
		if (wait4(-1, &status, 0, NULL) < 0)
			break;
		running--;
		if (status != 0)
			failure(p, "run");
	}
	took = now_ms() - start;
	getrusage(RUSAGE_CHILDREN, &after);
	value(p, "rate", "/s", runs * 1e3 / took);
	value(p, "cpu", "ms", (usage_ms(&after) - usage_ms(&before)) / runs);
}

static void test_seq(struct peer *p)
{
	many_runs(p, 1);
}

static void test_par(struct peer *p)
{
	many_runs(p, jobs);
}

static double high_water_kib(pid_t pid)
{
	char path[64], line[256];
	double kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, "VmHWM:", 6) == 0)
			kib = strtod(line + 6, NULL);
	if (f)
		fclose(f);
	return kib;
}

/*
 * The peak of the runtime's own process, read while it stops at its end. Not ru_maxrss: that counts what the process
 * was before its exec, which is a copy of us.
 */
static void test_peak(struct peer *p)
{
	char id[64];
	char *argv[MAX_ARGS * 2];
	int argc = 0, status;
	double kib = 0;
	pid_t pid;

	new_id(p, id);
	for (; argc < p->argc; argc++)
		argv[argc] = p->argv[argc];
	argv[argc++] = (char *)"run";
	argv[argc++] = (char *)"--bundle";
	argv[argc++] = (char *)bundle;
	argv[argc++] = id;
	argv[argc] = NULL;
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		dup2(null, 0);
		dup2(null, 1);
		dup2(stderr_fd, 2);
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		execv(argv[0], argv);
		_exit(127);
	}
	/* The first stop is that of the exec. */
	if (waitpid(pid, &status, 0) < 0 || !WIFSTOPPED(status)) {
		failure(p, "run, traced");
		return;
	}
	ptrace(PTRACE_SETOPTIONS, pid, NULL,
		(void *)(long)(PTRACE_O_TRACEEXIT | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL));
	for (long sig = 0;;) {
		ptrace(PTRACE_CONT, pid, NULL, (void *)sig);
		if (waitpid(pid, &status, 0) < 0 || !WIFSTOPPED(status))
			break;
		/* An event (its own exec, its end) or a signal, which it gets. */
		sig = status >> 16 ? 0 : WSTOPSIG(status);
		if (status >> 16 == PTRACE_EVENT_EXIT)
			kib = high_water_kib(pid);
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		failure(p, "run, traced");
		force_delete(p, id);
		return;
	}
	value(p, "peak RSS", "KiB", kib);
}

static const struct test {
	const char *name;
	void (*begin)(struct peer *p);
	void (*sample)(struct peer *p);
	void (*end)(struct peer *p);
} tests[] = {
	{ "run", NULL, test_run, NULL },
	{ "life", NULL, test_life, NULL },
	{ "control", NULL, test_control, NULL },
	{ "exec", exec_begin, test_exec, exec_end },
	{ "seq", NULL, test_seq, NULL },
	{ "par", NULL, test_par, NULL },
	{ "peak", NULL, test_peak, NULL },
};

/* ---- rounds ---- */

static void shuffle(int order[static MAX_PEERS])
{
	for (int i = peer_count - 1; i > 0; i--) {
		int j = rand() % (i + 1), t = order[i];

		order[i] = order[j];
		order[j] = t;
	}
}

static void idle(void)
{
	struct timespec t = { .tv_sec = idle_ms / 1000, .tv_nsec = idle_ms % 1000 * 1000000L };

	if (idle_ms > 0)
		nanosleep(&t, NULL);
}

static void empty_directory(void)
{
	DIR *dir = emptied ? opendir(emptied) : NULL;
	struct dirent *e;

	while (dir && (e = readdir(dir)))
		if (e->d_name[0] != '.')
			unlinkat(dirfd(dir), e->d_name, 0);
	if (dir)
		closedir(dir);
}

static void measure(const struct test *t)
{
	int order[MAX_PEERS];

	for (int i = 0; i < peer_count; i++) {
		order[i] = i;
		if (t->begin)
			t->begin(&peers[i]);
	}
	for (int round = -warm_up; round < rounds; round++) {
		warming = round < 0;
		shuffle(order);
		for (int i = 0; i < peer_count; i++) {
			struct peer *p = &peers[order[i]];

			if (p->unusable)
				continue;
			alarm(SAMPLE_SECONDS);
			empty_directory();
			idle();
			t->sample(p);
		}
	}
	for (int i = 0; i < peer_count; i++)
		if (t->end)
			t->end(&peers[i]);
}

static bool add_peer(char *arg)
{
	char *command_line = strchr(arg, '='), *rest = NULL;
	struct peer *p = &peers[peer_count];

	if (!command_line || peer_count == MAX_PEERS)
		return false;
	*command_line++ = '\0';
	p->name = arg;
	for (char *word = strtok_r(command_line, " ", &rest); word;
		word = strtok_r(NULL, " ", &rest)) {
		if (p->argc == MAX_ARGS - 1)
			return false;
		p->argv[p->argc++] = word;
	}
	peer_count++;
	return p->argc > 0;
}

static int usage(void)
{
	fputs("usage: bench_oci [-b BUNDLE] [-s BUNDLE] [-n ROUNDS] [-w WARM-UP] [-g IDLE-MS] [-k "
	      "RUNS] [-j JOBS]"
	      " [-r REGIME] [-x DIRECTORY] run|life|control|exec|seq|par|peak NAME=COMMAND...\n",
		stderr);
	return 2;
}

static int number(const char *s)
{
	return (int)strtol(s, NULL, 10);
}

static const struct test *find_test(const char *name)
{
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		if (strcmp(name, tests[i].name) == 0)
			return &tests[i];
	return NULL;
}

static bool parse(int argc, char **argv)
{
	int opt;

	while ((opt = getopt(argc, argv, "b:s:n:w:g:k:j:r:x:")) != -1) {
		switch (opt) {
		case 'b':
			bundle = optarg;
			break;
		case 's':
			sleep_bundle = optarg;
			break;
		case 'n':
			rounds = number(optarg);
			break;
		case 'w':
			warm_up = number(optarg);
			break;
		case 'g':
			idle_ms = number(optarg);
			break;
		case 'k':
			runs = number(optarg);
			break;
		case 'j':
			jobs = number(optarg);
			break;
		case 'r':
			regime = optarg;
			break;
		case 'x':
			emptied = optarg;
			break;
		default:
			return false;
		}
	}
	if (optind + 1 >= argc || runs < 1 || jobs < 1)
		return false;
	test_name = argv[optind++];
	for (; optind < argc; optind++)
		if (!add_peer(argv[optind]))
			return false;
	return true;
}

int main(int argc, char **argv)
{
	const struct test *t;
	int fd;

	if (!parse(argc, argv))
		return usage();
	t = find_test(test_name);
	if (!t)
		return usage();
	stderr_fd = (int)syscall(SYS_memfd_create, "stderr", 1 /* MFD_CLOEXEC */);
	fd = mkstemp(pid_file);
	if (stderr_fd < 0 || fd < 0) {
		perror("bench_oci");
		return 1;
	}
	fcntl(stderr_fd, F_SETFL, O_APPEND);
	close(fd);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	srand((unsigned)getpid());
	measure(t);
	unlink(pid_file);
	return 0;
}
