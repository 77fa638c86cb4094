//! Sessions: what a shop remembers of somebody from one request to the next.

use actix_web::{
    HttpRequest,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, HeaderName, HeaderValue},
    },
    web::{Data, Payload},
};
use cartwright_domain::{Session, SessionHandle, SessionId};
use cartwright_identity::sessions::SessionError;

use super::wire;
use crate::{
    AppState,
    access::Caller,
    answer::{Answer, plain, versioned},
    body::{self, Fields},
    headers::{classic, expected, owner_named},
    problem::{Problem, Refusal},
};

const CURRENT: HeaderName = HeaderName::from_static("x-session-id");

/// The session that the path names. Its name is a secret: an error does not repeat it.
fn session_id(request: &HttpRequest) -> Result<SessionId, Problem> {
    let text = request.match_info().get("session_id").unwrap_or_default();
    text.parse().map_err(|_not_one| Problem::Sessions(SessionError::Gone))
}

/// It is there for whoever knows its name, unless it is somebody else's.
fn his(request: &HttpRequest, session: &Session) -> Result<(), Problem> {
    match &session.owner {
        Some(owner) if !Caller::of(request).is_or_may_act_for(owner) => {
            Err(Problem::Sessions(SessionError::Gone))
        }
        _ => Ok(()),
    }
}

/// Not to be kept by anything on the way.
fn secret(status: StatusCode, body: bytes::Bytes) -> actix_web::HttpResponse {
    let mut response = plain(status, body);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Begin a session
///
/// Its name is made here, of 256 random bits; who knows it has the session. It ends 30 minutes after it was last used. It belongs
/// to the caller, if he says who he is. The classic address takes the data themselves as its body.
#[utoipa::path(post, path = "/api/v1/sessions", tag = "sessions", operation_id = "create_session",
    request_body(content = Option<wire::NewData>),
    responses((status = 201, description = "The session, with its name", body = wire::MadeSession)))]
pub(crate) async fn create(request: HttpRequest, state: Data<AppState>, payload: Payload) -> Answer {
    let bytes = body::read(&request, payload, &state).await?;
    let data = if classic(&request) {
        body::document(if bytes.is_empty() { b"{}" } else { &bytes })?
    } else {
        let mut fields = Fields::of_body(if bytes.is_empty() { b"{}" } else { &bytes })?;
        let data = fields.data();
        fields.finish(false)?;
        data.unwrap_or_default()
    };
    let owner = Caller::of(&request).owner().cloned();
    let (id, session) = state.people.sessions.create(owner, data).await?;
    Ok(secret(StatusCode::CREATED, wire::made(&id, &session)?))
}

/// A session
///
/// It lasts longer by being read. Somebody else's is not there.
#[utoipa::path(get, path = "/api/v1/sessions/{session_id}", tag = "sessions", operation_id = "get_session",
    responses((status = 200, description = "The session", body = wire::Session)))]
pub(crate) async fn get(request: HttpRequest, state: Data<AppState>) -> Answer {
    let session = state.people.sessions.read(&session_id(&request)?).await?;
    his(&request, &session)?;
    Ok(versioned(StatusCode::OK, session.version, wire::session(&session)?))
}

/// Have a session carry something else
#[utoipa::path(put, path = "/api/v1/sessions/{session_id}", tag = "sessions", operation_id = "replace_session",
    request_body = wire::NewData,
    responses((status = 200, description = "The session", body = wire::Session)))]
pub(crate) async fn replace(request: HttpRequest, state: Data<AppState>, payload: Payload) -> Answer {
    let id = session_id(&request)?;
    his(&request, &state.people.sessions.read(&id).await?)?;
    let bytes = body::read(&request, payload, &state).await?;
    let mut fields = Fields::of_body(&bytes)?;
    let data = fields.data();
    fields.finish(false)?;
    let expected = expected(&request)?;
    let session = state.people.sessions.replace(&id, &data.unwrap_or_default(), &expected).await?;
    Ok(versioned(StatusCode::OK, session.version, wire::session(&session)?))
}

