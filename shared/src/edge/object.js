// A Durable Object is asked one thing at a time, as text, and answers with text.

// A short command goes in a header, which costs nothing beside a body.
const header = "x-command";
const short = /^[ -~]{1,1000}$/;

// Asks the object called `name`; undefined when it failed.
export async function ask(env, binding, name, command) {
  const init = short.test(command) ? { headers: { [header]: command } } : { method: "POST", body: command };
  const answer = await env[binding].getByName(name).fetch("https://object/", init);
  const text = await answer.text();
  return answer.status === 200 ? text : undefined;
}

// Answers with what `step` makes of what is asked, at once or later; undefined is a failure.
export async function obey(request, step) {
  const said = await step(request.headers.get(header) ?? await request.text());
  return new Response(said ?? null, { status: said === undefined ? 500 : 200 });
}

// Resolves after so many seconds.
export function pause(seconds) {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}
