//! `cargo xtask chaos slow-sockets`: thousands of clients that send a byte now and then, beside some that behave.
//!
//! Each of them has to be closed in time, and those who behave must not notice.

use std::fmt::{self, Display, Formatter};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::failure::{Doing, Failure, Result};
use crate::flags::Flags;
use crate::interop;
use crate::listening::Listening;
use crate::place::Place;
use crate::test::Counts;

const HELP: &str = "\
cargo xtask chaos slow-sockets [--headers 2000] [--bodies 200] [--within 20] [--rate 1000] [--klamm PROGRAM] [--short]
     klamm gateway, clients that never come to the end of their headers or bodies, and a load beside them, which has been
     measured alone before. All of them have to be closed within so many seconds, and the 99th percentile of the load
     may double. --short is the form of the test run: fewer, with shorter clocks, and nobody asks how fast
";
/// Between two bytes of a slow client.
const BYTE_EVERY: Duration = Duration::from_secs(1);
/// Clients that are opened before the server gets a moment to take them.
const AT_ONCE: usize = 100;
/// That moment.
const MOMENT: Duration = Duration::from_millis(5);
/// Differences below this are the machine's.
const FLOOR_MS: f64 = 2.0;

/// The clocks of the gateway in the short form, which has not as much time.
const SHORT_CLOCKS: &str = "[http]\nheader_timeout = \"2 s\"\nbody_timeout = \"2 s\"\n";

/// How many, and how long.
struct Plan {
    headers: usize,
    bodies: usize,
    within: Duration,
    rate: u32,
    /// The gateway's configuration.
    config: &'static str,
}

/// Runs `cargo xtask chaos slow-sockets` with `args`.
pub(super) fn run(place: &Place, args: &[String]) -> Result<()> {
    let flags =
        Flags::parse(args, &["headers", "bodies", "within", "rate", "klamm"], &["short", "help"])?;
    if flags.has("help") {
        print!("{HELP}");
        return Ok(());
    }
    let klamm = interop::given_or_built(place, flags.value("klamm"))?;
    if flags.has("short") {
        return match short_of(place, &klamm)?.failed {
            0 => Ok(()),
            _ => Err(Failure::new("slow clients are not kept off")),
        };
    }
    let plan = Plan {
        headers: flags.number("headers", 2_000)?,
        bodies: flags.number("bodies", 200)?,
        within: Duration::from_secs(flags.number("within", 20)?),
        rate: flags.number("rate", 1_000)?,
        config: "",
    };
    let verdict = against_gateway(place, &plan, &klamm)?;
    println!("{verdict}");
    if verdict.holds() { Ok(()) } else { Err(Failure::new("slow clients are not kept off")) }
}

/// The form for every test run: all have to be closed, and nobody else be refused. How fast the others are answered while
/// everything else is tested says nothing.
pub(crate) fn short(place: &Place) -> Result<Counts> {
    short_of(place, &interop::build(place)?)
}

fn short_of(place: &Place, klamm: &Path) -> Result<Counts> {
    let (within, config) = (Duration::from_secs(6), SHORT_CLOCKS);
    let plan = Plan { headers: 200, bodies: 20, within, rate: 200, config };
    let verdict = against_gateway(place, &plan, klamm)?;
    println!("{verdict}");
    Ok(Counts::of(verdict.are_closed()))
}

fn against_gateway(place: &Place, plan: &Plan, klamm: &Path) -> Result<Verdict> {
    let data = place.dir("chaos")?.join(format!("slow-sockets-{}", std::process::id()));
    let mut command = Command::new(klamm);
    command.args(["gateway", "--listen", "127.0.0.1:0", "--management", "none", "--data"]);
    let config = place.dir("chaos")?.join("slow-sockets.toml");
    std::fs::write(&config, plan.config).doing(config.display())?;
    command.arg(&data).arg("--config").arg(&config);
    let gateway = Listening::start(command.env_remove("KLAMM_BOOTSTRAP_SERVERS"))?;
    let address = gateway.authority().to_owned();
    let verdict = hurt(plan, klamm, &address);
    drop(gateway);
    std::fs::remove_dir_all(&data).doing(data.display())?;
    verdict
}

/// Measures the load alone, then beside the slow clients.
fn hurt(plan: &Plan, klamm: &Path, address: &str) -> Result<Verdict> {
    let load = |seconds: Duration| p99_of(klamm, address, plan.rate, seconds);
    let calm_ms = load(plan.within)?;
    let (within, headers, bodies) = (plan.within, plan.headers, plan.bodies);
    thread::scope(|scope| {
        let loaded = scope.spawn(|| load(within));
        let mut slow = open(address, headers, "x-slow: ")?;
        slow.extend(open(address, bodies, "content-length: 1000000\r\n\r\n")?);
        let closed = trickle(&mut slow, within)?;
        let beside = loaded.join().map_err(|_| Failure::new("the load has ended"))??;
        Ok(Verdict { slow: headers + bodies, closed, calm_ms, beside_ms: beside, within })
    })
}

/// The 99th percentile of a load of the well-behaved, in milliseconds; none of them may be refused.
fn p99_of(klamm: &Path, address: &str, rate: u32, seconds: Duration) -> Result<f64> {
    let url = format!("http://{address}/topics/healthy");
    let (rate, seconds) = (rate.to_string(), seconds.as_secs().to_string());
    let mut perf = Command::new(klamm);
    perf.args(["perf", "http", &url, "-O", "json", "-c", "32", "--throughput", &rate]);
    perf.args(["--seconds", &seconds]).stdin(Stdio::null()).stderr(Stdio::null());
    // That a rate is not held shows in the latency.
    let printed = perf.output().doing("the load")?.stdout;
    p99_in(&serde_json::from_slice(&printed).doing("the load")?)
}

