#!/usr/bin/env bats
# Unmodified podman with conmon over the runtime under test. `./dev test integration podman` runs this file once for
# podman 4.3 (Debian 12) and once for 5.8 (sid), see podman.bash. Every test holds for runc and crun too, but for what
# not_for says. docs/compatibility.md has the table of what is shown here.
# shellcheck disable=SC2154 # output, lines: bats

load lib.bash
load podman.bash

IMAGE=localhost/reeve-test
APP=localhost/reeve-app

setup_file() {
	podman_setup_file
}

teardown_file() {
	podman_teardown_file
}

setup() {
	podman_setup
}

teardown() {
	podman_teardown
}

# --- run --------------------------------------------------------------------------------------------------------

@test "podman runs its containers by the runtime under test" {
	run -0 p info --format '{{.Host.OCIRuntime.Path}} {{.Host.OCIRuntime.Version}}'
	contains "$output" "$RT $KIND version "
	start_ready
	equal "$(p inspect --format '{{.OCIRuntime}}' "$ID")" "$KIND"
	equal "$(find "$RT_ROOT" -mindepth 1 -maxdepth 1 -name "$(p inspect --format '{{.Id}}' "$ID")" | wc -l)" 1 "state directories"
}

@test "files with the container's and conmon's numbers; exit codes, awaited one by one and together" {
	run -0 p run --name "$ID" --pidfile "$T/pid" --cidfile "$T/cid" --conmon-pidfile "$T/conmon" $IMAGE true
	matches "$(cat "$T/pid") $(cat "$T/conmon")" '^[0-9]+ [0-9]+$'
	local id
	id=$(cat "$T/cid")
	equal "$(inspect '{{.Id}}')" "$id"
	p rm "$ID" >/dev/null
	for code in 0 3 255; do
		run -0 p run -d --name "$ID-$code" $IMAGE sh -c "exit $code"
		equal "$(p wait "$ID-$code")" "$code"
	done
	equal "$(p wait "$ID-3" "$ID-255" "$ID-0" | paste -sd' ')" "3 255 0"
}

@test "a link named runc or crun is that runtime for podman" {
	not_for runc crun -- "they are their own names"
	local name version
	mkdir "$T/bin"
	for name in runc crun; do
		ln -s "$RT" "$T/bin/$name"
		version=$("$T/bin/$name" --version | head -n 1)
		matches "$version" "^$name version [0-9.]+\$"
		contains "$(p --runtime "$T/bin/$name" info --format '{{.Host.OCIRuntime.Version}}')" "$version"
		run -6 p --runtime "$T/bin/$name" run --name "$ID" $IMAGE sh -c 'exit 6'
		run -6 p --runtime "$T/bin/$name" start -a "$ID"
		run -127 p --runtime "$T/bin/$name" run --rm $IMAGE nonesuch
		run -126 p --runtime "$T/bin/$name" run --rm $IMAGE /etc/motd
		p --runtime "$T/bin/$name" rm "$ID" >/dev/null
	done
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
	wait_until 10 eval '[ -z "$(find "$RT_ROOT" -mindepth 1 -maxdepth 1 ! -name ".*" 2>/dev/null)" ]'
}

@test "--init reaps, passes signals on and ends as the program does" {
	once --init $IMAGE cat /proc/1/comm
	matches "$output" '^(podman-init|catatonit)$'
	p run -d --init --name "$ID" $IMAGE sh -c 'trap "exit 3" TERM; (sleep 0.05 &) ; echo ready; while :; do sleep 0.05; done' >/dev/null
	wait_until 10 logs_have ready
	wait_until 10 eval "! p top $ID args | grep -q 'sleep 0.05 *\$\$'"
	p stop -t 60 "$ID" >/dev/null
	equal "$(inspect '{{.State.ExitCode}}')" 3
}

@test "--timeout ends a container, --stop-signal is what stop sends" {
	run -255 p run --name "$ID-t" --timeout 1 $IMAGE sleep 1234
	p run -d --name "$ID" --stop-signal USR1 $IMAGE sh -c 'trap "exit 7" USR1; echo ready; while :; do sleep 0.05; done' >/dev/null
	wait_until 10 logs_have ready
	p stop -t 60 "$ID" >/dev/null
	equal "$(inspect '{{.State.ExitCode}}')" 7
}

@test "other ways of its output" {
	run -0 p run --rm --log-driver none $IMAGE echo hi
	equal "$output" hi
	run -0 p run --rm --log-driver passthrough $IMAGE echo hi </dev/null
	equal "$output" hi
	run -0 p run --name "$ID" --log-driver json-file $IMAGE echo hi
	equal "$(p logs "$ID")" hi
}

