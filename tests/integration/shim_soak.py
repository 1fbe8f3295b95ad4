# SPDX-License-Identifier: Apache-2.0
"""Containers and execs without number through one grouped shim: what it takes stays what it was, and each event comes
exactly once and in its order.

    shim_soak.py DIRECTORY TEMPLATE        sizes: SOAK_EXECS (2000), SOAK_LIVES (200), SOAK_AT_A_TIME (8)

Every container lives with a share of the execs; some execs fail to start, some are killed, some outlive their container,
some containers are never started. Prints what was measured, one line a sample, and fails when the last third takes more
than the first."""

import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

from shim_client import *  # noqa: F403

EXECS = int(os.environ.get("SOAK_EXECS") or 2000)
LIVES = int(os.environ.get("SOAK_LIVES") or 200)
AT_A_TIME = int(os.environ.get("SOAK_AT_A_TIME") or 8)
SAMPLES = 30
GROWTH_KIB = 256


class Order:
    """Takes events as they come, and forgets a task with its last one: the rules of INV-1 to 11."""

    def __init__(self):
        self.lock = threading.Lock()
        self.tasks = {}
        self.seen = 0
        self.wrong = []

    def __call__(self, e):
        with self.lock:
            self.seen += 1
            kind = e.topic.rsplit("/", 1)[1]
            why = self.take(kind, e)
            if why:
                self.wrong.append("%s: %s" % (why, e))

    def take(self, kind, e):
        t = self.tasks.get(e.id)
        if kind == "create":
            if t:
                return "a second create"
            self.tasks[e.id] = {"pid": e.pid, "execs": {}, "state": "created"}
            return None
        if not t:
            return "nothing was created"
        if kind == "start":
            if t["state"] != "created" or e.pid != t["pid"]:
                return "started in state " + t["state"]
            t["state"] = "running"
        elif kind == "exit" and e.exec_id == e.id:
            if t["state"] not in ("created", "running") or e.pid != t["pid"]:
                return "exited in state " + t["state"]
            if "started" in t["execs"].values():
                return "the init's exit before that of an exec"
            t["state"], t["status"], t["at"] = "exited", e.status, e.at
        elif kind == "delete":
            if t["state"] != "exited" or (e.status, e.pid) != (t["status"], t["pid"]):
                return "deleted in state " + t["state"]
            del self.tasks[e.id]
        elif kind == "exec-added":
            if t["execs"].get(e.exec_id, "gone") not in ("gone", "added", "exited"):
                return "added in state " + t["execs"][e.exec_id]
            t["execs"][e.exec_id] = "added"
        elif kind == "exec-started":
            if t["execs"].get(e.exec_id) != "added" or t["state"] == "exited":
                return "started in state %s" % t["execs"].get(e.exec_id)
            t["execs"][e.exec_id] = "started"
        elif kind == "exit":
            if t["execs"].get(e.exec_id) != "started":
                return "exited in state %s" % t["execs"].get(e.exec_id)
            t["execs"][e.exec_id] = "exited"
        else:
            return "nobody asked for it"
        return None


