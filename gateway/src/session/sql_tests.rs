//! The statements, against a table in memory that understands these and no other, and the way by
//! HTTP against an answer of Neon's form. PostgreSQL itself: `node tests/pair.mjs postgres`.

use super::Lost;
use super::contended::{Shelf, Version};
use super::driver_tests::live;
use super::neon::Neon;
use super::sql::{Database, SCHEMA, Table, Trouble};
use super::state::Session;
use crate::database::DatabaseUrl;
use pollster::block_on;
use serde_json::{Value, json};
use shared::fetch::{Request, Response, Unreachable};
use shared::seal::SealingKeys;
use shared::time::UnixTime;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use uuid::Uuid;

const ID: Uuid = Uuid::from_u128(7);

/// A database without its parser.
#[derive(Default)]
struct Memory {
    made: RefCell<bool>,
    /// Version and what is sealed.
    rows: RefCell<BTreeMap<String, (String, String)>>,
    said: RefCell<Vec<String>>,
    trouble: RefCell<VecDeque<Trouble>>,
}

impl Database for &Memory {
    async fn run(&self, statement: &str, parameters: &[&str]) -> Result<Vec<Vec<String>>, Trouble> {
        self.said.borrow_mut().push(statement.to_owned());
        if let Some(trouble) = self.trouble.borrow_mut().pop_front() {
            return Err(trouble);
        }
        if statement.contains("CREATE TABLE") {
            *self.made.borrow_mut() = true;
        }
        if statement.contains("CREATE") {
            return Ok(Vec::new());
        }
        if !*self.made.borrow() {
            return Err(Trouble::NoTable);
        }
        let mut rows = self.rows.borrow_mut();
        let own = |text: &&str| (*text).to_owned();
        let all: Vec<String> = parameters.iter().map(own).collect();
        Ok(match (statement.split(' ').next().unwrap(), all.as_slice()) {
            ("SELECT", [ids]) => {
                let ids = ids.trim_matches(['{', '}']).split(',');
                let found = ids.filter_map(|id| Some((id, rows.get(id)?)));
                let row = |(id, (version, sealed)): (&str, &(String, String))| {
                    vec![id.to_owned(), version.clone(), sealed.clone()]
                };
                return Ok(found.map(row).collect());
            }
            ("INSERT", [id, version, sealed, _]) if !rows.contains_key(id) => {
                rows.insert(id.clone(), (version.clone(), sealed.clone()));
                Some(vec![id.clone()])
            }
            ("UPDATE", [id, seen, next, sealed])
                if rows.get(id).is_some_and(|(version, _)| version == seen) =>
            {
                rows.insert(id.clone(), (next.clone(), sealed.clone()));
                Some(vec![id.clone()])
            }
            _ => None,
        }
        .into_iter()
        .collect())
    }
}

fn keys(text: &str) -> SealingKeys {
    SealingKeys::parse(text).unwrap()
}

const OLD: &str = "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE";
const NEW: &str = "YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI";

fn session() -> Session {
    Session::Live(Box::new(live()))
}

#[test]
fn a_row_is_written_once_and_replaced_only_by_who_saw_it() {
    let memory = Memory::default();
    let table = Table::new(&memory, keys(OLD));
    assert_eq!(block_on(table.load(ID)), Ok(None));
    assert_eq!(block_on(table.insert(ID, Version(-5), &session())), Ok(true));
    assert_eq!(block_on(table.insert(ID, Version(6), &session())), Ok(false));
    assert_eq!(block_on(table.load(ID)), Ok(Some((session(), Version(-5)))));
    let ended = Session::Ended { until: UnixTime(1) };
    assert_eq!(block_on(table.replace(ID, Version(6), Version(7), &ended)), Ok(false));
    assert_eq!(block_on(table.replace(ID, Version(-5), Version(7), &ended)), Ok(true));
    assert_eq!(block_on(table.load(ID)), Ok(Some((ended, Version(7)))));
}

#[test]
fn the_table_is_made_once_when_it_is_missing() {
    let memory = Memory::default();
    let table = Table::new(&memory, keys(OLD));
    assert_eq!(block_on(table.insert(ID, Version(1), &session())), Ok(true));
    assert_eq!(block_on(table.load(ID)), Ok(Some((session(), Version(1)))));
    let said = memory.said.borrow();
    assert_eq!(said.iter().filter(|said| said.contains("CREATE")).count(), 2);
    assert!(
        said.iter()
            .filter(|said| said.contains("CREATE"))
            .all(|said| { said.contains("IF NOT EXISTS") && SCHEMA.contains(said.as_str()) })
    );
}

