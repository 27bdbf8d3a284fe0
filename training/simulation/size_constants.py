"""How large and how bright simulated galaxies are: relations, selections, a few free numbers."""

from training.simulation.constants import Constant, table

HUBBLE_KM_S_MPC = Constant(70.0, "km/s/Mpc", "published", "of the relations below, h = .7")
MATTER_DENSITY = Constant(0.3, "", "published", "of the same flat universe")
SIZE_EARLY = Constant(
    (0.65, -5.06),
    "",
    "published",
    "log10 half-light radius in kpc of early types = -.4 a M_r + b, Sersic fits, Shen et al. 2003, figure 6",
)
SIZE_LATE = Constant(
    (0.26, 0.51, -1.71, -20.91), "", "published", "alpha, beta, gamma, M_0 of late types, ditto, equation 15"
)
SIZE_SCATTER = Constant(
    (0.45, 0.27, -20.91), "ln", "published", "faint, bright, M_0: scatter of that radius, ditto, equation 16"
)
SIZE_REDSHIFT = Constant(0.1, "", "published", "at which those relations hold, about the median of their galaxies")
BULGE_BEYOND_PETROSIAN = Constant(
    0.24,
    "mag",
    "published",
    "by which a bulge is brighter than its Petrosian magnitude: that has 80% of its light, Shen et al. 2003",
)
SIZE_EVOLUTION = Constant(
    (-1.48, -0.75),
    "",
    "published",
    "power of (1+z) of radii, early and late types, at one mass, van der Wel et al. 2014; taken at one luminosity",
)
SIZE_WAVELENGTH = Constant(
    -0.0925, "", "published", "power of wavelength of radii: 13% smaller in Ks than in g, Lange et al. 2015"
)
BAND_NM = Constant({"BP": 530.0, "RP": 780.0}, "nm", "guessed", "mean wavelength of a galaxy's light in each band")
EARLY_DIVIDER = Constant(
    (1.94, -0.244, -20.07, 1.09),
    "mag",
    "published",
    "u-r that parts early from late types, Baldry et al. 2004, eq. 11, less .12 by which the templates are bluer",
)
EARLY_WIDTH = Constant(0.10, "mag", "guessed", "over which the share of early types rises about the divider")
ELLIPTICAL_FRACTION = Constant(0.15, "", "guessed", "share of early types that are all bulge")
BULGE_SHARE = Constant(
    ((0.50, 0.20), (0.17, 0.18)),
    "",
    "guessed",
    "means of early and late types' bulge-to-total ratios and their scatters, near Graham & Worley 2008",
)
BULGE_OVER_SCALE = Constant(
    (0.22, 0.30),
    "",
    "published",
    "bulge's effective radius over the disc's scale length, Graham & Worley 2008; ln scatter",
)
THICKNESS = Constant(
    {"bulge": (0.60, 0.15), "disc": (0.22, 0.06)},
    "",
    "published",
    "shortest over longest axis, mean and scatter: discs by Ryden 2004, bulges between faint and bright early types "
    "of Padilla & Strauss 2008, with a guessed scatter",
)
SDSS_WIDTH_NM = Constant(
    (41.0, 89.0, 81.0, 87.0),
    "nm",
    "published",
    "ugri: full width at half maximum of Gaussians as wide, in rms, as the passbands (SVO), which are nearly boxes",
)
AB_ZERO_W_M2_HZ = Constant(3.631e-23, "W m-2 Hz-1", "published", "flux of magnitude 0, Oke & Gunn 1983")
MAIN_LIMIT = Constant(17.77, "mag", "published", "Petrosian r of SDSS's main galaxies, Strauss et al. 2002")
LUMINOUS_RED = Constant(
    (19.6, 13.5),
    "mag",
    "published",
    "faintest r of BOSS's LOWZ sample, r - c_par / .3 at its limit, Dawson et al. 2013",
)
FIBRE_LIMIT = Constant(
    (15.0, 1.5), "mag, arcsec", "published", "r that no fibre of this radius may exceed, Strauss et al. 2002"
)
BOSS = Constant(
    (19.9, 0.42, 0.02),
    "mag, redshift",
    "published",
    "faintest i of BOSS's CMASS sample, Dawson et al. 2013; guessed: where its colour cut lets it set in, how softly",
)
OTHER_FRACTION = Constant(
    0.25,
    "",
    "measured",
    "galaxies beyond the limits of SDSS's large samples, taken for other reasons: what the smallest real fluxes ask",
)
OTHER_LIMIT = Constant(20.5, "mag", "guessed", "r, about, of the faintest among them that may be drawn")
PARENT_COMPLETENESS = Constant(
    ((16.4, 16.6, 16.9, 17.1, 17.4, 17.6, 17.8), (1.0, 0.87, 0.76, 0.56, 0.33, 0.18, 0.12)),
    "",
    "measured",
    "share of SDSS's main galaxies that are parents against r: their counts over 10^(.55 r), about Yasuda et al. 2001",
)
LUMINOSITY_REDSHIFT = Constant(
    (0.08, 0.15),
    "",
    "guessed",
    "parents beyond the first, weighted by 1/Vmax, are the luminosity function of galaxies beyond the second",
)
CORE_ARCSEC = Constant(
    0.35, "arcsec", "guessed", "radius of about as large an area as Gaia's detection sums, de Bruijne et al. 2015"
)
CORE_LIMIT = Constant(
    (20.4, 0.2),
    "mag",
    "measured",
    "r of a core that Gaia keeps in half of all cases, and softness: real mean curves at z > .4",
)
AMPLITUDE = Constant(
    (0.757, 0.842, 0.832, 0.828, 1.01, 1.16),
    "",
    "measured",
    "flux over what magnitudes and sizes say, at `PEAK_REDSHIFT`: holds the amplitudes of the six real mean curves",
)
NUCLEUS_FRACTION = Constant(
    (0.0006, 5.0),
    "",
    "measured",
    "galaxies with an active nucleus before any selection, of z = 0, and its power of 1+z: real mean curves at z > .4",
)
SCANS = Constant(8, "", "guessed", "independent angles at which Gaia scanned a galaxy, uniform")
PIXEL_ARCSEC = Constant(0.0589, "arcsec", "published", "along scan, Gaia Collaboration 2016")
WINDOW_ACROSS_ARCSEC = Constant(2.12, "arcsec", "published", "12 pixels of .177 arcsec, Gaia Collaboration 2016")

if __name__ == "__main__":
    import sys

    sys.stdout.write(table(globals()))
