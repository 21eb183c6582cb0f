"""Attacks 9, 10 and 11 of METHODS section 7: what floats, weak randomness and hostile values give away.

Each first without the defence, where the attack succeeds. Statistical tests: false-alarm rate 1e-6 each.
"""

import ast
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from privacy.lattice import points
from privacy.noise import discrete_gaussian
from privacy.private_sum import Release, lattice_sum, noised_sum, open_sum

FALSE_ALARM = 1e-6
ROOT = Path(__file__).parents[2]

# -- attack 9: low-order bits ---------------------------------------------------------------------------------------

SCALE = 10.0


def _textbook_laplace(total: float, draws: int) -> np.ndarray:
    """Add noise as textbooks do: -b ln(u), u a uniform double, with a sign. epsilon is 1 / SCALE a draw."""
    rng = np.random.default_rng(9)
    uniform = 1.0 - rng.random(draws)
    return total + rng.choice([-1.0, 1.0], draws) * (SCALE * -np.log(uniform))


def _reachable(outputs: np.ndarray, total: float) -> bool:
    """Tell whether all outputs can come from `total`: some u on the generator's grid gives exactly these bits."""
    distance = np.abs(outputs - total)
    nearest = np.round(np.exp(-distance / SCALE) * 2.0**53)
    found = np.zeros(len(outputs), dtype=bool)
    for step in range(-40, 41):
        uniform = np.clip(nearest + step, 1, 2**53) / 2.0**53
        found |= total + np.sign(outputs - total) * (SCALE * -np.log(uniform)) == outputs
    return bool(found.all())


def test_attack_9_defence_off_float_noise_names_the_database() -> None:
    """Twenty outputs of the textbook mechanism, epsilon .1 each: their last bits fit one total and not the other."""
    for truth, other in ((0.0, 1.0), (1.0, 0.0)):
        outputs = _textbook_laplace(truth, 20)
        assert _reachable(outputs, truth) and not _reachable(outputs, other)


RELEASE = Release(1, Fraction(1), 1000, Fraction(10**6))
NEIGHBOURS = np.array([[0.3]]), np.array([[0.3], [0.123456789]])


def test_attack_9_defence_off_integer_noise_on_a_float_sum() -> None:
    """Exact noise on a sum that was not put on the lattice: the fraction of the output is that of the sum."""
    for rows in NEIGHBOURS:
        total = float(rows.sum() / RELEASE.gamma)
        output = total + discrete_gaussian(1, RELEASE.variance)[0]
        assert abs(output % 1 - total % 1) < 1e-6
    fractions = [float(rows.sum() / RELEASE.gamma) % 1 for rows in NEIGHBOURS]
    assert abs(fractions[0] - fractions[1]) > 1e-3


def _opened(rows: np.ndarray, count: int) -> np.ndarray:
    """Return `count` outputs for these rows, opened, in the units of the data."""
    return np.array([open_sum([noised_sum(rows, RELEASE, 1)], [RELEASE])[0][0] for _ in range(count)])


def test_attack_9_only_integers_leave_and_neighbours_share_one_lattice() -> None:
    """Opened outputs of both neighbours are the same multiples of gamma: every output is reachable from both."""
    grid = float(RELEASE.gamma)
    for rows in NEIGHBOURS:
        assert noised_sum(rows, RELEASE, 1).dtype == np.uint64
        outputs = _opened(rows, 200)
        np.testing.assert_array_equal(np.round(outputs / grid) * grid, outputs)


def test_attack_9_low_order_bits_say_nothing() -> None:
    """The lowest three bits of 4000 outputs of each neighbour: one distribution, by a chi-squared test.

    The control: the bits of the lattice sums themselves differ.
    """
    wide = Release(4000, Fraction(1), 1000 * 64, Fraction(10**8))
    tables = []
    for rows in NEIGHBOURS:
        spread = np.repeat(rows, 4000, axis=1) / 64
        tables.append(np.bincount((noised_sum(spread, wide, 1) & np.uint64(7)).astype(int), minlength=8))
    assert stats.chi2_contingency(np.array(tables)).pvalue > FALSE_ALARM
    first, second = (lattice_sum(rows, Release(1, Fraction(1), 64_000, Fraction(1)))[0] for rows in NEIGHBOURS)
    assert first % 8 != second % 8


