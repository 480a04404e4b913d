//! `klamm groups` from outside: what it prints, what it changes, and how it ends.

use klamm::{Client, ClientConfig, Consumer, ConsumerConfig, ProducerConfig, Record};
use klamm_broker::Broker;
use serde_json::{Value, json};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A broker with sockets, a client of it, and topic `t` with two partitions.
struct Scene {
    broker: Broker,
    client: Client,
}

/// What a command came to.
#[derive(Debug)]
struct Ended {
    status: i32,
    out: String,
    err: String,
}

impl Ended {
    fn json(&self) -> Value {
        assert_eq!(self.status, 0, "{}", self.err);
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}", self.out))
    }

    /// Checks exit status, and that standard error says each of these.
    fn fails(&self, status: i32, says: &[&str]) {
        assert_eq!(self.status, status, "{self:?}");
        for words in says {
            assert!(self.err.contains(words), "{words:?} is not in {:?}", self.err);
        }
    }
}

impl Scene {
    async fn new() -> Self {
        let broker = Broker::builder().nodes(2).topic("t", 2).start().await.unwrap();
        let client = Client::connect(ClientConfig::new(broker.bootstrap())).await.unwrap();
        Self { broker, client }
    }

    /// Records of partition 0, so old.
    async fn produce(&self, ages: &[u64]) {
        let producer = self.client.producer(ProducerConfig::default()).unwrap();
        for age in ages {
            let at = now_ms() - i64::try_from(*age * 1_000).unwrap();
            let record = Record::to("t").partition(0).timestamp_ms(at).value("v");
            producer.send(record).await.unwrap();
        }
        producer.close(Duration::from_secs(5)).await;
    }

