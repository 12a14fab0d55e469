//! Tokens and secrets stay where they belong: in the person's and the application's files, and on the way to the
//! upstream.

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fitbit2mqtt::simulator::{Client, Fault};
use fitbit2mqtt::upstream::fitbit::FITBIT;

use super::*;
use crate::world::World;

/// Everything that must not be seen, as it comes along.
#[derive(Default)]
struct Secrets(Vec<String>);

impl Secrets {
    fn keep(&mut self, world: &World) {
        for name in PEOPLE {
            let (access, refresh) = pair(world, name);
            self.0.extend([access, refresh]);
        }
    }

    /// A token is not seen in part, either: its signature alone would be enough to compare.
    fn assert_absent(&self, place: &str, text: &str) {
        for secret in &self.0 {
            for piece in secret.split('.').filter(|piece| piece.len() >= 30).chain([secret.as_str()]) {
                assert!(!text.contains(piece), "{place} shows {piece}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_ever_seen() {
    let world = at_machine_time().await;
    no_action_is_due(&world).await;
    let client = Client::confidential();
    let secret = client.secret.unwrap();
    let mut secrets = Secrets(vec![secret.clone(), STANDARD.encode(format!("{}:{secret}", client.id))]);
    secrets.keep(&world);
    let (_running, url) = run(&world).await;
    let get = async |path: &str| world.send(world.http.get(format!("{url}{path}"))).await;
    let mut seen: Vec<Answer> = Vec::new();
    let fetch = "/plugin/fitbit?user=anna&methods=get_bodyweight,get_devices";

    // Renewed in time, and after a refusal that quotes the token.
    expire(&world, "anna");
    seen.push(get(fetch).await);
    assert_works(&seen[0]);
    secrets.keep(&world);
    let quoted = format!("Access token expired: {} Visit https://dev.fitbit.com/docs/oauth2", pair(&world, "anna").0);
    let effect = classic(401, "expired_token", &quoted);
    world.cloud.fault(Fault { path: "/1/user/".into(), person: Some(0), times: Some(1), effect });
    seen.push(get(fetch).await);
    assert_eq!(seen[1].status, 200);
    secrets.keep(&world);
    // Other refusals that quote it.
    for status in [400, 403, 404, 500] {
        let quoted = format!("This is wrong: {}", pair(&world, "anna").0);
        let effect = classic(status, "validation", &quoted);
        world.cloud.fault(Fault { path: "/1/user/".into(), person: Some(0), times: None, effect });
        seen.push(get(fetch).await);
        world.cloud.clear_faults();
    }
    // The token endpoint quotes what it was sent, in a refusal for now, of the client, and for good.
    let quotes = format!("Basic {}: {secret} {}", secrets.0[1], pair(&world, "anna").1);
    for (status, kind) in [(500, "system"), (400, "invalid_client"), (400, "invalid_grant")] {
        expire(&world, "anna");
        token_fault(&world, None, classic(status, kind, &quotes));
        seen.push(get(fetch).await);
        assert!(seen.last().unwrap().status >= 409, "{:?}", seen.last());
        world.cloud.clear_faults();
        secrets.keep(&world);
        seen.push(get("/plugin/fitbit/page/setup.html?user=anna").await);
        write_by_hand(&world, "anna", &granted(&world, 0));
        secrets.keep(&world);
    }
    // A broken file, and a new consent.
    edit(&world, "anna", |text| text.replace("refresh_token", "refresh_token ="));
    seen.push(get(fetch).await);
    assert_eq!(seen.last().unwrap().status, 500);
    seen.push(get("/plugin/fitbit/page/setup.html?user=anna").await);
    fs::write(world.person_file("anna"), "").unwrap();
    let begun = get("/plugin/fitbit/auth1?user=anna").await;
    let scopes: Vec<&str> = FITBIT.scopes.iter().map(|(scope, _)| *scope).collect();
    let ended = world.cloud.consent(begun.header("location"), 0, &scopes).unwrap();
    let path = format!("/plugin/{}", ended.split_once("/plugin/").unwrap().1);
    seen.push(get(&path).await);
    assert_eq!(seen.last().unwrap().status, 200, "{:?}", seen.last());
    secrets.keep(&world);
    seen.push(get(fetch).await);
    assert_works(seen.last().unwrap());

    for (number, answer) in seen.iter().enumerate() {
        secrets.assert_absent(&format!("answer {number}"), &format!("{:?} {}", answer.headers, answer.body));
    }
    world.await_topic("sensors/fitbit/anna/body-weight", |value| !value.is_empty()).await;
    for (topic, payload) in world.retained().await {
        secrets.assert_absent(&topic, &payload);
    }
    let written = fs::read_to_string(world.folder.path().join("log")).unwrap();
    assert!(written.contains("token renewed") && written.contains("TRACE"), "the log says everything else");
    secrets.assert_absent("the log", &written);
    // Nor does the store keep what the files are there for.
    for name in ["fitbit2mqtt.db", "fitbit2mqtt.db-wal"] {
        let bytes = fs::read(world.data_dir().join(name)).unwrap_or_default();
        secrets.assert_absent(name, &String::from_utf8_lossy(&bytes));
    }
}
