//! Validation rules (`x-kubernetes-validations`): what they accept, what they say, and where they may stand.

use kcp_schema::Structural;
use kcp_schema::crd;
use serde_json::{Value, json};

/// A schema whose `spec` is `spec`.
fn schema(spec: Value) -> Value {
    json!({"type": "object", "properties": {"spec": spec}})
}

/// The errors of a definition with this schema, without those of anything else.
fn definition(schema: &Value) -> Vec<String> {
    definition_that(schema, false)
}

/// The same of a definition that keeps unknown fields, or does not.
fn definition_that(schema: &Value, preserves: bool) -> Vec<String> {
    let mut crd = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.rules.example.com"},
        "spec": {
            "group": "rules.example.com",
            "scope": "Namespaced",
            "names": {"plural": "things", "kind": "Thing"},
            "preserveUnknownFields": preserves,
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}],
        },
    });
    crd::decode(&mut crd).unwrap();
    crd::default(&mut crd);
    crd::prepare_for_create(&mut crd);
    crd::validate_create(&crd).iter().map(ToString::to_string).collect()
}

fn compile(schema: &Value) -> Structural {
    assert_eq!(definition(schema), Vec::<String>::new());
    Structural::compile(schema).unwrap()
}

fn object(spec: Value) -> Value {
    json!({"apiVersion": "rules.example.com/v1", "kind": "Thing", "metadata": {"name": "one"}, "spec": spec})
}

/// What the rules say of a new object, and of a change.
fn create(schema: &Structural, spec: Value) -> Vec<String> {
    schema.validate_rules(&object(spec), None).errors.iter().map(ToString::to_string).collect()
}

fn update(schema: &Structural, new: Value, old: Value) -> Vec<String> {
    schema.validate_rules(&object(new), Some(&object(old))).errors.iter().map(ToString::to_string).collect()
}

const NONE: [&str; 0] = [];

// kube-api 5.7.6
#[test]
fn a_failed_rule_says_its_message_or_itself() {
    let schema = compile(&schema(json!({
        "type": "object",
        "properties": {
            "min": {"type": "integer"},
            "max": {"type": "integer", "x-kubernetes-validations": [{"rule": "self < 100"}]},
        },
        "x-kubernetes-validations": [
            {"rule": "self.min <= self.max", "message": "min is too large"},
            {"rule": "self.min != 7", "reason": "FieldValueForbidden", "fieldPath": ".min", "message": "not seven"},
            {"rule": "self.max != 8", "messageExpression": "'got %d'.format([self.max])"},
        ],
    })));
    assert_eq!(create(&schema, json!({"min": 1, "max": 2})), NONE);
    assert_eq!(create(&schema, json!({"min": 3, "max": 2})), ["spec: Invalid value: min is too large"]);
    assert_eq!(create(&schema, json!({"min": 7, "max": 9})), ["spec.min: Forbidden: not seven"]);
    assert_eq!(create(&schema, json!({"min": 1, "max": 8})), ["spec: Invalid value: got 8"]);
    assert_eq!(
        create(&schema, json!({"min": 1, "max": 200})),
        ["spec.max: Invalid value: 200: failed rule: self < 100"]
    );
    assert_eq!(
        create(&schema, json!({"min": 1})),
        [
            "spec: Invalid value: \"object\": no such key: max evaluating rule: min is too large",
            "spec: Invalid value: \"object\": no such key: max evaluating rule: self.max != 8",
        ]
    );
}

// kube-api 5.7.6
#[test]
fn a_message_that_is_made_must_be_a_good_one() {
    let rule = |expression: &str| {
        schema(json!({
            "type": "object",
            "properties": {"s": {"type": "string", "maxLength": 6_000}},
            "x-kubernetes-validations": [
                {"rule": "self.s.size() < 1", "message": "too long", "messageExpression": expression},
            ],
        }))
    };
    for (expression, text, message) in [
        ("'not ' + self.s", "x", "not x"),
        ("self.s", " ", "too long"),
        ("self.s", "a\nb", "too long"),
        ("self.s.substring(9)", "x", "too long"),
    ] {
        let schema = compile(&rule(expression));
        assert_eq!(create(&schema, json!({"s": text})), [format!("spec: Invalid value: {message}")], "{expression}");
    }
    let schema = compile(&rule("self.s"));
    assert_eq!(create(&schema, json!({"s": "x".repeat(5_121)})), ["spec: Invalid value: too long"]);
    assert_eq!(create(&schema, json!({"s": "x".repeat(5_120)})).concat().len(), "spec: Invalid value: ".len() + 5_120);
}

