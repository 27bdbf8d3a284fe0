"""The answer behind a network, as the tiny bundles have it: numbers that can be computed by hand."""

from functools import cache

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gaia_redshift.interpretation.bins import Bins
from gaia_redshift.interpretation.prior import Prior, PriorTable
from gaia_redshift.interpretation.quality import EDGE_WIDTH, flag_names
from gaia_redshift.interpretation.result import Redshifts
from gaia_redshift.spectra import DR3, FloatArray
from tests.tiny import ANSWERS, BIN_EDGES, SURVEY_PRIOR, tiny_calibration, tiny_density


@cache
def session(kind: str) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(ANSWERS[kind]), providers=["CPUExecutionProvider"])


def of_point(point: FloatArray, flux: FloatArray) -> Redshifts:
    """Return answers with nodes at .1 and .3 and a training range of -1 to 50 e-/s."""
    inputs = {"flux": flux, "point": np.asarray(point, np.float32)[:, None]}
    return Redshifts(*session("point").run(["redshift", "quality"], inputs))


def of_density(density: np.ndarray, *wanted: Prior, flux: FloatArray | None = None) -> Redshifts:
    """Return answers under a prior for each density, or one for all."""
    priors, rows = Bins(BIN_EDGES.tolist(), tiny_calibration(density=True)).stack(wanted)
    inputs = {
        "flux": plain(len(density)) if flux is None else flux,
        "density": density.astype(np.float32),
        "kind": np.full((len(density), 2), 0.5, np.float32),
        "priors": priors,
        "prior_index": np.array(rows, np.int32),
    }
    return Redshifts(*session("density").run(["redshift", "quality", "pdf"], inputs))


def words(found: Redshifts) -> list[list[str]]:
    return [list(flag_names(bits)) for bits in found.flags.tolist()]


def plain(rows: int) -> np.ndarray:
    return np.tile(np.linspace(4, 6, DR3.samples, dtype=np.float32), (rows, 1))


def test_offsets_are_interpolated_between_nodes_and_held_beyond_them() -> None:
    found = of_point(np.array([0.05, 0.1, 0.2, 0.3, 0.5], np.float32), plain(5))
    assert found.redshift == pytest.approx([0.05, 0.1, 0.2, 0.3, 0.5])
    assert found.redshift_lower == pytest.approx([0.04, 0.09, 0.18, 0.27, 0.47])
    assert found.redshift_upper == pytest.approx([0.07, 0.12, 0.23, 0.34, 0.54])
    assert found.redshift_lower95 == pytest.approx([0.03, 0.08, 0.16, 0.24, 0.44])
    assert found.redshift_upper95 == pytest.approx([0.09, 0.14, 0.26, 0.38, 0.58])


def test_redshifts_near_either_end_of_the_training_range_are_flagged() -> None:
    output = np.array([EDGE_WIDTH - 0.001, EDGE_WIDTH + 0.001, 0.6 - EDGE_WIDTH - 0.001, 0.6 - EDGE_WIDTH + 0.001])
    found = of_point(output, plain(4))
    assert words(found) == [["near_range_edge"], [], [], ["near_range_edge"]]


@pytest.mark.parametrize(("value", "flagged"), [(50.0, False), (50.1, True), (-1.0, False), (-1.1, True)])
def test_a_single_flux_beyond_the_training_range_is_flagged(value: float, flagged: bool) -> None:
    flux = plain(2)
    flux[1, 77] = value
    found = of_point(np.array([0.2, 0.2]), flux)
    assert words(found) == [[], ["outside_training_range"] if flagged else []]


def test_a_flat_prior_on_a_balanced_training_leaves_the_density(make_flux) -> None:  # noqa: ANN001
    density = tiny_density(make_flux(50))
    found = of_density(density, "flat")
    assert found.pdf * np.diff(BIN_EDGES) == pytest.approx(density, abs=1e-6)


