#!/usr/bin/env bats
# An unmodified Docker over our shim and over `reeve`. `./dev test integration docker` runs this file once for each way
# that Docker comes to us (docker.bash): 28 by the shim's name, 20.10 by the runtime's path, 20.10 with our shim under
# the name of containerd's. RUNTIME=runc runs it with Docker's own, for which every test holds but for what not_for says.
# One daemon for all of the file, as it would be used.

load lib.bash
load docker.bash

IMAGE=localhost/reeve-test

setup_file() {
	ORPHANS_BEFORE=" $(ps -o pid= --ppid 1 | paste -sd' ' | tr -s ' ') "
	export ORPHANS_BEFORE
	docker_up "$BATS_FILE_TMPDIR/dk"
	"$TOP/tools/mkimage" "$BATS_FILE_TMPDIR/image.tar"
	"$TOP/tools/mkimage" --name localhost/reeve-app:latest --user app --workdir /home/app --env GREETING=hello \
		--entrypoint '["/bin/sh", "-c", "echo $GREETING from $(id -un):$(id -gn) in $(pwd), $0"]' --cmd '["as told"]' "$BATS_FILE_TMPDIR/app.tar"
	d load -q -i "$BATS_FILE_TMPDIR/image.tar"
	d load -q -i "$BATS_FILE_TMPDIR/app.tar"
	mount_points >"$BATS_FILE_TMPDIR/mounts"
}

teardown_file() {
	docker_stop
	# What dockerd itself leaves mounted.
	grep -o " $DK/[^ ]* " /proc/self/mountinfo | sort -ru | xargs -r umount
	# Nothing outlives the daemon: not one process more than there was before it.
	outlive() { ps -o pid=,args= --ppid 1 | awk -v mine="$ORPHANS_BEFORE" '!index(mine, " " $1 " ")'; }
	wait_until 10 eval '[ -z "$(outlive)" ]' || fail "processes after the daemon's end: $(outlive)"
}

setup() {
	ID=t$BATS_TEST_NUMBER # no prefix of an id
	! gone "$(cat "$DK/pid")" || docker_start # a test that failed had ended it
}

teardown() {
	docker_sweep
	docker_nothing_left
}

# --- run --------------------------------------------------------------------------------------------------------

@test "it is the runtime under test that serves" {
	start_ready
	served
	[ "$VIA" = runc ] || equal "$(inspect '{{.HostConfig.Runtime}}')" reeve
}

@test "by name, which no configuration mentions, and as the default by name" {
	only_28 "takes no shim names"
	[ "$VIA" = name ] || skip "peer: the other ways have no name"
	docker_configure '."default-runtime" = "'"$SHIM_NAME"'"'
	docker_signal HUP
	wait_until 10 eval "[ \"\$(d info --format '{{.DefaultRuntime}}')\" = $SHIM_NAME ]"
	start_ready
	served
	equal "$(inspect '{{.HostConfig.Runtime}}')" "$SHIM_NAME"
	docker_configure
	docker_signal HUP
	wait_until 10 eval "[ \"\$(d info --format '{{.DefaultRuntime}}')\" = reeve ]"
	run -3 d run --rm --network none --runtime "$SHIM_NAME" $IMAGE sh -c 'exit 3'
}

@test "the runtime by path, below the shim of containerd" {
	[ "$VIA" = name ] || skip "peer: the other ways have it already"
	docker_configure '.runtimes.path = {path: $reeve}'
	docker_signal HUP
	wait_until 10 eval "d info --format '{{.Runtimes}}' | grep -q path:"
	start_ready --runtime path
	VIA=path RUNTIME_NAME=path served
	run -7 d exec "$ID" sh -c 'exit 7'
	d stop -t 60 "$ID" >/dev/null
	ended_with 3
	docker_configure
	docker_signal HUP
}

@test "options from a file that the configuration names, and one that cannot be" {
	[ "$VIA" = name ] || skip "peer: only by name"
	echo 'Root = "/run/elsewhere"' >"$DK/options.toml"
	docker_configure '.runtimes.elsewhere = {runtimeType: $shim, options: {TypeUrl: "io.containerd.reeve.v1.options", ConfigPath: "'"$DK"'/options.toml"}}'
	docker_signal HUP
	wait_until 10 eval "d info --format '{{.Runtimes}}' | grep -q elsewhere:"
	start_ready --runtime elsewhere
	served
	within 10 "$RT" --root /run/elsewhere/moby state "$(inspect '{{.Id}}')"
	d rm -f "$ID" >/dev/null
	echo 'Rout = "/run/elsewhere"' >"$DK/options.toml"
	run -125 run_in --runtime elsewhere $IMAGE true
	contains "$output" "unknown option 'Rout'"
	docker_configure
	docker_signal HUP
	rm -r /run/elsewhere/moby/.seccomp # compiled filters stay
	rmdir /run/elsewhere/moby /run/elsewhere
}

