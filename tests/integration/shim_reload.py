# SPDX-License-Identifier: Apache-2.0
"""A worker is killed and the next one goes on, seen by a client that connects again and wants what it wanted: no
containerd that cleans up meanwhile. So everything must have survived.

usage: shim_reload.py CASE DIRECTORY TEMPLATE
"""
import hashlib
import os
import random
import signal
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from shim_client import *  # noqa: F403

KILLAT = os.path.join(TOP, "build/tests/lib/killat")
UNKNOWN = 0  # as a state: there is no such process
LIFE = ["create", "start", "exec-added:x", "exec-started:x", "exit:x", "exit", "delete"]


def workers(shim):
    return [p for p in children(shim.pid) if "shim" in read_file("/proc/%d/comm" % p)]


def worker(shim):
    return wait_until(20, "a worker", lambda: workers(shim))[0]


def kill_worker(shim):
    old = worker(shim)
    os.kill(old, signal.SIGKILL)
    wait_until(20, "another worker", lambda: [w for w in workers(shim) if w != old])


class Persistent:
    """A client that connects again as often as it is cut off."""

    def __init__(self, shim):
        self.shim = shim
        self.connection = None

    def call(self, method, fields):
        """The answer; None when the connection ended before it came."""
        try:
            if not self.connection:
                self.connection = self.shim.connect()
            return self.connection.call(method, fields, 20)
        except (Closed, OSError):
            self.close()
            return None

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def sure(self, method, fields):
        """Ask until there is an answer: for what changes nothing."""
        return wait_until(30, "an answer to " + method, lambda: self.call(method, fields))

    def state(self, id_, exec_id=""):
        """(status, exit status)"""
        got = self.sure("State", [(1, id_)] + ([(2, exec_id)] if exec_id else []))
        if got.code == 5:
            return UNKNOWN, 0
        equal((got.code, got.text), (0, ""), "State")
        fields = decode(got.payload)
        return first(fields, 4, 0), first(fields, 9, 0)

    def until(self, id_, exec_id, wanted, method, fields):
        """Order it until the state is no longer one of these. What an interrupted order has left may be on its way out."""

        def ordered():
            if self.state(id_, exec_id)[0] not in wanted:
                return True
            got = self.call(method, fields)
            if got and got.code not in (0, 6):
                check(self.state(id_, exec_id)[0] not in wanted, "%s: %s" % (method, got.text))
            return False

        wait_until(20, method, ordered)

    def wait(self, id_, exec_id=""):
        fields = [(1, id_)] + ([(2, exec_id)] if exec_id else [])
        return first(decode(self.sure("Wait", fields).payload), 1, 0)


def distinct(shim, id_):
    """Topics without what was sent a second time because its answer was lost; a second time must say the same."""
    seen = []
    for e in shim.events.of(id_):
        if e not in seen:
            seen.append(e)
    return [e.topic.rsplit("/", 1)[1] + (":" + e.exec_id if e.exec_id not in ("", id_) else "") for e in seen], seen


def live(shim, client):
    """A whole life, whatever happens to workers meanwhile."""
    args = ["/bin/sh", "-c", "trap 'exit 3' USR1; while :; do sleep 0.01; done"]
    bundle = shim.bundle("c", args)
    client.until("c", "", [UNKNOWN], "Create", shim.create_fields("c", bundle))
    client.until("c", "", [CREATED], "Start", [(1, "c")])
    client.until("c", "x", [UNKNOWN], "Exec", shim.exec_fields("c", "x", ["/bin/sh", "-c", "exit 4"]))
    client.until("c", "x", [CREATED], "Start", [(1, "c"), (2, "x")])
    equal(client.wait("c", "x"), 4, "status of the exec")
    client.until("c", "x", [STOPPED], "Delete", [(1, "c"), (2, "x")])

    def ended():
        client.call("Kill", [(1, "c"), (3, signal.SIGUSR1)])
        return client.state("c")[0] == STOPPED

    wait_until(20, "the end of the container", ended)
    equal(client.state("c"), (STOPPED, 3), "state")
    client.until("c", "", [STOPPED], "Delete", [(1, "c")])
    topics, events = wait_until(10, "the last event", lambda: distinct(shim, "c") if "delete" in distinct(shim, "c")[0] else None)
    equal(topics, LIFE, "events")
    equal([e.status for e in events if "exit" in e.topic or "delete" in e.topic], [4, 3, 3], "statuses of events")


