"""The manifest: two of them are equal if the bytes of the job are."""

import json
import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livebg.errors import SourceError
from livebg.rendering.manifest import FileIdentity, Manifest, identify, package_versions
from livebg.rendering.sealed_file import read_sealed, write_sealed
from livebg.rendering.segments import Segment
from tests.support.render_jobs import COUNT, make_manifest

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=3), each, max_size=3),
    max_leaves=5,
)
IDENTITIES = st.builds(FileIdentity, st.text(max_size=3), st.integers(0, 2), st.integers(0, 2), st.sampled_from("ab"))
SEGMENTS = st.builds(
    Segment,
    st.integers(0, 2),
    st.integers(-2, 2),
    st.none() | st.integers(0, 2),
    st.sampled_from([Fraction(1, 25), Fraction(1, 7)]),
)
MANIFESTS = st.builds(
    Manifest,
    inputs=st.dictionaries(st.sampled_from(["source", "background"]), IDENTITIES),
    network=st.none() | st.tuples(st.sampled_from("ab"), st.sampled_from("ab")),
    settings=st.dictionaries(st.sampled_from(["effect", "a.b", "a"]), VALUES, max_size=3),
    segments=st.lists(SEGMENTS, max_size=2).map(tuple),
    duration=st.sampled_from([1.0, 2.0]),
    origin=st.integers(0, 1),
    versions=st.dictionaries(st.sampled_from(["av", "numpy"]), st.sampled_from("12")),
    track=st.none() | VALUES,
)


def comparable(manifest: Manifest) -> str:
    """All that counts of a manifest, as text."""
    content = manifest.as_json()
    del content["track"]
    for identity in content["inputs"].values():
        del identity["path"]
    return json.dumps(content, sort_keys=True)


@given(MANIFESTS, MANIFESTS)
def test_changes_are_empty_exactly_for_equal_manifests(old: Manifest, new: Manifest) -> None:
    assert (old.changes(new) == []) == (comparable(old) == comparable(new))
    assert old.changes(replace(old, track="another")) == []


@given(MANIFESTS)
def test_manifest_is_equal_after_it_was_stored(manifest: Manifest) -> None:
    stored = Manifest.from_json(json.loads(json.dumps(manifest.as_json())))
    assert stored.changes(manifest) == manifest.changes(stored) == []
    assert stored.digest == manifest.digest


@given(MANIFESTS, MANIFESTS)
def test_manifests_with_equal_digests_are_equal(one: Manifest, other: Manifest) -> None:
    assert (one.digest == other.digest) == (one.as_json() == other.as_json() and repr(one.as_json()) == repr(other.as_json()))


@given(content=VALUES)
def test_sealed_file_returns_what_was_written(tmp_path_factory: pytest.TempPathFactory, content: Any) -> None:
    path = tmp_path_factory.mktemp("sealed") / "file.json"
    write_sealed(path, content)
    assert read_sealed(path) == content


@pytest.mark.parametrize(
    ("settings", "clause"),
    [
        ({"effect": {"mode": "portrait", "blur": 0.8}}, "settings changed: effect.blur 0.5 to 0.8"),
        ({"effect": {"mode": "background"}}, "settings changed: effect.blur 0.5 to unset, effect.mode portrait to background"),
        ({"effect": {"mode": "portrait", "blur": True}}, "settings changed: effect.blur 0.5 to true"),
        ({"effect": {"mode": "portrait", "blur": None}}, "settings changed: effect.blur 0.5 to none"),
        (
            {"effect": {"mode": "", "blur": 1}, "z": [1, 2], "x": 1, "y": "long " * 20},
            'settings changed: effect.blur 0.5 to 1, effect.mode portrait to "", x unset to 1 and 2 more',
        ),
    ],
)
def test_changed_settings_are_named(settings: dict[str, Any], clause: str, manifest: Manifest) -> None:
    assert manifest.changes(replace(manifest, settings=settings)) == [clause]


def test_changed_input_is_named(manifest: Manifest) -> None:
    source = Path(manifest.inputs["source"].path)
    source.write_bytes(b"another")
    assert manifest.changes(make_manifest(source)) == [f"the source {source} was modified"]
    other = source.with_name("other.mp4")
    assert manifest.changes(make_manifest(other)) == [f"the source is {other} instead of {source}"]
    without = replace(manifest, inputs={})
    assert without.changes(manifest) == ["the source was added"]
    assert manifest.changes(without) == ["the source was left out"]


def test_changed_network_versions_and_segments_are_named(manifest: Manifest) -> None:
    assert manifest.changes(replace(manifest, network=None)) == ["the network was left out"]
    assert manifest.changes(replace(manifest, network=("livebg-u2", "0" * 64))) == ["the network livebg-u2 was modified"]
    assert manifest.changes(replace(manifest, network=("u2netp", "0" * 64))) == ["the network is u2netp instead of livebg-u2"]
    newer = replace(manifest, versions={**manifest.versions, "av": "19.0.0"}, segments=manifest.segments[1:])
    assert manifest.changes(newer) == ["versions changed: av 18.1.0 to 19.0.0"]
    assert manifest.changes(replace(manifest, segments=manifest.segments[1:])) == ["the segments changed"]


def test_settings_may_be_any_data(manifest: Manifest) -> None:
    one = replace(manifest, settings={"size": (1, 2), "folder": Path("a"), "part": manifest.segments[0]})
    assert Manifest.from_json(json.loads(json.dumps(one.as_json()))).changes(one) == []


def test_identity_depends_on_content_and_time(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(b"12345")
    before = identify(path)
    assert before.path == str(path)
    os.utime(path, ns=(0, before.mtime_ns + 1))
    assert identify(path) == replace(before, mtime_ns=before.mtime_ns + 1)
    path.write_bytes(b"12346")
    os.utime(path, ns=(0, before.mtime_ns))
    assert identify(path).sha256 != before.sha256


@pytest.mark.parametrize("offset", [0, 2**20 - 1, 50 * 2**20, 100 * 2**20 - 1])
def test_identity_of_large_file_depends_on_samples(offset: int, tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    with path.open("wb") as file:
        file.truncate(100 * 2**20)  # sparse
    before = identify(path)
    with path.open("r+b") as file:
        for place in (offset, *(range(offset, offset + 2**21, 2**15) if offset == 50 * 2**20 else ())):
            file.seek(place)
            file.write(b"x")
    assert identify(path).sha256 != before.sha256
    assert identify(path).size == before.size


def test_unreadable_input_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"missing\.mp4 cannot be read \(No such file or directory\)\. "):
        identify(tmp_path / "missing.mp4")


def test_versions_name_what_influences_bytes() -> None:
    versions = package_versions()
    assert {"livebg", "av", "numpy", "opencv-python", "libavcodec", "kernels", "platform"} <= versions.keys()
    assert versions["livebg"].startswith("0.")
    assert len(versions["livebg"].partition("+")[2]) == 12


@given(st.sets(st.integers(0, COUNT - 1)))
def test_seconds_are_the_length_of_some_segments(tmp_path_factory: pytest.TempPathFactory, indexes: set[int]) -> None:
    manifest = make_manifest(tmp_path_factory.getbasetemp() / "talk.mp4")
    assert manifest.seconds(indexes) == sum(5 if index == COUNT - 1 else 10 for index in indexes)
    assert (manifest.length, replace(manifest, duration=0.0).length) == (35.0, 30.0)
