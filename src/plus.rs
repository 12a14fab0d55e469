//! Reads what Fitbit Plus has, page by page, with the organization's token. Keeps nothing and publishes nothing.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use serde_json::Value as Json;
use url::Url;

use crate::clock::Clock;
use crate::config::Config;
use crate::oauth::Organization;
use crate::plugindata::Plugindata;
use crate::telemetry::Telemetry;
use crate::upstream::Failure;
use crate::upstream::client::{self as http_client, PATIENCE};
use crate::upstream::fitbit_plus::client;
use crate::upstream::fitbit_plus::document::{Document, Refused};
use crate::upstream::fitbit_plus::paging::Pages;
use crate::upstream::fitbit_plus::request::{Reach, Request};
use crate::upstream::fitbit_plus::{PROVIDER, TITLE};

/// How long is waited before a page is asked again that failed in passing; the vendor documents no limits.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(9)];
/// No longer than this, whatever `Retry-After` says.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Reads resources.
#[derive(Clone)]
pub struct Reader {
    http: reqwest::Client,
    base: Url,
    organization: Arc<Organization>,
    clock: Clock,
    telemetry: Telemetry,
}

impl Reader {
    /// With the addresses of the configuration and the credentials in its data folder.
    pub fn new(config: &Config, clock: Clock) -> Result<Reader> {
        let http = http_client::http()?;
        let plugindata = Plugindata::new(&config.data_dir).overridden_by(config.clients.clone());
        let telemetry = Telemetry::new();
        let (upstreams, told) = (&config.upstreams, telemetry.clone());
        let organization = Organization::new(upstreams, plugindata, clock.clone(), http.clone(), told)?;
        Reader::with(config, Arc::new(organization), http, clock, telemetry)
    }

    /// With a token that others use, too.
    pub fn with(
        config: &Config,
        organization: Arc<Organization>,
        http: reqwest::Client,
        clock: Clock,
        telemetry: Telemetry,
    ) -> Result<Reader> {
        let addresses = config.upstream(PROVIDER).with_context(|| format!("{TITLE} has no addresses"))?;
        Ok(Reader { http, base: addresses.api_url.url().clone(), organization, clock, telemetry })
    }

    /// What the organization's credentials reach.
    pub async fn reach(&self) -> Result<Reach> {
        self.organization.access_token().await?;
        Ok(self.organization.reach()?)
    }

    /// The number of entries of a list, by one request.
    pub async fn count(&self, request: &Request) -> Result<u64> {
        let document = self.page(request, &request.address()).await?;
        document.count.with_context(|| format!("{TITLE} does not say how many there are"))
    }

    /// Hands each resource to `each` as it comes, and after each page tells `progress` how many came, of how many where
    /// that is known. No more than one page is held.
    ///
    /// # Errors
    /// Also when everything came that there is to come, but not as many as the service counts.
    pub async fn read(
        &self,
        request: &Request,
        mut each: impl FnMut(Json) -> Result<()>,
        mut progress: impl FnMut(u64, Option<u64>),
    ) -> Result<u64> {
        let mut pages = Pages::new(request);
        let mut given = 0;
        while let Some(link) = pages.next().map(str::to_owned) {
            let rows = pages.take(self.page(request, &link).await?)?;
            given += rows.len() as u64;
            rows.into_iter().try_for_each(&mut each)?;
            progress(given, pages.total());
        }
        Ok(pages.end()?)
    }

    /// One page, with one renewal of the token and a few pauses where the service is in trouble.
    async fn page(&self, request: &Request, link: &str) -> Result<Document> {
        let mut renewed = false;
        let mut pauses = PAUSES.iter();
        loop {
            let token = self.organization.access_token().await?;
            let answer = client::ask(&self.http, &self.base, link, &token, PATIENCE, self.clock.now()).await;
            let status = answer.as_ref().map_or_else(|refused| refused.status, |_| Some(200));
            self.telemetry.asked(PROVIDER, request.operation.path, status);
            let refused = match answer {
                Ok(document) => {
                    self.organization.used(&token).await;
                    return Ok(document);
                }
                Err(refused) => refused,
            };
            if refused.failure == Failure::TokenExpired && !renewed {
                log::debug!("{}; renewing it", refused.words);
                self.organization.renew(&token).await?;
                renewed = true;
                continue;
            }
            let (Some(pause), Some(wanted)) = (pauses.next(), self.pause(&refused)) else {
                return Err(anyhow!(refused.words));
            };
            log::warn!("{}; asking again", refused.words);
            tokio::time::sleep(wanted.unwrap_or(*pause)).await;
        }
    }

    /// Whether to ask again, and if so after how long, where the service says.
    fn pause(&self, refused: &Refused) -> Option<Option<Duration>> {
        match refused.failure {
            Failure::QuotaSpent { until } => {
                let wait = (until - self.clock.now()).to_std().unwrap_or_default();
                Some(Some(wait.min(LONGEST_PAUSE)))
            }
            Failure::Unavailable(_) | Failure::Silent(_) => Some(None),
            _ => None,
        }
    }
}
