"""onnxruntime, told to keep to itself. Everything in livebg that needs it takes it from here."""

import os

# Its wheels report to their maker over the network, on Linux and macOS since 1.29, and give the machine an identifier in the
# user's cache folder. Both begin while the library loads: switching it off afterwards, through its interface, is too late.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as onnxruntime_errors

if hasattr(onnxruntime, "disable_telemetry_events"):  # Windows has no variable, and not every build has this
    onnxruntime.disable_telemetry_events()

__all__ = ["onnxruntime", "onnxruntime_errors"]
