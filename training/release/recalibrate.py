"""A bundle whose intervals, and if need be redshifts, are set anew by labelled galaxies. Imports `calibration`.

The correction goes into the weights of the network's last layer, which is affine in what it changes, and the intervals
into ``calibration.json``; the graph is made from both anew. The bundle has the form of any other.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gaia_redshift.bundle import CALIBRATION_FILE, CARD_FILE, KERAS_FILE, MANIFEST, ONNX_FILE, Bundle, Manifest, seal
from gaia_redshift.engine.keras import Source, load_source, named
from gaia_redshift.errors import InvalidBundleError, InvalidInputError, counted
from gaia_redshift.interpretation.prior import PriorName
from gaia_redshift.interpretation.sample import NO_GALAXY
from gaia_redshift.predictor import Predictor
from gaia_redshift.spectra import FloatArray, SpectrumBatch
from training.calibration.correction import Correction
from training.calibration.recalibration import Judged, Labelled, Recalibrated, Recalibration
from training.data.dataset import ORIGIN, Dataset
from training.evaluation.metrics import measure
from training.recipes.recipe import Network
from training.release.agreement import check_agreement
from training.release.convert import convert_apart
from training.release.export import Release

RECALIBRATION_FILE = "recalibration.json"

FEWEST = 100
"""With fewer, the 95% interval's ends hang on two galaxies each."""
FEW = 300
"""With fewer, coverage is known to no better than 3%."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The labelled galaxies that a recalibration learns from."""

    galaxies: Labelled
    no_galaxies: int
    """Rows left out because the model takes them for something else."""
    without: int
    """Rows left out because they get no redshift."""


def choose(bundle: Bundle, dataset: Dataset, source: Source) -> Chosen:
    """Return the labelled galaxies that the model takes for galaxies, with the network's output.

    Parameters
    ----------
    bundle : Bundle
    dataset : Dataset
    source : Source
        Of the bundle.

    Raises
    ------
    UnsupportedByModelError
        If the spectra are of another release than the model's.
    InvalidInputError
        If most are not taken for galaxies, or fewer than `FEWEST` are left.
    """
    model = Predictor(bundle, engine="onnx")
    model.check_grid(SpectrumBatch(dataset.flux[:1], grid=dataset.grid))
    found = model.answer(dataset.flux)
    answered = np.isfinite(found.redshift)
    galaxy = (found.flags & NO_GALAXY) == 0
    flagged = int((answered & ~galaxy).sum())
    if 2 * flagged > len(dataset):
        raise InvalidInputError(
            f"{flagged} of {dataset.name}'s {len(dataset)} spectra are flagged out_of_distribution or stellar_like: "
            f"to {bundle.manifest.id} they are no galaxies, and no interval learnt from them would hold. Are the "
            "fluxes in e-/s per sample, BP before RP, of its release? If they are, train on them"
        )
    kept = answered & galaxy
    left = int(kept.sum())
    if left < FEWEST:
        out = f" ({len(dataset) - left} more are flagged, or get no redshift)" if left < len(dataset) else ""
        raise InvalidInputError(
            f"{dataset.name} has {counted(left, 'galaxy', 'galaxies')} to learn from{out}: {FEWEST} are needed at least"
        )
    rows = np.arange(len(dataset)) if dataset.parent is None else dataset.parent
    flux = dataset.flux[kept]
    labelled = Labelled(flux, dataset.redshift[kept].astype(np.float64), rows[kept], outputs(source, flux))
    return Chosen(labelled, flagged, int((~answered).sum()))


