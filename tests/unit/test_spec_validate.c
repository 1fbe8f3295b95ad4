/* SPDX-License-Identifier: Apache-2.0 */
/* What a runtime-spec document must not say, each with the field that the error names. */
#include "test.h"

#include "base/mem.h"
#include "oci/spec.h"
#include "oci/spec_check.h"

/* A valid document around the part that a row is about. */
#define HEAD "{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"rootfs\"},"
#define ALL_NS \
	"\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"network\"},{\"type\":\"ipc\"}," \
	"{\"type\":\"uts\"},{\"type\":\"mount\"}]"
#define DOC(rest) HEAD "\"linux\":{" ALL_NS "}," rest "}"
#define LINUX(rest) HEAD "\"linux\":{" ALL_NS "," rest "}}"
#define BARE(rest) HEAD "\"linux\":{" rest "}}"
#define PROCESS(rest) DOC("\"process\":{\"args\":[\"x\"],\"cwd\":\"/\"," rest "}")
#define MOUNT(rest) DOC("\"mounts\":[{" rest "}]")
#define RES(rest) LINUX("\"resources\":{" rest "}")
#define MAP(c, h, n) "{\"containerID\":" c ",\"hostID\":" h ",\"size\":" n "}"
#define USERNS(uids, gids) \
	BARE("\"namespaces\":[{\"type\":\"user\"}],\"uidMappings\":[" uids \
	     "],\"gidMappings\":[" gids "]")
#define SECCOMP(rest) LINUX("\"seccomp\":{" rest "}")
#define ERRNO_DEFAULT "\"defaultAction\":\"SCMP_ACT_ERRNO\""
#define CALL(rest) SECCOMP(ERRNO_DEFAULT ",\"syscalls\":[{" rest "}]")

static int check(const char *json, struct err *err)
{
	struct spec *s = NULL;
	int r;

	if (spec_parse(json, strlen(json), &s, err) < 0)
		fail_msg("%s cannot be read: %s", json, err->text);
	r = spec_validate(s, err);
	spec_free(s);
	return r;
}

struct row {
	const char *json;
	const char *text; /* part of the error; NULL: valid */
};

static void run(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct err err = { 0 };
		int r = check(rows[i].json, &err);

		if (!rows[i].text && r < 0)
			fail_msg("%s: %s", rows[i].json, err.text);
		if (rows[i].text && r == 0)
			fail_msg("%s is taken", rows[i].json);
		if (rows[i].text)
			assert_text_has(err.text, rows[i].text);
	}
}

#define RUN_ROWS(rows) run(rows, ARRAY_LEN(rows))

// clang-format off
TEST(the_document)
{
	static const struct row rows[] = {
		{ "{\"ociVersion\":\"1.0.0-rc5-dev\",\"root\":{\"path\":\"r\"}}", NULL },
		{ "{\"ociVersion\":\"1.99.0\",\"root\":{\"path\":\"r\"}}", NULL },
		{ "{\"ociVersion\":\"0.5.0\",\"root\":{\"path\":\"r\"}}", NULL },
		{ "{\"ociVersion\":\"1.1.0+dev\",\"root\":{\"path\":\"r\"}}", NULL },
		{ "{\"ociVersion\":\"2.0.0\",\"root\":{\"path\":\"r\"}}", "ociVersion: '2.0.0'" },
		{ "{\"ociVersion\":\"1.0\",\"root\":{\"path\":\"r\"}}", "ociVersion: '1.0'" },
		{ "{\"ociVersion\":\"1.0.x\",\"root\":{\"path\":\"r\"}}", "ociVersion" },
		{ "{\"ociVersion\":\"\",\"root\":{\"path\":\"r\"}}", "ociVersion" },
		{ "{\"ociVersion\":\"1.0.0\"}", "root: missing" },
		{ "{\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"\"}}", "root.path: is empty" },
		{ DOC("\"hostname\":\"a\""), NULL },
		{ HEAD "\"hostname\":\"a\"}", "hostname: needs a namespace of type uts" },
		{ HEAD "\"domainname\":\"a\"}", "domainname: needs a namespace of type uts" },
		{ HEAD "\"hostname\":\"\"}", NULL },
		{ HEAD "\"hostname\":\"a\",\"linux\":{\"namespaces\":"
			"[{\"type\":\"uts\",\"path\":\"/proc/7/ns/uts\"}]}}", NULL },
		{ DOC("\"annotations\":{\"\":\"a\"}"), "annotations: a key is empty" },
		{ DOC("\"hooks\":{\"prestart\":[{\"path\":\"x\"}]}"), "hooks.prestart[0].path: 'x' is not an absolute path" },
		{ DOC("\"hooks\":{\"poststop\":[{\"path\":\"/x\",\"timeout\":0}]}"), "hooks.poststop[0].timeout: 0 is not above 0" },
		{ DOC("\"hooks\":{\"createRuntime\":[{\"path\":\"\"}]}"), "hooks.createRuntime[0].path" },
		{ DOC("\"hooks\":{\"createContainer\":[{\"path\":\"x\"}]}"), "hooks.createContainer[0].path" },
		{ DOC("\"hooks\":{\"startContainer\":[{\"path\":\"x\"}]}"), "hooks.startContainer[0].path" },
		{ DOC("\"hooks\":{\"poststart\":[{\"path\":\"x\"}]}"), "hooks.poststart[0].path" },
	};

	RUN_ROWS(rows);
}

