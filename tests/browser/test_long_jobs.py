"""Jobs that take long, and several of them; what the page leads to."""

from pathlib import Path

from playwright.sync_api import expect

from tests.browser.acts import EXAMPLE, many
from tests.browser.conftest import LONG, Visits, wait_for_galaxies
from tests.browser.test_looking import findings


def test_a_long_job_shows_its_progress_and_100000_rows_stay_at_hand(visits: Visits, tmp_path: Path) -> None:
    rows = 100_000
    path = tmp_path / "many.parquet"
    path.write_bytes(many(rows))
    page = visits().open()
    page.set_input_files("#file", str(path))
    expect(page.locator("#progress-text")).to_contain_text("running: ")
    expect(page.locator("#progress-text")).to_contain_text(" of 100,000 rows")
    expect(page.locator("#table tbody tr").first).to_be_visible()  # long before the end
    expect(page.locator("#progress")).to_be_visible()
    expect(page.locator("#progress-text")).to_contain_text("done: 100,000 rows", timeout=4 * LONG)
    expect(page.locator("#matched")).to_contain_text("100,000 rows.")
    page.locator("#table table").focus()
    page.keyboard.press("End")
    expect(page.locator("#table td.c-row").last).to_have_text(str(rows - 1))
    assert page.locator("#table tbody tr").count() < 60
    page.keyboard.press("Home")
    expect(page.locator("#table td.c-row").first).to_have_text("0")


def test_a_job_can_be_aborted(visits: Visits, tmp_path: Path) -> None:
    path = tmp_path / "many.parquet"
    path.write_bytes(many(60_000))
    page = visits().open()
    page.set_input_files("#file", str(path))
    page.click("#abort")
    expect(page.locator("#progress-text")).to_contain_text("aborted")


def test_two_tabs_show_two_jobs_and_a_link_shows_one_again(visits: Visits) -> None:
    visit = visits()
    first, second = visit.open(), visit.open()
    first.click("#example")
    second.set_input_files("#file", str(EXAMPLE))
    wait_for_galaxies(second)
    wait_for_galaxies(first)
    assert first.url != second.url
    first.fill("#z-to", "0.1")
    first.click("#range button")
    expect(first.locator("#matched")).to_contain_text("of 300")
    first.locator("#table tbody tr").nth(1).click()
    expect(first.locator("#row-title")).to_have_text(
        f"Row {first.locator('#table tbody tr').nth(1).locator('td.c-row').inner_text()}"
    )
    third = visit.open(first.url.removeprefix(visit.base))
    wait_for_galaxies(third)
    for part in ("#matched", "#row-title", "#job-title", "#conditions"):
        expect(third.locator(part)).to_have_text(first.inner_text(part))
    expect(second.locator("#matched")).to_contain_text("4 rows.")
    second.click("#show-jobs")
    expect(second.locator("#dialog tbody tr")).not_to_have_count(0)


def test_the_documentation_needs_no_other_host(visits: Visits) -> None:
    page = visits().open("/docs")
    expect(page.locator(".swagger-ui .opblock").first).to_be_visible()
    assert {name for name, _ in findings(page)} <= {"nested-interactive"}  # of Swagger UI's own elements
