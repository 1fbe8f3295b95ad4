#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tasks inside of reeved while its processes are killed at random moments (reeved-kill.bats).

usage: reeved_kill.py storm DIR BUNDLE KINDS KILLS SEED [BUILD...]
                                                           KINDS: of worker,guardian,both,front,replace,
                                                           state,all; KILLS of each
       reeved_kill.py reboot DIR BUNDLE                    all that runs ends at once, and the state directory is gone
       reeved_kill.py watch DIR FILE                       a subscriber: what it hears, a line an event

DIR/reeved.toml is the daemon's; its front is started again here, as a unit does. What a process ends with its program
decides, when it is told to: so what is true is known, also of those that end while nobody looks. With `replace` nothing is
killed, but another of the BUILDs (reeved of another version) is put into the place of the program, and then SIGHUP. With
`state` the state directory is removed while it runs, and with `all` when everything of reeved has been killed: then the tasks
that there were are ended.
KILL_NUMBERS=N: numbers of processes above N are not used, so that those below are again and again."""
import collections
import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from h2 import CONTAINER_LIST, SLOW, SUBSCRIBE, VERSION, Conn, field, fields  # noqa: E402

NS = "storm"
TASKS = "/containerd.services.tasks.v1.Tasks/"
CONTAINERS = "/containerd.services.containers.v1.Containers/"
SPEC = "types.containerd.io/opencontainers/runtime-spec/1/"
RUNTIME = "io.containerd.reeve.v2"
CREATED, STOPPED = 1, 3
OK, UNKNOWN, NOT_FOUND, EXISTS, PRECONDITION, UNAVAILABLE, LOST = 0, 2, 5, 6, 9, 14, -1
LANES = 4
PATIENCE = 30 * SLOW
SPARE_FDS, SPARE_KIB = 2, 1024
HOLD = 0.7  # for so long after a restart no event is told
SURE_HOLD = 0.5  # whoever subscribes again within that, of the kill, hears everything
UNTOLD = 3 * SLOW
PIDFD_TELLS = tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) >= (6, 15)

Answer = collections.namedtuple("Answer", "code text first")


def until(what, condition, seconds=10):
    end = time.monotonic() + seconds * SLOW
    while True:
        got = condition()
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError("did not come true: " + what)
        time.sleep(0.01)


# ---- a client ----

class Client:
    """A call tells LOST when the daemon died meanwhile: it may have been carried out, or not."""

    def __init__(self, address):
        self.address, self.conn, self.lost = address, None, 0
        self.said = collections.deque(maxlen=16)

    def once(self, path, body):
        if self.conn is None:
            self.conn = Conn(self.address)
        got = self.conn.ask(path, body, ns=NS)
        if got.status is None or got.status == UNAVAILABLE:
            raise ConnectionResetError
        messages = got.messages()
        return Answer(got.status, got.text.decode(), messages[0] if messages else b"")

    def call(self, path, *parts):
        began = time.time()
        try:
            a = self.once(path, b"".join(field(n, v) for n, v in parts))
        except OSError:
            self.close()
            self.lost += 1
            time.sleep(0.01)
            a = Answer(LOST, "", b"")
        self.said.append("    %.3f %.3f %s %s %d %s" % (
            began, time.time(), path.rsplit("/", 1)[1], [v for _, v in parts if isinstance(v, (int, str))], a.code, a.text or a.first))
        return a

    def again(self, path, *parts):
        """What may be asked twice."""
        end = time.monotonic() + PATIENCE
        while True:
            a = self.call(path, *parts)
            if a.code != LOST:
                return a
            assert time.monotonic() < end, "no daemon to ask for " + path

    def close(self):
        if self.conn:
            self.conn.close()
        self.conn = None

    def process(self, task, exec_=""):
        """(pid, status, exit status), or None when there is none."""
        a = self.again(TASKS + "Get", (1, task), (2, exec_))
        if a.code == NOT_FOUND:
            return None
        assert a.code == OK, a
        p = dict(fields(dict(fields(a.first))[1]))
        return p.get(3, 0), p.get(4, 0), p.get(9, 0)

    def tasks(self):
        a = self.again(TASKS + "List")
        assert a.code == OK, a
        return sorted(dict(fields(p))[2].decode() for n, p in fields(a.first) if n == 1)

    def containers(self):
        a = self.again(CONTAINER_LIST)
        assert a.code == OK, a
        return sorted(dict(fields(p))[1].decode() for n, p in fields(a.first) if n == 1)


def any_of(kind, document):
    return field(1, SPEC + kind) + field(2, json.dumps(document))


class Bundle:
    """Programs that end with what they were made for, when they are told to."""

    def __init__(self, path):
        with open(os.path.join(path, "config.json")) as f:
            self.config = json.load(f)
        self.tmp = os.path.join(path, "rootfs", "tmp")
        self.config["root"]["path"] = os.path.join(path, "rootfs")
        self.fifos, self.waiting, self.lock = {}, set(), threading.Lock()
        self.ending = set()  # it may be over, and nobody was told

    def process(self, name, code):
        path = os.path.join(self.tmp, name)
        os.mkfifo(path)
        self.fifos[name] = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        args = ["sh", "-c", "read go </tmp/%s; exit %d" % (name, code)]
        return dict(self.config["process"], args=args, terminal=False)

    def spec(self, name, code):
        return dict(self.config, process=self.process(name, code))

    def may_end(self, name):
        """From now on it is anybody's to tell it."""
        with self.lock:
            self.waiting.add(name)

    def end(self, name):
        with self.lock:
            told = name not in self.waiting
            self.waiting.discard(name)
        if not told:
            os.write(self.fifos[name], b"\n")

    def end_all(self):
        with self.lock:
            names = list(self.waiting)
        for name in names:
            self.end(name)

    def forget(self, name):
        os.close(self.fifos.pop(name))
        os.unlink(os.path.join(self.tmp, name))


