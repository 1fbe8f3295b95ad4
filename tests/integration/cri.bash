# shellcheck shell=bash
# Pods, as a kubelet makes them: containerd's CRI plugin with our shim as the runtime handler "reeve", and as "by-path" under
# the name of runc's, called by tests/cri, which stands in for crictl. Sourced after containerd.bash.
#
#   SANDBOXER   podsandbox (a pause container) or, from containerd 2.x on, shim (the shim itself holds the pod)

SANDBOXER=${SANDBOXER:-podsandbox}
CRI_TOOLS=$TOP/out/cri
CONTAINERD_NAMESPACE=k8s.io
PAUSE_IMAGE=localhost/reeve-pause:latest
PODS=/reeve-pods # the cgroup of all pods
export SANDBOXER CONTAINERD_NAMESPACE

# The part of the configuration that both generations have under other names.
cri_runtime() { # NAME-OF-THE-PLUGIN [FURTHER-LINE]
	cat <<-TOML
		[plugins."$1"]
		  restrict_oom_score_adj = true
		  disable_apparmor = true
		  netns_mounts_under_state_dir = true
		  ${2:-}
		[plugins."$1".containerd]
		  default_runtime_name = "reeve"
		[plugins."$1".containerd.runtimes.by-path]
		  runtime_type = "io.containerd.runc.v2"
		  runtime_path = "$(command -v "$SHIM_BINARY")"
		[plugins."$1".containerd.runtimes.reeve]
		  runtime_type = "$SHIM_RUNTIME"
	TOML
}

containerd_config() {
	cat <<-TOML
		version = $([ "$CONTAINERD" = 2.1 ] && echo 3 || echo 2)
		root = "$CD/root"
		state = "$CD/state"
		disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.devmapper",
		  "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs"]
		[grpc]
		  address = "$CD/sock"
		[ttrpc]
		  address = "$CD/sock.ttrpc"
	TOML
	case $CONTAINERD in
	2.1)
		cri_runtime io.containerd.cri.v1.runtime
		cat <<-TOML
			  sandboxer = "$SANDBOXER"
			[plugins."io.containerd.cri.v1.runtime".cni]
			  bin_dirs = ["/usr/lib/cni"]
			  conf_dir = "$CD/cni"
			[plugins."io.containerd.cri.v1.images".pinned_images]
			  sandbox = "$PAUSE_IMAGE"
			[plugins."io.containerd.nri.v1.nri"]
			  disable = true
		TOML
		;;
	*)
		cri_runtime io.containerd.grpc.v1.cri "sandbox_image = \"$PAUSE_IMAGE\""
		cat <<-TOML
			[plugins."io.containerd.grpc.v1.cri".cni]
			  bin_dir = "/usr/lib/cni"
			  conf_dir = "$CD/cni"
		TOML
		;;
	esac
}

# A bridge of our own; nothing of it leaves the network namespace that the tests run in.
cri_network() {
	mkdir -p "$CD/cni"
	cat >"$CD/cni/10-pods.conflist" <<-JSON
		{"cniVersion": "0.4.0", "name": "pods", "plugins": [{"type": "bridge", "bridge": "cni-reeve", "isGateway": true,
		  "ipam": {"type": "host-local", "dataDir": "$CD/ipam", "ranges": [[{"subnet": "10.88.7.0/24"}]]}}]}
	JSON
}

# cri_up DIR: containerd with its CRI, the images, the network.
cri_up() {
	CD=$1
	cri_network
	containerd_up "$CD"
	"$TOP/tools/mkimage" --name "$IMAGE" "$CD/image.tar"
	"$TOP/tools/mkimage" --name "$PAUSE_IMAGE" --cmd '["/bin/pause"]' --file "$LIB/pause:/bin/pause" "$CD/pause.tar"
	ctr image import "$CD/image.tar"
	ctr image import "$CD/pause.tar"
	wait_until 20 cri_has_image "$IMAGE"
	wait_until 20 cri_has_image "$PAUSE_IMAGE"
	wait_until 20 cri_ready
}

cri_has_image() {
	cri ImageStatus "{\"image\": {\"image\": \"$1\"}}" | jq -e '.image.id' >/dev/null
}