// kube-api 5.7.2
#[test]
fn transition_rules_run_where_there_is_an_old_value() {
    let schema = compile(&schema(json!({
        "type": "object",
        "properties": {
            "fixed": {"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "is fixed"}]},
            "grows": {
                "type": "integer",
                "x-kubernetes-validations": [{
                    "rule": "oldSelf.optMap(o, self >= o).orValue(self == 1)",
                    "message": "grows from 1",
                    "optionalOldSelf": true,
                }],
            },
            "items": {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
                "items": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {"name": {"type": "string"}, "size": {"type": "integer"}},
                    "x-kubernetes-validations": [{"rule": "self.size >= oldSelf.size", "message": "shrinks"}],
                },
            },
            "map": {
                "type": "object",
                "additionalProperties": {
                    "type": "integer",
                    "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "changes"}],
                },
            },
        },
    })));
    assert_eq!(create(&schema, json!({"fixed": "a", "grows": 1})), NONE);
    assert_eq!(create(&schema, json!({"grows": 2})), ["spec.grows: Invalid value: 2: grows from 1"]);
    assert_eq!(
        update(&schema, json!({"fixed": "b"}), json!({"fixed": "a"})),
        ["spec.fixed: Invalid value: \"b\": is fixed"]
    );
    assert_eq!(update(&schema, json!({"fixed": "b"}), json!({})), NONE);
    assert_eq!(update(&schema, json!({"grows": 3}), json!({"grows": 2})), NONE);
    assert_eq!(
        update(&schema, json!({"grows": 1}), json!({"grows": 2})),
        ["spec.grows: Invalid value: 1: grows from 1"]
    );
    // Items of a list correspond by their keys, wherever they stand; entries of a map by theirs.
    let old = json!({"items": [{"name": "a", "size": 1}, {"name": "b", "size": 5}], "map": {"x": 1, "y": 2}});
    let new = json!({"items": [{"name": "b", "size": 4}, {"name": "a", "size": 2}, {"name": "c", "size": 0}],
        "map": {"x": 1, "y": 3, "z": 4}});
    assert_eq!(
        update(&schema, new, old),
        ["spec.items[0]: Invalid value: shrinks", "spec.map[y]: Invalid value: 3: changes",]
    );
}

// kube-api 5.7.1, 5.7.2
#[test]
fn old_self_is_refused_where_old_and_new_do_not_correspond() {
    let rules = |list_type: &str, rule: Value| {
        schema(json!({
            "type": "array",
            "maxItems": 10,
            "x-kubernetes-list-type": list_type,
            "items": {"type": "string", "maxLength": 10, "x-kubernetes-validations": [rule]},
        }))
    };
    let at = "spec.validation.openAPIV3Schema.properties[spec]";
    assert_eq!(
        definition(&rules("set", json!({"rule": "self == oldSelf"}))),
        [format!(
            "{at}.items.x-kubernetes-validations[0].rule: Invalid value: \"self == oldSelf\": oldSelf cannot be used on the \
         uncorrelatable portion of the schema within {at}"
        )]
    );
    assert_eq!(definition(&rules("atomic", json!({"rule": "self != ''"}))), NONE);
    assert_eq!(
        definition(&rules("atomic", json!({"rule": "self != ''", "optionalOldSelf": true}))),
        [format!(
            "{at}.items.x-kubernetes-validations[0].optionalOldSelf: Invalid value: true: may not be set if oldSelf is not \
         used in rule"
        )]
    );
}

// kube-api 5.6.8
#[test]
fn a_rule_that_failed_before_is_forgiven_where_nothing_changed() {
    let schema = compile(&schema(json!({
        "type": "object",
        "properties": {
            "a": {"type": "string", "x-kubernetes-validations": [{"rule": "self == 'good'", "message": "be good"}]},
            "b": {"type": "string"},
            "list": {"type": "array", "x-kubernetes-list-type": "set", "items": {
                "type": "string", "x-kubernetes-validations": [{"rule": "self != 'bad'", "message": "bad item"}],
            }},
        },
        "x-kubernetes-validations": [{"rule": "self.b != 'bad'", "message": "bad b"}],
    })));
    let old = json!({"a": "bad", "b": "bad", "list": ["bad"]});
    let verdict = schema.validate_rules(&object(old.clone()), Some(&object(old.clone())));
    assert!(verdict.errors.is_empty(), "{:?}", verdict.errors);
    assert_eq!(
        verdict.warnings,
        [
            "spec: Invalid value: bad b",
            "spec.a: Invalid value: \"bad\": be good",
            "spec.list[0]: Invalid value: \"bad\": bad item",
        ]
    );
    // The field is as it was, the object around it is not, and neither is the list around the item.
    let new = json!({"a": "bad", "b": "bad", "list": ["bad", "other"]});
    assert_eq!(
        update(&schema, new, old),
        ["spec: Invalid value: bad b", "spec.list[0]: Invalid value: \"bad\": bad item",]
    );
}

