//! `GET /topics/{topic}/events`: what is in a topic, as it comes or by polls.

use super::WrongPath;
use super::answer::{self, Answer};
use super::app::{App, Asked as Request};
use super::refused::{Reason, Refused};
use crate::events::{Asked, EVENT_STREAM, How, Pace, poll, stream};
use http::HeaderValue;
use http::header::CACHE_CONTROL;

/// Tells what is in a topic to somebody who may read it.
pub(super) async fn read(app: &App, request: Request<'_>) -> Result<Answer, Refused> {
    let Request { matched, who, parts, .. } = request;
    let topic = &*matched.topic;
    let readers = app.readers.as_ref().ok_or(WrongPath::Unknown)?;
    app.guard.charge(&who, 0, 0)?;
    let query = parts.uri.query().unwrap_or_default();
    let asked = Asked::of(topic, &parts.headers, query, app.limits.wait)?;
    let reader = readers.open(topic, &asked).await?;
    let stopping = app.stopping.subscribe();
    let mut answer = match asked.how {
        How::Stream => {
            let (limits, counters) = (&app.limits, app.counters.clone());
            let pace = Pace { time: limits.write_timeout, rate: limits.body_min_rate };
            let pieces = stream(reader, stopping, pace, move || {
                counters.refused(Reason::SlowReader);
            });
            let mut answer = answer::pieces(EVENT_STREAM, pieces);
            // A proxy that collects an answer before it passes it on would keep it for ever.
            answer.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
            answer
        }
        How::Poll { wait, limit } => {
            answer::answer(200, answer::JSON, poll(reader, wait, limit, stopping).await?)
        }
    };
    answer.body_mut().reads();
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
}
