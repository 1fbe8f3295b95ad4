#!/usr/bin/env bats
# More of what config.json asks for: user namespaces and id-mapped mounts, options of mounts, rarer limits, labels,
# seccomp's listener. docs/spec-coverage.md says which test holds for which field.
# shellcheck disable=SC2030,SC2031,SC2154 # output, status: bats

load lib.bash

setup_file() {
	runtime_setup_file
}

setup() {
	not_for old-crun -- "crun 1.8 does not know version 1.3.0 of the specification"
	runtime_setup
}

teardown() {
	local bad=0 dir
	# it may have ended by itself
	[ -z "${MANAGER_PID:-}" ] || kill "$MANAGER_PID" 2>/dev/null || true
	runtime_teardown || bad=1
	for dir in src/sub s/sub; do
		! mountpoint -q "$BATS_TEST_TMPDIR/$dir" || umount "$BATS_TEST_TMPDIR/$dir"
	done
	umount "$BATS_TEST_TMPDIR"/flagged[0-9]* 2>/dev/null || true
	return $bad
}

USERNS='.linux.namespaces += [{"type": "user"}] | .linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}] | .linux.gidMappings = .linux.uidMappings'

# A bundle whose root file system belongs to the ids of USERNS.
owned_by_userns() {
	chown -R 100000:100000 "$B/rootfs"
	chmod 755 "$BATS_TEST_TMPDIR" "$BATS_RUN_TMPDIR" "$B"
}

# --- id-mapped mounts -------------------------------------------------------------------------------------------

# A directory of the host with a file of uid 0, one of uid 5, and a mount below it with one of uid 0.
mapped_source() {
	mkdir -p "$BATS_TEST_TMPDIR/src/sub"
	touch "$BATS_TEST_TMPDIR/src/zero" "$BATS_TEST_TMPDIR/src/five"
	chown 5:5 "$BATS_TEST_TMPDIR/src/five"
	mount -t tmpfs none "$BATS_TEST_TMPDIR/src/sub"
	touch "$BATS_TEST_TMPDIR/src/sub/file"
	mount_points >"$BATS_TEST_TMPDIR/mounts"
}

MAPPED='.mounts += [{"destination": "/m", "type": "bind", "source": $src, "options": ["rbind", $word]} + $maps]'

# mapped WORD MAPPINGS FILTER: what the container sees of the owners.
mapped() {
	bundle_sh 'stat -c %u:%g /m/zero /m/five /m/sub/file; ls /m/sub' "$MAPPED | $3" --arg src "$BATS_TEST_TMPDIR/src" --arg word "$1" --argjson maps "$2"
}

@test "a mount maps ids as its own mappings say" {
	not_for old-runc -- "runc 1.1 knows no id-mapped mounts"
	mapped_source
	mapped idmap '{"uidMappings": [{"containerID": 0, "hostID": 1000, "size": 10}], "gidMappings": [{"containerID": 0, "hostID": 2000, "size": 10}]}' .
	run -0 ct_run
	equal "${lines[*]}" "1000:2000 1005:2005 0:0 file"
}

@test "ids of a source below the root are mapped, as the mounts before have made it" {
	not_for old-runc crun -- "knows no id-mapped mounts, or opens sources before it makes mounts"
	bundle_sh 'touch /t/x; stat -c %u:%g /m/x' '.mounts += [{"destination": "/t", "type": "tmpfs", "source": "tmpfs"},
		{"destination": "/m", "type": "bind", "source": ($b + "/rootfs/t"), "options": ["bind"], "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 10}],
		"gidMappings": [{"containerID": 0, "hostID": 2000, "size": 10}]}]' --arg b "$B"
	run -0 ct_run
	equal "$output" 1000:2000
}

@test "ridmap maps the mounts below too" {
	not_for old-runc -- "runc 1.1 knows no id-mapped mounts"
	mapped_source
	mapped ridmap '{"uidMappings": [{"containerID": 0, "hostID": 1000, "size": 10}], "gidMappings": [{"containerID": 0, "hostID": 2000, "size": 10}]}' .
	run -0 ct_run
	equal "${lines[*]}" "1000:2000 1005:2005 1000:2000 file"
}

@test "in a user namespace idmap shows the files as the container's" {
	not_for old-runc -- "runc 1.1 knows no id-mapped mounts"
	mapped_source
	mapped idmap '{}' "$USERNS"
	owned_by_userns
	run -0 ct_run
	equal "${lines[0]} ${lines[1]}" "0:0 5:5"
}

@test "a container that joins a user namespace maps by that one" {
	not_for old-runc -- "runc 1.1 knows no id-mapped mounts"
	mapped_source
	unshare --user sh -c 'echo $$ >"$1"; exec sleep 1000' _ "$BATS_TEST_TMPDIR/pid" >/dev/null 2>&1 3>&- &
	wait_until 10 test -s "$BATS_TEST_TMPDIR/pid"
	local pid
	pid=$(cat "$BATS_TEST_TMPDIR/pid")
	wait_until 10 grep -q sleep "/proc/$pid/cmdline"
	echo '0 100000 65536' >"/proc/$pid/uid_map"
	echo '0 100000 65536' >"/proc/$pid/gid_map"
	mapped idmap '{}' ".linux.namespaces += [{\"type\": \"user\", \"path\": \"/proc/$pid/ns/user\"}]"
	owned_by_userns
	run -0 ct_run
	equal "${lines[0]} ${lines[1]}" "0:0 5:5"
	kill "$pid"
}

