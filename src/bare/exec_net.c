/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The little that is set of a container's network from inside: loopback up, and devices that were moved in with the
 * addresses that they had. No name is looked up elsewhere, nothing is waited for but the kernel's own answer.
 */
#include <asm/errno.h>
#include <linux/in.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/socket.h>

#include "bare/exec.h"

#define AF_INET_ 2
#define AF_NETLINK_ 16
#define SOCK_DGRAM_ 2
#define SOCK_RAW_ 3
#define SOCK_CLOEXEC_ 02000000
#define SIOCGIFFLAGS_ 0x8913
#define SIOCSIFFLAGS_ 0x8914
#define SIOCGIFINDEX_ 0x8933
#define IFF_UP_ 1

struct interface {
	char name[16];
	union {
		short flags;
		int index;
		char pad[24];
	};
};

/* A socket for questions about the interface `name`, which goes into *i. */
static long ask(const char *name, struct interface *i)
{
	size_t n = strlen(name);

	if (n >= sizeof(i->name))
		return -ENAMETOOLONG;
	memset(i, 0, sizeof(*i));
	memcpy(i->name, name, n + 1);
	return sys_call3(__NR_socket, AF_INET_, SOCK_DGRAM_ | SOCK_CLOEXEC_, 0);
}

long exec_op_link_up(struct exec *x, const struct plan_step *s)
{
	struct interface i;
	long sock = ask(exec_str(x, s->str[0]), &i);
	long r;

	if (sock < 0)
		return sock;
	/* The loopback of a new namespace has no flags to be kept. */
	r = strcmp(i.name, "lo") == 0 ? 0 : sys_call3(__NR_ioctl, sock, SIOCGIFFLAGS_, &i);
	if (r >= 0) {
		i.flags |= IFF_UP_;
		r = sys_call3(__NR_ioctl, sock, SIOCSIFFLAGS_, &i);
	}
	exec_drop((int)sock);
	return r;
}

static long index_of(const char *name)
{
	struct interface i;
	long sock = ask(name, &i);
	long r;

	if (sock < 0)
		return sock;
	r = sys_call3(__NR_ioctl, sock, SIOCGIFINDEX_, &i);
	exec_drop((int)sock);
	return r < 0 ? r : i.index;
}

long exec_op_link_free(struct exec *x, const struct plan_step *s)
{
	long index = index_of(exec_str(x, s->str[0]));

	return index == -ENODEV ? 0 : index < 0 ? index : -EEXIST;
}

long exec_op_address(struct exec *x, const struct plan_step *s)
{
	struct {
		struct nlmsghdr head;
		struct ifaddrmsg address;
		char rest[256];
	} request;
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
		char rest[512];
	} answer;
	long index = index_of(exec_str(x, s->str[0]));
	long sock;
	long r;

	if (index < 0)
		return index;
	memcpy(&request, exec_blob(x, s), s->blob_len);
	request.address.ifa_index = (unsigned)index;
	sock = sys_call3(__NR_socket, AF_NETLINK_, SOCK_RAW_ | SOCK_CLOEXEC_, NETLINK_ROUTE);
	if (sock < 0)
		return sock;
	r = sys_write((int)sock, &request, s->blob_len);
	if (r >= 0)
		r = sys_read((int)sock, &answer, sizeof(answer));
	exec_drop((int)sock);
	if (r < 0)
		return r;
	if (r < (long)NLMSG_LENGTH(sizeof(answer.error)) || answer.head.nlmsg_type != NLMSG_ERROR)
		return -EBADMSG;
	return answer.error.error;
}
