import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gaia_redshift.bundle import Bundle
from gaia_redshift.interpretation.prior import PriorTable
from gaia_redshift.interpretation.quality import EDGE_WIDTH
from gaia_redshift.interpretation.result import Asked, interpret
from gaia_redshift.spectra import DR3
from tests.tiny import BIN_EDGES, SURVEY_PRIOR, tiny_density, write_tiny_bundle


@pytest.fixture
def bundle(tmp_path) -> Bundle:  # noqa: ANN001
    """Return a bundle with nodes at .1 and .3 and a training range of -1 to 50 e-/s."""
    return Bundle(write_tiny_bundle(tmp_path / "tiny"))


def plain(rows: int) -> np.ndarray:
    return np.tile(np.linspace(4, 6, DR3.samples, dtype=np.float32), (rows, 1))


def test_offsets_are_interpolated_between_nodes_and_held_beyond_them(bundle: Bundle) -> None:
    output = np.array([0.05, 0.1, 0.2, 0.3, 0.5], np.float32)
    found = interpret(output[:, None], plain(5), np.ones(5, bool), bundle, Asked())
    assert found.redshift == pytest.approx([0.05, 0.1, 0.2, 0.3, 0.5])
    assert found.redshift_lower == pytest.approx([0.04, 0.09, 0.18, 0.27, 0.47])
    assert found.redshift_upper == pytest.approx([0.07, 0.12, 0.23, 0.34, 0.54])
    assert found.redshift_lower95 == pytest.approx([0.03, 0.08, 0.16, 0.24, 0.44])
    assert found.redshift_upper95 == pytest.approx([0.09, 0.14, 0.26, 0.38, 0.58])


def test_rows_that_were_not_predicted_hold_nan_and_the_others_keep_their_places(bundle: Bundle) -> None:
    usable = np.array([True, False, True])
    found = interpret(np.array([[0.1, 0.2]], np.float32).T, plain(3), usable, bundle, Asked())
    assert found.redshift[[0, 2]] == pytest.approx([0.1, 0.2])
    assert np.isnan([getattr(found, name)[1] for name in found.INTERVALS]).all()
    assert found.quality[1] == []


def test_redshifts_near_either_end_of_the_training_range_are_flagged(bundle: Bundle) -> None:
    output = np.array([EDGE_WIDTH - 0.001, EDGE_WIDTH + 0.001, 0.6 - EDGE_WIDTH - 0.001, 0.6 - EDGE_WIDTH + 0.001])
    found = interpret(output.astype(np.float32)[:, None], plain(4), np.ones(4, bool), bundle, Asked())
    assert [list(flags) for flags in found.quality] == [["near_range_edge"], [], [], ["near_range_edge"]]


@pytest.mark.parametrize(("value", "flagged"), [(50.0, False), (50.1, True), (-1.0, False), (-1.1, True)])
def test_a_single_flux_beyond_the_training_range_is_flagged(bundle: Bundle, value: float, flagged: bool) -> None:
    flux = plain(2)
    flux[1, 77] = value
    found = interpret(np.array([[0.2, 0.2]], np.float32).T, flux, np.ones(2, bool), bundle, Asked())
    assert found.quality[0] == []
    assert found.quality[1] == (["outside_training_range"] if flagged else [])


def test_flags_of_an_unusable_row_do_not_depend_on_its_fluxes(bundle: Bundle) -> None:
    flux = plain(2)
    flux[0] = np.nan
    found = interpret(np.array([[0.2]], np.float32).T, flux, np.array([False, True]), bundle, Asked())
    assert [list(flags) for flags in found.quality] == [[], []]


@pytest.fixture(scope="module")
def density_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return Bundle(write_tiny_bundle(tmp_path_factory.mktemp("density") / "tiny", density=True))


def outputs(density: np.ndarray) -> np.ndarray:
    return np.concatenate([density, np.full((len(density), 2), 0.5, np.float32)], axis=1)


def asked(bundle: Bundle, density: np.ndarray, prior: object, flux: np.ndarray | None = None) -> object:
    flux = plain(len(density)) if flux is None else flux
    return interpret(outputs(density), flux, np.ones(len(density), bool), bundle, Asked(prior, pdf=True))


def test_a_flat_prior_on_a_balanced_training_leaves_the_density(density_bundle: Bundle, make_flux) -> None:  # noqa: ANN001
    density = tiny_density(make_flux(50))
    found = asked(density_bundle, density, "flat")
    assert found.pdf * np.diff(BIN_EDGES) == pytest.approx(density, abs=1e-6)


def test_the_survey_prior_weighs_each_bin(density_bundle: Bundle, make_flux) -> None:  # noqa: ANN001
    density = tiny_density(make_flux(50))
    wanted = density * SURVEY_PRIOR
    wanted /= wanted.sum(axis=1, keepdims=True)
    found = asked(density_bundle, density, "survey")
    assert found.pdf * np.diff(BIN_EDGES) == pytest.approx(wanted, abs=1e-6)
    middle = np.array([np.interp(0.5, np.cumsum(row), BIN_EDGES[1:]) for row in wanted])
    assert found.redshift == pytest.approx(middle, abs=1e-5)


def test_a_table_that_repeats_the_flat_prior_gives_its_redshifts(density_bundle: Bundle, make_flux) -> None:  # noqa: ANN001
    density = tiny_density(make_flux(50))
    table = asked(density_bundle, density, PriorTable(redshift=[0.0, 0.6], density=[3.0, 3.0]))
    flat = asked(density_bundle, density, "flat")
    assert table.redshift == pytest.approx(flat.redshift)
    assert table.pdf == pytest.approx(flat.pdf, abs=2e-6)


def test_a_prior_that_excludes_redshifts_leaves_none_of_them(density_bundle: Bundle, make_flux) -> None:  # noqa: ANN001
    found = asked(density_bundle, tiny_density(make_flux(50)), PriorTable(redshift=[0.2, 0.3], density=[1.0, 1.0]))
    assert ((found.redshift_lower95 >= 0.2) & (found.redshift_upper95 <= 0.3)).all()
    assert (found.pdf[:, :20] == 0).all()
    assert (found.pdf[:, 30:] == 0).all()


def test_faint_spectra_get_the_intervals_of_their_class(density_bundle: Bundle) -> None:
    density = np.tile(tiny_density(plain(1) * 0.05), (2, 1))
    flux = np.concatenate([plain(1), plain(1) * 3])
    found = asked(density_bundle, density, "flat", flux)
    assert found.redshift[0] == found.redshift[1]
    assert found.redshift_lower[0] < found.redshift_lower[1]
    assert found.redshift_upper[0] > found.redshift_upper[1]


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.float32, (3, 60), elements=st.floats(0, 1, width=32)),
    st.sampled_from(["survey", "flat", PriorTable(redshift=[0.0, 0.1, 0.6], density=[0.0, 2.0, 0.5])]),
)
def test_of_any_density_the_intervals_are_in_order_and_within_the_bins(
    density_bundle: Bundle, weight: np.ndarray, prior: object
) -> None:
    density = (weight + 1e-7) / (weight + 1e-7).sum(axis=1, keepdims=True)
    found = asked(density_bundle, density, prior)
    names = ("redshift_lower95", "redshift_lower", "redshift", "redshift_upper", "redshift_upper95")
    ascending = np.stack([getattr(found, name) for name in names])
    assert (np.diff(ascending, axis=0) >= 0).all()
    assert (ascending >= 0).all()
    assert (ascending <= 0.6).all()
    assert (found.pdf * np.diff(BIN_EDGES)).sum(axis=1) == pytest.approx(1, abs=1e-4)
