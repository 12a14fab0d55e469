//! Decoding, held to recorded shapes: every answer in `tests/fixtures/<upstream>/` beside the readings expected of it.
//! Expected values are worked out by hand from the upstream's documentation, never taken from the decoder's output.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};

use chrono::NaiveTime;
use fitbit2mqtt::reading::Reading;
use fitbit2mqtt::upstream::decode::decode;
use fitbit2mqtt::upstream::endpoint::Endpoint;
use fitbit2mqtt::upstream::endpoint::{Context, Decoded};
use fitbit2mqtt::upstream::{UPSTREAMS, Upstream};
use serde_json::{Value as Json, json};

/// One answer and what is expected of it.
pub struct Fixture {
    /// The file of the answer, for messages.
    pub file: PathBuf,
    /// The row it is an answer of.
    pub endpoint: &'static Endpoint,
    /// The upstream's answer.
    pub answer: Json,
    /// What is expected: `context` and `readings`, or `failure`; `devices`, `profile` and `problems` where there are any.
    pub expected: Json,
}

/// Every fixture of `upstream`, by name.
pub fn all(upstream: &Upstream) -> Vec<Fixture> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(upstream.provider.replace('-', "_"));
    let listing = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = listing.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| {
        let answer = match file.to_string_lossy().strip_suffix(".expected.json") {
            Some(stem) => PathBuf::from(format!("{stem}.json")),
            None => return file.extension().is_some_and(|extension| extension == "json"),
        };
        assert!(answer.exists(), "{}: there is no {} it could belong to", file.display(), answer.display());
        false
    });
    files.sort();
    files.into_iter().map(|file| Fixture::read(upstream, file)).collect()
}

impl Fixture {
    fn read(upstream: &Upstream, file: PathBuf) -> Fixture {
        let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
        // Endpoints have hyphens, too: the longest name that fits is the row, and what follows the case.
        let endpoint = upstream
            .endpoints
            .iter()
            .filter(|endpoint| {
                let name = endpoint.name.replace('/', "_");
                stem == name || stem.starts_with(&format!("{name}-"))
            })
            .max_by_key(|endpoint| endpoint.name.len())
            .unwrap_or_else(|| panic!("{}: no endpoint of {} is called that", file.display(), upstream.provider));
        let json = |file: &Path| -> Json {
            let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
        };
        let expected = json(&file.with_file_name(format!("{stem}.expected.json")));
        Fixture { answer: json(&file), expected, file, endpoint }
    }

    /// What the person's zone, the day asked for, today and the height in cm, if known, were when the answer came.
    pub fn context(&self) -> Context {
        let text = |key: &str| self.expected["context"][key].as_str();
        let wanted = |key: &str| text(key).unwrap_or_else(|| panic!("{}: context has no {key}", self.file.display()));
        let night_starts: NaiveTime = text("nightStarts").unwrap_or("18:00").parse().unwrap();
        Context {
            zone: wanted("zone").parse().unwrap(),
            day: wanted("day").parse().unwrap(),
            last: text("last").unwrap_or(wanted("today")).parse().unwrap(),
            today: wanted("today").parse().unwrap(),
            detail: text("detail").map(|detail| detail.parse().unwrap()),
            height: self.expected["context"]["height"].as_f64(),
            night_starts,
        }
    }

    /// Every difference between what is expected and what was decoded, in words.
    fn differences(&self) -> Vec<String> {
        let expected = &self.expected;
        let decoded = match (decode(self.endpoint, &self.answer, &self.context()), expected["failure"].as_str()) {
            (Ok(decoded), None) => decoded,
            (Ok(_), Some(failure)) => return vec![format!("decoded, but should fail with {failure:?}")],
            (Err(failure), Some(words)) if failure.to_string().contains(words) => return Vec::new(),
            (Err(failure), _) => return vec![format!("failed: {failure}")],
        };
        let mut differences = readings_differ(&expected["readings"], &decoded.readings);
        let mut same = |what: &str, wanted: &Json, found: Json| {
            if plain(wanted) != plain(&found) {
                differences.push(format!("{what}: expected {wanted}, found {found}"));
            }
        };
        same("devices", &expected["devices"], json!(decoded.devices));
        same("archived", &expected["archived"], decoded.archived.then_some(true).into());
        let profile = decoded.profile.as_ref().map(|profile| {
            let fields = [("zone", &profile.zone), ("name", &profile.name)];
            fields.into_iter().filter_map(|(key, text)| Some((key.to_owned(), json!(text.as_ref()?)))).collect()
        });
        same("profile", &expected["profile"], profile.map_or(Json::Null, Json::Object));
        differences.extend(problems_differ(&expected["problems"], &decoded));
        differences
    }
}

