#!/usr/bin/env python3
# Images with layers that no build makes, as OCI archives: reeved_images.py DIR writes one file for each row of IMAGES.
import gzip
import hashlib
import io
import json
import os
import sys
import tarfile

out = sys.argv[1]


def entry(name, kind=tarfile.REGTYPE, data=b"", mode=0o644, uid=0, gid=0, link="", major=0, minor=0, mtime=1000000000, pax=None):
    t = tarfile.TarInfo(name)
    t.type, t.size, t.mode, t.uid, t.gid, t.mtime = kind, len(data), mode, uid, gid, mtime
    t.linkname, t.devmajor, t.devminor = link, major, minor
    t.pax_headers = pax or {}
    return t, data


def layer(*entries):
    box = io.BytesIO()
    with tarfile.open(fileobj=box, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for t, data in entries:
            tar.addfile(t, io.BytesIO(data))
    return box.getvalue()


DIR, LINK, HARD, FIFO, CHAR = tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE
BASE = layer(
    entry("./", DIR, mode=0o755),
    entry("etc/", DIR, mode=0o755),
    entry("etc/passwd", data=b"root:x:0:0::/:/bin/sh\n"),
    entry("bin/tool", data=b"#!/bin/sh\n", mode=0o4755, uid=0, gid=50),
    entry("dir/", DIR, mode=0o1777, uid=7, gid=8, mtime=900000000),
    entry("dir/a", data=b"a" * 100000),
    entry("dir/b", data=b"b"),
    entry("dir/sub/", DIR, mode=0o700),
    entry("dir/sub/c", data=b"c"),
    entry("keep/x", data=b"x"),
    entry("link", LINK, link="dir/a"),
    entry("abs", LINK, link="/etc"),
    entry("hard", HARD, link="dir/b"),
    entry("fifo", FIFO, mode=0o600),
    entry("null", CHAR, mode=0o666, major=1, minor=3),
    entry("n\u00e4me/\u20ac" + "x" * 120, data=b"long"),
    entry("cap", data=b"cap", mode=0o755, pax={"SCHILY.xattr.user.k": "v"}),
    entry("owned/by/me", data=b"me", uid=100000, gid=100000),
)
CHANGE = layer(
    entry("dir/.wh.a"),
    entry("dir/b", data=b"bb", mode=0o600, uid=1),
    entry("keep/.wh..wh..opq"),
    entry("keep/new", data=b"new"),
    entry("link", data=b"no link any more"),
    entry(".wh.fifo"),
    entry("dir/sub/d", data=b"d"),
    entry("etc", DIR, mode=0o750),
)


def trick(*entries):
    return [layer(entry("etc/", DIR, mode=0o755), entry("etc/ok", data=b"ok")), layer(*entries)]


class Image:
    def __init__(self, layers, pack=gzip.compress, diff=None, kind="tar+gzip", spoil=None):
        self.layers, self.pack, self.diff, self.kind, self.spoil = layers, pack, diff, kind, spoil


def plain(data):
    return data


IMAGES = {
    "good": Image([BASE, CHANGE]),
    "plain": Image([BASE, CHANGE], plain, kind="tar"),
    "padded": Image([BASE + b"\0" * 20000]),
    # What hides all that is below may stand behind what the layer brings itself.
    "opaque-last": Image([BASE, layer(
        entry("dir/", DIR, mode=0o711, mtime=800000000),
        entry("dir/new", data=b"new"),
        entry("dir/sub/", DIR, mode=0o750), # containerd removes it when it has no entry of its own
        entry("dir/sub/mine", data=b"mine"),
        entry("dir/.wh..wh..opq"),
        entry("dir/late", data=b"late"),
        entry("keep/y", data=b"y"),
    )]),
    "links": Image([BASE, layer(
        entry("two", HARD, link="cap"),
        entry("hard", data=b"alone now"),
        entry("dir/three", HARD, link="two"),
    )]),
    "dotdot": Image(trick(entry("../../../../evil", data=b"x"), entry("a/../../../evil2", data=b"x"))),
    "absolute": Image(trick(entry("/evil", data=b"x"))),
    "through-link": Image(trick(entry("out", LINK, link="/tmp"), entry("out/evil", data=b"x"))),
    "through-parent-link": Image(trick(entry("out", LINK, link="../../../../../../tmp"), entry("out/evil", data=b"x"))),
    "link-loop": Image(trick(entry("a", LINK, link="b"), entry("b", LINK, link="a"), entry("a/x", data=b"x"))),
    "hard-outside": Image(trick(entry("evil", HARD, link="../../../../../../../../etc/passwd"))),
    "hard-through-link": Image(trick(entry("out", LINK, link="/"), entry("evil", HARD, link="out/etc/hostname"))),
    "whiteout-dotdot": Image(trick(entry("etc/.wh..."), entry("x", data=b"x"))),
    "forged-whiteout": Image(trick(entry("etc/ok", CHAR, major=0, minor=0))),
    "forged-opaque": Image(trick(entry("etc/", DIR, mode=0o755, pax={"SCHILY.xattr.trusted.overlay.opaque": "y"}))),
    "wrong-diff-id": Image([BASE], diff=["sha256:" + "0" * 64]),
    "no-tar": Image([b"this is no tar" * 1000]),
    "cut": Image([BASE], lambda data: gzip.compress(data)[:-200]),
    "no-gzip": Image([BASE], lambda data: b"\x1f\x8b\x08\0" + b"x" * 1000),
    "empty": Image([b""], plain, kind="tar"),
    "small": Image([layer(entry("small", data=b"small"))]),
}


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def write(name, image):
    blobs = {}

    def blob(data, kind):
        blobs[digest(data)] = data
        return {"mediaType": kind, "digest": digest(data), "size": len(data)}

    layers = [blob(image.pack(data), "application/vnd.oci.image.layer.v1." + image.kind) for data in image.layers]
    config = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/sh"]}, "rootfs": {"type": "layers",
              "diff_ids": image.diff or [digest(data) for data in image.layers]}}
    config = blob(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json")
    manifest = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config,
                           "layers": layers}).encode()
    index = blob(manifest, "application/vnd.oci.image.manifest.v1+json")
    index["annotations"] = {"io.containerd.image.name": "localhost/" + name + ":1", "org.opencontainers.image.ref.name": "1"}
    with tarfile.open(os.path.join(out, name + ".tar"), "w") as tar:
        def put(path, data):
            t, _ = entry(path, data=data)
            tar.addfile(t, io.BytesIO(data))

        put("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        put("index.json", json.dumps({"schemaVersion": 2, "manifests": [index]}).encode())
        for key, data in blobs.items():
            put("blobs/sha256/" + key[7:], data)


def busybox():
    with open("/bin/busybox", "rb") as f:
        return layer(entry("bin/", DIR, mode=0o755), entry("bin/busybox", data=f.read(), mode=0o755),
                     *(entry("bin/" + name, LINK, link="busybox") for name in ("sh", "ls", "cat", "rm", "echo")),
                     entry("etc/", DIR, mode=0o755), entry("etc/passwd", data=b"root:x:0:0::/:/bin/sh\n"),
                     *(entry(name, DIR, mode=0o755) for name in ("proc", "sys", "dev", "tmp", "run")))


IMAGES["busybox"] = Image([busybox()])
for name, image in IMAGES.items():
    write(name, image)
