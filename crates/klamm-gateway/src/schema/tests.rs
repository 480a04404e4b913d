//! Schemas and values, as the standard's own examples have them.

use super::Schema;
use proptest::prelude::*;
use serde_json::{Value, json};

fn schema(schema: &Value) -> Schema {
    Schema::parse(schema.to_string().as_bytes()).unwrap_or_else(|wrong| panic!("{schema}: {wrong}"))
}

/// Where `value` is wrong; `None` if it is right.
fn wrong(by: &Value, value: &Value) -> Option<String> {
    schema(by).check(value.to_string().as_bytes()).err().map(|mismatch| mismatch.pointer)
}

#[test]
fn each_word_holds_what_it_says() {
    let number = json!({"type": "number"});
    let table: [(Value, &[Value], &[Value]); 32] = [
        (json!(true), &[json!(null), json!({})], &[]),
        (json!(false), &[], &[json!(null), json!({})]),
        (
            json!({"type": "integer"}),
            &[json!(1), json!(1.0), json!(u64::MAX)],
            &[json!(1.5), json!("1")],
        ),
        (
            json!({"type": ["null", "boolean"]}),
            &[json!(null), json!(false)],
            &[json!(0), json!([])],
        ),
        (
            json!({"enum": [1, "a", {"b": [2]}]}),
            &[json!(1.0), json!({"b": [2.0]})],
            &[json!("1"), json!({})],
        ),
        (json!({"const": null}), &[json!(null)], &[json!(false)]),
        (json!({"minimum": 1}), &[json!(1), json!(1.5), json!("0")], &[json!(0.99)]),
        (json!({"maximum": u64::MAX}), &[json!(u64::MAX)], &[json!(1e20)]),
        (json!({"exclusiveMinimum": 1}), &[json!(1.1)], &[json!(1), json!(1.0)]),
        (json!({"exclusiveMaximum": 1}), &[json!(0)], &[json!(1)]),
        (json!({"multipleOf": 0.1}), &[json!(0.3), json!(2)], &[json!(0.35)]),
        (json!({"multipleOf": 3}), &[json!(9), json!(0)], &[json!(10)]),
        (json!({"minLength": 2}), &[json!("\u{1f600}a"), json!(1)], &[json!("\u{1f600}")]),
        (json!({"maxLength": 2.0}), &[json!("ab")], &[json!("abc")]),
        (json!({"pattern": "^a\\d"}), &[json!("a1b"), json!(1)], &[json!("ba1")]),
        (json!({"minItems": 1}), &[json!([1])], &[json!([])]),
        (json!({"maxItems": 1}), &[json!([1])], &[json!([1, 2])]),
        (json!({"uniqueItems": true}), &[json!([1, "1", true])], &[json!([1, 1.0])]),
        (json!({"uniqueItems": false}), &[json!([1, 1])], &[]),
        (
            json!({"prefixItems": [number], "items": false}),
            &[json!([]), json!([1])],
            &[json!(["a"]), json!([1, 2])],
        ),
        (json!({"contains": number}), &[json!(["a", 1])], &[json!([]), json!(["a"])]),
        (
            json!({"contains": number, "minContains": 0, "maxContains": 1}),
            &[json!([]), json!([1])],
            &[json!([1, 2])],
        ),
        (json!({"required": ["a"]}), &[json!({"a": null}), json!([])], &[json!({"b": 1})]),
        (
            json!({"minProperties": 1, "maxProperties": 1}),
            &[json!({"a": 1})],
            &[json!({}), json!({"a": 1, "b": 2})],
        ),
        (
            json!({"properties": {"a": number}, "patternProperties": {"^x": {"type": "string"}}, "additionalProperties": false}),
            &[json!({"a": 1, "x1": ""})],
            &[json!({"a": ""}), json!({"x": 1}), json!({"b": 1})],
        ),
        (json!({"propertyNames": {"maxLength": 1}}), &[json!({"a": 1})], &[json!({"ab": 1})]),
        (
            json!({"dependentRequired": {"a": ["b"]}}),
            &[json!({"b": 1}), json!({"a": 1, "b": 1})],
            &[json!({"a": 1})],
        ),
        (json!({"dependentSchemas": {"a": {"required": ["b"]}}}), &[json!({})], &[json!({"a": 1})]),
        (json!({"allOf": [number, {"minimum": 2}]}), &[json!(2)], &[json!(1), json!("2")]),
        (
            json!({"anyOf": [number, {"minLength": 2}], "not": {"const": 7}}),
            &[json!(1), json!("ab")],
            &[json!("a"), json!(7)],
        ),
        (
            json!({"oneOf": [{"multipleOf": 2}, {"multipleOf": 3}]}),
            &[json!(2), json!(3)],
            &[json!(6), json!(1)],
        ),
        (
            json!({"if": {"minimum": 10}, "then": {"multipleOf": 10}, "else": {"minimum": 0}}),
            &[json!(20), json!(3)],
            &[json!(11), json!(-1)],
        ),
    ];
    for (by, right, others) in table {
        for value in right {
            assert_eq!(wrong(&by, value), None, "{by} {value}");
        }
        for value in others {
            assert!(wrong(&by, value).is_some(), "{by} {value}");
        }
    }
}

