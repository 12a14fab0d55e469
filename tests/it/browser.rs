//! A browser without scripts: it opens addresses, goes where it is sent, follows the links a page shows and fills in
//! the forms it has, with the header fields a real one sends.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use reqwest::header::HeaderMap;
use url::Url;

/// What a form is sent with, in order.
pub type Fields = Vec<(String, String)>;

/// One tab.
pub struct Browser {
    http: reqwest::Client,
    /// The address shown.
    pub url: Url,
    pub status: u16,
    pub headers: HeaderMap,
    /// The page, as sent.
    pub page: String,
}

impl Browser {
    /// A tab in which somebody typed this address.
    pub async fn open(address: &str) -> Browser {
        let mut browser = Browser {
            http: fitbit2mqtt::upstream::client::http().unwrap(),
            url: Url::parse("about:blank").unwrap(),
            status: 0,
            headers: HeaderMap::new(),
            page: String::new(),
        };
        browser.go(Url::parse(address).unwrap(), None).await;
        browser
    }

    /// Follows the link of this text.
    pub async fn follow(&mut self, text: &str) {
        let href = self.link(text).unwrap_or_else(|| panic!("no link {text:?} in {}", self.page));
        let address = self.url.join(&href).unwrap();
        self.go(address, None).await;
    }

    /// Where the link of this text leads.
    pub fn link(&self, text: &str) -> Option<String> {
        let links = self.page.split("<a ").skip(1);
        let mut found = links.filter(|link| {
            let inner = link.split_once('>').map_or("", |(_, rest)| rest);
            readable(inner.split("</a>").next().unwrap()).trim() == text
        });
        found.next().and_then(|link| attribute(link.split('>').next().unwrap(), "href"))
    }

    /// Fills in and sends the form in which `mark` stands; `fill` changes what the fields hold.
    pub async fn submit(&mut self, mark: &str, fill: &[(&str, &str)]) {
        self.submit_with(mark, |fields| {
            for (name, value) in fill {
                fields.retain(|(field, _)| field != name);
                fields.push(((*name).into(), (*value).into()));
            }
        })
        .await;
    }

    /// The same with any change.
    pub async fn submit_with(&mut self, mark: &str, fill: impl FnOnce(&mut Fields)) {
        let form = self.page.split("<form ").skip(1).map(|form| form.split("</form>").next().unwrap());
        let form = form.into_iter().find(|form| form.contains(mark));
        let form = form.unwrap_or_else(|| panic!("no form with {mark:?} in {}", self.page)).to_owned();
        let head = form.split('>').next().unwrap();
        assert_eq!(attribute(head, "method").as_deref(), Some("post"));
        let address = self.url.join(&attribute(head, "action").unwrap()).unwrap();
        let mut fields = fields(&form);
        fill(&mut fields);
        for input in tags(&form, "input").filter(|input| input.contains(" required")) {
            let name = attribute(input, "name").unwrap();
            let filled = fields.iter().any(|(field, value)| *field == name && !value.is_empty());
            assert!(filled, "a browser does not send this form without {name}");
        }
        self.go(address, Some(fields)).await;
    }

    /// The page's text as people read it: one line, single blanks.
    pub fn text(&self) -> String {
        readable(&self.page)
    }

    async fn go(&mut self, mut address: Url, mut form: Option<Fields>) {
        let from = self.url.clone();
        let mut cross = false;
        for _ in 0..10 {
            cross |= from.scheme() != "about" && from.host_str() != address.host_str();
            let site = match (from.scheme(), cross) {
                ("about", _) => "none",
                (_, true) => "cross-site",
                (_, false) if from.origin() == address.origin() => "same-origin",
                (_, false) => "same-site",
            };
            let request = match &form {
                Some(fields) => {
                    self.http.post(address.clone()).form(fields).header("Origin", from.origin().ascii_serialization())
                }
                None => self.http.get(address.clone()),
            };
            let request = request.header("Accept", "text/html,application/xhtml+xml").header("Sec-Fetch-Site", site);
            let response = request.send().await.unwrap_or_else(|error| panic!("{address}: {error}"));
            (self.status, self.headers) = (response.status().as_u16(), response.headers().clone());
            self.page = response.text().await.unwrap();
            let to = self.headers.get("location").map(|location| location.to_str().unwrap().to_owned());
            self.url = address.clone();
            let Some(to) = to.filter(|_| (300..400).contains(&self.status)) else { return };
            address = address.join(&to).unwrap();
            form = None;
        }
        panic!("sent on for ever, at last to {address}");
    }
}

/// What the form holds before anybody fills it in; a button counts only when pressed.
fn fields(form: &str) -> Fields {
    let mut fields = Fields::new();
    for input in tags(form, "input") {
        let ticked = attribute(input, "type").as_deref() != Some("checkbox") || input.contains(" checked");
        if let Some(name) = attribute(input, "name").filter(|_| ticked) {
            fields.push((name, attribute(input, "value").unwrap_or_default()));
        }
    }
    for select in form.split("<select ").skip(1).map(|select| select.split("</select>").next().unwrap()) {
        let options: Vec<&str> = tags(select, "option").collect();
        let chosen = options.iter().find(|option| option.contains(" selected")).or(options.first());
        let name = attribute(select.split('>').next().unwrap(), "name").unwrap();
        fields.push((name, chosen.and_then(|option| attribute(option, "value")).unwrap_or_default()));
    }
    fields
}

/// The insides of all tags of this name.
fn tags<'h>(html: &'h str, name: &str) -> impl Iterator<Item = &'h str> {
    let begins = format!("<{name} ");
    html.match_indices(&begins).map(|(at, _)| html[at..].split('>').next().unwrap()).collect::<Vec<_>>().into_iter()
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = format!(" {tag}").split_once(&format!(" {name}=\"")).map(|(a, b)| (a.to_owned(), b.to_owned()))?;
    rest.split('"').next().map(unescaped)
}

fn readable(html: &str) -> String {
    let text: String = html.split('<').map(|piece| piece.split_once('>').map_or(piece, |(_, text)| text)).collect();
    unescaped(&text).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn unescaped(text: &str) -> String {
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#x27;", "'"), ("&#x2f;", "/"), ("&amp;", "&")];
    entities.iter().fold(text.to_owned(), |text, (entity, letter)| text.replace(entity, letter))
}
