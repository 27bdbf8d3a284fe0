"""The service keeps what its OpenAPI document promises, whatever Schemathesis thinks of sending."""

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance
from schemathesis.specs.openapi.schemas import OpenApiSchema

from tests.reliability.service import Service

OPERATIONS = [
    ("POST", "/predict"),
    ("POST", "/predict/csv"),
    ("POST", "/predict/table"),
    ("POST", "/nz"),
    ("GET", "/grid"),
    ("GET", "/models"),
    ("POST", "/models/reload"),
    ("GET", "/models/{name}"),
    ("GET", "/availability"),
    ("GET", "/capabilities"),
    ("GET", "/tables"),
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
    ("GET", "/metrics"),
]


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenApiSchema]:
    # Reloading is described where somebody may do it. Sources need an archive: tests/gaia_redshift/archive has one.
    with Service(tmp_path_factory.mktemp("contract"), admin_keys={"somebody": "0" * 64}) as service:
        yield schemathesis.openapi.from_url(f"{service.url}/openapi.json")


def test_every_operation_is_tried(schema: OpenApiSchema) -> None:
    found = [result.ok() for result in schema.get_all_operations()]
    assert {(operation.method.upper(), operation.path) for operation in found} == set(OPERATIONS)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_answer_is_one_that_the_document_describes(schema: OpenApiSchema, method: str, path: str) -> None:
    operation = schema[path][method]

    # Not every rule is one of JSON Schema: a point model refuses pdf, and bp belongs to rp.
    @given(case=operation.as_strategy())
    @settings(max_examples=20, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    def check(case: schemathesis.Case) -> None:
        case.call_and_validate(excluded_checks=[positive_data_acceptance])

    check()


@pytest.fixture(scope="module")
def with_jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenApiSchema]:
    folder = tmp_path_factory.mktemp("jobs")
    with Service(folder, jobs_folder=folder / "kept") as service:
        yield schemathesis.openapi.from_url(f"{service.url}/openapi.json")


def test_every_answer_about_jobs_is_one_that_the_document_describes(with_jobs: OpenApiSchema) -> None:
    operations = [found for result in with_jobs.get_all_operations() if (found := result.ok()).path.startswith("/jobs")]
    assert len(operations) > 15
    for operation in operations:

        @given(case=operation.as_strategy())
        @settings(max_examples=3, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
        def check(case: schemathesis.Case) -> None:
            case.call_and_validate(excluded_checks=[positive_data_acceptance])

        check()
