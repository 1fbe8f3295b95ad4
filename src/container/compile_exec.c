/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan of an exec: on the host side enter the cgroup files and all namespaces of the container by init's pidfd,
 * then clone, so that the process that joins the container's pid namespace is only ever the executor.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "container/compile.h"
#include "oci/namespace_name.h"

static uint64_t namespace_mask(const struct spec *spec)
{
	uint64_t mask = 0;

	/* Those that the config names; joining the user namespace that one is in is refused by the kernel. */
	for (size_t i = 0; spec->linux_ && i < spec->linux_->n_namespaces; i++)
		mask |= (uint64_t)namespace_name_flag(spec->linux_->namespaces[i].type);
	return mask;
}

/* On the host side: /proc is the host's, and both values pass over to the child with the clone. */
static void add_host_side(const struct compile_exec *in, struct plan *p)
{
	const struct spec_process *process = in->process;
	struct plan_step *s;
	char text[4200];

	if (process->has_oom_score_adj) {
		snprintf(text, sizeof(text), "%d", process->oom_score_adj);
		s = plan_add(p, PLAN_WRITE);
		s->flags = spec_namespace_find(in->spec, SPEC_NS_USER) ? PLAN_F_TOLERATE : 0;
		s->str[0] = plan_str(p, "/proc/self/oom_score_adj");
		plan_blob(p, s, text, strlen(text));
	}
	if (!str_empty(process->selinux_label)) {
		s = plan_add(p, PLAN_LABEL);
		s->str[0] = plan_str(p, "exec");
		plan_blob(p, s, process->selinux_label, strlen(process->selinux_label));
		if (in->keyring) { /* until the program begins */
			s = plan_add(p, PLAN_LABEL);
			s->str[0] = plan_str(p, "keycreate");
			plan_blob(p, s, process->selinux_label, strlen(process->selinux_label));
		}
	}
	if (!str_empty(process->apparmor_profile)) {
		snprintf(text, sizeof(text), "exec %s", process->apparmor_profile);
		s = plan_add(p, PLAN_LABEL);
		s->str[0] = plan_str(p, "apparmor/exec");
		if (strcmp(process->apparmor_profile, "unconfined") == 0)
			s->flags = PLAN_F_TOLERATE;
		plan_blob(p, s, text, strlen(text));
	}
}

static void add_join(struct plan *p, int32_t slot, uint64_t mask)
{
	struct plan_step *s = plan_add(p, PLAN_SETNS_SLOT);

	s->fd[0] = slot;
	s->num[0] = mask;
}

static void add_clone(const struct compile_exec *in, struct plan *p)
{
	struct compile_cgroup_slots cgroup;
	struct plan_step *s;
	uint64_t late = compile_cgroupns_is_late(in->spec) ? CLONE_NEWCGROUP : 0;
	uint64_t mask = namespace_mask(in->spec) & ~late;
	int32_t init = plan_slot(p, in->init_pidfd);

	compile_cgroup_open(p, &in->cgroup, true, &cgroup);
	if (mask)
		add_join(p, init, mask);
	s = plan_add(p, PLAN_CLONE);
	s->fd[0] = cgroup.dir;
	s->num[1] = (uint64_t)cgroup.procs;
	compile_cgroup_enter(p, &in->cgroup, &cgroup);
	/* Init's pidfd is all that the container could find in this process, and it can make one itself. */
	if (late)
		add_join(p, init, late);
	if (spec_namespace_find(in->spec, SPEC_NS_USER))
		compile_root_ids(p, in->spec);
}

static bool has_affinity(const struct spec_process *process)
{
	const struct spec_exec_cpu_affinity *a = process->exec_cpu_affinity;

	return a && !(str_empty(a->initial) && str_empty(a->final));
}

int compile_exec(const struct compile_exec *in, struct plan *p, struct err *err)
{
	const struct spec_process *process = in->process;
	struct plan_step *s;
	int r;

	plan_init(p);
	add_host_side(in, p);
	r = compile_initial_affinity(p, process, err);
	if (r == 0)
		r = compile_scheduling(p, in->spec, process, true);
	add_clone(in, p);
	if (r == 0)
		r = compile_final_affinity(p, process, err);
	if (!has_affinity(process))
		compile_all_cpus(p, in->self, in->cgroup.n_cpus);
	plan_add(p, PLAN_SETSID);
	if (in->keyring)
		compile_keyring(p, in->id);
	/* setns(mount) has made the container's root ours; F_CHROOT opens it by path */
	s = plan_add(p, PLAN_ROOTFS);
	s->flags = PLAN_F_CHROOT | PLAN_F_INSIDE;
	s->str[0] = plan_str(p, "/");
	if (process->terminal) {
		s = plan_add(p, PLAN_CONSOLE);
		s->flags = PLAN_F_NO_BIND;
		if (process->console_size)
			s->num[0] = process->console_size->height << 32 |
				    (uint32_t)process->console_size->width;
		s->num[1] = process->user.uid;
		plan_add(p, PLAN_CONSOLE_CTTY);
	} else {
		plan_add(p, PLAN_NULL_STDIO);
	}
	if (r == 0)
		r = compile_scheduling(p, in->spec, process, false);
	if (r == 0)
		r = compile_memory_policy(p, in->spec, err);
	if (r == 0)
		r = compile_personality(p, in->spec, err);
	if (r == 0)
		r = compile_identity(
			p, in->spec, process, &in->filter, in->setgroups_denied, in->self, err);
	if (r == 0)
		r = compile_lookup(p, process, NULL);
	if (r == 0) {
		plan_add(p, PLAN_READY);
		compile_final(p, in->spec, process, &in->filter, in->self, in->preserve_fds);
	}
	if (r == 0 && p->failed)
		r = err_code(err, p->failed, "the process makes too large a plan");
	if (r < 0)
		plan_done(p);
	return r;
}
