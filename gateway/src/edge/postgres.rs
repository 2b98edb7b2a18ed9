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
use std::pin::pin;
use tokio_postgres::config::SslMode;
use tokio_postgres::types::Type;
use tokio_postgres::{Config, Error};
use worker::postgres_tls::PassthroughTls;
use worker::{SecureTransport, Socket};

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
