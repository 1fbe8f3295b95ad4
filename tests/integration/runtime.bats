#!/usr/bin/env bats
# The commands of an OCI runtime as its callers use them: what they print, how they end, and that nothing is left.
# Every test holds for runc, but for what not_for says; `RUNTIME=runc ./dev test integration runtime` shows it.

load lib.bash

setup_file() {
	runtime_setup_file
}

setup() {
	runtime_setup
}

teardown() {
	runtime_teardown
}

# --- run --------------------------------------------------------------------------------------------------------

@test "run passes output on and ends with the program's status" {
	bundle_sh 'echo out; echo err >&2; exit 7'
	run -7 --separate-stderr ct_run
	equal "$output" out
	equal "$stderr" err
}

@test "run ends with 128 and the signal that killed the program" {
	bundle_sh 'echo ready; while :; do sleep 0.05; done'
	ct_run >"$B/stdout" 2>&1 3>&- &
	local job=$!
	wait_until 10 grep -q ready "$B/stdout"
	rt kill "$ID" KILL
	ends_with 137 "$job"
}

@test "run removes the container at the end" {
	bundle
	ct_run
	run -1 rt state "$ID"
}

@test "run reads standard input to its end" {
	bundle_sh 'cat | wc -c'
	run -0 rt run --bundle "$B" "$ID" < <(head -c 300000 /dev/zero)
	equal "$output" 300000
}

@test "run passes termination signals on to the program" {
	bundle_sh 'trap "exit 3" TERM; echo ready; while :; do sleep 0.05; done'
	"$RT" --root "$RT_ROOT" run --bundle "$B" "$ID" </dev/null >"$B/stdout" 2>&1 3>&- &
	local job=$!
	wait_until 10 grep -q ready "$B/stdout"
	kill -TERM "$job"
	ends_with 3 "$job"
}

@test "run --detach returns and leaves the container running" {
	bundle_sh 'while :; do sleep 0.05; done'
	rt run --detach --bundle "$B" --pid-file "$B/pid" "$ID" </dev/null >"$B/stdout" 2>&1
	equal "$(status_of)" running
	equal "$(cat "$B/pid")" "$(pid_of)"
}

@test "run --keep leaves the stopped container" {
	not_for crun -- "has no such option"
	bundle_sh 'exit 4'
	run -4 ct_run --keep
	equal "$(status_of)" stopped
	rt delete "$ID"
}

@test "an empty environment will do for run" {
	bundle_sh 'echo hi'
	run -0 env -i "$RT" --root "$RT_ROOT" run --bundle "$B" "$ID" </dev/null
	equal "$output" hi
}

# --- create, start, state, delete -------------------------------------------------------------------------------

@test "create makes a container whose program has not run" {
	bundle_sh 'echo ran'
	ct_create
	equal "$(status_of)" created
	[ -d "/proc/$(pid_of)" ]
	equal "$(cat "$B/stdout")" ""
	rt start "$ID"
	wait_until 10 grep -q ran "$B/stdout"
	wait_until 10 status_is stopped
	rt delete "$ID"
	run -1 rt state "$ID"
}

@test "the pid file holds the decimal pid and nothing else" {
	ct_sleep
	equal "$(wc -c <"$B/pid")" "$(printf %s "$(pid_of)" | wc -c)"
	equal "$(cat "$B/pid")" "$(pid_of)"
	equal "$(cd "$B" && echo *pid* .*pid*)" "pid .*pid*" "files named pid"
}

@test "a stale temporary of the pid file is no obstacle" {
	bundle
	touch "$B/.pid"
	not_for runc -- "refuses"
	ct_create
	equal "$(cat "$B/pid")" "$(pid_of)"
}

@test "create prints nothing to standard output" {
	bundle
	ct_create
	equal "$(cat "$B/stdout")" ""
}

@test "the bundle is the working directory unless it is named" {
	bundle_sh 'echo here'
	cd "$B"
	run -0 rt run "$ID" </dev/null
	equal "$output" here
}

@test "relative paths of the pid file and the root are those of the caller" {
	not_for crun -- "writes the pid file into the bundle"
	bundle
	mkdir "$BATS_TEST_TMPDIR/w"
	cd "$BATS_TEST_TMPDIR/w"
	"$RT" --root r create --bundle "$B" --pid-file p "$ID" </dev/null >"$B/stdout" 2>&1
	[ -s p ]
	[ -d r ]
	"$RT" --root "$BATS_TEST_TMPDIR/w/r" delete --force "$ID"
}

@test "state tells what the specification asks for" {
	bundle '.annotations = {"a.b": "c d"} | .process.args = ["/bin/sleep", "100"]'
	ct_create
	run --separate-stderr -0 rt state "$ID"
	equal "$(jq -r .id <<<"$output")" "$ID"
	equal "$(jq -r .status <<<"$output")" created
	equal "$(jq -r .bundle <<<"$output")" "$B"
	equal "$(jq -r '.annotations["a.b"]' <<<"$output")" "c d"
	equal "$(jq -r '.pid | type' <<<"$output")" number
	matches "$(jq -r .ociVersion <<<"$output")" '^1\.'
	matches "$(jq -r .created <<<"$output")" '^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\.[0-9]{1,9})?Z$'
	rt kill "$ID" KILL
	wait_until 10 status_is stopped
	equal "$(pid_of)" 0 "pid of a stopped container"
}

