"""The HTTP client of the service, synchronous and not."""

from gaia_redshift.client.client import AsyncClient, Client
from gaia_redshift.client.failures import ServiceError
from gaia_redshift.client.predictions import Prediction, Predictions

__all__ = ["AsyncClient", "Client", "Prediction", "Predictions", "ServiceError"]
