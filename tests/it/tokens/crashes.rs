//! The program is killed (SIGKILL) between every two steps of a renewal, and the person can still fetch without a new
//! consent. Most points are met from outside, by holding a request; the two between the answer and the new file lie
//! too close together for that, and are met by putting the files into the state in which such a crash leaves them.

use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};

use super::gate::{Gate, Stage};
use super::*;
use crate::world::{Program, World, person};

const DATA: &str = "/1/user/";

/// Anna's token is about to end; the real program stands before the gate.
async fn before_the_gate() -> (World, Gate) {
    let mut world = at_machine_time().await;
    edit(&world, "anna", |text| format!("# Anna's own words.\n{text}"));
    expire(&world, "anna");
    let gate = Gate::before(&mut world);
    (world, gate)
}

fn start(world: &World) -> Program {
    Program(fetch_command(world, "anna").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

/// SIGKILL, and the program is no more.
fn kill(mut program: Program) {
    assert!(program.0.try_wait().unwrap().is_none(), "it is still at work");
    program.0.kill().unwrap();
    program.0.wait().unwrap();
}

fn fetch(world: &World) -> Output {
    let output = tokio::task::block_in_place(|| fetch_command(world, "anna").output()).unwrap();
    assert_fetched(&output);
    output
}

/// Killed while it waits for this request, and then once more: the second program meets what the first one left.
async fn killed_at(address: &str, stage: Stage, check: impl Fn(&World)) -> World {
    let (world, gate) = before_the_gate().await;
    for _ in 0..2 {
        gate.hold(address, stage);
        let program = start(&world);
        gate.await_reached().await;
        kill(program);
        check(&world);
    }
    gate.open();
    fetch(&world);
    assert_tidy(&world, "anna");
    assert!(fs::read_to_string(world.person_file("anna")).unwrap().starts_with("# Anna's own words.\n"));
    assert!(answered(&world, 401).is_empty());
    fetch(&world);
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_it_asks() {
    let (world, _gate) = before_the_gate().await;
    let kept = pair(&world, "anna");
    let lock = world.plugindata().lock(&person("anna")).unwrap();
    let program = start(&world);
    // It stands before the lock as soon as it has the lock's file open.
    let open = format!("/proc/{}/fd", program.0.id());
    let lock_file = world.person_file("anna").with_file_name("fitbit.lock");
    world.until("it waits for the lock", async |_| has_open(Path::new(&open), &lock_file)).await;
    kill(program);
    drop(lock);
    assert_eq!((renewals(&world), pair(&world, "anna")), (0, kept));
    fetch(&world);
    assert_eq!(renewals(&world), 1);
    assert_tidy(&world, "anna");
}

fn has_open(descriptors: &Path, file: &Path) -> bool {
    let entries = fs::read_dir(descriptors).into_iter().flatten().flatten();
    entries.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|open| open == file)
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_when_it_has_asked_and_the_upstream_has_not_heard() {
    let world = killed_at(TOKEN, Stage::Asked, |world| assert!(previous(world, "anna").is_none())).await;
    assert_eq!(renewals(&world), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_when_the_upstream_has_renewed_and_its_answer_is_on_the_way() {
    let world = killed_at(TOKEN, Stage::Answered, |world| {
        assert!(renewals(world) > 0);
        assert_eq!(names(world, "anna"), ["fitbit.lock", "fitbit.toml"]);
    })
    .await;
    assert_eq!(renewals(&world), 3, "the identical request each time");
}

/// Met by state: the answer is there, and what is being written is cut short.
#[tokio::test(flavor = "multi_thread")]
async fn killed_when_it_has_the_answer_and_has_written_half_a_file() {
    let (world, gate) = before_the_gate().await;
    let folder = world.person_file("anna").parent().unwrap().to_owned();
    renewed_and_killed(&world, &gate).await;
    fs::write(folder.join(".fitbit.toml.previous.Ab3dE6.tmp"), "# Anna's own words.\n[token]\nacc").unwrap();
    fetch(&world);
    assert_tidy(&world, "anna");
}

/// Met by state: the old pair is kept beside the file, and the new file is written and not in its place.
#[tokio::test(flavor = "multi_thread")]
async fn killed_when_the_old_pair_is_kept_and_the_new_one_not_in_its_place() {
    let (world, gate) = before_the_gate().await;
    let folder = world.person_file("anna").parent().unwrap().to_owned();
    renewed_and_killed(&world, &gate).await;
    fs::copy(world.person_file("anna"), folder.join("fitbit.toml.previous")).unwrap();
    fs::write(folder.join(".fitbit.toml.Ab3dE6.tmp"), "[token]\naccess_token = \"of no use\"\n").unwrap();
    fetch(&world);
    assert_tidy(&world, "anna");
}

async fn renewed_and_killed(world: &World, gate: &Gate) {
    gate.hold(TOKEN, Stage::Answered);
    let program = start(world);
    gate.await_reached().await;
    kill(program);
    gate.open();
    assert_eq!(renewals(world), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_when_the_new_pair_is_in_its_place_and_was_never_used() {
    let world = killed_at(DATA, Stage::Asked, |world| {
        assert!(previous(world, "anna").is_some(), "the old pair is kept until the new one was used");
        assert_eq!(renewals(world), 1);
    })
    .await;
    assert_eq!(renewals(&world), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_when_the_new_pair_was_used_and_the_old_one_is_still_there() {
    let world = killed_at(DATA, Stage::Answered, |world| {
        assert!(previous(world, "anna").is_some());
        assert!(!answered(world, 200).is_empty());
    })
    .await;
    assert_eq!(renewals(&world), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_when_all_is_done_but_the_rest_of_the_fetch() {
    let world = killed_at("/body/log/", Stage::Asked, |world| assert!(previous(world, "anna").is_none())).await;
    assert_eq!(renewals(&world), 1);
}

/// The upstream repeats its answer for two minutes only, and the action that was cut short counts as run.
#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_killed_in_a_renewal_completes_it_as_soon_as_it_is_back() {
    let (world, gate) = before_the_gate().await;
    let kept = pair(&world, "anna");
    gate.hold(TOKEN, Stage::Answered);
    let mut command = world.program("127.0.0.1:0", &["run"]);
    let mut run = || Program(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let first = run();
    gate.await_reached().await;
    kill(first);
    gate.open();
    no_action_is_due(&world).await;
    assert_eq!((renewals(&world), pair(&world, "anna")), (1, kept.clone()));

    let second = run();
    world.until("the new pair is on disk", async |world| pair(world, "anna") != kept).await;
    kill(second);
    assert!(answered(&world, 200).iter().all(|asked| asked.person != Some(0)), "by no action of anna's");
    fetch(&world);
    assert_tidy(&world, "anna");
}
