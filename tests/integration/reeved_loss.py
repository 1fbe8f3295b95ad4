# SPDX-License-Identifier: Apache-2.0
"""The state directory of reeved is removed: while it runs, while it is down and its guardian holds the tasks, and when all of
reeved has been killed.

usage: reeved_loss.py CASE DIRECTORY BUNDLE
"""
import os
import shutil
import signal
import sys

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__))]
from reeved_deaths import *  # noqa: E402,F403

SCRIPT = "trap 'exit %d' USR1; while :; do sleep 0.01; done"


def traps(pid):
    return int(re.search(r"SigCgt:\s*(\w+)", read_file("/proc/%d/status" % pid))[1], 16) >> 9 & 1


def begin(d, id_, code):
    pid = d.begin(id_, ["sh", "-c", SCRIPT % code])
    wait_until(10, "its trap", lambda: traps(pid))
    return pid


def lose(d):
    shutil.rmtree(os.path.join(d.dir, "state"))


def serves(d):
    wait_until(20, "an answer of reeved", lambda: d.ask("Version", b"", h2.VERSION[:-len("Version")]))


def goes_on(d, id_, pid, code):
    """It is known, runs, ends as it ends, and is told of."""
    equal((d.state(id_), first(d.process(id_), 3)), (RUNNING, pid), "the task '%s'" % id_)
    os.kill(pid, signal.SIGUSR1)
    equal(d.wait(id_), code, "what Wait tells of '%s'" % id_)
    equal(d.state(id_), STOPPED, "'%s' at its end" % id_)
    equal(d.end(id_), code, "status of '%s'" % id_)
    wait_until(10, "its last event", lambda: "delete" in [t for t, _ in d.told(id_)])
    equal([s for t, s in d.told(id_) if t in ("exit", "delete")][-2:], [code, code], "what events tell of '%s'" % id_)


def is_clean(d, ids):
    def cgroups(id_):
        return subprocess.run(["find", "/sys/fs/cgroup", "-type", "d", "-name", id_], stdout=subprocess.PIPE).stdout

    for id_ in ids:
        wait_until(10, "cgroups of '%s' are gone" % id_, lambda: cgroups(id_) == b"")
    equal(d.state("new"), UNKNOWN, "one that never was")
    pid = begin(d, "new", 5)
    goes_on(d, "new", pid, 5)


def while_it_runs(directory, bundle):
    """Twice: also what is made again is made again."""
    with Daemon(os.path.join(directory, "d"), bundle) as d:
        for round_ in ("1", "2"):
            pids = {id_: begin(d, id_ + round_, code) for id_, code in (("a", 3), ("b", 4), ("killed", 0), ("paused", 0))}
            d.good("Pause", [(1, "paused" + round_)])
            old, guardian = d.worker(), d.parts("reeve-guardian")
            lose(d)
            d.worker(old)
            serves(d)
            equal(d.parts("reeve-guardian"), guardian, "the guardian")
            goes_on(d, "a" + round_, pids["a"], 3)
            # It ends when there is no worker.
            worker = d.worker()
            os.kill(worker, signal.SIGSTOP)
            os.kill(pids["b"], signal.SIGUSR1)
            wait_until(10, "its end", lambda: not alive(pids["b"]))
            os.kill(worker, signal.SIGKILL)
            equal(d.wait("b" + round_), 4, "status of 'b'")
            equal(d.end("b" + round_), 4, "status of 'b', deleted")
            for id_ in ("killed", "paused"):
                d.good("Kill", [(1, id_ + round_), (3, signal.SIGKILL)])
                equal(d.wait(id_ + round_), 137, "status of '%s'" % id_)
                equal(d.end(id_ + round_), 137, "status of '%s', deleted" % id_)
        is_clean(d, [id_ + round_ for id_ in pids for round_ in ("1", "2")])


def while_it_is_down(directory, bundle):
    d = Daemon(os.path.join(directory, "d"), bundle).start()
    lives, ends = begin(d, "lives", 3), begin(d, "ends", 4)
    guardian = d.parts("reeve-guardian")
    d.front.terminate()
    equal(d.front.wait(20 * SLOW), 0, "how reeved ended")
    lose(d)
    os.kill(ends, signal.SIGUSR1)
    wait_until(10, "its end", lambda: not alive(ends))
    with d:
        equal(d.parts("reeve-guardian"), guardian, "the guardian")
        equal("state directory '%s/state' was lost" % d.dir in d.log(), True, "that it is said")
        equal(d.end("ends"), 4, "status of the one that ended meanwhile")
        goes_on(d, "lives", lives, 3)
        is_clean(d, ["lives", "ends"])


def all_killed(directory, bundle):
    """What lives is not known to anybody any more: it is ended, its id can be used again, and nothing of it is left."""
    d = Daemon(os.path.join(directory, "d"), bundle).start()
    living = {id_: begin(d, id_, 3) for id_ in ("lives", "paused", "ends")}
    d.good("Pause", [(1, "paused")])
    d.kill_all()
    lose(d)
    ended = living.pop("ends")
    os.kill(ended, signal.SIGKILL)
    wait_until(10, "its end", lambda: not alive(ended))
    equal([alive(pid) for pid in living.values()], [True, True], "the tasks after their daemon's death")
    with d:
        for id_, pid in living.items():
            wait_until(20, "the end of '%s', which nobody knows" % id_, lambda: not alive(pid))
            equal(d.state(id_), UNKNOWN, "state of '%s'" % id_)
            equal(id_ in d.log(), True, "that '%s' is named" % id_)
        is_clean(d, list(living) + ["ends"])
        d.good("Create", [(1, "lives")])
        d.good("Start", [(1, "lives")])
        d.call("Kill", [(1, "lives"), (3, signal.SIGKILL)])
        equal(d.wait("lives"), 137, "its second life")
        d.end("lives")


def created_when_the_guardian_dies(directory, bundle):
    """Its program has never run: that is no success."""
    d = Daemon(os.path.join(directory, "d"), bundle, True).start()
    d.container("c", ["sh", "-c", "exit 0"])
    d.good("Create", [(1, "c")])
    status = 137 if "exit recorder: on" in d.log() else 255
    for pid in d.parts("reeve-guardian"):
        os.kill(pid, signal.SIGKILL)
    d.front.wait(20 * SLOW)
    with d:
        equal(d.state("c"), STOPPED, "its state")
        equal(first(d.process("c"), 9, 0), status, "its status")
        equal(d.end("c"), status, "status when it is deleted")


if __name__ == "__main__":
    cases = [while_it_runs, while_it_is_down, all_killed, created_when_the_guardian_dies]
    sys.exit(main({f.__name__: f for f in cases}))
