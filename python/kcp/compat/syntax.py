"""RE2's syntax, read into machines without backtracking."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

END = ""
"""Stands for what follows a text's last character."""
MAX_STATES = 20_000
MAX_REPEAT = 1_000
MAX_NESTING = 100
MAX_POINT = 0x10FFFF

Ranges: TypeAlias = tuple[tuple[int, int], ...]
"""Code points, as closed ranges in order."""

_DIGIT: Ranges = ((0x30, 0x39),)
_WORD: Ranges = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
_SPACE: Ranges = ((0x09, 0x0A), (0x0C, 0x0D), (0x20, 0x20))
_CLASSES = {"d": _DIGIT, "w": _WORD, "s": _SPACE}
_POSIX: dict[str, Ranges] = {
    "alnum": ((0x30, 0x39), (0x41, 0x5A), (0x61, 0x7A)),
    "alpha": ((0x41, 0x5A), (0x61, 0x7A)),
    "ascii": ((0x00, 0x7F),),
    "blank": ((0x09, 0x09), (0x20, 0x20)),
    "cntrl": ((0x00, 0x1F), (0x7F, 0x7F)),
    "digit": _DIGIT,
    "graph": ((0x21, 0x7E),),
    "lower": ((0x61, 0x7A),),
    "print": ((0x20, 0x7E),),
    "punct": ((0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E)),
    "space": ((0x09, 0x0D), (0x20, 0x20)),
    "upper": ((0x41, 0x5A),),
    "word": _WORD,
    "xdigit": ((0x30, 0x39), (0x41, 0x46), (0x61, 0x66)),
}
_CONTROL = {"a": 7, "f": 12, "t": 9, "n": 10, "r": 13, "v": 11}
_ALL: Ranges = ((0, MAX_POINT),)
_NO_NEWLINE: Ranges = ((0, 9), (11, MAX_POINT))


class TooHardError(Exception):
    """Something was not decided: the syntax is not understood, or the search was cut short."""


def is_word(character: str) -> bool:
    """Whether `\\b` counts a character as part of a word."""
    return character.isascii() and (character.isalnum() or character == "_")


class Machine:
    """States with edges: for characters, free ones, and free ones that look at the neighbours."""

    def __init__(self) -> None:
        self.characters: list[list[tuple[Ranges, int]]] = []
        self.free: list[list[tuple[str, int]]] = []
        self.start = 0
        self.final = 0
        self.ranges: set[tuple[int, int]] = set()

    def state(self) -> int:
        """Add a state."""
        if len(self.free) >= MAX_STATES:
            raise TooHardError("the pattern is too large")
        self.characters.append([])
        self.free.append([])
        return len(self.free) - 1

    def closure(self, states: frozenset[int], before: int, after: str) -> frozenset[int]:
        """Return what is reached without a character; `before` is what the last one was, `after` the next one."""
        found, work = set(states), list(states)
        while work:
            for look, target in self.free[work.pop()]:
                if target not in found and (not look or _holds(look, before, after)):
                    found.add(target)
                    work.append(target)
        return frozenset(found)

    def move(self, states: frozenset[int], character: str) -> frozenset[int]:
        """Return what a character leads to."""
        point = ord(character)
        return frozenset(
            target
            for state in states
            for ranges, target in self.characters[state]
            if any(low <= point <= high for low, high in ranges)
        )


def _holds(look: str, before: int, after: str) -> bool:
    if look == "A":
        return before == 0
    if look == "z":
        return after == END
    if look == "^":
        return before in {0, 3}
    if look == "$":
        return after in {END, "\n"}
    edge = (before == 2) != (after != END and is_word(after))
    return edge if look == "b" else not edge


class _Flags(NamedTuple):
    fold: bool = False
    multi: bool = False
    dot_all: bool = False
    lazy: bool = False


_Piece: TypeAlias = tuple[int, int]
"""First and last state of a part of a machine."""


def compile_pattern(pattern: str) -> Machine:
    """Return the machine of a pattern.

    Raises:
        TooHardError: it is too large or its syntax is not understood.
    """
    reader = _Reader(pattern)
    first, last = reader.alternatives(_Flags())
    if reader.at < len(pattern):
        raise TooHardError("unexpected )")
    reader.machine.start, reader.machine.final = first, last
    return reader.machine


