#!/usr/bin/env bats
# The systemd cgroup driver where systemd still has cgroup v1, beside a v2 hierarchy without controllers (`./dev vm test
# hybrid systemd`). Only for tests/integration/guest.

load ../integration/lib.bash

setup_file() {
	runtime_setup_file
	export ON_MACHINE=1
}

setup() {
	runtime_setup
	UNIT=reeve-$ID.scope
	export TEST_CGROUPS="*/sys/fs/cgroup*/reeve-*$ID*"
}

teardown() {
	local bad=0
	runtime_teardown || bad=1
	equal "$(systemctl list-units --all --no-legend --plain 'reeve-*')" "" units || bad=1
	return $bad
}

rt() {
	within 60 "$RT" --root "$RT_ROOT" --systemd-cgroup "$@"
}

show() { # PROPERTY
	systemctl show -P "$1" "$UNIT"
}

file() { # CONTROLLER FILE
	cat "/sys/fs/cgroup/$1/system.slice/$UNIT/$2"
}

limits='.linux.cgroupsPath = $path | .linux.resources |= (. // {}) + {cpu: {quota: 50000, period: 100000, shares: 512, cpus: "0"},
	memory: {limit: 67108864}, pids: {limit: 33},
	devices: [{allow: false, access: "rwm"}, {allow: true, type: "c", major: 1, minor: 5, access: "r"}]}'

@test "a scope in every hierarchy, those that systemd leaves alone too" {
	local pid
	bundle_sh 'exec sleep 1000' "$limits" --arg path "system.slice:reeve:$ID"
	ct_start
	pid=$(pid_of)
	! grep -qv ":/system.slice/$UNIT\$" "/proc/$pid/cgroup" || fail "$(cat "/proc/$pid/cgroup")"
	equal "$(file systemd cgroup.procs)" "$pid"
	equal "$(show ActiveState) $(show Delegate) $(show Slice)" "active yes system.slice"
	equal "$(show CPUShares) $(show MemoryLimit) $(show TasksMax)" "512 67108864 33"
	equal "$(show CPUQuotaPerSecUSec) $(show DevicePolicy)" "500ms strict"
	holds() {
		equal "$(file cpu,cpuacct cpu.cfs_quota_us)" 50000
		equal "$(file cpu,cpuacct cpu.shares)" 512
		equal "$(file cpuset cpuset.cpus)" 0
		equal "$(file memory memory.limit_in_bytes)" 67108864
		equal "$(file pids pids.max)" 33
		! file devices devices.list | grep -q 'a \*:\*' || fail "all devices are allowed"
		file devices devices.list | grep -q 'c 1:5 rwm'
	}
	holds
	systemctl daemon-reload
	holds
	run -0 rt exec "$ID" /bin/sh -c 'head -c 1 /dev/zero | wc -c' </dev/null
	equal "$output" 1
	rt update --memory 80M --pids-limit 44 "$ID"
	equal "$(show MemoryLimit) $(show TasksMax)" "83886080 44"
	equal "$(file memory memory.limit_in_bytes) $(file pids pids.max)" "83886080 44"
	rt pause "$ID"
	status_is paused
	rt resume "$ID"
	rt kill "$ID" KILL
	wait_until 10 status_is stopped
	rt delete "$ID"
}

@test "frozen, without a pid namespace: delete --force ends it and its unit" {
	bundle_sh 'sleep 1000 & exec sleep 1000' '.linux.cgroupsPath = $path | .linux.namespaces |= map(select(.type != "pid"))' --arg path "system.slice:reeve:$ID"
	ct_start
	rt pause "$ID"
	rt delete --force "$ID"
}
