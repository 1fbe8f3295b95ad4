#!/usr/bin/env bats
# Images by reeved: content, snapshots, layers, and what is collected; beside a containerd of the same version.

load lib
load containerd
load reeved

setup_file() {
	containerd_up "$BATS_FILE_TMPDIR/containerd"
	reeved_up "$BATS_FILE_TMPDIR/reeved"
	export IMAGES=$BATS_FILE_TMPDIR/images
	mkdir "$IMAGES"
	python3 "$TOP/tests/integration/reeved_images.py" "$IMAGES"
	# 2.x asks a service for it that is not served; --local is what 1.6 does.
	LOCAL=
	[ "$CONTAINERD" != 2.1 ] || LOCAL=--local
	export LOCAL
	CFG=$BATS_FILE_TMPDIR/bundle
	"$TOP/tools/mkbundle" "$CFG"
	export CONFIG=$CFG/config.json
}

teardown_file() {
	reeved_stop
	containerd_stop
}

teardown() {
	local image mount
	while read -r mount; do umount "$mount"; done < <(awk -v d="$BATS_TEST_TMPDIR" 'index($5, d) == 1 { print $5 }' /proc/self/mountinfo)
	for image in $(rctr images ls -q); do rctr images rm --sync "$image"; done
	for image in $(ctr images ls -q); do ctr images rm --sync "$image"; done
}

import() { # NAME: into both, with the same result
	# shellcheck disable=SC2086 # nothing, or an option
	both images import $LOCAL --platform linux/amd64 "$IMAGES/$1.tar"
}

# collected NAME: in both the index of the archive is gone: no image names it, and each daemon collects at a moment of its own.
collected() {
	local index
	index=sha256:$(tar -xOf "$IMAGES/$1.tar" index.json | sha256sum | cut -d ' ' -f 1)
	wait_until 10 is_without ctr "$index"
	wait_until 10 is_without rctr "$index"
}

is_without() { # CTR DIGEST
	local all
	all=$("$1" content ls -q) && [[ "$all" != *"$2"* ]]
}

# see DAEMON-CTR DIR: mount what image "$3" looks like there.
see() { # CTR DIR NAME
	local top
	mkdir -p "$2"
	top=$("$1" snapshots ls | awk 'NR > 1 && $NF == "Committed" { kind[$1] = 1; if (NF == 3) parent[$2] = 1 } END { for (k in kind) if (!(k in parent)) print k }')
	equal "$(wc -l <<<"$top")" 1 "images unpacked"
	"$1" snapshots prepare "seen-$3" "$top" # not view: that one may be collected at any moment
	eval "$("$1" snapshots mounts "$2" "seen-$3")"
}

unsee() { # CTR DIR NAME
	umount "$2"
	"$1" snapshots rm "seen-$3"
}

tree_of() { # DIR: everything that a container could tell
	(
		cd "$1" || exit
		find . -type d -printf '%p %y %m %U:%G\n' | sort
		find . ! -type d -printf '%p %y %m %U:%G %n %l %Ts\n' | sort
		find . -type f -exec sha256sum {} + | sort -k 2
		find . \( -type c -o -type b \) -exec stat -c '%n %t:%T' {} + | sort
		getfattr -R -h -d -m - . 2>/dev/null | sort
	)
}

@test "an image is imported, listed and removed as by containerd" {
	import good
	both images ls
	collected good
	both content ls -q
	both snapshots ls
	both snapshots tree
	both images label localhost/good:1 a=b
	both images ls -q name==localhost/good:1
	both images ls -q labels.a==b
	both images ls -q labels.a==c
	both content ls -q "labels.\"containerd.io/uncompressed\""
	# shellcheck disable=SC2086 # nothing, or an option
	both images tag $LOCAL localhost/good:1 localhost/other:1
	# shellcheck disable=SC2086
	both images tag $LOCAL localhost/good:1 localhost/other:1
	both images rm --sync localhost/good:1
	both content ls -q
	both images rm --sync localhost/other:1
	both images ls
	both content ls -q
	both snapshots ls
	both images rm localhost/good:1
	[ -z "$(find "$RD"/root/*/blobs/sha256 -type f)" ] || fail "bytes stay: $(find "$RD/root" -type f)"
	[ -z "$(find "$RD"/root/*/snapshots -mindepth 1)" ] || fail "directories stay"
}

@test "layers are unpacked to the same files as by containerd" {
	local name
	for name in good plain padded; do
		import "$name"
		see ctr "$BATS_TEST_TMPDIR/theirs" "$name"
		see rctr "$BATS_TEST_TMPDIR/ours" "$name"
		diff <(tree_of "$BATS_TEST_TMPDIR/theirs") <(tree_of "$BATS_TEST_TMPDIR/ours")
		unsee ctr "$BATS_TEST_TMPDIR/theirs" "$name"
		unsee rctr "$BATS_TEST_TMPDIR/ours" "$name"
		both images rm --sync "localhost/$name:1"
	done
}