TEST(the_process)
{
	static const struct row rows[] = {
		{ DOC("\"process\":{\"args\":[\"x\"],\"cwd\":\"/\"}"), NULL },
		{ DOC("\"process\":{\"cwd\":\"/\"}"), "process.args: must not be empty" },
		{ DOC("\"process\":{\"args\":[],\"cwd\":\"/\"}"), "process.args: must not be empty" },
		{ DOC("\"process\":{\"args\":[\"x\"]}"), "process.cwd: '' is not an absolute path" },
		{ DOC("\"process\":{\"args\":[\"x\"],\"cwd\":\"tmp\"}"), "process.cwd: 'tmp' is not an absolute path" },
		{ PROCESS("\"user\":{\"uid\":4294967294,\"gid\":2147483648}"), NULL },
		{ PROCESS("\"user\":{\"uid\":4294967295}"), "process.user.uid: 4294967295 is no id" },
		{ PROCESS("\"user\":{\"gid\":4294967295}"), "process.user.gid: 4294967295 is no id" },
		{ PROCESS("\"user\":{\"additionalGids\":[1,4294967295]}"), "process.user.additionalGids[1]" },
		{ PROCESS("\"user\":{\"umask\":512}"), "process.user.umask: 512" },
		{ PROCESS("\"rlimits\":[{\"type\":\"RLIMIT_CPU\",\"soft\":2,\"hard\":1}]"), "process.rlimits[0]: soft limit of RLIMIT_CPU is above" },
		{ PROCESS("\"rlimits\":[{\"type\":\"RLIMIT_CPU\",\"soft\":1,\"hard\":1},{\"type\":\"RLIMIT_CPU\",\"soft\":1,\"hard\":1}]"), "process.rlimits[1]: second entry for RLIMIT_CPU" },
		{ PROCESS("\"oomScoreAdj\":1001"), "process.oomScoreAdj: 1001 is not in" },
		{ PROCESS("\"oomScoreAdj\":-1001"), "process.oomScoreAdj" },
		{ PROCESS("\"capabilities\":{\"bounding\":[\"CAP_OF_TOMORROW\"]}"), NULL },
		{ PROCESS("\"scheduler\":{\"policy\":\"SCHED_OTHER\",\"nice\":20}"), "process.scheduler.nice" },
		{ PROCESS("\"scheduler\":{\"policy\":\"SCHED_OTHER\",\"priority\":1}"), "process.scheduler.priority" },
		{ PROCESS("\"scheduler\":{\"policy\":\"SCHED_FIFO\"}"), "process.scheduler.priority" },
		{ PROCESS("\"scheduler\":{\"policy\":\"SCHED_RR\",\"priority\":100}"), "process.scheduler.priority" },
		{ PROCESS("\"scheduler\":{\"policy\":\"SCHED_RR\",\"priority\":99}"), NULL },
		{ PROCESS("\"scheduler\":{\"policy\":\"SCHED_BATCH\",\"runtime\":1}"), "belong to SCHED_DEADLINE" },
		{ PROCESS("\"scheduler\":{\"policy\":\"SCHED_DEADLINE\"}"), "0 < runtime" },
		{ PROCESS("\"scheduler\":{\"policy\":\"SCHED_DEADLINE\",\"runtime\":3,\"deadline\":2}"), "0 < runtime" },
		{ PROCESS("\"ioPriority\":{\"class\":\"IOPRIO_CLASS_BE\",\"priority\":8}"), "process.ioPriority.priority: 8" },
		{ PROCESS("\"execCPUAffinity\":{\"initial\":\"x\"}"), "process.execCPUAffinity.initial: 'x' is not a list" },
		{ PROCESS("\"execCPUAffinity\":{\"final\":\"3-1\"}"), "process.execCPUAffinity.final" },
		{ PROCESS("\"consoleSize\":{\"height\":65536,\"width\":1}"), "process.consoleSize" },
		{ PROCESS("\"apparmorProfile\":\"a\\nb\""), "process.apparmorProfile" },
		{ PROCESS("\"selinuxLabel\":\"a\\nb\""), "process.selinuxLabel" },
		{ PROCESS("\"env\":[\"NOEQUALS\",\"=x\",\"\"]"), NULL },
	};

	RUN_ROWS(rows);
}

