# SPDX-License-Identifier: Apache-2.0
"""The task manager (src/manager), worked through tests/lib/manager_driver.c: with shims that do as they are told
(tests/lib/fake_shim.py) where an order of events or a fault is wanted, with real ones where containers are.

usage: manager.py CASE DIRECTORY TEMPLATE; without arguments: the cases
"""
import os
import resource
import shutil
import stat
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from shim_client import *  # noqa: F403

DRIVER = os.path.join(TOP, "build/tests/lib/manager_driver")
KILLAT = os.path.join(TOP, "build/tests/lib/killat")
PLUGIN = "io.containerd.runtime.v2.task"
FAKE, REEVE, RUNC = "io.containerd.fake.v2", "io.containerd.reeve.v2", "io.containerd.runc.v2"
OPTIONS = "containerd.runc.v1.Options"

Result = collections.namedtuple("Result", "code text fields")


class World:
    """Directories, shims in a PATH of its own, and what the manager is to make tasks of."""

    def __init__(self, directory, template):
        self.dir = os.path.abspath(directory)
        self.template = os.path.abspath(template)
        self.root = os.path.join(self.dir, "root")
        self.state = os.path.join(self.dir, "state")
        self.fake = os.path.join(self.dir, "fake")
        self.bin = os.path.join(self.dir, "bin")
        for d in (self.dir, self.root, self.state, self.fake, self.bin):
            os.makedirs(d)
        self.grpc = os.path.join(self.dir, "d.sock")
        self.events = EventServer(self.grpc + ".ttrpc")
        self.log = open(os.path.join(self.dir, "log"), "w")
        self.add_shim("fake", "exec python3 -B %s/tests/lib/fake_shim.py" % TOP)
        self.add_shim("reeve", "exec " + SHIM)
        with open(os.path.join(template, "config.json")) as f:
            self.config = json.load(f)

    def add_shim(self, name, command):
        path = os.path.join(self.bin, "containerd-shim-%s-v2" % name)
        with open(path, "w") as f:
            f.write('#!/bin/sh\n%s "$@"\n' % command)
        os.chmod(path, 0o755)

    def plan(self, **plan):
        path = os.path.join(self.fake, "plan.json")
        with open(path + ".new", "w") as f:
            json.dump(plan, f)
        os.rename(path + ".new", path)

    def trace(self, *words):
        """The lines, or those that begin with one of these words."""
        lines = read_file(os.path.join(self.fake, "trace")).splitlines()
        return [line for line in lines if not words or line.split()[0] in words]

    def steps(self):
        return [line.split()[0] for line in self.trace()]

    def forget(self):
        open(os.path.join(self.fake, "trace"), "w").close()

    def bundle(self, id_, ns=NS):
        return os.path.join(self.state, PLUGIN, ns, id_)

    def work(self, id_, ns=NS):
        return os.path.join(self.root, PLUGIN, ns, id_)

    def spec(self, id_, args=("/bin/true",), change=None):
        config = json.loads(json.dumps(self.config))
        config["root"] = {"path": os.path.join(self.template, "rootfs"), "readonly": True}
        config["process"]["args"] = list(args)
        config["linux"]["cgroupsPath"] = "/test/" + id_
        if change:
            change(config)
        path = os.path.join(self.dir, "spec-" + id_)
        with open(path, "w") as f:
            json.dump(config, f)
        return path

    def left(self):
        """Every name below the two directories but those of namespaces and the lock."""
        found = []
        for top in (self.root, self.state):
            for where, dirs, files in os.walk(os.path.join(top, PLUGIN)):
                found += [os.path.relpath(os.path.join(where, n), self.dir) for n in dirs + files]
        return sorted(f for f in found if f.count("/") > 2)

    def shims(self):
        """Processes that serve for this world."""
        return [p for p in pids() if "fake_shim.py" in read_file("/proc/%d/cmdline" % p)]

    def clean(self):
        """Nothing is left, or comes to it: no file, no process."""
        wait_until(10, "no files: %s" % self.left(), lambda: not self.left())
        wait_until(10, "no shims", lambda: not self.shims())


def pids():
    return [int(p) for p in os.listdir("/proc") if p.isdigit()]


