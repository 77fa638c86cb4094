//! What bodies of requests are made of, and that there is nothing else in them.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

type Object = Map<String, Value>;

const HERE: &str = "#/components/schemas/";

/// Completes bodies of requests: whatever a schema does not name is refused, but at classic addresses, which ignore it.
pub(super) fn complete(document: &mut Value) -> Option<()> {
    let paths = document.get_mut("paths")?.as_object_mut()?;
    for operation in paths.values_mut().filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
        operation.get_mut("requestBody").and_then(optional);
    }
    let paths = document.get("paths")?.as_object()?;
    let (canonical, classic) = (named(paths, true), named(paths, false));
    let schemas = document.get_mut("components")?.get_mut("schemas")?.as_object_mut()?;
    let canonical = reached(schemas, canonical);
    let mut parts = BTreeSet::new();
    for name in &canonical {
        parts.extend(join(schemas, name)?);
    }
    let open: BTreeSet<String> =
        reached(schemas, classic).into_iter().filter(|name| is_object(schemas, name)).collect();
    for name in &open {
        let mut copy = schemas.get(name)?.clone();
        rename(&mut copy, &open);
        if name == "SetQuantity" {
            // The query may say it.
            copy.as_object_mut()?.remove("required");
        }
        schemas.insert(of_classic(name), copy);
    }
    for name in canonical.iter().filter(|name| is_object(schemas, name)).cloned().collect::<Vec<_>>() {
        schemas.get_mut(&name)?.as_object_mut()?.insert("additionalProperties".into(), json!(false));
    }
    let paths = document.get_mut("paths")?.as_object_mut()?;
    for (path, item) in paths.iter_mut().filter(|(path, _)| !is_canonical(path)) {
        for operation in item.as_object_mut()?.values_mut() {
            of_classic_operation(operation, path, &open);
        }
    }
    let text = document.to_string();
    let schemas = document.get_mut("components")?.get_mut("schemas")?.as_object_mut()?;
    for part in parts.iter().filter(|part| !text.contains(&format!("{HERE}{part}\""))) {
        schemas.remove(part);
    }
    Some(())
}

/// A body that may be left out is not `null` for all that.
fn optional(body: &mut Value) -> Option<()> {
    let body = body.as_object_mut()?;
    let schema = body.get_mut("content")?.get_mut("application/json")?.get_mut("schema")?;
    let ways = schema.get("oneOf")?.as_array()?;
    let is_null = |way: &Value| way.get("type").is_some_and(|kind| kind == "null");
    if ways.iter().any(is_null) {
        *schema = ways.iter().find(|way| !is_null(way))?.clone();
        body.insert("required".into(), json!(false));
    }
    Some(())
}

fn is_canonical(path: &str) -> bool {
    path.starts_with("/api/")
}

fn of_classic(name: &str) -> String {
    format!("Classic{name}")
}

fn of_classic_operation(operation: &mut Value, path: &str, open: &BTreeSet<String>) {
    let Some(body) = operation.get_mut("requestBody") else { return };
    rename(body, open);
    let Some(body) = body.as_object_mut() else { return };
    if path == "/session/create" {
        let schema = json!({"type": "object", "description": "What the session is to carry: up to 10 KB, 16 levels deep"});
        let content = json!({"application/json": {"schema": schema, "example": {"theme": "dark"}}});
        body.insert("content".into(), content);
    }
    // What is to be said may stand in the query, or go without saying.
    if path == "/session/create" || path.contains("/update/") {
        body.insert("required".into(), json!(false));
    }
}

fn is_object(schemas: &Object, name: &str) -> bool {
    schemas.get(name).is_some_and(|schema| schema.get("properties").is_some())
}

/// The schemas that requests to these addresses name.
fn named(paths: &Object, canonical: bool) -> Vec<String> {
    let mut names = Vec::new();
    for (_, item) in paths.iter().filter(|(path, _)| is_canonical(path) == canonical) {
        let operations = item.as_object().into_iter().flat_map(Map::values);
        operations
            .filter_map(|operation| operation.get("requestBody"))
            .for_each(|body| refs(body, &mut names));
    }
    names
}

/// These, and those that they name.
fn reached(schemas: &Object, mut names: Vec<String>) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    while let Some(name) = names.pop() {
        if let Some(schema) = schemas.get(&name).filter(|_| reached.insert(name.clone())) {
            refs(schema, &mut names);
        }
    }
    reached
}

fn refs(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            let name = members.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix(HERE));
            names.extend(name.map(str::to_owned));
            members.values().for_each(|member| refs(member, names));
        }
        Value::Array(items) => items.iter().for_each(|item| refs(item, names)),
        _ => {}
    }
}

fn rename(value: &mut Value, open: &BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(text)) = members.get_mut("$ref")
                && let Some(name) = text.strip_prefix(HERE).filter(|name| open.contains(*name))
            {
                *text = format!("{HERE}{}", of_classic(name));
            }
            members.values_mut().for_each(|member| rename(member, open));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, open)),
        _ => {}
    }
}

/// Makes one object of one that is put together of several (`allOf`), for only such a one can be closed. Returns what it was
/// put together of.
fn join(schemas: &mut Object, name: &str) -> Option<Vec<String>> {
    let Some(Value::Array(members)) = schemas.get(name)?.get("allOf").cloned() else {
        return Some(Vec::new());
    };
    let (mut properties, mut required, mut parts) = (Object::new(), Vec::new(), Vec::new());
    for member in members {
        let mut names = Vec::new();
        if member.get("$ref").is_some() {
            refs(&member, &mut names);
        }
        let part = match names.pop() {
            Some(part) => {
                parts.extend(join(schemas, &part)?);
                parts.push(part.clone());
                schemas.get(&part)?.clone()
            }
            None => member,
        };
        properties.extend(part.get("properties")?.as_object()?.clone());
        required.extend(part.get("required").and_then(Value::as_array).cloned().unwrap_or_default());
    }
    let whole = schemas.get_mut(name)?.as_object_mut()?;
    whole.remove("allOf");
    whole.insert("type".into(), json!("object"));
    whole.insert("properties".into(), Value::Object(properties));
    if !required.is_empty() {
        whole.insert("required".into(), Value::Array(required));
    }
    Some(parts)
}
