"""Find a column's type by what its values exclude, never by a vote."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

from casparian_flow.reading import moments
from casparian_flow.reading.kinds import NUMBER_FORMS, OFX_TIME
from engine.formats import meanings
from engine.formats.interface import ColumnProfile

NULL_SPELLINGS = frozenset(
    [
        "", "NA", "N/A", "n/a", "na", "NULL", "null", "Null", "None", "none", "NaN", "nan", "NAN",
        "nil", "-", "--", "\\N", "#N/A", "#NA", "N.A.", "n.a.", ".", "..", "?", "(null)", "<NA>",
        "NaT", "*",
    ]
)  # fmt: skip
BOOLEANS = (
    "true/false", "TRUE/FALSE", "True/False", "yes/no", "Yes/No", "YES/NO", "Y/N", "y/n", "T/F",
    "t/f", "on/off", "On/Off", "ON/OFF", "ja/nein", "Ja/Nein", "JA/NEIN", "J/N", "oui/non",
    "Oui/Non", "si/no", "sí/no", "Sí/No", "sim/não", "Sim/Não", "enabled/disabled",
)  # fmt: skip
DATE_FORMATS = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y",
    "%d/%m/%y", "%m/%d/%y", "%y/%m/%d", "%d.%m.%y", "%d-%m-%y", "%m-%d-%y", "%y-%m-%d",
    "%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%d %b %y", "%d/%b/%Y", "%d%b%Y", "%b %d, %Y", "%b %d %Y",
    "%b-%d-%Y", "%d %B %Y", "%B %d, %Y", "%B %d %Y", "%Y-%b-%d", "%A, %B %d, %Y", "%a, %d %b %Y",
)  # fmt: skip
_CLOCKS = ("%H:%M:%S", "%H:%M", "%H:%M:%S.%f", "%I:%M:%S %p", "%I:%M %p", "%I:%M:%S%p", "%I:%M%p")
_OTHER_TIMES = (
    "%d/%b/%Y:%H:%M:%S %z", "%d/%b/%Y:%H:%M:%S", "%a, %d %b %Y %H:%M:%S %z",
    "%d %b %Y %H:%M:%S %z", "%a %b %d %H:%M:%S %Y", "%Y%m%dT%H%M%S", "%Y%m%d-%H:%M:%S",
    "%Y%m%d-%H:%M:%S.%f", "%Y%m%d %H:%M:%S", "%Y-%m-%d %H:%M:%S %z", "%Y/%m/%d %H:%M:%S %z",
    "%Y-%m-%d-%H.%M.%S.%f", "%a %b %d %H:%M:%S.%f %Y", "%Y-%m-%dT%H%M%S", "%Y%m%dT%H%M%S%z",
    "%Y:%m:%d %H:%M:%S", "%Y%m%d:%H%M", "%Y%m%d %H%M", "%Y%m%dT%H%M", "%Y%m%d_%H%M%S",
)  # fmt: skip
TIME_FORMATS = (
    *(f"{day} {clock}" for day in DATE_FORMATS for clock in _CLOCKS), *_OTHER_TIMES,
)  # fmt: skip
_ISO_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[T ]([01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:[.,](\d{1,9}))?)?(Z|[+-]\d\d:?\d\d)?"
)
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_CALLED = re.compile(r"[+][0-9]{7,15}")
_LEADING_ZERO = re.compile(r"[+-]?0[0-9]")
_HAS_DIGIT = re.compile(r"[0-9]")
_UNIT = re.compile(
    r"(?P<before>(?:[A-Z]{3}|[$€£¥₹₽₩]|US\$|R\$|kr)?)\s?"
    r"(?P<number>[(+-]?\s?[0-9](?:[0-9.,'\u2019 \u00a0\u202f]*[0-9])?[.,]?(?:[eE][+-]?[0-9]+)?\)?)"
    r"\s?(?P<behind>(?:[A-Za-zµ°%‰$€£¥₹₽²³/]{1,8})?)"
)
_UNITS = """
$ € £ ¥ ₹ ₽ ₩ US$ R$ kr USD EUR GBP JPY CHF CAD AUD NZD CNY INR SEK NOK DKK PLN CZK HUF BRL MXN ZAR
KRW RUB TRY HKD SGD % ‰ kg g mg µg t lb lbs oz km m cm mm µm mi ft in yd l L ml mL cl °C °F ° K h
min s ms us µs ns d GB MB KB kB TB PB B GiB MiB KiB TiB W kW MW GW Wh kWh MWh GWh V kV mV A mA Hz
kHz MHz GHz Pa hPa kPa MPa bar mbar psi px pt m² m³ m2 m3 km² km2 ha km/h mph m/s kt N J kJ MJ cal
kcal dB rpm bps kbps Mbps Gbps ppm days day hrs hours years
"""
UNITS = frozenset(_UNITS.split())
"""What counts as a unit; other words beside a number make it a code."""
_EXAMPLES, _TRIED = 3, 4000
_LOOKED_AT_FIRST, _LOOKED_AT, _NEARLY = 10, 300, 0.9
_SAME_FORM_MOST = 400


@dataclass(frozen=True, slots=True)
class Decision:
    """A type, and what of it is open."""

    type: str
    candidates: list[str] = field(default_factory=list[str])
    ambiguity: str | None = None
    unit: str | None = None


def profile_column(
    name: str, values: Sequence[str | None], *, comma_is_likely: bool = False
) -> ColumnProfile:
    """The type that every non-null value allows; what is open is said with its evidence.

    `comma_is_likely` says that the file shows signs of decimal commas (its delimiter is `;`, say):
    then 1.234 may be twelve hundred, and that is said.
    """
    kept = [(value or "").strip() for value in values]
    spelled = {value for value in kept if value in NULL_SPELLINGS}
    filled = [value for value in kept if value not in NULL_SPELLINGS]
    examples = [value[:200] for value in dict.fromkeys(filled)][:_EXAMPLES]
    nulls = len(kept) - len(filled)
    if not filled:
        if spelled - {""}:
            texts = sorted(spelled - {""})
            why = f"only {', '.join(texts)} in the sample, so it stays text"
            empty = sum(not value for value in kept)
            return ColumnProfile(name, "string", [], empty, texts[:3], why)
        why = "every value in the sample is empty, so it stays text"
        return ColumnProfile(name, "string", [], nulls, examples, why if kept else None)
    distinct = list(dict.fromkeys(filled))
    found = decide(distinct[:_TRIED], comma_is_likely=comma_is_likely)
    if found == Decision("string"):
        found = Decision("string", [], _but_for_a_few(distinct))
    words = sorted(spelled - {""}) if found.type != "string" else []
    if found.type == "string" and not found.candidates:
        nulls = sum(not value for value in kept)
    return ColumnProfile(
        name,
        found.type,
        found.candidates,
        nulls,
        examples,
        found.ambiguity,
        words,
        found.unit,
        meaning=meanings.meaning_of(
            name, found.type, distinct[:500], is_unique=len(distinct) == len(filled)
        ),
    )


def _but_for_a_few(distinct: Sequence[str]) -> str | None:
    """What is said of a column of text that a value or two keep from being typed."""
    first = distinct[:_LOOKED_AT_FIRST]
    if len(first) < _LOOKED_AT_FIRST or sum(map(looks_typed, first)) < _NEARLY * len(first):
        return None
    tried = distinct[:_LOOKED_AT]
    typed = [value for value in tried if looks_typed(value)]
    kind = decide(typed).type
    if kind == "string" or len(typed) < _NEARLY * len(tried) or len(typed) == len(tried):
        return None
    odd = next(value for value in tried if not looks_typed(value))
    told = f"{len(typed)} of {len(tried)} different values are of type {kind}"
    return f"{told}, {odd[:60]!r} is not; kept as text"


def decide(values: Sequence[str], *, comma_is_likely: bool = False) -> Decision:
    """The type of distinct values, none of them missing."""
    for test in (_as_boolean, _as_number, _as_date, _as_time, _as_measure):
        decided = test(values, comma_is_likely)
        if decided is not None:
            return decided
    return Decision("string")


def looks_typed(value: str) -> bool:
    """Whether a cell is a number, a date or a time: what a header cell never is."""
    value = value.strip()
    if not _HAS_DIGIT.search(value):
        return False
    tests = (_as_number, _as_date, _as_time, _as_measure)
    return any(test([value], False) is not None for test in tests)


def _as_boolean(values: Sequence[str], _comma: bool) -> Decision | None:  # noqa: FBT001 - private
    if len(values) != 2:
        return None
    found = set(values)
    pair = next((pair for pair in BOOLEANS if found == set(pair.split("/"))), None)
    return None if pair is None else Decision("bool", [pair])


@cache
def number_pattern(form: str) -> re.Pattern[str]:
    """The pattern of a way to write numbers, for Python."""
    return re.compile(
        re.sub(r"\\x\{([0-9a-f]+)\}", lambda m: chr(int(m[1], 16)), NUMBER_FORMS[form][2])
    )


def _bare(value: str) -> str:
    """A number without the signs that `kinds` takes for minus: brackets, a trailing one."""
    if value.startswith("(") and value.endswith(")"):
        return value[1:-1]
    if value.endswith("-") and value[:1].isdigit():
        return value[:-1]
    return value.replace("\u2212", "-", 1) if value.startswith("\u2212") else value


def _as_number(values: Sequence[str], comma_is_likely: bool) -> Decision | None:  # noqa: FBT001 - private
    if not all(_HAS_DIGIT.search(value) for value in values):
        return None
    bare = [_bare(value) for value in values]
    if any(_LEADING_ZERO.match(one) and not _is_fraction(one) for one in bare):
        return None  # a code, not a number: 007 is not 7
    if all(map(_CALLED.fullmatch, values)):
        return None  # telephone numbers: their sign is a part of them
    if all(map(_INTEGER.fullmatch, bare)):
        return _whole(values, bare)
    possible = [form for form in NUMBER_FORMS if all(map(number_pattern(form).fullmatch, bare))]
    return _by_forms(values, bare, possible, comma_is_likely)


def _is_fraction(value: str) -> bool:
    return value.lstrip("+-").startswith(("0.", "0,"))


def _whole(values: Sequence[str], bare: Sequence[str]) -> Decision | None:
    if any(value[0] == "(" or value[-1] == "-" for value in values):
        return Decision("double", ["point"])  # read by the same rules as other accounts
    if all(len(one) == 8 and moments.fits(one, "%Y%m%d") for one in bare) and all(
        "1900" <= one[:4] <= "2100" for one in bare
    ):
        why = f"{values[0]!r} can be a number or the date {values[0][:4]}-{values[0][4:6]}-"
        why += f"{values[0][6:]}; every value is a date that exists; kept as a whole number"
        return Decision("int64", ["%Y%m%d"], why)
    return Decision("int64")


def _by_forms(  # noqa: PLR0911 - each settles one pair of forms
    values: Sequence[str],
    bare: Sequence[str],
    possible: list[str],
    comma_is_likely: bool,  # noqa: FBT001 - private
) -> Decision | None:
    if not any(set(one) & set(".,eE' \u2019\u00a0\u202f\u2009") for one in bare):
        return None  # digits alone, too many for a whole number: an identifier
    if "point" in possible and "thousands point" in possible:
        if comma_is_likely:
            why = f"{_with(values, '.')!r} can be a decimal point or a mark between thousands, and"
            why += " the file has other signs of decimal commas; kept as text"
            return Decision("string", ["point", "thousands point"], why)
        return Decision("double", ["point"])
    if "decimal comma" in possible and "thousands comma" in possible:
        if any(one.count(",") > 1 for one in bare):
            return Decision("int64", ["thousands comma"])
        why = f"{_with(values, ',')!r} can be a decimal comma or a thousands mark; kept as text"
        return Decision("string", ["decimal comma", "thousands comma"], why)
    for form in possible:
        marks, decimal, _ = NUMBER_FORMS[form]
        is_whole = form != "point" and not any(decimal in one for one in bare) and bool(marks)
        return Decision("int64" if is_whole else "double", [form])
    return None


def _with(values: Sequence[str], mark: str) -> str:
    return next((value for value in values if mark in value), values[0])


def _as_measure(  # noqa: PLR0911 - each rules one thing out
    values: Sequence[str],
    comma_is_likely: bool,  # noqa: FBT001 - private
) -> Decision | None:
    """Numbers with a unit or currency around them; one unit, or it stays text."""
    found = [_UNIT.fullmatch(value) for value in values]
    parts = [one for one in found if one is not None]
    if len(parts) < len(values):
        return None
    units = {one["before"] or one["behind"] for one in parts}
    if any(one["before"] and one["behind"] for one in parts) or units == {""}:
        return None
    if len(units - {""}) > 1 or "" in units:
        shown = ", ".join(sorted(unit or "none" for unit in units)[:5])
        if not units - {""} <= UNITS:
            return None
        return Decision("string", [], f"numbers in different units: {shown}; kept as text")
    unit = units.pop()
    is_close = any(value[-len(unit) - 1 : -len(unit)].isdigit() for value in values)
    if unit not in UNITS or (len(unit) == 1 and unit.isalpha() and is_close):
        return None  # 5A is a seat or a part, 5 A a current
    numbers = [
        one["number"].replace(" ", "", 1) if one["number"][0] in "+-(" else one["number"]
        for one in parts
    ]
    inner = _as_number(numbers, comma_is_likely)
    if inner is None or inner.type not in ("int64", "double"):
        return None
    form = inner.candidates[:1] if inner.candidates != ["%Y%m%d"] else []
    return Decision("double", form or ["point"], None, unit)


def _as_date(values: Sequence[str], _comma: bool) -> Decision | None:  # noqa: FBT001 - private
    if not all(_HAS_DIGIT.search(value) for value in values[:20]):
        return None
    return _moment("date", values, DATE_FORMATS)


def _as_time(values: Sequence[str], _comma: bool) -> Decision | None:  # noqa: FBT001 - private
    if not all(_HAS_DIGIT.search(value) for value in values[:20]):
        return None
    iso = [_ISO_TIME.fullmatch(value) for value in values]
    if all(iso) and all(moments.fits(value[:10], "%Y-%m-%d") for value in values):
        return _as_iso_time(iso)
    if any("[" in value for value in values) and all(map(_is_ofx_time, values)):
        return Decision("timestamp", ["ofx"])
    return _moment("timestamp", values, TIME_FORMATS)


def _as_iso_time(iso: Sequence[re.Match[str] | None]) -> Decision:
    """How times are read that are written as ISO 8601 has it."""
    zoned = [bool(found and found[3]) for found in iso]
    fine = any(found and len((found[2] or "").rstrip("0")) > 6 for found in iso)
    name = "iso ns" if fine else "iso"
    if fine and not all(found and found[2] for found in iso):
        why = "some times are finer than a microsecond and some name no fraction; kept as text"
        return Decision("string", [], why)
    if all(zoned):
        return Decision("timestamp", [name.replace("iso", "iso zoned")])
    if any(zoned):
        why = "some values name a time zone and some do not; kept as text"
        return Decision("string", [], why)
    return Decision("timestamp", [name])


def _is_ofx_time(value: str) -> bool:
    return re.match(OFX_TIME, value) is not None and moments.fits(value[:8], "%Y%m%d")


def _moment(kind: str, values: Sequence[str], formats: Sequence[str]) -> Decision | None:
    first = [form for form in formats if moments.fits(values[0], form)]
    possible = [form for form in first if all(moments.fits(value, form) for value in values)]
    if possible and (len(possible) == 1 or _all_same(values, possible)):
        return Decision(kind, possible[:1])
    if possible:
        why = f"{values[0]!r} fits {' and '.join(possible)}; no value in the sample excludes one"
        return Decision("string", possible, f"{why}; kept as text until one is chosen")
    return _contradiction(values, formats)


def _all_same(values: Sequence[str], forms: Sequence[str]) -> bool:
    """Whether forms are one: May is both short and long. 01/01 tells no order of day and month."""
    orders = {form.find("%d") < form.find("%m") for form in forms if "%d" in form and "%m" in form}
    return len(orders) < 2 and all(
        len({moments.day_of(value, form) for form in forms}) == 1 for value in values
    )


def _contradiction(values: Sequence[str], formats: Sequence[str]) -> Decision | None:
    """Dates of which some exclude one format and some the other: the writer changed midway."""
    rivals = _rivals(values, formats)
    if len(rivals) != 2 or not all(any(moments.fits(v, form) for form in rivals) for v in values):
        return None
    first, second = rivals
    only_first = next(v for v in values if not moments.fits(v, second))
    only_second = next(v for v in values if not moments.fits(v, first))
    why = f"{only_first!r} excludes {second} and {only_second!r} excludes {first}: the format"
    return Decision("string", rivals, f"{why} changes within the data; kept as text")


def _rivals(values: Sequence[str], formats: Sequence[str]) -> list[str]:
    """The two formats, one with the day first and one with the month, that values need."""
    rivals: list[str] = []
    for value in values[:_SAME_FORM_MOST]:
        fitting = [form for form in formats if moments.fits(value, form)]
        if not fitting:
            return []
        if len(fitting) == 1 and fitting[0] not in rivals:
            rivals.append(fitting[0])
    swapped = {form.replace("%d", "%?").replace("%m", "%d").replace("%?", "%m") for form in rivals}
    return sorted(rivals) if swapped == set(rivals) else []
