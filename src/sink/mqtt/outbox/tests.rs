//! What goes out, and in which order, as the broker answers or goes away.
#![allow(clippy::unwrap_used)]
use super::*;

/// Hands over all that the window lets through, under consecutive identifiers.
fn drain(outbox: &mut Outbox, mut identifier: u16) -> Vec<(u16, Publish)> {
    let mut sent = Vec::new();
    while let Some(publish) = outbox.next() {
        identifier += 1;
        outbox.sent(identifier);
        sent.push((identifier, publish));
    }
    sent
}

fn topics(sent: &[(u16, Publish)]) -> Vec<&str> {
    sent.iter().map(|(_, publish)| publish.topic.as_str()).collect()
}

#[test]
fn only_the_latest_payload_goes_out_and_only_when_it_differs() {
    let mut outbox = Outbox::new();
    outbox.set("a", b"1".to_vec(), Turn::Value, true).unwrap();
    outbox.set("a", b"2".to_vec(), Turn::Value, true).unwrap();
    let sent = drain(&mut outbox, 0);
    assert_eq!(sent, [(1, Publish { topic: "a".into(), payload: b"2".to_vec(), retain: true })]);
    outbox.acknowledged(1, None);
    outbox.set("a", b"2".to_vec(), Turn::Value, true).unwrap();
    assert_eq!(outbox.unacknowledged(), 0);
}

#[test]
fn after_a_reconnect_all_is_sent_in_its_turn_and_online_last() {
    let mut outbox = Outbox::new();
    for (topic, turn) in [("z", Turn::Status), ("b", Turn::Value), ("c", Turn::Availability), ("a", Turn::State)] {
        outbox.set(topic, b"1".to_vec(), turn, true).unwrap();
    }
    outbox.send("event", b"1".to_vec()).unwrap();
    let sent = drain(&mut outbox, 0);
    assert_eq!(topics(&sent), ["c", "a", "b", "z", "event"]);
    for (identifier, _) in sent {
        outbox.acknowledged(identifier, None);
    }
    outbox.connected(None);
    assert_eq!(topics(&drain(&mut outbox, 0)), ["c", "a", "b", "z"]);
}

#[test]
fn the_window_bounds_what_is_under_way() {
    let mut outbox = Outbox::new();
    for number in 0..WINDOW + 10 {
        outbox.set(&format!("{number:03}"), b"1".to_vec(), Turn::Value, true).unwrap();
    }
    assert_eq!(drain(&mut outbox, 0).len(), WINDOW);
    outbox.acknowledged(1, None);
    outbox.acknowledged(2, None);
    assert_eq!(drain(&mut outbox, 100).len(), 2);
    assert_eq!(outbox.unacknowledged(), WINDOW + 8);
}

#[test]
fn messages_outlive_a_lost_connection_in_their_order() {
    let mut outbox = Outbox::new();
    for number in 0..3 {
        outbox.send("event", vec![b'0' + number]).unwrap();
    }
    drain(&mut outbox, 0);
    outbox.acknowledged(2, None);
    outbox.lost();
    outbox.connected(None);
    let again: Vec<_> = drain(&mut outbox, 0).into_iter().map(|(_, publish)| publish.payload).collect();
    assert_eq!(again, [b"0", b"2"]);
}

#[test]
fn a_topic_is_cleared_once_acknowledged_and_can_come_back() {
    let mut outbox = Outbox::new();
    outbox.set("a", b"1".to_vec(), Turn::Value, true).unwrap();
    drain(&mut outbox, 0);
    outbox.acknowledged(1, None);
    outbox.clear("a").unwrap();
    let sent = drain(&mut outbox, 1);
    assert_eq!(sent, [(2, Publish { topic: "a".into(), payload: vec![], retain: true })]);
    assert!(outbox.take_cleared().is_empty(), "not before it is acknowledged");
    outbox.acknowledged(2, None);
    assert_eq!(outbox.take_cleared(), ["a"]);
    assert!(!outbox.retains("a"));
    outbox.set("a", b"1".to_vec(), Turn::Value, true).unwrap();
    assert_eq!(topics(&drain(&mut outbox, 2)), ["a"]);
}

#[test]
fn a_refused_clearing_is_not_taken_for_done() {
    let mut outbox = Outbox::new();
    outbox.clear("a").unwrap();
    drain(&mut outbox, 0);
    outbox.acknowledged(1, Some("not authorized".into()));
    assert!(outbox.take_cleared().is_empty());
    assert_eq!(outbox.refused()["a"], "not authorized");
}

#[test]
fn what_was_once_retained_is_wiped_before_it_is_sent_unretained() {
    let mut outbox = Outbox::new();
    outbox.set("a", b"1".to_vec(), Turn::Value, false).unwrap();
    outbox.clear("a").unwrap();
    let wipe = drain(&mut outbox, 0);
    assert_eq!(wipe, [(1, Publish { topic: "a".into(), payload: vec![], retain: true })]);
    outbox.acknowledged(1, None);
    assert_eq!(outbox.take_cleared(), ["a"]);
    let value = drain(&mut outbox, 1);
    assert_eq!(value, [(2, Publish { topic: "a".into(), payload: b"1".to_vec(), retain: false })]);
}

#[test]
fn what_is_too_large_is_refused_alone() {
    let mut outbox = Outbox::new();
    let error = outbox.set("a", vec![b'x'; LARGEST_PACKET], Turn::Value, true).unwrap_err();
    assert!(error.to_string().starts_with("a was not published: "), "{error}");
    assert!(outbox.set("a/#", b"1".to_vec(), Turn::Value, true).is_err());
    assert_eq!(outbox.unacknowledged(), 0);

    outbox.set("a", vec![b'x'; 200], Turn::Value, true).unwrap();
    outbox.set("b", b"1".to_vec(), Turn::Value, true).unwrap();
    outbox.connected(Some(100));
    assert_eq!(topics(&drain(&mut outbox, 0)), ["b"]);
    assert!(outbox.refused()["a"].contains("100 bytes"));
}
