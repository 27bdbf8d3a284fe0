"""What the container test prints: one line for each thing looked at."""

import sys
import time
from collections.abc import Callable


class Report:
    """Runs checks one after the other and remembers which failed; a failure does not hide the next check."""

    def __init__(self) -> None:
        self.failed: list[str] = []
        self.passed = 0

    def check(self, name: str, look: Callable[[], str]) -> bool:
        """Run one check and say whether it passed; what it returns is shown, and any exception is its failure."""
        began = time.monotonic()
        try:
            seen = look()
        except Exception as error:
            self.failed.append(name)
            self._line("FAIL", name, f"{type(error).__name__}: {error}")
            return False
        self.passed += 1
        self._line("ok", name, f"{seen}  [{time.monotonic() - began:.1f} s]")
        return True

    def note(self, name: str, text: str) -> None:
        """Print a line that is not a check."""
        self._line("", name, text)

    def end(self) -> int:
        """Print the sum; return the exit code."""
        self._line("", "result", f"{self.passed} passed, {len(self.failed)} failed {' '.join(self.failed)}".rstrip())
        return 1 if self.failed else 0

    @staticmethod
    def _line(mark: str, name: str, text: str) -> None:
        sys.stdout.write(f"{mark:<5}{name:<22}{text}\n")
        sys.stdout.flush()


def expect(condition: object, message: str) -> None:
    """Raise AssertionError with a message unless the condition holds; unlike `assert`, also under ``python -O``."""
    if not condition:
        raise AssertionError(message)
