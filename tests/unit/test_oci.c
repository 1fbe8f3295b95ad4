/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor with an OCI runtime's binary: a fake one (tests/lib/fakert.c) that makes real processes and fails as it
 * is told to. Each test runs in a process of its own, parent and subreaper of what it starts.
 */
#include "supervisor/oci.h"

#include <limits.h>
#include <signal.h>
#include <sys/prctl.h>
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

struct bench {
	struct loop *loop;
	struct exit_source *exits;
	struct own_children *children;
	struct exit_reaper reaper;
	struct fdtable fds;
	struct oci *oci;
	struct supervisor *sup;
	struct log log;
	struct test_tmpdir dir;
	char bundle[128], calls[128], root[128], program[PATH_MAX];
	uint64_t stream;
};

/* ---- bench ---- */

static void write_text(int dirfd, const char *name, const char *body)
{
	int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	CHECK(fd >= 0 && write(fd, body, strlen(body)) == (ssize_t)strlen(body));
	close(fd);
}

static void find_fakert(char path[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 64);

	CHECK(n > 0);
	path[n] = '\0';
	snprintf(strrchr(path, '/'), 64, "/../lib/fakert");
	CHECK(access(path, X_OK) == 0);
}

static void make_directories(struct bench *b)
{
	b->dir = test_tmpdir();
	snprintf(b->bundle, sizeof(b->bundle), "%s/b", b->dir.path);
	snprintf(b->calls, sizeof(b->calls), "%s/calls", b->dir.path);
	snprintf(b->root, sizeof(b->root), "%s/state", b->dir.path);
	CHECK(mkdirat(b->dir.fd, "b", 0700) == 0 && mkdirat(b->dir.fd, "state", 0700) == 0);
	CHECK(mkdirat(b->dir.fd, "work", 0700) == 0);
	CHECK(symlinkat("../work", b->dir.fd, "b/work") == 0);
	write_text(b->dir.fd, "b/config.json", "{\"linux\":{\"namespaces\":[{\"type\":\"pid\"}]}}");
	write_text(b->dir.fd, "calls", "");
	find_fakert(b->program);
	setenv("FAKERT_CALLS", b->calls, 1);
}

static void open_bench(struct bench *b)
{
	struct supervisor_config config = { .sink = &sink, .backend = &oci_backend };
	struct oci_config oc = { .limit_ns = 20 * NS_PER_SEC };
	sigset_t mask;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	CHECK(sigprocmask(SIG_BLOCK, &mask, NULL) == 0);
	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	make_directories(b);
	CHECK(loop_new(&b->loop) == 0);
	CHECK(exit_source_new(b->loop, &b->exits) == 0);
	CHECK(own_children_new(b->loop, b->exits, &b->children) == 0);
	b->reaper.exits = b->exits;
	b->log = (struct log){ .fd = -1, .level = LOG_WARN_ };
	oc.loop = b->loop;
	oc.reaper = exit_reaper_table(&b->reaper);
	oc.exits = b->exits;
	oc.search = "/nowhere:relative";
	if (getenv("FAKERT_LIMIT_MS"))
		oc.limit_ns = strtoull(getenv("FAKERT_LIMIT_MS"), NULL, 10) * NS_PER_MS;
	CHECK(oci_new(&oc, &b->oci, NULL) == 0);
	config.loop = b->loop;
	config.backend_arg = b->oci;
	config.exits = b->exits;
	config.fds = &b->fds;
	config.drain_idle_ns = 200 * NS_PER_MS;
	CHECK(supervisor_new(&config, &b->sup, NULL) == 0);
}

static void rounds(struct bench *b, int n)
{
	while (n-- > 0)
		loop_round(b->loop, 1);
}

