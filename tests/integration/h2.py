# A client of HTTP/2 and gRPC that can do what no library lets one do: its frames are made by hand, and it waits for
# windows only when asked to. What the server says is unpacked by libnghttp2, the one thing that needs a table.
import ctypes
import os
import socket
import struct
import time

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, END_HEADERS, ACK = 1, 4, 1
VERSION = "/containerd.services.version.v1.Version/Version"
PLUGINS = "/containerd.services.introspection.v1.Introspection/Plugins"
CONTAINER_GET = "/containerd.services.containers.v1.Containers/Get"
CONTAINER_LIST = "/containerd.services.containers.v1.Containers/List"
NAMESPACE_CREATE = "/containerd.services.namespaces.v1.Namespaces/Create"
SUBSCRIBE = "/containerd.services.events.v1.Events/Subscribe"
PUBLISH = "/containerd.services.events.v1.Events/Publish"
CONTENT_WRITE = "/containerd.services.content.v1.Content/Write"
CONTENT_LIST = "/containerd.services.content.v1.Content/List"
WATCH = "/grpc.health.v1.Health/Watch"
SLOW = float(os.environ.get("TEST_SLOW", "1"))


# ---- protobuf, as much as is needed ----

def varint(n):
    out = b""
    while n >= 128:
        out += bytes([n % 128 + 128])
        n //= 128
    return out + bytes([n])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def message(body=b"", flag=0):
    return bytes([flag]) + struct.pack(">I", len(body)) + body


def fields(body):
    """[(number, value)]"""
    out, at = [], 0

    def number():
        nonlocal at
        n = shift = 0
        while True:
            b = body[at]
            at += 1
            n |= (b & 127) << shift
            shift += 7
            if b < 128:
                return n

    while at < len(body):
        key = number()
        if key & 7 == 2:
            size = number()
            out.append((key >> 3, body[at:at + size]))
            at += size
        else:
            out.append((key >> 3, number()))
    return out


# ---- frames ----

def frame(kind, flags, stream, body=b""):
    return struct.pack(">I", len(body))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + body


def string(value):
    value = value.encode() if isinstance(value, str) else value
    if len(value) < 127:
        return bytes([len(value)]) + value
    return b"\x7f" + varint(len(value) - 127) + value


def header(name, value):
    """A literal one that enters no table."""
    return b"\0" + string(name) + string(value)


def block(path, *more, ns="tests"):
    out = b"\x83\x86" + header(":authority", "localhost") + header(":path", path) + \
        header("content-type", "application/grpc") + header("te", "trailers")
    if ns is not None:
        out += header("containerd-namespace", ns)
    return out + b"".join(header(n, v) for n, v in more)


class Pair(ctypes.Structure):
    _fields_ = [("name", ctypes.POINTER(ctypes.c_char)), ("value", ctypes.POINTER(ctypes.c_char)),
                ("namelen", ctypes.c_size_t), ("valuelen", ctypes.c_size_t), ("flags", ctypes.c_uint8)]


class Inflater:
    lib = ctypes.CDLL("libnghttp2.so.14")
    lib.nghttp2_hd_inflate_hd2.restype = ctypes.c_ssize_t

    def __init__(self):
        self.it = ctypes.c_void_p()
        assert self.lib.nghttp2_hd_inflate_new(ctypes.byref(self.it)) == 0

    def __del__(self):
        self.lib.nghttp2_hd_inflate_del(self.it)

    def read(self, data):
        out, nv, flags = {}, Pair(), ctypes.c_int()
        while True:
            n = self.lib.nghttp2_hd_inflate_hd2(self.it, ctypes.byref(nv), ctypes.byref(flags), data,
                                                ctypes.c_size_t(len(data)), 1)
            assert n >= 0, n
            data = data[n:]
            if flags.value & 2:
                out[nv.name[:nv.namelen].decode()] = nv.value[:nv.valuelen]
            if flags.value & 1:
                self.lib.nghttp2_hd_inflate_end_headers(self.it)
                return out


