"""Nothing arrives; the code lists of the schema leave, each code with a Dutch and an English label.

Codes follow DUO's programme of requirements (PvE/ROD) where DUO has them; the others are the coalition's own.
"""

from __future__ import annotations

from types import MappingProxyType

from shared_schema.columns import CodeList, Text


def _codes(name: str, nl: str, en: str, labels: dict[str, tuple[str, str]], source: str = "") -> CodeList:
    texts = {code: Text(dutch, english) for code, (dutch, english) in labels.items()}
    return CodeList(name, Text(nl, en), MappingProxyType(texts), source)


NIVEAU = _codes(
    "niveau",
    "Niveau van de mbo-opleiding",
    "Level of the vocational programme",
    {
        "1": ("mbo 1, entree", "level 1, entry"),
        "2": ("mbo 2, basisberoepsopleiding", "level 2, basic vocational"),
        "3": ("mbo 3, vakopleiding", "level 3, professional"),
        "4": ("mbo 4, middenkader- of specialistenopleiding", "level 4, middle management or specialist"),
    },
    "DUO PvE: Niveau MBO-1..4; OEAPI level: secondary_vocational_education_1..4",
)
LEERTRAJECT = _codes(
    "leertraject",
    "Leertraject (leerweg)",
    "Learning track",
    {
        "BOL": ("beroepsopleidende leerweg", "school-based track"),
        "BBL": ("beroepsbegeleidende leerweg", "work-based track"),
        "BOL_DT": ("beroepsopleidende leerweg in deeltijd", "school-based track, part-time"),
        "OVO": ("overig onderwijs", "other education (third track)"),
        "EX": ("examendeelnemer", "examination candidate"),
        "ODT": ("onderdeel van een opleiding", "part of a programme"),
    },
    "DUO PvE: Leertraject; OEAPI modeOfStudy",
)
GESLACHT = _codes(
    "geslacht",
    "Geslacht",
    "Gender",
    {"M": ("man", "male"), "V": ("vrouw", "female"), "O": ("overig of onbekend", "other or unknown")},
    "DUO PvE: Geslacht",
)
VOOROPLEIDING = _codes(
    "vooropleiding",
    "Hoogste vooropleiding bij de start",
    "Highest prior education at the start",
    {
        "VMBO_BB": ("vmbo basisberoepsgericht", "pre-vocational, basic"),
        "VMBO_KB": ("vmbo kaderberoepsgericht", "pre-vocational, advanced"),
        "VMBO_GL": ("vmbo gemengde leerweg", "pre-vocational, combined"),
        "VMBO_TL": ("vmbo theoretische leerweg of mavo", "pre-vocational, theoretical"),
        "HAVO": ("havo", "senior general secondary"),
        "VWOplus": ("vwo of hoger", "pre-university or higher"),
        "MBO": ("een eerdere mbo-opleiding", "an earlier vocational programme"),
        "basis": ("basisonderwijs", "primary education"),
        "educatie": ("volwasseneneducatie", "adult education"),
        "prak": ("praktijkonderwijs", "practical education"),
        "other": ("anders", "other"),
        "nan": ("niet bekend bij de school", "not known to the school"),
    },
    "Uitnodigingsregel: VooroplNiveau_*",
)
SECTOR = _codes(
    "sector",
    "Sector van de opleiding",
    "Sector of the programme",
    {
        "economie": ("economie", "business"),
        "techniek": ("techniek", "engineering"),
        "zorg_welzijn": ("zorg en welzijn", "care and welfare"),
        "landbouw": ("landbouw en groen", "agriculture"),
        "dsv": ("dienstverlening, sport en veiligheid", "services, sports and security"),
        "anders": ("anders of meer dan één", "other or more than one"),
    },
    "Uitnodigingsregel: Economie, Techniek, Zorgenwelzijn, DSV, Landbouw, Anders",
)
REDEN_UITSCHRIJVING = _codes(
    "reden_uitschrijving",
    "Reden van uitschrijving",
    "Reason for leaving",
    {
        "01": ("gediplomeerd", "graduated"),
        "02": ("op eigen verzoek", "at own request"),
        "03": ("overstap", "transfer"),
        "04": ("niet meer verschenen", "no longer appeared"),
        "05": ("overleden", "death"),
        "06": ("anders", "other"),
        "07": ("verwijderd", "expelled"),
        "08": ("administratief", "administrative"),
        "09": ("bekostigingsrecht vervallen", "lost the right to funding"),
        "10": ("klaar zonder diploma", "finished without a diploma"),
    },
    "DUO PvE: RedenUitschrijving (indicative)",
)
DROPOUT_DEFINITION = _codes(
    "dropout_definition",
    "Definitie waarmee de bron uitval vastlegt",
    "Definition by which the source records dropout",
    {
        "uitnodigingsregel": (
            "kolom Dropout van de uitnodigingsregel",
            "column Dropout of the uitnodigingsregel",
        ),
        "eduarte": ("EduArte: uitgevallen_eerste_jaar", "EduArte: end date before the cohort's end"),
        "osiris_j1": ("Osiris: uitval_j1", "Osiris: not current, no diploma, under 12 months"),
        "duo": ("reden van uitschrijving, zonder diploma", "reason for leaving, without a diploma"),
        "vsv_eigen": ("voortijdig schoolverlater, eigen telling", "early leaver, the school's own count"),
    },
    "DOMAIN §2",
)
RESULT_KIND = _codes(
    "result_kind",
    "Soort resultaat",
    "Kind of result",
    {
        "toets": ("toets", "test"),
        "opdracht": ("opdracht of praktijkbeoordeling", "assignment or practical assessment"),
        "examen": ("examen", "examination"),
        "keuzedeel": ("keuzedeel", "elective"),
        "generiek": (
            "generiek examenonderdeel (taal, rekenen)",
            "generic examination (language, arithmetic)",
        ),
        "periode": ("gemiddelde van een periode", "average of a period"),
    },
)
APPLICATION_STATUS = _codes(
    "application_status",
    "Stand van de aanmelding",
    "Status of the application",
    {
        "SUBMITTED": ("ingediend", "submitted"),
        "RECEIVED": ("ontvangen", "received"),
        "OFFERED": ("aanbod gedaan", "offered"),
        "ENROLLED": ("ingeschreven", "enrolled"),
        "REJECTED": ("afgewezen", "rejected"),
        "WITHDRAWN": ("teruggetrokken", "withdrawn"),
    },
    "CAMBO: status",
)
_JOB = {"JOB": ("JOB-monitor (studenten)", "JOB monitor (students)")}
_STAFF = {
    "MTO": ("medewerkerstevredenheid", "staff satisfaction"),
    "MWO": ("medewerkersonderzoek", "staff survey"),
}
_BPV = {"BPV": ("BPV-monitor", "work-placement monitor")}
SURVEY = _codes("survey", "Enquête", "Survey", _JOB | _STAFF | _BPV)
STUDENT_SURVEY = _codes("student_survey", "Enquête onder studenten", "Survey of students", _JOB | _BPV)
STAFF_SURVEY = _codes("staff_survey", "Enquête onder medewerkers", "Survey of staff", _STAFF)
ESTIMATE_SUBJECT = _codes(
    "estimate_subject",
    "Waarover de docent oordeelt",
    "What the teacher judges",
    {
        "totaal": ("het geheel", "overall"),
        "houding": ("gedrag en houding", "conduct"),
        "bpv": ("beroepspraktijkvorming", "work placement"),
        "aanwezigheid": ("aanwezigheid", "attendance"),
        "resultaten": ("resultaten", "results"),
    },
)
JUDGEMENT = _codes(
    "judgement",
    "Oordeel",
    "Judgement",
    {
        "voldoende": ("voldoende", "sufficient"),
        "twijfel": ("twijfel", "doubtful"),
        "onvoldoende": ("onvoldoende", "insufficient"),
    },
)
SECTORKAMER = _codes(
    "sectorkamer",
    "Sectorkamer van SBB",
    "Sector chamber of SBB",
    {
        "techniek_gebouwde_omgeving": ("techniek en gebouwde omgeving", "engineering and built environment"),
        "mobiliteit_transport_logistiek_maritiem": (
            "mobiliteit, transport, logistiek en maritiem",
            "mobility, transport, logistics and maritime",
        ),
        "zorg_welzijn_sport": ("zorg, welzijn en sport", "care, welfare and sports"),
        "handel": ("handel", "trade"),
        "ict_creatieve_industrie": ("ict en creatieve industrie", "ICT and creative industry"),
        "voedsel_groen_gastvrijheid": ("voedsel, groen en gastvrijheid", "food, agriculture and hospitality"),
        "zakelijke_dienstverlening_veiligheid": (
            "zakelijke dienstverlening en veiligheid",
            "business services and security",
        ),
        "specialistisch_vakmanschap": ("specialistisch vakmanschap", "specialist crafts"),
        "entree": ("entree, over alle sectoren", "entry level, across sectors"),
    },
    "SBB: sectorkamers",
)
INDICATOR = _codes(
    "indicator",
    "Kengetal met een landelijke norm",
    "Indicator with a national norm",
    {
        "vsv": ("voortijdig schoolverlaters", "early leavers"),
        "jaarresultaat": ("jaarresultaat", "year result"),
        "diplomaresultaat": ("diplomaresultaat", "diploma result"),
        "startersresultaat": ("startersresultaat", "starters' result"),
    },
    "DUO: normen vsv; Inspectie: onderwijsresultaten",
)
VSV_LIST = _codes(
    "vsv_list",
    "Lijst van een vsv-levering",
    "List of a delivery on early leavers",
    {
        "startpopulatie": ("ingeschreven op 1 oktober, onder de 23", "enrolled on 1 October, under 23"),
        "vsv": ("(mogelijke) nieuwe voortijdig schoolverlater", "(possible) new early leaver"),
    },
    "DUO: A05 and NRSP, against A04, A14 and NenR",
)

CODE_LISTS = MappingProxyType(
    {
        codes.name: codes
        for codes in (
            NIVEAU,
            LEERTRAJECT,
            GESLACHT,
            VOOROPLEIDING,
            SECTOR,
            REDEN_UITSCHRIJVING,
            DROPOUT_DEFINITION,
            RESULT_KIND,
            APPLICATION_STATUS,
            SURVEY,
            STUDENT_SURVEY,
            STAFF_SURVEY,
            ESTIMATE_SUBJECT,
            JUDGEMENT,
            SECTORKAMER,
            INDICATOR,
            VSV_LIST,
        )
    }
)
"""Every code list of the schema by name; an extension may add lists beside these, never change one."""
