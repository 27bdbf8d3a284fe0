"""A bundle of schema version 1 in the form of this version, without training. Imports `agreement`, `convert`.

The graph of version 1 ends at the network's output. Network, scaler and calibration stay as they are, byte for byte;
the graph is made from them anew, up to the answer.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from pydantic import ValidationError
from pydantic_core import from_json, to_json

from gaia_redshift.bundle import CALIBRATION_FILE, MANIFEST, ONNX_FILE, Bundle, Manifest
from gaia_redshift.bundle.bundle import manifest_bytes, parse_manifest, read_listed
from gaia_redshift.errors import InvalidBundleError
from gaia_redshift.interpretation.calibration import Calibration
from gaia_redshift.spectra import FloatArray
from training.release.agreement import answers
from training.release.convert import complete
from training.release.export import Release

MOVED = 1e-6
"""How far an answer may move: the last decimal that is given."""
ROUNDING = 1e-9
_RARE = 1e-3
"""Part of the spectra whose redshift may move further, between two modes where the density is almost zero; and whose
flags may change, because a number lies within rounding of its limit."""

_ROWS = 4096


@dataclass(frozen=True, slots=True)
class Change:
    """How the answers of the new graph differ from those of the old one."""

    spectra: int
    largest: float
    """Largest change in redshift or an interval end."""
    moved: int
    """Spectra of which either moved by more than `MOVED`."""
    flags: int
    """Spectra of which a flag changed."""


def convert_bundle(
    old: Path, new: Path, public_key: Path | None = None, *, replace: bool = False
) -> tuple[Manifest, Change]:
    """Write `old` in the form of this version to `new`.

    A public key must have signed the old bundle; the new one is to be signed again. Raises InvalidInputError if `new`
    exists and may not be replaced, InvalidBundleError if the old bundle is not whole, or the new one would not give its
    answers.
    """
    manifest = _old_manifest(old, public_key)
    release = Release(new, manifest.name, manifest.version, replace=replace)
    release.check_free()
    contents = {name: read_listed(old, name, manifest) for name in manifest.files}
    try:
        calibration = Calibration.model_validate_json(contents[CALIBRATION_FILE])
    except (KeyError, ValidationError) as error:
        raise InvalidBundleError(f"{old.name} has no {CALIBRATION_FILE} of this version: {error}") from error
    with release.staged() as staged:
        for name, content in contents.items():
            (staged / name).write_bytes(content)
        bundle = complete(staged, manifest)
        change = compare(contents[ONNX_FILE], bundle, plausible(calibration, _ROWS))
        if max(change.moved, change.flags) > _RARE * change.spectra:
            raise InvalidBundleError(
                f"the new graph gives other answers than the old one: of {change.spectra} spectra {change.moved} moved "
                f"by more than {MOVED:g} in redshift or an interval end, by {change.largest:.2g} at most, and flags "
                f"changed in {change.flags}"
            )
    return bundle.manifest, change


def _old_manifest(folder: Path, public_key: Path | None) -> Manifest:
    """Return the manifest of a bundle of version 1 as one of this version."""
    content = manifest_bytes(folder, public_key)
    try:
        held = from_json(content)
    except ValueError as error:
        raise InvalidBundleError(f"{folder.name}/{MANIFEST} is not JSON: {error}") from error
    if not isinstance(held, dict) or held.get("schema_version") != 1:
        raise InvalidBundleError(f"{folder.name} is not a bundle of schema version 1: there is nothing to upgrade")
    return parse_manifest(folder, to_json(held | {"schema_version": 2}))


def plausible(calibration: Calibration, rows: int) -> FloatArray:
    """Return spectra such as the model was trained on, shape (rows, samples).

    They are drawn from the quality flags' mixture, or, without it, uniformly from the range of each flux.
    """
    random = np.random.default_rng(1)
    known = calibration.quality
    if known is None:
        low, high = np.array([calibration.flux_min, calibration.flux_max])
        return np.asarray(random.uniform(low, high, (rows, len(low))), np.float32)
    gaussian = random.choice(len(known.weights), rows, p=np.array(known.weights) / sum(known.weights))
    spread = np.linalg.inv(np.array(known.whitening))
    drawn = np.einsum("rd,rde->re", random.standard_normal((rows, len(known.feature_mean))), spread[gaussian])
    features = np.array(known.feature_mean) + np.array(known.feature_sd) * (np.array(known.centres)[gaussian] + drawn)
    brightness, noise, _, _, *coordinates = features.T
    shape = np.array(known.mean_shape) + np.array(coordinates).T @ np.array(known.components)
    shape += np.exp(noise)[:, None] * random.standard_normal(shape.shape)
    return np.asarray(np.exp(brightness)[:, None] * shape, np.float32)


def compare(old_graph: bytes, new: Bundle, flux: FloatArray) -> Change:
    """Return how a bundle's answers differ from those that were made from an old graph's output.

    The old graph sees one spectrum at a time: among others, a spectrum's answer depended on its place.
    """
    names = ["redshift"] if new.bins is None else ["density", "kind"]
    session = onnxruntime.InferenceSession(old_graph, providers=["CPUExecutionProvider"])
    found = zip(*(session.run(names, {"flux": spectrum[None]}) for spectrum in flux), strict=True)
    outputs = {name: np.concatenate(values) for name, values in zip(names, found, strict=True)}
    pairs = [(wanted, answered) for *_, wanted, answered in answers(new, flux, outputs)]
    moved = np.concatenate([np.abs(np.asarray(old["redshift"]) - new.values).max(axis=1) for old, new in pairs])
    flags = np.concatenate([np.asarray(old["quality"]) != new.flags for old, new in pairs])
    return Change(len(moved), float(moved.max()), int((moved > MOVED + ROUNDING).sum()), int(flags.sum()))
