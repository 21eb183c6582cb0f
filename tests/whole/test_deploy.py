"""The walls in docker-compose.yml, the image and the systemd unit stand as the design says; nothing is started here."""

from __future__ import annotations

import copy
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.pages import prose

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"
UNIT = ROOT / "deploy" / "coalition-node.service"
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
SERVICE_KEYS = {
    *("build", "cap_drop", "command", "healthcheck", "image", "init", "mem_limit", "memswap_limit", "network_mode"),
    *("pids_limit", "read_only", "restart", "security_opt", "stop_grace_period", "tmpfs", "ulimits", "user", "volumes"),
}
WALLS = {
    "network_mode": "none",
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
    "user": "10001:10001",
}
HARDENING = {
    "PrivateNetwork": "yes",
    "RestrictAddressFamilies": "AF_UNIX",
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "CapabilityBoundingSet": "",
    "LimitCORE": "0",
    "MemorySwapMax": "0",
    "UMask": "0077",
}


def wrong_compose(document: dict[str, Any]) -> Iterator[str]:
    """What in a compose file breaks a wall: an unknown key, a missing restriction, a volume shared too widely."""
    services, declared = document["services"], set(document["volumes"])
    users: dict[str, set[str]] = {}
    for name, service in services.items():
        yield from (f"{name}: unknown key {key}" for key in sorted(set(service) - SERVICE_KEYS))
        yield from (f"{name}: {key} is not {wall}" for key, wall in WALLS.items() if service.get(key) != wall)
        if service["mem_limit"] != service["memswap_limit"]:
            yield f"{name}: keys may be swapped to disk"
        for volume in service["volumes"]:
            users.setdefault(volume.split(":")[0], set()).add(name)
    yield from (f"volume {name}: not declared" for name in sorted(set(users) - declared))
    yield from (f"volume {name}: nobody uses it" for name in sorted(declared - set(users)))
    for volume, sharing in users.items():
        allowed = 2 if volume.startswith("socket-") else 1
        if len(sharing) > allowed or (len(sharing) == 2 and "coordinator" not in sharing):
            yield f"volume {volume}: shared by {', '.join(sorted(sharing))}"


def _compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    return document


def test_three_schools_share_nothing_with_the_coordinator_but_a_socket() -> None:
    """No service has a network or writes outside its volumes, and the only shared volumes are the sockets'."""
    document = _compose()
    assert list(wrong_compose(document)) == []
    assert sorted(document["services"]) == ["coordinator", "school-a", "school-b", "school-c"]
    assert all(volume.endswith(":ro") for volume in document["services"]["coordinator"]["volumes"][1:])


def test_the_counter_lies_outside_what_is_backed_up() -> None:
    """A node's folder and its counter are on two volumes, so that restoring the first does not restore the second."""
    for name, service in _compose()["services"].items():
        if name != "coordinator":
            assert {f"{name}:/school/node", f"{name}-counter:/school"} <= set(service["volumes"])


@pytest.mark.parametrize(
    ("service", "key", "value", "found"),
    [
        ("school-a", "network_mode", "bridge", "network_mode"),
        ("school-b", "read_only", False, "read_only"),
        ("school-c", "user", "root", "user"),
        ("school-a", "ports", ["80:80"], "unknown key ports"),
        ("school-a", "memswap_limit", "4g", "swapped"),
        ("school-a", "volumes", ["school-b:/school/node"], "shared by school-a, school-b"),
        ("coordinator", "volumes", ["coordinator:/workspace", "school-a:/school"], "shared by coordinator, school-a"),
        ("school-a", "volumes", ["socket-b:/run/relay"], "shared by coordinator, school-a, school-b"),
        ("school-a", "volumes", ["/:/host"], "not declared"),
    ],
)
def test_a_hole_in_a_wall_is_noticed(service: str, key: str, value: object, found: str) -> None:
    """Planted faults: a network, a writable image, root, a port, swap, and volumes that others can see."""
    document = copy.deepcopy(_compose())
    document["services"][service][key] = value
    assert any(found in wrong for wrong in wrong_compose(document))


def test_the_unit_closes_every_way_out() -> None:
    """The systemd service has no network, no capability, no swap and nothing to write but its own folder."""
    lines = [line for line in UNIT.read_text(encoding="utf-8").splitlines() if "=" in line and not line.startswith("#")]
    settings = dict(line.split("=", 1) for line in lines)
    assert {key: settings.get(key) for key in HARDENING} == HARDENING
    assert settings["User"] != "root" and "ReadWritePaths" not in settings


def test_every_command_that_is_started_exists() -> None:
    """Commands, healthchecks and comments in compose file, unit and image name real commands and options."""
    started = [shlex.join(service["command"]) for service in _compose()["services"].values()]
    comments = re.sub(r"(?m)^# ?", "", COMPOSE.read_text(encoding="utf-8"))
    started += [comments, UNIT.read_text(encoding="utf-8").replace("/opt/datacoalitie/bin/", " ")]
    assert [wrong for text in started for wrong in prose.wrong_commands(text)] == []
    assert list(prose.wrong_commands("ExecStart= coalition-node serve X --sockets Y")) == [
        "coalition-node serve: no option --sockets"
    ]


def test_the_image_holds_the_program_and_nothing_of_a_school() -> None:
    """What the image copies is there and enters the build; everything else is kept out; it does not run as root."""
    lines = DOCKERFILE.read_text(encoding="utf-8").splitlines()
    copied = [
        word for line in lines if line.startswith("COPY ") and "--from" not in line for word in line.split()[1:-1]
    ]
    ignore = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    let_in = {line[1:] for line in ignore if line.startswith("!")}
    assert ignore[1] == "*" and set(copied) == let_in
    assert all((ROOT / name).exists() for name in copied)
    users = [line for line in lines if line.startswith("USER ")]
    assert users == ["USER 10001:10001"] and "USER" in lines[-3]
