"""Listing a camera's modes and choosing one."""

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livebg.v4l2.modes import DECODE_COST, Mode, choose_mode, rate_distance, read_modes, readable, size_distance
from tests.support.fake_v4l2 import HD, VGA, FakeDevice, FakeKernel

NODE = "/dev/video0"


def offered(device: FakeDevice, size: tuple[int, int] | None = None, rate: Fraction | None = None) -> list[Mode]:
    kernel = FakeKernel({NODE: device})
    return read_modes(kernel.open(Path(NODE)), kernel, size, rate)


def mode(text: str) -> Mode:
    """Parse a mode such as ``1280x720 MJPG 30 15``."""
    size, pixel_format, *rates = text.split()
    width, height = map(int, size.split("x"))
    return Mode(pixel_format, width, height, tuple(Fraction(rate) for rate in rates))


def chosen(*texts: str, size: tuple[int, int] = (1280, 720), rate: int = 30) -> str:
    return str(choose_mode([mode(text) for text in texts], size, Fraction(rate)))


def test_discrete_modes_are_listed() -> None:
    assert offered(FakeDevice(modes=[VGA, HD])) == [VGA, HD]


def test_range_includes_common_sizes_limits_and_requested_size() -> None:
    device = FakeDevice(modes=[Mode("NV12", 0, 0)], stepwise=(160, 1920, 16, 120, 1080, 4))
    modes = offered(device, (1000, 563), Fraction(25, 2))
    sizes = [(each.width, each.height) for each in modes]
    assert sizes[0] == (992, 564)
    assert {(640, 480), (1280, 720), (160, 120), (1920, 1080)} <= set(sizes)
    assert (3840, 2160) not in sizes
    assert len(set(sizes)) == len(sizes)
    assert {Fraction(60), Fraction(1), Fraction(25, 2), Fraction(30)} <= set(modes[0].frame_rates)
    assert max(modes[0].frame_rates) == 60


@given(st.tuples(st.integers(2, 5000), st.integers(2, 5000)), st.integers(1, 33), st.integers(1, 33))
def test_sizes_of_range_are_on_its_grid(asked: tuple[int, int], across: int, down: int) -> None:
    device = FakeDevice(modes=[Mode("NV12", 0, 0)], stepwise=(48, 2001, across, 32, 1501, down))
    for each in offered(device, asked):
        assert 48 <= each.width <= 2001
        assert 32 <= each.height <= 1501
        assert (each.width - 48) % across == (each.height - 32) % down == 0
        assert each.width % 2 == each.height % 2 == 0


def test_driver_without_size_list_uses_current_size() -> None:
    device = FakeDevice(modes=[Mode("YUYV", 0, 0)])
    device.failures = {0xC02C564A: 25}
    device.pix.width, device.pix.height = 720, 576
    assert offered(device) == [Mode("YUYV", 720, 576)]


def test_requested_size_is_chosen() -> None:
    assert chosen("640x480 YUYV 30", "1280x720 MJPG 30", "1920x1080 MJPG 30") == "1280x720 MJPG"


def test_sufficient_rate_outweighs_decoding_cost() -> None:
    assert chosen("1280x720 YUYV 10 5", "1280x720 MJPG 30 15") == "1280x720 MJPG"


@pytest.mark.parametrize(
    ("fast", "expected"), [("10", "640x480 YUYV"), ("15", "640x480 YUYV"), ("20", "1280x720 YUYV"), ("24", "1280x720 YUYV")]
)
def test_low_rate_outweighs_size_only_when_far_off(fast: str, expected: str) -> None:
    assert chosen("640x480 YUYV 30", f"1280x720 YUYV {fast}") == expected


def test_rate_does_not_outweigh_tiny_size() -> None:
    assert chosen("160x120 YUYV 30", "1280x720 YUYV 15") == "1280x720 YUYV"


def test_cheapest_format_is_chosen_among_equals() -> None:
    every = ["1280x720 H264 30", "1280x720 MJPG 30", "1280x720 YUYV 30", "1280x720 NV12 30"]
    while every:
        assert chosen(*every) == every[-1].removesuffix(" 30")
        every.pop()


def test_ntsc_rate_is_close_enough() -> None:
    assert chosen("1280x720 MJPG 30", "1280x720 YUYV 30000/1001") == "1280x720 YUYV"


def test_other_aspect_ratio_is_farther() -> None:
    assert chosen("1280x960 MJPG 30", "1280x800 MJPG 30", "960x540 MJPG 30") == "1280x800 MJPG"


def test_nearest_rate_is_chosen() -> None:
    assert mode("640x480 YUYV 60 30 15").nearest_rate(Fraction(24)) == 30
    assert mode("640x480 YUYV 60 15").nearest_rate(Fraction(30)) == 60
    assert mode("640x480 YUYV 120 25").nearest_rate(Fraction(30)) == 25
    assert mode("640x480 YUYV").nearest_rate(Fraction(24)) == 24


def test_unreadable_modes_are_excluded() -> None:
    assert readable([mode("640x480 GREY 30"), mode("641x480 YUYV 30"), mode("0x0 YUYV")]) == []
    with pytest.raises(ValueError, match="empty"):
        choose_mode([mode("640x480 GREY 30")], (640, 480), Fraction(30))


some_modes = st.lists(
    st.builds(
        Mode,
        st.sampled_from(sorted(DECODE_COST)),
        st.integers(80, 2000).map(lambda half: 2 * half),
        st.integers(60, 1100).map(lambda half: 2 * half),
        st.lists(st.fractions(1, 120, max_denominator=1001), min_size=1, max_size=4, unique=True).map(tuple),
    ),
    min_size=1,
    max_size=12,
)


@given(some_modes, st.tuples(st.integers(16, 4000), st.integers(16, 3000)), st.fractions(1, 120, max_denominator=1001))
def test_chosen_mode_is_not_dominated(modes: list[Mode], size: tuple[int, int], rate: Fraction) -> None:
    def measures(each: Mode) -> tuple[float, float, float]:
        reached = each.nearest_rate(rate)
        return size_distance(each, size), rate_distance(reached, rate), DECODE_COST[each.pixel_format]

    mine = measures(choose_mode(modes, size, rate))
    for each in modes:
        theirs = measures(each)
        dominates = all(other <= own for other, own in zip(theirs, mine, strict=True)) and theirs != mine
        assert not dominates, f"{each} is better"
