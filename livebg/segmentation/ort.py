"""onnxruntime, told to keep to itself. Everything in livebg that needs it takes it from here."""

import os
from importlib import import_module
from types import ModuleType
from typing import Final

# Its wheels report to their maker over the network, on Linux and macOS since 1.29, and give the machine an identifier in the
# user's cache folder. Both begin while the library loads: switching it off afterwards, through its interface, is too late.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as onnxruntime_errors

if hasattr(onnxruntime, "disable_telemetry_events"):  # Windows has no variable, and not every build has this
    onnxruntime.disable_telemetry_events()

RUN_FAILURES: Final = (
    onnxruntime_errors.EPFail,
    onnxruntime_errors.EngineError,
    onnxruntime_errors.Fail,
    onnxruntime_errors.InvalidArgument,
    onnxruntime_errors.InvalidGraph,
    onnxruntime_errors.InvalidProtobuf,
    onnxruntime_errors.NoModel,
    onnxruntime_errors.NoSuchFile,
    onnxruntime_errors.NotImplemented,
    onnxruntime_errors.RuntimeException,
    RuntimeError,
    ValueError,
)
"""What opening or running a network can raise: onnxruntime's exceptions have no base of their own."""

__all__ = ["RUN_FAILURES", "onnxruntime", "quantization"]


def quantization(module: str) -> ModuleType:
    """One of onnxruntime's modules for making networks smaller, which need the package onnx and are slow to import."""
    return import_module(f"onnxruntime.{module}")
