# SPDX-License-Identifier: Apache-2.0
"""Standard streams through a shim, driven without containerd between: what a client of fifos, files, loggers and
terminals sees, at the edges. One case a run: see main() of shim_client."""

import errno
import fcntl
import hashlib
import os
import select
import signal
import sys
import termios
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

from shim_client import *  # noqa: F403

CASES = {}
PIPE = 65536
AT_ONCE = 1.9 * max(1, SLOW / 3)  # seconds: a Delete that waits for output waits for 2 at least


class Bench:
    """A shim with a container `first` that sleeps, and a client."""

    def __init__(self, shim, c):
        self.shim = shim
        self.c = c
        self.n = 0

    def path(self, name):
        return os.path.join(self.shim.dir, name)

    def fifo(self, name):
        path = self.path(name)
        os.mkfifo(path, 0o700)
        return path

    def exec(self, args, io, exec_id=None):
        """Added and started; its id."""
        self.add(args, io, exec_id)
        self.c.ok("Start", self.ids)
        return self.exec_id

    def add(self, args, io, exec_id=None):
        self.n += 1
        self.exec_id = exec_id or "e%d" % self.n
        self.ids = [(1, "first"), (2, self.exec_id)]
        self.c.ok("Exec", self.shim.exec_fields("first", self.exec_id, args, io))

    def sh(self, text, io):
        return self.exec(["/bin/sh", "-c", text], io)

    def wait(self, ids=None, seconds=30):
        return first(self.c.ok("Wait", ids or self.ids, seconds), 1, 0)

    def delete(self, ids=None):
        begin = time.monotonic()
        self.c.ok("Delete", ids or self.ids)
        return time.monotonic() - begin


def case(f):
    def run(directory, template):
        with Shim(directory, template).start(args=["/bin/sleep", "1000"], change=prepare(directory)) as shim, shim.connect() as c:
            c.ok("Create", shim.create_fields("first", os.path.join(directory, "first")))
            c.ok("Start", [(1, "first")])
            before = shim.usage()
            f(Bench(shim, c))
            wait_until(10, "as many fds as before (%d, now %d)" % (before[1], shim.usage()[1]), lambda: shim.usage()[1] <= before[1] + 1)
            equal(shim.remove(c, "first"), 137, "status of the container")
            shim.shutdown(c)

    CASES[f.__name__] = run
    return f


def prepare(directory):
    """A directory of the test's inside, for a program to wait for what the test does."""
    go = directory + ".go"
    os.makedirs(go, exist_ok=True)

    def change(config):
        config["mounts"].append({"destination": "/go", "type": "bind", "source": go, "options": ["bind", "rw"]})
        config["root"]["readonly"] = False

    return change


def open_reader(path):
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


def read_some(fd, seconds=10):
    """What is there, b"" at the end."""
    check(select.select([fd], [], [], seconds * SLOW)[0], "nothing to read")
    return os.read(fd, 1 << 20)


def read_all(fd, seconds=20):
    """Up to the end of the file."""
    out = bytearray()
    end = time.monotonic() + seconds * SLOW
    while True:
        check(time.monotonic() < end, "no end after %d bytes" % len(out))
        data = read_some(fd)
        if not data:
            return bytes(out)
        out += data


def read_late(fd):
    """All, by a reader that came after the exit: poll does not tell it of an end that was before it came; read does."""
    got = bytearray()

    def ended():
        try:
            data = os.read(fd, 1 << 20)
        except BlockingIOError:
            return False
        got.extend(data)
        return not data

    wait_until(10, "the end", ended)
    return bytes(got)


def unread(fd):
    return int.from_bytes(fcntl.ioctl(fd, termios.FIONREAD, b"\0\0\0\0"), sys.byteorder)


def counted(n):
    """A program that writes lines of 8 bytes: 1 to n."""
    return "i=1; while [ $i -le %d ]; do printf '%%07d\\n' $i; i=$((i+1)); done" % n


def lines(n):
    return b"".join(b"%07d\n" % i for i in range(1, n + 1))


def quiet(b, seconds=1.0, share=0.1):
    """The shim does nothing."""
    before = b.shim.cpu_seconds()
    time.sleep(seconds)
    used = b.shim.cpu_seconds() - before
    check(used <= share * seconds, "%.2f s of CPU in %.1f s of nothing" % (used, seconds))


