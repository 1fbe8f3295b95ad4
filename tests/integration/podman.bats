#!/usr/bin/env bats
# podman and its monitor conmon as clients of the runtime: Debian's podman 4.3, and 5 of sid (tools/peers), each with
# storage of its own. podman names a runtime by path: --runtime. Every test holds for runc and crun.

load lib.bash

setup_file() {
	ORPHANS_BEFORE=" $(ps -o pid= --ppid 1 | paste -sd' ' | tr -s ' ') "
	export ORPHANS_BEFORE
	"$TOP/tools/mkimage" --name "$IMAGE" "$BATS_FILE_TMPDIR/image.tar"
	configure 4
	use 4
	pod load --quiet --input "$BATS_FILE_TMPDIR/image.tar"
	configure 5
	use 5
	pod load --quiet --input "$BATS_FILE_TMPDIR/image.tar"
}

setup() {
	NAME=p$BATS_TEST_NUMBER
	use 4
}

teardown() {
	pod rm --all --force --time 0 >/dev/null 2>&1 || true
	podman_nothing_left
}

IMAGE=localhost/reeve-test:latest

# configure VERSION: storage and settings. The runtime's state is in its default place, for podman gives it no --root.
configure() {
	local dir=$BATS_FILE_TMPDIR/p$1 peers
	mkdir "$dir"
	printf '%s\n' '[containers]' 'default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]' \
		'[engine]' 'cgroup_manager = "cgroupfs"' 'events_logger = "file"' >"$dir/containers.conf"
	if [ "$1" = 5 ]; then
		peers=$("$TOP/tools/peers" oci-sid)
		printf '%s\n' "conmon_path = [\"$peers/bin/conmon\"]" "helper_binaries_dir = [\"$peers/bin\"]" >>"$dir/containers.conf"
	fi
	printf '%s\n' '[storage]' 'driver = "overlay"' "graphroot = \"$dir/root\"" "runroot = \"$dir/runroot\"" >"$dir/storage.conf"
}

# use VERSION: podman 4 is Debian's, 5 that of sid.
use() {
	P=$BATS_FILE_TMPDIR/p$1
	export CONTAINERS_CONF=$P/containers.conf CONTAINERS_STORAGE_CONF=$P/storage.conf
	POD=/usr/bin/podman
	[ "$1" = 4 ] || POD=$("$TOP/tools/peers" oci-sid)/bin/podman
}

pod() {
	within 60 "$POD" --runtime "$RT" --cgroup-manager cgroupfs --tmpdir "$P/tmp" "$@" 3>&-
}

# A container of the image, without a network of podman's making.
pod_run() {
	pod run --network none --cgroup-parent /test "$@"
}

status_of_name() {
	pod inspect --format '{{.State.Status}} {{.State.ExitCode}}' "$NAME"
}

podman_leftovers() {
	# the cgroup of conmon stays as long as its parent, which is podman's affair
	find /sys/fs/cgroup -type d -path '*/test/*' ! -name conmon 2>/dev/null | sed 's/^/cgroup /'
	ps -o pid=,args= --ppid 1 | awk -v mine="$ORPHANS_BEFORE" '!index(mine, " " $1 " ") { print "process " $0 }'
	find "/run/$KIND" -mindepth 1 -maxdepth 1 ! -name '.*' 2>/dev/null | sed 's/^/state /'
}

podman_nothing_left() {
	local try what
	for try in $(seq $((200 * ${TEST_SLOW:-1}))); do
		what=$(podman_leftovers)
		[ -n "$what" ] || return 0
		sleep 0.05
	done
	echo "left behind after $try tries:"
	echo "$what"
	return 1
}

@test "run passes streams and status on" {
	run --separate-stderr -7 pod_run --rm "$IMAGE" /bin/sh -c 'echo out; echo err >&2; exit 7'
	equal "$output" out
	contains "$stderr" err
}

@test "podman 5 runs a container, with its streams and status" {
	use 5
	run --separate-stderr -7 pod_run --rm "$IMAGE" /bin/sh -c 'echo out; echo err >&2; exit 7'
	equal "$output" out
	contains "$stderr" err
}

@test "a program that is not there is 127, one that may not run is 126" {
	run -127 pod_run --rm "$IMAGE" nosuchprogram
	run -127 pod_run --rm "$IMAGE" /no/such
	run -126 pod_run --rm "$IMAGE" /etc/passwd
}

