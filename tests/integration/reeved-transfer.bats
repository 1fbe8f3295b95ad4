#!/usr/bin/env bats
# Images through the Transfer service of reeved, which clients of 2.x use without being told: in, out, and under another name.
# Beside a containerd 2.1.

export CONTAINERD=2.1
load lib
load containerd
load reeved

setup_file() {
	containerd_up "$BATS_FILE_TMPDIR/containerd"
	reeved_up "$BATS_FILE_TMPDIR/reeved"
	export IMAGES=$BATS_FILE_TMPDIR/images
	mkdir "$IMAGES"
	python3 "$TOP/tests/integration/reeved_images.py" "$IMAGES"
}

teardown_file() {
	reeved_stop
	containerd_stop
}

teardown() {
	local image
	[ -z "$(crashes)" ] || fail "reeved has crashed: $(crashes)$(tail -n 30 "$RD/log")"
	for image in $(rctr images ls -q); do rctr images rm --sync "$image"; done
	for image in $(ctr images ls -q); do ctr images rm --sync "$image"; done
	wait_until 20 eval "[ -z \"\$(find '$RD'/root/*/blobs/sha256 -type f)\" ]"
	[ -z "$(find "$RD"/root/*/ingest -mindepth 1)" ] || fail "half an archive stays: $(find "$RD"/root/*/ingest)"
}

crashes() {
	cat "$RD/state/crash" 2>/dev/null || true
	[ ! -s "$RD/state/restarts" ] || jq -r '.crash // empty' "$RD/state/restarts"
}

import() { # NAME [OPTION]...: into both
	local name=$1
	shift
	ctr images import --platform linux/amd64 "$@" "$IMAGES/$name.tar"
	rctr images import --platform linux/amd64 "$@" "$IMAGES/$name.tar"
}

# exported CTR FILE IMAGE...: ctr may end before it has written what it got, against containerd too: until the end is there.
exported() {
	local ctr=$1 file=$2
	shift 2
	whole() { "$ctr" images export --platform linux/amd64 "$file" "$@" && tar -tf "$file" >/dev/null && cmp -s <(tail -c 1024 "$file") <(head -c 1024 /dev/zero); }
	wait_until 20 whole "$@"
}

# content_of CTR: what is there and what keeps it, but for what came of the client's own.
content_of() {
	"$1" content ls | awk 'NR > 1 { n = split($NF, l, ","); for (i = 1; i <= n; i++) print $1, $2, l[i] }' | sort
}

@test "an archive is imported and unpacked as by containerd" {
	import good
	both images ls
	both snapshots ls
	# Files of several names are counted once.
	equal "$(rctr snapshots usage | awk '{ print $1, $NF }' | sort)" "$(ctr snapshots usage | awk '{ print $1, $NF }' | sort)" usage
	# The archive's index is nobody's any more; when it goes is each daemon's own affair, unless it is told to.
	both images tag localhost/good:1 localhost/other:1
	both images rm --sync localhost/other:1
	equal "$(content_of rctr)" "$(content_of ctr)" content
	both leases ls
	both images rm --sync localhost/good:1
	wait_until 10 eval '[ -z "$(rctr snapshots ls | tail -n +2)" ]'
}

@test "what is imported runs" {
	rctr images import "$IMAGES/busybox.tar"
	run -0 rctr run --rm --runtime "$SHIM_RUNTIME" localhost/busybox:1 "transfer-$$" /bin/sh -c 'echo it runs'
	equal "$output" "it runs"
}

@test "names are given as by containerd" {
	import good --base-name foo/bar
	both images ls -q
	import good --base-name foo/bar --digests
	both images ls -q
	import good --base-name localhost/good
	both images ls -q
	import good --index-name localhost/all:1
	both images ls -q
	import good --digests --no-unpack
	both images ls -q
	both images tag localhost/good:1 localhost/other:2
	both images tag localhost/good:1 localhost/other:2
	both images tag localhost/nope:1 localhost/other:3
	both images ls -q
}

@test "an import into native snapshots" {
	rctr images import --snapshotter native "$IMAGES/good.tar"
	equal "$(rctr snapshots --snapshotter native ls | grep -c Committed)" 2 "snapshots"
	equal "$(rctr snapshots ls | grep -c Committed)" 0 "snapshots of the other kind"
}

@test "an import again, and of what has layers in common, goes on with what is there" {
	rctr images import "$IMAGES/good.tar"
	rctr images import "$IMAGES/good.tar"
	rctr images import "$IMAGES/opaque-last.tar"
	equal "$(rctr snapshots ls | grep -c Committed)" 3 "snapshots"
}

