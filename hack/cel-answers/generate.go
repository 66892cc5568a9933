package main

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"strings"
)

const schemaText = `{"type":"object","properties":{"spec":{"type":"object","properties":{
"s":{"type":"string","maxLength":20},"t":{"type":"string"},"e":{"type":"string","enum":["a","bb","ccc"]},
"n":{"type":"integer"},"k":{"type":"integer","format":"int32","minimum":0},"d":{"type":"number"},"b":{"type":"boolean"},
"l":{"type":"array","maxItems":10,"items":{"type":"string","maxLength":10}},"u":{"type":"array","items":{"type":"string"}},
"i":{"type":"array","maxItems":5,"items":{"type":"integer"}},
"m":{"type":"object","maxProperties":4,"additionalProperties":{"type":"string","maxLength":8}},
"c":{"type":"object","additionalProperties":{"type":"integer"}},
"set":{"type":"array","x-kubernetes-list-type":"set","maxItems":6,"items":{"type":"string","maxLength":9}},
"o":{"type":"object","properties":{"s":{"type":"string","maxLength":7},"n":{"type":"integer"},
 "sub":{"type":"object","properties":{"l":{"type":"array","maxItems":3,"items":{"type":"string"}}}}}},
"rows":{"type":"array","maxItems":4,"x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["name"],
 "items":{"type":"object","required":["name"],"properties":{"name":{"type":"string","maxLength":5},"n":{"type":"integer"}}}},
"at":{"type":"string","format":"date-time"},"took":{"type":"string","format":"duration"},
"raw":{"type":"string","format":"byte"},
"x":{"x-kubernetes-int-or-string":true},"z":{"type":"string","nullable":true}}}}}`

var objectTexts = []string{
	`{"s":"hello","t":"a longer text, with päts","e":"bb","n":3,"k":7,"d":1.5,"b":true,"l":["b","a","hello"],"u":["u"],
"i":[3,1,2],"m":{"a":"x"},"c":{"one":1},"set":["q","p"],"o":{"s":"os","n":-4,"sub":{"l":["deep"]}},
"rows":[{"name":"r1","n":1},{"name":"r2"}],"at":"2024-02-29T12:34:56Z","took":"1h2m3s","raw":"aGVsbG8=","x":5,"z":"z"}`,
	`{"s":"","t":"","n":0,"k":0,"d":0,"b":false,"l":[],"u":[],"i":[],"m":{},"c":{},"set":[],"o":{},"rows":[],
"at":"1970-01-01T00:00:00Z","took":"0s","raw":"","x":"50%","z":null}`,
	`{"s":"10.0.0.1","t":"https://user@example.com:8080/a/b?q=1&q=2#f","n":-9223372036854775808,"k":1,"d":2,"b":true,
"l":["1.2.3"],"i":[9223372036854775807,1],"m":{"k":"10Mi"},"set":["ä","€"],"rows":[{"name":"only","n":9}],"x":"text","o":{"n":1}}`,
	`{}`,
}

func madeUp() setting {
	s := setting{Schema: json.RawMessage(schemaText)}
	for _, text := range objectTexts {
		s.Objects = append(s.Objects, json.RawMessage(text))
	}
	return s
}

