# SPDX-License-Identifier: Apache-2.0
"""A client of a shim that stands beside containerd: starts the shim, speaks ttrpc to it byte by byte, and takes its
events. It shares no code with the programs under test, so that what both sides would get wrong in the same way shows.

Messages are written as lists of (field number, value): int is a varint, bytes and str are length-delimited. What was
read is a dict from field number to the list of its values."""

import collections
import json
import os
import re
import select
import signal
import socket
import struct
import subprocess
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHIM = os.environ.get("SHIM_PATH") or os.path.join(TOP, "out/bin/containerd-shim-reeve-v2")
SLOW = float(os.environ.get("TEST_SLOW") or 3)  # factor of every deadline, see tests/integration/lib.bash
NS = "reeve-test"
TASK = "containerd.task.v2.Task"
PROCESS_URL = "types.containerd.io/opencontainers/runtime-spec/1/Process"

REQUEST, RESPONSE, DATA = 1, 2, 3
MESSAGE_MAX = 4194304
CREATED, RUNNING, STOPPED = 1, 2, 3


class Failure(Exception):
    """What the test finds wrong."""


def check(truth, what):
    if not truth:
        raise Failure(what)


def equal(got, want, what):
    check(got == want, "%s: got %r, want %r" % (what, got, want))


def wait_until(seconds, what, test):
    """Poll; the value of `test` once it is true."""
    end = time.monotonic() + seconds * SLOW
    while True:
        value = test()
        if value:
            return value
        check(time.monotonic() < end, "did not come true: " + what)
        time.sleep(0.01)


# --- protobuf ------------------------------------------------------------------------------------------------------


def varint(n):
    n &= (1 << 64) - 1
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def encode(fields):
    out = []
    for number, value in fields:
        if isinstance(value, str):
            value = value.encode()
        if isinstance(value, int):
            out.append(varint(number << 3) + varint(value))
        else:
            out.append(varint(number << 3 | 2) + varint(len(value)) + value)
    return b"".join(out)


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        shift += 7
        if byte < 0x80:
            return value, at


def decode(data):
    fields = collections.defaultdict(list)
    at = 0
    while at < len(data):
        tag, at = read_varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = read_varint(data, at)
        elif kind == 2:
            size, at = read_varint(data, at)
            value = data[at : at + size]
            at += size
        else:
            size = {1: 8, 5: 4}[kind]
            value = data[at : at + size]
            at += size
        fields[tag >> 3].append(value)
    return fields


def first(fields, number, default=None):
    return fields[number][0] if number in fields else default


def text(fields, number):
    return first(fields, number, b"").decode()


def seconds_of(timestamp):
    value = first(decode(timestamp), 1, 0)
    return value - (1 << 64) if value >> 63 else value


# --- ttrpc ---------------------------------------------------------------------------------------------------------


def frame(stream, kind, data, flags=0, size=None):
    return struct.pack(">IIBB", len(data) if size is None else size, stream, kind, flags) + data


def request(stream, method, payload=b"", service=TASK, timeout_ns=0, metadata=()):
    fields = [(1, service), (2, method), (3, payload)]
    if timeout_ns:
        fields.append((4, timeout_ns))
    fields += [(5, encode([(1, k), (2, v)])) for k, v in metadata]
    return frame(stream, REQUEST, encode(fields))


Answer = collections.namedtuple("Answer", "code text payload")


class Closed(Failure):
    pass


