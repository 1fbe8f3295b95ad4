# SPDX-License-Identifier: Apache-2.0
"""What a shim answers to input that nobody should send (spec: code and text of each), while another client goes on as if
nothing had happened, and that it takes no memory for good. One case a run: see main() of shim_client."""

import contextlib
import json
import os
import random
import re
import resource
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

from shim_client import *  # noqa: F403

NOT_CREATED = "container not created: not found"
CASES = {}


def case(f):
    """Runs f(shim, c): a shim with a container `first` that sleeps, a client c, and a second client that must be served
    quickly all the time and find nothing changed at the end."""

    def run(directory, template):
        with Shim(directory, template).start(args=["/bin/sleep", "1000"]) as shim:
            bystander = shim.connect()
            bystander.ok("Create", shim.create_fields("first", os.path.join(directory, "first")))
            pid = first(bystander.ok("Start", [(1, "first")]), 1)
            settle(shim, bystander)
            before = shim.usage()
            with shim.connect() as c:
                f(shim, c)
            state = bystander.ok("State", [(1, "first")])
            equal((first(state, 3), first(state, 4)), (pid, RUNNING), "the other container")
            flat(shim, before)
            equal(shim.events.topics("first"), ["create", "start"], "events of the other container")
            equal(shim.remove(bystander, "first"), 137, "status of the other container")
            shim.shutdown(bystander)

    CASES[f.__name__] = run
    return f


def settle(shim, c):
    """Let allocations that come once come now."""
    for i in range(20):
        c.ok("State", [(1, "first")])
        c.ok("Exec", shim.exec_fields("first", "warm%d" % i, ["/bin/true"]))
        c.ok("Start", [(1, "first"), (2, "warm%d" % i)])
        c.ok("Wait", [(1, "first"), (2, "warm%d" % i)])
        c.ok("Delete", [(1, "first"), (2, "warm%d" % i)])
    forget_events(shim, c)


def forget_events(shim, c):
    """Those of execs that have been until now: they have come when the next one comes."""
    c.ok("Exec", shim.exec_fields("first", "marker", ["/bin/true"]))
    c.ok("Delete", [(1, "first"), (2, "marker")])
    wait_until(10, "the last event", lambda: "exec-added:marker" in shim.events.topics("first"))
    events = [e for e in shim.events.events if e.id == "first" and e.exec_id]
    shim.events.events = [e for e in shim.events.events if e not in events]
    return [e for e in events if e.exec_id != "marker"]


def flat(shim, before, kib=768):
    """As much memory, as many fds and threads as before; a connection that was closed may need a moment."""

    def same():
        now = shim.usage()
        return now[0] <= before[0] + kib and now[1] <= before[1] and now[2] <= before[2]

    try:
        wait_until(10, "", same)
    except Failure:
        raise Failure("KiB, fds, threads were %r, are %r" % (before, shim.usage()))


@contextlib.contextmanager
def prompt(shim, seconds=2):
    """A client that is not to notice: its call is answered in time before, in the middle (where it is given), after."""
    with shim.connect() as c:

        def ask():
            begin = time.monotonic()
            c.ok("State", [(1, "first")])
            took = time.monotonic() - begin
            check(took < seconds * SLOW, "another client waited for %.1f s" % took)

        ask()
        yield ask
        ask()


# --- frames ----------------------------------------------------------------------------------------------------------


@case
def frames_that_are_too_long(shim, c):
    with prompt(shim) as others:
        for size in (MESSAGE_MAX + 1, 3 * MESSAGE_MAX):
            stream = c.next_stream()
            c.write(frame(stream, REQUEST, b"", size=size))
            for part in range(0, size, 1 << 20):
                c.write(b"x" * min(1 << 20, size - part))
                others()
            Connection.is_refusal(
                c.answer(stream), 8, "message length %d exceed maximum message size of 4194304" % size, "a long frame"
            )
            c.ok("State", [(1, "first")])
        # Four gigabytes are announced and do not come.
        c.write(frame(c.next_stream(), REQUEST, b"", size=0xFFFFFFFF) + b"y" * (1 << 20))
        others()