@test "our shim drives runc, where Docker asks for that" {
	[ "$VIA" = shim ] || skip "peer: the shim has another name"
	start_ready --runtime runc
	RUNTIME_NAME=runc served
	find "$DK/exec/runtime-runc/moby/$(inspect '{{.Id}}')/state.json"
	run -7 d exec "$ID" sh -c 'exit 7'
	d stop -t 60 "$ID" >/dev/null
	ended_with 3
}

@test "run passes output on and ends with the program's status" {
	run -0 --separate-stderr run_in --rm $IMAGE sh -c 'echo out; echo err >&2'
	equal "$output" out
	equal "$stderr" err
	run -7 run_in --rm $IMAGE sh -c 'exit 7'
	run -137 run_in --rm $IMAGE sh -c 'sh -c "kill -KILL \$PPID"; kill -KILL -1; exit 137'
}

@test "run ends with 127 when there is no such program, with 126 when it cannot be run" {
	not_for crun -- "words that Docker 20.10 does not know"
	run -127 run_in --rm $IMAGE nonesuch
	contains "$output" 'exec: "nonesuch": executable file not found in $PATH'
	run -127 run_in --rm $IMAGE /nonesuch
	contains "$output" "no such file or directory"
	run -126 run_in --rm $IMAGE /etc/motd
	contains "$output" "permission denied"
	run -126 run_in --rm $IMAGE /etc
}

@test "a container that did not come up is not there afterwards, and can be started when its fault is gone" {
	not_for crun -- "words that Docker 20.10 does not know"
	run -127 run_in $IMAGE /d/program
	equal "$(inspect '{{.State.Status}} {{.State.Pid}}')" "created 0"
	d rm "$ID"
	mkdir "$BATS_TEST_TMPDIR/d"
	run -127 run_in -v "$BATS_TEST_TMPDIR/d:/d" $IMAGE /d/program
	printf '#!/bin/sh\nexit 6\n' >"$BATS_TEST_TMPDIR/d/program"
	chmod +x "$BATS_TEST_TMPDIR/d/program"
	run -6 d start -a "$ID"
}

@test "user, environment, directory, entry point and command of the image, and in place of them" {
	run -0 run_in --rm localhost/reeve-app
	equal "$output" "hello from app:app in /home/app, as told"
	run -0 run_in --rm -e GREETING=goodbye -u 0:0 -w /tmp localhost/reeve-app otherwise
	equal "$output" "goodbye from root:root in /tmp, otherwise"
	run -0 run_in --rm -u 65534:29 --group-add 44 $IMAGE sh -c 'id -u; id -G'
	equal "$output" $'65534\n29 44'
}

@test "run -i reads its input to the end" {
	run -0 run_in --rm -i $IMAGE wc -c < <(head -c 3000000 /dev/zero)
	equal "$output" 3000000
}

@test "ten megabytes of output arrive as they were written" {
	local want
	want=$(head -c 10000000 /dev/zero | tr '\0' x | sha256sum)
	equal "$(run_in --rm $IMAGE sh -c 'head -c 10000000 /dev/zero | tr "\0" x' | sha256sum)" "$want"
}

@test "run -t is a terminal, of the size that the person's has" {
	run -6 run_in --rm -t $IMAGE sh -c 'tty; test -t 2; exit 6'
	equal "$(tr -d '\r' <<<"$output")" /dev/pts/0
	run -0 script -qec "stty rows 21 cols 77; docker run --network none --rm -it $IMAGE sh -c 'until [ \"\$(stty size)\" = \"21 77\" ]; do sleep 0.02; done; echo sized'" /dev/null 3>&-
	contains "$output" sized
}

