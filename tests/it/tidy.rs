//! The repository itself: what its documents promise of the code, checked from its text. Needs no network.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use fitbit2mqtt::config::Config;
use fitbit2mqtt::manifest::Manifest;
use fitbit2mqtt::upstream::UPSTREAMS;
use fitbit2mqtt::upstream::endpoint::Span;

/// The rooms from the top of the house to its ground: a room may use those that come later, never those before it. It
/// may not use those of its own line, either.
const ROOMS: &[&[&str]] = &[
    &["cli"],
    &["demo"],
    &["bridge"],
    &["simulator", "broker"],
    &["web"],
    &["history", "doctor"],
    &["schedule", "backfill", "group", "sink"],
    &["fetch", "plus", "import"],
    &["oauth"],
    &["household"],
    &["quota"],
    &["store", "plugindata"],
    &["config"],
    &["command"],
    &["plan"],
    &["upstream"],
    &["event"],
    &["snapshot"],
    &["reading", "trend"],
    &["metric", "manifest", "clock", "telemetry", "zone"],
];

/// Rooms that may use less than everything below them.
const NARROW: &[(&str, &[&str])] = &[
    ("sink", &["store", "snapshot", "reading", "metric", "telemetry", "zone"]),
    ("store", &["snapshot", "reading", "metric", "zone"]),
    ("upstream", &["snapshot", "reading", "metric"]),
    ("simulator", &["web", "clock"]),
    ("trend", &["metric"]),
    ("import", &["household", "plugindata", "upstream", "reading"]),
    ("broker", &[]),
];

/// Words that only these files may have.
const RESERVED: &[(&str, &[&str])] = &[
    ("sqlx::", &["src/store/"]),
    ("rumqttc::", &["src/sink/mqtt/connection.rs"]),
    ("rumqttd::", &["src/broker.rs"]),
    ("tiny_http::", &["src/web/server.rs"]),
    ("Utc::now", &["src/clock.rs", "src/demo.rs"]),
    ("sensors/fitbit", &["src/sink/mqtt/topic.rs", "src/config/key.rs"]),
    ("\"fitbit2mqtt/bridge", &["src/sink/mqtt/topic.rs"]),
    ("\"fitbit2mqtt/user", &["src/sink/mqtt/topic.rs"]),
];

/// Files that decide and do nothing.
const PURE: &[&str] = &[
    "src/metric.rs",
    "src/metric/",
    "src/reading.rs",
    "src/snapshot.rs",
    "src/event.rs",
    "src/plan/",
    "src/command.rs",
    "src/upstream/endpoint.rs",
    "src/upstream/decode.rs",
    "src/upstream/fitbit/",
    "src/trend.rs",
    "src/zone.rs",
    "src/import/igor.rs",
    "src/import/home_assistant.rs",
    "src/import/token_file.rs",
    "src/history/form.rs",
    "src/sink/influxdb/line.rs",
    "src/upstream/fitbit_plus/care.rs",
    "src/upstream/fitbit_plus/document.rs",
    "src/upstream/fitbit_plus/endpoints.rs",
    "src/upstream/fitbit_plus/paging.rs",
    "src/upstream/fitbit_plus/patient.rs",
    "src/upstream/fitbit_plus/request.rs",
    "src/upstream/fitbit_plus/unit.rs",
    "src/web/chart/",
    "src/web/status/asked.rs",
    "src/web/status/freshness.rs",
    "src/web/status/words.rs",
    "src/sink/mqtt/topic.rs",
    "src/sink/mqtt/payload.rs",
    "src/sink/mqtt/discovery.rs",
    "src/sink/mqtt/entities.rs",
    "src/sink/mqtt/outbox.rs",
    "src/sink/igor/statement.rs",
    "src/sink/igor/board.rs",
];

/// What a pure file has no business with. A word in the log is no effect that anything depends on.
const DOING: &[&str] = &[
    "std::fs",
    "std::io",
    "std::env",
    "std::net",
    "std::thread",
    "std::time::",
    "tokio::",
    "reqwest::",
    "::now(",
    "println!",
];

/// Files above the limit of lines, and why.
const LONG: &[(&str, &str)] = &[];
const MOST_LINES: usize = 400;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every file below `folder`, as paths from the top, but what is built or kept.
fn files(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        match entry.file_type().unwrap().is_dir() {
            true if ["target", ".git", "data"].contains(&path.as_str()) => {}
            true => found.extend(files(&path)),
            // In a linked worktree `.git` is a file of the machine's.
            false if path == ".git" => {}
            false => found.push(path),
        }
    }
    found.sort();
    found
}

fn rust(folder: &str) -> Vec<String> {
    files(folder).into_iter().filter(|path| path.ends_with(".rs")).collect()
}

