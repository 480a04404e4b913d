//! `cargo xtask chaos slow-sockets`: thousands of clients that send a byte now and then, and many more that send nothing,
//! beside some that behave.
//!
//! Each slow one has to be closed in time, the others be kept, and those who behave must not notice.

use std::fmt::{self, Display, Formatter};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bench::usage;
use crate::failure::{Doing, Failure, Result};
use crate::flags::Flags;
use crate::interop;
use crate::listening::Listening;
use crate::place::Place;
use crate::test::Counts;

const HELP: &str = "\
cargo xtask chaos slow-sockets [--idle 10000] [--headers 2000] [--bodies 200] [--within 20] [--rate 1000]
     [--klamm PROGRAM] [--short]
     klamm gateway, clients that were answered once and then say nothing, clients that never come to the end of their headers
     or bodies, and a load beside them, which is also measured alone: as much as there can be, then at a rate. Slow
     ones have to be closed within so many seconds, idle ones are kept; nine tenths of the throughput are left, and the 99th
     percentile at the rate may double. --short is the form of the test run: fewer, with shorter clocks, and nobody asks
     how fast
";
/// Between two bytes of a slow client.
const BYTE_EVERY: Duration = Duration::from_secs(1);
/// Slow clients have clocks of their own: so many parts of them send one after the other in that time, and not all at once.
const TURNS: u32 = 100;
/// As much load as there can be is given for so long: shorter than slow headers are borne with.
const FLAT_OUT: Duration = Duration::from_secs(8);
/// A load before all that is measured.
const WARM_UP: Duration = Duration::from_secs(4);
/// What an idle connection may take of the gateway's memory.
const IDLE_KIB: f64 = 32.0;
/// What is left of the throughput.
const LEFT: f64 = 0.9;
/// Clients that are opened before the server gets a moment to take them.
const AT_ONCE: usize = 100;
/// What a client waits for its answer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);
/// That moment.
const MOMENT: Duration = Duration::from_millis(5);
/// Differences below this are the machine's.
const FLOOR_MS: f64 = 2.0;

/// The clocks of the gateway in the short form, which has not as much time.
const SHORT_CLOCKS: &str = "[http]\nheader_timeout = \"2 s\"\nbody_timeout = \"2 s\"\n";

/// How many, and how long.
struct Plan {
    idle: usize,
    headers: usize,
    bodies: usize,
    within: Duration,
    rate: u32,
    /// The gateway's configuration.
    config: &'static str,
}

/// Runs `cargo xtask chaos slow-sockets` with `args`.
pub(super) fn run(place: &Place, args: &[String]) -> Result<()> {
    let flags = Flags::parse(
        args,
        &["idle", "headers", "bodies", "within", "rate", "klamm"],
        &["short", "help"],
    )?;
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
        idle: flags.number("idle", 10_000)?,
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
    let plan = Plan { idle: 500, headers: 200, bodies: 20, within, rate: 200, config };
    let verdict = against_gateway(place, &plan, klamm)?;
    println!("{verdict}");
    Ok(Counts::of(verdict.are_closed() && verdict.are_kept()))
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
    let target = Target { klamm, address: &address, pid: gateway.pid() };
    let verdict = hurt(plan, &target);
    drop(gateway);
    std::fs::remove_dir_all(&data).doing(data.display())?;
    verdict
}

/// The gateway, and what loads it.
struct Target<'a> {
    klamm: &'a Path,
    address: &'a str,
    pid: u32,
}

/// What the well-behaved got.
#[derive(Debug, Clone, Copy)]
struct Served {
    per_second: f64,
    p99_ms: f64,
}

/// Measures the load alone, beside the slow clients and the idle ones, and alone once more.
fn hurt(plan: &Plan, target: &Target<'_>) -> Result<Verdict> {
    let (most, at_rate) = ((None, FLAT_OUT), (Some(plan.rate), plan.within));
    // The first load of all makes the log's segments and the topic, and says nothing.
    target.load((None, WARM_UP))?;
    let mut calm = [target.load(most)?, target.load(at_rate)?];
    let before = usage::memory(target.pid)?.resident;
    let mut idle = idle(target.address, plan.idle)?;
    let taken = usage::memory(target.pid)?.resident.saturating_sub(before);
    let mut closed = Vec::new();
    let mut beside = |load: (Option<u32>, Duration)| {
        thread::scope(|scope| {
            let loaded = scope.spawn(|| target.load(load));
            let mut slow = open(target.address, plan.headers, "x-slow: ")?;
            slow.extend(open(target.address, plan.bodies, "content-length: 1000000\r\n\r\n")?);
            closed.extend(trickle(&mut slow, plan.within));
            loaded.join().map_err(|_| Failure::new("the load has ended"))?
        })
    };
    let beside = [beside(most)?, beside(at_rate)?];
    idle.iter_mut().for_each(Slow::look);
    let kept = idle.iter().filter(|one| one.closed.is_none()).count();
    let peak = usage::memory(target.pid)?.peak;
    drop(idle);
    // A machine is not as fast at all times: alone is before and after.
    calm[0].per_second = f64::midpoint(calm[0].per_second, target.load(most)?.per_second);
    Ok(Verdict {
        slow: 2 * (plan.headers + plan.bodies),
        closed,
        idle: plan.idle,
        kept,
        idle_kib: taken as f64 / plan.idle.max(1) as f64,
        peak_mib: peak as f64 / 1024.0,
        calm,
        beside,
        within: plan.within,
    })
}