@test "ranges in the option idmap= are crun's" {
	not_for runc -- "runc has no such option"
	mapped_source
	mapped 'idmap=uids=0-10-1#5-77-1;gids=0-0-10' '{}' .
	run -0 ct_run
	equal "${lines[0]} ${lines[1]}" "10:0 77:5"
}

@test "a mount that cannot be mapped is named" {
	not_for runc crun -- "texts of ours"
	refused '.mounts += [{"destination": "/m", "type": "bind", "source": "/tmp", "options": ["bind", "idmap"]}]'
	contains "$output" "mount '/m': id-mapped mounts must have both uid and gid mappings specified, or a user namespace of the container"
	refused '.mounts += [{"destination": "/m", "type": "tmpfs", "options": ["idmap"]}]'
	contains "$output" "id-mapped mounts are only supported for bind-mounts"
	refused '.mounts += [{"destination": "/m", "type": "bind", "source": "/proc", "options": ["bind"], "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 10}], "gidMappings": [{"containerID": 0, "hostID": 1000, "size": 10}]}]'
	contains "$output" "map the ids of mount source '/proc' (not every file system can)"
}

# --- options of mounts ------------------------------------------------------------------------------------------

# options_of WORD...: the options, as the kernel shows them, of a bind of a directory with a mount below it.
options_of() {
	mkdir -p "$BATS_TEST_TMPDIR/s/sub"
	mountpoint -q "$BATS_TEST_TMPDIR/s/sub" || mount -t tmpfs none "$BATS_TEST_TMPDIR/s/sub"
	mount_points >"$BATS_TEST_TMPDIR/mounts"
	rm -rf "$B"
	bundle_sh 'grep -E " /s(/sub)? " /proc/self/mountinfo | cut -d" " -f5,6' \
		'.mounts += [{"destination": "/s", "type": "bind", "source": $src, "options": (["rbind"] + $words)}]' \
		--arg src "$BATS_TEST_TMPDIR/s" --argjson words "$(printf '%s\n' "$@" | jq -R . | jq -sc .)"
	run -0 ct_run
}

@test "recursive options reach the mounts below, the others do not" {
	local word
	for word in nosuid nodev noexec; do
		options_of "r$word"
		matches "${lines[0]}" "^/s .*$word"
		matches "${lines[1]}" "^/s/sub .*$word"
		options_of "$word"
		matches "${lines[0]}" "^/s .*$word"
		[[ "${lines[1]}" != *$word* ]] || fail "$word reached the mount below: $output"
	done
}

@test "recursive access times and their opposites" {
	not_for old-runc crun -- "crun does not take rnoatime"
	options_of rnoatime
	contains "${lines[0]}" noatime
	contains "${lines[1]}" noatime
	options_of rnoatime ratime rnodiratime
	matches "${lines[1]}" "nodiratime,relatime"
	options_of rstrictatime
	[[ "$output" != *relatime* && "$output" != *noatime* ]] || fail "$output"
	options_of rro rrw rnosymfollow
	matches "${lines[1]}" "^/s/sub rw.*nosymfollow"
}

# binds FILTER, with lines "FLAG,... WORD,... EXPECTED" on stdin: binds, by these words, of mounts with these flags have the
# flags that are expected; "-" is none.
binds() {
	local flags words expected i=0 mounts="" want=""
	while read -r flags words expected; do
		i=$((i + 1))
		mkdir -p "$BATS_TEST_TMPDIR/flagged$i"
		mount -t tmpfs -o mode=755 none "$BATS_TEST_TMPDIR/flagged$i"
		[ "$flags" = - ] || mount -o "remount,bind,$flags" "$BATS_TEST_TMPDIR/flagged$i"
		mounts+="{\"destination\": \"/m/$i\", \"type\": \"bind\", \"source\": \"$BATS_TEST_TMPDIR/flagged$i\", \"options\": (\"bind,$words\" | split(\",\") - [\"-\"])},"
		want+="$flags $words $expected"$'\n'
	done
	mount_points >"$BATS_TEST_TMPDIR/mounts"
	bundle_sh 'grep " /m/" /proc/self/mountinfo | cut -d" " -f5,6 | sort -t/ -k3n | cut -d" " -f2' \
		"$1 | .mounts += [${mounts%,}]"
	mkdir -p $(seq -f "$B/rootfs/m/%g" "$i")
	[ "$1" = . ] || owned_by_userns
	run -0 ct_run
	equal "$(paste -d' ' <(cut -d' ' -f1,2 <<<"$want" | head -n -1) <(echo "$output"))"$'\n' "$want"
}

@test "a bind has the flags that were asked for, without a word all of its source's" {
	not_for old-runc crun -- "runc 1.1 adds to the source's, crun clears them without a word and keeps them for ro"
	binds . <<-'END'
		nosuid,nodev,noexec,ro - ro,nosuid,nodev,noexec,relatime
		nosuid,nodev,noexec,ro rprivate ro,nosuid,nodev,noexec,relatime
		nosuid,nodev,noexec,ro rnosuid ro,nosuid,nodev,noexec,relatime
		nosuid,nodev,noexec,ro rw rw,relatime
		nosuid,nodev,noexec ro ro,relatime
		ro nosuid,nodev rw,nosuid,nodev,relatime
		ro,noexec suid rw,relatime
		ro sync rw,relatime
		ro silent rw,relatime
		nosymfollow ro ro,relatime
		ro nosuid,rsuid rw,relatime
		ro suid,rnosuid rw,nosuid,relatime
		noatime rw rw,noatime
		noatime atime rw,noatime
		noatime relatime rw,relatime
		noatime noatime,norelatime rw,noatime
		noatime nodiratime rw,nodiratime,relatime
		nodiratime diratime rw,nodiratime,relatime
		nodiratime strictatime rw
		strictatime norelatime rw
		strictatime nostrictatime rw
	END
}

