#!/usr/bin/env bats
# Labels of SELinux, on a kernel that has it, with a policy (selinux.cil) that allows everything and knows few labels. Only for
# tests/integration/guest: a policy is the machine's, and is there until it ends.

load ../integration/lib.bash

setup_file() {
	mountpoint -q /sys/fs/selinux || mount -t selinuxfs selinuxfs /sys/fs/selinux || fail "the machine's kernel has SELinux off"
	dd if="$SELINUX_POLICY" of=/sys/fs/selinux/load bs=1M 2>"$BATS_FILE_TMPDIR/load" || fail "$(cat "$BATS_FILE_TMPDIR/load"; dmesg | grep SELinux)"
	runtime_setup_file
}

setup() {
	runtime_setup
	export TEST_CGROUPS="*/sys/fs/cgroup*/test/$ID"
}

teardown() {
	runtime_teardown
}

# The label of whoever reads it.
label='tr -d "\0" </proc/self/attr/current; echo'

@test "a container runs with its label, and one without with its caller's" {
	inside "$label" '.process.selinuxLabel = "u:r:box_t:s0:c1,c2"'
	equal "${lines[0]}" u:r:box_t:s0:c1,c2
	rt delete --force "$ID"
	inside "$label"
	equal "${lines[0]}" u:r:base_t:s0
}

@test "a label holds with and without no_new_privs, for another user, in a user namespace" {
	local filter
	for filter in '.process.noNewPrivileges = true' '.process.noNewPrivileges = false' '.process.user = {uid: 1000, gid: 1000}' \
		'.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 0, size: 65536}] | .linux.gidMappings = .linux.uidMappings'; do
		inside "$label" ".process.selinuxLabel = \"u:r:box_t:s0:c1,c2\" | $filter"
		equal "${lines[0]}" u:r:box_t:s0:c1,c2 "$filter"
		rt delete --force "$ID"
	done
}

@test "an exec has the container's label, or its own" {
	ct_sleep '.process.selinuxLabel = "u:r:box_t:s0:c1,c2"'
	run -0 rt exec "$ID" /bin/sh -c "$label" </dev/null
	equal "${lines[0]}" u:r:box_t:s0:c1,c2
	run -0 rt exec --process-label u:r:other_t:s0 "$ID" /bin/sh -c "$label" </dev/null
	equal "${lines[0]}" u:r:other_t:s0
}

@test "mountLabel is the label of the file systems that are made for the container" {
	local dir pid
	ct_sleep '.linux.mountLabel = "u:object_r:box_file_t:s0:c1,c2" | .mounts += [{destination: "/tmp", type: "tmpfs", source: "tmpfs", options: ["mode=1777"]}]'
	pid=$(pid_of)
	for dir in /dev /dev/shm /dev/pts /tmp /proc/acpi; do
		matches "$(grep " $dir " "/proc/$pid/mountinfo")" 'context="?u:object_r:box_file_t:s0:c1,c2'
	done
	# of the message queues there is one file system, which the kernel has mounted before: no option, but a label
	equal "$(python3 -c 'import os, sys; print(os.getxattr(sys.argv[1], "security.selinux").rstrip(b"\0").decode())' "/proc/$pid/root/dev/mqueue")" \
		u:object_r:box_file_t:s0:c1,c2
}

@test "an annotation chooses the option by which the label is given" {
	local word pid
	# defcontext is for file systems that keep labels: the kernel refuses it for a tmpfs
	for word in fscontext rootcontext; do
		ct_sleep ".linux.mountLabel = \"u:object_r:box_file_t:s0:c1,c2\" | .annotations[\"run.oci.mount_context_type\"] = \"$word\" | .mounts += [{destination: \"/tmp\", type: \"tmpfs\", source: \"tmpfs\", options: [\"mode=1777\"]}]"
		pid=$(pid_of)
		matches "$(grep " /tmp " "/proc/$pid/mountinfo")" "[ ,]$word=\"?u:object_r:box_file_t:s0:c1,c2"
		rt delete --force "$ID"
	done
}

@test "a label that the policy does not know is named, and nothing is left" {
	refused '.process.selinuxLabel = "u:r:none_t:s0"'
	contains "$output" "apply SELinux label 'u:r:none_t:s0'"
	refused '.linux.mountLabel = "u:object_r:none_t:s0"'
	ct_sleep
	run ! rt exec --process-label u:r:none_t:s0 "$ID" /bin/true </dev/null
	contains "$output" "apply SELinux label 'u:r:none_t:s0'"
}
