/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real guardian, started as a shim's start does it, with this program as its worker. A worker does what the test tells
 * it over a socket, which the guardian keeps as its "listener": so the test can talk to each worker in turn.
 */
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "bare/guardian.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/kernel.h"
#include "exit/guardian_link.h"
#include "exit/ring.h"
#include "test.h"

extern const unsigned char guardian_image[];
extern const size_t guardian_image_size;

#define WORKER_VARIABLE "REEVE_TEST_WORKER"
#define STORM 5000

/* ---- the worker ---- */

enum command {
	HELLO, /* reply: restarts, wait status of the last one, guardian */
	PUT,   /* name, fd */
	DROP,  /* name */
	GET,   /* name; reply: 0 and the fd, or an error */
	FILL,  /* a: how many; reply: how many were refused, code */
	COUNT, /* reply: fds that came and were not taken */
	BEGIN, /* report exits */
	SPAWN, /* a: status; reply: pid. It ends when the guardian drops, and the worker closes, "go" */
	WATCH,  /* a: pid */
	ORPHAN, /* a process whose parent ends at once */
	EXITS,  /* reply: how many were seen, pid and status of the last one */
	STORM_, /* a: how many; reply: 0, once all have ended as they should */
	ENTER,  /* fd of a namespace, or none; reply: 0 or an error */
	RENEW,  /* fd of a program: of the workers to come; reply: 0 or an error */
	LEAVE,  /* a: status */
	CRASH,  /* SIGKILL to itself */
};

struct talk {
	enum command command;
	int a, b, c;
	char name[GUARDIAN_NAME_SIZE];
};

struct watcher {
	struct exit_watch watch;
	struct worker *worker;
	int status;
};

struct worker {
	struct loop *loop;
	struct guardian_link *link;
	struct exit_source *exits;
	struct exit_ring *ring;
	struct loop_fd source;
	struct exit_expect expect;
	int control;
	int refused, refused_code;
	int seen, last_pid, last_status;
	struct watcher one;
	struct watcher *storm;
	int right;
};

static void worker_check(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "# worker: %s: %s\n", what, strerror(errno));
	_exit(40);
}

/* A child of the guardian that ends with this status when `until` is at its end. */
static pid_t spawn(int status, int until)
{
	struct clone_args a = { .flags = CLONE_PARENT };
	pid_t pid = (pid_t)syscall(SYS_clone3, &a, sizeof(a));
	char c;

	if (pid != 0)
		return pid;
	if (until >= 0 && read(until, &c, 1) != 0)
		_exit(99);
	_exit(status);
}

static void on_exit_(struct exit_watch *w, const struct exit_info *info)
{
	struct watcher *x = container_of(w, struct watcher, watch);

	x->worker->seen++;
	x->worker->last_pid = info->pid;
	x->worker->last_status = info->wait_status;
	if (x != &x->worker->one)
		x->worker->right += info->wait_status == x->status << 8;
}

static void watch(struct worker *w, struct watcher *x, pid_t pid)
{
	struct pidref who = { .pid = pid, .fd = -EBADF };

	x->worker = w;
	exit_watch_add(w->exits, &x->watch, &who, on_exit_);
}

/* While this runs nobody reads the ring, and there are more processes than places for pids. */
static void storm(struct worker *w, int n)
{
	w->storm = mem_calloc((size_t)n, sizeof(*w->storm));
	exit_expect_begin(w->exits, &w->expect);
	for (int i = 0; i < n; i++) {
		pid_t pid;

		w->storm[i].status = i % 200;
		pid = spawn(w->storm[i].status, -1);
		worker_check(pid > 0, "clone");
		watch(w, &w->storm[i], pid);
	}
	exit_expect_end(&w->expect);
	while (w->right < n)
		worker_check(loop_round(w->loop, 10000) >= 0, "round");
}

static void on_refused(void *arg, const char *name, int code)
{
	struct worker *w = arg;

	(void)name;
	w->refused++;
	w->refused_code = code;
}

static void fill(struct worker *w, int n)
{
	struct guardian_shared *s = guardian_link_shared(w->link);
	int fd = eventfd(0, EFD_CLOEXEC);
	char name[GUARDIAN_NAME_SIZE];
	struct err err = { 0 };
	uint64_t acked = 0;

	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "fill/%d", i);
		worker_check(guardian_link_put(w->link, name, fd) == 0, "put");
	}
	worker_check(guardian_link_flush(w->link, &err) == 0, err.text);
	acked = (uint64_t)(n + GUARDIAN_BATCH - 1) / GUARDIAN_BATCH;
	while (__atomic_load_n(&s->acked, __ATOMIC_ACQUIRE) < acked)
		loop_round(w->loop, 10);
	while (loop_round(w->loop, 0) >= 0 && w->refused + (int)s->stored < n + 1)
		;
}

