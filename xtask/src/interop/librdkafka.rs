//! librdkafka's own tests, from a copy of its source: built with CMake, run in quick mode on both brokers.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::matrix::{Column, Held, Known};
use super::suites::{Ends, compare, summary};
use crate::failure::{Doing, Failure, Result};
use crate::flags::Flags;
use crate::place::Place;
use crate::process;

/// How the suite is called.
pub(super) const NAME: &str = "librdkafka";
/// Tests that want a broker, and neither share groups nor the scripts of a Kafka. Latency is measured elsewhere.
const TESTS: &str = "0001,0002,0003,0005,0007,0008,0011,0012,0013,0014,0015,0017,0018,0019,0020,0021,0022,0026,\
    0028,0029,0030,0031,0033,0034,0036,0039,0040,0041,0042,0044,0045,0047,0048,0050,0051,0054,0056,0057,0059,\
    0060,0061,0062,0063,0064,0067,0069,0070,0073,0074,0081,0083,0085,0086,0089,0090,0093,0094,0099,0100,0102,0103,\
    0107,0111,0112,0113,0114,0118,0120,0122,0125,0127,0129,0130,0132,0137,0140,0153";
/// What the tests expect of a broker besides: topics made on first use have several partitions.
const SETTINGS: &[(&str, &str)] = &[("num.partitions", "4")];
/// The whole run takes two or three minutes.
const LIMIT: Duration = Duration::from_secs(600);
/// The release that the tests are told they talk to.
const VERSION: &str = "4.3.1";

/// Runs `cargo xtask interop suite librdkafka`: one broker after the other, and what differs.
pub(super) fn run(place: &Place, flags: &Flags, source: &Path) -> Result<()> {
    let runner = build(source, place)?;
    let known = Known::read(place)?;
    let kafka = test(&runner, source, place, &Column::kafka_with_users(place, SETTINGS)?)?;
    println!("kafka: {}", summary(&kafka));
    let program = match flags.value("program") {
        Some(program) => PathBuf::from(program),
        None => super::build(place)?,
    };
    let column = Column::klamm_with_users(&program, &place.dir("interop")?, SETTINGS)?;
    let klamm = test(&runner, source, place, &column)?;
    println!("klamm: {}", summary(&klamm));
    compare(&kafka, &klamm, |test| known.has(NAME, test))
}

/// Builds the tests; a source that has been built is built on.
fn build(source: &Path, place: &Place) -> Result<PathBuf> {
    let cmake = process::need("cmake", "cmake")?;
    let out = place.dir("interop/suites")?.join("librdkafka-build");
    let mut configure = Command::new(&cmake);
    configure.arg("-S").arg(source).arg("-B").arg(&out).arg("-DRDKAFKA_BUILD_TESTS=ON");
    let without = ["RDKAFKA_BUILD_EXAMPLES", "WITH_CURL", "WITH_SASL", "ENABLE_LZ4_EXT"];
    configure.args(without.map(|option| format!("-D{option}=OFF")));
    process::capture(&mut configure)?;
    process::capture(Command::new(cmake).arg("--build").arg(&out).args(["-j", "2"]))?;
    Ok(out.join("tests/test-runner"))
}

/// Runs the tests on one broker, for as long as [`LIMIT`].
fn test(runner: &Path, source: &Path, place: &Place, column: &Column) -> Result<Ends> {
    let dir = place.dir(&format!("interop/suites/librdkafka-{}", column.name))?;
    let settings = format!(
        "metadata.broker.list={}\ntest.topic.random=true\ntest.timeout.multiplier=2\n",
        column.bootstrap
    );
    std::fs::write(dir.join("test.conf"), settings).doing(dir.display())?;
    let log = place.dir("interop/logs")?.join(format!("suite-librdkafka-{}.log", column.name));
    eprintln!("librdkafka on {}; its output: {}", column.bootstrap, log.display());
    let file = std::fs::File::create(&log).doing(log.display())?;
    let mut tests = Command::new(runner);
    tests.current_dir(&dir).args(["-Q", "-L", "-E", "-p4"]).env("TESTS", TESTS);
    tests.env("TEST_KAFKA_VERSION", VERSION).env("RDKAFKA_TEST_SOURCE", source);
    let errors = file.try_clone().doing(log.display())?;
    tests.stdin(Stdio::null()).stdout(file).stderr(errors);
    let mut tests = Held(tests.spawn().doing(process::shown(&tests))?);
    // Its status says that some test failed, which its output says better; a test that failed may keep it from ending.
    tests.wait_until(Instant::now() + LIMIT)?;
    drop(tests);
    let printed = std::fs::read(&log).doing(log.display())?;
    let printed = String::from_utf8_lossy(&printed);
    let ends = ends(&printed);
    match ends.is_empty() {
        true => Err(Failure::new(process::last_lines(&printed, 20))),
        false => Ok(ends),
    }
}

/// How each test ended, from lines like `=== Test 0001_multiobj PASSED ===`; one that began and did not end has failed.
fn ends(printed: &str) -> Ends {
    let mut ends = Ends::new();
    for line in printed.lines() {
        let mut words = line.split_whitespace().skip_while(|word| *word != "Test").skip(1);
        if let Some(test) = line.split("Running test ").nth(1) {
            let test = test.split_whitespace().next().unwrap_or_default();
            ends.entry(test.to_owned()).or_insert_with(|| "fail".to_owned());
            continue;
        }
        let (Some(test), Some(end)) = (words.next(), words.next()) else { continue };
        let end = match end {
            "PASSED" => "pass",
            "FAILED" => "fail",
            "SKIPPED" => "skip",
            _ => continue,
        };
        ends.insert(test.to_owned(), end.to_owned());
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::ends;

    #[test]
    fn every_test_that_began_has_an_end() {
        let ends = ends(
            "[<MAIN> /  0.1s] Running test 0001_a (quick)\n[0001_a / 1s] ==== Test 0001_a PASSED ====\n\
             noise Test\nRunning test 0002_b\n[0003_c / 0s] === Test 0003_c SKIPPED ===\n\
             Test 0004_d FAILED at line 3\n",
        );
        let end = |name: &str| ends.get(name).map(String::as_str);
        assert_eq!((end("0001_a"), end("0002_b")), (Some("pass"), Some("fail")));
        assert_eq!((end("0003_c"), end("0004_d")), (Some("skip"), Some("fail")));
        assert_eq!(ends.len(), 4);
    }
}
