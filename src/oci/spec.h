/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Spec: a runtime-spec document (config.json, process.json, resources) as C structs.
 *
 * Rules of the model, the same everywhere:
 * - Field names are the JSON names in snake_case (process.user.additional_gids).
 * - An object that may be absent is a pointer, NULL when absent. `user`, which every process has,
 *   is embedded.
 * - An array is `name` with `n_name`. Absent: NULL and 0. An empty one: not NULL and 0.
 * - A string is NULL when absent; "" is "". Strings hold no NUL and are valid UTF-8.
 * - A number or bool whose absence means something has `has_name`; others are 0 or false then.
 * - A closed set of words is an enum whose 0 is "absent", or the kernel's own number where the
 *   comment says so.
 * - A map is an array of struct spec_kv, or of objects with a `key`, in the order of the document.
 *
 * Owner    A document owns an arena in which everything it points to lives; code that changes a
 *          document takes memory from that arena. spec_free() and its like accept NULL.
 * Errors   0 or negative errno with *err filled; texts start with the path of the field
 *          ("linux.resources.memory.limit: ..."). -EINVAL for bad documents, -E2BIG beyond a limit
 *          of spec/security.md 3, -ENOMEM.
 * Blocks   Never: no system calls but memory.
 * Context  Parent (allocates).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "oci/namespace_name.h"
#include "oci/seccomp_name.h"

#define SPEC_VERSION "1.3.0" /* the newest runtime-spec that the model covers in full */

struct spec_kv {
	const char *key;
	const char *value;
};

/* ---- process ---- */

struct spec_console_size {
	uint64_t height;
	uint64_t width;
};

struct spec_user {
	uint32_t uid;
	uint32_t gid;
	bool has_umask;
	uint32_t umask;
	uint32_t *additional_gids;
	size_t n_additional_gids;
};

/* Names as in the document: unknown ones are not an error (cap_name.h makes masks of them). */
struct spec_capabilities {
	const char **bounding;
	size_t n_bounding;
	const char **effective;
	size_t n_effective;
	const char **inheritable;
	size_t n_inheritable;
	const char **permitted;
	size_t n_permitted;
	const char **ambient;
	size_t n_ambient;
};

struct spec_rlimit {
	int type;      /* RLIMIT_* of the kernel */
	uint64_t soft; /* 2^64-1: unlimited */
	uint64_t hard;
};

struct spec_scheduler {
	int policy; /* SCHED_* of the kernel */
	int32_t nice;
	int32_t priority;
	uint64_t flags; /* SCHED_FLAG_* of the kernel */
	uint64_t runtime;
	uint64_t deadline;
	uint64_t period;
};

struct spec_io_priority {
	int class; /* IOPRIO_CLASS_* of the kernel */
	int32_t priority;
};

struct spec_exec_cpu_affinity {
	const char *initial; /* cpu lists, checked by spec_validate() */
	const char *final;
};

struct spec_process {
	bool terminal;
	struct spec_console_size *console_size;
	struct spec_user user;
	const char **args;
	size_t n_args;
	const char **env;
	size_t n_env;
	const char *cwd;
	struct spec_capabilities *capabilities;
	struct spec_rlimit *rlimits;
	size_t n_rlimits;
	bool has_no_new_privileges;
	bool no_new_privileges;
	const char *apparmor_profile;
	const char *selinux_label;
	bool has_oom_score_adj;
	int32_t oom_score_adj;
	struct spec_scheduler *scheduler;
	struct spec_io_priority *io_priority;
	struct spec_exec_cpu_affinity *exec_cpu_affinity;
};

/* ---- root, mounts, hooks ---- */

struct spec_root {
	const char *path;
	bool readonly;
};

struct spec_id_mapping {
	uint32_t container_id;
	uint32_t host_id;
	uint32_t size;
};

struct spec_mount {
	const char *destination;
	const char *type;
	const char *source;
	const char **options; /* words; mount_option.h reads them */
	size_t n_options;
	struct spec_id_mapping *uid_mappings;
	size_t n_uid_mappings;
	struct spec_id_mapping *gid_mappings;
	size_t n_gid_mappings;
};

