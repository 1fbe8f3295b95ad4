#!/usr/bin/env bats
# What config.json asks for, seen from inside the container and from the kernel's files.
# Every test holds for runc, but for what not_for says.

load lib.bash

setup_file() {
	runtime_setup_file
}

setup() {
	not_for old-crun -- "crun 1.8 does not know version 1.3.0 of the specification"
	runtime_setup
}

teardown() {
	runtime_teardown
}

# --- namespaces -------------------------------------------------------------------------------------------------

@test "each namespace of the config is a new one" {
	inside 'for n in pid net ipc uts mnt; do readlink /proc/self/ns/$n; done'
	local n
	for n in pid net ipc uts mnt; do
		[[ "$output" != *"$(readlink "/proc/self/ns/$n")"* ]] || fail "the $n namespace is ours: $output"
	done
}

@test "a namespace that the config does not name is the caller's" {
	inside 'for n in net ipc uts; do readlink /proc/self/ns/$n; done' \
		'.linux.namespaces |= map(select(.type == "mount" or .type == "pid")) | del(.hostname) | .mounts |= map(select(.type != "mqueue" and .type != "sysfs"))'
	equal "$output" "$(for n in net ipc uts; do readlink "/proc/self/ns/$n"; done)"
}

@test "namespaces are joined by path" {
	unshare --net --uts sh -c 'hostname joined; echo $$ >"$1"; exec sleep 1000' _ "$BATS_TEST_TMPDIR/pid" >/dev/null 2>&1 3>&- &
	wait_until 10 test -s "$BATS_TEST_TMPDIR/pid"
	local pid
	pid=$(cat "$BATS_TEST_TMPDIR/pid")
	wait_until 10 grep -q sleep "/proc/$pid/cmdline"
	inside 'hostname; readlink /proc/self/ns/net' \
		'.linux.namespaces |= map(if .type == "network" then .path = "/proc/\($pid)/ns/net" elif .type == "uts" then .path = "/proc/\($pid)/ns/uts" else . end) | del(.hostname)' \
		--arg pid "$pid"
	equal "$output" "joined"$'\n'"$(readlink "/proc/$pid/ns/net")"
	kill "$pid"
}

@test "a pid namespace of another container is joined" {
	ct_sleep
	local pid
	pid=$(pid_of)
	mkdir "$B/2"
	jq --arg pid "$pid" --arg root "$B/rootfs" '.root.path = $root | .process.args = ["/bin/sh", "-c", "readlink /proc/self/ns/pid; ps -o pid,args"]
		| .linux.cgroupsPath += "-2" | .linux.namespaces |= map(if .type == "pid" then .path = "/proc/\($pid)/ns/pid" else . end)' \
		"$B/config.json" >"$B/2/config.json"
	run -0 rt run --bundle "$B/2" "$ID-2" </dev/null
	contains "$output" "$(readlink "/proc/$pid/ns/pid")"
	matches "$output" '1 +/bin/sh'
}

@test "a path of the wrong type of namespace, or of none, is refused" {
	refused '.linux.namespaces |= map(if .type == "network" then .path = "/proc/self/ns/uts" else . end)'
	refused '.linux.namespaces |= map(if .type == "network" then .path = "/no/such" else . end)'
	refused '.linux.namespaces |= map(if .type == "network" then .path = "/etc/passwd" else . end)'
}

@test "a namespace twice is refused" {
	refused '.linux.namespaces += [{"type": "network"}]'
}

@test "the first process is number one, and its /proc is of its namespace" {
	inside 'echo $$; ls -d /proc/[0-9]* | wc -l'
	equal "${lines[0]}" 1
	[ "${lines[1]}" -le 3 ]
}

@test "a new network has a loopback that is up, and nothing else" {
	inside 'cat /sys/class/net/lo/flags; ls /sys/class/net; ping -c 1 -W 1 127.0.0.1 >/dev/null 2>&1; cat /proc/net/dev | wc -l'
	equal "${lines[0]}" 0x9
	equal "${lines[1]}" lo
	equal "${lines[2]}" 3
}

@test "a user namespace maps ids" {
	bundle_sh 'cat /proc/self/uid_map /proc/self/gid_map; id -u; stat -c %u /etc/passwd' \
		'.linux.namespaces += [{"type": "user"}] | .linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}]
		| .linux.gidMappings = [{"containerID": 0, "hostID": 200000, "size": 65536}]'
	chown -R 100000:200000 "$B/rootfs"
	chmod 755 "$BATS_TEST_TMPDIR" "$BATS_RUN_TMPDIR" "$B"
	run -0 ct_run
	equal "$(tr -s ' ' <<<"$output")" $' 0 100000 65536\n 0 200000 65536\n0\n0'
	chown -R 0:0 "$B/rootfs"
}

@test "a user namespace may have no root" {
	not_for old-runc old-crun runc -- "they want one"
	chmod 755 "$BATS_TEST_TMPDIR" "$BATS_RUN_TMPDIR"
	bundle_sh 'id -u; id -g; cat /proc/self/uid_map; echo ready; while :; do sleep 0.05; done' \
		'.linux.namespaces += [{"type": "user"}] | .linux.uidMappings = [{"containerID": 1000, "hostID": 100000, "size": 1}]
		| .linux.gidMappings = [{"containerID": 1000, "hostID": 200000, "size": 1}] | .process.user = {"uid": 1000, "gid": 1000}
		| (.mounts[] | select(.destination == "/dev/pts") | .options) -= ["gid=5"]'
	chmod 755 "$B"
	chown -R 100000:200000 "$B/rootfs"
	ct_start
	wait_until 10 grep -q ready "$B/stdout"
	equal "$(tr -s ' \n' ' ' <"$B/stdout")" "1000 1000 1000 100000 1 ready "
	run -0 rt exec "$ID" id -u </dev/null
	equal "$output" 1000
	rt delete --force "$ID"
	chown -R 0:0 "$B/rootfs"
}

