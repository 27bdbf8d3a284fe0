"""Infer the redshift distributions of samples unlike the survey, and use them as priors: docs/validation.md.

    python benchmarks/sample.py [--galaxies 20000]

simulates galaxies uniform in redshift, keeps those whose parents no model has seen, and draws samples from them.
"""

import argparse
import sys

import numpy as np

from gaia_redshift.interpretation.sample import NO_GALAXY, Likelihoods
from gaia_redshift.predictor import Predictor
from gaia_redshift.spectra import SpectrumBatch
from training.data.parts import PARTS
from training.simulation.dataset import Recipe, simulate

SEED = 778
SIZES = (240, 500, 2000)
REPEATS = 10
KINDS = ("survey", "half in a cluster", "deeper by .1", "z .3 to .5")
BIN, FEWEST = 0.05, 10


def galaxies(wanted: int) -> tuple[np.ndarray, np.ndarray]:
    """Return redshifts, uniform from 0 to .6, and fluxes of galaxies of the test part."""
    redshift, flux = [], []
    count = 0
    for block in simulate(Recipe(100 * wanted, SEED, "uniform"), 1):
        kept = block.part == PARTS.index("test")
        redshift.append(block.redshift[kept])
        flux.append(block.flux[kept])
        count += int(kept.sum())
        if count >= wanted:
            break
    return np.concatenate(redshift)[:wanted], np.concatenate(flux)[:wanted]


def weights(kind: str, redshift: np.ndarray, density: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return the weight of each galaxy in a sample of this kind."""
    survey = np.interp(redshift, centres, density)
    cluster = (np.abs(redshift - 0.12) < 0.006).astype(float)
    made = {
        "survey": survey,
        "half in a cluster": cluster / cluster.sum() + survey / survey.sum(),
        "deeper by .1": np.interp(redshift - 0.1, centres, density, left=0),
        "z .3 to .5": ((redshift > 0.3) & (redshift < 0.5)).astype(float),
    }[kind]
    return made / made.sum()


def bias(true: np.ndarray, found: np.ndarray) -> float:
    """Return the mean over the galaxies of the absolute bias of their bin of true redshift."""
    number = (true / BIN).astype(int)
    full = [one for one in np.unique(number) if (number == one).sum() >= FEWEST]
    counts = np.array([(number == one).sum() for one in full])
    each = np.array([abs((found - true)[number == one].mean()) for one in full])
    return float(counts @ each / counts.sum())


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--galaxies", type=int, default=20_000)
    model = Predictor("default", engine="onnx")
    bins = model.bundle.bins
    redshift, flux = galaxies(parser.parse_args().galaxies)
    centres = (bins.edges[1:] + bins.edges[:-1]) / 2
    known = model(flux, prior="flat", pdf=True)
    flags = model.answer(flux).flags
    rng = np.random.default_rng(1)
    print(f"{len(redshift)} galaxies of the test part, seed {SEED}, {model.manifest.id}, {REPEATS} samples of each\n")
    print("| sample | galaxies | mean z, found - true | its error | rms in errors | n per .05, rms in errors |")
    print("|---|---|---|---|---|---|")
    under = [
        "",
        "| sample | galaxies | MAE survey, sample | bias by true z, survey, sample | 68% holds, survey, sample |",
    ]
    under.append("|---|---|---|---|---|")
    for kind in KINDS:
        chance = weights(kind, redshift, bins.prior("survey"), centres)
        for size in SIZES:
            off, errors, pulls, histogram, mae, biases, held = [], [], [], [], [], [], []
            for _ in range(REPEATS):
                rows = rng.choice(len(redshift), size, p=chance)
                found = Likelihoods(bins.edges, bins.prior("flat")).add(known["pdf"][rows], flags[rows]).infer()
                used = rows[(flags[rows] & NO_GALAXY) == 0]
                off.append(found.mean - redshift[used].mean())
                errors.append(found.mean_error)
                pulls.append(off[-1] / errors[-1])
                made = found.histogram(BIN)
                pull = (made.n - np.histogram(redshift[used], made.edges)[0]) / made.error
                histogram.append(np.sqrt(np.nanmean(pull**2)))
                batch = SpectrumBatch(flux[rows])
                both = [model.answer(batch.flux), model.answer(batch.flux, [(size, found.prior())])]
                true = redshift[rows]
                mae.append([np.abs(each.redshift - true).mean() for each in both])
                biases.append([bias(true, each.redshift) for each in both])
                inside = [(each.redshift_lower <= true) & (true <= each.redshift_upper) for each in both]
                held.append([each.mean() for each in inside])
            rms = np.sqrt(np.mean(np.square(pulls)))
            pull, error = np.mean(histogram), np.mean(errors)
            print(f"| {kind} | {size} | {np.mean(off):+.4f} | {error:.4f} | {rms:.1f} | {pull:.1f} |")
            (a, b), (c, d), (e, f) = np.mean(mae, 0), np.mean(biases, 0), np.mean(held, 0)
            under.append(f"| {kind} | {size} | {a:.4f}, {b:.4f} | {c:.4f}, {d:.4f} | {e:.0%}, {f:.0%} |")
    print("\n".join(under))
    return 0


if __name__ == "__main__":
    sys.exit(main())
