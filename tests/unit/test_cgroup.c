/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's place in the hierarchies. Records, names and mounts as any user; the rest on real
 * cgroups below /sys/fs/cgroup/.../reeve-test-cgroup-PID, with all hierarchies of the machine together, with
 * those of v1 alone and with v2 alone. The tests never act on a cgroup that they did not make.
 */
#include "container/cgroup.h"

#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fd.h"
#include "cgroup_fixture.h"
#include "test.h"

enum variant { ALL, V1_ALONE, V2_ALONE, N_VARIANTS };

struct real {
	struct cgroup_host host;
	struct cgroup *cg;
	struct err err;
	char parent[64]; /* "/reeve-test-cgroup-PID" */
	char path[96];
	size_t fds;
};

static uint64_t in_ms(uint64_t ms)
{
	return clock_boot_ns() + ms * NS_PER_MS;
}

static void keep_only(struct cgroup_host *host, bool v2)
{
	size_t kept = 0;

	for (size_t i = 0; i < host->n; i++)
		if (host->h[i].v2 == v2)
			host->h[kept++] = host->h[i];
	host->n = kept;
	if (kept)
		host->mode = v2 ? CGROUP_MODE_V2 : CGROUP_MODE_V1;
}

/* False where this machine has no such hierarchies, or we may not. */
static bool real_open(struct real *r, enum variant variant)
{
	*r = (struct real){ .fds = test_open_fds() };
	if (geteuid() != 0 || cgroup_host_read("", &r->host, &r->err) < 0)
		return false;
	if (variant != ALL)
		keep_only(&r->host, variant == V2_ALONE);
	snprintf(r->parent, sizeof(r->parent), "/reeve-test-cgroup-%d", (int)getpid());
	snprintf(r->path, sizeof(r->path), "%s/c", r->parent);
	return r->host.n > 0;
}

static int try_create(struct real *r, struct cgroup **ret)
{
	const struct cgroup_request req = { .path = r->path, .id = "c" };

	return cgroup_create(&r->host, &req, ret, &r->err);
}

static void create(struct real *r)
{
	if (try_create(r, &r->cg) < 0)
		fail_msg("%s", r->err.text);
}

static void assert_nothing_left(struct real *r)
{
	for (size_t i = 0; i < r->host.n; i++) {
		char path[256];

		snprintf(path, sizeof(path), "%s%s", r->host.h[i].mount, r->parent);
		if (access(path, F_OK) == 0)
			fail_msg("%s is left", path);
	}
}

static void real_close(struct real *r)
{
	if (r->cg && cgroup_remove(r->cg, in_ms(3000), &r->err) < 0)
		fail_msg("%s", r->err.text);
	assert_nothing_left(r);
	cgroup_free(r->cg);
	cgroup_host_done(&r->host);
	assert_int_equal(test_open_fds(), r->fds);
}

#define EACH_VARIANT(r) \
	for (int variant = ALL; variant < N_VARIANTS; variant++) \
		if (real_open((r), (enum variant)variant))

static void need_root(void)
{
	if (geteuid() != 0)
		test_skip("needs root");
}

