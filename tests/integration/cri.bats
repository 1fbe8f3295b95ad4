#!/usr/bin/env bats
# Pods of containerd's CRI with our shim below, driven as a kubelet drives them. `./dev test integration cri` runs this
# file under containerd 1.6 and 2.1 with a pause container, and under 2.1 with the shim itself holding the pod
# (SANDBOXER=shim). SHIM=runc runs it with containerd's own shim.

load lib.bash
load containerd.bash
load cri.bash

setup_file() {
	ORPHANS_BEFORE=" $(ps -o pid= --ppid 1 | paste -sd' ' | tr -s ' ') "
	cri_up "$BATS_FILE_TMPDIR/cd"
	ORPHANS_BEFORE+="$CONTAINERD_PID "
	export ORPHANS_BEFORE
}

teardown_file() {
	containerd_stop
}

setup() {
	NAME=p$BATS_TEST_NUMBER
}

teardown() {
	cri_sweep
	containerd_nothing_left
}

# --- pods -------------------------------------------------------------------------------------------------------

@test "a pod of three containers has one shim, and each container is a task of it" {
	local i shims
	pod_up "$NAME"
	shims=$(shims)
	for i in 1 2 3; do
		container_up "c$i" "$forever"
	done
	equal "$(shims)" "$shims"
	equal "$(shims | wc -l)" 1 "number of shims"
	equal "$(cri ListContainers '{}' '[.containers[] | select(.state == "CONTAINER_RUNNING")] | length')" 3
	pod_is "$POD" SANDBOX_READY
}

@test "a pod that the shim holds has no pause container" {
	host_network_works && skip "peer containerd $CONTAINERD: a pause container holds the pod"
	pod_up "$NAME"
	equal "$(ctr container ls -q)" ""
	equal "$(cri PodSandboxStatus "{\"pod_sandbox_id\": \"$POD\", \"verbose\": true}" '.info.info | fromjson | .processStatus')" running
	# The guardian is in the namespaces itself: it and its worker are all that there is.
	equal "$(ps -o pid= --ppid "$(shims)" | tr -d ' ')" "$(shim_workers)" "the guardian's children"
	run ! ps -o pid= --ppid "$(shim_workers)"
	container_up a "$forever"
	local pid
	pid=$(cri PodSandboxStatus "{\"pod_sandbox_id\": \"$POD\", \"verbose\": true}" '.info.info | fromjson | .pid')
	equal "$(readlink "/proc/$pid/ns/net")" "$(ns "$CT" net)"
	equal "$(readlink "/proc/$pid/ns/ipc")" "$(ns "$CT" ipc)"
	equal "$(readlink "/proc/$pid/ns/uts")" "$(ns "$CT" uts)"
	# What a container may not do: ask for a pid namespace that the pod does not have.
	container_create b "$forever" '.linux.security_context.namespace_options.pid = "POD"'
	run ! container_start
	contains "$output" "no pid namespace"
}

# ns CONTAINER NAMESPACE
ns() {
	readlink "/proc/$(container_pid "$1")/ns/$2"
}

@test "the containers of a pod share its network, IPC and host name, and nothing else" {
	local a b name
	pod_up "$NAME" "$own_network"
	container_up a 'exec sleep 1000'
	a=$CT
	container_up b "$forever"
	b=$CT
	for name in net ipc uts; do
		equal "$(ns "$a" $name)" "$(ns "$b" $name)" "$name namespace"
		[ "$(ns "$a" $name)" != "$(readlink /proc/self/ns/$name)" ] || fail "the $name namespace of the pod is the host's"
	done
	for name in pid mnt; do
		[ "$(ns "$a" $name)" != "$(ns "$b" $name)" ] || fail "both have the same $name namespace"
	done
	equal "$(exec_in "$a" hostname)" box
	equal "$(exec_in "$b" cat /proc/sys/kernel/hostname)" box
	# System V shared memory, and POSIX' below /dev/shm
	exec_in "$a" /bin/sh -c 'echo shared >/dev/shm/f'
	equal "$(exec_in "$b" cat /dev/shm/f)" shared
	equal "$(exec_in "$a" ps -o pid | wc -l)" 3 "lines about the processes that a container sees: its own, and ps"
}

