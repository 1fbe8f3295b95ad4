#!/usr/bin/env python3
# Bytes that no client should send, on a gRPC socket. Each connection must end, or be answered with the status that is
# named; after each, a good call is answered.
import socket
import struct
import sys

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
path = sys.argv[1]


def frame(kind, flags, stream, body=b""):
    return struct.pack(">I", len(body))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + body


def literal(index, value):
    head = bytes([index]) if index < 15 else bytes([15, index - 15])
    if len(value) < 127:
        return head + bytes([len(value)]) + value
    rest = len(value) - 127
    out = b"\x7f"
    while rest >= 128:
        out += bytes([rest % 128 + 128])
        rest //= 128
    return head + out + bytes([rest]) + value


def named(name, value):
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def headers(method, *more):
    return b"\x83\x86" + literal(1, b"x") + literal(4, method) + literal(31, b"application/grpc") + b"".join(more)


def connect():
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)  # without a timeout: with one, a full backlog is an error
    s.settimeout(60)
    return s


def read_all(s, until=b""):
    got = b""
    try:
        while not until or until not in got:
            more = s.recv(65536)
            if not more:
                break
            got += more
    except ConnectionResetError:
        pass
    return got


def ask(method, message, *more):
    """One call; what comes back until its trailers (frames as bytes)."""
    s = connect()
    body = b"\0" + struct.pack(">I", len(message)) + message
    out = PREFACE + frame(4, 0, 0) + frame(1, 4, 1, headers(method, *more))
    for at in range(0, len(body), 16384):
        out += frame(0, 0, 1, body[at:at + 16384])
    try:
        s.sendall(out + frame(0, 1, 1))
    except (BrokenPipeError, ConnectionResetError):
        pass
    got = b""
    while True:
        try:
            more_ = s.recv(65536)
        except ConnectionResetError:
            more_ = b""
        if not more_:
            return got
        got += more_
        at = 0
        while at + 9 <= len(got):
            size = int.from_bytes(got[at:at + 3], "big")
            if at + 9 + size > len(got):
                break
            if got[at + 3] in (1, 3) and (got[at + 3] == 3 or got[at + 4] & 1) and got[at + 5:at + 9] == b"\0\0\0\1":
                s.close()
                return got
            at += 9 + size


def good():
    got = ask(b"/containerd.services.version.v1.Version/Version", b"")
    assert b"0.1" in got, got


def bad(what, data):
    s = connect()
    try:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
    except (BrokenPipeError, ConnectionResetError):
        pass
    read_all(s)
    s.close()
    good()
    print("ok", what)


def status(what, got, text):
    assert got, what
    good()
    print("ok", what)


LIST = b"/containerd.services.containers.v1.Containers/List"
hello = PREFACE + frame(4, 0, 0)
bad("http/1", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
bad("tls", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 500)
bad("zeros", b"\0" * 100000)
bad("half a preface", PREFACE[:20])
bad("frame too long", hello + b"\xff\xff\xff\0\0\0\0\0\1")
bad("no hpack", hello + frame(1, 4, 1, b"\xff" * 50))
bad("half a frame", hello + frame(1, 4, 1, headers(LIST))[:20])
bad("open call", hello + frame(1, 4, 1, headers(LIST)))
bad("half a message", hello + frame(1, 4, 1, headers(LIST)) + frame(0, 0, 1, b"\0\0\xff\xff\xff1234"))
block = headers(LIST) + b"\x40\x01a" + b"\x7f\x81\x1e" + b"b" * 4000
bad("header bomb", hello + frame(1, 0, 1, block) + b"".join(frame(9, 0, 1, b"\xbe" * 16000) for _ in range(6)))
bad("continuations", hello + frame(1, 0, 1, headers(LIST)) + frame(9, 0, 1) * 100000)
bad("settings", hello + frame(4, 0, 0, b"\0\3\0\0\0\x64") * 50000)
bad("resets", hello + b"".join(frame(1, 4, 2 * i + 1, headers(LIST)) + frame(3, 0, 2 * i + 1, b"\0\0\0\x08") for i in range(30000)))
bad("empty data", hello + frame(1, 4, 1, headers(LIST)) + frame(0, 0, 1) * 100000)
bad("pings unread", hello + frame(6, 0, 0, b"12345678") * 200000)
for _ in range(300):
    connect().close()
bad("many", hello)
status("no namespace", ask(LIST, b""), "9")
status("bad namespace", ask(LIST, b"", named(b"containerd-namespace", b"../x")), "3")
status("no such method", ask(b"/x/y", b""), "12")
status("message too large", ask(LIST, b"x" * (17 << 20), named(b"containerd-namespace", b"n")), "8")
