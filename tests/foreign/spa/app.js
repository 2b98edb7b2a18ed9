// A single-page application as its authors write it. All that it knows of signing in is oidc-client-ts.
// It is several clients of the issuer at once: the first segment of the path is the client_id.
import { Log, User, UserManager, WebStorageStateStore } from "oidc-client-ts";

// What the library dislikes is said on the console, where the tests read it.
Log.setLogger(console);
Log.setLevel(Log.WARN);

const [, client, page] = location.pathname.split("/");
const home = `${location.origin}/${client}/`;
const manager = new UserManager({
  authority: ISSUER,
  client_id: client,
  redirect_uri: `${home}callback`,
  post_logout_redirect_uri: `${home}signed-out`,
  // No `offline_access`: the refresh token ends with the sign-in session.
  scope: "openid profile email",
  loadUserInfo: true,
  automaticSilentRenew: client === "renewing",
  accessTokenExpiringNotificationTimeInSeconds: RENEW_SECONDS_BEFORE,
  // All tabs are one session; in `sessionStorage` each would have its own.
  userStore: new WebStorageStateStore({ store: localStorage }),
});

const said = document.querySelector("output");
const show = (user) => { said.textContent = user ? `signed in as ${user.profile.name}` : "signed out"; };
manager.events.addUserLoaded(show);
manager.events.addUserUnloaded(() => show(null));
document.querySelector("#sign-in").addEventListener("click", () => manager.signinRedirect());
document.querySelector("#sign-out").addEventListener("click", () => manager.signoutRedirect());
window.app = { manager, User };

try {
  // In a frame or a popup it tells the page that opened it, and has nothing to show.
  const elsewhere = page === "callback" && !await manager.signinCallback();
  if (page === "signed-out") await manager.signoutCallback();
  if (!elsewhere) {
    history.replaceState(null, "", home);
    show(await manager.getUser());
  }
} catch (fault) {
  said.textContent = `failed: ${fault.error ?? fault.message}`;
}
