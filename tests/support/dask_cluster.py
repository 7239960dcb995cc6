"""A Dask scheduler and workers as processes, as a user starts them."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.support.waiting import wait_until

CHECKOUT = Path(__file__).parents[2]
HOST = "127.0.0.1"


@dataclass
class DaskCluster:
    """A scheduler on the loopback interface, with files in ``folder``; encrypted with ``tls``."""

    folder: Path
    tls: bool = False
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __enter__(self) -> Self:
        facts = self.folder / "scheduler.json"
        self._start("dask_scheduler", ["--scheduler-file", str(facts), "--port", "0", "--no-dashboard"], {})
        try:
            wait_until(lambda: facts.exists() and facts.read_text().endswith("}"))
        except BaseException:
            self.__exit__()
            raise
        self.address: str = json.loads(facts.read_text())["address"]
        return self

    def __exit__(self, *exc: object) -> None:
        for process in self.processes:
            process.kill()
            process.wait()

    def worker(self, threads: int = 1, cwd: Path = CHECKOUT, **variables: str) -> subprocess.Popen[bytes]:
        """Start a worker process. It registers later."""
        options = [self.address, "--nthreads", str(threads), "--no-nanny", "--no-dashboard", "--memory-limit", "0"]
        return self._start("dask_worker", [*options, "--local-directory", str(self.folder)], variables, cwd)

    def security(self) -> dict[str, str]:
        """The certificate files, as keys of Dask's configuration. They are written once."""
        from distributed import Security

        authority, key = self.folder / "ca.pem", self.folder / "key.pem"
        if not key.exists():
            made = Security.temporary()
            authority.write_text(made.tls_ca_file)
            key.write_text(made.tls_client_key)
        names = {"ca-file": authority, "client.cert": authority, "client.key": key}
        return {f"distributed.comm.tls.{name}": str(path) for name, path in names.items()}

    def _start(
        self, module: str, options: list[str], variables: Mapping[str, str], cwd: Path = CHECKOUT
    ) -> subprocess.Popen[bytes]:
        secure = [] if not self.tls else self._certificate_options()
        host = f"{'tls' if self.tls else 'tcp'}://{HOST}" if module == "dask_scheduler" else HOST
        command = [sys.executable, "-m", f"distributed.cli.{module}", *options, "--host", host, *secure]
        path = os.pathsep.join([variables.get("PYTHONPATH", ""), str(CHECKOUT)])
        environment = {**os.environ, **variables, "PYTHONPATH": path}
        log = (self.folder / f"{len(self.processes)}.log").open("wb")
        with log:
            process = subprocess.Popen(command, env=environment, cwd=cwd, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def _certificate_options(self) -> list[str]:
        files: dict[str, Any] = self.security()
        prefix = "distributed.comm.tls."
        names = {"--tls-ca-file": "ca-file", "--tls-cert": "client.cert", "--tls-key": "client.key"}
        return [word for option, name in names.items() for word in (option, files[prefix + name])]
