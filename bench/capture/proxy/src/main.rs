//! A TCP proxy that keeps what a Kafka client and its broker say to each other, a file for each frame.
//!
//! It shares no code with klamm, so that what it keeps is not seen through klamm's eyes: of a frame it
//! reads the length, the API, the version and the correlation id.
//!
//! ```text
//! capture-proxy --listen 127.0.0.1:22700 --to 127.0.0.1:22601 --out DIR [--seconds 120]
//! ```
//! Files are named `CONNECTION-NUMBER-API-vVERSION-request.bin` and `…-response.bin`, numbered from 0, and
//! hold the frame without the four bytes of its length. The broker behind it has to advertise `--listen`, or
//! clients go past the proxy. Only loopback addresses are taken, and it ends by itself after `--seconds`.

mod conversation;
mod frame;

use conversation::Conversation;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// More connections than any client here opens.
const MAX_CONNECTIONS: usize = 64;

struct Settings {
    listen: SocketAddr,
    to: SocketAddr,
    out: PathBuf,
    lifetime: Duration,
}

fn flag(name: &str) -> Result<String, String> {
    let mut rest = std::env::args().skip_while(|argument| argument != name);
    rest.nth(1).ok_or_else(|| format!("{name} is missing"))
}

fn loopback(name: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = flag(name)?.parse().map_err(|e| format!("{name}: {e}"))?;
    match address.ip().is_loopback() {
        true => Ok(address),
        false => Err(format!("{name}: {address} is not on this machine")),
    }
}

impl Settings {
    fn read() -> Result<Self, String> {
        let seconds = flag("--seconds").unwrap_or_else(|_| "120".to_owned());
        let seconds = seconds.parse().map_err(|e| format!("--seconds: {e}"))?;
        Ok(Self {
            listen: loopback("--listen")?,
            to: loopback("--to")?,
            out: flag("--out")?.into(),
            lifetime: Duration::from_secs(seconds),
        })
    }
}

fn run() -> Result<(), String> {
    let settings = Settings::read()?;
    std::fs::create_dir_all(&settings.out).map_err(|e| format!("--out: {e}"))?;
    let listener = TcpListener::bind(settings.listen).map_err(|e| format!("--listen: {e}"))?;
    println!("listening on {}", settings.listen);
    let lifetime = settings.lifetime;
    thread::spawn(move || accept(&listener, &settings));
    thread::sleep(lifetime);
    Ok(())
}

fn accept(listener: &TcpListener, settings: &Settings) {
    for (number, client) in listener.incoming().flatten().take(MAX_CONNECTIONS).enumerate() {
        let prefix = settings.out.join(format!("{number:02}"));
        let done = TcpStream::connect(settings.to)
            .and_then(|broker| serve(client, broker, Conversation::new(prefix)));
        if let Err(error) = done {
            eprintln!("connection {number}: {error}");
        }
    }
    eprintln!("no more than {MAX_CONNECTIONS} connections are accepted");
}

/// Starts a thread for each direction; they end with the connection.
fn serve(client: TcpStream, broker: TcpStream, conversation: Conversation) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    broker.set_nodelay(true)?;
    let (mut from_client, mut to_client) = (client.try_clone()?, client);
    let (mut from_broker, mut to_broker) = (broker.try_clone()?, broker);
    let requests = Arc::new(conversation);
    let responses = Arc::clone(&requests);
    thread::spawn(move || {
        let done = frame::relay(&mut from_client, &mut to_broker, |f| requests.request(f));
        end("client", done, &to_broker);
    });
    thread::spawn(move || {
        let done = frame::relay(&mut from_broker, &mut to_client, |f| responses.response(f));
        end("broker", done, &to_client);
    });
    Ok(())
}

/// What one side has ended, the other must see ended.
fn end(side: &str, done: std::io::Result<()>, other: &TcpStream) {
    if let Err(error) = done {
        eprintln!("from the {side}: {error}");
    }
    // It may be gone already.
    let _ = other.shutdown(std::net::Shutdown::Both);
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("capture-proxy: {error}");
            ExitCode::FAILURE
        }
    }
}
