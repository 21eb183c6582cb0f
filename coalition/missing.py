"""The code for which a school is missing arrives; what happened there and who does what about it leaves, in words."""

from __future__ import annotations

import re
from collections.abc import Mapping

CODE = re.compile(r"[a-z][a-z0-9_]{0,39}")  # relays and nodes may say anything; what is no code is not shown

WORDS: Mapping[str, str] = {
    "silent": "no reply in time: its operator looks whether node and relay run",
    "not_a_code": "it refused in words that are not shown here: its operator compares versions",
    "not_a_reply": "what came back is no node's reply: its operator looks what answers there, and compares versions",
    "no_greeting": "its node did not sign a greeting: its operator compares the charter that node and relay serve",
    "other_school": "another school's node answers behind its relay: its operator corrects the relay's --node-config",
    "relay_offline": "its relay lost the SuperLink: its operator looks at the relay and the way out",
    "relay_failed": "its relay broke off: its operator reads the relay's log",
    "relay_error": "its relay met a defect: its operator reads the relay's log and reports it",
    "relay_unset": "its relay does not know the node's socket: its operator sets --node-config",
    "node_unreachable": "its relay cannot reach the node: its operator starts the node, or gives the relay access",
    "node_timeout": "its node took too long: its operator looks at the node's machine",
    "node_hung_up": "its node stopped in the middle: its operator reads the node's log and starts it again",
    "not_a_node": "something else answers at the node's socket: its operator corrects the relay's --node-config",
    "no_request": "its relay is of another version: both sides install the same one",
    "request_too_large": "the question is too large for a relay: this is a defect, report it",
    "reply_too_large": "its node's reply is too large: compare versions",
    "prepare_first": "its node restarted and its key died with it: it takes part again in the next attempt",
    "key_outdated": "its node restarted and has a newer key: it takes part again in the next attempt",
    "not_ready": "its operator has not declared the data ready",
    "approval_expired": "the approval ran out: its FG approves again",
    "head_too_old": "its FG has not countersigned the ledger for too long",
    "fork_unseen": "its ledger was forked: its FG reads docs/fg.md, section 3",
    "two_keys_one_epoch": "it was shown two keys of one school for one epoch: that school has two ledgers",
}
ELSEWHERE = "its node refused: its operator reads incidents.log, and docs/errors.md says what the code means"


def words(code: str) -> str:
    """What a code means for the people who have to act."""
    return WORDS.get(code, ELSEWHERE)


def listed(refusals: Mapping[str, str]) -> str:
    """Every missing school with its code, and each code once in words."""
    if not refusals:
        return "none"
    codes = {school: code if CODE.fullmatch(code) else "not_a_code" for school, code in sorted(refusals.items())}
    schools = ", ".join(f"{school} ({code})" for school, code in codes.items())
    return "; ".join([schools, *(f"{code}: {words(code)}" for code in sorted(set(codes.values())))])
