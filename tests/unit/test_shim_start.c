/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The start action as a whole. The worker of the guardian that it starts is this program again: a constructor sees
 * the arguments of a server, notes what it was born with in $REPORT and answers Connect.
 */
#include "test.h"

#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "bare/guardian.h"
#include "base/clock.h"
#include "base/fd.h"
#include "event/loop.h"
#include "exit/guardian_link.h"
#include "rpc/any.h"
#include "rpc/ttrpc_server.h"
#include "shim/address.h"
#include "shim/shim_cgroup.h"
#include "shim/start.h"
#include "supervisor/group.h"

#include "proto/bootstrap.pb-c.h"
#include "proto/common.pb-c.h"
#include "proto/options.pb-c.h"
#include "proto/task.pb-c.h"

/* ---- the server ---- */

static struct ttrpc_server *server;

static void on_connect(void *arg, const struct rpc_request *req)
{
	Pb__Task__ConnectResponse m = PB__TASK__CONNECT_RESPONSE__INIT;

	ttrpc_reply_message(server, req->addr, &m.base);
}

static const struct rpc_method methods[] = {
	{ "Connect", &pb__task__connect_request__descriptor, 0, on_connect },
};
static const struct rpc_service both[] = {
	{ "containerd.task.v2.Task", methods, 1 },
	{ "containerd.task.v3.Task", methods, 1 },
};

static void note(int fd, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void note(int fd, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vdprintf(fd, fmt, ap);
	va_end(ap);
}

static void note_fds(int report)
{
	char path[64], target[256];

	for (int fd = 0; fd < 64; fd++) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = fd == report ? -1 : readlink(path, target, sizeof(target) - 1);
		if (n <= 0)
			continue;
		target[n] = '\0';
		note(report, "fd%d=%.*s ", fd, strchr(target, ':') ? 6 : (int)n, target);
	}
}

static void on_lost(void *arg)
{
	_exit(0);
}

static void serve(int argc, char **argv)
{
	const char *path = getenv("REPORT"), *kind = getenv("KIND");
	struct ttrpc_server_config config = { .services = both, .n_services = kind ? 1 : 2 };
	char score[32] = "", temporary[256];
	uint64_t end = clock_boot_ns() + test_ms(20000) * NS_PER_MS;
	struct guardian_link *link;
	struct sigaction action;
	sigset_t mask;
	int report, fd;

	snprintf(temporary, sizeof(temporary), "%s.new", path);
	report = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	note_fds(report);
	note(report, "args=");
	for (int i = 1; i < argc; i++)
		note(report, "%s,", argv[i]);
	fd = open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC);
	(void)!read(fd, score, sizeof(score) - 1);
	close(fd);
	sigprocmask(SIG_SETMASK, NULL, &mask);
	sigaction(SIGPIPE, NULL, &action);
	note(report, " oom=%d leads=%d blocked=%d pipe=%d notify=%s ttrpc=%s ", atoi(score),
		getpgrp() == getppid(), sigismember(&mask, SIGTERM), action.sa_handler == SIG_DFL,
		getenv("NOTIFY_SOCKET") ? "yes" : "no", getenv("TTRPC_ADDRESS"));
	note(report, "pid=%d", getppid());
	close(report);
	if (loop_new(&config.loop) < 0 || ttrpc_server_new(&config, &server, NULL) < 0 ||
		guardian_link_open(config.loop, GUARDIAN_FD, &link, NULL) < 0 ||
		ttrpc_server_listen_take_fd(
			server, guardian_link_take(link, GUARDIAN_LISTENER_NAME), 0, NULL) < 0 ||
		rename(temporary, path) < 0)
		_exit(1);
	guardian_link_on_lost(link, on_lost, NULL);
	while (clock_boot_ns() < end && getppid() != 0)
		loop_round(config.loop, 500);
	_exit(0);
}