/// What the load says, unless somebody was refused.
fn p99_in(said: &Value) -> Result<f64> {
    if said["unanswered"] != 0 || said["answered_otherwise"] != 0 {
        return Err(Failure::new("some of the well-behaved were not accepted"));
    }
    said["latency_ms"]["p99"].as_f64().ok_or_else(|| Failure::new("the load tells no latency"))
}

/// A client that never comes to an end.
struct Slow {
    stream: TcpStream,
    /// Set once the server has closed it.
    closed: Option<Duration>,
    opened: Instant,
}

/// Opens so many that begin a request like this.
fn open(address: &str, count: usize, rest: &str) -> Result<Vec<Slow>> {
    let begun = format!("POST /topics/slow HTTP/1.1\r\nhost: {address}\r\n{rest}");
    let one = |number: usize| {
        if number % AT_ONCE == AT_ONCE - 1 {
            thread::sleep(MOMENT);
        }
        let failed = || format!("slow client {number}; `ulimit -n` has to allow all of them");
        let mut stream = TcpStream::connect(address).doing(failed())?;
        stream.set_nonblocking(true).doing(failed())?;
        // One that is refused at once is found closed soon.
        let _ = stream.write_all(begun.as_bytes());
        Ok(Slow { stream, closed: None, opened: Instant::now() })
    };
    (0..count).map(one).collect()
}

impl Slow {
    /// Sends one more byte, and looks whether anybody is there.
    fn step(&mut self) {
        let mut answer = [0; 1024];
        loop {
            match self.stream.read(&mut answer) {
                Ok(0) => return self.ended(),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return self.ended(),
            }
        }
        match self.stream.write(b"x") {
            Err(error) if error.kind() != ErrorKind::WouldBlock => self.ended(),
            _ => {}
        }
    }

    fn ended(&mut self) {
        self.closed.get_or_insert_with(|| self.opened.elapsed());
    }
}

/// Lets all of them go on until they are closed, or time is up; returns after how long each was closed.
fn trickle(slow: &mut [Slow], within: Duration) -> Result<Vec<Duration>> {
    let deadline = Instant::now() + within;
    while Instant::now() < deadline && slow.iter().any(|one| one.closed.is_none()) {
        slow.iter_mut().filter(|one| one.closed.is_none()).for_each(Slow::step);
        thread::sleep(BYTE_EVERY);
    }
    Ok(slow.iter().filter_map(|one| one.closed).collect())
}

/// What it came to.
struct Verdict {
    slow: usize,
    /// After how long each was closed that was.
    closed: Vec<Duration>,
    calm_ms: f64,
    beside_ms: f64,
    within: Duration,
}

impl Verdict {
    fn are_closed(&self) -> bool {
        self.closed.len() == self.slow
    }

    fn holds(&self) -> bool {
        self.are_closed() && self.beside_ms <= (2.0 * self.calm_ms).max(FLOOR_MS)
    }
}

impl Display for Verdict {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let last = self.closed.iter().max().copied().unwrap_or_default();
        writeln!(
            f,
            "{} of {} slow clients closed, the last after {:.1} s of at most {} s",
            self.closed.len(),
            self.slow,
            last.as_secs_f64(),
            self.within.as_secs()
        )?;
        let (calm, beside) = (self.calm_ms, self.beside_ms);
        write!(f, "p99 of the others: {calm:.2} ms alone, {beside:.2} ms beside them")
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Instant, Slow, Verdict, open, p99_in};
    use serde_json::json;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    fn verdict(closed: usize, beside_ms: f64) -> Verdict {
        let closed = vec![Duration::from_secs(9); closed];
        Verdict { slow: 5, closed, calm_ms: 3.0, beside_ms, within: Duration::from_secs(20) }
    }

    #[test]
    fn nobody_who_behaves_may_be_refused() {
        let said = |refused: u64| json!({"unanswered": 0, "answered_otherwise": refused, "latency_ms": {"p99": 1.5}});
        assert_eq!(p99_in(&said(0)).unwrap(), 1.5);
        assert!(p99_in(&said(1)).is_err() && p99_in(&json!({})).is_err());
    }

    #[test]
    fn all_must_be_closed_and_nobody_else_disturbed() {
        assert!(verdict(5, 6.0).holds());
        assert!(!verdict(4, 6.0).holds());
        assert!(!verdict(5, 6.1).holds());
        assert!(
            verdict(4, 6.0)
                .to_string()
                .contains("4 of 5 slow clients closed, the last after 9.0 s")
        );
    }

    #[test]
    fn who_is_closed_is_found_and_who_is_not_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut slow: Vec<Slow> = open(&address, 3, "x-slow: ").unwrap();
        let mut served: Vec<TcpStream> = (0..3).map(|_| listener.accept().unwrap().0).collect();
        drop(served.pop());
        served[0].write_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n").unwrap();
        served.remove(0);
        let deadline = Instant::now() + Duration::from_secs(20);
        let closed = |slow: &[Slow]| slow.iter().filter(|one| one.closed.is_some()).count();
        while closed(&slow) < 2 && Instant::now() < deadline {
            slow.iter_mut().filter(|one| one.closed.is_none()).for_each(Slow::step);
        }
        assert_eq!(closed(&slow), 2);
        assert!(slow[1].closed.is_none());
    }
}
