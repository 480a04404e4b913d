//! Pure: whether two values are the same, whatever the order of their members and the form of their numbers.

use serde_json::{Number, Value};
use std::fmt::Write;

/// Doubles below it fit into an integer.
const WHOLE: f64 = 1e38;

/// A text that equal values share and others do not. It goes as deep as the value does.
pub(super) fn written(value: &Value) -> String {
    let mut text = String::new();
    write(&mut text, value);
    text
}

fn write(text: &mut String, value: &Value) {
    match value {
        Value::Number(number) => write_number(text, number),
        Value::Array(items) => {
            text.push('[');
            for item in items {
                write(text, item);
                text.push(',');
            }
            text.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            text.push('{');
            for (name, value) in members {
                // A name is written with the quotes and escapes of JSON, so that its end cannot be mistaken.
                let _ = write!(text, "{}:", Value::String(name.clone()));
                write(text, value);
                text.push(',');
            }
            text.push('}');
        }
        plain => {
            let _ = write!(text, "{plain}");
        }
    }
}

/// 1.0 is 1, and every double without a fraction is an integer exactly.
fn write_number(text: &mut String, number: &Number) {
    let double = || number.as_f64().filter(|double| double.fract() == 0.0 && double.abs() < WHOLE);
    let whole = number.as_i128().or_else(|| double().map(|double| double as i128));
    let _ = match whole {
        Some(whole) => write!(text, "{whole}"),
        None => write!(text, "{number}"),
    };
}

#[cfg(test)]
mod tests {
    use super::written;
    use serde_json::{Value, json};

    #[test]
    fn order_and_form_do_not_count_and_all_else_does() {
        let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(written(&read(r#"{"a":1,"b":[2.0]}"#)), written(&read(r#"{"b":[2],"a":1e0}"#)));
        assert_eq!(written(&json!(-0.0)), written(&json!(0)));
        let (whole, double) = (9_007_199_254_740_992_u64, 9_007_199_254_740_992.0);
        assert_eq!(written(&json!(whole)), written(&json!(double)));
        assert_ne!(written(&json!(whole + 1)), written(&json!(double)));
        let different = [
            json!(1),
            json!("1"),
            json!(true),
            json!(null),
            json!([1]),
            json!([[1]]),
            json!({}),
            json!({"a": 1}),
            json!({"a:1,": 1}),
            json!(1.5),
            json!(u64::MAX),
            json!(u64::MAX - 1),
            json!(""),
        ];
        for (one, a) in different.iter().enumerate() {
            for (other, b) in different.iter().enumerate() {
                assert_eq!(written(a) == written(b), one == other, "{a} {b}");
            }
        }
    }
}
