//! Where days stand: those of which anything is recorded stay, whatever zone comes after.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use chrono_tz::Tz::{self, America__New_York, Asia__Tokyo, Europe__Amsterdam};
use fitbit2mqtt::store::Store;
use fitbit2mqtt::zone::Zones;

use super::both::{Home, anna, day, noon, number, record};

/// The zones there are, with the day after which each holds.
fn zones(first: Tz, later: &[(&str, Tz)]) -> Zones {
    Zones::new(first, later.iter().map(|(after, zone)| (day(after), *zone)).collect())
}

async fn noted(store: &Store, zone: Tz) -> Zones {
    store.note_zone(&anna(), zone, day("2026-11-20")).await.unwrap();
    store.zones(&anna()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_holds_from_the_first_day_of_which_nothing_is_recorded() {
    for home in Home::each().await {
        let (store, engine) = (&home.store, home.engine);
        assert_eq!(store.zones(&anna()).await.unwrap(), Tz::UTC.into(), "{engine}");
        // As long as nothing is recorded, nothing has a place.
        noted(store, Asia__Tokyo).await;
        assert_eq!(noted(store, Europe__Amsterdam).await, Europe__Amsterdam.into(), "{engine}");
        record(store, &[number("steps", "2026-11-19", 9000.0), number("floors", "2026-11-20", 3.0)], noon(0)).await;
        let ben = "ben".parse().unwrap();
        store.note_zone(&ben, Asia__Tokyo, day("2026-11-20")).await.unwrap();

        let moved = zones(Europe__Amsterdam, &[("2026-11-20", America__New_York)]);
        assert_eq!(noted(store, America__New_York).await, moved, "{engine}");
        // The past comes later, and belongs to where they lived.
        record(store, &[number("steps", "2020-01-01", 8000.0)], noon(1)).await;
        assert_eq!(noted(store, America__New_York).await, moved, "{engine}");
        // Back on the same day, or further on: as if they had not been there.
        assert_eq!(noted(store, Europe__Amsterdam).await, Europe__Amsterdam.into(), "{engine}");
        noted(store, America__New_York).await;
        let further = zones(Europe__Amsterdam, &[("2026-11-20", Asia__Tokyo)]);
        assert_eq!(noted(store, Asia__Tokyo).await, further, "{engine}");

        // A night that ended in the evening is tomorrow's, and stays as well; what somebody mistyped holds nothing.
        let mistyped = number("body-weight", "2062-11-20", 70.0);
        record(store, &[number("sleep-minutes", "2026-11-21", 400.0), mistyped], noon(2)).await;
        let home_again = zones(Europe__Amsterdam, &[("2026-11-20", Asia__Tokyo), ("2026-11-21", Europe__Amsterdam)]);
        assert_eq!(noted(store, Europe__Amsterdam).await, home_again, "{engine}");
        assert_eq!(home.again().await.zones(&anna()).await.unwrap(), home_again, "{engine}");

        store.forget(&anna()).await.unwrap();
        assert_eq!(store.zones(&anna()).await.unwrap(), Tz::UTC.into(), "{engine}");
        assert_eq!(store.zones(&ben).await.unwrap(), Asia__Tokyo.into(), "{engine}");
    }
}