/* No process, fd, state, nor file in the bundle but config.json, the record, init.pid and the link. */
static void check_nothing_left(struct bench *b)
{
	static const char *const known[] = { ".", "..", "config.json", "reeve.json", "init.pid",
		"work" };
	DIR *d = opendir(b->bundle);
	struct dirent *e;

	rounds(b, 20);
	CHECK(supervisor_count(b->sup) == 0);
	CHECK(b->fds.n == 0);
	CHECK(waitid(P_ALL, 0, &(siginfo_t){ 0 }, WEXITED | WNOHANG | WNOWAIT) < 0 &&
		errno == ECHILD);
	CHECK(d);
	while ((e = readdir(d))) {
		bool is_known = false;

		for (size_t i = 0; i < ARRAY_LEN(known); i++)
			is_known |= strcmp(known[i], e->d_name) == 0;
		if (!is_known)
			fprintf(stderr, "# left: %s\n", e->d_name);
		CHECK(is_known);
	}
	closedir(d);
	CHECK(rmdir(b->root) == 0);
}

static void close_bench(struct bench *b)
{
	supervisor_free(b->sup);
	oci_free(b->oci);
	rounds(b, 1);
	exit_reaper_done(&b->reaper);
	own_children_free(b->children);
	exit_source_free(b->exits);
	loop_free(b->loop);
	fdtable_done(&b->fds);
	test_tmpdir_remove(&b->dir);
}

static void in_child(void (*run)(struct bench *b))
{
	int status;
	pid_t pid;

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
	assert_int_equal(status, 0);
}

/* ---- requests ---- */

static void ask_full(struct bench *b, struct request req)
{
	req.ns = "n";
	req.id = "c";
	b->stream += 2;
	supervisor_request(b->sup, (struct task_addr){ 1, b->stream }, &req);
}

static void ask(struct bench *b, struct request req)
{
	uint64_t stream;

	ask_full(b, req);
	stream = b->stream;
	for (int i = 0; i < 3000 && !answered[stream]; i++)
		loop_round(b->loop, 10);
	CHECK(answered[stream]);
}