# -- attack 10: weak randomness -------------------------------------------------------------------------------------


def test_attack_10_defence_off_a_guessed_seed_removes_the_noise() -> None:
    """Noise from a seeded generator: whoever tries 10,000 seeds finds the one, and reads the sum."""
    secret = np.array([17, 4, 99])
    answer = secret + np.random.default_rng(7351).normal(0, 1000, 3).round().astype(int)
    guesses = (answer - np.random.default_rng(s).normal(0, 1000, 3).round().astype(int) for s in range(10_000))
    found = [guess for guess in guesses if ((guess >= 0) & (guess < 100)).all()]
    assert any((guess == secret).all() for guess in found) and len(found) < 20


def test_attack_10_no_seed_reaches_the_noise() -> None:
    """Every seed there is in the process set alike: two answers to one question still differ."""
    answers = []
    for _ in range(2):
        np.random.seed(7351)
        answers.append(noised_sum(np.zeros((1, 50)), Release(50, Fraction(1), 1, Fraction(10**12)), 1))
    assert (answers[0] == answers[1]).sum() < 3


def test_attack_10_the_source_is_counted_and_uniform() -> None:
    """A counter on the source: each answer takes at least 24 new bytes a coordinate, and the bytes are uniform."""
    taken: list[bytes] = []

    def counted(size: int) -> bytes:
        taken.append(os.urandom(size))
        return taken[-1]

    noised_sum(np.zeros((1, 5000)), Release(5000, Fraction(1), 1, Fraction(10**12)), 1, counted)
    used = b"".join(taken)
    assert len(used) >= 24 * 5000
    assert stats.chisquare(np.bincount(np.frombuffer(used, dtype=np.uint8), minlength=256)).pvalue > FALSE_ALARM


# -- attack 10: the static ban --------------------------------------------------------------------------------------