def recalibrate(bundle: Bundle, dataset: Dataset, release: Release) -> dict[str, Any]:
    """Write a bundle that holds on labelled galaxies what it promises.

    Parameters
    ----------
    bundle : Bundle
        Trusted: its scaler is unpickled.
    dataset : Dataset
    release : Release

    Returns
    -------
    dict
        What ``recalibration.json`` holds.

    Raises
    ------
    InvalidInputError
        If the labelled galaxies cannot be learnt from, or the folder is taken.
    InvalidBundleError
        If the graph does not agree with the network, or the network is of a kind that takes no correction.
    """
    release.check_free()
    source = load_source(bundle)
    chosen = choose(bundle, dataset, source)
    edges = None if bundle.bins is None else bundle.bins.edges
    found = Recalibration(bundle.calibration, edges).learn(chosen.galaxies)
    said = report(bundle, dataset, chosen, found)
    manifest = bundle.manifest.model_copy(
        update={
            "name": release.name,
            "version": release.version,
            "description": f"{sentence(said)} {bundle.manifest.description}",
            "metrics": {name: value for name, (value, _) in said["after"]["survey"].items()},
            "created": datetime.now(UTC).replace(microsecond=0),
        }
    )
    with release.staged() as staged:
        for name in bundle.manifest.files:
            (staged / name).write_bytes(bundle.read(name))
        if not found.correction.is_none:
            correct(source.network, found.correction, bundle)
            source.network.save(staged / KERAS_FILE)
        (staged / CALIBRATION_FILE).write_text(found.calibration.model_dump_json(indent=1) + "\n", encoding="utf-8")
        (staged / RECALIBRATION_FILE).write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
        (staged / CARD_FILE).write_text(card(manifest, said, bundle), encoding="utf-8")
        (staged / MANIFEST).write_text(manifest.model_dump_json(), encoding="utf-8")
        convert_apart(staged)
        flux, graph = chosen.galaxies.flux, (staged / ONNX_FILE).read_bytes()
        check_agreement(manifest, found.calibration, graph, flux, outputs(source, flux))
        seal(staged, manifest)
        Bundle(staged)
    return said


def outputs(source: Source, flux: FloatArray) -> dict[str, FloatArray]:
    """Return a network's outputs by name for raw spectra: ``redshift`` (n,), or ``density`` (n, bins) and ``kind``."""
    found = named(source.network.predict(np.asarray(source.scaled(flux)), batch_size=256, verbose=0))
    return {name: values[:, 0] if name == "redshift" else values for name, values in found.items()}


def correct(network: Network, correction: Correction, bundle: Bundle) -> None:
    """Take a correction into the weights of a network's last layer.

    Parameters
    ----------
    network : keras.Model
    correction : Correction
    bundle : Bundle
        That the network is of.

    Raises
    ------
    InvalidBundleError
        If the last layer is not of the kind that every recipe of the workshop ends with.
    """
    name, activation = ("redshift", "linear") if bundle.bins is None else ("density", "softmax")
    layer = next((layer for layer in network.layers if layer.name == name), network.layers[-1])
    config = layer.get_config()
    if type(layer).__name__ != "Dense" or config["activation"] != activation or not config["use_bias"]:
        raise InvalidBundleError(
            f"{bundle.manifest.id}: the layer {layer.name} is not the {activation} dense layer that takes a correction"
        )
    kernel, bias = (np.asarray(weight, np.float64) for weight in layer.get_weights())
    if bundle.bins is None:
        kernel, bias = kernel * (1 + correction.shift), correction.of_redshift(bias)
    else:
        # The layer's output is ln p + constant; p over the prior of training is what is corrected.
        matrix, ln_prior = correction.matrix(bundle.bins.edges), np.log(bundle.bins.prior_train)
        kernel, bias = kernel @ matrix, (bias - ln_prior) @ matrix + ln_prior
    layer.set_weights([kernel.astype(np.float32), bias.astype(np.float32)])


def report(bundle: Bundle, dataset: Dataset, chosen: Chosen, found: Recalibrated) -> dict[str, Any]:
    """Return what was learnt from what, and what it brought, for ``recalibration.json``."""
    true = chosen.galaxies.true
    return {
        "from": {"model": bundle.manifest.id, "manifest_sha256": bundle.sha256},
        "data": {
            "name": dataset.name,
            "sha256": dataset.sha256,
            "simulated": dataset.simulated,
            "galaxies": len(true),
            "taken_for_no_galaxy": chosen.no_galaxies,
            "without_redshift": chosen.without,
            "left_out": dict(dataset.dropped),
            "redshift_range": [float(true.min()), float(true.max())],
        },
        "correction": asdict(found.correction),
        "before": _measured(true, found.before),
        "after": _measured(true, found.after),
    }


