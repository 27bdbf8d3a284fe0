"""Builds of the wheel start empty; everything else about it stands in pyproject.toml.

setuptools packs all that lies in build/lib, and so what a build of an earlier version left there: modules that are
gone, and the packages `app` and `training`, which 0.1.0 put into every environment.
"""

import shutil

from setuptools import setup
from setuptools.command.build import build


class EmptyBuild(build):
    """The build, in an empty folder."""

    def run(self) -> None:
        """Remove what is left of an earlier build, then build."""
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()


setup(cmdclass={"build": EmptyBuild})
