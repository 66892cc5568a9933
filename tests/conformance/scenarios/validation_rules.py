"""Validation rules of custom resources: definitions that are refused for them, and objects that are."""

from __future__ import annotations

from typing import Any

from tests.conformance.exchange import Json, Scenario
from tests.conformance.scenarios.make import CRDS, crd, get, named, namespace, object_schema, patch, post, put, settle

TEXT: dict[str, Json] = {"type": "string", "maxLength": 20}
WHOLE: dict[str, Json] = {"type": "integer"}
PROPERTIES: dict[str, Json] = {
    "min": WHOLE,
    "max": WHOLE,
    "number": {"type": "number"},
    "text": TEXT,
    "long": {"type": "string"},
    "choice": {"type": "string", "enum": ["a", "bb"]},
    "port": {"x-kubernetes-int-or-string": True},
    "day": {"type": "string", "format": "date"},
    "when": {"type": "string", "format": "date-time"},
    "span": {"type": "string", "format": "duration"},
    "data": {"type": "string", "format": "byte"},
    "a.b-c/d": TEXT,
    "namespace": TEXT,
    "free": {"x-kubernetes-preserve-unknown-fields": True},
    "nothing": {"type": "string", "nullable": True},
    "set": {"type": "array", "x-kubernetes-list-type": "set", "maxItems": 9, "items": TEXT},
    "list": {"type": "array", "maxItems": 9, "items": WHOLE},
    "unbounded": {"type": "array", "items": {"type": "string"}},
    "keyed": {
        "type": "array",
        "maxItems": 9,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        "items": {"type": "object", "required": ["name"], "properties": {"name": TEXT, "size": WHOLE}},
    },
    "map": {"type": "object", "maxProperties": 9, "additionalProperties": TEXT},
    "open": {"type": "object", "additionalProperties": WHOLE},
    "inner": {"type": "object", "properties": {"x": WHOLE}},
    "embedded": {
        "type": "object",
        "x-kubernetes-embedded-resource": True,
        "properties": {"spec": {"type": "object", "properties": {"q": WHOLE}}},
    },
}
OBJECT: dict[str, Json] = {
    "min": 1,
    "max": 8,
    "number": 1.5,
    "text": "héllo",
    "long": "x",
    "choice": "a",
    "port": 5,
    "day": "2024-01-02",
    "when": "2024-01-02T03:04:05Z",
    "span": "1h",
    "data": "aGk=",
    "a.b-c/d": "q",
    "namespace": "ns",
    "free": {"z": 1},
    "set": ["a", "b"],
    "list": [1, 2, 3],
    "unbounded": ["x", "y"],
    "keyed": [{"name": "a", "size": 1}, {"name": "b", "size": 2}],
    "map": {"p": "q", "r": "s"},
    "open": {"n": 1},
    "inner": {"x": 1},
    "embedded": {"apiVersion": "v1", "kind": "K", "metadata": {"name": "n"}, "spec": {"q": 1}},
}
# Accepted when the definition is made, true of OBJECT.
HOLD = (
    "self.min <= self.max && self.min < self.number && 1 < 1.5 && 2u > 1",
    "self.a__dot__b__dash__c__slash__d == 'q' && self.__namespace__ == 'ns' && self.namespace == 'ns'",
    "type(self.port) == int ? self.port < 10 : self.port == 'http'",
    "self.day < self.when && self.when == timestamp('2024-01-02T03:04:05Z') && self.span > duration('30m')",
    "self.when.getHours() == 3 && self.when.getDayOfWeek() == 2 && self.when.getHours('America/New_York') == 22",
    "self.data == b'hi' && size(self.data) == 2 && self.text.size() == 5",
    "self.set == ['b', 'a'] && self.set + ['a', 'c'] == ['a', 'b', 'c'] && !(self.list == [3, 2, 1])",
    "self.keyed.map(i, i.size).sum() == 3 && self.keyed.sortBy(i, -i.size)[0].name == 'b'",
    "self.map.all(k, self.map[k].size() < 10) && self.map.exists(k, v, k == 'p' && v == 'q')",
    "self.list.transformList(i, v, i * v) == [0, 2, 6]",
    "self.map.transformMap(k, v, v + 'x') == {'p': 'qx', 'r': 'sx'}",
    "self.map.transformMapEntry(k, v, {v: k}) == {'q': 'p', 's': 'r'}",
    "has(self.min) && !has(self.nothing) && self.?nothing.orValue('d') == 'd' && self.list[?7].orValue(7) == 7",
    "self.?inner.?x.optMap(x, x + 1).value() == 2 && optional.of(1).hasValue()",
    "self.embedded.metadata.name == 'n' && self.embedded.kind == 'K' && self.embedded.spec.q == 1",
    "self.long.matches('^x$') && self.text.find('l+') == 'll' && self.text.findAll('[a-z]').size() == 4",
    "self.text.substring(1, 2) == 'é' && self.text.lastIndexOf('l') == 3 && self.long.replace('x', 'yy') == 'yy'",
    "self.set.join(',') == 'a,b' && 'a,b'.split(',') == ['a', 'b'] && ' x '.trim().upperAscii() == 'X'",
    "'%s-%d-%.2f'.format([self.long, self.min, self.number]) == 'x-1-1.50' && "
    "'%f'.format([12345.6]) == '12,345.600000'",
    "quantity('1Gi').isGreaterThan(quantity('500Mi')) && quantity('50k').add(20).asInteger() == 50020",
    "quantity('1500m').compareTo(quantity('1.5')) == 0 && isQuantity('1Ki') && !isQuantity('1x')",
    "ip('10.0.0.1').family() == 4 && isIP('::1') && !isIP('::ffff:1.2.3.4') && ip.isCanonical('::1')",
    "cidr('10.0.0.0/8').containsIP('10.1.2.3') && cidr('10.1.2.3/8').masked().ip() == ip('10.0.0.0')",
    "url('https://example.com:8080/a b?x=1&x=2').getEscapedPath() == '/a%20b' && isURL('/path')",
    "url('https://example.com:8080/?x=1&x=2&y=3').getQuery() == {'x': ['1', '2'], 'y': ['3']}",
    "semver('1.2.3').isLessThan(semver('1.10.0')) && semver('v1.2', true).minor() == 2 && !isSemver('01.2.3')",
    "!format.dns1123Label().validate('my-name').hasValue() && format.named('uuid').hasValue()",
    "sets.contains([1, 2, 3], [1, 2]) && sets.equivalent([1, 2], [2, 1]) && sets.intersects([1], [1, 2])",
    "[3, 1, 2].sort() == [1, 2, 3] && [[1], [2]].flatten() == [1, 2] && lists.range(3) == [0, 1, 2]",
    "[1, 1, 2].distinct() == [1, 2] && [1, 2, 3].slice(0, 2) == [1, 2] && [1, 2].first().value() == 1",
    "self.list.isSorted() && self.list.min() == 1 && self.list.max() == 3 && self.list.indexOf(2) == 1",
    "1 == 1 || self.list[9] == 1",
    "self.list.all(x, self.list.exists(y, x == y)) && self.list.exists_one(x, x == 2)",
    "type(self.inner) == map && type(self.when) == google.protobuf.Timestamp",
)
# Accepted when the definition is made; not true of OBJECT, or failing on it.
FAIL = (
    "self.min > self.max",
    "self.list[9] == 1",
    "self.map['zz'] == 'x'",
    "self.nothing == 'x'",
    "self.max / (self.min - 1) == 1",
    "self.port.size() > 1",
    "dyn(self.max) > 'a'",
    "quantity(self.long) == quantity('1')",
    "ip(self.long) == ip('1.1.1.1')",
    "duration(self.long) < self.span",
    "timestamp(self.long) < self.when",
    "optional.none().value() == 1",
    "int(self.text) == 1",
    "[].max() == 1",
    "self.list.slice(2, 9) == []",
    "self.text.charAt(9) == 'x'",
    "{'a': 1, self.long: 2, 'x': 3}.size() == 3",
    "semver('1.2') == semver('1.2.0')",
)
# Refused when the definition is made.
REFUSED = (
    "self.foo > 1",
    "self.min + ",
    "(((",
    "self.min == 'a'",
    "size(self.min) > 1 && unknown(1)",
    "self.min",
    "'héé' == 'é' && self.é",
    "'\\q' == ''",
    "[1, 2].all(x.y, true)",
    "'a'.matches('[')",
    "'a'.find('[') == ''",
    "duration('1x') > duration('1s')",
    "timestamp('x') > timestamp('2024-01-01T00:00:00Z')",
    "[1, 'a'].size() > 1",
    "{'a': 1, 'b': 'x'}.size() > 1",
    "self.min > 1 ? 'a' : true",
    "has(self)",
    "self.free == 1",
    "self.min.foo == 1",
    "1.all(x, true)",
    "!self.min",
    "true && 1",
    "int('x') == 1",
    "'%d'.format([1.5]) == ''",
    "'%s %s'.format(['a']) == ''",
    "'%q'.format(['a']) == ''",
    "'%s'.format(['a', 'b']) == ''",
    "cel.bind(x, 1, x == 1)",
    "math.greatest(1, 2) == 2",
    "authorizer.path('/x').check('get').allowed()",
    "self.embedded.metadata.labels.size() == 0",
    "self.unbounded.all(x, self.unbounded.all(y, x != y))",
    "self.unbounded.all(x, x.matches('[a-z]+'))",
    "self.long + self.long == 'xx' && self.unbounded.map(x, x + x).size() > 0",
    "oldSelf.unknown == 1",
    "self.list.map(x, y, z, w)",
    " ",
    "(" * 260 + "true" + ")" * 260,
)
ENTRIES: dict[str, dict[str, Json]] = {
    "message-blank": {"rule": "true", "message": " "},
    "message-broken": {"rule": "true", "message": "a\nb"},
    "rule-broken": {"rule": "true\n&& true"},
    "message-expression-blank": {"rule": "true", "messageExpression": " "},
    "message-expression-number": {"rule": "true", "messageExpression": "self.min"},
    "message-expression-unknown": {"rule": "true", "messageExpression": "self.foo"},
    "message-expression-costly": {"rule": "true", "messageExpression": "'min is ' + string(self.min)"},
    "reason-unknown": {"rule": "true", "reason": "Nope"},
    "field-path": {"rule": "true", "fieldPath": ".inner.x"},
    "field-path-unknown": {"rule": "true", "fieldPath": ".inner.y"},
    "field-path-list": {"rule": "true", "fieldPath": ".list[0]"},
    "field-path-blank": {"rule": "true", "fieldPath": " "},
    "optional-old-self": {"rule": "oldSelf.hasValue() || true", "optionalOldSelf": True},
    "optional-old-self-unused": {"rule": "true", "optionalOldSelf": True},
}
RULED = "/apis/stable.example.com/v1/namespaces/rules/ruleds"
CHANGED = "/apis/stable.example.com/v1/namespaces/changes/changeds"


