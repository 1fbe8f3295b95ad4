#!/usr/bin/env bats
# The shim's worker is killed at random moments, while containers are created, run, exec and exit. containerd may see that a
# connection broke, and then deletes; but every exit that anybody is told, by an event or by `delete`, is the true one, and
# nothing is left. What a program did before it ended stands in a file that it wrote last of all, so what is true is known.
# worker_kill.py compares; it says when the workers died, too.
#
# WORKER_KILL_SEED=N repeats the moments of a run, WORKER_KILLS=N sets how many workers die in the tests together.

load lib.bash
load containerd.bash

LANES=4

setup_file() {
	ORPHANS_BEFORE=" $(ps -o pid= --ppid 1 | paste -sd' ' | tr -s ' ') "
	export ANSWERS=$BATS_FILE_TMPDIR/answers
	mkdir "$ANSWERS"
	record_answers "$BATS_FILE_TMPDIR/path"
	export SHIM_DIR=$BATS_FILE_TMPDIR/path
	containerd_up "$BATS_FILE_TMPDIR/cd"
	ORPHANS_BEFORE+="$CONTAINERD_PID "
	export ORPHANS_BEFORE
	"$TOP/tools/mkimage" --name "$IMAGE" "$BATS_FILE_TMPDIR/image.tar"
	ctr image import "$BATS_FILE_TMPDIR/image.tar"
	export SEED=${WORKER_KILL_SEED:-$((($$ ^ $(date +%s)) % 30000))}
	echo "# seed $SEED" >&3
}

