//! The middleware in front of every handler: lets in who may call it, and as often as he may.

use std::{
    future::Ready,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use actix_web::{
    Error, HttpMessage, HttpRequest,
    body::{EitherBody, MessageBody},
    dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
    http::{Method, header::UPGRADE},
    web::Data,
};

use super::{
    Caller, Group, Limits, TABLE, Who,
    credentials::Known,
    limits::Counted,
    load::{UnderWay, Worth},
    table::{Row, Rule},
};
use crate::{
    AppState,
    problem::{Problem, Refusal},
};

/// Bytes of path and query at most.
const MOST_OF_ADDRESS: usize = 8 * 1024;
/// Bytes of names and values of headers at most: an access token has a few thousand.
const MOST_OF_HEADERS: usize = 16 * 1024;

/// Who may call one address, and how often, method by method.
#[derive(Clone)]
pub(crate) struct Rules {
    state: Data<AppState>,
    rules: Rc<[(Method, Rule)]>,
}

/// What is known at once of a request.
enum Look {
    /// It may come in.
    In(Caller),
    /// Somebody has to be asked.
    Ask(Known),
}

/// A request that may not come in, and how it was counted.
pub(crate) struct Refused(Problem, Option<Counted>);

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self(problem, None)
    }
}

impl Refused {
    pub(crate) fn answer(self, request: HttpRequest) -> ServiceResponse {
        let Self(problem, counted) = self;
        let mut response = ServiceResponse::from_err(problem, request);
        counted.into_iter().for_each(|counted| counted.tell(response.headers_mut()));
        response
    }
}

impl Rules {
    pub(crate) fn of(path: &str, state: &Data<AppState>) -> Self {
        let rows = TABLE.iter().filter(|row| row.path == path);
        Self { state: state.clone(), rules: rows.flat_map(Row::each).collect() }
    }

    /// What is said of this. What is not in the table is for nobody but operators.
    fn rule(&self, method: &Method) -> Rule {
        const UNSAID: Rule = Rule { who: Who::Operators, group: Group::Writes, worth: Worth::Others };
        self.rules.iter().find(|(known, _)| known == method).map_or(UNSAID, |(_, rule)| *rule)
    }

    /// Before anything else is looked at: whether it is of a size to be looked at, and whether there is time for it.
    pub(crate) fn begin(&self, request: &HttpRequest) -> Result<Option<UnderWay>, Problem> {
        let length = request.uri().path_and_query().map_or(0, |text| text.as_str().len());
        if length > MOST_OF_ADDRESS {
            return Err(Refusal::AddressTooLong(MOST_OF_ADDRESS).into());
        }
        let headers = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len());
        if headers.sum::<usize>() > MOST_OF_HEADERS {
            return Err(Refusal::HeadersTooLarge(MOST_OF_HEADERS).into());
        }
        // actix-http takes all that follows such a head for its body, whatever length it names: a proxy that does not is
        // about to send somebody else's request.
        if request.headers().get_all(UPGRADE).any(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
        {
            return Err(Refusal::NoWebSockets.into());
        }
        self.state.load.begin(self.rule(request.method()).worth)
    }

    fn limits(&self, group: Group) -> Option<&Limits> {
        self.state.limits.as_ref().filter(|limits| limits.count(group))
    }

    /// Whether a request may come in, as far as it is known at once. `named`: the `user_id` of its path.
    fn look(&self, request: &HttpRequest, named: Option<&str>) -> Result<Look, Problem> {
        let Rule { who, group, .. } = self.rule(request.method());
        let counted = self.limits(group).is_some();
        let known = if who == Who::Anyone {
            Known::Caller(Caller::default())
        } else {
            self.state.access.look(request)?
        };
        match known {
            Known::Caller(caller) => {
                self.check(request, &caller, who, named)?;
                let free = !counted || caller.is_staff();
                Ok(if free { Look::In(caller) } else { Look::Ask(Known::Caller(caller)) })
            }
            other @ (Known::Bearer(_) | Known::Refused) => Ok(Look::Ask(other)),
        }
    }

    fn check(
        &self,
        request: &HttpRequest,
        caller: &Caller,
        who: Who,
        named: Option<&str>,
    ) -> Result<(), Problem> {
        caller.may(who, named)?;
        caller.came_by_himself(request, &self.state.settings.cors_origins)
    }