@test "state of an unknown container says that it does not exist" {
	[ "$RUNTIME" != crun ] || skip "peer crun 1.8: other text"
	run -1 rt state nosuch
	contains "$output" "does not exist"
}

@test "an id in use is refused, and its container is unharmed" {
	ct_sleep
	local pid
	pid=$(pid_of)
	ct_refused
	contains "$output" exist
	equal "$(status_of)" running
	equal "$(pid_of)" "$pid"
}

@test "start of a running container is refused" {
	ct_sleep
	run -1 rt start "$ID"
	not_for crun -- "other text"
	contains "$output" "cannot start an already running container"
}

@test "start of a stopped container is refused" {
	bundle
	ct_start
	wait_until 10 status_is stopped
	run -1 rt start "$ID"
	not_for crun -- "other text"
	contains "$output" "cannot start a container that has stopped"
}

@test "start of an unknown container is refused" {
	[ "$RUNTIME" != crun ] || skip "peer crun 1.8: other text"
	run -1 rt start nosuch
	contains "$output" "does not exist"
}

@test "a created container is deleted without force" {
	bundle
	ct_create
	local pid
	pid=$(pid_of)
	rt delete "$ID"
	wait_until 10 gone "$pid"
}

@test "a running container is deleted only with force" {
	ct_sleep
	local pid
	pid=$(pid_of)
	run -1 rt delete "$ID"
	equal "$(status_of)" running
	rt delete --force "$ID"
	wait_until 10 gone "$pid"
	run -1 rt state "$ID"
}

@test "delete of an unknown container fails, and succeeds with force" {
	rt delete --force nosuch
	run -1 rt delete nosuch
	not_for crun -- "other text"
	contains "$output" "does not exist"
}

@test "delete removes the cgroup and processes that a program left in it" {
	bundle_sh 'sleep 1000 & sleep 1000 & echo ready; exit 0' '.linux.namespaces |= map(select(.type != "pid"))'
	ct_start
	wait_until 10 status_is stopped
	rt delete --force "$ID"
}

@test "an init that was killed before start makes a stopped container" {
	bundle
	ct_create
	rt kill "$ID" KILL
	wait_until 10 status_is stopped
	run -1 rt start "$ID"
	rt delete "$ID"
}

