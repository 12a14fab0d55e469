//! The pages in a real browser: on a telephone and a desk, light and dark, for those who see and those who listen, and on
//! paper.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use fitbit2mqtt::simulator::Programme;
use serde_json::Value as Json;

use crate::chromium::Chromium;
use crate::plus::person::clinic;
use crate::world::{World, person};

const SETUP: &str = "/plugin/fitbit/page/setup.html";
const STATUS: &str = "/plugin/fitbit/page/status.html";

/// A telephone and a desk, in both schemes.
const SCREENS: &[(u32, &str)] = &[(390, "light"), (390, "dark"), (1280, "light"), (1280, "dark")];

/// The rules of WCAG 2.2 AA and what axe calls good practice.
const AXE: &str = "axe.run(document, {resultTypes: ['violations']}).then(found => found.violations.map(violation =>
    violation.id + ': ' + violation.help + ' ' + violation.nodes.slice(0, 3).map(node => node.html.slice(0, 200)).join(' | ')))";

const UNFOLD: &str = "document.querySelectorAll('details:not(.numbers)').forEach(fold => fold.open = true);
    document.querySelectorAll('details.numbers').forEach((table, place) => table.open = place === 0)";

/// axe-core, where `tests/run` puts it.
fn axe() -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("axe/node_modules/axe-core/axe.min.js");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{error}: tests/run installs axe-core"))
}

/// Where pictures of the pages are left, to be looked at.
fn album() -> PathBuf {
    let album = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    std::fs::create_dir_all(&album).unwrap();
    album
}

/// The page fits the screen and says everything to everyone, also what is folded away. Leaves a picture.
fn assert_fit(browser: &mut Chromium, axe: &str, (name, width, scheme): (&str, u32, &str)) {
    let place = format!("{name}, {scheme}, {width} px");
    assert_eq!(browser.evaluate("document.documentElement.scrollWidth"), width, "{place}: wider than the screen");
    let picture = BASE64_STANDARD.decode(browser.picture()).unwrap();
    std::fs::write(album().join(format!("{name}-{width}-{scheme}.png")), picture).unwrap();
    // One table stands for all, which one template makes.
    browser.evaluate(UNFOLD);
    assert_eq!(browser.evaluate("document.documentElement.scrollWidth"), width, "{place}, unfolded");
    browser.evaluate(axe);
    assert_eq!(browser.evaluate(AXE), Json::Array(Vec::new()), "{place}");
}

/// Two people with some weeks behind them, all of it fetched.
async fn household() -> World {
    let mut world = World::connected().await;
    world.backfill_days = 21;
    world.start().await;
    world
        .until("the past is complete", async |world| {
            let page = world.get(SETUP).await.body;
            // What is left waits for the next window of the quota.
            if page.contains("goes on ") {
                world.clock.advance(chrono::TimeDelta::minutes(61));
            }
            page.matches("complete from").count() == 2
        })
        .await;
    world
}