static void until(struct bench *b, const char *what)
{
	for (int i = 0; i < 3000 && !strstr(heard, what); i++)
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

static struct request create_request(struct bench *b)
{
	struct request req = { .type = REQ_CREATE };

	req.create.bundle = b->bundle;
	req.create.options.binary_name = b->program;
	req.create.options.root = b->root;
	return req;
}

static void create(struct bench *b, const char *init)
{
	setenv("FAKERT_INIT", init, 1);
	ask(b, create_request(b));
	if (strstr(heard, "Create!"))
		fprintf(stderr, "# %s\n", text);
}

static void start(struct bench *b, const char *exec_id)
{
	ask(b, (struct request){ .type = REQ_START, .exec_id = exec_id });
}

static void kill_(struct bench *b, const char *exec_id, int sig, bool all)
{
	struct request req = { .type = REQ_KILL, .exec_id = exec_id };

	req.kill.signal = (uint32_t)sig;
	req.kill.all = all;
	ask(b, req);
}

static void delete_(struct bench *b)
{
	ask(b, (struct request){ .type = REQ_DELETE });
}

static void add_exec(struct bench *b, const char *exec_id, const char *script, bool terminal)
{
	struct request req = { .type = REQ_EXEC, .exec_id = exec_id };
	char json[512];

	snprintf(json, sizeof(json),
		"{\"unknown\":1e3,\"terminal\":false,\"cwd\":\"/"
		"\",\"args\":[\"sh\",\"-c\",\"%s\"]}",
		script);
	req.exec.spec = json;
	req.exec.spec_size = strlen(json);
	req.exec.stdio.terminal = terminal;
	ask(b, req);
}

/* A container that runs, and silence. */
static void run_container(struct bench *b)
{
	create(b, "exec sleep 100");
	start(b, NULL);
	expect_heard("+create Create:ok +start Start:ok");
}

static void end_container(struct bench *b)
{
	heard[0] = '\0';
	kill_(b, NULL, SIGKILL, false);
	until(b, "+exit(init,137)");
	delete_(b);
	until(b, "Delete:137");
	check_nothing_left(b);
}

/* The lines of calls so far, joined. */
static const char *calls(struct bench *b)
{
	static char all[16384];
	int fd = open(b->calls, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, all, sizeof(all) - 1);

	close(fd);
	CHECK(n >= 0);
	all[n] = '\0';
	return all;
}

__attribute__((format(printf, 2, 3))) static void expect_call(struct bench *b, const char *fmt, ...)
{
	char want[1024] = "\n";
	va_list ap;
	auto_free char *all = NULL;

	va_start(ap, fmt);
	vsnprintf(want + 1, sizeof(want) - 2, fmt, ap);
	va_end(ap);
	strncat(want, "\n", 2);
	CHECK(asprintf(&all, "\n%s", calls(b)) > 0);
	if (!strstr(all, want))
		fprintf(stderr, "# want a call:%s# calls:%s", want, all);
	CHECK(strstr(all, want));
}

/* ---- what goes well ---- */

static void run_life(struct bench *b)
{
	create(b, "sleep 0.1; exit 7");
	expect_heard("+create Create:ok");
	CHECK(last_pid > 0);
	expect_call(b, "create --bundle %s --pid-file %s/init.pid c", b->bundle, b->bundle);
	ask_full(b, (struct request){ .type = REQ_WAIT });
	start(b, NULL);
	until(b, "+exit");
	expect_heard("+start Start:ok Wait:7 +exit(init,7)");
	ask(b, (struct request){ .type = REQ_STATE });
	ask(b, (struct request){ .type = REQ_PIDS });
	CHECK(last_n_pids == 1);
	delete_(b);
	expect_heard("State:stopped Pids:ok +delete Delete:7");
	expect_call(b, "delete --force c");
	check_nothing_left(b);
}

TEST(a_container_runs_and_leaves_nothing)
{
	in_child(run_life);
}

static void run_options(struct bench *b)
{
	struct request req = create_request(b);

	req.create.options.no_pivot_root = true;
	req.create.options.no_new_keyring = true;
	req.create.options.systemd_cgroup = true;
	setenv("FAKERT_INIT", "exec sleep 100", 1);
	ask(b, req);
	expect_call(b, "create --bundle %s --pid-file %s/init.pid --no-pivot --no-new-keyring c",
		b->bundle, b->bundle);
	start(b, NULL);
	ask(b, (struct request){ .type = REQ_PAUSE });
	ask(b, (struct request){ .type = REQ_RESUME });
	req = (struct request){ .type = REQ_UPDATE };
	req.update.resources = "{\"pids\":{\"limit\":5}}";
	req.update.size = strlen(req.update.resources);
	ask(b, req);
	expect_heard("+create Create:ok +start Start:ok +paused Pause:ok +resumed Resume:ok "
		     "Update:ok");
	expect_call(b, "start c");
	expect_call(b, "pause c");
	expect_call(b, "resume c");
	expect_call(b, "update --resources=- c <{\"pids\":{\"limit\":5}}>");
	kill_(b, NULL, SIGUSR1, true);
	expect_call(b, "kill --all c 10");
	until(b, "+exit(init");
	delete_(b);
	check_nothing_left(b);
}

TEST(requests_become_calls)
{
	in_child(run_options);
}

static void run_execs(struct bench *b)
{
	run_container(b);
	add_exec(b, "x", "exit 3", false);
	start(b, "x");
	until(b, "+exit");
	expect_heard("+exec-added Exec:ok +exec-started Start:ok +exit(x,3)");
	add_exec(b, "long", "exec sleep 100", false);
	start(b, "long");
	kill_(b, "long", SIGKILL, false);
	until(b, "+exit");
	expect_heard("+exec-added Exec:ok +exec-started Start:ok Kill:ok +exit(long,137)");
	end_container(b);
}

TEST(execs_come_and_go)
{
	in_child(run_execs);
}

/* RACE-1, 2, 3: the process is reaped before anybody knows its pid. */
static void run_dead(struct bench *b)
{
	setenv("FAKERT_CREATE", "dead", 1);
	create(b, "exit 5");
	until(b, "+exit");
	expect_heard("+create Create:ok +exit(init,5)");
	delete_(b);
	expect_heard("+delete Delete:5");
	unsetenv("FAKERT_CREATE");
	run_container(b);
	setenv("FAKERT_EXEC", "dead", 1);
	for (int i = 0; i < 10; i++) {
		char id[16];

		snprintf(id, sizeof(id), "x%d", i);
		add_exec(b, id, "exit 6", false);
		start(b, id);
		until(b, "+exit");
		CHECK(strstr(heard, "+exec-started Start:ok +exit(x") && strstr(heard, ",6)"));
		heard[0] = '\0';
	}
	end_container(b);
}

TEST(an_exit_before_its_pid_is_known_is_told_after_the_start)
{
	in_child(run_dead);
}

/* Ten at once, each with its own status, half of them dead before they are known. */
static void run_many(struct bench *b)
{
	run_container(b);
	for (int i = 0; i < 10; i++) {
		char id[16], script[32];

		snprintf(id, sizeof(id), "x%d", i);
		snprintf(script, sizeof(script), "exit %d", i);
		setenv("FAKERT_EXEC", i % 2 ? "dead" : "", 1);
		add_exec(b, id, script, false);
		ask_full(b, (struct request){ .type = REQ_START, .exec_id = id });
	}
	for (int i = 0; i < 10; i++) {
		char want[32];

		snprintf(want, sizeof(want), "+exit(x%d,%d)", i, i);
		until(b, want);
	}
	end_container(b);
}

TEST(execs_at_once_keep_their_statuses)
{
	in_child(run_many);
}

static bool has_fd(const struct bench *b, const char *end)
{
	for (size_t i = 0; i < b->fds.n; i++)
		if (str_ends(b->fds.entries[i].name, end))
			return true;
	return false;
}

static void run_terminal(struct bench *b)
{
	struct request req = create_request(b);

	req.create.stdio.terminal = true;
	setenv("FAKERT_INIT", "test -t 0 || exit 1; exec sleep 100", 1);
	ask(b, req);
	start(b, NULL);
	expect_heard("+create Create:ok +start Start:ok");
	CHECK(has_fd(b, "i/pty"));
	add_exec(b, "x", "test -t 0 && exit 4", true);
	start(b, "x");
	until(b, "+exit(x,4)");
	end_container(b);
}

TEST(terminals_come_by_their_socket)
{
	in_child(run_terminal);
}

/* ---- what fails ---- */

static void expect_create_fails(struct bench *b, const char *how, const char *why)
{
	setenv("FAKERT_CREATE", how, 1);
	create(b, "exec sleep 100");
	if (!strstr(text, why))
		fprintf(stderr, "# want: %s\n", why);
	CHECK(strstr(text, why) && str_starts(text, "OCI runtime create failed: "));
	CHECK(str_starts(heard, "Create!"));
	heard[0] = '\0';
	CHECK(supervisor_count(b->sup) == 0);
	rounds(b, 5);
}

static void run_create_failures(struct bench *b)
{
	expect_create_fails(b, "fail", "create failed: create refused");
	expect_create_fails(b, "half", "create failed: create refused");
	expect_create_fails(b, "mute", "exit status 3");
	expect_create_fails(b, "garbage", "pid file says '12x4', which is no pid");
	expect_create_fails(b, "nopid", "has written no pid file");
	expect_create_fails(b, "foreign", "which is a process that it has not left to us");
	expect_create_fails(b, "nobody", "which is no process");
	expect_call(b, "delete --force c");
	check_nothing_left(b);
}

TEST(a_create_that_fails_says_why_and_leaves_nothing)
{
	setenv("FAKERT_LIMIT_MS", "2000", 1);
	in_child(run_create_failures);
	unsetenv("FAKERT_LIMIT_MS");
}

static void run_taken(struct bench *b)
{
	expect_create_fails(b, "taken", "already exists");
	CHECK(!strstr(calls(b), "delete"));
	CHECK(faccessat(b->dir.fd, "b/reeve.json", F_OK, 0) < 0);
	check_nothing_left(b);
}

TEST(a_container_of_somebody_else_is_not_deleted)
{
	in_child(run_taken);
}

static void run_missing(struct bench *b)
{
	struct request req = create_request(b);

	req.create.options.binary_name = "no-runc";
	ask(b, req);
	CHECK(strcmp(text, "OCI runtime create failed: exec: \"no-runc\": executable file not "
			   "found in $PATH") == 0);
	expect_heard("Create!2");
	check_nothing_left(b);
}

TEST(a_runtime_that_is_not_there_is_named)
{
	in_child(run_missing);
}

static void run_hanging(struct bench *b)
{
	expect_create_fails(b, "hangafter", "did not end in time and was killed");
	setenv("FAKERT_DELETE", "hang", 1); /* and what is to undo it as well */
	expect_create_fails(b, "hang", "did not end in time and was killed");
	unsetenv("FAKERT_DELETE");
	unsetenv("FAKERT_CREATE");
	run_container(b);
	setenv("FAKERT_EXEC", "hang", 1);
	add_exec(b, "x", "exit 1", false);
	start(b, "x");
	CHECK(strstr(text, "OCI runtime exec failed: 'fakert' did not end in time"));
	expect_heard("+exec-added Exec:ok Start!4");
	setenv("FAKERT_PAUSE", "hang", 1);
	ask(b, (struct request){ .type = REQ_PAUSE });
	CHECK(strstr(text, "did not end in time"));
	end_container(b);
}

TEST(a_runtime_that_hangs_is_killed_with_all_its_group)
{
	setenv("FAKERT_LIMIT_MS", "2000", 1);
	in_child(run_hanging);
	unsetenv("FAKERT_LIMIT_MS");
}

static void run_terminal_failures(struct bench *b)
{
	static const struct {
		char how[16], why[64];
	} rows[] = {
		{ "noterm", "the runtime closed the console socket without a terminal" },
		{ "notty", "the runtime sent no terminal over the console socket" },
		{ "nosocket", "the runtime has sent no terminal" },
		{ "noterm fail", "exec refused" },
	};

	run_container(b);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char id[16];

		snprintf(id, sizeof(id), "x%zu", i);
		setenv("FAKERT_EXEC", rows[i].how, 1);
		add_exec(b, id, "exec sleep 100", true);
		heard[0] = '\0';
		start(b, id);
		if (!strstr(text, rows[i].why))
			fprintf(stderr, "# want: %s\n", rows[i].why);
		CHECK(strstr(text, rows[i].why));
		expect_heard("Start!2");
	}
	end_container(b); /* and none of the four processes is left */
}

