"""Draw the figures of docs/validation.md from a simulated Parquet file and the real data.

python benchmarks/validation_figures.py SIMULATED.parquet [--reference DIR] [--output docs/figures]
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import real_spectra as realism

from gaia_redshift.spectra import DR3
from training.evaluation.figures import PALETTE, figure
from training.simulation import constants, noise, population
from training.simulation.instrument import BANDS, WINDOW_PX, kept_matrix

SAMPLE = np.arange(186)
WAVELENGTH_AXIS = "wavelength in nm"
CLOSEST = 3
SHOWN = 60_000


def in_bands(axes, values: np.ndarray, **style) -> None:  # noqa: ANN001, ANN003  # matplotlib axes and styles
    """Plot 186 values against wavelength, each band separately."""
    label = style.pop("label", None)
    axes.plot(DR3.wavelength_nm[: DR3.bp.count], values[: DR3.bp.count], label=label, **style)
    axes.plot(DR3.wavelength_nm[DR3.bp.count :], values[DR3.bp.count :], **style)


def mean_spectra(directory: Path, real: np.ndarray, redshift: np.ndarray, flux: np.ndarray) -> None:
    """Mean spectra in six ranges, and the differences."""
    with figure("validation-mean-spectra", directory, nrows=2, sharex=True, figsize=(7.5, 6.5)) as (top, bottom):
        for colour, ((low, high), wanted) in enumerate(zip(realism.RANGES, real.T, strict=True)):
            inside = (redshift >= low) & (redshift < high)
            mean = flux[inside].mean(axis=0, dtype=np.float64)
            style = {"color": PALETTE[colour]}
            in_bands(top, mean, label=f"z {low:.1f} to {high:.1f}", **style)
            in_bands(top, wanted, linestyle=":", **{**style, "color": "black"})
            in_bands(bottom, 100 * (mean - wanted) / np.nanmax(wanted), **style)
        top.set(ylabel="mean flux in e-/s per sample", yscale="log", title="Simulated (colour) and real (dotted)")
        top.legend(ncols=2, fontsize=8)
        bottom.set(xlabel=WAVELENGTH_AXIS, ylabel="simulated - real, % of real peak", ylim=(-12, 12))


def extremes(directory: Path, real: np.ndarray, flux: np.ndarray) -> None:
    """Smallest and largest flux of each sample."""
    with figure("validation-range", directory, nrows=2, sharex=True, figsize=(7.5, 5.5)) as (top, bottom):
        for axes, which, column in ((top, flux.max(axis=0), 1), (bottom, flux.min(axis=0), 0)):
            in_bands(axes, which, color=PALETTE[0], label="simulated")
            in_bands(axes, real[:, column], color="black", linestyle=":", label="real")
        top.set(ylabel="largest flux, e-/s per sample", ylim=(0, None), title="Extremes over all galaxies")
        top.legend()
        bottom.set(xlabel=WAVELENGTH_AXIS, ylabel="smallest flux, e-/s per sample")


def compactness(directory: Path, real: np.ndarray, redshift: np.ndarray, flux: np.ndarray) -> None:
    """Light at 620 nm in RP relative to BP, which is less for more compact galaxies."""
    red, blue = 83, 76
    middle = [(low + high) / 2 for low, high in realism.RANGES]
    means = [flux[(redshift >= low) & (redshift < high)].mean(axis=0) for low, high in realism.RANGES]
    with figure("validation-compactness", directory) as axes:
        axes.plot(middle, [mean[red] / mean[blue] for mean in means], "o-", label="simulated")
        axes.plot(middle, real[red] / real[blue], "ks", fillstyle="none", label="real (unknown at z .35)")
        axes.set(xlabel="redshift", ylabel=f"mean flux of sample {red} (RP, 626 nm) / {blue} (BP, 608 nm)", ylim=(0, 1))
        axes.set(title="Smear fills the blue edge of RP: beyond z = .4 there is little of it")
        axes.legend()


def correlation(directory: Path, reference: Path) -> None:
    """Correlation of the errors of samples against their distance."""
    lags = np.arange(25)
    with figure("validation-noise", directory, ncols=2, sharey=True, figsize=(7.5, 3.6)) as panels:
        for axes, band in zip(panels, BANDS, strict=True):
            samples = kept_matrix(band)
            for star in realism.read_stars(reference / "gaia_xp"):
                if star.band == band:
                    axes.plot(lags, _at_lags(samples.T @ star.covariance @ samples, lags), "k:")
            flat = noise.coefficient_covariance(band, np.ones((1, len(WINDOW_PX)), dtype=np.float32))[0]
            axes.plot(lags, _at_lags(samples.T @ flat @ samples, lags), label="simulated")
            axes.plot([], [], "k:", label="archive, real stars")
            axes.set(xlabel="distance in samples", title=band)
        panels[0].set(ylabel="correlation of errors")
        panels[0].legend()


def _at_lags(covariance: np.ndarray, lags: np.ndarray) -> list[float]:
    error = np.sqrt(np.diagonal(covariance))
    matrix = covariance / np.outer(error, error)
    return [float(np.diagonal(matrix, int(lag)).mean()) for lag in lags]


def stars(directory: Path, reference: Path) -> None:
    """Archive spectra of real stars and the forward model of their calibrated light."""
    found = realism.read_stars(reference / "gaia_xp")
    with figure("validation-stars", directory, nrows=2, sharex=True, figsize=(7.5, 5.5)) as (top, bottom):
        for star in found:
            archive, model = realism.forward_spectra(star)
            nm = DR3.positions.wavelength_nm[DR3.positions.band == star.band][
                DR3.bp.kept if star.band == "BP" else DR3.rp.kept
            ]
            colour = PALETTE[sorted({one.source_id for one in found}).index(star.source_id)]
            top.plot(nm, model / archive.max(), color=colour)
            top.plot(nm, archive / archive.max(), "k:")
            bottom.plot(nm, 100 * (model - archive) / archive.max(), color=colour)
        top.set(ylabel="flux / peak", title="Forward model (colour) and archive (dotted) of real stars")
        bottom.set(xlabel=WAVELENGTH_AXIS, ylabel="difference, % of peak")


def one_galaxy(directory: Path, spectrum: np.ndarray, redshift: np.ndarray, flux: np.ndarray) -> None:
    """One real galaxy and the simulated ones that are closest to it."""
    distance = ((flux - spectrum) ** 2).mean(axis=1)
    with figure("validation-galaxy", directory) as axes:
        for colour, row in enumerate(np.argsort(distance)[:CLOSEST]):
            in_bands(axes, flux[row], color=PALETTE[colour], label=f"simulated, z = {redshift[row]:.3f}", linewidth=1)
        in_bands(axes, spectrum, color="black", label="real galaxy")
        axes.set(xlabel=WAVELENGTH_AXIS, ylabel="flux in e-/s per sample", title="A real galaxy and those most like it")
        axes.legend()


def redshifts(directory: Path, redshift: np.ndarray) -> None:
    """Distribution of redshifts, simulated and published."""
    percent = np.array(constants.REDSHIFT_BIN_PERCENT.value)
    edges = np.linspace(0, population.REDSHIFT_LIMIT, len(percent) + 1)
    counts = np.histogram(redshift, edges)[0]
    with figure("validation-redshifts", directory) as axes:
        axes.stairs(100 * counts / counts.sum(), edges, fill=True, alpha=0.4, label="simulated")
        axes.plot((edges[1:] + edges[:-1]) / 2, percent, "ks", fillstyle="none", label="published")
        axes.set(xlabel="redshift", ylabel="% of galaxies per .05", yscale="log", title="Redshifts")
        axes.legend()


def main() -> int:
    """Draw all figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("simulated", type=Path)
    parser.add_argument("--reference", type=Path, default=Path("../shared/reference"))
    parser.add_argument("--output", type=Path, default=Path("docs/figures"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    redshift, flux, *_ = realism.read_spectra(options.simulated)
    real = realism.read_table(options.reference / "real_mean_flux.csv")[:, -6:]
    mean_spectra(options.output, real, redshift, flux)
    extremes(options.output, realism.read_table(options.reference / "real_flux_range.csv"), flux)
    compactness(options.output, real, redshift, flux)
    correlation(options.output, options.reference)
    stars(options.output, options.reference)
    spectrum = realism.read_table(options.reference / "real_spectrum.csv")[:, 0]
    one_galaxy(options.output, spectrum, redshift[:SHOWN], flux[:SHOWN])
    redshifts(options.output, redshift)
    for vector in options.output.glob("validation-*.svg"):
        vector.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