@case
def the_longest_frame_is_taken(shim, c):
    head = request(1, "State", b"", metadata=[("k", "")])
    for size in (MESSAGE_MAX - 64, MESSAGE_MAX):
        # Padded to `size` by a metadata value of the right length.
        pad = size - len(head) + 10 - 6 - 20
        stream = c.next_stream()
        while True:
            data = request(stream, "State", encode([(1, "first")]), metadata=[("k", "v" * pad)])
            if len(data) - 10 == size:
                break
            pad += size - (len(data) - 10)
        c.write(data)
        equal(c.answer(stream).code, 0, "code for a frame of %d" % size)


@case
def frames_that_come_in_pieces(shim, c):
    data = request(c.next_stream(), "State", encode([(1, "first")]))
    with prompt(shim) as others:
        for byte in data:
            c.write(bytes([byte]))
            others()
    equal(c.answer(1).code, 0, "code")
    # Two and a half at once.
    many = b"".join(request(c.next_stream(), "State", encode([(1, "first")])) for _ in range(3))
    c.write(many[:-20])
    c.answer(3)
    c.answer(5)
    c.write(many[-20:])
    c.answer(7)


@case
def streams_that_are_not_to_be(shim, c):
    state = encode([(1, "first")])
    c.write(request(2, "State", state))
    c.is_refusal(c.answer(2), 3, "StreamID must be odd for client initiated streams", "an even stream")
    c.write(request(0, "State", state))
    c.is_refusal(c.answer(0), 3, "StreamID must be odd for client initiated streams", "stream 0")
    c.write(request(9, "State", state))
    equal(c.answer(9).code, 0, "a stream that skips some")
    for stream in (9, 7):
        c.write(request(stream, "State", state))
        c.is_refusal(c.answer(stream), 3, "StreamID cannot be re-used and must increment", "an old stream")
    c.write(frame(11, DATA, b"data"))
    c.is_refusal(c.answer(11), 3, "StreamID is no longer active", "data")
    # Types of versions to come, and answers that nobody asked for.
    c.write(frame(13, 4, b"?") + frame(13, 0, b"?") + frame(13, 255, b"") + frame(13, RESPONSE, b""))
    c.write(request(0xFFFFFFFF, "State", state))
    equal(c.answer(0xFFFFFFFF).code, 0, "the last stream")


@case
def requests_that_are_none(shim, c):
    # No service at all is one of the empty name.
    c.write(frame(c.next_stream(), REQUEST, b""))
    c.is_refusal(c.answer(1), 12, "service ", "an empty request")
    for data in (b"\xff\xff\xff", b"\x0a\x05abc", encode([(1, b"\xc3\x28"), (2, b"State")]), encode([(1, b"a\0b")]), b"\x0b"):
        stream = c.next_stream()
        c.write(frame(stream, REQUEST, data))
        c.is_refusal(c.answer(stream), 3, re.compile("^unmarshal request error: ."), "request %r" % data)
    c.refused(12, "service containerd.task.v9.Task", "State", service="containerd.task.v9.Task")
    c.refused(12, "service containerd.services.streaming.v1.Streaming", "Stream", service="containerd.services.streaming.v1.Streaming")
    c.refused(12, "method NoSuch", "NoSuch")
    c.refused(12, "method state", "state")
    c.refused(12, "method " + "x" * 100000, "x" * 100000)
    for payload in (b"\xff", b"\x0a\x7fx", b"\x0a\x02\xff\xfe", b"\x0a\x03a\0b"):
        stream = c.next_stream()
        c.write(request(stream, "State", payload))
        c.is_refusal(c.answer(stream), 13, re.compile("^ttrpc: error unmarshalling payload: ."), "payload %r" % payload)
    # Fields that nobody knows are skipped, the last of two values counts.
    c.ok("State", [(99, "x"), (1, "nobody"), (1, "first"), (1000, 7)])
    # A hundred thousand empty mounts take more memory than they take room.
    got = c.call("Create", [(1, "m"), (2, "/x")] + [(3, b"")] * 200000)
    check(got.code != 0, "a Create with 200,000 mounts")