TEST(a_terminal_that_does_not_come_is_an_error_and_its_process_ends)
{
	setenv("FAKERT_LIMIT_MS", "2000", 1);
	in_child(run_terminal_failures);
	unsetenv("FAKERT_LIMIT_MS");
}

static void run_kills(struct bench *b)
{
	run_container(b);
	setenv("FAKERT_KILL", "finished", 1);
	kill_(b, NULL, SIGTERM, false);
	CHECK(strcmp(text, "process already finished: not found") == 0);
	setenv("FAKERT_KILL", "gone", 1);
	kill_(b, NULL, SIGTERM, false);
	CHECK(strcmp(text, "no such container: not found") == 0);
	setenv("FAKERT_KILL", "fail", 1);
	kill_(b, NULL, SIGTERM, false);
	CHECK(strcmp(text, "unknown error after kill: kill refused") == 0);
	unsetenv("FAKERT_KILL");
	expect_heard("Kill!5 Kill!5 Kill!2");
	setenv("FAKERT_DELETE", "mute", 1);
	kill_(b, NULL, SIGKILL, false);
	until(b, "+exit(init,137)");
	heard[0] = '\0'; /* which may have come before the runtime ended: its Kill:ok */
	delete_(b);
	CHECK(strcmp(text, "failed to delete task: exit status 3: delete said so") == 0);
	unsetenv("FAKERT_DELETE");
	delete_(b);
	expect_heard("Delete!2 +delete Delete:137");
	check_nothing_left(b);
}