@test "in a user namespace a bind keeps the flags of its source that nobody spoke of" {
	not_for old-runc crun -- "runc 1.1 adds to the source's, crun clears them"
	binds "$USERNS" <<-'END'
		nosuid,nodev,noexec,ro - ro,nosuid,nodev,noexec,relatime
		nosuid,nodev,noexec ro ro,nosuid,nodev,noexec,relatime
		ro nosuid,nodev ro,nosuid,nodev,relatime
		nosuid,nosymfollow rw rw,nosuid,relatime
		noatime,noexec noatime,ro ro,noexec,noatime
		noatime atime rw,noatime
		nodiratime diratime rw,nodiratime,relatime
	END
}

@test "in a user namespace a bind that is to lose a flag of its source is refused" {
	not_for old-runc crun -- "runc 1.1 keeps the flag, crun clears it"
	local flag
	for flag in ro:rw nosuid:suid nodev:dev noexec:exec noatime:relatime relatime:noatime relatime:nodiratime; do
		mkdir -p "$BATS_TEST_TMPDIR/flagged0"
		mount -t tmpfs -o mode=755 none "$BATS_TEST_TMPDIR/flagged0"
		mount -o "remount,bind,${flag%:*}" "$BATS_TEST_TMPDIR/flagged0"
		bundle "$USERNS | .mounts += [{\"destination\": \"/m\", \"type\": \"bind\", \"source\": \$s, \"options\": [\"bind\", \"${flag#*:}\"]}]" --arg s "$BATS_TEST_TMPDIR/flagged0"
		owned_by_userns
		ct_refused
		contains "$output" "error mounting"
		contains "$output" "operation not permitted"
		umount "$BATS_TEST_TMPDIR/flagged0"
		rm -rf "$B"
	done
}

@test "tmpcopyup fills the file system with what it covers" {
	bundle_sh 'cat /data/file; readlink /data/link; stat -c %a:%u:%g /data/file /data/dir; touch /data/new' \
		'.mounts += [{"destination": "/data", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]}]'
	mkdir -p "$B/rootfs/data/dir"
	echo text >"$B/rootfs/data/file"
	chmod 644 "$B/rootfs/data/file"
	chown 7:8 "$B/rootfs/data/file"
	chmod 750 "$B/rootfs/data/dir"
	ln -s ../file "$B/rootfs/data/link"
	run -0 ct_run
	equal "${lines[*]}" "text ../file 644:7:8 750:0:0"
	[ ! -e "$B/rootfs/data/new" ]
}

@test "a mode that an option gives stands, and the owner of what is covered; an empty option is nothing" {
	not_for crun old-runc -- "the owner stays root's"
	bundle_sh 'stat -c %a:%u:%g /data /more' \
		'.mounts += [{"destination": "/data", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup", "mode=700", ""]},
			{"destination": "/more", "type": "tmpfs", "source": "tmpfs", "options": ["", "tmpcopyup"]}]'
	mkdir -p "$B/rootfs/data" "$B/rootfs/more"
	chown 7:8 "$B/rootfs/data" "$B/rootfs/more"
	chmod 751 "$B/rootfs/data" "$B/rootfs/more"
	run -0 ct_run
	equal "${lines[*]}" "700:7:8 751:7:8"
}

@test "a tmpfs that is read-only is so when all was made in it" {
	bundle_sh 'ls /dev/pts /dev/shm >/dev/null && echo >/dev/null && cat /ro/below/file; tty; for d in /dev /ro; do touch $d/x 2>/dev/null || echo $d; done; touch /dev/shm/x' \
		'.mounts |= map(if .destination == "/dev" then .options += ["ro"] else . end) | .process.terminal = true | .mounts += [
			{"destination": "/ro", "type": "tmpfs", "source": "tmpfs", "options": ["ro"]},
			{"destination": "/ro/below", "type": "bind", "source": $t, "options": ["bind"]}]' --arg t "$BATS_TEST_TMPDIR"
	echo in >"$BATS_TEST_TMPDIR/file"
	run -0 script -qec "$RT --root $RT_ROOT run --bundle $B $ID" /dev/null
	matches "$(tr -d '\r' <<<"$output" | paste -sd' ')" "in /dev/pts/0 /dev /ro\$"
}

@test "links at the ends of a bind are mounted, copied and covered as such" {
	not_for runc -- "runc has no such options"
	ln -s target "$BATS_TEST_TMPDIR/link"
	bundle_sh 'readlink /copied; readlink /covered; [ -L /covered ] && echo link; ls /elsewhere' \
		'.mounts += [{"destination": "/copied", "type": "bind", "source": $link, "options": ["bind", "copy-symlink"]},
			{"destination": "/covered", "type": "bind", "source": $link, "options": ["bind", "src-nofollow", "dest-nofollow"]}]' \
		--arg link "$BATS_TEST_TMPDIR/link"
	mkdir "$B/rootfs/elsewhere"
	ln -s elsewhere "$B/rootfs/covered"
	run -0 ct_run
	equal "${lines[*]}" "target target link"
	equal "$(readlink "$B/rootfs/covered")" elsewhere
	rm -f "$B/rootfs/copied" # the template's copy is this test's own
}

