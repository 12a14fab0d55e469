//! `[influxdb]`: the database of time series that everything measured is written to, if any. Asks no network.

use anyhow::{Result, bail};
use secrecy::SecretString;

use super::address::Address;
use super::settings::Values;

/// `[influxdb]`.
#[derive(Debug, Clone)]
pub struct InfluxDb {
    /// Its address, without the path of an entry point.
    pub url: Address,
    /// Where in it things are written, and as whom.
    pub place: InfluxDbPlace,
}

/// Where in a database server things are written; that decides which version of its interface is spoken.
#[derive(Debug, Clone)]
pub enum InfluxDbPlace {
    /// InfluxDB 1.x, VictoriaMetrics: `/write`.
    Database {
        /// The database.
        name: String,
        /// A user who may write there.
        username: Option<String>,
        /// Only there beside a username.
        password: Option<SecretString>,
    },
    /// InfluxDB 2 and 3: `/api/v2/write`.
    Bucket {
        /// The bucket.
        name: String,
        /// The organization; InfluxDB 3 has none.
        organization: Option<String>,
        /// A token that may write there.
        token: Option<SecretString>,
    },
}

impl InfluxDbPlace {
    /// Whether a password or a token is sent there.
    pub fn has_secret(&self) -> bool {
        match self {
            InfluxDbPlace::Database { password, .. } => password.is_some(),
            InfluxDbPlace::Bucket { token, .. } => token.is_some(),
        }
    }
}

impl InfluxDb {
    pub(super) fn read(values: &Values) -> Result<Option<InfluxDb>> {
        let text = |key: &'static str| values.optional(key, super::name);
        let url = values.optional("influxdb.url", Address::parse)?;
        let (database, username) = (text("influxdb.database")?, text("influxdb.username")?);
        let (bucket, organization) = (text("influxdb.bucket")?, text("influxdb.org")?);
        let (password, token) = (values.secret("influxdb.password")?, values.secret("influxdb.token")?);
        let needs = |key: &'static str, needed: &str| -> Result<Option<InfluxDb>> {
            let key = if values.is_given(key) { key.to_owned() } else { format!("{key}_file") };
            bail!("{}: `{key}` needs `{needed}`; set it, too", values.place_of(&key))
        };
        let versions =
            "`influxdb.database` is for InfluxDB 1.x and VictoriaMetrics, `influxdb.bucket` for InfluxDB 2 and 3";
        match (url, database, bucket) {
            (_, Some(_), Some(_)) => {
                bail!("{}: {versions}; set one of them", values.place_of("influxdb.bucket"))
            }
            (_, None, _) if username.is_some() => needs("influxdb.username", "influxdb.database"),
            _ if username.is_none() && password.is_some() => needs("influxdb.password", "influxdb.username"),
            (_, _, None) if organization.is_some() => needs("influxdb.org", "influxdb.bucket"),
            (_, _, None) if token.is_some() => needs("influxdb.token", "influxdb.bucket"),
            (None, Some(_), _) => needs("influxdb.database", "influxdb.url"),
            (None, _, Some(_)) => needs("influxdb.bucket", "influxdb.url"),
            (Some(_), None, None) => bail!("{}: {versions}; set the one you have", values.place_of("influxdb.url")),
            (None, None, None) => Ok(None),
            (Some(url), Some(name), None) => {
                Ok(Some(InfluxDb { url, place: InfluxDbPlace::Database { name, username, password } }))
            }
            (Some(url), None, Some(name)) => {
                Ok(Some(InfluxDb { url, place: InfluxDbPlace::Bucket { name, organization, token } }))
            }
        }
    }
}
