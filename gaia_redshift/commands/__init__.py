"""The command ``gaia-redshift`` and the sub-commands that need the library alone."""
