"""The walls in compose files, images, systemd units and the gate stand as the design says; nothing is started here."""

from __future__ import annotations

import copy
import inspect
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from flwr.supernode.fleet_http_client import FleetHttpClient

from experiments.frames import MAX_REPLY_BYTES
from tests.pages import prose

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COALITION, SCHOOL = ROOT / "docker-compose.yml", DEPLOY / "school.compose.yml"
UNITS = {name: DEPLOY / f"coalition-{name}.service" for name in ("node", "relay", "superlink")}
GATE = DEPLOY / "gate.conf"


def _compose(file: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return document


# ---- containers

SERVICE_KEYS = {
    *("build", "cap_drop", "command", "depends_on", "environment", "healthcheck", "image", "init", "mem_limit"),
    *("memswap_limit", "network_mode", "networks", "pids_limit", "ports", "profiles", "read_only", "restart"),
    *("security_opt", "stop_grace_period", "tmpfs", "ulimits", "user", "volumes"),
}
WALLS = {"read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"], "ulimits": {"core": 0}}
NODE, RELAY, LINK = "10001:10001", "10002:10002", "10003:10003"
# role: image, user, networks (none: no network at all), everything it mounts; {x} is the school's suffix.
ROLES: dict[str, tuple[str, str, list[str], set[str]]] = {
    "school": ("program", NODE, [], {"school{x}:/school/node", "school{x}-counter:/school", "socket{x}:/run/relay"}),
    "relay": ("relay", RELAY, ["outside"], {"socket{x}:/run/relay:ro", "relay{x}:/relay:ro"}),
    "key": ("program", RELAY, [], {"relay{x}:/relay"}),
    "coordinator": ("program", NODE, ["inside"], {"coordinator:/workspace", "meeting:/meeting", "tls:/tls:ro"}),
    "superlink": ("relay", LINK, ["inside"], {"link:/link", "meeting:/meeting:ro", "tls:/tls:ro"}),
    "gate": ("gate", LINK, ["inside", "outside"], {"tls:/tls:ro"}),
    "authority": ("program", LINK, [], {"authority:/authority", "tls:/authority/server"}),
}


def wrong_compose(document: Mapping[str, Any]) -> Iterator[str]:
    """What in a compose file breaks a wall: an unknown key, a missing restriction, a network, a mount too many."""
    used: set[str] = set()
    for name, service in document["services"].items():
        role, dash, letter = name.partition("-")
        yield from (f"{name}: {wrong}" for wrong in _wrong_service(role, dash + letter, service))
        used |= {volume.split(":")[0] for volume in service["volumes"]}
    declared = set(document["volumes"])
    yield from (f"volume {volume}: not declared, or nobody uses it" for volume in sorted(used ^ declared))
    networks = document["networks"]
    if "inside" in networks and networks["inside"] != {"internal": True}:
        yield "network inside: has a route out"
    if any((network or {}).get("internal") is None and name != "outside" for name, network in networks.items()):
        yield "a network besides outside has a route out"


def _wrong_service(role: str, suffix: str, service: Mapping[str, Any]) -> Iterator[str]:
    if role not in ROLES:
        yield "unknown role"
        return
    image, user, networks, mounts = ROLES[role]
    yield from (f"unknown key {key}" for key in sorted(set(service) - SERVICE_KEYS))
    yield from (f"{key} is not {wall}" for key, wall in WALLS.items() if service.get(key) != wall)
    if service["mem_limit"] != service["memswap_limit"]:
        yield "keys may be swapped to disk"
    if service["user"] != user or service["build"]["target"] != image:
        yield f"is not user {user} of image {image}"
    found = [] if service.get("network_mode") == "none" else service.get("networks", ["default"])
    if found != networks or {"network_mode", "networks"} <= set(service):
        yield f"networks {found} instead of {networks}"
    if "ports" in service and role != "gate":
        yield "can be called from outside"
    expected = {mount.format(x=suffix) for mount in mounts}
    yield from (f"mounts {volume}" for volume in sorted(set(service["volumes"]) - expected))
    yield from (f"does not mount {volume}" for volume in sorted(expected - set(service["volumes"])))


@pytest.mark.parametrize("file", [COALITION, SCHOOL], ids=["coalition", "school"])
def test_every_service_has_its_walls_and_mounts_its_own(file: Path) -> None:
    """No service writes outside its volumes or has a capability; each mounts exactly what its role needs."""
    assert list(wrong_compose(_compose(file))) == []


