/* SPDX-License-Identifier: Apache-2.0 */
/* Real children: every test runs in a process of its own, which is then a parent without other children. */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "exit/own_children.h"
#include "test.h"

struct bench {
	struct loop *loop;
	struct exit_source *exits;
	struct own_children *children;
};

struct watcher {
	struct exit_watch watch;
	int calls;
	struct exit_info info;
};

#define CHECK(cond) \
	do { \
		if (!(cond)) { \
			fprintf(stderr, "# line %d: %s\n", __LINE__, #cond); \
			_exit(1); \
		} \
	} while (0)

static void on_exit_(struct exit_watch *w, const struct exit_info *info)
{
	struct watcher *me = container_of(w, struct watcher, watch);

	me->calls++;
	me->info = *info;
}

static void open_bench(struct bench *b)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	CHECK(sigprocmask(SIG_BLOCK, &mask, NULL) == 0);
	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	CHECK(loop_new(&b->loop) == 0);
	CHECK(exit_source_new(b->loop, &b->exits) == 0);
	CHECK(own_children_new(b->loop, b->exits, &b->children) == 0);
}

static void close_bench(struct bench *b)
{
	own_children_free(b->children);
	exit_source_free(b->exits);
	loop_free(b->loop);
}

static void rounds(struct bench *b, int n)
{
	while (n-- > 0)
		CHECK(loop_round(b->loop, 20) >= 0);
}

/* A child that ends with this code, at once or when the pipe's other end is closed. */
static pid_t child(int code, int until)
{
	pid_t pid = fork();
	char c;

	if (pid != 0)
		return pid;
	if (until >= 0 && read(until, &c, 1) < 0)
		_exit(99);
	_exit(code);
}

static void wait_for_zombie(pid_t pid)
{
	siginfo_t si;

	CHECK(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT) == 0);
}

static bool is_reaped(pid_t pid)
{
	return kill(pid, 0) < 0 && errno == ESRCH;
}

static void in_child(void (*run)(struct bench *b))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct bench b;

		alarm(100);
		open_bench(&b);
		run(&b);
		close_bench(&b);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void watch_pid(struct bench *b, struct watcher *w, pid_t pid)
{
	struct pidref who;

	CHECK(pidref_open(pid, &who) == 0);
	exit_watch_add(b->exits, &w->watch, &who, on_exit_);
	pidref_done(&who);
}

static void run_statuses(struct bench *b)
{
	struct watcher code = { 0 }, signalled = { 0 };
	uint64_t before = clock_boot_ns();
	int hold[2];
	pid_t a, k;

	CHECK(pipe(hold) == 0);
	a = child(7, -1);
	k = child(0, hold[0]);
	watch_pid(b, &code, a);
	watch_pid(b, &signalled, k);
	kill(k, SIGKILL);
	rounds(b, 10);
	CHECK(code.calls == 1 && WIFEXITED(code.info.wait_status));
	CHECK(WEXITSTATUS(code.info.wait_status) == 7 && code.info.pid == a);
	CHECK(signalled.calls == 1 && WIFSIGNALED(signalled.info.wait_status));
	CHECK(WTERMSIG(signalled.info.wait_status) == SIGKILL);
	CHECK(code.info.boot_ns >= before && code.info.wall_ns > NS_PER_SEC);
	CHECK(is_reaped(a) && is_reaped(k));
}

TEST(an_exit_brings_status_and_time)
{
	in_child(run_statuses);
}

static void run_many(struct bench *b)
{
	enum { N = 200 };
	static struct watcher w[N];
	int hold[2];

	CHECK(pipe(hold) == 0);
	for (int i = 0; i < N; i++) {
		pid_t pid = child(i % 100, hold[0]);

		watch_pid(b, &w[i], pid);
		if (pid == 0)
			_exit(98);
	}
	close(hold[1]); /* the children inherited it */
	for (int i = 0; i < N; i++)
		kill(w[i].watch.pid, SIGTERM);
	/* On a busy machine they die one at a time. */
	for (int i = 0; i < N; i++) {
		for (int tries = 0; tries < 250 && w[i].calls == 0; tries++)
			rounds(b, 1);
		CHECK(w[i].calls == 1);
	}
}

TEST(no_exit_is_lost_when_signals_coalesce)
{
	in_child(run_many);
}

static void run_early(struct bench *b)
{
	struct watcher w = { 0 }, second = { 0 };
	struct exit_expect expect;
	struct pidref who = PIDREF_NULL;
	pid_t pid;

	exit_expect_begin(b->exits, &expect);
	pid = child(3, -1);
	wait_for_zombie(pid);
	rounds(b, 3);
	CHECK(is_reaped(pid)); /* before anybody could watch */
	who.pid = pid;
	exit_watch_add(b->exits, &w.watch, &who, on_exit_);
	CHECK(w.calls == 0); /* never from the call itself */
	rounds(b, 2);
	CHECK(w.calls == 1 && WEXITSTATUS(w.info.wait_status) == 3);
	exit_watch_add(b->exits, &second.watch, &who, on_exit_);
	rounds(b, 2);
	CHECK(second.calls == 0); /* it is told once */
	exit_watch_remove(&second.watch);
	exit_expect_end(&expect);
}

