"""What measurements ask of the machine: free ports, memory of processes, files out of its cache."""

import os
import resource
import socket
from pathlib import Path


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def memory(pid: int) -> float:
    """Proportional set size of a process and all below it, MiB. Processes that end meanwhile count nothing."""
    try:
        own = int(Path(f"/proc/{pid}/smaps_rollup").read_text().split("Pss:")[1].split()[0])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (OSError, IndexError):
        return 0.0
    return own / 1024 + sum(memory(int(child)) for child in children)


def peak_memory(pid: int) -> float:
    """The largest resident set so far of a process, and of all below it, MiB; pages they share count for each."""
    try:
        own = int(Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1].split()[0])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (OSError, IndexError):
        return 0.0
    return own / 1024 + sum(peak_memory(int(child)) for child in children)


def processes(pid: int) -> int:
    """How many there are, with all below the given one."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0
    return 1 + sum(processes(int(child)) for child in children)


def forget_files(directory: Path) -> None:
    """Drop all files below a directory from the page cache, as far as nobody has them mapped."""
    os.sync()
    for folder, _, names in os.walk(directory):
        for name in names:
            try:
                number = os.open(os.path.join(folder, name), os.O_RDONLY | os.O_NONBLOCK)
            except OSError:  # a socket
                continue
            try:
                os.posix_fadvise(number, 0, 0, os.POSIX_FADV_DONTNEED)
            except OSError:  # a FIFO
                pass
            finally:
                os.close(number)


def allow_many_files() -> int:
    """Raise the limit of open files to what this user may have; gives it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
