# SPDX-License-Identifier: Apache-2.0
"""Run a command for which, and for whose children, bpf(2) is not permitted, as container engines have it.

usage: without_bpf.py COMMAND [ARGUMENT]...
"""
import ctypes
import os
import struct
import sys

PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
BPF = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
LOAD_NUMBER, IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ERRNO_EPERM = 0x7FFF0000, 0x00050001

program = b"".join(struct.pack("HBBI", *step) for step in (
    (LOAD_NUMBER, 0, 0, 0), (IF_EQUAL, 0, 1, BPF), (RETURN, 0, 0, ERRNO_EPERM), (RETURN, 0, 0, ALLOW)))
buffer = ctypes.create_string_buffer(program)
fprog = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer)))
libc = ctypes.CDLL(None, use_errno=True)
# With CAP_SYS_ADMIN no_new_privs is not asked for, which containers would see.
if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(fprog), 0, 0) != 0:
    sys.exit("seccomp: " + os.strerror(ctypes.get_errno()))
os.execv(sys.argv[1], sys.argv[1:])
