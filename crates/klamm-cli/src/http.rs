//! Requests to the admin address of a broker.

use crate::failure::{FAILED, Failure, UNREACHABLE, USAGE};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

/// The longest answer, in bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends one request and returns the answer's JSON; null when there is none.
///
/// `limit` is for the answer.
pub(crate) async fn call(
    admin: SocketAddr,
    method: Method,
    path: &str,
    body: Option<&Value>,
    limit: Duration,
) -> Result<Value, Failure> {
    let connect = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(admin)).await;
    let hint = "is a broker running with --admin, and at this address?";
    let unreachable = |why: String| Failure::new(UNREACHABLE, format!("{admin}: {why}\n  {hint}"));
    let stream = connect
        .map_err(|_| unreachable("no connection in time".to_owned()))?
        .map_err(|e| unreachable(e.to_string()))?;
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, admin.to_string())
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body.map(Value::to_string).unwrap_or_default())))
        .map_err(|e| Failure::new(USAGE, e.to_string()))?;
    let answered = tokio::time::timeout(limit, exchange(stream, request)).await;
    let (status, text) = answered
        .map_err(|_| unreachable("no answer in time".to_owned()))?
        .map_err(|e| unreachable(e.to_string()))?;
    let value: Value = match text.is_empty() {
        true => Value::Null,
        false => serde_json::from_slice(&text)
            .map_err(|e| unreachable(format!("the answer is not JSON: {e}")))?,
    };
    match status {
        200..300 => Ok(value),
        _ => {
            let detail = value["detail"].as_str().unwrap_or("no reason given");
            let exit = if status == 400 { USAGE } else { FAILED };
            Err(Failure::new(exit, format!("{admin}: {detail}")))
        }
    }
}

async fn exchange(
    stream: TcpStream,
    request: Request<Full<Bytes>>,
) -> Result<(u16, Bytes), Box<dyn std::error::Error + Send + Sync>> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await?;
        Ok((status, body.to_bytes()))
    };
    tokio::pin!(exchange);
    tokio::select! {
        done = &mut exchange => done,
        // The connection may end before the answer has been read to its end.
        ended = connection => { ended?; exchange.await }
    }
}
