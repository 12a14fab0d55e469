//! Requests to Igor: one element put, told or deleted, with the levels above it made where an Igor needs that, and its
//! answers in words. It neither repeats nor remembers anything.

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value as Json, json};
use url::Url;

use super::statement::Place;

/// Where an Igor is, and as whom it is asked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Igor's own address, without a path.
    pub url: Url,
    /// A user of Igor's; `None`: nobody in particular.
    pub username: Option<String>,
    /// Their password.
    pub password: Option<SecretString>,
}

/// Why Igor was not told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It could not be asked; nothing else can be told now, either.
    Unreachable(String),
    /// It was asked and refused this.
    Refused(String),
}

/// Whether a level above an element had to be made, because Igor knew nothing of it (any more).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Everything was there.
    Home,
    /// It was not.
    EmptyHouse,
}

/// One Igor.
pub(super) struct Igor {
    pub settings: Settings,
    pub http: Client,
}

impl Igor {
    /// Makes `place` say `statement`, or be gone. Doing so twice does no harm, and fires none of Igor's actions.
    pub async fn tell(&self, place: &Place, statement: Option<&str>) -> Result<Found, Trouble> {
        let Some(statement) = statement else {
            // Igor finds nothing wrong with deleting what is not there.
            let status = self.send(self.request(Method::DELETE, &place.levels()), None).await?;
            return self.judge(status).map(|()| Found::Home);
        };
        let request = || match place {
            Place::Values(_) => self.request(Method::PUT, &place.levels()),
            Place::Health(path) => {
                let levels: Vec<&str> = ["internal", "updateStatus"].into_iter().chain(path.split('/')).collect();
                self.request(Method::POST, &levels)
            }
        };
        match self.send(request(), Some(statement.to_owned())).await? {
            // Igor 0.99.1 makes no element whose parent is missing.
            StatusCode::BAD_REQUEST if self.make_parents(place).await? => {
                let status = self.send(request(), Some(statement.to_owned())).await?;
                self.judge(status).map(|()| Found::EmptyHouse)
            }
            status => self.judge(status).map(|()| Found::Home),
        }
    }

    /// Whether it answers, to this user; it need not know anything of people yet.
    pub async fn examine(&self) -> Result<(), Trouble> {
        match self.send(self.request(Method::GET, &["data", "sensors"]), None).await? {
            StatusCode::NOT_FOUND => Ok(()),
            status => self.judge(status),
        }
    }

    /// Makes the levels above `place` that Igor does not know, and says whether there were any.
    async fn make_parents(&self, place: &Place) -> Result<bool, Trouble> {
        let levels = place.levels();
        let mut made = false;
        for depth in 2..levels.len() {
            let parent = &levels[..depth];
            // What is there must never be replaced: others keep their values in it.
            if self.send(self.request(Method::GET, parent), None).await? != StatusCode::NOT_FOUND {
                continue;
            }
            let nothing = json!({ parent[depth - 1]: Map::<String, Json>::new() });
            let status = self.send(self.request(Method::PUT, parent), Some(nothing.to_string())).await?;
            self.judge(status)?;
            made = true;
        }
        Ok(made)
    }

    fn request(&self, method: Method, levels: &[&str]) -> RequestBuilder {
        let mut url = self.settings.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.clear().extend(levels);
        }
        let request = self.http.request(method, url);
        match &self.settings.username {
            Some(name) => {
                request.basic_auth(name, self.settings.password.as_ref().map(|secret| secret.expose_secret()))
            }
            None => request,
        }
    }

    async fn send(&self, request: RequestBuilder, body: Option<String>) -> Result<StatusCode, Trouble> {
        let request = match body {
            // Igor knows this type by its bare name only: with a charset it answers 500.
            Some(body) => request.header("Content-Type", "application/json").body(body),
            None => request,
        };
        match request.send().await {
            Ok(response) => Ok(response.status()),
            Err(error) => {
                let error = anyhow::Error::from(error.without_url());
                Err(Trouble::Unreachable(format!("Igor at {} cannot be reached: {error:#}", self.settings.url)))
            }
        }
    }

    /// What Igor says besides the status may repeat what it was told, so it is not passed on.
    fn judge(&self, status: StatusCode) -> Result<(), Trouble> {
        let cure = match status.as_u16() {
            200..=299 => return Ok(()),
            401 => "let igor.username be a user with the right to write there, such as admin",
            // A wrong password is 500 there, an unknown user 501.
            500 | 501 if self.settings.username.is_some() => {
                "check igor.username and igor.password first: so it answers to wrong ones"
            }
            300..=399 | 404 | 405 => "check igor.url: it is Igor's own address, without a path",
            _ => "its log may say why",
        };
        Err(Trouble::Refused(format!("Igor at {} answered {status}; {cure}", self.settings.url)))
    }
}