@test "what goes out is the same as from containerd, and comes in again" {
	import good
	rctr images tag localhost/good:1 localhost/other:1
	ctr images tag localhost/good:1 localhost/other:1
	local t=$BATS_TEST_TMPDIR name
	for name in ctr rctr; do
		exported "$name" "$t/$name.tar" localhost/good:1 localhost/other:1
		tar -tvf "$t/$name.tar" >"$t/$name.list"
	done
	diff "$t/ctr.list" "$t/rctr.list"
	for name in index.json manifest.json oci-layout; do
		diff <(tar -xOf "$t/ctr.tar" "$name") <(tar -xOf "$t/rctr.tar" "$name")
	done
	rctr images rm --sync localhost/good:1 localhost/other:1
	rctr images import "$t/rctr.tar"
	both images ls -q
	ctr images rm --sync localhost/good:1 localhost/other:1
	ctr images import "$t/rctr.tar"
	both images ls -q
	both images export "$t/none.tar" localhost/nope:1
}

@test "a big archive goes in and out" {
	local t=$BATS_TEST_TMPDIR
	python3 - "$TOP/tests/integration/reeved_images.py" "$t" <<-'PY'
		import random, runpy, sys
		sys.argv = sys.argv[1:]
		m = runpy.run_path(sys.argv[0])
		data = random.Random(1).randbytes(30 << 20)
		m["write"]("big", m["Image"]([m["layer"](m["entry"]("big", data=data))], m["plain"], kind="tar"))
	PY
	rctr images import "$t/big.tar"
	exported rctr "$t/out.tar" localhost/big:1
	rctr images rm --sync localhost/big:1
	rctr images import "$t/out.tar"
	exported rctr "$t/again.tar" localhost/big:1
	cmp "$t/out.tar" "$t/again.tar"
}

@test "archives that are broken are refused and leave nothing" {
	local t=$BATS_TEST_TMPDIR name
	head -c 5000 "$IMAGES/good.tar" >"$t/half.tar"
	echo garbage >"$t/garbage.tar"
	: >"$t/empty.tar"
	tar -C "$t" -cf "$t/other.tar" garbage.tar
	for name in half garbage empty other; do
		run ! rctr images import "$t/$name.tar"
	done
	both images import "$t/empty.tar"
	both images import "$t/other.tar"
	for name in wrong-diff-id no-tar cut no-gzip; do
		run ! rctr images import "$IMAGES/$name.tar"
		! rctr snapshots ls | grep -q Active || fail "$name: half a snapshot stays"
	done
	equal "$(rctr images ls -q)" "" images
	equal "$(rctr leases ls -q)" "" leases
}

@test "layers with tricks get nowhere this way either" {
	local name
	for name in dotdot absolute through-link hard-outside forged-whiteout; do
		rctr images import "$IMAGES/$name.tar" >"$BATS_TEST_TMPDIR/$name" 2>&1 || true
		equal "$(find /etc /tmp "$RD" -path "$RD/root/io.*" -prune -o -path "$RD/root/meta*" -prune -o -name evil\* -print)" "" "$name: outside of the layer"
	done
	contains "$(cat "$BATS_TEST_TMPDIR/forged-whiteout")" "is the device 0:0"
}

@test "what needs a registry is refused" {
	run ! rctr images pull localhost/good:1
	contains "$output" "method Transfer not implemented for containerd.types.transfer.OCIRegistry to containerd.types.transfer.ImageStore"
}

@test "clients that are killed at any moment leave nothing" {
	local i pid
	rctr images import "$IMAGES/small.tar"
	for i in $(seq "${CLIENT_KILLS:-20}"); do
		if ((i % 3)); then
			ctr --address "$RD/sock" images import "$IMAGES/good.tar" >/dev/null 2>&1 3>&- &
		else
			ctr --address "$RD/sock" images export - localhost/small:1 >/dev/null 2>&1 3>&- &
		fi
		pid=$!
		# Any moment of its life is as good as another one.
		python3 -c 'import random, time; time.sleep(random.random() * 0.15)'
		kill -KILL "$pid" 2>/dev/null || true
		wait "$pid" || true
	done
	wait_until 10 no_half
	wait_until 10 eval '[ -z "$(rctr leases ls -q | grep transfer)" ]'
	# What the clients had for themselves.
	rctr leases ls -q | xargs -r -n 1 ctr --address "$RD/sock" leases delete
}

# half_import: one that has begun and waits for more of its archive. What its client waits for is HOLD's end.
half_import() {
	local fifo=$BATS_TEST_TMPDIR/fifo
	mkfifo "$fifo"
	ctr --address "$RD/sock" images import "$fifo" >/dev/null 2>&1 3>&- &
	CLIENT=$!
	exec {HOLD}>"$fifo"
	head -c 5000 "$IMAGES/good.tar" >&"$HOLD"
	wait_until 10 eval "[ -n \"\$(find '$RD'/root/*/ingest -mindepth 2)\" ]"
}

# no_half: nothing of an archive that did not come to its end.
no_half() { [ -z "$(find "$RD"/root/*/ingest -mindepth 1)" ]; }