@test "user, environment, directory, entry point and command of the image" {
	once $APP
	equal "$output" "hello from app:app in /home/app, as told"
	once -e GREETING=goodbye -u 0:0 -w /tmp $APP otherwise
	equal "$output" "goodbye from root:root in /tmp, otherwise"
}

@test "users by name, groups, groups of the caller, masks, personality" {
	once -u app:audio --group-add video --group-add 4711 $IMAGE sh -c 'id -un; id -gn; id -G'
	equal "$output" $'app\naudio\n29 44 4711'
	once -u 4712 --umask 077 --personality LINUX32 $IMAGE sh -c 'id -u; id -g; umask; uname -m'
	equal "$output" "$(printf '4712\n0\n0077\n%s' "$(setarch linux32 uname -m)")"
	run -0 setpriv --groups 0,4711 bash -c 'exec "$@" 3>&-' _ "$PODMAN" run --rm --group-add keep-groups $IMAGE id -G
	[ "$KIND" = runc ] || contains " $output " " 4711 " # an annotation of crun's
}

@test "run -i reads its input to the end" {
	once -i $IMAGE wc -c < <(head -c 3000000 /dev/zero)
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
	[ "$RUNTIME" = runc-sid ] || run -126 p exec "$ID" /etc # runc 1.3 has no word that podman knows
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

@test "exec -it has the size of the person's terminal" {
	start_ready
	run -5 script -qec "stty rows 21 cols 77; $PODMAN exec -it $ID sh -c 'until [ \"\$(stty size)\" = \"21 77\" ]; do sleep 0.02; done; echo sized; exit 5'" /dev/null 3>&-
	contains "$output" sized
}

@test "exec with privileges, with a terminal and a user, with descriptors" {
	start_ready --cap-drop all
	run -0 p exec "$ID" grep CapEff /proc/self/status
	contains "$output" 0000000000000000
	run -0 p exec --privileged "$ID" grep CapEff /proc/self/status
	contains "$output" "$(awk '/^CapBnd/ { print $2 }' /proc/self/status)"
	run -0 p exec -t -u app -w /home/app -e A=b "$ID" sh -c 'id -un; pwd; echo $A; test -t 0 && stat -c %U $(tty)'
	equal "$(tr -d '\r' <<<"$output")" $'app\n/home/app\nb\napp'
	run -0 bash -c 'exec 3<<<"from outside"; exec timeout 180 "$PODMAN" exec --preserve-fds 1 '"$ID"' sh -c "cat <&3"'
	equal "$output" "from outside"
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
	p stop -t 60 "$ID" >/dev/null
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

@test "restart starts the program anew, of a container that runs and of one that does not" {
	start_ready
	local first
	first=$(inspect '{{.State.Pid}}')
	p restart -t 10 "$ID" >/dev/null
	wait_until 10 eval "[ \$(p logs $ID | grep -c ready) = 2 ]"
	[ "$(inspect '{{.State.Pid}}')" != "$first" ]
	p kill "$ID" >/dev/null
	ended "$ID" 137
	p restart "$ID" >/dev/null
	wait_until 10 eval "[ \$(p logs $ID | grep -c ready) = 3 ]"
	p rm -f -t 0 "$ID" >/dev/null
	run -1 p container exists "$ID"
}

@test "copy, commit, diff and export of a container that runs" {
	start_ready
	p exec "$ID" sh -c 'echo new >/etc/new; rm /etc/motd'
	p cp "$ID:/etc/new" "$T/new"
	equal "$(cat "$T/new")" new
	p cp "$T/new" "$ID:/tmp/copied"
	equal "$(p exec "$ID" cat /tmp/copied)" new
	contains "$(p diff "$ID")" "A /etc/new"
	p commit -q --pause "$ID" "localhost/$ID" >/dev/null
	equal "$(status_of "$ID")" running
	once "localhost/$ID" sh -c 'cat /etc/new; test ! -e /etc/motd && echo gone'
	equal "$output" $'new\ngone'
	p rmi "localhost/$ID" >/dev/null
	mkdir "$T/rootfs"
	p export "$ID" | tar -xf - -C "$T/rootfs"
	once --rootfs "$T/rootfs" cat /etc/new
	equal "$output" new
	once --rootfs "$T/rootfs:O" sh -c 'rm /etc/new; echo removed'
	equal "$output$(cat "$T/rootfs/etc/new")" removednew
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

@test "what a health check that fails does to the container" {
	start_ready --health-cmd false --health-interval disable --health-retries 1 --health-on-failure kill
	run -1 p healthcheck run "$ID"
	ended "$ID" 137
	[ "$PODMAN_VERSION" = 5 ] || return 0 # 4 knows no end of a check
	p rm "$ID" >/dev/null
	start_ready --health-cmd 'sleep 1234' --health-interval disable --health-retries 1 --health-timeout 1s
	run -125 p healthcheck run "$ID"
	contains "$output" "timeout of 1s"
	wait_until 10 eval "! p top $ID args | grep -q 'sleep 1234'"
}

# --- what podman asks of the runtime ----------------------------------------------------------------------------

@test "limits are in the container's cgroup, and update changes them" {
	local at cpus one
	cpus=$(processors)
	one=${cpus%%[,-]*}
	start_ready --memory 64m --memory-swap 96m --memory-reservation 32m --pids-limit 50 --cpus 0.5 --cpuset-cpus "$one"
	at=$(cgroup_of "$ID")
	equal "$(cg memory memory.limit_in_bytes memory.max "$at")" 67108864
	equal "$(cg memory memory.memsw.limit_in_bytes memory.swap.max "$at")" "$(is_v2 && echo 33554432 || echo 100663296)"
	equal "$(cg memory memory.soft_limit_in_bytes memory.low "$at")" 33554432
	equal "$(cg pids pids.max pids.max "$at")" 50
	matches "$(cg cpu cpu.cfs_quota_us cpu.max "$at")" '^50000'
	equal "$(cg cpuset cpuset.cpus cpuset.cpus "$at")" "$one"
	local pids=(--pids-limit 60)
	[ "$PODMAN_VERSION" = 5 ] || pids=()
	run -0 p update --memory 128m --memory-swap 128m --cpus 0.25 --cpuset-cpus "$cpus" "${pids[@]}" "$ID"
	equal "$(cg memory memory.limit_in_bytes memory.max "$at")" 134217728
	matches "$(cg cpu cpu.cfs_quota_us cpu.max "$at")" '^25000'
	[ "${#pids[@]}" = 0 ] || equal "$(cg pids pids.max pids.max "$at")" 60
	equal "$(cg cpuset cpuset.cpus cpuset.cpus "$at")" "$cpus"
	equal "$(p exec "$ID" grep Cpus_allowed_list /proc/self/status | tr -d '\t')" "Cpus_allowed_list:$cpus"
}

@test "limits of the process" {
	once --ulimit nofile=100:200 --ulimit nproc=1024:1024 --ulimit core=0 --oom-score-adj 500 --shm-size 2m --stop-timeout 5 $IMAGE \
		sh -c 'ulimit -n; ulimit -Hn; ulimit -c; cat /proc/self/oom_score_adj'
	equal "$output" $'100\n200\n0\n500'
}

@test "a container beyond its memory limit is killed, and conmon sees it" {
	p run -d --name "$ID" --memory 16m $IMAGE sh -c 'tail /dev/zero' >/dev/null
	ended "$ID" 137
	if [ "$PODMAN_VERSION" = 4 ]; then
		wait_until 10 test -e "$T/oom"
	else
		equal "$(inspect '{{.State.OOMKilled}}')" true
	fi
}



@test "a container without a cgroup of its own" {
	not_for runc -- "knows no --cgroup-manager disabled"
	once --cgroups disabled $IMAGE cat /proc/self/cgroup
	[[ "$output" != *libpod* ]] || fail "$output"
}

@test "cgroups: that of the host's namespace, without conmon's, and one for each" {
	once --cgroupns host $IMAGE grep memory: /proc/self/cgroup
	contains "$output" "/libpod_parent/libpod-"
	once --cgroupns private $IMAGE grep memory: /proc/self/cgroup
	matches "$output" ':/$'
	once --cgroups no-conmon --cgroupns host $IMAGE grep memory: /proc/self/cgroup
	contains "$output" "/libpod_parent/libpod-"
	once --cgroups split $IMAGE echo so
	equal "$output" so
	once --cgroup-parent /libpod_parent/libpod-mine --cgroupns host $IMAGE grep memory: /proc/self/cgroup
	contains "$output" ":/libpod_parent/libpod-mine/libpod-"
	# podman's, with conmon in it for a moment yet
	wait_until 10 find /sys/fs/cgroup -depth -type d -path '*/libpod_parent/libpod-mine*' -exec rmdir {} +
}

@test "a device of the host, by its rule; another one stays shut" {
	mknod "$T/kmsg" c 1 11
	# One stream: what goes to two comes through two pipes of conmon's, in any order.
	run -1 p run --rm --device "$T/kmsg:/dev/mine:w" --device-cgroup-rule 'c 1:4 r' --cap-add mknod $IMAGE sh -c 'exec 2>&1
		dd if=/dev/null of=/dev/mine 2>/dev/null && head -c 1 /dev/mine || echo no reading
		mknod /port c 1 4 && head -c 1 /port; mknod /mem c 1 1 && head -c 1 /mem'
	contains "${lines[0]}" "/dev/mine: Operation not permitted"
	equal "${lines[1]}" "no reading"
	[[ "${lines[2]}" != *"/port: Operation not permitted" ]] || fail "${lines[2]}"
	contains "${lines[-1]}" "/mem: Operation not permitted"
	once --device /dev/full --device /dev/zero:/dev/in/a/dir/zero --security-opt label=disable $IMAGE sh -c 'ls -l /dev/full | cut -c1; head -c 2 /dev/in/a/dir/zero | wc -c'
	equal "$output" $'c\n2'
	run -125 p run --rm --device /dev/nonesuch $IMAGE true
}

@test "a seccomp profile of one's own" {
	echo '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
		{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28},
		{"names": ["sync"], "action": "SCMP_ACT_KILL_PROCESS"}]}' >"$T/profile.json"
	start_ready --security-opt seccomp="$T/profile.json"
	run -1 p exec "$ID" mkdir /x
	contains "$output" "No space left on device"
	run -159 p exec "$ID" sync
	run -0 p exec "$ID" grep '^Seccomp:' /proc/self/status
	equal "$output" $'Seccomp:\t2'
	run -0 p exec "$ID" rmdir /home/app
	echo '{"defaultAction": "SCMP_ACT_NONSENSE"}' >"$T/profile.json"
	run p run --rm --security-opt seccomp="$T/profile.json" $IMAGE true
	[ "$status" -ge 125 ]
}

@test "paths that are masked and shown, and a user that may not gain privileges" {
	once --security-opt mask=/etc/motd:/home $IMAGE sh -c 'wc -c </etc/motd; ls /home | wc -l; head -c 1 /proc/keys | wc -c'
	equal "$output" $'0\n0\n0'
	run p run --rm --security-opt unmask=ALL $IMAGE grep -c ' /proc/' /proc/self/mountinfo
	equal "$output" 0
	once -u app --security-opt no-new-privileges $IMAGE grep -E '^(CapEff|NoNewPrivs):' /proc/self/status
	equal "$output" $'CapEff:\t0000000000000000\nNoNewPrivs:\t1'
}

@test "a privileged container has every capability and every device" {
	once --privileged $IMAGE sh -c 'grep CapBnd /proc/self/status; test -c /dev/ptmx && test -c /dev/null && ls /dev | wc -l'
	contains "${lines[0]}" "$(awk '/^CapBnd/ { print $2 }' /proc/self/status)"
	[ "${lines[1]}" -gt 20 ] || fail "only ${lines[1]} entries in /dev"
}

@test "a read-only container" {
	once --read-only $IMAGE sh -c 'touch /x 2>/dev/null || touch /tmp/y && echo so'
	equal "$output" so
}

@test "a read-only container without one directory that can be written to" {
	run -1 p run --rm --read-only --read-only-tmpfs=false --tmpfs /kept $IMAGE sh -c '
		echo >/dev/null && ls /dev/pts >/dev/null && touch /kept/x && echo so
		for d in / /tmp /run /dev /dev/shm; do touch $d/x 2>/dev/null && echo $d; done; touch /tmp/x'
	if [ "$PODMAN_VERSION" = 4 ]; then # leaves /dev as it is
		equal "$(grep ^/dev <<<"$output" | paste -sd' ')" "/dev /dev/shm"
	else
		equal "${lines[0]} ${#lines[@]}" "so 2"
	fi
	run -0 p run --rm -t --read-only --read-only-tmpfs=false $IMAGE tty
	equal "$(tr -d '\r' <<<"$output")" /dev/pts/0
}

@test "capabilities, no new privileges, seccomp off" {
	once --cap-drop all --cap-add net_raw --security-opt no-new-privileges --security-opt seccomp=unconfined $IMAGE \
		grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status
	equal "$output" $'CapEff:\t0000000000002000\nNoNewPrivs:\t1\nSeccomp:\t0'
	once $IMAGE grep '^Seccomp:' /proc/self/status
	equal "$output" $'Seccomp:\t2'
}

@test "volumes, tmpfs, shared memory, sysctl, host name" {
	mkdir "$BATS_TEST_TMPDIR/v"
	once -v "$BATS_TEST_TMPDIR/v:/v:ro" -v "$BATS_TEST_TMPDIR/v:/w" --tmpfs /t:size=1m --shm-size 2m --hostname foo \
		--sysctl kernel.msgmax=9000 $IMAGE sh -c 'touch /v/x 2>/dev/null || touch /w/y; df -k /t | tail -n 1 | tr -s " " | cut -d" " -f2
			df -k | grep " /dev/shm$" | tr -s " " | cut -d" " -f2; hostname; cat /proc/sys/kernel/msgmax'
	equal "$output" $'1024\n2048\nfoo\n9000'
	equal "$(ls "$BATS_TEST_TMPDIR/v")" y
}

@test "a named volume outlives its container" {
	p run --rm -v "$ID:/data" $IMAGE sh -c 'echo kept >/data/f'
	once -v "$ID:/data" $IMAGE cat /data/f
	equal "$output" kept
	p volume rm "$ID" >/dev/null
}

@test "mounts of every kind" {
	mkdir -p "$T/v/sub"
	echo hi >"$T/v/f"
	once --mount type=bind,src="$T/v",dst=/ro,ro=true --mount type=bind,src="$T/v",dst=/rw --mount type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=700 \
		--mount type=devpts,dst=/pts --mount type=image,src=$IMAGE,dst=/image --mount type=volume,src="$ID",dst=/vol \
		-v "$T/v:/over:O" -v "$T/v:/slave:rslave,nosuid,noexec" $IMAGE sh -c '
			touch /ro/x 2>/dev/null || touch /rw/new; stat -c %a /t; df -k /t | tail -n 1 | tr -s " " | cut -d" " -f2; test -c /pts/ptmx && cat /image/etc/motd
			touch /vol/x && rm /over/f && ls /over | paste -sd" "; grep " /slave " /proc/self/mountinfo | grep -o "nosuid,.*noexec"'
	equal "$output" $'700\n1024\nsecond layer\nnew sub\nnosuid,noexec'
	equal "$(find "$T/v" -mindepth 1 -printf "%f\n" | sort | paste -sd' ')" "f new sub"
	p volume rm "$ID" >/dev/null
	# A file, below a mount, below another; and one that is not there.
	once --tmpfs /a -v "$T/v:/a/b" -v "$T/v/f:/a/b/sub/file:ro" $IMAGE cat /a/b/sub/file
	equal "$output" hi
	run -125 p run --rm -v "$T/nonesuch:/v" $IMAGE true
	[ "$PODMAN_VERSION" = 4 ] || { once --mount type=ramfs,dst=/ram $IMAGE grep -c ' /ram ramfs ' /proc/mounts && equal "$output" 1; }
}

@test "volumes whose owners change, or are mapped" {
	mkdir "$T/v"
	touch "$T/v/f"
	chown 5:6 "$T/v" "$T/v/f"
	once -u 1000:29 -v "$T/v:/v:U" $IMAGE sh -c 'touch /v/new && stat -c %u:%g /v/f /v/new'
	equal "$output" $'1000:29\n1000:29'
	equal "$(stat -c %u:%g "$T/v/f")" 1000:29
	not_for old-runc old-crun -- "know no id-mapped mounts"
	chown 0:0 "$T/v" "$T/v"/*
	once --uidmap 0:100000:2000 --gidmap 0:100000:2000 -v "$T/v:/v:idmap" $IMAGE sh -c 'stat -c %u:%g /v/f; touch /v/mapped'
	equal "$output" 0:0
	equal "$(stat -c %u:%g "$T/v/mapped")" 0:0
	not_for runc -- "an option of crun's"
	once -v "$T/v:/v:idmap=uids=0-1000-10;gids=0-2000-10" $IMAGE stat -c %u:%g /v/f
	equal "$output" 1000:2000
}

@test "the host's namespaces, where they are asked for" {
	local ns
	for ns in net ipc uts pid; do
		option=--$ns
		[ "$ns" != net ] || option=--network
		once "$option" host $IMAGE readlink "/proc/self/ns/$ns"
		equal "$output" "$(readlink "/proc/self/ns/$ns")"
		once $IMAGE readlink "/proc/self/ns/$ns"
		[ "$output" != "$(readlink "/proc/self/ns/$ns")" ] || fail "$ns is the host's"
	done
}

@test "namespaces of another container" {
	start_ready --ipc shareable
	local ns show='for n in net ipc pid uts; do readlink /proc/self/ns/$n; done'
	once --network "container:$ID" --ipc "container:$ID" --pid "container:$ID" --uts "container:$ID" $IMAGE sh -c "$show; ps -o args | grep -c '^sh -c trap'"
	for ns in net ipc pid uts; do readlink "/proc/$(inspect '{{.State.Pid}}')/ns/$ns"; done >"$T/want"
	equal "$output" "$(cat "$T/want"; echo 1)"
	# It goes on when the guest of its pid namespace has ended, and may be paused with it in.
	p run -d --name "$ID-guest" --pid "container:$ID" $IMAGE sleep 1234 >/dev/null
	p pause "$ID-guest" >/dev/null
	p rm -f -t 0 "$ID-guest" >/dev/null
	run -0 p exec "$ID" true
}

@test "a network of its own, a published port, and others in it" {
	local address
	start_ready --network bridge -p 127.0.0.1:18080:80
	address=$(inspect '{{.NetworkSettings.IPAddress}}')
	matches "$address" '^10\.88\.'
	contains "$(p exec "$ID" ip -4 -o addr show eth0)" "$address/16"
	once --network "container:$ID" $IMAGE ip -4 -o addr show eth0
	contains "$output" "$address/16"
	# In a user namespace too: the network belongs to it.
	once --network bridge --uidmap 0:100000:2000 --gidmap 0:100000:2000 --cap-add net_admin $IMAGE sh -c 'ip link set lo down && ip -4 -o addr show eth0'
	contains "$output" " 10.88."
	p rm -f -t 0 "$ID" >/dev/null
}

@test "a network namespace that others made" {
	ip netns add "$ID"
	local want
	want=$(ip netns exec "$ID" readlink /proc/self/ns/net)
	once --network "ns:/run/netns/$ID" $IMAGE readlink /proc/self/ns/net
	ip netns delete "$ID"
	equal "$output" "$want"
}

@test "a user namespace of its own" {
	once --uidmap 0:100000:2000 --gidmap 0:100000:2000 $IMAGE \
		sh -c 'tr -s " " </proc/self/uid_map; touch /x && stat -c %u:%g /x /home/app'
	equal "$output" $' 0 100000 2000\n0:0\n1000:1000'
}

@test "user namespaces of another container, of the host, and one chosen by podman" {
	start_ready --uidmap 0:100000:2000 --gidmap 0:100000:2000
	once --userns "container:$ID" $IMAGE sh -c 'readlink /proc/self/ns/user; touch /x && stat -c %u /x'
	equal "$output" "$(readlink "/proc/$(inspect '{{.State.Pid}}')/ns/user")"$'\n0'
	run -0 p exec "$ID" sh -c 'tr -s " " </proc/self/uid_map; id -u'
	equal "$output" $' 0 100000 2000\n0'
	p pause "$ID" >/dev/null
	p unpause "$ID" >/dev/null
	once --userns host $IMAGE readlink /proc/self/ns/user
	equal "$output" "$(readlink /proc/self/ns/user)"
	run -0 --separate-stderr p run --rm --userns auto:uidmapping=0:300000:1500,gidmapping=0:300000:1500,size=1500 $IMAGE sh -c 'tr -s " " </proc/self/uid_map'
	equal "$output" ' 0 300000 1500'
}

@test "systemd's mounts, for a container that runs it" {
	# On cgroup v1 podman 5 gives it the whole hierarchy, 4 its own part.
	once --systemd always $IMAGE sh -c 'grep -c " /run/lock " /proc/self/mountinfo; grep -c " /tmp .*tmpfs" /proc/self/mountinfo
		d=/sys/fs/cgroup; [ ! -d $d/systemd ] || d=$d/systemd
		mkdir "$d/below" 2>/dev/null || { d=$d$(sed -n "s/.*name=systemd://p" /proc/self/cgroup) && mkdir "$d/below"; }; rmdir "$d/below" && echo made'
	equal "$output" $'1\n1\nmade'
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
	wait_until 10 eval "p exec $ID-a ps -o args | grep -c '^sleep 1234' | grep -qx 2"
	once --pod "$ID" $IMAGE sh -c "$show"
	equal "${lines[4]}" 2 "first processes of the pod that are seen"
	equal "$output" "$(p exec "$ID-a" sh -c "$show")"
	p pod stop -t 0 "$ID" >/dev/null
	p pod rm "$ID" >/dev/null
}

@test "a pod: pause, top, stats, stop, start, kill" {
	# With a pid namespace together, the end of the first container is that of all, for whom it is a matter of chance.
	p pod create --name "$ID" --share ipc,uts,net >/dev/null # its infra container is catatonit
	p run -d --pod "$ID" --name "$ID-a" --stop-timeout 60 $IMAGE sh -c 'trap "exit 3" TERM; echo ready; while :; do sleep 0.05; done' >/dev/null
	p run -d --pod "$ID" --name "$ID-b" --memory 32m --stop-timeout 0 $IMAGE sleep 1234 >/dev/null
	wait_until 10 logs_have ready "$ID-a"
	equal "$(cg memory memory.limit_in_bytes memory.max "$(dirname "$(awk -F: '$2 == "memory" || $1 == 0 { print $3; exit }' "/proc/$(inspect '{{.State.Pid}}' "$ID-b")/cgroup")")/libpod-$(inspect '{{.Id}}' "$ID-b")")" 33554432
	p pod pause "$ID" >/dev/null
	equal "$(p pod ps --format '{{.Status}}' --filter name="$ID")" Paused
	equal "$(status_of "$ID-a") $(status_of "$ID-b")" "paused paused"
	p pod unpause "$ID" >/dev/null
	contains "$(p pod top "$ID" args)" "sleep 1234"
	matches "$(p pod stats --no-stream --format '{{.Name}} {{.PIDS}}' "$ID")" "$ID-b 1"
	p pod stop "$ID" >/dev/null
	equal "$(inspect '{{.State.ExitCode}}' "$ID-a")" 3
	p pod start "$ID" >/dev/null
	wait_until 10 eval "[ \$(p logs $ID-a | grep -c ready) = 2 ]"
	p pod kill "$ID" >/dev/null
	ended "$ID-b" 137
	p pod rm -f -t 0 "$ID" >/dev/null
}

@test "a pod of Kubernetes' kind, there and back" {
	cat >"$T/pod.yaml" <<-'POD'
		apiVersion: v1
		kind: Pod
		metadata: {name: NAME}
		spec:
		  restartPolicy: Never
		  terminationGracePeriodSeconds: 1
		  initContainers:
		  - {name: first, image: localhost/reeve-test, command: [sh, -c, echo made >/data/f], volumeMounts: [{mountPath: /data, name: e}]}
		  containers:
		  - name: one
		    image: localhost/reeve-test
		    command: [sh, -c, "cat /data/f; id -u; touch /x || echo read-only; sleep 1234"]
		    securityContext: {readOnlyRootFilesystem: true, runAsUser: 1000, allowPrivilegeEscalation: false, capabilities: {drop: [all]}}
		    resources: {limits: {memory: 64Mi, cpu: 500m}}
		    livenessProbe: {exec: {command: ["true"]}, initialDelaySeconds: 1}
		    volumeMounts: [{mountPath: /data, name: e, readOnly: true}]
		  volumes: [{name: e, emptyDir: {}}]
	POD
	sed -i "s/NAME/$ID/" "$T/pod.yaml"
	p play kube "$T/pod.yaml" >"$T/out" 2>&1 || fail "$(cat "$T/out")"
	wait_until 10 logs_have read-only "$ID-one"
	equal "$(p logs "$ID-one" 2>/dev/null | grep -v touch: | paste -sd' ')" "made 1000 read-only"
	equal "$(inspect '{{.HostConfig.Memory}}' "$ID-one")" 67108864
	run -0 p generate kube "$ID"
	contains "$output" "readOnlyRootFilesystem: true"
	p play kube --down "$T/pod.yaml" >"$T/out" 2>&1 || fail "$(cat "$T/out")"
	p volume prune -f >/dev/null
}

# What they said is asked of their logs, and not of `run` itself: conmon (2.1.6 and 2.1.13) that is kept from running between
# its first poll and its first wait has the end of a short container before it has accepted podman, which then ends with 0 and
# shows nothing. It does so with runc and crun too: let strace delay conmon's wait4.
@test "twenty containers, four at a time" {
	local i
	seq 20 | xargs -P 4 -I{} timeout 180 "$PODMAN" run --name "$ID-{}" $IMAGE sh -c 'echo {}' 3>&- >/dev/null
	for i in $(seq 20); do
		equal "$(p logs "$ID-$i")" "$i"
	done
	p rm -a >/dev/null
}

# --- what stands around a container -----------------------------------------------------------------------------

@test "hooks that podman adds run, with the container's state" {
	cat >"$STORE/hooks/$ID.json" <<-HOOK
		{"version": "1.0.0", "hook": {"path": "/bin/sh", "args": ["sh", "-c", "cat >>$T/states; echo >>$T/states"]},
		 "when": {"annotations": {"^hooked$": "yes"}}, "stages": ["createRuntime", "poststart", "poststop"]}
	HOOK
	once --annotation hooked=yes $IMAGE true
	rm "$STORE/hooks/$ID.json"
	wait_until 10 eval "[ \$(grep -c . $T/states) = 3 ]"
	[ "$KIND" = runc ] || equal "$(jq -r .annotations.hooked "$T/states" | paste -sd' ')" "yes yes yes"
	equal "$(jq -r .status "$T/states" | tail -n 1)" stopped
}

# A service manager's socket, as in config-rows.bats: what it is told, one line for each message.
start_manager() {
	python3 -c '
import array, os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
while True:
	data, anc, _, _ = s.recvmsg(4096, socket.CMSG_LEN(16))
	for _, _, fds in anc:
		os.close(array.array("i", fds)[0])
	print(data.decode().replace("\n", " ").rstrip(), flush=True)' "$T/manager" >"$T/manager.log" 2>"$T/manager.err" 3>&- &
	MANAGER_PID=$!
	wait_until 10 test -S "$T/manager"
}

@test "a service manager hears of conmon, or of the program itself" {
	start_manager
	export NOTIFY_SOCKET=$T/manager
	p run -d --name "$ID" --sdnotify conmon $IMAGE sh -c 'echo "socket <$NOTIFY_SOCKET>"; sleep 1234' >/dev/null
	wait_until 10 logs_have 'socket <>'
	wait_until 10 grep -q READY=1 "$T/manager.log"
	contains "$(cat "$T/manager.log")" "MAINPID=$(inspect '{{.State.ConmonPid}}')"
	: >"$T/manager.log"
	# busybox has no other way to send a datagram than its logger, which writes to /dev/log.
	p run -d --name "$ID-c" --sdnotify container $IMAGE sh -c \
		'ln -s "$NOTIFY_SOCKET" /dev/log; echo up; until [ -e /go ]; do sleep 0.02; done; logger "$(printf "x\nREADY=1")"; sleep 1234' >/dev/null &
	local job=$!
	wait_until 10 logs_have up "$ID-c"
	! grep -q READY "$T/manager.log" || fail "told too early: $(cat "$T/manager.log")"
	p exec "$ID-c" touch /go
	wait_until 10 grep -q READY=1 "$T/manager.log"
	ends_with 0 "$job"
	kill "$MANAGER_PID"
}

@test "podman may renumber its locks, and forget everything" {
	podman_configure "$T/other"
	p load -q -i "$STORE/image.tar" >/dev/null
	start_ready
	if [ "$PODMAN_VERSION" = 4 ]; then # 5 refuses while a container runs
		p system renumber
	fi
	run -0 p exec "$ID" echo still
	equal "$output" still
	p run -d --name "$ID-init" --stop-timeout 0 $IMAGE sleep 1234 >/dev/null
	p create --name "$ID-made" $IMAGE true >/dev/null
	p init "$ID-made" >/dev/null
	p system reset -f >"$T/out" 2>&1 || fail "$(cat "$T/out")"
	equal "$(p ps -aq)" ""
}

# --- checkpoints ------------------------------------------------------------------------------------------------

# A container that counts, in a file and on its output; it knows nothing of checkpoints.
start_counting() { # [OPTION]...
	p run -d --name "$ID" "$@" $IMAGE sh -c 'i=0; while :; do i=$((i + 1)); echo $i >/count; echo $i; sleep 0.02; done' >/dev/null
	wait_until 10 counted 3
}

counted() { # AT-LEAST [CONTAINER]
	[ "$(p exec "${2:-$ID}" cat /count)" -ge "$1" ]
}

@test "a checkpoint, and a restore that goes on where it was" {
	not_for crun -- "wants a library that is not at hand"
	local last
	start_counting -v "$T:/deep/er:ro"
	p container checkpoint --keep "$ID" >/dev/null
	equal "$(inspect '{{.State.Status}} {{.State.Checkpointed}}')" "exited true"
	last=$(p logs "$ID" | tail -n 1)
	p container restore --print-stats "$ID" | jq -e '.container_statistics[0].runtime_restore_duration > 0'
	wait_until 10 counted $((last + 2))
	equal "$(p logs "$ID" | grep -cx 1)" 1
	run -0 p exec "$ID" ls /deep/er/mounts
	p container checkpoint --leave-running "$ID" >/dev/null
	equal "$(status_of "$ID")" running
	wait_until 10 counted $((last + 5))
	p kill "$ID" >/dev/null
	ended "$ID" 137
}

@test "a checkpoint that is exported, and restored twice, under another name too" {
	not_for crun -- "wants a library that is not at hand"
	start_counting -v "$T/mounts:/etc/a/file:ro" --tmpfs /made
	p exec "$ID" touch /made/here
	p container checkpoint --export "$T/checkpoint.tar" --compress none "$ID" >/dev/null
	p rm "$ID" >/dev/null
	p container restore --import "$T/checkpoint.tar" >/dev/null
	p container restore --import "$T/checkpoint.tar" --name "$ID-2" >/dev/null
	wait_until 10 counted 5
	wait_until 10 counted 5 "$ID-2"
	equal "$(status_of "$ID") $(status_of "$ID-2")" "running running"
	run -0 p exec "$ID-2" ls /etc/a/file /made/here
	p stop -t 0 "$ID" "$ID-2" >/dev/null
}

@test "a terminal is checkpointed and restored" {
	not_for crun -- "wants a library that is not at hand"
	start_counting -t
	p container checkpoint "$ID" >/dev/null
	p container restore "$ID" >/dev/null
	wait_until 10 counted 10
	run -0 p exec "$ID" sh -c 'readlink /proc/1/fd/1'
	matches "$output" '^/dev/(pts/0|console)$'
}

@test "what cannot be checkpointed is named, and goes on" {
	not_for crun -- "wants a library that is not at hand"
	start_counting
	run p container checkpoint --pre-checkpoint --export "$T/pre.tar" "$ID"
	# A kernel that does not say which pages were written to.
	[ "$status" = 0 ] || contains "$output" "Tracking memory is not available"
	equal "$(status_of "$ID")" running
	run -125 env PATH=/usr/bin:/bin "$PODMAN" container checkpoint "$ID" 3>&-
	contains "${output,,}" criu
	equal "$(status_of "$ID")" running
	wait_until 10 counted 4
}
