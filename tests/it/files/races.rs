//! Writers at once: threads, other processes, killed ones, and whoever waits for a person that goes away.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use fitbit2mqtt::plan::KEYWORDS;
use fitbit2mqtt::plugindata::{Plugindata, RunLock};
use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::{World, access, mode, token};

#[test]
fn a_person_removed_is_gone_and_nobody_brings_them_back() {
    let world = World::new();
    world.plugindata.save_token(&world.anna, &token(1)).unwrap();
    let guard = world.plugindata.lock(&world.anna).unwrap();
    let (sender, receiver) = mpsc::channel();
    let writers: Vec<_> = (0..3)
        .map(|_| {
            let (plugindata, anna, sender) = (world.plugindata.clone(), world.anna.clone(), sender.clone());
            std::thread::spawn(move || {
                sender.send(()).unwrap();
                plugindata.save_token(&anna, &token(2))
            })
        })
        .collect();
    for _ in &writers {
        receiver.recv().unwrap();
    }
    guard.remove().unwrap();
    for writer in writers {
        assert!(writer.join().unwrap().is_err());
    }
    assert!(world.plugindata.people().unwrap().is_empty());

    world.plugindata.create(&world.anna).unwrap();
    world.plugindata.save_token(&world.anna, &token(3)).unwrap();
    world.plugindata.remove(&world.anna).unwrap();
    assert!(world.plugindata.person(&world.anna).unwrap().is_none());
    assert!(world.plugindata.save(&world.anna, |edit| edit.set("period", "1d")).is_err());
    assert_eq!(fs::read_dir(world.path("identities")).unwrap().count(), 0);
}

#[test]
fn a_lock_is_waited_for_no_longer_than_asked() {
    let world = World::new();
    let guard = world.plugindata.lock(&world.anna).unwrap();
    assert!(world.plugindata.lock_within(&world.anna, Duration::ZERO).unwrap().is_none());
    assert!(world.plugindata.lock_within(&world.anna, Duration::from_millis(50)).unwrap().is_none());
    let other = {
        let (plugindata, anna) = (world.plugindata.clone(), world.anna.clone());
        std::thread::spawn(move || plugindata.lock_within(&anna, Duration::from_secs(30)).unwrap().is_some())
    };
    guard.save_token(&token(1)).unwrap();
    assert_eq!(access(guard.read().unwrap().token).as_deref(), Some("access-1"));
    guard.try_saving().unwrap();
    drop(guard);
    assert!(other.join().unwrap());
    assert_eq!(world.names(), ["fitbit.lock", "fitbit.toml"]);
}

