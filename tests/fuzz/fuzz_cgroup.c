/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of the kernel and of our records that the cgroup code reads: mount tables, /proc/PID/cgroup,
 * cgroup.events, devices.list, the record's lines. The first byte says which. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/str.h"
#include "container/cgroup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_mounts(const uint8_t *data, size_t size)
{
	struct cgroup_host host = { .prefix = "" };
	int fd = memfd_create("mounts", MFD_CLOEXEC);

	if (fd < 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
		abort();
	cgroup_host_read_mounts(&host, fd);
	close(fd);
	cgroup_host_done(&host);
}

static void read_self(const char *text)
{
	struct arena arena = { 0 };
	const char *path;

	cgroup_self_path(text, "", &arena, &path);
	cgroup_self_path(text, "cpu,cpuacct", &arena, &path);
	if (cgroup_path_clean(text, &arena, &path) == 0 &&
		(*path == '/' || strstr(path, "//") || str_starts(path, "../") ||
			strstr(path, "/../") || str_ends(path, "/..")))
		abort();
	arena_done(&arena);
}

static void read_devices(const char *text)
{
	struct device_v1_plan plan;

	if (device_v1_read(text, &plan) == 0)
		device_v1_plan_done(&plan);
}

/* What is accepted is written, accepted again and written as the same. */
static void read_record(char *text)
{
	const char *lines[40];
	const char **one, **two;
	struct arena arena = { 0 };
	struct cgroup *cg;
	size_t n = 0, n_one, n_two;

	for (char *line = text; line && n < 40; n++) {
		lines[n] = line;
		line = strchr(line, '\n');
		if (line)
			*line++ = '\0';
	}
	if (cgroup_from_record(lines, n, &cg, NULL) < 0)
		return;
	if (cgroup_to_record(cg, &arena, &one, &n_one) < 0 || n_one != n)
		abort();
	cgroup_free(cg);
	if (cgroup_from_record(one, n_one, &cg, NULL) < 0 ||
		cgroup_to_record(cg, &arena, &two, &n_two) < 0 || n_two != n)
		abort();
	for (size_t i = 0; i < n; i++)
		if (strcmp(one[i], two[i]) != 0)
			abort();
	arena_done(&arena);
	cgroup_free(cg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;
	uint64_t v;

	if (size < 1)
		return 0;
	text = strndup((const char *)data + 1, size - 1);
	if (!text)
		abort();
	switch (data[0]) {
	case 'm':
		read_mounts(data + 1, size - 1);
		break;
	case 's':
		read_self(text);
		break;
	case 'e':
		cgroup_keyed(text, "populated", &v);
		cgroup_keyed(text, "frozen", &v);
		break;
	case 'd':
		read_devices(text);
		break;
	case 'r':
		read_record(text);
		break;
	}
	free(text);
	return 0;
}
