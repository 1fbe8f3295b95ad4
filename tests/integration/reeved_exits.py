# SPDX-License-Identifier: Apache-2.0
"""Exits of tasks inside of reeved when they come too many at a time, and when numbers of processes are used again.

usage: reeved_exits.py CASE DIRECTORY BUNDLE
"""
import errno
import os
import shutil
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
import h2  # noqa: E402
from reeved_deaths import TASKS, Daemon  # noqa: E402
from shim_client import *  # noqa: E402,F403

ENDS = os.path.join(TOP, "build/tests/lib/ends")
RING = 4095  # exits that a guardian records before a worker has to take some
TASKS_OF_EXECS = 4  # of one task there may be 4096
BATCH = 100  # calls at a time
SLEEP = ["sleep", "1000"]  # no process beside it would keep its number


def all_of(d, method, bodies):
    """The same call with each of the bodies, on one connection; the answers."""
    c, answers = h2.Conn(d.sock), []
    for i in range(0, len(bodies), BATCH):
        calls = [c.call(TASKS + method, body, ns=NS) for body in bodies[i : i + BATCH]]
        for number in calls:
            got = c.end(number)
            equal((got.status, got.text), (0, b""), method)
            answers.append(decode((got.messages() or [b""])[0]))
    c.close()
    return answers


def state_of(pid):
    return read_file("/proc/%d/stat" % pid).rpartition(") ")[2][:1]


# ---- MGR-32 ----


