/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The services of reeved as tables for a door (spec/manager.md 3.2). Handlers get the core as their
 * argument: the door's, or the row's.
 *
 * Owner    Constant.
 * Errors   As core.h says.
 * Blocks   As core.h says.
 * Context  Parent.
 */
#include "rpc/service.h"

extern const struct rpc_service version_service;
extern const struct rpc_service introspection_service;
extern const struct rpc_service health_service;
extern const struct rpc_service namespace_service;
extern const struct rpc_service container_service;
extern const struct rpc_service event_service;
extern const struct rpc_service event_forward_service; /* on the ttrpc socket, for shims */
extern const struct rpc_service lease_service;
extern const struct rpc_service content_service;
extern const struct rpc_service image_service;
extern const struct rpc_service snapshot_service;
extern const struct rpc_service diff_service;
extern const struct rpc_service streaming_service;
extern const struct rpc_service tasks_service;
extern const struct rpc_service transfer_service;

struct core_call;
/* Of what was begun to be written in the call's namespace, forget what nobody has gone on with for a
 * day. */
int content_forget_stale(struct core_call *c);