struct spec_hook {
	const char *path;
	const char **args;
	size_t n_args;
	const char **env; /* NULL: the runtime's own environment; empty: an empty one */
	size_t n_env;
	bool has_timeout;
	int32_t timeout; /* seconds, > 0 */
};

struct spec_hooks {
	struct spec_hook *prestart;
	size_t n_prestart;
	struct spec_hook *create_runtime;
	size_t n_create_runtime;
	struct spec_hook *create_container;
	size_t n_create_container;
	struct spec_hook *start_container;
	size_t n_start_container;
	struct spec_hook *poststart;
	size_t n_poststart;
	struct spec_hook *poststop;
	size_t n_poststop;
};

/* ---- linux.resources ---- */

/* Device types are the letters of the document: 'a' (rules only), 'b', 'c', 'u' (as 'c'), 'p'; 0 is
 * absent. */
struct spec_device_rule {
	bool allow;
	int type;       /* 'a', 'b', 'c' or 0, which means 'a' */
	bool has_major; /* absent or -1: all */
	int64_t major;
	bool has_minor;
	int64_t minor;
	const char *access; /* of r, w, m; NULL or "" means all three */
};

struct spec_memory {
	bool has_limit;
	int64_t limit; /* bytes, -1: unlimited; likewise reservation, swap (memory plus swap),
			  kernel, kernel_tcp */
	bool has_reservation;
	int64_t reservation;
	bool has_swap;
	int64_t swap;
	bool has_kernel;
	int64_t kernel;
	bool has_kernel_tcp;
	int64_t kernel_tcp;
	bool has_swappiness;
	uint64_t swappiness;
	bool has_disable_oom_killer;
	bool disable_oom_killer;
	bool has_use_hierarchy;
	bool use_hierarchy;
	bool has_check_before_update;
	bool check_before_update;
};

struct spec_cpu {
	bool has_shares;
	uint64_t shares;
	bool has_quota;
	int64_t quota;
	bool has_burst;
	uint64_t burst;
	bool has_period;
	uint64_t period;
	bool has_realtime_runtime;
	int64_t realtime_runtime;
	bool has_realtime_period;
	uint64_t realtime_period;
	const char *cpus; /* lists, checked by spec_validate() */
	const char *mems;
	bool has_idle;
	int64_t idle;
};

struct spec_pids {
	bool has_limit;
	int64_t limit; /* -1: unlimited */
};

struct spec_weight_device {
	int64_t major;
	int64_t minor;
	bool has_weight;
	uint16_t weight;
	bool has_leaf_weight;
	uint16_t leaf_weight;
};

struct spec_throttle_device {
	int64_t major;
	int64_t minor;
	uint64_t rate;
};

struct spec_block_io {
	bool has_weight;
	uint16_t weight;
	bool has_leaf_weight;
	uint16_t leaf_weight;
	struct spec_weight_device *weight_device;
	size_t n_weight_device;
	struct spec_throttle_device *throttle_read_bps_device;
	size_t n_throttle_read_bps_device;
	struct spec_throttle_device *throttle_write_bps_device;
	size_t n_throttle_write_bps_device;
	struct spec_throttle_device *throttle_read_iops_device;
	size_t n_throttle_read_iops_device;
	struct spec_throttle_device *throttle_write_iops_device;
	size_t n_throttle_write_iops_device;
};

struct spec_hugepage_limit {
	const char *page_size; /* "64KB", "2MB", "1GB" */
	uint64_t limit;
};

struct spec_interface_priority {
	const char *name;
	uint32_t priority;
};

struct spec_network {
	bool has_class_id;
	uint32_t class_id;
	struct spec_interface_priority *priorities;
	size_t n_priorities;
};

struct spec_rdma {
	const char *key; /* device */
	bool has_hca_handles;
	uint32_t hca_handles;
	bool has_hca_objects;
	uint32_t hca_objects;
};