    /// Asks whoever has to be asked.
    async fn ask(
        &self,
        request: &HttpRequest,
        named: Option<&str>,
        known: Known,
    ) -> Result<(Caller, Option<Counted>), Refused> {
        let Rule { who, group, .. } = self.rule(request.method());
        let caller = match known {
            Known::Caller(caller) => caller,
            Known::Bearer(bearer) => match bearer.verify().await {
                Ok(caller) => caller,
                Err(problem) => return Err(self.failed(request, problem).await),
            },
            Known::Refused => {
                return Err(self.failed(request, Problem::Refused(Refusal::BadCredentials)).await);
            }
        };
        self.check(request, &caller, who, named)?;
        let Some(limits) = self.limits(group).filter(|_| !caller.is_staff()) else {
            return Ok((caller, None));
        };
        let counted = limits.admit(request, &caller, group).await;
        if counted.admitted {
            Ok((caller, Some(counted)))
        } else {
            Err(Refused(Problem::Refused(Refusal::TooMany), Some(counted)))
        }
    }

    async fn failed(&self, request: &HttpRequest, problem: Problem) -> Refused {
        let (Problem::Refused(Refusal::BadCredentials), Some(limits)) = (&problem, &self.state.limits) else {
            return problem.into();
        };
        let counted = limits.admit_failure(request).await;
        let problem = if counted.admitted { problem } else { Problem::Refused(Refusal::TooMany) };
        Refused(problem, Some(counted))
    }

    /// For a read that is not counted, and whose `user_id`, if it has one, is known without the router.
    pub(crate) async fn admit(
        &self,
        request: &HttpRequest,
        named: &str,
    ) -> Result<Option<UnderWay>, Refused> {
        let begun = self.begin(request)?;
        if let Look::Ask(known) = self.look(request, Some(named))? {
            self.ask(request, Some(named), known).await?;
        }
        Ok(begun)
    }
}

/// Stands in front of one address.
pub(crate) struct Door(pub(crate) Rules);

impl<S, B> Transform<S, ServiceRequest> for Door
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type InitError = ();
    type Transform = Keeper<S>;
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        std::future::ready(Ok(Keeper { inner: Rc::new(inner), rules: self.0.clone() }))
    }
}

pub(crate) struct Keeper<S> {
    inner: Rc<S>,
    rules: Rules,
}

impl<S, B> Service<ServiceRequest> for Keeper<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Entering<S::Future, B>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let looked = self.rules.begin(request.request()).and_then(|begun| {
            let look = self.rules.look(request.request(), request.match_info().get("user_id"))?;
            Ok((begun, look))
        });
        match looked {
            Ok((begun, Look::In(caller))) => {
                request.extensions_mut().insert(caller);
                Entering::Inside { inner: self.inner.call(request), begun }
            }
            Ok((begun, Look::Ask(known))) => {
                let (inner, rules) = (Rc::clone(&self.inner), self.rules.clone());
                let asking = async move {
                    let _begun = begun;
                    let named = request.match_info().get("user_id");
                    match rules.ask(request.request(), named, known).await {
                        Ok((caller, counted)) => {
                            request.extensions_mut().insert(caller);
                            let mut response = inner.call(request).await?;
                            counted.into_iter().for_each(|counted| counted.tell(response.headers_mut()));
                            Ok(response.map_into_left_body())
                        }
                        Err(refused) => Ok(refused.answer(request.into_parts().0).map_into_right_body()),
                    }
                };
                Entering::Asking { asking: Box::pin(asking) }
            }
            Err(problem) => Entering::Refused { response: Some(request.error_response(problem)) },
        }
    }
}

type Asking<B> = Pin<Box<dyn Future<Output = Result<ServiceResponse<EitherBody<B>>, Error>>>>;

pin_project_lite::pin_project! {
    /// A request at the door.
    #[project = AtTheDoor]
    pub(crate) enum Entering<F, B> {
        Inside { #[pin] inner: F, begun: Option<UnderWay> },
        Asking { asking: Asking<B> },
        Refused { response: Option<ServiceResponse> },
    }
}

impl<F, B> Future for Entering<F, B>
where
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
    B: MessageBody,
{
    type Output = Result<ServiceResponse<EitherBody<B>>, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            AtTheDoor::Inside { inner, begun } => {
                let answered = ready!(inner.poll(context));
                begun.take();
                Poll::Ready(answered.map(ServiceResponse::map_into_left_body))
            }
            AtTheDoor::Asking { asking } => asking.as_mut().poll(context),
            AtTheDoor::Refused { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response.map_into_right_body())),
                None => Poll::Pending, // it was answered
            },
        }
    }
}