static int orphan(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(fork() < 0);
	return waitpid(pid, NULL, 0) == pid ? 0 : -1;
}

static void obey(struct worker *w, const struct talk *t, int fd, struct talk *answer, int *out)
{
	struct err err = { 0 };
	int go;

	switch (t->command) {
	case HELLO:
		answer->a = (int)guardian_link_restarts(w->link);
		answer->b = guardian_link_last_status(w->link);
		answer->c = guardian_link_pid(w->link);
		break;
	case PUT:
		answer->a = guardian_link_put(w->link, t->name, fd);
		worker_check(guardian_link_flush(w->link, &err) == 0, err.text);
		break;
	case DROP:
		answer->a = guardian_link_drop(w->link, t->name);
		break;
	case GET:
		*out = guardian_link_take(w->link, t->name);
		answer->a = *out < 0 ? *out : 0;
		break;
	case FILL:
		fill(w, t->a);
		answer->a = w->refused;
		answer->b = w->refused_code;
		break;
	case COUNT:
		while (guardian_link_untaken(w->link, (size_t)answer->a))
			answer->a++;
		break;
	case BEGIN:
		worker_check(exit_ring_begin(w->ring, &err) == 0, err.text);
		break;
	case SPAWN:
		exit_expect_begin(w->exits, &w->expect);
		go = guardian_link_take(w->link, "go");
		answer->a = spawn(t->a, go < 0 ? fd : go);
		break;
	case WATCH:
		watch(w, &w->one, t->a);
		exit_expect_end(&w->expect);
		break;
	case ORPHAN:
		answer->a = orphan();
		break;
	case EXITS:
		answer->a = w->seen;
		answer->b = w->last_pid;
		answer->c = w->last_status;
		break;
	case STORM_:
		storm(w, t->a);
		break;
	case ENTER:
		answer->a = guardian_link_enter(w->link, &fd, fd >= 0, &err);
		break;
	case RENEW:
		answer->a = guardian_link_set_program(w->link, fd, &err);
		break;
	case LEAVE:
		_exit(t->a);
	case CRASH:
		kill(getpid(), SIGKILL);
		break;
	}
}

static void on_control(struct loop_fd *source, uint32_t events)
{
	struct worker *w = container_of(source, struct worker, source);
	struct talk t, answer = { 0 };
	int fd = -EBADF, out = -EBADF;
	size_t n = 1;

	if (fd_recv(w->control, &t, sizeof(t), &fd, &n, 0) != sizeof(t))
		_exit(0);
	obey(w, &t, fd, &answer, &out);
	fd_close(fd);
	worker_check(fd_send(w->control, &answer, sizeof(answer), &out, out >= 0) == 0, "answer");
	fd_close(out);
}

__attribute__((noreturn)) static void be_worker(void)
{
	static struct worker w;
	struct err err = { 0 };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	worker_check(loop_new(&w.loop) == 0, "loop");
	worker_check(guardian_link_open(w.loop, GUARDIAN_FD, &w.link, &err) == 0, err.text);
	guardian_link_on_refused(w.link, on_refused, &w);
	worker_check(exit_source_new(w.loop, &w.exits) == 0, "source");
	worker_check(exit_ring_new(w.loop, w.exits, w.link, &w.ring, &err) == 0, err.text);
	w.control = guardian_link_take(w.link, "crash");
	if (w.control >= 0)
		_exit(9);
	w.control = guardian_link_take(w.link, GUARDIAN_LISTENER_NAME);
	worker_check(w.control >= 0, "control");
	worker_check(loop_fd_add(w.loop, &w.source, w.control, EPOLLIN, on_control) == 0, "add");
	loop_run(w.loop);
	_exit(1);
}

/* Before main(), whose arguments are those of the test. */
__attribute__((constructor)) static void maybe_worker(void)
{
	if (getenv(WORKER_VARIABLE))
		be_worker();
}

/* ---- the test's side ---- */

struct bench {
	pid_t guardian;
	int pidfd;
	int control;
	struct guardian_shared *shared;
};