/// The lines of the program itself: no comments, no tests.
fn program(path: &str) -> Vec<String> {
    if path.ends_with("tests.rs") {
        return Vec::new();
    }
    let text = text(path);
    let program = text.split("#[cfg(test)]\nmod ").next().unwrap();
    program
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(|line| line.split(" // ").next().unwrap().to_owned())
        .collect()
}

/// The rooms of this crate that a line names as `crate::room`, or in braces after `crate::`.
fn rooms_named(line: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut named = Vec::new();
    for after in line.split("crate::").skip(1) {
        match after.strip_prefix('{') {
            Some(list) => named.extend(list.split(',').map(|name| word(name.trim_start()))),
            None => named.push(word(after)),
        }
    }
    named
}

/// The room a file belongs to; `None` for `main.rs` and `lib.rs`.
fn room(path: &str) -> Option<String> {
    let name = path.strip_prefix("src/").unwrap().split('/').next().unwrap();
    let name = name.strip_suffix(".rs").unwrap_or(name);
    (!["main", "lib"].contains(&name)).then(|| name.to_owned())
}

fn floor(room: &str) -> usize {
    ROOMS
        .iter()
        .position(|rooms| rooms.contains(&room))
        .unwrap_or_else(|| panic!("room {room} has no place in ROOMS (tests/it/tidy.rs)"))
}

