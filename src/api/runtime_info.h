/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Runtime info: what a runtime says of itself and of the machine, as a shim prints it for -info (spec/shim.md 1.12).
 *
 * Owner    The caller's buffer.
 * Errors   -ENOMEM.
 * Blocks   Reads local files.
 * Context  Parent.
 */
#include <protobuf-c/protobuf-c.h>

#include "base/str.h"

#define RUNTIME_INFO_NAME "io.containerd.reeve.v2"

/* A RuntimeInfo. options: a google.protobuf.Any that is given back; NULL: none. */
int runtime_info_encode(const ProtobufCMessage *options, struct buf *out);
