#!/usr/bin/env bats
# The shim's worker is killed at random moments, while containers are created, run, exec and exit. containerd may see that a
# connection broke, and then deletes; but every exit that anybody is told is the true one, and nothing is left. What a
# program did before it ended stands in a file that it wrote last of all, so what is true is known.
#
# WORKER_KILL_SEED=N repeats a run, WORKER_KILLS=N sets how many.

load lib.bash
load containerd.bash

setup_file() {
	ORPHANS_BEFORE=" $(ps -o pid= --ppid 1 | paste -sd' ' | tr -s ' ') "
	containerd_up "$BATS_FILE_TMPDIR/cd"
	ORPHANS_BEFORE+="$CONTAINERD_PID "
	export ORPHANS_BEFORE
	"$TOP/tools/mkimage" --name "$IMAGE" "$BATS_FILE_TMPDIR/image.tar"
	ctr image import "$BATS_FILE_TMPDIR/image.tar"
	RANDOM=${WORKER_KILL_SEED:-$((BASHPID ^ $(date +%s)))}
	SEED=$RANDOM
	export SEED
	echo "# seed ${WORKER_KILL_SEED:-$SEED}" >&3
}

teardown_file() {
	containerd_stop
	[ -z "${WORKER_KILL_LOG:-}" ] || cp "$CD/log" "$WORKER_KILL_LOG"
}

setup() {
	[ "$SHIM" = reeve ] || skip "peer shim $SHIM: has no worker beside it"
	ID=w$BATS_TEST_NUMBER
	OUT=$BATS_TEST_TMPDIR/out
	mkdir "$OUT"
	events_start
}

teardown() {
	[ "$SHIM" = reeve ] || return 0
	kill "$EVENTS_JOB" 2>/dev/null || true
	[ -z "${WORKER_KILL_LOG:-}" ] || cp "$BATS_TEST_TMPDIR/events" "$WORKER_KILL_LOG.$BATS_TEST_NUMBER"
	containerd_sweep
	find /run/containerd/reeve -mindepth 2 -maxdepth 2 2>/dev/null | sed 's/^/state directory /' >"$BATS_TEST_TMPDIR/state"
	equal "$(cat "$BATS_TEST_TMPDIR/state")" "" "state directories"
	containerd_nothing_left
}

# The subscription has no answer: ask until an event of ours is seen.
events_start() {
	command ctr events >"$BATS_TEST_TMPDIR/events" 2>&1 </dev/null 3>&- &
	EVENTS_JOB=$!
	wait_until 10 eval "ctr image label $IMAGE k=\$(date +%N) >/dev/null; grep -q images/update '$BATS_TEST_TMPDIR/events'"
}

# exits_of ID: what subscribers heard of the exit of the container's init, one status a line.
exits_of() {
	grep "/tasks/exit " "$BATS_TEST_TMPDIR/events" | grep -F "\"container_id\":\"$1\",\"id\":\"$1\"" |
		sed 's/.*"exit_status":\([0-9]*\).*/\1/; /tasks/s/.*/0/'
}

# kill_worker ID: of this container's shim. Others may be about to leave, and a guardian whose worker dies at once again and
# again gives up. Only children of a guardian: `start` and `delete` are the same program.
kill_worker() {
	local guardian pid
	for guardian in $(shims); do
		tr '\0' ' ' <"/proc/$guardian/cmdline" 2>/dev/null | grep -q -- "-id $1 " || continue
		for pid in $(cat "/proc/$guardian/task/$guardian/children" 2>/dev/null); do
			[[ "$(readlink "/proc/$pid/exe" 2>/dev/null)" != */"$SHIM_BINARY"* ]] || kill -KILL "$pid" 2>/dev/null || true
		done
	done
}

pause_ms() {
	sleep "$(printf '0.%03d' "$1")"
}

# check_end ID CODE: the task is gone or will be; nobody heard anything but how it ended. A container that wrote its last
# word ended with CODE; one that did not was killed by the clean-up.
check_end() {
	local id=$1 code=$2 status want=137
	wait_until 20 eval "[ -z \"\$(task_status $id)\" ] || task_is $id STOPPED" || fail "$id is $(task_status "$id")"
	if task_is "$id" STOPPED; then
		run ctr task delete "$id"
		contains "$output" "exit code $code"
	fi
	[ ! -e "$OUT/$id" ] || want=$code
	for status in $(exits_of "$id"); do
		[ "$status" = "$want" ] || fail "$id: an exit with $status was told, it was $want
$(grep -F "\"$id\"" "$BATS_TEST_TMPDIR/events")"
	done
	ctr container rm "$id" >/dev/null 2>&1 || true
}

# one ID CODE MS...: a container that lives for a while and ends with CODE; its worker is killed MS after the start, and so on.
one() {
	local id=$1 code=$2 job
	shift 2
	ctr run --detach --runtime "$SHIM_RUNTIME" --mount "type=bind,src=$OUT,dst=/out,options=bind:rw" "$IMAGE" "$id" \
		/bin/sh -c "sleep 0.2; : >/out/$id; exit $code" </dev/null >"$BATS_TEST_TMPDIR/run" 2>&1 3>&- &
	job=$!
	while [ $# -gt 0 ]; do
		pause_ms "$1"
		kill_worker "$id"
		shift
	done
	# a client whose shim was killed under it fails or not, by the moment; check_end looks at what was told to all
	wait "$job" || true
	check_end "$id" "$code"
}

count() { # for each of three tests
	echo $((${WORKER_KILLS:-36} / 3))
}

# bats test_tags=smoke
@test "killed while a container is created, runs and exits" {
	local i
	RANDOM=$SEED
	for i in $(seq "$(count)"); do
		one "$ID-$i" $((i % 7 + 1)) $((RANDOM % 500))
	done
}

@test "killed twice, the second time while it recovers" {
	local i
	RANDOM=$((SEED + 1))
	for i in $(seq $(($(count) / 2))); do
		one "$ID-$i" $((i % 7 + 1)) $((RANDOM % 300)) $((RANDOM % 40))
	done
}

@test "killed while processes are executed in a container" {
	local i job
	RANDOM=$((SEED + 2))
	for i in $(seq "$(count)"); do
		ctr run --detach --runtime "$SHIM_RUNTIME" --mount "type=bind,src=$OUT,dst=/out,options=bind:rw" "$IMAGE" "$ID-$i" \
			/bin/sh -c "sleep 0.6; : >/out/$ID-$i; exit 3" </dev/null >/dev/null 2>&1 3>&-
		(for x in 1 2 3; do
			CTR_TIMEOUT=20 ctr task exec --exec-id "x$x" "$ID-$i" /bin/sh -c "sleep 0.05; exit 4" </dev/null >/dev/null 2>&1
		done) 3>&- &
		job=$!
		pause_ms $((RANDOM % 500))
		kill_worker "$ID-$i"
		# a client whose shim was killed under it fails or not, by the moment; check_end looks at what was told to all
		wait "$job" || true
		check_end "$ID-$i" 3
	done
}