def nothing_left(shim):
    equal(os.path.exists("/run/containerd/reeve/%s/c" % NS), False, "a state directory is left")
    found = subprocess.run(["find", "/sys/fs/cgroup", "-type", "d", "-path", "*/test/c"], stdout=subprocess.PIPE).stdout
    equal(found, b"", "cgroups that are left")
    others = [p for p in children(shim.pid) if p not in workers(shim)]
    equal([(p, read_file("/proc/%d/cmdline" % p)) for p in others], [], "processes that are left")


def killed_at(shim, n):
    """A tracer that kills the worker at its n-th system call from now on."""
    tracer = subprocess.Popen([KILLAT, str(n), "-p", str(worker(shim))], stdout=subprocess.PIPE)
    equal(tracer.stdout.readline(), b"attached\n", "what killat says")
    return tracer


def dump(shim):
    """Its log, with what it has at this moment."""
    for pid in workers(shim):
        os.kill(pid, signal.SIGUSR1)
    time.sleep(0.5)
    return shim.log()


def every_call(directory, template):
    """Each of REEVE_STRIDE system calls, from a random one on."""
    stride = int(os.environ.get("REEVE_STRIDE") or 23)
    n = int(os.environ.get("REEVE_FIRST") or random.randrange(1, stride + 1))
    deaths = 0
    print("# system calls %d, %d, ..." % (n, n + stride), flush=True)
    while True:
        with Shim(os.path.join(directory, str(n)), template).start() as shim:
            client = Persistent(shim)
            tracer = killed_at(shim, n)
            try:
                live(shim, client)
                nothing_left(shim)
                over = tracer.poll() is None
            except Failure as e:
                raise Failure("killed at system call %d: %s\n%s\n%s" % (n, e, distinct(shim, "c")[0], dump(shim)))
            finally:
                client.close()
                tracer.kill() if tracer.poll() is None else None
                tracer.wait()
        if over:
            break
        deaths += 1
        n += stride
    print("# died %d times, up to system call %d" % (deaths, n), flush=True)
    check(n > 200, "only %d system calls" % n)


def created_survives(directory, template):
    with Shim(directory, template).start() as shim:
        with shim.connect() as c:
            shim.create(c, "c", ["/bin/sh", "-c", "exit 5"])
            pid = first(c.ok("State", [(1, "c")]), 3)
        for _ in range(3):
            kill_worker(shim)
        client = Persistent(shim)
        equal(client.state("c")[0], CREATED, "state")
        with shim.connect() as c:
            equal(first(c.ok("Start", [(1, "c")]), 1), pid, "its pid")
        equal(client.wait("c"), 5, "its status")
        with shim.connect() as c:
            c.ok("Delete", [(1, "c")])
        nothing_left(shim)
        wait_until(10, "the last event", lambda: "delete" in distinct(shim, "c")[0])
        equal(distinct(shim, "c")[0], ["create", "start", "exit", "delete"], "events")


def an_exit_meanwhile_is_told(directory, template):
    """While the worker is stopped, so that it cannot look, and then killed."""
    with Shim(directory, template).start() as shim:
        with shim.connect() as c:
            pid = shim.run(c, "c", ["/bin/sh", "-c", "trap 'exit 6' USR1; while :; do sleep 0.01; done"])
            wait_until(10, "its trap", lambda: int(first_line(pid, "SigCgt"), 16) >> 9 & 1)
        old = worker(shim)
        os.kill(old, signal.SIGSTOP)
        os.kill(pid, signal.SIGUSR1)
        wait_until(10, "its end", lambda: not alive(pid))
        os.kill(old, signal.SIGKILL)
        client = Persistent(shim)
        equal(client.wait("c"), 6, "its status")
        wait_until(10, "its event", lambda: "exit" in distinct(shim, "c")[0])
        equal([e.status for e in shim.events.of("c") if e.topic.endswith("exit")][0], 6, "status of the event")


