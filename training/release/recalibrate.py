"""A bundle whose intervals, and redshifts if they gain, are adjusted to labelled galaxies. Imports `calibration`.

The correction goes into the weights of the network's last layer, which is affine in what it changes, and the intervals
into ``calibration.json``; the graph is made from both anew. The bundle has the form of any other.
"""

import json
from datetime import UTC, datetime

import numpy as np

from gaia_redshift.bundle import CALIBRATION_FILE, CARD_FILE, KERAS_FILE, Bundle
from gaia_redshift.engine.keras import Source, load_source
from gaia_redshift.errors import InvalidBundleError, InvalidInputError, counted
from gaia_redshift.interpretation.sample import NO_GALAXY
from gaia_redshift.predictor import Predictor
from gaia_redshift.spectra import Grid, SpectrumBatch
from training.calibration.correction import Correction
from training.calibration.recalibration import Labelled, Recalibration
from training.data.dataset import Dataset
from training.recipes.recipe import Network
from training.release.agreement import check_agreement
from training.release.convert import complete
from training.release.export import Release
from training.release.recalibrated import RECALIBRATION_FILE, Chosen, Report
from training.trainer.fit import network_output

FEWEST = 100
"""With fewer, each end of the 95% interval depends on two galaxies."""
FEW = 300
"""With fewer, coverage is known to no better than 3%."""


def choose(bundle: Bundle, dataset: Dataset, source: Source, *, carry_over: bool = False) -> Chosen:
    """Return the labelled galaxies that the model takes for galaxies, with the output of the bundle's network.

    By a column ``ebv`` they are corrected for dust, as they will be when they are predicted.

    Spectra of another release are accepted if they are to be carried over and their samples lie at the wavelengths of
    the model's; else they raise UnsupportedByModelError. Raises InvalidInputError if most are not taken for galaxies,
    or fewer than `FEWEST` are left.
    """
    model = Predictor(bundle, engine="onnx")
    if not carry_over or not alike(bundle.grid, dataset.grid):
        model.check_grid(SpectrumBatch(dataset.flux[:1], grid=dataset.grid))
    batch = dataset.batch()
    corrected = bundle.corrected(batch.usable_flux(), batch.ebv)
    found = corrected.together(model.answer(corrected.flux))
    answered = np.isfinite(found.redshift)
    galaxy = (found.flags & NO_GALAXY) == 0
    flagged = int((answered & ~galaxy).sum())
    if 2 * flagged > len(dataset):
        raise InvalidInputError(
            f"{flagged} of {dataset.name}'s {len(dataset)} spectra are flagged out_of_distribution or stellar_like: "
            f"to {bundle.manifest.id} they are not galaxies, and no interval learnt from them would hold. Are the "
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
    flux = corrected.flux[: len(dataset)][kept]
    labelled = Labelled(flux, dataset.redshift[kept].astype(np.float64), rows[kept], network_output(source, flux))
    return Chosen(labelled, flagged, int((~answered).sum()))


def alike(model: Grid, data: Grid) -> bool:
    """Return whether the samples of two grids lie within half a sample of each other."""
    if (model.bp.count, model.rp.count) != (data.bp.count, data.rp.count):
        return False
    apart = np.abs(model.wavelength_nm - data.wavelength_nm)
    return bool((apart < 0.5 * np.abs(np.gradient(model.wavelength_nm))).all())


def recalibrate(bundle: Bundle, dataset: Dataset, release: Release, *, carry_over: bool = False) -> Report:
    """Write a bundle whose intervals hold their share of the labelled galaxies; return the report.

    The old bundle is trusted: its scaler is unpickled. With `carry_over` the new one reads the release of the labelled
    spectra, if that is another one.

    Raises
    ------
    InvalidInputError
        If the labelled galaxies cannot be learnt from, or the folder is taken.
    InvalidBundleError
        If the graph does not agree with the network, or the network is of a kind that takes no correction.
    """
    release.check_free()
    source = load_source(bundle)
    chosen = choose(bundle, dataset, source, carry_over=carry_over)
    found = Recalibration(bundle.calibration, bundle.bins).learn(chosen.galaxies)
    report = Report(bundle, dataset, chosen, found)
    manifest = bundle.manifest.model_copy(
        update={
            "name": release.name,
            "version": release.version,
            "grid": dataset.grid.name,
            "description": f"{report.origin()} {bundle.manifest.description}",
            "metrics": {name: value for name, (value, _) in report.metrics(found.after)["survey"].items()},
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
        (staged / RECALIBRATION_FILE).write_text(json.dumps(report.as_dict(), indent=1) + "\n", encoding="utf-8")
        (staged / CARD_FILE).write_text(report.card(manifest), encoding="utf-8")
        flux = chosen.galaxies.flux
        check_agreement(complete(staged, manifest), flux, network_output(source, flux))
    return report


def correct(network: Network, correction: Correction, bundle: Bundle) -> None:
    """Make a correction part of the weights of the last layer of a bundle's network.

    Raises InvalidBundleError if that layer is not of the kind that every recipe ends with.
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