@test "a user namespace without maps has the caller for its user" {
	not_for runc -- "runc wants maps"
	inside 'cat /proc/self/uid_map /proc/self/gid_map; id -u' '.linux.namespaces += [{"type": "user"}] | .process.user = {"uid": 7, "gid": 8}
		| (.mounts[] | select(.destination == "/dev/pts") | .options) -= ["gid=5"]'
	equal "$(tr -s ' ' <<<"$output")" $' 7 0 1\n 8 0 1\n7'
}

@test "id maps without a user namespace map nothing" {
	inside 'cat /proc/self/uid_map; stat -c %u /dev/null' '.linux.uidMappings = [{containerID: 0, hostID: 1000, size: 10}] | .linux.gidMappings = .linux.uidMappings'
	equal "${lines[0]}" "$(cat /proc/self/uid_map)"
	equal "${lines[1]}" 0
}

@test "in a user namespace the default devices are the default ones, whatever numbers the config gives them; others are as it says" {
	not_for runc -- "opens a null device that it may not"
	not_for old-crun -- "knows no device by another name"
	bundle_sh 'stat -c "%t %T" /dev/null /dev/five' '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 1000}]
		| .linux.gidMappings = .linux.uidMappings | .linux.devices = [{path: "/dev/null", type: "c", major: 1, minor: 5, fileMode: 438},
		{path: "/dev/five", type: "c", major: 1, minor: 5, fileMode: 438}]'
	chmod 0755 "$B" "$BATS_TEST_TMPDIR"
	run -0 ct_run
	equal "$output" $'1 3\n1 5'
}

@test "exec enters the user namespace" {
	bundle_sh 'echo ready; while :; do sleep 0.05; done' \
		'.linux.namespaces += [{"type": "user"}] | .linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}]
		| .linux.gidMappings = .linux.uidMappings'
	chown -R 100000:100000 "$B/rootfs"
	chmod 755 "$BATS_TEST_TMPDIR" "$BATS_RUN_TMPDIR" "$B"
	ct_start
	wait_until 10 grep -q ready "$B/stdout"
	run -0 rt exec "$ID" /bin/sh -c 'id -u; readlink /proc/self/ns/user' </dev/null
	equal "$output" "0"$'\n'"$(readlink "/proc/$(pid_of)/ns/user")"
	chown -R 0:0 "$B/rootfs"
}

@test "in a user namespace, too, a user can open the pipes that are the standard streams" {
	not_for runc crun -- "leave that to who made the pipes"
	bundle_sh 'echo init >/dev/stderr; echo ready >/dev/stdout; while :; do sleep 0.05; done' \
		'.linux.namespaces += [{"type": "user"}] | .linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}]
		| .linux.gidMappings = .linux.uidMappings | .process.user = {"uid": 1000, "gid": 1000}'
	chown -R 100000:100000 "$B/rootfs"
	chmod 755 "$BATS_TEST_TMPDIR" "$BATS_RUN_TMPDIR" "$B"
	rt create --bundle "$B" "$ID" </dev/null > >(cat >"$BATS_TEST_TMPDIR/out") 2> >(cat >"$BATS_TEST_TMPDIR/err")
	rt start "$ID"
	wait_until 10 grep -q ready "$BATS_TEST_TMPDIR/out"
	wait_until 10 grep -qx init "$BATS_TEST_TMPDIR/err" # another pipe, another cat
	run -0 rt exec --user 1000 "$ID" /bin/sh -c 'echo exec >/dev/stderr' </dev/null
	equal "$output" exec
	chown -R 0:0 "$B/rootfs"
}

@test "a user namespace with maps of one kind alone is refused" {
	refused '.linux.namespaces += [{"type": "user"}] | .linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}]'
	not_for runc crun -- "words of its own, or none"
	contains "$output" "linux.gidMappings: missing"
}

@test "a time namespace has its offsets" {
	[ "$RUNTIME" != runc ] || skip "peer runc 1.1: knows no time namespaces"
	inside 'cut -d. -f1 /proc/uptime' '.linux.namespaces += [{"type": "time"}] | .linux.timeOffsets = {"boottime": {"secs": 10000000}}'
	[ "$output" -gt 10000000 ] || fail "$output"
}

# `spec` names one where the machine has v2 alone.
OWN_CGROUPNS='.linux.namespaces |= (map(select(.type != "cgroup")) + [{"type": "cgroup"}])'

@test "a cgroup namespace shows the container's cgroup as the root, in an exec too" {
	inside 'cat /proc/self/cgroup' "$OWN_CGROUPNS"
	[[ "$output" != *test/* && "$output" != */init* ]] || fail "$output"
	rm -rf "$B"
	ct_sleep "$OWN_CGROUPNS"
	run -0 rt exec "$ID" /bin/sh -c 'cat /proc/self/cgroup; readlink /proc/self/ns/cgroup' </dev/null
	[[ "$output" != *test/* && "$output" != */init* ]] || fail "$output"
	contains "$output" "$(readlink "/proc/$(pid_of)/ns/cgroup")"
}

@test "a cgroup namespace of another container is joined, by its execs too" {
	ct_sleep "$OWN_CGROUPNS"
	local ns
	ns=$(readlink "/proc/$(pid_of)/ns/cgroup")
	mkdir "$B/2"
	jq --arg path "/proc/$(pid_of)/ns/cgroup" --arg root "$B/rootfs" '.root.path = $root | .linux.cgroupsPath += "-2"
		| .linux.namespaces |= map(if .type == "cgroup" then .path = $path else . end)' "$B/config.json" >"$B/2/config.json"
	rt run --detach --bundle "$B/2" "$ID-2" </dev/null >"$B/2/out" 2>&1 || fail "$(cat "$B/2/out")"
	equal "$(readlink "/proc/$(pid_of "$ID-2")/ns/cgroup")" "$ns"
	grep -q "/test/$ID-2" "/proc/$(pid_of "$ID-2")/cgroup"
	run -0 rt exec "$ID-2" /bin/readlink /proc/self/ns/cgroup </dev/null
	equal "$output" "$ns"
	rt delete --force "$ID-2"
}

