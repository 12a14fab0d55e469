//! Who is there: the organization, its groups and coaches, its patients, and the e-mails they got. All invented.

use serde_json::{Value as Json, json};

use super::resource::{Scene, time};

const FIRST: &[&str] = &["Ada", "Bruno", "Carla", "Dmitri", "Eva", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Kaia"];
const LAST: &[&str] = &["Adler", "Brook", "Castillo", "Dahl", "Ekman", "Fischer", "Grant", "Hale", "Ito"];
const GENDERS: [&str; 3] = ["male", "female", "other"];
const EMAILS: [&str; 2] = ["welcome", "reminder"];

pub(super) fn organization(scene: &Scene, number: usize) -> Json {
    scene.resource("organization", number, json!({"name": "Simulated Care"}), json!({}))
}

pub(super) fn group(scene: &Scene, number: usize) -> Json {
    let name = format!("Programme {}", number + 1);
    let bio = "Patients who are coached together";
    scene.resource("group", number, json!({"name": name, "bio": bio}), json!({}))
}

pub(super) fn coach(scene: &Scene, number: usize) -> Json {
    let (first, last) = (FIRST[(number + 5) % FIRST.len()], LAST[(number + 3) % LAST.len()]);
    let groups = match scene.programme.groups {
        0 => json!({"data": []}),
        groups => scene.many("group", std::iter::once(number % groups)),
    };
    scene.resource("coach", number, json!({"first_name": first, "last_name": last}), json!({"groups": groups}))
}

pub(super) fn patient(scene: &Scene, number: usize) -> Json {
    let mut chance = scene.chance("patient", number);
    let (first, last) = (FIRST[number % FIRST.len()], LAST[number / FIRST.len() % LAST.len()]);
    let archived = number % 10 == 9;
    let enrolled = scene.ago(24 * i64::from(chance.between(30, 900)));
    let history = match archived {
        true => json!([{"archived": true, "modified_at": time(scene.ago(240)), "reason": "moved away", "notes": ""}]),
        false => json!([]),
    };
    let attributes = json!({
        "first_name": first,
        "last_name": last,
        "email_address": format!("patient{number}@care.example"),
        "phone_numbers": [{"type": "home", "value": format!("+1 555 01{:04}", number % 10_000), "primary": true}],
        "addresses": [{"use": "home", "lines": ["1 Example Street"], "city": "Springfield", "country": "US"}],
        "identifiers": [{"label": "MRN", "system": "MyEHR", "value": (100_000 + number).to_string(), "unique": true}],
        "birth_date": format!("{}-{:02}-{:02}", chance.between(1940, 2000), chance.between(1, 12), chance.between(1, 28)),
        "gender": GENDERS[chance.between(0, 2) as usize],
        "note": "Simulated note",
        "invited_at": time(enrolled),
        "enrolled_at": time(enrolled),
        "last_access_at": time(scene.ago(i64::from(chance.between(1, 200)))),
        "archived": archived,
        "archive_history": history,
        "created_at": time(enrolled),
        "updated_at": time(scene.ago(i64::from(chance.between(1, 600)))),
    });
    let coaches = match (number, scene.programme.coaches) {
        (0, coaches) => scene.many("coach", 0..coaches),
        (_, 0) => json!({"data": []}),
        (number, coaches) => scene.many("coach", std::iter::once(number % coaches)),
    };
    let groups = scene.many("group", scene.groups(number).into_iter());
    scene.resource("patient", number, attributes, json!({"groups": groups, "coaches": coaches}))
}

pub(super) fn email(scene: &Scene, number: usize) -> Json {
    let (patient, nth) = scene.owner(number);
    let sent = scene.ago(7 + 24 * nth as i64);
    let attributes = json!({
        "twine_email_id": scene.id("twine e-mail", number),
        "email_address": format!("patient{patient}@care.example"),
        "email_type": EMAILS[nth % EMAILS.len()],
        "send_time": time(sent),
        "status_times": {"processed": time(sent), "delivered": time(sent)},
    });
    let sender = scene.one("coach", patient % scene.programme.coaches.max(1));
    scene.resource(
        "email_history",
        number,
        attributes,
        json!({"sender": sender, "receiver": scene.one("patient", patient)}),
    )
}
