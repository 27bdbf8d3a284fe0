"""The command ``gaia-redshift`` and the sub-commands that need the library alone.

Until a service is loaded it has no handler for SIGHUP, and without one that signal ends the process. Here, before
anything is loaded, it is held back; the service lets it in when it can do what it asks.
"""

import signal
import sys

if sys.argv[1:2] == ["serve"] and hasattr(signal, "pthread_sigmask"):
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGHUP,))