# --- fifos -----------------------------------------------------------------------------------------------------------


@case
def output_is_read_before_the_exit_is_told(b):
    """A client that closes its ends when it hears of the exit, as containerd 1.6.20 does, has all of the output."""
    for i in range(10):
        out = b.fifo("o%d" % i)
        reader = open_reader(out)
        b.sh(counted(30000) + "; exit 3", ("", out, "", 0))
        got = bytearray()
        while b.shim.events.topics("first")[-1:] != ["exit:" + b.exec_id]:
            if select.select([reader], [], [], 0.001)[0]:
                got += os.read(reader, 8192)
            time.sleep(0.0005)
        os.close(reader)
        check(bytes(got) == lines(30000), "%d of 240000 bytes were read when the exit was told" % len(got))
        equal(b.wait(), 3, "status")
        b.delete()


@case
def output_is_there_when_the_exit_is_told(b):
    """For a client that has not read any of it by then, as far as a fifo holds it."""
    for i in range(3):
        out, err = b.fifo("o%d" % i), b.fifo("e%d" % i)
        reader, errors = open_reader(out), open_reader(err)
        b.sh("echo out; echo err >&2; exit %d" % (i % 3), ("", out, err, 0))
        wait_until(10, "the exit", lambda: b.shim.events.topics("first")[-1:] == ["exit:" + b.exec_id])
        equal((os.read(reader, 100), os.read(errors, 100)), (b"out\n", b"err\n"), "output at the exit event")
        equal((read_all(reader), read_all(errors)), (b"", b""), "the end of the files")
        equal(b.wait(), i % 3, "status")
        b.delete()
        os.close(reader)
        os.close(errors)


@case
def a_reader_that_comes_late(b):
    """Nobody reads while the program runs, ends, and is deleted: all that it wrote is in the fifo when its exit is told,
    also in many small writes, and Delete has nothing to wait for."""
    for name, program, want in (
        ("small", counted(9000), lines(9000)),
        ("large", "head -c 130000 /dev/zero", bytes(130000)),
    ):
        out = b.fifo(name)
        b.sh(program, ("", out, "", 0))
        equal(b.wait(), 0, "status")
        reader = open_reader(out)
        equal(read_late(reader), want, "what was read after the exit")
        check(b.delete() < AT_ONCE, "Delete waited")
        os.close(reader)
        out = b.fifo(name + "-2")
        keeper = os.open(out, os.O_RDWR | os.O_NONBLOCK)
        b.sh(program, ("", out, "", 0))
        equal(b.wait(), 0, "status")
        equal(unread(keeper), len(want), "bytes in the fifo")
        check(b.delete() < AT_ONCE, "Delete waited")
        equal(read_some(keeper), want, "what was read after the delete")
        os.close(keeper)


@case
def a_reader_that_waits_for_a_writer(b):
    """As containerd's, which opens in a thread of its own: that thread may run only when all is over."""
    for name, program, want in (("nothing", "true", b""), ("little", "echo late", b"late\n")):
        out = b.fifo(name)
        b.sh(program, ("", out, "", 0))
        equal(b.wait(), 0, "status")
        got = []
        thread = threading.Thread(target=lambda: got.append(open(out, "rb").read()), daemon=True)
        thread.start()
        thread.join(10 * SLOW)
        equal(got, [want], "what came, and then the end")
        b.delete()


@case
def readers_that_come_and_go(b):
    """Each takes a part; together they have all of it, once."""
    out = b.fifo("out")
    b.sh(counted(20000), ("", out, "", 0))
    got = bytearray()
    while len(got) < 160000:
        reader = open_reader(out)
        for _ in range(3):
            if not select.select([reader], [], [], 10 * SLOW)[0]:
                raise Failure("nothing to read after %d bytes" % len(got))
            data = os.read(reader, 5000)
            got += data
            if not data or len(got) >= 160000:
                break
        os.close(reader)
    equal(bytes(got), lines(20000), "what all readers got")
    equal(b.wait(), 0, "status")
    b.delete()


