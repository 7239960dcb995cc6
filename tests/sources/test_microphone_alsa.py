"""Recording a microphone never opens ALSA: the library in the wheel of PyAV searches for plugins in a folder open to everyone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import ctypes, os, pathlib, sys, time
import av
from fractions import Fraction
from livebg.compositing.composite import Placeholder
from livebg.imaging.frame import ColorSpec, VideoFormat
from livebg.live.frame_path import OutputFrame
from livebg.live.preview_feed import PreviewFeed
from livebg.live.recorder import Recorder, RecordingOptions

libc = ctypes.CDLL(None)
watch = libc.inotify_init1(os.O_NONBLOCK)
assert libc.inotify_add_watch(watch, os.environ["ALSA_CONFIG_PATH"].encode(), 0x20) > 0  # IN_OPEN

def opened():
    try:
        return bool(os.read(watch, 4096))
    except BlockingIOError:
        return False

feed = PreviewFeed(lambda _: None, lambda _: True)
recorder = Recorder(feed, VideoFormat(64, 48, Fraction(30)), lambda: False)
recorder.start(RecordingOptions(path=pathlib.Path(sys.argv[1]), audio="default"))
for _ in range(10):
    feed.publish(OutputFrame(Placeholder(64, 48, ColorSpec()).at(0, Fraction(1, 1000))))
    time.sleep(0.05)
done = recorder.stop()
print(done.audio, done.problem, opened())
try:
    av.open("default", format="alsa").close()
except (OSError, ValueError):
    pass
print(opened())
"""
PAREC = f"""#!{sys.executable}
import sys, time
while True:
    sys.stdout.buffer.write(bytes(4000))
    sys.stdout.buffer.flush()
    time.sleep(0.04)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ALSA is a part of Linux")
def test_recording_microphone_never_opens_alsa(tmp_path: Path) -> None:
    """ALSA reads its configuration before it opens a device, which the second line confirms."""
    (tmp_path / "alsa.conf").write_text("pcm.!default { type null }\n")
    (tmp_path / "parec").write_text(PAREC)
    (tmp_path / "parec").chmod(0o755)
    env = os.environ | {"ALSA_CONFIG_PATH": str(tmp_path / "alsa.conf"), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "a.mkv")]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=60, check=True)
    assert done.stdout.splitlines() == ["default None False", "True"]