/* A child in every directory of the cgroup; it then runs `then` and exits with what that returns. */
static pid_t spawn_in(struct cgroup *cg, int (*then)(void *arg), void *arg)
{
	struct cgroup_dir *v2 = cgroup_v2_dir(cg);
	int ready[2];
	pid_t pid;
	char c;

	assert_ok(pipe2(ready, O_CLOEXEC));
	pid = v2 ? fixture_clone_into(cgroup_dir_fd(v2)) : fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		for (size_t i = 0; i < cg->n_dirs; i++)
			if (!cg->dirs[i].v2 && cgroup_put(&cg->dirs[i], "tasks", "0") < 0)
				_exit(99);
		if (write(ready[1], "", 1) != 1)
			_exit(98);
		_exit(then(arg));
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

static int sleep_on(void *arg)
{
	for (;;)
		pause();
	return 0;
}

static int reap(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static bool is_dead_in_time(pid_t pid)
{
	for (int i = 0; i < 2000; i++) {
		siginfo_t info = { 0 };

		assert_ok(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT));
		if (info.si_pid == pid)
			return true;
		usleep(1000);
	}
	return false;
}

static void assert_killed(pid_t pid)
{
	assert_true(is_dead_in_time(pid));
	assert_int_equal(reap(pid), SIGKILL);
}

/* ---- making and removing ---- */

TEST(every_hierarchy_gets_its_directory_and_undo_leaves_nothing)
{
	struct real r;

	need_root();
	EACH_VARIANT(&r)
	{
		create(&r);
		assert_int_equal(r.cg->n_dirs, r.host.n);
		for (size_t i = 0; i < r.cg->n_dirs; i++) {
			assert_ok(access(r.cg->dirs[i].path, F_OK));
			assert_int_equal(r.cg->dirs[i].made, 2);
			assert_int_equal(r.cg->dirs[i].owned, CGROUP_OWNED);
		}
		cgroup_undo(r.cg);
		assert_nothing_left(&r);
		cgroup_undo(r.cg);
		real_close(&r);
	}
}

TEST(a_process_can_enter_and_is_where_it_should_be)
{
	struct real r;
	pid_t pid, *pids;
	size_t n;

	need_root();
	EACH_VARIANT(&r)
	{
		create(&r);
		pid = spawn_in(r.cg, sleep_on, NULL);
		if (cgroup_verify(r.cg, pid, &r.err) < 0)
			fail_msg("%s", r.err.text);
		assert_int_equal(cgroup_verify(r.cg, getpid(), &r.err), -EBADMSG);
		assert_ok(cgroup_pids(r.cg, &pids, &n, &r.err));
		assert_int_equal(n, 1);
		assert_int_equal(pids[0], pid);
		free(pids);
		assert_ok(cgroup_kill(r.cg, &r.err));
		assert_killed(pid);
		real_close(&r);
	}
}

TEST(a_cgroup_with_a_process_is_refused_and_left_alone)
{
	struct cgroup *second;
	struct real r;
	pid_t pid;

	need_root();
	EACH_VARIANT(&r)
	{
		create(&r);
		pid = spawn_in(r.cg, sleep_on, NULL);
		assert_int_equal(try_create(&r, &second), -EBUSY);
		assert_text_has(r.err.text, "container's cgroup is not empty");
		assert_ok(access(r.cg->dirs[0].path, F_OK));
		assert_ok(cgroup_kill(r.cg, &r.err));
		assert_killed(pid);
		real_close(&r);
	}
}

TEST(an_empty_leftover_is_taken_over)
{
	struct cgroup *second;
	struct real r;

	need_root();
	EACH_VARIANT(&r)
	{
		create(&r);
		if (try_create(&r, &second) < 0)
			fail_msg("%s", r.err.text);
		for (size_t i = 0; i < second->n_dirs; i++) {
			assert_int_equal(second->dirs[i].made, 0);
			assert_int_equal(second->dirs[i].owned, CGROUP_OWNED);
		}
		cgroup_undo(second); /* made nothing, removes nothing */
		assert_ok(access(r.cg->dirs[0].path, F_OK));
		cgroup_free(second);
		real_close(&r);
	}
}

TEST(a_frozen_cgroup_is_refused)
{
	struct cgroup *second;
	struct real r;

	need_root();
	EACH_VARIANT(&r)
	{
		create(&r);
		assert_ok(cgroup_freeze(r.cg, in_ms(2000), &r.err));
		assert_int_equal(try_create(&r, &second), -EBUSY);
		assert_text_has(r.err.text, "container's cgroup unexpectedly frozen");
		assert_ok(cgroup_thaw(r.cg, in_ms(2000), &r.err));
		real_close(&r);
	}
}

TEST(a_new_cgroup_below_a_frozen_one_is_refused_and_removed)
{
	const struct cgroup_request req = { .path = "", .id = "c" };
	struct cgroup_request below = req;
	struct cgroup *inner;
	char path[160];
	struct real r;

	need_root();
	EACH_VARIANT(&r)
	{
		create(&r);
		assert_ok(cgroup_freeze(r.cg, in_ms(2000), &r.err));
		snprintf(path, sizeof(path), "%s/inner", r.path);
		below.path = path;
		assert_int_equal(cgroup_create(&r.host, &below, &inner, &r.err), -EBUSY);
		assert_text_has(r.err.text, "container's cgroup unexpectedly frozen");
		for (size_t i = 0; i < r.cg->n_dirs; i++) {
			snprintf(path, sizeof(path), "%s/inner", r.cg->dirs[i].path);
			assert_int_equal(access(path, F_OK), -1);
		}
		assert_ok(cgroup_thaw(r.cg, in_ms(2000), &r.err));
		real_close(&r);
	}
}

/* Containers side by side share the parent that the first of them made; the last one to go takes it away. */
TEST(a_shared_parent_goes_with_the_last_that_uses_it)
{
	struct cgroup *first = NULL;
	struct real r;

	need_root();
	for (enum variant v = ALL; v < N_VARIANTS; v++) {
		if (!real_open(&r, v)) {
			cgroup_host_done(&r.host);
			continue;
		}
		assert_ok(try_create(&r, &first));
		snprintf(r.path, sizeof(r.path), "%s/d", r.parent);
		create(&r);
		assert_ok(cgroup_remove(first, in_ms(3000), &r.err));
		cgroup_free(first);
		real_close(&r); /* removes the second, and looks for the parent */
	}
}

TEST(removal_names_who_is_left_and_succeeds_afterwards)
{
	struct real r;
	pid_t pid;

	need_root();
	EACH_VARIANT(&r)
	{
		char want[64];

		create(&r);
		pid = spawn_in(r.cg, sleep_on, NULL);
		assert_int_equal(cgroup_remove(r.cg, in_ms(20), &r.err), -EBUSY);
		snprintf(want, sizeof(want), "process %d is still in it", (int)pid);
		assert_text_has(r.err.text, want);
		kill(pid, SIGKILL);
		reap(pid);
		assert_ok(cgroup_remove(r.cg, in_ms(2000), &r.err));
		assert_nothing_left(&r);
		assert_ok(cgroup_remove(r.cg, in_ms(2000), &r.err)); /* again: nothing to do */
		real_close(&r);
	}
}

TEST(removal_reaches_the_deepest_nesting)
{
	struct real r;

	need_root();
	EACH_VARIANT(&r)
	{
		int fd;

		create(&r);
		fd = open(r.cg->dirs[0].path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		for (int i = 0; i < 300; i++) {
			int next;

			/* Longer than any path, deeper than a stack of fds. */
			if (mkdirat(fd, "a-name-of-some-length", 0755) < 0) {
				assert_true(i > 100);
				break;
			}
			mkdirat(fd, "beside", 0755);
			next = openat(
				fd, "a-name-of-some-length", O_PATH | O_DIRECTORY | O_CLOEXEC);
			assert_true(next >= 0);
			close(fd);
			fd = next;
		}
		close(fd);
		assert_ok(cgroup_remove(r.cg, in_ms(3000), &r.err));
		assert_nothing_left(&r);
		real_close(&r);
	}
}

TEST(creates_and_removals_side_by_side_do_not_disturb_each_other)
{
	struct real r;
	pid_t child[4];

	need_root();
	if (!real_open(&r, ALL))
		test_skip("no cgroups");
	for (int k = 0; k < 4; k++) {
		child[k] = fork();
		assert_true(child[k] >= 0);
		if (child[k] > 0)
			continue;
		for (int i = 0; i < 60; i++) {
			snprintf(r.path, sizeof(r.path), "%s/%d", r.parent, k);
			if (try_create(&r, &r.cg) < 0 ||
				cgroup_remove(r.cg, in_ms(2000), &r.err) < 0) {
				fprintf(stderr, "# %s\n", r.err.text);
				_exit(1);
			}
			cgroup_free(r.cg);
		}
		_exit(0);
	}
	for (int k = 0; k < 4; k++)
		assert_int_equal(reap(child[k]), 0);
	/* Who made the parent may have left before the others: what remains is empty. */
	for (size_t i = 0; i < r.host.n; i++) {
		char path[256];

		snprintf(path, sizeof(path), "%s%s", r.host.h[i].mount, r.parent);
		if (rmdir(path) < 0)
			assert_int_equal(errno, ENOENT);
	}
	real_close(&r);
}

TEST(an_interrupted_create_is_cleaned_up_by_its_first_record)
{
	struct arena arena = { 0 };
	struct cgroup *later;
	const char **lines;
	struct real r;
	size_t n;

	need_root();
	EACH_VARIANT(&r)
	{
		const struct cgroup_request req = { .path = r.path, .id = "c" };

		assert_ok(cgroup_resolve(&r.host, &req, &r.cg, &r.err));
		assert_ok(cgroup_to_record(r.cg, &arena, &lines, &n));
		assert_ok(cgroup_make(r.cg, &r.err));
		/* The maker dies here; another process knows the first record only. */
		assert_ok(cgroup_from_record(lines, n, &later, &r.err));
		assert_int_equal(cgroup_kill(later, &r.err), -EPERM);
		assert_ok(cgroup_remove(later, in_ms(2000), &r.err));
		assert_int_equal(access(r.cg->dirs[0].path, F_OK), -1);
		cgroup_free(later);
		real_close(&r); /* removes the parent, which only the maker knew */
	}
	arena_done(&arena);
}

/* As a user who may not write anywhere: 0 when all is as it should be. */
static int create_as_nobody(struct real *r)
{
	struct spec_memory m = { .limit = 1 << 20 };
	const struct spec_resources res = { .memory = &m };
	struct cgroup_request req = { .path = r->path, .id = "c" };
	struct cgroup *cg;

	if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
		return 1;
	if (cgroup_create(&r->host, &req, &cg, &r->err) != -EACCES)
		return 2;
	req.unprivileged = true;
	if (cgroup_create(&r->host, &req, &cg, &r->err) < 0 || cg->n_dirs != 0)
		return 3;
	if (cgroup_apply(cg, NULL, false, &r->err) < 0 ||
		cgroup_apply_devices(cg, NULL, false, NULL, &r->err) < 0)
		return 4;
	if (cgroup_apply(cg, &res, false, &r->err) != -EOPNOTSUPP ||
		!strstr(r->err.text, "without privileges"))
		return 5;
	if (cgroup_remove(cg, 0, &r->err) < 0 || cgroup_kill(cg, &r->err) != -EOPNOTSUPP)
		return 6;
	return 0;
}

TEST(without_privileges_there_is_no_cgroup_and_limits_are_refused)
{
	struct real r;

	need_root();
	EACH_VARIANT(&r)
	{
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0)
			_exit(create_as_nobody(&r));
		assert_int_equal(reap(pid), 0);
		real_close(&r);
	}
}

/* ---- limits on the real files ---- */

static int64_t read_number(struct cgroup *cg, enum cgroup_controller c, const char *file)
{
	char value[CGROUP_VALUE_SIZE];
	struct cgroup_dir *d = cgroup_controller_dir(cg, c);

	assert_non_null(d);
	assert_ok(cgroup_get(d, file, value));
	return strtoll(value, NULL, 10);
}

TEST(memory_and_swap_can_grow_and_shrink)
{
	static const int64_t step[][2] = { { 64, 128 }, { 256, 512 }, { 32, 32 }, { 128, 128 },
		{ 64, -1 }, { 32, 64 } };
	struct real r;

	need_root();
	EACH_VARIANT(&r)
	{
		struct cgroup_dir *d;
		bool swap;

		create(&r);
		d = cgroup_controller_dir(r.cg, CGROUP_MEMORY);
		swap = d && faccessat(cgroup_dir_fd(d),
				    d->v2 ? "memory.swap.max" : "memory.memsw.limit_in_bytes", F_OK,
				    0) == 0;
		for (size_t i = 0; d && swap && i < sizeof(step) / sizeof(step[0]); i++) {
			struct spec_memory m = { .limit = step[i][0] << 20,
				.swap = step[i][1] == -1 ? -1 : step[i][1] << 20 };
			const struct spec_resources res = { .memory = &m };

			if (cgroup_apply(r.cg, &res, i > 0, &r.err) < 0)
				fail_msg("step %zu: %s", i, r.err.text);
			assert_int_equal(read_number(r.cg, CGROUP_MEMORY,
						 d->v2 ? "memory.max" : "memory.limit_in_bytes"),
				m.limit);
			if (!d->v2 && m.swap > 0)
				assert_int_equal(read_number(r.cg, CGROUP_MEMORY,
							 "memory.memsw.limit_in_bytes"),
					m.swap);
		}
		real_close(&r);
	}
}

TEST(quota_and_period_can_grow_and_shrink)
{
	static const struct spec_cpu step[] = {
		{ .quota = 50000, .period = 100000 },
		{ .quota = 5000, .period = 10000, .has_burst = true, .burst = 4000 },
		{ .quota = 900000, .period = 1000000, .has_burst = true, .burst = 700000 },
		{ .quota = 2000, .period = 2000, .has_burst = true, .burst = 0 },
		{ .quota = -1 },
	};
	struct real r;

	need_root();
	EACH_VARIANT(&r)
	{
		struct cgroup_dir *d;

		create(&r);
		d = cgroup_controller_dir(r.cg, CGROUP_CPU);
		for (size_t i = 0; d && i < sizeof(step) / sizeof(step[0]); i++) {
			struct spec_cpu c = step[i];
			const struct spec_resources res = { .cpu = &c };

			if (cgroup_apply(r.cg, &res, i > 0, &r.err) < 0)
				fail_msg("step %zu: %s", i, r.err.text);
			if (!d->v2)
				assert_int_equal(
					read_number(r.cg, CGROUP_CPU, "cpu.cfs_quota_us"), c.quota);
		}
		real_close(&r);
	}
}

TEST(a_value_that_the_kernel_refuses_is_named)
{
	struct spec_cpu c = { .cpus = "4000-4001" };
	const struct spec_resources res = { .cpu = &c };
	struct real r;

	need_root();
	if (!real_open(&r, ALL))
		test_skip("no cgroups");
	create(&r);
	if (cgroup_controller_dir(r.cg, CGROUP_CPUSET)) {
		assert_true(cgroup_apply(r.cg, &res, false, &r.err) < 0);
		assert_text_has(
			r.err.text, "linux.resources.cpu.cpus: write 4000-4001 to cpuset.cpus");
	}
	real_close(&r);
}

static int open_kmsg(void *arg)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_CLOEXEC);

	if (open("/dev/null", O_RDWR | O_CLOEXEC) < 0)
		return 2;
	return fd >= 0 ? 1 : 0;
}

