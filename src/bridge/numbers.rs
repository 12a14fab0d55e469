//! What stands at the moment, for whoever measures the bridge: quotas, consents, queues. Asks no upstream and counts
//! nothing; what is counted as it happens, those who do it count.

use std::sync::Arc;

use anyhow::Result;
use chrono::{DateTime, Utc};

use super::{Bridge, Destinations};
use crate::household::Household;
use crate::reading::Person;
use crate::snapshot::AuthState;
use crate::telemetry::{Someone, Standing, exposition};

/// The bridge, to be measured.
pub(super) struct Numbers {
    household: Arc<Household>,
    destinations: Arc<Destinations>,
    started: DateTime<Utc>,
    /// Whether people are named.
    people: bool,
}

impl Numbers {
    pub fn new(bridge: &Bridge, destinations: Arc<Destinations>, people: bool) -> Numbers {
        let household = Arc::clone(&bridge.parts.household);
        Numbers { household, destinations, started: bridge.started, people }
    }

    /// All of it as Prometheus reads it.
    pub async fn exposition(&self) -> Result<String> {
        let mut queues = self.destinations.queues().await?;
        let (mut people, mut past) = (Vec::new(), 0);
        for person in self.household.plugindata.people()? {
            let orders = self.household.store.orders(&person).await?;
            let todo = orders.iter().filter(|order| order.ended.is_none()).filter_map(|order| order.todo).sum::<i64>();
            past += usize::try_from(todo).unwrap_or_default();
            people.extend(self.someone(&person).await?);
        }
        queues.push(("backfill", past));
        let mqtt = self.destinations.mqtt();
        let standing = Standing {
            started: self.started,
            connected: mqtt.is_connected(),
            reconnects: mqtt.reconnects(),
            queues,
            people,
        };
        let mut counted = self.household.telemetry.instruments();
        counted.extend(self.destinations.latencies());
        exposition(counted, &standing, &AuthState::ALL.map(AuthState::word))
    }

    /// `None`: their file cannot be read and never could, so that nothing is known.
    async fn someone(&self, person: &Person) -> Result<Option<Someone>> {
        let Ok(Some(member)) = self.household.member_or_last_known(person).await else { return Ok(None) };
        let (auth, status) = (self.household.auth(&member).await?, self.household.store.status(person).await?);
        let quota = self.household.quota().shown(person, member.upstream, member.today).await?;
        Ok(Some(Someone {
            name: self.people.then(|| person.to_string()),
            upstream: member.upstream.provider,
            consent: auth.state.word(),
            quota: quota.map(|quota| (quota.limit, quota.remaining, quota.reset)),
            last_success: status.last_success,
        }))
    }
}