struct spec_resources {
	struct spec_device_rule *devices;
	size_t n_devices;
	struct spec_memory *memory;
	struct spec_cpu *cpu;
	struct spec_pids *pids;
	struct spec_block_io *block_io;
	struct spec_hugepage_limit *hugepage_limits;
	size_t n_hugepage_limits;
	struct spec_network *network;
	struct spec_rdma *rdma;
	size_t n_rdma;
	struct spec_kv *unified; /* file name to content */
	size_t n_unified;
};

/* ---- linux.seccomp ---- */

struct spec_seccomp_arg {
	uint32_t index; /* 0-5 */
	uint64_t value;
	uint64_t value_two;
	enum spec_seccomp_op op;
};

struct spec_seccomp_syscall {
	const char **names;
	size_t n_names;
	enum spec_seccomp_action action;
	bool has_errno_ret;
	uint32_t errno_ret;
	struct spec_seccomp_arg *args;
	size_t n_args;
};

struct spec_seccomp {
	enum spec_seccomp_action default_action;
	bool has_default_errno_ret;
	uint32_t default_errno_ret;
	const char **architectures; /* "SCMP_ARCH_X86_64"...: known names only */
	size_t n_architectures;
	bool has_flags; /* absent and empty differ: absent takes the runtime's default */
	uint64_t flags; /* SECCOMP_FILTER_FLAG_* of the kernel */
	const char *listener_path;
	const char *listener_metadata;
	struct spec_seccomp_syscall *syscalls;
	size_t n_syscalls;
};

/* ---- linux ---- */

struct spec_namespace {
	enum spec_ns_type type;
	const char *path; /* NULL or "": a new one */
};

struct spec_time_offset {
	const char *key; /* "monotonic" or "boottime" */
	int64_t secs;
	uint32_t nanosecs;
};

struct spec_device {
	int type; /* 'b', 'c', 'u' or 'p' */
	const char *path;
	bool has_major;
	int64_t major;
	bool has_minor;
	int64_t minor;
	bool has_file_mode;
	uint32_t file_mode; /* permission bits; a file type above them is dropped by users */
	bool has_uid;
	uint32_t uid;
	bool has_gid;
	uint32_t gid;
};

struct spec_net_device {
	const char *key;  /* name on the host */
	const char *name; /* name inside; NULL or "": the same */
};

enum spec_propagation {
	SPEC_PROPAGATION_ABSENT,
	SPEC_PROPAGATION_SHARED,
	SPEC_PROPAGATION_RSHARED,
	SPEC_PROPAGATION_SLAVE,
	SPEC_PROPAGATION_RSLAVE,
	SPEC_PROPAGATION_PRIVATE,
	SPEC_PROPAGATION_RPRIVATE,
	SPEC_PROPAGATION_UNBINDABLE,
	SPEC_PROPAGATION_RUNBINDABLE,
};

struct spec_intel_rdt {
	const char *clos_id;
	const char **schemata;
	size_t n_schemata;
	const char *l3_cache_schema;
	const char *mem_bw_schema;
	bool enable_monitoring;
};

enum spec_personality_domain {
	SPEC_PERSONALITY_ABSENT,
	SPEC_PERSONALITY_LINUX,
	SPEC_PERSONALITY_LINUX32,
};

struct spec_personality {
	enum spec_personality_domain domain;
	const char **flags;
	size_t n_flags;
};

struct spec_memory_policy {
	bool has_mode;
	int mode;          /* MPOL_* of the kernel */
	const char *nodes; /* list, may be "" or absent */
	uint64_t flags;    /* MPOL_F_* of the kernel */
};

