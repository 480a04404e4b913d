use super::{DEPTH_MAX, JsonError, Scanner, Wrong, check};
use proptest::prelude::*;

#[test]
fn what_is_wrong_is_found_where_it_stands() {
    let table: [(&str, Wrong, usize); 24] = [
        ("", Wrong::Truncated, 0),
        ("  ", Wrong::Truncated, 2),
        ("{\"a\":1,}", Wrong::Unexpected, 7),
        ("{\"a\" 1}", Wrong::Unexpected, 5),
        ("{a:1}", Wrong::Unexpected, 1),
        ("[1,]", Wrong::Unexpected, 3),
        ("[1 2]", Wrong::Unexpected, 3),
        ("[1}", Wrong::Unexpected, 2),
        ("{\"a\":1", Wrong::Truncated, 6),
        ("[", Wrong::Truncated, 1),
        ("\"ab", Wrong::Truncated, 3),
        ("\"a\nb\"", Wrong::Control, 2),
        ("\"a\\x\"", Wrong::Escape, 2),
        ("\"\\u12g4\"", Wrong::Escape, 1),
        ("\"\\u12", Wrong::Truncated, 5),
        ("\"\\", Wrong::Truncated, 1),
        ("01", Wrong::Number, 1),
        ("-", Wrong::Truncated, 1),
        ("1.", Wrong::Truncated, 2),
        ("1.x", Wrong::Number, 2),
        ("1e+,", Wrong::Number, 3),
        ("tru", Wrong::Truncated, 3),
        ("nulx", Wrong::Unexpected, 3),
        ("1 2", Wrong::Trailing, 2),
    ];
    for (text, wrong, at) in table {
        assert_eq!(check(text.as_bytes()), Err(JsonError { wrong, at }), "{text}");
    }
    assert_eq!(check(b"\"a\xff\""), Err(JsonError { wrong: Wrong::Utf8, at: 2 }));
}

#[test]
fn values_are_found_without_the_space_around_them() {
    for text in ["1", "-0.5e-3", "\"\\u00e4\\n\"", "[]", "{}", "[ 1 , {\"a\" : [ ] } ]", "null"] {
        let padded = format!(" \r\n\t{text}\n");
        assert_eq!(check(padded.as_bytes()), Ok(4..4 + text.len()), "{text}");
    }
}

#[test]
fn depth_has_an_end_and_no_stack_is_used_up() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(check(nested(DEPTH_MAX).as_bytes()).is_ok());
    let too_deep = JsonError { wrong: Wrong::Depth, at: DEPTH_MAX };
    assert_eq!(check(nested(DEPTH_MAX + 1).as_bytes()), Err(too_deep));
    assert_eq!(check("[".repeat(1_000_000).as_bytes()), Err(too_deep));
    assert_eq!(check("{\"a\":".repeat(100_000).as_bytes()).unwrap_err().wrong, Wrong::Depth);
}

#[test]
fn strings_say_what_their_escapes_stand_for() {
    let mut scanner = Scanner::new(br#" "plain" "\u00e4\ud83d\ude00\n" "\ud800" "#).unwrap();
    assert_eq!(scanner.text().unwrap(), "plain");
    assert_eq!(scanner.text().unwrap(), "\u{e4}\u{1f600}\n");
    assert_eq!(scanner.text().unwrap_err().wrong, Wrong::Escape, "half a pair");
}

proptest! {
    /// What serde_json takes we take, and nothing else; depth aside.
    #[test]
    fn it_agrees_with_serde_json(text in r#"([\[\]{},: \n]|"[a\\"u0-9]{0,6}"|"k":|-?[0-9]{0,3}(\.[0-9]{0,2})?([eE][+-]?[0-9]{0,2})?|true|null|fals){0,12}"#) {
        let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text);
        prop_assert_eq!(check(text.as_bytes()).is_ok(), theirs.is_ok(), "{}", text);
    }

    #[test]
    fn what_is_written_is_read(text in ".{0,40}", number in any::<f64>(), deep in 0_usize..20) {
        let inner = serde_json::json!({ "text": text, "list": [number, null, true] }).to_string();
        let whole = format!("{}{inner}{}", "[".repeat(deep), "]".repeat(deep));
        prop_assert_eq!(check(whole.as_bytes()), Ok(0..whole.len()));
        for cut in 1..whole.len() {
            prop_assert!(check(&whole.as_bytes()[..cut]).is_err());
        }
    }

    #[test]
    fn hostile_bytes_are_refused_or_taken_but_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = check(&bytes);
        if let Ok(mut scanner) = Scanner::new(&bytes) {
            let _ = scanner.fields::<JsonError>(|scanner, _| scanner.value().map(drop));
            let _ = scanner.items::<JsonError>(|scanner| scanner.value().map(drop));
            let _ = scanner.text();
        }
    }
}
