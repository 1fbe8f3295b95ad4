# SPDX-License-Identifier: Apache-2.0
"""What configurations are made of: a base, and cards that each change one field of it. A card is (field, name, change);
of one field a configuration has one card at most. GOOD are values that a runtime should take, BAD are values that it may
have to refuse: a configuration has one of those, for what is refused shows nothing else.

In texts, @BUNDLE@ is the bundle's directory, @ID@ the container's id and @NS@ the directory /proc/PID/ns of a process in
namespaces of its own. The key "run" of a configuration is not part of config.json but tells how it is run."""

import copy
import random

CAPS = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
DOCKER_CAPS = [
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_MKNOD", "CAP_NET_BIND_SERVICE",
    "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
]  # fmt: skip
MASKED = ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/scsi", "/sys/firmware"]
READONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
MAP = [{"containerID": 0, "hostID": 100000, "size": 65536}]


def mount(destination, kind, source, *options):
    m = {"destination": destination, "source": source, "options": list(options)}
    return {**m, "type": kind} if kind else m


def base():
    return {
        "ociVersion": "1.0.2",
        "root": {"path": "rootfs", "readonly": False},
        "hostname": "differ",
        "process": {
            "terminal": False,
            "user": {"uid": 0, "gid": 0},
            "args": ["/probe"],
            "env": ["PATH=/usr/bin:/bin", "TERM=xterm", "HOME=/root"],
            "cwd": "/",
            "capabilities": {k: list(CAPS) for k in ("bounding", "effective", "permitted")},
            "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 1024}],
            "noNewPrivileges": True,
        },
        "mounts": [
            mount("/proc", "proc", "proc"),
            mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
            mount("/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
            mount("/dev/shm", "tmpfs", "shm", "nosuid", "noexec", "nodev", "mode=1777", "size=65536k"),
            mount("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev"),
            mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", "ro"),
        ],
        "linux": {
            "cgroupsPath": "/test/@ID@",
            "resources": {"devices": [{"allow": False, "access": "rwm"}]},
            "namespaces": [{"type": t} for t in ("pid", "network", "ipc", "uts", "mount")],
            "maskedPaths": list(MASKED),
            "readonlyPaths": list(READONLY),
        },
        "run": {"ask": []},
    }


# --- changes ---------------------------------------------------------------------------------------------------------


def at(c, path):
    """The object that holds the last name of a path, and that name."""
    *way, last = path.split(".")
    for name in way:
        if isinstance(c, dict) and c.get(name) is None:
            c[name] = {}
        c = c[int(name)] if isinstance(c, list) else c[name]
    return c, int(last) if isinstance(c, list) else last


def put(path, value):
    def change(c):
        o, name = at(c, path)
        o[name] = copy.deepcopy(value)

    return change


def drop(path):
    def change(c):
        o, name = at(c, path)
        o.pop(name, None) if isinstance(o, dict) else o.pop(name)

    return change


def add(path, *values):
    def change(c):
        o, name = at(c, path)
        o.setdefault(name, []).extend(copy.deepcopy(v) for v in values)

    return change


def ask(*lines):
    return add("run.ask", *lines)


def both(*changes):
    def change(c):
        for f in changes:
            f(c)

    return change


def namespace(kind, path=None, remove=False):
    def change(c):
        ns = [n for n in c["linux"].get("namespaces", []) if n["type"] != kind]
        if not remove:
            ns.append({"type": kind, "path": path} if path else {"type": kind})
        c["linux"]["namespaces"] = ns

    return change


def without_mount(*destinations):
    def change(c):
        c["mounts"] = [m for m in c["mounts"] if m["destination"] not in destinations]

    return change


def with_mount(destination, kind, source, *options):
    """After the others, and the probe looks at it."""
    return both(add("mounts", mount(destination, kind, source, *options)), ask("path " + "/" + destination.lstrip("/")))


def options_of(destination, *options):
    def change(c):
        for m in c["mounts"]:
            if m["destination"] == destination:
                m["options"] = list(options)

    return change


def limit(kind, soft, hard):
    def change(c):
        r = [x for x in c["process"]["rlimits"] if x["type"] != kind]
        c["process"]["rlimits"] = r + [{"type": kind, "soft": soft, "hard": hard}]

    return change


def caps(**sets):
    return put("process.capabilities", sets)


def resource(path, value):
    return put("linux.resources." + path, value)


def seccomp(default, *calls, asks=(), **more):
    profile = {"defaultAction": default, "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"], "syscalls": list(calls), **more}
    return both(put("linux.seccomp", profile), ask(*("call " + n for n in asks)))


def calls(action, *names, **more):
    return {"names": list(names), "action": action, **more}


def hook(name, kind):
    program = "/probe" if kind == "startContainer" else "@BUNDLE@/rootfs/probe"
    file = "/hookout/hooks" if kind == "startContainer" else "@BUNDLE@/hookout/hooks"
    return add("hooks." + kind, {"path": program, "args": ["probe", "hook", name, file], "env": ["A=hook", "B="]})


HOOKOUT = add("mounts", mount("/hookout", "bind", "@BUNDLE@/hookout", "rbind", "rw"))
USERNS = both(
    namespace("user"), put("linux.uidMappings", MAP), put("linux.gidMappings", MAP), put("run.owner", 100000),
)  # fmt: skip
EXEC = both(put("run.exec", {"args": ["/probe", "exec"], "cwd": "/", "env": ["PATH=/bin", "E=1"], "user": {"uid": 0, "gid": 0}}), ask("wait"))


def execs(*changes):
    """An exec with these changes to its process.json."""

    def change(c):
        EXEC(c)
        for f in changes:
            f(c["run"]["exec"])

    return change


def bound(name, *options, kind="bind", to="/mnt/bound"):
    return with_mount(to, kind, "@BUNDLE@/source/" + name, *options)


# Called before the profile's default denies all else: what a static program and the probe need, and runtimes after
# the filter is on.
NEEDED = """access alarm arch_prctl brk capget capset chdir clone close close_range dup dup2 dup3 epoll_create1 epoll_ctl
epoll_pwait epoll_wait execve execveat exit exit_group faccessat faccessat2 fchdir fchmod fchown fcntl fgetxattr fstat
fstatfs futex getcwd getdents64 getegid geteuid getgid getpgrp getpgid getpid getppid getrandom getresuid getresgid
getrlimit getsid gettid getuid ioctl ioprio_get keyctl lseek lstat madvise mknod mknodat mmap mprotect munmap nanosleep
newfstatat open openat openat2 pause personality pipe2 ppoll prctl pread64 prlimit64 pwrite64 read readlink readlinkat
recvmsg restart_syscall rseq rt_sigaction rt_sigprocmask rt_sigreturn sched_getaffinity sched_getattr get_mempolicy
sched_yield sendmsg sendto set_robust_list set_tid_address setgid setgroups setresgid setresuid setsid setuid
sigaltstack socket stat statfs statx tgkill umask uname unlink unlinkat wait4 waitid write writev kill""".split()