class Connection:
    """One connection. answer() takes the frames that come in until the one that is asked for is there."""

    def __init__(self, address, receive_buffer=0):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(address)
        self.box = bytearray()
        self.answers = {}
        self.stream = -1

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self):
        self.socket.close()

    def next_stream(self):
        self.stream += 2
        return self.stream

    def write(self, data, seconds=30):
        self.socket.settimeout(seconds * SLOW)
        self.socket.sendall(data)

    def send(self, method, fields=(), **more):
        stream = self.next_stream()
        self.write(request(stream, method, encode(fields), **more))
        return stream

    def _take(self):
        """One frame from the box, or None."""
        if len(self.box) < 10:
            return None
        size, stream, kind, flags = struct.unpack(">IIBB", self.box[:10])
        if len(self.box) < 10 + size:
            return None
        data = bytes(self.box[10 : 10 + size])
        del self.box[: 10 + size]
        return stream, kind, flags, data

    def _receive(self, end):
        left = end - time.monotonic()
        check(left > 0, "no answer in time")
        if not select.select([self.socket], [], [], left)[0]:
            raise Failure("no answer in time")
        try:
            data = self.socket.recv(1 << 18)
        except ConnectionResetError:
            data = b""
        if not data:
            raise Closed("the connection was closed")
        self.box += data

    def frames(self, seconds):
        """Every frame that comes, each as (stream, kind, flags, data)."""
        end = time.monotonic() + seconds * SLOW
        while True:
            got = self._take()
            if got:
                yield got
            else:
                self._receive(end)

    def answer(self, stream, seconds=30):
        if stream not in self.answers:
            for got, kind, flags, data in self.frames(seconds):
                equal((kind, flags), (RESPONSE, 0), "kind and flags of a frame on stream %d" % got)
                check(got not in self.answers, "two answers on stream %d" % got)
                fields = decode(data)
                status = decode(first(fields, 1, b""))
                self.answers[got] = Answer(first(status, 1, 0), text(status, 2), first(fields, 2, b""))
                if got == stream:
                    break
        return self.answers.pop(stream)

    def has_answer(self, stream, seconds):
        try:
            self.answers[stream] = self.answer(stream, seconds)
        except Closed:
            raise
        except Failure:
            return False
        return True

    def call(self, method, fields=(), seconds=30, **more):
        return self.answer(self.send(method, fields, **more), seconds)

    def ok(self, method, fields=(), seconds=30, **more):
        """A call that must succeed; its message."""
        got = self.call(method, fields, seconds, **more)
        equal((got.code, got.text), (0, ""), "status of %s %r" % (method, list(fields)[:2]))
        return decode(got.payload)

    def refused(self, code, words, method, fields=(), **more):
        """A call that must fail, with this code and exactly this text (or a compiled pattern)."""
        got = self.call(method, fields, **more)
        self.is_refusal(got, code, words, method)

    @staticmethod
    def is_refusal(got, code, words, what):
        equal(got.code, code, "code of %s (%s)" % (what, got.text))
        if isinstance(words, re.Pattern):
            check(words.search(got.text), "text of %s: %r" % (what, got.text))
        else:
            equal(got.text, words, "text of %s" % what)
        equal(got.payload, b"", "payload beside a status")


# --- events --------------------------------------------------------------------------------------------------------

Event = collections.namedtuple("Event", "topic id exec_id pid status at")


def read_event(topic, e):
    kind = topic.rsplit("/", 1)[1]
    exec_id, pid, status, at = "", 0, 0, None
    if kind == "exit":
        exec_id, pid, status, at = text(e, 2), first(e, 3, 0), first(e, 4, 0), first(e, 5)
    elif kind == "delete":
        pid, status, at, exec_id = first(e, 2, 0), first(e, 3, 0), first(e, 4), text(e, 5)
    elif kind == "create":
        pid = first(e, 6, 0)
    elif kind == "start":
        pid = first(e, 2, 0)
    elif kind.startswith("exec-"):
        exec_id, pid = text(e, 2), first(e, 3, 0)
    return Event(topic, text(e, 1), exec_id, pid, status, at)