@case
def noise(shim, c):
    source = random.Random(7)
    with prompt(shim) as others:
        for i in range(60):
            with shim.connect() as noisy:
                try:
                    noisy.write(source.randbytes(source.randrange(1, 200000)), seconds=1)
                except OSError:
                    pass
        others()
        # Bits that are turned in a good request.
        good = request(1, "Exec", encode(shim.exec_fields("first", "e", ["/bin/true"])))
        for i in range(300):
            with shim.connect() as noisy:
                data = bytearray(good)
                for _ in range(source.randrange(1, 6)):
                    at = source.randrange(10, len(data))
                    data[at] ^= 1 << source.randrange(8)
                noisy.write(bytes(data))
                noisy.answer(1)
        others()
    # Those that were added by chance go.
    for event in forget_events(shim, c):
        c.ok("Delete", [(1, "first"), (2, event.exec_id)])


# --- ids -------------------------------------------------------------------------------------------------------------

OF_A_PROCESS = ["State", "Start", "Delete", "Kill", "CloseIO", "ResizePty", "Wait"]
OF_A_TASK = ["Pids", "Pause", "Resume", "Stats", "Update", "Exec"]


def more_of(method):
    if method == "Update":
        return [(2, encode([(1, "x"), (2, "{}")]))]
    if method == "Exec":
        return [(2, "e"), (7, encode([(1, PROCESS_URL), (2, "{}")]))]
    return []


@case
def ids_that_nobody_has(shim, c):
    for id_ in ("nobody", "", "FIRST", "first/", "../first", "f" * 300, "\u00fc"):
        for method in OF_A_PROCESS + OF_A_TASK:
            c.refused(5, NOT_CREATED, method, [(1, id_)] + more_of(method))
        equal(first(c.ok("Connect", [(1, id_)]), 2, 0), 0, "task pid of %r" % id_)
    for exec_id in ("nobody", "x" * 300, "../i", "first"):
        for method in OF_A_PROCESS:
            number = 2
            c.refused(5, "process does not exist %s: not found" % exec_id, method, [(1, "first"), (number, exec_id)])
    c.ok("Shutdown", [(1, "nobody"), (2, 1)])
    c.ok("State", [(1, "first")])


@case
def ids_that_cannot_be(shim, c):
    bundle = shim.bundle("other")
    for id_ in ("", "..", ".", "a/b", "../first", "a b", "-a", "a\n", "x" * 128, "x" * 5000, "\u00fc"):
        got = c.call("Create", shim.create_fields(id_, bundle))
        equal(got.code, 3, "code of a Create with id %r (%s)" % (id_[:20], got.text))
        check(got.text.endswith(": invalid argument"), "text: %r" % got.text)
        got = c.call("Exec", shim.exec_fields("first", id_, ["/bin/true"]))
        equal(got.code, 3, "code of an Exec with id %r (%s)" % (id_[:20], got.text))
    for path in ("", "x", "./x"):
        got = c.call("Create", shim.create_fields("other", path))
        equal(got.code, 3, "code of a Create with bundle %r (%s)" % (path, got.text))
    c.refused(3, re.compile("^exec 'e' has no spec"), "Exec", [(1, "first"), (2, "e")])
    c.refused(3, re.compile("namespace 'other'"), "State", [(1, "first")], metadata=[("containerd-namespace-ttrpc", "other")])
    c.ok("State", [(1, "first")], metadata=[("containerd-namespace-ttrpc", NS)])
    equal(len(shim.events.events), 2, "events")


