"""Data sets under a folder, statistics of the results, and contact sheets."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from livebg.errors import SinkError, SourceError
from livebg.lab.evaluation.datasets import clips, every_nth, picture_sets, rooms_aside
from livebg.lab.evaluation.holdout import ROOMS_WITH_PEOPLE
from livebg.lab.evaluation.results import ContactSheet, tabulate, worst_count
from livebg.metrics.statistics import Measure
from tests.support.evaluation_data import save, save_pair

BLACK = np.zeros((4, 6, 3), np.uint8)


def test_folders_with_masks_are_sets_except_training_folders(tmp_path: Path) -> None:
    for name in ("a/test", "a/train", "b", "ccp"):
        for number in range(11):
            save_pair(tmp_path / name, f"{number:02}", people=8)
    save(tmp_path / "c" / "images" / "1.png", BLACK)
    found = {each.name: [pair.name for pair in each.pairs] for each in picture_sets(tmp_path)}
    everything = [f"{number:02}" for number in range(11)]
    assert found == {"a/test": everything, "b": everything, "ccp": ["00", "10"]}
    assert [pair.name for pair in picture_sets(tmp_path / "b", step=5)[0].pairs] == ["00", "05", "10"]
    assert picture_sets(tmp_path / "a" / "train") == []
    assert [len(each.pairs) for each in picture_sets(tmp_path / "ccp")] == [2]


def test_pair_reads_as_rgb_and_mask(tmp_path: Path) -> None:
    save_pair(tmp_path, "one", people=10)
    rgb, mask = picture_sets(tmp_path)[0].pairs[0].read()
    assert rgb.shape == (48, 64, 3)
    assert mask[0].tolist() == rgb[0, :, 1].tolist() == [255] * 10 + [0] * 54


def test_mismatched_picture_and_mask_fail(tmp_path: Path) -> None:
    save_pair(tmp_path, "one", people=10)
    save(tmp_path / "masks" / "one.png", BLACK[..., 0])
    with pytest.raises(SourceError, match=r"masks/one\.png is 6x4, but its picture is 64x48\. Make them the same size"):
        picture_sets(tmp_path)[0].pairs[0].read()
    save(tmp_path / "images" / "two.png", BLACK)
    with pytest.raises(SourceError, match=r"images/two\.png has no mask with the same name"):
        picture_sets(tmp_path)
    with pytest.raises(SourceError, match=r"nowhere does not exist\. Specify the folder"):
        picture_sets(tmp_path / "nowhere")


def test_rooms_are_a_tenth_of_each_folder_without_people(tmp_path: Path) -> None:
    for folder, count in (("halls", 12), ("messy_desks", 195)):
        for number in range(count):
            save(tmp_path / "backgrounds" / folder / f"{number:04}.jpg", BLACK)
    names = [room.name for room in rooms_aside(tmp_path)]
    assert names[:3] == ["halls/0000.jpg", "halls/0010.jpg", "messy_desks/0000.jpg"]
    assert len(names) == 2 + 19
    assert "messy_desks/0190.jpg" in ROOMS_WITH_PEOPLE
    assert "messy_desks/0190.jpg" not in names


def test_held_out_and_all_clips_are_listed(tmp_path: Path) -> None:
    for name in ("signing/book.mkv", "signing/brother.mkv", "desk/yes.gif", "desk/LICENSE"):
        (tmp_path / "video" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "video" / name).touch()
    assert [path.name for path in clips(tmp_path)] == ["yes.gif", "book.mkv"]
    assert [path.name for path in clips(tmp_path, all_of_them=True)] == ["yes.gif", "book.mkv", "brother.mkv"]


def test_every_nth_keeps_both_ends() -> None:
    assert every_nth(list(range(101)), 5) == [0, 25, 50, 75, 100]
    assert every_nth([1, 2], 5) == [1, 2]


def test_differences_are_paired_and_worst_is_reported() -> None:
    measures = (Measure("iou", "IoU", "", higher_is_better=True), Measure("mad", "MAD", ""))
    rows = []
    for number in range(40):
        base = number / 100
        rows.append((f"p{number}", {"ours": (base + 0.1, base), "theirs": (base, base + 0.2)}))
    section = tabulate("set", "about", "picture", measures, ["ours", "theirs"], rows)
    difference = section.differences["theirs"]["iou"]
    assert difference is not None
    assert difference.low is not None
    assert difference.high is not None
    assert difference.mean == pytest.approx(0.1)
    assert difference.high - difference.low < 1e-9  # all pictures differ equally: much tighter than either mean
    assert section.worst("ours") == pytest.approx({"iou": 0.105, "mad": 0.385})
    facts = section.facts()
    assert facts["count"] == 40
    assert facts["networks"]["ours"]["iou"]["mean"] == pytest.approx(0.295)
    assert (facts["networks"]["ours"]["iou"]["worst_unit"], facts["networks"]["ours"]["mad"]["worst_unit"]) == ("p0", "p39")
    assert facts["differences"]["theirs"]["mad"]["mean"] == pytest.approx(-0.2)


def test_missing_measure_is_null() -> None:
    rows = [(str(number), {"ours": (float("nan"),), "theirs": (1.0,)}) for number in range(3)]
    facts = tabulate("set", "about", "clip", (Measure("lag", "lag", ""),), ["ours", "theirs"], rows).facts()
    assert facts["networks"]["ours"] == {"lag": None}
    assert facts["differences"]["theirs"] == {"lag": None}
    assert facts["networks"]["theirs"]["lag"]["mean"] == 1.0


def test_sheet_shows_worst_first(tmp_path: Path) -> None:
    worst = ContactSheet(tmp_path / "sheets", "a set/test", worst_count(40))
    for number in range(40):
        rgb = np.full((30, 40, 3), number * 5, np.uint8)
        alpha = np.full((30, 40), 0.5, np.float32)
        worst.add(float(-abs(number - 20)), str(number), rgb, None if number % 2 else alpha, alpha)
    worst.write()
    with Image.open(tmp_path / "sheets" / "a-set-test.png") as image:
        sheet = np.asarray(image)
    assert sheet.shape == (2 * 184, 4 * 224, 3)  # 5 % of forty
    picture, truth, alpha, cut_out = (sheet[100, 112 + 224 * tile].tolist() for tile in range(4))
    assert (picture, truth, alpha) == ([100] * 3, [128] * 3, [128] * 3)
    assert np.allclose(cut_out, [178, 50, 178], atol=1)
    assert sheet[284, 112].tolist() in ([95] * 3, [105] * 3)


def test_sheets_without_folder_write_nothing(tmp_path: Path) -> None:
    for folder in (None, tmp_path / "file" / "sheets"):
        worst = ContactSheet(folder, "set", 1)
        worst.add(1.0, "one", BLACK, None, np.zeros((4, 6), np.float32))
        if folder is None:
            worst.write()
        else:
            (tmp_path / "file").touch()
            with pytest.raises(SinkError, match=r"Cannot write .*set\.png \(.*\)\. Choose another folder for the sheets"):
                worst.write()
