"""The option of the scripts that work for one release of Gaia. Imports `spectra` of the project."""

import argparse

from gaia_redshift.spectra import DR3, Release, find_release


def add_release(parser: argparse.ArgumentParser) -> None:
    """Add ``--release NAME``, such as dr3, which becomes a `Release`."""

    def release(name: str) -> Release:
        try:
            return find_release(name)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    parser.add_argument("--release", type=release, default=DR3.release, help="of Gaia, such as dr3 (the default)")


def only_release(description: str | None) -> Release:
    """Return the release that the command line of a script without other options names."""
    parser = argparse.ArgumentParser(description=description)
    add_release(parser)
    found: Release = parser.parse_args().release
    return found
