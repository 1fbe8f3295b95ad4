# SPDX-License-Identifier: Apache-2.0
"""Tasks inside of reeved while its processes are killed and replaced, seen by a client that connects again and wants what it
wanted.

usage: reeved_deaths.py CASE DIRECTORY BUNDLE
"""
import calendar
import ctypes
import json
import os
import random
import re
import signal
import struct
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
import h2  # noqa: E402
from shim_client import *  # noqa: E402,F403

KILLAT = os.path.join(TOP, "build/tests/lib/killat")
REEVED = os.path.join(TOP, "out/bin/reeved")
TASKS = "/containerd.services.tasks.v1.Tasks/"
CONTAINERS = "/containerd.services.containers.v1.Containers/"
SPEC_URL = "types.containerd.io/opencontainers/runtime-spec/1/Spec"
UNKNOWN = 0  # as a state: there is no such process
LIFE = ["create", "start", "exec-added:x", "exec-started:x", "exit:x", "exit", "delete"]


class Daemon:
    """reeved with directories of its own; its recorder is off unless that is asked for."""

    def __init__(self, directory, bundle, recorder=False):
        self.dir, self.bundle, self.recorder = directory, bundle, recorder
        self.sock = os.path.join(directory, "sock")
        self.front = None
        self.namespaces = None  # of containers; None: as the bundle says
        self.events, self.subscriber, self.subscribed = [], None, 0
        os.makedirs(directory)
        with open(os.path.join(directory, "reeved.toml"), "w") as f:
            f.write('address = "%s"\nroot = "%s/root"\nstate = "%s/state"\n[exits]\nrecorder = %s\nbpffs = "%s/bpf"\n'
                    % (self.sock, directory, directory, str(recorder).lower(), directory))

    # -- its processes

    def start(self):
        log = open(os.path.join(self.dir, "log"), "a")
        self.front = subprocess.Popen([REEVED, "--config", os.path.join(self.dir, "reeved.toml")],
                                      stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(20, "an answer of reeved", lambda: self.ask("Version", b"", h2.VERSION[:-len("Version")]))
        if not self.subscriber:
            self.subscriber = threading.Thread(target=self.subscribe, daemon=True)
            self.subscriber.start()
        return self

    def parts(self, comm):
        """Processes of the daemon that has this directory, the front aside."""
        found = subprocess.run(["pgrep", "-f", "reeved worker .*%s/" % self.dir], stdout=subprocess.PIPE, text=True)
        return [int(p) for p in found.stdout.split() if read_file("/proc/%s/comm" % p).strip() == comm]

    def worker(self, other_than=0):
        return wait_until(20, "a worker", lambda: [p for p in self.parts("reeved") if p != other_than])[0]

    def kill_worker(self):
        old = self.worker()
        os.kill(old, signal.SIGKILL)
        self.worker(old)

    def kill_all(self):
        pids = [self.front.pid] + self.parts("reeve-guardian") + self.parts("reeved")
        # None of them may look after the others, or leave for want of them.
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        self.front.wait()
        wait_until(20, "the end of all of reeved", lambda: not any(alive(p) for p in pids))

    def stop(self):
        self.front.terminate()
        equal(self.front.wait(20 * SLOW), 0, "how reeved ended")
        wait_until(20, "the end of the guardian", lambda: not self.parts("reeve-guardian"))

    def log(self):
        return read_file(os.path.join(self.dir, "log"))

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *rest):
        if not kind:
            return self.stop()
        print(self.log(), file=sys.stderr)
        for pid in [self.front.pid] + self.parts("reeve-guardian") + self.parts("reeved"):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    # -- calls

    def ask(self, method, body, service=TASKS, *headers):
        """(code, text, payload); None when the connection ended before the answer came."""
        try:
            c = h2.Conn(self.sock)
        except OSError:
            return None
        try:
            got = c.ask(service + method, body, *headers, ns=NS)
        except OSError:
            return None
        finally:
            c.close()
        if got.status is None:
            return None
        return got.status, got.text.decode(), (got.messages() or [b""])[0]

    def call(self, method, fields_, service=TASKS):
        return self.ask(method, encode(fields_), service)

    def sure(self, method, fields_, service=TASKS):
        """Ask until there is an answer: for what changes nothing."""
        return wait_until(30, "an answer to " + method, lambda: self.call(method, fields_, service))

    def good(self, method, fields_, service=TASKS):
        got = self.sure(method, fields_, service)
        equal(got[:2], (0, ""), method)
        return decode(got[2])

    def process(self, id_, exec_id=""):
        """None: there is none."""
        code, text, payload = self.sure("Get", [(1, id_), (2, exec_id)])
        if code == 5:
            return None
        equal((code, text), (0, ""), "Get")
        return decode(first(decode(payload), 1))

    def state(self, id_, exec_id=""):
        p = self.process(id_, exec_id)
        return first(p, 4, 0) if p else UNKNOWN

    def until(self, id_, exec_id, wanted, method, fields_):
        """Order it until the state is no longer this one. What an interrupted order has begun may be under way still: then it is
        refused."""
        answers = []

        def ordered():
            if self.state(id_, exec_id) != wanted:
                return True
            answers.append(self.call(method, fields_))
            return False

        try:
            wait_until(20, method, ordered)
        except Failure as e:
            raise Failure("%s; it was answered by %r" % (e, answers[-3:]))

    def wait(self, id_, exec_id=""):
        return first(self.good("Wait", [(1, id_), (2, exec_id)]), 1, 0)

    # -- containers

    def container(self, id_, args, terminal=False, runtime="io.containerd.reeve.v2"):
        with open(os.path.join(self.bundle, "config.json")) as f:
            config = json.load(f)
        config["root"] = {"path": os.path.join(self.bundle, "rootfs")}
        config["linux"]["namespaces"] = self.namespaces or config["linux"]["namespaces"]
        config["process"]["args"] = args
        config["process"]["terminal"] = terminal
        spec = encode([(1, SPEC_URL), (2, json.dumps(config))])
        self.good("Create", [(1, encode([(1, id_), (4, encode([(1, runtime)])), (5, spec)]))], CONTAINERS)

    def exec_fields(self, id_, exec_id, args, terminal=False, io=("", "", "")):
        with open(os.path.join(self.bundle, "config.json")) as f:
            process = json.load(f)["process"]
        process.update(args=args, terminal=terminal)
        spec = encode([(1, PROCESS_URL), (2, json.dumps(process))])
        streams = [(n, path) for n, path in zip((2, 3, 4), io) if path]
        return [(1, id_)] + streams + ([(5, 1)] if terminal else []) + [(6, spec), (7, exec_id)]

    def begin(self, id_, args, io=("", "", ""), terminal=False):
        """A task that runs; its pid."""
        self.container(id_, args, terminal)
        streams = [(n, path) for n, path in zip((4, 5, 6), io) if path]
        self.good("Create", [(1, id_)] + streams + ([(7, 1)] if terminal else []))
        return first(self.good("Start", [(1, id_)]), 1)

    def end(self, id_):
        """Kill it, if it lives; its status."""
        if self.state(id_) != STOPPED:
            self.sure("Kill", [(1, id_), (3, signal.SIGKILL), (4, 1)])
        wait_until(20, "its end", lambda: self.state(id_) == STOPPED)
        status = first(self.process(id_), 9, 0)
        self.good("Delete", [(1, id_)])
        return status

    # -- events

    def subscribe(self):
        while True:
            try:
                c = h2.Conn(self.sock)
                number = c.call(h2.SUBSCRIBE, ns=None)
                c.sync()
                self.subscribed = time.time()
                taken = 0
                while True:
                    messages = c.streams[number].messages()
                    for body in messages[taken:]:
                        self.took(decode(body))
                    taken = len(messages)
                    if c.streams[number].ended or not c.one(3600):
                        break
                c.close()
            except (OSError, AssertionError):
                time.sleep(0.005)

    def was_back_in_time(self):
        """Whether it subscribed again before the worker after the last death told anything, which it does after half a second."""
        began = re.findall(r'time="([-0-9]+T[0-9:]+)(\.[0-9]+)Z" .*"restart ', self.log())
        return self.subscribed < calendar.timegm(time.strptime(began[-1][0], "%Y-%m-%dT%H:%M:%S")) + float(began[-1][1]) + 0.4

    def took(self, envelope):
        topic = text(envelope, 3)
        if topic.startswith("/tasks/"):
            self.events.append((topic[len("/tasks/"):], decode(first(decode(first(envelope, 4)), 2, b""))))

    def told(self, id_):
        """(topic, status) of a task, without what was told a second time."""
        seen = []
        for topic, e in list(self.events):
            e = read_event("/tasks/" + topic, e)
            if e.id == id_ and (topic, e) not in seen:
                seen.append((topic, e))
        return [(topic + (":" + e.exec_id if e.exec_id not in ("", id_) else ""), e.status) for topic, e in seen]