# --- root file system -------------------------------------------------------------------------------------------

@test "the root file system is the bundle's, and what was mounted before is gone" {
	echo here >"$BATS_TEST_TMPDIR/mark"
	inside 'cat /mark; cut -d" " -f5 /proc/self/mountinfo; ls /..' '.'
	[[ "$output" != *"$BATS_TEST_TMPDIR"* ]] || fail "$output"
	echo here >"$B/rootfs/mark"
	inside 'cat /mark'
	equal "$output" here
}

@test "a read-only root cannot be written to, its file systems can" {
	inside 'touch /x 2>&1; touch /dev/shm/y && echo shm' '.root.readonly = true'
	equal "$output" $'touch: /x: Read-only file system\nshm'
	inside 'touch /x && echo written'
	equal "$output" written
}

@test "the working directory is made when it is missing" {
	inside 'pwd' '.process.cwd = "/made/for/it"'
	equal "$output" /made/for/it
}

@test "the bundle's symlinks stay inside the root" {
	bundle_sh 'cat /a/b/file' '.mounts += [{"destination": "/link/b", "type": "tmpfs", "source": "tmpfs"}]'
	mkdir "$BATS_TEST_TMPDIR/outside"
	ln -s "$BATS_TEST_TMPDIR/outside" "$B/rootfs/link"
	run ct_run
	[ -z "$(ls -A "$BATS_TEST_TMPDIR/outside")" ] || fail "a mount point was made outside: $(ls -A "$BATS_TEST_TMPDIR/outside")"
	ln -sfn ../../../../../.. "$B/rootfs/link"
	inside 'grep -c " /b " /proc/self/mountinfo' '.mounts += [{"destination": "/link/b", "type": "tmpfs", "source": "tmpfs"}]'
	equal "$output" 1
	[ ! -e /b ]
}

# --- mounts -----------------------------------------------------------------------------------------------------

@test "the default mounts are there with their options" {
	inside 'cut -d" " -f5,6 /proc/self/mountinfo; for d in proc sys dev/shm dev/mqueue dev/pts; do stat -f -c %T /$d; done'
	contains "$output" "/proc rw"
	contains "$output" "/sys ro,nosuid,nodev,noexec,relatime"
	contains "$output" "/dev/shm rw,nosuid,nodev,noexec,relatime"
	contains "$output" $'proc\nsysfs\ntmpfs'
}

@test "a directory is bound, writable or not" {
	mkdir "$BATS_TEST_TMPDIR/d"
	inside 'echo x >/mnt/rw/new; echo y 2>/dev/null >/mnt/ro/new || echo refused' \
		'.mounts += [{"destination": "/mnt/rw", "source": $d, "options": ["bind"]}, {"destination": "/mnt/ro", "source": $d, "options": ["bind", "ro"]}]' \
		--arg d "$BATS_TEST_TMPDIR/d"
	equal "$output" refused
	equal "$(cat "$BATS_TEST_TMPDIR/d/new")" x
}

@test "a file is bound over a file, which is made when it is missing" {
	echo bound >"$BATS_TEST_TMPDIR/f"
	inside 'cat /etc/new/file /etc/motd' \
		'.mounts += [{"destination": "/etc/new/file", "source": $f, "options": ["bind", "ro"]}, {"destination": "/etc/motd", "source": $f, "options": ["rbind"]}]' \
		--arg f "$BATS_TEST_TMPDIR/f"
	equal "$output" $'bound\nbound'
}

@test "a mount's destination may begin with the path of the container's root" {
	bundle
	inside 'grep -c " /in/m " /proc/self/mounts; ls -d "$0" 2>&1; true' '.mounts += [{"destination": ($root + "/in/m"), "type": "tmpfs", "source": "tmpfs"}] | .process.args += [$root]' \
		--arg root "$B/rootfs"
	equal "${lines[0]}" 1
	contains "$output" "No such file"
}

@test "rbind brings the mounts below along, bind does not" {
	mkdir -p "$BATS_TEST_TMPDIR/d/sub"
	mount -t tmpfs tmpfs "$BATS_TEST_TMPDIR/d/sub"
	touch "$BATS_TEST_TMPDIR/d/sub/below"
	inside 'ls /r/sub; ls /b/sub' \
		'.mounts += [{"destination": "/r", "source": $d, "options": ["rbind"]}, {"destination": "/b", "source": $d, "options": ["bind"]}]' \
		--arg d "$BATS_TEST_TMPDIR/d"
	umount "$BATS_TEST_TMPDIR/d/sub"
	equal "$output" below
}

@test "rro makes the mounts below read-only too" {
	mkdir -p "$BATS_TEST_TMPDIR/d/sub"
	mount -t tmpfs tmpfs "$BATS_TEST_TMPDIR/d/sub"
	inside 'touch /r/sub/x 2>/dev/null || echo refused' \
		'.mounts += [{"destination": "/r", "source": $d, "options": ["rbind", "rro"]}]' --arg d "$BATS_TEST_TMPDIR/d"
	umount "$BATS_TEST_TMPDIR/d/sub"
	equal "$output" refused
}

@test "mount flags are what is asked for" {
	mkdir "$BATS_TEST_TMPDIR/d"
	inside 'grep -E " /(t|b) " /proc/self/mountinfo | cut -d" " -f5,6' \
		'.mounts += [{"destination": "/t", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "noexec", "noatime", "size=1m", "mode=0711"]},
			{"destination": "/b", "source": $d, "options": ["bind", "nosuid", "nodev", "noexec", "ro"]}]' --arg d "$BATS_TEST_TMPDIR/d"
	# the order of the lines is that of the mounts' making, which is the runtime's own affair
	matches "$output" '/t rw,nosuid,nodev,noexec,noatime'
	matches "$output" '/b ro,nosuid,nodev,noexec'
}

@test "a tmpfs has its size and mode" {
	inside 'stat -c %a /t; df -k /t | tail -1 | tr -s " " | cut -d" " -f2' \
		'.mounts += [{"destination": "/t", "type": "tmpfs", "source": "tmpfs", "options": ["size=1024k", "mode=0711"]}]'
	equal "$output" $'711\n1024'
}