TEST(namespaces_and_what_needs_them)
{
	static const struct row rows[] = {
		{ BARE("\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"pid\"}]"), "linux.namespaces[1]: second entry of type pid" },
		{ BARE("\"namespaces\":[{\"type\":\"pid\",\"path\":\"proc/1\"}]"), "linux.namespaces[0].path: 'proc/1' is not an absolute path" },
		{ BARE("\"namespaces\":[{\"type\":\"pid\",\"path\":\"\"}]"), NULL },
		{ BARE("\"namespaces\":[{\"type\":\"user\"}]"), NULL },
		{ BARE("\"namespaces\":[{\"type\":\"user\"}],\"gidMappings\":[{\"containerID\":0,\"hostID\":5,\"size\":1}]"), "linux.uidMappings: missing" },
		{ BARE("\"namespaces\":[{\"type\":\"user\",\"path\":\"/x\"}]"), NULL },
		{ BARE("\"uidMappings\":[" MAP("0", "0", "1") "]"), NULL },
		{ BARE("\"gidMappings\":[" MAP("0", "0", "1") "]"), NULL },
		{ USERNS(MAP("0", "5", "1"), ""), "linux.gidMappings: missing" },
		{ USERNS(MAP("0", "5", "1"), MAP("0", "5", "1")), NULL },
		{ USERNS(MAP("0", "5", "0"), MAP("0", "5", "1")), "linux.uidMappings[0].size: is 0" },
		{ USERNS(MAP("0", "0", "4294967295"), MAP("0", "0", "4294967295")), NULL },
		{ USERNS(MAP("1", "0", "4294967295"), MAP("0", "5", "1")), "linux.uidMappings[0]: goes beyond" },
		{ USERNS(MAP("0", "4294967295", "1"), MAP("0", "5", "1")), "linux.uidMappings[0]: goes beyond" },
		{ USERNS(MAP("0", "5", "10") "," MAP("9", "100", "1"), MAP("0", "5", "1")), "linux.uidMappings[1]: overlaps [0]" },
		{ USERNS(MAP("0", "5", "1"), MAP("0", "5", "10") "," MAP("10", "14", "1")), "linux.gidMappings[1]: overlaps [0]" },
		{ BARE("\"maskedPaths\":[\"/x\"]"), "linux.maskedPaths: needs a namespace of type mount" },
		{ BARE("\"readonlyPaths\":[\"/x\"]"), "linux.readonlyPaths: needs a namespace of type mount" },
		{ LINUX("\"maskedPaths\":[\"/x\",\"y\"]"), "linux.maskedPaths[1]: 'y'" },
		{ LINUX("\"readonlyPaths\":[\"\"]"), "linux.readonlyPaths[0]: ''" },
		{ BARE("\"timeOffsets\":{\"boottime\":{\"secs\":1}}"), "linux.timeOffsets: time namespace offsets specified, but no new namespace of type time" },
		{ BARE("\"namespaces\":[{\"type\":\"time\"}],\"timeOffsets\":{\"x\":{\"secs\":1}}"), "linux.timeOffsets: 'x' is neither" },
		{ BARE("\"namespaces\":[{\"type\":\"time\"}],\"timeOffsets\":{\"boottime\":{\"nanosecs\":1000000000}}"), "linux.timeOffsets.boottime.nanosecs" },
		{ LINUX("\"netDevices\":{\"eth0\":{}}"), NULL },
		{ BARE("\"netDevices\":{\"eth0\":{}}"), "linux.netDevices: needs a namespace of type network: unable to move network devices without a NET namespace" },
		{ LINUX("\"netDevices\":{\"sixteen-letters1\":{}}"), "linux.netDevices: 'sixteen-letters1'" },
		{ LINUX("\"netDevices\":{\"a\":{\"name\":\"a/b\"}}"), "linux.netDevices: 'a' (to be 'a/b')" },
		{ LINUX("\"netDevices\":{\"a\":{\"name\":\"x\"},\"x\":{}}"), "linux.netDevices: two get the name of 'x'" },
	};

	RUN_ROWS(rows);
}