@test "a pod's network has an address, which other pods reach" {
	local first ip
	pod_up "$NAME" "$own_network"
	first=$POD
	ip=$(cri PodSandboxStatus "{\"pod_sandbox_id\": \"$POD\"}" .status.network.ip)
	matches "$ip" '^10\.88\.7\.'
	container_up web 'echo hello >/tmp/page; exec httpd -f -p 8080 -h /tmp'
	wait_until 10 exec_in "$CT" wget -q -O - http://127.0.0.1:8080/page
	pod_up "$NAME-b" "$own_network"
	container_up client "$forever"
	equal "$(exec_in "$CT" wget -q -O - "http://$ip:8080/page")" hello
	contains "$(exec_in "$CT" ip address show eth0)" 10.88.7.
	# A pod with the host's network has that of the tests.
	if host_network_works; then
		pod_up "$NAME-c"
		container_up client "$forever"
		equal "$(exec_in "$CT" wget -q -O - "http://$ip:8080/page")" hello
		equal "$(ns "$CT" net)" "$(readlink /proc/self/ns/net)"
		equal "$(exec_in "$CT" hostname)" "$(hostname)"
	fi
	pod_stop "$first"
	run ! busybox ping -c 1 -W 1 "$ip"
}

@test "a pod that shares its process namespace" {
	local a
	pod_up "$NAME" '.linux.security_context.namespace_options.pid = "POD"'
	host_network_works || equal "$(pgrep -x reeve-sandbox | wc -l)" 1 "number of first processes"
	container_up a 'echo $$; sleep 1000 & wait'
	a=$CT
	container_up b "$forever"
	equal "$(ns "$a" pid)" "$(ns "$CT" pid)"
	wait_until 10 eval 'exec_in "$CT" ps -o args | grep -q "^sleep 1000"'
	# The end of one takes along what it started, and nothing of the other's.
	container_stop "$a" 0
	container_exited "$a" 137 Error
	run -0 exec_in "$CT" ps -o args
	[[ "$output" != *"sleep 1000"* ]]
	container_has "$CT" .state CONTAINER_RUNNING
}

@test "user, groups, capabilities, privileges and seccomp of a container are those asked for" {
	local profile=$BATS_TEST_TMPDIR/profile.json
	echo '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}' >"$profile"
	pod_up "$NAME"
	container_up a "$forever" '.linux.security_context += {run_as_user: {value: 1234}, run_as_group: {value: 2000},
		supplemental_groups: [5000, 6000], no_new_privs: true}'
	equal "$(exec_in "$CT" id -u):$(exec_in "$CT" id -g):$(exec_in "$CT" id -G)" "1234:2000:2000 5000 6000"
	contains "$(exec_in "$CT" cat /proc/1/status)" $'NoNewPrivs:\t1'
	container_up b "$forever" '.linux.security_context += {run_as_username: "app",
		capabilities: {drop_capabilities: ["ALL"], add_capabilities: ["NET_ADMIN"]}}'
	equal "$(exec_in "$CT" id -un)" app
	contains "$(exec_in "$CT" cat /proc/1/status)" $'CapBnd:\t0000000000001000'
	container_up c "$forever" ".linux.security_context.seccomp = {profile_type: \"Localhost\", localhost_ref: \"$profile\"}"
	run ! exec_in "$CT" mkdir /new
	contains "$output" "Operation not permitted"
	container_up d "$forever" '.linux.security_context.seccomp = {profile_type: "RuntimeDefault"}'
	contains "$(exec_in "$CT" cat /proc/1/status)" $'Seccomp:\t2'
	container_up e "$forever" '.linux.security_context.seccomp = {profile_type: "Unconfined"}'
	contains "$(exec_in "$CT" cat /proc/1/status)" $'Seccomp:\t0'
}

