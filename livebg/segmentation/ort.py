"""Imports onnxruntime with its telemetry disabled. All other modules import it from here."""

import os
from importlib import import_module
from types import ModuleType
from typing import Final

# Since 1.29 its wheels for Linux and macOS send telemetry and store a machine identifier in the user's cache folder. Both start
# while the library loads: disabling them later through its API is too late.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as onnxruntime_errors

if hasattr(onnxruntime, "disable_telemetry_events"):  # Windows ignores the variable, and not every build has this function
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
"""Exceptions raised when opening or running a network: onnxruntime's exceptions have no common base class."""

__all__ = ["RUN_FAILURES", "onnxruntime", "quantization"]


def quantization(module: str) -> ModuleType:
    """Import one of onnxruntime's quantization modules, which need the package onnx and are slow to import."""
    return import_module(f"onnxruntime.{module}")
