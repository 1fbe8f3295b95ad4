#!/usr/bin/env bats
# The shim under an unmodified containerd, driven by ctr as people do. `./dev test integration shim` runs this file once
# for each version of containerd; SHIM=runc runs it with containerd's own shim, for which every test holds, but for
# what not_for_goshim says.

load lib.bash
load containerd.bash

setup_file() {
	ORPHANS_BEFORE=" $(ps -o pid= --ppid 1 | paste -sd' ' | tr -s ' ') "
	containerd_up "$BATS_FILE_TMPDIR/cd"
	ORPHANS_BEFORE+="$CONTAINERD_PID "
	export ORPHANS_BEFORE
	"$TOP/tools/mkimage" --name "$IMAGE" "$BATS_FILE_TMPDIR/image.tar"
	ctr image import "$BATS_FILE_TMPDIR/image.tar"
}

teardown_file() {
	containerd_stop
}

setup() {
	ID=c$BATS_TEST_NUMBER
}

teardown() {
	containerd_sweep
	containerd_nothing_left
}

# deleted_with STATUS ID: what ctr says of the task's status when it deletes it.
deleted_with() {
	run -0 ctr task delete "$2"
	contains "$output" "exit code $1"
}

# --- run --------------------------------------------------------------------------------------------------------

# bats test_tags=smoke
@test "run passes output on, both streams apart" {
	run --separate-stderr -0 run_in "$ID" /bin/sh -c 'echo out; echo err >&2'
	equal "$output" out
	equal "$stderr" err
}

# bats test_tags=smoke
@test "run ends with the program's status" {
	local code
	for code in 0 7 126 127; do
		run -"$code" run_in "$ID-$code" /bin/sh -c "exit $code"
	done
}

@test "run ends with 137 when the program is killed" {
	run -137 run_in "$ID" /bin/sh -c 'sh -c "kill -KILL \$PPID"; kill -KILL -1; exit 137'
}

# bats test_tags=smoke
@test "a program that does not exist is named, and nothing is left" {
	run run_in "$ID" nosuchprogram
	[ "$status" != 0 ]
	matches "$output" 'executable file .*not found in \$PATH'
	run run_in "$ID-b" /no/such/program
	[ "$status" != 0 ]
	contains "${output,,}" "no such file or directory"
	run run_in "$ID-c" /etc/passwd
	[ "$status" != 0 ]
	case $BINARY in
	*/crun) contains "$output" "exists but it is not executable: Operation not permitted" ;; # in crun 1.28's words
	*) contains "${output,,}" "permission denied" ;;
	esac
}

@test "the image's layers are what the container sees" {
	run -0 run_in "$ID" /bin/sh -c 'cat /etc/motd; ls /shut; ls /gone 2>&1; true'
	equal "${lines[0]}" "second layer"
	equal "${lines[1]}" new
	contains "${lines[2]}" "No such file"
}

@test "the image's user, directory, environment and entry point are taken" {
	"$TOP/tools/mkimage" --name localhost/other:1 --user app --workdir /home/app --env A=b --entrypoint '["/bin/sh", "-c"]' \
		--cmd '["id -un; pwd; echo $A"]' "$BATS_TEST_TMPDIR/image.tar"
	ctr image import "$BATS_TEST_TMPDIR/image.tar"
	run -0 ctr run --rm --runtime "$SHIM_RUNTIME" localhost/other:1 "$ID" </dev/null
	equal "$output" $'app\n/home/app\nb'
	ctr image rm localhost/other:1
}

@test "options of ctr run arrive: environment, directory, read-only root, mounts, limits" {
	mkdir "$BATS_TEST_TMPDIR/d"
	echo bound >"$BATS_TEST_TMPDIR/d/f"
	run -0 ctr run --rm --runtime "$SHIM_RUNTIME" --env X=y --cwd /tmp --read-only --memory-limit 67108864 \
		--mount "type=bind,src=$BATS_TEST_TMPDIR/d,dst=/mnt,options=rbind:ro" "$IMAGE" "$ID" \
		/bin/sh -c 'echo $X; pwd; cat /mnt/f; touch /x 2>&1; true' </dev/null
	equal "${lines[0]} ${lines[1]} ${lines[2]}" "y /tmp bound"
	contains "${lines[3]}" "Read-only file system"
}

