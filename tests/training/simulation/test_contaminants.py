"""Stars, quasars, blank sky and blends: present when asked for, and recognisable."""

from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from gaia_redshift.spectra import DR3
from training.data.kinds import KINDS, Kind
from training.simulation import contaminants, dataset
from training.simulation.cli import simulate
from training.simulation.instrument import WAVELENGTH_NM


def block(*kinds: Kind, count: int = 300) -> dataset.Block:
    return next(dataset.simulate(dataset.Recipe(count, 21, kinds=kinds)))


def test_kinds_come_in_equal_numbers_and_are_named_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "set.parquet"
    simulate(path, count=1000, seed=5, kind=list(KINDS))
    table = parquet.read_table(path)
    kinds, counts = np.unique(table.column("kind").to_pylist(), return_counts=True)
    assert sorted(kinds) == sorted(KINDS)
    assert counts.min() > 150
    assert table.schema.metadata[b"kinds"].decode().split() == list(KINDS)


def test_only_galaxies_and_blends_have_parents_and_only_they_and_quasars_redshifts() -> None:
    simulated = block(*KINDS)
    name = np.array(KINDS)[simulated.kind]
    assert ((simulated.parent_id >= 0) == np.isin(name, ["galaxy", "blend"])).all()
    assert (np.isnan(simulated.redshift) == np.isin(name, ["star", "sky"])).all()
    assert simulated.redshift[name == "quasar"].max() > 1


def test_blank_sky_is_noise_about_zero() -> None:
    flux = block("sky").flux
    assert abs(flux.mean()) < 0.02
    assert 0.05 < flux.std() < 0.5


def test_cool_stars_are_redder_than_hot_ones() -> None:
    rng = np.random.default_rng(1)
    light = contaminants.star_light(400, rng)
    temperature, _ = contaminants.draw_temperature(400, np.random.default_rng(1))
    blue = light[:, WAVELENGTH_NM < 500].sum(axis=1) / light.sum(axis=1)
    assert np.corrcoef(np.log(temperature), blue)[0, 1] > 0.9


def test_a_quasars_lyman_alpha_is_at_its_redshifted_wavelength() -> None:
    for redshift in (2.3, 2.7, 3.0):
        light = contaminants.quasar_light(np.full(20, redshift), np.random.default_rng(2)).mean(axis=0)
        peak = WAVELENGTH_NM[light.argmax()]
        assert peak == pytest.approx(121.6 * (1 + redshift), rel=0.02)


def test_a_blend_lies_between_its_galaxy_and_a_star() -> None:
    # Nothing but a point source has so deep a dip at the start of RP relative to the end of BP.
    edge = slice(81, 84)
    dip = {kind: np.median(block(kind).flux[:, edge].mean(axis=1) / block(kind).flux[:, 74:77].mean(axis=1))
           for kind in ("galaxy", "blend", "star")}  # fmt: skip
    assert dip["star"] < dip["blend"] < dip["galaxy"]
    assert DR3.wavelength_nm[81] < 626
