//! Server-Sent Events as a client sees them.

use crate::wire::Wire;
use serde_json::Value;

/// An event as a browser would tell it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) data: String,
}

impl Event {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap()
    }

    pub(crate) fn value(&self) -> Value {
        self.json()["value"].clone()
    }
}

/// Server-Sent Events as they come.
pub(crate) struct Events {
    wire: Wire,
    text: String,
    /// Where to go on after everything that was told.
    pub(crate) id: String,
    pub(crate) comments: usize,
}

impl Events {
    pub(crate) fn new(wire: Wire) -> Self {
        Self { wire, text: String::new(), id: String::new(), comments: 0 }
    }

    /// The next block that has something to tell, by the rules of the standard; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.block().await? {
                return Some(event);
            }
        }
    }

    /// The next block: an event, or just a place or a comment.
    pub(crate) async fn block(&mut self) -> Option<Option<Event>> {
        let end = loop {
            if let Some(end) = self.text.find("\n\n") {
                break end;
            }
            let chunk = self.wire.chunk().await;
            if chunk.is_empty() {
                assert!(self.text.is_empty(), "ends within an event: {}", self.text);
                return None;
            }
            self.text.push_str(&chunk);
        };
        let block: String = self.text.drain(..end + 2).collect();
        let mut event = Event::default();
        for line in block.lines().filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
            match name {
                "" => self.comments += 1,
                "id" => self.id = value,
                "event" => event.name = value,
                "data" => event.data.push_str(&value),
                "retry" => assert!(value.parse::<u64>().is_ok()),
                other => panic!("{other}"),
            }
        }
        event.id.clone_from(&self.id);
        Some((!event.data.is_empty()).then_some(event))
    }
}
