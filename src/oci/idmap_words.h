/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Idmap words: the mappings inside of a mount option, as crun and podman write them:
 * "idmap=uids=0-100000-65536#70000-0-1;gids=@0-0-65536". A range is the first id in the file system, the first id that
 * it becomes, and how many. "@": that is an id of the container, not of the host.
 *
 * Owner    Takes memory from the caller's arena.
 * Errors   -EINVAL with what is wrong (the caller names the option), -ENOMEM.
 * Blocks   Never.
 * Context  Any.
 */
#include "base/err.h"
#include "base/mem.h"
#include "oci/spec.h"

struct idmap_range {
	struct spec_id_mapping map;
	bool of_container; /* map.host_id is to be looked up in the container's own map */
};

struct idmap_words {
	struct idmap_range *uids, *gids;
	size_t n_uids, n_gids;
};

/* `text` is what follows "idmap=". Both kinds must be there. */
int idmap_words_parse(
	const char *text, struct arena *arena, struct idmap_words *ret, struct err *err);
