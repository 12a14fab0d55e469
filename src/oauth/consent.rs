//! Consent: the way to the upstream's consent page and back, bound to one person, one upstream and ten minutes.

use std::fmt;
use std::sync::Arc;

use anyhow::Result;
use oauth2::{CsrfToken, PkceCodeChallenge};
use secrecy::SecretString;
use url::Url;

use super::{Grant, OAuth, Refusal, TokenEndpoint, hash, ours, token};
use crate::config;
use crate::household::{Member, account};
use crate::reading::Person;
use crate::snapshot::AuthState;
use crate::store::Consent;
use crate::upstream::client::{self, Question};
use crate::upstream::fitbit_plus::PROVIDER;
use crate::upstream::{self, Failure};

/// A consent that was given.
#[derive(Debug)]
pub struct Connected {
    /// By whom.
    pub person: Person,
    /// Scopes that were asked for and not granted, with what they would give.
    pub missing: Vec<(&'static str, &'static str)>,
    /// What the person should know: an account that is somebody else's already, or another than before.
    pub warning: Option<String>,
}

/// Whose account it is, in the identifiers of today and of the Fitbit Web API.
struct Who {
    id: Option<String>,
    legacy: Option<String>,
}

/// A consent that was not.
#[derive(Debug)]
pub enum ConsentError {
    /// A parameter is missing.
    Missing(&'static str),
    /// The `state` is unknown, used, expired or another's, and why; the upstream was not asked.
    Foreign(String),
    /// The person said no.
    Denied(Person),
    /// The upstream's consent page ended with another error: of whom, and which.
    Refused(Person, String),
    /// The upstream did not take the code, or did not take us.
    Failed(Person, Failure),
    /// Our own files or store.
    Internal(anyhow::Error),
}

impl ConsentError {
    /// What happened.
    pub fn what(&self) -> String {
        match self {
            ConsentError::Missing(name) => format!("the address has no {name}"),
            ConsentError::Denied(_) => "access was denied on the consent page".to_owned(),
            ConsentError::Foreign(why) | ConsentError::Refused(_, why) => why.clone(),
            ConsentError::Failed(_, failure) => failure.to_string(),
            ConsentError::Internal(error) => format!("{error:#}"),
        }
    }

    /// What to do about it.
    pub fn cure(&self) -> &'static str {
        match self {
            ConsentError::Missing(_) => "copy the whole address of the page on which the consent ended",
            ConsentError::Foreign(_) => "begin again with Connect on the setup page",
            ConsentError::Denied(_) => "connect again, and allow at least one item",
            ConsentError::Refused(..) => {
                "connect again; if that does not help, compare the registration with what the setup page says"
            }
            ConsentError::Failed(_, Failure::Misconfigured(_)) => {
                "correct the client id and secret on the setup page, then connect again"
            }
            ConsentError::Failed(_, Failure::Refused(_)) => "connect again",
            ConsentError::Failed(_, Failure::SwitchedOff(_)) => {
                "choose Google Health in this person's settings, then connect"
            }
            ConsentError::Failed(..) => "connect again in a while",
            ConsentError::Internal(_) => "look at the data folder's permissions and free space, then connect again",
        }
    }

    /// Whose consent it was, as far as that is known.
    pub fn person(&self) -> Option<&Person> {
        match self {
            ConsentError::Denied(person) | ConsentError::Refused(person, _) | ConsentError::Failed(person, _) => {
                Some(person)
            }
            ConsentError::Missing(_) | ConsentError::Foreign(_) | ConsentError::Internal(_) => None,
        }
    }
}

impl fmt::Display for ConsentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what(), self.cure())
    }
}

impl std::error::Error for ConsentError {}

impl From<anyhow::Error> for ConsentError {
    fn from(error: anyhow::Error) -> ConsentError {
        ConsentError::Internal(error)
    }
}