TEST(sysctls)
{
	static const struct row rows[] = {
		{ LINUX("\"sysctl\":{\"net.ipv4.ip_forward\":\"1\",\"kernel.shm_rmid_forced\":\"1\",\"fs.mqueue.msg_max\":\"5\"}"), NULL },
		{ LINUX("\"sysctl\":{\"net/ipv4/conf/eth0.1/forwarding\":\"1 \\n+= x\"}"), NULL },
		{ BARE("\"sysctl\":{\"net.ipv4.ip_forward\":\"1\"}"), "'net.ipv4.ip_forward' needs a namespace of type network" },
		{ BARE("\"sysctl\":{\"kernel.msgmax\":\"1\"}"), "needs a namespace of type ipc" },
		{ LINUX("\"sysctl\":{\"user.max_user_namespaces\":\"1\"}"), "needs a namespace of type user" },
		{ LINUX("\"sysctl\":{\"kernel.core_pattern\":\"|/x\"}"), "linux.sysctl: 'kernel.core_pattern' is not in a namespace" },
		{ LINUX("\"sysctl\":{\"net.x+kernel.core_pattern\":\"1\"}"), "linux.sysctl: 'net.x+kernel.core_pattern' is no key" },
		{ LINUX("\"sysctl\":{\"net/../kernel/core_pattern\":\"1\"}"), "contains an invalid path" },
		{ LINUX("\"sysctl\":{\"net.//.kernel\":\"1\"}"), "is no key" },
		{ LINUX("\"sysctl\":{\"net..x\":\"1\"}"), "is no key" },
		{ LINUX("\"sysctl\":{\"/net/x\":\"1\"}"), "is no key" },
		{ LINUX("\"sysctl\":{\"\":\"1\"}"), "is no key" },
		{ LINUX("\"sysctl\":{\"net.a\\nb\":\"1\"}"), "'net.a?b' is no key" },
		{ LINUX("\"sysctl\":{\"kernel.hostname\":\"a\"}"), "'kernel.hostname' conflicts" },
		{ LINUX("\"sysctl\":{\"kernel.domainname\":\"a\"}"), NULL },
		{ HEAD "\"hostname\":\"a\",\"linux\":{" ALL_NS ",\"sysctl\":{\"kernel.hostname\":\"b\"}}}", "'kernel.hostname' conflicts" },
		{ HEAD "\"domainname\":\"a\",\"linux\":{" ALL_NS ",\"sysctl\":{\"kernel/domainname\":\"b\"}}}", "'kernel/domainname' conflicts" },
		{ HEAD "\"domainname\":\"a\",\"linux\":{" ALL_NS ",\"sysctl\":{\"kernel.domainname\":\"a\"}}}", NULL },
	};

	RUN_ROWS(rows);
}

TEST(mounts)
{
	static const struct row rows[] = {
		{ MOUNT("\"destination\":\"/x\",\"type\":\"tmpfs\""), NULL },
		{ MOUNT("\"destination\":\"x\",\"type\":\"tmpfs\""), NULL },
		{ MOUNT("\"destination\":\"/x\",\"source\":\"/y\",\"options\":[\"bind\"]"), NULL },
		{ MOUNT("\"destination\":\"/x\",\"source\":\"/y\""), "mounts[0].type: missing" },
		{ MOUNT("\"destination\":\"/x\",\"type\":\"bind\""), "mounts[0].source: missing for a bind mount" },
		{ MOUNT("\"destination\":\"/x\",\"type\":\"none\",\"source\":\"\",\"options\":[\"rbind\"]"), "mounts[0].source: missing" },
		{ MOUNT("\"destination\":\"\",\"type\":\"tmpfs\""), "mounts[0].destination: is empty" },
		{ MOUNT("\"destination\":\"/\",\"type\":\"tmpfs\""), "mounts[0].destination: '/' is the root" },
		{ MOUNT("\"destination\":\"/a/./../..//\",\"type\":\"tmpfs\""), "is the root" },
		{ MOUNT("\"destination\":\".\",\"type\":\"tmpfs\""), "is the root" },
		{ MOUNT("\"destination\":\"/proc\",\"type\":\"proc\""), NULL },
		{ MOUNT("\"destination\":\"/proc\",\"type\":\"bind\",\"source\":\"/proc\",\"options\":[\"rbind\"]"), NULL },
		{ MOUNT("\"destination\":\"/proc/\",\"type\":\"tmpfs\""), "'tmpfs' cannot be mounted on /proc" },
		{ MOUNT("\"destination\":\"proc\",\"type\":\"tmpfs\""), "cannot be mounted on /proc" },
		{ MOUNT("\"destination\":\"/proc/self\",\"type\":\"tmpfs\""), "'/proc/self' is inside /proc" },
		{ MOUNT("\"destination\":\"/x/../proc/sys\",\"type\":\"bind\",\"source\":\"/y\""), "is inside /proc" },
		{ MOUNT("\"destination\":\"/proc/cpuinfo\",\"type\":\"bind\",\"source\":\"/y\""), NULL },
		{ MOUNT("\"destination\":\"/process\",\"type\":\"tmpfs\""), NULL },
		{ MOUNT("\"destination\":\"/x\",\"type\":\"tmpfs\",\"options\":[\"idmap=uids=0-1-1\"]"), "mounts[0].options: option 'idmap=uids=0-1-1'" },
		{ MOUNT("\"destination\":\"/x\",\"type\":\"bind\",\"source\":\"/y\",\"uidMappings\":[" MAP("0", "0", "1") "]"), "mounts[0]: id-mapped mounts must have both uid and gid mappings specified" },
		{ MOUNT("\"destination\":\"/x\",\"type\":\"tmpfs\",\"options\":[\"idmap\"]"), "mounts[0]: id-mapped mounts are only supported for bind-mounts" },
	};

	RUN_ROWS(rows);
}

