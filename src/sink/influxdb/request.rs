//! Requests to InfluxDB in either version of its interface, and its answers in words that hold no values. It neither
//! repeats nor remembers anything.

use std::io::Write;
use std::time::Duration;

use chrono::TimeDelta;
use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::{Client, RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value as Json, json};
use url::Url;

use super::unwritten::Deletion;

/// Where InfluxDB is, and as whom it is written to.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its address, without the path of an entry point.
    pub url: Url,
    /// Where in it.
    pub place: Place,
}

/// Where in a server things are written.
#[derive(Debug, Clone)]
pub enum Place {
    /// InfluxDB 1.x and whatever takes the same, such as VictoriaMetrics.
    Database {
        /// The database.
        name: String,
        /// Who writes there; `None`: nobody in particular.
        username: Option<String>,
        /// Their password.
        password: Option<SecretString>,
    },
    /// InfluxDB 2 and 3.
    Bucket {
        /// The bucket.
        name: String,
        /// Its organization.
        organization: Option<String>,
        /// What gives the right to write there.
        token: Option<SecretString>,
    },
}

/// Why something was not written.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Nobody answers. What was taken just before may be lost, too.
    Unreachable(String),
    /// It cannot take anything now, and may have said for how long.
    Failing(String, Option<Duration>),
    /// It will take nothing before somebody has changed something.
    Misconfigured(String),
    /// It does not take all of these lines, in its own words.
    Refused(String),
    /// It takes no request of this length.
    TooLong,
}

/// Lines as they are sent.
#[derive(Debug, Clone)]
pub(super) struct Packed(Vec<u8>);

impl Packed {
    pub fn new(lines: &str) -> Packed {
        let mut encoder = GzEncoder::new(Vec::with_capacity(lines.len() / 8), Compression::fast());
        // Writing to a Vec cannot fail.
        let _ = encoder.write_all(lines.as_bytes());
        Packed(encoder.finish().unwrap_or_default())
    }
}

/// One server.
pub(super) struct Server {
    pub settings: Settings,
    pub http: Client,
}

impl Server {
    /// A name for where things are written that holds no secret: the same after a restart, another for another place.
    pub fn destination(&self) -> String {
        let url = self.settings.url.as_str().trim_end_matches('/');
        match &self.settings.place {
            Place::Database { name, .. } => format!("influxdb {url} database {name}"),
            Place::Bucket { name, organization, .. } => {
                format!("influxdb {url} bucket {} {name}", organization.as_deref().unwrap_or_default())
            }
        }
    }

    /// Writes lines. Writing them again changes nothing.
    pub async fn write(&self, lines: Packed) -> Result<(), Trouble> {
        let request = self.request(&["write"], &["api", "v2", "write"]);
        let request = request.header("Content-Type", "text/plain; charset=utf-8").header("Content-Encoding", "gzip");
        self.send(request.body(lines.0)).await.map(drop)
    }

    /// Deletes points. VictoriaMetrics, which cannot, takes the question for another one and says that all is well.
    pub async fn delete(&self, deletion: &Deletion) -> Result<(), Trouble> {
        let Deletion { measurement, person, from, to } = deletion;
        let request = self.request(&["query"], &["api", "v2", "delete"]);
        let request = match self.settings.place {
            // A person's name needs no quoting.
            Place::Database { .. } => request.form(&[(
                "q",
                format!(
                    "DELETE FROM \"{measurement}\" WHERE \"user\" = '{person}' AND time >= {} AND time < {}",
                    from.timestamp_nanos_opt().unwrap_or(0),
                    to.timestamp_nanos_opt().unwrap_or(0)
                ),
            )]),
            Place::Bucket { .. } => {
                request.header("Content-Type", "application/json").body(bucket_deletion(deletion).to_string())
            }
        };
        let answer: Json = serde_json::from_str(&self.send(request).await?).unwrap_or_default();
        match answer["results"][0]["error"].as_str() {
            Some(words) => Err(Trouble::Refused(words.to_owned())),
            None => Ok(()),
        }
    }

    /// When the server was started, where it is VictoriaMetrics, which says so.
    pub async fn started(&self) -> Option<String> {
        let mut url = self.settings.url.clone();
        url.path_segments_mut().ok()?.pop_if_empty().push("metrics");
        let metrics = self.http.get(url).send().await.ok()?.text().await.ok()?;
        metrics.lines().find(|line| line.starts_with("vm_app_start_timestamp ")).map(str::to_owned)
    }

    /// A request below the address, at the path of version 1 or of version 2, with what says where and who.
    fn request(&self, one: &[&str], two: &[&str]) -> RequestBuilder {
        let mut url = self.settings.url.clone();
        let path = if matches!(self.settings.place, Place::Database { .. }) { one } else { two };
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        match &self.settings.place {
            Place::Database { name, username, password } => {
                let request = self.http.post(url).query(&[("db", name)]);
                match username {
                    // Not in the address, which servers log.
                    Some(user) => request.basic_auth(user, password.as_ref().map(|secret| secret.expose_secret())),
                    None => request,
                }
            }
            Place::Bucket { name, organization, token } => {
                let request = self.http.post(url).query(&[("bucket", name)]);
                let request = organization.iter().fold(request, |request, name| request.query(&[("org", name)]));
                match token {
                    Some(token) => request.header("Authorization", format!("Token {}", token.expose_secret())),
                    None => request,
                }
            }
        }
    }

