#!/usr/bin/env python3
# Transfers by a client that does what no library does: reeved_streams.py SOCKET PID ARCHIVE TEST. ARCHIVE is an OCI archive
# with one image, small enough for a stream's first window.
import os
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from h2 import *  # noqa: E402,F403

path, process = sys.argv[1], Process(int(sys.argv[2]))
with open(sys.argv[3], "rb") as archive_file:
    ARCHIVE = archive_file.read()
STREAM = "/containerd.services.streaming.v1.Streaming/Stream"
TRANSFER = "/containerd.services.transfer.v1.Transfer/Transfer"
IMAGES_LIST = "/containerd.services.images.v1.Images/List"
IMAGES_DELETE = "/containerd.services.images.v1.Images/Delete"
LEASES_LIST = "/containerd.services.leases.v1.Leases/List"
CANCEL = struct.pack(">I", 8)
OK, CANCELLED, UNKNOWN, NOT_FOUND, EXISTS = 0, 1, 2, 5, 6


def typed(name, body):
    return field(1, name) + field(2, body)


def stream(c, name):
    """Begin one; it is acknowledged."""
    n = c.begin(STREAM)
    c.send(frame(DATA, 0, n, message(typed("containerd.services.streaming.v1.StreamInit", field(1, name)))))
    assert c.until(lambda: c.streams[n].messages() or c.streams[n].ended)
    return n


def data(body):
    return message(typed("containerd.types.transfer.Data", field(1, body)))


def begin_import(c, name, progress=""):
    store = field(6, field(1, "import") + field(2, 1) + field(3, 1) + field(4, 1)) + \
        field(10, field(1, field(1, "linux") + field(2, "amd64")))
    return c.call(TRANSFER, field(1, typed("containerd.types.transfer.ImageImportStream", field(1, name))) +
                  field(2, typed("containerd.types.transfer.ImageStore", store)) + field(3, field(1, progress)))


def begin_export(c, name, image):
    return c.call(TRANSFER, field(1, typed("containerd.types.transfer.ImageStore", field(1, image))) +
                  field(2, typed("containerd.types.transfer.ImageExportStream", field(1, name))))


def begin_echo(c, sent, returned):
    return c.call(TRANSFER, field(1, typed("containerd.types.transfer.ImageImportStream", field(1, sent))) +
                  field(2, typed("containerd.types.transfer.ImageExportStream", field(1, returned))))


def window(size):
    return message(typed("containerd.types.transfer.WindowUpdate", field(1, size)))


def names():
    c = Conn(path)
    got = [dict(fields(image))[1].decode() for _, image in
           (f for m in c.ask(IMAGES_LIST).messages() for f in fields(m))]
    c.close()
    return got


def nothing_left():
    """No lease, helper or descriptor of a transfer, and the next one works."""
    c = Conn(path)
    for name in names():
        assert c.ask(IMAGES_DELETE, field(1, name) + field(2, 1)).status == OK
    end = time.monotonic() + 20 * SLOW
    while any(c.ask(LEASES_LIST).messages()) or helpers():
        assert time.monotonic() < end, "a lease or a helper stays"
        time.sleep(0.05)
    c.close()


def helpers():
    with open("/proc/%d/task/%d/children" % (process.pid, process.pid)) as f:
        return f.read().split()


def ended(c, n, *codes):
    assert c.until(lambda: c.streams[n].ended), "the transfer is not answered"
    got = c.streams[n]
    assert got.status in codes, (got.headers, got.text)
    return got


# ---- tests ----

def whole():
    """All at once and unasked: the archive, its end, and the transfer."""
    c = Conn(path)
    n = stream(c, "whole")
    call = begin_import(c, "whole")
    c.put(n, data(ARCHIVE))
    ended(c, call, OK)
    assert len(names()) == 2, names()  # by its name and by its digest
    c.close()


def small_frames():
    c = Conn(path)
    n = stream(c, "small")
    call = begin_import(c, "small")
    c.put(n, b"".join(data(ARCHIVE[i:i + 700]) for i in range(0, len(ARCHIVE), 700)), size=1)
    ended(c, call, OK)
    c.close()


def early_end():
    """The stream has ended before the transfer is asked for, or in the same breath."""
    for name, late in ("at once", False), ("late", True):
        c = Conn(path)
        n = stream(c, name)
        c.send(frame(DATA, END_STREAM, n))
        if late:
            c.sync()
        ended(c, begin_import(c, name), UNKNOWN)
        c.close()


def early_reset():
    c = Conn(path)
    n = stream(c, "reset")
    number = c.next
    store = typed("containerd.types.transfer.ImageStore", b"")
    body = message(field(1, typed("containerd.types.transfer.ImageImportStream", field(1, "reset"))) + field(2, store))
    c.streams[number] = Stream()
    c.send(frame(HEADERS, END_HEADERS, number, block(TRANSFER)) + frame(DATA, END_STREAM, number, body) +
           frame(RST, 0, n, CANCEL))
    c.next += 2
    ended(c, number, CANCELLED)
    c.close()


