//! A consent that ends elsewhere than it began: the address pasted into the page or the terminal, another process.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;

use fitbit2mqtt::clock::Clock;
use fitbit2mqtt::simulator::Options;
use url::Url;

use super::{QUIET, all, awaiting, error_and_cure};
use crate::browser::Browser;
use crate::world::{Program, World, person};

#[tokio::test(flavor = "multi_thread")]
async fn the_address_of_a_page_that_did_not_open_can_be_pasted() {
    let world = awaiting(&["anna"]).await;
    let paste =
        async |address: &str| world.post("/plugin/fitbit/userSettings", &[("user", "anna"), ("paste", address)]).await;
    for garbage in ["what?", "http://localhost/plugin/fitbit/auth2", "<script>", "http://[", "?code=1", "&&=%zz"] {
        let answer = paste(garbage).await;
        let (error, cure) = error_and_cure(&answer);
        assert!(answer.status == 400 && error.contains("no state") && cure.contains("whole address"), "{answer:?}");
    }
    assert_eq!(world.token_requests(), 0);
    let denied = world.consented("anna", 0, &[]).await;
    let answer = paste(&denied).await;
    assert!(answer.status == 409 && error_and_cure(&answer).0.contains("denied"), "{answer:?}");
    for form in ["http://localhost:9333PATH#_=_", "  http://localhost:9333PATH ", "localhost:9333PATH#_=_", "QUERY"] {
        let back = world.consented("anna", 0, all()).await;
        let query = back.split_once('?').unwrap().1;
        let answer = paste(&form.replace("PATH", &back).replace("QUERY", query)).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"), "{form}");
        assert!(world.has_token("anna"), "{form}");
        world.plugindata().delete_token(&person("anna")).unwrap();
    }

    // With the page's own form.
    let back = world.consented("anna", 0, all()).await;
    let mut browser = Browser::open(&format!("{}/plugin/fitbit/page/setup.html?user=anna", world.url())).await;
    browser.submit("name=\"paste\"", &[("paste", &format!("http://localhost:9333{back}#_=_"))]).await;
    assert_eq!(browser.status, 200);
    assert!(browser.text().contains("Connected. The first values are being fetched."), "{}", browser.text());
    world.await_topic("sensors/fitbit/anna/steps", |value| !value.is_empty()).await;
    browser.submit("name=\"paste\"", &[("paste", "nonsense")]).await;
    assert!(browser.status == 400 && browser.text().contains("The address has no state."), "{}", browser.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_begun_by_one_process_ends_at_another() {
    let mut world = World::with(Options::default(), Clock::system()).await;
    world.register();
    world.more = QUIET.into();
    world.start().await;
    let listen = world.url().trim_start_matches("http://").to_owned();
    let auth = |world: &World, user: &str| {
        Program(world.program(&listen, &["auth", user]).stdin(Stdio::piped()).spawn().unwrap())
    };
    let address = |program: &mut Program| {
        let mut line = String::new();
        BufReader::new(program.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        line.trim().to_owned()
    };

    // Begun in the terminal, ended in the browser: the terminal notices.
    let mut program = auth(&world, "anna");
    let ended = world.cloud.consent(&address(&mut program), 0, all()).unwrap();
    let url = Url::parse(&ended).unwrap();
    let page = world.get(&format!("{}?{}", url.path(), url.query().unwrap())).await;
    assert!(page.status == 200 && page.body.contains("anna is connected"), "{}", page.body);
    world.await_topic("sensors/fitbit/anna/steps", |value| !value.is_empty()).await;
    let status = tokio::task::block_in_place(|| program.0.wait()).unwrap();
    assert!(status.success());

    // Begun in the browser, ended in the terminal, at the second try; with and without what Fitbit appends.
    for (user, index, fragment) in [("ben", 1, "#_=_"), ("cleo", 0, "")] {
        world.plugindata().create(&person(user)).unwrap();
        let back = world.consented(user, index, all()).await;
        let mut program = auth(&world, user);
        let mut input = program.0.stdin.take().unwrap();
        write!(input, "\nnonsense\n{}{back}{fragment}\n", world.url()).unwrap();
        let status = tokio::task::block_in_place(|| program.0.wait()).unwrap();
        let mut said = String::new();
        program.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(status.success() && said.contains("That is not it"), "{said}");
        assert!(said.contains(&format!("{user} is connected.")), "{said}");
        assert_eq!(said.contains("already connected as anna"), user == "cleo", "{said}");
        assert!(world.has_token(user));
    }

    // Somebody else's, and none at all.
    let back = world.consented("anna", 0, all()).await;
    for (input, says) in
        [(format!("{}{back}\n", world.url()), "not begun here for ben"), ("what?\n".into(), "no address")]
    {
        let mut program = auth(&world, "ben");
        program.0.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let status = tokio::task::block_in_place(|| program.0.wait()).unwrap();
        let mut said = String::new();
        program.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(status.code() == Some(1) && said.contains(says), "{said}");
    }
}
