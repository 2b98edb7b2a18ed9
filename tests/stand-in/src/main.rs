//! The stand-ins by themselves: `stand-in [port]`. The first line of standard output is the URL.
//! They end when standard input does.

use stand_in::{Server, StandIn};
use std::io::{self, Read, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let port = std::env::args().nth(1).map_or(Ok(0), |port| port.parse());
    let Ok(port) = port else {
        eprintln!("usage: stand-in [port]");
        return ExitCode::from(2);
    };
    // Codes that a stopped stand-in gave are not those of the next one.
    let seed = u64::from(std::process::id());
    match serve(port, seed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stand-in: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(port: u16, seed: u64) -> io::Result<()> {
    let server = Server::start(StandIn::new(seed), port)?;
    let mut out = io::stdout();
    writeln!(out, "{}", server.url())?;
    out.flush()?;
    let mut in_ = io::stdin().lock();
    while in_.read(&mut [0; 1024])? > 0 {}
    Ok(())
}