class Stream:
    def __init__(self):
        self.headers, self.data, self.ended, self.reset = {}, bytearray(), False, None

    status = property(lambda self: int(self.headers["grpc-status"]) if "grpc-status" in self.headers else None)

    @property
    def text(self):
        raw, out, at = self.headers.get("grpc-message", b""), b"", 0
        while at < len(raw):
            if raw[at:at + 1] == b"%":
                out += bytes([int(raw[at + 1:at + 3], 16)])
                at += 3
            else:
                out += raw[at:at + 1]
                at += 1
        return out

    def messages(self):
        out, at = [], 0
        while at + 5 <= len(self.data):
            size = int.from_bytes(self.data[at + 1:at + 5], "big")
            if at + 5 + size > len(self.data):
                break
            out.append(bytes(self.data[at + 5:at + 5 + size]))
            at += 5 + size
        return out


class Conn:
    """windows: what the server may send on a stream, and on the connection, before it is told of more; None: all."""

    def __init__(self, path, stream_window=None, connection_window=None, say=True):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.connect(path)  # without a timeout: with one, a full backlog is an error
        self.s.settimeout(30 * SLOW)
        self.next, self.inflater, self.box, self.streams = 1, Inflater(), b"", {}
        self.settings, self.goaway, self.pongs, self.closed = None, None, 0, False
        self.send_window, self.stream_windows = 65535, {}
        self.give = stream_window is None
        if say:
            grow = 0x3f000000 if connection_window is None else connection_window
            window = 0x3f000000 if stream_window is None else stream_window
            self.send(PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", 4, window)) +
                      (frame(WINDOW, 0, 0, struct.pack(">I", grow)) if grow else b""))

    def send(self, data):
        try:
            self.s.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            self.closed = True

    def one(self, timeout=None):
        """Read one frame; False at the end of the connection, None after the timeout."""
        while True:
            if len(self.box) >= 9:
                size = int.from_bytes(self.box[:3], "big")
                if len(self.box) >= 9 + size:
                    break
            if timeout is not None:
                self.s.settimeout(timeout)
            try:
                more = self.s.recv(1 << 18)
            except (BlockingIOError, socket.timeout):
                if timeout is None:
                    raise
                return None
            except ConnectionResetError:
                more = b""
            finally:
                self.s.settimeout(30 * SLOW)
            if not more:
                self.closed = True
                return False
            self.box += more
        kind, flags, stream = self.box[3], self.box[4], int.from_bytes(self.box[5:9], "big")
        body, self.box = self.box[9:9 + size], self.box[9 + size:]
        self.took(kind, flags, stream, body)
        return True

    def took(self, kind, flags, number, body):
        stream = self.streams.get(number)
        if kind == SETTINGS and not flags & ACK:
            self.settings = {struct.unpack(">HI", body[i:i + 6]) for i in range(0, len(body), 6)}
            self.send(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self.send(frame(PING, ACK, 0, body))
        elif kind == PING:
            self.pongs += 1
        elif kind == GOAWAY:
            self.goaway = struct.unpack(">II", body[:8])
        elif kind == WINDOW and number == 0:
            self.send_window += int.from_bytes(body, "big")
        elif kind == WINDOW:
            self.stream_windows[number] = self.stream_windows.get(number, 0) + int.from_bytes(body, "big")
        elif kind == HEADERS:
            assert flags & END_HEADERS
            got = self.inflater.read(body)
            if stream:
                stream.headers.update(got)
        elif kind == DATA and stream:
            stream.data += body
        elif kind == RST and stream:
            stream.reset = int.from_bytes(body, "big")
            stream.ended = True
        if stream and kind in (HEADERS, DATA) and flags & END_STREAM:
            stream.ended = True

    def begin(self, path, *more, ns="tests", flags=END_HEADERS):
        number = self.next
        self.next += 2
        self.streams[number] = Stream()
        self.send(frame(HEADERS, flags, number, block(path, *more, ns=ns)))
        return number

    def call(self, path, body=b"", *more, ns="tests"):
        """Send a whole request; the number of its stream."""
        number = self.next
        self.next += 2
        self.streams[number] = Stream()
        body = message(body)
        parts = [frame(DATA, 0, number, body[i:i + 16384]) for i in range(0, len(body) - 16384, 16384)]
        last = body[len(parts) * 16384:]
        self.send(frame(HEADERS, END_HEADERS, number, block(path, *more, ns=ns)) + b"".join(parts) +
                  frame(DATA, END_STREAM, number, last))
        return number

    def end(self, number, keep=False):
        """Read until the stream ends."""
        stream = self.streams[number]
        while not stream.ended and self.one():
            pass
        if not keep:
            del self.streams[number]
        return stream

    def ask(self, path, body=b"", *more, ns="tests"):
        return self.end(self.call(path, body, *more, ns=ns))

    def until(self, condition, seconds=30):
        end = time.monotonic() + seconds * SLOW
        while not condition() and not self.closed:
            assert time.monotonic() < end, "did not come true"
            self.one(0.05)
        return condition()

    def sync(self):
        """All that was sent is dealt with."""
        want = self.pongs + 1
        self.send(frame(PING, 0, 0, b"syncsync"))
        assert self.until(lambda: self.pongs >= want), "no answer to a PING"

    def put(self, number, body, end=True, size=16384):
        """A body by frames of that size, as the server's windows allow."""
        at = 0
        initial = dict(self.settings or []).get(4, 65535)
        while at < len(body):
            while True:
                room = min(self.send_window, initial + self.stream_windows.get(number, 0))
                if room > 0 or self.streams[number].ended or self.closed:
                    break
                self.one()
            if self.closed or self.streams[number].ended:
                return False
            part = body[at:at + min(room, 1 << 20)]
            if size == 1:
                out = bytearray((b"\0\0\1\0\0" + struct.pack(">I", number) + b"\0") * len(part))
                out[9::10] = part
            else:
                out = b"".join(frame(DATA, 0, number, part[i:i + size]) for i in range(0, len(part), size))
            self.send(bytes(out))
            at += len(part)
            self.send_window -= len(part)
            self.stream_windows[number] = self.stream_windows.get(number, 0) - len(part)
            while self.one(0):
                pass
        if end:
            self.send(frame(DATA, END_STREAM, number))
        return True

    def close(self):
        self.s.close()


class Publisher:
    """Publishes an event many times, as fast as it can: its answers are counted, not read."""

    def __init__(self, path, event):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.connect(path)
        self.s.settimeout(30 * SLOW)
        self.s.sendall(PREFACE + frame(SETTINGS, 0, 0) + frame(WINDOW, 0, 0, b"\x3f\0\0\0"))
        self.head, self.body = block(PUBLISH), message(event)
        self.next, self.box, self.answered, self.room, self.sent = 1, b"", 0, 65535, 0

    def read(self):
        more = self.s.recv(1 << 18)
        assert more, "the connection has ended"
        self.box, at = self.box + more, 0
        while at + 9 <= len(self.box):
            size = int.from_bytes(self.box[at:at + 3], "big")
            if at + 9 + size > len(self.box):
                break
            kind, flags = self.box[at + 3], self.box[at + 4]
            assert kind not in (RST, GOAWAY), "an event was refused"
            self.answered += kind == HEADERS and flags & END_STREAM
            if kind == WINDOW and self.box[at + 5:at + 9] == b"\0\0\0\0":
                self.room += int.from_bytes(self.box[at + 9:at + 13], "big")
            at += 9 + size
        self.box = self.box[at:]

    def close(self):
        self.s.close()

    def publish(self, count):
        for _ in range(count):
            while self.room < len(self.body) or self.sent - self.answered >= 200:
                self.read()
            parts = [self.body[i:i + 16384] for i in range(0, len(self.body), 16384)]
            self.s.sendall(frame(HEADERS, END_HEADERS, self.next, self.head) + b"".join(
                frame(DATA, END_STREAM if i == len(parts) - 1 else 0, self.next, part) for i, part in enumerate(parts)))
            self.room -= len(self.body)
            self.next += 2
            self.sent += 1
        while self.answered < self.sent:
            self.read()


# ---- the server's process ----

class Process:
    def __init__(self, pid):
        self.pid = pid

    def memory(self):
        """KiB of its own."""
        with open("/proc/%d/smaps_rollup" % self.pid) as f:
            return sum(int(line.split()[1]) for line in f if line.startswith(("Private_Clean", "Private_Dirty")))

    def fds(self):
        return len(os.listdir("/proc/%d/fd" % self.pid))

    def cpu(self):
        """Seconds."""
        with open("/proc/%d/stat" % self.pid) as f:
            rest = f.read().rsplit(") ", 1)[1].split()
        return (int(rest[11]) + int(rest[12])) / os.sysconf("SC_CLK_TCK")