@test "run -d, exec, top, stop" {
	run -0 pod_run --detach --name "$NAME" "$IMAGE" /bin/sh -c 'trap "exit 5" TERM; while :; do sleep 0.05; done'
	equal "$(status_of_name)" "running 0"
	run --separate-stderr -3 pod exec "$NAME" /bin/sh -c 'echo in; exit 3'
	equal "$output" in
	run -0 pod exec --user app --workdir /tmp --env A=b "$NAME" /bin/sh -c 'id -un; pwd; echo $A'
	equal "$output" $'app\n/tmp\nb'
	pod stop --time 20 "$NAME"
	equal "$(status_of_name)" "exited 5"
	pod rm "$NAME"
}

@test "podman 5: run -d, exec, stop" {
	use 5
	run -0 pod_run --detach --name "$NAME" "$IMAGE" /bin/sh -c 'trap "exit 5" TERM; while :; do sleep 0.05; done'
	run --separate-stderr -3 pod exec "$NAME" /bin/sh -c 'echo in; exit 3'
	equal "$output" in
	pod stop --time 20 "$NAME"
	equal "$(status_of_name)" "exited 5"
	pod rm "$NAME"
}

@test "a container that ignores TERM is killed: 137" {
	run -0 pod_run --detach --name "$NAME" "$IMAGE" /bin/sh -c 'trap "" TERM; while :; do sleep 0.05; done'
	pod stop --time 1 "$NAME"
	equal "$(status_of_name)" "exited 137"
}

@test "standard input comes from a pipe" {
	run -0 pod_run --rm --interactive "$IMAGE" /bin/wc -c < <(head -c 200000 /dev/zero)
	equal "$output" 200000
}

@test "logs keep what was printed" {
	pod_run --name "$NAME" "$IMAGE" /bin/sh -c 'seq 1 1000' >/dev/null
	equal "$(pod logs "$NAME" | sha256sum)" "$(seq 1 1000 | sha256sum)"
}

@test "a terminal, for run and for exec" {
	run -0 pod_run --detach --tty --name "$NAME" "$IMAGE" /bin/sh -c 'tty; while :; do sleep 0.05; done'
	wait_until 10 eval "pod logs $NAME | grep -q /dev/pts/0"
	mkfifo "$BATS_TEST_TMPDIR/keyboard"
	exec 7<>"$BATS_TEST_TMPDIR/keyboard"
	run -6 script -qec "$POD --runtime $RT --cgroup-manager cgroupfs --tmpdir $P/tmp exec --tty $NAME /bin/sh -c 'tty; exit 6'" /dev/null <&7
	contains "$output" /dev/pts/
}

@test "pause, unpause, kill" {
	run -0 pod_run --detach --name "$NAME" "$IMAGE" /bin/sleep 1000
	pod pause "$NAME"
	equal "$(status_of_name)" "paused 0"
	pod unpause "$NAME"
	pod kill --signal KILL "$NAME"
	pod wait "$NAME"
	equal "$(status_of_name)" "exited 137"
}

@test "limits, volumes, hostname, capabilities and a read-only root" {
	mkdir "$BATS_TEST_TMPDIR/v"
	run -0 pod_run --rm --memory 64m --pids-limit 50 --hostname myname --cap-drop all --cap-add chown --read-only --volume "$BATS_TEST_TMPDIR/v:/v" \
		"$IMAGE" /bin/sh -c 'hostname; grep CapEff /proc/self/status | cut -f2; touch /x 2>&1; echo new >/v/f'
	equal "${lines[0]} ${lines[1]}" "myname 0000000000000001"
	contains "${lines[2]}" "Read-only"
	equal "$(cat "$BATS_TEST_TMPDIR/v/f")" new
}

@test "a pod: two containers share a network namespace" {
	pod pod create --name "$NAME" --infra-image "$IMAGE" --infra-command "/bin/sleep 1000" --network none --cgroup-parent /test >/dev/null
	pod run --detach --pod "$NAME" --name "$NAME-a" "$IMAGE" /bin/sleep 1000 >/dev/null
	run -0 pod run --rm --pod "$NAME" "$IMAGE" /bin/readlink /proc/self/ns/net
	equal "$output" "$(pod exec "$NAME-a" /bin/readlink /proc/self/ns/net)"
	pod pod rm --force --time 0 "$NAME"
	# The pod's own cgroup stays behind in the hierarchies that podman does not know; ours removes what it made.
	[ "$KIND" = reeve ] || find /sys/fs/cgroup/{unified,systemd}/test -mindepth 1 -depth -type d ! -name conmon -exec rmdir {} + 2>/dev/null || true
}

@test "a health check runs by exec" {
	run -0 pod_run --detach --name "$NAME" --health-cmd 'test -e /etc/motd' --health-interval disable "$IMAGE" /bin/sleep 1000
	run -0 pod healthcheck run "$NAME"
}

@test "podman info asks the runtime for its version" {
	contains "$(pod info --format '{{.Host.OCIRuntime.Version}}')" "$KIND"
}