# --- network devices --------------------------------------------------------------------------------------------

NETDEVICES='.linux.netDevices = {"reeve-t0": {"name": "inside0"}}'

# A pair of devices, one end with addresses of all kinds.
make_devices() {
	ip link add reeve-t0 type veth peer name reeve-t1
	ip link set reeve-t0 mtu 1400
	ip addr add 192.0.2.7/24 brd 192.0.2.255 dev reeve-t0
	ip addr add 169.254.9.9/16 scope link dev reeve-t0
	ip addr add 2001:db8::7/64 dev reeve-t0 nodad
	ip link set reeve-t1 up
}

@test "a network device moves in with its addresses, under its new name and up" {
	not_for runc crun -- "1.3 knows none, and crun 1.28 leaves the addresses behind"
	make_devices
	bundle_sh 'ifconfig inside0; ls /sys/class/net' "$NETDEVICES"
	run -0 ct_run
	contains "$output" "inet addr:192.0.2.7  Bcast:192.0.2.255  Mask:255.255.255.0"
	contains "$output" "2001:db8::7/64"
	contains "$output" "MTU:1400"
	contains "$output" "UP "
	[[ "$output" != *169.254* ]] || fail "an address of the link alone came along: $output"
	equal "${lines[-1]} ${lines[-2]}" "lo inside0"
	ip link del reeve-t0 2>/dev/null || true
	ip link del reeve-t1 2>/dev/null || true
}

@test "a network device of a container in a user namespace" {
	not_for runc crun -- "1.3 knows none, and crun 1.28 leaves the addresses behind"
	make_devices
	bundle_sh 'ifconfig inside0' "$NETDEVICES | $USERNS"
	owned_by_userns
	run -0 ct_run
	contains "$output" "inet addr:192.0.2.7"
	ip link del reeve-t1 2>/dev/null || true
}

@test "a network device that is not there, or whose name is taken, is named" {
	not_for runc crun -- "texts of ours"
	refused '.linux.netDevices = {"nosuch0": {}}'
	contains "$output" "linux.netDevices: there is no device 'nosuch0'"
	make_devices
	refused '.linux.netDevices = {"reeve-t0": {"name": "lo"}}'
	contains "$output" "linux.netDevices: move a device into the container as 'lo': File exists"
	ip link del reeve-t0
}

# --- limits that few machines have ------------------------------------------------------------------------------

# with_or_named FILTER FIELD: the container runs, or the text names the field and the missing controller.
with_or_named() {
	bundle_sh true "$1"
	run ct_run
	[ "$status" = 0 ] || contains "$output" "linux.resources.$2: the cgroup controller"
}

@test "rdma and network classes are set, or the missing controller is named" {
	not_for runc crun -- "texts of ours"
	with_or_named '.linux.resources.network = {"classID": 1048577}' network.classID
	rm -rf "$B"
	with_or_named '.linux.resources.network = {"priorities": [{"name": "lo", "priority": 5}]}' network.priorities
	rm -rf "$B"
	bundle '.linux.resources.rdma = {"mlx5_1": {"hcaHandles": 3}}'
	run ct_run
	[ "$status" != 0 ] # no such device
	contains "$output" "linux.resources.rdma"
}

# --- seccomp: an agent ------------------------------------------------------------------------------------------

NOTIFY='.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": $agent, "listenerMetadata": "some \"text\"", "syscalls": [
	{"names": ["mkdir", "mkdirat", "chdir"], "action": "SCMP_ACT_NOTIFY"}]}'

# An agent that lets chdir go on and answers mkdir with EXDEV. What it was told is in $AGENT.json, one per line.
start_agent() {
	AGENT=$BATS_TEST_TMPDIR/agent
	python3 "$TOP/tests/integration/seccomp_agent.py" "$AGENT" >"$AGENT.json" 2>"$AGENT.err" 3>&- &
	AGENT_PID=$!
	wait_until 10 test -S "$AGENT"
}

@test "an agent gets the listener of the filter, with state and metadata, and answers" {
	not_for old-runc crun -- "they hang: calls of their own are notified before the agent listens"
	start_agent
	bundle_sh 'mkdir /tmp/x; cd /tmp && pwd' "$NOTIFY" --arg agent "$AGENT"
	run -0 ct_run
	contains "$output" "Invalid cross-device link"
	equal "${lines[-1]}" /tmp
	equal "$(jq -c '[.fds, .metadata, .state.id, .state.bundle]' "$AGENT.json")" "$(jq -nc --arg id "$ID" --arg b "$B" '[["seccompFd"], "some \"text\"", $id, $b]')"
	equal "$(jq '.pid == .state.pid and .pid > 1' "$AGENT.json")" true
	kill "$AGENT_PID"
}

@test "without new privileges forbidden, too, and for a container made by create and start" {
	not_for old-runc -- "runc 1.1 hangs in a call of its own"
	start_agent
	bundle_sh 'mkdir /tmp/x; cd /tmp && pwd' "$NOTIFY | .process.noNewPrivileges = false" --arg agent "$AGENT"
	ct_start
	wait_until 10 grep -q ^/tmp "$B/stdout"
	contains "$(cat "$B/stderr")" "Invalid cross-device link"
	kill "$AGENT_PID"
}