@test "mounts are made in the order of the config" {
	mkdir "$BATS_TEST_TMPDIR/d"
	touch "$BATS_TEST_TMPDIR/d/deep"
	inside 'ls /t/in' '.mounts += [{"destination": "/t", "type": "tmpfs", "source": "tmpfs"}, {"destination": "/t/in", "source": $d, "options": ["bind"]}]' \
		--arg d "$BATS_TEST_TMPDIR/d"
	equal "$output" deep
}

# What stands before it in the order of mounts is seen through a source that lies below the root's own path.
SOURCES_IN_ROOT='.mounts += [{"destination": "/t", "type": "tmpfs", "source": "tmpfs", "options": ["mode=0755"]},
	{"destination": "/one", "type": "bind", "source": ($b + "/rootfs/t"), "options": ["bind"]},
	{"destination": "/two", "type": "bind", "source": "rootfs/t", "options": ["rbind", "ro"]},
	{"destination": "/names", "type": "bind", "source": ($b + "/rootfs/proc/sys"), "options": ["bind"]}]'

@test "a source below the root is that root, as the mounts before have made it" {
	inside 'touch /one/x; ls /t; touch /two/y 2>&1; cat /names/kernel/hostname' \
		'.hostname = "inside" | '"$SOURCES_IN_ROOT" --arg b "$B"
	equal "$output" $'x\ntouch: /two/y: Read-only file system\ninside'
	[ ! -e "$B/rootfs/t/x" ]
}

@test "in a user namespace a source below the root is that, too" {
	not_for old-runc crun -- "opens sources before it makes mounts"
	bundle_sh 'touch /one/x; ls /t; cat /names/kernel/hostname' \
		'.hostname = "inside" | .linux.namespaces += [{"type": "user"}] | .linux.uidMappings = [$m] | .linux.gidMappings = [$m] | '"$SOURCES_IN_ROOT" \
		--arg b "$B" --argjson m '{"containerID": 0, "hostID": 100000, "size": 65536}'
	chown -R 100000:100000 "$B/rootfs"
	chmod 755 "$BATS_TEST_TMPDIR" "$BATS_RUN_TMPDIR" "$B"
	run -0 ct_run
	equal "$output" $'x\ninside'
	chown -R 0:0 "$B/rootfs"
}

@test "propagation of the root is what is asked for, private when nothing is" {
	inside 'grep -E " / / " /proc/self/mountinfo || grep -m 1 " / " /proc/self/mountinfo'
	[[ "$output" != *shared:* ]] || fail "$output"
	bundle_sh 'echo ready; while :; do sleep 0.05; done' '.linux.rootfsPropagation = "rslave" | .mounts += [{"destination": "/p", "source": $d, "options": ["rbind", "rslave"]}]' --arg d "$BATS_TEST_TMPDIR/d"
	mkdir -p "$BATS_TEST_TMPDIR/d/later"
	mount --bind "$BATS_TEST_TMPDIR/d" "$BATS_TEST_TMPDIR/d"
	mount --make-shared "$BATS_TEST_TMPDIR/d"
	ct_start
	wait_until 10 grep -q ready "$B/stdout"
	mount -t tmpfs tmpfs "$BATS_TEST_TMPDIR/d/later"
	touch "$BATS_TEST_TMPDIR/d/later/seen"
	run -0 rt exec "$ID" /bin/ls /p/later </dev/null
	equal "$output" seen
	umount "$BATS_TEST_TMPDIR/d/later" "$BATS_TEST_TMPDIR/d"
}

@test "the cgroup mount shows the container's own cgroup" {
	inside 'd=$(dirname $(find /sys/fs/cgroup -maxdepth 2 -name cgroup.procs | head -n 1)); cat $d/cgroup.procs; mkdir $d/x 2>/dev/null || echo read-only' \
		'.mounts += [{"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["nosuid", "noexec", "nodev", "relatime", "ro"]}] | '"$OWN_CGROUPNS"
	contains "$output" 1
	contains "$output" read-only
}

@test "masked paths are empty and read-only ones cannot be written to" {
	inside 'wc -c </etc/passwd; ls /home; touch /home/x 2>/dev/null || echo masked; touch /tmp/x 2>/dev/null || echo read-only; echo x 2>/dev/null >/proc/sys/kernel/hostname || echo sys' \
		'.linux.maskedPaths += ["/etc/passwd", "/home", "/no/such"] | .linux.readonlyPaths += ["/tmp", "/no/such"]'
	equal "$output" $'0\nmasked\nread-only\nsys'
}

@test "a mount of an unknown type, or of a source that is not there, is refused and named" {
	refused '.mounts += [{"destination": "/x", "type": "nosuchfs", "source": "x"}]'
	matches "$output" 'nosuchfs|[Nn]o such device'
	refused '.mounts += [{"destination": "/x", "source": "/no/such/source", "options": ["bind"]}]'
	contains "$output" /no/such/source
}

# --- devices ----------------------------------------------------------------------------------------------------

@test "the default devices and links are there" {
	inside 'cd /dev && for d in null zero full random urandom tty; do stat -c "%n %F %t:%T %a" $d; done; for l in fd stdin stdout stderr ptmx; do readlink $l; done; echo x >/dev/null; head -c 3 /dev/zero | wc -c'
	equal "$output" "null character special file 1:3 666
zero character special file 1:5 666
full character special file 1:7 666
random character special file 1:8 666
urandom character special file 1:9 666
tty character special file 5:0 666
/proc/self/fd
/proc/self/fd/0
/proc/self/fd/1
/proc/self/fd/2
pts/ptmx
3"
}