TEST(devices_and_the_rest_of_linux)
{
	static const struct row rows[] = {
		{ LINUX("\"devices\":[{\"path\":\"/dev/x\",\"type\":\"c\",\"major\":1,\"minor\":3}]"), NULL },
		{ LINUX("\"devices\":[{\"path\":\"dev/x\",\"type\":\"p\"}]"), "linux.devices[0].path: 'dev/x'" },
		{ LINUX("\"devices\":[{\"path\":\"/dev/x\",\"type\":\"c\",\"major\":1}]"), "linux.devices[0]: major and minor are missing" },
		{ LINUX("\"devices\":[{\"path\":\"/dev/x\",\"type\":\"b\",\"major\":4096,\"minor\":0}]"), "linux.devices[0]: 4096:0 is no device number" },
		{ LINUX("\"devices\":[{\"path\":\"/dev/x\",\"type\":\"b\",\"major\":-1,\"minor\":0}]"), "is no device number" },
		{ LINUX("\"devices\":[{\"path\":\"/dev/x\",\"type\":\"p\",\"uid\":4294967295}]"), "linux.devices[0]: 4294967295 is no id" },
		{ LINUX("\"devices\":[{\"path\":\"/dev/x\",\"type\":\"p\",\"gid\":4294967295}]"), "is no id" },
		{ LINUX("\"devices\":[{\"path\":\"/dev/x\",\"type\":\"p\",\"fileMode\":65536}]"), "linux.devices[0].fileMode" },
		{ LINUX("\"cgroupsPath\":\"/a/../../b\""), "linux.cgroupsPath" },
		{ LINUX("\"cgroupsPath\":\"..\""), "linux.cgroupsPath" },
		{ LINUX("\"cgroupsPath\":\"a/.././../b\""), "linux.cgroupsPath" },
		{ LINUX("\"cgroupsPath\":\"/a/../b//../c\""), NULL },
		{ LINUX("\"cgroupsPath\":\"a..b/...\""), NULL },
		{ LINUX("\"intelRdt\":{\"closID\":\"/\"}"), NULL },
		{ LINUX("\"intelRdt\":{\"closID\":\"a/b\"}"), "linux.intelRdt.closID: 'a/b'" },
		{ LINUX("\"intelRdt\":{\"closID\":\"..\"}"), "linux.intelRdt.closID" },
		{ LINUX("\"intelRdt\":{\"closID\":\"info\"}"), "linux.intelRdt.closID" },
		{ LINUX("\"intelRdt\":{\"closID\":\"mon_groups\"}"), "linux.intelRdt.closID" },
		{ LINUX("\"intelRdt\":{\"schemata\":[\"L3:0=f\\nMB:0=1\"]}"), "linux.intelRdt.schemata[0]" },
		{ LINUX("\"personality\":{\"domain\":\"LINUX\",\"flags\":[\"ADDR_NO_RANDOMIZE\"]}"), "linux.personality.flags: 'ADDR_NO_RANDOMIZE'" },
		{ LINUX("\"memoryPolicy\":{\"mode\":\"MPOL_DEFAULT\",\"nodes\":\"\"}"), NULL },
		{ LINUX("\"memoryPolicy\":{}"), NULL },
		{ LINUX("\"memoryPolicy\":{\"nodes\":\"0\"}"), "linux.memoryPolicy.mode: missing (invalid memory policy mode)" },
		{ LINUX("\"memoryPolicy\":{\"flags\":[\"MPOL_F_STATIC_NODES\"]}"), "linux.memoryPolicy.mode: missing" },
		{ LINUX("\"memoryPolicy\":{\"mode\":\"MPOL_LOCAL\",\"nodes\":\"0\"}"), "linux.memoryPolicy.nodes: this mode requires 0 nodes but got 1" },
		{ LINUX("\"memoryPolicy\":{\"mode\":\"MPOL_BIND\"}"), "linux.memoryPolicy.nodes: missing" },
		{ LINUX("\"memoryPolicy\":{\"mode\":\"MPOL_PREFERRED\"}"), NULL },
		{ LINUX("\"memoryPolicy\":{\"mode\":\"MPOL_BIND\",\"nodes\":\"1024\"}"), "linux.memoryPolicy.nodes: invalid memory policy node: list '1024' goes beyond 1023" },
		{ LINUX("\"memoryPolicy\":{\"mode\":\"MPOL_BIND\",\"nodes\":\"0\",\"flags\":[\"MPOL_F_STATIC_NODES\",\"MPOL_F_RELATIVE_NODES\"]}"), "exclude each other" },
		{ LINUX("\"memoryPolicy\":{\"mode\":\"MPOL_INTERLEAVE\",\"nodes\":\"0\",\"flags\":[\"MPOL_F_NUMA_BALANCING\"]}"), "needs MPOL_BIND" },
		{ LINUX("\"memoryPolicy\":{\"mode\":\"MPOL_PREFERRED\",\"flags\":[\"MPOL_F_STATIC_NODES\"]}"), "linux.memoryPolicy.flags: without nodes" },
	};

	RUN_ROWS(rows);
}

