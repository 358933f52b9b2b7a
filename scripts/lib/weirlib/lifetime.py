"""How a script and the processes that it starts come to their end."""

import ctypes
import os
import signal
from collections.abc import Callable, Iterable

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)


class Stopped(BaseException):
    """The script was asked to end, by this signal."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        # The shell's code for it.
        self.code = 128 + number


def stop_on_signals() -> None:
    """From now on SIGINT, SIGTERM and SIGHUP raise Stopped in the main thread, once."""

    def stop(number: int, _frame: object) -> None:
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(number)

    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, stop)


def bound(cores: Iterable[int] = ()) -> Callable[[], None]:
    """What a new process does before it runs its program: it ends with this one, and stays on these cores."""
    parent, pinned = os.getpid(), set(cores)

    def prepare() -> None:
        # prctl(2): the child is told when its parent dies. The parent may be gone already.
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)
        if pinned:
            os.sched_setaffinity(0, pinned)

    return prepare