// Templates by the type they make; {type} stands for an expression of a type, {type$x:elem} for one in which the name x
// of an element type is known.
var templates = map[string][]string{
	"bool": {
		"true", "false", "self.b", "{bool} && {bool}", "{bool} || {bool}", "!{bool}", "({bool} ? {bool} : {bool})",
		"{int} == {int}", "{int} < {int}", "{int} >= {int}", "{double} <= {double}", "{string} == {string}",
		"{string} != {string}", "{string} < {string}", "{string} > {string}", "{texts} == {texts}", "{ints} != {ints}",
		"{map} == {map}", "{string} in {texts}", "{int} in {ints}", "{string} in {map}", "{string}.contains({string})",
		"{string}.startsWith({string})", "{string}.endsWith({string})", "{string}.matches({string})",
		"{string}.matches('^[a-z]+$')", "has(self.s)", "has(self.o.s)", "has(self.rows)", "has(self.m.a)", "has(self.o.sub.l)",
		"{texts}.all(V, {bool$V:string})", "{texts}.exists(V, {bool$V:string})", "{ints}.exists_one(V, {bool$V:int})",
		"{ints}.all(V, {bool$V:int})", "{map}.all(V, {bool$V:string})", "{map}.exists(V, {bool$V:string})",
		"{texts}.isSorted()", "{ints}.isSorted()", "isURL({string})", "isIP({string})", "isCIDR({string})",
		"isQuantity({string})", "isSemver({string})", "ip.isCanonical({string})", "{ip}.isLoopback()", "{ip}.isGlobalUnicast()",
		"{cidr}.containsIP({string})", "{cidr}.containsIP({ip})", "{cidr}.containsCIDR({string})", "{cidr}.containsCIDR({cidr})",
		"{ip} == {ip}", "{cidr} == {cidr}", "{quantity} == {quantity}", "{quantity}.isGreaterThan({quantity})",
		"{quantity}.isInteger()", "{semver}.isLessThan({semver})", "{semver} == {semver}", "{url} == {url}",
		"{time} < {time}", "{time} == {time}", "{duration} > {duration}", "{bytes} == {bytes}", "{any} == {any}",
		"{any} == {int}", "{any} == {string}", "type({any}) == int", "type({any}) == string", "{any} < {int}",
		"sets.contains({texts}, {texts})", "sets.intersects({ints}, {ints})", "sets.equivalent({texts}, {texts})",
		"{optional}.hasValue()", "{optional} == {optional}", "format.dns1123Label().validate({string}).hasValue()",
		"!format.named({string}).hasValue()", "{rows}.all(V, {bool$V:row})", "{rows}.exists(V, {bool$V:row})",
		"bool({string})", "self.rows == self.rows", "self.o == self.o", "{uint} == {uint}", "{uint} < {uint}",
		"{map}.all(V, W, {bool$V:string$W:string})", "{texts}.exists(V, W, {bool$V:int$W:string})", "[{bool}, {bool}][{int}]",
		"{maps}.exists(V, {bool})", "{double} == {double}", "duration({string}) == {duration}",
	},
	"int": {
		"0", "1", "2", "-7", "9223372036854775807", "self.n", "self.k", "self.o.n", "{int} + {int}", "{int} - {int}", "{int} * {int}",
		"{int} / {int}", "{int} % {int}", "-({int})", "size({string})", "{texts}.size()", "size({map})", "size({bytes})", "{ints}[{int}]",
		"({bool} ? {int} : {int})", "({bool} ? self.n : self.k)", "({bool} ? self.i : {ints})[{int}]", "int({string})", "int({double})",
		"int({any})", "{ints}.sum()", "{ints}.max()", "{ints}.min()", "{ints}.indexOf({int})", "{texts}.lastIndexOf({string})",
		"{string}.indexOf({string})", "{string}.lastIndexOf({string})", "{ip}.family()", "{cidr}.prefixLength()",
		"{quantity}.sign()", "{quantity}.asInteger()", "{quantity}.compareTo({quantity})", "{semver}.major()", "{semver}.compareTo({semver})",
		"{time}.getFullYear()", "{time}.getHours('America/New_York')", "{time}.getDayOfWeek()", "{duration}.getSeconds()",
		"{duration}.getMinutes()", "self.c[{string}]", "self.c['one']", "self.rows[{int}].n", "int({time})", "int({uint})",
		"optional.of({int}).orValue({int})", "self.?o.?n.orValue({int})", "self.c[?{string}].orValue({int})", "self.i[?{int}].orValue({int})",
		"({bool} ? self : self).n", "({bool} ? self.o : self.o).n", "{ints}.filter(V, {bool$V:int})[{int}]", "(self.i + {ints})[{int}]",
	},
	"uint":   {"1u", "0u", "{uint} + {uint}", "{uint} - {uint}", "uint({int})", "uint({string})", "{uint} / {uint}", "{uint} * {uint}"},
	"double": {"0.5", "1.0", "-2.25", "1e300", "self.d", "{double} + {double}", "{double} * {double}", "{double} / {double}", "double({int})", "double({string})", "-({double})", "{quantity}.asApproximateFloat()", "({bool} ? {double} : {double})"},
	"string": {
		"''", "'a'", "'hello'", "'ä€'", "'A-b.C'", "'10.0.0.1'", "'::1'", "'10.0.0.0/8'", "'1.2.3'", "'10Mi'", "'http://a/b'", "'dns1123Label'",
		"self.s", "self.t", "self.e", "self.o.s", "self.z", "{string} + {string}", "{texts}[{int}]", "{map}[{string}]", "self.m.a", "self.l[{int}]",
		"({bool} ? {string} : {string})", "({bool} ? self.s : self.t)", "({bool} ? self.l : {texts})[{int}]", "string({int})", "string({double})",
		"string({bytes})", "string({any})", "string({bool})", "string({time})", "string({duration})", "string({ip})", "string({cidr})",
		"{string}.lowerAscii()", "{string}.upperAscii()", "{string}.trim()", "{string}.replace({string}, {string})", "{string}.replace({string}, {string}, {int})",
		"{string}.substring({int})", "{string}.substring({int}, {int})", "{string}.charAt({int})", "{texts}.join()", "{texts}.join({string})",
		"{string}.find({string})", "{string}.find('[a-z]+')", "'%s and %d'.format([{string}, {int}])", "'%s'.format([{texts}])", "strings.quote({string})",
		"{texts}.max()", "{texts}.min()", "{url}.getScheme()", "{url}.getHost()", "{url}.getHostname()", "{url}.getPort()", "{url}.getEscapedPath()",
		"{optional}.value()", "{optional}.orValue({string})", "self.?s.orValue({string})", "self.m[?{string}].orValue({string})", "string(self.at)",
		"self.rows[{int}].name", "({bool} ? self.rows : self.rows)[{int}].name", "{map}.filter(V, {bool$V:string})[{int}]", "type({any}) == int ? {string} : {string}",
		"self.o.sub.l[{int}]", "{texts}.map(V, {string$V:string})[{int}]", "string({semver}.major())", "({bool} ? self.m : self.m)[{string}]", "(self.?o.orValue(self.o)).s",
	},
	"texts": {
		"self.l", "self.u", "self.set", "self.o.sub.l", "[{string}]", "[{string}, {string}]", "['a', 'b', 'c']", "{texts} + {texts}", "({bool} ? {texts} : {texts})",
		"{texts}.map(V, {string$V:string})", "{texts}.filter(V, {bool$V:string})", "{map}.map(V, {string$V:string})", "{texts}.map(V, {bool$V:string}, {string$V:string})",
		"{string}.split({string})", "{string}.split({string}, {int})", "{string}.findAll({string})", "{string}.findAll('[a-z]', {int})", "{ints}.map(V, {string$V:int})",
		"{texts}.slice({int}, {int})", "{texts}.distinct()", "{texts}.reverse()", "{texts}.sort()", "{texts}.sortBy(V, {string$V:string})", "[{texts}, {texts}].flatten()",
		"{rows}.map(V, {string$V:row})", "[?{optional}, {string}]", "{url}.getQuery()[{string}]", "(self.set + {texts})", "{texts}.transformList(V, W, {string$V:int$W:string})",
	},
	"ints": {
		"self.i", "[]", "[{int}]", "[1, 2, 3]", "[{int}, {int}]", "{ints} + {ints}", "({bool} ? self.i : {ints})", "{ints}.map(V, {int$V:int})", "{ints}.filter(V, {bool$V:int})",
		"{texts}.map(V, {int$V:string})", "lists.range({int})", "lists.range(3)", "{ints}.sort()", "{ints}.distinct()", "{ints}.reverse()", "[[1, 2], {ints}].flatten()", "{ints}.slice(0, {int})",
	},
	"map": {
		"self.m", "{}", "{'a': {string}}", "{{string}: {string}}", "({bool} ? self.m : {map})", "{map}.transformMap(V, W, {string$V:string$W:string})",
		"{texts}.transformMapEntry(V, W, {string$W:string: W})", "{map}.transformMap(V, W, {bool$V:string$W:string}, {string$V:string$W:string})", "{?'k': {optional}}",
	},
	"maps":     {"[{map}]", "[self.m, {map}]"},
	"rows":     {"self.rows", "({bool} ? self.rows : self.rows)", "self.rows.filter(V, {bool$V:row})", "(self.rows + self.rows)"},
	"bytes":    {"b'abc'", "self.raw", "bytes({string})", "{bytes} + {bytes}"},
	"time":     {"self.at", "timestamp('2024-01-01T00:00:00Z')", "{time} + {duration}", "{time} - {duration}", "timestamp({string})", "timestamp({int})"},
	"duration": {"self.took", "duration('90s')", "{time} - {time}", "{duration} + {duration}", "duration({string})"},
	"any":      {"self.x", "self.x", "dyn({int})", "dyn({string})", "({bool} ? self.x : self.x)", "dyn({texts})", "dyn({double})"},
	"ip":       {"ip('10.0.0.1')", "ip('fe80::1')", "ip({string})", "{cidr}.ip()", "ip(self.s)"},
	"cidr":     {"cidr('10.0.0.0/8')", "cidr('2001:db8::/32')", "cidr({string})", "{cidr}.masked()"},
	"quantity": {"quantity('10Mi')", "quantity('1.5')", "quantity({string})", "{quantity}.add({quantity})", "{quantity}.sub({int})", "{quantity}.add({int})"},
	"semver":   {"semver('1.2.3')", "semver({string})", "semver('v1.0', true)", "semver({string}, {bool})"},
	"url":      {"url('https://example.com:80/a?b=c')", "url({string})", "url(self.t)"},
	"optional": {"optional.of({string})", "optional.none()", "self.?s", "self.?o.?s", "self.m[?{string}]", "self.l[?{int}]", "optional.ofNonZeroValue({string})", "{optional}.or({optional})", "{optional}.optMap(V, {string$V:string})", "{optional}.optFlatMap(V, {optional$V:string})"},
	"row":      {"self.rows[{int}]"},
}