@test "a pod with a user namespace: the ids of its layers, of what it writes and of a mapped volume" {
	[ "$CONTAINERD" != 1.6 ] || skip "peer containerd $CONTAINERD: knows no user namespaces of pods"
	not_for_goshim "runc 1.1 cannot reach a bundle of a user namespace below our directory"
	local map='[{host_id: 100000, container_id: 0, length: 65536}]' data=$BATS_TEST_TMPDIR/data
	mkdir "$data"
	touch "$data/file"
	HANDLER=by-path pod_up "$NAME" "$own_network | .linux.security_context.namespace_options.userns_options = {mode: \"POD\", uids: $map, gids: $map}"
	container_up a "$forever" ".mounts = [{container_path: \"/data\", host_path: \"$data\", uidMappings: $map, gidMappings: $map}]"
	equal "$(exec_in "$CT" cat /proc/self/uid_map | xargs)" "0 100000 65536" "the map"
	equal "$(exec_in "$CT" stat -c %u:%g /bin/busybox /data/file)" $'0:0\n0:0' "owners inside"
	exec_in "$CT" sh -c 'touch /new /data/new && chown 1000:7 /new'
	equal "$(exec_in "$CT" stat -c %u:%g /new)" 1000:7
	equal "$(stat -c %u:%g "/proc/$(container_pid "$CT")/root/new" "$data/new")" $'101000:100007\n0:0' "owners outside"
}

@test "mounts come in from the host, go out to it, or neither, as a volume asks for" {
	local dir=$BATS_TEST_TMPDIR/volume privileged='.linux.security_context.privileged = true' mode id
	mkdir "$dir"
	mount -t tmpfs volume "$dir"
	mount --make-shared "$dir"
	mkdir "$dir/in" "$dir/out"
	pod_up "$NAME" "$privileged"
	for mode in PRIVATE HOST_TO_CONTAINER BIDIRECTIONAL; do
		container_up "${mode,,}" "$forever" "$privileged | .mounts = [{container_path: \"/v\", host_path: \"$dir\", propagation: \"PROPAGATION_$mode\"}]"
		mount -t tmpfs in "$dir/in"
		exec_in "$CT" mount -t tmpfs out /v/out
		id=$(exec_in "$CT" grep -c ' /v/in ' /proc/self/mountinfo || true)
		id+=$(grep -c " $dir/out " /proc/self/mountinfo || true)
		case $mode in
		PRIVATE) equal "$id" 00 "$mode" ;;
		HOST_TO_CONTAINER) equal "$id" 10 "$mode" ;;
		BIDIRECTIONAL) equal "$id" 11 "$mode" ;;
		esac
		exec_in "$CT" umount /v/out
		umount "$dir/in"
	done
	pod_stop "$POD"
	umount "$dir"
}

@test "what the runtime can do is told where its type is runc's, and a volume is read-only to its last mount" {
	[ "$CONTAINERD" = 2.1 ] || skip "peer containerd $CONTAINERD: asks no runtime for what it can do"
	not_for_goshim "what it can do is what runc 1.1 can"
	local dir=$BATS_TEST_TMPDIR/volume
	equal "$(cri Status '{}' '.runtime_handlers[] | select(.name == "by-path") | .features | map(tostring) | join(" ")')" "true true"
	mkdir "$dir"
	mount -t tmpfs volume "$dir"
	mkdir "$dir/below"
	mount -t tmpfs below "$dir/below"
	HANDLER=by-path pod_up "$NAME"
	container_up a "$forever" ".mounts = [{container_path: \"/v\", host_path: \"$dir\", readonly: true, recursive_read_only: true}]"
	run ! exec_in "$CT" touch /v/below/x
	contains "$output" "Read-only file system"
	pod_stop "$POD"
	umount -R "$dir"
}

@test "sysctls, name servers and the cgroup of a pod" {
	pod_up "$NAME" "$own_network"' | .linux.sysctls = {"net.ipv4.ip_unprivileged_port_start": "79", "kernel.shmmni": "123"}
		| .dns_config = {servers: ["192.0.2.1"], searches: ["example.org"]}'
	container_up a "$forever"
	equal "$(exec_in "$CT" cat /proc/sys/net/ipv4/ip_unprivileged_port_start)" 79
	equal "$(exec_in "$CT" cat /proc/sys/kernel/shmmni)" 123
	contains "$(exec_in "$CT" cat /etc/resolv.conf)" "nameserver 192.0.2.1"
	contains "$(cat "/proc/$(container_pid "$CT")/cgroup")" "$PODS/$NAME/$CT"
}

