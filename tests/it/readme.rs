//! README.md, held to the program: its commands exist, its files are read and lead to values. (`setup` walks both ways
//! of setting up in a browser.)
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::Path;

use fitbit2mqtt::config::Config;
use fitbit2mqtt::manifest::Manifest;
use fitbit2mqtt::metric::METRICS;
use fitbit2mqtt::plugindata::Plugindata;
use fitbit2mqtt::simulator::{Client, Simulator};

use crate::command_line::{Running, bare};
use crate::world::{World, person};

const README: &str = include_str!("../../README.md");

/// The blocks of README fenced as `language`, without their indentation.
fn blocks(language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = README.lines();
    while let Some(line) = lines.next() {
        let indent = line.len() - line.trim_start().len();
        if line.trim_start() == format!("```{language}") {
            let inside = lines.by_ref().take_while(|line| line.trim() != "```");
            blocks.push(inside.map(|line| line.get(indent..).unwrap_or("")).collect::<Vec<_>>().join("\n"));
        }
    }
    blocks
}

/// The TOML files of README: each block says on its first line which it is.
fn toml_files() -> Vec<(String, String)> {
    let named = |text: String| {
        let name = text.lines().next().and_then(|line| line.strip_prefix("# ")).map(str::to_owned);
        (name.unwrap_or_else(|| panic!("the block does not say which file it is: {text}")), text)
    };
    blocks("toml").into_iter().map(named).collect()
}

