from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidInputError
from training.dataset import Dataset
from training.split import split

from .conftest import galaxies


def dataset_of(count: int) -> Dataset:
    flux, redshift = galaxies(count)
    return Dataset(flux, redshift, None, None, "galaxies.csv", "0" * 64, None)


def test_rows_are_split_63_27_10_and_each_is_used_once() -> None:
    parts = split(dataset_of(1000), seed=1)
    assert parts.counts() == {"train": 630, "validation": 270, "test": 100}
    everything = np.sort(np.concatenate([parts.train, parts.validation, parts.test]))
    np.testing.assert_array_equal(everything, np.arange(1000))


def test_the_seed_alone_decides_the_split() -> None:
    dataset = dataset_of(200)
    np.testing.assert_array_equal(split(dataset, seed=1).test, split(dataset, seed=1).test)
    assert split(dataset, seed=1).test.tolist() != split(dataset, seed=2).test.tolist()


@given(st.lists(st.integers(0, 60), min_size=100, max_size=400), st.integers(0, 5))
def test_no_parent_galaxy_is_in_two_parts(parents: list[int], seed: int) -> None:
    parent = np.concatenate([np.arange(61), parents])
    parts = split(replace(dataset_of(len(parent)), parent=parent), seed)
    train, validation, test = (set(parent[rows]) for rows in (parts.train, parts.validation, parts.test))
    assert len(train) + len(validation) + len(test) == len(train | validation | test) == 61
    assert sum(parts.counts().values()) == len(parent)


def test_split_by_parent_is_near_63_27_10() -> None:
    parent = np.random.default_rng(0).integers(0, 400, 4000)
    counts = split(replace(dataset_of(4000), parent=parent), seed=3).counts()
    assert counts == pytest.approx({"train": 2520, "validation": 1080, "test": 400}, abs=40)


def test_the_split_in_the_file_is_kept() -> None:
    part = np.array(["test", "train", "validation", "train"] * 50)
    parts = split(replace(dataset_of(200), part=part), seed=1)
    np.testing.assert_array_equal(parts.test, np.arange(0, 200, 4))
    np.testing.assert_array_equal(parts.validation, np.arange(2, 200, 4))
    assert parts.counts()["train"] == 100


def test_a_parent_in_two_parts_of_the_file_is_refused() -> None:
    part = np.array(["train", "validation", "test", "train"] * 50)
    parent = np.arange(200)
    parent[1] = parent[0]
    with pytest.raises(InvalidInputError, match="1 parent galaxies have spectra in more than one part, the first 0"):
        split(replace(dataset_of(200), part=part, parent=parent), seed=1)


def test_an_unknown_part_is_refused() -> None:
    part = np.array(["train", "valid", "test", "train"] * 50)
    with pytest.raises(InvalidInputError, match="part 'valid' is none of train, validation, test"):
        split(replace(dataset_of(200), part=part), seed=1)


def test_an_empty_part_is_refused() -> None:
    part = np.array(["train", "test"] * 100)
    with pytest.raises(InvalidInputError, match="the validation part is empty"):
        split(replace(dataset_of(200), part=part), seed=1)


def test_one_parent_for_everything_leaves_a_part_empty() -> None:
    with pytest.raises(InvalidInputError, match="the train part is empty"):
        split(replace(dataset_of(200), parent=np.zeros(200, dtype=np.int64)), seed=1)
