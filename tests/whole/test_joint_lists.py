"""The joint model beside a school's own list: it scores as in the run, and is measured on students of neither."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coalition import rehearsal
from experiments.queries import logistic
from node import assembly
from node.folder import NodeFolder
from node.local import joint
from node.store import Store
from shared_schema import load_schema
from tests.whole.lists import Say, record


@pytest.fixture(scope="module")
def coalition(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small rehearsal: three schools and a published finding."""
    out = tmp_path_factory.mktemp("rehearsal") / "out"
    rehearsal.rehearse(rehearsal.Options(out, schools=3, students=300), lambda *_: None)
    return out


def test_the_joint_model_scores_as_the_coalition_does(coalition: Path) -> None:
    """Read from the published folder alone, it gives each student of a school the log odds of the run's own model."""
    read = joint.read(coalition / "finding", load_schema(), sensitive=True)
    root = next(path for path in sorted((coalition / "schools").iterdir()) if path.is_dir())
    folder = NodeFolder(root)
    rows = assembly.open_node(folder).students(read.experiment)
    frame = _features(folder, read)
    settings, state = _state(coalition, read)
    expected = sorted(logistic.scores(rows, settings, state).tolist())
    found = read.model.scores(frame)
    assert len(expected) > 200
    assert all(min(abs(found.to_numpy() - score)) < 1e-9 for score in expected)


def _features(folder: NodeFolder, read: joint.Joint) -> Any:
    from shared_schema import features

    tables = Store.open(folder.data).tables()
    return features.build(tables, read.model.features, read.model.week, load_schema())


def _state(coalition: Path, read: joint.Joint) -> tuple[Any, Any]:
    from privacy.charter import Charter

    charter = Charter.from_bytes((coalition / "finding" / "evidence" / "charter.cbor").read_bytes())
    plan = joint._plan(read.experiment, charter, load_schema())
    return joint._settings(plan), joint._last_state(coalition / "finding" / "evidence" / "states", plan)


def test_local_against_joint_is_measured_on_students_that_neither_learned_from(
    coalition: Path, root: Path, say: Say
) -> None:
    code, found = say("invite", root, "--model", coalition / "finding")
    assert code == 0
    both = found["local_or_joint"]
    assert both["students"] == found["measured"]["students"]
    assert both["local"]["value"] == pytest.approx(found["measured"]["auc"]["value"])
    gap = both["joint"]["value"] - both["local"]["value"]
    assert both["difference"]["value"] == pytest.approx(gap)
    assert both["difference"]["low"] <= gap <= both["difference"]["high"]
    assert record(root)[-1]["finding"] == joint.read(coalition / "finding", load_schema(), False).experiment.hash.hex()
    code, ranked = say("invite", root, "--model", coalition / "finding", "--by", "joint")
    assert (code, ranked["model_kind"]) == (0, "joint")
    assert ranked["model"] != found["model"]


def test_students_that_the_joint_model_may_have_learned_from_are_left_out(coalition: Path) -> None:
    """A school of the coalition itself: of its own cohorts only those that the split holds out are measured."""
    read = joint.read(coalition / "finding", load_schema(), sensitive=False)
    root = next(path for path in sorted((coalition / "schools").iterdir()) if path.is_dir())
    rows = assembly.open_node(NodeFolder(root)).students(read.experiment)
    import pandas as pd

    students = pd.Index(sorted(Store.open(NodeFolder(root).data).tables()["enrolment"]["student"].unique()))
    cohort = pd.Series(pd.array([2023] * len(students), dtype="Int64"), index=students)
    left = read.not_learned_from(students, cohort)
    assert abs(len(left) / len(students) - rows.held_out.mean()) < 0.1
    assert list(read.not_learned_from(students, cohort - 20)) == list(students)


def test_sensitive_features_move_nobody_up_the_joint_list(coalition: Path) -> None:
    """Held at the coalition's average for everyone, unless the school's policy lets them count."""
    neutral, whole = (joint.read(coalition / "finding", load_schema(), sensitive) for sensitive in (False, True))
    weights = dict(zip([one.name for one in neutral.model.features], neutral.model.weights, strict=True))
    for feature, weight in zip(whole.model.features, whole.model.weights, strict=True):
        assert weights[feature.name] == (0.0 if feature.sensitive else weight)
    assert neutral.model.hash != whole.model.hash


def _bundle(coalition: Path, tmp_path: Path) -> Path:
    shutil.copytree(coalition / "finding", tmp_path / "bundle")
    return tmp_path / "bundle"


def _edited(bundle: Path, **changes: Any) -> None:
    finding = json.loads((bundle / "finding.json").read_text(encoding="utf-8"))
    finding.update(changes)
    (bundle / "finding.json").write_text(json.dumps(finding), encoding="utf-8")


def _other_weights(bundle: Path) -> None:
    model = json.loads((bundle / "finding.json").read_text(encoding="utf-8"))["model"]
    model["weights"][0]["weight"] += 0.5
    _edited(bundle, model=model)


def _earlier_state(bundle: Path) -> None:
    states = sorted((bundle / "evidence" / "states").iterdir())
    shutil.copyfile(states[-2], states[-1])


BROKEN: dict[str, Callable[[Path], Any]] = {
    "no finding": lambda bundle: (bundle / "finding.json").unlink(),
    "no JSON": lambda bundle: (bundle / "finding.json").write_text("{"),
    "another shape": lambda bundle: _edited(bundle, model={"weights": []}),
    "other weights than the evidence": _other_weights,
    "no states": lambda bundle: shutil.rmtree(bundle / "evidence" / "states"),
    "an earlier state": _earlier_state,
    "a state of noise": lambda bundle: sorted((bundle / "evidence" / "states").iterdir())[-1].write_bytes(b"\x00" * 99),
    "another charter": lambda bundle: (bundle / "evidence" / "charter.cbor").write_bytes(b"\x80"),
    "another experiment": lambda bundle: (bundle / "evidence" / "experiment.cbor").write_bytes(b"\x80"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_bundle_that_does_not_fit_together_is_refused(
    coalition: Path, root: Path, tmp_path: Path, say: Say, fault: str
) -> None:
    bundle = _bundle(coalition, tmp_path)
    BROKEN[fault](bundle)
    code, found = say("invite", root, "--model", bundle)
    assert (code, found["code"]) == (2, "unusable_finding")
    assert record(root) == []


def test_a_model_of_another_schema_or_week_is_refused(coalition: Path, root: Path, say: Say) -> None:
    code, found = say("invite", root, "--model", coalition / "finding", "--week", 3)
    assert (code, found["code"]) == (2, "other_week")
    (root / "schema.yaml").write_text(EXTENSION, encoding="utf-8")
    code, found = say("invite", root, "--model", coalition / "finding")
    assert (code, found["code"]) == (2, "other_schema")


EXTENSION = """\
schema_extension: 1
title: {nl: Proef, en: Trial}
columns:
  person:
    reisafstand_bekend:
      type: boolean
      title: {nl: Reisafstand bekend, en: Distance known}
      prose: {nl: Of de reisafstand bekend is., en: Whether the distance to school is known.}
      feature: true
"""