TEST(what_runtimes_say_becomes_what_clients_look_for)
{
	in_child(run_kills);
}

static void run_shared(struct bench *b)
{
	write_text(b->dir.fd, "b/config.json",
		"{\"linux\":{\"namespaces\":[{\"type\":\"pid\",\"path\":\"/p\"}]}}");
	setenv("FAKERT_KILL", "hang", 1);
	create(b, "exit 2");
	until(b, "+exit(init,2)");
	heard[0] = '\0';
	delete_(b);
	expect_heard("+delete Delete:2"); /* after the kill of what init left was given up */
	CHECK(strstr(calls(b), "kill --all c 9\ndelete --force c\n"));
	check_nothing_left(b);
}

TEST(what_init_leaves_is_killed_before_the_delete)
{
	setenv("FAKERT_LIMIT_MS", "2000", 1);
	in_child(run_shared);
	unsetenv("FAKERT_LIMIT_MS");
}

static void run_deadline(struct bench *b)
{
	struct request req = create_request(b);

	setenv("FAKERT_CREATE", "hang", 1);
	req.deadline_boot_ns = clock_boot_ns() + 200 * NS_PER_MS;
	ask(b, req);
	expect_heard("Create!1");
	unsetenv("FAKERT_CREATE");
	run_container(b);
	setenv("FAKERT_EXEC", "hang", 1);
	add_exec(b, "x", "exit 1", false);
	heard[0] = '\0';
	ask(b, (struct request){ .type = REQ_START,
		       .exec_id = "x",
		       .deadline_boot_ns = clock_boot_ns() + 200 * NS_PER_MS });
	expect_heard("Start!1");
	end_container(b);
}

