#!/usr/bin/env bats
# Unmodified podman with conmon: Debian 12's (4.3), and for the main paths that of sid (5). Every test holds for runc
# and crun too, but for what not_for says. podman keeps all that is its own below TMPDIR.

load lib.bash

IMAGE=localhost/reeve-test
APP=localhost/reeve-app

# p ARGUMENT...: podman, which must not hand bats' own descriptor on to conmon.
p() {
	within 60 "$PODMAN" "$@" 3>&-
}

# While podman uses its storage it mounts it on itself: not ours to count.
mount_points() {
	cut -d' ' -f5,9 /proc/self/mountinfo | grep -v "^$BATS_FILE_TMPDIR/.*/overlay " | sort
}

# configure DIRECTORY [LINE]...: podman's files are in there; further lines for [engine].
configure() {
	local dir=$1
	shift
	mkdir -p "$dir"
	# A container's hard limits cannot be above the machine's, and Debian's podman takes systemd for granted.
	cat >"$dir/containers.conf" <<-CONF
		[containers]
		default_ulimits = ["nofile=1024:4096", "nproc=1024:1024"]
		netns = "none"
		log_driver = "k8s-file"
		[engine]
		cgroup_manager = "cgroupfs"
		events_logger = "file"
		tmp_dir = "$dir/tmp"
		runtime = "$KIND"
		runtime_supports_json = ["$KIND"]
		runtime_supports_nocgroup = ["$KIND"]
		$(printf '%s\n' "$@")
		[engine.runtimes]
		$KIND = ["$RT"]
	CONF
	cat >"$dir/storage.conf" <<-CONF
		[storage]
		driver = "overlay"
		graphroot = "$dir/root"
		runroot = "$dir/runroot"
	CONF
	export CONTAINERS_CONF=$dir/containers.conf CONTAINERS_STORAGE_CONF=$dir/storage.conf
}

# From here on p is podman of sid with its conmon.
podman_5() {
	local peer
	[ "$RUNTIME" != crun ] || skip "peer crun 1.8: does not know the version of podman 5's configs"
	peer=$("$TOP/tools/peers" oci-sid)
	export PODMAN_IGNORE_CGROUPSV1_WARNING=1
	PODMAN=$peer/bin/podman
	configure "$STORE/5" "conmon_path = [\"$peer/bin/conmon\"]" "helper_binaries_dir = [\"$peer/bin\"]"
	p image exists $IMAGE || p load -q -i "$STORE/image.tar"
}

setup_file() {
	STORE=$BATS_FILE_TMPDIR PODMAN=podman
	export STORE PODMAN
	configure "$STORE/4"
	"$TOP/tools/mkimage" "$STORE/image.tar"
	"$TOP/tools/mkimage" --name "$APP:latest" --user app --workdir /home/app --env GREETING=hello \
		--entrypoint '["/bin/sh", "-c", "echo $GREETING from $(id -un):$(id -gn) in $(pwd), $0"]' --cmd '["as told"]' "$STORE/app.tar"
	p load -q -i "$STORE/image.tar"
	p load -q -i "$STORE/app.tar"
	ORPHANS_BEFORE=" $(ps -o pid= --ppid 1 | paste -sd' ' | tr -s ' ') "
	export ORPHANS_BEFORE
}

setup() {
	ID=t$BATS_TEST_NUMBER
	RT_ROOT=/run/$KIND
	export TEST_CGROUPS="*/libpod_parent/libpod-*"
	mount_points >"$BATS_TEST_TMPDIR/mounts"
	# conmon leaves its note of an OOM kill where podman was started.
	cd "$BATS_TEST_TMPDIR" || return 1
}

teardown() {
	p pod rm -f -a -t 0 >/dev/null
	p rm -f -a -t 0 >/dev/null
	nothing_left
}

# status_of CONTAINER, as podman sees it after asking the runtime.
status_of() {
	p inspect --format '{{.State.Status}}' "$1"
}

