# SPDX-License-Identifier: Apache-2.0
"""What everybody was told of lives in which workers were killed, compared with what is true (worker-kill.bats).

usage: worker_kill.py DIRECTORY ANSWERS

DIRECTORY has: lives (ID CODE STATUS-OF-THE-CLIENT), execs (ID EXEC CODE STATUS-OF-THE-CLIENT), deaths (SECONDS ID), events (as
ctr prints them), out/ID or out/ID-EXEC, which a program wrote last of all, and client-ID, what its client said. ANSWERS/ID.N
is what `delete` of the shim answered for that container."""
import calendar
import collections
import glob
import json
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from shim_client import SLOW, decode, first, read_file  # noqa: E402

KILLED = 137
ORDER = ["create", "start", "exit", "delete"]

# A program may be killed between its last word and its end; on a machine that is busy that is a while.
LAST_MOMENT = 0.1 * SLOW

Event = collections.namedtuple("Event", "at kind id exec_id pid status exited")


def lines_of(path):
    return [line.split() for line in read_file(path).splitlines()]


def clock_of(time_):
    """Seconds, with fractions, of what one ctr prints as a text and another as a message."""
    if isinstance(time_, dict):
        return time_.get("seconds", 0) + time_.get("nanos", 0) / 1e9
    m = re.match(r"([-0-9]+T[0-9:]+)(\.\d+)?Z$", time_)
    return calendar.timegm(time.strptime(m[1], "%Y-%m-%dT%H:%M:%S")) + float(m[2] or 0) if m else 0


def events_of(path):
    found = collections.defaultdict(list)
    for line in read_file(path).splitlines():
        m = re.match(r"\S+ (\S+) .* /tasks/(\S+) (\{.*\})$", line)
        if not m:
            continue
        e = json.loads(m[3])
        id_ = e.get("container_id", "")
        exec_id = e.get("exec_id") or e.get("id") or ""
        found[id_].append(
            Event(m[1], m[2], id_, "" if exec_id == id_ else exec_id, e.get("pid", 0), e.get("exit_status", 0), clock_of(e.get("exited_at", "")))
        )
    return found


def truth(directory, name, code, exited=0):
    """A program that did not come to its last word was killed by whoever cleaned up. `exited`: when it is said to have ended
    by a kill."""
    try:
        said = os.stat(os.path.join(directory, "out", name)).st_mtime
    except FileNotFoundError:
        return KILLED
    return KILLED if abs(exited - said) < LAST_MOMENT else code


def is_true(directory, name, code, status, exited):
    return status == truth(directory, name, code, exited if status == KILLED else 0)


class Lives:
    def __init__(self, directory, answers):
        self.directory = directory
        self.answers = answers
        self.wrong = []

    def complain(self, id_, what, events):
        said = read_file(os.path.join(self.directory, "client-" + id_)).strip()
        told = "".join("\n    %s %s %s pid %d status %d" % (e.at, e.kind, e.exec_id, e.pid, e.status) for e in events)
        self.wrong.append("%s: %s%s\n    client: %s" % (id_, what, told, said))

    def init(self, id_, code, client, events):
        mine = [e for e in events if not e.exec_id and e.kind in ORDER]
        kinds = [e.kind for e in mine]
        want = truth(self.directory, id_, code)
        for e in mine:
            if e.kind in ("exit", "delete") and not is_true(self.directory, id_, code, e.status, e.exited):
                self.complain(id_, "it ended with %d" % want, events)
        # What was on its way when a worker died may come twice, but no earlier kind after a later one. Of a task that
        # nobody has started the end may be told by the shim and by containerd, who does not say whether it knows the task.
        if client != 0 and "start" not in kinds:
            kinds = list(dict.fromkeys(kinds))
        if sorted(kinds, key=ORDER.index) != kinds:
            self.complain(id_, "out of order", events)
        if len({e.pid for e in mine}) > 1:
            self.complain(id_, "more than one pid", events)
        if client == 0 and kinds and "start" not in kinds:
            self.complain(id_, "its client started it, and no start was told", events)

    def complete(self, kinds, client):
        """Whether nothing more is due. Of a task whose create has failed for its client containerd knows nothing."""
        return "delete" in kinds if kinds or client == 0 else True

    def exec_(self, id_, exec_id, code, client, events):
        mine = [e for e in events if e.exec_id == exec_id]
        want = truth(self.directory, "%s-%s" % (id_, exec_id), code)
        for e in mine:
            name = "%s-%s" % (id_, exec_id)
            if e.kind == "exit" and not is_true(self.directory, name, code, e.status, e.exited):
                self.complain(id_, "%s ended with %d" % (exec_id, want), events)
        kinds = [e.kind for e in mine]
        order = ["exec-added", "exec-started", "exit"]
        if sorted(kinds, key=order.index) != kinds:
            self.complain(id_, exec_id + " out of order", events)
        if client == code and want != code:
            self.complain(id_, "the client of %s was told %d" % (exec_id, client), events)

    def answer(self, path, lives):
        id_ = os.path.basename(path).rsplit(".", 1)[0]
        if id_ not in lives:
            return False
        with open(path, "rb") as f:
            data = f.read()
        if not data:
            return False  # containerd had no more time for it
        fields = decode(data)
        status, at = first(fields, 2, 0), decode(first(fields, 3, b""))
        code = lives[id_][0]
        if not is_true(self.directory, id_, code, status, first(at, 1, 0) + first(at, 2, 0) / 1e9):
            self.complain(id_, "`delete` answered %d, it ended with %d" % (status, truth(self.directory, id_, code)), [])
        return True

    def look(self):
        lives = {l[0]: (int(l[1]), int(l[2])) for l in lines_of(os.path.join(self.directory, "lives"))}
        end = time.monotonic() + 20 * SLOW
        while True:
            events = events_of(os.path.join(self.directory, "events"))
            open_ = [i for i in lives if not self.complete([e.kind for e in events[i] if not e.exec_id], lives[i][1])]
            if not open_ or time.monotonic() > end:
                break
            time.sleep(0.05)
        for id_ in open_:
            self.complain(id_, "its end was not told", events[id_])
        for id_, (code, client) in lives.items():
            self.init(id_, code, client, events[id_])
        for id_, exec_id, code, client in lines_of(os.path.join(self.directory, "execs")):
            self.exec_(id_, exec_id, int(code), int(client), events[id_])
        answers = sum(self.answer(path, lives) for path in glob.glob(os.path.join(self.answers, "*")))
        self.summary(lives, events, answers)

    def summary(self, lives, events, answers):
        """When the workers died, by what had been told until then."""
        when = collections.Counter()
        deaths = lines_of(os.path.join(self.directory, "deaths"))
        for at, id_ in deaths:
            second = time.gmtime(float(at))
            then = time.strftime("%H:%M:%S", second) + ("%.6f" % (float(at) % 1))[1:]
            told = [e.kind for e in events[id_] if e.at < then]
            when[told[-1] if told else "nothing"] += 1
        own = sum(truth(self.directory, i, code) == code for i, (code, _) in lives.items())
        print("# %d workers died in %d lives, of which %d ended by themselves; `delete` answered %d times" % (len(deaths), len(lives), own, answers))
        print("# died after " + ", ".join("%s: %d" % pair for pair in sorted(when.items())))


def main():
    lives = Lives(*sys.argv[1:])
    lives.look()
    print("\n".join(lives.wrong))
    return 1 if lives.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