TEST(device_rules_are_felt_inside)
{
	struct spec_device_rule deny = { .allow = false }, allow = { .allow = true };
	struct spec_resources res = { .devices = &deny, .n_devices = 1 };
	struct real r;

	need_root();
	EACH_VARIANT(&r)
	{
		struct device_bpf_cache cache;

		device_bpf_cache_init(&cache);
		create(&r);
		res.devices = &deny;
		if (cgroup_apply_devices(r.cg, &res, false, &cache, &r.err) < 0)
			fail_msg("%s", r.err.text);
		assert_int_equal(reap(spawn_in(r.cg, open_kmsg, NULL)), 0);
		res.devices = &allow;
		assert_ok(cgroup_apply_devices(r.cg, &res, true, &cache, &r.err));
		assert_int_equal(reap(spawn_in(r.cg, open_kmsg, NULL)), 1 << 8);
		res.devices = &deny;
		assert_ok(cgroup_apply_devices(r.cg, &res, true, &cache, &r.err));
		assert_int_equal(reap(spawn_in(r.cg, open_kmsg, NULL)), 0);
		device_bpf_cache_done(&cache);
		real_close(&r);
	}
}

/* ---- freezing ---- */

struct counter {
	volatile uint64_t n;
};

static int count(void *arg)
{
	struct counter *c = arg;

	for (;;)
		c->n++;
	return 0;
}

