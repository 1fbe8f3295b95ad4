# SPDX-License-Identifier: Apache-2.0
"""What becomes of a shim whose worker is killed, seen by a client of our own: no containerd that cleans up meanwhile.

usage: shim_guardian.py CASE DIRECTORY TEMPLATE
"""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from shim_client import *  # noqa: F403


def workers(shim):
    return [p for p in children(shim.pid) if "shim" in read_file("/proc/%d/comm" % p)]


def kill_worker(shim):
    """The pid of the one that follows, when it serves."""
    old = workers(shim)[0]
    os.kill(old, signal.SIGKILL)
    wait_until(20, "another worker", lambda: [w for w in workers(shim) if w != old])
    wait_until(20, "that it serves", lambda: serves(shim))
    return workers(shim)[0]


def serves(shim):
    try:
        with shim.connect() as c:
            return first(c.ok("Connect", [(1, "first")]), 1) == shim.pid
    except (Closed, OSError):
        return False


def restarts_are_logged(directory, template):
    with Shim(directory, template).start() as shim:
        equal("restart" in shim.log(), False, "a restart in the log of the first worker")
        kill_worker(shim)
        wait_until(10, "the log", lambda: "restart 1: the worker before was killed by signal 9" in shim.log())
        os.kill(workers(shim)[0], signal.SIGSEGV)
        wait_until(10, "the log", lambda: "restart 2: the worker before was killed by signal 11" in shim.log())


def a_restarted_worker_serves(directory, template):
    with Shim(directory, template).start() as shim:
        kill_worker(shim)
        equal(len(workers(shim)), 1, "workers of the guardian")
        with shim.connect() as c:
            pid = shim.run(c, "second", ["/bin/sh", "-c", "exit 5"])
            equal(pid > 0, True, "a pid")
            equal(first(c.ok("Wait", [(1, "second")]), 1, 0), 5, "its status")
            c.ok("Delete", [(1, "second")])
            shim.shutdown(c, "second")


def many_restarts(directory, template):
    """Sooner than it may: at once, 0.1 s, 1 s later."""
    with Shim(directory, template).start() as shim:
        begin = time.monotonic()
        for _ in range(3):
            kill_worker(shim)
        equal(time.monotonic() - begin > 1.0, True, "time that it took")
        with shim.connect() as c:
            shim.run(c, "second", ["/bin/sleep", "1000"])
            equal(shim.remove(c, "second"), 137, "its status")
            shim.shutdown(c, "second")


if __name__ == "__main__":
    cases = [restarts_are_logged, a_restarted_worker_serves, many_restarts]
    sys.exit(main({f.__name__: f for f in cases}))