status_is() { # CONTAINER STATUS
	[ "$(status_of "$1")" = "$2" ]
}

# start_ready [OPTION]...: a container ID that ends with 3 when it is told to end, once it is ready for that.
start_ready() {
	p run -d --name "$ID" "$@" $IMAGE sh -c 'trap "exit 3" TERM; echo ready; while :; do sleep 0.05; done' >/dev/null
	wait_until 10 eval "p logs $ID | grep -q ready"
}

cgroup_of() {
	echo "/libpod_parent/libpod-$(p inspect --format '{{.Id}}' "$1")"
}

# --- run --------------------------------------------------------------------------------------------------------

@test "podman runs its containers by the runtime under test" {
	run -0 p info --format '{{.Host.OCIRuntime.Path}} {{.Host.OCIRuntime.Version}}'
	contains "$output" "$RT $KIND version "
	start_ready
	equal "$(p inspect --format '{{.OCIRuntime}}' "$ID")" "$KIND"
	equal "$(find "$RT_ROOT" -mindepth 1 -maxdepth 1 -name "$(p inspect --format '{{.Id}}' "$ID")" | wc -l)" 1 "state directories"
}

@test "the runtime may be given by path, without a word in any configuration" {
	run -0 p --runtime "$RT" run --rm $IMAGE echo hi
	equal "$output" hi
}

@test "run passes output on and ends with the program's status" {
	run -0 --separate-stderr p run --rm $IMAGE sh -c 'echo out; echo err >&2'
	equal "$output" out
	equal "$stderr" err
	run -7 p run --rm $IMAGE sh -c 'exit 7'
}

@test "run ends with 127 when there is no such program" {
	run -127 p run --rm $IMAGE nonesuch
	contains "$output" 'exec: "nonesuch": executable file not found in $PATH' || [ "$KIND" = crun ]
	run -127 p run --rm $IMAGE /nonesuch
}

@test "run ends with 126 when the program cannot be run" {
	run -126 p run --rm $IMAGE /etc/motd
	run -126 p run --rm $IMAGE /etc
}

@test "run ends with 128 and the signal that killed the program" {
	start_ready
	p kill "$ID" >/dev/null
	run -0 p wait "$ID"
	equal "$output" 137
}

@test "a container that did not come up is not there afterwards" {
	run -127 p run --name "$ID" $IMAGE nonesuch
	run -0 p ps -a --filter status=running -q
	equal "$output" ""
	equal "$(find "$RT_ROOT" -mindepth 1 -maxdepth 1 ! -name '.*' 2>/dev/null | wc -l)" 0 "state directories"
}

@test "user, environment, directory, entry point and command of the image" {
	run -0 p run --rm $APP
	equal "$output" "hello from app:app in /home/app, as told"
	run -0 p run --rm -e GREETING=goodbye -u 0:0 -w /tmp $APP otherwise
	equal "$output" "goodbye from root:root in /tmp, otherwise"
}

@test "run -i reads its input to the end" {
	run -0 p run --rm -i $IMAGE wc -c < <(head -c 3000000 /dev/zero)
	equal "$output" 3000000
}

@test "ten megabytes of output arrive as they were written" {
	local want
	want=$(head -c 10000000 /dev/zero | tr '\0' x | sha256sum)
	equal "$(p run --rm $IMAGE sh -c 'head -c 10000000 /dev/zero | tr "\0" x' | sha256sum)" "$want"
}

@test "run -t is a terminal, of the size that the person's has" {
	run -6 p run --rm -t $IMAGE sh -c 'tty; test -t 2; exit 6'
	equal "$(tr -d '\r' <<<"$output")" /dev/pts/0
	run -0 script -qec "stty rows 21 cols 77; $PODMAN run --rm -it $IMAGE sh -c 'until [ \"\$(stty size)\" = \"21 77\" ]; do sleep 0.02; done; echo sized'" /dev/null 3>&-
	contains "$output" sized
}

