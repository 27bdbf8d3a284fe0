"""The layout of the commands' help: examples first, options by group, and an example with every usage error.

An option's group is its `rich_help_panel`. Imports typer alone.
"""

from collections.abc import Sequence
from typing import Any

from typer.core import TyperCommand, TyperGroup

EXAMPLES = """
gaia-redshift predict spectra.csv -o redshifts.csv
gaia-redshift serve
gaia-redshift predict --help
"""

GROUPS = {
    "Redshifts": ("predict", "bulk", "nz", "fetch", "convert", "models"),
    "The service": ("serve", "key", "submit", "jobs"),
    "Models of your own": ("simulate", "analyse", "train", "recalibrate", "evaluate", "tune", "upgrade"),
}
"""The sub-commands in the order of the help; any others follow under their own heading."""

_OTHERS = "More"


def _format_help(command: Any, ctx: Any, formatter: Any) -> None:
    """Write usage, examples, what a command does, its options and its sub-commands."""
    command.format_usage(ctx, formatter)
    command.format_epilog(ctx, formatter)
    command.format_help_text(ctx, formatter)
    command.format_options(ctx, formatter)


class Command(TyperCommand):
    """A sub-command."""

    format_help = _format_help

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments, then the options of each group; options without a group come last."""
        groups: dict[str, list[tuple[str, str]]] = {"Arguments": []}
        ungrouped: list[tuple[str, str]] = []
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            if parameter.param_type_name == "argument":
                groups["Arguments"].append(record)
            elif panel := getattr(parameter, "rich_help_panel", None):
                groups.setdefault(panel, []).append(record)
            else:
                ungrouped.append(record)
        _write({**groups, "Options": ungrouped}, formatter)

    def get_usage(self, ctx: Any) -> str:
        """Return the usage line of an error message, with an example."""
        example = next((line.strip() for line in (self.epilog or "").splitlines() if "gaia-redshift" in line), None)
        usage: str = super().get_usage(ctx)
        return f"{usage}\nFor example: {example}" if example else usage


class Group(TyperGroup):
    """The command ``gaia-redshift`` itself."""

    format_help = _format_help

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the sub-commands by group."""
        groups: dict[str, list[tuple[str, str]]] = {title: [] for title in (*GROUPS, _OTHERS)}
        widest = max(map(len, self.list_commands(ctx)), default=0)
        place = {name: title for title, names in GROUPS.items() for name in names}
        for name in sorted(self.list_commands(ctx), key=_order):
            command = self.get_command(ctx, name)
            if command is not None:
                about = command.get_short_help_str(formatter.width - 6 - widest)
                groups[place.get(name, _OTHERS)].append((f"{name:{widest}}", about))
        _write(groups, formatter)


def examples_of(lines: Sequence[str]) -> str | None:
    """Return examples as an epilog, which `Command` shows first; None if there are none."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)]) if lines else None


def _order(name: str) -> int:
    names: Sequence[str] = [one for group in GROUPS.values() for one in group]
    return names.index(name) if name in names else len(names)


def _write(groups: dict[str, list[tuple[str, str]]], formatter: Any) -> None:
    for title, rows in groups.items():
        if rows:
            with formatter.section(title):
                formatter.write_dl(rows)