@test "devices of the config are made with their mode and owner" {
	inside 'stat -c "%F %t:%T %a %u:%g" /dev/mine /dev/deep/er; head -c 4 /dev/mine | wc -c' \
		'.linux.devices = [{"path": "/dev/mine", "type": "c", "major": 1, "minor": 5, "fileMode": 438, "uid": 7, "gid": 8}, {"path": "/dev/deep/er", "type": "p", "fileMode": 384}]
		| .linux.resources.devices += [{"allow": true, "type": "c", "major": 1, "minor": 5, "access": "rw"}]'
	equal "$output" $'character special file 1:5 666 7:8\nfifo 0:0 600 0:0\n4'
}

@test "a device that the rules do not allow cannot be opened" {
	inside 'mknod /tmp/kmsg c 1 11 && head -c 1 /tmp/kmsg 2>&1; mknod /tmp/zero c 1 5 && head -c 1 /tmp/zero | wc -c' \
		'.process.capabilities |= map_values(. + ["CAP_MKNOD"]) | .linux.resources.devices = [{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "access": "m"}, {"allow": true, "type": "c", "major": 1, "minor": 5, "access": "r"}]'
	contains "${lines[0]}" "Operation not permitted"
	equal "${lines[1]}" 1
}

# --- the process ------------------------------------------------------------------------------------------------

@test "environment and arguments arrive as they are" {
	bundle '.process.args = ["/bin/sh", "-c", "printf \"<%s>\" \"$@\" \"$A\" \"$B\"", "sh", "", "a b", "c\nd", "é"] | .process.env += ["A=1=2", "B= x "]'
	run -0 ct_run
	equal "$output" $'<><a b><c\nd><é><1=2>< x >'
}

@test "of an environment variable that is there twice the last counts" {
	inside 'echo $A' '.process.env += ["A=first", "A=last"]'
	equal "$output" last
}

@test "HOME is looked up when it is not set" {
	inside 'echo $HOME' '.process.user = {"uid": 1000, "gid": 1000}'
	equal "$output" /home/app
	inside 'echo $HOME' '.process.env += ["HOME=/given"]'
	equal "$output" /given
}

@test "an empty HOME is as good as none" {
	not_for crun -- "gives it on"
	inside 'echo $HOME' '.process.user = {"uid": 1000, "gid": 1000} | .process.env += ["HOME=/given", "HOME="]'
	equal "$output" /home/app
}

@test "user, groups and umask are set" {
	inside 'id -u; id -g; id -G; umask' '.process.user = {"uid": 1000, "gid": 1001, "additionalGids": [29, 44], "umask": 63}'
	equal "$output" $'1000\n1001\n1001 29 44\n0077'
}

@test "a program runs in a directory that only its user may enter" {
	inside 'pwd' '.process.cwd = "/home/app" | .process.user = {"uid": 1000, "gid": 1000}'
	equal "$output" /home/app
}

@test "the five capability sets are what is asked for" {
	inside 'grep ^Cap /proc/self/status' '.process.capabilities = {
		"bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"], "permitted": ["CAP_CHOWN", "CAP_KILL"], "effective": ["CAP_CHOWN"],
		"inheritable": ["CAP_KILL"], "ambient": ["CAP_KILL"]} | .process.user = {"uid": 1000, "gid": 1000}'
	# after execve of a program without file capabilities: permitted = ambient, effective = ambient
	equal "$(tr -s '\t ' ' ' <<<"$output")" "CapInh: 0000000000000020
CapPrm: 0000000000000020
CapEff: 0000000000000020
CapBnd: 0000000000002021
CapAmb: 0000000000000020"
}

@test "root keeps the capabilities of the bounding set and no more" {
	inside 'grep -E "^Cap(Prm|Eff|Bnd)" /proc/self/status' '.process.capabilities = {"bounding": ["CAP_CHOWN"], "permitted": ["CAP_CHOWN"], "effective": ["CAP_CHOWN"]}'
	equal "$(cut -f2 <<<"$output" | sort -u)" 0000000000000001
}

@test "a capability that is not known is no obstacle" {
	not_for crun -- "refuses"
	inside 'echo fine' '.process.capabilities.bounding += ["CAP_OF_THE_FUTURE"]'
	contains "$output" fine
}

@test "resource limits are set, soft and hard" {
	inside 'grep -E "Max (open files|core file size|stack)" /proc/self/limits' \
		'.process.rlimits = [{"type": "RLIMIT_NOFILE", "soft": 111, "hard": 222}, {"type": "RLIMIT_CORE", "soft": 0, "hard": 4096}]'
	matches "$output" 'open files +111 +222'
	matches "$output" 'core file size +0 +4096'
}

@test "a resource limit that is unknown or there twice is refused" {
	refused '.process.rlimits = [{"type": "RLIMIT_NOSUCH", "soft": 1, "hard": 1}]'
	contains "$output" RLIMIT_NOSUCH
	not_for runc crun -- "takes duplicates"
	refused '.process.rlimits = [{"type": "RLIMIT_CORE", "soft": 0, "hard": 1}, {"type": "RLIMIT_CORE", "soft": 0, "hard": 1}]'
}

@test "no_new_privs is what is asked for" {
	inside 'grep NoNewPrivs /proc/self/status' '.process.noNewPrivileges = true'
	matches "$output" '1$'
	inside 'grep NoNewPrivs /proc/self/status' '.process.noNewPrivileges = false'
	matches "$output" '0$'
}

@test "oom_score_adj is what is asked for" {
	inside 'cat /proc/self/oom_score_adj' '.process.oomScoreAdj = 123'
	equal "$output" 123
}

@test "an oom_score_adj that cannot be had is refused" {
	bundle_sh 'cat /proc/self/oom_score_adj' '.process.oomScoreAdj = -900'
	# CAP_SYS_RESOURCE of whoever asks
	if [ $((0x$(awk '/^CapEff/ { print $2 }' /proc/self/status) >> 24 & 1)) = 1 ]; then
		run -0 ct_run
		equal "$output" -900
	else
		ct_refused
		contains "$output" oom_score_adj
	fi
}

