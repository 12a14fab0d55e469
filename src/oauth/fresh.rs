//! Fresh tokens: renewed before they expire and after a refusal, once at a time for each person across all processes,
//! on disk before they are used.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use chrono::TimeDelta;
use secrecy::{ExposeSecret, SecretString};

use super::{Identity, OAuth, Refusal, Turn, hash, ours, token};
use crate::household::Member;
use crate::plugindata::{Guard, Token};
use crate::reading::Person;
use crate::snapshot::AuthState;
use crate::upstream::Failure;

/// A token with less than this left is renewed before it is used, so that it does not expire on the way.
const MARGIN: TimeDelta = TimeDelta::seconds(60);
/// When a renewal whose answer was lost is asked again: within the two minutes for which Fitbit repeats its answer to
/// the identical request, and which the next interval action may miss.
const REPLAYS: [Duration; 3] = [Duration::from_secs(15), Duration::from_secs(30), Duration::from_secs(50)];

/// Why a token was not renewed.
struct Unrenewed {
    failure: Failure,
    /// The upstream may have granted a new token that did not reach the disk.
    lost: bool,
}

impl From<Failure> for Unrenewed {
    fn from(failure: Failure) -> Unrenewed {
        Unrenewed { failure, lost: false }
    }
}

impl OAuth {
    /// An access token that is good now, as far as is known here.
    pub async fn access_token(self: &Arc<Self>, member: &Member) -> Result<SecretString, Failure> {
        if member.upstream.is_organizations() {
            return self.of_organization(member, self.organization.access_token().await).await;
        }
        // As the file has it now: an earlier request of the same fetch may have renewed it.
        let file = self.household.plugindata.person(&member.person).map_err(ours)?;
        let token = file.and_then(|file| file.token).ok_or_else(awaiting)?;
        if member.is_moving() {
            return Err(Failure::ConsentLost(member.must_connect()));
        }
        if let Some(failure) = self.refused_before(member, &token).await? {
            return Err(failure);
        }
        if self.is_usable(&token) { Ok(token.access_token) } else { self.renew(member, &token.access_token).await }
    }

    /// The upstream is gone for good: only a consent to another one helps.
    pub async fn switched_off(&self, member: &Member) -> Failure {
        let why = why_switched_off(member);
        self.note(&member.person, AuthState::Reauthorize, Some(why.clone()), None).await;
        Failure::ConsentLost(why)
    }

    /// An access token other than `seen`, which is expired or was refused. Whoever comes second, in this process or
    /// in another, takes what the first one got.
    pub async fn renew(self: &Arc<Self>, member: &Member, seen: &SecretString) -> Result<SecretString, Failure> {
        if member.upstream.is_organizations() {
            return self.of_organization(member, self.organization.renew(seen).await).await;
        }
        let turn = self.turn(&member.person).await;
        let outcome = self.renew_in_turn(&turn, member, seen).await;
        outcome.map_err(|unrenewed| {
            // Whoever needed the token tells of it in the log.
            log::debug!("{}: the token could not be renewed: {}", member.person, unrenewed.failure);
            if unrenewed.lost && !turn.replaying.swap(true, Ordering::Relaxed) {
                tokio::spawn(replay(Arc::downgrade(self), turn, member.person.clone(), seen.clone()));
            }
            unrenewed.failure
        })
    }

    /// The organization's token, for one of its patients. That it cannot be had is nothing a patient can mend.
    async fn of_organization(
        &self,
        member: &Member,
        token: Result<SecretString, Failure>,
    ) -> Result<SecretString, Failure> {
        if let Err(Failure::Misconfigured(why) | Failure::Ours(why) | Failure::Unreachable(why)) = &token {
            self.note(&member.person, AuthState::Retrying, Some(why.clone()), None).await;
        }
        token
    }

    async fn renew_in_turn(
        &self,
        turn: &Turn,
        member: &Member,
        seen: &SecretString,
    ) -> Result<SecretString, Unrenewed> {
        let _turn = turn.renewing.lock().await;
        let (plugindata, person) = (self.household.plugindata.clone(), member.person.clone());
        let locked = tokio::task::spawn_blocking(move || plugindata.lock(&person)).await;
        let outcome = match locked.map_err(|error| ours(error.into())).and_then(|lock| lock.map_err(ours)) {
            Ok(lock) => self.renew_locked(member, Arc::new(lock), seen).await,
            Err(failure) => Err(failure.into()),
        };
        if let Err(Unrenewed { failure: Failure::Ours(why) | Failure::Unreachable(why), .. }) = &outcome {
            self.note(&member.person, AuthState::Retrying, Some(why.clone()), None).await;
        }
        outcome
    }

