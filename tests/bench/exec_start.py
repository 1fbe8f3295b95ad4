# SPDX-License-Identifier: Apache-2.0
"""The Start of an exec, from the write of its frame to the arrival of the answer, at the socket of each shim; and that of
a State, which costs a shim next to nothing: what this client, the socket and two switches of process take.

    exec_start.py DIRECTORY TEMPLATE ROUNDS IDLE-MS NAME=SHIM...
"""

import contextlib
import json
import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

import shim_client
from shim_client import *  # noqa: F403


def value(regime, peer, metric, seconds):
    fields = {"test": "exec-start", "regime": regime, "peer": peer, "metric": metric, "unit": "ms"}
    print(json.dumps(fields | {"value": round(seconds * 1e3, 4)}), flush=True)


def timed(c, method, fields):
    """One call whose answer is waited for by a blocking read, as short as Python can: seconds."""
    stream = c.next_stream()
    data = request(stream, method, encode(fields))
    begin = time.perf_counter()
    c.socket.sendall(data)
    c.box += c.socket.recv(1 << 16)
    took = time.perf_counter() - begin
    got = c.answer(stream)
    equal((got.code, got.text), (0, ""), "status of " + method)
    return took


def sample(shim, c, n):
    id_ = "e%d" % n
    c.ok("Exec", shim.exec_fields("first", id_, ["/bin/true"]))
    time.sleep(0.002)  # the guardian has noted it
    state = timed(c, "State", [(1, "first")])
    start = timed(c, "Start", [(1, "first"), (2, id_)])
    equal(first(c.ok("Wait", [(1, "first"), (2, id_)]), 1, 0), 0, "status")
    c.ok("Delete", [(1, "first"), (2, id_)])
    return start, state


def main():
    directory, template, rounds, idle = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]) / 1e3
    with contextlib.ExitStack() as stack:
        shims = []
        for name, path in (pair.split("=", 1) for pair in sys.argv[5:]):
            shim_client.SHIM = path
            shim = stack.enter_context(Shim(os.path.join(directory, name), template))
            shim.start("first", args=["/bin/sleep", "1000"], change=lambda c, name=name: c["linux"].update(cgroupsPath="/test/" + name))
            c = stack.enter_context(shim.connect())
            c.ok("Create", shim.create_fields("first", os.path.join(directory, name, "first")))
            c.ok("Start", [(1, "first")])
            c.socket.settimeout(30)
            shims.append((name, path, shim, c))
        n = 0
        for regime, gap in (("cold", idle), ("burst", 0)):
            for r in range(-2, rounds):
                for name, _, shim, c in random.sample(shims, len(shims)):
                    n += 1
                    time.sleep(gap)
                    start, state = sample(shim, c, n)
                    if r >= 0:
                        value(regime, name, "start", start)
                        value(regime, name, "state, for comparison", state)
        for _, path, shim, c in shims:
            shim_client.SHIM = path
            shim.remove(c, "first")
            shim.shutdown(c)
    return 0


if __name__ == "__main__":
    sys.exit(main())
