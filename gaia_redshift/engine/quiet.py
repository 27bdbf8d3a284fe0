"""Importing TensorFlow without its start-up messages. Imports nothing of the project.

TensorFlow logs with Abseil, and some messages are written before any setting can stop them: which CPU instructions are
used, that there is no GPU. Users do not need them, and they hide the command's own output.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


def import_tensorflow() -> None:
    """Import TensorFlow, and Keras, which loads more of it; raises ModuleNotFoundError where they are not installed."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _unheard():
        import keras  # noqa: F401
        import tensorflow  # noqa: F401


@contextmanager
def _unheard() -> Iterator[None]:
    """Capture standard error, including that of C++, and write it only if something fails."""
    sys.stderr.flush()
    heard = os.dup(2)
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except BaseException:
            kept.seek(0)
            os.write(heard, kept.read())
            raise
        finally:
            os.dup2(heard, 2)
            os.close(heard)
