#!/usr/bin/env bats
# Commands beside those of runc 1.3 and crun 1.28: what they print, and what they leave in the kernel.

load lib.bash

setup_file() {
	runtime_setup_file
	PEERS=$("$TOP/tools/peers" oci-sid)/bin
	export PEERS
}

setup() {
	not_for runc crun -- "is compared with itself"
	runtime_setup
}

teardown() {
	runtime_teardown
}

# The names of all members; elements of arrays are "*".
members() {
	jq -r 'paths | map(if type == "number" then "*" else tostring end) | join(".")' | LC_ALL=C sort -u
}

# Lines of the first file that the second has not.
missing() {
	LC_ALL=C comm -23 "$1" "$2"
}

# by NAME ARGUMENT...: reeve, runc or crun with a root of its own.
by() {
	local name=$1
	shift
	case $name in
	reeve) rt "$@" ;;
	*) within 30 "$PEERS/$name" --root "$BATS_TEST_TMPDIR/$name" "$@" ;;
	esac
}

# running NAME [JQ-FILTER]: a container that runs, by that runtime, with the cgroup /test/NAME.
running() {
	bundle '.linux.cgroupsPath = "/test/" + $n | .process.args = ["/bin/sleep", "100"] | '"${2:-.}" --arg n "$1"
	by "$1" create --bundle "$B" "$1" </dev/null >"$B/out" 2>&1 || fail "$1: $(cat "$B/out")"
	by "$1" start "$1"
	# runc's start is over before the program runs
	wait_until 10 grep -qx sleep "/proc/$(by "$1" state "$1" | jq .pid)/comm"
}

@test "spec is that of runc but for its name, its version and two more masked paths" {
	local rootless
	mkdir -p "$B/runc" "$B/ours" "$B/runc-rootless" "$B/ours-rootless"
	for rootless in '' --rootless; do
		by runc spec ${rootless:+"$rootless"} --bundle "$B/runc$([ -z "$rootless" ] || echo -rootless)"
		rt spec ${rootless:+"$rootless"} --bundle "$B/ours$([ -z "$rootless" ] || echo -rootless)"
	done
	# They tell of what others do: GHSA-7ww5-4wqc-m92c.
	local more='["/proc/interrupts", "/sys/devices/virtual/powercap"]'
	local f="del(.hostname, .ociVersion) | .linux.namespaces |= sort_by(.type) | .linux.maskedPaths -= $more"
	diff <(jq -S "$f" "$B/runc/config.json") <(jq -S "$f" "$B/ours/config.json")
	diff <(jq -S "$f" "$B/runc-rootless/config.json") <(jq -S "$f" "$B/ours-rootless/config.json")
	equal "$(jq -c --argjson more "$more" '$more - .linux.maskedPaths' "$B/ours/config.json")" '[]'
	run -1 rt spec --bundle "$B/ours"
	contains "$output" "exists"
	rt spec --bundle "$B/ours" --file other.json
	cmp "$B/ours/config.json" "$B/ours/other.json"
	run -1 rt spec --bundle "$B/none"
}

@test "features has the members that runc and crun have" {
	local peer
	mkdir -p "$B"
	rt features | members | sed -E '/^annotations\./d' >"$B/ours"
	for peer in runc crun; do
		by "$peer" features | members | sed -E '/^annotations\./d' >"$B/$peer"
		equal "$(missing "$B/$peer" "$B/ours")" "" "members of $peer that are not ours"
	done
	equal "$(missing <(by runc features | jq -r '.mountOptions[]' | LC_ALL=C sort) <(rt features | jq -r '.mountOptions[]' | LC_ALL=C sort))" ""
	mkdir "$B/bin"
	ln -s "$RT" "$B/bin/runc"
	ln -s "$RT" "$B/bin/crun"
	equal "$("$B/bin/runc" features | jq -r '.annotations["org.opencontainers.runc.version"]')" 1.3.6
	equal "$("$B/bin/crun" features | jq -r '.annotations["run.oci.crun.version"]')" 1.28
}

