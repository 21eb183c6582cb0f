"""Audits for the page's tests, with the figures of real ones: of full size, too small for guesses, broken, too weak."""

import hashlib
from typing import Any

DELTA = "1/1000000"
QUERIES = (("moments", 92, 4096, 0.2452), ("curvature", 1081, 2048, 0.1502), ("score_table", 16, 1024, 0.2452))
GRADIENTS = (0.133, 0.1531, 0.1761, 0.2026, 0.2331, 0.2682, 0.3085, 0.3549)
NOISE = ["spread", "shape", "shared"]


def _release(query: str, dimension: int, steps: int, claimed: float) -> dict[str, Any]:
    variance = round((steps / claimed) ** 2 * 30)
    return {
        "query": query,
        "dimension": dimension,
        "clip_norm": "3501/1000",
        "delta_steps": steps,
        "variance": f"{variance}/7",
    }


def _trial(name: str, releases: list[dict[str, Any]], claimed: float) -> dict[str, Any]:
    """One attempt of too few canaries for guesses, which holds; its control is added by `_with_control`."""
    return {
        "mechanism": name,
        "key": hashlib.sha256(f"{name} {claimed}".encode()).hexdigest(),
        "parameters": {"honest": 4, "records": 1, "delta": DELTA, "releases": releases},
        "canaries": 1024,
        "correct": 536,
        "dimension": sum(release["dimension"] for release in releases),
        "repeats": 23,
        "looks": 1,
        "epsilon_claimed": claimed,
        "epsilon_lower": 0.0,
        "epsilon_lower_any": 0.0,
        "epsilon_expected": 0.0,
        "power": 1.0,
        "method": "noise",
        "failed": [],
        "verdict": "holds",
        "positive_control": None,
    }


def _with_control(trial: dict[str, Any], lower: float) -> dict[str, Any]:
    beyond = ["bound"] if lower > trial["epsilon_claimed"] else []
    control = trial | {
        "looks": 2,
        "failed": [*beyond, *NOISE],
        "verdict": "broken",
        "correct": trial["correct"] + 9,
        "epsilon_lower": lower,
    }
    return trial | {"positive_control": control}


def mechanism() -> dict[str, Any]:
    """Return an audit of full size: 12 claims that hold, the whole experiment's by guesses alone."""
    sums = [_release(*query) for query in QUERIES]
    gradients = [_release("logistic_gradient", 46, 2048, claimed) for claimed in GRADIENTS]
    whole = _trial("experiment", [*sums, *gradients], 0.9274) | {
        "canaries": 32768,
        "correct": 17965,
        "repeats": 2048,
        "epsilon_lower": 0.7928,
        "epsilon_lower_any": 0.3908,
        "epsilon_expected": 0.6957,
        "method": "one_run",
    }
    parts = [(release, query[3]) for release, query in zip(sums, QUERIES, strict=True)]
    parts += list(zip(gradients, GRADIENTS, strict=True))
    single = [_with_control(_trial(release["query"], [release], claimed), 0.0) for release, claimed in parts]
    return {
        "verdict": "holds",
        "confidence": 0.9999,
        "false_alarm": 1.44e-6,
        "results": [_with_control(whole, 1.0805), *single],
    }


def membership() -> dict[str, Any]:
    """Return the weaker view: a coin with noise, clearly better without."""
    found = {"coins": 1280, "auc": 0.5044, "epsilon_lower": 0.0, "epsilon_lower_any": 0.0}
    control = {"coins": 1280, "auc": 0.797, "epsilon_lower": 1.6805, "epsilon_lower_any": 0.6481}
    return {
        "shadows": 32,
        "attacked": 16,
        "students": 80,
        "features": 60,
        "epsilon_reported": 0.9999998,
        "found": found,
        "control": control,
        "verdict": "holds",
    }


def audit() -> dict[str, Any]:
    """Return an audit that holds."""
    return {"mechanism": mechanism(), "membership": membership()}


def small_audit() -> dict[str, Any]:
    """Return an audit of 2,048 canaries: guesses demonstrate nothing, the noise itself is measured."""
    made = audit()
    whole = _trial("experiment", made["mechanism"]["results"][0]["parameters"]["releases"], 0.9274)
    made["mechanism"]["results"][0] = _with_control(whole | {"canaries": 2048, "correct": 1055}, 0.2904)
    return made


def broken_audit() -> dict[str, Any]:
    """Return an audit of a mechanism with half the noise it claims: all parts broken, the whole beyond its promise."""
    made = audit()
    for one in made["mechanism"]["results"]:
        one |= {"looks": 2, "failed": list(NOISE), "verdict": "broken"}
    made["mechanism"]["results"][0] |= {"epsilon_lower": 1.1139, "correct": 19000, "failed": ["bound", *NOISE]}
    return made | {"mechanism": made["mechanism"] | {"verdict": "broken"}}


def weak_audit() -> dict[str, Any]:
    """Return an audit that was far too small, of the sums and of the models."""
    made = audit()
    for one in made["mechanism"]["results"]:
        weak = {"verdict": "low_power", "power": 0.0, "canaries": 32, "correct": 18, "epsilon_lower": 0.0}
        one |= weak | {"method": "noise"}
        one["positive_control"] |= weak | {"looks": 1, "failed": []}
    made["mechanism"]["verdict"] = made["membership"]["verdict"] = "low_power"
    made["membership"]["control"] |= {"auc": 0.52, "epsilon_lower": 0.0, "epsilon_lower_any": 0.0}
    return made
