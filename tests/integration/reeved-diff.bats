#!/usr/bin/env bats
# Layers that are made of snapshots, and checkpoints as content: by reeved and by a containerd of the same version, with the
# same result. CONTAINERD chooses the version (containerd.bash); criu is sid's.

load lib
load containerd
load reeved

# Two daemons would make the same cgroup for the same container: reeved's has a namespace of its own.
BESIDE=reeve-beside
RUNC=io.containerd.runc.v2 # the runtime of which ctr knows options

rctr() {
	CONTAINERD_NAMESPACE=$BESIDE within "${CTR_TIMEOUT:-60}" ctr --address "$RD/sock" "$@"
}

setup_file() {
	PATH="$("$TOP/tools/peers" criu-sid)/bin:$PATH"
	export PATH
	containerd_up "$BATS_FILE_TMPDIR/containerd"
	reeved_up "$BATS_FILE_TMPDIR/reeved"
	LOCAL=
	[ "$CONTAINERD" != 2.1 ] || LOCAL=--local
	PLATFORM=linux/amd64
	[ "$(uname -m)" != aarch64 ] || PLATFORM=linux/arm64
	export LOCAL PLATFORM
	"$TOP/tools/mkimage" --name "$IMAGE" --entrypoint '[]' --cmd '["sh"]' "$BATS_FILE_TMPDIR/image.tar" >/dev/null
	for CTR in ctr rctr; do
		# shellcheck disable=SC2086 # nothing, or an option
		"$CTR" images import $LOCAL --platform "$PLATFORM" "$BATS_FILE_TMPDIR/image.tar"
		# shellcheck disable=SC2086
		"$CTR" images import $LOCAL --snapshotter native --platform "$PLATFORM" "$BATS_FILE_TMPDIR/image.tar"
	done
}

teardown_file() {
	reeved_stop
	containerd_stop
}

teardown() {
	local ctr id
	for ctr in ctr rctr; do
		for id in $("$ctr" tasks ls -q); do
			# What a failed test has left may be paused, or over.
			"$ctr" tasks resume "$id" >/dev/null 2>&1 || true
			"$ctr" tasks rm --force "$id" >/dev/null 2>&1 || true
		done
		for id in $("$ctr" containers ls -q); do "$ctr" containers rm "$id"; done
		for id in $("$ctr" images ls -q); do
			[ "$id" = "$IMAGE" ] || "$ctr" images rm --sync "$id"
		done
	done
	mkdir -p "$BATS_TEST_TMPDIR"
}

# What is in a tar, without its times.
entries() {
	tar --numeric-owner --quoting-style=escape -tvf - | sed -E 's/ [0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{5} / /'
}

CHANGES='
echo new >/new; ln /new /hard; ln -s new /soft; ln -s /etc/passwd /out
mkdir -p /dir/below/it; echo x >/dir/below/it/x; mkdir /empty
rm /bin/ls; rm -r /etc; mkdir /etc; echo y >/etc/y
mkfifo /fifo; mknod /null c 1 3; mknod /blk b 7 0
chmod 4711 /bin/busybox; chown 5:6 /tmp; chmod 700 /bin
touch "/a b" "/ü" "/$(printf "\\\\001")"
n=$(printf "%0120d" 0); mkdir -p "/$n/$n"; echo long >"/$n/$n/$n"; ln -s "$n/$n/$n" "/long"
rm -r /var; echo file >/var
mkdir /opt; touch /opt/.wh.not; touch /opt/.wh..wh..opq
: >/big; i=0; while [ $i -lt 4 ]; do cat /bin/busybox >>/big; i=$((i + 1)); done
'

# changed [OPTION]... ID: a container in both that has changed all sorts of things.
changed() {
	local ctr
	for ctr in ctr rctr; do
		"$ctr" run "${@:1:$#-1}" --runtime "$SHIM_RUNTIME" "$IMAGE" "${*: -1}" sh -c "$CHANGES"
	done
}