@case
def a_program_without_a_reader_is_held_not_ended(b):
    """Its writes wait when the pipes are full, whatever their size; it goes on with a reader. The shim sleeps meanwhile."""
    for name, text in (
        ("small", "i=0; while [ $i -lt 30000 ]; do echo %s; i=$((i+1)); done" % ("x" * 99)),
        ("large", "head -c 3000000 /dev/zero"),
    ):
        out = b.fifo(name)
        b.sh(text + "; echo $? >/go/" + name, ("", out, "", 0))
        pid = first(b.c.ok("State", b.ids), 3)
        wait_until(20, "the program waits", lambda: blocked(b.shim, pid))
        quiet(b)
        check(not os.path.exists(b.shim.dir + ".go/" + name), name + ": it wrote 3 MB without a reader")
        reader = open_reader(out)
        equal(len(read_all(reader, 60)), 3000000, "bytes")
        os.close(reader)
        equal(b.wait(), 0, "status")
        equal(read_file(b.shim.dir + ".go/" + name), "0\n", "status of the writer")
        b.delete()


def blocked(shim, pid):
    """Neither it nor a child of it nor the shim uses the processor, or would if it had one."""

    def ticks():
        total = 0
        for p in [pid] + children(pid) + shim.processes():
            fields = read_file("/proc/%d/stat" % p).rpartition(")")[2].split()
            if not fields or fields[0] != "S":
                return None
            total += int(fields[11]) + int(fields[12])
        return total

    before = ticks()
    time.sleep(0.3)
    return before is not None and ticks() == before


@case
def output_is_as_large_as_it_is(b):
    out, err = b.fifo("out"), b.fifo("err")
    reader, errors = open_reader(out), open_reader(err)
    b.sh("head -c 20000000 /dev/zero & head -c 10000000 /dev/zero >&2; wait", ("", out, err, 0))
    got = {reader: 0, errors: 0}
    while got:
        for fd in select.select(list(got), [], [], 20 * SLOW)[0]:
            n = len(os.read(fd, 100000))
            got[fd] += n
            if n == 0:
                equal(got.pop(fd), 20000000 if fd == reader else 10000000, "bytes")
    equal(b.wait(), 0, "status")
    check(b.delete() < AT_ONCE, "a Delete with nothing to drain takes long")
    os.close(reader)
    os.close(errors)


@case
def streams_that_are_not_wanted(b):
    """None, or some: reads find the end, writes succeed."""
    for io in (("", "", "", 0), ("", b.fifo("o1"), "", 0), ("", "", b.fifo("e1"), 0)):
        b.sh("cat && echo x && echo y >&2 && [ -c /dev/null ]", io)
        equal(b.wait(), 0, "status with %r" % (io,))
        keep = [os.open(p, os.O_RDWR | os.O_NONBLOCK) for p in io[:3] if p]
        b.delete()
        for fd in keep:
            os.close(fd)


@case
def a_fifo_whose_name_is_gone(b):
    """Clients may remove the names as soon as both sides have opened them."""
    out, in_ = b.fifo("out"), b.fifo("in")
    reader = open_reader(out)
    writer = os.open(in_, os.O_RDWR | os.O_NONBLOCK)
    b.exec(["/bin/cat"], (in_, out, "", 0))
    os.unlink(out)
    os.unlink(in_)
    os.write(writer, b"words\n")
    equal(read_some(reader), b"words\n", "what came back")
    b.c.ok("CloseIO", b.ids + [(3, 1)])
    os.close(writer)
    equal(b.wait(), 0, "status")
    equal(read_all(reader), b"", "the end")
    b.delete()
    os.close(reader)


@case
def what_a_leftover_holds_is_given_up(b):
    """A background process has the output open when the exec ends: Delete does not wait for it for long, the reader
    sees the end, the leftover a broken pipe."""
    out = b.fifo("out")
    reader = open_reader(out)
    b.sh("(trap '' PIPE; until [ -e /go/on ]; do sleep 0.01; done; echo late; echo $? >/go/late) & echo soon", ("", out, "", 0))
    equal(b.wait(), 0, "status")
    equal(read_some(reader), b"soon\n", "output")
    took = b.delete()
    check(took < 9, "a Delete took %.1f s, CRI has 10" % took)
    equal(read_all(reader), b"", "the end")
    open(b.shim.dir + ".go/on", "w").close()
    wait_until(10, "the leftover's end", lambda: read_file(b.shim.dir + ".go/late"))
    check(read_file(b.shim.dir + ".go/late") != "0\n", "a write to nobody succeeded")
    os.close(reader)