TEST(a_deadline_ends_the_runtime)
{
	in_child(run_deadline);
}

/* ---- checkpoint, restore ---- */

static void run_checkpoint(struct bench *b)
{
	static const char *const namespaces[] = { "network" };
	struct request req = { .type = REQ_CHECKPOINT };

	run_container(b);
	req.checkpoint.path = "/images";
	req.checkpoint.work_path = b->root;
	req.checkpoint.open_tcp = req.checkpoint.file_locks = true;
	req.checkpoint.empty_namespaces = namespaces;
	req.checkpoint.n_empty_namespaces = 1;
	ask(b, req);
	expect_call(b,
		"checkpoint --image-path /images --work-path %s --tcp-established --file-locks "
		"--empty-ns network --leave-running c",
		b->root);
	req = (struct request){ .type = REQ_CHECKPOINT };
	req.checkpoint.path = "/images";
	req.checkpoint.exit = true;
	ask(b, req);
	CHECK(strstr(calls(b), "/b/work/criu-work."));
	setenv("FAKERT_CHECKPOINT", "fail", 1);
	ask(b, req);
	CHECK(strcmp(text, "OCI runtime checkpoint failed: checkpoint refused") == 0);
	end_container(b);
	CHECK(unlinkat(b->dir.fd, "work", AT_REMOVEDIR) == 0); /* nothing of ours is in it */
}

TEST(checkpoints_are_the_runtimes)
{
	in_child(run_checkpoint);
}