@test "twenty short containers, one after the other, each with its status" {
	local i
	for i in $(seq 20); do
		run -$((i % 5)) run_in "$ID-$i" /bin/sh -c "exit $((i % 5))"
	done
}

# bats test_tags=smoke
@test "the runtime that is asked for has the container" {
	start_in "$ID" /bin/sleep 1000
	case $BINARY in
	'') [ -e "/run/containerd/$SHIM/$CONTAINERD_NAMESPACE/$ID" ] ;;
	*) equal "$(within 10 "$BINARY" --root "/run/containerd/runc/$CONTAINERD_NAMESPACE" state "$ID" | jq .pid)" "$(task_pid "$ID")" ;;
	esac
}

# --- streams ----------------------------------------------------------------------------------------------------

# bats test_tags=smoke
@test "standard input comes from a pipe, to its end" {
	head -c 1000000 /dev/urandom >"$BATS_TEST_TMPDIR/in"
	ctr run --rm --runtime "$SHIM_RUNTIME" "$IMAGE" "$ID" /bin/cat <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/out" 3>&-
	cmp "$BATS_TEST_TMPDIR/in" "$BATS_TEST_TMPDIR/out"
}

# ctr 1.6 may close its end of the fifo as soon as it hears of the exit, with bytes still in it (seen with runc's shim
# too): a program whose output counts ends when we have all of it.
has_bytes() { # FILE COUNT
	[ "$(stat -c %s "$1")" -ge "$2" ]
}

@test "100 MiB of output arrive byte by byte" {
	# 61 bytes a line: a block that is lost, repeated or out of place shifts everything behind it
	local text='yes 123456789-123456789-123456789-123456789-123456789-123456789 | head -c 104857600'
	local out=$BATS_TEST_TMPDIR/out go=$BATS_TEST_TMPDIR/go
	mkdir "$go"
	ctr run --rm --runtime "$SHIM_RUNTIME" --mount "type=bind,src=$go,dst=/go,options=bind:ro" "$IMAGE" "$ID" \
		/bin/sh -c "$text; until [ -e /go/on ]; do sleep 0.05; done" </dev/null >"$out" 2>/dev/null 3>&- &
	wait_until 60 has_bytes "$out" 104857600
	touch "$go/on"
	wait $!
	equal "$(sha256sum <"$out")" "$(busybox sh -c "$text" | sha256sum)"
}

@test "output of a program that ends at once is all there" {
	local i
	for i in 1 2 3 4 5; do
		ctr run --detach --log-uri "file://$BATS_TEST_TMPDIR/log-$i" --runtime "$SHIM_RUNTIME" "$IMAGE" "$ID-$i" \
			/bin/sh -c 'head -c 200000 /dev/zero; head -c 100000 /dev/zero >&2' </dev/null 3>&-
		wait_until 20 task_is "$ID-$i" STOPPED
		ctr task delete "$ID-$i"
		ctr container delete "$ID-$i"
		equal "$(stat -c %s "$BATS_TEST_TMPDIR/log-$i")" 300000
	done
}

# --- a task in the background -----------------------------------------------------------------------------------

# bats test_tags=smoke
@test "run -d leaves a task that is listed, killed and deleted with its status" {
	start_in "$ID" /bin/sleep 1000
	local pid
	pid=$(task_pid "$ID")
	equal "$(tr '\0' ' ' <"/proc/$pid/cmdline")" "/bin/sleep 1000 "
	ctr task kill --signal KILL "$ID"
	wait_until 10 task_is "$ID" STOPPED
	deleted_with 137 "$ID"
	run ctr task ls -q
	equal "$output" ""
	ctr container rm "$ID"
}