static void __attribute__((constructor)) maybe_serve(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "-namespace") == 0)
		serve(argc, argv);
}

/* ---- the action, in a child: it changes its own score and cgroup ---- */

struct fixture {
	struct test_tmpdir dir; /* bundle, sockets and report */
	char sockets[96];
	struct buf input;
	char output[512];
	char error[512];
	char report[2048];
	char log[1024];
	pid_t server;
	int containerd_score;
};

static void put_file(struct fixture *f, const char *name, const char *text)
{
	int fd = openat(f->dir.fd, name, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static char *get_file(struct fixture *f, const char *name, char *out, size_t size)
{
	int fd = openat(f->dir.fd, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, out, size - 1);

	out[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
	return out;
}

static struct fixture *setup(void)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->dir = test_tmpdir();
	snprintf(f->sockets, sizeof(f->sockets), "%s/s", f->dir.path);
	put_file(f, "config.json", "{\"ociVersion\":\"1.0.2\"}");
	put_file(f, "log", "");
	assert_ok(start_read_score(getpid(), &f->containerd_score, NULL));
	return f;
}

static void end_server(struct fixture *f)
{
	if (f->server > 0)
		kill(f->server, SIGKILL);
	f->server = 0;
}

static void teardown(struct fixture *f)
{
	end_server(f);
	buf_done(&f->input);
	test_tmpdir_remove(&f->dir);
	free(f);
}

/* A score below the least that was ever set is then not permitted. */
static int drop_sys_resource(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) < 0)
		return -1;
	data[0].effective &= ~(1u << CAP_SYS_RESOURCE);
	data[0].permitted &= ~(1u << CAP_SYS_RESOURCE);
	data[0].inheritable &= data[0].permitted;
	return (int)syscall(SYS_capset, &header, data);
}

static int child_start(
	struct fixture *f, const char *id, const char *kind, int in, int out, int err_fd)
{
	char report[128], *env[6];
	struct shim_args args = {
		.ns = "default", .id = id, .address = "/run/c.sock", .debug = true
	};
	struct log log = { .fd = openat(f->dir.fd, "log", O_WRONLY | O_APPEND | O_CLOEXEC) };
	struct start s = { .args = &args,
		.program = "/usr/bin/shim",
		.env = env,
		.input = in,
		.output = out,
		.containerd_score = f->containerd_score,
		.bundle = f->dir.fd,
		.socket_dir = f->sockets,
		.log = &log };
	struct err err = { 0 };
	int n = 0, r;

	snprintf(report, sizeof(report), "REPORT=%s/report", f->dir.path);
	env[n++] = report;
	env[n++] = (char *)"NOTIFY_SOCKET=/run/systemd/notify";
	env[n++] = (char *)"TTRPC_ADDRESS=/run/c.ttrpc";
	if (kind)
		env[n++] = (char *)kind;
	env[n] = NULL;
	if (f->containerd_score < 0 && drop_sys_resource() < 0)
		return 9;
	r = start_run(&s, &err);
	if (r < 0)
		dprintf(err_fd, "%s", err.text);
	return r < 0;
}