@test "an exec has a listener of its own" {
	not_for old-runc crun -- "they hang: calls of their own are notified before the agent listens"
	start_agent
	ct_sleep "$NOTIFY" --arg agent "$AGENT"
	run rt exec "$ID" /bin/mkdir /tmp/y </dev/null
	[ "$status" != 0 ]
	contains "$output" "Invalid cross-device link"
	equal "$(jq -s 'length' "$AGENT.json")" 2
	equal "$(jq -s '.[1].pid != .[1].state.pid and .[1].state.pid == .[0].pid' "$AGENT.json")" true
	kill "$AGENT_PID"
}

@test "an agent that is not there is an error, and nothing runs" {
	bundle_sh 'touch /ran' "$NOTIFY" --arg agent "$BATS_TEST_TMPDIR/nobody"
	run ct_run
	[ "$status" != 0 ]
	contains "$output" "$BATS_TEST_TMPDIR/nobody"
	[ ! -e "$B/rootfs/ran" ]
}

@test "write cannot be notified" {
	not_for crun -- "crun looks for the agent first"
	refused '.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/a", "syscalls": [{"names": ["write"], "action": "SCMP_ACT_NOTIFY"}]}'
	contains "$output" "write"
}

# --- a service manager ------------------------------------------------------------------------------------------

# A manager's socket: what it is told, one line per datagram; it takes the barrier.
start_manager() {
	MANAGER=$BATS_TEST_TMPDIR/manager
	python3 -c '
import array, os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
while True:
	data, anc, _, _ = s.recvmsg(4096, socket.CMSG_LEN(16))
	for _, _, fds in anc:
		os.close(array.array("i", fds)[0])
	print(data.decode().rstrip(), flush=True)' "$MANAGER" >"$MANAGER.log" 2>"$MANAGER.err" 3>&- &
	MANAGER_PID=$!
	wait_until 10 test -S "$MANAGER"
}

# The program's sd_notify: busybox has no other way to send a datagram than its logger, which writes to /dev/log.
SAY='ln -s "$NOTIFY_SOCKET" /dev/log; say() { logger "$(printf "x\n%s" "$1")"; };'

@test "a service manager is told READY, the main process, and nothing else that the program says" {
	not_for runc crun -- "runc waits for nothing but its own order, crun names no main process"
	start_manager
	bundle_sh "$SAY"' say "MAINPID=1"; say "STATUS=evil"; say "READY=1"; echo said; while :; do sleep 0.05; done'
	NOTIFY_SOCKET=$MANAGER ct_create
	NOTIFY_SOCKET=$MANAGER rt start "$ID"
	wait_until 10 grep -q said "$B/stdout"
	wait_until 10 grep -q BARRIER=1 "$MANAGER.log" # it closes the descriptor before it prints
	equal "$(paste -sd' ' "$MANAGER.log")" "READY=1 MAINPID=$(pid_of) BARRIER=1"
}

@test "start waits for READY no longer than the program lives" {
	not_for runc -- "does not come to an end"
	start_manager
	bundle_sh 'sleep 0.2'
	NOTIFY_SOCKET=$MANAGER ct_create
	NOTIFY_SOCKET=$MANAGER rt start "$ID"
	equal "$(cat "$MANAGER.log")" ""
}

@test "run tells the service manager, too, whoever the program runs as" {
	not_for crun -- "crun run waits for the program's end first"
	start_manager
	bundle_sh "$SAY"' say READY=1; sleep 0.3; ls -ld /run/notify >/dev/null && echo end' "$USERNS | .process.user = {\"uid\": 0, \"gid\": 0}"
	owned_by_userns
	run -0 env NOTIFY_SOCKET="$MANAGER" "$RT" --root "$RT_ROOT" run --bundle "$B" "$ID" </dev/null
	equal "$output" end
	wait_until 10 grep -q BARRIER=1 "$MANAGER.log"
	matches "$(paste -sd' ' "$MANAGER.log")" "^READY=1 MAINPID=[0-9]+ BARRIER=1$"
}

# What a program of libsystemd sends: words, and a barrier, whose pipe is closed when it has been read. From outside, for
# busybox sends no descriptors.
notify() { # SOCKET WORD...
	python3 -c '
import array, os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect(sys.argv[1])
for word in sys.argv[2:]:
	if word != "BARRIER=1":
		s.send(word.encode())
		continue
	r, w = os.pipe()
	s.sendmsg([word.encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [w]))])
	os.close(w)
	os.read(r, 1)
	print("barrier", flush=True)' "$@"
}

# Afterwards nobody listens any more, as with runc.
@test "READY ends a start at once, with a barrier of the program before it or without" {
	local words begin
	not_for runc crun -- "wait for other things"
	start_manager
	for words in "READY=1" "STATUS=x BARRIER=1 READY=1" "BARRIER=1 READY=1"; do
		bundle_sh 'exec sleep 1000'
		NOTIFY_SOCKET=$MANAGER ct_create
		NOTIFY_SOCKET=$MANAGER rt start "$ID" </dev/null >"$B/started" 2>&1 3>&- &
		begin=$!
		wait_until 10 test -S "$RT_ROOT/$ID/notify/notify.sock"
		# shellcheck disable=SC2086 # they are words
		notify "$RT_ROOT/$ID/notify/notify.sock" $words >"$B/notified"
		wait_until 10 gone "$begin"
		wait "$begin"
		equal "$(tail -n 3 "$MANAGER.log" | paste -sd' ')" "READY=1 MAINPID=$(pid_of) BARRIER=1"
		rt delete --force "$ID"
	done
}