# --- exec -------------------------------------------------------------------------------------------------------

@test "exec passes output, input and status on" {
	start_ready
	run -5 --separate-stderr p exec "$ID" sh -c 'echo out; echo err >&2; exit 5'
	equal "$output" out
	equal "$stderr" err
	run -0 p exec -i "$ID" cat <<<"a line"
	equal "$output" "a line"
}

@test "exec ends with 127 when there is no such program, with 126 when it cannot be run" {
	start_ready
	run -127 p exec "$ID" nonesuch
	run -126 p exec "$ID" /etc/motd
	run -126 p exec "$ID" /etc
	equal "$(status_of "$ID")" running
}

@test "exec with user, directory and environment" {
	start_ready
	run -0 p exec -u 65534:29 -w /tmp -e A=b "$ID" sh -c 'echo $(id -u):$(id -g) $(pwd) $A'
	equal "$output" "65534:29 /tmp b"
	run -0 p exec -u app "$ID" id -Gn
	equal "$output" "app audio video"
}

@test "exec -t is a terminal" {
	start_ready
	run -4 p exec -t "$ID" sh -c 'tty; exit 4'
	equal "$(tr -d '\r' <<<"$output")" /dev/pts/0
}

@test "exec -d leaves its process in the container" {
	start_ready
	p exec -d "$ID" sleep 1234
	wait_until 10 eval "p top $ID args | grep -q 'sleep 1234'"
}

@test "the end of the container ends what was executed in it" {
	start_ready
	p exec "$ID" sleep 1234 >"$BATS_TEST_TMPDIR/out" 2>&1 &
	local job=$!
	wait_until 10 eval "p top $ID args | grep -q 'sleep 1234'"
	p kill "$ID" >/dev/null
	ends_with 137 "$job"
}

# --- the life of a container ------------------------------------------------------------------------------------

@test "create, init, start, wait" {
	p create --name "$ID" $IMAGE sh -c 'echo started; exit 9' >/dev/null
	p init "$ID" >/dev/null
	equal "$(status_of "$ID")" initialized
	equal "$(p logs "$ID")" ""
	p start "$ID" >/dev/null
	run -0 p wait "$ID"
	equal "$output" 9
	equal "$(p logs "$ID")" started
}

@test "logs keep what was printed, all of it" {
	p run --name "$ID" $IMAGE seq 1 5000 >/dev/null
	equal "$(p logs "$ID" | sha256sum)" "$(seq 1 5000 | sha256sum)"
}

@test "start --attach of a stopped container runs it again" {
	p create --name "$ID" $IMAGE sh -c 'echo again; exit 2' >/dev/null
	run -2 p start -a "$ID"
	run -2 p start -a "$ID"
	equal "$output" again
}

@test "stop sends the stop signal first" {
	start_ready
	p stop -t 10 "$ID" >/dev/null
	equal "$(p inspect --format '{{.State.Status}} {{.State.ExitCode}}' "$ID")" "exited 3"
}

@test "stop kills what does not end in time" {
	p run -d --name "$ID" $IMAGE sleep 1234 >/dev/null
	p stop -t 1 "$ID" >/dev/null 2>&1
	equal "$(p inspect --format '{{.State.Status}} {{.State.ExitCode}}' "$ID")" "exited 137"
}

@test "kill sends any signal" {
	p run -d --name "$ID" $IMAGE sh -c 'trap "echo caught" USR1; echo ready; while :; do sleep 0.05; done' >/dev/null
	wait_until 10 eval "p logs $ID | grep -q ready"
	p kill -s USR1 "$ID" >/dev/null
	wait_until 10 eval "p logs $ID | grep -q caught"
}

@test "pause stops every process, unpause lets them go on" {
	start_ready
	p pause "$ID" >/dev/null
	equal "$(status_of "$ID")" paused
	run -255 p exec "$ID" true
	p unpause "$ID" >/dev/null
	equal "$(status_of "$ID")" running
	run -0 p exec "$ID" true
}