__attribute__((noreturn)) static void become_guardian(int control, int program)
{
	static char *const argv[] = { (char *)"test-guardian", NULL };
	static char *const env[] = { (char *)WORKER_VARIABLE "=1", NULL };
	char path[64];
	int image = fd_memfd_exec("reeve-guardian", guardian_image, guardian_image_size);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	image = fcntl(image, F_DUPFD_CLOEXEC, 20);
	control = fcntl(control, F_DUPFD_CLOEXEC, 20);
	program = fcntl(program, F_DUPFD_CLOEXEC, 20);
	dup2(control, GUARDIAN_LISTENER_FD);
	dup2(program, GUARDIAN_PROGRAM_FD);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", image);
	execve(path, argv, env);
	_exit(41);
}

static void start_guardian(struct bench *b, const char *program, int listener)
{
	int fd = open(program, O_PATH | O_CLOEXEC);

	assert_true(fd >= 0);
	b->guardian = fork();
	if (b->guardian == 0)
		become_guardian(listener, fd);
	assert_true(b->guardian > 0);
	b->pidfd = (int)syscall(SYS_pidfd_open, b->guardian, 0);
	assert_true(b->pidfd >= 0);
	close(listener);
	close(fd);
}

static void open_bench_with(struct bench *b, const char *program)
{
	int pair[2];

	*b = (struct bench){ 0 };
	assert_ok(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	b->control = pair[0];
	start_guardian(b, program, pair[1]);
}

static void open_bench(struct bench *b)
{
	open_bench_with(b, "/proc/self/exe");
}

/* Within 20 s: its status. */
static int wait_for_end(struct bench *b)
{
	struct pollfd p = { .fd = b->pidfd, .events = POLLIN };
	int status = -1;

	assert_int_equal(poll(&p, 1, test_ms(20000)), 1);
	assert_int_equal(waitpid(b->guardian, &status, 0), b->guardian);
	b->guardian = 0;
	return status;
}

static void close_bench(struct bench *b)
{
	if (b->shared)
		munmap(b->shared, sizeof(*b->shared));
	if (b->guardian) {
		kill(b->guardian, SIGKILL);
		wait_for_end(b);
	}
	close(b->control);
	close(b->pidfd);
}

static struct talk ask_fd(struct bench *b, struct talk t, int fd, int *ret_fd)
{
	struct pollfd p = { .fd = b->control, .events = POLLIN };
	struct talk answer;
	size_t n = ret_fd ? 1 : 0;

	assert_ok(fd_send(b->control, &t, sizeof(t), &fd, fd >= 0));
	assert_int_equal(poll(&p, 1, test_ms(50000)), 1);
	assert_int_equal(
		fd_recv(b->control, &answer, sizeof(answer), ret_fd, &n, 0), sizeof(answer));
	return answer;
}

static struct talk ask(struct bench *b, struct talk t)
{
	return ask_fd(b, t, -EBADF, NULL);
}

static void tell(struct bench *b, struct talk t)
{
	assert_ok(fd_send(b->control, &t, sizeof(t), NULL, 0));
}

static struct talk named(enum command c, const char *name)
{
	struct talk t = { .command = c };

	snprintf(t.name, sizeof(t.name), "%s", name);
	return t;
}

/* The guardian's memory, through /proc: 0 or -ENOENT while it is not there yet. */
static int find_shared(struct bench *b)
{
	char path[64], target[64];

	for (int fd = 5; fd < 16; fd++) {
		ssize_t n;
		int memory;

		snprintf(path, sizeof(path), "/proc/%d/fd/%d", b->guardian, fd);
		n = readlink(path, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = '\0';
		if (!strstr(target, "memfd:reeve-guardian"))
			continue;
		memory = open(path, O_RDWR | O_CLOEXEC);
		assert_true(memory >= 0);
		b->shared = mmap(
			NULL, sizeof(*b->shared), PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
		assert_true(b->shared != MAP_FAILED);
		close(memory);
		return 0;
	}
	return -ENOENT;
}

static void map_shared(struct bench *b)
{
	ask(b, (struct talk){ HELLO });
	assert_ok(find_shared(b));
}

#define WAIT_UNTIL(cond) \
	do { \
		uint64_t wait_end = clock_boot_ns() + test_ms(20000) * NS_PER_MS; \
		while (!(cond)) { \
			assert_true(clock_boot_ns() < wait_end); \
			usleep(2000); \
		} \
	} while (0)

static long field_in(pid_t pid, const char *name, int base)
{
	char path[64], *text = NULL, *at;
	long value = -1;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	assert_ok(fd_read_file_at(AT_FDCWD, path, 65536, &text, NULL));
	at = strstr(text, name);
	if (at)
		value = strtol(at + strlen(name), NULL, base);
	free(text);
	return value;
}

static long field_of(pid_t pid, const char *name)
{
	return field_in(pid, name, 10);
}

/* ---- small ---- */

TEST(its_file_is_at_most_16_kb)
{
	assert_true(guardian_image_size <= 16384);
}

TEST(its_memory_is_at_most_40_kb)
{
	struct bench b;

	open_bench(&b);
	ask(&b, (struct talk){ HELLO });
	printf("# VmRSS %ld kB\n", field_of(b.guardian, "VmRSS:"));
	assert_true(field_of(b.guardian, "VmRSS:") <= 40);
	close_bench(&b);
}

TEST(the_worker_is_its_child_and_knows_it)
{
	struct bench b;
	struct talk t;

	open_bench(&b);
	t = ask(&b, (struct talk){ HELLO });
	assert_int_equal(t.a, 0);
	assert_int_equal(t.b, 0);
	assert_int_equal(t.c, b.guardian);
	map_shared(&b);
	assert_int_equal(field_of(b.shared->worker_pid, "PPid:"), b.guardian);
	close_bench(&b);
}

/* ---- restarts ---- */

TEST(a_worker_that_dies_is_started_again_and_counted)
{
	struct bench b;
	struct talk t;

	open_bench(&b);
	tell(&b, (struct talk){ CRASH });
	t = ask(&b, (struct talk){ HELLO });
	assert_int_equal(t.a, 1);
	assert_true(WIFSIGNALED(t.b) && WTERMSIG(t.b) == SIGKILL);
	tell(&b, (struct talk){ LEAVE, .a = 3 });
	t = ask(&b, (struct talk){ HELLO });
	assert_int_equal(t.a, 2);
	assert_int_equal(t.b, 3 << 8);
	close_bench(&b);
}

TEST(a_worker_that_leaves_ends_it)
{
	struct bench b;

	open_bench(&b);
	tell(&b, (struct talk){ LEAVE, .a = 0 });
	assert_int_equal(wait_for_end(&b), 0);
	close_bench(&b);
}

TEST(a_worker_that_can_do_nothing_is_given_up)
{
	uint64_t begin = clock_boot_ns();
	struct bench b;

	open_bench_with(&b, "/bin/false");
	assert_int_equal(wait_for_end(&b), 1 << 8);
	assert_true(clock_boot_ns() - begin >= 6 * NS_PER_SEC); /* 0 + 0.1 + 1 + 5 */
	close_bench(&b);
}

/* It knows by then what its socket is called. */
static bool has_begun(const struct bench *b)
{
	char path[64], name[32] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/comm", b->guardian);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && read(fd, name, sizeof(name) - 1) < 0)
		name[0] = '\0';
	close(fd);
	return strcmp(name, "reeve-guardian\n") == 0;
}

static void open_bench_at(struct bench *b, const char *path, int *ret_mine)
{
	int fd = fd_unix_listen_at(AT_FDCWD, path, SOCK_STREAM, 0600);

	*b = (struct bench){ .control = -EBADF };
	assert_true(fd >= 0);
	*ret_mine = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	start_guardian(b, "/bin/false", fd);
}

/* One that is another's by then stays. */
TEST(the_name_of_its_socket_goes_when_it_gives_up)
{
	struct test_tmpdir dir = test_tmpdir();
	struct bench ours, other;
	char path[2][160];
	int fds[3];

	snprintf(path[0], sizeof(path[0]), "%s/ours", dir.path);
	snprintf(path[1], sizeof(path[1]), "%s/other", dir.path);
	open_bench_at(&ours, path[0], &fds[0]);
	open_bench_at(&other, path[1], &fds[1]);
	WAIT_UNTIL(has_begun(&other));
	assert_ok(unlinkat(dir.fd, "other", 0));
	fds[2] = fd_unix_listen_at(AT_FDCWD, path[1], SOCK_STREAM, 0600);
	assert_true(fds[2] >= 0);
	assert_int_equal(wait_for_end(&ours), 1 << 8);
	assert_int_equal(wait_for_end(&other), 1 << 8);
	assert_int_equal(faccessat(dir.fd, "ours", F_OK, AT_SYMLINK_NOFOLLOW), -1);
	assert_ok(faccessat(dir.fd, "other", F_OK, AT_SYMLINK_NOFOLLOW));
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	close_bench(&ours);
	close_bench(&other);
	test_tmpdir_remove(&dir);
}

TEST(with_a_container_it_never_gives_up)
{
	struct bench b;
	int end[2];
	pid_t pid;

	open_bench(&b);
	map_shared(&b);
	assert_ok(pipe2(end, O_CLOEXEC));
	pid = ask_fd(&b, (struct talk){ SPAWN, .a = 5 }, end[0], NULL).a;
	ask(&b, (struct talk){ WATCH, .a = pid });
	ask_fd(&b, named(PUT, "crash"), end[0], NULL);
	tell(&b, (struct talk){ CRASH });
	WAIT_UNTIL(b.shared->workers == 5 && b.shared->worker_pid == 0);
	close(end[1]);
	WAIT_UNTIL(b.shared->head == 1);
	assert_int_equal(b.shared->ring[0].pid, pid);
	assert_int_equal(b.shared->ring[0].status, 5 << 8);
	assert_int_equal(kill(b.guardian, 0), 0);
	close(end[0]);
	close_bench(&b);
}

TEST(a_worker_that_asks_for_another_is_no_death)
{
	struct bench b;
	struct talk t;

	open_bench(&b);
	for (int i = 1; i <= 8; i++) {
		ask(&b, (struct talk){ HELLO });
		tell(&b, (struct talk){ LEAVE, GUARDIAN_STATUS_AGAIN });
		t = ask(&b, (struct talk){ HELLO });
		assert_int_equal(t.a, i);
		assert_int_equal(t.b, GUARDIAN_STATUS_AGAIN << 8);
	}
	close_bench(&b);
}

/* One that has ended on purpose was no worse than others: the next death is a first one again, and nobody waits. */
TEST(who_ends_on_purpose_ends_the_waiting_of_those_that_died)
{
	struct bench b;
	uint64_t began;

	open_bench(&b);
	ask(&b, (struct talk){ HELLO });
	began = clock_boot_ns();
	for (int i = 0; i < 8; i++) {
		tell(&b, (struct talk){ CRASH });
		ask(&b, (struct talk){ HELLO });
		tell(&b, (struct talk){ LEAVE, GUARDIAN_STATUS_AGAIN });
		ask(&b, (struct talk){ HELLO });
	}
	/* From the fourth on it would have been 5 s each. */
	assert_true(clock_boot_ns() - began < 15 * NS_PER_SEC);
	close_bench(&b);
}

TEST(at_rest_it_waits_for_somebody_and_keeps_containers)
{
	int end[2];
	struct bench b;
	struct talk t;

	assert_ok(pipe2(end, O_CLOEXEC));
	open_bench(&b);
	map_shared(&b);
	ask(&b, (struct talk){ BEGIN });
	t = ask_fd(&b, (struct talk){ SPAWN, 7 }, end[0], NULL);
	assert_true(t.a > 0);
	ask(&b, (struct talk){ WATCH, t.a });
	tell(&b, (struct talk){ LEAVE, GUARDIAN_STATUS_REST });
	WAIT_UNTIL(b.shared->worker_pid == 0);
	assert_ok(kill(b.guardian, SIGTERM)); /* not while a container lives */
	assert_ok(kill(t.a, SIGKILL));
	WAIT_UNTIL(b.shared->head == 1);
	assert_int_equal(b.shared->ring[0].status, SIGKILL);
	assert_int_equal(b.shared->workers, 1);
	t = ask(&b, (struct talk){ HELLO });
	assert_int_equal(t.a, 1);
	assert_int_equal(t.b, GUARDIAN_STATUS_REST << 8);
	close(end[0]);
	close(end[1]);
	close_bench(&b);
}

TEST(the_next_worker_is_the_program_that_was_handed_over)
{
	int program = open("/bin/true", O_PATH | O_CLOEXEC);
	struct bench b;

	assert_true(program >= 0);
	open_bench(&b);
	assert_int_equal(ask_fd(&b, (struct talk){ RENEW }, program, NULL).a, 0);
	tell(&b, (struct talk){ LEAVE, GUARDIAN_STATUS_AGAIN });
	/* That one ends well at once. */
	assert_int_equal(wait_for_end(&b), 0);
	close(program);
	close_bench(&b);
}

TEST(signals_are_passed_on)
{
	struct bench b;
	struct talk t;

	open_bench(&b);
	ask(&b, (struct talk){ HELLO });
	/* The worker has them blocked and does not read them: they are pending. */
	assert_ok(kill(b.guardian, SIGTERM));
	assert_ok(kill(b.guardian, SIGUSR1));
	map_shared(&b);
	WAIT_UNTIL(field_in(b.shared->worker_pid, "ShdPnd:", 16) == 0x4200);
	t = ask(&b, (struct talk){ HELLO });
	assert_int_equal(t.a, 0);
	close_bench(&b);
}

/* ---- fds ---- */

TEST(stored_fds_outlive_a_killed_worker)
{
	struct bench b;
	int end[2], got = -EBADF;
	char text[8];

	open_bench(&b);
	assert_ok(pipe2(end, O_CLOEXEC));
	assert_int_equal(ask_fd(&b, named(PUT, "7/i/out.pipe"), end[0], NULL).a, 0);
	assert_int_equal(ask_fd(&b, named(PUT, "7/i/gone"), end[0], NULL).a, 0);
	assert_int_equal(ask(&b, named(DROP, "7/i/gone")).a, 0);
	assert_int_equal(ask(&b, named(DROP, "never there")).a, 0);
	close(end[0]);
	assert_int_equal(write(end[1], "kept", 4), 4);
	tell(&b, (struct talk){ CRASH });
	assert_int_equal(ask(&b, (struct talk){ COUNT }).a, 1);
	assert_int_equal(ask_fd(&b, named(GET, "7/i/out.pipe"), -EBADF, &got).a, 0);
	assert_int_equal(read(got, text, sizeof(text)), 4);
	assert_memory_equal(text, "kept", 4);
	assert_int_equal(ask(&b, named(GET, "7/i/gone")).a, -ENOENT);
	close(got);
	close(end[1]);
	close_bench(&b);
}

TEST(a_name_that_is_put_again_is_replaced)
{
	struct bench b;
	int one[2], two[2], got = -EBADF;
	char c;

	open_bench(&b);
	assert_ok(pipe2(one, O_CLOEXEC));
	assert_ok(pipe2(two, O_CLOEXEC));
	ask_fd(&b, named(PUT, "x"), one[1], NULL);
	ask_fd(&b, named(PUT, "x"), two[1], NULL);
	close(one[1]);
	/* Nobody has it any more. */
	assert_int_equal(read(one[0], &c, 1), 0);
	tell(&b, (struct talk){ CRASH });
	assert_int_equal(ask(&b, (struct talk){ COUNT }).a, 1);
	assert_int_equal(ask_fd(&b, named(GET, "x"), -EBADF, &got).a, 0);
	assert_int_equal(write(got, "x", 1), 1);
	assert_int_equal(read(two[0], &c, 1), 1);
	close(one[0]);
	close(two[0]);
	close(two[1]);
	close(got);
	close_bench(&b);
}

TEST(a_dropped_fd_is_closed)
{
	struct bench b;
	int end[2];
	char c;

	open_bench(&b);
	assert_ok(pipe2(end, O_CLOEXEC));
	ask_fd(&b, named(PUT, "in"), end[1], NULL);
	close(end[1]);
	ask(&b, named(DROP, "in"));
	assert_int_equal(read(end[0], &c, 1), 0);
	close(end[0]);
	close_bench(&b);
}

TEST(a_name_that_is_too_long_is_refused)
{
	struct bench b;

	open_bench(&b);
	/* 31 bytes go, and the struct's name has room for no more; the link checks by itself. */
	assert_int_equal(ask_fd(&b, named(PUT, "1234567890123456789012345678901"), 0, NULL).a, 0);
	assert_int_equal(ask_fd(&b, named(PUT, ""), 0, NULL).a, -ENAMETOOLONG);
	close_bench(&b);
}

TEST(a_full_table_says_so_and_keeps_what_it_has)
{
	struct rlimit limit, old;
	struct bench b;
	struct talk t;
	int kept;

	assert_ok(getrlimit(RLIMIT_NOFILE, &old));
	limit = (struct rlimit){ old.rlim_max, old.rlim_max };
	assert_ok(setrlimit(RLIMIT_NOFILE, &limit));
	open_bench(&b);
	t = ask(&b, (struct talk){ FILL, .a = GUARDIAN_MAX_FDS + 20 });
	/* One place is the listener's. Where the limit of open files is lower, that is what is full. */
	if (old.rlim_max > GUARDIAN_MAX_FDS + 64) {
		assert_int_equal(t.a, 21);
		assert_int_equal(t.b, -ENOSPC);
	} else {
		assert_int_equal(t.b, -EMFILE);
	}
	kept = GUARDIAN_MAX_FDS + 20 - t.a;
	tell(&b, (struct talk){ CRASH });
	assert_int_equal(ask(&b, (struct talk){ COUNT }).a, kept);
	close_bench(&b);
	setrlimit(RLIMIT_NOFILE, &old);
}

/* ---- exits ---- */

TEST(an_exit_that_is_watched_for_arrives)
{
	struct bench b;
	struct talk t;
	int end[2];
	pid_t pid;

	open_bench(&b);
	ask(&b, (struct talk){ BEGIN });
	assert_ok(pipe2(end, O_CLOEXEC));
	pid = ask_fd(&b, (struct talk){ SPAWN, .a = 7 }, end[0], NULL).a;
	ask(&b, (struct talk){ WATCH, .a = pid });
	assert_int_equal(field_of(pid, "PPid:"), b.guardian);
	close(end[1]);
	WAIT_UNTIL((t = ask(&b, (struct talk){ EXITS })).a == 1);
	assert_int_equal(t.b, pid);
	assert_int_equal(t.c, 7 << 8);
	close(end[0]);
	close_bench(&b);
}

TEST(an_exit_while_there_is_no_worker_reaches_the_next_one)
{
	struct bench b;
	struct talk t;
	int end[2];
	pid_t pid;

	open_bench(&b);
	ask(&b, (struct talk){ BEGIN });
	assert_ok(pipe2(end, O_CLOEXEC));
	pid = ask_fd(&b, (struct talk){ SPAWN, .a = 8 }, end[0], NULL).a;
	ask(&b, (struct talk){ WATCH, .a = pid });
	tell(&b, (struct talk){ CRASH });
	close(end[1]);
	/* Not before it has said that it is ready: the process may not be watched yet. */
	map_shared(&b);
	WAIT_UNTIL(b.shared->head == 1);
	assert_int_equal(ask(&b, (struct talk){ EXITS }).a, 0);
	ask(&b, (struct talk){ WATCH, .a = pid });
	ask(&b, (struct talk){ BEGIN });
	WAIT_UNTIL((t = ask(&b, (struct talk){ EXITS })).a == 1);
	assert_int_equal(t.b, pid);
	assert_int_equal(t.c, 8 << 8);
	assert_int_equal(b.shared->tail, 1);
	assert_int_equal(b.shared->n_pids, 0);
	close(end[0]);
	close_bench(&b);
}

TEST(a_pid_of_the_worker_before_is_registered_until_the_next_begins)
{
	struct bench b;
	int end[2];
	pid_t pid;

	open_bench(&b);
	ask(&b, (struct talk){ BEGIN });
	map_shared(&b);
	assert_ok(pipe2(end, O_CLOEXEC));
	pid = ask_fd(&b, (struct talk){ SPAWN, .a = 8 }, end[0], NULL).a;
	ask(&b, (struct talk){ WATCH, .a = pid });
	tell(&b, (struct talk){ CRASH });
	ask(&b, (struct talk){ HELLO });
	assert_int_equal(b.shared->n_pids, 1);
	assert_int_equal(b.shared->pids[0], pid);
	ask(&b, (struct talk){ WATCH, .a = pid });
	assert_int_equal(b.shared->pids[1], pid);
	ask(&b, (struct talk){ BEGIN });
	assert_int_equal(b.shared->pids[0], 0);
	assert_int_equal(b.shared->pids[1], pid);
	assert_int_equal(b.shared->expects, 0);
	close(end[1]);
	WAIT_UNTIL(ask(&b, (struct talk){ EXITS }).a == 1);
	close(end[0]);
	close_bench(&b);
}

TEST(orphans_are_reaped_and_counted)
{
	struct bench b;

	open_bench(&b);
	ask(&b, (struct talk){ BEGIN });
	map_shared(&b);
	assert_int_equal(ask(&b, (struct talk){ ORPHAN }).a, 0);
	WAIT_UNTIL(b.shared->foreign == 1);
	assert_int_equal(b.shared->head, 0);
	close_bench(&b);
}

TEST(no_exit_is_lost_when_the_ring_is_full)
{
	struct bench b;

	open_bench(&b);
	ask(&b, (struct talk){ BEGIN });
	map_shared(&b);
	assert_int_equal(ask(&b, (struct talk){ STORM_, .a = STORM }).a, 0);
	assert_int_equal(ask(&b, (struct talk){ EXITS }).a, STORM);
	assert_int_equal(b.shared->head, STORM);
	assert_int_equal(b.shared->n_pids, 0);
	assert_int_equal(b.shared->expects, 0);
	WAIT_UNTIL(b.shared->waiting == 0);
	/* Once it is read, the ring begins anew. */
	ask(&b, (struct talk){ ORPHAN });
	close_bench(&b);
}

TEST(a_ring_that_is_read_in_time_stays_small)
{
	struct bench b;

	open_bench(&b);
	ask(&b, (struct talk){ BEGIN });
	map_shared(&b);
	for (int i = 0; i < 300; i++) {
		pid_t pid = ask(&b, (struct talk){ SPAWN, .a = 1 }).a;

		ask(&b, (struct talk){ WATCH, .a = pid });
		WAIT_UNTIL(ask(&b, (struct talk){ EXITS }).a == i + 1);
	}
	assert_true(b.shared->base > 0);
	printf("# %u exits, VmRSS %ld kB\n", (unsigned)b.shared->head,
		field_of(b.guardian, "VmRSS:"));
	assert_true(field_of(b.guardian, "VmRSS:") <= 40);
	close_bench(&b);
}

/* ---- bad messages ---- */

TEST(a_message_that_makes_no_sense_is_counted_and_does_no_harm)
{
	struct guardian_msg m = { .magic = GUARDIAN_MAGIC, .version = 99, .type = GUARDIAN_STORE };
	int pidfd, sock;
	struct bench b;

	open_bench(&b);
	map_shared(&b);
	/* As a worker of another version would, through the socket of this one. */
	pidfd = (int)syscall(SYS_pidfd_open, b.shared->worker_pid, 0);
	sock = (int)syscall(SYS_pidfd_getfd, pidfd, GUARDIAN_FD, 0);
	close(pidfd);
	if (sock < 0) {
		close_bench(&b);
		test_skip("pidfd_getfd is not permitted");
	}
	assert_int_equal(send(sock, &m, sizeof(m), 0), sizeof(m));
	assert_int_equal(send(sock, "short", 5, 0), 5);
	m.version = GUARDIAN_VERSION;
	m.n = 3; /* empty names */
	assert_int_equal(send(sock, &m, sizeof(m), 0), sizeof(m));
	m.n = 200;
	assert_ok(fd_send(sock, &m, sizeof(m), (int[]){ 0, 1 }, 2));
	close(sock);
	WAIT_UNTIL(b.shared->refused == 4);
	assert_int_equal(b.shared->stored, 1);
	assert_int_equal(ask(&b, (struct talk){ HELLO }).a, 0);
	close_bench(&b);
}

/* ---- namespaces ---- */

static void ns_of(pid_t pid, const char *name, char out[64])
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, name);
	n = readlink(path, out, 63);
	assert_true(n > 0);
	out[n] = '\0';
}

/* A host name of its own; the caller's fd. */
static int make_uts(void)
{
	int home = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC), fd;

	assert_ok(unshare(CLONE_NEWUTS));
	fd = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);
	assert_ok(setns(home, CLONE_NEWUTS));
	close(home);
	assert_true(fd >= 0);
	return fd;
}