# A file that is called like a whiteout is told by containerd as it is, and hides things; by us not at all.
same_layers() { # [OPTION]... -- DIFF-ARGUMENT...
	local by=()
	while [ "$1" != -- ]; do by+=("$1") && shift; done
	shift
	ctr snapshots "${by[@]}" diff "$@" >"$BATS_TEST_TMPDIR/theirs"
	rctr snapshots "${by[@]}" diff "$@" >"$BATS_TEST_TMPDIR/ours"
	unpacked "$BATS_TEST_TMPDIR/ours" | entries >"$BATS_TEST_TMPDIR/ours.list"
	equal "$(cat "$BATS_TEST_TMPDIR/ours.list")" "$(unpacked "$BATS_TEST_TMPDIR/theirs" | entries | grep -vE '/\.wh\.(not|\.wh\.\.opq)$')"
}

unpacked() {
	case $(head -c 2 "$1" | od -An -tx1) in
	' 1f 8b') gzip -dc "$1" ;;
	*) cat "$1" ;;
	esac
}

@test "the layer of a container is containerd's" {
	changed d1
	same_layers -- d1
	contains "$(cat "$BATS_TEST_TMPDIR/ours.list")" bin/.wh.ls
	contains "$(cat "$BATS_TEST_TMPDIR/ours.list")" "link to"
	run ! grep -q opq "$BATS_TEST_TMPDIR/ours.list"
	same_layers -- --media-type application/vnd.oci.image.layer.v1.tar d1
	both containers rm d1
}

@test "so it is where there is no overlay, and all of it is looked through" {
	changed --snapshotter native n1
	same_layers --snapshotter native -- n1
	contains "$(cat "$BATS_TEST_TMPDIR/ours.list")" bin/.wh.ls
}

@test "what was only touched, and is as it was, is in no layer" {
	local ctr
	for ctr in ctr rctr; do
		"$ctr" run --runtime "$SHIM_RUNTIME" "$IMAGE" u1 sh -c ': >>/etc/passwd; chmod 644 /etc/passwd; mv /bin/cat /bin/c && mv /bin/c /bin/cat'
	done
	same_layers -- u1
	run ! grep -q passwd "$BATS_TEST_TMPDIR/ours.list"
}

@test "the layer makes the second tree out of the first" {
	local top
	changed d2
	rctr snapshots diff d2 >"$BATS_TEST_TMPDIR/layer"
	rctr snapshots diff --keep --label a=b d2 >/dev/null
	contains "$(rctr content ls)" "a=b"
	mkdir "$BATS_TEST_TMPDIR/is" "$BATS_TEST_TMPDIR/base"
	eval "$(rctr snapshots mounts "$BATS_TEST_TMPDIR/is" d2)"
	top=$(rctr snapshots info d2 | jq -r .Parent)
	rctr snapshots view base "$top" >/dev/null
	eval "$(rctr snapshots mounts "$BATS_TEST_TMPDIR/base" base)"
	mkdir "$BATS_TEST_TMPDIR/made"
	cp -a "$BATS_TEST_TMPDIR/base/." "$BATS_TEST_TMPDIR/made"
	# As OCI has it: what a whiteout names goes, then all else comes. A layer without one is no failure of grep's.
	gzip -dc "$BATS_TEST_TMPDIR/layer" | tar -tf - | { grep -E '(^|/)\.wh\.' || true; } | while read -r gone; do
		rm -r "$BATS_TEST_TMPDIR/made/$(dirname "$gone")/$(basename "$gone" | sed 's/^\.wh\.//')"
	done
	rm -rf "$BATS_TEST_TMPDIR/made/var"
	gzip -dc "$BATS_TEST_TMPDIR/layer" | tar -C "$BATS_TEST_TMPDIR/made" --exclude='.wh.*' --numeric-owner -xpf -
	tree_of() { (cd "$BATS_TEST_TMPDIR/$1" && find . -mindepth 1 ! -name '.wh.*' -printf '%P %y %m %U:%G %s %l\n' | awk '$2 == "d" { $5 = "-" } 1' | LC_ALL=C sort); }
	equal "$(tree_of made)" "$(tree_of is)"
	cmp "$BATS_TEST_TMPDIR/made/big" "$BATS_TEST_TMPDIR/is/big"
	umount "$BATS_TEST_TMPDIR/is" "$BATS_TEST_TMPDIR/base"
	rctr snapshots rm base
}