TEST(resources)
{
	static const struct row rows[] = {
		{ RES("\"devices\":[{\"allow\":true,\"type\":\"\",\"access\":\"\"}]"), NULL },
		{ RES("\"devices\":[{\"access\":\"rwa\"}]"), NULL },
		{ RES("\"devices\":[{\"access\":\"x\"}]"), "linux.resources.devices[0].access: 'x'" },
		{ RES("\"devices\":[{\"major\":-2}]"), "linux.resources.devices[0]: -2:0" },
		{ RES("\"memory\":{\"limit\":-2}"), "linux.resources.memory.limit: -2 is no amount" },
		{ RES("\"memory\":{\"reservation\":-2}"), "memory.reservation" },
		{ RES("\"memory\":{\"swap\":-2}"), "memory.swap" },
		{ RES("\"memory\":{\"kernel\":-2}"), "memory.kernel" },
		{ RES("\"memory\":{\"kernelTCP\":-2}"), "memory.kernelTCP" },
		{ RES("\"memory\":{\"limit\":2,\"swap\":1}"), "memory.swap: memory plus swap (1) is below memory.limit (2)" },
		{ RES("\"memory\":{\"limit\":2,\"swap\":-1,\"swappiness\":18446744073709551615}"), NULL },
		{ RES("\"memory\":{\"swappiness\":101}"), "memory.swappiness: 101" },
		{ RES("\"cpu\":{\"idle\":2}"), "cpu.idle: 2" },
		{ RES("\"cpu\":{\"cpus\":\"0-\"}"), "linux.resources.cpu.cpus: '0-' is not a list" },
		{ RES("\"cpu\":{\"mems\":\"1024\"}"), "linux.resources.cpu.mems: list '1024' goes beyond 1023" },
		{ RES("\"cpu\":{\"cpus\":\"\",\"mems\":\"\",\"quota\":-1}"), NULL },
		{ RES("\"pids\":{\"limit\":-2}"), "pids.limit: -2" },
		{ RES("\"pids\":{\"limit\":-1}"), NULL },
		{ RES("\"blockIO\":{\"weight\":9}"), "blockIO.weight: 9 is not in 10..1000" },
		{ RES("\"blockIO\":{\"leafWeight\":1001}"), "blockIO.leafWeight" },
		{ RES("\"blockIO\":{\"weightDevice\":[{\"major\":8,\"minor\":0,\"weight\":1}]}"), "blockIO.weightDevice[0]: 1" },
		{ RES("\"blockIO\":{\"weightDevice\":[{\"major\":-8,\"minor\":0}]}"), "blockIO.weightDevice[0]: -8:0" },
		{ RES("\"blockIO\":{\"throttleReadIOPSDevice\":[{\"major\":8,\"minor\":1048576,\"rate\":1}]}"), "blockIO.throttleReadIOPSDevice[0]: 8:1048576" },
		{ RES("\"hugepageLimits\":[{\"pageSize\":\"2mb\",\"limit\":1}]"), "hugepageLimits[0].pageSize: '2mb'" },
		{ RES("\"hugepageLimits\":[{\"pageSize\":\"../2MB\",\"limit\":1}]"), "hugepageLimits[0].pageSize" },
		{ RES("\"hugepageLimits\":[{\"pageSize\":\"2\",\"limit\":1}]"), "hugepageLimits[0].pageSize" },
		{ RES("\"network\":{\"priorities\":[{\"name\":\"a b\",\"priority\":1}]}"), "network.priorities[0].name: 'a b'" },
		{ RES("\"rdma\":{\"a b\":{}}"), "linux.resources.rdma: 'a b'" },
		{ RES("\"unified\":{\"memory.high\":\"1\"}"), NULL },
		{ RES("\"unified\":{\"../memory.high\":\"1\"}"), "linux.resources.unified: '../memory.high'" },
		{ RES("\"unified\":{\"..\":\"1\"}"), "linux.resources.unified: '..'" },
		{ RES("\"unified\":{\"\":\"1\"}"), "linux.resources.unified: ''" },
	};

	RUN_ROWS(rows);
}

