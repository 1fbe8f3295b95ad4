/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Options that `checkpoint` and `restore` share.
 *
 * Owner    Values point into argv; the lists are the argument table's. criu_options_fill() borrows them.
 * Errors   Negative errno with *err.
 * Blocks   No.
 * Context  Parent.
 */
#include "base/err.h"
#include "cli/creation.h"
#include "container/container.h"

struct criu_options {
	struct creation_options creation; /* restore */
	const char *image_path, *work_path, *parent_path;
	const char *page_server, *cgroups_mode, *network_lock, *lsm_profile, *lsm_mount_context;
	struct args_list empty_ns;
	uint32_t status_fd;
	bool leave_running, pre_dump;
	bool tcp_established, tcp_skip_in_flight, tcp_close, ext_unix_sk, shell_job, file_locks,
		link_remap;
	bool auto_dedup, lazy_pages;
};

#define CRIU_AT(member) offsetof(struct criu_options, member)

// clang-format off
#define CRIU_OPTIONS                                                                                                       \
	{ "image-path", 0, ARGS_STRING, CRIU_AT(image_path), "DIR", "directory of the images (./checkpoint)" },            \
	{ "work-path", 0, ARGS_STRING, CRIU_AT(work_path), "DIR", "directory of criu's log (that of the images)" },        \
	{ "parent-path", 0, ARGS_STRING, CRIU_AT(parent_path), "DIR", "earlier images, relative to the directory" },       \
	{ "tcp-established", 0, ARGS_BOOL, CRIU_AT(tcp_established), NULL, "keep established TCP connections" },           \
	{ "tcp-close", 0, ARGS_BOOL, CRIU_AT(tcp_close), NULL, "close TCP connections" },                                  \
	{ "ext-unix-sk", 0, ARGS_BOOL, CRIU_AT(ext_unix_sk), NULL, "allow unix sockets to outside" },                      \
	{ "shell-job", 0, ARGS_BOOL, CRIU_AT(shell_job), NULL, "allow a session whose leader is outside" },                \
	{ "file-locks", 0, ARGS_BOOL, CRIU_AT(file_locks), NULL, "keep file locks" },                                      \
	{ "link-remap", 0, ARGS_BOOL, CRIU_AT(link_remap), NULL, "keep files that are open and removed" },                 \
	{ "auto-dedup", 0, ARGS_BOOL, CRIU_AT(auto_dedup), NULL, "remove pages that newer images have" },                  \
	{ "lazy-pages", 0, ARGS_BOOL, CRIU_AT(lazy_pages), NULL, "leave memory to a page server" },                        \
	{ "manage-cgroups-mode", 0, ARGS_STRING, CRIU_AT(cgroups_mode), "MODE", "soft, full, strict or ignore" },          \
	{ "network-lock", 0, ARGS_STRING, CRIU_AT(network_lock), "METHOD", "iptables, nftables or skip" },                 \
	{ "empty-ns", 0, ARGS_LIST, CRIU_AT(empty_ns), "TYPE", "namespace that is made, but not filled" }
// clang-format on

/* `images`: heap, absolute. */
int criu_options_fill(const struct criu_options *o, struct container_criu *ret, char **ret_images,
	struct err *err);