static struct counter *shared_counter(void)
{
	int fd = memfd_create("counter", MFD_CLOEXEC);
	struct counter *c;

	assert_ok(ftruncate(fd, sizeof(*c)));
	c = mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(c != MAP_FAILED);
	close(fd);
	return c;
}

static bool counts(const struct counter *c)
{
	uint64_t before = c->n;

	for (int i = 0; i < 500; i++) {
		usleep(1000);
		if (c->n != before)
			return true;
	}
	return false;
}

TEST(a_frozen_process_stands_still_until_it_is_thawed)
{
	struct counter *c = shared_counter();
	struct real r;
	pid_t pid;
	bool frozen;

	need_root();
	EACH_VARIANT(&r)
	{
		uint64_t before;

		create(&r);
		pid = spawn_in(r.cg, count, c);
		assert_true(counts(c));
		assert_ok(cgroup_frozen(r.cg, &frozen, &r.err));
		assert_false(frozen);
		if (cgroup_freeze(r.cg, in_ms(2000), &r.err) < 0)
			fail_msg("%s", r.err.text);
		assert_ok(cgroup_frozen(r.cg, &frozen, &r.err));
		assert_true(frozen);
		before = c->n;
		usleep(20000);
		assert_int_equal(c->n, before);
		assert_ok(cgroup_freeze(r.cg, in_ms(2000), &r.err)); /* already: fine */
		assert_ok(cgroup_thaw(r.cg, in_ms(2000), &r.err));
		assert_ok(cgroup_frozen(r.cg, &frozen, &r.err));
		assert_false(frozen);
		assert_true(counts(c));
		assert_ok(cgroup_kill(r.cg, &r.err));
		assert_killed(pid);
		real_close(&r);
	}
	munmap(c, sizeof(*c));
}

TEST(a_loop_can_freeze_without_waiting)
{
	struct cgroup_freezing f;
	struct real r;
	pid_t pid;

	need_root();
	EACH_VARIANT(&r)
	{
		int done = 0;

		create(&r);
		pid = spawn_in(r.cg, sleep_on, NULL);
		assert_ok(cgroup_freeze_start(r.cg, true, &f, &r.err));
		for (int i = 0; i < 400 && done == 0; i++) {
			struct pollfd p = { .fd = f.fd, .events = POLLPRI };

			done = cgroup_freeze_check(&f, &r.err);
			if (done == 0)
				poll(&p, f.fd >= 0, f.fd >= 0 ? 1000 : 1);
		}
		assert_int_equal(done, 1);
		cgroup_freezing_done(&f);
		cgroup_freezing_done(&f);
		assert_ok(cgroup_thaw(r.cg, in_ms(2000), &r.err));
		assert_ok(cgroup_kill(r.cg, &r.err));
		assert_killed(pid);
		real_close(&r);
	}
}

TEST(a_deadline_in_the_past_undoes_the_freeze)
{
	struct counter *c = shared_counter();
	struct real r;
	bool frozen = true;
	pid_t pid;

	need_root();
	EACH_VARIANT(&r)
	{
		int code;

		create(&r);
		pid = spawn_in(r.cg, count, c);
		code = cgroup_freeze(r.cg, 0, &r.err);
		if (code == 0) { /* it was faster than the first look */
			assert_ok(cgroup_thaw(r.cg, in_ms(2000), &r.err));
		} else {
			assert_int_equal(code, -ETIMEDOUT);
			for (int i = 0; i < 1000 && frozen; i++) {
				usleep(1000);
				assert_ok(cgroup_frozen(r.cg, &frozen, &r.err));
			}
		}
		assert_true(counts(c));
		assert_ok(cgroup_kill(r.cg, &r.err));
		assert_killed(pid);
		real_close(&r);
	}
	munmap(c, sizeof(*c));
}

