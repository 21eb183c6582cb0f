"""An address arrives; a SuperLink that starts our ServerApp and knows the schools' relays leaves.

Flower's own command line does the work, as a process: nothing of Flower is imported here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from coalition import bundle
from coalition.errors import LinkFailed, UsageFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "coalition"
COMMAND_SECONDS = 180.0
LONGEST_REASON = 300
PORTS = 2**16
QUIET = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}


def programs() -> Path:
    """The folder of this installation's programs, where Flower's lie as well."""
    return Path(sys.executable).parent


def environment(home: Path) -> dict[str, str]:
    """The environment of Flower's programs: quiet, at home in `home`, and able to find each other."""
    path = os.pathsep.join([str(programs()), os.environ.get("PATH", os.defpath)])
    return {**os.environ, **QUIET, "FLWR_HOME": str(home), "PATH": path}


@dataclass(frozen=True)
class SuperLink:
    """A SuperLink that listens at `address` (host:port) under TLS; home: a folder for Flower's files and the bundle."""

    address: str
    home: Path

    @classmethod
    def at(cls, address: str, authority: Path, home: Path) -> SuperLink:
        """Write Flower's configuration for this address and the authority that vouches for it, and stage the bundle.

        Raises `UsageFailed` for an address of another form.
        """
        host, colon, port = address.rpartition(":")
        plain = host and colon and not set(host) & set("\"'\\ \n") and port.isascii() and port.isdigit()
        if not (plain and 0 < int(port) < PORTS):
            rule = "--superlink is HOST:PORT."
            raise UsageFailed("not_an_address", rule, address[:80], "Write it like superlink.example.nl:9092.")
        home.mkdir(parents=True, exist_ok=True)
        certificate = json.dumps(str(authority.resolve()), ensure_ascii=False)  # as TOML writes text
        lines = f'[superlink]\ndefault = "{NAME}"\n[superlink.{NAME}]\naddress = {json.dumps(address)}\n'
        (home / "config.toml").write_text(f"{lines}root-certificates = {certificate}\n", encoding="utf-8")
        bundle.stage(home)
        return cls(address, home)

    def start_server_app(self, socket: Path) -> None:
        """Have it start a ServerApp that will connect to this socket. Raises `LinkFailed`."""
        self._flwr(["run", str(self.home / "datacoalitie"), NAME, "--run-config", f"socket={json.dumps(str(socket))}"])

    def register(self, public_key: Path, school: str) -> None:
        """Let the SuperNode with this public key (OpenSSH format) in, under a school's name. Raises `LinkFailed`."""
        self._flwr(["supernode", "register", str(public_key), NAME, "--name", school])

    def _flwr(self, words: Sequence[str]) -> None:
        command = [str(programs() / "flwr"), *words, "--format", "json"]
        try:
            done = subprocess.run(
                command,
                env=environment(self.home),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=COMMAND_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise LinkFailed.because(f"flwr {words[0]}: {type(error).__name__}") from error
        if done.returncode != 0 or '"success": true' not in done.stdout:
            raise LinkFailed.because(_reason(done.stdout + done.stderr))


def _reason(said: str) -> str:
    """The end of what Flower's program said, on one line."""
    return " ".join(said.split())[-LONGEST_REASON:] or "no word of explanation"