# It answers a call about pods only when it has found them again, but one about its status before.
cri_ready() {
	cri ListPodSandbox '{}' && cri Status '{}' | jq -e 'all(.status.conditions[]; .status)'
}

# cri METHOD REQUEST [JQ-FILTER]: the answer, or what the filter makes of it. CRI_TIMEOUT is the client's own deadline.
cri() {
	local answer
	answer=$("$CRI_TOOLS/cri" -address "$CD/sock" -proto "$CRI_TOOLS/cri.pb" -timeout "${CRI_TIMEOUT:-60}" "$1" "$2") || return
	if [ $# -lt 3 ]; then echo "$answer"; else jq -r "$3" <<<"$answer"; fi
}

# --- pods -------------------------------------------------------------------------------------------------------

# containerd 2.1.9 with the shim as sandboxer ends in a panic when a pod has the host's network (containerd issue 12983):
# nothing of ours is called before.
host_network_works() {
	[ "$SANDBOXER" = podsandbox ]
}

# A pod with a network of its own.
export own_network='.hostname = "box" | .linux.security_context.namespace_options.network = "POD"'

# pod_up NAME [JQ-FILTER]: run a pod of the runtime handler HANDLER (reeve); its id is in POD. With the host's network, where that works, unless the filter says
# otherwise. The containers of the pod have its namespace options, as those of a kubelet have.
pod_up() {
	local network='.'
	host_network_works || network=$own_network
	mkdir -p "$BATS_TEST_TMPDIR/logs/$1"
	jq -cn --arg name "$1" --arg logs "$BATS_TEST_TMPDIR/logs/$1" --arg cgroup "$PODS/$1" '{
		metadata: {name: $name, uid: ("uid-" + $name), namespace: "tests", attempt: 0},
		hostname: "",
		log_directory: $logs,
		linux: {
			cgroup_parent: $cgroup,
			security_context: {namespace_options: {network: "NODE", pid: "CONTAINER", ipc: "POD"}}
		}
	} | '"$network | ${2:-.}" >"$BATS_TEST_TMPDIR/pod"
	POD=$(cri RunPodSandbox "$(jq -c --arg handler "${HANDLER:-reeve}" '{config: ., runtime_handler: $handler}' "$BATS_TEST_TMPDIR/pod")" .pod_sandbox_id)
	mv "$BATS_TEST_TMPDIR/pod" "$BATS_TEST_TMPDIR/pod-$POD"
	[ -n "$POD" ]
}

# container_create NAME TEXT [JQ-FILTER]: in the pod POD, running this shell text; its id is in CT.
container_create() {
	CT=$(cri CreateContainer "$(jq -c --arg id "$POD" --arg name "$1" --arg text "$2" --arg image "$IMAGE" '. as $pod | {
		pod_sandbox_id: $id,
		config: ({
			metadata: {name: $name, attempt: 0},
			image: {image: $image},
			command: ["/bin/sh", "-c", $text],
			log_path: ($name + ".log"),
			linux: {security_context: {namespace_options: $pod.linux.security_context.namespace_options}}
		} | '"${3:-.}"'),
		sandbox_config: $pod
	}' "$BATS_TEST_TMPDIR/pod-$POD")" .container_id)
	[ -n "$CT" ]
}

container_start() {
	cri StartContainer "{\"container_id\": \"$CT\"}" >/dev/null
}

container_up() {
	container_create "$@" && container_start
}

# The program of most containers: runs until it is told to end, then with status 3.
export forever='trap "exit 3" TERM; echo ready; while :; do sleep 0.1; done'

status_of_container() { # CONTAINER [JQ-FILTER]
	cri ContainerStatus "{\"container_id\": \"$1\"}" ".status${2:-}"
}

container_has() { # CONTAINER JQ-FILTER VALUE
	[ "$(status_of_container "$1" "$2")" = "$3" ]
}

