"""The command ``gaia-redshift`` and the sub-commands that need the library alone.

What a service does with signals while it starts is decided here, before anything else is imported. SIGTERM ends it with
0, as later. SIGHUP is blocked, since without a handler it would end the process; the service installs its handler and
unblocks the signal once it has loaded.
"""

import os
import signal
import sys
from contextlib import suppress


def _end_at_once(*_: object) -> None:
    """Exit with 0. An exception would not do: packages that are being imported catch it, or take it for their error."""
    os._exit(0)


def tidy_up_at_the_end() -> None:
    """Let SIGTERM end a service that is starting by an exception: from now on it has processes and files to tidy up."""
    if signal.getsignal(signal.SIGTERM) is _end_at_once:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))


if sys.argv[1:2] == ["serve"] and hasattr(signal, "pthread_sigmask"):
    with suppress(ValueError):  # only the main thread can
        signal.signal(signal.SIGTERM, _end_at_once)
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGHUP,))
