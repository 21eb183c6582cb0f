"""Numbers, moments and exact rationals arrive; text as a Dutch or English reader writes it leaves."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

MONTHS = {
    "nl": "januari februari maart april mei juni juli augustus september oktober november december",
    "en": "January February March April May June July August September October November December",
}
SHORT_MONTHS = {
    "nl": "jan feb mrt apr mei jun jul aug sep okt nov dec",
    "en": "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
}
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
SMALL = 1e-3  # below this a decimal number is harder to read than a power of ten


@dataclass(frozen=True)
class Numbers:
    """Writes numbers the way readers of `language` ("nl" or "en") expect them."""

    language: str

    def _local(self, text: str) -> str:
        return text.translate(str.maketrans(".,", ",.")) if self.language == "nl" else text

    def decimal(self, value: float, digits: int = 2) -> str:
        """Return a fixed number of decimals, thousands grouped: 1234.5 is "1.234,50" in Dutch."""
        text = f"{Decimal(repr(float(value))):,.{digits}f}"
        return self._local(text.removeprefix("-") if not text.strip("-0.,") else text).replace("-", "−")

    def whole(self, value: float) -> str:
        """Return the nearest whole number with its thousands grouped."""
        return self.decimal(round(value), 0)

    def percent(self, share: float, digits: int = 0) -> str:
        """Return a share between 0 and 1 as a percentage."""
        return f"{self.decimal(share * 100, digits)}%"

    def share(self, share: float) -> str:
        """Return a percentage with one decimal only where a whole number would mislead."""
        percentage = share * 100
        return self.percent(share, 0 if abs(percentage - round(percentage)) < 0.05 else 1)

    def times(self, ratio: float) -> str:
        """Return a ratio as "2,9×"."""
        return f"{self.decimal(ratio, 1)}×"

    def epsilon(self, value: float) -> str:
        """Return a privacy loss with as many decimals as it needs to not read as zero."""
        return self.decimal(value, 2) if value >= 0.1 else self.significant(value)

    def significant(self, value: float | Fraction, digits: int = 3) -> str:
        """Return a number with `digits` significant digits, as a power of ten where it is tiny."""
        if value == 0:
            return "0"
        mantissa, exponent = f"{float(value):.{digits - 1}e}".split("e")
        power = int(exponent)
        if abs(float(value)) < SMALL or power > 8:
            return f"{self._local(mantissa)}·10{str(power).translate(SUPERSCRIPT)}"
        return self.decimal(float(f"{mantissa}e{exponent}"), max(0, digits - 1 - power))

    def moment(self, value: int | datetime) -> str:
        """Return a day and time in UTC: "22 november 2026, 02:30 UTC"."""
        when = self._utc(value)
        return f"{self.day(when)}, {when:%H:%M} UTC"

    def day(self, value: int | datetime, short: bool = False) -> str:
        """Return a day in UTC: "22 november 2026", or "22 nov 2026" for a table."""
        when = self._utc(value)
        month = (SHORT_MONTHS if short else MONTHS)[self.language].split()[when.month - 1]
        return f"{when.day} {month} {when.year}"

    @staticmethod
    def _utc(value: int | datetime) -> datetime:
        if isinstance(value, int):
            return datetime.fromtimestamp(value, UTC)
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)

    def joined(self, items: list[str]) -> str:
        """Return "a, b en c"."""
        last = {"nl": " en ", "en": " and "}[self.language]
        return last.join([", ".join(items[:-1]), items[-1]]) if len(items) > 1 else "".join(items)
