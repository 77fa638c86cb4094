//! The hottest reads, found by how their addresses begin and end. The router's expressions, and the futures that it boxes
//! on the way to a handler, take a tenth of what such a read costs.
//!
//! Whatever else is sent to these addresses (other methods, escaped ids) goes the ordinary way; so does all when browsers
//! of other origins are answered.

use std::rc::Rc;

use actix_web::{
    HttpRequest, HttpResponse,
    body::{BoxBody, EitherBody},
    dev::{AppService, HttpServiceFactory, ResourceDef, ServiceRequest, ServiceResponse, fn_service},
    guard::{self, Guard, GuardContext},
    http::Method,
    web::Data,
};

use crate::{AppState, access::Refused, observe::Watch};

/// A read of something that is named by one id in the address.
pub(super) struct Hot<H> {
    /// As the ordinary one is mounted, with the id in braces.
    pub(super) route: &'static str,
    pub(super) handler: H,
    pub(super) state: Data<AppState>,
}

/// The id, if it stands there as it is.
fn id<'a>(path: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let id = path.strip_prefix(before)?.strip_suffix(after)?;
    (!id.is_empty() && !id.bytes().any(|byte| byte == b'/' || byte == b'%')).then_some(id)
}

/// Boxed already, whichever it is.
fn either(response: ServiceResponse<EitherBody<BoxBody>>) -> ServiceResponse {
    response.map_body(|_, body| match body {
        EitherBody::Left { body } | EitherBody::Right { body } => body,
    })
}

impl<H> HttpServiceFactory for Hot<H>
where
    H: AsyncFn(&HttpRequest, &AppState, &str) -> Result<HttpResponse, Refused> + 'static,
{
    fn register(self, config: &mut AppService) {
        let Self { route, handler, state } = self;
        let (before, rest) = route.split_once('{').unwrap_or((route, ""));
        let after = rest.split_once('}').map_or("", |(_, after)| after);
        let is_hot = move |context: &GuardContext<'_>| {
            let head = context.head();
            head.method == Method::GET && id(head.uri.path(), before, after).is_some()
        };
        let guards: Vec<Box<dyn Guard>> = vec![Box::new(guard::fn_guard(is_hot))];
        let (watch, handler) = (Watch::new(route), Rc::new(handler));
        let service = fn_service(move |mut request: ServiceRequest| {
            let (state, handler, begun) = (state.clone(), Rc::clone(&handler), watch.begin(&mut request));
            let answered = begun.until(async move {
                let (request, _) = request.into_parts();
                let id = id(request.path(), before, after).unwrap_or_default();
                Ok(match handler(&request, &state, id).await {
                    Ok(response) => ServiceResponse::new(request, response),
                    Err(refused) => refused.answer(request),
                })
            });
            async move { answered.await.map(either) }
        });
        config.register_service(
            ResourceDef::prefix(before.trim_end_matches('/')),
            Some(guards),
            service,
            None,
        );
    }
}