def ways():
    """Of ends.c; that of signal and core is the number of a signal."""
    kept = (signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH, signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
    fatal = [n for n in list(range(1, signal.SIGSYS + 1)) + [signal.SIGRTMIN, signal.SIGRTMAX] if n not in kept]
    return ([("exit", n) for n in (0, 1, 42, 127, 128, 255)] + [("signal", n) for n in fatal] +
            [("core", n) for n in (signal.SIGQUIT, signal.SIGABRT, signal.SIGSEGV)] +
            [("fault", 16), ("leader-then-group", 7), ("leader-then-thread", 3), ("leader-then-signal", signal.SIGTERM),
             ("thread-executes", 17)])


def told_by_wait(how, n):
    """What a parent is told, as shells and containerd say it."""
    code = subprocess.run([ENDS, how, str(n)], cwd="/tmp").returncode
    return 128 - code if code < 0 else code


def statuses_are_those_of_wait(directory, bundle):
    """Of execs, and of tasks that are not the first process of a pid namespace: whom the kernel protects from its own signals."""
    shutil.copy(ENDS, os.path.join(bundle, "rootfs/bin/ends"))
    with Daemon(os.path.join(directory, "d"), bundle) as d:
        d.namespaces = [{"type": t} for t in ("mount", "ipc", "uts")]
        d.begin("c", SLEEP)
        for how, n in ways():
            want, args, x = told_by_wait(how, n), ["ends", how, str(n)], "%s-%d" % (how, n)
            d.good("Exec", d.exec_fields("c", x, args))
            d.good("Start", [(1, "c"), (2, x)])
            equal(d.wait("c", x), want, "status of an exec: " + x)
            d.begin("t-" + x, args)
            equal(d.wait("t-" + x), want, "status of a task: " + x)
            equal(first(d.good("Delete", [(1, "t-" + x)]), 3, 0), want, "status of a task that is deleted: " + x)
            wait_until(10, "the exits are told", lambda: [t for t in d.told("c") if t[0] == "exit:" + x] and
                       [t for t in d.told("t-" + x) if t[0] == "exit"])
            equal([s for t, s in d.told("c") if t == "exit:" + x] + [s for t, s in d.told("t-" + x) if t == "exit"], [want, want],
                  "statuses that are told: " + x)
        print("# %d ways to end" % len(ways()), flush=True)
        d.end("c")


# ---- MGR-37 ----


def release(fifo, pids):
    """Let all go that wait for a writer, and those that come to it now."""

    def over():
        try:
            os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
        except OSError as e:
            equal(e.errno, errno.ENXIO, "opening the fifo")
        return not any(alive(p) for p in pids)

    wait_until(60, "their ends", over)


def told(d, exits, killed):
    """A subscriber heard of each; one that had to come again may hear of some twice, and has missed what was told before it came."""
    heard = []

    def all_told():
        heard[:] = [((text(e, 1), text(e, 2)), first(e, 4, 0)) for topic, e in list(d.events) if topic == "exit"]
        return len(heard) >= len(exits)

    if not killed or d.was_back_in_time():
        wait_until(30, "the last exit is told", all_told)
        equal(dict(heard), exits, "exits that are told")
    else:
        print("# the subscriber came late", flush=True)
        all_told()
    check(all(exits.get(who) == status for who, status in heard), "an exit is told that never was")
    if not killed:
        equal(len(heard), len(exits), "how many exits are told")


def overflow(directory, bundle, killed):
    """Execs end in one moment, more of them than a guardian has room to record, while the worker is stopped. What has no room waits
    as a zombie."""
    n = int(os.environ.get("REEVE_EXITS") or 4400)
    execs = {("c%d" % (i % TASKS_OF_EXECS), "x%d" % i): i % 200 + 1 for i in range(n)}
    tasks = {"e%d" % i: 201 + i for i in range(3)}
    script = "read x </tmp/go; exit %d"
    with Daemon(os.path.join(directory, "d"), bundle) as d:
        go = os.path.join(bundle, "rootfs/tmp/go")
        os.mkfifo(go)
        pids = [d.begin(id_, ["sh", "-c", script % code]) for id_, code in tasks.items()]
        for i in range(TASKS_OF_EXECS):
            d.begin("c%d" % i, SLEEP)
        all_of(d, "Exec", [encode(d.exec_fields(id_, x, ["sh", "-c", script % code])) for (id_, x), code in execs.items()])
        both = [encode([(1, id_), (2, x)]) for id_, x in execs]
        pids += [first(a, 1) for a in all_of(d, "Start", both)]
        worker = d.worker()
        os.kill(worker, signal.SIGSTOP)
        release(go, pids)
        waiting = sum(state_of(p) == "Z" for p in pids)
        print("# %d processes have ended, %d of them wait as zombies" % (len(pids), waiting), flush=True)
        check(waiting >= len(pids) - RING, "only %d zombies" % waiting)
        os.kill(worker, signal.SIGKILL if killed else signal.SIGCONT)
        wait_until(20, "an answer", lambda: d.ask("Version", b"", h2.VERSION[: -len("Version")]))
        equal([first(a, 1, 0) for a in all_of(d, "Wait", both)], list(execs.values()), "statuses")
        equal([d.wait(id_) for id_ in tasks], list(tasks.values()), "statuses of tasks")
        wait_until(10, "no zombie is left", lambda: not any(state_of(p) == "Z" for p in pids))
        told(d, {**execs, **{(id_, id_): code for id_, code in tasks.items()}}, killed)
        deleted = all_of(d, "DeleteProcess", both)
        equal([first(a, 3, 0) for a in deleted], list(execs.values()), "statuses of execs that are deleted")
        for id_, code in tasks.items():
            equal(d.end(id_), code, "status of a task that is deleted")
        for i in range(TASKS_OF_EXECS):
            d.end("c%d" % i)


def ring_overflows_while_stopped(directory, bundle):
    overflow(directory, bundle, False)


def ring_overflows_and_the_worker_is_killed(directory, bundle):
    overflow(directory, bundle, True)


# ---- MGR-36 ----


def stranger(number):
    """A process that has nothing to do with containers and has this number, which is free."""
    got = []

    def born():
        with open("/proc/sys/kernel/ns_last_pid", "w") as f:
            f.write(str(number - 1))
        p = subprocess.Popen(["sleep", "1000"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if p.pid == number:
            got.append(p)
            return True
        p.kill()
        p.wait()
        return False

    wait_until(10, "process %d" % number, born)
    return got[0]


def replaced(pid):
    """Kill it; when nobody has the number any more, a stranger has it."""
    os.kill(pid, signal.SIGKILL)
    wait_until(10, "process %d is reaped" % pid, lambda: not os.path.exists("/proc/%d" % pid))
    return stranger(pid)


def untouched(d, id_, exec_id, other, statuses):
    """Its end is told, and whatever is ordered, who has its number now is not meant."""
    check(d.wait(id_, exec_id) in statuses, "status of '%s%s': not of %r" % (id_, exec_id, statuses))
    equal(first(d.process(id_, exec_id), 4), STOPPED, "state")
    d.sure("Kill", [(1, id_), (2, exec_id), (3, signal.SIGKILL)])
    d.good("DeleteProcess" if exec_id else "Delete", [(1, id_)] + ([(2, exec_id)] if exec_id else []))
    equal(other.poll(), None, "how the stranger ended")
    other.kill()
    other.wait()


def begin_some(d):
    """A task that lives, an exec in it, and a task."""
    pids = {"c": d.begin("c", SLEEP), "a": d.begin("a", SLEEP)}
    d.good("Exec", d.exec_fields("c", "x", SLEEP))
    pids["x"] = first(d.good("Start", [(1, "c"), (2, "x")]), 1)
    return pids


def numbers_are_used_again(directory, bundle):
    """What had the number of a process when the worker looked last is another one when it looks again."""
    for how in ("stopped", "killed"):
        with Daemon(os.path.join(directory, how), bundle) as d:
            pids = begin_some(d)
            worker = d.worker()
            os.kill(worker, signal.SIGSTOP)
            others = {name: replaced(pids[name]) for name in ("a", "x")}
            os.kill(worker, signal.SIGCONT if how == "stopped" else signal.SIGKILL)
            untouched(d, "a", "", others["a"], [137])
            untouched(d, "c", "x", others["x"], [137])
            equal((d.state("c"), first(d.process("c"), 3)), (RUNNING, pids["c"]), "the one that lives")
            equal(d.end("c"), 137, "its status")


def numbers_are_used_again_while_nobody_looks(directory, bundle):
    d = Daemon(os.path.join(directory, "d"), bundle).start()
    pids = begin_some(d)
    d.kill_all()
    others = {name: replaced(pids[name]) for name in ("a", "x")}
    with d:
        untouched(d, "a", "", others["a"], [255])
        untouched(d, "c", "x", others["x"], [255])
        for name in ("a", "x"):
            check("process %d: lost" % pids[name] in d.log(), "the log does not say that '%s' is lost" % name)
        equal((d.state("c"), first(d.process("c"), 3)), (RUNNING, pids["c"]), "the one that lives")
        d.end("c")


if __name__ == "__main__":
    cases = [statuses_are_those_of_wait, ring_overflows_while_stopped, ring_overflows_and_the_worker_is_killed, numbers_are_used_again,
             numbers_are_used_again_while_nobody_looks]
    sys.exit(main({f.__name__: f for f in cases}))
