//! The kafka-clients jar: fetched by its Maven coordinates, its schemas unpacked, its classes run.

use crate::failure::{Doing, Result};
use crate::place::Place;
use crate::process;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The release whose schemas are generated from.
pub(super) const VERSION: &str = "4.4.0";

/// The jar and what it depends on, under `target/xtask/codegen/<version>`.
#[derive(Debug)]
pub(crate) struct ClientsJar {
    home: PathBuf,
    programs: PathBuf,
}

impl ClientsJar {
    /// Fetches and unpacks what is not here yet (about 10 s with a warm Maven cache).
    pub(crate) fn fetch(place: &Place) -> Result<Self> {
        let home = place.dir(&format!("codegen/{VERSION}"))?;
        let jar = Self { home, programs: place.root().join("xtask/java") };
        let complete = jar.home.join("complete");
        if !complete.is_file() {
            process::need("mvn", "maven")?;
            process::need("jar", "default-jdk-headless")?;
            eprintln!("fetching kafka-clients {VERSION} with Maven");
            jar.copy_dependencies()
                .doing(format_args!("kafka-clients {VERSION} could not be fetched"))?;
            jar.unpack()?;
            fs::write(&complete, b"").doing("cannot mark the jar as complete")?;
        }
        Ok(jar)
    }

    /// Where the message schemas are.
    pub(super) fn schemas(&self) -> PathBuf {
        self.home.join("common/message")
    }

    /// Runs one of the single-file programs of `xtask/java` and returns what it prints.
    pub(crate) fn run(&self, program: &str, args: &[&Path], names: &[String]) -> Result<Vec<u8>> {
        process::need("java", "default-jdk-headless")?;
        let mut java = Command::new("java");
        java.arg("-cp").arg(self.home.join("libs/*"));
        java.arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn");
        java.arg(self.programs.join(program)).args(args).args(names);
        process::capture(&mut java)
    }

    fn copy_dependencies(&self) -> Result<()> {
        let pom = format!(
            "<project xmlns=\"http://maven.apache.org/POM/4.0.0\">\n\
             \x20 <modelVersion>4.0.0</modelVersion>\n\
             \x20 <groupId>klamm</groupId><artifactId>codegen</artifactId><version>0</version>\n\
             \x20 <dependencies>\n\
             \x20   <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-clients</artifactId><version>{VERSION}</version></dependency>\n\
             \x20   <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>\n\
             \x20 </dependencies>\n\
             </project>\n"
        );
        fs::write(self.home.join("pom.xml"), pom).doing("cannot write the pom")?;
        let mut maven = Command::new("mvn");
        maven.current_dir(&self.home).args(["-q", "-B", "dependency:copy-dependencies"]);
        maven.arg(format!("-DoutputDirectory={}", self.home.join("libs").display()));
        process::capture(&mut maven).map(drop)
    }

    fn unpack(&self) -> Result<()> {
        let mut unpack = Command::new("jar");
        unpack.current_dir(&self.home).arg("xf");
        unpack.arg(format!("libs/kafka-clients-{VERSION}.jar")).arg("common/message");
        process::capture(&mut unpack).map(drop)
    }
}
