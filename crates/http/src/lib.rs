//! The actix-web adapter: routes, problem+json, OpenAPI.
