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
	# 2.x hands it over (reeved-transfer.bats); --local is what 1.6 does.
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

BY=() # --snapshotter NAME, where it is not the usual one

teardown() {
	local image mount
	while read -r mount; do umount "$mount"; done < <(awk -v d="$BATS_TEST_TMPDIR" 'index($5, d) == 1 { print $5 }' /proc/self/mountinfo)
	for image in $(rctr images ls -q); do rctr images rm --sync "$image"; done
	for image in $(ctr images ls -q); do ctr images rm --sync "$image"; done
}

import() { # NAME: into both, with the same result
	# shellcheck disable=SC2086 # nothing, or an option
	both images import $LOCAL "${BY[@]}" --platform linux/amd64 "$IMAGES/$1.tar"
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
	top=$("$1" snapshots "${BY[@]}" ls | awk 'NR > 1 && $NF == "Committed" { kind[$1] = 1; if (NF == 3) parent[$2] = 1 } END { for (k in kind) if (!(k in parent)) print k }')
	equal "$(wc -l <<<"$top")" 1 "images unpacked"
	"$1" snapshots "${BY[@]}" prepare "seen-$3" "$top" # not view: that one may be collected at any moment
	eval "$("$1" snapshots "${BY[@]}" mounts "$2" "seen-$3")"
}

