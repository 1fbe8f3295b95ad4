# shellcheck shell=bash
# A private dockerd of a given version with our runtime under it. Sourced after lib.bash; IMAGE is the file's.
#
#   DOCKER  28 (sid's, with sid's containerd) or 20.10 (bookworm's, with bookworm's containerd 1.6)
#   VIA     how Docker comes to us:
#           name   our shim by its name, the default of 28; 20.10 takes no names
#           path   `reeve` as OCI runtime by path, below containerd's own shim; the default of 20.10
#           shim   our shim, installed as containerd-shim-runc-v2 in a directory of the test's, in front of PATH
#   BINARY  with path and shim: what the runtime's path names, reeve, runc or crun; with shim, runc and crun are then
#           driven by our shim
#   RUNTIME=runc  Docker's own default, to see that a test holds for it (VIA is then of no account)

DOCKER=${DOCKER:-28}
if [ -z "${VIA:-}" ]; then
	VIA=path
	[ "$DOCKER" = 20.10 ] || VIA=name
fi
[ "$RUNTIME" = reeve ] || VIA=runc
export DOCKER VIA BINARY=${BINARY:-reeve}
[ "$BINARY" = reeve ] || export KIND=$BINARY # for not_for
SHIM_NAME=io.containerd.reeve.v2
# shellcheck disable=SC2034 # wait_until reads it
WAIT_PAUSE=0.1 # each question to Docker is a process of the client's

# It does not hold for this version of Docker or this way to us, for this reason.
only_28() {
	[ "$DOCKER" = 28 ] || skip "peer docker $DOCKER: $1"
}

not_via() { # VIA -- REASON
	[ "$VIA" != "$1" ] || skip "peer docker $DOCKER by $VIA: $3"
}

# The daemon's configuration. A line of jq may change it.
# shellcheck disable=SC2120 # the tests do
docker_configure() { # [JQ-FILTER]
	jq -n --arg via "$VIA" --arg reeve "$(command -v "$BINARY")" --arg shim "$SHIM_NAME" '
		if $via == "name" then {runtimes: {reeve: {runtimeType: $shim}}, "default-runtime": "reeve"}
		elif $via == "runc" then {}
		else {runtimes: {reeve: {path: $reeve}}, "default-runtime": "reeve"} end
		| '"${1:-.}" >"$DK/daemon.json"
}

# docker_up DIR [JQ-FILTER]: start it there, with this change of its configuration.
docker_up() {
	DK=$1
	local bin=$DK/bin
	mkdir -p "$bin"
	if [ "$DOCKER" = 28 ]; then
		bin+=:$("$TOP/tools/peers" docker-sid)/bin:$("$TOP/tools/peers" containerd-2.1)/bin
	else
		bin+=:$("$TOP/tools/peers" docker-20.10)/bin
	fi
	[ "$VIA" != shim ] || cp "$TOP/out/bin/containerd-shim-reeve-v2" "$DK/bin/containerd-shim-runc-v2"
	export PATH="$bin:$PATH" DK
	export DOCKER_HOST=unix://$DK/sock DOCKER_CONFIG=$DK/client
	docker_configure "${2:-.}"
	docker_start
}

docker_start() {
	dockerd --data-root "$DK/data" --exec-root "$DK/exec" --pidfile "$DK/dockerd.pid" -H "$DOCKER_HOST" --config-file "$DK/daemon.json" \
		--log-level warn --userland-proxy=false --bridge=none --iptables=false --ip6tables=false >>"$DK/log" 2>&1 </dev/null 3>&- &
	echo $! >"$DK/pid"
	wait_until 60 d version || {
		tail -n 20 "$DK/log"
		return 1
	}
}

docker_signal() { # SIGNAL
	kill -"$1" "$(cat "$DK/pid")"
}

# Its containerd ends with it, when it is told to end.
docker_stop() {
	docker_signal TERM
	wait_until 30 gone "$(cat "$DK/pid")"
	wait_until 30 no_containerd
}

no_containerd() {
	[ -z "$(containerd_pid)" ]
}

