//! The JSON report against its published schema, by a checker of the keywords that the schema uses.

use std::fs;
use std::path::PathBuf;

use jdl_core::report::to_json;
use serde_json::{Map, Value, json};

use crate::report_cases::{NAMES, case, random_results};

fn schema() -> Value {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/report-schema.json");
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

/// What `value` breaks of `schema`; JSON Schema 2020-12, as far as `docs/report-schema.json` uses it.
fn problems(root: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let mut out = Vec::new();
    for (keyword, rule) in schema.as_object().unwrap() {
        let fine = match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" => true,
            "$ref" => {
                let target = root.pointer(rule.as_str().unwrap().strip_prefix('#').unwrap()).unwrap();
                out.extend(problems(root, target, value, at));
                true
            }
            "type" => match rule {
                Value::Array(types) => types.iter().any(|t| is_of_type(value, t.as_str().unwrap())),
                one => is_of_type(value, one.as_str().unwrap()),
            },
            "enum" => rule.as_array().unwrap().contains(value),
            "const" => rule == value,
            "minimum" => value.as_f64().is_none_or(|v| v >= rule.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|v| v <= rule.as_f64().unwrap()),
            "pattern" => {
                assert_eq!(rule, "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "the checker knows one pattern");
                let text = value.as_str().unwrap();
                text.len() == 10
                    && text.char_indices().all(|(n, c)| if n == 4 || n == 7 { c == '-' } else { c.is_ascii_digit() })
            }
            "anyOf" => rule.as_array().unwrap().iter().any(|one| problems(root, one, value, at).is_empty()),
            "items" => {
                for (n, item) in value.as_array().into_iter().flatten().enumerate() {
                    out.extend(problems(root, rule, item, &format!("{at}/{n}")));
                }
                true
            }
            "required" => {
                let empty = Map::new();
                let object = value.as_object().unwrap_or(&empty);
                rule.as_array().unwrap().iter().all(|key| object.contains_key(key.as_str().unwrap()))
            }
            "properties" => {
                for (key, part) in value.as_object().into_iter().flatten() {
                    if let Some(rule) = rule.get(key) {
                        out.extend(problems(root, rule, part, &format!("{at}/{key}")));
                    }
                }
                true
            }
            "additionalProperties" => {
                assert_eq!(rule, false);
                let known = schema["properties"].as_object().unwrap();
                value.as_object().into_iter().flatten().all(|(key, _)| known.contains_key(key))
            }
            other => panic!("the checker does not know {other}"),
        };
        if !fine {
            out.push(format!("{at}: {keyword}"));
        }
    }
    out
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        other => panic!("the checker does not know type {other}"),
    }
}

#[test]
fn the_json_report_follows_its_schema() {
    let schema = schema();
    let reviewed = NAMES.map(case);
    for result in reviewed.into_iter().chain(random_results(300, 20_260_101)) {
        let report = to_json(&result);
        let found = problems(&schema, &schema, &report, "");
        assert!(found.is_empty(), "{found:?}");
        // The digits that are printed, not those of binary arithmetic (0.18100000000000002).
        let text = report.to_string();
        let noise = text.split('.').skip(1).find(|part| part.chars().take_while(char::is_ascii_digit).count() > 12);
        assert!(noise.is_none(), "{noise:?}");
    }
}

#[test]
fn the_schema_names_every_field_and_requires_it() {
    let schema = schema();
    let report = to_json(&case("clear_reduction"));
    // Take each member away in turn, and put a stranger beside it: both must be noticed.
    for pointer in objects(&report, String::new()) {
        let keys: Vec<String> = report.pointer(&pointer).unwrap().as_object().unwrap().keys().cloned().collect();
        for key in keys {
            let mut without = report.clone();
            without.pointer_mut(&pointer).unwrap().as_object_mut().unwrap().remove(&key);
            assert!(!problems(&schema, &schema, &without, "").is_empty(), "{pointer}/{key} is not required");
        }
        let mut with = report.clone();
        with.pointer_mut(&pointer).unwrap()["stranger"] = json!(1);
        assert!(!problems(&schema, &schema, &with, "").is_empty(), "{pointer} lets strangers in");
    }
}

fn objects(value: &Value, at: String) -> Vec<String> {
    let parts: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, part)| (format!("{at}/{key}"), part)).collect(),
        Value::Array(items) => items.iter().take(1).map(|part| (format!("{at}/0"), part)).collect(),
        _ => Vec::new(),
    };
    let own = value.is_object().then(|| at.clone());
    own.into_iter().chain(parts.into_iter().flat_map(|(at, part)| objects(part, at))).collect()
}

#[test]
fn the_schema_refuses_wrong_values() {
    let schema = schema();
    let report = to_json(&case("clear_reduction"));
    for (pointer, wrong) in [
        ("/schema_version", json!(2)),
        ("/request/analysis_date", json!("10/03/2016")),
        ("/request/status", json!("final")),
        ("/measures/0/p_value", json!(1.5)),
        ("/measures/0/p_value", json!("withheld")),
        ("/measures/0/treatment/n", json!(-1)),
        ("/measures/0/treatment/n", json!(1.5)),
        ("/measures/0/key", json!("rate")),
        ("/balance/rows/0/light", json!("blue")),
        ("/sensitivity/aipw", json!(0.1)),
        ("/sentences/cautions", json!("none")),
    ] {
        let mut bad = report.clone();
        *bad.pointer_mut(pointer).unwrap() = wrong;
        assert!(!problems(&schema, &schema, &bad, "").is_empty(), "{pointer}");
    }
}
