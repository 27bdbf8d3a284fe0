import numpy as np
import pytest

from gaia_redshift.errors import InvalidTableError
from gaia_redshift.spectra import DR3
from gaia_redshift.tables.columns import find_layout

FLUX = [f"flux_{number}" for number in range(DR3.samples)]


def bands(bp: int, rp: int) -> list[str]:
    return [f"bp_{number}" for number in range(bp)] + [f"rp_{number}" for number in range(rp)]


def test_flux_columns_are_found_in_any_order_any_case_and_among_others() -> None:
    names = ["z", "SOURCE_ID", *(name.upper() for name in reversed(FLUX)), "ra"]
    layout = find_layout(names)
    assert layout.source_id == 1
    assert [names[position].lower() for position in layout.flux] == FLUX


@pytest.mark.parametrize("bp", [80, 120])
@pytest.mark.parametrize("rp", [106, 120])
def test_band_columns_are_found_truncated_or_not(bp: int, rp: int) -> None:
    layout = find_layout(bands(bp, rp))
    values = np.arange(bp + rp, dtype=np.float32)[None]
    first = 34 if bp == 120 else 0
    assert layout.arrange(values)[0, [0, 79, 80]].tolist() == [first, first + 79, bp + (4 if rp == 120 else 0)]


def test_flux_columns_win_over_band_columns() -> None:
    assert find_layout(FLUX + bands(80, 106)).flux == tuple(range(DR3.samples))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "186 columns are missing, flux_0 the first"),
        (["z", "ra"], "186 columns are missing, flux_0 the first"),
        (FLUX[1:], "1 column is missing: flux_0;"),
        (FLUX[:-2], "2 columns are missing, flux_184 the first"),
        ([*FLUX, "flux_186"], "flux_186 is one too many"),
        ([*FLUX, "flux_7"], "duplicate column flux_7"),
        ([*FLUX, "source_id", "Source_ID"], "duplicate column source_id"),
        (bands(80, 0), "106 columns are missing, rp_0 the first"),
        (bands(0, 106), "80 columns are missing, bp_0 the first"),
        (bands(100, 106), "20 columns are missing, bp_100 the first"),
        (bands(80, 121), "rp_120 is one too many"),
    ],
)
def test_an_incomplete_table_is_refused_by_the_column(names: list[str], message: str) -> None:
    with pytest.raises(InvalidTableError, match=message) as caught:
        find_layout(names)
    assert caught.value.details


def test_other_columns_may_be_duplicate() -> None:
    assert find_layout([*FLUX, "z", "z", "flux_error", "flux_x"]).source_id is None


def test_columns_that_only_look_numbered_are_left_alone() -> None:
    assert find_layout([*FLUX, "flux_²", "flux_99999999999999999999", "flux_-1"]).flux == tuple(range(DR3.samples))
