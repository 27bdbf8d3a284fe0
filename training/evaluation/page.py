"""One HTML page that contains its figures and links nothing, and tables of cards in Markdown."""

import base64
import html
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gaia_redshift.errors import InvalidInputError

CSS = (
    "body{font:16px system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#222;line-height:1.45}"
    "td,tbody th,thead th+th{white-space:nowrap}small{color:#666}"
    "figure{margin:1rem 0}figcaption{color:#444;font-size:.9em}"
    ".side{display:flex;gap:3rem;flex-wrap:wrap}img{max-width:100%;margin:.5rem 0}code{overflow-wrap:anywhere}"
    "table{border-collapse:collapse;margin:1rem 0;font-variant-numeric:tabular-nums}"
    "th,td{padding:.15rem .8rem;border-bottom:1px solid #e5e5e5}thead th{border-bottom:1px solid #888}"
    "th{text-align:left;font-weight:normal}td,thead th+th{text-align:right}caption{font-weight:bold;text-align:left}"
    ".wide{overflow-x:auto}"
)


@contextmanager
def report_in(directory: Path) -> Iterator[None]:
    """Make a directory to write into; raise InvalidInputError if that, or the writing, fails."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise InvalidInputError(f"{directory} cannot be written to: {error.strerror or error}") from error


def page(title: str, *parts: str) -> str:
    """Return a page of a title and parts that are HTML already."""
    name = html.escape(title)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{name}</title><style>{CSS}</style><h1>{name}</h1>{''.join(parts)}</html>\n"
    )


def picture(name: str, directory: Path, text: str | None = None) -> str:
    """Return a figure of `figures`, its PNG inlined; `text` says what it shows."""
    encoded = base64.b64encode((directory / f"{name}.png").read_bytes()).decode()
    image = f'<img alt="{html.escape(text or name)}" src="data:image/png;base64,{encoded}">'
    return f"<figure>{image}<figcaption>{html.escape(text or '')}</figcaption></figure>"


def table(caption: str, rows: Iterable[Sequence[str]], head: Sequence[str] = ()) -> str:
    """Return a table; the first cell of each row is its heading, a second line of any cell is small."""
    top = f"<thead><tr>{''.join(f'<th>{html.escape(cell)}</th>' for cell in head)}</tr></thead>" if head else ""
    body = "".join(
        f"<tr><th>{html.escape(first)}</th>{''.join(f'<td>{_two_lines(cell)}</td>' for cell in rest)}</tr>"
        for first, *rest in rows
    )
    return f'<div class="wide"><table><caption>{html.escape(caption)}</caption>{top}<tbody>{body}</tbody></table></div>'


def _two_lines(cell: str) -> str:
    first, _, second = html.escape(cell).partition("\n")
    return f"{first}<br><small>{second}</small>" if second else first


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    first, *others = (f"| {' | '.join(cells)} |" for cells in (heads, *rows))
    return "\n".join([first, "|---" * len(heads) + "|", *others])


def paragraph(text: str, tag: str = "p") -> str:
    """Return plain text as a paragraph; with ``h2`` as a heading."""
    return f"<{tag}>{html.escape(text)}</{tag}>"
