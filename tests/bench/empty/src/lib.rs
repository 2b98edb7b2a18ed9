//! A Worker that does nothing: what Rust on workerd costs before we do anything.
#![cfg(target_arch = "wasm32")]

use worker::{Context, Env, Request, Response, Result, event};

#[event(fetch)]
async fn fetch(_: Request, _: Env, _: Context) -> Result<Response> {
    Response::ok("Hello from something that does nothing but say hello.\n")
}