impl Target<'_> {
    /// A load of the well-behaved, at a rate or as much as there can be; none of them may be refused.
    fn load(&self, (rate, time): (Option<u32>, Duration)) -> Result<Served> {
        let url = format!("http://{}/topics/healthy", self.address);
        let mut perf = Command::new(self.klamm);
        perf.args(["perf", "http", &url, "-O", "json", "-c", "32"]);
        perf.args(["--seconds", &time.as_secs().to_string()]);
        if let Some(rate) = rate {
            perf.args(["--throughput", &rate.to_string()]);
        }
        // That a rate is not held shows in the latency.
        let printed = perf.stdin(Stdio::null()).stderr(Stdio::null()).output().doing("the load")?;
        served(&serde_json::from_slice(&printed.stdout).doing("the load")?)
    }
}

/// What the load says, unless somebody was refused.
fn served(said: &Value) -> Result<Served> {
    if said["unanswered"] != 0 || said["answered_otherwise"] != 0 {
        return Err(Failure::new("some of the well-behaved were not accepted"));
    }
    let figures = (said["requests_per_second"].as_f64(), said["latency_ms"]["p99"].as_f64());
    let (Some(per_second), Some(p99_ms)) = figures else {
        return Err(Failure::new("the load tells no throughput or no latency"));
    };
    Ok(Served { per_second, p99_ms })
}

/// A client that never comes to an end, or has come to one and stays.
struct Slow {
    stream: TcpStream,
    /// Set once the server has closed it.
    closed: Option<Duration>,
    opened: Instant,
}

/// Opens so many that begin a request like this.
fn open(address: &str, count: usize, rest: &str) -> Result<Vec<Slow>> {
    open_with(address, count, &format!("POST /topics/slow HTTP/1.1\r\nhost: {address}\r\n{rest}"))
}