    async fn send(&self, request: RequestBuilder) -> Result<String, Trouble> {
        let url = &self.settings.url;
        let unreachable = |error: reqwest::Error| {
            let error = anyhow::Error::from(error.without_url());
            Trouble::Unreachable(format!("InfluxDB at {url} cannot be reached: {error:#}"))
        };
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let wait = response.headers().get("Retry-After").and_then(|after| after.to_str().ok()?.parse().ok());
        let wait = wait.map(Duration::from_secs);
        let body = response.text().await.map_err(unreachable)?;
        if status.is_success() {
            return Ok(body);
        }
        log::debug!("InfluxDB answered {status}: {body}");
        let said = words(&body);
        let answered = |cure: &str| format!("InfluxDB at {url} answered {status}{}{said}; {cure}", between(&said));
        Err(match status {
            StatusCode::PAYLOAD_TOO_LARGE => Trouble::TooLong,
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => Trouble::Refused(said),
            StatusCode::TOO_MANY_REQUESTS => Trouble::Failing(answered("it is asked again later"), wait),
            _ if status.is_server_error() => Trouble::Failing(answered("its log may say more"), wait),
            _ => Trouble::Misconfigured(answered(self.cure(status))),
        })
    }

    fn cure(&self, status: StatusCode) -> &'static str {
        match (status, &self.settings.place) {
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, Place::Database { .. }) => {
                "let influxdb.username and .password be those of a user who may write to the database"
            }
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, Place::Bucket { .. }) => {
                "let influxdb.token be one that may write to the bucket"
            }
            (StatusCode::NOT_FOUND, Place::Database { .. }) => {
                "create the database (influx -execute 'CREATE DATABASE …'), or correct influxdb.database or influxdb.url"
            }
            (StatusCode::NOT_FOUND, Place::Bucket { .. }) => {
                "create the bucket, or correct influxdb.bucket, influxdb.org or influxdb.url"
            }
            _ => "check influxdb.url: it is the address of InfluxDB itself",
        }
    }
}

/// The body of a deletion from a bucket. Its last instant is deleted, too: `DeleteBucketRangePredicate` in
/// storage/engine.go of InfluxDB 2.
fn bucket_deletion(Deletion { measurement, person, from, to }: &Deletion) -> Json {
    let predicate = format!("_measurement=\"{measurement}\" AND user=\"{person}\"");
    let stop = *to - TimeDelta::nanoseconds(1);
    json!({"start": from.to_rfc3339(), "stop": stop.to_rfc3339(), "predicate": predicate})
}

/// What follows the status where there are words.
fn between(said: &str) -> &'static str {
    if said.is_empty() { "" } else { ": " }
}

/// What a server says, briefly, without the line it says it of: that one holds values.
fn words(body: &str) -> String {
    let json: Json = serde_json::from_str(body).unwrap_or_default();
    let said = ["error", "message"].iter().find_map(|name| json[*name].as_str()).unwrap_or(body);
    let said = match (said.find("unable to parse '"), said.rfind("':")) {
        (Some(begin), Some(end)) if begin < end => format!("{}unable to parse it{}", &said[..begin], &said[end + 1..]),
        _ => said.to_owned(),
    };
    said.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .take(200)
        .collect::<String>()
        .trim()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deletion_from_a_bucket_spares_the_next_day() {
        let (from, to) = ("2026-11-18T23:00:00Z".parse(), "2026-11-19T23:00:00Z".parse());
        let (Ok(from), Ok(to), Ok(person)) = (from, to, "anna".parse()) else { panic!("they are well-formed") };
        let body = bucket_deletion(&Deletion { measurement: "Activity", person, from, to });
        assert_eq!(body["start"], "2026-11-18T23:00:00+00:00");
        assert_eq!(body["stop"], "2026-11-19T22:59:59.999999999+00:00");
        assert_eq!(body["predicate"], r#"_measurement="Activity" AND user="anna""#);
    }

    #[test]
    fn what_a_server_says_is_passed_on_without_values() {
        let parse =
            r#"{"error":"partial write: unable to parse 'Activity,user=anna steps=82 x': bad timestamp dropped=0"}"#;
        assert_eq!(words(parse), "partial write: unable to parse it: bad timestamp dropped=0");
        assert_eq!(words(r#"{"code":"invalid","message":"no bucket"}"#), "no bucket");
        assert_eq!(words("<html>\n<b>no</b>"), "<html> <b>no</b>");
        assert_eq!(words(""), "");
    }
}
