/* SPDX-License-Identifier: Apache-2.0 */
#include "container/stdio_owner.h"

#include "test.h"

static struct spec_id_mapping uids[] = { { 1000, 0, 1 }, { 0, 100000, 1000 } };
static struct spec_id_mapping gids[] = { { 0, 200000, 1000 } };

static struct spec_linux maps(void)
{
	return (struct spec_linux){
		.uid_mappings = uids, .n_uid_mappings = 2, .gid_mappings = gids, .n_gid_mappings = 1
	};
}

static void assert_owner(int fd, uid_t uid, gid_t gid)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_uid, uid);
	assert_int_equal(st.st_gid, gid);
}

TEST(pipes_of_the_hosts_root_become_those_of_the_namespaces)
{
	struct spec_linux l = maps();
	int p[2];

	if (geteuid() != 0)
		test_skip("needs root: gives files away");
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	stdio_owner_map((int[]){ -EBADF, p[1], p[1] }, &l);
	assert_owner(p[1], 100000, 200000);
	/* Who belongs to the namespace already stays. */
	assert_int_equal(fchown(p[1], 100500, 200500), 0);
	stdio_owner_map((int[]){ p[0], p[1], p[1] }, &l);
	assert_owner(p[1], 100500, 200500);
	close(p[0]);
	close(p[1]);
}

TEST(files_devices_and_what_has_no_root_are_left_alone)
{
	struct spec_linux l = maps();
	struct test_tmpdir dir = test_tmpdir();
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int file = openat(dir.fd, "f", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct stat before;
	int p[2];

	assert_int_equal(fstat(null, &before), 0);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	stdio_owner_map((int[]){ null, file, -EBADF }, &l);
	assert_owner(null, before.st_uid, before.st_gid);
	assert_owner(file, geteuid(), getegid());
	stdio_owner_map((int[]){ p[0], p[1], p[1] }, NULL);
	l.n_gid_mappings = 0;
	stdio_owner_map((int[]){ p[0], p[1], p[1] }, &l);
	assert_owner(p[1], geteuid(), getegid());
	close(null);
	close(file);
	close(p[0]);
	close(p[1]);
	test_tmpdir_remove(&dir);
}
