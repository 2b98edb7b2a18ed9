//! The sessions of one person, command by command.

use super::*;

const NOON: UnixTime = UnixTime(1_800_000_000);
const LIFE: u64 = 36_000;

fn noted(n: u8, sid: Option<&str>, now: UnixTime) -> Noted {
    Noted {
        object: Uuid::from_bytes([n; 16]),
        sid: sid.map(Digest::of),
        opened_at: now,
        until: now.plus(LIFE),
        agent: "Firefox on Linux".into(),
    }
}

fn note(noted: Noted) -> Command {
    Command::Note { noted, most: 64 }
}

fn word(name: &str) -> Word {
    Word { token: Digest::of(name), until: NOON.plus(300) }
}

/// Somebody with a session for each of these sessions of the provider.
fn person(sids: &[Option<&str>]) -> Person {
    let notes = (1..).zip(sids).map(|(n, sid)| note(noted(n, *sid, NOON)));
    notes.fold(Person::default(), |person, note| {
        let (person, answer) = person.obey(note, NOON);
        assert_eq!(answer, Answer::Noted(Some(Vec::new())));
        person
    })
}

fn end(person: Person, which: Which, by: Option<Word>, now: UnixTime) -> (Person, Option<Vec<u8>>) {
    let (person, answer) = person.obey(Command::End { which, word: by }, now);
    let Answer::Ended(due) = answer else { panic!("{answer:?}") };
    (person, due.map(|due| due.iter().map(|due| due.object.as_bytes()[0]).collect()))
}

fn listed(person: &Person, now: UnixTime) -> Vec<u8> {
    let (_, answer) = person.clone().obey(Command::List, now);
    let Answer::Listed(listed) = answer else { panic!("{answer:?}") };
    listed.iter().map(|noted| noted.object.as_bytes()[0]).collect()
}

#[test]
fn gs_26_a_sid_ends_what_began_in_that_session_and_a_sub_everything() {
    let all = person(&[Some("s1"), Some("s2"), Some("s1")]);
    assert_eq!(listed(&all, NOON), [3, 2, 1]);
    let (rest, due) = end(all.clone(), Which::Of(Digest::of("s1")), Some(word("a")), NOON);
    assert_eq!((due, listed(&rest, NOON)), (Some(vec![1, 3]), vec![2]));
    let (rest, due) = end(all.clone(), Which::All, Some(word("a")), NOON);
    assert_eq!((due, listed(&rest, NOON)), (Some(vec![1, 2, 3]), vec![]));
    let (rest, due) = end(all, Which::Of(Digest::of("s9")), Some(word("a")), NOON);
    assert_eq!((due, listed(&rest, NOON)), (Some(vec![]), vec![3, 2, 1]));
}

#[test]
fn a_session_of_which_it_is_not_known_where_it_began_ends_with_any_of_them() {
    let (rest, due) =
        end(person(&[None, Some("s2")]), Which::Of(Digest::of("s1")), Some(word("a")), NOON);
    assert_eq!((due, listed(&rest, NOON)), (Some(vec![1]), vec![2]));
}

#[test]
fn gs_27_a_word_counts_once_until_it_would_be_refused_anyway() {
    let (person, due) = end(person(&[Some("s1")]), Which::All, Some(word("a")), NOON);
    assert_eq!(due, Some(vec![1]));
    let (person, answer) = person.obey(note(noted(2, Some("s2"), NOON)), NOON);
    assert_eq!(answer, Answer::Noted(Some(Vec::new())));
    for seconds in [0, 1, 299] {
        let (after, due) = end(person.clone(), Which::All, Some(word("a")), NOON.plus(seconds));
        assert_eq!((due, listed(&after, NOON)), (None, vec![2]), "{seconds}");
    }
    let (_, due) = end(person, Which::All, Some(word("b")), NOON.plus(1));
    assert_eq!(due, Some(vec![1, 2]));
}

#[test]
fn a_word_that_could_not_be_carried_out_counts_once_more_and_names_the_same_again() {
    let (person, _) = end(person(&[Some("s1")]), Which::All, Some(word("a")), NOON);
    let (person, _) = person.obey(Command::Unspend(Digest::of("a")), NOON);
    let (person, due) = end(person, Which::All, Some(word("a")), NOON.plus(60));
    assert_eq!(due, Some(vec![1]));
    // Not for ever: a provider gives up.
    let (_, due) = end(person, Which::All, Some(word("b")), NOON.plus(MEMORY));
    assert_eq!(due, Some(vec![]));
}

