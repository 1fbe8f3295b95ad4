#!/usr/bin/env bats
# The limit of the worker's memory: who is in its cgroup, and what is said where there can be none. On cgroup2 only a service manager
# can begin us below a cgroup without processes: tests/vm/reeved.bats has that.

load lib
load containerd
load reeved

MEMORY=/sys/fs/cgroup/memory
OWN=reeve-test-memory

setup_file() {
	"$TOP/tools/mkbundle" "$BATS_FILE_TMPDIR/bundle"
	jq --arg root "$BATS_FILE_TMPDIR/bundle/rootfs" '.root.path = $root | .linux.cgroupsPath = "/test/memory" | .process.args = ["sleep", "1000"]' \
		"$BATS_FILE_TMPDIR/bundle/config.json" >"$BATS_FILE_TMPDIR/config.json"
}

setup() {
	RD=$BATS_TEST_TMPDIR/r
	mkdir -p "$RD"
	export RD
	printf '[worker]\nmemory_max_bytes = 268435456\n[tasks]\nembedded = ["io.containerd.reeve.v2"]\n[exits]\nrecorder = false\n' >"$RD/reeved.toml"
}

teardown() {
	[ ! -e "$RD/pid" ] || reeved_stop
	wait_until 10 none_left
	[ ! -d "$MEMORY/$OWN" ] || rmdir "$MEMORY/$OWN/worker" "$MEMORY/$OWN"
}

none_left() {
	[ -z "$(reeved_part guardian)$(reeved_part worker)" ]
}

# start [CGROUP]: in this one.
start() {
	REEVED=$RD/reeved
	export REEVED
	{
		echo '#!/bin/sh'
		[ $# -eq 0 ] || echo "echo 0 >$MEMORY/$1/tasks"
		echo "exec '$TOP/out/bin/reeved' --config '$RD/reeved.toml' \"\$@\""
	} >"$REEVED"
	chmod +x "$REEVED"
	reeved_start
}

doctor() {
	# Its status tells of all that it finds wrong on this machine; the line that is looked for is one.
	reeve doctor --root "$RD/root" --state "$RD/state" --config "$RD/reeved.toml" || true
}

memory_of() { # PID: its cgroup of the controller
	awk -F: '$2 == "memory" { print $3 }' "/proc/$1/cgroup"
}

@test "without a cgroup that is given to it reeved has no limit, says why and serves" {
	start
	grep -q "the worker's memory is not limited: reeved runs in" "$RD/log"
	contains "$(doctor)" "the worker's memory is not limited: reeved runs in"
	rctr version
}

@test "the worker and its successors are limited, guardian, front, containers and shims are not" {
	local worker id shim
	if [ -d "$MEMORY" ]; then
		mkdir "$MEMORY/$OWN"
		start "$OWN"
		equal "$(memory_of "$(reeved_part worker)")" "/$OWN/worker"
		equal "$(memory_of "$(reeved_part guardian)") $(memory_of "$REEVED_PID")" "/$OWN /$OWN"
		equal "$(cat "$MEMORY/$OWN/worker/memory.limit_in_bytes")" 268435456
		contains "$(doctor)" "the worker's memory is limited to 268435456 bytes"
		worker=$(reeved_part worker)
		kill -KILL "$worker"
		wait_until 10 gone "$worker"
		wait_until 10 rctr version
		equal "$(memory_of "$(reeved_part worker)")" "/$OWN/worker" "that of the next worker"
		for id in reeve runc; do
			rctr run -d --runtime "io.containerd.$id.v2" --config "$BATS_FILE_TMPDIR/config.json" "$id" </dev/null >/dev/null 3>&-
			equal "$(memory_of "$(rctr tasks ls | awk -v id="$id" '$1 == id { print $2 }')")" /test/memory "the container's"
			[ "$id" = reeve ] || shim=$(pgrep -f "containerd-shim-runc-v2 .*$RD/")
			[ "$id" = reeve ] || equal "$(memory_of "$shim")" "/$OWN" "the shim's"
			equal "$(memory_of "$(reeved_part worker)")" "/$OWN/worker"
			rctr tasks rm --force "$id"
			rctr containers rm "$id"
		done
	fi
}
