"""Attacks 1, 2, 3 and 8 of METHODS section 7 on the masks themselves: first without the defence, then with it.

"Opens to noise" is tested by the top bytes of 4096 opened words against uniform, chi-squared, false-alarm rate
1e-6 a test; the attack that succeeds fails the same test, so it has power.
"""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from privacy import canonical, masking
from privacy.errors import MaskError
from privacy.masking import EphemeralKey, Party
from privacy.private_sum import Release, masked_answer, noised_sum, open_lattice

FALSE_ALARM = 1e-6
SIZE = 4096
SIGMA = 10**5
RELEASE = Release(SIZE, Fraction(1), 10**6, Fraction(SIGMA**2))


class School:
    """An honest node as far as masks go: data, a key, and the context made from what it was shown."""

    def __init__(self, name: str, seed: int) -> None:
        self.key = EphemeralKey.generate()
        self.party = Party(name, 1, self.key.public)
        self.rows = np.random.default_rng(seed).normal(size=(20, SIZE))

    def answer(self, roster: Sequence[Party], state: float = 1.0) -> np.ndarray:
        """Answer the query "rows times state" under the context of this roster and this state."""
        noised = noised_sum(self.rows * state, RELEASE, honest=2)
        return masked_answer([noised], self.party, self.key, roster, _context(roster, state))

    def plain(self) -> np.ndarray:
        """Return what the attacker is after: the school's lattice sum, without noise."""
        norms = np.linalg.norm(self.rows, axis=1, keepdims=True)
        return (self.rows * np.minimum(1, 1 / norms)).sum(axis=0) / float(RELEASE.gamma)


def _context(roster: Sequence[Party], state: float = 1.0) -> bytes:
    return canonical.digest("context", [[p.school, p.epoch, p.key] for p in roster], np.array([state]))


@pytest.fixture
def schools() -> list[School]:
    return [School(name, seed) for seed, name in enumerate(["a", "b", "c"], start=1)]


def _opened(*answers: np.ndarray) -> np.ndarray:
    return open_lattice(answers, [RELEASE])[0]


def _reads(opened: np.ndarray, plain: np.ndarray, schools: int = 3) -> bool:
    """Tell whether the attacker reads `plain` through the noise of so many schools (6 sigma, with truncation)."""
    return bool(np.abs(opened - plain).max() < 7 * SIGMA * np.sqrt(schools / 2) + 100)


def _is_uniform(opened: np.ndarray) -> bool:
    top = (opened.view(np.uint64) >> np.uint64(56)).astype(int)
    return bool(stats.chisquare(np.bincount(top, minlength=256)).pvalue > FALSE_ALARM)


def _without_context(monkeypatch: pytest.MonkeyPatch) -> None:
    bound = masking._binding
    monkeypatch.setattr(masking, "_binding", lambda own, peer, context: bound(own, peer, b"any"))


def _without_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "_binding", lambda own, peer, context: canonical.digest("unpaired", context))


def _without_roster_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "_check_roster", lambda own, key, roster: None)


def test_an_honest_run_opens(schools: list[School]) -> None:
    """What all the attacks are compared with: one roster, one state, and the total of three opens."""
    roster = [school.party for school in schools]
    opened = _opened(*(school.answer(roster) for school in schools))
    assert _reads(opened, sum(school.plain() for school in schools)) and not _is_uniform(opened)


def _forked_rosters(schools: list[School]) -> np.ndarray:
    """Tell a of {a, b}, b of all, c of {b, c}: each thinks that its own roster agreed."""
    a, b, c = (school.party for school in schools)
    return _opened(schools[0].answer([a, b]), schools[1].answer([a, b, c]), schools[2].answer([b, c]))


def test_attack_1_defence_off_different_rosters_open(schools: list[School], monkeypatch: pytest.MonkeyPatch) -> None:
    """Masks not bound to the context: no two schools agreed on a roster, and their total opens all the same."""
    _without_context(monkeypatch)
    assert _reads(_forked_rosters(schools), sum(school.plain() for school in schools))


def test_attack_1_different_rosters_open_to_noise(schools: list[School]) -> None:
    """Bound masks: the opened words are uniform."""
    assert _is_uniform(_forked_rosters(schools))


def _forked_states(schools: list[School]) -> np.ndarray:
    """Send the target the real model and all others a model of zeros, to which their rows contribute nothing."""
    roster = [school.party for school in schools]
    return _opened(schools[0].answer(roster), *(school.answer(roster, state=0.0) for school in schools[1:]))