static void run_restore(struct bench *b)
{
	struct request req = create_request(b);

	setenv("FAKERT_INIT", "exit 8", 1);
	req.create.checkpoint = "/images";
	ask(b, req);
	CHECK(last_pid == 0 && !strstr(calls(b), "restore"));
	setenv("FAKERT_RESTORE", "fail", 1);
	start(b, NULL);
	CHECK(strcmp(text, "OCI runtime restore failed: restore refused") == 0);
	unsetenv("FAKERT_RESTORE");
	start(b, NULL);
	until(b, "+exit");
	expect_heard("+create Create:ok Start!2 +start Start:ok +exit(init,8)");
	expect_call(b, "restore --image-path /images --detach --bundle %s --pid-file %s/init.pid c",
		b->bundle, b->bundle);
	delete_(b);
	check_nothing_left(b);
}

TEST(a_restore_is_a_start)
{
	in_child(run_restore);
}

static void run_never_restored(struct bench *b)
{
	struct request req = create_request(b);

	req.create.checkpoint = "/images";
	ask(b, req);
	delete_(b);
	expect_heard("+create Create:ok +delete Delete:0");
	CHECK(*calls(b) == '\0');
	check_nothing_left(b);
}

TEST(what_was_never_restored_can_be_deleted)
{
	in_child(run_never_restored);
}

/* ---- with a cgroup ---- */

static char cgroup[128];

static bool make_cgroup(void)
{
	static const char *const parents[] = { "/sys/fs/cgroup/pids", "/sys/fs/cgroup" };

	for (size_t i = 0; i < ARRAY_LEN(parents); i++) {
		snprintf(cgroup, sizeof(cgroup), "%s/cgroup.procs", parents[i]);
		if (access(cgroup, W_OK) < 0)
			continue;
		snprintf(cgroup, sizeof(cgroup), "%s/reeve-test-oci-%d", parents[i], getpid());
		if (mkdir(cgroup, 0755) == 0)
			return true;
	}
	return false;
}

/* What is killed takes a moment to leave. */
static void until_pids(struct bench *b, size_t n)
{
	last_n_pids = 0;
	for (int i = 0; i < 300 && last_n_pids != n; i++) {
		ask(b, (struct request){ .type = REQ_PIDS });
		heard[0] = '\0';
		rounds(b, 10);
	}
	CHECK(last_n_pids == n);
}

static void run_strays(struct bench *b)
{
	static const char *const how[] = { "garbage", "nopid", "init", "hangafter" };

	run_container(b);
	for (size_t i = 0; i < ARRAY_LEN(how); i++) {
		setenv("FAKERT_EXEC", how[i], 1);
		add_exec(b, how[i], "exec sleep 100", false);
		start(b, how[i]);
		CHECK(strstr(heard, "Start!"));
		CHECK(strcmp(how[i], "init") != 0 ||
			strstr(text, "which is the process of another"));
	}
	until_pids(b, 1);
	unsetenv("FAKERT_EXEC");
	add_exec(b, "x", "exec sleep 100", false);
	start(b, "x");
	until_pids(b, 2);
	ask(b, (struct request){ .type = REQ_STATS });
	CHECK(has_stats);
	heard[0] = '\0';
	kill_(b, "x", SIGKILL, false);
	until(b, "+exit(x,137)");
	end_container(b);
}

TEST(an_exec_whose_pid_nobody_tells_is_found_and_killed)
{
	if (geteuid() != 0)
		test_skip("a cgroup needs root");
	if (!make_cgroup())
		test_skip("no cgroup can be made");
	setenv("FAKERT_CGROUP", cgroup, 1);
	setenv("FAKERT_LIMIT_MS", "2000", 1);
	in_child(run_strays);
	unsetenv("FAKERT_LIMIT_MS");
	unsetenv("FAKERT_CGROUP");
	assert_int_equal(rmdir(cgroup), 0);
}
