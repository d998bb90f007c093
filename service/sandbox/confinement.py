"""What a process that reads strangers' bytes gives up before it does: memory, time, files, the network, other
processes.

Resource limits hold everywhere. On Linux there are three more layers, none of which needs privileges:

    prctl      the process dies with its parent, gains no rights, and goes first when the machine lacks memory
    Landlock   no file is seen but Python's own, our packages' and those in its folder
    seccomp    no sockets, no other session, and, unless it needs them, no other processes or signals

Landlock and seccomp are done without where the kernel has them not, which `confine` says. Specifications:
landlock(7), seccomp(2), and the kernel's include/uapi/linux/{landlock,seccomp,filter}.h.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import resource
import signal
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

ADDRESS_SLACK = 4 << 30
"""How much more address space than memory there may be: libraries, stacks, and what is reserved unused."""
OPEN_FILES = 256
_PDEATHSIG, _NO_NEW_PRIVS, _SET_SECCOMP, _FILTER_MODE = 1, 38, 22, 2
_EXECUTE, _WRITE, _READ, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _IOCTL = 1 << 14, 1 << 15
_ON_FILES = _EXECUTE | _WRITE | _READ | _TRUNCATE | _IOCTL
_FILESYSTEM = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""How many kinds of access each version of Landlock knows; later ones know as many as 5."""
_NETWORK_SINCE, _SCOPES_SINCE = 4, 6
_SYSTEM_FILES = ("/lib", "/lib64", "/usr/lib", "/usr/share/zoneinfo", "/etc/ld.so.cache", "/etc/localtime")
_KERNEL_FILES = ("/proc/self", "/proc/meminfo", "/proc/cpuinfo", "/sys/devices/system", "/sys/fs/cgroup")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_THREAD = 0x00010000
"""The flag of clone(2) that makes a thread, not a process."""
_X32 = 0x40000000
_NUMBERS: dict[str, tuple[int, dict[str, int]]] = {
    "x86_64": (
        0xC000003E,
        {
            "socket": 41, "clone": 56, "fork": 57, "vfork": 58, "execve": 59, "kill": 62, "ptrace": 101,
            "setpgid": 109, "setsid": 112, "tkill": 200, "process_vm_readv": 310, "process_vm_writev": 311,
            "execveat": 322, "pidfd_send_signal": 424, "io_uring_setup": 425, "clone3": 435,
        },
    ),
    "aarch64": (
        0xC00000B7,
        {
            "socket": 198, "clone": 220, "execve": 221, "kill": 129, "ptrace": 117, "setpgid": 154,
            "setsid": 157, "tkill": 130, "process_vm_readv": 270, "process_vm_writev": 271, "execveat": 281,
            "pidfd_send_signal": 424, "io_uring_setup": 425, "clone3": 435,
        },
    ),
}  # fmt: skip
"""What the kernel calls an architecture, and the numbers that system calls have there."""
_NEVER = (
    "socket", "ptrace", "setpgid", "setsid", "process_vm_readv", "process_vm_writev", "io_uring_setup",
)  # fmt: skip
_ALONE = ("fork", "vfork", "execve", "execveat", "kill", "tkill", "pidfd_send_signal")
"""What is refused besides where there are to be no other processes."""


def confine(
    folder: Path,
    readable: Iterable[Path],
    memory_bytes: int,
    cpu_seconds: int,
    file_bytes: int,
    processes: bool,
    parent: int,
) -> list[str]:
    """Confine this process, for good. It must have one thread only, as those that it has are left out.

    Parameters
    ----------
    folder
        Where it may write.
    readable
        Folders that it may read besides those of Python itself.
    memory_bytes
        The most memory of its own (RLIMIT_DATA: what is reserved and not used does not count).
    cpu_seconds
        The most time on processors.
    file_bytes
        The longest file that it may write.
    processes
        Whether it may start other processes. They are confined as it is.
    parent
        The process without which it must not live.

    Returns
    -------
    list[str]
        The layers that this system has: "landlock", "seccomp".
    """
    for kind, most in (
        (resource.RLIMIT_DATA, memory_bytes),
        (resource.RLIMIT_AS, memory_bytes + ADDRESS_SLACK),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))
    os.umask(0o077)
    if sys.platform != "linux":
        return []
    die_with(parent)
    libc = ctypes.CDLL(None, use_errno=True)
    with contextlib.suppress(OSError):  # where /proc is read-only
        Path("/proc/self/oom_score_adj").write_text("1000")
    libc.prctl(_NO_NEW_PRIVS, ctypes.c_ulong(1), 0, 0, 0)
    held = {"landlock": _landlock(libc, folder, readable), "seccomp": _seccomp(libc, processes)}
    return [name for name, done in held.items() if done]