TEST(it_is_in_the_namespaces_that_it_is_given_and_its_workers_are_not)
{
	char home[64], now[64], wanted[64];
	struct bench b;
	int uts;

	if (geteuid() != 0)
		test_skip("needs root");
	open_bench(&b);
	map_shared(&b);
	ns_of(getpid(), "uts", home);
	uts = make_uts();
	assert_int_equal(ask_fd(&b, (struct talk){ ENTER }, uts, NULL).a, 0);
	ns_of(b.guardian, "uts", now);
	assert_string_not_equal(now, home);
	ns_of(b.guardian, "net", now);
	ns_of(getpid(), "net", wanted);
	assert_string_equal(now, wanted);
	/* One that is no namespace is refused, and leaves it at home. */
	assert_int_equal(ask_fd(&b, (struct talk){ ENTER }, STDERR_FILENO, NULL).a, -EINVAL);
	ns_of(b.guardian, "uts", now);
	assert_string_equal(now, home);
	assert_int_equal(ask_fd(&b, (struct talk){ ENTER }, uts, NULL).a, 0);
	/* The next worker begins where the guardian began. */
	tell(&b, (struct talk){ CRASH });
	assert_int_equal(ask(&b, (struct talk){ HELLO }).a, 1);
	ns_of(b.shared->worker_pid, "uts", now);
	assert_string_equal(now, home);
	ns_of(b.guardian, "uts", now);
	assert_string_not_equal(now, home);
	assert_int_equal(ask(&b, (struct talk){ ENTER }).a, 0);
	ns_of(b.guardian, "uts", now);
	assert_string_equal(now, home);
	close(uts);
	close_bench(&b);
}
