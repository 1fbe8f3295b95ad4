# SPDX-License-Identifier: Apache-2.0
"""Tasks of reeved behind a shim that does what it is told (tests/lib/fake_shim.py) and writes down what it was asked.

usage: reeved_shims.py CASE DIRECTORY BUNDLE
"""
import json
import os
import signal
import sys

from reeved_deaths import *  # noqa: E402,F403

FAKE = "io.containerd.fake.v2"
PLUGIN = "io.containerd.runtime.v2.task"
UNKNOWN_CODE, LATE, UNAVAILABLE = 2, 4, 14


class FakeDaemon(Daemon):
    """reeved with such a shim in its PATH."""

    def __init__(self, directory, bundle):
        super().__init__(directory, bundle)
        self.fake = os.path.join(directory, "fake")
        os.mkdir(self.fake)
        path = os.path.join(self.fake, "containerd-shim-fake-v2")
        with open(path, "w") as f:
            f.write('#!/bin/sh\nexec python3 -B %s/tests/lib/fake_shim.py "$@"\n' % TOP)
        os.chmod(path, 0o755)
        os.environ.update(PATH=self.fake + ":" + os.environ["PATH"], FAKE_DIR=self.fake)

    def plan(self, **plan):
        """From here on; what it was asked before is forgotten."""
        with open(os.path.join(self.fake, "plan.json"), "w") as f:
            json.dump(plan, f)
        open(os.path.join(self.fake, "trace"), "w").close()

    def trace(self):
        return [" ".join(w for w in line.split() if not w.startswith("stdin="))
                for line in read_file(os.path.join(self.fake, "trace")).splitlines()]

    def left(self, id_):
        """Where something of it is."""
        found = [os.path.join(self.dir, top, PLUGIN, NS, id_) for top in ("root", "state")]
        return [path for path in found if os.path.lexists(path)]

    def shims(self):
        return [p for p in os.listdir("/proc") if p.isdigit() and "fake_shim.py" in read_file("/proc/%s/cmdline" % p)]

    def fails(self, id_, code, *headers):
        """A create of it fails, and in the end there is nothing of it."""
        self.container(id_, ["true"], runtime=FAKE)
        got = self.ask("Create", encode([(1, id_)]), TASKS, *headers)
        equal(got and got[0], code, "Create of '%s'" % id_)
        wait_until(20, "`delete` of '%s'" % id_, lambda: any(s.startswith("delete ") for s in self.trace()))
        wait_until(20, "no bundle of '%s'" % id_, lambda: not self.left(id_))
        wait_until(20, "no shim of '%s'" % id_, lambda: not self.shims())
        equal(self.state(id_), UNKNOWN, "state of '%s'" % id_)
        return got[1]


def create_that_fails(directory, bundle):
    """MGR-13. `delete` runs once, when the connection has ended and before the bundle goes; no event is told."""
    with FakeDaemon(os.path.join(directory, "d"), bundle) as d:
        d.plan(Create=[2, "runc says no"], lingers=True)
        check("runc says no" in d.fails("refused", UNKNOWN_CODE), "the shim's words")
        equal(d.trace(), ["start refused", "Create refused", "Delete refused", "Shutdown refused", "closed", "delete refused bundle"],
              "what was done, refused")
        d.plan(Create="hang", lingers=True)
        d.fails("hangs", LATE, ("grpc-timeout", "500m"))
        steps = d.trace()
        equal((steps[:2], steps[-2:]), (["start hangs", "Create hangs"], ["closed", "delete hangs bundle"]), "what was done, hanging")
        equal(len([s for s in steps if s.startswith("delete ")]), 1, "how often `delete` ran, hanging")
        d.plan(Create="die")
        d.fails("dies", UNAVAILABLE)
        equal(d.trace(), ["start dies", "Create dies", "delete dies bundle"], "what was done, dying")
        for how in ("garbage", "nolisten", "exit1"):
            d.plan(start=how)
            d.fails(how, UNKNOWN_CODE)
            equal(d.trace(), ["start " + how, "delete %s bundle" % how], "what was done, " + how)
        # The name is free again. Events come in order: what was told of the others has come before those of this one's death.
        d.plan()
        d.good("Create", [(1, "refused")])
        d.good("Start", [(1, "refused")])
        for pid in d.shims():
            os.kill(int(pid), signal.SIGKILL)
        wait_until(20, "events of a death", lambda: ("delete", 7) in d.told("refused"))
        equal([(topic, read_event("/tasks/" + topic, e).id) for topic, e in d.events], [("exit", "refused"), ("delete", "refused")], "events")


if __name__ == "__main__":
    sys.exit(main({f.__name__: f for f in [create_that_fails]}))