@test "rm --force ends a paused container" {
	start_ready
	p pause "$ID" >/dev/null
	p rm -f -t 0 "$ID" >/dev/null
	run -0 p ps -a -q
	equal "$output" ""
}

@test "ps and top show what runs" {
	start_ready
	contains "$(p ps --format '{{.Names}} {{.Status}}')" "$ID Up "
	run -0 p top "$ID" pid ppid user args
	matches "${lines[1]}" '^1 +0 +root +sh -c trap'
}

@test "stats reads the container's cgroup" {
	start_ready
	run -0 p stats --no-stream --format '{{.Name}} {{.PIDs}}' "$ID"
	matches "$output" "^$ID [12]\$"
}

@test "attach takes up the output" {
	p run -d -i --name "$ID" $IMAGE sh -c 'read line; echo "got $line"; exit 8' >/dev/null
	run -0 p attach "$ID" <<<"a line"
	equal "$output" "got a line"
	equal "$(p wait "$ID")" 8
}

@test "the restart policy starts a container that failed again" {
	p run -d --name "$ID" --restart on-failure:2 $IMAGE sh -c 'echo once; exit 3' >/dev/null
	wait_until 20 eval "[ \"\$(p inspect --format '{{.RestartCount}} {{.State.Status}} {{.State.ExitCode}}' $ID)\" = '2 exited 3' ]"
	equal "$(p logs "$ID" | grep -c once)" 3
}

@test "a health check tells how the container is" {
	start_ready --health-cmd 'test -e /healthy' --health-interval disable --health-retries 1
	run -1 p healthcheck run "$ID"
	p exec "$ID" touch /healthy
	run -0 p healthcheck run "$ID"
	equal "$(p inspect --format '{{.State.Health.Status}}' "$ID")" healthy
}

# --- what podman asks of the runtime ----------------------------------------------------------------------------

@test "limits are in the container's cgroup" {
	start_ready --memory 64m --pids-limit 50 --cpus 0.5
	local at
	at=$(cgroup_of "$ID")
	equal "$(cg memory memory.limit_in_bytes memory.max "$at")" 67108864
	equal "$(cg pids pids.max pids.max "$at")" 50
	matches "$(cg cpu cpu.cfs_quota_us cpu.max "$at")" '^50000'
}

@test "update changes the limits of a running container" {
	start_ready --memory 64m
	run -0 p update --memory 128m "$ID"
	equal "$(cg memory memory.limit_in_bytes memory.max "$(cgroup_of "$ID")")" 134217728
}

@test "a container beyond its memory limit is killed, and conmon sees it" {
	p run -d --name "$ID" --memory 16m $IMAGE sh -c 'tail /dev/zero' >/dev/null
	wait_until 20 status_is "$ID" exited
	equal "$(p wait "$ID")" 137
	wait_until 10 test -e "$BATS_TEST_TMPDIR/oom"
}

@test "a container without a cgroup of its own" {
	not_for runc -- "knows no --cgroup-manager disabled"
	run -0 p run --rm --cgroups disabled $IMAGE cat /proc/self/cgroup
	[[ "$output" != *libpod* ]] || fail "$output"
}

@test "a privileged container has every capability and every device" {
	run -0 p run --rm --privileged $IMAGE sh -c 'grep CapBnd /proc/self/status; test -c /dev/ptmx && test -c /dev/null && ls /dev | wc -l'
	contains "${lines[0]}" "$(awk '/^CapBnd/ { print $2 }' /proc/self/status)"
	[ "${lines[1]}" -gt 20 ] || fail "only ${lines[1]} entries in /dev"
}

@test "a read-only container" {
	run -0 p run --rm --read-only $IMAGE sh -c 'touch /x 2>/dev/null || touch /tmp/y && echo so'
	equal "$output" so
}

