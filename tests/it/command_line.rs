//! The command line, by the real program: what each command prints where, and with which status it ends.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::world::{PATIENCE, PEOPLE, Program, World};

const COMMANDS: [&str; 13] = [
    "run",
    "demo",
    "simulate",
    "fetch",
    "backfill",
    "auth",
    "export",
    "import",
    "forget",
    "doctor",
    "plus",
    "manifest",
    "completions",
];
/// A stop is over within this.
const FAREWELL: Duration = Duration::from_secs(10);

/// The program by itself, without configuration, in a folder that need not have any.
pub fn bare(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fitbit2mqtt"));
    command.env_clear().envs(std::env::vars().filter(|(name, _)| name == "PATH" || name == "HOME"));
    command.args(arguments).current_dir(std::env::temp_dir());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn done(mut command: Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap_or_else(|| panic!("ended by a signal: {status}")), text(stdout), text(stderr))
}

/// A program that goes on, and the lines it has written so far.
pub struct Running {
    program: Program,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Running {
    pub fn start(mut command: Command) -> Running {
        let mut program = Program(command.spawn().unwrap());
        let lines = Arc::new(Mutex::new(Vec::new()));
        let outputs: [Box<dyn Read + Send>; 2] =
            [Box::new(program.0.stdout.take().unwrap()), Box::new(program.0.stderr.take().unwrap())];
        for output in outputs {
            let lines = Arc::clone(&lines);
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    lines.lock().unwrap().push(line);
                }
            });
        }
        Running { program, lines }
    }

    pub fn id(&self) -> u32 {
        self.program.0.id()
    }

    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Waits for a line that has this, and gives what follows it.
    pub fn after(&self, part: &str) -> String {
        let began = Instant::now();
        loop {
            let lines = self.lines();
            if let Some(rest) = lines.iter().find_map(|line| Some(line.split_once(part)?.1.to_owned())) {
                return rest;
            }
            assert!(began.elapsed() < PATIENCE, "no line has {part:?}: {lines:#?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends a signal and gives the status with which the program then ends, within `limit`.
    pub fn signal(&mut self, signal: &str, limit: Duration) -> Option<i32> {
        let sent = Command::new("sh").args(["-c", &format!("kill -{signal} {}", self.id())]).status().unwrap();
        assert!(sent.success());
        self.ended(limit)
    }

    fn ended(&mut self, limit: Duration) -> Option<i32> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.program.0.try_wait().unwrap() {
                return status.code();
            }
            assert!(began.elapsed() < limit, "it still runs: {:#?}", self.lines());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn help_names_what_is_built_and_completions_know_it() {
    let (status, help, _) = done(bare(&["--help"]));
    assert_eq!(status, 0);
    let listed: Vec<_> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help" && (cfg!(feature = "embedded") || *name != "demo"))
        .collect();
    let built: Vec<_> = COMMANDS.into_iter().filter(|name| cfg!(feature = "embedded") || *name != "demo").collect();
    assert_eq!(listed, built, "{help}");
    for shell in ["bash", "zsh", "fish"] {
        let (status, script, complaint) = done(bare(&["completions", shell]));
        assert_eq!((status, complaint.as_str()), (0, ""), "{shell}");
        for name in &built {
            assert!(script.contains(name), "{shell} does not complete {name}");
        }
    }
    let (_, script, _) = done(bare(&["completions", "bash"]));
    let mut check = Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn().unwrap();
    check.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(check.wait().unwrap().success());
}

#[test]
fn the_manifest_is_printed_as_it_stands() {
    let (status, manifest, complaint) = done(bare(&["manifest"]));
    let file = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/plugin-manifest.toml")).unwrap();
    assert_eq!((status, manifest, complaint.as_str()), (0, file, ""));
}

#[test]
fn wrong_usage_is_2_and_says_what_is_wrong() {
    for (arguments, part) in [
        (&["dance"][..], "dance"),
        (&["fetch"], "USER"),
        (&["fetch", "../anna"], "../anna"),
        (&["fetch", "anna", "--speed", "3"], "--speed"),
        (&["completions", "cmd"], "cmd"),
        (&["simulate", "--people", "0"], "0"),
        (&["-q", "-v", "manifest"], "--verbose"),
    ] {
        let (status, out, complaint) = done(bare(arguments));
        assert_eq!((status, out.as_str()), (2, ""), "{arguments:?}: {complaint}");
        assert!(complaint.contains(part), "{arguments:?}: {complaint}");
    }
}

#[test]
fn a_broken_configuration_is_2_and_one_line_says_where_and_what() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    for (text, parts) in [
        ("[mqtt]\nurl = \"mqtt://127.0.0.1:1883\"\nretian = true\n", ["mine.toml", "line 3", "retian"]),
        ("\n[http]\nlisten = \"everywhere\"\n", ["mine.toml", "line 3", "everywhere"]),
        ("data_dir = \n", ["mine.toml", "line 1", "TOML"]),
    ] {
        fs::write(&file, text).unwrap();
        for command in [&["run"][..], &["fetch", "anna"], &["forget", "anna"]] {
            let mut program = bare(command);
            program.arg("--config").arg(&file);
            let (status, out, complaint) = done(program);
            assert_eq!((status, out.as_str()), (2, ""), "{command:?}: {complaint}");
            let told = complaint.lines().any(|line| parts.iter().all(|part| line.contains(part)));
            assert!(told, "{parts:?} in one line of: {complaint}");
        }
    }
    let mut program = bare(&["run"]);
    program.arg("--config").arg(folder.path().join("none.toml"));
    let (status, _, complaint) = done(program);
    assert!(status == 2 && complaint.contains("none.toml"), "{complaint}");
    let mut program = bare(&["run"]);
    program.env("FITBIT2MQTT_MQTT__ULR", "mqtt://127.0.0.1");
    let (status, _, complaint) = done(program);
    assert!(status == 2 && complaint.contains("FITBIT2MQTT_MQTT__ULR"), "{complaint}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_prints_its_result_and_nothing_else() {
    let world = World::connected().await;
    let fetch = |arguments: &[&str]| done(world.program("127.0.0.1:0", &[&["fetch"], arguments].concat()));

    let (status, out, complaint) = fetch(&["zoe"]);
    assert_eq!((status, out.as_str()), (1, ""));
    assert!(complaint.contains("there is no person zoe") && complaint.contains("setup page"), "{complaint}");

    let (status, out, complaint) = fetch(&["anna"]);
    assert_eq!(status, 0, "{complaint}");
    let result: Json = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"));
    assert_eq!((result["user"].as_str(), result["provider"].as_str()), (Some("anna"), Some("fitbit")));
    assert!(result["metrics"]["body-weight"]["value"].is_number(), "{result:#}");
    assert!(world.retained().await.is_empty(), "it was not to be published");

    let (status, out, complaint) = fetch(&["anna", "--methods", "sleep,get_bodyweight", "--force"]);
    assert_eq!(status, 0, "{complaint}");
    let result: Json = serde_json::from_str(&out).unwrap();
    let metrics = result["metrics"].as_object().unwrap();
    assert!(metrics.contains_key("sleep-minutes") && metrics.contains_key("body-weight"), "{result:#}");
    assert!(!metrics.contains_key("steps"), "{result:#}");

    let (status, out, complaint) = fetch(&["anna", "--methods", "log_water"]);
    assert_eq!((status, out.as_str()), (2, ""), "{complaint}");
    assert!(complaint.contains("log_water") && complaint.contains("get_sleep"), "{complaint}");

    let (status, out, complaint) = fetch(&["anna", "--publish"]);
    assert_eq!(status, 0, "{complaint}");
    let result: Json = serde_json::from_str(&out).unwrap();
    let retained = world.retained().await;
    assert_eq!(retained["sensors/fitbit/anna/body-weight"], result["metrics"]["body-weight"]["value"].to_string());
    assert!(!retained.contains_key("fitbit2mqtt/bridge/status"), "only the bridge speaks for itself: {retained:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_that_cannot_be_published_still_prints_its_result() {
    let mut world = World::connected().await;
    world.broker.kill();
    let (status, out, complaint) = done(world.program("127.0.0.1:0", &["fetch", "ben", "--publish"]));
    assert_eq!(status, 1, "{complaint}");
    assert_eq!(serde_json::from_str::<Json>(&out).unwrap()["user"], "ben");
    assert!(complaint.contains("fitbit2mqtt: the broker did not take everything"), "{complaint}");
}

#[tokio::test(flavor = "multi_thread")]
async fn forgetting_a_name_that_nobody_has_is_no_success() {
    let world = World::connected().await;
    let (status, out, complaint) = done(world.program("127.0.0.1:0", &["forget", "ana"]));
    assert_eq!((status, out.as_str()), (1, ""), "{complaint}");
    assert!(complaint.contains("there is no person ana"), "{complaint}");

    // Whoever removed the folder by hand still has something left to be forgotten.
    let (status, _, complaint) = done(world.program("127.0.0.1:0", &["fetch", "anna", "--publish"]));
    assert_eq!(status, 0, "{complaint}");
    fs::remove_dir_all(world.data_dir().join("identities/anna")).unwrap();
    let (status, _, complaint) = done(world.program("127.0.0.1:0", &["forget", "anna"]));
    assert_eq!(status, 0, "{complaint}");
    assert!(world.retained().await.is_empty());
    let (status, _, complaint) = done(world.program("127.0.0.1:0", &["forget", "anna"]));
    assert_eq!(status, 1, "{complaint}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_simulate_prints_is_a_configuration_that_run_accepts() {
    let world = World::new().await;
    let mut cloud = Running::start(bare(&["simulate", "--listen", "127.0.0.1:0", "--people", "3"]));
    cloud.after("revoke_url");
    let block = cloud.lines().join("\n");
    assert!(block.contains("23SIMU") && block.contains("[upstream.fitbit]"), "{block}");

    let file = world.folder.path().join("with_cloud.toml");
    let text = format!(
        "data_dir = {:?}\nhttp.listen = \"127.0.0.1:0\"\nmqtt.url = \"mqtt://127.0.0.1:{}\"\n{block}\n",
        world.data_dir(),
        world.broker.plain
    );
    fs::write(&file, text).unwrap();
    let mut command = bare(&["run", "--config"]);
    command.arg(&file);
    let mut bridge = Running::start(command);
    let page = bridge.after("the setup page is at ");
    assert_eq!(world.send(world.http.get(&page)).await.status, 200);
    assert_eq!(bridge.signal("TERM", FAREWELL), Some(0));

    let api = block.lines().find_map(|line| line.strip_prefix("api_url = ")).unwrap().trim_matches('"').to_owned();
    let people = format!("{}/control/people", api.strip_suffix("/google-health").unwrap());
    assert_eq!(world.send(world.http.get(people)).await.json().as_array().map(Vec::len), Some(3));
    assert_eq!(cloud.signal("INT", FAREWELL), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn run_is_the_default_alone_on_its_folder_and_leaves_with_a_word() {
    for signal in ["TERM", "INT"] {
        let world = World::connected().await;
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let mut bridge = Running::start(world.program(&port, &[]));
        for person in PEOPLE {
            world.await_topic(&format!("sensors/fitbit/{person}/steps"), |steps| !steps.is_empty()).await;
        }
        world.await_topic("fitbit2mqtt/bridge/status", |status| status == "online").await;

        // With the same configuration, and with an address of its own.
        for listen in [port.as_str(), "127.0.0.1:0"] {
            let (status, out, complaint) = done(world.program(listen, &["run"]));
            assert_eq!((status, out.as_str()), (1, ""), "{complaint}");
            assert!(complaint.contains(&format!("process {} ", bridge.id())), "{}: {complaint}", bridge.id());
        }
        world.await_topic("fitbit2mqtt/bridge/status", |status| status == "online").await;

        assert_eq!(bridge.signal(signal, FAREWELL), Some(0), "{signal}");
        assert_eq!(world.retained().await["fitbit2mqtt/bridge/status"], "offline");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_taken_is_1_and_names_its_key() {
    let world = World::new().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (status, _, complaint) = done(world.program(&address, &["run"]));
    assert_eq!(status, 1);
    assert!(complaint.contains(&address) && complaint.contains("http.listen"), "{complaint}");
}

#[tokio::test(flavor = "multi_thread")]
async fn quiet_says_less_and_verbose_more() {
    let world = World::new().await;
    for (option, says_info, says_debug) in [("-q", false, false), ("", true, false), ("-v", true, true)] {
        // Nobody tells a quiet program's port, so it is chosen here.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let options: Vec<_> = [option].into_iter().filter(|option| !option.is_empty()).collect();
        let mut bridge = Running::start(world.program(&port.to_string(), &options));
        world
            .until("the bridge answers", async |world| {
                world.send(world.http.get(format!("http://{port}/readyz"))).await.status == 200
            })
            .await;
        // A request that is none is worth a line to whoever looks for one.
        let mut nonsense = TcpStream::connect(port).unwrap();
        nonsense.write_all(b"nonsense\r\n\r\n").unwrap();
        nonsense.read_to_end(&mut Vec::new()).unwrap();
        assert_eq!(bridge.signal("TERM", FAREWELL), Some(0));
        let lines = bridge.lines();
        assert_eq!(lines.iter().any(|line| line.contains("INFO")), says_info, "{option}: {lines:#?}");
        assert_eq!(lines.iter().any(|line| line.contains("DEBUG")), says_debug, "{option}: {lines:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_stops_reading_causes_no_panic() {
    let world = World::connected().await;
    let commands = [
        bare(&["--help"]),
        bare(&["manifest"]),
        bare(&["completions", "bash"]),
        world.program("127.0.0.1:0", &["fetch", "anna"]),
    ];
    for mut command in commands {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command.stdout(writer).output().unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(!complaint.contains("panicked") && output.status.code().is_some(), "{complaint}");
    }
}

#[cfg(feature = "embedded")]
#[tokio::test(flavor = "multi_thread")]
async fn the_demo_shows_itself_and_leaves_nothing_behind() {
    for signal in ["TERM", "INT"] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = bare(&["demo"]);
        command.env("TMPDIR", folder.path()).env("FITBIT2MQTT_MQTT__URL", "nonsense, and not looked at");
        let began = Instant::now();
        let mut demo = Running::start(command);
        let page = demo.after("Setup page").trim().to_owned();
        let watch = demo.after("Watch").trim().to_owned();
        demo.after("sensors/fitbit/anna/steps");
        demo.after("sensors/fitbit/ben/steps");
        // In a second, where nothing else runs; here the machine may be busy with other tests.
        assert!(began.elapsed() < Duration::from_secs(15), "first values after {:?}", began.elapsed());
        let lines = demo.lines();
        let first = lines.iter().position(|line| line.starts_with("sensors/fitbit/")).unwrap();
        assert!(!lines[..first].iter().any(|line| line.starts_with('[')), "no log between: {lines:#?}");

        let mut client = reqwest::Client::builder().no_proxy();
        client = client.timeout(PATIENCE);
        let shown = client.build().unwrap().get(&page).send().await.unwrap();
        assert_eq!(shown.status(), 200, "{page}");
        let watched = Command::new("sh").args(["-c", &format!("{watch} -C 3 -W 20")]).output().unwrap();
        let watched = String::from_utf8(watched.stdout).unwrap();
        assert_eq!(watched.lines().count(), 3, "{watch}: {watched}");
        assert!(watched.lines().all(|line| line.starts_with("sensors/fitbit/")), "{watched}");

        let seen = |topic: &str| {
            let lines = demo.lines();
            let values = lines.iter().filter(|line| line.split_whitespace().next() == Some(topic));
            values.cloned().collect::<std::collections::BTreeSet<_>>().len()
        };
        let began = Instant::now();
        while seen("sensors/fitbit/anna/tracker-last-sync") < 2 || seen("sensors/fitbit/anna/calories") < 2 {
            assert!(began.elapsed() < PATIENCE * 2, "nothing changes: {:#?}", demo.lines());
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_ne!(fs::read_dir(folder.path()).unwrap().count(), 0, "it works in a temporary folder");
        assert_eq!(demo.signal(signal, FAREWELL), Some(0));
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[cfg(feature = "embedded")]
#[test]
fn a_demo_that_nobody_reads_ends() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = bare(&["demo"]);
    command.env("TMPDIR", folder.path());
    let (reader, writer) = std::io::pipe().unwrap();
    command.stdout(writer).stderr(Stdio::null());
    let mut demo = Running { program: Program(command.spawn().unwrap()), lines: Arc::default() };
    drop(command);
    let mut first = String::new();
    BufReader::new(reader).read_line(&mut first).unwrap();
    assert!(first.starts_with("fitbit2mqtt demo"), "{first}");
    assert_eq!(demo.ended(PATIENCE), Some(0));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