# --- standard input --------------------------------------------------------------------------------------------------


@case
def input_ends_with_closeio_and_the_last_writer(b):
    in_, out = b.fifo("in"), b.fifo("out")
    reader = open_reader(out)
    b.exec(["/bin/cat"], (in_, out, "", 0))
    for word in (b"one\n", b"two\n"):
        # Writers come and go: that is not the end.
        writer = os.open(in_, os.O_WRONLY | os.O_NONBLOCK)
        os.write(writer, word)
        os.close(writer)
        equal(read_some(reader), word, "what came back")
    writer = os.open(in_, os.O_WRONLY | os.O_NONBLOCK)
    for _ in range(2):  # twice is once
        b.c.ok("CloseIO", b.ids + [(3, 1)])
    os.write(writer, b"three\n")
    equal(read_some(reader), b"three\n", "what came back after CloseIO")
    equal(first(b.c.ok("State", b.ids), 4), RUNNING, "status while a writer is there")
    os.close(writer)
    equal(b.wait(), 0, "status")
    equal(read_all(reader), b"", "the end")
    b.delete()
    os.close(reader)


def waits_in_open(tid):
    """By the number of its system call, on x86-64 and aarch64."""
    return read_file("/proc/self/task/%d/syscall" % tid).split()[:1] in (["257"], ["56"])


@case
def closeio_before_the_start_is_remembered(b):
    # An exec: its streams are opened by Start. A client opens its end in a thread of its own, which waits for ours.
    for i in range(10):
        in_, out = b.fifo("in%d" % i), b.fifo("out%d" % i)
        reader = open_reader(out)

        def write():
            with open(in_, "wb") as f:
                f.write(b"early\n")

        thread = threading.Thread(target=write)
        b.add(["/bin/cat"], (in_, out, "", 0))
        b.c.ok("CloseIO", b.ids + [(3, 1)])
        thread.start()
        # It is in open(), which counts as a writer: before that it would have the grace alone, 0.1 s.
        wait_until(10, "the client waits", lambda: waits_in_open(thread.native_id))
        b.c.ok("Start", b.ids)
        equal(b.wait(), 0, "status")
        thread.join()
        equal(read_all(reader), b"early\n", "what came through")
        b.delete()
        os.close(reader)
    # The init: its streams are opened by Create, and nobody need have written.
    in_ = b.fifo("in")
    b.shim.create(b.c, "i", ["/bin/cat"], io=(in_, "", "", 0))
    b.c.ok("CloseIO", [(1, "i"), (3, 1)])
    b.c.ok("Start", [(1, "i")])
    equal(b.wait([(1, "i")]), 0, "status of the init")
    b.delete([(1, "i")])


@case
def input_that_nobody_reads_waits(b):
    """A program that never reads: its client is held, the shim sleeps, output goes on."""
    in_, out = b.fifo("in"), b.fifo("out")
    reader = open_reader(out)
    writer = os.open(in_, os.O_RDWR | os.O_NONBLOCK)
    b.sh("until [ -e /go/on ]; do sleep 0.01; done; echo here; wc -c", (in_, out, "", 0))
    total = 0
    idle = 0
    end = time.monotonic() + 10 * SLOW
    # Until no more is taken for a while; on a busy machine the shim may be late to take all that it can.
    while idle < 5 or total < PIPE * 2 - 8192 and time.monotonic() < end:
        try:
            total += os.write(writer, b"z" * 30000)
            idle = 0
        except BlockingIOError:
            idle += 1
            time.sleep(0.02)
    check(PIPE * 2 - 8192 <= total <= 2 << 20, "%d bytes were taken" % total)
    quiet(b)
    b.c.ok("CloseIO", b.ids + [(3, 1)])
    os.close(writer)
    open(b.shim.dir + ".go/on", "w").close()
    equal(read_all(reader), b"here\n%d\n" % total, "output")
    equal(b.wait(), 0, "status")
    b.delete()
    os.close(reader)