# --- probes -----------------------------------------------------------------------------------------------------

@test "a probe gives status and output, both streams apart" {
	local code
	pod_up "$NAME"
	container_up a "$forever"
	for code in 0 1 42 255; do
		run -"$code" exec_in "$CT" /bin/sh -c "exit $code"
	done
	run --separate-stderr -7 exec_in "$CT" /bin/sh -c 'echo out; echo err >&2; exit 7'
	equal "$output" out
	equal "$stderr" err
	run -137 exec_in "$CT" /bin/sh -c 'kill -KILL $$'
	exec_in "$CT" /bin/sh -c 'head -c 3000000 /dev/zero' >"$BATS_TEST_TMPDIR/out"
	equal "$(stat -c %s "$BATS_TEST_TMPDIR/out")" 3000000
}

@test "a probe of a program that does not exist says so" {
	pod_up "$NAME"
	container_up a "$forever"
	run -255 exec_in "$CT" nosuchprogram
	contains "$output" 'executable file not found in $PATH'
	run -0 exec_in "$CT" /bin/true
}

@test "a probe that takes too long is ended" {
	pod_up "$NAME"
	container_up a "$forever"
	EXEC_SECONDS=1 run -255 exec_in "$CT" /bin/sleep 4321
	contains "$output" DeadlineExceeded
	run -0 exec_in "$CT" ps -o args
	[[ "$output" != *"sleep 4321"* ]]
}

# bad_probes DIR JOB: ten probes whose statuses are told apart; what is wrong is in DIR.
bad_probes() {
	local i rc
	for i in $(seq 10); do
		rc=0
		exec_in "$CT" /bin/sh -c "echo $2-$i; exit $((($2 * 20 + i) % 100))" >"$1/out-$2" || rc=$?
		[ "$rc $(cat "$1/out-$2")" = "$((($2 * 20 + i) % 100)) $2-$i" ] || echo "probe $2-$i: $rc $(cat "$1/out-$2")" >>"$1/bad"
	done
}

@test "a storm of probes: each has its own status and output" {
	local i jobs=() before
	pod_up "$NAME"
	container_up a "$forever"
	exec_in "$CT" /bin/true
	before=$(find "/proc/$(shim_workers | head -n 1)/fd" -mindepth 1 | wc -l)
	for i in 1 2 3 4; do
		bad_probes "$BATS_TEST_TMPDIR" "$i" 3>&- &
		jobs+=($!)
	done
	wait "${jobs[@]}"
	run ! cat "$BATS_TEST_TMPDIR/bad"
	equal "$(shims | wc -l)" 1
	fds_are() {
		[ "$(find "/proc/$(shim_workers | head -n 1)/fd" -mindepth 1 | wc -l)" -le "$1" ]
	}
	wait_until 10 fds_are "$before"
}

# --- logs -------------------------------------------------------------------------------------------------------

@test "the log has every line, with time, stream and tag" {
	pod_up "$NAME"
	container_up a 'echo one; echo two >&2; printf "no end"; exit 0'
	container_exited "$CT" 0 Completed
	wait_until 10 log_has "$NAME/a" two
	wait_until 10 log_has "$NAME/a" "no end"
	run -0 cat "$BATS_TEST_TMPDIR/logs/$NAME/a.log"
	equal "${#lines[@]}" 3
	local time='[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]+(Z|[+-][0-9:]{5})'
	matches "$output" "(^|"$'\n'")$time stdout F one($|"$'\n'")"
	matches "$output" "(^|"$'\n'")$time stderr F two($|"$'\n'")"
	matches "$output" "(^|"$'\n'")$time stdout [FP] no end($|"$'\n'")"
}

