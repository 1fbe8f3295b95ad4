/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the model reads but this version does not apply. Such a field is refused by name: a
 * container that runs without something that was asked for is worse than one that does not start. A
 * row goes when its feature comes.
 */
#include <errno.h>
#include <string.h>

#include "oci/spec.h"

static bool in_linux_resources(const struct spec *s)
{
	return s->linux_ && s->linux_->resources;
}

static bool has_net_devices(const struct spec *s)
{
	return s->linux_ && s->linux_->n_net_devices > 0;
}

static bool has_intel_rdt(const struct spec *s)
{
	return s->linux_ && s->linux_->intel_rdt;
}

static bool has_rdma(const struct spec *s)
{
	return in_linux_resources(s) && s->linux_->resources->n_rdma > 0;
}

static bool has_network(const struct spec *s)
{
	const struct spec_network *n = in_linux_resources(s) ? s->linux_->resources->network : NULL;

	return n && ((n->has_class_id && n->class_id != 0) || n->n_priorities > 0);
}

static bool has_listener(const struct spec *s)
{
	return s->linux_ && s->linux_->seccomp && !str_empty(s->linux_->seccomp->listener_path);
}

static bool has_notify(const struct spec *s)
{
	const struct spec_seccomp *seccomp = s->linux_ ? s->linux_->seccomp : NULL;

	for (size_t i = 0; seccomp && i < seccomp->n_syscalls; i++)
		if (seccomp->syscalls[i].action == SPEC_ACT_NOTIFY)
			return true;
	return false;
}

static const struct {
	const char *field;
	bool (*is_set)(const struct spec *s);
} rows[] = {
	{ "linux.netDevices", has_net_devices },
	{ "linux.intelRdt", has_intel_rdt },
	{ "linux.resources.rdma", has_rdma },
	{ "linux.resources.network", has_network },
	{ "linux.seccomp.listenerPath", has_listener },
	{ "linux.seccomp.syscalls: SCMP_ACT_NOTIFY", has_notify },
};

int spec_unsupported(const struct spec *s, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].is_set(s))
			return err_set(
				err, -ENOTSUP, "%s: not supported by this version", rows[i].field);
	return 0;
}
