"""The wheel, installed into an empty environment and used from a folder that is not a checkout.

`make wheel-test` installs what requirements/library.txt names from a package index, by hash: it uses the standard
library alone and runs on every Python that the library supports. The pytest suite looks at the same things without a
network: there the dependencies are those of its own environment, of which the empty one sees what the lock names.
"""
