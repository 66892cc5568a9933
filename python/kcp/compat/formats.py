"""Formats of strings that the API server enforces: tests of texts, and texts of each format to build witnesses from."""

from __future__ import annotations

import datetime
import ipaddress
import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# Texts of each format; the first ones are the plainest.
SAMPLES: dict[str, tuple[str, ...]] = {
    "bsonobjectid": ("0123456789abcdef01234567",),
    "uri": ("http://a.b/c", "/a", "a:b"),
    "email": ("a@b.c", "ab@example.com"),
    "hostname": ("a", "example.com", "a1.example.com"),
    "ipv4": ("10.0.0.1", "127.0.0.1"),
    "ipv6": ("::1", "2001:db8::1"),
    "cidr": ("10.0.0.0/8", "2001:db8::/32"),
    "mac": ("00:00:5e:00:53:01",),
    "uuid": ("00000000-0000-0000-0000-000000000000", "3d813cbb-47fb-42ba-91df-831e1593ac29"),
    "uuid3": ("3d813cbb-47fb-32ba-91df-831e1593ac29",),
    "uuid4": ("3d813cbb-47fb-42ba-91df-831e1593ac29",),
    "uuid5": ("3d813cbb-47fb-52ba-91df-831e1593ac29",),
    "isbn": ("0306406152", "9780306406157"),
    "isbn10": ("0306406152",),
    "isbn13": ("9780306406157",),
    "creditcard": ("4111111111111111",),
    "ssn": ("123-45-6789",),
    "hexcolor": ("#fff", "#a0b1c2"),
    "rgbcolor": ("rgb(0,0,0)",),
    "byte": ("YQ==", "YWJj"),
    "date": ("2020-01-31",),
    "duration": ("1s", "1h0m0s", "0"),
    "datetime": ("2020-01-31T00:00:00Z",),
    "k8sshortname": ("a", "a-1"),
    "k8slongname": ("a.b", "a"),
}
# Texts that few formats accept.
STRANGE = ("", "%", "-", "a b", "_", "\n", "a", "0", "1s", "2020-01-31")

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_HOST = re.compile(r"[aS0-9](-?[aS0-9]{0,62})?|([aS0-9]([aS0-9-]{0,61}[aS0-9])?\.)+a{2,63}")
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(.[0-9]+)?(z|[+-][0-9]{2}:[0-9]{2})", re.ASCII)
_DURATION = re.compile(r"[+-]?((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+", re.ASCII)
_SPELLED = re.compile(r"([0-9]+)[\t\n\f\r ]*([A-Za-zµ]+)")
_UNITS = ("ns", "us", "µs", "ms", "s", "m", "h", "hr", "d", "w", "wk")
_LONG_UNITS = ("nano", "micro", "milli", "sec", "min", "hour", "day", "week")
_PART = r"\s*(0|[1-9][0-9]?|1[0-9][0-9]?|2[0-4][0-9]|25[0-5])\s*"
_HEX = r"[0-9a-fA-F]"
_SHAPES = {
    "bsonobjectid": _HEX + "{24}",
    "ssn": r"(?=.{11}\Z)[0-9]{3}[- ]?[0-9]{2}[- ]?[0-9]{4}",
    "hexcolor": f"#?({_HEX}{{3}}|{_HEX}{{6}})",
    "rgbcolor": rf"(?a:rgb\({_PART},{_PART},{_PART}\))",
    "mac": rf"({_HEX}{{2}}([:-]{_HEX}{{2}}){{5}}|{_HEX}{{4}}(\.{_HEX}{{4}}){{2}})",
    "uuid": rf"{_HEX}{{8}}-?{_HEX}{{4}}-?{_HEX}{{4}}-?{_HEX}{{4}}-?{_HEX}{{12}}",
    "uuid3": rf"{_HEX}{{8}}-?{_HEX}{{4}}-?3{_HEX}{{3}}-?{_HEX}{{4}}-?{_HEX}{{12}}",
    "uuid4": rf"{_HEX}{{8}}-?{_HEX}{{4}}-?4{_HEX}{{3}}-?[89abAB]{_HEX}{{3}}-?{_HEX}{{12}}",
    "uuid5": rf"{_HEX}{{8}}-?{_HEX}{{4}}-?5{_HEX}{{3}}-?[89abAB]{_HEX}{{3}}-?{_HEX}{{12}}",
    "email": r"\s*([^@<>]*<)?[\w!#$%&'*+/=?^`{|}~-]+(\.[\w!#$%&'*+/=?^`{|}~-]+)*@[\w-]+(\.[\w-]+)*>?\s*",
    "uri": r"([A-Za-z][A-Za-z0-9+.-]*:|/)([^\x00-\x20\x7f%\[\] ]|%[0-9a-fA-F]{2})*",
}