def test_attack_2_defence_off_a_model_for_one_school_singles_it_out(
    schools: list[School], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Masks not bound to the context: the "joint" total is the target's own."""
    _without_context(monkeypatch)
    assert _reads(_forked_states(schools), schools[0].plain())


def test_attack_2_a_model_for_one_school_opens_to_noise(schools: list[School]) -> None:
    """Bound masks: the opened words are uniform."""
    assert _is_uniform(_forked_states(schools))


def _stolen_key_roster(victim: School, peer: School) -> list[Party]:
    """Show the victim a third school under an id of the other side, with the honest peer's key as its own.

    Ids are chosen so that the victim subtracts one mask and adds the other: unbound, the two are equal.
    """
    return sorted([victim.party, peer.party, Party("Z-colluder", 1, peer.party.key)], key=lambda party: party.school)


def test_attack_3_defence_off_a_stolen_key_cancels_the_masks(
    schools: list[School], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No binding to the pair and no check of the roster: one school's answer is read without any other."""
    _without_pair(monkeypatch)
    _without_roster_check(monkeypatch)
    answer = schools[0].answer(_stolen_key_roster(*schools[:2]))
    assert _reads(_opened(answer), schools[0].plain(), schools=1)


def test_attack_3_pair_bound_masks_do_not_cancel(schools: list[School], monkeypatch: pytest.MonkeyPatch) -> None:
    """The binding alone, without the check of the roster: the victim's answer stays uniform."""
    _without_roster_check(monkeypatch)
    assert _is_uniform(_opened(schools[0].answer(_stolen_key_roster(*schools[:2]))))


def test_attack_3_a_stolen_key_is_refused(schools: list[School]) -> None:
    """As built: the node refuses a roster in which two schools show one key."""
    with pytest.raises(MaskError, match="the same key"):
        schools[0].answer(_stolen_key_roster(*schools[:2]))


def test_attack_3_defence_off_a_swapped_own_key_goes_unseen(
    schools: list[School], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the check a node answers a roster in which the relay swapped the node's own key."""
    _without_roster_check(monkeypatch)
    swapped = Party("a", 1, EphemeralKey.generate().public)
    assert len(schools[0].answer([swapped, schools[1].party])) == SIZE


def test_attack_3_a_swapped_own_key_is_refused(schools: list[School]) -> None:
    """As built: a roster that shows this node under a key that is not its own is refused.

    A key swapped for a *peer* is not visible here: the node checks each peer's certificate against the charter.
    """
    swapped = Party("a", 1, EphemeralKey.generate().public)
    with pytest.raises(MaskError, match="its own epoch and key"):
        schools[0].answer([swapped, schools[1].party])


def _small_point_roster(victim: School) -> list[Party]:
    return [victim.party, Party("b", 1, bytes(32))]


def test_attack_3_defence_off_a_small_point_opens_the_mask(
    schools: list[School], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where bare X25519 is trusted, a point of small order gives a secret of zeros: anyone makes the mask."""
    monkeypatch.setattr(EphemeralKey, "agree", lambda self, public: bytes(32))
    roster = _small_point_roster(schools[0])
    unmasking = np.zeros(SIZE, dtype=np.uint64)
    secret = masking._pair_secret(roster[1], EphemeralKey.generate(), roster[0], _context(roster))
    masking._blend(unmasking, secret, np.subtract)
    assert _reads(_opened(schools[0].answer(roster), unmasking), schools[0].plain(), schools=1)


def test_attack_3_a_small_point_is_refused(schools: list[School]) -> None:
    """As built: our error, which names the school's key as the reason."""
    with pytest.raises(MaskError, match="small"):
        schools[0].answer(_small_point_roster(schools[0]))


def _residual(honest: int) -> np.ndarray:
    """Return what coordinator and one colluder of three know of the honest noise: the total less all they know."""
    silent = Release(SIZE, Fraction(1), 1, Fraction(SIGMA**2))
    none = np.zeros((0, SIZE))
    return sum(noised_sum(none, silent, honest).view(np.int64).astype(float) for _ in range(2))


def _too_quiet(noise: np.ndarray) -> bool:
    """Chi-squared test of "variance >= sigma^2", rate 1e-6."""
    return bool(stats.chi2.cdf(float(noise @ noise) / SIGMA**2, len(noise)) < FALSE_ALARM)


def test_attack_8_defence_off_noise_shared_among_all_is_too_quiet_for_colluders() -> None:
    """Shared among n = 3 instead of n - t = 2: a colluder subtracts its own share, and a third is missing."""
    assert _too_quiet(_residual(honest=3))


def test_attack_8_what_remains_for_colluders_is_all_of_the_noise() -> None:
    """Shared among n - t: without the colluder's share, variance sigma^2 remains."""
    assert not _too_quiet(_residual(honest=2))
