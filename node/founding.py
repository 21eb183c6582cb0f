"""A school's name and choices arrive; a node's folder leaves, with keys, policy, ledger and a card to send."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from node.assembly import create_node
from node.errors import UnusableInput
from node.folder import NodeFolder
from node.mapping_document import read_mapping
from node.policy import Policy, read_policy
from shared_schema import load_schema

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LAYOUTS = Path(__file__).parent / "mappings"
STARTER = """\
# Het beleid van deze school; de FG is eigenaar. / This school's policy; the FG owns it.
policy: 1
# Zet op true als de data klaarstaan. / Set to true when the data are ready.
ready: false
# Openbare aantallen eerstejaars per cohort (DUO). / Published numbers of students by year of first enrolment.
public_size: {sizes}
# Minste scholen die samen antwoorden. / Fewest schools that answer together.
fewest_schools: 3
# Kleinste cohort waarover iets gevraagd mag worden. / Smallest cohort that may be asked about.
smallest_cohort: 50
# Zoveel scholen mogen met de coördinator samenspannen. / So many schools may collude with the coordinator.
least_collusion_threshold: 1
# Wat één student in zijn leven mag kosten. / What one student may cost in a lifetime.
lifetime_budget: {{epsilon: 3.0, delta: 1e-6}}
# Cijfers van deze school alleen. / Figures of this school alone.
own_figures: false
# Gevoelige kenmerken op de uitnodigingslijst. / Sensitive features on the invitation list (age, gender, apcg).
sensitive_on_list: false
# Zoveel dagen blijft een gereserveerd plan staan. / So many days a reserved plan stands.
plan_days: 30
# Na zoveel dagen zonder handtekening van de FG begint er geen run. / No run begins so long after the FG last signed.
countersigned_days: 366
"""


def found(
    root: Path,
    school: str,
    name: str,
    policy: Path | None,
    sizes: Sequence[str],
    mapping: str | None,
    schema: Path | None,
    fg_public: str | None,
) -> NodeFolder:
    """Make a node. Everything given is read and checked before anything is made.

    policy: the school's policy.yaml, or None for a careful one with these `COHORT=STUDENTS` sizes; mapping: a
    shipped layout or a file. Raises `DocumentError` or `UnusableInput`; a folder that is a node already is refused.
    """
    public_size = _sizes(sizes) if policy is None else dict(read_policy(policy).public_size)
    source = None if mapping is None else _mapping(mapping)
    load_schema(schema)
    folder = create_node(root, school, name, public_size, _public_key(fg_public))
    if policy is None:
        folder.policy.write_text(starter(public_size), encoding="utf-8")
    for given, place in ((policy, folder.policy), (source, folder.mapping), (schema, folder.schema)):
        if given is not None:
            shutil.copyfile(given, place)
    return folder


def existing(root: Path) -> NodeFolder:
    """The folder of a node that was made before; `UnusableInput` for any other folder."""
    folder = NodeFolder(root)
    if not (folder.node_key.is_file() and folder.card.is_file()):
        raise UnusableInput("no_node", "NODE is a node's folder.", str(root), "Make one: coalition-node init.")
    return folder


def starter(public_size: Mapping[int, int]) -> str:
    """A policy with careful defaults, every line explained."""
    sizes = ", ".join(f"{cohort}: {size}" for cohort, size in sorted(public_size.items()))
    return STARTER.format(sizes="{" + sizes + "}")


def policy_of(public_size: Mapping[int, int]) -> Policy:
    """The same, read."""
    from shared_schema import documents

    return documents.read(starter(public_size), Policy)


def _sizes(pairs: Sequence[str]) -> dict[int, int]:
    remedy = "Give --policy FILE, or --size 2024=812 for each cohort."
    if not pairs:
        raise UnusableInput("no_sizes", "A node knows the published sizes of its cohorts.", "none", remedy)
    sizes = {}
    for pair in pairs:
        cohort, _, size = pair.partition("=")
        if not (cohort.isdecimal() and size.isdecimal() and len(pair) < 20):
            raise UnusableInput("bad_size", "A size is COHORT=STUDENTS.", f"'{pair[:20]}'", remedy)
        sizes[int(cohort)] = int(size)
    policy_of(sizes)
    return sizes


def mapping_of(name: str) -> Path:
    """Return the file of a shipped layout, or the file of that name. Raises UnusableInput where there is neither."""
    shipped = {path.stem: path for path in sorted(LAYOUTS.glob("*.yaml"))}
    path = shipped.get(name, Path(name))
    if not path.is_file():
        rule, remedy = "A mapping is a shipped layout or a file.", f"Layouts: {', '.join(shipped)}."
        raise UnusableInput("no_mapping", rule, f"'{name[:60]}'", remedy)
    return path


def _mapping(name: str) -> Path:
    path = mapping_of(name)
    read_mapping(path)
    return path


def _public_key(digits: str | None) -> bytes | None:
    if digits is None:
        return None
    if len(digits) != 64 or not set(digits.lower()) <= set("0123456789abcdef"):
        rule, remedy = "A public key is 64 hexadecimal digits.", "Copy what `coalition key` printed."
        raise UnusableInput("not_a_key", rule, f"{len(digits)} characters", remedy)
    return bytes.fromhex(digits)
