/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sandbox: what is asked for, what is written down, what containers get of it; and as root, in a mount namespace of our
 * own, the whole life over the service.
 */
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json_read.h"
#include "base/str.h"
#include "exit/own_children.h"
#include "rpc/any.h"
#include "rpc/ttrpc_client.h"
#include "shim/sandbox_files.h"
#include "shim/sandbox_service.h"
#include "supervisor/bundle_record.h"
#include "supervisor/fdtable.h"
#include "test.h"

#include "proto/cri.pb-c.h"
#include "proto/sandbox.pb-c.h"

/* ---- the spec ---- */

struct config {
	struct buf bytes;
	Pb__Any any;
};

static const Pb__Any *encode(struct config *c, const Pb__Cri__PodSandboxConfig *m)
{
	message_encode(&m->base, &c->bytes);
	assert_ok(buf_ok(&c->bytes));
	pb__any__init(&c->any);
	c->any.type_url = (char *)ANY_POD_SANDBOX_CONFIG;
	c->any.value.data = (uint8_t *)c->bytes.data;
	c->any.value.len = c->bytes.len;
	return &c->any;
}

TEST(a_config_becomes_a_spec)
{
	auto_done(arena) struct arena arena = { 0 };
	Pb__Cri__PodSandboxConfig m = PB__CRI__POD_SANDBOX_CONFIG__INIT;
	Pb__Cri__LinuxConfig l = PB__CRI__LINUX_CONFIG__INIT;
	Pb__Cri__SecurityContext sc = PB__CRI__SECURITY_CONTEXT__INIT;
	Pb__Cri__NamespaceOption ns = PB__CRI__NAMESPACE_OPTION__INIT;
	Pb__Cri__DNSConfig dns = PB__CRI__DNSCONFIG__INIT;
	Pb__Pair port = PB__PAIR__INIT, *sysctls[] = { &port };
	char *servers[] = { (char *)"192.0.2.1", (char *)"192.0.2.2" };
	char *searches[] = { (char *)"a.example", (char *)"b.example" };
	struct config c = { 0 };
	struct sandbox_spec s;
	struct err err = { 0 };

	m.hostname = (char *)"box";
	m.dns_config = &dns;
	m.on_linux = &l;
	dns.servers = servers;
	dns.n_servers = 2;
	dns.searches = searches;
	dns.n_searches = 2;
	l.cgroup_parent = (char *)"/pods/1";
	l.security_context = &sc;
	l.sysctls = sysctls;
	l.n_sysctls = 1;
	port.key = (char *)"net.ipv4.ip_unprivileged_port_start";
	port.value = (char *)"80";
	sc.namespace_options = &ns;
	ns.pid = PB__CRI__NAMESPACE_MODE__CONTAINER;
	assert_ok(sandbox_spec_decode(encode(&c, &m), true, &arena, &s, &err));
	assert_int_equal(s.net, SANDBOX_OWN);
	assert_int_equal(s.pid, SANDBOX_CONTAINER);
	assert_int_equal(s.ipc, SANDBOX_OWN);
	assert_string_equal(s.hostname, "box");
	assert_string_equal(s.cgroup_parent, "/pods/1");
	assert_string_equal(s.resolv_conf,
		"search a.example b.example\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n");
	/* What the client says stands before the default. */
	assert_int_equal(s.n_sysctls, 2);
	assert_string_equal(s.sysctls[0].value, "80");
	assert_string_equal(s.sysctls[1].key, "net.ipv4.ping_group_range");
	buf_done(&c.bytes);

	/* With the host's network: its name, too, and no sysctls of a network. */
	ns.network = ns.ipc = ns.pid = PB__CRI__NAMESPACE_MODE__NODE;
	l.n_sysctls = 0;
	assert_ok(sandbox_spec_decode(encode(&c, &m), false, &arena, &s, &err));
	assert_int_equal(s.net, SANDBOX_HOST);
	assert_int_equal(s.ipc, SANDBOX_HOST);
	assert_int_equal(s.pid, SANDBOX_HOST);
	assert_string_equal(s.hostname, "");
	assert_int_equal(s.n_sysctls, 0);
	buf_done(&c.bytes);
}

