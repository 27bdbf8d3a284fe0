"""What each release of Gaia publishes of BP/RP: sizes, names, and which grid its spectra are sampled on.

A file is assigned to its release by its columns, its sizes and what it says of itself. A new release is one more entry
of `RELEASES`, and its bases (`Basis`). Imports numpy alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gaia_redshift.spectra.basis import Basis
from gaia_redshift.spectra.grid import DR3, Grid


@dataclass(frozen=True, slots=True)
class Release:
    """One release of Gaia.

    Attributes
    ----------
    name : str
        Such as ``Gaia DR3``, as the archive spells it.
    coefficients : tuple of int
        Of BP and of RP.
    retrieval_types : tuple of str
        What the archive's DataLink calls the mean spectra, the present name first.
    coefficient_columns : tuple of str
        Names of the columns of BP's and of RP's coefficients.
    schema : str
        Of the release's tables in the archive's TAP.
    grid : Grid, optional
        Where its spectra are sampled; None while no model reads them.
    basis : Basis, optional
        From coefficients to samples of `grid`; None while it is not public.
    basis_ids : tuple of int, optional
        What the archive calls the bases of BP and of RP, whose coefficients `basis` turns into samples.
    """

    name: str
    coefficients: tuple[int, int]
    retrieval_types: tuple[str, ...]
    coefficient_columns: tuple[str, str]
    schema: str
    grid: Grid | None = None
    basis: Basis | None = None
    basis_ids: tuple[int, int] | None = None


RELEASES: dict[str, Release] = {
    release.name: release
    for release in (
        Release(
            name="Gaia DR3",
            coefficients=(55, 55),
            retrieval_types=("XP_CONTINUOUS",),
            coefficient_columns=("bp_coefficients", "rp_coefficients"),
            schema="gaiadr3",
            grid=DR3,
            basis=Basis(DR3.file.parent / "smsgen_basis.npz"),
            basis_ids=(56, 57),
        ),
        # As far as it is public before December 2026: gaia-dpci/GaiaXPy#114, astropy/astroquery#3110 and the types that
        # the released astroquery knows. Its bases are not.
        Release(
            name="Gaia DR4",
            coefficients=(51, 55),
            retrieval_types=("MEAN_SPECTRUM_XP", "XP_MEAN_SPECTRUM"),
            coefficient_columns=("bp_coefficients", "rp_coefficients"),
            schema="gaiadr4",
        ),
    )
}
"""Every release that this version knows, by name."""


def find_release(name: str) -> Release:
    """Return the release of a name such as ``Gaia DR3``, ``gaiadr3`` or ``dr3``; raises ValueError for another."""
    found = named_release([name, f"gaia{name}"])
    if found is None:
        raise ValueError(f"there is no release {name[:40]!r}; this version knows {', '.join(RELEASES)}")
    return found


def release_of_sizes(sizes: tuple[int | None, int | None]) -> Release | None:
    """Return the first release with these numbers of coefficients, None standing for a band that is missing."""
    for release in RELEASES.values():
        pairs = zip(sizes, release.coefficients, strict=True)
        if any(sizes) and all(size in {None, own} for size, own in pairs):
            return release
    return None


def release_of_grid(grid: Grid) -> Release | None:
    """Return the release whose spectra are sampled on this grid."""
    return next((release for release in RELEASES.values() if release.grid and release.grid.name == grid.name), None)


def named_release(texts: Sequence[str]) -> Release | None:
    """Return the release that one of some texts names, such as ``gaiadr3.xp_continuous_mean_spectrum``."""
    for text in texts:
        plain = text.lower().replace(" ", "").replace("_", "").replace("-", "")
        for release in RELEASES.values():
            if release.name.lower().replace(" ", "") in plain:
                return release
    return None
