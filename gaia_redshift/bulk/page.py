"""The summary of a run as one page: n(z), flags, failures, rates. Imports its neighbours."""

from collections import Counter
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from gaia_redshift.errors import counted

if TYPE_CHECKING:
    from gaia_redshift.bulk.run import Run

_MOST_LISTED = 200
_WIDTH, _HEIGHT = 640, 200
_STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse}td,th{padding:.2rem .8rem .2rem 0;text-align:left;vertical-align:top}
td.n{text-align:right;font-variant-numeric:tabular-nums}svg{max-width:100%}"""


def draw(run: "Run", said: Mapping[str, Any]) -> str:
    """Return the page.

    Parameters
    ----------
    run : Run
    said : mapping
        The manifest.
    """
    redshifts, flags = Counter[int](), Counter[str]()
    for outcome in run.outcomes.values():
        redshifts.update(outcome.redshifts)
        flags.update(outcome.flags)
    settings = "".join(_row(name, str(value)) for name, value in said["settings"].items() if value not in (None, []))
    parts = [
        f"<h1>{escape(str(said['settings'].get('model', said['settings']['task'])))}: "
        f"{counted(run.rows, 'row', 'rows')} of {counted(len(run.jobs), 'file', 'files')}</h1>",
        f"<table>{settings}{_rates(run)}</table>",
    ]
    if redshifts:
        parts.append(f"<h2>n(z)</h2>{_histogram(redshifts)}")
        parts.append(f"<h2>Flags</h2>{_counts(flags, run.rows)}")
    parts.append(f"<h2>Failures</h2>{_failures(run)}")
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>gaia-redshift bulk</title>'
        f"<style>{_STYLE}</style>{''.join(parts)}</html>\n"
    )


def _row(*cells: object) -> str:
    made = "".join(
        f'<td class="n">{cell:,}</td>' if isinstance(cell, int) else f"<td>{escape(str(cell))}</td>" for cell in cells
    )
    return f"<tr>{made}</tr>"


def _rates(run: "Run") -> str:
    now = [outcome for name, outcome in run.outcomes.items() if name not in run.earlier and outcome.failure is None]
    rows, processor = sum(outcome.rows for outcome in now), sum(outcome.seconds for outcome in now)
    said = _row("finished by earlier runs", counted(len(run.earlier), "file", "files"))
    if rows and run.seconds and processor:
        said += _row("this run", f"{rows:,} rows in {run.seconds:,.0f} s: {rows / run.seconds:,.0f} rows/s")
        said += _row("one core", f"{rows / processor:,.0f} rows/s of processor time")
    return said


def _histogram(redshifts: Counter[int]) -> str:
    """Return how many redshifts there are in each hundredth, as a drawing."""
    first, last = min(redshifts), max(redshifts)
    most = max(redshifts.values())
    width = _WIDTH / (last - first + 1)
    bars = "".join(
        f'<rect x="{(place - first) * width:.2f}" y="{_HEIGHT - count / most * _HEIGHT:.2f}" width="{width:.2f}" '
        f'height="{count / most * _HEIGHT:.2f}"><title>{place / 100:.2f}: {count}</title></rect>'
        for place, count in sorted(redshifts.items())
    )
    axis = f'<text x="0" y="{_HEIGHT + 18}">z = {first / 100:.2f}</text>'
    axis += f'<text x="{_WIDTH}" y="{_HEIGHT + 18}" text-anchor="end">{(last + 1) / 100:.2f}</text>'
    axis += f'<text x="{_WIDTH / 2}" y="{_HEIGHT + 18}" text-anchor="middle">at most {most:,} in a hundredth</text>'
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT + 24}" fill="#246" font-size="14">{bars}{axis}</svg>'


def _counts(flags: Counter[str], rows: int) -> str:
    listed = "".join(_row(name, count, f"{count / rows:.1%}") for name, count in flags.most_common())
    return f"<table>{listed}</table>" if listed else "<p>No row has a flag.</p>"


def _failures(run: "Run") -> str:
    files = [_row(job.source.name, failure.code, failure.message) for job, failure in run.failures]
    rows = [
        _row(job.source.name, f"row {one['row']}", one.get("source_id", ""), f"{one['code']}: {one['message']}")
        for job in run.jobs
        if (outcome := run.outcomes.get(job.name)) is not None
        for one in outcome.named
    ]
    if not files and not rows:
        return "<p>None.</p>"
    said = ""
    if files:
        said += f"<p>{counted(len(files), 'file', 'files')} without an output:</p>"
        said += f"<table>{''.join(files[:_MOST_LISTED])}</table>"
    if run.failed_rows:
        said += f"<p>{counted(run.failed_rows, 'row', 'rows')} without a result; manifest.json names them:</p>"
        said += f"<table>{''.join(rows[:_MOST_LISTED])}</table>"
    return said