TEST(seccomp)
{
	static const struct row rows[] = {
		{ SECCOMP(ERRNO_DEFAULT ",\"defaultErrnoRet\":4095"), NULL },
		{ SECCOMP(ERRNO_DEFAULT ",\"defaultErrnoRet\":4096"), "linux.seccomp.defaultErrnoRet: 4096 is beyond 4095" },
		{ SECCOMP("\"defaultAction\":\"SCMP_ACT_ALLOW\",\"defaultErrnoRet\":1"), "linux.seccomp.defaultErrnoRet: only SCMP_ACT_ERRNO" },
		{ SECCOMP("\"defaultAction\":\"SCMP_ACT_NOTIFY\""), "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY" },
		{ CALL("\"names\":[\"a\"],\"action\":\"SCMP_ACT_TRACE\",\"errnoRet\":65535"), NULL },
		{ CALL("\"names\":[\"a\"],\"action\":\"SCMP_ACT_KILL\",\"errnoRet\":1"), "linux.seccomp.syscalls[0].errnoRet: only" },
		{ CALL("\"names\":[],\"action\":\"SCMP_ACT_KILL\""), "linux.seccomp.syscalls[0].names: is empty" },
		{ CALL("\"action\":\"SCMP_ACT_KILL\""), "linux.seccomp.syscalls[0].names: is empty" },
		{ CALL("\"names\":[\"a\",\"\"],\"action\":\"SCMP_ACT_KILL\""), "linux.seccomp.syscalls[0].names[1]: is empty" },
		{ CALL("\"names\":[\"a\"],\"action\":\"SCMP_ACT_KILL\",\"args\":[{\"index\":6,\"value\":0,\"op\":\"SCMP_CMP_EQ\"}]"), "linux.seccomp.syscalls[0].args[0].index: 6" },
		{ CALL("\"names\":[\"a\"],\"action\":\"SCMP_ACT_NOTIFY\""), "linux.seccomp.listenerPath: missing" },
		{ CALL("\"names\":[\"read\",\"write\"],\"action\":\"SCMP_ACT_NOTIFY\""), "linux.seccomp.syscalls[0]: SCMP_ACT_NOTIFY cannot be used for the write syscall" },
		{ SECCOMP(ERRNO_DEFAULT ",\"listenerPath\":\"x\""), "linux.seccomp.listenerPath: 'x' is not an absolute path" },
		{ SECCOMP(ERRNO_DEFAULT ",\"listenerMetadata\":\"x\""), "linux.seccomp.listenerMetadata: without" },
	};

	RUN_ROWS(rows);
}
// clang-format on

/* A process whose arguments and environment have these many bytes of 'a'. */
static int check_args(size_t arg, size_t n_env, size_t env, struct err *err)
{
	char *one = malloc(arg + 1), *many = malloc(env + 1);
	const char **list = calloc(n_env + 1, sizeof(*list));
	struct spec_process p = { .args = (const char *[]){ one },
		.n_args = 1,
		.env = list,
		.n_env = n_env,
		.cwd = "/" };
	int r;

	memset(one, 'a', arg);
	one[arg] = '\0';
	memset(many, 'a', env);
	many[env] = '\0';
	for (size_t i = 0; i < n_env; i++)
		list[i] = many;
	r = spec_validate_process(&p, err);
	free(one);
	free(many);
	free(list);
	return r;
}