@test "volumes, tmpfs, shared memory, read-only root, host name, sysctl, ulimit" {
	mkdir "$BATS_TEST_TMPDIR/v"
	run -0 run_in --rm -v "$BATS_TEST_TMPDIR/v:/v:ro" -v "$BATS_TEST_TMPDIR/v:/w" -v "$ID:/data" --tmpfs /t:size=1m --shm-size 2m --read-only \
		--hostname foo --sysctl kernel.msgmax=9000 --ulimit nofile=100:200 $IMAGE sh -c '
			touch /v/x 2>/dev/null || touch /w/y; touch /x 2>/dev/null || echo kept >/data/f
			df -k /t | tail -n 1 | tr -s " " | cut -d" " -f2; df -k | grep " /dev/shm$" | tr -s " " | cut -d" " -f2
			hostname; cat /proc/sys/kernel/msgmax; ulimit -n; ulimit -Hn'
	equal "$output" $'1024\n2048\nfoo\n9000\n100\n200'
	equal "$(ls "$BATS_TEST_TMPDIR/v")" y
	run -0 run_in --rm -v "$ID:/data" $IMAGE cat /data/f
	equal "$output" kept
}

@test "limits are in the container's cgroup, and update changes them" {
	start_ready --memory 64m --pids-limit 50 --cpus 0.5 --cpu-shares 512 --cpuset-cpus 0
	served
	local at
	at=$(cgroup_of)
	equal "$(cg memory memory.limit_in_bytes memory.max "$at")" 67108864
	equal "$(cg pids pids.max pids.max "$at")" 50
	matches "$(cg cpu cpu.cfs_quota_us cpu.max "$at")" '^50000'
	equal "$(cg cpuset cpuset.cpus cpuset.cpus "$at")" 0
	d update --memory 128m --memory-swap 128m --cpus 0.25 --pids-limit 60 "$ID" >/dev/null
	equal "$(cg memory memory.limit_in_bytes memory.max "$at")" 134217728
	matches "$(cg cpu cpu.cfs_quota_us cpu.max "$at")" '^25000'
	equal "$(cg pids pids.max pids.max "$at")" 60
}

@test "a container beyond its memory limit is killed, and inspect says why" {
	run -137 run_in --memory 16m --memory-swap 16m $IMAGE tail /dev/zero
	equal "$(inspect '{{.State.OOMKilled}} {{.State.ExitCode}}')" "true 137"
}

@test "capabilities, no new privileges, and the default seccomp profile" {
	run -0 run_in --rm --cap-drop all --cap-add net_raw --security-opt no-new-privileges --security-opt seccomp=unconfined $IMAGE \
		grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status
	equal "$output" $'CapEff:\t0000000000002000\nNoNewPrivs:\t1\nSeccomp:\t0'
	# The profile forbids new user namespaces, and nothing else here does.
	run -0 run_in --rm -u app $IMAGE sh -c 'grep "^Seccomp:" /proc/self/status; unshare -U true 2>&1 || true'
	equal "${lines[0]}" $'Seccomp:\t2'
	contains "${lines[1]}" "Operation not permitted"
	run -0 run_in --rm -u app --security-opt seccomp=unconfined $IMAGE unshare -U true
}

# Those that we have and Docker knows: 20.10 knows 38.
all_capabilities() {
	local known=64
	[ "$DOCKER" = 28 ] || known=38
	printf '%016x\n' $((0x$(awk '/^CapBnd/ { print $2 }' /proc/self/status) & (known < 64 ? (1 << known) - 1 : -1)))
}

@test "a privileged container has every capability and every device" {
	not_for runc crun -- "cannot, where root lacks a capability"
	run -0 run_in --rm --privileged $IMAGE sh -c 'grep CapBnd /proc/self/status; test -c /dev/ptmx && test -c /dev/null && ls /dev | wc -l'
	contains "${lines[0]}" "$(all_capabilities)"
	[ "${lines[1]}" -gt 20 ] || fail "only ${lines[1]} entries in /dev"
}

@test "a device of the host, by its rule; another one stays shut" {
	# one stream: two come in any order
	run -1 run_in --rm --device /dev/zero:/dev/mine:r --device-cgroup-rule 'c 1:11 rw' --cap-add mknod $IMAGE sh -c 'exec 2>&1
		head -c 3 /dev/mine | wc -c; mknod /kmsg c 1 11 && dd if=/dev/null of=/kmsg && mknod /mem c 1 1 && head -c 1 /mem'
	equal "${lines[0]}" 3
	contains "$output" "Operation not permitted"
}