@test "kill sends the signal that is asked for" {
	start_in "$ID" /bin/sh -c 'trap "exit 9" USR1; echo ready; while :; do sleep 0.05; done'
	wait_until 10 eval "ctr task ps $ID | grep -q sleep || true"
	wait_until 10 grep -qi 'SigCgt:.*[0-9a-f]' "/proc/$(task_pid "$ID")/status"
	wait_until 10 eval "[ \$((0x\$(sed -n 's/^SigCgt:[[:space:]]*//p' /proc/$(task_pid "$ID")/status) >> 9 & 1)) = 1 ]"
	ctr task kill --signal USR1 "$ID"
	wait_until 10 task_is "$ID" STOPPED
	deleted_with 9 "$ID"
}

@test "a running task is not deleted without force" {
	start_in "$ID" /bin/sleep 1000
	run ctr task delete "$ID"
	[ "$status" != 0 ]
	task_is "$ID" RUNNING
	run ctr task delete --force "$ID"
	run ctr task ls -q
	equal "$output" ""
}

# bats test_tags=smoke
@test "pause and resume" {
	start_in "$ID" /bin/sh -c 'while :; do sleep 0.05; done'
	ctr task pause "$ID"
	task_is "$ID" PAUSED
	ctr task resume "$ID"
	task_is "$ID" RUNNING
}

@test "ps lists the processes of the container" {
	start_in "$ID" /bin/sh -c 'sleep 1000 & wait'
	wait_until 10 eval "[ \$(ctr task ps $ID | tail -n +2 | wc -l) = 2 ]"
	contains "$(ctr task ps "$ID")" "$(task_pid "$ID")"
}

@test "attach brings output, input and the status" {
	start_in "$ID" /bin/sh -c 'trap "echo went; exit 5" USR1; while :; do sleep 0.05; done'
	wait_until 10 eval "[ \$((0x\$(sed -n 's/^SigCgt:[[:space:]]*//p' /proc/$(task_pid "$ID")/status) >> 9 & 1)) = 1 ]"
	command ctr task attach "$ID" </dev/null >"$BATS_TEST_TMPDIR/attached" 2>&1 3>&- &
	local job=$!
	wait_until 10 eval "ls -l /proc/$job/fd | grep -q fifo.*$ID-stdout"
	ctr task kill --signal USR1 "$ID"
	ends_with 5 "$job"
	equal "$(cat "$BATS_TEST_TMPDIR/attached")" went
}

@test "the task's events come in their order" {
	[ "$CONTAINERD" != 2.1 ] || not_for_goshim "may end before it has sent the last event"
	command ctr events >"$BATS_TEST_TMPDIR/events" 2>&1 </dev/null 3>&- &
	local job=$!
	# The subscription has no answer: ask until an event of ours is seen.
	wait_until 10 eval "ctr image label $IMAGE k=\$(date +%N) >/dev/null; grep -q images/update '$BATS_TEST_TMPDIR/events'"
	run_in "$ID" /bin/true
	wait_until 10 grep -q "/tasks/delete" "$BATS_TEST_TMPDIR/events" || { cat "$BATS_TEST_TMPDIR/events" && false; }
	kill "$job"
	equal "$(grep -oE '/tasks/[a-z-]+' "$BATS_TEST_TMPDIR/events" | paste -sd' ')" "/tasks/create /tasks/start /tasks/exit /tasks/delete"
}

@test "an update of limits reaches the kernel" {
	start_in "$ID" /bin/sleep 1000
	# ctr has no update: the memory limit of a new container must be there
	ctr run --detach --runtime "$SHIM_RUNTIME" --memory-limit 67108864 "$IMAGE" "$ID-m" /bin/sleep 1000 </dev/null 3>&-
	equal "$(cg memory memory.limit_in_bytes memory.max "/$CONTAINERD_NAMESPACE/$ID-m")" 67108864
}

# --- exec -------------------------------------------------------------------------------------------------------

# bats test_tags=smoke
@test "exec passes streams and status" {
	start_in "$ID" /bin/sleep 1000
	run --separate-stderr -7 ctr task exec --exec-id e1 "$ID" /bin/sh -c 'echo out; echo err >&2; exit 7' </dev/null
	equal "$output" out
	equal "$stderr" err
	run -0 ctr task exec --exec-id e2 "$ID" /bin/wc -c < <(head -c 300000 /dev/zero)
	equal "$output" 300000
}

