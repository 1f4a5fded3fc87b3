"""Work that an interrupt must not leave half done.

Python raises an interrupt (Ctrl-C, or SIGTERM on the command line) in the main thread, wherever it
is. So work that must end runs in other threads, and the main thread waits for them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Final, Generic, TypeVar

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
    call, interrupt = _Call(work), None
    while True:
        try:
            while not call.result.done():
                call.start()
                wait([call.result], POLL)
            break
        except BaseException as error:
            interrupt = interrupt or error
            if on_interrupt is not None:
                on_interrupt()
    if interrupt is None:
        return call.result.result()
    for note in getattr(call.result.exception(), "__notes__", []):
        interrupt.add_note(note)
    try:
        raise interrupt
    finally:
        del interrupt  # its traceback holds this frame


class _Call(Generic[_Result]):
    """A call in another thread, which is made once although its start may be interrupted."""

    def __init__(self, work: Callable[[], _Result]) -> None:
        self.result: Future[_Result] = Future()
        self._work = work
        self._once = threading.Lock()
        self._is_begun = threading.Event()

    def start(self) -> None:
        """Start the thread unless the call has begun."""
        if self._is_begun.is_set():
            return
        try:
            threading.Thread(target=self._run, name="badpix-selfcal-shielded").start()
        except (RuntimeError, MemoryError):  # the system has no thread left
            self._run()
        self._is_begun.wait(POLL)

    def _run(self) -> None:
        if not self._once.acquire(blocking=False):
            return  # another thread makes the call
        self._is_begun.set()
        try:
            result = self._work()
        except BaseException as error:
            self.result.set_exception(error)
        else:
            self.result.set_result(result)


def end_threads(threads: ThreadPoolExecutor) -> None:
    """Cancel calls that have not started, and wait for the others, even if interrupted.

    An interrupt is raised after their end. Then nothing is written any more, and the caller can
    remove files.
    """
    shielded(lambda: threads.shutdown(wait=True, cancel_futures=True))
