"""The guide, as `make docs` leaves it: a site of files. What Sphinx makes of the pages is tested in tests/docs."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.api import guide
from app.main import create_app
from app.settings import Settings

KEY_HASH = "0" * 64


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a site of two pages as the service's guide."""
    folder = tmp_path / "guide"
    (folder / "how-to").mkdir(parents=True)
    (folder / "index.html").write_text("<h1>first page</h1>")
    (folder / "how-to" / "train.html").write_text("<h1>train</h1>")
    (folder / "searchindex.js").write_text("Search.setIndex({})")
    monkeypatch.setattr(guide, "SITE", folder)
    return folder


def test_the_guide_is_served_file_by_file_under_a_strict_policy(site: Path, settings: Settings) -> None:
    with TestClient(create_app(settings)) as service:
        first, page = service.get("/guide/"), service.get("/guide/how-to/train.html")
        script = service.get("/guide/searchindex.js")
    assert (first.text, page.text) == ("<h1>first page</h1>", "<h1>train</h1>")
    assert script.headers["content-type"].startswith("text/javascript")
    for answer in (first, page, script):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_address_without_a_slash_leads_to_the_first_page_without_naming_a_host(
    site: Path, settings: Settings
) -> None:
    with TestClient(create_app(settings), follow_redirects=False) as service:
        answer = service.get("/guide")
    assert (answer.status_code, answer.headers["location"]) == (307, "guide/")


def test_a_page_that_is_not_there_has_the_one_error_shape(site: Path, settings: Settings) -> None:
    with TestClient(create_app(settings)) as service:
        for path in ("nothing.html", "how-to/", "how-to", "../settings.py", "%2e%2e/settings.py"):
            answer = service.get(f"/guide/{path}")
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found"), path


def test_where_it_was_not_built_the_answer_says_how(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setattr(guide, "SITE", tmp_path / "nowhere")
    with TestClient(create_app(settings)) as service:
        answer = service.get("/guide")
    assert answer.status_code == 404
    assert "make docs" in answer.json()["error"]["message"]


def test_reading_the_guide_needs_no_key(site: Path, settings: Settings) -> None:
    closed = settings.model_copy(update={"api_keys": {"somebody": KEY_HASH}})
    with TestClient(create_app(closed)) as service:
        assert service.get("/guide/").status_code == 200
        assert service.get("/models").status_code == 401
