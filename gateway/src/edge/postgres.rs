//! Statements to PostgreSQL over the socket of the runtime. A socket belongs to the request that
//! opened it, so each statement has a connection of its own; Hyperdrive makes that cheap.

use super::behind::Behind;
use crate::database::DatabaseUrl;
use crate::session::contended::Pause;
use crate::session::driver::Spawn;
use crate::session::neon::STATEMENT_SECONDS;
use crate::session::sql::{Database, Trouble};
use futures_util::TryStreamExt;
use futures_util::future::{Either, select};
use std::cell::RefCell;
use std::pin::pin;
use tokio_postgres::config::SslMode;
use tokio_postgres::types::Type;
use tokio_postgres::{Config, Error};
use worker::postgres_tls::PassthroughTls;
use worker::{SecureTransport, Socket};

/// How many connections an isolate has at a time: a storm of requests waits here, and not for a
/// server that takes no more.
const MOST: usize = 16;
/// How long a request waits for a connection, in milliseconds, and how often it looks.
const QUEUE: u32 = 8_000;
const LOOK: (u32, u32) = (5, 80);

/// PostgreSQL, as one request reaches it.
#[derive(Debug)]
pub struct Postgres {
    config: Config,
    host: String,
    port: u16,
    encrypted: bool,
    behind: Behind,
}

impl Postgres {
    /// The database of `url`; what goes on when a statement was answered runs `behind` the request.
    #[must_use]
    pub fn new(url: &DatabaseUrl, behind: Behind) -> Self {
        let DatabaseUrl { host, port, user, password, name, encrypted, http: _ } = url.clone();
        let mut config = Config::new();
        let mode = if encrypted { SslMode::Require } else { SslMode::Disable };
        // A name, so that the server's may be asked for; where it is, the socket knows.
        config.host(&host).user(user).password(password.expose()).dbname(name).ssl_mode(mode);
        config.application_name("gatelatch");
        Self { config, host, port, encrypted, behind }
    }

    async fn ask(&self, statement: &str, parameters: &[&str]) -> Result<Vec<Vec<String>>, Trouble> {
        let transport =
            if self.encrypted { SecureTransport::StartTls } else { SecureTransport::Off };
        let socket = Socket::builder().secure_transport(transport);
        let socket = socket.connect(self.host.as_str(), self.port).map_err(|error| {
            worker::console_error!("the database cannot be connected to: {error}");
            Trouble::Lost
        })?;
        let connected = self.config.connect_raw(socket, PassthroughTls).await;
        let (client, connection) = connected.map_err(|error| trouble(&error))?;
        let statement = pin!(async move {
            let typed = parameters.iter().map(|text| (*text, Type::TEXT));
            let rows = client.query_typed_raw(statement, typed).await?;
            // The client ends here, which ends the connection.
            rows.and_then(async |row| {
                (0..row.len()).map(|column| row.try_get(column)).collect::<Result<_, _>>()
            })
            .try_collect()
            .await
        });
        let rows: Result<_, Error> = match select(statement, Box::pin(connection)).await {
            Either::Left((rows, connection)) => {
                // What is left is a farewell, for which nobody has to wait.
                self.behind.spawn(async move {
                    let _ = connection.await;
                });
                rows
            }
            // It broke; the statement is told.
            Either::Right((_, statement)) => statement.await,
        };
        rows.map_err(|error| trouble(&error))
    }
}

impl Database for Postgres {
    async fn run(&self, statement: &str, parameters: &[&str]) -> Result<Vec<Vec<String>>, Trouble> {
        let _place = self.queue().await?;
        let asked = pin!(self.ask(statement, parameters));
        match select(asked, pin!(self.behind.pause(STATEMENT_SECONDS * 1000))).await {
            Either::Left((rows, _)) => rows,
            Either::Right(_) => {
                worker::console_error!("the database did not answer within {STATEMENT_SECONDS} s");
                Err(Trouble::Lost)
            }
        }
    }
}

/// What an error means; the operator is told of those that nothing here is done about.
fn trouble(error: &Error) -> Trouble {
    let state = error.code().map_or("", |state| state.code());
    let trouble = Trouble::of(state);
    if trouble == Trouble::Lost {
        worker::console_error!("the database failed: {error} {state}");
    }
    trouble
}

thread_local! {
    /// When the connections of this isolate were opened, in milliseconds.
    static OPEN: RefCell<Vec<f64>> = const { RefCell::new(Vec::new()) };
}

/// One of the connections that an isolate may have.
struct Place(f64);

impl Drop for Place {
    fn drop(&mut self) {
        OPEN.with_borrow_mut(|open| {
            if let Some(index) = open.iter().position(|at| at.to_bits() == self.0.to_bits()) {
                open.swap_remove(index);
            }
        });
    }
}

impl Place {
    /// A place, if there is one. Those of requests that were put away in the middle are never given
    /// back, so each is believed for as long as a statement may take.
    fn take(now: f64) -> Option<Self> {
        let oldest = now - f64::from(STATEMENT_SECONDS + 1) * 1000.0;
        OPEN.with_borrow_mut(|open| {
            open.retain(|at| *at > oldest);
            (open.len() < MOST).then(|| open.push(now)).map(|()| Self(now))
        })
    }
}

impl Postgres {
    /// Waits for a place. Requests cannot wake each other, so each looks by itself.
    async fn queue(&self) -> Result<Place, Trouble> {
        let (mut look, mut waited) = (LOOK.0, 0);
        while waited < QUEUE {
            if let Some(place) = Place::take(js_sys::Date::now()) {
                return Ok(place);
            }
            self.behind.pause(look).await;
            waited += look;
            look = (2 * look).min(LOOK.1);
        }
        worker::console_error!("no connection to the database was free within {QUEUE} ms");
        Err(Trouble::Lost)
    }
}
