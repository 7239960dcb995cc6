"""The hold-out of the archives of people."""

import zipfile
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livebg.errors import SourceError
from livebg.lab.evaluation.datasets import picture_sets, rooms_aside
from livebg.lab.evaluation.holdout import (
    archived_pictures,
    groups,
    held_out_keys,
    name_group,
    near_duplicates,
    select_holdout,
)
from tests.support.evaluation_data import save_archive


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("n17", "w17-with-mask", True),
        ("naugmented_image_88", "waugmented_image_88", True),
        ("n17", "n18", False),
        ("s0010", "s0019", True),
        ("s0019", "s0020", False),
        ("f00012", "d00012", False),
    ],
)
def test_names_of_one_person_form_a_group(one: str, other: str, together: bool) -> None:
    assert (name_group(one) == name_group(other)) == together


def test_mirrored_and_brightened_copies_are_near_duplicates() -> None:
    draw = np.random.default_rng(3)
    pictures = [cv2.resize(draw.integers(0, 256, (6, 6)).astype(np.uint8), (32, 32)) for _ in range(12)]
    pictures += [np.ascontiguousarray(pictures[2][:, ::-1]), cv2.convertScaleAbs(pictures[5], alpha=0.8, beta=20)]
    assert sorted(near_duplicates([np.asarray(picture, np.uint8) for picture in pictures])) == [(2, 12), (5, 13)]


def test_no_group_is_on_both_sides(tmp_path: Path) -> None:
    """Also across sets: the second archive contains a copy of a picture in the first."""
    save_archive(tmp_path / "people" / "a.zip", [f"a{number:04}" for number in range(120)])
    save_archive(tmp_path / "people" / "b.zip", [f"b{number:03}0" for number in range(30)])
    with zipfile.ZipFile(tmp_path / "people" / "a.zip") as source, zipfile.ZipFile(tmp_path / "people" / "b.zip", "a") as target:
        for folder in ("images", "alpha"):
            target.writestr(f"{folder}/copy.webp", source.read(f"{folder}/a0055.webp"))
    pictures = list(chain.from_iterable(archived_pictures(tmp_path / "people" / f"{name}.zip") for name in "ab"))
    held_out = held_out_keys(tmp_path)
    found = groups(pictures)
    assert any({("a", "a0055"), ("b", "copy")} <= set(group) for group in found)
    assert sum(len(group) for group in found) == len(pictures)
    assert all(len(held_out & set(group)) in (0, len(group)) for group in found)
    for name, count in (("a", 120), ("b", 31)):
        assert 0.05 * count <= sum(key[0] == name for key in held_out) <= 0.25 * count


KEYS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 400).map(str)), unique=True, min_size=1, max_size=200)


@settings(max_examples=50, deadline=None)
@given(KEYS, st.integers(1, 12))
def test_holdout_contains_whole_groups_in_any_order(keys: list[tuple[str, str]], size: int) -> None:
    grouped = [keys[start : start + size] for start in range(0, len(keys), size)]
    held_out = select_holdout(grouped)
    assert all(len(held_out & set(group)) in (0, len(group)) for group in grouped)
    assert held_out == select_holdout([group[::-1] for group in grouped[::-1]])


def test_archives_are_picture_sets_and_zips_of_rooms_are_rooms(tmp_path: Path) -> None:
    save_archive(tmp_path / "people" / "office.zip", [f"a{number:03}0" for number in range(20)])
    (tmp_path / "backgrounds").mkdir()
    with zipfile.ZipFile(tmp_path / "backgrounds" / "chairs.zip", "w") as archive:
        for number in range(11):
            archive.writestr(f"{number:02}.png", cv2.imencode(".png", np.full((4, 6, 3), number, np.uint8))[1].tobytes())
    (found,) = picture_sets(tmp_path)
    assert found.name == "people/office"
    assert {(found.pairs[0].read()[0].shape), (found.pairs[0].read()[1].shape)} == {(48, 64, 3), (48, 64)}
    assert {pair.name for pair in found.pairs} == {name for _, name in held_out_keys(tmp_path)}
    rooms = rooms_aside(tmp_path)
    assert [room.name for room in rooms] == ["chairs/00.png", "chairs/10.png"]
    assert rooms[1].read()[0, 0].tolist() == [10, 10, 10]


def test_damaged_archive_fails_with_clear_message(tmp_path: Path) -> None:
    path = tmp_path / "people" / "a.zip"
    path.parent.mkdir()
    path.write_bytes(b"not a zip file")
    with pytest.raises(SourceError, match=r"Cannot read .*a\.zip \(.*\)\. Copy it again"):
        picture_sets(tmp_path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images/one.webp", b"not a picture")
    with pytest.raises(SourceError, match=r"images/one\.webp in .*a\.zip is damaged"):
        picture_sets(tmp_path)
