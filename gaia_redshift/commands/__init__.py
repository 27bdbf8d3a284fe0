"""The command ``gaia-redshift`` and the sub-commands that need the library alone.

SIGHUP is blocked here, before anything else is imported: without a handler it would end the process. The service
installs its handler and unblocks the signal once it has loaded.
"""

import signal
import sys

if sys.argv[1:2] == ["serve"] and hasattr(signal, "pthread_sigmask"):
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGHUP,))