# ---- the daemon, and who looks after it ----

def read(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except OSError:
        return b""


def parent_of(pid):
    stat = read("/proc/%d/stat" % pid)
    return int(stat.rsplit(b") ", 1)[1].split()[1]) if stat else 0


def is_gone(pid, born=None):
    """born: what has been born at another time is another process with its number."""
    stat = read("/proc/%d/stat" % pid).rsplit(b") ", 1)[-1].split()
    return not stat or stat[0] in b"ZX" or born not in (None, stat[19])


def birth(pid):
    stat = read("/proc/%d/stat" % pid).rsplit(b") ", 1)[-1].split()
    return stat[19] if stat else b""


def pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def pss_of(pid):
    for line in read("/proc/%d/smaps_rollup" % pid).splitlines():
        if line.startswith(b"Pss:"):
            return int(line.split()[1])
    return 0


def fds_of(pid):
    with contextlib.suppress(OSError):
        return len(os.listdir("/proc/%d/fd" % pid))
    return 0


class Daemon:
    """Its front is started again whenever it has ended, as by the unit."""

    def __init__(self, directory, builds=()):
        self.directory = directory
        self.builds, self.program = list(builds), shutil.which("reeved")
        if builds:
            self.program = os.path.join(directory, "reeved")
            self.install()
        self.address = os.path.join(directory, "sock")
        self.state = os.path.join(directory, "state")
        self.front, self.starts, self.wanted = None, 0, True
        self.struck = []  # when
        self.keeper, self.gate = None, threading.Lock()

    def start(self):
        self.wanted = True
        self.keeper = threading.Thread(target=self.keep, daemon=True)
        self.keeper.start()
        self.served()

    def keep(self):
        while self.wanted:
            with self.gate, open(os.path.join(self.directory, "log"), "ab") as log:
                self.front = subprocess.Popen(
                    [self.program, "--config", os.path.join(self.directory, "reeved.toml")],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            self.starts += 1
            self.front.wait()
            time.sleep(0.02)

    def install(self):
        """The next build, in one moment, as a package manager does."""
        shutil.copy(self.builds[0], self.program + ".new")
        os.rename(self.program + ".new", self.program)
        self.builds.append(self.builds.pop(0))

    def replace(self):
        """By the next build; the version that it tells must be the one that clients are told."""
        self.install()
        version = subprocess.run([self.program, "--version"], stdout=subprocess.PIPE, check=True).stdout.split()[1]
        self.front.send_signal(signal.SIGHUP)
        client = Client(self.address)
        until("version " + version.decode(), lambda: version in dict(fields(client.again(VERSION).first)).values(), 30)
        client.close()

    def served(self):
        """A client is answered."""
        client = Client(self.address)
        client.again(VERSION)
        client.close()

    def part(self, comm):
        """guardian or worker: known by the arguments, which name the directory."""
        name = b"reeve-guardian" if comm == "guardian" else b"reeved"
        mine = os.path.join(self.directory, "reeved.toml").encode()
        for pid in pids():
            if read("/proc/%d/comm" % pid).strip() == name:
                words = read("/proc/%d/cmdline" % pid).split(b"\0")
                if words[1:2] == [b"worker"] and mine in words and not is_gone(pid):
                    return pid
        return 0

    def victims(self, kind):
        if kind == "front":
            return [self.front.pid]
        if kind == "all":
            return [self.front.pid, self.part("guardian"), self.part("worker")]
        return [self.part(one) for one in (["guardian", "worker"] if kind == "both" else [kind])]

    def lose(self):
        """The state directory. What is made in it meanwhile goes too."""
        while os.path.exists(self.state):
            shutil.rmtree(self.state, ignore_errors=True)

    def kill(self, kind, rng):
        victims = until("a " + kind, lambda: all(self.victims(kind)) and self.victims(kind))
        rng.shuffle(victims)
        births = {pid: birth(pid) for pid in victims}
        self.struck.append(time.monotonic())
        for pid in victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in victims:
            until("the end of %s, process %d" % (kind, pid), lambda pid=pid: is_gone(pid, births[pid]))

    def stop(self):
        self.wanted = False
        self.front.terminate()
        self.keeper.join(PATIENCE)
        assert not self.keeper.is_alive(), "the daemon does not stop"

    def log(self):
        return read(os.path.join(self.directory, "log")).decode(errors="replace")

    def figures(self):
        """(descriptors, KiB) of guardian and worker, when they have nothing to do."""
        found = {}
        for one in ("guardian", "worker"):
            pid = self.part(one)
            found[one] = fds_of(pid), pss_of(pid)
        return found


# ---- what is left ----

def left(daemon, before):
    """Processes, cgroups, mounts, bundles and records that were not there before, of which nobody is to know any more."""
    found = []
    own = {daemon.front.pid, daemon.part("guardian"), daemon.part("worker")} if daemon.front else set()
    for pid in pids():
        if pid not in before and pid not in own and parent_of(pid) not in (0, os.getpid()) and not is_gone(pid):
            found.append("process %d: %s" % (pid, read("/proc/%d/cmdline" % pid).replace(b"\0", b" ").decode()))
    for top, dirs, _ in os.walk("/sys/fs/cgroup"):
        found += ["cgroup " + os.path.join(top, d) for d in dirs if d == NS or d.startswith("s-")]
    for line in read("/proc/self/mountinfo").decode().splitlines():
        at = line.split()[4]
        if at.startswith((daemon.state + "/", os.path.join(daemon.directory, "root") + "/")):
            found.append("mount " + at)
    for base in ("state", "root"):
        tasks = os.path.join(daemon.directory, base, "io.containerd.runtime.v2.task", NS)
        if os.path.isdir(tasks):
            found += ["bundle %s" % os.path.join(tasks, name) for name in os.listdir(tasks)]
    containers = os.path.join(daemon.state, "containers")
    for top, dirs, files in os.walk(containers):
        found += ["record " + os.path.join(top, d) for d in dirs if d.startswith("s-")]
    return found


# ---- one life after the other ----

class Wrong(Exception):
    pass


class Unborn(Exception):
    """Its guardian was killed, or its record lost, before its program was let go: then it never is."""


class Lane(threading.Thread):
    def __init__(self, storm, number):
        super().__init__(daemon=True)
        self.storm, self.number, self.rng = storm, number, random.Random("%s/%d" % (storm.seed, number))
        self.client = Client(storm.daemon.address)
        self.lives = []  # of each: what is true
        self.now = ""

    def run(self):
        n = 0
        try:
            while not self.storm.over.is_set():
                n += 1
                name = "s-%d-%d" % (self.number, n)
                # What begins now sees all of a loss, or nothing.
                self.wipes, self.losses = self.storm.wipes, self.storm.losses
                until("the end of a loss", lambda: not self.storm.losing)
                try:
                    self.life(name)
                except (Wrong, AssertionError):
                    if self.storm.wipes == self.wipes:
                        raise
                    self.abandon(name)
        except BaseException:
            self.storm.failed("%.3f lane %d, %s: %s%s" % (
                time.time(), self.number, self.now, traceback.format_exc(), "\n".join(self.client.said)))
        self.client.close()

    def codes(self, name, code):
        """What may be told of a process: it ended when only the kernel could see it, and that is not recorded."""
        if self.storm.blind and name in self.storm.bundle.ending:
            self.storm.unseen.add(name)
        return {code, 255} if name in self.storm.unseen else {code}

    def abandon(self, name):
        """It was ended when nobody knew it any more."""
        self.storm.ended += 1
        self.client.close()
        self.discard(name)
        self.now = name + ": removal of what nobody knows"
        self.want(self.client.again(CONTAINERS + "Delete", (1, name)), OK, NOT_FOUND)
        for one in [one for one in self.storm.bundle.fifos if (one + "-").startswith(name + "-")]:
            self.storm.bundle.end(one)
            self.storm.bundle.forget(one)

    def discard(self, name):
        """A task, as far as there is one."""
        self.now = name + ": discard"

        def step():
            p = self.client.process(name)
            if p is None:
                return True
            self.client.call(TASKS + ("Delete" if p[1] == STOPPED else "Kill"), (1, name), *([] if p[1] == STOPPED else [(3, 9)]))
            return None

        self.repeat(step)

    def was_lost(self):
        return self.storm.losses > self.losses

    def life(self, name):
        truth = {"id": name, "code": self.rng.randrange(1, 120), "execs": {}, "began": time.monotonic()}
        self.lives.append(truth)
        killed = self.rng.random() < 0.2
        self.deaths = self.storm.deaths
        self.container(name, truth["code"])
        self.create(name)
        try:
            self.start_(name, "")
        except Unborn:
            self.storm.unborn += 1
            self.discard(name)
            self.remove(name, "", set(range(256)), True)
            return
        for i in range(self.rng.randrange(3)):
            code, x = self.rng.randrange(120, 240), "%s-x%d" % (name, i)
            try:
                self.exec_(name, x, code)
            except Wrong:
                if not self.was_lost():
                    raise
                # Its record is lost: no more of them.
                self.storm.refused += 1
                truth["refused"] = x
                self.client.call(TASKS + "DeleteProcess", (1, name), (2, x))
                self.storm.bundle.forget(x)
                break
            truth["execs"][x] = code
        for x, code in truth["execs"].items():
            self.ended(name, x, code)
            self.remove(name, x, self.codes(x, code))
        if killed:
            truth["code"] = 137
        self.ended(name, "", truth["code"], killed)
        self.remove(name, "", self.codes(name, truth["code"]))
        truth["over"] = time.monotonic()

    def remove(self, name, exec_, codes, discarded=False):
        self.now = "%s %s: delete" % (name, exec_)
        if not discarded:
            self.gone("DeleteProcess" if exec_ else "Delete", name, exec_, codes)
        if not exec_:
            self.now = name + ": removal"
            self.want(self.client.again(CONTAINERS + "Delete", (1, name)), OK, NOT_FOUND)
        self.storm.bundle.forget(exec_ or name)

    def container(self, name, code):
        self.now = name + ": container"
        spec = any_of("Spec", self.storm.bundle.spec(name, code))
        container = field(1, name) + field(4, field(1, RUNTIME)) + field(5, spec)
        self.want(self.client.again(CONTAINERS + "Create", (1, container)), OK, EXISTS)

    def want(self, a, *codes):
        if a.code not in codes:
            raise Wrong("%s: %r" % (self.now, a))
        return a

    def repeat(self, step):
        """Until it says something: None is what a daemon that died may have left undone."""
        end = time.monotonic() + PATIENCE
        while True:
            got = step()
            if got is not None:
                return got
            if time.monotonic() > end:
                raise Wrong("%s: never done" % self.now)
            time.sleep(0.005)

    def create(self, name):
        doubt = [False]
        self.now = name + ": create"

        def step():
            a = self.client.call(TASKS + "Create", (1, name))
            if a.code == OK:
                return dict(fields(a.first))[2]
            if a.code == LOST or self.was_lost() or (doubt[0] and a.code in (EXISTS, UNKNOWN)):
                doubt[0] = True
                p = self.client.process(name)
                return p[0] if p else None
            # The executor ends with its guardian, and the worker may be told of that before it is told of the guardian.
            if a.code == UNKNOWN and "the executor ended" in a.text and self.storm.deaths > self.deaths:
                return None
            raise Wrong("%s: %r" % (self.now, a))

        return self.repeat(step)

    def start_(self, name, exec_):
        """No program ends before it is told to: one that is over was not let go."""
        doubt = [False]
        self.now = "%s %s: start" % (name, exec_)

        def step():
            a = self.client.call(TASKS + "Start", (1, name), (2, exec_))
            if a.code == OK:
                return True
            p = self.client.process(name, exec_)
            if p is None:
                raise Wrong("%s: it is gone" % self.now)
            if not exec_ and p[1] == STOPPED and self.storm.deaths > self.deaths:
                raise Unborn
            # It may have ended with its guardian, a moment before anybody is told.
            if not exec_ and p[1] in (CREATED, STOPPED) and a.code != LOST and (self.was_lost() or self.storm.deaths > self.deaths):
                raise Unborn
            if p[1] == STOPPED or (a.code != LOST and not doubt[0]):
                raise Wrong("%s: %r, and it is %s" % (self.now, a, p))
            doubt[0] = True
            return True if p[1] > CREATED else None

        self.repeat(step)

    def exec_(self, name, exec_, code):
        self.now = exec_ + ": exec"
        spec = any_of("Process", self.storm.bundle.process(exec_, code))
        self.want(self.client.again(TASKS + "Exec", (1, name), (6, spec), (7, exec_)), OK, EXISTS)
        self.start_(name, exec_)

    def ended(self, name, exec_, code, killed=False):
        """It ends: now, or when nobody looks, or while somebody waits for it."""
        bundle, mine = self.storm.bundle, exec_ or name
        early = self.rng.random() < 0.5
        self.now = mine + ": end"
        bundle.ending.add(mine)
        if killed:
            self.want(self.client.again(TASKS + "Kill", (1, name), (3, 9)), OK, NOT_FOUND)
        else:
            bundle.may_end(mine)
            if early:
                time.sleep(self.rng.random() * 0.3)
                bundle.end(mine)
            else:
                threading.Timer(self.rng.random() * 2, bundle.end, [mine]).start()
        self.now = mine + ": wait"
        a = self.want(self.client.again(TASKS + "Wait", (1, name), (2, exec_)), OK)
        self.told("wait", mine, dict(fields(a.first)).get(1, 0), self.codes(mine, code))
        bundle.ending.discard(mine)

    def told(self, who, name, status, codes):
        if status not in codes:
            raise Wrong("%s: %s tells %d, and it is %s" % (name, who, status, sorted(codes)))
        if status == 255:
            self.storm.unknown.add(name)

    def gone(self, method, name, exec_, codes):
        doubt = [False]

        def step():
            a = self.client.call(TASKS + method, (1, name), *([(2, exec_)] if exec_ else []))
            if a.code == LOST:
                doubt[0] = True
                return None
            self.want(a, OK, *([NOT_FOUND] if doubt[0] else []))
            if a.code == OK:
                self.told("delete", exec_ or name, dict(fields(a.first)).get(3, 0), codes)
            return True

        self.repeat(step)


# ---- subscribers ----

EVENTS = {"create": 1, "start": 1, "exec-added": 1, "exec-started": 1, "exit": 1, "delete": 1}


def watch(directory, path):
    """A process of its own: nothing of ours keeps it from subscribing again."""
    address, number, gap = os.path.join(directory, "sock"), 0, 0.0
    with open(path, "w", buffering=1) as out:
        while True:
            lost = time.monotonic()
            try:
                conn = Conn(address)
            except OSError:
                time.sleep(0.005)
                gap = max(gap, time.monotonic() - lost - 0.005)
                continue
            number += 1
            stream, seen = conn.streams[conn.call(SUBSCRIBE, ns=None)], 0
            gap = max(gap, time.monotonic() - lost)
            out.write("subscribed %d %.3f %.3f\n" % (number, gap, time.monotonic()))
            gap = 0.0
            with contextlib.suppress(OSError):
                while not stream.ended and conn.one(3600):
                    if number and stream.data:
                        messages = stream.messages()
                        del stream.data[:sum(5 + len(m) for m in messages)]
                        for m in messages:
                            out.write(row_of(number, m) + "\n")
            out.write("lost %d %.3f\n" % (number, time.monotonic()))
            conn.close()


def row_of(number, envelope):
    e = dict(fields(envelope))
    topic = e[3].decode()
    if not topic.startswith("/tasks/"):
        return "other %d %s" % (number, topic)
    m = dict(fields(dict(fields(e[4])).get(2, b"")))
    kind = topic[7:]
    task, exec_, status = m.get(1, b"").decode(), "", 0
    if kind in ("exec-added", "exec-started"):
        exec_ = m.get(2, b"").decode()
    elif kind == "exit":
        exec_, status = m.get(2, b"").decode(), m.get(4, 0)
    elif kind == "delete":
        exec_, status = m.get(5, b"").decode(), m.get(3, 0)
    return "event %d %s %s %s %d" % (number, kind, task, exec_ if exec_ and exec_ != task else "-", status)


class Watcher:
    def __init__(self, daemon, path):
        self.path, self.daemon = path, daemon
        self.process = subprocess.Popen([sys.executable, __file__, "watch", daemon.directory, path])
        until("a subscriber", lambda: read(path))

    def end(self):
        self.process.kill()
        self.process.wait()
        self.rows = [line.split() for line in read(self.path).decode().splitlines() if line.count(" ") >= 2]
        self.worst_gap = max(float(r[2]) for r in self.rows if r[0] == "subscribed")

    def deaf(self):
        """The times (from, to) of which it may have missed something: it was not run in time to subscribe again."""
        found, lost = [], None
        for r in self.rows:
            if r[0] == "lost":
                lost = float(r[2])
            elif r[0] == "subscribed" and lost is not None:
                struck = max((at for at in self.daemon.struck if at <= lost), default=lost)
                if float(r[3]) - struck > SURE_HOLD:
                    found.append((struck, float(r[3])))
        return found

    def of(self):
        """What was told of each task, in its order: (connection, kind, exec, status)."""
        found = collections.defaultdict(list)
        for r in self.rows:
            if r[0] == "event":
                found[r[3]].append((int(r[1]), r[2], "" if r[4] == "-" else r[4], int(r[5])))
        return found


def check_events(life, told, codes, wrong):
    """Each at least once, the first of each in the order of the life; twice only on connections that differ."""
    name, want = life["id"], ["create", "start"]
    for x in life["execs"]:
        want += ["exec-added " + x, "exec-started " + x, "exit " + x]
    want += ["exit", "delete"]
    keys = [(kind + " " + x).strip() for _, kind, x, _ in told]
    first = [k for k in dict.fromkeys(keys) if not (k.startswith("delete "))]
    lost = [k for k in want if k not in first]
    if lost:
        wrong.append("%s: lost: %s; told: %s" % (name, ", ".join(lost), told))
        return 0
    place = {k: i for i, k in enumerate(first)}
    before = [("create", "start"), ("start", "exit"), ("exit", "delete")]
    for x in life["execs"]:
        before += [("start", "exec-added " + x), ("exec-added " + x, "exec-started " + x),
                   ("exec-started " + x, "exit " + x), ("exit " + x, "delete")]
    bad = ["%s before %s" % (b, a) for a, b in before if place[a] > place[b]]
    if bad:
        wrong.append("%s: %s; told: %s" % (name, ", ".join(bad), told))
    more = [k for k in first if k not in want and k.split(" ")[-1] != life.get("refused")]
    if more:
        wrong.append("%s: nobody did that: %s" % (name, more))
    for conn, kind, x, status in told:
        if kind in ("exit", "delete") and status not in codes(x or name, life["execs"].get(x, life["code"])):
            wrong.append("%s: %s tells %d: %s" % (x or name, kind, status, told))
    if len(set(told)) != len(told):
        wrong.append("%s: twice on one connection: %s" % (name, told))
    return len(keys) - len(first) - len([k for k in set(keys) if k.startswith("delete ")])


# ---- storms ----

class Storm:
    def __init__(self, directory, bundle, seed, builds=()):
        self.daemon, self.bundle, self.seed = Daemon(directory, builds), Bundle(bundle), seed
        self.over, self.wrong, self.unseen, self.unknown = threading.Event(), [], set(), set()
        self.rng, self.times = random.Random(seed), collections.defaultdict(list)
        self.recorded, self.blind, self.deaths, self.unborn = False, False, 0, 0
        self.losing, self.losses, self.wipes, self.refused, self.ended = False, 0, 0, 0, 0
        self.wiped = []  # when
        self.unheard = 0

    def failed(self, what):
        self.wrong.append(what)
        self.over.set()

    def deal(self, kind):
        if kind == "replace":
            return self.daemon.replace()
        if kind not in ("state", "all"):
            return self.daemon.kill(kind, self.rng)
        self.losses += 1
        if kind == "all":
            time.sleep(HOLD)
            self.wipes += 1
            self.wiped.append(time.monotonic())
        self.losing = True
        with self.daemon.gate:
            if kind == "all":
                self.daemon.kill(kind, self.rng)
            self.daemon.lose()

    def blow(self, kind):
        """One kill; some end while the dead are not yet replaced, so that nobody sees it."""
        time.sleep(self.rng.random() * 0.4)
        dark = self.rng.random() < 0.6
        worker = until("a worker", lambda: self.daemon.part("worker"))
        born = birth(worker)
        if dark and kind == "worker":
            with_no_error(os.kill, worker, signal.SIGSTOP)
        # What has outlived a guardian is told by a pidfd that the next one keeps, on Linux 6.15.
        self.blind = not self.recorded and (kind in ("guardian", "both", "all") or (self.deaths > 0 and not PIDFD_TELLS))
        if self.blind:
            self.unseen |= set(self.bundle.ending)
        self.deaths += kind in ("guardian", "both", "all")
        self.deal(kind)
        began = time.monotonic()
        if dark:
            self.bundle.end_all()
        until("another worker", lambda: self.daemon.part("worker") and is_gone(worker, born), 20)
        self.daemon.served()
        self.times[kind].append(time.monotonic() - began)
        if self.blind:
            self.unseen |= set(self.bundle.ending)
        self.blind = self.losing = False

    def run(self, kinds, kills):
        self.daemon.start()
        until("the recorder", lambda: "exit recorder: " in self.daemon.log())
        self.recorded = "exit recorder: on" in self.daemon.log()
        before, figures = set(pids()), self.daemon.figures()
        watchers = [Watcher(self.daemon, os.path.join(self.daemon.directory, "heard-%d" % i)) for i in range(2)]
        lanes = [Lane(self, i) for i in range(LANES)]
        for lane in lanes:
            lane.start()
        order = kinds * kills
        self.rng.shuffle(order)
        try:
            for kind in order:
                if self.over.is_set():
                    break
                self.blow(kind)
        except BaseException:
            self.failed(traceback.format_exc())
        self.over.set()
        for lane in lanes:
            lane.join(PATIENCE * 2)
            if lane.is_alive():
                self.wrong.append("lane %d hangs at %s" % (lane.number, lane.now))
        lives = [life for lane in lanes for life in lane.lives if life.get("over")]
        self.hear_the_end(watchers)
        again = self.events(watchers, lives, lanes[0].codes)
        self.nothing_left(before, figures)
        self.report(lives, again, watchers, sum(lane.client.lost for lane in lanes))
        return not self.wrong

    def hear_the_end(self, watchers):
        """An event behind all others: nothing comes any more that was to come before."""
        client = Client(self.daemon.address)
        time.sleep(0.6)
        last = field(1, "last") + field(4, field(1, RUNTIME)) + field(5, any_of("Spec", {}))
        client.again(CONTAINERS + "Create", (1, last))
        for w in watchers:
            with contextlib.suppress(AssertionError):
                until("the last event", lambda w=w: b"/containers/create" in read(w.path).rsplit(b"delete", 1)[-1])
            w.end()
        client.again(CONTAINERS + "Delete", (1, "last"))
        client.close()

    def events(self, watchers, lives, codes):
        """What was over a short time before all was lost may not have been told."""
        again = 0
        lives = [life for life in lives if not any(life["began"] < at < life["over"] + UNTOLD for at in self.wiped)]
        for w in watchers:
            told, deaf = w.of(), w.deaf()
            for life in lives:
                if any(life["began"] <= end and begin <= life["over"] + UNTOLD for begin, end in deaf):
                    self.unheard += 1
                    continue
                again += check_events(life, told.get(life["id"], []), codes, self.wrong)
        return again

    def nothing_left(self, before, figures):
        client = Client(self.daemon.address)
        if not self.wrong:
            if client.tasks() or client.containers():
                self.wrong.append("there are tasks %s and containers %s" % (client.tasks(), client.containers()))
            try:
                until("nothing is left", lambda: not left(self.daemon, before))
            except AssertionError:
                self.wrong += left(self.daemon, before)
        client.close()
        now = {}

        def settled():
            now.update(self.daemon.figures())
            return all(now[p][0] <= figures[p][0] + SPARE_FDS and now[p][1] <= figures[p][1] + SPARE_KIB for p in now)

        try:
            until("descriptors and memory as before", settled)
        except AssertionError as e:
            self.wrong.append("%s: %s, now %s" % (e, figures, now))
        print("descriptors and KiB at the beginning: %s; at the end: %s" % (figures, now))

    def report(self, lives, again, watchers, lost):
        print("recorder %s; %d lives, %d execs; %d calls cut off; %d tasks not started when their guardian died; %d events told twice; "
              "%d execs refused after a loss; %d tasks ended that nobody knew; %d codes of nobody's knowledge; "
              "longest time to subscribe again %.3f s, %d lives not compared for it" % (
                  "on" if self.recorded else "off", len(lives), sum(len(x["execs"]) for x in lives), lost, self.unborn, again,
                  self.refused, self.ended, len(self.unknown), max(w.worst_gap for w in watchers), self.unheard))
        for kind, times in self.times.items():
            print("%s %d times: served again after %.3f s, at most %.3f s" % (
                kind, len(times), sorted(times)[len(times) // 2], max(times)))


# ---- a reboot ----

def power_off(daemon, before):
    """Nothing that runs, and nothing in memory, outlives it."""
    daemon.wanted = False
    for pid in [daemon.front.pid, daemon.part("guardian"), daemon.part("worker")]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid or daemon.front.pid, signal.SIGKILL)
    daemon.keeper.join(PATIENCE)
    mine = set(pids()) - before - {os.getpid()}
    for pid in mine:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for pid in mine:
        until("the end of process %d" % pid, lambda pid=pid: is_gone(pid))
    shutil.rmtree(daemon.state)
    for top, _, _ in os.walk("/sys/fs/cgroup", topdown=False):
        if os.path.basename(top).startswith("s-"):
            until("an empty cgroup", lambda top=top: with_no_error(os.rmdir, top))


rewound = 0


def rewind(limit):
    """Of this pid namespace, as a small kernel.pid_max would do it."""
    global rewound
    path = "/proc/sys/kernel/ns_last_pid"
    while True:
        if int(read(path)) > limit:
            with open(path, "w") as f:
                f.write("%d" % (limit // 2))
            rewound += 1
        time.sleep(0.002)


def with_no_error(call, *args):
    with contextlib.suppress(OSError):
        call(*args)
        return True
    return False


def reboot(directory, bundle):
    storm, before = Storm(directory, bundle, 0), set(pids())
    lane, names = Lane(storm, 0), ["s-0-%d" % i for i in range(4)]
    storm.daemon.start()
    for i, name in enumerate(names):
        lane.container(name, 30 + i)
        lane.create(name)
        if i > 0:
            lane.start_(name, "")
    lane.exec_(names[1], "x", 7)
    power_off(storm.daemon, before)
    storm.daemon.start()
    assert lane.client.tasks() == [], lane.client.tasks()
    assert lane.client.containers() == names, lane.client.containers()
    assert not left(storm.daemon, before), left(storm.daemon, before)
    for i, name in enumerate(names):
        lane.create(name)
        lane.start_(name, "")
        lane.ended(name, "", 30 + i)
        lane.gone("Delete", name, "", {30 + i})
        lane.want(lane.client.again(CONTAINERS + "Delete", (1, name)), OK)
    until("nothing is left", lambda: not left(storm.daemon, before))
    storm.daemon.stop()
    assert not storm.daemon.part("guardian"), "the guardian has stayed"


def blow(directory, bundle, kinds, kills, seed, *builds):
    storm = Storm(directory, bundle, seed, builds)
    if os.environ.get("KILL_NUMBERS"):
        threading.Thread(target=rewind, args=(int(os.environ["KILL_NUMBERS"]),), daemon=True).start()
    good = storm.run(kinds.split(","), int(kills))
    storm.daemon.stop()
    for line in storm.wrong[:20]:
        print(line)
    if not good:
        print("seed %s; the end of the log:\n%s" % (seed, storm.daemon.log()[-6000:]))
    if rewound:
        print("numbers of processes began again %d times" % rewound)
    return 0 if good else 1


def main():
    return {"storm": blow, "reboot": reboot, "watch": watch}[sys.argv[1]](*sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
