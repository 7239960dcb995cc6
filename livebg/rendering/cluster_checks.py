"""Checks of the workers of a cluster before it gets work, and what the user must know about them."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from livebg.config.settings import Settings
from livebg.errors import ConfigError, LivebgError, ModelError
from livebg.rendering.cluster_address import ClusterAddress, is_encrypted, is_loopback
from livebg.rendering.fingerprint import CPU, difference, environment_fingerprint, network_fingerprint
from livebg.rendering.report_text import listed

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_MAX_HOSTS_SHOWN: Final = 5
_SAME_VERSIONS: Final = "Install the same version of livebg and its packages on all workers."


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a worker must fulfill before it opens a picture, also one that joins while tasks run.

    ``environment`` is a fingerprint without the CPU. ``network`` is the SHA-256 of the network, None if none runs. ``machine`` is
    the only one that may see the pictures, None if any may. ``insecure`` permits connections without encryption.
    """

    environment: Mapping[str, str]
    network: str | None
    machine: str | None
    insecure: bool

    def check(self, name: str, address: str, report: Mapping[str, Any]) -> None:
        """Check what :func:`describe_worker` returned for the worker ``name``.

        Raises :class:`~livebg.errors.ConfigError` or :class:`~livebg.errors.ModelError`.
        """
        if not (self.insecure or is_encrypted(address) or is_loopback(address)):
            hint = "Start it with a tls:// address, or add --insecure-cluster if you trust all machines in the network."
            raise ConfigError(f"The connection to the worker {name} is not encrypted.", hint)
        if self.machine not in (None, report["machine"]):
            hint = "Run livebg again: it then reports that pictures leave this machine."
            raise ConfigError(f"The worker {name} is on another machine and joined after the start.", hint)
        differs = difference(self.environment, {key: value for key, value in report["environment"].items() if key != CPU})
        if differs:
            raise ConfigError(f"The worker {name} has {differs}.", _SAME_VERSIONS)
        if report["problem"]:
            raise ModelError(f"The worker {name} cannot use the network: {report['problem']}")
        if report["network"] != self.network:
            raise ModelError(f"The worker {name} has another network file.", "Copy the same file to all workers.")


def required(settings: Settings | None, machine: str | None, insecure: bool) -> Requirements:
    """Return the requirements for workers that continue what this process does. ``settings`` name the network; None: none runs.

    Raises :class:`~livebg.errors.ModelError` if this machine does not have the network.
    """
    environment = {key: value for key, value in cluster_fingerprint().items() if key != CPU}
    return Requirements(environment, network_fingerprint(settings) if settings else None, machine, insecure)


def describe_worker(settings: Settings | None = None) -> dict[str, Any]:
    """Return the facts that :meth:`Requirements.check` compares. Runs on a worker, so the result has built-in types only."""
    network, problem = None, ""
    try:
        network = settings and network_fingerprint(settings)
    except LivebgError as error:
        problem = str(error)
    return {
        "host": platform.node(),
        "machine": machine_id(),
        "environment": cluster_fingerprint(),
        "network": network,
        "problem": problem,
    }


def cluster_fingerprint() -> dict[str, str]:
    """Return the fingerprint of this process, with the version of Dask."""
    import distributed

    return {**environment_fingerprint(), "distributed": distributed.__version__}


def machine_id() -> str:
    """Return a text that differs between machines: other containers on this machine have the same one."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return platform.node()


def worker_name(dask_worker: Any) -> str:
    """Return the name of this worker, for messages."""
    return f"{dask_worker.address} on {platform.node()}"


def notice(address: ClusterAddress, reports: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Return that pictures leave this machine, and where to. A loopback address can be the end of a tunnel."""
    here = machine_id()
    if address.is_loopback and all(report["machine"] == here for report in reports.values()):
        return None
    named = listed(sorted({str(report["host"]) for report in reports.values()}), _MAX_HOSTS_SHOWN)
    warning = "" if address.is_encrypted or address.is_loopback else " The connection is not encrypted."
    return f"Pictures leave this machine: the workers of {address.text} ({named}) read and write them.{warning}"


def cpu_notes(reports: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    ours = environment_fingerprint()[CPU]
    others = [address for address, report in reports.items() if report["environment"].get(CPU) != ours]
    if not others:
        return ()
    which = "All workers" if len(others) == len(reports) else f"{len(others)} of {len(reports)} workers"
    return (f"{which} have a CPU with other instruction sets: the output can differ from that of this machine by rounding.",)