@test "the host's namespaces, where they are asked for, and those of another container" {
	local ns option
	for ns in net ipc uts pid; do
		option=--$ns
		[ "$ns" != net ] || option=--network
		equal "$(d run --rm "$option" host $IMAGE readlink "/proc/self/ns/$ns" 2>/dev/null)" "$(readlink "/proc/self/ns/$ns")"
	done
	d run -d --name "$ID" --network none --ipc shareable $IMAGE sleep 1234 >/dev/null
	run -0 --separate-stderr d run --rm --network "container:$ID" --ipc "container:$ID" --pid "container:$ID" $IMAGE sh -c \
		'for ns in net ipc pid; do readlink /proc/self/ns/$ns; done; ps -o args | grep -c "^sleep 1234"'
	equal "$output" "$(for ns in net ipc pid; do readlink "/proc/$(inspect '{{.State.Pid}}')/ns/$ns"; done; echo 1)"
}

# --- exec -------------------------------------------------------------------------------------------------------

@test "exec passes output, input and status on" {
	start_ready
	served
	run -5 --separate-stderr d exec "$ID" sh -c 'echo out; echo err >&2; exit 5'
	equal "$output" out
	equal "$stderr" err
	run -0 d exec -i "$ID" wc -c < <(head -c 300000 /dev/zero)
	equal "$output" 300000
	run -137 d exec "$ID" sh -c 'kill -KILL $$'
}

@test "exec ends with 127 when there is no such program, with 126 when it cannot be run" {
	start_ready
	local missing=127
	[ "$DOCKER" = 28 ] || missing=126 # whatever the runtime
	run -$missing d exec "$ID" nonesuch
	contains "$output" 'exec: "nonesuch": executable file not found in $PATH' || [ "$KIND" = crun ]
	run -126 d exec "$ID" /etc/motd
	run -126 d exec "$ID" /etc
	run -0 d exec "$ID" true
}

@test "exec with user, directory, environment, privileges, in the background" {
	start_ready
	run -0 d exec -u 65534:29 -w /tmp -e A=b "$ID" sh -c 'echo $(id -u):$(id -g) $(pwd) $A'
	equal "$output" "65534:29 /tmp b"
	d exec -d "$ID" sleep 1234
	wait_until 10 eval "d top $ID | grep -q 'sleep 1234'"
	not_for runc crun -- "cannot, where root lacks a capability"
	run -0 d exec --privileged "$ID" grep CapEff /proc/self/status
	contains "$output" "$(all_capabilities)"
}

@test "exec -t is a terminal, of the size that the person's has" {
	start_ready
	run -4 d exec -t "$ID" sh -c 'tty; exit 4'
	equal "$(tr -d '\r' <<<"$output")" /dev/pts/0
	run -0 script -qec "stty rows 21 cols 77; docker exec -it $ID sh -c 'until [ \"\$(stty size)\" = \"21 77\" ]; do sleep 0.02; done; echo sized'" /dev/null 3>&-
	contains "$output" sized
}

@test "the end of the container ends what was executed in it, and nothing is executed afterwards" {
	start_ready
	d exec "$ID" sleep 1234 >"$BATS_TEST_TMPDIR/out" 2>&1 &
	local job=$!
	wait_until 10 eval "d top $ID | grep -q 'sleep 1234'"
	d kill "$ID" >/dev/null
	ends_with 137 "$job"
	run -1 d exec "$ID" true
	contains "$output" "is not running"
}

@test "twenty execs at a time, each with its own output and status" {
	local i jobs=()
	start_ready
	for i in $(seq 20); do
		d exec "$ID" sh -c "seq 1 2000; echo end $i; exit $i" >"$BATS_TEST_TMPDIR/$i" 2>&1 &
		jobs+=($!)
	done
	for i in $(seq 20); do
		ends_with "$i" "${jobs[i - 1]}"
		equal "$(tail -n 1 "$BATS_TEST_TMPDIR/$i") $(wc -l <"$BATS_TEST_TMPDIR/$i")" "end $i 2001"
	done
}

# --- the life of a container ------------------------------------------------------------------------------------

@test "create, start, wait, start again" {
	d create --name "$ID" --network none $IMAGE sh -c 'echo again; exit 9' >/dev/null
	equal "$(inspect '{{.State.Status}}')" created
	d start "$ID" >/dev/null
	run -0 d wait "$ID"
	equal "$output" 9
	run -9 d start -a "$ID"
	equal "$output" again
	equal "$(d logs "$ID" | grep -c again)" 2
}

@test "logs keep what was printed, all of it, and follow it" {
	run_in $IMAGE seq 1 5000 >/dev/null
	equal "$(d logs "$ID" | sha256sum)" "$(seq 1 5000 | sha256sum)"
	d rm "$ID"
	start_ready
	d logs -f "$ID" >"$BATS_TEST_TMPDIR/out" &
	local job=$!
	wait_until 10 grep -q ready "$BATS_TEST_TMPDIR/out"
	d stop "$ID" >/dev/null
	ends_with 0 "$job"
}

