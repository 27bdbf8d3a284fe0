"""TensorFlow without its remarks. Imports nothing of the project.

Since it logs by Abseil, some of them are written before any setting can stop them: that the processor's instructions
are used, that there is no GPU. They help nobody who predicts or trains, and stand before what does.
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
    """Keep what is written to standard error, by C++ too, and write it after all where something fails."""
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