def die_with(parent: int) -> None:
    """Have this process killed when its parent dies, where there is Linux."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:  # it died before it could be waited for
        os._exit(1)


def _landlock(libc: ctypes.CDLL, folder: Path, readable: Iterable[Path]) -> bool:
    """Let only some files be seen. Returns whether the kernel can do that."""
    create, add, restrict = 444, 445, 446
    version = libc.syscall(create, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    if version < 1:
        return False
    known = (1 << _FILESYSTEM[min(version, max(_FILESYSTEM))]) - 1
    network = 3 if version >= _NETWORK_SINCE else 0
    scopes = 3 if version >= _SCOPES_SINCE else 0
    ruleset = struct.pack("=QQQ", known, network, scopes)
    length = 8 if version < _NETWORK_SINCE else 16 if version < _SCOPES_SINCE else 24
    rules = libc.syscall(create, ruleset, ctypes.c_size_t(length), ctypes.c_uint32(0))
    _succeeded(rules)
    read = _EXECUTE | _READ | _READ_DIR
    allowed = [(str(folder), known)]
    allowed += [(str(path), read) for path in (sys.prefix, sys.base_prefix, sys.exec_prefix, *readable)]
    allowed += [(path, read) for path in (*_SYSTEM_FILES, *_KERNEL_FILES)]
    allowed += [(path, _READ | _WRITE) for path in _DEVICES]
    for path, access in allowed:
        try:
            handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue  # what is not there need not be allowed
        try:
            access &= known if Path(path).is_dir() else _ON_FILES & known
            _succeeded(
                libc.syscall(
                    add, rules, ctypes.c_int(1), struct.pack("=Qi", access, handle), ctypes.c_uint32(0)
                )
            )
        finally:
            os.close(handle)
    _succeeded(libc.syscall(restrict, rules, ctypes.c_uint32(0)))
    os.close(rules)
    return True


def _seccomp(libc: ctypes.CDLL, processes: bool) -> bool:
    """Refuse some system calls. Returns whether we know their numbers here, and the kernel can do that."""
    if platform.machine() not in _NUMBERS:
        return False
    program = _program(*_NUMBERS[platform.machine()], processes)
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
    kept = ctypes.create_string_buffer(code)
    header = struct.pack("@HP", len(program), ctypes.addressof(kept))
    done: int = libc.prctl(_SET_SECCOMP, ctypes.c_ulong(_FILTER_MODE), header, 0, 0)
    return done == 0


def _program(architecture: int, numbers: dict[str, int], processes: bool) -> list[tuple[int, int, int, int]]:
    """The filter, in the instructions (code, jump if true, jump if false, operand) of classic BPF."""
    load, equal, at_least, any_bit, answer = 0x20, 0x15, 0x35, 0x45, 0x06
    number_at, architecture_at, first_argument_at = 0, 4, 16
    program = [
        (load, 0, 0, architecture_at),
        (equal, 1, 0, architecture),
        (answer, 0, 0, _KILL),
        (load, 0, 0, number_at),
        (at_least, 0, 1, _X32),
        (answer, 0, 0, _KILL),
    ]
    for name in (*_NEVER, *(() if processes else _ALONE)):
        if name in numbers:
            program += [(equal, 0, 1, numbers[name]), (answer, 0, 0, _ERRNO | errno.EPERM)]
    if not processes:
        # The flags of clone3 lie in memory, where a filter does not look: without it, clone is used.
        program += [
            (equal, 0, 1, numbers["clone3"]),
            (answer, 0, 0, _ERRNO | errno.ENOSYS),
            (equal, 0, 3, numbers["clone"]),
            (load, 0, 0, first_argument_at),
            (any_bit, 1, 0, _THREAD),
            (answer, 0, 0, _ERRNO | errno.EPERM),
        ]
    return [*program, (answer, 0, 0, _ALLOW)]


def _succeeded(result: int) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