@test "a client that goes away in the midst of its archive leaves nothing" {
	half_import
	kill -KILL "$CLIENT"
	wait "$CLIENT" || true
	exec {HOLD}>&-
	wait_until 10 no_half
	wait_until 10 eval '[ -z "$(rctr leases ls -q)" ]'
}

@test "kill -9 in the midst of an archive leaves what the next worker takes away" {
	local how worker
	for how in worker all; do
		half_import
		worker=$(reeved_part worker)
		if [ "$how" = worker ]; then kill -KILL "$worker"; else reeved_kill; fi
		exec {HOLD}>&-
		wait "$CLIENT" && fail "the import was told as done"
		if [ "$how" = worker ]; then wait_until 10 eval "rctr version && [ \"\$(reeved_part worker)\" != $worker ]"; else reeved_start; fi
		wait_until 10 no_half
		rctr leases ls -q | xargs -r -n 1 ctr --address "$RD/sock" leases delete
		rctr images import "$IMAGES/good.tar"
		rctr images rm --sync localhost/good:1
		rm "$BATS_TEST_TMPDIR/fifo"
	done
}

@test "a stop in the midst of an archive ends the import" {
	half_import
	reeved_stop
	reeved_start
	exec {HOLD}>&-
	wait "$CLIENT" && fail "the import was told as done"
	wait_until 10 no_half
	# Its client's own lease may be there, if it could not say that it is over.
	equal "$(rctr leases ls -q | grep transfer)" "" leases
	rctr leases ls -q | xargs -r -n 1 ctr --address "$RD/sock" leases delete
}

@test "imports of the same at once do not disturb each other" {
	local i round pids
	for round in 1 2 3 4 5; do
		pids=()
		for i in 0 1 2 3; do
			ctr --address "$RD/sock" images import "$IMAGES/good.tar" >"$BATS_TEST_TMPDIR/$i" 2>&1 3>&- &
			pids+=($!)
		done
		for i in 0 1 2 3; do wait "${pids[$i]}" || fail "round $round: $(cat "$BATS_TEST_TMPDIR/$i")"; done
		equal "$(rctr images ls -q)" localhost/good:1 images
		wait_until 10 eval '[ "$(rctr snapshots ls | grep -c sha256)" = 2 ]'
		rctr images rm --sync localhost/good:1
		wait_until 10 eval '[ "$(rctr snapshots ls | grep -c sha256)" = 0 ]'
	done
}

@test "an archive of very many files costs no more than they do" {
	python3 - "$IMAGES/good.tar" "$BATS_TEST_TMPDIR/many.tar" <<-'PY'
		import io, sys, tarfile
		with tarfile.open(sys.argv[1]) as old, tarfile.open(sys.argv[2], "w") as new:
		    for t in old:
		        new.addfile(t, old.extractfile(t) if t.isreg() else None)
		    for i in range(4000):
		        t = tarfile.TarInfo("more/%d" % i)
		        t.size = 10
		        new.addfile(t, io.BytesIO(b"%10d" % i))
	PY
	rctr images import "$BATS_TEST_TMPDIR/many.tar"
	[ "$(awk '/^VmHWM/ { print $2 }' "/proc/$(reeved_serving)/status")" -lt 200000 ]
}

@test "documents without end are refused" {
	python3 - "$BATS_TEST_TMPDIR/docs.tar" <<-'PY'
		import hashlib, io, json, sys, tarfile
		def name(data):
		    return "sha256:" + hashlib.sha256(data).hexdigest()
		config = json.dumps({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": []}, "x": "x" * 100000}).encode()
		manifest = json.dumps({"schemaVersion": 2, "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": name(config), "size": len(config)}, "layers": []}).encode()
		index = json.dumps({"schemaVersion": 2, "manifests": 1000 * [{"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": name(manifest), "size": len(manifest)}]}).encode()
		with tarfile.open(sys.argv[1], "w") as out:
		    for path, data in ("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'), ("index.json", index), *(("blobs/sha256/" + name(d)[7:], d) for d in (config, manifest)):
		        t = tarfile.TarInfo(path)
		        t.size = len(data)
		        out.addfile(t, io.BytesIO(data))
	PY
	run ! rctr images import "$BATS_TEST_TMPDIR/docs.tar"
	contains "$output" "the documents of the archive have more than 8388608 bytes"
}

streams() { # TEST...
	within 170 python3 "$TOP/tests/integration/reeved_streams.py" "$RD/sock" "$(reeved_serving)" "$IMAGES/small.tar" "$@"
}

@test "an archive may come at once, or byte by byte" {
	streams whole small_frames
}

@test "streams end before their transfer, in it, and with their connection" {
	streams early_end early_reset resets
}

@test "a name of a stream is given once, and taken once" {
	streams same_name
}

@test "what is no archive on a stream is refused" {
	streams garbage
}

@test "an archive goes out byte by byte, or not to its end" {
	streams exports
}

@test "what is sent to be sent back comes back, as clients try their streams" {
	streams echoes echo_resets
}
