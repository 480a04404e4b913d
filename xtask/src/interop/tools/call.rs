//! One call of one of Kafka's tools: what it is given, and what it must answer.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::failure::{Doing, Failure, Result};
use crate::interop::matrix::{Held, output};
use crate::kafka::Artifacts;
use crate::process;

/// A JVM on a busy machine takes its time; a tool that hangs shall not.
const LIMIT: Duration = Duration::from_secs(90);
/// Lines of an answer that are shown when it is not what was expected.
const SHOWN: usize = 30;
/// Of a tool that lives for a second, more compiling than this is never paid back.
const JVM: [&str; 3] = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m"];

/// A call, and what is expected of it. White space in answers counts as one blank, for tools align columns.
#[derive(Debug, Clone)]
pub(super) struct Call {
    class: String,
    args: Vec<String>,
    input: String,
    says: Vec<String>,
    never: Vec<String>,
    fails: bool,
    alone: bool,
}

impl Call {
    /// The tool `class`, below `org.apache.kafka.tools` unless it begins with `kafka.`, with `args` between blanks.
    ///
    /// The word `@` among them becomes the broker's address; without one, `--bootstrap-server` comes first.
    pub(super) fn new(class: &str, args: impl AsRef<str>) -> Self {
        let class = match class.starts_with("kafka.") {
            true => class.to_owned(),
            false => format!("org.apache.kafka.tools.{class}"),
        };
        let args = args.as_ref().split_whitespace().map(str::to_owned).collect();
        let (says, never) = (Vec::new(), Vec::new());
        Self { class, args, input: String::new(), says, never, fails: false, alone: false }
    }

    /// What it reads from standard input.
    pub(super) fn input(self, input: &str) -> Self {
        Self { input: input.to_owned(), ..self }
    }

    /// It must print this.
    pub(super) fn says(mut self, words: impl AsRef<str>) -> Self {
        self.says.push(squeezed(words.as_ref()));
        self
    }

    /// It must not print this.
    pub(super) fn never_says(mut self, words: impl AsRef<str>) -> Self {
        self.never.push(squeezed(words.as_ref()));
        self
    }

    /// It must refuse, with this among its words; some tools do so with status 0.
    pub(super) fn refuses(self, words: impl AsRef<str>) -> Self {
        Self { fails: true, ..self.says(words) }
    }

    /// It is told of no broker.
    pub(super) fn alone(self) -> Self {
        Self { alone: true, ..self }
    }

    /// How reports call it.
    pub(super) fn name(&self) -> String {
        let class = self.class.rsplit('.').next().unwrap_or_default();
        format!("{class} {}", self.args.join(" "))
    }

    /// Holds an answer against what was expected.
    fn judge(&self, code: Option<i32>, printed: &str) -> Result<()> {
        let squeezed = squeezed(printed);
        let told = |what: String| {
            Err(Failure::new(format!("{what} in:\n{}", process::last_lines(printed, SHOWN))))
        };
        match code {
            None => return told(format!("no end within {} s", LIMIT.as_secs())),
            Some(0) => {}
            Some(_) if self.fails => {}
            Some(code) => return told(format!("status {code}")),
        }
        if let Some(words) = self.says.iter().find(|words| !squeezed.contains(words.as_str())) {
            return told(format!("no {words:?}"));
        }
        match self.never.iter().find(|words| squeezed.contains(words.as_str())) {
            Some(words) => told(format!("{words:?}")),
            None => Ok(()),
        }
    }
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Kafka's tools, and the broker they are used on.
#[derive(Debug)]
pub(super) struct Tools<'a> {
    artifacts: &'a Artifacts,
    bootstrap: String,
    dir: PathBuf,
    /// `--command-config` of every call.
    config: Option<PathBuf>,
    /// The `klamm` command, when it is compared with these tools.
    klamm: Option<PathBuf>,
}

