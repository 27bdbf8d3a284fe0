"""``python -m gaia_redshift``: the command, where its script is not on the path."""

from gaia_redshift.commands.main import main

main()
