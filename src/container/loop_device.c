/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What surprises: a device that is free when we ask for one may be another's when we open it, so we ask again.
 */
#include "container/loop_device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/fd.h"
#include "base/mem.h"

#define TRIES 100

/* -EBUSY: somebody else has taken it meanwhile. */
static int take(int number, const struct loop_config *config, int mode,
	char name[LOOP_DEVICE_NAME_SIZE], int *ret_fd, struct err *err)
{
	auto_close int fd = -EBADF;

	snprintf(name, LOOP_DEVICE_NAME_SIZE, "/dev/loop%d", number);
	fd = fd_open(name, mode, 0);
	if (fd < 0)
		return err_code(err, fd, "open '%s'", name);
	if (ioctl(fd, LOOP_CONFIGURE, config) < 0)
		return err_sys(err, "attach to '%s'", name);
	*ret_fd = take_fd(&fd);
	return 0;
}

int loop_device_attach(const char *path, const struct loop_device_options *options,
	char ret_name[LOOP_DEVICE_NAME_SIZE], int *ret_fd, struct err *err)
{
	int mode = options->read_only ? O_RDONLY : O_RDWR, r = -EBUSY;
	auto_close int file = fd_open(path, mode, 0);
	auto_close int control = -EBADF;
	struct loop_config config = { 0 };

	if (file < 0)
		return err_code(err, file, "open '%s'", path);
	control = fd_open("/dev/loop-control", O_RDWR, 0);
	if (control < 0)
		return err_code(err, control, "open /dev/loop-control");
	config.fd = (uint32_t)file;
	config.info.lo_flags = LO_FLAGS_AUTOCLEAR | (options->read_only ? LO_FLAGS_READ_ONLY : 0) |
			       (options->direct ? LO_FLAGS_DIRECT_IO : 0);
	snprintf((char *)config.info.lo_file_name, sizeof(config.info.lo_file_name), "%s", path);
	for (int i = 0; r == -EBUSY && i < TRIES; i++) {
		int number = ioctl(control, LOOP_CTL_GET_FREE);

		r = number < 0 ? err_sys(err, "find a free loop device")
			       : take(number, &config, mode, ret_name, ret_fd, err);
	}
	return r;
}