@test "a program's output is in the log to its last byte when it has ended" {
	pod_up "$NAME"
	container_up a 'i=0; while [ $i -lt 30000 ]; do echo "line $i of many"; i=$((i + 1)); done; head -c 100000 /dev/zero | tr "\0" x; echo'
	container_exited "$CT" 0
	{
		seq -f 'line %g of many' 0 29999
		head -c 100000 /dev/zero | tr '\0' x
		echo
	} >"$BATS_TEST_TMPDIR/want"
	log_is() { log_of "$NAME/a" stdout | cmp -s - "$BATS_TEST_TMPDIR/want"; }
	log_differs() {
		log_of "$NAME/a" stdout >"$BATS_TEST_TMPDIR/have"
		wc -c "$BATS_TEST_TMPDIR/have" "$BATS_TEST_TMPDIR/want" "$BATS_TEST_TMPDIR/logs/$NAME/a.log"
		# it says where they differ; that they do is known
		cmp "$BATS_TEST_TMPDIR/have" "$BATS_TEST_TMPDIR/want" || true
		tail -n 3 "$BATS_TEST_TMPDIR/logs/$NAME/a.log" | cut -c 1-300
		return 1
	}
	# containerd tells the exit when it has read all of the output; its logger may still have lines to write.
	wait_until 10 log_is || log_differs
}

@test "a log that was moved away is opened anew" {
	pod_up "$NAME"
	container_up a 'echo before; trap "echo after; exit 0" TERM; while :; do sleep 0.1; done'
	wait_until 10 log_has "$NAME/a" before
	mv "$BATS_TEST_TMPDIR/logs/$NAME/a.log" "$BATS_TEST_TMPDIR/logs/$NAME/old.log"
	cri ReopenContainerLog "{\"container_id\": \"$CT\"}"
	container_stop "$CT" 60
	wait_until 10 log_has "$NAME/a" after
	equal "$(log_of "$NAME/a")" after
	equal "$(log_of "$NAME/old")" before
}

@test "a container with a terminal" {
	pod_up "$NAME"
	container_up a 'tty; stty size; exit 4' '.tty = true'
	container_exited "$CT" 4
	wait_until 10 log_has "$NAME/a" ' '
	matches "$(log_of "$NAME/a")" '^/dev/(pts/0|console)'
}

# --- how containers end -----------------------------------------------------------------------------------------

@test "ends have their status and reason" {
	pod_up "$NAME"
	container_up ok 'exit 0'
	container_exited "$CT" 0 Completed
	container_up bad 'exit 3'
	container_exited "$CT" 3 Error
	# As pid 1 of its namespace it is only killed from without.
	container_up killed "$forever"
	kill -SEGV "$(container_pid "$CT")"
	container_stop "$CT" 0
	container_exited "$CT" 137 Error
}

@test "a container that uses too much memory ends as OOMKilled" {
	pod_up "$NAME"
	container_up a 'exec awk "BEGIN { for (i = 0; ; i++) a[i] = i \"0123456789012345678901234567890123456789\" }"' \
		'.linux.resources = {memory_limit_in_bytes: "16777216", memory_swap_limit_in_bytes: "16777216"}'
	container_exited "$CT" 137 OOMKilled
	container_up b 'exit 1' '.linux.resources = {memory_limit_in_bytes: "16777216"}'
	container_exited "$CT" 1 Error
}

@test "a program that does not exist is an error of the start, and the container is removed" {
	pod_up "$NAME"
	container_create a '' '.command = ["/no/such/program"]'
	run ! container_start
	contains "$output" "no such file or directory"
	container_exited "$CT" 128 StartError
	container_remove "$CT"
	run ! status_of_container "$CT"
	contains "$output" NotFound
	container_up b 'exit 0'
	container_exited "$CT" 0
}

@test "a container ends by itself within its time of grace, and by force after it" {
	local slow start
	pod_up "$NAME"
	container_up polite "$forever"
	wait_until 10 log_has "$NAME/polite" ready
	start=$EPOCHSECONDS
	container_stop "$CT" 60
	[ $((EPOCHSECONDS - start)) -lt 55 ]
	container_exited "$CT" 3 Error
	container_stop "$CT" 60 # once more does no harm
	container_up stubborn 'trap "" TERM; echo ready; while :; do sleep 0.1; done'
	slow=$CT
	wait_until 10 log_has "$NAME/stubborn" ready
	start=$EPOCHSECONDS
	container_stop "$slow" 1
	container_exited "$slow" 137 Error
	[ $((EPOCHSECONDS - start)) -lt 55 ]
	container_remove "$slow"
	run ! status_of_container "$slow"
}