# ---- MGR-33 ----


def live(d, id_):
    """A whole life, whatever happens to workers meanwhile."""
    d.until(id_, "", UNKNOWN, "Create", [(1, id_)])
    d.until(id_, "", CREATED, "Start", [(1, id_)])
    d.until(id_, "x", UNKNOWN, "Exec", d.exec_fields(id_, "x", ["sh", "-c", "exit 4"]))
    d.until(id_, "x", CREATED, "Start", [(1, id_), (2, "x")])
    equal(d.wait(id_, "x"), 4, "status of the exec")
    d.until(id_, "x", STOPPED, "DeleteProcess", [(1, id_), (2, "x")])

    def ended():
        d.call("Kill", [(1, id_), (3, signal.SIGUSR1)])
        return d.state(id_) == STOPPED

    wait_until(20, "the end of the task", ended)
    equal(first(d.process(id_), 9, 0), 3, "status of the task")
    equal(d.wait(id_), 3, "what Wait tells")
    d.until(id_, "", STOPPED, "Delete", [(1, id_)])


def in_order(events, exact):
    """A subscriber that was late may have missed some; what it got is in order, and true."""
    topics = [topic for topic, _ in events]
    if exact:
        equal(topics, LIFE, "events")
    equal(topics, [t for t in LIFE if t in topics], "the order of events")
    status = {"exit:x": 4, "exit": 3, "delete": 3}
    equal([(t, s) for t, s in events if t in status], [(t, status[t]) for t in LIFE if t in status and t in topics], "statuses")