def test_the_services_are_all_there() -> None:
    """A coordinator's four and three schools' three; a school's own file has its three, and needs no other."""
    letters = [f"{role}-{letter}" for role in ("school", "relay", "key") for letter in "abc"]
    assert set(_compose(COALITION)["services"]) == {"coordinator", "authority", "superlink", "gate", *letters}
    assert set(_compose(SCHOOL)["services"]) == {"school", "relay", "key"}


def test_the_roles_keep_data_and_network_apart() -> None:
    """Of the table above: who has a network sees no school's data, and only the relay shares a socket with a node."""
    for role, (_, _, networks, mounts) in ROLES.items():
        sources = {mount.split("{")[0].split(":")[0] for mount in mounts}
        assert not (networks and "school" in sources), role
        assert ("socket" in sources) == (role in ("school", "relay")), role
        assert ("authority" in sources) == (role == "authority"), role
        assert ("coordinator" in sources) == (role == "coordinator"), role


@pytest.mark.parametrize(
    ("service", "key", "value", "found"),
    [
        ("school-a", "network_mode", "bridge", "networks"),
        ("school-a", "networks", ["outside"], "networks"),
        ("school-b", "read_only", False, "read_only"),
        ("school-c", "user", "root", "is not user"),
        ("school-a", "ports", ["80:80"], "called from outside"),
        ("school-a", "privileged", True, "unknown key privileged"),
        ("school-a", "memswap_limit", "4g", "swapped"),
        ("school-a", "volumes", ["school-b:/school/node"], "mounts school-b"),
        ("school-a", "volumes", ["/:/host"], "mounts /:/host"),
        ("relay-a", "volumes", ["socket-a:/run/relay:ro", "relay-a:/relay:ro", "school-a:/data:ro"], "mounts school-a"),
        ("relay-a", "volumes", ["socket-b:/run/relay:ro", "relay-a:/relay:ro"], "mounts socket-b"),
        ("relay-a", "volumes", ["socket-a:/run/relay", "relay-a:/relay:ro"], "mounts socket-a:/run/relay"),
        ("relay-b", "cap_drop", [], "cap_drop"),
        ("relay-b", "cap_add", ["NET_ADMIN"], "unknown key cap_add"),
        ("relay-c", "networks", ["outside", "inside"], "networks"),
        ("relay-c", "network_mode", "host", "networks"),
        ("relay-c", "build", {"target": "program"}, "image relay"),
        ("relay-c", "ports", ["9094:9094"], "called from outside"),
        ("superlink", "networks", ["inside", "outside"], "networks"),
        ("superlink", "volumes", ["link:/link", "coordinator:/workspace:ro"], "mounts coordinator"),
        ("superlink", "volumes", ["link:/link", "school-a:/data:ro"], "mounts school-a"),
        ("superlink", "ports", ["9092:9092"], "called from outside"),
        ("gate", "volumes", ["tls:/tls:ro", "authority:/authority:ro"], "mounts authority"),
        ("coordinator", "volumes", ["coordinator:/workspace", "school-a:/school"], "mounts school-a"),
    ],
)
def test_a_hole_in_a_wall_is_noticed(service: str, key: str, value: object, found: str) -> None:
    """Planted faults: a network, a port, root, swap, a capability, another image, and what belongs to others."""
    document = copy.deepcopy(_compose(COALITION))
    document["services"][service][key] = value
    assert any(found in wrong for wrong in wrong_compose(document))


@pytest.mark.parametrize(
    ("networks", "found"), [({"inside": None, "outside": None}, "inside"), ({"more": {}, "outside": None}, "besides")]
)
def test_a_network_with_a_route_out_is_noticed(networks: dict[str, Any], found: str) -> None:
    """Planted faults: the inner network leads outside, or a further one does."""
    wrong = list(wrong_compose({**_compose(COALITION), "networks": networks}))
    assert any(found in one for one in wrong)


def test_the_counter_lies_outside_what_is_backed_up() -> None:
    """A node's folder and its counter are on two volumes, so that restoring the first does not restore the second."""
    assert {"school{x}:/school/node", "school{x}-counter:/school"} <= ROLES["school"][3]


# ---- flags

