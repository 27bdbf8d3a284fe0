"""The Python client: `Client` and its asynchronous twin. Imports `schemas`, `prior` and `sending`.

>>> with Client("http://127.0.0.1:8000") as client:  # doctest: +SKIP
...     client.predict(flux)[0].redshift
0.1234
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import numpy as np
from numpy.typing import ArrayLike

from gaia_redshift.client.encoding import write_request
from gaia_redshift.client.messages import Prediction, PredictOptions, PredictReply
from gaia_redshift.interpretation.prior import Prior, PriorName, PriorTable

_DEFAULT_TIMEOUT = httpx.Timeout(300.0, connect=10.0)


class ServiceError(Exception):
    """The service refused a request.

    Attributes
    ----------
    status : int
        HTTP status.
    code : str
        One of the documented error codes.
    message : str
    details : list of dict
        Places, each with ``at`` and ``message``.
    """

    def __init__(self, status: int, code: str, message: str, details: list[dict[str, str]]) -> None:
        places = "".join(f"\n  {detail['at']}: {detail['message']}" for detail in details)
        super().__init__(f"{code} ({status}): {message}{places}")
        self.status, self.code, self.message, self.details = status, code, message, details


def _request(
    flux: ArrayLike | None,
    bp: ArrayLike | None,
    rp: ArrayLike | None,
    source_id: Sequence[int | str] | None,
    options: PredictOptions,
) -> dict[str, Any]:
    """Write spectra given as arrays into a request to ``POST /predict``."""
    given = {"flux": flux, "bp": bp, "rp": rp}
    return write_request(given, source_id, options.model_dump(exclude_defaults=True))


def _checked(response: httpx.Response) -> httpx.Response:
    """Return a good response; raise ServiceError for any other."""
    if response.is_success:
        return response
    try:
        error = response.json()["error"]
    except (ValueError, KeyError, TypeError):  # not our service, or a proxy before it
        raise ServiceError(response.status_code, "http_error", response.text[:200], []) from None
    raise ServiceError(response.status_code, error["code"], error["message"], error["details"])


class Predictions(list[Prediction]):
    """Predictions in input order, and what they were made with.

    Attributes
    ----------
    model : ModelVersion
    prior : {"survey", "flat", "table"}
    bin_edges : ndarray, shape (bins + 1,), or None
        Of each prediction's ``pdf``, where it was asked for.
    """

    def __init__(self, reply: PredictReply) -> None:
        super().__init__(reply.predictions)
        self.model, self.prior = reply.model, reply.prior
        self.bin_edges = None if reply.bin_edges is None else np.array(reply.bin_edges)


def _options(model: str | None, prior: Prior | Mapping[str, ArrayLike], pdf: bool) -> PredictOptions:
    """Check what is asked before it is sent; a prior given as a mapping may hold arrays."""
    if isinstance(prior, Mapping):
        prior = PriorTable(**{name: np.asarray(values, np.float64).tolist() for name, values in prior.items()})
    return PredictOptions(model=model, prior=prior, pdf=pdf)


def _predictions(response: httpx.Response) -> Predictions:
    return Predictions(PredictReply.model_validate_json(_checked(response).content))


def _upload(path: str | Path) -> dict[str, Any]:
    source = Path(path)
    return {"file": (source.name, source.open("rb"), "text/csv")}


class Client:
    """Talks to a running gaia-redshift service.

    Parameters
    ----------
    base_url : str
        Where the service listens.
    timeout : httpx.Timeout or float, optional
        Seconds; 300 by default, for large tables.
    api_key : str, optional
        Where the service asks for one.
    transport : httpx.BaseTransport, optional
        For tests and unusual networks.
    """

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8000",
        *,
        timeout: httpx.Timeout | float = _DEFAULT_TIMEOUT,
        api_key: str | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._http = httpx.Client(
            base_url=base_url, timeout=timeout, transport=transport, headers=_authorization(api_key)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def predict(
        self,
        flux: ArrayLike | None = None,
        *,
        bp: ArrayLike | None = None,
        rp: ArrayLike | None = None,
        source_id: Sequence[int | str] | None = None,
        model: str | None = None,
        prior: Prior | Mapping[str, ArrayLike] = "survey",
        pdf: bool = False,
    ) -> Predictions:
        """Predict the redshifts of spectra given as arrays.

        Parameters
        ----------
        flux : array_like, shape (186,) or (n, 186), optional
            80 BP and 106 RP samples, e-/s per sample, blue to red.
        bp, rp : array_like, shape (n, 80) or (n, 120), and (n, 106) or (n, 120), optional
            Instead of `flux`.
        source_id : sequence of int or str, optional
            One per spectrum.
        model : str, optional
            Name of a model; the service's default if absent.
        prior : {"survey", "flat"} or mapping, optional
            Prior on redshift; a mapping holds ``redshift`` nodes and the ``density`` at each. Point models know only
            ``survey``.
        pdf : bool
            Also return each spectrum's probability density; density models only.

        Returns
        -------
        Predictions
            A list of Prediction in input order, with the model, the prior and the bin edges.

        Raises
        ------
        ServiceError
            If the service refuses the request.
        ValueError
            If the arrays do not belong together, or make no prior.
        """
        question = _request(flux, bp, rp, source_id, _options(model, prior, pdf))
        return _predictions(self._http.post("/predict", **question))

    def predict_csv(
        self, path: str | Path, *, model: str | None = None, prior: PriorName = "survey", pdf: bool = False
    ) -> Predictions:
        """Upload a CSV table and return its predictions, in the order of its rows."""
        files = _upload(path)
        with files["file"][1]:
            sent = self._http.post("/predict/csv", files=files, **_csv_options(model, prior, pdf))
            return _predictions(sent)

    def models(self) -> list[dict[str, Any]]:
        """Return the descriptions of the loaded models, as ``GET /models`` gives them."""
        described: list[dict[str, Any]] = _checked(self._http.get("/models")).json()["models"]
        return described

    def ready(self) -> bool:
        """Say whether the service can predict now."""
        try:
            return self._http.get("/health/ready").is_success
        except httpx.TransportError:
            return False


class AsyncClient:
    """`Client` for asyncio: the same methods, awaited."""

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8000",
        *,
        timeout: httpx.Timeout | float = _DEFAULT_TIMEOUT,
        api_key: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._http = httpx.AsyncClient(
            base_url=base_url, timeout=timeout, transport=transport, headers=_authorization(api_key)
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def predict(
        self,
        flux: ArrayLike | None = None,
        *,
        bp: ArrayLike | None = None,
        rp: ArrayLike | None = None,
        source_id: Sequence[int | str] | None = None,
        model: str | None = None,
        prior: Prior | Mapping[str, ArrayLike] = "survey",
        pdf: bool = False,
    ) -> Predictions:
        """Predict the redshifts of spectra given as arrays; see `Client.predict`."""
        question = _request(flux, bp, rp, source_id, _options(model, prior, pdf))
        return _predictions(await self._http.post("/predict", **question))

    async def predict_csv(
        self, path: str | Path, *, model: str | None = None, prior: PriorName = "survey", pdf: bool = False
    ) -> Predictions:
        """Upload a CSV table and return its predictions, in the order of its rows."""
        files = _upload(path)
        with files["file"][1]:
            sent = self._http.post("/predict/csv", files=files, **_csv_options(model, prior, pdf))
            return _predictions(await sent)

    async def models(self) -> list[dict[str, Any]]:
        """Return the descriptions of the loaded models, as ``GET /models`` gives them."""
        described: list[dict[str, Any]] = _checked(await self._http.get("/models")).json()["models"]
        return described

    async def ready(self) -> bool:
        """Say whether the service can predict now."""
        try:
            return (await self._http.get("/health/ready")).is_success
        except httpx.TransportError:
            return False


def _authorization(api_key: str | None) -> dict[str, str]:
    return {} if api_key is None else {"Authorization": f"Bearer {api_key}"}


def _csv_options(model: str | None, prior: PriorName, pdf: bool) -> dict[str, Any]:
    params = _options(model, prior, pdf).model_dump(exclude_defaults=True)
    return {"params": params, "headers": {"Accept": "application/json"}}