#[test]
fn every_answer_decodes_to_what_is_expected_of_it() {
    let mut report = String::new();
    for upstream in UPSTREAMS {
        for fixture in all(upstream) {
            for difference in fixture.differences() {
                report += &format!("{}\n    {difference}\n", fixture.file.display());
            }
        }
    }
    assert!(report.is_empty(), "decoded otherwise than expected:\n{report}");
}

#[test]
fn every_row_has_a_fixture_and_every_metric_of_it_is_read_somewhere() {
    let mut missing = Vec::new();
    for upstream in UPSTREAMS {
        let fixtures = all(upstream);
        for endpoint in upstream.endpoints {
            let its: Vec<_> = fixtures.iter().filter(|fixture| fixture.endpoint.name == endpoint.name).collect();
            if its.is_empty() {
                missing.push(format!("{}: {} has no fixture", upstream.provider, endpoint.name));
            }
            for metric in endpoint.gives() {
                let gives = |fixture: &&&Fixture| {
                    let readings = fixture.expected["readings"].as_array();
                    readings.is_some_and(|readings| readings.iter().any(|reading| reading["metric"] == metric))
                };
                if its.iter().find(gives).is_none() {
                    missing.push(format!("{}: no fixture of {} gives {metric}", upstream.provider, endpoint.name));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// Both sets whole, in any order: no reading more, no reading less.
fn readings_differ(expected: &Json, found: &[Reading]) -> Vec<String> {
    let Some(expected) = expected.as_array() else { return vec!["there is no list of expected readings".into()] };
    let mut left: Vec<Json> = found.iter().map(|reading| plain(&flat(reading))).collect();
    let mut differences = Vec::new();
    for reading in expected.iter().map(plain) {
        match left.iter().position(|found| *found == reading) {
            Some(index) => drop(left.remove(index)),
            None => differences.push(format!("missing: {reading}")),
        }
    }
    differences.extend(left.iter().map(|reading| format!("not expected: {reading}")));
    differences
}

/// Absent: none; a number: so many; a list: words in each problem, one problem each.
fn problems_differ(expected: &Json, decoded: &Decoded) -> Option<String> {
    let problems = &decoded.problems;
    let as_expected = match expected {
        Json::Null => problems.is_empty(),
        Json::Number(count) => count.as_u64() == Some(problems.len() as u64),
        Json::Array(words) => {
            let mut left = problems.clone();
            let all = words.iter().all(|words| {
                let words = words.as_str().expect("problems are words");
                left.iter().position(|problem| problem.contains(words)).map(|index| left.remove(index)).is_some()
            });
            all && left.is_empty()
        }
        other => panic!("problems are a number or a list, not {other}"),
    };
    (!as_expected).then(|| format!("problems: expected {expected}, found {problems:#?}"))
}

/// A reading in the form of the expected ones, with what stands beside it in the same object.
fn flat(reading: &Reading) -> Json {
    let mut object = reading.beside.clone();
    for (key, value) in [
        ("metric", json!(reading.metric.key)),
        ("value", Json::from(&reading.value)),
        ("dateTime", json!(reading.at)),
        ("source", json!(reading.source)),
        ("resolution", json!(reading.resolution)),
    ] {
        assert!(!object.contains_key(key), "{key:?} stands beside {} as well", reading.metric.key);
        if !value.is_null() {
            object.insert(key.to_owned(), value);
        }
    }
    Json::Object(object)
}

/// 46 and 46.0 are the same number, and so are all large whole ones up to 2^53.
fn plain(json: &Json) -> Json {
    match json {
        Json::Number(number) if number.as_f64().is_some_and(|float| float.abs() < 9e15) => json!(number.as_f64()),
        Json::Array(list) => list.iter().map(plain).collect(),
        Json::Object(object) => object.iter().map(|(key, value)| (key.clone(), plain(value))).collect(),
        other => other.clone(),
    }
}
