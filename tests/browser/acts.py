"""Actions on the page and readings of it, for the browser tests."""

import io
from pathlib import Path

import numpy as np
import pyarrow
from playwright.sync_api import Locator, Page
from pyarrow import parquet

from tests.browser.conftest import LONG

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "gaia_redshift" / "data" / "example_galaxies.csv"


def many(rows: int) -> bytes:
    """Return a Parquet table of galaxies similar to the example's, all different."""
    galaxies = np.genfromtxt(EXAMPLE, delimiter=",", skip_header=1)[:, 1:]
    random = np.random.default_rng(2)
    flux = galaxies[random.integers(0, len(galaxies), rows)] * random.normal(1, 0.02, (rows, 1))
    flux += random.normal(0, 0.02, flux.shape)
    file = io.BytesIO()
    columns = {
        "source_id": pyarrow.array(range(10**18, 10**18 + rows)),
        "flux": pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(flux.astype(np.float32).ravel()), flux.shape[1]),
    }
    parquet.write_table(pyarrow.table(columns), file)
    return file.getvalue()


def cells(page: Page, column: str) -> list[float]:
    """Return the visible numbers of a column."""
    return [float(text) for text in page.locator(f"#table td.c-{column}").all_inner_texts() if text not in {"", "…"}]


def drag(page: Page, chart: Locator, start: float, stop: float) -> None:
    """Drag from one part of a chart's width to another, over most of its height."""
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box
    page.mouse.move(box["x"] + start * box["width"], box["y"] + 0.1 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + stop * box["width"], box["y"] + 0.8 * box["height"], steps=5)
    page.mouse.up()


def saved(page: Page, button: str, folder: Path) -> Path:
    """Click on a button, and return the file that it saves."""
    with page.expect_download(timeout=LONG) as coming:
        page.click(button)
    path = folder / coming.value.suggested_filename
    coming.value.save_as(path)
    return path