@test "attach brings output, input and the status" {
	run_in -d -i $IMAGE sh -c 'read line; echo "got $line"; exit 8' >/dev/null
	# A client whose input ends first may leave before the output: hold it open.
	mkfifo "$BATS_TEST_TMPDIR/in"
	d attach "$ID" <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/out" &
	local job=$!
	exec 9>"$BATS_TEST_TMPDIR/in"
	echo "a line" >&9
	ends_with 8 "$job"
	exec 9>&-
	equal "$(cat "$BATS_TEST_TMPDIR/out")" "got a line"
}

@test "stop sends the stop signal first, and kills what does not end in time" {
	start_ready
	d stop -t 60 "$ID" >/dev/null
	equal "$(inspect '{{.State.Status}} {{.State.ExitCode}}')" "exited 3"
	d rm "$ID"
	run_in -d --stop-signal USR2 $IMAGE sh -c 'trap "exit 4" USR2; echo ready; while :; do sleep 0.05; done' >/dev/null
	wait_until 10 logs_have ready
	d stop -t 60 "$ID" >/dev/null
	equal "$(inspect '{{.State.Status}} {{.State.ExitCode}}')" "exited 4"
	d rm "$ID"
	run_in -d $IMAGE sleep 1234 >/dev/null
	d stop -t 1 "$ID" >/dev/null
	equal "$(inspect '{{.State.Status}} {{.State.ExitCode}}')" "exited 137"
}

@test "kill sends any signal" {
	run_in -d $IMAGE sh -c 'trap "echo caught" USR1; echo ready; while :; do sleep 0.05; done' >/dev/null
	wait_until 10 logs_have ready
	d kill -s USR1 "$ID" >/dev/null
	wait_until 10 logs_have caught
	d kill "$ID" >/dev/null
	ended_with 137
	run -1 d kill "$ID"
	contains "$output" "is not running"
}

@test "pause stops every process, unpause lets them go on" {
	start_ready
	d pause "$ID" >/dev/null
	equal "$(inspect '{{.State.Status}} {{.State.Paused}}')" "paused true"
	run -1 d exec "$ID" true
	contains "$output" "is paused"
	d unpause "$ID" >/dev/null
	equal "$(inspect '{{.State.Status}}')" running
	run -0 d exec "$ID" true
	# commit pauses it for as long as it reads the file system
	d exec "$ID" touch /made
	d commit "$ID" localhost/made >/dev/null
	run -0 d run --rm --network none localhost/made ls /made
	d rmi -f localhost/made >/dev/null
	served
}

@test "stop, restart and rm --force of a paused container" {
	start_ready
	d pause "$ID" >/dev/null
	d restart -t 5 "$ID" >/dev/null
	wait_until 10 eval "[ \$(d logs $ID | grep -c ready) = 2 ]"
	served
	d pause "$ID" >/dev/null
	d stop -t 5 "$ID" >/dev/null
	equal "$(inspect '{{.State.Status}}')" exited
	d start "$ID" >/dev/null
	d pause "$ID" >/dev/null
	d rm -f "$ID" >/dev/null
	equal "$(d ps -aq)" ""
}

@test "rm --force ends what runs, --rm removes what has ended" {
	start_ready
	d rm -f "$ID" >/dev/null
	run_in -d --rm $IMAGE true >/dev/null
	wait_until 10 eval '[ -z "$(d ps -aq)" ]'
}

@test "build: RUN steps are containers of the default runtime, and one that fails ends it" {
	mkdir "$BATS_TEST_TMPDIR/context"
	printf 'FROM %s\nRUN echo built >/made && id -u\nUSER 1000\nRUN id -u\nCMD cat /made\n' "$IMAGE" >"$BATS_TEST_TMPDIR/context/Dockerfile"
	# BuildKit runs runc by itself, whatever the daemon's runtime is
	run -0 env DOCKER_BUILDKIT=0 timeout 100 docker build --network none --no-cache -t "built-$ID" "$BATS_TEST_TMPDIR/context" 3>&-
	equal "$(grep -xE '[0-9]+' <<<"$output" | paste -sd' ')" "0 1000"
	run -0 run_in --rm "built-$ID"
	equal "$output" built
	d rmi "built-$ID" >/dev/null
	printf 'FROM %s\nRUN exit 7\n' "$IMAGE" >"$BATS_TEST_TMPDIR/context/Dockerfile"
	run env DOCKER_BUILDKIT=0 timeout 100 docker build --network none --no-cache "$BATS_TEST_TMPDIR/context" 3>&-
	[ "$status" != 0 ]
	contains "$output" "returned a non-zero code: 7"
}

