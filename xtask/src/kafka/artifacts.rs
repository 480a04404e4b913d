//! Kafka's jars by Maven coordinates, under `target/xtask/kafka/<version>/libs`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::spec::Version;
use crate::failure::{Doing, Result};
use crate::place::Place;
use crate::process;

/// The jars of one Kafka release.
#[derive(Debug, Clone)]
pub(crate) struct Artifacts {
    libs: PathBuf,
}

impl Artifacts {
    /// The jars of `version`, fetched when they are not here yet (about 10 s with a warm Maven cache).
    pub(crate) fn fetch(place: &Place, version: &Version) -> Result<Self> {
        let home = place.dir(&format!("kafka/{version}"))?;
        let libs = home.join("libs");
        let complete = home.join("complete");
        if !complete.is_file() {
            process::need("mvn", "maven")?;
            eprintln!("fetching Apache Kafka {version} with Maven");
            std::fs::write(home.join("pom.xml"), pom(version)).doing("cannot write the pom")?;
            copy_dependencies(&home, &libs)?;
            std::fs::write(&complete, b"").doing("cannot mark the jars as complete")?;
        }
        process::need("java", "default-jre-headless")?;
        Ok(Self { libs })
    }

    /// `java` with every jar of the release on its class path.
    pub(crate) fn java(&self) -> Command {
        let mut java = Command::new("java");
        java.arg("-cp").arg(self.class_path());
        java.arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn");
        java
    }

    /// All jars, as Java writes a class path.
    pub(crate) fn class_path(&self) -> PathBuf {
        self.libs.join("*")
    }
}

fn copy_dependencies(home: &Path, libs: &Path) -> Result<()> {
    let mut maven = Command::new("mvn");
    maven.current_dir(home).args(["-q", "-B", "dependency:copy-dependencies"]);
    maven.arg(format!("-DoutputDirectory={}", libs.display()));
    process::capture(&mut maven).map(drop)
}

/// Without a binding for SLF4J a broker that refuses to start would not say why.
fn pom(version: &Version) -> String {
    let mut dependencies = vec![
        ("org.apache.kafka", "kafka_2.13", version.to_string()),
        ("org.apache.kafka", "kafka-tools", version.to_string()),
    ];
    if version.at_least(4, 0) {
        dependencies.push(("org.slf4j", "slf4j-simple", "1.7.36".to_owned()));
    }
    let dependencies: String = dependencies
        .iter()
        .map(|(group, artifact, version)| {
            format!(
                "    <dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>\
                 <version>{version}</version></dependency>\n"
            )
        })
        .collect();
    format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\">\n\
         \x20 <modelVersion>4.0.0</modelVersion>\n\
         \x20 <groupId>klamm</groupId><artifactId>kafka</artifactId><version>0</version>\n\
         \x20 <dependencies>\n{dependencies}  </dependencies>\n\
         </project>\n"
    )
}
