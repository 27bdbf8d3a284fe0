"""What the shipped graphs answer: what it is defined to be in NumPy, and the same bits in every company."""

from functools import cache

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gaia_redshift.bundle import ONNX_FILE, Bundle, discover
from gaia_redshift.engine import OnnxEngine
from gaia_redshift.interpretation.prior import Prior, PriorTable
from gaia_redshift.interpretation.quality import FLAGS
from gaia_redshift.interpretation.result import Redshifts
from gaia_redshift.spectra import DR3, FloatArray, validate
from tests.reference.answer import Reference
from tests.tiny import SHIPPED
from training.release.upgrade import plausible

BUNDLES = {folder.name: Bundle(folder) for folder in discover(SHIPPED)}
OUTPUTS = {
    "default": {"density": "density_1/density_1/Softmax:0", "kind": "density_1/kind_1/Softmax:0"},
    "dissertation-cnn": {"redshift": "dissertation_1/redshift_1/Add:0"},
}
"""The outputs of the networks inside the graphs."""
PRIORS: tuple[Prior, ...] = (
    "survey",
    "flat",
    PriorTable(redshift=[0.0, 0.1, 0.6], density=[0.0, 2.0, 0.5]),
    PriorTable(redshift=[0.2, 0.3], density=[1.0, 1.0]),
    PriorTable(redshift=[0.58, 0.5801, 0.6], density=[0.0, 1.0, 1.0]),
)
_ROUNDING = 1e-9