@test "exec of a program that does not exist is named, and the task goes on" {
	start_in "$ID" /bin/sleep 1000
	run ctr task exec --exec-id e1 "$ID" nosuchprogram </dev/null
	[ "$status" != 0 ]
	matches "$output" 'executable file .*not found in \$PATH'
	task_is "$ID" RUNNING
	run -0 ctr task exec --exec-id e2 "$ID" /bin/echo fine </dev/null
	equal "$output" fine
}

@test "exec options: user, directory" {
	start_in "$ID" /bin/sleep 1000
	run -0 ctr task exec --exec-id e1 --user 1000 --cwd /tmp "$ID" /bin/sh -c 'id -u; pwd' </dev/null
	equal "$output" $'1000\n/tmp'
}

@test "ten execs at a time, each with its own output and status" {
	start_in "$ID" /bin/sleep 1000
	local i jobs=()
	for i in $(seq 10); do
		ctr task exec --exec-id "e$i" "$ID" /bin/sh -c "seq 1 20000; echo end $i; exit $i" </dev/null >"$BATS_TEST_TMPDIR/$i" 2>&1 3>&- &
		jobs+=($!)
	done
	for i in $(seq 10); do
		ends_with "$i" "${jobs[i - 1]}"
		equal "$(tail -n 1 "$BATS_TEST_TMPDIR/$i")" "end $i"
		equal "$(wc -l <"$BATS_TEST_TMPDIR/$i")" 20001
	done
}

@test "an exec is killed by its id alone" {
	start_in "$ID" /bin/sleep 1000
	ctr task exec --exec-id e1 "$ID" /bin/sleep 2000 </dev/null >/dev/null 2>&1 3>&- &
	local job=$!
	wait_until 10 eval "ctr task ps $ID | grep -q e1"
	ctr task kill --exec-id e1 --signal KILL "$ID"
	ends_with 137 "$job"
	task_is "$ID" RUNNING
}

@test "execs end with the task, and none starts after it" {
	start_in "$ID" /bin/sleep 1000
	ctr task exec --exec-id e1 "$ID" /bin/sleep 2000 </dev/null >/dev/null 2>&1 3>&- &
	local job=$!
	wait_until 10 eval "ctr task ps $ID | grep -q e1"
	ctr task kill --signal KILL "$ID"
	ends_with 137 "$job"
	wait_until 10 task_is "$ID" STOPPED
	run ctr task exec --exec-id e2 "$ID" /bin/true </dev/null
	[ "$status" != 0 ]
}

@test "an exec id in use is refused" {
	start_in "$ID" /bin/sleep 1000
	ctr task exec --exec-id e1 "$ID" /bin/sleep 2000 </dev/null >/dev/null 2>&1 3>&- &
	local job=$!
	wait_until 10 eval "ctr task ps $ID | grep -q e1"
	run ctr task exec --exec-id e1 "$ID" /bin/true </dev/null
	[ "$status" != 0 ]
	contains "$output" "already exists"
	ctr task kill --exec-id e1 --signal KILL "$ID"
	ends_with 137 "$job"
}

# --- terminals --------------------------------------------------------------------------------------------------

# in_terminal COMMAND: as at a keyboard that says nothing.
in_terminal() {
	mkfifo "$BATS_TEST_TMPDIR/keyboard"
	exec 7<>"$BATS_TEST_TMPDIR/keyboard"
	(set -o pipefail && script -qec "$1" /dev/null <&7 3>&- | tr -d '\r')
}

# bats test_tags=smoke
@test "run -t is a terminal, with the caller's size" {
	run -6 in_terminal "stty rows 21 cols 77; ctr run -t --rm --runtime $SHIM_RUNTIME $IMAGE $ID /bin/sh -c 'tty; until [ \"\$(stty size 2>/dev/null)\" = \"21 77\" ]; do sleep 0.05; done; stty size; exit 6'"
	equal "$output" $'/dev/pts/0\n21 77'
}

