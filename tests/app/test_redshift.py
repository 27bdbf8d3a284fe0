import numpy as np
import pytest

from app.bundle import Bundle
from app.redshift import EDGE_WIDTH, interpret
from app.spectra import FLUX_COUNT
from tests.tiny import write_tiny_bundle


@pytest.fixture
def bundle(tmp_path) -> Bundle:  # noqa: ANN001
    """Return a bundle with nodes at .1 and .3 and a training range of -1 to 50 e-/s."""
    return Bundle(write_tiny_bundle(tmp_path / "tiny"))


def plain(rows: int) -> np.ndarray:
    return np.full((rows, FLUX_COUNT), 5, np.float32)


def test_offsets_are_interpolated_between_nodes_and_held_beyond_them(bundle: Bundle) -> None:
    output = np.array([0.05, 0.1, 0.2, 0.3, 0.5], np.float32)
    found = interpret(output[:, None], plain(5), np.ones(5, bool), bundle)
    assert found.redshift == pytest.approx([0.05, 0.1, 0.2, 0.3, 0.5])
    assert found.redshift_lower == pytest.approx([0.04, 0.09, 0.18, 0.27, 0.47])
    assert found.redshift_upper == pytest.approx([0.07, 0.12, 0.23, 0.34, 0.54])
    assert found.redshift_lower95 == pytest.approx([0.03, 0.08, 0.16, 0.24, 0.44])
    assert found.redshift_upper95 == pytest.approx([0.09, 0.14, 0.26, 0.38, 0.58])


def test_rows_that_were_not_predicted_hold_nan_and_the_others_keep_their_places(bundle: Bundle) -> None:
    usable = np.array([True, False, True])
    found = interpret(np.array([[0.1, 0.2]], np.float32).T, plain(3), usable, bundle)
    assert found.redshift[[0, 2]] == pytest.approx([0.1, 0.2])
    assert np.isnan([getattr(found, name)[1] for name in found.INTERVALS]).all()
    assert found.quality[1] == []


def test_redshifts_near_either_end_of_the_training_range_are_flagged(bundle: Bundle) -> None:
    output = np.array([EDGE_WIDTH - 0.001, EDGE_WIDTH + 0.001, 0.6 - EDGE_WIDTH - 0.001, 0.6 - EDGE_WIDTH + 0.001])
    found = interpret(output.astype(np.float32)[:, None], plain(4), np.ones(4, bool), bundle)
    assert [list(flags) for flags in found.quality] == [["near_range_edge"], [], [], ["near_range_edge"]]


@pytest.mark.parametrize(("value", "flagged"), [(50.0, False), (50.1, True), (-1.0, False), (-1.1, True)])
def test_a_single_flux_beyond_the_training_range_is_flagged(bundle: Bundle, value: float, flagged: bool) -> None:
    flux = plain(2)
    flux[1, 77] = value
    found = interpret(np.array([[0.2, 0.2]], np.float32).T, flux, np.ones(2, bool), bundle)
    assert found.quality[0] == []
    assert found.quality[1] == (["outside_training_range"] if flagged else [])


def test_flags_of_an_unusable_row_do_not_depend_on_its_fluxes(bundle: Bundle) -> None:
    flux = plain(2)
    flux[0] = np.nan
    found = interpret(np.array([[0.2]], np.float32).T, flux, np.array([False, True]), bundle)
    assert [list(flags) for flags in found.quality] == [[], []]