// What a name of a type can be part of.
var ofLocal = map[string]map[string][]string{
	"string": {"string": {"V"}, "bool": {"V == {string}", "V.startsWith({string})", "size(V) > {int}"}, "int": {"size(V)"}},
	"int":    {"int": {"V"}, "bool": {"V > {int}", "V % 2 == 0"}, "string": {"string(V)"}},
	"row":    {"string": {"V.name"}, "bool": {"has(V.n)", "V.n > {int}", "V.name == {string}"}, "int": {"V.n"}},
}

type generator struct {
	random *rand.Rand
	names  int
}

type local struct{ name, kind string }

func (g *generator) pick(from []string) string { return from[g.random.Intn(len(from))] }

func (g *generator) rule() string { return g.make("bool", 2+g.random.Intn(4), nil) }

func (g *generator) make(kind string, depth int, known []local) string {
	if len(known) > 0 && g.random.Intn(3) == 0 {
		l := known[g.random.Intn(len(known))]
		if choices := ofLocal[l.kind][kind]; choices != nil {
			return g.fill(strings.ReplaceAll(g.pick(choices), "V", l.name), depth-1, known, "")
		}
	}
	choices := templates[kind]
	if depth <= 0 {
		var leaves []string
		for _, choice := range choices {
			if !strings.Contains(strings.ReplaceAll(choice, "{}", ""), "{") {
				leaves = append(leaves, choice)
			}
		}
		if leaves != nil {
			return g.pick(leaves)
		}
	}
	return g.fill(g.pick(choices), depth-1, known, fmt.Sprintf("v%d", g.names))
}