/* ---- killing ---- */

TEST(kill_reaches_frozen_processes)
{
	struct real r;
	pid_t pid;

	need_root();
	EACH_VARIANT(&r)
	{
		create(&r);
		pid = spawn_in(r.cg, sleep_on, NULL);
		assert_ok(cgroup_freeze(r.cg, in_ms(2000), &r.err));
		assert_ok(cgroup_kill(r.cg, &r.err));
		assert_killed(pid);
		/* v2 stays frozen without processes: thawed by delete's removal of the directory. */
		real_close(&r);
	}
}

TEST(kill_reaches_what_the_container_froze_by_v1_itself)
{
	char path[256];
	struct real r;
	pid_t pid;

	need_root();
	for (int variant = ALL; variant <= V1_ALONE; variant++) {
		struct cgroup_dir *freezer;
		int fd;

		if (!real_open(&r, (enum variant)variant))
			continue;
		create(&r);
		freezer = cgroup_controller_dir(r.cg, CGROUP_FREEZER);
		if (freezer) {
			pid = spawn_in(r.cg, sleep_on, NULL);
			snprintf(path, sizeof(path), "%s/own", freezer->path);
			assert_ok(mkdir(path, 0755));
			fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
			snprintf(path, sizeof(path), "%d", (int)pid);
			assert_ok(cgroup_put_at(fd, "tasks", path));
			assert_ok(cgroup_put_at(fd, "freezer.state", "FROZEN"));
			close(fd);
			assert_ok(cgroup_kill(r.cg, &r.err));
			assert_killed(pid);
		}
		real_close(&r);
	}
}

struct bomb {
	volatile uint32_t born;
};

static int fork_on(void *arg)
{
	struct bomb *b = arg;

	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		__atomic_add_fetch(&b->born, 1, __ATOMIC_RELAXED);
		if (fork() < 0)
			usleep(100);
	}
	return 0;
}

TEST(kill_ends_a_fork_storm)
{
	struct spec_pids limit = { .has_limit = true, .limit = 40 };
	const struct spec_resources res = { .pids = &limit };
	struct bomb *b = (struct bomb *)(void *)shared_counter();
	struct real r;
	pid_t pid;

	need_root();
	EACH_VARIANT(&r)
	{
		pid_t *pids;
		size_t n = 1;

		create(&r);
		if (!cgroup_controller_dir(r.cg, CGROUP_PIDS)) { /* never without a limit */
			real_close(&r);
			continue;
		}
		assert_ok(cgroup_apply(r.cg, &res, false, &r.err));
		b->born = 0;
		pid = spawn_in(r.cg, fork_on, b);
		while (b->born < 200)
			usleep(1000);
		for (int i = 0; i < 200 && n > 0; i++) {
			assert_ok(cgroup_kill(r.cg, &r.err));
			usleep(2000);
			while (waitpid(-1, NULL, WNOHANG) > 0)
				continue;
			assert_ok(cgroup_pids(r.cg, &pids, &n, &r.err));
			free(pids);
		}
		assert_int_equal(n, 0);
		(void)pid;
		real_close(&r);
	}
	munmap(b, sizeof(struct counter));
}

TEST(signals_reach_every_process_once)
{
	struct real r;
	pid_t pid[3];

	need_root();
	EACH_VARIANT(&r)
	{
		create(&r);
		for (int i = 0; i < 3; i++)
			pid[i] = spawn_in(r.cg, sleep_on, NULL);
		assert_ok(cgroup_signal(r.cg, SIGTERM, &r.err));
		for (int i = 0; i < 3; i++) {
			assert_true(is_dead_in_time(pid[i]));
			assert_int_equal(reap(pid[i]), SIGTERM);
		}
		assert_ok(cgroup_signal(r.cg, SIGTERM, &r.err)); /* nobody: fine */
		real_close(&r);
	}
}

static int kill_from_inside(void *arg)
{
	struct cgroup *cg = arg;
	struct err err;

	if (cgroup_kill(cg, &err) != -EPERM || !strstr(err.text, "this process is in it"))
		return 1;
	if (cgroup_signal(cg, 0, &err) != -EPERM)
		return 2;
	if (cgroup_freeze(cg, in_ms(100), &err) != -EPERM)
		return 3;
	return 0;
}

TEST(nobody_kills_or_freezes_the_cgroup_that_they_are_in)
{
	struct real r;

	need_root();
	EACH_VARIANT(&r)
	{
		create(&r);
		assert_int_equal(reap(spawn_in(r.cg, kill_from_inside, r.cg)), 0);
		real_close(&r);
	}
}

TEST(foreign_cgroups_and_roots_are_never_killed)
{
	struct real r;
	pid_t pid;

	need_root();
	EACH_VARIANT(&r)
	{
		struct cgroup *other;
		const char *line[2];
		char text[512];

		create(&r);
		pid = spawn_in(r.cg, sleep_on, NULL);
		for (size_t i = 0; i < r.cg->n_dirs; i++)
			r.cg->dirs[i].owned = CGROUP_FOREIGN;
		/* Signal 0 first: it asks the same guard and harms nobody if that were broken. */
		assert_int_equal(cgroup_signal(r.cg, 0, &r.err), -EPERM);
		assert_text_has(r.err.text, "was not made for this container");
		assert_int_equal(cgroup_kill(r.cg, &r.err), -EPERM);
		assert_int_equal(cgroup_freeze(r.cg, in_ms(100), &r.err), -EPERM);
		assert_int_equal(kill(pid, 0), 0);
		for (size_t i = 0; i < r.cg->n_dirs; i++)
			r.cg->dirs[i].owned = CGROUP_OWNED;
		assert_ok(cgroup_kill(r.cg, &r.err));
		assert_killed(pid);

		/* A record that calls the root of a hierarchy its own. */
		line[0] = "cgroup\t1\thybrid\t0\t-";
		line[1] = text;
		snprintf(text, sizeof(text), "%s\t%s\t1\t1\t1\t%s\t/elsewhere",
			r.host.h[0].v2 ? "v2" : "v1", r.host.h[0].v2 ? "-" : r.host.h[0].label,
			r.host.h[0].mount);
		assert_ok(cgroup_from_record(line, 2, &other, &r.err));
		assert_int_equal(cgroup_signal(other, 0, &r.err), -EPERM);
		assert_text_has(r.err.text, "root of the hierarchy");
		assert_int_equal(cgroup_kill(other, &r.err), -EPERM);
		cgroup_free(other);
		real_close(&r);
	}
}