    async fn renew_locked(
        &self,
        member: &Member,
        lock: Arc<Guard>,
        seen: &SecretString,
    ) -> Result<SecretString, Unrenewed> {
        let person = &member.person;
        let is_another = |token: &Token| self.is_usable(token) && differs(&token.access_token, seen);
        let mut present = on_disk(&lock)?;
        if is_another(&present) {
            return Ok(present.access_token);
        }
        if let Some(failure) = self.refused_before(member, &present).await? {
            return Err(failure.into());
        }
        // A new token that cannot be kept would be lost, and with it the consent.
        lock.try_saving().map_err(ours)?;
        let identity = self.identity(member.upstream)?;
        let addresses = self.addresses(member.upstream)?;
        let endpoint = self.token_endpoint(member.upstream, addresses, &identity);
        let mut current = present.clone();
        let mut tried = Vec::new();
        loop {
            let Some(refresh_token) = current.refresh_token.clone() else {
                let why = "the token has expired and there is no refresh token; connect again".to_owned();
                self.refuse(person, AuthState::Reauthorize, &why, &identity, &present).await;
                return Err(Failure::ConsentLost(why).into());
            };
            let mut answer = endpoint.refresh(&refresh_token).await;
            if let Err(Refusal::Lost(why)) = &answer {
                // It may have been granted all the same: Fitbit answers the identical request with the same pair for
                // a short while. If this is lost, too, the same token comes first next time.
                log::warn!("{person}: {why}; asking once more");
                answer = endpoint.refresh(&refresh_token).await;
            }
            match answer {
                Ok(grant) => {
                    let renewed = token(grant, Some(&current), self.household.clock.now());
                    let access_token = renewed.access_token.clone();
                    save(Arc::clone(&lock), renewed).await.map_err(|failure| Unrenewed { failure, lost: true })?;
                    self.note(person, AuthState::Ok, None, None).await;
                    log::info!("{person}: token renewed");
                    return Ok(access_token);
                }
                Err(Refusal::InvalidGrant(why)) => {
                    tried.push(refresh_token);
                    // Somebody may have put another token there meanwhile, and the generation before this one may
                    // still be good if this one was never used.
                    present = on_disk(&lock)?;
                    if is_another(&present) {
                        log::info!("{person}: another token was put in the file meanwhile, and is taken");
                        return Ok(present.access_token);
                    }
                    match self.untried(member, &present, &tried) {
                        Some(other) => current = other,
                        None => {
                            let why =
                                format!("{} no longer accepts the token: {why}; connect again", member.upstream.title);
                            self.refuse(person, AuthState::Reauthorize, &why, &identity, &present).await;
                            return Err(Failure::ConsentLost(why).into());
                        }
                    }
                }
                Err(Refusal::InvalidClient(why)) => {
                    let why = format!(
                        "{} refuses the client id or secret: {why}; correct them on the setup page, the consent is kept",
                        member.upstream.title
                    );
                    self.refuse(person, AuthState::Retrying, &why, &identity, &present).await;
                    return Err(Failure::Misconfigured(why).into());
                }
                Err(Refusal::Gone(_)) => return Err(self.switched_off(member).await.into()),
                Err(Refusal::Lost(why)) => return Err(Unrenewed { failure: for_now(&why), lost: true }),
                Err(Refusal::Other(why)) => return Err(for_now(&why).into()),
            }
        }
    }

    /// A token with an access token that has not ended, as far as is known here.
    fn is_usable(&self, token: &Token) -> bool {
        let ends = |at| at - self.household.clock.now() < MARGIN;
        !token.access_token.expose_secret().is_empty() && !token.expires_at.is_some_and(ends)
    }

    /// The upstream answered this person: whatever was the matter with the token, somebody has mended it.
    pub async fn works(&self, member: &Member) {
        match self.household.store.auth(&member.person).await {
            Ok(Some(auth)) if auth.state == AuthState::Ok => {}
            _ => self.note(&member.person, AuthState::Ok, None, None).await,
        }
    }

