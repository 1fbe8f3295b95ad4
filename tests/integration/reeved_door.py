#!/usr/bin/env python3
# What hostile, slow and many clients may do to the gRPC door: reeved_door.py SOCKET PID TEST. Each test ends with a good
# call on another connection, and with what the process holds beyond what it held before.
import hashlib
import os
import random
import signal
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from h2 import *  # noqa: E402,F403

path, process = sys.argv[1], Process(int(sys.argv[2]))
MIB = 1 << 20


def good(watch=None):
    """Another client is answered; how long that took."""
    began = time.monotonic()
    c = watch or Conn(path)
    got = c.ask(VERSION)
    assert got.status == 0 and got.messages(), got.headers
    if not watch:
        c.close()
    return time.monotonic() - began


def settle(check, seconds=20):
    end = time.monotonic() + seconds * SLOW
    while not check():
        assert time.monotonic() < end, "did not come true"
        good()


class Held:
    """What the process holds at the end must be what it held before, and little more than that meanwhile."""

    def __init__(self, most_kib=None):
        for _ in range(3):
            good()
        self.most, self.kib, self.fds, self.peak = most_kib, process.memory(), process.fds(), 0

    def look(self):
        self.peak = max(self.peak, process.memory() - self.kib)

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        if kind:
            return
        self.look()
        assert self.most is None or self.peak < self.most, "%d KiB were held" % self.peak
        settle(lambda: process.fds() <= self.fds)
        # The C library keeps some of what it had.
        settle(lambda: process.memory() - self.kib < 12 * 1024)


def wait_calls(c):
    """10,000 calls that stay open, as many Waits do."""
    calls = []
    for i in range(10000):
        calls.append(c.call(WATCH))
        if i % 200 == 0:
            c.sync()
    c.until(lambda: c.streams[calls[-1]].data)
    return calls


def many():
    with Held():
        before = process.memory()
        c = Conn(path)
        calls = wait_calls(c)
        assert all(len(c.streams[n].messages()) == 1 and not c.streams[n].ended for n in calls)
        each = (process.memory() - before) / len(calls)
        print("%.2f KiB for each of %d calls" % (each, len(calls)))
        assert each < 2, each
        other = Conn(path)
        slow = max(good(other) for _ in range(100))
        assert slow < 1 * SLOW, slow
        for n in calls[::2]:
            c.send(frame(RST, 0, n, struct.pack(">I", 8)))
        c.sync()
        assert not any(c.streams[n].ended for n in calls[1::2])
        assert good(c) < 1 * SLOW
        c.close()
        other.close()


# ---- events ----

def subscribe(c):
    n = c.call(SUBSCRIBE, ns=None)
    c.sync()
    return n


def publisher(size):
    return Publisher(path, field(1, "/tests/x") + field(2, field(1, "tests.Event") + field(2, b"x" * size)))


def cut_off_by(size, events, at_most):
    """A subscriber that takes nothing is cut off; another one misses nothing."""
    with Held(40 * 1024) as held:
        slow, fast = Conn(path, 0, 0), Conn(path)
        mine, theirs = subscribe(slow), subscribe(fast)
        teller, sent, step = publisher(size), 0, 100 if size > 1000 else 2000
        while sent < events:
            teller.publish(step)
            sent += step
            fast.until(lambda: len(fast.streams[theirs].data) >= sent * size)
            held.look()
        # It was let go already, and hears of it as soon as it reads.
        assert held.peak > 512, held.peak
        settle(lambda: process.memory() - held.kib < 6 * 1024)
        teller.publish(50)
        slow.send(frame(WINDOW, 0, mine, struct.pack(">I", 0x3f000000)) + frame(WINDOW, 0, 0, struct.pack(">I", 0x3f000000)))
        got = slow.end(mine)
        assert got.status == 14 and b"not read fast enough" in got.text, (got.headers, got.reset)
        assert len(got.messages()) < at_most
        assert len(got.messages()) * (size + 50) <= len(got.data) + 50, "what came ends inside of an event"
        fast.until(lambda: fast.streams[theirs].data.count(b"tests.Event") == sent + 50)
        fast.sync()
        assert len(fast.streams[theirs].messages()) == sent + 50
        for c in (slow, fast, teller):
            c.close()


def slow_bytes():
    cut_off_by(60000, 500, 280)


def slow_events():
    cut_off_by(10, 68000, 66000)