class Driver:
    """A manager. What it says is taken by a thread of ours."""

    def __init__(self, world, load=True, before=(), limits=()):
        self.world = world
        self.process = subprocess.Popen(
            [*before, DRIVER, world.root, world.state, world.grpc, *limits],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=world.log,
            env=dict(os.environ, PATH=world.bin + ":" + os.environ["PATH"], FAKE_DIR=world.fake),
        )
        self.changed = threading.Condition()
        self.answers, self.events, self.loaded, self.ended = {}, [], 0.0, False
        self.last = 0
        threading.Thread(target=self._listen, daemon=True).start()
        if load:
            self.load()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.stop()

    def _listen(self):
        for line in self.process.stdout:
            said = json.loads(line)
            with self.changed:
                if "event" in said:
                    self.events.append((said["event"], said["ns"], said["id"], said["status"]))
                elif "loaded" in said:
                    self.loaded = time.monotonic()
                else:
                    check(said["tag"] not in self.answers, "two answers")
                    self.answers[said["tag"]] = said
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def wait(self, what, test, seconds=30):
        with self.changed:
            check(self.changed.wait_for(lambda: test() or self.ended, seconds * SLOW), "did not come: " + what)
            check(test(), "the manager ended before: " + what)

    def order(self, do, id_="", ns=NS, **more):
        self.last += 1
        line = json.dumps(dict(more, do=do, tag=self.last, ns=ns, id=id_)) + "\n"
        try:
            self.process.stdin.write(line.encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        return self.last

    def answer(self, tag, seconds=30):
        self.wait("answer %d" % tag, lambda: tag in self.answers, seconds)
        return self.answers.pop(tag)

    def result(self, tag, seconds=30):
        said = self.answer(tag, seconds)
        return Result(said["code"], said["text"], decode(bytes.fromhex(said["payload"])))

    def load(self):
        begin = time.monotonic()
        self.order("load")
        self.wait("the load", lambda: self.loaded)
        return self.loaded - begin

    # orders

    def send_create(self, id_, runtime=FAKE, args=("/bin/true",), change=None, fields=(), spec=None, **more):
        spec = spec or self.world.spec(id_, args, change)
        return self.order("create", id_, runtime=runtime, spec=spec, request=encode(list(fields)).hex(), **more)

    def create(self, id_, *args, **more):
        return self.result(self.send_create(id_, *args, **more))

    def delete(self, id_, **more):
        return self.result(self.order("delete", id_, **more))

    def send(self, method, id_, fields=(), **more):
        return self.order("call", id_, method=method, request=encode([(1, id_)] + list(fields)).hex(), **more)

    def call(self, method, id_, fields=(), **more):
        return self.result(self.send(method, id_, fields, **more))

    def list(self, **more):
        return sorted(self.answer(self.order("list", **more))["tasks"])

    def state(self, id_, **more):
        return self.answer(self.order("state", id_, **more))["state"]

    def status(self, id_):
        return first(ok(self.call("State", id_)).fields, 4, 0)

    def of(self, id_):
        return [(kind, status) for kind, ns, i, status in self.events if i == id_]

    def until(self, what, test, seconds=10):
        self.wait(what, test, seconds)

    # its end

    def stop(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            check(self.process.wait(30 * SLOW) == 0, "the manager's exit status")

    def kill(self):
        self.process.kill()
        self.process.wait()


def ok(result):
    equal((result.code, result.text), (0, ""), "result")
    return result


def refused(result, code, words=""):
    equal(result.code, code, "code (%s)" % result.text)
    check(words in result.text, "text %r has not %r" % (result.text, words))
    return result


INVALID, NOT_FOUND, EXISTS, PRECONDITION, UNKNOWN, LATE, UNAVAILABLE = 3, 5, 6, 9, 2, 4, 14


def options(binary="", **more):
    """An Any of runc's options."""
    return encode([(1, OPTIONS), (2, encode([(6, binary)] if binary else []))])


# --- bundles -------------------------------------------------------------------------------------------------------


def mgr_1(w):
    with Driver(w) as d:
        spec = w.spec("x")
        for bad in ("", "-a", "a..b", "a/b", ".a", "a" * 77, "ä"):
            refused(d.create(bad, spec=spec), INVALID)
            refused(d.create("good", spec=spec, ns=bad), INVALID)
        equal(w.left(), [], "files")
        ok(d.create("a" * 76, spec=spec))
        ok(d.delete("a" * 76))
    w.clean()


def mgr_2(w):
    def gid(n):
        def change(config):
            config["linux"]["uidMappings"] = [{"containerID": 0, "hostID": n, "size": 1000}]
            config["linux"]["gidMappings"] = [{"containerID": 1, "hostID": 7, "size": 1}, {"containerID": 0, "hostID": n, "size": 1}]

        return change

    def mode(path):
        st = os.stat(path)
        return "%o" % stat.S_IMODE(st.st_mode), st.st_gid

    for mask in (0o022, 0o077, 0o000):
        old = os.umask(mask)
        with Driver(w) as d:
            os.umask(old)
            for id_, change, want in (("plain", None, ("700", 0)), ("mapped", gid(4321), ("710", 4321)), ("zero", gid(0), ("700", 0))):
                ok(d.create(id_, change=change))
                b = w.bundle(id_)
                equal(mode(b), want, "bundle, umask %o" % mask)
                for path in (os.path.dirname(b), os.path.dirname(os.path.dirname(b)), b + "/rootfs", w.work(id_), os.path.dirname(w.work(id_))):
                    equal(mode(path)[0], "711", path)
                equal(mode(b + "/config.json")[0], "644", "config.json")
                equal(mode(b + "/shim-binary-path")[0], "600", "shim-binary-path")
                equal(mode(b + "/bootstrap.json")[0], "644", "bootstrap.json")
                equal(os.readlink(b + "/work"), w.work(id_), "work")
                equal(read_file(b + "/shim-binary-path"), os.path.join(w.bin, "containerd-shim-fake-v2"), "binary")
                check(stat.S_ISFIFO(os.stat(b + "/log").st_mode), "log is no fifo")
                ok(d.delete(id_))
        shutil.rmtree(os.path.join(w.state, PLUGIN))
        shutil.rmtree(os.path.join(w.root, PLUGIN))


def mgr_3(w):
    with Driver(w) as d:
        ok(d.create("a"))
        inode = os.stat(w.bundle("a")).st_ino, os.stat(w.work("a")).st_ino
        refused(d.create("a"), EXISTS)
        equal((os.stat(w.bundle("a")).st_ino, os.stat(w.work("a")).st_ino), inode, "the first one's directories")
        equal(d.status("a"), 1, "its state")
        ok(d.delete("a"))
        os.makedirs(w.bundle("leaked"))
        refused(d.create("leaked"), EXISTS, "already exists")
        os.rmdir(w.bundle("leaked"))
    w.clean()


def nothing_but(w, *names):
    return [f for f in w.left() if not any(n in f for n in names)]


def mgr_4(w):
    """Each call of the making of a bundle fails in turn."""
    tried = 0
    spec = w.spec("a")
    for fault in ("ENOSPC", "ENOMEM", "EMFILE"):
        for n in range(1, 400):
            done = subprocess.run(
                [KILLAT, "-o", w.dir + "/met", "-e", fault, str(n), DRIVER, "make", w.root, w.state, NS, "a", spec], stderr=subprocess.PIPE
            )
            if done.returncode == 0:
                subprocess.run([DRIVER, "remove", w.root, w.state, NS, "a"], check=True)
            else:
                tried += 1
            equal(w.left(), [], "after %s at %d: %r" % (fault, n, done.stderr))
            if read_file(w.dir + "/met") == "none\n":
                break
    check(tried > 20, "only %d faults were met" % tried)


def swept(w):
    with Driver(w):
        pass
    equal(w.left(), [], "after the load")


def mgr_5(w):
    """kill -9 at each call of making and of removing a bundle; the next manager finds all or nothing."""
    spec = w.spec("a")
    for action, words in (("make", [spec]), ("remove", [])):
        for n in range(1, 1000):
            if action == "remove":
                subprocess.run([DRIVER, "make", w.root, w.state, NS, "a", spec], check=True)
            subprocess.run([KILLAT, "-o", w.dir + "/met", str(n), DRIVER, action, w.root, w.state, NS, "a", *words], stderr=subprocess.DEVNULL)
            shown = os.path.isdir(w.bundle("a"))
            if shown and action == "make":
                check(os.path.exists(w.bundle("a") + "/reeve.intent"), "a bundle without its intent, at %d" % n)
            check(not shown or os.path.islink(w.bundle("a") + "/work"), "a half-made bundle at %d" % n)
            if w.left():
                swept(w)
            if read_file(w.dir + "/met") == "none\n":
                break


def mgr_6(w):
    os.makedirs(w.work("a") + "/deep/er")
    open(w.work("a") + "/deep/file", "w").close()
    with Driver(w, load=False) as d:
        ok(d.create("a"))
        equal(os.listdir(w.work("a")), [], "the work directory")
        ok(d.delete("a"))
    w.clean()


def mgr_7(w):
    with Driver(w, limits=["retry=100"]) as d:
        ok(d.create("a"))
        rootfs = w.bundle("a") + "/rootfs"
        subprocess.run(["mount", "-t", "tmpfs", "none", rootfs], check=True)
        open(rootfs + "/file", "w").close()
        busy = os.open(rootfs + "/file", os.O_RDONLY)
        ok(d.delete("a"))
        equal(d.state("a"), "retry", "state while the file system is busy")
        equal(os.path.exists(rootfs + "/file"), True, "what is mounted")
        equal(d.list(), [], "list")
        refused(d.create("a"), EXISTS, "not yet removed")
        os.close(busy)
        wait_until(10, "the bundle goes", lambda: not w.left())
        equal(d.events, [], "events")
        # One below the bundle that is nobody's business is not gone through.
        ok(d.create("b"))
        other = w.bundle("b") + "/other"
        os.mkdir(other)
        subprocess.run(["mount", "-t", "tmpfs", "none", other], check=True)
        open(other + "/file", "w").close()
        ok(d.delete("b"))
        hidden = os.path.join(os.path.dirname(w.bundle("b")), ".b", "other")
        equal(os.path.exists(hidden + "/file"), True, "what is mounted elsewhere")
        subprocess.run(["umount", hidden], check=True)
        wait_until(10, "the bundle goes", lambda: not w.left())
    w.clean()


def mgr_8(w):
    spec = w.spec("a")
    for _ in range(2):
        subprocess.run([DRIVER, "remove", w.root, w.state, NS, "a"], check=True)
    subprocess.run([DRIVER, "make", w.root, w.state, NS, "a", spec], check=True)
    for _ in range(2):
        subprocess.run([DRIVER, "remove", w.root, w.state, NS, "a"], check=True)
        equal(w.left(), [], "files")


# --- launch --------------------------------------------------------------------------------------------------------


def mgr_9(w):
    with Driver(w) as d:
        refused(d.create("a", runtime="io.containerd.nowhere.v2"), UNKNOWN, "containerd-shim-nowhere-v2")
        refused(d.create("a", runtime="/no/such/shim"), UNKNOWN, "/no/such/shim")
        for _ in range(2):  # its `delete` does not work either
            refused(d.create("a", runtime="/bin/false"), UNKNOWN, "failed to start shim: start failed: exit status 1")
        wait_until(10, "nothing stays", lambda: not w.left())
        refused(d.create("a", runtime="bin/shim"), UNKNOWN, "failed to resolve runtime path: invalid runtime name")
        refused(d.create("a", runtime=""), UNKNOWN, "no runtime name")
        equal(w.left(), [], "files")
        ok(d.create("a", runtime=os.path.join(w.bin, "containerd-shim-fake-v2")))
        ok(d.create("b", runtime="io.containerd.nowhere.v2", runtime_path=os.path.join(w.bin, "containerd-shim-fake-v2")))
        for id_ in ("a", "b"):
            ok(d.delete(id_))
    w.clean()


def mgr_10(w):
    with Driver(w, limits=["start=%d" % (1500 * SLOW)]) as d:
        for how, code, words in (
            ("garbage", UNKNOWN, "answer"),
            ("empty", UNKNOWN, "empty"),
            ("exit1", UNKNOWN, "no luck today"),
            ("hang", LATE, "did not end in time"),
            ("holdout", LATE, "left its output open"),
            ("nolisten", UNKNOWN, "connect to"),
        ):
            w.plan(start=how)
            begin = time.monotonic()
            refused(d.create("a"), code, words)
            check(time.monotonic() - begin < 10 * SLOW, "%s took too long" % how)
            equal(d.list(), [], "list after " + how)
            w.clean()
        equal(len(w.trace("delete")), 6, "calls of delete")
        equal(d.events, [], "events")


def mgr_11(w):
    with Driver(w) as d:
        task, container = options("task"), options("container")
        ok(d.create("both", fields=[(10, task)], options=container.hex()))
        ok(d.create("one", options=container.hex()))
        ok(d.create("none"))
        equal([line.split("stdin=")[1] for line in w.trace("start")], [task.hex(), container.hex(), ""], "standard input")
        for id_ in ("both", "one", "none"):
            ok(d.delete(id_))
    w.clean()


def mgr_12(w):
    with Driver(w) as d:
        for how, version in (("plain", 2), ("json", 2), ("json3", 3), ("proto", 3)):
            w.plan(start=how)
            ok(d.create("a"))
            with open(w.bundle("a") + "/bootstrap.json") as f:
                equal(json.load(f)["version"], version, "version of " + how)
            equal(d.status("a"), 1, "state")
            ok(d.delete("a"))
        w.plan(start="json4")
        refused(d.create("a"), UNKNOWN, "unsupported shim version (4)")
        w.plan(start="json3", v3=False)
        ok(d.create("old"))
        with open(w.bundle("old") + "/bootstrap.json") as f:
            equal(json.load(f)["version"], 2, "version when there is no task.v3")
        ok(d.delete("old"))
    w.clean()


def grouping(w):
    """A second task joins the shim that runs, and takes nothing along when it goes."""
    w.plan(group=True)
    with Driver(w) as d:
        ok(d.create("a"))
        ok(d.create("b"))
        equal(len(w.shims()), 1, "servers")
        ok(d.delete("a"))
        equal((d.list(), d.status("b")), ([NS + "/b"], 1), "the other one")
        ok(d.create("c"))
        ok(d.delete("b"))
        equal(d.status("c"), 1, "the third one")
        ok(d.delete("c"))
        equal(w.trace("Shutdown"), ["Shutdown a", "Shutdown b", "Shutdown c"], "after every task, whoever else is there")
        equal(d.events, [], "events")
    w.clean()


# --- create and delete ---------------------------------------------------------------------------------------------


def mgr_13(w):
    w.plan(Create=[2, "runc says no"])
    with Driver(w) as d:
        refused(d.create("a"), UNKNOWN, "runc says no")
        equal([s for s in w.steps() if s != "closed"], ["start", "Create", "Delete", "Shutdown", "delete"], "steps")
        equal(w.trace("delete"), ["delete a bundle"], "`delete` ran once, while the bundle stood")
        equal(d.events, [], "events")
        w.clean()
        w.plan(Create="hang")
        refused(d.create("b", timeout=500), LATE)
        w.clean()
        w.plan(Create="die")
        refused(d.create("c"), UNAVAILABLE, "died")
        equal(w.trace("delete")[-1], "delete c bundle", "`delete` after a death")
        equal((d.events, d.list()), ([], []), "events and list")
    w.clean()


def cgroups(id_):
    return [d for d, _, _ in os.walk("/sys/fs/cgroup") if d.endswith("/test/" + id_)]


def mgr_14(w):
    """A create that fails late in a real runtime leaves its init at the barrier: it is dead, its cgroup gone."""

    def fail(config):
        config["hooks"] = {"createRuntime": [{"path": "/bin/false"}]}

    with Driver(w) as d:
        for runtime in (REEVE, RUNC):
            r = d.create("a", runtime=runtime, args=("/bin/sleep", "1000"), change=fail)
            check(r.code not in (0, LATE), "%s: %r" % (runtime, r))
            wait_until(10, "no files of " + runtime, lambda: not w.left())
            wait_until(10, "no cgroup of " + runtime, lambda: not cgroups("a"))
        # Killed in the middle of Create: the runtime's init waits at its start, and only `delete` knows of it.
        tag = d.send_create("b", runtime=REEVE, args=("/bin/sleep", "1000"), change=lambda c: c.update(hooks={"createRuntime": [{"path": "/bin/sleep", "args": ["sleep", "1000"]}]}))
        wait_until(10, "the hook", lambda: cgroups("b"))
        wait_until(10, "the shim", lambda: guardians())
        for p in guardians():
            os.kill(p, signal.SIGKILL)
        refused(d.result(tag), UNAVAILABLE, "died")
        wait_until(10, "no cgroup", lambda: not cgroups("b"))
        equal(d.events, [], "events")
    wait_until(10, "no files", lambda: not w.left())


def mgr_14_hooks(w):
    """Whatever a hook does, on the host or in the container, a create that it ends has the status that runc's shim tells."""
    with Driver(w) as d:
        for kind in ("createRuntime", "createContainer"):
            for hook in ({"path": "/bin/false"}, {"path": "/bin/sleep", "args": ["sleep", "1000"], "timeout": 1}, {"path": "/no/such/hook"}):
                for runtime in (REEVE, RUNC):
                    r = d.create("a", runtime=runtime, args=("/bin/sleep", "1000"), change=lambda c: c.update(hooks={kind: [hook]}))
                    equal(r.code, UNKNOWN, "%s, %s %s: %r" % (runtime, kind, hook, r))
                    wait_until(10, "no files of " + runtime, lambda: not w.left())


def guardians():
    """Processes of our shim that containerd would know: the parents of workers."""
    return [p for p in pids() if any("shim" in read_file("/proc/%d/comm" % c) for c in safe_children(p)) and "guardian" in read_file("/proc/%d/comm" % p)]


def runc_shims():
    return [p for p in pids() if "containerd-shim-runc-v2" in read_file("/proc/%d/cmdline" % p)]


def safe_children(pid):
    try:
        return children(pid)
    except (FileNotFoundError, ProcessLookupError):
        return []


def mgr_15(w):
    with Driver(w) as d:
        ok(d.create("a"))
        w.forget()
        r = ok(d.delete("a"))
        equal((first(r.fields, 1), first(r.fields, 2)), (4242, 7), "pid and status")
        steps = [s for s in w.steps() if s != "closed"]
        equal(steps, ["Delete", "Shutdown", "delete"], "order")
        equal(w.trace("delete"), ["delete a bundle"], "`delete` before the bundle went")
        equal(d.events, [], "events")
    w.clean()


def mgr_16(w):
    """Nobody waits for the answer any more."""
    with Driver(w) as d:
        ok(d.create("a"))
        d.order("delete", "a")
        refused(d.delete("a"), NOT_FOUND)
        w.clean()
        # The shim is late, and done when it is asked again: the second one brings it to its end.
        w.plan(Delete="hang")
        ok(d.create("b"))
    with Driver(w, limits=["delete=%d" % (500 * SLOW)]) as d:
        equal(d.list(), [NS + "/b"], "list")
        refused(d.delete("b"), LATE)
        equal(d.status("b"), 1, "state")
        w.plan(Delete=[5, "task b: not found"])
        refused(d.delete("b"), NOT_FOUND)
    os.kill(w.shims()[0], signal.SIGKILL)  # for the plan has kept it from forgetting the task
    w.clean()


def mgr_17(w):
    with Driver(w) as d:
        ok(d.create("a"))
        w.plan(Delete=[5, "task a: not found"])
        w.forget()
        refused(d.delete("a"), NOT_FOUND, "task a: not found")
        equal(w.trace("Shutdown", "delete"), ["Shutdown a", "delete a bundle"], "the rest")
        equal((w.left(), d.list(), d.events), ([], [], []), "files, list, events")
    for p in w.shims():
        os.kill(p, signal.SIGKILL)


def mgr_18(w):
    with Driver(w) as d:
        for n in range(3):
            ok(d.create("a"))
            results = [d.result(t) for t in [d.order("delete", "a") for _ in range(8)]]
            equal(sorted(r.code for r in results), [0] + [NOT_FOUND] * 7, "codes")
        equal(d.events, [], "events")
    w.clean()


def mgr_19(w):
    with Driver(w) as d:
        for runtime in (FAKE, REEVE):
            ok(d.create("a", runtime=runtime, args=("/bin/sleep", "1000")))
            ok(d.call("Start", "a"))
            refused(d.delete("a"), PRECONDITION)
            equal((d.status("a"), d.list()), (2, [NS + "/a"]), "state and list")
            ok(d.call("Kill", "a", [(3, 9), (4, 1)]))
            wait_until(10, "it has stopped", lambda: d.status("a") == 3)
            ok(d.delete("a"))
    w.clean()


# --- dead shims ----------------------------------------------------------------------------------------------------


def kill_shims(w):
    for p in w.shims():
        os.kill(p, signal.SIGKILL)


def mgr_20(w):
    with Driver(w) as d:
        ok(d.create("a"))
        ok(d.call("Start", "a"))
        wait = d.send("Wait", "a")
        kill_shims(w)
        d.until("the events", lambda: len(d.of("a")) == 2)
        equal(d.of("a"), [("exit", 7), ("delete", 7)], "events")
        equal(first(ok(d.result(wait)).fields, 1), 7, "what who waited is told")
        equal(d.list(), [], "list")
        w.clean()
        refused(d.call("State", "a"), NOT_FOUND)
        # What the shim has told itself is not told again.
        ok(d.create("b"))
        d.order("note", "b", pid=4242, status=3)
        kill_shims(w)
        d.until("the events", lambda: d.of("b"))
        wait_until(10, "no files", lambda: not w.left())
        equal(d.of("b"), [("delete", 3)], "events")
        # Ours, and containerd's: the true status.
        for runtime, want in ((REEVE, 137), (RUNC, 137)):
            ok(d.create("c", runtime=runtime, args=("/bin/sleep", "1000")))
            ok(d.call("Start", "c"))
            os.kill(first(ok(d.call("Connect", "c")).fields, 1), signal.SIGKILL)
            d.until("the events of " + runtime, lambda: len(d.of("c")) == 2)
            equal(d.of("c"), [("exit", want), ("delete", want)], "events of " + runtime)
            wait_until(10, "no files", lambda: not w.left())
            equal(cgroups("c"), [], "cgroups")
            d.events.clear()


def mgr_21(w):
    with Driver(w) as d:
        w.plan(Delete="die")
        ok(d.create("a"))
        refused(d.delete("a"), NOT_FOUND, "died")
        equal(d.of("a"), [("exit", 7), ("delete", 7)], "events after Delete")
        w.clean()
        w.plan(Exec="die")
        ok(d.create("b"))
        refused(d.call("Exec", "b", [(2, "x")]), NOT_FOUND)
        d.until("the events", lambda: len(d.of("b")) == 2)
        w.clean()
        w.plan(Create="die")
        refused(d.create("c"), UNAVAILABLE)
        equal(d.of("c"), [], "events after Create")
        w.plan(Shutdown="die")
        ok(d.create("d"))
        ok(d.delete("d"))
        equal(d.of("d"), [], "events after Shutdown")
    w.clean()


def mgr_22(w):
    with Driver(w, limits=["retry=200"]) as d:
        w.plan(delete=3)
        ok(d.create("a"))
        kill_shims(w)
        d.until("the exit", lambda: d.of("a"))
        equal(d.of("a"), [("exit", 255)], "events when nobody can say more")
        equal((d.list(), d.status("a")), ([NS + "/a"], 3), "list and state meanwhile")
        wait_until(20, "the end", lambda: len(d.of("a")) > 1)
        equal(d.of("a"), [("exit", 255), ("delete", 255)], "events")
        equal(len(w.trace("delete")), 4, "tries")
        w.clean()
        # A client that deletes it meanwhile is the next try.
        w.forget()
        w.plan(delete=1)
        ok(d.create("b"))
        kill_shims(w)
        d.until("the exit", lambda: d.of("b"))
        equal(first(ok(d.delete("b")).fields, 2), 255, "exit status")
        w.clean()
        # One that hangs.
        w.forget()
    w.plan(delete="hang")
    with Driver(w, limits=["retry=200", "clean=2500"]) as d:
        ok(d.create("c"))
        kill_shims(w)
        d.until("the exit", lambda: d.of("c"))
        w.plan()
        wait_until(20, "the end", lambda: len(d.of("c")) > 1)
    w.clean()


def mgr_23(w):
    with Driver(w) as d:
        for runtime in (FAKE, REEVE):
            ok(d.create("a", runtime=runtime))
            ok(d.delete("a"))
            ok(d.create("a", runtime=runtime, args=("/bin/sleep", "1000")))
            ok(d.call("Start", "a"))
            ok(d.call("Kill", "a", [(3, 9)]))
            wait_until(10, "stopped", lambda: d.status("a") == 3)
            ok(d.delete("a"))
        equal(d.events, [], "events")
        # An event is told beside the answer, and may come after it.
        wait_until(10, "the shim has told it all", lambda: w.events.topics("a")[-3:] == ["start", "exit", "delete"])
    w.clean()


# --- load ----------------------------------------------------------------------------------------------------------


def mgr_24(w):
    os.makedirs(w.bundle("empty"))
    os.makedirs(w.bundle(".hidden") + "/deep")
    os.makedirs(w.bundle("not_a-.name"))
    open(w.bundle("file"), "w").close()
    os.makedirs(w.bundle("closed"))
    open(w.bundle("closed") + "/reeve.intent", "w").close()
    os.makedirs(os.path.join(w.state, PLUGIN, ".x", "y"))
    with Driver(w) as d:
        equal(d.list(), [], "list")
        wait_until(10, "bundles without sense are gone", lambda: not os.path.exists(w.bundle("closed")))
        equal(nothing_but(w, "file", "not_a", ".x"), [], "what is left")
        ok(d.create("empty"))
        ok(d.delete("empty"))


def mgr_25(w):
    """Nobody knows the container, or its shim's program is gone: what runs is found by its cgroup."""
    b = w.bundle("a")
    with Driver(w) as d:
        ok(d.create("a", runtime=REEVE, args=("/bin/sleep", "1000")))
        ok(d.call("Start", "a"))
        pid = first(ok(d.call("State", "a")).fields, 3)
        d.kill()
    for p in guardians():
        os.kill(p, signal.SIGKILL)
    wait_until(10, "no shim", lambda: not guardians())
    check(alive(pid), "the container has died with its shim")
    subprocess.run(["mount", "-t", "tmpfs", "none", b + "/rootfs"], check=True)
    for name in ("shim-binary-path", "reeve.intent", "address", "bootstrap.json"):
        if os.path.exists(b + "/" + name):
            os.unlink(b + "/" + name)
    with Driver(w, limits=["retry=100"]) as d:
        wait_until(10, "no files", lambda: not w.left())
        equal((alive(pid), d.list()), (False, []), "process and list")
        equal(cgroups("a"), [], "cgroups")
    subprocess.run([SHIM, "-namespace", NS, "-id", "a", "-bundle", b, "delete"], cwd=w.dir, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def mgr_26(w):
    with Driver(w) as d:
        ok(d.create("a"))
        ok(d.call("Start", "a"))
        d.kill()
    kill_shims(w)
    with Driver(w) as d:
        d.until("the events", lambda: len(d.of("a")) == 2)
        equal(d.of("a"), [("exit", 7), ("delete", 7)], "events")
        equal(d.list(), [], "list")
    w.clean()


def by_hand(w, id_, address, binary=None, ns=NS):
    """A bundle of containerd's."""
    b = w.bundle(id_, ns)
    os.makedirs(b + "/rootfs")
    os.makedirs(w.work(id_, ns))
    os.symlink(w.work(id_, ns), b + "/work")
    with open(b + "/address", "w") as f:
        f.write("unix://" + address)
    with open(b + "/shim-binary-path", "w") as f:
        f.write(binary or os.path.join(w.bin, "containerd-shim-fake-v2"))


class Servers(threading.Thread):
    """Many shims in one process of ours. Silent ones accept and say nothing. As servers they know every task."""

    def __init__(self, w, n, silent=False):
        super().__init__(daemon=True)
        self.silent = silent
        self.poll = select.epoll()
        self.listeners, self.connections = {}, {}
        for i in range(n):
            path = os.path.join(w.fake, "m%d" % i)
            s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            s.bind(path)
            s.listen(4)
            self.listeners[s.fileno()] = s
            self.poll.register(s.fileno(), select.EPOLLIN)
            by_hand(w, "m%d" % i, path)
        self.calls = 0
        self.start()

    def run(self):
        while True:
            for fd, _ in self.poll.poll():
                if fd in self.listeners:
                    s = self.listeners[fd].accept()[0]
                    self.connections[s.fileno()] = s
                    if not self.silent:
                        self.poll.register(s.fileno(), select.EPOLLIN)
                else:
                    self.serve(self.connections[fd])

    def serve(self, s):
        data = s.recv(1 << 16)
        if not data:
            self.poll.unregister(s.fileno())
            return
        while data:
            size, stream = struct.unpack(">II", data[:8])
            call = decode(data[10 : 10 + size])
            data = data[10 + size :]
            self.calls += 1
            answer = [(1, encode([(1, 77)]))] if text(call, 2) == "Pids" else [(1, 1), (2, 77)]
            s.sendall(frame(stream, RESPONSE, encode([(2, encode(answer))])))


def mgr_27(w):
    """However many of them there are."""
    Servers(w, 60, silent=True)
    with Driver(w, load=False, limits=["load=1500", "silent=%d" % (3000 * SLOW)]) as d:
        took = d.load()
        check(1.4 < took < 4 * SLOW, "the load took %.1f s" % took)
        equal(len(d.list()), 60, "they are not taken for dead at once")
        refused(d.delete("m1"), UNAVAILABLE, "does not answer")
        refused(d.call("State", "m1", timeout=200), LATE)
        wait_until(60, "they count as dead in the end", lambda: not d.list())
    w.clean()


def mgr_28(w):
    with Driver(w) as d:
        for id_ in ("ghost", "alive", "strange"):
            ok(d.create(id_))
        d.kill()
    for id_ in ("ghost", "alive", "strange"):
        path = w.bundle(id_) + "/reeve.intent"
        said = read_file(path).replace('"created"', '"launch"')
        with open(path, "w") as f:
            f.write(said)
    # A shim that has no task: the manager died between `start` and Create.
    with Connection(os.path.join(w.fake, "ghost.sock")) as c:
        c.ok("Delete", [(1, "ghost")])
    w.plan(Pids=[13, "ps does not work today"])
    w.forget()
    with Driver(w) as d:
        equal(d.list(), [NS + "/alive", NS + "/ghost", NS + "/strange"], "an error that is none of NOT_FOUND")
        equal(w.trace("Delete", "Shutdown", "delete"), [], "nothing is done to them")
        d.kill()
    w.plan(pids=0)
    said = read_file(w.bundle("ghost") + "/reeve.intent").replace('"created"', '"launch"')
    with open(w.bundle("ghost") + "/reeve.intent", "w") as f:
        f.write(said)
    with Driver(w) as d:
        equal(d.list(), [NS + "/alive", NS + "/strange"], "list")
        wait_until(10, "its bundle goes", lambda: not os.path.exists(w.bundle("ghost")))
        equal(d.events, [], "events: nobody has ever heard of it")
        # Created and stopped tasks have no processes: they are kept all the same.
        equal(d.status("alive"), 1, "state")
        for id_ in ("alive", "strange"):
            ok(d.delete(id_))
    w.clean()


def mgr_29(w):
    with Driver(w) as d:
        ok(d.create("a", ns="good"))
        d.kill()
    os.makedirs(os.path.join(w.state, PLUGIN, "bad", "x"))
    os.symlink("/nowhere", os.path.join(w.state, PLUGIN, "link"))
    os.makedirs(os.path.join(w.state, PLUGIN, "aaa", "broken"))
    os.mkfifo(os.path.join(w.state, PLUGIN, "aaa", "broken", "shim-binary-path"))
    with Driver(w) as d:
        equal(d.list(ns="good"), ["good/a"], "list")
        ok(d.delete("a", ns="good"))
    os.unlink(os.path.join(w.state, PLUGIN, "link"))
    w.clean()


def mgr_30(w):
    with Driver(w) as d:
        ok(d.create("a"))
        open(w.work("a") + "/kept", "w").close()
        d.kill()
    os.makedirs(w.work("of-before-the-reboot") + "/x")
    os.makedirs(w.work("other", "ns-without-state"))
    with Driver(w) as d:
        equal(os.listdir(w.work("a")), ["kept"], "the work directory of a task")
        equal(nothing_but(w, "/a"), [], "others")
        ok(d.delete("a"))
    w.clean()


def mgr_31(w):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    n = 1000 if hard > 4500 else 200
    servers = Servers(w, n)
    d = Driver(w, load=False)
    took = d.load()
    print("# %d shims loaded in %.0f ms" % (n, took * 1000), flush=True)
    equal(len(d.list()), n, "list")
    check(took < 5 * SLOW, "the load took %.1f s" % took)
    d.stop()
    equal(servers.calls, 2 * n, "calls")


# --- races ---------------------------------------------------------------------------------------------------------


def stopped_is_kept(w):
    """A task that has ended outlives the manager, with its status: containerd destroys it."""
    for runtime in (REEVE, RUNC):
        with Driver(w) as d:
            ok(d.create("a", runtime=runtime, args=("/bin/sh", "-c", "exit 3")))
            ok(d.call("Start", "a"))
            equal(first(ok(d.call("Wait", "a")).fields, 1), 3, "status")
            d.kill()
        with Driver(w) as d:
            equal((d.list(), d.status("a")), ([NS + "/a"], 3), "list and state after a restart: " + runtime)
            equal(first(ok(d.delete("a")).fields, 2), 3, "status of Delete")
            equal(d.events, [], "events")
    wait_until(10, "no files", lambda: not w.left())


def two_managers(w):
    with Driver(w):
        done = subprocess.run([DRIVER, w.root, w.state, w.grpc], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        check(done.returncode != 0 and b"another manager" in done.stderr, "a second manager: %r" % done.stderr)


def lives(w, shims):
    """Whole lives with real shims, an exec and a restart of the manager in the middle."""
    for runtime in shims:
        with Driver(w) as d:
            ok(d.create("a", runtime=runtime, args=("/bin/sh", "-c", "trap 'exit 5' TERM; while :; do sleep 0.05; done")))
            equal(d.status("a"), 1, "created: " + runtime)
            ok(d.call("Start", "a"))
            ok(d.create("b", runtime=runtime, args=("/bin/sleep", "1000"), ns="other"))
        with Driver(w) as d:
            equal(d.list() + d.list(ns="other"), [NS + "/a", "other/b"], "list: " + runtime)
            equal(d.status("a"), 2, "running: " + runtime)
            process = dict(w.config["process"], args=["/bin/sh", "-c", "exit 4"])
            spec = encode([(1, PROCESS_URL), (2, json.dumps(process))])
            ok(d.call("Exec", "a", [(2, "x"), (7, spec)]))
            ok(d.call("Start", "a", [(2, "x")]))
            equal(first(ok(d.call("Wait", "a", [(2, "x")])).fields, 1), 4, "exec: " + runtime)
            ok(d.call("Delete", "a", [(2, "x")]))
            wait = d.send("Wait", "a")
            ok(d.call("Kill", "a", [(3, 15)]))
            equal(first(ok(d.result(wait)).fields, 1), 5, "exit: " + runtime)
            equal(first(ok(d.delete("a")).fields, 2), 5, "Delete: " + runtime)
            ok(d.delete("b", ns="other"))
            equal((d.list(), d.events), ([], []), "list and events: " + runtime)
        wait_until(10, "no files", lambda: not w.left())
        equal(cgroups("a") + cgroups("b"), [], "cgroups")


def lives_ours(w):
    lives(w, [REEVE])


def lives_runc(w):
    lives(w, [RUNC])


def add_sid(w):
    peer = subprocess.run([TOP + "/tools/peers", "containerd-2.1"], stdout=subprocess.PIPE, check=True).stdout.decode().strip()
    w.add_shim("sid", "exec %s/bin/containerd-shim-runc-v2" % peer)
    return "io.containerd.sid.v2"


def lives_runc_sid(w):
    lives(w, [add_sid(w)])


def pod(w):
    """Two containers of a pod behind one real shim."""
    for runtime in (REEVE, RUNC):
        group = lambda c: c.setdefault("annotations", {}).update({"io.kubernetes.cri.sandbox-id": "a"})  # noqa: E731
        with Driver(w) as d:
            for id_ in ("a", "b"):
                ok(d.create(id_, runtime=runtime, args=("/bin/sleep", "1000"), change=group))
                ok(d.call("Start", id_))
            one, two = (first(ok(d.call("Connect", i)).fields, 1) for i in ("a", "b"))
            equal(one, two, "shim of the second")
            ok(d.call("Kill", "b", [(3, 9)]))
            wait_until(10, "stopped", lambda: d.status("b") == 3)
            ok(d.delete("b"))
            equal(d.status("a"), 2, "the first")
            os.kill(one, signal.SIGKILL)
            d.until("the events", lambda: len(d.of("a")) == 2)
            equal([kind for kind, _ in d.of("a")], ["exit", "delete"], "events")
            equal(d.of("b"), [], "events of the second")
        wait_until(10, "no files", lambda: not w.left())
        equal(cgroups("a") + cgroups("b"), [], "cgroups")


# --- crash points --------------------------------------------------------------------------------------------------


def crash(w, runtime, stride, first_n):
    """Kill the manager at a system call of create ... delete, for one after the other; the next one finds a task that
    works, or nothing."""
    met = found = 0
    n = first_n
    while True:
        d = Driver(w, before=[KILLAT, "-o", w.dir + "/met", str(n)], load=False)
        d.order("load")
        create = d.send_create("a", runtime=runtime, args=("/bin/sleep", "1000"))
        delete = None
        try:
            d.result(create)
            delete = d.order("delete", "a")
            d.result(delete)
        except Failure:
            pass
        try:
            d.process.stdin.close()
        except BrokenPipeError:
            pass
        d.process.wait(60 * SLOW)
        over = read_file(w.dir + "/met") == "none\n"
        with Driver(w) as d:
            for task in d.list():
                found += 1
                equal(task, NS + "/a", "task")
                if delete is None:
                    equal(d.status("a"), 1, "state of what was found at %d" % n)
                r = d.delete("a")
                if not (delete and r.code == NOT_FOUND):  # the shim may have been at it since the first one
                    ok(r)
            wait_until(20, "no files after %d" % n, lambda: not w.left())
            equal([e for e in d.of("a") if delete is None], [], "events of what nobody heard of, at %d" % n)
        wait_until(20, "no shims after %d" % n, lambda: not w.shims() and not guardians() and not runc_shims())
        wait_until(10, "no cgroups after %d" % n, lambda: not cgroups("a"))
        if over:
            break
        met += 1
        n += stride
    print("# %d deaths, %d tasks found" % (met, found), flush=True)
    check(met > 3, "it was hardly ever killed")


def crash_points(w):
    stride = int(os.environ.get("REEVE_STRIDE") or 29)
    crash(w, FAKE, stride, int(os.environ.get("REEVE_FIRST") or 1 + os.getpid() % stride))


def crash_points_ours(w):
    stride = int(os.environ.get("REEVE_STRIDE") or 31)
    crash(w, REEVE, stride, int(os.environ.get("REEVE_FIRST") or 1 + os.getpid() % stride))


def crash_points_runc(w):
    """One that leaves no address behind."""
    stride = int(os.environ.get("REEVE_STRIDE") or 31)
    crash(w, add_sid(w), stride, int(os.environ.get("REEVE_FIRST") or 1 + os.getpid() % stride))


def in_world(case):
    return lambda directory, template: case(World(directory, template))


def crash_cgroups(w):
    """What a runtime had made when it was killed with its shim is removed while nobody is in it: not what was there before,
    and no parent."""
    top = next(t for t in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/pids") if os.path.exists(t + "/cgroup.procs"))
    made = not os.path.isdir(top + "/test")
    os.makedirs(top + "/test/b")
    with Driver(w) as d:
        ok(d.create("a"))
        ok(d.create("b"))
        os.makedirs(top + "/test/a/below")
        kill_shims(w)
        w.clean()
        equal((cgroups("a"), cgroups("b")), ([], [top + "/test/b"]), "cgroups")
    os.rmdir(top + "/test/b")
    if made:
        os.rmdir(top + "/test")


CASES = {
    name: in_world(value)
    for name, value in list(globals().items())
    if name.startswith(("mgr_", "lives_", "crash_")) or name in ("grouping", "stopped_is_kept", "two_managers", "pod")
}

if __name__ == "__main__":
    sys.exit(main(CASES))