def hostile(flux: FloatArray) -> FloatArray:
    """Return usable spectra unlike any galaxy: bands missing, huge, faint, negative, noise, single lines."""
    random = np.random.default_rng(5)
    bp, some = DR3.bp.count, [flux[number * 40 : (number + 1) * 40].copy() for number in range(10)]
    some[0][:, :bp] = 0
    some[1][:, bp:] = 3
    some[2][:, : bp // 2] = 0
    some[3][:, : bp // 2 - 1] = 0
    some[4] *= 9e5 / np.abs(some[4]).max(axis=1, keepdims=True)
    some[5] *= 2e-3 / np.abs(some[5]).max(axis=1, keepdims=True)
    some[6] *= -1
    some[7] = random.normal(0, 1, some[7].shape)
    some[8][:] = 0
    some[8][np.arange(40), random.integers(DR3.samples, size=40)] = 5
    some[9][:] = 1
    some[9][:, 100] = 1e5
    found = np.concatenate(some).astype(np.float32)
    assert not validate(found).any()
    return found


@cache
def spectra(name: str) -> FloatArray:
    galaxies = plausible(BUNDLES[name].calibration, 3000)
    return np.concatenate([galaxies, hostile(galaxies)])


@cache
def network_output(name: str, first: int = 0) -> dict[str, FloatArray]:
    """Return the output of the network inside a graph for `spectra`, from the first on."""
    model = onnx.load_from_string(BUNDLES[name].read(ONNX_FILE))
    for each in OUTPUTS[name].values():
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(each))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found = session.run(list(OUTPUTS[name].values()), {"flux": spectra(name)[first:]})
    return dict(zip(OUTPUTS[name], found, strict=True))


@cache
def engine(name: str, threads: int) -> OnnxEngine:
    return OnnxEngine(BUNDLES[name], threads)


def assert_same(found: Redshifts, wanted: Redshifts) -> None:
    assert np.abs(found.values - wanted.values).max() <= 1e-6 + _ROUNDING
    changed = [flag for bit, flag in enumerate(FLAGS) if ((found.flags ^ wanted.flags) >> bit & 1).any()]
    assert not changed
    if wanted.pdf is not None:
        assert np.abs(found.pdf - wanted.pdf).max() <= 1e-6 + _ROUNDING


@pytest.mark.parametrize("number", range(len(PRIORS)))
def test_the_density_models_answer_is_what_it_is_defined_to_be(number: int) -> None:
    bundle, flux, output = BUNDLES["default"], spectra("default"), network_output("default")
    assert bundle.bins is not None
    prior = bundle.bins.prior(PRIORS[number])
    wanted = Reference(bundle.manifest, bundle.calibration).of_density(flux, **output, prior=prior, flat=number == 1)
    priors, rows = bundle.bins.stack([PRIORS[number]])
    assert_same(engine("default", 1)(flux, np.full(len(flux), rows[0], np.int32), priors, pdf=True), wanted)
    raised = np.bitwise_or.reduce(wanted.flags)
    if number < 2:  # else this would test hardly anything
        assert raised == 2 ** len(FLAGS) - 1


def test_the_point_models_answer_is_what_it_is_defined_to_be() -> None:
    bundle, flux = BUNDLES["dissertation-cnn"], spectra("dissertation-cnn")[2400:]  # its network is slow
    redshift = network_output("dissertation-cnn", 2400)["redshift"][:, 0]
    wanted = Reference(bundle.manifest, bundle.calibration).of_point(flux, redshift)
    assert_same(engine("dissertation-cnn", 1)(flux), wanted)
    assert np.bitwise_or.reduce(wanted.flags) == sum(1 << FLAGS.index(flag) for flag in bundle.flags)


def test_a_graph_asks_for_fluxes_alone_and_then_answers_under_the_survey_prior() -> None:
    flux = spectra("default")[:50]
    session = onnxruntime.InferenceSession(BUNDLES["default"].read(ONNX_FILE), providers=["CPUExecutionProvider"])
    assert [node.name for node in session.get_inputs()] == ["flux"]
    values, flags, pdf = session.run(["redshift", "quality", "pdf"], {"flux": flux})
    wanted = engine("default", 1)(flux, np.zeros(50, np.int32), BUNDLES["default"].bins.priors, pdf=True)
    assert (values == wanted.values).all()
    assert (flags == wanted.flags).all()
    assert (pdf == wanted.pdf).all()


def test_one_prior_index_serves_all_spectra() -> None:
    flux = spectra("default")[:50]
    session = onnxruntime.InferenceSession(BUNDLES["default"].read(ONNX_FILE), providers=["CPUExecutionProvider"])
    (values,) = session.run(["redshift"], {"flux": flux, "prior_index": np.array([1], np.int32)})
    assert (values == engine("default", 1)(flux, np.ones(50, np.int32)).values).all()


def test_spectra_with_different_priors_share_a_batch() -> None:
    flux, bins = spectra("default")[2900:], BUNDLES["default"].bins
    assert bins is not None
    wanted = [PRIORS[row % len(PRIORS)] for row in range(len(flux))]
    priors, rows = bins.stack(wanted)
    assert priors.shape == (len(PRIORS), 120)
    together = engine("default", 1)(flux, np.array(rows, np.int32), priors, pdf=True)
    for number, prior in enumerate(PRIORS):
        own, (row,) = bins.stack([prior])
        part = flux[number :: len(PRIORS)]
        alone = engine("default", 1)(part, np.full(len(part), row, np.int32), own, pdf=True)
        assert (together.values[number :: len(PRIORS)] == alone.values).all()
        assert (together.flags[number :: len(PRIORS)] == alone.flags).all()
        assert (together.pdf[number :: len(PRIORS)] == alone.pdf).all()


def test_the_graphs_file_describes_its_inputs_and_outputs() -> None:
    session = onnxruntime.InferenceSession(BUNDLES["default"].read(ONNX_FILE), providers=["CPUExecutionProvider"])
    notes = session.get_modelmeta().custom_metadata_map
    assert notes["model"] == BUNDLES["default"].manifest.id
    assert notes["unit"] == "e-/s per sample"
    assert notes["redshift"] == "redshift,redshift_lower,redshift_upper,redshift_lower95,redshift_upper95"
    assert notes["quality"].split(",")[1] == "2=outside_training_range"
    assert tuple(map(float, notes["bin_edges"].split(","))) == BUNDLES["default"].manifest.bin_edges
    assert {node.name: node.shape for node in session.get_outputs()} == {
        "redshift": ["n", 5],
        "quality": ["n"],
        "pdf": ["n", 120],
    }


@cache
def alone(name: str) -> Redshifts:
    """Return the answers of the first spectra and the hostile ones, each on its own."""
    density = BUNDLES[name].bins is not None
    rows = [engine(name, 1)(spectrum[None], pdf=density) for spectrum in _some(name)]
    pdf = np.concatenate([row.pdf for row in rows]) if density else None
    return Redshifts(np.concatenate([row.values for row in rows]), np.concatenate([row.flags for row in rows]), pdf)


def _some(name: str) -> FloatArray:
    return spectra(name)[2800:]


@pytest.mark.parametrize("name", BUNDLES)
@settings(max_examples=60)
@given(
    rows=st.integers(1, 130), first=st.integers(0, 599), seed=st.integers(0, 2**32 - 1), threads=st.sampled_from([1, 2])
)
def test_a_spectrum_gets_the_same_bits_at_any_place_of_any_batch(
    name: str, rows: int, first: int, seed: int, threads: int
) -> None:
    random = np.random.default_rng(seed)
    chosen = random.integers(len(_some(name)), size=rows)
    chosen[random.integers(rows)] = first
    found = engine(name, threads)(_some(name)[chosen], pdf=BUNDLES[name].bins is not None)
    assert (found.values == alone(name).values[chosen]).all()
    assert (found.flags == alone(name).flags[chosen]).all()
    if found.pdf is not None:
        assert (found.pdf == alone(name).pdf[chosen]).all()
