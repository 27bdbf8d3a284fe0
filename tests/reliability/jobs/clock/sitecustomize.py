"""Sets the clock of this process by the seconds in the file that CLOCK_OFFSET names: nobody may set the machine's."""

import os
import time

_file = os.environ.get("CLOCK_OFFSET")
_true = time.time


def _shifted() -> float:
    with open(_file or os.devnull) as file:  # noqa: PTH123 - before pathlib is there
        return _true() + float(file.read() or 0)


if _file:
    time.time = _shifted
