//! What is asked of the gateways.

use crate::failure::{Doing, Failure, Result};

/// What `--cases` can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One record in a request, with these many connections.
    Single(u32),
    /// A hundred lines in a request.
    Ndjson,
    /// One request at a time: how often the log is synced for each.
    Lone,
    /// More than can be taken.
    Overload,
    /// A start with much in the log.
    Restart,
}

/// Connections of [`Kind::Ndjson`].
const NDJSON_CONNECTIONS: u32 = 16;
/// Records in one of its requests.
pub(crate) const LINES: u64 = 100;
/// The names, in the order in which they run.
const NAMES: [&str; 5] = ["single", "ndjson", "lone", "overload", "restart"];

impl Kind {
    /// Connections and records in a request, of those that every gateway is asked.
    pub(crate) fn shape(self) -> (u32, u64) {
        match self {
            Kind::Single(connections) => (connections, 1),
            Kind::Ndjson => (NDJSON_CONNECTIONS, LINES),
            Kind::Lone | Kind::Overload | Kind::Restart => (1, 1),
        }
    }

    /// What the table is called.
    pub(crate) fn title(self) -> String {
        match self {
            Kind::Single(connections) => {
                format!("one record of 230 B in a request, {connections} connections")
            }
            Kind::Lone => "one request at a time".to_owned(),
            Kind::Overload => "more than there is room for".to_owned(),
            Kind::Restart => "a start with much in the log".to_owned(),
            Kind::Ndjson => format!(
                "{LINES} records of 230 B in a request, a line each, {NDJSON_CONNECTIONS} connections"
            ),
        }
    }
}

/// The cases of `list`, or all, with `connections` for the single records.
pub(crate) fn chosen(list: Option<&str>, connections: Option<&str>) -> Result<Vec<Kind>> {
    let connections: Vec<u32> = connections
        .unwrap_or("64,256")
        .split(',')
        .map(|number| number.parse().doing(format_args!("--connections {number}")))
        .collect::<Result<_>>()?;
    let names: Vec<&str> = list.map_or(NAMES.to_vec(), |list| list.split(',').collect());
    let mut kinds = Vec::new();
    for name in names {
        match name {
            "single" => kinds.extend(connections.iter().map(|number| Kind::Single(*number))),
            "ndjson" => kinds.push(Kind::Ndjson),
            "lone" => kinds.push(Kind::Lone),
            "overload" => kinds.push(Kind::Overload),
            "restart" => kinds.push(Kind::Restart),
            _ => {
                let text = format!("no case {name:?}; there are: {}", NAMES.join(", "));
                return Err(Failure::new(text));
            }
        }
    }
    Ok(kinds)
}

#[cfg(test)]
mod tests {
    use super::{Kind, chosen};

    #[test]
    fn cases_are_chosen_by_name_and_connections() {
        let kinds = chosen(Some("ndjson,single"), Some("8,9")).unwrap();
        assert_eq!(kinds, [Kind::Ndjson, Kind::Single(8), Kind::Single(9)]);
        assert_eq!(chosen(None, None).unwrap().len(), 6);
        assert!(chosen(Some("double"), None).unwrap_err().to_string().contains("overload"));
        assert!(chosen(None, Some("many")).is_err());
    }
}
