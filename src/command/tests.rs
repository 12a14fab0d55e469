//! What is a command and what is none, by examples.
#![allow(clippy::unwrap_used)]

use super::*;

fn to_anna(message: &str) -> Result<Command, Box<Refused>> {
    read(Some(&"anna".parse().unwrap()), message.as_bytes())
}

#[test]
fn a_bare_word_and_an_object_are_the_same_command() {
    assert_eq!(to_anna("fetch").unwrap(), to_anna(" {\"command\": \"fetch\"}\n").unwrap());
    let task = |message: &str| to_anna(message).unwrap().task;
    assert_eq!(task("fetch"), Task::Fetch(Wanted::default()));
    let Task::Fetch(wanted) = task(r#"{"command":"fetch","methods":["sleep","body"],"force":false,"period":"7d"}"#)
    else {
        panic!("no fetch");
    };
    assert_eq!(wanted.methods, ["sleep", "body"]);
    assert_eq!(wanted.keywords["period"], "7d");
    assert_eq!(task(r#"{"command":"fetch","methods":"sleep, body"}"#), {
        Task::Fetch(Wanted { methods: wanted.methods, ..Wanted::default() })
    });
    for (name, expected) in [
        ("republish", Task::Republish),
        ("pause", Task::Pause),
        ("resume", Task::Resume),
        ("reauthorize", Task::Reauthorize),
    ] {
        assert_eq!(task(name), expected);
        assert_eq!(expected.name(), name);
    }
    let Task::Backfill(past) = task(r#"{"command":"backfill","from":"2026-01-01","metrics":["steps","hrv"]}"#) else {
        panic!("no backfill");
    };
    assert_eq!((past.from.as_deref(), past.to, past.metrics.len()), (Some("2026-01-01"), None, 2));
    assert_eq!(task("backfill"), Task::Backfill(Past::default()));
    assert_eq!(read(None, b"reload").unwrap().task, Task::Reload);
    assert_eq!(read(None, b"republish").unwrap().task, Task::Republish);
}

#[test]
fn an_id_comes_back_as_it_was_given_also_with_a_refusal() {
    assert_eq!(to_anna(r#"{"command":"pause","id":"42"}"#).unwrap().id, Some("42".into()));
    assert_eq!(to_anna(r#"{"command":"pause","id":42}"#).unwrap().id, Some(42.into()));
    assert_eq!(to_anna(r#"{"command":"explode","id":7}"#).unwrap_err().id, Some(7.into()));
    assert_eq!(to_anna(r#"{"id":7}"#).unwrap_err().id, Some(7.into()));
    let refused = to_anna(r#"{"command":"pause","id":7,"minutes":[{}]}"#).unwrap_err();
    assert_eq!((refused.id, refused.command), (Some(7.into()), None));
    let json = result(Some(&7.into()), Some("pause"), Err(("no".into(), "yes".into())));
    assert_eq!(json, json!({"id": 7, "command": "pause", "ok": false, "error": "no", "cure": "yes"}));
    assert_eq!(result(None, Some("pause"), Ok(Map::new())), json!({"command": "pause", "ok": true}));
}

#[test]
fn everything_else_is_refused_and_says_what_is_allowed() {
    let long = format!(r#"{{"command":"fetch","id":"{}"}}"#, "x".repeat(200));
    for (message, says) in [
        ("", "command is missing; allowed: fetch"),
        ("explode", "\"explode\" is not a command; allowed: fetch, backfill, republish, pause"),
        ("reload", "\"reload\" is not a command; allowed: fetch"),
        ("{", "not valid JSON"),
        ("{}", "command is missing"),
        (r#"{"command":["fetch"]}"#, "command is missing"),
        (r#"{"command":"fetch","id":{}}"#, "id must be text of at most 128 characters, or a number"),
        (&long, "id must be text"),
        (r#"{"command":"fetch","methods":[1]}"#, "methods must be text"),
        (r#"{"command":"fetch","force":"maybe"}"#, "force: \"maybe\" is not allowed; allowed: true, false"),
        (
            r#"{"command":"fetch","colour":"blue"}"#,
            "\"colour\" is not a field of fetch; allowed: command, id, methods, force, period",
        ),
        (r#"{"command":"fetch","user":"ben"}"#, "\"user\" is not a field of fetch"),
        (r#"{"command":"pause","methods":["sleep"]}"#, "\"methods\" is not a field of pause; allowed: command, id"),
    ] {
        let refused = to_anna(message).unwrap_err();
        assert!(refused.error.contains(says) && !refused.cure.is_empty(), "{message}: {refused:?}");
    }
    assert!(read(None, b"pause").unwrap_err().error.contains("allowed: republish, reload"));
    assert!(read(None, &[0xff]).unwrap_err().error.contains("UTF-8"));
}

#[test]
fn a_form_is_read_alike() {
    let anna: Person = "anna".parse().unwrap();
    let form = |fields: &[(&str, &str)]| {
        let fields: Vec<_> = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        read_form(&anna, &fields)
    };
    let fetch = form(&[("command", "fetch"), ("id", "a"), ("methods", "sleep"), ("period", "")]).unwrap();
    assert_eq!(fetch.id, Some("a".into()));
    assert_eq!(fetch.task, Task::Fetch(Wanted { methods: vec!["sleep".into()], ..Wanted::default() }));
    assert!(form(&[("id", "a")]).unwrap_err().error.contains("command is missing"));
    assert!(form(&[("command", "fetch"), ("force", "1")]).unwrap_err().error.contains("allowed: true, false"));
    assert!(form(&[("command", "fetch"), ("methods", "a"), ("methods", "b")]).unwrap_err().error.contains("twice"));
}
