# SPDX-License-Identifier: Apache-2.0
"""The end of a shim: by its `delete` action, which containerd runs after every task and after every shim that is gone,
and by itself when nobody says so. One case a run: see main() of shim_client."""

import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

from shim_client import *  # noqa: F403

CASES = {}


def case(f):
    def run(directory, template):
        with Shim(directory, template) as shim:
            f(shim)

    CASES[f.__name__] = run
    return f


def delete(shim, id_, *more):
    """What the action says: pid, status, seconds of the exit."""
    done = shim.action(id_, "-bundle", os.path.join(shim.dir, id_), *more, "delete")
    equal((done.returncode, done.stderr), (0, b""), "status and errors of delete")
    answer = decode(done.stdout)
    return first(answer, 1, 0), first(answer, 2, 0), first(answer, 3)


def gone(shim, id_, pid):
    check(not alive(pid), "process %d of %s lives" % (pid, id_))
    left = [d for d in cgroups(id_) if os.path.isdir(d)]
    equal(left, [], "cgroups")
    equal(os.path.exists("/run/containerd/reeve/%s/%s" % (NS, id_)), False, "state of " + id_)


def cgroups(id_):
    root = "/sys/fs/cgroup"
    return [os.path.join(root, d, "test", id_) for d in os.listdir(root)] + [os.path.join(root, "test", id_)]


@case
def delete_when_everything_is_gone(shim):
    shim.start("first")
    with shim.connect() as c:
        shim.run(c, "first")
        equal(first(c.ok("Wait", [(1, "first")]), 1, 0), 0, "status")
        c.ok("Delete", [(1, "first")])
        shim.shutdown(c)
    wait_until(5, "the last event", lambda: "delete" in shim.events.topics("first"))
    pid = shim.events.of("first")[0].pid
    for i in range(3):
        equal(delete(shim, "first")[:2], (pid, 0), "what delete says")
    words = [SHIM, "-namespace", NS, "-address", shim.grpc, "-id", "first", "-bundle", os.path.join(shim.dir, "first"), "delete"]
    quiet = [(os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_RDWR, 0) for fd in (0, 1, 2)]
    took = []
    for i in range(60):
        begin = time.monotonic()
        _, status, _ = os.wait4(os.posix_spawn(SHIM, words, shim.environment(), file_actions=quiet), 0)
        took.append((time.monotonic() - begin) * 1000)
        equal(status, 0, "status of delete")
    print("# delete takes %.2f ms at best, %.2f ms in the middle" % (min(took), sorted(took)[30]))
    check(min(took) < 2 * SLOW, "delete takes %.2f ms at best" % min(took))
    equal(shim.events.topics("first"), ["create", "start", "exit", "delete"], "events")
    # Without a bundle, as when nothing has ever been: no failure, and the status of a killed one.
    done = shim.action("nobody", "-bundle", os.path.join(shim.dir, "nobody"), "delete", cwd=shim.dir)
    equal((done.returncode, done.stderr), (0, b""), "status and errors of delete")
    equal(first(decode(done.stdout), 2), 137, "status of nobody")


@case
def delete_after_the_shim_was_killed(shim):
    """The true exit of one that had ended, 137 of one that is killed now; both as often as one likes."""
    shim.group = "g"
    shim.start("ended", args=["/bin/sh", "-c", "exit 3"])
    with shim.connect() as c:
        c.ok("Create", shim.create_fields("ended", os.path.join(shim.dir, "ended")))
        pid = first(c.ok("Start", [(1, "ended")]), 1)
        equal(first(c.ok("Wait", [(1, "ended")]), 1, 0), 3, "status")
        running = shim.run(c, "running", ["/bin/sleep", "1000"])
        shim.create(c, "created", ["/bin/sleep", "1000"])
        created = first(c.ok("State", [(1, "created")]), 3)
    wait_until(5, "the exit event", lambda: "exit" in shim.events.topics("ended"))
    wait_until(5, "the start event", lambda: "start" in shim.events.topics("running"))
    told = [e for e in shim.events.of("ended") if e.topic == "/tasks/exit"][0]
    shim.kill()
    for _ in range(3):
        equal(delete(shim, "ended"), (pid, 3, told.at), "what delete says of the one that had ended")
    gone(shim, "ended", pid)
    for _ in range(2):
        equal(delete(shim, "running")[:2], (running, 137), "what delete says of the one that ran")
    gone(shim, "running", running)
    equal(delete(shim, "created")[:2], (created, 137), "what delete says of the one that was created")
    gone(shim, "created", created)
    check(not os.path.exists(shim.address), "the socket of the shim is left")
    equal([e.topic for e in shim.events.of("ended")], ["/tasks/create", "/tasks/start", "/tasks/exit"], "events")
    equal(shim.events.topics("running"), ["create", "start"], "events of the one that ran")