/* Run `start`; the outputs are read to their end, as containerd does. Returns its exit status. */
static int start(struct fixture *f, const char *id, const char *kind)
{
	int in[2], out[2], err[2], status;
	ssize_t n;
	pid_t pid;

	assert_ok(pipe2(in, O_CLOEXEC));
	assert_ok(pipe2(out, O_CLOEXEC));
	assert_ok(pipe2(err, O_CLOEXEC));
	pid = fork();
	if (pid == 0) {
		close(in[1]);
		dup2(out[1], STDOUT_FILENO);
		_exit(child_start(f, id, kind, in[0], out[1], err[1]));
	}
	assert_true(pid > 0);
	close(in[0]);
	close(out[1]);
	close(err[1]);
	assert_ok(fd_write_full(in[1], f->input.data ? f->input.data : "", f->input.len));
	close(in[1]);
	n = fd_read_full(out[0], f->output, sizeof(f->output) - 1);
	f->output[n] = '\0';
	n = fd_read_full(err[0], f->error, sizeof(f->error) - 1);
	f->error[n] = '\0';
	close(out[0]);
	close(err[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	get_file(f, "log", f->log, sizeof(f->log));
	return WEXITSTATUS(status);
}

/* The server notes its facts a moment after start has ended. */
static void await_report(struct fixture *f)
{
	struct timespec ms = { 0, 5000000 };

	for (int i = 0; i < 1000 && !get_file(f, "report", f->report, sizeof(f->report))[0]; i++)
		nanosleep(&ms, NULL);
	assert_text_has(f->report, "pid=");
	f->server = (pid_t)strtol(strstr(f->report, "pid=") + 4, NULL, 10);
}

static size_t count_sockets(struct fixture *f)
{
	DIR *d = opendir(f->sockets);
	size_t n = 0;

	for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d))
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

static void expect_nothing_left(struct fixture *f)
{
	char text[64];

	assert_string_equal(f->output, "");
	assert_int_equal(count_sockets(f), 0);
	assert_string_equal(get_file(f, "address", text, sizeof(text)), "");
	assert_int_not_equal(f->error[0], '\0');
}

static int own_score(void)
{
	char text[32] = "";
	int fd = open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC);

	(void)!read(fd, text, sizeof(text) - 1);
	close(fd);
	return (int)strtol(text, NULL, 10);
}

TEST(a_server_is_started_and_the_address_printed)
{
	struct fixture *f = setup();
	char text[512], want[256], name[SHA256_HEX_SIZE];
	int score = own_score() + 1, fd;

	assert_ok(start(f, "c1", NULL));
	assert_string_equal(f->error, "");
	assert_ok(group_socket_name("/run/c.sock", "default", "c1", name, NULL));
	snprintf(want, sizeof(want), "unix://%s/%s", f->sockets, name);
	assert_string_equal(f->output, want);
	assert_string_equal(get_file(f, "address", text, sizeof(text)), want);
	fd = fd_unix_connect(want + strlen("unix://"), SOCK_STREAM);
	assert_true(fd >= 0);
	close(fd);
	await_report(f);
	assert_text_has(f->report, "fd0=/dev/null fd1=/dev/null fd2=/dev/null fd3=socket args=");
	assert_text_has(f->report, "args=-namespace,default,-id,c1,-address,/run/c.sock,-debug, ");
	snprintf(want, sizeof(want), "oom=%d ", score > 1000 ? 1000 : score);
	assert_text_has(f->report, want);
	assert_text_has(f->report, "leads=1 blocked=1 pipe=1 notify=no ttrpc=/run/c.ttrpc ");
	teardown(f);
}

static void use_params(struct fixture *f, const char *id, const char *shim_cgroup)
{
	Pb__Bootstrap__Params m = PB__BOOTSTRAP__PARAMS__INIT;
	Pb__Bootstrap__Extension extension = PB__BOOTSTRAP__EXTENSION__INIT,
				 *list[] = { &extension };
	Pb__Options__Runc options = PB__OPTIONS__RUNC__INIT;
	Pb__Any any = PB__ANY__INIT;
	auto_done(arena) struct arena arena = { 0 };

	m.instance_id = (char *)id;
	m.namespace_ = (char *)"default";
	m.containerd_ttrpc_address = (char *)"/run/of-params.ttrpc";
	m.socket_dir = f->sockets;
	if (shim_cgroup) {
		options.shim_cgroup = (char *)shim_cgroup;
		any.type_url = (char *)ANY_RUNC_OPTIONS;
		assert_ok(message_to_bytes(&options.base, &arena, &any.value));
		extension.value = &any;
		m.extensions = list;
		m.n_extensions = 1;
	}
	buf_done(&f->input);
	message_encode(&m.base, &f->input);
}