class EventServer:
    """containerd's end of the events: accepts, notes, answers."""

    def __init__(self, path, note=None):
        self.path = path
        self.events = []
        self.note = note or (lambda event: self.events.append(event))
        self.paused = threading.Event()
        self.paused.set()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(path)
        self.socket.listen(16)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                s = self.socket.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._serve, args=(s,), daemon=True).start()

    def _serve(self, s):
        box = bytearray()
        while True:
            try:
                data = s.recv(1 << 16)
            except OSError:
                return
            if not data:
                return
            box += data
            while len(box) >= 10:
                size, stream = struct.unpack(">II", box[:8])
                if len(box) < 10 + size:
                    break
                self._one(bytes(box[10 : 10 + size]))
                del box[: 10 + size]
                self.paused.wait()
                try:
                    s.sendall(frame(stream, RESPONSE, b""))
                except OSError:
                    return

    def _one(self, data):
        call = decode(data)
        envelope = decode(first(decode(first(call, 3, b"")), 1, b""))
        body = decode(first(decode(first(envelope, 4, b"")), 2, b""))
        self.note(read_event(text(envelope, 3), body))

    def of(self, id_):
        return [e for e in self.events if e.id == id_]

    def topics(self, id_):
        return [e.topic.rsplit("/", 1)[1] + (":" + e.exec_id if e.exec_id and e.exec_id != id_ else "") for e in self.of(id_)]

    def close(self):
        # Ends the accept() of the thread, which would else take connections of whoever gets this number next.
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


# --- the shim ------------------------------------------------------------------------------------------------------


def read_file(path):
    try:
        with open(path) as f:
            return f.read()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def alive(pid):
    return read_file("/proc/%d/stat" % pid).rpartition(")")[2].split()[:1] not in ([], ["Z"], ["X"])


def children(pid):
    return [int(p) for p in read_file("/proc/%d/task/%d/children" % (pid, pid)).split()]