#[test]
fn rooms_know_only_those_further_down() {
    let mut wrong = Vec::new();
    for path in rust("src") {
        let Some(room) = room(&path) else { continue };
        let below = floor(&room);
        for used in program(&path).iter().flat_map(|line| rooms_named(line)) {
            let narrow = NARROW.iter().find(|(name, _)| *name == room);
            let allowed = match narrow {
                Some((_, allowed)) => allowed.contains(&used.as_str()),
                None => floor(&used) > below,
            };
            if used != room && !allowed {
                wrong.push(format!("{path} uses {used}"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new(), "see ARCHITECTURE.md, “Who may know whom”");
}

#[test]
fn the_check_of_rooms_sees_what_it_should() {
    assert_eq!(rooms_named("use crate::store::Store;"), ["store"]);
    assert_eq!(rooms_named("use crate::{bridge, clock::Clock};"), ["bridge", "clock"]);
    assert_eq!(rooms_named("    let x: crate::fetch::A = crate::plan::b();"), ["fetch", "plan"]);
    assert_eq!(room("src/sink/mqtt/topic.rs").as_deref(), Some("sink"));
    assert!(floor("upstream") > floor("sink") && floor("sink") > floor("bridge"));
}

#[test]
fn libraries_with_traps_the_clock_and_topics_have_one_place_each() {
    let mut wrong = Vec::new();
    for path in rust("src") {
        for line in program(&path) {
            for (word, places) in RESERVED {
                if line.contains(word) && !places.iter().any(|place| path.starts_with(place)) {
                    wrong.push(format!("{path}: {}", line.trim()));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    for (word, places) in RESERVED {
        for place in *places {
            let found = rust("src").iter().filter(|path| path.starts_with(place)).any(|path| text(path).contains(word));
            assert!(found, "{place} no longer has {word}: strike it from RESERVED");
        }
    }
}

#[test]
fn what_decides_does_nothing() {
    for place in PURE {
        let files: Vec<_> = rust("src").into_iter().filter(|path| path.starts_with(place)).collect();
        assert!(!files.is_empty(), "{place} is gone: strike it from PURE");
        for path in files {
            for line in program(&path) {
                let doing = DOING.iter().find(|word| line.contains(**word));
                assert_eq!(doing, None, "{path} is pure: {}", line.trim());
            }
        }
    }
}

#[test]
fn every_file_says_what_it_is() {
    for path in rust("") {
        let text = text(&path);
        let opening: Vec<_> = text.lines().take_while(|line| line.starts_with("//!")).collect();
        assert!(!opening.is_empty(), "{path} does not open with //!");
        if path.starts_with("src/") {
            let lines = text.lines().count();
            let why = LONG.iter().find(|(long, _)| *long == path);
            assert!(lines <= MOST_LINES || why.is_some(), "{path} has {lines} lines: look for the second room");
            assert!(lines > MOST_LINES || why.is_none(), "{path} is short enough: strike it from LONG");
        }
    }
}

#[test]
fn the_map_names_every_room() {
    let (map, architecture) = (text("src/lib.rs"), text("ARCHITECTURE.md"));
    for room in rust("src").iter().filter_map(|path| room(path)).collect::<BTreeSet<_>>() {
        assert!(map.contains(&format!("pub mod {room}; // ")), "src/lib.rs does not say what {room} is");
        assert!(architecture.contains(&format!("`{room}`")), "ARCHITECTURE.md does not mention {room}");
        floor(&room);
    }
}

#[test]
fn the_version_is_the_same_everywhere() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(Manifest::embedded().plugin.version, version, "plugin-manifest.toml");
    let changes = text("CHANGELOG.md");
    assert!(changes.contains("## [Unreleased]") || changes.contains(&format!("## [{version}]")), "CHANGELOG.md");
    assert!(changes.contains(version), "CHANGELOG.md does not mention {version}");
}

#[test]
fn upstreams_agree_with_manifest_and_configuration() {
    let ours: Vec<_> = UPSTREAMS.iter().map(|upstream| upstream.provider).collect();
    let manifest: Vec<_> = Manifest::embedded().providers.iter().map(|provider| provider.name.as_str()).collect();
    assert_eq!(manifest, ours, "plugin-manifest.toml, [[provider]]");
    let config = Config::parse(None, Vec::<(String, String)>::new()).unwrap();
    let configured: Vec<_> = config.upstreams.iter().map(|upstream| upstream.provider).collect();
    assert_eq!(configured, ours, "config/key.rs");
    for (upstream, addresses) in UPSTREAMS.iter().zip(&config.upstreams) {
        assert_eq!(upstream.is_organizations(), addresses.authorize_url.is_none(), "{}", upstream.provider);
    }
    for provider in ours {
        let guide = format!("setup/registration-{provider}.md");
        assert!(root().join(&guide).exists(), "there is no {guide}");
    }
}

#[test]
fn every_row_can_be_asked_and_every_method_finds_its_rows() {
    for upstream in UPSTREAMS {
        let by_resource = upstream.methods.iter().any(|method| method.endpoints.is_empty());
        for row in upstream.endpoints {
            let reached = row.group.is_some()
                || row.span == Span::OnceADay
                || upstream.methods.iter().any(|method| method.endpoints.contains(&row.name))
                || upstream.endpoints.iter().any(|other| other.otherwise == Some(row.name))
                || (by_resource && matches!(row.span, Span::Range(_)));
            assert!(reached, "{} {} is asked by no group and no method", upstream.provider, row.name);
            assert_eq!(upstream.endpoints.iter().filter(|other| other.name == row.name).count(), 1, "{}", row.name);
            if let Some(other) = row.otherwise {
                assert!(upstream.endpoint(other).is_some(), "{}: otherwise {other}", row.name);
            }
            let scopes = upstream.scopes.iter().any(|(scope, _)| *scope == row.scope);
            assert!(scopes, "{}: scope {} is never asked for", row.name, row.scope);
        }
        for method in upstream.methods {
            for name in method.endpoints {
                assert!(upstream.endpoint(name).is_some(), "method {}: there is no row {name}", method.name);
            }
        }
    }
}

#[test]
fn nothing_banned_is_linked() {
    let bans: toml::Table = text("deny.toml").parse().unwrap();
    let bans: Vec<_> =
        bans["bans"]["deny"].as_array().unwrap().iter().map(|ban| ban["name"].as_str().unwrap()).collect();
    let lock: toml::Table = text("Cargo.lock").parse().unwrap();
    for package in lock["package"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        assert!(!bans.contains(&name), "{name} is banned by deny.toml");
        if let Some(source) = package.get("source") {
            let public = "registry+https://github.com/rust-lang/crates.io-index";
            assert_eq!(source.as_str(), Some(public), "{name} comes from somewhere else");
        }
    }
}

#[test]
fn the_repository_speaks_of_no_single_machine_and_skips_no_test() {
    // Put together here, so that this file may be searched, too.
    let machine = [concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/ho", "me/"), concat!("/Us", "ers/")];
    let skipped = concat!("#[ign", "ore");
    for path in files("") {
        let Ok(text) = fs::read_to_string(root().join(&path)) else { continue };
        for (number, line) in text.lines().enumerate() {
            let found = machine.iter().find(|place| line.contains(**place));
            assert_eq!(found, None, "{path}:{}: a path of one machine", number + 1);
            assert!(!path.ends_with(".rs") || !line.contains(skipped), "{path}:{}: a test is skipped", number + 1);
        }
    }
}

#[test]
fn scripts_can_be_run_and_the_service_starts_what_is_built() {
    use std::os::unix::fs::PermissionsExt;
    let is_script = |path: &String| fs::read_to_string(root().join(path)).is_ok_and(|text| text.starts_with("#!"));
    let interop = files("tests/interop").into_iter().filter(is_script);
    for script in interop.chain(["tests/run".to_owned(), ".ci/run".to_owned()]) {
        let mode = fs::metadata(root().join(&script)).unwrap().permissions().mode();
        assert!(mode & 0o111 == 0o111, "{script} is not executable");
        let checked = std::process::Command::new("bash").arg("-n").arg(root().join(&script)).status().unwrap();
        assert!(checked.success(), "{script}");
    }
    assert!(text(".ci/run").contains("tests/run"));
    let service = text("setup/fitbit2mqtt.service");
    let program = &Manifest::embedded().plugin.executable;
    assert!(service.contains(&format!("ExecStart=/usr/bin/{program}\n")), "{service}");
    assert!(service.contains("StateDirectory=fitbit2mqtt\n") && service.contains("Type=exec\n"), "{service}");
}
