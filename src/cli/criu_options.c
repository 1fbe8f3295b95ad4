/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From options to what src/container wants. The directory of the images is made absolute: the helper stands elsewhere.
 */
#include "cli/criu_options.h"

#include "base/path.h"
#include "base/str.h"

int criu_options_fill(const struct criu_options *o, struct container_criu *ret, char **ret_images,
	struct err *err)
{
	char *images = path_absolute(str_empty(o->image_path) ? "checkpoint" : o->image_path);

	if (!images)
		return err_sys(err, "find the current directory");
	*ret_images = images;
	*ret = (struct container_criu){
		.images = images,
		.work = o->work_path,
		.parent = o->parent_path,
		.cgroups_mode = o->cgroups_mode,
		.network_lock = o->network_lock,
		.page_server = o->page_server,
		.lsm_profile = o->lsm_profile,
		.lsm_mount_context = o->lsm_mount_context,
		.empty_ns = o->empty_ns.items,
		.n_empty_ns = o->empty_ns.n,
		.status_fd = (int)o->status_fd,
		.leave_running = o->leave_running,
		.pre_dump = o->pre_dump,
		.tcp_established = o->tcp_established,
		.tcp_skip_in_flight = o->tcp_skip_in_flight,
		.tcp_close = o->tcp_close,
		.ext_unix_sockets = o->ext_unix_sk,
		.shell_job = o->shell_job,
		.file_locks = o->file_locks,
		.link_remap = o->link_remap,
		.auto_dedup = o->auto_dedup,
		.lazy_pages = o->lazy_pages,
	};
	return 0;
}
