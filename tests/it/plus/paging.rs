//! Lists page by page: all of them whole in both forms, and what is said when a list changes or is not whole.

use std::collections::BTreeSet;

use fitbit2mqtt::simulator::{Effect, Fault};
use fitbit2mqtt::upstream::fitbit_plus::endpoints::OPERATIONS;
use fitbit2mqtt::upstream::fitbit_plus::request::{Paging, Wanted};
use serde_json::json;

use super::{Care, Programme, ids, wanted};

/// Every list, each with as many entries as there are patients; of those that belong to one patient, as many as that
/// one has.
fn lists(care: &Care, many_patients: bool) -> Vec<Wanted> {
    let (patient, group) = (care.clinic().patient(0), care.clinic().group(0));
    if many_patients {
        return ["patient", "patient_plan_summary", "health_profile"].map(|name| wanted(name, &[])).to_vec();
    }
    let token = care.plugindata().organization_token("fitbit-plus").unwrap().unwrap().user_id.unwrap();
    let whole = ["coach", "group", "reward_program", "health_question_definition"].map(str::to_owned);
    let belonging = [
        format!("oauth/token/{token}/groups"),
        format!("patient/{patient}/groups"),
        format!("patient/{patient}/coaches"),
    ];
    let theirs = [
        "calendar_event",
        "health_profile_answer",
        "health_profile_question",
        "patient_health_metric",
        "result",
        "reward",
        "reward_earning_fulfillment",
        "reward_program_activation",
    ];
    let mut lists: Vec<Wanted> = whole.iter().chain(&belonging).map(|name| wanted(name, &[])).collect();
    lists.extend(theirs.map(|name| wanted(name, &[("patient", &patient)])));
    lists.push(wanted("reward_earning", &[("patient", &patient), ("groups", &group)]));
    lists.push(wanted("email_history", &[("receiver", &patient)]));
    lists
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_comes_whole_in_both_forms_and_as_it_comes() {
    let mut covered = BTreeSet::new();
    for size in [0, 1, 50, 1000] {
        for many_patients in [true, false] {
            let programme = match many_patients {
                true => Programme { patients: size, groups: 1, coaches: 1, questions: 1, each: 1, by_groups: false },
                false => Programme {
                    patients: 1,
                    groups: size,
                    coaches: size,
                    questions: size,
                    each: size,
                    by_groups: false,
                },
            };
            let care = Care::new(programme);
            care.reader.reach().await.unwrap();
            for list in lists(&care, many_patients) {
                for paging in [None, Some(Paging::Cursor), Some(Paging::Skip)] {
                    let asked = Wanted { paging, ..list.clone() };
                    let before = care.cloud.count("");
                    let (rows, outcome) = care.read(&asked).await;
                    let calls = care.cloud.count("") - before;
                    assert_eq!(outcome, Ok(size as u64), "{asked:?}");
                    let distinct: BTreeSet<_> = ids(&rows).into_iter().collect();
                    assert_eq!((rows.len(), distinct.len()), (size, size), "{asked:?}");
                    if paging.is_some() {
                        assert_eq!(calls, size.div_ceil(50).max(1), "{asked:?}");
                    }
                }
                let count = care.reader.count(&care.request(&Wanted { count: true, ..list.clone() }).await).await;
                assert_eq!(count.unwrap(), size as u64, "{list:?}");
                let parts: Vec<&str> = list.resource.split('/').collect();
                covered.insert(match parts.as_slice() {
                    ["oauth", "token", _, last] => format!("oauth/token/{{id}}/{last}"),
                    [first, _, last] => format!("{first}/{{id}}/{last}"),
                    other => other.concat(),
                });
            }
        }
    }
    let all: BTreeSet<String> =
        OPERATIONS.iter().filter(|operation| operation.is_list()).map(|operation| operation.path.to_owned()).collect();
    assert_eq!(covered, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_entries_are_added_a_cursor_gives_nothing_twice_and_leaves_nothing_out() {
    let care = Care::new(Programme { patients: 300, ..Programme::default() });
    let known: BTreeSet<String> = care.clinic().ids("patient").into_iter().collect();
    care.clinic().grow(true);
    let (rows, outcome) = care.read(&Wanted { page_size: Some(20), ..wanted("patient", &[]) }).await;
    let came: BTreeSet<&str> = ids(&rows).into_iter().collect();
    assert_eq!(came.len(), rows.len(), "a patient came twice");
    assert!(known.iter().all(|id| came.contains(id.as_str())), "a patient who was there all the time did not come");
    let last = care.clinic().ids("patient").len();
    assert!(last >= 315, "patients were added while the list was read: {last}");
    assert_eq!(outcome, Ok(rows.len() as u64));
    assert!((300..=last).contains(&rows.len()), "{} of {last}", rows.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_by_numbered_pages_that_keeps_changing_is_read_once_more_and_then_said_to_be_incomplete() {
    let care = Care::new(Programme { patients: 200, ..Programme::default() });
    care.clinic().grow(true);
    let asked = Wanted { paging: Some(Paging::Skip), page_size: Some(10), ..wanted("patient", &[]) };
    let (rows, outcome) = care.read(&asked).await;
    let refused = outcome.unwrap_err();
    assert!(refused.contains("Fitbit Plus counts") && refused.contains("a second time"), "{refused}");
    assert_eq!(ids(&rows).into_iter().collect::<BTreeSet<_>>().len(), rows.len(), "what came twice is given once");

    // It has settled: the same question is answered whole, and without a second reading.
    care.clinic().grow(false);
    let before = care.cloud.count("");
    let (rows, outcome) = care.read(&asked).await;
    assert_eq!(outcome, Ok(rows.len() as u64));
    assert_eq!(care.cloud.count("") - before, rows.len().div_ceil(10));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_not_whole_and_a_link_that_leads_astray_are_errors() {
    let care = Care::new(Programme::default());
    let page = |count: u64, next: &str| {
        let patient = json!({"type": "patient", "id": "5b7ac3f9012e4d5f6a7b8c9d", "attributes": {}});
        Effect::answer(200, &json!({"meta": {"count": count}, "data": [patient], "links": {"next": next}}))
    };
    let whole = json!({"meta": {"count": 3}, "data": [{"type": "patient", "id": "1"}, {"type": "patient", "id": "2"}]});
    for (effect, part) in [
        (Effect::answer(200, &whole), "Fitbit Plus counts 3 entries, but 2 came"),
        (page(2, "https://elsewhere.example/pub/patient"), "leads to another host"),
        (page(2, "//elsewhere.example/pub/patient"), "leads to another host"),
        (Effect::answer(200, &json!({"meta": {}})), "no JSON:API document"),
        (Effect::Truncated, "not JSON"),
    ] {
        care.cloud.fault(Fault { path: "/pub/patient".into(), person: None, times: Some(1), effect });
        let (_, outcome) = care.read(&wanted("patient", &[])).await;
        let refused = outcome.unwrap_err();
        assert!(refused.contains(part), "{refused}");
        care.cloud.clear_faults();
    }
    assert!(care.cloud.requests().iter().all(|asked| asked.status < 400), "{:?}", care.cloud.requests());
}