// fill replaces the parts of a template. Braces that hold no type stay.
func (g *generator) fill(template string, depth int, known []local, fresh string) string {
	if fresh != "" {
		g.names++
	}
	var out strings.Builder
	for at := 0; at < len(template); at++ {
		end := strings.IndexByte(template[at:], '}')
		if template[at] == '{' && end > 1 {
			parts := strings.Split(template[at+1:at+end], "$")
			if _, isType := templates[parts[0]]; isType {
				inner := known
				for _, part := range parts[1:] {
					name, kind, _ := strings.Cut(part, ":")
					if kind != "" {
						inner = append(inner[:len(inner):len(inner)], local{strings.ToLower(name) + fresh, kind})
					}
				}
				made := g.make(parts[0], depth, inner)
				if !strings.HasPrefix(made, "self.") && strings.ContainsAny(made, " ?") || strings.HasPrefix(made, "-") || strings.HasPrefix(made, "!") {
					made = "(" + made + ")"
				}
				out.WriteString(made)
				at += end
				continue
			}
		}
		if (template[at] == 'V' || template[at] == 'W') && fresh != "" && (at == 0 || strings.IndexByte("( ", template[at-1]) >= 0) {
			out.WriteString(strings.ToLower(template[at:at+1]) + fresh)
			continue
		}
		out.WriteByte(template[at])
	}
	return out.String()
}