@case
def a_program_that_closes_its_input(b):
    in_ = b.fifo("in")
    writer = os.open(in_, os.O_RDWR | os.O_NONBLOCK)
    b.sh("exec <&-; until [ -e /go/on ]; do sleep 0.01; done", (in_, "", "", 0))
    for _ in range(40):
        try:
            os.write(writer, b"z" * 10000)
        except BlockingIOError:
            break
        time.sleep(0.005)
    quiet(b)
    open(b.shim.dir + ".go/on", "w").close()
    equal(b.wait(), 0, "status")
    b.delete()
    os.close(writer)


@case
def input_from_a_file(b):
    path = b.path("input")
    with open(path, "wb") as f:
        f.write(b"line\n" * 100000)
    out = b.fifo("out")
    reader = open_reader(out)
    b.exec(["/bin/wc", "-c"], (path, out, "", 0))
    equal(read_all(reader).strip(), b"500000", "bytes")
    equal(b.wait(), 0, "status")
    b.delete()
    os.close(reader)


# --- files and loggers -----------------------------------------------------------------------------------------------


@case
def a_file_takes_both_streams_in_order(b):
    path = b.path("logs/a/b/out.log")
    b.sh("for i in 1 2 3 4 5; do echo out $i; sleep 0.02; echo err $i >&2; sleep 0.02; done", ("", "file://" + path, "file://" + path, 0))
    equal(b.wait(), 0, "status")
    b.delete()
    want = "".join("out %d\nerr %d\n" % (i, i) for i in range(1, 6))
    equal(read_file(path), want, "the file")
    equal(os.stat(path).st_mode & 0o777, 0o644, "mode")
    # Again, and it is appended to; a path without a scheme too.
    b.sh("head -c 3000000 /dev/zero", ("", "file://" + path, "", 0))
    b.wait()
    b.delete()
    b.sh("echo end", ("", path, path, 0))
    b.wait()
    b.delete()
    equal(os.stat(path).st_size, len(want) + 3000000 + 4, "size of the file")


@case
def a_file_that_cannot_be_written(b):
    """A full disk costs the bytes, not the program."""
    os.symlink("/dev/full", b.path("full"))
    b.sh("head -c 1000000 /dev/zero; echo $? >/go/full; echo still here", ("", "file://" + b.path("full"), "", 0))
    equal(b.wait(seconds=20), 0, "status")
    equal(read_file(b.shim.dir + ".go/full"), "0\n", "status of the writer")
    b.delete()


LOGGER = """#!/usr/bin/python3 -SE
import os, sys, time
out = open(%r, "a")
say = lambda *a: print(*a, file=out, flush=True)
say("args", sys.argv[1:], {k: v for k, v in os.environ.items() if k != "LC_CTYPE"}, sorted(int(n) for n in os.listdir("/proc/self/fd"))[:6])
%s
for fd in (3, 4):
    while True:
        data = os.read(fd, 4096)
        if not data:
            break
        say(fd, data)
say("end")
"""


def logger(b, name, ready):
    path, log = b.path(name), b.path(name + ".log")
    with open(path, "w") as f:
        f.write(LOGGER % (log, ready))
    os.chmod(path, 0o755)
    return path, log


@case
def a_logging_binary(b):
    path, log = logger(b, "logger", "os.write(5, b'!'); os.close(5)")
    for scheme in ("binary", "binary-v2"):
        b.sh("echo one; echo two >&2; sleep 0.1; echo three", ("", "%s://%s?a=b&c=d%%20e&f" % (scheme, path), "", 0))
        equal(b.wait(), 0, "status")
        b.delete()
        wait_until(10, "the logger's end", lambda: read_file(log).endswith("end\n"))
        said = read_file(log)
        check("['a', 'b', 'c', 'd e', 'f', '']" in said, said)
        check("'CONTAINER_ID': '%s'" % b.exec_id in said and "'CONTAINER_NAMESPACE': '%s'" % NS in said, said)
        check("[0, 1, 2, 3, 4, 5]" in said, said)
        check("3 b'one\\n'" in said and "three" in said and "4 b'two\\n'" in said, said)
        os.unlink(log)


