//! What goes over the wire, as the OpenAPI document describes it.

use bytes::Bytes;
use cartwright_cart::encode;
use cartwright_domain as domain;
use cartwright_storage as storage;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{
    holds::wire::{self as holds, Hold},
    orders::wire::{self as orders, Order, Step},
    problem::Problem,
    wire::json,
};

/// A session that is made, or that its owner has logged in with.
#[derive(Serialize, ToSchema)]
pub(crate) struct MadeSession {
    /// Who knows this has the session: a secret. It is not shown again.
    #[schema(example = "p7tGkqf8mKQW1q0c3yV0m2o0bq9mJ5w0yXbY0p2mG1c")]
    session_id: String,
    #[serde(flatten)]
    session: Session,
}

/// A session.
#[derive(Serialize, ToSchema)]
pub(crate) struct Session {
    /// Its name in lists: no secret.
    #[schema(example = "Xq3mVfJ0aT4kP1sE")]
    handle: String,
    /// Whose it is; `null`: of somebody who has not logged in.
    #[schema(example = "user-1")]
    user_id: Option<String>,
    /// What it carries.
    #[schema(value_type = Object, example = json!({"theme": "dark"}))]
    data: Box<RawValue>,
    /// Grows with each change of what it carries.
    #[schema(example = 1)]
    version: u64,
    #[schema(value_type = String, format = DateTime, example = "2026-01-31T12:00:00Z")]
    created_at: DateTime<Utc>,
    /// When it was last used, to within a tenth of its lifetime.
    #[schema(value_type = String, format = DateTime, example = "2026-01-31T12:20:00Z")]
    seen_at: DateTime<Utc>,
    /// When it ends, unless it is used before.
    #[schema(value_type = String, format = DateTime, example = "2026-01-31T12:50:00Z")]
    expires_at: DateTime<Utc>,
}

fn raw(text: &str) -> Result<Box<RawValue>, Problem> {
    RawValue::from_string(text.to_owned()).map_err(|error| Problem::Document(error.into()))
}

impl Session {
    fn of(session: &domain::Session) -> Result<Self, Problem> {
        Ok(Self {
            handle: session.handle.to_string(),
            user_id: session.owner.as_ref().map(|owner| owner.as_str().to_owned()),
            data: raw(session.data.as_str())?,
            version: session.version,
            created_at: session.created_at,
            seen_at: session.seen_at,
            expires_at: session.expires_at,
        })
    }
}

pub(crate) fn session(session: &domain::Session) -> Result<Bytes, Problem> {
    json(&Session::of(session)?)
}

/// With its id, for who has just got it.
pub(crate) fn made(id: &domain::SessionId, session: &domain::Session) -> Result<Bytes, Problem> {
    json(&MadeSession { session_id: id.expose(), session: Session::of(session)? })
}

/// Sessions of somebody.
#[derive(Serialize, ToSchema)]
pub(crate) struct Sessions {
    items: Vec<Session>,
}

pub(crate) fn sessions(sessions: &[domain::Session]) -> Result<Bytes, Problem> {
    let items = sessions.iter().map(Session::of).collect::<Result<_, _>>()?;
    json(&Sessions { items })
}

/// How many were ended.
#[derive(Serialize, ToSchema)]
pub(crate) struct Ended {
    #[schema(example = 3)]
    pub(crate) ended: u64,
}

/// What a session or a profile is to carry.
#[derive(ToSchema)]
#[expect(dead_code, reason = "bodies are read by hand; this describes them")]
pub(crate) struct NewData {
    /// Any JSON object, 16 levels deep at most: of a session up to 10 KB, of a profile up to 20 KB. When left out, `{}`.
    #[schema(value_type = Option<Object>, example = json!({"theme": "dark"}))]
    data: Option<serde_json::Value>,
}

/// The profile of a user.
#[derive(Serialize, ToSchema)]
pub(crate) struct Profile {
    #[schema(example = "user-1")]
    user_id: String,
    #[schema(value_type = Object, example = json!({"name": "Ana"}))]
    data: Box<RawValue>,
    /// Grows with each change; 0: there is none yet.
    #[schema(example = 1)]
    version: u64,
    /// `null`: there is none yet.
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-01-31T12:00:00Z")]
    updated_at: Option<DateTime<Utc>>,
}

impl Profile {
    fn of(profile: &domain::Profile) -> Result<Self, Problem> {
        Ok(Self {
            user_id: profile.owner.as_str().to_owned(),
            data: raw(profile.data.as_str())?,
            version: profile.version,
            updated_at: profile.updated_at,
        })
    }
}

pub(crate) fn profile(profile: &domain::Profile) -> Result<Bytes, Problem> {
    json(&Profile::of(profile)?)
}

/// What there was of somebody, and is not any more.
#[derive(Serialize, ToSchema)]
pub(crate) struct Erased {
    /// Whether he had a cart.
    cart: bool,
    /// Whether he had a profile.
    profile: bool,
    /// His sessions.
    #[schema(example = 2)]
    sessions: u64,
    /// His holds, whose units are back in stock.
    #[schema(example = 0)]
    holds: u64,
    /// His orders, which are somebody's without a name now.
    #[schema(example = 7)]
    orders: u64,
}

pub(crate) fn erased(erased: &storage::Erased) -> Result<Bytes, Problem> {
    let storage::Erased { cart, profile, sessions, holds, orders, answers: _ } = *erased;
    json(&Erased { cart, profile, sessions, holds, orders })
}

/// All that is kept of somebody.
#[derive(Serialize, ToSchema)]
pub(crate) struct Kept {
    #[schema(example = "user-1")]
    user_id: String,
    /// As at `/api/v1/carts/{user_id}`.
    #[schema(value_type = crate::wire::Cart)]
    cart: Box<RawValue>,
    profile: Profile,
    sessions: Vec<Session>,
    /// The oldest first.
    holds: Vec<Hold>,
    /// The oldest first.
    orders: Vec<KeptOrder>,
}

/// An order, and how it came to be as it is.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeptOrder {
    #[serde(flatten)]
    order: Order,
    /// Every step, the oldest first.
    history: Vec<Step>,
    /// What whoever works on it said last; `null`: nothing.
    note: Option<String>,
}

pub(crate) fn kept(kept: &storage::KeptOfPerson) -> Result<Bytes, Problem> {
    let cart = encode(&kept.cart)?;
    let order = |kept: &storage::KeptOrder| {
        Ok(KeptOrder {
            order: orders::shown(&kept.order)?,
            history: kept.steps.iter().map(Step::from).collect(),
            note: kept.noted.as_ref().map(|noted| noted.note.clone()),
        })
    };
    json(&Kept {
        user_id: kept.owner.as_str().to_owned(),
        cart: raw(&String::from_utf8_lossy(&cart.body))?,
        profile: Profile::of(&kept.profile)?,
        sessions: kept.sessions.iter().map(Session::of).collect::<Result<_, _>>()?,
        holds: kept.holds.iter().map(holds::shown).collect::<Result<_, _>>()?,
        orders: kept.orders.iter().map(order).collect::<Result<_, Problem>>()?,
    })
}