@test "create and delete of twelve containers at a time" {
	bundle '.process.args = ["/bin/sleep", "100"]'
	local i pids=()
	for i in $(seq 12); do
		(
			mkdir "$B/$i"
			jq --arg cg "/test/p$i" '.linux.cgroupsPath = $cg | .root.path = $root' --arg root "$B/rootfs" "$B/config.json" >"$B/$i/config.json"
			rt create --bundle "$B/$i" "p$i" </dev/null >"$B/$i/out" 2>&1 && rt start "p$i" && rt kill "p$i" KILL &&
				wait_until 10 eval "rt state p$i | grep -q stopped" && rt delete "p$i"
		) 3>&- &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" || fail "one of them failed: $(cat "$B"/*/out)"
	done
}

# --- bad input --------------------------------------------------------------------------------------------------

@test "an id that is no name is refused" {
	not_for crun -- "takes blanks"
	bundle
	local id
	for id in '' . .. ../x a/b 'a b' '*' $'a\nb' /; do
		! rt create --bundle "$B" "$id" </dev/null >"$B/stdout" 2>&1 || fail "id '$id' was taken"
		[ -z "$(find "$RT_ROOT" -mindepth 1 2>/dev/null)" ] || fail "id '$id' left $(find "$RT_ROOT" -mindepth 1)"
	done
	[ ! -e "$BATS_TEST_TMPDIR/x" ]
}

@test "a missing bundle, config or root file system is named" {
	run -1 rt create --bundle "$BATS_TEST_TMPDIR/none" "$ID" </dev/null
	contains "$output" none
	bundle
	rm "$B/config.json"
	ct_refused
	contains "$output" config.json
	bundle '.root.path = "nowhere"'
	ct_refused
	contains "$output" nowhere
	run -1 rt state "$ID"
}

@test "a config that is no JSON, or not of the right types, is refused" {
	not_for crun -- "takes an empty list of arguments"
	bundle
	echo '{"ociVersion": "1.0.0", ' >"$B/config.json"
	ct_refused
	echo '[]' >"$B/config.json"
	ct_refused
	bundle '.process.args = "not a list"'
	ct_refused
	bundle '.process.args = []'
	ct_refused
	bundle '.process.cwd = "relative"'
	ct_refused
	bundle '.linux.namespaces += [{"type": "nosuch"}]'
	ct_refused
}

@test "unknown properties and annotations are ignored" {
	bundle_sh 'echo fine' '.nobodyKnows = {"x": 1} | .process.alsoThis = [1] | .linux.andThat = null | .annotations = {"x.y/z": "w"}'
	run -0 ct_run
	equal "$output" fine
}

@test "a program that is not in PATH is named, and nothing is left" {
	bundle '.process.args = ["nosuchprogram"]'
	ct_refused
	matches "$output" 'executable file .*not found in \$PATH'
	run -1 rt state "$ID"
}

@test "a program at a path that does not exist is named" {
	bundle '.process.args = ["/no/such/program"]'
	ct_refused
	contains "${output,,}" "no such file or directory"
	contains "$output" /no/such/program
}

@test "a program that another may execute is run by who has CAP_DAC_OVERRIDE" {
	bundle '.process.args = ["/bin/busybox-mine", "echo", "hello"] | .process.user = {uid: 1000, gid: 1000}
		| .process.capabilities = {bounding: ["CAP_DAC_OVERRIDE"], effective: ["CAP_DAC_OVERRIDE"], permitted: ["CAP_DAC_OVERRIDE"]}'
	install -m 744 "$B/rootfs/bin/busybox" "$B/rootfs/bin/busybox-mine"
	run -0 ct_run
	equal "$output" hello
	bundle '.process.args = ["/bin/busybox-mine", "echo", "hello"] | .process.user = {uid: 1000, gid: 1000}'
	install -m 744 "$B/rootfs/bin/busybox" "$B/rootfs/bin/busybox-mine"
	run ! ct_run
	contains "${output,,}" "permission denied"
}

@test "a program that may not be executed is refused with permission denied" {
	not_for crun -- "finds out at start"
	bundle '.process.args = ["/etc/passwd"]'
	ct_refused
	contains "${output,,}" "permission denied"
}

@test "a directory is no program" {
	not_for crun -- "other text"
	bundle '.process.args = ["/etc"]'
	ct_refused
	matches "${output,,}" 'is a directory|permission denied|not a regular file'
}

@test "an unknown command or option, or the wrong number of arguments, is an error" {
	run rt nosuchcommand
	[ "$status" != 0 ]
	run rt create --nosuchoption "$ID"
	[ "$status" != 0 ]
	run rt start
	[ "$status" != 0 ]
	run rt start a b
	[ "$status" != 0 ]
}

@test "a full disk under the state directory is an error that leaves nothing" {
	bundle
	mkdir "$RT_ROOT"
	mount -t tmpfs -o size=4k,nr_inodes=2 tmpfs "$RT_ROOT"
	ct_refused
	umount "$RT_ROOT"
}

# --- kill -------------------------------------------------------------------------------------------------------

@test "kill sends TERM unless told otherwise" {
	ct_sleep
	rt kill "$ID"
	wait_until 10 status_is stopped
}

@test "signals that end a program end a container that waits for its start" {
	not_for crun -- "waits on"
	local name
	for name in TERM INT HUP QUIT; do
		bundle
		ct_create
		rt kill "$ID" "$name"
		wait_until 10 status_is stopped
		run -1 rt start "$ID"
		rt delete "$ID"
	done
	ct_create
	rt kill "$ID" USR1
	rt start "$ID"
}

@test "kill takes names with and without SIG in any case, and numbers" {
	not_for crun -- "takes no lower case"
	bundle_sh 'n=0; trap "n=\$((n+1)); echo got \$n" USR1; echo ready; while :; do sleep 0.02; done'
	ct_start
	wait_until 10 grep -q ready "$B/stdout"
	local n=0 name
	for name in USR1 SIGUSR1 usr1 10; do
		n=$((n + 1))
		rt kill "$ID" "$name"
		wait_until 10 grep -q "got $n" "$B/stdout"
	done
}

@test "kill with signal 0 asks whether it is alive" {
	ct_sleep
	rt kill "$ID" 0
	equal "$(status_of)" running
}

@test "kill refuses a signal that it does not know" {
	ct_sleep
	not_for crun -- "other text"
	run -1 rt kill "$ID" NOSUCH
	matches "$output" 'unknown signal \\?"NOSUCH' # its text log quotes quotes
}

@test "kill of a stopped container says that it is not running" {
	bundle
	ct_start
	wait_until 10 status_is stopped
	run -1 rt kill "$ID" TERM
	matches "${output,,}" 'container not running|no such process|process already finished'
}

@test "kill --all of a stopped container succeeds" {
	bundle
	ct_start
	wait_until 10 status_is stopped
	rt kill --all "$ID" KILL
}

@test "kill of an unknown container says that it does not exist" {
	[ "$RUNTIME" != crun ] || skip "peer crun 1.8: other text"
	run -1 rt kill nosuch KILL
	contains "$output" "does not exist"
}

@test "KILL without a pid namespace kills every process of the container" {
	not_for crun -- "kills the first process alone"
	[ "$RUNTIME" != runc ] || skip "peer runc 1.1: kills the first process alone"
	bundle_sh 'sleep 1000 & echo $! >/child; echo ready; wait' '.linux.namespaces |= map(select(.type != "pid"))'
	ct_start
	wait_until 10 grep -q ready "$B/stdout"
	rt kill "$ID" KILL
	wait_until 10 gone "$(cat "$B/rootfs/child")"
}

@test "KILL without a pid namespace kills what init has left" {
	not_for crun old-runc -- "says that the container is not running"
	bundle_sh 'sleep 1000 & echo $! >/child; echo ready; wait' '.linux.namespaces |= map(select(.type != "pid"))'
	ct_start
	wait_until 10 grep -q ready "$B/stdout"
	kill -KILL "$(pid_of)"
	wait_until 10 status_is stopped
	! gone "$(cat "$B/rootfs/child")" || fail "it went with init"
	rt kill "$ID" KILL
	wait_until 10 gone "$(cat "$B/rootfs/child")"
	run -1 rt kill "$ID" KILL
	contains "$output" "container not running"
}

# --- pause, resume, ps, list, update ----------------------------------------------------------------------------

@test "pause stops every process and resume lets them go on" {
	bundle_sh 'while :; do echo x; sleep 0.02; done'
	ct_start
	wait_until 10 test -s "$B/stdout"
	rt pause "$ID"
	equal "$(status_of)" paused
	local size
	size=$(wc -c <"$B/stdout")
	sleep 0.3 # the claim is that nothing happens in a time
	equal "$(wc -c <"$B/stdout")" "$size" "size of the output of a paused container"
	rt resume "$ID"
	equal "$(status_of)" running
	wait_until 10 eval "[ \$(wc -c <'$B/stdout') -gt $size ]"
}

@test "pause and resume in the wrong state are refused" {
	not_for crun -- "does nothing and succeeds"
	ct_sleep
	run -1 rt resume "$ID"
	contains "$output" "container not paused"
	rt kill "$ID" KILL
	wait_until 10 status_is stopped
	run -1 rt pause "$ID"
	contains "$output" "container not running"
}

@test "a paused container is deleted with force" {
	ct_sleep
	rt pause "$ID"
	rt delete --force "$ID"
}

@test "ps lists the host's pids of the whole container" {
	ct_sleep
	rt exec --detach "$ID" /bin/sleep 1000 </dev/null >/dev/null 2>&1 3>&-
	run --separate-stderr -0 rt ps --format json "$ID"
	local pid found=0
	for pid in $(jq -r '.[]' <<<"$output"); do
		[ -d "/proc/$pid" ] || continue # a sleep of the shell that has ended
		[ "$pid" != "$(pid_of)" ] || found=1
	done
	equal "$found" 1
	[ "$(jq length <<<"$output")" -ge 2 ] || fail "$output"
}

@test "ps prints a table" {
	ct_sleep
	run -0 rt ps "$ID"
	contains "${lines[0]}" PID
	contains "$output" "$(pid_of)"
}

@test "list of nothing is an empty table and null" {
	mkdir "$RT_ROOT"
	run -0 rt list
	[ "${#lines[@]}" -le 1 ]
	not_for crun -- "prints []"
	run --separate-stderr -0 rt list --format json
	equal "$output" null
}

@test "list shows containers as table, ids and JSON" {
	not_for crun -- "other columns"
	bundle
	ct_create
	run -0 rt list
	matches "${lines[0]}" 'PID +STATUS +BUNDLE +CREATED +OWNER'
	contains "${lines[1]}" "$ID"
	contains "${lines[1]}" created
	run -0 rt list --quiet
	equal "$output" "$ID"
	run -0 --separate-stderr rt list --format json
	equal "$(jq -r '.[0].id' <<<"$output")" "$ID"
	equal "$(jq -r '.[0].bundle' <<<"$output")" "$B"
	equal "$(jq -r '.[0].owner' <<<"$output")" root
}

@test "update changes limits that the kernel then shows" {
	not_for crun -- "takes no suffix"
	bundle_sh 'while :; do sleep 0.05; done' '.linux.resources.memory = {"limit": 67108864} | .linux.resources.pids = {"limit": 100}'
	ct_start
	equal "$(cg memory memory.limit_in_bytes memory.max)" 67108864
	rt update --memory 96m --pids-limit 50 "$ID"
	equal "$(cg memory memory.limit_in_bytes memory.max)" 100663296
	equal "$(cg pids pids.max pids.max)" 50
}

@test "update takes resources as JSON, and leaves what is absent" {
	bundle_sh 'while :; do sleep 0.05; done' '.linux.resources.memory = {"limit": 67108864} | .linux.resources.pids = {"limit": 100}'
	ct_start
	rt update --resources - "$ID" <<<'{"pids": {"limit": 33}}'
	equal "$(cg pids pids.max pids.max)" 33
	equal "$(cg memory memory.limit_in_bytes memory.max)" 67108864
	echo '{"memory": {"limit": 50331648}}' >"$B/res"
	rt update --resources "$B/res" "$ID"
	equal "$(cg memory memory.limit_in_bytes memory.max)" 50331648
}

@test "an update that fails half way changes nothing; one that succeeds is kept with the container" {
	not_for runc crun -- "leave what was written before the failure"
	ct_sleep
	rt update --pids-limit 44 "$ID"
	equal "$(jq .linux.resources.pids.limit "$RT_ROOT/$ID/config.json")" 44
	run rt update --resources - "$ID" <<<'{"pids": {"limit": 33}, "memory": {"limit": 99614720},
		"blockIO": {"throttleReadBpsDevice": [{"major": 999, "minor": 999, "rate": 1000}]}}'
	[ "$status" != 0 ]
	contains "$output" "linux.resources.blockIO"
	equal "$(cg pids pids.max pids.max)" 44
	[ "$(cg memory memory.limit_in_bytes memory.max)" != 99614720 ]
	equal "$(jq -c .linux.resources.pids "$RT_ROOT/$ID/config.json")" '{"limit":44}'
	rt update --memory 95m "$ID"
	equal "$(jq -c '[.linux.resources.pids.limit, .linux.resources.memory.limit]' "$RT_ROOT/$ID/config.json")" "[44,99614720]"
	rt exec "$ID" /bin/true
}

@test "update of quota and period one at a time" {
	bundle_sh 'while :; do sleep 0.05; done'
	ct_start
	rt update --cpu-period 50000 --cpu-quota 25000 "$ID"
	rt update --cpu-quota 10000 "$ID"
	if is_v2; then
		equal "$(cg - - cpu.max)" "10000 50000"
	else
		equal "$(cg cpu cpu.cfs_quota_us -)" 10000
		equal "$(cg cpu cpu.cfs_period_us -)" 50000
	fi
}

# --- exec -------------------------------------------------------------------------------------------------------

@test "exec runs a program in the container and ends with its status" {
	ct_sleep
	run -7 --separate-stderr rt exec "$ID" /bin/sh -c 'echo out; echo err >&2; exit 7' </dev/null
	equal "$output" out
	equal "$stderr" err
}

@test "exec ends with 128 and the signal that killed the program" {
	ct_sleep
	run -137 rt exec "$ID" /bin/sh -c 'kill -KILL $$' </dev/null
}

@test "a container and its execs have all CPUs of their cgroup, whatever their caller keeps to" {
	not_for old-runc old-crun -- "keeps the caller's"
	local one all when=initial
	all=$(awk '/^Cpus_allowed_list:/ { print $2 }' /proc/self/status)
	one=${all%%[-,]*}
	bundle_sh 'grep ^Cpus_allowed_list: /proc/self/status; echo ready; while :; do sleep 0.05; done'
	within 30 taskset -c "$one" "$RT" --root "$RT_ROOT" run --detach --bundle "$B" "$ID" </dev/null >"$B/stdout" 2>&1
	wait_until 10 grep -q ready "$B/stdout"
	matches "$(head -n 1 "$B/stdout")" "[[:space:]]$all\$"
	run -0 within 30 taskset -c "$one" "$RT" --root "$RT_ROOT" exec "$ID" grep ^Cpus_allowed_list: /proc/self/status
	matches "$output" "[[:space:]]$all\$"
	# Before Linux 6.2 the kernel forgets a mask where a cgroup is entered.
	[ "$(printf '6.2\n%s\n' "$(uname -r)" | sort -V | head -n 1)" = 6.2 ] || when=final
	jq --arg cpu "$one" --arg when "$when" '.process | .args = ["grep", "^Cpus_allowed_list:", "/proc/self/status"] | .execCPUAffinity[$when] = $cpu' \
		"$B/config.json" >"$B/process.json"
	run -0 rt exec --process "$B/process.json" "$ID"
	matches "$output" "[[:space:]]$one\$"
}

@test "exec reads standard input to its end" {
	ct_sleep
	run -0 rt exec "$ID" /bin/wc -c < <(head -c 200000 /dev/zero)
	equal "$output" 200000
}

@test "exec sees the namespaces of the container" {
	ct_sleep
	local pid ns
	pid=$(pid_of)
	for ns in pid mnt net uts ipc cgroup; do
		equal "$(rt exec "$ID" /bin/readlink "/proc/self/ns/$ns" </dev/null)" "$(readlink "/proc/$pid/ns/$ns")"
	done
}

@test "exec is in the cgroup of the container" {
	ct_sleep
	rt exec --detach --pid-file "$B/execpid" "$ID" /bin/sleep 1000 </dev/null >/dev/null 2>&1 3>&-
	equal "$(sort "/proc/$(cat "$B/execpid")/cgroup")" "$(sort "/proc/$(pid_of)/cgroup")"
}

@test "a config without a process can be created, not started" {
	not_for runc -- "refuses to create it"
	bundle 'del(.process)'
	ct_create
	status_is created
	not_for crun -- "says that it has started"
	run -1 rt start "$ID"
	contains "$output" "process: missing in the configuration"
	status_is created
	jq '.process | .args = ["/bin/echo", "in it"]' "$BATS_FILE_TMPDIR/template/config.json" >"$B/process.json"
	run -0 rt exec --process "$B/process.json" "$ID" </dev/null
	equal "$output" "in it"
	rt delete "$ID"
	run -1 rt run --bundle "$B" "$ID" </dev/null
	contains "$output" "process: missing in the configuration"
}

@test "exec takes environment, directory and user" {
	ct_sleep
	run -0 rt exec --env A=b --env "C=d e" --cwd /tmp --user 1000:1000 "$ID" /bin/sh -c 'echo "$A $C $PWD $(id -u) $(id -g)"' </dev/null
	equal "$output" "b d e /tmp 1000 1000"
}

@test "exec takes additional groups and capabilities" {
	not_for crun -- "keeps no groups, or the inheritable set"
	ct_sleep
	run -0 rt exec --additional-gids 29 --additional-gids 44 "$ID" /bin/id -G </dev/null
	equal "$output" "0 29 44"
	run -0 rt exec --cap CAP_NET_ADMIN "$ID" /bin/grep CapEff /proc/self/status </dev/null
	equal "$((0x${output##*$'\t'} >> 12 & 1))" 1 "CAP_NET_ADMIN in $output"
	run -0 rt exec --cap CAP_NET_ADMIN "$ID" /bin/grep CapInh /proc/self/status </dev/null
	equal "$((0x${output##*$'\t'} >> 12 & 1))" 0 "CAP_NET_ADMIN in $output"
}

@test "a capability that there is none of is ignored with a warning, in an exec too" {
	not_for old-runc old-crun crun -- "refuses it, or does not warn"
	bundle_sh 'while :; do sleep 0.05; done' '.process.capabilities.bounding += ["CAP_NOPE"]'
	rt --debug --log "$B/log" run --detach --bundle "$B" "$ID" </dev/null >"$B/stdout" 2>&1
	run -0 grep -c 'level=warning.*CAP_NOPE' "$B/log"
	run -0 rt --debug --log "$B/log-exec" exec --cap CAP_NONE "$ID" /bin/true </dev/null
	run -0 grep -c 'level=warning.*CAP_NONE' "$B/log-exec"
}

@test "ambient capabilities that are not inheritable are left out with a warning" {
	not_for old-runc crun -- "does not warn"
	bundle_sh 'grep CapAmb /proc/self/status' '.process.capabilities |= (.inheritable = ["CAP_KILL"] | .permitted = ["CAP_KILL", "CAP_CHOWN"] | .bounding = .permitted | .effective = .permitted | .ambient = ["CAP_KILL", "CAP_CHOWN"])'
	run -0 rt --debug --log "$B/log" run --bundle "$B" "$ID" </dev/null
	matches "$output" 'CapAmb:[[:space:]]*0000000000000020'
	run -0 grep -c "level=warning.*can't raise ambient capability CAP_CHOWN: " "$B/log"
}

@test "exec takes a process document" {
	ct_sleep
	jq '.process | .args = ["/bin/sh", "-c", "echo $A; pwd; id -u; exit 9"] | .env += ["A=from file"] | .cwd = "/etc" | .user = {"uid": 5, "gid": 6}' \
		"$B/config.json" >"$B/process.json"
	run -9 rt exec --process "$B/process.json" "$ID" </dev/null
	equal "$output" $'from file\n/etc\n5'
}

# Clients in Go write no false and no empty list: what is not there is off.
@test "exec by a process document has its limits and no_new_privs alone, the capabilities of the container when it names none" {
	local caps
	bundle_sh 'exec sleep 1000' '.process |= (.rlimits = [{"type": "RLIMIT_NOFILE", "soft": 500, "hard": 512}] | .noNewPrivileges = true)'
	ct_start
	caps=$(grep CapBnd "/proc/$(pid_of)/status")
	jq '.process | {cwd, user, env, args: ["/bin/sh", "-c", "ulimit -Hn; grep -E \"NoNewPrivs|CapBnd\" /proc/self/status"]}' \
		"$B/config.json" >"$B/process.json"
	run -0 --separate-stderr rt exec --process "$B/process.json" "$ID" </dev/null
	equal "${lines[0]}" "$(ulimit -Hn)" "limit of descriptors"
	contains "$output" "$caps"
	contains "$output" $'NoNewPrivs:\t0'
	jq '.noNewPrivileges = true | .rlimits = [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}]' "$B/process.json" >"$B/more.json"
	run -0 --separate-stderr rt exec --process "$B/more.json" "$ID" </dev/null
	equal "${lines[0]}" 200 "limit of descriptors"
	contains "$output" $'NoNewPrivs:\t1'
}

@test "exec --detach returns with the pid in the file" {
	ct_sleep
	rt exec --detach --pid-file "$B/execpid" "$ID" /bin/sh -c 'echo started; exec sleep 1000' </dev/null >"$B/execout" 2>&1 3>&-
	[ -d "/proc/$(cat "$B/execpid")" ]
	wait_until 10 grep -q started "$B/execout"
}

@test "exec HOME is the user's" {
	ct_sleep
	run -0 rt exec --user 1000 "$ID" /bin/sh -c 'echo $HOME' </dev/null
	equal "$output" /home/app
}

@test "exec of a program that is not there says so and leaves no process" {
	not_for crun -- "other texts and statuses"
	ct_sleep
	run rt exec "$ID" nosuchprogram </dev/null
	matches "$output" 'executable file .*not found in \$PATH'
	equal "$status" "$([ "$RUNTIME" = crun-sid ] && echo 1 || echo 255)" status
	run rt exec "$ID" /no/such </dev/null
	contains "${output,,}" "no such file or directory"
	run rt exec "$ID" /etc/passwd </dev/null
	contains "${output,,}" "permission denied"
	rt kill "$ID" KILL
	wait_until 10 status_is stopped # a zombie left in the pid namespace would keep it
}

@test "exec in a stopped, paused or unknown container is refused" {
	ct_sleep
	rt pause "$ID"
	not_for crun -- "other texts"
	run -255 rt exec "$ID" /bin/true </dev/null
	contains "$output" "cannot exec in a paused container"
	rt resume "$ID"
	rt kill "$ID" KILL
	wait_until 10 status_is stopped
	run -255 rt exec "$ID" /bin/true </dev/null
	matches "$output" 'cannot exec in a stopped container|cannot exec a container that has stopped'
	run rt exec nosuch /bin/true </dev/null
	[ "$status" != 0 ]
	contains "$output" "does not exist"
}

@test "exec stops option parsing at the program" {
	ct_sleep
	run -0 rt exec "$ID" /bin/echo -t --env x </dev/null
	equal "$output" "-t --env x"
}

@test "an exec that runs does not outlive the container" {
	ct_sleep
	rt exec --detach --pid-file "$B/execpid" "$ID" /bin/sleep 1000 </dev/null >/dev/null 2>&1 3>&-
	rt kill "$ID" KILL
	wait_until 10 gone "$(cat "$B/execpid")"
}

# --- terminals --------------------------------------------------------------------------------------------------

# Start recvtty with these options and wait until it listens. Its output is in B/tty.
terminal() {
	"$LIB/recvtty" "$@" "$B/console" </dev/null >"$B/tty" 2>"$B/tty.err" 3>&- &
	TERMINAL=$!
	wait_until 10 test -S "$B/console"
}

@test "a terminal goes over the console socket" {
	bundle_sh 'tty; stty size; test -c /dev/console && echo console; exit 5' \
		'.process.terminal = true | .process.consoleSize = {"height": 33, "width": 111}'
	terminal -n
	ct_start --console-socket "$B/console"
	wait "$TERMINAL"
	equal "$(tr -d '\r' <"$B/tty")" $'/dev/pts/0\n33 111\nconsole'
}

@test "the program is the leader of the terminal's session" {
	bundle_sh 'trap "echo interrupted; exit" INT; echo ready; while :; do sleep 0.02; done' '.process.terminal = true'
	mkfifo "$B/keys"
	"$LIB/recvtty" "$B/console" <"$B/keys" >"$B/tty" 2>&1 3>&- &
	local job=$!
	exec 7>"$B/keys"
	wait_until 10 test -S "$B/console"
	ct_start --console-socket "$B/console"
	wait_until 10 grep -q ready "$B/tty"
	printf '\003' >&7
	wait_until 10 grep -q interrupted "$B/tty"
	exec 7>&-
	ends_with 0 "$job"
}

@test "exec takes a terminal over its own console socket" {
	ct_sleep
	terminal -n
	rt exec --tty --detach --console-socket "$B/console" "$ID" /bin/sh -c 'tty; echo done' </dev/null >/dev/null 2>&1
	wait "$TERMINAL"
	equal "$(tr -d '\r' <"$B/tty")" $'/dev/pts/0\ndone'
}

@test "a terminal without a console socket, or a socket without a terminal, is refused" {
	not_for crun -- "takes a socket without a terminal"
	bundle '.process.terminal = true'
	ct_refused
	bundle
	terminal -n
	ct_refused --console-socket "$B/console"
	kill "$TERMINAL"
}

@test "who gives no console socket for a terminal is told of the option" {
	not_for runc -- "names none"
	bundle '.process.terminal = true'
	ct_refused
	contains "$output" "use --console-socket"
	run ! ct_run --detach
	contains "$output" "use --console-socket"
}

# in_terminal COMMAND: as at a keyboard that says nothing.
in_terminal() {
	mkfifo "$BATS_TEST_TMPDIR/keyboard"
	exec 7<>"$BATS_TEST_TMPDIR/keyboard"
	(set -o pipefail && script -qec "$1" /dev/null <&7 | tr -d '\r')
}

@test "run with a terminal is a terminal for its user" {
	not_for crun -- "loses the size"
	bundle_sh 'tty; until [ "$(stty size 2>/dev/null)" = "21 77" ]; do sleep 0.02; done; stty size; exit 6' '.process.terminal = true'
	run -6 in_terminal "stty rows 21 cols 77; '$RT' --root '$RT_ROOT' run --bundle '$B' '$ID'"
	equal "$output" $'/dev/pts/0\n21 77'
}

@test "exec with a terminal is a terminal for its user" {
	ct_sleep
	run -6 in_terminal "'$RT' --root '$RT_ROOT' exec -t '$ID' /bin/sh -c 'tty; exit 6'"
	equal "$output" /dev/pts/0
}

# --- what clients match on --------------------------------------------------------------------------------------

@test "an error is one JSON object in the log, and on standard error too" {
	bundle '.process.args = ["nosuchprogram"]'
	local rc=0
	rt --log "$B/log" --log-format json create --bundle "$B" "$ID" </dev/null >"$B/stdout" 2>"$B/stderr" || rc=$?
	equal "$rc" 1 status
	equal "$(cat "$B/stdout")" ""
	contains "$(cat "$B/stderr")" "executable file"
	equal "$(jq -s 'map(select(.level == "error")) | length' "$B/log")" 1
	equal "$(jq -sc 'last | keys' "$B/log")" '["level","msg","time"]'
	contains "$(jq -sr 'last.msg' "$B/log")" "executable file"
	date -d "$(jq -sr 'last.time' "$B/log")"
}

@test "the log is text unless JSON is asked for, and is appended to" {
	not_for crun -- "other text"
	run -1 rt --log "$BATS_TEST_TMPDIR/log" state nosuch1
	run -1 rt --log "$BATS_TEST_TMPDIR/log" state nosuch2
	equal "$(wc -l <"$BATS_TEST_TMPDIR/log")" 2
	contains "$(head -n 1 "$BATS_TEST_TMPDIR/log")" "does not exist"
}

@test "long options take their value after a blank or =" {
	bundle
	"$RT" --root="$RT_ROOT" --log="$B/log" --log-format=text create --bundle="$B" --pid-file="$B/pid" "$ID" </dev/null >/dev/null 2>&1 3>&-
	equal "$("$RT" --root "$RT_ROOT" state "$ID" | jq -r .id)" "$ID"
}

@test "long options may have one dash" {
	not_for crun -- "does not take them"
	bundle
	"$RT" -root "$RT_ROOT" create -bundle "$B" -pid-file "$B/pid" "$ID" </dev/null >/dev/null 2>&1 3>&-
	equal "$(status_of)" created
}

@test "version and help" {
	run -0 "$RT" --version
	matches "${lines[0]}" "^$KIND version [0-9]"
	matches "$output" 'spec: 1\.'
	run -0 "$RT" --help
	local command
	for command in create start run exec state kill delete list ps pause resume update spec; do
		run -0 "$RT" "$command" --help
	done
}

@test "spec writes a config that runs, and overwrites none" {
	mkdir "$BATS_TEST_TMPDIR/s"
	cp -a "$BATS_FILE_TMPDIR/template/rootfs" "$BATS_TEST_TMPDIR/s/rootfs"
	cd "$BATS_TEST_TMPDIR/s"
	rt spec
	jq -e '.ociVersion and .process.args and .root.path == "rootfs" and .linux.maskedPaths and .linux.readonlyPaths' config.json
	run -1 rt spec
	jq --arg cg "/test/$ID" '.process.terminal = false | .process.args = ["/bin/echo", "default"] | .linux.cgroupsPath = $cg' config.json >c && mv c config.json
	run -0 rt run "$ID" </dev/null
	equal "$output" default
}

@test "features is a JSON document of the specification" {
	[ "$RUNTIME" != crun ] || skip "peer crun 1.8: has no features"
	run -0 --separate-stderr "$RT" features
	jq -e '.ociVersionMin and .ociVersionMax and (.hooks | index("poststop")) and (.mountOptions | index("rbind"))
		and (.linux.namespaces | index("cgroup")) and (.linux.capabilities | index("CAP_CHOWN"))
		and .linux.cgroup.v1 and .linux.seccomp.enabled' <<<"$output"
}

@test "the caller's descriptors do not reach the program" {
	bundle_sh 'ls /proc/self/fd'
	exec 8<"$B/config.json"
	run -0 ct_run
	exec 8<&-
	equal "$(paste -sd" " <<<"$output")" "0 1 2 3" # the last is the directory that ls reads
}

@test "descriptors that are to be kept are, at their numbers" {
	bundle_sh 'cat <&3; cat <&4'
	echo three >"$B/3"
	echo four >"$B/4"
	run -0 ct_run --preserve-fds 2 3<"$B/3" 4<"$B/4"
	equal "$output" $'three\nfour'
}

@test "a helper that cannot be loaded: what is missing is named" {
	local lib
	not_for runc crun -- "have none"
	lib=$(ldd "$TOP/out/bin/reeve-helper" | sed -nE 's/^[[:space:]]*(libprotobuf-c\.so[^ ]*) => .*/\1/p')
	: >"$BATS_TEST_TMPDIR/$lib" # no library, and the first place to look
	bundle '.linux.cgroupsPath = "system.slice:reeve:x"'
	LD_LIBRARY_PATH=$BATS_TEST_TMPDIR run -1 rt --systemd-cgroup create --bundle "$B" "$ID" </dev/null
	contains "$output" "systemd cgroup driver: reeve-helper has ended: "
	contains "$output" "error while loading shared libraries: $BATS_TEST_TMPDIR/$lib"
	[ ! -e "$RT_ROOT/$ID" ]
}

@test "without systemd its driver says so, and leaves nothing" {
	[ ! -e /run/systemd/private ] || skip "systemd runs here"
	bundle '.linux.cgroupsPath = "system.slice:reeve:x"'
	not_for runc crun -- "its own words"
	run -1 rt --systemd-cgroup create --bundle "$B" "$ID" </dev/null
	contains "$output" "systemd cgroup driver: systemd does not run here"
	[ ! -e "$RT_ROOT/$ID" ]
}