class Shim:
    """A shim of its own, with `dir` as the directory of its bundles. `template` is a bundle as tools/mkbundle makes it."""

    def __init__(self, directory, template, group=None, note=None):
        self.dir = directory
        self.group = group
        os.makedirs(directory, exist_ok=True)
        with open(os.path.join(template, "config.json")) as f:
            self.config = json.load(f)
        self.config["root"] = {"path": os.path.join(os.path.abspath(template), "rootfs"), "readonly": True}
        self.grpc = os.path.join(directory, "containerd.sock")
        self.events = EventServer(self.grpc + ".ttrpc", note)
        self.address = self.pid = None
        self.known = []

    def bundle(self, id_, args=("/bin/true",), change=None):
        path = os.path.join(self.dir, id_)
        os.makedirs(os.path.join(path, "rootfs"), exist_ok=True)
        config = json.loads(json.dumps(self.config))
        config["process"]["args"] = list(args)
        config["linux"]["cgroupsPath"] = "/test/" + id_
        if self.group:
            config.setdefault("annotations", {})["io.containerd.runc.v2.group"] = self.group
        if change:
            change(config)
        with open(os.path.join(path, "config.json"), "w") as f:
            json.dump(config, f)
        return path

    def environment(self):
        return dict(os.environ, TTRPC_ADDRESS=self.events.path, GRPC_ADDRESS=self.grpc, NAMESPACE=NS, MAX_SHIM_VERSION="2")

    def action(self, id_, *words, cwd=None):
        return subprocess.run(
            [SHIM, "-namespace", NS, "-address", self.grpc, "-publish-binary", "/bin/true", "-id", id_, *words],
            cwd=cwd or os.path.join(self.dir, id_),
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=30 * SLOW,
        )

    def start(self, id_="first", **more):
        """The bundle of `id_` and a server for it. Connections are made by connect()."""
        if not os.path.exists(os.path.join(self.dir, id_, "config.json")):
            self.bundle(id_, **more)
        log = os.path.join(self.dir, id_, "log")
        os.mkfifo(log, 0o700)
        self.log_fd = os.open(log, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        done = self.action(id_, "start")
        equal((done.returncode, done.stderr), (0, b""), "status and errors of start")
        self.address = done.stdout.decode().removeprefix("unix://")
        with self.connect() as c:
            self.pid = first(c.ok("Connect", [(1, id_)]), 1)
        return self

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        """What a failure has left goes, by the way that containerd goes."""
        self.kill()
        for id_ in os.listdir(self.dir):
            if os.path.isdir(os.path.join(self.dir, id_)):
                self.action(id_, "delete")
        os.close(self.log_fd)
        self.events.close()

    def log(self):
        """What it has logged since the last time."""
        try:
            return os.read(self.log_fd, 1 << 16).decode()
        except BlockingIOError:
            return ""

    def kill(self):
        pids = self.processes()
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # a worker leaves when its guardian is gone
        wait_until(10, "the shim is gone", lambda: not any(alive(pid) for pid in pids))

    def connect(self, **more):
        return Connection(self.address, **more)

    def processes(self):
        """The guardian and its worker, or the worker alone. A child that is about to become another program has their
        name for a moment, so it must be seen twice."""
        if not self.known or not all(alive(pid) for pid in self.known):
            seen = self._look()
            time.sleep(0.05)
            self.known = [pid for pid in self._look() if pid in seen]
        return self.known

    def _look(self):
        if not alive(self.pid):
            return []
        return [self.pid] + [pid for pid in children(self.pid) if "shim" in read_file("/proc/%d/comm" % pid)]

    def usage(self):
        """What all of its processes have: KiB of memory of their own, fds, threads."""
        memory = fds = threads = 0
        for pid in self.processes():
            rollup = read_file("/proc/%d/smaps_rollup" % pid)
            memory += sum(int(n) for n in re.findall(r"^(?:Private_Clean|Private_Dirty): +(\d+)", rollup, re.M))
            fds += len(os.listdir("/proc/%d/fd" % pid))
            threads += len(os.listdir("/proc/%d/task" % pid))
        return memory, fds, threads

    def cpu_seconds(self):
        ticks = 0
        for pid in self.processes():
            fields = read_file("/proc/%d/stat" % pid).rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def left(self):
        return not alive(self.pid)

    # Calls that most tests need.

    def create(self, c, id_, args=("/bin/true",), change=None, io=("", "", "", 0), **more):
        return c.ok("Create", self.create_fields(id_, self.bundle(id_, args, change), io), **more)

    @staticmethod
    def create_fields(id_, bundle, io=("", "", "", 0)):
        fields = [(1, id_), (2, bundle)]
        if io[3]:
            fields.append((4, 1))
        return fields + [(5 + i, path) for i, path in enumerate(io[:3]) if path]

    def exec_fields(self, id_, exec_id, args, io=("", "", "", 0)):
        process = dict(self.config["process"], args=list(args), terminal=bool(io[3]))
        spec = encode([(1, PROCESS_URL), (2, json.dumps(process))])
        fields = [(1, id_), (2, exec_id)]
        if io[3]:
            fields.append((3, 1))
        fields += [(4 + i, path) for i, path in enumerate(io[:3]) if path]
        return fields + [(7, spec)]

    def run(self, c, id_, args=("/bin/true",), change=None, io=("", "", "", 0)):
        """Create and start; the pid."""
        self.create(c, id_, args, change, io)
        return first(c.ok("Start", [(1, id_)]), 1)

    def remove(self, c, id_):
        """Kill what runs, wait, delete; the exit status."""
        c.call("Kill", [(1, id_), (3, 9), (4, 1)])
        status = first(c.ok("Wait", [(1, id_)]), 1, 0)
        c.ok("Delete", [(1, id_)])
        return status

    def shutdown(self, c, id_="first"):
        try:
            c.call("Shutdown", [(1, id_), (2, 1)])
        except Closed:
            pass
        wait_until(10, "the shim leaves after Shutdown", self.left)


def main(cases):
    """A test program: `program CASE DIRECTORY TEMPLATE`; without a case, their names."""
    import sys
    import traceback

    if len(sys.argv) < 2:
        print("\n".join(cases))
        return 0
    try:
        cases[sys.argv[1]](*sys.argv[2:])
    except Failure:
        traceback.print_exc()
        return 1
    return 0
