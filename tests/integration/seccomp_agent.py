#!/usr/bin/env python3
# seccomp_agent.py SOCKET: answers for the calls of SCMP_ACT_NOTIFY. Prints each message that comes with a listener as
# one line; lets chdir go on, and fails everything else with EXDEV.
import array
import fcntl
import os
import platform
import select
import socket
import struct
import sys

RECV, SEND = 0xC0502100, 0xC0182101
CONTINUE = 1
EXDEV = 18
CHDIR = {"x86_64": 80, "aarch64": 49}[platform.machine()]


def take(server):
    conn, _ = server.accept()
    fds = array.array("i")
    data = b""
    while True:
        part, ancillary, _, _ = conn.recvmsg(65536, socket.CMSG_LEN(16))
        for level, kind, value in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds.frombytes(value[: len(value) // 4 * 4])
        if not part:
            break
        data += part
    print(data.decode(), flush=True)
    return fds[0]


def answer(listener):
    request = bytearray(80)
    try:
        fcntl.ioctl(listener, RECV, request)
    except OSError:
        return False
    ident, _, _, number = struct.unpack_from("=QIIi", request)
    reply = (0, 0, CONTINUE) if number == CHDIR else (0, -EXDEV, 0)
    try:
        fcntl.ioctl(listener, SEND, struct.pack("=QqiI", ident, *reply))
    except OSError:
        pass
    return True


server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
server.bind(sys.argv[1] + ".new")
server.listen(8)
os.rename(sys.argv[1] + ".new", sys.argv[1])  # it appears when connections can come
poll = select.poll()
poll.register(server.fileno(), select.POLLIN)
while True:
    for fd, events in poll.poll():
        if fd == server.fileno():
            poll.register(take(server), select.POLLIN)
        elif not events & select.POLLIN or not answer(fd):
            poll.unregister(fd)
            os.close(fd)
