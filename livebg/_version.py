"""The version: in a clone that of the last release, in an installed livebg also the commit it was built from."""

from typing import Final

__version__: Final = "0.1.0"