def nothing_left(d, id_):
    tasks = "io.containerd.runtime.v2.task"
    paths = [os.path.join(d.dir, "state", tasks, NS, id_), os.path.join(d.dir, "root", tasks, NS, id_),
             os.path.join(d.dir, "state/containers", NS, id_)]
    wait_until(10, "nothing is left of its directories", lambda: not any(os.path.exists(p) for p in paths))
    found = subprocess.run(["find", "/sys/fs/cgroup", "-type", "d", "-path", "*/%s/%s" % (NS, id_)], stdout=subprocess.PIPE)
    equal(found.stdout, b"", "cgroups that are left")
    guardian = d.parts("reeve-guardian")[0]
    wait_until(10, "no process is left", lambda: [p for p in children(guardian) if p not in d.parts("reeved")] == [])


def every_call(directory, bundle):
    """The worker is killed at each of REEVE_STRIDE system calls, from a random one on."""
    stride = int(os.environ.get("REEVE_STRIDE") or 61)
    n = int(os.environ.get("REEVE_FIRST") or random.randrange(1, stride + 1))
    deaths = late = 0
    print("# system calls %d, %d, ..." % (n, n + stride), flush=True)
    while True:
        with Daemon(os.path.join(directory, str(n)), bundle) as d:
            d.container("c", ["sh", "-c", "trap 'exit 3' USR1; while :; do sleep 0.01; done"])
            tracer = subprocess.Popen([KILLAT, str(n), "-p", str(d.worker())], stdout=subprocess.PIPE)
            equal(tracer.stdout.readline(), b"attached\n", "what killat says")
            try:
                live(d, "c")
                over = tracer.poll() is None
                nothing_left(d, "c")
                strict = over or d.was_back_in_time()
                if strict:
                    wait_until(10, "the last event", lambda: "delete" in [t for t, _ in d.told("c")])
                in_order(d.told("c"), strict)
                late += not strict
            except Failure as e:
                raise Failure("killed at system call %d: %s\n%s" % (n, e, d.told("c")))
            finally:
                if tracer.poll() is None:
                    tracer.kill()
                tracer.wait()
        if over:
            break
        deaths += 1
        n += stride
    print("# died %d times, up to system call %d; %d times the subscriber came late" % (deaths, n, late), flush=True)
    check(n > 200, "only %d system calls" % n)


