# SPDX-License-Identifier: Apache-2.0
"""1 GiB of standard output to a reader that discards it: rate, and the CPU time of the shim, one JSON object a shim and
round. Driven as containerd drives a shim, without containerd between.

    stdout.py DIRECTORY TEMPLATE [ROUNDS [MIB]]        SHIMS="reeve=PATH goshim=PATH" (default: ours and containerd's)
"""

import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

import shim_client
from shim_client import *  # noqa: F403


def shims():
    given = os.environ.get("SHIMS") or "reeve=%s goshim=/usr/bin/containerd-shim-runc-v2" % shim_client.SHIM
    return [pair.split("=", 1) for pair in given.split()]


def once(name, path, directory, template, mib, block):
    shim_client.SHIM = path
    fifo = directory + ".fifo"
    with Shim(directory, template).start("first", args=["/bin/dd", "if=/dev/zero", "bs=%d" % block, "count=%d" % ((mib << 20) // block)]) as shim:
        os.mkfifo(fifo, 0o700)
        os.mkfifo(fifo + "-err", 0o700)
        err = os.open(fifo + "-err", os.O_RDWR | os.O_NONBLOCK)
        reader = subprocess.Popen(["dd", "if=" + fifo, "of=/dev/null", "bs=1M"], stderr=subprocess.PIPE)
        with shim.connect() as c:
            c.ok("Create", shim.create_fields("first", os.path.join(directory, "first"), ("", fifo, fifo + "-err", 0)))
            before = shim.cpu_seconds()
            begin = time.monotonic()
            c.ok("Start", [(1, "first")])
            status = first(c.ok("Wait", [(1, "first")], seconds=300), 1, 0)
            equal(status, 0, "status")
            said = reader.communicate(timeout=60)[1].decode()
            seconds = time.monotonic() - begin
            cpu = shim.cpu_seconds() - before
            check("%d bytes" % (mib << 20) in said, "the reader got: " + said)
            c.ok("Delete", [(1, "first")])
            shim.shutdown(c)
    os.close(err)
    os.unlink(fifo)
    os.unlink(fifo + "-err")
    print(json.dumps({"shim": name, "block": block, "mib": mib, "mib_per_s": round(mib / seconds, 1), "cpu_s": round(cpu, 3)}), flush=True)


def main():
    directory, template = sys.argv[1:3]
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    mib = int(sys.argv[4]) if len(sys.argv) > 4 else 1024
    n = 0
    for _ in range(rounds):
        for block in (65536, 4096):
            for name, path in shims():
                n += 1
                once(name, path, "%s%d" % (directory, n), template, mib, block)
    return 0


if __name__ == "__main__":
    sys.exit(main())
