//! A store that cannot be used: which one, what is wrong, what to do, and no password.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::net::TcpListener;
use std::path::Path;

use fitbit2mqtt::store::Store;

use super::both::{Home, all, anna, minutes, noon, number, record};
use crate::postgres::{PASSWORD, Postgres};

/// What is said when the store at `url` is opened.
async fn refusal(url: &str) -> String {
    let refused = Store::at(&url.to_owned().into()).await.err().unwrap_or_else(|| panic!("{url} was opened"));
    format!("{refused:#}")
}

fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    fs::write(&path, "this was a database once ".repeat(1000)).unwrap();
    has(&refusal(&format!("sqlite:{}", path.display())).await, &["store.db", "damaged", "move it away"]);
    assert!(fs::read_to_string(&path).unwrap().starts_with("this was"), "it is left alone");
}

#[tokio::test]
async fn a_file_that_was_tampered_with() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = Store::open(&path).await.unwrap();
    record(&store, &minutes("steps", "2026-11-20", 1440, |minute| minute as f64), noon(0)).await;
    store.close().await;
    let length = fs::metadata(&path).unwrap().len();
    let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    // Every page but the first, which says that this is a database.
    for page in 1..length / 4096 {
        file.seek(SeekFrom::Start(page * 4096)).unwrap();
        file.write_all(&[0xee; 64]).unwrap();
    }
    drop(file);
    let said = match Store::open(&path).await {
        Ok(store) => {
            let error = store.newest(&anna()).await.err().unwrap();
            format!("{error:#}")
        }
        Err(error) => format!("{error:#}"),
    };
    has(&said, &["store", "damaged", "move it away"]);
}

#[tokio::test]
async fn rows_that_make_no_sense_are_left_out() {
    let home = Home::sqlite().await;
    record(&home.store, &minutes("steps", "2026-11-20", 3, |_| 1.0), noon(0)).await;
    let days = ["2026-11-17", "2026-11-18", "2026-11-19"].map(|day| number("floors", day, 1.0));
    record(&home.store, &days, noon(0)).await;
    home.execute("UPDATE reading SET metric = 'no-such-metric' WHERE day < '2026-11-19'").await;
    assert_eq!(all(&home.store, 1).await.len(), 4, "what stands after them is still told");
    home.execute("UPDATE reading SET metric = 'floors', beside = '{\"a' WHERE day = '2026-11-18'").await;
    assert_eq!(all(&home.store, 1).await.len(), 4, "what stands after it as well");
    home.execute("DELETE FROM reading").await;
    home.execute("UPDATE series SET metric = 'no-such-metric'").await;
    assert_eq!(all(&home.store, 2).await, []);
    home.execute("UPDATE series SET metric = 'steps'").await;
    home.execute("UPDATE origin SET east = 9000000000").await;
    assert_eq!(all(&home.store, 2).await, []);
}

#[tokio::test]
async fn a_file_where_none_can_be() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing").join("store.db");
    has(&refusal(&format!("sqlite:{}", missing.display())).await, &["missing/store.db", "No such file"]);
    has(&refusal(&format!("sqlite:{}", folder.path().display())).await, &["opening the store", "directory"]);
}

#[tokio::test]
async fn a_store_of_another_version() {
    let home = Home::sqlite().await;
    home.execute("UPDATE _sqlx_migrations SET checksum = x'00'").await;
    let error = home.try_again().await.err().unwrap();
    has(&format!("{error:#}"), &["store.db", "another version of fitbit2mqtt"]);
}

#[tokio::test]
async fn a_file_of_any_name() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a b%20c?d#e.db", "ä&=+.db"] {
        let path = folder.path().join(name);
        let store = Store::open(&path).await.unwrap();
        record(&store, &minutes("steps", "2026-11-20", 3, |_| 1.0), noon(0)).await;
        store.close().await;
        assert!(fs::metadata(&path).unwrap().len() > 4096, "{name}");
    }
    let names = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(names, 2, "and no other file was made");
    assert!(Path::new(folder.path()).join("ä&=+.db").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_let_us_in() {
    let server = tokio::task::spawn_blocking(Postgres::shared).await.unwrap();
    let at = format!("postgres://bridge@127.0.0.1:{}/", server.port);
    let refused = refusal(&server.url("a-wrong-one", "postgres")).await;
    has(&refused, &[&at, "password", "correct it"]);
    assert!(!refused.contains("a-wrong-one"), "{refused}");
    let missing = refusal(&server.url(PASSWORD, "nowhere")).await;
    has(&missing, &[&at, "no such database", "create it"]);
    assert!(!missing.contains(PASSWORD), "{missing}");
    let hidden = refusal(&format!("postgres://bridge@127.0.0.1:{}/nowhere?password=hidden", server.port)).await;
    assert!(hidden.contains(&at) && !hidden.contains("hidden"), "{hidden}");
}

#[tokio::test]
async fn a_server_that_does_not_answer() {
    // Bound and closed again: nobody listens there.
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let refused = refusal(&format!("postgres://bridge:secret@127.0.0.1:{port}/store")).await;
    has(&refused, &["postgres://bridge@127.0.0.1", "does not answer", "store.url"]);
    assert!(!refused.contains("secret"), "{refused}");
}

#[tokio::test]
async fn an_address_that_is_none() {
    for url in ["mysql://bridge:secret@host/store", "postgres://bridge:se cret@ho st/store", "/a/file", ""] {
        let refused = refusal(url).await;
        assert!(refused.contains("sqlite:PATH") && !refused.contains("cret"), "{refused}");
    }
}