def ruled(name: str, spec: Json, **more: Json) -> dict[str, Any]:
    """Return a Ruled."""
    return named("stable.example.com/v1", "Ruled", name, spec=spec, **more)


def changed(name: str, spec: Json) -> dict[str, Any]:
    """Return a Changed."""
    return named("stable.example.com/v1", "Changed", name, spec=spec)


def definition(*rules: Json, plural: str = "ruleds", **properties: Json) -> dict[str, Any]:
    """Return a definition whose spec has these rules."""
    spec: dict[str, Json] = {"type": "object", "properties": PROPERTIES | properties}
    if rules:
        spec["x-kubernetes-validations"] = list(rules)
    status = {"type": "object", "properties": {"phase": TEXT}}
    schema = {"type": "object", "properties": {"spec": spec, "status": status}}
    return crd(plural, plural.removesuffix("s").capitalize(), schema, subresources={"status": {}})


def one_by_one(group: str, rules: tuple[str, ...]) -> list[Any]:
    """Ask for a definition with each rule, without making it."""
    return [
        post(f"{group}-{index}", f"{CRDS}?dryRun=All", definition({"rule": rule})) for index, rule in enumerate(rules)
    ]


def numbered(rules: tuple[str, ...]) -> list[Json]:
    """Return entries whose messages tell which rule failed."""
    return [{"rule": rule} for rule in rules]