@test "state and list have runc's members" {
	running reeve '.annotations = {a: "b"}'
	running runc '.annotations = {a: "b"}'
	equal "$(missing <(by runc state runc | members) <(rt state reeve | members))" ""
	equal "$(missing <(by runc list -f json | members) <(rt list -f json | members))" ""
	by runc list | sed -n 1p | tr -s ' ' >"$B/theirs"
	rt list | sed -n 1p | tr -s ' ' | diff "$B/theirs" -
	equal "$(rt list -f json | jq -r '.[0].owner')" "$(by runc list -f json | jq -r '.[0].owner')"
	by runc delete --force runc
}

@test "ps has runc's table and array" {
	running reeve
	running runc
	equal "$(rt ps reeve | sed -n 1p | tr -s ' ')" "$(by runc ps runc | sed -n 1p | tr -s ' ')"
	equal "$(rt ps reeve | wc -l)" "$(by runc ps runc | wc -l)"
	equal "$(rt ps reeve -o pid,comm | tail -n +2 | tr -s ' ' | cut -d' ' -f3)" "$(by runc ps runc -o pid,comm | tail -n +2 | tr -s ' ' | cut -d' ' -f3)"
	equal "$(rt ps -f json reeve | jq length)" "$(by runc ps -f json runc | jq length)"
	by runc delete --force runc
}

# What the kernel says of /test/NAME in the files that update writes.
limits() {
	local f
	for f in cpu.shares cpu.cfs_quota_us cpu.cfs_period_us cpu.cfs_burst_us cpu.idle cpuset.cpus cpuset.mems memory.limit_in_bytes \
		memory.memsw.limit_in_bytes memory.soft_limit_in_bytes pids.max blkio.weight blkio.bfq.weight \
		cpu.weight cpu.max cpu.max.burst memory.max memory.low memory.swap.max io.weight io.bfq.weight; do
		find "/sys/fs/cgroup/test/$1/$f" "/sys/fs/cgroup/"*"/test/$1/$f" -prune 2>/dev/null | while IFS= read -r f; do
			echo "${f##*/} $(cat "$f")"
		done
	done
}

# alike FLAG...: what an update leaves by each runtime.
alike() {
	local a=0 b=0
	rt update "$@" reeve >"$B/ours" 2>&1 || a=$?
	by runc update "$@" runc >"$B/theirs" 2>&1 || b=$?
	equal "$a" "$b" "status of update $* ($(cat "$B/ours"); $(cat "$B/theirs"))"
	diff <(limits runc) <(limits reeve) || fail "after update $*"
}

@test "update by flags leaves the limits that runc's leaves" {
	running reeve '.linux.resources.memory = {"limit": 67108864}'
	running runc '.linux.resources.memory = {"limit": 67108864}'
	[ -n "$(limits reeve)" ]
	diff <(limits runc) <(limits reeve)
	alike --cpu-share 2048
	alike --cpu-quota 50000
	alike --cpu-period 200000 --cpu-quota 100000
	alike --cpu-burst 10000
	alike --cpu-quota -1
	alike --memory 33554432
	alike --memory-reservation 16m
	alike --memory 50m --memory-swap 100m
	alike --memory 60.5M
	alike --memory '40 MB'
	alike --memory '' --cpu-quota '' --memory-reservation 8m
	alike --memory -1
	alike --pids-limit 77
	alike --pids-limit -1
	alike --cpuset-cpus 0
	alike --cpuset-mems 0
	alike --memory x
	alike --cpu-share x
	by runc delete --force runc
}

@test "update by a document leaves the limits that runc's leaves" {
	running reeve
	running runc
	local doc
	for doc in '{"memory": {"limit": 33554432, "swap": 67108864, "reservation": 8388608}}' \
		'{"cpu": {"shares": 512, "quota": 20000, "period": 100000, "cpus": "0", "mems": "0"}}' \
		'{"pids": {"limit": 20}}' '{"cpu": {"idle": 1}}' '{"cpu": {"idle": 0}}' '{}'; do
		echo "$doc" >"$B/doc"
		alike --resources "$B/doc"
	done
	rt update -r - reeve <<<'{"pids": {"limit": 33}}'
	equal "$(cg pids pids.max pids.max /test/reeve)" 33
	by runc delete --force runc
}

