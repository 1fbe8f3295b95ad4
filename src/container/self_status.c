/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line that cannot be read makes everything unknown: then all is asked for as if nothing were so already, which costs
 * calls and nothing else.
 */
#include "container/self_status.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

/* What follows "\nNAME:"; the first line is another's. */
static const char *value_of(const char *text, const char *name)
{
	const char *line = strstr(text, name);

	return line ? line + strlen(name) : NULL;
}

static bool read_mask(const char *text, const char *name, uint64_t *ret)
{
	const char *p = value_of(text, name);
	char *end = NULL;

	if (!p)
		return false;
	*ret = strtoull(p, &end, 16);
	return end != p && *end == '\n';
}

static bool read_ids(const char *text, const char *name, uint32_t ret[4])
{
	const char *p = value_of(text, name);
	char *end = NULL;

	for (int i = 0; p && i < 4; i++, p = end) {
		ret[i] = (uint32_t)strtoul(p, &end, 10);
		if (end == p)
			return false;
	}
	return p && *p == '\n';
}

/* "ff,ffffffff", most significant first: of any other than all ones nothing is said. */
static void read_cpus(const char *text, struct self_status *s)
{
	const char *p = value_of(text, "\nCpus_allowed:\t");
	unsigned int n;

	if (!p)
		return;
	n = *p == 'f' ? 4 : *p == '7' ? 3 : *p == '3' ? 2 : *p == '1' ? 1 : 0;
	for (s->all_cpus = n == 4, p++; n && *p != '\n'; p++) {
		if (*p != 'f' && *p != ',')
			n = 0;
		else
			n += *p == 'f' ? 4 : 0;
	}
	s->n_cpus = n;
	s->all_cpus = s->all_cpus && n;
}

/* Memory nodes as the kernel lists them; "" when that is long. */
static void read_mems(const char *text, struct self_status *s)
{
	const char *p = value_of(text, "\nMems_allowed_list:\t");
	size_t n = p ? strcspn(p, "\n") : 0;

	if (n < sizeof(s->mems) && n > 0)
		memcpy(s->mems, p, n);
}

int self_status_parse(const char *text, struct self_status *ret)
{
	struct self_status s = { .known = true };
	const char *groups = value_of(text, "\nGroups:");

	*ret = (struct self_status){ 0 };
	if (!groups || !read_ids(text, "\nUid:", s.uid) || !read_ids(text, "\nGid:", s.gid) ||
		!read_mask(text, "\nSigBlk:", &s.blocked) ||
		!read_mask(text, "\nSigIgn:", &s.ignored) ||
		!read_mask(text, "\nCapPrm:", &s.permitted) ||
		!read_mask(text, "\nCapBnd:", &s.bounding))
		return -EBADMSG;
	s.no_groups = groups[strspn(groups, " \t")] == '\n';
	read_cpus(groups, &s);
	read_mems(groups, &s);
	*ret = s;
	return 0;
}

int self_status_read(struct self_status *ret)
{
	auto_close int fd = -EBADF;

	return self_status_read_open(ret, &fd);
}

int self_status_read_open(struct self_status *ret, int *ret_fd)
{
	char text[8192];
	int fd = fd_open("/proc/self/status", O_RDONLY, 0);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;

	*ret_fd = fd;
	*ret = (struct self_status){ 0 };
	if (n < 0)
		return fd < 0 ? fd : -errno;
	text[n] = '\0';
	return self_status_parse(text, ret);
}