@case
def a_logging_binary_that_is_not_ready(b):
    # The start waits until it is.
    path, log = logger(b, "slow", "while not os.path.exists(%r): time.sleep(0.01)\nos.write(5, b'!')" % (b.shim.dir + ".go/on"))
    b.add(["/bin/echo", "x"], ("", "binary://" + path, "", 0))
    stream = b.c.send("Start", b.ids)
    wait_until(10, "the logger runs", lambda: read_file(log))
    check(not b.c.has_answer(stream, 0.3), "Start did not wait for the logger")
    b.c.ok("State", [(1, "first")])
    open(b.shim.dir + ".go/on", "w").close()
    equal(b.c.answer(stream).code, 0, "Start")
    b.wait()
    b.delete()
    # One that ends without a word is ready by the first protocol, not by the second.
    path, log = logger(b, "gone", "sys.exit(3)")
    b.sh("sleep 0.1", ("", "binary://" + path, "", 0))
    equal(b.wait(), 0, "status")
    b.delete()
    b.add(["/bin/true"], ("", "binary-v2://" + path, "", 0))
    got = b.c.call("Start", b.ids)
    check(got.code == 2 and "did not call ready (it may have crashed or exited prematurely)" in got.text, "Start: %r" % (got,))
    b.delete()
    # One that never says anything ends with the client's patience.
    path, log = logger(b, "mute", "time.sleep(1000)")
    b.add(["/bin/true"], ("", "binary://" + path, "", 0))
    begin = time.monotonic()
    got = b.c.call("Start", b.ids, timeout_ns=500_000_000)
    check(got.code in (1, 4) and time.monotonic() - begin < 5 * SLOW, "Start: %r after %.1f s" % (got, time.monotonic() - begin))
    b.delete()
    wait_until(15, "no logger is left", lambda: not [p for p in children(b.shim.processes()[-1]) if path in read_file("/proc/%d/cmdline" % p)])


# --- terminals -------------------------------------------------------------------------------------------------------


def terminals(pid):
    """How many descriptors of terminals a process holds."""
    links = [os.readlink("/proc/%d/fd/%s" % (pid, fd)) for fd in os.listdir("/proc/%d/fd" % pid) if os.path.lexists("/proc/%d/fd/%s" % (pid, fd))]
    return len([link for link in links if link.endswith("ptmx")])


@case
def a_terminal_that_is_read_late(b):
    """What is typed ahead of the program waits, more than a terminal holds too. And a shim has one descriptor of it: that is how
    others see whether it leaks some."""
    in_, out = b.fifo("in"), b.fifo("out")
    reader = open_reader(out)
    writer = os.open(in_, os.O_RDWR | os.O_NONBLOCK)
    typed = bytes(i % 251 for i in range(60000))
    b.sh("stty raw -echo; trap : USR1; echo ready; sleep 1000 & wait; kill $!; head -c 60000 | md5sum", (in_, out, "", 1))
    equal(read_some(reader), b"ready\n", "what it says first")
    equal(terminals(b.shim.pid), 1, "descriptors of the terminal")
    equal(os.write(writer, typed), len(typed), "typed ahead")
    quiet(b)
    b.c.ok("Kill", b.ids + [(3, signal.SIGUSR1)])
    equal(read_all(reader), hashlib.md5(typed).hexdigest().encode() + b"  -\n", "what came")
    equal(b.wait(), 0, "status")
    b.delete()
    equal(terminals(b.shim.pid), 0, "descriptors of the terminal")
    os.close(reader)
    os.close(writer)


@case
def a_terminal(b):
    in_, out = b.fifo("in"), b.fifo("out")
    reader = open_reader(out)
    writer = os.open(in_, os.O_RDWR | os.O_NONBLOCK)
    b.sh("stty -echo -onlcr; tty; read x; echo got $x; stty size; read y", (in_, out, "", 1))
    equal(read_some(reader), b"/dev/pts/0\n", "the terminal")
    b.c.ok("ResizePty", b.ids + [(3, 77), (4, 21)])
    os.write(writer, b"word\n")
    got = b""
    while got.count(b"\n") < 2:
        got += read_some(reader)
    equal(got, b"got word\n21 77\n", "what it says")
    quiet(b)
    os.write(writer, b"\n")
    equal(b.wait(), 0, "status")
    equal(read_all(reader), b"", "the end")
    b.c.refused(2, "cannot resize a stopped container", "ResizePty", b.ids + [(3, 80), (4, 24)])
    b.delete()
    os.close(reader)
    os.close(writer)


