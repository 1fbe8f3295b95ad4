# shellcheck shell=bash
# A private containerd of a given version, for the tests of shims. Sourced after lib.bash.
#
#   CONTAINERD  1.6, 1.7 or 2.1 (tools/peers), or system, whatever that is
#   SHIM        reeve (when built) or runc: containerd's own shim of that version, with the system's runc
#   BINARY      not empty: our shim drives this OCI runtime (runc, crun, runc-sid, crun-sid, a path) as BinaryName of runc's options. ctr
#               gives such options only to the runtime runc, so our shim stands under that name.
#   SHIM_DIR    where containerd looks first for the shim (of one file of tests)

CONTAINERD=${CONTAINERD:-1.6}
if [ -z "${SHIM:-}" ]; then
	SHIM=runc
	[ ! -x "$TOP/out/bin/containerd-shim-reeve-v2" ] || SHIM=reeve
fi
SHIM_RUNTIME=io.containerd.$SHIM.v2
SHIM_BINARY=containerd-shim-$SHIM-v2
BINARY=${BINARY:-}
[[ $BINARY != *-sid ]] || BINARY=$("$TOP/tools/peers" oci-sid)/bin/${BINARY%-sid}
[ -z "$BINARY" ] || SHIM_RUNTIME=io.containerd.runc.v2
export CONTAINERD SHIM SHIM_RUNTIME SHIM_BINARY BINARY
export CONTAINERD_NAMESPACE=reeve-test
IMAGE=localhost/reeve-test:latest

# The test does not hold for containerd's own shim, for this reason. Never for ours.
not_for_goshim() { # REASON
	[ "$SHIM" = reeve ] || skip "peer shim $SHIM of containerd $CONTAINERD: $1"
}

# What it is told; a file of tests may have its own.
containerd_config() {
	cat <<-TOML
		version = 2
		root = "$CD/root"
		state = "$CD/state"
		disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime",
		  "io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.btrfs",
		  "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.nri.v1.nri"]
		[grpc]
		  address = "$CD/sock"
		[ttrpc]
		  address = "$CD/sock.ttrpc"
	TOML
}

# containerd_up DIR: start it there, and wait until it answers. CONTAINERD_PID is its process.
containerd_up() {
	CD=$1
	local bin=/usr/bin
	[ "$CONTAINERD" = system ] || bin=$("$TOP/tools/peers" "containerd-$CONTAINERD")/bin
	mkdir -p "$CD"
	containerd_config >"$CD/config.toml"
	export CONTAINERD_ADDRESS=$CD/sock CD
	export PATH="${SHIM_DIR:+$SHIM_DIR:}$TOP/out/bin:$bin:$PATH"
	[ -z "$BINARY" ] || containerd_use_binary "$bin"
	containerd_start
}

# Our shim as runc's, and a ctr that names the binary in every `run`.
containerd_use_binary() { # BIN
	mkdir -p "$CD/path" "$CD/bin"
	ln -s "$1/ctr" "$CD/bin/ctr"
	ln -s "$TOP/out/bin/containerd-shim-reeve-v2" "$CD/path/containerd-shim-runc-v2"
	cat >"$CD/path/ctr" <<-SH
		#!/bin/bash
		[ "\$1" != run ] || { shift && set -- run --runc-binary '$BINARY' "\$@"; }
		exec '$1/ctr' "\$@"
	SH
	chmod 755 "$CD/path/ctr"
	export PATH="$CD/path:$PATH"
}

containerd_start() {
	containerd --config "$CD/config.toml" >>"$CD/log" 2>&1 </dev/null 3>&- &
	CONTAINERD_PID=$!
	echo "$CONTAINERD_PID" >"$CD/pid"
	wait_until 30 ctr version || {
		tail -n 20 "$CD/log"
		return 1
	}
}

containerd_stop() {
	kill "$(cat "$CD/pid")"
	wait_until 30 gone "$(cat "$CD/pid")"
}

# ctr ARGUMENT...: of the same version, with a time limit.
ctr() {
	within "${CTR_TIMEOUT:-60}" ctr "$@"
}