@test "capabilities, no new privileges, seccomp off" {
	run -0 p run --rm --cap-drop all --cap-add net_raw --security-opt no-new-privileges --security-opt seccomp=unconfined $IMAGE \
		grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status
	equal "$output" $'CapEff:\t0000000000002000\nNoNewPrivs:\t1\nSeccomp:\t0'
	run -0 p run --rm $IMAGE grep '^Seccomp:' /proc/self/status
	equal "$output" $'Seccomp:\t2'
}

@test "volumes, tmpfs, shared memory, sysctl, host name" {
	mkdir "$BATS_TEST_TMPDIR/v"
	run -0 p run --rm -v "$BATS_TEST_TMPDIR/v:/v:ro" -v "$BATS_TEST_TMPDIR/v:/w" --tmpfs /t:size=1m --shm-size 2m --hostname foo \
		--sysctl kernel.msgmax=9000 $IMAGE sh -c 'touch /v/x 2>/dev/null || touch /w/y; df -k /t | tail -n 1 | tr -s " " | cut -d" " -f2
			df -k | grep " /dev/shm$" | tr -s " " | cut -d" " -f2; hostname; cat /proc/sys/kernel/msgmax'
	equal "$output" $'1024\n2048\nfoo\n9000'
	equal "$(ls "$BATS_TEST_TMPDIR/v")" y
}

@test "a named volume outlives its container" {
	p run --rm -v "$ID:/data" $IMAGE sh -c 'echo kept >/data/f'
	run -0 p run --rm -v "$ID:/data" $IMAGE cat /data/f
	equal "$output" kept
	p volume rm "$ID" >/dev/null
}

@test "the host's namespaces, where they are asked for" {
	local ns
	for ns in net ipc uts pid; do
		option=--$ns
		[ "$ns" != net ] || option=--network
		run -0 p run --rm "$option" host $IMAGE readlink "/proc/self/ns/$ns"
		equal "$output" "$(readlink "/proc/self/ns/$ns")"
		run -0 p run --rm $IMAGE readlink "/proc/self/ns/$ns"
		[ "$output" != "$(readlink "/proc/self/ns/$ns")" ] || fail "$ns is the host's"
	done
}

@test "a network namespace that others made" {
	ip netns add "$ID"
	local want
	want=$(ip netns exec "$ID" readlink /proc/self/ns/net)
	run -0 p run --rm --network "ns:/run/netns/$ID" $IMAGE readlink /proc/self/ns/net
	ip netns delete "$ID"
	umount /run/netns 2>/dev/null || true
	equal "$output" "$want"
}

@test "a user namespace of its own" {
	run -0 p run --rm --uidmap 0:100000:2000 --gidmap 0:100000:2000 $IMAGE \
		sh -c 'tr -s " " </proc/self/uid_map; touch /x && stat -c %u:%g /x /home/app'
	equal "$output" $' 0 100000 2000\n0:0\n1000:1000'
}

@test "systemd's mounts, for a container that runs it" {
	run -0 p run --rm --systemd always $IMAGE sh -c 'grep -c " /run/lock " /proc/self/mountinfo
		if [ -d /sys/fs/cgroup/systemd ]; then d=/sys/fs/cgroup/systemd; else d=/sys/fs/cgroup; fi
		mkdir "$d/below" 2>/dev/null || mkdir "$d$(sed -n "s/.*name=systemd://p" /proc/self/cgroup)/below"; echo made'
	equal "$output" $'1\nmade'
}

@test "descriptors that the caller wants to pass" {
	exec 8<<<"from outside"
	# 3 to 8: what is not open is bats' business, so make them all.
	run -0 bash -c 'exec 3</dev/null 4</dev/null 5</dev/null 6</dev/null 7</dev/null; "$PODMAN" run --rm --preserve-fds 6 '"$IMAGE"' sh -c "cat <&8"'
	exec 8<&-
	equal "$output" "from outside"
}

