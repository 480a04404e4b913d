//! Pure: what kinds of requests there are, as metrics tell them apart.

/// What a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// Records for a topic.
    Topic,
    /// A stream of records in Confluent's version 3.
    Stream,
    /// A batch of records in Confluent's version 3.
    Batch,
    /// Something that is not there.
    Other,
}

impl Route {
    /// All of them, in the order of their numbers.
    pub(super) const ALL: [Route; 4] = [Route::Topic, Route::Stream, Route::Batch, Route::Other];

    /// Its name in metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Route::Topic => "topic",
            Route::Stream => "confluent_v3_stream",
            Route::Batch => "confluent_v3_batch",
            Route::Other => "other",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Route;

    #[test]
    fn numbers_are_places() {
        for (number, route) in Route::ALL.into_iter().enumerate() {
            assert_eq!(route as usize, number, "{}", route.name());
        }
    }
}