#[test]
fn gs_16_a_row_belongs_to_its_place_and_one_that_does_not_open_is_over() {
    let memory = Memory::default();
    let table = Table::new(&memory, keys(OLD));
    block_on(table.insert(ID, Version(1), &session())).unwrap();
    let other = Uuid::from_u128(8);
    let row = memory.rows.borrow()[&ID.to_string()].clone();
    assert!(!row.1.contains("alice"));
    memory.rows.borrow_mut().insert(other.to_string(), row);
    let over = Session::Ended { until: UnixTime(0) };
    assert_eq!(block_on(table.load(other)), Ok(Some((over.clone(), Version(1)))));
    // Under a key that is still there it opens; under others it does not.
    let both = Table::new(&memory, keys(&format!("{NEW},{OLD}")));
    assert_eq!(block_on(both.load(ID)), Ok(Some((session(), Version(1)))));
    let new = Table::new(&memory, keys(NEW));
    assert_eq!(block_on(new.load(ID)), Ok(Some((over, Version(1)))));
}

#[test]
fn gr_19_a_statement_that_gave_way_was_not_done_and_the_rest_is_not_known() {
    let memory = Memory::default();
    let table = Table::new(&memory, keys(OLD));
    block_on(table.insert(ID, Version(1), &session())).unwrap();
    for (state, wanted) in [
        ("40001", Ok(false)),
        ("40P01", Ok(false)),
        ("53300", Err(Lost)),
        ("25006", Err(Lost)),
        ("57P01", Err(Lost)),
        ("", Err(Lost)),
    ] {
        memory.trouble.borrow_mut().push_back(Trouble::of(state));
        let replaced = block_on(table.replace(ID, Version(1), Version(2), &session()));
        assert_eq!(replaced, wanted, "{state}");
        memory.trouble.borrow_mut().push_back(Trouble::of(state));
        assert_eq!(block_on(table.load(ID)), Err(Lost), "{state}");
    }
    // A table that cannot be made is no reason to go on without.
    memory.trouble.borrow_mut().extend([Trouble::NoTable; 4]);
    assert_eq!(block_on(table.load(ID)), Err(Lost));
}

#[test]
fn every_statement_says_what_it_wants_by_parameters_only() {
    let memory = Memory::default();
    let table = Table::new(&memory, keys(OLD));
    block_on(table.insert(ID, Version(1), &session())).unwrap();
    block_on(table.replace(ID, Version(1), Version(2), &session())).unwrap();
    block_on(table.load(ID)).unwrap();
    block_on(table.sweep()).unwrap();
    let id = ID.to_string();
    assert!(memory.said.borrow().iter().all(|said| !said.contains(&id)));
}

fn neon(status: u16, body: &str) -> Result<Vec<Vec<String>>, Trouble> {
    let url = "postgres://bob:hunter2@ep-1.eu.aws.neon.tech/shop?sslmode=require";
    let said = body.as_bytes().to_vec();
    let fetch = async |request: Request| -> Result<Response, Unreachable> {
        assert_eq!(request.uri(), "https://api.eu.aws.neon.tech/sql");
        let header = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
        let connection = "postgres://bob:hunter2@ep-1.eu.aws.neon.tech/shop";
        assert_eq!(header("neon-connection-string"), connection);
        assert_eq!(header("neon-raw-text-output"), "true");
        assert_eq!(header("neon-array-mode"), "true");
        assert!(!format!("{request:?}").contains("hunter2"));
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        assert_eq!(body, json!({ "query": "SELECT $1", "params": ["x"] }));
        if status == 0 {
            return Err(Unreachable);
        }
        let mut answer = Response::new(said.clone());
        *answer.status_mut() = status.try_into().unwrap();
        Ok(answer)
    };
    let neon = Neon::new(DatabaseUrl::parse(url).unwrap().http.unwrap(), fetch);
    block_on(neon.run("SELECT $1", &["x"]))
}

#[test]
fn neon_is_asked_in_its_own_words_and_half_an_answer_is_none() {
    let whole = json!({
        "command": "SELECT", "rowCount": 1, "rows": [["1", "s"]], "rowAsArray": true,
        "fields": [{"name": "version", "format": "text"}],
    });
    assert_eq!(neon(200, &whole.to_string()), Ok(vec![vec!["1".into(), "s".into()]]));
    assert_eq!(neon(200, r#"{"rows":[]}"#), Ok(Vec::new()));
    let refused = |code: &str| json!({"message": "no", "code": code}).to_string();
    assert_eq!(neon(400, &refused("42P01")), Err(Trouble::NoTable));
    assert_eq!(neon(400, &refused("40001")), Err(Trouble::Overtaken));
    assert_eq!(neon(400, &refused("53300")), Err(Trouble::Lost));
    for (status, body) in [
        (0, ""),
        (200, ""),
        (200, r#"{"rows":[["1","#),
        (200, r#"{"rows":[[null,"s"]]}"#),
        (200, r#"{"rows":{}}"#),
        (400, "{}"),
        (429, ""),
        (500, "<html>"),
        (301, ""),
    ] {
        assert_eq!(neon(status, body), Err(Trouble::Lost), "{status} {body}");
    }
}
