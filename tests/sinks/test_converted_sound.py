"""Sound that the output container cannot hold is converted without loss, at its times."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from livebg.errors import SinkError
from tests.support.media import stamped_picture
from tests.support.sink_files import render

_FPS: Final = 25
_SECONDS: Final = 2
_CASES: Final[Mapping[str, tuple[str, str, str, int, str]]] = {
    "adpcm": ("in.avi", "mpeg4", "adpcm_ms", 22_050, "stereo"),
    "adpcm-mono": ("in.avi", "mpeg4", "adpcm_ima_wav", 11_025, "mono"),
    "wma": ("in.wmv", "wmv2", "wmav2", 44_100, "stereo"),
    "amr": ("in.3gp", "mpeg4", "libopencore_amrnb", 8_000, "mono"),
    "bluray": ("in.m2ts", "libx264", "pcm_bluray", 48_000, "5.1(side)"),
    "dvd": ("in.vob", "mpeg2video", "pcm_dvd", 48_000, "stereo"),
    "tta": ("in.mkv", "libx264", "tta", 48_000, "stereo"),
    "g722": ("in.nut", "mpeg4", "g722", 16_000, "mono"),
}
"""File name, codecs of pictures and sound, sample rate and channel layout."""


def write(folder: Path, case: str, blocks: Sequence[tuple[float, float]] = ((0, _SECONDS),), tracks: int = 1) -> Path:
    """Write two seconds of pictures, and of noise between the times of each block."""
    name, picture_codec, sound_codec, rate, layout = _CASES[case]
    if sound_codec not in av.codecs_available:
        pytest.skip(f"PyAV {av.__version__} has no {sound_codec}")  # 19.0 decodes AMR, but has no encoder
    with av.open(str(folder / name), "w") as output:
        video = output.add_stream(picture_codec, rate=_FPS)
        assert isinstance(video, VideoStream)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sounds = [output.add_stream(sound_codec, rate=rate, layout=layout) for _ in range(tracks)]
        for sound, language in zip(sounds, ("ger", "eng"), strict=False):
            assert isinstance(sound, AudioStream)
            sound.bit_rate = 12_200 if case == "amr" else 64_000
            sound.metadata.update({"language": language, "title": f"Ton {language}"})
        output.start_encoding()
        for number in range(_SECONDS * _FPS):
            picture = stamped_picture(number, 64, 48)
            picture.pts, picture.time_base = number, Fraction(1, _FPS)
            output.mux(video.encode(picture))
            for sound in sounds:
                assert isinstance(sound, AudioStream)
                _write_noise(output, sound, Fraction(number, _FPS), blocks)
        output.mux(video.encode(None))
        for sound in sounds:
            assert isinstance(sound, AudioStream)
            output.mux(sound.encode(None))
    return folder / name


def _write_noise(output: OutputContainer, sound: AudioStream, time: Fraction, blocks: Sequence[tuple[float, float]]) -> None:
    """Write the sound of the picture at ``time`` that is in one of the blocks."""
    rate, size = sound.sample_rate, sound.codec_context.frame_size or 240
    for at in range(-(-round(time * rate) // size) * size, round((time + Fraction(1, _FPS)) * rate), size):
        if any(begin <= at / rate < end for begin, end in blocks):
            noise = np.random.default_rng(at).integers(-9000, 9000, (1, size * sound.layout.nb_channels)).astype(np.int16)
            block = av.AudioFrame.from_ndarray(noise, "s16", sound.layout.name)
            block.sample_rate, block.pts, block.time_base = rate, at, Fraction(1, rate)
            output.mux(sound.encode(block))


def times_for(source: Path) -> range:
    """Return times for :func:`render` from that of the first picture, in milliseconds."""
    with av.open(str(source)) as container:
        video = container.streams.video[0]
        first = round(1000 * (video.start_time or 0) * (video.time_base or 0))
    return range(first, first + 1000 * _SECONDS, 100)


def sound_of(path: Path) -> tuple[NDArray[np.float32], list[tuple[float, float]]]:
    """Return all samples that can be decoded, shape (channels, samples), and the ranges of time without a gap of 20 ms."""
    samples, ranges = [], list[tuple[float, float]]()
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("fltp")
        for packet in container.demux(container.streams.audio[0]):
            try:
                frames = packet.decode()
            except av.FFmpegError:
                continue
            for frame in frames:
                samples += [part.to_ndarray() for part in resampler.resample(frame)]
                length = frame.samples / frame.sample_rate
                time = ranges[-1][1] if frame.pts is None or not packet.size else float(frame.time or 0)
                begins = ranges.pop()[0] if ranges and abs(ranges[-1][1] - time) < 0.02 else time
                ranges.append((begins, time + length))
    return np.concatenate(samples, axis=1), ranges


@pytest.mark.parametrize(
    ("case", "ending"),
    [*((case, ".mkv") for case in _CASES), *((case, e) for case in ("adpcm", "wma") for e in (".mp4", ".mov"))],
)
def test_converted_sound_keeps_samples_times_and_tags(tmp_path: Path, case: str, ending: str) -> None:
    source, out = write(tmp_path, case), tmp_path / f"out{ending}"
    sink = render(source, out, pts=times_for(source))
    (before, ranges), (after, moved) = sound_of(source), sound_of(out)
    np.testing.assert_allclose(after, before, rtol=0, atol=2**-22)
    assert moved[0] == pytest.approx((ranges[0][0], ranges[-1][1]), abs=0.015)
    with av.open(str(source)) as old, av.open(str(out)) as new:
        first, second = old.streams.audio[0], new.streams.audio[0]
        assert second.codec_context.name == ("alac" if ending == ".mov" else "flac")
        assert (second.sample_rate, second.layout.name) == _CASES[case][3:]
        assert second.language in (first.language, "und")
    name = "ALAC" if ending == ".mov" else "FLAC"
    assert any(note.startswith("audio stream 1 (") and note.endswith(f"converted to {name}") for note in sink.notes)


def test_two_converted_sounds_keep_their_order(tmp_path: Path) -> None:
    source = write(tmp_path, "tta", tracks=2)
    render(source, tmp_path / "out.mkv")
    with av.open(str(tmp_path / "out.mkv")) as container:
        found = [(each.language, each.metadata["title"]) for each in container.streams.audio]
    assert found == [("ger", "Ton ger"), ("eng", "Ton eng")]


@pytest.mark.parametrize("case", ["wma", "bluray", "amr"])
@pytest.mark.parametrize("ending", [".mkv", ".mp4"])
def test_gap_in_converted_sound_stays(tmp_path: Path, case: str, ending: str) -> None:
    source, out = write(tmp_path, case, blocks=((0, 0.5), (1.25, 2))), tmp_path / f"out{ending}"
    render(source, out, pts=times_for(source))
    (_, before), (_, after) = sound_of(source), sound_of(out)
    assert len(before) == len(after) == 2
    assert after[1][0] == pytest.approx(before[1][0], abs=0.005)
    # At the end of FLAC in MP4, FFmpeg 9 drops as much as the sound begins late, if that is less than a frame.
    dropped = before[0][0] if ending == ".mp4" and av.library_versions["libavformat"] >= (63,) else 0
    assert before[1][1] - dropped - 0.005 < after[1][1] < before[1][1] + 0.005
    assert before[0][1] - 0.005 < after[0][1] < before[0][1] + 0.1  # silence completes the last frame


@pytest.mark.parametrize("case", ["adpcm", "wma", "bluray"])
def test_cut_keeps_converted_sound_in_range(tmp_path: Path, case: str) -> None:
    source, out = write(tmp_path, case), tmp_path / "out.mkv"
    first = times_for(source).start
    render(source, out, pts=range(first + 500, first + 1500, 100), start=0.5, end=1.5)
    with av.open(str(source)) as container:
        origin = Fraction(container.start_time or 0, av.time_base)
    (before, ranges), (after, moved) = sound_of(source), sound_of(out)
    rate = _CASES[case][3]
    skipped = round((origin + Fraction(1, 2) - Fraction(ranges[0][0])) * rate)
    assert moved == [pytest.approx((float(origin), float(origin) + 1), abs=0.002)]
    assert after.shape[1] == rate
    distances = [np.abs(before[:, at : at + rate] - after).max() for at in range(skipped - 25, skipped + 25)]  # 1 ms at most
    assert min(distances) < 2**-22


def test_sound_that_cannot_be_decoded_is_skipped(tmp_path: Path) -> None:
    source, out = write(tmp_path, "adpcm-mono"), tmp_path / "out.mkv"
    data = bytearray(source.read_bytes())
    with av.open(str(source)) as container:
        places = [packet.pos for packet in container.demux(container.streams.audio[0]) if packet.pos]
    length = sound_of(source)[1][0][1] / len(places)
    for place in places[4:6]:
        for table_index in (2, 10):  # where it is depends on whether the position is that of the chunk or of its data
            data[place + table_index] = 0x78  # the table has 89 entries
    source.write_bytes(data)
    sink = render(source, out)
    assert sink.notes[-1] == "skipped 2 packets of sound that cannot be decoded"
    assert [round(begin / length) for begin, _ in sound_of(out)[1]] == [0, 6]


def test_output_has_same_bytes_in_each_run(tmp_path: Path) -> None:
    source = write(tmp_path, "wma")
    for name in ("one.mkv", "two.mkv"):
        render(source, tmp_path / name, pts=times_for(source))
    assert (tmp_path / "one.mkv").read_bytes() == (tmp_path / "two.mkv").read_bytes()


def test_sound_is_converted_even_if_streams_may_be_dropped(tmp_path: Path) -> None:
    sink = render(write(tmp_path, "adpcm"), tmp_path / "out.mkv", drop_streams=True)
    assert sink.notes == ("audio stream 1 (adpcm_ms) is not supported by Matroska: converted to FLAC",)
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert [stream.name for stream in container.streams.audio] == ["flac"]


def test_webm_refuses_sound_that_it_could_only_hold_with_loss(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=r"audio stream 1 \(adpcm_ms\) is not supported by WEBM\. Choose a file extension"):
        render(write(tmp_path, "adpcm"), tmp_path / "out.webm")