def accepts(name: str, text: str) -> bool:
    """Whether a text has a format; `name` is one of `schema.STRING_FORMATS`."""
    if (shape := _SHAPES.get(name)) is not None:
        return re.fullmatch(shape, text) is not None
    return _TESTS[name](text)


def _is_label(text: str) -> bool:
    return _LABEL.fullmatch(text) is not None


def _is_address(text: str) -> int:
    """Return 4 or 6, or 0 for what is no address. Zeros may lead decimal parts."""
    if ":" not in text:
        parts = text.split(".")
        fits = all(re.fullmatch("[0-9]+", p) and len(p.lstrip("0")) <= 3 and int(p[-9:]) <= 255 for p in parts)
        return 4 if len(parts) == 4 and fits else 0
    try:
        ipaddress.IPv6Address(text.replace("%", "!"))
    except ValueError:
        return 0
    return 6


def _is_cidr(text: str) -> bool:
    address, _, bits = text.partition("/")
    version = _is_address(address)
    return bool(version and re.fullmatch("[0-9]{1,3}", bits) and int(bits) <= (32 if version == 4 else 128))


def _is_hostname(text: str) -> bool:
    if len(text.encode()) > 255 or any(len(label.encode()) > 63 for label in text.split(".")):
        return False
    # Letters of any script and symbols count; what they are is told by a letter of their own, for the shape.
    shape = "".join("a" if c.isascii() and c.isalpha() else _script(c) for c in text)
    return _HOST.fullmatch(shape) is not None


def _script(character: str) -> str:
    category = unicodedata.category(character)
    return "a" if category.startswith("L") else "S" if category.startswith("S") else character


def _is_isbn10(text: str) -> bool:
    digits = re.sub(r"[ \t\n\f\r-]", "", text)
    if not re.fullmatch("[0-9]{9}[0-9X]", digits):
        return False
    return sum(w * (10 if d == "X" else int(d)) for w, d in enumerate(digits, 1)) % 11 == 0


def _is_isbn13(text: str) -> bool:
    digits = re.sub(r"[ \t\n\f\r-]", "", text)
    if not re.fullmatch("[0-9]{13}", digits):
        return False
    return sum(int(d) * (3 if i % 2 else 1) for i, d in enumerate(digits)) % 10 == 0


def _is_credit_card(text: str) -> bool:
    digits = re.sub("[^0-9]", "", text)
    shape = (
        "4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}"
        "|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35[0-9]{3})[0-9]{11}"
    )
    if not re.fullmatch(shape, digits):
        return False
    doubled = (int(d) * (2 if i % 2 else 1) for i, d in enumerate(reversed(digits)))
    return sum(n - 9 if n > 9 else n for n in doubled) % 10 == 0


def _is_byte(text: str) -> bool:
    return bool(text) and len(text) % 4 == 0 and re.fullmatch("[A-Za-z0-9+/]*={0,2}", text) is not None


def _is_date(text: str) -> bool:
    if not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return False
    year, month, day = (int(part) for part in text.split("-"))
    try:
        # A year without a calendar of its own has that of another leap year.
        datetime.date(year or 2000, month, day)
    except ValueError:
        return False
    return True


def _is_date_time(text: str) -> bool:
    parts = text.lower().split("t")
    return len(parts) >= 2 and _is_date(parts[0]) and _TIME.fullmatch(parts[1]) is not None


def _is_duration(text: str) -> bool:
    if re.fullmatch("[+-]?0", text) or _DURATION.fullmatch(text):
        return True
    units = [unit.lower() for _, unit in _SPELLED.findall(text)]
    return any(unit in _UNITS or unit.startswith(_LONG_UNITS) for unit in units)


_TESTS: dict[str, Callable[[str], bool]] = {
    "hostname": _is_hostname,
    "ipv4": lambda text: _is_address(text) == 4,
    "ipv6": lambda text: _is_address(text) == 6,
    "cidr": _is_cidr,
    "isbn": lambda text: _is_isbn10(text) or _is_isbn13(text),
    "isbn10": _is_isbn10,
    "isbn13": _is_isbn13,
    "creditcard": _is_credit_card,
    "byte": _is_byte,
    "date": _is_date,
    "datetime": _is_date_time,
    "duration": _is_duration,
    "k8sshortname": lambda text: len(text) <= 63 and _is_label(text),
    "k8slongname": lambda text: len(text) <= 253 and all(map(_is_label, text.split("."))),
}