/// End a session
#[utoipa::path(delete, path = "/api/v1/sessions/{session_id}", tag = "sessions", operation_id = "delete_session",
    responses((status = 200, description = "It is ended", body = wire::Ended)))]
pub(crate) async fn delete(request: HttpRequest, state: Data<AppState>) -> Answer {
    let id = session_id(&request)?;
    his(&request, &state.people.sessions.read(&id).await?)?;
    let ended = u64::from(state.people.sessions.delete(&id).await?);
    Ok(plain(StatusCode::OK, crate::wire::json(&wire::Ended { ended })?))
}

/// Log in with a session
///
/// It becomes the caller's and gets another name, so that whoever may have seen the one before has nothing of it. It carries
/// what it did.
#[utoipa::path(post, path = "/api/v1/sessions/{session_id}/login", tag = "sessions", operation_id = "log_in",
    responses((status = 200, description = "The session, with its new name", body = wire::MadeSession)))]
pub(crate) async fn log_in(request: HttpRequest, state: Data<AppState>) -> Answer {
    let id = session_id(&request)?;
    let caller = Caller::of(&request);
    let owner = caller.user().cloned().ok_or(Refusal::NoCredentials)?;
    his(&request, &state.people.sessions.read(&id).await?)?;
    let (id, session) = state.people.sessions.log_in(&id, owner).await?;
    Ok(secret(StatusCode::OK, wire::made(&id, &session)?))
}

/// Sessions of a user
///
/// Those first that would end last; with the names by which they can be ended, and not with those by which they are used.
#[utoipa::path(get, path = "/api/v1/users/{user_id}/sessions", tag = "sessions", operation_id = "list_sessions",
    responses((status = 200, description = "The sessions", body = wire::Sessions)))]
pub(crate) async fn list(request: HttpRequest, state: Data<AppState>) -> Answer {
    let owner = owner_named(request.match_info().get("user_id").unwrap_or_default())?;
    let sessions = state.people.sessions.list(&owner).await?;
    Ok(plain(StatusCode::OK, wire::sessions(&sessions)?))
}

/// End all sessions of a user
///
/// All but that in `X-Session-ID`, if it is there.
#[utoipa::path(delete, path = "/api/v1/users/{user_id}/sessions", tag = "sessions", operation_id = "end_sessions",
    responses((status = 200, description = "How many were ended", body = wire::Ended)))]
pub(crate) async fn end_all(request: HttpRequest, state: Data<AppState>) -> Answer {
    let owner = owner_named(request.match_info().get("user_id").unwrap_or_default())?;
    let current = request.headers().get(CURRENT).map(|value| {
        let id: Option<SessionId> = value.to_str().ok().and_then(|text| text.parse().ok());
        id.ok_or(Problem::Header {
            name: "X-Session-ID",
            code: "invalid_id",
            detail: "X-Session-ID is the name of a session, as it was given out.",
        })
    });
    let ended = state.people.sessions.revoke_all(&owner, current.transpose()?.as_ref()).await?;
    Ok(plain(StatusCode::OK, crate::wire::json(&wire::Ended { ended })?))
}

/// End a session of a user
///
/// By its name in the list.
#[utoipa::path(delete, path = "/api/v1/users/{user_id}/sessions/{handle}", tag = "sessions", operation_id = "end_session",
    responses((status = 200, description = "It is ended", body = wire::Ended)))]
pub(crate) async fn end(request: HttpRequest, state: Data<AppState>) -> Answer {
    let owner = owner_named(request.match_info().get("user_id").unwrap_or_default())?;
    let handle = request.match_info().get("handle").unwrap_or_default().parse::<SessionHandle>();
    let handle = handle.map_err(|error| Problem::invalid("/path/handle", "invalid_id", error))?;
    let ended = u64::from(state.people.sessions.revoke(&owner, &handle).await?);
    if ended == 0 {
        return Err(Problem::Sessions(SessionError::Gone));
    }
    Ok(plain(StatusCode::OK, crate::wire::json(&wire::Ended { ended })?))
}