/// A folder as README has it, and a bridge that runs there. What differs is said through the environment, which wins
/// over the file: where this test's cloud and broker are.
fn bridge(world: &World, files: &[(String, String)]) -> Running {
    for (name, text) in files {
        let path = world.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let cloud = format!("{}/google-health", world.cloud_url);
    let mut command = bare(&[]);
    command.current_dir(world.folder.path());
    command.env("FITBIT2MQTT_HTTP__LISTEN", "127.0.0.1:0");
    command.env("FITBIT2MQTT_MQTT__URL", format!("mqtt://127.0.0.1:{}", world.broker.plain));
    command.env("FITBIT2MQTT_UPSTREAM__GOOGLE_HEALTH__API_URL", &cloud);
    for (key, path) in [("AUTHORIZE", "o/oauth2/v2/auth"), ("TOKEN", "token"), ("REVOKE", "revoke")] {
        command.env(format!("FITBIT2MQTT_UPSTREAM__GOOGLE_HEALTH__{key}_URL"), format!("{cloud}/{path}"));
    }
    Running::start(command)
}

/// Opens `auth1` as a browser does, and consents there to everything.
async fn consent(world: &World, site: &str, user: &str) {
    let sent = world.send(world.http.get(format!("{site}/plugin/fitbit/auth1?user={user}"))).await;
    assert_eq!(sent.status, 303, "{}", sent.body);
    let back = world.cloud.consent(sent.header("location"), 0, Simulator::google_scopes()).unwrap();
    let page = world.send(world.http.get(back.split('#').next().unwrap())).await;
    assert!(page.status == 200 && page.body.contains(&format!("{user} is connected")), "{}", page.body);
}

fn site(bridge: &Running) -> String {
    let page = bridge.after("the setup page is at ");
    page.strip_suffix("/plugin/fitbit/page/setup.html").unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn set_up_by_hand_leads_to_values() {
    let world = World::new().await;
    let files: Vec<_> = toml_files().into_iter().take(3).collect();
    let names: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
    let anna = "data/identities/anna/plugindata/fitbit.toml";
    assert_eq!(names, ["fitbit2mqtt.toml", "data/plugindata/fitbit.toml", anna]);
    let bridge = bridge(&world, &files);
    consent(&world, &site(&bridge), "anna").await;
    world.await_topic("sensors/fitbit/anna/sleep-minutes", |minutes| !minutes.is_empty()).await;
    let retained = world.retained().await;
    let of_anna = retained.keys().filter_map(|topic| topic.strip_prefix("sensors/fitbit/anna/"));
    assert_eq!(of_anna.collect::<Vec<_>>(), ["body-weight", "sleep-minutes", "steps"], "as the file chooses");
    assert!(retained["sensors/fitbit/anna"].contains("\"unit\":\"st\""), "{}", retained["sensors/fitbit/anna"]);
    let kept = fs::read_to_string(world.folder.path().join(anna)).unwrap();
    for line in files[2].1.lines() {
        assert!(kept.contains(line), "{line:?} is gone from {kept}");
    }
}

#[test]
fn the_page_has_what_readme_says_of_it() {
    let steps = README.split("### By the page").nth(1).unwrap().split("### By hand").next().unwrap();
    let page = include_str!("../../setup/setup.html");
    let quoted: Vec<_> = steps.split('“').skip(1).filter_map(|rest| rest.split('”').next()).collect();
    assert!(quoted.len() > 3, "{quoted:?}");
    for words in quoted.iter().map(|words| words.split_whitespace().collect::<Vec<_>>().join(" ")) {
        // What is said after consent is no part of this page; `setup` walks there.
        assert!(words == "anna is connected" || page.contains(&words), "the setup page does not say {words:?}");
    }
    for value in [Client::google().id, Client::google().secret.unwrap()] {
        assert!(steps.contains(&format!("`{value}`")), "README does not say {value}");
    }
}

#[test]
fn every_file_of_readme_is_read_without_complaint() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in toml_files() {
        let path = folder.path().join(&name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &text).unwrap();
        if name == "fitbit2mqtt.toml" {
            Config::parse(Some((Path::new(&name), &text)), Vec::<(String, String)>::new()).unwrap();
        }
    }
    let plugindata = Plugindata::new(folder.path().join("data"));
    assert!(plugindata.application().unwrap().client("google-health").id.is_some());
    let anna = plugindata.person(&person("anna")).unwrap().expect("anna has a file");
    assert!(anna.metrics.is_some() && anna.system.is_some() && anna.provider.is_some());
}

#[test]
fn every_command_of_readme_exists() {
    let help = |arguments: &[&str]| {
        let output = bare(arguments).arg("--help").output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let rows: Vec<_> = README.lines().filter(|line| line.starts_with("| `fitbit2mqtt")).collect();
    let mut seen = 0;
    for line in README.lines() {
        for code in line.split('`').skip(1).step_by(2) {
            let Some(command) = code.strip_prefix("fitbit2mqtt ").and_then(|rest| rest.split(' ').next()) else {
                continue;
            };
            if command == "demo" && !cfg!(feature = "embedded") {
                continue;
            }
            seen += 1;
            let text = help(&[command]);
            // Options that a row explains belong to the row's command.
            let options = line.split('`').skip(1).step_by(2).flat_map(str::split_whitespace);
            for option in options.filter(|word| word.starts_with("--") && rows.contains(&line)) {
                assert!(text.contains(option), "{command} has no {option}");
            }
        }
    }
    assert!(seen >= 8, "only {seen} commands in README");
    for command in help(&[]).lines().skip_while(|line| *line != "Commands:").skip(1) {
        let Some(name) = command.split_whitespace().next() else { break };
        let told = rows.iter().any(|row| row.contains(&format!("`fitbit2mqtt {name}")));
        assert!(told || name == "help" || command.starts_with("   "), "README has no row for {name}");
    }
}

#[test]
fn readme_names_every_metric_and_every_topic() {
    for metric in METRICS {
        let row = format!("| `{}` |", metric.group.name());
        let row = README.lines().find(|line| line.starts_with(&row));
        let row = row.unwrap_or_else(|| panic!("README has no group {}", metric.group.name()));
        assert!(row.contains(&format!("`{}`", metric.key)), "README does not have {}", metric.key);
    }
    for topic in &Manifest::embedded().topics {
        let name = topic.topic.replace('{', "<").replace('}', ">");
        assert!(README.contains(&format!("| `{name}` |")), "README has no row for {name}");
    }
}

#[test]
fn every_file_that_readme_points_to_is_there() {
    for document in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(document)).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let elsewhere = link.starts_with("http");
            assert!(elsewhere || Path::new(env!("CARGO_MANIFEST_DIR")).join(link).exists(), "{document}: {link}");
        }
    }
}
