/* SPDX-License-Identifier: Apache-2.0 */
#include "container/security_label.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

static bool has_apparmor(const char *sys)
{
	auto_free char *value = NULL;
	char path[256];

	snprintf(path, sizeof(path), "%s/module/apparmor/parameters/enabled", sys);
	return fd_read_file_at(AT_FDCWD, path, 16, &value, NULL) == 0 && value[0] == 'Y';
}

/* Its file system is there only while it is enabled. */
static bool has_selinux(const char *sys)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/fs/selinux/enforce", sys);
	return access(path, F_OK) == 0;
}

int security_label_check_process(const char *sys, const struct spec_process *p, struct err *err)
{
	/* Nothing confines it where there is no AppArmor, which is what was asked for. */
	if (!str_empty(p->apparmor_profile) && strcmp(p->apparmor_profile, "unconfined") != 0 &&
		!has_apparmor(sys))
		return err_set(err, -ENOTSUP,
			"process.apparmorProfile: '%s' cannot be applied: AppArmor is not enabled "
			"on "
			"this machine",
			p->apparmor_profile);
	if (!str_empty(p->selinux_label) && !has_selinux(sys))
		return err_set(err, -ENOTSUP,
			"process.selinuxLabel: '%s' cannot be applied: SELinux is not enabled on "
			"this "
			"machine",
			p->selinux_label);
	return 0;
}

int security_label_check(const char *sys, const struct spec *s, struct err *err)
{
	const char *mount = s->linux_ ? s->linux_->mount_label : NULL;

	if (!str_empty(mount) && !has_selinux(sys))
		return err_set(err, -ENOTSUP,
			"linux.mountLabel: '%s' cannot be applied: SELinux is not enabled on this "
			"machine",
			mount);
	return s->process ? security_label_check_process(sys, s->process, err) : 0;
}