# --- devices in a user namespace --------------------------------------------------------------------------------

@test "a device that the host has under no such name is made for a user namespace" {
	not_for runc -- "binds the host's and finds none"
	bundle_sh 'stat -c "%n %t:%T %a %u:%g" /dev/a/zero /dev/two; head -c 2 /dev/a/zero | wc -c' "$USERNS"' | .linux.devices = [
		{"path": "/dev/a/zero", "type": "c", "major": 1, "minor": 5, "fileMode": 384, "uid": 5, "gid": 6},
		{"path": "/dev/two", "type": "c", "major": 1, "minor": 7}] | .process.user = {"uid": 0, "gid": 0}
		| .linux.resources.devices = [{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 1, "minor": 5, "access": "rwm"}]
		| .process.capabilities = {bounding: ["CAP_DAC_OVERRIDE"], effective: ["CAP_DAC_OVERRIDE"], permitted: ["CAP_DAC_OVERRIDE"]}'
	owned_by_userns
	run -0 --separate-stderr ct_run
	equal "${lines[0]}" "/dev/a/zero 1:5 600 5:6"
	not_for crun -- "a mode that is not given is none"
	equal "${lines[1]}" "/dev/two 1:7 666 0:0"
	equal "${lines[2]}" 2
}

# --- labels and annotations -------------------------------------------------------------------------------------

@test "a label of a security module that the machine lacks is refused" {
	not_for runc crun -- "crun ignores them, runc has texts of its own"
	if [ ! -e /sys/module/apparmor/parameters/enabled ]; then
		refused '.process.apparmorProfile = "docker-default"'
		contains "$output" "process.apparmorProfile: 'docker-default' cannot be applied: AppArmor is not enabled on this machine"
		bundle_sh true '.process.apparmorProfile = "unconfined"'
		run -0 ct_run
	fi
	if [ ! -e /sys/fs/selinux/enforce ]; then
		refused '.process.selinuxLabel = "system_u:system_r:container_t:s0"'
		contains "$output" "process.selinuxLabel: 'system_u:system_r:container_t:s0' cannot be applied: SELinux is not enabled"
		refused '.linux.mountLabel = "system_u:object_r:container_file_t:s0"'
		contains "$output" "linux.mountLabel: "
	fi
}

@test "the caller's groups stay when the annotation says so" {
	not_for runc -- "an annotation of crun"
	bundle_sh 'id -G' '.annotations["run.oci.keep_original_groups"] = "1" | .process.user = {"uid": 0, "gid": 0}'
	run -0 setpriv --groups 0,4711 "$RT" --root "$RT_ROOT" run --bundle "$B" "$ID" </dev/null
	contains " $output " " 4711 "
	bundle_sh 'id -G' '.process.user = {"uid": 0, "gid": 0}'
	run -0 setpriv --groups 0,4711 "$RT" --root "$RT_ROOT" run --bundle "$B" "$ID" </dev/null
	equal "$output" 0
}

@test "an annotation refuses a filter with a name of no system call, of which there is none without it" {
	not_for runc -- "an annotation of crun"
	local profile='.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["getpid", "nosuchcall"], "action": "SCMP_ACT_ERRNO"}]}'
	bundle_sh 'echo fine' "$profile"
	run -0 ct_run
	contains "$output" fine
	bundle_sh 'echo fine' "$profile | .annotations[\"run.oci.seccomp_fail_unknown_syscall\"] = \"0\""
	run -0 ct_run
	contains "$output" fine
	refused "$profile | .annotations[\"run.oci.seccomp_fail_unknown_syscall\"] = \"1\""
	contains "$output" "nosuchcall"
}

@test "an annotation for a cgroup below the container's is refused where cgroup v1 is" {
	not_for runc -- "an annotation of crun"
	# There it works: tests/vm/driver.bats shows it.
	! is_v2 || skip "cgroup v2 has it"
	refused '.annotations["run.oci.delegate-cgroup"] = "payload"'
	contains "$output" delegate-cgroup
	bundle_sh 'echo fine' '.annotations["run.oci.delegate-cgroup"] = ""'
	run -0 ct_run
	contains "$output" fine
}

@test "an annotation that asks for a machine or a filter of another kind is refused, not ignored" {
	not_for runc crun -- "annotations of crun, which does what they ask for"
	refused '.annotations["run.oci.handler"] = "krun"'
	contains "$output" krun
	bundle_sh 'echo fine' '.annotations["run.oci.handler"] = ""'
	run -0 ct_run
	equal "$output" fine
	refused '.annotations["run.oci.seccomp_bpf_data"] = "BgAAAAAA/38="'
	contains "$output" "annotation 'run.oci.seccomp_bpf_data': "
}

# --- who is not root --------------------------------------------------------------------------------------------

ROOTLESS='.linux.namespaces |= (map(select(.type != "network" and .type != "cgroup")) + [{"type": "user"}])
	| .linux.uidMappings = [{"containerID": 0, "hostID": 65534, "size": 1}] | .linux.gidMappings = .linux.uidMappings
	| del(.linux.resources, .linux.cgroupsPath) | .process.user = {"uid": 0, "gid": 0}
	| .mounts |= map(if .destination == "/sys" then {"destination": "/sys", "type": "none", "source": "/sys", "options": ["rbind", "nosuid", "noexec", "nodev", "ro"]} else . end)'