@test "containers of a pod share its namespaces" {
	p pod create --name "$ID" --share ipc,uts,net,pid --infra-image $IMAGE --infra-command 'sleep 1234' >/dev/null
	p run -d --pod "$ID" --name "$ID-a" $IMAGE sleep 1234 >/dev/null
	local show='for n in ipc uts net pid; do readlink /proc/self/ns/$n; done; ps -o args | grep -c "^sleep 1234"'
	run -0 p run --rm --pod "$ID" $IMAGE sh -c "$show"
	equal "${lines[4]}" 2 "first processes of the pod that are seen"
	equal "$output" "$(p exec "$ID-a" sh -c "$show")"
	p pod stop -t 0 "$ID" >/dev/null
	p pod rm "$ID" >/dev/null
}

@test "twenty containers, four at a time" {
	local i
	for i in $(seq 20); do echo "$i"; done |
		xargs -P 4 -I{} timeout 60 "$PODMAN" run --rm $IMAGE sh -c 'echo {}' 3>&- | sort -n >"$BATS_TEST_TMPDIR/out"
	equal "$(paste -sd' ' "$BATS_TEST_TMPDIR/out")" "$(seq 20 | paste -sd' ')"
}

# --- podman of sid ----------------------------------------------------------------------------------------------

@test "podman 5: run, exec, stop, statuses" {
	podman_5
	matches "$(p --version)" ' version [5-9]\.'
	run -7 --separate-stderr p run --rm $IMAGE sh -c 'echo out; echo err >&2; exit 7'
	equal "$output" out
	equal "$stderr" err
	run -127 p run --rm $IMAGE nonesuch
	run -126 p run --rm $IMAGE /etc
	start_ready --memory 64m
	equal "$(p inspect --format '{{.OCIRuntime}}' "$ID")" "$KIND"
	run -5 p exec "$ID" sh -c 'exit 5'
	run -127 p exec "$ID" nonesuch
	run -4 p exec -t "$ID" sh -c 'tty; exit 4'
	equal "$(tr -d '\r' <<<"$output")" /dev/pts/0
	p pause "$ID" >/dev/null
	p unpause "$ID" >/dev/null
	p update --memory 128m "$ID"
	equal "$(cg memory memory.limit_in_bytes memory.max "$(cgroup_of "$ID")")" 134217728
	p stop -t 10 "$ID" >/dev/null
	equal "$(p inspect --format '{{.State.Status}} {{.State.ExitCode}}' "$ID")" "exited 3"
}

@test "podman 5: privileged, read-only, user namespace" {
	podman_5
	run -0 p run --rm --privileged $IMAGE sh -c 'test -c /dev/ptmx && ls /dev | wc -l'
	[ "$output" -gt 20 ] || fail "only $output entries in /dev"
	run -0 p run --rm --read-only $IMAGE sh -c 'touch /x 2>/dev/null || touch /tmp/y && echo so'
	equal "$output" so
	run -0 p run --rm --uidmap 0:100000:2000 --gidmap 0:100000:2000 $IMAGE sh -c 'tr -s " " </proc/self/uid_map'
	equal "$output" ' 0 100000 2000'
}

@test "podman 5: a container without a cgroup of its own" {
	not_for runc -- "knows no --cgroup-manager disabled"
	podman_5
	run -0 p run --rm --cgroups disabled $IMAGE cat /proc/self/cgroup
	[[ "$output" != *libpod* ]] || fail "$output"
}

@test "podman 5: containers of a pod" {
	podman_5
	p pod create --name "$ID" --share ipc,uts,net,pid --infra-image $IMAGE --infra-command 'sleep 1234' >/dev/null
	p run -d --pod "$ID" --name "$ID-a" $IMAGE sleep 1234 >/dev/null
	run -0 p run --rm --pod "$ID" $IMAGE sh -c 'ps -o args | grep -c "^sleep 1234"'
	equal "$output" 2
}
