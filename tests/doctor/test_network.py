"""Tests of the doctor's checks of the segmentation network and the machine's speed."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from livebg.bench import recording
from livebg.doctor import network
from livebg.doctor.context import Finding
from livebg.doctor.network import ADVICE, Measured, judge
from livebg.models import REGISTRY
from livebg.native import KernelStatus
from tests.support.doctor_machine import DoctorMachine
from tests.support.fake_daemon import LIVE, FakeDaemon


def test_bundled_network_passes(machine: DoctorMachine) -> None:
    context = machine.context()
    assert network.libraries(context) == Finding("ok", "numpy, OpenCV, PyAV and onnxruntime load")
    assert network.model(context) == Finding("ok", "livebg-u2 is intact and runs at 256x144 for 16:9")


def test_provider_is_checked(machine: DoctorMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEBG_MODEL__PROVIDER", "cpu")
    assert network.provider(machine.context()) == Finding("ok", "The network runs on CPUExecutionProvider")
    monkeypatch.setenv("LIVEBG_MODEL__PROVIDER", "quantum")
    context = machine.context()
    assert network.provider(context).status == "skipped"
    finding = network.model(context)
    assert finding.status == "FAIL"
    assert finding.message.startswith("The provider quantum is not in this build of onnxruntime")


@pytest.mark.parametrize("name", ["u2netp", "nobody", "there.onnx"])
def test_missing_network_fails(machine: DoctorMachine, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("LIVEBG_MODEL__NAME", name)
    finding = network.model(machine.context())
    assert finding.status == "FAIL"
    assert name in finding.message
    assert finding.fix
    if name == "u2netp":
        assert finding.fix == "Run `livebg models pull u2netp`"


def test_damaged_network_fails(machine: DoctorMachine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEBG_MODEL__NAME", "u2netp")
    monkeypatch.setenv("LIVEBG_MODEL__FOLDERS", str(tmp_path))
    path = tmp_path / "u2netp.onnx"
    path.write_bytes(bytes(REGISTRY["u2netp"].size_bytes))
    finding = network.model(machine.context())
    assert finding == Finding(
        "FAIL",
        f"{path} is damaged: its SHA-256 does not match u2netp",
        f"rm {path} && livebg models pull u2netp",
    )


def test_file_that_is_not_a_network_fails(machine: DoctorMachine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "text.onnx"
    path.write_text("not a network")
    monkeypatch.setenv("LIVEBG_MODEL__NAME", str(path))
    finding = network.model(machine.context())
    assert finding.status == "FAIL"
    assert "text.onnx" in finding.message


def test_missing_system_library_fails(machine: DoctorMachine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file: No such file or directory')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cv2", raising=False)
    finding = network.libraries(machine.context())
    assert finding.status == "FAIL"
    assert finding.message.startswith("opencv-python does not load (libGL.so.1")
    assert finding.fix == "sudo apt install libgl1 libglib2.0-0 libxcb1"


@pytest.mark.parametrize("status", [KernelStatus("native"), KernelStatus("NumPy", "The CPU lacks FMA.", "Use another.")])
def test_active_kernels_are_reported_without_warning(
    status: KernelStatus, machine: DoctorMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "kernel_status", lambda: status)
    finding = network.kernels(machine.context())
    assert finding.status == "ok"
    if status.reason is None:
        assert finding == Finding("ok", "Compiled kernels are active (native)")
    else:
        assert finding.message.endswith("more CPU time: The CPU lacks FMA")
        assert finding.fix == "Use another"


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
def test_measured_speed_is_judged(measured: Measured, status: str, words: str) -> None:
    finding = judge(measured)
    assert finding.status == status
    assert words in finding.message
    assert finding.fix == (None if status == "ok" else ADVICE)


def test_measurement_returns_costs(machine: DoctorMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEBG_MODEL__NAME", "toy.onnx")
    measured = network.measure(machine.context(), seconds=0.5)
    assert measured.chain_ms > 0
    assert measured.process_ms > 0
    assert 0 <= measured.dropped <= 1


def test_speed_fails_before_the_clip_is_made_if_the_network_is_missing(
    machine: DoctorMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "synthetic_frames", lambda *_: pytest.fail("the clip was made"))
    monkeypatch.setenv("LIVEBG_MODEL__NAME", "u2netp")
    assert network.speed(machine.context()).status == "FAIL"


@pytest.mark.parametrize(("shown", "status"), [(29.5, "ok"), (14.0, "warn")])
def test_live_daemon_reports_its_own_speed(machine: DoctorMachine, shown: float, status: str) -> None:
    with FakeDaemon(replace(LIVE, fps_out=shown, degraded=())):
        finding = network.speed(machine.context())
    assert finding.status == status
    assert f"outputs {shown:.0f} of 30 frames per second, at 6.3 ms of CPU time per frame" in finding.message


def test_live_daemon_reports_reduced_quality(machine: DoctorMachine) -> None:
    with FakeDaemon(replace(LIVE, degraded=("mask every 2nd frame",))):
        finding = network.speed(machine.context())
    assert finding.status == "warn"
    assert finding.message.endswith(", with reduced quality: mask every 2nd frame")