impl<'a> Tools<'a> {
    /// The tools on the broker at `bootstrap`; files they need and what they say go to `dir`.
    pub(super) fn new(artifacts: &'a Artifacts, bootstrap: &str, dir: &Path) -> Self {
        let (bootstrap, dir) = (bootstrap.to_owned(), dir.to_path_buf());
        Self { artifacts, bootstrap, dir, config: None, klamm: None }
    }

    /// The same tools, and `klamm` to compare with them.
    pub(super) fn beside(self, klamm: &Path) -> Self {
        Self { klamm: Some(klamm.to_path_buf()), ..self }
    }

    /// Whether there is a `klamm` to compare with.
    pub(super) fn has_klamm(&self) -> bool {
        self.klamm.is_some()
    }

    /// What `klamm` prints, given `args` between blanks.
    ///
    /// # Errors
    /// It fails, or there is none.
    pub(super) fn klamm(&self, args: &str) -> Result<String> {
        let program =
            self.klamm.as_ref().ok_or_else(|| Failure::new("no klamm to compare with"))?;
        let (mut klamm, log) = (Command::new(program), self.scratch("errors.log"));
        klamm.args(args.split_whitespace()).args(["-b", &self.bootstrap]);
        let (status, printed) = output(&mut klamm, &[], &log, LIMIT)?;
        if status.is_none_or(|status| !status.success()) {
            let errors = std::fs::read_to_string(&log).doing(log.display())?;
            return Err(Failure::new(format!("klamm {args}: {}", errors.trim())));
        }
        Ok(String::from_utf8_lossy(&printed).into_owned())
    }

    /// A file of these tools, which need not exist yet.
    pub(super) fn scratch(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The same tools with a file of client settings.
    pub(super) fn configured(&self, config: &Path) -> Self {
        let tools = Self::new(self.artifacts, &self.bootstrap, &self.dir);
        Self { config: Some(config.to_path_buf()), ..tools }
    }

    /// Makes a call and returns what it printed.
    ///
    /// # Errors
    /// The answer is not what was expected.
    pub(super) fn make(&self, call: &Call) -> Result<String> {
        let (mut java, log) = (self.command(call), self.scratch("errors.log"));
        let (status, printed) = output(&mut java, call.input.as_bytes(), &log, LIMIT)?;
        let errors = std::fs::read(&log).doing(log.display())?;
        let printed =
            format!("{}{}", String::from_utf8_lossy(&printed), String::from_utf8_lossy(&errors));
        call.judge(status.map(|status| status.code().unwrap_or(-1)), &printed)?;
        Ok(printed)
    }

    /// Begins a call that does not end by itself; it ends with the value.
    pub(super) fn begin(&self, call: &Call) -> Result<Held> {
        let mut java = self.command(call);
        java.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        java.spawn().doing(call.name()).map(Held)
    }

    fn command(&self, call: &Call) -> Command {
        let mut java = self.artifacts.java();
        java.args(JVM).arg(&call.class);
        if !call.alone && !call.args.iter().any(|arg| arg == "@") {
            java.args(["--bootstrap-server", &self.bootstrap]);
        }
        if let Some(config) = &self.config {
            java.arg("--command-config").arg(config);
        }
        java.args(call.args.iter().map(|arg| if arg == "@" { &self.bootstrap } else { arg }));
        java
    }
}

#[cfg(test)]
mod tests {
    use super::Call;

    #[test]
    fn an_answer_is_held_against_what_was_expected() {
        let call = Call::new("T", "--list").says("a  1").never_says("b");
        assert_eq!(call.name(), "T --list");
        assert!(call.judge(Some(0), "x\na\t1 \n").is_ok());
        for (code, printed) in
            [(Some(0), "a 2"), (Some(0), "a 1 b"), (Some(1), "a 1"), (None, "a 1")]
        {
            assert!(call.judge(code, printed).is_err(), "{code:?} {printed}");
        }
        let call = Call::new("T", "").refuses("no");
        assert!(call.judge(Some(1), "no").is_ok() && call.judge(Some(0), "no").is_ok());
        assert!(call.judge(Some(1), "yes").is_err());
    }
}