/// The page of the newest workout's curve.
async fn workout(world: &World) -> String {
    let page = world.get(&format!("{STATUS}?user=anna")).await.body.replace("&#x2f;", "/").replace("&amp;", "&");
    let link = page.split("href=\"").find(|link| link.contains("&workout=")).expect("somebody was busy");
    link.split(['"', '#']).next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_fit_for_every_screen_and_for_those_who_listen() {
    let world = household().await;
    let workout = workout(&world).await;
    let pages = [
        ("setup", SETUP.to_owned(), SCREENS),
        ("status", format!("{STATUS}?user=anna"), SCREENS),
        // Of these only a picture is different.
        ("workout", workout, &SCREENS[1..3]),
        ("year", format!("{STATUS}?user=ben&days=365"), &SCREENS[1..3]),
        ("message", format!("{STATUS}?user=nobody"), SCREENS),
    ];
    let base = world.url().to_owned();
    let look = move || {
        let (axe, mut browser) = (axe(), Chromium::start());
        for (name, path, screens) in &pages {
            for (width, scheme) in *screens {
                browser.open(&format!("{base}{path}"), *width, scheme);
                // A page that is not there is said to be in the console, too.
                let complaints: Vec<_> = browser
                    .complaints()
                    .into_iter()
                    .filter(|said| *name != "message" || !said.contains("404"))
                    .collect();
                assert_eq!(complaints, Vec::<String>::new(), "{name}, {scheme}, {width} px");
                assert_fit(&mut browser, &axe, (name, *width, scheme));
            }
        }
    };
    tokio::task::spawn_blocking(look).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_patients_and_their_choice_are_fit_for_every_screen() {
    let mut world = clinic(Programme { patients: 120, ..Programme::default() }, [0, 1]).await;
    world.plugindata().create(&person("carl")).unwrap();
    world.start().await;
    world.fetched().await;
    let base = world.url().to_owned();
    let look = move || {
        let (axe, mut browser) = (axe(), Chromium::start());
        for (width, scheme) in SCREENS {
            for (name, path) in [
                ("patients", SETUP.to_owned()),
                ("patient", format!("{STATUS}?user=anna")),
                ("choice", format!("{SETUP}?user=carl")),
            ] {
                browser.open(&format!("{base}{path}"), *width, scheme);
                if name == "choice" {
                    browser.press("#patient button");
                    let found = browser.evaluate("document.querySelectorAll('#patient option').length");
                    assert_eq!(found, 50, "whoever comes first");
                }
                assert_eq!(browser.complaints(), Vec::<String>::new(), "{name}, {scheme}, {width} px");
                assert_fit(&mut browser, &axe, (name, *width, scheme));
            }
        }
    };
    tokio::task::spawn_blocking(look).await.unwrap();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_doctor_found_is_fit_for_every_screen() {
    let mut world = World::running().await;
    // One of each: well, worth a look, in trouble.
    world.broker.kill();
    world.until("not ready", async |world| world.get("/readyz").await.status == 503).await;
    let address = format!("{}{SETUP}", world.url());
    let look = move || {
        let (axe, mut browser) = (axe(), Chromium::start());
        for (width, scheme) in SCREENS {
            browser.open(&address, *width, scheme);
            browser.press("section[aria-labelledby=doctor] button");
            let place = format!("doctor, {scheme}, {width} px");
            for state in ["ok", "warning", "trouble"] {
                let shown = browser.evaluate(&format!("document.querySelectorAll('.checks .{state}').length"));
                assert!(shown.as_u64() > Some(0), "{place}: {state}");
            }
            assert_eq!(browser.complaints(), Vec::<String>::new(), "{place}");
            assert_fit(&mut browser, &axe, ("doctor", *width, scheme));
        }
    };
    tokio::task::spawn_blocking(look).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_page_is_printed_as_a_report_on_a4() {
    let world = household().await;
    let address = format!("{}{STATUS}?user=anna", world.url());
    let print = move || {
        let mut browser = Chromium::start();
        browser.open(&address, 1280, "dark");
        let pdf = BASE64_STANDARD.decode(browser.print()).unwrap();
        std::fs::write(album().join("report.pdf"), &pdf).unwrap();
        let text = String::from_utf8_lossy(&pdf);
        let boxes: Vec<_> = text.split("/MediaBox [").skip(1).map(|rest| rest.split(']').next().unwrap()).collect();
        assert!((2..=8).contains(&boxes.len()), "{} pages", boxes.len());
        for size in boxes {
            let size: Vec<f64> = size.split_whitespace().map(|number| number.parse().unwrap()).collect();
            assert!((size[2] - 595.0).abs() < 1.0 && (size[3] - 842.0).abs() < 1.0, "A4 in points: {size:?}");
        }
        browser.show_as_printed();
        let seen = |browser: &mut Chromium, what: &str| {
            let shown =
                format!("[...document.querySelectorAll('{what}')].filter(element => element.checkVisibility()).length");
            browser.evaluate(&shown).as_u64().unwrap()
        };
        for (what, at_least) in [(".report", 1), ("svg.chart", 15), (".summary tbody tr", 15), (".workouts > li", 1)] {
            assert!(seen(&mut browser, what) >= at_least, "{what} is on paper");
        }
        for what in ["form", "button", "nav", "details", "footer"] {
            assert_eq!(seen(&mut browser, what), 0, "{what} is of no use on paper");
        }
        // Browsers leave out backgrounds where nobody says that they matter, and what a colour stands for with them.
        let keys = "new Set([...document.querySelectorAll('.key')].map(key => getComputedStyle(key).printColorAdjust))";
        assert_eq!(browser.evaluate(&format!("[...{keys}].join()")), "exact", "a legend keeps its colours");
        let ground = browser.evaluate("getComputedStyle(document.body).backgroundColor");
        assert_eq!(ground, "rgb(255, 255, 255)", "on white, whatever the screen prefers");
    };
    tokio::task::spawn_blocking(print).await.unwrap();
}
