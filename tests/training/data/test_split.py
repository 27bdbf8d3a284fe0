from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaia_redshift.bundle import TrainingRecord
from gaia_redshift.errors import InvalidInputError
from tests.training.conftest import galaxies
from training.data.dataset import Dataset
from training.data.split import Split, choose_rows, split


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


def trained_on(dataset: Dataset, parts: Split, seed: int = 3) -> TrainingRecord:
    return TrainingRecord(
        simulated=None,
        dataset=dataset.name,
        dataset_sha256=dataset.sha256,
        spectra=parts.counts(),
        recipe="dissertation",
        seed=seed,
    )


def test_a_model_is_tested_on_the_part_that_it_was_tested_on() -> None:
    dataset = dataset_of(300)
    parts = split(dataset, seed=3)
    chosen = choose_rows(dataset, trained_on(dataset, parts), None)
    np.testing.assert_array_equal(chosen.rows, parts.test)
    assert (chosen.part, chosen.warning) == ("test", None)
    assert chosen.how == "the 30 spectra of the test part (as in the model's training)"
    for part in ("train", "validation", "all"):
        assert choose_rows(dataset, trained_on(dataset, parts), part).warning is not None


def test_where_other_rows_were_left_out_the_models_test_part_is_unknown() -> None:
    dataset = dataset_of(300)
    trained = trained_on(dataset, split(dataset_of(290), seed=3))
    assert choose_rows(dataset, trained, None).part == "all"


def test_on_other_data_without_parts_a_model_is_tested_on_everything() -> None:
    dataset = replace(dataset_of(300), sha256="1" * 64)
    trained = trained_on(dataset_of(300), split(dataset_of(300), seed=3))
    chosen = choose_rows(dataset, trained, None)
    assert (chosen.part, len(chosen.rows), chosen.warning) == ("all", 300, None)
    with pytest.raises(InvalidInputError, match="has no column part, and the model was not trained on it"):
        choose_rows(dataset, trained, "test")


def test_a_part_that_the_file_does_not_have_is_empty() -> None:
    dataset = replace(dataset_of(200), part=np.array(["train", "validation"] * 100), sha256="1" * 64)
    trained = trained_on(dataset_of(300), split(dataset_of(300), seed=3))
    assert len(choose_rows(dataset, trained, "validation").rows) == 100
    with pytest.raises(InvalidInputError, match="the test part is empty"):
        choose_rows(dataset, trained, None)