class _Reader:
    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.depth = 0
        self.machine = Machine()

    def peek(self, length: int = 1) -> str:
        return self.pattern[self.at : self.at + length]

    def take(self) -> str:
        if self.at >= len(self.pattern):
            raise TooHardError("the pattern ends too early")
        self.at += 1
        return self.pattern[self.at - 1]

    def join(self, source: int, target: int, look: str = "") -> None:
        self.machine.free[source].append((look, target))

    def alternatives(self, flags: _Flags) -> _Piece:
        first, last = self.machine.state(), self.machine.state()
        while True:
            begin, end, flags = self.sequence(flags)
            self.join(first, begin)
            self.join(end, last)
            if self.peek() != "|":
                return first, last
            self.at += 1

    def sequence(self, flags: _Flags) -> tuple[int, int, _Flags]:
        first = last = self.machine.state()
        while self.at < len(self.pattern) and self.peek() not in {"|", ")"}:
            if (changed := self._flags_alone(flags)) is not None:
                flags = changed
                continue
            begun = self.at
            begin, end = self.repeated(self.atom(flags), begun, flags)
            self.join(last, begin)
            last = end
        return first, last, flags

    def _flags_alone(self, flags: _Flags) -> _Flags | None:
        if self.peek(2) != "(?" or self.peek(3) in {"(?:", "(?P", "(?<"}:
            return None
        close = self.pattern.find(")", self.at)
        colon = self.pattern.find(":", self.at, close)
        if close < 0 or colon >= 0:
            return None
        changed = _changed(flags, self.pattern[self.at + 2 : close])
        self.at = close + 1
        return changed

    def repeated(self, piece: _Piece, begun: int, flags: _Flags) -> _Piece:
        low, high = self._counts()
        if low < 0:
            return piece
        if self.peek() == "?":
            self.at += 1  # laziness changes what is captured, not what matches
        if self.peek() and self.peek() in "*+?":
            raise TooHardError("a repetition of a repetition")
        end = self.at
        if (low, high) == (0, None):
            return self._star(piece)
        if high == 0:
            first = self.machine.state()
            return first, first
        copies = [piece]
        for _ in range((low + 1 if high is None else high) - 1):
            self.at = begun
            copies.append(self.atom(flags))
        self.at = end
        first = last = self.machine.state()
        for index, copy in enumerate(copies):
            begin, stop = self._star(copy) if high is None and index == low else copy
            if high is not None and index >= low:
                self.join(begin, stop)
            self.join(last, begin)
            last = stop
        return first, last

    def _star(self, piece: _Piece) -> _Piece:
        first, last = self.machine.state(), self.machine.state()
        for source, target in ((first, piece[0]), (piece[1], piece[0]), (piece[1], last), (first, last)):
            self.join(source, target)
        return first, last

    def _counts(self) -> tuple[int, int | None]:
        sign = self.peek()
        if sign and sign in "*+?":
            self.at += 1
            return {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
        close = self.pattern.find("}", self.at)
        if sign != "{" or close < 0:
            return -1, None
        low, comma, high = self.pattern[self.at + 1 : close].partition(",")
        if not _is_count(low) or (high and not _is_count(high)):
            return -1, None
        self.at = close + 1
        least, most = int(low), int(low) if not comma else int(high) if high else None
        if least > MAX_REPEAT or (most is not None and (most > MAX_REPEAT or most < least)):
            raise TooHardError("a repetition that Go refuses")
        return least, most

    def atom(self, flags: _Flags) -> _Piece:
        character = self.take()
        if character == "(":
            return self._group(flags)
        if character == "[":
            return self._characters(self._class(flags))
        if character == "\\":
            return self._escape(flags)
        if character == ".":
            return self._characters(_ALL if flags.dot_all else _NO_NEWLINE)
        if character == "^":
            return self._look("^" if flags.multi else "A")
        if character == "$":
            return self._look("$" if flags.multi else "z")
        if character in "*+?":
            raise TooHardError("nothing to repeat")
        return self._characters(_folded(((ord(character), ord(character)),), flags))

    def _group(self, flags: _Flags) -> _Piece:
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise TooHardError("too many groups in each other")
        inside = flags
        if self.peek() == "?":
            self.at += 1
            if self.peek(2) == "P<" or self.peek() == "<":
                close = self.pattern.find(">", self.at)
                if close < 0 or self.peek(2) in {"<=", "<!"}:
                    raise TooHardError("a group that is not understood")
                self.at = close + 1
            else:
                colon = self.pattern.find(":", self.at)
                inside = _changed(flags, self.pattern[self.at : max(colon, self.at)])
                if colon < 0:
                    raise TooHardError("a group that is not understood")
                self.at = colon + 1
        piece = self.alternatives(inside)
        if self.at >= len(self.pattern) or self.take() != ")":
            raise TooHardError("missing )")
        self.depth -= 1
        return piece

    def _escape(self, flags: _Flags) -> _Piece:
        character = self.take()
        if character in {"A", "z", "b", "B"}:
            return self._look(character)
        if character.lower() in _CLASSES:
            ranges = _CLASSES[character.lower()]
            return self._characters(_negated(ranges) if character.isupper() else ranges)
        point = self._escaped(character)
        return self._characters(_folded(((point, point),), flags))

    def _escaped(self, character: str) -> int:
        if character in _CONTROL:
            return _CONTROL[character]
        if character == "x":
            if self.peek() == "{":
                close = self.pattern.find("}", self.at)
                digits = self.pattern[self.at + 1 : max(close, self.at)]
                self.at = close + 1
            else:
                digits = self.take() + self.take()
            try:
                point = int(digits, 16)
            except ValueError:
                raise TooHardError("a bad escape") from None
            if point > MAX_POINT:
                raise TooHardError("a bad escape")
            return point
        if character.isalnum():
            raise TooHardError(f"the escape \\{character}")
        return ord(character)

    def _class(self, flags: _Flags) -> Ranges:
        negated = self.peek() == "^"
        self.at += negated
        found: list[tuple[int, int]] = []
        first = True
        while first or self.peek() != "]":
            first = False
            if self.peek(2) == "[:":
                found += self._posix()
                continue
            low = self._member(found)
            if low < 0:
                continue
            high = low
            if self.peek() == "-" and self.peek(2)[1:] not in {"]", ""}:
                self.at += 1
                high = self._member([])
                if high < low:
                    raise TooHardError("a bad range of characters")
            found.append((low, high))
        self.at += 1
        ranges = _folded(_merged(found), flags)
        return _negated(ranges) if negated else ranges

    def _posix(self) -> Ranges:
        close = self.pattern.find(":]", self.at)
        name = self.pattern[self.at + 2 : max(close, self.at + 2)]
        ranges = _POSIX.get(name.removeprefix("^"))
        if close < 0 or ranges is None:
            raise TooHardError("a class that is not understood")
        self.at = close + 2
        return _negated(ranges) if name.startswith("^") else ranges

    def _member(self, found: list[tuple[int, int]]) -> int:
        """Return a code point; a class of characters is added to `found` and answered with -1."""
        character = self.take()
        if character != "\\":
            return ord(character)
        character = self.take()
        if character.lower() in _CLASSES:
            ranges = _CLASSES[character.lower()]
            found += _negated(ranges) if character.isupper() else ranges
            return -1
        return self._escaped(character)

    def _characters(self, ranges: Ranges) -> _Piece:
        first, last = self.machine.state(), self.machine.state()
        self.machine.characters[first].append((ranges, last))
        self.machine.ranges.update(ranges)
        return first, last

    def _look(self, look: str) -> _Piece:
        first, last = self.machine.state(), self.machine.state()
        self.join(first, last, look)
        return first, last


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 4


def _changed(flags: _Flags, letters: str) -> _Flags:
    on = True
    for letter in letters:
        if letter == "-":
            on = False
        elif letter in "imsU":
            flags = flags._replace(**{{"i": "fold", "m": "multi", "s": "dot_all", "U": "lazy"}[letter]: on})
        else:
            raise TooHardError(f"the flag {letter!r}")
    return flags


def _merged(ranges: list[tuple[int, int]]) -> Ranges:
    found: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if found and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(high, found[-1][1]))
        else:
            found.append((low, high))
    return tuple(found)


def _negated(ranges: Ranges) -> Ranges:
    found, at = [], 0
    for low, high in ranges:
        if low > at:
            found.append((at, low - 1))
        at = high + 1
    return (*found, (at, MAX_POINT)) if at <= MAX_POINT else tuple(found)


def _folded(ranges: Ranges, flags: _Flags) -> Ranges:
    if not flags.fold:
        return ranges
    found = list(ranges)
    for low, high in ranges:
        if high > 0x7F:
            if low == 0 or high - low > 0x1000:
                continue
            raise TooHardError("upper and lower case beyond ASCII")
        found += [(max(low, 0x41) + 32, min(high, 0x5A) + 32)] if low <= 0x5A and high >= 0x41 else []
        found += [(max(low, 0x61) - 32, min(high, 0x7A) - 32)] if low <= 0x7A and high >= 0x61 else []
        # Two signs beyond ASCII fold to letters in it.
        found += [(0x17F, 0x17F)] if low <= 0x73 <= high or low <= 0x53 <= high else []
        found += [(0x212A, 0x212A)] if low <= 0x6B <= high or low <= 0x4B <= high else []
    return _merged(found)
