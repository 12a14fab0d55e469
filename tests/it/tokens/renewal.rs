//! A token is renewed in time, once, by whoever comes first, and everybody else takes what that one got.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;
use std::sync::Arc;

use chrono::TimeDelta;
use fitbit2mqtt::clock::Clock;
use fitbit2mqtt::simulator::{Client, Effect, Fault, Options};
use fitbit2mqtt::upstream::fitbit::FITBIT;
use serde_json::json;

use super::*;
use crate::world::{Program, World, person};

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_renewed_before_it_expires_and_the_old_one_kept_until_the_new_one_was_used() {
    let world = calm().await;
    edit(&world, "anna", |text| format!("# Anna's own words.\nperiod = \"7d\" # a week\n{text}"));
    expire(&world, "anna");
    let old = pair(&world, "anna");
    // The first request for data waits, so that the files can be seen in between.
    let slow = Effect::Delay { milliseconds: 2_000 };
    world.cloud.fault(Fault { path: "/profile.json".into(), person: Some(0), times: Some(1), effect: slow });

    let (answer, ()) = tokio::join!(weight(&world, "anna"), async {
        world.until("the old pair is kept", async |world| previous(world, "anna").is_some()).await;
        world.until("the new pair is on disk", async |world| pair(world, "anna") != old).await;
        assert_eq!(previous(&world, "anna"), Some(old.clone()));
        assert!(answered(&world, 200).is_empty(), "it was on disk before it was used");
        for name in ["fitbit.toml", "fitbit.toml.previous"] {
            let path = world.person_file("anna").with_file_name(name);
            assert_eq!(fs::metadata(path).unwrap().mode() & 0o7777, 0o600, "{name}");
        }
    });
    assert_works(&answer);
    assert_eq!(renewals(&world), 1);
    assert!(answered(&world, 401).is_empty());
    let new = token(&world, "anna");
    assert!(pair_of(&new).0 != old.0 && pair_of(&new).1 != old.1);
    assert!(at(&new) > world.clock.now() + TimeDelta::hours(7));
    assert_tidy(&world, "anna");
    let text = fs::read_to_string(world.person_file("anna")).unwrap();
    assert!(text.starts_with("# Anna's own words.\nperiod = \"7d\" # a week\n"), "{text}");

    assert_works(&weight(&world, "anna").await);
    assert_eq!(renewals(&world), 1, "a good token is left alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_token_is_renewed_once_and_the_request_repeated() {
    let options = Options { access_token_life: TimeDelta::minutes(10), ..Options::default() };
    let mut world = World::with(options, Clock::paced("2026-11-20T15:00:00Z".parse().unwrap(), 1.0)).await;
    world.register();
    world.connect(0);
    no_action_is_due(&world).await;
    world.start().await;
    set(&world, "anna", "expires_at", "2026-11-21T15:00:00Z");
    world.clock.advance(TimeDelta::minutes(12));

    let answer = world.fetch("anna", "").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.json()["failed"], json!([]));
    let refused = answered(&world, 401);
    assert_eq!((refused.len(), renewals(&world)), (1, 1), "{refused:?}");
    let asked = world.cloud.requests();
    let again: Vec<u16> =
        asked.iter().filter(|asked| asked.path == refused[0].path).map(|asked| asked.status).collect();
    assert_eq!(again, [401, 200]);
    assert_tidy(&world, "anna");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_token_that_is_refused_as_well_is_not_renewed_again() {
    let world = calm().await;
    let expired = classic(401, "expired_token", "Access token expired");
    world.cloud.fault(Fault { path: "/1/user/".into(), person: Some(0), times: None, effect: expired });
    let answer = world.fetch("anna", "").await;
    assert_eq!(answer.status, 502, "{}", answer.body);
    assert_eq!((renewals(&world), answered(&world, 401).len()), (1, 2));
    assert_works(&weight(&world, "ben").await);
    world.cloud.clear_faults();
    assert_works(&weight(&world, "anna").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_fetches_at_once_renew_once() {
    let world = Arc::new(calm().await);
    expire(&world, "anna");
    let fetches: Vec<_> = (0..20)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { weight(&world, "anna").await })
        })
        .collect();
    for fetch in fetches {
        assert_works(&fetch.await.unwrap());
    }
    assert_eq!((renewals(&world), answered(&world, 401).len()), (1, 0));
    assert_tidy(&world, "anna");
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_beside_a_running_bridge_renew_once_with_it() {
    let mut world = at_machine_time().await;
    no_action_is_due(&world).await;
    world.start().await;
    expire(&world, "anna");
    // Slow enough that all of them are there before the first one has its answer.
    token_fault(&world, None, Effect::Delay { milliseconds: 3_000 });
    let mut command = fetch_command(&world, "anna");
    let programs: Vec<Program> =
        (0..8).map(|_| Program(command.stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap())).collect();
    let world = Arc::new(world);
    let fetches: Vec<_> = (0..12)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { weight(&world, "anna").await })
        })
        .collect();
    for fetch in fetches {
        assert_works(&fetch.await.unwrap());
    }
    for mut program in programs {
        assert!(tokio::task::block_in_place(|| program.0.wait()).unwrap().success());
    }
    assert_eq!((renewals(&world), answered(&world, 401).len()), (1, 0));
    assert_tidy(&world, "anna");
}

/// The simulated cloud takes a client without a secret only by the `client_id` in the form.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_a_secret_renews_by_its_id() {
    let mut world = World::new().await;
    let client = Client::public();
    world
        .plugindata()
        .save_application(|edit| {
            edit.default_provider("fitbit")?;
            edit.client_id("fitbit", &client.id)
        })
        .unwrap();
    let scopes: Vec<&str> = FITBIT.scopes.iter().map(|(scope, _)| *scope).collect();
    let grant = world.cloud.grant(&client.id, 0, &scopes).unwrap();
    let given = granted(&world, 0);
    world.plugindata().create(&person("anna")).unwrap();
    let theirs =
        Token { access_token: grant.access_token.into(), refresh_token: Some(grant.refresh_token.into()), ..given };
    world.plugindata().save_token(&person("anna"), &theirs).unwrap();
    no_action_is_due(&world).await;
    world.start().await;
    expire(&world, "anna");
    assert_works(&weight(&world, "anna").await);
    assert_eq!(renewals(&world), 1);
    assert_ne!(pair(&world, "anna"), pair_of(&theirs));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_writes_into_the_file_counts_from_the_next_fetch() {
    let world = calm().await;
    assert_works(&weight(&world, "anna").await);
    world.cloud.revoke(0);
    let theirs = granted(&world, 0);
    write_by_hand(&world, "anna", &theirs);
    assert_works(&weight(&world, "anna").await);
    assert_eq!((renewals(&world), answered(&world, 401).len()), (0, 0));

    // A refresh token alone is enough.
    let refresh = pair_of(&granted(&world, 0)).1;
    fs::write(world.person_file("anna"), format!("# by hand\n[token]\nrefresh_token = {refresh:?}\n")).unwrap();
    assert_works(&weight(&world, "anna").await);
    assert_eq!((renewals(&world), answered(&world, 401).len()), (1, 0));
    assert!(fs::read_to_string(world.person_file("anna")).unwrap().starts_with("# by hand\n"));

    // Without a time of expiry, the token is good until it is refused.
    edit(&world, "anna", |text| {
        text.lines().filter(|line| !line.starts_with("expires_at")).map(|l| format!("{l}\n")).collect()
    });
    assert_works(&weight(&world, "anna").await);
    assert_eq!(renewals(&world), 1);
}
