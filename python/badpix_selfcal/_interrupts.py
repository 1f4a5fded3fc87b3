"""Work that an interrupt must not leave half done.

Python raises an interrupt (Ctrl-C, or SIGTERM on the command line) in the main thread, wherever it
is. So work that must end runs in other threads, and the main thread waits for them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Final, TypeVar

__all__ = ["end_threads", "shielded"]

POLL: Final = 0.1
"""Time after which the main thread looks for interrupts that another thread has received, s."""

_Result = TypeVar("_Result")


def shielded(
    work: Callable[[], _Result], on_interrupt: Callable[[], None] | None = None
) -> _Result:
    """Call a function that is not interrupted; raise an interrupt when it has ended.

    Parameters
    ----------
    work : callable
        The function.
    on_interrupt : callable, optional
        Called at an interrupt, while the function runs; it may tell the function to end.

    Returns
    -------
    object
        The result of the function.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    threads = ThreadPoolExecutor(1)
    call = threads.submit(work)
    interrupt: BaseException | None = None
    while True:
        try:
            while not call.done():
                wait([call], POLL)
            break
        except BaseException as error:
            interrupt = interrupt or error
            if on_interrupt is not None:
                on_interrupt()
    threads.shutdown(wait=False)
    if interrupt is None:
        return call.result()
    for note in getattr(call.exception(), "__notes__", []):
        interrupt.add_note(note)
    raise interrupt


def end_threads(threads: ThreadPoolExecutor) -> None:
    """Cancel calls that have not started, and wait for the others, even if interrupted.

    An interrupt is raised after their end. Then nothing is written any more, and the caller can
    remove files.
    """
    shielded(lambda: threads.shutdown(wait=True, cancel_futures=True))