TEST(arguments_and_environment_are_bounded)
{
	struct err err;

	assert_ok(check_args(131071, 0, 0, &err));
	assert_int_equal(check_args(131072, 0, 0, &err), -E2BIG);
	assert_text_has(err.text, "args[0]: longer than 131071 bytes");
	assert_ok(check_args(65535, 31, 65535, &err));
	assert_int_equal(check_args(65536, 31, 65535, &err), -E2BIG);
	assert_text_has(err.text, "args and env are longer than 2097152 bytes");
}

TEST(annotations_and_hidden_paths_are_bounded_together)
{
	const char *masked[8192], *hidden[1] = { "/x" };
	struct spec_namespace mount = { .type = SPEC_NS_MOUNT };
	struct spec_linux l = { .namespaces = &mount,
		.n_namespaces = 1,
		.masked_paths = masked,
		.n_masked_paths = 8191,
		.readonly_paths = hidden,
		.n_readonly_paths = 1 };
	struct spec_root root = { .path = "r" };
	char *value = calloc(1, (1 << 20) + 1);
	struct spec_kv note = { "key", value };
	struct spec s = { .oci_version = "1.0.0",
		.root = &root,
		.annotations = &note,
		.n_annotations = 1,
		.linux_ = &l };
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(masked); i++)
		masked[i] = "/x";
	memset(value, 'a', (1 << 20) - 3);
	assert_ok(spec_validate(&s, &err));
	value[(1 << 20) - 3] = 'a';
	assert_int_equal(spec_validate(&s, &err), -E2BIG);
	assert_text_has(err.text, "annotations: longer than 1048576 bytes");
	value[0] = '\0';
	l.n_masked_paths++;
	assert_int_equal(spec_validate(&s, &err), -E2BIG);
	assert_text_has(err.text, "at most 8192 are taken");
	free(value);
}

/* spec/security.md 3: at the limit, and one beyond it. */
TEST(lists_are_bounded)
{
	struct spec_seccomp seccomp = { 0 };
	struct spec_resources resources = { 0 };
	struct spec_linux linux_ = { .resources = &resources, .seccomp = &seccomp };
	struct spec_process process = { 0 };
	struct spec_hooks hooks = { 0 };
	struct spec_mount mounts[4097] = { { 0 } };
	struct spec s = {
		.linux_ = &linux_, .process = &process, .hooks = &hooks, .mounts = mounts
	};
	struct {
		size_t *n;
		size_t max;
		const char *field;
	} rows[] = {
		{ &s.n_mounts, 4096, "mounts" },
		{ &hooks.n_prestart, 256, "hooks.prestart" },
		{ &hooks.n_create_runtime, 256, "hooks.createRuntime" },
		{ &hooks.n_create_container, 256, "hooks.createContainer" },
		{ &hooks.n_start_container, 256, "hooks.startContainer" },
		{ &hooks.n_poststart, 256, "hooks.poststart" },
		{ &hooks.n_poststop, 256, "hooks.poststop" },
		{ &linux_.n_namespaces, 8, "linux.namespaces" },
		{ &linux_.n_uid_mappings, 340, "linux.uidMappings" },
		{ &linux_.n_gid_mappings, 340, "linux.gidMappings" },
		{ &linux_.n_devices, 4096, "linux.devices" },
		{ &linux_.n_net_devices, 256, "linux.netDevices" },
		{ &linux_.n_sysctl, 1024, "linux.sysctl" },
		{ &seccomp.n_syscalls, 4096, "linux.seccomp.syscalls" },
		{ &resources.n_devices, 4096, "linux.resources.devices" },
		{ &resources.n_hugepage_limits, 16, "linux.resources.hugepageLimits" },
		{ &resources.n_rdma, 64, "linux.resources.rdma" },
		{ &process.n_rlimits, 32, "process.rlimits" },
		{ &process.user.n_additional_gids, 65536, "process.user.additionalGids" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = { 0 };

		*rows[i].n = rows[i].max;
		assert_ok(spec_check_counts(&s, &err));
		*rows[i].n = rows[i].max + 1;
		assert_int_equal(spec_check_counts(&s, &err), -E2BIG);
		assert_text_has(err.text, rows[i].field);
		*rows[i].n = 0;
	}
}

TEST(the_prefix_of_a_standalone_document_is_empty)
{
	struct spec_process p = { 0 };
	struct spec_cpu cpu = { .has_idle = true, .idle = 7 };
	struct spec_resources r = { .cpu = &cpu };
	struct err err;

	assert_int_equal(spec_validate_process(&p, &err), -EINVAL);
	assert_string_equal(err.text, "args: must not be empty");
	assert_int_equal(spec_validate_resources(&r, &err), -EINVAL);
	assert_string_equal(err.text, "cpu.idle: 7 is neither 0 nor 1");
}
