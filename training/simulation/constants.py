"""Every number the simulator assumes, with its unit and origin: measured, published or guessed.

`table` prints them; the documentation holds that table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Constant(Generic[Value]):
    """One assumed number, or a few that belong together."""

    value: Value
    unit: str
    origin: Literal["measured", "published", "guessed"]
    source: str


# --- the telescope ---
APERTURE_M2 = Constant(0.7278, "m2", "published", "pupil area, Carrasco et al. 2021 (A&A 652, A86); GaiaXPy")
PLANCK_J_S = Constant(6.62607004e-34, "J s", "published", "CODATA 2014, as in GaiaXPy")
LIGHT_SPEED_M_S = Constant(2.99792458e8, "m/s", "published", "SI")
LINE_SPREAD = Constant(
    {
        "BP": (
            *(-0.2755, -0.3503, -0.0968, 0.1775, -0.0297, 0.5764, -0.2673),
            *(-0.4972, -0.0679, 1.6961, 0.5841, -0.0147, 0.0161, -0.0244, 0.0, 0.0, 0.0),
        ),
        "RP": (
            *(-0.3590, 0.0577, 0.1191, 0.0394, 0.1605, -0.0271, 0.0605),
            *(-0.4833, 0.1644, 1.0012, -1.1550, -0.0302, 0.0234, 0.1081, 0.1380, 2.5536, 0.2877),
        ),
    },
    "see `instrument.LineSpread`",
    "measured",
    "build/line_spread.py: fitted to GaiaXPy's 55 pairs of inverse and internal bases, weighted by stars' coefficients",
)
LINE_SPREADS = {"Gaia DR3": LINE_SPREAD}
"""By release; a new one is one entry more, as build/line_spread.py prints it."""
LINE_SPREAD_SCALE_NM = Constant(
    {"BP": (480.0, 150.0), "RP": (820.0, 200.0)}, "nm", "guessed", "middle and scale of the fit's wavelength axis"
)

# --- how extended galaxies fall on the detector ---
SAMPLE_OFFSET_PX = Constant(
    {"BP": 0.25, "RP": 0.70},
    "px",
    "measured",
    "mean flux curves of 520,393 real galaxies; of the order of the .5 px to which the grid's inner ends are known",
)
POSITION_JITTER_PX = Constant(0.10, "px", "guessed", "centroid error of a resolved galaxy, per band")
SMEAR_SIGMA_PX = Constant(
    (0.0, 0.7, 1.4, 2.1, 3.0, 4.3, 6.0, 8.5, 12.0, 17.0, 24.0, 34.0, 48.0, 68.0),
    "px",
    "guessed",
    "Gaussians whose mixture is a profile along scan",
)

# --- galaxies ---
PARENT_WINDOW = Constant(0.012, "", "guessed", "half width in redshift within which a parent is drawn")
PARENT_MINIMUM = Constant(30, "", "guessed", "the window grows until it holds this many parents")
COEFFICIENT_SCATTER = Constant(0.10, "ln", "guessed", "diversity about the parent, per template")
LINE_SCATTER = Constant(0.40, "ln", "guessed", "emission-line strength about the parent's, all lines together")
LINE_GROUP_SCATTER = Constant(0.30, "ln", "guessed", "and per group of lines")
TILT = Constant((0.10, 0.08), "", "measured", "mean and scatter of the exponent of (wavelength / 620 nm)")
TILT_PIVOT_NM = Constant(620.0, "nm", "guessed", "where the tilt is 1")
BEYOND_TYPES = Constant(0.7, "", "guessed", "`--beyond`: share of those galaxies that are of other types")
BEYOND_TEMPLATES = Constant(
    (0.5, 0.15, 1.2, 0.7, 1.0),
    "",
    "guessed",
    "their shares of the templates at 550 nm, parameters of Dirichlet's: late types and starbursts among them",
)
BEYOND_LINES = Constant(0.8, "ln", "guessed", "their emission-line strength about the templates'")
BEYOND_TILT = Constant(0.6, "", "guessed", "scatter of one more exponent, as of dust inside or younger stars")
BEYOND_BRIGHTNESS = Constant(0.8, "mag", "guessed", "`--beyond`: scatter about the brightness that SDSS's would have")
BEYOND_EBV = Constant(0.3, "mag", "guessed", "`--beyond`: largest E(B-V) in front of them, uniform from 0")
BEYOND_BULGE = Constant((-0.4, 0.6), "ln", "guessed", "mean and scatter of the factor of their bulges' radii")
AGN_LIGHT = Constant((0.2, 0.9), "", "guessed", "the nucleus's share of the light at 500 nm, uniform")
AGN_SLOPE = Constant(
    (-1.5, 0.4), "", "published", "mean, scatter of the f_lambda slope; Vanden Berk et al. 2001: -1.56"
)
AGN_LINES_NM = Constant(
    (
        (279.9, 3.23, 3.50),
        (372.9, 0.16, 0.33),
        (434.2, 1.26, 2.03),
        (486.3, 4.62, 4.04),
        (500.8, 1.32, 0.60),
        (656.5, 19.45, 4.74),
    ),
    "nm",
    "published",
    "vacuum wavelength, equivalent width and sigma of the strongest lines, Vanden Berk et al. 2001, Table 2",
)
NUCLEUS_LINES = Constant(
    0.25, "", "guessed", "strength of those lines in galaxies: with all of it SDSS would have called them quasars"
)
NARROW_FRACTION = Constant(
    0.031,
    "",
    "published",
    "galaxies of SDSS with a narrow-line nucleus: 3,074 of 100,000, Hao et al. 2005 (AJ 129, 1783)",
)
NARROW_LINES_NM = Constant(
    (
        (372.9, 0.30),
        (387.0, 0.13),
        (486.3, 0.093),
        (496.0, 0.33),
        (500.8, 1.0),
        (630.2, 0.053),
        (656.5, 0.29),
        (658.5, 0.27),
        (672.4, 0.14),
    ),
    "nm",
    "published",
    "vacuum wavelength of their lines, flux over that of [OIII] 500.8 nm: mean of Seyfert 2, Ferland & Osterbrock 1986",
)
NARROW_WIDTH_NM = Constant(
    (1.0, 0.8), "nm", "guessed", "median equivalent width of that line and ln scatter, of the galaxy's light at 500 nm"
)
NARROW_SIGMA_NM = Constant(0.3, "nm", "guessed", "their width, which Gaia does not resolve")
AGN_LINE_SCATTER = Constant(0.40, "ln", "guessed", "scatter of those equivalent widths")
SDSS_EFFECTIVE_NM = Constant((355.0, 469.0, 617.0, 748.0, 893.0), "nm", "published", "ugriz, Doi et al. 2010")
EXTINCTION_PIVOT_NM = Constant(617.0, "nm", "published", "the catalogue's extinction is that of SDSS r")
TOTAL_TO_SELECTIVE = Constant(3.1, "", "published", "A(V) / E(B-V) of the Milky Way's diffuse dust, Gordon et al. 2023")

# --- the survey ---
REDSHIFT_BIN_PERCENT = Constant(
    (6.62, 27.77, 28.99, 16.61, 8.80, 6.00, 3.55, 1.15, 0.30, 0.11, 0.06, 0.04),
    "%",
    "published",
    "Kiraleos 2023, Table 3: the real 520,393 galaxies per .05 of redshift",
)
REDSHIFT_PERCENTILES = Constant(
    ((1, 0.0256), (5, 0.0446), (25, 0.0843), (50, 0.1257), (75, 0.1811), (90, 0.2586), (95, 0.3023), (99, 0.3694)),
    "",
    "published",
    "Kiraleos 2023, section 3.2 and code: percentiles of the same redshifts",
)
PEAK_REDSHIFT = Constant((0.05, 0.15, 0.25, 0.35, 0.45, 0.55), "", "measured", "redshifts of the peaks below")
PEAK_FLUX = Constant(
    (19.0, 7.79, 5.62, 3.30, 2.86, 2.51),
    "e-/s per sample",
    "measured",
    "mean RP peak of the real galaxies by redshift, so that the six mean flux curves have the right amplitude",
)
PEAK_SCATTER = Constant(0.60, "ln", "guessed", "galaxy to galaxy scatter of that peak at one redshift")

PEAK_LIMIT = Constant(
    125.0,
    "e-/s per sample",
    "measured",
    "no real peak of either band is brighter: SDSS omits sources too bright for its fibres",
)

# --- what is not a galaxy ---
QUASAR_REDSHIFT = Constant((0.1, 3.0), "", "guessed", "uniform")
QUASAR_LINES_NM = Constant(
    ((121.6, 9.29, 1.95), (154.9, 2.38, 1.43), (190.9, 2.12, 2.36)),
    "nm",
    "published",
    "further lines of quasars: Lyman alpha, C IV, C III], Vanden Berk et al. 2001, Table 2",
)
FOREST_DEPTH = Constant(0.0036, "", "published", "Lyman alpha forest's depth is this (1+z)^3.46, Press et al. 1993")
FOREST_POWER = Constant(3.46, "", "published", "the same")
SUN_TEMPERATURE_K = Constant(5777.0, "K", "published", "effective temperature of the Sun")
DWARF_TEMPERATURE_K = Constant((2900.0, 12000.0), "K", "guessed", "main sequence, uniform in ln")
GIANT_TEMPERATURE_K = Constant((3500.0, 5200.0), "K", "guessed", "giants, uniform in ln")
GIANT_FRACTION = Constant(0.3, "", "guessed", "share of giants")
GIANT_BLANKETING = Constant(0.3, "", "guessed", "by how much giants' lines exceed dwarfs'")
BLANKETING_POWER = Constant(
    ((3500.0, 4500.0, 5777.0, 7500.0, 9500.0), (1.8, 1.6, 1.0, 0.4, 0.0)),
    "",
    "guessed",
    "power of the Sun's line blanketing against temperature in K",
)
BALMER_NM = Constant((410.2, 434.0, 486.1, 656.3), "nm", "published", "air wavelengths of the Balmer lines")
BALMER_DEPTH = Constant(0.6, "", "guessed", "their central depth at 9,000 K")
BALMER_JUMP = Constant(0.4, "", "guessed", "light below 370 nm over light above it at 9,000 K")
TIO_HEADS_NM = Constant(
    (476.1, 495.5, 516.7, 544.8, 584.7, 615.8, 665.1, 705.4, 758.9, 843.2, 885.9, 920.9),
    "nm",
    "published",
    "heads of the strong bands of TiO, Kirkpatrick et al. 1991 (ApJS 77, 417)",
)
TIO_WIDTH_NM = Constant(12.0, "nm", "guessed", "how far each band reaches to the red")
TIO_DEPTH = Constant(0.55, "", "guessed", "its depth in the coolest stars")
BLEND_SHARE = Constant((0.1, 0.9), "", "guessed", "the star's share of the RP peak in a blend, uniform")
BLEND_OFFSET_PX = Constant(2.0, "px", "guessed", "scatter of the star's position along scan")

# --- noise ---
TRANSITS_MEDIAN = Constant(42.0, "", "published", "median number of BP/RP transits in DR3, De Angeli et al. 2023")
TRANSITS_SCATTER = Constant(
    0.50, "ln", "measured", "scatter of the transits, widened for the noisy tail of real spectra"
)
TRANSITS_RANGE = Constant(
    (10, 160), "", "measured", "bounds of the above; with fewer the faintest spectra dip deeper than real ones"
)
NOISE_EXCESS = Constant(0.10, "ln", "guessed", "scatter of errors beyond transits: crowding, scan angles")
COEFFICIENT_TAPER = Constant(
    ((0, 24, 30, 36, 42, 45, 48, 51, 53, 54), (1.0, 1.0, 0.92, 0.78, 0.64, 0.52, 0.37, 0.26, 0.15, 0.08)),
    "",
    "measured",
    "errors of high orders relative to white noise on the detector, from archive spectra of real stars",
)
PHOTON_VARIANCE = Constant(1.15, "e-/s", "measured", "variance per unit flux, 1 for pure photon noise")
BACKGROUND_VARIANCE = Constant(
    {"BP": 77.0, "RP": 67.0},
    "(e-/s)2 s",
    "measured",
    "variance of sky, read-out and neighbours per pixel and second, set by the high-pass rms of real galaxies",
)
EXPOSURE_S = Constant(4.42, "s", "published", "time on one CCD, Gaia Collaboration 2016")
BACKGROUND_OFFSET = Constant(0.08, "e-/s per px", "guessed", "scatter of the residual background, per band")
CALIBRATION_WIGGLE = Constant(0.006, "", "guessed", "amplitude of each of three smooth calibration errors")
CALIBRATION_CYCLES = Constant((0.042, 0.10, 0.19), "cycles per px", "guessed", "their frequencies")

# --- brightness ---
ZERO_POINT = Constant({"BP": 25.3385, "RP": 24.7479, "G": 25.6874}, "mag", "published", "Riello et al. 2021, VEGAMAG")
FLUX_EXCESS = Constant(
    (1.162004, 0.011464, 0.049255, -0.005879),
    "",
    "published",
    "(I_BP + I_RP) / I_G of stars as a polynomial in BP-RP from .5 to 4, Riello et al. 2021, Table 2",
)


def table(named: Mapping[str, object]) -> str:
    """Return the constants among a module's values as a Markdown table, in their order."""

    def cell(value: object) -> str:
        if isinstance(value, dict):
            return "; ".join(f"{key}: {cell(part)}" for key, part in value.items())
        if isinstance(value, tuple):
            return " ".join(f"({cell(part)})" if isinstance(part, tuple) else cell(part) for part in value)
        return f"{value:g}"

    rows = ["| constant | value | unit | origin | source |", "|---|---|---|---|---|"]
    for name, constant in named.items():
        if isinstance(constant, Constant):
            rows.append(
                f"| `{name}` | {cell(constant.value)} | {constant.unit} | {constant.origin} | {constant.source} |"
            )
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    import sys

    sys.stdout.write(table(globals()))