unsee() { # CTR DIR NAME
	umount "$2"
	"$1" snapshots "${BY[@]}" rm "seen-$3"
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
	contains "$output" '"one" failed size validation: 5000000 != 4999999'
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

@test "native snapshots are prepared, committed and removed as containerd's" {
	local snapshot=(snapshots --snapshotter native)
	both "${snapshot[@]}" view s0
	both "${snapshot[@]}" mounts /mnt s0
	both "${snapshot[@]}" rm s0
	both "${snapshot[@]}" prepare s1
	both "${snapshot[@]}" mounts /mnt s1
	both "${snapshot[@]}" commit s2 s1
	both "${snapshot[@]}" prepare s3 s2
	both "${snapshot[@]}" prepare s3 s2
	both "${snapshot[@]}" prepare s4 nope
	both "${snapshot[@]}" prepare s4 s3
	both "${snapshot[@]}" view s5 s2
	both "${snapshot[@]}" rm s2
	both "${snapshot[@]}" info s3
	both "${snapshot[@]}" info nope
	both "${snapshot[@]}" ls
	both "${snapshot[@]}" tree
	both snapshots ls # those of another one
	both "${snapshot[@]}" mounts /mnt s3
	both "${snapshot[@]}" mounts /mnt s5
	both "${snapshot[@]}" mounts /mnt s2
	run -0 rctr "${snapshot[@]}" label s3 a=b # ctr prints several in any order
	contains "$output" a=b
	ctr "${snapshot[@]}" label s3 a=b
	both "${snapshot[@]}" info s3
	both "${snapshot[@]}" commit s7 s3
	both "${snapshot[@]}" usage
	both "${snapshot[@]}" rm s5
	# A name of its own for each snapshotter.
	both snapshots prepare s7
	both snapshots ls
	both snapshots rm s7
	both "${snapshot[@]}" ls
	both "${snapshot[@]}" rm s7
	both "${snapshot[@]}" rm s2
	both "${snapshot[@]}" ls
	[ -z "$(find "$RD"/root/io.containerd.snapshotter.v1.native/snapshots -mindepth 1)" ] || fail "directories stay"
	both plugins ls type==io.containerd.snapshotter.v1,id==native
}

@test "layers are unpacked over each other by copying, to the same files as by containerd" {
	local name
	BY=(--snapshotter native)
	for name in good opaque-last links; do
		import "$name"
		see ctr "$BATS_TEST_TMPDIR/theirs" "$name"
		see rctr "$BATS_TEST_TMPDIR/ours" "$name"
		diff <(tree_of "$BATS_TEST_TMPDIR/theirs") <(tree_of "$BATS_TEST_TMPDIR/ours")
		unsee ctr "$BATS_TEST_TMPDIR/theirs" "$name"
		unsee rctr "$BATS_TEST_TMPDIR/ours" "$name"
		both images rm --sync "localhost/$name:1"
	done
	both snapshots "${BY[@]}" ls
}

@test "a container on a copy changes nothing of its image" {
	local id=native-$$
	BY=(--snapshotter native)
	# shellcheck disable=SC2086 # nothing, or an option
	rctr images import $LOCAL "${BY[@]}" --platform linux/amd64 "$IMAGES/busybox.tar"
	run -0 rctr run "${BY[@]}" --rm --runtime "$SHIM_RUNTIME" localhost/busybox:1 "$id" /bin/sh -c 'echo changed >/etc/told && cat /etc/told && rm /etc/passwd'
	equal "$output" changed
	run -0 rctr run "${BY[@]}" --rm --runtime "$SHIM_RUNTIME" localhost/busybox:1 "$id" /bin/sh -c 'ls /etc'
	equal "$output" passwd
}

@test "a copy for which there is no room leaves nothing" {
	local dir=$RD/root/io.containerd.snapshotter.v1.native/snapshots at before
	BY=(--snapshotter native)
	rctr snapshots "${BY[@]}" prepare full
	at=$(rctr snapshots "${BY[@]}" mounts /mnt full | sed -E 's/.* (\/[^ ]+) \/mnt .*/\1/')
	rctr snapshots "${BY[@]}" commit full-base full
	# What cannot be copied: deeper than descriptors go.
	python3 - "$at" <<-'PY'
		import os, sys
		at = os.open(sys.argv[1], os.O_RDONLY)
		for _ in range(5000):
		    os.mkdir("d", dir_fd=at)
		    at, old = os.open("d", os.O_RDONLY, dir_fd=at), at
		    os.close(old)
	PY
	before=$(find "$dir" -mindepth 1 -maxdepth 1 | wc -l)
	run ! rctr snapshots "${BY[@]}" prepare full-copy full-base
	contains "$output" "directories in each other"
	settled() { equal "$(find "$dir" -mindepth 1 -maxdepth 1 | wc -l)" "$before"; }
	wait_until 20 settled
	run ! rctr snapshots "${BY[@]}" info full-copy
	# Taken apart from its top: rm goes as deep as its descriptors.
	python3 - "$at" <<-'PY'
		import os, sys
		os.chdir(sys.argv[1])
		while os.path.isdir("d/d"):
		    os.rename("d/d", "n")
		    os.rmdir("d")
		    os.rename("n", "d")
		os.rmdir("d")
	PY
	rctr snapshots "${BY[@]}" rm full-base
}

@test "kill -9 in the midst of a copy leaves what the next start takes away" {
	local dir=$RD/root/io.containerd.snapshotter.v1.native/snapshots at client
	BY=(--snapshotter native)
	rctr snapshots "${BY[@]}" prepare many
	at=$(rctr snapshots "${BY[@]}" mounts /mnt many | sed -E 's/.* (\/[^ ]+) \/mnt .*/\1/')
	seq 30000 | (cd "$at" && xargs touch)
	rctr snapshots "${BY[@]}" commit many-base many
	rctr snapshots "${BY[@]}" prepare many-copy many-base 3>&- &
	client=$!
	begun() { [ "$(find "$dir" -mindepth 1 -maxdepth 1 | wc -l)" -eq 2 ] || ! kill -0 "$client"; }
	wait_until 20 begun
	kill -KILL "$(cat "$RD/pid")"
	# Its daemon is gone; whether it had been answered is chance.
	wait "$client" || true
	wait_until 10 gone "$(cat "$RD/pid")"
	reeved_start
	only_one() { [ "$(find "$dir" -mindepth 1 -maxdepth 1 | wc -l)" -eq "$(rctr snapshots "${BY[@]}" ls | grep -vc ^KEY)" ]; }
	only_one || {
		# The helper was at work yet when the daemon cleaned up.
		kill "$(cat "$RD/pid")"
		wait_until 10 gone "$(cat "$RD/pid")"
		reeved_start
		wait_until 10 only_one
	}
	# There is one only if the copy was whole when the daemon died.
	rctr snapshots "${BY[@]}" rm many-copy || rctr snapshots "${BY[@]}" prepare many-copy many-base
	rctr snapshots "${BY[@]}" rm many-copy || true
	rctr snapshots "${BY[@]}" rm many-base
}

@test "what is there already is kept for who brings it once more, and nothing of that is left" {
	local i name
	# More than a megabyte is committed by another way.
	head -c 3000000 /dev/zero >"$BATS_TEST_TMPDIR/big"
	for i in 1 2 3 4 5 6; do
		for name in good good busybox; do
			# shellcheck disable=SC2086 # nothing, or an option
			rctr images import $LOCAL "$IMAGES/$name.tar"
		done
		rctr content ingest "big-$i" <"$BATS_TEST_TMPDIR/big"
		equal "$(rctr content active | grep -E "^(tar|big)-")" "" "what is being written"
	done
	rctr images rm --sync localhost/good:1 localhost/busybox:1
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
		reeved_kill
		wait "$client" || true
		reeved_start
	done
	# shellcheck disable=SC2086 # nothing, or an option
	rctr images import $LOCAL --platform linux/amd64 "$IMAGES/good.tar"
	see rctr "$BATS_TEST_TMPDIR/ours" good
	equal "$(cat "$BATS_TEST_TMPDIR/ours/dir/b")" bb
	unsee rctr "$BATS_TEST_TMPDIR/ours" good
}
