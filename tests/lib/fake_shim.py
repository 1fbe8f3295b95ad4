# SPDX-License-Identifier: Apache-2.0
"""A shim without containers, which does what $FAKE_DIR/plan.json says and writes into $FAKE_DIR/trace what it was asked,
a line each. Each key may be absent:

  start    "plain" (usual), "json", "json3", "proto", "json4", "garbage", "empty", "exit1", "hang", "holdout", "nolisten"
  METHOD   [CODE, TEXT], "hang" or "die"; of a METHOD that it knows
  v3       false: the service of version 3 is not there
  group    one server for all ids
  lingers  true: it leaves when its client has left, not at a Shutdown
  pids     how many processes Pids tells of
  exit     exit status that Delete and `delete` tell
  delete   how often `delete` fails before it works; "hang"
"""
import json
import os
import selectors
import signal
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from shim_client import RESPONSE, decode, encode, first, frame, text  # noqa: E402

DIR = os.environ["FAKE_DIR"]
PID = 4242


def plan():
    try:
        with open(os.path.join(DIR, "plan.json")) as f:
            return json.load(f)
    except FileNotFoundError:
        return {}


def trace(*words):
    fd = os.open(os.path.join(DIR, "trace"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(fd, (" ".join(words) + "\n").encode())
    os.close(fd)


def exit_fields():
    return [(1, PID), (2, plan().get("exit", 7)), (3, encode([(1, 1700000000)]))]


class Server:
    def __init__(self, listener):
        self.selector = selectors.DefaultSelector()
        self.listener = listener
        self.tasks = {}
        self.boxes = {}
        self.selector.register(listener, selectors.EVENT_READ)

    def run(self):
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.listener:
                    s = self.listener.accept()[0]
                    self.boxes[s] = bytearray()
                    self.selector.register(s, selectors.EVENT_READ)
                else:
                    self.read(key.fileobj)

    def read(self, s):
        try:
            data = s.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            trace("closed")
            if plan().get("lingers"):
                os._exit(0)
            self.selector.unregister(s)
            s.close()
            return
        box = self.boxes[s]
        box += data
        while len(box) >= 10:
            size, stream = struct.unpack(">II", box[:8])
            if len(box) < 10 + size:
                break
            call = decode(bytes(box[10 : 10 + size]))
            del box[: 10 + size]
            self.serve(s, stream, call)

    def serve(self, s, stream, call):
        service, method = text(call, 1), text(call, 2)
        fields = decode(first(call, 3, b""))
        id_ = text(fields, 1)
        p = plan()
        wanted = p.get(method)
        trace(method, id_)
        if wanted == "hang":
            return
        if wanted == "die":
            os._exit(1)
        if "v3" in service and not p.get("v3", True):
            wanted = [12, "service " + service]
        if wanted:
            status = encode([(1, wanted[0]), (2, wanted[1])])
            self.send(s, stream, [(1, status)])
            return
        code, answer = self.act(method, id_, p)
        if answer is None and code == 0:
            return
        body = [(2, encode(answer))] if code == 0 else [(1, encode([(1, code), (2, answer)]))]
        self.send(s, stream, body)
        if method == "Shutdown" and not self.tasks and not p.get("lingers"):
            os._exit(0)

    @staticmethod
    def send(s, stream, body):
        try:
            s.sendall(frame(stream, RESPONSE, encode(body)))
        except OSError:
            pass  # its client has died, which is none of ours

    def act(self, method, id_, p):
        missing = (5, "task %s: not found" % id_)
        if method == "Create":
            self.tasks[id_] = 1
            return 0, [(1, PID)]
        if method in ("Connect", "Shutdown"):
            return 0, [(1, os.getpid()), (2, PID)] if method == "Connect" else []
        if id_ not in self.tasks and not p.get("any"):
            return missing
        if method == "Start":
            self.tasks[id_] = 2
            return 0, [(1, PID)]
        if method == "Kill":
            self.tasks[id_] = 3
            return 0, []
        if method == "State":
            return 0, [(1, id_), (3, PID), (4, self.tasks.get(id_, 2))]
        if method == "Pids":
            return 0, [(1, encode([(1, PID + i)])) for i in range(p.get("pids", 1))]
        if method == "Delete":
            if self.tasks.get(id_) == 2:
                return 9, "cannot delete a running process: failed precondition"
            self.tasks.pop(id_, None)
            return 0, exit_fields()
        if method == "Wait":
            return 0, None
        return 12, "method " + method


def serve(path):
    """In a process of its own that holds nothing of its maker's."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(64)
    if os.fork() > 0:
        return
    os.setsid()
    null = os.open("/dev/null", os.O_RDWR)
    for fd in range(3):
        os.dup2(null, fd)
    try:
        Server(listener).run()
    finally:
        os._exit(1)


def listens(path):
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.connect(path)
        return True
    except OSError:
        return False


def start(id_, options):
    p = plan()
    how = p.get("start", "plain")
    path = os.path.join(DIR, ("group" if p.get("group") else id_[:16]) + ".sock")
    trace("start", id_, "stdin=" + options.hex())
    if how == "hang":
        signal.pause()
    if how == "exit1":
        sys.stderr.write("no luck today\n")
        return 1
    if how == "holdout":
        if os.fork() == 0:
            signal.pause()
            os._exit(0)
    address = "unix://" + path
    with open("address", "w") as f:
        f.write(address)
    if how not in ("garbage", "empty", "nolisten") and not listens(path):
        if os.path.exists(path):
            os.unlink(path)
        serve(path)
    answers = {
        "garbage": b"\x01\x02 this is no \xff answer",
        "empty": b"",
        "json": b'{"version":2,"address":"%s","protocol":"ttrpc"}' % address.encode(),
        "json3": b'{"version":3,"address":"%s","protocol":"ttrpc"}' % address.encode(),
        "json4": b'{"version":4,"address":"%s","protocol":"ttrpc"}' % address.encode(),
        "proto": encode([(1, 3), (2, address), (3, "ttrpc")]),
    }
    os.write(1, answers.get(how, address.encode() + b"\n"))
    return 0


def delete(id_):
    p = plan()
    trace("delete", id_, "bundle" if os.path.exists("config.json") else "no-bundle")
    if p.get("delete") == "hang":
        signal.pause()
    with open(os.path.join(DIR, "trace")) as f:
        before = f.read().count("delete %s " % id_)
    if before <= p.get("delete", 0):
        sys.stderr.write("not yet\n")
        return 1
    os.write(1, encode(exit_fields()))
    return 0


def main():
    words = sys.argv[1:]
    id_ = words[words.index("-id") + 1]
    if words[-1] == "start":
        return start(id_, sys.stdin.buffer.read())
    if words[-1] == "delete":
        return delete(id_)
    return 2


if __name__ == "__main__":
    sys.exit(main())
