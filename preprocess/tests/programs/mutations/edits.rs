//! Edits of a JSON document at random places.

use serde_json::{Value, json};

use super::Dice;

/// One change at a random place: a value changed, a key lost, added or renamed, rows doubled, lost or in another order.
pub fn edit(value: &mut Value, dice: &mut Dice) -> String {
    let mut places = Vec::new();
    pointers(value, String::new(), &mut places);
    let at = places[dice.below(places.len())].clone();
    let throw = dice.below(1000);
    let found = value.pointer_mut(&at).unwrap();
    let before = found.to_string();
    match found {
        Value::Object(map) => {
            let key = map.keys().nth(throw % map.len().max(1)).cloned();
            match (throw % 3, key) {
                (0, Some(key)) => drop(map.remove(&key)),
                (1, Some(key)) => {
                    let inner = map.remove(&key).unwrap();
                    map.insert(format!("{key}_"), inner);
                }
                _ => drop(map.insert("note".to_owned(), json!(throw))),
            }
        }
        Value::Array(rows) if !rows.is_empty() => {
            let row = throw % rows.len();
            match throw % 3 {
                0 => drop(rows.remove(row)),
                1 => rows.insert(row, rows[row].clone()),
                _ => rows.reverse(),
            }
        }
        Value::String(text) if !text.is_empty() => {
            // A character of the text becomes another one of the same alphabet.
            let position = throw % text.len();
            let old = text.as_bytes()[position];
            let new = if old == b'0' { '1' } else { '0' };
            text.replace_range(position..=position, &new.to_string());
        }
        Value::Number(number) => {
            let old = number.as_f64().unwrap();
            *found = match throw % 4 {
                0 => json!(old as u64 + 1),
                1 => json!(old as i64 - 1),
                2 => json!(old.to_string()),
                _ => json!(old as u64 * 2 + 1),
            };
        }
        other => *other = json!(throw),
    }
    format!("{at}: {before:.80} became {:.80}", value.pointer(&at).unwrap().to_string())
}

/// The places of all values, as JSON pointers.
fn pointers(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                pointers(inner, format!("{at}/{key}"), found);
            }
        }
        Value::Array(rows) => {
            for (row, inner) in rows.iter().enumerate() {
                pointers(inner, format!("{at}/{row}"), found);
            }
        }
        _ => {}
    }
    found.push(at);
}
