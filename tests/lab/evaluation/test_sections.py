"""Each evaluation section, with networks of known alpha."""

import math
from functools import partial
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from livebg.imaging.frame import Alpha
from livebg.lab.evaluation.clips import SIZE, measure_moving, measure_real
from livebg.lab.evaluation.cost import measure_cost
from livebg.lab.evaluation.datasets import EmptyRoom, picture_sets
from livebg.lab.evaluation.networks import Candidate
from livebg.lab.evaluation.results import Section
from livebg.lab.evaluation.stills import measure_pictures, measure_rooms
from livebg.lab.evaluation.subjects import subjects
from livebg.synthetic import MOTIONS, clip
from tests.support.evaluation_data import KnownNetwork, Rgb, bright_alpha, constant_alpha, save, save_pair
from tests.support.media import FAST, Clip

NO_SHEETS = None


def mean(section: Section, network: str, measure: str) -> float:
    summary = section.scores[network].summaries[measure]
    assert summary is not None
    return summary.mean


class CountingNetwork(KnownNetwork):
    """A stateful network whose alpha increases by 0.1 with each picture since the last reset."""

    def __init__(self) -> None:
        super().__init__(self._next, size=(16, 16))
        self.levels: list[float] = []
        self._seen = 0

    def _next(self, image: Rgb) -> Alpha:
        self._seen += 1
        self.levels.append(0.1 * self._seen)
        return np.full(image.shape[:2], self.levels[-1], np.float32)

    def reset(self) -> None:
        self._seen = 0


def test_pictures_are_measured_at_full_size(tmp_path: Path) -> None:
    for number, people in enumerate((256, 128)):
        save_pair(tmp_path / "set", str(number), people, size=(512, 288))
    seer, blind = KnownNetwork(bright_alpha), KnownNetwork(constant_alpha(0), size=(32, 32))
    section = measure_pictures({"seer": seer, "blind": blind}, picture_sets(tmp_path)[0], NO_SHEETS)
    assert (section.name, section.units) == ("set", ("0", "1"))
    assert mean(section, "seer", "iou") == mean(section, "seer", "own_iou") == 1
    assert mean(section, "seer", "boundary_f") == 1
    assert mean(section, "blind", "iou") == mean(section, "blind", "own_iou") == 0
    assert mean(section, "blind", "mad") == pytest.approx(375)  # it misses half of one picture and a quarter of the other
    assert set(seer.shown) == {(256, 144), (512, 288)}
    assert blind.shown == [(32, 32)] * 2  # a single inference if both sizes are the same
    difference = section.differences["blind"]["iou"]
    assert difference is not None
    assert difference.mean == 1


def test_details_below_input_size_are_lost(tmp_path: Path) -> None:
    """Columns that are bright at a width of 512 cover only half of a column at 256, whose mean is too dark."""
    save_pair(tmp_path / "set", "thin", people=1, size=(512, 288))
    section = measure_pictures({"seer": KnownNetwork(bright_alpha)}, picture_sets(tmp_path)[0], NO_SHEETS)
    assert mean(section, "seer", "own_iou") == 1
    assert mean(section, "seer", "iou") < 0.9


def test_empty_rooms_are_clear_or_have_ghosts() -> None:
    rooms = []
    for number, columns in enumerate((0, 1, 20, 0)):
        room = np.zeros((10, 100, 3), np.uint8)
        room[:, :columns] = 255
        rooms.append(EmptyRoom(f"hall/{number}.png", partial(np.copy, room)))
    section = measure_rooms({"seer": KnownNetwork(bright_alpha), "sure": KnownNetwork(constant_alpha(0.004))}, rooms, NO_SHEETS)
    assert mean(section, "seer", "mean_alpha") == pytest.approx(1000 * 0.21 / 4)
    assert (mean(section, "seer", "clear"), mean(section, "seer", "ghosts")) == (50, 25)
    assert (mean(section, "sure", "clear"), mean(section, "sure", "ghosts")) == (100, 0)
    assert section.facts()["networks"]["seer"]["mean_alpha"]["worst_unit"] == "hall/2.png"


def test_moving_measures_match_known_alpha() -> None:
    actors = subjects(None, 2)
    truths = [
        [moment.alpha / 255 for moment in clip(MOTIONS["fast"], [actors.actor(i)], actors.room(i), SIZE, frames=4, seed=i)]
        for i in range(2)
    ]
    section = measure_moving({"nobody": KnownNetwork(constant_alpha(0))}, actors, "fast", clips=2, frames=4, sheets=NO_SHEETS)
    assert section.units == ("fast 0", "fast 1")
    assert "procedural people over procedural rooms" in section.about
    assert mean(section, "nobody", "mad") == pytest.approx(1e3 * np.mean(truths), rel=1e-4)
    assert mean(section, "nobody", "mse") == pytest.approx(1e3 * np.mean(np.square(truths)), rel=1e-4)
    changes = [math.sqrt(np.square(after - before).mean()) for truth in truths for before, after in pairwise(truth)]
    assert mean(section, "nobody", "dtssd") == pytest.approx(1e2 * np.mean(changes), rel=1e-4)
    assert section.scores["nobody"].summaries["edge_lag"] is None  # four frames are too few


