// Behaviours of the issuer that several tests ask for.

// An ID token with these claims in place of its own, or without one of them.
export const claiming = (changes) => ({ idToken: (honest) => ({ ...honest, claims: { ...honest.claims, ...changes } }) });
export const without = (name) => claiming({ [name]: undefined });

// An ID token with these members in its header.
export const heading = (changes) => ({ idToken: (honest) => ({ ...honest, header: { ...honest.header, ...changes } }) });
export const nameless = heading({ kid: undefined });

// Another token, made of the honest one.
export const signing = (idToken) => ({ idToken });

// The good answer of the token endpoint with these members in place of its own.
export const telling = (changes) => ({ token: ({ status, body }) => ({ status, body: { ...body, ...changes } }) });

// An endpoint that gives this answer, whatever it is asked.
export const answering = (endpoint, answer) => ({ [endpoint]: () => answer });

// The same at a refresh, and honest at the sign-in.
export const onRefresh = ({ idToken, token }) => ({
  ...(idToken && { idToken: (honest, form) => form.get("grant_type") === "refresh_token" ? idToken(honest, form) : honest }),
  ...(token && { token: (answer, request) => request.form.get("grant_type") === "refresh_token" ? token(answer, request) : answer }),
});
