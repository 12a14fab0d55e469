//! `fitbit2mqtt plus`, by the real program: lines, counts, statuses, and how little memory a long list takes.

use std::io::{BufRead, BufReader};

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value as Json;

use super::{Care, PLUS_CREDENTIALS, PROVIDER, Programme};
use crate::world::Program;

#[tokio::test(flavor = "multi_thread")]
async fn each_resource_is_a_line_of_json_and_a_count_costs_one_call() {
    let care = Care::new(Programme::default());
    // The token is there, so that each request from here on is for what is asked.
    care.reader.reach().await.unwrap();
    let (code, out, complaint) = care.ended(&["patient", "--filter", "archived=false"]).await;
    assert_eq!((code, complaint.as_str()), (0, ""));
    let patients: Vec<Json> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(patients.len(), 36);
    assert!(patients.iter().all(|patient| patient["type"] == "patient" && patient["attributes"]["archived"] == false));

    care.cloud.forget_requests();
    assert_eq!(care.ended(&["patient", "--count"]).await.1, "40\n");
    assert_eq!(care.ended(&["coach", "--count"]).await.1, "4\n");
    assert_eq!(care.ended(&["patient", "--count", "--paging", "skip"]).await.1, "40\n");
    let queries: Vec<String> = care.cloud.requests().into_iter().map(|asked| asked.query).collect();
    assert_eq!(queries.len(), 3, "{queries:?}");
    assert!(queries[0].ends_with("page%5Blimit%5D=0") && queries[2].ends_with("page%5Bsize%5D=0"), "{queries:?}");
    assert!(!queries[1].contains("page"), "{queries:?}");

    let id = care.clinic().patient(0);
    let one = care.ended(&["patient", &id]).await.1;
    assert_eq!(one.lines().count(), 1);
    assert_eq!(one.lines().collect::<Vec<_>>(), [patients.iter().find(|p| p["id"] == *id).unwrap().to_string()]);
    assert_eq!(care.ended(&[&format!("patient/{id}/groups")]).await.1.lines().count(), 3);
    let filter = format!("patient={id}");
    let plan = care.ended(&["patient_plan_summary", "--filter", &filter, "--include", "actions,patient"]).await.1;
    let plan: Json = serde_json::from_str(&plan).unwrap();
    assert_eq!(plan["relationships"]["actions"]["data"][0]["type"], "action");
    assert!(plan["relationships"]["actions"]["data"][0]["attributes"]["title"].is_string());
    let filter = format!("receiver={id}");
    let mails = care.ended(&["email_history", "--filter", &filter, "--sort", "-send_time", "--page-size", "5"]).await.1;
    let times: Vec<String> = mails
        .lines()
        .map(|line| serde_json::from_str::<Json>(line).unwrap()["attributes"]["send_time"].as_str().unwrap().into())
        .collect();
    assert!(times.len() == 12 && times.is_sorted_by(|a, b| a > b), "{times:?}");

    for (arguments, part) in [
        (&["patients"][..], "no resource"),
        (&["patient", "--filter", "archived"], "NAME=VALUE"),
        (&["patient", "--filter", "archived=yes"], "true or false"),
        (&["patient", "--paging", "both"], "cursor"),
        (&["patient", "--page-size", "0"], "1..=1000"),
        (&["patient", "--count", "--page-size", "5"], "cannot be used with"),
    ] {
        let before = care.cloud.requests().len();
        let (code, out, complaint) = care.ended(arguments).await;
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}: {complaint}");
        assert!(complaint.contains(part), "{arguments:?}: {complaint}");
        assert_eq!(care.cloud.requests().len(), before, "{arguments:?} cost a request");
    }
    // Somebody who has seen enough is no error.
    let mut command = care.program(&["patient", "--page-size", "1"]);
    let status = tokio::task::spawn_blocking(move || {
        let mut program = Program(command.spawn().unwrap());
        drop(program.0.stdout.take());
        program.0.wait().unwrap()
    });
    assert_eq!(status.await.unwrap().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_patient_and_no_secret_is_logged_at_any_level() {
    let care = Care::new(Programme::default());
    let mut command = care.program(&["patient", "-vv"]);
    command.env("RUST_LOG", "trace");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let (out, log) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success() && log.contains("TRACE"), "{log}");
    let token = care.plugindata().organization_token(PROVIDER).unwrap().unwrap();
    let secret = |secret: &SecretString| secret.expose_secret().to_owned();
    let secrets = [PLUS_CREDENTIALS.1.to_owned(), secret(&token.access_token), secret(&token.refresh_token.unwrap())];
    let patient: Json = serde_json::from_str(out.lines().next().unwrap()).unwrap();
    let attributes = &patient["attributes"];
    let told = ["first_name", "last_name", "email_address", "note", "birth_date"]
        .map(|name| attributes[name].as_str().unwrap());
    for word in told.into_iter().chain(secrets.iter().map(String::as_str)).chain(["1 Example Street", "+1 555"]) {
        // A word by itself: `Ada` is part of other words.
        let alone = log.split(|c: char| c.is_whitespace() || "\"'{}[],:=".contains(c)).any(|part| part == word);
        assert!(!alone && (word.len() < 6 || !log.contains(word)), "the log has {word:?}");
    }
}

/// Peak of the memory a process has had so far, in KiB.
pub fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_patients_pass_through_little_memory() {
    const PATIENTS: usize = 10_000;
    let care = Care::new(Programme { patients: PATIENTS, ..Programme::default() });
    let mut command = care.program(&["patient"]);
    let (idle, highest, complaint) = tokio::task::spawn_blocking(move || {
        let mut program = Program(command.spawn().unwrap());
        let process = program.0.id();
        let mut lines = BufReader::new(program.0.stdout.take().unwrap()).lines();
        lines.next().unwrap().unwrap();
        // With one page read: everything a command needs is there.
        let idle = peak(process);
        let mut highest = idle;
        let mut came = 1;
        // The pipe holds back all but a few of the lines that are still to come.
        while came < PATIENTS - 200 {
            lines.next().unwrap().unwrap();
            came += 1;
            if came % 100 == 0 {
                highest = peak(process);
            }
        }
        let rest: Vec<String> = lines.collect::<Result<_, _>>().unwrap();
        assert_eq!(came + rest.len(), PATIENTS);
        let mut complaint = String::new();
        std::io::Read::read_to_string(&mut program.0.stderr.take().unwrap(), &mut complaint).unwrap();
        assert_eq!(program.0.wait().unwrap().code(), Some(0), "{complaint}");
        (idle, highest, complaint)
    })
    .await
    .unwrap();
    assert!(highest - idle <= 20 * 1024, "{highest} KiB at most, {idle} KiB when idle");
    assert!(complaint.contains("patient: 5000 of 10000"), "{complaint}");
    eprintln!("ten thousand patients: {highest} KiB at most, {idle} KiB with one page");
}