#[test]
fn the_place_is_told_and_the_value_is_not() {
    let by = json!({
        "$defs": {"line": {"type": "object", "required": ["sku"], "properties": {"a/b~": {"maximum": 5}}}},
        "properties": {"lines": {"items": {"$ref": "#/$defs/line"}}},
    });
    assert_eq!(wrong(&by, &json!({"lines": [{"sku": 1}, {}]})).as_deref(), Some("/lines/1"));
    let deep = json!({"lines": [{"sku": 1, "a/b~": 6}]});
    assert_eq!(wrong(&by, &deep).as_deref(), Some("/lines/0/a~1b~0"));
    let told = schema(&by).check(deep.to_string().as_bytes()).unwrap_err().to_string();
    assert_eq!(told, "at \"/lines/0/a~1b~0\": expected at most 5");
    assert_eq!(schema(&by).check(b"{").unwrap_err().reason, "it is not JSON");
}

#[test]
fn references_may_lead_back() {
    let tree =
        json!({"type": "object", "properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}});
    assert_eq!(wrong(&tree, &json!({"left": {"right": {"left": {}}}})), None);
    assert_eq!(wrong(&tree, &json!({"left": {"right": 1}})).as_deref(), Some("/left/right"));
    let told = |by: Value, value: &str| schema(&by).check(value.as_bytes()).unwrap_err().reason;
    let circle = json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"});
    assert!(told(circle, "1").contains("too long"));
    let not = json!({"not": {"$ref": "#"}});
    assert!(told(not, "1").contains("too long"), "what cannot be found out is not the contrary");
    // Each level would be gone into twice, and all below it for each of the two.
    let alternative =
        |name: &str| json!({"allOf": [{"properties": {"a": {"$ref": "#"}}}, {"required": [name]}]});
    let both = json!({"anyOf": [alternative("b"), alternative("c"), {"const": 1}]});
    let deep = |levels| format!("{}0{}", "{\"a\":".repeat(levels), "}".repeat(levels));
    assert!(told(both.clone(), &deep(2)).contains("alternatives"));
    assert!(told(both, &deep(20)).contains("too long"));
}

#[test]
fn what_is_not_understood_is_refused_with_its_place() {
    for (by, pointer, reason) in [
        (json!(1), "", "a schema is an object"),
        (json!({"requires": []}), "", "\"requires\" is not understood"),
        (
            json!({"properties": {"a": {"unevaluatedItems": false}}}),
            "/properties/a",
            "unevaluatedItems",
        ),
        (json!({"$ref": "https://example.com/schema"}), "", "$ref: expected a place in this file"),
        (json!({"$ref": "#/$defs/none"}), "/$defs/none", "leads nowhere"),
        (json!({"$ref": "#name"}), "", "$ref: expected"),
        (json!({"items": [{}]}), "/items", "a schema is an object"),
        (json!({"items": {"$id": "x"}}), "/items", "$id"),
        (json!({"type": "text"}), "", "type: expected the name"),
        (json!({"minLength": -1}), "", "minLength: expected"),
        (json!({"minimum": "1"}), "", "minimum: expected a number"),
        (json!({"multipleOf": 0}), "", "multipleOf: expected"),
        (json!({"pattern": "(?=a)"}), "", "pattern: "),
        (json!({"patternProperties": {"(": {}}}), "", "pattern: "),
        (json!({"anyOf": []}), "", "anyOf: expected a list"),
        (json!({"required": "a"}), "", "required: expected a list"),
        (json!({"$schema": "http://json-schema.org/draft-04/schema#"}), "", "$schema"),
        (
            json!({"$schema": "http://json-schema.org/draft-07/schema#", "$ref": "#/definitions/a", "minimum": 1, "definitions": {"a": true}}),
            "",
            "draft 7",
        ),
    ] {
        let told = Schema::parse(by.to_string().as_bytes()).unwrap_err();
        assert!(told.pointer == pointer && told.reason.contains(reason), "{by}: {told}");
    }
    assert!(Schema::parse(b"{").is_err());
    let seven = json!({"$schema": "http://json-schema.org/draft-07/schema#", "$ref": "#/definitions/a", "definitions": {"a": {"format": "email"}}});
    assert_eq!(wrong(&seven, &json!("no address")), None, "a format is a note");
}

proptest! {
    #[test]
    fn no_schema_and_no_value_panics(by in ".{0,60}", value in ".{0,60}") {
        if let Ok(schema) = Schema::parse(by.as_bytes()) {
            let _ = schema.check(value.as_bytes());
        }
    }

    #[test]
    fn bounds_are_those_of_numbers(bound in -1000_i64..1000, value in -1000_i64..1000, half: bool) {
        let shown = if half { json!(value as f64 + 0.5) } else { json!(value) };
        let number = shown.as_f64().unwrap();
        let is = |word: &str| wrong(&json!({word: bound}), &shown).is_none();
        let bound = bound as f64;
        prop_assert_eq!(is("minimum"), number >= bound);
        prop_assert_eq!(is("maximum"), number <= bound);
        prop_assert_eq!(is("exclusiveMinimum"), number > bound);
        prop_assert_eq!(is("exclusiveMaximum"), number < bound);
    }
}