def test_stateful_network_is_reset_between_clips() -> None:
    """Alpha is 0.1, 0.2, 0.3 in successive frames and starts at 0.1 again in the next clip."""
    climbing, flat = CountingNetwork(), KnownNetwork(constant_alpha(0.1))
    networks = {"climbing": climbing, "flat": flat}
    section = measure_moving(networks, subjects(None, 2), "still", clips=2, frames=3, sheets=NO_SHEETS)
    assert list(section.scores) == ["climbing", "flat"]
    assert climbing.levels == pytest.approx([0.1, 0.2, 0.3] * 2)
    assert mean(section, "climbing", "dtssd") == pytest.approx(10, rel=1e-4)
    assert mean(section, "flat", "dtssd") == pytest.approx(0, abs=1e-6)


def test_held_out_people_and_rooms_are_used(tmp_path: Path) -> None:
    for number in range(11):
        save_pair(tmp_path / "ccp", f"{number:02}", people=20 + number)
    save(tmp_path / "backgrounds" / "halls" / "a.png", np.full((90, 160, 3), 77, np.uint8))
    actors = subjects(tmp_path, 4)
    assert actors.about == "people cut out of pictures and green-screen clips over rooms"
    assert [actor.cutouts[0].alpha[:, :40].max() for actor in (actors.actor(0), actors.actor(1))] == [255, 255]
    assert len(actors.people) == 2
    assert (actors.actor(0).box[2], actors.actor(1).box[2]) == (
        19,
        29,
    )  # of the masks' 20 and 30 columns, the outermost is eroded
    assert actors.room(5).tolist() == np.full((90, 160, 3), 77).tolist()


def test_people_are_keyed_from_green_screen(tmp_path: Path) -> None:
    picture = np.full((96, 128, 3), (20, 200, 30), np.uint8)
    picture[30:, 40:90] = (200, 30, 120)

    def green_screen_frame(_number: int, _width: int, _height: int) -> "av.VideoFrame":
        return av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv444p")

    folder = tmp_path / "video" / "talking"
    folder.mkdir(parents=True)
    Clip(count=50, width=128, height=96, pix_fmt="yuv444p", picture=green_screen_frame, options=FAST).write(folder / "d11.mp4")
    actor = subjects(tmp_path, 2).actor(0)
    assert len(actor.cutouts) == 40
    left, top, right, _ = actor.box
    assert abs(left - 40) <= 2
    assert abs(right - 90) <= 2
    assert abs(top - 30) <= 2


def test_real_clips_are_compared_with_teacher(tmp_path: Path) -> None:
    paths = [Clip(count=12, width=64, height=48, options=FAST).write(tmp_path / f"{name}.mkv") for name in ("book", "yes")]
    networks = {"calm": KnownNetwork(constant_alpha(0.7)), "seer": KnownNetwork(bright_alpha)}
    section = measure_real(networks, paths, 8, KnownNetwork(bright_alpha), NO_SHEETS)
    assert section.units == ("book", "yes")
    assert len(networks["seer"].shown) == 16
    assert (mean(section, "seer", "teacher_iou"), mean(section, "seer", "teacher_mad")) == (1, 0)
    # A frame has as many bright blocks, of twelve, as its number has binary ones: 12 in the first eight frames.
    assert mean(section, "calm", "teacher_iou") == pytest.approx(12 / 12 / 8, abs=0.01)
    assert mean(section, "calm", "dropouts") == 0
    without = measure_real(networks, paths[:1], 4, None, NO_SHEETS)
    assert "teacher_iou" not in without.scores["seer"].summaries


def test_cost_is_relative_to_reference(tmp_path: Path) -> None:
    path = tmp_path / "known.onnx"
    path.write_bytes(bytes(1234))
    networks = {"ours": KnownNetwork(bright_alpha), "theirs": KnownNetwork(constant_alpha(0), size=(32, 16))}
    candidates = [Candidate(name, path, lambda network=network: network) for name, network in networks.items()]  # type: ignore[misc]
    costs = measure_cost(candidates, networks, "theirs")
    assert costs.networks["theirs"].ratio == 1
    assert (costs.networks["ours"].input_size, costs.networks["theirs"].input_size) == ((1280, 720), (32, 16))
    assert costs.networks["ours"].cpu_ms >= costs.networks["ours"].cpu_ms_least
    facts = costs.facts()
    assert facts["reference"] == "theirs"
    assert facts["networks"]["ours"]["file_bytes"] == 1234
    assert len(networks["ours"].shown) == len(networks["theirs"].shown)  # they alternated