# ---- MGR-35 ----


def may_record():
    """Whether this kernel lets us have a map, and says what its structures are: then the recorder has to be on."""
    attr = struct.pack("=IIII", 1, 4, 4, 1).ljust(128, b"\0")  # a hash of one entry
    fd = ctypes.CDLL(None).syscall({"x86_64": 321, "aarch64": 280}[os.uname().machine], 0, attr, len(attr))
    if fd >= 0:
        os.close(fd)
    return fd >= 0 and os.path.exists("/sys/kernel/btf/vmlinux")


def both_killed(directory, bundle, recorder):
    """Tasks and execs that live go on; how the others have ended the recorder tells, and without it nobody: 255, and why."""
    d = Daemon(os.path.join(directory, "d"), bundle, recorder).start()
    script = "trap 'exit %d' USR1; while :; do sleep 0.01; done"
    if recorder:
        wait_until(20, "what becomes of the recorder", lambda: "exit recorder: " in d.log())
    on = "exit recorder: on" in d.log()
    print("# the recorder is %s" % ("on" if on else "off"), flush=True)
    equal(on, recorder and may_record(), "whether the recorder is on")
    pids = {id_: d.begin(id_, ["sh", "-c", script % code]) for id_, code in (("lives", 0), ("ends", 7), ("killed", 0))}
    for exec_id, code in (("x", 9), ("y", 11)):
        d.good("Exec", d.exec_fields("lives", exec_id, ["sh", "-c", script % code]))
        pids[exec_id] = first(d.good("Start", [(1, "lives"), (2, exec_id)]), 1)
    for pid in pids.values():
        wait_until(10, "its trap", lambda: int(re.search(r"SigCgt:\s*(\w+)", read_file("/proc/%d/status" % pid))[1], 16) >> 9 & 1)
    d.kill_all()
    os.kill(pids["ends"], signal.SIGUSR1)
    os.kill(pids["x"], signal.SIGUSR1)
    os.kill(pids["killed"], signal.SIGKILL)
    wait_until(10, "their ends", lambda: not any(alive(pids[name]) for name in ("ends", "x", "killed")))
    with d:
        for exec_id, name in (("", "lives"), ("y", "y")):
            equal((d.state("lives", exec_id), first(d.process("lives", exec_id), 3)), (RUNNING, pids[name]), "'%s', which lives" % name)
        os.kill(pids["y"], signal.SIGUSR1)
        for id_, exec_id, name, status in (("ends", "", "ends", 7), ("killed", "", "killed", 137), ("lives", "x", "x", 9)):
            equal(d.wait(id_, exec_id), status if on else 255, "status of '%s'" % name)
            lost = "process %d: lost: it ended while nobody looked, and the exit recorder was off: switched off" % pids[name]
            equal(lost in d.log(), not on, "what the log says of '%s'" % name)
        # Its pidfd was held when it ended, which tells on Linux 6.15.
        told = on or tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) >= (6, 15)
        equal(d.wait("lives", "y"), 11 if told else 255, "status of the exec that has lived")
        for exec_id in ("x", "y"):
            d.good("DeleteProcess", [(1, "lives"), (2, exec_id)])
        equal(d.end("ends"), 7 if on else 255, "status of 'ends', deleted")
        equal(d.end("killed"), 137 if on else 255, "status of 'killed', deleted")
        d.end("lives")