    /// Runs `klamm groups` with the words of `args`.
    async fn groups(&self, args: &str) -> Ended {
        let mut command = Command::new(env!("CARGO_BIN_EXE_klamm"));
        command.arg("groups").args(args.split_whitespace()).args(["-b", &self.broker.bootstrap()]);
        command.env_remove("KLAMM_BOOTSTRAP_SERVERS").env_remove("RUST_LOG").stdin(Stdio::null());
        let ran = tokio::task::spawn_blocking(move || command.output().expect("klamm runs"));
        let output = ran.await.unwrap();
        Ended {
            status: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// What a group has committed, by partition.
    async fn committed(&self, group: &str) -> Vec<(i64, i64)> {
        let described = self.groups(&format!("describe {group} -O json")).await.json();
        let number = |row: &Value, name: &str| row[name].as_i64().unwrap();
        let rows = described["partitions"].as_array().unwrap();
        rows.iter().map(|row| (number(row, "partition"), number(row, "committed"))).collect()
    }
}

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_is_shown_first_and_made_with_execute() {
    let scene = Scene::new().await;
    scene.produce(&[300, 200, 100, 0]).await;
    let shown = scene.groups("reset g --topic t --to-latest").await;
    let heading = "GROUP  TOPIC  PARTITION  OLD  NEW  CHANGE  LAG  NOTE";
    let rows = [
        "g      t              0    -    4       -    0",
        "g      t              1    -    0       -    0",
    ];
    assert_eq!(shown.out.lines().collect::<Vec<_>>(), [heading, rows[0], rows[1]]);
    shown.fails(0, &["group g does not exist yet", "nothing was changed; --execute does it"]);
    scene.groups("describe g").await.fails(5, &["GROUP_ID_NOT_FOUND", "klamm groups list"]);

    scene.groups("reset g --topic t --to-latest --execute").await.fails(0, &["2 offsets set"]);
    assert_eq!(scene.committed("g").await, [(0, 4), (1, 0)]);
    let table = [
        ("--topic t:0 --to-earliest", (0, None)),
        ("--topic t:0 --to-offset 3", (3, None)),
        ("--topic t:0 --shift-by -2", (1, None)),
        ("--topic t:0 --shift-by -2", (0, Some("-1 is before the begin"))),
        ("--topic t:0 --to-offset 9", (4, Some("9 is behind the end"))),
        ("--topic t:0 --to-current", (4, None)),
        ("--topic t:0 --by-duration PT150S", (2, None)),
        ("--topic t:0 --by-duration 1h", (0, None)),
        (
            "--topic t:0 --to-datetime 2200-01-01T00:00:00.000",
            (4, Some("no record is so young: the end")),
        ),
        ("--topic t:0 --to-datetime 1999-12-31", (0, None)),
    ];
    for (how, (new, note)) in table {
        let rows = scene.groups(&format!("reset g {how} --execute -O json")).await.json();
        assert_eq!((&rows[0]["new"], &rows[0]["note"]), (&json!(new), &json!(note)), "{how}");
        assert_eq!(scene.committed("g").await, [(0, new), (1, 0)], "{how}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exported_offsets_are_read_back() {
    let scene = Scene::new().await;
    scene.produce(&[1, 1, 1, 1]).await;
    for (group, offset) in [("g", 1), ("h", 3)] {
        let set = format!("reset {group} --topic t:0 --to-offset {offset} --execute");
        scene.groups(&set).await.fails(0, &[]);
    }
    assert_eq!(scene.groups("reset g --all-topics --to-current --export").await.out, "t,0,1\n");
    let both = scene.groups("reset g h --all-topics --to-current --export").await.out;
    assert_eq!(both, "g,t,0,1\nh,t,0,3\n");
    let file = std::env::temp_dir().join(format!("klamm-groups-{}.csv", std::process::id()));
    std::fs::write(&file, both).unwrap();
    let from_file = format!("--from-file {} --execute", file.display());
    scene.groups("reset g h --topic t --to-latest --execute").await.fails(0, &["4 offsets set"]);
    scene.groups(&format!("reset g h {from_file}")).await.fails(0, &["2 offsets set"]);
    assert_eq!(scene.committed("g").await, [(0, 1), (1, 0)]);
    assert_eq!(scene.committed("h").await, [(0, 3), (1, 0)]);
    scene.groups(&format!("reset g {from_file}")).await.fails(2, &["line 2", "\"h\" is none"]);
    std::fs::remove_file(&file).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_reset_is_refused_before_anything_is_set() {
    let scene = Scene::new().await;
    scene.produce(&[1]).await;
    scene.groups("reset g --topic t:0 --to-latest --execute").await.fails(0, &[]);
    scene.groups("reset g --to-latest").await.fails(2, &["--topic", "--all-topics"]);
    scene.groups("reset g --topic t").await.fails(2, &["--to-earliest", "--from-file"]);
    scene.groups("reset g --topic x --to-latest").await.fails(5, &["topic x", "klamm topics list"]);
    scene.groups("reset g --topic t:2 --to-latest").await.fails(5, &["no partition 2"]);
    let shift = scene.groups("reset g --topic t --shift-by -1 --execute").await;
    shift.fails(1, &["t-1: nothing is committed", "nothing was changed"]);
    assert_eq!(scene.committed("g").await, [(0, 1)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lag_is_counted_in_records_and_in_time() {
    let scene = Scene::new().await;
    scene.produce(&[3_600, 1_800, 1]).await;
    for (group, offset) in [("first", 0), ("second", 1), ("done", 3)] {
        let set = format!("reset {group} --topic t:0 --to-offset {offset} --execute");
        scene.groups(&set).await.fails(0, &[]);
    }
    let groups = scene.groups("lag -O json").await.json();
    let told: Vec<_> =
        groups.as_array().unwrap().iter().map(|g| (&g["group"], &g["lag"])).collect();
    let expected =
        [(json!("first"), json!(3)), (json!("second"), json!(2)), (json!("done"), json!(0))];
    assert_eq!(told, expected.each_ref().map(|(group, lag)| (group, lag)));
    let seconds = |at: usize| groups[at]["lag_seconds"].as_f64().unwrap();
    // Two groups at two places of one partition: each has the age of its own record.
    assert!((3_600.0..3_700.0).contains(&seconds(0)), "{groups}");
    assert!((1_800.0..1_900.0).contains(&seconds(1)), "{groups}");
    assert_eq!(seconds(2), 0.0, "{groups}");
    assert_eq!(groups[0]["worst"]["partition"], 0, "{groups}");

    let text = scene.groups("lag first --partitions").await.out;
    assert!(text.contains("first  t              0          0    3    3  1h00m"), "{text}");
    scene.groups("lag --fail-over 3").await.fails(0, &[]);
    scene.groups("lag --fail-over 2").await.fails(7, &["group first lags by 3 records"]);
    scene.groups("lag second --fail-over 2h").await.fails(0, &[]);
    scene.groups("lag second --fail-over 30s").await.fails(7, &["group second lags by 30m"]);
    scene.groups("lag nobody").await.fails(5, &["nobody"]);
}

/// A member that has joined and keeps polling.
async fn member(scene: &Scene) -> (std::sync::Arc<Consumer>, tokio::task::JoinHandle<()>) {
    let config = ConsumerConfig::group("busy").subscribe(["t"]);
    let consumer = std::sync::Arc::new(scene.client.consumer(config).unwrap());
    let polling = std::sync::Arc::clone(&consumer);
    let task = tokio::spawn(async move { while let Ok(Some(_)) = polling.poll().await {} });
    loop {
        let group = scene.groups("describe busy -O json").await;
        if group.status == 0 && group.json()["partitions"].as_array().is_some_and(|p| p.len() == 2)
        {
            return (consumer, task);
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_with_members_shows_them_and_is_left_alone() {
    let scene = Scene::new().await;
    let (consumer, task) = member(&scene).await;
    let list = scene.groups("list --verbose -O json").await.json();
    assert_eq!((&list[0]["group"], &list[0]["members"]), (&json!("busy"), &json!(1)));
    let members = scene.groups("members busy -O json").await.json();
    assert_eq!(members["members"][0]["assignment"].as_array().unwrap().len(), 2, "{members}");
    let text = scene.groups("describe busy").await.out;
    assert!(text.contains("STATE        Stable") && text.contains("klamm"), "{text}");

    let lag = scene.groups("lag busy").await.out;
    assert!(lag.contains("nothing committed of 2 of 2 partitions"), "{lag}");
    let reset = scene.groups("reset busy --topic t --to-earliest --execute").await;
    reset.fails(1, &["busy", "a member", "klamm on 127.0.0.1", "klamm groups members busy"]);
    scene.groups("delete busy --yes").await.fails(1, &["NON_EMPTY_GROUP", "stop them first"]);
    consumer.close().await;
    task.await.unwrap();
    scene.groups("reset busy --topic t --to-earliest --execute").await.fails(0, &["2 offsets set"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_and_offsets_are_deleted_by_name_and_by_pattern() {
    let scene = Scene::new().await;
    for group in ["app-1", "app-2", "other"] {
        let set = format!("reset {group} --topic t --to-latest --execute");
        scene.groups(&set).await.fails(0, &[]);
    }
    let lag = scene.groups("lag other").await.out;
    assert!(lag.lines().nth(1).unwrap().trim_end().ends_with('-'), "nothing to say: {lag}");
    scene.groups("delete app-1").await.fails(2, &["--yes"]);
    let deleted = scene.groups("delete app-1 --topic t:1 --yes").await;
    assert_eq!(deleted.out, "app-1: t-1 deleted\n", "{deleted:?}");
    assert_eq!(scene.committed("app-1").await, [(0, 0)]);
    let deleted = scene.groups("delete app-* --yes").await;
    assert_eq!(deleted.out, "app-1 deleted\napp-2 deleted\n", "{deleted:?}");
    scene.groups("delete app-* --yes").await.fails(5, &["no group fits app-*"]);
    scene.groups("delete app-1 --yes").await.fails(5, &["group app-1", "GROUP_ID_NOT_FOUND"]);
    let list = scene.groups("list").await.out;
    let rows: Vec<&str> = list.lines().skip(1).collect();
    assert!(rows.len() == 1 && rows[0].starts_with("other  Empty  Classic"), "{list}");
}
