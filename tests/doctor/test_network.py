"""Tests of the doctor's checks of the segmentation network and the machine's speed."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from livebg.doctor import network
from livebg.doctor.findings import Finding
from livebg.doctor.network import ADVICE, Measured, judge
from livebg.models import REGISTRY
from tests.support.doctor_machine import Patient, patient_in
from tests.support.fake_daemon import LIVE, Daemon


@pytest.fixture
def patient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Patient]:
    with patient_in(tmp_path, monkeypatch) as patient:
        yield patient


def test_the_bundled_network_runs(patient: Patient) -> None:
    exam = patient.exam()
    assert network.libraries(exam) == Finding("ok", "numpy, OpenCV, PyAV and onnxruntime load")
    assert network.model(exam) == Finding("ok", "livebg-u2 is intact and runs at 256x144 for 16:9")


def test_the_provider_that_is_used(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEBG_MODEL__PROVIDER", "cpu")
    assert network.provider(patient.exam()) == Finding("ok", "The network runs on CPUExecutionProvider")
    monkeypatch.setenv("LIVEBG_MODEL__PROVIDER", "quantum")
    exam = patient.exam()
    assert network.provider(exam).status == "skipped"
    finding = network.model(exam)
    assert finding.status == "FAIL"
    assert finding.message.startswith("The provider quantum is not in this build of onnxruntime")


@pytest.mark.parametrize("name", ["u2netp", "nobody", "there.onnx"])
def test_a_network_that_is_not_there(patient: Patient, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("LIVEBG_MODEL__NAME", name)
    finding = network.model(patient.exam())
    assert finding.status == "FAIL"
    assert name in finding.message
    assert finding.fix
    if name == "u2netp":
        assert finding.fix == "Run `livebg models pull u2netp`"


def test_a_network_that_is_damaged(patient: Patient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEBG_MODEL__NAME", "u2netp")
    monkeypatch.setenv("LIVEBG_MODEL__FOLDERS", str(tmp_path))
    path = tmp_path / "u2netp.onnx"
    path.write_bytes(bytes(REGISTRY["u2netp"].size_bytes))
    finding = network.model(patient.exam())
    assert finding == Finding(
        "FAIL",
        f"{path} is damaged: its SHA-256 does not match u2netp",
        f"rm {path} && livebg models pull u2netp",
    )


def test_a_file_that_is_no_network(patient: Patient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "text.onnx"
    path.write_text("not a network")
    monkeypatch.setenv("LIVEBG_MODEL__NAME", str(path))
    finding = network.model(patient.exam())
    assert finding.status == "FAIL"
    assert "text.onnx" in finding.message


def test_a_library_of_the_system_that_is_missing(patient: Patient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file: No such file or directory')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cv2", raising=False)
    finding = network.libraries(patient.exam())
    assert finding.status == "FAIL"
    assert finding.message.startswith("opencv-python does not load (libGL.so.1")
    assert finding.fix == "sudo apt install libgl1 libglib2.0-0 libxcb1"


@pytest.mark.parametrize(
    ("measured", "status", "words"),
    [
        (Measured(10.94, 16.2, 0.0), "ok", "takes 10.9 ms of the 33 ms available at 30 frames per second (16.2 ms with camera"),
        (Measured(28.0, 35.0, 0.0), "warn", "leaves little CPU time for the call itself"),
        (Measured(10.0, 15.0, 0.4), "warn", "but 40% of the frames were late"),
        (Measured(60.0, 70.0, 0.5), "warn", "so livebg reduces the rate and resolution of masks"),
        (Measured(120.0, 130.0, 0.8), "FAIL", "so the frame rate will be lower"),
    ],
)
def test_what_a_measurement_means(measured: Measured, status: str, words: str) -> None:
    finding = judge(measured)
    assert finding.status == status
    assert words in finding.message
    assert finding.fix == (None if status == "ok" else ADVICE)


def test_a_measurement(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEBG_MODEL__NAME", "toy.onnx")
    measured = network.measure(patient.exam(), seconds=0.5)
    assert measured.chain_ms > 0
    assert measured.process_ms > 0
    assert 0 <= measured.dropped <= 1


def test_a_measurement_that_cannot_be_made(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEBG_MODEL__NAME", "u2netp")
    assert network.speed(patient.exam()).status == "FAIL"


@pytest.mark.parametrize(("shown", "status"), [(29.5, "ok"), (14.0, "warn")])
def test_a_livebg_that_is_live_tells_by_itself(patient: Patient, shown: float, status: str) -> None:
    with Daemon(replace(LIVE, fps_out=shown, degraded=())):
        finding = network.speed(patient.exam())
    assert finding.status == status
    assert f"outputs {shown:.0f} of 30 frames per second, at 6.3 ms of CPU time per frame" in finding.message


def test_a_livebg_that_gave_up_something_tells_what(patient: Patient) -> None:
    with Daemon(replace(LIVE, degraded=("mask every 2nd frame",))):
        finding = network.speed(patient.exam())
    assert finding.status == "warn"
    assert finding.message.endswith(", with reduced quality: mask every 2nd frame")