@case
def delete_of_a_member_touches_no_other(shim):
    """containerd runs it after every ordinary delete, while the group's shim serves others."""
    shim.group = "g"
    shim.start("keeper", args=["/bin/sleep", "1000"])
    with shim.connect() as c:
        c.ok("Create", shim.create_fields("keeper", os.path.join(shim.dir, "keeper")))
        keeper = first(c.ok("Start", [(1, "keeper")]), 1)
        c.ok("Exec", shim.exec_fields("keeper", "e", ["/bin/sleep", "1000"]))
        c.ok("Start", [(1, "keeper"), (2, "e")])
        for i in range(10):
            id_ = "m%d" % i
            shim.bundle(id_, ["/bin/sh", "-c", "exit %d" % i])
            done = shim.action(id_, "start")
            equal((done.returncode, done.stderr), (0, b""), "status and errors of start")
            equal(done.stdout.decode(), "unix://" + shim.address, "the group's address")
            with shim.connect() as own:
                own.ok("Create", shim.create_fields(id_, os.path.join(shim.dir, id_)))
                pid = first(own.ok("Start", [(1, id_)]), 1)
                own.ok("Wait", [(1, id_)])
                own.ok("Delete", [(1, id_)])
                own.ok("Shutdown", [(1, id_)])
            for _ in range(2):
                equal(delete(shim, id_)[:2], (pid, i), "what delete says")
        check(os.path.exists(shim.address), "the socket of the group is gone")
        state = c.ok("State", [(1, "keeper")])
        equal((first(state, 3), first(state, 4)), (keeper, RUNNING), "the other member")
        equal(first(c.ok("State", [(1, "keeper"), (2, "e")]), 4), RUNNING, "its exec")
        # The container of a bundle that has the keeper's id in another namespace is not the keeper.
        done = shim.action("keeper", "-bundle", os.path.join(shim.dir, "none"), "-namespace", "other", "delete")
        equal(done.returncode, 0, "delete in another namespace: %r" % done.stderr)
        check(alive(keeper), "a delete in another namespace killed the keeper")
        for i in range(10):
            wait_until(5, "events", lambda: len(shim.events.of("m%d" % i)) == 4)
            equal(shim.events.topics("m%d" % i), ["create", "start", "exit", "delete"], "events")
        shim.remove(c, "keeper")
        shim.shutdown(c, "keeper")


@case
def delete_of_one_that_is_served(shim):
    """A connection is lost, the shim is not: containerd runs delete and tells the exit itself. The shim publishes no
    second one, and goes on with the others."""
    shim.group = "g"
    shim.start("keeper", args=["/bin/sleep", "1000"])
    with shim.connect() as c:
        c.ok("Create", shim.create_fields("keeper", os.path.join(shim.dir, "keeper")))
        keeper = first(c.ok("Start", [(1, "keeper")]), 1)
        lost = shim.connect()
        pid = shim.run(lost, "lost", ["/bin/sleep", "1000"])
        with open(os.path.join(shim.dir, "lost", "bootstrap.json"), "w") as f:  # no start was run for it: containerd 2.x
            json.dump({"version": 3, "address": "unix://" + shim.address, "protocol": "ttrpc"}, f)
        # What is on its way when delete runs would come after what containerd tells, and is dropped.
        wait_until(5, "the start event", lambda: "start" in shim.events.topics("lost"))
        lost.close()
        equal(delete(shim, "lost")[:2], (pid, 137), "what delete says")
        gone(shim, "lost", pid)
        wait_until(5, "the shim has forgotten it", lambda: c.call("State", [(1, "lost")]).code == 5)
        equal(shim.events.topics("lost"), ["create", "start"], "events")
        equal(first(c.ok("State", [(1, "keeper")]), 3), keeper, "the other member")
        # Its name is free.
        shim.run(c, "lost", ["/bin/true"])
        c.ok("Wait", [(1, "lost")])
        c.ok("Delete", [(1, "lost")])
        shim.remove(c, "keeper")
        shim.shutdown(c, "keeper")


@case
def a_damaged_bundle_is_cleaned_up(shim):
    shim.start("first", args=["/bin/sleep", "1000"])
    with shim.connect() as c:
        c.ok("Create", shim.create_fields("first", os.path.join(shim.dir, "first")))
        pid = first(c.ok("Start", [(1, "first")]), 1)
    shim.kill()
    record = os.path.join(shim.dir, "first", "reeve.json")
    for content in (b"", b"{", b"[" * 100000, b'{"version":99}', b"\xff" * 10, None):
        os.unlink(record)
        if content is None:
            os.mkfifo(record)
        else:
            with open(record, "wb") as f:
                f.write(content)
        done = shim.action("first", "-bundle", os.path.dirname(record), "delete")
        equal(done.returncode, 0, "status with a record of %r (%s)" % (content and content[:20], done.stderr))
        equal(first(decode(done.stdout), 2), 137, "exit status")
    gone(shim, "first", pid)


@case
def a_shim_that_nobody_ends(shim):
    """The last connection is closed after the last Delete, and no Shutdown comes; or containerd dies before its Create."""
    shim.start("first")
    with shim.connect() as c:
        shim.run(c, "first")
        c.ok("Wait", [(1, "first")])
        c.ok("Delete", [(1, "first")])
    begin = time.monotonic()
    wait_until(30, "the shim leaves", shim.left)
    check(time.monotonic() - begin > 5, "it left at once, a start may have been on its way")
    check(not os.path.exists(shim.address), "its socket is left")
    wait_until(5, "the last event", lambda: "delete" in shim.events.topics("first"))
    equal(shim.events.topics("first"), ["create", "start", "exit", "delete"], "events")


@case
def a_task_that_is_there_keeps_its_shim(shim):
    """No connection, for longer than a shim without tasks would stay: a stopped task keeps its status."""
    shim.start("first", args=["/bin/sh", "-c", "exit 5"])
    with shim.connect() as c:
        c.ok("Create", shim.create_fields("first", os.path.join(shim.dir, "first")))
        c.ok("Start", [(1, "first")])
        c.ok("Wait", [(1, "first")])
    time.sleep(12)
    with shim.connect() as c:
        equal(first(c.ok("Wait", [(1, "first")]), 1), 5, "status")
        c.ok("Delete", [(1, "first")])
        shim.shutdown(c)


if __name__ == "__main__":
    sys.exit(main(CASES))
