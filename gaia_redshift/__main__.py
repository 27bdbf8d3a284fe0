"""``python -m gaia_redshift``: runs the command where its script is not on the path.

Python looks for modules first in the current folder. A user's own ``app.py`` there would be imported instead of the
service's package of that name; in a checkout the packages are in that folder themselves.
"""

import sys
from pathlib import Path

if not sys.flags.safe_path and Path(sys.path[0]) != Path(__file__).parents[1]:
    del sys.path[0]

from gaia_redshift.commands.main import main

main()
