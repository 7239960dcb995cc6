"""Connects to a scheduler of Dask, or starts a cluster on this machine for this process alone; reports if no worker is left."""

import logging
import signal
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack, suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from livebg.errors import ConfigError, LivebgError
from livebg.platform.interrupts import signals_blocked
from livebg.rendering.cluster_address import ClusterAddress

_CONNECT_TIMEOUT_S: Final = 10
_WORKER_TIMEOUT_S: Final = 30
_CLOSE_TIMEOUT_S: Final = 5
_TERMINAL_SIGNALS: Final = tuple(getattr(signal, name) for name in ("SIGINT", "SIGHUP") if hasattr(signal, name))
"""The terminal sends them to the processes of a local cluster as well. The parent gets them too, and ends these."""
_LOCAL_HOST: Final = "127.0.0.1"
_CERTIFICATES: Final = {"ca-file": "tls_ca_file", "client.cert": "tls_client_cert"}
"""Keys of ``distributed.comm.tls`` in Dask's configuration that a client needs, and the attributes with their values."""
_START_AGAIN: Final = "Check that the scheduler runs, and that its certificates are those of this machine."
_LOCAL_PAGES: Final = "distributed.http.scheduler.json"
"""The web pages of a local scheduler besides the dashboard. Other ones show logs, or forward requests to other ports."""
_WATCH_INTERVAL_S: Final = 1.0
_WATCH_GRACE_S: Final = 5.0
"""Seconds without workers before the message: supervisors start lost ones again within these."""
_WAITING: Final = "No worker is left; waiting for one. Press Ctrl-C to stop; the same command continues."
_CONTINUING: Final = "A worker has joined; rendering continues."


class Connection:
    """A client of a cluster with at least one worker. Close it.

    ``jobs`` is the number of worker processes of a local cluster. Raises :class:`~livebg.errors.ConfigError` if Dask is not
    installed, if certificates are missing, or if the cluster does not answer or has no workers.
    """

    def __init__(self, address: ClusterAddress, jobs: int) -> None:
        self.address = address
        distributed = _import_distributed()
        with ExitStack() as opened:
            if address.is_local:
                self.client = _start_local(distributed, jobs, opened)
            else:
                self.client = _connect(distributed, address, opened)
            try:
                self.client.wait_for_workers(1, timeout=_WORKER_TIMEOUT_S)
            except TimeoutError:
                hint = f"Start some with `dask worker {address.text}`."
                raise ConfigError(f"The cluster {address.text} has no workers.", hint) from None
            self._opened = opened.pop_all()

    def run_everywhere(self, function: Callable[..., Any], *arguments: object) -> dict[str, Any]:
        """Call ``function``, of a module of livebg, on every worker. Returns the results by the workers' addresses.

        Leaves out workers that are lost meanwhile. Raises :class:`~livebg.errors.ConfigError` if a worker cannot import it.
        """
        results: dict[str, Any] = self.client.run(function, *arguments, on_error="return")
        for address, result in list(results.items()):
            if isinstance(result, OSError):
                del results[address]
            elif isinstance(result, Exception) and not isinstance(result, LivebgError):
                hint = "Install the same version of livebg[cluster] on all workers."
                raise ConfigError(f"The worker {address} cannot run livebg ({result}).", hint)
        return results

    def close(self) -> None:
        """Disconnect, and end a local cluster."""
        self._opened.close()


class WorkerWatch:
    """Reports once that no worker is left while tasks wait, and once that there is one again. Runs a thread until it is closed.

    ``count`` returns the number of workers, and may raise any error; ``waiting`` returns whether a task waits for a result.
    ``report`` receives a sentence, in the thread.
    """

    def __init__(self, count: Callable[[], int], waiting: Callable[[], bool], report: Callable[[str], None]) -> None:
        self._count, self._waiting, self._report = count, waiting, report
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="cluster-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread. A scheduler that does not answer can hold it up, but nothing is reported afterwards."""
        self._closed.set()
        self._thread.join(_WATCH_INTERVAL_S)

    def _watch(self) -> None:
        reported, seen = False, time.monotonic()
        while not self._closed.wait(_WATCH_INTERVAL_S):
            count = None
            with suppress(Exception):  # without a connection, the tasks fail
                count = self._count()
            if count != 0 or not self._waiting():
                seen = time.monotonic()
            if self._closed.is_set():
                return
            if reported and count:
                reported = False
                self._report(_CONTINUING)
            elif not reported and time.monotonic() - seen >= _WATCH_GRACE_S:
                reported = True
                self._report(_WAITING)


def _import_distributed() -> ModuleType:
    try:
        import_module("cryptography")  # makes the certificates of a local cluster
        distributed = import_module("distributed")
    except ImportError as error:
        raise ConfigError(
            f"--cluster needs the package {error.name}, which is not installed.", "Run `pip install 'livebg[cluster]'`."
        ) from error
    if not logging.getLogger("livebg").isEnabledFor(logging.DEBUG):
        for name in ("distributed", "distributed.client", "distributed.core", "distributed.gc", "tornado.application"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # livebg reports what concerns the user
    return distributed


def _start_local(distributed: ModuleType, jobs: int, opened: ExitStack) -> Any:
    """Start a cluster whose ports are open on the loopback interface only.

    Other users of this machine can reach these, and anyone who can send a task can run any program. Temporary certificates, which
    never leave the memory of these processes, keep them out.
    """
    import dask

    security = distributed.Security.temporary()
    scratch = opened.enter_context(tempfile.TemporaryDirectory(prefix="livebg-cluster-", ignore_cleanup_errors=True))
    with (
        dask.config.set({"distributed.scheduler.http.routes": [_LOCAL_PAGES], "distributed.worker.http.routes": []}),
        signals_blocked(_TERMINAL_SIGNALS),
    ):
        cluster = distributed.LocalCluster(
            host=_LOCAL_HOST,
            n_workers=jobs,
            threads_per_worker=1,
            processes=True,
            memory_limit=None,
            dashboard_address=f"{_LOCAL_HOST}:0",
            security=security,
            silence_logs=logging.CRITICAL,
            local_directory=scratch,
        )
    opened.callback(cluster.close, timeout=_CLOSE_TIMEOUT_S)
    client = distributed.Client(cluster, security=security, timeout=_CONNECT_TIMEOUT_S, set_as_default=False)
    opened.callback(_close_client, client)
    return client


def _connect(distributed: ModuleType, address: ClusterAddress, opened: ExitStack) -> Any:
    security = _certificates(distributed, address) if address.is_encrypted else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # other versions of Dask: livebg checks them itself
            client = distributed.Client(address.text, security=security, timeout=_CONNECT_TIMEOUT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConfigError(f"The cluster {address.text} does not answer ({error}).", _START_AGAIN) from error
    opened.callback(_close_client, client)
    return client


def _certificates(distributed: ModuleType, address: ClusterAddress) -> Any:
    """Return the certificates that Dask's configuration names: livebg has no options of its own for them."""
    security = distributed.Security(require_encryption=True)
    for key, attribute in _CERTIFICATES.items():
        value = getattr(security, attribute)
        if not value or not Path(value).is_file():
            problem = f"names no file {value}" if value else "is not set"
            raise ConfigError(
                f"{address.text} needs certificates, and distributed.comm.tls.{key} in Dask's configuration {problem}.",
                "`livebg help cluster` shows how to set it.",
            )
    return security


def _close_client(client: Any) -> None:
    with suppress(OSError, TimeoutError):
        client.close(timeout=_CLOSE_TIMEOUT_S)
