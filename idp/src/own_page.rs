//! `/account`: the person's own page. Where am I signed in and how, which applications may act for me,
//! and the end of any of it. Every wish is one command to one object, so what was ended is known as
//! ended to refresh, userinfo, introspection and logout at once.

use crate::account::{Overview, Own, Way, Wish};
use crate::directory::Entry;
use crate::errand::Errand;
use crate::event::{self, Event};
use crate::interaction::Interaction;
use crate::page::{self, OwnPage, Ways};
use crate::platform::{Objects, Platform};
use crate::sign_in::{COOKIE, Refused, begin, session};
use crate::words::Endpoint;
use crate::{Idp, ask, linking};
use http::{Method, StatusCode};
use rand_core::CryptoRng;
use shared::cookie;
use shared::fetch::{Request, Response};
use shared::form::{Form, Malformed};
use shared::handle::Handle;
use shared::respond::see_other;
use shared::secret::Digest;
use shared::time::UnixTime;

/// What a form of the page asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Pressed {
    /// Something of the account alone.
    Wish(Wish),
    /// A further way to sign in: by this upstream.
    Link(String),
}

/// Shows the page to somebody who is signed in and does what they wish; anybody else signs in
/// first.
///
/// # Errors
/// See [`Refused`].
pub async fn respond<P: Platform>(
    idp: &Idp<'_, P>,
    request: &Request,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Result<Response, Refused> {
    let pressed = if request.method() == Method::POST {
        pressed(idp, request)?
    } else {
        Pressed::Wish(Wish::Look)
    };
    let wish = match pressed {
        Pressed::Link(upstream) => {
            return linking::begin(idp, request.headers(), &upstream, now, rng).await;
        }
        Pressed::Wish(wish) => wish,
    };
    let here = session(idp, request.headers());
    if let (Some(here), Wish::TakeOff(entry)) = (here, &wish) {
        return linking::take_off(idp, here, entry.clone(), now).await;
    }
    let found = match here {
        Some(here) => own(idp, here, wish.clone(), now).await?,
        None => None,
    };
    let Some((here, overview)) = here.zip(found) else {
        if wish != Wish::Look {
            return Ok(to_own_page(idp));
        }
        let interaction = Interaction::begin(&[], now);
        return Ok(begin(idp, request.headers(), &Errand::OwnPage, &interaction, rng));
    };
    if wish == Wish::Look {
        return show(idp, here, &overview, now).await;
    }
    let mut response = after(idp, &overview);
    event::tell(&mut response, Event::EndedByOwner { account: here.object, what: wish });
    Ok(response)
}

/// Sends the browser to the page.
#[must_use]
pub fn to_own_page<P: Platform>(idp: &Idp<'_, P>) -> Response {
    see_other(&idp.config.issuer.at(Endpoint::OwnPage.path()))
}

/// What follows on a wish: the page again, unless the browser is signed out by it.
#[must_use]
pub fn after<P: Platform>(idp: &Idp<'_, P>, overview: &Overview) -> Response {
    if overview.sessions.iter().any(|session| session.is_this) {
        return to_own_page(idp);
    }
    let view = page::SignedOut { client_name: "", continue_to: None };
    let mut response = page::respond(StatusCode::OK, page::signed_out(&view), None);
    cookie::delete(response.headers_mut(), COOKIE);
    response
}

/// Does what somebody wishes whose session this is; none when it has ended.
///
/// # Errors
/// See [`Refused`].
pub async fn own<P: Platform>(
    idp: &Idp<'_, P>,
    here: Handle,
    wish: Wish,
    now: UnixTime,
) -> Result<Option<Overview>, Refused> {
    let command = Own { session: here.item, cookie: Digest::of(here.secret), wish };
    Ok(idp.objects.own(here.object, command, now).await?)
}

/// What a form of the page asks for. Only a browser can, and only from the page itself.
fn pressed<P: Platform>(idp: &Idp<'_, P>, request: &Request) -> Result<Pressed, Refused> {
    let headers = request.headers();
    let ours = ask::is_from_ourselves(headers, &idp.config.issuer);
    if !ours || !headers.contains_key(http::header::ORIGIN) {
        return Err(Refused::CrossSite);
    }
    let form = ask::form(request).map_err(Refused::Form)?;
    read(&form).ok_or(Refused::Form(ask::NoForm::Malformed(Malformed::NotText)))
}

/// The one button that was pressed.
fn read(form: &Form) -> Option<Pressed> {
    let buttons = ["session", "app", "end", "link", "unlink"].into_iter();
    let mut pressed = buttons.filter_map(|name| Some((name, form.get(name)?)));
    let wish = match (pressed.next()?, pressed.next()) {
        (("session", session), None) => Wish::EndSession(session.parse().ok()?),
        (("app", client_id), None) => Wish::Remove(client_id.to_owned()),
        (("end", "others"), None) => Wish::EndOthers,
        (("end", "everything"), None) => Wish::EndEverything,
        (("unlink", entry), None) => Wish::TakeOff(Entry::parse(entry)?),
        (("link", upstream), None) => return Some(Pressed::Link(upstream.to_owned())),
        _ => return None,
    };
    Some(Pressed::Wish(wish))
}

async fn show<P: Platform>(
    idp: &Idp<'_, P>,
    here: Handle,
    overview: &Overview,
    now: UnixTime,
) -> Result<Response, Refused> {
    let mut names = Vec::new();
    for app in &overview.apps {
        let client = idp.client(&app.client_id).await?;
        // A client that is not registered any more has no name; its grants are of no use to it.
        names.push(client.map_or_else(|| app.client_id.clone(), |client| client.name.clone()));
    }
    let account = here.object.to_string();
    let label = |way: &Way| match way.upstream.as_deref() {
        None => "Password".to_owned(),
        Some(id) => idp.config.upstream(id).map_or(id, |upstream| &upstream.label).to_owned(),
    };
    let labels: Vec<_> = overview.ways.iter().map(label).collect();
    let upstreams = idp.config.upstreams.iter();
    let upstreams: Vec<_> = upstreams.map(|upstream| (&*upstream.id, &*upstream.label)).collect();
    let ways = Ways { listed: &overview.ways, labels: &labels, upstreams: &upstreams };
    let view = OwnPage { overview, names: &names, ways, account: &account, now };
    Ok(page::respond(StatusCode::OK, page::own(&view), None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_one_wish() {
        let pressed = |form: &str| read(&Form::parse(form.as_bytes()).unwrap());
        let wish = |form: &str| match pressed(form)? {
            Pressed::Wish(wish) => Some(wish),
            Pressed::Link(_) => None,
        };
        assert_eq!(wish("end=others"), Some(Wish::EndOthers));
        assert_eq!(wish("app=notes"), Some(Wish::Remove("notes".into())));
        assert_eq!(pressed("link=acme"), Some(Pressed::Link("acme".into())));
        let text = Digest::of("x").to_text();
        let entry = Entry::parse(&text).unwrap();
        assert_eq!(wish(&format!("unlink={text}")), Some(Wish::TakeOff(entry)));
        for none in [
            "",
            "end=all",
            "session=x",
            "session=",
            "app=a&end=others",
            "unlink=x",
            "unlink=",
            "link=acme&end=others",
            "link=acme&unlink=x",
        ] {
            assert_eq!(pressed(none), None, "{none}");
        }
    }
}
