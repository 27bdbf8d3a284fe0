"""The page and its files; and what /docs sends when a visitor presses Execute, as the document fills it in."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args

import pytest
from fastapi.testclient import TestClient

from app.api.pages import WEB
from app.main import create_app
from app.settings import Settings
from gaia_redshift.interpretation.quality import QualityFlag
from tests.tiny import SHIPPED


def document(service: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = service.get("/openapi.json").json()
    return found


def test_the_example_of_predict_succeeds(service: TestClient) -> None:
    described = document(service)
    operation = described["paths"]["/predict"]["post"]
    # A page fills defaults into the query, where options of a JSON body are refused.
    assert not any("default" in one["schema"] or "example" in one for one in operation["parameters"])
    example = described["components"]["schemas"]["PredictRequest"]["example"]
    with TestClient(create_app(Settings(models=SHIPPED, engine="onnx"))) as shipped:  # the tiny model knows no such z
        (answered,) = shipped.post("/predict", json=example).json()["predictions"]
    assert answered["status"] == "ok"


def test_an_uploaded_file_is_the_first_choice_and_every_body_has_an_example(service: TestClient) -> None:
    operation = document(service)["paths"]["/predict/csv"]["post"]
    content = operation["requestBody"]["content"]
    assert list(content) == ["multipart/form-data", "text/csv"]
    query = {
        one["name"]: one["schema"]["default"]
        for one in operation["parameters"]
        if one["schema"].get("default") is not None
    }
    table = content["text/csv"]["example"]
    headers = {"Content-Type": "text/csv"}
    assert service.post("/predict/csv", content=table.encode(), headers=headers, params=query).status_code == 200
    others = {
        name: field["example"]
        for name, field in content["multipart/form-data"]["schema"]["properties"].items()
        if name != "file"
    }
    sent = {"file": ("example.csv", table.encode(), "text/csv")}
    assert service.post("/predict/csv", files=sent, data=others, params=query).status_code == 200


def test_every_other_operation_succeeds_unchanged(service: TestClient) -> None:
    for path, operations in document(service)["paths"].items():
        if "get" in operations:
            given = {one["name"]: one["example"] for one in operations["get"].get("parameters", ())}
            assert service.get(path.format(**given)).status_code == 200
        else:
            assert path in {"/predict", "/predict/csv", "/predict/table", "/nz"}  # the last needs 200 galaxies


@pytest.mark.parametrize("keys", ["api_keys", "admin_keys"])
def test_reloading_is_described_where_somebody_may_do_it(settings: Settings, keys: str) -> None:
    known = settings.model_copy(update={keys: {"somebody": "0" * 64}})
    with TestClient(create_app(known)) as service:
        described = document(service)
    assert ("/models/reload" in described["paths"]) == (keys == "admin_keys")
    assert described["components"]["securitySchemes"] == {"key": {"type": "http", "scheme": "bearer"}}


MOST_BYTES = 1_000_000
HUB = "http://127.0.0.1:21012"


class Elements(HTMLParser):
    """The elements of a page, each a name and its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_page_has_nothing_that_its_policy_forbids(service: TestClient) -> None:
    reply = service.get("/")
    assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = dict(part.strip().split(" ", 1) for part in reply.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'self'"
    assert policy["connect-src"] == f"'self' {HUB}"
    assert not {"script-src", "style-src", "font-src"} & set(policy)
    assert "unsafe" not in str(policy)
    elements = Elements(reply.text).found
    assert not [attributes for _, attributes in elements for name in attributes if name == "style" or name[:2] == "on"]
    assert all(attributes.get("src") for tag, attributes in elements if tag == "script")
    assert "style" not in [tag for tag, _ in elements]


def test_exactly_the_files_of_the_page_are_served(service: TestClient) -> None:
    elements = Elements(service.get("/").text).found
    named = [value for _, one in elements for name in ("src", "href") if (value := one.get(name))]
    assert not [one for one in named if one.startswith(("/", "http", "//"))], "a proxy may mount it anywhere"
    wanted = {one for one in named if one.startswith("static/")}
    for script in WEB.glob("*.js"):
        text = script.read_text(encoding="utf-8")
        wanted |= {f"static/page/{one}" for one in imported(script.name)}
        wanted |= {f"static/page/{one}.js" for one in re.findall(r'part\("(\w+)"\)', text)}
        wanted |= set(re.findall(r'"(static/[^"]+)"', text))
    files = {f"static/page/{path.name}" for path in WEB.iterdir()}
    others = {"static/page/index.html", "static/page/docs.css"}  # the latter is for /docs
    assert files == {one for one in wanted if one.startswith("static/page/")} | others
    for one in wanted:
        reply = service.get(f"/{one}")
        assert reply.status_code == 200, one
        assert one[-3:] != ".js" or reply.headers["Content-Type"].startswith("text/javascript")


def test_a_browser_asks_whether_the_page_has_changed(service: TestClient) -> None:
    for path in ("/", "/static/page/main.js"):
        assert service.get(path).headers["Cache-Control"] == "no-cache"
    known = {"If-None-Match": service.get("/static/page/main.js").headers["ETag"]}
    assert service.get("/static/page/main.js", headers=known).status_code == 304


def test_the_page_is_light_and_names_no_other_host() -> None:
    assert sum(path.stat().st_size for path in WEB.iterdir()) < MOST_BYTES
    for path in WEB.iterdir():
        text = path.read_bytes().decode("utf-8", "replace")
        assert set(re.findall(r"https?://[\w.:-]+", text)) <= {HUB, "http://www.w3.org"}, path.name


def imported(name: str) -> set[str]:
    """Return the modules that a module needs before it runs."""
    text = (WEB / name).read_text(encoding="utf-8")
    own = set(re.findall(r'^import .* from "\./(.*)";$', text, re.MULTILINE))
    return own.union(*map(imported, own))


def test_what_the_page_needs_to_open_is_loaded_with_it_in_one_go(service: TestClient) -> None:
    elements = Elements(service.get("/").text).found
    loaded = {one["href"] for tag, one in elements if tag == "link" and one["rel"] == "modulepreload"}
    assert loaded == {f"static/page/{name}" for name in imported("main.js")}
    assert len({*loaded, "main.js", "style.css"}) <= 6, "a browser asks a server for six files at a time"


def test_the_page_knows_what_the_service_offers(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.api.guide.SITE", tmp_path / "guide")

    def offered(**changed: object) -> dict[str, str | None]:
        with TestClient(create_app(settings.model_copy(update=changed))) as service:
            elements = Elements(service.get("/").text).found
        return next(attributes for tag, attributes in elements if tag == "body")

    parts = ("data-jobs", "data-archive", "data-keys", "data-guide")
    assert offered() == dict.fromkeys(parts, "false")
    (tmp_path / "guide").mkdir()
    (tmp_path / "guide" / "index.html").touch()
    there = offered(jobs_folder=tmp_path, archive_url="http://127.0.0.1:9/", api_keys={"somebody": "0" * 64})
    assert there == dict.fromkeys(parts, "true")


def test_every_flag_is_explained_on_the_page() -> None:
    text = (WEB / "quality.js").read_text(encoding="utf-8")
    assert tuple(re.findall(r"^  (\w+): \"", text, re.MULTILINE)) == get_args(QualityFlag)
