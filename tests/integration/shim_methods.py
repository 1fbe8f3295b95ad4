# SPDX-License-Identifier: Apache-2.0
"""The methods of the Task service that containerd's own client seldom calls, against a shim without containerd: what they
change on the machine, and what they answer. One case a run: see main() of shim_client."""

import json
import os
import re
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

from shim_client import *  # noqa: F403

CASES = {}
V2 = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
LOOP = 'i=0; while :; do i=$((i+1)); echo $i >/dev/shm/count; echo $i; sleep 0.05; done'

# An open connection: criu refuses it unless it is told to keep them.
TALK = "mkfifo /dev/shm/f; nc -l -p 99 <>/dev/shm/f >/dev/null & until nc 127.0.0.1 99 <>/dev/shm/f >/dev/null; do sleep 0.05; done & "


def case(f):
    def run(directory, template):
        with Shim(directory, template).start(args=["/bin/sh", "-c", LOOP]) as shim:
            with shim.connect() as c:
                f(shim, c)
                shim.shutdown(c)

    CASES[f.__name__] = run
    return f


def create_first(shim, c, options=None, io=("", "", "", 0), checkpoint=None):
    fields = shim.create_fields("first", os.path.join(shim.dir, "first"), io)
    if checkpoint:
        fields.append((8, checkpoint))
    if options:
        fields.append((10, encode([(1, options[0]), (2, encode(options[1]))])))
    return fields


def limit(controller, v1, v2):
    name = "/sys/fs/cgroup/test/first/" + v2 if V2 else "/sys/fs/cgroup/%s/test/first/%s" % (controller, v1)
    return read_file(name).strip()


def resources(text):
    return [(1, "first"), (2, encode([(1, "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources"), (2, json.dumps(text))]))]


def dirty_kib(shim):
    rollups = [read_file("/proc/%d/smaps_rollup" % pid) for pid in shim.processes()]
    return sum(int(n) for text in rollups for n in re.findall(r"^Private_Dirty: +(\d+)", text, re.M))


@case
def idle(shim, c):
    """Nothing comes for a moment: memory goes back, and what comes then finds all that it needs."""
    c.ok("Create", create_first(shim, c))
    c.ok("Start", [(1, "first")])
    for i in range(3):
        id_ = "e%d" % i
        c.ok("Exec", shim.exec_fields("first", id_, ["/bin/sh", "-c", "exit 7"]))
        c.ok("Start", [(1, "first"), (2, id_)])
        equal(first(c.ok("Wait", [(1, "first"), (2, id_)]), 1), 7, "status")
        c.ok("Delete", [(1, "first"), (2, id_)])
        check(c.ok("Stats", [(1, "first")]), "stats")
        wait_until(10, "guardian and worker have less than 200 KiB of their own", lambda: 0 < dirty_kib(shim) < 200)
    equal(shim.remove(c, "first"), 137, "status")


@case
def update(shim, c):
    c.ok("Create", create_first(shim, c))
    c.ok("Update", resources({"pids": {"limit": 55}}))  # allowed before the start
    equal(limit("pids", "pids.max", "pids.max"), "55", "limit of a created container")
    c.ok("Start", [(1, "first")])
    c.ok("Exec", shim.exec_fields("first", "e", ["/bin/sleep", "1000"]))
    pid = first(c.ok("Start", [(1, "first"), (2, "e")]), 1)
    c.ok("Update", resources({"pids": {"limit": 66}, "memory": {"limit": 100 << 20}}))
    equal(limit("memory", "memory.limit_in_bytes", "memory.max"), str(100 << 20), "limit of a running one")
    # The exec is where the limits hold.
    check("/test/first" in read_file("/proc/%d/cgroup" % pid), "cgroup of the exec")
    # All or nothing, and the old values are what holds.
    c.refused(2, re.compile("^OCI runtime update failed: linux.resources.blockIO"), "Update", resources({
        "pids": {"limit": 77}, "memory": {"limit": 200 << 20},
        "blockIO": {"throttleReadBpsDevice": [{"major": 999, "minor": 999, "rate": 1}]}}))
    equal(limit("pids", "pids.max", "pids.max"), "66", "limit after an update that failed")
    equal(limit("memory", "memory.limit_in_bytes", "memory.max"), str(100 << 20), "likewise")
    shim.remove(c, "first")
    c.refused(5, "container not created: not found", "Update", resources({"pids": {"limit": 1}}))


@case
def pids(shim, c):
    c.ok("Create", create_first(shim, c))
    init = first(c.ok("Start", [(1, "first")]), 1)
    c.ok("Exec", shim.exec_fields("first", "e", ["/bin/sleep", "1000"]))
    pid = first(c.ok("Start", [(1, "first"), (2, "e")]), 1)

    def listed():
        rows = [decode(row) for row in c.ok("Pids", [(1, "first")]).get(1, [])]
        return {first(row, 1): decode(first(row, 2)) if 2 in row else None for row in rows}

    got = listed()
    check(got[init] is None, "the init has no details")
    equal(text(got[pid], 1), "containerd.runc.v1.ProcessDetails", "type of an exec's details")
    equal(text(decode(first(got[pid], 2)), 1), "e", "exec id")
    # Right after the exit, and as long as the task is there: one entry, or containerd's restart would destroy it.
    c.ok("Kill", [(1, "first"), (3, 9)])
    c.ok("Wait", [(1, "first")])
    for _ in range(20):
        check(init in listed(), "Pids after the exit")
    wait_until(10, "only the init is named", lambda: list(listed()) == [init])
    c.ok("Delete", [(1, "first")])
    c.refused(5, "container not created: not found", "Pids", [(1, "first")])


