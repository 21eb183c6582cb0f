"""The ten tables of the shared schema, in the order of the reference page."""

from shared_schema.tables.application import Application
from shared_schema.tables.attendance import Attendance
from shared_schema.tables.diploma import Diploma
from shared_schema.tables.enrolment import Enrolment
from shared_schema.tables.estimate import Estimate
from shared_schema.tables.person import Person
from shared_schema.tables.placement import Placement
from shared_schema.tables.programme_period import ProgrammePeriod
from shared_schema.tables.result import Result
from shared_schema.tables.survey import Survey

TABLES = (
    Person.table,
    Enrolment.table,
    ProgrammePeriod.table,
    Attendance.table,
    Result.table,
    Placement.table,
    Diploma.table,
    Application.table,
    Survey.table,
    Estimate.table,
)

__all__ = [
    "TABLES",
    "Application",
    "Attendance",
    "Diploma",
    "Enrolment",
    "Estimate",
    "Person",
    "Placement",
    "ProgrammePeriod",
    "Result",
    "Survey",
]