@test "scheduler and priorities are those that the host may give, in a user namespace too" {
	not_for old-runc old-crun runc crun -- "ignores them, or sets them when it has no right to, or cannot reach the bundle"
	local stat
	bundle_sh 'echo ready; while :; do sleep 0.05; done' '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 1000}]
		| .linux.gidMappings = .linux.uidMappings | .process.scheduler = {policy: "SCHED_OTHER", nice: -5} | .process.ioPriority = {class: "IOPRIO_CLASS_RT", priority: 3}'
	chmod 0755 "$B" "$BATS_TEST_TMPDIR"
	ct_start
	wait_until 10 grep -q ready "$B/stdout"
	read -r stat <"/proc/$(pid_of)/stat"
	equal "$(cut -d' ' -f17 <<<"${stat##*) }")" -5 "niceness"
	run -0 ionice -p "$(pid_of)"
	equal "$output" "realtime: prio 3"
	jq '.process | .args = ["cut", "-d", " ", "-f", "19", "/proc/self/stat"] | .scheduler.nice = -7' "$B/config.json" >"$B/process.json"
	run -0 rt exec --process "$B/process.json" "$ID"
	equal "$output" -7 "niceness of an exec"
}

@test "scheduler and priorities are set" {
	[ "$RUNTIME" != runc ] && [ "$RUNTIME" != crun ] || skip "peer of bookworm: ignores scheduler and ioPriority"
	inside 'cut -d" " -f19,41 /proc/self/stat; ionice -p $$' \
		'.process.scheduler = {"policy": "SCHED_BATCH", "nice": 5} | .process.ioPriority = {"class": "IOPRIO_CLASS_BE", "priority": 6}'
	equal "$output" $'5 3\nbest-effort: prio 6'
}

@test "personality is set" {
	[ "$RUNTIME" != runc ] || skip "peer runc 1.1: ignores it"
	inside 'uname -m' '.linux.personality = {"domain": "LINUX32"}'
	equal "$output" i686
}

@test "hostname and domainname are set" {
	inside 'hostname; cat /proc/sys/kernel/domainname' '.hostname = "myname"'
	equal "${lines[0]}" myname
	[ "$RUNTIME" != runc ] && [ "$RUNTIME" != crun ] || skip "peer of bookworm: ignores domainname"
	inside 'cat /proc/sys/kernel/domainname' '.domainname = "mydomain"'
	equal "$output" mydomain
}

@test "sysctls of the container's namespaces are set, those of the host are refused" {
	inside 'cat /proc/sys/kernel/msgmax /proc/sys/net/ipv4/ip_forward /proc/sys/fs/mqueue/msg_max' \
		'.linux.sysctl = {"kernel.msgmax": "4242", "net.ipv4.ip_forward": "1", "fs.mqueue.msg_max": "17"}'
	equal "$output" $'4242\n1\n17'
	refused '.linux.sysctl = {"vm.swappiness": "1"}'
	contains "$output" vm.swappiness
	refused '.linux.sysctl = {"net.ipv4.ip_forward": "1"} | .linux.namespaces |= map(select(.type != "network"))'
}

# --- seccomp ----------------------------------------------------------------------------------------------------

@test "seccomp denies what it lists, with its error" {
	inside 'mkdir /tmp/x 2>&1; rmdir /tmp 2>&1; grep Seccomp: /proc/self/status' \
		'.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}, {"names": ["rmdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}'
	matches "$output" 'mkdir.*Operation not permitted'
	matches "$output" 'rmdir.*No space left on device'
	matches "${lines[2]}" '2$'
}

@test "seccomp looks at arguments" {
	inside 'chmod 0777 /tmp 2>&1; chmod 0700 /tmp && echo fine' \
		'.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["chmod"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 1, "value": 511, "op": "SCMP_CMP_EQ"}]}]}'
	matches "${lines[0]}" 'not permitted'
	equal "${lines[1]}" fine
}

@test "seccomp kills" {
	bundle_sh 'mkdir /tmp/x; echo not reached' '.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_KILL_PROCESS"}]} | .process.args[2] = "sh -c \"mkdir /tmp/x\"; echo $?"'
	run ct_run
	contains "$output" 159
}

@test "exec is under the container's seccomp filter" {
	ct_sleep '.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]}'
	run rt exec "$ID" /bin/mkdir /tmp/x </dev/null
	contains "$output" "Operation not permitted"
}

@test "the flags of a seccomp filter are told who asks for debug records" {
	not_for old-runc crun -- "has none, or other words"
	local flags
	for flags in '["SECCOMP_FILTER_FLAG_LOG"]=2' '["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"]=6' '[]=0' 'null=4'; do
		bundle_sh true '.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "flags": $flags, "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]}' --argjson flags "${flags%=*}"
		run -0 rt --debug run --bundle "$B" "$ID" </dev/null
		contains "$output" "\"seccomp filter flags: ${flags#*=}\""
	done
}

@test "a seccomp action or operator that is not known is refused" {
	refused '.linux.seccomp = {"defaultAction": "SCMP_ACT_NOSUCH"}'
	refused '.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["chmod"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 1, "value": 1, "op": "SCMP_NO"}]}]}'
}

@test "names of system calls that this kernel does not have are no obstacle" {
	inside 'echo fine' '.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["no_such_call", "mkdir"], "action": "SCMP_ACT_ERRNO"}]}'
	equal "$output" fine
}

# --- cgroups ----------------------------------------------------------------------------------------------------

@test "the cgroup is where the config says, in every hierarchy" {
	ct_sleep
	local path
	while IFS=: read -r _ _ path; do
		equal "$path" "/test/$ID"
	done < <(grep -v '^0::/init' "/proc/$(pid_of)/cgroup" | grep -vE '^0::.*' || true)
	[ "$(grep -c "/test/$ID" "/proc/$(pid_of)/cgroup")" -ge 1 ]
}

@test "a cgroup's path is cleaned as text, and stays below the root" {
	local path
	for path in "/test/../test/./$ID" "a/../test//$ID"; do
		bundle '.process.args = ["/bin/sleep", "1000"] | .linux.cgroupsPath = $path' --arg path "$path"
		ct_start
		grep -qE ":pids:/test/$ID\$|^0::.*/test/$ID\$" "/proc/$(pid_of)/cgroup" || fail "$(cat "/proc/$(pid_of)/cgroup")"
		rt delete --force "$ID"
	done
	not_for runc crun -- "runc stays at the root, crun fails over its files"
	refused '.linux.cgroupsPath = "a/../../x"'
	contains "$output" "linux.cgroupsPath: 'a/../../x' is no usable path"
}

@test "memory limits are set" {
	bundle_sh 'sleep 100' '.linux.resources.memory = {"limit": 67108864, "reservation": 33554432, "swap": 67108864}'
	ct_create
	equal "$(cg memory memory.limit_in_bytes memory.max)" 67108864
	equal "$(cg memory memory.soft_limit_in_bytes memory.low)" 33554432
}

@test "cpu limits are set" {
	bundle_sh 'sleep 100' '.linux.resources.cpu = {"shares": 512, "quota": 20000, "period": 50000, "cpus": "0", "mems": "0"}'
	ct_create
	if is_v2; then
		equal "$(cg - - cpu.max)" "20000 50000"
		# the mapping of shares to a weight differs between versions of the peers
		[ "$(cg - - cpu.weight)" -lt 100 ]
	else
		equal "$(cg cpu cpu.shares -)" 512
		equal "$(cg cpu cpu.cfs_quota_us -)" 20000
		equal "$(cg cpu cpu.cfs_period_us -)" 50000
	fi
	equal "$(cg cpuset cpuset.cpus cpuset.cpus)" 0
}

@test "the limit of processes is set and holds" {
	bundle_sh 'for i in 1 2 3 4 5 6 7 8; do sleep 100 & done 2>&1' '.linux.resources.pids = {"limit": 5}'
	run ct_run
	matches "$output" "can't fork|Resource temporarily unavailable"
}

@test "a container at its limit of processes takes an exec" {
	bundle '.process.args = ["/bin/sleep", "1000"] | .linux.resources.pids = {"limit": 1}'
	ct_start
	run -2 rt exec "$ID" /bin/sh -c 'echo in; /bin/true; echo not here' </dev/null
	matches "$output" "^in"
	matches "$output" "can't fork|Resource temporarily unavailable"
	wait_until 10 eval '[ "$(cg pids pids.current pids.current)" = 1 ]'
}

@test "a program beyond its memory is killed" {
	bundle_sh 'dd if=/dev/zero of=/dev/null bs=100M count=1; echo $?' '.linux.resources.memory = {"limit": 16777216, "swap": 16777216} | .process.args = ["/bin/dd", "if=/dev/zero", "of=/dev/null", "bs=100M", "count=1"]'
	run -137 ct_run
}

@test "a block weight is set, or the kernel's lack of weights is named" {
	bundle_sh 'echo fine' '.linux.resources.blockIO = {"weight": 500}'
	run ct_run
	[ "$output" = fine ] || contains "$output" weight
}

@test "a limit of zero or minus one is no limit" {
	bundle_sh 'sleep 100' '.linux.resources.memory = {"limit": -1} | .linux.resources.pids = {"limit": 0}'
	ct_create
	is_v2 && equal "$(cg - - memory.max)" max
	matches "$(cg memory memory.limit_in_bytes memory.max)" '^(max|9223372036854771712)$'
}

@test "numbers beyond their type are refused" {
	not_for crun -- "takes them"
	refused '.linux.resources.memory = {"limit": "64m"}'
	refused '.process.user.uid = -1'
	refused '.process.user.uid = 4294967296'
	refused '.linux.resources.cpu = {"shares": -5}'
}

# --- hooks ------------------------------------------------------------------------------------------------------

# A filter that sets all six hooks, each adding its name to the file of $log.
all_hooks='.hooks = ({"prestart": 1, "createRuntime": 1, "createContainer": 1, "startContainer": 1, "poststart": 1, "poststop": 1}
	| with_entries(.key as $k | .value = [{"path": (if $k == "startContainer" then "/bin/sh" else "/bin/sh" end), "args": ["sh", "-c", "echo \($k) >>\($log)"]}]))
	| .mounts += [{"destination": $log, "source": $log, "options": ["bind"]}]'

