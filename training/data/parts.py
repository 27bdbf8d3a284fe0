"""The parts of a data set and their shares. Imports nothing of the project."""

PERCENT = {"train": 63, "validation": 27, "test": 10}
"""The dissertation kept 10% for the test and 30% of the rest for validation (Kiraleos 2023, section 3.4)."""

PARTS = tuple(PERCENT)

IN_WORDS = "/".join(map(str, PERCENT.values()))
"""For cards and reports."""