def both_killed_with_recorder(directory, bundle):
    both_killed(directory, bundle, True)


def both_killed_without(directory, bundle):
    both_killed(directory, bundle, False)


def an_orphan_ends_unseen(directory, bundle):
    """What a guardian has taken over it is not the parent of; it ends while there is no worker, and the recorder is off."""
    d = Daemon(os.path.join(directory, "d"), bundle).start()
    script = "trap 'exit %d' USR1; while :; do sleep 0.01; done"
    pids = [("", d.begin("a", ["sh", "-c", script % 7]))]
    d.good("Exec", d.exec_fields("a", "x", ["sh", "-c", script % 9]))
    pids.append(("x", first(d.good("Start", [(1, "a"), (2, "x")]), 1)))
    for _, pid in pids:
        wait_until(10, "its trap", lambda: int(re.search(r"SigCgt:\s*(\w+)", read_file("/proc/%d/status" % pid))[1], 16) >> 9 & 1)
    d.kill_all()
    told = tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) >= (6, 15)
    with d:
        d.kill_worker()  # whoever is next has it from one that had it from the file
        for exec_id, pid in reversed(pids):
            guardian, worker = d.parts("reeve-guardian")[0], d.worker()
            os.kill(guardian, signal.SIGSTOP)
            os.kill(worker, signal.SIGKILL)
            wait_until(10, "the end of the worker", lambda: not alive(worker))
            os.kill(pid, signal.SIGUSR1)
            wait_until(10, "its end", lambda: not alive(pid))
            os.kill(guardian, signal.SIGCONT)
            d.worker(worker)
            equal(d.wait("a", exec_id), (9 if exec_id else 7) if told else 255, "status of '%s'" % exec_id)
            equal("process %d: lost" % pid in d.log(), not told, "whether the log says of '%s' that it is lost" % exec_id)
        d.good("DeleteProcess", [(1, "a"), (2, "x")])
        d.end("a")


# ---- MGR-38 ----


def disturb(d, over):
    """Kill the worker REEVE_KILLS times at any moment, and go on until it is over. Each third one is replaced instead: after that
    the guardian starts the next one at once again."""
    kills, deaths = int(os.environ.get("REEVE_KILLS") or 100), 0
    while deaths < kills or not over():
        for how in ("kill", "kill", "replace"):
            time.sleep(random.random() * 0.05)
            old = d.worker()
            if how == "kill":
                os.kill(old, signal.SIGKILL)
            else:
                d.front.send_signal(signal.SIGHUP)
            d.worker(old)
            deaths += how == "kill"
    print("# %d workers were killed meanwhile" % deaths, flush=True)


class Reader:
    """Of a fifo, to the end of the file, which comes with the Delete. A slow one leaves it full until it is told to hurry."""

    def __init__(self, path, slow=False):
        os.mkfifo(path)
        self.path, self.slow, self.got = path, slow, bytearray()
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        with open(self.path, "rb", buffering=0) as f:
            while True:
                data = f.read(random.randrange(1, 600) if self.slow else 1 << 16)
                if not data:
                    return
                self.got += data
                if self.slow:
                    time.sleep(0.002)

    def ended(self):
        self.thread.join(60 * SLOW)
        check(not self.thread.is_alive(), "no end of the output after %d bytes" % len(self.got))
        return bytes(self.got)