@test "a container runs again under its name, and a running one is removed" {
	local first
	pod_up "$NAME"
	container_up a 'exit 9'
	first=$CT
	container_exited "$first" 9
	container_up a "$forever" '.metadata.attempt = 1'
	container_exited "$first" 9
	container_remove "$first"
	container_has "$CT" .state CONTAINER_RUNNING
	container_remove "$CT"
	equal "$(cri ListContainers '{}' '.containers | length')" 0
}

@test "a pod that is stopped takes its containers along, and can be asked until it is removed" {
	local a
	pod_up "$NAME" "$own_network"
	container_up a "$forever"
	a=$CT
	container_up b 'exit 5'
	container_exited "$CT" 5
	pod_stop "$POD"
	pod_is "$POD" SANDBOX_NOTREADY
	container_exited "$a" 137
	container_exited "$CT" 5
	pod_stop "$POD"
	pod_remove "$POD"
	run ! pod_state "$POD"
	contains "$output" NotFound
	pod_remove "$POD"
}

# --- resources --------------------------------------------------------------------------------------------------

@test "stats of a container and of its pod" {
	pod_up "$NAME"
	container_up a 'i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done; echo counted; '"$forever"
	wait_until 20 log_has "$NAME/a" counted
	cri ContainerStats "{\"container_id\": \"$CT\"}" >"$BATS_TEST_TMPDIR/stats"
	jq -e --arg id "$CT" '.stats | .attributes.id == $id and (.cpu.usage_core_nano_seconds.value | tonumber) > 1000000
		and (.memory.working_set_bytes.value | tonumber) > 10000 and (.memory.usage_bytes.value | tonumber) > 10000' "$BATS_TEST_TMPDIR/stats" ||
		fail "$(cat "$BATS_TEST_TMPDIR/stats")"
	container_up b 'exit 0'
	container_exited "$CT" 0
	cri PodSandboxStats "{\"pod_sandbox_id\": \"$POD\"}" >"$BATS_TEST_TMPDIR/stats"
	jq -e --arg id "$POD" '.stats | .attributes.id == $id and (.linux.cpu.usage_core_nano_seconds.value | tonumber) > 1000000
		and (.linux.memory.usage_bytes.value | tonumber) > 10000 and any(.linux.containers[]; .attributes.metadata.name == "a")
		and (.linux.process.process_count.value | tonumber) > 0' "$BATS_TEST_TMPDIR/stats" || fail "$(cat "$BATS_TEST_TMPDIR/stats")"
}

@test "limits are changed while the container runs" {
	pod_up "$NAME"
	container_up a "$forever" '.linux.resources = {memory_limit_in_bytes: "33554432"}'
	equal "$(cg memory memory.limit_in_bytes memory.max "$PODS/$NAME/$CT")" 33554432
	cri UpdateContainerResources "{\"container_id\": \"$CT\", \"linux\": {\"memory_limit_in_bytes\": \"67108864\"}}"
	equal "$(cg memory memory.limit_in_bytes memory.max "$PODS/$NAME/$CT")" 67108864
}

# --- containerd goes, the pods stay -------------------------------------------------------------------------------

# probes_until FILE: probes as fast as they come, for as long as FILE is not there. While containerd is away they fail.
probes_until() {
	until [ -e "$1" ]; do
		CRI_TIMEOUT=10 exec_in "$CT" /bin/true >/dev/null 2>&1 || true
	done
}

