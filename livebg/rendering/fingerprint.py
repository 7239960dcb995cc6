"""The fingerprint of an installation: what influences the bytes of a render besides its settings, its source and its network.

Segments that are rendered later, by another process or on another machine, fit together only if their fingerprints are equal.
"""

import hashlib
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import livebg
from livebg.config.settings import Settings
from livebg.models import find
from livebg.native import kernel_status

CPU: Final = "CPU"
"""The key of the instruction sets that NumPy finds in the CPU. onnxruntime chooses its code by them as well, so that mattes can
differ by rounding between generations of CPUs."""
_PACKAGES: Final = (
    *("", "compositing", "config", "imaging", "models", "native", "rendering"),
    *("segmentation", "sinks", "sources"),
)
"""The packages of livebg that take part in a render; "" stands for the modules at the top."""
_SOURCE_SUFFIXES: Final = frozenset({".py", ".c", ".h"})
_HASH_DIGITS: Final = 12

Fingerprint = Mapping[str, str]
"""Versions by the names of what they describe, in a fixed order. It fits into JSON."""


def environment_fingerprint() -> dict[str, str]:
    """Return the fingerprint of this process: livebg with a hash of its code, the libraries, the platform and the CPU."""
    import av  # slow to import
    import cv2
    import numpy as np
    import PIL
    import pillow_heif

    from livebg.segmentation.execution_providers import available_providers
    from livebg.segmentation.ort import onnxruntime

    libraries = " ".join(".".join(map(str, version)) for _, version in sorted(av.library_versions.items()))
    return {
        "livebg": f"{livebg.__version__} ({_source_hash()})",
        "kernels": kernel_status().implementation,
        "Python": ".".join(platform.python_version_tuple()[:2]),
        "av": av.__version__,
        "FFmpeg": f"{av.ffmpeg_version_info} ({libraries})",
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "onnxruntime": onnxruntime.__version__,
        "execution providers": " ".join(available_providers()),
        "pillow": PIL.__version__,
        "pillow-heif": pillow_heif.__version__,
        "platform": f"{platform.system()} {platform.machine()}",
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
            return f"{name} {found.get(name) or 'missing'} instead of {expected.get(name) or 'missing'}"
    return None


def _source_hash() -> str:
    """Return a hash of the code: installations from a clone can differ and have the same version."""
    root = Path(livebg.__file__).parent
    digest = hashlib.sha256()
    files = (path for package in _PACKAGES for path in (root / package).iterdir() if path.suffix in _SOURCE_SUFFIXES)
    for path in sorted(files):
        digest.update(f"{path.relative_to(root).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:_HASH_DIGITS]
