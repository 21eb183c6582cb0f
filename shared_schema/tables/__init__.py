"""The tables of the shared schema, in the order of the reference page: about students first, public ones last."""

from shared_schema.tables.application import Application
from shared_schema.tables.area import Area
from shared_schema.tables.attendance import Attendance
from shared_schema.tables.diploma import Diploma
from shared_schema.tables.enrolment import Enrolment
from shared_schema.tables.enrolment_count import EnrolmentCount
from shared_schema.tables.estimate import Estimate
from shared_schema.tables.institution import Institution
from shared_schema.tables.norm import Norm
from shared_schema.tables.person import Person
from shared_schema.tables.placement import Placement
from shared_schema.tables.programme import Programme
from shared_schema.tables.programme_period import ProgrammePeriod
from shared_schema.tables.result import Result
from shared_schema.tables.staff_survey import StaffSurvey
from shared_schema.tables.survey import Survey
from shared_schema.tables.team_survey import TeamSurvey
from shared_schema.tables.vsv_report import VsvReport

TABLES = (
    Person.table,
    Enrolment.table,
    ProgrammePeriod.table,
    Attendance.table,
    Result.table,
    Placement.table,
    Diploma.table,
    VsvReport.table,
    Application.table,
    Survey.table,
    Estimate.table,
    StaffSurvey.table,
    TeamSurvey.table,
    Area.table,
    Institution.table,
    Programme.table,
    EnrolmentCount.table,
    Norm.table,
)

__all__ = [
    "TABLES",
    "Application",
    "Area",
    "Attendance",
    "Diploma",
    "Enrolment",
    "EnrolmentCount",
    "Estimate",
    "Institution",
    "Norm",
    "Person",
    "Placement",
    "Programme",
    "ProgrammePeriod",
    "Result",
    "StaffSurvey",
    "Survey",
    "TeamSurvey",
    "VsvReport",
]