@test "exec -t is a terminal" {
	start_in "$ID" /bin/sleep 1000
	run -6 in_terminal "ctr task exec -t --exec-id e1 $ID /bin/sh -c 'tty; exit 6'"
	equal "${lines[0]}" /dev/pts/0 # ctr may add that it came too late to resize it
}

@test "keys reach the program on a terminal" {
	mkfifo "$BATS_TEST_TMPDIR/keyboard"
	script -qec "ctr run -t --rm --runtime $SHIM_RUNTIME $IMAGE $ID /bin/sh -c 'trap \"echo interrupted; exit 4\" INT; echo ready; while :; do sleep 0.05; done'" /dev/null \
		<"$BATS_TEST_TMPDIR/keyboard" >"$BATS_TEST_TMPDIR/screen" 2>&1 3>&- &
	local job=$!
	exec 7>"$BATS_TEST_TMPDIR/keyboard"
	wait_until 10 grep -q ready "$BATS_TEST_TMPDIR/screen"
	printf '\003' >&7
	ends_with 4 "$job"
	exec 7>&-
	contains "$(cat "$BATS_TEST_TMPDIR/screen")" interrupted
}

# --- the shim's own life ----------------------------------------------------------------------------------------

# containerd's own shim leaves its socket when it is killed, and 2.x also when it served a group.
goshim_sockets() {
	[ "$SHIM" = reeve ] || find /run/containerd/s -type s -delete
}

@test "containers of one group share a shim" {
	start_in "$ID" /bin/sleep 1000
	ctr task kill --signal KILL "$ID"
	wait_until 10 task_is "$ID" STOPPED
	run ctr task delete "$ID"
	local i
	for i in 1 2 3; do
		ctr run --detach --runtime "$SHIM_RUNTIME" --annotation io.containerd.runc.v2.group=g1 "$IMAGE" "$ID-$i" /bin/sleep 1000 </dev/null 3>&-
	done
	equal "$(shims | wc -l)" 1 "shims of a group of three"
	ctr task kill --signal KILL "$ID-2"
	wait_until 10 task_is "$ID-2" STOPPED
	run ctr task delete "$ID-2"
	task_is "$ID-1" RUNNING
	run -0 ctr task exec --exec-id e1 "$ID-3" /bin/echo alive </dev/null
	equal "$output" alive
	containerd_sweep
	goshim_sockets
}

# each_of LAST COMMAND...: with each number from 1 to LAST, four at a time.
each_of() {
	local last=$1 lane jobs=()
	shift
	for lane in 1 2 3 4; do
		(for i in $(seq "$lane" 4 "$last"); do "$@" "$i" || exit 1; done) >"$BATS_TEST_TMPDIR/lane-$lane" 2>&1 3>&- 6>&- 7>&- 8>&- &
		jobs+=($!)
	done
	for lane in 1 2 3 4; do
		wait "${jobs[lane - 1]}" || fail "$*: $(tail -n 5 "$BATS_TEST_TMPDIR/lane-$lane")"
	done
}

code_of() {
	echo $(($1 % 50 + 1))
}

# Waits for a line from the fifo of this name, and ends.
start_numbered() { # FIFO NUMBER
	ctr run --detach --runtime "$SHIM_RUNTIME" --mount "type=bind,src=$BATS_TEST_TMPDIR,dst=/go,options=bind:rw" "$IMAGE" "$ID-$2" \
		/bin/sh -c "read x </go/$1; exit $(code_of "$2")" </dev/null 3>&-
}

lines() { # COUNT
	head -c "$1" /dev/zero | tr '\0' '\n'
}

exec_numbered() {
	local rc=0
	ctr task exec --exec-id e1 "$ID-$1" /bin/sh -c "exit $(code_of "$1")" </dev/null 3>&- || rc=$?
	equal "$rc" "$(code_of "$1")" "status of the exec in $ID-$1"
}

delete_numbered() {
	deleted_with "$(code_of "$1")" "$ID-$1"
}

# tasks_are FIRST LAST STATUS
tasks_are() {
	equal "$(ctr task ls | grep -c " $3\$")" $(($2 - $1 + 1)) &&
		equal "$(ctr task ls | awk -v id="$ID-" -v first="$1" -v last="$2" -v status="$3" \
			'index($1, id) == 1 { n = substr($1, length(id) + 1) + 0; if ((n >= first && n <= last) != ($3 == status)) print }')" ""
}

