"""A broken rule of an experiment arrives; an exception that names rule, value found and remedy leaves.

ExperimentError
├── DefinitionError   an analyst's definition that contradicts itself or the schema
├── PlanError         a budget, cohort or population from which no plan follows
├── QueryError        parameters with which no query can be formed
├── StateError        a public state outside its declared keys, lengths or ranges
├── ProtocolError     bytes between coordinator and node that are not what the protocol says
└── EvaluationError   a table or threshold from which no figure can be computed

`code` is what may leave a school; the words stay inside it. No message carries a value from a student's row.
"""

from __future__ import annotations


class ExperimentError(Exception):
    """Root of what can go wrong in an experiment. `code`: lower-case words joined by underscores."""

    code = "experiment"

    def __init__(self, rule: str, found: str, remedy: str) -> None:
        super().__init__(f"Rule: {rule}. Found: {found}. Remedy: {remedy}.")
        self.rule, self.found, self.remedy = rule, found, remedy


class DefinitionError(ExperimentError):
    """The definition does not say what an experiment needs, or names what the schema does not declare."""

    code = "definition"


class PlanError(ExperimentError):
    """No plan follows from this definition and this charter."""

    code = "plan"


class QueryError(ExperimentError):
    """A query cannot be formed with these parameters."""

    code = "query"


class StateError(ExperimentError):
    """The public state that came with a request is not one this query could have been asked at."""

    code = "state_out_of_range"


class EvaluationError(ExperimentError):
    """A figure cannot be computed from this table."""

    code = "evaluation"


class ProtocolError(ExperimentError):
    """A message that is not what the protocol says; `code` is the rule that it breaks, and all that is said."""

    def __init__(self, code: str) -> None:
        super().__init__("a message is exactly what the protocol says", code, "send what this version specifies")
        self.code = code