@test "hooks of all six kinds run in their order" {
	local log=$BATS_TEST_TMPDIR/hooks.log
	: >"$log"
	bundle_sh 'sleep 100' "$all_hooks" --arg log "$log"
	ct_create
	not_for runc -- "runs poststart at create"
	equal "$(paste -sd' ' "$log")" "prestart createRuntime createContainer"
	rt start "$ID"
	wait_until 10 grep -q startContainer "$log"
	wait_until 10 grep -q poststart "$log"
	rt kill "$ID" KILL
	wait_until 10 status_is stopped
	! grep -q poststop "$log" || fail "poststop ran before delete"
	rt delete "$ID"
	equal "$(tail -n 1 "$log")" poststop
	equal "$(wc -l <"$log")" 6
}

@test "a hook that fails is told by its kind and its place" {
	not_for old-runc crun -- "tells the path alone"
	local kind
	for kind in prestart createRuntime createContainer startContainer poststart; do
		bundle_sh 'sleep 100' '.hooks[$kind] = [{"path": "/bin/true"}, {"path": "/bin/false"}]' --arg kind "$kind"
		run ! ct_run
		contains "$output" "error running $kind hook #1: "
	done
}

@test "a hook reads the state on its standard input" {
	not_for crun -- "says created"
	bundle_sh 'sleep 100' '.annotations = {"k": "v"} | .hooks.createRuntime = [{"path": "/bin/sh", "args": ["sh", "-c", "cat >\($dir)/seen"], "env": ["X=y"]}]' --arg dir "$BATS_TEST_TMPDIR"
	ct_create
	local s=$BATS_TEST_TMPDIR/seen
	equal "$(jq -r .id "$s")" "$ID"
	equal "$(jq -r .status "$s")" creating
	equal "$(jq -r .pid "$s")" "$(pid_of)"
	equal "$(jq -r .bundle "$s")" "$B"
	equal "$(jq -r .annotations.k "$s")" v
}

