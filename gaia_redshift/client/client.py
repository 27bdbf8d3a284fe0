"""The Python client: `Client` and its asynchronous twin. Imports `conversation`, `failures`, `questions`; httpx.

>>> with Client("http://127.0.0.1:8000") as client:  # doctest: +SKIP
...     client.predict(flux)[0].redshift
0.1234
"""

import asyncio
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, TypeVar

import httpx

from gaia_redshift.client import conversation
from gaia_redshift.client.conversation import Talk, Wait
from gaia_redshift.client.failures import ServiceError, unreachable
from gaia_redshift.client.job import JobsClient
from gaia_redshift.client.job_async import AsyncJobsClient
from gaia_redshift.client.predictions import Predictions
from gaia_redshift.client.questions import Rows, ask

_DEFAULT_TIMEOUT = httpx.Timeout(300.0, connect=10.0)
_ADDRESS = "http://127.0.0.1:8000"

_Result = TypeVar("_Result")


class Client(JobsClient):
    """Client of a running gaia-redshift service.

    Parameters
    ----------
    base_url : str
        Address of the service.
    timeout : httpx.Timeout or float, optional
        In seconds; 300 by default, for large tables.
    api_key : str, optional
        Needed if the service has API keys.
    transport : httpx.BaseTransport, optional
        Replaces httpx's own, for tests and unusual networks.

    Raises
    ------
    ValueError
        If `base_url` does not begin with http:// or https://.
    """

    def __init__(
        self,
        base_url: str = _ADDRESS,
        *,
        timeout: httpx.Timeout | float = _DEFAULT_TIMEOUT,
        api_key: str | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._http = httpx.Client(transport=transport, timeout=timeout, **_settings(base_url, api_key))
        self._known: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _hold(self, talk: Talk[_Result]) -> _Result:
        """Carry out the requests of a conversation."""
        reply = None
        try:
            while True:
                step = talk.send(reply)
                if isinstance(step, Wait):
                    time.sleep(step.seconds)
                    reply = None
                else:
                    reply = self._http.request(**step)
        except StopIteration as stop:
            result: _Result = stop.value
            return result
        except httpx.HTTPError as error:
            raise unreachable(error, str(self._http.base_url)) from None
        finally:
            talk.close()

    def predict(
        self,
        flux: object = None,
        *,
        bp: object = None,
        rp: object = None,
        source_id: object = None,
        model: str | None = None,
        prior: object = "survey",
        pdf: bool = False,
        unit: object = None,
        ebv: object = None,
        rows: Rows = "lenient",
    ) -> Predictions:
        """Predict the redshifts of spectra given as arrays or as a table, however many.

        Spectra beyond the service's limit for one request are sent in several, with a progress bar on a terminal.

        Parameters
        ----------
        flux : array_like, shape (186,), (n, 186) or (n, 240); or a table; optional
            80 BP and 106 RP samples, or all 120 of each, both blue to red. A table of pandas, astropy, polars or
            pyarrow, a dict of columns, or the result of astroquery's DataLink, as for `Predictor`; a Series holds an
            array in each row. Masked values are missing; a declared unit is used.
        bp, rp : array_like, shape (n, 80) or (n, 120), and (n, 106) or (n, 120), optional
            Instead of `flux`.
        source_id : sequence of int or str, optional
            One per spectrum; the table's own if absent. They are returned in the same type.
        model : str, optional
            Name of a model; the service's default if absent.
        prior : {"survey", "flat", "sample"}, or a mapping or table, optional
            Prior on redshift. A table holds ``redshift`` nodes and the ``density`` at each. ``sample`` is inferred from
            these spectra, at least 200 galaxies in one request. Point models take only ``survey``.
        pdf : bool
            Also return each spectrum's probability density; density models only.
        unit : {"per_sample", "per_pixel"} or a unit of astropy, optional
            Unit of the fluxes, e-/s per sample (the default) or per pixel, as GaiaXPy's `convert` gives them; a sample
            is 0.33342 pixels wide in BP and 0.35680 in RP.
        ebv : float or array_like, shape (n,), optional
            E(B-V) of the Milky Way's dust to correct for, in mag; the table's column ``ebv`` if absent, else none.
        rows : {"lenient", "strict"}
            Whether a spectrum that cannot be used gives an error in its row, or refuses the whole request.

        Returns
        -------
        Predictions
            A sequence of Prediction in input order; ``to_pandas()`` and ``to_table()`` convert it to a table.

        Raises
        ------
        ServiceError
            If the service refuses the request, or there is none.
        ValueError
            If the spectra cannot be read: shapes that do not match, float identifiers, an unknown unit.
        """
        question = ask(flux, bp, rp, source_id, model=model, prior=prior, pdf=pdf, unit=unit, ebv=ebv, rows=rows)
        return self._hold(conversation.predictions(question, self._known))

    def predict_csv(
        self,
        table: str | Path | IO[Any],
        *,
        model: str | None = None,
        prior: Any = "survey",
        pdf: bool = False,
        unit: object = None,
    ) -> Predictions:
        """Upload a CSV table and return its predictions in the order of its rows.

        Parameters
        ----------
        table : str, Path or file
            A path, or a file open for reading.
        model, prior, pdf, unit
            As for `predict`.

        Returns
        -------
        Predictions

        Raises
        ------
        ServiceError
            If the service refuses the table, or there is none.
        """
        return self._hold(conversation.predictions_of_csv(table, model=model, prior=prior, pdf=pdf, unit=unit))

    def models(self) -> list[dict[str, Any]]:
        """Return the descriptions of the loaded models, as ``GET /models`` gives them."""
        return self._hold(conversation.models())

    def ready(self) -> bool:
        """Return whether the service is ready to predict."""
        try:
            return self._hold(conversation.ready())
        except ServiceError:
            return False


class AsyncClient(AsyncJobsClient):
    """`Client` for asyncio: the same methods, awaited.

    Parameters
    ----------
    base_url, timeout, api_key, transport
        As for `Client`; the transport is an httpx.AsyncBaseTransport.
    """

    def __init__(
        self,
        base_url: str = _ADDRESS,
        *,
        timeout: httpx.Timeout | float = _DEFAULT_TIMEOUT,
        api_key: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._http = httpx.AsyncClient(transport=transport, timeout=timeout, **_settings(base_url, api_key))
        self._known: dict[str, int] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _hold(self, talk: Talk[_Result]) -> _Result:
        """Carry out the requests of a conversation."""
        reply = None
        try:
            while True:
                step = talk.send(reply)
                if isinstance(step, Wait):
                    await asyncio.sleep(step.seconds)
                    reply = None
                else:
                    reply = await self._http.request(**step)
        except StopIteration as stop:
            result: _Result = stop.value
            return result
        except httpx.HTTPError as error:
            raise unreachable(error, str(self._http.base_url)) from None
        finally:
            talk.close()

    async def predict(
        self,
        flux: object = None,
        *,
        bp: object = None,
        rp: object = None,
        source_id: object = None,
        model: str | None = None,
        prior: object = "survey",
        pdf: bool = False,
        unit: object = None,
        ebv: object = None,
        rows: Rows = "lenient",
    ) -> Predictions:
        """Predict the redshifts of spectra given as arrays or as a table; see `Client.predict`.

        Parameters
        ----------
        flux, bp, rp, source_id, model, prior, pdf, unit, ebv, rows
            As for `Client.predict`.
        """
        question = ask(flux, bp, rp, source_id, model=model, prior=prior, pdf=pdf, unit=unit, ebv=ebv, rows=rows)
        return await self._hold(conversation.predictions(question, self._known))

    async def predict_csv(
        self,
        table: str | Path | IO[Any],
        *,
        model: str | None = None,
        prior: Any = "survey",
        pdf: bool = False,
        unit: object = None,
    ) -> Predictions:
        """Upload a CSV table and return its predictions; see `Client.predict_csv`.

        Parameters
        ----------
        table, model, prior, pdf, unit
            As for `Client.predict_csv`.
        """
        return await self._hold(conversation.predictions_of_csv(table, model=model, prior=prior, pdf=pdf, unit=unit))

    async def models(self) -> list[dict[str, Any]]:
        """Return the descriptions of the loaded models, as ``GET /models`` gives them."""
        return await self._hold(conversation.models())

    async def ready(self) -> bool:
        """Return whether the service is ready to predict."""
        try:
            return await self._hold(conversation.ready())
        except ServiceError:
            return False


def _settings(base_url: str, api_key: str | None) -> dict[str, Any]:
    """Return what both kinds of httpx client are made with."""
    if not base_url.startswith(("http://", "https://")):
        raise ValueError(f"the service's address {base_url!r} does not begin with http:// or https://")
    return {"base_url": base_url, "headers": {} if api_key is None else {"Authorization": f"Bearer {api_key}"}}