def test_the_survey_prior_weighs_each_bin(make_flux) -> None:  # noqa: ANN001
    density = tiny_density(make_flux(50))
    wanted = density * SURVEY_PRIOR
    wanted /= wanted.sum(axis=1, keepdims=True)
    found = of_density(density, "survey")
    assert found.pdf * np.diff(BIN_EDGES) == pytest.approx(wanted, abs=1e-6)
    middle = np.array([np.interp(0.5, np.cumsum(row), BIN_EDGES[1:]) for row in wanted])
    assert found.redshift == pytest.approx(middle, abs=1e-5)


def test_a_table_that_repeats_the_flat_prior_gives_its_redshifts(make_flux) -> None:  # noqa: ANN001
    density = tiny_density(make_flux(50))
    table = of_density(density, PriorTable(redshift=[0.0, 0.6], density=[3.0, 3.0]))
    flat = of_density(density, "flat")
    assert table.redshift == pytest.approx(flat.redshift)
    assert table.pdf == pytest.approx(flat.pdf, abs=2e-6)


def test_a_prior_that_excludes_redshifts_leaves_none_of_them(make_flux) -> None:  # noqa: ANN001
    found = of_density(tiny_density(make_flux(50)), PriorTable(redshift=[0.2, 0.3], density=[1.0, 1.0]))
    assert ((found.redshift_lower95 >= 0.2) & (found.redshift_upper95 <= 0.3)).all()
    assert (found.pdf[:, :20] == 0).all()
    assert (found.pdf[:, 30:] == 0).all()


def test_faint_spectra_get_the_intervals_of_their_class() -> None:
    density = np.tile(tiny_density(plain(1) * 0.05), (2, 1))
    flux = np.concatenate([plain(1), plain(1) * 3])
    found = of_density(density, "flat", flux=flux)
    assert found.redshift[0] == found.redshift[1]
    assert found.redshift_lower[0] < found.redshift_lower[1]
    assert found.redshift_upper[0] > found.redshift_upper[1]


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.float32, (3, 60), elements=st.floats(0, 1, width=32)),
    st.sampled_from(["survey", "flat", PriorTable(redshift=[0.0, 0.1, 0.6], density=[0.0, 2.0, 0.5])]),
)
def test_of_any_density_the_intervals_are_in_order_and_within_the_bins(weight: np.ndarray, prior: Prior) -> None:
    density = (weight + 1e-7) / (weight + 1e-7).sum(axis=1, keepdims=True)
    found = of_density(density, prior)
    names = ("redshift_lower95", "redshift_lower", "redshift", "redshift_upper", "redshift_upper95")
    ascending = np.stack([getattr(found, name) for name in names])
    assert (np.diff(ascending, axis=0) >= 0).all()
    assert (ascending >= 0).all()
    assert (ascending <= 0.6).all()
    assert (found.pdf * np.diff(BIN_EDGES)).sum(axis=1) == pytest.approx(1, abs=1e-4)


def test_a_prior_that_excludes_a_density_altogether_is_itself_the_answer() -> None:
    density = np.zeros((2, 60), np.float32)
    density[:, 50] = 1
    table = PriorTable(redshift=[0.1, 0.2], density=[1.0, 1.0])
    found = of_density(density, table)
    assert found.pdf is not None
    assert found.pdf == pytest.approx(np.tile(np.where((BIN_EDGES[1:] > 0.1) & (BIN_EDGES[1:] <= 0.2), 10, 0), (2, 1)))
    assert found.redshift == pytest.approx([0.15, 0.15])


def test_spectra_with_different_priors_share_a_batch(make_flux) -> None:  # noqa: ANN001
    density = tiny_density(make_flux(30))
    table = PriorTable(redshift=[0.2, 0.3], density=[1.0, 1.0])
    wanted = ["flat", table, "survey"] * 10
    together = of_density(density, *wanted)
    for number, prior in enumerate(wanted[:3]):
        alone = of_density(density[number::3], prior)
        assert (together.values[number::3] == alone.values).all()
        assert (together.flags[number::3] == alone.flags).all()
        assert (together.pdf[number::3] == alone.pdf).all()