TEST(an_exit_before_its_watch_is_kept_while_it_is_expected)
{
	in_child(run_early);
}

/* What is kept, or about to be delivered, would be lost with us. */
static void run_records(struct bench *b)
{
	struct exit_expect expect;
	struct pidref who = { .pid = 1 << 30, .fd = -EBADF };
	struct watcher w = { 0 }, gone = { 0 };

	exit_expect_begin(b->exits, &expect);
	for (int i = 0; i < 3; i++)
		exit_report(b->exits,
			&(struct exit_info){ .pid = who.pid + i, .record = 7 + (uint64_t)i });
	CHECK(exit_oldest_record(b->exits) == 7);
	exit_watch_add(b->exits, &w.watch, &who, on_exit_);
	CHECK(exit_oldest_record(b->exits) == 7);
	rounds(b, 2);
	CHECK(w.calls == 1 && exit_oldest_record(b->exits) == 8);
	who.pid++;
	exit_watch_add(b->exits, &gone.watch, &who, on_exit_);
	exit_watch_remove(&gone.watch);
	CHECK(exit_oldest_record(b->exits) == 9);
	exit_expect_end(&expect);
	CHECK(exit_oldest_record(b->exits) == UINT64_MAX);
}

TEST(who_keeps_records_is_told_which_are_not_dealt_with)
{
	in_child(run_records);
}

static bool hold_it(struct exit_watch *w)
{
	return true;
}

static const struct pidref one_of_ours = { .pid = 1 << 30, .fd = -EBADF };
static const struct exit_info its_exit = { .pid = 1 << 30, .wait_status = 5 << 8, .record = 7 };

static void watch_and_hold(struct bench *b, struct watcher *w)
{
	exit_watch_add(b->exits, &w->watch, &one_of_ours, on_exit_);
	w->watch.hold = hold_it;
}

/* The record stays until the watch's function has been called. */
static void expect_held(struct bench *b, struct watcher *w)
{
	rounds(b, 2);
	CHECK(w->calls == 0 && !exit_is_watched(b->exits, one_of_ours.pid));
	CHECK(exit_oldest_record(b->exits) == 7);
	exit_watch_go_on(&w->watch);
	CHECK(w->calls == 0);
	rounds(b, 2);
	CHECK(w->calls == 1 && w->info.wait_status == its_exit.wait_status);
	CHECK(exit_oldest_record(b->exits) == UINT64_MAX);
	exit_watch_go_on(&w->watch);
}

static void run_held(struct bench *b)
{
	struct watcher w = { 0 }, early = { 0 };
	struct exit_expect expect;

	watch_and_hold(b, &w);
	CHECK(exit_report(b->exits, &its_exit));
	expect_held(b, &w);
	exit_expect_begin(b->exits, &expect);
	CHECK(exit_report(b->exits, &its_exit));
	watch_and_hold(b, &early);
	expect_held(b, &early);
	exit_expect_end(&expect);
}

/* Nobody wants it any more. */
static void run_held_and_removed(struct bench *b)
{
	struct watcher w = { 0 };

	watch_and_hold(b, &w);
	CHECK(exit_report(b->exits, &its_exit));
	exit_watch_remove(&w.watch);
	exit_watch_go_on(&w.watch);
	rounds(b, 2);
	CHECK(w.calls == 0 && exit_oldest_record(b->exits) == UINT64_MAX);
}

TEST(an_exit_can_be_held_and_is_not_lost_meanwhile)
{
	in_child(run_held);
	in_child(run_held_and_removed);
}

static void run_dropped(struct bench *b)
{
	struct watcher w = { 0 };
	struct exit_expect first, later;
	struct pidref who = PIDREF_NULL;

	exit_expect_begin(b->exits, &first);
	who.pid = child(3, -1);
	wait_for_zombie(who.pid);
	rounds(b, 3);
	exit_expect_begin(b->exits, &later); /* is younger than that exit */
	exit_expect_end(&first);
	exit_watch_add(b->exits, &w.watch, &who, on_exit_);
	rounds(b, 2);
	CHECK(w.calls == 0);
	exit_watch_remove(&w.watch);
	exit_expect_end(&later);
}

TEST(a_kept_exit_is_dropped_when_nobody_can_mean_it)
{
	in_child(run_dropped);
}