// kube-api 5.7.7
#[test]
fn rules_are_not_asked_about_an_object_that_breaks_its_schema() {
    let schema = schema(json!({
        "type": "object",
        "required": ["a"],
        "properties": {"a": {"type": "string"}, "n": {"type": "integer", "maximum": 5}},
        "x-kubernetes-validations": [{"rule": "false", "message": "never"}],
    }));
    let crd = json!({"spec": {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": schema}}]}});
    let definition = crd::Definition::parse(&crd, &kcp_schema::Pool::new()).unwrap();
    let say = |spec: Value| -> Vec<String> {
        definition.versions[0].validate(&object(spec), None).errors.iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        say(json!({})),
        [
            "spec.a: Required value",
            "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct \
         the existing errors to complete validation",
        ]
    );
    // A bound that is missed is no reason not to ask.
    assert_eq!(
        say(json!({"a": "x", "n": 6})),
        ["spec.n: Invalid value: 6: spec.n in body should be less than or equal to 5", "spec: Invalid value: never",]
    );
}

// kube-api 5.7.3
#[test]
fn expressions_see_what_the_schema_declares_and_nothing_else() {
    let schema = json!({
        "type": "object",
        "properties": {"spec": {
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": true,
            "properties": {
                "a.b": {"type": "string"},
                "x-y": {"type": "string"},
                "namespace": {"type": "string"},
                "port": {"x-kubernetes-int-or-string": true},
                "when": {"type": "string", "format": "date-time"},
                "long": {"type": "string", "format": "duration"},
                "data": {"type": "string", "format": "byte"},
                "set": {"type": "array", "x-kubernetes-list-type": "set", "maxItems": 9, "items": {"type": "string", "maxLength": 9}},
                "embedded": {"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true},
            },
            "x-kubernetes-validations": [
                {"rule": "self.a__dot__b == 'q' && self.x__dash__y == 'r' && self.__namespace__ == 's'"},
                {"rule": "type(self.port) == int ? self.port < 100 : self.port == 'http'"},
                {"rule": "self.when < timestamp('2030-01-01T00:00:00Z') && self.long < duration('2h') && self.data == b'hi'"},
                {"rule": "self.set == ['b', 'a']"},
                {"rule": "self.embedded.metadata.name == 'e' && self.embedded.kind == 'E'"},
            ],
        }},
        "x-kubernetes-validations": [{"rule": "self.metadata.name != 'two' && self.kind == 'Thing'"}],
    });
    let compiled = compile(&schema);
    let good = json!({"a.b": "q", "x-y": "r", "namespace": "s", "port": "http", "when": "2024-01-01T00:00:00Z",
        "long": "1h", "data": "aGk=", "set": ["a", "b"], "unknown": 1,
        "embedded": {"apiVersion": "v1", "kind": "E", "metadata": {"name": "e"}}});
    assert_eq!(create(&compiled, good.clone()), NONE);
    let mut bad = good;
    bad["port"] = 100.into();
    bad["long"] = "3h".into();
    assert_eq!(create(&compiled, bad).len(), 2);
    for (rule, what) in [
        ("self.unknown == 1", "undefined field 'unknown'"),
        ("self.embedded.metadata.labels.size() == 0", "undefined field 'labels'"),
        ("self.spec == self", "undefined field 'spec'"),
        ("nobody == 1", "undeclared reference to 'nobody' (in container '')"),
    ] {
        let mut schema = schema.clone();
        schema["properties"]["spec"]["x-kubernetes-validations"] = json!([{ "rule": rule }]);
        let errors = definition(&schema);
        assert!(errors.len() == 1 && errors[0].contains(what), "{rule}: {errors:?}");
    }
}

// kube-api 5.7.4
#[test]
fn what_does_not_compile_is_shown_with_a_mark_below_it() {
    let rules = |rule: Value| {
        schema(json!({"type": "object", "properties": {"n": {"type": "integer"}}, "x-kubernetes-validations": [rule]}))
    };
    let at = "spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0]";
    let printed = |rule: &str, message: &str| {
        let (rule, message) = (json!(rule).to_string(), json!(message).to_string());
        let (rule, message) = (rule.replace('>', "\\u003e"), message.replace('>', "\\u003e"));
        format!(
            "Invalid value: {{\"Rule\":{rule},\"Message\":\"\",\"MessageExpression\":{message},\"Reason\":null,\
             \"FieldPath\":\"\",\"OptionalOldSelf\":null}}"
        )
    };
    for (rule, detail) in [
        ("self.foo > 1", "compilation failed: ERROR: <input>:1:5: undefined field 'foo'\n | self.foo > 1\n | ....^"),
        (
            "self.n == 'a'",
            "compilation failed: ERROR: <input>:1:8: found no matching overload for '_==_' applied to '(int, string)'\n \
             | self.n == 'a'\n | .......^",
        ),
        ("self.n", "cel expression must evaluate to a bool"),
        (
            "'é' == 'ö' || self.x",
            "compilation failed: ERROR: <input>:1:19: undefined field 'x'\n | 'é' == 'ö' || self.x\n | .\u{ff0e}......\u{ff0e}.........^",
        ),
        (
            "self.n + ",
            "compilation failed: ERROR: <input>:1:10: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', \
             '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | \
             self.n + \n | .........^",
        ),
        ("int('x') == 1", "program instantiation failed: type conversion error from 'string' to 'int'"),
    ] {
        assert_eq!(
            definition(&rules(json!({ "rule": rule }))),
            [format!("{at}.rule: {}: {detail}", printed(rule, ""))]
        );
    }
    let rule = json!({"rule": "self.n == 1", "messageExpression": "self.n"});
    assert_eq!(
        definition(&rules(rule)),
        [format!(
            "{at}.messageExpression: {}: messageExpression must evaluate to a string",
            printed("self.n == 1", "self.n")
        )]
    );
}

// kube-api 5.7.5
#[test]
fn rules_that_could_cost_too_much_are_refused() {
    let schema_of = |max_items: Option<u32>| {
        let mut list = json!({"type": "array", "items": {"type": "string", "maxLength": 100}});
        if let Some(max) = max_items {
            list["maxItems"] = max.into();
        }
        let rule = json!([{"rule": "self.list.all(a, self.list.all(b, a == b || a != b))"}]);
        schema(json!({"type": "object", "properties": {"list": list}, "x-kubernetes-validations": rule}))
    };
    assert_eq!(definition(&schema_of(Some(100))), NONE);
    let hint = "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and \
                strings are declared)";
    let rule = "spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].rule";
    let errors = definition(&schema_of(Some(600)));
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].starts_with(&format!("{rule}: Forbidden: estimated rule cost exceeds budget by factor of ")));
    assert_eq!(
        definition(&schema_of(None)),
        [
            format!("{rule}: Forbidden: estimated rule cost exceeds budget by factor of more than 100x {hint}"),
            format!(
                "{rule}: Forbidden: contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 \
             schema"
            ),
            format!(
                "spec.validation.openAPIV3Schema: Forbidden: x-kubernetes-validations estimated rule cost total for entire \
             OpenAPIv3 schema exceeds budget by factor of more than 100x {hint}"
            ),
        ]
    );
}

// kube-api 5.7.5
#[test]
fn rules_that_do_cost_too_much_are_stopped() {
    // What was stored before there were limits still runs, up to the limit of one expression and of all of them.
    let schema_of = |rules: Value| {
        Structural::compile(&schema(json!({
            "type": "object",
            "properties": {"list": {"type": "array", "items": {"type": "integer"}}},
            "x-kubernetes-validations": rules,
        })))
        .unwrap()
    };
    let list: Vec<usize> = (0..2_000).collect();
    let cubed = json!([{"rule": "self.list.all(a, self.list.all(b, self.list.all(c, a + b + c >= 0)))"}]);
    assert_eq!(
        create(&schema_of(cubed), json!({"list": list})),
        ["spec: Invalid value: \"object\": 'operation cancelled: actual cost limit exceeded': no further validation \
         rules will be run due to call cost exceeds limit for rule: self.list.all(a, self.list.all(b, self.list.all(c, a \
         + b + c >= 0)))"]
    );
    let many = json!(vec![json!({"rule": "self.list.all(a, self.list[0] <= a && a < 5000)"}); 900]);
    let errors = create(&schema_of(many), json!({"list": list}));
    assert_eq!(
        errors,
        [
            "spec: Invalid value: \"object\": validation failed due to running out of cost budget, no further validation \
         rules will be run"
        ]
    );
}

/// Expressions made to hurt: each is refused or stopped, and nothing takes long or much.
#[test]
fn hostile_expressions_are_refused_or_stopped() {
    let try_rule = |rule: &str| {
        let schema = schema(json!({
            "type": "object",
            "properties": {"s": {"type": "string"}, "list": {"type": "array", "items": {"type": "string"}}},
            "x-kubernetes-validations": [{ "rule": rule }],
        }));
        let refused = definition(&schema);
        let compiled = Structural::compile(&schema).unwrap();
        let spec = json!({"s": "a".repeat(100_000), "list": vec!["a".repeat(1_000); 1_000]});
        let said = create(&compiled, spec);
        assert!(!refused.is_empty() || !said.is_empty(), "{rule:.200}");
        said.into_iter().chain(refused).collect::<Vec<_>>().join("\n")
    };
    let nested = |inner: &str, around: &dyn Fn(&str) -> String, times: usize| {
        (0..times).fold(inner.to_owned(), |inner, _| around(&inner))
    };
    let too_deep = "ERROR: <input>:-1:0: expression recursion limit exceeded: 250";
    assert!(try_rule(&nested("true", &|inner| format!("({inner})"), 5_000)).contains(too_deep));
    assert!(try_rule(&format!("{}1 > 0", "1 + ".repeat(20_000))).contains(too_deep));
    assert!(try_rule(&format!("{}true", "true ? true : ".repeat(5_000))).contains(too_deep));
    assert!(try_rule(&"[".repeat(90_000)).contains(too_deep));
    assert!(try_rule(&format!("self{} == 1", ".s".repeat(40_000))).contains(too_deep));
    assert!(try_rule(&format!("'{}' == ''", "a".repeat(100_001))).contains("expression code point size exceeds limit"));
    // Comprehensions inside each other; doubling texts and lists; ranges and patterns without end.
    let looped = nested("true", &|inner| format!("self.list.all(x, {inner})"), 6);
    assert!(try_rule(&looped).contains("cost limit exceeded"));
    let doubled = nested("optional.of([self.s])", &|inner| format!("{inner}.optMap(x, x + x)"), 12);
    try_rule(&format!("{doubled}.value().size() < 0"));
    assert!(try_rule("lists.range(9223372036854775807).size() == 0").contains("exceeds maximum allowed (1000000)"));
    assert!(try_rule("self.list.map(x, self.s).join('').size() < 0").contains("cost limit exceeded"));
    assert!(try_rule("self.s.replace('', self.s).size() < 0").contains("cost limit exceeded"));
    try_rule("!self.s.matches('^(a+)+$') || self.s.matches('((a{1,100}){1,100}){1,100}b')");
    try_rule("self.list.all(x, self.s.matches(x + '(' + x + '{1,500}){1,500}'))");
    try_rule("self.list.all(x, x.find('(' + x + '*)*').size() < 0)");
    try_rule(&format!("{} == 1", "'%s'.format([".repeat(60)));
}

/// Compiling takes time: a definition cannot bring more rules than are compiled in a moment.
#[test]
fn too_many_rules_are_refused_before_they_are_compiled() {
    let many = |count: usize, rule: &str| {
        schema(json!({"type": "object", "x-kubernetes-validations": vec![json!({ "rule": rule }); count]}))
    };
    let at = "spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations";
    let detail = "must not have more than 2000 rules or 300000 bytes of expressions in a schema";
    assert_eq!(definition(&many(2_001, "true")), [format!("{at}: Forbidden: {detail}")]);
    let long = format!("'{}' != ''", "x".repeat(90_000));
    assert_eq!(definition(&many(4, &long)), [format!("{at}: Forbidden: {detail}")]);
}

#[test]
fn defaults_need_unknown_fields_to_be_dropped() {
    let text = json!({"type": "string"});
    let filled = json!({"type": "string", "default": "x"});
    let inside = |schema: &Value| {
        let list = json!({"type": "array", "items": {"type": "object", "additionalProperties": schema}});
        json!({"type": "object", "properties": {"list": list}})
    };
    let refused =
        "spec.preserveUnknownFields: Invalid value: true: must be false in order to use defaults in the schema";
    let told = |spec: &Value, preserves: bool| {
        definition_that(&schema(spec.clone()), preserves).iter().any(|error| error == refused)
    };
    assert!(told(&inside(&filled), true));
    assert!(!told(&inside(&filled), false) && !told(&inside(&text), true));
    // A field that is called so is no default.
    assert!(!told(&json!({"type": "object", "properties": {"default": text}}), true));
}
