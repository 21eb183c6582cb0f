"""Nothing arrives; other spellings of codes leave, and words for an outcome and for an empty cell: Dutch and English.

Like synonyms (`shared_schema/synonyms.py`) they are words of the field, never values of a school, and no part of
`Schema.hash`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

Family = Mapping[str, str]


def _family(**words: str) -> Family:
    return MappingProxyType({word: code for code, text in words.items() for word in text.split("|")})


HIGHEST_FIRST = (
    *("VWOplus", "HAVO", "MBO", "VMBO_TL", "VMBO_GL", "VMBO_KB", "VMBO_BB"),
    *("prak", "educatie", "basis", "other", "nan"),
)
"""Codes of `vooropleiding`, highest first: what counts where several flags are set."""

SPELLINGS: Mapping[str, tuple[Family, ...]] = MappingProxyType(
    {
        "geslacht": (
            _family(M="M", V="V", O="X|O"),
            _family(M="man", V="vrouw", O="onbekend|anders|overig"),
            _family(M="male", V="female", O="other|unknown"),
            _family(M="M", V="F", O="X|U"),
            _family(M="jongen", V="meisje"),
            _family(M="mannelijk", V="vrouwelijk"),
        ),
        "niveau": (
            MappingProxyType({f"MBO-{level}": str(level) for level in range(1, 5)}),
            MappingProxyType({f"mbo {level}": str(level) for level in range(1, 5)}),
            MappingProxyType({f"mbo{level}": str(level) for level in range(1, 5)}),
            MappingProxyType({f"niveau {level}": str(level) for level in range(1, 5)}),
            MappingProxyType({f"N{level}": str(level) for level in range(1, 5)}),
            MappingProxyType({f"level {level}": str(level) for level in range(1, 5)}),
            MappingProxyType({f"Mbo{level} opleidingen": str(level) for level in range(1, 5)}),
        ),
        "leertraject": (
            _family(BOL="voltijd", BBL="duaal", BOL_DT="deeltijd"),
            _family(BOL="BOL-VT", BBL="BBL", BOL_DT="BOL-DT"),
        ),
        "vooropleiding": (
            _family(
                VMBO_BB="vmbo basis", VMBO_KB="vmbo kader", VMBO_GL="vmbo gemengd", VMBO_TL="vmbo theoretisch|mavo"
            ),
            _family(
                VMBO_BB="vmbo-basis", VMBO_KB="vmbo-kader", VMBO_GL="vmbo-gemengd", VMBO_TL="vmbo-theoretisch|vmbo-t"
            ),
            _family(VMBO_BB="vmbo-bb", VMBO_KB="vmbo-kb", VMBO_GL="vmbo-gl", VMBO_TL="vmbo-tl|vmbo-gt"),
            _family(VMBO_BB="vmbo bb", VMBO_KB="vmbo kb", VMBO_GL="vmbo gl", VMBO_TL="vmbo tl|vmbo gt"),
            _family(VMBO_BB="VMBO_B", VMBO_KB="VMBO_K", VMBO_GL="VMBO_G", VMBO_TL="VMBO_T|VMBO_GT"),
            _family(
                HAVO="havo",
                VWOplus="vwo|vwo+|hbo|wo",
                MBO="mbo",
                basis="basisonderwijs|basisschool",
                educatie="educatie|volwasseneneducatie",
                prak="praktijkonderwijs|praktijkschool|pro",
                other="anders|overig",
                nan="onbekend",
            ),
        ),
        "sector": (
            _family(
                economie="economie|handel|economie en ondernemerschap",
                techniek="techniek|technologie",
                zorg_welzijn="zorg en welzijn|zorg & welzijn|zorgenwelzijn|zorg/welzijn",
                landbouw="landbouw|groen|voedsel, natuur en leefomgeving",
                dsv="dsv|sport & veiligheid|dienstverlening, sport en veiligheid",
                anders="anders|overig",
            ),
        ),
        "reden_uitschrijving": (MappingProxyType({str(number): f"{number:02d}" for number in range(1, 11)}),),
        "application_status": (
            _family(
                SUBMITTED="ingediend",
                RECEIVED="ontvangen",
                OFFERED="aangeboden|aanbod gedaan",
                ENROLLED="ingeschreven",
                REJECTED="afgewezen",
                WITHDRAWN="teruggetrokken|ingetrokken",
            ),
        ),
        "judgement": (_family(voldoende="goed|groen", twijfel="matig|oranje", onvoldoende="rood|slecht"),),
    }
)
"""Code list -> families of spellings beside the codes themselves. The assistant writes a family whole or not at all."""

OUTCOME_WORDS: tuple[Mapping[str, bool | None], ...] = (
    MappingProxyType({"Dropout": True, "Graduate": False, "Enrolled": False}),
    MappingProxyType({"Withdrawn": True, "Pass": False, "Fail": False, "Distinction": False}),
    MappingProxyType({"uitval": True, "gediplomeerd": False, "nog ingeschreven": False}),
    MappingProxyType({"uitgevallen": True, "geslaagd": False, "ingeschreven": False}),
)
"""Families of words for how it went, each with whether it says that a student left without a diploma."""

MISSING_WORDS = ("NULL", "null", "NA", "N/A", "n/a", "n.v.t.", "nvt", "#N/A", "#N/B", "NaN", "nan", "-", "?", "<5")
"""Texts that systems write for an empty cell."""
