"""Spectra from Gaia's archive by source ids, over DataLink and TAP. Imports httpx, `tables` and `spectra`."""

from gaia_redshift.archive.datalink import Archive, Fetched
from gaia_redshift.archive.web import ArchiveError

__all__ = ["Archive", "ArchiveError", "Fetched"]