def _measured(true: NDArray[np.float64], judged: Mapping[PriorName, Judged]) -> dict[str, dict[str, list[float]]]:
    """Return metrics with their errors by prior: the median's and the MAE's as of n errors, coverage's binomial."""
    found = {}
    for prior, each in judged.items():
        metrics, root = measure(true, each.predicted).as_dict(), np.sqrt(len(true))
        scatter = float(np.abs(each.predicted - true).std() / root)
        values = {
            "bias_median": (metrics["bias_median"], 1.2533 * metrics["nmad"] / root),
            "nmad": (metrics["nmad"], 1.17 * metrics["nmad"] / root),
            "mae": (metrics["mae"], scatter),
        }
        for name, inside in (("coverage_68", each.inside68), ("coverage_95", each.inside95)):
            share = float(inside.mean())
            values[name] = (share, float(np.sqrt(share * (1 - share)) / root))
        found[str(prior)] = {name: [round(float(part), 6) for part in pair] for name, pair in values.items()}
    return found


def sentence(said: Mapping[str, Any]) -> str:
    """Return where a recalibrated bundle comes from, in words."""
    data, start = said["data"], said["from"]
    return (
        f"Recalibrated from {start['model']} (manifest SHA-256 {start['manifest_sha256']}) on {data['galaxies']} "
        f"labelled galaxies of {data['name']} (SHA-256 {data['sha256']}). {ORIGIN[data['simulated']]}"
    )


def correction_in_words(said: Mapping[str, Any]) -> str:
    """Return what was done to the redshifts."""
    correction = Correction(**said["correction"])
    if correction.is_none:
        return "Redshifts stay as they were: galaxies held back gain nothing by a correction."
    wider = ""
    if "flat" in said["after"]:
        wider = f", and densities have the temperature {correction.temperature:.2f} (above one they are wider)"
    return f"A redshift z becomes z {correction.shift:+.4f} (1 + z){wider}."


def table(said: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Return prior, measure, before and after, with errors, row by row."""
    rows = []
    for prior, measures in said["after"].items():
        for name, after in measures.items():
            percent = name.startswith("coverage")
            cells = [_with_error(*pair, percent=percent) for pair in (said["before"][prior][name], after)]
            rows.append((prior, _WORDS[name], *cells))
    return rows


_WORDS = {
    "bias_median": "bias: median dz",
    "nmad": "NMAD of dz",
    "mae": "mean absolute error",
    "coverage_68": "in the 68% interval",
    "coverage_95": "in the 95% interval",
}


def _with_error(value: float, error: float, *, percent: bool) -> str:
    return f"{value:.1%} +- {error:.1%}" if percent else f"{value:+.4f} +- {error:.4f}"


def card(manifest: Manifest, said: Mapping[str, Any], bundle: Bundle) -> str:
    """Return the card: what the recalibration learnt and brought, and then the card of the model it began with."""
    data = said["data"]
    rows = "\n".join(f"| {' | '.join(row)} |" for row in table(said))
    return f"""**{sentence(said)}**

# {manifest.name} {manifest.version}

## Recalibration

Intervals were set anew by labelled galaxies at redshifts from {data["redshift_range"][0]:.3f} to \
{data["redshift_range"][1]:.3f}. {correction_in_words(said)}
{data["taken_for_no_galaxy"]} rows that the model takes for no galaxy were left out, and {data["without_redshift"]} \
that get no redshift.

| prior | | before | after, cross-validated |
|---|---|---|---|
{rows}

The intervals hold their share of galaxies such as the labelled ones: as bright, at such redshifts, chosen in that way.
Quality flags are those of the model it began with.

What follows is the card of {said["from"]["model"]}: its numbers are that model's.

{bundle.read(CARD_FILE).decode()}"""
