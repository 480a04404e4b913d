//! The files of `deploy/`: every metric and label in them is one that a gateway gives, and they are of the right form.

use super::super::metrics;
use super::promtool::promtool;
use super::sample;
use crate::config::GatewayConfig;
use klamm_metrics::Process;
use regex::Regex;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy")
}

fn read(file: &str) -> String {
    std::fs::read_to_string(deploy().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

/// The labels of every name that a gateway's page has, and of every name that a rule records.
fn known() -> BTreeMap<String, BTreeSet<String>> {
    let page = metrics::page(&sample::busy(), &Process::read());
    let label = Regex::new(r#"([a-z_]+)=""#).unwrap();
    let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let end = line.find(['{', ' ']).unwrap();
        let labels = label.captures_iter(&line[end..]).map(|found| found[1].to_owned());
        known.entry(line[..end].to_owned()).or_default().extend(labels);
    }
    let record = Regex::new(r"- record: ([a-z0-9_:]+)").unwrap();
    for found in record.captures_iter(&read("prometheus/rules.yaml")) {
        known.entry(found[1].to_owned()).or_default();
    }
    known
}

/// Names and labels in a text that no gateway gives. Prometheus adds `job` and `instance`.
fn unknown(text: &str) -> Vec<String> {
    let known = known();
    let name = Regex::new(r"(?:^|[^a-z_:])((?:klamm_gateway|process)[_:][a-z0-9_:]+)(\{[^}]*\})?")
        .unwrap();
    let label = Regex::new(r"([a-z_]+)[!=]").unwrap();
    let mut unknown = Vec::new();
    for found in name.captures_iter(text) {
        let Some(labels) = known.get(&found[1]) else {
            unknown.push(found[1].to_owned());
            continue;
        };
        for asked in label.captures_iter(found.get(2).map_or("", |part| part.as_str())) {
            if !labels.contains(&asked[1]) && !["job", "instance"].contains(&&asked[1]) {
                unknown.push(format!("{}{{{}}}", &found[1], &asked[1]));
            }
        }
    }
    unknown
}

#[test]
fn every_metric_and_label_is_one_that_a_gateway_gives() {
    let files = [
        "README.md",
        "grafana/klamm-gateway.json",
        "kubernetes/gateway.yaml",
        "prometheus/rules.yaml",
    ];
    for file in files {
        // In JSON the quotes of a selector are escaped.
        assert_eq!(unknown(&read(file).replace("\\\"", "\"")), Vec::<String>::new(), "{file}");
    }
    let wrong = "klamm_gateway_nothing + klamm_gateway_phase{job=\"x\", colour=\"red\"}";
    assert_eq!(unknown(wrong), ["klamm_gateway_nothing", "klamm_gateway_phase{colour}"]);
}

fn panels(board: &Value) -> Vec<&Value> {
    board["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row").collect()
}

#[test]
fn the_dashboard_is_whole() {
    let board: Value = serde_json::from_str(&read("grafana/klamm-gateway.json")).unwrap();
    let all = board["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = all.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), all.len(), "ids are not unique");
    let mut taken = BTreeSet::new();
    for panel in all {
        let at = |side: &str| panel["gridPos"][side].as_u64().unwrap();
        for (x, y) in (at("x")..at("x") + at("w"))
            .flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y)))
        {
            assert!(x < 24 && taken.insert((x, y)), "{} lies on another", panel["title"]);
        }
    }
    for panel in panels(&board) {
        let title = &panel["title"];
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        assert!(!panel["description"].as_str().unwrap().is_empty(), "{title}");
        assert!(!panel["fieldConfig"]["defaults"]["unit"].as_str().unwrap().is_empty(), "{title}");
        assert!(!panel["targets"].as_array().unwrap().is_empty(), "{title}");
    }
}

/// The dashboard's expressions as rules that record them, which promtool can check.
fn recorded() -> String {
    let board: Value = serde_json::from_str(&read("grafana/klamm-gateway.json")).unwrap();
    let mut rules = "groups:\n- name: dashboard\n  rules:\n".to_owned();
    let targets = panels(&board).into_iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    for (n, target) in targets.enumerate() {
        let expr = target["expr"].as_str().unwrap();
        let expr = expr.replace("$__rate_interval", "5m").replace("$__range", "1h");
        let expr = expr.replace("$job", ".*").replace("$instance", ".*").replace('\'', "''");
        rules.push_str(&format!("  - record: panel_{n}\n    expr: '{expr}'\n"));
    }
    rules
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let words = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&words));
}

#[test]
fn promtool_takes_the_rules_their_examples_and_the_dashboards_expressions() {
    let Some(tool) = promtool() else {
        println!("SKIP gateway rules: no promtool; KLAMM_TEST_PROMTOOL may name one");
        return;
    };
    let folder = deploy().join("prometheus");
    run(Command::new(&tool).args(["check", "rules"]).arg(folder.join("rules.yaml")));
    run(Command::new(&tool).args(["test", "rules"]).arg(folder.join("rules-test.yaml")));
    let file = std::env::temp_dir().join(format!("klamm-dashboard-{}.yaml", std::process::id()));
    std::fs::write(&file, recorded()).unwrap();
    run(Command::new(&tool).args(["check", "rules"]).arg(&file));
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn gateways_are_told_what_they_understand_and_may_drain_before_they_are_killed() {
    let file = read("gateway.toml");
    let config = GatewayConfig::from_toml(&file).unwrap();
    let kubernetes = read("kubernetes/gateway.yaml");
    let inside = kubernetes.split("gateway.toml: |\n").nth(1).unwrap();
    let inside: String = inside
        .lines()
        .take_while(|line| *line != "---")
        .fold(String::new(), |text, line| text + line.trim() + "\n");
    let in_kubernetes = GatewayConfig::from_toml(&inside).unwrap();
    let seconds = |text: &str, key: &str| -> u64 {
        let rest = text.split(key).nth(1).unwrap_or_else(|| panic!("no {key}"));
        rest.trim().chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
    };
    let table = [
        (&config, seconds(&read("systemd/klamm-gateway.service"), "TimeoutStopSec=")),
        (&config, seconds(&read("compose/compose.yaml"), "stop_grace_period: ")),
        (&in_kubernetes, seconds(&kubernetes, "terminationGracePeriodSeconds: ")),
    ];
    for (config, patience) in table {
        assert!(config.drain_timeout.as_secs() + 10 <= patience, "{patience}");
        assert_eq!(config.data, Path::new("/var/lib/klamm-gateway"));
        assert_eq!((config.listen.port(), config.management.unwrap().port()), (8080, 8081));
    }
}

#[test]
fn systemd_takes_the_unit() {
    let tool = Command::new("systemd-analyze").arg("--version").output();
    if !tool.is_ok_and(|output| output.status.success()) {
        println!("SKIP gateway unit: no systemd-analyze");
        return;
    }
    // The program need not be installed where this runs.
    let unit = read("systemd/klamm-gateway.service").replace("/usr/bin/klamm", "/bin/true");
    let folder = std::env::temp_dir().join(format!("klamm-unit-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("klamm-gateway.service");
    std::fs::write(&file, unit).unwrap();
    let output = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&file).output();
    std::fs::remove_dir_all(&folder).unwrap();
    let output = output.unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !words.contains("klamm-gateway.service"), "{words}");
}
