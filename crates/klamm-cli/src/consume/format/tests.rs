use super::{Fields, Format};
use crate::consume::sample::FIELDS;

fn bytes(format: &str, fields: &Fields<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    Format::parse(format).unwrap_or_else(|e| panic!("{e}")).write(&mut out, fields);
    out
}

#[test]
fn records_in_formats() {
    let table: [(&str, &str); 38] = [
        ("", ""),
        ("plain text, naïve", "plain text, naïve"),
        (r"\t\n\r\\\x41\x7e\0", "\t\n\r\\A~\0"),
        ("100%% {%{ %} }", "100% {{ } }"),
        ("%t %T", "orders 6"),
        ("%k %K %v %V", "key 3 value 5"),
        ("%p/%o/%e", "3/42/5"),
        ("%d", "1648021901749"),
        ("%x %y %i", "9000 2 11"),
        ("%D %A", "0 0"),
        ("%[ %| %]", "7 43 50"),
        ("%H", "3"),
        ("%t{hex} %k{base64} %v{base64raw} %t{}", "6f7264657273 a2V5 dmFsdWU orders"),
        ("%v{json} %k{json}", r#""value" "key""#),
        ("%k{unpack[cc$]}", "ke%!$(not end-of-input)"),
        ("%k{unpack{c.s}}", "key"),
        ("%k{unpack##>H$##}", "27493%!$(not end-of-input)"),
        ("%k{unpack(B)}", "107"),
        ("%V{ascii}%V{number}%V{hex}", "555"),
        ("%o{hex8} %o{hex32} %p{hex4}", "2a 0000002a 3"),
        ("%o{bool} %D{bool}", "true false"),
        ("%d{hex}", "17fb5c291b5"),
        ("%d{strftime[%F]}", "2022-03-23"),
        ("%d{strftime### [%F] ###}", " [2022-03-23] "),
        ("%d{strftime{%H:%M}}", "07:51"),
        ("%d{go[2006-01-02T15:04:05.999Z07:00]}", "2022-03-23T07:51:41.749Z"),
        ("%d{go##Jan _2##}", "Mar 23"),
        ("%A{strftime[%Y]} %A{number}", "1970 0"),
        ("%a{timestamp-type} %a{timestamp-type;hex8}", "0 00"),
        ("%a{transactional-bit} %a{transactional-bit;bool}", "1 true"),
        ("%a{control-bit;bool}", "false"),
        ("%h{%k;}", "one;two;one;"),
        ("%h{ %k=%v{hex}}", " one=31 two= one=ff"),
        ("%h{{%K,%V}%%%}\\t}", "{3,1}%}\t{3,0}%}\t{3,1}%}\t"),
        ("%h{%v{json}}%v", r#""1"null{"base64":"/w=="}value"#),
        ("%h{}", ""),
        (
            "%h{%k{unpack[c$]} }}",
            "o%!$(not end-of-input) t%!$(not end-of-input) o%!$(not end-of-input) }",
        ),
        ("a}b{c", "a}b{c"),
    ];
    for (format, expected) in table {
        let written = String::from_utf8(bytes(format, &FIELDS)).unwrap();
        assert_eq!(written, expected, "{format}");
    }
}

#[test]
fn binary_forms_and_nulls() {
    assert_eq!(bytes("%K{big32}%k", &FIELDS), b"\0\0\0\x03key");
    assert_eq!(bytes("%V{little16}%V{byte}", &FIELDS), b"\x05\0\x05");
    assert_eq!(bytes(r"\xff\x00", &FIELDS), b"\xff\0");
    let null = Fields { key: None, value: None, headers: &[], ..FIELDS };
    assert_eq!(bytes("[%k %K %v{hex} %V %h{%k} %H]", &null), b"[ 0  0  0]");
}

#[test]
fn what_cannot_be_read_is_said_with_its_place() {
    let table = [
        ("%q", 0, "unknown %q"),
        ("ab%", 2, "%% is a percent sign"),
        ("naïve %q", 6, "unknown %q"),
        (r"a\", 1, r"\xNN"),
        (r"\q", 0, r"\xNN"),
        (r"\x4", 0, "two hexadecimal digits"),
        (r"\x+1", 0, "two hexadecimal digits"),
        ("%v{heX}", 3, "base64"),
        ("%v{hex", 2, "no closing }"),
        ("%o{big24}", 3, "big64"),
        ("%o{}", 3, "unknown {}"),
        ("%v{unpack[iz]}", 11, "'z'"),
        ("%v{unpack[i}", 9, "no closing ]"),
        ("%v{unpack[i]", 12, "has to follow"),
        ("%v{unpack}", 9, "in brackets"),
        ("%v{unpackii}", 9, "in brackets"),
        ("%d{strftime[%J]}", 12, "%J"),
        ("%d{strftime%F}", 11, "no closing %"),
        ("%d{rfc}", 3, "strftime"),
        ("%h", 0, "%h{"),
        ("x%h{%k", 1, "no closing }"),
        ("%h{%t}", 3, "no %t"),
        ("%h{%h{%k}}", 3, "no %h"),
        ("%a", 0, "timestamp-type"),
        ("%a{none}", 3, "timestamp-type"),
        ("%a{control-bit;text}", 15, "bool"),
        ("%a{compression}", 3, "not known"),
    ];
    for (format, at, says) in table {
        let error = Format::parse(format).unwrap_err().to_string();
        let place = format!("character {}:", at + 1);
        assert!(error.contains(&place) && error.contains(says), "{format}: {error}");
    }
}

#[test]
fn an_error_is_marked_below_the_format() {
    let error = Format::parse("é\t%q").unwrap_err().to_string();
    assert!(error.ends_with("\n  é %q\n    ^"), "{error}");
}

#[test]
fn a_pipe_gets_values_and_keys_if_asked() {
    let mut out = Vec::new();
    Format::plain(None, b"\n".to_vec()).write(&mut out, &FIELDS);
    Format::plain(Some(b": ".to_vec()), b"\0".to_vec()).write(&mut out, &FIELDS);
    assert_eq!(out, b"value\nkey: value\0");
}
