//! Pure: numbers as people read them, and text that is safe in HTML.

/// Text for HTML, between tags and in quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// 1,234,567
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A rate: whole from 10 on, else with one digit.
pub(super) fn rate(per_second: f64) -> String {
    match per_second {
        rate if rate >= 9.95 => count(rate.round() as u64),
        rate if rate >= 0.05 => format!("{rate:.1}"),
        _ => "0".to_owned(),
    }
}

/// 4.2 MiB
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{bytes} B"),
        _ if value < 9.95 => format!("{value:.1} {}", UNITS[unit]),
        _ => format!("{value:.0} {}", UNITS[unit]),
    }
}

/// 380 µs, 4.2 ms, 12 s, 3 min 20 s, 5 h 3 min
pub(super) fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match seconds {
        s if s < 0.000_999_5 => format!("{:.0} µs", s * 1e6),
        s if s < 0.009_95 => format!("{:.1} ms", s * 1e3),
        s if s < 0.999_5 => format!("{:.0} ms", s * 1e3),
        s if s < 9.95 => format!("{s:.1} s"),
        s if s < 59.5 => format!("{whole} s"),
        s if s < 3599.5 => format!("{} min {} s", whole / 60, whole % 60),
        s if s < 172_800.0 => format!("{} h {} min", whole / 3600, whole / 60 % 60),
        _ => format!("{} days", whole / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0.0, 0.25, 9.96, 41_000.4].map(rate), ["0", "0.2", "10", "41,000"]);
        let sizes = [0, 999, 1023, 4_404_019, 440 << 20, 1 << 30].map(bytes);
        assert_eq!(sizes, ["0 B", "999 B", "1.0 KiB", "4.2 MiB", "440 MiB", "1.0 GiB"]);
        let times = [0.000_38, 0.004_2, 0.25, 1.5, 42.4, 200.0, 18_180.0, 400_000.0].map(duration);
        let expected =
            ["380 µs", "4.2 ms", "250 ms", "1.5 s", "42 s", "3 min 20 s", "5 h 3 min", "4 days"];
        assert_eq!(times, expected);
    }

    #[test]
    fn nothing_becomes_a_tag() {
        assert_eq!(escape("<a b='c' d=\"&\">"), "&lt;a b=&#39;c&#39; d=&quot;&amp;&quot;&gt;");
    }
}
