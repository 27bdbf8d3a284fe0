"""Every assumed number has its unit and source, and the documentation holds them all."""

from pathlib import Path

from training.simulation import constants, size_constants

DOCUMENT = Path(__file__).parents[3] / "docs" / "reference" / "simulator-constants.md"


def all_constants() -> dict[str, constants.Constant[object]]:
    both = vars(constants) | vars(size_constants)
    return {name: value for name, value in both.items() if isinstance(value, constants.Constant)}


def test_every_constant_names_its_origin_and_source() -> None:
    assert len(all_constants()) > 40
    for name, constant in all_constants().items():
        assert constant.origin in {"measured", "published", "guessed"}, name
        assert constant.source, name


def test_the_documentation_holds_the_table_as_it_is() -> None:
    # To renew: python -m training.simulation.constants, and size_constants
    for module in (constants, size_constants):
        assert constants.table(vars(module)) in DOCUMENT.read_text()


def test_no_constant_is_unused() -> None:
    package = Path(constants.__file__).parent
    source = "".join(path.read_text() for path in package.rglob("*.py") if not path.name.endswith("constants.py"))
    unused = [name for name in all_constants() if f"constants.{name}" not in source]
    assert not unused
