"""Checks of the segmentation network and of this machine's speed."""

import importlib
from dataclasses import dataclass
from typing import Final

from livebg.doctor.context import CheckContext, Finding, fail, from_error, ok, skipped, warn
from livebg.errors import LivebgError, ModelError
from livebg.native import kernel_status
from livebg.system.host import install_package

_LIBRARIES: Final = ("numpy", "cv2", "av", "livebg.segmentation.ort")
_SYSTEM_LIBRARIES: Final = "libgl1 libglib2.0-0 libxcb1"
"""Debian packages of the system libraries that opencv-python needs."""
_NOT_LOADED: Final = "The libraries do not load. Fix that first"
BUDGET_MS: Final = 1000 / 30
"""Time per frame at 30 frames per second."""
_MAX_OVERLOAD: Final = 3.0
"""Multiple of the budget that even the governor cannot compensate: it reduces mask rate and size, not the frame rate."""
_HEADROOM_LIMIT: Final = 0.7
"""Share of the budget above which the load of the call itself may cause dropped frames."""
_MAX_DROPPED: Final = 0.1
_MIN_OUTPUT_SHARE: Final = 0.8
"""Minimum share of the camera's frames that are output if livebg keeps up."""
ADVICE: Final = 'Connect to mains power, close demanding programs, or set camera.size = "640x480"'
_CLIP_FRAMES: Final = 45
"""Length of the synthetic clip, which is looped."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Measurement of the live pipeline at 720p.

    ``chain_ms`` and ``process_ms`` are CPU milliseconds per frame: of the consecutive stages in the worker thread, and of the
    whole process. ``dropped`` is the share of dropped frames, 0..1.
    """

    chain_ms: float
    process_ms: float
    dropped: float


def libraries(context: CheckContext) -> Finding:
    """Check that the libraries load. opencv-python needs some system libraries."""
    for name in _LIBRARIES:
        try:
            importlib.import_module(name)
        except ImportError as error:
            library = {"livebg.segmentation.ort": "onnxruntime", "cv2": "opencv-python"}.get(name, name)
            is_system = ".so" in str(error)
            fix = install_package(context.host, _SYSTEM_LIBRARIES) if is_system else f"pip install --force-reinstall {library}"
            return fail(f"{library} does not load ({error})", fix)
    return ok("numpy, OpenCV, PyAV and onnxruntime load")


def model(context: CheckContext) -> Finding:
    """Check that the configured network exists, is undamaged and runs."""
    from livebg.models import find

    settings = context.settings.model
    try:
        located = find(settings.name, settings.folders)
        if located.card.sha256 and located.sha256 != located.card.sha256:
            fix = f"rm {located.path} && livebg models pull {located.card.name}"
            return fail(f"{located.path} is damaged: its SHA-256 does not match {located.card.name}", fix)
        segmenter = context.segmenter
    except ModelError as error:
        return from_error(error)
    except ImportError:
        return skipped(_NOT_LOADED)
    except OSError as error:
        return fail(f"Cannot read the model {settings.name} ({error.strerror})", "Check its permissions")
    width, height = segmenter.input_size(1280, 720)
    return ok(f"{located.card.name} is intact and runs at {width}x{height} for 16:9")


def provider(context: CheckContext) -> Finding:
    """Report the onnxruntime execution provider that runs the network."""
    try:
        from livebg.segmentation.execution_providers import available_providers

        used = context.segmenter.provider
    except ModelError:
        return skipped("The model does not run. Fix that first")
    except ImportError:
        return skipped(_NOT_LOADED)
    others = [name for name in available_providers() if name != used]
    rest = f", the fastest of {' and '.join([used, *others])}" if others and context.settings.model.provider == "auto" else ""
    return ok(f"The network runs on {used}{rest}")


def kernels(context: CheckContext) -> Finding:  # noqa: ARG001
    """Report whether compiled kernels work along the edges, or NumPy."""
    status = kernel_status()
    if status.reason is None:
        return ok("Compiled kernels are active (native)")
    message = f"NumPy is active, with the same result and more CPU time: {status.reason}"
    return Finding("ok", message.removesuffix("."), status.hint and status.hint.removesuffix("."))


def speed(context: CheckContext) -> Finding:
    """Check that frames are processed in time, from the status of a live livebg or by a short measurement on a synthetic clip."""
    status = context.running.status
    if status is not None and status.state == "live" and status.cpu_ms is not None:
        rates = f"{status.fps_out:.0f} of {status.fps_in:.0f} frames per second"
        found = f"livebg is live and outputs {rates}, at {status.cpu_ms.total:.1f} ms of CPU time per frame"
        if status.degraded:
            return warn(f"{found}, with reduced quality: {', '.join(status.degraded)}", ADVICE)
        return ok(found) if status.fps_out > _MIN_OUTPUT_SHARE * status.fps_in else warn(found, ADVICE)
    try:
        _ = context.segmenter  # a network that cannot run is known before the clip is made
        return judge(measure(context))
    except ImportError:
        return skipped(_NOT_LOADED)
    except LivebgError as error:
        return from_error(error)


def judge(measured: Measured) -> Finding:
    """Convert a measurement to a finding."""
    budget = f"of the {BUDGET_MS:.0f} ms available at 30 frames per second"
    takes = f"A 720p frame takes {measured.chain_ms:.1f} ms {budget} ({measured.process_ms:.1f} ms with camera and output)"
    if measured.chain_ms > _MAX_OVERLOAD * BUDGET_MS:
        return fail(f"{takes}, so the frame rate will be lower", ADVICE)
    if measured.chain_ms > BUDGET_MS:
        return warn(f"{takes}, so livebg reduces the rate and resolution of masks", ADVICE)
    if measured.dropped > _MAX_DROPPED:
        return warn(f"{takes}, but {measured.dropped:.0%} of the frames were late because the machine is busy", ADVICE)
    if measured.chain_ms > _HEADROOM_LIMIT * BUDGET_MS:
        return warn(f"{takes}, which leaves little CPU time for the call itself", ADVICE)
    return ok(takes)


def measure(context: CheckContext, seconds: float = 3.0) -> Measured:
    """Run a live session at full quality on a synthetic clip without output. Raises the errors of a session, and ImportError."""
    from livebg.bench.live import bench_live
    from livebg.bench.recording import synthetic_recording

    cost = bench_live(context.settings, synthetic_recording(_CLIP_FRAMES), seconds)
    chain = cost.in_stages - cost.stages.get("camera", 0) - cost.stages.get("output", 0)
    return Measured(chain, cost.total, cost.dropped / cost.captured)
