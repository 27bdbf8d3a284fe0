"""The repository's Markdown as the source of a site, with pages and links in their places.

The pages are written for a code host; what only the site has (the cards of its front page, the side bar) is added to
copies. Imports the standard library alone.
"""

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]
FRONT = Path(__file__).with_name("front.md")

ELSEWHERE = {
    "docs/README.md": "index.md",
    "README.md": "start.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "CHANGELOG.md": "project/changelog.md",
    "SECURITY.md": "project/security.md",
    "CODE_OF_CONDUCT.md": "project/conduct.md",
}
"""Pages with another place in the site than below `docs`, besides the models' cards."""

_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)#\s]*)(#[^)\s]*)?\)")
_FENCE = re.compile(r"^( *)(```+|~~~+).*?^\1\2 *$", re.MULTILINE | re.DOTALL)
_SECTION = re.compile(r"^([A-Z][^\n.]*)\n((?:- .*\n(?:  .*\n)*)+)", re.MULTILINE)


def stage(target: Path, generated: dict[str, str]) -> None:
    """Write the source of the site into an empty folder.

    Parameters
    ----------
    target : Path
        The folder; what it holds is removed.
    generated : dict of str to str
        Pages made from the code, by their place in the site.
    """
    shutil.rmtree(target, ignore_errors=True)
    for page, place in pages().items():
        _write(target / place, _led(page, (ROOT / page).read_text(encoding="utf-8")))
    for place, text in generated.items():
        _write(target / place, text)
    for picture in sorted((ROOT / "docs").rglob("*.png")):
        copy = target / picture.relative_to(ROOT / "docs")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(picture, copy)
    index = target / "index.md"
    _write(index, front(index.read_text(encoding="utf-8"), generated))


def pages() -> dict[str, str]:
    """Return each page of the repository that the site shows, with its place there."""
    found = [path for path in (ROOT / "docs").rglob("*.md") if path.parent != FRONT.parent]
    below = {path.relative_to(ROOT).as_posix(): path.relative_to(ROOT / "docs").as_posix() for path in sorted(found)}
    cards = {f"models/{path.parent.name}/CARD.md": f"models/{path.parent.name}.md" for path in _cards()}
    return {**below, **cards, **ELSEWHERE}


def front(text: str, generated: Iterable[str]) -> str:
    """Return the front page: cards, then the list of pages, and the side bar made from that list.

    Parameters
    ----------
    text : str
        The list of pages, by sections.
    generated : iterable of str
        Places of pages that are not in the list; each is added to the section of its folder.
    """
    trees = []
    for caption, entries in _SECTION.findall(text):
        places = [target for _, _, target, _ in _LINK.findall(entries) if target.endswith(".md")]
        places += [place for place in generated if place.split("/")[0] == caption.lower()]
        listed = "\n".join(dict.fromkeys(place.removesuffix(".md") for place in places))
        trees.append(f"```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{listed}\n```\n")
    body = _SECTION.sub(r"## \1\n\n\2", text.partition("\n")[2])
    return f"{FRONT.read_text(encoding='utf-8')}\n{body}\n" + "\n".join(trees)


def _cards() -> Iterator[Path]:
    yield from sorted((ROOT / "models").glob("*/CARD.md"))


def _led(page: str, text: str) -> str:
    """Return a page with links to places in the site; a file that is not a page is named without a link."""
    places = pages()
    here = PurePosixPath(places[page]).parent

    def led(link: re.Match[str]) -> str:
        picture, words, target, anchor = link[1], link[2], link[3], link[4] or ""
        if not target or "://" in target or target.startswith("mailto:"):
            return link[0]
        file = os.path.normpath(PurePosixPath(page).parent / target)
        words = _LINK.sub(led, words)
        if picture:
            place = PurePosixPath(file).relative_to("docs").as_posix()
        elif file in places:
            place = places[file]
        else:
            return words
        return f"{picture}[{words}]({os.path.relpath(place, here)}{anchor})"

    parts, end = [], 0
    for fence in _FENCE.finditer(text):
        parts += [_LINK.sub(led, text[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, _LINK.sub(led, text[end:])])


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
