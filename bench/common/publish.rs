//! What the gateways of hyper have in common: bodies are read whole, handed on, and answered.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::future::Future;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// The largest body.
const LIMIT: usize = 8 << 20;
/// What is answered with every status.
const ANSWER: &[u8] = br#"{"status":"accepted"}"#;

/// The value behind an option of the command line.
pub fn flag(name: &str) -> Option<String> {
    std::env::args().skip_while(|arg| arg != name).nth(1)
}

/// Answers posts until SIGTERM, and says first where it listens.
pub async fn serve<F, S>(handle: F) -> std::io::Result<()>
where
    F: Fn(Bytes) -> S + Clone + Send + 'static,
    S: Future<Output = StatusCode> + Send + 'static,
{
    let listen = flag("--listen").unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let listener = TcpListener::bind(listen).await?;
    println!("listening on {}", listener.local_addr()?);
    let mut ended = signal(SignalKind::terminate())?;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = ended.recv() => return Ok(()),
        };
        let Ok((stream, _)) = accepted else { continue };
        // It does not matter much, and then the connection is none the worse.
        let _ = stream.set_nodelay(true);
        let handle = handle.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, handle.clone()));
            // A client that goes away is no news.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer<F, S>(
    request: Request<Incoming>,
    handle: F,
) -> Result<Response<Full<Bytes>>, Infallible>
where
    F: Fn(Bytes) -> S,
    S: Future<Output = StatusCode>,
{
    let status = match Limited::new(request.into_body(), LIMIT).collect().await {
        Ok(body) => handle(body.to_bytes()).await,
        Err(_) => StatusCode::PAYLOAD_TOO_LARGE,
    };
    let mut response = Response::new(Full::new(Bytes::from_static(ANSWER)));
    *response.status_mut() = status;
    let json = hyper::header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    Ok(response)
}
