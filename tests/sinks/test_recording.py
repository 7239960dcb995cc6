"""The file of a recording: its contract, and what remains of it when livebg is killed."""

import signal
import subprocess
import sys
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from livebg.errors import SinkError
from livebg.imaging.frame import BT601, ColorSpec
from livebg.live.recorder import REPEAT_INTERVAL_S
from livebg.sinks.recording import AUDIO_RATE, RecordingFile
from tests.support.sink_contract import TIME_BASE, MakeSink, SinkContract, composite
from tests.support.sink_files import FORMAT

KILLED = """
import sys, time
from fractions import Fraction
import numpy as np
from pathlib import Path
from livebg.sinks.recording import AUDIO_RATE, RecordingFile
from tests.support.sink_contract import composite
from tests.support.sink_files import FORMAT
file, rate = RecordingFile(Path(sys.argv[1]), FORMAT, audio=sys.argv[2] == "sound"), int(sys.argv[3])
for number in range(10 * rate):
    file.send_audio(np.full(AUDIO_RATE // rate, 1000, np.int16), (number + 1) / rate)
    file.send(composite(number, time_base=Fraction(1, rate)))
print("written", flush=True)
time.sleep(60)
"""


@pytest.fixture(params=[".mkv", ".mp4"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / f"out{request.param}"


class TestRecordingFile(SinkContract):
    @pytest.fixture
    def make_sink(self, path: Path) -> MakeSink:
        return lambda: RecordingFile(path, FORMAT)

    def test_abort_leaves_nothing(self, path: Path) -> None:
        with RecordingFile(path, FORMAT) as file:
            file.send(composite(0))
            assert path.exists()
            file.abort()
        assert not list(path.parent.iterdir())

    def test_composites_of_another_color_are_converted(self, path: Path) -> None:
        with RecordingFile(path, FORMAT) as file:
            file.send(composite(0, luma=0, color=ColorSpec(BT601, BT601, BT601, full_range=True)))
        with av.open(str(path)) as recording:
            picture = next(recording.decode(video=0)).to_ndarray()
        assert abs(int(picture[10, 10]) - 16) <= 1

    def test_existing_file_is_kept(self, path: Path) -> None:
        path.write_text("old")
        with pytest.raises(SinkError, match="already exists"):
            RecordingFile(path, FORMAT)
        assert path.read_text() == "old"
        with RecordingFile(path, FORMAT, overwrite=True) as file:
            file.send(composite(0))
        assert path.read_bytes()[:3] != b"old"


@pytest.mark.parametrize("rate", [30, round(1 / REPEAT_INTERVAL_S)], ids=["moving", "still"])
@pytest.mark.parametrize("sound", ["sound", "silent"])
def test_killed_recording_plays_to_last_two_seconds(path: Path, sound: str, rate: int) -> None:
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(path), sound, str(rate)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"written\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with av.open(str(path)) as recording:
        times = [float(frame.time or 0) for frame in recording.decode(video=0)]
    assert len(times) >= 8 * rate
    assert times[-1] >= 8


FULL = """
import resource, sys
from fractions import Fraction
from pathlib import Path
from livebg.errors import SinkError
from livebg.sinks.recording import RecordingFile
from tests.support.sink_files import FORMAT, noise
from livebg.compositing.composite import with_pts
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
file, number = RecordingFile(Path(sys.argv[1]), FORMAT), 0
try:
    while True:
        file.send(with_pts(noise(number), number, Fraction(1, 30)))
        number += 1
except SinkError as error:
    print(number, error)
try:
    file.close()
except SinkError as error:
    print(number, error)
"""


def test_file_that_cannot_grow_plays_up_to_the_error(path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=True, timeout=60)
    number, message = done.stdout.splitlines()[0].split(" ", 1)
    assert message.startswith(f"Cannot write {path}: file too large.")
    played = 0
    with av.open(str(path)) as recording, suppress(av.FFmpegError):  # the last picture may be cut off
        for _ in recording.decode(video=0):
            played += 1
    assert played >= int(number) - 60


@pytest.mark.parametrize(("given", "until"), [(0.5, 2.0), (2.0, 1.0)], ids=["gap", "surplus"])
def test_sound_keeps_its_time(path: Path, given: float, until: float) -> None:
    """A gap becomes silence before the samples; a surplus is dropped."""
    with RecordingFile(path, FORMAT, audio=True) as file:
        file.send(composite(0))
        file.send_audio(np.full(int(given * AUDIO_RATE), 1000, np.int16), until)
        file.send(composite(2000, time_base=TIME_BASE))
    with av.open(str(path)) as recording:
        length = sum(Fraction(frame.samples, AUDIO_RATE) for frame in recording.decode(audio=0))
    assert abs(float(length) - until) < 0.1