struct spec_linux {
	struct spec_namespace *namespaces;
	size_t n_namespaces;
	struct spec_id_mapping *uid_mappings;
	size_t n_uid_mappings;
	struct spec_id_mapping *gid_mappings;
	size_t n_gid_mappings;
	struct spec_time_offset *time_offsets;
	size_t n_time_offsets;
	struct spec_device *devices;
	size_t n_devices;
	struct spec_net_device *net_devices;
	size_t n_net_devices;
	const char *cgroups_path;
	struct spec_resources *resources;
	enum spec_propagation rootfs_propagation;
	struct spec_seccomp *seccomp;
	struct spec_kv *sysctl;
	size_t n_sysctl;
	const char **masked_paths;
	size_t n_masked_paths;
	const char **readonly_paths;
	size_t n_readonly_paths;
	const char *mount_label;
	struct spec_intel_rdt *intel_rdt;
	struct spec_personality *personality;
	struct spec_memory_policy *memory_policy;
};

/* ---- the documents ---- */

struct spec {
	struct arena arena;
	const char *oci_version;
	struct spec_root *root;
	struct spec_process *process;
	const char *hostname;
	const char *domainname;
	struct spec_mount *mounts;
	size_t n_mounts;
	struct spec_hooks *hooks;
	struct spec_kv *annotations;
	size_t n_annotations;
	struct spec_linux *linux_; /* "linux" is a macro of gnu11 */
};

/* One `process` object by itself (exec --process). */
struct spec_process_doc {
	struct arena arena;
	struct spec_process process;
};

/* One `linux.resources` object by itself (update --resources). */
struct spec_resources_doc {
	struct arena arena;
	struct spec_resources resources;
};

/*
 * Read a document of `len` bytes. Properties that the runtime-spec does not know are ignored, known
 * ones with a wrong type or word are errors; null equals absent; of duplicate keys the last wins.
 * What is read is well-formed but not yet valid: spec_validate() checks what the values say
 * together.
 */
int spec_parse(const char *json, size_t len, struct spec **ret, struct err *err);
/* A document with nothing but `mounts`, or that list itself. */
int spec_parse_mounts(const char *json, size_t len, struct spec **ret, struct err *err);
int spec_parse_process(
	const char *json, size_t len, struct spec_process_doc **ret, struct err *err);
int spec_parse_resources(
	const char *json, size_t len, struct spec_resources_doc **ret, struct err *err);
void spec_free(struct spec *s);
void spec_process_doc_free(struct spec_process_doc *d);
void spec_resources_doc_free(struct spec_resources_doc *d);
AUTO_FREE(struct spec, spec)
AUTO_FREE(struct spec_process_doc, spec_process_doc)
AUTO_FREE(struct spec_resources_doc, spec_resources_doc)

/*
 * Append the document as compact JSON. Reading it again gives an equal document. Properties that
 * the runtime-spec does not know are not in it. 0 or -ENOMEM.
 */
int spec_write(const struct spec *s, struct buf *out);
int spec_write_pretty(const struct spec *s, const char *indent, struct buf *out);
int spec_write_process(const struct spec_process *p, struct buf *out);
int spec_write_resources(const struct spec_resources *r, struct buf *out);

/* Append what `reeve spec` writes: config.json for `sh` in "rootfs", indented by tabs. */
int spec_default(bool rootless, bool cgroup2, struct buf *out);

/* Everything that can be said against a document without looking at the machine. No process: fine.
 */
int spec_validate(const struct spec *s, struct err *err);
int spec_validate_mounts(const struct spec *s, struct err *err);
int spec_validate_process(const struct spec_process *p, struct err *err);
int spec_validate_resources(const struct spec_resources *r, struct err *err);

/* The entry of that type, or NULL. */
const struct spec_namespace *spec_namespace_find(const struct spec *s, enum spec_ns_type type);
/* True when the container gets a new namespace of that type (listed without a path). */
bool spec_namespace_is_new(const struct spec *s, enum spec_ns_type type);
/* Does it say nothing? Then it asks for nothing, as for runc. */
bool spec_memory_policy_is_none(const struct spec_memory_policy *p);
/* Value of a key, or NULL. */
const char *spec_kv_get(const struct spec_kv *kv, size_t n, const char *key);
const char *spec_annotation(const struct spec *s, const char *key);
