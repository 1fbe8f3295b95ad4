/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor with the runtime in process and real children: what a shim does, without its wire. Each test runs in a
 * process of its own, parent and subreaper of what it starts, with mounts of its own. Needs root and a static busybox.
 */
#include "supervisor/native.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "exit/own_children.h"
#include "supervisor/exit_reaper.h"
#include "supervisor/fdtable.h"
#include "supervisor/supervisor.h"
#include "supervisor_ear.h"
#include "test.h"

#define BUSYBOX "/usr/bin/busybox"

struct bench {
	struct loop *loop;
	struct exit_source *exits;
	struct own_children *children;
	struct exit_reaper reaper;
	struct fdtable fds;
	struct native *native;
	struct supervisor *sup;
	struct log log;
	struct test_tmpdir dir;
	char state_root[128];
	char cgroup[64];
	uint64_t stream;
	int out; /* reading end of the init's stdout */
};

static void open_bench(struct bench *b)
{
	struct supervisor_config config = { .sink = &sink, .backend = &native_backend };
	struct native_config nc = { 0 };
	struct err err = { 0 };
	sigset_t mask;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	CHECK(sigprocmask(SIG_BLOCK, &mask, NULL) == 0);
	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	CHECK(unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	b->dir = test_tmpdir();
	snprintf(b->state_root, sizeof(b->state_root), "%s/state", b->dir.path);
	snprintf(b->cgroup, sizeof(b->cgroup), "/reeve-test-native-%d", getpid());
	CHECK(mkdirat(b->dir.fd, "state", 0700) == 0);
	CHECK(loop_new(&b->loop) == 0);
	CHECK(exit_source_new(b->loop, &b->exits) == 0);
	CHECK(own_children_new(b->loop, b->exits, &b->children) == 0);
	b->reaper.exits = b->exits;
	b->log = (struct log){ .fd = 2, .level = LOG_WARN_ };
	nc.loop = b->loop;
	nc.log = &b->log;
	nc.reaper = exit_reaper_table(&b->reaper);
	nc.state_root = b->state_root;
	if (native_new(&nc, &b->native, &err) < 0)
		snprintf(text, sizeof(text), "%s", err.text);
	CHECK(b->native);
	config.loop = b->loop;
	config.log = &b->log;
	config.backend_arg = b->native;
	config.exits = b->exits;
	config.fds = &b->fds;
	config.drain_idle_ns = 200 * NS_PER_MS;
	CHECK(supervisor_new(&config, &b->sup, NULL) == 0);
	b->out = -EBADF;
}

static size_t entries(const char *path)
{
	DIR *d = opendir(path);
	size_t n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

static bool any_cgroup(const struct bench *b)
{
	static const char *const roots[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/memory",
		"/sys/fs/cgroup/pids", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/freezer" };
	char path[256];

	for (size_t i = 0; i < ARRAY_LEN(roots); i++) {
		snprintf(path, sizeof(path), "%s%s", roots[i], b->cgroup);
		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

/* After the delete: no process, cgroup, state, fd or mount. */
static void check_nothing_left(struct bench *b)
{
	char path[160];

	for (int i = 0; i < 20; i++)
		loop_round(b->loop, 1);
	CHECK(supervisor_count(b->sup) == 0);
	CHECK(b->fds.n == 0);
	CHECK(waitid(P_ALL, 0, &(siginfo_t){ 0 }, WEXITED | WNOHANG) < 0 && errno == ECHILD);
	CHECK(!any_cgroup(b));
	snprintf(path, sizeof(path), "%s/n", b->state_root);
	CHECK(entries(path) == 2);
}

static void close_bench(struct bench *b)
{
	supervisor_free(b->sup);
	native_free(b->native);
	exit_reaper_done(&b->reaper);
	own_children_free(b->children);
	exit_source_free(b->exits);
	loop_free(b->loop);
	fdtable_done(&b->fds);
	fd_close(b->out);
	test_tmpdir_remove(&b->dir);
}

static void kill_all_in(const char *cgroup)
{
	char path[512];
	FILE *f;
	int pid;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	f = fopen(path, "re");
	while (f && fscanf(f, "%d", &pid) == 1)
		kill(pid, SIGKILL);
	if (f)
		fclose(f);
	for (int i = 0; i < 2000 && rmdir(cgroup) < 0 && errno == EBUSY; i++)
		usleep(5000);
}

/* What a test that failed has left would run for ever, and be in the way of one with the same pid. */
static void end_leftovers(pid_t pid)
{
	DIR *d = opendir("/sys/fs/cgroup");
	const struct dirent *e;
	char path[400];

	while (d && (e = readdir(d))) {
		snprintf(path, sizeof(path), "/sys/fs/cgroup/%s/reeve-test-native-%d", e->d_name,
			pid);
		if (strcmp(e->d_name, "..") != 0 && access(path, F_OK) == 0)
			kill_all_in(path);
	}
	if (d)
		closedir(d);
}

static void in_child(void (*run)(struct bench *b))
{
	int status;
	pid_t pid;

	if (geteuid() != 0)
		test_skip("containers with cgroups need root");
	if (access(BUSYBOX, X_OK) < 0)
		test_skip("needs a static busybox at " BUSYBOX);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		static struct bench b;
		size_t fds = test_open_fds();

		alarm(200);
		open_bench(&b);
		run(&b);
		close_bench(&b);
		CHECK(test_open_fds() == fds);
		exit(0); /* not _exit(): a sanitizer looks for leaks */
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status != 0)
		end_leftovers(pid);
	assert_int_equal(status, 0);
}

/* ---- containers ---- */

static void write_text(int dirfd, const char *name, const char *body)
{
	int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	CHECK(fd >= 0 && write(fd, body, strlen(body)) == (ssize_t)strlen(body));
	close(fd);
}

static void make_rootfs(struct bench *b)
{
	char to[160];
	int fd;

	CHECK(file_mkdirs_at(b->dir.fd, "b/rootfs/bin", 0755) == 0);
	CHECK(file_mkdirs_at(b->dir.fd, "b/rootfs/proc", 0755) == 0);
	CHECK(file_mkdirs_at(b->dir.fd, "b/rootfs/dev", 0755) == 0);
	snprintf(to, sizeof(to), "%s/b/rootfs/bin/sh", b->dir.path);
	fd = open(to, O_CREAT | O_WRONLY | O_CLOEXEC, 0755);
	CHECK(fd >= 0);
	close(fd);
	CHECK(mount(BUSYBOX, to, NULL, MS_BIND, NULL) == 0);
	for (int i = 0; i < 3; i++) {
		static const char *const links[] = { "cat", "sleep", "busybox" };
		char link[160];

		snprintf(link, sizeof(link), "b/rootfs/bin/%s", links[i]);
		CHECK(symlinkat("sh", b->dir.fd, link) == 0);
	}
}

/* `extra`: further members of linux. */
static void make_bundle(
	struct bench *b, const char *script, const char *namespaces, const char *extra)
{
	struct buf json = { 0 };

	make_rootfs(b);
	buf_adds(&json, "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"rootfs\"},\"process\":{"
			"\"user\":{\"uid\":0,\"gid\":0},"
			"\"cwd\":\"/\",\"env\":[\"PATH=/bin\"],\"args\":[\"/bin/sh\",\"-c\",");
	buf_add_json(&json, script);
	buf_addf(&json,
		"]},\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
		"{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"},"
		"{\"destination\":\"/dev/"
		"pts\",\"type\":\"devpts\",\"source\":\"devpts\",\"options\":"
		"[\"newinstance\",\"ptmxmode=0666\"]}],"
		"\"linux\":{\"cgroupsPath\":\"%s\",\"namespaces\":[%s]%s}}",
		b->cgroup, namespaces, extra);
	write_text(b->dir.fd, "b/config.json", json.data);
	buf_done(&json);
}

#define OWN "{\"type\":\"pid\"},{\"type\":\"mount\"},{\"type\":\"ipc\"},{\"type\":\"uts\"}"
#define SHARED "{\"type\":\"mount\"},{\"type\":\"ipc\"},{\"type\":\"uts\"}"

static void ask_full(struct bench *b, struct request req)
{
	req.ns = "n";
	req.id = "c";
	b->stream += 2;
	supervisor_request(b->sup, (struct task_addr){ 1, b->stream }, &req);
}

/* Ask, and wait for the answer. */
static void ask(struct bench *b, struct request req)
{
	ask_full(b, req);
	for (int i = 0; i < 2000 && !answered[b->stream]; i++)
		loop_round(b->loop, 10);
	CHECK(answered[b->stream]);
}

static void until(struct bench *b, const char *what)
{
	for (int i = 0; i < 2000 && !strstr(heard, what); i++)
		loop_round(b->loop, 10);
	CHECK(strstr(heard, what));
}

static void expect_heard(const char *want)
{
	if (strcmp(heard, want) != 0)
		fprintf(stderr, "# want: %s\n", want);
	CHECK(strcmp(heard, want) == 0);
	heard[0] = '\0';
}

static int make_fifo(struct bench *b, const char *name, char path[128])
{
	int fd;

	snprintf(path, 128, "%s/%s", b->dir.path, name);
	CHECK(mkfifo(path, 0700) == 0);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	CHECK(fd >= 0);
	return fd;
}

static void create(struct bench *b, const char *script, const char *namespaces, const char *extra,
	bool terminal)
{
	struct request req = { .type = REQ_CREATE };
	char bundle[128], out[128];

	make_bundle(b, script, namespaces, extra);
	snprintf(bundle, sizeof(bundle), "%s/b", b->dir.path);
	b->out = make_fifo(b, "out", out);
	req.create.bundle = bundle;
	req.create.stdio.out = out;
	req.create.stdio.terminal = terminal;
	ask(b, req);
	if (strstr(heard, "Create!"))
		fprintf(stderr, "# %s\n", text);
}

static void start(struct bench *b, const char *exec_id)
{
	ask(b, (struct request){ .type = REQ_START, .exec_id = exec_id });
}

static void delete_(struct bench *b)
{
	ask(b, (struct request){ .type = REQ_DELETE });
}

static void kill_(struct bench *b, const char *exec_id, int sig, bool all)
{
	struct request req = { .type = REQ_KILL, .exec_id = exec_id };

	req.kill.signal = (uint32_t)sig;
	req.kill.all = all;
	ask(b, req);
}

static void add_exec(
	struct bench *b, const char *exec_id, const char *args, const struct request_stdio *io)
{
	struct request req = { .type = REQ_EXEC, .exec_id = exec_id };
	char json[512];

	snprintf(json, sizeof(json),
		"{\"user\":{\"uid\":0,\"gid\":0},\"cwd\":\"/\",\"env\":[\"PATH=/"
		"bin\"],\"args\":[%s]}",
		args);
	req.exec.spec = json;
	req.exec.spec_size = strlen(json);
	if (io)
		req.exec.stdio = *io;
	ask(b, req);
}

static void read_all(struct bench *b, int fd, char *got, size_t size)
{
	size_t n = 0;

	for (int i = 0; i < 500 && n < size - 1; i++) {
		ssize_t r = read(fd, got + n, size - 1 - n);

		if (r == 0)
			break;
		n += r > 0 ? (size_t)r : 0;
		loop_round(b->loop, 10);
	}
	got[n] = '\0';
}

static void run_life(struct bench *b)
{
	char got[64];

	create(b, "echo hello; exit 7", OWN, "", false);
	expect_heard("+create Create:ok");
	CHECK(last_pid > 0);
	ask_full(b, (struct request){ .type = REQ_WAIT });
	start(b, NULL);
	until(b, "+exit");
	expect_heard("+start Start:ok Wait:7 +exit(init,7)");
	read_all(b, b->out, got, sizeof(got));
	CHECK(strcmp(got, "hello\n") == 0);
	ask(b, (struct request){ .type = REQ_STATE });
	delete_(b);
	expect_heard("State:stopped +delete Delete:7");
	check_nothing_left(b);
}

TEST(a_container_runs_and_leaves_nothing)
{
	in_child(run_life);
}

static void run_execs(struct bench *b)
{
	char path[128], got[64];
	struct request_stdio io = { .out = path };
	int out;

	create(b, "sleep 1000", OWN, "", false);
	start(b, NULL);
	heard[0] = '\0';
	out = make_fifo(b, "xout", path);
	add_exec(b, "x", "\"sh\",\"-c\",\"echo from exec; exit 3\"", &io);
	start(b, "x");
	until(b, "+exit");
	expect_heard("+exec-added Exec:ok +exec-started Start:ok +exit(x,3)");
	read_all(b, out, got, sizeof(got));
	CHECK(strcmp(got, "from exec\n") == 0);
	close(out);
	add_exec(b, "missing", "\"no-such-program\"", NULL);
	start(b, "missing");
	CHECK(strcmp(text, "OCI runtime exec failed: exec: \"no-such-program\": executable file "
			   "not found in $PATH") == 0);
	add_exec(b, "long", "\"sleep\",\"1000\"", NULL);
	start(b, "long");
	/* the process of the one that failed may be about to leave the cgroup */
	for (int i = 0; i < 200 && last_n_pids != 2; i++) {
		ask(b, (struct request){ .type = REQ_PIDS });
		loop_round(b->loop, 10);
	}
	CHECK(last_n_pids == 2);
	heard[0] = '\0';
	kill_(b, "long", SIGKILL, false);
	until(b, "+exit");
	expect_heard("Kill:ok +exit(long,137)");
	ask(b, (struct request){ .type = REQ_STATS });
	CHECK(has_stats);
	add_exec(b, "last", "\"sleep\",\"1000\"", NULL);
	start(b, "last");
	heard[0] = '\0';
	kill_(b, NULL, SIGKILL,
		false); /* the kernel kills the exec with it: its exit comes first */
	until(b, "+exit(init");
	expect_heard("Kill:ok +exit(last,137) +exit(init,137)");
	delete_(b);
	expect_heard("+delete Delete:137");
	check_nothing_left(b);
}

TEST(execs_come_and_go)
{
	in_child(run_execs);
}

static void on_quiet(void *arg, int fd, int timeout_ms)
{
	*(bool *)arg = true;
}

/* Copies of all sockets that barriers are made of, as a guardian has them. */
static size_t copy_barriers(int copies[static 16])
{
	size_t n = 0;

	for (int fd = 3; fd < 64 && n < 16; fd++) {
		int type = 0;

		if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &(socklen_t){ sizeof(type) }) == 0 &&
			type == SOCK_SEQPACKET)
			copies[n++] = fcntl(fd, F_DUPFD_CLOEXEC, 64);
	}
	return n;
}

static void run_with_copies(struct bench *b)
{
	int copies[16];
	bool quiet = false;
	size_t n;

	create(b, "sleep 1000", OWN, "", false);
	n = copy_barriers(copies);
	CHECK(n > 0);
	start(b, NULL);
	loop_on_quiet(b->loop, 5, on_quiet, &quiet);
	for (int i = 0; i < 2000 && !quiet; i++)
		loop_round(b->loop, 10);
	CHECK(quiet);
	loop_on_quiet(b->loop, 0, NULL, NULL);
	while (n > 0)
		close(copies[--n]);
	kill_(b, NULL, SIGKILL, false);
	until(b, "+exit(init");
	delete_(b);
	check_nothing_left(b);
}

TEST(a_copy_of_a_barrier_does_not_keep_the_loop_busy)
{
	in_child(run_with_copies);
}

static void run_failures(struct bench *b)
{
	struct request req = { .type = REQ_CREATE };
	char bundle[128], config[512];

	make_bundle(b, "true", OWN, "");
	snprintf(bundle, sizeof(bundle), "%s/none", b->dir.path);
	req.create.bundle = bundle;
	ask(b, req);
	expect_heard("Create!2");
	CHECK(strstr(text, "OCI runtime create failed: open bundle"));
	snprintf(config, sizeof(config),
		"{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"rootfs\"},\"process\":{\"user\":{"
		"\"uid\":0,\"gid\":0},\"cwd\":\"/\",\"args\":[\"nothing\"]},"
		"\"linux\":{\"cgroupsPath\":\"%s\",\"namespaces\":[{\"type\":\"mount\"}]}}",
		b->cgroup);
	write_text(b->dir.fd, "b/config.json", config);
	snprintf(bundle, sizeof(bundle), "%s/b", b->dir.path);
	ask(b, req);
	CHECK(strcmp(text, "OCI runtime create failed: exec: \"nothing\": executable file not "
			   "found in $PATH") == 0);
	expect_heard("Create!2");
	req.create.options.systemd_cgroup = true;
	ask(b, req);
	CHECK(strstr(text, "\"slice:prefix:name\""));
	check_nothing_left(b);
}

TEST(a_create_that_fails_says_why_and_leaves_nothing)
{
	in_child(run_failures);
}

static void run_never_started(struct bench *b)
{
	create(b, "true", OWN, "", false);
	delete_(b);
	expect_heard("+create Create:ok +exit(init,137) +delete Delete:137");
	check_nothing_left(b);
}

TEST(what_was_never_started_can_be_deleted)
{
	in_child(run_never_started);
}

static void run_shared(struct bench *b)
{
	create(b, "sleep 1000 & sleep 1000 & exit 4", SHARED, "", false);
	start(b, NULL);
	until(b, "+exit");
	expect_heard("+create Create:ok +start Start:ok +exit(init,4)");
	delete_(b); /* everything it left has been killed: its output ends */
	expect_heard("+delete Delete:4");
	check_nothing_left(b);
}

TEST(in_a_shared_pid_namespace_nobody_survives_the_init)
{
	in_child(run_shared);
}

static void run_pause(struct bench *b)
{
	create(b, "sleep 1000", OWN, "", false);
	start(b, NULL);
	ask(b, (struct request){ .type = REQ_PAUSE });
	ask(b, (struct request){ .type = REQ_STATE });
	ask(b, (struct request){ .type = REQ_RESUME });
	ask(b, (struct request){ .type = REQ_STATE });
	ask(b, (struct request){ .type = REQ_PAUSE });
	heard[0] = '\0';
	kill_(b, NULL, SIGKILL, false); /* while it is frozen */
	until(b, "+exit");
	expect_heard("Kill:ok +exit(init,137)");
	delete_(b);
	heard[0] = '\0';
	check_nothing_left(b);
}

TEST(a_frozen_container_can_be_killed)
{
	in_child(run_pause);
}

static void run_terminal(struct bench *b)
{
	char got[128];

	create(b, "test -t 0 && test -t 1 && echo terminal; cat /proc/self/cmdline >/dev/null", OWN,
		"", true);
	start(b, NULL);
	until(b, "+exit");
	read_all(b, b->out, got, sizeof(got));
	CHECK(strcmp(got, "terminal\r\n") == 0);
	delete_(b);
	check_nothing_left(b);
}

TEST(a_terminal_works)
{
	in_child(run_terminal);
}

static void run_stdin(struct bench *b)
{
	struct request req = { .type = REQ_CREATE };
	char bundle[128], in[128], out[128], got[64];
	int writer;

	make_bundle(b, "cat", OWN, "");
	snprintf(bundle, sizeof(bundle), "%s/b", b->dir.path);
	b->out = make_fifo(b, "out", out);
	close(make_fifo(b, "in", in));
	req.create.bundle = bundle;
	req.create.stdio.in = in;
	req.create.stdio.out = out;
	ask(b, req);
	start(b, NULL);
	writer = open(in, O_WRONLY | O_CLOEXEC);
	CHECK(writer >= 0 && write(writer, "typed\n", 6) == 6);
	close(writer);
	ask(b, (struct request){ .type = REQ_CLOSE_IO });
	until(b, "+exit(init,0)");
	read_all(b, b->out, got, sizeof(got));
	CHECK(strcmp(got, "typed\n") == 0);
	delete_(b);
	check_nothing_left(b);
}

TEST(stdin_reaches_the_program_and_ends)
{
	in_child(run_stdin);
}

static void run_oom(struct bench *b)
{
	create(b, "x=a; while true; do x=$x$x$x$x; done", OWN,
		",\"resources\":{\"memory\":{\"limit\":8388608}}", false);
	if (strstr(heard, "Create!")) {
		fprintf(stderr, "# no memory limit here: %s\n", text);
		return;
	}
	start(b, NULL);
	until(b, "+exit");
	CHECK(strstr(heard, "+oom"));
	CHECK(strstr(heard, "+oom") < strstr(heard, "+exit"));
	delete_(b);
	check_nothing_left(b);
}

TEST(an_oom_kill_is_told_before_the_exit)
{
	in_child(run_oom);
}

static void run_update(struct bench *b)
{
	struct request req = { .type = REQ_UPDATE };

	create(b, "sleep 1000", OWN, "", false);
	start(b, NULL);
	heard[0] = '\0';
	req.update.resources = "{\"pids\":{\"limit\":123}}";
	req.update.size = strlen(req.update.resources);
	ask(b, req);
	expect_heard("Update:ok");
	req.update.resources = "{\"pids\":";
	req.update.size = strlen(req.update.resources);
	ask(b, req);
	expect_heard("Update!2");
	ask(b, (struct request){ .type = REQ_CHECKPOINT }); /* without a directory */
	expect_heard("Checkpoint!2");
	kill_(b, NULL, SIGKILL, true);
	until(b, "+exit");
	delete_(b);
	check_nothing_left(b);
}

TEST(limits_change_while_it_runs)
{
	in_child(run_update);
}