@case
def ids_in_use(shim, c):
    c.refused(6, re.compile("first: already exists$"), "Create", shim.create_fields("first", os.path.join(shim.dir, "first")))
    c.ok("Exec", shim.exec_fields("first", "e", ["/bin/sleep", "1000"]))
    for _ in range(2):
        c.refused(6, "id e: already exists", "Exec", shim.exec_fields("first", "e", ["/bin/true"]))
    c.refused(6, "id first: already exists", "Exec", shim.exec_fields("first", "first", ["/bin/true"]))
    c.ok("Start", [(1, "first"), (2, "e")])
    c.refused(6, "id e: already exists", "Exec", shim.exec_fields("first", "e", ["/bin/true"]))
    c.refused(2, "cannot start a running process", "Start", [(1, "first"), (2, "e")])
    c.refused(2, "cannot delete a running process", "Delete", [(1, "first"), (2, "e")])
    c.refused(2, "cannot start a running process", "Start", [(1, "first")])
    c.refused(2, "cannot delete a running process", "Delete", [(1, "first")])
    c.ok("Kill", [(1, "first"), (2, "e"), (3, 9)])
    c.ok("Wait", [(1, "first"), (2, "e")])
    c.refused(6, "id e: already exists", "Exec", shim.exec_fields("first", "e", ["/bin/true"]))
    c.refused(2, "cannot start a stopped process", "Start", [(1, "first"), (2, "e")])
    c.refused(5, "process already finished: not found", "Kill", [(1, "first"), (2, "e"), (3, 9)])
    c.ok("Delete", [(1, "first"), (2, "e")])
    c.ok("Exec", shim.exec_fields("first", "e", ["/bin/true"]))
    c.refused(9, "process not created: failed precondition", "Kill", [(1, "first"), (2, "e"), (3, 9)])
    c.ok("Delete", [(1, "first"), (2, "e")])
    events = [e.topic for e in forget_events(shim, c)]
    equal(events, ["/tasks/exec-added", "/tasks/exec-started", "/tasks/exit", "/tasks/exec-added"], "events")


@case
def requests_after_the_end(shim, c):
    shim.run(c, "t", ["/bin/sleep", "1000"])
    c.ok("Exec", shim.exec_fields("t", "e", ["/bin/true"]))
    c.ok("Kill", [(1, "t"), (3, 9)])
    c.ok("Wait", [(1, "t")])
    c.refused(5, "process already finished: not found", "Kill", [(1, "t"), (3, 9)])
    c.refused(9, "container t init process is not running: failed precondition", "Start", [(1, "t"), (2, "e")])
    c.refused(2, "cannot exec in a stopped state", "Exec", shim.exec_fields("t", "f", ["/bin/true"]))
    c.refused(2, "cannot start a stopped process", "Start", [(1, "t")])
    c.refused(2, "cannot pause a stopped container", "Pause", [(1, "t")])
    c.refused(2, "cannot resume a stopped container", "Resume", [(1, "t")])
    c.refused(2, "cannot update a stopped container", "Update", [(1, "t")] + more_of("Update"))
    c.refused(2, "cannot resize a stopped container", "ResizePty", [(1, "t"), (3, 80), (4, 24)])
    equal(first(c.ok("State", [(1, "t")]), 4), STOPPED, "status")
    c.ok("CloseIO", [(1, "t"), (3, 1)])
    check(len(c.ok("Pids", [(1, "t")])[1]) == 1, "Pids of a stopped task")
    c.ok("Delete", [(1, "t")])
    for method in OF_A_PROCESS + OF_A_TASK:
        c.refused(5, NOT_CREATED, method, [(1, "t")] + more_of(method))
    for method in OF_A_PROCESS:
        c.refused(5, NOT_CREATED, method, [(1, "t"), (2, "e")])
    # Its name is free again.
    shim.run(c, "t", ["/bin/true"])
    equal(first(c.ok("Wait", [(1, "t")]), 1, 0), 0, "status of the next one")
    c.ok("Delete", [(1, "t")])
    events = ["create", "start", "exec-added:e", "exit", "delete", "create", "start", "exit", "delete"]
    wait_until(10, "the events", lambda: len(shim.events.of("t")) == len(events))
    equal(shim.events.topics("t"), events, "events")


# --- documents -------------------------------------------------------------------------------------------------------


