"""The file sink and the file system: an output is complete or absent, and no other file is lost."""

import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest

from livebg.errors import SinkError, SourceError
from livebg.sinks.codecs import Encoding
from livebg.sinks.file import FileSink
from tests.support.recordings import Recording, frame_times, record
from tests.support.sink_contract import TIME_BASE, composite
from tests.support.sink_files import FAST, FORMAT, noise, write


class TestOutputFile:
    def test_output_appears_only_when_complete(self, tmp_path: Path) -> None:
        out = tmp_path / "out.mp4"
        with FileSink(out, FORMAT, TIME_BASE, encoding=FAST) as sink:
            sink.send(composite(0))
            assert not out.exists()
            assert all(each.name.startswith(".") for each in tmp_path.iterdir())
        assert list(tmp_path.iterdir()) == [out]

    def test_output_has_default_permissions(self, tmp_path: Path) -> None:
        (tmp_path / "other").touch()
        write(tmp_path / "out.mp4", [0])
        assert (tmp_path / "out.mp4").stat().st_mode == (tmp_path / "other").stat().st_mode

    @pytest.mark.parametrize("end", ["abort", "exception"])
    def test_abort_leaves_nothing(self, tmp_path: Path, end: Literal["abort", "exception"]) -> None:
        sink = FileSink(tmp_path / "out.mkv", FORMAT, TIME_BASE, encoding=FAST)
        for pts in range(0, 4000, 40):
            sink.send(composite(pts))
        if end == "abort":
            sink.abort()
        else:
            sink.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
        assert list(tmp_path.iterdir()) == []

    def test_close_without_pictures_fails_and_leaves_nothing(self, tmp_path: Path) -> None:
        sink = FileSink(tmp_path / "out.mp4", FORMAT, TIME_BASE, encoding=FAST)
        with pytest.raises(SinkError, match="no picture"):
            sink.close()
        assert list(tmp_path.iterdir()) == []

    def test_existing_output_is_kept(self, tmp_path: Path) -> None:
        out = tmp_path / "out.mp4"
        out.write_bytes(b"precious")
        with pytest.raises(SinkError, match="already exists"):
            FileSink(out, FORMAT, TIME_BASE, encoding=FAST)
        assert out.read_bytes() == b"precious"

    def test_overwrite_replaces_output_at_close(self, tmp_path: Path) -> None:
        out = tmp_path / "out.mp4"
        out.write_bytes(b"precious")
        with FileSink(out, FORMAT, TIME_BASE, encoding=FAST, overwrite=True) as sink:
            sink.send(composite(0))
            assert out.read_bytes() == b"precious"
        assert frame_times(out) == [0]
        assert list(tmp_path.iterdir()) == [out]

    def test_output_created_meanwhile_is_kept(self, tmp_path: Path) -> None:
        out = tmp_path / "out.mp4"
        sink = FileSink(out, FORMAT, TIME_BASE, encoding=FAST)
        sink.send(composite(0))
        out.write_bytes(b"precious")
        with pytest.raises(SinkError, match="already exists"):
            sink.close()
        assert out.read_bytes() == b"precious"
        assert list(tmp_path.iterdir()) == [out]

    @pytest.mark.parametrize("link", ["itself", "symbolic", "hard"])
    def test_input_is_never_overwritten(self, tmp_path: Path, link: str) -> None:
        source = record(tmp_path / "in.mp4", Recording(seconds=0.5))
        before = source.read_bytes()
        out = tmp_path / "out.mp4" if link != "itself" else source
        if link == "symbolic":
            out.symlink_to(source)
        elif link == "hard":
            out.hardlink_to(source)
        with pytest.raises(SinkError, match="is the input itself"):
            FileSink(out, FORMAT, TIME_BASE, encoding=FAST, copy_from=source, overwrite=True)
        assert source.read_bytes() == before

    def test_missing_folder_error_names_folder(self, tmp_path: Path) -> None:
        with pytest.raises(SinkError, match=r"nowhere does not exist"):
            FileSink(tmp_path / "nowhere" / "out.mp4", FORMAT, TIME_BASE, encoding=FAST)
        assert list(tmp_path.iterdir()) == []

    def test_folder_as_output_fails(self, tmp_path: Path) -> None:
        (tmp_path / "out.mp4").mkdir()
        with pytest.raises(SinkError, match="it is a folder"):
            FileSink(tmp_path / "out.mp4", FORMAT, TIME_BASE, encoding=FAST, overwrite=True)

    def test_fifo_as_output_fails_and_is_kept(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "out.mp4")
        with pytest.raises(SinkError, match="exists and is not a regular file"):
            FileSink(tmp_path / "out.mp4", FORMAT, TIME_BASE, encoding=FAST, overwrite=True)
        assert (tmp_path / "out.mp4").is_fifo()

    def test_invalid_input_fails(self, tmp_path: Path) -> None:
        (tmp_path / "in.mp4").write_bytes(b"no video" * 100)
        with pytest.raises(SourceError, match="cannot be opened"):
            FileSink(tmp_path / "out.mp4", FORMAT, TIME_BASE, encoding=FAST, copy_from=tmp_path / "in.mp4")
        assert [each.name for each in tmp_path.iterdir()] == ["in.mp4"]

    @pytest.mark.parametrize("name", ["ta:lk.mp4", "-talk.mp4", "talk %03d.mp4", "gespräch\udce4.mkv"])
    def test_special_characters_in_names_are_kept(self, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        write(Path(name), [0, 40])
        assert [os.fsencode(each.name) for each in tmp_path.iterdir()] == [os.fsencode(name)]

    def test_file_changed_while_writing_fails_verification(self, tmp_path: Path) -> None:
        sink = FileSink(tmp_path / "out.mkv", FORMAT, TIME_BASE, encoding=Encoding(codec="ffv1"))
        for number in range(100):
            sink.send(noise(number, pts=40 * number))
        part = next(tmp_path.iterdir())
        os.truncate(part, 1000)
        with pytest.raises(SinkError, match=r"Verification of .* failed"):
            sink.close()
        assert list(tmp_path.iterdir()) == []


WRITER = """
import sys
from fractions import Fraction
from pathlib import Path
from livebg.errors import SinkError
from livebg.imaging.frame import VideoFormat
from livebg.sinks.codecs import Encoding
from livebg.sinks.file import FileSink
from tests.support.sink_files import noise
try:
    with FileSink(Path(sys.argv[1]), VideoFormat(64, 48, Fraction(25)), Fraction(1, 1000), encoding=Encoding(crf=1)) as sink:
        for number in range(int(sys.argv[2])):
            sink.send(noise(number, pts=40 * number))
except SinkError as error:
    sys.exit(f"SinkError {error}")
"""


class TestFullDisk:
    @pytest.mark.parametrize("ending", [".mp4", ".mkv"])
    # The limit is hit while packets are written or, for short files, with the trailer.
    @pytest.mark.parametrize(("limit", "frames"), [(100_000, 200), (2_000, 2), (100, 2)])
    def test_full_disk_leaves_nothing(self, tmp_path: Path, ending: str, limit: int, frames: int) -> None:
        out = tmp_path / f"out{ending}"
        run = subprocess.run(
            [sys.executable, "-c", WRITER, str(out), str(frames)],
            check=False,
            capture_output=True,
            text=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        )
        assert run.returncode == 1
        message = run.stderr.strip()
        assert message.startswith(f"SinkError Cannot write {out}: file too large")
        assert "\n" not in message
        assert list(tmp_path.iterdir()) == []

    def test_unwritable_folder_fails(self) -> None:
        folder = Path("/proc/self")
        if not folder.is_dir():
            pytest.skip("no /proc, the only folder that root cannot write to")
        with pytest.raises(SinkError, match=r"Cannot write /proc/self/out.mp4: "):
            FileSink(folder / "out.mp4", FORMAT, TIME_BASE, encoding=FAST)
