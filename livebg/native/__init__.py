"""Compiled kernels for the per-pixel work along edges, if the installation has them; otherwise NumPy does the same work.

:func:`kernels` returns them or None. Their results equal those of the NumPy functions byte for byte, so they change nothing but
CPU time. Installing livebg compiles them (:mod:`livebg.native.build`) if it finds a C compiler.
"""

import functools
import logging
import os
from dataclasses import dataclass
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from livebg.errors import LivebgError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LOG: Final = logging.getLogger(__name__)
NATIVE_VARIABLE: Final = "LIVEBG_NATIVE"
"""An environment variable; 0 turns the kernels off, to compare."""
_INSTALL_AGAIN: Final = "Install a C compiler and Python's headers (Debian: gcc python3-dev), then install livebg again."
_C_TYPES: Final = {"B": "uint8_t[]", "i": "int32_t[]", "l": "int64_t[]", "f": "float[]"}
"""By the one-letter codes of NumPy."""

Pointer = Any
"""A C pointer to an array's first element. It keeps the array alive."""


class KernelLibrary(Protocol):
    """The functions of ``kernels.h``, which describes them. They release the GIL and check nothing."""

    def livebg_fit(
        self,
        guides: Pointer,
        alpha: Pointer,
        height: int,
        width: int,
        size: int,
        epsilons: Pointer,
        low: float,
        gain: float,
        coefficients: Pointer,
        /,
    ) -> int: ...

    def livebg_estimate(
        self, planes: Pointer, height: int, width: int, minimum: float, person: Pointer, room: Pointer, /
    ) -> int: ...

    def livebg_shift(
        self,
        alpha: Pointer,
        width: int,
        top: int,
        left: int,
        rows: int,
        columns: int,
        steps: int,
        share: int,
        grow: bool,
        out: Pointer,
        /,
    ) -> int: ...

    def livebg_evaluate(
        self,
        coefficients: Pointer,
        rows: int,
        columns: int,
        luma: Pointer,
        u: Pointer,
        v: Pointer,
        height: int,
        width: int,
        content: Pointer,
        alpha: Pointer,
        /,
    ) -> None: ...

    def livebg_blend(
        self,
        picture: Pointer,
        alpha: Pointer,
        height: int,
        width: int,
        person: Pointer,
        room: Pointer,
        rows: int,
        columns: int,
        weights: Pointer,
        out: Pointer,
        /,
    ) -> None: ...


class Kernels:
    """The loaded extension: its functions, and pointers for their arguments."""

    def __init__(self, ffi: Any, lib: KernelLibrary) -> None:
        self.lib = lib
        self._from_buffer = ffi.from_buffer
        self._types = {code: ffi.typeof(name) for code, name in _C_TYPES.items()}

    def pointer(self, array: "NDArray[Any]", writable: bool = False) -> Pointer:
        """Return a pointer to a C-contiguous array of uint8, int32, int64 or float32.

        Raises KeyError for another dtype, ValueError for another layout, or if ``writable`` and the array is read-only.
        """
        return self._from_buffer(self._types[array.dtype.char], array, writable)


@dataclass(frozen=True, slots=True)
class KernelStatus:
    """Which implementation is active; if it is NumPy, the reason as a sentence, and what to do if anything helps."""

    implementation: Literal["native", "NumPy"]
    reason: str | None = None
    hint: str | None = None


def kernels() -> Kernels | None:
    """Return the kernels, or None if NumPy has to do their work. The first call loads them and logs why it cannot."""
    found = _attempt()
    return found if isinstance(found, Kernels) else None


def kernel_status() -> KernelStatus:
    """Return which implementation :func:`kernels` selects, and why."""
    found = _attempt()
    return KernelStatus("native") if isinstance(found, Kernels) else KernelStatus("NumPy", found.message, found.hint)


@functools.cache
def _attempt() -> Kernels | LivebgError:
    if os.environ.get(NATIVE_VARIABLE) == "0":
        return LivebgError(f"{NATIVE_VARIABLE} is 0.", "Unset it.")
    try:
        return load_kernels()
    except LivebgError as error:
        return error


def load_kernels(folder: Path | None = None) -> Kernels:
    """Load the extension from ``folder``, by default that of this package.

    Raises LivebgError if it was not compiled, does not load, was compiled from other sources than those of this package, or uses
    instructions that the CPU lacks.
    """
    from livebg.native import build  # commands that process no picture do not need it

    path = (folder or build.FOLDER) / build.EXTENSION
    if not build.is_supported():
        raise LivebgError("livebg has no compiled kernels for this platform.")
    if not path.is_file():
        raise LivebgError("livebg was installed without compiled kernels.", _INSTALL_AGAIN)
    try:
        module = module_from_spec(ModuleSpec(build.MODULE, ExtensionFileLoader(build.MODULE, str(path)), origin=str(path)))
        current = module.ffi.string(module.lib.livebg_fingerprint()).decode() == build.fingerprint()
    except (AttributeError, ImportError, OSError) as error:
        _LOG.warning("The compiled kernels do not load, so NumPy does their work: %s", error)
        raise LivebgError(f"The compiled kernels do not load ({error}).", _INSTALL_AGAIN) from error
    if not current:
        _LOG.warning("%s was compiled from other sources, so NumPy does its work. Install livebg again.", path)
        raise LivebgError("The compiled kernels are those of another version.", _INSTALL_AGAIN)
    if not module.lib.livebg_cpu_supported():
        raise LivebgError("The CPU lacks AVX2 or FMA instructions.")
    return Kernels(module.ffi, module.lib)
