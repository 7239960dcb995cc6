"""FileSource and bad files: damaged files are read as far as possible, other files are rejected."""

import os
import re
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from livebg.errors import SourceError
from livebg.sources.file import FileSource
from tests.support.media import Clip, stamped, write_sound, yuv_picture
from tests.support.source_frames import frames_of, stamps, times


def grainy(number: int, width: int, height: int) -> av.VideoFrame:
    """A stamp with noise, so that the pictures are larger than the file's headers."""
    luma = stamped(number, width, height) + np.random.default_rng(number).integers(-25, 25, (height, width))
    chroma = np.full((height // 2, width // 2), 128, np.uint8)
    return yuv_picture([luma.astype(np.uint8), chroma, chroma], "yuv420p")


class TestDamage:
    @pytest.mark.parametrize(
        ("name", "codec", "options"),
        [
            ("a.mp4", "libx264", {"sc_threshold": "0"}),
            ("a.mkv", "libx264", {"sc_threshold": "0"}),
            # This decoder does not wait for a key frame but starts from gray.
            ("asp.mkv", "mpeg4", {"sc_threshold": "1000000"}),
        ],
    )
    def test_copy_starting_between_key_frames_skips_packets(
        self, tmp_path: Path, name: str, codec: str, options: dict[str, str]
    ) -> None:
        whole = Clip(60, codec=codec, options={"g": "20", **options}).write(tmp_path / "whole.mp4")
        path = copy_from(whole, tmp_path / name, 7)
        source, frames = frames_of(path)
        assert stamps(frames) == list(range(20, 60))
        assert source.notes == ("skipped 13 packets at the start that cannot be decoded",)

    def test_damaged_packets_are_skipped_and_counted(self, tmp_path: Path) -> None:
        path = Clip(100, 128, 96, picture=grainy, options={"g": "20", "sc_threshold": "0"}).write(tmp_path / "a.mp4")
        content = bytearray(path.read_bytes())
        media = content.index(b"mdat")
        length = (content.index(b"moov") - media) // 10
        begin = media + 5 * length
        content[begin : begin + length] = np.random.default_rng(3).bytes(length)
        path.write_bytes(content)
        source, frames = frames_of(path)
        assert 60 < len(frames) < 100
        assert any(re.fullmatch(r"skipped \d+ packets that cannot be decoded", note) for note in source.notes)
        whole = [frame for frame in frames if not 40 * 512 <= frame.pts < 80 * 512]
        assert [frame.pts // 512 for frame in whole] == stamps(whole) == [*range(40), *range(80, 100)]

    def test_damaged_sound_costs_no_picture(self, tmp_path: Path) -> None:
        path = Clip(50, audio="aac").write(tmp_path / "a.mkv")
        with av.open(str(path)) as container:
            packets = [bytes(packet) for packet in container.demux(audio=0) if packet.size]
        content = bytearray(path.read_bytes())
        payload = content.index(packets[len(packets) // 2])
        content[payload - 1] |= 0x06  # the block now claims several frames, whose sizes cannot be parsed
        content[payload : payload + 2] = b"\xff\x00"
        path.write_bytes(content)
        assert stamps(frames_of(path)[1]) == list(range(50))

    @pytest.mark.parametrize(
        ("name", "options", "container_options"),
        [
            ("front.mp4", {}, {"movflags": "+faststart"}),
            ("fragments.mp4", {"g": "10"}, {"movflags": "frag_keyframe+empty_moov"}),
            ("a.mkv", {}, {}),
            ("a.avi", {"bf": "3"}, {}),
        ],
    )
    @pytest.mark.parametrize("share", [0.5, 0.77])
    def test_truncated_file_can_be_read_to_reported_end(
        self, tmp_path: Path, name: str, options: dict[str, str], container_options: dict[str, str], share: float
    ) -> None:
        clip = Clip(100, 128, 96, picture=grainy, options=options, container_options=container_options)
        path = clip.write(tmp_path / name)
        whole = frames_of(path)[1]
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
        with pytest.raises(SourceError, match=r"is truncated at \d+\.\d{3} s\. .* --end \d+\.\d{3}\.$") as caught:
            FileSource(path)
        end = float(str(caught.value).removesuffix(".").rsplit(" ", 1)[1])
        assert 0.2 < end < 4
        _, frames = frames_of(path, end=end)
        assert len(frames) > 5
        assert stamps(frames) == stamps(whole)[: len(frames)]
        assert times(frames) == times(whole)[: len(frames)]
        assert float(times(frames)[-1] - times(whole)[0]) > end - 0.2
        assert stamps(frames_of(path, end=0.2)[1]) == [0, 1, 2, 3, 4]


def copy_from(source: Path, target: Path, first_packet: int) -> Path:
    """Copy the packets from an arbitrary one on, as ``-c copy`` does."""
    with av.open(str(source)) as original, av.open(str(target), "w") as output:
        stream = original.streams.video[0]
        copied = output.add_stream_from_template(stream)
        packets = [packet for packet in original.demux(stream) if packet.dts is not None][first_packet:]
        begin = packets[0].dts
        for packet in packets:
            assert packet.pts is not None
            assert packet.dts is not None
            assert begin is not None
            packet.pts, packet.dts, packet.stream = packet.pts - begin, packet.dts - begin, copied
            output.mux(packet)
    return target


class TestRefusal:
    def test_missing_file_fails(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match=r"gone\.mp4 does not exist"):
            FileSource(tmp_path / "gone.mp4")

    def test_folder_fails(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match="is a folder, not a video file"):
            FileSource(tmp_path)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything")
    def test_unreadable_file_fails(self, tmp_path: Path) -> None:
        path = Clip(2).write(tmp_path / "secret.mp4")
        path.chmod(0)
        with pytest.raises(SourceError, match="cannot be read by this user"):
            FileSource(path)

    @pytest.mark.parametrize("name", ["note.txt", "note.mp4", "note.nfo", "note"])
    def test_text_file_fails(self, tmp_path: Path, name: str) -> None:
        path = tmp_path / name
        path.write_text("Dear all,\nthis is no video.\n" * 50)
        with pytest.raises(SourceError, match=f"{name} cannot be read as a video"):
            FileSource(path)

    def test_empty_file_fails(self, tmp_path: Path) -> None:
        path = tmp_path / "empty.mp4"
        path.touch()
        with pytest.raises(SourceError, match="is empty"):
            FileSource(path)

    def test_audio_only_file_fails(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match=r"song\.m4a has no video stream; it holds only sound"):
            FileSource(write_sound(tmp_path / "song.m4a", "aac"))

    def test_audio_with_cover_fails(self, tmp_path: Path) -> None:
        path = tmp_path / "song.mp4"
        with av.open(str(path), "w") as container:
            cover = container.add_stream("mjpeg", rate=1)
            cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
            cover.disposition = Disposition.attached_pic
            sound = container.add_stream("aac", rate=48_000)
            container.mux(cover.encode(av.VideoFrame(64, 48, "yuvj420p")))
            container.mux(cover.encode())
            tone = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
            tone.sample_rate = 48_000
            container.mux(sound.encode(tone))
            container.mux(sound.encode())
        with pytest.raises(SourceError, match="has no video stream"):
            FileSource(path)

    def test_file_without_header_fails(self, tmp_path: Path) -> None:
        path = Clip().write(tmp_path / "a.mp4")
        content = path.read_bytes()
        path.write_bytes(content[: content.index(b"moov") - 4])
        with pytest.raises(SourceError, match=r"a\.mp4 cannot be read as a video\. Check that it is a complete video file\.$"):
            FileSource(path)

    def test_unsupported_codec_fails(self, tmp_path: Path) -> None:
        path = Clip(2, codec="rawvideo").write(tmp_path / "raw.mov")
        with pytest.raises(SourceError, match=r"cannot decode\. Convert it"):
            FileSource(path)

    @pytest.mark.parametrize("name", ["none.mp4", "none.mkv"])
    def test_file_without_frames_fails(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(SourceError, match=name):
            FileSource(Clip(0).write(tmp_path / name))

    def test_undecodable_file_fails(self, tmp_path: Path) -> None:
        path = Clip(20, options={"bf": "0"}).write(tmp_path / "a.mp4")
        content = bytearray(path.read_bytes())
        begin, end = content.index(b"mdat") + 4, content.index(b"moov") - 4
        content[begin:end] = bytes(end - begin)
        path.write_bytes(content)
        with pytest.raises(SourceError, match=r"No picture in .*a\.mp4 can be decoded"):
            FileSource(path)
