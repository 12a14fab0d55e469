//! Our own side fails: token files that cannot be read, disks that take nothing, an endpoint that hangs. Nothing is
//! lost or half written, the error names the file and the cure, and everybody else goes on.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use super::gate::{Gate, Stage};
use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_token_file_names_its_line_and_the_others_go_on() {
    let world = calm().await;
    let good = fs::read_to_string(world.person_file("anna")).unwrap();
    let broken = [
        ("# one\n# two\n[token\naccess_token = \"a secret\"\n", "line 3", "not valid TOML"),
        ("[token]\naccess_token = [\"a secret\"]\n", "line 2", "must be one text in quotes"),
        ("[token]\naccess_token = \"a secret\"\nexpires_at = \"soon\"\n", "line 3", "2026-11-20T18:00:00Z"),
        ("token = \"a secret\"\n", "line 1", "write [token]"),
        ("provider = \"nobody\"\n", "line 1", "allowed: google-health, fitbit"),
    ];
    for (text, line, cure) in broken {
        fs::write(world.person_file("anna"), text).unwrap();
        let answer = weight(&world, "anna").await;
        assert_eq!(answer.status, 500, "{text}: {}", answer.body);
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        let file = world.person_file("anna").display().to_string();
        assert!(error.contains(&file) && error.contains(line) && error.contains(cure), "{text}: {error}");
        assert!(answer.json()["cure"].as_str().unwrap().contains("the file that is named"), "{}", answer.body);
        assert!(!answer.body.contains("a secret"), "{}", answer.body);
        let page = world.get("/plugin/fitbit/page/setup.html").await;
        assert_eq!(page.status, 200);
        assert!(page.body.contains("The file of anna cannot be read") && page.body.contains(line), "{text}");
        assert_works(&weight(&world, "ben").await);
        assert_eq!(fs::read_to_string(world.person_file("anna")).unwrap(), text, "it is left as it was");
        fs::write(world.person_file("anna"), &good).unwrap();
        assert_works(&weight(&world, "anna").await);
    }
    // Without any token it is nobody's mistake: the person awaits consent.
    for text in ["", "# nothing\n", "[token]\n", "[token]\nscope = \"weight\"\n"] {
        fs::write(world.person_file("anna"), text).unwrap();
        let answer = weight(&world, "anna").await;
        assert_eq!(answer.status, 403, "{text}: {}", answer.body);
        assert!(answer.body.contains("auth1?user=anna"), "{}", answer.body);
    }
    assert_eq!(renewals(&world), 0);
}

/// Root is stopped by no mode, so that the program runs without root's powers there.
#[tokio::test(flavor = "multi_thread")]
async fn no_token_is_renewed_into_a_folder_that_may_not_be_written() {
    let world = at_machine_time().await;
    expire(&world, "anna");
    assert!(world.plugindata().lock(&crate::world::person("anna")).is_ok(), "its file of locks is there");
    let folder = world.person_file("anna").parent().unwrap().to_owned();
    let kept = fs::read_to_string(world.person_file("anna")).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o500)).unwrap();
    let probe = tokio::task::block_in_place(|| powerless(Command::new("touch").arg(folder.join("probe"))).output());
    assert!(!probe.unwrap().status.success(), "the folder cannot be closed to this user, so nothing can be shown");

    let output = tokio::task::block_in_place(|| powerless(&fetch_command(&world, "anna")).output()).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(world.person_file("anna").to_str().unwrap()), "{said}");
    assert!(said.contains("give it and its folder to the user this program runs as"), "{said}");
    assert_eq!(renewals(&world), 0, "a new token would be lost");
    assert_eq!(fs::read_to_string(world.person_file("anna")).unwrap(), kept);
    assert_tidy(&world, "anna");
    let output = tokio::task::block_in_place(|| fetch_command(&world, "anna").output()).unwrap();
    assert_fetched(&output);
}

/// The same command without the powers that root has over every file; other users have none.
fn powerless(command: &Command) -> Command {
    let is_root = fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0);
    if !is_root {
        let mut same = Command::new(command.get_program());
        same.args(command.get_args());
        return same;
    }
    let mut without = Command::new("setpriv");
    without.args(["--bounding-set=-all", "--"]).arg(command.get_program()).args(command.get_args());
    without
}

/// A limit on the size of files stands for a full disk: writes fail in the middle. The file of this person is made
/// so long that it is the only one that meets the limit.
#[tokio::test(flavor = "multi_thread")]
async fn no_token_is_renewed_onto_a_disk_without_room() {
    let world = at_machine_time().await;
    expire(&world, "anna");
    let words = format!("# {}\n", "x".repeat(1022)).repeat(5 * 1024);
    edit(&world, "anna", |text| format!("{words}{text}"));
    let kept = fs::read_to_string(world.person_file("anna")).unwrap();
    let command = fetch_command(&world, "anna");
    let mut limited = Command::new("bash");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 8192; exec \"$0\" \"$@\""]);
    limited.arg(command.get_program()).args(command.get_args());
    let output = tokio::task::block_in_place(|| limited.output()).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(world.person_file("anna").to_str().unwrap()), "{said}");
    assert!(said.contains("free some space there"), "{said}");
    assert_eq!(renewals(&world), 0, "a new token would be lost");
    assert!(fs::read_to_string(world.person_file("anna")).unwrap() == kept, "the file is as it was");
    assert_tidy(&world, "anna");
    let output = tokio::task::block_in_place(|| fetch_command(&world, "anna").output()).unwrap();
    assert_fetched(&output);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_endpoint_that_hangs_holds_up_nobody_else() {
    let mut world = at_machine_time().await;
    no_action_is_due(&world).await;
    let gate = Gate::before(&mut world);
    let (_running, url) = run(&world).await;
    expire(&world, "anna");
    gate.hold(TOKEN, Stage::Asked);
    let get = async |path: &str| world.send(world.http.get(format!("{url}{path}"))).await;
    let page = get("/plugin/fitbit/page/setup.html").await.body;
    let form_token = page.split_once("name=\"form_token\" value=\"").unwrap().1.split_once('"').unwrap().0;
    let later = |request: reqwest::RequestBuilder| {
        tokio::spawn(async move { request.send().await.map_or(0, |response| response.status().as_u16()) })
    };
    // More requests that have to wait for anna's file than there are processors to wait on.
    let fetch = format!("{url}/plugin/fitbit?user=anna&methods=get_bodyweight");
    let mut stuck: Vec<_> = (0..20).map(|_| later(world.http.get(&fetch))).collect();
    gate.await_reached().await;
    let form = [("user", "anna"), ("period", "7d"), ("form_token", form_token)];
    let settings = world.http.post(format!("{url}/plugin/fitbit/userSettings")).form(&form);
    stuck.extend((0..20).map(|_| later(settings.try_clone().unwrap())));
    // Again and again, while they come in one by one.
    for _ in 0..5 {
        let started = Instant::now();
        assert_works(&get("/plugin/fitbit?user=ben&methods=get_bodyweight").await);
        assert_eq!(get("/plugin/fitbit/page/setup.html?user=anna").await.status, 200);
        assert_eq!(get("/healthz").await.status, 200);
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    }
    assert!(stuck.iter().all(|request| !request.is_finished()), "the others wait all the while");
    gate.open();
    for request in stuck {
        assert_eq!(request.await.unwrap(), 200);
    }
    assert_eq!(renewals(&world), 1);
    assert_works(&get("/plugin/fitbit?user=anna&methods=get_bodyweight").await);
}
