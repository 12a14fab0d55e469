//! Google Health through the front door: what a household at this upstream fetches, and in how many requests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod consent; // Google's consent page and what its tokens live
mod equality; // one life through both upstreams
mod moving; // from one upstream to the other
mod nights; // what is told of a night in part
mod trouble; // what goes wrong, and what it costs

use std::collections::BTreeMap;

use chrono::TimeDelta;
use fitbit2mqtt::clock::Clock;
use fitbit2mqtt::plugindata::Token;
use fitbit2mqtt::simulator::{Client, Options, Project, Simulator};
use fitbit2mqtt::upstream::Upstream;
use fitbit2mqtt::upstream::google_health::GOOGLE_HEALTH;
use serde_json::Value as Json;
use url::Url;

use crate::world::{World, at, person};

/// How much faster time passes here, for requests to Google keep a distance of half a second.
const SPEED: f64 = 50.0;
/// Interval actions that ask next to nothing.
const QUIET: &str = "[[action]]\ninterval = 864000\nurl = \"/plugin/fitbit?user={user}&methods=get_devices\"\n\
                     representing = \"sensors/fitbit/{user}\"\n";

/// A household whose cloud has eight people and in which an application is registered with both upstreams; nobody is
/// connected and no bridge runs.
async fn household(project: Project, now: &str) -> World {
    household_at(SPEED, project, now).await
}

/// The same where time passes so many times faster.
async fn household_at(speed: f64, project: Project, now: &str) -> World {
    let options = Options { people: 8, project, ..Options::default() };
    let mut world = World::with(options, Clock::paced(at(now), speed)).await;
    world.more = QUIET.into();
    world
        .plugindata()
        .save_application(|edit| {
            edit.default_provider("google-health")?;
            for (provider, client) in [("google-health", Client::google()), ("fitbit", Client::confidential())] {
                edit.client_id(provider, &client.id)?;
                edit.client_secret(provider, client.secret.as_deref().unwrap())?;
            }
            Ok(())
        })
        .unwrap();
    world
}

impl World {
    /// Writes the file of a person who consented to everything at this upstream.
    fn connect_at(&self, upstream: &Upstream, name: &str, index: usize) {
        let scopes: Vec<&str> = upstream.scopes.iter().map(|(scope, _)| *scope).collect();
        let client = if upstream.provider == "fitbit" { Client::confidential() } else { Client::google() };
        let grant = self.cloud.grant(&client.id, index, &scopes).unwrap();
        let person = person(name);
        self.plugindata().create(&person).unwrap();
        self.plugindata().save(&person, |edit| edit.set("provider", upstream.provider)).unwrap();
        let token = Token {
            access_token: grant.access_token.into(),
            refresh_token: Some(grant.refresh_token.into()),
            token_type: "Bearer".into(),
            expires_at: Some(self.clock.now() + TimeDelta::seconds(grant.expires_in)),
            refresh_expires_at: None,
            scope: grant.scope,
            user_id: Some(grant.user_id),
        };
        self.plugindata().save_token(&person, &token).unwrap();
    }

    /// Begins a consent here and gives it at the upstream: the whole address at which the browser ends.
    async fn consent_of(&self, user: &str, index: usize, scopes: &[&str]) -> String {
        let begun = self.get(&format!("/plugin/fitbit/auth1?user={user}")).await;
        assert_eq!(begun.status, 303, "{}", begun.body);
        self.cloud.consent(begun.header("location"), index, scopes).unwrap()
    }

    /// Consents and comes back, as a browser on the same machine does: the page on which that ends.
    async fn consent_through(&self, user: &str, index: usize) -> (u16, String) {
        let ended = Url::parse(&self.consent_of(user, index, Simulator::google_scopes()).await).unwrap();
        let page = self.get(&format!("{}?{}", ended.path(), ended.query().unwrap())).await;
        (page.status, page.body)
    }

    /// Waits until a person's consent is in this state.
    async fn auth_in(&self, user: &str, state: &str) -> Json {
        let is_in = |auth: &str| serde_json::from_str(auth).is_ok_and(|auth: Json| auth["state"] == state);
        let auth = self.await_topic(&format!("fitbit2mqtt/user/{user}/auth"), is_in).await;
        serde_json::from_str(&auth).unwrap()
    }

    async fn auth_of(&self, user: &str) -> Json {
        let retained = self.retained().await;
        retained
            .get(&format!("fitbit2mqtt/user/{user}/auth"))
            .map_or(Json::Null, |text| serde_json::from_str(text).unwrap())
    }

    /// Waits until the action at the start has asked for the devices.
    async fn started(&self, user: &str) {
        self.await_topic(&format!("fitbit2mqtt/user/{user}/status"), |status| {
            serde_json::from_str(status).is_ok_and(|status: Json| !status["last_activity"].is_null())
        })
        .await;
    }

    /// How often Google's token endpoint was asked.
    fn google_token_requests(&self) -> usize {
        self.cloud.requests().iter().filter(|asked| asked.path == "/token").count()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_days_of_everything_take_at_most_forty_requests() {
    // Slow enough that the machine's own delays do not count as an uneven pace.
    let unverified = Project { verified: false, ..Project::default() };
    let mut world = household_at(4.0, unverified, "2026-11-20T15:00:00Z").await;
    world.connect_at(&GOOGLE_HEALTH, "anna", 0);
    world.more = QUIET.replace("methods=get_devices", "period=30d");
    world.start().await;
    world.started("anna").await;
    let asked = world.cloud.requests();
    let mut refused: Vec<_> = asked.iter().filter(|asked| asked.status != 200).collect();
    refused.dedup();
    assert!(
        refused.is_empty(),
        "the pace of an unverified application is kept, and nothing is asked wrongly: {refused:?}"
    );
    println!("a thirty-day first fetch of everything: {} requests", asked.len());
    assert!((20..=40).contains(&asked.len()), "{} requests: {asked:#?}", asked.len());
    let retained = world.retained().await;
    let status: Json = serde_json::from_str(&retained["fitbit2mqtt/user/anna/status"]).unwrap();
    assert_eq!(status["error"], Json::Null, "{status}");
    let values: BTreeMap<String, Json> = serde_json::from_str(&retained["sensors/fitbit/anna"]).unwrap();
    assert!(values.len() > 35, "{} metrics: {:?}", values.len(), values.keys());
    let known = world.cloud.known(0).unwrap();
    let weighed = known.last_weigh_in(known.today()).unwrap();
    assert!((values["body-weight"]["value"].as_f64().unwrap() - weighed.kilograms).abs() < 1e-6);
    assert!((values["height"]["value"].as_f64().unwrap() - 171.0).abs() < 1e-6);
    assert!(asked.iter().all(|asked| asked.path.starts_with("/v4/users/me/")));
}
