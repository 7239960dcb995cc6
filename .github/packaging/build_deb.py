"""Builds the package of a suite in a new root: ``sudo python3 .github/packaging/build_deb.py bookworm dist``.

The package is made of the last commit and the lock files. Needs debootstrap, and apt with an archive of Debian, or of Ubuntu for
its suites; ``LIVEBG_BARE_MIRROR`` names another archive.
"""

import argparse
import logging
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

CHECKOUT: Final = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT))

from tests.bare.machine import bare_machine, committed_copy, missing  # noqa: E402
from tests.bare.sources import sources_of_this_machine  # noqa: E402

_LOG: Final = logging.getLogger(__name__)
_BUILD: Final = "/build/livebg"
_SCRIPT: Final = ".github/packaging/build-in-root"


def build(suite: str, output: Path) -> Path:
    """Build the package of ``suite`` into the folder ``output`` and return its path.

    Raises RuntimeError if this machine cannot make a root, and AssertionError with the output of the step that fails.
    """
    lacking = missing()
    sources = None if lacking else sources_of_this_machine()
    if sources is None:
        raise RuntimeError(f"Cannot make a root: {lacking or 'apt knows no archive of Debian or Ubuntu'}.")
    output.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="livebg-deb-") as folder,
        bare_machine(Path(folder, "root"), sources, suite) as machine,
    ):
        clone = machine.root / _BUILD.lstrip("/")
        clone.parent.mkdir()
        committed_copy(CHECKOUT, clone)
        machine.must(f"{_SCRIPT} {suite} download", user="root", folder=_BUILD)
        done = machine.run(f"{_SCRIPT} {suite} build", user="root", folder=_BUILD, network=False)
        (output / f"livebg_{suite}.log").write_text(f"{done.out}\n{done.err}", "utf-8")
        assert done.code == 0, done.text
        (package,) = clone.parent.glob("livebg_*.deb")
        return Path(shutil.copy(package, output))


def main() -> None:
    """Build the packages of the suites named on the command line."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suite", help="bookworm or trixie; noble or resolute")
    parser.add_argument("output", type=Path, help="folder for the package")
    arguments = parser.parse_args()
    _LOG.info("Built %s", build(arguments.suite, arguments.output))


if __name__ == "__main__":
    main()
