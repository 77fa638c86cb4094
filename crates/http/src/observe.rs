//! The middleware of every route: request id, metrics, logs, and the body of problems.
//!
//! It wraps each resource by itself, so that it knows its route without asking the router again, and keeps the
//! metric handles of that route: nothing is looked up or formatted per request but the request id.

use std::{
    cell::{Cell, RefCell},
    future::{Ready, ready},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use actix_web::{
    Error,
    body::{BoxBody, EitherBody, MessageBody},
    dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
    http::{
        Method,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
            REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
        },
    },
};
use metrics::{Counter, Histogram};

use crate::{problem::Problem, render::problem_body, unread::Unread};

/// The header that carries the request id, both ways.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const NO_REFERRER: HeaderValue = HeaderValue::from_static("no-referrer");
/// What is not meant to be looked at as a page does nothing as one, and nobody shows it inside of his own.
const NO_PAGE: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// Observes one route.
pub(crate) struct Observe {
    route: &'static str,
}

impl Observe {
    pub(crate) fn new(route: &'static str) -> Self {
        Self { route }
    }
}

impl<S, B> Transform<S, ServiceRequest> for Observe
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type InitError = ();
    type Transform = Observer<S>;
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(Observer { inner, watch: Watch::new(self.route) }))
    }
}

pub(crate) struct Observer<S> {
    inner: S,
    watch: Watch,
}

impl<S, B> Service<ServiceRequest> for Observer<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Observed<S::Future>;

    forward_ready!(inner);

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        let begun = self.watch.begin(&mut request);
        begun.until(self.inner.call(request))
    }
}

/// Watches the requests of one route in one worker.
#[derive(Clone)]
pub(crate) struct Watch(Rc<Route>);

/// A request that has just come.
pub(crate) struct Begun {
    started: Instant,
    request_id: HeaderValue,
    method: &'static str,
    route: Rc<Route>,
    unread: Option<Unread>,
}

impl Watch {
    pub(crate) fn new(route: &'static str) -> Self {
        Self(Rc::new(Route::new(route)))
    }

    pub(crate) fn begin(&self, request: &mut ServiceRequest) -> Begun {
        Begun {
            started: Instant::now(),
            request_id: request_id(request.headers()),
            method: method_name(request.method()),
            route: Rc::clone(&self.0),
            unread: Unread::of(request),
        }
    }
}

impl Begun {
    /// Until it is answered by this.
    pub(crate) fn until<F>(self, inner: F) -> Observed<F> {
        Observed { inner, begun: self }
    }
}

pin_project_lite::pin_project! {
    /// A request under way.
    pub(crate) struct Observed<F> {
        #[pin]
        inner: F,
        begun: Begun,
    }
}

impl<F, B> Future for Observed<F>
where
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
    B: MessageBody + 'static,
{
    type Output = Result<ServiceResponse<EitherBody<B>>, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(context))?;
        let Begun { started, request_id, method, route, unread } = this.begun;
        let (status, took) = (response.status().as_u16(), started.elapsed());
        route.count(method, status, took);
        let id = request_id.to_str().unwrap_or_default();
        let log = Log { id, method, route: route.name, status, took };
        log.write(response.response().error());
        let problem = response.response().error().map(|error| problem_body(error, id));
        let headers = response.headers_mut();
        headers.insert(REQUEST_ID, request_id.clone());
        headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
        headers.insert(REFERRER_POLICY, NO_REFERRER);
        // The pages that there are say what they need.
        if !headers.contains_key(CONTENT_SECURITY_POLICY) {
            headers.insert(CONTENT_SECURITY_POLICY, NO_PAGE);
        }
        let response = match problem {
            None => response.map_into_left_body(),
            Some(body) => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
                response.map_body(|_, _| EitherBody::right(BoxBody::new(body)))
            }
        };
        Poll::Ready(Ok(match unread.take() {
            None => response,
            Some(unread) => unread.until_sent(response).map_into_right_body(),
        }))
    }
}

struct Log<'a> {
    id: &'a str,
    method: &'static str,
    route: &'static str,
    status: u16,
    took: Duration,
}

impl Log<'_> {
    fn write(&self, error: Option<&Error>) {
        let Self { id: request_id, method, route, status, took } = *self;
        if status < 500 {
            tracing::debug!(request_id, method, route, status, ?took, "answered");
            return;
        }
        let cause = match error.map(|error| (error.as_error::<Problem>(), error)) {
            Some((Some(problem), _)) => chain(problem),
            Some((None, error)) => error.to_string(),
            None => String::new(),
        };
        tracing::warn!(request_id, method, route, status, ?took, cause, "answered");
    }
}

/// An error and all its sources.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// The metrics of one route in one worker.
struct Route {
    name: &'static str,
    /// A handful of methods and statuses: searched from the front faster than a map.
    figures: RefCell<Vec<Figure>>,
}

struct Figure {
    method: &'static str,
    status: u16,
    requests: Counter,
    seconds: Histogram,
}

impl Route {
    fn new(name: &'static str) -> Self {
        Self { name, figures: RefCell::default() }
    }

    fn count(&self, method: &'static str, status: u16, took: Duration) {
        let mut figures = self.figures.borrow_mut();
        let known = figures.iter().position(|f| f.status == status && f.method == method);
        let at = known.unwrap_or_else(|| {
            figures.push(Figure {
                method,
                status,
                requests: metrics::counter!("cartwright_http_requests_total",
                    "route" => self.name, "method" => method, "status" => status.to_string()),
                seconds: metrics::histogram!("cartwright_http_request_seconds",
                    "route" => self.name, "method" => method),
            });
            figures.len() - 1
        });
        if let Some(figure) = figures.get(at) {
            figure.requests.increment(1);
            figure.seconds.record(took);
        }
    }
}

/// A fixed set of names: clients must not be able to make up metric labels.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// The caller's id, if it is 1 to 128 visible characters; else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    match headers.get(REQUEST_ID) {
        Some(id) if (1..=128).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic) => {
            id.clone()
        }
        _ => new_request_id(),
    }
}

/// 64 bits in hex, from a random start per thread, each step a bijection: no two alike within a thread.
fn new_request_id() -> HeaderValue {
    thread_local! {
        static STATE: Cell<u64> = Cell::new(rand::random());
    }
    let mut n = STATE.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    STATE.set(n);
    n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^= n >> 31;
    let digits: [u8; 16] = std::array::from_fn(|at| {
        let nibble = (n >> (60 - 4 * at)) & 15;
        char::from_digit(u32::try_from(nibble).unwrap_or(0), 16).map_or(b'0', |digit| digit as u8)
    });
    HeaderValue::from_bytes(&digits).unwrap_or(HeaderValue::from_static("0"))
}