@test "attributes are in the layer, those of overlayfs are not" {
	rctr containers create --runtime "$SHIM_RUNTIME" "$IMAGE" a1 true
	mkdir "$BATS_TEST_TMPDIR/m"
	eval "$(rctr snapshots mounts "$BATS_TEST_TMPDIR/m" a1)"
	rm -r "$BATS_TEST_TMPDIR/m/etc" && mkdir "$BATS_TEST_TMPDIR/m/etc"
	# Of the second file nothing changes but an attribute.
	python3 - "$BATS_TEST_TMPDIR/m" <<-PY
		import os, sys
		has = sys.argv[1] + "/has"
		open(has, "w").close()
		os.setxattr(has, "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
		for name in has, sys.argv[1] + "/bin/busybox":
		    os.setxattr(name, "trusted.word", b"said")
	PY
	umount "$BATS_TEST_TMPDIR/m"
	rctr snapshots diff --media-type application/vnd.oci.image.layer.v1.tar a1 >"$BATS_TEST_TMPDIR/layer"
	equal "$(grep -aoE '(SCHILY|LIBARCHIVE)\.xattr\.[a-z.]+' "$BATS_TEST_TMPDIR/layer" | sort | uniq -c | awk '{ print $2, $1 }')" \
		$'SCHILY.xattr.security.capability 1\nSCHILY.xattr.trusted.word 2'
	contains "$(tar -tf "$BATS_TEST_TMPDIR/layer")" bin/busybox
	contains "$(tar -tf "$BATS_TEST_TMPDIR/layer")" etc/.wh.passwd
}

@test "what cannot be compared is refused in the same words, and leaves nothing" {
	both containers create "$IMAGE" w1 true
	both snapshots diff none
	both snapshots diff --media-type text/plain w1
	run ! rctr snapshots diff --label "$(printf 'x%.0s' {1..5000})=y" w1
	contains "$output" "label key and value"
	equal "$(rctr content active)" "$(ctr content active)"
	both containers rm w1
}

# The descriptors of an image that is a checkpoint, by their types.
parts() { # CTR IMAGE
	local digest
	digest=$("$1" images ls | awk -v i="$2" '$1 == i { print $3 }')
	"$1" content get "$digest" | jq -r '.manifests[].mediaType' | sort
}

@test "a container is an image, with what it has written, and is made again from it" {
	local ctr
	changed c1
	for ctr in ctr rctr; do
		"$ctr" containers checkpoint --image --rw c1 localhost/saved:1
	done
	equal "$(parts rctr localhost/saved:1)" "$(parts ctr localhost/saved:1)"
	both containers rm c1
	# ctr wants a checkpoint of a task in it, whoever serves it.
	both containers restore --rw c2 localhost/saved:1
	both containers ls
	both images ls -q
}

# A container that counts in its own file system.
counting() { # CTR RUNTIME ID
	"$1" run --detach --runtime "$2" "$IMAGE" "$3" sh -c 'i=0; while :; do i=$((i + 1)); echo $i >/count; sleep 0.02; done' </dev/null >/dev/null 2>&1
}

counted() { # CTR ID AT-LEAST
	local n
	n=$(cat "/proc/$("$1" tasks ls | awk -v id="$2" '$1 == id { print $2 }')/root/count") && [ "${n:-0}" -ge "$3" ]
}

stop() { # CTR ID
	"$1" tasks rm --force "$2"
	"$1" containers rm "$2"
}

checkpoint_and_restore() { # CTR RUNTIME
	local before
	counting "$1" "$2" k1
	wait_until 20 counted "$1" k1 20
	"$1" containers checkpoint --image --rw --task k1 localhost/saved:2
	# It goes on.
	before=$(cat "/proc/$("$1" tasks ls | awk '$1 == "k1" { print $2 }')/root/count")
	wait_until 20 counted "$1" k1 $((before + 2))
	stop "$1" k1
	"$1" containers restore --rw --live k2 localhost/saved:2
	# Not from its beginning.
	wait_until 20 counted "$1" k2 20
	parts "$1" localhost/saved:2
	stop "$1" k2
	"$1" images rm --sync localhost/saved:2
}

@test "a task is content, with the descriptors of containerd, and goes on from it where it was" {
	local theirs
	theirs=$(checkpoint_and_restore ctr "$SHIM_RUNTIME")
	equal "$(checkpoint_and_restore rctr "$SHIM_RUNTIME")" "$theirs"
	contains "$theirs" application/vnd.containerd.container.criu.checkpoint.criu.tar
	# Behind a shim as well.
	equal "$(checkpoint_and_restore rctr "$(command -v containerd-shim-reeve-v2)")" "$theirs"
	equal "$(find "$RD/root/checkpoints" "$RD/root/io.containerd.runtime.v2.task" -mindepth 2)" ""
}

@test "tasks checkpoint: into a directory, into content, and so that the task ends" {
	local ctr
	for ctr in ctr rctr; do
		counting "$ctr" "$RUNC" k3
		wait_until 20 counted "$ctr" k3 2
		run -0 "$ctr" tasks checkpoint --image-path "$BATS_TEST_TMPDIR/$ctr" k3
		[ -e "$BATS_TEST_TMPDIR/$ctr/inventory.img" ]
		run -0 "$ctr" tasks checkpoint --exit k3
		matches "$output" '^containerd.io/checkpoint/k3:'
	done
	wait_until 20 eval '[ -z "$(rctr tasks ls | grep RUNNING)$(ctr tasks ls | grep RUNNING)" ]'
	both tasks checkpoint k3
	run ! rctr tasks checkpoint none
	matches "$output" 'container "none" in namespace "reeve-beside": not found'
	wait_until 10 eval '[ -z "$(ls "$RD/root/checkpoints")" ]'
}

@test "a checkpoint that fails leaves no content and no directory, and the task goes on" {
	local before ctr
	before=$(rctr content ls -q)
	for ctr in ctr rctr; do
		counting "$ctr" "$RUNC" f1
		wait_until 20 counted "$ctr" f1 2
		# criu cannot have this for its work.
		run ! "$ctr" tasks checkpoint --work-path /proc/none f1
	done
	equal "$(rctr tasks ls | awk '{ print $1, $3 }')" "$(ctr tasks ls | awk '{ print $1, $3 }')"
	equal "$(rctr content ls -q)" "$before"
	equal "$(rctr content active)" "$(ctr content active)"
	wait_until 10 eval '[ -z "$(ls "$RD/root/checkpoints")" ]'
}

@test "a checkpoint that is none is refused" {
	local ctr
	rctr containers create --runtime "$SHIM_RUNTIME" "$IMAGE" r1 true
	ask() {
		PYTHONPATH=$TOP/tests/integration python3 - "$RD/sock" "$BESIDE" "$@" <<-PY
		import sys
		from h2 import *
		path, ns, method, body = sys.argv[1:]
		a = Conn(path).ask("/containerd.services." + method, eval(body), ns=ns)
		print(a.status, a.text.decode())
		PY
	}
	none=sha256:$(printf '%064d' 0)
	criu=application/vnd.containerd.container.criu.checkpoint.criu.tar
	run -0 ask tasks.v1.Tasks/Create "field(1, 'r1') + field(8, field(1, 'text/plain') + field(2, '$none'))"
	contains "$output" 'unsupported checkpoint type "text/plain"'
	run -0 ask tasks.v1.Tasks/Create "field(1, 'r1') + field(8, field(1, '$criu') + field(2, '$none'))"
	contains "$output" "5 content digest $none: not found"
	run -0 ask tasks.v1.Tasks/Create "field(1, 'r1') + field(8, field(1, '$criu') + field(2, '../x'))"
	contains "$output" "3 "
	# An image's layer is none of criu's.
	layer=$(rctr content ls | awk '/uncompressed/ { print $1; exit }')
	run -0 ask tasks.v1.Tasks/Create "field(1, 'r1') + field(8, field(1, '$criu') + field(2, '$layer'))"
	equal "$output" "0 "
	# One that was never started is killed by nobody, and 1.6 would wait for its exit.
	run -0 rctr tasks rm --force r1
	run -0 ask tasks.v1.Tasks/Create "field(1, 'r1') + field(8, field(1, '$criu') + field(2, '$layer'))"
	run -0 ask tasks.v1.Tasks/Start "field(1, 'r1')"
	matches "$output" "restore"
	rctr tasks rm r1
	wait_until 10 eval '[ -z "$(ls "$RD/root/checkpoints")" ]'
}