impl OAuth {
    /// The address of the upstream's consent page for this person.
    pub async fn begin(&self, member: &Member) -> Result<Url, Failure> {
        let identity = self.identity(member.upstream)?;
        let addresses = self.addresses(member.upstream)?;
        let Some(authorize) = &addresses.authorize_url else {
            return Err(Failure::Misconfigured(format!(
                "nobody logs in at {}: choose the patient on the setup page, or write their identifier (`fitbit2mqtt plus \
                 patient` lists them) as `patient` into the person's file",
                member.upstream.title
            )));
        };
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let state = CsrfToken::new_random_len(32);
        let consent = Consent {
            person: member.person.clone(),
            provider: member.upstream.provider.to_owned(),
            verifier: SecretString::from(verifier.into_secret()),
        };
        let now = self.household.clock.now();
        self.household.store.begin_consent(&hash(&[state.secret()]), &consent, now).await.map_err(ours)?;
        let scopes: Vec<_> = member.upstream.scopes.iter().map(|(scope, _)| *scope).collect();
        let mut url = authorize.url().clone();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &identity.id)
            .append_pair("redirect_uri", &self.redirect)
            .append_pair("scope", &scopes.join(" "))
            .append_pair("state", state.secret())
            .append_pair("code_challenge", challenge.as_str())
            .append_pair("code_challenge_method", challenge.method().as_str())
            .extend_pairs(member.upstream.consent.iter().flat_map(|form| form.extra));
        Ok(url)
    }

    /// Finishes a consent with the parameters of the page on which it ended; where it must be a certain person's, of
    /// that person only.
    pub async fn complete(
        &self,
        parameters: &[(String, String)],
        of: Option<&Person>,
    ) -> Result<Connected, ConsentError> {
        let parameter = |name: &str| {
            parameters.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
        };
        let state = parameter("state").ok_or(ConsentError::Missing("state"))?;
        let answer = match (parameter("code"), parameter("error")) {
            (_, Some(error)) => Err(error),
            (Some(code), None) => Ok(code),
            (None, None) => return Err(ConsentError::Missing("code")),
        };
        let now = self.household.clock.now();
        let consent = self.household.store.take_consent(&hash(&[state]), of, now).await?.ok_or_else(|| {
            let whose = of.map(|person| format!(" for {person}")).unwrap_or_default();
            let why = format!("this consent was not begun here{whose}, was used already, or is over ten minutes old");
            ConsentError::Foreign(why)
        })?;
        match answer {
            Ok(code) => self.exchange(consent, code).await,
            Err("access_denied") => Err(ConsentError::Denied(consent.person)),
            Err(error) => {
                let title = upstream::find(&consent.provider).map_or("the upstream", |upstream| upstream.title);
                let said = super::clean(parameter("error_description").unwrap_or(error));
                Err(ConsentError::Refused(consent.person, format!("{title} did not give access: {said}")))
            }
        }
    }

    /// Finishes a person's consent with the address of the page on which it ended, pasted by the person.
    pub async fn paste(&self, address: &str, person: &Person) -> Result<Connected, ConsentError> {
        let address = address.trim();
        // Fitbit ends its redirects with the fragment `#_=_`; `Url` keeps it out of the query.
        let parameters: Vec<_> = match Url::parse(address) {
            Ok(url) => url.query_pairs().into_owned().collect(),
            Err(_) => {
                let query = address.split_once('?').map_or(address, |(_, query)| query);
                let query = query.split('#').next().unwrap_or_default();
                url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
            }
        };
        self.complete(&parameters, Some(person)).await
    }

    async fn exchange(&self, consent: Consent, code: &str) -> Result<Connected, ConsentError> {
        let household = &self.household;
        let person = consent.person;
        let foreign = |why: String| ConsentError::Foreign(why);
        let member = household.member(&person).await?;
        let member = member.ok_or_else(|| foreign(format!("{person} was removed meanwhile")))?;
        if member.upstream.provider != consent.provider {
            let (then, now) = (&consent.provider, member.upstream.provider);
            return Err(foreign(format!("the consent was for {then}, and the provider of {person} is {now} now")));
        }
        let failed = |failure| ConsentError::Failed(person.clone(), failure);
        let identity = self.identity(member.upstream).map_err(failed)?;
        let addresses = self.addresses(member.upstream).map_err(failed)?;
        let endpoint = self.token_endpoint(member.upstream, addresses, &identity);
        let granted = endpoint.exchange(code.to_owned(), consent.verifier, &self.redirect).await;
        let title = member.upstream.title;
        let mut grant = granted.map_err(|refusal| {
            failed(match refusal {
                Refusal::InvalidGrant(why) => Failure::Refused(format!("{title} refuses the code: {why}")),
                Refusal::InvalidClient(why) => {
                    Failure::Misconfigured(format!("{title} refuses the client id or secret: {why}"))
                }
                Refusal::Gone(why) => Failure::SwitchedOff(why),
                Refusal::Lost(why) | Refusal::Other(why) => Failure::Unavailable(format!("{title} failed: {why}")),
            })
        })?;
        let known_before = member.file.token.as_ref().and_then(|token| token.user_id.clone());
        let mut unchecked = None;
        if let Some(path) = member.upstream.identity {
            let who = self.who(&member, addresses, path, &grant).await;
            let before = known_before.as_deref().filter(|_| member.is_moving());
            if let (Some(before), Some(legacy)) =
                (before, who.legacy.as_deref().filter(|legacy| Some(*legacy) != before))
            {
                self.give_back(&endpoint, addresses, &grant, &who).await;
                return Err(ConsentError::Refused(
                    person,
                    format!(
                        "the {title} account that consented was Fitbit account {legacy}, and this person is Fitbit account \
                         {before}; nothing was changed. Connect with the right account, or disconnect this person first"
                    ),
                ));
            }
            unchecked = before.filter(|_| who.legacy.is_none()).map(str::to_owned);
            grant.user_id = grant.user_id.or(who.id);
        }
        let warning = self.account_warning(&member, grant.user_id.as_deref());
        let unchecked = unchecked.map(|before| {
            format!("{title} did not say whether this is Fitbit account {before}; if it is another's, disconnect again")
        });
        let warning = warning.or(unchecked);
        let token = token(grant, None, household.clock.now());
        let account = member.account().unwrap_or_else(|| member.account_of(token.user_id.as_deref()));
        let (writer, whose) = (Arc::clone(household), person.clone());
        let saved = tokio::task::spawn_blocking(move || writer.plugindata.save_consent(&whose, &token, &account)).await;
        saved.map_err(anyhow::Error::from)??;
        self.note(&person, AuthState::Ok, None, None).await;
        household.store.note_removed(&person).await?;
        household.store.begin_anew(&person, member.is_moving()).await?;
        log::info!("{person}: connected with {title}");
        let member = household.member(&person).await?;
        let missing = member.map(|member| member.missing_scopes()).unwrap_or_default();
        Ok(Connected { person, missing, warning })
    }

    /// Makes one of an organization's patients of a person, which is all the consent there is: nobody logs in.
    pub async fn choose(&self, person: &Person, patient: &str) -> Result<()> {
        let household = &self.household;
        let (writer, whose, patient) = (Arc::clone(household), person.clone(), patient.to_owned());
        let save = move || {
            writer.plugindata.save(&whose, |edit| {
                edit.set("patient", &patient)?;
                edit.account(&account(PROVIDER, Some(&patient), &whose));
                Ok(())
            })
        };
        tokio::task::spawn_blocking(save).await.map_err(anyhow::Error::from)??;
        self.note(person, AuthState::Ok, None, None).await;
        household.store.note_removed(person).await?;
        household.store.begin_anew(person, true).await?;
        log::info!("{person}: a patient was chosen");
        Ok(())
    }

    /// Who it is that consented, where the token does not say. An upstream that fails here has given its token all the
    /// same; the identity is then unknown.
    async fn who(&self, member: &Member, addresses: &config::Upstream, path: &str, grant: &Grant) -> Who {
        let (base, now) = (addresses.api_url.url(), self.household.clock.now());
        let question = Question { path: path.to_owned(), body: None };
        let (upstream, token) = (member.upstream, &grant.access_token);
        let answer = client::ask(&self.http, upstream, base, &question, token, client::PATIENCE, now).await;
        self.household.telemetry.asked(member.upstream.provider, "identity", answer.status);
        let body = answer.outcome.unwrap_or_else(|failure| {
            log::warn!("{}: the identity could not be read: {failure}", member.person);
            Default::default()
        });
        let text = |key: &str| body.get(key).and_then(serde_json::Value::as_str).map(str::to_owned);
        Who { id: text("healthUserId"), legacy: text("legacyUserId") }
    }

    /// One browser, two people: it is easily the wrong account that consents.
    fn account_warning(&self, member: &Member, user_id: Option<&str>) -> Option<String> {
        let user_id = user_id?;
        if let Some(other) = self.connected_as(user_id, Some(&member.person)) {
            return Some(format!(
                "the account that consented is already connected as {other}; if that is wrong, log out at the upstream and connect again"
            ));
        }
        let before = member.file.token.as_ref()?.user_id.as_deref()?;
        (before != user_id && !member.is_moving()).then(|| "this is another account than before".to_owned())
    }

    /// Who but `besides` is connected with this account.
    fn connected_as(&self, user_id: &str, besides: Option<&Person>) -> Option<Person> {
        let plugindata = &self.household.plugindata;
        let is_theirs = |other: &Person| {
            let file = plugindata.person(other).ok().flatten();
            file.and_then(|file| file.token).and_then(|token| token.user_id).is_some_and(|id| id == user_id)
        };
        let people = plugindata.people().unwrap_or_default();
        people.into_iter().find(|other| Some(other) != besides && is_theirs(other))
    }

    /// Gives the consent back: revoked at the upstream, the token deleted here. Settings and history stay.
    pub async fn disconnect(&self, member: &Member) -> Result<(), Failure> {
        let lost = self.household.auth(member).await.is_ok_and(|auth| auth.state == AuthState::Reauthorize);
        let revoked = self.revoke(member).await;
        let (writer, person) = (Arc::clone(&self.household), member.person.clone());
        let organizations = member.upstream.is_organizations();
        let delete = move || match organizations {
            true => writer.plugindata.save(&person, |edit| edit.set("patient", "")),
            false => writer.plugindata.delete_token(&person),
        };
        let deleted = tokio::task::spawn_blocking(delete).await;
        deleted.map_err(|error| ours(error.into()))?.map_err(ours)?;
        self.note(&member.person, AuthState::AwaitingConsent, None, None).await;
        match revoked {
            // The upstream had said before that it no longer knows the token: nothing is left to revoke.
            Err(failure) if lost => log::info!("{}: {failure}; the consent was lost before", member.person),
            revoked => revoked?,
        }
        log::info!("{}: disconnected", member.person);
        Ok(())
    }

    async fn revoke(&self, member: &Member) -> Result<(), Failure> {
        let addresses = self.addresses(member.upstream)?;
        let (Some(token), Some(revoke_url)) = (&member.file.token, &addresses.revoke_url) else { return Ok(()) };
        let identity = self.identity(member.upstream)?;
        let endpoint = self.token_endpoint(member.upstream, addresses, &identity);
        let token = token.refresh_token.as_ref().unwrap_or(&token.access_token);
        match endpoint.revoke(revoke_url.url().as_str(), token).await {
            // A service that is gone knows no token any more.
            Ok(()) | Err(Refusal::Gone(_)) => Ok(()),
            Err(
                Refusal::InvalidGrant(why) | Refusal::InvalidClient(why) | Refusal::Lost(why) | Refusal::Other(why),
            ) => {
                let title = member.upstream.title;
                Err(Failure::Unavailable(format!(
                    "the consent could not be revoked at {title}: {why}; revoke it there by hand"
                )))
            }
        }
    }

    /// Gives a grant back that is not kept, unless the account is connected as somebody else: Google ends a person's
    /// whole consent with any token of it.
    async fn give_back(&self, endpoint: &TokenEndpoint<'_>, addresses: &config::Upstream, grant: &Grant, who: &Who) {
        let Some(revoke_url) = &addresses.revoke_url else { return };
        if who.id.as_deref().is_none_or(|id| self.connected_as(id, None).is_some()) {
            return;
        }
        let token = grant.refresh_token.as_ref().unwrap_or(&grant.access_token);
        if let Err(refusal) = endpoint.revoke(revoke_url.url().as_str(), token).await {
            log::warn!("a consent that was not kept could not be revoked: {refusal:?}");
        }
    }
}