class Soak:
    def __init__(self, directory, template):
        self.order = Order()
        self.shim = Shim(directory, template, group="soak", note=self.order)
        self.lock = threading.Lock()
        self.execs = self.lives = self.expected = 0
        self.failures = []
        self.rng = random.Random(int(os.environ.get("SOAK_SEED") or time.time()))

    def count(self, execs=0, lives=0, events=0):
        with self.lock:
            self.execs += execs
            self.lives += lives
            self.expected += events

    def one_exec(self, c, id_, exec_id, rng):
        """Add, start, wait, delete: 3 events; a program that is not there: 1."""
        while self.expected - self.order.seen > 200:  # this program is slower than the shim, which keeps what it cannot send
            time.sleep(0.005)
        shape = rng.randrange(20)
        code = rng.randrange(0, 100)
        args = ["/bin/sh", "-c", "exit %d" % code] if shape > 12 else ["/bin/true"]
        if shape == 0:
            args = ["/no/such/program"]
        elif shape == 1:
            args = ["/bin/sleep", "1000"]
        c.ok("Exec", self.shim.exec_fields(id_, exec_id, args))
        ids = [(1, id_), (2, exec_id)]
        if shape == 0:
            got = c.call("Start", ids)
            check(got.code == 2 and "/no/such/program" in got.text, "a start that must fail: %r" % (got,))
            c.ok("Delete", ids)
            self.count(execs=1, events=1)
            return
        wait = c.send("Wait", ids) if shape % 2 else None
        pid = first(c.ok("Start", ids), 1)
        want = code if shape > 12 else 0
        if shape == 1:
            c.ok("Kill", ids + [(3, 9)])
            want = 137
        end = decode(c.answer(wait).payload) if wait else c.ok("Wait", ids)
        equal(first(end, 1, 0), want, "status of %s" % exec_id)
        gone = c.ok("Delete", ids)
        equal((first(gone, 1), first(gone, 2, 0), gone[3]), (pid, want, end[2]), "what Delete says of %s" % exec_id)
        self.count(execs=1, events=3)

    def one_life(self, c, id_, execs, rng):
        shim = self.shim
        shape = rng.randrange(10)
        pid = first(shim.create(c, id_, ["/bin/sleep", "1000"] if shape else ["/bin/sh", "-c", "exit 7"]), 1)
        events = 4
        want = 137
        if shape == 1:  # never started
            c.ok("Delete", [(1, id_)])
            self.count(lives=1, events=3)
            return
        c.ok("Start", [(1, id_)])
        if shape == 0:
            want = 7
        else:
            for i in range(execs):
                self.one_exec(c, id_, "e%d" % (i % 50), rng)
            for i in range(shape % 3):  # they end with it
                c.ok("Exec", shim.exec_fields(id_, "late%d" % i, ["/bin/sleep", "1000"]))
                c.ok("Start", [(1, id_), (2, "late%d" % i)])
                events += 3
            c.ok("Kill", [(1, id_), (3, 9)])
        equal(first(c.ok("Wait", [(1, id_)]), 1, 0), want, "status of " + id_)
        gone = c.ok("Delete", [(1, id_)])
        equal((first(gone, 1), first(gone, 2, 0)), (pid, want), "what Delete says of " + id_)
        self.count(lives=1, events=events)

    def worker(self, number):
        rng = random.Random(self.rng.random())
        try:
            with self.shim.connect() as c:
                while not self.failures:
                    with self.lock:
                        self.taken = life = getattr(self, "taken", 0) + 1
                    if life > LIVES:
                        return
                    # What is left of the execs, spread over the lives that are left; two in ten have none.
                    share = max(0, EXECS - self.execs) / max(1, LIVES - life + 1) / 0.8
                    n = int(share) + (rng.random() < share - int(share))
                    id_ = "c%d" % life
                    self.one_life(c, id_, n, rng)
                    self.forget(id_)
        except Exception as e:  # noqa: B902 - whatever it is ends the run
            self.failures.append("%s: %r" % (number, e))

    def forget(self, id_):
        path = os.path.join(self.shim.dir, id_)
        for name in os.listdir(path):
            if name == "rootfs":
                os.rmdir(os.path.join(path, name))
            else:
                os.unlink(os.path.join(path, name))
        os.rmdir(path)

    def sample(self, begin):
        memory, fds, threads = self.shim.usage()
        print(
            "%7.1f s  %6d execs  %5d lives  %7d events  %6d KiB  %3d fds  %2d threads  %8.2f s CPU"
            % (time.monotonic() - begin, self.execs, self.lives, self.order.seen, memory, fds, threads, self.shim.cpu_seconds()),
            flush=True,
        )
        return memory, fds, threads

    def run(self):
        with self.shim.start("keeper", args=["/bin/sleep", "100000"]) as shim, shim.connect() as c:
            shim.create(c, "keeper", ["/bin/sleep", "100000"])
            c.ok("Start", [(1, "keeper")])
            for i in range(20):
                self.one_exec(c, "keeper", "warm%d" % i, self.rng)
            idle = shim.usage()
            samples = []
            begin = time.monotonic()
            threads = [threading.Thread(target=self.worker, args=(i,)) for i in range(AT_A_TIME)]
            for thread in threads:
                thread.start()
            at = 0
            while any(thread.is_alive() for thread in threads):
                time.sleep(0.05)
                if self.lives >= at:
                    samples.append(self.sample(begin))
                    at += max(1, LIVES // SAMPLES)
            check(not self.failures, "\n".join(self.failures[:5]))
            equal(self.lives, LIVES, "lives")
            check(self.execs >= EXECS * 0.9, "only %d execs" % self.execs)
            wait_until(30, "all events", lambda: self.order.seen >= self.expected + 2)
            equal(self.order.seen, self.expected + 2, "events")
            check(not self.order.wrong, "\n".join(self.order.wrong[:5]))
            equal(list(self.order.tasks), ["keeper"], "tasks that are left")
            wait_until(10, "as many fds as before (%d, now %d)" % (idle[1], shim.usage()[1]), lambda: shim.usage()[1] <= idle[1])
            self.flat(samples, self.sample(begin), idle)
            shim.remove(c, "keeper")
            self.shim.shutdown(c, "keeper")

    @staticmethod
    def flat(samples, end, idle):
        third = max(1, len(samples) // 3)
        early, late = samples[:third], samples[-third:]
        for what, n, room in (("KiB", 0, GROWTH_KIB), ("fds", 1, 6 * AT_A_TIME), ("threads", 2, 1)):
            before, after = (max(s[n] for s in some) for some in (early, late))
            check(after <= before + room, "%s grew from %d to %d" % (what, before, after))
        check(end[0] <= max(s[0] for s in early) + GROWTH_KIB, "%d KiB stay" % end[0])
        check(end[2] <= idle[2], "%d threads stay, there were %d" % (end[2], idle[2]))


def main():
    try:
        Soak(*sys.argv[1:]).run()
    except Failure as e:
        print("FAILED: %s" % e)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
