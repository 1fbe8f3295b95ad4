#!/usr/bin/env bats
# Beside systemd, on the machine itself and not in namespaces of a test: systemd owns the root of the cgroup tree, takes
# controllers away that none of its units asks for, and writes the tree anew when it reloads. Only for tests/integration/guest:
# it needs a machine of its own.

load ../integration/lib.bash

setup_file() {
	runtime_setup_file
	export ON_MACHINE=1
}

setup() {
	runtime_setup
	export TEST_CGROUPS="*/sys/fs/cgroup*/$ID"
}

teardown() {
	rm -f /run/systemd/system/reeve-test.service
	systemctl daemon-reload
	systemctl reset-failed reeve-test.service 2>/dev/null || true # it ends with the status of its container
	runtime_teardown
}

# What makes systemd look at the whole tree: a unit with limits comes and goes.
disturb() {
	cat >/run/systemd/system/reeve-test.service <<-UNIT
		[Service]
		ExecStart=/bin/sleep 1000
		CPUWeight=50
		TasksMax=10
		MemoryMax=100M
		IOWeight=50
	UNIT
	systemctl daemon-reload
	systemctl start reeve-test.service
	systemctl stop reeve-test.service
	rm /run/systemd/system/reeve-test.service
	systemctl daemon-reload
	systemctl daemon-reexec
	# one that changes the mask of controllers of all that is beside it
	systemctl set-property --runtime system.slice CPUWeight=90 AllowedCPUs=0-1
	systemctl revert system.slice
}

limits='.linux.resources |= (. // {}) + {cpu: {quota: 50000, period: 100000, shares: 512}, memory: {limit: 67108864}, pids: {limit: 33},
	devices: [{allow: false, access: "rwm"}, {allow: true, type: "c", major: 1, minor: 5, access: "r"}]}'

holds() { # CGROUP
	equal "$(cat "/sys/fs/cgroup$1/pids.max")" 33
	equal "$(cat "/sys/fs/cgroup$1/memory.max")" 67108864
	equal "$(cat "/sys/fs/cgroup$1/cpu.max")" "50000 100000"
	# kmsg is not among the devices that every container has; the root file system may be mounted nodev
	run -0 rt exec --cap CAP_MKNOD "$ID" /bin/sh -c 'head -c 1 /dev/zero | wc -c; rm -f /dev/k; mknod /dev/k c 1 11 && dd if=/dev/k bs=8192 count=1 2>&1; true' </dev/null
	equal "${lines[0]}" 1
	contains "$output" "Operation not permitted"
}

@test "limits and devices hold while systemd works on the tree" {
	ct_sleep "$limits | .linux.cgroupsPath = \"/reeve-test/$ID\""
	holds "/reeve-test/$ID"
	disturb
	holds "/reeve-test/$ID"
	rt pause "$ID"
	status_is paused
	systemctl daemon-reload
	status_is paused
	rt resume "$ID"
	status_is running
}

@test "a service with Delegate=yes has its containers below it, and its end is theirs" {
	local pid
	bundle_sh 'trap "exit 3" TERM; echo ready; while :; do sleep 0.05; done' ".linux.cgroupsPath = \"/system.slice/reeve-test.service/$ID\""
	cat >/run/systemd/system/reeve-test.service <<-UNIT
		[Service]
		Type=forking
		Delegate=yes
		ExecStart=/bin/sh -c 'mkdir -p /sys/fs/cgroup/system.slice/reeve-test.service/main && echo \$\$\$\$ >/sys/fs/cgroup/system.slice/reeve-test.service/main/cgroup.procs && exec $RT --root $RT_ROOT run --detach --pid-file $B/pid --bundle $B $ID >$B/stdout 2>&1'
		PIDFile=$B/pid
		TimeoutStopSec=20
	UNIT
	systemctl daemon-reload
	systemctl start reeve-test.service || { systemctl status reeve-test.service; cat "$B/stdout"; false; }
	wait_until 10 grep -q ready "$B/stdout"
	pid=$(pid_of)
	equal "$(cat "/proc/$pid/cgroup")" "0::/system.slice/reeve-test.service/$ID"
	equal "$(systemctl show -P MainPID reeve-test.service)" "$pid"
	systemctl stop reeve-test.service
	wait_until 10 gone "$pid"
	wait_until 10 status_is stopped
}