#[test]
fn threads_that_write_at_once_lose_nothing() {
    let world = World::new();
    world.plugindata.save_token(&world.anna, &token(0)).unwrap();
    let writers: Vec<_> = KEYWORDS
        .iter()
        .map(|keyword| {
            let (plugindata, anna) = (Plugindata::new(world.folder.path()), world.anna.clone());
            std::thread::spawn(move || {
                for round in 1..=20 {
                    plugindata.save(&anna, |edit| edit.set(keyword, &round.to_string())).unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
    let person = world.plugindata.person(&world.anna).unwrap().unwrap();
    assert!(KEYWORDS.iter().all(|keyword| person.keywords[*keyword] == "20"), "{person:?}");
    assert_eq!(access(person.token).as_deref(), Some("access-0"));
}

/// What a second process does when the tests below start this very binary as one; by itself, nothing.
#[test]
fn another_process() {
    let Ok(folder) = std::env::var("ANOTHER_PROCESS_FOLDER") else { return };
    let plugindata = Plugindata::new(&folder);
    let anna = "anna".parse().unwrap();
    match std::env::var("ANOTHER_PROCESS_DOES").unwrap().as_str() {
        "run" => {
            let _lock = RunLock::acquire(Path::new(&folder)).unwrap();
            println!("ready");
            std::thread::sleep(Duration::from_secs(60));
        }
        "tokens" => {
            println!("ready");
            (1..=20_000).for_each(|generation| plugindata.save_token(&anna, &token(generation)).unwrap());
        }
        keyword => {
            for round in 1..=40 {
                plugindata.save(&anna, |edit| edit.set(keyword, &round.to_string())).unwrap();
            }
        }
    }
}

fn start(folder: &Path, does: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "files::races::another_process", "--nocapture"])
        .env("ANOTHER_PROCESS_FOLDER", folder)
        .env("ANOTHER_PROCESS_DOES", does)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn wait_until_ready(child: &mut Child) {
    let mut said = Vec::new();
    let out = child.stdout.as_mut().unwrap();
    while !said.ends_with(b"ready\n") {
        let mut byte = [0];
        assert_eq!(out.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&said));
        said.push(byte[0]);
    }
}

#[test]
fn processes_that_write_at_once_lose_nothing() {
    let world = World::new();
    let children: Vec<Child> =
        ["period", "date", "limit"].iter().map(|does| start(world.folder.path(), does)).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let person = world.plugindata.person(&world.anna).unwrap().unwrap();
    assert!(["period", "date", "limit"].iter().all(|keyword| person.keywords[*keyword] == "40"), "{person:?}");
}

#[test]
fn a_writer_killed_at_any_moment_leaves_a_whole_file_and_no_lock() {
    let world = World::new();
    world.plugindata.save_token(&world.anna, &token(0)).unwrap();
    for pause in [0, 1, 2, 3, 5, 8, 13, 21] {
        let mut child = start(world.folder.path(), "tokens");
        wait_until_ready(&mut child);
        std::thread::sleep(Duration::from_millis(pause));
        child.kill().unwrap();
        child.wait().unwrap();
        let present = world.plugindata.person(&world.anna).unwrap().unwrap().token.unwrap();
        let generation = present.access_token.expose_secret().strip_prefix("access-").unwrap();
        assert_eq!(present.refresh_token.unwrap().expose_secret(), format!("refresh-{generation}"));
        assert!(world.plugindata.lock_within(&world.anna, Duration::from_secs(5)).unwrap().is_some());
    }
}

#[test]
fn what_a_killed_writer_left_behind_is_swept_up() {
    let world = World::new();
    let folder = world.path("identities/anna/plugindata");
    fs::write(folder.join(".fitbit.toml.Ab3dE6.tmp"), "[token]\naccess_tok").unwrap();
    fs::write(folder.join(".fitbit.toml.previous.Ab3dE6.tmp"), "[token]").unwrap();
    fs::write(folder.join("notes.tmp"), "mine").unwrap();
    world.plugindata.save_token(&world.anna, &token(1)).unwrap();
    assert_eq!(world.names(), ["fitbit.lock", "fitbit.toml", "notes.tmp"]);
}

#[test]
fn only_one_process_runs_in_a_data_directory() {
    let folder = TempDir::new().unwrap();
    let data_dir = folder.path().join("new");
    let mut child = start(&data_dir, "run");
    wait_until_ready(&mut child);
    let refused = RunLock::acquire(&data_dir).unwrap_err().to_string();
    assert!(refused.contains(&format!("process {} ", child.id())), "{refused}");
    assert!(refused.contains(data_dir.to_str().unwrap()), "{refused}");
    child.kill().unwrap();
    child.wait().unwrap();

    let lock = RunLock::acquire(&data_dir).unwrap();
    let noted = fs::read_to_string(data_dir.join("fitbit2mqtt.lock")).unwrap();
    assert_eq!(noted.trim(), std::process::id().to_string());
    assert!(RunLock::acquire(&data_dir).is_err());
    drop(lock);
    RunLock::acquire(&data_dir).unwrap();
    assert_eq!((mode(&data_dir), mode(&data_dir.join("fitbit2mqtt.lock"))), (0o700, 0o600));
}

#[test]
fn a_child_that_is_just_being_started_keeps_no_lock_that_was_let_go() {
    let folder = TempDir::new().unwrap();
    let (stop, stopped) = mpsc::channel::<()>();
    let starting = std::thread::spawn(move || {
        while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
            assert!(Command::new("true").status().unwrap().success());
        }
    });
    let refused = (0..5000).find_map(|_| RunLock::acquire(folder.path()).err());
    drop(stop);
    starting.join().unwrap();
    assert!(refused.is_none(), "{}", refused.unwrap());
}

#[test]
fn a_removal_cut_short_is_completed_at_the_next_start() {
    let world = World::new();
    let left = world.path("identities/.removed.Ab3dE6/folder/plugindata");
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join("fitbit.toml"), "[token]\naccess_token = 'a'\n").unwrap();
    assert_eq!(world.plugindata.people().unwrap(), std::slice::from_ref(&world.anna));
    let _lock = RunLock::acquire(world.folder.path()).unwrap();
    assert!(!world.path("identities/.removed.Ab3dE6").exists());
    assert!(world.path("identities/anna").exists());
}