PACKAGES = ("coalition", "node", "experiments", "privacy", "shared_schema")
BANNED_MODULES = {"random", "pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
BANNED_NAMES = {
    "numpy.random": "randomness without a secret",
    "torch.normal": "randomness without a secret",
    "torch.rand": "randomness without a secret",
    "torch.randn": "randomness without a secret",
    "torch.randint": "randomness without a secret",
    "torch.load": "unpickles what it reads",
    "pandas.read_pickle": "unpickles what it reads",
    "yaml.load": "can build any object",
    "yaml.unsafe_load": "can build any object",
    "yaml.full_load": "can build any object",
}
BANNED_CALLS = {"eval", "exec", "__import__"}
SEEDED = {"default_rng", "Generator", "SeedSequence"}
"""What these may use of numpy.random, and only with a seed."""
SIMULATING = ("experiments/synthetic", "node/local/prognosis.py")
"""Invented schools, and the spread of a school's own forecast, which stays at the school."""


def _dotted(node: ast.AST) -> str:
    """Return "np.random.normal" for such an expression, "" for another."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (left := _dotted(node.value)):
        return f"{left}.{node.attr}"
    return ""


def _imported(tree: ast.AST) -> dict[str, str]:
    """Return local name -> full name of everything imported anywhere in the module."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
    return names


def _used(tree: ast.AST) -> Iterator[str]:
    """Yield the full name of every import, and of every dotted expression that starts at one."""
    names = _imported(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute | ast.Name) and (dotted := _dotted(node)):
            first, _, rest = dotted.partition(".")
            if first in names:
                yield f"{names[first]}.{rest}" if rest else names[first]


def _calls(tree: ast.AST) -> Iterator[str]:
    """Yield what a call does wrong by itself: eval, unpickling through NumPy, a random source of one's own."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = _dotted(node.func)
        keywords = {keyword.arg for keyword in node.keywords}
        if name in BANNED_CALLS:
            yield name
        if "allow_pickle" in keywords:
            yield "allow_pickle"
        if name.split(".")[-1] in {"noised_sum", "discrete_gaussian"} and "source" in keywords:
            yield "source="
        if name.split(".")[-1] == "default_rng" and not node.args and not node.keywords:
            yield "default_rng without a seed"


def _is_banned(name: str, synthetic: bool) -> bool:
    if name.split(".")[0] in BANNED_MODULES:
        return True
    if synthetic and name.startswith("numpy.random"):
        return name != "numpy.random" and name.split(".")[2] not in SEEDED
    return any(name == banned or name.startswith(banned + ".") for banned in BANNED_NAMES)


def violations(source: str, synthetic: bool = False) -> set[str]:
    """Return what a module uses of the forbidden; `synthetic` allows seeded generators of NumPy."""
    tree = ast.parse(source)
    return {name for name in _used(tree) if _is_banned(name, synthetic)} | set(_calls(tree))


def _modules() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def test_attack_10_no_module_uses_weak_randomness_or_runs_what_it_reads() -> None:
    """numpy.random, random, torch's noise, pickles, eval: nowhere outside tests and seeded simulations."""
    found = {
        str(path.relative_to(ROOT)): sorted(wrong)
        for path in _modules()
        if (wrong := violations(path.read_text("utf-8"), any(path.is_relative_to(ROOT / one) for one in SIMULATING)))
    }
    assert found == {}


def test_attack_10_the_ban_reads_the_whole_house() -> None:
    """The sampler and every package are among the modules read, so the ban is not empty."""
    read = {path.relative_to(ROOT).parts[0] for path in _modules()}
    assert read == set(PACKAGES) and ROOT / "privacy" / "noise.py" in _modules()


PLANTED = [
    "import random",
    "import random as r",
    "from random import gauss",
    "import numpy.random",
    "import numpy.random as npr",
    "from numpy import random",
    "from numpy.random import default_rng",
    "import numpy as np\nnp.random.normal(0, 1)",
    "import numpy\nnumpy.random.default_rng(1)",
    "import numpy as n\ndef f(rng: n.random.Generator) -> None: ...",
    "def f():\n    import pickle",
    "from pickle import loads",
    "import torch\ntorch.normal(0, 1, (3,))",
    "from torch import randn",
    "import yaml\nyaml.load('x', yaml.Loader)",
    "from yaml import unsafe_load as read",
    "import pandas as pd\npd.read_pickle('x')",
    "eval('1')",
    "exec('1')",
    "__import__('os')",
    "import numpy as np\nnp.load('x', allow_pickle=True)",
    "from privacy.private_sum import noised_sum\nnoised_sum(1, 2, 3, source=len)",
    "from privacy import noise\nnoise.discrete_gaussian(1, 2, source=len)",
]


@pytest.mark.parametrize("source", PLANTED)
def test_attack_10_a_planted_use_is_found(source: str) -> None:
    """The planted faults: each way in is found, however it is written."""
    assert violations(source)


INNOCENT = [
    "import numpy as np\nnp.linalg.norm(1)",
    "import os\nos.urandom(8)",
    "import secrets",
    "random = 3\nrandom + 1",
    "model.eval()",
    "from .random import x",
    "import yaml\nyaml.safe_load('x')",
    "from privacy.private_sum import noised_sum\nnoised_sum(1, 2, 3)",
]


@pytest.mark.parametrize("source", INNOCENT)
def test_attack_10_an_innocent_module_passes(source: str) -> None:
    """The ban does not fire on what merely looks like it."""
    assert not violations(source)


def test_attack_10_synthetic_data_is_seeded_and_nothing_else() -> None:
    """In experiments/synthetic: a seeded generator passes; unseeded, global or stdlib randomness does not."""
    use = "import numpy as np\n"
    assert not violations(
        use + "def f(rng: np.random.Generator) -> None: ...\nnp.random.default_rng(7)", synthetic=True
    )
    for wrong in ("np.random.default_rng()", "np.random.normal()", "np.random.seed(1)", "import random", "eval('1')"):
        assert violations(use + wrong, synthetic=True)


# -- attack 11: hostile values --------------------------------------------------------------------------------------

ORACLE = Release(3, Fraction(1), 1000, Fraction(10**6))
INNOCENT_ROWS = np.array([[0.1, 0.2, 0.3], [0.0, 1.0, 0.0]])
HOSTILE_ROWS = [
    [np.nan, 0, 0],
    [np.inf, 0, 0],
    [-np.inf, np.inf, 0],
    [-0.0, -0.0, -0.0],
    [1e308, 1e308, -1e308],
    [5e-324, 0, 5e-324],
]


def _naive_points(rows: np.ndarray) -> np.ndarray:
    """Clip and truncate as one would at first: no care for overflow, no check in integers."""
    with np.errstate(all="ignore"):
        norms = np.sqrt((rows * rows).sum(axis=1, keepdims=True))
        return np.trunc(rows * np.minimum(1, 1 / norms) * 1000)


def test_attack_11_defence_off_one_row_swamps_the_sum() -> None:
    """Naive clipping: one hostile row makes the whole sum NaN, which as an integer is -2**63 or anything else."""
    for hostile in HOSTILE_ROWS[:3]:
        rows = np.concatenate([INNOCENT_ROWS, [hostile]])
        assert np.isnan(_naive_points(rows).sum(axis=0)).any()


def test_attack_11_hostile_rows_stay_within_the_bound() -> None:
    """As built: the integer norm of each is at most Delta, with rows that are not finite zero."""
    found = points(np.array(HOSTILE_ROWS), ORACLE.lattice)
    assert max(sum(int(value) ** 2 for value in row) for row in found) <= 1000**2
    assert not found[:3].any()


def _crafted(rows: np.ndarray) -> np.ndarray:
    """Evaluate a query under a state made so that a row with an entry above .95 overflows, and no other."""
    with np.errstate(all="ignore"):
        return rows * 1e308 * 1.9


def _refusing_answer(rows: np.ndarray) -> str:
    """Answer as a careful-looking node would: values that are not finite are an error."""
    return "refused" if not np.isfinite(_crafted(rows)).all() else "answered"


TARGET = np.array([[0.99, 0.0, 0.0]])


def test_attack_11_defence_off_a_refusal_is_a_free_oracle() -> None:
    """A node that refuses what overflows tells, at no cost, whether the target is among its students."""
    assert _refusing_answer(np.concatenate([INNOCENT_ROWS[:1], TARGET])) == "refused"
    assert _refusing_answer(INNOCENT_ROWS[:1]) == "answered"


@pytest.mark.parametrize("hostile", HOSTILE_ROWS)
def test_attack_11_the_same_answer_size_and_no_error(hostile: list[float]) -> None:
    """With or without the hostile row, even where NumPy raises on everything: d words, no warning, no error."""
    with np.errstate(all="raise"):
        for rows in (INNOCENT_ROWS, np.concatenate([INNOCENT_ROWS, [hostile]])):
            assert noised_sum(rows, ORACLE, 2).nbytes == 8 * 3


def test_attack_11_an_overflowing_row_leaves_silently() -> None:
    """The crafted state: the target's row counts as zero, the sum is that of the others, nothing is said."""
    others = _crafted(INNOCENT_ROWS[:1])
    both = _crafted(np.concatenate([INNOCENT_ROWS[:1], TARGET]))
    assert not np.isfinite(both).all()
    np.testing.assert_array_equal(lattice_sum(both, ORACLE), lattice_sum(others, ORACLE))
