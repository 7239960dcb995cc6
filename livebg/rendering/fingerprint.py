"""The fingerprint of an installation: what influences the bytes of a render besides its settings, its source and its network.

Segments of different machines fit together only if the fingerprints of these are equal.
"""

import platform
from collections.abc import Mapping
from typing import Final

from livebg.config.settings import Settings
from livebg.models import find
from livebg.rendering.manifest import package_versions

CPU: Final = "CPU"
"""The key of the instruction sets that NumPy finds in the CPU. onnxruntime chooses its code by them as well, so that mattes can
differ by rounding between generations of CPUs."""

Fingerprint = Mapping[str, str]
"""Versions by the names of what they describe."""


def environment_fingerprint() -> dict[str, str]:
    """Return the fingerprint of this process: the versions in a manifest, Python, the execution providers and the CPU."""
    import numpy as np  # slow to import

    from livebg.segmentation.execution_providers import available_providers

    return {
        **package_versions(),
        "Python": ".".join(platform.python_version_tuple()[:2]),
        "execution providers": " ".join(available_providers()),
        CPU: " ".join(np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])),
    }


def network_fingerprint(settings: Settings) -> str:
    """Return the SHA-256 of the network file that ``settings`` name, hexadecimal.

    Raises :class:`~livebg.errors.ModelError` if there is none.
    """
    return find(settings.model.name, settings.model.folders).sha256


def difference(expected: Fingerprint, found: Fingerprint) -> str | None:
    """Return how ``found`` differs from ``expected``, a phrase such as "numpy 2.3.1 instead of 2.4.6"; None if it does not."""
    for name in (*expected, *(name for name in found if name not in expected)):
        if expected.get(name) != found.get(name):
            return f"{name} {found.get(name, 'missing')} instead of {expected.get(name, 'missing')}"
    return None
