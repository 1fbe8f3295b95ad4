/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Type URLs of google.protobuf.Any values (spec/shim.md 3.2). containerd writes bare full names for
 * protobuf values and URLs of its own for values that are JSON text.
 *
 * Owner    Nothing is allocated.
 * Errors   None.
 * Blocks   Never.
 * Context  Any.
 */
#include <stdbool.h>
#include <stddef.h>

#define ANY_JSON "types.containerd.io/opencontainers/runtime-spec/1/"
#define ANY_SPEC ANY_JSON "Spec"
#define ANY_PROCESS ANY_JSON "Process"
#define ANY_RESOURCES ANY_JSON "LinuxResources"
#define ANY_FEATURES ANY_JSON "features/Features"

#define ANY_RUNC_OPTIONS "containerd.runc.v1.Options"
#define ANY_RUNC_CHECKPOINT "containerd.runc.v1.CheckpointOptions"
#define ANY_LINUX_CREATE "containerd.linux.runc.CreateOptions"
#define ANY_LINUX_CHECKPOINT "containerd.linux.runc.CheckpointOptions"
#define ANY_PROCESS_DETAILS "containerd.runc.v1.ProcessDetails"
#define ANY_RUNTIME_OPTIONS "runtimeoptions.v1.Options"
#define ANY_RUNTIME_INFO "containerd.types.RuntimeInfo"
#define ANY_RUNTIME_REQUEST "containerd.types.RuntimeRequest"
#define ANY_POD_SANDBOX_CONFIG "runtime.v1.PodSandboxConfig"
#define ANY_CGROUP1_METRICS "io.containerd.cgroups.v1.Metrics"
#define ANY_CGROUP2_METRICS "io.containerd.cgroups.v2.Metrics"
#define ANY_EVENT(name) "containerd.events." name

/* True when `url` names `type`: the same text, or anything before a last '/'
 * ("type.googleapis.com/"). */
bool any_is(const char *url, const char *type);
