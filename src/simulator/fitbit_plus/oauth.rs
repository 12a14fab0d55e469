//! The token endpoint of Fitbit Plus: two grants, two forms of body, and the rule about the content type.

use serde_json::{Value as Json, json};

use super::clinic::{Clinic, Session};
use super::refusal::Refusal;
use super::{CREDENTIALS, MEDIA_TYPE};
use crate::web::server::Request;

pub(super) fn grant(clinic: &Clinic, request: &Request) -> Result<Json, Refusal> {
    let media_type = request.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let body: Json = serde_json::from_slice(&request.body).unwrap_or_default();
    let attributes = match media_type {
        MEDIA_TYPE => {
            // The schema says `token`, the examples `oauth/token`.
            if !["token", "oauth/token"].iter().any(|kind| body["data"]["type"] == *kind) {
                return Err(Refusal::body("data.type must be token"));
            }
            &body["data"]["attributes"]
        }
        "application/json" => &body,
        _ => return Err(Refusal::forbidden("Content-Type must be application/vnd.api+json")),
    };
    let text = |key: &str| attributes[key].as_str().ok_or_else(|| Refusal::body(&format!("{key} is required")));
    let (id, grant_type) = (text("client_id")?, text("grant_type")?);
    let granted = match grant_type {
        "client_credentials" => text("client_secret")? == CREDENTIALS.1 && id == CREDENTIALS.0,
        "refresh_token" => id == CREDENTIALS.0 && clinic.spend(text("refresh_token")?),
        _ => return Err(Refusal::grant_type(grant_type)),
    };
    if !granted {
        return Err(Refusal::credentials());
    }
    Ok(document(clinic, &clinic.issue()))
}

fn document(clinic: &Clinic, session: &Session) -> Json {
    let related = |name: &str| json!({"related": format!("/pub/oauth/token/{}/{name}", session.id)});
    let relationships = match clinic.programme().by_groups {
        true => {
            let groups: Vec<Json> =
                clinic.ids("group").into_iter().map(|id| json!({"type": "group", "id": id})).collect();
            json!({"groups": {"data": groups, "links": related("groups")}})
        }
        false => {
            let organization = json!({"type": "organization", "id": clinic.organization()});
            json!({"organization": {"data": organization, "links": related("organization")}})
        }
    };
    json!({"data": {
        "type": "oauth/token",
        "id": session.id,
        "attributes": {
            "access_token": session.access,
            "refresh_token": session.refresh,
            "token_type": "bearer",
            "expires_in": super::clinic::ACCESS_TOKEN_LIFE.num_seconds(),
        },
        "relationships": relationships,
    }})
}