@test "a hook has the environment of the config alone" {
	bundle_sh 'sleep 100' '.hooks.createRuntime = [{"path": "/usr/bin/env", "args": ["env", "sh", "-c", "/usr/bin/env >\($dir)/env"], "env": ["X=y", "PATH=/bin:/usr/bin"]}]' --arg dir "$BATS_TEST_TMPDIR"
	ct_create
	equal "$(grep -vE '^(PWD|SHLVL|_|OLDPWD)=' "$BATS_TEST_TMPDIR/env" | sort | paste -sd' ')" "PATH=/bin:/usr/bin X=y"
}

@test "a hook that fails ends the create, and nothing is left" {
	not_for crun -- "ends with the status of the hook"
	refused '.hooks.createRuntime = [{"path": "/bin/false"}]'
	refused '.hooks.prestart = [{"path": "/no/such/hook"}]'
	contains "$output" /no/such/hook
	refused '.hooks.createContainer = [{"path": "/bin/sh", "args": ["sh", "-c", "echo reason of the hook >&2; exit 3"]}]'
	contains "$output" "reason of the hook"
}

@test "a hook that takes too long is ended" {
	local start=$SECONDS
	refused '.hooks.createRuntime = [{"path": "/bin/sleep", "args": ["sleep", "1000"], "timeout": 1}]'
	[ $((SECONDS - start)) -lt $((20 * TEST_SLOW)) ]
}

@test "createRuntime runs in the caller's namespaces, createContainer in the container's" {
	bundle_sh 'sleep 100' '.hooks.createRuntime = [{"path": "/bin/sh", "args": ["sh", "-c", "readlink /proc/self/ns/mnt >\($dir)/rt"]}]
		| .hooks.createContainer = [{"path": "/bin/sh", "args": ["sh", "-c", "readlink /proc/self/ns/mnt >\($dir)/ct"]}]' --arg dir "$BATS_TEST_TMPDIR"
	ct_create
	equal "$(cat "$BATS_TEST_TMPDIR/rt")" "$(readlink /proc/self/ns/mnt)"
	equal "$(cat "$BATS_TEST_TMPDIR/ct")" "$(readlink "/proc/$(pid_of)/ns/mnt")"
}

# As the hooks of the NVIDIA container toolkit do: the one joins the mount namespace of the process, the other is in it.
@test "hooks before the pivot find the container's mounts below the path of its root" {
	bundle_sh 'sleep 100' '.hooks.createRuntime = [{"path": "/bin/sh", "args": ["sh", "-c", "nsenter -m -t $(jq .pid) readlink \($root)/proc/1/ns/mnt >\($dir)/joined"], "env": [$path]}]
		| .hooks.createContainer = [{"path": "/bin/sh", "args": ["sh", "-c", "cat \($root)/etc/bound >\($dir)/seen; echo more >\($root)/tmp/hook"], "env": [$path]}]
		| .mounts += [{"destination": "/etc/bound", "source": "/proc/sys/kernel/ostype", "options": ["bind"]}, {"destination": "/tmp", "type": "tmpfs"}]' \
		--arg dir "$BATS_TEST_TMPDIR" --arg root "$B/rootfs" --arg path "PATH=$PATH"
	ct_create
	equal "$(cat "$BATS_TEST_TMPDIR/joined")" "$(readlink "/proc/$(pid_of)/ns/mnt")"
	equal "$(cat "$BATS_TEST_TMPDIR/seen")" Linux
	rt start "$ID"
	equal "$(rt exec "$ID" cat /tmp/hook)" more
}

@test "a container is stopped when start has told that its hook failed" {
	not_for runc crun -- "start does not tell"
	bundle_sh 'sleep 100' '.hooks.startContainer = [{"path": "/bin/false"}]'
	ct_create
	run -1 rt start "$ID"
	equal "$(status_of)" stopped
}

@test "poststop hooks are best effort" {
	not_for runc -- "ends with the first that fails"
	bundle_sh 'true' '.hooks.poststop = [{"path": "/bin/false"}, {"path": "/bin/sh", "args": ["sh", "-c", "touch \($dir)/second"]}]' --arg dir "$BATS_TEST_TMPDIR"
	ct_start
	wait_until 10 status_is stopped
	rt delete "$ID"
	[ -e "$BATS_TEST_TMPDIR/second" ]
}

@test "a poststop hook that fails is told without being asked for, and the operation succeeds" {
	not_for runc -- "has other words"
	bundle_sh 'true' '.hooks.poststop = [{"path": "/bin/sh", "args": ["sh", "-c", "exit 3"]}]'
	run -0 ct_run
	matches "$output" 'poststop hook failed with exit code:? 3'
	ct_start
	wait_until 10 status_is stopped
	run -0 rt delete "$ID"
	matches "$output" 'poststop hook failed with exit code:? 3'
}

# --- configs of other programs ----------------------------------------------------------------------------------

@test "the config of runc spec runs" {
	command -v runc >/dev/null
	mkdir -p "$B"
	cp -a "$BATS_FILE_TMPDIR/template/rootfs" "$B/rootfs"
	(cd "$B" && rm -f config.json && runc spec)
	jq --arg cg "/test/$ID" '.process.terminal = false | .process.args = ["/bin/echo", "hello"] | .linux.cgroupsPath = $cg' "$B/config.json" >"$B/c"
	mv "$B/c" "$B/config.json"
	run -0 ct_run
	contains "$output" hello
}

@test "the config of crun spec runs" {
	[ "$RUNTIME" != runc ] || skip "peer runc 1.1: refuses the working directory of crun 1.8's cgroup mount"
	mkdir -p "$B"
	cp -a "$BATS_FILE_TMPDIR/template/rootfs" "$B/rootfs"
	(cd "$B" && rm -f config.json && crun spec)
	jq --arg cg "/test/$ID" '.process.terminal = false | .process.args = ["/bin/echo", "hello"] | .linux.cgroupsPath = $cg' "$B/config.json" >"$B/c"
	mv "$B/c" "$B/config.json"
	run -0 ct_run
	contains "$output" hello
}
