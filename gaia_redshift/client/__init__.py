"""The HTTP client of the service, synchronous and not."""

from gaia_redshift.client.client import AsyncClient, Client, Predictions, ServiceError

__all__ = ["AsyncClient", "Client", "Predictions", "ServiceError"]
