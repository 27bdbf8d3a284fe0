"""``python -m gaia_redshift``: the command, where its script is not on the path.

Python looks for modules first in the folder where this is started. A user's own ``app.py`` there would be run for the
service's package, which has that name; in a checkout the packages lie there themselves.
"""

import sys
from pathlib import Path

if not sys.flags.safe_path and Path(sys.path[0]) != Path(__file__).parents[1]:
    del sys.path[0]

from gaia_redshift.commands.main import main

main()
