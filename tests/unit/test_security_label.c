/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <sys/stat.h>

#include "container/security_label.h"

static void put(const char *sys, const char *dir, const char *file, const char *text)
{
	char path[512];
	char *p;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s/", sys, dir);
	for (p = path + strlen(sys) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		mkdir(path, 0755);
		*p = '/';
	}
	snprintf(path, sizeof(path), "%s/%s/%s", sys, dir, file);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int check(const char *sys, const char *apparmor, const char *selinux, const char *mount,
	const char *text)
{
	struct spec_process process = { .apparmor_profile = apparmor, .selinux_label = selinux };
	struct spec_linux l = { .mount_label = mount };
	struct spec s = { .process = &process, .linux_ = &l };
	struct err err = { 0 };
	int r = security_label_check(sys, &s, &err);

	if (text)
		assert_text_has(err.text, text);
	return r;
}

TEST(a_label_needs_its_module)
{
	struct test_tmpdir dir = test_tmpdir();
	const char *sys = dir.path;

	assert_int_equal(check(sys, NULL, NULL, NULL, NULL), 0);
	assert_int_equal(check(sys, "", "", "", NULL), 0);
	assert_int_equal(check(sys, "unconfined", NULL, NULL, NULL), 0);
	assert_int_equal(check(sys, "x", NULL, NULL, "process.apparmorProfile: 'x'"), -ENOTSUP);
	assert_int_equal(check(sys, NULL, "y", NULL, "process.selinuxLabel: 'y'"), -ENOTSUP);
	assert_int_equal(check(sys, NULL, NULL, "z", "linux.mountLabel: 'z'"), -ENOTSUP);
	put(sys, "module/apparmor/parameters", "enabled", "N\n");
	assert_int_equal(check(sys, "x", NULL, NULL, "AppArmor"), -ENOTSUP);
	put(sys, "module/apparmor/parameters", "enabled", "Y\n");
	put(sys, "fs/selinux", "enforce", "1");
	assert_int_equal(check(sys, "x", "y", "z", NULL), 0);
	test_tmpdir_remove(&dir);
}