TEST(killing_what_is_gone_is_success)
{
	struct real r;
	pid_t *pids;
	size_t n;

	need_root();
	EACH_VARIANT(&r)
	{
		struct arena arena = { 0 };
		struct cgroup *later;
		const char **lines;
		bool frozen;
		size_t n_lines;

		create(&r);
		assert_ok(cgroup_to_record(r.cg, &arena, &lines, &n_lines));
		assert_ok(cgroup_from_record(lines, n_lines, &later, &r.err));
		assert_ok(cgroup_remove(r.cg, in_ms(2000), &r.err));
		if (cgroup_kill(later, &r.err) < 0)
			fail_msg("%s", r.err.text);
		assert_ok(cgroup_signal(later, SIGTERM, &r.err));
		assert_ok(cgroup_pids(later, &pids, &n, &r.err));
		assert_int_equal(n, 0);
		free(pids);
		assert_ok(cgroup_frozen(later, &frozen, &r.err));
		assert_false(frozen);
		assert_ok(cgroup_remove(later, in_ms(2000), &r.err));
		cgroup_free(later);
		arena_done(&arena);
		real_close(&r);
	}
}

TEST(processes_of_nested_cgroups_are_listed)
{
	struct real r;
	pid_t pid[2], *pids;
	size_t n;

	need_root();
	EACH_VARIANT(&r)
	{
		struct cgroup *inner;
		char path[160];

		create(&r);
		snprintf(path, sizeof(path), "%s/inner", r.path);
		assert_ok(cgroup_create(&r.host,
			&(struct cgroup_request){ .path = path, .id = "x" }, &inner, &r.err));
		pid[0] = spawn_in(inner, sleep_on, NULL);
		pid[1] = spawn_in(inner, sleep_on, NULL);
		cgroup_free(inner);
		assert_ok(cgroup_pids(r.cg, &pids, &n, &r.err));
		assert_int_equal(n, 2);
		free(pids);
		assert_ok(
			cgroup_below(r.cg, (const char *const[]){ "./inner/" }, 1, &inner, &r.err));
		assert_ok(cgroup_pids(inner, &pids, &n, &r.err));
		assert_int_equal(n, 2);
		free(pids);
		assert_int_equal(cgroup_kill(inner, &r.err), -EPERM); /* the outer one's right */
		cgroup_free(inner);
		assert_int_equal(
			cgroup_below(r.cg, (const char *const[]){ "../x" }, 1, &inner, &r.err),
			-EINVAL);
		assert_int_equal(
			cgroup_below(r.cg, (const char *const[]){ "none" }, 1, &inner, &r.err),
			-ENOENT);
		assert_ok(cgroup_kill(r.cg, &r.err));
		assert_killed(pid[0]);
		assert_killed(pid[1]);
		real_close(&r);
	}
}

TEST(a_cgroup_for_processes_is_made_below_on_v2_alone_and_goes_with_the_container)
{
	struct cgroup *below;
	struct real r;
	struct stat st;

	need_root();
	EACH_VARIANT(&r)
	{
		create(&r);
		if (r.host.mode == CGROUP_MODE_V2) {
			assert_int_equal(
				cgroup_make_below(r.cg, "a/../../x", &below, &r.err), -EINVAL);
			assert_int_equal(cgroup_make_below(r.cg, "/./", &below, &r.err), -EINVAL);
			assert_ok(cgroup_make_below(r.cg, "/a//b/", &below, &r.err));
			assert_true(
				str_starts(cgroup_v2_dir(below)->path, cgroup_v2_dir(r.cg)->path));
			assert_true(str_ends(cgroup_v2_dir(below)->path, "/a/b"));
			assert_ok(stat(cgroup_v2_dir(below)->path, &st));
			cgroup_give_controllers(r.cg, below);
			cgroup_free(below);
		} else {
			assert_int_equal(cgroup_make_below(r.cg, "a", &below, &r.err), -EOPNOTSUPP);
		}
		real_close(&r);
	}
}

TEST(v1_is_never_given_to_a_user)
{
	struct real r;
	struct stat st;

	need_root();
	EACH_VARIANT(&r)
	{
		create(&r);
		if (r.host.mode == CGROUP_MODE_V2) {
			assert_ok(cgroup_delegate(r.cg, 1234, 1235, &r.err));
			assert_ok(stat(r.cg->dirs[0].path, &st));
			assert_int_equal(st.st_uid, 1234);
			assert_ok(fstatat(cgroup_dir_fd(&r.cg->dirs[0]), "cgroup.procs", &st, 0));
			assert_int_equal(st.st_gid, 1235);
			assert_ok(fstatat(cgroup_dir_fd(&r.cg->dirs[0]), "cgroup.freeze", &st, 0));
			assert_int_equal(st.st_uid, 0);
		} else {
			assert_int_equal(cgroup_delegate(r.cg, 1234, 1235, &r.err), -EOPNOTSUPP);
			assert_ok(stat(r.cg->dirs[0].path, &st));
			assert_int_equal(st.st_uid, 0);
		}
		real_close(&r);
	}
}