def slow_many():
    """Twenty that take nothing, with 8 MiB each, do not get more than a few have."""
    with Held(160 * 1024) as held:
        slow = [Conn(path, 0, 0) for _ in range(20)]
        fast = Conn(path)
        mine, theirs = [subscribe(c) for c in slow], subscribe(fast)
        teller = publisher(60000)
        for i in range(5, 150, 5):
            teller.publish(5)
            fast.until(lambda: len(fast.streams[theirs].data) > i * 60000)
            held.look()
        for c, n in zip(slow, mine):
            c.send(frame(WINDOW, 0, n, struct.pack(">I", 0x3f000000)) + frame(WINDOW, 0, 0, struct.pack(">I", 0x3f000000)))
        cut = 0
        for c, n in zip(slow, mine):
            c.until(lambda: c.streams[n].ended or len(c.streams[n].data) > 145 * 60000)
            cut += c.streams[n].status == 14
            c.close()
        assert 5 <= cut < 20, cut
        fast.close()
        teller.close()


# ---- sizes ----

def padded(size):
    """A request of Containers.Get of exactly that many bytes."""
    body = field(1, "x" * (size - 5))
    assert len(body) == size, len(body)
    return body


def largest():
    with Held(80 * 1024):
        for size, frames in ((16 * MIB, 16384), (16 * MIB, 1), (16 * MIB, 16383)):
            c = Conn(path)
            c.until(lambda: c.settings)
            n = c.begin(CONTAINER_GET)
            assert c.put(n, message(padded(size)), size=frames)
            got = c.end(n)
            assert got.status == 5 and b"not found" in got.text, (got.headers, got.text[:200])
            c.close()
        for frames in (16384, 1):
            c = Conn(path)
            c.until(lambda: c.settings)
            n = c.begin(CONTAINER_GET)
            c.put(n, message(padded(16 * MIB + 1))[:MIB], end=False, size=frames)
            got = c.end(n)
            assert got.status == 8, got.headers
            assert got.text == b"grpc: received message larger than max (16777217 vs. 16777216)", got.text
            assert good(c) < 5 * SLOW
            c.close()


# ---- ends ----

def resets():
    """Calls of all shapes are given up after any number of bytes."""
    rng = random.Random(os.environ.get("SEED", "1"))
    write = field(1, 1) + field(2, "ref") + field(6, b"y" * 100)
    calls = [(VERSION, b""), (CONTAINER_LIST, b""), (WATCH, b""), (SUBSCRIBE, field(1, "topic~=/x/")), (CONTENT_LIST, b""),
             (CONTENT_WRITE, write), (PUBLISH, field(1, "/a/b")), ("/no.Service/None", b"")]
    with Held(32 * 1024):
        for close in (False, True):
            c = Conn(path)
            for i in range(1500):
                where, body = rng.choice(calls)
                n = c.next
                c.next += 2
                c.streams[n] = Stream()
                head = frame(HEADERS, END_HEADERS, n, block(where))
                data = message(body)
                cut = rng.randrange(len(data) + 1)
                data = [frame(DATA, 0, n, data[:cut]), frame(DATA, END_STREAM if rng.random() < 0.5 else 0, n, data[cut:])]
                out = head + b"".join(data[:rng.randrange(3)])
                if close and i % 30 == 29:
                    # The end comes inside of a frame as well.
                    c.send(out[:rng.randrange(len(out) + 1)])
                    c.close()
                    c = Conn(path)
                    continue
                c.send(out + frame(RST, 0, n, struct.pack(">I", rng.choice((0, 5, 8)))))
                if i % 50 == 49:
                    c.streams.clear()
                    good(c)
            good(c)
            c.close()


def drain():
    """SIGTERM: who has calls in progress hears of it in order. The process ends; the caller looks."""
    idle, busy, deaf = Conn(path), Conn(path), Conn(path)
    for c in (idle, busy, deaf):
        c.sync()
    events, writing = subscribe(busy), busy.begin(CONTENT_WRITE)
    busy.sync()
    subscribe(deaf)
    os.kill(process.pid, signal.SIGTERM)
    assert idle.until(lambda: idle.goaway) or idle.closed
    got = busy.end(events)
    assert got.status == 14, got.headers
    assert busy.end(writing).status == 14
    assert busy.goaway and busy.goaway[1] == 0, busy.goaway
    while busy.one():
        pass
    while idle.one():
        pass


# ---- floods ----

