"""A broken finding or catalogue arrives; one sentence with rule, value found and remedy leaves."""


class ReadingError(ValueError):
    """Root of what can go wrong while a finding is turned into a page.

    ReadingError
    ├── FindingError   the finding's JSON object is not what version 1 promises
    └── CatalogueError a text is missing, in one language or in both
    """

    def __init__(self, rule: str, found: str, remedy: str) -> None:
        super().__init__(f"{rule}; found {found}; {remedy}")
        self.rule, self.found, self.remedy = rule, found, remedy


class FindingError(ReadingError):
    """The finding does not have the shape, or contradicts itself."""


class CatalogueError(ReadingError):
    """A text that a page needs is not in the catalogue."""
