/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the network is the host's, so is the host name: that is how containerd's own sandboxes are made.
 *
 * With a network of its own a sandbox gets what containerd 2.x gives by default to those with a pause container:
 * every user may listen on low ports and send pings. They are settings of that network alone.
 */
#include "shim/sandbox_spec.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "rpc/any.h"
#include "rpc/message.h"

#include "proto/cri.pb-c.h"

#define HOSTNAME_MAX 64

static const struct sandbox_sysctl defaults[] = {
	{ "net.ipv4.ip_unprivileged_port_start", "0", true },
	{ "net.ipv4.ping_group_range", "0 2147483647", true },
};

static enum sandbox_share share_of(Pb__Cri__NamespaceMode mode)
{
	switch (mode) {
	case PB__CRI__NAMESPACE_MODE__NODE:
		return SANDBOX_HOST;
	case PB__CRI__NAMESPACE_MODE__CONTAINER:
		return SANDBOX_CONTAINER;
	default:
		return SANDBOX_OWN;
	}
}

static int take_namespaces(
	const Pb__Cri__NamespaceOption *o, bool netns, struct sandbox_spec *out, struct err *err)
{
	out->net = netns ? SANDBOX_OWN : SANDBOX_HOST;
	if (!o)
		return 0;
	if (o->userns_options && o->userns_options->mode != PB__CRI__NAMESPACE_MODE__NODE)
		return err_set(err, -EOPNOTSUPP,
			"a sandbox with a user namespace needs a container of its own (sandboxer "
			"\"podsandbox\")");
	if (share_of(o->network) == SANDBOX_OWN && !netns)
		return err_set(err, -EINVAL, "no network namespace is given");
	if (share_of(o->network) == SANDBOX_HOST)
		out->net = SANDBOX_HOST;
	out->pid = share_of(o->pid);
	out->ipc = share_of(o->ipc) == SANDBOX_HOST ? SANDBOX_HOST : SANDBOX_OWN;
	return 0;
}

static void add_words(struct buf *b, const char *key, char *const *words, size_t n)
{
	if (n == 0)
		return;
	buf_adds(b, key);
	for (size_t i = 0; i < n; i++)
		buf_addf(b, " %s", words[i]);
	buf_addc(b, '\n');
}

static int take_dns(const Pb__Cri__DNSConfig *dns, struct arena *arena, struct sandbox_spec *out,
	struct err *err)
{
	auto_done(buf) struct buf text = { 0 };

	if (!dns)
		return 0;
	add_words(&text, "search", dns->searches, dns->n_searches);
	for (size_t i = 0; i < dns->n_servers; i++)
		buf_addf(&text, "nameserver %s\n", dns->servers[i]);
	add_words(&text, "options", dns->options, dns->n_options);
	if (buf_ok(&text) < 0)
		return err_oom(err);
	if (text.len == 0)
		return 0;
	out->resolv_conf = arena_strdup(arena, text.data);
	return out->resolv_conf ? 0 : err_oom(err);
}

static bool has_sysctl(const struct sandbox_sysctl *v, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(v[i].key, key))
			return true;
	return false;
}

static int take_sysctls(Pb__Pair *const *rows, size_t n, struct arena *arena,
	struct sandbox_spec *out, struct err *err)
{
	struct sandbox_sysctl *v = arena_calloc(arena, n + ARRAY_LEN(defaults), sizeof(*v));

	if (!v)
		return err_oom(err);
	for (size_t i = 0; i < n; i++)
		v[i] = (struct sandbox_sysctl){ rows[i]->key, rows[i]->value, false };
	for (size_t i = 0; i < ARRAY_LEN(defaults) && out->net == SANDBOX_OWN; i++)
		if (!has_sysctl(v, n, defaults[i].key))
			v[n++] = defaults[i];
	out->sysctls = v;
	out->n_sysctls = n;
	return 0;
}

static int take_config(const Pb__Cri__PodSandboxConfig *m, bool netns, struct arena *arena,
	struct sandbox_spec *out, struct err *err)
{
	const Pb__Cri__LinuxConfig *l = m->on_linux;
	const Pb__Cri__SecurityContext *sc = l ? l->security_context : NULL;
	int r = take_namespaces(sc ? sc->namespace_options : NULL, netns, out, err);

	if (r == 0 && strlen(m->hostname) > HOSTNAME_MAX)
		r = err_set(err, -EINVAL, "host name '%.80s' has more than %d characters",
			m->hostname, HOSTNAME_MAX);
	if (r == 0)
		r = take_dns(m->dns_config, arena, out, err);
	if (r == 0)
		r = take_sysctls(l ? l->sysctls : NULL, l ? l->n_sysctls : 0, arena, out, err);
	if (r < 0)
		return r;
	out->hostname = out->net == SANDBOX_OWN ? m->hostname : "";
	out->cgroup_parent = l ? l->cgroup_parent : "";
	return 0;
}

int sandbox_spec_decode(const Pb__Any *options, bool netns, struct arena *arena,
	struct sandbox_spec *ret, struct err *err)
{
	struct sandbox_spec out = { 0 };
	const ProtobufCMessage *m = NULL;
	bool known = options && any_is(options->type_url, ANY_POD_SANDBOX_CONFIG);
	int r;

	if (options && !known && !str_empty(options->type_url))
		return err_set(err, -EINVAL, "options of a sandbox are '%s', not '%s'",
			options->type_url, ANY_POD_SANDBOX_CONFIG);
	r = message_decode(&pb__cri__pod_sandbox_config__descriptor,
		known ? options->value.data : NULL, known ? options->value.len : 0, arena, &m, err);
	if (r == 0)
		r = take_config((const void *)m, netns, arena, &out, err);
	if (r == 0)
		*ret = out;
	return r;
}
