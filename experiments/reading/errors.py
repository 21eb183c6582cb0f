"""A broken finding or catalogue arrives; an exception that names rule, value found and remedy leaves.

ReadingError         a finding cannot be turned into a page
├── FindingError     the finding's JSON object is not what version 1 promises
├── CatalogueError   a text is missing, in one language or in both
└── SheetError       a school's own page is not made as it should be
"""

from experiments.errors import ExperimentError


class ReadingError(ExperimentError):
    """A finding cannot be turned into a page."""

    code = "reading"


class FindingError(ReadingError):
    """The finding does not have the shape, or contradicts itself."""

    code = "finding"


class CatalogueError(ReadingError):
    """A text that a page needs is not in the catalogue."""

    code = "catalogue"


class SheetError(ReadingError):
    """A school's own page has a table or a name that no page can have."""

    code = "sheet"
