//! Whatever else is kept is read back from either engine as it was put in.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use fitbit2mqtt::snapshot::{AuthState, Device, NextAction};
use fitbit2mqtt::store::{Batch, Consent, StoredAuth, StoredProfile, Window};
use secrecy::ExposeSecret;

use super::both::{Home, all, anna, covered, day, minutes, noon, number, record};

#[tokio::test(flavor = "multi_thread")]
async fn states_of_a_person() {
    for Home { engine, store, .. } in &Home::each().await {
        let anna = anna();
        assert_eq!(store.auth(&anna).await.unwrap(), None);
        let mut auth =
            StoredAuth { state: AuthState::Retrying, since: noon(0), reason: Some("ä".into()), refused: None };
        store.set_auth(&anna, &auth).await.unwrap();
        store.set_auth(&anna, &StoredAuth { since: noon(9), ..auth.clone() }).await.unwrap();
        assert_eq!(store.auth(&anna).await.unwrap().as_ref(), Some(&auth), "{engine}: since when does not move");
        auth = StoredAuth { state: AuthState::Ok, since: noon(9), reason: None, refused: Some("hash".into()) };
        store.set_auth(&anna, &auth).await.unwrap();
        assert_eq!(store.auth(&anna).await.unwrap(), Some(auth), "{engine}");

        let profile = StoredProfile { fetched: noon(0), zone: Some("Europe/Berlin".into()), name: None, since: None };
        store.set_profile(&anna, &profile).await.unwrap();
        let named = StoredProfile { fetched: noon(1), zone: None, name: Some("Anna".into()), since: None };
        store.set_profile(&anna, &named).await.unwrap();
        let whole = StoredProfile { zone: profile.zone, ..named };
        assert_eq!(store.profile(&anna).await.unwrap(), Some(whole), "{engine}");

        store.note_fetch(&anna, noon(0), Some("the upstream failed")).await.unwrap();
        store.note_fetch(&anna, noon(1), None).await.unwrap();
        let status = store.status(&anna).await.unwrap();
        assert_eq!((status.last_success, status.last_failure), (Some(noon(1)), Some(noon(0))), "{engine}");
        assert_eq!((status.last_activity, status.error), (Some(noon(1)), None), "{engine}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_actions_settings_and_topics() {
    for Home { engine, store, .. } in &Home::each().await {
        let anna = anna();
        let device = |id: &str, name: &str| Device {
            id: id.into(),
            name: name.into(),
            kind: "tracker".into(),
            battery: None,
            battery_level: Some(80.0),
            last_sync: None,
        };
        store.set_devices(&anna, &[device("1", "Charge"), device("2", "Sense")]).await.unwrap();
        store.set_devices(&anna, &[device("9", "Charge")]).await.unwrap();
        assert_eq!(store.devices(&anna).await.unwrap(), [device("1", "Charge")], "{engine}");

        store.note_action(&anna, "/a", Some(noon(0))).await.unwrap();
        let next = NextAction { representing: "sensors".into(), next: Some(noon(900)) };
        store.announce_action(&anna, "/a", &next).await.unwrap();
        let announced = store.announced_actions(&anna).await.unwrap();
        assert_eq!(announced.len(), 1, "{engine}");
        assert_eq!((&announced[0].representing, announced[0].next), (&next.representing, next.next), "{engine}");
        store.withdraw_action(&anna, "/a").await.unwrap();
        store.withdraw_all_actions().await.unwrap();
        assert_eq!(store.announced_actions(&anna).await.unwrap().len(), 0, "{engine}");
        assert_eq!(store.action_ran(&anna, "/a").await.unwrap(), Some(noon(0)), "{engine}");

        assert_eq!(store.setting("client", || "one".into()).await.unwrap(), "one", "{engine}");
        assert_eq!(store.setting("client", || "two".into()).await.unwrap(), "one", "{engine}");

        store.note_published(&["b-x".into(), "ä".into(), "b".into(), "B".into()]).await.unwrap();
        store.note_published(&["b".into()]).await.unwrap();
        store.note_cleared("B").await.unwrap();
        // The same order on both engines, whatever language the server speaks.
        assert_eq!(store.published_topics().await.unwrap(), ["b", "b-x", "ä"], "{engine}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn quota_windows_and_calls() {
    for Home { engine, store, .. } in &Home::each().await {
        let anna = anna();
        let window = |remaining, reset| Window { allowed: 150, remaining, reset: noon(reset) };
        assert!(store.take_request(&anna, 150, 0, noon(0), noon(3600)).await.unwrap().is_ok(), "{engine}");
        assert_eq!(store.window(&anna).await.unwrap(), Some(window(149, 3600)), "{engine}");
        store.set_window(&anna, window(0, 3600)).await.unwrap();
        assert_eq!(store.take_request(&anna, 150, 0, noon(1), noon(3600)).await.unwrap(), Err(noon(3600)), "{engine}");
        assert!(store.take_request(&anna, 150, 0, noon(3600), noon(7200)).await.unwrap().is_ok(), "{engine}");
        store.observe_window(&anna, window(148, 7201), 5).await.unwrap();
        store.observe_window(&anna, window(149, 7200), 5).await.unwrap();
        assert_eq!(store.window(&anna).await.unwrap(), Some(window(148, 7200)), "{engine}");

        for (at, endpoint) in [("2026-11-19", "sleep"), ("2026-11-20", "sleep"), ("2026-11-20", "sleep")] {
            store.count_call(&anna, day(at), endpoint).await.unwrap();
        }
        let calls = store.calls(&anna, day("2026-11-20")).await.unwrap();
        assert_eq!(serde_json::Value::Object(calls), serde_json::json!({"sleep": 2}), "{engine}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn consents_are_good_once_for_ten_minutes_and_for_one_person() {
    for Home { engine, store, .. } in &Home::each().await {
        let consent = || Consent { person: anna(), provider: "fitbit".into(), verifier: "v".to_owned().into() };
        for (state, at) in [("a", 0), ("b", 1)] {
            store.begin_consent(state, &consent(), noon(at)).await.unwrap();
        }
        let ben = "ben".parse().unwrap();
        assert!(store.take_consent("a", Some(&ben), noon(2)).await.unwrap().is_none(), "{engine}");
        let taken = store.take_consent("a", None, noon(2)).await.unwrap().unwrap();
        assert_eq!((taken.provider.as_str(), taken.verifier.expose_secret()), ("fitbit", "v"), "{engine}");
        assert!(store.take_consent("a", None, noon(2)).await.unwrap().is_none(), "{engine}");
        assert!(store.take_consent("b", Some(&anna()), noon(602)).await.unwrap().is_none(), "{engine}");
        for number in 0..20 {
            store.begin_consent(&format!("{number:02}"), &consent(), noon(700)).await.unwrap();
        }
        let mut left = 0;
        for number in 0..20 {
            left += usize::from(store.take_consent(&format!("{number:02}"), None, noon(700)).await.unwrap().is_some());
        }
        assert_eq!(left, 16, "{engine}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_forgotten_is_forgotten_and_nobody_else() {
    for Home { engine, store, .. } in &Home::each().await {
        let ben = "ben".parse().unwrap();
        let samples = minutes("steps", "2026-11-20", 90, |_| 1.0);
        record(store, &samples, noon(0)).await;
        record(store, &[number("steps", "2026-11-19", 1.0)], noon(0)).await;
        let covered = [covered("steps", "2026-11-19", "2026-11-20")];
        let batch = Batch { readings: &samples, covered: &covered, asked: noon(0) };
        store.record(&ben, &batch, noon(0)).await.unwrap();
        store.record(&anna(), &Batch { readings: &[], ..batch }, noon(0)).await.unwrap();
        assert!(store.knows(&anna()).await.unwrap(), "{engine}");
        store.forget(&anna()).await.unwrap();
        assert!(!store.knows(&anna()).await.unwrap() && store.knows(&ben).await.unwrap(), "{engine}");
        assert_eq!(all(store, 10).await, [], "{engine}");
        assert_eq!(store.coverage(&anna(), "fitbit", day("2026-11-01")).await.unwrap(), [], "{engine}");
        assert_eq!(store.removed().await.unwrap(), [anna()], "{engine}");
        // Whoever comes back begins anew, and Ben's samples are still Ben's.
        assert_eq!(record(store, &samples, noon(1)).await.len(), 90, "{engine}");
        assert_eq!(store.record(&ben, &batch, noon(2)).await.unwrap(), [], "{engine}");
    }
}