@test "top and stats show what runs" {
	start_ready
	run -0 d top "$ID" -o pid,args
	matches "${lines[1]}" "^$(inspect '{{.State.Pid}}') +sh -c trap"
	run -0 d stats --no-stream --format '{{.Name}} {{.PIDs}} {{.MemUsage}}' "$ID"
	matches "$output" "^$ID [12] [1-9][0-9.]*[KM]iB / "
}

@test "events come in their order, each once" {
	# The subscription has no answer, but it reaches back.
	command docker events --since 1m --filter "container=$ID" --format '{{.Action}} {{.Actor.Attributes.exitCode}}' >"$BATS_TEST_TMPDIR/events" 3>&- &
	local job=$!
	start_ready
	d exec "$ID" sh -c 'exit 4' || true
	wait_until 10 grep -q exec_die "$BATS_TEST_TMPDIR/events" # the client may hear of it first
	d pause "$ID" >/dev/null
	d unpause "$ID" >/dev/null
	d stop -t 60 "$ID" >/dev/null
	d rm "$ID" >/dev/null
	wait_until 10 grep -q destroy "$BATS_TEST_TMPDIR/events"
	kill "$job"
	# "stop" is Docker's own word after the fact, and may come before or after "die"
	equal "$(sed 's/ <no value>$//; s/ $//; s/^\(exec_[a-z]*\):.*/\1/; /^stop$/d' "$BATS_TEST_TMPDIR/events" | paste -sd,)" \
		"create,start,exec_create,exec_start,exec_die 4,pause,unpause,kill,die 3,destroy"
}

@test "twenty containers at a time, each with its own output and status; and twenty that are killed together" {
	local i jobs=()
	for i in $(seq 20); do
		d run --rm --network none $IMAGE sh -c "seq 1 100; echo end $i; exit $i" >"$BATS_TEST_TMPDIR/$i" 2>&1 &
		jobs+=($!)
	done
	for i in $(seq 20); do
		ends_with "$i" "${jobs[i - 1]}"
		equal "$(tail -n 1 "$BATS_TEST_TMPDIR/$i") $(wc -l <"$BATS_TEST_TMPDIR/$i")" "end $i 101"
	done
	jobs=()
	for i in $(seq 20); do
		d run -d --network none --name "$ID-$i" $IMAGE sleep 1234 >/dev/null &
		jobs+=($!)
	done
	wait "${jobs[@]}"
	equal "$(all '{{.Config.Image}}')" " 20 $IMAGE"
	# shellcheck disable=SC2046 # words
	d kill $(d ps -q) >/dev/null
	wait_until 20 eval '[ -z "$(d ps -q)" ]'
	# shellcheck disable=SC2046
	equal "$(d inspect --format '{{.State.ExitCode}}' $(d ps -aq) | sort | uniq -c | tr -s ' ')" " 20 137"
}

# --- policies ---------------------------------------------------------------------------------------------------

@test "on-failure starts a container again as often as it says" {
	run_in -d --restart on-failure:2 $IMAGE sh -c 'echo once; exit 3' >/dev/null
	becomes '{{.RestartCount}} {{.State.Status}} {{.State.ExitCode}}' "2 exited 3"
	equal "$(d logs "$ID" | grep -c once)" 3
	d rm "$ID" >/dev/null
	run_in -d --restart on-failure:2 $IMAGE true >/dev/null
	becomes '{{.RestartCount}} {{.State.Status}} {{.State.ExitCode}}' "0 exited 0"
}

@test "always starts it again after a crash, and not after a stop" {
	local pid
	start_ready --restart always
	pid=$(inspect '{{.State.Pid}}')
	kill -KILL "$pid"
	wait_until 20 eval "[ \$(d logs $ID | grep -c ready) = 2 ]"
	becomes '{{.RestartCount}} {{.State.Status}}' "1 running"
	[ "$(inspect '{{.State.Pid}}')" != "$pid" ]
	served
	d stop -t 60 "$ID" >/dev/null
	equal "$(inspect '{{.State.Status}} {{.State.ExitCode}}')" "exited 3"
}