def flood(what, make, seconds=2, most=16 * 1024):
    """Bytes without end: the process holds little, and another client is answered."""
    with Held(most) as held:
        other, longest, sent = Conn(path), 0, 0
        end = time.monotonic() + seconds
        i = connections = 0
        began, cpu = time.monotonic(), process.cpu()
        while time.monotonic() < end:
            c = Conn(path)
            c.s.setblocking(False)
            connections += 1
            box = b""
            while time.monotonic() < end and not c.closed:
                if not box:
                    box = make(c, i)
                    i += 1
                try:
                    n = c.s.send(box)
                    sent += n
                    box = box[n:]
                except BlockingIOError:
                    pass
                except (BrokenPipeError, ConnectionResetError):
                    break
                while c.one(0):
                    c.s.setblocking(False)
                c.s.setblocking(False)
                longest = max(longest, good(other))
            held.look()
            c.close()
        print("%s: %d connections, %.1f MiB sent, %d KiB held at most, slowest answer to others %d ms, %.1f of a processor" % (
            what, connections, sent / MIB, held.peak, longest * 1000, (process.cpu() - cpu) / (time.monotonic() - began)))
        assert longest < 2 * SLOW, longest
        other.close()


def odd(c):
    c.next += 2
    return c.next - 2


def floods():
    rng = random.Random(2)
    hello = block(CONTAINER_LIST)
    bomb = hello + b"\x40\x01a" + string(b"b" * 4000) + b"\xbe" * 12000
    flood("PING", lambda c, i: frame(PING, 0, 0, b"12345678") * 2000)
    flood("SETTINGS", lambda c, i: frame(SETTINGS, 0, 0, b"\0\3\0\0\0\x64") * 2000)
    flood("SETTINGS with a window that changes", lambda c, i: frame(SETTINGS, 0, 0, struct.pack(">HI", 4, i % 60000 + 1)) * 100)
    flood("RST_STREAM", lambda c, i: b"".join(
        frame(HEADERS, END_HEADERS, n, hello) + frame(RST, 0, n, b"\0\0\0\x08") for n in (odd(c) for _ in range(500))))
    flood("calls that are given up", lambda c, i: b"".join(
        frame(HEADERS, END_HEADERS, n, hello) + frame(DATA, END_STREAM, n, message()) + frame(RST, 0, n, b"\0\0\0\x08")
        for n in (odd(c) for _ in range(200))))
    flood("CONTINUATION", lambda c, i: frame(HEADERS, 0, odd(c), hello) + frame(CONTINUATION, 0, c.next - 2, header("a", "b" * 9)) * 1000)
    flood("empty CONTINUATION", lambda c, i: frame(HEADERS, 0, odd(c), hello) + frame(CONTINUATION, 0, c.next - 2) * 1000)
    flood("HPACK bomb", lambda c, i: frame(HEADERS, END_HEADERS | END_STREAM, odd(c), bomb))
    flood("long paths of open calls", lambda c, i: frame(HEADERS, END_HEADERS, odd(c), block("/" + "p" * 16000)), most=100 * 1024)
    flood("open calls", lambda c, i: b"".join(frame(HEADERS, END_HEADERS, odd(c), hello) for _ in range(200)), most=100 * 1024)
    flood("empty DATA", lambda c, i: frame(HEADERS, END_HEADERS, odd(c), hello) + frame(DATA, 0, c.next - 2) * 1000)
    flood("WINDOW_UPDATE", lambda c, i: frame(WINDOW, 0, 0, b"\0\0\0\1") * 2000)
    flood("PRIORITY", lambda c, i: b"".join(frame(PRIORITY, 0, rng.randrange(1, 1 << 31), b"\0\0\0\0\x10") for _ in range(1000)))
    flood("unknown frames", lambda c, i: frame(0xbe, 0, 0, b"x" * 10000))
    flood("messages that never end", lambda c, i: frame(HEADERS, END_HEADERS, odd(c), hello) +
          frame(DATA, 0, c.next - 2, b"\0\0\xff\xff\xff" + b"x" * 16000), most=100 * 1024)


def fuzz():
    """Headers and frames of any bytes, from a seed."""
    rng = random.Random(os.environ.get("SEED", "3"))
    with Held(32 * 1024):
        for _ in range(1500):
            c = Conn(path)
            out = b""
            for _ in range(rng.randrange(1, 6)):
                kind = rng.randrange(12)
                body = rng.choice((block(VERSION), block(CONTAINER_LIST), rng.randbytes(rng.randrange(60)), b""))
                body = bytearray(body)
                for _ in range(rng.randrange(4)):
                    if body:
                        body[rng.randrange(len(body))] = rng.randrange(256)
                stream = rng.choice((0, 1, 1, 1, 3, 2, rng.randrange(1 << 31)))
                out += frame(kind, rng.choice((0, 1, 4, 5, 8, 0x20, rng.randrange(256))), stream, bytes(body))
            c.send(out[:rng.randrange(len(out) + 1)] if rng.random() < 0.3 else out)
            c.one(0)
            c.close()
        good()