TEST(a_config_that_makes_no_sense_is_refused)
{
	auto_done(arena) struct arena arena = { 0 };
	Pb__Cri__PodSandboxConfig m = PB__CRI__POD_SANDBOX_CONFIG__INIT;
	Pb__Cri__LinuxConfig l = PB__CRI__LINUX_CONFIG__INIT;
	Pb__Cri__SecurityContext sc = PB__CRI__SECURITY_CONTEXT__INIT;
	Pb__Cri__NamespaceOption ns = PB__CRI__NAMESPACE_OPTION__INIT;
	Pb__Cri__UserNamespace user = PB__CRI__USER_NAMESPACE__INIT;
	Pb__Any any = PB__ANY__INIT;
	struct config c = { 0 };
	struct sandbox_spec s;
	struct err err = { 0 };

	m.on_linux = &l;
	l.security_context = &sc;
	sc.namespace_options = &ns;
	assert_int_equal(sandbox_spec_decode(encode(&c, &m), false, &arena, &s, &err), -EINVAL);
	assert_text_has(err.text, "network namespace");
	buf_done(&c.bytes);
	ns.userns_options = &user;
	assert_int_equal(sandbox_spec_decode(encode(&c, &m), true, &arena, &s, &err), -EOPNOTSUPP);
	assert_text_has(err.text, "user namespace");
	buf_done(&c.bytes);
	ns.userns_options = NULL;
	m.hostname = (char *)"123456789-123456789-123456789-123456789-123456789-123456789-12345";
	assert_int_equal(sandbox_spec_decode(encode(&c, &m), true, &arena, &s, &err), -EINVAL);
	assert_text_has(err.text, "64");
	buf_done(&c.bytes);
	any.type_url = (char *)"some.other.Thing";
	assert_int_equal(sandbox_spec_decode(&any, true, &arena, &s, &err), -EINVAL);
	assert_text_has(err.text, "some.other.Thing");
	any.type_url = (char *)ANY_POD_SANDBOX_CONFIG;
	any.value.data = (uint8_t *)"\xff";
	any.value.len = 1;
	assert_int_equal(sandbox_spec_decode(&any, true, &arena, &s, &err), -EBADMSG);
	/* None at all is a sandbox, too. */
	assert_ok(sandbox_spec_decode(NULL, false, &arena, &s, &err));
	assert_int_equal(s.net, SANDBOX_HOST);
	assert_int_equal(s.ipc, SANDBOX_OWN);
}

/* ---- the record ---- */

TEST(what_is_recorded_is_read)
{
	static const struct sandbox_record rows[] = {
		{ .id = "a", .cgroup = "" },
		{ .id = "b \"q\"",
			.cgroup = "/pods/x",
			.state = SANDBOX_STOPPED,
			.own_net = true,
			.own_ipc = true,
			.own_pid = true,
			.host_pid = true,
			.guardian = true,
			.holder = INT32_MAX,
			.holder_start = UINT64_MAX,
			.holder_inode = 7,
			.created_wall_ns = 1700000000123456789,
			.exited_wall_ns = 1700000000123456790,
			.exit_status = 137 },
	};
	struct test_tmpdir dir = test_tmpdir();
	struct err err = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_done(arena) struct arena arena = { 0 };
		struct sandbox_record back = { 0 };

		assert_ok(sandbox_record_save(dir.path, &rows[i], &err));
		assert_ok(sandbox_record_load(dir.path, &arena, &back, &err));
		assert_string_equal(back.id, rows[i].id);
		assert_string_equal(back.cgroup, rows[i].cgroup);
		back.id = rows[i].id;
		back.cgroup = rows[i].cgroup;
		assert_memory_equal(&back, &rows[i], sizeof(back));
	}
	test_tmpdir_remove(&dir);
}

TEST(a_damaged_record_says_what_is_wrong)
{
	static const char *const rows[][2] = {
		{ "", "JSON" },
		{ "[]", "version" },
		{ "{\"id\":\"a\"}", "version" },
		{ "{\"v\":3,\"id\":\"a\"}", "version" },
		{ "{\"v\":1}", "no id" },
		{ "{\"v\":1,\"id\":1}", "'id'" },
		{ "{\"v\":1,\"id\":\"a\",\"state\":3}", "'state'" },
		{ "{\"v\":1,\"id\":\"a\",\"holder\":2147483648}", "'holder'" },
		{ "{\"v\":1,\"id\":\"a\",\"holder\":-1}", "'holder'" },
		{ "{\"v\":1,\"id\":\"a\",\"ownNet\":1}", "'ownNet'" },
	};
	auto_done(arena) struct arena arena = { 0 };
	struct sandbox_record r = { 0 };
	struct err err = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(
			sandbox_record_parse(rows[i][0], strlen(rows[i][0]), &arena, &r, &err),
			-EBADMSG);
		assert_text_has(err.text, SANDBOX_RECORD_NAME);
		if (i > 0)
			assert_text_has(err.text, rows[i][1]);
	}
	assert_int_equal(sandbox_record_load("/no/such/bundle", &arena, &r, &err), -ENOENT);
}