QUIET = {"FLWR_TELEMETRY_ENABLED=0", "FLWR_DISABLE_UPDATE_CHECK=1", "FLWR_SUPEREXEC_TASK_POLL_INTERVAL=0.2"}
FLAGS = {
    "flower-superlink": (
        *("--ssl-ca-certfile", "--ssl-certfile", "--ssl-keyfile", "--enable-supernode-auth"),
        *("--disable-runtime-dependency-installation", "--database", "--host", "--port"),
    ),
    "flower-supernode": ("--superlink", "--root-certificates", "--auth-supernode-private-key", "--node-config"),
}
NEVER = ("--insecure", "--allow-runtime-dependency-installation", "--max-retries", "--max-wait-time", "--simulation")
SOCKET = re.compile(r'socket="/run/(relay|coalition-node)/node\.sock"')


def wrong_flags(words: Sequence[str], environment: Sequence[str]) -> Iterator[str]:
    """What is missing or forbidden in the command line of one of Flower's programs, and in its environment."""
    program = Path(words[0]).name
    given = {word.partition("=")[0] for word in words if word.startswith("--")}
    yield from (f"{program}: without {flag}" for flag in FLAGS[program] if flag not in given)
    yield from (f"{program}: with {flag}" for flag in NEVER if flag in given)
    yield from (f"{program}: without {setting}" for setting in sorted(QUIET - set(environment)))
    if not any(setting.startswith("FLWR_HOME=") for setting in environment):
        yield f"{program}: without a home of its own"
    if program == "flower-supernode" and not any(SOCKET.search(word) for word in words):
        yield f"{program}: without its node's socket"


def _in_containers(document: Mapping[str, Any]) -> Iterator[tuple[list[str], list[str]]]:
    """Command and environment of every service of Flower."""
    for service in document["services"].values():
        if "command" in service and service["command"][0] in FLAGS:
            yield service["command"], [f"{name}={value}" for name, value in service["environment"].items()]


def test_flower_is_started_with_tls_keys_and_no_word_to_others() -> None:
    """TLS and registered keys everywhere, no installation at run time, no telemetry, no look for updates."""
    started = [*_in_containers(_compose(COALITION)), *_in_containers(_compose(SCHOOL))]
    started += [_in_unit(UNITS[name].read_text(encoding="utf-8")) for name in ("relay", "superlink")]
    assert len(started) == 4 + 1 + 2
    assert [wrong for words, environment in started for wrong in wrong_flags(words, environment)] == []


@pytest.mark.parametrize("flag", [flag for flags in FLAGS.values() for flag in flags])
def test_a_missing_flag_is_noticed(flag: str) -> None:
    """Planted fault: one of the flags is left out."""
    for words, environment in _in_containers(_compose(COALITION)):
        fewer = [word for word in words if word.partition("=")[0] != flag]
        if len(fewer) < len(words):
            assert any(flag in wrong or "socket" in wrong for wrong in wrong_flags(fewer, environment))


@pytest.mark.parametrize("name", ["relay", "superlink"])
@pytest.mark.parametrize(
    ("cut", "put"),
    [
        ("--host 127.0.0.1", "--host 127.0.0.1 --insecure"),
        ("--host 127.0.0.1", "--host 127.0.0.1 --max-retries 3"),
        ("FLWR_TELEMETRY_ENABLED=0", "FLWR_TELEMETRY_ENABLED=1"),
        ("FLWR_DISABLE_UPDATE_CHECK=1", ""),
        ("FLWR_HOME=", "HOME="),
    ],
)
def test_a_wrong_flag_in_a_unit_is_noticed(name: str, cut: str, put: str) -> None:
    """Planted faults: no TLS, giving up, telemetry, a look for updates, no home."""
    text = UNITS[name].read_text(encoding="utf-8")
    assert cut in text and list(wrong_flags(*_in_unit(text.replace(cut, put))))


# ---- units

HARDENING = {
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "CapabilityBoundingSet": "",
    "AmbientCapabilities": "",
    "IPAddressDeny": "any",
    "LimitCORE": "0",
    "MemorySwapMax": "0",
    "UMask": "0077",
    "StateDirectoryMode": "0700",
    "RestrictNamespaces": "yes",
}
FOREVER = {"Restart": "always", "RestartSec": "5", "StartLimitIntervalSec": "0"}
OWN: dict[str, dict[str, str]] = {
    "node": {
        **{"User": "coalition-node", "Group": "coalition-relay", "RuntimeDirectoryMode": "0750"},
        **{"PrivateNetwork": "yes", "RestrictAddressFamilies": "AF_UNIX", "Restart": "on-failure"},
    },
    "relay": {
        **{"User": "coalition-relay", "Group": "coalition-relay", "IPAddressAllow": "localhost"},
        **{"InaccessiblePaths": "/var/lib/coalition-node -/etc/coalition-node", **FOREVER},
        "ConditionPathExists": "/etc/coalition-relay/relay.key /etc/coalition-relay/ca.pem",
    },
    "superlink": {
        **{"User": "coalition-superlink", "Group": "coalition-meeting", "IPAddressAllow": "localhost"},
        **{"InaccessiblePaths": "-/var/lib/coalition -/var/lib/coalition-node", **FOREVER},
        **{"RuntimeDirectory": "coalition-meeting", "RuntimeDirectoryMode": "2770", "RuntimeDirectoryPreserve": "yes"},
    },
}
NOT_IN_A_UNIT = ("ReadWritePaths", "BindPaths", "BindReadOnlyPaths", "SupplementaryGroups", "PermissionsStartOnly")


