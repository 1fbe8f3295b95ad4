/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schema: every property of runtime-spec 1.3.0 that concerns Linux, as tables in the order in which
 * they are written.
 *
 * Each table names its struct as T. The macros check that the member has the type that its kind
 * reads and writes, so a row that does not fit its struct does not compile. Limits on the number of
 * elements are those of spec/security.md 3; where it has none, MANY bounds the quadratic look-up of
 * duplicate keys. Objects of other systems (solaris, windows, vm, zos, freebsd) have no row, and so
 * are ignored like everything unknown.
 */
#include "oci/spec_schema.h"

#include <linux/ioprio.h>
#include <linux/mempolicy.h>
#include <linux/sched.h>

#include "base/mem.h"
#include "oci/rlimit_name.h"
#include "oci/spec.h"

#define MANY 4096

/* Linux 6.9; older headers do not have it. */
#define WEIGHTED_INTERLEAVE 6

// clang-format off
#define SAME(m, type) \
	(0 * sizeof(char[__builtin_types_compatible_p(__typeof__(((T *)0)->m), type) ? 1 : -1]))
#define AT(m, type) (uint16_t)(offsetof(T, m) + SAME(m, type))
#define ROW(n, k, m, type, f, ...) \
	{ .name = n, .kind = KIND_##k, .at = AT(m, type), .flags = f, __VA_ARGS__ }
#define ALONE .aux = SCHEMA_NO_AUX
#define HAS(m) .aux = AT(has_##m, bool)
#define COUNT(m, limit) .aux = AT(n_##m, size_t), .max = limit

#define STRING(n, m, f) ROW(n, STRING, m, const char *, f, ALONE)
#define BOOL(n, m, f) ROW(n, BOOL, m, bool, f, ALONE)
#define I32(n, m, f) ROW(n, I32, m, int32_t, f, ALONE)
#define I64(n, m, f) ROW(n, I64, m, int64_t, f, ALONE)
#define U32(n, m, f) ROW(n, U32, m, uint32_t, f, ALONE)
#define U64(n, m, f) ROW(n, U64, m, uint64_t, f, ALONE)
#define WORD(n, m, ctype, w, f) ROW(n, WORD, m, ctype, f, ALONE, .words = w)
#define FLAGS(n, m, w) ROW(n, FLAGS, m, uint64_t, 0, ALONE, .words = w, .max = 32)
#define INSIDE(n, m, ctype, s) ROW(n, INSIDE, m, ctype, 0, ALONE, .type = &s)
#define OBJECT(n, m, ctype, s) ROW(n, OBJECT, m, ctype *, 0, ALONE, .type = &s)

#define MAYBE_BOOL(n, m) ROW(n, BOOL, m, bool, 0, HAS(m))
#define MAYBE_I32(n, m) ROW(n, I32, m, int32_t, 0, HAS(m))
#define MAYBE_I64(n, m) ROW(n, I64, m, int64_t, 0, HAS(m))
#define MAYBE_U16(n, m) ROW(n, U16, m, uint16_t, 0, HAS(m))
#define MAYBE_U32(n, m) ROW(n, U32, m, uint32_t, 0, HAS(m))
#define MAYBE_U64(n, m) ROW(n, U64, m, uint64_t, 0, HAS(m))
#define MAYBE_FLAGS(n, m, w) ROW(n, FLAGS, m, uint64_t, 0, HAS(m), .words = w, .max = 32)

#define STRINGS(n, m, limit) ROW(n, STRINGS, m, const char **, 0, COUNT(m, limit))
#define WORDS(n, m, limit, w) ROW(n, STRINGS, m, const char **, 0, COUNT(m, limit), .words = w)
#define U32S(n, m, limit) ROW(n, U32S, m, uint32_t *, 0, COUNT(m, limit))
#define OBJECTS(n, m, limit, ctype, s) ROW(n, OBJECTS, m, ctype *, 0, COUNT(m, limit), .type = &s)
#define MAP(n, m, limit) ROW(n, MAP, m, struct spec_kv *, 0, COUNT(m, limit))
#define OBJECT_MAP(n, m, limit, ctype, s) \
	ROW(n, OBJECT_MAP, m, ctype *, 0, COUNT(m, limit), .type = &s)

#define SCHEMA(ctype, table) \
	{ .size = sizeof(ctype), .fields = table, .n_fields = ARRAY_LEN(table) }

#define REQUIRED SCHEMA_REQUIRED
#define SHOW SCHEMA_SHOW

/* ---- words ---- */

static const struct word device_types[] = {
	{ "b", 'b' }, { "c", 'c' }, { "u", 'u' }, { "p", 'p' }, { NULL, 0 },
};

static const struct word rule_types[] = {
	{ "a", 'a' }, { "b", 'b' }, { "c", 'c' }, { "", 0 }, { NULL, 0 },
};

static const struct word propagations[] = {
	{ "shared",      SPEC_PROPAGATION_SHARED },
	{ "rshared",     SPEC_PROPAGATION_RSHARED },
	{ "slave",       SPEC_PROPAGATION_SLAVE },
	{ "rslave",      SPEC_PROPAGATION_RSLAVE },
	{ "private",     SPEC_PROPAGATION_PRIVATE },
	{ "rprivate",    SPEC_PROPAGATION_RPRIVATE },
	{ "unbindable",  SPEC_PROPAGATION_UNBINDABLE },
	{ "runbindable", SPEC_PROPAGATION_RUNBINDABLE },
	{ "",            SPEC_PROPAGATION_ABSENT },
	{ NULL, 0 },
};

static const struct word policies[] = {
	{ "SCHED_OTHER",    SCHED_NORMAL },
	{ "SCHED_FIFO",     SCHED_FIFO },
	{ "SCHED_RR",       SCHED_RR },
	{ "SCHED_BATCH",    SCHED_BATCH },
	{ "SCHED_ISO",      4 /* reserved by Linux, which has never had it */ },
	{ "SCHED_IDLE",     SCHED_IDLE },
	{ "SCHED_DEADLINE", SCHED_DEADLINE },
	{ NULL, 0 },
};

static const struct word scheduler_flags[] = {
	{ "SCHED_FLAG_RESET_ON_FORK",  SCHED_FLAG_RESET_ON_FORK },
	{ "SCHED_FLAG_RECLAIM",        SCHED_FLAG_RECLAIM },
	{ "SCHED_FLAG_DL_OVERRUN",     SCHED_FLAG_DL_OVERRUN },
	{ "SCHED_FLAG_KEEP_POLICY",    SCHED_FLAG_KEEP_POLICY },
	{ "SCHED_FLAG_KEEP_PARAMS",    SCHED_FLAG_KEEP_PARAMS },
	{ "SCHED_FLAG_UTIL_CLAMP_MIN", SCHED_FLAG_UTIL_CLAMP_MIN },
	{ "SCHED_FLAG_UTIL_CLAMP_MAX", SCHED_FLAG_UTIL_CLAMP_MAX },
	{ NULL, 0 },
};

static const struct word io_classes[] = {
	{ "IOPRIO_CLASS_RT",   IOPRIO_CLASS_RT },
	{ "IOPRIO_CLASS_BE",   IOPRIO_CLASS_BE },
	{ "IOPRIO_CLASS_IDLE", IOPRIO_CLASS_IDLE },
	{ NULL, 0 },
};

static const struct word memory_modes[] = {
	{ "MPOL_DEFAULT",             MPOL_DEFAULT },
	{ "MPOL_PREFERRED",           MPOL_PREFERRED },
	{ "MPOL_BIND",                MPOL_BIND },
	{ "MPOL_INTERLEAVE",          MPOL_INTERLEAVE },
	{ "MPOL_LOCAL",               MPOL_LOCAL },
	{ "MPOL_PREFERRED_MANY",      MPOL_PREFERRED_MANY },
	{ "MPOL_WEIGHTED_INTERLEAVE", WEIGHTED_INTERLEAVE },
	{ NULL, 0 },
};

static const struct word memory_flags[] = {
	{ "MPOL_F_NUMA_BALANCING", MPOL_F_NUMA_BALANCING },
	{ "MPOL_F_RELATIVE_NODES", MPOL_F_RELATIVE_NODES },
	{ "MPOL_F_STATIC_NODES",   MPOL_F_STATIC_NODES },
	{ NULL, 0 },
};

static const struct word personality_domains[] = {
	{ "LINUX",   SPEC_PERSONALITY_LINUX },
	{ "LINUX32", SPEC_PERSONALITY_LINUX32 },
	{ NULL, 0 },
};

/* ---- process ---- */

#define T struct spec_console_size
static const struct schema_field console_size_fields[] = {
	U64("height", height, REQUIRED),
	U64("width",  width,  REQUIRED),
};
static const struct schema console_size = SCHEMA(T, console_size_fields);
#undef T

#define T struct spec_user
static const struct schema_field user_fields[] = {
	U32("uid",              uid, SHOW),
	U32("gid",              gid, SHOW),
	MAYBE_U32("umask",      umask),
	U32S("additionalGids",  additional_gids, 65536),
};
static const struct schema user = SCHEMA(T, user_fields);
#undef T

#define T struct spec_capabilities
static const struct schema_field capabilities_fields[] = {
	STRINGS("bounding",    bounding,    MANY),
	STRINGS("effective",   effective,   MANY),
	STRINGS("inheritable", inheritable, MANY),
	STRINGS("permitted",   permitted,   MANY),
	STRINGS("ambient",     ambient,     MANY),
};
static const struct schema capabilities = SCHEMA(T, capabilities_fields);
#undef T

#define T struct spec_rlimit
static const struct schema_field rlimit_fields[] = {
	WORD("type", type, int, rlimit_name_words, REQUIRED),
	U64("hard",  hard, REQUIRED),
	U64("soft",  soft, REQUIRED),
};
static const struct schema rlimit = SCHEMA(T, rlimit_fields);
#undef T

#define T struct spec_scheduler
static const struct schema_field scheduler_fields[] = {
	WORD("policy",  policy, int, policies, REQUIRED),
	I32("nice",     nice,     SHOW),
	I32("priority", priority, SHOW),
	FLAGS("flags",  flags, scheduler_flags),
	U64("runtime",  runtime,  0),
	U64("deadline", deadline, 0),
	U64("period",   period,   0),
};
static const struct schema scheduler = SCHEMA(T, scheduler_fields);
#undef T

#define T struct spec_io_priority
static const struct schema_field io_priority_fields[] = {
	WORD("class",   class, int, io_classes, REQUIRED),
	I32("priority", priority, SHOW),
};
static const struct schema io_priority = SCHEMA(T, io_priority_fields);
#undef T

#define T struct spec_exec_cpu_affinity
static const struct schema_field exec_cpu_affinity_fields[] = {
	STRING("initial", initial, 0),
	STRING("final",   final,   0),
};
static const struct schema exec_cpu_affinity = SCHEMA(T, exec_cpu_affinity_fields);
#undef T

#define T struct spec_process
static const struct schema_field process_fields[] = {
	BOOL("terminal",              terminal, 0),
	OBJECT("consoleSize",         console_size, struct spec_console_size, console_size),
	INSIDE("user",                user, struct spec_user, user),
	STRINGS("args",               args, 65536),
	STRINGS("env",                env, 65536),
	STRING("cwd",                 cwd, 0),
	OBJECT("capabilities",        capabilities, struct spec_capabilities, capabilities),
	OBJECTS("rlimits",            rlimits, 32, struct spec_rlimit, rlimit),
	MAYBE_BOOL("noNewPrivileges", no_new_privileges),
	STRING("apparmorProfile",     apparmor_profile, 0),
	STRING("selinuxLabel",        selinux_label, 0),
	MAYBE_I32("oomScoreAdj",      oom_score_adj),
	OBJECT("scheduler",           scheduler, struct spec_scheduler, scheduler),
	OBJECT("ioPriority",          io_priority, struct spec_io_priority, io_priority),
	OBJECT("execCPUAffinity",     exec_cpu_affinity, struct spec_exec_cpu_affinity,
		exec_cpu_affinity),
};
const struct schema spec_schema_process = SCHEMA(T, process_fields);
#undef T

/* ---- root, mounts, hooks ---- */

#define T struct spec_root
static const struct schema_field root_fields[] = {
	STRING("path",   path, REQUIRED),
	BOOL("readonly", readonly, 0),
};
static const struct schema root = SCHEMA(T, root_fields);
#undef T

#define T struct spec_id_mapping
static const struct schema_field id_mapping_fields[] = {
	U32("containerID", container_id, REQUIRED),
	U32("hostID",      host_id,      REQUIRED),
	U32("size",        size,         REQUIRED),
};
static const struct schema id_mapping = SCHEMA(T, id_mapping_fields);
#undef T

#define T struct spec_mount
static const struct schema_field mount_fields[] = {
	STRING("destination",  destination, REQUIRED),
	STRING("type",         type, 0),
	STRING("source",       source, 0),
	STRINGS("options",     options, MANY),
	OBJECTS("uidMappings", uid_mappings, 340, struct spec_id_mapping, id_mapping),
	OBJECTS("gidMappings", gid_mappings, 340, struct spec_id_mapping, id_mapping),
};
static const struct schema mount = SCHEMA(T, mount_fields);
#undef T

#define T struct spec_hook
static const struct schema_field hook_fields[] = {
	STRING("path",       path, REQUIRED),
	STRINGS("args",      args, MANY),
	STRINGS("env",       env, MANY),
	MAYBE_I32("timeout", timeout),
};
static const struct schema hook = SCHEMA(T, hook_fields);
#undef T

#define T struct spec_hooks
static const struct schema_field hooks_fields[] = {
	OBJECTS("prestart",        prestart,         256, struct spec_hook, hook),
	OBJECTS("createRuntime",   create_runtime,   256, struct spec_hook, hook),
	OBJECTS("createContainer", create_container, 256, struct spec_hook, hook),
	OBJECTS("startContainer",  start_container,  256, struct spec_hook, hook),
	OBJECTS("poststart",       poststart,        256, struct spec_hook, hook),
	OBJECTS("poststop",        poststop,         256, struct spec_hook, hook),
};
static const struct schema hooks = SCHEMA(T, hooks_fields);
#undef T

/* ---- linux.resources ---- */

#define T struct spec_device_rule
static const struct schema_field device_rule_fields[] = {
	BOOL("allow",      allow, SHOW),
	WORD("type",       type, int, rule_types, 0),
	MAYBE_I64("major", major),
	MAYBE_I64("minor", minor),
	STRING("access",   access, 0),
};
static const struct schema device_rule = SCHEMA(T, device_rule_fields);
#undef T

#define T struct spec_memory
static const struct schema_field memory_fields[] = {
	MAYBE_I64("limit",              limit),
	MAYBE_I64("reservation",        reservation),
	MAYBE_I64("swap",               swap),
	MAYBE_I64("kernel",             kernel),
	MAYBE_I64("kernelTCP",          kernel_tcp),
	MAYBE_U64("swappiness",         swappiness),
	MAYBE_BOOL("disableOOMKiller",  disable_oom_killer),
	MAYBE_BOOL("useHierarchy",      use_hierarchy),
	MAYBE_BOOL("checkBeforeUpdate", check_before_update),
};
static const struct schema memory = SCHEMA(T, memory_fields);
#undef T

#define T struct spec_cpu
static const struct schema_field cpu_fields[] = {
	MAYBE_U64("shares",          shares),
	MAYBE_I64("quota",           quota),
	MAYBE_U64("burst",           burst),
	MAYBE_U64("period",          period),
	MAYBE_I64("realtimeRuntime", realtime_runtime),
	MAYBE_U64("realtimePeriod",  realtime_period),
	STRING("cpus",               cpus, 0),
	STRING("mems",               mems, 0),
	MAYBE_I64("idle",            idle),
};
static const struct schema cpu = SCHEMA(T, cpu_fields);
#undef T

#define T struct spec_pids
static const struct schema_field pids_fields[] = {
	MAYBE_I64("limit", limit),
};
static const struct schema pids = SCHEMA(T, pids_fields);
#undef T

#define T struct spec_weight_device
static const struct schema_field weight_device_fields[] = {
	I64("major",            major, REQUIRED),
	I64("minor",            minor, REQUIRED),
	MAYBE_U16("weight",     weight),
	MAYBE_U16("leafWeight", leaf_weight),
};
static const struct schema weight_device = SCHEMA(T, weight_device_fields);
#undef T

#define T struct spec_throttle_device
static const struct schema_field throttle_device_fields[] = {
	I64("major", major, REQUIRED),
	I64("minor", minor, REQUIRED),
	U64("rate",  rate,  REQUIRED),
};
static const struct schema throttle_device = SCHEMA(T, throttle_device_fields);
#undef T

#define T struct spec_block_io
#define THROTTLE(n, m) OBJECTS(n, m, MANY, struct spec_throttle_device, throttle_device)
static const struct schema_field block_io_fields[] = {
	MAYBE_U16("weight",     weight),
	MAYBE_U16("leafWeight", leaf_weight),
	OBJECTS("weightDevice", weight_device, MANY, struct spec_weight_device, weight_device),
	THROTTLE("throttleReadBpsDevice",   throttle_read_bps_device),
	THROTTLE("throttleWriteBpsDevice",  throttle_write_bps_device),
	THROTTLE("throttleReadIOPSDevice",  throttle_read_iops_device),
	THROTTLE("throttleWriteIOPSDevice", throttle_write_iops_device),
};
static const struct schema block_io = SCHEMA(T, block_io_fields);
#undef T

#define T struct spec_hugepage_limit
static const struct schema_field hugepage_limit_fields[] = {
	STRING("pageSize", page_size, REQUIRED),
	U64("limit",       limit,     REQUIRED),
};
static const struct schema hugepage_limit = SCHEMA(T, hugepage_limit_fields);
#undef T

#define T struct spec_interface_priority
static const struct schema_field interface_priority_fields[] = {
	STRING("name",  name,     REQUIRED),
	U32("priority", priority, REQUIRED),
};
static const struct schema interface_priority = SCHEMA(T, interface_priority_fields);
#undef T

#define T struct spec_network
static const struct schema_field network_fields[] = {
	MAYBE_U32("classID",  class_id),
	OBJECTS("priorities", priorities, MANY, struct spec_interface_priority, interface_priority),
};
static const struct schema network = SCHEMA(T, network_fields);
#undef T

#define T struct spec_rdma
static const struct schema_field rdma_fields[] = {
	MAYBE_U32("hcaHandles", hca_handles),
	MAYBE_U32("hcaObjects", hca_objects),
};
static const struct schema rdma = SCHEMA(T, rdma_fields);
#undef T

#define T struct spec_resources
static const struct schema_field resources_fields[] = {
	OBJECTS("devices",        devices, 4096, struct spec_device_rule, device_rule),
	OBJECT("memory",          memory, struct spec_memory, memory),
	OBJECT("cpu",             cpu, struct spec_cpu, cpu),
	OBJECT("pids",            pids, struct spec_pids, pids),
	OBJECT("blockIO",         block_io, struct spec_block_io, block_io),
	OBJECTS("hugepageLimits", hugepage_limits, 16, struct spec_hugepage_limit, hugepage_limit),
	OBJECT("network",         network, struct spec_network, network),
	OBJECT_MAP("rdma",        rdma, 64, struct spec_rdma, rdma),
	MAP("unified",            unified, 1024),
};
const struct schema spec_schema_resources = SCHEMA(T, resources_fields);
#undef T

/* ---- linux.seccomp ---- */

#define T struct spec_seccomp_arg
static const struct schema_field seccomp_arg_fields[] = {
	U32("index",    index, REQUIRED),
	U64("value",    value, REQUIRED),
	U64("valueTwo", value_two, 0),
	WORD("op",      op, enum spec_seccomp_op, seccomp_name_ops, REQUIRED),
};
static const struct schema seccomp_arg = SCHEMA(T, seccomp_arg_fields);
#undef T

#define T struct spec_seccomp_syscall
static const struct schema_field seccomp_syscall_fields[] = {
	STRINGS("names",      names, MANY),
	WORD("action",        action, enum spec_seccomp_action, seccomp_name_actions, REQUIRED),
	MAYBE_U32("errnoRet", errno_ret),
	OBJECTS("args",       args, 64, struct spec_seccomp_arg, seccomp_arg),
};
static const struct schema seccomp_syscall = SCHEMA(T, seccomp_syscall_fields);
#undef T

#define T struct spec_seccomp
static const struct schema_field seccomp_fields[] = {
	WORD("defaultAction",        default_action, enum spec_seccomp_action, seccomp_name_actions,
		REQUIRED),
	MAYBE_U32("defaultErrnoRet", default_errno_ret),
	WORDS("architectures",       architectures, 64, seccomp_name_archs),
	MAYBE_FLAGS("flags",         flags, seccomp_name_flags),
	STRING("listenerPath",       listener_path, 0),
	STRING("listenerMetadata",   listener_metadata, 0),
	OBJECTS("syscalls",          syscalls, 4096, struct spec_seccomp_syscall, seccomp_syscall),
};
static const struct schema seccomp = SCHEMA(T, seccomp_fields);
#undef T

/* ---- linux ---- */

#define T struct spec_namespace
static const struct schema_field namespace_fields[] = {
	WORD("type",   type, enum spec_ns_type, namespace_name_words, REQUIRED),
	STRING("path", path, 0),
};
static const struct schema namespace = SCHEMA(T, namespace_fields);
#undef T

#define T struct spec_time_offset
static const struct schema_field time_offset_fields[] = {
	I64("secs",     secs, 0),
	U32("nanosecs", nanosecs, 0),
};
static const struct schema time_offset = SCHEMA(T, time_offset_fields);
#undef T

#define T struct spec_device
static const struct schema_field device_fields[] = {
	STRING("path",        path, REQUIRED),
	WORD("type",          type, int, device_types, REQUIRED),
	MAYBE_I64("major",    major),
	MAYBE_I64("minor",    minor),
	MAYBE_U32("fileMode", file_mode),
	MAYBE_U32("uid",      uid),
	MAYBE_U32("gid",      gid),
};
static const struct schema device = SCHEMA(T, device_fields);
#undef T

#define T struct spec_net_device
static const struct schema_field net_device_fields[] = {
	STRING("name", name, 0),
};
static const struct schema net_device = SCHEMA(T, net_device_fields);
#undef T

#define T struct spec_intel_rdt
static const struct schema_field intel_rdt_fields[] = {
	STRING("closID",         clos_id, 0),
	STRINGS("schemata",      schemata, MANY),
	STRING("l3CacheSchema",  l3_cache_schema, 0),
	STRING("memBwSchema",    mem_bw_schema, 0),
	BOOL("enableMonitoring", enable_monitoring, 0),
};
static const struct schema intel_rdt = SCHEMA(T, intel_rdt_fields);
#undef T

#define T struct spec_personality
static const struct schema_field personality_fields[] = {
	WORD("domain",   domain, enum spec_personality_domain, personality_domains, REQUIRED),
	STRINGS("flags", flags, MANY),
};
static const struct schema personality = SCHEMA(T, personality_fields);
#undef T

#define T struct spec_memory_policy
static const struct schema_field memory_policy_fields[] = {
	ROW("mode", WORD, mode, int, 0, HAS(mode), .words = memory_modes,
		.expected = "a known word (invalid memory policy mode)"),
	STRING("nodes", nodes, 0),
	ROW("flags", FLAGS, flags, uint64_t, 0, ALONE, .words = memory_flags, .max = 32,
		.expected = "a known word (invalid memory policy flag)"),
};
static const struct schema memory_policy = SCHEMA(T, memory_policy_fields);
#undef T

#define T struct spec_linux
static const struct schema_field linux_fields[] = {
	OBJECTS("uidMappings",    uid_mappings, 340, struct spec_id_mapping, id_mapping),
	OBJECTS("gidMappings",    gid_mappings, 340, struct spec_id_mapping, id_mapping),
	MAP("sysctl",             sysctl, 1024),
	OBJECT("resources",       resources, struct spec_resources, spec_schema_resources),
	STRING("cgroupsPath",     cgroups_path, 0),
	OBJECTS("namespaces",     namespaces, 8, struct spec_namespace, namespace),
	OBJECTS("devices",        devices, 4096, struct spec_device, device),
	OBJECT_MAP("netDevices",  net_devices, 256, struct spec_net_device, net_device),
	OBJECT("seccomp",         seccomp, struct spec_seccomp, seccomp),
	WORD("rootfsPropagation", rootfs_propagation, enum spec_propagation, propagations, 0),
	STRINGS("maskedPaths",    masked_paths, 8192),
	STRINGS("readonlyPaths",  readonly_paths, 8192),
	STRING("mountLabel",      mount_label, 0),
	OBJECT("intelRdt",        intel_rdt, struct spec_intel_rdt, intel_rdt),
	OBJECT("memoryPolicy",    memory_policy, struct spec_memory_policy, memory_policy),
	OBJECT("personality",     personality, struct spec_personality, personality),
	OBJECT_MAP("timeOffsets", time_offsets, 2, struct spec_time_offset, time_offset),
};
static const struct schema linux_schema = SCHEMA(T, linux_fields);
#undef T

#define T struct spec
static const struct schema_field spec_fields[] = {
	STRING("ociVersion", oci_version, REQUIRED),
	OBJECT("process",    process, struct spec_process, spec_schema_process),
	OBJECT("root",       root, struct spec_root, root),
	STRING("hostname",   hostname, 0),
	STRING("domainname", domainname, 0),
	OBJECTS("mounts",    mounts, 4096, struct spec_mount, mount),
	OBJECT("hooks",      hooks, struct spec_hooks, hooks),
	MAP("annotations",   annotations, MANY),
	OBJECT("linux",      linux_, struct spec_linux, linux_schema),
};
const struct schema spec_schema = SCHEMA(T, spec_fields);
#undef T
// clang-format on