CHANGES = definition(
    {"rule": "self.min <= self.max", "message": "min is larger than max", "fieldPath": ".min"},
    {"rule": "self.max < 100", "reason": "FieldValueForbidden", "message": "too much"},
    {"rule": "self.max != 50", "reason": "FieldValueDuplicate", "message": "is there already"},
    {"rule": "self.max != 51", "reason": "FieldValueRequired", "fieldPath": ".map['odd.name']"},
    {"rule": "self.max != 52", "messageExpression": "'got %d'.format([self.max])"},
    {"rule": "self.max != 53", "message": "plain", "messageExpression": "self.?text.orValue('')"},
    {"rule": "oldSelf.min <= self.min", "message": "min shrinks"},
    {"rule": "oldSelf.optMap(o, o.max > 0).orValue(self.max > 1)", "message": "starts low", "optionalOldSelf": True},
    fixed={"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "is fixed"}]},
    small={**WHOLE, "x-kubernetes-validations": [{"rule": "self < 10", "message": "too large"}]},
    sizes={
        "type": "array",
        "maxItems": 9,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        "items": {
            "type": "object",
            "required": ["name"],
            "properties": {"name": TEXT, "size": WHOLE},
            "x-kubernetes-validations": [{"rule": "self.size >= oldSelf.size", "message": "item shrinks"}],
        },
    },
    plural="changeds",
    words={
        "type": "array",
        "maxItems": 9,
        "items": {**TEXT, "x-kubernetes-validations": [{"rule": "self != 'bad'", "message": "bad word"}]},
    },
)
FIRST: dict[str, Json] = {
    "min": 2,
    "max": 5,
    "fixed": "a",
    "sizes": [{"name": "a", "size": 1}, {"name": "b", "size": 2}],
}
VERSION: dict[str, Json] = CHANGES["spec"]["versions"][0]
TWICE: dict[str, Json] = {"versions": [VERSION, {**VERSION, "name": "v2", "storage": False}]}

# Each rule looks at every pair of a list's items: a part of what one may cost, and together more than an object may.
PAIRS = "self.list.all(x, self.list.all(y, x + y >= %d))"
COSTLY_SCHEMA = object_schema(
    {"list": {"type": "array", "maxItems": 300, "items": WHOLE}},
    **{"x-kubernetes-validations": [{"rule": PAIRS % -number} for number in range(1, 25)]},
)
COSTLIES = "/apis/stable.example.com/v1/namespaces/budget/costlies"


def costly(items: int) -> dict[str, Any]:
    """Return an object whose rules look at so many items, twice."""
    return named("stable.example.com/v1", "Costly", "costly", spec={"list": [0] * items})


SCENARIOS = (
    Scenario(
        "validation-rules-definitions",
        "Definitions with validation rules (dry run): accepted, or refused for one rule each.",
        (),
        (
            *one_by_one("hold", HOLD),
            *one_by_one("refused", REFUSED),
            *(post(name, f"{CRDS}?dryRun=All", definition(entry)) for name, entry in ENTRIES.items()),
            post(
                "old-self-in-set",
                f"{CRDS}?dryRun=All",
                definition(
                    words={
                        "type": "array",
                        "maxItems": 3,
                        "x-kubernetes-list-type": "set",
                        "items": {**TEXT, "x-kubernetes-validations": [{"rule": "self == oldSelf"}]},
                    }
                ),
            ),
            post(
                "total-cost",
                f"{CRDS}?dryRun=All",
                definition(
                    *({"rule": f"self.many.all(a, self.many.exists(b, b.startsWith(a + '{n}')))"} for n in range(25)),
                    many={"type": "array", "maxItems": 650, "items": TEXT},
                ),
            ),
            post(
                "in-branch",
                f"{CRDS}?dryRun=All",
                definition(words={"type": "string", "allOf": [{"x-kubernetes-validations": [{"rule": "self != ''"}]}]}),
            ),
        ),
    ),
    Scenario(
        "validation-rules",
        "Objects judged by validation rules: what holds, what fails and how, and changes.",
        (
            namespace("rules"),
            post("crd", CRDS, definition(*numbered(HOLD), *numbered(FAIL))),
            settle("served", RULED),
        ),
        (
            post("every-rule", f"{RULED}?dryRun=All", ruled("one", OBJECT)),
            post("broken", f"{RULED}?dryRun=All", ruled("one", {"min": "x"})),
            post(
                "incomplete",
                f"{RULED}?dryRun=All",
                ruled("one", {k: v for k, v in OBJECT.items() if k not in ("port", "inner", "text")}),
            ),
        ),
    ),
    Scenario(
        "validation-rules-changes",
        "Changes of objects judged by validation rules: transitions, ratcheting, reasons, paths and messages.",
        (
            namespace("changes"),
            post("crd", CRDS, definition(plural="changeds", words=TEXT, small=WHOLE)),
            settle("served", CHANGED),
            post("bad", CHANGED, changed("bad", {"min": 9, "max": 5, "small": 50})),
            patch("rules", f"{CRDS}/changeds.stable.example.com", {"spec": TWICE}),
            # The server takes a changed definition up a moment after it has answered; then it has version v2 too.
            settle("ruled", CHANGED.replace("/v1/", "/v2/")),
        ),
        (
            post("starts-low", f"{CHANGED}?dryRun=All", changed("x", {"min": 0, "max": 1})),
            post("path", f"{CHANGED}?dryRun=All", changed("x", {"min": 9, "max": 5})),
            post("forbidden", f"{CHANGED}?dryRun=All", changed("x", {"min": 1, "max": 100})),
            post("duplicate", f"{CHANGED}?dryRun=All", changed("x", {"min": 1, "max": 50})),
            post("required", f"{CHANGED}?dryRun=All", changed("x", {"min": 1, "max": 51})),
            post("message", f"{CHANGED}?dryRun=All", changed("x", {"min": 1, "max": 52})),
            post("message-blank", f"{CHANGED}?dryRun=All", changed("x", {"min": 1, "max": 53})),
            post("message-made", f"{CHANGED}?dryRun=All", changed("x", {"min": 1, "max": 53, "text": "made"})),
            post("item", f"{CHANGED}?dryRun=All", changed("x", {"min": 1, "max": 5, "words": ["ok", "bad"]})),
            post("create", CHANGED, changed("good", FIRST)),
            patch("shrinks", f"{CHANGED}/good", {"spec": {"min": 1}}),
            patch("fixed", f"{CHANGED}/good", {"spec": {"fixed": "b"}}),
            patch(
                "item-shrinks",
                f"{CHANGED}/good",
                {"spec": {"sizes": [{"name": "b", "size": 1}, {"name": "c", "size": 0}, {"name": "a", "size": 3}]}},
            ),
            patch("grows", f"{CHANGED}/good", {"spec": {"min": 3}}),
            patch("status", f"{CHANGED}/good/status", {"status": {"phase": "done"}}),
            get("read", f"{CHANGED}/good"),
            patch("bad-label", f"{CHANGED}/bad", {"metadata": {"labels": {"a": "b"}}}),
            patch("bad-status", f"{CHANGED}/bad/status", {"status": {"phase": "done"}}),
            patch("bad-more", f"{CHANGED}/bad", {"spec": {"text": "more"}}),
            patch("bad-small", f"{CHANGED}/bad", {"spec": {"small": 60, "min": 9, "max": 9}}),
            put("bad-better", f"{CHANGED}/bad", changed("bad", {"min": 9, "max": 9, "small": 50})),
        ),
    ),
    Scenario(
        "validation-rules-budget",
        "Rules that are cheap enough each and cost too much together on one object.",
        (
            namespace("budget"),
            post("crd", CRDS, crd("costlies", "Costly", COSTLY_SCHEMA)),
            settle("served", COSTLIES),
        ),
        (
            post("within", f"{COSTLIES}?dryRun=All", costly(100)),
            post("beyond", f"{COSTLIES}?dryRun=All", costly(300)),
            post(
                "far-beyond-and-wrong",
                f"{COSTLIES}?dryRun=All",
                named("stable.example.com/v1", "Costly", "costly", spec={"list": [-99] + [0] * 299}),
            ),
        ),
    ),
)