# run_in ID [COMMAND...]: `ctr run --rm` of the image, without our descriptors.
run_in() {
	ctr run --rm --runtime "$SHIM_RUNTIME" "$IMAGE" "$@" </dev/null 3>&-
}

# start_in ID [COMMAND...]: in the background of containerd.
start_in() {
	ctr run --detach --runtime "$SHIM_RUNTIME" "$IMAGE" "$@" </dev/null 3>&- && task_is "$1" RUNNING
}

task_status() {
	ctr task ls | awk -v id="$1" '$1 == id { print $3 }'
}

task_is() { # ID STATUS
	[ "$(task_status "$1")" = "$2" ]
}

task_pid() {
	ctr task ls | awk -v id="$1" '$1 == id { print $2 }'
}

pids_of() { # PATTERN: of the program's path
	local f
	for f in /proc/[0-9]*/exe; do
		# shellcheck disable=SC2053 # a pattern
		[[ "$(readlink "$f" 2>/dev/null)" != $1 ]] || { f=${f#/proc/} && echo "${f%/exe}"; }
	done
}

# The processes that do the work of the shims that run.
shim_workers() {
	pids_of "*/$SHIM_BINARY*"
}

# The shims that run, by the pid that stands for each: of ours the guardian's.
shims() {
	if [ "$SHIM" = reeve ]; then
		pids_of "/memfd:reeve-guardian*"
	else
		shim_workers
	fi
}

# What containers and shims leave behind when something goes wrong.
containerd_leftovers() {
	find /sys/fs/cgroup -type d -path "*/$CONTAINERD_NAMESPACE/*" 2>/dev/null | sed 's/^/cgroup /'
	find /run/containerd -type s -path '*/s/*' 2>/dev/null | sed 's/^/socket /'
	find /run/containerd/fifo -mindepth 1 -type p 2>/dev/null | sed 's/^/fifo /'
	find "$CD"/{root,state}/io.containerd.runtime.v2.task/"$CONTAINERD_NAMESPACE" /run/containerd/runc/"$CONTAINERD_NAMESPACE" \
		/run/containerd/reeve/"$CONTAINERD_NAMESPACE" -mindepth 1 -maxdepth 1 ! -name .empty-directory 2>/dev/null | sed 's/^/directory /'
	awk -v cd="$CD" 'index($5, cd "/state") { print "mount " $5 }' /proc/self/mountinfo
	{ shims && shim_workers; } | sort -u | sed 's/^/shim /'
	ps -o pid=,ppid=,args= --ppid 1 | awk -v mine="$ORPHANS_BEFORE $(cat "$CD/pid") " '!index(mine, " " $1 " ") { print "process " $0 }'
	ctr container ls -q | sed 's/^/container record /'
}

containerd_nothing_left() {
	local try what
	for try in $(seq $((200 * TEST_SLOW))); do
		what=$(containerd_leftovers)
		[ -n "$what" ] || return 0
		sleep 0.05
	done
	echo "left behind after $try tries:"
	echo "$what"
	tail -n 30 "$CD/log"
	# So that the next test stands on its own.
	for try in $(ps -o pid= --ppid 1); do
		[[ "$ORPHANS_BEFORE $(cat "$CD/pid") " = *" $try "* ]] || kill -KILL "$try"
	done
	find /run/containerd/s -type s -delete
	return 1
}

# End every task and container of the test.
containerd_sweep() {
	local id
	for id in $(ctr task ls -q); do
		ctr task resume "$id" >/dev/null 2>&1 || true
		ctr task kill --all --signal KILL "$id" >/dev/null 2>&1 || true
		wait_until 10 task_is "$id" STOPPED || true
		ctr task rm --force "$id" >/dev/null 2>&1 || true
	done
	for id in $(ctr container ls -q); do
		ctr container rm "$id" >/dev/null 2>&1 || true
	done
	find /run/containerd/fifo -mindepth 1 -delete 2>/dev/null || true # those of clients that were killed are theirs to remove
}
