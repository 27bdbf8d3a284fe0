"""Debian's Chromium with a running service; all requests and violations of the policy are recorded."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.server import Server, Start

LONG = 60_000
"""Milliseconds that a step may take on a busy machine."""
SHOTS = Path(__file__).parents[2] / "build" / "screenshots"
_HUB = "127.0.0.1:21012"

expect.set_options(timeout=LONG)


@dataclass
class Visit:
    """A browser's window, with its requests and messages."""

    context: BrowserContext
    base: str
    asked: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def open(self, path: str = "/") -> Page:
        """Open a page of the service in a new tab, and wait until it can be used."""
        page = self.context.new_page()
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.goto(self.base + path)
        if path.partition("?")[0] == "/":
            page.wait_for_selector("body.ready")
        return page

    def check(self) -> None:
        """Assert that no other host was called and that the policy was not violated."""
        hosts = {urlsplit(url).netloc for url in self.asked if not url.startswith(("data:", "blob:"))}
        assert hosts <= {urlsplit(self.base).netloc, _HUB}
        wrong = re.compile("content.security.policy|Uncaught|TypeError", re.IGNORECASE)
        assert [line for line in self.said if wrong.search(line)] == []


Visits = Callable[..., Visit]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Return Chromium."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert path, "apt-get install chromium, or give its path: CHROMIUM=/path"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path)
        yield started
        started.close()


@pytest.fixture(scope="session")
def served(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a service that keeps jobs."""
    with start(engine="onnx", jobs_folder=str(tmp_path_factory.mktemp("jobs"))) as running:
        yield running


@pytest.fixture
def visits(browser: Browser, served: Server) -> Iterator[Visits]:
    """Return a maker of visits, with options of a browser's context; each visit is checked at the end."""
    made: list[Visit] = []

    def make(base: str = served.url, **options: object) -> Visit:
        context = browser.new_context(**options)  # type: ignore[arg-type]
        context.set_default_timeout(LONG)
        visit = Visit(context, base)
        context.on("request", lambda request: visit.asked.append(request.url))
        made.append(visit)
        return visit

    yield make
    for visit in made:
        visit.check()
        visit.context.close()


@pytest.fixture
def page(visits: Visits) -> Page:
    """Return the newly opened page."""
    return visits().open()


@pytest.fixture
def example(page: Page) -> Page:
    """Return the page with the built-in example, its first galaxy open."""
    page.click("#example")
    wait_for_galaxies(page)
    return page


def wait_for_galaxies(page: Page) -> None:
    """Wait until a job is over, its charts drawn and a row open."""
    expect(page.locator("#progress-text")).to_contain_text("done")
    expect(page.locator("#overview svg path.axes, #overview svg .axes").first).to_be_visible()
    expect(page.locator("#row svg").first).to_be_visible()