/* ---- as any user ---- */

static struct cgroup_host sample_host(enum cgroup_mode mode)
{
	struct cgroup_host host = { .mode = mode, .prefix = "" };

	if (mode == CGROUP_MODE_V2) {
		host.h[host.n++] = (struct cgroup_hierarchy){
			.mount = "/sys/fs/cgroup", .root = "/", .label = "", .v2 = true
		};
		return host;
	}
	host.h[host.n++] = (struct cgroup_hierarchy){ .mount = "/sys/fs/cgroup/cpu,cpuacct",
		.root = "/",
		.label = "cpu,cpuacct",
		.controllers = CGROUP_BIT(CGROUP_CPU) | CGROUP_BIT(CGROUP_CPUACCT) };
	host.h[host.n++] = (struct cgroup_hierarchy){
		.mount = "/sys/fs/cgroup/systemd", .root = "/outer", .label = "name=systemd"
	};
	host.h[host.n++] = (struct cgroup_hierarchy){
		.mount = "/sys/fs/cgroup/unified", .root = "/", .label = "", .v2 = true
	};
	return host;
}

TEST(a_unit_s_cgroup_is_ours_in_every_hierarchy)
{
	struct cgroup_host host = sample_host(CGROUP_MODE_V2);
	struct cgroup *cg;
	struct err err = { 0 };

	assert_ok(cgroup_of_unit(&host, "/system.slice/a-b.scope", false, &cg, &err));
	assert_int_equal(cg->n_dirs, 1);
	assert_string_equal(cg->dirs[0].path, "/sys/fs/cgroup/system.slice/a-b.scope");
	assert_string_equal(cg->dirs[0].name, "/system.slice/a-b.scope");
	assert_int_equal(cg->dirs[0].owned, CGROUP_OWNED);
	assert_int_equal(cg->dirs[0].depth, 2);
	assert_false(cgroup_is_intended(cg));
	cgroup_free(cg);
	host.h[0].root = "/outer";
	assert_ok(cgroup_of_unit(&host, "/outer/a.scope", false, &cg, &err));
	assert_string_equal(cg->dirs[0].path, "/sys/fs/cgroup/a.scope");
	assert_string_equal(cg->dirs[0].name, "/outer/a.scope");
	cgroup_free(cg);
	assert_int_equal(cgroup_of_unit(&host, "/a.scope", false, &cg, &err), -EOPNOTSUPP);
	assert_int_equal(cgroup_of_unit(&host, "/outer2/a", false, &cg, &err), -EOPNOTSUPP);
	assert_text_has(err.text, "'/outer2/a' is not mounted here");
	assert_int_equal(cgroup_of_unit(&host, "/outer", false, &cg, &err), -EOPNOTSUPP);
}

/* Root may write what is there, so a file that is missing says which one was looked at. */
static void assert_entry(const char *own, const char *theirs, const char *looked_at)
{
	struct test_tmpdir t = test_tmpdir();
	struct cgroup_host host = sample_host(CGROUP_MODE_V2);
	struct err err = { 0 };
	char path[256];
	struct cgroup *cg;
	FILE *f;

	snprintf(path, sizeof(path), "%s/proc", t.path);
	assert_ok(mkdir(path, 0700));
	snprintf(path, sizeof(path), "%s/proc/self", t.path);
	assert_ok(mkdir(path, 0700));
	snprintf(path, sizeof(path), "%s/proc/self/cgroup", t.path);
	f = fopen(path, "w");
	fprintf(f, "0::%s\n", own);
	fclose(f);
	host.prefix = t.path;
	host.h[0].mount = "/nowhere";
	assert_ok(cgroup_of_unit(&host, theirs, true, &cg, &err));
	assert_int_equal(cgroup_check_entry(cg, &err), -EPERM);
	assert_text_has(err.text, looked_at);
	assert_text_has(err.text, own);
	cgroup_free(cg);
	test_tmpdir_remove(&t);
}

TEST(who_is_not_root_needs_the_lowest_cgroup_above_both)
{
	assert_entry("/a/b/x", "/a/b/y", "'/nowhere/a/b/cgroup.procs'");
	assert_entry("/a/bc", "/a/bd/y", "'/nowhere/a/cgroup.procs'");
	assert_entry("/a", "/a/b", "'/nowhere/a/cgroup.procs'");
	assert_entry("/ab", "/a", "'/nowhere/cgroup.procs'");
	assert_entry("/a", "/ab", "'/nowhere/cgroup.procs'");
	assert_entry("/", "/a/b", "'/nowhere/cgroup.procs'");
	assert_entry("/a/b", "/a/b", "'/nowhere/a/b/cgroup.procs'");
}

TEST(records_are_read_back_whole)
{
	struct cgroup_host host = sample_host(CGROUP_MODE_HYBRID);
	struct arena arena = { 0 };
	struct cgroup *a, *b;
	const char **lines;
	struct err err;
	size_t n;

	assert_ok(cgroup_resolve(
		&host, &(struct cgroup_request){ .path = "/de fault/x", .id = "x" }, &a, &err));
	a->dirs[0].made = 2;
	a->dirs[0].owned = CGROUP_OWNED;
	a->dirs[1].owned = CGROUP_FOREIGN;
	a->devices = "abc";
	assert_string_equal(a->dirs[1].name, "/outer/de fault/x");
	assert_ok(cgroup_to_record(a, &arena, &lines, &n));
	assert_ok(cgroup_from_record(lines, n, &b, &err));
	assert_int_equal(b->mode, CGROUP_MODE_HYBRID);
	assert_string_equal(b->devices, "abc");
	assert_int_equal(b->n_dirs, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_string_equal(a->dirs[i].path, b->dirs[i].path);
		assert_string_equal(a->dirs[i].name, b->dirs[i].name);
		assert_string_equal(a->dirs[i].label, b->dirs[i].label);
		assert_int_equal(a->dirs[i].controllers, b->dirs[i].controllers);
		assert_int_equal(a->dirs[i].depth, b->dirs[i].depth);
		assert_int_equal(a->dirs[i].made, b->dirs[i].made);
		assert_int_equal(a->dirs[i].owned, b->dirs[i].owned);
		assert_int_equal(a->dirs[i].v2, b->dirs[i].v2);
	}
	cgroup_free(a);
	cgroup_free(b);
	arena_done(&arena);
}