@case
def specs_of_four_megabytes(shim, c):
    def start(exec_id, process):
        fields = [(1, "first"), (2, exec_id), (7, encode([(1, PROCESS_URL), (2, process)]))]
        got = c.call("Exec", fields)
        if got.code == 0:
            got = c.call("Start", [(1, "first"), (2, exec_id)])
            if got.code == 0:
                equal(first(c.ok("Wait", [(1, "first"), (2, exec_id)]), 1, 0), 0, "status")
            c.ok("Delete", [(1, "first"), (2, exec_id)])
        return got

    process = dict(shim.config["process"])
    room = MESSAGE_MAX - 4096
    # As many arguments as the kernel takes, and more than it takes; one that is too long for it.
    many = ["/bin/true"] + ["a" * 100000] * 12
    equal(start("e1", json.dumps(dict(process, args=many))).code, 0, "1.2 MB of arguments")
    got = start("e2", json.dumps(dict(process, args=["/bin/true"] + ["a" * 100000] * 40)))
    equal(got.code, 2, "code for 4 MB of arguments (%s)" % got.text)
    check(re.search("rgument list too long|longer than 2097152", got.text), "text for 4 MB of arguments: %s" % got.text)
    got = start("e3", json.dumps(dict(process, args=["/bin/true", "a" * (room - 2000)])))
    check(re.search("rgument list too long|longer than 2097152|string is too long", got.text), "text for an argument of 4 MB: %s" % got.text)
    # Whatever is in it: a name and a reason, and no crash.
    for name, spec in [
        ("e4", "[" * room),
        ("e5", '{"a":' * (room // 5)),
        ("e6", "x" * room),
        ("e7", '{"args":["' + "\\u0041" * (room // 6 - 10) + '"]}'),
        ("e8", json.dumps(dict(process, args=[]))),
        ("e9", ""),
        ("e10", "{}"),
        ("e11", "\0" * 100),
        ("e12", json.dumps(dict(process, cwd="relative"))),
        ("e13", json.dumps(dict(process, args=["a"] * (room // 6)))),
        ("e14", json.dumps(dict(process, env=["A=B"] * (room // 8)))),
        ("e15", '{"args":["/bin/true"],"cwd":"/","user":{"uid":1e999}}'),
    ]:
        got = start(name, spec)
        check(got.code != 0 and got.text, "spec %s: %r" % (name, got))
        c.ok("State", [(1, "first")])
    forget_events(shim, c)


@case
def bundles_that_are_none(shim, c):
    def refused(what, id_="b"):
        got = c.call("Create", shim.create_fields(id_, os.path.join(shim.dir, id_)))
        check(got.code != 0 and got.text, "Create with %s was taken" % what)
        c.refused(5, NOT_CREATED, "State", [(1, id_)])
        return got.text

    refused("no bundle", "absent")
    path = os.path.join(shim.bundle("b"), "config.json")
    os.unlink(path)
    check("config.json" in refused("no config.json"), "the file is named")
    os.mkfifo(path)
    refused("a fifo as config.json")
    os.unlink(path)
    os.symlink("/dev/zero", path)
    refused("/dev/zero as config.json")
    os.unlink(path)
    os.mkdir(path)
    refused("a directory as config.json")
    os.rmdir(path)
    for content in ("", "{", "[]", "null", "{}", '{"ociVersion":"9.9.9"}', "[" * 100000, '{"ociVersion":"1.0.2","process":7}'):
        with open(path, "w") as f:
            f.write(content)
        refused("config.json %r" % content[:30])
    with open(path, "w") as f:
        f.write('{"ociVersion":"1.0.2","annotations":{"a":"' + "x" * 100_000_000 + '"}}')
    refused("config.json of 100 MB")
    equal(shim.events.of("b"), [], "events of a Create that failed")
    shim.run(c, "b")
    shim.remove(c, "b")


@case
def options_that_are_none(shim, c):
    bundle = shim.bundle("o")

    def create(url, value):
        return c.call("Create", shim.create_fields("o", bundle) + [(10, encode([(1, url), (2, value)]))])

    for url, value in [
        ("containerd.runc.v1.Options", b"\xff\xff"),
        ("type.googleapis.com/containerd.runc.v1.Options", encode([(6, b"\xff\xfe")])),
        ("runtimeoptions.v1.Options", encode([(3, "= toml")])),
        ("runtimeoptions.v1.Options", encode([(2, "/no/such/file")])),
        ("runtimeoptions.v1.Options", b"\x1a\x7f"),
    ]:
        got = create(url, value)
        equal(got.code, 3, "code for options %r of %s (%s)" % (value, url, got.text))
        check(got.text, "no reason is given")
    # Options of a kind that nobody knows are none.
    for url, value in [("example.com/Unknown", b"\xff"), ("", b"")]:
        equal(create(url, value).code, 0, "code for options of %r" % url)
        shim.remove(c, "o")


@case
def streams_that_cannot_be_opened(shim, c):
    bundle = shim.bundle("s")
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(os.path.join(shim.dir, "socket"))
    for out, words in [
        ("ttrpc+unix:///x?streaming_id=1", "^unknown STDIO scheme ttrpc\\+unix$"),
        ("pipe://x", "^unknown STDIO scheme pipe$"),
        ("/no/such/fifo", "'/no/such/fifo': No such file or directory"),
        (shim.dir, "Is a directory"),
        (os.path.join(shim.dir, "socket"), "No such device or address"),
        ("binary:///no/such/logger", "/no/such/logger"),
        ("binary:///bin/true?a=%zz", "malformed address"),
        ("binary-v2:///bin/true", "did not call ready"),
        ("file://", "no path"),
        ("file:///proc/self/nothing/here", "/proc/self/nothing"),
    ]:
        got = c.call("Create", shim.create_fields("s", bundle, ("", out, out, 0)))
        check(got.code != 0 and re.search(words, got.text), "stdout %s: %d %s" % (out, got.code, got.text))
        c.refused(5, NOT_CREATED, "State", [(1, "s")])
        c.ok("Exec", shim.exec_fields("first", "e", ["/bin/true"], ("", out, out, 0)))
        got = c.call("Start", [(1, "first"), (2, "e")])
        check(got.code != 0 and re.search(words, got.text), "stdout %s: %d %s" % (out, got.code, got.text))
        # Its wait ends, and it can be deleted.
        c.ok("Wait", [(1, "first"), (2, "e")])
        c.ok("Delete", [(1, "first"), (2, "e")])
    equal(shim.events.of("s"), [], "events of a Create that failed")
    equal({e.topic for e in forget_events(shim, c)}, {"/tasks/exec-added"}, "events of execs that failed")


@case
def numbers_out_of_range(shim, c):
    for signal in (65, 1000, 0xFFFFFFFF, 1 << 40):
        got = c.call("Kill", [(1, "first"), (3, signal)])
        check((1 << 40) == signal or got.code == 3, "signal %d: %r" % (signal, got))
    c.ok("Kill", [(1, "first"), (3, 0)])
    for width in (0, 65535, 65536, 0xFFFFFFFF):
        c.ok("ResizePty", [(1, "first"), (3, width), (4, width)])
    c.ok("CloseIO", [(1, "first"), (3, 0)])
    c.ok("CloseIO", [(1, "first"), (3, 1)])
    for resources in ("", "[]", "{", '{"memory":{"limit":"x"}}', '{"cpu":{"shares":-1}}', "x" * 3_000_000):
        got = c.call("Update", [(1, "first"), (2, encode([(1, "x"), (2, resources)]))])
        check(got.code != 0 and got.text, "update with %r" % resources[:30])
    got = c.call("Update", [(1, "first")])
    equal(got.code, 3, "update without resources (%s)" % got.text)


# --- time ------------------------------------------------------------------------------------------------------------


@case
def deadlines_that_have_passed(shim, c):
    bundle = shim.bundle("d", ["/bin/sleep", "1000"])
    late = dict(timeout_ns=-1)
    for timeout in (-1, 1, -(1 << 63)):
        got = c.call("Create", shim.create_fields("d", bundle), timeout_ns=timeout)
        equal(got.code, 4, "code of a Create that is late by %d (%s)" % (timeout, got.text))
        check(got.text.endswith("deadline exceeded"), got.text)
        c.refused(5, NOT_CREATED, "State", [(1, "d")])
    equal(shim.events.of("d"), [], "events of a Create that failed")
    c.ok("Create", shim.create_fields("d", bundle))
    got = c.call("Start", [(1, "d")], **late)
    equal(got.code, 4, "code of a late Start (%s)" % got.text)
    for method in ("State", "Wait", "Delete", "Kill", "Stats"):
        c.refused(4, "context deadline exceeded", method, [(1, "d")], **late)
    equal(first(c.ok("State", [(1, "d")]), 4), CREATED, "status after a late Start")
    c.ok("Start", [(1, "d")])
    c.ok("Exec", shim.exec_fields("d", "e", ["/bin/sleep", "1000"]))
    got = c.call("Start", [(1, "d"), (2, "e")], **late)
    equal(got.code, 4, "code of a late Start of an exec (%s)" % got.text)
    c.ok("Delete", [(1, "d"), (2, "e")])
    # The longest that can be said.
    c.ok("Exec", shim.exec_fields("d", "e", ["/bin/true"]), timeout_ns=(1 << 63) - 1)
    c.ok("Start", [(1, "d"), (2, "e")], timeout_ns=(1 << 63) - 1)
    c.ok("Wait", [(1, "d"), (2, "e")], timeout_ns=(1 << 63) - 1)
    shim.remove(c, "d")


@case
def clients_that_leave_in_the_middle(shim, c):
    before = len(os.listdir("/proc/%d/fd" % shim.pid))
    for i in range(40):
        id_ = "l%d" % i
        bundle = shim.bundle(id_, ["/bin/sleep", "1000"])
        with shim.connect() as leaver:
            leaver.send("Create", shim.create_fields(id_, bundle))
        # It may have been made, it may have been given up: the next one finds out.
        wait_until(10, "the end of a Create", lambda: c.call("State", [(1, id_)]).code in (0, 5))

        def settled():
            got = c.call("Create", shim.create_fields(id_, bundle))
            return got.code in (0, 6)

        wait_until(10, "a second Create", settled)
        wait_until(10, "the task", lambda: c.call("State", [(1, id_)]).code == 0)
        with shim.connect() as leaver:
            leaver.send("Start", [(1, id_)])
        wait_until(10, "the end of a Start", lambda: first(c.ok("State", [(1, id_)]), 4) == RUNNING)
        c.ok("Exec", shim.exec_fields(id_, "e", ["/bin/sleep", "1000"]))
        with shim.connect() as leaver:
            for _ in range(20):
                leaver.send("Wait", [(1, id_)])
            leaver.send("Start", [(1, id_), (2, "e")])
            leaver.send("Kill", [(1, id_), (3, 9)])
        with shim.connect() as leaver:
            c.ok("Wait", [(1, id_)])
            leaver.send("Delete", [(1, id_)])
        wait_until(10, "the end of a Delete", lambda: c.call("Delete", [(1, id_)]).code in (0, 5))
        c.refused(5, NOT_CREATED, "State", [(1, id_)])
        wait_until(5, "the last event", lambda: shim.events.topics(id_)[-1:] == ["delete"])
        topics = [t for t in shim.events.topics(id_) if not t.endswith(":e")]
        equal(topics, ["create", "start", "exit", "delete"], "events of " + id_)


@case
def a_client_that_never_reads(shim, c):
    before = shim.usage()[0]
    with prompt(shim) as others, shim.connect(receive_buffer=4096) as deaf:
        deaf.socket.settimeout(0.5 * SLOW)
        many = b"".join(request(1 + 2 * i, "State", encode([(1, "first")])) for i in range(1000))
        sent, stream = 0, 1
        # It is stopped long before the end.
        try:
            for _ in range(300):
                many = b"".join(request(stream + 2 * i, "Pids", encode([(1, "first")])) for i in range(1000))
                deaf.socket.sendall(many)
                stream += 2000
                others()
        except TimeoutError:
            pass
        else:
            raise Failure("300,000 requests were taken from a client that reads nothing")
        grown = shim.usage()[0] - before
        check(grown < 4096, "%d KiB for a client that reads nothing" % grown)
        others()
    # Waits of one that goes deaf, then many answers at once: those that find no room are short.
    shim.run(c, "w", ["/bin/sleep", "1000"])
    with prompt(shim) as others, shim.connect(receive_buffer=4096) as deaf:
        for _ in range(5000):
            deaf.send("Wait", [(1, "w")])
        shim.remove(c, "w")
        others()
        grown = shim.usage()[0] - before
        check(grown < 4096, "%d KiB for answers that nobody reads" % grown)


@case
def more_waits_than_are_kept(shim, c):
    with prompt(shim) as others, shim.connect() as waiter:
        many = b"".join(request(1 + 2 * i, "Wait", encode([(1, "first")])) for i in range(8500))
        waiter.write(many)
        waiter.stream = 1 + 2 * 8499
        got = waiter.answer(1 + 2 * 8499)
        waiter.is_refusal(got, 8, "too many requests wait for this task: resource exhausted", "one Wait too many")
        check(not waiter.has_answer(1, 0.2), "a Wait was answered")
        others()
        # There is room for what ends them.
        shim.run(waiter, "w", ["/bin/sleep", "1000"])
        waiter.ok("Kill", [(1, "first"), (3, 0)])
        waiter.ok("Exec", shim.exec_fields("first", "e", ["/bin/true"]))
        waiter.ok("Start", [(1, "first"), (2, "e")])
        wait_until(10, "its end", lambda: first(waiter.ok("State", [(1, "first"), (2, "e")]), 4) == STOPPED)
        waiter.ok("Delete", [(1, "first"), (2, "e")])
        shim.remove(waiter, "w")
        others()
    forget_events(shim, c)
    # Waits with a deadline end with it: a client that asks again and again fills nothing.
    for _ in range(20):
        waits = [c.send("Wait", [(1, "first")], timeout_ns=50_000_000) for _ in range(1000)]
        for wait in waits:
            c.is_refusal(c.answer(wait), 4, "context deadline exceeded", "a Wait that ends with its deadline")


@case
def more_execs_than_are_kept(shim, c):
    added = []
    for i in range(5000):
        got = c.call("Exec", shim.exec_fields("first", "e%d" % i, ["/bin/true"]))
        if got.code:
            equal((got.code, got.text), (8, "too many execs in this task: resource exhausted"), "exec %d" % i)
            break
        added.append("e%d" % i)
    equal(len(added), 4096, "execs")
    for exec_id in added:
        c.ok("Delete", [(1, "first"), (2, exec_id)])
    c.ok("Exec", shim.exec_fields("first", "e", ["/bin/true"]))
    c.ok("Delete", [(1, "first"), (2, "e")])
    equal(len(forget_events(shim, c)), 4097, "events")


@case
def more_connections_than_fds(shim, c):
    worker = shim.processes()[-1]
    soft, hard = resource.prlimit(worker, resource.RLIMIT_NOFILE)
    used = len(os.listdir("/proc/%d/fd" % worker))
    resource.prlimit(worker, resource.RLIMIT_NOFILE, (used + 20, hard))
    crowd = [shim.connect() for _ in range(60)]
    for one in crowd:
        one.send("State", [(1, "first")])
    answered = wait_until(10, "some are served", lambda: [one for one in crowd if one.has_answer(1, 0.05)])
    check(len(answered) < 60, "all were served")
    # Those who are in are served well, and a container that finds no fd says so and leaves nothing.
    c.ok("State", [(1, "first")])
    got = c.call("Create", shim.create_fields("f", shim.bundle("f")))
    check(got.code != 0 and "oo many open files" in got.text, "Create without fds: %r" % (got,))
    for one in answered:
        one.close()
    rest = [one for one in crowd if one not in answered]
    while rest:
        served = wait_until(20, "the others are served", lambda: [one for one in rest if one.has_answer(1, 0.05)])
        for one in served:
            one.close()
        rest = [one for one in rest if one not in served]
    resource.prlimit(worker, resource.RLIMIT_NOFILE, (soft, hard))
    shim.run(c, "f")
    shim.remove(c, "f")


if __name__ == "__main__":
    sys.exit(main(CASES))