static const Pb__Bootstrap__Result *result(struct fixture *f, struct arena *arena)
{
	const ProtobufCMessage *m;

	assert_ok(message_decode(
		&pb__bootstrap__result__descriptor, f->output, strlen(f->output), arena, &m, NULL));
	assert_string_equal(((const Pb__Bootstrap__Result *)m)->protocol, "ttrpc");
	return (const void *)m;
}

TEST(params_are_answered_by_a_result)
{
	struct fixture *f = setup();
	auto_done(arena) struct arena arena = { 0 };
	char text[512];

	use_params(f, "c1", NULL);
	assert_ok(start(f, "c1", NULL));
	assert_int_equal(result(f, &arena)->version, 3);
	assert_string_equal(result(f, &arena)->address, get_file(f, "address", text, sizeof(text)));
	await_report(f);
	assert_text_has(f->report, "ttrpc=/run/of-params.ttrpc ");
	teardown(f);
}

#define POD "{\"ociVersion\":\"1.0.2\",\"annotations\":{\"io.kubernetes.cri.sandbox-id\":\"pod\"}}"

TEST(members_of_a_group_join_its_server)
{
	struct fixture *f = setup();
	auto_done(arena) struct arena arena = { 0 };
	char first[512], text[512];

	put_file(f, "config.json", POD);
	assert_ok(start(f, "pod", NULL));
	await_report(f);
	snprintf(first, sizeof(first), "%s", f->output);
	assert_ok(unlinkat(f->dir.fd, "report", 0));
	assert_ok(unlinkat(f->dir.fd, "address", 0));
	assert_ok(start(f, "member", NULL));
	assert_string_equal(f->output, first);
	assert_string_equal(get_file(f, "address", text, sizeof(text)), first);
	use_params(f, "member2", NULL);
	assert_ok(start(f, "member2", NULL));
	assert_string_equal(result(f, &arena)->address, first);
	assert_int_equal(result(f, &arena)->version, 3);
	assert_string_equal(get_file(f, "report", text, sizeof(text)), ""); /* no second server */
	assert_int_equal(count_sockets(f), 1);
	/* Another namespace or group is another server: the name says it. */
	teardown(f);
}

TEST(an_older_server_is_not_promised_as_a_newer_one)
{
	struct fixture *f = setup();
	auto_done(arena) struct arena arena = { 0 };

	put_file(f, "config.json", POD);
	assert_ok(start(f, "pod", "KIND=2"));
	await_report(f);
	use_params(f, "member", NULL);
	assert_ok(start(f, "member", NULL));
	assert_int_equal(result(f, &arena)->version, 2);
	teardown(f);
}

TEST(a_dead_server_is_replaced)
{
	struct fixture *f = setup();
	char first[512];
	pid_t old;

	assert_ok(start(f, "c1", NULL));
	await_report(f);
	old = f->server;
	snprintf(first, sizeof(first), "%s", f->output);
	end_server(f);
	for (int i = 0; i < 1000 && kill(old, 0) == 0; i++)
		nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
	assert_ok(unlinkat(f->dir.fd, "report", 0));
	assert_ok(start(f, "c1", NULL));
	await_report(f);
	assert_string_equal(f->output, first);
	assert_int_not_equal(f->server, old);
	teardown(f);
}

TEST(failures_say_why_and_leave_nothing)
{
	struct fixture *f = setup();

	buf_adds(&f->input, "garbage");
	assert_int_equal(start(f, "c1", NULL), 1);
	assert_text_has(f->error, "standard input");
	expect_nothing_left(f);

	buf_done(&f->input);
	assert_int_equal(start(f, "../c1", NULL), 1);
	assert_text_has(f->error, "id '../c1'");
	expect_nothing_left(f);

	use_params(f, "c1", "/reeve-test-no-such-cgroup");
	assert_int_equal(start(f, "c1", NULL), 1);
	assert_text_has(f->error, "/reeve-test-no-such-cgroup");
	expect_nothing_left(f);

	assert_int_equal(start(f, "c1", "SCHED_CORE="), 1); /* empty: not asked for */
	assert_text_has(f->error, "/reeve-test-no-such-cgroup");

	buf_done(&f->input);
	assert_ok(unlinkat(f->dir.fd, "config.json", 0));
	assert_ok(mkdirat(f->dir.fd, "config.json", 0700));
	assert_int_equal(start(f, "c1", NULL), 1);
	assert_text_has(f->error, "config.json");
	expect_nothing_left(f);
	teardown(f);
}