@test "always starts it again after its shim was killed" {
	start_ready --restart always
	local pid parent
	pid=$(inspect '{{.State.Pid}}')
	# the parent of the container is what counts as the shim: it, or the guardian above it
	parent=$(parent_of "$pid")
	kill -KILL "$parent"
	wait_until 30 eval "[ \$(d logs $ID | grep -c ready) = 2 ]"
	gone "$pid"
	wait_until 10 served
}

@test "a health check makes the container healthy, and unhealthy" {
	start_ready --health-cmd 'test ! -e /ill' --health-interval 100ms --health-retries 2 --health-timeout 5s
	becomes '{{.State.Health.Status}}' healthy
	d exec "$ID" touch /ill
	becomes '{{.State.Health.Status}}' unhealthy
	d exec "$ID" rm /ill
	becomes '{{.State.Health.Status}}' healthy
}

@test "a health check that takes too long is ended" {
	start_ready --health-cmd 'sleep 1234' --health-interval 100ms --health-retries 1 --health-timeout 300ms
	becomes '{{.State.Health.Status}}' unhealthy
	d stop -t 60 "$ID" >/dev/null
}

# --- the daemon comes and goes ----------------------------------------------------------------------------------

# until_gone PID...: the program of a container, whose parent is still there to say so.
until_gone() {
	local pid
	for pid; do wait_until 10 gone "$pid"; done
}

# A container that ends with 5 when it is told to by a file, and one that says something then and goes on, as does what was
# executed in it.
start_both() {
	mkdir "$BATS_TEST_TMPDIR/go"
	run_in -d -v "$BATS_TEST_TMPDIR/go:/go" $IMAGE sh -c \
		'trap "exit 3" TERM; until [ -e /go/on ]; do sleep 0.05; done; echo while away; touch /go/said; while :; do sleep 0.05; done' >/dev/null
	d run -d --name "$ID-end" --network none -v "$BATS_TEST_TMPDIR/go:/go:ro" $IMAGE sh -c 'until [ -e /go/on ]; do sleep 0.05; done; exit 5' >/dev/null
	d exec -d "$ID" sh -c 'until [ -e /go/said ]; do sleep 0.05; done; sleep 1234'
	d exec "$ID" sleep 2345 >/dev/null 2>&1 &
	wait_until 10 eval "d top $ID | grep -q 'sleep 2345'"
	GOES_ON=$(inspect '{{.State.Pid}}')
	ENDS=$(inspect '{{.State.Pid}}' "$ID-end")
}

# While no daemon is there one of them ends; then a daemon comes, and finds both as they are.
ends_meanwhile() {
	touch "$BATS_TEST_TMPDIR/go/on"
	until_gone "$ENDS"
	wait_until 10 test -e "$BATS_TEST_TMPDIR/go/said"
	docker_start
	becomes '{{.State.Status}} {{.State.ExitCode}}' "exited 5" "$ID-end"
	equal "$(inspect '{{.State.Status}} {{.State.Pid}}')" "running $GOES_ON"
	served
	wait_until 10 logs_have "while away"
	run -6 d exec "$ID" sh -c 'exit 6'
	wait_until 10 eval "d top $ID | grep -q 'sleep 1234'"
	d stop -t 60 "$ID" >/dev/null
	ended_with 3
	d start "$ID" >/dev/null
	served
}

live_restore() { # true | false
	docker_configure '."live-restore" = '"$1"
	docker_signal HUP
	wait_until 10 eval "[ \"\$(d info --format '{{.LiveRestoreEnabled}}')\" = $1 ]"
}

@test "live restore: a daemon that is told to end leaves the containers, another takes them over" {
	[ "$DOCKER" != 28 ] || not_for runc -- "of its shim's task that ended meanwhile containerd 2.1 knows no more than 255"
	[ "$DOCKER" != 28 ] || not_via path -- "that shim is runc's: the same"
	live_restore true
	start_both
	docker_stop
	ends_meanwhile
}

@test "live restore: a daemon that is killed, and its containerd with it" {
	[ "$DOCKER" != 28 ] || not_for runc -- "of its shim's task that ended meanwhile containerd 2.1 knows no more than 255"
	[ "$DOCKER" != 28 ] || not_via path -- "that shim is runc's: the same"
	live_restore true
	start_both
	docker_signal KILL
	wait_until 10 gone "$(cat "$DK/pid")"
	wait_until 10 no_containerd
	ends_meanwhile
}

