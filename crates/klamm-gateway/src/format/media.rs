//! Pure: what a `Content-Type` says about a body.

use super::Rejected;

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// One JSON value.
    Json,
    /// A JSON value in each line.
    Lines,
    /// Text in UTF-8.
    Text,
    /// Anything: it is passed on as it is.
    Bytes,
    /// A CloudEvent in structured mode.
    CloudEvent,
    /// A batch of CloudEvents.
    CloudEvents,
    /// Confluent REST v2 with keys and values in JSON.
    ConfluentJson,
    /// Confluent REST v2 with keys and values in base64.
    ConfluentBinary,
}

impl Media {
    /// What `content_type` says; without one, bytes.
    ///
    /// # Errors
    /// [`Rejected::MediaType`] for Confluent's formats that need a registry of schemas, and for CloudEvents in a format other
    /// than JSON.
    pub fn of(content_type: Option<&[u8]>) -> Result<Media, Rejected> {
        let essence = content_type.unwrap_or_default().split(|byte| *byte == b';').next();
        let essence = essence.unwrap_or_default().trim_ascii();
        let is = |name: &str| essence.eq_ignore_ascii_case(name.as_bytes());
        let starts = |name: &str| {
            essence
                .get(..name.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
        };
        // The most frequent first: this runs for every request.
        if is("application/json") {
            return Ok(Media::Json);
        }
        if starts("application/vnd.kafka.") {
            return confluent(is);
        }
        if starts("application/cloudevents") {
            return cloud_events(is);
        }
        let lines = ["application/x-ndjson", "application/ndjson", "application/jsonl"];
        if lines.into_iter().any(is) || is("application/x-jsonlines") {
            return Ok(Media::Lines);
        }
        if starts("text/") {
            return Ok(Media::Text);
        }
        let json =
            essence.len() >= 5 && essence[essence.len() - 5..].eq_ignore_ascii_case(b"+json");
        Ok(if json { Media::Json } else { Media::Bytes })
    }
}

fn confluent(is: impl Fn(&str) -> bool) -> Result<Media, Rejected> {
    if is("application/vnd.kafka.json.v2+json") {
        return Ok(Media::ConfluentJson);
    }
    if is("application/vnd.kafka.binary.v2+json") || is("application/vnd.kafka.v2+json") {
        return Ok(Media::ConfluentBinary);
    }
    Err(Rejected::MediaType { reason: "of Confluent's formats, json.v2 and binary.v2 are" })
}

fn cloud_events(is: impl Fn(&str) -> bool) -> Result<Media, Rejected> {
    if is("application/cloudevents+json") {
        return Ok(Media::CloudEvent);
    }
    if is("application/cloudevents-batch+json") {
        return Ok(Media::CloudEvents);
    }
    Err(Rejected::MediaType { reason: "of the formats of CloudEvents, JSON is" })
}

#[cfg(test)]
mod tests {
    use super::Media;

    #[test]
    fn types_are_known_whatever_their_case_and_parameters() {
        let table = [
            ("application/json", Media::Json),
            ("Application/JSON ; charset=utf-8", Media::Json),
            ("application/vnd.github+json", Media::Json),
            ("application/x-ndjson", Media::Lines),
            ("application/jsonl", Media::Lines),
            ("text/plain; charset=utf-8", Media::Text),
            ("application/octet-stream", Media::Bytes),
            ("application/x-www-form-urlencoded", Media::Bytes),
            ("+jso", Media::Bytes),
            ("", Media::Bytes),
            ("application/cloudevents+json", Media::CloudEvent),
            ("application/cloudevents-batch+json; charset=UTF-8", Media::CloudEvents),
            ("application/vnd.kafka.json.v2+json", Media::ConfluentJson),
            ("application/vnd.kafka.binary.v2+json", Media::ConfluentBinary),
            ("application/vnd.kafka.v2+json", Media::ConfluentBinary),
        ];
        for (content_type, media) in table {
            assert_eq!(Media::of(Some(content_type.as_bytes())), Ok(media), "{content_type}");
        }
        assert_eq!(Media::of(None), Ok(Media::Bytes));
        assert_eq!(Media::of(Some(b"\xff\xfe")), Ok(Media::Bytes));
    }

    #[test]
    fn formats_that_need_what_is_not_there_are_refused() {
        for content_type in ["application/vnd.kafka.avro.v2+json", "application/cloudevents+xml"] {
            let rejected = Media::of(Some(content_type.as_bytes())).unwrap_err();
            assert_eq!(rejected.status(), 415, "{content_type}");
        }
    }
}
