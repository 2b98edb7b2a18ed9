//! `/account`: the person's own page. Where am I signed in, which applications may act for me, and
//! the end of any of it. Every wish is one command to one object, so what was ended is known as
//! ended to refresh, userinfo, introspection and logout at once.

use crate::account::{Overview, Own, Wish};
use crate::errand::Errand;
use crate::event::{self, Event};
use crate::interaction::Interaction;
use crate::page::{self, OwnPage};
use crate::platform::{Objects, Platform};
use crate::sign_in::{COOKIE, Refused, begin, session};
use crate::words::Endpoint;
use crate::{Idp, ask};
use http::{Method, StatusCode};
use rand_core::CryptoRng;
use shared::cookie;
use shared::fetch::{Request, Response};
use shared::form::{Form, Malformed};
use shared::handle::Handle;
use shared::respond::see_other;
use shared::secret::Digest;
use shared::time::UnixTime;

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
    let wish = if request.method() == Method::POST { wish(idp, request)? } else { Wish::Look };
    let here = session(idp, request.headers());
    let found = match here {
        Some(here) => own(idp, here, wish.clone(), now).await?,
        None => None,
    };
    let Some((here, overview)) = here.zip(found) else {
        if wish != Wish::Look {
            return Ok(see_other(&idp.config.issuer.at(Endpoint::OwnPage.path())));
        }
        let interaction = Interaction::begin(&[], now);
        return Ok(begin(idp, request.headers(), &Errand::OwnPage, &interaction, rng));
    };
    if wish == Wish::Look {
        return show(idp, here, &overview, now).await;
    }
    let mut response = if overview.sessions.iter().any(|session| session.is_this) {
        see_other(&idp.config.issuer.at(Endpoint::OwnPage.path()))
    } else {
        let view = page::SignedOut { client_name: "", continue_to: None };
        let mut response = page::respond(StatusCode::OK, page::signed_out(&view), None);
        cookie::delete(response.headers_mut(), COOKIE);
        response
    };
    event::tell(&mut response, Event::EndedByOwner { account: here.object, what: wish });
    Ok(response)
}

async fn own<P: Platform>(
    idp: &Idp<'_, P>,
    here: Handle,
    wish: Wish,
    now: UnixTime,
) -> Result<Option<Overview>, Refused> {
    let command = Own { session: here.item, cookie: Digest::of(here.secret), wish };
    Ok(idp.objects.own(here.object, command, now).await?)
}

/// What a form of the page asks for. Only a browser can, and only from the page itself.
fn wish<P: Platform>(idp: &Idp<'_, P>, request: &Request) -> Result<Wish, Refused> {
    let headers = request.headers();
    let ours = ask::is_from_ourselves(headers, &idp.config.issuer);
    if !ours || !headers.contains_key(http::header::ORIGIN) {
        return Err(Refused::CrossSite);
    }
    let form = ask::form(request).map_err(Refused::Form)?;
    read(&form).ok_or(Refused::Form(ask::NoForm::Malformed(Malformed::NotText)))
}

fn read(form: &Form) -> Option<Wish> {
    match (form.get("session"), form.get("app"), form.get("end")) {
        (Some(session), None, None) => session.parse().ok().map(Wish::EndSession),
        (None, Some(client_id), None) => Some(Wish::Remove(client_id.to_owned())),
        (None, None, Some("others")) => Some(Wish::EndOthers),
        (None, None, Some("everything")) => Some(Wish::EndEverything),
        _ => None,
    }
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
    let view = OwnPage { overview, names: &names, account: &account, now };
    Ok(page::respond(StatusCode::OK, page::own(&view), None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_one_wish() {
        let wish = |form: &str| read(&Form::parse(form.as_bytes()).unwrap());
        assert_eq!(wish("end=others"), Some(Wish::EndOthers));
        assert_eq!(wish("app=notes"), Some(Wish::Remove("notes".into())));
        for none in ["", "end=all", "session=x", "session=", "app=a&end=others"] {
            assert_eq!(wish(none), None, "{none}");
        }
    }
}