container_exited() { # CONTAINER [STATUS [REASON]]
	wait_until 20 container_has "$1" .state CONTAINER_EXITED
	[ $# -lt 2 ] || equal "$(status_of_container "$1" .exit_code)" "$2" "exit code"
	[ $# -lt 3 ] || equal "$(status_of_container "$1" .reason)" "$3" "reason"
}

container_pid() {
	cri ContainerStatus "{\"container_id\": \"$1\", \"verbose\": true}" '.info.info | fromjson.pid'
}

container_stop() { # CONTAINER SECONDS
	cri StopContainer "{\"container_id\": \"$1\", \"timeout\": $2}" >/dev/null
}

container_remove() {
	cri RemoveContainer "{\"container_id\": \"$1\"}" >/dev/null
}

pod_state() {
	cri PodSandboxStatus "{\"pod_sandbox_id\": \"$1\"}" .status.state
}

pod_is() { # POD STATE
	[ "$(pod_state "$1")" = "$2" ]
}

pod_stop() {
	cri StopPodSandbox "{\"pod_sandbox_id\": \"$1\"}" >/dev/null
}

pod_remove() {
	cri RemovePodSandbox "{\"pod_sandbox_id\": \"$1\"}" >/dev/null
}

# exec_in CONTAINER COMMAND...: a probe. Its output goes to ours, its status is ours. Other failures: 255.
exec_in() {
	local id=$1 answer code out err
	shift
	answer=$(cri ExecSync "$(jq -cn --arg id "$id" --argjson seconds "${EXEC_SECONDS:-30}" \
		'{container_id: $id, timeout: $seconds, cmd: $ARGS.positional}' --args -- "$@")" \
		'"\(.exit_code) \(.stdout)@ \(.stderr)@"') || return 255
	read -r code out err <<<"$answer"
	[ "$err" = @ ] || base64 -d <<<"${err%@}" >&2
	[ "$out" = @ ] || base64 -d <<<"${out%@}"
	return "$code"
}

# log_of NAME [STREAM]: the text of a container's log file, put together again from its lines.
log_of() {
	awk -v stream="${2:-}" '
		{ line = $0; head = $1 " " $2 " " $3 " "; text = substr(line, length(head) + 1) }
		stream == "" || $2 == stream { printf "%s%s", text, $3 == "F" ? "\n" : "" }' "$BATS_TEST_TMPDIR/logs/$1.log"
}

log_has() { # POD-NAME/CONTAINER-NAME TEXT
	[[ "$(log_of "$1")" = *"$2"* ]]
}

# --- what is left -------------------------------------------------------------------------------------------------

cri_sweep() {
	local id
	for id in $(cri ListPodSandbox '{}' '.items[].id'); do
		# clean-up, also after a test that failed half-way: a pod may be stopped or gone already
		pod_stop "$id" || true
		pod_remove "$id" || true
	done
	# A kubelet makes the cgroup of a pod, and removes it.
	find /sys/fs/cgroup -depth -type d -path "*$PODS/*" -prune -exec rmdir --ignore-fail-on-non-empty {} + 2>/dev/null || true
}

containerd_leftovers() {
	local id
	find /sys/fs/cgroup -mindepth 1 -type d -path "*$PODS/*" 2>/dev/null | sed 's/^/cgroup /'
	find /run/containerd -type s -path '*/s/*' 2>/dev/null | sed 's/^/socket /'
	find "$CD"/{root,state}/{io.containerd.runtime.v2.task,io.containerd.sandbox.controller.v1.shim}/k8s.io "$CD"/state/*cri*/{containers,sandboxes} \
		"$CD"/root/*cri*/{containers,sandboxes} /run/containerd/reeve/k8s.io /run/containerd/runc/k8s.io "$CD"/state/*cri*/netns /run/netns \
		-mindepth 1 -maxdepth 1 ! -name .seccomp 2>/dev/null | sed 's/^/directory /'
	awk -v cd="$CD" 'index($5, cd "/state") || index($5, "/run/") == 1 && !index($5, cd) { print "mount " $5 }' /proc/self/mountinfo
	{ shims && shim_workers; } | sort -u | sed 's/^/shim /'
	ps -o pid=,ppid=,args= --ppid 1 | awk -v mine="$ORPHANS_BEFORE $(cat "$CD/pid") " '!index(mine, " " $1 " ") { print "process " $0 }'
	ip -o link show type veth | sed 's/^/interface /'
	ctr container ls -q | sed 's/^/container record /'
	ctr snapshot ls 2>/dev/null | awk '$3 == "Active" { print "snapshot " $1 }'
}
