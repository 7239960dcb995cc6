"""``python -m tests.native FOLDER``: all tests of the kernels with the extension in a folder, for example one with sanitizers."""

import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

from livebg.native import load_kernels
from tests.native import test_kernels


def main(folder: Path) -> None:
    native = load_kernels(folder)
    # With sanitizers, making inputs takes long as well.
    settings.register_profile("sanitizers", deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("sanitizers")
    tests = [each for name, each in vars(test_kernels).items() if name.startswith("test_")]
    for test in tests:
        test(native=native)
    sys.stdout.write(f"{len(tests)} passed\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