static void run_identity(struct bench *b)
{
	struct watcher other = { 0 }, same = { 0 };
	struct exit_expect expect;
	struct pidref who;
	pid_t pid;

	exit_expect_begin(b->exits, &expect);
	pid = child(4, -1);
	CHECK(pidref_open(pid, &who) == 0);
	wait_for_zombie(pid);
	rounds(b, 3);
	who.start_time++;
	who.inode += who.inode != 0;
	exit_watch_add(b->exits, &other.watch, &who, on_exit_);
	who.start_time--;
	who.inode -= who.inode != 0;
	exit_watch_add(b->exits, &same.watch, &who, on_exit_);
	rounds(b, 2);
	CHECK(other.calls == 0 && same.calls == 1);
	exit_watch_remove(&other.watch);
	exit_expect_end(&expect);
	pidref_done(&who);
}

TEST(a_kept_exit_is_matched_by_identity)
{
	in_child(run_identity);
}

/* A watch of a later worker, for a process that was gone before: its number is another's by now. */
static void run_other_identity(struct bench *b)
{
	struct exit_info stranger = { .pid = 77, .inode = 6 }, own = { .pid = 77, .inode = 5 };
	struct pidref gone = { .pid = 77, .fd = -EBADF, .inode = 5 };
	struct watcher w = { 0 };

	exit_watch_add(b->exits, &w.watch, &gone, on_exit_);
	CHECK(!exit_report(b->exits, &stranger));
	CHECK(w.calls == 0);
	CHECK(exit_report(b->exits, &own));
	CHECK(w.calls == 1 && w.info.inode == 5);
}

TEST(a_watch_is_for_one_process_and_not_for_its_number)
{
	in_child(run_other_identity);
}

static void run_orphans(struct bench *b)
{
	pid_t middle = fork(), orphan;
	int tell[2], status;

	if (middle == 0)
		_exit(0);
	CHECK(waitpid(middle, &status, 0) == middle);
	CHECK(pipe(tell) == 0);
	middle = fork();
	if (middle == 0) {
		orphan = child(0, -1);
		CHECK(write(tell[1], &orphan, sizeof(orphan)) == sizeof(orphan));
		_exit(0);
	}
	CHECK(read(tell[0], &orphan, sizeof(orphan)) == sizeof(orphan));
	rounds(b, 10);
	CHECK(is_reaped(middle) && is_reaped(orphan));
	CHECK(waitid(P_ALL, 0, &(siginfo_t){ 0 }, WEXITED | WNOHANG) < 0 && errno == ECHILD);
}

TEST(orphans_are_reaped_and_dropped)
{
	in_child(run_orphans);
}

static void run_claims(struct bench *b)
{
	struct own_children_claim claim;
	struct watcher w = { 0 };
	siginfo_t si = { 0 };
	pid_t mine, orphan, watched;

	mine = child(9, -1);
	own_children_claim(b->children, &claim, mine);
	wait_for_zombie(mine);
	orphan = child(0, -1);
	wait_for_zombie(orphan);
	watched = child(5, -1);
	watch_pid(b, &w, watched);
	rounds(b, 5);
	CHECK(w.calls == 1 && WEXITSTATUS(w.info.wait_status) == 5);
	CHECK(waitid(P_PID, (id_t)mine, &si, WEXITED | WNOHANG) == 0 && si.si_pid == mine);
	CHECK(si.si_status == 9);
	own_children_unclaim(&claim);
	own_children_unclaim(&claim);
	rounds(b, 3);
	CHECK(is_reaped(orphan));
}

TEST(a_claimed_child_is_left_to_its_owner_and_hides_nobody_for_ever)
{
	in_child(run_claims);
}

/* Room for kept exits is used up: the next ones stay zombies, and are not lost. */
static void run_full(struct bench *b)
{
	struct exit_expect first, second;
	struct watcher w = { 0 };
	struct pidref who = PIDREF_NULL;

	exit_expect_begin(b->exits, &first);
	for (int i = 0; exit_has_room(b->exits); i++)
		CHECK(exit_report(b->exits, &(struct exit_info){ .pid = 1 << 30 | i }));
	exit_expect_begin(b->exits, &second);
	who.pid = child(6, -1);
	wait_for_zombie(who.pid);
	rounds(b, 3);
	CHECK(!is_reaped(who.pid));
	exit_expect_end(&first);
	rounds(b, 3);
	CHECK(is_reaped(who.pid));
	exit_watch_add(b->exits, &w.watch, &who, on_exit_);
	rounds(b, 2);
	CHECK(w.calls == 1 && WEXITSTATUS(w.info.wait_status) == 6);
	exit_expect_end(&second);
}

TEST(an_exit_for_which_there_is_no_room_waits_as_a_zombie)
{
	in_child(run_full);
}

static void run_removed(struct bench *b)
{
	struct watcher w = { 0 };
	pid_t pid = child(1, -1);

	watch_pid(b, &w, pid);
	exit_watch_remove(&w.watch);
	exit_watch_remove(&w.watch);
	rounds(b, 5);
	CHECK(w.calls == 0 && is_reaped(pid));
}

TEST(a_removed_watch_is_not_called_and_its_child_is_reaped)
{
	in_child(run_removed);
}