class Writer:
    """Random bytes into a fifo, until it is told that there are enough; a piece is a few times what a terminal holds."""

    def __init__(self, path, may_begin=lambda: True):
        os.mkfifo(path)
        self.path, self.may_begin, self.sent = path, may_begin, bytearray()
        self.enough = threading.Event()
        self.thread = threading.Thread(target=self.write, daemon=True)
        self.thread.start()

    def write(self):
        with open(self.path, "wb", buffering=0) as f:
            wait_until(20, "output that says that input may come", self.may_begin)
            while not self.enough.is_set():
                data = random.randbytes(1 << 15)
                self.sent += data
                while data:
                    data = data[f.write(data):]
                time.sleep(0.005)

    def stop(self):
        self.enough.set()
        self.thread.join(60 * SLOW)
        check(not self.thread.is_alive(), "the input is not read")
        return bytes(self.sent)


def same_bytes(got, sent):
    """If not, where it begins, and whether bytes are missing there or came twice."""
    at = len(os.path.commonprefix([got, sent]))
    check(got == sent, "%d bytes of %d; they differ from byte %d on, where those of byte %d are told"
          % (len(got), len(sent), at, sent.find(got[at: at + 64])))
    print("# %d bytes" % len(got), flush=True)


def no_byte_is_lost(directory, bundle):
    """Output, and input back through cat, then the end of the input."""
    with Daemon(os.path.join(directory, "d"), bundle) as d:
        out, in_ = Reader(os.path.join(directory, "out")), Writer(os.path.join(directory, "in"))
        d.begin("c", ["cat"], (in_.path, out.path))
        disturb(d, lambda: len(out.got) > 4 << 20)
        sent = in_.stop()
        d.good("CloseIO", [(1, "c"), (3, 1)])
        equal(d.wait("c"), 0, "its status, after the end of its input")
        wait_until(30, "all bytes", lambda: len(out.got) >= len(sent))
        d.good("Delete", [(1, "c")])
        same_bytes(out.ended(), sent)


def no_byte_is_lost_on_a_terminal(directory, bundle):
    """Two that change no byte: cat's, and that of a program that says little at a time and much in all, to a reader that is behind.
    The input of the first has no end; its output's comes with the task's."""
    raw = "stty raw -echo; printf raw; "
    enough = os.path.join(bundle, "rootfs/enough")
    with Daemon(os.path.join(directory, "d"), bundle) as d:
        out, slow = Reader(os.path.join(directory, "out")), Reader(os.path.join(directory, "slow"), slow=True)
        in_ = Writer(os.path.join(directory, "in"), lambda: out.got[:3] == b"raw")
        d.begin("c", ["sh", "-c", raw + "exec cat"], (in_.path, out.path), terminal=True)
        d.begin("s", ["sh", "-c", raw + "i=0; while [ ! -e /enough ]; do i=$((i + 1)); echo line $i; done"],
                ("", slow.path), terminal=True)
        disturb(d, lambda: len(out.got) > 1 << 20 and len(slow.got) > 1 << 16)
        open(enough, "w").close()
        slow.slow = False
        sent = b"raw" + in_.stop()
        equal(d.wait("s"), 0, "status of the one that counts")
        os.unlink(enough)
        d.good("Delete", [(1, "s")])
        lines = slow.ended()
        same_bytes(lines, b"raw" + b"".join(b"line %d\n" % i for i in range(1, lines.count(b"\n") + 1)))
        wait_until(30, "all bytes", lambda: len(out.got) >= len(sent))
        equal(d.end("c"), 137, "status of cat")
        same_bytes(out.ended(), sent)


if __name__ == "__main__":
    cases = [every_call, both_killed_with_recorder, both_killed_without, an_orphan_ends_unseen, no_byte_is_lost,
             no_byte_is_lost_on_a_terminal]
    sys.exit(main({f.__name__: f for f in cases}))