@test "containerd is killed under load: pods, statuses and logs survive" {
	local a b c ended go=$BATS_TEST_TMPDIR/go first load pid
	mkdir "$go"
	pod_up "$NAME" "$own_network"
	first=$POD
	container_up ended 'exit 11'
	ended=$CT
	container_exited "$ended" 11
	container_up meanwhile 'until [ -e /go/on ]; do sleep 0.05; done; exit 5' '.mounts = [{container_path: "/go", host_path: "'"$go"'"}]'
	b=$CT
	pid=$(container_pid "$b")
	pod_up "$NAME-b"
	container_up last "$forever"
	c=$CT
	container_up runs 'n=0; while :; do n=$((n + 1)); echo "tick $n"; sleep 0.05; done'
	a=$CT
	probes_until "$BATS_TEST_TMPDIR/enough" 3>&- &
	load=$!
	wait_until 10 log_has "$NAME-b/runs" "tick 5"
	kill -KILL "$(cat "$CD/pid")"
	wait_until 30 gone "$(cat "$CD/pid")"
	touch "$go/on"
	wait_until 10 gone "$pid"
	containerd_start
	wait_until 20 cri_ready
	touch "$BATS_TEST_TMPDIR/enough"
	wait "$load"
	pod_is "$first" SANDBOX_READY
	pod_is "$POD" SANDBOX_READY
	container_exited "$ended" 11
	container_exited "$b" 5
	container_has "$a" .state CONTAINER_RUNNING
	run -6 exec_in "$a" /bin/sh -c 'exit 6'
	wait_until 10 log_has "$NAME-b/runs" "tick $(($(log_of "$NAME-b/runs" | wc -l) + 10))"
	container_stop "$c" 30
	container_exited "$c" 3
	# New ones come in the old pods.
	POD=$first container_up more 'exit 8'
	container_exited "$CT" 8
	equal "$(shims | wc -l)" 2
}

@test "a pod outlives its worker while containerd is away" {
	not_for_goshim "has no worker beside it"
	local a b pid old space
	for space in CONTAINER POD; do
		pod_up "$NAME-$space" "$own_network | .linux.security_context.namespace_options.pid = \"$space\""
		container_up a "$forever"
		a=$CT
		pid=$(container_pid "$a")
		container_up b 'exit 4'
		b=$CT
		container_exited "$b" 4
		kill -KILL "$(cat "$CD/pid")"
		wait_until 30 gone "$(cat "$CD/pid")"
		old=$(shim_workers)
		kill -KILL "$old"
		wait_until 20 eval '[ -n "$(shim_workers)" ] && [ "$(shim_workers)" != '"$old ]"
		containerd_start
		wait_until 20 cri_ready
		pod_is "$POD" SANDBOX_READY
		container_has "$a" .state CONTAINER_RUNNING
		equal "$(container_pid "$a")" "$pid"
		container_exited "$b" 4
		run -6 exec_in "$a" /bin/sh -c 'exit 6'
		container_up c "$forever"
		equal "$(ns "$CT" net)" "$(ns "$a" net)"
		equal "$(ns "$CT" ipc)" "$(ns "$a" ipc)"
		container_stop "$a" 30
		container_exited "$a" 3
		equal "$(shims | wc -l)" 1 "number of shims"
		pod_stop "$POD"
		pod_is "$POD" SANDBOX_NOTREADY
		container_exited "$CT"
		cri_sweep
		containerd_nothing_left
	done
}

@test "the shim of a pod is killed: its containers end, and nothing of them is left" {
	not_for_goshim "its socket stays"
	local a what
	for what in shim_workers shims; do
		pod_up "$NAME-$what"
		container_up a "$forever"
		a=$CT
		container_up b 'sleep 1000 & sleep 1001'
		$what | xargs kill -KILL
		wait_until 20 pod_is "$POD" SANDBOX_NOTREADY
		container_exited "$a"
		container_exited "$CT"
		[ "$(status_of_container "$a" .exit_code)" != 0 ]
		cri_sweep
		containerd_nothing_left
	done
}

@test "pods come and go side by side" {
	local i jobs=()
	one_pod() {
		local BATS_TEST_TMPDIR=$BATS_TEST_TMPDIR/$1 n
		mkdir "$BATS_TEST_TMPDIR"
		pod_up "$NAME-$1"
		for n in 1 2 3; do
			container_up "c$n" "exit $n" && container_exited "$CT" "$n" || return
		done
		pod_stop "$POD" && pod_remove "$POD"
	}
	for i in 1 2 3 4; do
		one_pod "$i" >"$BATS_TEST_TMPDIR/out-$i" 2>&1 3>&- &
		jobs+=($!)
	done
	for i in 1 2 3 4; do
		wait "${jobs[i - 1]}" || { cat "$BATS_TEST_TMPDIR/out-$i" && fail "pod $i"; }
	done
	equal "$(cri ListPodSandbox '{}' '.items | length')" 0
}
