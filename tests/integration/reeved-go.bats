#!/usr/bin/env bats
# A program of containerd's own Go packages (tests/goclient) goes through the life of a container by reeved and by
# containerd, and must see the same.

load lib
load containerd
load reeved

setup_file() {
	containerd_up "$BATS_FILE_TMPDIR/containerd"
	reeved_up "$BATS_FILE_TMPDIR/reeved"
	export ARCHIVE=$BATS_FILE_TMPDIR/image.tar
	"$TOP/tools/mkimage" --name "$IMAGE" "$ARCHIVE"
}

teardown_file() {
	reeved_stop
	containerd_stop
}

life() { # SOCKET [ARGUMENT]...
	within 160 "$TOP/out/goclient/goclient" -address "$1" -image "$ARCHIVE" -runtime "$SHIM_RUNTIME" "${@:2}"
}

@test "a Go client makes, runs, looks into, hears of and forgets a container as with containerd" {
	run -0 life "$CD/sock"
	local theirs=$output
	run -0 life "$RD/sock"
	[ "$output" = "$theirs" ] || fail "$(diff <(echo "$theirs") <(echo "$output"))"
	contains "$output" 'prepare for layer already exists'
	contains "$output" 'lease of "content" "no digest": invalid argument'
	contains "$output" 'gone on with 5 of 10'
	contains "$output" 'the wrong digest: true'
	contains "$output" 'exec ended with 5: "exec says hello\n"'
	contains "$output" 'deleted with 7: "up\nbye\n"'
	matches "$output" 'event /tasks/create.event /tasks/start.event /tasks/exec-added e1.event /tasks/exec-started e1.event /tasks/exit exec 5.*event /tasks/exit init 7.event /tasks/delete'
}
