"""Nothing arrives; the programmes (opleidingen), names and codes that invented schools choose from leave.

Crebo codes and names are DUO's public ones, so exports look right; the schools and their names are invented.
"""

from __future__ import annotations

from dataclasses import dataclass

SECTORS = ("economie", "techniek", "zorg_welzijn", "landbouw", "dsv", "anders")
VOOROPLEIDINGEN = (
    "VMBO_BB",
    "VMBO_KB",
    "VMBO_GL",
    "VMBO_TL",
    "HAVO",
    "VWOplus",
    "MBO",
    "basis",
    "educatie",
    "prak",
    "other",
    "nan",
)


@dataclass(frozen=True)
class Programme:
    """One opleiding: crebo (5 digits), Dutch name, niveau 1-4, sector (one of SECTORS), nominal years."""

    crebo: str
    name: str
    niveau: int
    sector: str
    years: int


CATALOGUE = (
    Programme("25740", "Assistent bouwen, wonen en onderhoud", 1, "techniek", 1),
    Programme("25741", "Assistent dienstverlening", 1, "zorg_welzijn", 1),
    Programme("25748", "Assistent verkoop/retail", 1, "economie", 1),
    Programme("25746", "Assistent plant, dier of groene omgeving", 1, "landbouw", 1),
    Programme("25829", "Timmerman", 2, "techniek", 2),
    Programme("25737", "Monteur elektrotechnische installaties", 2, "techniek", 2),
    Programme("25891", "Monteur mechatronica", 2, "techniek", 2),
    Programme("25498", "Helpende zorg en welzijn", 2, "zorg_welzijn", 2),
    Programme("25808", "Retailmedewerker", 2, "economie", 2),
    Programme("25774", "Logistiek medewerker", 2, "economie", 1),
    Programme("25690", "Beveiliger 2", 2, "dsv", 1),
    Programme("25500", "Medewerker sport en recreatie", 2, "dsv", 2),
    Programme("25732", "Medewerker dierverzorging", 2, "landbouw", 2),
    Programme("25621", "Medewerker hovenier", 2, "landbouw", 2),
    Programme("25641", "Kapper", 2, "anders", 2),
    Programme("25828", "Allround timmerman", 3, "techniek", 3),
    Programme("25736", "Eerste monteur elektrotechnische installaties", 3, "techniek", 3),
    Programme("25656", "Verzorgende-IG", 3, "zorg_welzijn", 3),
    Programme("25696", "Pedagogisch medewerker kinderopvang", 3, "zorg_welzijn", 3),
    Programme("25780", "Begeleider maatschappelijke zorg", 3, "zorg_welzijn", 3),
    Programme("25809", "Retailspecialist", 3, "economie", 3),
    Programme("25691", "Beveiliger 3", 3, "dsv", 2),
    Programme("25618", "Vakbekwaam hovenier", 3, "landbouw", 3),
    Programme("25734", "Zelfstandig medewerker dierverzorging", 3, "landbouw", 3),
    Programme("25604", "Software developer", 4, "techniek", 4),
    Programme("25739", "Technicus elektrotechnische installaties", 4, "techniek", 4),
    Programme("25893", "Technicus mechatronica", 4, "techniek", 4),
    Programme("25655", "Mbo-verpleegkundige", 4, "zorg_welzijn", 4),
    Programme("25697", "Gespecialiseerd pedagogisch medewerker", 4, "zorg_welzijn", 3),
    Programme("25698", "Onderwijsassistent", 4, "zorg_welzijn", 3),
    Programme("25725", "Business administration & control specialist", 4, "economie", 3),
    Programme("25727", "Marketing & communication specialist", 4, "economie", 3),
    Programme("25807", "Retailmanager", 4, "economie", 3),
    Programme("25909", "Buurtsportcoach", 4, "dsv", 3),
    Programme("25730", "Bedrijfsleider dierverzorging", 4, "landbouw", 4),
    Programme("25633", "Mediavormgever", 4, "anders", 4),
    Programme("25705", "Vakexpert bloem, groen en styling", 4, "anders", 3),
)

_PLACES = (
    "Kanaalland",
    "Wiekenrode",
    "Zilverdijk",
    "Polderpoort",
    "Veenrand",
    "Duinmeer",
    "Heidebeek",
    "Lindehaven",
    "Sluiswacht",
    "Terpenveld",
    "Kwelderoord",
    "Molenvaart",
    "Bovenwolde",
    "Zandhorst",
    "Rietwaard",
    "Klaverdam",
    "Steenvliet",
    "Windrust",
    "Eikenlaar",
    "Gruttoveld",
    "Oeverstede",
    "Korenhof",
    "Meentrand",
    "Bakendijk",
    "Wilgenoord",
)
_FORMS = ("{} College", "ROC {}", "MBO {}", "Vakcollege {}")


def college_of(programme: Programme) -> str:
    """Return the college, a school's department for one sector, that offers the programme."""
    names = {"zorg_welzijn": "Zorg & Welzijn", "dsv": "Sport & Veiligheid", "anders": "Creatief"}
    return names.get(programme.sector, programme.sector.capitalize())


def team_of(programme: Programme) -> str:
    """Return the team that teaches the programme: one per college and level, entree and niveau 2 together."""
    level = "entree-2" if programme.niveau <= 2 else f"niveau {programme.niveau}"
    return f"{college_of(programme)} {level}"


def school_name(index: int) -> str:
    """Return the invented name of school number `index` >= 0; no two indices share one."""
    round_number, place = divmod(index, len(_PLACES))
    form = _FORMS[(place + round_number) % len(_FORMS)]
    suffix = f" {round_number // len(_FORMS) + 1}" if round_number >= len(_FORMS) else ""
    return form.format(_PLACES[place]) + suffix


def school_id(index: int) -> str:
    """Return the id that goes with `school_name(index)`: lower case, hyphens, no spaces."""
    return school_name(index).lower().replace(" ", "-")


def brin(index: int) -> str:
    """Return an invented four-character BRIN; real ones do not begin with 9."""
    letters = "ABCDEFGHJKLMNPQRSTUVWXYZ"
    tens, rest = divmod(index, len(letters))
    return f"{90 + tens % 10}Z{letters[rest]}"