#[test]
fn gs_13_what_would_begin_in_a_session_that_is_over_does_not() {
    let (ended, _) = end(Person::default(), Which::Of(Digest::of("s1")), Some(word("a")), NOON);
    let late = |sid, seconds| {
        let now = NOON.plus(seconds);
        ended.clone().obey(note(noted(1, sid, now)), now).1
    };
    assert_eq!(late(Some("s1"), 0), Answer::Noted(None));
    assert_eq!(late(Some("s1"), MEMORY - 1), Answer::Noted(None));
    assert_eq!(late(Some("s2"), 0), Answer::Noted(Some(Vec::new())));
    assert_eq!(late(None, 0), Answer::Noted(Some(Vec::new())));
}

#[test]
fn gs_18_beyond_sixty_four_sessions_the_oldest_ends() {
    let sixty_four = person(&[None; 64]);
    let (person, answer) = sixty_four.obey(note(noted(99, None, NOON)), NOON);
    let Answer::Noted(Some(crowded)) = answer else { panic!("{answer:?}") };
    assert_eq!(crowded, [Due::from(&noted(1, None, NOON))]);
    let listed = listed(&person, NOON);
    assert_eq!((listed.len(), listed[0], listed[63]), (64, 99, 2));
}

#[test]
fn one_ends_and_all_the_others_end() {
    let all = person(&[Some("s1"), Some("s2"), Some("s1")]);
    let two = Uuid::from_bytes([2; 16]);
    let (rest, due) = end(all.clone(), Which::One(two), None, NOON);
    assert_eq!((due, listed(&rest, NOON)), (Some(vec![2]), vec![3, 1]));
    let (rest, due) = end(all.clone(), Which::AllBut(two), None, NOON);
    assert_eq!((due, listed(&rest, NOON)), (Some(vec![1, 3]), vec![2]));
    let (rest, due) = end(all, Which::One(Uuid::from_bytes([9; 16])), None, NOON);
    assert_eq!((due, listed(&rest, NOON).len()), (Some(vec![]), 3));
}

#[test]
fn what_is_over_is_forgotten_and_then_there_is_nothing_left() {
    let (forgotten, _) =
        person(&[Some("s1")]).obey(Command::Forget(Uuid::from_bytes([1; 16])), NOON);
    assert_eq!(forgotten, Person::default());
    let all = person(&[Some("s1"), None]);
    assert_eq!(all.until(), Some(NOON.plus(LIFE)));
    assert_eq!(listed(&all, NOON.plus(LIFE)), Vec::<u8>::new());
    let (ended, _) = end(all, Which::Of(Digest::of("s1")), Some(word("a")), NOON);
    assert_eq!(ended.until(), Some(NOON.plus(MEMORY)));
    let (rest, _) = ended.obey(Command::List, NOON.plus(MEMORY));
    assert_eq!((rest.until(), rest), (None, Person::default()));
}

#[test]
fn gs_28_however_many_words_there_are_what_is_kept_is_bounded() {
    let mut one = person(&[Some("s1")]);
    for n in 0..2000 {
        let by = word(&n.to_string());
        (one, _) = end(one, Which::Of(Digest::of(n.to_string())), Some(by), NOON);
    }
    assert!(one.over.len() <= MOST_REMEMBERED && one.spent.len() <= MOST_REMEMBERED);
    assert_eq!(listed(&one, NOON), [1]);
}

#[test]
fn whose_a_session_of_the_provider_is_stands_in_an_object_of_its_own() {
    let keys = SealingKeys::parse("YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE").unwrap();
    let issuer = "https://idp.test";
    let name = |of: &str| Name::of_person(&keys, issuer, of).next().unwrap();
    let (alice, bob) = (name("alice"), name("bob"));
    assert_ne!(alice, bob);
    assert_ne!(Name::of_session(&keys, issuer, "alice").next(), Some(alice));
    assert!(!alice.to_string().contains("alice"));
    let point = Command::Point { person: alice, until: NOON.plus(10) };
    let (object, _) = Person::default().obey(point, NOON);
    assert_eq!(object.clone().obey(Command::Whose, NOON).1, Answer::Whose(Some(alice)));
    assert_eq!(object.obey(Command::Whose, NOON.plus(10)).1, Answer::Whose(None));
}

#[test]
fn gs_21_an_object_that_was_named_under_an_older_key_is_found() {
    let (old, new) = (
        "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE",
        "YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI",
    );
    let issuer = "https://idp.test";
    let names = |keys: &str| -> Vec<Name> {
        Name::of_person(&SealingKeys::parse(keys).unwrap(), issuer, "alice").collect()
    };
    assert_eq!(names(&format!("{new},{old}")), [names(new), names(old)].concat());
}