/* ---- members ---- */

struct pod {
	struct test_tmpdir dir;
	char sandbox[96];
	char bundle[96];
	struct sandbox_member m;
};

static void pod_setup(struct pod *p)
{
	p->dir = test_tmpdir();
	snprintf(p->sandbox, sizeof(p->sandbox), "%s/s", p->dir.path);
	snprintf(p->bundle, sizeof(p->bundle), "%s/c1", p->dir.path);
	assert_ok(mkdir(p->sandbox, 0700));
	assert_ok(mkdir(p->bundle, 0700));
	p->m = (struct sandbox_member){ .id = "pod-1", .bundle = p->sandbox, .pid = 4711 };
}

static void put_config(const struct pod *p, const char *text)
{
	auto_close int dir = open(p->bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_ok(file_replace_at(dir, "config.json", text, strlen(text), 0644));
}

static char *get_config(const struct pod *p)
{
	auto_close int dir = open(p->bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char *text = NULL;

	assert_ok(fd_read_file_at(dir, "config.json", 1u << 20, &text, NULL));
	return text;
}

#define ANNOTATION "\"annotations\":{\"io.kubernetes.cri.sandbox-id\":\"pod-1\"}"

TEST(a_member_gets_the_files_of_its_sandbox)
{
	auto_free char *text = NULL, *again = NULL;
	char path[256], shm[128];
	struct err err = { 0 };
	bool member = false;
	struct pod p;

	pod_setup(&p);
	snprintf(shm, sizeof(shm), "%s/shm", p.sandbox);
	assert_ok(mkdir(shm, 0700));
	put_config(&p, "{\"big\":18446744073709551615," ANNOTATION
		       ",\"root\":{\"readonly\":true},\"mounts\":["
		       "{\"destination\":\"/dev/shm\",\"type\":\"tmpfs\",\"source\":\"shm\"},"
		       "{\"destination\":\"/etc/hosts\",\"type\":\"bind\",\"source\":\"/"
		       "mine\"}],\"odd\":[null,\"\\u00e9\"]}");
	assert_ok(sandbox_files_join(p.bundle, &p.m, &member, &err));
	assert_true(member);
	text = get_config(&p);
	/* What nobody asked about is as it was. */
	assert_text_has(text, "\"big\":18446744073709551615");
	assert_text_has(text, "\"odd\":[null,\"\xc3\xa9\"]");
	assert_text_has(text, "\"/mine\"");
	assert_null(strstr(text, "tmpfs"));
	snprintf(path, sizeof(path),
		"\"source\":\"%s/shm\",\"options\":[\"rbind\",\"rprivate\",\"rw\"]", p.sandbox);
	assert_text_has(text, path);
	snprintf(path, sizeof(path),
		"\"/etc/resolv.conf\",\"type\":\"bind\",\"source\":\"%s/"
		"resolv.conf\",\"options\":[\"rbind\",\"rprivate\",\"ro\"]",
		p.sandbox);
	assert_text_has(text, path);
	assert_null(strstr(text, "s/hosts\""));
	/* A second time changes nothing. */
	assert_ok(sandbox_files_join(p.bundle, &p.m, &member, &err));
	again = get_config(&p);
	assert_string_equal(text, again);
	snprintf(path, sizeof(path), "%s/members/c1", p.sandbox);
	assert_ok(access(path, F_OK));
	test_tmpdir_remove(&p.dir);
}

TEST(members_that_are_gone_are_forgotten)
{
	struct err err = { 0 };
	bool member = false;
	char old[128], link[160];
	struct pod p;

	pod_setup(&p);
	snprintf(old, sizeof(old), "%s", p.bundle);
	put_config(&p, "{" ANNOTATION "}");
	assert_ok(sandbox_files_join(p.bundle, &p.m, &member, &err));
	snprintf(p.bundle, sizeof(p.bundle), "%s/c2", p.dir.path);
	assert_ok(rename(old, p.bundle));
	put_config(&p, "{" ANNOTATION "}");
	assert_ok(sandbox_files_join(p.bundle, &p.m, &member, &err));
	snprintf(link, sizeof(link), "%s/members/c1", p.sandbox);
	assert_int_equal(faccessat(AT_FDCWD, link, F_OK, AT_SYMLINK_NOFOLLOW), -1);
	snprintf(link, sizeof(link), "%s/members/c2", p.sandbox);
	assert_ok(access(link, F_OK));
	test_tmpdir_remove(&p.dir);
}

TEST(others_are_left_alone_and_bad_ones_refused)
{
	static const char *const strangers[] = {
		"{}",
		"{\"annotations\":{\"io.kubernetes.cri.sandbox-id\":\"pod-2\"}}",
		"{\"annotations\":{\"other\":\"pod-1\"}}",
		"[\"pod-1\"]",
	};
	struct err err = { 0 };
	bool member = false;
	struct pod p;

	pod_setup(&p);
	for (size_t i = 0; i < ARRAY_LEN(strangers); i++) {
		auto_free char *text = NULL;

		put_config(&p, strangers[i]);
		assert_ok(sandbox_files_join(p.bundle, &p.m, &member, &err));
		assert_false(member);
		text = get_config(&p);
		assert_string_equal(text, strangers[i]);
	}
	put_config(&p, "{" ANNOTATION);
	assert_int_equal(sandbox_files_join(p.bundle, &p.m, &member, &err), -EINVAL);
	put_config(&p, "{" ANNOTATION ",\"mounts\":\"x\"}");
	assert_int_equal(sandbox_files_join(p.bundle, &p.m, &member, &err), -EINVAL);
	assert_text_has(err.text, "'mounts'");
	/* The pid that names the namespaces is in the host's pid namespace. */
	put_config(&p,
		"{" ANNOTATION
		",\"linux\":{\"namespaces\":[{\"type\":\"pid\",\"path\":\"/proc/4711/ns/pid\"}]}}");
	assert_int_equal(sandbox_files_join(p.bundle, &p.m, &member, &err), -EPERM);
	assert_text_has(err.text, "pid namespace");
	p.m.shares_pid = true;
	assert_ok(sandbox_files_join(p.bundle, &p.m, &member, &err));
	assert_true(member);
	test_tmpdir_remove(&p.dir);
}

/* ---- the service ---- */

struct bench {
	struct test_tmpdir dir;
	struct loop *loop;
	struct exit_source *exits;
	struct own_children *children;
	struct ttrpc_server *server;
	struct ttrpc_client *client;
	struct sandbox_service service;
	struct rpc_service table;
	struct config config;
	struct fdtable fds;
	char socket[96], bundle[96];
	char heard[1024];
	char info[256]; /* of the last status, but what is written as JSON */
	uint32_t pid;   /* of the last answer to a start or a status */
	uint32_t status;
	int gone;
};

static void on_gone(void *arg)
{
	((struct bench *)arg)->gone++;
}

enum { NAMED, STARTED, WAITED, STATUS };

static void take_info(struct bench *b, const Pb__Sandbox__StatusResponse *m)
{
	size_t len = 0;

	b->info[0] = '\0';
	for (size_t i = 0; i < m->n_info; i++)
		len += (size_t)snprintf(b->info + len, sizeof(b->info) - len, "%s=%s ",
			m->info[i]->key, *m->info[i]->value == '{' ? "" : m->info[i]->value);
}

static void on_answer(void *arg, uint64_t tag, const struct ttrpc_answer *a)
{
	auto_done(arena) struct arena arena = { 0 };
	struct bench *b = arg;
	const ProtobufCMessage *m = NULL;
	struct err err;
	size_t len = strlen(b->heard);

	snprintf(b->heard + len, sizeof(b->heard) - len, "%u ", a->code);
	if (a->code)
		return;
	if (tag % 4 == STARTED) {
		assert_ok(message_decode(&pb__sandbox__start_response__descriptor, a->payload,
			a->size, &arena, &m, &err));
		b->pid = ((const Pb__Sandbox__StartResponse *)(const void *)m)->pid;
	} else if (tag % 4 == WAITED) {
		assert_ok(message_decode(&pb__sandbox__wait_response__descriptor, a->payload,
			a->size, &arena, &m, &err));
		b->status = ((const Pb__Sandbox__WaitResponse *)(const void *)m)->exit_status;
	} else if (tag % 4 == STATUS) {
		assert_ok(message_decode(&pb__sandbox__status_response__descriptor, a->payload,
			a->size, &arena, &m, &err));
		b->pid = ((const Pb__Sandbox__StatusResponse *)(const void *)m)->pid;
		take_info(b, (const void *)m);
		len = strlen(b->heard);
		snprintf(b->heard + len, sizeof(b->heard) - len, "%s ",
			((const Pb__Sandbox__StatusResponse *)(const void *)m)->state);
	}
}

static void on_closed(void *arg)
{
}

static const struct ttrpc_client_ops client_ops = { on_answer, on_closed };

static void rounds(struct bench *b)
{
	for (int i = 0; i < 30; i++)
		assert_ok(loop_round(b->loop, 0));
}

static void call(struct bench *b, int kind, const char *method, const ProtobufCMessage *m)
{
	static uint64_t tags;

	tags += 4;
	b->heard[0] = '\0';
	assert_ok(ttrpc_client_call(b->client, tags + (uint64_t)kind,
		"containerd.runtime.sandbox.v1.Sandbox", method, m, 0, NULL));
	rounds(b);
}

static void ask(struct bench *b, int kind, const char *method, const char *id)
{
	Pb__Sandbox__PingRequest m = PB__SANDBOX__PING_REQUEST__INIT;

	m.sandbox_id = (char *)id;
	call(b, kind, method, &m.base);
}

static void create(struct bench *b, const char *id, const Pb__Any *options, const char *netns)
{
	Pb__Sandbox__CreateRequest m = PB__SANDBOX__CREATE_REQUEST__INIT;

	m.sandbox_id = (char *)id;
	m.bundle_path = b->bundle;
	m.options = (Pb__Any *)options;
	m.netns_path = (char *)netns;
	call(b, NAMED, "CreateSandbox", &m.base);
}

static void hear(struct bench *b, const char *text)
{
	for (int i = 0; i < 400 && strlen(b->heard) < strlen(text); i++)
		assert_ok(loop_round(b->loop, 10));
	assert_string_equal(b->heard, text);
}

static struct bench *setup(void)
{
	struct bench *b = calloc(1, sizeof(*b));
	sigset_t chld;
	int fd;

	assert_non_null(b);
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	b->dir = test_tmpdir();
	snprintf(b->socket, sizeof(b->socket), "%s/sock", b->dir.path);
	snprintf(b->bundle, sizeof(b->bundle), "%s/bundle", b->dir.path);
	assert_ok(mkdir(b->bundle, 0700));
	assert_ok(loop_new(&b->loop));
	assert_ok(exit_source_new(b->loop, &b->exits));
	assert_ok(own_children_new(b->loop, b->exits, &b->children));
	b->table = sandbox_service_table;
	b->table.arg = &b->service;
	const struct ttrpc_server_config server = {
		.loop = b->loop, .services = &b->table, .n_services = 1
	};
	fd = fd_unix_listen_at(AT_FDCWD, b->socket, SOCK_STREAM, 0600);
	assert_true(fd >= 0);
	assert_ok(ttrpc_server_new(&server, &b->server, NULL));
	assert_ok(ttrpc_server_listen_take_fd(b->server, fd, 0, NULL));
	b->service = (struct sandbox_service){ .server = b->server,
		.ns = "k8s.io",
		.config = { .loop = b->loop, .exits = b->exits, .fds = &b->fds },
		.arg = b,
		.gone = on_gone };
	assert_ok(ttrpc_connect(b->socket, &fd, NULL));
	assert_ok(ttrpc_client_new_take_fd(b->loop, fd, 0, &client_ops, b, &b->client, NULL));
	return b;
}

static void teardown(struct bench *b)
{
	sandbox_service_done(&b->service);
	ttrpc_client_free(b->client);
	ttrpc_server_free(b->server);
	assert_ok(loop_round(b->loop, 0));
	own_children_free(b->children);
	exit_source_free(b->exits);
	loop_free(b->loop);
	fdtable_done(&b->fds);
	buf_done(&b->config.bytes);
	test_tmpdir_remove(&b->dir);
	free(b);
}

TEST(calls_about_no_sandbox_are_not_found)
{
	static const char *const methods[] = { "Platform", "StopSandbox", "WaitSandbox",
		"SandboxStatus", "PingSandbox", "ShutdownSandbox", "SandboxMetrics",
		"StartSandbox" };
	struct bench *b = setup();

	ask(b, NAMED, "StartSandbox", "pod-1"); /* comes too early */
	assert_string_equal(b->heard, "9 ");

	for (size_t i = 0; i + 1 < ARRAY_LEN(methods); i++) {
		ask(b, NAMED, methods[i], "pod-1");
		assert_string_equal(b->heard, "5 ");
	}
	create(b, "../pod", NULL, "");
	assert_string_equal(b->heard, "3 ");
	create(b, "pod-1", NULL, "");
	assert_string_equal(b->heard, "0 ");
	create(b, "pod-1", NULL, "");
	assert_string_equal(b->heard, "6 ");
	create(b, "pod-2", NULL, ""); /* a shim holds one */
	assert_string_equal(b->heard, "6 ");
	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		ask(b, NAMED, methods[i], "pod-2");
		assert_string_equal(b->heard, "5 ");
	}
	ask(b, NAMED, "PingSandbox", "pod-1");
	assert_string_equal(b->heard, "0 ");
	ask(b, STATUS, "SandboxStatus", "pod-1");
	assert_string_equal(b->heard, "0 SANDBOX_NOTREADY ");
	ask(b, NAMED, "SandboxMetrics", "pod-1");
	assert_string_equal(b->heard, "5 ");
	/* One that never ran can be taken away. */
	ask(b, NAMED, "ShutdownSandbox", "pod-1");
	assert_string_equal(b->heard, "0 ");
	assert_int_equal(b->gone, 1);
	teardown(b);
}

TEST(a_verbose_status_tells_pid_and_state_in_its_map)
{
	Pb__Sandbox__StatusRequest m = PB__SANDBOX__STATUS_REQUEST__INIT;
	struct bench *b = setup();

	create(b, "pod-1", NULL, "");
	ask(b, STATUS, "SandboxStatus", "pod-1");
	assert_string_equal(b->info, "");
	m.sandbox_id = (char *)"pod-1";
	m.verbose = true;
	call(b, STATUS, "SandboxStatus", &m.base);
	assert_string_equal(b->info, "info= pid=0 state=SANDBOX_NOTREADY ");
	ask(b, NAMED, "ShutdownSandbox", "pod-1");
	teardown(b);
}

static const Pb__Any *pod_config(struct bench *b, bool shared_pid, const char *sysctl)
{
	Pb__Cri__PodSandboxConfig m = PB__CRI__POD_SANDBOX_CONFIG__INIT;
	Pb__Cri__LinuxConfig l = PB__CRI__LINUX_CONFIG__INIT;
	Pb__Cri__SecurityContext sc = PB__CRI__SECURITY_CONTEXT__INIT;
	Pb__Cri__NamespaceOption ns = PB__CRI__NAMESPACE_OPTION__INIT;
	Pb__Pair pair = PB__PAIR__INIT, *sysctls[] = { &pair };

	m.hostname = (char *)"reeve-box";
	m.on_linux = &l;
	l.security_context = &sc;
	sc.namespace_options = &ns;
	ns.pid = shared_pid ? PB__CRI__NAMESPACE_MODE__POD : PB__CRI__NAMESPACE_MODE__CONTAINER;
	pair.key = (char *)sysctl;
	pair.value = (char *)"1234";
	l.sysctls = sysctls;
	l.n_sysctls = 1;
	buf_done(&b->config.bytes);
	return encode(&b->config, &m);
}

static void same_ns(uint32_t pid, const char *name, bool same)
{
	char path[64], a[64] = "", b[64] = "";

	snprintf(path, sizeof(path), "/proc/%u/ns/%s", pid, name);
	assert_true(readlink(path, a, sizeof(a) - 1) > 0);
	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	assert_true(readlink(path, b, sizeof(b) - 1) > 0);
	assert_int_equal(strcmp(a, b) == 0, same);
}

/* What a process that joins sees there. */
static void check_inside(uint32_t pid)
{
	pid_t child;
	int status;

	child = fork();
	if (child == 0) {
		char path[64], name[64] = "", text[32] = "";
		int fd;

		snprintf(path, sizeof(path), "/proc/%u/ns/uts", pid);
		fd = open(path, O_RDONLY);
		if (setns(fd, CLONE_NEWUTS) < 0 || gethostname(name, sizeof(name)) < 0 ||
			strcmp(name, "reeve-box") != 0)
			_exit(1);
		snprintf(path, sizeof(path), "/proc/%u/ns/ipc", pid);
		fd = open(path, O_RDONLY);
		if (setns(fd, CLONE_NEWIPC) < 0)
			_exit(2);
		fd = open("/proc/sys/kernel/shmmni", O_RDONLY);
		if (read(fd, text, sizeof(text) - 1) < 0 || atol(text) != 1234)
			_exit(3);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static bool is_root(void)
{
	return geteuid() == 0 && unshare(CLONE_NEWNS | CLONE_NEWNET) == 0 &&
	       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

TEST(the_life_of_a_sandbox)
{
	struct bench *b;
	char path[128];

	if (!is_root())
		test_skip("needs root");
	for (int shared = 0; shared < 2; shared++) {
		uint32_t pid;

		b = setup();
		/* Our own network, as one that was made for it. */
		create(b, "pod-1", pod_config(b, shared, "kernel.shmmni"), "/proc/self/ns/net");
		assert_string_equal(b->heard, "0 ");
		ask(b, STARTED, "StartSandbox", "pod-1");
		if (strcmp(b->heard, "2 ") == 0)
			test_skip("no sysctls of a network here");
		assert_string_equal(b->heard, "0 ");
		pid = b->pid;
		assert_true(pid > 1);
		same_ns(pid, "ipc", false);
		same_ns(pid, "uts", false);
		same_ns(pid, "net", true);
		same_ns(pid, "pid", !shared);
		check_inside(pid);
		ask(b, STARTED, "StartSandbox", "pod-1");
		assert_string_equal(b->heard, "9 ");
		ask(b, STATUS, "SandboxStatus", "pod-1");
		assert_string_equal(b->heard, "0 SANDBOX_READY ");
		assert_int_equal(b->pid, pid);
		ask(b, WAITED, "WaitSandbox", "pod-1");
		assert_string_equal(b->heard, "");
		ask(b, NAMED, "StopSandbox", "pod-1");
		hear(b, "0 0 ");
		assert_int_equal(kill((pid_t)pid, 0), -1);
		ask(b, STATUS, "SandboxStatus", "pod-1");
		assert_string_equal(b->heard, "0 SANDBOX_NOTREADY ");
		ask(b, NAMED, "StopSandbox", "pod-1");
		assert_string_equal(b->heard, "0 ");
		ask(b, WAITED, "WaitSandbox", "pod-1");
		assert_string_equal(b->heard, "0 ");
		assert_int_equal(b->status, 137);
		ask(b, NAMED, "ShutdownSandbox", "pod-1");
		assert_string_equal(b->heard, "0 ");
		assert_int_equal(b->gone, 1);
		/* Nothing is left in the bundle, so containerd can remove it. */
		assert_ok(rmdir(b->bundle));
		assert_ok(mkdir(b->bundle, 0700));
		teardown(b);
	}

	/* Its holder dies: whoever waits hears of it. And ShutdownSandbox alone is enough. */
	b = setup();
	create(b, "pod-1", pod_config(b, true, "kernel.shmmni"), "/proc/self/ns/net");
	ask(b, STARTED, "StartSandbox", "pod-1");
	ask(b, WAITED, "WaitSandbox", "pod-1");
	kill((pid_t)b->pid, SIGKILL);
	hear(b, "0 ");
	assert_int_equal(b->status, 137);
	ask(b, NAMED, "ShutdownSandbox", "pod-1");
	assert_string_equal(b->heard, "0 ");
	create(b, "pod-1", pod_config(b, false, "kernel.shmmni"), "/proc/self/ns/net");
	ask(b, STARTED, "StartSandbox", "pod-1");
	ask(b, NAMED, "ShutdownSandbox", "pod-1");
	hear(b, "0 ");
	assert_int_equal(b->gone, 2);
	assert_ok(rmdir(b->bundle));
	assert_ok(mkdir(b->bundle, 0700));

	/* A start that fails leaves nothing. */
	create(b, "pod-1", pod_config(b, false, "kernel.no_such_thing"), "/proc/self/ns/net");
	ask(b, STARTED, "StartSandbox", "pod-1");
	assert_string_equal(b->heard, "3 ");
	ask(b, NAMED, "ShutdownSandbox", "pod-1");
	create(b, "pod-1", pod_config(b, false, "kernel.shmmni"), "/no/such/netns");
	ask(b, STARTED, "StartSandbox", "pod-1");
	assert_string_equal(b->heard, "5 ");
	snprintf(path, sizeof(path), "%s/shm", b->bundle);
	assert_int_equal(access(path, F_OK), -1);
	ask(b, NAMED, "ShutdownSandbox", "pod-1");
	teardown(b);
}

/* The worker dies, and another one comes. */
static void next_worker(struct bench *b)
{
	sandbox_service_done(&b->service);
	sandbox_service_reload(&b->service);
}

TEST(a_sandbox_outlives_workers)
{
	struct bench *b;
	uint32_t pid;

	if (!is_root())
		test_skip("needs root");
	b = setup();
	next_worker(b);
	assert_false(sandbox_service_has_one(&b->service));
	create(b, "pod-1", pod_config(b, true, "kernel.shmmni"), "/proc/self/ns/net");
	ask(b, STARTED, "StartSandbox", "pod-1");
	pid = b->pid;
	next_worker(b);
	ask(b, STATUS, "SandboxStatus", "pod-1");
	assert_string_equal(b->heard, "0 SANDBOX_READY ");
	assert_int_equal(b->pid, pid);
	create(b, "pod-1", NULL, "");
	assert_string_equal(b->heard, "6 ");
	/* It is stopped by one, asked about by the next, and taken away by a third. */
	ask(b, WAITED, "WaitSandbox", "pod-1");
	ask(b, NAMED, "StopSandbox", "pod-1");
	hear(b, "0 0 ");
	assert_int_equal(kill((pid_t)pid, 0), -1);
	next_worker(b);
	ask(b, WAITED, "WaitSandbox", "pod-1");
	assert_string_equal(b->heard, "0 ");
	assert_int_equal(b->status, 137);
	next_worker(b);
	ask(b, NAMED, "ShutdownSandbox", "pod-1");
	assert_string_equal(b->heard, "0 ");
	assert_int_equal(b->gone, 1);
	assert_int_equal(b->fds.n, 0);
	assert_ok(rmdir(b->bundle));
	assert_ok(mkdir(b->bundle, 0700));
	next_worker(b);
	assert_false(sandbox_service_has_one(&b->service));

	/* One that was not started can only be taken away. */
	create(b, "pod-1", pod_config(b, true, "kernel.shmmni"), "/proc/self/ns/net");
	next_worker(b);
	ask(b, STARTED, "StartSandbox", "pod-1");
	assert_string_equal(b->heard, "1 ");
	ask(b, NAMED, "ShutdownSandbox", "pod-1");
	assert_string_equal(b->heard, "0 ");
	teardown(b);
}

TEST(the_end_of_a_sandbox_without_a_worker_is_told)
{
	struct bench *b;

	if (!is_root())
		test_skip("needs root");
	b = setup();
	create(b, "pod-1", pod_config(b, true, "kernel.shmmni"), "/proc/self/ns/net");
	ask(b, STARTED, "StartSandbox", "pod-1");
	sandbox_service_done(&b->service);
	kill((pid_t)b->pid, SIGKILL);
	sandbox_service_reload(&b->service);
	ask(b, WAITED, "WaitSandbox", "pod-1");
	hear(b, "0 ");
	assert_int_equal(b->status, 137);
	ask(b, STATUS, "SandboxStatus", "pod-1");
	assert_string_equal(b->heard, "0 SANDBOX_NOTREADY ");
	teardown(b);
}

static void mark(const struct bench *b)
{
	char path[160];
	int fd;

	snprintf(path, sizeof(path), "%s/" BUNDLE_MARK_NAME, b->bundle);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
}

TEST(a_sandbox_that_was_deleted_from_outside_is_forgotten)
{
	struct bench *b;

	if (!is_root())
		test_skip("needs root");
	b = setup();
	for (int meanwhile = 0; meanwhile < 2; meanwhile++) {
		create(b, "pod-1", pod_config(b, meanwhile, "kernel.shmmni"), "/proc/self/ns/net");
		ask(b, STARTED, "StartSandbox", "pod-1");
		sandbox_service_look_for_mark(&b->service);
		assert_true(sandbox_service_has_one(&b->service));
		mark(b);
		if (meanwhile)
			next_worker(b);
		else
			sandbox_service_look_for_mark(&b->service);
		for (int i = 0; i < 400 && sandbox_service_has_one(&b->service); i++)
			assert_ok(loop_round(b->loop, 10));
		assert_false(sandbox_service_has_one(&b->service));
		assert_int_equal(b->gone, meanwhile + 1);
		assert_int_equal(b->fds.n, 0);
		assert_ok(rmdir(b->bundle)); /* the mark is gone, too */
		assert_ok(mkdir(b->bundle, 0700));
	}
	teardown(b);
}

TEST(what_a_dead_shim_left_is_cleaned_up)
{
	auto_done(arena) struct arena arena = { 0 };
	struct sandbox_record record = { 0 };
	struct err err = { 0 };
	struct bench *b;

	if (!is_root())
		test_skip("needs root");
	b = setup();
	create(b, "pod-1", pod_config(b, true, "kernel.shmmni"), "/proc/self/ns/net");
	ask(b, STARTED, "StartSandbox", "pod-1");
	assert_ok(sandbox_record_load(b->bundle, &arena, &record, &err));
	assert_int_equal(record.holder, b->pid);
	assert_ok(sandbox_clean_up(b->bundle, &record, &err));
	ask(b, WAITED, "WaitSandbox", "pod-1");
	hear(b, "0 ");
	assert_int_equal(b->status, 137);
	/* Again, with nothing left. */
	assert_ok(sandbox_clean_up(b->bundle, &record, &err));
	teardown(b);
}