# ---- words ----

def texts():
    """A text goes to the client as it is, whatever is in it."""
    rng = random.Random(4)
    rows = ["/plain", "/100% %41 %zz %", "/tab\there", "/new\nline\r\n", "/\u00e9\u00df\u20ac\U0001f600", "/\x7f\x01", "/\"q\" 'q' \\ ~", "/" + "\u20ac" * 60]
    for _ in range(300):
        rows.append("/" + "".join(chr(rng.choice((rng.randrange(1, 128), rng.randrange(128, 0xd800), rng.randrange(0xe000, 0x110000))))
                                  for _ in range(rng.randrange(1, 30))))
    c = Conn(path)
    for row in rows:
        body = field(1, field(1, "n") + field(2, field(1, "k\x01" + row) + field(2, "v" * 5000)))
        got = c.ask(NAMESPACE_CREATE, body)
        assert got.status == 3, got.headers
        assert all(0x20 <= b < 0x7f for b in got.headers["grpc-message"]), got.headers
        decoded = got.text.decode()  # it is text again
        assert "label key and value" in decoded, decoded
        start = decoded.index("key: ") + 5
        assert decoded[start:].startswith(("k\x01" + row)[:10]), (row, decoded)
    # A text that is too long is cut between two characters.
    for c2 in ("\u20ac", "\U0001f600", "\u00e9", "a", "%"):
        for shift in range(4):
            got = c.ask(CONTAINER_LIST, field(1, "x" * shift + ",=" + c2 * 2000))
            assert got.status == 3, got.headers
            assert len(got.headers["grpc-message"]) <= 4096
            got.text.decode()


# ---- what is there ----

def plugins():
    c = Conn(path)
    got = c.ask(PLUGINS, ns=None)
    rows = [dict(fields(row)) for _, row in fields(got.messages()[0])]
    assert len(rows) > 10
    for row in rows:
        got = c.ask(PLUGINS.replace("Plugins", "PluginInfo"), field(1, row[1]) + field(2, row[2]), ns=None)
        assert got.status == 0, got.headers
        assert dict(fields(dict(fields(got.messages()[0]))[1])) == row
    got = c.ask(PLUGINS.replace("Plugins", "PluginInfo"), field(1, "no") + field(2, "none"), ns=None)
    assert got.status == 5 and got.text.startswith(b"plugin no.none not found"), got.headers
    got = c.ask(PLUGINS.replace("Plugins", "PluginInfo"), field(1, rows[0][1]) + field(2, rows[0][2]) + field(3, field(1, "x")), ns=None)
    assert got.status == 12, got.headers
    c.close()


# ---- what takes long ----

SNAPSHOTS = "/containerd.services.snapshots.v1.Snapshots/"


def held_up(c, call, gate, what):
    """The call waits for a helper, which waits at a gate; others are answered meanwhile. Then the gate opens."""
    settle(lambda: os.path.exists(gate + ".waits"))
    for _ in range(20):
        good()
    assert not c.streams[call].ended, what
    os.unlink(gate + ".waits")
    with open(gate, "w"):
        pass
    got = c.end(call)
    os.unlink(gate)
    return got


