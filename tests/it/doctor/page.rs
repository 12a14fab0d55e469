//! The same on the setup page: asked for by a form of ours, one at a time, and bounded.

use super::*;
use crate::browser::Browser;

const SETUP: &str = "/plugin/fitbit/page/setup.html";

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_what_the_doctor_found() {
    let mut world = World::running().await;
    world.until("ready", async |world| world.get("/readyz").await.status == 200).await;
    let mut browser = Browser::open(&format!("{}{SETUP}", world.url())).await;
    assert!(!browser.page.contains("class=\"checks\""), "nothing is looked at before somebody asks");
    browser.submit("Check now", &[]).await;
    assert_eq!(browser.status, 200);
    let text = browser.text();
    assert!(text.contains("Nothing needs doing"), "{text}");
    for well in ["the bridge answers at", "it opens, is whole and can be written", "anna consented to everything"] {
        assert!(text.contains(well), "{well:?}: {text}");
    }
    // The rest of the page is as ever.
    assert!(text.contains("Add a person") && browser.page.contains("user=anna"), "{text}");

    world.broker.kill();
    world.until("not ready", async |world| world.get("/readyz").await.status == 503).await;
    browser.submit("Check again", &[]).await;
    let text = browser.text();
    assert!(text.contains("1 thing needs doing") && text.contains("nothing listens there"), "{text}");
    assert!(text.contains("start the broker, or correct host and port in mqtt.url"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_form_of_ours_has_it_looked_at_and_one_at_a_time() {
    let mut world = World::connected().await;
    world.start().await;
    let url = format!("{}{SETUP}", world.url());
    let refused = world.send(world.http.post(&url).form(&[("form_token", "0000")])).await;
    assert_eq!(refused.status, 403, "{}", refused.body);
    let token = world.form_token().await;
    let foreign = world.http.post(&url).header("Sec-Fetch-Site", "cross-site").form(&[("form_token", &token)]);
    assert_eq!(world.send(foreign).await.status, 403);

    let ask = || world.send(world.http.post(&url).form(&[("form_token", &token)]));
    let (one, other, third) = tokio::join!(ask(), ask(), ask());
    let mut statuses = [one.status, other.status, third.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 503, 503]);
    assert_eq!(ask().await.status, 200);
}