@test "live restore: what dies while no daemon is there is started again by its policy" {
	live_restore true
	start_ready --restart on-failure
	local pid
	pid=$(inspect '{{.State.Pid}}')
	docker_stop
	kill -KILL "$pid"
	until_gone "$pid"
	docker_start
	wait_until 20 eval "[ \$(d logs $ID | grep -c ready) = 2 ]"
	served
}

@test "without live restore the daemon's end ends the containers, and the policy starts them again" {
	live_restore false
	start_ready
	d run -d --name "$ID-always" --network none --restart always $IMAGE sh -c 'trap "exit 4" TERM; echo ready; while :; do sleep 0.05; done' >/dev/null
	wait_until 10 logs_have ready "$ID-always"
	docker_stop
	docker_start
	ended_with 3
	becomes '{{.State.Status}}' running "$ID-always"
	served "$ID-always"
}

@test "containerd killed alone: Docker starts another, and the containers are still there" {
	only_28 "takes long to notice"
	start_ready
	local pid containerd
	pid=$(inspect '{{.State.Pid}}')
	containerd=$(containerd_pid)
	kill -KILL "$containerd"
	wait_until 20 eval "[ -n \"\$(containerd_pid)\" ] && [ \"\$(containerd_pid)\" != $containerd ]"
	wait_until 20 d exec "$ID" true
	equal "$(inspect '{{.State.Status}} {{.State.Pid}}')" "running $pid"
	served
	d stop -t 60 "$ID" >/dev/null
	ended_with 3
}

# --- swarm ------------------------------------------------------------------------------------------------------

replicas() { # WANTED: so many tasks of the service run, and so many containers
	[ "$(d service ls --format '{{.Replicas}}')" = "$1/$1" ] && [ "$(d ps -q --filter status=running | wc -l)" = "$1" ]
}

all_served() {
	local id
	for id in $(d ps -q --filter status=running); do served "$id"; done
}

updated() {
	[ "$(d service inspect --format '{{.UpdateStatus.State}}' "$ID")" = "$1" ]
}

@test "a Swarm service: replicas, one that dies, scale, update, roll back, drain, remove" {
	only_28 "a swarm is tested with the newer one"
	local first
	d swarm init --advertise-addr 127.0.0.1 --listen-addr 127.0.0.1 >/dev/null
	d tag $IMAGE localhost/reeve-test:2
	d service create --quiet --detach --name "$ID" --replicas 2 --network host --no-resolve-image --restart-delay 100ms \
		--update-parallelism 0 --update-monitor 100ms --rollback-parallelism 0 --rollback-monitor 100ms --limit-memory 32m --env V=1 \
		$IMAGE sh -c 'trap "exit 0" TERM; while :; do sleep 0.1; done' >/dev/null
	wait_until 30 replicas 2
	all_served
	equal "$(all '{{.HostConfig.Memory}} {{.Config.Image}}')" " 2 33554432 $IMAGE:latest"

	first=$(d ps -q | head -n 1)
	kill -KILL "$(inspect '{{.State.Pid}}' "$first")"
	wait_until 30 eval "! d ps -q | grep -q $first && replicas 2"
	equal "$(inspect '{{.State.ExitCode}}' "$first")" 137

	d service scale --detach "$ID=5" >/dev/null
	wait_until 30 replicas 5
	all_served

	d service update --quiet --detach --no-resolve-image --image localhost/reeve-test:2 --env-add V=2 "$ID" >/dev/null
	wait_until 60 updated completed
	wait_until 30 replicas 5
	equal "$(all '{{.Config.Image}} {{range .Config.Env}}{{.}},{{end}}')" " 5 localhost/reeve-test:2 V=2,PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin,"
	all_served
	equal "$(d exec "$(d ps -q | head -n 1)" sh -c 'echo $V')" 2

	d service rollback --quiet --detach "$ID" >/dev/null
	wait_until 60 updated rollback_completed
	wait_until 30 replicas 5
	equal "$(all '{{.Config.Image}}')" " 5 $IMAGE:latest"

	d node update --availability drain "$(d node ls -q)" >/dev/null
	wait_until 30 eval '[ -z "$(d ps -q)" ]'
	wait_until 30 eval '! d ps -a --format "{{.Status}}" | grep -qv ^Exited'
	d node update --availability active "$(d node ls -q)" >/dev/null
	wait_until 30 replicas 5
	all_served

	d service rm "$ID" >/dev/null
	wait_until 30 eval '[ -z "$(d ps -aq)" ]'
	d swarm leave --force >/dev/null
	d rmi localhost/reeve-test:2 >/dev/null
}