def helpers():
    """argv[4] is the gate at which each helper waits."""
    gate = sys.argv[4]
    c = Conn(path)

    def snapshot(method, body):
        return c.call(SNAPSHOTS + method, field(1, "overlayfs") + body)

    got = c.end(snapshot("Prepare", field(2, "big")))
    assert got.status == 0, got.headers
    source = dict(fields(dict(fields(got.messages()[0]))[1]))[2].decode()
    for i in range(1500):
        open("%s/%d" % (source, i), "w").close()
    got = held_up(c, snapshot("Usage", field(2, "big")), gate, "usage")
    assert got.status == 0 and dict(fields(got.messages()[0]))[2] == 1501, got.messages()
    got = held_up(c, snapshot("Commit", field(2, "done") + field(3, "big")), gate, "commit")
    assert got.status == 0, got.headers
    got = c.end(snapshot("Usage", field(2, "done")))
    assert dict(fields(got.messages()[0]))[2] == 1501
    # The record is gone at once, the files when the helper may.
    assert c.end(snapshot("Remove", field(2, "done"))).status == 0
    settle(lambda: os.path.exists(gate + ".waits"))
    assert c.end(snapshot("Stat", field(2, "done"))).status == 5
    assert os.path.exists(source)
    os.unlink(gate + ".waits")
    open(gate, "w").close()
    settle(lambda: not os.path.exists(source))
    os.unlink(gate)
    # A blob, and the same given up in the middle and begun again.
    for leave in (True, False):
        c.until(lambda: c.settings)
        n = c.begin(CONTENT_WRITE)
        c.put(n, message(field(1, 1) + field(2, "ref") + field(6, b"z" * (8 << 20))), end=False)
        c.put(n, message(field(1, 2) + field(5, 8 << 20)), end=False)
        if not leave:
            got = held_up(c, n, gate, "content")
            assert got.status == 0 and len(got.messages()) == 2, got.headers
            continue
        settle(lambda: os.path.exists(gate + ".waits"))
        other = c.begin(CONTENT_WRITE)
        c.put(other, message(field(1, 1) + field(2, "ref") + field(6, b"y")))
        assert c.end(other).status == 14, "a second writer of the same"
        c.send(frame(RST, 0, n, struct.pack(">I", 8)))
        c.sync()
        os.unlink(gate + ".waits")
        open(gate, "w").close()
        settle(lambda: c.end(c.call("/containerd.services.content.v1.Content/Abort", field(1, "ref"))).status == 0)
        os.unlink(gate)
    c.close()


def resume():
    """A write of 200 MB by somebody who has gone is gone on with: all of it is read again, and others are answered before.
    What is answered comes in order by one connection, so that no clock is needed."""
    size, ingest = 200 * MIB, sys.argv[4]
    c = Conn(path)
    c.until(lambda: c.settings)
    n = c.begin(CONTENT_WRITE)
    c.put(n, message(field(1, 1) + field(2, "resume") + field(6, b"begun")), end=False)
    assert c.until(lambda: c.streams[n].messages())
    c.send(frame(RST, 0, n, struct.pack(">I", 8)))
    c.sync()
    os.truncate(os.path.join(ingest, hashlib.sha256(b"tests\0resume").hexdigest()), size)
    total = hashlib.sha256(b"begun" + bytes(size - 5)).hexdigest()
    n, refused, other = c.next, c.next + 2, c.next + 4
    c.next += 6
    for number in (n, refused, other):
        c.streams[number] = Stream()
    last = message(field(1, 2) + field(4, "sha256:" + total) + field(5, size))
    c.send(frame(HEADERS, END_HEADERS, n, block(CONTENT_WRITE)) + frame(DATA, 0, n, message(field(2, "resume"))) +
           frame(DATA, END_STREAM, n, last) +  # put off until the first is answered
           frame(HEADERS, END_HEADERS, refused, block(CONTENT_WRITE)) + frame(DATA, END_STREAM, refused, message(field(2, "resume"))) +
           frame(HEADERS, END_HEADERS, other, block(VERSION)) + frame(DATA, END_STREAM, other, message()))
    while not c.streams[n].messages() and not c.streams[n].ended and c.one():
        pass
    assert c.streams[other].ended and c.streams[other].messages(), "nobody was answered meanwhile"
    assert c.streams[refused].ended and c.streams[refused].status == 14, "a second writer of the same"
    got = c.end(n)
    assert got.status == 0, got.headers
    said = [dict(fields(m)) for m in got.messages()]
    assert [m.get(4) for m in said] == [size, size], said
    assert [m[6] for m in said] == [b"sha256:" + total.encode()] * 2, said
    # The same once more, by one who leaves in the middle.
    n = c.begin(CONTENT_WRITE)
    c.put(n, message(field(1, 1) + field(2, "resume") + field(6, b"again")), end=False)
    assert c.until(lambda: c.streams[n].messages())
    c.send(frame(RST, 0, n, struct.pack(">I", 8)))
    c.sync()
    os.truncate(os.path.join(ingest, hashlib.sha256(b"tests\0resume").hexdigest()), size)
    n = c.next
    c.next += 2
    c.send(frame(HEADERS, END_HEADERS, n, block(CONTENT_WRITE)) + frame(DATA, 0, n, message(field(2, "resume"))) +
           frame(RST, 0, n, struct.pack(">I", 8)))
    c.sync()
    settle(lambda: c.ask("/containerd.services.content.v1.Content/Abort", field(1, "resume")).status == 0)
    c.ask("/containerd.services.content.v1.Content/Delete", field(1, "sha256:" + total))
    c.close()


globals()[sys.argv[3]]()
good() if sys.argv[3] != "drain" else None
