#!/usr/bin/env bats
# Methods of the Task service in full. Those that ctr calls are tried under an unmodified containerd of each version;
# the rest by shim_methods.py, which speaks ttrpc to a shim itself.

load lib
load containerd

setup_file() {
	ORPHANS_BEFORE=" $(ps -o pid= --ppid 1 | paste -sd' ' | tr -s ' ') "
	[ "$CONTAINERD" = system ] || PATH="$("$TOP/tools/peers" criu-sid)/bin:$PATH"
	export PATH
	containerd_up "$BATS_FILE_TMPDIR/cd"
	ORPHANS_BEFORE+="$CONTAINERD_PID "
	export ORPHANS_BEFORE
	"$TOP/tools/mkimage" --name "$IMAGE" "$BATS_FILE_TMPDIR/image.tar"
	ctr image import "$BATS_FILE_TMPDIR/image.tar"
	"$TOP/tools/mkbundle" "$BATS_FILE_TMPDIR/template"
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

# method CASE: of shim_methods.py; containerd is not asked, so one version is enough.
method() {
	[[ "$CONTAINERD" = @(1.6|system) ]] || skip "peer: the same for every containerd: without one"
	python3 -B "$TOP/tests/integration/shim_methods.py" "$1" "$BATS_TEST_TMPDIR/shim" "$BATS_FILE_TMPDIR/template"
}

counts() { # what a container of counting has counted
	cat "/proc/$(task_pid "$ID")/root/count" 2>/dev/null || echo 0
}

start_counting() {
	# shellcheck disable=SC2016
	start_in "$ID" /bin/sh -c 'i=0; while :; do i=$((i+1)); echo $i >/count.new; mv /count.new /count; sleep 0.05; done'
	wait_until 10 eval '[ "$(counts)" -ge 3 ]'
}

# --- without containerd -------------------------------------------------------------------------------------------

@test "an idle shim gives memory back and goes on" {
	method idle
}

@test "Update: before and after the start, for execs too, all or nothing" {
	method update
}

@test "Pids: details of execs, and never empty while the task is there" {
	method pids
}

@test "Stats: every part, and after the exit too" {
	method stats
}

@test "options: runc's message and the table of others" {
	method options
}

@test "Checkpoint and Create from it" {
	method checkpoint
}

@test "a restore that fails leaves nothing, and can be deleted" {
	method restore_that_fails
}

# --- with containerd ----------------------------------------------------------------------------------------------

@test "checkpoint of a running task, which goes on, and a container restored from it" {
	local before
	start_counting
	ctr container checkpoint --task --rw "$ID" "localhost/checkpoint:$ID"
	task_is "$ID" RUNNING
	before=$(counts)
	wait_until 10 eval '[ "$(counts)" -gt '"$before"' ]'
	ctr task kill --signal KILL "$ID"
	wait_until 10 task_is "$ID" STOPPED
	ctr task delete "$ID" || true
	ctr container delete "$ID"
	ctr container restore --rw --live "$ID" "localhost/checkpoint:$ID" </dev/null 3>&-
	wait_until 10 task_is "$ID" RUNNING
	before=$(counts)
	[ "$before" -ge 3 ]
	wait_until 10 eval '[ "$(counts)" -gt '"$before"' ]'
	run -0 ctr task exec --exec-id e "$ID" /bin/echo alive </dev/null
	equal "$output" alive
	ctr task kill --signal KILL "$ID"
	wait_until 10 task_is "$ID" STOPPED
	run -0 ctr task delete "$ID"
	contains "$output" 137
	ctr image rm "localhost/checkpoint:$ID"
}

@test "metrics are in a form that this version shows" {
	start_counting
	run -0 ctr task metrics "$ID"
	matches "$output" 'memory\.usage(_in_bytes)? +[1-9][0-9]+'
	run -0 ctr task metrics --format json "$ID"
	[ "$(jq 'has("cpu") and has("memory") and has("pids")' <<<"$output")" = true ]
}

@test "ps names the execs" {
	start_counting
	ctr task exec --detach --exec-id sleeper "$ID" /bin/sleep 1000 </dev/null 3>&-
	run -0 ctr task ps "$ID"
	matches "$output" 'exec_id:"sleeper"|sleeper'
}

@test "stopped and running tasks survive a restart of containerd" {
	start_in "$ID" /bin/sleep 1000
	start_in "$ID-b" /bin/sh -c 'sleep 0.2; exit 5' || true
	wait_until 10 task_is "$ID-b" STOPPED
	kill -KILL "$(cat "$CD/pid")"
	wait_until 10 gone "$(cat "$CD/pid")"
	containerd_start
	ORPHANS_BEFORE+="$CONTAINERD_PID "
	task_is "$ID" RUNNING
	task_is "$ID-b" STOPPED
	run -0 ctr task delete "$ID-b"
	contains "$output" "exit code 5"
	ctr container rm "$ID-b"
}

@test "an OOM kill is told before the exit, and the log says which limit it was" {
	local events=$BATS_TEST_TMPDIR/events job
	command ctr events >"$events" 2>/dev/null 3>&- &
	job=$!
	sh -c 'until [ -s "$1" ]; do ctr content active >/dev/null; ctr namespace label "$2" x=$$; sleep 0.1; done' _ "$events" "$CONTAINERD_NAMESPACE"
	run ctr run --rm --runtime "$SHIM_RUNTIME" --memory-limit 16777216 "$IMAGE" "$ID" \
		/bin/sh -c 'head -c 64000000 /dev/zero | tail -c 60000000 >/dev/null; exit 3' </dev/null
	wait_until 10 grep -q "/tasks/delete" "$events"
	kill "$job"
	equal "$(grep -oE '/tasks/(oom|exit)' "$events" | head -n 1)" /tasks/oom
	wait_until 10 grep -q "container '$ID': [1-9][0-9]* killed" "$CD/log"
	matches "$(cat "$CD/log")" "container '$ID': [1-9][0-9]* killed for want of memory: the container's limit of 16777216 bytes"
}

@test "a table of options comes as a file, and a wrong one is refused" {
	echo "Root = \"$BATS_TEST_TMPDIR/state\"" >"$BATS_TEST_TMPDIR/options"
	run ctr run --help
	contains "$output" runtime-config-path
	ctr run --detach --runtime "$SHIM_RUNTIME" --runtime-config-path "$BATS_TEST_TMPDIR/options" "$IMAGE" "$ID" /bin/sleep 1000 </dev/null 3>&-
	[ -d "$BATS_TEST_TMPDIR/state/$CONTAINERD_NAMESPACE/$ID" ]
	echo 'SystemdCgroup = true' >"$BATS_TEST_TMPDIR/options"
	run ctr run --rm --runtime "$SHIM_RUNTIME" --runtime-config-path "$BATS_TEST_TMPDIR/options" "$IMAGE" "$ID-b" /bin/true </dev/null
	[ "$status" != 0 ]
	contains "$output" "slice:prefix:name"
	ctr container rm "$ID-b" || true
}

@test "-info tells what the runtime can do" {
	[ "$CONTAINERD" != 1.6 ] || run -0 "$SHIM_BINARY" -info </dev/null
	[ "$CONTAINERD" = 2.1 ] || skip "peer containerd $CONTAINERD does not ask"
	run -0 ctr plugins inspect-runtime --runtime "$SHIM_RUNTIME"
	equal "$(jq -r .Name <<<"$output")" "$SHIM_RUNTIME"
	equal "$(jq -r '.Features.linux.mountExtensions.idmap.enabled | type' <<<"$output")" boolean
	[ "$(jq '.Features.mountOptions | index("rro") != null' <<<"$output")" = true ]
}