# record_answers DIR: there is a shim that writes down what ours answers when it is called with `delete`.
record_answers() {
	mkdir "$1"
	cat >"$1/$SHIM_BINARY" <<-SH
		#!/bin/bash
		[ "\${*: -1}" = delete ] || exec '$TOP/out/bin/$SHIM_BINARY' "\$@"
		for ((i = 1; i < \$#; i++)); do [ "\${!i}" != -id ] || id=\${@:i + 1:1}; done
		set -o pipefail
		'$TOP/out/bin/$SHIM_BINARY' "\$@" | tee "$ANSWERS/\$id.\$\$"
	SH
	chmod 755 "$1/$SHIM_BINARY"
}

teardown_file() {
	containerd_stop
	[ -z "${WORKER_KILL_LOG:-}" ] || cp "$CD/log" "$WORKER_KILL_LOG"
}

setup() {
	[ "$SHIM" = reeve ] || skip "peer shim $SHIM: has no worker beside it"
	ID=w$BATS_TEST_NUMBER
	DIR=$BATS_TEST_TMPDIR/kills
	mkdir "$DIR" "$DIR/out"
	events_start
}

teardown() {
	[ "$SHIM" = reeve ] || return 0
	kill "$EVENTS_JOB" 2>/dev/null || true
	[ -z "${WORKER_KILL_LOG:-}" ] || cp -r "$DIR" "$WORKER_KILL_LOG.$BATS_TEST_NUMBER"
	containerd_sweep
	find /run/containerd/reeve -mindepth 2 -maxdepth 2 2>/dev/null | sed 's/^/state directory /' >"$BATS_TEST_TMPDIR/state"
	equal "$(cat "$BATS_TEST_TMPDIR/state")" "" "state directories"
	containerd_nothing_left
}

# The subscription has no answer: ask until an event of ours is seen.
events_start() {
	command ctr events >"$DIR/events" 2>&1 </dev/null 3>&- &
	EVENTS_JOB=$!
	wait_until 10 eval "ctr image label $IMAGE k=\$(date +%N) >/dev/null; grep -q images/update '$DIR/events'"
}

# worker_of ID: of this container's shim. Others may be about to leave, and a guardian whose worker dies at once again and again
# gives up. `start` and `delete` are the same program with other arguments, the guardian has the same arguments.
worker_of() {
	local pid
	for pid in $(pgrep -f "^$SHIM_BINARY -namespace $CONTAINERD_NAMESPACE -id $1 -address [^ ]*\$"); do
		[[ "$(readlink "/proc/$pid/exe" 2>/dev/null)" != */"$SHIM_BINARY"* ]] || { echo "$pid" && return 0; }
	done
	return 1
}

# kill_worker ID: true when there was one.
kill_worker() {
	local pid
	pid=$(worker_of "$1") && kill -KILL "$pid" 2>/dev/null && echo "$EPOCHREALTIME $1" >>"$DIR/deaths"
}

pause_ms() {
	sleep "$(printf '0.%03d' "$1")"
}

# begin ID CODE SECONDS [EXEC]...: a container that lives for a while, executes such programs, and ends with CODE.
begin() {
	local id=$1 code=$2 seconds=$3 rc=0 x
	shift 3
	ctr run --detach --runtime "$SHIM_RUNTIME" --mount "type=bind,src=$DIR/out,dst=/out,options=bind:rw" "$IMAGE" "$id" \
		/bin/sh -c "sleep $seconds; : >/out/$id; exit $code" </dev/null >"$DIR/client-$id" 2>&1 || rc=$?
	echo "$id $code $rc" >>"$DIR/lives"
	for x; do
		rc=0
		CTR_TIMEOUT=20 ctr task exec --exec-id "$x" "$id" /bin/sh -c "sleep 0.05; : >/out/$id-$x; exit 4" </dev/null >"$DIR/client-$id-$x" 2>&1 || rc=$?
		echo "$id $x 4 $rc" >>"$DIR/execs"
	done
}

# finish ID CODE: the task is gone, or will be.
finish() {
	local id=$1 code=$2
	wait_until 30 eval "[ -z \"\$(task_status $id)\" ] || task_is $id STOPPED" || { fail "$id is $(task_status "$id")" || return; }
	if task_is "$id" STOPPED; then
		run ctr task delete "$id"
		contains "$output" "exit code $code" || return
	fi
	ctr container rm "$id" >/dev/null 2>&1 || true
}

# lane NUMBER WANTED LIFE: lives one after the other, until so many workers have died in them. A life is a function that gets
# an id and a number.
lane() {
	local i=0 deaths=0
	RANDOM=$((SEED + $1 * 100 + BATS_TEST_NUMBER))
	while [ "$deaths" -lt "$2" ]; do
		i=$((i + 1))
		[ "$i" -le $((5 * $2 + 5)) ] || fail "only $deaths workers died in $i lives"
		KILLED=0
		"$3" "$ID-$1-$i" "$i" || return
		deaths=$((deaths + KILLED))
	done
}

# lives DEATHS LIFE: in lanes beside each other; then what everybody was told is compared with what is true.
lives() {
	local n jobs=()
	for n in $(seq "$LANES"); do
		lane "$n" $((($1 + LANES - 1) / LANES)) "$2" >"$DIR/lane-$n" 2>&1 3>&- &
		jobs+=($!)
	done
	for n in $(seq "$LANES"); do
		wait "${jobs[n - 1]}" || fail "lane $n: $(tail -n 20 "$DIR/lane-$n")"
	done
	run python3 -B "$TOP/tests/integration/worker_kill.py" "$DIR" "$ANSWERS"
	echo "$output" | grep '^#' >&3 || true
	[ "$status" = 0 ] || fail "$output"
}

deaths() { # PERCENT of all
	echo $(((${WORKER_KILLS:-100} * $1 + 99) / 100))
}

# at_random ID MS: within this time of when there is a worker; every second time in the first part of it, for most of what can
# go wrong does so in its first moments.
at_random() {
	local ms=$((RANDOM % $2))
	[ $((RANDOM % 2)) = 0 ] || ms=$((ms / 8))
	WAIT_PAUSE=0.001 wait_until 10 worker_of "$1" || return 0
	pause_ms $ms
	! kill_worker "$1" || KILLED=$((KILLED + 1))
}

one() { # ID NUMBER
	local job
	begin "$1" $(($2 % 7 + 1)) 0.4 &
	job=$!
	at_random "$1" 400
	wait "$job"
	finish "$1" $(($2 % 7 + 1))
}

# bats test_tags=smoke
@test "killed while a container is created, runs and exits" {
	lives "$(deaths 40)" one
}

twice() {
	local job
	begin "$1" $(($2 % 7 + 1)) 0.4 &
	job=$!
	at_random "$1" 300
	pause_ms $((RANDOM % 60))
	! kill_worker "$1" || KILLED=$((KILLED + 1))
	wait "$job"
	finish "$1" $(($2 % 7 + 1))
}

@test "killed twice, the second time while it recovers" {
	lives "$(deaths 25)" twice
}

with_execs() {
	local job
	begin "$1" 3 0.8 x1 x2 x3 &
	job=$!
	at_random "$1" 600
	wait "$job"
	finish "$1" 3
}

@test "killed while processes are executed in a container" {
	lives "$(deaths 35)" with_execs
}
