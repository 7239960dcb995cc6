"""Checks on the network that tells the person from the room, and on whether this machine is fast enough for it."""

import importlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from livebg.config.settings import Governor
from livebg.doctor.context import Examination
from livebg.doctor.findings import Finding, fail, failed_by, ok, skipped, warn
from livebg.errors import LivebgError, ModelError
from livebg.system.distribution import install_package

_LIBRARIES: Final = ("numpy", "cv2", "av", "livebg.segmentation.ort")
_SYSTEM_LIBRARIES: Final = "libgl1 libglib2.0-0 libxcb1"
"""Debian's names for what opencv-python takes from the system."""
_NOT_LOADED: Final = "the libraries do not load, which is the first thing to mend"
BUDGET_MS: Final = 1000 / 30
"""Of a frame, at 30 a second."""
_HOPELESS: Final = 3.0
"""How many times the budget is too much for the governor as well, which gives up masks and their size, and not frames."""
_COMFORT: Final = 0.7
"""Share of the budget beyond which the call's own work may cost frames."""
_FEW_DROPPED: Final = 0.1
_ENOUGH: Final = 0.8
"""Share of the camera's frames that a livebg which keeps up shows at least."""
ADVICE: Final = 'plug the power in, close what else works hard, or set camera.size = "640x480"'
_FRAMES: Final = 45
"""Of the made-up clip, which is shown in a loop."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The live path at 720p: CPU milliseconds a frame of the stages that follow each other in one thread (``chain_ms``) and of
    the whole process; the share of frames that were ``dropped``, 0..1.
    """

    chain_ms: float
    process_ms: float
    dropped: float


def libraries(exam: Examination) -> Finding:
    """Whether the libraries load; opencv-python needs some of the system's."""
    for name in _LIBRARIES:
        try:
            importlib.import_module(name)
        except ImportError as error:
            library = {"livebg.segmentation.ort": "onnxruntime", "cv2": "opencv-python"}.get(name, name)
            is_the_systems = ".so" in str(error)
            mend = install_package(exam.host, _SYSTEM_LIBRARIES) if is_the_systems else f"pip install --force-reinstall {library}"
            return fail(f"{library} does not load ({error})", mend)
    return ok("numpy, OpenCV, PyAV and onnxruntime load")


def model(exam: Examination) -> Finding:
    """Whether the network of the settings is there, whole, and of a kind that livebg runs."""
    from livebg.models import find

    settings = exam.settings.model
    try:
        located = find(settings.name, settings.folders)
        if located.card.sha256 and located.sha256 != located.card.sha256:
            mend = f"rm {located.path} && livebg models pull {located.card.name}"
            return fail(f"{located.path} is damaged: its SHA-256 is not that of {located.card.name}", mend)
        segmenter = exam.segmenter
    except ModelError as error:
        return failed_by(error)
    except ImportError:
        return skipped(_NOT_LOADED)
    except OSError as error:
        return fail(f"the model {settings.name} cannot be read ({error.strerror})", "check its permissions")
    width, height = segmenter.input_size(1280, 720)
    return ok(f"{located.card.name} is whole and runs, at {width}x{height} for 16:9")


def provider(exam: Examination) -> Finding:
    """Which of onnxruntime's providers runs the network in fact."""
    try:
        from livebg.segmentation.execution_providers import offered

        used = exam.segmenter.provider
    except ModelError:
        return skipped("the model does not run, which is the first thing to mend")
    except ImportError:
        return skipped(_NOT_LOADED)
    others = [name for name in offered() if name != used]
    rest = f", the fastest here of that and {' and '.join(others)}" if others and exam.settings.model.provider == "auto" else ""
    return ok(f"the network runs on {used}{rest}")


def speed(exam: Examination) -> Finding:
    """Whether frames come through in time: measured for some seconds on a made-up picture, or told by a livebg that is live."""
    status = exam.running.status
    if status is not None and status.state == "live" and status.cpu_ms is not None:
        rates = f"{status.fps_out:.0f} of {status.fps_in:.0f} frames a second"
        found = f"livebg is live and shows {rates}, at {status.cpu_ms.total:.1f} ms of CPU time a frame"
        if status.degraded:
            return warn(f"{found}, and has given up something for that: {', '.join(status.degraded)}", ADVICE)
        return ok(found) if status.fps_out > _ENOUGH * status.fps_in else warn(found, ADVICE)
    try:
        return judge(measure(exam))
    except ImportError:
        return skipped(_NOT_LOADED)
    except LivebgError as error:
        return failed_by(error)


def judge(measured: Measured) -> Finding:
    """What a measurement means for a call."""
    budget = f"of the {BUDGET_MS:.0f} ms that it has at 30 a second"
    takes = f"a 720p frame takes {measured.chain_ms:.1f} ms {budget} ({measured.process_ms:.1f} ms with camera and output)"
    if measured.chain_ms > _HOPELESS * BUDGET_MS:
        return fail(f"{takes}, and this machine shows fewer", ADVICE)
    if measured.chain_ms > BUDGET_MS:
        return warn(f"{takes}, so livebg makes fewer masks, and coarser ones", ADVICE)
    if measured.dropped > _FEW_DROPPED:
        return warn(f"{takes}, and yet {measured.dropped:.0%} came too late: the machine is busy", ADVICE)
    if measured.chain_ms > _COMFORT * BUDGET_MS:
        return warn(f"{takes}, which leaves the call itself little", ADVICE)
    return ok(takes)


def measure(exam: Examination, seconds: float = 3.0) -> Measured:
    """Run a live session that gives up nothing on a made-up clip, to no output. Raises what a session raises, and ImportError."""
    from livebg.bench.clips import write_webcam_clip
    from livebg.bench.live import bench_live

    with tempfile.TemporaryDirectory(prefix="livebg-doctor-") as folder:
        clip = Path(folder) / "made-up.mkv"
        write_webcam_clip(clip, _FRAMES)
        cost = bench_live(exam.settings.model_copy(update={"governor": Governor(enabled=False)}), clip, seconds)
    chain = cost.in_stages - cost.stages.get("camera", 0) - cost.stages.get("output", 0)
    return Measured(chain, cost.total, cost.dropped / cost.captured)