@case
def a_terminal_with_much_output(b):
    out = b.fifo("out")
    reader = open_reader(out)
    b.sh("stty -onlcr; " + counted(50000), ("", out, "", 1))
    equal(read_all(reader, 60), lines(50000), "what came")
    equal(b.wait(), 0, "status")
    b.delete()
    os.close(reader)
    # And with a reader that only comes after the exit: small writes, which fill the places of the fifo at once.
    out = b.fifo("late")
    b.sh("stty -onlcr; " + counted(7500), ("", out, "", 1))
    equal(b.wait(), 0, "status")
    reader = open_reader(out)
    equal(read_late(reader), lines(7500), "what came late")
    b.delete()
    os.close(reader)


@case
def a_terminal_that_is_closed_and_opened_again(b):
    """No slave open for a moment is not the end, and does not spin."""
    out = b.fifo("out")
    reader = open_reader(out)
    b.sh("stty -onlcr; t=$(tty); echo one; exec <&- >&- 2>&-; sleep 1.5; exec <$t >$t 2>&1; echo two", ("", out, "", 1))
    equal(read_some(reader), b"one\n", "before")
    quiet(b)
    equal(read_all(reader), b"two\n", "after")
    equal(b.wait(), 0, "status")
    b.delete()
    os.close(reader)


@case
def a_terminal_hangs_up_with_its_input(b):
    in_, out = b.fifo("in"), b.fifo("out")
    reader = open_reader(out)
    writer = os.open(in_, os.O_RDWR | os.O_NONBLOCK)
    b.sh("trap 'exit 9' HUP; echo ready; while :; do sleep 0.02; done", (in_, out, "", 1))
    check(b"ready" in read_some(reader), "no ready")
    b.c.ok("CloseIO", b.ids + [(3, 1)])
    os.close(writer)
    equal(b.wait(), 9, "status")
    b.delete()
    os.close(reader)


@case
def a_terminal_nobody_wants(b):
    b.sh(counted(20000), ("", "", "", 1))
    equal(b.wait(), 0, "status")
    b.delete()


# --- the init, and the end -------------------------------------------------------------------------------------------


@case
def the_init_has_streams_as_well(b):
    for terminal in (0, 1):
        id_ = "i%d" % terminal
        in_, out = b.fifo("in" + id_), b.fifo("out" + id_)
        reader = open_reader(out)
        writer = os.open(in_, os.O_RDWR | os.O_NONBLOCK)
        os.write(writer, b"early\n")
        b.shim.create(b.c, id_, ["/bin/sh", "-c", "[ ! -t 0 ] || stty -echo -onlcr; read x; echo $x; read y; exit $y"], io=(in_, out, "", terminal))
        state = b.c.ok("State", [(1, id_)])
        equal((text(state, 5), text(state, 6), first(state, 8, 0)), (in_, out, terminal), "streams in State")
        b.c.ok("Start", [(1, id_)])
        got = b""
        while not got.endswith(b"early\n") or (terminal and got.count(b"\n") < 1):
            got += read_some(reader)
        os.write(writer, b"5\n")
        equal(b.wait([(1, id_)]), 5, "status")
        read_all(reader)
        b.delete([(1, id_)])
        os.close(reader)
        os.close(writer)


@case
def a_container_never_started_does_not_hold_its_delete(b):
    out, in_ = b.fifo("out"), b.fifo("in")
    reader = open_reader(out)
    b.shim.create(b.c, "n", ["/bin/true"], io=(in_, out, "", 0))
    took = b.delete([(1, "n")])
    check(took < AT_ONCE, "Delete took %.1f s" % took)
    equal(read_all(reader), b"", "the end")
    os.close(reader)


def options(toml):
    return [(10, encode([(1, "runtimeoptions.v1.Options"), (2, encode([(3, toml)]))]))]