TEST(damaged_records_are_refused)
{
	static const char *const heads[] = { "", "cgroup", "cgroup\t2\tv2\t0\t-",
		"cgroup\t1\tv3\t0\t-", "cgroup\t1\tv2\t2\t-", "cgroup\t1\tv2\t0",
		"cgroup\t1\tv2\t0\t-\t" };
	static const char *const dirs[] = { "", "v2\t-\t1\t1\t1\t/a/b", "v3\t-\t1\t1\t1\t/a/b\t/b",
		"v2\t-\t0\t0\t1\t/a/b\t/b", "v2\t-\t1\t2\t1\t/a/b\t/b", "v2\t-\t3\t1\t1\t/a/b\t/b",
		"v2\t-\t1\t1\t3\t/a/b\t/b", "v2\t-\t1\t1\t1\ta/b\t/b",
		"v2\t-\t1\t1\t1\t/a/../b\t/b", "v2\t-\t1\t1\t1\t/a//b\t/b",
		"v2\t-\t1\t1\t1\t/a/b/\t/b", "v2\t-\t1\t1\t1\t/a/b\t/", "v2\t-\t1\t1\t1\t/\t/b",
		"v2\t-\t1\t1\t1\t/a/b\t/.", "v2\tcpu\t1\t1\t1\t/a/b\t/b",
		"v1\t-\t1\t1\t1\t/a/b\t/b", "v2\t-\t-1\t1\t1\t/a/b\t/b",
		"v2\t-\t1\t1\t1\t/a/b\t/b\tx" };
	const char *lines[40];
	struct cgroup *cg;
	struct err err;

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		assert_int_equal(cgroup_from_record(&heads[i], 1, &cg, &err), -EBADMSG);
	lines[0] = "cgroup\t1\tv2\t0\t-";
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		lines[1] = dirs[i];
		if (cgroup_from_record(lines, 2, &cg, &err) != -EBADMSG)
			fail_msg("accepted '%s'", dirs[i]);
	}
	for (size_t i = 1; i < 40; i++)
		lines[i] = "v2\t-\t1\t1\t1\t/a/b\t/b";
	assert_int_equal(cgroup_from_record(lines, 40, &cg, &err), -EBADMSG);
	assert_int_equal(cgroup_from_record(lines, 0, &cg, &err), -EBADMSG);
	assert_ok(cgroup_from_record(lines, 2, &cg, &err));
	cgroup_free(cg);
	cgroup_free(NULL);
}

static void assert_mounts(const struct cgroup_host *host, const struct cgroup *cg, bool own,
	bool readonly, const char *want)
{
	static const char *const kinds[] = { "fs", "bind", "link", "rdonly" };
	struct cgroup_mount rows[CGROUP_MOUNTS_MAX];
	struct arena arena = { 0 };
	char text[1024] = "";
	size_t n, len = 0;

	assert_ok(cgroup_mounts(host, cg, own, readonly, &arena, rows, &n));
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s %s at '%s'\n",
			kinds[rows[i].kind], rows[i].source, rows[i].dest);
	assert_string_equal(text, want);
	arena_done(&arena);
}

TEST(the_mount_inside_shows_the_container_s_own_cgroups)
{
	struct cgroup_host host = sample_host(CGROUP_MODE_HYBRID);
	struct cgroup *cg;
	struct err err;

	assert_ok(cgroup_resolve(
		&host, &(struct cgroup_request){ .path = "/p/x", .id = "x" }, &cg, &err));
	assert_mounts(&host, cg, true, true,
		"fs tmpfs at ''\n"
		"bind /sys/fs/cgroup/cpu,cpuacct/p/x at 'cpu,cpuacct'\n"
		"link cpu,cpuacct at 'cpu'\n"
		"link cpu,cpuacct at 'cpuacct'\n"
		"bind /sys/fs/cgroup/systemd/p/x at 'systemd'\n"
		"rdonly  at ''\n");
	cgroup_free(cg);
	host = sample_host(CGROUP_MODE_V2);
	assert_ok(cgroup_resolve(
		&host, &(struct cgroup_request){ .path = "/p/x", .id = "x" }, &cg, &err));
	assert_mounts(&host, cg, true, true, "fs cgroup2 at ''\n");
	assert_mounts(&host, cg, false, true, "bind /sys/fs/cgroup/p/x at ''\n");
	assert_mounts(&host, NULL, false, true, "bind /sys/fs/cgroup at ''\n");
	cgroup_free(cg);
}

TEST(a_path_that_cannot_be_is_refused_before_anything_is_made)
{
	struct cgroup_host host = sample_host(CGROUP_MODE_V2);
	struct cgroup *cg;
	struct err err;

	assert_int_equal(
		cgroup_resolve(&host, &(struct cgroup_request){ .path = "/a/../..", .id = "x" },
			&cg, &err),
		-EINVAL);
	host = (struct cgroup_host){ .mode = CGROUP_MODE_NONE, .prefix = "" };
	assert_int_equal(cgroup_create(&host, &(struct cgroup_request){ .path = "/a", .id = "x" },
				 &cg, &err),
		-EOPNOTSUPP);
	assert_text_has(err.text, "no cgroup file system is mounted");
	assert_ok(cgroup_create(&host,
		&(struct cgroup_request){ .path = "/a", .id = "x", .unprivileged = true }, &cg,
		&err));
	assert_int_equal(cg->n_dirs, 0);
	cgroup_free(cg);
}
