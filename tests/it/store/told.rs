//! What was told: events once each, and what was announced to Home Assistant, on each engine.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use fitbit2mqtt::store::{Announced, NotedEvent};

use super::both::Home;
use crate::world::person;

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_noted_until_the_broker_has_it_and_forgotten_with_the_person() {
    for home in Home::each().await {
        let (store, anna) = (&home.store, person("anna"));
        assert_eq!(store.events(&anna).await.unwrap(), None, "{}", home.engine);
        store.note_events(&anna, &[], &[]).await.unwrap();
        assert_eq!(store.events(&anna).await.unwrap(), Some(Vec::new()), "the beginning is no event");
        let event = |id: &str| NotedEvent { kind: "workout".into(), id: id.into(), untold: Some("{}".into()) };
        store.note_events(&anna, &[event("1"), event("2")], &[]).await.unwrap();
        store.note_told(&anna, "workout", "1").await.unwrap();
        let told = NotedEvent { untold: None, ..event("1") };
        let known = home.again().await.events(&anna).await.unwrap();
        assert_eq!(known, Some(vec![told.clone(), event("2")]), "{}", home.engine);
        store.note_events(&anna, &[event("1")], &[event("2")]).await.unwrap();
        assert_eq!(store.events(&anna).await.unwrap(), Some(vec![told]), "what was told stays told");
        store.forget(&anna).await.unwrap();
        assert_eq!(store.events(&anna).await.unwrap(), None, "{}", home.engine);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entity_is_known_until_it_is_taken_back() {
    for home in Home::each().await {
        let store = &home.store;
        let entity = |name: Option<&str>, component: &str| Announced {
            person: name.map(person),
            topic: "homeassistant/device/d/config".into(),
            device: "d".into(),
            component: component.into(),
            platform: "sensor".into(),
        };
        store.note_announced(&[entity(Some("anna"), "steps"), entity(None, "version")]).await.unwrap();
        store.note_announced(&[entity(Some("mother"), "steps")]).await.unwrap();
        let known = home.again().await.announced().await.unwrap();
        assert_eq!(known, [entity(Some("mother"), "steps"), entity(None, "version")], "{}", home.engine);
        store.forget_announced("homeassistant/device/d/config", "steps").await.unwrap();
        assert_eq!(store.announced().await.unwrap(), [entity(None, "version")], "{}", home.engine);
        store.forget_announced_topic("homeassistant/device/d/config").await.unwrap();
        assert_eq!(store.announced().await.unwrap(), [], "{}", home.engine);
    }
}