def hooks_run_once(directory, template):
    """A worker that dies while poststart hooks run: the next one ends the start without them."""
    began, go = (os.path.join(directory, name) for name in ("began", "go"))
    hook = {"path": "/bin/sh", "args": ["sh", "-c", "echo x >>%s; until [ -e %s ]; do sleep 0.05; done" % (began, go)]}
    with Shim(directory, template).start() as shim:
        client = Persistent(shim)
        with shim.connect() as c:
            shim.create(c, "c", ["/bin/sleep", "1000"], lambda config: config.update(hooks={"poststart": [hook]}))
            c.send("Start", [(1, "c")])
            wait_until(10, "the hook", lambda: read_file(began) == "x\n")
            kill_worker(shim)
        wait_until(10, "the end of the start", lambda: client.state("c")[0] == RUNNING)
        open(go, "w").close()
        with shim.connect() as c:
            equal(shim.remove(c, "c"), 137, "its status")
        equal(read_file(began), "x\n", "what the hook wrote")
        wait_until(10, "the last event", lambda: "delete" in distinct(shim, "c")[0])
        equal(distinct(shim, "c")[0], ["create", "start", "exit", "delete"], "events")


def the_log_follows(directory, template):
    """The log of a group goes over to another member's bundle when that of the first one is gone; so does the next worker's."""
    with Shim(directory, template, group="g").start() as shim:
        with shim.connect() as c:
            shim.run(c, "c1", ["/bin/sleep", "1000"])
            kill_worker(shim)
            wait_until(10, "a word about the restart", lambda: "restart 1" in shim.log())
            os.unlink(os.path.join(directory, "first", "log"))
        path = os.path.join(shim.bundle("c2", ["/bin/sleep", "1000"]), "log")
        os.mkfifo(path, 0o700)
        log = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        with shim.connect() as c:
            shim.run(c, "c2", ["/bin/sleep", "1000"])
            kill_worker(shim)
            said = wait_until(10, "a word about the restart", lambda: select.select([log], [], [], 0)[0] and os.read(log, 1 << 16))
            check(b"restart 2" in said, "the log says %r" % said)
        os.close(log)
        with shim.connect() as c:
            for id_ in ("c1", "c2"):
                shim.remove(c, id_)


def first_line(pid, name):
    found = re.search(r"^%s:\s*(\S+)" % name, read_file("/proc/%d/status" % pid), re.M)
    return found.group(1) if found else "0"


def no_byte_is_lost(directory, template):
    """Output, and input back through cat, while workers die."""
    size = 16 << 20
    with Shim(directory, template).start() as shim:
        paths = [os.path.join(directory, name) for name in ("in", "out")]
        for path in paths:
            os.mkfifo(path)
        with shim.connect() as c:
            shim.create(c, "c", ["/bin/cat"], io=(paths[0], paths[1], "", 0))
            c.ok("Start", [(1, "c")])
        data = random.randbytes(size)
        writer = threading.Thread(target=write_all, args=(paths[0], data))
        got = bytearray()
        reader = threading.Thread(target=read_all, args=(paths[1], got, size))
        reader.start()
        writer.start()
        deaths = 0
        while writer.is_alive() and deaths < 4:
            time.sleep(0.005)
            kill_worker(shim)
            deaths += 1
        writer.join(60 * SLOW)
        reader.join(60 * SLOW)
        equal(hashlib.sha256(got).hexdigest(), hashlib.sha256(data).hexdigest(), "%d bytes of %d" % (len(got), size))
        print("# %d workers died meanwhile" % deaths, flush=True)
        client = Persistent(shim)
        client.sure("CloseIO", [(1, "c"), (3, 1)])
        equal(client.wait("c"), 0, "its status")


def write_all(path, data):
    with open(path, "wb", buffering=0) as f:
        view = memoryview(data)
        while view:
            view = view[f.write(view[: 1 << 16]) :]
            time.sleep(0.0005)


def read_all(path, into, size):
    with open(path, "rb", buffering=0) as f:
        while len(into) < size:
            data = f.read(1 << 16)
            if not data:
                break
            into += data


if __name__ == "__main__":
    cases = [created_survives, an_exit_meanwhile_is_told, hooks_run_once, the_log_follows, no_byte_is_lost, every_call]
    sys.exit(main({f.__name__: f for f in cases}))
