/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Identifiers, labels and topics: what names containerd's API admits (spec/manager.md 1.1, 3.3).
 *
 * Owner    Nothing is allocated.
 * Errors   -EINVAL with containerd's text.
 * Blocks   Never.
 * Context  Any.
 */
#include "base/err.h"

#define IDENTIFIER_MAX 76

/* 1 to 76 of A-Z a-z 0-9, parted by single '.', '_' or '-'. Such a name is a safe file name. */
int identifier_check(const char *id, struct err *err);

/* Key and value together have at most 4096 bytes. */
int identifier_check_label(const char *key, const char *value, struct err *err);

/* "/a/b": at least one component, each an identifier. */
int identifier_check_topic(const char *topic, struct err *err);

/* "sha256:" and 64 lower-case digits. */
int identifier_check_digest(const char *digest, struct err *err);
