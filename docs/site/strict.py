"""Make Sphinx's site fit a strict content security policy: no inline scripts or styles, nothing remote.

Inline scripts and style sheets become files, and style attributes become classes. A remote file is an error, since the
site must work without a network. Two things that the theme lacks for keyboards and screen readers are added.
"""

import hashlib
import os
from pathlib import Path

from bs4 import BeautifulSoup, Tag

_FETCHED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "audio": "src"}
_ATTRIBUTES = "guide-inline.css"


class RemoteAssetError(Exception):
    """A page would fetch something from outside the site."""


def harden(site: Path) -> None:
    """Rewrite every page below `site`.

    Raises
    ------
    RemoteAssetError
        For the first page that would fetch something from outside.
    """
    static = site / "_static"
    rules: dict[str, str] = {}
    for page in sorted(site.rglob("*.html")):
        soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
        to_static = os.path.relpath(static, page.parent)
        _refuse_remote(soup, page)
        for tag in soup.find_all("script", src=None):
            if tag.get("type") in {None, "text/javascript"} and tag.string:
                tag["src"] = f"{to_static}/{_file(static, tag.string, 'js')}"
                tag.string = ""
        for tag in soup.find_all("style"):
            sheet = soup.new_tag("link", rel="stylesheet", href=f"{to_static}/{_file(static, tag.string or '', 'css')}")
            tag.replace_with(sheet)
        for tag in soup.find_all(style=True):
            _to_class(tag, rules)
        _reach(soup)
        if soup.head is not None:
            soup.head.append(soup.new_tag("link", rel="stylesheet", href=f"{to_static}/{_ATTRIBUTES}"))
        page.write_text(str(soup), encoding="utf-8")
    text = "\n".join(f".{name} {{ {rule} }}" for name, rule in sorted(rules.items()))
    (static / _ATTRIBUTES).write_text(text + "\n", encoding="utf-8")


def _file(static: Path, text: str, kind: str) -> str:
    """Write a script or a sheet into the site's static files, once, and return its name."""
    name = f"guide-{hashlib.sha256(text.encode()).hexdigest()[:12]}.{kind}"
    (static / name).write_text(text, encoding="utf-8")
    return name


def _to_class(tag: Tag, rules: dict[str, str]) -> None:
    rule = str(tag["style"])
    name = f"guide-{hashlib.sha256(rule.encode()).hexdigest()[:8]}"
    rules[name] = rule
    tag["class"] = [*tag.get_attribute_list("class"), name] if tag.has_attr("class") else [name]
    del tag["style"]


def _reach(soup: BeautifulSoup) -> None:
    """Let the keyboard scroll wide content, and give the headings of the side bar their level."""
    for tag in soup.select("div.highlight pre, .table-wrapper"):
        tag["tabindex"] = "0"
    for tag in soup.select('[role="heading"]:not([aria-level])'):
        tag["aria-level"] = "2"


def _refuse_remote(soup: BeautifulSoup, page: Path) -> None:
    for name, attribute in _FETCHED.items():
        for tag in soup.find_all(name):
            address = str(tag.get(attribute, ""))
            if address.startswith(("http:", "https:", "//")) and tag.get("rel") != ["canonical"]:
                raise RemoteAssetError(f"{page} would fetch {address}")
