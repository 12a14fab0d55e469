//! One person, as far as a fetch has to know them: what follows from their file and upstream alone. Asks nobody.

use chrono::NaiveDate;
use chrono_tz::Tz;
use sha2::{Digest, Sha256};

use crate::metric::{KEPT, System};
use crate::plan::{Intraday, Keywords, parse_detail};
use crate::plugindata::PersonFile;
use crate::reading::Person;
use crate::snapshot::Shown;
use crate::store::Stored;
use crate::upstream::Upstream;

/// One person, as far as a fetch has to know them.
pub struct Member {
    /// The name.
    pub person: Person,
    /// The settings and token.
    pub file: PersonFile,
    /// Where the data comes from.
    pub upstream: &'static Upstream,
    /// The unit system of what is published.
    pub system: System,
    /// The time zone: the profile's, else this machine's, for a household lives where its bridge runs.
    pub zone: Tz,
    /// The day from which the account exists, as far as the upstream says.
    pub since: Option<NaiveDate>,
    /// Whether the profile was last read over a day ago, or never.
    pub profile_due: bool,
    /// The civil date now.
    pub today: NaiveDate,
}

impl Member {
    /// Whether values of this metric are published: where the person chose any, those; and nothing that is only kept, nor
    /// what this upstream cannot deliver, for that was measured before the person moved here, and will never be newer.
    pub fn is_shown(&self, metric: &str) -> bool {
        let chosen = self.file.metrics.as_ref().is_none_or(|chosen| chosen.iter().any(|name| name == metric));
        chosen
            && KEPT.iter().all(|kept| kept.key != metric)
            && self.upstream.endpoints.iter().any(|endpoint| endpoint.gives().contains(&metric))
    }

    /// Readings as they are published: those chosen, converted for this person.
    pub(super) fn shown(&self, stored: Vec<Stored>) -> Vec<Shown> {
        let published = stored.into_iter().filter(|stored| self.is_shown(stored.reading.metric.key));
        published.map(|stored| Shown::new(stored.reading, stored.fetched, self.system)).collect()
    }

    /// What lasting identifiers are made of: what was written at the first consent. Where a token came by another way,
    /// what that consent would have written.
    pub fn account(&self) -> Option<String> {
        let of_token = || self.file.token.as_ref().map(|token| self.account_of(token.user_id.as_deref()));
        self.file.account.clone().or_else(of_token)
    }

    /// The account of somebody known to the upstream by this identifier.
    pub fn account_of(&self, user_id: Option<&str>) -> String {
        account(self.upstream.provider, user_id, &self.person)
    }

    /// Whether the token is of another upstream than the person's present one: no scope of it is one of this one's.
    pub fn is_moving(&self) -> bool {
        let ours = |scope: &String| self.upstream.scopes.iter().any(|(name, _)| name == scope);
        self.scopes().is_some_and(|scopes| !scopes.iter().any(ours))
    }

    /// What a person who moves is told.
    pub fn must_connect(&self) -> String {
        format!("the token is of another upstream; connect with {} on the setup page", self.upstream.title)
    }

    /// Who they are at the upstream, where that is known.
    pub fn user_id(&self) -> Option<&str> {
        self.file.token.as_ref()?.user_id.as_deref()
    }

    /// The scopes granted, where the upstream said which.
    pub fn scopes(&self) -> Option<Vec<String>> {
        let token = self.file.token.as_ref()?;
        let scopes: Vec<String> = token.scopes().map(str::to_owned).collect();
        (!scopes.is_empty()).then_some(scopes)
    }

    /// The scopes asked for that were not granted, with what they would give.
    pub fn missing_scopes(&self) -> Vec<(&'static str, &'static str)> {
        let Some(granted) = self.scopes() else { return Vec::new() };
        self.upstream.scopes.iter().filter(|(scope, _)| !granted.iter().any(|name| name == scope)).copied().collect()
    }

    /// What is kept of each day: what the person's file says, else what the configuration does.
    pub fn intraday(&self, usual: &Intraday) -> Intraday {
        let level = self.file.keywords.get("detail_level").and_then(|level| parse_detail(level).ok());
        let metrics = self.file.intraday.as_ref().unwrap_or(&usual.metrics).clone();
        Intraday { metrics, detail: level.unwrap_or(usual.detail) }
    }

    /// The keywords of the person's file, which a request's own override.
    pub fn keywords(&self, request: &Keywords) -> Keywords {
        let mut keywords = self.file.keywords.clone();
        keywords.extend(request.clone());
        keywords
    }
}

/// What the lasting identifiers of a person are made of, once and for all at their first token: eight hexadecimal digits
/// that tell accounts apart and say nothing about them.
pub fn account(provider: &str, user_id: Option<&str>, person: &Person) -> String {
    let hash = Sha256::digest(format!("{provider}\0{}\0", user_id.unwrap_or(person.as_str())));
    hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}