# Numbers up to $running run, those after it have ended; the first few end while containerd is away.
# bats test_tags=smoke
@test "tasks that run and tasks that have ended outlive containerd, stopped or killed" {
	local running=4 ended=2 away=1 pids
	[ "$CONTAINERD" = 1.6 ] || not_for_goshim "tasks that have ended are destroyed when containerd comes back"
	if [ "$SHIM" = reeve ] && [ -z "$BINARY" ]; then running=100 ended=20 away=5; fi
	mkfifo "$BATS_TEST_TMPDIR"/{away,end,ended}
	exec 6<>"$BATS_TEST_TMPDIR/away" 7<>"$BATS_TEST_TMPDIR/end" 8<>"$BATS_TEST_TMPDIR/ended"
	each_of $away start_numbered away
	ended_from() { start_numbered ended $((running + $1)); }
	rest_from() { start_numbered end $((away + $1)); }
	each_of $ended ended_from
	lines $ended >&8
	each_of $((running - away)) rest_from
	wait_until 30 tasks_are 1 $running RUNNING
	pids=$(ctr task ls | sort)

	containerd_stop
	containerd_start 6>&- 7>&- 8>&-
	equal "$(ctr task ls | sort)" "$pids"

	kill -KILL "$(cat "$CD/pid")"
	wait_until 30 gone "$(cat "$CD/pid")"
	lines $away >&6
	containerd_start 6>&- 7>&- 8>&-
	wait_until 30 tasks_are $((away + 1)) $running RUNNING
	equal "$(ctr task ls | grep RUNNING | sort)" "$(grep -vE "$ID-[1-$away] " <<<"$pids" | grep RUNNING)"
	exec_rest() { exec_numbered $((away + $1)); }
	each_of $((running - away)) exec_rest
	lines $((running - away)) >&7
	wait_until 30 tasks_are 1 $((running + ended)) STOPPED
	each_of $((running + ended)) delete_numbered
}

@test "a shim that is killed takes its container along, and containerd cleans up" {
	start_in "$ID" /bin/sleep 1000
	local pid
	pid=$(task_pid "$ID")
	# shellcheck disable=SC2046 # one pid or several
	kill -KILL $(shims)
	wait_until 10 gone "$pid"
	wait_until 10 eval "[ -z \"\$(ctr task ls -q)\" ]"
	ctr container rm "$ID"
	goshim_sockets
}

@test "the shim names its version" {
	run -0 "$SHIM_BINARY" -v
	[ -n "$output" ]
}

@test "a shim that is called wrongly says so and ends" {
	run -1 within 10 "$SHIM_BINARY" </dev/null
	[ -n "$output" ]
	run within 10 "$SHIM_BINARY" -namespace x -id y -address /no/such start < <(head -c 1000 /dev/urandom)
	[ "$status" != 0 ] && [ "$status" -lt 124 ]
	find /run/containerd/s -type s -delete 2>/dev/null || true
}

@test "many containers, 8 at a time, leave nothing behind" {
	local mounts n=60
	[ "$CONTAINERD" != 1.6 ] || n=200
	mounts=$(wc -l </proc/self/mountinfo)
	seq $n | xargs -P 8 -I{} sh -c \
		'timeout 300 ctr run --rm --runtime "$0" "$1" m{} /bin/sh -c "exit \$((({} % 3)))" </dev/null >/dev/null 2>&1; echo {} $?' \
		"$SHIM_RUNTIME" "$IMAGE" >"$BATS_TEST_TMPDIR/statuses" 3>&-
	equal "$(awk '$2 != $1 % 3' "$BATS_TEST_TMPDIR/statuses")" "" "containers with a wrong status"
	equal "$(wc -l <"$BATS_TEST_TMPDIR/statuses")" $n
	containerd_nothing_left
	equal "$(wc -l </proc/self/mountinfo)" "$mounts" "lines in mountinfo"
}