@case
def stats(shim, c):
    c.ok("Create", create_first(shim, c))
    c.ok("Start", [(1, "first")])

    def metrics():
        any_ = decode(first(c.ok("Stats", [(1, "first")]), 1))
        equal(text(any_, 1), "io.containerd.cgroups.v%d.Metrics" % (2 if V2 else 1), "type")
        return decode(first(any_, 2))

    def part(m, number):
        return decode(first(m, number, b""))

    def cpu_time():
        cpu = part(metrics(), 2 if V2 else 3)
        return first(cpu, 1, 0) if V2 else first(decode(first(cpu, 1)), 1, 0)

    wait_until(10, "it uses the CPU", cpu_time)
    m = metrics()
    equal(first(part(m, 1 if V2 else 2), 1) >= 1, True, "pids")
    if V2:
        check(first(part(m, 4), 32, 0) > 0, "memory in use")
        check(8 in m, "memory events")
    else:
        memory = part(m, 4)
        check(first(decode(first(memory, 33)), 2, 0) > 0, "memory in use")
        for entry in (33, 34, 35, 36):
            check(entry in memory, "memory entry %d" % entry)
        check(9 in m and 5 in m, "oom control and block io")
    # CRI reads them of a task that has stopped.
    c.ok("Kill", [(1, "first"), (3, 9)])
    c.ok("Wait", [(1, "first")])
    equal(first(part(metrics(), 1 if V2 else 2), 1, 0), 0, "pids after the exit")
    c.ok("Delete", [(1, "first")])
    c.refused(5, "container not created: not found", "Stats", [(1, "first")])


RUNC, TABLE = "containerd.runc.v1.Options", "runtimeoptions.v1.Options"


@case
def options(shim, c):
    io = tuple(os.path.join(shim.dir, name) for name in ("in", "out", "err")) + (0,)
    for path in io[:3]:
        os.mkfifo(path)
    root = os.path.join(shim.dir, "state")
    for kind, fields in ((RUNC, [(4, 1234), (5, 2345), (7, root), (1, 0), (2, 1)]),
                         (TABLE, [(1, "x"), (3, 'IoUid = 1234\nIoGid = 2345\nRoot = "%s"\nNoNewKeyring = true\n' % root)])):
        c.ok("Create", create_first(shim, c, (kind, fields), io))
        pid = first(c.ok("Start", [(1, "first")]), 1)
        check(os.path.isdir(os.path.join(root, NS, "first")), "state under Root")
        for fd in range(3):
            st = os.stat("/proc/%d/fd/%d" % (pid, fd))
            equal((st.st_uid, st.st_gid), (1234, 2345), "owner of stream %d" % fd)
        shim.remove(c, "first")
    for kind, fields, words in ((RUNC, [(9, 1)], "slice:prefix:name"), (TABLE, [(3, "SystemdCgroup = true")], "slice:prefix:name"),
                                (TABLE, [(3, "SystemdCgrup = true")], "SystemdCgrup"), (TABLE, [(2, "/no/such")], "/no/such")):
        got = c.call("Create", create_first(shim, c, (kind, fields), io))
        check(got.code and words in got.text, "options %r: %r" % (fields, got))
    c.ok("Create", create_first(shim, c, ("some.other.Options", [(1, "x")])))  # of a type that nobody knows: none
    shim.remove(c, "first")


def count(pid):
    try:
        return int(read_file("/proc/%d/root/dev/shm/count" % pid).strip() or 0)
    except (OSError, ValueError):
        return 0


def connected(pid):
    return any(row.split()[3] == "01" for row in read_file("/proc/%d/net/tcp" % pid).splitlines()[1:])