TEST(an_answer_that_cannot_be_written_undoes_the_start)
{
	struct fixture *f = setup();
	int in = open("/dev/null", O_RDONLY | O_CLOEXEC),
	    full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	int err[2], status;
	pid_t pid;

	assert_ok(pipe2(err, O_CLOEXEC));
	pid = fork();
	if (pid == 0)
		_exit(child_start(f, "c1", NULL, in, full, err[1]));
	close(err[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 1);
	assert_true(fd_read_full(err[0], f->error, sizeof(f->error) - 1) > 0);
	assert_text_has(f->error, "write the address");
	expect_nothing_left(f);
	close(err[0]);
	close(in);
	close(full);
	teardown(f);
}

TEST(a_score_that_is_not_permitted_is_said_and_no_error)
{
	struct fixture *f = setup();
	char want[32];

	f->containerd_score = -999;
	assert_ok(start(f, "c1", NULL));
	await_report(f);
	snprintf(want, sizeof(want), "oom=%d ", own_score());
	assert_text_has(f->report, want);
	assert_text_has(f->log, "oom_score_adj stays as it is: -998 is not permitted");
	teardown(f);
}

TEST(the_cgroup_of_the_options_is_entered_in_every_hierarchy)
{
	struct test_tmpdir dir = test_tmpdir();
	struct err err = { 0 };
	char text[8192];
	size_t n = 0;

	/* A machine of plain files: cpu has the cgroup, memory has not, unified is not for this. */
	n += (size_t)snprintf(text + n, sizeof(text) - n,
		"31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
		"32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
		"33 31 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
		"34 31 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
	for (const char *const *d = (const char *const[]){ "proc", "proc/self", "sys", "sys/fs",
		     "sys/fs/cgroup", "sys/fs/cgroup/cpu,cpuacct", "sys/fs/cgroup/cpu,cpuacct/a",
		     "sys/fs/cgroup/memory", "sys/fs/cgroup/unified", "sys/fs/cgroup/unified/a",
		     NULL };
		*d; d++)
		assert_ok(mkdirat(dir.fd, *d, 0755));
	for (const char *const *name = (const char *const[]){ "proc/self/mountinfo",
		     "proc/self/cgroup", "sys/fs/cgroup/cpu,cpuacct/a/tasks",
		     "sys/fs/cgroup/unified/a/cgroup.procs", NULL };
		*name; name++) {
		int fd = openat(dir.fd, *name, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

		if (strstr(*name, "mountinfo"))
			assert_int_equal(write(fd, text, n), (ssize_t)n);
		close(fd);
	}
	assert_ok(shim_cgroup_enter(dir.path, "/a", &err));
	{
		struct fixture f = { .dir = dir };

		assert_string_equal(
			get_file(&f, "sys/fs/cgroup/cpu,cpuacct/a/tasks", text, sizeof(text)), "0");
		assert_string_equal(
			get_file(&f, "sys/fs/cgroup/unified/a/cgroup.procs", text, sizeof(text)),
			"");
	}
	assert_int_equal(shim_cgroup_enter(dir.path, "/b", &err), -ENOENT);
	assert_text_has(err.text, "'/b'");
	assert_true(shim_cgroup_enter(dir.path, "/../a", &err) < 0);
	test_tmpdir_remove(&dir);
}
