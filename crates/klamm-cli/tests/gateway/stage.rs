//! Commands as processes, directories that go with their test, and requests by hand.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How long a test waits for something that should happen soon.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn klamm(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_klamm"));
    command.args(args).env_remove("KLAMM_BOOTSTRAP_SERVERS").env_remove("RUST_LOG");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn output(args: &[&str]) -> Output {
    klamm(args).output().unwrap()
}

/// The one line of JSON that a command writes.
pub(crate) fn json(args: &[&str]) -> Value {
    let output = output(args);
    let error = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|wrong| panic!("{wrong}: {error}"))
}

/// A directory that goes with its test.
pub(crate) struct Dir(PathBuf);

impl Dir {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("klamm-gateway-{}-{n}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(Path::new(&path), text).unwrap();
        path
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A command that serves: its first line says where. Killed when it is dropped.
pub(crate) struct Serving {
    child: Child,
    pub(crate) address: String,
}

impl Serving {
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::spawn(&mut klamm(args))
    }

    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ");
        let after = |scheme: &str| address?.strip_prefix(scheme);
        let address = after("http://").or(after("https://")).or(address);
        let Some(address) = address.map(str::to_owned) else {
            let _ = child.kill();
            let mut error = String::new();
            child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
            panic!("{line}{error}");
        };
        Self { child, address }
    }

    /// A gateway without a management port, whose log is in `data`.
    pub(crate) fn gateway(data: &str, more: &[&str]) -> Self {
        Self::start(&Self::gateway_args(data, more))
    }

    pub(crate) fn gateway_args<'a>(data: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let usual = ["gateway", "--listen", "127.0.0.1:0", "--management", "none", "--data", data];
        [&usual[..], more].concat()
    }

    /// A broker on the disk with the topic `orders`.
    pub(crate) fn broker(address: &str, data: &str) -> Self {
        Self::start(&["broker", "--listen", address, "--data", data, "--topics", "orders:1"])
    }

    /// As a power loss would: no farewell.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end; its exit status and what it had to say.
    pub(crate) fn terminate(mut self) -> (Option<i32>, String) {
        self.signal("TERM");
        let mut error = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
        (self.child.wait().unwrap().code(), error)
    }

    /// Sends a request as `curl` would, and reads the whole answer.
    pub(crate) fn post(&self, path: &str, headers: &[&str], body: &[u8]) -> Answer {
        ask(&mut self.connect(), &format!("POST {path}"), headers, body).unwrap()
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    pub(crate) fn json(&self, path: &str, body: &str) -> Answer {
        self.post(path, &["Content-Type: application/json"], body.as_bytes())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One request over a connection that ends with it.
pub(crate) fn ask(
    stream: &mut (impl Read + Write),
    request: &str,
    headers: &[&str],
    body: &[u8],
) -> std::io::Result<Answer> {
    let lines: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let head = format!(
        "{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n{lines}\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    // It may be refused before it is read.
    let _ = stream.write_all(body);
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or(std::io::ErrorKind::InvalidData)?;
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Ok(Answer { status, head: head.to_lowercase(), body: body.to_owned() })
}

/// An answer of the gateway.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn value(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|wrong| panic!("{wrong}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let name = format!("{name}: ");
        self.head.lines().find_map(|line| line.strip_prefix(&name))
    }
}

/// An address at which nothing listens, until a test does.
pub(crate) fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    address.to_string()
}

/// The first records of the topic `orders`; waits until there are as many.
pub(crate) fn records(broker: &str, count: usize) -> Vec<Value> {
    records_of("orders", broker, count)
}

/// The first records of a topic; waits until there are as many.
pub(crate) fn records_of(topic: &str, broker: &str, count: usize) -> Vec<Value> {
    let number = count.to_string();
    let args = ["consume", topic, "-b", broker, "-F", "-o", "start", "-n", &number];
    let mut child = klamm(&[&args[..], &["-O", "json"]].concat()).spawn().unwrap();
    let (out, pid) = (child.stdout.take().unwrap(), child.id().to_string());
    let (done, waiting) = std::sync::mpsc::channel::<()>();
    let guard = std::thread::spawn(move || {
        let late = waiting.recv_timeout(PATIENCE).is_err();
        if late {
            let _ = Command::new("kill").arg(&pid).status();
        }
        late
    });
    let lines: Vec<Value> = BufReader::new(out)
        .lines()
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect();
    let _ = done.send(());
    let late = guard.join().unwrap();
    child.wait().unwrap();
    assert!(!late && lines.len() == count, "{} of {count} records came: {lines:?}", lines.len());
    lines
}