GOOD = [
    # the document
    ("ociVersion", "1.0.0", put("ociVersion", "1.0.0")),
    ("ociVersion", "1.0.2-dev", put("ociVersion", "1.0.2-dev")),
    ("ociVersion", "1.1.0", put("ociVersion", "1.1.0")),
    ("ociVersion", "1.3.0", put("ociVersion", "1.3.0")),
    ("unknown", "property", both(put("x-unknown", {"a": [1]}), put("process.x-unknown", 1), put("linux.x-unknown", None))),
    ("unknown", "other systems", both(put("windows", {"layerFolders": ["x"]}), put("solaris", {"milestone": "m"}))),
    ("annotations", "some", put("annotations", {"com.example.key": "value", "empty": "", "slash": "a/b\"\\ü"})),
    ("annotations", "none", put("annotations", {})),
    ("nulls", "of lists", both(put("hooks", None), put("linux.sysctl", None), put("annotations", None))),
    # root
    ("root.readonly", "true", put("root.readonly", True)),
    ("root.path", "absolute", put("root.path", "@BUNDLE@/rootfs")),
    ("root.path", "with dots", put("root.path", "./x/../rootfs/")),
    ("rootfs", "without proc and dev", put("run.remove", ["proc", "dev", "sys"])),
    ("rootfs", "home in passwd", both(put("run.files", {"etc/passwd": "root:x:0:0::/the/root:/bin/sh\nu:x:1000:1000::/home/u:/bin/sh\n"}), put("process.env", ["PATH=/bin"]))),
    # names
    ("hostname", "none", drop("hostname")),
    ("hostname", "empty", put("hostname", "")),
    ("hostname", "long", put("hostname", "a" * 63 + "b")),
    ("hostname", "with dots", put("hostname", "a.b.example")),
    ("domainname", "some", put("domainname", "example.com")),
    # process
    ("args", "by PATH", put("process.args", ["probe", "one", "", "two words"])),
    ("args", "relative", both(put("process.args", ["./probe"]), put("process.cwd", "/bin"))),
    ("args", "relative, in PATH", both(put("process.args", ["probe"]), put("process.env", ["PATH=.:/nothing"]), put("process.cwd", "/bin"))),
    ("args", "odd bytes", put("process.args", ["/probe", "ü\n\t\x7f", "-n", "--", "\\"])),
    ("args", "many", put("process.args", ["/probe"] + ["x" * 99] * 300)),
    ("args", "script", put("process.args", ["/bin/script", "a b"])),
    ("args", "by link", put("process.args", ["/bin/link-to-probe"])),
    ("cwd", "tmp", put("process.cwd", "/tmp")),
    ("cwd", "missing", put("process.cwd", "/made/by/runtime")),
    ("cwd", "link", put("process.cwd", "/link-to-tmp")),
    ("cwd", "with dots", put("process.cwd", "/tmp/../bin/.")),
    ("cwd", "in a mount", put("process.cwd", "/dev/shm")),
    ("env", "none", drop("process.env")),
    ("env", "empty", put("process.env", [])),
    ("env", "twice", put("process.env", ["PATH=/bin", "A=1", "B=2", "A=3", "HOME=/a", "HOME=/b"])),
    ("env", "odd", put("process.env", ["PATH=/bin", "EMPTY=", "UTF=ü", "LINES=a\nb", "EQ==a=b", "SP ACE= x "])),
    ("env", "without equal sign", put("process.env", ["PATH=/bin", "NOTHING"])),
    ("env", "HOME empty", put("process.env", ["PATH=/bin", "HOME="])),
    ("env", "many", put("process.env", ["PATH=/bin", "HOME=/"] + ["V%d=%s" % (i, "y" * 50) for i in range(200)])),
    ("user", "1000", put("process.user", {"uid": 1000, "gid": 1000})),
    ("user", "groups", put("process.user", {"uid": 1000, "gid": 1001, "additionalGids": [5, 1001, 4294967294, 29]})),
    ("user", "group only", put("process.user", {"uid": 0, "gid": 7, "additionalGids": [0]})),
    ("user", "high", put("process.user", {"uid": 2147483648, "gid": 4294967294})),
    ("user", "name is ignored", put("process.user", {"uid": 12, "gid": 34, "username": "root"})),
    ("umask", "0", put("process.user.umask", 0)),
    ("umask", "077", put("process.user.umask", 0o77)),
    ("umask", "0777", put("process.user.umask", 0o777)),
    ("caps", "none", drop("process.capabilities")),
    ("caps", "empty", caps()),
    ("caps", "docker's", caps(bounding=DOCKER_CAPS, effective=DOCKER_CAPS, permitted=DOCKER_CAPS)),
    ("caps", "bounding only", caps(bounding=DOCKER_CAPS)),
    ("caps", "inheritable", caps(bounding=CAPS, effective=CAPS, permitted=CAPS, inheritable=CAPS[:2])),
    ("caps", "ambient", caps(bounding=CAPS, effective=CAPS, permitted=CAPS, inheritable=CAPS, ambient=CAPS[:1])),
    ("caps", "sysadmin", caps(**{k: ["CAP_SYS_ADMIN", "CAP_MKNOD", "CAP_SYS_NICE"] for k in ("bounding", "effective", "permitted", "inheritable")})),
    ("caps", "effective less", caps(bounding=DOCKER_CAPS, effective=CAPS[:1], permitted=CAPS)),
    ("nnp", "false", put("process.noNewPrivileges", False)),
    ("nnp", "none", drop("process.noNewPrivileges")),
    ("oomScoreAdj", "0", put("process.oomScoreAdj", 0)),
    ("oomScoreAdj", "500", put("process.oomScoreAdj", 500)),
    ("oomScoreAdj", "1000", put("process.oomScoreAdj", 1000)),
    ("rlimits", "none", drop("process.rlimits")),
    ("rlimits", "empty", put("process.rlimits", [])),
    ("rlimits", "core", limit("RLIMIT_CORE", 0, 0)),
    ("rlimits", "core soft", limit("RLIMIT_CORE", 4096, 18446744073709551615)),
    ("rlimits", "fsize", limit("RLIMIT_FSIZE", 1048576, 2097152)),
    ("rlimits", "nofile", limit("RLIMIT_NOFILE", 64, 128)),
    ("rlimits", "nproc", limit("RLIMIT_NPROC", 1000, 2000)),
    ("rlimits", "stack", limit("RLIMIT_STACK", 1048576, 4194304)),
    ("rlimits", "as", limit("RLIMIT_AS", 1073741824, 1073741824)),
    ("rlimits", "cpu", limit("RLIMIT_CPU", 100, 200)),
    ("rlimits", "several", both(limit("RLIMIT_MEMLOCK", 4096, 65536), limit("RLIMIT_SIGPENDING", 10, 20), limit("RLIMIT_MSGQUEUE", 1, 2), limit("RLIMIT_LOCKS", 3, 4), limit("RLIMIT_RSS", 1, 2), limit("RLIMIT_DATA", 1 << 30, 1 << 31), limit("RLIMIT_RTTIME", 7, 8))),
    ("scheduler", "batch", put("process.scheduler", {"policy": "SCHED_BATCH", "nice": 3})),
    ("scheduler", "idle", put("process.scheduler", {"policy": "SCHED_IDLE"})),
    ("scheduler", "nice", put("process.scheduler", {"policy": "SCHED_OTHER", "nice": 7})),
    ("scheduler", "fork", put("process.scheduler", {"policy": "SCHED_BATCH", "nice": 0, "flags": ["SCHED_FLAG_RESET_ON_FORK"]})),
    ("ioPriority", "best effort", put("process.ioPriority", {"class": "IOPRIO_CLASS_BE", "priority": 6})),
    ("ioPriority", "idle", put("process.ioPriority", {"class": "IOPRIO_CLASS_IDLE", "priority": 0})),
    ("ioPriority", "real time", put("process.ioPriority", {"class": "IOPRIO_CLASS_RT", "priority": 2})),
    ("terminal", "plain", put("process.terminal", True)),
    ("terminal", "size", both(put("process.terminal", True), put("process.consoleSize", {"width": 123, "height": 45}))),
    ("terminal", "of a user", both(put("process.terminal", True), put("process.user", {"uid": 1000, "gid": 1000}))),
    ("terminal", "size without one", put("process.consoleSize", {"width": 123, "height": 45})),
    # how it ends and what it gets
    ("end", "status", ask("exit 42")),
    ("end", "status 255", ask("exit 255")),
    ("end", "TERM", ask("signal 15")),
    ("end", "SEGV", ask("signal 11")),
    ("fds", "preserved", put("run.preserve", 2)),
    ("fds", "listen", put("run.listen", 1)),
    ("stdin", "pipe", put("run.stdin", "pipe")),
    ("stdin", "file", put("run.stdin", "file")),
    # an exec
    ("exec", "plain", execs()),
    ("exec", "user", execs(put("user", {"uid": 33, "gid": 34, "additionalGids": [35, 36]}))),
    ("exec", "umask", execs(put("user.umask", 0o27))),
    ("exec", "directory", execs(put("cwd", "/tmp"))),
    ("exec", "missing directory", execs(put("cwd", "/made/by/exec"))),
    ("exec", "capabilities", execs(put("capabilities", {k: ["CAP_CHOWN", "CAP_KILL"] for k in ("bounding", "effective", "permitted")}))),
    ("exec", "more capabilities of a user", execs(put("capabilities", {k: ["CAP_KILL"] for k in ("bounding", "effective", "permitted", "inheritable", "ambient")}), put("user", {"uid": 5, "gid": 5}))),
    ("exec", "limits", execs(put("rlimits", [{"type": "RLIMIT_CORE", "soft": 1, "hard": 2}]))),
    ("exec", "nnp", execs(put("noNewPrivileges", True))),
    ("exec", "oom", execs(put("oomScoreAdj", 77))),
    ("exec", "environment", execs(put("env", ["A=1", "A=2", "NOTHING", "PATH=/bin:/usr/bin"]))),
    ("exec", "by PATH", execs(put("args", ["probe", "exec"]))),
    ("exec", "priorities", execs(put("scheduler", {"policy": "SCHED_BATCH", "nice": 1}), put("ioPriority", {"class": "IOPRIO_CLASS_BE", "priority": 1}))),
    ("exec", "affinity", execs(put("execCPUAffinity", {"initial": "0", "final": "0-1"}))),
    ("exec", "terminal", execs(put("terminal", True))),
    # hooks
    ("hooks", "prestart", both(HOOKOUT, hook("p", "prestart"))),
    ("hooks", "all", both(HOOKOUT, *(hook(k, k) for k in ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")))),
    ("hooks", "two of a kind", both(HOOKOUT, hook("1", "createRuntime"), hook("2", "createRuntime"), hook("3", "poststop"), hook("4", "poststop"))),
    ("hooks", "with timeout", both(HOOKOUT, hook("t", "createContainer"), put("hooks.createContainer.0.timeout", 20))),
    # namespaces
    ("net", "the host's", both(namespace("network", remove=True), without_mount("/sys"))),
    ("net", "the host's, with sysfs", namespace("network", remove=True)),
    ("net", "joined", namespace("network", "@NS@/net")),
    ("ipc", "the host's", namespace("ipc", remove=True)),
    ("ipc", "joined", namespace("ipc", "@NS@/ipc")),
    ("uts", "the host's", both(namespace("uts", remove=True), drop("hostname"), drop("domainname"))),
    ("uts", "joined", both(namespace("uts", "@NS@/uts"), drop("hostname"))),
    ("uts", "joined, with a name", namespace("uts", "@NS@/uts")),
    ("pid", "the host's", namespace("pid", remove=True)),
    ("pid", "joined", namespace("pid", "@NS@/pid_for_children")),
    ("cgroup", "new", namespace("cgroup")),
    ("cgroup", "new, mounted", both(namespace("cgroup"), add("mounts", mount("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "nodev", "relatime", "ro")))),
    ("cgroup", "mounted", add("mounts", mount("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "nodev", "relatime", "ro"))),
    ("cgroup", "mounted to write", add("mounts", mount("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "nodev"))),
    ("user", "namespace", USERNS),
    ("user", "namespace, as 1000", both(USERNS, put("process.user", {"uid": 1000, "gid": 1000, "additionalGids": [7]}))),
    ("user", "namespace with two ranges", both(
        USERNS,
        put("linux.uidMappings", [{"containerID": 0, "hostID": 100000, "size": 1}, {"containerID": 1, "hostID": 200000, "size": 70000}]),
    )),
    ("time", "new", namespace("time")),
    ("time", "offsets", both(namespace("time"), put("linux.timeOffsets", {"monotonic": {"secs": 1000, "nanosecs": 7}, "boottime": {"secs": 86400, "nanosecs": 0}}))),
    ("time", "one negative offset", both(namespace("time"), put("linux.timeOffsets", {"boottime": {"secs": -1, "nanosecs": 500000000}}))),
    ("sysctl", "network", both(put("linux.sysctl", {"net.ipv4.ip_forward": "1", "net.core.somaxconn": "300"}), ask("read /proc/sys/net/ipv4/ip_forward", "read /proc/sys/net/core/somaxconn"))),
    ("sysctl", "ipc", both(put("linux.sysctl", {"kernel.shmmax": "12345678", "kernel.msgmax": "9000", "fs.mqueue.msg_max": "20", "kernel.sem": "100 200 30 40"}), ask("read /proc/sys/kernel/shmmax", "read /proc/sys/kernel/msgmax", "read /proc/sys/fs/mqueue/msg_max", "read /proc/sys/kernel/sem"))),
    ("sysctl", "slashes", both(put("linux.sysctl", {"net/ipv4/conf/lo/rp_filter": "1"}), ask("read /proc/sys/net/ipv4/conf/lo/rp_filter"))),
    ("sysctl", "domainname", both(put("linux.sysctl", {"kernel.domainname": "by.sysctl"}), ask("read /proc/sys/kernel/domainname"))),
    ("sysctl", "empty", put("linux.sysctl", {})),
    ("personality", "LINUX32", put("linux.personality", {"domain": "LINUX32"})),
    ("personality", "LINUX", put("linux.personality", {"domain": "LINUX"})),
    ("propagation", "private", put("linux.rootfsPropagation", "private")),
    ("propagation", "slave", put("linux.rootfsPropagation", "slave")),
    ("propagation", "rslave", put("linux.rootfsPropagation", "rslave")),
    ("propagation", "shared", put("linux.rootfsPropagation", "shared")),
    ("propagation", "rshared", put("linux.rootfsPropagation", "rshared")),
    ("propagation", "unbindable", put("linux.rootfsPropagation", "unbindable")),
    # mounts
    ("tmpfs", "plain", with_mount("/mnt/t", "tmpfs", "tmpfs")),
    ("tmpfs", "size and mode", with_mount("/mnt/t", "tmpfs", "name", "size=1m", "mode=700", "uid=3", "gid=4", "nr_inodes=100")),
    ("tmpfs", "over a directory with a mode", with_mount("/private", "tmpfs", "tmpfs", "nosuid")),
    ("tmpfs", "flags", with_mount("/mnt/t", "tmpfs", "tmpfs", "ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime")),
    ("tmpfs", "opposites", with_mount("/mnt/t", "tmpfs", "tmpfs", "ro", "rw", "nosuid", "suid", "nodev", "dev", "noexec", "exec", "noatime", "atime", "sync", "async")),
    ("tmpfs", "sync dirsync", with_mount("/mnt/t", "tmpfs", "tmpfs", "sync", "dirsync", "strictatime")),
    ("tmpfs", "iversion silent", with_mount("/mnt/t", "tmpfs", "tmpfs", "silent", "loud", "relatime")),
    ("tmpfs", "nosymfollow", with_mount("/mnt/t", "tmpfs", "tmpfs", "nosymfollow", "norelatime")),
    ("tmpfs", "defaults", with_mount("/mnt/t", "tmpfs", "tmpfs", "defaults")),
    ("tmpfs", "copied up", with_mount("/filled", "tmpfs", "tmpfs", "tmpcopyup")),
    ("tmpfs", "twice", both(with_mount("/mnt/t", "tmpfs", "one", "size=1m"), with_mount("/mnt/t", "tmpfs", "two", "size=2m"))),
    ("tmpfs", "no source, no options", both(add("mounts", {"destination": "/mnt/t", "type": "tmpfs"}), ask("path /mnt/t"))),
    ("tmpfs", "relative destination", with_mount("mnt/t", "tmpfs", "tmpfs", "size=1m")),
    ("tmpfs", "through a link", with_mount("/link-to-tmp/t", "tmpfs", "tmpfs", "size=1m")),
    ("tmpfs", "through an absolute link", with_mount("/abslink/t", "tmpfs", "tmpfs", "size=1m")),
    ("tmpfs", "dots in the destination", with_mount("/mnt/../tmp/./t/", "tmpfs", "tmpfs", "size=1m")),
    ("tmpfs", "made deep", with_mount("/a/b/c/d", "tmpfs", "tmpfs", "size=1m")),
    ("tmpfs", "shared", with_mount("/mnt/t", "tmpfs", "tmpfs", "shared")),
    ("tmpfs", "slave", with_mount("/mnt/t", "tmpfs", "tmpfs", "rslave")),
    ("tmpfs", "unbindable", with_mount("/mnt/t", "tmpfs", "tmpfs", "unbindable")),
    ("ramfs", "plain", with_mount("/mnt/r", "ramfs", "r")),
    ("bind", "directory", bound("dir", "bind")),
    ("bind", "without type", bound("dir", "rbind", kind=None)),
    ("bind", "type none", bound("dir", "bind", kind="none")),
    ("bind", "type bind without the option", bound("dir")),
    ("bind", "read-only", bound("dir", "bind", "ro")),
    ("bind", "flags", bound("dir", "rbind", "nosuid", "nodev", "noexec", "ro", "noatime")),
    ("bind", "of noexec, nothing said", bound("flagged", "bind")),
    ("bind", "of noexec, ro", bound("flagged", "bind", "ro")),
    ("bind", "of noexec, exec", bound("flagged", "bind", "exec", "suid", "dev")),
    ("bind", "file", bound("file", "bind", to="/mnt/file")),
    ("bind", "file on a file", bound("file", "bind", "ro", to="/etc/hostname")),
    ("bind", "file in a made directory", bound("file", "bind", to="/x/y/file")),
    ("bind", "rbind brings mounts", both(bound("tree", "rbind"), ask("path /mnt/bound/sub"))),
    ("bind", "bind does not", both(bound("tree", "bind"), ask("path /mnt/bound/sub"))),
    ("bind", "rbind ro", both(bound("tree", "rbind", "ro"), ask("path /mnt/bound/sub"))),
    ("bind", "rro", both(bound("tree", "rbind", "rro"), ask("path /mnt/bound/sub"))),
    ("bind", "recursive flags", both(bound("tree", "rbind", "rnosuid", "rnodev", "rnoexec", "rnoatime"), ask("path /mnt/bound/sub"))),
    ("bind", "by a link", bound("link-to-dir", "bind")),
    ("bind", "relative source", with_mount("/mnt/bound", "bind", "source/dir", "bind")),
    ("bind", "shared", bound("dir", "rbind", "rshared")),
    ("bind", "slave", bound("dir", "rbind", "rslave")),
    ("bind", "private", bound("dir", "bind", "private")),
    ("bind", "over dev/shm", bound("dir", "bind", to="/dev/shm")),
    ("bind", "device", with_mount("/dev/bound-null", "bind", "/dev/null", "bind")),
    ("bind", "mapped", both(bound("dir", "bind", "idmap"), lambda c: c["mounts"][-1].update(uidMappings=MAP, gidMappings=MAP))),
    ("proc", "flags", options_of("/proc", "nosuid", "noexec", "nodev")),
    ("proc", "ro", options_of("/proc", "ro")),
    ("proc", "hidepid", options_of("/proc", "hidepid=2")),
    ("proc", "not mounted", both(without_mount("/proc"), put("linux.maskedPaths", []), put("linux.readonlyPaths", []), put("run.noproc", True))),
    ("sysfs", "rw", options_of("/sys", "nosuid", "noexec", "nodev")),
    ("dev", "not mounted", without_mount("/dev", "/dev/pts", "/dev/shm", "/dev/mqueue")),
    ("dev", "mode 700", options_of("/dev", "nosuid", "mode=700", "size=1m")),
    ("dev", "ro", options_of("/dev", "nosuid", "strictatime", "mode=755", "ro")),
    ("dev", "without pts", without_mount("/dev/pts")),
    ("pts", "other modes", options_of("/dev/pts", "newinstance", "ptmxmode=0600", "mode=0600", "gid=7", "max=5")),
    ("pts", "no options", options_of("/dev/pts")),
    ("shm", "small", options_of("/dev/shm", "mode=1777", "size=4096")),
    ("mqueue", "rw", options_of("/dev/mqueue")),
    ("masked", "none", drop("linux.maskedPaths")),
    ("masked", "files and directories", both(put("linux.maskedPaths", ["/etc/hostname", "/filled", "/etc/hostname"]), ask("path /etc/hostname", "path /filled"))),
    ("masked", "missing", put("linux.maskedPaths", ["/no/such/file", "/etc/none"])),
    ("masked", "link", both(put("linux.maskedPaths", ["/link-to-tmp"]), ask("path /link-to-tmp", "path /tmp"))),
    ("masked", "in a tmpfs", both(put("linux.maskedPaths", ["/dev/null", "/dev/shm"]), ask("path /dev/null", "path /dev/shm"))),
    ("masked", "seen", ask(*("path " + p for p in MASKED))),
    ("readonly", "none", drop("linux.readonlyPaths")),
    ("readonly", "files and directories", both(put("linux.readonlyPaths", ["/etc/hostname", "/filled", "/tmp"]), ask("path /etc/hostname", "path /filled", "path /tmp"))),
    ("readonly", "missing", put("linux.readonlyPaths", ["/no/such/file"])),
    ("readonly", "a mount", both(put("linux.readonlyPaths", ["/dev/shm", "/proc"]), ask("path /dev/shm", "path /proc"))),
    ("readonly", "seen", ask(*("path " + p for p in READONLY))),
    # devices
    ("devices", "some", put("linux.devices", [
        {"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o666, "uid": 0, "gid": 0},
        {"path": "/dev/disk", "type": "b", "major": 254, "minor": 0, "fileMode": 0o640, "uid": 1, "gid": 2},
    ])),
    ("devices", "without mode", put("linux.devices", [{"path": "/dev/plain", "type": "c", "major": 10, "minor": 200}])),
    ("devices", "in a directory", put("linux.devices", [{"path": "/dev/net/tun", "type": "c", "major": 10, "minor": 200, "fileMode": 0o622}])),
    ("devices", "outside of /dev", both(put("linux.devices", [{"path": "/mydevs/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666}]), ask("path /mydevs", "path /mydevs/null"))),
    ("devices", "fifo", put("linux.devices", [{"path": "/dev/fifo", "type": "p", "fileMode": 0o604, "uid": 8, "gid": 9}])),
    ("devices", "u", put("linux.devices", [{"path": "/dev/unbuffered", "type": "u", "major": 1, "minor": 5, "fileMode": 0o600}])),
    ("devices", "a default one", put("linux.devices", [{"path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o600, "uid": 1000, "gid": 1000}])),
    ("rules", "none", drop("linux.resources.devices")),
    ("rules", "allow fuse", add("linux.resources.devices", {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rwm"})),
    ("rules", "read of kmsg", add("linux.resources.devices", {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "r"})),
    ("rules", "all", put("linux.resources.devices", [{"allow": True, "access": "rwm"}])),
    ("rules", "all but disks", put("linux.resources.devices", [{"allow": True, "access": "rwm"}, {"allow": False, "type": "b", "major": 254, "access": "rwm"}])),
    ("rules", "any of a major", add("linux.resources.devices", {"allow": True, "type": "b", "major": 7, "access": "rwm"}, {"allow": True, "type": "c", "major": 1, "minor": -1, "access": "rw"})),
    ("rules", "later wins", add("linux.resources.devices", {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rwm"}, {"allow": False, "type": "c", "major": 10, "minor": 229, "access": "w"})),
    ("rules", "null denied", add("linux.resources.devices", {"allow": False, "type": "c", "major": 1, "minor": 8, "access": "rwm"})),
    # resources
    ("memory", "limit", resource("memory", {"limit": 104857600})),
    ("memory", "limit and swap", resource("memory", {"limit": 104857600, "swap": 209715200})),
    ("memory", "reservation", resource("memory", {"limit": 104857600, "reservation": 52428800})),
    ("memory", "unlimited", resource("memory", {"limit": -1})),
    ("memory", "unlimited swap", resource("memory", {"limit": 104857600, "swap": -1})),
    ("memory", "uneven", resource("memory", {"limit": 104857601})),
    ("memory", "swappiness", resource("memory", {"swappiness": 30})),
    ("memory", "no oom killer", resource("memory", {"limit": 104857600, "disableOOMKiller": True})),
    ("memory", "hierarchy", resource("memory", {"useHierarchy": True})),
    ("memory", "kernel", resource("memory", {"kernel": 104857600, "kernelTCP": 104857600})),
    ("memory", "zero", resource("memory", {"limit": 0, "reservation": 0, "swap": 0})),
    ("cpu", "shares", resource("cpu", {"shares": 512})),
    ("cpu", "smallest shares", resource("cpu", {"shares": 1})),
    ("cpu", "quota", resource("cpu", {"quota": 50000, "period": 100000})),
    ("cpu", "quota alone", resource("cpu", {"quota": 25000})),
    ("cpu", "period alone", resource("cpu", {"period": 50000})),
    ("cpu", "no quota", resource("cpu", {"quota": -1, "period": 20000})),
    ("cpu", "burst", resource("cpu", {"quota": 50000, "period": 100000, "burst": 10000})),
    ("cpu", "idle", resource("cpu", {"idle": 1})),
    ("cpu", "set", resource("cpu", {"cpus": "0", "mems": "0"})),
    ("cpu", "set of all", resource("cpu", {"cpus": "0-1"})),
    ("cpu", "zeros", resource("cpu", {"shares": 0, "quota": 0, "period": 0, "realtimeRuntime": 0})),
    ("pids", "100", resource("pids", {"limit": 100})),
    ("pids", "unlimited", resource("pids", {"limit": -1})),
    ("pids", "0", resource("pids", {"limit": 0})),
    ("blockIO", "throttle", resource("blockIO", {"throttleReadBpsDevice": [{"major": 254, "minor": 0, "rate": 1048576}], "throttleWriteIOPSDevice": [{"major": 254, "minor": 0, "rate": 100}]})),
    ("blockIO", "empty", resource("blockIO", {})),
    ("hugepages", "2MB", resource("hugepageLimits", [{"pageSize": "2MB", "limit": 4194304}])),
    ("hugepages", "empty", resource("hugepageLimits", [])),
    ("resources", "none", drop("linux.resources")),
    ("resources", "empty", put("linux.resources", {})),
    ("cgroupsPath", "none", drop("linux.cgroupsPath")),
    ("cgroupsPath", "relative", put("linux.cgroupsPath", "rel/@ID@")),
    ("cgroupsPath", "deep", put("linux.cgroupsPath", "/test/a/b/@ID@/c")),
    ("cgroupsPath", "with dots", put("linux.cgroupsPath", "/test/./x/../@ID@")),
    ("cgroupsPath", "upwards", put("linux.cgroupsPath", "../../test/@ID@")),
    ("cgroupsPath", "one name", put("linux.cgroupsPath", "/test-@ID@")),
    # seccomp
    ("seccomp", "allow but a few", seccomp("SCMP_ACT_ALLOW", calls("SCMP_ACT_ERRNO", "mkdir", "chmod", "kcmp"), asks=["mkdir", "chmod", "kcmp", "getpriority"])),
    ("seccomp", "errno", seccomp("SCMP_ACT_ALLOW", calls("SCMP_ACT_ERRNO", "mkdir", errnoRet=77), calls("SCMP_ACT_ERRNO", "chmod", errnoRet=0), asks=["mkdir", "chmod"])),
    ("seccomp", "allow list", seccomp("SCMP_ACT_ERRNO", calls("SCMP_ACT_ALLOW", *NEEDED), asks=["mkdir", "clone3", "futex_waitv", "unknown-700", "sysfs", "keyctl"])),
    ("seccomp", "allow list with an errno", seccomp("SCMP_ACT_ERRNO", calls("SCMP_ACT_ALLOW", *NEEDED), asks=["mkdir", "clone3", "futex_waitv", "unknown-700"], defaultErrnoRet=38)),
    ("seccomp", "argument equal", seccomp("SCMP_ACT_ALLOW", calls("SCMP_ACT_ERRNO", "socket", args=[{"index": 0, "value": 40, "op": "SCMP_CMP_EQ"}], errnoRet=22), asks=["socket-vsock", "socket-inet", "socket-netlink"])),
    ("seccomp", "arguments, others", seccomp("SCMP_ACT_ALLOW",
        calls("SCMP_ACT_ERRNO", "socket", args=[{"index": 0, "value": 16, "op": "SCMP_CMP_GE"}, {"index": 1, "value": 99, "op": "SCMP_CMP_LE"}]),
        calls("SCMP_ACT_ERRNO", "unshare", args=[{"index": 0, "value": 0x10000000, "valueTwo": 0x10000000, "op": "SCMP_CMP_MASKED_EQ"}], errnoRet=5),
        asks=["socket-vsock", "socket-inet", "socket-netlink", "unshare-user"])),
    ("seccomp", "argument twice", seccomp("SCMP_ACT_ALLOW", calls("SCMP_ACT_ERRNO", "socket", args=[{"index": 0, "value": 40, "op": "SCMP_CMP_EQ"}, {"index": 0, "value": 16, "op": "SCMP_CMP_EQ"}]), asks=["socket-vsock", "socket-inet", "socket-netlink"])),
    ("seccomp", "unknown name", seccomp("SCMP_ACT_ALLOW", calls("SCMP_ACT_ERRNO", "no_such_call", "mkdir"), asks=["mkdir"])),
    ("seccomp", "kill", both(seccomp("SCMP_ACT_ALLOW", calls("SCMP_ACT_KILL", "kcmp"), asks=["kcmp"]))),
    ("seccomp", "kill process", both(seccomp("SCMP_ACT_ALLOW", calls("SCMP_ACT_KILL_PROCESS", "kcmp"), asks=["kcmp"]))),
    ("seccomp", "trap", both(seccomp("SCMP_ACT_ALLOW", calls("SCMP_ACT_TRAP", "kcmp"), asks=["kcmp"]))),
    ("seccomp", "log", seccomp("SCMP_ACT_LOG", calls("SCMP_ACT_ERRNO", "mkdir"), asks=["mkdir"], flags=["SECCOMP_FILTER_FLAG_LOG"])),
    ("seccomp", "flags", seccomp("SCMP_ACT_ALLOW", calls("SCMP_ACT_ERRNO", "mkdir"), asks=["mkdir"], flags=["SECCOMP_FILTER_FLAG_SPEC_ALLOW"])),
    ("seccomp", "no architectures", both(seccomp("SCMP_ACT_ALLOW", calls("SCMP_ACT_ERRNO", "mkdir"), asks=["mkdir"]), drop("linux.seccomp.architectures"))),
    ("seccomp", "empty", put("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW"})),
    ("seccomp", "same as default", seccomp("SCMP_ACT_ALLOW", calls("SCMP_ACT_ALLOW", "mkdir"), calls("SCMP_ACT_ERRNO", "chmod"), asks=["mkdir", "chmod"])),
    ("intelRdt", "empty", put("linux.intelRdt", {})),
]

BAD = [
    ("ociVersion", "none", drop("ociVersion")),
    ("ociVersion", "no version", put("ociVersion", "x")),
    ("ociVersion", "2.0.0", put("ociVersion", "2.0.0")),
    ("ociVersion", "number", put("ociVersion", 1)),
    ("root", "none", drop("root")),
    ("root", "missing directory", put("root.path", "nothing")),
    ("root", "file", put("root.path", "config.json")),
    ("root", "link", put("root.path", "link-to-rootfs")),
    ("root", "empty path", put("root.path", "")),
    ("process", "none", drop("process")),
    ("process", "is a list", put("process", [])),
    ("args", "none", drop("process.args")),
    ("args", "empty", put("process.args", [])),
    ("args", "empty name", put("process.args", [""])),
    ("args", "missing file", put("process.args", ["/no/such/program"])),
    ("args", "not in PATH", put("process.args", ["nosuch"])),
    ("args", "not executable", put("process.args", ["/etc/hostname"])),
    ("args", "directory", put("process.args", ["/tmp"])),
    ("args", "no interpreter", put("process.args", ["/bin/bad-script"])),
    ("args", "text without a first line", put("process.args", ["/bin/no-format"])),
    ("args", "not a text", put("process.args", ["/probe", 1])),
    ("args", "of nobody's", both(put("process.args", ["/private/probe"]), put("process.user", {"uid": 1000, "gid": 1000}))),
    ("cwd", "none", drop("process.cwd")),
    ("cwd", "empty", put("process.cwd", "")),
    ("cwd", "relative", put("process.cwd", "tmp")),
    ("cwd", "file", put("process.cwd", "/etc/hostname")),
    ("cwd", "descriptor", put("process.cwd", "/proc/self/fd/7")),
    ("cwd", "private", both(put("process.cwd", "/private"), put("process.user", {"uid": 1000, "gid": 1000}))),
    ("env", "not texts", put("process.env", [1])),
    ("env", "NUL", put("process.env", ["A=b\0c"])),
    ("user", "negative", put("process.user", {"uid": -1, "gid": 0})),
    ("user", "no id", put("process.user", {"uid": 4294967295, "gid": 0})),
    ("user", "too big", put("process.user", {"uid": 4294967296, "gid": 0})),
    ("user", "text", put("process.user", {"uid": "root", "gid": 0})),
    ("user", "none", drop("process.user")),
    ("user", "group that is none", put("process.user", {"uid": 0, "gid": 0, "additionalGids": [4294967295]})),
    ("caps", "unknown", caps(bounding=["CAP_NO_SUCH"], effective=["CAP_NO_SUCH"], permitted=["CAP_NO_SUCH"])),
    ("caps", "small letters", caps(bounding=["cap_kill"], effective=["cap_kill"], permitted=["cap_kill"])),
    ("caps", "beyond the bounding set", caps(bounding=[], effective=CAPS, permitted=CAPS)),
    ("caps", "effective beyond permitted", caps(bounding=CAPS, effective=CAPS, permitted=[])),
    ("caps", "ambient alone", caps(bounding=CAPS, effective=CAPS, permitted=CAPS, ambient=CAPS)),
    ("caps", "that the host lacks", caps(**{k: ["CAP_SYS_RESOURCE", "CAP_KILL"] for k in ("bounding", "effective", "permitted")})),
    ("rlimits", "unknown", limit("RLIMIT_NONE", 1, 1)),
    ("rlimits", "twice", add("process.rlimits", {"type": "RLIMIT_NOFILE", "soft": 5, "hard": 5})),
    ("rlimits", "soft above hard", limit("RLIMIT_CORE", 2, 1)),
    ("rlimits", "above the host's", limit("RLIMIT_NOFILE", 1 << 30, 1 << 30)),
    ("rlimits", "negative", limit("RLIMIT_CORE", -1, -1)),
    ("oomScoreAdj", "too big", put("process.oomScoreAdj", 1001)),
    ("oomScoreAdj", "too small", put("process.oomScoreAdj", -1001)),
    ("oomScoreAdj", "below the caller's", put("process.oomScoreAdj", -500)),
    ("scheduler", "unknown", put("process.scheduler", {"policy": "SCHED_NONE"})),
    ("scheduler", "priority of other", put("process.scheduler", {"policy": "SCHED_OTHER", "priority": 5})),
    ("scheduler", "real time without priority", put("process.scheduler", {"policy": "SCHED_FIFO"})),
    ("scheduler", "nice 40", put("process.scheduler", {"policy": "SCHED_OTHER", "nice": 40})),
    ("scheduler", "unknown flag", put("process.scheduler", {"policy": "SCHED_OTHER", "flags": ["SCHED_FLAG_NONE"]})),
    ("ioPriority", "unknown", put("process.ioPriority", {"class": "IOPRIO_CLASS_X", "priority": 0})),
    ("ioPriority", "too big", put("process.ioPriority", {"class": "IOPRIO_CLASS_BE", "priority": 8})),
    ("umask", "too big", put("process.user.umask", 0o10000)),
    ("hostname", "too long", put("hostname", "x" * 65)),
    ("hostname", "without uts", namespace("uts", remove=True)),
    ("domainname", "without uts", both(namespace("uts", remove=True), drop("hostname"), put("domainname", "d"))),
    ("linux", "none", drop("linux")),
    ("namespaces", "none", both(drop("linux.namespaces"), drop("hostname"), drop("linux.maskedPaths"), drop("linux.readonlyPaths"), put("mounts", []))),
    ("namespaces", "twice", add("linux.namespaces", {"type": "uts"})),
    ("namespaces", "unknown", add("linux.namespaces", {"type": "galaxy"})),
    ("namespaces", "wrong path", namespace("network", "@NS@/uts")),
    ("namespaces", "missing path", namespace("network", "/no/such")),
    ("namespaces", "relative path", namespace("network", "proc/self/ns/net")),
    ("namespaces", "file", namespace("network", "/etc/passwd")),
    ("namespaces", "masked without mount", both(namespace("mount", remove=True), put("mounts", []))),
    ("user namespace", "no mappings", namespace("user")),
    ("user namespace", "mappings without it", both(put("linux.uidMappings", MAP), put("linux.gidMappings", MAP))),
    ("user namespace", "root is not mapped", both(USERNS, put("linux.uidMappings", [{"containerID": 5, "hostID": 100000, "size": 10}]))),
    ("user namespace", "user is not mapped", both(USERNS, put("process.user", {"uid": 70000, "gid": 0}))),
    ("user namespace", "overlap", both(USERNS, add("linux.uidMappings", MAP[0]))),
    ("user namespace", "size 0", both(USERNS, put("linux.uidMappings", [{"containerID": 0, "hostID": 100000, "size": 0}]))),
    ("time", "offsets without it", put("linux.timeOffsets", {"monotonic": {"secs": 1, "nanosecs": 0}})),
    ("time", "unknown clock", both(namespace("time"), put("linux.timeOffsets", {"realtime": {"secs": 1, "nanosecs": 0}}))),
    ("time", "nanoseconds too big", both(namespace("time"), put("linux.timeOffsets", {"monotonic": {"secs": 1, "nanosecs": 1000000000}}))),
    ("sysctl", "of the host", put("linux.sysctl", {"kernel.panic": "1"})),
    ("sysctl", "missing", put("linux.sysctl", {"net.no.such": "1"})),
    ("sysctl", "bad value", put("linux.sysctl", {"net.ipv4.ip_forward": "x"})),
    ("sysctl", "upwards", put("linux.sysctl", {"net/../kernel/panic": "1"})),
    ("sysctl", "network of the host", both(namespace("network", remove=True), without_mount("/sys"), put("linux.sysctl", {"net.ipv4.ip_forward": "1"}))),
    ("sysctl", "hostname", put("linux.sysctl", {"kernel.hostname": "x"})),
    ("sysctl", "not a text", put("linux.sysctl", {"net.ipv4.ip_forward": 1})),
    ("personality", "unknown", put("linux.personality", {"domain": "BSD"})),
    ("personality", "flags", put("linux.personality", {"domain": "LINUX", "flags": ["ADDR_NO_RANDOMIZE"]})),
    ("propagation", "unknown", put("linux.rootfsPropagation", "public")),
    ("mounts", "no destination", add("mounts", {"type": "tmpfs", "source": "t"})),
    ("mounts", "empty destination", add("mounts", mount("", "tmpfs", "t"))),
    ("mounts", "root", add("mounts", mount("/", "tmpfs", "t"))),
    ("mounts", "unknown type", add("mounts", mount("/mnt/t", "nofs", "t"))),
    ("mounts", "no type", add("mounts", mount("/mnt/t", None, "t"))),
    ("mounts", "unknown option", add("mounts", mount("/mnt/t", "tmpfs", "t", "nonsense"))),
    ("mounts", "bad value", add("mounts", mount("/mnt/t", "tmpfs", "t", "size=x"))),
    ("mounts", "unknown option of a bind", add("mounts", mount("/mnt/t", "bind", "@BUNDLE@/source/dir", "bind", "nonsense"))),
    ("mounts", "missing source", add("mounts", mount("/mnt/t", "bind", "/no/such/source", "bind"))),
    ("mounts", "bind without source", add("mounts", {"destination": "/mnt/t", "type": "bind", "options": ["bind"]})),
    ("mounts", "directory on a file", add("mounts", mount("/etc/hostname", "bind", "@BUNDLE@/source/dir", "bind"))),
    ("mounts", "file on a directory", add("mounts", mount("/tmp", "bind", "@BUNDLE@/source/file", "bind"))),
    ("mounts", "in a file", add("mounts", mount("/etc/hostname/x", "tmpfs", "t"))),
    ("mounts", "tmpfs on proc", add("mounts", mount("/proc", "tmpfs", "t"))),
    ("mounts", "bind in proc", add("mounts", mount("/proc/self/attr", "bind", "@BUNDLE@/source/dir", "bind"))),
    ("mounts", "bind on cpuinfo", add("mounts", mount("/proc/cpuinfo", "bind", "@BUNDLE@/source/file", "bind"))),
    ("mounts", "link out of the root", add("mounts", mount("/outlink/x", "tmpfs", "t"))),
    ("mounts", "link in a circle", add("mounts", mount("/circle/x", "tmpfs", "t"))),
    ("mounts", "both propagations", add("mounts", mount("/mnt/t", "tmpfs", "t", "shared", "private"))),
    ("mounts", "mapping without idmap", both(bound("dir", "bind"), lambda c: c["mounts"][-1].update(uidMappings=MAP, gidMappings=MAP))),
    ("mounts", "idmap without mappings", bound("dir", "bind", "idmap")),
    ("mounts", "is an object", put("mounts", {})),
    ("mountLabel", "without SELinux", put("linux.mountLabel", "system_u:object_r:x:s0")),
    ("selinux", "without it", put("process.selinuxLabel", "system_u:system_r:x:s0")),
    ("apparmor", "without it", put("process.apparmorProfile", "no-such-profile")),
    ("apparmor", "empty", put("process.apparmorProfile", "")),
    ("masked", "relative", put("linux.maskedPaths", ["etc/hostname"])),
    ("readonly", "relative", put("linux.readonlyPaths", ["etc/hostname"])),
    ("devices", "unknown type", put("linux.devices", [{"path": "/dev/x", "type": "x", "major": 1, "minor": 3}])),
    ("devices", "no path", put("linux.devices", [{"type": "c", "major": 1, "minor": 3}])),
    ("devices", "relative", put("linux.devices", [{"path": "x/y", "type": "c", "major": 1, "minor": 3}])),
    ("devices", "another null", put("linux.devices", [{"path": "/dev/null", "type": "c", "major": 1, "minor": 5}])),
    ("devices", "no numbers", put("linux.devices", [{"path": "/dev/x", "type": "c"}])),
    ("devices", "twice", put("linux.devices", [{"path": "/dev/x", "type": "c", "major": 1, "minor": 3}, {"path": "/dev/x", "type": "c", "major": 1, "minor": 5}])),
    ("devices", "upwards", put("linux.devices", [{"path": "/dev/../../newnode", "type": "c", "major": 1, "minor": 3}])),
    ("rules", "unknown type", add("linux.resources.devices", {"allow": True, "type": "x", "access": "r"})),
    ("rules", "unknown access", add("linux.resources.devices", {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "x"})),
    ("rules", "no access", add("linux.resources.devices", {"allow": True, "type": "c", "major": 10, "minor": 229})),
    ("rules", "a with numbers", add("linux.resources.devices", {"allow": True, "type": "a", "major": 10, "minor": 229, "access": "rwm"})),
    ("memory", "swap below limit", resource("memory", {"limit": 104857600, "swap": 52428800})),
    ("memory", "swap alone", resource("memory", {"swap": 104857600})),
    ("memory", "swappiness too big", resource("memory", {"swappiness": 101})),
    ("memory", "tiny", resource("memory", {"limit": 4096})),
    ("memory", "text", resource("memory", {"limit": "1G"})),
    ("memory", "fraction", resource("memory", {"limit": 1.5})),
    ("cpu", "quota too small", resource("cpu", {"quota": 10, "period": 100000})),
    ("cpu", "period too big", resource("cpu", {"period": 10000000})),
    ("cpu", "missing processors", resource("cpu", {"cpus": "5000"})),
    ("cpu", "no list", resource("cpu", {"cpus": "a-b"})),
    ("cpu", "burst above quota", resource("cpu", {"quota": 10000, "period": 100000, "burst": 20000})),
    ("cpu", "idle 2", resource("cpu", {"idle": 2})),
    ("cpu", "real time", resource("cpu", {"realtimeRuntime": 1000, "realtimePeriod": 1000000})),
    ("pids", "text", resource("pids", {"limit": "x"})),
    ("pids", "no limit", resource("pids", {})),
    ("blockIO", "weight", resource("blockIO", {"weight": 500})),
    ("blockIO", "weight too big", resource("blockIO", {"weight": 1001})),
    ("blockIO", "leaf weight", resource("blockIO", {"leafWeight": 500})),
    ("blockIO", "missing device", resource("blockIO", {"throttleReadBpsDevice": [{"major": 99, "minor": 99, "rate": 1}]})),
    ("hugepages", "unknown size", resource("hugepageLimits", [{"pageSize": "3MB", "limit": 1}])),
    ("network", "class", resource("network", {"classID": 1048577})),
    ("network", "priorities", resource("network", {"priorities": [{"name": "lo", "priority": 5}]})),
    ("rdma", "device", resource("rdma", {"mlx5_0": {"hcaHandles": 1}})),
    ("unified", "on v1", resource("unified", {"memory.max": "104857600"})),
    ("unified", "with a slash", resource("unified", {"../x": "1"})),
    ("cgroupsPath", "number", put("linux.cgroupsPath", 1)),
    ("seccomp", "unknown action", seccomp("SCMP_ACT_NONE")),
    ("seccomp", "unknown operator", seccomp("SCMP_ACT_ALLOW", calls("SCMP_ACT_ERRNO", "socket", args=[{"index": 0, "value": 1, "op": "SCMP_CMP_X"}]))),
    ("seccomp", "index 6", seccomp("SCMP_ACT_ALLOW", calls("SCMP_ACT_ERRNO", "socket", args=[{"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}]))),
    ("seccomp", "unknown architecture", both(seccomp("SCMP_ACT_ALLOW", calls("SCMP_ACT_ERRNO", "mkdir")), put("linux.seccomp.architectures", ["SCMP_ARCH_Z80"]))),
    ("seccomp", "unknown flag", seccomp("SCMP_ACT_ALLOW", calls("SCMP_ACT_ERRNO", "mkdir"), flags=["SECCOMP_FILTER_FLAG_NONE"])),
    ("seccomp", "errno too big", seccomp("SCMP_ACT_ALLOW", calls("SCMP_ACT_ERRNO", "mkdir", errnoRet=5000), asks=["mkdir"])),
    ("seccomp", "no default", put("linux.seccomp", {"syscalls": []})),
    ("seccomp", "no names", seccomp("SCMP_ACT_ALLOW", calls("SCMP_ACT_ERRNO"))),
    ("seccomp", "notify without listener", seccomp("SCMP_ACT_ALLOW", calls("SCMP_ACT_NOTIFY", "mkdir"))),
    ("intelRdt", "without it", put("linux.intelRdt", {"closID": "x", "l3CacheSchema": "L3:0=f"})),
    ("hooks", "fails", put("hooks", {"createRuntime": [{"path": "/bin/false"}]})),
    ("hooks", "prestart fails", put("hooks", {"prestart": [{"path": "/bin/false"}]})),
    ("hooks", "missing", put("hooks", {"createRuntime": [{"path": "/no/such/hook"}]})),
    ("hooks", "relative", put("hooks", {"createRuntime": [{"path": "bin/true"}]})),
    ("hooks", "createContainer fails", put("hooks", {"createContainer": [{"path": "/bin/false"}]})),
    ("hooks", "startContainer fails", put("hooks", {"startContainer": [{"path": "/no/such/hook"}]})),
    ("hooks", "poststart fails", put("hooks", {"poststart": [{"path": "/bin/false"}]})),
    ("hooks", "poststop fails", put("hooks", {"poststop": [{"path": "/bin/false"}]})),
    ("hooks", "timeout 0", put("hooks", {"createRuntime": [{"path": "/bin/true", "timeout": 0}]})),
    ("hooks", "timeout negative", put("hooks", {"createRuntime": [{"path": "/bin/true", "timeout": -1}]})),
    ("hooks", "too slow", put("hooks", {"createRuntime": [{"path": "/bin/sleep", "args": ["sleep", "30"], "timeout": 1}]})),
    ("terminal", "console size negative", both(put("process.terminal", True), put("process.consoleSize", {"width": -1, "height": 1}))),
    ("exec", "missing program", execs(put("args", ["/no/such/program"]))),
    ("exec", "not executable", execs(put("args", ["/etc/hostname"]))),
    ("exec", "no args", execs(put("args", []))),
    ("exec", "relative directory", execs(put("cwd", "tmp"))),
    ("exec", "a file as directory", execs(put("cwd", "/etc/hostname"))),
    ("exec", "limit above the host's", execs(put("rlimits", [{"type": "RLIMIT_NOFILE", "soft": 1 << 30, "hard": 1 << 30}]))),
]  # fmt: skip


class Deck:
    """Cards in a random order, each once before any comes again."""

    def __init__(self, cards, rng):
        self.cards, self.rng, self.left = cards, rng, []

    def deal(self, n):
        hand, put_back = [], []
        while len(hand) < n:
            if not self.left:
                self.left = list(self.cards)
                self.rng.shuffle(self.left)
            card = self.left.pop()
            if any(card[0] == other[0] for other in hand):
                put_back.append(card)
            else:
                hand.append(card)
        self.left += put_back
        return hand


def configs(seed):
    """Endless: (names of the cards, config). One in three has a bad value."""
    rng = random.Random(seed)
    good, bad = Deck(GOOD, rng), Deck(BAD, rng)
    n = 0
    while True:
        # The order in which the table has them: what a field needs comes before what goes into it.
        hand = bad.deal(1) if n % 3 == 2 else sorted(good.deal(rng.choice((2, 4, 5, 6, 8))), key=GOOD.index)
        c = base()
        for _, _, change in hand:
            change(c)
        n += 1
        yield ["%s: %s" % card[:2] for card in hand], c
