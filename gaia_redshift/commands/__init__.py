"""The command ``gaia-redshift`` and the sub-commands that need the library alone.

What a service does with signals while it starts is decided here, before anything else is imported. SIGTERM ends it with
0, as later. SIGHUP is blocked, since without a handler it would end the process; the service installs its handler and
unblocks the signal once it has loaded.
"""

import signal
import sys
from contextlib import suppress

AGAIN = 1.0
"""Seconds after which a process that was told to end and still runs is told again."""


def _end(*_: object) -> None:
    """Exit with 0, and again later if what was being imported has caught the exit."""
    signal.setitimer(signal.ITIMER_REAL, AGAIN)
    sys.exit(0)


if sys.argv[1:2] == ["serve"] and hasattr(signal, "pthread_sigmask"):
    with suppress(ValueError):  # only the main thread can
        signal.signal(signal.SIGTERM, _end)
        signal.signal(signal.SIGALRM, _end)
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGHUP,))