def resets():
    """The stream, the transfer or the connection goes away after any part of the archive."""
    for part in (0, 1, 512, len(ARCHIVE) // 2, len(ARCHIVE)):
        for what in ("stream", "transfer", "connection", "goaway"):
            # Names of their own: that the last connection is gone may not have been seen yet.
            mine, theirs = "a %d %s" % (part, what), "p %d %s" % (part, what)
            c = Conn(path)
            progress = stream(c, theirs)
            n = stream(c, mine)
            call = begin_import(c, mine, theirs)
            c.put(n, data(ARCHIVE[:part]), end=False)
            if what == "stream":
                c.send(frame(RST, 0, n, CANCEL))
                ended(c, call, CANCELLED)
                assert c.until(lambda: c.streams[progress].ended)
            elif what == "transfer":
                c.send(frame(RST, 0, call, CANCEL) + frame(RST, 0, n, CANCEL))
                c.sync()
            elif what == "goaway":
                c.send(frame(GOAWAY, 0, 0, struct.pack(">II", 0, 0)))
            c.close()


def same_name():
    c = Conn(path)
    n = stream(c, "a")
    assert ended(c, stream(c, "a"), EXISTS)
    call = begin_import(c, "a")
    ended(c, begin_import(c, "a"), NOT_FOUND)
    ended(c, begin_import(c, "b"), NOT_FOUND)
    ended(c, begin_import(c, "b", "a"), NOT_FOUND)
    c.put(n, data(ARCHIVE))
    ended(c, call, OK)
    # One stream for both ends is taken once.
    n = stream(c, "c")
    ended(c, begin_import(c, "c", "c"), NOT_FOUND)
    c.close()


def garbage():
    """What is no message of a stream."""
    bodies = {"any": b"\0\0\0\0\3\xff\xff\xff", "data": message(typed("containerd.types.transfer.Data", b"\xff")),
              "flag": message(b"", 1), "long": data(b"x" * (3 << 20))}
    for name, body in bodies.items():
        c = Conn(path)
        n = stream(c, name)
        call = begin_import(c, name)
        c.put(n, body)
        c.until(lambda: c.streams[call].ended)
        assert c.streams[call].status != OK, c.streams[call].status
        c.close()
    c = Conn(path)
    n = c.begin(STREAM)
    c.put(n, data(b"no name"))
    assert c.end(n).status not in (OK, None)
    c.close()


def exports():
    """Byte by byte, given up after any part, with a window that never comes."""
    whole()
    image = [n for n in names() if "@" not in n][0]
    for what in ("bytes", "reset", "connection", "end"):
        c = Conn(path)
        n = stream(c, what)
        call = begin_export(c, what, image)
        if what == "bytes":
            for _ in range(100):
                c.put(n, window(1), end=False)
            assert c.until(lambda: len(c.streams[n].messages()) > 100)
            c.put(n, window(1 << 30), end=False)
            ended(c, call, OK)
        elif what == "reset":
            c.put(n, window(1000), end=False)
            c.send(frame(RST, 0, n, CANCEL))
            ended(c, call, CANCELLED)
        elif what == "end":
            c.put(n, window(1000))
            c.sync()
            assert not c.streams[call].ended
        c.close()
    c = Conn(path, 0, 0)
    n = c.begin(STREAM)
    c.send(frame(DATA, 0, n, message(typed("containerd.services.streaming.v1.StreamInit", field(1, "unread")))))
    begin_export(c, "unread", image)
    c.put(n, window(1 << 30), end=False)
    c.sync()
    c.close()


def parts(c, n, kind, number):
    """Of what came on a stream after the answer to its beginning: a field of each message of that kind."""
    got = [dict(fields(m)) for m in c.streams[n].messages()]
    return [dict(fields(m[2]))[number] for m in got if m[1] == b"containerd.types.transfer." + kind]


def echoes():
    """All comes back, whole and in order, however slowly it is read; and no more is asked for than there is room for."""
    for size, step in (0, 1 << 20), (11, 1 << 20), (11, 1), (190000, 1 << 30), (190000, 7000), (700000, 100000):
        body = bytes(i % 251 for i in range(size))
        c = Conn(path)
        out, back = stream(c, "out"), stream(c, "back")
        call = begin_echo(c, "out", "back")
        sent = read = 0
        if size == 0:
            c.send(frame(DATA, END_STREAM, out))
        while not c.streams[call].ended:
            got = b"".join(parts(c, back, b"Data", 1))
            asked = sum(parts(c, out, b"WindowUpdate", 1))
            assert asked - len(got) <= 1 << 20, "more is asked for than is read"
            n = min(size, asked, sent + 30000) - sent
            if n > 0:
                c.put(out, data(body[sent:sent + n]), end=sent + n == size)
                sent += n
            if len(got) == read < size:
                c.put(back, window(step), end=False)
                read += step
            c.one(0.05)
        ended(c, call, OK)
        assert c.until(lambda: c.streams[back].ended and c.streams[out].ended)
        assert b"".join(parts(c, back, b"Data", 1)) == body, (size, step)
        c.close()


def echo_resets():
    """Either stream goes away, and what is read by nobody comes to an end with its client."""
    for what in "out", "back", "connection":
        c = Conn(path)
        streams = {"out": stream(c, "out"), "back": stream(c, "back")}
        call = begin_echo(c, "out", "back")
        c.put(streams["out"], data(b"x" * 1000), end=False)
        if what != "connection":
            c.send(frame(RST, 0, streams[what], CANCEL))
            ended(c, call, CANCELLED)
        c.close()
    c = Conn(path)
    stream(c, "out")
    ended(c, begin_echo(c, "out", "none"), NOT_FOUND)
    out = stream(c, "much")
    stream(c, "unread")
    call = begin_echo(c, "much", "unread")
    for _ in range(40):
        c.put(out, data(b"x" * 30000), end=False)
    assert c.until(lambda: c.streams[call].ended), "more is taken than was asked for"
    assert c.streams[call].status != OK
    c.close()


for test in sys.argv[4:]:
    globals()[test]()
    nothing_left()