@test "layers with tricks get nowhere" {
	local name
	outside() { find /etc /tmp /run/test "$RD" -path "$RD/root/io.*" -prune -o -path "$RD/root/meta*" -prune -o -path "$BATS_TEST_TMPDIR*" -prune -o -path "$CD" -prune -o -name evil\* -print; }
	for name in dotdot absolute through-link through-parent-link link-loop hard-outside hard-through-link whiteout-dotdot forged-whiteout \
		forged-opaque; do
		# shellcheck disable=SC2086 # nothing, or an option
		rctr images import $LOCAL --platform linux/amd64 "$IMAGES/$name.tar" >"$BATS_TEST_TMPDIR/$name" 2>&1 || true
		equal "$(outside)" "" "$name: outside of the layer"
		! rctr snapshots ls | grep -q Active || fail "$name: half a snapshot stays"
		rctr images rm --sync "localhost/$name:1" || true
	done
	contains "$(cat "$BATS_TEST_TMPDIR/forged-whiteout")" "is the device 0:0"
	contains "$(cat "$BATS_TEST_TMPDIR/whiteout-dotdot")" "invalid whiteout name"
	contains "$(cat "$BATS_TEST_TMPDIR/hard-outside")" "'evil'"
	rctr version
}

@test "images that are broken are refused, and leave nothing" {
	local name
	for name in wrong-diff-id no-tar cut no-gzip; do
		# shellcheck disable=SC2086 # nothing, or an option
		run ! rctr images import $LOCAL --platform linux/amd64 "$IMAGES/$name.tar"
		! rctr snapshots ls | grep -vq ^KEY || fail "$name: a snapshot stays: $(rctr snapshots ls)"
		rctr images rm --sync "localhost/$name:1" || true
	done
	import empty
}

@test "content comes in by pieces, and only what is whole has a name" {
	local data=$BATS_TEST_TMPDIR/data digest
	head -c 5000000 /dev/urandom >"$data"
	digest=sha256:$(sha256sum <"$data" | cut -d' ' -f1)
	run ! rctr content ingest --expected-digest "$digest" --expected-size 4999999 one <"$data"
	run ! rctr content ingest --expected-digest "sha256:$(printf '0%.0s' {1..64})" two <"$data"
	contains "$output" "unexpected commit digest $digest, expected sha256:0"
	rctr content ingest --expected-digest "$digest" --expected-size 5000000 three <"$data"
	rctr content get "$digest" | cmp - "$data"
	both content get "sha256:$(printf '0%.0s' {1..64})"
	rctr content active
	rctr content label "$digest" a=b
	run -0 rctr content ls
	contains "$output" "a=b"
	rctr content rm "$digest"
	wait_until 5 eval "! test -e $RD/root/io.containerd.content.v1.content/blobs/sha256/${digest#*:}"
}

@test "a write that nobody has gone on with for a day is forgotten" {
	local dir=$RD/root/io.containerd.content.v1.content/ingest ref file
	# Two that end before they are whole.
	for ref in old new; do run ! rctr content ingest --expected-size 4999999 "$ref" < <(head -c 100000 /dev/zero); done
	run -0 rctr content active
	contains "$output" old
	contains "$output" new
	file=$dir/$(printf '%s\0%s' "$CONTAINERD_NAMESPACE" old | sha256sum | cut -d' ' -f1)
	touch -c -d '25 hours ago' "$file"
	rctr leases create --id look
	rctr leases delete --sync look
	forgotten() { run -0 rctr content active && [[ $output != *old* ]]; }
	wait_until 10 forgotten
	contains "$(rctr content active)" new
	[ ! -e "$file" ] || fail "its bytes stay"
}

@test "snapshots are prepared, committed and removed as containerd's" {
	local snapshot=(snapshots prepare)
	both "${snapshot[@]}" s1
	both "${snapshot[@]}" s1
	both snapshots commit s2 s1
	both "${snapshot[@]}" s3 s2
	both "${snapshot[@]}" s4 nope
	both "${snapshot[@]}" s4 s3
	both snapshots view s5 s2
	both snapshots rm s2
	both snapshots info s3
	both snapshots info nope
	both snapshots ls
	both snapshots tree
	both snapshots mounts /mnt s3
	both snapshots mounts /mnt s5
	both snapshots mounts /mnt s2
	run -0 rctr snapshots label s3 a=b # ctr prints several in any order
	contains "$output" a=b
	ctr snapshots label s3 a=b
	both snapshots info s3
	both snapshots commit s2 s3
	both snapshots rm s5
	both snapshots rm s3
	both snapshots rm s2
	both snapshots ls
	both snapshots --snapshotter nonsense ls
}

@test "what a container stands on is not collected" {
	import good
	both containers create localhost/good:1 c1
	both images rm --sync localhost/good:1
	both snapshots ls
	both content ls -q
	both containers rm c1
	wait_until 5 eval '! rctr snapshots ls | grep -q Committed'
	wait_until 5 eval '! ctr snapshots ls | grep -q Committed'
}

@test "kill -9 in the midst of an import leaves what a second one puts right" {
	local i
	for i in 1 2 3 4 5; do
		# shellcheck disable=SC2086 # nothing, or an option
		rctr images import $LOCAL --platform linux/amd64 "$IMAGES/good.tar" >/dev/null 2>&1 3>&- &
		local client=$!
		# Each time a little later: at some moment of the import.
		wait_until 5 eval "[ \$(find '$RD/root' | wc -l) -gt $((10 + 4 * i)) ] || ! kill -0 $client"
		kill -KILL "$(cat "$RD/pid")"
		wait "$client" || true
		wait_until 10 gone "$(cat "$RD/pid")"
		reeved_start
	done
	# shellcheck disable=SC2086 # nothing, or an option
	rctr images import $LOCAL --platform linux/amd64 "$IMAGES/good.tar"
	see rctr "$BATS_TEST_TMPDIR/ours" good
	equal "$(cat "$BATS_TEST_TMPDIR/ours/dir/b")" bb
	unsee rctr "$BATS_TEST_TMPDIR/ours" good
}
