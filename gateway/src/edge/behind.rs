//! What goes on behind a request of the gateway when it has been answered.

use crate::session::contended::Pause;
use crate::session::driver::Spawn;
use shared::edge::object;
use std::rc::Rc;
use wasm_bindgen::{JsCast, JsValue};
use worker::Context;

/// One request's life after its answer.
#[derive(Clone, Debug)]
pub struct Behind(Rc<Context>);

impl Behind {
    /// That of the request with this context.
    #[must_use]
    pub fn new(context: JsValue) -> Self {
        Self(Rc::new(Context::new(context.unchecked_into())))
    }
}

impl Spawn for Behind {
    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.0.wait_until(task);
    }
}

impl Pause for Behind {
    async fn pause(&self, milliseconds: u32) {
        object::pause_milliseconds(milliseconds).await;
    }
}
