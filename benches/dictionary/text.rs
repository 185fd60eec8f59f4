//! JSON as Stripe writes it: `id` first, then `object`, then by name; two spaces a level.

use serde_json::Value;

/// On many lines, as Stripe sends it.
pub fn pretty(value: &Value) -> String {
    let mut text = String::new();
    write(value, Some(0), &mut text);
    text
}

/// Without a space.
pub fn compact(value: &Value) -> String {
    let mut text = String::new();
    write(value, None, &mut text);
    text
}

/// `level` is that of the line on which the value begins; none for compact text.
fn write(value: &Value, level: Option<usize>, text: &mut String) {
    let inner = level.map(|level| level + 1);
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort_by_key(|name| (rank(name), name.as_str()));
            for (index, name) in names.into_iter().enumerate() {
                text.push(if index == 0 { '{' } else { ',' });
                new_line(inner, text);
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push_str(if level.is_some() { ": " } else { ":" });
                write(&fields[name], inner, text);
            }
            new_line(level, text);
            text.push('}');
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                text.push(if index == 0 { '[' } else { ',' });
                new_line(inner, text);
                write(item, inner, text);
            }
            new_line(level, text);
            text.push(']');
        }
        _ => text.push_str(&value.to_string()),
    }
}

fn rank(name: &str) -> usize {
    ["id", "object"].iter().position(|first| *first == name).unwrap_or(2)
}

fn new_line(level: Option<usize>, text: &mut String) {
    if let Some(level) = level {
        text.push('\n');
        text.push_str(&"  ".repeat(level));
    }
}
