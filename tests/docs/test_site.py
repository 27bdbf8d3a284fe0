"""The site of the documentation: every page is in it, links lead on, and nothing needs a lax content policy."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
SITE = ROOT / "docs" / "site"
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)")


def load(name: str) -> ModuleType:
    """Return a module of docs/site, which is a folder of scripts."""
    spec = importlib.util.spec_from_file_location(f"docs_site_{name}", SITE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def without_code(text: str) -> str:
    return re.sub(r"^( *)```.*?^\1```", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as code hosts and the site make them."""
    titles = re.findall(r"^#+ (.+)$", without_code(text), flags=re.MULTILINE)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).lower() for title in titles]
    return {re.sub(r"[^\w\- ]", "", title).strip().replace(" ", "-") for title in plain}


@pytest.fixture
def staged(tmp_path: Path) -> Path:
    load("stage").stage(tmp_path / "source", {"reference/made.md": "# Made\n"})
    return tmp_path / "source"


def test_every_link_between_pages_of_the_site_leads_to_a_page_and_a_heading(staged: Path) -> None:
    pages = list(staged.rglob("*.md"))
    assert len(pages) > 40
    for page in pages:
        for target, anchor in LINK.findall(without_code(page.read_text())):
            if "://" in target or target.startswith("mailto:"):
                continue
            led = page.parent / target if target else page
            assert led.exists(), (page.name, target)
            if anchor:
                assert anchor in anchors(led.read_text()), (page.name, target, anchor)


def test_every_page_is_in_the_side_bar(staged: Path) -> None:
    trees = re.findall(r"```\{toctree\}.*?\n\n(.*?)\n```", (staged / "index.md").read_text(), flags=re.DOTALL)
    listed = {place for tree in trees for place in tree.split()}
    found = {path.relative_to(staged).with_suffix("").as_posix() for path in staged.rglob("*.md")} - {"index"}
    assert listed == found


def test_links_to_files_that_are_no_pages_become_words(staged: Path) -> None:
    text = (staged / "project" / "contributing.md").read_text()
    assert "`training/recipes/linear.py`" in text
    assert "](training" not in text


def test_scripts_and_styles_of_a_page_become_files_and_what_is_wide_can_be_reached(tmp_path: Path) -> None:
    (tmp_path / "_static").mkdir()
    (tmp_path / "below").mkdir()
    page = tmp_path / "below" / "page.html"
    page.write_text(
        "<html><head><style>p { color: red }</style></head><body>"
        '<script>start()</script><p class="a" style="width: 20%">x</p><script type="application/json">{}</script>'
        '<p role="heading">y</p><div class="highlight"><pre>z</pre></div>'
        "</body></html>"
    )
    load("strict").harden(tmp_path)
    text = page.read_text()
    assert "style=" not in text
    assert "<style" not in text
    (script,) = re.findall(r'<script src="\.\./_static/(guide-\w+\.js)">', text)
    assert (tmp_path / "_static" / script).read_text() == "start()"
    assert "width: 20%" in (tmp_path / "_static" / "guide-inline.css").read_text()
    assert '<script type="application/json">{}</script>' in text
    assert '<p aria-level="2" role="heading">y</p>' in text
    assert '<pre tabindex="0">z</pre>' in text


@pytest.mark.parametrize(
    "tag", ['<script src="https://cdn.example/x.js"></script>', '<link rel="stylesheet" href="//cdn.example/x.css">']
)
def test_what_would_be_fetched_from_elsewhere_is_an_error(tmp_path: Path, tag: str) -> None:
    (tmp_path / "_static").mkdir()
    (tmp_path / "page.html").write_text(f"<html><head>{tag}</head></html>")
    strict = load("strict")
    with pytest.raises(strict.RemoteAssetError, match=r"cdn\.example"):
        strict.harden(tmp_path)


def test_the_pages_made_from_the_code_name_every_command_endpoint_and_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "stage", load("stage"))
    pages = load("generated").pages()
    commands = set(re.findall(r"^\| `([a-z]+)", (ROOT / "docs/reference/commands.md").read_text(), flags=re.MULTILINE))
    for command in commands:
        assert f"## gaia-redshift {command}\n" in pages["reference/options.md"]
    for path in ("/predict", "/predict/csv", "/predict/table", "/predict/sources", "/models/reload", "/metrics"):
        assert re.search(rf"^## (GET|POST) {path}$", pages["reference/endpoints.md"], flags=re.MULTILINE), path
    for name in ("Client", "AsyncClient", "Predictor", "load", "predict", "read"):
        assert f"### {name}\n" in pages["reference/classes.md"]
    assert str(ROOT) not in "".join(pages.values())
