"""Work that an interrupt must not leave half done, and work that it must end.

Python raises an interrupt (Ctrl-C, or SIGTERM on the command line) in the main thread, wherever it
is. So work that must end runs in other threads, and the main thread waits for them. Threads that
wait for a server give up when the event is set that `ends_with` gave them.

The standard library has locks that are taken by Python code. If it is interrupted there, the lock
stays locked, and threads that need it wait for ever. So the main thread holds interrupts back
(`deferred`) while it starts threads, submits work and looks at futures.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final, Generic, ParamSpec, TypeVar

__all__ = [
    "awaited",
    "begun",
    "deferred",
    "end_threads",
    "ending",
    "ends_with",
    "first_of",
    "has_ended",
    "paused",
    "result_of",
    "shielded",
    "submitted",
    "threads",
]

POLL: Final = 0.1
"""Time after which a thread looks for interrupts that another thread has received, s."""

_Result = TypeVar("_Result")
_Given = ParamSpec("_Given")


class _Here(threading.local):
    """What this thread knows."""

    ending: threading.Event | None = None


_here = _Here()


def ends_with(event: threading.Event | None) -> None:
    """Let the waiting of this thread end as soon as an event is set."""
    _here.ending = event


def ending() -> threading.Event | None:
    """Return the event with which the waiting of this thread ends, if there is one."""
    return _here.ending


@contextmanager
def deferred() -> Iterator[None]:
    """Hold interrupts of the main thread back; call their handlers at the end, until one raises.

    Handlers that were not set from Python stay in place.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []
    usual = [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)]
    held = [(number, handler) for number, handler in usual if callable(handler)]

    def hold(number: int, _: FrameType | None) -> None:
        received.append(number)

    try:
        for number, _ in held:
            signal.signal(number, hold)
        yield
    finally:
        _restore([*held])
        for number, handler in held:
            if number in received:
                handler(number, None)


def _restore(handlers: list[tuple[signal.Signals, Any]]) -> None:
    """Set handlers, also if one that is set already raises an interrupt."""
    try:
        while handlers:
            signal.signal(*handlers[-1])
            handlers.pop()
    except BaseException:
        _restore(handlers)
        raise


def submitted(
    executor: Executor,
    work: Callable[_Given, _Result],
    *given: _Given.args,
    **named: _Given.kwargs,
) -> Future[_Result]:
    """Submit a call."""
    with deferred():
        return executor.submit(work, *given, **named)


def has_ended(call: Future[Any]) -> bool:
    """Return whether a call has ended."""
    with deferred():
        return call.done()


def first_of(calls: Collection[Future[_Result]]) -> set[Future[_Result]]:
    """Wait until one of some calls has ended, or some; return those."""
    ended: set[Future[_Result]] = set()
    while calls and not ended:
        with deferred():
            ended = wait(calls, POLL, FIRST_COMPLETED).done
    return ended


def result_of(call: Future[_Result]) -> _Result:
    """Wait for a call, and return its result."""
    first_of([call])
    return call.result()


@contextmanager
def threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """Start threads; after an error or an interrupt they no longer wait for servers."""
    event = _here.ending or threading.Event()
    executor = ThreadPoolExecutor(count, initializer=ends_with, initargs=(event,))
    try:
        yield executor
    except BaseException:
        if event is not _here.ending:
            event.set()
        raise
    finally:
        end_threads(executor)


def begun(work: Callable[[], _Result]) -> Future[_Result]:
    """Begin a call in a thread that nobody waits for: what hangs in it ends with the process."""
    call: Future[_Result] = Future()

    def run() -> None:
        try:
            call.set_result(work())
        except BaseException as error:
            call.set_exception(error)

    with deferred():
        call.set_running_or_notify_cancel()
        threading.Thread(target=run, name="badpix-selfcal-waits", daemon=True).start()
    return call


def awaited(call: Future[_Result], limit: float | None = None, *, grace: float = 0.0) -> _Result:
    """Return the result of a call that runs elsewhere; cancel the call if it takes too long.

    Parameters
    ----------
    call : Future
        The call.
    limit : float or None, optional
        The longest time to wait for it, s.
    grace : float, optional
        The time that it has to end once this thread is to end, s.

    Raises
    ------
    TimeoutError
        If it takes longer than the limit.
    InterruptedError
        If this thread is to end.
    """
    try:
        _wait(call, limit, grace)
    except BaseException:
        call.cancel()
        raise
    return call.result()


def _wait(call: Future[_Result], limit: float | None, grace: float) -> None:
    start, told = time.monotonic(), None
    while not has_ended(call):
        now = time.monotonic()
        if limit is not None and now - start > limit:
            raise TimeoutError(f"no answer within {limit:g} s")
        if told is None and _here.ending is not None and _here.ending.is_set():
            told = now
        if told is not None and now - told >= grace:
            raise InterruptedError("interrupted")
        with deferred():
            wait([call], POLL)


def paused(seconds: float) -> None:
    """Wait; raise InterruptedError if this thread is to end."""
    if _here.ending is None:
        time.sleep(seconds)
    elif _here.ending.wait(seconds):
        raise InterruptedError("interrupted")


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
            while not has_ended(call.result):
                with deferred():
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
