/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "container/state.h"

struct fixture {
	struct test_tmpdir t;
	struct state_dir d;
	struct err err;
	size_t fds;
};

static struct fixture setup(void)
{
	struct fixture f = { .fds = test_open_fds() };
	char root[128];

	f.t = test_tmpdir_memory();
	snprintf(root, sizeof(root), "%s/root", f.t.path);
	assert_ok(state_dir_open(root, true, &f.d, &f.err));
	return f;
}

static void teardown(struct fixture *f)
{
	state_dir_done(&f->d);
	state_dir_done(&f->d);
	test_tmpdir_remove(&f->t);
	assert_int_equal(test_open_fds(), f->fds);
}

static size_t entries(const struct state_dir *d)
{
	int fd = openat(d->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fdopendir(fd);
	size_t n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

static int wait_status(pid_t pid)
{
	int status = -1;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int create(struct state_dir *d, const char *id, struct state *ret, struct err *err)
{
	static const struct state_file config = { "config.json", "{}", 2 };
	struct state s = STATE_NULL;
	int r;

	s.record.id = state_record_string(&s.record, id);
	s.record.owner = getuid();
	r = state_create(d, &s, &config, 1, err);
	if (r < 0)
		state_done(&s);
	else
		*ret = s;
	return r;
}

/* ---- ids ---- */

TEST(ids)
{
	static const char *const good[] = { "a", "A-b_c.d+1", "0", "-x", "a..", "_" };
	static const char *const bad[] = { ".", "..", ".a", "a/b", "a b", "a*", "a\n", "\xc3\xa4",
		"a,b", "/", "a:b" };
	char longest[STATE_ID_MAX + 2];
	struct err err;

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_ok(state_id_check(good[i], &err));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(state_id_check(bad[i], &err), -EINVAL);
		assert_text_has(err.text, "invalid container ID format");
		if (bad[i][0] != '.')
			assert_text_has(err.text, "invalid character");
	}
	assert_int_equal(state_id_check("", &err), -EINVAL);
	assert_text_has(err.text, "cannot be empty");
	assert_int_equal(state_id_check(NULL, &err), -EINVAL);
	memset(longest, 'x', sizeof(longest));
	longest[STATE_ID_MAX] = '\0';
	assert_ok(state_id_check(longest, &err));
	longest[STATE_ID_MAX] = 'x';
	longest[STATE_ID_MAX + 1] = '\0';
	assert_int_equal(state_id_check(longest, &err), -EINVAL);
}

TEST(an_unchecked_id_never_becomes_a_path)
{
	struct fixture f = setup();
	char id[STATE_ID_MAX + 1];
	struct state s;

	assert_ok(mkdirat(f.t.fd, "outside", 0700));
	assert_int_equal(create(&f.d, "../outside2", &s, &f.err), -EINVAL);
	assert_int_equal(state_open(&f.d, "../outside", STATE_READ, &s, &f.err), -EINVAL);
	assert_int_equal(state_open(&f.d, "../outside", STATE_SALVAGE, &s, &f.err), -EINVAL);
	assert_int_equal(state_resolve_id(&f.d, "../outside", 1, id, &f.err), -EINVAL);
	assert_int_equal(state_resolve_id(&f.d, "*", 1, id, &f.err), -EINVAL);
	assert_int_equal(faccessat(f.t.fd, "outside2", F_OK, 0), -1);
	teardown(&f);
}

/* ---- the root ---- */

TEST(bad_roots_are_refused)
{
	struct fixture f = setup();
	char path[256];
	struct state_dir d;

	assert_int_equal(state_dir_open("", true, &d, &f.err), -EINVAL);
	assert_int_equal(state_dir_open("/", true, &d, &f.err), -EINVAL);
	assert_int_equal(state_dir_open("//..//", true, &d, &f.err), -EINVAL);
	assert_int_equal(state_dir_open("/proc/self/root/.", true, &d, &f.err), -ENOTDIR);
	assert_ok(symlinkat("root", f.t.fd, "link"));
	snprintf(path, sizeof(path), "%s/link", f.t.path);
	assert_int_equal(state_dir_open(path, true, &d, &f.err), -ENOTDIR);
	snprintf(path, sizeof(path), "%s/none", f.t.path);
	assert_int_equal(state_dir_open(path, false, &d, &f.err), -ENOENT);
	snprintf(path, sizeof(path), "%s/open", f.t.path);
	assert_ok(mkdirat(f.t.fd, "open", 0700));
	assert_ok(fchmodat(f.t.fd, "open", 01777, 0));
	assert_int_equal(state_dir_open(path, true, &d, &f.err), -EPERM);
	assert_text_has(f.err.text, "writable for everybody");
	if (geteuid() == 0) {
		assert_ok(fchmodat(f.t.fd, "open", 0700, 0));
		assert_ok(fchownat(f.t.fd, "open", 12345, 12345, 0));
		assert_int_equal(state_dir_open(path, true, &d, &f.err), -EPERM);
		assert_text_has(f.err.text, "belongs to user 12345");
	}
	teardown(&f);
}

TEST(a_root_is_made_private_and_its_path_absolute)
{
	struct fixture f = setup();
	struct stat st;
	struct state_dir d;
	char *cwd = getcwd(NULL, 0);

	assert_ok(fstat(f.d.fd, &st));
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_ok(fchdir(f.t.fd));
	assert_ok(state_dir_open("deep/er/root", true, &d, &f.err));
	assert_ok(chdir(cwd));
	assert_int_equal(d.path[0], '/');
	assert_text_has(d.path, "/deep/er/root");
	assert_ok(faccessat(f.t.fd, "deep/er/root", F_OK, 0));
	state_dir_done(&d);
	free(cwd);
	teardown(&f);
}

TEST(the_default_root_is_the_users_for_users)
{
	char *root, *xdg = getenv("XDG_RUNTIME_DIR") ? strdup(getenv("XDG_RUNTIME_DIR")) : NULL;
	struct err err;

	setenv("XDG_RUNTIME_DIR", "/run/user/7/", 1);
	assert_ok(state_default_root(&root, &err));
	assert_string_equal(root, geteuid() == 0 ? "/run/reeve" : "/run/user/7/reeve");
	free(root);
	setenv("XDG_RUNTIME_DIR", "relative", 1);
	assert_ok(state_default_root(&root, &err));
	assert_string_equal(root, "/run/reeve");
	free(root);
	unsetenv("XDG_RUNTIME_DIR");
	assert_ok(state_default_root(&root, &err));
	assert_string_equal(root, "/run/reeve");
	free(root);
	if (xdg)
		setenv("XDG_RUNTIME_DIR", xdg, 1);
	free(xdg);
}

/* ---- create, open, save, remove ---- */

TEST(a_container_appears_whole)
{
	struct fixture f = setup();
	struct state s, r;
	struct stat st;

	assert_ok(create(&f.d, "c1", &s, &f.err));
	assert_int_equal(entries(&f.d), 1);
	assert_ok(state_open(&f.d, "c1", STATE_READ, &r, &f.err));
	assert_string_equal(r.record.id, "c1");
	assert_int_equal(r.record.status, STATE_CREATING);
	assert_int_equal(r.record.generation, 1);
	assert_int_equal(r.record.owner, getuid());
	assert_true(clock_wall_ns() - r.record.created_ns < 60 * NS_PER_SEC);
	assert_false(r.locked);
	assert_true(s.locked);
	assert_true(state_is_locked(&r));
	assert_ok(fstatat(f.d.fd, "c1", &st, 0));
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_ok(fstatat(f.d.fd, "c1/config.json", &st, 0));
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 2);
	assert_ok(fstatat(f.d.fd, "c1/state", &st, 0));
	assert_int_equal(st.st_mode & 07777, 0600);
	state_done(&r);
	/* A reader sees the new record at once. */
	s.record.bundle = state_record_string(&s.record, "/b");
	s.record.status = STATE_CREATED;
	assert_ok(state_save(&s, &f.err));
	assert_ok(state_open(&f.d, "c1", STATE_READ, &r, &f.err));
	assert_string_equal(r.record.bundle, "/b");
	assert_int_equal(r.record.generation, 2);
	state_done(&r);
	assert_ok(state_remove(&s, &f.err));
	assert_int_equal(state_relock(&s, &f.err), -ENOENT);
	state_done(&s);
	state_done(&s);
	assert_int_equal(entries(&f.d), 0);
	assert_int_equal(state_open(&f.d, "c1", STATE_READ, &r, &f.err), -ENOENT);
	assert_text_has(f.err.text, "container does not exist");
	assert_int_equal(state_open(&f.d, "c1", STATE_SALVAGE, &r, &f.err), -ENOENT);
	teardown(&f);
}

TEST(the_second_creator_leaves_the_first_alone)
{
	struct fixture f = setup();
	struct state s, other;

	assert_ok(create(&f.d, "c1", &s, &f.err));
	assert_int_equal(create(&f.d, "c1", &other, &f.err), -EEXIST);
	assert_text_has(f.err.text, "container with given ID already exists");
	assert_int_equal(entries(&f.d), 1);
	assert_ok(state_save(&s, &f.err));
	state_done(&s);
	assert_ok(state_open(&f.d, "c1", STATE_WRITE, &s, &f.err));
	state_done(&s);
	teardown(&f);
}

TEST(of_many_concurrent_creators_one_wins)
{
	struct fixture f = setup();
	pid_t pids[8];
	int won = 0, lost = 0, go[2];

	assert_ok(pipe2(go, O_CLOEXEC));
	for (int round = 0; round < 20; round++) {
		char id[16];

		snprintf(id, sizeof(id), "c%d", round);
		for (int i = 0; i < 8; i++) {
			pids[i] = fork();
			if (pids[i] == 0) {
				struct state s;
				char c;
				int r;

				if (read(go[0], &c, 1) != 1)
					_exit(9);
				r = create(&f.d, id, &s, &f.err);
				_exit(r == 0 ? 0 : r == -EEXIST ? 1 : 2);
			}
		}
		assert_int_equal(write(go[1], "gggggggg", 8), 8);
		for (int i = 0; i < 8; i++) {
			int status = wait_status(pids[i]);

			assert_in_range(status, 0, 1);
			*(status == 0 ? &won : &lost) += 1;
		}
	}
	assert_int_equal(won, 20);
	assert_int_equal(lost, 140);
	assert_int_equal(entries(&f.d), 20);
	close(go[0]);
	close(go[1]);
	teardown(&f);
}

/* A waits for the lock while B deletes, and C makes a new container of the same id: A must not act on either. */
TEST(who_waited_for_a_deleted_container_is_told)
{
	struct fixture f = setup();
	struct state s;
	pid_t pid;

	assert_ok(create(&f.d, "c1", &s, &f.err));
	pid = fork();
	if (pid == 0) {
		int r;

		state_done(&s);
		r = state_open(&f.d, "c1", STATE_WRITE, &s, &f.err);
		_exit(r == -ENOENT && strstr(f.err.text, "does not exist") ? 0 : 1);
	}
	/* Until it has opened the directory: it shows in its fds. */
	for (int tries = 0; tries < 1000; tries++) {
		char path[64], target[256];
		bool seen = false;

		for (int fd = 3; fd < 64 && !seen; fd++) {
			ssize_t n;

			snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
			n = readlink(path, target, sizeof(target) - 1);
			target[n > 0 ? n : 0] = '\0';
			seen = n > 3 && strcmp(target + n - 3, "/c1") == 0 && tries > 50;
		}
		if (seen)
			break;
		poll(NULL, 0, 1);
	}
	assert_ok(state_remove(&s, &f.err));
	assert_int_equal(wait_status(pid), 0);
	state_done(&s);
	teardown(&f);
}

/* Creators and deleters of one id at full speed: the lock is never held twice, nothing is left over. */
TEST(create_and_delete_race_without_a_second_holder)
{
	struct fixture f = setup();
	pid_t pids[4];
	struct state s;

	close(openat(f.t.fd, "held", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_ok(unlinkat(f.t.fd, "held", 0));
	for (int i = 0; i < 4; i++) {
		pids[i] = fork();
		if (pids[i] != 0)
			continue;
		for (int n = 0; n < 150; n++) {
			int r = i % 2 ? create(&f.d, "x", &s, &f.err)
				      : state_open(&f.d, "x", n % 2 ? STATE_WRITE : STATE_SALVAGE,
						&s, &f.err);
			int held;

			if (r == -EEXIST || r == -ENOENT)
				continue;
			if (r < 0)
				_exit(1);
			held = openat(
				f.t.fd, "held", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
			if (held < 0)
				_exit(2);
			close(held);
			if (state_save(&s, &f.err) < 0)
				_exit(3);
			unlinkat(f.t.fd, "held", 0);
			if (i % 2 == 0 && state_remove(&s, &f.err) < 0)
				_exit(4);
			state_done(&s);
		}
		_exit(0);
	}
	for (int i = 0; i < 4; i++)
		assert_int_equal(wait_status(pids[i]), 0);
	state_sweep(&f.d);
	assert_true(entries(&f.d) <= 1);
	teardown(&f);
}

TEST(unlock_lets_others_in_and_relock_sees_what_they_did)
{
	struct fixture f = setup();
	struct state s, other;

	assert_ok(create(&f.d, "c1", &s, &f.err));
	s.record.bundle = state_record_string(&s.record, "/mine");
	state_unlock(&s);
	/* Nobody saved: what is in memory stays. */
	assert_ok(state_relock(&s, &f.err));
	assert_string_equal(s.record.bundle, "/mine");
	assert_ok(state_save(&s, &f.err));
	state_unlock(&s);
	assert_ok(state_open(&f.d, "c1", STATE_WRITE, &other, &f.err));
	other.record.status = STATE_PAUSED;
	assert_ok(state_save(&other, &f.err));
	state_done(&other);
	assert_ok(state_relock(&s, &f.err));
	assert_int_equal(s.record.status, STATE_PAUSED);
	assert_string_equal(s.record.bundle, "/mine");
	state_unlock(&s);
	assert_ok(state_open(&f.d, "c1", STATE_WRITE, &other, &f.err));
	assert_ok(state_remove(&other, &f.err));
	state_done(&other);
	assert_int_equal(state_relock(&s, &f.err), -ENOENT);
	/* Also when another one has taken the id. */
	assert_ok(create(&f.d, "c1", &other, &f.err));
	state_unlock(&other);
	assert_int_equal(state_relock(&s, &f.err), -ENOENT);
	assert_text_has(f.err.text, "container does not exist");
	state_done(&other);
	state_done(&s);
	teardown(&f);
}

TEST(readers_never_wait_for_a_lock)
{
	struct fixture f = setup();
	uint64_t start = clock_boot_ns();
	struct state s, r;
	size_t n;
	char **ids;

	assert_ok(create(&f.d, "c1", &s, &f.err));
	assert_ok(state_open(&f.d, "c1", STATE_READ, &r, &f.err));
	assert_ok(state_list(&f.d, &ids, &n, &f.err));
	assert_true(clock_boot_ns() - start < 5 * NS_PER_SEC);
	state_list_free(ids, n);
	state_done(&r);
	state_done(&s);
	teardown(&f);
}

/* ---- damage ---- */

static void write_raw(struct state_dir *d, const char *path, const char *data)
{
	int fd = openat(d->fd, path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);

	assert_ok(fd_write_full(fd, data, strlen(data)));
	close(fd);
}

TEST(a_damaged_record_is_told_and_can_be_removed)
{
	struct fixture f = setup();
	struct state s;

	for (int kind = 0; kind < 5; kind++) {
		assert_ok(create(&f.d, "c1", &s, &f.err));
		state_done(&s);
		if (kind == 0)
			write_raw(&f.d, "c1/state", "{\"v\":1}");
		if (kind == 1)
			write_raw(&f.d, "c1/state", "");
		if (kind == 2)
			assert_ok(unlinkat(f.d.fd, "c1/state", 0));
		if (kind == 3) { /* whole, but another's */
			assert_ok(file_remove_tree_at(f.d.fd, "c1"));
			assert_ok(create(&f.d, "c9", &s, &f.err));
			state_done(&s);
			assert_ok(renameat(f.d.fd, "c9", f.d.fd, "c1"));
		}
		if (kind == 4) /* even without its configuration */
			assert_ok(file_remove_tree_at(f.d.fd, "c1") ||
				  file_mkdirs_at(f.d.fd, "c1", 0700));
		assert_int_equal(state_open(&f.d, "c1", STATE_READ, &s, &f.err), -EBADMSG);
		assert_text_has(f.err.text, "state of container 'c1' is damaged");
		assert_null(strstr(f.err.text, "does not exist"));
		assert_true(state_open(&f.d, "c1", STATE_WRITE, &s, &f.err) < 0);
		assert_ok(state_open(&f.d, "c1", STATE_SALVAGE, &s, &f.err));
		assert_true(s.damaged);
		assert_string_equal(s.record.id, "c1");
		assert_ok(state_remove(&s, &f.err));
		state_done(&s);
		assert_int_equal(entries(&f.d), 0);
	}
	teardown(&f);
}

TEST(a_huge_record_is_not_read)
{
	struct fixture f = setup();
	struct state s;
	int fd;

	assert_ok(create(&f.d, "c1", &s, &f.err));
	state_done(&s);
	fd = openat(f.d.fd, "c1/state", O_WRONLY | O_CLOEXEC);
	assert_ok(ftruncate(fd, (off_t)STATE_RECORD_MAX + 1));
	close(fd);
	assert_int_equal(state_open(&f.d, "c1", STATE_READ, &s, &f.err), -EBADMSG);
	assert_text_has(f.err.text, "too large");
	teardown(&f);
}

/* ---- crashes ---- */

TEST(a_sweep_removes_what_crashes_left_and_nothing_else)
{
	struct fixture f = setup();
	struct state live;
	size_t n;
	char **ids;
	pid_t pid;
	int p[2];
	char c;

	assert_ok(create(&f.d, "keep", &live, &f.err));
	assert_ok(file_mkdirs_at(f.d.fd, ".tmp.0123456789abcdef", 0700));
	assert_ok(file_mkdirs_at(f.d.fd, ".tmp.1123456789abcdef", 0700));
	write_raw(&f.d, ".tmp.1123456789abcdef/state", ""); /* the holder died */
	assert_ok(file_mkdirs_at(f.d.fd, ".del.2123456789abcdef/sub", 0700));
	assert_ok(file_mkdirs_at(f.d.fd, ".cache", 0700)); /* not ours to sweep */
	assert_ok(file_mkdirs_at(f.d.fd, ".tmp.held", 0700));
	assert_ok(pipe2(p, O_CLOEXEC));
	pid = fork();
	if (pid == 0) {
		int fd = openat(f.d.fd, ".tmp.held", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (file_lock(fd, true, false) < 0 || write(p[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(p[0], &c, 1), 1);
	assert_ok(state_list(&f.d, &ids, &n, &f.err));
	assert_int_equal(n, 1);
	assert_string_equal(ids[0], "keep");
	state_list_free(ids, n);
	assert_int_equal(entries(&f.d), 3);
	assert_ok(faccessat(f.d.fd, ".tmp.held", F_OK, 0));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	state_sweep(&f.d);
	assert_int_equal(entries(&f.d), 2);
	state_done(&live);
	close(p[0]);
	close(p[1]);
	teardown(&f);
}

/* A sweep may come between a creator's mkdir and its lock. */
TEST(a_sweep_never_breaks_a_create)
{
	struct fixture f = setup();
	pid_t pids[2], sweeper = fork();

	if (sweeper == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			state_sweep(&f.d);
	}
	for (int i = 0; i < 2; i++) {
		pids[i] = fork();
		if (pids[i] != 0)
			continue;
		for (int n = 0; n < 300; n++) {
			char id[16];
			struct state s;

			snprintf(id, sizeof(id), "c%d-%d", i, n);
			if (create(&f.d, id, &s, &f.err) < 0 || state_save(&s, &f.err) < 0 ||
				state_remove(&s, &f.err) < 0)
				_exit(1);
			state_done(&s);
		}
		_exit(0);
	}
	for (int i = 0; i < 2; i++)
		assert_int_equal(wait_status(pids[i]), 0);
	kill(sweeper, SIGKILL);
	waitpid(sweeper, NULL, 0);
	state_sweep(&f.d);
	assert_int_equal(entries(&f.d), 0);
	teardown(&f);
}

/* Kill a creator and a remover at many moments: what is left is a whole container or something that a sweep takes. */
TEST(a_kill_at_any_moment_leaves_nothing_half)
{
	struct fixture f = setup();
	int whole = 0, none = 0, p[2];
	char c;

	assert_ok(pipe2(p, O_CLOEXEC));
	for (int i = 0; i < 60; i++) {
		struct timespec ts = { .tv_nsec = i * 12000 };
		struct state s;
		pid_t pid = fork();
		int r;

		if (pid == 0)
			for (bool first = true;; first = false) {
				if (first && write(p[1], "x", 1) != 1)
					_exit(1);
				if (create(&f.d, "c", &s, &f.err) == 0)
					state_remove(&s, &f.err);
				state_done(&s);
			}
		assert_int_equal(read(p[0], &c, 1), 1);
		nanosleep(&ts, NULL);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		r = state_open(&f.d, "c", STATE_WRITE, &s, &f.err);
		if (r == 0) {
			assert_ok(state_remove(&s, &f.err));
			state_done(&s);
			whole++;
		} else {
			assert_int_equal(r, -ENOENT);
			none++;
		}
		state_sweep(&f.d);
		assert_int_equal(entries(&f.d), 0);
	}
	printf("# %d whole, %d gone\n", whole, none);
	close(p[0]);
	close(p[1]);
	teardown(&f);
}

/* ---- a full disk ---- */

static bool map_self(const char *file, unsigned int id)
{
	char map[32];

	snprintf(map, sizeof(map), "0 %u 1", id);
	return fd_write_file_at(AT_FDCWD, file, map) == 0;
}

/* A mount namespace of our own: as root, or as the root of a user namespace. */
static bool own_mounts(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (unshare(CLONE_NEWNS) < 0 &&
		(unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 ||
			fd_write_file_at(AT_FDCWD, "/proc/self/setgroups", "deny") < 0 ||
			!map_self("/proc/self/uid_map", uid) ||
			!map_self("/proc/self/gid_map", gid)))
		return false;
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static int full_disk(const char *path)
{
	struct state_dir d = STATE_DIR_NULL;
	struct state a, b;
	struct err err;
	char root[128];
	int fd, r;

	snprintf(root, sizeof(root), "%s/small", path);
	if (!own_mounts() || mkdir(root, 0700) < 0 ||
		mount("tmpfs", root, "tmpfs", 0, "size=64k,mode=700") < 0)
		return 77;
	if (state_dir_open(root, true, &d, &err) < 0 || create(&d, "a", &a, &err) < 0) {
		printf("# %s\n", err.text);
		fflush(stdout);
		return 1;
	}
	fd = openat(d.fd, ".filler", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	for (char page[4096] = { 0 }; write(fd, page, sizeof(page)) > 0;)
		;
	a.record.status = STATE_RUNNING;
	if (state_save(&a, &err) != -ENOSPC || !strstr(err.text, "No space left"))
		return 2;
	state_done(&a);
	/* The old record stands, a create fails and leaves nothing. */
	if (state_open(&d, "a", STATE_WRITE, &a, &err) < 0 || a.record.status != STATE_CREATING)
		return 3;
	r = create(&d, "b", &b, &err);
	if (r != -ENOSPC || entries(&d) != 2)
		return 4;
	/* Deleting needs no room. */
	if (state_remove(&a, &err) < 0 || entries(&d) != 1)
		return 5;
	return 0;
}

TEST(a_full_disk_keeps_the_old_record)
{
	struct test_tmpdir t = test_tmpdir_memory();
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(full_disk(t.path));
	status = wait_status(pid);
	test_tmpdir_remove(&t);
	if (status == 77)
		test_skip("needs to mount a tmpfs");
	assert_int_equal(status, 0);
}

/* ---- names ---- */

TEST(abbreviated_ids)
{
	static const char *const ids[] = { "web", "web-1", "web-2", "db", "alpha1", "alpha2",
		"alpha3", "alpha4", "alpha5" };
	struct fixture f = setup();
	char id[STATE_ID_MAX + 1];
	struct state s;

	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
		assert_ok(create(&f.d, ids[i], &s, &f.err));
		state_done(&s);
	}
	write_raw(&f.d, "dfile", "");
	/* The exact name wins although it begins others. */
	assert_ok(state_resolve_id(&f.d, "web", 1, id, &f.err));
	assert_string_equal(id, "web");
	assert_ok(state_resolve_id(&f.d, "d", 1, id, &f.err));
	assert_string_equal(id, "db");
	assert_int_equal(state_resolve_id(&f.d, "d", 2, id, &f.err), -ENOENT);
	assert_int_equal(state_resolve_id(&f.d, "d", 0, id, &f.err), -ENOENT);
	assert_ok(state_resolve_id(&f.d, "db", 0, id, &f.err));
	assert_int_equal(state_resolve_id(&f.d, "we", 1, id, &f.err), -EINVAL);
	assert_string_equal(f.err.text, "id \"we\" is ambiguous and could refer to multiple "
					"containers: \"web\", \"web-1\", \"web-2\"");
	assert_int_equal(state_resolve_id(&f.d, "alpha", 1, id, &f.err), -EINVAL);
	assert_text_has(f.err.text, "\"alpha4\", ...");
	assert_int_equal(state_resolve_id(&f.d, "zz", 1, id, &f.err), -ENOENT);
	assert_text_has(f.err.text, "container does not exist");
	assert_int_equal(state_resolve_id(&f.d, "", 1, id, &f.err), -EINVAL);
	assert_string_equal(f.err.text, "container id cannot be empty");
	teardown(&f);
}

TEST(lists_are_sorted_and_hold_directories_only)
{
	struct fixture f = setup();
	struct state s;
	char **ids;
	size_t n;

	assert_ok(state_list(&f.d, &ids, &n, &f.err));
	assert_int_equal(n, 0);
	state_list_free(ids, n);
	assert_ok(create(&f.d, "b", &s, &f.err));
	state_done(&s);
	assert_ok(create(&f.d, "a", &s, &f.err));
	state_done(&s);
	write_raw(&f.d, "file", "x");
	assert_ok(state_list(&f.d, &ids, &n, &f.err));
	assert_int_equal(n, 2);
	assert_string_equal(ids[0], "a");
	assert_string_equal(ids[1], "b");
	state_list_free(ids, n);
	teardown(&f);
}