    /// This access token has worked: the generation before it is no longer needed.
    pub async fn used(&self, member: &Member, access_token: &SecretString) {
        if member.upstream.is_organizations() {
            return self.organization.used(access_token).await;
        }
        let (plugindata, person) = (self.household.plugindata.clone(), member.person.clone());
        let used = access_token.clone();
        let forgotten = tokio::task::spawn_blocking(move || plugindata.forget_previous(&person, &used)).await;
        if let Err(error) = forgotten.map_err(anyhow::Error::from).flatten() {
            log::warn!("{}: {error:#}", member.person);
        }
    }

    fn untried(&self, member: &Member, present: &Token, tried: &[SecretString]) -> Option<Token> {
        let previous = self.household.plugindata.previous(&member.person).unwrap_or_else(|error| {
            log::warn!("{}: the token before the present one cannot be read: {error:#}", member.person);
            None
        });
        let mut candidates = [Some(present.clone()), previous].into_iter().flatten();
        candidates.find(|candidate| {
            let refresh_token = candidate.refresh_token.as_ref();
            refresh_token.is_some_and(|token| tried.iter().all(|tried| differs(token, tried)))
        })
    }

    /// Notes that this token was refused for good to this application.
    async fn refuse(&self, person: &Person, state: AuthState, why: &str, identity: &Identity, token: &Token) {
        self.note(person, state, Some(why.to_owned()), Some(fingerprint(identity, token))).await;
    }

    /// Nothing that was refused for good is asked again before the application's identity or the token changes.
    async fn refused_before(&self, member: &Member, token: &Token) -> Result<Option<Failure>, Failure> {
        let auth = self.household.store.auth(&member.person).await.map_err(ours)?;
        let Some((refused, auth)) = auth.and_then(|auth| Some((auth.refused.clone()?, auth))) else { return Ok(None) };
        if refused != fingerprint(&self.identity(member.upstream)?, token) {
            return Ok(None);
        }
        let why = auth.reason.unwrap_or_else(|| "the token was refused; connect again".into());
        Ok(Some(match auth.state {
            AuthState::Reauthorize => Failure::ConsentLost(why),
            _ => Failure::Misconfigured(why),
        }))
    }
}

/// What somebody is told whose upstream is gone.
pub fn why_switched_off(member: &Member) -> String {
    format!("the {} is switched off; connect with Google on the setup page", member.upstream.title)
}

/// Asks again, in the background, for the token whose answer was lost, until it is there or it is too late.
async fn replay(oauth: Weak<OAuth>, turn: Arc<Turn>, person: Person, seen: SecretString) {
    for wait in REPLAYS {
        // A bridge that has stopped in the meantime is not kept alive for this.
        let Some(clock) = oauth.upgrade().map(|oauth| oauth.household.clock.clone()) else { return };
        clock.sleep(wait).await;
        let Some(oauth) = oauth.upgrade() else { return };
        let Ok(Some(member)) = oauth.household.member(&person).await else { break };
        match oauth.renew_in_turn(&turn, &member, &seen).await {
            Err(Unrenewed { lost: true, .. }) => {}
            _ => break,
        }
    }
    turn.replaying.store(false, Ordering::Relaxed);
}

fn on_disk(lock: &Guard) -> Result<Token, Failure> {
    lock.read().map_err(ours)?.token.ok_or_else(awaiting)
}

/// On disk, synced, before anyone uses it.
async fn save(lock: Arc<Guard>, token: Token) -> Result<(), Failure> {
    let saved = tokio::task::spawn_blocking(move || lock.save_token(&token)).await;
    saved.map_err(|error| ours(error.into()))?.map_err(ours)
}

fn fingerprint(identity: &Identity, token: &Token) -> String {
    let text = |secret: &Option<SecretString>| secret.as_ref().map(|secret| secret.expose_secret().to_owned());
    let secret = text(&identity.secret).unwrap_or_default();
    let refresh_token = text(&token.refresh_token).unwrap_or_default();
    hash(&[&identity.id, &secret, token.access_token.expose_secret(), &refresh_token])
}

fn differs(one: &SecretString, other: &SecretString) -> bool {
    one.expose_secret() != other.expose_secret()
}

fn awaiting() -> Failure {
    Failure::ConsentLost("there is no token yet; connect on the setup page".into())
}

fn for_now(why: &str) -> Failure {
    Failure::Unreachable(format!("the token could not be renewed for now: {why}; it is kept and tried again"))
}