@case
def output_without_a_relay(b):
    """IoDirect: the init writes into the client's fifo; what is promised of a relay holds all the same."""
    for late in (False, True):
        id_ = "late" if late else "d"
        out, err = b.fifo("out" + id_), b.fifo("err" + id_)
        reader = None if late else open_reader(out)
        bundle = b.shim.bundle(id_, ["/bin/sh", "-c", counted(2000) + "; echo err >&2; exit 4"])
        b.c.ok("Create", b.shim.create_fields(id_, bundle, ("", out, err, 0)) + options("IoDirect = true"))
        b.c.ok("Start", [(1, id_)])
        got = read_all(reader) if reader else None
        equal(b.wait([(1, id_)]), 4, "status")
        if late:
            reader = open_reader(out)
            got = read_late(reader)
        equal(got, lines(2000), "output")
        errors = open_reader(err)
        equal(read_late(errors), b"err\n", "errors")
        check(b.delete([(1, id_)]) < AT_ONCE, "Delete waited")
        os.close(reader)
        os.close(errors)
    # A reader that goes does not end the program.
    out = b.fifo("gone")
    reader = open_reader(out)
    bundle = b.shim.bundle("g", ["/bin/sh", "-c", "echo one; until [ -e /go/on ]; do sleep 0.01; done; echo two"], prepare(b.shim.dir))
    b.c.ok("Create", b.shim.create_fields("g", bundle, ("", out, "", 0)) + options("IoDirect = true"))
    b.c.ok("Start", [(1, "g")])
    equal(read_some(reader), b"one\n", "output")
    os.close(reader)
    open(b.shim.dir + ".go/on", "w").close()
    equal(b.wait([(1, "g")]), 0, "status")
    reader = open_reader(out)
    equal(read_late(reader), b"two\n", "output for the next reader")
    b.delete([(1, "g")])
    os.close(reader)


@case
def the_drain_has_the_limit_that_is_asked_for(b):
    bundle = b.shim.bundle("l", ["/bin/sleep", "1000"])
    b.c.ok("Create", b.shim.create_fields("l", bundle) + options("IoDrainMs = 300"))
    b.c.ok("Start", [(1, "l")])
    out = b.fifo("out")
    reader = open_reader(out)
    b.c.ok("Exec", b.shim.exec_fields("l", "e", ["/bin/sh", "-c", "sleep 1000 &"], ("", out, "", 0)))
    b.c.ok("Start", [(1, "l"), (2, "e")])
    b.wait([(1, "l"), (2, "e")])
    took = b.delete([(1, "l"), (2, "e")])
    check(0.25 < took < AT_ONCE, "Delete took %.2f s" % took)
    equal(read_all(reader), b"", "the end")
    os.close(reader)
    b.shim.remove(b.c, "l")


@case
def a_delete_that_timed_out_is_repeated(b):
    """The first goes on while its client has left; the second hears how it ended, and nothing is left."""
    out = b.fifo("out")
    reader = open_reader(out)
    b.sh("sleep 1000 &", ("", out, "", 0))
    b.wait()
    ids = b.ids
    with b.shim.connect() as impatient:
        stream = impatient.send("Delete", ids, timeout_ns=300_000_000)
        check(not impatient.has_answer(stream, 0.5), "Delete did not wait for the output")
        b.c.refused(6, "id %s: already exists" % b.exec_id, "Exec", b.shim.exec_fields("first", b.exec_id, ["/bin/true"]))
    begin = time.monotonic()
    got = b.c.call("Delete", ids)
    check(got.code in (0, 5), "the second Delete: %r" % (got,))
    check(time.monotonic() - begin < 9, "it took %.1f s" % (time.monotonic() - begin))
    b.c.refused(5, "process does not exist %s: not found" % b.exec_id, "Delete", ids)
    equal(read_all(reader), b"", "the end")
    os.close(reader)
    # The same of a task, whose init shares its pid namespace and leaves somebody behind who is killed with it.
    out = b.fifo("task")
    reader = open_reader(out)

    def shared(config):
        config["linux"]["namespaces"] = [n for n in config["linux"]["namespaces"] if n["type"] != "pid"]

    b.shim.create(b.c, "s", ["/bin/sh", "-c", "sleep 1000 & exit 3"], change=shared, io=("", out, "", 0))
    b.c.ok("Start", [(1, "s")])
    equal(b.wait([(1, "s")]), 3, "status")
    streams = [b.c.send("Delete", [(1, "s")]) for _ in range(3)]
    codes = sorted(b.c.answer(stream).code for stream in streams)
    equal(codes, [0, 5, 5], "codes of three Deletes at a time")
    wait_until(5, "the delete event", lambda: b.shim.events.topics("s")[-1:] == ["delete"])
    equal(b.shim.events.topics("s"), ["create", "start", "exit", "delete"], "events")
    equal(read_all(reader), b"", "the end")
    os.close(reader)


if __name__ == "__main__":
    sys.exit(main(CASES))