# A bundle and a runtime directory of nobody's.
nobodys() {
	chown -R 65534:65534 "$B"
	chmod 755 "$BATS_TEST_TMPDIR" "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test"
	mkdir -p "$BATS_TEST_TMPDIR/xdg"
	chown 65534:65534 "$BATS_TEST_TMPDIR/xdg"
}

as_nobody() {
	setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set -all --inh-caps -all \
		env XDG_RUNTIME_DIR="$BATS_TEST_TMPDIR/xdg" PATH="$PATH" timeout -k 5 $((30 * TEST_SLOW)) "$@"
}

@test "a user runs a container in a user namespace, with the state where the user's is" {
	not_for runc crun -- "a test of ours"
	bundle_sh 'id -u; cat /proc/self/uid_map | tr -s " "; hostname; touch /made && stat -c %u /made; cat /data; echo $$' \
		"$ROOTLESS | .mounts += [{\"destination\": \"/data\", \"type\": \"bind\", \"source\": \"/etc/hostname\", \"options\": [\"bind\", \"ro\"]}] | .hostname = \"rootless\""
	nobodys
	run -0 as_nobody "$RT" run --bundle "$B" "$ID" </dev/null
	equal "${lines[0]} ${lines[1]} ${lines[2]} ${lines[3]}" "0  0 65534 1 rootless 0"
	equal "${lines[-1]}" 1
	equal "$(stat -c %u "$B/rootfs/made")" 65534
	equal "$(stat -c %U:%a "$BATS_TEST_TMPDIR/xdg/reeve")" nobody:1700
}

@test "a user creates, starts, enters, kills and deletes a container" {
	not_for runc crun -- "a test of ours"
	bundle_sh 'trap "exit 3" TERM; echo ready; while :; do sleep 0.05; done' "$ROOTLESS"
	nobodys
	as_nobody "$RT" create --bundle "$B" "$ID" </dev/null >"$BATS_TEST_TMPDIR/out" 2>&1
	as_nobody "$RT" start "$ID"
	wait_until 10 grep -q ready "$BATS_TEST_TMPDIR/out"
	run -0 as_nobody "$RT" exec "$ID" /bin/sh -c 'id -u; readlink /proc/self/ns/user' </dev/null
	equal "${lines[0]}" 0
	[ "${lines[1]}" != "$(readlink /proc/self/ns/user)" ]
	as_nobody "$RT" kill "$ID" TERM
	stopped() { [ "$(as_nobody "$RT" state "$ID" | jq -r .status)" = stopped ]; }
	wait_until 10 stopped
	as_nobody "$RT" delete "$ID"
	run -0 as_nobody "$RT" list -q
	equal "$output" ""
}

@test "what a user cannot do is named" {
	not_for runc crun -- "texts of ours"
	bundle '.'
	nobodys
	run -1 as_nobody "$RT" run --bundle "$B" "$ID" </dev/null
	contains "$output" "who is not root needs a namespace of type user"
	bundle "$ROOTLESS | .linux.uidMappings += [{\"containerID\": 1, \"hostID\": 100000, \"size\": 100}]"
	nobodys
	run -1 as_nobody env PATH=/nowhere "$RT" run --bundle "$B" "$ID" </dev/null
	contains "$output" "newuidmap is needed to map more than one's own id"
	bundle "$ROOTLESS | .process.user.additionalGids = [5]"
	nobodys
	run -1 as_nobody "$RT" run --bundle "$B" "$ID" </dev/null
	contains "$output" "process.user.additionalGids: setgroups is denied in this user namespace"
}

