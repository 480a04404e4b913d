//! A gateway that does nothing: hyper reads the body and answers 202.
//!
//! ```text
//! bench-hyper-noop --listen 127.0.0.1:0 [--bootstrap-server H:P] [--topic T]
//! ```

#[path = "../../common/publish.rs"]
mod publish;

use hyper::StatusCode;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    publish::serve(|_| async { StatusCode::ACCEPTED }).await
}
