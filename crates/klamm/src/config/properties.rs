//! Java's `.properties` text.

/// Reads `name = value` lines as Java does, as far as settings need it: comments with `#` and `!`,
/// `=` or `:` or blanks between name and value, and a backslash at the end that joins lines.
pub fn parse_properties(text: &str) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let mut pending = String::new();
    for line in text.lines() {
        let line = line.trim_start();
        if pending.is_empty() && (line.is_empty() || line.starts_with(['#', '!'])) {
            continue;
        }
        let continues = line.len() - line.trim_end_matches('\\').len();
        if continues % 2 == 1 {
            pending.push_str(&line[..line.len() - 1]);
            continue;
        }
        pending.push_str(line);
        out.extend(split(&std::mem::take(&mut pending)));
    }
    out.extend((!pending.is_empty()).then(|| split(&pending)).flatten());
    out
}

fn split(line: &str) -> Option<(String, String)> {
    let at = line.find(|c: char| c == '=' || c == ':' || c.is_whitespace()).unwrap_or(line.len());
    let (name, rest) = line.split_at(at);
    let rest = rest.trim_start();
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start();
    (!name.is_empty()).then(|| (name.to_owned(), value.trim_end().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_java_reads() {
        let text = "# comment\n! too\nacks=all\nlinger.ms : 5\nclient.id  me\nsasl.jaas.config=a \\\n   b=\"c\";\n\nempty=\n";
        let read = parse_properties(text);
        let expected = [
            ("acks", "all"),
            ("linger.ms", "5"),
            ("client.id", "me"),
            ("sasl.jaas.config", "a b=\"c\";"),
            ("empty", ""),
        ];
        assert_eq!(read, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }
}