# refuses WORDS ARGUMENT...: reeve and runc fail, and say these words; NAME stands for the id, which is the runtime's name.
refuses() {
	local words=$1 name
	shift
	for name in reeve runc; do
		if by "$name" "${@//NAME/$name}" >"$B/said" 2>&1 </dev/null; then fail "$name $*"; fi
		contains "$(cat "$B/said")" "${words//NAME/$name}"
	done
}

@test "what is refused is refused with the words of runc" {
	running reeve
	running runc
	refuses "cannot delete container NAME that is not stopped: running" delete NAME
	refuses "exec args cannot be empty" exec NAME
	refuses " .. is not a sub cgroup path" exec --cgroup .. NAME /bin/true
	refuses "/nosuch/cgroup.procs: no such file " exec --cgroup nosuch NAME /bin/true
	refuses "cannot allocate tty if runc will detach without setting console socket" exec -d -t NAME /bin/true
	refuses "cannot use console socket if runc will not detach or allocate tty" exec -d --console-socket /nosuch NAME /bin/true
	refuses "No help topic for 'nosuch'" nosuch
	refuses "invalid log-format: xml" --log-format xml list
	if is_v2; then
		echo '{"memory": {"limit": 1024, "checkBeforeUpdate": true}}' >"$B/doc"
		refuses "rejecting memory limit 1024" update --resources "$B/doc" NAME
		echo '{"memory": {"limit": 1024, "swap": 2048, "checkBeforeUpdate": true}}' >"$B/doc"
		refuses "rejecting memory+swap limit 2048" update --resources "$B/doc" NAME
	else
		refuses "unable to set memory limit to 4096 (current usage: " update --memory 4096 NAME
	fi
	by runc delete --force runc
	rt delete --force reeve
	if [ "$(nproc)" -gt 1 ]; then
		bundle '.linux.resources.cpu.cpus = "0" | .process.scheduler = {"policy": "SCHED_DEADLINE", "runtime": 42000, "deadline": 1000000, "period": 1000000}'
		refuses "process scheduler can't be used together with AllowedCPUs" create --bundle "$B" NAME
	fi
	bundle '.linux.timeOffsets = {"boottime": {"secs": 1}}'
	refuses "time namespace offsets specified, but " create --bundle "$B" NAME
	bundle '.mounts += [{"destination": "/m", "type": "tmpfs", "uidMappings": [$m], "gidMappings": [$m]}]' --argjson m '{"containerID": 0, "hostID": 1, "size": 1}'
	refuses "id-mapped mounts are only supported for bind-mounts" create --bundle "$B" NAME
	bundle '.mounts += [{"destination": "/m", "type": "bind", "options": ["bind"], "source": "/", "uidMappings": [{"containerID": 0, "hostID": 1, "size": 1}]}]'
	refuses "id-mapped mounts must have both uid and gid mappings specified" create --bundle "$B" NAME
}

@test "the help of a command begins with its name, as runc's does" {
	local command
	for command in create run update checkpoint; do
		by runc "$command" -h | grep . | sed -n 's/ - .*//; 1,2p' >"$B.theirs"
		rt "$command" -h | grep . | sed -n 's/ - .*//; 1,2p' | sed "s/${RT##*/}/runc/" | diff "$B.theirs" -
	done
}

@test "global options of engines are taken before every command" {
	running reeve
	local command
	for command in 'state reeve' 'list -q' 'ps reeve' 'events --stats reeve'; do
		# shellcheck disable=SC2086 # a command with what belongs to it
		run -0 rt --systemd-cgroup --rootless auto $command
		# shellcheck disable=SC2086
		run -0 rt --cgroup-manager=systemd --rootless=true $command
	done
	run -0 rt --systemd-cgroup --debug --log "$B/log" --log-format json --rootless=false pause reeve
	run -0 rt --systemd-cgroup resume reeve
	run -0 rt --systemd-cgroup exec reeve /bin/true </dev/null
	run -0 rt --systemd-cgroup update --pids-limit 50 reeve
	run -0 rt --systemd-cgroup kill reeve KILL
	wait_until 10 eval '[ "$(rt state reeve | jq -r .status)" = stopped ]'
	run -0 rt --systemd-cgroup delete reeve
	run -1 rt --rootless maybe list
}