containerd_pid() {
	local f
	for f in /proc/[0-9]*/exe; do
		[[ "$(readlink "$f" 2>/dev/null)" != */containerd ]] || { f=${f#/proc/} && echo "${f%/exe}"; }
	done
}

# d ARGUMENT...: docker, which must not have bats' own descriptor, nor wait for ever.
d() {
	within "${DOCKER_TIMEOUT:-60}" docker "$@" 3>&-
}

# --- containers -------------------------------------------------------------------------------------------------

# run_in ARGUMENT...: `docker run` without a network.
run_in() {
	d run --network none --name "$ID" "$@"
}

# Of a container, what inspect says.
inspect() { # FORMAT [CONTAINER]
	d inspect --format "$1" "${2:-$ID}"
}

is() { # FORMAT WANTED [CONTAINER]
	[ "$(inspect "$1" "${3:-$ID}")" = "$2" ]
}

# all FORMAT: of the containers that run, in one line
all() {
	d ps -q --filter status=running | while read -r id; do inspect "$1" "$id"; done | sort | uniq -c | tr -s ' '
}

# becomes FORMAT WANTED [CONTAINER]
becomes() {
	wait_until 20 is "$@" || fail "'$1' is '$(inspect "$1" "${3:-$ID}")', not '$2'"
}

ended_with() { # STATUS
	becomes '{{.State.Status}} {{.State.ExitCode}}' "exited $1"
}

# start_ready [OPTION]...: a container ID that ends with 3 when it is told to end, once it is ready for that.
start_ready() {
	run_in -d "$@" "$IMAGE" sh -c 'trap "exit 3" TERM; echo ready; while :; do sleep 0.05; done' >/dev/null
	wait_until 10 logs_have ready
}

logs_have() { # TEXT [CONTAINER]
	d logs "${2:-$ID}" 2>&1 | grep -q -- "$1"
}

cgroup_of() { # [CONTAINER]
	echo "/docker/$(inspect '{{.Id}}' "${1:-$ID}")"
}

exe_of() {
	readlink "/proc/$1/exe"
}

parent_of() {
	awk '/^PPid:/ { print $2 }' "/proc/$1/status"
}

# pid of the shim that serves the container, by its command line
shim_of() { # ID-OF-64
	local f
	for f in /proc/[0-9]*/exe; do
		[[ "$(readlink "$f" 2>/dev/null)" = */containerd-shim-* ]] || continue
		f=${f%/exe}
		! tr '\0' '\n' <"$f/cmdline" 2>/dev/null | grep -qx -- "$1" || echo "${f#/proc/}"
	done
}

# The container runs, and it is the program under test that made it and looks after it: the shim's file, the process
# tree, and with `path` the runtime's own state. A Docker that has silently taken runc does not pass.
served() { # [CONTAINER]
	local id pid shim parent want=$TOP/out/bin/containerd-shim-reeve-v2
	id=$(inspect '{{.Id}}' "${1:-$ID}")
	pid=$(inspect '{{.State.Pid}}' "${1:-$ID}")
	[ "$pid" -gt 0 ] || fail "no process"
	shim=$(shim_of "$id" | head -n 1)
	[ -n "$shim" ] || fail "no shim of $id"
	case $VIA in
	name) equal "$(exe_of "$shim")" "$want" "the shim's program" ;;
	shim)
		equal "$(exe_of "$shim")" "$DK/bin/containerd-shim-runc-v2" "the shim's program"
		cmp "$want" "/proc/$shim/exe"
		;;
	path)
		matches "$(exe_of "$shim")" '/containerd-shim-runc-v2$'
		within 10 "$RT" --root "$DK/exec/runtime-${RUNTIME_NAME:-reeve}/moby" state "$id" | jq -e --argjson pid "$pid" '.pid == $pid and .status == "running"' >/dev/null ||
			fail "not a container of reeve's: $(find "$DK/exec" -path "*$id*")"
		;;
	esac
	# The parent is the shim, or the guardian above it.
	parent=$(parent_of "$pid")
	[ "$parent" = "$shim" ] || [ "$parent" = "$(parent_of "$shim")" ] || fail "the parent of $pid is $parent, the shim $shim"
	[ "$parent" != 1 ] || fail "$pid has lost its parent"
}

# --- nothing is left --------------------------------------------------------------------------------------------

docker_leftovers() {
	d ps -a --format 'container {{.Names}} {{.Status}}'
	find /sys/fs/cgroup -type d -path '*/docker/*' 2>/dev/null | sed 's/^/cgroup /'
	find /run/containerd "$DK/exec" -type s -path '*/s/*' 2>/dev/null | sed 's/^/socket /'
	find "$DK/exec" /run/containerd/fifo -type p 2>/dev/null | sed 's/^/fifo /'
	find "$DK"/exec/containerd/daemon/io.containerd.runtime.v2.task/moby "$DK"/data/containerd/daemon/io.containerd.runtime.v2.task/moby \
		"$DK"/exec/runtime-*/moby /run/containerd/runc/moby /run/reeve/moby "$DK"/exec/containerd/[0-9a-f]*[0-9a-f] \
		-mindepth 1 -maxdepth 1 ! -name '.*' 2>/dev/null | sed 's/^/directory /'
	mount_points | grep -v '/netns/default nsfs$' | diff "$BATS_FILE_TMPDIR/mounts" - | sed -n 's/^>/mount/p; s/^</missing mount/p'
	ps -o pid=,ppid=,args= --ppid 1 | awk -v mine="$ORPHANS_BEFORE $(cat "$DK/pid") $(containerd_pid) " '!index(mine, " " $1 " ") { print "process " $0 }'
}

docker_nothing_left() {
	local try
	wait_until 10 eval '[ -z "$(docker_leftovers)" ]' && return 0
	echo "left behind:"
	docker_leftovers
	tail -n 10 "$DK/log"
	# So that the next test stands on its own.
	for try in $(ps -o pid= --ppid 1); do
		[[ "$ORPHANS_BEFORE $(cat "$DK/pid") $(containerd_pid) " = *" $try "* ]] || kill -KILL "$try"
	done
	return 1
}

# End every container of the test.
docker_sweep() {
	local ids
	ids=$(d ps -aq)
	# shellcheck disable=SC2086 # words
	[ -z "$ids" ] || d rm -f $ids >/dev/null
	ids=$(d volume ls -q)
	# shellcheck disable=SC2086
	[ -z "$ids" ] || d volume rm $ids >/dev/null
}
