/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtnetlink by hand: three kinds of messages do not need a library.
 *
 * What surprises: the address that is put back is not the message that was read. The kernel answers with what it has worked
 * out (life times, cache), so a new request is built of the parts that a person would have given.
 */
#include "container/net_device.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

#define ADDRESSES_MAX 256
#define ANSWER_SIZE (32 * 1024)

struct request {
	struct nlmsghdr head;
	union {
		struct ifinfomsg link;
		struct ifaddrmsg address;
	};
	char attributes[160];
};

static void begin(struct request *q, uint16_t type, uint16_t flags, size_t body)
{
	memset(q, 0, sizeof(*q));
	q->head.nlmsg_len = (uint32_t)NLMSG_LENGTH(body);
	q->head.nlmsg_type = type;
	q->head.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	q->head.nlmsg_seq = 1;
}

static int add(struct request *q, uint16_t type, const void *data, size_t size)
{
	size_t at = NLMSG_ALIGN(q->head.nlmsg_len);
	struct rtattr a = { .rta_len = (unsigned short)RTA_LENGTH(size), .rta_type = type };

	if (at + RTA_SPACE(size) > sizeof(*q))
		return -EMSGSIZE;
	memcpy((char *)q + at, &a, sizeof(a));
	memcpy((char *)q + at + RTA_LENGTH(0), data, size);
	q->head.nlmsg_len = (uint32_t)(at + RTA_SPACE(size));
	return 0;
}

static int open_socket(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	return fd < 0 ? -errno : fd;
}

static int ask(int fd, const struct request *q)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	ssize_t n = sendto(
		fd, q, q->head.nlmsg_len, 0, (const struct sockaddr *)&kernel, sizeof(kernel));

	return n < 0 ? -errno : 0;
}

/* ---- reading ---- */

struct reading {
	int index;
	struct arena *arena;
	struct net_device *device;
	bool done;
};

static bool is_lasting(const struct ifaddrmsg *a, const struct nlmsghdr *h)
{
	uint32_t flags = a->ifa_flags;
	int left = (int)IFA_PAYLOAD(h);

	for (const struct rtattr *t = IFA_RTA(a); RTA_OK(t, left); t = RTA_NEXT(t, left))
		if (t->rta_type == IFA_FLAGS && RTA_PAYLOAD(t) == sizeof(flags))
			memcpy(&flags, RTA_DATA(t), sizeof(flags));
	return a->ifa_scope == RT_SCOPE_UNIVERSE && (flags & IFA_F_PERMANENT);
}

static int keep(struct reading *r, const struct ifaddrmsg *a, const struct nlmsghdr *h)
{
	struct net_address *to = &r->device->addresses[r->device->n_addresses];
	int left = (int)IFA_PAYLOAD(h);
	struct request q;
	int e = 0;

	if (r->device->n_addresses == ADDRESSES_MAX)
		return -E2BIG;
	begin(&q, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, sizeof(q.address));
	q.address.ifa_family = a->ifa_family;
	q.address.ifa_prefixlen = a->ifa_prefixlen;
	q.address.ifa_scope = a->ifa_scope;
	for (const struct rtattr *t = IFA_RTA(a); e == 0 && RTA_OK(t, left); t = RTA_NEXT(t, left))
		if (t->rta_type == IFA_ADDRESS || t->rta_type == IFA_LOCAL ||
			t->rta_type == IFA_BROADCAST)
			e = add(&q, t->rta_type, RTA_DATA(t), RTA_PAYLOAD(t));
	if (e < 0)
		return e;
	to->message = arena_calloc(r->arena, 1, q.head.nlmsg_len);
	if (!to->message)
		return -ENOMEM;
	memcpy(to->message, &q, q.head.nlmsg_len);
	to->size = q.head.nlmsg_len;
	r->device->n_addresses++;
	return 0;
}

static int take(struct reading *r, const struct nlmsghdr *h)
{
	const struct ifaddrmsg *a = NLMSG_DATA(h);
	const struct nlmsgerr *e = NLMSG_DATA(h);

	if (h->nlmsg_type == NLMSG_DONE) {
		r->done = true;
		return 0;
	}
	if (h->nlmsg_type == NLMSG_ERROR)
		return h->nlmsg_len < NLMSG_LENGTH(sizeof(*e)) ? -EBADMSG : e->error;
	if (h->nlmsg_type != RTM_NEWADDR || h->nlmsg_len < NLMSG_LENGTH(sizeof(*a)) ||
		(int)a->ifa_index != r->index || !is_lasting(a, h))
		return 0;
	return keep(r, a, h);
}

static int read_addresses(int fd, struct reading *r)
{
	auto_free char *data = mem_calloc(1, ANSWER_SIZE);
	struct request q;
	int e;

	if (!data)
		return -ENOMEM;
	begin(&q, RTM_GETADDR, NLM_F_DUMP, sizeof(q.address));
	e = ask(fd, &q);
	while (e == 0 && !r->done) {
		ssize_t n = recv(fd, data, ANSWER_SIZE, 0);
		int left = (int)n; /* signed: a last message without padding takes it below zero */

		if (n < 0)
			return -errno;
		for (const struct nlmsghdr *h = (void *)data;
			e == 0 && left > 0 && NLMSG_OK(h, (unsigned int)left);
			h = NLMSG_NEXT(h, left))
			e = take(r, h);
	}
	return e;
}

int net_device_read(const struct spec_net_device *d, struct arena *arena, struct net_device *ret,
	struct err *err)
{
	auto_close int fd = open_socket();
	struct net_device dev = { .name = d->key, .inside = str_empty(d->name) ? d->key : d->name };
	struct reading r = { .arena = arena, .device = &dev };
	int e;

	r.index = (int)if_nametoindex(d->key);
	if (r.index == 0)
		return err_set(err, -ENODEV, "linux.netDevices: there is no device '%s'", d->key);
	dev.addresses = arena_calloc(arena, ADDRESSES_MAX, sizeof(*dev.addresses));
	if (!dev.addresses)
		return err_oom(err);
	e = fd < 0 ? fd : read_addresses(fd, &r);
	if (e < 0)
		return err_code(err, e, "linux.netDevices: read the addresses of '%s'", d->key);
	*ret = dev;
	return 0;
}

/* ---- moving ---- */

static int acknowledged(int fd)
{
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
		char rest[512];
	} m;
	ssize_t n = recv(fd, &m, sizeof(m), 0);

	if (n < 0)
		return -errno;
	if (n < (ssize_t)NLMSG_LENGTH(sizeof(m.error)) || m.head.nlmsg_type != NLMSG_ERROR)
		return -EBADMSG;
	return m.error.error;
}

int net_device_move(const struct net_device *d, pid_t pid, struct err *err)
{
	auto_close int fd = open_socket();
	uint32_t number = (uint32_t)pid;
	struct request q;
	int r = fd < 0 ? fd : 0;

	begin(&q, RTM_NEWLINK, NLM_F_ACK, sizeof(q.link));
	q.link.ifi_index = (int)if_nametoindex(d->name);
	if (r == 0 && q.link.ifi_index == 0)
		r = -ENODEV;
	if (r == 0)
		r = add(&q, IFLA_NET_NS_PID, &number, sizeof(number));
	if (r == 0)
		r = add(&q, IFLA_IFNAME, d->inside, strlen(d->inside) + 1);
	if (r == 0)
		r = ask(fd, &q);
	if (r == 0)
		r = acknowledged(fd);
	if (r < 0)
		return err_code(err, r, "linux.netDevices: move '%s' into the container as '%s'",
			d->name, d->inside);
	return 0;
}
