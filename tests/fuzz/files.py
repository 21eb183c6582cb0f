"""A folder arrives; a subject leaves for every file that a node reads; those of its data are in `stored`."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import yaml

from coalition import charters
from coalition.errors import CoalitionError
from experiments import definition
from experiments.errors import ExperimentError
from node import presenting
from node.assembly import create_node
from node.desk import fg_keys, witness
from node.desk.approving import Desk
from node.errors import NodeError
from node.folder import NodeFolder
from node.founding import starter
from node.mapping_document import read_mapping
from node.people.pseudonym_key import PseudonymKey
from node.policy import read_policy
from privacy.errors import PrivacyError
from privacy.identity import SigningKey
from shared_schema import SchemaError, load_schema
from tests.fuzz import described, stored
from tests.fuzz.harness import Broken, Subject
from tests.fuzz.messages import bent_canonical
from tests.fuzz.mutations import (
    YAML_TOKENS,
    bent_bytes,
    bent_lines,
    bent_text,
    bent_tree,
)
from tests.fuzz.stored import PLAIN, SECRETS, bent_json, put
from tests.kit import DEFAULT
from tests.ledger_world import World
from tests.unit.node.marked_school import MAPPING, csv_text, rows

SCHEMA = load_schema()
LAYOUTS = sorted((Path(presenting.__file__).parent / "mappings").glob("*.yaml"))
DOCUMENT = (SchemaError,)
EXTENSION = """\
schema_extension: 1
title: {nl: Proef, en: Trial}
codes:
  soort: {title: {nl: s, en: s}, values: {a: {nl: a, en: a}, b: {nl: b, en: b}}}
columns:
  person:
    soort: {type: code, codes: soort, prose: {nl: s, en: s}, feature: true}
    punten: {type: decimal, bounds: [0, 10.5], prose: {nl: p, en: p}, feature: {aggregate: max, fill: 1.5}}
  enrolment:
    gestopt: {type: boolean, prose: {nl: g, en: g}, outcome: true}
"""


def subjects(folder: Path) -> list[Subject]:
    """Every subject of this module; all of them read files below `folder`."""
    folder.mkdir(parents=True)
    quick = [*_documents(folder), *_keys(folder), *stored.ledger(folder)]
    return [
        *(replace(subject, times=5) for subject in quick),
        *stored.exports(folder),
        *described.exports(folder),
        *stored.stores(folder),
    ]


# ---- documents


def _documents(folder: Path) -> list[Subject]:
    def reading(read: Callable[[Path], object]) -> Callable[[bytes], object]:
        return lambda data: read(put(folder / "document.yaml", data))

    mappings = [MAPPING.encode(), *(path.read_bytes() for path in LAYOUTS)]
    question = (*DOCUMENT, ExperimentError, PrivacyError)
    policy = [starter({2022: 60, 2023: 60}).encode()]
    return [
        Subject("policy", policy, _bent_yaml, reading(_policy), (*DOCUMENT, PrivacyError)),
        Subject("mapping", mappings, _bent_yaml, reading(read_mapping), DOCUMENT),
        Subject("extension", [EXTENSION.encode()], _bent_yaml, reading(load_schema), DOCUMENT),
        Subject("definition", [DEFAULT.read_bytes()], _bent_yaml, reading(_definition), question),
        Subject(
            "export-as-document",
            [csv_text(rows(9)).encode(), csv_text(rows(9), ",").encode()],
            lambda chance, data, others: bent_lines(chance, data),
            reading(read_mapping),
            DOCUMENT,
            SECRETS,
            plain=False,
        ),
    ]


def _policy(path: Path) -> None:
    """The rules, and the cap that follows from them: it is computed whenever a plan is reserved."""
    assert read_policy(path).lifetime_budget.rho >= 0


def _definition(path: Path) -> None:
    """An analyst's question, as far as the bytes that an FG signs."""
    frozen = definition.freeze(definition.read(path), SCHEMA)
    if definition.thaw(frozen.encoded) != frozen:
        raise Broken("a definition that reads back otherwise")


def _bent_yaml(chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Bend a document as text, or as a tree that is written again."""
    if chance.random() < 0.5:
        return bent_text(chance, data, others, YAML_TOKENS)
    tree = bent_tree(chance, yaml.safe_load(data), PLAIN)
    return yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", errors="surrogatepass")


# ---- keys, counter, card


def _keys(folder: Path) -> list[Subject]:
    place = create_node(folder / "node", "noord", "Noord", {2022: 60, 2023: 60})
    place.policy.write_text(starter({2022: 60, 2023: 60}), encoding="utf-8")
    secret, pem, card = place.pseudonym_key.read_bytes(), place.node_key.read_bytes(), place.card.read_bytes()
    hidden = [secret[:32].decode(), secret[32:64].decode(), pem.splitlines()[1].decode()[20:40]]
    state = Desk.open(place).state
    private = folder / "private.key"
    private.touch(mode=0o600)

    def own_card(data: bytes) -> None:
        put(place.card, data)
        fg_keys.announced(place, state)
        presenting.policy(place.root, write=False)

    return [
        Subject(
            "pseudonym-key",
            [secret],
            bent_bytes,
            lambda data: PseudonymKey.load(put(private, data)),
            (NodeError,),
            hidden,
        ),
        Subject(
            "signing-key",
            [pem],
            bent_bytes,
            lambda data: SigningKey.from_file(put(private, data)),
            (PrivacyError,),
            hidden,
        ),
        Subject("own-card", [card], bent_json, own_card, (NodeError,)),
        Subject(
            "card",
            [card],
            bent_json,
            lambda data: charters.read_card(put(folder / "card.json", data)),
            (CoalitionError,),
        ),
        _held(place),
    ]


def _held(place: NodeFolder) -> Subject:
    """What a school holds of others: written once by `witness.write`, then bent."""
    desk = Desk.open(place)
    world = World(place.root / "other")
    node_key = world.node.public
    held = witness.Held({witness.Signer("s0", node_key): {}})
    held.add(witness.Signer("s0", node_key), world.countersignature(0, b"h" * 32))
    witness.write(desk, held)
    (path,) = (place.root / witness.FOLDER).glob("*.cbor")
    return Subject(
        "held",
        [path.read_bytes()],
        bent_canonical,
        lambda data: (put(path, data), witness.read(desk)),
        (NodeError, PrivacyError),
    )