def _settings(text: str) -> dict[str, str]:
    """Settings of a unit, continued lines joined; what is given twice is joined as well, by a space."""
    settings: dict[str, str] = {}
    for line in text.replace("\\\n", "").splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            settings[key] = f"{settings[key]} {value}" if key in settings else value
    return settings


def _in_unit(text: str) -> tuple[list[str], list[str]]:
    settings = _settings(text)
    return shlex.split(settings["ExecStart"]), settings["Environment"].split()


def wrong_unit(name: str, text: str) -> Iterator[str]:
    """What in a unit opens a way: a missing restriction, another user or group, something to write, other paths."""
    settings = _settings(text)
    for key, value in (HARDENING | OWN[name]).items():
        if settings.get(key) != value:
            yield f"{key}={settings.get(key)} instead of {value}"
    yield from (f"{key} opens a way" for key in NOT_IN_A_UNIT if key in settings)


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_closes_every_way_but_its_own(name: str) -> None:
    """No capability, no swap, nothing to write but its own; the node has no network, the relay no way to the data."""
    assert list(wrong_unit(name, UNITS[name].read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("name", "cut", "put"),
    [
        ("node", "PrivateNetwork=yes", ""),
        ("node", "RestrictAddressFamilies=AF_UNIX", "RestrictAddressFamilies=AF_UNIX AF_INET"),
        ("node", "RuntimeDirectoryMode=0750", "RuntimeDirectoryMode=0755"),
        ("node", "StateDirectoryMode=0700", "StateDirectoryMode=0750"),
        ("relay", "InaccessiblePaths=/var/lib/coalition-node\n", ""),
        ("relay", "IPAddressDeny=any", ""),
        ("relay", "IPAddressAllow=localhost", "IPAddressAllow=any"),
        ("relay", "User=coalition-relay", "User=coalition-node"),
        ("relay", "Restart=always", "Restart=on-failure"),
        ("relay", "StartLimitIntervalSec=0", ""),
        ("relay", "UMask=0077", "UMask=0077\nReadWritePaths=/"),
        ("relay", "CapabilityBoundingSet=", "CapabilityBoundingSet=CAP_NET_ADMIN"),
        ("superlink", "InaccessiblePaths=-/var/lib/coalition\n", ""),
        ("superlink", "RuntimeDirectoryPreserve=yes", ""),
        ("superlink", "IPAddressDeny=any", ""),
    ],
)
def test_a_hole_in_a_unit_is_noticed(name: str, cut: str, put: str) -> None:
    """Planted faults: a network, a path to the data, another user, giving up, something to write."""
    text = UNITS[name].read_text(encoding="utf-8")
    assert cut in text and list(wrong_unit(name, text.replace(cut, put)))


# ---- the gate


def wrong_gate(text: str) -> Iterator[str]:
    """What the gate lets through besides a registered relay's own calls, or keeps from it."""
    blocks = re.findall(r"^ +location (.+) \{$((?:\n(?! +location ).*)*?)\n {8}\}$", text, re.MULTILINE)
    relay = set(re.findall(r'"/v1/fleet/([a-z-]+)"', inspect.getsource(FleetHttpClient)))
    passed = set(re.findall(r"[a-z]+(?:-[a-z]+)+", blocks[-1][0].partition("fleet/")[2])) if blocks else set()
    # With registered keys a relay neither adds nor removes itself.
    yield from (f"differs on {call}" for call in sorted(passed ^ (relay - {"register-node", "unregister-node"})))
    if (
        len(blocks) != 2
        or len(re.findall(r"^ *location ", text, re.MULTILINE)) != 2
        or blocks[0][0] != "/"
        or blocks[0][1].strip() != "return 404;"
    ):
        yield "not everything else ends in 404"
    if text.count("proxy_pass ") != 1 or "proxy_pass https://link/v1/fleet/$1;" not in text:
        yield "passes on what the caller spelled"
    for needed in ("proxy_ssl_verify on;", "proxy_ssl_name superlink;", "listen 8443 ssl;", "ssl_protocols TLSv1.3;"):
        if needed not in text or text.count("listen ") != 1:
            yield f"without {needed}"
    size = re.search(r"client_max_body_size (\d+)m;", text)
    if size is None or not MAX_REPLY_BYTES < int(size[1]) * 2**20 <= 2 * MAX_REPLY_BYTES:
        yield "lets bodies of another size through"


def test_the_gate_lets_through_what_a_relay_says_and_nothing_else() -> None:
    """Its paths are those of Flower's own client, less registering; TLS on both sides; a reply's size fits."""
    assert list(wrong_gate(GATE.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("cut", "put", "found"),
    [
        ("get-run|", "", "get-run"),
        ("get-run|", "get-run|start-run|", "start-run"),
        ("get-run|", "get-run|register-node|", "register-node"),
        ("return 404;", "proxy_pass https://link;", "404"),
        ("location / {", "location /v1/control/ { }\n        location / {", "404"),
        ("/v1/fleet/$1;", "$request_uri;", "spelled"),
        ("proxy_ssl_verify on;", "proxy_ssl_verify off;", "proxy_ssl_verify"),
        ("listen 8443 ssl;", "listen 8080;", "listen"),
        ("listen 8443 ssl;", "listen 8443 ssl; listen 8080;", "without"),
        ("client_max_body_size 72m;", "client_max_body_size 1m;", "size"),
        ("client_max_body_size 72m;", "", "size"),
    ],
)
def test_a_hole_in_the_gate_is_noticed(cut: str, put: str, found: str) -> None:
    """Planted faults: a relay's call missing, an operator's call let in, TLS unchecked or absent, any size."""
    text = GATE.read_text(encoding="utf-8")
    assert cut in text and any(found in wrong for wrong in wrong_gate(text.replace(cut, put)))


# ---- images, and commands that are named


def _stages() -> dict[str, list[str]]:
    """The lines of each stage of the Dockerfile, its FROM line first."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", "")
    parts = re.split(r"^(?=FROM )", text, flags=re.MULTILINE)[1:]
    return {part.split()[3]: part.splitlines() for part in parts}


def test_the_images_hold_the_program_and_nothing_of_a_school() -> None:
    """What an image copies is there and enters the build; everything else is kept out; none runs as root."""
    lines = [line for stage in _stages().values() for line in stage]
    copied = [word for line in lines if re.match(r"COPY (?!--from)", line) for word in line.split()[1:-1]]
    ignore = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignore[1] == "*" and set(copied) == {line[1:] for line in ignore if line.startswith("!")}
    assert all((ROOT / name).exists() for name in copied)
    for name, user in (("program", NODE), ("relay", RELAY), ("gate", LINK)):
        assert [line for line in _stages()[name] if line.startswith("USER ")] == [f"USER {user}"]
    assert list(_stages())[-1] == "program"


def test_the_relay_image_holds_flower_alone() -> None:
    """Of this project it holds not one file: only Flower, in the version that was tested."""
    stages = _stages()
    assert [line for line in stages["flower"] if line.startswith("COPY")] == ["COPY constraints.txt ./"]
    assert any(
        line.endswith("pip install --no-cache-dir --constraint constraints.txt flwr") for line in stages["flower"]
    )
    assert stages["relay"][0] == "FROM folders AS relay"
    assert [line for line in stages["relay"] if line.startswith("COPY")] == [
        "COPY --from=flower /opt/flower /opt/flower"
    ]
    assert not any(line.startswith(("COPY", "ADD")) for line in stages["folders"])


def test_every_command_that_is_started_exists() -> None:
    """Commands and comments in compose files and units name real commands and options."""
    texts = [file.read_text(encoding="utf-8") for file in (COALITION, SCHOOL, *UNITS.values())]
    started = [re.sub(r"(?m)^# ?", "", text).replace("/opt/datacoalitie/bin/", " ") for text in texts]
    services = [service for file in (COALITION, SCHOOL) for service in _compose(file)["services"].values()]
    started += [shlex.join(service["command"]) for service in services if "command" in service]
    assert [wrong for text in started for wrong in prose.wrong_commands(text)] == []
    assert list(prose.wrong_commands("ExecStart= coalition-node serve X --sockets Y")) == [
        "coalition-node serve: no option --sockets"
    ]