def out_of(shim, c, **more):
    """Create with a reader on its output; the fd."""
    io = ("", os.path.join(shim.dir, "out%d" % time.monotonic_ns()), "", 0)
    os.mkfifo(io[1])
    fd = os.open(io[1], os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    c.ok("Create", create_first(shim, c, io=io, **more))
    os.set_blocking(fd, True)
    return fd


@case
def checkpoint(shim, c):
    images = os.path.join(shim.dir, "images")
    os.mkdir(images)
    os.mkdir(os.path.join(shim.dir, "first", "work"))
    shim.bundle("first", ["/bin/sh", "-c", TALK + LOOP])
    fd = out_of(shim, c)
    pid = first(c.ok("Start", [(1, "first")]), 1)
    wait_until(10, "it counts", lambda: count(pid) > 3)
    wait_until(10, "it has a connection", lambda: connected(pid))
    option = lambda *fields: (3, encode([(1, "containerd.runc.v1.CheckpointOptions"), (2, encode(fields))]))  # noqa: E731

    # What cannot be dumped is said with the place of criu's log, and the container goes on.
    c.refused(2, re.compile("^OCI runtime checkpoint failed: criu failed to dump: .* path= .*/first/criu-dump.log$"), "Checkpoint",
              [(1, "first"), (2, images), option()])
    check("Error" in read_file(os.path.join(shim.dir, "first", "criu-dump.log")), "criu's log")
    before = count(pid)
    wait_until(10, "it goes on", lambda: count(pid) > before)

    # Left running, also when it stood still already.
    os.kill(next(p for p in children(pid) if "nc" in read_file("/proc/%d/comm" % p)), 9)
    wait_until(10, "nobody talks", lambda: not connected(pid))
    c.ok("Checkpoint", [(1, "first"), (2, images), option((5, 1))])
    before = count(pid)
    wait_until(10, "it goes on", lambda: count(pid) > before)
    c.ok("Pause", [(1, "first")])
    c.ok("Checkpoint", [(1, "first"), (2, images + "-paused")])
    equal(first(c.ok("State", [(1, "first")]), 4), 4, "still paused")
    c.ok("Resume", [(1, "first")])
    wait_until(10, "it goes on", lambda: count(pid) > before)

    # Not left running: its exit comes as any other.
    images += "-exit"
    c.ok("Checkpoint", [(1, "first"), (2, images), option((1, 1))])
    equal(first(c.ok("Wait", [(1, "first")]), 1), 137, "status")
    last = int(read_all(fd).split()[-1])
    c.ok("Delete", [(1, "first")])
    wait_until(10, "its delete is told", lambda: shim.events.topics("first")[-1] == "delete")
    last_events = [t for t in shim.events.topics("first") if t in ("checkpointed", "exit", "delete")]
    check(last_events[:2] == ["checkpointed"] * 2 and last_events[-1] == "delete" and "exit" in last_events, "events: %r" % last_events)
    check(not os.listdir(os.path.join(shim.dir, "first", "work")), "the work directory is empty again")

    # From there: no process until Start, then it counts on into the new stream.
    fd = out_of(shim, c, checkpoint=images)
    state = c.ok("State", [(1, "first")])
    equal((first(state, 3, 0), first(state, 4)), (0, CREATED), "pid and state before the start")
    c.refused(9, "its checkpoint has not been restored: failed precondition", "Kill", [(1, "first"), (3, 9)])
    c.ok("Pids", [(1, "first")])
    new = first(c.ok("Start", [(1, "first")]), 1)
    check(alive(new) and os.getpgid(new), "the restored process")
    next_ = int(os.read(fd, 100).split()[0])
    check(last <= next_ <= last + 2, "it goes on where it was: %d after %d" % (next_, last))
    check("/test/first" in read_file("/proc/%d/cgroup" % new), "its cgroup")
    c.ok("Stats", [(1, "first")])
    c.ok("Exec", shim.exec_fields("first", "e", ["/bin/sh", "-c", "exit 6"]))
    c.ok("Start", [(1, "first"), (2, "e")])
    equal(first(c.ok("Wait", [(1, "first"), (2, "e")]), 1), 6, "status of an exec in it")
    c.ok("Pause", [(1, "first")])
    c.ok("Resume", [(1, "first")])
    c.ok("Kill", [(1, "first"), (3, 9)])
    equal(first(c.ok("Wait", [(1, "first")]), 1), 137, "status of the restored one")
    c.ok("Delete", [(1, "first")])
    os.close(fd)


@case
def restore_that_fails(shim, c):
    images = os.path.join(shim.dir, "empty")
    os.mkdir(images)
    os.mkdir(os.path.join(shim.dir, "first", "work"))
    with open(os.path.join(images, "descriptors.json"), "w") as f:
        f.write('["/dev/null","/dev/null","/dev/null"]')
    c.ok("Create", create_first(shim, c, checkpoint=images))
    for _ in range(2):  # nothing is left of the first that the second could stumble over
        c.refused(2, re.compile("^OCI runtime restore failed: criu failed to restore"), "Start", [(1, "first")])
    equal(first(c.ok("State", [(1, "first")]), 4), CREATED, "state")
    c.ok("Delete", [(1, "first")])
    wait_until(10, "create and delete are told, and nothing else", lambda: shim.events.topics("first") == ["create", "delete"])
    c.ok("Create", create_first(shim, c, checkpoint=os.path.join(shim.dir, "no-such")))
    c.refused(2, re.compile("^OCI runtime restore failed: read descriptors.json"), "Start", [(1, "first")])
    c.ok("Delete", [(1, "first")])


def read_all(fd):
    data = b""
    while True:
        more = os.read(fd, 65536)
        if not more:
            os.close(fd)
            return data
        data += more


if __name__ == "__main__":
    sys.exit(main(CASES))
