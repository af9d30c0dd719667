"""Waiting for a condition, with an end and a reason."""

import time
from collections.abc import Callable
from typing import TypeVar

POLL_SECONDS = 1.0

Found = TypeVar("Found")


class TimedOut(Exception):
    """What was waited for did not come in time."""


def until(
    check: Callable[[], Found | None],
    what: str,
    seconds: float,
    progress: Callable[[], str] = lambda: "",
    say: Callable[[str], None] = print,
) -> Found:
    """The first answer of `check` that is not None. Each new text of `progress` is said once."""
    start, said = time.monotonic(), ""
    while True:
        found = check()
        now, elapsed = progress(), time.monotonic() - start
        if now and now != said:
            said = now
            say(f"    {elapsed:4.0f} s  {now}")
        if found is not None:
            return found
        if elapsed > seconds:
            raise TimedOut(f"waited {seconds:.0f} s for {what}" + (f"; last seen: {now}" if now else ""))
        time.sleep(POLL_SECONDS)