fn open_with(address: &str, count: usize, begun: &str) -> Result<Vec<Slow>> {
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

/// Opens so many, each of which is answered once.
fn idle(address: &str, count: usize) -> Result<Vec<Slow>> {
    let request = "POST /topics/idle HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\n1";
    let mut all = Vec::with_capacity(count);
    while all.len() < count {
        let some = AT_ONCE.min(count - all.len());
        let mut opened = open_with(address, some, request)?;
        for one in &mut opened {
            one.stream.set_nonblocking(false).doing("an idle client")?;
            one.stream.set_read_timeout(Some(ANSWERED_WITHIN)).doing("an idle client")?;
            let mut answer = [0; 1024];
            let read = one.stream.read(&mut answer).doing("an idle client is not answered")?;
            if !answer[..read].starts_with(b"HTTP/1.1 202") {
                return Err(Failure::new("an idle client was not accepted"));
            }
            one.stream.set_nonblocking(true).doing("an idle client")?;
        }
        all.extend(opened);
    }
    Ok(all)
}

impl Slow {
    /// Sends one more byte, and looks whether anybody is there.
    fn step(&mut self) {
        self.look();
        if self.closed.is_some() {
            return;
        }
        match self.stream.write(b"x") {
            Err(error) if error.kind() != ErrorKind::WouldBlock => self.ended(),
            _ => {}
        }
    }

    /// Looks whether anybody is there.
    fn look(&mut self) {
        let mut answer = [0; 1024];
        loop {
            match self.stream.read(&mut answer) {
                Ok(0) => return self.ended(),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => return self.ended(),
            }
        }
    }

    fn ended(&mut self) {
        self.closed.get_or_insert_with(|| self.opened.elapsed());
    }
}

/// Lets all of them go on until they are closed, or time is up; returns after how long each was closed.
fn trickle(slow: &mut [Slow], within: Duration) -> Vec<Duration> {
    let began = Instant::now();
    for turn in 0.. {
        let due = BYTE_EVERY * turn / TURNS;
        if due >= within || slow.iter().all(|one| one.closed.is_some()) {
            break;
        }
        thread::sleep(due.saturating_sub(began.elapsed()));
        let part = slow.iter_mut().skip((turn % TURNS) as usize).step_by(TURNS as usize);
        part.filter(|one| one.closed.is_none()).for_each(Slow::step);
    }
    slow.iter().filter_map(|one| one.closed).collect()
}

/// What it came to.
struct Verdict {
    slow: usize,
    /// After how long each was closed that was.
    closed: Vec<Duration>,
    idle: usize,
    /// Idle ones that are still open.
    kept: usize,
    /// What each of them takes of the gateway's memory.
    idle_kib: f64,
    /// The most memory that the gateway had.
    peak_mib: f64,
    /// Flat out, and at the rate.
    calm: [Served; 2],
    beside: [Served; 2],
    within: Duration,
}

impl Verdict {
    fn are_closed(&self) -> bool {
        self.closed.len() == self.slow
    }

    fn are_kept(&self) -> bool {
        self.kept == self.idle
    }

    fn left(&self) -> f64 {
        self.beside[0].per_second / self.calm[0].per_second.max(1.0)
    }

    fn holds(&self) -> bool {
        let [calm, beside] = [self.calm, self.beside].map(|[_, at_rate]| at_rate.p99_ms);
        let undisturbed = self.left() >= LEFT && beside <= (2.0 * calm).max(FLOOR_MS);
        self.are_closed() && self.are_kept() && self.idle_kib <= IDLE_KIB && undisturbed
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
        let (kept, idle, kib, mib) = (self.kept, self.idle, self.idle_kib, self.peak_mib);
        writeln!(
            f,
            "{kept} of {idle} idle clients kept at {kib:.1} KiB each; {mib:.0} MiB at most in all"
        )?;
        let ([calm, calm_rate], [beside, beside_rate]) = (self.calm, self.beside);
        let (before, after, left) = (calm.per_second, beside.per_second, self.left());
        writeln!(
            f,
            "requests of the others: {before:.0} /s alone, {after:.0} /s beside them: {left:.2}"
        )?;
        let (calm, beside) = (calm_rate.p99_ms, beside_rate.p99_ms);
        write!(f, "p99 of the others: {calm:.2} ms alone, {beside:.2} ms beside them")
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Instant, Served, Slow, Verdict, idle, open, served};
    use serde_json::json;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    fn good() -> Verdict {
        let served = |per_second, p99_ms| Served { per_second, p99_ms };
        Verdict {
            slow: 5,
            closed: vec![Duration::from_secs(9); 5],
            idle: 7,
            kept: 7,
            idle_kib: 12.0,
            peak_mib: 100.0,
            calm: [served(1000.0, 9.0), served(100.0, 3.0)],
            beside: [served(900.0, 99.0), served(100.0, 6.0)],
            within: Duration::from_secs(20),
        }
    }

    #[test]
    fn nobody_who_behaves_may_be_refused() {
        let said = |refused: u64| {
            json!({
                "unanswered": 0,
                "answered_otherwise": refused,
                "requests_per_second": 7.5,
                "latency_ms": {"p99": 1.5},
            })
        };
        let well = served(&said(0)).unwrap();
        assert_eq!((well.per_second, well.p99_ms), (7.5, 1.5));
        assert!(served(&said(1)).is_err() && served(&json!({})).is_err());
    }

    #[test]
    fn all_must_be_closed_or_kept_and_nobody_else_disturbed() {
        assert!(good().holds());
        let changes: [fn(&mut Verdict); 5] = [
            |verdict| verdict.closed.truncate(4),
            |verdict| verdict.kept = 6,
            |verdict| verdict.idle_kib = 33.0,
            |verdict| verdict.beside[0].per_second = 899.0,
            |verdict| verdict.beside[1].p99_ms = 6.1,
        ];
        for change in changes {
            let mut verdict = good();
            change(&mut verdict);
            assert!(!verdict.holds(), "{verdict}");
        }
        let said = good().to_string();
        for line in [
            "5 of 5 slow clients closed, the last after 9.0 s",
            "7 of 7 idle clients kept at 12.0 KiB each; 100 MiB at most",
            "1000 /s alone, 900 /s beside them: 0.90",
            "3.00 ms alone, 6.00 ms beside them",
        ] {
            assert!(said.contains(line), "{line}: {said}");
        }
    }

    #[test]
    fn idle_clients_are_answered_once_and_looked_for() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let serving = std::thread::spawn(move || {
            let mut served: Vec<TcpStream> = (0..2).map(|_| listener.accept().unwrap().0).collect();
            served.iter_mut().for_each(|one| one.write_all(b"HTTP/1.1 202 Accepted\r\n").unwrap());
            served
        });
        let mut clients = idle(&address, 2).unwrap();
        let mut served = serving.join().unwrap();
        clients.iter_mut().for_each(Slow::look);
        assert!(clients.iter().all(|one| one.closed.is_none()));
        drop(served.pop());
        let deadline = Instant::now() + Duration::from_secs(20);
        while clients.iter().all(|one| one.closed.is_none()) && Instant::now() < deadline {
            clients.iter_mut().for_each(Slow::look);
        }
        assert_eq!(clients.iter().filter(|one| one.closed.is_some()).count(), 1);
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