@test "newuidmap and newgidmap are called with the mappings" {
	not_for runc crun -- "a test of ours"
	bundle "$ROOTLESS | .linux.uidMappings += [{\"containerID\": 1, \"hostID\": 100000, \"size\": 100}]"
	nobodys
	mkdir "$BATS_TEST_TMPDIR/bin"
	printf '#!/bin/sh\necho "$0 $*" >>%s/xdg/calls\n' "$BATS_TEST_TMPDIR" >"$BATS_TEST_TMPDIR/bin/newuidmap"
	printf '#!/bin/sh\necho "$0 $*" >>%s/xdg/calls\necho no such range >&2; exit 1\n' "$BATS_TEST_TMPDIR" >"$BATS_TEST_TMPDIR/bin/newgidmap"
	chmod 755 "$BATS_TEST_TMPDIR/bin" "$BATS_TEST_TMPDIR"/bin/*
	run -1 as_nobody env PATH="$BATS_TEST_TMPDIR/bin:$PATH" "$RT" run --bundle "$B" "$ID" </dev/null
	contains "$output" "no such range"
	matches "$(head -1 "$BATS_TEST_TMPDIR/xdg/calls")" "newuidmap [0-9]+ 0 65534 1 1 100000 100$"
	matches "$(tail -1 "$BATS_TEST_TMPDIR/xdg/calls")" "newgidmap [0-9]+ 0 65534 1$"
}

@test "intelRdt on a machine without it is refused" {
	not_for runc crun -- "texts of ours"
	[ "$(stat -f -c %t /sys/fs/resctrl 2>/dev/null)" != 7655821 ] || skip "this machine has resctrl"
	refused '.linux.intelRdt = {"closID": "guaranteed", "l3CacheSchema": "L3:0=7f"}'
	contains "$output" "linux.intelRdt: this machine has no resctrl file system at '/sys/fs/resctrl'"
}

# --- the rest ---------------------------------------------------------------------------------------------------

@test "an exec has the processors that the config gives to execs" {
	not_for old-runc crun -- "they came to know it later"
	local first last
	first=$(processors)
	last=${first##*[,-]} first=${first%%[,-]*}
	ct_sleep '.process.execCPUAffinity = {"initial": $first, "final": $last}' --arg first "$first" --arg last "$last"
	run -0 rt exec "$ID" /bin/grep Cpus_allowed_list /proc/self/status </dev/null
	equal "$(tr -d '\t' <<<"$output")" "Cpus_allowed_list:$last"
}

@test "a memory policy is that of the program, and of execs, and an empty one is none" {
	not_for runc crun -- "they came to know it later"
	[ -e /proc/self/numa_maps ] || skip "this kernel has no NUMA"
	bundle_sh 'grep -c bind:0 /proc/self/numa_maps' '.linux.memoryPolicy = {"mode": "MPOL_BIND", "nodes": "0"}'
	run -0 ct_run
	[ "$output" -gt 0 ]
	ct_sleep '.linux.memoryPolicy = {"mode": "MPOL_PREFERRED", "nodes": "0", "flags": ["MPOL_F_RELATIVE_NODES"]}'
	run -0 rt exec "$ID" /bin/sh -c 'grep -c prefer=relative:0 /proc/self/numa_maps' </dev/null
	[ "$output" -gt 0 ]
	rt delete --force "$ID"
	bundle_sh 'grep -c default /proc/self/numa_maps' '.linux.memoryPolicy = {}'
	run -0 ct_run
	[ "$output" -gt 0 ]
}

@test "the program has a session keyring of its own, unless that is not wanted" {
	not_for crun -- "crun calls it by the id alone"
	[ -e /proc/keys ] || skip "this kernel has no keyrings"
	bundle_sh 'cat /proc/keys' 'del(.linux.maskedPaths)'
	run -0 ct_run --no-new-keyring
	[[ "$output" != *"_ses.$ID"* ]] || fail "$output"
	run -0 ct_run
	contains "$output" "_ses.$ID"
}

# --- what the comparison with peers has shown ----------------------------------------------------------------------

@test "a read-only /dev, or tmpfs, has in it what the config puts there" {
	inside 'ls /dev/pts/ptmx /dev/null /ro/below; mkdir /dev/x /ro/x; true' \
		'.mounts |= map(if .destination == "/dev" then .options += ["ro"] else . end) | .mounts += [
		{"destination": "/ro", "type": "tmpfs", "source": "t", "options": ["ro"]},
		{"destination": "/ro/below", "type": "tmpfs", "source": "t"}]'
	contains "$output" /dev/pts/ptmx
	contains "$output" "can't create directory '/dev/x': Read-only file system"
	contains "$output" "can't create directory '/ro/x': Read-only file system"
}

@test "a device that is one of the default ones has the mode and owner of the config" {
	not_for runc -- "opens it with that mode, and fails"
	inside 'stat -c "%a %u %g" /dev/null' \
		'.linux.devices = [{"path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 432, "uid": 3, "gid": 4}]'
	equal "$output" "660 3 4"
}

@test "execs have the personality of the container" {
	not_for old-runc -- "has none in execs"
	ct_sleep '.linux.personality = {"domain": "LINUX32"}'
	run -0 rt exec "$ID" uname -m
	matches "$output" '^(i686|armv8l)$'
}

@test "execs have a session keyring that is not the caller's, where init has one" {
	not_for crun -- "leaves them the caller's"
	ct_sleep
	cp "$LIB/probe" "$B/rootfs/probe"
	run -0 --separate-stderr rt exec "$ID" /probe
	contains "$(jq -r .keyring <<<"$output")" "_ses.$ID"
	rt delete --force "$ID"
	ct_start --no-new-keyring
	run -0 --separate-stderr rt exec "$ID" /probe
	[[ "$(jq -r .keyring <<<"$output")" != *"_ses.$ID"* ]] || fail "$output"
}

@test "message queues belong to the root of the user namespace" {
	bundle_sh 'stat -c "%u" /dev/mqueue' \
		'.linux.namespaces += [{"type": "user"}] | .linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}]
		| .linux.gidMappings = .linux.uidMappings'
	chown -R 100000:100000 "$B/rootfs"
	chmod 755 "$BATS_TEST_TMPDIR" "$BATS_RUN_TMPDIR" "$B"
	run -0 ct_run
	equal "$output" 0
}

@test "poststop hooks run in the bundle, if that is still there" {
	not_for runc crun -- "of a bundle that is gone, hooks run where delete does, or not"
	bundle_sh 'true' '.hooks.poststop = [{"path": "/bin/sh", "args": ["sh", "-c", "pwd >>$OUT"], "env": ["OUT=\($out)", "PATH=/bin"]}]' \
		--arg out "$BATS_TEST_TMPDIR/pwd"
	run -0 ct_run
	equal "$(cat "$BATS_TEST_TMPDIR/pwd")" "$B"
	ct_create
	mv "$B" "$B.away"
	rt delete "$ID"
	mv "$B.away" "$B"
	equal "$(cat "$BATS_TEST_TMPDIR/pwd")" "$B"$'\n'/
}
